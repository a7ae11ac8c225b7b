//! Whether two directories hold the same history: heads of the hash chain at places that both know.
//!
//! Heads are those that a pass has computed itself; what it started behind it cannot tell. Nothing is changed.

use crate::beginning::StartPoint;
use crate::chain::{Chain, ChainHead, Head};
use crate::directory::FileError;
use crate::format::RECORDS_PER_BLOCK;
use crate::scan::{self, Scan, ScanOptions};
use std::ops::ControlFlow;
use std::path::Path;
use tickwerk_domain::Sequence;

/// The head of everything in `dir` through `sequence`, of which `scan` has read more; `None` where that does not reach back
/// so far. Behind `sequence` where no frame ends there. Reads from the segment on that the block begins in.
pub(crate) fn head_at(dir: &Path, scan: &Scan, sequence: Sequence) -> Result<Option<ChainHead>, FileError> {
    if scan.chain.through() == sequence {
        return Ok(Some(scan.chain.head()));
    }
    let through = Sequence(sequence.0 - sequence.0 % RECORDS_PER_BLOCK);
    let Some(block) = block_head(scan, through) else {
        return Ok(None);
    };
    let mut chain = Chain::resume(block);
    if sequence > through {
        let from = StartPoint { journal: scan.journal, sequence: through, block };
        let options = ScanOptions { chain: false, bound: Some(sequence), from: Some(from), payloads: false };
        scan::scan(dir, scan.numbers.clone(), options, &mut |_, frame| {
            chain.push(frame, |_| {});
            ControlFlow::Continue(())
        })?;
    }
    Ok(Some(chain.head()))
}

/// Whether two passes know the same head of every block that both know.
pub(crate) fn heads_agree(left: &Scan, right: &Scan, through: Sequence) -> bool {
    block_heads(left)
        .take_while(|head| head.through <= through)
        .all(|head| block_head(right, head.through).is_none_or(|other| other == head))
}

/// The head of each block that a pass has read.
pub(crate) fn block_heads(scan: &Scan) -> impl Iterator<Item = ChainHead> {
    let anchor = scan.anchor.through.0;
    let ends = (1_u64..).map(move |count| Sequence(anchor + count * RECORDS_PER_BLOCK));
    ends.zip(&scan.heads).map(|(through, head)| ChainHead { through, head: Head(*head) })
}

/// The head of the block that ends at `through`, if a pass knows it.
fn block_head(scan: &Scan, through: Sequence) -> Option<ChainHead> {
    let blocks = through.0.checked_sub(scan.anchor.through.0)? / RECORDS_PER_BLOCK;
    let Some(index) = blocks.checked_sub(1) else {
        return Some(scan.anchor);
    };
    let head = scan.heads.get(usize::try_from(index).ok()?)?;
    Some(ChainHead { through, head: Head(*head) })
}
