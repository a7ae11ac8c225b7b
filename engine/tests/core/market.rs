//! Books, quotes and trades: what counts as the touch, and when nothing may be traded on it.

use super::desk::{ALICE, Desk, SPOT, limit_order, quote};
use tickwerk_domain::command::{MarketGapObserved, QuoteObserved, TradeObserved};
use tickwerk_domain::event::{BookRestored, BookStale, CommandRefused};
use tickwerk_domain::{
    Aggressor, BookDelta, Event, InstrumentId, Level, Price, Qty, Reject, Side, StaleReason, TextId,
};
use tickwerk_engine::market::BookState;

fn delta(update_id: u64, flags: u8, levels: &[(Side, i64, i64)]) -> BookDelta {
    let mut delta = BookDelta::new(SPOT, update_id, flags);
    for (side, price, qty) in levels {
        assert!(delta.push(*side, Level { price: Price(*price), qty: Qty(*qty) }));
    }
    delta
}

fn gap(reason: StaleReason) -> MarketGapObserved {
    MarketGapObserved { expected: 5, received: 9, instrument: SPOT, reason }
}

const SNAPSHOT: u8 = BookDelta::CLEAR | BookDelta::LAST;

/// The touch as `(bid, bid quantity, ask, ask quantity)`.
fn check_touch(desk: &Desk, expected: (i64, i64, i64, i64)) {
    let touch = desk.machine().market(SPOT).touch;
    assert_eq!((touch.bid.price.0, touch.bid.qty.0, touch.ask.price.0, touch.ask.qty.0), expected);
}

fn refusal_of_an_order(desk: &mut Desk) -> Option<Reject> {
    let events = desk.apply(limit_order(SPOT, Side::Buy, 9_000, 10));
    events.iter().find_map(|event| {
        if let Event::OrderRefused(refused) = event { Reject::from_code(refused.reason) } else { None }
    })
}

#[test]
fn the_touch_is_the_best_of_the_book_and_moves_when_levels_go() {
    let mut desk = Desk::new();
    let snapshot =
        [(Side::Buy, 9_990, 5), (Side::Buy, 9_980, 6), (Side::Sell, 10_010, 7), (Side::Sell, 10_020, 8)];
    let restored = BookRestored { update_id: 10, instrument: SPOT };
    assert_eq!(desk.apply(delta(10, SNAPSHOT, &snapshot)), [restored.into()]);
    check_touch(&desk, (9_990, 5, 10_010, 7));
    assert_eq!(desk.apply(delta(11, BookDelta::LAST, &[(Side::Buy, 9_990, 0), (Side::Sell, 10_000, 3)])), []);
    check_touch(&desk, (9_980, 6, 10_000, 3));
    let book: Vec<_> =
        desk.machine().market(SPOT).book.levels(Side::Sell).map(|level| level.price.0).collect();
    assert_eq!(book, [10_000, 10_010, 10_020]);
}

#[test]
fn a_split_update_counts_when_its_last_part_has_come() {
    let mut desk = Desk::new();
    desk.apply(delta(10, SNAPSHOT, &[(Side::Buy, 9_990, 5), (Side::Sell, 10_010, 7)]));
    assert_eq!(desk.apply(delta(11, 0, &[(Side::Buy, 9_990, 0), (Side::Buy, 10_000, 9)])), []);
    check_touch(&desk, (9_990, 5, 10_010, 7));
    assert_eq!(desk.machine().market(SPOT).state, BookState::Building);
    assert_eq!(desk.apply(delta(11, BookDelta::LAST, &[(Side::Sell, 10_010, 2)])), []);
    check_touch(&desk, (10_000, 9, 10_010, 2));
    assert_eq!(desk.machine().market(SPOT).state, BookState::Live);
}

#[test]
fn a_split_snapshot_restores_with_its_last_part() {
    let mut desk = Desk::new();
    assert_eq!(desk.apply(delta(10, BookDelta::CLEAR, &[(Side::Buy, 9_990, 5)])), []);
    check_touch(&desk, (0, 0, 0, 0));
    let restored = BookRestored { update_id: 10, instrument: SPOT };
    assert_eq!(desk.apply(delta(10, BookDelta::LAST, &[(Side::Sell, 10_010, 7)])), [restored.into()]);
    check_touch(&desk, (9_990, 5, 10_010, 7));
}

#[test]
fn a_gap_makes_the_book_stale_and_orders_are_refused_until_a_snapshot() {
    let mut desk = Desk::new();
    desk.apply(delta(10, SNAPSHOT, &[(Side::Buy, 9_990, 5), (Side::Sell, 10_010, 7)]));
    assert_eq!(refusal_of_an_order(&mut desk), None);
    let stale = BookStale { update_id: 10, instrument: SPOT, reason: StaleReason::Gap };
    assert_eq!(desk.apply(gap(StaleReason::Gap)), [stale.into()]);
    assert_eq!(desk.apply(gap(StaleReason::Disconnected)), [], "it is told once");
    assert_eq!(refusal_of_an_order(&mut desk), Some(Reject::StaleMarket));
    assert_eq!(desk.apply(delta(12, BookDelta::LAST, &[(Side::Buy, 9_995, 5)])), []);
    check_touch(&desk, (9_990, 5, 10_010, 7));
    assert_eq!(refusal_of_an_order(&mut desk), Some(Reject::StaleMarket), "an update does not heal a gap");
    let restored = BookRestored { update_id: 20, instrument: SPOT };
    assert_eq!(
        desk.apply(delta(20, SNAPSHOT, &[(Side::Buy, 9_970, 1), (Side::Sell, 9_980, 2)])),
        [restored.into()]
    );
    check_touch(&desk, (9_970, 1, 9_980, 2));
    assert_eq!(refusal_of_an_order(&mut desk), None);
}

#[test]
fn a_gap_inside_a_snapshot_needs_another_snapshot() {
    let mut desk = Desk::new();
    desk.apply(delta(10, BookDelta::CLEAR, &[(Side::Buy, 9_990, 5)]));
    let stale = BookStale { update_id: 0, instrument: SPOT, reason: StaleReason::Overrun };
    assert_eq!(desk.apply(gap(StaleReason::Overrun)), [stale.into()]);
    assert_eq!(desk.apply(delta(10, BookDelta::LAST, &[(Side::Sell, 10_010, 7)])), []);
    assert!(desk.machine().market(SPOT).is_stale());
}

#[test]
fn of_book_and_quote_the_higher_update_id_wins() {
    let mut desk = Desk::new();
    desk.apply(delta(10, SNAPSHOT, &[(Side::Buy, 9_990, 5), (Side::Sell, 10_010, 7)]));
    let at = |update_id, bid| QuoteObserved { update_id, ..quote(SPOT, bid, 10_020) };
    desk.apply(at(9, 9_000));
    check_touch(&desk, (9_990, 5, 10_010, 7));
    desk.apply(at(12, 9_980));
    check_touch(&desk, (9_980, 1_000_000, 10_020, 1_000_000));
    desk.apply(delta(11, BookDelta::LAST, &[(Side::Buy, 9_995, 5)]));
    check_touch(&desk, (9_980, 1_000_000, 10_020, 1_000_000));
    desk.apply(delta(12, BookDelta::LAST, &[(Side::Buy, 9_996, 4)]));
    check_touch(&desk, (9_996, 4, 10_010, 7));
}

#[test]
fn without_update_ids_the_later_one_wins() {
    let mut desk = Desk::new();
    desk.apply(quote(SPOT, 9_980, 10_020));
    check_touch(&desk, (9_980, 1_000_000, 10_020, 1_000_000));
    desk.apply(delta(1, SNAPSHOT, &[(Side::Buy, 9_990, 5), (Side::Sell, 10_010, 7)]));
    check_touch(&desk, (9_990, 5, 10_010, 7));
    desk.apply(quote(SPOT, 9_985, 10_015));
    check_touch(&desk, (9_985, 1_000_000, 10_015, 1_000_000));
}

#[test]
fn the_last_trade_is_the_reference_where_one_side_is_empty() {
    let mut desk = Desk::new();
    let trade = TradeObserved {
        trade_id: 1,
        price: Price(10_000),
        qty: Qty(3),
        instrument: SPOT,
        aggressor: Aggressor::Unknown,
    };
    assert_eq!(desk.machine().market(SPOT).reference_twice(), None);
    assert_eq!(desk.apply(trade), []);
    assert_eq!(desk.machine().market(SPOT).reference_twice(), Some(20_000));
    desk.apply(quote(SPOT, 9_990, 10_011));
    assert_eq!(desk.machine().market(SPOT).reference_twice(), Some(20_001));
}

#[test]
fn data_of_an_unknown_instrument_is_refused() {
    let mut desk = Desk::new();
    for number in [0, 9, 64, u32::MAX] {
        let refused = CommandRefused {
            value: i64::from(number),
            reason: Reject::UnknownInstrument.code(),
            command_type: 0x0101,
            text: TextId::NONE,
        };
        assert_eq!(desk.apply(quote(InstrumentId(number), 1, 2)), [refused.into()]);
    }
    assert_eq!(desk.machine().accounts().account(ALICE).map(|account| account.open_orders), Some(0));
}
