//! Open orders with all their terms. What an order did not ask for is null.

use super::{account_name, currency, strategy_name, venue_name};
use serde_json::{Value, json};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{HoldReason, Instrument, OrderType, Price, Qty, TrailUnit, format_decimal};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::orders::{Order, Terms};

/// An order as it stands; `None` where its instrument is not known.
pub(super) fn order_json(order: &Order, machine: &Machine) -> Option<Value> {
    let instrument = &machine.instrument(order.instrument)?.definition;
    let qty = |qty: Qty| format_decimal(i128::from(qty.0), instrument.quantity_scale);
    let money = |amount: i128| format_decimal(amount, instrument.settlement_scale);
    let mut shown = json!({
        "order_id": order.id.0,
        "client_order_id": (!order.client_order_id.is_none()).then(|| order.client_order_id.as_str()),
        "account": account_name(order.account, machine),
        "strategy": strategy_name(order.strategy, machine),
        "instrument": machine.text(instrument.symbol),
        "venue": venue_name(order.venue, machine),
        "side": order.side.word(),
        "position_side": order.position_side.word(),
        "order_type": order.order_type.word(),
        "time_in_force": order.time_in_force.word(),
        "status": order.status.word(),
        "price": price_or_null(order.price, instrument),
        "quantity": qty(order.qty),
        "cum_qty": qty(order.cum_qty),
        "leaves_qty": qty(order.leaves()),
        "cum_value": money(order.cum_value),
        "cum_fee": money(order.cum_fee),
        "currency": currency(instrument.settlement, machine).0,
    });
    add_terms(&mut shown, order.order_type, machine.orders().terms_by_id(order.id), instrument);
    Some(shown)
}

/// The rare terms, null or false for an order that has none.
fn add_terms(shown: &mut Value, order_type: OrderType, terms: Option<&Terms>, instrument: &Instrument) {
    let asked = terms.map(|terms| &terms.asked);
    let linked = asked.filter(|asked| asked.link != 0);
    let triggered = asked.filter(|_| order_type.is_triggered());
    let trailing = asked.filter(|_| order_type == OrderType::TrailingStop);
    let mut set = |name: &str, value: Value| shown[name] = value;
    set("held_for", json!(terms.and_then(|terms| terms.hold).map(HoldReason::word)));
    set("trigger_price", json!(terms.and_then(|terms| price_or_null(terms.trigger_price, instrument))));
    set("trigger_by", json!(triggered.map(|asked| asked.trigger_by.word())));
    set("trail_offset", json!(trailing.map(|asked| trail_offset(asked, instrument))));
    set("trail_unit", json!(trailing.map(|asked| asked.trail_unit.word())));
    set("is_triggered", json!(terms.is_some_and(|terms| terms.is_fired)));
    set("display_quantity", json!(terms.and_then(|terms| quantity_or_null(terms.display_qty, instrument))));
    set("expires_at", json!(terms.map(|terms| terms.expires_at.0).filter(|time| *time != 0)));
    set("link", json!(linked.map(|asked| asked.link)));
    set("contingency", json!(linked.map(|asked| asked.contingency.word())));
    set("post_only", json!(asked.is_some_and(|asked| asked.post_only)));
    set("reduce_only", json!(asked.is_some_and(|asked| asked.reduce_only)));
    let replacement = terms.and_then(|terms| terms.replacement).map(|new| {
        json!({
            "price": price_or_null(new.price, instrument),
            "quantity": quantity_or_null(new.qty, instrument),
            "trigger_price": price_or_null(new.trigger_price, instrument),
            "display_quantity": quantity_or_null(new.display_qty, instrument),
        })
    });
    set("replacement", json!(replacement));
}

fn price_or_null(price: Price, instrument: &Instrument) -> Option<String> {
    (price.0 != 0).then(|| format_decimal(i128::from(price.0), instrument.price_scale))
}

fn quantity_or_null(qty: Qty, instrument: &Instrument) -> Option<String> {
    (qty != Qty::ZERO).then(|| format_decimal(i128::from(qty.0), instrument.quantity_scale))
}

/// In the unit that was asked for, so that the value can be sent again.
fn trail_offset(asked: &NewOrder, instrument: &Instrument) -> String {
    let scale = match asked.trail_unit {
        TrailUnit::Price => instrument.price_scale,
        TrailUnit::BasisPoints | TrailUnit::Ticks => 0,
    };
    format_decimal(i128::from(asked.trail_offset), scale)
}
