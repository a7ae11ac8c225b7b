//! What orders and positions tie up.
//!
//! Spot: a buy ties up its notional at the worst price and the higher of both fees, a sell the quantity itself.
//! Contracts: account and instrument tie up margin for the worse of both sides, position and open orders together, at
//! the mark of the moment; an order that does not raise that margin passes. What is tied up stays as it is while only
//! the mark moves: it is counted again with the account's next order, replace, fill or end of an order in the
//! instrument, and not when positions are marked. A check counts the margin of its own instrument at today's mark, that
//! of others as it is tied up, and the profit or loss of all contracts at today's marks.
//!
//! A market order is counted at the touch that it meets, a buy at that and the collar above it. Without a collar that is
//! the touch alone, and a spot buy that is filled deeper in the book costs more than was tied up.

use crate::positions::Position;
use tickwerk_domain::numbers::divide_half_even;
use tickwerk_domain::{CurrencyId, Instrument, Price, Qty, Rate, Side};

/// What an order ties up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reservation {
    /// How much; for a contract, the margin of account and instrument with this order.
    pub amount: i128,
    /// Of what.
    pub currency: CurrencyId,
    /// The price that it is counted at.
    pub price: Price,
}

/// What an order is worth at a price: worked out once, and used by all rules that ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OrderValue {
    price: Price,
    exact: (i128, i128),
    /// Rounded half-even to the settlement currency's scale.
    pub(super) posted: i128,
}

impl OrderValue {
    /// `None` where it does not fit.
    pub(super) fn of(instrument: &Instrument, price: Price, qty: Qty) -> Option<Self> {
        let exact = instrument.value(price, qty)?;
        Some(Self { price, exact, posted: divide_half_even(exact.0, exact.1) })
    }

    /// Fee at a rate. `None` where it does not fit.
    pub(super) fn fee(&self, rate: Rate) -> Option<i128> {
        Instrument::fee_of(self.exact, rate)
    }
}

/// What `qty` of a spot order ties up. `None` where it does not fit.
pub fn spot_reservation(
    instrument: &Instrument,
    base_factor: i128,
    side: Side,
    price: Price,
    qty: Qty,
) -> Option<Reservation> {
    match side {
        Side::Buy => buy_reservation(instrument, &OrderValue::of(instrument, price, qty)?),
        Side::Sell => {
            let amount = i128::from(qty.0).checked_mul(base_factor)?;
            Some(Reservation { amount, currency: instrument.base, price })
        }
    }
}

/// What a spot buy of a known value ties up. `None` where it does not fit.
pub(super) fn buy_reservation(instrument: &Instrument, value: &OrderValue) -> Option<Reservation> {
    let rate = Rate(instrument.maker_fee.0.max(instrument.taker_fee.0).max(0));
    let amount = value.posted.checked_add(value.fee(rate)?)?.max(0);
    Some(Reservation { amount, currency: instrument.quote, price: value.price })
}

/// Margin of a position with its open orders at their worst. `None` where it does not fit, or where there is no price to
/// count it at: something that is open is never worth nothing.
pub fn margin(instrument: &Instrument, position: &Position, mark: Price) -> Option<i128> {
    let worst = position.worst_long().saturating_abs().max(position.worst_short().saturating_abs());
    if worst == 0 {
        return Some(0);
    }
    if mark.0 == 0 {
        return None;
    }
    instrument.fee(mark, Qty(worst), instrument.margin_rate).map(i128::abs)
}

/// The price that margin is counted at: the mid, rounded towards zero.
pub fn margin_mark(reference_twice: Option<i64>, fallback: Price) -> Price {
    reference_twice.map(|twice| Price(twice / 2)).filter(|price| price.0 != 0).unwrap_or(fallback)
}
