//! One order of a book.

use tickwerk_domain::{Price, Qty, Side};

/// An order that rests in a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookOrder {
    /// The venue's id; the key.
    pub id: u64,
    /// What others see of it and what matches; the hidden reserve of an iceberg is apart.
    pub qty: Qty,
    /// Its limit.
    pub price: Price,
    /// Place in the queue of its level: lower first, and by id between equals. Normally an arrival counter.
    pub priority: u64,
    /// Whose order it is, for self-trade prevention; 0 is nobody's.
    pub owner: u32,
    /// Which way.
    pub side: Side,
    pub(super) is_iceberg: bool,
}

impl BookOrder {
    /// An order that is nobody's and hides nothing.
    pub fn new(id: u64, side: Side, price: Price, qty: Qty, priority: u64) -> Self {
        Self { id, qty, price, priority, owner: 0, side, is_iceberg: false }
    }

    /// The order with this owner.
    #[must_use]
    pub fn owned_by(mut self, owner: u32) -> Self {
        self.owner = owner;
        self
    }

    /// Whether a reserve stands behind it, or stood behind it before its last peak.
    pub fn is_iceberg(&self) -> bool {
        self.is_iceberg
    }

    /// What queues are sorted by.
    #[inline]
    pub(super) fn place(&self) -> (u64, u64) {
        (self.priority, self.id)
    }
}
