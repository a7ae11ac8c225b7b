//! The only clock of the engine: stamps for the live mode and intervals for latency. Nothing that decides calls it.
//!
//! Units: nanoseconds.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tickwerk_domain::TimeNs;

/// The time of day. Not monotonic: whoever stamps takes the later of this and the last stamp.
#[expect(
    clippy::disallowed_methods,
    reason = "the ingress clock of the live mode is read here and nowhere else"
)]
pub fn unix_now() -> TimeNs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeNs(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

/// Nanoseconds on a clock that never runs backwards and starts at 1 with the process: the clock of
/// `Envelope::origin_ns`, in which 0 means "not measured".
#[expect(clippy::disallowed_methods, reason = "the clock of latency is read here and nowhere else")]
pub fn monotonic_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_clock_is_never_zero_and_never_runs_backwards() {
        let first = monotonic_ns();
        assert!(0 < first && first <= monotonic_ns());
    }
}
