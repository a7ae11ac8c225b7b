//! Price-time priority, validities, icebergs and replaces.

use super::{MANY, book_of, iceberg, ids, limit, outcome, replace, submit, trades};
use crate::book::{BookError, CancelReason, NewOrder, Refusal, Standing, Validity};
use tickwerk_domain::{Level, Price, Qty, Side};

fn asks() -> [NewOrder; 4] {
    [
        limit(1, Side::Sell, 101, 5),
        limit(2, Side::Sell, 100, 3),
        limit(3, Side::Sell, 100, 4),
        limit(4, Side::Sell, 103, 9),
    ]
}

#[test]
fn the_best_price_trades_first_and_there_the_oldest_order() {
    let mut book = book_of(&asks());
    let (result, effects) = submit(&mut book, &limit(9, Side::Buy, 101, 9));
    assert_eq!(trades(&effects), [(2, 100, 3, 0), (3, 100, 4, 0), (1, 101, 2, 3)]);
    assert_eq!(result, outcome(9, 0, Standing::Done));
    assert_eq!(ids(&book, Side::Sell), [1, 4]);
}

#[test]
fn what_a_limit_order_cannot_match_rests_at_its_price() {
    let mut book = book_of(&asks());
    let (result, effects) = submit(&mut book, &limit(9, Side::Buy, 100, 9));
    assert_eq!((trades(&effects).len(), result), (2, outcome(7, 2, Standing::Rests)));
    assert_eq!(book.book().best(Side::Buy), Some(Level { price: Price(100), qty: Qty(2) }));
}

#[test]
fn a_market_order_takes_all_there_is_and_leaves_nothing_behind() {
    let mut book = book_of(&asks());
    let (result, effects) = submit(&mut book, &NewOrder::market(9, Side::Buy, Qty(30)));
    assert_eq!((trades(&effects).len(), book.book().len()), (4, 0));
    assert_eq!(result, outcome(21, 9, Standing::Canceled(CancelReason::NoLiquidity)));
}

#[test]
fn an_immediate_or_cancel_order_does_not_rest() {
    let mut book = book_of(&asks());
    let order = NewOrder { validity: Validity::ImmediateOrCancel, ..limit(9, Side::Buy, 100, 9) };
    let (result, _) = submit(&mut book, &order);
    assert_eq!(result, outcome(7, 2, Standing::Canceled(CancelReason::NoLiquidity)));
    assert_eq!(book.book().best(Side::Buy), None);
}

#[test]
fn a_fill_or_kill_order_is_filled_whole_or_changes_nothing() {
    let mut book = book_of(&asks());
    let before = book.digest();
    let order = NewOrder { validity: Validity::FillOrKill, ..limit(9, Side::Buy, 101, 13) };
    let killed = outcome(0, 13, Standing::Canceled(CancelReason::FillOrKill));
    assert_eq!(submit(&mut book, &order), (killed, vec![]));
    assert_eq!(book.digest(), before);
    let (result, effects) = submit(&mut book, &NewOrder { qty: Qty(12), ..order });
    assert_eq!((result, effects.len()), (outcome(12, 0, Standing::Done), 3));
}

#[test]
fn hidden_quantity_counts_for_fill_or_kill() {
    let mut book = book_of(&[iceberg(1, Side::Sell, 100, 30, 10)]);
    let order = NewOrder { validity: Validity::FillOrKill, ..limit(9, Side::Buy, 100, 30) };
    let (result, effects) = submit(&mut book, &order);
    assert_eq!(result, outcome(30, 0, Standing::Done));
    assert_eq!(trades(&effects), [(1, 100, 10, 20), (1, 100, 10, 10), (1, 100, 10, 0)]);
}

#[test]
fn a_post_only_order_that_would_match_is_refused() {
    let mut book = book_of(&asks());
    let before = book.digest();
    let order = NewOrder { post_only: true, ..limit(9, Side::Buy, 100, 1) };
    assert_eq!(submit(&mut book, &order).0, Err(Refusal::WouldTake { id: 9, touch: Price(100) }));
    assert_eq!(book.digest(), before);
    let passive = NewOrder { price: Some(Price(99)), ..order };
    assert_eq!(submit(&mut book, &passive).0, outcome(0, 1, Standing::Rests));
}

#[test]
fn an_iceberg_shows_a_peak_and_the_next_one_goes_to_the_back() {
    let orders = [iceberg(1, Side::Sell, 100, 25, 10), limit(2, Side::Sell, 100, 5)];
    let mut book = book_of(&orders);
    assert_eq!(book.book().best(Side::Sell).unwrap().qty, Qty(15));
    assert_eq!(book.book().reserve(1), Some(Qty(15)));
    let (_, effects) = submit(&mut book, &limit(8, Side::Buy, 100, 12));
    assert_eq!(trades(&effects), [(1, 100, 10, 15), (2, 100, 2, 3)]);
    assert_eq!(ids(&book, Side::Sell), [2, 1]);
    let (_, effects) = submit(&mut book, &limit(9, Side::Buy, 100, 20));
    assert_eq!(trades(&effects), [(2, 100, 3, 0), (1, 100, 10, 5), (1, 100, 5, 0)]);
    assert_eq!(book.book().best(Side::Buy).unwrap().qty, Qty(2));
}

#[test]
fn an_iceberg_that_comes_takes_with_all_it_has_and_hides_the_rest() {
    let mut book = book_of(&asks());
    let (result, effects) = submit(&mut book, &iceberg(9, Side::Buy, 100, 20, 5));
    assert_eq!((trades(&effects).len(), result), (2, outcome(7, 13, Standing::Rests)));
    assert_eq!(book.book().get(9).unwrap().qty, Qty(5));
    assert_eq!(book.book().reserve(9), Some(Qty(8)));
    assert_eq!(book.cancel(9), Ok(Qty(13)));
}

#[test]
fn a_smaller_replace_keeps_its_place_and_hidden_quantity_goes_first() {
    let mut book = book_of(&[iceberg(1, Side::Sell, 100, 25, 10), limit(2, Side::Sell, 100, 5)]);
    let mut none = |effect| panic!("{effect:?}");
    assert_eq!(book.replace(&replace(1, 100, 12), MANY, &mut none), outcome(0, 12, Standing::Rests));
    assert_eq!((book.book().get(1).unwrap().qty, book.book().reserve(1)), (Qty(10), Some(Qty(2))));
    book.replace(&replace(1, 100, 4), MANY, &mut none).unwrap();
    assert_eq!((book.book().get(1).unwrap().qty, book.book().reserve(1)), (Qty(4), Some(Qty(0))));
    assert_eq!(ids(&book, Side::Sell), [1, 2]);
}

#[test]
fn a_larger_or_moved_replace_loses_its_place() {
    let mut book = book_of(&asks());
    let mut none = |effect| panic!("{effect:?}");
    book.replace(&replace(2, 100, 4), MANY, &mut none).unwrap();
    assert_eq!(ids(&book, Side::Sell), [3, 2, 1, 4]);
    book.replace(&replace(3, 101, 4), MANY, &mut none).unwrap();
    assert_eq!(ids(&book, Side::Sell), [2, 1, 3, 4]);
}

#[test]
fn a_replace_through_the_touch_matches() {
    let mut book = book_of(&asks());
    submit(&mut book, &limit(9, Side::Buy, 99, 4)).0.unwrap();
    let mut effects = Vec::new();
    let result = book.replace(&replace(9, 100, 8), MANY, &mut |effect| effects.push(effect));
    assert_eq!((trades(&effects).len(), result), (2, outcome(7, 1, Standing::Rests)));
}

#[test]
fn a_refused_replace_changes_nothing() {
    let mut book = book_of(&asks());
    submit(&mut book, &limit(9, Side::Buy, 99, 4)).0.unwrap();
    let before = book.digest();
    let mut none = |effect| panic!("{effect:?}");
    let unknown = book.replace(&replace(77, 1, 1), MANY, &mut none);
    assert_eq!(unknown, Err(BookError::UnknownOrder { id: 77 }.into()));
    let nothing = book.replace(&replace(9, 99, 0), MANY, &mut none);
    assert_eq!(nothing, Err(BookError::QtyNotPositive { id: 9, qty: Qty(0) }.into()));
    let mut taking = replace(9, 100, 4);
    taking.post_only = true;
    let refused = book.replace(&taking, MANY, &mut none);
    assert_eq!(refused, Err(Refusal::WouldTake { id: 9, touch: Price(100) }));
    assert_eq!(book.digest(), before);
}

#[test]
fn a_refused_order_changes_nothing() {
    let mut book = book_of(&asks());
    let before = book.digest();
    let market = NewOrder::market(9, Side::Buy, Qty(1));
    for (order, refusal) in [
        (limit(1, Side::Buy, 1, 1), BookError::DuplicateOrder { id: 1 }.into()),
        (limit(9, Side::Buy, 1, -1), BookError::QtyNotPositive { id: 9, qty: Qty(-1) }.into()),
        (limit(9, Side::Buy, i64::MAX, 1), Refusal::ExtremePrice { id: 9 }),
        (limit(9, Side::Sell, i64::MIN, 1), Refusal::ExtremePrice { id: 9 }),
        (iceberg(9, Side::Buy, 1, 5, 0), Refusal::DisplayNotPositive { id: 9, display: Qty(0) }),
        (NewOrder { post_only: true, ..market }, Refusal::NeverRests { id: 9 }),
        (NewOrder { display: Some(Qty(1)), ..market }, Refusal::NeverRests { id: 9 }),
    ] {
        assert_eq!(submit(&mut book, &order), (Err(refusal), vec![]));
    }
    assert_eq!(book.cancel(9), Err(BookError::UnknownOrder { id: 9 }.into()));
    assert_eq!(book.digest(), before);
}
