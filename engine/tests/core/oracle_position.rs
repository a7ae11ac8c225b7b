//! Positions of the model: exact fractions instead of cost units, and rounding as one would do it by hand.

use tickwerk_domain::{Instrument, InstrumentKind, Side};

/// n ÷ d to the nearest integer, ties to the even one, as one would do it by hand.
pub(crate) fn half_even(n: i128, d: i128) -> i128 {
    let (sign, n) = (n.signum(), n.abs());
    let (whole, twice_rest) = (n / d, n % d * 2);
    let up = twice_rest > d || (twice_rest == d && whole % 2 == 1);
    sign * (whole + i128::from(up))
}

/// Cost units of one settlement unit: 10^(price scale + quantity scale − settlement scale).
pub(crate) fn unit(of: &Instrument) -> i128 {
    match of.kind {
        InstrumentKind::Inverse => 1,
        InstrumentKind::Spot | InstrumentKind::Linear => {
            10_i128.pow(u32::from(of.price_scale + of.quantity_scale - of.settlement_scale))
        }
    }
}

/// Value in cost units, exact; for inverse contracts rounded to the settlement currency.
pub(crate) fn value(of: &Instrument, price: i64, qty: i64) -> i128 {
    match of.kind {
        InstrumentKind::Inverse => {
            let up = i128::from(qty) * i128::from(of.multiplier) * 10_i128.pow(8 + u32::from(of.price_scale));
            half_even(up, i128::from(price))
        }
        InstrumentKind::Spot | InstrumentKind::Linear => i128::from(price) * i128::from(qty),
    }
}

/// A position whose cost is a fraction over the denominator of its instrument.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct ModelPosition {
    pub(crate) qty: i64,
    pub(crate) cost: i128,
    pub(crate) realized: i128,
    pub(crate) fees: i128,
    /// All cash that spot trades moved.
    pub(crate) traded: i128,
    /// All that went to the rounding book.
    pub(crate) rounded: i128,
    pub(crate) margin: i128,
    /// What the last trade realised, where it closed anything.
    pub(crate) last_close: Option<i128>,
}

impl ModelPosition {
    /// Books a trade in two halves, what closes and what opens; gives the cash that the client gets.
    pub(crate) fn trade(&mut self, of: &Instrument, side: Side, price: i64, qty: i64) -> i128 {
        let sign = side.sign();
        let closing = if self.qty * sign < 0 { qty.min(self.qty.abs()) } else { 0 };
        let opening = qty - closing;
        self.last_close = None;
        let gain_sign = if of.kind == InstrumentKind::Inverse { 1 } else { -1 };
        let mut realized = 0;
        if closing > 0 {
            let released = if closing == self.qty.abs() {
                self.cost
            } else {
                half_even(self.cost * i128::from(closing), i128::from(self.qty.abs()) * unit(of)) * unit(of)
            };
            let got = i128::from(sign) * value(of, price, closing);
            realized = half_even(gain_sign * (got + released), unit(of));
            self.last_close = Some(realized);
            self.cost -= released;
            self.qty += sign * closing;
        }
        self.realized += realized;
        let is_flat = self.qty == 0;
        let opened = i128::from(sign) * value(of, price, opening);
        self.cost += opened;
        self.qty += sign * opening;
        if of.kind != InstrumentKind::Spot {
            return realized;
        }
        let total = i128::from(sign) * (value(of, price, closing) + value(of, price, opening));
        let paid = -half_even(total, unit(of));
        self.traded += paid;
        if closing > 0 && is_flat {
            // Whatever was posted up to the moment of being flat beyond the profit goes to the rounding book.
            let since_flat = self.traded + half_even(opened, unit(of)) - self.rounded - self.realized;
            self.rounded += since_flat;
            return paid - since_flat;
        }
        paid
    }
}
