//! Limits, breakers, switches and states by the control socket: what they refuse, and that they outlive a kill with
//! their versions, their actor and their reason.

use crate::client::{Client, open_order, order_with, quote};
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{reasons_in, records_of, reexecute, run, wait_for};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;

/// An order of the hedging account in the perpetual contract.
fn hedged(name: &str, changes: &Value) -> Value {
    let mut terms = json!({
        "account": "hedge", "instrument": "BTCUSDT-PERP", "order_type": "market", "time_in_force": "ioc", "price": null,
        "quantity": "0.5",
    });
    terms.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
    order_with(name, &terms)
}

fn set_limit(limit: &str, value: &Value, scope: &Value) -> Value {
    let mut request =
        json!({ "op": "limit.set", "limit": limit, "value": value, "reason": format!("test of {limit}") });
    request.as_object_mut().expect("an object").extend(scope.as_object().expect("a scope").clone());
    request
}

/// What holds for whom, as far as it is no figure that moves with the market.
fn settings(client: &mut Client) -> Value {
    let shown = client.ask_ok(&json!({ "op": "query.limits" }));
    json!([shown["limits_version"], shown["limits"], shown["breakers"]])
}

#[track_caller]
fn kill_keeps_settings(daemon: &mut LiveDaemon, client: &mut Client) {
    let before = settings(client);
    daemon.kill();
    daemon.start_again(&[]);
    *client = Client::connect(&daemon.dir);
    assert_eq!(settings(client), before);
}

fn positions(client: &mut Client, account: &str) -> Vec<Value> {
    let mut shown = client.ask_ok(&json!({ "op": "query.positions", "account": account }));
    shown["positions"].as_array_mut().expect("a list").drain(..).collect()
}

/// Waits until the account has these quantities, in the order of the query.
#[track_caller]
fn wait_for_positions(client: &mut Client, account: &str, expected: &[(&str, &str)]) {
    wait_for(&format!("{account} to have {expected:?}"), || {
        let shown = positions(client, account);
        let are = shown.len() == expected.len()
            && shown
                .iter()
                .zip(expected)
                .all(|(row, (side, qty))| row["position_side"] == *side && row["quantity"] == *qty);
        are.then_some(())
    });
}

/// A daemon whose perpetual contract has a market and a mark.
fn with_market() -> (LiveDaemon, Client) {
    let daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    client.ask_ok(&json!({ "op": "market.mark", "instrument": "BTCUSDT-PERP", "price": "20000.0" }));
    quote(&mut client, "BTCUSDT-PERP", "20000.0", "20000.1");
    (daemon, client)
}

#[test]
fn every_limit_refuses_with_its_reason_and_outlives_a_kill() {
    let (mut daemon, mut client) = with_market();
    let (hedge, perpetual) = (json!({ "account": "hedge" }), json!({ "instrument": "BTCUSDT-PERP" }));
    let limit_order = json!({ "order_type": "limit", "time_in_force": "gtc", "price": "19500.0" });
    let far = json!({ "order_type": "limit", "time_in_force": "gtc", "price": "25000.0" });
    client.ask_refused(&hedged("collar", &far), "price_outside_collar", "price");
    let gross = hedged("gross", &json!({ "quantity": "16" }));
    let refused = client.ask_refused(&gross, "gross_exposure_above_limit", "account");
    assert_eq!(
        (&refused["limit"], &refused["observed"]),
        (&json!("300000.00000000"), &json!("320000.00000000")),
        "the figures of the rule"
    );
    client.ask_refused(&hedged("net", &json!({ "quantity": "8" })), "net_exposure_above_limit", "account");
    let cases = [
        ("order_quantity", "0.4", &perpetual, json!({}), "quantity_above_limit", "quantity"),
        ("order_quantity_min", "0.6", &perpetual, json!({}), "quantity_below_minimum", "quantity"),
        ("order_notional", "9999", &perpetual, json!({}), "notional_above_limit", "quantity"),
        ("position_quantity", "0.4", &perpetual, json!({}), "position_above_limit", "quantity"),
        ("leverage", "0.09", &hedge, json!({}), "leverage_above_limit", "account"),
        ("open_orders", "0", &hedge, limit_order.clone(), "open_orders_above_limit", "account"),
        ("order_rate", "0", &hedge, json!({}), "order_rate_above_limit", "account"),
        ("market_age", "0.000000001", &hedge, json!({}), "stale_market", "instrument"),
    ];
    for (number, (limit, value, scope, terms, code, field)) in cases.iter().enumerate() {
        let before =
            client.ask_ok(&json!({ "op": "query.limits" }))["limits_version"].as_u64().expect("a version");
        let version = client.ask_ok(&set_limit(limit, &json!(value), scope))["limits_version"].clone();
        assert_eq!(version, before + 1);
        if number % 3 == 0 {
            kill_keeps_settings(&mut daemon, &mut client);
        }
        client.ask_refused(&hedged(&format!("by-{limit}"), terms), code, field);
        client.ask_ok(&set_limit(limit, &Value::Null, scope));
    }
    // Own orders do not meet, and credit ends.
    client.ask_ok(&hedged("rests", &limit_order));
    let meets = json!({ "side": "sell", "order_type": "limit", "time_in_force": "gtc", "price": "19500.0" });
    let met = client.ask_refused(&hedged("meets", &meets), "self_trade", "price");
    assert_eq!((&met["limit"], &met["observed"]), (&json!("19500.00"), &json!("19500.00")), "{met}");
    client.ask_ok(&hedged("passes", &json!({})));
    daemon.stop();

    let set = records_of(&daemon.dir, "risk.limit_set");
    let by_hand: Vec<&Value> = set.iter().filter(|record| record["actor"] == "control").collect();
    assert_eq!(by_hand.len(), 2 * cases.len());
    for (record, limit) in by_hand.iter().zip(cases.iter().flat_map(|case| [case.0, case.0])) {
        assert_eq!(
            (&record["payload"]["kind"], &record["payload"]["reason"]),
            (&json!(limit), &json!(format!("test of {limit}")))
        );
    }
    let changed = records_of(&daemon.dir, "risk.limit_changed");
    let versions: Vec<u64> = changed
        .iter()
        .map(|record| record["payload"]["limits_version"].as_u64().expect("a version"))
        .collect();
    assert!(versions.windows(2).all(|pair| pair[1] == pair[0] + 1), "{versions:?}");
    let refused = records_of(&daemon.dir, "risk.order_refused");
    let of_age =
        refused.iter().find(|record| record["payload"]["reason"] == "stale_market").expect("a refusal");
    assert_eq!(of_age["payload"]["limit"], "0.000000001");
    reexecute(&daemon.dir);
}

#[test]
fn a_breaker_trips_lets_reducing_orders_pass_and_is_reset_by_hand() {
    let (mut daemon, mut client) = with_market();
    client.ask_ok(&set_limit("cool_down", &Value::Null, &json!({ "account": "hedge" })));
    client.ask_ok(&hedged("long", &json!({ "quantity": "1" })));
    client.ask_ok(&hedged("short", &json!({ "side": "sell" })));
    wait_for_positions(&mut client, "hedge", &[("long", "1.000"), ("short", "-0.500")]);
    client.ask_ok(&json!({ "op": "market.mark", "instrument": "BTCUSDT-PERP", "price": "9000.0" }));
    // Looked at with the next order; from here on nothing new enters.
    client.ask_refused(&hedged("opens", &json!({})), "breaker_tripped", "account");
    kill_keeps_settings(&mut daemon, &mut client);
    let shown = client.ask_ok(&json!({ "op": "query.limits", "account": "hedge" }));
    let breaker = &shown["breakers"][0];
    assert_eq!(
        (&breaker["breaker"], &breaker["state"], &breaker["account"]),
        (&json!("daily_loss"), &json!("tripped"), &json!("hedge"))
    );
    let refused = client.ask_refused(&hedged("opens-2", &json!({})), "breaker_tripped", "account");
    assert_eq!(
        (&refused["limit"], &refused["observed"]),
        (&breaker["limit"], &breaker["observed"]),
        "after the kill"
    );
    client
        .ask_ok(&hedged("closes", &json!({ "side": "sell", "position_effect": "close", "quantity": "0.4" })));
    wait_for_positions(&mut client, "hedge", &[("long", "0.600"), ("short", "-0.500")]);
    let reset = json!({ "op": "breaker.reset", "account": "hedge", "breaker": "daily_loss", "reason": "talked to the desk" });
    assert_eq!(client.ask_ok(&reset)["state"], "armed");
    client.ask_refused(&reset, "illegal_move", "breaker");
    client.ask_ok(&hedged("opens-3", &json!({ "quantity": "0.1" })));
    daemon.stop();
    let moves: Vec<Value> = records_of(&daemon.dir, "risk.breaker_changed")
        .iter()
        .map(|record| json!([record["payload"]["from"], record["payload"]["state"]]))
        .collect();
    assert_eq!(moves, [json!(["armed", "tripped"]), json!(["tripped", "armed"])]);
    let reset = records_of(&daemon.dir, "risk.breaker_reset");
    assert_eq!(
        (&reset[0]["payload"]["reason"], &reset[0]["actor"]),
        (&json!("talked to the desk"), &json!("control"))
    );
    assert!(!records_of(&daemon.dir, "risk.alert").is_empty());
    reexecute(&daemon.dir);
}

#[test]
fn switches_and_states_hold_for_their_scope_across_a_kill() {
    let (mut daemon, mut client) = with_market();
    client.ask_ok(&hedged("long", &json!({})));
    wait_for_positions(&mut client, "hedge", &[("long", "0.500")]);
    let switch = |engaged: bool| json!({ "op": "kill_switch.set", "strategy": "trend", "engaged": engaged, "reason": "it drifts" });
    assert_eq!(client.ask_ok(&switch(true))["cancels"], 0);
    client.ask_ok(
        &json!({ "op": "trading_state.set", "account": "hedge", "state": "reduce_only", "reason": "late" }),
    );
    kill_keeps_settings(&mut daemon, &mut client);
    client.ask_refused(&hedged("opens", &json!({})), "reduce_only", "quantity");
    client.ask_ok(&json!({ "op": "trading_state.set", "account": "hedge", "state": "halted" }));
    let closing = json!({ "side": "sell", "position_effect": "close", "quantity": "0.1" });
    client.ask_refused(&hedged("closes", &closing), "trading_halted", "account");
    client.ask_ok(&json!({ "op": "trading_state.set", "account": "hedge", "state": "active" }));
    let state = |state: &str| json!({ "op": "account_state.set", "account": "hedge", "state": state, "reason": "margin" });
    client.ask_ok(&state("suspended"));
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    client.ask_refused(&hedged("suspended", &json!({})), "account_not_active", "account");
    client.ask_ok(&hedged("closes-2", &closing));
    client.ask_refused(&state("closed"), "illegal_move", "state");
    wait_for_positions(&mut client, "hedge", &[("long", "0.400")]);
    client.ask_ok(&hedged(
        "closes-3",
        &json!({ "side": "sell", "position_effect": "close", "quantity": "0.4" }),
    ));
    wait_for_positions(&mut client, "hedge", &[("long", "0.000")]);
    client.ask_ok(&state("closed"));
    client.ask_refused(&state("active"), "illegal_move", "state");
    client.ask_ok(&switch(false));
    daemon.stop();
    let told = reasons_in(&daemon.dir);
    for reason in ["reduce_only", "trading_halted", "account_not_active", "illegal_move", "it drifts", "late"]
    {
        assert!(told.contains(reason), "{reason} is not in {told:?}");
    }
    reexecute(&daemon.dir);
}

#[test]
fn both_sides_of_a_hedge_are_funded_marked_and_kept() {
    let (mut daemon, mut client) = with_market();
    client.ask_ok(&hedged("long", &json!({ "quantity": "1" })));
    client.ask_ok(&hedged("short", &json!({ "side": "sell" })));
    wait_for_positions(&mut client, "hedge", &[("long", "1.000"), ("short", "-0.500")]);
    client.ask_ok(&json!({ "op": "market.funding", "instrument": "BTCUSDT-PERP", "rate": "0.0001", "price": "20000.0" }));
    client.ask_ok(&json!({ "op": "market.mark", "instrument": "BTCUSDT-PERP", "price": "21000.0" }));
    let before = positions(&mut client, "hedge");
    let figures = |row: &Value| (row["funding"].clone(), row["unrealized"].clone());
    assert_eq!(figures(&before[0]), (json!("-2.00000000"), json!("999.90000000")), "{before:?}");
    assert_eq!(figures(&before[1]), (json!("1.00000000"), json!("-500.00000000")), "{before:?}");
    wait_for("the marks of the second", || {
        (!records_of(&daemon.dir, "position.marked").is_empty()).then_some(())
    });
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    assert_eq!(positions(&mut client, "hedge"), before);
    let limits = client.ask_ok(&json!({ "op": "query.limits", "account": "hedge" }));
    assert_eq!(limits["accounts"][0]["gross_exposure"], "31500.00000000", "{limits}");
    client.ask_ok(&json!({ "op": "cash.transfer", "account": "hedge", "currency": "USDT", "amount": "-1000", "reason": "paid out" }));
    let too_much =
        json!({ "op": "cash.transfer", "account": "hedge", "currency": "USDT", "amount": "-99000" });
    client.ask_refused(&too_much, "insufficient_buying_power", "account");
    let ended = daemon.stop().json();
    assert_eq!(ended["profit"]["hedge"]["USDT"]["funding"], "-1.00000000", "{ended}");
    reexecute(&daemon.dir);
}

fn limits(dir: &Path, what: &str, rest: &[&str]) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["limits".into(), what.into(), "--dir".into(), dir.into()];
    all.extend(rest.iter().map(OsString::from));
    all
}

#[test]
fn limits_are_shown_set_and_explained_on_the_command_line() {
    let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let mut daemon = LiveDaemon::start_with(&text, &[]);
    let dir = daemon.dir.clone();
    let shown = run(limits(&dir, "show", &["--strategy", "trend"])).expect(0).stdout;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["order_quantity", "0.05", "BTC", "strategy", "trend"]), "{shown}");
    assert!(rows.contains(&vec!["stale_feed", "5", "s", "strategy", "trend"]), "{shown}");
    assert!(!shown.contains("hedge"), "{shown}");

    let reason = ["--strategy", "trend", "--reason", "smaller for now"];
    let told =
        run(limits(&dir, "set", &[&["order_quantity", "0.02"][..], &reason].concat())).expect(0).stdout;
    assert!(told.starts_with("order_quantity is 0.02; limits version "), "{told}");
    let shown = run(limits(&dir, "show", &["--strategy", "trend", "--json"])).expect(0).json();
    let of_strategy = shown["limits"].as_array().expect("a list").iter();
    let sizes: Vec<&Value> = of_strategy.filter(|row| row["limit"] == "order_quantity").collect();
    assert_eq!((sizes.len(), &sizes[0]["value"], &sizes[0]["unit"]), (1, &json!("0.020"), &json!("BTC")));
    run(limits(&dir, "set", &["order_quantity", "none", "--strategy", "trend", "--reason", "over"]))
        .expect(0);
    for (wrong, texts) in [
        (&["leverage", "-1"][..], &["value \"-1\"", "none"][..]),
        (&["leverage", "2", "--instrument", "BTCUSDT"], &["leverage can be set for: global, account"]),
        (&["order_quantity", "2"], &["instrument: order_quantity", "name the instrument"]),
        (&["luck", "2"], &["is unknown", "cool_down"]),
        (&["self_trade", "maybe"], &["is unknown", "cancel_maker"]),
        (&["leverage", "2", "--account", "nobody"], &["nobody", "hedge"]),
    ] {
        run(limits(&dir, "set", &[wrong, &["--reason", "try"]].concat())).expect_told(1, texts);
    }
    run(limits(&dir, "set", &["leverage", "2"])).expect_told(2, &["--reason"]);
    run(limits(&dir, "set", &["leverage", "2", "--reason", ""])).expect_told(1, &["reason", "why"]);
    daemon.stop();
    let changed = records_of(&dir, "risk.limit_changed");
    let last = &changed.last().expect("a change")["payload"];
    assert_eq!(
        (&last["previous"], &last["value"]),
        (&json!("0.020"), &Value::Null),
        "in the units of its instrument"
    );
    run(limits(&dir, "show", &[])).expect_told(74, &["no daemon answers"]);

    let rule = run(["limits", "explain", "price_outside_collar"]).expect(0).stdout;
    assert!(rule.contains("price_collar") && rule.contains("(27)"), "{rule}");
    assert!(run(["limits", "explain", "market_age"]).expect(0).stdout.contains("counted in: seconds"));
    run(["limits", "explain", "luck"]).expect_told(1, &["is no rule", "price_collar"]);
    reexecute(&dir);
}

#[test]
fn a_strategy_that_is_killed_asks_for_nothing_more() {
    let (mut daemon, mut client) = with_market();
    client.ask_ok(
        &json!({ "op": "kill_switch.set", "strategy": "trend", "engaged": true, "reason": "by test" }),
    );
    let rising = |client: &mut Client, from: u64| {
        for step in from..from + 130 {
            quote(client, "BTCUSDT-PERP", &format!("{}.0", 20_000 + step), &format!("{}.1", 20_000 + step));
        }
    };
    rising(&mut client, 0);
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    rising(&mut client, 130);
    assert!(open_order(&mut client, "bob", "trend").is_none());
    daemon.stop();
    let refused = records_of(&daemon.dir, "risk.order_refused");
    assert!(!refused.is_empty(), "it would have bought");
    assert!(refused.iter().all(|record| {
        (&record["payload"]["reason"], &record["payload"]["strategy"])
            == (&json!("kill_switch"), &json!("trend"))
    }));
    assert!(records_of(&daemon.dir, "order.submitted").is_empty());
    reexecute(&daemon.dir);
}

#[test]
fn a_kill_switch_works_when_no_new_reason_can_be_kept() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let switch = |engaged: bool, reason: &str| json!({ "op": "kill_switch.set", "account": "alice", "engaged": engaged, "reason": reason });
    let mut count = 0;
    let mut is_full = |client: &mut Client| {
        // Some at a time share a sync.
        let some: Vec<Value> =
            (count..count + 64).map(|number| switch(number % 2 == 0, &format!("reason {number}"))).collect();
        count += some.len();
        assert!(count <= 8192, "the dictionary never fills up");
        assert!(client.try_send(&some), "it lives");
        let replies: Vec<Value> = some.iter().map(|_| client.reply()).collect();
        assert!(replies.iter().all(|reply| reply["ok"] == true), "{replies:?}");
        replies.iter().any(|reply| reply["result"]["reason_kept"] == false)
    };
    while !is_full(&mut client) {}
    let without = client.ask_ok(&switch(true, "a new one"));
    assert_eq!((&without["engaged"], &without["reason_kept"]), (&json!(true), &json!(false)));
    let with = client.ask_ok(&switch(true, "reason 0"));
    assert_eq!((&with["engaged"], &with["reason_kept"]), (&json!(true), &Value::Null));
    // What takes no risk away can wait for a reason that is known.
    let limit = json!({ "op": "limit.set", "limit": "open_orders", "value": "5", "reason": "a new one" });
    client.ask_refused(&limit, "store_full", "reason");
    daemon.stop();
    reexecute(&daemon.dir);
}
