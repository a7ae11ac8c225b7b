//! Where the hash chain stands at some frame, read from the journal itself.

use crate::chain::{Chain, ChainHead, Head};
use crate::format::RECORDS_PER_BLOCK;
use crate::heads;
use crate::reader::{self, ReadError};
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

/// The chain at `sequence`, which is written and ends a frame; `None` while `HEADS` does not know the block before it.
///
/// Reads the segment that holds the start of the block, and the next where that is needed.
pub fn chain_at(dir: &Path, sequence: Sequence) -> Result<Option<ChainPosition>, ReadError> {
    let through = Sequence(sequence.0 - sequence.0 % RECORDS_PER_BLOCK);
    let segment = reader::segment_of(dir, through.next())?;
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
