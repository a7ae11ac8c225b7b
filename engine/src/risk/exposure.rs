//! What orders and positions tie up.
//!
//! Spot: a buy ties up its notional at the worst price and the higher of both fees, a sell the quantity itself.
//! Contracts: account and instrument tie up margin for the worse of both sides, position and open orders together,
//! at the mark; an order that does not raise that margin passes.

use super::{Refusal, View};
use crate::positions::Position;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{CurrencyId, Instrument, InstrumentKind, Price, Qty, Rate, Reject, Side};

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

/// Whether the account can pay for the order.
pub(super) fn check_buying_power(
    order: &NewOrder,
    view: &View<'_>,
    price: Price,
) -> Result<Reservation, Refusal> {
    let instrument = view.instrument;
    let overflow = || Refusal::plain(Reject::ValueOverflow);
    match instrument.kind {
        InstrumentKind::Spot => {
            let reservation = spot_reservation(instrument, view.base_factor, order.side, price, order.qty);
            let reservation = reservation.ok_or_else(overflow)?;
            let available = match order.side {
                Side::Buy => view.settlement.available(),
                Side::Sell => view.base.available(),
            };
            if reservation.amount > available {
                return Err(Refusal::new(Reject::InsufficientBuyingPower, available, reservation.amount));
            }
            Ok(reservation)
        }
        InstrumentKind::Linear | InstrumentKind::Inverse => {
            let mark = margin_mark(view.market.reference_twice(), price);
            let mut with_order = *view.position;
            let open = with_order.open_mut(order.side);
            *open = open.saturating_add(order.qty.0);
            let needed = margin(instrument, &with_order, mark).ok_or_else(overflow)?;
            let before = margin(instrument, view.position, mark).ok_or_else(overflow)?;
            let reservation = Reservation { amount: needed, currency: instrument.settlement, price: mark };
            if needed <= before {
                return Ok(reservation);
            }
            let fee =
                instrument.fee(price, order.qty, Rate(instrument.taker_fee.0.max(0))).ok_or_else(overflow)?;
            let available = view.settlement.available() + view.position.margin + view.unrealized;
            if needed + fee > available {
                return Err(Refusal::new(Reject::InsufficientBuyingPower, available, needed + fee));
            }
            Ok(reservation)
        }
    }
}
