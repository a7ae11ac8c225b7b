//! A value of a read model's column, and how two of them become one.

use crate::binary::Fields;
use std::borrow::Cow;
use tickwerk_domain::{Real, TimeNs, format_decimal, numbers::power_of_ten};

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    Int8,
    Bool,
    Text,
    Numeric,
    Timestamp,
    Jsonb,
}

impl Type {
    /// Its name in SQL.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Int8 => "bigint",
            Self::Bool => "boolean",
            Self::Text => "text",
            Self::Numeric => "numeric",
            Self::Timestamp => "timestamptz",
            Self::Jsonb => "jsonb",
        }
    }

    /// Its number in the server's catalogue, the same in every version.
    pub(crate) fn oid(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Int8 => 20,
            Self::Text => 25,
            Self::Timestamp => 1184,
            Self::Numeric => 1700,
            Self::Jsonb => 3802,
        }
    }
}

/// A value. There are no floating-point numbers: a figure of a strategy is the shortest decimal that names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Value {
    /// In a change: the column stays as it is.
    Null,
    Int(i64),
    Bool(bool),
    Text(Cow<'static, str>),
    /// A mantissa and its decimals.
    Numeric(i128, u8),
    Time(TimeNs),
    Json(String),
}

impl Value {
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A text that may not be there.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(Cow::Owned(text.to_owned())))
    }

    /// A number without a sign; one that the server cannot hold is cut to the largest that it can.
    pub fn unsigned(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A number where zero means that there is none.
    pub fn unsigned_or_null(number: u64) -> Self {
        if number == 0 { Self::Null } else { Self::unsigned(number) }
    }

    /// A time where zero means that there is none.
    pub fn time_or_null(time: TimeNs) -> Self {
        if time.0 == 0 { Self::Null } else { Self::Time(time) }
    }

    /// A figure of a strategy; `Null` where it is none.
    pub fn real(figure: Real) -> Self {
        let text = figure.get().to_string();
        let (digits, scale) = match text.split_once('.') {
            None => (text.clone(), 0),
            Some((whole, behind)) => (format!("{whole}{behind}"), behind.len()),
        };
        match (digits.parse(), u8::try_from(scale)) {
            (Ok(mantissa), Ok(scale)) => Self::Numeric(mantissa, scale),
            _ => Self::Null,
        }
    }

    /// A number, exactly as it is written; `Null` where it is none.
    pub fn decimal(text: &str) -> Self {
        let (whole, behind) = text.split_once('.').unwrap_or((text, ""));
        match (format!("{whole}{behind}").parse(), u8::try_from(behind.len())) {
            (Ok(mantissa), Ok(scale)) => Self::Numeric(mantissa, scale),
            _ => Self::Null,
        }
    }

    /// A name; the number where there is none; nothing for number 0.
    pub fn named(name: Option<&str>, number: u32) -> Self {
        match name {
            None if number == 0 => Self::Null,
            None => Self::text(number.to_string()),
            Some(_) => Self::text_or_null(name),
        }
    }

    /// The mantissa of a decimal, at the scale that it is written with.
    pub(crate) fn mantissa(text: &str) -> Result<i128, String> {
        if let Self::Numeric(mantissa, _) = Self::decimal(text) {
            Ok(mantissa)
        } else {
            Err(format!("{text} is no decimal"))
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The sum of both; what is not there counts nothing.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Some(value),
            (Self::Int(left), Self::Int(right)) => left.checked_add(right).map(Self::Int),
            (Self::Numeric(left, left_scale), Self::Numeric(right, right_scale)) => {
                let scale = left_scale.max(right_scale);
                let scaled =
                    |mantissa: i128, of: u8| mantissa.checked_mul(power_of_ten(u32::from(scale - of))?);
                scaled(left, left_scale)?
                    .checked_add(scaled(right, right_scale)?)
                    .map(|sum| Self::Numeric(sum, scale))
            }
            _ => None,
        }
    }

    /// Whether it is less than another of the same type.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        if let (Self::Numeric(left, left_scale), Self::Numeric(right, right_scale)) = (self, other)
            && left_scale != right_scale
        {
            let difference = Self::Numeric(*left, *left_scale).plus(Self::Numeric(-right, *right_scale));
            return matches!(difference, Some(Self::Numeric(difference, _)) if difference < 0);
        }
        self < other
    }

    /// Appends it as a field of a column of the type `of`.
    pub(crate) fn encode(&self, of: Type, fields: &mut Fields) {
        match (self, of) {
            (Self::Null, _) => fields.null(),
            (Self::Int(number), Type::Int8) => fields.int8(*number),
            (Self::Int(number), Type::Numeric) => fields.numeric(i128::from(*number), 0),
            (Self::Bool(flag), Type::Bool) => fields.bool(*flag),
            (Self::Text(text), Type::Text) => fields.text(text),
            (Self::Numeric(mantissa, scale), Type::Numeric) => fields.numeric(*mantissa, *scale),
            (Self::Numeric(mantissa, scale), Type::Text) => fields.text(&format_decimal(*mantissa, *scale)),
            (Self::Time(time), Type::Timestamp) => fields.timestamp(*time),
            (Self::Json(json), Type::Jsonb) => fields.jsonb(json),
            (value, of) => panic!("{value:?} is no {}", of.sql()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_comparisons_know_scales() {
        let sum = Value::Numeric(15, 1).plus(Value::Numeric(25, 2));
        assert_eq!(sum, Some(Value::Numeric(175, 2)));
        assert_eq!(Value::Int(i64::MAX).plus(Value::Int(1)), None);
        assert!(Value::Numeric(149, 2).is_below(&Value::Numeric(15, 1)));
        assert!(!Value::Numeric(15, 1).is_below(&Value::Numeric(149, 2)));
    }

    #[test]
    fn decimals_are_read_as_they_are_written() {
        assert_eq!(Value::decimal("-12.50"), Value::Numeric(-1250, 2));
        assert_eq!(Value::decimal("0.00"), Value::Numeric(0, 2));
        assert_eq!(Value::decimal("cancel_newest"), Value::Null);
        assert_eq!((Value::mantissa("1.50"), Value::mantissa("x").is_err()), (Ok(150), true));
    }

    #[test]
    fn a_figure_is_the_decimal_that_names_it() {
        assert_eq!(Value::real(Real::new(0.1)), Value::Numeric(1, 1));
        assert_eq!(Value::real(Real::new(-1234.5)), Value::Numeric(-12_345, 1));
        assert_eq!(Value::real(Real::new(f64::NAN)), Value::Null);
    }
}
