//! Best prices of every book, and how far each can be trusted.

use serde_json::{Value, json};
use tickwerk_domain::{InstrumentId, Level, Qty, format_decimal};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::market::BookState;

/// The market of one instrument or all, as the core sees it.
pub(super) fn books(asked: InstrumentId, machine: &Machine) -> Vec<Value> {
    let meant = machine.instruments().map(|slot| &slot.definition);
    let meant = meant.filter(|known| asked.is_none() || known.instrument == asked);
    meant
        .map(|known| {
            let market = machine.market(known.instrument);
            let level = |level: Level| {
                (level.qty > Qty::ZERO).then(|| {
                    json!({
                        "price": format_decimal(i128::from(level.price.0), known.price_scale),
                        "quantity": format_decimal(i128::from(level.qty.0), known.quantity_scale),
                    })
                })
            };
            json!({
                "instrument": machine.text(known.symbol),
                "state": state_word(market.state),
                "stale": stale_word(market.state),
                "session": market.session.word(),
                "bid": level(market.touch.bid),
                "ask": level(market.touch.ask),
                "last_trade": level(market.last_trade),
                "observed_at_ns": market.observed_at.0,
            })
        })
        .collect()
}

fn state_word(state: BookState) -> &'static str {
    match state {
        BookState::Absent => "absent",
        BookState::Building => "building",
        BookState::Live => "live",
        BookState::Stale(_) => "stale",
    }
}

/// Why a book cannot be trusted.
fn stale_word(state: BookState) -> Option<&'static str> {
    match state {
        BookState::Stale(reason) => Some(reason.word()),
        BookState::Absent | BookState::Building | BookState::Live => None,
    }
}
