//! Most open orders of an account. A replace opens none.

use super::{Refusal, View};
use tickwerk_domain::{LimitKind, Reject};

/// The account's open orders with this one.
pub(super) fn check(view: &View<'_>) -> Result<(), Refusal> {
    let Some(limit) = view.limits.get(LimitKind::OpenOrders) else { return Ok(()) };
    let open_orders = i64::from(view.account.open_orders) + 1;
    if view.replaced.is_none() && open_orders > limit {
        return Err(Refusal::new(Reject::OpenOrdersAboveLimit, limit, open_orders));
    }
    Ok(())
}
