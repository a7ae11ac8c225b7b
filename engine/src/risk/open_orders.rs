//! Most open orders of an account. A replaced order and one that leaves are counted as gone, so they open none.

use super::rate::Message;
use super::{Refusal, View};
use tickwerk_domain::{LimitKind, Reject};

/// The account's open orders with this one.
pub(super) fn check(view: &View<'_>) -> Result<(), Refusal> {
    let Some(limit) = view.limits.get(LimitKind::OpenOrders) else { return Ok(()) };
    let open_orders = i64::from(view.account.open_orders) + 1;
    if view.message == Some(Message::Order) && open_orders > limit {
        return Err(Refusal::new(Reject::OpenOrdersAboveLimit, limit, open_orders));
    }
    Ok(())
}
