//! The value of a limit as text: what its kind counts, at the scale of what it is about.
//!
//! Fractions and money are decimals, durations are seconds, counts are whole numbers, and the self-trade mode is a
//! word. Errors say what is missing or wrong; the caller knows the name of the field.

use tickwerk_domain::{LimitKind, LimitUnit, SelfTradePrevention, parse_decimal};
use tickwerk_engine::risk::scopes::values_of;
pub(crate) use tickwerk_render::{LimitScales, UnknownScale, scale_of, show_limit};

/// Why a text is no value of a limit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum LimitValueError {
    /// The scale is not known.
    #[error(transparent)]
    Scale(#[from] UnknownScale),
    /// The text is no decimal of the scale.
    #[error(transparent)]
    Decimal(#[from] tickwerk_domain::DecimalError),
    /// The text is no mode.
    #[error("is unknown; known: {}", modes().map(SelfTradePrevention::word).collect::<Vec<_>>().join(", "))]
    UnknownMode,
}

/// The mantissa that `text` says; negative where it says so.
pub(crate) fn parse_limit(kind: LimitKind, text: &str, scales: LimitScales) -> Result<i64, LimitValueError> {
    if kind.unit() == LimitUnit::SelfTrade {
        let mode = modes().find(|mode| mode.word() == text).ok_or(LimitValueError::UnknownMode)?;
        return Ok(mode as i64);
    }
    Ok(parse_decimal(text, scale_of(kind, scales)?)?)
}

/// The modes of self-trade prevention that the core knows; a venue may know more.
pub(crate) fn modes() -> impl Iterator<Item = SelfTradePrevention> {
    let values = values_of(LimitKind::SelfTrade);
    SelfTradePrevention::ALL.iter().copied().filter(move |mode| values.contains(&(*mode as i64)))
}

/// What can be written for the kind; `None` where `value` is that.
pub(crate) fn remedy_for(kind: LimitKind, value: i64, scales: LimitScales) -> Option<String> {
    let values = values_of(kind);
    if values.contains(&value) {
        return None;
    }
    let show = |value: i64| show_limit(kind, i128::from(value), scales);
    let least = show(*values.start());
    Some(match *values.end() {
        i64::MAX => format!("write {least} or more"),
        most => format!("write {least} to {}", show(most)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_shown_in_the_unit_of_their_kind() {
        let scales = LimitScales { quantity: Some(3), settlement: Some(2), reference: Some(4) };
        for (kind, text, value) in [
            (LimitKind::OrderQuantity, "1.5", 1_500),
            (LimitKind::OrderNotional, "10.25", 1_025),
            (LimitKind::DailyLoss, "100", 1_000_000),
            (LimitKind::Drawdown, "0.1", 10_000_000),
            (LimitKind::CoolDown, "1.5", 1_500_000_000),
            (LimitKind::OpenOrders, "7", 7),
            (LimitKind::SelfTrade, "cancel_maker", 2),
        ] {
            assert_eq!(parse_limit(kind, text, scales), Ok(value), "{kind}");
            assert_eq!(parse_limit(kind, &show_limit(kind, i128::from(value), scales), scales), Ok(value));
        }
        let none = LimitScales::default();
        let needs = LimitValueError::Scale(UnknownScale::NeedsInstrument(LimitKind::OrderQuantity));
        assert_eq!(parse_limit(LimitKind::OrderQuantity, "1", none), Err(needs));
        let needs = LimitValueError::Scale(UnknownScale::NeedsReference(LimitKind::DailyLoss));
        assert_eq!(parse_limit(LimitKind::DailyLoss, "1", none), Err(needs));
        assert_eq!(parse_limit(LimitKind::SelfTrade, "maybe", none), Err(LimitValueError::UnknownMode));
    }
}
