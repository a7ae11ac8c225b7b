//! The life of an order: what each command and report does to it, and what repeats and late comers do not do.

use super::desk::{
    ALICE, BOB, BTC, Desk, SPOT, USD, cancel, fill, limit_order, market_order, named, quote, report, types,
};
use tickwerk_domain::command::{CancelOrder, NewOrder};
use tickwerk_domain::event::{
    CancelRejected, CancelSubmitted, CommandRefused, FillUnmatched, OrderAccepted, OrderApproved,
    OrderCanceled, OrderRefused, OrderRejected, OrderRepeated, OrderSubmitted,
};
use tickwerk_domain::{
    AccountId, ClientOrderId, Event, Money, OrderId, OrderStatus, Price, Qty, Reject, ReportKind, Side,
    StrategyId, TextId, TimeInForce, VenueId,
};

/// A desk with one order to buy 100 at 9,000, and its id.
fn with_order() -> (Desk, OrderId) {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, 9_000, 100));
    (desk, id)
}

/// Status, filled and left of an order.
fn check_order(desk: &Desk, id: OrderId, status: OrderStatus, cum_qty: i64, leaves: i64) {
    let order = desk.machine().orders().by_id(id).expect("the order is known");
    assert_eq!((order.status, order.cum_qty.0, order.leaves().0), (status, cum_qty, leaves));
}

fn duplicate(id: OrderId) -> Event {
    let (value, reason) = (id.0.cast_signed(), Reject::DuplicateReport.code());
    CommandRefused { value, reason, command_type: 0x0403, text: TextId::NONE }.into()
}

fn duplicate_fill(id: OrderId) -> Event {
    let (value, reason) = (id.0.cast_signed(), Reject::DuplicateReport.code());
    CommandRefused { value, reason, command_type: 0x0501, text: TextId::NONE }.into()
}

fn unmatched(order: OrderId, execution_id: u64, price: i64, qty: i64, reason: Reject) -> Event {
    FillUnmatched { order, execution_id, price: Price(price), qty: Qty(qty), reason: reason.code() }.into()
}

fn submitted(id: OrderId, asked: &NewOrder) -> Event {
    OrderSubmitted::new(id, StrategyId::NONE, VenueId::SIMULATED, asked).into()
}

#[test]
fn a_new_order_is_approved_with_its_exposure_and_goes_to_the_venue() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    let asked = limit_order(SPOT, Side::Buy, 9_000, 100_000);
    // One bitcoin at 90.00, and 0.05 % of it.
    let approved = OrderApproved {
        reserved: Money::new(900_000 + 450),
        gross_exposure: Money::ZERO,
        order: id,
        limits_version: 0,
        worst_long: Qty(100_000),
        worst_short: Qty(0),
        account: ALICE,
        instrument: SPOT,
        reserved_currency: USD,
        open_orders: 1,
    };
    assert_eq!(desk.apply(asked), [approved.into(), submitted(id, &asked)]);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100_000);
    assert_eq!(desk.reserved(ALICE, USD), 900_450);
}

#[test]
fn a_sell_ties_up_the_asset() {
    let mut desk = Desk::with_quotes();
    desk.apply(limit_order(SPOT, Side::Sell, 11_000, 100_000));
    assert_eq!((desk.reserved(ALICE, BTC), desk.reserved(ALICE, USD)), (100_000_000, 0));
}

#[test]
fn an_order_is_accepted_filled_in_part_and_filled() {
    let (mut desk, id) = with_order();
    let accepted = OrderAccepted { order: id, venue_order_id: 77 };
    assert_eq!(desk.apply(report(id, ReportKind::Accepted, None)), [accepted.into()]);
    check_order(&desk, id, OrderStatus::New, 0, 100);
    let part = desk.apply(fill(id, 1, 9_000, 30, 0));
    assert_eq!(types(&part), ["order.partially_filled", "position.changed", "account.posted"]);
    check_order(&desk, id, OrderStatus::PartiallyFilled, 30, 70);
    let rest = desk.apply(fill(id, 2, 9_000, 70, 0));
    assert_eq!(types(&rest), ["order.filled", "position.changed", "account.posted"]);
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
    assert_eq!(desk.machine().orders().open_count(), 0);
}

#[test]
fn a_fill_may_come_before_the_acceptance() {
    let (mut desk, id) = with_order();
    desk.apply(fill(id, 1, 9_000, 30, 0));
    check_order(&desk, id, OrderStatus::PartiallyFilled, 30, 70);
    let accepted = OrderAccepted { order: id, venue_order_id: 77 };
    assert_eq!(desk.apply(report(id, ReportKind::Accepted, None)), [accepted.into()]);
    check_order(&desk, id, OrderStatus::PartiallyFilled, 30, 70);
}

#[test]
fn a_rejection_by_the_venue_ends_the_order_and_frees_what_it_tied_up() {
    let (mut desk, id) = with_order();
    let reason = Reject::VenueRejected.code();
    let rejected = OrderRejected { order: id, account: ALICE, instrument: SPOT, reason };
    assert_eq!(desk.apply(report(id, ReportKind::Rejected, Some(Reject::VenueRejected))), [rejected.into()]);
    check_order(&desk, id, OrderStatus::Rejected, 0, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn an_order_that_was_accepted_or_filled_cannot_be_rejected() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Accepted, None));
    assert_eq!(desk.apply(report(id, ReportKind::Rejected, None)), [duplicate(id)]);
    let (mut desk, id) = with_order();
    desk.apply(fill(id, 1, 9_000, 30, 0));
    assert_eq!(desk.apply(report(id, ReportKind::Rejected, None)), [duplicate(id)]);
    desk.apply(cancel(id));
    assert_eq!(desk.apply(report(id, ReportKind::Rejected, None)), [duplicate(id)]);
    check_order(&desk, id, OrderStatus::PendingCancel, 30, 70);
}

#[test]
fn a_cancel_goes_to_the_venue_and_its_word_ends_the_order() {
    let (mut desk, id) = with_order();
    desk.apply(fill(id, 1, 9_000, 30, 0));
    assert_eq!(desk.apply(cancel(id)), [CancelSubmitted { order: id, instrument: SPOT }.into()]);
    check_order(&desk, id, OrderStatus::PendingCancel, 30, 70);
    let reason = Reject::CancelRequested.code();
    let canceled = OrderCanceled { order: id, cum_qty: Qty(30), reason };
    assert_eq!(
        desk.apply(report(id, ReportKind::Canceled, Some(Reject::CancelRequested))),
        [canceled.into()]
    );
    check_order(&desk, id, OrderStatus::Canceled, 30, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn a_cancel_finds_the_order_by_the_clients_name() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    let order = named(limit_order(SPOT, Side::Buy, 9_000, 100), "mine");
    desk.apply(order);
    let by_name =
        CancelOrder { order: OrderId::NONE, account: ALICE, client_order_id: order.client_order_id };
    assert_eq!(desk.apply(by_name), [CancelSubmitted { order: id, instrument: SPOT }.into()]);
}

#[test]
fn a_cancel_that_fits_nothing_is_refused_with_the_reason_and_changes_nothing() {
    let (mut desk, id) = with_order();
    let refused = |order, account, reason: Reject| -> Vec<Event> {
        let client_order_id = ClientOrderId::NONE;
        vec![CancelRejected { order, account, client_order_id, reason: reason.code() }.into()]
    };
    let unknown = OrderId(999_999);
    assert_eq!(desk.apply(cancel(unknown)), refused(OrderId::NONE, ALICE, Reject::UnknownOrder));
    let of_bob = CancelOrder { account: BOB, ..cancel(id) };
    assert_eq!(desk.apply(of_bob), refused(OrderId::NONE, BOB, Reject::UnknownOrder));
    let of_nobody = CancelOrder { account: AccountId(u32::MAX), ..cancel(id) };
    assert_eq!(desk.apply(of_nobody), refused(OrderId::NONE, AccountId(u32::MAX), Reject::UnknownOrder));
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    desk.apply(cancel(id));
    assert_eq!(desk.apply(cancel(id)), refused(id, ALICE, Reject::CancelPending));
    desk.apply(fill(id, 1, 9_000, 100, 0));
    assert_eq!(desk.apply(cancel(id)), refused(id, ALICE, Reject::OrderDone));
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
}

#[test]
fn a_refused_cancel_puts_the_order_back_where_it_was() {
    let cases = [
        (false, 0, OrderStatus::PendingNew),
        (true, 0, OrderStatus::New),
        (true, 30, OrderStatus::PartiallyFilled),
    ];
    for (is_accepted, filled, back) in cases {
        let (mut desk, id) = with_order();
        if is_accepted {
            desk.apply(report(id, ReportKind::Accepted, None));
        }
        desk.apply(cancel(id));
        if filled > 0 {
            desk.apply(fill(id, 1, 9_000, filled, 0));
            check_order(&desk, id, OrderStatus::PendingCancel, filled, 100 - filled);
        }
        let events = desk.apply(report(id, ReportKind::CancelRejected, Some(Reject::VenueUnknownOrder)));
        let reason = Reject::VenueUnknownOrder.code();
        let client_order_id = ClientOrderId::NONE;
        assert_eq!(events, [CancelRejected { order: id, account: ALICE, client_order_id, reason }.into()]);
        check_order(&desk, id, back, filled, 100 - filled);
    }
}

#[test]
fn a_cancel_that_crosses_the_last_fill_is_answered_once_and_changes_nothing() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Accepted, None));
    desk.apply(cancel(id));
    desk.apply(fill(id, 1, 9_000, 100, 0));
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
    let late = report(id, ReportKind::CancelRejected, Some(Reject::VenueUnknownOrder));
    let reason = Reject::VenueUnknownOrder.code();
    let client_order_id = ClientOrderId::NONE;
    let answer = CancelRejected { order: id, account: ALICE, client_order_id, reason };
    assert_eq!(desk.apply(late), [answer.into()]);
    assert_eq!(desk.apply(late), [duplicate(id)]);
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
}

#[test]
fn reports_that_come_twice_change_nothing() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Accepted, None));
    assert_eq!(desk.apply(report(id, ReportKind::Accepted, None)), [duplicate(id)]);
    desk.apply(fill(id, 5, 9_000, 30, 7));
    let money = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC), desk.reserved(ALICE, USD));
    assert_eq!(desk.apply(fill(id, 5, 9_000, 30, 7)), [duplicate_fill(id)]);
    for (price, qty, fee) in [(9_000, 30, 8), (9_000, 31, 7), (8_999, 30, 7)] {
        // The same execution with other content is raised, once.
        let other = unmatched(id, 5, price, qty, Reject::DuplicateReport);
        assert_eq!(desk.apply(fill(id, 5, price, qty, fee)), [other]);
        assert_eq!(desk.apply(fill(id, 5, price, qty, fee)), [duplicate_fill(id)]);
    }
    let nameless = unmatched(id, 0, 9_000, 30, Reject::UnknownExecution);
    assert_eq!(desk.apply(fill(id, 0, 9_000, 30, 7)), [nameless]);
    assert_eq!(desk.apply(report(id, ReportKind::CancelRejected, None)), [duplicate(id)]);
    check_order(&desk, id, OrderStatus::PartiallyFilled, 30, 70);
    assert_eq!((desk.cash(ALICE, USD), desk.cash(ALICE, BTC), desk.reserved(ALICE, USD)), money);
}

#[test]
fn reports_for_a_done_order_change_nothing() {
    let (mut desk, id) = with_order();
    desk.apply(report(id, ReportKind::Canceled, Some(Reject::CancelRequested)));
    let money = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC));
    for kind in ReportKind::ALL {
        assert_eq!(desk.apply(report(id, *kind, None)), [duplicate(id)]);
    }
    // More than was left of it; a fill that fits would have crossed the cancel.
    assert_eq!(desk.apply(fill(id, 1, 9_000, 101, 0)), [unmatched(id, 1, 9_000, 101, Reject::FillUnmatched)]);
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
    assert_eq!((desk.cash(ALICE, USD), desk.cash(ALICE, BTC)), money);
}

#[test]
fn a_fill_that_fits_no_order_is_raised_and_not_booked() {
    let (mut desk, id) = with_order();
    let unknown = OrderId(424_242);
    assert_eq!(
        desk.apply(fill(unknown, 1, 9_000, 10, 0)),
        [unmatched(unknown, 1, 9_000, 10, Reject::UnknownOrder)]
    );
    for qty in [101, 0, -5, i64::MAX, i64::MIN] {
        assert_eq!(
            desk.apply(fill(id, 1, 9_000, qty, 0)),
            [unmatched(id, 1, 9_000, qty, Reject::FillUnmatched)]
        );
    }
    let refused = CommandRefused {
        value: 424_242,
        reason: Reject::UnknownOrder.code(),
        command_type: 0x0403,
        text: TextId::NONE,
    };
    assert_eq!(desk.apply(report(unknown, ReportKind::Accepted, None)), [refused.into()]);
    assert_eq!(
        (desk.cash(ALICE, USD), desk.cash(ALICE, BTC)),
        (super::desk::USD_START, super::desk::BTC_START)
    );
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn the_same_name_with_the_same_content_repeats_the_first_outcome() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    let order = named(limit_order(SPOT, Side::Buy, 9_000, 100), "once");
    desk.apply(order);
    let repeated = |status, reason: Option<Reject>| -> Vec<Event> {
        let reason = reason.map(Reject::code).unwrap_or_default();
        vec![OrderRepeated { order: id, status, reason }.into()]
    };
    assert_eq!(desk.apply(order), repeated(OrderStatus::PendingNew, None));
    desk.apply(fill(id, 1, 9_000, 100, 0));
    assert_eq!(desk.apply(order), repeated(OrderStatus::Filled, None));
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 100, "bought once");
}

#[test]
fn a_refusal_is_repeated_too_even_when_it_would_pass_by_now() {
    let mut desk = Desk::new();
    let id = desk.next_id();
    let order = named(market_order(SPOT, Side::Buy, 100), "early");
    let reason = Reject::NoReferencePrice.code();
    let refused = OrderRefused {
        limit: Money::ZERO,
        observed: Money::ZERO,
        order: id,
        limits_version: 0,
        account: ALICE,
        instrument: SPOT,
        strategy: StrategyId::NONE,
        reason,
        side: Side::Buy,
    };
    let rejected = OrderRejected { order: id, account: ALICE, instrument: SPOT, reason };
    assert_eq!(desk.apply(order), [refused.into(), rejected.into()]);
    desk.apply(quote(SPOT, 9_990, 10_010));
    let repeated = OrderRepeated { order: id, status: OrderStatus::Rejected, reason };
    assert_eq!(desk.apply(order), [repeated.into()]);
}

#[test]
fn the_same_name_with_other_content_is_refused_and_the_first_order_stands() {
    let mut desk = Desk::with_quotes();
    let first = desk.next_id();
    let order = named(limit_order(SPOT, Side::Buy, 9_000, 100), "once");
    desk.apply(order);
    let others = [
        NewOrder { price: Price(9_010), ..order },
        NewOrder { qty: Qty(105), ..order },
        NewOrder { side: Side::Sell, ..order },
        NewOrder { time_in_force: TimeInForce::Ioc, ..order },
        named(market_order(SPOT, Side::Buy, 100), "once"),
        NewOrder { instrument: super::desk::LINEAR, ..order },
    ];
    for other in others {
        let order = desk.next_id();
        let (instrument, reason) = (other.instrument, Reject::DuplicateClientOrderId.code());
        let events = desk.apply(other);
        let Event::OrderRefused(refused) = events[0] else { panic!("{events:?}") };
        assert_eq!((refused.reason, refused.observed.get()), (reason, first.0.into()), "the first's number");
        assert_eq!(events[1..], [OrderRejected { order, account: ALICE, instrument, reason }.into()]);
        assert!(desk.machine().orders().by_id(order).is_none());
    }
    check_order(&desk, first, OrderStatus::PendingNew, 0, 100);
    let of_bob = NewOrder { account: BOB, ..order };
    assert_eq!(
        types(&desk.apply(of_bob)),
        ["risk.order_approved", "order.submitted"],
        "a name is the account's own"
    );
}

#[test]
fn the_simulated_venue_reports_what_an_ioc_order_could_not_take_as_cancelled() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    let order =
        NewOrder { time_in_force: TimeInForce::Ioc, ..limit_order(SPOT, Side::Buy, 10_010, 2_000_000) };
    desk.feed(order);
    let told: Vec<_> = desk.settle(desk.time).iter().flat_map(|(_, events)| types(events)).collect();
    let expected =
        ["order.accepted", "order.partially_filled", "position.changed", "account.posted", "order.canceled"];
    assert_eq!(told, expected);
    check_order(&desk, id, OrderStatus::Canceled, 1_000_000, 0);
}

#[test]
fn a_gtc_order_rests_at_the_simulated_venue_until_it_is_reached() {
    let mut desk = Desk::with_quotes();
    let id = desk.next_id();
    desk.feed(limit_order(SPOT, Side::Buy, 9_000, 100));
    desk.settle(desk.time);
    check_order(&desk, id, OrderStatus::New, 0, 100);
    desk.feed(quote(SPOT, 8_980, 9_010));
    assert_eq!(desk.settle(desk.time).len(), 0);
    desk.feed(quote(SPOT, 8_980, 9_000));
    assert_eq!(desk.settle(desk.time).len(), 1);
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
}
