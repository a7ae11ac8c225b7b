//! Timers that are due, and the end of orders whose time is over.
//!
//! The core ends GTD and DAY orders that it holds, and those at venues that do not end orders by themselves.

use super::Machine;
use crate::event_buffer::EventBuffer;
use tickwerk_domain::command::{TimerFired, VenueDefined};
use tickwerk_domain::event::OrderExpired;
use tickwerk_domain::{DurationNs, OrderId, OrderStatus, Reject, Stamp, TimeNs, TimerKind};

/// From a refused cancel of an order whose time is over to the next one.
const EXPIRE_AGAIN: DurationNs = DurationNs(1_000_000_000);

impl Machine {
    /// A timer of the core is due; anybody else's is refused.
    pub(super) fn on_timer(&mut self, stamp: Stamp, fired: &TimerFired, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        let is_due = fired.due <= stamp.time_ns;
        if !is_due || self.timers.due(fired.kind, fired.subject) != Some(fired.due) {
            self.refuse(&(*fired).into(), Reject::IllegalMove, fired.due.0.cast_signed(), out);
            return version;
        }
        self.timers.take_away(fired.kind, fired.subject, &mut self.digest);
        match fired.kind {
            TimerKind::OrderExpiry => self.order_expires(OrderId(fired.subject), out),
            TimerKind::Mark => self.mark_due(stamp, fired.subject, out),
            TimerKind::BreakerCooled => self.breaker_cooled(stamp, fired.subject, out),
            TimerKind::Day => {
                self.refuse(&(*fired).into(), Reject::IllegalMove, fired.due.0.cast_signed(), out);
            }
        }
        version
    }

    fn order_expires(&mut self, id: OrderId, out: &mut EventBuffer) {
        if let Some(slot) = self.orders.find(id)
            && !self.orders.get(slot).status.is_done()
        {
            self.expire(slot, out);
        }
    }

    /// Ends an order whose time is over: at once where it is held, by a cancel where it is at the venue.
    pub(super) fn expire(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        if order.status == OrderStatus::Held {
            let reason = Reject::Expired.code();
            self.orders.get_mut(slot).reason = reason;
            self.push_order(slot, OrderExpired { order: order.id, cum_qty: order.cum_qty, reason }, out);
            self.finish(slot, OrderStatus::Expired);
            self.positions.rehash(order.account, order.instrument, &mut self.digest);
            self.count_end(slot, false, out);
            self.orders.commit(slot, &mut self.digest);
        } else {
            self.request_cancel(slot, Reject::Expired, out);
        }
    }

    /// A cancel was refused. An order whose time is over and that the core has to end is cancelled again a little later.
    pub(super) fn expire_later(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (id, venue) = (order.id, order.venue);
        let expires_at = self.orders.terms(slot).map_or(TimeNs::UNKNOWN, |terms| terms.expires_at);
        let ends_itself = self.venues.get(venue).is_some_and(|venue| venue.can(VenueDefined::EXPIRY));
        if expires_at != TimeNs::UNKNOWN && expires_at <= self.now && !ends_itself {
            let due = self.now.saturating_add(EXPIRE_AGAIN);
            let is_set = self.timers.set(due, TimerKind::OrderExpiry, id.0, &mut self.digest);
            assert!(is_set, "there is a timer for each open order");
        }
    }

    /// Sets the timer of an order that the core has to end, or takes it away where the venue does.
    pub(super) fn set_expiry(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (id, venue, status) = (order.id, order.venue, order.status);
        let expires_at = self.orders.terms(slot).map_or(TimeNs::UNKNOWN, |terms| terms.expires_at);
        if expires_at == TimeNs::UNKNOWN {
            return;
        }
        let ends_itself = self.venues.get(venue).is_some_and(|venue| venue.can(VenueDefined::EXPIRY));
        if status == OrderStatus::Held || !ends_itself {
            if self.timers.due(TimerKind::OrderExpiry, id.0) != Some(expires_at) {
                let is_set = self.timers.set(expires_at, TimerKind::OrderExpiry, id.0, &mut self.digest);
                assert!(is_set, "there is a timer for each open order");
            }
        } else {
            self.timers.take_away(TimerKind::OrderExpiry, id.0, &mut self.digest);
        }
    }
}
