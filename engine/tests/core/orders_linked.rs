//! Linked orders: one cancels the other, parents with their children, and brackets.

use super::desk::{ALICE, Desk, INVERSE, LINEAR, SPOT, cancel, fill, limit_order, quote, report, types};
use super::orders_support::{
    assert_replays, assert_sums, check_order, enter, limit, linked, quiet_desk, reason_of, stop,
};
use tickwerk_domain::command::{NewOrder, QuoteObserved, ReplaceReported};
use tickwerk_domain::{Contingency, Event, OrderId, OrderStatus, Price, Qty, Reject, ReportKind, Side};

fn oco(desk: &mut Desk) -> (OrderId, OrderId) {
    let (take, events) = enter(desk, linked(limit(Side::Sell, 10_500, 100), 7, Contingency::Oco));
    assert_eq!(types(&events), ["risk.order_approved", "order.submitted"]);
    let (out, events) = enter(desk, linked(stop(Side::Sell, 9_500, 100), 7, Contingency::Oco));
    assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
    desk.apply(report(take, ReportKind::Accepted, None));
    (take, out)
}

/// An entry with both exits.
fn bracket(desk: &mut Desk) -> (OrderId, OrderId, OrderId) {
    let (entry, _) = enter(desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    let (take, events) = enter(desk, linked(limit(Side::Sell, 10_500, 100), 9, Contingency::BracketExit));
    assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
    let (out, _) = enter(desk, linked(stop(Side::Sell, 9_500, 100), 9, Contingency::BracketExit));
    (entry, take, out)
}

/// Feeds commands and checks the sums after each.
fn step(desk: &mut Desk, command: impl Into<tickwerk_domain::Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

#[test]
fn the_first_fill_of_one_cancels_the_other() {
    let mut desk = quiet_desk();
    let (take, out) = oco(&mut desk);
    let events = step(&mut desk, fill(take, 1, 10_500, 30, 0));
    assert_eq!(types(&events).last(), Some(&"order.canceled"));
    assert_eq!(reason_of(&events), Reject::LinkedOrderDone as u16);
    check_order(&desk, out, OrderStatus::Canceled, 0, 0);
    check_order(&desk, take, OrderStatus::PartiallyFilled, 30, 70);
    let late = enter(&mut desk, linked(stop(Side::Sell, 9_400, 100), 7, Contingency::Oco)).1;
    assert_eq!(reason_of(&late), Reject::LinkInvalid as u16);
    assert_replays(&desk);
}

#[test]
fn the_end_of_a_leg_that_ties_up_nothing_leaves_margin_as_it_was_where_there_is_no_price() {
    for market in [LINEAR, INVERSE] {
        let mut desk = quiet_desk();
        let (entry, _) = enter(&mut desk, limit_order(market, Side::Buy, 10_000, 100));
        step(&mut desk, fill(entry, 1, 10_000, 100, 0));
        let leg =
            NewOrder { instrument: market, ..linked(stop(Side::Sell, 9_500, 100), 7, Contingency::Oco) };
        let (leg, events) = enter(&mut desk, leg);
        assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
        let before = desk.machine().positions().get(ALICE, market).margin;
        assert!(before > 0);
        // One side only, and no trade so far.
        step(&mut desk, QuoteObserved { ask_qty: Qty(0), ..quote(market, 9_990, 10_010) });
        assert_eq!(desk.machine().market(market).reference_twice(), None);
        assert_eq!(types(&step(&mut desk, cancel(leg))), ["order.canceled"]);
        let margin = |desk: &Desk| desk.machine().positions().get(ALICE, market).margin;
        assert_eq!(margin(&desk), before);
        // Should the venue have filled it all the same, that is a price to count at.
        step(&mut desk, fill(leg, 1, 10_000, 50, 0));
        assert_eq!(desk.machine().positions().get(ALICE, market).qty, 50);
        assert_eq!(margin(&desk), before / 2);
    }
}

#[test]
fn a_leg_that_is_triggered_waits_until_the_other_has_left_the_venue() {
    let mut desk = quiet_desk();
    let (take, out) = oco(&mut desk);
    let events = step(&mut desk, quote(SPOT, 9_490, 9_510));
    assert_eq!(types(&events), ["order.triggered", "order.cancel_submitted"]);
    check_order(&desk, out, OrderStatus::Held, 0, 100);
    let events = step(&mut desk, report(take, ReportKind::Canceled, None));
    assert_eq!(types(&events), ["order.canceled", "risk.order_approved", "order.submitted"]);
    check_order(&desk, out, OrderStatus::PendingNew, 0, 100);
    assert_replays(&desk);
}

#[test]
fn a_leg_does_not_wait_for_one_whose_cancel_was_refused() {
    let mut desk = quiet_desk();
    let (take, out) = oco(&mut desk);
    step(&mut desk, quote(SPOT, 9_490, 9_510));
    let events = step(&mut desk, report(take, ReportKind::CancelRejected, None));
    assert_eq!(types(&events), ["order.cancel_rejected", "risk.order_approved", "order.submitted"]);
    check_order(&desk, out, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, take, OrderStatus::New, 0, 100);
    step(&mut desk, fill(out, 1, 9_490, 100, 0));
    check_order(&desk, take, OrderStatus::PendingCancel, 0, 100);
    assert_replays(&desk);
}

#[test]
fn a_fill_that_crosses_the_cancel_ends_the_leg_that_waited() {
    let mut desk = quiet_desk();
    let (take, out) = oco(&mut desk);
    step(&mut desk, quote(SPOT, 9_490, 9_510));
    step(&mut desk, fill(take, 1, 10_500, 100, 0));
    check_order(&desk, out, OrderStatus::Canceled, 0, 0);
    check_order(&desk, take, OrderStatus::Filled, 100, 0);
}

#[test]
fn children_wait_for_their_parent_and_tie_up_nothing() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    let position = *desk.machine().positions().get(super::desk::ALICE, SPOT);
    assert_eq!((position.open_buys, position.open_sells), (100, 0));
    assert_eq!(
        desk.apply(quote(SPOT, 9_390, 9_410)),
        [],
        "a child hears no trigger before its parent is done"
    );
    step(&mut desk, quote(SPOT, 9_990, 10_010));
    let events = step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let released =
        ["order.triggered", "risk.order_approved", "order.submitted", "order.triggered", "order.held"];
    assert_eq!(types(&events)[3..], released);
    check_order(&desk, take, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, out, OrderStatus::Held, 0, 100);
    assert_replays(&desk);
}

#[test]
fn a_parent_that_ends_unfilled_takes_its_children_along() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, cancel(entry));
    let events = step(&mut desk, report(entry, ReportKind::Canceled, None));
    assert_eq!(types(&events), ["order.canceled"; 3]);
    for child in [take, out] {
        let order = desk.machine().orders().by_id(child).unwrap();
        assert_eq!((order.status, order.reason), (OrderStatus::Canceled, Reject::ParentUnfilled.code()));
    }
}

#[test]
fn children_are_released_for_what_the_parent_filled() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    check_order(&desk, take, OrderStatus::Held, 0, 100);
    step(&mut desk, report(entry, ReportKind::Canceled, None));
    check_order(&desk, take, OrderStatus::PendingNew, 0, 60);
    check_order(&desk, out, OrderStatus::Held, 0, 60);
    assert_replays(&desk);
}

#[test]
fn what_one_exit_fills_the_other_loses() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let events = step(&mut desk, fill(take, 1, 10_500, 40, 0));
    assert_eq!(types(&events).last(), Some(&"order.replaced"));
    check_order(&desk, out, OrderStatus::Held, 0, 60);
    let events = step(&mut desk, quote(SPOT, 9_490, 9_510));
    assert_eq!(types(&events), ["order.triggered", "order.cancel_submitted"]);
    step(&mut desk, fill(take, 2, 10_500, 10, 0));
    check_order(&desk, out, OrderStatus::Held, 0, 50);
    step(&mut desk, report(take, ReportKind::Canceled, None));
    check_order(&desk, out, OrderStatus::PendingNew, 0, 50);
    step(&mut desk, fill(out, 1, 9_490, 50, 0));
    assert_eq!(desk.machine().positions().get(super::desk::ALICE, SPOT).qty, 0);
    assert_replays(&desk);
}

#[test]
fn when_one_exit_is_done_the_other_is_cancelled() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, fill(take, 1, 10_500, 100, 0));
    check_order(&desk, out, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.machine().orders().by_id(out).unwrap().reason, Reject::LinkedOrderDone.code());
    assert_eq!(desk.machine().positions().get(super::desk::ALICE, SPOT).qty, 0);
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, report(take, ReportKind::Rejected, Some(Reject::VenueRejected)));
    check_order(&desk, out, OrderStatus::Held, 0, 100);
}

#[test]
fn exits_that_are_both_at_the_venue_are_replaced_or_cancelled() {
    let mut desk = quiet_desk();
    let (entry, take, _) = bracket(&mut desk);
    let (second, _) = enter(&mut desk, linked(limit(Side::Sell, 10_600, 100), 9, Contingency::BracketExit));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let events = step(&mut desk, fill(take, 1, 10_500, 40, 0));
    assert!(types(&events).contains(&"order.replace_submitted"));
    check_order(&desk, second, OrderStatus::PendingReplace, 0, 100);
    let told = ReplaceReported {
        order: second,
        venue_order_id: 1,
        price: Price(10_600),
        qty: Qty(60),
        trigger_price: Price(0),
        display_qty: Qty(0),
    };
    step(&mut desk, told);
    check_order(&desk, second, OrderStatus::New, 0, 60);
    assert_replays(&desk);
}

#[test]
fn a_child_of_a_parent_that_is_done_is_released_at_once() {
    let mut desk = quiet_desk();
    let (entry, _) = enter(&mut desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let (late, events) = enter(&mut desk, linked(limit(Side::Sell, 10_500, 200), 9, Contingency::Child));
    assert_eq!(types(&events).last(), Some(&"order.submitted"));
    check_order(&desk, late, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn links_that_do_not_fit_are_refused() {
    let invalid = Reject::LinkInvalid as u16;
    let mut desk = quiet_desk();
    let mut check = |order| assert_eq!(reason_of(&enter(&mut desk, order).1), invalid, "{order:?}");
    let (buy, sell) = (limit(Side::Buy, 9_000, 100), limit(Side::Sell, 11_000, 100));
    check(linked(buy, 0, Contingency::Oco));
    check(linked(buy, 5, Contingency::None));
    check(linked(sell, 5, Contingency::Child));
    check(linked(sell, 5, Contingency::BracketExit));
    let mut desk = quiet_desk();
    enter(&mut desk, linked(buy, 5, Contingency::Parent));
    let mut check = |order| assert_eq!(reason_of(&enter(&mut desk, order).1), invalid, "{order:?}");
    check(linked(buy, 5, Contingency::Parent));
    check(linked(buy, 5, Contingency::Oco));
    check(linked(buy, 5, Contingency::BracketExit));
    let mut desk = quiet_desk();
    for _ in 0..tickwerk_engine::limits::LINK_ORDERS_MAX {
        assert_eq!(reason_of(&enter(&mut desk, linked(buy, 6, Contingency::Oco)).1), 0);
    }
    assert_eq!(reason_of(&enter(&mut desk, linked(buy, 6, Contingency::Oco)).1), invalid);
}
