//! Strategies inside the core: a signal, then an order through the same risk check as everybody's.

use super::desk::{ALICE, Desk, SPOT, limit, quote, types};
use tickwerk_domain::command::{QuoteObserved, StrategyDefined};
use tickwerk_domain::event::SignalChanged;
use tickwerk_domain::{
    Event, InstrumentId, LimitKind, OrderId, OrderType, Qty, Reject, Side, SignalDirection, StrategyId,
    TextId,
};

fn ema(size: i64) -> StrategyDefined {
    StrategyDefined {
        parameters: [2, 5, size, 0, 0, 0, 0, 0],
        strategy: StrategyId(7),
        name: TextId::NONE,
        account: ALICE,
        instrument: SPOT,
        kind: 1,
        enabled: true,
    }
}

/// Shows a rising market until the strategy speaks.
fn rise(desk: &mut Desk) -> Vec<Event> {
    for step in 0..10 {
        let events = desk.feed(quote(SPOT, 9_990 + 10 * step, 10_010 + 10 * step));
        if !events.is_empty() {
            return events;
        }
    }
    panic!("a rising market gives a signal");
}

/// Shows a falling market until the strategy speaks.
fn fall(desk: &mut Desk) -> Vec<Event> {
    for step in 0..20 {
        let events = desk.feed(quote(SPOT, 9_900 - 50 * step, 9_920 - 50 * step));
        if !events.is_empty() {
            return events;
        }
    }
    panic!("a falling market gives a signal");
}

fn position(desk: &Desk) -> i64 {
    desk.machine().positions().get(ALICE, SPOT).qty
}

#[test]
fn it_buys_on_the_crossing_and_sells_what_it_holds_on_the_way_back() {
    let mut desk = Desk::new();
    assert_eq!(desk.apply(ema(100)), []);
    let id = OrderId(desk.next_id().0);
    let events = rise(&mut desk);
    assert_eq!(types(&events), ["signal.changed", "risk.order_approved", "order.submitted"]);
    let Event::SignalChanged(SignalChanged { direction, strategy, .. }) = events[0] else { panic!() };
    assert_eq!((direction, strategy), (SignalDirection::Long, StrategyId(7)));
    let Event::OrderSubmitted(order) = events[2] else { panic!() };
    let frame = desk.frames.last().unwrap();
    assert_eq!(order.order.0, frame[2].envelope.sequence.0, "the id is the sequence of its first record");
    assert!(order.order > id);
    assert_eq!((order.strategy, order.side, order.order_type), (StrategyId(7), Side::Buy, OrderType::Market));
    desk.settle(desk.time);
    assert_eq!(position(&desk), 100);
    let events = fall(&mut desk);
    assert_eq!(types(&events), ["signal.changed", "risk.order_approved", "order.submitted"]);
    desk.settle(desk.time);
    assert_eq!(position(&desk), 0);
}

#[test]
fn its_orders_pass_the_same_risk_check() {
    let mut desk = Desk::new();
    desk.apply(ema(100));
    desk.apply(limit(LimitKind::OrderQuantity, ALICE, SPOT, 50));
    let events = rise(&mut desk);
    assert_eq!(types(&events), ["signal.changed", "risk.order_refused", "order.rejected"]);
    let Event::OrderRefused(refused) = events[1] else { panic!() };
    assert_eq!(Reject::from_code(refused.reason), Some(Reject::QuantityAboveLimit));
    desk.settle(desk.time);
    assert_eq!((position(&desk), desk.machine().orders().open_count()), (0, 0));
}

#[test]
fn what_the_venue_could_not_give_is_asked_for_again_while_the_signal_stands() {
    let mut desk = Desk::new();
    desk.apply(ema(100));
    let thin =
        |step: i64| QuoteObserved { ask_qty: Qty(30), ..quote(SPOT, 9_990 + 10 * step, 10_010 + 10 * step) };
    let mut bought = Vec::new();
    for step in 0..12 {
        desk.feed(thin(step));
        desk.settle(desk.time);
        bought.push(position(&desk));
    }
    bought.dedup();
    assert_eq!(bought, [0, 30, 60, 90, 100]);
}

#[test]
fn a_smaller_size_is_reached_with_the_next_signal() {
    let mut desk = Desk::new();
    desk.apply(ema(100));
    rise(&mut desk);
    desk.settle(desk.time);
    assert_eq!(position(&desk), 100);
    desk.apply(ema(40));
    for step in 0..10 {
        desk.feed(quote(SPOT, 10_990 + 10 * step, 11_010 + 10 * step));
    }
    desk.settle(desk.time);
    assert_eq!(position(&desk), 40, "it reduces to its target");
}

#[test]
fn a_disabled_strategy_sees_nothing_and_an_enabled_one_goes_on() {
    let mut desk = Desk::new();
    desk.apply(ema(100));
    desk.apply(StrategyDefined { enabled: false, ..ema(100) });
    for step in 0..10 {
        assert_eq!(desk.feed(quote(SPOT, 9_990 + 10 * step, 10_010 + 10 * step)), []);
    }
    desk.apply(ema(100));
    assert_eq!(types(&rise(&mut desk))[0], "signal.changed");
}

#[test]
fn two_strategies_speak_in_order_of_number() {
    let mut desk = Desk::new();
    desk.apply(StrategyDefined { strategy: StrategyId(9), ..ema(200) });
    desk.apply(ema(100));
    let events = rise(&mut desk);
    let order = events.iter().filter_map(|event| {
        if let Event::OrderSubmitted(order) = event { Some((order.strategy.0, order.qty.0)) } else { None }
    });
    assert_eq!(order.collect::<Vec<_>>(), [(7, 100), (9, 200)]);
}

#[test]
fn an_unknown_scope_or_parameter_is_refused() {
    let mut desk = Desk::new();
    for (bad, reason) in [
        (StrategyDefined { kind: 999, ..ema(100) }, Reject::UnknownStrategyKind),
        (StrategyDefined { strategy: StrategyId(64), ..ema(100) }, Reject::IdOutOfRange),
        (StrategyDefined { strategy: StrategyId(0), ..ema(100) }, Reject::IdOutOfRange),
        (StrategyDefined { instrument: InstrumentId(9), ..ema(100) }, Reject::UnknownInstrument),
        (ema(0), Reject::ValueOutOfRange),
    ] {
        let events = desk.apply(bad);
        let Event::CommandRefused(refused) = events[0] else { panic!("{events:?}") };
        assert_eq!(Reject::from_code(refused.reason), Some(reason));
    }
    assert_eq!(desk.machine().strategies().count(), 0);
}
