//! How a journal lies on the disk: segments, ranges, bytes, watermarks. Changes nothing, works beside a writer.

use crate::beginning;
use crate::directory::{self, FileError};
use crate::durable::DurableMark;
use crate::format::{self, FrameHeader, JournalId};
use crate::scan::{self, Note, ScanOptions, Usage, Verdict};
use crate::segment::{Opened, SegmentFile};
use crate::tail;
use crate::torn::TornTail;
use crate::watermarks::StoredWatermarks;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Family, Sequence, TimeNs, TypeId};

/// Why a journal could not be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
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

/// What a segment is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentState {
    /// Full; nothing is written to it any more.
    Full,
    /// The one that is written to.
    Active,
    /// Ready to be used.
    Prepared,
    /// Not readable as a segment.
    Bad,
}

/// One segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentReport {
    /// Its number.
    pub number: u64,
    /// The first record; 0 where there is none.
    pub first_sequence: Sequence,
    /// The last record; 0 where there is none.
    pub last_sequence: Sequence,
    /// When it was prepared, in nanoseconds since 1970; 0 where its header cannot be read.
    pub created: TimeNs,
    /// Frames in it; seals are none.
    pub frames: u64,
    /// Bytes up to the end of the last frame or seal.
    pub used_bytes: u64,
    /// Bytes of the plain file.
    pub size_bytes: u64,
    /// Bytes of the file on the disk: fewer where it is compressed.
    pub stored_bytes: u64,
    /// It is compressed.
    pub is_compressed: bool,
    /// What it is for.
    pub state: SegmentState,
}

/// Frames of a kind, with all their records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameBytes {
    /// How many.
    pub frames: u64,
    /// Bytes as they were written.
    pub bytes: u64,
    /// Those of the bytes that lie in compressed segments.
    pub compressed_bytes: u64,
}

impl FrameBytes {
    fn add(&mut self, length: u64, is_compressed: bool) {
        self.frames += 1;
        self.bytes += length;
        self.compressed_bytes += if is_compressed { length } else { 0 };
    }
}

/// The whole journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    /// Which journal.
    pub journal: JournalId,
    /// Its segments in order.
    pub segments: Vec<SegmentReport>,
    /// All frames but seals: each is a command and its events.
    pub commands: FrameBytes,
    /// Those whose command tells of a market: quotes, trades, books.
    pub ticks: FrameBytes,
    /// A writer holds the lock.
    pub live: bool,
    /// The last record: of the living writer's watermark, else of the last good frame.
    pub written_through: Sequence,
    /// The last record known to be durable.
    pub durable_through: Sequence,
    /// What the last writer said; after a crash it may be behind or ahead of what was kept.
    pub watermarks: Option<StoredWatermarks>,
    /// The newest mark of the `durable` file.
    pub durable_mark: Option<DurableMark>,
    /// It was closed, and nothing came after.
    pub clean: bool,
    /// What would be cut.
    pub tail: Option<TornTail>,
    /// Where acknowledged data is damaged, and why.
    pub damage: Option<String>,
    /// What is wrong but takes nothing away.
    pub notes: Vec<Note>,
}

/// Looks at the journal in `dir`.
pub fn inspect(dir: &Path) -> Result<Inspection, InspectError> {
    let bound = tail::live_bound(dir)?;
    let watermarks = StoredWatermarks::read(dir)?;
    let numbers = directory::list_segments(dir)?;
    if numbers.is_empty() && beginning::all_missing(dir)?.is_none() {
        return Err(InspectError::NoJournal { dir: dir.to_owned() });
    }
    let options = ScanOptions { chain: false, bound, from: None, payloads: false };
    let packed = compressed_numbers(dir, &numbers);
    let (mut commands, mut ticks) = (FrameBytes::default(), FrameBytes::default());
    let scan = scan::scan(dir, numbers, options, &mut |place, frame| {
        if !FrameHeader::read(frame).is_seal() {
            let (length, is_packed) = (frame.len() as u64, packed.contains(&place.segment));
            commands.add(length, is_packed);
            if family_of(frame) == Some(Family::Market) {
                ticks.add(length, is_packed);
            }
        }
        ControlFlow::Continue(())
    })?;
    let mut tail = None;
    let mut damage = None;
    match &scan.verdict {
        Verdict::Whole => {}
        Verdict::Torn { reason, remains } => {
            let bytes = remains.iter().map(|part| part.bytes).sum();
            let (segment, offset) = (scan.end.segment, scan.end.offset);
            tail = Some(TornTail { segment, offset, bytes, reason, copies: Vec::new() });
        }
        Verdict::Damaged(found) => damage = Some(format!("{}: {}", found.place, found.reason)),
    }
    let last = Sequence(scan.next_sequence.0 - 1);
    let durable = scan.known_durable();
    let live_durable = watermarks.filter(|_| bound.is_some()).map(|marks| marks.durable_through);
    let mark = scan.stored_mark.mark;
    let whole = tail.is_none() && damage.is_none();
    Ok(Inspection {
        // Without segments only the mark can tell.
        journal: mark.filter(|_| scan.numbers.is_empty()).map_or(scan.journal, |mark| mark.journal),
        segments: segments(dir, &scan.numbers, &scan.usage)?,
        commands,
        ticks,
        live: bound.is_some(),
        written_through: bound.unwrap_or(last),
        durable_through: live_durable.map_or(durable, |live| live.max(durable)),
        watermarks,
        durable_mark: mark,
        clean: bound.is_none()
            && whole
            && mark.is_some_and(|mark| mark.clean && mark.durable_through == last),
        tail,
        damage,
        notes: scan.notes,
    })
}

/// When segment `number` of the journal in `dir` was prepared, by the clock of whoever did; nothing where its header cannot be
/// read. Whatever is in it was written later, however old its stamps are.
pub fn segment_created(dir: &Path, number: u64) -> Result<Option<TimeNs>, FileError> {
    Ok(match SegmentFile::open(dir, number)? {
        Opened::Segment(segment) => Some(segment.header.created),
        Opened::Missing | Opened::Bad(_) => None,
    })
}

/// Which of the segments are compressed.
fn compressed_numbers(dir: &Path, numbers: &[u64]) -> BTreeSet<u64> {
    let is_packed =
        |number: &&u64| directory::stored_path(dir, **number) != directory::segment_path(dir, **number);
    numbers.iter().filter(is_packed).copied().collect()
}

/// The family of a frame's command.
fn family_of(frame: &[u8]) -> Option<Family> {
    TypeId(format::u16_at(frame, format::FRAME_HEADER_SIZE + 2)).family()
}

fn segments(dir: &Path, numbers: &[u64], usage: &[Usage]) -> Result<Vec<SegmentReport>, FileError> {
    let last = usage.last().map_or(0, |usage| usage.number);
    numbers
        .iter()
        .map(|&number| {
            if let Some(usage) = usage.iter().find(|usage| usage.number == number) {
                let stored_bytes = directory::length(&directory::stored_path(dir, number))?;
                let created = segment_created(dir, number)?.unwrap_or_default();
                return Ok(used(usage, usage.number == last, created, stored_bytes));
            }
            let (state, size_bytes, created) = match SegmentFile::open(dir, number)? {
                Opened::Segment(segment) => (SegmentState::Prepared, segment.size(), segment.header.created),
                Opened::Missing | Opened::Bad(_) => (SegmentState::Bad, 0, TimeNs::UNKNOWN),
            };
            let none = Sequence::NONE;
            Ok(SegmentReport {
                number,
                first_sequence: none,
                last_sequence: none,
                created,
                frames: 0,
                used_bytes: 0,
                size_bytes,
                stored_bytes: size_bytes,
                is_compressed: false,
                state,
            })
        })
        .collect()
}

fn used(usage: &Usage, last: bool, created: TimeNs, stored_bytes: u64) -> SegmentReport {
    let some = usage.frames > 0;
    SegmentReport {
        number: usage.number,
        first_sequence: if some { usage.first_sequence } else { Sequence::NONE },
        last_sequence: if some { usage.last_sequence } else { Sequence::NONE },
        created,
        frames: usage.frames,
        used_bytes: usage.end,
        size_bytes: usage.size,
        stored_bytes,
        is_compressed: usage.is_compressed,
        state: if last { SegmentState::Active } else { SegmentState::Full },
    }
}
