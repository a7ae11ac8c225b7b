//! Linked orders of the model, and orders that may only reduce: what a fill or an end means for others.

use super::super::desk::instrument;
use super::held::shares;
use super::model::{Due, Group, Model, Order, Place};
use tickwerk_domain::{Contingency, HoldReason, OrderId, OrderStatus, Reject, Side};

/// A leg that was triggered and waits for others of its group.
fn waits_to_leave(order: &Order) -> bool {
    order.is_fired && order.hold == Some(HoldReason::Trigger)
}

impl Model {
    fn group_of(&mut self, id: OrderId) -> Option<&mut Group> {
        let asked = self.orders[&id].asked;
        self.groups.get_mut(&(asked.account, asked.link))
    }

    /// Open members of the order's group but for itself, in order of entry.
    fn siblings(&mut self, id: OrderId) -> Vec<OrderId> {
        let members = self.group_of(id).map(|group| group.members.clone()).unwrap_or_default();
        members.into_iter().filter(|other| *other != id).collect()
    }

    /// Takes an order that was let in into its group.
    pub(super) fn join(&mut self, id: OrderId) {
        let asked = self.orders[&id].asked;
        if asked.contingency == Contingency::None {
            return;
        }
        let group = self.groups.entry((asked.account, asked.link)).or_default();
        group.members.push(id);
        if asked.contingency == Contingency::Parent {
            group.parent = Some((asked.instrument, asked.side));
        }
        let is_late = group.is_parent_done;
        if is_late && self.orders[&id].hold == Some(HoldReason::Parent) {
            self.owe(id, Due::Release);
        }
    }

    /// What a child may be released for.
    pub(super) fn released_qty(&mut self, id: OrderId) -> i64 {
        let is_exit = self.orders[&id].asked.contingency == Contingency::BracketExit;
        let group = self.group_of(id).expect("a child has a group");
        group.parent_filled - if is_exit { group.exits_filled } else { 0 }
    }

    /// What a fill of an order means for its group.
    pub(super) fn filled_linked(&mut self, id: OrderId, qty: i64) {
        let contingency = self.orders[&id].asked.contingency;
        let siblings = self.siblings(id);
        let Some(group) = self.group_of(id) else { return };
        match contingency {
            Contingency::None | Contingency::Child => {}
            Contingency::Parent => group.parent_filled += qty,
            Contingency::Oco => {
                group.is_spent = true;
                for other in siblings {
                    self.owe(other, Due::Cancel(Reject::LinkedOrderDone));
                }
            }
            Contingency::BracketExit => {
                group.exits_filled += qty;
                for other in siblings {
                    let order = self.order(other);
                    let is_exit = order.asked.contingency == Contingency::BracketExit;
                    if is_exit && order.hold != Some(HoldReason::Parent) {
                        order.lost += qty;
                        self.owe(other, Due::Reduce);
                    }
                }
            }
        }
    }

    /// A fill is another one now, by `change`.
    pub(super) fn restated_linked(&mut self, id: OrderId, change: i64) {
        let contingency = self.orders[&id].asked.contingency;
        let siblings = self.siblings(id);
        let Some(group) = self.group_of(id).filter(|_| change != 0) else { return };
        match contingency {
            Contingency::None | Contingency::Child | Contingency::Oco => {}
            Contingency::BracketExit if change > 0 => self.filled_linked(id, change),
            Contingency::BracketExit => group.exits_filled += change,
            Contingency::Parent => {
                group.parent_filled += change;
                let (filled, exits_filled) = (group.parent_filled, group.exits_filled);
                for other in siblings {
                    let order = self.order(other);
                    let is_exit = order.asked.contingency == Contingency::BracketExit;
                    let closed = if is_exit { exits_filled } else { order.filled };
                    let lost = order.left() - order.lost - (filled - closed);
                    if lost > 0 && order.hold != Some(HoldReason::Parent) {
                        order.lost += lost;
                        self.owe(other, Due::Reduce);
                    }
                }
            }
        }
    }

    /// An order is done: it leaves its group, and others get their due.
    pub(super) fn unlink(&mut self, id: OrderId, status: OrderStatus) {
        self.timers.remove(&(tickwerk_domain::TimerKind::OrderExpiry as u8, id.0));
        let order = self.order(id);
        (order.hold, order.replacement, order.is_counted) = (None, None, false);
        let contingency = order.asked.contingency;
        let siblings = self.siblings(id);
        let Some(group) = self.group_of(id).filter(|group| group.members.contains(&id)) else { return };
        group.members.retain(|member| *member != id);
        match contingency {
            Contingency::None | Contingency::Child => {}
            Contingency::Parent => {
                group.is_parent_done = true;
                let is_filled = group.parent_filled > 0;
                let due = if is_filled { Due::Release } else { Due::Cancel(Reject::ParentUnfilled) };
                for other in siblings {
                    self.owe(other, due);
                }
            }
            Contingency::Oco | Contingency::BracketExit => {
                let ends_all = contingency == Contingency::BracketExit && status != OrderStatus::Rejected;
                for other in siblings {
                    let is_exit = self.orders[&other].asked.contingency == Contingency::BracketExit;
                    if waits_to_leave(&self.orders[&other]) {
                        self.owe(other, Due::Leave);
                    } else if ends_all && is_exit {
                        self.owe(other, Due::Cancel(Reject::LinkedOrderDone));
                    }
                }
            }
        }
    }

    /// The venue has refused to cancel a leg: others that were triggered wait for it no more.
    pub(super) fn stop_waiting_for(&mut self, id: OrderId) {
        if !shares(&self.orders[&id]) {
            return;
        }
        self.order(id).refused_cancel = true;
        for other in self.siblings(id) {
            if waits_to_leave(&self.orders[&other]) {
                self.owe(other, Due::Leave);
            }
        }
    }

    /// Whether a leg that was triggered has to wait for others at the venue; those that were not triggered themselves
    /// are asked to be cancelled.
    pub(super) fn waits_for_siblings(&mut self, id: OrderId) -> bool {
        if !shares(&self.orders[&id]) {
            return false;
        }
        let mut waits = false;
        for other in self.siblings(id) {
            let order = &self.orders[&other];
            let is_there = order.status != OrderStatus::Held && shares(order) && !order.refused_cancel;
            if is_there {
                waits = true;
                if !order.is_fired {
                    self.request_cancel(other, Reject::LinkedOrderDone);
                }
            }
        }
        waits
    }

    /// Orders that may only reduce lose what their position has lost, the newest first.
    pub(super) fn keep_reducing(&mut self, place: Place) {
        let (held, lot) = (self.position(place).qty, instrument(place.1).lot_size.0);
        let (mut buys, mut sells) = ((-held).max(0), held.max(0));
        let mine: Vec<_> = self
            .open_orders()
            .filter(|order| order.place() == place && order.is_counted && order.must_reduce())
            .cloned()
            .collect();
        for order in mine {
            let asked = order.replacement.map_or(order.qty, |new| new.qty.min(order.qty));
            let left = asked - order.filled - order.lost;
            let room = if order.asked.side == Side::Buy { &mut buys } else { &mut sells };
            let over = (left - *room).max(0);
            *room = (*room - left).max(0);
            if over > 0 {
                self.order(order.id).lost += (over + lot - 1) / lot * lot;
                self.owe(order.id, Due::Reduce);
            }
        }
    }
}
