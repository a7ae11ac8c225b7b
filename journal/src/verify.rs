//! Reads a whole journal again and tells whether it is what was written. Changes nothing.
//!
//! A torn tail is told and is no difference; damage, a broken chain or a record that cannot be read is the first
//! difference. Beside a living writer everything up to its written watermark is verified.

use crate::chain::ChainHead;
use crate::directory::{self, FileError};
use crate::format::FrameHeader;
use crate::reader::{self, Decoded, FrameRef, Place, ReadError};
use crate::scan::{self, Damage, Note, Scan, ScanOptions, Verdict};
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
    prove(dir, |header, place, bytes| {
        decoded.decode(header, place, bytes)?;
        Ok(on_frame(&decoded.frame(*header, place, bytes)))
    })
}

/// Verifies the journal in `dir` and finds the same as [`verify`], but leaves frames as they lie on the disk.
pub fn verify_bytes(
    dir: &Path,
    on_frame: &mut dyn FnMut(&FrameHeader, Place, &[u8]) -> ControlFlow<()>,
) -> Result<VerifyReport, VerifyError> {
    prove(dir, |header, place, bytes| {
        reader::check_records(header, place, bytes)?;
        Ok(on_frame(header, place, bytes))
    })
}

/// Verifies; what `on_frame` cannot read is the first difference.
fn prove(
    dir: &Path,
    mut on_frame: impl FnMut(&FrameHeader, Place, &[u8]) -> Result<ControlFlow<()>, ReadError>,
) -> Result<VerifyReport, VerifyError> {
    let bound = tail::live_bound(dir)?;
    let numbers = directory::list_segments(dir)?;
    if numbers.is_empty() {
        return Err(VerifyError::NoJournal { dir: dir.to_owned() });
    }
    let mut unreadable = None;
    let mut stopped = false;
    let scan = scan::scan(
        dir,
        numbers,
        ScanOptions { chain: true, bound, from: None },
        &mut |header, place, bytes| {
            if header.is_seal() {
                return ControlFlow::Continue(());
            }
            match on_frame(header, place, bytes) {
                Ok(flow) => {
                    stopped = flow.is_break();
                    flow
                }
                Err(error) => {
                    unreadable = Some(difference_of(&error, header.first_sequence, place));
                    ControlFlow::Break(())
                }
            }
        },
    )?;
    Ok(report(scan, unreadable, stopped))
}

fn difference_of(error: &ReadError, sequence: Sequence, place: Place) -> Difference {
    let reason = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Difference { sequence, segment: place.segment, offset: place.offset, reason }
}

fn report(scan: Scan, unreadable: Option<Difference>, stopped: bool) -> VerifyReport {
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
