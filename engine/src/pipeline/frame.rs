//! Frames as they leave the pinned thread: a command, then its events, the last record flagged.
//!
//! Invariant: the sequences of a frame are consecutive, and all its records share the command's stamp, source, actor
//! and correlation. Live engine and replay build frames with the same function, so that they can be compared.

use crate::event_buffer::EventBuffer;
use tickwerk_domain::{Envelope, Payload, Record, Sequence};

/// Completes the frame whose command is the first of `records`: its events follow, and the last record is flagged.
/// Returns how many records the frame has.
///
/// Panics when `records` is shorter than the frame.
#[inline]
pub fn complete_frame(records: &mut [Record], events: &EventBuffer) -> usize {
    let events = events.as_slice();
    let envelope = Envelope { flags: 0, ..records[0].envelope };
    records[0].envelope.flags = 0;
    for (index, &(stream_version, event)) in events.iter().enumerate() {
        let sequence = envelope.sequence.plus(index as u64 + 1);
        // A latency belongs to the command alone.
        let envelope = Envelope { sequence, stream_version, origin_ns: 0, ..envelope };
        records[index + 1] = Record { envelope, payload: Payload::Event(event) };
    }
    records[events.len()].envelope.flags = Envelope::LAST_OF_FRAME;
    events.len() + 1
}

/// Copies a record in two parts, each small enough for the compiler to move in registers: as a whole it becomes a call of
/// `memcpy`, which costs as much as the copy itself.
#[inline]
pub fn copy_record(target: &mut Record, source: &Record) {
    target.envelope = source.envelope;
    target.payload = source.payload;
}

/// Whether the frame ends with `record`.
#[inline]
pub fn is_last_of_frame(record: &Record) -> bool {
    record.envelope.flags & Envelope::LAST_OF_FRAME != 0
}

/// A whole frame, for those who wait for an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    records: Vec<Record>,
}

impl Frame {
    /// Pre: `records` is a whole frame.
    pub(super) fn new(records: Vec<Record>) -> Self {
        assert!(records.last().is_some_and(is_last_of_frame), "a frame is whole or it is none");
        Self { records }
    }

    /// The command.
    pub fn command(&self) -> &Record {
        &self.records[0]
    }

    /// What it caused.
    pub fn events(&self) -> &[Record] {
        &self.records[1..]
    }

    /// Command and events.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The sequence that a watermark must reach before the frame may be told.
    pub fn last_sequence(&self) -> Sequence {
        self.records[self.records.len() - 1].envelope.sequence
    }
}
