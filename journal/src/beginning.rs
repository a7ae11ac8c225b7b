//! Where a pass over a journal starts: at which segment, and from which head the chain goes on.
//!
//! A journal starts at segment 1, or where the `FIRST` file says that it is kept from. A pass may start later: at the
//! segment that holds what follows a head somebody knows. The chain goes on behind the first block whose head is known:
//! from that head, the `HEADS` file or the activation page. A head that two of them tell differently is a fault.

use crate::chain::{ChainHead, Head};
use crate::directory::{self, FileError};
use crate::first::FirstKept;
use crate::format::{Activation, JournalId, RECORDS_PER_BLOCK};
use crate::heads::StoredHeads;
use crate::reader::Place;
use crate::segment::{Activity, Opened, SegmentFile};
use std::path::Path;
use tickwerk_domain::Sequence;

const FIRST_SEGMENT: u64 = 1;

/// From where on a journal is read again by whoever knows what comes before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StartPoint {
    /// Which journal.
    pub journal: JournalId,
    /// The last record that need not be read.
    pub sequence: Sequence,
    /// The head of the last complete block that ends there or before.
    pub block: ChainHead,
}

/// Why a pass cannot start.
pub(crate) type Fault = (Place, &'static str);

/// Which journal lies in `dir`, as the first segment that can be read tells.
pub fn journal_id(dir: &Path) -> Option<JournalId> {
    let numbers = directory::list_segments(dir).ok()?;
    numbers.into_iter().find_map(|number| match SegmentFile::open(dir, number) {
        Ok(Opened::Segment(segment)) => Some(segment.header.journal),
        Ok(Opened::Missing | Opened::Bad(_)) | Err(_) => None,
    })
}

/// The segment to start at, of `numbers`.
pub(crate) fn find(
    dir: &Path,
    numbers: &[u64],
    from: Option<StartPoint>,
) -> Result<Result<SegmentFile, Fault>, FileError> {
    let fault = |segment, reason| Ok(Err((Place { segment, offset: 0 }, reason)));
    let Some(&first) = numbers.first() else {
        return fault(FIRST_SEGMENT, "all segments are missing");
    };
    if let Some(reason) = missing(dir, first)? {
        return fault(first, reason);
    }
    let start = match from {
        None => first,
        Some(from) => segment_of(dir, numbers, from.block.through.next())?.unwrap_or(first),
    };
    let holes = numbers.iter().zip(first..).find(|(number, expected)| *number != expected);
    if let Some((_, expected)) = holes.filter(|(number, _)| **number <= start) {
        return fault(expected, "a segment is missing");
    }
    let segment = match SegmentFile::open(dir, start)? {
        Opened::Segment(segment) => segment,
        Opened::Missing => return fault(start, "the first segment is missing"),
        Opened::Bad(reason) => return fault(start, reason),
    };
    if from.is_some_and(|from| from.journal != segment.header.journal) {
        return fault(start, "the snapshot is of another journal");
    }
    if start > FIRST_SEGMENT && !matches!(segment.activity()?, Activity::Active(_)) {
        return fault(start, "no segment that was in use is left");
    }
    Ok(Ok(segment))
}

/// Why a journal may not start at segment `first`.
fn missing(dir: &Path, first: u64) -> Result<Option<&'static str>, FileError> {
    if first <= FIRST_SEGMENT {
        return Ok(None);
    }
    Ok(match FirstKept::read(dir)? {
        None => Some("the first segment is missing"),
        Some(Err(reason)) => Some(reason),
        Some(Ok(kept)) if first > kept.segment => Some("the first of the segments that are kept is missing"),
        Some(Ok(_)) => None,
    })
}

/// The last segment in use that starts at `sequence` or before.
fn segment_of(dir: &Path, numbers: &[u64], sequence: Sequence) -> Result<Option<u64>, FileError> {
    for number in numbers.iter().rev().copied() {
        if let Opened::Segment(segment) = SegmentFile::open(dir, number)?
            && let Activity::Active(activation) = segment.activity()?
            && activation.first_sequence <= sequence
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// The head that the chain goes on from, in a pass that starts with `activation`.
pub(crate) fn anchor(
    activation: &Activation,
    stored: &StoredHeads,
    from: Option<StartPoint>,
) -> Result<ChainHead, &'static str> {
    let before = Sequence(activation.first_sequence.0.saturating_sub(1));
    if before == Sequence::NONE {
        return Ok(ChainHead::default());
    }
    if let Some(from) = from.filter(|from| from.block.through >= before) {
        let differs = stored.head_through(from.block.through).is_some_and(|head| head != from.block.head.0);
        return if differs { Err("the chain differs from the head in the snapshot") } else { Ok(from.block) };
    }
    if activation.chain_through == before {
        return Ok(ChainHead { through: before, head: Head(activation.head) });
    }
    let blocks = before.0.div_ceil(RECORDS_PER_BLOCK)..=stored.known_through().0 / RECORDS_PER_BLOCK;
    let mut ends = blocks.map(|block| Sequence(block * RECORDS_PER_BLOCK));
    let known = ends.find_map(|through| Some((through, stored.head_through(through)?)));
    known.map(|(through, head)| ChainHead { through, head: Head(head) }).ok_or(
        "no head of the hash chain is known from which to go on; the HEADS file is missing or too short",
    )
}
