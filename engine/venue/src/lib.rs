//! The simulated exchange that lives inside the core: it fills orders at the touch, with size, fees and latency.
//!
//! It is told what the core decided ([`SimulatedVenue::submit`], [`SimulatedVenue::cancel`]) and how the market moved
//! ([`SimulatedVenue::observe`]), and owes reports that are commands when their time has come
//! ([`SimulatedVenue::next_report`]). Everything is a function of what it was told: no clock, no randomness, fixed
//! stores.
//!
//! Rules of a fill:
//! - An order arrives one latency after its decision and meets the touch of that moment.
//! - A marketable order takes from the opposite touch, at the touch's price, no more than is left there; an update of
//!   the touch renews what is there. What a market or IOC order cannot take is cancelled; a limit order rests.
//! - A resting order is filled at its own price, as a maker, when the opposite touch reaches it, by price and then by
//!   arrival; its report comes one latency after the update.

pub mod book;
mod due;
mod orders;
mod resting;

pub use due::DUE_MAX;
pub use orders::VENUE_ORDERS_MAX;
pub use resting::RESTING_PER_SIDE_MAX;

use due::{Due, DueQueue};
use orders::{VenueOrder, VenueOrders};
use resting::Resting;
use tickwerk_domain::command::{FillReported, OrderReported, SimulatedVenueSet};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::{CancelSubmitted, OrderSubmitted};
use tickwerk_domain::{
    Command, CurrencyId, Digest, DurationNs, Instrument, InstrumentId, Liquidity, Money, OrderId, OrderType,
    Price, Qty, Reject, ReportKind, Side, TimeInForce, TimeNs, Touch,
};

/// One instrument's market at the venue.
#[derive(Debug)]
struct Market {
    instrument: Option<Instrument>,
    latency: DurationNs,
    touch: Touch,
    bids: Resting,
    asks: Resting,
    row: u64,
}

/// The simulated exchange.
#[derive(Debug)]
pub struct SimulatedVenue {
    markets: Box<[Market]>,
    orders: VenueOrders,
    due: DueQueue,
    digest: Digest,
}

impl SimulatedVenue {
    /// A venue for instruments with numbers below `instruments_max`; all that it ever allocates.
    pub fn new(instruments_max: usize) -> Self {
        let market = |_| Market {
            instrument: None,
            latency: DurationNs(0),
            touch: Touch::default(),
            bids: Resting::new(Side::Buy),
            asks: Resting::new(Side::Sell),
            row: 0,
        };
        Self {
            markets: (0..instruments_max).map(market).collect(),
            orders: VenueOrders::new(),
            due: DueQueue::new(),
            digest: Digest::default(),
        }
    }

    /// Takes an instrument, or a new definition of it.
    pub fn define(&mut self, instrument: &Instrument) {
        self.market_mut(instrument.instrument).instrument = Some(*instrument);
    }

    /// Sets the latency of an instrument.
    pub fn configure(&mut self, setting: &SimulatedVenueSet) {
        self.market_mut(setting.instrument).latency = setting.latency;
        self.rehash(setting.instrument);
    }

    /// An order leaves the core at `at`.
    pub fn submit(&mut self, at: TimeNs, order: &OrderSubmitted) {
        let due = at.saturating_add(self.market(order.instrument).latency);
        // Orders that the core ended without word from here may fill a store; a new order is then lost on its way.
        if self.orders.has_room() && self.due.has_room() {
            let slot = self.orders.add(order, due, &mut self.digest);
            self.due.push(due, Due::Arrival(slot), &mut self.digest);
        }
    }

    /// A cancel leaves the core at `at`; it does not overtake its order, even if the latency fell in between.
    pub fn cancel(&mut self, at: TimeNs, cancel: &CancelSubmitted) {
        let arrives =
            self.orders.find(cancel.order).map_or(TimeNs::UNKNOWN, |slot| self.orders.get(slot).arrives);
        let due = at.saturating_add(self.market(cancel.instrument).latency).max(arrives);
        if self.due.has_room() {
            self.due.push(due, Due::Cancel(cancel.order), &mut self.digest);
        }
    }

    /// The market moved at `at`: what is at the touch is renewed, and resting orders that it reaches are filled.
    pub fn observe(&mut self, at: TimeNs, instrument: InstrumentId, touch: Touch) {
        let market = self.market_mut(instrument);
        market.touch = touch;
        let crosses = market.bids.is_reached_by(touch.ask) || market.asks.is_reached_by(touch.bid);
        if crosses {
            let due = at.saturating_add(market.latency);
            self.fill_resting(Side::Buy, instrument, due);
            self.fill_resting(Side::Sell, instrument, due);
        }
        self.rehash(instrument);
    }

    /// The next report that is due at `now` or before, with its due time and the order that it is about.
    pub fn next_report(&mut self, now: TimeNs) -> Option<(TimeNs, OrderId, Command)> {
        while let Some((due, item)) = self.due.pop(now, &mut self.digest) {
            match item {
                Due::Arrival(slot) => self.arrive(slot, due),
                Due::Cancel(order) => self.cancel_arrives(order, due),
                Due::Order(report) => return Some((due, report.order, report.into())),
                Due::Fill(report) => return Some((due, report.order, report.into())),
            }
        }
        None
    }

    /// When something is due next: a report, or an arrival that yields one at once.
    pub fn next_due(&self) -> Option<TimeNs> {
        self.due.next_due()
    }

    /// Digest of the whole venue.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Orders that arrived or are on their way and are not done.
    pub fn open_orders(&self) -> usize {
        self.orders.len()
    }

    fn arrive(&mut self, slot: u32, due: TimeNs) {
        let order = *self.orders.get(slot);
        let instrument = order.instrument;
        self.due.push(due, Due::order(&order, ReportKind::Accepted, None), &mut self.digest);
        self.take(slot, due);
        let order = *self.orders.get(slot);
        if order.leaves == Qty::ZERO {
            self.orders.remove(slot, &mut self.digest);
        } else if order.order_type == OrderType::Market || order.time_in_force == TimeInForce::Ioc {
            self.due.push(
                due,
                Due::order(&order, ReportKind::Canceled, Some(Reject::NoLiquidity)),
                &mut self.digest,
            );
            self.orders.remove(slot, &mut self.digest);
        } else if !self.resting_mut(instrument, order.side).insert(order.price, order.arrival, slot) {
            self.due.push(
                due,
                Due::order(&order, ReportKind::Canceled, Some(Reject::VenueBookFull)),
                &mut self.digest,
            );
            self.orders.remove(slot, &mut self.digest);
        }
        self.rehash(instrument);
    }

    /// Takes what the touch gives.
    fn take(&mut self, slot: u32, due: TimeNs) {
        let order = *self.orders.get(slot);
        let there = self.market(order.instrument).touch.opposite(order.side);
        let is_marketable = match (order.order_type, order.side) {
            (OrderType::Market, _) => true,
            (OrderType::Limit, Side::Buy) => there.price <= order.price,
            (OrderType::Limit, Side::Sell) => there.price >= order.price,
            // Such orders come here once they were triggered, as what they are then.
            (
                OrderType::Stop
                | OrderType::StopLimit
                | OrderType::TrailingStop
                | OrderType::MarketIfTouched
                | OrderType::LimitIfTouched,
                _,
            ) => false,
        };
        let qty = order.leaves.min(there.qty);
        if is_marketable && qty > Qty::ZERO {
            self.consume(order.instrument, order.side.opposite(), qty);
            self.fill(slot, there.price, qty, Liquidity::Taker, due);
        }
    }

    /// Fills the resting orders of `side` that the opposite touch reaches.
    fn fill_resting(&mut self, side: Side, instrument: InstrumentId, due: TimeNs) {
        loop {
            let there = self.market(instrument).touch.opposite(side);
            let resting = self.resting_mut(instrument, side);
            if there.qty <= Qty::ZERO || !resting.is_reached_by(there) || self.due.is_crowded() {
                return;
            }
            let Some((price, slot)) = self.resting_mut(instrument, side).best() else {
                return;
            };
            let qty = self.orders.get(slot).leaves.min(there.qty);
            self.consume(instrument, side.opposite(), qty);
            self.fill(slot, price, qty, Liquidity::Maker, due);
            if self.orders.get(slot).leaves == Qty::ZERO {
                self.resting_mut(instrument, side).remove_best();
                self.orders.remove(slot, &mut self.digest);
            }
        }
    }

    fn fill(&mut self, slot: u32, price: Price, qty: Qty, liquidity: Liquidity, due: TimeNs) {
        let order = self.orders.filled(slot, qty, &mut self.digest);
        let definition = self.market(order.instrument).instrument.as_ref();
        let fee = definition.and_then(|instrument| {
            let rate = match liquidity {
                Liquidity::Maker => instrument.maker_fee,
                Liquidity::Taker => instrument.taker_fee,
            };
            instrument.fee(price, qty, rate)
        });
        let report = FillReported {
            order: order.order,
            execution_id: order.executions,
            price,
            qty,
            fee: Money::new(fee.unwrap_or(0)),
            fee_currency: CurrencyId::NONE,
            liquidity,
        };
        self.due.push(due, Due::Fill(report), &mut self.digest);
    }

    fn cancel_arrives(&mut self, id: OrderId, due: TimeNs) {
        let Some(slot) = self.orders.find(id) else {
            let report = OrderReported {
                order: id,
                venue_order_id: 0,
                kind: ReportKind::CancelRejected,
                reason: Reject::VenueUnknownOrder.code(),
            };
            self.due.push(due, Due::Order(report), &mut self.digest);
            return;
        };
        let order = *self.orders.get(slot);
        self.resting_mut(order.instrument, order.side).remove(order.price, order.arrival);
        self.orders.remove(slot, &mut self.digest);
        self.due.push(
            due,
            Due::order(&order, ReportKind::Canceled, Some(Reject::CancelRequested)),
            &mut self.digest,
        );
    }

    fn consume(&mut self, instrument: InstrumentId, side: Side, qty: Qty) {
        let touch = &mut self.market_mut(instrument).touch;
        let level = match side {
            Side::Buy => &mut touch.bid,
            Side::Sell => &mut touch.ask,
        };
        level.qty.0 -= qty.0;
    }

    fn rehash(&mut self, instrument: InstrumentId) {
        let market = &self.markets[instrument.0 as usize];
        let levels = [market.touch.bid, market.touch.ask].map(|level| [level.price.0, level.qty.0]);
        let [[bid, bid_qty], [ask, ask_qty]] = levels.map(|pair| pair.map(i64::cast_unsigned));
        let words = [u64::from(instrument.0), market.latency.0, bid, bid_qty, ask, ask_qty];
        let row = row_hash(TAG_MARKET, &words);
        let market = &mut self.markets[instrument.0 as usize];
        self.digest.update(&mut market.row, row);
    }

    fn market(&self, instrument: InstrumentId) -> &Market {
        &self.markets[instrument.0 as usize]
    }

    fn market_mut(&mut self, instrument: InstrumentId) -> &mut Market {
        &mut self.markets[instrument.0 as usize]
    }

    fn resting_mut(&mut self, instrument: InstrumentId, side: Side) -> &mut Resting {
        let market = self.market_mut(instrument);
        match side {
            Side::Buy => &mut market.bids,
            Side::Sell => &mut market.asks,
        }
    }
}

impl Due {
    fn order(order: &VenueOrder, kind: ReportKind, reason: Option<Reject>) -> Self {
        let reason = reason.map(Reject::code).unwrap_or_default();
        Self::Order(OrderReported { order: order.order, venue_order_id: order.arrival, kind, reason })
    }
}

const TAG_MARKET: u64 = 0x0151;

#[cfg(test)]
mod tests;
