//! The way between core and venue: what is sent arrives later, what is reported comes later, twice or not at all.

use crate::SimulatedVenue;
use crate::due::Due;
use crate::latencies::Leg;
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::{
    CurrencyId, InstrumentId, Liquidity, Money, OrderId, Price, Qty, Rate, Reject, ReportKind, TimeNs,
};

impl SimulatedVenue {
    /// When something that leaves the core at `at` arrives.
    pub(crate) fn sent(&mut self, at: TimeNs, instrument: InstrumentId) -> TimeNs {
        self.end_of(Leg::Order, at, instrument)
    }

    /// When a message about an order arrives that leaves the core at `at`: not before any other about it, even if the
    /// latency fell in between.
    pub(crate) fn follows(&mut self, at: TimeNs, order: OrderId, instrument: InstrumentId) -> TimeNs {
        let due = self.sent(at, instrument);
        let Some(slot) = self.orders.find(order) else {
            return due;
        };
        let due = due.max(self.orders.get(slot).arrives);
        self.orders.change(slot, &mut self.digest, |row| row.arrives = due);
        due
    }

    /// Reports a fact of an order that happens at `at`.
    pub(crate) fn tell(&mut self, slot: u32, kind: ReportKind, reason: Option<Reject>, at: TimeNs) {
        let order = self.orders.get(slot);
        let reason = reason.map(Reject::code).unwrap_or_default();
        let report = OrderReported { order: order.order, venue_order_id: order.arrival, kind, reason };
        self.report(slot, Due::Order(report), at);
    }

    /// Reports a fact of an order that the venue does not have.
    pub(crate) fn tell_unknown(
        &mut self,
        order: OrderId,
        instrument: InstrumentId,
        kind: ReportKind,
        at: TimeNs,
    ) {
        let reason = Reject::VenueUnknownOrder.code();
        let report = OrderReported { order, venue_order_id: 0, kind, reason };
        let due = self.end_of(Leg::Report, at, instrument);
        self.send(instrument, due, Due::Order(report), at);
    }

    /// Reports the terms that an order has from `at` on.
    pub(crate) fn tell_terms(&mut self, slot: u32, trigger_price: Price, at: TimeNs) {
        let order = self.orders.get(slot);
        let report = ReplaceReported {
            order: order.order,
            venue_order_id: order.arrival,
            price: order.told_price(),
            qty: order.qty,
            trigger_price,
            display_qty: order.display,
        };
        self.report(slot, Due::Replaced(report), at);
    }

    /// Books a fill that happens at `at` and reports it.
    pub(crate) fn fill(&mut self, slot: u32, price: Price, qty: Qty, liquidity: Liquidity, at: TimeNs) {
        let order = self.orders.change(slot, &mut self.digest, |row| {
            row.leaves.0 -= qty.0;
            row.shown.0 = (row.shown.0 - qty.0).max(0);
            row.executions += 1;
        });
        let definition = self.market(order.instrument).definition.as_ref();
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
        self.report(slot, Due::Fill(report), at);
    }

    /// Reports of one order come in the order in which they were made.
    fn report(&mut self, slot: u32, item: Due, at: TimeNs) {
        let order = self.orders.get(slot);
        let (instrument, reported) = (order.instrument, order.reported);
        let due = self.end_of(Leg::Report, at, instrument).max(reported);
        if due != reported {
            self.orders.change(slot, &mut self.digest, |row| row.reported = due);
        }
        self.send(instrument, due, item, at);
    }

    /// Sends a report on its way, with the faults that were asked for. A second copy takes its own time, and may so
    /// come after later reports.
    fn send(&mut self, instrument: InstrumentId, due: TimeNs, item: Due, at: TimeNs) {
        let market = self.market_mut(instrument);
        let (loss, twice) = (market.setting.loss_rate, market.setting.duplicate_rate);
        if loss == Rate(0) && twice == Rate(0) {
            self.due.push(due, item, &mut self.digest);
            return;
        }
        let is_lost = market.random.happens(loss);
        let comes_twice = market.random.happens(twice);
        self.rehash(instrument);
        if !is_lost {
            self.due.push(due, item, &mut self.digest);
        }
        if comes_twice && !is_lost && self.room() > 0 {
            let again = self.end_of(Leg::Report, at, instrument).max(due);
            self.due.push(again, item, &mut self.digest);
        }
    }
}
