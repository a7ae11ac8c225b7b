//! Prices, quantities and money as exact integers.
//!
//! Units: a mantissa; the instrument (price, quantity) or the currency (money) fixes how many decimals it has.
//! Invariant: an `i64` times an `i64` always fits an `i128`; [`Price::notional`] cannot overflow.
//! Prices are signed: spreads trade below zero.

use rkyv::{Archive, Deserialize, Serialize};

/// The most decimals that a scale may have.
pub const SCALE_MAX: u8 = 18;
/// Decimals of a [`Rate`].
pub const RATE_SCALE: u8 = 8;

/// A price, in units of 10⁻ˢ of the quote currency, where s is the instrument's price scale.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Price(pub i64);

impl Price {
    /// What `qty` costs at this price, at the sum of both scales. Exact.
    pub fn notional(self, qty: Qty) -> Notional {
        Notional(i128::from(self.0) * i128::from(qty.0))
    }
}

/// A quantity, in units of 10⁻ˢ of the base asset or of a contract, where s is the instrument's quantity scale.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Qty(pub i64);

impl Qty {
    /// Nothing.
    pub const ZERO: Self = Self(0);
}

/// Price times quantity, at the sum of their scales. Exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Notional(pub i128);

/// An amount in units of 10⁻ˢ of a currency, where s is the currency's scale: an `i128` in two words, so that it
/// lies on 8-byte boundaries in every record.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(C)]
pub struct Money {
    high: i64,
    low: u64,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The amount with this mantissa.
    pub const fn new(mantissa: i128) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "splits the number in two words"
        )]
        Self { high: (mantissa >> 64) as i64, low: mantissa as u64 }
    }

    /// The mantissa.
    pub const fn get(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }
}

/// A fraction in units of 10⁻⁸: 0.1 % is 100,000.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Archive, Serialize, Deserialize,
)]
#[repr(transparent)]
pub struct Rate(pub i64);

impl Rate {
    /// The whole.
    pub const ONE: Self = Self(100_000_000);
}

/// A floating-point figure of a signal, held as canonical bits: every NaN is one value, and equality is of bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Archive, Serialize, Deserialize)]
#[repr(transparent)]
pub struct Real(u64);

impl Real {
    /// Holds `figure`.
    pub fn new(figure: f64) -> Self {
        Self(if figure.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { figure.to_bits() })
    }

    /// The figure.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// The canonical bits.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// `numerator ÷ denominator`, rounded to the nearest integer, ties to the even one.
///
/// Source: IEEE 754 roundTiesToEven, on integers. Panics when the denominator is not positive.
pub fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    assert!(denominator > 0, "the denominator of a rounded division is positive");
    if denominator == 1 {
        return numerator;
    }
    // Nearly all of what is divided fits 64 bits, where a division costs a fraction.
    if let (Ok(numerator), Ok(denominator)) = (i64::try_from(numerator), i64::try_from(denominator)) {
        return i128::from(divide_half_even_narrow(numerator, denominator));
    }
    // A wide division is a call, and one is enough; both are then turned to those of a division towards the floor.
    let quotient = numerator / denominator;
    let remainder = numerator.wrapping_sub(quotient.wrapping_mul(denominator));
    let below = remainder >> 127;
    let (quotient, remainder) = (quotient + below, remainder + (denominator & below));
    let rest = denominator - remainder;
    quotient + i128::from(remainder > rest || remainder == rest && quotient & 1 != 0)
}

/// A product, or `None` where an `i128` cannot hold it.
#[inline]
pub fn checked_product(left: i128, right: i128) -> Option<i128> {
    // Nearly all factors fit 64 bits; the checked product of wide ones is a call.
    match (i64::try_from(left), i64::try_from(right)) {
        (Ok(left), Ok(right)) => Some(i128::from(left) * i128::from(right)),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => left.checked_mul(right),
    }
}

/// [`divide_half_even`] of 64 bits; the denominator is positive. Without branches on the remainder, which no processor foretells.
#[inline]
#[expect(clippy::needless_bitwise_bool, reason = "the lazy operators are branches")]
pub fn divide_half_even_narrow(numerator: i64, denominator: i64) -> i64 {
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let below = remainder >> 63;
    let (quotient, remainder) = (quotient + below, remainder + (denominator & below));
    let rest = denominator - remainder;
    quotient + i64::from((remainder > rest) | ((remainder == rest) & (quotient & 1 != 0)))
}

/// The largest power of ten that an `i128` holds.
const POWER_MAX: usize = 38;

static POWERS_OF_TEN: [i128; POWER_MAX + 1] = {
    let mut powers = [1; POWER_MAX + 1];
    let mut exponent = 1;
    while exponent <= POWER_MAX {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// 10 to the power of `exponent`, or `None` where an `i128` cannot hold it.
#[inline]
pub fn power_of_ten(exponent: u32) -> Option<i128> {
    POWERS_OF_TEN.get(exponent as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_every_i128() {
        for mantissa in [0, 1, -1, i128::MAX, i128::MIN, i128::from(u64::MAX), -i128::from(u64::MAX), 1 << 64]
        {
            assert_eq!(Money::new(mantissa).get(), mantissa);
        }
        assert!(Money::new(-1) < Money::ZERO);
        assert!(Money::new(1 << 64) > Money::new(i128::from(u64::MAX)));
    }

    #[test]
    fn ties_round_to_the_even_neighbour_on_both_sides_of_zero() {
        let cases =
            [(5, 2), (15, 10), (25, 10), (-5, 2), (-15, 10), (-25, 10), (7, 2), (1, 3), (2, 3), (-1, 3)];
        let rounded: Vec<i128> = cases.iter().map(|&(n, d)| divide_half_even(n, d)).collect();
        assert_eq!(rounded, [2, 2, 2, -2, -2, -2, 4, 0, 1, 0]);
    }

    proptest::proptest! {
        #[test]
        fn a_wide_division_is_the_nearest_integer_or_the_even_one(
            numerator in proptest::num::i128::ANY,
            denominator in 2..i128::MAX,
            shift in 0..126_u32,
        ) {
            let denominator = (denominator >> shift).max(2);
            let (floor, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
            let up = match rest.cmp(&(denominator - rest)) {
                std::cmp::Ordering::Less => 0,
                std::cmp::Ordering::Greater => 1,
                std::cmp::Ordering::Equal => floor & 1,
            };
            proptest::prop_assert_eq!(divide_half_even(numerator, denominator), floor + up);
        }

        #[test]
        fn narrow_and_wide_divisions_agree(numerator in proptest::num::i64::ANY, denominator in 1..i64::MAX) {
            let wide = i128::from(numerator) * (1 << 64);
            let by = i128::from(denominator) * (1 << 64);
            proptest::prop_assert_eq!(divide_half_even(wide, by), divide_half_even(numerator.into(), denominator.into()));
        }
    }

    #[test]
    fn every_nan_is_one_value() {
        assert_eq!(Real::new(f64::NAN), Real::new(-f64::NAN));
        assert_ne!(Real::new(0.5), Real::new(0.25));
    }
}
