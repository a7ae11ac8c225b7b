//! Requests and their faults.

use super::request::{Asked, Query, parse};
use crate::config::Acknowledge;
use crate::setup::Names;
use serde_json::{Value, json};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Instrument, InstrumentId, InstrumentKind, Money, Price, Qty, Rate, TextId,
};

fn names() -> Names {
    let instrument = Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000),
        multiplier: 1,
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate::ONE,
        instrument: InstrumentId(4),
        symbol: TextId(1),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 8,
    };
    Names {
        accounts: [("main".to_owned(), AccountId(3))].into(),
        instruments: [("BTCUSDT".to_owned(), instrument)].into(),
        ..Names::default()
    }
}

fn order(change: impl Fn(&mut Value)) -> String {
    let mut request = json!({
        "request_id": "r1", "op": "order.new", "account": "main", "instrument": "BTCUSDT", "client_order_id": "c-1",
        "side": "buy", "order_type": "limit", "time_in_force": "gtc", "price": "50000.10", "quantity": "0.25",
    });
    change(&mut request);
    request.to_string()
}

/// Code and field of the fault.
fn fault(line: &str) -> (String, Value) {
    let (_, fault) = *parse(line, &names(), Acknowledge::Written).expect_err("a fault");
    assert!(!fault.message.is_empty());
    (fault.code.to_owned(), fault.field)
}

#[test]
fn an_order_is_read_exactly() {
    let request = parse(&order(|_| {}), &names(), Acknowledge::Written).expect("a request");
    let Asked::Command(Command::NewOrder(asked)) = request.asked else { panic!("not an order") };
    assert_eq!(
        (asked.price, asked.qty, asked.account, asked.instrument),
        (Price(5_000_010), Qty(250), AccountId(3), InstrumentId(4))
    );
    assert_eq!((request.id, request.acknowledge), (json!("r1"), Acknowledge::Written));
}

#[test]
fn a_later_watermark_can_be_asked_for_but_no_earlier_one() {
    let ack = |line: &str, daemon| parse(line, &names(), daemon).map(|request| request.acknowledge).ok();
    let asking = |word: &str| order(|request| request["ack"] = json!(word));
    assert_eq!(ack(&asking("durable"), Acknowledge::Written), Some(Acknowledge::Durable));
    assert_eq!(ack(&asking("written"), Acknowledge::Durable), Some(Acknowledge::Durable));
    let limit =
        json!({ "op": "limit.set", "limit": "open_orders", "value": "5", "reason": "try" }).to_string();
    assert_eq!(
        ack(&limit, Acknowledge::Written),
        Some(Acknowledge::Durable),
        "people hear of limits when durable"
    );
}

#[test]
fn faults_name_the_field() {
    let with = |field: &str, value: Value| fault(&order(|request| request[field] = value.clone()));
    assert_eq!(fault("{").0, "bad_json");
    assert_eq!(fault("[1]").0, "bad_json");
    assert_eq!(fault("{}"), ("missing_field".into(), json!("op")));
    assert_eq!(with("op", json!("order.move")), ("unknown_op".into(), json!("op")));
    assert_eq!(with("colour", json!("red")), ("unknown_field".into(), json!("colour")));
    assert_eq!(with("account", json!("nobody")), ("unknown_account".into(), json!("account")));
    assert_eq!(with("instrument", json!("DOGE")), ("unknown_instrument".into(), json!("instrument")));
    assert_eq!(with("quantity", json!("-1")), ("invalid_value".into(), json!("quantity")));
    assert_eq!(with("quantity", json!("0.0001")), ("invalid_value".into(), json!("quantity")));
    assert_eq!(with("quantity", json!(1)), ("invalid_value".into(), json!("quantity")));
    assert_eq!(with("price", json!("1e5")), ("invalid_value".into(), json!("price")));
    assert_eq!(with("price", Value::Null), ("missing_field".into(), json!("price")));
    assert_eq!(with("order_type", json!("market")), ("invalid_value".into(), json!("price")));
    assert_eq!(with("side", json!("long")), ("invalid_value".into(), json!("side")));
    assert_eq!(with("client_order_id", json!("")), ("invalid_value".into(), json!("client_order_id")));
    assert_eq!(
        with("client_order_id", json!("x".repeat(37))),
        ("invalid_value".into(), json!("client_order_id"))
    );
    assert_eq!(with("ack", json!("never")), ("invalid_value".into(), json!("ack")));
    assert_eq!(with("request_id", json!([])), ("invalid_value".into(), json!("request_id")));
}

#[test]
fn queries_are_of_one_account_or_all() {
    let asked =
        |line: Value| parse(&line.to_string(), &names(), Acknowledge::Written).map(|request| request.asked);
    assert_eq!(asked(json!({ "op": "query.orders" })), Ok(Asked::Query(Query::Orders(AccountId::NONE))));
    let of_main = asked(json!({ "op": "query.balances", "account": "main" }));
    assert_eq!(of_main, Ok(Asked::Query(Query::Balances(AccountId(3)))));
}
