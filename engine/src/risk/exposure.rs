//! What orders and positions tie up.
//!
//! Spot: a buy ties up its notional at the worst price and the higher of both fees, a sell the quantity itself.
//! Contracts: account and instrument tie up margin for the worse of both sides, position and open orders together,
//! at the mark; an order that does not raise that margin passes.

use crate::positions::Position;
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

/// What `qty` of a spot order ties up. `None` where it does not fit.
pub fn spot_reservation(
    instrument: &Instrument,
    base_factor: i128,
    side: Side,
    price: Price,
    qty: Qty,
) -> Option<Reservation> {
    match side {
        Side::Buy => {
            let rate = Rate(instrument.maker_fee.0.max(instrument.taker_fee.0).max(0));
            let notional = instrument.value_posted(price, qty)?;
            let amount = notional.checked_add(instrument.fee(price, qty, rate)?)?.max(0);
            Some(Reservation { amount, currency: instrument.quote, price })
        }
        Side::Sell => {
            let amount = i128::from(qty.0).checked_mul(base_factor)?;
            Some(Reservation { amount, currency: instrument.base, price })
        }
    }
}

/// Margin of a position with its open orders at their worst. `None` where it does not fit.
pub fn margin(instrument: &Instrument, position: &Position, mark: Price) -> Option<i128> {
    let worst = position.worst_long().saturating_abs().max(position.worst_short().saturating_abs());
    if worst == 0 {
        return Some(0);
    }
    instrument.fee(mark, Qty(worst), instrument.margin_rate).map(i128::abs)
}

/// The price that margin is counted at: the mid, rounded towards zero.
pub fn margin_mark(reference_twice: Option<i64>, fallback: Price) -> Price {
    reference_twice.map(|twice| Price(twice / 2)).filter(|price| price.0 != 0).unwrap_or(fallback)
}
