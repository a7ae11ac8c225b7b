//! Exponential moving average, seeded with the first value.
//!
//! `y(t) = y(t−1) + α (x(t) − y(t−1))`, α = 2 ÷ (n + 1). Source: the usual definition, as in Tulip Indicators' `ema`.
#![expect(clippy::float_arithmetic, reason = "signals are figures, not money")]

/// The average over a period of `n` observations.
#[derive(Clone, Copy, Debug)]
pub struct Ema {
    alpha: f64,
    value: f64,
    is_seeded: bool,
}

impl Ema {
    /// An average over `period` observations, at least 1.
    pub fn new(period: u32) -> Self {
        Self { alpha: 2.0 / (f64::from(period) + 1.0), value: 0.0, is_seeded: false }
    }

    /// Takes the next observation and gives the average.
    #[inline]
    pub fn push(&mut self, observation: f64) -> f64 {
        if self.is_seeded {
            self.value += self.alpha * (observation - self.value);
        } else {
            (self.value, self.is_seeded) = (observation, true);
        }
        self.value
    }

    /// The average so far.
    pub fn value(&self) -> f64 {
        self.value
    }
}

tickwerk_domain::persist! { Ema { alpha, value, is_seeded } }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_at_the_first_value_and_moves_by_alpha() {
        let mut ema = Ema::new(3);
        let values: Vec<f64> = [10.0, 20.0, 20.0, 0.0].into_iter().map(|x| ema.push(x)).collect();
        assert_eq!(values, [10.0, 15.0, 17.5, 8.75]);
    }
}
