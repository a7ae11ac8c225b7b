//! How long orders and reports are on their way: pure functions of times that were recorded or set.

use crate::random::Random;
use tickwerk_domain::{DurationNs, Rate, TimeNs};

/// A constant and an addition of at most `jitter`, drawn evenly. Without jitter nothing is drawn.
pub fn with_jitter(latency: DurationNs, jitter: DurationNs, random: &mut Random) -> DurationNs {
    if jitter == DurationNs(0) {
        return latency;
    }
    DurationNs(latency.0.saturating_add(random.up_to(jitter.0)))
}

/// How long a market update was on its way: from the venue's own time to its stamp here. `None` where either time is
/// unknown, or where the clocks disagree so far that it seems to have come before it was sent.
pub fn of_feed(source_time: TimeNs, stamp: TimeNs) -> Option<DurationNs> {
    let is_known = source_time != TimeNs::UNKNOWN && source_time <= stamp;
    is_known.then(|| stamp.since(source_time))
}

/// An order's latency guessed from the feed's: `factor` times it, and `offset` on top.
///
/// Source: the documentation of hftbacktest, "Order Latency", model `FeedLatency`.
pub fn of_order(feed: DurationNs, factor: Rate, offset: DurationNs) -> DurationNs {
    let factor = u128::from(factor.0.max(0).cast_unsigned());
    let scaled = u128::from(feed.0) * factor / u128::from(Rate::ONE.0.cast_unsigned());
    DurationNs(u64::try_from(scaled).unwrap_or(u64::MAX).saturating_add(offset.0))
}

/// The latency of an order as it was measured at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Measured {
    /// When the order was sent.
    pub at: TimeNs,
    /// How long it took.
    pub latency: DurationNs,
}

/// The latency at `at` between two measured ones, on the straight line between them; outside, the nearer one's.
///
/// Source: the documentation of hftbacktest, "Order Latency", model `IntpOrderLatency`.
pub fn between(earlier: Measured, later: Measured, at: TimeNs) -> DurationNs {
    if at <= earlier.at {
        return earlier.latency;
    }
    if at >= later.at {
        return later.latency;
    }
    // Below 2⁶⁴ each, so their product fits, and what is added or taken is at most the difference.
    let span = u128::from(later.at.since(earlier.at).0);
    let part = u128::from(at.since(earlier.at).0);
    let difference = u128::from(earlier.latency.0.abs_diff(later.latency.0));
    let change = u64::try_from(difference * part / span).expect("a part of a difference of 64 bits");
    if earlier.latency <= later.latency {
        DurationNs(earlier.latency.0 + change)
    } else {
        DurationNs(earlier.latency.0 - change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_needs_no_draw_and_jitter_adds_at_most_itself() {
        let mut random = Random::new(3);
        assert_eq!(with_jitter(DurationNs(50), DurationNs(0), &mut random), DurationNs(50));
        assert_eq!(random, Random::new(3));
        let drawn: Vec<u64> =
            (0..1_000).map(|_| with_jitter(DurationNs(50), DurationNs(4), &mut random).0).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&50), Some(&54)));
        assert_eq!(with_jitter(DurationNs(u64::MAX), DurationNs(9), &mut random), DurationNs(u64::MAX));
    }

    #[test]
    fn the_feeds_latency_is_from_the_venues_time_to_the_stamp() {
        assert_eq!(of_feed(TimeNs(100), TimeNs(130)), Some(DurationNs(30)));
        assert_eq!(of_feed(TimeNs::UNKNOWN, TimeNs(130)), None);
        assert_eq!(of_feed(TimeNs(140), TimeNs(130)), None, "the clocks disagree");
        let one_and_a_half = Rate(150_000_000);
        assert_eq!(of_order(DurationNs(30), one_and_a_half, DurationNs(5)), DurationNs(50));
        assert_eq!(of_order(DurationNs(u64::MAX), one_and_a_half, DurationNs(5)), DurationNs(u64::MAX));
        assert_eq!(of_order(DurationNs(30), Rate(-1), DurationNs(5)), DurationNs(5));
    }

    #[test]
    fn between_two_measurements_it_lies_on_the_line() {
        let measured = |at, latency| Measured { at: TimeNs(at), latency: DurationNs(latency) };
        let (earlier, later) = (measured(100, 40), measured(200, 20));
        let told = [50, 100, 150, 175, 200, 900].map(|at| between(earlier, later, TimeNs(at)).0);
        assert_eq!(told, [40, 40, 30, 25, 20, 20]);
        assert_eq!(
            between(measured(0, u64::MAX), measured(u64::MAX, 0), TimeNs(u64::MAX - 1)),
            DurationNs(1)
        );
    }
}
