//! Kill switch, account state, trading state.

use super::reducing::{is_reducing, refusal};
use super::{Refusal, View};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{AccountState, Reject, TradingState};

/// Whether anything may enter at all.
pub(super) fn check(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    if view.limits.is_killed {
        return Err(Refusal::plain(Reject::KillSwitch));
    }
    match view.account.state {
        AccountState::Active => {}
        AccountState::Suspended if is_reducing(order, view) => {}
        AccountState::Suspended | AccountState::Closed => {
            return Err(Refusal::plain(Reject::AccountNotActive));
        }
    }
    match view.limits.state {
        TradingState::Active => Ok(()),
        TradingState::Halted => Err(Refusal::plain(Reject::TradingHalted)),
        TradingState::ReduceOnly if is_reducing(order, view) => Ok(()),
        TradingState::ReduceOnly => Err(refusal(order, view)),
    }
}
