//! The decider of the empty pipeline: accepts all, stamps, decides nothing. What is left is the cost of the rings.

use crate::decider::Decider;
use crate::event_buffer::EventBuffer;
use tickwerk_domain::{Record, SourceId, Stamp, TimeNs};

/// Lets every command pass, with a stamp and without an event.
#[derive(Clone, Debug, Default)]
pub struct PassThrough {
    last: Stamp,
}

impl Decider for PassThrough {
    #[inline]
    fn accepts(&self, _source: SourceId, _source_sequence: u64) -> bool {
        true
    }

    #[inline]
    fn next_internal(&mut self, _now: TimeNs) -> Option<Record> {
        None
    }

    #[inline]
    fn next_due(&self) -> Option<TimeNs> {
        None
    }

    #[inline]
    fn apply(&mut self, command: &mut Record, _events: &mut EventBuffer) {
        self.last = Stamp { sequence: command.envelope.sequence, time_ns: command.envelope.time_ns };
    }

    #[inline]
    fn last(&self) -> Stamp {
        self.last
    }
}
