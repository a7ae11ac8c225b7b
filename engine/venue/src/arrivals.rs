//! What happens when an order or a cancel arrives.

use crate::SimulatedVenue;
use crate::market::{Auction, Market};
use crate::orders::{Stage, VenueOrder};
use crate::queue;
use tickwerk_domain::{
    InstrumentId, Liquidity, OrderId, OrderType, Price, Qty, Reject, ReportKind, SessionState, Side,
    TimeInForce, TimeNs,
};

impl SimulatedVenue {
    pub(crate) fn arrive(&mut self, slot: u32, at: TimeNs) {
        let order = *self.orders.get(slot);
        let instrument = order.instrument;
        if let Some(reason) = self.refusal(&order) {
            self.end(slot, ReportKind::Rejected, reason, at);
        } else {
            self.tell(slot, ReportKind::Accepted, None, at);
            if order.expires_at == TimeNs::UNKNOWN {
                self.enter(slot, at);
            } else if order.expires_at <= at {
                self.end(slot, ReportKind::Expired, Reject::Expired, at);
            } else {
                self.orders.watch_expiry(slot);
                self.enter(slot, at);
            }
        }
        self.rehash(instrument);
    }

    /// Why an order may not enter.
    fn refusal(&mut self, order: &VenueOrder) -> Option<Reject> {
        let market = self.market_mut(order.instrument);
        if market.random.happens(market.setting.reject_rate) {
            return Some(Reject::SimulatedFault);
        }
        let market = self.market(order.instrument);
        let is_plain = match order.order_type {
            OrderType::Market | OrderType::Limit => true,
            // Such orders come here once they were triggered, as what they are then.
            OrderType::Stop
            | OrderType::StopLimit
            | OrderType::TrailingStop
            | OrderType::MarketIfTouched
            | OrderType::LimitIfTouched => false,
        };
        let misses_the_open = order.time_in_force == TimeInForce::AtTheOpen
            && !matches!(market.session, SessionState::PreOpen | SessionState::OpeningAuction);
        let lacks_book = market.is_exchange() && market.exchange.is_none();
        if !is_plain || lacks_book {
            Some(Reject::VenueLacks)
        } else if !market.session.takes_orders() || misses_the_open {
            Some(Reject::MarketClosed)
        } else if order.order_type == OrderType::Limit
            && self.is_outside_band(order.instrument, order.side, order.price)
        {
            Some(Reject::OutsidePriceBand)
        } else if order.post_only && self.would_take(order.instrument, order.side, order.price) {
            Some(Reject::WouldTake)
        } else {
            None
        }
    }

    /// An accepted order, or one that lost its place, takes what it can and rests with what is left.
    pub(crate) fn enter(&mut self, slot: u32, at: TimeNs) {
        let order = *self.orders.get(slot);
        let market = self.market(order.instrument);
        if market.is_exchange() {
            self.enter_exchange(slot, at);
            return;
        }
        let is_at_once = matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let is_whole = order.time_in_force == TimeInForce::Fok;
        if order.time_in_force == TimeInForce::AtTheClose && market.session != SessionState::ClosingAuction {
            self.rest(slot, Stage::AtClose, at);
        } else if market.auction != Auction::None && !is_at_once {
            self.rest(slot, Stage::Resting, at);
        } else if is_whole && available(market, &order) < order.leaves {
            self.end(slot, ReportKind::Canceled, Reject::NotFilledWhole, at);
        } else if market.auction != Auction::None {
            self.end(slot, ReportKind::Canceled, Reject::NoLiquidity, at);
        } else {
            self.match_now(slot, at);
        }
    }

    fn match_now(&mut self, slot: u32, at: TimeNs) {
        let order = *self.orders.get(slot);
        let there = self.market(order.instrument).touch.opposite(order.side);
        let takes = there.qty > Qty::ZERO && order.is_met_by(there.price);
        if takes && self.prevent_self_trade(slot, there.price, at) {
            return;
        }
        self.take(slot, at);
        let order = *self.orders.get(slot);
        if order.leaves == Qty::ZERO {
            self.orders.remove(slot, &mut self.digest);
        } else if order.order_type == OrderType::Market
            || matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
        {
            self.end(slot, ReportKind::Canceled, Reject::NoLiquidity, at);
        } else if !self.prevent_self_trade(slot, order.price, at) {
            self.rest(slot, Stage::Resting, at);
        }
    }

    /// Takes what the touch gives.
    fn take(&mut self, slot: u32, at: TimeNs) {
        let order = *self.orders.get(slot);
        let market = self.market_mut(order.instrument);
        let qty = available(market, &order).min(order.leaves);
        if qty > Qty::ZERO {
            let there = market.touch.opposite(order.side);
            let price = market.slipped(order.side, there.price, order.price);
            market.consume(order.side.opposite(), qty);
            self.fill(slot, price, qty, Liquidity::Taker, at);
        }
    }

    /// Puts an order into the book, behind all that is there.
    pub(crate) fn rest(&mut self, slot: u32, stage: Stage, at: TimeNs) {
        let order = *self.orders.get(slot);
        let side = self.market_mut(order.instrument).side_mut(order.side);
        let list = if stage == Stage::AtClose { &mut side.at_close } else { &mut side.resting };
        if !list.insert(order.price, order.priority, slot) {
            self.end(slot, ReportKind::Canceled, Reject::VenueBookFull, at);
            return;
        }
        let (front, place) = self.back_of_the_queue(order.instrument, order.side, order.price);
        self.orders.change(slot, &mut self.digest, |row| {
            (row.stage, row.front, row.place, row.traded) = (stage, front, place, Qty::ZERO);
            row.shown = row.peak();
        });
    }

    /// What is ahead of an order that comes now, and its place among the orders of others.
    pub(crate) fn back_of_the_queue(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Price,
    ) -> (f64, u64) {
        let market = self.market(instrument);
        if market.is_told_by_orders {
            (0.0, market.places)
        } else if market.has_queues() {
            (market.side(side).levels.known(price).map_or(queue::UNKNOWN, queue::behind), 0)
        } else {
            (0.0, 0)
        }
    }

    /// The order is done before it was filled whole: reports that and forgets it.
    pub(crate) fn end(&mut self, slot: u32, kind: ReportKind, reason: Reject, at: TimeNs) {
        self.tell(slot, kind, Some(reason), at);
        self.leave_the_book(slot);
        self.orders.remove(slot, &mut self.digest);
    }

    /// Takes an order from where it rests.
    pub(crate) fn leave_the_book(&mut self, slot: u32) {
        let order = *self.orders.get(slot);
        let side = self.market_mut(order.instrument).side_mut(order.side);
        match order.stage {
            Stage::Traveling => {}
            Stage::Resting => side.resting.remove(order.price, order.priority),
            Stage::AtClose => side.at_close.remove(order.price, order.priority),
            Stage::Exchanged => self.leave_exchange(&order),
        }
    }

    pub(crate) fn cancel_arrives(&mut self, order: OrderId, instrument: InstrumentId, at: TimeNs) {
        match self.find_arrived(order) {
            Some(slot) => self.end(slot, ReportKind::Canceled, Reject::CancelRequested, at),
            None => self.tell_unknown(order, instrument, ReportKind::CancelRejected, at),
        }
    }

    /// The slot of an order that the venue has, and not one that is still on its way.
    pub(crate) fn find_arrived(&self, order: OrderId) -> Option<u32> {
        self.orders.find(order).filter(|slot| self.orders.get(*slot).stage != Stage::Traveling)
    }

    /// Whether an order of `side` with this limit would take at once.
    pub(crate) fn would_take(&self, instrument: InstrumentId, side: Side, limit: Price) -> bool {
        let market = self.market(instrument);
        if market.is_exchange() {
            return self.would_take_here(instrument, side, limit);
        }
        available_within(market, side, limit) > Qty::ZERO
    }

    /// The time of an order is over at `at`.
    pub(crate) fn expire(&mut self, slot: u32, at: TimeNs) {
        self.end(slot, ReportKind::Expired, Reject::Expired, at);
    }
}

/// What an order can take at once.
pub(crate) fn available(market: &Market, order: &VenueOrder) -> Qty {
    available_within(market, order.side, order.price)
}

fn available_within(market: &Market, side: Side, limit: Price) -> Qty {
    let there = market.touch.opposite(side);
    let is_met = match side {
        Side::Buy => there.price <= limit,
        Side::Sell => there.price >= limit,
    };
    if market.is_continuous() && is_met { there.qty.max(Qty::ZERO) } else { Qty::ZERO }
}
