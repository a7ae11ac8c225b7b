//! The book of one market: 20 levels a side without holes, counted in ticks and lots.
//!
//! Invariants: best bid < best ask; every level within the window has at least one lot. What a change does to the
//! levels is noted in `changes`, level by level, so that the delta is the change itself.

use tickwerk_domain::Side;

/// Levels of each side.
pub(super) const LEVELS: i64 = 20;
/// A side moves by this many ticks at once at most.
pub(super) const MOVE_MAX: i64 = 8;
/// Slots of a side, found by the low bits of the tick.
const SLOTS: usize = 32;
const _: () = assert!(SLOTS.is_power_of_two() && LEVELS.cast_unsigned() <= SLOTS as u64);

/// Side, tick and lots; 0 lots take the level away.
pub(super) type Change = (Side, i64, i64);

#[derive(Clone, Debug)]
pub(super) struct Ladder {
    best_bid: i64,
    best_ask: i64,
    bids: [i64; SLOTS],
    asks: [i64; SLOTS],
    pub(super) changes: Vec<Change>,
}

impl Ladder {
    /// A book whose levels are all in `changes`; `lots_at` gives the lots of a level by its distance from the best.
    pub(super) fn new(best_bid: i64, best_ask: i64, mut lots_at: impl FnMut(i64) -> i64) -> Self {
        assert!(best_bid < best_ask, "a book starts uncrossed");
        let (bids, asks) = ([0; SLOTS], [0; SLOTS]);
        let mut ladder = Self { best_bid, best_ask, bids, asks, changes: Vec::new() };
        for distance in 0..LEVELS {
            ladder.set(Side::Buy, best_bid - distance, lots_at(distance));
        }
        for distance in 0..LEVELS {
            ladder.set(Side::Sell, best_ask + distance, lots_at(distance));
        }
        ladder
    }

    /// Tick of the best price of a side.
    pub(super) fn best(&self, side: Side) -> i64 {
        match side {
            Side::Buy => self.best_bid,
            Side::Sell => self.best_ask,
        }
    }

    pub(super) fn spread(&self) -> i64 {
        self.best_ask - self.best_bid
    }

    /// Lots at the price `distance` ticks behind the best.
    pub(super) fn lots(&self, side: Side, distance: i64) -> i64 {
        let index = slot(self.best(side) - side.sign() * distance);
        match side {
            Side::Buy => self.bids[index],
            Side::Sell => self.asks[index],
        }
    }

    /// Best of both sides: (bid tick, lots, ask tick, lots).
    pub(super) fn top(&self) -> (i64, i64, i64, i64) {
        (self.best_bid, self.lots(Side::Buy, 0), self.best_ask, self.lots(Side::Sell, 0))
    }

    /// Sets the lots of the level `distance` ticks behind the best.
    pub(super) fn resize(&mut self, side: Side, distance: i64, lots: i64) {
        assert!(lots > 0, "a level inside the book is never empty");
        self.set(side, self.best(side) - side.sign() * distance, lots);
    }

    /// Moves the best of a side by `ticks`, towards the other side when positive, [`MOVE_MAX`] at most.
    ///
    /// Levels that come into the window are made, those that leave it are taken away. Moves towards each other must
    /// leave room; where both sides move the same way, the one in front goes first.
    pub(super) fn shift(&mut self, side: Side, ticks: i64, mut lots_at: impl FnMut(i64) -> i64) {
        let sign = side.sign();
        let forward = ticks.signum();
        for _ in 0..ticks.abs().min(MOVE_MAX) {
            let best = self.best(side);
            if forward > 0 {
                self.set(side, best - sign * (LEVELS - 1), 0);
                self.set_best(side, best + sign);
                self.set(side, best + sign, lots_at(0));
            } else {
                self.set(side, best, 0);
                self.set_best(side, best - sign);
                self.set(side, best - sign * LEVELS, lots_at(LEVELS - 1));
            }
        }
        assert!(self.best_bid < self.best_ask, "a move crossed the book");
    }

    fn set_best(&mut self, side: Side, tick: i64) {
        match side {
            Side::Buy => self.best_bid = tick,
            Side::Sell => self.best_ask = tick,
        }
    }

    fn set(&mut self, side: Side, tick: i64, lots: i64) {
        match side {
            Side::Buy => self.bids[slot(tick)] = lots,
            Side::Sell => self.asks[slot(tick)] = lots,
        }
        self.changes.push((side, tick, lots));
    }
}

fn slot(tick: i64) -> usize {
    const MASK: u64 = SLOTS as u64 - 1;
    usize::try_from(tick.cast_unsigned() & MASK).expect("masked to a small number")
}
