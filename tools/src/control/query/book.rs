//! The book of one instrument: its levels, or each order in the place of its queue where orders are known one by one.
//!
//! Which book: that of our own exchange where the simulated venue is one; else the one that a feed tells order by order;
//! else the levels that a feed tells; else the best bid and ask alone. Hidden quantities are not shown. The latest book is
//! shown as it is, so it may be crossed in an auction; market orders that wait for one have no price.

use crate::control::request::BookScope;
use serde_json::{Value, json};
use tickwerk_domain::{Instrument, Level, Price, Qty, Side, format_decimal};
use tickwerk_engine::Core;
use tickwerk_venue::book::{BookOrder, OrderBook};

/// The best levels of the book, by price or by order.
pub(super) fn book(asked: BookScope, core: &Core) -> Value {
    let machine = core.machine();
    let Some(slot) = machine.instrument(asked.instrument) else {
        return json!({ "book": null });
    };
    let (known, market) = (&slot.definition, machine.market(asked.instrument));
    let exchange = core.venue().exchange_book(asked.instrument);
    let (source, orders) = match (exchange, machine.order_book(asked.instrument)) {
        (Some(exchange), _) => ("exchange", Some(exchange)),
        (None, Some(told)) => ("orders", Some(told.book())),
        (None, None) => ("levels", None),
    };
    let side = |side: Side| -> Vec<Value> {
        if let Some(book) = orders {
            let levels = book.levels(side).take(asked.levels);
            return levels.map(|level| level_of_orders(book, side, level, asked.by_order, known)).collect();
        }
        let told: Vec<Level> = market.book.levels(side).take(asked.levels).collect();
        let best = market.touch.opposite(side.opposite());
        let best = Some(best).filter(|best| told.is_empty() && best.qty > Qty::ZERO);
        told.into_iter().chain(best).map(|level| shown_level(level, known)).collect()
    };
    json!({ "book": {
        "instrument": machine.text(known.symbol),
        "source": source,
        "session": market.session.word(),
        "bids": side(Side::Buy),
        "asks": side(Side::Sell),
    } })
}

fn level_of_orders(book: &OrderBook, side: Side, level: Level, by_order: bool, known: &Instrument) -> Value {
    let mut shown = shown_level(level, known);
    let queue = book.orders_at(side, level.price);
    shown["orders"] = if by_order {
        queue.map(|order| shown_order(order, known)).collect::<Vec<_>>().into()
    } else {
        queue.count().into()
    };
    shown
}

fn shown_order(order: &BookOrder, known: &Instrument) -> Value {
    json!({ "order_id": order.id, "quantity": quantity(order.qty, known) })
}

fn shown_level(level: Level, known: &Instrument) -> Value {
    // Where market orders stand in an auction.
    let is_market = level.price == Price(i64::MAX) || level.price == Price(i64::MIN);
    let price = (!is_market).then(|| format_decimal(i128::from(level.price.0), known.price_scale));
    json!({ "price": price, "quantity": quantity(level.qty, known) })
}

fn quantity(qty: Qty, known: &Instrument) -> String {
    format_decimal(i128::from(qty.0), known.quantity_scale)
}
