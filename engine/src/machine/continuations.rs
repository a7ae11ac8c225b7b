//! Long effects: what does not fit one command goes on with the next, before timers, venue and lanes.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use tickwerk_domain::{ContinueKind, OrderId, Reject};

/// Steps of a long effect that one command may take, whether or not they cause events.
pub(super) const STEPS_PER_COMMAND_MAX: usize = 1024;

impl Machine {
    /// Goes on with the long effect that is pending; anybody else's `Continue` is refused.
    pub(super) fn go_on(&mut self, command: &tickwerk_domain::Command, out: &mut EventBuffer) -> u64 {
        let version = self.next_system_version();
        match self.continuation.take() {
            Some(pending) if pending.kind == ContinueKind::Reconcile => self.end_missing(pending, out),
            Some(pending) => self.cancel_open(pending, out),
            None => self.refuse(command, Reject::ScopeInvalid, 0, out),
        }
        version
    }

    /// Sends cancels for the open orders of a scope, in order of id, as many as fit; the rest goes on later.
    pub(super) fn cancel_open(&mut self, from: Continuation, out: &mut EventBuffer) {
        let fits = |scope: u32, of: u32| scope == 0 || scope == of;
        let mut next = self.orders.first_open_after(OrderId(from.after));
        let mut steps = 0;
        let mut after = from.after;
        while let Some(slot) = next {
            // One event stays free for the digest.
            if out.room() <= 1 || steps == STEPS_PER_COMMAND_MAX {
                self.continuation = Some(Continuation { after, ..from });
                return;
            }
            let order = self.orders.get(slot);
            after = order.id.0;
            let is_meant =
                fits(from.account.0, order.account.0) && fits(from.instrument.0, order.instrument.0);
            if is_meant {
                self.request_cancel(slot, out);
            }
            next = self.orders.next_open(slot);
            steps += 1;
        }
        self.continuation = None;
    }
}
