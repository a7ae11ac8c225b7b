//! Breakers: rules that watch what happens and stop an account or a strategy once too much of it did.
//!
//! Armed → tripped (until a command resets it) or cooling (where a cool-down is set: armed again when it is over, or
//! earlier by the command). One that is not armed refuses new orders and replaces; cancels and what reduces a position
//! pass ([`super::reducing`]). Once armed again, it counts from there. A breaker trips when its limit is *reached*.

use super::{Refusal, View};
use tickwerk_domain::digest::words_of;
use tickwerk_domain::{BreakerState, Reject, TimeNs};

/// A breaker of an account or strategy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breaker {
    /// Its state.
    pub state: BreakerState,
    /// The limit that it tripped at.
    pub limit: i128,
    /// What was seen then.
    pub observed: i128,
    /// When it is armed again; 0 where only a command does.
    pub until: TimeNs,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: BreakerState::Armed, limit: 0, observed: 0, until: TimeNs::UNKNOWN }
    }
}

impl Breaker {
    /// For the digest.
    pub fn words(&self) -> [u64; 6] {
        let ([limit_high, limit], [seen_high, seen]) = (words_of(self.limit), words_of(self.observed));
        [self.state as u64, limit_high, limit, seen_high, seen, self.until.0]
    }
}

tickwerk_domain::persist! { Breaker { state, limit, observed, until } }

/// Whether a state may follow another.
pub fn is_allowed(from: BreakerState, to: BreakerState) -> bool {
    match from {
        BreakerState::Armed => matches!(to, BreakerState::Tripped | BreakerState::Cooling),
        BreakerState::Tripped | BreakerState::Cooling => to == BreakerState::Armed,
    }
}

/// The breakers of the account and of the strategy.
pub(super) fn check(view: &View<'_>, is_reducing: impl Fn() -> bool) -> Result<(), Refusal> {
    for party in view.parties() {
        if let Some(tripped) = party.subject.tripped()
            && !is_reducing()
        {
            return Err(Refusal::new(Reject::BreakerTripped, tripped.limit, tripped.observed));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_reached_and_left() {
        for state in BreakerState::ALL {
            let others = || BreakerState::ALL.iter().filter(|other| *other != state);
            assert!(others().any(|from| is_allowed(*from, *state)), "{state} is reached");
            assert!(others().any(|to| is_allowed(*state, *to)), "{state} is left");
            assert!(!is_allowed(*state, *state));
        }
        assert!(!is_allowed(BreakerState::Tripped, BreakerState::Cooling));
    }
}
