//! Held orders: what triggers them, what they tie up until then, and what they become.

use super::desk::{ALICE, Desk, SPOT, USD, cancel, named, quote, types};
use super::orders_support::{
    assert_replays, assert_sums, check_order, enter, limit, quiet_desk, reason_of, stop, triggered,
};
use tickwerk_domain::command::{
    KillSwitchSet, MarkObserved, NewOrder, SessionSet, TradeObserved, TradingStateSet,
};
use tickwerk_domain::event::{OrderHeld, OrderTriggered};
use tickwerk_domain::{
    AccountId, Aggressor, Event, HoldReason, InstrumentId, OrderStatus, OrderType, Price, Qty, Reject,
    SessionState, Side, StrategyId, TextId, TimeInForce, TimeNs, TradingState, TrailUnit, TriggerBy,
};

fn trade(price: i64) -> TradeObserved {
    let (price, qty) = (Price(price), Qty(5));
    TradeObserved { trade_id: 0, price, qty, instrument: SPOT, aggressor: Aggressor::Unknown }
}

fn submitted(events: &[Event]) -> Option<(OrderType, TimeInForce, i64, i64)> {
    events.iter().find_map(|event| {
        if let Event::OrderSubmitted(order) = event {
            Some((order.order_type, order.time_in_force, order.price.0, order.qty.0))
        } else {
            None
        }
    })
}

#[test]
fn a_stop_is_held_with_what_it_may_cost_and_leaves_as_a_market_order() {
    let mut desk = quiet_desk();
    let (id, events) = enter(&mut desk, stop(Side::Buy, 10_100, 100_000));
    assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
    let held = OrderHeld {
        order: id,
        trigger_price: Price(10_100),
        qty: Qty(100_000),
        account: ALICE,
        instrument: SPOT,
        side: Side::Buy,
        reason: HoldReason::Trigger,
    };
    assert_eq!(events[1], held.into());
    check_order(&desk, id, OrderStatus::Held, 0, 100_000);
    assert_eq!(desk.reserved(ALICE, USD), 1_010_000 + 505);
    assert_eq!(desk.apply(quote(SPOT, 10_070, 10_090)), []);
    let events = desk.apply(quote(SPOT, 10_090, 10_110));
    assert_eq!(types(&events), ["order.triggered", "risk.order_approved", "order.submitted"]);
    let fired = OrderTriggered {
        order: id,
        trigger_price: Price(10_100),
        seen: Price(10_110),
        qty: Qty(100_000),
        instrument: SPOT,
        reason: HoldReason::Trigger,
    };
    assert_eq!(events[0], fired.into());
    assert_eq!(submitted(&events), Some((OrderType::Market, TimeInForce::Ioc, 0, 100_000)));
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100_000);
    assert_eq!(desk.apply(quote(SPOT, 10_190, 10_210)), [], "once is enough");
    assert_sums(desk.machine());
    assert_replays(&desk);
}

#[test]
fn each_type_is_triggered_from_its_own_side_of_the_market() {
    let cases = [
        (OrderType::Stop, Side::Buy, 10_100, true),
        (OrderType::Stop, Side::Sell, 9_900, false),
        (OrderType::StopLimit, Side::Buy, 10_100, true),
        (OrderType::StopLimit, Side::Sell, 9_900, false),
        (OrderType::MarketIfTouched, Side::Buy, 9_900, false),
        (OrderType::MarketIfTouched, Side::Sell, 10_100, true),
        (OrderType::LimitIfTouched, Side::Buy, 9_900, false),
        (OrderType::LimitIfTouched, Side::Sell, 10_100, true),
    ];
    for (order_type, side, trigger, rises) in cases {
        let mut desk = quiet_desk();
        let price = if order_type.has_limit() { trigger } else { 0 };
        let (id, events) = enter(&mut desk, triggered(order_type, side, trigger, price, 100));
        assert_eq!(types(&events), ["risk.order_approved", "order.held"], "{order_type} {side}");
        let step = if rises { -10 } else { 10 };
        assert_eq!(desk.apply(trade(trigger + step)), [], "{order_type} {side} before its trigger");
        let events = desk.apply(trade(trigger));
        let as_sent = submitted(&events).map(|(order_type, _, price, _)| (order_type, price));
        assert_eq!(as_sent, Some((order_type.once_triggered(), price)), "{order_type} {side}");
        check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
        assert_sums(desk.machine());
    }
}

#[test]
fn the_price_that_triggers_is_the_one_that_was_asked_for() {
    // With the last trade at 10,040 and the market at 10,030 to 10,060 the mid is 10,045.
    for (by, reached, missed) in [
        (TriggerBy::Last, 10_040, 10_050),
        (TriggerBy::Touch, 10_060, 10_070),
        (TriggerBy::Mid, 10_040, 10_050),
    ] {
        let mut desk = quiet_desk();
        let by_price = |trigger| NewOrder { trigger_by: by, ..stop(Side::Buy, trigger, 100) };
        let (first, _) = enter(&mut desk, by_price(reached));
        let (second, _) = enter(&mut desk, by_price(missed));
        desk.apply(trade(10_000));
        desk.apply(quote(SPOT, 10_030, 10_060));
        desk.apply(trade(10_040));
        check_order(&desk, first, OrderStatus::PendingNew, 0, 100);
        check_order(&desk, second, OrderStatus::Held, 0, 100);
    }
}

#[test]
fn a_mark_of_the_venue_triggers_what_asks_for_it() {
    let mut desk = quiet_desk();
    let by_mark = NewOrder { trigger_by: TriggerBy::Mark, ..stop(Side::Buy, 10_100, 100) };
    let (id, _) = enter(&mut desk, by_mark);
    assert_eq!(desk.apply(quote(SPOT, 10_990, 11_010)), []);
    desk.apply(MarkObserved { price: Price(10_090), instrument: SPOT });
    check_order(&desk, id, OrderStatus::Held, 0, 100);
    for nonsense in [i64::MIN, -1, 0, i64::MAX] {
        desk.apply(MarkObserved { price: Price(nonsense), instrument: SPOT });
        check_order(&desk, id, OrderStatus::Held, 0, 100);
    }
    desk.apply(MarkObserved { price: Price(10_100), instrument: SPOT });
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    assert_replays(&desk);
}

#[test]
fn a_trigger_that_is_reached_already_fires_with_the_order() {
    let mut desk = quiet_desk();
    let (id, events) = enter(&mut desk, stop(Side::Buy, 9_000, 100));
    let all =
        ["risk.order_approved", "order.held", "order.triggered", "risk.order_approved", "order.submitted"];
    assert_eq!(types(&events), all);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn a_trailing_stop_follows_the_market_in_its_favour_only() {
    for (unit, offset, start, after_rise) in [
        (TrailUnit::Price, 100, 9_890, 10_890),
        (TrailUnit::Ticks, 10, 9_890, 10_890),
        (TrailUnit::BasisPoints, 100, 9_890, 10_880),
    ] {
        let mut desk = quiet_desk();
        let order = NewOrder {
            trail_offset: offset,
            trail_unit: unit,
            ..triggered(OrderType::TrailingStop, Side::Sell, 0, 0, 100)
        };
        let (id, events) = enter(&mut desk, order);
        assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
        let trigger = |desk: &Desk| desk.machine().orders().terms_by_id(id).unwrap().trigger_price.0;
        assert_eq!(trigger(&desk), start, "{unit}");
        desk.apply(quote(SPOT, 10_990, 11_010));
        assert_eq!(trigger(&desk), after_rise, "{unit}");
        assert_eq!(desk.apply(quote(SPOT, 10_900, 10_920)), []);
        assert_eq!(trigger(&desk), after_rise, "{unit} does not fall back");
        let events = desk.apply(quote(SPOT, after_rise, after_rise + 20));
        assert_eq!(types(&events), ["order.triggered", "risk.order_approved", "order.submitted"]);
        assert_sums(desk.machine());
        assert_replays(&desk);
    }
}

#[test]
fn a_trailing_buy_stop_falls_with_the_market() {
    let mut desk = quiet_desk();
    let order =
        NewOrder { trail_offset: 50, ..triggered(OrderType::TrailingStop, Side::Buy, 10_200, 0, 100) };
    let (id, _) = enter(&mut desk, order);
    let trigger = |desk: &Desk| desk.machine().orders().terms_by_id(id).unwrap().trigger_price.0;
    assert_eq!(trigger(&desk), 10_060);
    desk.apply(quote(SPOT, 9_890, 9_910));
    assert_eq!(trigger(&desk), 9_960);
    desk.apply(quote(SPOT, 9_900, 9_920));
    assert_eq!(trigger(&desk), 9_960);
    desk.apply(cancel(id));
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.apply(quote(SPOT, 10_900, 10_920)), []);
}

#[test]
fn more_triggers_than_fit_one_frame_go_on_by_continue_in_order_of_price() {
    let mut desk = quiet_desk();
    let ids: Vec<_> =
        (0..60).map(|number| enter(&mut desk, stop(Side::Buy, 10_700 - 10 * number, 10)).0).collect();
    let mut sent: Vec<_> = Vec::new();
    let mut note = |events: &[Event]| {
        for event in events {
            if let Event::OrderSubmitted(order) = event {
                sent.push(order.order);
            }
        }
    };
    note(&desk.apply(quote(SPOT, 10_990, 11_010)));
    assert!(desk.machine().continuation().is_some());
    for (command, events) in desk.settle(0) {
        assert_eq!(command.event_type(), "system.continue");
        note(&events);
    }
    let mut by_price = ids;
    by_price.reverse();
    assert_eq!(sent, by_price);
    assert!(desk.machine().continuation().is_none());
    assert_sums(desk.machine());
    assert_replays(&desk);
}

#[test]
fn a_held_order_is_cancelled_at_once_and_frees_what_it_tied_up() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    let events = desk.apply(cancel(id));
    assert_eq!((types(&events), reason_of(&events)), (vec!["order.canceled"], 80));
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
    assert_sums(desk.machine());
    assert_eq!(desk.apply(quote(SPOT, 10_990, 11_010)), []);
}

#[test]
fn the_kill_switch_ends_held_orders() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    let (account, instrument) = (AccountId(0), InstrumentId(0));
    let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
    let events = desk.apply(KillSwitchSet { account, instrument, strategy, reason, engaged: true });
    assert_eq!(types(&events), ["risk.kill_switch_changed", "order.canceled"]);
    assert_eq!(reason_of(&events), Reject::KillSwitch as u16);
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
}

#[test]
fn a_trigger_meets_the_rules_of_its_moment() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    desk.apply(TradingStateSet {
        account: ALICE,
        instrument: SPOT,
        strategy: StrategyId::NONE,
        reason: TextId::NONE,
        state: TradingState::Halted,
    });
    let events = desk.apply(quote(SPOT, 10_110, 10_130));
    assert_eq!(types(&events), ["order.triggered", "risk.order_refused", "order.rejected"]);
    assert_eq!(reason_of(&events), Reject::TradingHalted as u16);
    check_order(&desk, id, OrderStatus::Rejected, 0, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
    assert_sums(desk.machine());
}

#[test]
fn a_halted_market_triggers_nothing_until_it_resumes() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    let session = |state| SessionSet { closes_at: TimeNs(0), instrument: SPOT, state };
    desk.apply(session(SessionState::Halted));
    assert_eq!(desk.apply(quote(SPOT, 10_110, 10_130)), []);
    let refused = enter(&mut desk, limit(Side::Buy, 9_000, 100)).1;
    assert_eq!(reason_of(&refused), Reject::MarketClosed as u16);
    let events = desk.apply(session(SessionState::Continuous));
    assert_eq!(types(&events), ["order.triggered", "risk.order_approved", "order.submitted"]);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    assert_replays(&desk);
}

#[test]
fn the_same_name_with_any_other_term_is_another_order() {
    let mut desk = quiet_desk();
    let order = named(stop(Side::Buy, 10_100, 100), "stop-1");
    enter(&mut desk, order);
    assert_eq!(types(&enter(&mut desk, order).1), ["order.repeated"]);
    let others = [
        NewOrder { trigger_price: Price(10_110), ..order },
        NewOrder { trigger_by: TriggerBy::Mid, ..order },
        NewOrder { reduce_only: true, ..order },
        NewOrder { time_in_force: TimeInForce::Day, ..order },
    ];
    for other in others {
        let (_, events) = enter(&mut desk, other);
        assert_eq!(reason_of(&events), Reject::DuplicateClientOrderId as u16);
    }
}

#[test]
fn a_held_order_hears_nothing_of_a_venue() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    for kind in tickwerk_domain::ReportKind::ALL {
        desk.apply(super::desk::report(id, *kind, None));
    }
    assert_eq!(types(&desk.apply(super::desk::fill(id, 1, 10_000, 10, 0))), ["fill.unmatched"]);
    check_order(&desk, id, OrderStatus::Held, 0, 100);
    assert_sums(desk.machine());
}
