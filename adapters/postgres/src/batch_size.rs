//! How many records a batch may have: as many as was asked for, unless the connection is too slow for them.
//!
//! Without that, a batch that cannot be shipped within its limit would be tried for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A batch grows again once one took less than this part of the limit, so that the next is not late again.
const GROWS_BELOW: u32 = 4;

/// Shared by who makes batches and who ships them.
#[derive(Debug)]
pub(crate) struct BatchSize {
    max: u64,
    now: AtomicU64,
    grows_below: Duration,
}

impl BatchSize {
    /// At most `max`; `limit` is what a batch may take.
    pub(crate) fn new(max: usize, limit: Duration) -> Self {
        let max = (max as u64).max(1);
        Self { max, now: AtomicU64::new(max), grows_below: limit / GROWS_BELOW }
    }

    /// Records of the next batch.
    pub(crate) fn records(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// A batch was late.
    pub(crate) fn shrink(&self) {
        self.now.store((self.records() / 2).max(1), Ordering::Relaxed);
    }

    /// A batch took so long.
    pub(crate) fn note(&self, elapsed: Duration) {
        if elapsed < self.grows_below {
            self.now.store((self.records() * 2).min(self.max), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_while_they_are_late_and_grow_once_they_are_quick() {
        let (limit, quick) = (Duration::from_mins(2), Duration::from_secs(1));
        let size = BatchSize::new(10_000, limit);
        size.note(quick);
        assert_eq!(size.records(), 10_000, "never more than was asked for");
        size.shrink();
        size.shrink();
        assert_eq!(size.records(), 2_500);
        size.note(limit / 2);
        assert_eq!(size.records(), 2_500, "twice as many would be late");
        size.note(quick);
        size.note(quick);
        size.note(quick);
        assert_eq!(size.records(), 10_000);
        for _ in 0..20 {
            size.shrink();
        }
        assert_eq!(size.records(), 1, "one record goes at last");
    }
}
