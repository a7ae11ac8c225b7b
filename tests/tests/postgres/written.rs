//! Journals that a test writes record by record, without an engine.

use std::path::Path;
use tickwerk_domain::{Envelope, Payload, Record, SourceId, TextId, TimeNs};
use tickwerk_journal::{JournalConfig, recover};

/// When the first record was stamped.
pub(crate) const START_NS: u64 = 1_700_000_000_000_000_000;

/// Writes frames, each a stamp behind the start and a command with its events, into a journal of its own.
pub(crate) fn write(dir: &Path, frames: impl IntoIterator<Item = (u64, Vec<Payload>)>) {
    let config = JournalConfig { segment_size: 1 << 20, spare_segments: 1, ..JournalConfig::new(dir) };
    let mut journal = recover(config).expect("an empty folder").open().expect("a journal");
    let mut versions = std::collections::BTreeMap::new();
    for (after_ns, payloads) in frames {
        let last = payloads.len() - 1;
        for (place, payload) in payloads.into_iter().enumerate() {
            let sequence = journal.writer.next_sequence();
            let version = versions.entry(payload.stream(sequence)).or_insert(0);
            *version += 1;
            let envelope = Envelope {
                sequence,
                time_ns: TimeNs(START_NS + after_ns),
                stream_version: *version,
                actor: TextId(1),
                source: SourceId::CONTROL,
                flags: if place == last { Envelope::LAST_OF_FRAME } else { 0 },
                ..Envelope::default()
            };
            journal.writer.push(&Record { envelope, payload }).expect("a record is taken");
        }
    }
    journal.writer.close().expect("it is written");
}
