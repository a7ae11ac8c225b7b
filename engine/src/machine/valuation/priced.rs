//! What a mark and a rate make of quantities of an instrument: worked out once when they change, for all accounts.
//!
//! All in 64 bits, which nearly all figures fit; what does not is worked out in 128 bits elsewhere. Fractions have
//! positive denominators and are rounded half-even where [`Instrument::value_posted`], [`Position::unrealized`] and
//! [`Machine::in_reference`] round.
//!
//! [`Position::unrealized`]: crate::positions::Position::unrealized
//! [`Machine::in_reference`]: super::Machine::in_reference

use super::narrow::within_bounds;
use std::cell::Cell;
use tickwerk_domain::numbers::divide_half_even_narrow;
use tickwerk_domain::{Instrument, InstrumentId, InstrumentKind, Price, Qty};

/// Numerator and denominator; the latter is positive, and its double fits.
type Fraction = (i64, i64);
/// A denominator of this size keeps its double, and what it rounds by, within 64 bits.
const DENOMINATOR_MAX: i64 = 1 << 60;

/// What a definition and a rate fix of an instrument's values.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// Value of one quantity unit at a price of one.
    factor: Fraction,
    is_inverse: bool,
    /// One settlement unit in the reference currency.
    rate: Fraction,
}

impl Terms {
    /// `None` where they do not fit.
    fn of(instrument: &Instrument, (numerator, denominator): (i128, i128)) -> Option<Self> {
        let is_whole = numerator % denominator == 0;
        let rate = if is_whole { (numerator / denominator, 1) } else { (numerator, denominator) };
        Some(Self {
            factor: narrow(instrument.value(Price(1), Qty(1))?)?,
            is_inverse: instrument.kind == InstrumentKind::Inverse,
            rate: narrow(rate)?,
        })
    }
}

/// What is kept of an instrument, with all that it follows from.
#[derive(Debug, Default)]
pub(super) struct Priced {
    /// [`super::Memo::moves`] when it was last looked at.
    seen: Cell<u64>,
    /// Another number for other figures; 0 before the first.
    epoch: Cell<u64>,
    /// The instrument whose mark makes the rate; none where the rate is fixed.
    way: Cell<InstrumentId>,
    /// Whether mark and rate are known.
    is_known: Cell<bool>,
    /// Whether the figures fit.
    is_fit: Cell<bool>,
    is_inverse: Cell<bool>,
    /// Value of one quantity unit at the mark in settlement units; not negative.
    unit: Cell<Fraction>,
    /// One settlement unit in the reference currency.
    rate: Cell<Fraction>,
    /// Linear: value of a quantity unit at twice the mark in cost units, and how many of those make a settlement unit.
    /// Inverse: the denominators of the values at both prices of the mark.
    gain: Cell<(i64, i64)>,
    mark: Cell<(Price, Price)>,
    rate_mark: Cell<i64>,
    terms: Cell<Option<Terms>>,
}

impl Priced {
    #[inline]
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// The instrument whose mark makes the rate.
    #[inline]
    pub(super) fn way(&self) -> InstrumentId {
        self.way.get()
    }

    /// Whether nothing that it follows from has moved since; `moved` counts the latest move of that.
    #[inline]
    pub(super) fn is_current(&self, moved: u64) -> bool {
        self.is_known.get() && moved <= self.seen.get()
    }

    pub(super) fn forget(&self) {
        self.is_known.set(false);
    }

    /// Works out the figures at a mark and a rate, where either is another; `rate` gives it as a fraction.
    pub(super) fn price(
        &self,
        instrument: &Instrument,
        mark: (Price, Price),
        (way, rate_mark): (InstrumentId, i64),
        rate: impl FnOnce() -> Option<(i128, i128)>,
        next_epoch: u64,
    ) {
        let is_rate_kept = self.is_known.get() && (self.way.get(), self.rate_mark.get()) == (way, rate_mark);
        if is_rate_kept && self.mark.get() == mark {
            return;
        }
        if !is_rate_kept {
            self.terms.set(rate().and_then(|rate| Terms::of(instrument, rate)));
        }
        let is_fit = self.terms.get().and_then(|terms| self.set_figures(&terms, mark)).is_some();
        self.is_fit.set(is_fit);
        self.is_known.set(true);
        self.epoch.set(next_epoch);
        self.mark.set(mark);
        self.way.set(way);
        self.rate_mark.set(rate_mark);
    }

    /// They were looked at.
    #[inline]
    pub(super) fn note_seen(&self, moves: u64) {
        self.seen.set(moves);
    }

    /// `None` where they do not fit, and at prices without a value.
    fn set_figures(&self, terms: &Terms, (low, high): (Price, Price)) -> Option<()> {
        let (factor, divisor) = terms.factor;
        let twice = low.0.checked_add(high.0)?;
        let mark = twice / 2;
        let (unit, gain) = if terms.is_inverse {
            let at = |price: i64| price.checked_mul(divisor).filter(|of| (1..DENOMINATOR_MAX).contains(of));
            ((factor, at(mark)?), (at(low.0)?, at(high.0)?))
        } else {
            let unit = mark.checked_mul(factor)?.checked_abs()?;
            ((unit, divisor), (twice.checked_mul(factor)?, divisor))
        };
        self.unit.set(unit);
        self.gain.set(gain);
        self.rate.set(terms.rate);
        self.is_inverse.set(terms.is_inverse);
        Some(())
    }

    /// What a quantity is worth in the reference currency, with its sign. `None` where it is to be worked out in 128
    /// bits, here and below.
    #[inline]
    pub(super) fn value(&self, qty: i64) -> Option<i64> {
        if !self.is_fit.get() {
            return None;
        }
        let posted = times(qty.checked_abs()?, self.unit.get())?;
        let value = times(posted, self.rate.get())?;
        within_bounds(if qty < 0 { -value } else { value })
    }

    /// Profit of a position of a quantity and a cost, in settlement units.
    #[inline]
    pub(super) fn profit(&self, qty: i64, cost: i64) -> Option<i64> {
        if !self.is_fit.get() {
            return None;
        }
        let (first, second) = self.gain.get();
        if !self.is_inverse.get() {
            return Some(half_of(first.checked_mul(qty)?.checked_sub(cost.checked_mul(2)?)?, second));
        }
        let open = qty.checked_abs()?.checked_mul(self.unit.get().0)?;
        let at_low = divided(open, first);
        let twice = at_low.checked_add(if first == second { at_low } else { divided(open, second) })?;
        let twice = if qty < 0 { -twice } else { twice };
        Some(half_of(cost.checked_mul(2)?.checked_sub(twice)?, 1))
    }

    /// The same in the reference currency.
    #[inline]
    pub(super) fn profit_value(&self, qty: i64, cost: i64) -> Option<i64> {
        within_bounds(times(self.profit(qty, cost)?, self.rate.get())?)
    }
}

fn narrow((numerator, denominator): (i128, i128)) -> Option<Fraction> {
    let denominator = i64::try_from(denominator).ok().filter(|of| (1..DENOMINATOR_MAX).contains(of))?;
    Some((i64::try_from(numerator).ok()?, denominator))
}

#[inline]
fn times(amount: i64, (numerator, denominator): Fraction) -> Option<i64> {
    Some(divided(amount.checked_mul(numerator)?, denominator))
}

/// Most settlement currencies are as fine as price and quantity together.
#[inline]
fn divided(numerator: i64, denominator: i64) -> i64 {
    if denominator == 1 { numerator } else { divide_half_even_narrow(numerator, denominator) }
}

/// Half of a fraction, rounded half-even.
#[inline]
fn half_of(twice: i64, denominator: i64) -> i64 {
    if denominator == 1 {
        let half = twice >> 1;
        // A half that is left goes to the even neighbour.
        half + (half & twice & 1)
    } else {
        divide_half_even_narrow(twice, denominator * 2)
    }
}
