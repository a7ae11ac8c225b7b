//! What is told of the orders and trades of others, beyond the touch.

use crate::SimulatedVenue;
use crate::book::{BookOrder, ToldBook};
use crate::fills::Hit;
use crate::levels::Depth;
use crate::market::Auction;
use tickwerk_domain::command::BookOrderObserved;
use tickwerk_domain::{
    Aggressor, BookAction, BookDelta, InstrumentId, Level, Price, Qty, QueueModel, Side, TimeNs, Touch,
};

impl SimulatedVenue {
    /// Others traded at `at`. A trade gives at most its own quantity: to our orders with a better price first, then to
    /// those at its price.
    pub fn trade(
        &mut self,
        at: TimeNs,
        instrument: InstrumentId,
        price: Price,
        qty: Qty,
        aggressor: Aggressor,
    ) {
        let market = self.market(instrument);
        if qty <= Qty::ZERO || market.is_exchange() {
            return;
        }
        if market.auction == Auction::Due {
            self.uncross_at_trade(instrument, price, qty, at);
            self.rehash(instrument);
        } else if !market.is_told_by_orders {
            // Where orders are told one by one, their executions tell the trades.
            let sides: &[Side] = match aggressor {
                Aggressor::Seller => &[Side::Buy],
                Aggressor::Buyer => &[Side::Sell],
                Aggressor::Unknown => &[Side::Buy, Side::Sell],
            };
            let mut left = qty;
            for side in sides {
                left = self.hit(*side, instrument, (price, qty, Hit::Trade), left, at);
            }
        }
    }

    /// Something traded at `price` against orders of `side`; tells what our orders left of it.
    fn hit(
        &mut self,
        side: Side,
        instrument: InstrumentId,
        what: (Price, Qty, Hit),
        left: Qty,
        at: TimeNs,
    ) -> Qty {
        let market = self.market(instrument);
        if matches!(market.setting.queue_model, QueueModel::Touch | QueueModel::Exchange)
            || !market.is_continuous()
        {
            return left;
        }
        let resting = &market.side(side).resting;
        let meets_queue = market.has_queues() && !resting.places_at(what.0).is_empty();
        if !meets_queue && !resting.is_passed_by(what.0) {
            return left;
        }
        let happens = self.sent(at, instrument);
        let mut left = self.fill_passed(side, instrument, what.0, left, happens);
        if meets_queue {
            left = self.fill_at(side, instrument, what, left, happens);
        }
        self.rehash(instrument);
        left
    }

    /// Whether quantities of an instrument's levels are used: [`SimulatedVenue::level`] and [`SimulatedVenue::delta`]
    /// do nothing where they are not.
    #[inline]
    pub fn watches_levels(&self, instrument: InstrumentId) -> bool {
        self.market(instrument).watches_levels()
    }

    /// The quantity at a price is told; zero where nothing is there any more.
    pub fn level(&mut self, instrument: InstrumentId, side: Side, level: Level) {
        if self.watches_levels(instrument) {
            self.market_mut(instrument).side_mut(side).levels.deepen(Depth::Levels);
            self.set_level(instrument, side, level);
            self.rehash(instrument);
        }
    }

    /// A part of a book update is told.
    pub fn delta(&mut self, delta: &BookDelta) {
        if !self.watches_levels(delta.instrument) {
            return;
        }
        for side in [Side::Buy, Side::Sell] {
            let levels = &mut self.markets[delta.instrument.0 as usize].side_mut(side).levels;
            levels.deepen(Depth::Levels);
            if delta.clears() {
                levels.clear(tag(delta.instrument, side), &mut self.digest);
            }
        }
        for (side, level) in delta.sided_levels() {
            self.set_level(delta.instrument, side, level);
        }
        self.rehash(delta.instrument);
    }

    /// The touch says that nothing is better, and how much is there.
    pub(crate) fn learn_touch(&mut self, instrument: InstrumentId, touch: Touch) {
        for (side, level) in [(Side::Buy, touch.bid), (Side::Sell, touch.ask)] {
            self.market_mut(instrument).side_mut(side).levels.deepen(Depth::Best);
            let is_empty = level.qty <= Qty::ZERO;
            let is_gone = |best: &Level| match side {
                Side::Buy => is_empty || best.price > level.price,
                Side::Sell => is_empty || best.price < level.price,
            };
            while let Some(best) = self.market(instrument).side(side).levels.best().filter(is_gone) {
                self.set_level(instrument, side, Level { qty: Qty::ZERO, ..best });
            }
            if !is_empty {
                self.set_level(instrument, side, level);
            }
        }
    }

    /// Sets a level, and moves our orders there up by their share of what left it.
    fn set_level(&mut self, instrument: InstrumentId, side: Side, level: Level) {
        let market = &mut self.markets[instrument.0 as usize];
        let before = market.side_mut(side).levels.set(tag(instrument, side), level, &mut self.digest);
        let (shares, resting) = (market.shares, &market.side(side).resting);
        for place in resting.places_at(level.price) {
            if let Some((_, slot)) = resting.at(place) {
                self.orders.change(slot, &mut self.digest, |row| {
                    row.front = shares.after_level(row.front, before, level.qty, row.traded);
                    row.traded = Qty::ZERO;
                });
            }
        }
    }

    /// An order of someone's came, changed or left at `at`, in a market that is told order by order; `book` has taken it.
    /// From the first one on the touch is that of the book of these orders, and their executions are the trades.
    pub fn book_order(&mut self, at: TimeNs, told: &BookOrderObserved, book: &ToldBook) {
        let market = self.market_mut(told.instrument);
        let begins = !market.is_told_by_orders || told.action == BookAction::Clear;
        market.is_told_by_orders = true;
        market.is_rebuilding |= begins;
        market.places = book.arrivals();
        if told.action == BookAction::Execute {
            self.executed(told, book.before(), at);
        }
        if told.is_last {
            self.book_is_whole(book, told.instrument, at);
        }
        self.rehash(told.instrument);
    }

    /// An order of someone's was executed. Our orders with a better price, or at its price and ahead of it, would have
    /// been executed in its stead.
    fn executed(&mut self, told: &BookOrderObserved, known: Option<&BookOrder>, at: TimeNs) {
        // An order that is not known stands ahead of ours: it gives nothing to those at its price.
        let (side, price, place) =
            known.map_or((told.side, told.price, 0), |order| (order.side, order.price, order.priority));
        if self.market(told.instrument).auction == Auction::Due && told.qty > Qty::ZERO {
            self.uncross_at_trade(told.instrument, price, told.qty, at);
        } else {
            self.hit(side, told.instrument, (price, told.qty, Hit::Execution(place)), told.qty, at);
        }
    }

    /// An update of the orders is complete.
    fn book_is_whole(&mut self, book: &ToldBook, instrument: InstrumentId, at: TimeNs) {
        if self.market(instrument).is_rebuilding {
            // Nobody knows where our orders stand among those of a new book, so they stand behind them.
            for side in [Side::Buy, Side::Sell] {
                self.requeue(side, instrument);
            }
            self.market_mut(instrument).is_rebuilding = false;
        }
        let touch = book.touch();
        if touch != self.market(instrument).told_by_orders {
            self.market_mut(instrument).told_by_orders = touch;
            self.renew(at, instrument, touch);
        }
    }

    /// Our orders of a side stand behind all others, in the order that they have among each other.
    pub(crate) fn requeue(&mut self, side: Side, instrument: InstrumentId) {
        for place in (0..self.market(instrument).side(side).resting.len()).rev() {
            let Some((price, slot)) = self.market(instrument).side(side).resting.at(place) else {
                return;
            };
            let (front, place) = self.back_of_the_queue(instrument, side, price);
            self.orders.change(slot, &mut self.digest, |row| {
                (row.front, row.place, row.traded) = (front, place, Qty::ZERO);
            });
        }
    }
}

pub(crate) fn tag(instrument: InstrumentId, side: Side) -> u64 {
    TAG_LEVEL | u64::from(instrument.0) << 32 | (side as u64) << 16
}

const TAG_LEVEL: u64 = 0x0155;
