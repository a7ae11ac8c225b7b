//! Buying power: the account must be able to pay, with open orders at their worst, from what it has or on credit.
//!
//! Credit is what orders may tie up beyond what the account has, in the reference currency: everything that is tied up
//! beyond what there is, over all currencies, this order included. It pays for what is bought and for margin; an asset
//! that is not there cannot be sold on credit. What contracts have lost at their marks is not there for a spot order;
//! what they have gained counts as margin of contracts alone.

use super::exposure::{OrderValue, Reservation, buy_reservation, margin, margin_mark, spot_reservation};
use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{InstrumentKind, LimitKind, Price, Rate, Reject, Side};

/// Whether the account can pay for the order, and what the order ties up.
pub(super) fn check(
    order: &NewOrder,
    view: &View<'_>,
    price: Price,
    value: &OrderValue,
) -> Result<Reservation, Refusal> {
    match view.instrument.kind {
        InstrumentKind::Spot => check_spot(order, view, price, value),
        InstrumentKind::Linear | InstrumentKind::Inverse => check_contract(order, view, price, value),
    }
}

fn check_spot(
    order: &NewOrder,
    view: &View<'_>,
    price: Price,
    value: &OrderValue,
) -> Result<Reservation, Refusal> {
    let reservation = match order.side {
        Side::Buy => buy_reservation(view.instrument, value),
        Side::Sell => spot_reservation(view.instrument, view.base_factor, order.side, price, order.qty),
    };
    let reservation = reservation.ok_or_else(|| Refusal::plain(Reject::ValueOverflow))?;
    match order.side {
        Side::Buy => {
            let available = view.machine.spendable(order.account, view.instrument.settlement);
            afford(order, view, reservation.amount, available)?;
        }
        Side::Sell => {
            let available = view.machine.spendable(order.account, view.instrument.base);
            if reservation.amount > available {
                return Err(short(available, reservation.amount));
            }
        }
    }
    Ok(reservation)
}

fn check_contract(
    order: &NewOrder,
    view: &View<'_>,
    price: Price,
    value: &OrderValue,
) -> Result<Reservation, Refusal> {
    let overflow = || Refusal::plain(Reject::ValueOverflow);
    let instrument = view.instrument;
    let mark = margin_mark(view.market.reference_twice(), price);
    let mut with_order = *view.position;
    let open = with_order.open_mut(order.side);
    *open = open.saturating_add(order.qty.0);
    let needed = margin(instrument, &with_order, mark).ok_or_else(overflow)?;
    let reservation = Reservation { amount: needed, currency: instrument.settlement, price: mark };
    if with_order.worst() <= view.position.worst() {
        return Ok(reservation);
    }
    let rate = Rate(instrument.taker_fee.0.max(0));
    let can_pay = value.fee(rate).ok_or_else(overflow).and_then(|fee| {
        let unrealized = view.machine.unrealized_in(order.account, instrument.kind, instrument.settlement);
        let available = view.settlement.available() + view.position.margin + unrealized;
        afford(order, view, needed + fee, available)
    });
    match can_pay {
        // More is open, yet the margin may round to the same.
        Err(refusal) if margin(instrument, view.position, mark).is_none_or(|before| needed > before) => {
            Err(refusal)
        }
        Ok(()) | Err(_) => Ok(reservation),
    }
}

fn short(available: i128, needed: i128) -> Refusal {
    Refusal::new(Reject::InsufficientBuyingPower, available, needed)
}

/// Whether `needed` is there, or the rest of it can be had on credit.
fn afford(order: &NewOrder, view: &View<'_>, needed: i128, available: i128) -> Result<(), Refusal> {
    if needed <= available {
        return Ok(());
    }
    let Some(credit) = view.limits.get(LimitKind::Credit) else {
        return Err(short(available, needed));
    };
    let settlement = view.instrument.settlement;
    let used = view.machine.credit_used(order.account, Some(settlement));
    let own = view.machine.in_reference(settlement, needed - available);
    let no_rate = || Refusal::plain(Reject::NoConversionRate);
    let after = used.ok_or_else(no_rate)?.saturating_add(own.ok_or_else(no_rate)?);
    if after > i128::from(credit) {
        return Err(Refusal::new(Reject::InsufficientBuyingPower, credit, after));
    }
    Ok(())
}
