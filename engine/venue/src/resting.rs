//! Orders of one side that rest at the venue, by price and then by priority; the best stands last.

use std::cmp::Reverse;
use std::ops::Range;
use tickwerk_domain::{Level, Price, Qty, Side};

/// Orders that may rest on one side of one instrument.
pub const RESTING_PER_SIDE_MAX: usize = tickwerk_domain::image::capacity(4096, 64);

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Price as it ranks: with all bits turned for asks, so that more is better on both sides.
    rank: i64,
    priority: u64,
    slot: u32,
}

/// One side of one instrument.
#[derive(Debug)]
pub(crate) struct Resting {
    side: Side,
    entries: Vec<Entry>,
}

impl Resting {
    pub(crate) fn new(side: Side) -> Self {
        Self { side, entries: Vec::with_capacity(RESTING_PER_SIDE_MAX) }
    }

    /// Adds an order; `false` when the side is full.
    pub(crate) fn insert(&mut self, price: Price, priority: u64, slot: u32) -> bool {
        if self.entries.len() == RESTING_PER_SIDE_MAX {
            return false;
        }
        let entry = Entry { rank: self.rank(price), priority, slot };
        let place = self.place(entry.rank, priority);
        self.entries.insert(place, entry);
        true
    }

    /// Takes an order out, where it rests here.
    pub(crate) fn remove(&mut self, price: Price, priority: u64) {
        let place = self.place(self.rank(price), priority);
        if self.entries.get(place).is_some_and(|entry| entry.priority == priority) {
            self.entries.remove(place);
        }
    }

    /// Price and slot of the best order.
    pub(crate) fn best(&self) -> Option<(Price, u32)> {
        self.entries.last().map(|entry| (Price(entry.rank ^ self.flip()), entry.slot))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Price and slot at a place; the best one has the highest place.
    pub(crate) fn at(&self, place: usize) -> Option<(Price, u32)> {
        self.entries.get(place).map(|entry| (Price(entry.rank ^ self.flip()), entry.slot))
    }

    /// The places of the orders at a price; the first in the queue has the highest.
    pub(crate) fn places_at(&self, price: Price) -> Range<usize> {
        let rank = self.rank(price);
        let first = self.entries.partition_point(|entry| entry.rank < rank);
        first..self.entries.partition_point(|entry| entry.rank <= rank)
    }

    /// Whether the opposite touch `there` reaches the best order.
    #[inline]
    pub(crate) fn is_reached_by(&self, there: Level) -> bool {
        there.qty > Qty::ZERO && self.entries.last().is_some_and(|entry| entry.rank >= self.rank(there.price))
    }

    /// Whether the best order has a better price than `price`.
    #[inline]
    pub(crate) fn is_passed_by(&self, price: Price) -> bool {
        self.entries.last().is_some_and(|entry| entry.rank > self.rank(price))
    }

    fn rank(&self, price: Price) -> i64 {
        price.0 ^ self.flip()
    }

    /// Turning all bits reverses the order of every `i64`.
    fn flip(&self) -> i64 {
        match self.side {
            Side::Buy => 0,
            Side::Sell => -1,
        }
    }

    fn place(&self, rank: i64, priority: u64) -> usize {
        self.entries
            .partition_point(|entry| (entry.rank, Reverse(entry.priority)) < (rank, Reverse(priority)))
    }
}
