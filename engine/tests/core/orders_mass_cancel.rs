//! Mass cancels by account, instrument, strategy and side.

use super::desk::{ALICE, BOB, Desk, LINEAR, SPOT, limit_order, report, types};
use super::orders_support::{assert_replays, assert_sums, enter, quiet_desk, reason_of, stop};
use tickwerk_domain::command::{MassCancel, NewOrder};
use tickwerk_domain::event::MassCancelStarted;
use tickwerk_domain::{
    AccountId, Event, InstrumentId, OrderId, Reject, ReportKind, Side, SideFilter, StrategyId, TextId,
};

const ALL: MassCancel = MassCancel {
    account: AccountId(0),
    instrument: InstrumentId(0),
    strategy: StrategyId(0),
    reason: TextId(0),
    side: SideFilter::Any,
};

type Entered = (OrderId, AccountId, InstrumentId, Side);

fn with_orders(count: u64) -> (Desk, Vec<Entered>) {
    let mut desk = quiet_desk();
    let mut orders = Vec::new();
    for number in 0..count {
        let account = if number % 2 == 0 { ALICE } else { BOB };
        let instrument = if number % 3 == 0 { LINEAR } else { SPOT };
        let (side, price) = if number % 5 < 2 { (Side::Buy, 9_000) } else { (Side::Sell, 11_000) };
        orders.push((desk.next_id(), account, instrument, side));
        desk.apply(NewOrder { account, ..limit_order(instrument, side, price, 10) });
    }
    (desk, orders)
}

fn canceled(events: &[Event]) -> Vec<OrderId> {
    let order_of = |event: &Event| {
        if let Event::CancelSubmitted(cancel) = event { Some(cancel.order) } else { None }
    };
    events.iter().filter_map(order_of).collect()
}

/// Cancels and compares with the orders that are meant.
fn check(count: u64, asked: MassCancel, is_meant: impl Fn(&Entered) -> bool) {
    let (mut desk, orders) = with_orders(count);
    let events = desk.apply(asked);
    let MassCancel { account, instrument, strategy, side, .. } = asked;
    assert_eq!(events[0], MassCancelStarted { account, instrument, strategy, side }.into());
    let mut all = canceled(&events);
    for (_, events) in desk.settle(0) {
        all.extend(canceled(&events));
    }
    let expected: Vec<_> = orders.iter().filter(|order| is_meant(order)).map(|order| order.0).collect();
    assert_eq!(all, expected);
    assert_sums(desk.machine());
    assert_replays(&desk);
}

#[test]
fn each_scope_cancels_its_own_orders_in_order_of_id() {
    check(200, ALL, |_| true);
    check(200, MassCancel { account: BOB, ..ALL }, |order| order.1 == BOB);
    check(200, MassCancel { instrument: LINEAR, ..ALL }, |order| order.2 == LINEAR);
    check(200, MassCancel { side: SideFilter::Sell, ..ALL }, |order| order.3 == Side::Sell);
    check(900, MassCancel { account: ALICE, instrument: SPOT, ..ALL }, |order| {
        (order.1, order.2) == (ALICE, SPOT)
    });
    check(60, MassCancel { account: ALICE, instrument: SPOT, side: SideFilter::Buy, ..ALL }, |order| {
        (order.1, order.2, order.3) == (ALICE, SPOT, Side::Buy)
    });
}

#[test]
fn held_orders_end_at_once_and_many_of_them_go_on_by_continue() {
    let mut desk = quiet_desk();
    for number in 0..150 {
        enter(&mut desk, stop(Side::Buy, 10_100 + 10 * number, 10));
    }
    let events = desk.apply(MassCancel { account: ALICE, instrument: SPOT, ..ALL });
    assert_eq!(reason_of(&events), Reject::MassCanceled as u16);
    let frames = desk.settle(0);
    assert_eq!(frames.len(), 2);
    assert_eq!(desk.machine().orders().open_count(), 0);
    assert_sums(desk.machine());
    assert_replays(&desk);
}

#[test]
fn the_end_at_the_venue_tells_what_the_core_asked_for() {
    let (mut desk, orders) = with_orders(1);
    desk.apply(ALL);
    let events = desk.apply(report(orders[0].0, ReportKind::Canceled, Some(Reject::CancelRequested)));
    assert_eq!(reason_of(&events), Reject::MassCanceled as u16);
    let (mut desk, orders) = with_orders(1);
    desk.apply(ALL);
    desk.apply(report(orders[0].0, ReportKind::CancelRejected, None));
    let events = desk.apply(report(orders[0].0, ReportKind::Canceled, Some(Reject::NoLiquidity)));
    assert_eq!(reason_of(&events), Reject::NoLiquidity as u16);
}

#[test]
fn unknown_scopes_are_refused() {
    let (mut desk, _) = with_orders(3);
    let strategy = StrategyId(5);
    for (asked, reason) in [
        (MassCancel { account: AccountId(9), ..ALL }, Reject::UnknownAccount),
        (MassCancel { account: AccountId(u32::MAX), ..ALL }, Reject::UnknownAccount),
        (MassCancel { instrument: InstrumentId(9), ..ALL }, Reject::UnknownInstrument),
        (MassCancel { strategy, ..ALL }, Reject::ScopeInvalid),
        (MassCancel { strategy: StrategyId(u32::MAX), ..ALL }, Reject::ScopeInvalid),
    ] {
        let events = desk.apply(asked);
        assert_eq!(types(&events), ["system.command_refused"]);
        assert_eq!(reason_of(&events), reason as u16);
    }
    assert_eq!(desk.machine().orders().open_count(), 3);
}
