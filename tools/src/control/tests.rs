//! Requests and their faults.

use super::request::{Asked, Query, Refused, parse};
use crate::config::Acknowledge;
use crate::setup::Names;
use serde_json::{Value, json};
use tickwerk_domain::reject::Reject;
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
    let Refused { fault, .. } = *parse(line, &names(), Acknowledge::Written).expect_err("a fault");
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
fn a_fault_of_a_command_has_a_record_and_others_have_none() {
    let record = |line: &str| parse(line, &names(), Acknowledge::Written).expect_err("a fault").record;
    let with = |field: &str, value: Value| record(&order(|request| request[field] = value.clone()));
    let of_quantity = with("quantity", json!("0.0001")).expect("a record");
    assert_eq!(of_quantity.request.as_str(), "order.new quantity=0.0001");
    assert_eq!((of_quantity.account, of_quantity.instrument), (AccountId(3), InstrumentId(4)));
    assert_eq!(of_quantity.reason, Reject::InvalidValue.code());
    let of_account = with("account", json!("nobody")).expect("a record");
    assert_eq!(of_account.request.as_str(), "order.new account=nobody");
    assert_eq!((of_account.account, of_account.instrument), (AccountId::NONE, InstrumentId(4)));
    assert_eq!(of_account.reason, Reject::UnknownAccount.code());
    let long = with("side", json!("x".repeat(500))).expect("a record");
    assert_eq!(long.request.as_str(), format!("order.new side={}", "x".repeat(81)));
    assert_eq!(with("price", Value::Null).map(|of| of.reason), Some(Reject::MissingField.code()));
    assert_eq!(with("colour", json!(1)).map(|of| of.reason), Some(Reject::UnknownField.code()));
    assert_eq!(record("{"), None);
    assert_eq!(with("op", json!("order.move")), None);
    assert_eq!(record(&json!({ "op": "query.orders", "account": "nobody" }).to_string()), None);
}

#[test]
fn queries_are_of_one_account_or_all() {
    let asked =
        |line: Value| parse(&line.to_string(), &names(), Acknowledge::Written).map(|request| request.asked);
    assert_eq!(asked(json!({ "op": "query.orders" })), Ok(Asked::Query(Query::Orders(AccountId::NONE))));
    let of_main = asked(json!({ "op": "query.balances", "account": "main" }));
    assert_eq!(of_main, Ok(Asked::Query(Query::Balances(AccountId(3)))));
}
