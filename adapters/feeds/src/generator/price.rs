//! The efficient price that nobody sees: where the book and the trades are drawn to.
//!
//! A random walk whose variance follows GARCH(1,1) (Bollerslev 1986), with rare jumps, so that calm and wild stretches
//! alternate and large moves are more frequent than a bell curve has them; on top a drift that reverts to the target
//! of the present regime (up, down or none), so that trends come and go.
//!
//! Units: ticks with 16 bits of fraction; one step is one arrival. Invariant: the price stays within a quarter and
//! four times the reference.

use super::random::{FRACTION_BITS, ONE, Random};

/// Variance of one step: α of the last squared move, β of the last variance, the rest the long-run one; of 1024.
const ALPHA: u64 = 64;
const BETA: u64 = 950;
const WHOLE: u64 = 1_024;
/// The variance stays within this many times the long-run one, up and down.
const VARIANCE_RANGE: u64 = 64;
/// One step in this many jumps, by this many standard deviations.
const JUMP_ONCE_IN: u32 = 4_000;
const JUMP_SIZE: i64 = 12;
/// A regime lasts this many steps on average.
const REGIME_STEPS: u32 = 6_000;
/// The drift of a trend is the standard deviation of a step divided by this.
const DRIFT_DIVISOR: i64 = 48;
/// The drift covers 1/2⁸ of its way to the target each step.
const DRIFT_REVERSION_BITS: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct EfficientPrice {
    price: i64,
    bounds: (i64, i64),
    /// Standard deviation of a step in the long run.
    deviation: i64,
    /// Square of the present one.
    variance: u64,
    drift: i64,
    drift_target: i64,
}

impl EfficientPrice {
    /// Starts at `reference` ticks; `volatility` is the standard deviation of a step in thousandths of a tick.
    pub(super) fn new(reference: i64, volatility: u32) -> Self {
        let price = reference << FRACTION_BITS;
        let deviation = (i64::from(volatility) * ONE / 1_000).max(1);
        let variance = deviation.unsigned_abs().pow(2).max(VARIANCE_RANGE);
        let bounds = (price / 4, price.saturating_mul(4));
        Self { price, bounds, deviation, variance, drift: 0, drift_target: 0 }
    }

    /// The price after one more step.
    pub(super) fn advance(&mut self, random: &mut Random) -> i64 {
        if random.chance(1, REGIME_STEPS) {
            self.drift_target = (i64::from(random.below(3)) - 1) * self.deviation / DRIFT_DIVISOR;
        }
        self.drift += step_towards(self.drift_target - self.drift);

        let deviation = self.variance.isqrt().cast_signed();
        let mut shock = (deviation * random.bell()) >> FRACTION_BITS;
        if random.chance(1, JUMP_ONCE_IN) {
            shock *= JUMP_SIZE;
        }
        let (low, high) = self.bounds;
        self.price = (self.price + self.drift + shock).clamp(low, high);
        if self.price == low || self.price == high {
            self.drift = 0;
            self.drift_target = 0;
        }

        let long_run = self.deviation.unsigned_abs().pow(2).max(VARIANCE_RANGE);
        let squared = shock.unsigned_abs().pow(2).min(VARIANCE_RANGE * long_run);
        let next = (long_run * (WHOLE - ALPHA - BETA) + squared * ALPHA + self.variance * BETA) / WHOLE;
        self.variance = next.clamp(long_run / VARIANCE_RANGE, long_run * VARIANCE_RANGE);
        self.price
    }
}

/// A part of `distance`, at least 1 in its direction.
fn step_towards(distance: i64) -> i64 {
    match distance >> DRIFT_REVERSION_BITS {
        0 => distance.signum(),
        step => step,
    }
}
