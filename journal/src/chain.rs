//! The hash chain: one head for each block of 4,096 records, over content and never over timing.
//!
//! head = BLAKE3(previous head ‖ for each frame that has records in the block: its header, with zeros in place of
//! checksum, `synced through` and epoch ‖ those of its records that are in the block, as they lie in the frame); the
//! first previous head is 32 zeros. The header tells the frame's length, its first sequence and the count of its
//! records, and each record its own length, so no two contents have the same bytes.
//! Invariant: the same frames give the same head on every machine, whatever the segments, syncs and restarts; the
//! journal id is in no head, and neither is a seal. The head of an unfinished block is that of its records so far;
//! without any, it is the previous head. Frames given here are known to be whole; nothing fails.

use crate::format::{self, FRAME_HEADER_SIZE, FrameHeader, RECORDS_PER_BLOCK};
use tickwerk_domain::Sequence;

/// Bytes that are gathered before they are hashed: more than most blocks have, little enough for a cache.
const BATCH_SIZE: usize = 1024 * 1024;
/// Bytes that are copied at once; any frame fits.
const STEP_SIZE: usize = 128 * 1024;
/// Less than this is hashed each time that a head is asked for.
const SETTLE_SIZE: usize = 64 * 1024;
/// Less than this is gathered by copying.
const WORTHWHILE: usize = 16 * 1024;

const _: () = assert!(STEP_SIZE >= format::FRAME_SIZE_MAX, "a step takes in a frame");
const _: () = assert!(
    RECORDS_PER_BLOCK > format::RECORDS_PER_FRAME_MAX as u64,
    "a frame has records of two blocks at most"
);

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

/// The chain up to some record, for whoever reads all frames and holds heads of its own.
#[derive(Clone, Debug)]
pub struct Chain {
    previous: [u8; 32],
    through: Sequence,
    /// What of the unfinished block is not hashed yet; begins with `previous` while `hasher` is `None`.
    batch: Vec<u8>,
    hasher: Option<blake3::Hasher>,
    /// Frames may come whose records are in blocks that are known already.
    is_behind: bool,
}

impl Chain {
    /// The chain before the first record.
    pub(crate) fn new() -> Self {
        Self::resume(ChainHead::default())
    }

    /// The chain behind a complete block (or [`ChainHead::default`] for the beginning); what is known already may be pushed
    /// again.
    pub fn resume(block: ChainHead) -> Self {
        assert!(block.through.0.is_multiple_of(RECORDS_PER_BLOCK), "a chain goes on behind a whole block");
        let previous = block.head.0;
        let mut batch = Vec::with_capacity(BATCH_SIZE + STEP_SIZE);
        batch.extend_from_slice(&previous);
        let is_behind = block.through > Sequence::NONE;
        Self { previous, through: block.through, batch, hasher: None, is_behind }
    }

    /// The last record taken in.
    pub fn through(&self) -> Sequence {
        self.through
    }

    /// The head of the last complete block.
    pub fn last_block(&self) -> ChainHead {
        let through = self.through.0 - self.through.0 % RECORDS_PER_BLOCK;
        ChainHead { through: Sequence(through), head: Head(self.previous) }
    }

    /// The head of everything so far.
    pub fn head(&self) -> ChainHead {
        if self.through.0.is_multiple_of(RECORDS_PER_BLOCK) {
            return self.last_block();
        }
        let hash = match &self.hasher {
            None => blake3::hash(&self.batch),
            Some(hasher) => hasher.clone().update(&self.batch).finalize(),
        };
        ChainHead { through: self.through, head: Head(hash.into()) }
    }

    /// Hashes most of what is gathered, so that the heads of this block that are asked for again and again cost little.
    pub(crate) fn settle(&mut self) {
        if self.batch.len() >= SETTLE_SIZE {
            self.hash_batch();
        }
    }

    /// Takes in whole frames that lie one behind the other; `on_block` hears of each block that is complete.
    pub fn push(&mut self, frames: &[u8], mut on_block: impl FnMut(ChainHead)) {
        let mut rest = if self.is_behind { self.skip_known(frames) } else { frames };
        while !rest.is_empty() {
            let taken = self.take(rest, &mut on_block);
            assert!(taken > 0, "frames are whole");
            rest = &rest[taken..];
        }
    }

    /// Takes in frames as [`Self::push`] does, of which what depends on timing is zero already, without a copy. The last
    /// starts at `last`; none before it ends a block, and none is a seal.
    pub(crate) fn push_cleared(&mut self, frames: &[u8], last: usize, mut on_block: impl FnMut(ChainHead)) {
        let header = FrameHeader::read(&frames[last..]);
        if self.is_behind {
            return self.push(frames, on_block);
        }
        let left = RECORDS_PER_BLOCK - (header.first_sequence.0 - 1) % RECORDS_PER_BLOCK;
        self.through = header.last_sequence();
        if u64::from(header.record_count) < left {
            return self.hash(frames);
        }
        let mut end = last + FRAME_HEADER_SIZE;
        for _ in 0..left {
            end += extent(&frames[end..]);
        }
        self.hash(&frames[..end]);
        on_block(self.end_block(Sequence(header.first_sequence.0 + left - 1)));
        if end < frames.len() {
            self.batch.extend_from_slice(&frames[last..last + FRAME_HEADER_SIZE]);
            self.batch.extend_from_slice(&frames[end..]);
        }
    }

    /// Hashes `bytes`, if they are enough to be worth it, else later.
    fn hash(&mut self, bytes: &[u8]) {
        if bytes.len() < WORTHWHILE {
            self.batch.extend_from_slice(bytes);
            if self.batch.len() >= BATCH_SIZE {
                self.hash_batch();
            }
            return;
        }
        self.hash_batch();
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
    }

    /// Leaves out frames of known blocks; of one that lies in the next block too, takes in the records there.
    fn skip_known<'f>(&mut self, frames: &'f [u8]) -> &'f [u8] {
        let mut rest = frames;
        while self.is_behind
            && let Some(length) = whole_frame(rest)
        {
            let header = FrameHeader::read(rest);
            if header.first_sequence > self.through {
                self.is_behind = false;
                break;
            }
            if !header.is_seal() && header.last_sequence() > self.through {
                let mut known = FRAME_HEADER_SIZE;
                for _ in header.first_sequence.0..=self.through.0 {
                    known += extent(&rest[known..]);
                }
                let start = self.batch.len();
                self.batch.extend_from_slice(&rest[..FRAME_HEADER_SIZE]);
                clear_timing(&mut self.batch[start..]);
                self.batch.extend_from_slice(&rest[known..length]);
                self.through = header.last_sequence();
                self.is_behind = false;
            }
            rest = &rest[length..];
        }
        rest
    }

    /// Takes in the first of `frames`, up to the end of a block or a seal; gives their bytes.
    ///
    /// Many frames are copied at once and looked at in the copy: frame by frame, each would wait for the memory that
    /// tells where the next one starts.
    fn take(&mut self, frames: &[u8], on_block: &mut impl FnMut(ChainHead)) -> usize {
        let start = self.batch.len();
        self.batch.extend_from_slice(&frames[..frames.len().min(STEP_SIZE)]);
        let mut at = start;
        while let Some(length) = whole_frame(&self.batch[at..]) {
            let header = FrameHeader::read(&self.batch[at..]);
            if header.is_seal() {
                self.batch.truncate(at);
                return at - start + length;
            }
            clear_timing(&mut self.batch[at..]);
            let left = RECORDS_PER_BLOCK - (header.first_sequence.0 - 1) % RECORDS_PER_BLOCK;
            if u64::from(header.record_count) >= left {
                let frame = &frames[at - start..][..length];
                on_block(self.end_block_within(at, frame, left));
                self.through = header.last_sequence();
                return at - start + length;
            }
            self.through = header.last_sequence();
            at += length;
        }
        self.batch.truncate(at);
        if at >= BATCH_SIZE {
            self.hash_batch();
        }
        at - start
    }

    /// Ends the block with the first `left` records of `frame`, which is the last in the batch, at `at`; what is left of
    /// it starts the next block.
    fn end_block_within(&mut self, at: usize, frame: &[u8], left: u64) -> ChainHead {
        let mut end = FRAME_HEADER_SIZE;
        for _ in 0..left {
            end += extent(&frame[end..]);
        }
        let mut header = [0; FRAME_HEADER_SIZE];
        header.copy_from_slice(&self.batch[at..at + FRAME_HEADER_SIZE]);
        let first = format::u64_at(&header, 8);
        self.batch.truncate(at + end);
        let block = self.end_block(Sequence(first + left - 1));
        if end < frame.len() {
            self.batch.extend_from_slice(&header);
            self.batch.extend_from_slice(&frame[end..]);
        }
        block
    }

    fn hash_batch(&mut self) {
        self.hasher.get_or_insert_with(blake3::Hasher::new).update(&self.batch);
        self.batch.clear();
    }

    fn end_block(&mut self, through: Sequence) -> ChainHead {
        let hash = match self.hasher.take() {
            None => blake3::hash(&self.batch),
            Some(mut hasher) => hasher.update(&self.batch).finalize(),
        };
        self.previous = hash.into();
        self.batch.clear();
        self.batch.extend_from_slice(&self.previous);
        ChainHead { through, head: Head(self.previous) }
    }
}

/// The length of the frame that starts `bytes`, if all of it is there.
fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let length = format::u32_at(bytes.get(..FRAME_HEADER_SIZE)?, 0) as usize;
    (FRAME_HEADER_SIZE..=bytes.len()).contains(&length).then_some(length)
}

/// Puts zeros in place of what depends on timing and place: checksum, synced through, epoch.
#[inline]
pub(crate) fn clear_timing(frame: &mut [u8]) {
    let header = &mut frame[..FRAME_HEADER_SIZE];
    header[4..8].fill(0);
    header[40..48].fill(0);
    header[52..56].fill(0);
}

/// Bytes from a record of a good frame to the next.
fn extent(record: &[u8]) -> usize {
    let next = format::aligned(format::RECORD_HEADER_SIZE + usize::from(format::u16_at(record, 6)));
    if record[1] & format::RECORD_FLAG_OPAQUE == 0 {
        return next;
    }
    next + format::OPAQUE_HEADER_SIZE + format::aligned(format::u32_at(record, next) as usize)
}
