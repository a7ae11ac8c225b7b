//! Price and quantity in steps and bounds: tick, lot, minimum and maximum.

use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{LimitKind, Reject};

/// A limit price on the tick, none for a type without; a quantity of whole lots between minimum and maximum.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    let (price, qty, instrument) = (order.price.0, order.qty.0, view.instrument);
    if !order.order_type.has_limit() {
        if price != 0 {
            return Err(Refusal::new(Reject::PriceNotAllowed, 0, price));
        }
    } else if price <= 0 {
        return Err(Refusal::new(Reject::PriceNotPositive, 1, price));
    } else if price % instrument.tick_size.0 != 0 {
        return Err(Refusal::new(Reject::PriceOffTick, instrument.tick_size.0, price));
    }
    if qty <= 0 {
        return Err(Refusal::new(Reject::QuantityNotPositive, 1, qty));
    }
    if qty % instrument.lot_size.0 != 0 {
        return Err(Refusal::new(Reject::QuantityOffLot, instrument.lot_size.0, qty));
    }
    let (least, most) = bounds(view);
    if qty < least {
        return Err(Refusal::new(Reject::QuantityBelowMinimum, least, qty));
    }
    if qty > most {
        return Err(Refusal::new(Reject::QuantityAboveLimit, most, qty));
    }
    Ok(())
}

/// Smallest and largest quantity: the instrument's own, and limits where they are narrower.
fn bounds(view: &View<'_>) -> (i64, i64) {
    let (least, most) = (view.instrument.quantity_min.0, view.instrument.quantity_max.0);
    let set_least = view.limits.get(LimitKind::OrderQuantityMin);
    let set_most = view.limits.get(LimitKind::OrderQuantity);
    (set_least.map_or(least, |limit| limit.max(least)), set_most.map_or(most, |limit| limit.min(most)))
}
