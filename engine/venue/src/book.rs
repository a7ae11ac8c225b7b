//! An order book, order by order: who stands where in which queue.
//!
//! [`OrderBook`] is what a feed does to a book; it matches nothing, and a crossed book is legal. [`MatchingBook`] puts
//! the rules of an exchange on it. Units: prices and quantities are mantissas of one instrument. Invariants: a level's
//! quantity is the sum of its orders' and is positive; a queue is sorted by priority, then by id; the digest depends on
//! the orders alone, not on how they came. Everything is allocated at construction; a full store is an error and
//! changes nothing.

mod auction;
mod image;
mod ladder;
mod matching;
mod order;
mod store;
mod taker;
mod terms;
mod told;

pub use auction::Indication;
pub use matching::MatchingBook;
pub use order::BookOrder;
pub use terms::{
    Band, BandRule, CancelReason, Effect, NewOrder, Outcome, Phase, Refusal, Replace, Standing,
    UncrossStanding, Uncrossed, Validity,
};
pub use told::ToldBook;

use ladder::{Ladder, NIL};
use store::{Node, Store};
use tickwerk_domain::{Digest, Level, Price, Qty, Side};

/// Why a book did not change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BookError {
    /// No order has this id.
    #[error("no order has the id {id}")]
    UnknownOrder {
        /// The id.
        id: u64,
    },
    /// An order with this id is there already.
    #[error("an order with the id {id} is in the book already")]
    DuplicateOrder {
        /// The id.
        id: u64,
    },
    /// The quantity is zero or negative.
    #[error("order {id}: quantity {} is not positive", qty.0)]
    QtyNotPositive {
        /// The id.
        id: u64,
        /// The quantity.
        qty: Qty,
    },
    /// More would be taken than is left.
    #[error("order {id}: {} would be taken but only {} is left", by.0, left.0)]
    TooMuch {
        /// The id.
        id: u64,
        /// What would be taken.
        by: Qty,
        /// What is left.
        left: Qty,
    },
    /// The level's quantity would not fit its number.
    #[error("order {id}: the quantity at price {} would pass 2⁶³", price.0)]
    LevelOverflow {
        /// The id.
        id: u64,
        /// The level.
        price: Price,
    },
    /// The store of orders is full.
    #[error("order {id}: the book holds its maximum of {orders_max} orders; make it with more")]
    Full {
        /// The id.
        id: u64,
        /// The maximum.
        orders_max: usize,
    },
}

/// A book of orders.
#[derive(Debug)]
pub struct OrderBook {
    store: Store,
    /// Bids and asks.
    sides: [Ladder; 2],
    digest: Digest,
}

impl OrderBook {
    /// An empty book for at most `orders_max` orders, a power of two; all that it ever allocates.
    pub fn new(orders_max: usize) -> Self {
        let store = Store::new(orders_max);
        let slots = u32::try_from(orders_max).expect("the store checked the maximum");
        Self {
            store,
            sides: [Side::Buy, Side::Sell].map(|side| Ladder::new(side, slots)),
            digest: Digest::default(),
        }
    }

    /// Removes every order.
    pub fn clear(&mut self) {
        for side in [Side::Buy, Side::Sell] {
            while let Some((_, queue)) = self.ladder(side).best() {
                self.take_out(self.ladder(side).queue(queue).head);
            }
        }
    }

    /// Adds an order at the place in its level's queue that its priority gives.
    #[inline]
    pub fn add(&mut self, order: BookOrder) -> Result<(), BookError> {
        if order.qty <= Qty::ZERO {
            return Err(BookError::QtyNotPositive { id: order.id, qty: order.qty });
        }
        if self.store.find(order.id).is_some() {
            return Err(BookError::DuplicateOrder { id: order.id });
        }
        if !self.store.has_room() {
            return Err(BookError::Full { id: order.id, orders_max: self.store.orders_max() });
        }
        let at = self.level_for(&order, order.qty.0)?;
        // A passive order hides nothing; a copy of a former iceberg must not claim the slot's old reserve.
        let slot = self.store.insert(BookOrder { is_iceberg: false, ..order });
        self.enqueue(slot, at);
        Ok(())
    }

    /// Takes `by` from an order, which keeps its place and is removed when nothing is left. Tells what is left.
    #[inline]
    pub fn reduce(&mut self, id: u64, by: Qty) -> Result<Qty, BookError> {
        let slot = self.slot(id)?;
        let left = self.store.get(slot).order.qty;
        if by < Qty::ZERO {
            return Err(BookError::QtyNotPositive { id, qty: by });
        }
        if by > left {
            return Err(BookError::TooMuch { id, by, left });
        }
        if by == left {
            self.take_out(slot);
            return Ok(Qty::ZERO);
        }
        self.shrink(slot, by);
        Ok(Qty(left.0 - by.0))
    }

    /// Removes an order and hands it back as it was.
    #[inline]
    pub fn remove(&mut self, id: u64) -> Result<BookOrder, BookError> {
        let slot = self.slot(id)?;
        Ok(self.take_out(slot))
    }

    /// Gives an order another price or quantity. A quantity that is not larger, at the same price, keeps its place and
    /// its priority; everything else goes where the new priority puts it.
    #[inline]
    pub fn modify(&mut self, id: u64, price: Price, qty: Qty, priority: u64) -> Result<(), BookError> {
        let slot = self.slot(id)?;
        let order = self.store.get(slot).order;
        if qty <= Qty::ZERO {
            return Err(BookError::QtyNotPositive { id, qty });
        }
        if price == order.price && qty <= order.qty {
            self.shrink(slot, Qty(order.qty.0 - qty.0));
            return Ok(());
        }
        let moved = BookOrder { qty, price, priority, ..order };
        self.level_for(&moved, if price == order.price { qty.0 - order.qty.0 } else { qty.0 })?;
        self.dequeue(slot);
        self.store.get_mut(slot).order = moved;
        self.enqueue_again(slot);
        Ok(())
    }

    /// The order with this id.
    #[inline]
    pub fn get(&self, id: u64) -> Option<&BookOrder> {
        self.store.find(id).map(|slot| &self.store.get(slot).order)
    }

    /// The best level of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.ladder(side).level(0)
    }

    /// The levels of a side, best first: market by price.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let ladder = self.ladder(side);
        (0..ladder.len()).map_while(|depth| ladder.level(depth))
    }

    /// The orders of one level in the order of their queue: market by order.
    pub fn orders_at(&self, side: Side, price: Price) -> impl Iterator<Item = &BookOrder> + '_ {
        let ladder = self.ladder(side);
        let head = ladder.find(price).map_or(NIL, |queue| ladder.queue(queue).head);
        self.slots_from(head).map(|slot| &self.store.get(slot).order)
    }

    /// The orders of a side, best level first and each level in the order of its queue.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = &BookOrder> + '_ {
        let ladder = self.ladder(side);
        (0..ladder.len())
            .filter_map(|depth| ladder.at_depth(depth))
            .flat_map(|(_, queue)| self.slots_from(ladder.queue(queue).head))
            .map(|slot| &self.store.get(slot).order)
    }

    /// Whether the order is there and the first in the queue of its level.
    pub fn is_front(&self, id: u64) -> bool {
        self.store.find(id).is_some_and(|slot| self.store.get(slot).prev == NIL)
    }

    /// What is shown before this order in the queue of its level.
    pub fn qty_ahead(&self, id: u64) -> Option<Qty> {
        let slot = self.store.find(id)?;
        let mut ahead = 0;
        let mut other = self.store.get(slot).prev;
        while other != NIL {
            let node = self.store.get(other);
            ahead += node.order.qty.0;
            other = node.prev;
        }
        Some(Qty(ahead))
    }

    /// What an iceberg holds back; zero for any other order.
    pub fn reserve(&self, id: u64) -> Option<Qty> {
        self.store.find(id).map(|slot| self.store.reserve(slot).left)
    }

    /// How many orders there are.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there is no order.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the best bid is at or over the best ask: locked or crossed.
    #[inline]
    pub fn is_crossed(&self) -> bool {
        match (self.best(Side::Buy), self.best(Side::Sell)) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            (None | Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// A number that is equal for books with equal orders, whatever their history. 0 for an empty one.
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    fn slot(&self, id: u64) -> Result<u32, BookError> {
        self.store.find(id).ok_or(BookError::UnknownOrder { id })
    }

    /// The level of `order`, made if it is not there, if it can hold `more`.
    #[inline]
    fn level_for(&mut self, order: &BookOrder, more: i64) -> Result<u32, BookError> {
        let ladder = self.ladder_mut(order.side);
        let at = ladder.find_or_insert(order.price);
        let queue = ladder.queue(at);
        // A level that was made now is empty and holds anything: what is refused leaves no empty level behind.
        let all = queue.qty.checked_add(queue.hidden).and_then(|all| all.checked_add(more));
        all.map(|_| at).ok_or(BookError::LevelOverflow { id: order.id, price: order.price })
    }

    /// Puts an order that has just left its queue in the queue of its price.
    #[inline]
    fn enqueue_again(&mut self, slot: u32) {
        let order = self.store.get(slot).order;
        let at = self.ladder_mut(order.side).find_or_insert(order.price);
        self.enqueue(slot, at);
    }

    /// Puts the order of `slot` in the queue `at`, by priority, and in the digest.
    #[inline]
    fn enqueue(&mut self, slot: u32, at: u32) {
        let order = self.store.get(slot).order;
        let hidden = self.store.reserve(slot).left.0;
        let ladder = &mut self.sides[side_index(order.side)];
        let queue = ladder.queue_mut(at);
        queue.qty += order.qty.0;
        queue.hidden += hidden;
        let (mut prev, mut next) = (queue.tail, NIL);
        while prev != NIL && self.store.get(prev).order.place() > order.place() {
            next = prev;
            prev = self.store.get(prev).prev;
        }
        match prev {
            NIL => queue.head = slot,
            before => self.store.get_mut(before).next = slot,
        }
        match next {
            NIL => queue.tail = slot,
            after => self.store.get_mut(after).prev = slot,
        }
        let row = self.store.row(slot);
        let node = self.store.get_mut(slot);
        (node.prev, node.next, node.queue) = (prev, next, at);
        self.digest.update(&mut node.row, row);
    }

    /// Takes the order of `slot` out of its queue and of the digest; an empty level goes with it.
    #[inline]
    fn dequeue(&mut self, slot: u32) {
        let hidden = self.store.reserve(slot).left.0;
        let node = self.store.get_mut(slot);
        self.digest.update(&mut node.row, 0);
        let Node { order, prev, next, queue: at, .. } = *node;
        let ladder = &mut self.sides[side_index(order.side)];
        let queue = ladder.queue_mut(at);
        queue.qty -= order.qty.0;
        queue.hidden -= hidden;
        match prev {
            NIL => queue.head = next,
            before => self.store.get_mut(before).next = next,
        }
        match next {
            NIL => queue.tail = prev,
            after => self.store.get_mut(after).prev = prev,
        }
        if queue.head == NIL {
            ladder.remove(order.price);
        }
    }

    #[inline]
    fn take_out(&mut self, slot: u32) -> BookOrder {
        self.dequeue(slot);
        let order = self.store.get(slot).order;
        self.store.remove(slot);
        order
    }

    /// Takes less than the order has; it keeps its place.
    #[inline]
    fn shrink(&mut self, slot: u32, by: Qty) {
        let node = self.store.get_mut(slot);
        node.order.qty.0 -= by.0;
        let (side, at) = (node.order.side, node.queue);
        self.ladder_mut(side).queue_mut(at).qty -= by.0;
        self.rehash(slot);
    }

    #[inline]
    fn rehash(&mut self, slot: u32) {
        let row = self.store.row(slot);
        self.digest.update(&mut self.store.get_mut(slot).row, row);
    }

    fn slots_from(&self, head: u32) -> impl Iterator<Item = u32> + '_ {
        let there = |slot: u32| (slot != NIL).then_some(slot);
        std::iter::successors(there(head), move |slot| there(self.store.get(*slot).next))
    }

    #[inline]
    fn ladder(&self, side: Side) -> &Ladder {
        &self.sides[side_index(side)]
    }

    #[inline]
    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        &mut self.sides[side_index(side)]
    }
}

/// Where a side's ladder is; an index and not a branch, as sides come at random.
#[inline]
fn side_index(side: Side) -> usize {
    usize::from(side == Side::Sell)
}

#[cfg(test)]
mod tests;
