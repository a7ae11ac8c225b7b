//! Venues, routes, sessions, and orders whose time is over.

use super::desk::{ALICE, Desk, LINEAR, SPOT, cancel, limit_order, market_order, report, types};
use super::orders_support::{
    assert_replays, assert_sums, check_order, enter, lasting, limit, quiet_desk, reason_of, stop,
};
use tickwerk_domain::command::{
    NewOrder, RouteSet, SessionSet, TimerFired, VenueDefined, VenueStateObserved,
};
use tickwerk_domain::{
    Command, Event, InstrumentId, OrderId, OrderStatus, OrderType, Price, Qty, Reject, ReportKind,
    SessionState, Side, TextId, TimeInForce, TimeNs, TimerKind, VenueId, VenueState,
};
use tickwerk_engine::Decider;
use tickwerk_engine::lifecycle::session;

const PLAIN: VenueId = VenueId(2);
const ABLE: VenueId = VenueId(3);
const DAY_NS: u64 = 86_400_000_000_000;

fn defined(venue: VenueId, capabilities: u64) -> VenueDefined {
    VenueDefined { capabilities, venue, name: TextId::NONE }
}

/// A desk with a venue that can do nothing but limit and market orders, and one that can do all.
fn with_venues() -> Desk {
    let mut desk = quiet_desk();
    assert_eq!(desk.apply(defined(PLAIN, 0)), []);
    assert_eq!(desk.apply(defined(ABLE, VenueDefined::ALL)), []);
    desk
}

fn at(venue: VenueId, order: NewOrder) -> NewOrder {
    NewOrder { venue, ..order }
}

fn state(venue: VenueId, state: VenueState) -> VenueStateObserved {
    VenueStateObserved { venue, state }
}

fn session_set(state: SessionState) -> SessionSet {
    SessionSet { closes_at: TimeNs(0), instrument: SPOT, state }
}

fn sent_to(events: &[Event]) -> Option<VenueId> {
    events
        .iter()
        .find_map(|event| if let Event::OrderSubmitted(order) = event { Some(order.venue) } else { None })
}

#[test]
fn orders_take_the_route_or_the_venue_that_they_name() {
    let mut desk = with_venues();
    let order = limit(Side::Buy, 9_000, 100);
    assert_eq!(sent_to(&enter(&mut desk, order).1), Some(VenueId::SIMULATED));
    assert_eq!(sent_to(&enter(&mut desk, at(PLAIN, order)).1), Some(PLAIN));
    assert_eq!(desk.apply(RouteSet { instrument: SPOT, venue: ABLE, fallback: PLAIN }), []);
    assert_eq!(sent_to(&enter(&mut desk, order).1), Some(ABLE));
    assert_eq!(
        sent_to(&enter(&mut desk, limit_order(LINEAR, Side::Buy, 9_000, 100)).1),
        Some(VenueId::SIMULATED)
    );
    desk.apply(state(ABLE, VenueState::Disconnected));
    assert_eq!(sent_to(&enter(&mut desk, order).1), Some(PLAIN));
    let named = enter(&mut desk, at(ABLE, order)).1;
    assert_eq!(reason_of(&named), Reject::VenueDisconnected as u16);
    desk.apply(state(PLAIN, VenueState::Disconnected));
    assert_eq!(reason_of(&enter(&mut desk, order).1), Reject::VenueDisconnected as u16);
    desk.apply(state(ABLE, VenueState::Connected));
    assert_eq!(sent_to(&enter(&mut desk, order).1), Some(ABLE));
    assert_eq!(reason_of(&enter(&mut desk, at(VenueId(9), order)).1), Reject::UnknownVenue as u16);
    assert_eq!(reason_of(&enter(&mut desk, at(VenueId(u16::MAX), order)).1), Reject::UnknownVenue as u16);
    assert_replays(&desk);
}

#[test]
fn the_simulated_venue_sees_its_own_orders_only() {
    let mut desk = with_venues();
    let (id, _) = enter(&mut desk, at(PLAIN, limit(Side::Buy, 10_010, 100)));
    assert_eq!(desk.core.venue().open_orders(), 0);
    desk.apply(cancel(id));
    assert_eq!(desk.settle(u64::MAX), []);
    check_order(&desk, id, OrderStatus::PendingCancel, 0, 100);
    enter(&mut desk, limit(Side::Buy, 9_000, 100));
    assert_eq!(desk.core.venue().open_orders(), 1);
}

#[test]
fn definitions_of_venues_that_cannot_be_are_refused() {
    let mut desk = with_venues();
    let route = RouteSet { instrument: SPOT, venue: PLAIN, fallback: VenueId::NONE };
    let cases: [(Command, Reject); 8] = [
        (defined(VenueId(0), 0).into(), Reject::IdOutOfRange),
        (defined(VenueId(16), 0).into(), Reject::IdOutOfRange),
        (defined(PLAIN, u64::MAX).into(), Reject::ValueOutOfRange),
        (RouteSet { instrument: InstrumentId(9), ..route }.into(), Reject::UnknownInstrument),
        (RouteSet { venue: VenueId(0), ..route }.into(), Reject::UnknownVenue),
        (RouteSet { venue: VenueId(9), ..route }.into(), Reject::UnknownVenue),
        (RouteSet { fallback: VenueId(9), ..route }.into(), Reject::UnknownVenue),
        (state(VenueId(9), VenueState::Connected).into(), Reject::UnknownVenue),
    ];
    for (command, reason) in cases {
        let events = desk.apply(command);
        assert_eq!(reason_of(&events), reason as u16, "{command:?}");
    }
}

#[test]
fn what_a_venue_can_do_goes_there_and_what_it_lacks_is_held_or_refused() {
    let mut desk = with_venues();
    let asked = stop(Side::Buy, 10_100, 100);
    let (_, events) = enter(&mut desk, at(ABLE, asked));
    let Event::OrderSubmitted(order) = events[1] else { panic!("{events:?}") };
    assert_eq!((order.order_type, order.trigger_price), (OrderType::Stop, Price(10_100)));
    assert_eq!(types(&enter(&mut desk, at(PLAIN, asked)).1), ["risk.order_approved", "order.held"]);
    let buy = limit(Side::Buy, 9_000, 100);
    for lacking in [
        lasting(buy, TimeInForce::Fok),
        NewOrder { post_only: true, ..buy },
        NewOrder { display_qty: Qty(10), ..buy },
    ] {
        assert_eq!(reason_of(&enter(&mut desk, at(PLAIN, lacking)).1), Reject::VenueLacks as u16);
        assert_eq!(sent_to(&enter(&mut desk, at(ABLE, lacking)).1), Some(ABLE));
    }
}

#[test]
fn a_gtd_order_that_is_held_ends_by_a_timer() {
    let mut desk = with_venues();
    let expires_at = TimeNs(desk.time + 50_000);
    let order = NewOrder { expires_at, ..lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Gtd) };
    let (id, _) = enter(&mut desk, order);
    assert_eq!(desk.core.next_due(), Some(expires_at));
    assert_eq!(desk.settle(expires_at.0 - 1), []);
    let settled = desk.settle(expires_at.0);
    let fired = TimerFired { due: expires_at, subject: id.0, kind: TimerKind::OrderExpiry };
    assert_eq!(settled[0].0, fired.into());
    assert_eq!(types(&settled[0].1), ["order.expired"]);
    check_order(&desk, id, OrderStatus::Expired, 0, 0);
    assert_sums(desk.machine());
    assert_eq!(reason_of(&desk.apply(fired)), Reject::IllegalMove as u16);
    assert_replays(&desk);
}

#[test]
fn the_core_ends_orders_at_venues_that_do_not() {
    let mut desk = with_venues();
    let expires_at = TimeNs(desk.time + 50_000);
    let order = NewOrder { expires_at, ..lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Gtd) };
    let (able, events) = enter(&mut desk, at(ABLE, order));
    let Event::OrderSubmitted(sent) = events[1] else { panic!("{events:?}") };
    assert_eq!((sent.time_in_force, sent.expires_at), (TimeInForce::Gtd, expires_at));
    let (plain, events) = enter(&mut desk, at(PLAIN, order));
    let Event::OrderSubmitted(sent) = events[1] else { panic!("{events:?}") };
    assert_eq!((sent.time_in_force, sent.expires_at), (TimeInForce::Gtc, TimeNs(0)));
    desk.settle(expires_at.0);
    check_order(&desk, able, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, plain, OrderStatus::PendingCancel, 0, 100);
    let events = desk.apply(report(plain, ReportKind::Canceled, Some(Reject::CancelRequested)));
    assert_eq!(types(&events), ["order.expired"]);
    check_order(&desk, plain, OrderStatus::Expired, 0, 0);
    assert_replays(&desk);
}

#[test]
fn a_day_order_ends_with_its_session_or_at_midnight() {
    let mut desk = with_venues();
    let day = lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Day);
    enter(&mut desk, day);
    assert_eq!(desk.machine().timers().next().unwrap().due, TimeNs(DAY_NS));
    let closes_at = TimeNs(desk.time + 1_000_000);
    desk.apply(SessionSet { closes_at, instrument: SPOT, state: SessionState::Continuous });
    let (id, _) = enter(&mut desk, day);
    assert_eq!(desk.machine().timers().next().unwrap().due, closes_at);
    desk.settle(closes_at.0);
    check_order(&desk, id, OrderStatus::Expired, 0, 0);
}

#[test]
fn day_orders_follow_a_closing_time_that_changes() {
    let mut desk = with_venues();
    let closes = |closes_at| SessionSet { closes_at, instrument: SPOT, state: SessionState::Continuous };
    let (early, late) = (TimeNs(desk.time + 1_000_000), TimeNs(desk.time + 2_000_000));
    desk.apply(closes(late));
    let day = lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Day);
    let (held, _) = enter(&mut desk, day);
    let (plain, _) = enter(&mut desk, at(PLAIN, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Day)));
    enter(&mut desk, at(ABLE, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Day)));
    let dated = NewOrder { expires_at: late, ..lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Gtd) };
    let (dated, _) = enter(&mut desk, dated);
    let due = |desk: &Desk, id: OrderId| desk.machine().timers().due(TimerKind::OrderExpiry, id.0);
    for closes_at in [early, late, TimeNs(0), early] {
        desk.apply(closes(closes_at));
        let expected = if closes_at == TimeNs(0) { TimeNs(DAY_NS) } else { closes_at };
        for id in [held, plain] {
            assert_eq!(due(&desk, id), Some(expected));
            assert_eq!(desk.machine().orders().terms_by_id(id).unwrap().expires_at, expected);
        }
        assert_eq!(due(&desk, dated), Some(late), "a date is a date");
        assert_eq!(desk.machine().timers().len(), 3, "the venue ends its own");
    }
    let mut desk = desk.restarted();
    desk.settle(early.0);
    check_order(&desk, held, OrderStatus::Expired, 0, 0);
    check_order(&desk, plain, OrderStatus::PendingCancel, 0, 100);
    check_order(&desk, dated, OrderStatus::Held, 0, 100);
}

#[test]
fn many_day_orders_follow_over_several_frames() {
    let mut desk = with_venues();
    let day = lasting(limit(Side::Buy, 9_000, 10), TimeInForce::Day);
    let enter = |desk: &mut Desk| {
        let id = desk.next_id();
        desk.apply(at(PLAIN, day));
        id
    };
    let ids: Vec<_> = (0..1_100).map(|_| enter(&mut desk)).collect();
    let closes_at = TimeNs(desk.time + 1_000_000);
    desk.apply(SessionSet { closes_at, instrument: SPOT, state: SessionState::Continuous });
    desk.settle(0);
    let timers = desk.machine().timers();
    assert!(ids.iter().all(|id| timers.due(TimerKind::OrderExpiry, id.0) == Some(closes_at)));
}

#[test]
fn a_timer_goes_with_its_order() {
    let mut desk = with_venues();
    let (id, _) = enter(&mut desk, lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Day));
    assert_eq!(desk.machine().timers().len(), 1);
    desk.apply(cancel(id));
    assert!(desk.machine().timers().is_empty());
    let order = at(ABLE, lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Day));
    enter(&mut desk, order);
    assert!(desk.machine().timers().is_empty(), "the venue ends it");
}

#[test]
fn a_close_ends_day_orders_and_those_for_an_auction_that_never_came() {
    let mut desk = with_venues();
    let (held, _) = enter(&mut desk, lasting(stop(Side::Buy, 10_100, 100), TimeInForce::Day));
    let (plain, _) = enter(&mut desk, at(PLAIN, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Day)));
    let (able, _) = enter(&mut desk, at(ABLE, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Day)));
    let (auction, _) =
        enter(&mut desk, at(PLAIN, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::AtTheClose)));
    let (stays, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100));
    let events = desk.apply(session_set(SessionState::Closed));
    assert_eq!(types(&events), ["order.expired", "order.cancel_submitted", "order.expired"]);
    check_order(&desk, held, OrderStatus::Expired, 0, 0);
    check_order(&desk, plain, OrderStatus::PendingCancel, 0, 100);
    check_order(&desk, able, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, auction, OrderStatus::Expired, 0, 0);
    check_order(&desk, stays, OrderStatus::Held, 0, 100);
    assert_eq!(reason_of(&enter(&mut desk, limit(Side::Buy, 9_000, 100)).1), Reject::MarketClosed as u16);
    assert_eq!(types(&desk.apply(cancel(stays))), ["order.canceled"], "a cancel is always taken");
    assert_replays(&desk);
}

#[test]
fn auction_orders_wait_for_their_auction_where_the_venue_has_none() {
    let mut desk = with_venues();
    desk.apply(session_set(SessionState::Halted));
    desk.apply(session_set(SessionState::PreOpen));
    let open = at(PLAIN, lasting(limit(Side::Buy, 9_000, 100), TimeInForce::AtTheOpen));
    let (id, events) = enter(&mut desk, open);
    assert_eq!(types(&events), ["risk.order_approved", "order.held"]);
    let (able, events) = enter(&mut desk, NewOrder { venue: ABLE, ..open });
    let Event::OrderSubmitted(sent) = events[1] else { panic!("{events:?}") };
    assert_eq!(sent.time_in_force, TimeInForce::AtTheOpen);
    let events = desk.apply(session_set(SessionState::OpeningAuction));
    assert_eq!(types(&events), ["order.triggered", "risk.order_approved", "order.submitted"]);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    check_order(&desk, able, OrderStatus::PendingNew, 0, 100);
    let close = NewOrder { order_type: OrderType::Market, price: Price(0), ..open };
    let (id, _) = enter(&mut desk, lasting(close, TimeInForce::AtTheClose));
    desk.apply(session_set(SessionState::Continuous));
    check_order(&desk, id, OrderStatus::Held, 0, 100);
    desk.apply(session_set(SessionState::ClosingAuction));
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    assert_replays(&desk);
}

#[test]
fn every_move_of_a_session_is_taken_or_refused_as_the_table_says() {
    for from in SessionState::ALL {
        for to in SessionState::ALL {
            let mut desk = quiet_desk();
            let way: &[SessionState] = match from {
                SessionState::Continuous => &[],
                SessionState::PreOpen => &[SessionState::Halted, SessionState::PreOpen],
                SessionState::OpeningAuction => &[SessionState::Halted, SessionState::OpeningAuction],
                SessionState::ClosingAuction => &[SessionState::ClosingAuction],
                SessionState::Halted => &[SessionState::Halted],
                SessionState::Closed => &[SessionState::Closed],
            };
            for state in way {
                assert_eq!(desk.apply(session_set(*state)), []);
            }
            let events = desk.apply(session_set(*to));
            let expected = if session::is_allowed(*from, *to) { 0 } else { Reject::IllegalMove as u16 };
            assert_eq!(reason_of(&events), expected, "{from} to {to}");
            let now = desk.machine().market(SPOT).session;
            assert_eq!(now, if expected == 0 { *to } else { *from });
            let takes = now.takes_orders();
            let entered = enter(&mut desk, market_order(SPOT, Side::Buy, 100)).1;
            assert_eq!(reason_of(&entered), if takes { 0 } else { Reject::MarketClosed as u16 }, "{now}");
        }
    }
    let mut desk = Desk::new();
    let unknown = SessionSet { instrument: InstrumentId(70), ..session_set(SessionState::Closed) };
    assert_eq!(reason_of(&desk.apply(unknown)), Reject::UnknownInstrument as u16);
}

#[test]
fn many_day_orders_end_over_several_frames() {
    let mut desk = with_venues();
    let ids: Vec<_> = (0..300)
        .map(|_| enter(&mut desk, at(PLAIN, lasting(limit(Side::Buy, 9_000, 10), TimeInForce::Day))).0)
        .collect();
    desk.apply(report(ids[0], ReportKind::Canceled, None));
    desk.apply(session_set(SessionState::Closed));
    assert!(desk.machine().continuation().is_some());
    desk.settle(0);
    for id in &ids[1..] {
        check_order(&desk, *id, OrderStatus::PendingCancel, 0, 10);
    }
    let open = desk.machine().orders().open_of(ALICE, SPOT).count();
    assert_eq!(open, 299);
    assert_replays(&desk);
}
