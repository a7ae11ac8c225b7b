//! How far into one side of a book the data can be trusted.
//!
//! Invariant: levels better than the horizon, and the one at it, are known whole, except those in doubt.

use std::collections::BTreeSet;
use tickwerk_domain::{Price, Side};

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Horizon {
    reach: Reach,
    /// Prices before the horizon whose quantity the data stopped to tell.
    doubted: BTreeSet<Price>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    Nothing,
    Through(Price),
    Whole,
}

impl Horizon {
    pub(super) fn nothing() -> Self {
        Self { reach: Reach::Nothing, doubted: BTreeSet::new() }
    }

    pub(super) fn whole() -> Self {
        Self { reach: Reach::Whole, doubted: BTreeSet::new() }
    }

    /// Whether the quantity at a price of this side is known, be it zero.
    pub(super) fn knows(&self, side: Side, price: Price) -> bool {
        let reaches = match self.reach {
            Reach::Nothing => false,
            Reach::Through(horizon) => !is_better(side, horizon, price),
            Reach::Whole => true,
        };
        reaches && !self.doubted.contains(&price)
    }

    /// Nothing behind `edge` can be seen any more.
    pub(super) fn tighten(&mut self, side: Side, edge: Price) {
        if self.knows_behind(side, edge) {
            self.reach = Reach::Through(edge);
        }
    }

    /// A row showed all levels up to `edge`, or the whole side.
    pub(super) fn widen(&mut self, side: Side, edge: Option<Price>) {
        match edge {
            None => *self = Self::whole(),
            Some(edge) => {
                self.doubted.retain(|price| is_better(side, edge, *price));
                let is_wider = match self.reach {
                    Reach::Nothing => true,
                    Reach::Through(horizon) => is_better(side, horizon, edge),
                    Reach::Whole => false,
                };
                if is_wider {
                    self.reach = Reach::Through(edge);
                }
            }
        }
    }

    /// The quantity at a price is unknown until a row shows it.
    pub(super) fn doubt(&mut self, price: Price) {
        self.doubted.insert(price);
    }

    fn knows_behind(&self, side: Side, edge: Price) -> bool {
        match self.reach {
            Reach::Nothing => false,
            Reach::Through(horizon) => is_better(side, edge, horizon),
            Reach::Whole => true,
        }
    }
}

/// Whether an order of this side is before one at the other price.
pub(super) fn is_better(side: Side, price: Price, other: Price) -> bool {
    match side {
        Side::Buy => price > other,
        Side::Sell => price < other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizon_tightens_and_widens_on_its_own_side_of_the_book() {
        for (side, step) in [(Side::Buy, -1), (Side::Sell, 1)] {
            let at = |levels: i64| Price(100 + step * levels);
            let mut horizon = Horizon::nothing();
            assert!(!horizon.knows(side, at(0)));
            horizon.tighten(side, at(0));
            assert!(!horizon.knows(side, at(0)), "a tighter nothing is nothing");
            horizon.widen(side, Some(at(2)));
            assert_eq!([0, 2, 3].map(|levels| horizon.knows(side, at(levels))), [true, true, false]);
            horizon.widen(side, Some(at(1)));
            assert!(horizon.knows(side, at(2)), "a shallow row takes nothing away");
            horizon.tighten(side, at(1));
            assert!(!horizon.knows(side, at(2)));
            horizon.tighten(side, at(5));
            assert!(horizon.knows(side, at(1)));
            horizon.widen(side, None);
            assert!(horizon.knows(side, at(1_000)));
        }
    }

    #[test]
    fn a_doubted_level_is_unknown_until_a_row_shows_it() {
        let mut horizon = Horizon::whole();
        horizon.doubt(Price(99));
        assert!(!horizon.knows(Side::Buy, Price(99)) && horizon.knows(Side::Buy, Price(98)));
        horizon.widen(Side::Buy, Some(Price(100)));
        assert!(!horizon.knows(Side::Buy, Price(99)), "the row ended before it");
        horizon.widen(Side::Buy, Some(Price(99)));
        assert!(horizon.knows(Side::Buy, Price(99)) && horizon.knows(Side::Buy, Price(98)));
    }
}
