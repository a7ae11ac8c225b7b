//! Soft thresholds: raised once, cleared once, also across a restart.

use super::desk::{
    ALICE, Desk, LINEAR, SPOT, cancel, fill, limit, limit_order, quote, report, restored, types,
};
use super::risk_support::{STRATEGY, alices, desk, ema, outcome, rise, strategys};
use tickwerk_domain::command::{MassCancel, NewOrder, TradingStateSet};
use tickwerk_domain::{
    Event, InstrumentId, LimitKind, OrderId, OrderType, Price, ReportKind, Severity, Side, SideFilter,
    StrategyId, TextId, TimeInForce, TimeNs, TradingState,
};

/// Kind, raised or cleared, severity, limit and value seen.
type Alert = (LimitKind, bool, Severity, i128, i128);

fn alerts(events: &[Event]) -> Vec<Alert> {
    let alert = |event: &Event| if let Event::RiskAlert(of) = event { Some(*of) } else { None };
    let alerts = events.iter().filter_map(alert);
    alerts.map(|of| (of.kind, of.raised, of.severity, of.limit.get(), of.observed.get())).collect()
}

fn with(limits: &[(LimitKind, i64)]) -> Desk {
    let mut desk = desk();
    desk.apply(alices(LimitKind::AlertFraction, 80_000_000));
    for (kind, value) in limits {
        assert_eq!(types(&desk.apply(alices(*kind, *value))), ["risk.limit_changed"]);
    }
    desk
}

fn buy(desk: &mut Desk, qty: i64) -> (OrderId, Vec<Alert>) {
    let id = desk.next_id();
    (id, alerts(&desk.apply(limit_order(LINEAR, Side::Buy, 10_000, qty))))
}

fn end(desk: &mut Desk, id: OrderId) -> Vec<Alert> {
    let mut told = alerts(&desk.apply(cancel(id)));
    told.extend(alerts(&desk.apply(report(id, ReportKind::Canceled, None))));
    told
}

#[test]
fn the_eighth_of_ten_open_orders_raises_one_alert_and_its_end_clears_it() {
    let mut desk = with(&[(LimitKind::OpenOrders, 10)]);
    let ids: Vec<_> = (0..7).map(|_| buy(&mut desk, 10)).collect();
    assert!(ids.iter().all(|(_, alerts)| alerts.is_empty()));
    let (eighth, raised) = buy(&mut desk, 10);
    let open_orders = |raised, severity, seen| vec![(LimitKind::OpenOrders, raised, severity, 10, seen)];
    assert_eq!(raised, open_orders(true, Severity::Warning, 8));
    desk = desk.restarted();
    let (ninth, none) = buy(&mut desk, 10);
    assert_eq!(none, [], "once");
    assert_eq!(end(&mut desk, ninth), [], "eight are left");
    desk = desk.restarted();
    assert_eq!(end(&mut desk, eighth), open_orders(false, Severity::Info, 7));
    assert_eq!(end(&mut desk, ids[0].0), [], "once");
    assert_eq!(buy(&mut desk, 10).1, []);
    assert_eq!(buy(&mut desk, 10).1, open_orders(true, Severity::Warning, 8), "again");
}

#[test]
fn a_held_order_clears_its_alert_whatever_ends_it() {
    let stop = |trigger| NewOrder {
        order_type: OrderType::Stop,
        trigger_price: Price(trigger),
        ..limit_order(LINEAR, Side::Buy, 0, 10)
    };
    let cleared = [(LimitKind::OpenOrders, false, Severity::Info, 1, 0)];
    let held = |order: NewOrder| {
        let mut desk = with(&[(LimitKind::OpenOrders, 1)]);
        let raised = alerts(&desk.apply(order));
        assert_eq!(raised, [(LimitKind::OpenOrders, true, Severity::Critical, 1, 1)]);
        desk
    };
    let expires_at = TimeNs(1_000_000_000);
    let mut desk = held(NewOrder { time_in_force: TimeInForce::Gtd, expires_at, ..stop(10_100) });
    let expired: Vec<_> = desk.settle(expires_at.0).into_iter().flat_map(|(_, events)| events).collect();
    assert_eq!(alerts(&expired), cleared);

    let mut desk = held(stop(10_100));
    let (instrument, strategy, reason) = (LINEAR, StrategyId::NONE, TextId::NONE);
    let all = MassCancel { account: ALICE, instrument, strategy, reason, side: SideFilter::Any };
    assert_eq!(alerts(&desk.apply(all)), cleared);

    let mut desk = held(stop(10_100));
    let state = TradingState::Halted;
    desk.apply(TradingStateSet { state, account: ALICE, instrument, strategy, reason });
    assert_eq!(alerts(&desk.apply(quote(LINEAR, 10_100, 10_110))), cleared, "refused as it leaves");
}

#[test]
fn an_alert_at_the_limit_is_critical() {
    let mut desk = with(&[(LimitKind::OpenOrders, 1)]);
    assert_eq!(buy(&mut desk, 10).1, [(LimitKind::OpenOrders, true, Severity::Critical, 1, 1)]);
}

#[test]
fn an_alert_tells_once_each_time_that_it_becomes_graver_or_less_grave() {
    let mut desk = with(&[(LimitKind::OpenOrders, 5)]);
    let told = |raised, severity, seen| vec![(LimitKind::OpenOrders, raised, severity, 5, seen)];
    let mut ids = Vec::new();
    for expected in
        [vec![], vec![], vec![], told(true, Severity::Warning, 4), told(true, Severity::Critical, 5), vec![]]
    {
        let (id, alerts) = buy(&mut desk, 10);
        assert_eq!(alerts, expected, "order {}", ids.len() + 1);
        ids.push(id);
        desk = desk.restarted();
    }
    ids.pop();
    assert_eq!(end(&mut desk, ids.pop().unwrap()), told(true, Severity::Warning, 4));
    assert_eq!(buy(&mut desk, 10).1, told(true, Severity::Critical, 5), "again");
    // Another limit: the next message tells what has become of it.
    desk.apply(alices(LimitKind::OpenOrders, 7));
    assert_eq!(buy(&mut desk, 10).1, [(LimitKind::OpenOrders, true, Severity::Warning, 7, 6)]);
    desk.apply(alices(LimitKind::AlertFraction, -1));
    assert_eq!(end(&mut desk, ids[0]), [(LimitKind::OpenOrders, false, Severity::Info, 7, 6)]);
}

#[test]
fn a_position_alert_becomes_critical_in_its_instrument_alone() {
    let mut desk = with(&[]);
    for instrument in [SPOT, LINEAR] {
        desk.apply(limit(LimitKind::PositionQuantity, ALICE, instrument, 1_000));
    }
    let told = |raised, severity, seen| vec![(LimitKind::PositionQuantity, raised, severity, 1_000, seen)];
    assert_eq!(
        alerts(&desk.apply(limit_order(SPOT, Side::Buy, 10_000, 900))),
        told(true, Severity::Warning, 900)
    );
    assert_eq!(buy(&mut desk, 800).1, told(true, Severity::Warning, 800));
    let (last, critical) = buy(&mut desk, 200);
    assert_eq!(critical, told(true, Severity::Critical, 1_000));
    let severities =
        |desk: &Desk| [SPOT, LINEAR].map(|id| desk.machine().subjects().position_alert(ALICE, id));
    assert_eq!(severities(&desk), [Some(Severity::Warning), Some(Severity::Critical)]);
    assert_eq!(restored(&desk.core).digest(), desk.core.digest());
    desk = desk.restarted();
    assert_eq!(end(&mut desk, last), told(true, Severity::Warning, 800));
    assert_eq!(severities(&desk), [Some(Severity::Warning); 2]);
}

#[test]
fn positions_have_an_alert_for_each_instrument() {
    let mut desk = with(&[]);
    for instrument in [SPOT, LINEAR] {
        desk.apply(limit(LimitKind::PositionQuantity, ALICE, instrument, 1_000));
    }
    assert_eq!(buy(&mut desk, 795).1, []);
    let raised = buy(&mut desk, 10);
    assert_eq!(raised.1, [(LimitKind::PositionQuantity, true, Severity::Warning, 1_000, 805)]);
    let events = desk.apply(limit_order(SPOT, Side::Buy, 10_000, 900));
    let Some(Event::RiskAlert(alert)) = events.last() else { panic!("{events:?}") };
    assert_eq!((alert.account, alert.instrument, alert.strategy), (ALICE, SPOT, StrategyId::NONE));
    desk = desk.restarted();
    let cleared = end(&mut desk, raised.0);
    assert_eq!(cleared, [(LimitKind::PositionQuantity, false, Severity::Info, 1_000, 795)]);
}

#[test]
fn exposure_leverage_and_losses_are_watched() {
    let mut desk = with(&[
        (LimitKind::GrossExposure, 1_000_000),
        (LimitKind::NetExposure, 1_000_000),
        (LimitKind::Leverage, 10_000),
    ]);
    let (id, raised) = buy(&mut desk, 900);
    let kinds: Vec<_> = raised.iter().map(|(kind, ..)| *kind).collect();
    assert_eq!(kinds, [LimitKind::GrossExposure, LimitKind::NetExposure, LimitKind::Leverage]);
    assert_eq!(end(&mut desk, id).len(), 3);

    let mut desk = with(&[(LimitKind::DailyLoss, 1_000), (LimitKind::LossStreak, 2)]);
    let (id, _) = buy(&mut desk, 1_000);
    assert_eq!(alerts(&desk.apply(fill(id, 1, 10_000, 1_000, 0))), []);
    desk.apply(quote(LINEAR, 9_982, 10_002));
    let daily_loss = |raised, severity, seen| (LimitKind::DailyLoss, raised, severity, 1_000, seen);
    assert_eq!(buy(&mut desk, 10).1, [daily_loss(true, Severity::Warning, 800)]);
    desk.apply(quote(LINEAR, 9_983, 10_003));
    assert_eq!(buy(&mut desk, 10).1, [daily_loss(false, Severity::Info, 700)]);
}

#[test]
fn a_limit_or_fraction_that_is_taken_away_clears_its_alert() {
    for taken in [LimitKind::OpenOrders, LimitKind::AlertFraction] {
        let mut desk = with(&[(LimitKind::OpenOrders, 1)]);
        let (id, raised) = buy(&mut desk, 10);
        assert_eq!(raised.len(), 1);
        desk.apply(alices(taken, -1));
        let cleared = end(&mut desk, id);
        assert_eq!(cleared.len(), 1, "{taken}");
        assert!(!cleared[0].1);
    }
}

#[test]
fn without_a_fraction_nothing_is_raised() {
    let mut desk = desk();
    desk.apply(alices(LimitKind::OpenOrders, 1));
    assert_eq!(buy(&mut desk, 10).1, []);
}

#[test]
fn a_strategy_has_alerts_of_its_own() {
    let mut desk = desk();
    desk.apply(ema(100));
    desk.apply(strategys(LimitKind::AlertFraction, 50_000_000));
    desk.apply(strategys(LimitKind::PositionQuantity, 150));
    let events = rise(&mut desk);
    let Some(Event::RiskAlert(alert)) = events.last() else { panic!("{events:?}") };
    assert_eq!((alert.account, alert.strategy), (ALICE, STRATEGY));
    assert_eq!((alert.kind, alert.observed.get()), (LimitKind::PositionQuantity, 100));
    assert_eq!(outcome(&mut desk, limit_order(SPOT, Side::Buy, 9_000, 10)), None);
    assert_ne!(InstrumentId::NONE, alert.instrument);
}
