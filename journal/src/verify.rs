//! Reads a whole journal again and tells whether it is what was written. Changes nothing.
//!
//! A torn tail is told and is no difference; damage, a broken chain or a record that cannot be read is the first
//! difference. Beside a living writer everything up to its written watermark is verified.

use crate::beginning;
use crate::chain::ChainHead;
use crate::directory::{self, FileError};
use crate::format::FrameHeader;
use crate::reader::{Decoded, FrameRef, Place, ReadError};
use crate::scan::{self, Damage, Note, OnFrame, Scan, ScanOptions, Verdict};
use crate::tail;
use crate::torn::TornTail;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// Why a journal could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no journal.
    #[error("{} holds no journal", dir.display())]
    NoJournal {
        /// The directory.
        dir: PathBuf,
    },
}

/// The first thing that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The sequence that is concerned.
    pub sequence: Sequence,
    /// Segment.
    pub segment: u64,
    /// Bytes from the start of the segment's file.
    pub offset: u64,
    /// What is wrong.
    pub reason: String,
}

/// What verification found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifyReport {
    /// Good frames; seals are none.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// The first record; 0 where there is none.
    pub first_sequence: Sequence,
    /// The last good record; 0 where there is none.
    pub last_sequence: Sequence,
    /// The head through the last good record, the unfinished block included.
    pub chain_head: ChainHead,
    /// What would be cut.
    pub tail: Option<TornTail>,
    /// Damage, if any.
    pub first_difference: Option<Difference>,
    /// What is wrong but takes nothing away.
    pub notes: Vec<Note>,
    /// `on_frame` broke off, so that the rest was not looked at.
    pub stopped: bool,
}

/// Verifies the journal in `dir`; `on_frame` sees each good frame in order and may break off.
pub fn verify(
    dir: &Path,
    on_frame: &mut dyn FnMut(&FrameRef<'_>) -> ControlFlow<()>,
) -> Result<VerifyReport, VerifyError> {
    let mut decoded = Decoded::default();
    let mut unreadable = None;
    let mut report = prove(dir, Depth::Chain, &mut |place, bytes| {
        let header = FrameHeader::read(bytes);
        if let Err(error) = decoded.decode(&header, place, bytes) {
            unreadable = Some(difference_of(&error, header.first_sequence, place));
            return ControlFlow::Break(());
        }
        on_frame(&decoded.frame(header, place, bytes))
    })?;
    if let Some(unreadable) = unreadable {
        report.stopped = false;
        report.first_difference = Some(unreadable);
    }
    Ok(report)
}

/// How much [`verify_bytes`] looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// Checksums, inner lengths, density, epochs and the hash chain: that the journal is what was written.
    Chain,
    /// That every payload can be read, too, and so everything that [`verify`] finds.
    Payloads,
}

/// Verifies the journal in `dir` like [`verify`], but leaves frames as they lie on the disk; `on_frame` sees no seals.
pub fn verify_bytes(
    dir: &Path,
    depth: Depth,
    on_frame: &mut OnFrame<'_>,
) -> Result<VerifyReport, VerifyError> {
    prove(dir, depth, on_frame)
}

fn prove(dir: &Path, depth: Depth, on_frame: &mut OnFrame<'_>) -> Result<VerifyReport, VerifyError> {
    let bound = tail::live_bound(dir)?;
    let numbers = directory::list_segments(dir)?;
    if numbers.is_empty() && beginning::all_missing(dir)?.is_none() {
        return Err(VerifyError::NoJournal { dir: dir.to_owned() });
    }
    let mut stopped = false;
    let payloads = depth == Depth::Payloads;
    let options = ScanOptions { chain: true, bound, payloads, from: None };
    let scan = scan::scan(dir, numbers, options, &mut |place, bytes| {
        if FrameHeader::read(bytes).is_seal() {
            return ControlFlow::Continue(());
        }
        let flow = on_frame(place, bytes);
        stopped = flow.is_break();
        flow
    })?;
    Ok(report(scan, stopped))
}

fn difference_of(error: &ReadError, sequence: Sequence, place: Place) -> Difference {
    let reason = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Difference { sequence, segment: place.segment, offset: place.offset, reason }
}

fn report(scan: Scan, stopped: bool) -> VerifyReport {
    let unreadable =
        scan.unreadable.as_ref().map(|(error, sequence, place)| difference_of(error, *sequence, *place));
    let (tail, damage) = match &scan.verdict {
        Verdict::Whole => (None, None),
        Verdict::Torn { reason, remains } => {
            let bytes = remains.iter().map(|part| part.bytes).sum();
            let Place { segment, offset } = scan.end;
            (Some(TornTail { segment, offset, bytes, reason, copies: Vec::new() }), None)
        }
        Verdict::Damaged(damage) => (None, Some(difference(damage))),
    };
    let last_sequence = Sequence(scan.next_sequence.0.saturating_sub(1));
    let some = scan.frames > 0;
    VerifyReport {
        frames: scan.frames,
        records: if some { scan.next_sequence.0 - scan.first_sequence.0 } else { 0 },
        first_sequence: if some { scan.first_sequence } else { Sequence::NONE },
        last_sequence: if some { last_sequence } else { Sequence::NONE },
        chain_head: scan.chain.head(),
        tail,
        first_difference: unreadable.or(damage),
        notes: scan.notes,
        stopped,
    }
}

fn difference(damage: &Damage) -> Difference {
    let reason = match damage.witness {
        Some(witness) => format!("{}; {witness}", damage.reason),
        None => damage.reason.to_owned(),
    };
    Difference {
        sequence: damage.sequence,
        segment: damage.place.segment,
        offset: damage.place.offset,
        reason,
    }
}
