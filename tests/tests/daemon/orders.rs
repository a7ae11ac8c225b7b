//! Orders, limits and switches by the control socket: what they do, what queries then show, what a restart keeps.

use crate::client::{Client, order, order_with};
use crate::fixture::examples;
use crate::live::LiveDaemon;
use crate::process::{records, reexecute, run, wait_for};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;

fn query(op: &str) -> Value {
    json!({ "op": op, "account": "alice" })
}

/// Status of alice's order with this name; nothing once it is done.
fn status(client: &mut Client, name: &str) -> Option<String> {
    let orders = client.ask_ok(&query("query.orders"))["orders"].take();
    let found =
        orders.as_array().expect("a list").iter().find(|order| order["client_order_id"] == name)?.clone();
    Some(found["status"].as_str().expect("a word").to_owned())
}

/// What alice has in a currency: cash, reserved.
fn balance(client: &mut Client, currency: &str) -> (String, String) {
    let balances = client.ask_ok(&query("query.balances"))["balances"].take();
    let row =
        balances.as_array().expect("a list").iter().find(|row| row["currency"] == currency).expect("a row");
    let text = |name: &str| row[name].as_str().expect("a decimal").to_owned();
    (text("cash"), text("reserved"))
}

#[test]
fn queries_show_what_the_orders_before_them_did() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    assert_eq!(balance(&mut client, "USDT"), ("1000000.00000000".to_owned(), "0.00000000".to_owned()));
    // In one write, so that the query is read while the order is under way.
    client.write(format!("{}\n{}\n", order("first"), query("query.orders")).as_bytes());
    assert_eq!(client.reply()["ok"], true);
    assert_eq!(client.reply()["result"]["orders"][0]["client_order_id"], "first");
    // The order's worst with its fee: 0.1 and 0.1 %.
    assert_eq!(balance(&mut client, "USDT").1, "0.10010000");

    let canceled =
        client.ask_ok(&json!({ "op": "order.cancel", "account": "alice", "client_order_id": "first" }));
    assert_eq!(canceled["status"], "pending_cancel");
    wait_for("the cancel", || status(&mut client, "first").is_none().then_some(()));
    assert_eq!(balance(&mut client, "USDT"), ("1000000.00000000".to_owned(), "0.00000000".to_owned()));
    client.ask_refused(
        &json!({ "op": "order.cancel", "account": "alice", "client_order_id": "first" }),
        "order_done",
        "client_order_id",
    );
    client.ask_refused(
        &json!({ "op": "order.cancel", "account": "bob", "client_order_id": "first" }),
        "unknown_order",
        "client_order_id",
    );
    let by_number = client.ask_ok(&order("second"))["order_id"].clone();
    client.ask_ok(&json!({ "op": "order.cancel", "account": "alice", "order_id": by_number }));
    assert_eq!(client.ask_ok(&query("query.positions"))["positions"], json!([]));
    daemon.stop();
    reexecute(&daemon.dir);
}

#[test]
fn a_name_that_is_used_again_repeats_or_is_refused() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let first = client.ask_ok(&order("name"));
    let again = client.ask_ok(&order("name"));
    assert_eq!((&again["order_id"], &again["repeated"]), (&first["order_id"], &json!(true)));
    for changes in [json!({ "quantity": "0.002" }), json!({ "side": "sell" }), json!({ "price": "100.01" })] {
        client.ask_refused(&order_with("name", &changes), "duplicate_client_order_id", "client_order_id");
    }
    // Names belong to their account.
    client.ask_ok(&order_with("name", &json!({ "account": "bob" })));
    let refused = order_with("too-much", &json!({ "quantity": "6" }));
    client.ask_refused(&refused, "quantity_above_limit", "quantity");
    client.ask_refused(&refused, "quantity_above_limit", "quantity");
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    let after = client.ask_ok(&order("name"));
    assert_eq!(
        (&after["order_id"], &after["repeated"]),
        (&first["order_id"], &json!(true)),
        "after a crash, too"
    );
    client.ask_refused(&refused, "quantity_above_limit", "quantity");
    daemon.stop();
    let submitted = records(&daemon.dir, "order");
    let submitted = submitted.iter().filter(|record| record["event_type"] == "order.submitted").count();
    assert_eq!(submitted, 2);
    reexecute(&daemon.dir);
}

fn set_limit(value: &Value) -> Value {
    json!({ "op": "limit.set", "instrument": "BTCUSDT", "limit": "order_quantity", "value": value, "reason": "try" })
}

#[test]
fn limits_and_switches_rule_the_next_order_and_outlive_a_restart() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    client.ask_ok(&order("kept"));
    client.ask_ok(&set_limit(&json!("0.002")));
    client.ask_ok(&order_with("at-limit", &json!({ "quantity": "0.002" })));
    let above = |name: &str| order_with(name, &json!({ "quantity": "0.00201" }));
    client.ask_refused(&above("above"), "quantity_above_limit", "quantity");
    wait_for("both orders", || {
        (status(&mut client, "kept")? == "new" && status(&mut client, "at-limit")? == "new").then_some(())
    });
    let before = client.ask_ok(&query("query.balances"));

    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    assert_eq!(status(&mut client, "kept").as_deref(), Some("new"));
    assert_eq!(client.ask_ok(&query("query.balances")), before);
    client.ask_refused(&above("above-2"), "quantity_above_limit", "quantity");
    // Another part of the configuration changes; the limit that was set by hand stays.
    daemon.stop();
    daemon.reconfigure(|text| text.replace("value = \"500000\"", "value = \"400000\""));
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    client.ask_refused(&above("above-3"), "quantity_above_limit", "quantity");
    client.ask_ok(&set_limit(&Value::Null));
    client.ask_ok(&above("no-limit"));

    let switched = client.ask_ok(&json!({ "op": "kill_switch.set", "account": "alice", "engaged": true }));
    assert_eq!((&switched["engaged"], &switched["cancels"]), (&json!(true), &json!(3)), "{switched}");
    client.ask_refused(&order("killed"), "kill_switch", "account");
    client.ask_ok(&order_with("bob-goes-on", &json!({ "account": "bob" })));
    wait_for("no open order of alice", || {
        (client.ask_ok(&query("query.orders"))["orders"] == json!([])).then_some(())
    });
    daemon.kill();
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    client.ask_refused(&order("still-killed"), "kill_switch", "account");
    client.ask_ok(&json!({ "op": "kill_switch.set", "account": "alice", "engaged": false }));
    client.ask_ok(&order("released"));
    daemon.stop();
    reexecute(&daemon.dir);
}

#[test]
fn a_kill_switch_cancels_more_orders_than_one_command_may_cause() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    for number in 0..200 {
        client.send(&order(&format!("many-{number}")));
    }
    for _ in 0..200 {
        assert_eq!(client.reply()["ok"], true);
    }
    client.ask_ok(&json!({ "op": "kill_switch.set", "engaged": true }));
    wait_for("no open order", || {
        (client.ask_ok(&query("query.orders"))["orders"] == json!([])).then_some(())
    });
    assert_eq!(balance(&mut client, "USDT").1, "0.00000000");
    daemon.stop();
    reexecute(&daemon.dir);
}

#[test]
fn an_answer_never_comes_before_the_daemons_own_watermark() {
    for (own, asked, expected) in [
        ("durable", "written", "durable"),
        ("durable", "durable", "durable"),
        ("written", "written", "written"),
        ("written", "durable", "durable"),
    ] {
        let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
        let mut daemon = LiveDaemon::start_with(&text, &[("journal.acknowledge", own)]);
        let mut client = Client::connect(&daemon.dir);
        for number in 0..10 {
            let reply = client.ask(&order_with(&format!("o-{number}"), &json!({ "ack": asked })));
            assert_eq!(
                (&reply["ok"], &reply["watermark"]),
                (&json!(true), &json!(expected)),
                "{own}, {asked}: {reply}"
            );
            let marks = client.ask_ok(&json!({ "op": "query.watermarks" }));
            let reached = marks[format!("{expected}_through")].as_u64();
            assert!(reached >= reply["sequence"].as_u64(), "{reply} before {marks}");
        }
        // Limits and switches are told when they are durable, whatever is asked for.
        let set = client.ask(&json!({ "op": "kill_switch.set", "engaged": true, "ack": "written" }));
        assert_eq!(set["watermark"], "durable", "{own}, {asked}: {set}");
        daemon.stop();
    }
}

fn send(dir: &Path, arguments: &[&str]) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["send".into(), "--dir".into(), dir.into()];
    all.extend(arguments.iter().map(OsString::from));
    all
}

#[test]
fn send_tells_by_its_exit_code_how_it_went() {
    let mut daemon = LiveDaemon::start();
    let placed = [
        "order.new",
        "account=alice",
        "instrument=BTCUSDT",
        "client_order_id=by-send",
        "side=buy",
        "order_type=limit",
        "price=100.00",
        "quantity=0.001",
    ];
    let told = run(send(&daemon.dir, &placed)).expect(0).json();
    assert_eq!((&told["ok"], &told["result"]["status"]), (&json!(true), &json!("pending_new")));
    run(send(&daemon.dir, &["--ack", "durable", "query.orders"])).expect(0);
    let refused =
        run(send(&daemon.dir, &["order.cancel", "account=alice", "client_order_id=none"])).expect(1).json();
    assert_eq!(refused["error"]["code"], "unknown_order");
    let number = told["result"]["order_id"].to_string();
    run(send(&daemon.dir, &["order.cancel", "account=alice", &format!("order_id={number}")])).expect(0);
    run(send(
        &daemon.dir,
        &["limit.set", "instrument=BTCUSDT", "limit=order_quantity", "value=null", "reason=over"],
    ))
    .expect(0);
    run(send(&daemon.dir, &["query.orders", "no-equals-sign"])).expect_told(1, &["FIELD=VALUE"]);
    run(send(&daemon.dir, &["--ack", "later", "query.orders"])).expect(2);
    // No replicator is configured, which is for the daemon to say.
    let refused = run(send(&daemon.dir, &["--ack", "replicated", "query.orders"])).expect(1).json();
    assert_eq!(refused["error"]["field"], "ack", "{refused}");
    daemon.stop();
    run(send(&daemon.dir, &["query.orders"])).expect_told(74, &["no daemon answers", "control.sock"]);
    run(send(Path::new("/nonexistent"), &["query.orders"])).expect_told(74, &["no daemon answers"]);
}
