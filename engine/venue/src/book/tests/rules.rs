//! Halts, price bands, bounds of effects, full stores, digests.

use super::{MANY, book_of, iceberg, ids, limit, outcome, replace, submit, trades};
use crate::book::{Band, BandRule, CancelReason, MatchingBook, NewOrder, Phase, Refusal, Standing};
use tickwerk_domain::{Price, Qty, Side};

fn band(low: i64, high: i64, rule: BandRule) -> Band {
    Band { low: Price(low), high: Price(high), rule }
}

#[test]
fn in_a_halt_nothing_enters_and_cancels_pass() {
    let mut book = book_of(&[limit(1, Side::Sell, 100, 5), limit(2, Side::Sell, 100, 5)]);
    book.set_phase(Phase::Halted).unwrap();
    let mut none = |effect| panic!("{effect:?}");
    assert_eq!(submit(&mut book, &limit(9, Side::Buy, 100, 1)).0, Err(Refusal::Halted { id: 9 }));
    assert_eq!(book.replace(&replace(1, 99, 5), MANY, &mut none), Err(Refusal::Halted { id: 1 }));
    assert_eq!(book.replace(&replace(1, 100, 4), MANY, &mut none), outcome(0, 4, Standing::Rests));
    assert_eq!(book.cancel(1), Ok(Qty(4)));
    book.set_phase(Phase::Continuous).unwrap();
    assert_eq!(submit(&mut book, &limit(9, Side::Buy, 100, 1)).0, outcome(1, 0, Standing::Done));
}

#[test]
fn a_rejecting_band_refuses_limits_outside_and_stops_market_orders_at_its_edge() {
    let mut book = book_of(&[limit(1, Side::Sell, 100, 5), limit(2, Side::Sell, 105, 5)]);
    book.set_band(Some(band(95, 102, BandRule::Reject))).unwrap();
    for price in [94, 103] {
        let refusal = Refusal::OutsideBand { id: 9, price: Price(price), low: Price(95), high: Price(102) };
        assert_eq!(submit(&mut book, &limit(9, Side::Buy, price, 1)).0, Err(refusal));
    }
    for price in [95, 99] {
        let id = u64::try_from(price).unwrap();
        assert_eq!(submit(&mut book, &limit(id, Side::Buy, price, 1)).0, outcome(0, 1, Standing::Rests));
    }
    let (result, effects) = submit(&mut book, &NewOrder::market(9, Side::Buy, Qty(8)));
    assert_eq!(trades(&effects), [(1, 100, 5, 0)]);
    assert_eq!(result, outcome(5, 3, Standing::Canceled(CancelReason::PriceBand)));
}

#[test]
fn a_stopping_band_lets_any_limit_in_and_trades_only_inside() {
    let mut book = book_of(&[limit(1, Side::Sell, 100, 5), limit(2, Side::Sell, 105, 5)]);
    book.set_band(Some(band(95, 102, BandRule::Stop))).unwrap();
    let (result, _) = submit(&mut book, &limit(8, Side::Buy, 110, 8));
    assert_eq!(result, outcome(5, 3, Standing::Canceled(CancelReason::PriceBand)));
    assert_eq!(submit(&mut book, &limit(9, Side::Buy, 90, 8)).0, outcome(0, 8, Standing::Rests));
    let (result, _) = submit(&mut book, &NewOrder::market(10, Side::Sell, Qty(1)));
    assert_eq!(result, outcome(0, 1, Standing::Canceled(CancelReason::PriceBand)));
    book.set_band(None).unwrap();
    let (result, _) = submit(&mut book, &NewOrder::market(11, Side::Sell, Qty(1)));
    assert_eq!(result, outcome(1, 0, Standing::Done));
}

#[test]
fn an_effect_larger_than_its_bound_goes_on_as_if_it_were_one() {
    let orders =
        [limit(1, Side::Sell, 100, 5), iceberg(2, Side::Sell, 100, 6, 2), limit(3, Side::Sell, 101, 5)];
    let taker = limit(9, Side::Buy, 101, 30);
    let mut whole = book_of(&orders);
    let (expected, expected_effects) = submit(&mut whole, &taker);

    let mut book = book_of(&orders);
    let mut effects = Vec::new();
    let mut result = book.submit(&taker, 1, &mut |effect| effects.push(effect)).unwrap();
    for calls in 2..=5 {
        assert_eq!((result.standing, book.is_unfinished()), (Standing::Unfinished, true));
        assert_eq!(book.cancel(3), Err(Refusal::Unfinished));
        assert_eq!(book.set_phase(Phase::Halted), Err(Refusal::Unfinished));
        result = book.resume(1, &mut |effect| effects.push(effect)).unwrap();
        assert!(effects.len() <= calls);
    }
    assert_eq!((Ok(result), effects), (expected, expected_effects));
    assert_eq!(book.digest(), whole.digest());
    assert_eq!(book.resume(1, &mut |effect| panic!("{effect:?}")), None);
}

#[test]
fn what_finds_no_room_is_cancelled_after_it_matched() {
    let mut book = MatchingBook::new(2);
    for order in [limit(1, Side::Sell, 100, 5), limit(2, Side::Sell, 101, 5)] {
        submit(&mut book, &order).0.unwrap();
    }
    let full = Standing::Canceled(CancelReason::BookFull);
    assert_eq!(submit(&mut book, &limit(3, Side::Buy, 100, 2)).0, outcome(2, 0, Standing::Done));
    assert_eq!(submit(&mut book, &limit(3, Side::Buy, 99, 2)).0, outcome(0, 2, full));
    // A maker that is filled makes room.
    assert_eq!(submit(&mut book, &limit(3, Side::Buy, 100, 5)).0, outcome(3, 2, Standing::Rests));
}

#[test]
fn a_level_whose_number_is_full_takes_no_more() {
    let mut book = book_of(&[iceberg(1, Side::Sell, 100, i64::MAX, 1)]);
    let (result, _) = submit(&mut book, &limit(2, Side::Sell, 100, 1));
    assert_eq!(result, outcome(0, 1, Standing::Canceled(CancelReason::BookFull)));
    assert_eq!(ids(&book, Side::Sell), [1]);
}

#[test]
fn the_digest_sees_orders_and_settings_and_not_the_slots() {
    let orders = [limit(1, Side::Sell, 100, 5), limit(2, Side::Buy, 99, 5), limit(3, Side::Buy, 99, 5)];
    let (mut one, mut other) = (book_of(&orders), book_of(&orders));
    // Through the passive part: the same orders in other slots.
    let (second, third) = (other.book.remove(2).unwrap(), other.book.remove(3).unwrap());
    other.book.add(third).unwrap();
    other.book.add(second).unwrap();
    assert_eq!((one.digest(), ids(&one, Side::Buy)), (other.digest(), ids(&other, Side::Buy)));
    let mut seen = vec![one.digest()];
    one.set_band(Some(band(1, 2, BandRule::Stop))).unwrap();
    seen.push(one.digest());
    one.set_band(Some(band(1, 2, BandRule::Reject))).unwrap();
    seen.push(one.digest());
    one.set_phase(Phase::Auction).unwrap();
    seen.push(one.digest());
    one.cancel(1).unwrap();
    seen.push(one.digest());
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}
