//! Fills that the venue takes back or corrects: order, position, cash and fees are as if they had been so from the start.

use super::desk::{ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, cancel, fill, limit_order, report, types};
use tickwerk_domain::command::{TradeBusted, TradeCorrected};
use tickwerk_domain::event::{CommandRefused, FillRestated};
use tickwerk_domain::{
    Event, FillState, InstrumentId, Money, OrderId, OrderStatus, Price, Qty, Reject, ReportKind, Side,
};

fn with_order(instrument: InstrumentId, side: Side) -> (Desk, OrderId) {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.apply(limit_order(instrument, side, 10_000, 100));
    (desk, id)
}

fn bust(order: OrderId, execution_id: u64) -> TradeBusted {
    TradeBusted { order, execution_id }
}

fn correct(order: OrderId, execution_id: u64, price: i64, qty: i64, fee: i128) -> TradeCorrected {
    TradeCorrected { order, execution_id, price: Price(price), qty: Qty(qty), fee: Money::new(fee) }
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

/// All money and the position of an account.
fn money(desk: &Desk, instrument: InstrumentId) -> [i128; 8] {
    let position = desk.machine().positions().get(ALICE, instrument);
    [
        desk.cash(ALICE, USD),
        desk.cash(ALICE, BTC),
        desk.reserved(ALICE, USD),
        desk.reserved(ALICE, BTC),
        i128::from(position.qty),
        position.open_cost,
        position.fees,
        i128::from(position.open_buys - position.open_sells),
    ]
}

#[test]
fn a_bust_of_the_only_fill_leaves_everything_as_before_it() {
    for (instrument, side) in
        [(SPOT, Side::Buy), (SPOT, Side::Sell), (LINEAR, Side::Buy), (INVERSE, Side::Sell)]
    {
        let (mut desk, id) = with_order(instrument, side);
        desk.apply(report(id, ReportKind::Accepted, None));
        let before = money(&desk, instrument);
        desk.apply(fill(id, 3, 10_010, 40, 7));
        assert_ne!(money(&desk, instrument), before);
        let events = desk.apply(bust(id, 3));
        let restated = FillRestated {
            cum_value: Money::ZERO,
            cum_fee: Money::ZERO,
            fee: Money::ZERO,
            order: id,
            execution_id: 3,
            price: Price(10_010),
            qty: Qty(0),
            cum_qty: Qty(0),
            leaves_qty: Qty(100),
            account: ALICE,
            instrument,
            state: FillState::Busted,
        };
        assert_eq!(events[0], restated.into());
        assert_eq!(types(&events[1..]), ["position.changed", "account.posted"]);
        assert_eq!(money(&desk, instrument), before);
        check(&desk, id, OrderStatus::New, 0, 100);
        // The room is there again, for another execution.
        desk.apply(fill(id, 4, 10_000, 100, 0));
        check(&desk, id, OrderStatus::Filled, 100, 0);
    }
}

#[test]
fn a_bust_is_taken_once_and_only_of_what_is_known() {
    let (mut desk, id) = with_order(SPOT, Side::Buy);
    desk.apply(fill(id, 1, 10_000, 60, 5));
    desk.apply(fill(id, 2, 10_000, 20, 1));
    assert_eq!(refusal(&desk.apply(bust(id, 9))), Some(Reject::UnknownExecution));
    assert_eq!(refusal(&desk.apply(bust(OrderId(9_999), 1))), Some(Reject::UnknownOrder));
    desk.apply(bust(id, 1));
    check(&desk, id, OrderStatus::PartiallyFilled, 20, 80);
    let after = money(&desk, SPOT);
    assert_eq!(refusal(&desk.apply(bust(id, 1))), Some(Reject::DuplicateReport));
    assert_eq!(refusal(&desk.apply(correct(id, 1, 10_000, 60, 5))), Some(Reject::IllegalMove));
    // The fill itself comes again, late: it is known, and known to be busted.
    let again = desk.apply(fill(id, 1, 10_000, 60, 5));
    assert_eq!(types(&again), ["fill.unmatched"]);
    assert_eq!(money(&desk, SPOT), after);
    check(&desk, id, OrderStatus::PartiallyFilled, 20, 80);
}

#[test]
fn a_correction_restates_price_quantity_and_fee() {
    for instrument in [SPOT, LINEAR] {
        let (mut desk, id) = with_order(instrument, Side::Buy);
        desk.apply(fill(id, 1, 10_000, 60, 5));
        let events = desk.apply(correct(id, 1, 9_500, 50, 4));
        assert_eq!(
            types(&events),
            ["fill.restated", "position.changed", "account.posted", "position.changed", "account.posted"]
        );
        let (mut plain, other) = with_order(instrument, Side::Buy);
        plain.apply(fill(other, 1, 9_500, 50, 4));
        assert_eq!(money(&desk, instrument), money(&plain, instrument));
        let (order, expected) =
            (desk.machine().orders().by_id(id).unwrap(), plain.machine().orders().by_id(other).unwrap());
        assert_eq!((order.cum_value, order.cum_fee), (expected.cum_value, expected.cum_fee));
        check(&desk, id, OrderStatus::PartiallyFilled, 50, 50);
        let known = desk.machine().executions().by_id(id, 1).unwrap();
        assert_eq!((known.state, known.price, known.qty), (FillState::Corrected, Price(9_500), Qty(50)));
        // The same again has no effect; another one has.
        let again = desk.apply(correct(id, 1, 9_500, 50, 4));
        assert_eq!(refusal(&again), Some(Reject::NothingToReplace));
        desk.apply(correct(id, 1, 9_500, 100, 4));
        check(&desk, id, OrderStatus::Filled, 100, 0);
        desk.apply(bust(id, 1));
        check(&desk, id, OrderStatus::Filled, 0, 0);
        assert_eq!(desk.machine().positions().get(ALICE, instrument).qty, 0);
        assert_eq!(desk.reserved(ALICE, USD), 0);
    }
}

#[test]
fn a_correction_that_does_not_fit_changes_nothing() {
    let (mut desk, id) = with_order(SPOT, Side::Buy);
    desk.apply(fill(id, 1, 10_000, 60, 5));
    desk.apply(fill(id, 2, 10_000, 30, 5));
    let before = money(&desk, SPOT);
    for (qty, problem) in [
        (71, Reject::FillUnmatched),
        (i64::MAX, Reject::FillUnmatched),
        (0, Reject::QuantityNotPositive),
        (i64::MIN, Reject::QuantityNotPositive),
    ] {
        assert_eq!(refusal(&desk.apply(correct(id, 1, 10_000, qty, 5))), Some(problem), "{qty}");
    }
    assert_eq!(refusal(&desk.apply(correct(id, 1, 10_000, 60, 1 << 100))), Some(Reject::ValueOverflow));
    assert_eq!(money(&desk, SPOT), before);
    check(&desk, id, OrderStatus::PartiallyFilled, 90, 10);
}

#[test]
fn a_done_order_stays_done_when_its_fill_is_taken_back() {
    let (mut desk, id) = with_order(SPOT, Side::Buy);
    desk.apply(fill(id, 1, 10_000, 60, 5));
    desk.apply(cancel(id));
    desk.apply(report(id, ReportKind::Canceled, None));
    desk.apply(bust(id, 1));
    check(&desk, id, OrderStatus::Canceled, 0, 0);
    let position = desk.machine().positions().get(ALICE, SPOT);
    assert_eq!((position.qty, position.open_buys, position.fees), (0, 0, 0));
    assert_eq!(desk.reserved(ALICE, USD), 0);
    // The venue makes the trade anew.
    desk.apply(fill(id, 2, 9_990, 60, 5));
    check(&desk, id, OrderStatus::Canceled, 60, 0);
}

#[test]
fn a_pending_cancel_stays_pending_through_a_bust() {
    let (mut desk, id) = with_order(SPOT, Side::Buy);
    desk.apply(fill(id, 1, 10_000, 60, 5));
    desk.apply(cancel(id));
    desk.apply(bust(id, 1));
    check(&desk, id, OrderStatus::PendingCancel, 0, 100);
    desk.apply(report(id, ReportKind::CancelRejected, None));
    check(&desk, id, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn an_order_whose_fill_was_taken_back_cannot_be_refused_any_more() {
    for is_cancel_pending in [false, true] {
        let (mut desk, id) = with_order(SPOT, Side::Buy);
        desk.apply(fill(id, 1, 10_000, 40, 0));
        desk.apply(bust(id, 1));
        if is_cancel_pending {
            assert_eq!(types(&desk.apply(cancel(id))), ["order.cancel_submitted"]);
        }
        let before = desk.machine().orders().by_id(id).expect("it is known").status;
        let events = desk.apply(report(id, ReportKind::Rejected, Some(Reject::VenueRejected)));
        assert_eq!(refusal(&events), Some(Reject::DuplicateReport));
        check(&desk, id, before, 0, 100);
    }
}
