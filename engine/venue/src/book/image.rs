//! Books in a state image: their orders, best level first and each level in the order of its queue.
//!
//! A book is made anew from its orders by what makes it in any case, so that levels, queues and indexes cannot disagree
//! with them.

use super::matching::Pending;
use super::store::Reserve;
use super::taker::Taker;
use super::{Band, BandRule, BookOrder, MatchingBook, OrderBook, Phase};
use tickwerk_domain::Side;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};

tickwerk_domain::persist_variants! {
    Phase { Continuous, Auction, Halted }
    BandRule { Reject, Stop }
}

tickwerk_domain::persist! {
    BookOrder { id, qty, price, priority, owner, side, is_iceberg }
    Reserve { display, left }
    Band { low, high, rule }
    Taker { id, side, price, left, filled, display, rests, owner, self_trade }
}

impl Persist for Pending {
    fn save(&self, to: &mut ImageWriter) {
        match self {
            Self::Nothing => 0_u8.save(to),
            Self::Taker(taker) => {
                1_u8.save(to);
                taker.save(to);
            }
            Self::Uncross { price, left, done } => {
                (2_u8, (*price, (*left, *done))).save(to);
            }
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(match u8::load(from)? {
            0 => Self::Nothing,
            1 => Self::Taker(from.value()?),
            2 => Self::Uncross { price: from.value()?, left: from.value()?, done: from.value()? },
            found => return Err(Fault::Value { what: "unfinished matching", found: found.into() }),
        })
    }
}

impl OrderBook {
    /// Adds the book to an image.
    pub fn save(&self, to: &mut ImageWriter) {
        let Self { store, sides: _, digest: _ } = self;
        to.count(store.len());
        for side in [Side::Buy, Side::Sell] {
            for order in self.orders(side) {
                order.save(to);
                if order.is_iceberg {
                    store.find(order.id).map(|slot| store.reserve(slot)).unwrap_or_default().save(to);
                }
            }
        }
    }

    /// Reads a book for at most `orders_max` orders.
    pub fn load(orders_max: usize, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut book = Self::new(orders_max);
        for _ in 0..from.count(orders_max)? {
            let order: BookOrder = from.value()?;
            let reserve = if order.is_iceberg { from.value()? } else { Reserve::default() };
            book.take_in(order, reserve)?;
        }
        Ok(book)
    }

    /// Orders come in the order of their queues, so each finds its place at once.
    fn take_in(&mut self, order: BookOrder, reserve: Reserve) -> Result<(), Fault> {
        let BookOrder { id, qty, price, side, .. } = order;
        let is_open = qty.0 > 0 && reserve.left.0 >= 0;
        ensure(is_open, Fault::Broken("an order of a book has no quantity"))?;
        ensure(self.store.find(id).is_none(), Fault::Twice { what: "order", found: id })?;
        let behind = self.ladder(side).find(price).map(|at| self.ladder(side).queue(at).tail);
        let follows = behind.is_none_or(|tail| self.store.get(tail).order.place() < order.place());
        ensure(follows, Fault::Twice { what: "place of order", found: id })?;
        let too_much = Fault::Broken("the quantity of a level does not fit its number");
        let all = qty.0.checked_add(reserve.left.0).ok_or(too_much)?;
        let at = self.level_for(&order, all).map_err(|_| too_much)?;
        assert!(self.store.has_room(), "no more orders are read than the store has slots");
        let slot = self.store.insert(order);
        self.store.set_reserve(slot, reserve);
        self.enqueue(slot, at);
        Ok(())
    }
}

impl MatchingBook {
    /// Adds the book to an image.
    pub fn save(&self, to: &mut ImageWriter) {
        let Self { book, phase, band, arrivals, pending } = self;
        book.save(to);
        phase.save(to);
        band.save(to);
        arrivals.save(to);
        pending.save(to);
    }

    /// Reads a book for at most `orders_max` resting orders.
    pub fn load(orders_max: usize, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self {
            book: OrderBook::load(orders_max, from)?,
            phase: from.value()?,
            band: from.value()?,
            arrivals: from.value()?,
            pending: from.value()?,
        })
    }

    /// Ids of all orders, side by side in the order of the queues.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        [Side::Buy, Side::Sell].into_iter().flat_map(|side| self.book.orders(side)).map(|order| order.id)
    }
}
