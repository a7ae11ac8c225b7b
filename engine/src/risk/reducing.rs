//! What counts as reducing a position, in one place.
//!
//! An order *reduces* when its quantity is at most the room: what is open the other way, less what open orders of
//! its own side would already take from it (a replaced order's old quantity counted as gone). So all of them together
//! bring the position back towards zero, and never through it. An order that says that it opens never reduces.
//!
//! What reduces passes: the trading state `reduce_only`, a suspended account, tripped breakers, the position limits and
//! the limits of exposure and leverage. It passes no kill switch, no halt and no closed account, and it keeps to the
//! rules of the market (session, steps, quantities, collar, stale and crossed market), the rates, self-trade prevention
//! and buying power. An order that asks for it (`reduce_only`, or position effect `close`) is refused where it would do
//! more. A cancel passes everything.

use super::{Refusal, View};
use crate::positions::Position;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{PositionEffect, Reject, Side};

/// What may still be closed by orders of a side.
pub fn room(position: &Position, side: Side) -> i64 {
    let (open, already) = match side {
        Side::Buy => (position.qty.saturating_neg(), position.open_buys),
        Side::Sell => (position.qty, position.open_sells),
    };
    open.saturating_sub(already).max(0)
}

/// Whether the order only brings its position back towards zero.
#[inline]
pub(super) fn is_reducing(order: &NewOrder, view: &View<'_>) -> bool {
    let open = order.qty.0;
    order.position_effect != PositionEffect::Open && open > 0 && open <= room(view.position, order.side)
}

/// An order that says that it only reduces must do so.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    let must_reduce = order.reduce_only || order.position_effect == PositionEffect::Close;
    if must_reduce && order.qty.0 > room(view.position, order.side) {
        return Err(refusal(order, view));
    }
    Ok(())
}

/// Only orders that reduce may enter, and this one would do more.
pub(super) fn refusal(order: &NewOrder, view: &View<'_>) -> Refusal {
    Refusal::new(Reject::ReduceOnly, room(view.position, order.side), order.qty.0)
}
