//! Reports out of order: fills before the acceptance, fills across a cancel or an expiry, and answers that come late.

use super::desk::{ALICE, BTC, Desk, SPOT, USD, cancel, fill, limit_order, report, types};
use tickwerk_domain::command::ReplaceReported;
use tickwerk_domain::event::{CommandRefused, OrderExpired, OrderReplaced};
use tickwerk_domain::{Event, OrderId, OrderStatus, Price, Qty, Reject, ReportKind, Side};

fn with_order() -> (Desk, OrderId) {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, 9_000, 100));
    (desk, id)
}

fn check(desk: &Desk, id: OrderId, status: OrderStatus, cum_qty: i64, leaves: i64) {
    let order = desk.machine().orders().by_id(id).expect("the order is known");
    assert_eq!((order.status, order.cum_qty.0, order.leaves().0), (status, cum_qty, leaves));
}

fn refusal(events: &[Event]) -> Option<Reject> {
    if let [Event::CommandRefused(CommandRefused { reason, .. })] = events {
        Reject::from_code(*reason)
    } else {
        None
    }
}

#[test]
fn an_acceptance_after_the_last_fill_changes_nothing() {
    let (mut desk, id) = with_order();
    desk.apply(fill(id, 9, 9_000, 100, 0));
    check(&desk, id, OrderStatus::Filled, 100, 0);
    let events = desk.apply(report(id, ReportKind::Accepted, None));
    assert_eq!(refusal(&events), Some(Reject::DuplicateReport));
    check(&desk, id, OrderStatus::Filled, 100, 0);
}

#[test]
fn execution_ids_need_not_rise() {
    let (mut desk, id) = with_order();
    for (execution, filled) in [(900, 30), (5, 60), (u64::MAX, 100)] {
        desk.apply(fill(
            id,
            execution,
            9_000,
            filled - desk.machine().orders().by_id(id).unwrap().cum_qty.0,
            0,
        ));
        assert_eq!(desk.machine().orders().by_id(id).unwrap().cum_qty, Qty(filled));
    }
    assert_eq!(desk.machine().executions().remembered().count(), 3);
}

#[test]
fn the_same_execution_id_of_another_order_is_another_execution() {
    let (mut desk, id) = with_order();
    let other = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, 9_000, 100));
    desk.apply(fill(id, 1, 9_000, 40, 0));
    desk.apply(fill(other, 1, 9_000, 40, 0));
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 80);
}

#[test]
fn a_fill_that_crossed_the_cancel_is_booked_and_the_order_stays_cancelled() {
    for (kind, status) in
        [(ReportKind::Canceled, OrderStatus::Canceled), (ReportKind::Expired, OrderStatus::Expired)]
    {
        let (mut desk, id) = with_order();
        desk.apply(fill(id, 1, 9_000, 30, 0));
        desk.apply(cancel(id));
        desk.apply(report(id, kind, None));
        let money = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC));
        let events = desk.apply(fill(id, 2, 9_000, 50, 4));
        assert_eq!(types(&events), ["order.partially_filled", "position.changed", "account.posted"]);
        let Event::OrderPartiallyFilled(told) = events[0] else { panic!("a fill is told first") };
        assert_eq!((told.cum_qty, told.leaves_qty, told.cum_fee.get()), (Qty(80), Qty(0), 4));
        check(&desk, id, status, 80, 0);
        let position = desk.machine().positions().get(ALICE, SPOT);
        assert_eq!((position.qty, position.open_buys, position.open_sells), (80, 0, 0));
        assert_eq!(desk.reserved(ALICE, USD), 0);
        // 50 at 90.00, with five decimals of quantity and four of dollars.
        assert_eq!((desk.cash(ALICE, USD), desk.cash(ALICE, BTC)), (money.0 - 450 - 4, money.1 + 50_000));
        // What is more than was left never belonged to it.
        assert_eq!(types(&desk.apply(fill(id, 3, 9_000, 21, 0))), ["fill.unmatched"]);
        // The rest of it: filled whole, and still as it ended.
        assert_eq!(types(&desk.apply(fill(id, 3, 9_000, 20, 0)))[0], "order.partially_filled");
        check(&desk, id, status, 100, 0);
        assert_eq!(types(&desk.apply(fill(id, 4, 9_000, 1, 0))), ["fill.unmatched"]);
    }
}

#[test]
fn a_rejected_order_takes_no_fill() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Rejected, None));
    assert_eq!(types(&desk.apply(fill(id, 1, 9_000, 10, 0))), ["fill.unmatched"]);
    check(&desk, id, OrderStatus::Rejected, 0, 0);
}

#[test]
fn the_venues_expiry_ends_the_order_and_frees_what_it_tied_up() {
    let (mut desk, id) = with_order();
    desk.apply(fill(id, 1, 9_000, 30, 0));
    let expired = OrderExpired { order: id, cum_qty: Qty(30), reason: Reject::Expired.code() };
    let expiry = report(id, ReportKind::Expired, Some(Reject::Expired));
    assert_eq!(desk.apply(expiry), [expired.into()]);
    check(&desk, id, OrderStatus::Expired, 30, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
    assert_eq!(refusal(&desk.apply(expiry)), Some(Reject::DuplicateReport));
    let cancel = report(id, ReportKind::Canceled, None);
    assert_eq!(refusal(&desk.apply(cancel)), Some(Reject::DuplicateReport));
    check(&desk, id, OrderStatus::Expired, 30, 0);
}

#[test]
fn a_cancel_report_after_the_fill_that_ended_the_order_changes_nothing() {
    let (mut desk, id) = with_order();
    desk.apply(cancel(id));
    desk.apply(fill(id, 1, 9_000, 100, 0));
    assert_eq!(refusal(&desk.apply(report(id, ReportKind::Canceled, None))), Some(Reject::DuplicateReport));
    check(&desk, id, OrderStatus::Filled, 100, 0);
}

#[test]
fn a_replace_that_was_not_asked_for_cannot_be_refused() {
    let (mut desk, id) = with_order();
    let events = desk.apply(report(id, ReportKind::ReplaceRejected, None));
    assert_eq!(refusal(&events), Some(Reject::DuplicateReport));
    check(&desk, id, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn the_venues_new_terms_are_taken_once() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Accepted, None));
    desk.apply(fill(id, 1, 9_000, 30, 0));
    let new = ReplaceReported {
        order: id,
        venue_order_id: 78,
        price: Price(9_100),
        qty: Qty(150),
        trigger_price: Price(0),
        display_qty: Qty(0),
    };
    let replaced = OrderReplaced {
        order: id,
        price: Price(9_100),
        qty: Qty(150),
        trigger_price: Price(0),
        display_qty: Qty(0),
        cum_qty: Qty(30),
        leaves_qty: Qty(120),
        instrument: SPOT,
    };
    assert_eq!(desk.apply(new), [replaced.into()]);
    check(&desk, id, OrderStatus::PartiallyFilled, 30, 120);
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).open_buys, 120);
    // 120 at 91.00, and 0.05 % of it.
    assert_eq!(desk.reserved(ALICE, USD), 1_092 + 1);
    assert_eq!(refusal(&desk.apply(new)), Some(Reject::DuplicateReport));
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).open_buys, 120);
}

#[test]
fn unmatched_fills_are_kept_with_all_that_was_told() {
    let (mut desk, _) = with_order();
    let unknown = fill(OrderId(424_242), 7, 9_000, 10, 3);
    assert_eq!(types(&desk.apply(unknown)), ["fill.unmatched"]);
    assert_eq!(refusal(&desk.apply(unknown)), Some(Reject::DuplicateReport));
    let kept = desk.machine().unmatched_fills();
    assert_eq!(kept.count(), 1);
    let fills: Vec<_> = kept.kept().map(|unmatched| (unmatched.fill, unmatched.reason)).collect();
    assert_eq!(fills, [(unknown, Reject::UnknownOrder.code())]);
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 0);
}
