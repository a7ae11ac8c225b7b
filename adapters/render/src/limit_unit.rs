//! The unit of a limit's value: what its kind counts, at the scale of what it is about.
//!
//! Fractions and money are decimals, durations are seconds, counts are whole numbers, and the self-trade mode is a word.

use tickwerk_domain::{LimitKind, LimitUnit, RATE_SCALE, SelfTradePrevention, format_decimal};

/// Decimals of a duration in seconds.
const SECOND_SCALE: u8 = 9;

/// The scales that values may be counted at, where they are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LimitScales {
    /// Of the instrument's quantity.
    pub quantity: Option<u8>,
    /// Of the instrument's settlement currency.
    pub settlement: Option<u8>,
    /// Of the reference currency.
    pub reference: Option<u8>,
}

/// Why a limit's scale is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UnknownScale {
    /// The value is in the unit of an instrument.
    #[error("{0} is in the instrument's own unit; name the instrument")]
    NeedsInstrument(LimitKind),
    /// The value is in the reference currency.
    #[error("{0} is in the reference currency; configure one under [reference]")]
    NeedsReference(LimitKind),
}

/// What a value of the kind says; a plain number where its scale is not known.
pub fn show_limit(kind: LimitKind, value: i128, scales: LimitScales) -> String {
    if kind.unit() == LimitUnit::SelfTrade {
        let mode = usize::try_from(value).ok().and_then(|place| SelfTradePrevention::ALL.get(place));
        return mode.map_or_else(|| value.to_string(), ToString::to_string);
    }
    format_decimal(value, scale_of(kind, scales).unwrap_or(0))
}

/// Decimals of the kind's values.
pub fn scale_of(kind: LimitKind, scales: LimitScales) -> Result<u8, UnknownScale> {
    match kind.unit() {
        LimitUnit::Quantity => scales.quantity.ok_or(UnknownScale::NeedsInstrument(kind)),
        LimitUnit::Settlement => scales.settlement.ok_or(UnknownScale::NeedsInstrument(kind)),
        LimitUnit::Reference => scales.reference.ok_or(UnknownScale::NeedsReference(kind)),
        LimitUnit::Fraction => Ok(RATE_SCALE),
        LimitUnit::Duration => Ok(SECOND_SCALE),
        LimitUnit::Count | LimitUnit::SelfTrade => Ok(0),
    }
}
