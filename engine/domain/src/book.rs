//! Price levels and how a change of an order book travels.

use crate::{InstrumentId, Price, Qty, Side};
use rkyv::{Archive, Deserialize, Serialize};

/// Levels that one [`BookDelta`] holds; a larger update is split.
pub const LEVELS_PER_DELTA_MAX: usize = 6;

/// One price level. A quantity of zero removes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Level {
    /// Price of the level.
    pub price: Price,
    /// All that rests there.
    pub qty: Qty,
}

/// The best bid and ask. A quantity of zero means that the side is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touch {
    /// Best bid.
    pub bid: Level,
    /// Best ask.
    pub ask: Level,
}

impl Touch {
    /// Whether both sides have something.
    pub fn is_two_sided(&self) -> bool {
        self.bid.qty > Qty::ZERO && self.ask.qty > Qty::ZERO
    }

    /// The level that an order of `side` would take from.
    pub fn opposite(&self, side: Side) -> Level {
        match side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }
}

crate::fields::payloads! {
    /// A change of an aggregated order book: absolute quantities of up to six levels.
    ///
    /// An update with more levels is split; the last part carries [`BookDelta::LAST`], and only then is the book
    /// whole again. A snapshot starts with [`BookDelta::CLEAR`].
    BookDelta {
        /// The venue's id of the update.
        update_id: u64,
        /// Whose book.
        instrument: InstrumentId,
        /// How many of `levels` count.
        count: u8,
        /// [`BookDelta::CLEAR`], [`BookDelta::LAST`].
        flags: u8,
        /// Bit i is set when level i is an ask.
        asks: u8,
        /// Zero.
        reserved: u8,
        /// The levels; those past `count` are zero.
        levels: [Level; LEVELS_PER_DELTA_MAX],
    }
}

impl BookDelta {
    /// The book is emptied first: a snapshot begins.
    pub const CLEAR: u8 = 1;
    /// The update is complete with this part.
    pub const LAST: u8 = 2;

    /// An empty part of the update `update_id`.
    pub fn new(instrument: InstrumentId, update_id: u64, flags: u8) -> Self {
        let levels = [Level::default(); LEVELS_PER_DELTA_MAX];
        Self { update_id, instrument, count: 0, flags, asks: 0, reserved: 0, levels }
    }

    /// Adds a level; `false` when the part is full.
    pub fn push(&mut self, side: Side, level: Level) -> bool {
        let index = usize::from(self.count);
        let Some(place) = self.levels.get_mut(index) else {
            return false;
        };
        *place = level;
        self.asks |= match side {
            Side::Buy => 0,
            Side::Sell => 1 << index,
        };
        self.count += 1;
        true
    }

    /// The levels with their sides.
    pub fn sided_levels(&self) -> impl Iterator<Item = (Side, Level)> + '_ {
        let count = usize::from(self.count).min(LEVELS_PER_DELTA_MAX);
        self.levels[..count].iter().enumerate().map(|(index, level)| {
            (if self.asks & (1 << index) == 0 { Side::Buy } else { Side::Sell }, *level)
        })
    }

    /// Whether the update is complete with this part.
    pub fn is_last(&self) -> bool {
        self.flags & Self::LAST != 0
    }

    /// Whether a snapshot begins with this part.
    pub fn clears(&self) -> bool {
        self.flags & Self::CLEAR != 0
    }

    /// Splits an update of any size into parts, each handed to `emit`; the last one carries [`Self::LAST`].
    pub fn split(
        instrument: InstrumentId,
        update_id: u64,
        snapshot: bool,
        levels: impl IntoIterator<Item = (Side, Level)>,
        mut emit: impl FnMut(Self),
    ) {
        let mut part = Self::new(instrument, update_id, if snapshot { Self::CLEAR } else { 0 });
        for (side, level) in levels {
            if !part.push(side, level) {
                emit(part);
                part = Self::new(instrument, update_id, 0);
                part.push(side, level);
            }
        }
        part.flags |= Self::LAST;
        emit(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_update_is_split_and_only_its_last_part_says_so() {
        let levels = (0..14).map(|n| {
            (if n % 2 == 0 { Side::Buy } else { Side::Sell }, Level { price: Price(n), qty: Qty(1) })
        });
        let mut parts = Vec::new();
        BookDelta::split(InstrumentId(3), 9, true, levels.clone(), |part| parts.push(part));
        assert_eq!(
            parts.iter().map(|part| (part.count, part.flags)).collect::<Vec<_>>(),
            [(6, 1), (6, 0), (2, 2)]
        );
        let joined: Vec<_> = parts.iter().flat_map(BookDelta::sided_levels).collect();
        assert_eq!(joined, levels.collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_update_is_one_part() {
        let mut parts = Vec::new();
        BookDelta::split(InstrumentId(3), 9, false, [], |part| parts.push(part));
        assert_eq!(parts, [BookDelta::new(InstrumentId(3), 9, BookDelta::LAST)]);
    }
}
