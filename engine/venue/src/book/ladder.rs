//! One side of a book: its price levels, sorted, the best one last.
//!
//! Most changes are near the best price, so a level is looked for from the end, and a level that comes or goes there
//! moves little; a table of hints finds most levels that exist at once. Prices are held as keys that grow towards the
//! better price on both sides, so that no code asks for the side. A level keeps its slot while it exists: its orders
//! point to it.

use tickwerk_domain::{Level, Price, Qty, Side};

/// No slot.
pub(super) const NIL: u32 = u32::MAX;
/// Levels that are tried one by one from the best, before halving.
const NEAR: usize = 8;

/// Places of the table of hints.
const HINTS: usize = 1_024;

/// Where a level stands in the sorted order.
#[derive(Clone, Copy, Debug)]
struct Rung {
    key: i64,
    queue: u32,
}

/// The orders of a level, first in, first out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    key: i64,
    /// All that is shown.
    pub(super) qty: i64,
    /// All that icebergs hold back.
    pub(super) hidden: i64,
    pub(super) head: u32,
    pub(super) tail: u32,
}

const _: () = assert!(size_of::<Queue>() == 32);

const EMPTY: Queue = Queue { key: 0, qty: 0, hidden: 0, head: NIL, tail: NIL };

#[derive(Debug)]
pub(super) struct Ladder {
    side: Side,
    /// The levels, then the slots that are free.
    rungs: Box<[Rung]>,
    len: usize,
    queues: Box<[Queue]>,
    /// By the hash of a key, the queue that had such a key last. It may have another one by now, or be empty: a hint
    /// counts only if the queue bears it out, so nothing depends on what is in this table.
    hints: Box<[u32; HINTS]>,
}

impl Ladder {
    /// A side for the levels of at most `orders_max` orders, and one more while an order moves.
    pub(super) fn new(side: Side, orders_max: u32) -> Self {
        let levels_max = orders_max + 1;
        Self {
            side,
            rungs: (0..levels_max).map(|queue| Rung { key: 0, queue }).collect(),
            len: 0,
            queues: (0..levels_max).map(|_| EMPTY).collect(),
            hints: Box::new([0; HINTS]),
        }
    }

    /// Grows towards the better price.
    #[inline]
    pub(super) fn key(&self, price: Price) -> i64 {
        key(self.side, price)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn queue(&self, slot: u32) -> &Queue {
        &self.queues[slot as usize]
    }

    #[inline]
    pub(super) fn queue_mut(&mut self, slot: u32) -> &mut Queue {
        &mut self.queues[slot as usize]
    }

    /// Key and queue of the best level.
    #[inline]
    pub(super) fn best(&self) -> Option<(i64, u32)> {
        self.rungs[..self.len].last().map(|rung| (rung.key, rung.queue))
    }

    /// Key and queue of the level that is `depth` behind the best one.
    #[inline]
    pub(super) fn at_depth(&self, depth: usize) -> Option<(i64, u32)> {
        let from_end = self.len.checked_sub(depth + 1)?;
        Some((self.rungs[from_end].key, self.rungs[from_end].queue))
    }

    /// What all may see of the level that is `depth` behind the best one.
    pub(super) fn level(&self, depth: usize) -> Option<Level> {
        let (key, queue) = self.at_depth(depth)?;
        Some(Level { price: price(self.side, key), qty: Qty(self.queue(queue).qty) })
    }

    /// The queue at `price`.
    pub(super) fn find(&self, price: Price) -> Option<u32> {
        let key = self.key(price);
        self.hinted(key).or_else(|| self.place(key).ok().map(|place| self.rungs[place].queue))
    }

    /// The queue at `price`, made if it is not there. An order must join it before anybody looks at the levels.
    #[inline]
    pub(super) fn find_or_insert(&mut self, price: Price) -> u32 {
        let key = self.key(price);
        if let Some(queue) = self.hinted(key) {
            return queue;
        }
        let queue = match self.place(key) {
            Ok(place) => self.rungs[place].queue,
            Err(place) => {
                let queue = self.rungs[self.len].queue;
                self.rungs.copy_within(place..self.len, place + 1);
                self.rungs[place] = Rung { key, queue };
                self.len += 1;
                self.queues[queue as usize].key = key;
                queue
            }
        };
        self.hints[hint(key)] = queue;
        queue
    }

    /// Takes out the level at `price`, whose queue is empty.
    #[inline]
    pub(super) fn remove(&mut self, price: Price) {
        let place = self.place(self.key(price)).expect("an order's level is there while the order is");
        let queue = self.rungs[place].queue;
        self.rungs.copy_within(place + 1..self.len, place);
        self.len -= 1;
        self.rungs[self.len].queue = queue;
        self.queues[queue as usize] = EMPTY;
    }

    #[inline]
    fn hinted(&self, key: i64) -> Option<u32> {
        let slot = self.hints[hint(key)];
        let queue = &self.queues[slot as usize];
        (queue.key == key && queue.head != NIL).then_some(slot)
    }

    /// Where `key` stands, or would.
    #[inline]
    fn place(&self, key: i64) -> Result<usize, usize> {
        let rungs = &self.rungs[..self.len];
        let near = self.len.saturating_sub(NEAR);
        for (place, rung) in rungs.iter().enumerate().skip(near).rev() {
            if rung.key <= key {
                return if rung.key == key { Ok(place) } else { Err(place + 1) };
            }
        }
        rungs[..near].binary_search_by_key(&key, |rung| rung.key)
    }
}

/// A price as a number that grows towards the better price of `side`.
#[inline]
pub(super) fn key(side: Side, price: Price) -> i64 {
    // For asks the complement: it falls as the price grows, and unlike the negative it has no overflow.
    price.0 ^ -i64::from(side == Side::Sell)
}

/// The price with this key.
#[inline]
pub(super) fn price(side: Side, key: i64) -> Price {
    Price(key ^ -i64::from(side == Side::Sell))
}

/// Prices come in strides of a tick; a product spreads them.
#[inline]
fn hint(key: i64) -> usize {
    (key.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize
}
