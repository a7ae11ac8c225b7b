//! Latency of the commands whose source asked for it, from the time they were meant to be sent.
//!
//! Units: nanoseconds. The clock is read once a batch, after all of it was handed on, and only where something is
//! measured; so a figure is never better than what the last command of its batch has seen.

use super::clock;
use hdrhistogram::Histogram;

/// Longer latencies count as this one: a minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram and the commands that are under way.
#[derive(Clone, Debug)]
pub(super) struct Latency {
    histogram: Histogram<u64>,
    under_way: Vec<u64>,
}

impl Latency {
    /// Room for `batch_max` measured commands a batch without allocation.
    pub(super) fn new(batch_max: usize) -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS);
        Self {
            histogram: histogram.expect("the bounds are constants"),
            under_way: Vec::with_capacity(batch_max),
        }
    }

    /// A command of this batch was meant to be sent at `origin_ns`.
    #[inline]
    pub(super) fn begin(&mut self, origin_ns: u64) {
        self.under_way.push(origin_ns);
    }

    /// All commands of this batch have been handed on.
    #[inline]
    pub(super) fn end_all(&mut self) {
        if !self.under_way.is_empty() {
            self.record_all(clock::monotonic_ns());
        }
    }

    #[cold]
    fn record_all(&mut self, now_ns: u64) {
        for &origin_ns in &self.under_way {
            self.histogram.saturating_record(now_ns.saturating_sub(origin_ns));
        }
        self.under_way.clear();
    }

    /// What was measured.
    pub(super) fn into_histogram(self) -> Histogram<u64> {
        self.histogram
    }
}
