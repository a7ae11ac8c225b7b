//! The one total order: a dense number for each record, and the stamp that goes with it.
//!
//! Invariant: sequences start at 1, have no gaps and are never reused. 0 means "none".

use crate::time::TimeNs;
use rkyv::{Archive, Deserialize, Serialize};

/// The place of a record (a command or an event) in the one total order.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// No record yet.
    pub const NONE: Self = Self(0);
    /// The first record of a journal.
    pub const FIRST: Self = Self(1);

    /// The sequence that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The sequence `count` places later.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// Where and when a command stands: given once, on the pinned thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// Sequence of the command; its events follow without a gap.
    pub sequence: Sequence,
    /// Time of the command and of its events; never runs backwards.
    pub time_ns: TimeNs,
}

impl Stamp {
    /// The stamp of the last record of a frame whose command stands at `self` and caused `events` events.
    #[must_use]
    pub fn after(self, events: usize) -> Self {
        Self { sequence: self.sequence.plus(events as u64), time_ns: self.time_ns }
    }
}
