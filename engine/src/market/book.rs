//! An aggregated (L2) order book in two sorted arrays of fixed size; the best level stands last.
//!
//! Real updates cluster near the touch, so what moves on insertion is short. When a side is full, the level farthest
//! from the touch is forgotten, and the book counts as exhausted once such a side has run empty.

use crate::limits::BOOK_LEVELS_MAX;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{Digest, Level, Qty, Side, Touch};

#[derive(Debug)]
struct Levels {
    side: Side,
    /// Ascending by rank; a rank is the price, with all bits turned for asks: that reverses the order of every `i64`.
    levels: Vec<Level>,
    is_truncated: bool,
}

/// Both sides of a book.
#[derive(Debug)]
pub struct Book {
    bids: Levels,
    asks: Levels,
    digest: Digest,
}

impl Default for Book {
    fn default() -> Self {
        Self::new()
    }
}

impl Book {
    /// An empty book; the only allocation it ever makes.
    pub fn new() -> Self {
        Self { bids: Levels::new(Side::Buy), asks: Levels::new(Side::Sell), digest: Digest::default() }
    }

    /// Sets the quantity of a level; zero removes it.
    #[inline]
    pub fn set(&mut self, side: Side, level: Level) {
        let (levels, digest) = self.side_mut(side);
        levels.set(level, digest);
    }

    /// Forgets all levels.
    pub fn clear(&mut self) {
        for levels in [&mut self.bids, &mut self.asks] {
            levels.levels.clear();
            levels.is_truncated = false;
        }
        self.digest = Digest::default();
    }

    /// The best level of each side.
    #[inline]
    pub fn top(&self) -> Touch {
        let best = |levels: &Levels| levels.levels.last().copied().unwrap_or_default();
        Touch { bid: best(&self.bids), ask: best(&self.asks) }
    }

    /// The levels of a side from the best on.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        match side {
            Side::Buy => self.bids.levels.iter().rev().copied(),
            Side::Sell => self.asks.levels.iter().rev().copied(),
        }
    }

    /// Whether a side that forgot levels has run empty, so that its best is unknown.
    pub fn is_exhausted(&self) -> bool {
        [&self.bids, &self.asks].iter().any(|levels| levels.is_truncated && levels.levels.is_empty())
    }

    /// Digest of all levels, and of whether some were forgotten.
    pub fn digest(&self) -> u64 {
        let forgotten = u64::from(self.bids.is_truncated) << 1 | u64::from(self.asks.is_truncated);
        self.digest.0.wrapping_add(forgotten)
    }

    fn side_mut(&mut self, side: Side) -> (&mut Levels, &mut Digest) {
        match side {
            Side::Buy => (&mut self.bids, &mut self.digest),
            Side::Sell => (&mut self.asks, &mut self.digest),
        }
    }
}

impl Levels {
    fn new(side: Side) -> Self {
        Self { side, levels: Vec::with_capacity(BOOK_LEVELS_MAX), is_truncated: false }
    }

    fn set(&mut self, level: Level, digest: &mut Digest) {
        let flip = match self.side {
            Side::Buy => 0,
            Side::Sell => -1,
        };
        let place = self.place(level.price.0 ^ flip, flip);
        let is_there = self.levels.get(place).is_some_and(|found| found.price == level.price);
        match (is_there, level.qty > Qty::ZERO) {
            (true, true) => {
                digest.replace(self.hash(self.levels[place]), self.hash(level));
                self.levels[place].qty = level.qty;
            }
            (true, false) => {
                digest.replace(self.hash(self.levels[place]), 0);
                self.levels.remove(place);
            }
            (false, true) => self.insert(place, level, digest),
            (false, false) => {}
        }
    }

    fn insert(&mut self, mut place: usize, level: Level, digest: &mut Digest) {
        if self.levels.len() == BOOK_LEVELS_MAX {
            self.is_truncated = true;
            if place == 0 {
                return;
            }
            digest.replace(self.hash(self.levels[0]), 0);
            self.levels.remove(0);
            place -= 1;
        }
        digest.replace(0, self.hash(level));
        self.levels.insert(place, level);
    }

    /// Where a level of `rank` stands or would stand: the last few first, then by halves.
    #[inline]
    fn place(&self, rank: i64, flip: i64) -> usize {
        const NEAR: usize = 8;
        let count = self.levels.len();
        let near = count.saturating_sub(NEAR);
        for place in (near..count).rev() {
            if self.levels[place].price.0 ^ flip < rank {
                return place + 1;
            }
        }
        self.levels[..near].partition_point(|level| level.price.0 ^ flip < rank)
    }

    #[inline]
    fn hash(&self, level: Level) -> u64 {
        row_hash(self.side as u64, &[level.price.0.cast_unsigned(), level.qty.0.cast_unsigned()])
    }
}

/// Its levels; the digest is that of what was read.
impl Persist for Book {
    fn save(&self, to: &mut ImageWriter) {
        let Self { bids, asks, digest: _ } = self;
        for Levels { side: _, levels, is_truncated } in [bids, asks] {
            to.list(levels.iter());
            to.value(is_truncated);
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut digest = Digest::default();
        let mut side = |side| {
            let loaded = Levels { side, levels: from.list(BOOK_LEVELS_MAX)?, is_truncated: from.value()? };
            let rank = |level: &Level| if side == Side::Buy { level.price.0 } else { !level.price.0 };
            let is_sorted = loaded.levels.is_sorted_by(|a, b| rank(a) < rank(b));
            let has_gap = loaded.levels.iter().any(|level| level.qty <= Qty::ZERO);
            ensure(is_sorted && !has_gap, Fault::Broken("levels are not sorted by price, or hold nothing"))?;
            for level in &loaded.levels {
                digest.replace(0, loaded.hash(*level));
            }
            Ok(loaded)
        };
        Ok(Self { bids: side(Side::Buy)?, asks: side(Side::Sell)?, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use tickwerk_domain::Price;

    fn level(price: i64, qty: i64) -> Level {
        Level { price: Price(price), qty: Qty(qty) }
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(updates in prop::collection::vec((any::<bool>(), -40_i64..40, 0_i64..4), 0..400)) {
            let mut book = Book::new();
            let mut oracle = [BTreeMap::new(), BTreeMap::new()];
            for (is_bid, price, qty) in updates {
                book.set(if is_bid { Side::Buy } else { Side::Sell }, level(price, qty));
                let side = &mut oracle[usize::from(!is_bid)];
                if qty == 0 { side.remove(&price); } else { side.insert(price, qty); }
            }
            let pairs = |side| book.levels(side).map(|level| (level.price.0, level.qty.0)).collect::<Vec<_>>();
            prop_assert_eq!(pairs(Side::Buy), oracle[0].clone().into_iter().rev().collect::<Vec<_>>());
            prop_assert_eq!(pairs(Side::Sell), oracle[1].clone().into_iter().collect::<Vec<_>>());
            let mut rebuilt = Book::new();
            for side in [Side::Sell, Side::Buy] {
                for level in book.levels(side) { rebuilt.set(side, level); }
            }
            prop_assert_eq!(rebuilt.digest(), book.digest());
        }
    }

    #[test]
    fn a_full_side_forgets_the_level_farthest_from_the_touch() {
        let mut book = Book::new();
        let count = i64::try_from(BOOK_LEVELS_MAX).unwrap();
        for price in 1..=count {
            book.set(Side::Buy, level(price, 1));
        }
        book.set(Side::Buy, level(0, 1));
        assert_eq!(book.levels(Side::Buy).last(), Some(level(1, 1)), "a worse level than all is not taken");
        book.set(Side::Buy, level(count + 1, 1));
        assert_eq!(book.levels(Side::Buy).last(), Some(level(2, 1)));
        assert_eq!(book.top().bid, level(count + 1, 1));
        assert!(!book.is_exhausted());
        for price in 1..=count + 1 {
            book.set(Side::Buy, level(price, 0));
        }
        assert!(book.is_exhausted());
    }
}
