//! Call phases and the one price that ends them.

use super::{MANY, iceberg, ids, limit, outcome, submit};
use crate::book::{
    Band, BandRule, CancelReason, Effect, MatchingBook, NewOrder, Phase, Refusal, Standing, UncrossStanding,
    Uncrossed, Validity,
};
use tickwerk_domain::{Price, Qty, Side};

/// A call phase in which these orders gathered.
fn call(orders: &[NewOrder]) -> MatchingBook {
    let mut book = MatchingBook::new(64);
    book.set_phase(Phase::Auction).unwrap();
    for order in orders {
        let (result, effects) = submit(&mut book, order);
        assert_eq!((result, effects), (outcome(0, order.qty.0, Standing::Rests), vec![]));
    }
    book
}

fn uncross(book: &mut MatchingBook, reference: Option<i64>) -> (Uncrossed, Vec<Effect>) {
    let mut effects = Vec::new();
    let result = book.uncross(reference.map(Price), MANY, &mut |effect| effects.push(effect)).unwrap();
    (result, effects)
}

fn check_price(
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
    reference: Option<i64>,
    expected: Option<(i64, i64)>,
) {
    let orders = |first: u64, side, levels: &[(i64, i64)]| {
        let order = |(id, &(price, qty)): (u64, &(i64, i64))| limit(id, side, price, qty);
        (first..).zip(levels).map(order).collect::<Vec<_>>()
    };
    let mut book = call(&[orders(1, Side::Buy, bids), orders(50, Side::Sell, asks)].concat());
    let indicated = book.indication(reference.map(Price)).map(|found| (found.price.0, found.qty.0));
    let (result, _) = uncross(&mut book, reference);
    assert_eq!(indicated, expected, "indicated");
    assert_eq!(result.price.map(|price| (price.0, result.qty.0)), expected, "traded");
    assert_eq!((book.phase(), book.book().is_crossed()), (Phase::Continuous, false));
}

#[test]
fn first_the_largest_volume() {
    check_price(&[(103, 10), (101, 10)], &[(100, 5), (102, 3)], Some(110), Some((103, 8)));
    check_price(&[(103, 4), (101, 20)], &[(100, 15), (102, 30)], Some(110), Some((101, 15)));
}

#[test]
fn then_the_smallest_surplus() {
    // 10 trade from 100 to 105; at 100 buyers have 5 more, over it sellers have none too many until 105.
    check_price(&[(105, 10), (100, 5)], &[(99, 10), (105, 3)], None, Some((105, 10)));
    check_price(&[(105, 10), (100, 5)], &[(99, 10), (104, 7)], None, Some((100, 10)));
}

#[test]
fn then_the_smallest_distance_to_the_reference_which_may_lie_between_limits() {
    for (reference, price) in [(90, 95), (95, 95), (97, 97), (104, 104), (105, 105), (200, 105)] {
        check_price(&[(105, 10)], &[(95, 10)], Some(reference), Some((price, 10)));
    }
}

#[test]
fn last_the_side_with_the_surplus() {
    check_price(&[(105, 12)], &[(95, 10)], None, Some((105, 10)));
    check_price(&[(105, 10)], &[(95, 12)], None, Some((95, 10)));
    check_price(&[(105, 10)], &[(95, 10)], None, Some((95, 10)));
}

#[test]
fn a_book_that_does_not_cross_opens_without_a_trade() {
    check_price(&[(99, 10)], &[(100, 10)], Some(99), None);
    check_price(&[(99, 10)], &[], Some(99), None);
}

#[test]
fn in_a_call_phase_nothing_matches_and_only_plain_orders_enter() {
    let mut book = call(&[limit(1, Side::Sell, 100, 5), limit(2, Side::Buy, 105, 5)]);
    assert!(book.book().is_crossed());
    for order in [
        NewOrder { validity: Validity::ImmediateOrCancel, ..limit(9, Side::Buy, 1, 1) },
        NewOrder { validity: Validity::FillOrKill, ..limit(9, Side::Buy, 1, 1) },
        NewOrder { post_only: true, ..limit(9, Side::Buy, 1, 1) },
    ] {
        assert_eq!(submit(&mut book, &order).0, Err(Refusal::NotInAuction { id: 9 }));
    }
    assert_eq!(book.set_phase(Phase::Continuous), Err(Refusal::Crossed));
    assert_eq!(book.cancel(2), Ok(Qty(5)));
    assert_eq!(book.set_phase(Phase::Continuous), Ok(()));
    let none = &mut |effect| panic!("{effect:?}");
    assert_eq!(book.uncross(None, MANY, none), Err(Refusal::NoAuction));
}

#[test]
fn orders_trade_by_price_and_time_and_what_is_left_goes_on() {
    let mut book = call(&[
        limit(1, Side::Buy, 101, 4),
        limit(2, Side::Buy, 102, 3),
        limit(3, Side::Buy, 101, 5),
        limit(4, Side::Sell, 100, 8),
    ]);
    let (result, effects) = uncross(&mut book, Some(101));
    assert_eq!(result, Uncrossed { price: Some(Price(101)), qty: Qty(8), standing: UncrossStanding::Opened });
    let crossed = |buy, qty, buy_left, sell_left| Effect::Crossed {
        buy,
        sell: 4,
        price: Price(101),
        qty: Qty(qty),
        buy_left: Qty(buy_left),
        sell_left: Qty(sell_left),
    };
    assert_eq!(effects, [crossed(2, 3, 0, 5), crossed(1, 4, 0, 1), crossed(3, 1, 4, 0)]);
    assert_eq!(submit(&mut book, &limit(9, Side::Sell, 101, 4)).0, outcome(4, 0, Standing::Done));
}

#[test]
fn market_orders_come_first_and_their_rest_is_cancelled() {
    let market = NewOrder::market(1, Side::Buy, Qty(10));
    let mut book = call(&[limit(2, Side::Buy, 105, 4), market, limit(3, Side::Sell, 100, 8)]);
    let (result, effects) = uncross(&mut book, None);
    assert_eq!((result.price, result.qty), (Some(Price(105)), Qty(8)));
    let canceled = Effect::Canceled { id: 1, qty: Qty(2), reason: CancelReason::NoLiquidity };
    assert_eq!((effects.len(), effects.last()), (2, Some(&canceled)));
    assert_eq!(ids(&book, Side::Buy), [2]);
}

#[test]
fn market_orders_alone_trade_at_the_reference_price_or_not_at_all() {
    let orders = [NewOrder::market(1, Side::Buy, Qty(10)), NewOrder::market(2, Side::Sell, Qty(7))];
    let (result, effects) = uncross(&mut call(&orders), Some(55));
    assert_eq!((result.price, result.qty, effects.len()), (Some(Price(55)), Qty(7), 2));
    let mut book = call(&orders);
    let (result, effects) = uncross(&mut book, None);
    assert_eq!((result.price, result.qty, effects.len()), (None, Qty(0), 2));
    assert!(book.book().is_empty());
}

#[test]
fn an_iceberg_takes_part_with_all_it_has() {
    let mut book = call(&[iceberg(1, Side::Buy, 100, 30, 10), limit(2, Side::Sell, 100, 12)]);
    let (result, effects) = uncross(&mut book, None);
    assert_eq!((result.qty, effects.len()), (Qty(12), 1));
    assert_eq!((book.book().get(1).unwrap().qty, book.book().reserve(1)), (Qty(10), Some(Qty(8))));
}

#[test]
fn a_band_holds_the_price_and_a_book_that_crosses_outside_stays_in_its_call_phase() {
    let orders = [limit(1, Side::Buy, 120, 5), limit(2, Side::Sell, 118, 9), limit(3, Side::Sell, 100, 2)];
    let mut book = call(&orders);
    book.set_band(Some(Band { low: Price(90), high: Price(110), rule: BandRule::Stop })).unwrap();
    let (result, _) = uncross(&mut book, Some(110));
    let standing = UncrossStanding::StillCrossed;
    assert_eq!(result, Uncrossed { price: Some(Price(110)), qty: Qty(2), standing });
    assert_eq!(book.phase(), Phase::Auction);
    book.set_band(None).unwrap();
    let (result, _) = uncross(&mut book, Some(110));
    assert_eq!((result.qty, result.standing), (Qty(3), UncrossStanding::Opened));
}

#[test]
fn an_auction_larger_than_its_bound_goes_on_at_its_price() {
    let orders = [
        limit(1, Side::Buy, 101, 4),
        limit(2, Side::Buy, 102, 3),
        NewOrder::market(3, Side::Sell, Qty(5)),
        NewOrder::market(4, Side::Sell, Qty(9)),
    ];
    let mut whole = call(&orders);
    let (expected, expected_effects) = uncross(&mut whole, Some(100));
    let mut book = call(&orders);
    let mut effects = Vec::new();
    let mut calls = 0;
    let result = loop {
        calls += 1;
        let result = book.uncross(Some(Price(calls)), 1, &mut |effect| effects.push(effect));
        if calls == 1 {
            // Only the first call's reference counts.
            assert_eq!(result.unwrap().price, Some(Price(101)));
        }
        match result.unwrap().standing {
            UncrossStanding::Unfinished => {
                assert_eq!(submit(&mut book, &limit(9, Side::Buy, 1, 1)).0, Err(Refusal::Unfinished));
            }
            UncrossStanding::Opened | UncrossStanding::StillCrossed => break result.unwrap(),
        }
    };
    assert_eq!((result, &effects), (expected, &expected_effects));
    assert_eq!((book.digest(), calls), (whole.digest(), 4));
}
