//! Markets that are told order by order: the touch is that of the orders.

use super::desk::{Desk, INVERSE, LINEAR, SPOT, types};
use super::orders_support::{assert_replays, check_order, enter, reason_of, stop};
use super::seed::{Random, each_seed};
use tickwerk_domain::command::{BookOrderObserved, MarketGapObserved};
use tickwerk_domain::{
    BookAction, InstrumentId, Level, OrderStatus, Price, Qty, Reject, Side, StaleReason, Touch,
};

fn told(action: BookAction, id: u64, side: Side, price: i64, qty: i64) -> BookOrderObserved {
    BookOrderObserved {
        venue_order_id: id,
        update_id: 0,
        price: Price(price),
        qty: Qty(qty),
        instrument: SPOT,
        side,
        action,
        is_last: true,
    }
}

fn add(id: u64, side: Side, price: i64, qty: i64) -> BookOrderObserved {
    told(BookAction::Add, id, side, price, qty)
}

fn touch(bid: (i64, i64), ask: (i64, i64)) -> Touch {
    let level = |(price, qty)| Level { price: Price(price), qty: Qty(qty) };
    Touch { bid: level(bid), ask: level(ask) }
}

#[test]
fn the_touch_is_that_of_the_orders() {
    let mut desk = Desk::new();
    let mut check = |command: BookOrderObserved, expected: Touch| {
        desk.apply(command);
        assert_eq!(desk.machine().market(SPOT).touch, expected, "{command:?}");
    };
    check(add(1, Side::Buy, 9_990, 30), touch((9_990, 30), (0, 0)));
    check(add(2, Side::Buy, 9_990, 20), touch((9_990, 50), (0, 0)));
    check(add(3, Side::Sell, 10_010, 40), touch((9_990, 50), (10_010, 40)));
    check(told(BookAction::Reduce, 1, Side::Buy, 9_990, 10), touch((9_990, 30), (10_010, 40)));
    check(told(BookAction::Execute, 1, Side::Buy, 9_990, 10), touch((9_990, 20), (10_010, 40)));
    check(add(3, Side::Sell, 10_000, 5), touch((9_990, 20), (10_000, 5)));
    check(told(BookAction::Delete, 2, Side::Buy, 0, 0), touch((0, 0), (10_000, 5)));
    check(told(BookAction::Delete, 99, Side::Buy, 0, 0), touch((0, 0), (10_000, 5)));
    check(BookOrderObserved { is_last: false, ..add(4, Side::Buy, 9_000, 5) }, touch((0, 0), (10_000, 5)));
    check(add(5, Side::Buy, 9_000, 5), touch((9_000, 10), (10_000, 5)));
    assert_eq!(desk.machine().market(SPOT).last_trade, Level { price: Price(9_990), qty: Qty(10) });
    assert_replays(&desk);
}

#[test]
fn a_gap_is_healed_by_a_book_from_the_start() {
    let mut desk = Desk::new();
    desk.apply(add(1, Side::Buy, 9_990, 30));
    let gap = MarketGapObserved { expected: 1, received: 2, instrument: SPOT, reason: StaleReason::Gap };
    assert_eq!(types(&desk.apply(gap)), ["market.book_stale"]);
    desk.apply(add(2, Side::Buy, 9_995, 30));
    assert!(desk.machine().market(SPOT).is_stale());
    desk.apply(BookOrderObserved { is_last: false, ..told(BookAction::Clear, 0, Side::Buy, 0, 0) });
    assert_eq!(types(&desk.apply(add(3, Side::Buy, 9_980, 5))), ["market.book_restored"]);
    assert_eq!(desk.machine().market(SPOT).touch, touch((9_980, 5), (0, 0)));
    assert_replays(&desk);
}

#[test]
fn an_order_of_someone_triggers_ours() {
    let mut desk = Desk::new();
    desk.apply(add(1, Side::Buy, 9_990, 30));
    desk.apply(add(2, Side::Sell, 10_010, 30));
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    desk.apply(add(3, Side::Sell, 10_110, 30));
    check_order(&desk, id, OrderStatus::Held, 0, 100);
    desk.apply(told(BookAction::Delete, 2, Side::Sell, 0, 0));
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn one_instrument_too_many_and_unknown_ones_are_refused() {
    let mut desk = Desk::new();
    for instrument in [SPOT, LINEAR] {
        assert_eq!(desk.apply(BookOrderObserved { instrument, ..add(1, Side::Buy, 9_990, 30) }), []);
    }
    let third = desk.apply(BookOrderObserved { instrument: INVERSE, ..add(1, Side::Buy, 9_990, 30) });
    assert_eq!(reason_of(&third), Reject::StoreFull as u16);
    for number in [0, 9, 64, u32::MAX] {
        let instrument = InstrumentId(number);
        let events = desk.apply(BookOrderObserved { instrument, ..add(1, Side::Buy, 9_990, 30) });
        assert_eq!(reason_of(&events), Reject::UnknownInstrument as u16);
    }
}

#[test]
fn nonsense_never_panics_and_replays_to_the_same() {
    each_seed(10, |seed| {
        let mut desk = Desk::new();
        let mut random = Random::new(seed);
        for _ in 0..500 {
            let prices = [i64::MIN, -10, 0, 9_990, 10_000, 10_010, i64::MAX];
            let qtys = [i64::MIN, -5, 0, 5, 30, 1 << 62, i64::MAX];
            let order = BookOrderObserved {
                update_id: u64::from(random.below(4)),
                is_last: !random.one_in(4),
                ..told(
                    random.pick(BookAction::ALL),
                    u64::from(random.below(6)),
                    random.pick(Side::ALL),
                    random.pick(&prices),
                    random.pick(&qtys),
                )
            };
            desk.settle(desk.time + 1_000);
            desk.apply(order);
        }
        assert_replays(&desk);
    });
}
