//! Money of the model, by hand: values as exact fractions, rounded half-even where they are posted.

use super::super::oracle_position::half_even;
use tickwerk_domain::{Instrument, InstrumentKind, PositionChange, PositionMode, PositionSide, Rate, Side};

/// Base-currency units in one quantity unit of the spot instrument: the base has three decimals more.
pub(super) const BASE_FACTOR: i128 = 1_000;

/// Cost units of one settlement unit: 10^(price scale + quantity scale − settlement scale).
fn unit(of: &Instrument) -> i128 {
    match of.kind {
        InstrumentKind::Inverse => 1,
        InstrumentKind::Spot | InstrumentKind::Linear => {
            10_i128.pow(u32::from(of.price_scale + of.quantity_scale - of.settlement_scale))
        }
    }
}

/// Value in settlement units, as a fraction.
fn value(of: &Instrument, price: i64, qty: i64) -> (i128, i128) {
    match of.kind {
        InstrumentKind::Spot | InstrumentKind::Linear => (i128::from(price) * i128::from(qty), unit(of)),
        InstrumentKind::Inverse => {
            let contracts = i128::from(qty) * i128::from(of.multiplier);
            let scale = u32::from(of.settlement_scale + of.price_scale);
            (contracts * 10_i128.pow(scale), i128::from(price))
        }
    }
}

/// Value as it is posted.
pub(super) fn posted(of: &Instrument, price: i64, qty: i64) -> i128 {
    let (numerator, denominator) = value(of, price, qty);
    half_even(numerator, denominator)
}

/// A fraction of the value, as it is posted: fees, margins and funding.
pub(super) fn part(of: &Instrument, price: i64, qty: i64, rate: Rate) -> i128 {
    let (numerator, denominator) = value(of, price, qty);
    half_even(numerator * i128::from(rate.0), denominator * i128::from(Rate::ONE.0))
}

/// Value in cost units: exact, but for inverse contracts.
fn cost(of: &Instrument, price: i64, qty: i64) -> i128 {
    match of.kind {
        InstrumentKind::Spot | InstrumentKind::Linear => i128::from(price) * i128::from(qty),
        InstrumentKind::Inverse => posted(of, price, qty),
    }
}

/// What an account holds of an instrument on one side.
#[derive(Clone, Default, Debug)]
pub(super) struct Position {
    pub(super) qty: i64,
    /// In cost units.
    pub(super) cost: i128,
    pub(super) realized: i128,
    pub(super) fees: i128,
    pub(super) funding: i128,
    pub(super) margin: i128,
    /// All cash that spot trades moved.
    traded: i128,
    /// All that went to the rounding book.
    rounded: i128,
}

/// What a trade did, in settlement units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booked {
    pub(super) change: PositionChange,
    pub(super) realized: i128,
    /// What the client gets from the venue.
    pub(super) cash: i128,
    /// What goes from the client to the rounding book.
    pub(super) rounding: i128,
}

impl Position {
    /// Books a trade in two halves: what closes, and what opens.
    pub(super) fn trade(&mut self, of: &Instrument, side: Side, price: i64, qty: i64) -> Booked {
        let (before, sign) = (self.qty, side.sign());
        let closing = if before * sign < 0 { qty.min(before.abs()) } else { 0 };
        let opening = qty - closing;
        let mut realized = 0;
        if closing > 0 {
            let released = if closing == before.abs() {
                self.cost
            } else {
                half_even(self.cost * i128::from(closing), i128::from(before.abs()) * unit(of)) * unit(of)
            };
            let got = i128::from(sign) * cost(of, price, closing);
            let gain_sign = if of.kind == InstrumentKind::Inverse { 1 } else { -1 };
            realized = half_even(gain_sign * (got + released), unit(of));
            self.cost -= released;
        }
        let opened = i128::from(sign) * cost(of, price, opening);
        self.cost += opened;
        self.realized += realized;
        self.qty += sign * qty;
        let change = named(before, self.qty);
        if of.kind != InstrumentKind::Spot {
            return Booked { change, realized, cash: realized, rounding: 0 };
        }
        let total = i128::from(sign) * (cost(of, price, closing) + cost(of, price, opening));
        let cash = -half_even(total, unit(of));
        self.traded += cash;
        let mut rounding = 0;
        if closing > 0 && closing == before.abs() {
            // Whatever was posted up to the moment of being flat beyond the profit goes to the rounding book.
            rounding = self.traded + half_even(opened, unit(of)) - self.rounded - self.realized;
            self.rounded += rounding;
        }
        Booked { change, realized, cash, rounding }
    }

    pub(super) fn cost_posted(&self, of: &Instrument) -> i128 {
        half_even(self.cost, unit(of))
    }

    /// Profit at the mean of two prices.
    pub(super) fn unrealized(&self, of: &Instrument, mark: Option<(i64, i64)>) -> i128 {
        let Some((low, high)) = mark.filter(|_| self.qty != 0) else { return 0 };
        let open = self.qty.abs();
        let twice = i128::from(self.qty.signum()) * (cost(of, low, open) + cost(of, high, open));
        let gain = match of.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => twice - 2 * self.cost,
            InstrumentKind::Inverse => 2 * self.cost - twice,
        };
        half_even(gain, 2 * unit(of))
    }
}

fn named(before: i64, after: i64) -> PositionChange {
    if before == 0 {
        PositionChange::Opened
    } else if after == 0 {
        PositionChange::Closed
    } else if before.signum() != after.signum() {
        PositionChange::Flipped
    } else if after.abs() > before.abs() {
        PositionChange::Increased
    } else {
        PositionChange::Reduced
    }
}

/// The sides of positions that an account has.
pub(super) fn sides(mode: PositionMode) -> &'static [PositionSide] {
    match mode {
        PositionMode::Netting => &[PositionSide::Net],
        PositionMode::Hedging => &[PositionSide::Long, PositionSide::Short],
    }
}
