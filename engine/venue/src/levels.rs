//! The quantities of one side's price levels, as last told; the best level stands last.
//!
//! Kept only where a queue model asks for them. A full side forgets the level that is farthest from the best.

use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{Digest, Level, Price, Qty, Side};

/// Levels of one side that the venue knows.
pub const VENUE_LEVELS_MAX: usize = tickwerk_domain::image::capacity(1024, 64);

/// One side's levels.
#[derive(Debug)]
pub(crate) struct Levels {
    side: Side,
    levels: Vec<Level>,
    depth: Depth,
}

/// What is told of a side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Depth {
    /// Nothing yet.
    Nothing,
    /// The best level.
    Best,
    /// Levels behind the best one too: a gap between two of them is empty.
    Levels,
}

impl Levels {
    pub(crate) fn new(side: Side) -> Self {
        Self { side, levels: Vec::with_capacity(VENUE_LEVELS_MAX), depth: Depth::Nothing }
    }

    /// Sets a level; zero removes it. Tells what was there.
    pub(crate) fn set(&mut self, tag: u64, level: Level, digest: &mut Digest) -> Qty {
        let place = self.place(level.price);
        let before = match self.levels.get(place) {
            Some(found) if found.price == level.price => found.qty,
            Some(_) | None => Qty::ZERO,
        };
        let hash = |level| hash(tag, level);
        match (before > Qty::ZERO, level.qty > Qty::ZERO) {
            (true, true) => {
                digest.replace(hash(self.levels[place]), hash(level));
                self.levels[place] = level;
            }
            (true, false) => {
                digest.replace(hash(self.levels[place]), 0);
                self.levels.remove(place);
            }
            (false, true) if self.levels.len() < VENUE_LEVELS_MAX => {
                digest.replace(0, hash(level));
                self.levels.insert(place, level);
            }
            (false, true) if place > 0 => {
                digest.replace(hash(self.levels[0]), hash(level));
                self.levels[..place].rotate_left(1);
                self.levels[place - 1] = level;
            }
            (false, true | false) => {}
        }
        before
    }

    /// Forgets all levels.
    pub(crate) fn clear(&mut self, tag: u64, digest: &mut Digest) {
        while let Some(best) = self.best() {
            self.set(tag, Level { qty: Qty::ZERO, ..best }, digest);
        }
    }

    /// So much is told from here on.
    pub(crate) fn deepen(&mut self, depth: Depth) {
        if self.depth != Depth::Levels {
            self.depth = depth;
        }
    }

    pub(crate) fn depth(&self) -> Depth {
        self.depth
    }

    pub(crate) fn best(&self) -> Option<Level> {
        self.levels.last().copied()
    }

    /// What is there; `None` where it is not known.
    pub(crate) fn known(&self, price: Price) -> Option<Qty> {
        if self.depth == Depth::Nothing {
            return None;
        }
        let place = self.place(price);
        match self.levels.get(place) {
            Some(found) if found.price == price => Some(found.qty),
            // Better than all that is told, so nothing is there.
            None => Some(Qty::ZERO),
            Some(_) => (place > 0 && self.depth == Depth::Levels).then_some(Qty::ZERO),
        }
    }

    fn rank(&self, price: Price) -> i64 {
        match self.side {
            Side::Buy => price.0,
            Side::Sell => !price.0,
        }
    }

    fn place(&self, price: Price) -> usize {
        let rank = self.rank(price);
        self.levels.partition_point(|level| self.rank(level.price) < rank)
    }
}

fn hash(tag: u64, level: Level) -> u64 {
    row_hash(tag, &[level.price.0.cast_unsigned(), level.qty.0.cast_unsigned()])
}

tickwerk_domain::persist_variants! { Depth { Nothing, Best, Levels } }

impl Levels {
    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { side: _, levels, depth } = self;
        to.list(levels.iter());
        depth.save(to);
    }

    pub(crate) fn load(side: Side, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let loaded = Self { side, levels: from.list(VENUE_LEVELS_MAX)?, depth: from.value()? };
        let is_sorted = loaded.levels.is_sorted_by(|a, b| loaded.rank(a.price) < loaded.rank(b.price));
        let has_gap = loaded.levels.iter().any(|level| level.qty <= Qty::ZERO);
        ensure(is_sorted && !has_gap, Fault::Broken("levels are not sorted by price, or hold nothing"))?;
        Ok(loaded)
    }

    /// What all levels count in the digest.
    pub(crate) fn sum(&self, tag: u64, digest: &mut Digest) {
        for level in &self.levels {
            digest.replace(0, hash(tag, *level));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(levels: &mut Levels, price: i64, qty: i64, digest: &mut Digest) -> i64 {
        levels.set(7, Level { price: Price(price), qty: Qty(qty) }, digest).0
    }

    #[test]
    fn a_price_is_known_where_a_level_is_told_or_cannot_be() {
        let (mut asks, mut digest) = (Levels::new(Side::Sell), Digest::default());
        assert_eq!(asks.known(Price(5)), None, "nothing was told yet");
        asks.deepen(Depth::Best);
        assert_eq!(asks.known(Price(5)), Some(Qty::ZERO), "the side is empty");
        assert_eq!(set(&mut asks, 100, 5, &mut digest), 0);
        assert_eq!(set(&mut asks, 104, 6, &mut digest), 0);
        assert_eq!(asks.known(Price(99)), Some(Qty::ZERO), "better than the best");
        assert_eq!(asks.known(Price(104)), Some(Qty(6)));
        assert_eq!((asks.known(Price(102)), asks.known(Price(105))), (None, None));
        asks.deepen(Depth::Levels);
        assert_eq!((asks.known(Price(102)), asks.known(Price(105))), (Some(Qty::ZERO), None));
        assert_eq!(set(&mut asks, 100, 3, &mut digest), 5);
        for price in [100, 104] {
            set(&mut asks, price, 0, &mut digest);
        }
        assert_eq!(digest, Digest::default());
    }

    #[test]
    fn a_full_side_forgets_its_worst_level() {
        let (mut bids, mut digest) = (Levels::new(Side::Buy), Digest::default());
        bids.deepen(Depth::Levels);
        let count = i64::try_from(VENUE_LEVELS_MAX).unwrap();
        for price in 1..=count {
            set(&mut bids, price, 1, &mut digest);
        }
        set(&mut bids, 0, 1, &mut digest);
        assert_eq!(bids.known(Price(0)), None);
        set(&mut bids, count + 1, 1, &mut digest);
        assert_eq!((bids.known(Price(1)), bids.known(Price(2))), (None, Some(Qty(1))));
        assert_eq!(bids.best().map(|level| level.price), Some(Price(count + 1)));
        for price in 1..=count + 1 {
            set(&mut bids, price, 0, &mut digest);
        }
        assert_eq!(digest, Digest::default());
    }
}
