//! Time as integers. There is no clock here: a time is handed in by whoever may read one.

use rkyv::{Archive, Deserialize, Serialize};

/// A point in time, in nanoseconds since the Unix epoch (until the year 2554). 0 means "unknown".
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct TimeNs(pub u64);

impl TimeNs {
    /// The unknown time.
    pub const UNKNOWN: Self = Self(0);
    /// Later than any other.
    pub const MAX: Self = Self(u64::MAX);

    /// This time plus `span`, held at [`TimeNs::MAX`].
    #[must_use]
    pub fn saturating_add(self, span: DurationNs) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The span from `earlier` to `self`, or zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> DurationNs {
        DurationNs(self.0.saturating_sub(earlier.0))
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A span of time in nanoseconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct DurationNs(pub u64);

impl DurationNs {
    /// A span of `count` milliseconds.
    pub const fn from_millis(count: u64) -> Self {
        Self(count * 1_000_000)
    }
}
