//! What the loss of a connection may have swallowed, once the venue is connected again.
//!
//! A cancel on its way is sent again, once for each time that the connection was found again: sent twice it does no
//! harm. A replace is not: where the first one took effect, the venue may refuse the second, and the order would be
//! taken for what it was before. It is answered by a report, by a reconciliation, or by a cancel, which passes. The
//! simulated venue loses nothing that waits for its connection.

use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use crate::limits::INSTRUMENTS_MAX;
use tickwerk_domain::{ContinueKind, InstrumentId, OrderStatus, Reject, Stamp, VenueId};

/// Events that one cancel may cause, with one to spare for the digest.
const EVENTS_PER_CANCEL_MAX: usize = 2;

impl Machine {
    /// The connection of a venue was found again.
    pub(super) fn reconnect(&mut self, stamp: Stamp, venue: VenueId, out: &mut EventBuffer) {
        if venue != VenueId::SIMULATED {
            let kind = ContinueKind::Reconnect;
            self.send_again(Continuation::of_instrument(kind, stamp.sequence, InstrumentId::NONE), out);
        }
        for instrument in (0..).map(InstrumentId).take(INSTRUMENTS_MAX) {
            self.look_at_waiting(instrument);
        }
    }

    /// Whether what was asked of an order's venue may have got lost: its connection was, and was found again since.
    pub(super) fn request_may_be_lost(&self, slot: u32) -> bool {
        let order = self.orders.get(slot);
        self.venues.get(order.venue).is_some_and(|venue| order.requested_at < venue.connected_at)
    }

    /// Sends cancels again that may have got lost, in order of id, as many as fit; the rest goes on later.
    pub(super) fn send_again(&mut self, from: Continuation, out: &mut EventBuffer) {
        let mut next = self.orders.first_open_from(from.next);
        let (mut after, mut steps) = (from.after, 0);
        while let Some(slot) = next {
            let id = self.orders.get(slot).id;
            if out.room() < EVENTS_PER_CANCEL_MAX || steps == self.rules.steps_per_command {
                self.go_on_later(Continuation { after, next: id, ..from });
                return;
            }
            after = id.0;
            steps += 1;
            next = self.orders.next_open(slot);
            if self.orders.get(slot).status == OrderStatus::PendingCancel {
                self.request_cancel(slot, Reject::CancelRequested, out);
            }
        }
        self.continuations[from.kind as usize] = None;
    }
}
