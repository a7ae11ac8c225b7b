//! The hash chain: one head for each block of 1,024 records, over content and never over timing.
//!
//! head = BLAKE3(previous head ‖ for each record: length u32 ‖ canonical bytes); the first previous head is 32 zeros.
//! Canonical bytes: sequence u64 ‖ `time_ns` u64 ‖ source sequence u64 ‖ correlation u64 ‖ actor u32 ‖ source u16 ‖
//! 0 u16 ‖ record header as it lies on the disk [32] ‖ payload ‖ (opaque length u32 ‖ opaque, where there is one).
//! Invariant: the same records give the same head on every machine, whatever the frames, segments, syncs and restarts;
//! the journal id is in no head. The head of an unfinished block is that of its records so far; without any, it is the
//! previous head. Frames given here are known to be whole; nothing fails.

use crate::format::{self, FRAME_HEADER_SIZE, FrameHeader, RECORDS_PER_BLOCK};
use tickwerk_domain::Sequence;

/// Bytes that are gathered before they are hashed: enough for all lanes of the hash, little enough for a cache.
const BATCH_SIZE: usize = 512 * 1024;
const LENGTH_SIZE: usize = 4;
const STAMP_SIZE: usize = 40;

/// A head of the chain. Shown in lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Head(pub [u8; 32]);

impl std::fmt::Display for Head {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// A head and the last record in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChainHead {
    /// The last record under the head.
    pub through: Sequence,
    /// The head.
    pub head: Head,
}

/// The chain up to some record.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    previous: [u8; 32],
    through: Sequence,
    /// What of the unfinished block is not hashed yet; begins with `previous` while `hasher` is `None`.
    batch: Vec<u8>,
    hasher: Option<blake3::Hasher>,
}

impl Chain {
    /// The chain before the first record.
    pub(crate) fn new() -> Self {
        let previous = [0; 32];
        let mut batch = Vec::with_capacity(BATCH_SIZE + 1024);
        batch.extend_from_slice(&previous);
        Self { previous, through: Sequence::NONE, batch, hasher: None }
    }

    /// The last record taken in.
    pub(crate) fn through(&self) -> Sequence {
        self.through
    }

    /// The head of the last complete block.
    pub(crate) fn last_block(&self) -> ChainHead {
        let through = self.through.0 - self.through.0 % RECORDS_PER_BLOCK;
        ChainHead { through: Sequence(through), head: Head(self.previous) }
    }

    /// The head of everything so far.
    pub(crate) fn head(&self) -> ChainHead {
        if self.through.0.is_multiple_of(RECORDS_PER_BLOCK) {
            return self.last_block();
        }
        let hash = match &self.hasher {
            None => blake3::hash(&self.batch),
            Some(hasher) => hasher.clone().update(&self.batch).finalize(),
        };
        ChainHead { through: self.through, head: Head(hash.into()) }
    }

    /// Takes in the records of a whole frame; `on_block` hears of each block that is complete.
    pub(crate) fn push_frame(
        &mut self,
        header: &FrameHeader,
        frame: &[u8],
        mut on_block: impl FnMut(ChainHead),
    ) {
        let prefix = prefix_of(header);
        let mut at = FRAME_HEADER_SIZE;
        for index in 0..u64::from(header.record_count) {
            let sequence = header.first_sequence.plus(index);
            let record = &frame[at..];
            let (end, opaque, next) = extent(record);
            let opaque_size = opaque.map_or(0, |opaque| LENGTH_SIZE + opaque.len());
            let length =
                u32::try_from(STAMP_SIZE + end + opaque_size).expect("a record is shorter than 4 GiB");
            let start = self.batch.len();
            self.batch.extend_from_slice(&prefix);
            // Filled in behind the copy: a copy of what was just written in smaller parts waits for the cache.
            let filled = &mut self.batch[start..start + LENGTH_SIZE + SEQUENCE_SIZE];
            filled[..LENGTH_SIZE].copy_from_slice(&length.to_le_bytes());
            filled[LENGTH_SIZE..].copy_from_slice(&sequence.0.to_le_bytes());
            self.batch.extend_from_slice(&record[..end]);
            if let Some(opaque) = opaque {
                let length = u32::try_from(opaque.len()).expect("an opaque part is bounded");
                self.batch.extend_from_slice(&length.to_le_bytes());
                self.batch.extend_from_slice(opaque);
            }
            at += next;
            self.through = sequence;
            if sequence.0.is_multiple_of(RECORDS_PER_BLOCK) {
                on_block(self.end_block());
            } else if self.batch.len() >= BATCH_SIZE {
                self.hash_batch();
            }
        }
    }

    fn hash_batch(&mut self) {
        self.hasher.get_or_insert_with(blake3::Hasher::new).update(&self.batch);
        self.batch.clear();
    }

    fn end_block(&mut self) -> ChainHead {
        let hash = match self.hasher.take() {
            None => blake3::hash(&self.batch),
            Some(mut hasher) => hasher.update(&self.batch).finalize(),
        };
        self.previous = hash.into();
        self.batch.clear();
        self.batch.extend_from_slice(&self.previous);
        self.last_block()
    }
}

const SEQUENCE_SIZE: usize = size_of::<u64>();

/// Length and stamp of a record of the frame; length and sequence are filled in for each.
fn prefix_of(header: &FrameHeader) -> [u8; LENGTH_SIZE + STAMP_SIZE] {
    let mut prefix = [0; LENGTH_SIZE + STAMP_SIZE];
    let stamp = &mut prefix[LENGTH_SIZE..];
    format::put(stamp, 8, &header.time_ns.0.to_le_bytes());
    format::put(stamp, 16, &header.source_sequence.to_le_bytes());
    format::put(stamp, 24, &header.correlation.0.to_le_bytes());
    format::put(stamp, 32, &header.actor.0.to_le_bytes());
    format::put(stamp, 36, &header.source.0.to_le_bytes());
    prefix
}

/// Of a record in a good frame: bytes of header and payload, opaque part, bytes to the next record.
fn extent(record: &[u8]) -> (usize, Option<&[u8]>, usize) {
    let end = format::RECORD_HEADER_SIZE + usize::from(format::u16_at(record, 6));
    let next = format::aligned(end);
    if record[1] & format::RECORD_FLAG_OPAQUE == 0 {
        return (end, None, next);
    }
    let length = format::u32_at(record, next) as usize;
    let start = next + format::OPAQUE_HEADER_SIZE;
    (end, Some(&record[start..start + length]), start + format::aligned(length))
}
