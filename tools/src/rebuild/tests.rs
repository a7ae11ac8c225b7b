//! Rebuilds from items that are made here.

use super::{Counts, QueueRule, Rebuild, Reference, Rules};
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};
use tickwerk_feeds::order_by_order::{Action, BookRow, OrderByOrder};

const LOBSTER: Rules = Rules { queue: QueueRule::ById, ids_return: true, window: None, qty_cut: 0 };
const BITSTAMP: Rules = Rules { queue: QueueRule::ByArrival, ids_return: false, window: None, qty_cut: 0 };

fn item(action: Action, order: u64, side: Side, price: i64, qty: i64) -> OrderByOrder {
    OrderByOrder {
        time_ns: TimeNs(1),
        sequence: 1,
        order,
        action,
        side: Some(side),
        price: Price(price),
        qty: Qty(qty),
        is_last: true,
    }
}

fn buy(action: Action, order: u64, price: i64, qty: i64) -> OrderByOrder {
    item(action, order, Side::Buy, price, qty)
}

fn sell(action: Action, order: u64, price: i64, qty: i64) -> OrderByOrder {
    item(action, order, Side::Sell, price, qty)
}

fn clear() -> OrderByOrder {
    OrderByOrder { side: None, ..buy(Action::Clear, 0, 0, 0) }
}

fn rebuilt(rules: Rules, items: &[OrderByOrder]) -> Rebuild {
    let mut rebuild = Rebuild::new(rules);
    apply(&mut rebuild, items);
    rebuild
}

fn apply(rebuild: &mut Rebuild, items: &[OrderByOrder]) {
    for item in items {
        rebuild.apply(item).expect("a small book");
    }
}

fn row(depth: usize, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> BookRow {
    let levels = |side: &[(i64, i64)]| {
        side.iter().map(|&(price, qty)| Level { price: Price(price), qty: Qty(qty) }).collect()
    };
    BookRow { time_ns: TimeNs::UNKNOWN, sequence: 1, depth, bids: levels(bids), asks: levels(asks) }
}

fn levels(rebuild: &Rebuild, side: Side) -> Vec<(i64, i64)> {
    rebuild.book().levels(side).map(|level| (level.price.0, level.qty.0)).collect()
}

/// Compares a row that must not differ; tells (determinable, matched) so far.
#[track_caller]
fn compare(rebuild: &mut Rebuild, row: &BookRow) -> (u64, u64) {
    assert_eq!(rebuild.compare(row).expect("a small book"), None);
    (rebuild.counts().determinable, rebuild.counts().matched)
}

#[test]
fn orders_come_and_go_and_executions_are_judged_where_they_stand() {
    use Action::{Add, Delete, Execute, ExecuteHidden, Reduce, Trade};
    let mut rebuild = rebuilt(LOBSTER, &[buy(Add, 5, 100, 10), buy(Add, 3, 100, 20), buy(Add, 9, 99, 7)]);
    apply(&mut rebuild, &[buy(Reduce, 3, 100, 5)]);
    assert_eq!(levels(&rebuild, Side::Buy), [(100, 25), (99, 7)]);
    for (order, price, qty) in [(3, 100, 5), (5, 100, 1), (9, 99, 7), (77, 100, 2)] {
        apply(&mut rebuild, &[buy(Execute, order, price, qty)]);
    }
    apply(&mut rebuild, &[buy(ExecuteHidden, 0, 100, 50), buy(Trade, 3, 100, 50)]);
    apply(&mut rebuild, &[sell(Add, 6, 101, 4), sell(Delete, 6, 101, 4)]);
    assert_eq!(levels(&rebuild, Side::Buy), [(100, 19)]);
    assert_eq!(levels(&rebuild, Side::Sell), []);
    let expected = Counts {
        items: 12,
        updates: 12,
        executions: 4,
        at_best: 3,
        // Order 3 is older than 5, by its id; 9 stands alone at its price.
        queue_front: 2,
        known_orders: 3,
        unknown_orders: 1,
        ..Counts::default()
    };
    assert_eq!(*rebuild.counts(), expected);
}

#[test]
fn items_that_contradict_the_book_are_counted_and_leave_no_negative_level() {
    use Action::{Add, Delete, Modify, Reduce};
    let rebuild = rebuilt(
        LOBSTER,
        &[
            clear(),
            buy(Add, 1, 100, 10),
            buy(Add, 1, 99, 10),
            buy(Reduce, 1, 99, 11),
            buy(Delete, 1, 99, 10),
            buy(Modify, 2, 98, 4),
            sell(Add, 3, 98, 1),
        ],
    );
    assert_eq!(levels(&rebuild, Side::Buy), [(98, 4)], "an order that changes is known from then on");
    let counts = rebuild.counts();
    // The deletion finds nothing either, in a book that is known whole.
    assert_eq!((counts.duplicate_orders, counts.negative_levels, counts.unknown_orders), (1, 2, 2));
    assert_eq!((counts.crossed_rows, rebuild.crossed_last()), (1, Some(TimeNs(1))));
}

#[test]
fn a_change_keeps_its_place_only_if_nothing_gets_better_for_it() {
    use Action::{Add, Modify};
    let rules = Rules { queue: QueueRule::ByArrival, ..LOBSTER };
    let mut rebuild =
        rebuilt(rules, &[sell(Add, 1, 100, 10), sell(Add, 2, 100, 10), sell(Modify, 1, 100, 4)]);
    assert!(rebuild.book().is_front(1));
    apply(&mut rebuild, &[sell(Modify, 1, 100, 5)]);
    assert!(rebuild.book().is_front(2));
    apply(&mut rebuild, &[buy(Modify, 2, 90, 5)]);
    assert_eq!((levels(&rebuild, Side::Buy), levels(&rebuild, Side::Sell)), (vec![(90, 5)], vec![(100, 5)]));
}

#[test]
fn a_restatement_is_a_fill_when_it_is_smaller_at_its_price() {
    use Action::{Add, Restate};
    let mut rebuild =
        rebuilt(BITSTAMP, &[buy(Add, 1, 100, 10), buy(Restate, 1, 100, 6), buy(Restate, 1, 101, 5)]);
    assert_eq!(rebuild.counts().executions, 1, "another price is the owner's will");
    apply(&mut rebuild, &[buy(Restate, 1, 101, 0)]);
    assert_eq!((rebuild.counts().executions, rebuild.counts().at_best, rebuild.book().len()), (2, 2, 0));
}

#[test]
fn what_comes_behind_the_end_of_an_order_changes_nothing() {
    use Action::{Add, Delete, Restate};
    let late = [
        buy(Delete, 1, 100, 10),
        buy(Add, 1, 100, 10),
        buy(Add, 2, 100, 10),
        buy(Restate, 2, 100, 0),
        buy(Restate, 2, 100, 4),
    ];
    let rebuild = rebuilt(BITSTAMP, &late);
    assert_eq!((rebuild.book().len(), rebuild.counts().late_items), (0, 2));
    let rebuild = rebuilt(LOBSTER, &late);
    assert_eq!((rebuild.book().len(), rebuild.counts().late_items), (2, 0), "ids may come again here");
}

#[test]
fn the_first_row_seeds_what_rested_before_the_data() {
    use Action::{Add, Delete, Execute};
    let mut rebuild = rebuilt(LOBSTER, &[buy(Add, 50, 100, 18)]);
    assert_eq!(compare(&mut rebuild, &row(2, &[(100, 20), (99, 7)], &[(101, 5)])), (0, 0), "not to be told");
    assert_eq!(levels(&rebuild, Side::Buy), [(100, 20), (99, 7)]);
    assert!(!rebuild.book().is_front(50), "what rested before stands before");
    apply(&mut rebuild, &[buy(Execute, 8, 100, 2)]);
    assert!(rebuild.book().is_front(50));
    apply(&mut rebuild, &[buy(Delete, 50, 100, 18), buy(Delete, 9, 99, 3), sell(Execute, 10, 101, 1)]);
    assert_eq!(compare(&mut rebuild, &row(2, &[(99, 4)], &[(101, 4)])), (1, 1));
    assert_eq!(rebuild.counts().negative_levels, 0);
    let nameless: Vec<bool> =
        rebuild.book().orders(Side::Buy).map(|order| rebuild.is_nameless(order)).collect();
    assert_eq!(nameless, [true]);
}

#[test]
fn a_difference_in_what_the_data_settle_stays_a_difference() {
    let mut rebuild = rebuilt(LOBSTER, &[clear(), buy(Action::Add, 1, 100, 10)]);
    let reference = row(2, &[(100, 9)], &[]);
    for differing in 1..=2 {
        let difference = rebuild.compare(&reference).expect("a small book").expect("it differs");
        assert_eq!(difference.side, Side::Buy);
        assert_eq!(difference.rebuilt.map(|level| level.qty), Some(Qty(10)));
        assert_eq!(difference.reference.map(|level| level.qty), Some(Qty(9)));
        assert_eq!(rebuild.counts().differing, differing);
    }
    let missing = rebuild.compare(&row(2, &[(100, 10), (98, 1)], &[])).expect("a small book");
    assert_eq!(missing.expect("it differs").rebuilt, None, "a level that the book does not have");
    assert_eq!(compare(&mut rebuild, &row(2, &[(100, 10)], &[])), (4, 1));
}

#[test]
fn levels_behind_the_window_are_a_guess_that_a_row_may_put_right() {
    use Action::{Add, Delete};
    let mut rebuild = Rebuild::new(Rules { window: Some(2), ..LOBSTER });
    apply(&mut rebuild, &[buy(Add, 1, 100, 10), buy(Add, 2, 99, 20)]);
    compare(&mut rebuild, &row(2, &[(100, 10), (99, 20)], &[]));
    // 99 leaves the window, and what happens there is not told.
    apply(&mut rebuild, &[buy(Add, 3, 101, 1)]);
    assert_eq!(compare(&mut rebuild, &row(2, &[(101, 1), (100, 10)], &[])), (2, 2));
    apply(&mut rebuild, &[buy(Delete, 3, 101, 1)]);
    assert_eq!(compare(&mut rebuild, &row(2, &[(100, 10), (99, 20)], &[])), (3, 3), "the guess was right");
    apply(&mut rebuild, &[buy(Add, 4, 101, 1), buy(Delete, 4, 101, 1)]);
    assert_eq!(compare(&mut rebuild, &row(2, &[(100, 10), (98, 5)], &[])), (3, 3), "the guess was wrong");
    assert_eq!(levels(&rebuild, Side::Buy), [(100, 10), (98, 5)]);
    assert_eq!(rebuild.counts().revealed, 2);
}

#[test]
fn a_window_of_one_level_counts_transitions() {
    use Action::{Add, Delete, ExecuteHidden};
    let mut rebuild = Rebuild::new(Rules { window: Some(1), ..LOBSTER });
    apply(&mut rebuild, &[sell(ExecuteHidden, 0, 105, 3)]);
    assert_eq!(compare(&mut rebuild, &row(1, &[(100, 10)], &[(110, 1)])), (0, 0));
    apply(&mut rebuild, &[buy(Add, 1, 101, 5)]);
    assert_eq!(compare(&mut rebuild, &row(1, &[(101, 5)], &[(110, 1)])), (1, 1));
    assert_eq!(levels(&rebuild, Side::Buy), [(101, 5)], "the level that left was dropped");
    apply(&mut rebuild, &[sell(ExecuteHidden, 0, 105, 3)]);
    assert_eq!(compare(&mut rebuild, &row(1, &[(101, 5)], &[(110, 1)])), (1, 1), "no transition");
    apply(&mut rebuild, &[buy(Delete, 1, 101, 5)]);
    assert_eq!(compare(&mut rebuild, &row(1, &[(100, 10)], &[(110, 1)])), (1, 1), "nobody can know");
    apply(&mut rebuild, &[buy(Delete, 2, 100, 4)]);
    assert_eq!(compare(&mut rebuild, &row(1, &[(100, 6)], &[(110, 1)])), (2, 2));
}

#[test]
fn a_fill_of_an_order_never_shown_leaves_its_level_open_until_a_row_shows_it() {
    let mut rebuild = rebuilt(BITSTAMP, &[]);
    compare(&mut rebuild, &row(2, &[(100, 10), (99, 5)], &[]));
    apply(&mut rebuild, &[buy(Action::Restate, 7, 100, 0)]);
    let (determinable, matched) = compare(&mut rebuild, &row(2, &[(100, 6), (99, 5)], &[]));
    assert_eq!((determinable, matched), (0, 0));
    assert_eq!(compare(&mut rebuild, &row(2, &[(100, 6), (99, 5)], &[])), (1, 1));
}

#[test]
fn quantities_that_were_cut_are_equal_up_to_what_was_cut() {
    use Action::{Add, Delete, Restate};
    let matched = |qty_cut, qty| {
        let mut rebuild = Rebuild::new(Rules { qty_cut, ..BITSTAMP });
        rebuild.compare(&row(3, &[(100, 30), (99, 5)], &[])).expect("a small book");
        // Three of ten each, of which each was cut by one.
        apply(&mut rebuild, &[buy(Delete, 1, 100, 9), buy(Delete, 2, 100, 9), buy(Delete, 3, 100, 9)]);
        apply(&mut rebuild, &[buy(Add, 4, 99, 19), buy(Restate, 4, 99, 9)]);
        rebuild.compare(&row(3, &[(99, qty)], &[])).expect("a small book");
        rebuild.counts().matched
    };
    assert_eq!([13, 14, 15, 16].map(|qty| matched(1, qty)), [0, 1, 1, 0]);
    assert_eq!([14, 15].map(|qty| matched(0, qty)), [0, 0], "three are left at 100");
}

#[test]
fn a_row_on_a_channel_of_its_own_may_be_early_or_late_within_its_slack() {
    let at = |sequence, item: OrderByOrder| OrderByOrder { sequence, ..item };
    let items = [
        at(10, clear()),
        at(20, buy(Action::Add, 1, 100, 10)),
        at(30, buy(Action::Add, 2, 101, 5)),
        at(90, buy(Action::Delete, 2, 101, 5)),
    ];
    let rows = |early: u64| {
        let row = |sequence, bids: &[(i64, i64)]| Ok(BookRow { sequence, ..row(9, bids, &[]) });
        vec![row(early, &[(101, 5), (100, 10)]), row(35, &[(100, 10)])]
    };
    let counts = |early, slack| {
        let mut rebuild = Rebuild::new(BITSTAMP);
        let rows = Box::new(rows(early).into_iter());
        let mut reference = Reference::new(rows, slack).expect("rows");
        for item in &items {
            reference.before(item.sequence, &mut rebuild).expect("a small book");
            rebuild.apply(item).expect("a small book");
            reference.after(item.sequence, &mut rebuild).expect("a small book");
        }
        reference.end(90, &mut rebuild).expect("a small book");
        (rebuild.counts().matched, rebuild.counts().differing)
    };
    assert_eq!(counts(25, 0), (0, 2), "the first is early by one item, the second as well");
    assert_eq!(counts(25, 5), (1, 1), "the second is further away");
    assert_eq!(counts(25, 60), (2, 0));
}

#[test]
fn a_book_grows_beyond_its_first_room_and_keeps_its_queues() {
    let mut rebuild = Rebuild::new(LOBSTER);
    let count = super::ORDERS_START as u64 + 10;
    for order in 1..=count {
        rebuild.apply(&buy(Action::Add, order, 100, 1)).expect("there is always room");
    }
    assert_eq!(rebuild.book().len() as u64, count);
    assert!(rebuild.book().is_front(1));
    assert_eq!(rebuild.book().qty_ahead(count), Some(Qty(i64::try_from(count).expect("small") - 1)));
}
