//! Tests of the book, one topic a module.

mod auctions;
mod matching;
mod model;
mod passive;
mod properties;
mod rules;
mod self_trade;

use super::{Effect, MatchingBook, NewOrder, Outcome, Refusal, Replace, Standing};
use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};

/// More effects than any test has.
const MANY: usize = 1_000;

fn limit(id: u64, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder::limit(id, side, Price(price), Qty(qty))
}

fn iceberg(id: u64, side: Side, price: i64, qty: i64, display: i64) -> NewOrder {
    NewOrder { display: Some(Qty(display)), ..limit(id, side, price, qty) }
}

fn replace(id: u64, price: i64, qty: i64) -> Replace {
    let self_trade = SelfTradePrevention::Off;
    Replace { id, price: Price(price), qty: Qty(qty), post_only: false, self_trade }
}

/// A book in which these orders came one after the other, without any effect.
fn book_of(orders: &[NewOrder]) -> MatchingBook {
    let mut book = MatchingBook::new(64);
    for order in orders {
        book.submit(order, MANY, &mut |effect| panic!("{effect:?}")).unwrap();
    }
    book
}

fn submit(book: &mut MatchingBook, order: &NewOrder) -> (Result<Outcome, Refusal>, Vec<Effect>) {
    let mut effects = Vec::new();
    let outcome = book.submit(order, MANY, &mut |effect| effects.push(effect));
    (outcome, effects)
}

/// Maker, price, quantity and what is left of the maker.
fn trades(effects: &[Effect]) -> Vec<(u64, i64, i64, i64)> {
    let trade = |effect: &Effect| match *effect {
        Effect::Traded { maker, price, qty, maker_left, .. } => (maker, price.0, qty.0, maker_left.0),
        Effect::Crossed { .. } | Effect::Decremented { .. } | Effect::Canceled { .. } => {
            panic!("no trade of a taker: {effect:?}")
        }
    };
    effects.iter().map(trade).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "stands beside what a call returns")]
fn outcome(filled: i64, left: i64, standing: Standing) -> Result<Outcome, Refusal> {
    Ok(Outcome { filled: Qty(filled), left: Qty(left), standing })
}

/// Ids in the order of their queues, best level first.
fn ids(book: &MatchingBook, side: Side) -> Vec<u64> {
    book.book().orders(side).map(|order| order.id).collect()
}
