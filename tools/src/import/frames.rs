//! Frames as they go into the journal: numbered, and with the versions of their streams.

use std::collections::BTreeMap;
use tickwerk_domain::{
    Command, Envelope, Event, OrderId, Payload, Record, Sequence, SourceId, Stream, TimeNs,
};

/// A command, its events, and what lies beside the command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct ImportFrame {
    pub(crate) records: Vec<Record>,
    pub(crate) opaque: Option<Vec<u8>>,
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The stamp, which is the source's time.
    pub(crate) time: TimeNs,
    /// Whether the source told that time.
    pub(crate) is_told: bool,
    pub(crate) source: SourceId,
    /// The row.
    pub(crate) number: u64,
}

/// Numbers records.
#[derive(Debug)]
pub(crate) struct Frames {
    next: Sequence,
    /// Records of each stream; those of orders that are done are forgotten.
    versions: BTreeMap<Stream, u64>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { next: Sequence::FIRST, versions: BTreeMap::new() }
    }

    /// The sequence that the next command gets.
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// Nothing more will be said of an order.
    pub(crate) fn forget(&mut self, order: OrderId) {
        self.versions.remove(&Stream::order(order));
    }

    /// A frame of a command and its events.
    pub(crate) fn frame(
        &mut self,
        origin: Origin,
        command: impl Into<Command>,
        events: Vec<Event>,
        opaque: Option<&str>,
    ) -> ImportFrame {
        let payloads =
            std::iter::once(Payload::Command(command.into())).chain(events.into_iter().map(Payload::Event));
        let mut records: Vec<Record> = payloads
            .map(|payload| {
                let sequence = self.next;
                self.next = sequence.next();
                let version = self.versions.entry(payload.stream(sequence)).or_default();
                *version += 1;
                let is_command = matches!(payload, Payload::Command(_));
                let envelope = Envelope {
                    sequence,
                    time_ns: origin.time,
                    source_time: if is_command && origin.is_told { origin.time } else { TimeNs::UNKNOWN },
                    source_sequence: origin.number,
                    stream_version: *version,
                    source: origin.source,
                    ..Envelope::default()
                };
                Record { envelope, payload }
            })
            .collect();
        if let Some(last) = records.last_mut() {
            last.envelope.flags = Envelope::LAST_OF_FRAME;
        }
        ImportFrame { records, opaque: opaque.map(|text| text.as_bytes().to_vec()) }
    }
}
