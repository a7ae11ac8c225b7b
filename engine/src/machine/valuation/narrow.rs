//! Values of positions in 64 bits, which nearly all fit; whatever does not is worked out in 128 bits elsewhere.

use crate::limits::INSTRUMENTS_MAX;
use crate::risk::account_exposure::Exposure;
use std::cell::Cell;
use tickwerk_domain::numbers::divide_half_even_narrow;
use tickwerk_domain::{Instrument, InstrumentKind, Price, Qty};

/// Exposure as [`Exposure`], of figures within [`VALUE_MAX`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Narrow {
    pub(crate) gross: i64,
    pub(crate) long: i64,
    pub(crate) short: i64,
}

impl Narrow {
    #[inline]
    pub(super) fn of(long: i64, short: i64) -> Self {
        Self { gross: long.abs().max(short.abs()), long, short }
    }

    /// With `now` in the place of `before`.
    #[inline]
    pub(super) fn with(&self, before: &Self, now: &Self) -> Self {
        Self {
            gross: self.gross - before.gross + now.gross,
            long: self.long - before.long + now.long,
            short: self.short - before.short + now.short,
        }
    }

    /// Net exposure at its worse, either way.
    #[inline]
    pub(crate) fn net(&self) -> i64 {
        self.long.abs().max(self.short.abs())
    }

    #[inline]
    pub(crate) fn wide(&self) -> Exposure {
        Exposure { gross: self.gross.into(), long: self.long.into(), short: self.short.into() }
    }
}

/// Largest value of a position and of its profit that is kept, either way: sums over all instruments fit 64 bits.
const VALUE_MAX: i64 = 1 << 56;
const _: () = assert!(INSTRUMENTS_MAX <= 64, "sums over all of them fit");

/// A value that is kept; `None` for a larger one.
#[inline]
pub(super) fn within_bounds(value: impl TryInto<i64>) -> Option<i64> {
    value.try_into().ok().filter(|value| (-VALUE_MAX..=VALUE_MAX).contains(value))
}

/// Per instrument, factor and divisor of its values; kept once they were asked for.
#[derive(Debug)]
pub(super) struct Units {
    rows: Box<[Cell<(i64, i64)>]>,
}

impl Units {
    pub(super) fn new() -> Self {
        Self { rows: vec![Cell::new((0, 0)); INSTRUMENTS_MAX].into() }
    }

    /// Price × quantity × factor ÷ divisor is a value in settlement units, see [`Instrument::value`]; both follow from
    /// what a definition fixes. `None` for inverse contracts, and where they do not fit 64 bits.
    #[inline]
    fn units_of(&self, of: &Instrument) -> Option<(i64, i64)> {
        let cell = &self.rows[of.instrument.0 as usize];
        let known = cell.get();
        if known.1 != 0 {
            return Some(known);
        }
        if of.kind == InstrumentKind::Inverse {
            return None;
        }
        let (factor, divisor) = of.value(Price(1), Qty(1))?;
        // A divisor of this size keeps its double, and what it rounds by, within 64 bits.
        let units = (i64::try_from(factor).ok()?, i64::try_from(divisor).ok().filter(|of| *of < 1 << 60)?);
        cell.set(units);
        Some(units)
    }

    /// [`Instrument::value_posted`] in 64 bits.
    #[inline]
    pub(super) fn value(&self, of: &Instrument, price: i64, qty: i64) -> Option<i64> {
        let (factor, divisor) = self.units_of(of)?;
        let exact = price.checked_mul(qty)?.checked_mul(factor)?;
        // Most settlement currencies are as fine as price and quantity together.
        Some(if divisor == 1 { exact } else { divide_half_even_narrow(exact, divisor) })
    }

    /// [`crate::positions::Position::unrealized`] in 64 bits.
    #[inline]
    pub(super) fn profit(
        &self,
        of: &Instrument,
        (low, high): (Price, Price),
        qty: i64,
        cost: i64,
    ) -> Option<i64> {
        let (factor, divisor) = self.units_of(of)?;
        let twice = low.0.checked_add(high.0)?.checked_mul(qty)?.checked_mul(factor)?;
        let gain = twice.checked_sub(cost.checked_mul(2)?)?;
        Some(if divisor == 1 {
            let half = gain >> 1;
            // A half that is left goes to the even neighbour.
            half + (half & gain & 1)
        } else {
            divide_half_even_narrow(gain, divisor * 2)
        })
    }
}
