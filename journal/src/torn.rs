//! Tells a torn tail from damage, and sets a torn tail aside.
//!
//! At the first place that is no good frame, where sequence X should be: if a witness knows X, acknowledged data is
//! damaged and nothing may be cut. If none does, nobody was ever told of X, and what lies there is copied and cut.
//! Witnesses are later good frames whose `synced_through` reaches X, the `durable` file, the `HEADS` file, snapshots and
//! the readers of the register.

use crate::compressed;
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::format::{
    self, ACTIVATION_OFFSET, ALIGNMENT, FRAME_HEADER_SIZE, FRAME_SIZE_MAX, FRAMES_OFFSET, JournalId,
};
use crate::reader::Place;
use crate::retention::register;
use crate::segment::{BAD_SECTOR, Opened, SegmentFile, is_damage, last_non_zero_unused};
use crate::storage::File;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

const TORN_SUFFIX: &str = ".torn";
const COPY_SIZE: usize = 1024 * 1024;

/// Who knows a sequence that the segments do not give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Witness {
    /// A later frame was written when the sequence was durable.
    LaterFrame {
        /// Where it lies.
        place: Place,
        /// What it knew.
        synced_through: Sequence,
    },
    /// The `durable` file.
    DurableFile {
        /// What it knows.
        durable_through: Sequence,
    },
    /// The `HEADS` file.
    Heads {
        /// The last record of the last block in it.
        through: Sequence,
    },
    /// A segment was compressed when a record of the next one was durable.
    Compressed {
        /// The segment.
        segment: u64,
        /// The first record of the next one.
        through: Sequence,
    },
    /// A snapshot.
    Snapshot {
        /// The last record in it.
        through: Sequence,
    },
    /// A reader of the register (a database, a standby, an archive) has done with it.
    Reader {
        /// The last record that it has done with.
        through: Sequence,
    },
    /// The watermark of the living writer.
    Writer {
        /// What it has written.
        written_through: Sequence,
    },
}

impl Witness {
    /// The last record that it knows of.
    pub(crate) fn through(self) -> Sequence {
        match self {
            Self::LaterFrame { synced_through: through, .. }
            | Self::DurableFile { durable_through: through }
            | Self::Heads { through }
            | Self::Compressed { through, .. }
            | Self::Snapshot { through }
            | Self::Reader { through }
            | Self::Writer { written_through: through } => through,
        }
    }
}

impl std::fmt::Display for Witness {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LaterFrame { place, synced_through } => {
                write!(out, "the frame at {place} knew {synced_through} as durable")
            }
            Self::DurableFile { durable_through } => write!(out, "the durable file knows {durable_through}"),
            Self::Heads { through } => write!(out, "the HEADS file knows {through}"),
            Self::Compressed { segment, through } => {
                write!(out, "segment {segment} was compressed when {through} was durable")
            }
            Self::Snapshot { through } => write!(out, "a snapshot knows {through}"),
            Self::Reader { through } => write!(out, "a reader of the register has done with {through}"),
            Self::Writer { written_through } => write!(out, "the writer has written {written_through}"),
        }
    }
}

/// What lies after the last good frame and was never acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Segment in which it starts.
    pub segment: u64,
    /// Bytes from the start of that segment's file.
    pub offset: u64,
    /// Bytes from there to the last one that is not zero, later segments included.
    pub bytes: u64,
    /// Why it is no good frame.
    pub reason: &'static str,
    /// The copies; empty where nothing was cut.
    pub copies: Vec<PathBuf>,
}

/// What of one segment is not zero though nothing should be there.
#[derive(Clone, Debug)]
pub(crate) struct Remains {
    pub(crate) number: u64,
    /// First byte that should be zero; 0 for a segment that should not be there as it is.
    pub(crate) from: u64,
    /// How many bytes from there are not all zero.
    pub(crate) bytes: u64,
}

/// All that lies from `end` on, in its segment and in those after it.
pub(crate) fn remains(
    dir: &Path,
    journal: JournalId,
    end: Place,
    numbers: &[u64],
) -> Result<Vec<Remains>, FileError> {
    let mut found = Vec::new();
    let later = numbers.iter().copied().filter(|number| *number >= end.segment);
    for (number, expected) in later.zip(end.segment..) {
        let (from, last) = match SegmentFile::open(dir, number)? {
            Opened::Segment(segment) if number == end.segment => {
                (end.offset, segment.last_non_zero(end.offset)?)
            }
            Opened::Segment(segment) if segment.header.journal == journal && number == expected => {
                (ACTIVATION_OFFSET as u64, last_non_zero_unused(&segment)?)
            }
            Opened::Bad(BAD_SECTOR) => return Err(bad_sector(dir, number)),
            Opened::Segment(_) | Opened::Bad(_) => {
                let length = directory::length(&directory::stored_path(dir, number))?;
                (0, Some(length.saturating_sub(1)))
            }
            Opened::Missing => continue,
        };
        found.extend(last.map(|last| Remains { number, from, bytes: (last + 1).saturating_sub(from) }));
    }
    Ok(found)
}

/// What cannot be read is not known to be torn.
fn bad_sector(dir: &Path, number: u64) -> FileError {
    failed("read", &directory::stored_path(dir, number))(rustix::io::Errno::IO.into())
}

/// What is known to be durable beside the segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) durable_through: Sequence,
    pub(crate) heads_through: Sequence,
    pub(crate) snapshot_through: Sequence,
}

/// Who knows `sequence`, of all there are.
pub(crate) fn witness(
    dir: &Path,
    known: &Known,
    remains: &[Remains],
    sequence: Sequence,
) -> Result<Option<Witness>, FileError> {
    let Known { durable_through, heads_through, snapshot_through } = *known;
    if durable_through >= sequence {
        return Ok(Some(Witness::DurableFile { durable_through }));
    }
    if heads_through >= sequence {
        return Ok(Some(Witness::Heads { through: heads_through }));
    }
    if snapshot_through >= sequence {
        return Ok(Some(Witness::Snapshot { through: snapshot_through }));
    }
    if let Some(witness) = compressed(dir, sequence)? {
        return Ok(Some(witness));
    }
    let through = register::known_through(dir)?;
    if through >= sequence {
        return Ok(Some(Witness::Reader { through }));
    }
    later_frame(dir, remains, sequence)
}

/// The compressed segment that knows `sequence`: only what is followed by durable records is ever compressed.
fn compressed(dir: &Path, sequence: Sequence) -> Result<Option<Witness>, FileError> {
    for segment in directory::list_segments(dir)?.into_iter().rev() {
        if let Some(Ok(info)) = compressed::info(dir, segment)?
            && info.last_sequence.next() >= sequence
        {
            return Ok(Some(Witness::Compressed { segment, through: info.last_sequence.next() }));
        }
    }
    Ok(None)
}

/// The later good frame that knows `sequence`, if there is one.
fn later_frame(dir: &Path, remains: &[Remains], sequence: Sequence) -> Result<Option<Witness>, FileError> {
    let mut window = vec![0; COPY_SIZE + FRAME_SIZE_MAX];
    for part in remains {
        let segment = match SegmentFile::open(dir, part.number)? {
            Opened::Segment(segment) => segment,
            Opened::Bad(BAD_SECTOR) => return Err(bad_sector(dir, part.number)),
            Opened::Bad(_) | Opened::Missing => continue,
        };
        let start = part.from.max(FRAMES_OFFSET as u64);
        let end = (part.from + part.bytes).next_multiple_of(ALIGNMENT as u64);
        // The last frame may end in zeros of its padding.
        let end = (end + FRAME_HEADER_SIZE as u64 + format::PLAIN_FRAME_SIZE_MAX as u64).min(segment.size());
        for at in (start..end).step_by(COPY_SIZE) {
            let length = usize::try_from(end - at).map_or(window.len(), |left| left.min(window.len()));
            let bytes = &mut window[..length];
            let read = match segment.content.read_at(bytes, at) {
                Err(error) if is_damage(&error) => continue,
                read => read.map_err(failed("read", &segment.path))?,
            };
            if let Some((found, synced_through)) = find_frame(&bytes[..read], part.number, sequence) {
                let place = Place { segment: part.number, offset: at + found as u64 };
                return Ok(Some(Witness::LaterFrame { place, synced_through }));
            }
        }
    }
    Ok(None)
}

fn find_frame(bytes: &[u8], segment: u64, sequence: Sequence) -> Option<(usize, Sequence)> {
    let mut at = 0;
    while at + FRAME_HEADER_SIZE <= bytes.len() {
        let good = format::plausible_length(&bytes[at..])
            .and_then(|length| bytes.get(at..at + length))
            .and_then(|frame| format::check_frame(segment, frame).ok().map(|header| (header, frame.len())));
        match good {
            Some((header, _)) if header.synced_through >= sequence => {
                return Some((at, header.synced_through));
            }
            Some((_, length)) => at += length,
            None => at += ALIGNMENT,
        }
    }
    None
}

/// Copies the tail aside, then zeroes it and syncs. Where `end` is in the pages of a segment, that segment starts anew.
///
/// No witness knows any of it, so it may stop anywhere and be done again.
pub(crate) fn cut(
    dir: &Path,
    end: Place,
    reason: &'static str,
    remains: &[Remains],
    numbers: &[u64],
) -> Result<TornTail, FileError> {
    let mut torn = TornTail {
        segment: end.segment,
        offset: end.offset,
        bytes: remains.iter().map(|part| part.bytes).sum(),
        reason,
        copies: Vec::new(),
    };
    // Unused segments after a spoilt one would leave a hole in the numbers; they go, last first.
    let aside = |part: &&Remains| part.number > end.segment || part.from == 0;
    let spoilt = remains.iter().find(aside).map(|part| part.number);
    for number in
        numbers.iter().rev().copied().filter(|number| spoilt.is_some_and(|spoilt| *number >= spoilt))
    {
        reach(Failpoint::TornAside);
        let path = directory::segment_path(dir, number);
        if remains.iter().any(|part| part.number == number) {
            let copy = free_name(dir, &format!("{number:012}"));
            directory::rename(&path, &copy)?;
            torn.copies.push(copy);
        } else {
            directory::remove(&path)?;
        }
    }
    if let Some(part) = remains.iter().find(|part| part.number == end.segment && part.from > 0) {
        let path = directory::segment_path(dir, part.number);
        let file = directory::open_for_writing(&path)?;
        let copy = free_name(dir, &format!("{:012}-{}", part.number, part.from));
        reach(Failpoint::TornCopy);
        copy_range(&file, &path, part, &copy)?;
        directory::sync_dir(dir)?;
        torn.copies.push(copy);
        reach(Failpoint::TornZero);
        zero_range(&file, part).map_err(failed("zero", &path))?;
        reach(Failpoint::TornSync);
        file.sync_data().map_err(failed("sync", &path))?;
    }
    directory::sync_dir(dir)?;
    reach(Failpoint::TornDone);
    Ok(torn)
}

/// Zeroes again what was cut at `end` before.
///
/// If the sync of that failed, the zeros may lie in memory only and pass for clean, and what was cut may come back behind
/// frames that were written since. Its copy tells how much it was.
pub(crate) fn cut_again(dir: &Path, end: Place) -> Result<(), FileError> {
    let stem = format!("{:012}-{}.", end.segment, end.offset);
    let is_copy = |name: &&String| name.strip_suffix(TORN_SUFFIX).is_some() && name.starts_with(&stem);
    let mut bytes = 0;
    for name in directory::list(dir)?.iter().filter(is_copy) {
        bytes = bytes.max(directory::length(&dir.join(name))?);
    }
    if bytes == 0 {
        return Ok(());
    }
    let path = directory::segment_path(dir, end.segment);
    let file = directory::open_for_writing(&path)?;
    let part = Remains { number: end.segment, from: end.offset, bytes };
    zero_range(&file, &part).and_then(|()| file.sync_data()).map_err(failed("zero again", &path))
}

fn free_name(dir: &Path, stem: &str) -> PathBuf {
    let first = dir.join(format!("{stem}{TORN_SUFFIX}"));
    let later = (2_u64..).map(|count| dir.join(format!("{stem}.{count}{TORN_SUFFIX}")));
    std::iter::once(first).chain(later).find(|path| !directory::exists(path)).expect("some number is free")
}

fn copy_range(from: &File, path: &Path, part: &Remains, copy: &Path) -> Result<(), FileError> {
    let target = directory::create_new(copy)?;
    let mut buffer = vec![0; COPY_SIZE];
    let mut done = 0;
    while done < part.bytes {
        let count = usize::try_from(part.bytes - done).unwrap_or(COPY_SIZE).min(COPY_SIZE);
        let read =
            directory::read_at(from, &mut buffer[..count], part.from + done).map_err(failed("read", path))?;
        if read == 0 {
            break;
        }
        target.write_all_at(&buffer[..read], done).map_err(failed("write", copy))?;
        done += read as u64;
    }
    reach(Failpoint::TornCopySync);
    target.sync_all().map_err(failed("sync", copy))
}

fn zero_range(file: &File, part: &Remains) -> std::io::Result<()> {
    let zeros = vec![0; COPY_SIZE];
    let mut done = 0;
    while done < part.bytes {
        let count = usize::try_from(part.bytes - done).unwrap_or(COPY_SIZE).min(COPY_SIZE);
        file.write_all_at(&zeros[..count], part.from + done)?;
        done += count as u64;
    }
    Ok(())
}
