//! Whatever a client says, it gets a reply that names what is wrong, and the daemon goes on.

use crate::client::{Client, lines, order, order_with};
use crate::live::LiveDaemon;
use crate::process::{records, reexecute};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// A change to a good order, and what is said about it.
fn bad_orders() -> Vec<(Value, &'static str, &'static str)> {
    let invalid = "invalid_value";
    vec![
        (json!({ "account": "nobody" }), "unknown_account", "account"),
        (json!({ "account": 7 }), invalid, "account"),
        (json!({ "account": null }), "missing_field", "account"),
        (json!({ "instrument": "DOGE" }), "unknown_instrument", "instrument"),
        (json!({ "instrument": null }), "missing_field", "instrument"),
        (json!({ "instrument": ["BTCUSDT"] }), invalid, "instrument"),
        (json!({ "client_order_id": "" }), invalid, "client_order_id"),
        (json!({ "client_order_id": "a".repeat(37) }), invalid, "client_order_id"),
        (json!({ "client_order_id": "größe" }), invalid, "client_order_id"),
        (json!({ "client_order_id": "tab\tid" }), invalid, "client_order_id"),
        (json!({ "client_order_id": null }), "missing_field", "client_order_id"),
        (json!({ "side": "hold" }), invalid, "side"),
        (json!({ "side": true }), invalid, "side"),
        (json!({ "side": null }), "missing_field", "side"),
        (json!({ "order_type": "pegged" }), invalid, "order_type"),
        (json!({ "time_in_force": "forever" }), invalid, "time_in_force"),
        (json!({ "time_in_force": 1 }), invalid, "time_in_force"),
        (json!({ "order_type": "stop", "price": "1.00", "trigger_price": "2.00" }), invalid, "price"),
        (
            json!({ "order_type": "stop_limit", "price": null, "trigger_price": "2.00" }),
            "missing_field",
            "price",
        ),
        (json!({ "order_type": "stop", "price": null }), "trigger_invalid", "trigger_price"),
        (json!({ "trigger_price": "0" }), invalid, "trigger_price"),
        (json!({ "trigger_price": "-5.00" }), invalid, "trigger_price"),
        (json!({ "trigger_price": "5.001" }), invalid, "trigger_price"),
        (json!({ "trigger_by": "luck" }), invalid, "trigger_by"),
        (json!({ "trail_unit": "miles" }), invalid, "trail_unit"),
        (json!({ "trail_offset": "-1.00" }), invalid, "trail_offset"),
        (json!({ "trail_offset": "1.5", "trail_unit": "ticks" }), invalid, "trail_offset"),
        (
            json!({ "order_type": "trailing_stop", "price": null, "trail_unit": "basis_points", "trail_offset": "10000" }),
            "trigger_invalid",
            "trail_offset",
        ),
        (json!({ "display_quantity": "0" }), invalid, "display_quantity"),
        (json!({ "display_quantity": "0.0000001" }), "display_quantity_invalid", "display_quantity"),
        (json!({ "expires_at": "tomorrow" }), invalid, "expires_at"),
        (json!({ "expires_at": -1 }), invalid, "expires_at"),
        (json!({ "expires_at": "1890-01-01T00:00:00Z" }), invalid, "expires_at"),
        (json!({ "expires_at": 1.5 }), invalid, "expires_at"),
        (json!({ "link": "seven" }), invalid, "link"),
        (json!({ "link": 7 }), "link_invalid", "link"),
        (json!({ "contingency": "maybe", "link": 7 }), invalid, "contingency"),
        (json!({ "venue": "nowhere" }), "unknown_venue", "venue"),
        (json!({ "venue": 2 }), invalid, "venue"),
        (json!({ "post_only": "yes" }), invalid, "post_only"),
        (json!({ "reduce_only": true }), "reduce_only", "quantity"),
        (json!({ "position_effect": "flip" }), invalid, "position_effect"),
        (json!({ "quantity_in_quote": true }), "terms_invalid", "order_type"),
        (json!({ "price": 100.0 }), invalid, "price"),
        (json!({ "price": "100.001" }), invalid, "price"),
        (json!({ "price": "-1.00" }), invalid, "price"),
        (json!({ "price": "0" }), invalid, "price"),
        (json!({ "price": "" }), invalid, "price"),
        (json!({ "price": "1e3" }), invalid, "price"),
        (json!({ "price": "NaN" }), invalid, "price"),
        (json!({ "price": " 1" }), invalid, "price"),
        (json!({ "price": "1,000.00" }), invalid, "price"),
        (json!({ "price": "99999999999999999999999999" }), invalid, "price"),
        (json!({ "price": null }), "missing_field", "price"),
        (json!({ "order_type": "market", "price": "1.00" }), invalid, "price"),
        (json!({ "quantity": "-0.001" }), invalid, "quantity"),
        (json!({ "quantity": "0" }), invalid, "quantity"),
        (json!({ "quantity": "0.000000001" }), invalid, "quantity"),
        (json!({ "quantity": "184467440737.09551616" }), invalid, "quantity"),
        (json!({ "quantity": 1 }), invalid, "quantity"),
        (json!({ "quantity": null }), "missing_field", "quantity"),
        (json!({ "quantity": "0.000001" }), "quantity_off_lot", "quantity"),
        (json!({ "quantity": "6" }), "quantity_above_limit", "quantity"),
        (json!({ "price": "90000000000.00", "quantity": "4" }), "notional_above_limit", "quantity"),
        (json!({ "instrument": "BTCUSDT-PERP", "price": "100.05" }), "price_off_tick", "price"),
        (
            json!({ "instrument": "ETHUSDT", "price": "10000.00", "quantity": "1000" }),
            "insufficient_buying_power",
            "account",
        ),
        (
            json!({ "order_type": "market", "time_in_force": "ioc", "price": null }),
            "no_reference_price",
            "instrument",
        ),
        (json!({ "urgent": true }), "unknown_field", "urgent"),
        (json!({ "Price": "1" }), "unknown_field", "Price"),
        (json!({ "ack": "soon" }), invalid, "ack"),
        (json!({ "ack": 1 }), invalid, "ack"),
        (json!({ "request_id": {} }), invalid, "request_id"),
        (json!({ "op": "order.amend" }), "unknown_op", "op"),
        (json!({ "op": "order.replace" }), "unknown_field", "order_type"),
        (json!({ "op": 3 }), invalid, "op"),
        (json!({ "op": null }), "missing_field", "op"),
    ]
}

/// Requests other than orders, and what is said about them.
fn bad_requests() -> Vec<(Value, &'static str, &'static str)> {
    let invalid = "invalid_value";
    let limit = |changes: Value| {
        let mut request = json!({ "op": "limit.set", "instrument": "BTCUSDT", "limit": "order_quantity", "value": "1", "reason": "try" });
        for (name, value) in changes.as_object().expect("changes are an object") {
            request[name] = value.clone();
        }
        request
    };
    vec![
        (json!({ "op": "order.cancel", "account": "alice" }), "missing_field", "client_order_id"),
        (json!({ "op": "order.cancel", "client_order_id": "x" }), "missing_field", "account"),
        (
            json!({ "op": "order.cancel", "account": "alice", "client_order_id": "x" }),
            "unknown_order",
            "client_order_id",
        ),
        (json!({ "op": "order.cancel", "account": "alice", "order_id": -1 }), invalid, "order_id"),
        (json!({ "op": "order.cancel", "account": "alice", "order_id": "one" }), invalid, "order_id"),
        (json!({ "op": "order.cancel", "account": "alice", "order_id": 0 }), invalid, "order_id"),
        (
            json!({ "op": "order.cancel", "account": "alice", "order_id": u64::MAX }),
            "unknown_order",
            "order_id",
        ),
        (json!({ "op": "order.cancel", "account": "alice", "order_id": 1 }), "unknown_order", "order_id"),
        (limit(json!({ "value": "-1" })), invalid, "value"),
        (limit(json!({ "value": 1 })), invalid, "value"),
        (limit(json!({ "value": "0.0000000001" })), invalid, "value"),
        (limit(json!({ "limit": "luck" })), invalid, "limit"),
        (limit(json!({ "instrument": null })), "missing_field", "instrument"),
        (limit(json!({ "limit": "open_orders" })), "scope_invalid", "instrument"),
        (limit(json!({ "strategy": "trend" })), "scope_invalid", "strategy"),
        (limit(json!({ "strategy": "nothing" })), "unknown_strategy", "strategy"),
        (limit(json!({ "limit": "self_trade", "value": "maybe" })), invalid, "value"),
        (limit(json!({ "limit": "drawdown", "value": "0", "instrument": null })), invalid, "value"),
        (
            limit(json!({ "limit": "leverage", "value": "9999999999999", "instrument": null })),
            invalid,
            "value",
        ),
        (limit(json!({ "reason": "x".repeat(200) })), invalid, "reason"),
        (json!({ "op": "limit.set", "limit": "open_orders" }), "missing_field", "value"),
        (json!({ "op": "limit.set", "limit": "open_orders", "value": "5" }), "missing_field", "reason"),
        (limit(json!({ "reason": "" })), "missing_field", "reason"),
        (json!({ "op": "kill_switch.set" }), "missing_field", "engaged"),
        (json!({ "op": "kill_switch.set", "engaged": true, "venue": "broker" }), "unknown_field", "venue"),
        (json!({ "op": "trading_state.set", "state": "asleep" }), invalid, "state"),
        (json!({ "op": "account_state.set", "state": "active" }), "missing_field", "account"),
        (json!({ "op": "account_state.set", "account": "alice", "state": "rich" }), invalid, "state"),
        (json!({ "op": "breaker.reset", "breaker": "drawdown" }), "missing_field", "account"),
        (
            json!({ "op": "breaker.reset", "account": "alice", "breaker": "drawdown" }),
            "illegal_move",
            "breaker",
        ),
        (
            json!({ "op": "cash.transfer", "account": "alice", "currency": "USDT", "amount": "0" }),
            invalid,
            "amount",
        ),
        (
            json!({ "op": "cash.transfer", "account": "alice", "currency": "GOLD", "amount": "1" }),
            "unknown_currency",
            "currency",
        ),
        (
            json!({ "op": "cash.transfer", "account": "bob", "currency": "ETH", "amount": "-1" }),
            "insufficient_buying_power",
            "account",
        ),
        (json!({ "op": "conversion.set", "currency": "USDT", "rate": "2" }), invalid, "currency"),
        (json!({ "op": "conversion.set", "currency": "USD", "rate": "0" }), invalid, "rate"),
        (json!({ "op": "conversion.set", "currency": "USD" }), "missing_field", "rate"),
        (
            json!({ "op": "conversion.set", "currency": "BTC", "instrument": "ETHUSDT" }),
            invalid,
            "instrument",
        ),
        (
            json!({ "op": "market.session", "instrument": "BTCUSDT", "state": "opening_auction" }),
            "illegal_move",
            "state",
        ),
        (json!({ "op": "market.session", "instrument": "BTCUSDT" }), "missing_field", "state"),
        (json!({ "op": "market.mark", "instrument": "BTCUSDT", "price": "0" }), invalid, "price"),
        (
            json!({ "op": "market.trade", "instrument": "BTCUSDT", "price": "1.00", "quantity": "-1" }),
            invalid,
            "quantity",
        ),
        (
            json!({ "op": "market.funding", "instrument": "BTCUSDT-PERP", "price": "1.0" }),
            "missing_field",
            "rate",
        ),
        (
            json!({ "op": "market.funding", "instrument": "BTCUSDT", "price": "1.0", "rate": "0.0001" }),
            "terms_invalid",
            "instrument",
        ),
        (
            json!({ "op": "market.funding", "instrument": "BTCUSDT-PERP", "price": "1.0", "rate": "1.5" }),
            "value_out_of_range",
            "rate",
        ),
        (json!({ "op": "venue.state", "venue": "nowhere", "state": "connected" }), "unknown_venue", "venue"),
        (json!({ "op": "venue.state", "venue": "broker", "state": "lost" }), invalid, "state"),
        (json!({ "op": "report.order", "order_id": 1, "report": "accepted" }), "unknown_order", "order_id"),
        (json!({ "op": "report.order", "report": "accepted" }), "missing_field", "order_id"),
        (json!({ "op": "report.order", "order_id": 1, "report": "smiled" }), invalid, "report"),
        (
            json!({ "op": "report.order", "order_id": 1, "report": "rejected", "reason": "mood" }),
            invalid,
            "reason",
        ),
        (json!({ "op": "report.trade_busted", "order_id": 1 }), "missing_field", "execution_id"),
        (
            json!({ "op": "reconcile.start", "run": 0, "account": "alice", "venue": "broker" }),
            "value_out_of_range",
            "run",
        ),
        (json!({ "op": "reconcile.end", "run": 3 }), "unknown_reconciliation", "run"),
        (json!({ "op": "order.mass_cancel", "strategy": "nothing" }), "unknown_strategy", "strategy"),
        (json!({ "op": "query.limits", "strategy": "nothing" }), "unknown_strategy", "strategy"),
        (json!({ "op": "kill_switch.set", "engaged": "true" }), invalid, "engaged"),
        (json!({ "op": "query.orders", "instrument": "BTCUSDT" }), "unknown_field", "instrument"),
        (json!({ "op": "query.orders", "account": "nobody" }), "unknown_account", "account"),
        (json!({ "op": "query.watermarks", "account": "alice" }), "unknown_field", "account"),
    ]
}

/// Lines that are no request at all.
fn bad_lines() -> Vec<Vec<u8>> {
    let long = format!("{{\"op\":\"{}\"}}", "x".repeat(70_000));
    vec![
        b"{".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"42".to_vec(),
        b"\"order.new\"".to_vec(),
        b"{\"op\":\"query.orders\"} {}".to_vec(),
        b"{'op':'query.orders'}".to_vec(),
        b"hello".to_vec(),
        b"\0\0\0".to_vec(),
        b"{\"op\":\"\xff\xfe\"}".to_vec(),
        [b"[".repeat(60_000), b"]".repeat(100)].concat(),
        long.into_bytes(),
        vec![b'x'; 300_000],
    ]
}

#[test]
fn every_kind_of_nonsense_gets_a_reply_that_names_it() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let mut refused_at = BTreeMap::new();
    for (number, (changes, code, field)) in bad_orders().into_iter().enumerate() {
        let request = order_with(&format!("bad-{number}"), &changes);
        let (sequence, error) = client.ask_refused_at(&request, code, field);
        assert_eq!(
            sequence.is_some(),
            field != "op",
            "all but what nobody understands is journaled: {request}"
        );
        refused_at.extend(sequence.map(|sequence| (sequence, (code, field))));
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        // Where one value is wrong, it is shown.
        if let Some(value) = changes.get(field).filter(|value| !value.is_null()) {
            assert_eq!(error["value"], *value, "{error}");
        }
    }
    for (request, code, field) in bad_requests() {
        let (sequence, _) = client.ask_refused_at(&request, code, field);
        let is_command = request["op"].as_str().is_some_and(|op| !op.starts_with("query."));
        assert_eq!(sequence.is_some(), is_command, "commands are journaled, queries are not: {request}");
        refused_at.extend(sequence.map(|sequence| (sequence, (code, field))));
    }
    for line in bad_lines() {
        let start = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
        client.write(&[&line[..], b"\n"].concat());
        let reply = client.reply();
        assert_eq!(
            (&reply["ok"], &reply["error"]["code"]),
            (&json!(false), &json!("bad_json")),
            "{start}: {reply}"
        );
    }
    client.write(b"\n\n  \r\n\t\n");
    assert_eq!(
        client.ask_ok(&json!({ "op": "query.orders" }))["orders"],
        json!([]),
        "nothing of all this is an order"
    );
    client.ask_ok(&order("good"));
    client.end();
    assert!(client.next().is_none(), "nothing more is said");

    daemon.stop();
    let all = records(&daemon.dir, "");
    let at = |sequence: u64| all.iter().find(|record| record["sequence"] == sequence).expect("a record");
    let mut at_the_door = BTreeSet::new();
    for (sequence, (code, field)) in &refused_at {
        let record = at(*sequence);
        if record["event_type"] == "system.request_refused" {
            assert_eq!(record["payload"]["reason"], *code, "{record}");
            let request = record["payload"]["request"].as_str().expect("what was asked");
            assert!(request.contains(&format!(" {field}=")), "{record}");
            at_the_door.insert(*code);
        }
    }
    // What is malformed is refused at the door; what makes no sense in its state is refused by the core.
    let expected = [
        "invalid_value",
        "missing_field",
        "unknown_account",
        "unknown_currency",
        "unknown_field",
        "unknown_instrument",
        "unknown_strategy",
        "unknown_venue",
    ];
    assert_eq!(at_the_door, expected.into());
    let by_the_core = all.iter().filter(|record| record["event_type"] == "system.command_refused");
    let reasons: BTreeSet<&str> =
        by_the_core.filter_map(|record| record["payload"]["reason"].as_str()).collect();
    let expected = [
        "illegal_move",
        "insufficient_buying_power",
        "scope_invalid",
        "terms_invalid",
        "unknown_order",
        "unknown_reconciliation",
        "value_out_of_range",
    ];
    assert_eq!(reasons, expected.into());
    reexecute(&daemon.dir);
}

#[test]
fn a_field_that_is_given_twice_is_refused() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let twice = order("twice").to_string().replace("\"quantity\":", "\"quantity\":\"5\",\"quantity\":");
    client.write(format!("{twice}\n").as_bytes());
    let reply = client.reply();
    assert_eq!(reply["ok"], false, "{reply}");
    assert!(reply["error"]["message"].as_str().is_some_and(|text| text.contains("quantity")), "{reply}");
    daemon.stop();
}

#[test]
fn half_a_line_is_answered_and_a_client_that_leaves_harms_nobody() {
    let mut daemon = LiveDaemon::start();
    let mut half = Client::connect(&daemon.dir);
    half.write(b"{\"op\":\"query.or");
    half.end();
    assert_eq!(half.reply()["error"]["code"], "bad_json");
    assert!(half.next().is_none());

    let mut whole = Client::connect(&daemon.dir);
    whole.write(br#"{"op":"query.orders","request_id":"no line end"}"#);
    whole.end();
    assert_eq!(whole.reply()["request_id"], "no line end");

    for number in 0..20 {
        let mut leaves = Client::connect(&daemon.dir);
        let orders = lines((0..20).map(|line| order(&format!("left-{number}-{line}"))));
        leaves.write(orders.as_bytes());
        // It is gone before its replies are there, in the middle of another line.
        leaves.writer().write_all(b"{\"op\":").expect("the daemon takes bytes");
        drop(leaves);
    }
    let mut stays = Client::connect(&daemon.dir);
    stays.ask_ok(&order("stays"));
    daemon.stop();
    assert_eq!(orders_named(&daemon.dir, "stays"), 1);
    reexecute(&daemon.dir);
}

fn orders_named(dir: &std::path::Path, name: &str) -> usize {
    let asked = records(dir, "order");
    asked
        .iter()
        .filter(|record| record["event_type"] == "order.new" && record["payload"]["client_order_id"] == name)
        .count()
}
