//! Where a pass over a journal starts: at which segment, and from which head the chain goes on.
//!
//! A journal starts at segment 1, or where the `FIRST` file says that it is kept from. A pass may start later: at the
//! segment that holds what follows a head somebody knows. The chain goes on behind the first block whose head is known:
//! from that head, the activation page, the `HEADS` file or a snapshot. A head that two of them tell differently is a fault.

use crate::chain::{ChainHead, Head};
use crate::directory::{self, FileError};
use crate::durable;
use crate::first::FirstKept;
use crate::format::{Activation, JournalId, RECORDS_PER_BLOCK};
use crate::heads::{self, StoredHeads};
use crate::reader::Place;
use crate::retention::register;
use crate::scan::Damage;
use crate::segment::{Activity, Opened, SegmentFile};
use crate::snapshot::{self, SnapshotHeader};
use crate::torn::Witness;
use std::path::Path;
use tickwerk_domain::Sequence;

const FIRST_SEGMENT: u64 = 1;
const ALL_MISSING: &str = "all segments are missing";

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

/// The damage in a directory without segments; `None` where nothing there remembers a journal.
pub(crate) fn all_missing(dir: &Path) -> Result<Option<Damage>, FileError> {
    let witness = remembered(dir)?;
    if witness.is_none() && FirstKept::read(dir)?.is_none() {
        return Ok(None);
    }
    let place = Place { segment: FIRST_SEGMENT, offset: 0 };
    Ok(Some(Damage { place, sequence: Sequence::FIRST, reason: ALL_MISSING, witness }))
}

/// Who knows records of a journal whose segments are gone.
fn remembered(dir: &Path) -> Result<Option<Witness>, FileError> {
    let durable_through = durable::read(dir)?.mark.map_or(Sequence::NONE, |mark| mark.durable_through);
    if durable_through > Sequence::NONE {
        return Ok(Some(Witness::DurableFile { durable_through }));
    }
    if let Some(newest) = snapshot::read_headers(dir, None)?.0.first() {
        return Ok(Some(Witness::Snapshot { through: newest.sequence }));
    }
    let through = register::known_through(dir)?;
    if through > Sequence::NONE {
        return Ok(Some(Witness::Reader { through }));
    }
    // The checksums of heads need the id of a journal, and nobody tells it any more.
    let through = heads::claimed_through(dir)?;
    Ok((through > Sequence::NONE).then_some(Witness::Heads { through }))
}

/// The segment to start at, of `numbers`.
pub(crate) fn find(
    dir: &Path,
    numbers: &[u64],
    from: Option<StartPoint>,
) -> Result<Result<SegmentFile, Fault>, FileError> {
    let fault = |segment, reason| Ok(Err((Place { segment, offset: 0 }, reason)));
    let Some(&first) = numbers.first() else {
        return fault(FIRST_SEGMENT, ALL_MISSING);
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
    if is_first_of_another(dir, first, segment.header.journal)? {
        return fault(first, "the FIRST file is of another journal");
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

/// Whether what allows a journal to start behind segment 1 was said of another.
fn is_first_of_another(dir: &Path, first: u64, journal: JournalId) -> Result<bool, FileError> {
    if first <= FIRST_SEGMENT {
        return Ok(false);
    }
    Ok(matches!(FirstKept::read(dir)?, Some(Ok(kept)) if kept.journal != journal))
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
    snapshots: &[SnapshotHeader],
    from: Option<StartPoint>,
) -> Result<ChainHead, &'static str> {
    let before = Sequence(activation.first_sequence.0.saturating_sub(1));
    if before == Sequence::NONE {
        return Ok(ChainHead::default());
    }
    let told = |head: ChainHead, differs| match stored.head_through(head.through) {
        Some(stored) if stored != head.head.0 => Err(differs),
        Some(_) | None => Ok(head),
    };
    let agreed = |head: ChainHead| {
        if snapshots.iter().any(|of| of.block.through == head.through && of.block != head) {
            return Err("a snapshot tells another head of the block that the chain goes on from");
        }
        Ok(head)
    };
    if let Some(from) = from.filter(|from| from.block.through >= before) {
        return told(from.block, "the chain differs from the head in the snapshot").and_then(agreed);
    }
    if activation.chain_through == before {
        let head = ChainHead { through: before, head: Head(activation.head) };
        return told(head, "the chain differs from the head in the activation page").and_then(agreed);
    }
    let blocks = before.0.div_ceil(RECORDS_PER_BLOCK)..=stored.known_through().0 / RECORDS_PER_BLOCK;
    let mut ends = blocks.map(|block| Sequence(block * RECORDS_PER_BLOCK));
    let known = ends.find_map(|through| Some((through, stored.head_through(through)?)));
    let known = known.map(|(through, head)| ChainHead { through, head: Head(head) });
    // Whoever lets segments go leaves the blocks that two snapshots go on from, so they stand for a file that was lost.
    let kept = snapshots.iter().map(|snapshot| snapshot.block).filter(|block| block.through >= before);
    let first = known.into_iter().chain(kept).min_by_key(|block| block.through);
    agreed(first.ok_or(
        "no head of the hash chain is known from which to go on: neither HEADS nor a snapshot has one",
    )?)
}
