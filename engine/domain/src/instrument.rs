//! What can be traded: its kind, scales and steps.

use crate::fields::{FieldValue, as_field};
use crate::numbers::{checked_product, power_of_ten};
use crate::{CurrencyId, InstrumentId, Money, Price, Qty, Rate, TextId};
use rkyv::{Archive, Deserialize, Serialize};

/// How an instrument settles.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Archive, Serialize, Deserialize)]
#[repr(u8)]
pub enum InstrumentKind {
    /// The base asset changes hands against the quote currency; nothing can be sold that is not owned.
    Spot,
    /// A contract on price × quantity; profit settles in the quote currency.
    Linear,
    /// A contract of fixed quote value; profit settles in the base currency as quantity ÷ price.
    Inverse,
}

impl InstrumentKind {
    /// The word for this kind in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Linear => "linear",
            Self::Inverse => "inverse",
        }
    }
}

as_field! { InstrumentKind => |value| FieldValue::Word(value.word()); }

crate::fields::payloads! {
    /// An instrument with all that decides about it. As a command it defines the instrument; scales, kind and
    /// currencies are fixed for its life, steps, bounds and fees may change by a later definition.
    Instrument {
        /// Largest notional of one order, in the settlement currency; 0 for no bound.
        notional_max: Money,
        /// Prices are multiples of this.
        tick_size: Price,
        /// Quantities are multiples of this.
        lot_size: Qty,
        /// Smallest quantity of one order.
        quantity_min: Qty,
        /// Largest quantity of one order.
        quantity_max: Qty,
        /// Quote (linear: base) units of one unit of quantity, as an integer.
        multiplier: i64,
        /// Fee of a maker as a fraction of the notional; negative for a rebate.
        maker_fee: Rate,
        /// Fee of a taker as a fraction of the notional.
        taker_fee: Rate,
        /// Margin of an open position or order as a fraction of its notional; contracts only.
        margin_rate: Rate,
        /// Its number.
        instrument: InstrumentId,
        /// Its name.
        symbol: TextId,
        /// What is bought and sold.
        base: CurrencyId,
        /// What the price is in.
        quote: CurrencyId,
        /// What profit, fees and margin are in.
        settlement: CurrencyId,
        /// How it settles.
        kind: InstrumentKind,
        /// Decimals of prices.
        price_scale: u8,
        /// Decimals of quantities.
        quantity_scale: u8,
        /// Decimals of the settlement currency.
        settlement_scale: u8,
    }
}

impl Instrument {
    /// Value of `qty` at `price` as a fraction `(numerator, denominator)` of settlement-currency units. Exact.
    ///
    /// Linear and spot: price × quantity × multiplier. Inverse: quantity × multiplier ÷ price (the formula of
    /// coin-margined contracts). `None` where an `i128` cannot hold it, or for an inverse value at price 0.
    pub fn value(&self, price: Price, qty: Qty) -> Option<(i128, i128)> {
        let scales = u32::from(self.price_scale) + u32::from(self.quantity_scale);
        let settlement = u32::from(self.settlement_scale);
        match self.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                let product = checked_product(price.notional(qty).0, i128::from(self.multiplier))?;
                if settlement >= scales {
                    Some((checked_product(product, power_of_ten(settlement - scales)?)?, 1))
                } else {
                    Some((product, power_of_ten(scales - settlement)?))
                }
            }
            InstrumentKind::Inverse => {
                if price.0 <= 0 {
                    return None;
                }
                let contracts = checked_product(i128::from(qty.0), i128::from(self.multiplier))?;
                let up = checked_product(contracts, power_of_ten(settlement + u32::from(self.price_scale))?)?;
                Some((
                    up,
                    checked_product(i128::from(price.0), power_of_ten(u32::from(self.quantity_scale))?)?,
                ))
            }
        }
    }

    /// Fee of trading `qty` at `price` at `rate`, rounded half-even to the settlement currency's scale.
    pub fn fee(&self, price: Price, qty: Qty, rate: Rate) -> Option<i128> {
        Self::fee_of(self.value(price, qty)?, rate)
    }

    /// [`Self::fee`] of what has this [`Self::value`].
    pub fn fee_of((numerator, denominator): (i128, i128), rate: Rate) -> Option<i128> {
        let charged = checked_product(numerator, i128::from(rate.0))?;
        let whole = checked_product(denominator, i128::from(Rate::ONE.0))?;
        Some(crate::numbers::divide_half_even(charged, whole))
    }

    /// [`Self::value`] rounded half-even to the settlement currency's scale, as it is posted.
    pub fn value_posted(&self, price: Price, qty: Qty) -> Option<i128> {
        let (numerator, denominator) = self.value(price, qty)?;
        Some(crate::numbers::divide_half_even(numerator, denominator))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(kind: InstrumentKind, price_scale: u8, quantity_scale: u8, multiplier: i64) -> Instrument {
        Instrument {
            notional_max: Money::ZERO,
            tick_size: Price(1),
            lot_size: Qty(1),
            quantity_min: Qty(1),
            quantity_max: Qty(i64::MAX),
            multiplier,
            maker_fee: Rate(0),
            taker_fee: Rate(0),
            margin_rate: Rate::ONE,
            instrument: InstrumentId(1),
            symbol: TextId(1),
            base: CurrencyId(1),
            quote: CurrencyId(2),
            settlement: CurrencyId(2),
            kind,
            price_scale,
            quantity_scale,
            settlement_scale: 8,
        }
    }

    #[test]
    fn linear_value_is_exact_in_the_settlement_currency() {
        let spot = instrument(InstrumentKind::Spot, 2, 5, 1);
        assert_eq!(spot.value_posted(Price(6_183_763), Qty(154_698)), Some(9_566_157_685_740));
        let cents = Instrument { settlement_scale: 2, ..instrument(InstrumentKind::Spot, 4, 0, 1) };
        assert_eq!(
            cents.value_posted(Price(100_050), Qty(1)),
            Some(1000),
            "10.005 is a tie and goes to 10.00"
        );
    }

    #[test]
    fn inverse_value_is_contracts_over_price() {
        let inverse = instrument(InstrumentKind::Inverse, 1, 0, 100);
        assert_eq!(
            inverse.value_posted(Price(618_048), Qty(4)),
            Some(647_199),
            "400 / 61,804.8 = 0.00647199"
        );
        assert_eq!(inverse.value(Price(0), Qty(4)), None);
    }
}
