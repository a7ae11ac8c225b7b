//! Long effects: what does not fit one command goes on with the next, before timers, venue and lanes.
//!
//! There is at most one of each kind; they go on in order of kind.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use tickwerk_domain::command::Continue;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{ContinueKind, Reject};

/// The long effects that are pending, by kind.
pub(super) type Continuations = [Option<Continuation>; ContinueKind::ALL.len()];

impl Machine {
    /// Goes on with the long effect that is pending; anybody else's `Continue` is refused.
    pub(super) fn go_on(&mut self, command: &Continue, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        match self.continuation().copied().filter(|pending| pending.kind == command.kind) {
            None => self.refuse(&(*command).into(), Reject::ScopeInvalid, 0, out),
            Some(pending) => {
                match pending.kind {
                    ContinueKind::KillSwitch | ContinueKind::MassCancel => self.cancel_open(pending, out),
                    // The machine pays what it owes to held orders at the end of every command.
                    ContinueKind::Held => {}
                    ContinueKind::Funding => self.pay_funding(pending, out),
                    ContinueKind::Mark => self.mark_positions(pending, out),
                    ContinueKind::Reconcile => self.end_missing(pending, out),
                    ContinueKind::Reconnect => self.send_again(pending, out),
                }
            }
        }
        version
    }

    /// The long effect that must go on before anything else: the first in order of kind.
    #[inline]
    pub fn continuation(&self) -> Option<&Continuation> {
        // Nearly always nothing is pending, and this is asked before every command.
        if self.is_continuing { self.continuations.iter().flatten().next() } else { None }
    }

    /// Goes on with the next command.
    pub(super) fn go_on_later(&mut self, pending: Continuation) {
        self.continuations[pending.kind as usize] = Some(pending);
        self.is_continuing = true;
    }

    pub(super) fn continuations_hash(&self) -> u64 {
        self.continuations.iter().flatten().fold(0, |hash, pending| {
            let words = [
                hash,
                pending.after,
                pending.next.0,
                pending.started_by.0,
                u64::from(pending.scope.account.0) << 32 | u64::from(pending.scope.instrument.0),
                u64::from(pending.scope.strategy.0) << 8 | pending.scope.side as u64,
            ];
            row_hash(pending.kind as u64 + 1, &words)
        })
    }
}
