//! Currencies against each other: what an amount is in the reference currency.
//!
//! A currency has a fixed rate, or the mark of a spot instrument between it and the reference currency, either way
//! round. Units: amounts at the scale of their own currency; results are rounded half-even. There is no way through a
//! third currency. What fails: a currency without a rate, an instrument without a positive mark, a product that an
//! `i128` cannot hold; all three are "no rate".

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{CURRENCIES_MAX, INSTRUMENTS_MAX};
use tickwerk_domain::command::{ConversionSet, ReferenceCurrencySet};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::numbers::{RATE_SCALE, checked_product, divide_half_even, power_of_ten};
use tickwerk_domain::{CurrencyId, Digest, InstrumentId, InstrumentKind, Rate, Reject};

/// How a currency is converted: a rate, or an instrument's mark.
#[derive(Clone, Copy, Debug, Default)]
struct Conversion {
    rate: Rate,
    instrument: InstrumentId,
    row: u64,
}

/// The reference currency and the ways to it.
#[derive(Debug)]
pub(super) struct Conversions {
    rows: Box<[Conversion]>,
    reference: CurrencyId,
    reference_row: u64,
}

impl Conversions {
    pub(super) fn new() -> Self {
        let rows = vec![Conversion::default(); CURRENCIES_MAX].into();
        Self { rows, reference: CurrencyId::NONE, reference_row: 0 }
    }

    fn set(&mut self, setting: &ConversionSet, digest: &mut Digest) {
        let row = &mut self.rows[setting.currency.0 as usize];
        (row.rate, row.instrument) = (setting.rate, setting.instrument);
        let owner = u64::from(setting.currency.0) << 32 | u64::from(setting.instrument.0);
        digest.update(&mut row.row, row_hash(TAG, &[owner, setting.rate.0.cast_unsigned()]));
    }

    fn set_reference(&mut self, currency: CurrencyId, digest: &mut Digest) {
        self.reference = currency;
        digest.update(&mut self.reference_row, row_hash(TAG_REFERENCE, &[u64::from(currency.0)]));
    }
}

tickwerk_domain::persist! { Conversion { rate, instrument, row } }

impl Conversions {
    pub(super) fn save(&self, to: &mut ImageWriter) {
        let Self { rows, reference, reference_row } = self;
        to.table(rows, &Conversion::default());
        to.value(reference);
        to.value(reference_row);
    }

    pub(super) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let rows = from.table(Self::new().rows)?;
        let mut loaded = Self { rows, reference: from.value()?, reference_row: from.value()? };
        let (reference, kept) = (loaded.reference, loaded.reference_row);
        let (what, found) = ("reference currency", reference.0.into());
        ensure((reference.0 as usize) < CURRENCIES_MAX, Fault::Missing { what, found })?;
        sum.row((what, found), kept, |change| loaded.set_reference(reference, change))?;
        for currency in (0..).take(CURRENCIES_MAX).map(CurrencyId) {
            let Conversion { rate, instrument, row } = loaded.rows[currency.0 as usize];
            let (what, found) = ("conversion of currency", currency.0.into());
            ensure((instrument.0 as usize) < INSTRUMENTS_MAX, Fault::Missing { what, found })?;
            let setting = ConversionSet { currency, rate, instrument };
            sum.row((what, found), row, |change| loaded.set(&setting, change))?;
        }
        Ok(loaded)
    }
}

impl Machine {
    pub(super) fn set_conversion(&mut self, setting: &ConversionSet, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        match self.check_conversion(setting) {
            Err((reason, value)) => self.refuse(&(*setting).into(), reason, value, out),
            Ok(()) => {
                self.conversions.set(setting, &mut self.digest);
                self.memo.clear();
                self.note_all_worths();
            }
        }
        version
    }

    fn check_conversion(&self, setting: &ConversionSet) -> Result<(), (Reject, i64)> {
        let currency = setting.currency;
        if !is_in_range(currency.0, CURRENCIES_MAX) || self.accounts.currency(currency).is_none() {
            return Err((Reject::UnknownCurrency, i64::from(currency.0)));
        }
        if setting.instrument.is_none() {
            let is_positive = setting.rate.0 > 0;
            return if is_positive { Ok(()) } else { Err((Reject::ValueOutOfRange, setting.rate.0)) };
        }
        let number = i64::from(setting.instrument.0);
        let known = self.instrument(setting.instrument).ok_or((Reject::UnknownInstrument, number))?;
        let of = &known.definition;
        let is_between = of.kind == InstrumentKind::Spot && (of.base == currency || of.quote == currency);
        if is_between && setting.rate.0 == 0 { Ok(()) } else { Err((Reject::TermsInvalid, number)) }
    }

    pub(super) fn set_reference_currency(
        &mut self,
        setting: &ReferenceCurrencySet,
        out: &mut EventBuffer,
    ) -> u64 {
        let version = self.next_system_version();
        let currency = setting.currency;
        if currency.is_none() || self.accounts.currency(currency).is_none() {
            self.refuse(&(*setting).into(), Reject::UnknownCurrency, i64::from(currency.0), out);
        } else if currency != self.conversions.reference {
            self.conversions.set_reference(currency, &mut self.digest);
            self.memo.clear();
            self.forget_all_worths();
            self.note_all_worths();
        }
        version
    }

    /// The currency that equity, exposures and losses are counted in; none before it is set.
    #[inline]
    pub fn reference_currency(&self) -> CurrencyId {
        self.conversions.reference
    }

    /// What an amount is in the reference currency, at that currency's scale, rounded half-even. `None` where there is
    /// no rate; nothing of a currency is nothing at any rate.
    pub fn in_reference(&self, currency: CurrencyId, amount: i128) -> Option<i128> {
        if amount == 0 {
            return Some(0);
        }
        if currency == self.conversions.reference {
            return (!currency.is_none()).then_some(amount);
        }
        let (numerator, denominator) = self.reference_rate(currency)?;
        Some(divide_half_even(checked_product(amount, numerator)?, denominator))
    }

    /// The instrument whose mark makes a currency's rate; none where the rate follows from the setting alone.
    #[inline]
    pub(super) fn way_of(&self, currency: CurrencyId) -> InstrumentId {
        let is_reference = currency == self.conversions.reference;
        if is_reference { InstrumentId::NONE } else { self.conversions.rows[currency.0 as usize].instrument }
    }

    /// Twice the mark that a rate follows from; `None` where there is none.
    #[inline]
    pub(super) fn rate_mark(&self, way: InstrumentId) -> Option<i64> {
        let (low, high) = self.market(way).mark()?;
        low.0.checked_add(high.0)
    }

    /// What an amount of the reference currency is in another, rounded half-even.
    pub fn from_reference(&self, currency: CurrencyId, amount: i128) -> Option<i128> {
        if amount == 0 {
            return Some(0);
        }
        if currency == self.conversions.reference {
            return (!currency.is_none()).then_some(amount);
        }
        let (numerator, denominator) = self.reference_rate(currency)?;
        Some(divide_half_even(checked_product(amount, denominator)?, numerator))
    }

    /// What an amount of one currency is in another, through the reference currency and rounded there too.
    pub fn convert(&self, from: CurrencyId, to: CurrencyId, amount: i128) -> Option<i128> {
        if from == to { Some(amount) } else { self.from_reference(to, self.in_reference(from, amount)?) }
    }

    /// Units of the reference currency for one unit of any, as a fraction of two positive numbers.
    pub(super) fn rate_of(&self, currency: CurrencyId) -> Option<(i128, i128)> {
        if currency == self.conversions.reference { Some((1, 1)) } else { self.reference_rate(currency) }
    }

    /// The same for another one than itself.
    fn reference_rate(&self, currency: CurrencyId) -> Option<(i128, i128)> {
        let reference = self.conversions.reference;
        let scale_of = |of| self.accounts.currency(of).map(|known| i32::from(known.scale));
        let (from_scale, to_scale) = (scale_of(currency)?, scale_of(reference)?);
        let way = self.conversions.rows[currency.0 as usize];
        if way.instrument.is_none() {
            let shift = to_scale - from_scale - i32::from(RATE_SCALE);
            return (way.rate.0 > 0).then(|| fraction(i128::from(way.rate.0), 1, shift)).flatten();
        }
        let of = &self.instrument(way.instrument)?.definition;
        let (low, high) = self.market(way.instrument).mark()?;
        let twice = i128::from(low.0) + i128::from(high.0);
        let price_scale = i32::from(of.price_scale);
        if twice <= 0 {
            None
        } else if (of.base, of.quote) == (currency, reference) {
            fraction(twice, 2, to_scale - from_scale - price_scale)
        } else if (of.base, of.quote) == (reference, currency) {
            fraction(2, twice, to_scale - from_scale + price_scale)
        } else {
            None
        }
    }
}

/// numerator ÷ denominator × 10 to the power of `shift`.
fn fraction(numerator: i128, denominator: i128, shift: i32) -> Option<(i128, i128)> {
    let power = power_of_ten(shift.unsigned_abs())?;
    if shift < 0 {
        Some((numerator, checked_product(denominator, power)?))
    } else {
        Some((checked_product(numerator, power)?, denominator))
    }
}

const TAG: u64 = 0x0706;
const TAG_REFERENCE: u64 = 0x0707;
