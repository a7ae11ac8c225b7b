//! The journal alone, and a loop that only copies what it wrote.
//!
//! Both take the frames of the workload, as many records a round as the configuration says. The journal encodes them, adds checksums and the
//! hash chain; its time ends when the chain head is there. The loop copies the same frames, byte for byte as they lie
//! in the journal, into a segment that was prepared and mapped as the journal prepares its own, one checksum a frame.

use crate::recording;
use crate::throughput::{Scratch, ThroughputConfig, ThroughputError};
use crate::workload::MIXED_V1;
use std::time::{Duration, Instant};
use tickwerk_domain::{Record, Sequence};
use tickwerk_journal::{BlankSegment, Io, Journal, Reader, SyncPolicy};

/// Records that are kept and repeated: as many as the outcome ring has slots, so that they stay in the same cache.
const KEPT: usize = 4_096;
/// Bytes of a record in the journal with its share of the frame's header; generously.
const BYTES_PER_RECORD: u64 = 160;

/// Syncs come from the end of the journal only: the loop has none either.
const SYNC: SyncPolicy = SyncPolicy::Every(Duration::from_hours(1));
/// Pause between two looks at the chain.
const PAUSE: Duration = Duration::from_micros(20);
/// Where the checksum lies in a frame, and where what it covers begins.
pub(crate) const CRC_OFFSET: usize = 4;
pub(crate) const COVERED_OFFSET: usize = 8;

/// What is appended and what is copied.
#[derive(Debug)]
pub struct Source {
    /// Whole frames, sequences from 1.
    pub(crate) records: Vec<Record>,
    /// The same frames as they lie in a journal.
    pub(crate) frames: Vec<u8>,
    /// Where each of them ends.
    pub(crate) ends: Vec<usize>,
    /// How often they are repeated in a round.
    pub(crate) repeats: u64,
}

/// How long an append took.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// Until the chain head was there.
    pub chained: Duration,
    /// Until all was written.
    pub written: Duration,
}

impl Source {
    /// Makes the frames, and has a journal encode them once.
    pub fn new(config: &ThroughputConfig) -> Result<Self, ThroughputError> {
        let records = recording::frames(MIXED_V1, KEPT);
        let scratch = Scratch::new(config, KEPT as u64 * BYTES_PER_RECORD)?;
        let Journal { mut writer, .. } = scratch.journal(SYNC, usize::MAX, Io::Mapped)?;
        for record in &records {
            writer.push(record)?;
        }
        writer.close()?;
        let mut reader = Reader::open(&scratch.journal_dir(), Sequence::FIRST)?;
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        while let Some(frame) = reader.next()? {
            frames.extend_from_slice(frame.bytes);
            ends.push(frames.len());
        }
        let repeats = config.records.div_ceil(records.len() as u64);
        Ok(Self { records, frames, ends, repeats })
    }

    /// Records of a round.
    pub fn count(&self) -> u64 {
        self.repeats * self.records.len() as u64
    }
}

/// Appends the frames of `source` to a new journal, over and over, with new sequences.
pub fn append(config: &ThroughputConfig, source: &mut Source) -> Result<Appended, ThroughputError> {
    let count = source.count();
    let scratch = Scratch::new(config, count * BYTES_PER_RECORD)?;
    let journal = scratch.journal(SYNC, usize::MAX, Io::Mapped)?;
    let watermarks = journal.watermarks();
    let mut writer = journal.writer;
    for (sequence, record) in (1..).zip(&mut source.records) {
        record.envelope.sequence = Sequence(sequence);
    }
    let step = source.records.len() as u64;
    let started = Instant::now();
    for _ in 0..source.repeats {
        for record in &mut source.records {
            writer.push(record)?;
            record.envelope.sequence.0 += step;
        }
    }
    let written = started.elapsed();
    while watermarks.head().through.0 < count {
        if let Some(failure) = watermarks.failure() {
            return Err(failure.into());
        }
        std::thread::sleep(PAUSE);
    }
    let chained = started.elapsed();
    writer.close()?;
    Ok(Appended { chained, written })
}

/// Copies the frames of `source`, over and over, each with its checksum, into a segment like the journal's own, and tells
/// how long it took.
pub fn raw_copy(config: &ThroughputConfig, source: &Source) -> Result<Duration, ThroughputError> {
    let Source { frames, ends, .. } = source;
    let bytes = frames.len().saturating_mul(usize::try_from(source.repeats).unwrap_or(usize::MAX));
    let scratch = Scratch::new(config, bytes as u64)?;
    let mut segment = BlankSegment::create(&scratch.journal_dir(), bytes)?;
    let target = &mut segment.bytes()[..bytes];
    let started = Instant::now();
    for target in target.chunks_exact_mut(frames.len()) {
        let mut start = 0;
        for &end in ends {
            let (from, to) = (&frames[start..end], &mut target[start..end]);
            to.copy_from_slice(from);
            let crc = crc32c::crc32c(&from[COVERED_OFFSET..]);
            to[CRC_OFFSET..COVERED_OFFSET].copy_from_slice(&crc.to_le_bytes());
            start = end;
        }
    }
    Ok(started.elapsed())
}
