//! Price collar: how far a price may be from the reference price, which is the mid, or the last trade without one.

use super::{Refusal, View};
use crate::market::Market;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{LimitKind, Price, Qty, Rate, Reject, Side};

/// The price that the order may cost at worst: its limit, or what a market order meets, moved against it by the collar.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<Price, Refusal> {
    let collar = view.limits.get(LimitKind::PriceCollar);
    if order.order_type.has_limit() {
        return match collar {
            None => Ok(order.price),
            Some(_) if view.is_held => Ok(order.price),
            Some(collar) => check_limit(order.price, view.market, collar),
        };
    }
    let price = if order.order_type.is_triggered() && order.trigger_price.0 > 0 {
        order.trigger_price
    } else {
        return market_price(order.side, view.market, collar.unwrap_or(0));
    };
    moved(order.side, price, collar.unwrap_or(0))
}

fn check_limit(price: Price, market: &Market, collar: i64) -> Result<Price, Refusal> {
    let reference_twice = market.reference_twice().ok_or(Refusal::plain(Reject::NoReferencePrice))?;
    let (price_twice, reference) = (i128::from(price.0) * 2, i128::from(reference_twice));
    let distance = (price_twice - reference).abs() * i128::from(Rate::ONE.0);
    let reach = reference.abs().saturating_mul(i128::from(collar));
    if distance > reach {
        let bound = bound(reference, reach, price_twice > reference);
        return Err(Refusal::new(Reject::PriceOutsideCollar, bound, price.0));
    }
    Ok(price)
}

/// The farthest price that the collar lets through, above the reference price or below it; the reference is twice the
/// price, the reach in that unit times [`Rate::ONE`].
fn bound(reference: i128, reach: i128, is_above: bool) -> i128 {
    let (one, unit) = (i128::from(Rate::ONE.0), 2 * i128::from(Rate::ONE.0));
    if is_above {
        reference.saturating_mul(one).saturating_add(reach).div_euclid(unit)
    } else {
        -reach.saturating_sub(reference.saturating_mul(one)).div_euclid(unit)
    }
}

/// The touch that a market order meets, moved against it by the collar.
pub fn market_price(side: Side, market: &Market, collar: i64) -> Result<Price, Refusal> {
    market.reference_twice().ok_or(Refusal::plain(Reject::NoReferencePrice))?;
    let touch = market.touch.opposite(side);
    let price = if touch.qty > Qty::ZERO { touch.price } else { market.last_trade.price };
    moved(side, price, collar)
}

fn moved(side: Side, price: Price, collar: i64) -> Result<Price, Refusal> {
    let slack = match side {
        Side::Buy => i128::from(price.0) * i128::from(collar) / i128::from(Rate::ONE.0),
        Side::Sell => 0,
    };
    let worst = i64::try_from(i128::from(price.0) + slack);
    let worst = worst.map_err(|_| Refusal::plain(Reject::ValueOverflow))?;
    if worst <= 0 { Err(Refusal::plain(Reject::NoReferencePrice)) } else { Ok(Price(worst)) }
}
