//! Every kind of order by the control socket: what is held, triggered, linked, replaced and refused, across kills.

use crate::client::{Client, open_order, order_with, quote, trade};
use crate::live::LiveDaemon;
use crate::process::{reasons_in, records_of, reexecute, wait_for};
use serde_json::{Value, json};

/// An order of alice's in BTCUSDT; null takes a field away.
fn place(client: &mut Client, name: &str, terms: &Value) -> Value {
    client.ask_ok(&order_with(name, terms))
}

/// Waits until alice's order is as `expected` says, or is done where that is `None`.
#[track_caller]
fn wait_until(client: &mut Client, name: &str, expected: Option<&Value>) {
    wait_for(&format!("{name} to be {expected:?}"), || {
        let shown = open_order(client, "alice", name);
        let is_so = match (&shown, expected) {
            (None, None) => true,
            (Some(shown), Some(expected)) => has(shown, expected),
            (_, _) => false,
        };
        is_so.then_some(())
    });
}

/// Whether every field of `expected` stands in `shown`.
fn has(shown: &Value, expected: &Value) -> bool {
    expected.as_object().expect("an object").iter().all(|(name, value)| shown[name] == *value)
}

/// All open orders, across a kill that must not change them.
#[track_caller]
fn kill_keeps_orders(daemon: &mut LiveDaemon, client: &mut Client) {
    let before = client.ask_ok(&json!({ "op": "query.orders" }));
    daemon.kill();
    daemon.start_again(&[]);
    *client = Client::connect(&daemon.dir);
    assert_eq!(client.ask_ok(&json!({ "op": "query.orders" })), before);
}

#[test]
fn held_orders_wait_across_a_kill_and_are_triggered_after_it() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    quote(&mut client, "BTCUSDT", "100.00", "100.10");
    trade(&mut client, "BTCUSDT", "100.05");
    let held = [
        ("stop", json!({ "order_type": "stop", "trigger_price": "110.00", "price": null }), "110.00"),
        (
            "stop-limit",
            json!({ "order_type": "stop_limit", "trigger_price": "110.00", "price": "112.00" }),
            "110.00",
        ),
        (
            "touched",
            json!({ "order_type": "market_if_touched", "trigger_price": "95.00", "price": null }),
            "95.00",
        ),
        (
            "touched-limit",
            json!({ "order_type": "limit_if_touched", "trigger_price": "94.00", "price": "94.50" }),
            "94.00",
        ),
        (
            "trailing",
            json!({ "order_type": "trailing_stop", "side": "sell", "trail_offset": "5.00", "price": null }),
            "95.05",
        ),
        (
            "trailing-points",
            json!({
                "order_type": "trailing_stop", "side": "sell", "trail_offset": "200", "trail_unit": "basis_points",
                "trigger_by": "touch", "price": null,
            }),
            "98.00",
        ),
    ];
    for (name, terms, trigger) in &held {
        let placed = place(&mut client, name, terms);
        assert_eq!(
            (&placed["status"], &placed["held_for"]),
            (&json!("held"), &json!("trigger")),
            "{name}: {placed}"
        );
        let shown = open_order(&mut client, "alice", name).expect("it is open");
        let expected = json!({ "status": "held", "held_for": "trigger", "trigger_price": trigger, "cum_qty": "0.00000000" });
        assert!(has(&shown, &expected), "{name}: {shown}");
    }
    trade(&mut client, "BTCUSDT", "104.00");
    wait_until(&mut client, "trailing", Some(&json!({ "trigger_price": "99.00" })));
    kill_keeps_orders(&mut daemon, &mut client);

    // A held order takes new terms at once.
    let new_terms = json!({
        "op": "order.replace", "account": "alice", "instrument": "BTCUSDT", "client_order_id": "touched",
        "trigger_price": "96.00",
    });
    let replaced = client.ask_ok(&new_terms);
    assert_eq!((&replaced["status"], &replaced["replaced"]), (&json!("held"), &json!(true)));
    client.ask_refused(&new_terms, "nothing_to_replace", "op");
    // The price passes both stops; the limit order rests where it is.
    quote(&mut client, "BTCUSDT", "111.90", "113.00");
    trade(&mut client, "BTCUSDT", "112.00");
    wait_until(&mut client, "stop", None);
    let rests = json!({ "status": "new", "is_triggered": true, "held_for": null, "price": "112.00" });
    wait_until(&mut client, "stop-limit", Some(&rests));
    // Back again: the trailing stops have followed the rise.
    quote(&mut client, "BTCUSDT", "105.90", "106.00");
    trade(&mut client, "BTCUSDT", "106.00");
    for name in ["trailing", "trailing-points", "stop-limit"] {
        wait_until(&mut client, name, None);
    }
    // A cancel of what the core holds is done at once.
    let canceled =
        client.ask_ok(&json!({ "op": "order.cancel", "account": "alice", "client_order_id": "touched" }));
    assert_eq!(canceled["status"], "canceled");
    daemon.stop();
    let triggered = records_of(&daemon.dir, "order.triggered");
    assert_eq!(triggered.len(), 4, "{triggered:?}");
    reexecute(&daemon.dir);
}

#[test]
fn what_an_order_asks_of_the_venue_is_done_or_refused_with_its_reason() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    quote(&mut client, "BTCUSDT", "100.00", "100.10");
    place(&mut client, "post-only", &json!({ "price": "100.10", "post_only": true }));
    place(&mut client, "fok", &json!({ "price": "100.10", "quantity": "5", "time_in_force": "fok" }));
    place(&mut client, "fok-worse", &json!({ "price": "100.00", "quantity": "1", "time_in_force": "fok" }));
    place(&mut client, "open", &json!({ "price": "99.00", "time_in_force": "at_the_open" }));
    for name in ["post-only", "fok", "fok-worse", "open"] {
        wait_until(&mut client, name, None);
    }
    place(&mut client, "iceberg", &json!({ "price": "99.00", "quantity": "1", "display_quantity": "0.1" }));
    place(&mut client, "day", &json!({ "price": "99.00", "time_in_force": "day" }));
    let far = json!({ "price": "99.00", "time_in_force": "gtd", "expires_at": "2100-01-01T00:00:00Z" });
    place(&mut client, "gtd", &far);
    let iceberg = json!({ "status": "new", "display_quantity": "0.10000000" });
    wait_until(&mut client, "iceberg", Some(&iceberg));
    wait_until(&mut client, "day", Some(&json!({ "status": "new", "time_in_force": "day" })));
    wait_until(
        &mut client,
        "gtd",
        Some(&json!({ "status": "new", "expires_at": 4_102_444_800_000_000_000_u64 })),
    );
    quote(&mut client, "BTCUSDT", "100.00", "100.10");
    let amount = json!({ "order_type": "market", "time_in_force": null, "price": null, "quantity": "50", "quantity_in_quote": true });
    place(&mut client, "amount", &amount);
    wait_until(&mut client, "amount", None);

    for (name, terms, code, field) in [
        ("close", json!({ "position_effect": "close" }), "reduce_only", "quantity"),
        (
            "past",
            json!({ "time_in_force": "gtd", "expires_at": "2020-01-01T00:00:00Z" }),
            "expiry_invalid",
            "expires_at",
        ),
        ("undated", json!({ "time_in_force": "gtd" }), "expiry_invalid", "time_in_force"),
        ("dated", json!({ "expires_at": "2100-01-01T00:00:00Z" }), "expiry_invalid", "expires_at"),
        ("hidden", json!({ "display_quantity": "0.002" }), "display_quantity_invalid", "display_quantity"),
        ("untriggered", json!({ "order_type": "stop_limit" }), "trigger_invalid", "trigger_price"),
        ("triggered", json!({ "trigger_price": "99.00" }), "terms_invalid", "order_type"),
        ("trails", json!({ "trail_offset": "1.00" }), "terms_invalid", "order_type"),
        ("takes", json!({ "time_in_force": "ioc", "post_only": true }), "terms_invalid", "order_type"),
        ("orphan", json!({ "link": 9, "contingency": "child" }), "link_invalid", "link"),
        ("unlinked", json!({ "contingency": "oco" }), "link_invalid", "link"),
    ] {
        client.ask_refused(&order_with(name, &terms), code, field);
    }
    kill_keeps_orders(&mut daemon, &mut client);
    // Names of refused orders are remembered, too.
    let past = json!({ "time_in_force": "gtd", "expires_at": "2020-01-01T00:00:00Z" });
    client.ask_refused(&order_with("past", &past), "expiry_invalid", "expires_at");
    client.ask_ok(&json!({ "op": "market.session", "instrument": "BTCUSDT", "state": "closed" }));
    wait_until(&mut client, "day", None);
    client.ask_refused(&order_with("closed", &json!({})), "market_closed", "instrument");
    daemon.stop();
    let told = reasons_in(&daemon.dir);
    for reason in
        ["would_take", "not_filled_whole", "expiry_invalid", "terms_invalid", "link_invalid", "market_closed"]
    {
        assert!(told.contains(reason), "{reason} is not in {told:?}");
    }
    reexecute(&daemon.dir);
}

#[test]
fn linked_orders_stay_linked_across_kills() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    quote(&mut client, "BTCUSDT", "100.00", "100.10");
    let sell = |changes: Value| {
        let mut terms = json!({ "side": "sell", "quantity": "1" });
        terms.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        terms
    };
    place(&mut client, "oco-limit", &sell(json!({ "price": "120.00", "link": 1, "contingency": "oco" })));
    let stop = json!({ "order_type": "stop", "price": null, "trigger_price": "80.00", "link": 1, "contingency": "oco" });
    place(&mut client, "oco-stop", &sell(stop));
    place(
        &mut client,
        "entry",
        &json!({ "price": "99.00", "quantity": "1", "link": 2, "contingency": "parent" }),
    );
    let exit = |changes: Value| {
        let mut terms = sell(json!({ "link": 2, "contingency": "bracket_exit" }));
        terms.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
        terms
    };
    let target = place(&mut client, "target", &exit(json!({ "price": "105.00" })));
    assert_eq!((&target["status"], &target["held_for"]), (&json!("held"), &json!("parent")));
    place(
        &mut client,
        "guard",
        &exit(json!({ "order_type": "stop", "price": null, "trigger_price": "95.00" })),
    );
    kill_keeps_orders(&mut daemon, &mut client);

    // The entry is filled: both exits live, the stop in the core.
    quote(&mut client, "BTCUSDT", "98.80", "98.90");
    wait_until(&mut client, "entry", None);
    wait_until(&mut client, "target", Some(&json!({ "status": "new", "quantity": "1.00000000" })));
    wait_until(&mut client, "guard", Some(&json!({ "status": "held", "held_for": "trigger" })));
    kill_keeps_orders(&mut daemon, &mut client);
    // What one exit fills, the other loses.
    let part = json!({
        "op": "market.quote", "instrument": "BTCUSDT", "bid_price": "105.50", "bid_quantity": "0.3",
        "ask_price": "105.60", "ask_quantity": "5",
    });
    client.ask_ok(&part);
    wait_until(&mut client, "target", Some(&json!({ "cum_qty": "0.30000000" })));
    wait_until(&mut client, "guard", Some(&json!({ "quantity": "0.70000000" })));
    quote(&mut client, "BTCUSDT", "94.00", "94.10");
    trade(&mut client, "BTCUSDT", "94.00");
    wait_until(&mut client, "guard", None);
    wait_until(&mut client, "target", None);
    // One cancels the other.
    kill_keeps_orders(&mut daemon, &mut client);
    quote(&mut client, "BTCUSDT", "120.10", "120.20");
    wait_until(&mut client, "oco-limit", None);
    wait_until(&mut client, "oco-stop", None);
    let positions = client.ask_ok(&json!({ "op": "query.positions", "account": "alice" }));
    assert_eq!(
        positions["positions"][0]["quantity"], "-1.00000000",
        "only the sell that was not bought before"
    );
    daemon.stop();
    assert!(reasons_in(&daemon.dir).contains("linked_order_done"));
    reexecute(&daemon.dir);
}

#[test]
fn a_mass_cancel_takes_its_scope_and_no_more() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    quote(&mut client, "BTCUSDT", "100.00", "100.10");
    for number in 0..150 {
        place(&mut client, &format!("buy-{number}"), &json!({ "price": "99.00" }));
    }
    place(&mut client, "sell", &json!({ "side": "sell", "price": "120.00" }));
    place(&mut client, "held", &json!({ "order_type": "stop", "price": null, "trigger_price": "110.00" }));
    place(&mut client, "other", &json!({ "account": "bob", "price": "99.00" }));
    let asked = json!({
        "op": "order.mass_cancel", "account": "alice", "instrument": "BTCUSDT", "side": "buy", "reason": "end of day",
    });
    client.ask_ok(&asked);
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    let names = wait_for("the buys to be gone", || {
        let shown = client.ask_ok(&json!({ "op": "query.orders" }));
        let names =
            shown["orders"].as_array().expect("a list").iter().map(|order| order["client_order_id"].clone());
        let names: Vec<Value> = names.collect();
        (names.len() <= 2).then_some(names)
    });
    assert_eq!(names, [json!("sell"), json!("other")]);
    client.ask_refused(&json!({ "op": "order.mass_cancel", "side": "both" }), "invalid_value", "side");
    daemon.stop();
    assert!(reasons_in(&daemon.dir).contains("mass_canceled"));
    reexecute(&daemon.dir);
}
