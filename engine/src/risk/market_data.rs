//! The market must be known well enough: not stale, not too old, not crossed.

use super::{Refusal, View};
use tickwerk_domain::{LimitKind, Reject, SessionState};

/// A stale book, data older than the limit, and bid at or above ask where orders trade as they come.
pub(super) fn check(view: &View<'_>) -> Result<(), Refusal> {
    let market = view.market;
    if market.is_stale() {
        return Err(Refusal::plain(Reject::StaleMarket));
    }
    if let Some(limit) = view.limits.get(LimitKind::MarketAge) {
        let age = view.now.since(market.observed_at).0;
        if age > limit.unsigned_abs() {
            return Err(Refusal::new(Reject::StaleMarket, limit, age));
        }
    }
    let touch = &market.touch;
    let is_crossed = touch.is_two_sided() && touch.bid.price >= touch.ask.price;
    // Before an auction's end a crossed book is what it gathers.
    if is_crossed && market.session == SessionState::Continuous {
        return Err(Refusal::new(Reject::CrossedMarket, touch.ask.price.0, touch.bid.price.0));
    }
    Ok(())
}
