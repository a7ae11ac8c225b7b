//! Exits and children that their market does not take when they are released, late fills of their parent, and
//! quantities that the venue did not take.

use super::desk::{ALICE, Desk, LINEAR, SPOT, cancel, fill, quote, report, types};
use super::orders_support::{
    assert_sums, check_order, enter, lasting, limit, linked, quiet_desk, reason_of, stop,
};
use tickwerk_domain::command::{
    KillSwitchSet, MarketGapObserved, NewOrder, ReplaceOrder, ReplaceReported, RouteSet, SessionSet,
    VenueDefined, VenueStateObserved,
};
use tickwerk_domain::{
    AccountId, BookDelta, ClientOrderId, Command, Contingency, Event, HoldReason, InstrumentId, Level,
    OrderId, OrderStatus, Price, Qty, Reject, ReportKind, SessionState, Side, StaleReason, StrategyId,
    TextId, TimeInForce, TimeNs, VenueId, VenueState,
};

const REAL: VenueId = VenueId(2);
const OTHER: VenueId = VenueId(3);

fn step(desk: &mut Desk, command: impl Into<Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

/// A desk whose spot orders go to a real venue.
fn real_desk() -> Desk {
    let mut desk = quiet_desk();
    // Triggers are the core's.
    let capabilities = VenueDefined::ALL & !(VenueDefined::TRIGGERS | VenueDefined::TRAILING);
    for venue in [REAL, OTHER] {
        desk.apply(VenueDefined { capabilities, venue, name: TextId::NONE });
    }
    desk.apply(RouteSet { instrument: SPOT, venue: REAL, fallback: VenueId::NONE });
    desk
}

fn session(state: SessionState) -> Command {
    SessionSet { closes_at: TimeNs(0), instrument: SPOT, state }.into()
}

fn venue(state: VenueState) -> Command {
    VenueStateObserved { venue: REAL, state }.into()
}

fn exit(order: NewOrder) -> NewOrder {
    linked(order, 9, Contingency::BracketExit)
}

/// An entry of 100 with a take at 105.00 and a stop at 95.00.
fn bracket(desk: &mut Desk) -> [OrderId; 3] {
    let (entry, _) = enter(desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    let (take, _) = enter(desk, exit(limit(Side::Sell, 10_500, 100)));
    let (out, _) = enter(desk, exit(stop(Side::Sell, 9_500, 100)));
    [entry, take, out]
}

fn held_for(desk: &Desk, id: OrderId) -> Option<HoldReason> {
    desk.machine().orders().terms_by_id(id).and_then(|terms| terms.hold)
}

fn replaced(order: OrderId, price: i64, qty: i64) -> ReplaceReported {
    let (price, qty) = (Price(price), Qty(qty));
    ReplaceReported { order, venue_order_id: 7, price, qty, trigger_price: Price(0), display_qty: Qty(0) }
}

/// What keeps a market from taking orders, and what ends that.
fn troubles() -> [(Vec<Command>, Vec<Command>); 5] {
    let gap = MarketGapObserved { expected: 1, received: 2, instrument: SPOT, reason: StaleReason::Gap };
    let mut snapshot = BookDelta::new(SPOT, 50, BookDelta::CLEAR | BookDelta::LAST);
    for (side, price) in [(Side::Buy, 9_990), (Side::Sell, 10_010)] {
        snapshot.push(side, Level { price: Price(price), qty: Qty(1_000_000) });
    }
    let (good, crossed) = (quote(SPOT, 9_990, 10_010), quote(SPOT, 10_010, 9_990));
    [
        (vec![session(SessionState::Halted)], vec![session(SessionState::Continuous)]),
        (vec![session(SessionState::Closed)], vec![session(SessionState::Continuous)]),
        (vec![gap.into()], vec![snapshot.into()]),
        (vec![crossed.into()], vec![good.into()]),
        (vec![venue(VenueState::Disconnected)], vec![venue(VenueState::Connected)]),
    ]
}

#[test]
fn exits_that_are_released_into_trouble_wait_and_leave_once_when_it_is_over() {
    for (begins, ends) in troubles() {
        let mut desk = real_desk();
        let [entry, take, out] = bracket(&mut desk);
        for command in &begins {
            step(&mut desk, *command);
        }
        let events = step(&mut desk, fill(entry, 1, 10_000, 100, 0));
        assert!(!types(&events).contains(&"order.rejected"), "{begins:?} {events:?}");
        check_order(&desk, take, OrderStatus::Held, 0, 100);
        assert_eq!(held_for(&desk, take), Some(HoldReason::Market), "{begins:?}");
        assert_eq!(held_for(&desk, out), Some(HoldReason::Trigger), "{begins:?}");
        // The same trouble again changes nothing.
        for command in &begins {
            let again = step(&mut desk, *command);
            assert!(types(&again).iter().all(|of| !of.starts_with("order.")), "{again:?}");
        }
        let mut desk = desk.restarted();
        let mut events = Vec::new();
        for command in &ends {
            events.extend(step(&mut desk, *command));
        }
        let left = ["order.triggered", "risk.order_approved", "order.submitted"];
        let told: Vec<_> = types(&events).into_iter().filter(|of| !of.starts_with("market.")).collect();
        assert_eq!(told, left, "{begins:?}");
        check_order(&desk, take, OrderStatus::PendingNew, 0, 100);
        for command in &ends {
            assert_eq!(step(&mut desk, *command), [], "once");
        }
        step(&mut desk, fill(take, 1, 10_500, 100, 0));
        check_order(&desk, out, OrderStatus::Canceled, 0, 0);
        assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 0);
    }
}

#[test]
fn a_stop_that_is_reached_while_its_venue_is_away_leaves_first_when_it_is_back() {
    let mut desk = real_desk();
    let [entry, take, out] = bracket(&mut desk);
    step(&mut desk, venue(VenueState::Disconnected));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, quote(SPOT, 9_490, 9_510));
    assert_eq!([take, out].map(|id| held_for(&desk, id)), [Some(HoldReason::Market); 2]);
    let mut desk = desk.restarted();
    step(&mut desk, venue(VenueState::Connected));
    check_order(&desk, out, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, take, OrderStatus::Held, 0, 100);
    assert_eq!(step(&mut desk, quote(SPOT, 9_490, 9_510)), [], "one of them is there");
    step(&mut desk, fill(out, 1, 9_490, 40, 0));
    check_order(&desk, take, OrderStatus::Held, 0, 60);
    step(&mut desk, report(out, ReportKind::Rejected, None));
    step(&mut desk, fill(out, 2, 9_490, 60, 0));
    check_order(&desk, take, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 0);
}

#[test]
fn an_exit_that_waits_leaves_when_the_one_at_the_venue_was_refused() {
    let mut desk = real_desk();
    let [entry, take, out] = bracket(&mut desk);
    step(&mut desk, venue(VenueState::Disconnected));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, quote(SPOT, 9_490, 9_510));
    step(&mut desk, venue(VenueState::Connected));
    let events = step(&mut desk, report(out, ReportKind::Rejected, Some(Reject::VenueRejected)));
    assert_eq!(types(&events).last(), Some(&"order.submitted"));
    check_order(&desk, take, OrderStatus::PendingNew, 0, 100);
}

#[test]
fn exits_that_only_reduce_leave_with_what_there_is_to_reduce() {
    let mut desk = real_desk();
    let (open, _) = enter(&mut desk, NewOrder { instrument: LINEAR, ..limit(Side::Buy, 10_000, 100) });
    step(&mut desk, fill(open, 1, 10_000, 100, 0));
    let closing = NewOrder { instrument: LINEAR, reduce_only: true, ..stop(Side::Sell, 9_500, 60) };
    let (first, _) = enter(&mut desk, closing);
    let (second, _) = enter(&mut desk, NewOrder { qty: Qty(40), ..closing });
    step(&mut desk, VenueStateObserved { venue: VenueId::SIMULATED, state: VenueState::Disconnected });
    step(&mut desk, quote(LINEAR, 9_490, 9_510));
    assert_eq!([first, second].map(|id| held_for(&desk, id)), [Some(HoldReason::Market); 2]);
    // Somebody closes a part in between, outside.
    let busted = tickwerk_domain::command::TradeCorrected {
        order: open,
        execution_id: 1,
        price: Price(10_000),
        qty: Qty(80),
        fee: tickwerk_domain::Money::ZERO,
    };
    step(&mut desk, busted);
    step(&mut desk, VenueStateObserved { venue: VenueId::SIMULATED, state: VenueState::Connected });
    check_order(&desk, first, OrderStatus::PendingNew, 0, 60);
    check_order(&desk, second, OrderStatus::PendingNew, 0, 20);
    assert_eq!(desk.machine().positions().get(ALICE, LINEAR).open_sells, 80);
}

#[test]
fn what_waits_can_be_cancelled_replaced_expired_and_killed() {
    let waiting = || {
        let mut desk = real_desk();
        let ids = bracket(&mut desk);
        step(&mut desk, session(SessionState::Halted));
        step(&mut desk, fill(ids[0], 1, 10_000, 100, 0));
        (desk, ids[1])
    };
    let (mut desk, take) = waiting();
    assert_eq!(types(&step(&mut desk, cancel(take)))[0], "order.canceled");
    let later = step(&mut desk, session(SessionState::Continuous));
    assert_eq!(later, []);

    let (mut desk, take) = waiting();
    let (account, instrument) = (AccountId::NONE, InstrumentId::NONE);
    let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
    step(&mut desk, KillSwitchSet { account, instrument, strategy, reason, engaged: true });
    check_order(&desk, take, OrderStatus::Canceled, 0, 0);

    let mut desk = real_desk();
    let (entry, _) = enter(&mut desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    let (day, _) = enter(&mut desk, lasting(exit(limit(Side::Sell, 10_500, 100)), TimeInForce::Day));
    step(&mut desk, session(SessionState::Halted));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    assert_eq!(held_for(&desk, day), Some(HoldReason::Market));
    step(&mut desk, session(SessionState::Closed));
    check_order(&desk, day, OrderStatus::Expired, 0, 0);
}

#[test]
fn what_opens_is_refused_and_an_exit_takes_another_route_that_is_set() {
    let mut desk = real_desk();
    let (entry, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    step(&mut desk, venue(VenueState::Disconnected));
    let events = step(&mut desk, quote(SPOT, 10_110, 10_130));
    assert_eq!(reason_of(&events), Reject::VenueDisconnected as u16);
    check_order(&desk, entry, OrderStatus::Rejected, 0, 0);
    step(&mut desk, venue(VenueState::Connected));

    let [entry, take, _] = bracket(&mut desk);
    step(&mut desk, venue(VenueState::Disconnected));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let events = step(&mut desk, RouteSet { instrument: SPOT, venue: OTHER, fallback: REAL });
    assert_eq!(types(&events).last(), Some(&"order.submitted"));
    assert_eq!(desk.machine().orders().by_id(take).unwrap().venue, OTHER);
}

#[test]
fn more_than_may_wait_are_refused() {
    let mut desk = real_desk();
    let (open, _) = enter(&mut desk, limit(Side::Buy, 10_000, 100_000));
    step(&mut desk, fill(open, 1, 10_000, 100_000, 0));
    let most = tickwerk_engine::limits::WAITING_PER_INSTRUMENT_MAX;
    let ids: Vec<_> = (0..=most)
        .map(|_| {
            let id = desk.next_id();
            desk.apply(NewOrder { reduce_only: true, ..stop(Side::Sell, 9_500, 10) });
            id
        })
        .collect();
    desk.apply(venue(VenueState::Disconnected));
    desk.apply(quote(SPOT, 9_490, 9_510));
    desk.settle(0);
    let waits = |id: &&OrderId| held_for(&desk, **id) == Some(HoldReason::Market);
    assert_eq!(ids.iter().filter(waits).count(), most);
    desk.apply(venue(VenueState::Connected));
    desk.settle(0);
    let sent = ids.iter().filter(|id| held_for(&desk, **id).is_none()).count();
    assert_eq!(sent, most + 1, "all are sent, or refused");
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).open_sells, 10 * i64::try_from(most).unwrap());
}

#[test]
fn a_late_fill_of_the_parent_makes_both_exits_larger() {
    let mut desk = real_desk();
    let [entry, take, out] = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    step(&mut desk, report(entry, ReportKind::Canceled, None));
    check_order(&desk, take, OrderStatus::PendingNew, 0, 60);
    check_order(&desk, out, OrderStatus::Held, 0, 60);
    step(&mut desk, report(take, ReportKind::Accepted, None));
    let events = step(&mut desk, fill(entry, 2, 10_000, 20, 0));
    let told = ["risk.order_approved", "order.replace_submitted", "order.replaced"];
    assert_eq!(types(&events)[3..], told);
    check_order(&desk, take, OrderStatus::PendingReplace, 0, 60);
    check_order(&desk, out, OrderStatus::Held, 0, 80);
    // The rest comes while the replace is on its way, and an exit is filled in part.
    step(&mut desk, fill(entry, 3, 10_000, 20, 0));
    check_order(&desk, out, OrderStatus::Held, 0, 100);
    let events = step(&mut desk, replaced(take, 10_500, 80));
    assert_eq!(types(&events), ["order.replaced", "risk.order_approved", "order.replace_submitted"]);
    step(&mut desk, replaced(take, 10_500, 100));
    check_order(&desk, take, OrderStatus::New, 0, 100);
    step(&mut desk, fill(take, 1, 10_500, 40, 0));
    check_order(&desk, out, OrderStatus::Held, 0, 60);
    step(&mut desk, fill(take, 2, 10_500, 60, 0));
    check_order(&desk, out, OrderStatus::Canceled, 0, 0);
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 0);
}

#[test]
fn exits_grow_no_further_than_what_was_asked_for_and_what_others_left() {
    let mut desk = real_desk();
    let (entry, _) = enter(&mut desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    let (take, _) = enter(&mut desk, exit(limit(Side::Sell, 10_500, 70)));
    let (child, _) = enter(&mut desk, linked(limit(Side::Sell, 10_600, 65), 9, Contingency::Child));
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    step(&mut desk, report(entry, ReportKind::Expired, None));
    for id in [take, child] {
        step(&mut desk, report(id, ReportKind::Accepted, None));
        check_order(&desk, id, OrderStatus::New, 0, 60);
    }
    let events = step(&mut desk, fill(entry, 2, 10_000, 40, 0));
    let asked: Vec<_> = events
        .iter()
        .filter_map(|event| {
            if let Event::ReplaceSubmitted(new) = event { Some((new.order, new.qty.0)) } else { None }
        })
        .collect();
    assert_eq!(asked, [(take, 70), (child, 65)]);
}

#[test]
fn a_refused_replace_of_the_core_is_tried_again_after_a_pause() {
    let mut desk = real_desk();
    let [entry, take, _] = bracket(&mut desk);
    let (second, _) = enter(&mut desk, exit(limit(Side::Sell, 10_600, 100)));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, report(second, ReportKind::Accepted, None));
    step(&mut desk, fill(take, 1, 10_500, 40, 0));
    check_order(&desk, second, OrderStatus::PendingReplace, 0, 100);
    step(&mut desk, report(second, ReportKind::ReplaceRejected, Some(Reject::VenueRejected)));
    check_order(&desk, second, OrderStatus::New, 0, 100);
    assert_eq!(step(&mut desk, quote(SPOT, 9_990, 10_010)), [], "not at once");
    let mut desk = desk.restarted();
    desk.time += 1_000_000_000;
    let events = step(&mut desk, quote(SPOT, 9_990, 10_010));
    let [Event::ReplaceSubmitted(again)] = events[..] else { panic!("{events:?}") };
    assert_eq!((again.order, again.qty), (second, Qty(60)));
    assert_eq!(step(&mut desk, quote(SPOT, 9_990, 10_010)), [], "it is on its way");
    // What the other one fills meanwhile is asked for with the answer.
    step(&mut desk, fill(take, 2, 10_500, 20, 0));
    check_order(&desk, second, OrderStatus::PendingReplace, 0, 100);
    let events = step(&mut desk, replaced(second, 10_600, 60));
    assert_eq!(types(&events), ["order.replaced", "order.replace_submitted"]);
    step(&mut desk, replaced(second, 10_600, 40));
    check_order(&desk, second, OrderStatus::New, 0, 40);
    desk.time += 2_000_000_000;
    assert_eq!(step(&mut desk, quote(SPOT, 9_990, 10_010)), [], "nothing is due any more");
}

#[test]
fn a_reduction_waits_for_a_venue_that_is_away() {
    let mut desk = real_desk();
    let (entry, _) = enter(&mut desk, linked(limit(Side::Buy, 10_000, 100), 9, Contingency::Parent));
    let (here, _) = enter(&mut desk, exit(limit(Side::Sell, 10_500, 100)));
    let (there, _) = enter(&mut desk, NewOrder { venue: OTHER, ..exit(limit(Side::Sell, 10_600, 100)) });
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, venue(VenueState::Disconnected));
    step(&mut desk, fill(there, 1, 10_600, 30, 0));
    check_order(&desk, here, OrderStatus::PendingNew, 0, 100);
    let events = step(&mut desk, venue(VenueState::Connected));
    let [Event::ReplaceSubmitted(new)] = events[..] else { panic!("{events:?}") };
    assert_eq!((new.order, new.qty), (here, Qty(70)));
}

#[test]
fn the_client_may_still_replace_what_has_waited() {
    let mut desk = real_desk();
    let [entry, take, _] = bracket(&mut desk);
    step(&mut desk, venue(VenueState::Disconnected));
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    let asked = ReplaceOrder {
        order: take,
        price: Price(10_700),
        qty: Qty(50),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    };
    assert_eq!(types(&step(&mut desk, asked)), ["order.replaced"]);
    let events = step(&mut desk, venue(VenueState::Connected));
    let Some(Event::OrderSubmitted(sent)) = events.last() else { panic!("{events:?}") };
    assert_eq!((sent.price, sent.qty), (Price(10_700), Qty(50)));
}
