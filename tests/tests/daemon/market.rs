//! A feed and clients at once: their orders meet the fed market, and everything is proved afterwards.
//!
//! The capture comes through a pipe that stays open, so that the market stands still while clients trade on it.

use crate::client::{Client, lines};
use crate::fixture::{Bench, Pipe, capture, capture_config};
use crate::process::{Process, records, reexecute, wait_for};
use serde_json::{Value, json};

const STEPS: u64 = 300;
/// Records that are surely published of the capture while its pipe is open.
const PUBLISHED: u64 = 600;

fn order(name: &str, changes: &Value) -> Value {
    let mut request = json!({
        "request_id": name, "op": "order.new", "account": "paper", "instrument": "TESTUSDT", "client_order_id": name,
        "side": "buy", "order_type": "market", "quantity": "0.005",
    });
    for (field, value) in changes.as_object().expect("changes are an object") {
        request[field] = value.clone();
    }
    request
}

/// A configuration whose own strategy does nothing.
fn quiet_config() -> String {
    capture_config(1_000_000).replace("name = \"trend\"", "name = \"trend\"\nenabled = false")
}

/// The only position; null before there is one.
fn position(client: &mut Client) -> Value {
    let mut shown = client.ask_ok(&json!({ "op": "query.positions", "account": "paper" }));
    shown["positions"].get_mut(0).map(Value::take).unwrap_or_default()
}

#[test]
fn an_order_is_filled_at_the_touch_and_its_position_outlives_a_kill() {
    let bench = Bench::new(&quiet_config());
    let journal = bench.journal();
    let start = |name: &str| {
        let pipe = Pipe::new(bench.path(name));
        let fed = pipe.feed(capture(STEPS));
        let sets = [("feed.path", pipe.name()), ("engine.mode", "live")];
        let mut process = Process::start(bench.arguments(&journal, &sets));
        process.wait_until_written(&journal, PUBLISHED);
        (process, fed, Client::connect(&journal))
    };
    let (process, _fed, mut client) = start("first");
    // Less than any level of the fixture holds, and at any price, so that it is filled wherever the market stands.
    let any_price = |side: &str, price: &str| json!({ "order_type": "limit", "time_in_force": "gtc", "side": side, "price": price, "quantity": "0.002" });
    let (buy, sell) = (any_price("buy", "70000.00"), any_price("sell", "50000.00"));
    let trade = |client: &mut Client, name: &str, changes: &Value, quantity: &str| {
        client.ask_ok(&order(name, changes));
        wait_for(quantity, || Some(position(client)).filter(|position| position["quantity"] == quantity))
    };
    let first = trade(&mut client, "buys", &buy, "0.002");
    assert_ne!(first["fees"], "0.00000000", "{first}");
    trade(&mut client, "sells", &sell, "0.000");
    let held = trade(&mut client, "again", &buy, "0.002");
    let far = json!({ "order_type": "limit", "price": "30000.00" });
    client.ask_ok(&order("far-away", &far));
    client.ask_ok(
        &json!({ "op": "limit.set", "instrument": "TESTUSDT", "limit": "price_collar", "value": "0.01", "reason": "narrow" }),
    );
    client.ask_refused(&order("outside", &far), "price_outside_collar", "price");
    client.ask_refused(&order("too-much", &json!({ "quantity": "2" })), "position_above_limit", "quantity");
    process.kill();

    let (process, fed, mut client) = start("second");
    let kept = position(&mut client);
    for field in ["quantity", "open_cost", "realized", "fees"] {
        assert_eq!(kept[field], held[field], "{field}");
    }
    client.ask_refused(&order("still-outside", &far), "price_outside_collar", "price");
    drop(fed);
    // The end of the feed ends the run, whoever is connected.
    let summary = process.finish().expect(0).json();
    assert_eq!(summary["profit"]["paper"]["USDT"]["fees"], kept["fees"]);
    assert!(client.next().is_none());
    reexecute(&journal);
}

#[test]
fn clients_and_a_feed_at_once_lose_and_double_nothing() {
    let bench = Bench::new(&capture_config(50_000_000));
    let journal = bench.journal();
    let pipe = Pipe::new(bench.path("pipe"));
    let text = capture(STEPS);
    let half = text.split_inclusive('\n').take(200).collect::<String>();
    let fed = pipe.feed(half.clone());
    let mut process = Process::start(bench.arguments(&journal, &[("feed.path", pipe.name())]));
    process.wait_until_told("control socket");
    let mut client = Client::connect(&journal);
    let far = json!({ "order_type": "limit", "price": "30000.00", "quantity": "0.001" });
    let names: Vec<String> = (0..200).map(|number| format!("order-{number}")).collect();
    client.write(lines(names.iter().map(|name| order(name, &far))).as_bytes());
    fed.more(text[half.len()..].to_owned());
    for name in &names {
        let reply = client.reply();
        assert_eq!((&reply["request_id"], &reply["ok"]), (&json!(name), &json!(true)), "{reply}");
    }
    drop(fed);
    let summary = process.finish().expect(0).json();
    assert!(summary["fills"].as_u64() > Some(0), "the strategy traded meanwhile: {summary}");
    let named = |record: &Value| record["payload"]["client_order_id"].as_str().map(str::to_owned);
    let orders = records(&journal, "order");
    let asked = orders.iter().filter(|record| record["event_type"] == "order.new").filter_map(named);
    let mut asked: Vec<String> = asked.filter(|name| name.starts_with("order-")).collect();
    asked.sort_by_key(|name| name.trim_start_matches("order-").parse::<u64>().ok());
    assert_eq!(asked, names);
    reexecute(&journal);
}
