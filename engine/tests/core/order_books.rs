//! Markets that are told order by order: touch, trades, staleness, and the exact place of our own orders.

use super::desk::{Desk, INVERSE, LINEAR, SPOT, limit_order, market_order, quote, types};
use tickwerk_domain::command::{
    BookOrderObserved, MarkSourceSet, NewOrder, SimulatedVenueSet, StrategyDefined, TradeObserved,
};
use tickwerk_domain::event::{BookRestored, BookStale};
use tickwerk_domain::{
    AccountId, Aggressor, BookAction, BookDelta, Command, DurationNs, Event, InstrumentId, Level, MarkSource,
    OrderStatus, Price, Qty, QueueModel, Reject, Side, StaleReason, StrategyId, TextId,
};
use tickwerk_engine::limits::{ORDER_BOOKS_MAX, ORDERS_PER_BOOK_MAX};
use tickwerk_engine::market::BookState;

fn told(action: BookAction, id: u64, side: Side, price: i64, qty: i64) -> BookOrderObserved {
    BookOrderObserved {
        venue_order_id: id,
        update_id: id,
        price: Price(price),
        qty: Qty(qty),
        instrument: SPOT,
        side,
        action,
        is_last: true,
    }
}

fn clear() -> BookOrderObserved {
    BookOrderObserved { is_last: false, ..told(BookAction::Clear, 0, Side::Buy, 0, 0) }
}

fn add(id: u64, side: Side, price: i64, qty: i64) -> BookOrderObserved {
    told(BookAction::Add, id, side, price, qty)
}

/// 300 to buy at 9,990, 200 to sell at 10,010, by two orders each.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.apply(clear());
    for (id, side, price, qty) in [
        (1, Side::Buy, 9_990, 100),
        (2, Side::Buy, 9_990, 200),
        (3, Side::Sell, 10_010, 150),
        (4, Side::Sell, 10_010, 50),
    ] {
        desk.apply(add(id, side, price, qty));
    }
    desk
}

fn touch(desk: &Desk) -> [(i64, i64); 2] {
    let touch = desk.machine().market(SPOT).touch;
    [touch.bid, touch.ask].map(|level| (level.price.0, level.qty.0))
}

#[test]
fn the_touch_and_the_last_trade_are_those_of_the_orders() {
    let mut desk = desk();
    assert_eq!(touch(&desk), [(9_990, 300), (10_010, 200)]);
    assert_eq!(desk.machine().market(SPOT).state, BookState::Live);
    assert_eq!(desk.apply(told(BookAction::Execute, 3, Side::Sell, 0, 150)), []);
    assert_eq!(touch(&desk), [(9_990, 300), (10_010, 50)]);
    assert_eq!(desk.machine().market(SPOT).last_trade, Level { price: Price(10_010), qty: Qty(150) });
    desk.apply(told(BookAction::Reduce, 1, Side::Buy, 9_990, 40));
    desk.apply(told(BookAction::Delete, 4, Side::Sell, 10_010, 0));
    assert_eq!(touch(&desk), [(9_990, 240), (0, 0)]);
    // A hidden order trades without the book, and is a trade all the same.
    let hidden = TradeObserved {
        trade_id: 0,
        price: Price(10_000),
        qty: Qty(7),
        instrument: SPOT,
        aggressor: Aggressor::Unknown,
    };
    desk.apply(hidden);
    assert_eq!(desk.machine().market(SPOT).last_trade.qty, Qty(7));
}

#[test]
fn quotes_and_levels_beside_the_orders_say_nothing_of_the_touch() {
    let mut desk = desk();
    desk.apply(quote(SPOT, 1, 2));
    let mut snapshot = BookDelta::new(SPOT, 9, BookDelta::CLEAR | BookDelta::LAST);
    snapshot.push(Side::Buy, Level { price: Price(5), qty: Qty(5) });
    assert_eq!(desk.apply(snapshot), []);
    assert_eq!(touch(&desk), [(9_990, 300), (10_010, 200)]);
}

#[test]
fn an_update_counts_when_its_last_part_has_come() {
    let mut desk = desk();
    desk.apply(BookOrderObserved { is_last: false, ..add(5, Side::Sell, 10_000, 10) });
    assert_eq!(desk.machine().market(SPOT).state, BookState::Building);
    assert_eq!(touch(&desk), [(9_990, 300), (10_010, 200)]);
    desk.apply(add(6, Side::Sell, 10_000, 5));
    assert_eq!(touch(&desk), [(9_990, 300), (10_000, 15)]);
    assert_eq!(desk.machine().market(SPOT).state, BookState::Live);
}

#[test]
fn what_the_book_cannot_follow_makes_it_stale_until_a_new_one_is_told() {
    for (order, reason) in [
        (told(BookAction::Delete, 99, Side::Buy, 9_990, 0), StaleReason::UnknownOrder),
        (told(BookAction::Execute, 99, Side::Buy, 9_990, 1), StaleReason::UnknownOrder),
        (told(BookAction::Reduce, 1, Side::Buy, 9_990, 101), StaleReason::QuantityExceeded),
        (told(BookAction::Execute, 1, Side::Buy, 9_990, 101), StaleReason::QuantityExceeded),
        (told(BookAction::Add, 9, Side::Buy, 9_990, 0), StaleReason::Malformed),
    ] {
        let mut desk = desk();
        let stale = BookStale { update_id: 4, instrument: SPOT, reason };
        assert_eq!(desk.apply(order), [stale.into()], "{order:?}");
        assert_eq!(desk.machine().market(SPOT).state, BookState::Stale(reason));
        let refused = desk.apply(limit_order(SPOT, Side::Buy, 9_990, 10));
        let is_stale = |event: &Event| matches!(event, Event::OrderRejected(rejected) if rejected.reason == Reject::StaleMarket.code());
        assert!(refused.iter().any(is_stale), "{refused:?}");
        assert_eq!(desk.apply(add(10, Side::Buy, 9_995, 10)), [], "nothing is taken any more");
        assert_eq!(touch(&desk), [(9_990, 300), (10_010, 200)]);
        desk.apply(clear());
        assert!(desk.machine().market(SPOT).is_stale(), "the new book is not whole yet");
        let restored = BookRestored { update_id: 11, instrument: SPOT };
        assert_eq!(desk.apply(add(11, Side::Sell, 10_000, 10)), [restored.into()]);
        assert_eq!(touch(&desk), [(0, 0), (10_000, 10)]);
        desk.restarted();
    }
}

#[test]
fn a_full_store_makes_the_book_stale() {
    let mut desk = Desk::new();
    for id in 1..=ORDERS_PER_BOOK_MAX as u64 {
        desk.apply(BookOrderObserved { update_id: 7, ..add(id, Side::Buy, 100, 1) });
    }
    assert_eq!(desk.machine().market(SPOT).state, BookState::Live);
    let stale = BookStale { update_id: 7, instrument: SPOT, reason: StaleReason::StoreFull };
    assert_eq!(desk.apply(add(u64::MAX, Side::Buy, 100, 1)), [stale.into()]);
}

#[test]
fn more_instruments_than_books_are_stale() {
    let mut desk = Desk::new();
    for (number, instrument) in (1..).zip([SPOT, LINEAR, INVERSE]) {
        desk.apply(BookOrderObserved { instrument, ..add(1, Side::Buy, 100, 1) });
        let has_book = number <= ORDER_BOOKS_MAX;
        assert_eq!(desk.machine().order_book(instrument).is_some(), has_book);
        assert_eq!(desk.machine().market(instrument).is_stale(), !has_book);
    }
}

#[test]
fn triggers_marks_and_strategies_see_the_touch_and_the_executions() {
    let mut desk = desk();
    desk.apply(MarkSourceSet { interval: DurationNs(0), instrument: SPOT, source: MarkSource::Last });
    desk.apply(StrategyDefined {
        // Fast 1, slow 2, 0.001 of size, mid prices, no short positions.
        parameters: [1, 2, 100, 0, 0, 0, 0, 0],
        strategy: StrategyId(1),
        name: TextId::NONE,
        account: AccountId(1),
        instrument: SPOT,
        kind: 1,
        enabled: true,
    });
    let stop = NewOrder {
        order_type: tickwerk_domain::OrderType::Stop,
        trigger_price: Price(10_020),
        price: Price(0),
        ..limit_order(SPOT, Side::Buy, 0, 10)
    };
    let waits = desk.next_id();
    desk.apply(stop);
    let status = |desk: &Desk| desk.machine().orders().by_id(waits).map(|order| order.status);
    let before = status(&desk);
    let mut seen = Vec::new();
    for (id, price) in [(20, 10_010), (21, 10_020), (22, 10_030)] {
        seen.extend(desk.feed(add(id, Side::Sell, price, 10)));
    }
    // The ask rises as the orders before it are executed.
    for (id, qty) in [(3, 150), (4, 50), (20, 10), (21, 10)] {
        seen.extend(desk.feed(told(BookAction::Execute, id, Side::Sell, 0, qty)));
    }
    desk.settle(desk.time);
    assert_eq!(desk.machine().market(SPOT).last_trade.price, Price(10_020));
    assert_eq!(desk.machine().market(SPOT).mark(), Some((Price(10_020), Price(10_020))));
    assert_ne!(status(&desk), before, "an execution at the trigger price");
    assert!(types(&seen).contains(&"signal.changed"), "{:?}", types(&seen));
}

fn with_queue_model(desk: &mut Desk, queue_model: QueueModel) {
    desk.apply(SimulatedVenueSet { queue_model, ..SimulatedVenueSet::touch(SPOT, DurationNs(0)) });
}

#[test]
fn a_resting_order_has_its_exact_place_among_the_orders_of_others() {
    for model in [QueueModel::RiskAverse, QueueModel::Power, QueueModel::Logarithmic] {
        let mut desk = desk();
        with_queue_model(&mut desk, model);
        let ours = desk.next_id();
        desk.feed(limit_order(SPOT, Side::Buy, 9_990, 100));
        desk.settle(desk.time);
        let filled = |desk: &Desk| desk.machine().orders().by_id(ours).map(|order| order.cum_qty.0);
        let feed = |desk: &mut Desk, order| {
            desk.feed(order);
            desk.settle(desk.time);
            filled(desk)
        };
        assert_eq!(feed(&mut desk, add(5, Side::Buy, 9_990, 500)), Some(0));
        assert_eq!(feed(&mut desk, add(6, Side::Buy, 9_990, 500)), Some(0));
        // Cancels behind do not move us.
        assert_eq!(feed(&mut desk, told(BookAction::Delete, 5, Side::Buy, 9_990, 0)), Some(0));
        assert_eq!(feed(&mut desk, told(BookAction::Execute, 1, Side::Buy, 9_990, 100)), Some(0));
        // 200 are ahead still. One that asks for more goes behind us.
        assert_eq!(feed(&mut desk, told(BookAction::Reduce, 2, Side::Buy, 9_990, 50)), Some(0));
        assert_eq!(feed(&mut desk, told(BookAction::Execute, 2, Side::Buy, 9_990, 50)), Some(0));
        assert_eq!(feed(&mut desk, told(BookAction::Execute, 6, Side::Buy, 9_990, 30)), Some(30), "{model}");
        assert_eq!(feed(&mut desk, told(BookAction::Execute, 6, Side::Buy, 9_990, 470)), Some(100));
        let status = desk.machine().orders().by_id(ours).map(|order| order.status);
        assert_eq!(status, Some(OrderStatus::Filled));
        desk.restarted();
    }
}

#[test]
fn a_market_order_takes_from_the_touch_of_the_orders() {
    let mut desk = desk();
    let ours = desk.next_id();
    desk.feed(market_order(SPOT, Side::Buy, 60));
    let settled = desk.settle(desk.time);
    let fill = settled.iter().find_map(|(command, _)| {
        let Command::FillReported(fill) = command else { return None };
        Some((fill.order, fill.price, fill.qty))
    });
    assert_eq!(fill, Some((ours, Price(10_010), Qty(60))));
}

#[test]
fn an_order_of_an_unknown_instrument_is_refused() {
    let mut desk = Desk::new();
    let unknown = BookOrderObserved { instrument: InstrumentId(60), ..add(1, Side::Buy, 1, 1) };
    assert_eq!(types(&desk.apply(unknown)), ["system.command_refused"]);
}
