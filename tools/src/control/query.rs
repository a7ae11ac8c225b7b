//! Answers that are read from a core: open orders, positions, balances, limits, accounts, books.

mod book;
mod books;
mod limits;
mod orders;

use super::request::{LimitScope, Query};
use crate::config::SIMULATED;
use serde_json::{Value, json};
use tickwerk_domain::{AccountId, CurrencyId, Instrument, InstrumentId, StrategyId, VenueId, format_decimal};
use tickwerk_engine::Core;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::positions::Position;
use tickwerk_render::AVERAGE_SCALE;

/// What the core says; watermarks, metrics and snapshots are not the core's to answer, and [`Query::Order`] nobody's outside.
pub(crate) fn answer(query: Query, core: &Core) -> Value {
    let machine = core.machine();
    match query {
        Query::Orders(account) => {
            let open = machine.orders().open().filter(|order| is_meant(account, order.account));
            json!({ "orders": open.filter_map(|order| orders::order_json(order, machine)).collect::<Vec<_>>() })
        }
        Query::Positions(account) => json!({ "positions": positions(account, machine) }),
        Query::Balances(account) => json!({ "balances": balances(account, machine) }),
        Query::Limits(scope) => limits::limits(scope, machine),
        Query::Accounts(account) => json!({ "accounts": limits::accounts_of(account, machine) }),
        Query::Books(instrument) => json!({ "books": books::books(instrument, machine) }),
        Query::Book(scope) => book::book(scope, core),
        Query::Watermarks | Query::Metrics | Query::Snapshot | Query::Order(_) => Value::Null,
    }
}

/// What can be read of a core that nobody asks through a socket, for all accounts and instruments.
pub(crate) const QUERIES: [&str; 6] = ["accounts", "balances", "books", "limits", "orders", "positions"];

/// The answer to one of [`QUERIES`].
pub(crate) fn answer_of(word: &str, core: &Core) -> Option<Value> {
    let scope =
        LimitScope { account: AccountId::NONE, instrument: InstrumentId::NONE, strategy: StrategyId::NONE };
    let query = match word {
        "accounts" => Query::Accounts(AccountId::NONE),
        "balances" => Query::Balances(AccountId::NONE),
        "books" => Query::Books(InstrumentId::NONE),
        "limits" => Query::Limits(scope),
        "orders" => Query::Orders(AccountId::NONE),
        "positions" => Query::Positions(AccountId::NONE),
        _ => return None,
    };
    Some(answer(query, core))
}

fn is_meant(asked: AccountId, account: AccountId) -> bool {
    asked.is_none() || asked == account
}

fn account_name(account: AccountId, machine: &Machine) -> &str {
    machine.accounts().account(account).map_or("", |row| machine.text(row.name))
}

/// The name of a strategy; `None` for orders of clients.
fn strategy_name(strategy: StrategyId, machine: &Machine) -> Option<&str> {
    machine.strategies().find(|(id, _)| *id == strategy).map(|(_, slot)| machine.text(slot.name))
}

/// The name of a venue; `None` where an order has none yet.
fn venue_name(venue: VenueId, machine: &Machine) -> Option<&str> {
    let name = machine.venues().get(venue)?.name;
    Some(if venue == VenueId::SIMULATED { SIMULATED } else { machine.text(name) })
}

fn currency(id: CurrencyId, machine: &Machine) -> (&str, u8) {
    machine.accounts().currency(id).map_or(("", 0), |row| (machine.text(row.code), row.scale))
}

/// Positions that ever were, each side of a hedging account by itself.
fn positions(asked: AccountId, machine: &Machine) -> Vec<Value> {
    let meant = machine.positions().all_sides().filter(|(account, ..)| is_meant(asked, *account));
    let shown = meant.filter_map(|(account, id, side, position)| {
        let instrument = &machine.instrument(id)?.definition;
        let (code, scale) = currency(instrument.settlement, machine);
        let money = |amount| format_decimal(amount, scale);
        Some(json!({
            "account": account_name(account, machine),
            "instrument": machine.text(instrument.symbol),
            "position_side": side.word(),
            "quantity": format_decimal(i128::from(position.qty), instrument.quantity_scale),
            "average_price": average_price(position, instrument),
            "open_cost": money(position.open_cost_posted(instrument)),
            "realized": money(position.realized),
            "unrealized": money(unrealized(position, instrument, machine)),
            "fees": money(position.fees),
            "funding": money(machine.positions().funding(account, id, side)),
            "currency": code,
        }))
    });
    shown.collect()
}

/// Average price of what is open, from its exact cost; `None` where nothing is.
fn average_price(position: &Position, instrument: &Instrument) -> Option<String> {
    let average = position.average_price(instrument, AVERAGE_SCALE)?;
    Some(format_decimal(average, instrument.price_scale + AVERAGE_SCALE))
}

/// Profit of a position at its mark; 0 without a mark.
pub(crate) fn unrealized(position: &Position, instrument: &Instrument, machine: &Machine) -> i128 {
    let mark = machine.market(instrument.instrument).mark();
    mark.and_then(|mark| position.unrealized(instrument, mark)).unwrap_or(0)
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
                "buying_power": machine.buying_power(account, id).map(money),
            }));
        }
    }
    shown
}
