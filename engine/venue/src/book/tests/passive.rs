//! The book as a feed changes it.

use crate::book::{BookError, BookOrder, OrderBook};
use tickwerk_domain::{Level, Price, Qty, Side};

fn order(id: u64, side: Side, price: i64, qty: i64, priority: u64) -> BookOrder {
    BookOrder::new(id, side, Price(price), Qty(qty), priority)
}

fn book() -> OrderBook {
    let mut book = OrderBook::new(8);
    for order in [
        order(1, Side::Buy, 99, 10, 1),
        order(2, Side::Buy, 100, 5, 2),
        order(3, Side::Buy, 100, 7, 3),
        order(4, Side::Sell, 102, 4, 4),
        order(5, Side::Sell, 103, 6, 5),
    ] {
        book.add(order).unwrap();
    }
    book
}

fn at(book: &OrderBook, side: Side, price: i64) -> Vec<u64> {
    book.orders_at(side, Price(price)).map(|order| order.id).collect()
}

fn level(price: i64, qty: i64) -> Level {
    Level { price: Price(price), qty: Qty(qty) }
}

#[test]
fn levels_are_sums_of_their_orders_best_first() {
    let book = book();
    assert_eq!(book.levels(Side::Buy).collect::<Vec<_>>(), [level(100, 12), level(99, 10)]);
    assert_eq!(book.levels(Side::Sell).collect::<Vec<_>>(), [level(102, 4), level(103, 6)]);
    assert_eq!(book.best(Side::Sell), Some(level(102, 4)));
    let ids: Vec<u64> = book.orders(Side::Buy).map(|order| order.id).collect();
    assert_eq!(ids, [2, 3, 1]);
    assert_eq!((book.len(), book.is_crossed()), (5, false));
}

#[test]
fn an_order_queues_by_priority_and_then_by_id() {
    let mut book = book();
    book.add(order(9, Side::Buy, 100, 1, 2)).unwrap();
    book.add(order(8, Side::Buy, 100, 1, 0)).unwrap();
    assert_eq!(at(&book, Side::Buy, 100), [8, 2, 9, 3]);
    assert!(book.is_front(8) && !book.is_front(2) && !book.is_front(77));
    assert_eq!(book.qty_ahead(9), Some(Qty(6)));
    assert_eq!((book.qty_ahead(8), book.qty_ahead(77)), (Some(Qty(0)), None));
}

#[test]
fn a_reduction_keeps_the_place_and_the_last_one_removes() {
    let mut book = book();
    assert_eq!(book.reduce(2, Qty(3)), Ok(Qty(2)));
    assert_eq!(at(&book, Side::Buy, 100), [2, 3]);
    assert_eq!(book.reduce(2, Qty(3)), Err(BookError::TooMuch { id: 2, by: Qty(3), left: Qty(2) }));
    assert_eq!(book.reduce(2, Qty(2)), Ok(Qty(0)));
    assert_eq!((at(&book, Side::Buy, 100), book.get(2)), (vec![3], None));
    assert_eq!(book.reduce(2, Qty(1)), Err(BookError::UnknownOrder { id: 2 }));
}

#[test]
fn a_level_goes_with_its_last_order() {
    let mut book = book();
    assert_eq!(book.remove(4), Ok(order(4, Side::Sell, 102, 4, 4)));
    assert_eq!(book.best(Side::Sell), Some(level(103, 6)));
    book.remove(5).unwrap();
    assert_eq!((book.best(Side::Sell), book.remove(5)), (None, Err(BookError::UnknownOrder { id: 5 })));
}

#[test]
fn a_smaller_quantity_keeps_the_place_and_all_else_loses_it() {
    let mut book = book();
    book.modify(2, Price(100), Qty(4), 6).unwrap();
    assert_eq!((at(&book, Side::Buy, 100), book.get(2).unwrap().priority), (vec![2, 3], 2));
    book.modify(2, Price(100), Qty(5), 7).unwrap();
    assert_eq!((at(&book, Side::Buy, 100), book.get(2).unwrap().priority), (vec![3, 2], 7));
    book.modify(3, Price(99), Qty(1), 8).unwrap();
    assert_eq!((at(&book, Side::Buy, 100), at(&book, Side::Buy, 99)), (vec![2], vec![1, 3]));
    let expected = BookError::QtyNotPositive { id: 3, qty: Qty(0) };
    assert_eq!(book.modify(3, Price(99), Qty(0), 9), Err(expected));
}

#[test]
fn a_locked_or_crossed_book_is_legal_and_known() {
    let mut book = book();
    book.add(order(6, Side::Buy, 102, 1, 6)).unwrap();
    assert!(book.is_crossed());
    book.modify(6, Price(101), Qty(1), 7).unwrap();
    assert!(!book.is_crossed());
}

#[test]
fn a_refusal_changes_nothing() {
    let mut book = book();
    let before = book.digest();
    assert_eq!(book.add(order(1, Side::Buy, 1, 1, 9)), Err(BookError::DuplicateOrder { id: 1 }));
    assert_eq!(book.add(order(7, Side::Buy, 1, 0, 9)), Err(BookError::QtyNotPositive { id: 7, qty: Qty(0) }));
    let huge = order(7, Side::Buy, 100, i64::MAX, 9);
    assert_eq!(book.add(huge), Err(BookError::LevelOverflow { id: 7, price: Price(100) }));
    assert_eq!(book.digest(), before);
    for id in 6..9 {
        book.add(order(id, Side::Buy, 1, 1, id)).unwrap();
    }
    assert_eq!(book.add(order(9, Side::Buy, 1, 1, 9)), Err(BookError::Full { id: 9, orders_max: 8 }));
    assert_eq!(book.len(), 8);
}

#[test]
fn a_cleared_book_is_as_new() {
    let mut book = book();
    book.clear();
    assert_eq!((book.len(), book.digest(), book.best(Side::Buy)), (0, 0, None));
    for id in 0..8 {
        book.add(order(id, Side::Buy, i64::MIN + i64::try_from(id).unwrap(), 1, id)).unwrap();
    }
    assert_eq!(book.levels(Side::Buy).count(), 8);
}

#[test]
fn in_a_full_book_of_single_orders_one_can_still_move() {
    let mut book = OrderBook::new(4);
    for id in 0..4 {
        book.add(order(id, Side::Buy, i64::try_from(id).unwrap(), 1, id)).unwrap();
    }
    for turn in 0..9_u64 {
        book.modify(turn % 4, Price(10 - i64::try_from(turn).unwrap()), Qty(1), 4 + turn).unwrap();
    }
    let prices: Vec<i64> = book.levels(Side::Buy).map(|level| level.price.0).collect();
    assert_eq!(prices, [5, 4, 3, 2]);
}
