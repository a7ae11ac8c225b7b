//! Where the hash chain stands at some frame, read from the journal itself.

use crate::chain::{Chain, ChainHead, Head};
use crate::format::{FrameHeader, RECORDS_PER_BLOCK};
use crate::heads;
use crate::reader::{self, Place, ReadError};
use crate::walk::{Step, Walker};
use std::path::Path;
use tickwerk_domain::Sequence;

/// The chain at a frame's end, and the epoch of that frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainPosition {
    /// The last complete block there or before.
    pub block: ChainHead,
    /// The head through the frame.
    pub head: Head,
    /// The frame's epoch.
    pub epoch: u32,
}

/// The first frame that reaches into a block, kept by whoever reads frames anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockStart {
    place: Place,
    /// Of its first record.
    sequence: Sequence,
    /// The block's first record.
    block: Sequence,
}

impl BlockStart {
    /// What is known behind a frame at `place`: `known` still, or the frame itself where it reaches into another block.
    pub fn behind(known: Option<Self>, header: &FrameHeader, place: Place) -> Option<Self> {
        let (sequence, block) = (header.first_sequence, end_of_blocks(header.last_sequence()).next());
        // Where the frame ends a block, the next one begins with another frame.
        if known.is_some_and(|known| known.block == block) || block > header.last_sequence() {
            return known;
        }
        let is_first = sequence <= block;
        is_first.then_some(Self { place, sequence, block })
    }
}

/// The last record of the last block that ends at `sequence` or before.
fn end_of_blocks(sequence: Sequence) -> Sequence {
    Sequence(sequence.0 - sequence.0 % RECORDS_PER_BLOCK)
}

/// The chain at `sequence`, which is written and ends a frame; `None` while `HEADS` does not know the block before it.
///
/// Reads from `start` on if that is of the block, else from the start of the segment that the block starts in.
pub fn chain_at(
    dir: &Path,
    sequence: Sequence,
    start: Option<BlockStart>,
) -> Result<Option<ChainPosition>, ReadError> {
    let through = end_of_blocks(sequence);
    // At the end of a block the next segment may be there already, but not what is asked for.
    let segment = reader::segment_of(dir, through.next().min(sequence))?;
    let (mut walker, _) = Walker::start(dir, segment, false)?;
    let first = walker.activation().map_or(Sequence::FIRST, |activation| activation.first_sequence);
    if first > through.next() {
        return Err(ReadError::Gone { wanted: through.next(), first });
    }
    let block = if through == Sequence::NONE {
        ChainHead::default()
    } else {
        let Some(head) = heads::read(dir, walker.journal())?.head_through(through) else {
            return Ok(None);
        };
        ChainHead { through, head: Head(head) }
    };
    let here =
        |start: &BlockStart| start.block == through.next() && start.place.segment == walker.place().segment;
    if let Some(start) = start.filter(here) {
        walker.skip_to(start.place.offset, start.sequence);
    }
    let mut chain = Chain::resume(block);
    loop {
        let expected = walker.next_sequence();
        let (place, reason) = match walker.step()? {
            Step::Frame(header, _) if header.last_sequence() < sequence || header.is_seal() => {
                chain.push(walker.frame(), |_| {});
                continue;
            }
            Step::Frame(header, _) if header.last_sequence() == sequence => {
                chain.push(walker.frame(), |_| {});
                return Ok(Some(ChainPosition { block, head: chain.head().head, epoch: header.epoch }));
            }
            Step::Frame(_, place) => (place, "the frame does not end at the sequence of the snapshot"),
            Step::End(place) => (place, "zeros where a frame should be"),
            Step::Bad(place, reason) => (place, reason),
        };
        return Err(ReadError::Damaged { place, sequence: expected, reason });
    }
}
