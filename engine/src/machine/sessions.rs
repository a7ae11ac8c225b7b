//! Sessions: the state of an instrument's market, and what its changes do to orders that wait for it.
//!
//! When an auction begins or trading opens, orders that the core holds for it are released; when the market closes,
//! DAY orders end, as do those for a closing auction that never came, and they follow a closing time that changes. A
//! venue that ends orders by itself is left to it.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::lifecycle;
use crate::orders::terms::Owed;
use tickwerk_domain::command::{SessionSet, VenueDefined};
use tickwerk_domain::{HoldReason, InstrumentId, OrderId, Reject, SessionState, TimeInForce};

/// Looking through the open orders of instruments whose session changed.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Sweep {
    /// A bit for each instrument.
    pub(super) instruments: u64,
    /// The next order to look at in the first of them; 0 to begin.
    pub(super) next: OrderId,
}

impl Machine {
    pub(super) fn set_session(&mut self, session: &SessionSet, out: &mut EventBuffer) -> u64 {
        let instrument = session.instrument;
        if self.instrument(instrument).is_none() {
            self.refuse(&(*session).into(), Reject::UnknownInstrument, i64::from(instrument.0), out);
            return 0;
        }
        let from = self.market(instrument).session;
        if lifecycle::session::is_allowed(from, session.state) {
            let market = self.market_mut(instrument);
            let closes_otherwise = market.closes_at != session.closes_at;
            (market.session, market.closes_at) = (session.state, session.closes_at);
            if from != session.state || closes_otherwise {
                self.sweep.instruments |= 1 << instrument.0;
                self.sweep.next = OrderId::NONE;
            }
            if from != session.state {
                self.look_at_triggers(instrument);
            }
        } else {
            let value = session.state as i64;
            self.refuse(&(*session).into(), Reject::IllegalMove, value, out);
        }
        self.next_instrument_version(instrument)
    }

    /// Looks at some open orders of an instrument whose session changed, and notes what they are owed. Gives how many it saw.
    pub(super) fn sweep_session(&mut self) -> usize {
        let instrument = InstrumentId(self.sweep.instruments.trailing_zeros());
        let mut next = self.orders.first_open_from(self.sweep.next);
        let mut steps = 0;
        while let Some(slot) = next.filter(|_| steps < self.rules.steps_per_command) {
            steps += 1;
            next = self.orders.next_open(slot);
            if self.orders.get(slot).instrument == instrument {
                self.follow_close(slot);
                if let Some(owed) = self.owed_by_session(slot) {
                    self.orders.owe(slot, owed, &mut self.digest);
                }
            }
        }
        self.sweep.next = next.map_or(OrderId::NONE, |slot| self.orders.get(slot).id);
        if next.is_none() {
            self.sweep.instruments &= self.sweep.instruments - 1;
        }
        steps
    }

    /// A DAY order ends when its session does, whatever that was said to be when it came.
    fn follow_close(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        if order.time_in_force != TimeInForce::Day {
            return;
        }
        let day_ends = self.market(order.instrument).day_ends(self.now);
        if self.orders.terms(slot).is_some_and(|terms| terms.expires_at != day_ends) {
            self.orders.terms_mut(slot).expires_at = day_ends;
            self.set_expiry(slot);
            self.orders.commit(slot, &mut self.digest);
        }
    }

    /// Whether the auction that an order is for is going on.
    pub(super) fn is_in_its_auction(&self, slot: u32) -> bool {
        let order = self.orders.get(slot);
        let auction = match self.market(order.instrument).session {
            SessionState::OpeningAuction => TimeInForce::AtTheOpen,
            SessionState::ClosingAuction => TimeInForce::AtTheClose,
            SessionState::Continuous
            | SessionState::PreOpen
            | SessionState::Halted
            | SessionState::Closed => return false,
        };
        order.time_in_force == auction
    }

    fn owed_by_session(&self, slot: u32) -> Option<Owed> {
        let terms = self.orders.terms(slot)?;
        let order = self.orders.get(slot);
        let state = self.market(order.instrument).session;
        let waits = terms.hold == Some(HoldReason::Auction);
        match (state, order.time_in_force) {
            (SessionState::OpeningAuction | SessionState::Continuous, TimeInForce::AtTheOpen)
            | (SessionState::ClosingAuction, TimeInForce::AtTheClose)
                if waits =>
            {
                Some(Owed::Release)
            }
            (SessionState::Closed, TimeInForce::Day | TimeInForce::AtTheClose) => {
                let ends_itself =
                    self.venues.get(order.venue).is_some_and(|venue| venue.can(VenueDefined::EXPIRY));
                (terms.hold.is_some() || !ends_itself).then_some(Owed::Expire)
            }
            (
                SessionState::Continuous
                | SessionState::PreOpen
                | SessionState::OpeningAuction
                | SessionState::ClosingAuction
                | SessionState::Halted
                | SessionState::Closed,
                _,
            ) => None,
        }
    }
}
