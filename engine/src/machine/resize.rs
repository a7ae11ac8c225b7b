//! Quantities that the core changes by itself: what a sibling filled or a position lost is taken from an order, what a
//! parent was filled late is given to its released children.
//!
//! At the venue that is a replace. One that cannot be asked for now, or that the venue refused, is tried again at the
//! next chance: when what is on its way is answered, when the connection is found again, or with an observation of the
//! market, a pause after a refusal. Taking has no other way out but a cancel; what cannot be given stays as it is.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::orders::terms::{Owed, Replacement};
use crate::risk::Approval;
use tickwerk_domain::command::VenueDefined;
use tickwerk_domain::{Contingency, DurationNs, HoldReason, OrderStatus, Price, Qty, Reject, VenueState};

/// From a refused replace to the next one.
const ASK_AGAIN: DurationNs = DurationNs(1_000_000_000);

impl Machine {
    /// Takes from an order what it lost and gives it what it may get; `false` where nothing is left and it ends.
    pub(super) fn resize(&mut self, slot: u32, out: &mut EventBuffer) -> bool {
        if !self.lose(slot, out) {
            return false;
        }
        self.grow(slot, out);
        let status = self.orders.get(slot).status;
        let is_due = |terms: &crate::orders::Terms| terms.lost > Qty::ZERO || terms.may_grow;
        if status != OrderStatus::Held && !self.orders.terms(slot).is_some_and(is_due) {
            self.stop_waiting(slot);
        }
        true
    }

    /// What was asked of the venue is answered: what waited for that is owed.
    pub(super) fn resize_if_due(&mut self, slot: u32) {
        let is_done = self.orders.get(slot).status.is_done();
        let terms = self.orders.terms(slot).filter(|_| !is_done);
        if terms.is_some_and(|terms| terms.lost > Qty::ZERO || terms.may_grow) {
            self.orders.owe(slot, Owed::Resize, &mut self.digest);
        }
    }

    /// The venue has refused a replace of the core's own to `asked`.
    pub(super) fn try_again_later(&mut self, slot: u32, asked: Qty) {
        let order = *self.orders.get(slot);
        if order.status.is_done() {
            return;
        }
        let retry_at = self.now.saturating_add(ASK_AGAIN);
        let reason = self.reason_to_lose(slot);
        let terms = self.orders.terms_mut(slot);
        terms.retry_at = retry_at;
        terms.lost.0 += (order.qty.0 - asked.0).max(0);
        terms.may_grow |= asked > order.qty;
        if !self.wait_for_chance(slot) && asked < order.qty {
            self.orders.owe(slot, Owed::Cancel(reason), &mut self.digest);
        }
    }

    fn reason_to_lose(&self, slot: u32) -> Reject {
        let is_linked = self.orders.terms(slot).is_some_and(|terms| terms.asked.link != 0);
        if is_linked { Reject::LinkedOrderDone } else { Reject::ReduceOnly }
    }

    /// Takes from an order what its siblings filled, or what there is no position for.
    fn lose(&mut self, slot: u32, out: &mut EventBuffer) -> bool {
        let lost = std::mem::replace(&mut self.orders.terms_mut(slot).lost, Qty::ZERO);
        let order = *self.orders.get(slot);
        if lost <= Qty::ZERO {
            return true;
        }
        let reason = self.reason_to_lose(slot);
        // A smaller quantity that is on its way counts.
        let replacement = self.orders.terms(slot).and_then(|terms| terms.replacement);
        let asked = replacement.map_or(order.qty, |new| new.qty.min(order.qty));
        if lost.0 >= asked.0 - order.cum_qty.0 {
            self.request_cancel(slot, reason, out);
            return false;
        }
        let qty = Qty(order.qty.0 - lost.0);
        if order.status == OrderStatus::Held {
            self.resize_held(slot, qty, None, out);
        } else if !self.reduce_at_venue(slot, qty, reason, out) {
            self.orders.terms_mut(slot).lost = lost;
        }
        true
    }

    /// Gives a held order another quantity, with what the risk check made of it where there was one.
    fn resize_held(&mut self, slot: u32, qty: Qty, approval: Option<&Approval>, out: &mut EventBuffer) {
        let was_counted = self.orders.terms(slot).is_some_and(|terms| terms.is_counted);
        let price = self.orders.get(slot).price;
        self.uncount(slot);
        self.orders.get_mut(slot).restate(price, qty);
        if was_counted {
            self.count(slot, None);
        } else {
            self.count_open(slot);
        }
        self.tell_approval(slot, approval, out);
        self.push_replaced(slot, out);
    }

    /// Lowers the quantity of an order at the venue; where it never can be lowered there, the order is cancelled. `false`
    /// where it is to be tried again.
    fn reduce_at_venue(&mut self, slot: u32, qty: Qty, reason: Reject, out: &mut EventBuffer) -> bool {
        let order = *self.orders.get(slot);
        let replacement = self.orders.terms(slot).and_then(|terms| terms.replacement);
        if order.status == OrderStatus::PendingCancel || replacement.is_some_and(|new| new.is_own) {
            return false;
        }
        let reservation = self.reservation_of(slot, order.reserve_price, qty);
        let can_ask = self.can_replace(slot) && replacement.is_none();
        match reservation.filter(|_| can_ask) {
            None => self.request_cancel(slot, reason, out),
            Some(_) if !self.is_connected(slot) && self.wait_for_chance(slot) => return false,
            Some(reservation) => {
                let new = Replacement { reserve_price: reservation.price, ..self.resized(slot, qty) };
                self.begin_replace(slot, new, (reservation.amount, None), out);
            }
        }
        true
    }

    /// Gives an exit or child what its parent was filled late, where it passes the risk check.
    fn grow(&mut self, slot: u32, out: &mut EventBuffer) {
        if !self.orders.terms(slot).is_some_and(|terms| terms.may_grow) {
            return;
        }
        let order = *self.orders.get(slot);
        let Some(qty) = self.rightful_qty(slot).filter(|qty| *qty > order.qty) else {
            self.orders.terms_mut(slot).may_grow = false;
            return;
        };
        let is_held = order.status == OrderStatus::Held;
        if matches!(order.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
            return;
        }
        let is_counted = self.orders.terms(slot).is_some_and(|terms| terms.is_counted);
        let can_ask = self.can_replace(slot) && self.is_connected(slot);
        if !is_held && !can_ask {
            let waits = self.can_replace(slot) && self.wait_for_chance(slot);
            self.orders.terms_mut(slot).may_grow = waits;
            return;
        }
        let new = self.resized(slot, qty);
        let checked = if is_held && !is_counted {
            Ok(None)
        } else {
            self.check_replacement(slot, &new, is_held).map(Some)
        };
        match checked {
            Err(refusal) => {
                let waits = super::waiting::passes_by(refusal.reason) && self.wait_for_chance(slot);
                self.orders.terms_mut(slot).may_grow = waits;
            }
            Ok(checked) => {
                self.orders.terms_mut(slot).may_grow = false;
                match checked {
                    Some((reservation, approval)) if !is_held => {
                        let new = Replacement { reserve_price: reservation.price, ..new };
                        self.begin_replace(slot, new, (reservation.amount, approval.as_ref()), out);
                    }
                    Some((_, approval)) => self.resize_held(slot, qty, approval.as_ref(), out),
                    None => self.resize_held(slot, qty, None, out),
                }
            }
        }
    }

    /// What a released child or exit may be for by now: what the client wants of what its parent filled, less what other
    /// exits filled. `None` where it is none, or was not released.
    fn rightful_qty(&self, slot: u32) -> Option<Qty> {
        let (order, terms) = (self.orders.get(slot), self.orders.terms(slot)?);
        if terms.group == u32::MAX || terms.hold == Some(HoldReason::Parent) {
            return None;
        }
        let group = self.orders.links.get(terms.group);
        let most = terms.wanted.0.min(group.parent_filled);
        let qty = match terms.asked.contingency {
            Contingency::BracketExit => order.cum_qty.0 + most - group.exits_filled,
            Contingency::Child => most,
            Contingency::None | Contingency::Oco | Contingency::Parent => return None,
        };
        let lot = self.instrument(order.instrument).map_or(1, |known| known.definition.lot_size.0);
        Some(Qty(qty / lot * lot))
    }

    /// The order's terms with another quantity.
    fn resized(&self, slot: u32, qty: Qty) -> Replacement {
        let (order, terms) = (self.orders.get(slot), self.orders.terms(slot));
        Replacement {
            price: order.price,
            qty,
            trigger_price: terms.map_or(Price(0), |terms| terms.trigger_price),
            display_qty: terms.map_or(Qty::ZERO, |terms| terms.display_qty),
            extra_open: 0,
            reserve_price: order.reserve_price,
            is_own: true,
        }
    }

    fn can_replace(&self, slot: u32) -> bool {
        let venue = self.venues.get(self.orders.get(slot).venue);
        venue.is_some_and(|venue| venue.can(VenueDefined::REPLACE))
    }

    fn is_connected(&self, slot: u32) -> bool {
        let venue = self.venues.get(self.orders.get(slot).venue);
        venue.is_some_and(|venue| venue.state == VenueState::Connected)
    }
}
