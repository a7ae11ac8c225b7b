//! Orders with rare terms, and what must hold of all sums after each command.

use super::desk::{ALICE, Desk, LINEAR, SPOT};
use std::collections::BTreeMap;
use tickwerk_domain::command::{NewOrder, SimulatedVenueSet};
use tickwerk_domain::{
    AccountId, Contingency, DurationNs, Event, InstrumentId, OrderId, OrderStatus, OrderType, Price, Qty,
    Side, TimeInForce,
};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::replay::Replay;

/// A desk with quotes whose simulated venue never answers, so that each test speaks for the venue.
pub(crate) fn quiet_desk() -> Desk {
    let mut desk = Desk::with_quotes();
    for instrument in [SPOT, LINEAR] {
        assert_eq!(desk.apply(SimulatedVenueSet::touch(instrument, DurationNs(u64::MAX))), []);
    }
    desk
}

/// An order of Alice's in the spot market that waits for a trigger.
pub(crate) fn triggered(order_type: OrderType, side: Side, trigger: i64, price: i64, qty: i64) -> NewOrder {
    NewOrder {
        order_type,
        trigger_price: Price(trigger),
        ..NewOrder::limit(ALICE, SPOT, side, Price(price), Qty(qty))
    }
}

pub(crate) fn stop(side: Side, trigger: i64, qty: i64) -> NewOrder {
    triggered(OrderType::Stop, side, trigger, 0, qty)
}

pub(crate) fn limit(side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder::limit(ALICE, SPOT, side, Price(price), Qty(qty))
}

pub(crate) fn lasting(order: NewOrder, time_in_force: TimeInForce) -> NewOrder {
    NewOrder { time_in_force, ..order }
}

pub(crate) fn linked(order: NewOrder, link: u64, contingency: Contingency) -> NewOrder {
    NewOrder { link, contingency, ..order }
}

/// Applies an order and gives its id with its events.
pub(crate) fn enter(desk: &mut Desk, order: NewOrder) -> (OrderId, Vec<Event>) {
    let id = desk.next_id();
    let events = desk.apply(order);
    assert_sums(desk.machine());
    (id, events)
}

/// Status, filled and left of an order.
pub(crate) fn check_order(desk: &Desk, id: OrderId, status: OrderStatus, cum_qty: i64, leaves: i64) {
    let order = desk.machine().orders().by_id(id).expect("the order is known");
    assert_eq!((order.status, order.cum_qty.0, order.leaves().0), (status, cum_qty, leaves));
}

/// The reason that an order or a command was refused, replaced or ended for; 0 where there is none.
pub(crate) fn reason_of(events: &[Event]) -> u16 {
    events
        .iter()
        .find_map(|event| {
            if let Event::OrderRejected(event) = event {
                Some(event.reason.0)
            } else if let Event::ReplaceRejected(event) = event {
                Some(event.reason.0)
            } else if let Event::CommandRefused(event) = event {
                Some(event.reason.0)
            } else if let Event::OrderCanceled(event) = event {
                Some(event.reason.0)
            } else {
                None
            }
        })
        .unwrap_or(0)
}

/// What open orders add is the sum over them: to each position and to each account.
pub(crate) fn assert_sums(machine: &Machine) {
    let mut open: BTreeMap<(AccountId, InstrumentId), (i64, i64)> = BTreeMap::new();
    let mut counts: BTreeMap<AccountId, u32> = BTreeMap::new();
    for order in machine.orders().open() {
        *counts.entry(order.account).or_default() += 1;
        let terms = machine.orders().terms_by_id(order.id);
        let sums = open.entry((order.account, order.instrument)).or_default();
        if terms.is_none_or(|terms| terms.is_counted) {
            let later = terms.and_then(|terms| terms.replacement).map_or(order.qty, |new| new.qty);
            let leaves = later.max(order.qty).0 - order.cum_qty.0;
            match order.side {
                Side::Buy => sums.0 += leaves,
                Side::Sell => sums.1 += leaves,
            }
        }
        let held = terms.is_some_and(|terms| terms.hold.is_some());
        assert_eq!(order.status == OrderStatus::Held, held, "order {}", order.id);
        assert_eq!(order.leaves().0, order.qty.0 - order.cum_qty.0);
    }
    for (account, row) in machine.accounts().accounts() {
        assert_eq!(row.open_orders, counts.get(&account).copied().unwrap_or(0), "account {account}");
        for slot in machine.instruments() {
            let instrument = slot.definition.instrument;
            let position = machine.positions().get(account, instrument);
            let sums = open.get(&(account, instrument)).copied().unwrap_or_default();
            assert_eq!((position.open_buys, position.open_sells), sums, "{account} in {instrument}");
            let own: Vec<_> = machine.orders().open_of(account, instrument).map(|order| order.id).collect();
            let all: Vec<_> = machine
                .orders()
                .open()
                .filter(|order| (order.account, order.instrument) == (account, instrument))
                .map(|order| order.id)
                .collect();
            assert_eq!(own, all, "the list of {account} in {instrument}");
        }
    }
}

/// A restart in the middle comes to the same: what is rebuilt of the frames so far is in the same state and goes on alike.
pub(crate) fn assert_replays(desk: &Desk) {
    let mut replay = Replay::new();
    for frame in &desk.frames {
        assert_eq!(replay.apply(frame), Ok(()));
    }
    assert_eq!(replay.core().digest(), desk.core.digest());
}
