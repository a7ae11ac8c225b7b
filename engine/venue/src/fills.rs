//! How orders that rest are filled by what the market does.

use crate::SimulatedVenue;
use crate::market::Auction;
use crate::orders::VenueOrder;
use crate::queue;
use tickwerk_domain::{InstrumentId, Liquidity, Price, Qty, Side, TimeNs, Touch};

/// What fills orders at a price: a trade there, or an execution of someone's order that has this place in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hit {
    /// A trade.
    Trade,
    /// An execution.
    Execution(u64),
}

impl SimulatedVenue {
    /// The market moved at `at`: what is at the touch is renewed, and resting orders that it reaches are filled. Where
    /// the orders of others are told one by one they alone tell the touch.
    pub fn observe(&mut self, at: TimeNs, instrument: InstrumentId, touch: Touch) {
        if !self.market(instrument).is_told_by_orders {
            self.renew(at, instrument, touch);
        }
    }

    pub(crate) fn renew(&mut self, at: TimeNs, instrument: InstrumentId, touch: Touch) {
        let market = self.market_mut(instrument);
        if market.is_exchange() {
            return;
        }
        market.touch = touch;
        if market.watches_levels() {
            self.learn_touch(instrument, touch);
        }
        let market = self.market(instrument);
        if market.auction == Auction::Due {
            self.uncross_at_touch(instrument, at);
        } else if market.is_continuous() && (market.is_reached(Side::Buy) || market.is_reached(Side::Sell)) {
            let happens = self.sent(at, instrument);
            self.fill_reached(Side::Buy, instrument, happens);
            self.fill_reached(Side::Sell, instrument, happens);
        }
        self.rehash(instrument);
    }

    /// Fills the resting orders of `side` that the opposite touch reaches.
    fn fill_reached(&mut self, side: Side, instrument: InstrumentId, at: TimeNs) {
        while self.room() > 0 && self.market(instrument).is_reached(side) {
            let market = self.market_mut(instrument);
            let Some((price, slot)) = market.side(side).resting.best() else {
                return;
            };
            let there = market.touch.opposite(side).qty;
            let qty = self.orders.get(slot).leaves.min(there);
            self.market_mut(instrument).consume(side.opposite(), qty);
            self.fill_maker(slot, price, qty, at);
        }
    }

    /// Fills the resting orders of `side` that stand better than `price`, and tells what is left of `qty`.
    pub(crate) fn fill_passed(
        &mut self,
        side: Side,
        instrument: InstrumentId,
        price: Price,
        qty: Qty,
        at: TimeNs,
    ) -> Qty {
        let mut left = qty;
        while left > Qty::ZERO && self.room() > 0 {
            let resting = &self.market(instrument).side(side).resting;
            let Some((own_price, slot)) = resting.best().filter(|_| resting.is_passed_by(price)) else {
                break;
            };
            let filled = self.orders.get(slot).leaves.min(left);
            left.0 -= filled.0;
            self.fill_maker(slot, own_price, filled, at);
        }
        left
    }

    /// Fills the resting orders of `side` at `price` by what goes past the queue ahead of each. `left` of `qty` has not
    /// gone to orders with a better price; tells what is left then.
    pub(crate) fn fill_at(
        &mut self,
        side: Side,
        instrument: InstrumentId,
        (price, qty, hit): (Price, Qty, Hit),
        mut left: Qty,
        at: TimeNs,
    ) -> Qty {
        let lot = self.market(instrument).lot();
        let places = self.market(instrument).side(side).resting.places_at(price);
        let mut place = places.end;
        for _ in places {
            place -= 1;
            let Some((_, slot)) = self.market(instrument).side(side).resting.at(place) else {
                break;
            };
            let past = match hit {
                Hit::Execution(of) if self.orders.get(slot).place < of => left,
                Hit::Execution(_) => Qty::ZERO,
                Hit::Trade => {
                    let row = self.orders.change(slot, &mut self.digest, |row| {
                        row.front = queue::after_trade(row.front, left);
                        row.traded.0 = row.traded.0.saturating_add(qty.0);
                    });
                    queue::passed(row.front, lot).min(left)
                }
            };
            let filled = past.min(self.orders.get(slot).open());
            if filled > Qty::ZERO && self.room() > 0 {
                left.0 -= filled.0;
                self.orders.change(slot, &mut self.digest, |row| {
                    row.front = queue::after_fill(row.front, filled);
                });
                // An order that went to the back has let those behind it move up by a place.
                place += usize::from(self.fill_maker(slot, price, filled, at));
            }
        }
        left
    }

    /// Fills an order that rests, at its own price; whether it went to the back of its queue with a new peak.
    fn fill_maker(&mut self, slot: u32, price: Price, qty: Qty, at: TimeNs) -> bool {
        self.fill(slot, price, qty, Liquidity::Maker, at);
        let order = *self.orders.get(slot);
        if order.leaves == Qty::ZERO {
            self.leave_the_book(slot);
            self.orders.remove(slot, &mut self.digest);
            return false;
        }
        let is_peak_gone = order.display > Qty::ZERO && order.shown == Qty::ZERO;
        if is_peak_gone {
            self.show_next_peak(slot, &order);
        }
        is_peak_gone
    }

    fn show_next_peak(&mut self, slot: u32, order: &VenueOrder) {
        self.leave_the_book(slot);
        let priority = self.orders.next_number();
        let (front, place) = self.back_of_the_queue(order.instrument, order.side, order.price);
        let traded = order.traded;
        let row = self.orders.change(slot, &mut self.digest, |row| {
            (row.priority, row.place) = (priority, place);
            // What traded since the level was told is not there any more.
            row.front = queue::after_trade(front, traded).max(0.0);
            row.shown = row.peak();
        });
        let resting = &mut self.market_mut(order.instrument).side_mut(order.side).resting;
        assert!(resting.insert(row.price, row.priority, slot), "the order has just left its place there");
    }
}
