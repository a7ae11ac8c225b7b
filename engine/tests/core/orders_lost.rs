//! Requests that got lost on their way to a real venue: refused, found lost by a reconciliation, or sent again after the
//! connection was found again.

use super::desk::{ALICE, BOB, Desk, SPOT, USD, cancel, fill, quote, report, types};
use super::orders_support::{assert_sums, check_order, enter, limit, linked, quiet_desk, reason_of, stop};
use tickwerk_domain::command::{
    KillSwitchSet, MassCancel, NewOrder, ReconcileEnded, ReconcileStarted, ReplaceOrder, VenueDefined,
    VenueOrderStated, VenueStateObserved,
};
use tickwerk_domain::event::{ReconcileDiffered, ReplaceRejected};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Contingency, DifferenceKind, Event, InstrumentId, OrderId,
    OrderStatus, Price, Qty, ReconcileAction, Reject, ReportKind, Side, SideFilter, StrategyId, TextId,
    VenueId, VenueState,
};

const REAL: VenueId = VenueId(2);

fn step(desk: &mut Desk, command: impl Into<Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

fn state(state: VenueState) -> VenueStateObserved {
    VenueStateObserved { venue: REAL, state }
}

/// Loses the connection and finds it again; gives what that causes, continuations included.
fn reconnect(desk: &mut Desk) -> Vec<Event> {
    assert_eq!(step(desk, state(VenueState::Disconnected)), []);
    let mut events = step(desk, state(VenueState::Connected));
    events.extend(desk.settle(0).into_iter().flat_map(|(_, events)| events));
    events
}

fn real(order: NewOrder) -> NewOrder {
    NewOrder { venue: REAL, ..order }
}

/// A desk with a real venue and an accepted order there to buy 100 at 90.00.
fn with_order() -> (Desk, OrderId) {
    let mut desk = quiet_desk();
    desk.apply(VenueDefined { capabilities: VenueDefined::ALL, venue: REAL, name: TextId::NONE });
    let (id, _) = enter(&mut desk, real(limit(Side::Buy, 9_000, 100)));
    desk.apply(report(id, ReportKind::Accepted, None));
    (desk, id)
}

fn replace(order: OrderId, price: i64, qty: i64) -> ReplaceOrder {
    ReplaceOrder {
        order,
        price: Price(price),
        qty: Qty(qty),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    }
}

fn mass_cancel() -> MassCancel {
    let (instrument, strategy, reason) = (InstrumentId::NONE, StrategyId::NONE, TextId::NONE);
    MassCancel { account: ALICE, instrument, strategy, reason, side: SideFilter::Any }
}

fn kill_switch() -> KillSwitchSet {
    let (account, instrument) = (AccountId::NONE, InstrumentId::NONE);
    let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
    KillSwitchSet { account, instrument, strategy, reason, engaged: true }
}

fn start(desk: &mut Desk, run: u64) {
    assert_eq!(step(desk, ReconcileStarted { run, account: ALICE, venue: REAL }), []);
}

/// The venue states the order as open.
fn stated(desk: &mut Desk, run: u64, order: OrderId, terms: (i64, i64, i64)) -> Vec<Event> {
    let (price, qty, cum_qty) = (Price(terms.0), Qty(terms.1), Qty(terms.2));
    let (account, instrument, side) = (ALICE, SPOT, Side::Buy);
    let venue_order_id = 77;
    step(
        desk,
        VenueOrderStated { run, order, venue_order_id, price, qty, cum_qty, account, instrument, side },
    )
}

/// Kind, action, ours and theirs.
fn differed(event: &Event) -> (DifferenceKind, ReconcileAction, i128, i128) {
    let Event::ReconcileDiffered(ReconcileDiffered { kind, action, ours, theirs, .. }) = event else {
        panic!("{event:?}")
    };
    (*kind, *action, ours.get(), theirs.get())
}

fn ends_without_difference(desk: &mut Desk, run: u64, events: usize) {
    let told = step(desk, ReconcileEnded { run });
    let Some(Event::ReconcileCompleted(done)) = told.last() else { panic!("{told:?}") };
    assert_eq!((done.differences as usize, told.len()), (events, 1));
}

#[test]
fn a_refused_cancel_can_be_asked_for_again() {
    for (fills, back) in [(0, OrderStatus::New), (30, OrderStatus::PartiallyFilled)] {
        let (mut desk, id) = with_order();
        step(&mut desk, cancel(id));
        if fills > 0 {
            step(&mut desk, fill(id, 1, 9_000, fills, 0));
        }
        step(&mut desk, report(id, ReportKind::CancelRejected, None));
        check_order(&desk, id, back, fills, 100 - fills);
        assert_eq!(types(&step(&mut desk, cancel(id))), ["order.cancel_submitted"]);
    }
}

#[test]
fn a_cancel_that_the_view_does_not_know_is_lost_and_can_be_asked_for_again() {
    let (mut desk, id) = with_order();
    step(&mut desk, cancel(id));
    start(&mut desk, 1);
    let events = stated(&mut desk, 1, id, (9_000, 100, 0));
    assert_eq!(types(&events), ["system.reconcile_differed", "order.cancel_rejected"]);
    let lost = (DifferenceKind::RequestLost, ReconcileAction::Restated, 100, 100);
    assert_eq!(differed(&events[0]), lost);
    let Event::CancelRejected(refused) = events[1] else { panic!("{events:?}") };
    assert_eq!(refused.reason, Reject::RequestLost.code());
    check_order(&desk, id, OrderStatus::New, 0, 100);
    ends_without_difference(&mut desk, 1, 1);
    start(&mut desk, 2);
    assert_eq!(stated(&mut desk, 2, id, (9_000, 100, 0)), [], "the second run finds nothing");
    ends_without_difference(&mut desk, 2, 0);
    assert_eq!(types(&step(&mut desk, cancel(id))), ["order.cancel_submitted"]);
    step(&mut desk, report(id, ReportKind::Canceled, None));
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
}

#[test]
fn a_cancel_that_was_sent_after_the_start_may_be_on_its_way() {
    let (mut desk, id) = with_order();
    start(&mut desk, 1);
    step(&mut desk, cancel(id));
    assert_eq!(stated(&mut desk, 1, id, (9_000, 100, 0)), []);
    check_order(&desk, id, OrderStatus::PendingCancel, 0, 100);
    ends_without_difference(&mut desk, 1, 0);
    // A cancel that was late after all, and not lost.
    let (mut desk, id) = with_order();
    step(&mut desk, cancel(id));
    start(&mut desk, 1);
    stated(&mut desk, 1, id, (9_000, 100, 0));
    step(&mut desk, report(id, ReportKind::Canceled, None));
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn a_replace_that_the_view_does_not_know_is_lost_and_one_that_it_shows_is_confirmed() {
    let (mut desk, id) = with_order();
    step(&mut desk, replace(id, 9_100, 200));
    start(&mut desk, 1);
    let events = stated(&mut desk, 1, id, (9_000, 100, 0));
    assert_eq!(types(&events), ["system.reconcile_differed", "order.replace_rejected"]);
    assert_eq!(differed(&events[0]).0, DifferenceKind::RequestLost);
    let Event::ReplaceRejected(ReplaceRejected { reason, .. }) = events[1] else { panic!("{events:?}") };
    assert_eq!(reason, Reject::RequestLost.code());
    check_order(&desk, id, OrderStatus::New, 0, 100);
    assert_eq!(desk.reserved(ALICE, USD), 900);
    let events = step(&mut desk, replace(id, 9_100, 200));
    assert_eq!(types(&events).last(), Some(&"order.replace_submitted"));

    start(&mut desk, 2);
    let events = stated(&mut desk, 2, id, (9_100, 200, 0));
    assert_eq!(types(&events), ["order.replaced", "system.reconcile_differed", "system.reconcile_differed"]);
    let restated = ReconcileAction::Restated;
    assert_eq!(differed(&events[1]), (DifferenceKind::OrderPrice, restated, 9_000, 9_100));
    assert_eq!(differed(&events[2]), (DifferenceKind::OrderQuantity, restated, 100, 200));
    check_order(&desk, id, OrderStatus::New, 0, 200);

    // Sent after the start: its answer tells.
    start(&mut desk, 3);
    step(&mut desk, replace(id, 9_000, 0));
    let events = stated(&mut desk, 3, id, (9_000, 200, 0));
    assert_eq!(differed(&events[0]), (DifferenceKind::OrderPrice, ReconcileAction::Raised, 9_100, 9_000));
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 200);
}

#[test]
fn both_requests_may_be_lost_and_an_order_that_is_full_by_then_ends_as_filled() {
    let (mut desk, id) = with_order();
    step(&mut desk, replace(id, 0, 200));
    step(&mut desk, cancel(id));
    start(&mut desk, 1);
    let events = stated(&mut desk, 1, id, (9_000, 100, 0));
    let each = ["system.reconcile_differed", "order.replace_rejected"];
    assert_eq!(types(&events), [each, ["system.reconcile_differed", "order.cancel_rejected"]].concat());
    check_order(&desk, id, OrderStatus::New, 0, 100);

    step(&mut desk, replace(id, 0, 200));
    step(&mut desk, fill(id, 1, 9_000, 100, 0));
    start(&mut desk, 2);
    let events = step(&mut desk, ReconcileEnded { run: 2 });
    let ended = ["system.reconcile_differed", "order.replace_rejected", "order.filled"];
    assert_eq!(types(&events), [&ended[..], &["system.reconcile_completed"]].concat());
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn pending_cancels_are_sent_again_once_when_the_connection_is_found_again() {
    let (mut desk, id) = with_order();
    let (other, _) = enter(&mut desk, real(limit(Side::Buy, 9_010, 100)));
    let (elsewhere, _) = enter(&mut desk, limit(Side::Buy, 9_020, 100));
    for order in [id, elsewhere] {
        step(&mut desk, cancel(order));
    }
    step(&mut desk, state(VenueState::Disconnected));
    let refused = step(&mut desk, cancel(id));
    assert_eq!(types(&refused), ["order.cancel_rejected"], "nothing tells that it was lost yet");
    assert_eq!(step(&mut desk, state(VenueState::Disconnected)), []);
    let sent = step(&mut desk, state(VenueState::Connected));
    assert_eq!(types(&sent), ["order.cancel_submitted"], "once, and to this venue alone");
    check_order(&desk, id, OrderStatus::PendingCancel, 0, 100);
    check_order(&desk, other, OrderStatus::PendingNew, 0, 100);
    assert_eq!(step(&mut desk, state(VenueState::Connected)), []);
    let refused = step(&mut desk, cancel(id));
    assert_eq!(types(&refused), ["order.cancel_rejected"], "it is on its way");
    assert_eq!(
        types(&step(&mut desk, mass_cancel())),
        ["order.mass_cancel_started", "order.cancel_submitted"]
    );
    step(&mut desk, report(id, ReportKind::Canceled, None));
    let second = step(&mut desk, report(id, ReportKind::CancelRejected, None));
    assert_eq!(types(&second), ["system.command_refused"], "the answer of the second one");
    check_order(&desk, id, OrderStatus::Canceled, 0, 0);
}

#[test]
fn mass_cancel_and_kill_switch_take_what_waits_for_the_answer_to_a_replace() {
    for command in [Command::from(mass_cancel()), kill_switch().into()] {
        let (mut desk, id) = with_order();
        step(&mut desk, replace(id, 0, 200));
        assert_eq!(reconnect(&mut desk), [], "a replace is not sent twice");
        check_order(&desk, id, OrderStatus::PendingReplace, 0, 100);
        assert_eq!(types(&step(&mut desk, command)).last(), Some(&"order.cancel_submitted"));
        check_order(&desk, id, OrderStatus::PendingCancel, 0, 100);
        // Lost as well: found again it goes out once more, and not a third time.
        assert_eq!(types(&reconnect(&mut desk)), ["order.cancel_submitted"]);
        assert_eq!(types(&step(&mut desk, command)).len(), 1);
        step(&mut desk, report(id, ReportKind::Canceled, None));
        assert_eq!(desk.reserved(ALICE, USD), 0);
    }
}

#[test]
fn many_pending_cancels_go_on_with_the_next_commands() {
    let (mut desk, _) = with_order();
    for _ in 0..150 {
        enter(&mut desk, real(limit(Side::Buy, 9_000, 10)));
    }
    desk.apply(mass_cancel());
    desk.settle(0);
    assert_eq!(step(&mut desk, state(VenueState::Disconnected)), []);
    let first = step(&mut desk, state(VenueState::Connected));
    assert!(desk.machine().continuation().is_some() && first.len() < 64);
    let rest: Vec<_> = desk.settle(0).into_iter().flat_map(|(_, events)| events).collect();
    assert_eq!(first.len() + rest.len(), 151);
    assert!(desk.machine().continuation().is_none());
    let desk = desk.restarted();
    assert_eq!(desk.machine().orders().open_count(), 151);
}

#[test]
fn a_leg_that_waits_for_a_lost_cancel_asks_for_another_one() {
    let (mut desk, _) = with_order();
    let (take, _) = enter(&mut desk, real(linked(limit(Side::Buy, 9_000, 100), 7, Contingency::Oco)));
    let (out, _) = enter(&mut desk, real(linked(stop(Side::Buy, 10_500, 100), 7, Contingency::Oco)));
    step(&mut desk, quote(SPOT, 10_490, 10_510));
    check_order(&desk, take, OrderStatus::PendingCancel, 0, 100);
    start(&mut desk, 1);
    let events = stated(&mut desk, 1, take, (9_000, 100, 0));
    assert_eq!(types(&events).last(), Some(&"order.cancel_submitted"));
    check_order(&desk, take, OrderStatus::PendingCancel, 0, 100);
    check_order(&desk, out, OrderStatus::Held, 0, 100);
    step(&mut desk, report(take, ReportKind::Canceled, None));
    check_order(&desk, out, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn a_second_request_needs_a_lost_connection() {
    let (mut desk, id) = with_order();
    step(&mut desk, cancel(id));
    let refused = step(&mut desk, cancel(id));
    assert_eq!(types(&refused), ["order.cancel_rejected"]);
    let other = step(&mut desk, tickwerk_domain::command::CancelOrder { account: BOB, ..cancel(id) });
    assert_eq!(types(&other), ["order.cancel_rejected"]);
    assert_eq!(reason_of(&step(&mut desk, replace(id, 0, 50))), Reject::CancelPending as u16);
}
