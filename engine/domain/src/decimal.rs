//! Text decimals to mantissas and back, exactly.
//!
//! A value finer than the scale is refused, never rounded; trailing zeros do not make a value finer.

/// Why a text is not a decimal of the wanted scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecimalError {
    /// Nothing stands there.
    #[error("is empty; write a decimal such as 1.25")]
    Empty,
    /// Something else than a sign, digits and one point.
    #[error("has {found:?} at position {position}; write digits with at most one decimal point")]
    BadCharacter {
        /// The character.
        found: char,
        /// Its place in the text, from 0.
        position: usize,
    },
    /// More decimals than the scale has.
    #[error("has {decimals} decimals; the limit is {scale}")]
    TooFine {
        /// Decimals that matter.
        decimals: usize,
        /// Decimals allowed.
        scale: u8,
    },
    /// The mantissa does not fit.
    #[error("is too large; the limit is {limit} with {scale} decimals")]
    TooLarge {
        /// Largest mantissa.
        limit: i128,
        /// Decimals of the scale.
        scale: u8,
    },
}

/// Parses `text` to a mantissa with `scale` decimals.
///
/// ```
/// use tickwerk_domain::parse_decimal;
/// assert_eq!(parse_decimal("-1.250", 2), Ok(-125));
/// assert!(parse_decimal("1.255", 2).is_err());
/// ```
pub fn parse_decimal(text: &str, scale: u8) -> Result<i64, DecimalError> {
    let limit = i128::from(i64::MAX);
    i64::try_from(parse_within(text, scale, limit)?).map_err(|_| DecimalError::TooLarge { limit, scale })
}

/// Parses `text` to a wide mantissa with `scale` decimals.
pub fn parse_decimal_i128(text: &str, scale: u8) -> Result<i128, DecimalError> {
    parse_within(text, scale, i128::MAX)
}

fn parse_within(text: &str, scale: u8, limit: i128) -> Result<i128, DecimalError> {
    let (negative, digits, offset) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest, 1),
        [b'+', rest @ ..] => (false, rest, 1),
        rest => (false, rest, 0),
    };
    let too_large = DecimalError::TooLarge { limit, scale };
    let mut mantissa: i128 = 0;
    let mut decimals: Option<usize> = None;
    let mut significant_decimals = 0;
    let mut digit_count = 0;
    for (index, byte) in digits.iter().enumerate() {
        match (byte, decimals) {
            (b'0'..=b'9', _) => {
                digit_count += 1;
                if let Some(seen) = &mut decimals {
                    *seen += 1;
                    if *byte != b'0' {
                        significant_decimals = *seen;
                    }
                    if *seen > usize::from(scale) {
                        continue;
                    }
                }
                mantissa = mantissa
                    .checked_mul(10)
                    .and_then(|wide| wide.checked_add(i128::from(byte - b'0')))
                    .filter(|wide| *wide <= limit)
                    .ok_or(too_large)?;
            }
            (b'.', None) => decimals = Some(0),
            _ => {
                let position = offset + index;
                let found =
                    text.char_indices().find(|(at, _)| *at >= position).map_or('?', |(_, found)| found);
                return Err(DecimalError::BadCharacter { found, position });
            }
        }
    }
    if digit_count == 0 {
        return Err(DecimalError::Empty);
    }
    if significant_decimals > usize::from(scale) {
        return Err(DecimalError::TooFine { decimals: significant_decimals, scale });
    }
    for _ in decimals.unwrap_or(0).min(usize::from(scale))..usize::from(scale) {
        mantissa = mantissa.checked_mul(10).filter(|wide| *wide <= limit).ok_or(too_large)?;
    }
    Ok(if negative { -mantissa } else { mantissa })
}

/// Writes a mantissa with `scale` decimals, all of them.
///
/// ```
/// assert_eq!(tickwerk_domain::format_decimal(-125, 2), "-1.25");
/// ```
pub fn format_decimal(mantissa: i128, scale: u8) -> String {
    let digits = mantissa.unsigned_abs().to_string();
    let sign = if mantissa < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_texts_are_named() {
        assert_eq!(parse_decimal("", 2), Err(DecimalError::Empty));
        assert_eq!(parse_decimal("-", 2), Err(DecimalError::Empty));
        assert_eq!(parse_decimal(".", 2), Err(DecimalError::Empty));
        assert_eq!(parse_decimal("1.2.3", 2), Err(DecimalError::BadCharacter { found: '.', position: 3 }));
        assert_eq!(parse_decimal("1e5", 2), Err(DecimalError::BadCharacter { found: 'e', position: 1 }));
        assert_eq!(parse_decimal("1€", 2), Err(DecimalError::BadCharacter { found: '€', position: 1 }));
        assert_eq!(parse_decimal("0.001", 2), Err(DecimalError::TooFine { decimals: 3, scale: 2 }));
        assert!(matches!(parse_decimal("92233720368547758.08", 2), Err(DecimalError::TooLarge { .. })));
        assert!(matches!(parse_decimal("99999999999999999999", 8), Err(DecimalError::TooLarge { .. })));
    }

    #[test]
    fn trailing_zeros_are_not_finer() {
        assert_eq!(parse_decimal("61837.63000000", 2), Ok(6_183_763));
        assert_eq!(parse_decimal("92233720368547758.07", 2), Ok(i64::MAX));
        assert_eq!(parse_decimal(".5", 1), Ok(5));
        assert_eq!(parse_decimal("5.", 1), Ok(50));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(mantissa in -i64::MAX..=i64::MAX, scale in 0_u8..=18) {
            prop_assert_eq!(parse_decimal(&format_decimal(i128::from(mantissa), scale), scale), Ok(mantissa));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", scale in 0_u8..=18) {
            let parsed = parse_decimal(&text, scale);
            prop_assert!(parsed.is_err() || text.is_ascii());
        }
    }
}
