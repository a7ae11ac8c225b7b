//! EMA crossover: long while the fast average is above the slow one, short or flat while it is below.
//!
//! Silent for the first `slow` observations. Strength is the distance of the averages as a fraction of the slow one,
//! in percent and held at 1.
#![expect(clippy::float_arithmetic, reason = "signals are figures, not money")]

use super::ema::Ema;
use super::{Observation, Parameter, ParameterUnit, Parameters, Signal, Strategy};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{Real, SignalDirection};

const PERIOD_MAX: i64 = 1_000_000;

/// Which prices are averaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Mid,
    Trades,
}

/// The strategy.
#[derive(Clone, Copy, Debug)]
pub struct EmaCross {
    fast: Ema,
    slow: Ema,
    warm_up: i64,
    size: i64,
    may_short: bool,
    source: Source,
    direction: SignalDirection,
    last_sum: i64,
}

impl Strategy for EmaCross {
    const KIND: u16 = 1;
    const NAME: &'static str = "ema_cross";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter { name: "fast", unit: ParameterUnit::Count, default: Some(10) },
        Parameter { name: "slow", unit: ParameterUnit::Count, default: Some(30) },
        Parameter { name: "size", unit: ParameterUnit::Quantity, default: None },
        Parameter { name: "source", unit: ParameterUnit::Choice(&["mid", "trades"]), default: Some(0) },
        Parameter { name: "allow_short", unit: ParameterUnit::Flag, default: Some(0) },
    ];

    fn new(parameters: &Parameters) -> Result<Self, &'static str> {
        let [fast, slow, size, source, allow_short, ..] = *parameters;
        let period = |value: i64| u32::try_from(value).ok().filter(|_| (1..=PERIOD_MAX).contains(&value));
        let fast_period = period(fast).ok_or("fast")?;
        let slow_period = period(slow).filter(|_| slow > fast).ok_or("slow")?;
        if size <= 0 {
            return Err("size");
        }
        let source = match source {
            0 => Source::Mid,
            1 => Source::Trades,
            _ => return Err("source"),
        };
        if !(0..=1).contains(&allow_short) {
            return Err("allow_short");
        }
        Ok(Self {
            fast: Ema::new(fast_period),
            slow: Ema::new(slow_period),
            warm_up: slow,
            size,
            may_short: allow_short == 1,
            source,
            direction: SignalDirection::Flat,
            last_sum: 0,
        })
    }

    #[inline]
    fn observe(&mut self, observation: Observation) -> Option<Signal> {
        // Twice the price: a mid price is then a whole number.
        let sum = match (self.source, observation) {
            (Source::Mid, Observation::Touch { bid, ask }) => bid.0.saturating_add(ask.0),
            (Source::Trades, Observation::Trade { price, .. }) => price.0.saturating_mul(2),
            (Source::Mid, Observation::Trade { .. }) | (Source::Trades, Observation::Touch { .. }) => {
                return None;
            }
        };
        if self.source == Source::Mid && sum == self.last_sum {
            return None;
        }
        self.last_sum = sum;
        #[expect(clippy::cast_precision_loss, reason = "prices are far below 2⁵³")]
        let price = sum as f64 * 0.5;
        let (fast, slow) = (self.fast.push(price), self.slow.push(price));
        if self.warm_up > 0 {
            self.warm_up -= 1;
            return None;
        }
        let direction = if fast > slow {
            SignalDirection::Long
        } else if fast < slow && self.may_short {
            SignalDirection::Short
        } else if fast < slow {
            SignalDirection::Flat
        } else {
            self.direction
        };
        if direction == self.direction {
            return None;
        }
        self.direction = direction;
        let distance = if fast > slow { fast - slow } else { slow - fast };
        let percent = if slow > 0.0 { distance / slow * 100.0 } else { 0.0 };
        let strength = if percent < 1.0 { percent } else { 1.0 };
        Some(Signal {
            direction,
            fast: Real::new(fast),
            slow: Real::new(slow),
            strength: Real::new(strength),
        })
    }

    fn target(&self, direction: SignalDirection) -> i64 {
        match direction {
            SignalDirection::Long => self.size,
            SignalDirection::Short => -self.size,
            SignalDirection::Flat => 0,
        }
    }

    fn digest(&self) -> u64 {
        let averages = [self.fast.value(), self.slow.value()].map(|value| Real::new(value).bits());
        let [warm_up, last_sum] = [self.warm_up, self.last_sum].map(i64::cast_unsigned);
        let words = [averages[0], averages[1], warm_up, last_sum, self.direction as u64];
        row_hash(u64::from(Self::KIND), &words)
    }
}

tickwerk_domain::persist_variants! { Source { Mid, Trades } }

tickwerk_domain::persist! {
    EmaCross { fast, slow, warm_up, size, may_short, source, direction, last_sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::Price;

    fn directions(
        parameters: Parameters,
        mids: impl IntoIterator<Item = i64>,
    ) -> Vec<(usize, SignalDirection)> {
        let mut strategy = EmaCross::new(&parameters).expect("valid parameters");
        let touches =
            mids.into_iter().map(|mid| Observation::Touch { bid: Price(mid - 1), ask: Price(mid + 1) });
        let signals =
            touches.enumerate().filter_map(|(at, touch)| strategy.observe(touch).map(|s| (at, s.direction)));
        signals.collect()
    }

    #[test]
    fn it_turns_with_the_trend_after_the_warm_up() {
        let mids = (0..20).map(|n| 1_000 + n).chain((0..20).map(|n| 1_020 - 2 * n));
        let long_only = directions([2, 5, 10, 0, 0, 0, 0, 0], mids.clone());
        assert_eq!(long_only, [(5, SignalDirection::Long), (22, SignalDirection::Flat)]);
        let both = directions([2, 5, 10, 0, 1, 0, 0, 0], mids);
        assert_eq!(both, [(5, SignalDirection::Long), (22, SignalDirection::Short)]);
    }

    #[test]
    fn bad_parameters_are_named() {
        let bad = |parameters| EmaCross::new(&parameters).err();
        assert_eq!(bad([0, 5, 1, 0, 0, 0, 0, 0]), Some("fast"));
        assert_eq!(bad([5, 5, 1, 0, 0, 0, 0, 0]), Some("slow"));
        assert_eq!(bad([2, 5, 0, 0, 0, 0, 0, 0]), Some("size"));
        assert_eq!(bad([2, 5, 1, 7, 0, 0, 0, 0]), Some("source"));
        assert_eq!(bad([2, 5, 1, 0, 2, 0, 0, 0]), Some("allow_short"));
    }
}
