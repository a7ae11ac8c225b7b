//! Largest notional of one order, in the settlement currency: the instrument's own bound and the limit.

use super::exposure::OrderValue;
use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{LimitKind, Price, Reject};

/// The order's value at its worst price, which is given back.
pub(super) fn check(order: &NewOrder, view: &View<'_>, price: Price) -> Result<OrderValue, Refusal> {
    let value = OrderValue::of(view.instrument, price, order.qty);
    let value = value.ok_or_else(|| Refusal::plain(Reject::ValueOverflow))?;
    let notional = value.posted.abs();
    let own = Some(view.instrument.notional_max.get()).filter(|limit| *limit > 0);
    let set = view.limits.get(LimitKind::OrderNotional).map(i128::from);
    match own.into_iter().chain(set).min() {
        Some(limit) if notional > limit => Err(Refusal::new(Reject::NotionalAboveLimit, limit, notional)),
        Some(_) | None => Ok(value),
    }
}
