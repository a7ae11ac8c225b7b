//! Exits that their market or venue does not take for now, and quantities that a venue did not take: they wait for the
//! next chance.
//!
//! An order that leads out of a position is not refused because the market is halted, closed, stale, crossed or without
//! a price, or its venue not connected, when its parent is done or its trigger is reached: that would leave the position
//! without its exit. It stays held, counts nowhere, and leaves as soon as it would pass the risk check; what refuses it
//! for good then ends it. An order that opens is refused, as nobody can tell whether it is still wanted. Where too many
//! wait in an instrument, the next one is refused likewise.
//!
//! A chance is an observation of the market, a session, a route, or a connection that was found again.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::orders::Terms;
use crate::orders::terms::Owed;
use crate::risk::Refusal;
use crate::risk::reducing::room;
use tickwerk_domain::{HoldReason, InstrumentId, OrderStatus, Qty, Reject, VenueState};

impl Machine {
    /// Ends a held order that is in no sum and does not pass, unless it is an exit and what refuses it passes by.
    pub(super) fn refuse_or_wait(&mut self, slot: u32, refusal: Refusal, out: &mut EventBuffer) {
        let is_exit = self.orders.terms(slot).is_some_and(Terms::is_exit);
        if is_exit && passes_by(refusal.reason) && self.wait_for_chance(slot) {
            self.count_open(slot);
            self.hold(slot, HoldReason::Market, out);
        } else {
            self.refuse_uncounted(slot, refusal, out);
        }
    }

    /// Lets an order wait for a chance; `false` where there is no room for one more.
    pub(super) fn wait_for_chance(&mut self, slot: u32) -> bool {
        let order = self.orders.get(slot);
        let (id, instrument) = (order.id, order.instrument);
        if !self.orders.terms(slot).is_some_and(|terms| terms.is_waiting) {
            let is_in = self.triggers.add_for_market(instrument, id, slot);
            self.orders.terms_mut(slot).is_waiting = is_in;
            return is_in;
        }
        true
    }

    /// An order waits for no chance any more.
    pub(super) fn stop_waiting(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (id, instrument) = (order.id, order.instrument);
        if std::mem::take(&mut self.orders.terms_mut(slot).is_waiting) {
            self.triggers.remove_for_market(instrument, id);
        }
    }

    /// A chance for the orders of an instrument that wait: those that can go on are owed that. Of a group, the leg that
    /// was triggered goes first.
    pub(super) fn look_at_waiting(&mut self, instrument: InstrumentId) {
        for fired in [true, false] {
            for place in 0..self.triggers.for_market(instrument).len() {
                let (_, slot) = self.triggers.for_market(instrument)[place];
                let is_meant = self.orders.terms(slot).is_some_and(|terms| terms.is_fired == fired);
                if let Some(owed) = self.chance_of(slot).filter(|_| is_meant) {
                    self.orders.owe(slot, owed, &mut self.digest);
                }
            }
        }
    }

    fn chance_of(&self, slot: u32) -> Option<Owed> {
        let (order, terms) = (self.orders.get(slot), self.orders.terms(slot)?);
        if order.status == OrderStatus::Held {
            return self.may_go_on(slot).then_some(Owed::Release);
        }
        if matches!(order.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
            return None;
        }
        let venue = self.venues.get(order.venue);
        let is_connected = venue.is_some_and(|venue| venue.state == VenueState::Connected);
        (is_connected && terms.retry_at <= self.now).then_some(Owed::Resize)
    }

    /// Whether an exit that waits for its market would be taken now, or refused for good.
    pub(super) fn may_go_on(&self, slot: u32) -> bool {
        let Some(terms) = self.orders.terms(slot) else {
            return false;
        };
        let (asked, strategy) = (&terms.asked, self.orders.get(slot).strategy);
        let fit = self.fit_of(terms);
        let waits_for_trigger = !terms.is_fired && fit.is_ok_and(|fit| fit.hold == Some(HoldReason::Trigger));
        if waits_for_trigger && terms.is_exclusive() {
            return true;
        }
        if !terms.is_fired && terms.is_exclusive() && self.has_fired_sibling(slot) {
            return false;
        }
        let checked = if waits_for_trigger {
            self.as_held(slot).and_then(|sent| self.risk_check(&sent, strategy, None, true))
        } else {
            let chosen = self.venues.choose(asked.venue, asked.instrument).map_err(Refusal::plain);
            let is_open = self.market(asked.instrument).session.takes_orders();
            let open = if is_open { Ok(()) } else { Err(Refusal::plain(Reject::MarketClosed)) };
            let sent = self.as_sent(slot);
            chosen.and(open).and_then(|()| self.risk_check(&sent, strategy, None, false))
        };
        !checked.is_err_and(|refusal| passes_by(refusal.reason))
    }

    /// An exit that may only reduce and did not count was not cut when its position shrank: it leaves with what there is
    /// to reduce. Where there is nothing, the risk check refuses it.
    pub(super) fn trim_to_room(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        if !self.orders.terms(slot).is_some_and(Terms::must_reduce) {
            return;
        }
        let lot = self.instrument(order.instrument).map_or(1, |known| known.definition.lot_size.0);
        let position = self.positions.of(order.account, order.instrument, order.position_side);
        let most = room(position, order.side) / lot * lot;
        if most > 0 && most < order.leaves().0 {
            self.orders.get_mut(slot).restate(order.price, Qty(order.cum_qty.0 + most));
            self.push_replaced(slot, out);
        }
    }
}

/// Whether a reason is the market's or the venue's state, which passes by.
pub(super) fn passes_by(reason: Reject) -> bool {
    [
        Reject::MarketClosed,
        Reject::StaleMarket,
        Reject::CrossedMarket,
        Reject::NoReferencePrice,
        Reject::VenueDisconnected,
    ]
    .contains(&reason)
}
