//! Largest notional of one order, in the settlement currency: the instrument's own bound and the limit.

use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{LimitKind, Price, Reject};

/// The order's value at its worst price.
pub(super) fn check(order: &NewOrder, view: &View<'_>, price: Price) -> Result<(), Refusal> {
    let notional = view.instrument.value_posted(price, order.qty);
    let notional = notional.ok_or_else(|| Refusal::plain(Reject::ValueOverflow))?.abs();
    let own = Some(view.instrument.notional_max.get()).filter(|limit| *limit > 0);
    let set = view.limits.get(LimitKind::OrderNotional).map(i128::from);
    match own.into_iter().chain(set).min() {
        Some(limit) if notional > limit => Err(Refusal::new(Reject::NotionalAboveLimit, limit, notional)),
        Some(_) | None => Ok(()),
    }
}
