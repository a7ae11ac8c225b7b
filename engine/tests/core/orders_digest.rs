//! Whatever decides on held, linked and replaced orders, on venues and on sessions is in the digest.

use super::desk::{ALICE, Desk, SPOT, quote};
use super::orders_support::{lasting, limit, linked, quiet_desk, stop, triggered};
use tickwerk_domain::command::{
    MassCancel, NewOrder, ReplaceOrder, RouteSet, SessionSet, VenueDefined, VenueStateObserved,
};
use tickwerk_domain::{
    ClientOrderId, Command, Contingency, InstrumentId, OrderId, OrderType, Price, Qty, ReportKind,
    SessionState, Side, SideFilter, StrategyId, TextId, TimeInForce, TimeNs, VenueId, VenueState,
};

fn steps(first: OrderId) -> Vec<Command> {
    let trailing = triggered(OrderType::TrailingStop, Side::Sell, 0, 0, 100);
    let venue = VenueDefined { capabilities: 3, venue: VenueId(2), name: TextId::NONE };
    let session = SessionSet { closes_at: TimeNs(0), instrument: SPOT, state: SessionState::Continuous };
    let replace = ReplaceOrder {
        order: first,
        price: Price(9_010),
        qty: Qty(0),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    };
    vec![
        limit(Side::Buy, 9_000, 100).into(),
        replace.into(),
        stop(Side::Buy, 10_100, 100).into(),
        NewOrder { trail_offset: 100, ..trailing }.into(),
        quote(SPOT, 10_000, 10_020).into(),
        quote(SPOT, 10_090, 10_110).into(),
        lasting(stop(Side::Buy, 10_500, 100), TimeInForce::Day).into(),
        linked(limit(Side::Buy, 9_000, 100), 1, Contingency::Parent).into(),
        linked(limit(Side::Sell, 10_900, 100), 1, Contingency::BracketExit).into(),
        venue.into(),
        VenueDefined { capabilities: 7, ..venue }.into(),
        VenueStateObserved { venue: VenueId(2), state: VenueState::Disconnected }.into(),
        RouteSet { instrument: SPOT, venue: VenueId(1), fallback: VenueId(2) }.into(),
        RouteSet { instrument: SPOT, venue: VenueId(2), fallback: VenueId(1) }.into(),
        SessionSet { closes_at: TimeNs(1 << 50), ..session }.into(),
        SessionSet { state: SessionState::ClosingAuction, ..session }.into(),
        MassCancel {
            account: ALICE,
            instrument: InstrumentId(0),
            strategy: StrategyId::NONE,
            reason: TextId::NONE,
            side: SideFilter::Any,
        }
        .into(),
    ]
}

#[test]
fn every_step_changes_the_digest_and_the_same_steps_give_the_same() {
    let (mut desk, mut twin) = (quiet_desk(), quiet_desk());
    let mut seen = vec![desk.machine().digest()];
    for command in steps(desk.next_id()) {
        desk.apply(command);
        twin.apply(command);
        let digest = desk.machine().digest();
        assert!(!seen.contains(&digest), "{command:?}");
        assert_eq!(digest, twin.machine().digest());
        seen.push(digest);
    }
}

/// The digest after an order.
fn after(order: NewOrder) -> u64 {
    let mut desk: Desk = quiet_desk();
    desk.apply(order);
    desk.machine().digest()
}

#[test]
fn each_term_of_an_order_counts() {
    let plain = stop(Side::Buy, 10_500, 100);
    let others = [
        NewOrder { trigger_price: Price(10_510), ..plain },
        NewOrder { trigger_by: tickwerk_domain::TriggerBy::Mid, ..plain },
        NewOrder { time_in_force: TimeInForce::Day, ..plain },
        NewOrder { time_in_force: TimeInForce::Gtd, expires_at: TimeNs(1 << 60), ..plain },
        NewOrder { time_in_force: TimeInForce::Gtd, expires_at: TimeNs(1 << 61), ..plain },
        NewOrder { venue: VenueId::SIMULATED, ..plain },
        NewOrder { link: 1, contingency: Contingency::Oco, ..plain },
        NewOrder { link: 2, contingency: Contingency::Oco, ..plain },
        NewOrder { link: 2, contingency: Contingency::Parent, ..plain },
        NewOrder { position_effect: tickwerk_domain::PositionEffect::Open, ..plain },
    ];
    let mut seen = vec![after(plain)];
    for order in others {
        let digest = after(order);
        assert!(!seen.contains(&digest), "{order:?}");
        seen.push(digest);
    }
}

/// Which order is forgotten first is state like any other.
#[test]
fn the_order_in_which_orders_were_done_counts() {
    let digests = [[0, 1], [1, 0]].map(|sequence| {
        let mut desk = quiet_desk();
        let orders = [(); 2].map(|()| {
            let id = desk.next_id();
            desk.apply(limit(Side::Buy, 9_000, 100));
            id
        });
        for place in sequence {
            desk.apply(super::desk::report(orders[place], ReportKind::Canceled, None));
        }
        desk.machine().digest()
    });
    assert_ne!(digests[0], digests[1]);
}

/// Times far from now differ too.
#[test]
fn every_bit_of_the_end_of_a_session_counts() {
    let digest = |closes_at| {
        let mut desk = quiet_desk();
        let state = SessionState::ClosingAuction;
        desk.apply(SessionSet { closes_at: TimeNs(closes_at), instrument: SPOT, state });
        desk.machine().digest()
    };
    let digests: Vec<_> = (0..64).map(|bit| digest(1 << bit)).chain([digest(0)]).collect();
    assert!((1..digests.len()).all(|place| !digests[..place].contains(&digests[place])));
}
