//! FIX `AvgPx` of an order: the price at which the filled quantity has the value of all fills.
//!
//! It is worked out from the prices of the fills that were watched. What the order counts as its value is rounded to the
//! settlement currency's scale with each fill, too coarse for a price where a contract is worth few of its units; it
//! serves where not every fill was watched, or one was taken back or corrected. Units: decimals of the instrument's
//! price and [`AVERAGE_SCALE`] more, rounded half-even. What fails: a sum that an `i128` cannot hold falls back alike.

use crate::dictionary::{Dictionary, InstrumentEntry};
use crate::shown::Shown;
use tickwerk_domain::event::{FillRestated, OrderFilled, OrderPartiallyFilled};
use tickwerk_domain::numbers::{divide_half_even, power_of_ten};
use tickwerk_domain::{Event, InstrumentKind, Payload, Price, Qty, format_decimal};

/// Decimals that an average price has beyond those of its instrument.
pub const AVERAGE_SCALE: u8 = 8;

/// Decimals of quantity ÷ price, of which the value of an inverse contract is made.
const RECIPROCAL_SCALE: u8 = 20;

/// The fills of an order that were watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traded {
    /// All of it.
    pub qty: i64,
    /// Σ price × quantity; of an inverse contract Σ quantity ÷ price. `None` where it cannot be told.
    pub weighted: Option<i128>,
    /// The price of every fill; 0 where there were several.
    pub price: Price,
}

impl Traded {
    /// Learns a fill of an order that has `cum_qty` with it.
    pub(crate) fn add(&mut self, kind: InstrumentKind, price: Price, qty: Qty, cum_qty: Qty) {
        let is_first = cum_qty == qty;
        let is_next = cum_qty.0.checked_sub(qty.0) == Some(self.qty);
        let before = if is_first { Some(0) } else { self.weighted.filter(|_| is_next) };
        self.price = if is_first || self.price == price { price } else { Price(0) };
        self.qty = cum_qty.0;
        self.weighted = before.zip(weight(kind, price, qty)).and_then(|(sum, more)| sum.checked_add(more));
    }

    /// A fill is another one now.
    pub(crate) fn forget(&mut self) {
        self.weighted = None;
    }

    fn average(&self, kind: InstrumentKind, cum_qty: Qty) -> Option<i128> {
        let weighted = self.weighted.filter(|_| self.qty == cum_qty.0)?;
        if self.price.0 != 0 {
            return i128::from(self.price.0).checked_mul(power_of_ten(AVERAGE_SCALE.into())?);
        }
        let qty = i128::from(cum_qty.0);
        let (above, below, scale) = match kind {
            InstrumentKind::Spot | InstrumentKind::Linear => (weighted, qty, AVERAGE_SCALE),
            InstrumentKind::Inverse => (qty, weighted, AVERAGE_SCALE + RECIPROCAL_SCALE),
        };
        quotient(above, below, scale.into())
    }
}

fn weight(kind: InstrumentKind, price: Price, qty: Qty) -> Option<i128> {
    match kind {
        InstrumentKind::Spot | InstrumentKind::Linear => i128::from(price.0).checked_mul(qty.0.into()),
        InstrumentKind::Inverse => quotient(qty.0.into(), price.0.into(), RECIPROCAL_SCALE.into()),
    }
}

/// above ÷ below × 10 to the power of `up`.
fn quotient(above: i128, below: i128, up: i32) -> Option<i128> {
    let ten = power_of_ten(up.unsigned_abs())?;
    let (above, below) =
        if up < 0 { (above, below.checked_mul(ten)?) } else { (above.checked_mul(ten)?, below) };
    (below > 0).then(|| divide_half_even(above, below))
}

/// The average price that a record tells, if it is one of a fill.
pub(crate) fn average_price(payload: &Payload, dictionary: &Dictionary) -> Option<Shown> {
    let (order, cum_value, cum_qty, instrument) = match payload {
        Payload::Event(
            Event::OrderPartiallyFilled(OrderPartiallyFilled {
                order, cum_value, cum_qty, instrument, ..
            })
            | Event::OrderFilled(OrderFilled { order, cum_value, cum_qty, instrument, .. })
            | Event::FillRestated(FillRestated { order, cum_value, cum_qty, instrument, .. }),
        ) => (*order, cum_value.get(), *cum_qty, *instrument),
        Payload::Event(_) | Payload::Command(_) => return None,
    };
    let of = dictionary.instrument(instrument)?;
    let watched = dictionary.order_traded(order).and_then(|traded| traded.average(of.kind, cum_qty));
    let average = watched.or_else(|| average_of_value(of, cum_value, cum_qty))?;
    Some(Shown::Text(format_decimal(average, of.price_scale + AVERAGE_SCALE)))
}

/// The average price that follows from a value that was rounded.
fn average_of_value(of: &InstrumentEntry, cum_value: i128, cum_qty: Qty) -> Option<i128> {
    let contracts = i128::from(cum_qty.0).checked_mul(i128::from(of.multiplier))?;
    let (above, below, up) = match of.kind {
        InstrumentKind::Spot | InstrumentKind::Linear => {
            (cum_value, contracts, i32::from(of.quantity_scale) - i32::from(of.settlement_scale))
        }
        InstrumentKind::Inverse => {
            (contracts, cum_value, i32::from(of.settlement_scale) - i32::from(of.quantity_scale))
        }
    };
    quotient(above, below, up + i32::from(of.price_scale + AVERAGE_SCALE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The average after fills of these prices and quantities.
    fn average(kind: InstrumentKind, fills: &[(i64, i64)]) -> Option<i128> {
        let (mut traded, mut cum_qty) = (Traded::default(), Qty::ZERO);
        for (price, qty) in fills {
            cum_qty.0 += qty;
            traded.add(kind, Price(*price), Qty(*qty), cum_qty);
        }
        traded.average(kind, cum_qty)
    }

    #[test]
    fn fills_at_one_price_have_that_price_on_average() {
        for kind in [InstrumentKind::Spot, InstrumentKind::Linear, InstrumentKind::Inverse] {
            assert_eq!(average(kind, &[(616_585, 1)]), Some(61_658_500_000_000), "{kind:?}");
            assert_eq!(average(kind, &[(616_585, 1), (616_585, 3)]), Some(61_658_500_000_000), "{kind:?}");
        }
    }

    #[test]
    fn fills_at_several_prices_are_weighed_by_what_they_are_worth() {
        assert_eq!(average(InstrumentKind::Linear, &[(100, 1), (103, 2)]), Some(10_200_000_000));
        assert_eq!(average(InstrumentKind::Spot, &[(100, 2), (101, 1)]), Some(10_033_333_333));
        // 1/100 + 3/300 for 4 contracts.
        assert_eq!(average(InstrumentKind::Inverse, &[(100, 1), (300, 3)]), Some(20_000_000_000));
        assert_eq!(average(InstrumentKind::Linear, &[(-100, 1), (-103, 2)]), Some(-10_200_000_000));
    }

    #[test]
    fn what_was_not_watched_whole_is_not_told() {
        let mut traded = Traded::default();
        traded.add(InstrumentKind::Linear, Price(100), Qty(1), Qty(2));
        assert_eq!(traded.average(InstrumentKind::Linear, Qty(2)), None);
        traded.add(InstrumentKind::Linear, Price(100), Qty(2), Qty(2));
        assert_eq!(traded.average(InstrumentKind::Linear, Qty(3)), None);
        traded.forget();
        assert_eq!(traded.average(InstrumentKind::Linear, Qty(2)), None);
        let huge = (i64::MAX, i64::MAX - 1);
        assert_eq!(average(InstrumentKind::Linear, &[huge, (1, 1)]), None);
    }
}
