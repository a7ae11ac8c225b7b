//! Answers that are read from a core: open orders, positions, balances.

mod limits;

use super::request::Query;
use serde_json::{Value, json};
use tickwerk_domain::{AccountId, CurrencyId, format_decimal};
use tickwerk_engine::Core;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::orders::Order;

/// What the core says; [`Query::Watermarks`] is not the core's to answer.
pub(crate) fn answer(query: Query, core: &Core) -> Value {
    let machine = core.machine();
    match query {
        Query::Orders(account) => {
            let open = machine.orders().open().filter(|order| is_meant(account, order.account));
            json!({ "orders": open.filter_map(|order| order_json(order, machine)).collect::<Vec<_>>() })
        }
        Query::Positions(account) => json!({ "positions": positions(account, machine) }),
        Query::Balances(account) => json!({ "balances": balances(account, machine) }),
        Query::Limits(scope) => limits::limits(scope, machine),
        Query::Watermarks => Value::Null,
    }
}

fn is_meant(asked: AccountId, account: AccountId) -> bool {
    asked.is_none() || asked == account
}

fn account_name(account: AccountId, machine: &Machine) -> &str {
    machine.accounts().account(account).map_or("", |row| machine.text(row.name))
}

fn currency(id: CurrencyId, machine: &Machine) -> (&str, u8) {
    machine.accounts().currency(id).map_or(("", 0), |row| (machine.text(row.code), row.scale))
}

fn order_json(order: &Order, machine: &Machine) -> Option<Value> {
    let instrument = &machine.instrument(order.instrument)?.definition;
    let qty = |qty: tickwerk_domain::Qty| format_decimal(i128::from(qty.0), instrument.quantity_scale);
    let price = format_decimal(i128::from(order.price.0), instrument.price_scale);
    Some(json!({
        "order_id": order.id.0,
        "client_order_id": order.client_order_id.as_str(),
        "account": account_name(order.account, machine),
        "instrument": machine.text(instrument.symbol),
        "side": order.side.word(),
        "order_type": order.order_type.word(),
        "time_in_force": order.time_in_force.word(),
        "status": order.status.word(),
        "price": (order.price.0 != 0).then_some(price),
        "quantity": qty(order.qty),
        "cum_qty": qty(order.cum_qty),
        "leaves_qty": qty(order.leaves()),
    }))
}

fn positions(asked: AccountId, machine: &Machine) -> Vec<Value> {
    let meant = machine.positions().all().filter(|(account, _, _)| is_meant(asked, *account));
    let shown = meant.filter_map(|(account, id, position)| {
        let instrument = &machine.instrument(id)?.definition;
        let (code, scale) = currency(instrument.settlement, machine);
        let money = |amount| format_decimal(amount, scale);
        Some(json!({
            "account": account_name(account, machine),
            "instrument": machine.text(instrument.symbol),
            "quantity": format_decimal(i128::from(position.qty), instrument.quantity_scale),
            "open_cost": money(position.open_cost_posted(instrument)),
            "realized": money(position.realized),
            "unrealized": money(machine.unrealized(account, id)),
            "fees": money(position.fees),
            "currency": code,
        }))
    });
    shown.collect()
}

fn balances(asked: AccountId, machine: &Machine) -> Vec<Value> {
    let accounts = machine.accounts();
    let mut shown = Vec::new();
    for (account, _) in accounts.accounts().filter(|(account, _)| is_meant(asked, *account)) {
        for (id, row) in accounts.currencies() {
            let balance = accounts.balance(account, id);
            if balance.cash == 0 && balance.reserved == 0 {
                continue;
            }
            let money = |amount| format_decimal(amount, row.scale);
            shown.push(json!({
                "account": account_name(account, machine),
                "currency": machine.text(row.code),
                "cash": money(balance.cash),
                "reserved": money(balance.reserved),
                "available": money(balance.available()),
            }));
        }
    }
    shown
}
