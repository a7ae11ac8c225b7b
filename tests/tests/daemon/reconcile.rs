//! A venue that a test speaks for: reports that come late, twice and wrong, routes and their fallback, and the venue's
//! own view held against ours, across kills.

use crate::client::{Client, open_order, order_with, quote};
use crate::live::LiveDaemon;
use crate::process::{reasons_in, records_of, reexecute, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An order of alice's that the route leads to the broker.
fn routed(name: &str, changes: &Value) -> Value {
    let mut terms = json!({ "instrument": "SOLUSDT", "price": "20.00", "quantity": "10" });
    terms.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
    order_with(name, &terms)
}

fn place(client: &mut Client, name: &str, changes: &Value) -> u64 {
    client.ask_ok(&routed(name, changes))["order_id"].as_u64().expect("a number")
}

fn report(order: u64, report: &str) -> Value {
    json!({ "op": "report.order", "order_id": order, "report": report, "venue_order_id": order + 1_000 })
}

fn fill(order: u64, execution: u64, quantity: &str) -> Value {
    json!({
        "op": "report.fill", "order_id": order, "execution_id": execution, "instrument": "SOLUSDT", "price": "19.99",
        "quantity": quantity, "fee": "0.01", "liquidity": "maker",
    })
}

fn replace(name: &str, changes: &Value) -> Value {
    let mut request = json!({ "op": "order.replace", "account": "alice", "instrument": "SOLUSDT", "client_order_id": name });
    request.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
    request
}

#[track_caller]
fn check(client: &mut Client, name: &str, expected: &Value) {
    let shown = open_order(client, "alice", name).expect("it is open");
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(shown[field], *value, "{field} of {shown}");
    }
}

fn restart(daemon: &mut LiveDaemon) -> Client {
    daemon.kill();
    daemon.start_again(&[]);
    Client::connect(&daemon.dir)
}

/// What alice has: her balances and positions.
fn books(client: &mut Client) -> Value {
    let ask = |client: &mut Client, op: &str| client.ask_ok(&json!({ "op": op, "account": "alice" }));
    json!([ask(client, "query.balances"), ask(client, "query.positions")])
}

#[test]
fn reports_of_a_venue_outside_take_effect_once_across_kills() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let before = books(&mut client);
    let order = place(&mut client, "worked", &json!({}));
    check(&mut client, "worked", &json!({ "venue": "broker", "status": "pending_new" }));
    client.ask_ok(&report(order, "accepted"));
    client.ask_refused(&report(order, "accepted"), "duplicate_report", "order_id");
    client.ask_ok(&fill(order, 1, "4"));
    let mut client = restart(&mut daemon);
    client.ask_refused(&fill(order, 1, "4"), "duplicate_report", "execution_id");
    client.ask_refused(&fill(order, 2, "40"), "fill_unmatched", "execution_id");
    client.ask_refused(&fill(999_999, 1, "4"), "unknown_order", "order_id");
    check(
        &mut client,
        "worked",
        &json!({ "cum_qty": "4.000", "leaves_qty": "6.000", "status": "partially_filled" }),
    );

    client.ask_refused(&replace("worked", &json!({ "quantity": "4" })), "quantity_below_filled", "quantity");
    let below = replace("worked", &json!({ "quantity": "3" }));
    let refused = client.ask_refused(&below, "quantity_below_filled", "quantity");
    assert_eq!((&refused["limit"], &refused["observed"]), (&json!("4.000"), &json!("3.000")));
    client.ask_refused(
        &replace("worked", &json!({ "display_quantity": "1" })),
        "display_quantity_invalid",
        "display_quantity",
    );
    client.ask_refused(&replace("nobody", &json!({ "quantity": "3" })), "unknown_order", "client_order_id");
    let asked = client.ask_ok(&replace("worked", &json!({ "quantity": "6", "price": "20.50" })));
    assert_eq!(asked["status"], "pending_replace");
    client.ask_refused(&replace("worked", &json!({ "quantity": "7" })), "replace_pending", "client_order_id");
    let mut client = restart(&mut daemon);
    check(
        &mut client,
        "worked",
        &json!({ "status": "pending_replace", "price": "20.00", "quantity": "10.000" }),
    );
    let replaced = json!({
        "op": "report.replaced", "order_id": order, "venue_order_id": 77, "instrument": "SOLUSDT", "price": "20.50",
        "quantity": "6",
    });
    client.ask_ok(&replaced);
    client.ask_refused(&replaced, "duplicate_report", "order_id");
    check(
        &mut client,
        "worked",
        &json!({ "status": "partially_filled", "price": "20.50", "leaves_qty": "2.000" }),
    );

    let corrected = json!({
        "op": "report.trade_corrected", "order_id": order, "execution_id": 1, "instrument": "SOLUSDT", "price": "19.98",
        "quantity": "3", "fee": "0.01",
    });
    client.ask_ok(&corrected);
    check(&mut client, "worked", &json!({ "cum_qty": "3.000", "cum_value": "59.94000000" }));
    let busted = json!({ "op": "report.trade_busted", "order_id": order, "execution_id": 1 });
    client.ask_ok(&busted);
    let mut client = restart(&mut daemon);
    client.ask_refused(&busted, "duplicate_report", "execution_id");
    client.ask_refused(
        &json!({ "op": "report.trade_busted", "order_id": order, "execution_id": 9 }),
        "unknown_execution",
        "execution_id",
    );
    check(&mut client, "worked", &json!({ "cum_qty": "0.000", "status": "new" }));

    let cancel = json!({ "op": "order.cancel", "account": "alice", "client_order_id": "worked" });
    client.ask_ok(&cancel);
    // What the venue refuses is no failure of whoever reports it.
    client.ask_ok(&report(order, "cancel_rejected"));
    client.ask_ok(&cancel);
    client.ask_ok(&report(order, "canceled"));
    client.ask_refused(&cancel, "order_done", "client_order_id");
    let rejected = place(&mut client, "rejected", &json!({}));
    client.ask_ok(&json!({ "op": "report.order", "order_id": rejected, "report": "rejected", "reason": "venue_rejected" }));
    assert_eq!(books(&mut client)[0], before[0], "all that was booked was taken back");
    daemon.stop();
    assert_eq!(records_of(&daemon.dir, "fill.restated").len(), 2);
    assert_eq!(records_of(&daemon.dir, "fill.unmatched").len(), 2);
    reexecute(&daemon.dir);
}

#[test]
fn what_a_venue_lacks_is_done_in_the_core_or_refused() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    for (name, terms) in
        [("fok", json!({ "time_in_force": "fok" })), ("iceberg", json!({ "display_quantity": "1" }))]
    {
        client.ask_refused(&routed(name, &terms), "venue_lacks", "venue");
    }
    let held = client.ask_ok(&routed("auction", &json!({ "time_in_force": "at_the_open" })));
    assert_eq!(held["held_for"], "auction");
    // The core ends what the venue cannot end: by a cancel, whose answer the venue owes.
    let soon =
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set") + Duration::from_secs(2);
    let soon = u64::try_from(soon.as_nanos()).expect("nanoseconds fit until 2554");
    let dated = place(&mut client, "dated", &json!({ "time_in_force": "gtd", "expires_at": soon }));
    client.ask_ok(&report(dated, "accepted"));
    wait_for("the end of its time", || {
        (open_order(&mut client, "alice", "dated")?["status"] == "pending_cancel").then_some(())
    });
    client.ask_ok(&report(dated, "canceled"));
    let state = |state: &str| json!({ "op": "venue.state", "venue": "broker", "state": state });
    let routed_before = place(&mut client, "before", &json!({}));
    client.ask_ok(&state("disconnected"));
    let mut client = restart(&mut daemon);
    place(&mut client, "fallback", &json!({}));
    check(&mut client, "fallback", &json!({ "venue": "simulated" }));
    client.ask_refused(&routed("named", &json!({ "venue": "broker" })), "venue_disconnected", "venue");
    client.ask_refused(&replace("before", &json!({ "quantity": "9" })), "venue_disconnected", "venue");
    client.ask_ok(&state("connected"));
    client.ask_ok(&replace("before", &json!({ "quantity": "9" })));
    client.ask_ok(&json!({ "op": "report.order", "order_id": routed_before, "report": "replace_rejected" }));
    check(&mut client, "before", &json!({ "quantity": "10.000", "replacement": null }));
    let session = |state: &str| json!({ "op": "market.session", "instrument": "SOLUSDT", "state": state });
    client.ask_refused(&session("opening_auction"), "illegal_move", "state");
    client.ask_ok(&session("halted"));
    client.ask_refused(&routed("halted", &json!({})), "market_closed", "instrument");
    client.ask_ok(&session("pre_open"));
    client.ask_ok(&session("opening_auction"));
    let released = wait_for("its release", || {
        open_order(&mut client, "alice", "auction").filter(|order| order["status"] == "pending_new")
    });
    assert_eq!(released["venue"], "broker");
    daemon.stop();
    assert_eq!(records_of(&daemon.dir, "order.expired").len(), 1);
    let told = reasons_in(&daemon.dir);
    for reason in ["venue_lacks", "venue_disconnected", "market_closed", "expired"] {
        assert!(told.contains(reason), "{reason} is not in {told:?}");
    }
    reexecute(&daemon.dir);
}

#[test]
fn a_venues_view_is_held_against_ours_across_a_kill() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    quote(&mut client, "BTCUSDT-PERP", "20000.0", "20000.1");
    let [same, other, missing] =
        ["same", "other", "missing"].map(|name| place(&mut client, name, &json!({})));
    place(&mut client, "held", &json!({ "order_type": "stop", "price": null, "trigger_price": "30.00" }));
    client.ask_ok(&report(same, "accepted"));
    let run = |op: &str, changes: Value| {
        let mut request = json!({ "op": format!("reconcile.{op}"), "run": 7 });
        request.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
        request
    };
    let order = |id: u64, changes: Value| {
        let mut stated = json!({
            "account": "alice", "instrument": "SOLUSDT", "order_id": id, "venue_order_id": id + 1_000, "side": "buy",
            "price": "20.00", "quantity": "10",
        });
        stated.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
        run("order", stated)
    };
    let kinds = |client: &mut Client, request: &Value| -> Vec<Value> {
        let found = client.ask_ok(request)["differences"].take();
        found
            .as_array()
            .expect("a list")
            .iter()
            .map(|found| json!([found["kind"], found["action"]]))
            .collect()
    };
    client.ask_refused(&order(same, json!({})), "unknown_reconciliation", "run");
    client.ask_refused(&run("start", json!({ "account": "alice" })), "missing_field", "venue");
    let start = run("start", json!({ "account": "alice", "venue": "broker" }));
    assert_eq!(kinds(&mut client, &start), Vec::<Value>::new());
    client.ask_refused(&start, "duplicate_report", "run");
    assert_eq!(kinds(&mut client, &order(same, json!({}))), Vec::<Value>::new());
    let terms = order(other, json!({ "price": "21.00", "cum_quantity": "0" }));
    assert_eq!(kinds(&mut client, &terms), [json!(["order_price", "restated"])]);
    let mut client = restart(&mut daemon);
    // The run goes on where it was.
    let filled = order(same, json!({ "cum_quantity": "4" }));
    assert_eq!(kinds(&mut client, &filled), [json!(["order_filled", "raised"])]);
    let position = |quantity: &str| {
        run(
            "position",
            json!({ "account": "alice", "instrument": "BTCUSDT-PERP", "quantity": quantity, "price": "20000.0" }),
        )
    };
    assert_eq!(kinds(&mut client, &position("-0.5")), [json!(["position", "adjusted"])]);
    assert_eq!(kinds(&mut client, &position("-0.5")), Vec::<Value>::new());
    let short = run(
        "position",
        json!({
            "account": "alice", "instrument": "BTCUSDT-PERP", "quantity": "-1", "position_side": "short",
        }),
    );
    client.ask_refused(&short, "position_mode_invalid", "account");
    let balance =
        |cash: &str| run("balance", json!({ "account": "alice", "currency": "USDT", "cash": cash }));
    assert_eq!(kinds(&mut client, &balance("999900")), [json!(["balance", "adjusted"])]);
    assert_eq!(kinds(&mut client, &balance("999900")), Vec::<Value>::new());
    let ended = client.ask_ok(&run("end", json!({})));
    assert_eq!(
        ended["differences"],
        json!([{
            "kind": "order_missing", "action": "ended", "order_id": missing, "instrument": "SOLUSDT",
        }])
    );
    assert_eq!(ended["completed"], json!({ "orders": 3, "figures": 4, "differences": 5 }));
    client.ask_refused(&run("end", json!({})), "unknown_reconciliation", "run");
    check(&mut client, "other", &json!({ "price": "21.00", "status": "new" }));
    check(&mut client, "held", &json!({ "status": "held" }));
    assert!(open_order(&mut client, "alice", "missing").is_none());
    // Venues leave flat positions out: a view with another one says that this one is gone.
    for (run, expected) in [(8, json!([["position", "adjusted", "BTCUSDT-PERP"]])), (9, json!([]))] {
        let of_run = |op: &str, changes: Value| {
            let mut request = json!({ "op": format!("reconcile.{op}"), "run": run });
            request.as_object_mut().expect("an object").extend(changes.as_object().expect("changes").clone());
            request
        };
        client.ask_ok(&of_run("start", json!({ "account": "alice", "venue": "broker" })));
        for stated in [order(same, json!({})), order(other, json!({ "price": "21.00" }))] {
            let mut stated = stated;
            stated["run"] = json!(run);
            client.ask_ok(&stated);
        }
        let flat = json!({ "account": "alice", "instrument": "SOLUSDT", "quantity": "0" });
        client.ask_ok(&of_run("position", flat));
        client
            .ask_ok(&of_run("balance", json!({ "account": "alice", "currency": "USDT", "cash": "999900" })));
        let ended = client.ask_ok(&of_run("end", json!({})));
        let found = ended["differences"].as_array().expect("a list");
        let found: Vec<_> =
            found.iter().map(|of| json!([of["kind"], of["action"], of["instrument"]])).collect();
        assert_eq!(json!(found), expected, "run {run}");
        let positions = books(&mut client)[1]["positions"].take();
        let held: Vec<_> = positions.as_array().expect("a list").iter().map(|of| &of["quantity"]).collect();
        assert_eq!(held, ["0.000"], "run {run}: {positions}");
        client = restart(&mut daemon);
    }
    daemon.stop();
    let completed = records_of(&daemon.dir, "system.reconcile_completed");
    assert_eq!((completed.len(), &completed[0]["payload"]["venue"]), (3, &json!("broker")));
    let differed = records_of(&daemon.dir, "system.reconcile_differed");
    let figures = |kind: &str| {
        let found = differed.iter().find(|record| record["payload"]["kind"] == kind).expect("a difference");
        json!([found["payload"]["ours"], found["payload"]["theirs"]])
    };
    assert_eq!(figures("position"), json!(["0.000", "-0.500"]));
    assert_eq!(figures("balance"), json!(["1000000.00000000", "999900.00000000"]));
    let refused = records_of(&daemon.dir, "system.command_refused");
    assert!(
        refused.iter().any(|record| record["payload"]["command_type"] == "position.stated"),
        "{refused:?}"
    );
    assert!(reasons_in(&daemon.dir).contains("missing_at_venue"));
    reexecute(&daemon.dir);
}

/// A request does not name the order's market to the core: what it was read as is held against the order itself.
#[test]
fn a_request_that_was_read_as_of_another_market_or_venue_is_refused() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let order = place(&mut client, "worked", &json!({}));
    let here = client.ask_ok(&order_with("here", &json!({})))["order_id"].as_u64().expect("a number");
    client.ask_ok(&report(order, "accepted"));
    let misread = |name: &str| replace(name, &json!({ "instrument": "BTCUSDT", "quantity": "6" }));
    let of_sim = |mut request: Value| {
        request["instrument"] = json!("BTCUSDT");
        request
    };
    for _ in 0..2 {
        let refused = client.ask_refused(&misread("worked"), "invalid_value", "instrument");
        assert!(refused["message"].as_str().is_some_and(|text| text.contains("is in SOLUSDT")), "{refused}");
        let mut by_number = misread("worked");
        by_number.as_object_mut().expect("an object").remove("client_order_id");
        by_number["order_id"] = json!(order);
        client.ask_refused(&by_number, "invalid_value", "instrument");
        let mut misread_fill = fill(order, 1, "4");
        misread_fill["instrument"] = json!("BTCUSDT");
        client.ask_refused(&misread_fill, "invalid_value", "instrument");

        let busted = json!({ "op": "report.trade_busted", "order_id": here, "execution_id": 1 });
        let of_sims = [report(here, "canceled"), of_sim(fill(here, 1, "0.001")), busted];
        for request in of_sims {
            let refused = client.ask_refused(&request, "invalid_value", "order_id");
            assert!(refused["message"].as_str().is_some_and(|text| text.contains("simulated")), "{refused}");
        }
        check(&mut client, "worked", &json!({ "quantity": "10.000", "cum_qty": "0.000", "status": "new" }));
        // What was answered before a kill is asked of the follower after it.
        client = restart(&mut daemon);
    }
    client.ask_ok(&replace("worked", &json!({ "quantity": "6" })));
    client.ask_ok(&fill(order, 1, "4"));
    client.ask_refused(&replace("nobody", &json!({ "quantity": "6" })), "unknown_order", "client_order_id");
    client.ask_refused(&report(987_654, "accepted"), "unknown_order", "order_id");
    reexecute(&daemon.dir);
}
