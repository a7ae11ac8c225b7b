//! What happens where an order would trade with its own owner.

use super::{book_of, limit, outcome, submit};
use crate::book::{CancelReason, Effect, MatchingBook, NewOrder, Outcome, Refusal, Standing, Validity};
use tickwerk_domain::{Price, Qty, SelfTradePrevention, Side};

const OWNER: u32 = 7;

/// Another's 2, then the owner's own 3, then another's 4.
fn book() -> MatchingBook {
    let own = NewOrder { owner: OWNER, ..limit(2, Side::Sell, 100, 3) };
    book_of(&[limit(1, Side::Sell, 100, 2), own, limit(3, Side::Sell, 100, 4)])
}

fn take(
    book: &mut MatchingBook,
    mode: SelfTradePrevention,
    qty: i64,
) -> (Result<Outcome, Refusal>, Vec<Effect>) {
    submit(book, &NewOrder { owner: OWNER, self_trade: mode, ..limit(9, Side::Buy, 100, qty) })
}

fn traded(maker: u64, qty: i64, left: i64) -> Effect {
    Effect::Traded { maker, taker: 9, price: Price(100), qty: Qty(qty), maker_left: Qty(left) }
}

fn canceled(id: u64, qty: i64) -> Effect {
    Effect::Canceled { id, qty: Qty(qty), reason: CancelReason::SelfTrade }
}

#[test]
fn off_lets_them_trade() {
    let (result, effects) = take(&mut book(), SelfTradePrevention::Off, 9);
    assert_eq!(effects, [traded(1, 2, 0), traded(2, 3, 0), traded(3, 4, 0)]);
    assert_eq!(result, outcome(9, 0, Standing::Done));
}

#[test]
fn nobody_has_no_own_orders() {
    let order = NewOrder { self_trade: SelfTradePrevention::CancelTaker, ..limit(9, Side::Buy, 100, 9) };
    assert_eq!(submit(&mut book(), &order).0, outcome(9, 0, Standing::Done));
}

#[test]
fn cancel_taker_ends_the_order_that_came() {
    let mut book = book();
    let (result, effects) = take(&mut book, SelfTradePrevention::CancelTaker, 9);
    assert_eq!(effects, [traded(1, 2, 0)]);
    assert_eq!(result, outcome(2, 7, Standing::Canceled(CancelReason::SelfTrade)));
    assert_eq!(book.book().len(), 2);
}

#[test]
fn cancel_maker_ends_the_order_that_rested() {
    let (result, effects) = take(&mut book(), SelfTradePrevention::CancelMaker, 6);
    assert_eq!(effects, [traded(1, 2, 0), canceled(2, 3), traded(3, 4, 0)]);
    assert_eq!(result, outcome(6, 0, Standing::Done));
}

#[test]
fn cancel_both_ends_both() {
    let mut book = book();
    let (result, effects) = take(&mut book, SelfTradePrevention::CancelBoth, 9);
    assert_eq!(effects, [traded(1, 2, 0), canceled(2, 3)]);
    assert_eq!(result, outcome(2, 7, Standing::Canceled(CancelReason::SelfTrade)));
    assert_eq!(book.book().len(), 1);
}

#[test]
fn decrement_takes_the_smaller_from_both_without_a_trade() {
    let gone = Effect::Decremented { maker: 2, taker: 9, qty: Qty(3), maker_left: Qty(0) };
    let (result, effects) = take(&mut book(), SelfTradePrevention::Decrement, 8);
    assert_eq!(effects, [traded(1, 2, 0), gone, traded(3, 3, 1)]);
    assert_eq!(result, outcome(5, 0, Standing::Done));

    let mut book = book();
    let partly = Effect::Decremented { maker: 2, taker: 9, qty: Qty(1), maker_left: Qty(2) };
    let (result, effects) = take(&mut book, SelfTradePrevention::Decrement, 3);
    assert_eq!((result, effects), (outcome(2, 0, Standing::Done), vec![traded(1, 2, 0), partly]));
    assert_eq!(book.book().get(2).unwrap().qty, Qty(2));
}

#[test]
fn fill_or_kill_counts_only_what_it_could_reach() {
    for (mode, fillable) in [
        (SelfTradePrevention::Off, 9),
        (SelfTradePrevention::CancelTaker, 2),
        (SelfTradePrevention::CancelMaker, 6),
        (SelfTradePrevention::CancelBoth, 2),
        (SelfTradePrevention::Decrement, 2),
    ] {
        for qty in 1..=10 {
            let order = NewOrder {
                owner: OWNER,
                self_trade: mode,
                validity: Validity::FillOrKill,
                ..limit(9, Side::Buy, 100, qty)
            };
            let (result, effects) = submit(&mut book(), &order);
            if qty <= fillable {
                assert_eq!(result, outcome(qty, 0, Standing::Done), "{mode} {qty}");
            } else {
                let killed = outcome(0, qty, Standing::Canceled(CancelReason::FillOrKill));
                assert_eq!((result, effects), (killed, vec![]), "{mode} {qty}");
            }
        }
    }
}
