//! The instrument's session must take orders.

use super::{Refusal, View};
use tickwerk_domain::Reject;

/// Whether the session takes orders; the value seen is the number of its state.
pub(super) fn check(view: &View<'_>) -> Result<(), Refusal> {
    let session = view.market.session;
    if session.takes_orders() { Ok(()) } else { Err(Refusal::new(Reject::MarketClosed, 0, session as u8)) }
}
