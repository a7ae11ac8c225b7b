//! Largest position either way, with open orders at their worst. What only brings a position back passes.

use super::reducing::is_reducing;
use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{LimitKind, Reject, Side};

/// Largest position of all, far from where sums of an `i64` could overflow.
const POSITION_MAX: i64 = 1 << 61;
/// Largest spot position in units of the base currency, far from where sums of an `i128` could overflow.
const BASE_UNITS_MAX: i128 = 1 << 100;

/// The account's position, and what the strategy holds itself.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    let open = order.qty.0;
    let units_max = i64::try_from(BASE_UNITS_MAX / view.base_factor.max(1)).unwrap_or(i64::MAX);
    let set = view.limits.get(LimitKind::PositionQuantity).unwrap_or(i64::MAX);
    let limit = set.min(POSITION_MAX).min(units_max);
    let worst = match order.side {
        Side::Buy => view.position.worst_long().saturating_add(open),
        Side::Sell => view.position.worst_short().saturating_sub(open).saturating_neg(),
    };
    if worst > limit && !is_reducing(order, view) {
        return Err(Refusal::new(Reject::PositionAboveLimit, limit, worst));
    }
    let Some(strategy) = view.strategy else { return Ok(()) };
    let Some(limit) = strategy.limits.get(LimitKind::PositionQuantity) else { return Ok(()) };
    let held = strategy.held.saturating_add(order.side.sign().saturating_mul(open));
    let worst = order.side.sign().saturating_mul(held);
    if worst > limit { Err(Refusal::new(Reject::PositionAboveLimit, limit, worst)) } else { Ok(()) }
}
