//! Where a resting order stands in a queue of which only the length is told.
//!
//! What is ahead of an order is estimated: all that rested at its price when it came; less what trades there; less its
//! share of what is cancelled there. Which share, is the model's answer:
//!
//! - Erik Rigtorp, "Estimating order queue position" (2013): a cancel is ahead with the probability
//!   f(front) ÷ (f(front) + f(back)), where front is ahead of the order and back is behind it.
//! - f(x) = x ^ n: `PowerProbQueueModel`; f(x) = ln(1 + x): `LogProbQueueModel`; no share at all:
//!   `RiskAverseQueueModel` (documentation of hftbacktest, "Queue Models"), which also names the correction for trades
//!   that the next quantity of the level tells of once more.
//!
//! Figures are in units of the instrument's quantity. An infinite front is one that nobody knows yet. Only + − × ÷ and
//! comparisons are used, and `libm` for logarithm and power, so every machine comes to the same bits.

#![expect(clippy::float_arithmetic, reason = "estimates of a place in a queue are fractions")]

use tickwerk_domain::{Qty, QueueModel, Rate};

/// What is ahead where nothing is known of the level.
pub const UNKNOWN: f64 = f64::INFINITY;

/// How a queue model shares out what is cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Shares {
    model: QueueModel,
    exponent: f64,
}

impl Shares {
    /// The shares of `model`; `parameter` is the exponent of the power model, 1 where it is not positive.
    pub fn new(model: QueueModel, parameter: Rate) -> Self {
        let one = figure(Rate::ONE.0);
        let exponent = if parameter > Rate(0) { figure(parameter.0) / one } else { 1.0 };
        Self { model, exponent }
    }

    /// What is ahead after a level went from `before` to `after`, of which `traded` is known from trades already.
    pub fn after_level(self, front: f64, before: Qty, after: Qty, traded: Qty) -> f64 {
        let after = figure(after.0.max(0));
        if front <= 0.0 {
            return front;
        }
        if front.is_infinite() {
            return after;
        }
        let at_hand = (figure(before.0) - figure(traded.0)).max(0.0);
        let canceled = (at_hand - after).max(0.0);
        let back = (at_hand - front).max(0.0);
        let from_front = canceled * self.front_share(front, back);
        // What the back does not have was cancelled in front.
        let not_in_back = (canceled - from_front - back).max(0.0);
        (front - from_front - not_in_back).max(0.0).min(after)
    }

    /// The probability that a cancel is ahead.
    fn front_share(self, front: f64, back: f64) -> f64 {
        let (front, back) = match self.model {
            QueueModel::Power => (libm::pow(front, self.exponent), libm::pow(back, self.exponent)),
            QueueModel::Logarithmic => (libm::log1p(front), libm::log1p(back)),
            QueueModel::RiskAverse | QueueModel::Touch | QueueModel::TradeThrough | QueueModel::Exchange => {
                return 0.0;
            }
        };
        let share = front / (front + back);
        // A power may leave the range of the figures: the larger of both then has it all.
        if share.is_nan() { if front > 0.0 { 0.5 } else { 0.0 } } else { share }
    }
}

/// What is ahead after `qty` traded at the price; below zero by what went past the order.
pub fn after_trade(front: f64, qty: Qty) -> f64 {
    front - figure(qty.0)
}

/// Whole lots that have gone past an order with this front.
#[expect(clippy::cast_possible_truncation, reason = "a cast of a float holds at the ends of the integer")]
pub fn passed(front: f64, lot: i64) -> Qty {
    if front >= 0.0 {
        return Qty::ZERO;
    }
    let past = -front as i64;
    Qty(past - past % lot.max(1))
}

/// What is ahead after the order itself got `qty` of what went past it.
pub fn after_fill(front: f64, qty: Qty) -> f64 {
    front + figure(qty.0)
}

/// What is ahead of an order that comes to a level of `qty`.
pub fn behind(qty: Qty) -> f64 {
    figure(qty.0.max(0))
}

#[expect(clippy::cast_precision_loss, reason = "over 2⁵³ the estimate loses units, which it never knew")]
fn figure(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(model: QueueModel) -> Shares {
        Shares::new(model, Rate(200_000_000))
    }

    #[test]
    fn cancels_are_shared_out_as_each_model_says() {
        // 100 at the level, 30 ahead, 70 behind, 20 cancelled.
        let front = |model| shares(model).after_level(30.0, Qty(100), Qty(80), Qty(0));
        assert_eq!(front(QueueModel::RiskAverse), 30.0);
        let squares = 30.0 - 20.0 * (900.0 / (900.0 + 4_900.0));
        assert!((front(QueueModel::Power) - squares).abs() < 1e-9);
        let share = 31_f64.ln() / (31_f64.ln() + 71_f64.ln());
        assert!((front(QueueModel::Logarithmic) - (30.0 - 20.0 * share)).abs() < 1e-9);
        let plain = Shares::new(QueueModel::Power, Rate(0)).after_level(30.0, Qty(100), Qty(80), Qty(0));
        assert!((plain - 24.0).abs() < 1e-9, "without a parameter the exponent is 1");
    }

    #[test]
    fn what_the_back_does_not_have_was_ahead() {
        for model in [QueueModel::RiskAverse, QueueModel::Power, QueueModel::Logarithmic] {
            let front = shares(model).after_level(90.0, Qty(100), Qty(40), Qty(0));
            assert!(front <= 40.0, "{model}: {front}");
        }
    }

    #[test]
    fn a_trade_that_the_level_tells_again_counts_once() {
        let front = after_trade(30.0, Qty(10));
        for model in [QueueModel::RiskAverse, QueueModel::Power, QueueModel::Logarithmic] {
            assert_eq!(shares(model).after_level(front, Qty(100), Qty(90), Qty(10)), 20.0, "{model}");
        }
    }

    #[test]
    fn an_unknown_queue_is_known_with_the_first_quantity() {
        assert_eq!(shares(QueueModel::Power).after_level(UNKNOWN, Qty(0), Qty(50), Qty(0)), 50.0);
        assert_eq!(after_trade(UNKNOWN, Qty(10)), UNKNOWN);
    }

    #[test]
    fn only_whole_lots_pass() {
        assert_eq!(passed(-7.5, 3), Qty(6));
        assert_eq!(passed(2.0, 1), Qty::ZERO);
        assert_eq!(passed(-1e300, 0), Qty(i64::MAX));
        assert_eq!(after_fill(-7.5, Qty(6)), -1.5);
    }

    proptest! {
        #[test]
        fn the_front_never_grows_and_never_passes_the_level(
            model in prop::sample::select(QueueModel::ALL), front in 0.0_f64..1e18, before in any::<i64>(),
            after in any::<i64>(), traded in 0..i64::MAX, exponent in any::<i64>(),
        ) {
            let shares = Shares::new(model, Rate(exponent));
            let then = shares.after_level(front, Qty(before), Qty(after), Qty(traded));
            prop_assert!((0.0..=front).contains(&then) && then <= figure(after.max(0)), "{then}");
        }
    }
}
