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
use std::io;
use tickwerk_domain::Sequence;

/// Bytes that are gathered before they are hashed: whole subtrees of BLAKE3, and little enough for the nearest cache.
const BATCH_SIZE: usize = 32 * 1024;
/// Bytes that are copied at once, unless a frame is longer.
const STEP_SIZE: usize = 16 * 1024;

const _: () = assert!(BATCH_SIZE.is_power_of_two(), "a batch is a subtree");
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
    /// What of the unfinished block is not hashed yet, less than [`BATCH_SIZE`]; begins with `previous` while `hasher` is
    /// `None`.
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
        let mut batch = Vec::with_capacity(BATCH_SIZE + format::FRAME_SIZE_MAX);
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

    /// Takes in whole frames that lie one behind the other; `on_block` hears of each block that is complete.
    pub fn push(&mut self, frames: &[u8], mut on_block: impl FnMut(ChainHead)) {
        let mut rest = frames;
        while !rest.is_empty() {
            let step = whole_frame(rest).unwrap_or(0).max(STEP_SIZE).min(rest.len());
            let start = self.batch.len();
            self.batch.extend_from_slice(&rest[..step]);
            let taken = self.take(start, &mut on_block);
            assert!(taken > 0, "frames are whole");
            rest = &rest[taken..];
        }
    }

    /// Takes in frames as [`Self::push`] does, as many whole ones as there are in the `length` bytes that `read` brings.
    /// Gives their bytes; where not even one frame is whole, what was read is not what was written.
    pub(crate) fn pull(
        &mut self,
        length: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<()>,
        mut on_block: impl FnMut(ChainHead),
    ) -> io::Result<usize> {
        let start = self.batch.len();
        self.batch.resize(start + length, 0);
        if let Err(error) = read(&mut self.batch[start..]) {
            self.batch.truncate(start);
            return Err(error);
        }
        match self.take(start, &mut on_block) {
            0 => Err(io::ErrorKind::InvalidData.into()),
            taken => Ok(taken),
        }
    }

    /// Takes in frames as [`Self::push`] does, of which what depends on timing is zero already, without a copy. The last
    /// starts at `last`; none before it ends a block, and none is a seal.
    pub(crate) fn push_cleared(&mut self, frames: &[u8], last: usize, mut on_block: impl FnMut(ChainHead)) {
        if self.is_behind {
            return self.push(frames, on_block);
        }
        let header = FrameHeader::read(&frames[last..]);
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
        on_block(self.end_block(self.batch.len(), Sequence(header.first_sequence.0 + left - 1)));
        if end < frames.len() {
            self.batch.extend_from_slice(&frames[last..last + FRAME_HEADER_SIZE]);
            self.hash(&frames[end..]);
        }
    }

    /// Takes in bytes: whole subtrees are hashed where they lie, what is left over later.
    fn hash(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(BATCH_SIZE - self.batch.len()));
        self.batch.extend_from_slice(first);
        self.hash_whole();
        let (whole, rest) = rest.split_at(rest.len() - rest.len() % BATCH_SIZE);
        if !whole.is_empty() {
            self.hasher.get_or_insert_with(blake3::Hasher::new).update(whole);
        }
        self.batch.extend_from_slice(rest);
    }

    /// Takes in the whole frames that were gathered from `start` on, and drops what is left; gives their bytes.
    ///
    /// They are looked at here and not where they come from: frame by frame, each would wait for the memory that tells
    /// where the next one starts.
    fn take(&mut self, start: usize, on_block: &mut impl FnMut(ChainHead)) -> usize {
        let (mut at, mut taken) = if self.is_behind { self.drop_known(start) } else { (start, 0) };
        while let Some(length) = whole_frame(&self.batch[at..]) {
            taken += length;
            let header = FrameHeader::read(&self.batch[at..]);
            if header.is_seal() {
                self.batch.drain(at..at + length);
                continue;
            }
            clear_timing(&mut self.batch[at..]);
            self.through = header.last_sequence();
            let left = RECORDS_PER_BLOCK - (header.first_sequence.0 - 1) % RECORDS_PER_BLOCK;
            at += length;
            if u64::from(header.record_count) >= left {
                at = self.end_block_within(at - length, at, left, on_block);
            }
        }
        self.batch.truncate(at);
        self.hash_whole();
        taken
    }

    /// Drops frames of known blocks from `start` on; of one that lies in the next block too, takes in the records there.
    /// Gives where the next one starts, and the bytes of frames that are dealt with.
    fn drop_known(&mut self, start: usize) -> (usize, usize) {
        let mut known = 0;
        while let Some(length) = whole_frame(&self.batch[start + known..]) {
            let header = FrameHeader::read(&self.batch[start + known..]);
            if header.first_sequence > self.through {
                self.is_behind = false;
                break;
            }
            if !header.is_seal() && header.last_sequence() > self.through {
                self.is_behind = false;
                self.batch.drain(start..start + known);
                let records = start + FRAME_HEADER_SIZE;
                let mut first = records;
                for _ in header.first_sequence.0..=self.through.0 {
                    first += extent(&self.batch[first..]);
                }
                self.batch.drain(records..first);
                clear_timing(&mut self.batch[start..]);
                self.through = header.last_sequence();
                return (start + length - (first - records), known + length);
            }
            known += length;
        }
        self.batch.drain(start..start + known);
        (start, known)
    }

    /// Ends the block with the first `left` records of the frame that lies from `at` to `end`; what is left of it starts
    /// the next block. Gives where it ends now.
    fn end_block_within(
        &mut self,
        at: usize,
        end: usize,
        left: u64,
        on_block: &mut impl FnMut(ChainHead),
    ) -> usize {
        let mut block_end = at + FRAME_HEADER_SIZE;
        for _ in 0..left {
            block_end += extent(&self.batch[block_end..]);
        }
        let header: [u8; FRAME_HEADER_SIZE] = format::bytes_at(&self.batch, at);
        let first = format::u64_at(&header, 8);
        on_block(self.end_block(block_end, Sequence(first + left - 1)));
        let previous = self.previous.len();
        if block_end == end {
            return previous;
        }
        self.batch.splice(previous..previous, header);
        previous + FRAME_HEADER_SIZE + end - block_end
    }

    /// Hashes the whole subtrees of what is gathered: whatever is hashed before the end of a block is a multiple of them.
    fn hash_whole(&mut self) {
        let whole = self.batch.len() - self.batch.len() % BATCH_SIZE;
        if whole > 0 {
            self.hasher.get_or_insert_with(blake3::Hasher::new).update(&self.batch[..whole]);
            self.batch.drain(..whole);
        }
    }

    /// Ends a block with the first `length` bytes of what is gathered.
    fn end_block(&mut self, length: usize, through: Sequence) -> ChainHead {
        let rest = &self.batch[..length];
        let hash = match self.hasher.take() {
            None => blake3::hash(rest),
            Some(mut hasher) => hasher.update(rest).finalize(),
        };
        self.previous = hash.into();
        self.batch.splice(..length, self.previous);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_back_without_a_whole_frame_is_an_error() {
        let mut chain = Chain::new();
        for word in [0_u32, 4_097, u32::MAX] {
            let read = |bytes: &mut [u8]| {
                format::put(bytes, 0, &word.to_le_bytes());
                Ok(())
            };
            let error = chain.pull(4_096, read, |_| {}).unwrap_err();
            assert_eq!((error.kind(), chain.head()), (io::ErrorKind::InvalidData, ChainHead::default()));
        }
    }
}
