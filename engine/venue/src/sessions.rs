//! Sessions and auctions of a market that is not ours.
//!
//! Orders gather while an auction is prepared. How the auction went nobody tells; our orders are filled at the price of
//! the first trade after it, up to the traded quantity on either side, or at the first touch after it, buys at the ask
//! and sells at the bid, up to what stands there. They rested in the book, so they count as makers.

use crate::SimulatedVenue;
use crate::market::Auction;
use crate::orders::Stage;
use tickwerk_domain::{
    InstrumentId, Level, Liquidity, OrderType, Price, Qty, Reject, ReportKind, SessionState, Side,
    TimeInForce, TimeNs,
};

impl SimulatedVenue {
    /// The state of an instrument's market from `at` on.
    pub fn session(&mut self, at: TimeNs, instrument: InstrumentId, state: SessionState) {
        let before = self.market(instrument).session;
        if state == before {
            return;
        }
        if self.market(instrument).is_exchange() {
            self.exchange_session(at, instrument, state);
            return;
        }
        if self.market(instrument).auction == Auction::Due {
            // No price of the auction has come.
            self.end_auction(instrument, at);
        }
        let closes = matches!(state, SessionState::ClosingAuction | SessionState::Closed);
        let has_orders_for_the_close = closes && self.gather_for_the_close(instrument, at);
        let market = self.market_mut(instrument);
        market.session = state;
        market.auction = match (state, market.auction) {
            (SessionState::PreOpen | SessionState::OpeningAuction | SessionState::ClosingAuction, _) => {
                Auction::Gathering
            }
            (SessionState::Closed, _) if before == SessionState::ClosingAuction => Auction::Due,
            (SessionState::Closed, Auction::None) if has_orders_for_the_close => Auction::Due,
            (SessionState::Continuous, Auction::Gathering) => Auction::Due,
            (SessionState::Continuous | SessionState::Halted | SessionState::Closed, auction) => auction,
        };
        if state == SessionState::Closed && self.market(instrument).auction == Auction::None {
            self.end_the_day(instrument, at);
        }
        self.rehash(instrument);
    }

    /// DAY orders end with the session.
    fn end_the_day(&mut self, instrument: InstrumentId, at: TimeNs) {
        for side in [Side::Buy, Side::Sell] {
            for place in (0..self.market(instrument).side(side).resting.len()).rev() {
                let Some((_, slot)) = self.market(instrument).side(side).resting.at(place) else {
                    break;
                };
                if self.orders.get(slot).time_in_force == TimeInForce::Day {
                    self.end(slot, ReportKind::Expired, Reject::Expired, at);
                }
            }
        }
    }

    /// Puts the orders for the close into the book; whether there were any.
    fn gather_for_the_close(&mut self, instrument: InstrumentId, at: TimeNs) -> bool {
        let mut any = false;
        for side in [Side::Buy, Side::Sell] {
            // The worst first, so that the best find a place last in a sorted array.
            while let Some((price, slot)) = self.market(instrument).side(side).at_close.at(0) {
                any = true;
                let priority = self.orders.get(slot).priority;
                let orders = self.market_mut(instrument).side_mut(side);
                orders.at_close.remove(price, priority);
                let has_place = orders.resting.insert(price, priority, slot);
                let stage = if has_place { Stage::Resting } else { Stage::Traveling };
                self.orders.change(slot, &mut self.digest, |row| row.stage = stage);
                if !has_place {
                    self.end(slot, ReportKind::Canceled, Reject::VenueBookFull, at);
                }
            }
        }
        any
    }

    /// The first touch after an auction has come.
    pub(crate) fn uncross_at_touch(&mut self, instrument: InstrumentId, at: TimeNs) {
        let touch = self.market(instrument).touch;
        if touch.bid.qty <= Qty::ZERO && touch.ask.qty <= Qty::ZERO {
            return;
        }
        let happens = self.sent(at, instrument);
        for side in [Side::Buy, Side::Sell] {
            let there = touch.opposite(side);
            let left = self.uncross(side, instrument, there, happens);
            self.market_mut(instrument).consume(side.opposite(), Qty(there.qty.0.max(0) - left.0));
        }
        self.end_auction(instrument, happens);
    }

    /// The first trade after an auction has come.
    pub(crate) fn uncross_at_trade(&mut self, instrument: InstrumentId, price: Price, qty: Qty, at: TimeNs) {
        let happens = self.sent(at, instrument);
        for side in [Side::Buy, Side::Sell] {
            self.uncross(side, instrument, Level { price, qty }, happens);
        }
        self.end_auction(instrument, happens);
    }

    /// Fills orders of a side at one price, the best first; tells what is left.
    fn uncross(&mut self, side: Side, instrument: InstrumentId, there: Level, at: TimeNs) -> Qty {
        let mut left = there.qty.max(Qty::ZERO);
        while self.room() > 0 {
            let resting = &self.market(instrument).side(side).resting;
            if !resting.is_reached_by(Level { qty: left, ..there }) {
                break;
            }
            let Some((_, slot)) = resting.best() else {
                break;
            };
            let qty = self.orders.get(slot).leaves.min(left);
            left.0 -= qty.0;
            self.fill(slot, there.price, qty, Liquidity::Maker, at);
            if self.orders.get(slot).leaves == Qty::ZERO {
                self.leave_the_book(slot);
                self.orders.remove(slot, &mut self.digest);
            } else {
                self.orders.change(slot, &mut self.digest, |row| row.shown = row.peak());
            }
        }
        left
    }

    /// The auction is over: what was for it only ends, and market orders, which do not rest. The rest queues up anew.
    fn end_auction(&mut self, instrument: InstrumentId, at: TimeNs) {
        for side in [Side::Buy, Side::Sell] {
            for place in (0..self.market(instrument).side(side).resting.len()).rev() {
                let Some((_, slot)) = self.market(instrument).side(side).resting.at(place) else {
                    break;
                };
                let order = self.orders.get(slot);
                if matches!(order.time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose) {
                    self.end(slot, ReportKind::Expired, Reject::Expired, at);
                } else if order.order_type == OrderType::Market {
                    self.end(slot, ReportKind::Canceled, Reject::NoLiquidity, at);
                }
            }
            self.requeue(side, instrument);
        }
        self.market_mut(instrument).auction = Auction::None;
        if self.market(instrument).session == SessionState::Closed {
            self.end_the_day(instrument, at);
        }
    }
}
