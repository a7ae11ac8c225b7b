//! Sessions and auctions of an exchange of our own.
//!
//! Orders gather in a call phase, and with the session that follows they trade at one price. What is left of orders that
//! were for the auction only then expires. Orders for the close wait beside the book until it comes.

use super::{Sweep, exchange_of};
use crate::SimulatedVenue;
use crate::book::{Phase, UncrossStanding};
use crate::orders::Stage;
use tickwerk_domain::{InstrumentId, Reject, ReportKind, SessionState, Side, TimeInForce, TimeNs};

impl SimulatedVenue {
    /// The state of an exchange's session from `at` on.
    pub(crate) fn exchange_session(&mut self, at: TimeNs, instrument: InstrumentId, state: SessionState) {
        while self.exchanges.sweep.is_some() {
            self.go_on();
        }
        let market = self.market_mut(instrument);
        let at_close = market.side(Side::Buy).at_close.len() + market.side(Side::Sell).at_close.len();
        let is_closing = state == SessionState::Closed && at_close > 0;
        // Orders for the close have come to it, also where no auction was called.
        market.session = if is_closing { SessionState::ClosingAuction } else { state };
        let phase = if is_closing { Phase::Auction } else { phase_of(state) };
        let Some(book) = self.exchange_mut(instrument) else {
            return;
        };
        let was_gathering = book.phase() == Phase::Auction;
        let is_crossed = !was_gathering && phase == Phase::Continuous && book.set_phase(phase).is_err();
        let ends_auction = match state {
            SessionState::Continuous => was_gathering || is_crossed,
            SessionState::Closed => was_gathering || is_closing,
            SessionState::PreOpen
            | SessionState::OpeningAuction
            | SessionState::ClosingAuction
            | SessionState::Halted => false,
        };
        let next = if ends_auction { Phase::Auction } else { phase };
        book.set_phase(next).expect("a call phase or a halt begins whatever rests");
        if matches!(state, SessionState::ClosingAuction | SessionState::Closed) {
            self.enter_for_the_close(instrument, at);
        }
        self.market_mut(instrument).session = state;
        if ends_auction {
            self.uncross_exchange(instrument, at);
        }
        self.rehash(instrument);
    }

    /// Tries once more to open a book that its price band has kept from it.
    pub(crate) fn open_late(&mut self, instrument: InstrumentId, at: TimeNs) {
        let is_open = self.market(instrument).session == SessionState::Continuous;
        let gathers = self
            .exchange(instrument)
            .is_some_and(|book| book.phase() == Phase::Auction && !book.is_unfinished());
        if is_open && gathers && self.exchanges.sweep.is_none() {
            self.uncross_exchange(instrument, at);
        }
    }

    /// Every trade of an auction completes an order, which gives the places of more reports free than it takes.
    pub(super) fn uncross_exchange(&mut self, instrument: InstrumentId, at: TimeNs) {
        self.hold_in_band(instrument);
        let (steps, reference) = (self.steps().max(1), self.market(instrument).traded_at);
        let mut effects = std::mem::take(&mut self.exchanges.effects);
        let book = exchange_of(&mut self.exchanges, &self.markets, instrument).expect("it has an auction");
        let uncrossed = book.uncross(reference, steps, &mut |effect| effects.push(effect));
        self.settle(None, effects, at);
        match uncrossed.map(|uncrossed| uncrossed.standing) {
            Ok(UncrossStanding::Unfinished) => {
                self.exchanges.sweep = Some(Sweep { instrument, taker: None, at });
            }
            Ok(UncrossStanding::StillCrossed)
                if self.market(instrument).session == SessionState::Continuous => {}
            Ok(UncrossStanding::Opened | UncrossStanding::StillCrossed) | Err(_) => {
                self.end_call_phase(instrument, at);
            }
        }
        self.rehash(instrument);
    }

    /// The auction is over: what was for it only ends.
    fn end_call_phase(&mut self, instrument: InstrumentId, at: TimeNs) {
        let phase = phase_of(self.market(instrument).session);
        let mut ids = std::mem::take(&mut self.exchanges.ids);
        if let Some(book) = self.exchange_mut(instrument) {
            book.set_phase(phase).ok();
            ids.extend(
                [Side::Buy, Side::Sell]
                    .iter()
                    .flat_map(|side| book.book().orders(*side))
                    .map(|order| order.id),
            );
        }
        for id in ids.drain(..) {
            let slot = self.slot_of(id);
            if matches!(self.orders.get(slot).time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose)
            {
                self.end(slot, ReportKind::Expired, Reject::Expired, at);
            }
        }
        self.exchanges.ids = ids;
    }

    fn enter_for_the_close(&mut self, instrument: InstrumentId, at: TimeNs) {
        for side in [Side::Buy, Side::Sell] {
            // The first in time among equal prices has the highest place.
            while let Some((price, slot)) = self.market(instrument).side(side).at_close.best() {
                let priority = self.orders.get(slot).priority;
                self.market_mut(instrument).side_mut(side).at_close.remove(price, priority);
                self.orders.change(slot, &mut self.digest, |row| row.stage = Stage::Traveling);
                self.enter_exchange(slot, at);
            }
        }
    }
}

/// What may happen in a book in a state of its session.
pub(super) fn phase_of(state: SessionState) -> Phase {
    match state {
        SessionState::Continuous => Phase::Continuous,
        SessionState::PreOpen | SessionState::OpeningAuction | SessionState::ClosingAuction => Phase::Auction,
        SessionState::Halted | SessionState::Closed => Phase::Halted,
    }
}
