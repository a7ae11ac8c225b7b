//! What all upkeep shares: the lock of those who change sealed segments, and which segments are sealed.
//!
//! The writer holds `LOCK` for life and never touches a sealed segment. Whoever replaces or removes one (compression,
//! retention, repair) holds an exclusive `flock` on `KEEPER`, and a backup a shared one, so that nothing is taken away
//! under it. None of them waits: who finds it taken says so and is tried again later.
//! A segment is sealed when the next one is in use. Units: sequences are inclusive.

use crate::directory::{self, FileError};
use crate::durable;
use crate::files;
use crate::format::JournalId;
use crate::segment::{Activity, Opened, SegmentFile};
use crate::watermarks::StoredWatermarks;
use rustix::fs::FlockOperation;
use std::fs::File;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// Why some upkeep was not done. Nothing was changed, or what was done is whole.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no journal.
    #[error("{} holds no journal", dir.display())]
    NoJournal {
        /// The directory.
        dir: PathBuf,
    },
    /// Another command is at the same work.
    #[error("{} is being kept by another process (backup, compression, retention or repair); try again later", dir.display())]
    Busy {
        /// The directory.
        dir: PathBuf,
    },
    /// A writer lives.
    #[error("{} is open in a daemon; stop it first", dir.display())]
    Live {
        /// The directory.
        dir: PathBuf,
    },
    /// The data is not as it was written.
    #[error("{}: damage at segment {segment} offset {offset}, where sequence {sequence} should be: {reason}", dir.display())]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// Segment.
        segment: u64,
        /// Bytes from the start of its file.
        offset: u64,
        /// The sequence expected there.
        sequence: Sequence,
        /// What is wrong, and who knows of it.
        reason: String,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
}

impl KeepError {
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

/// How the keeper's lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    /// Nothing may go meanwhile.
    Still,
    /// Something will be changed.
    Change,
}

/// Takes the lock of upkeep; it is held as long as the file is.
pub(crate) fn lock(dir: &Path, keep: Keep) -> Result<File, KeepError> {
    let path = dir.join(directory::KEEPER);
    let operation = match keep {
        Keep::Still => FlockOperation::NonBlockingLockShared,
        Keep::Change => FlockOperation::NonBlockingLockExclusive,
    };
    files::lock(&path, operation)?.ok_or_else(|| KeepError::Busy { dir: dir.to_owned() })
}

/// A segment that is written to no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sealed {
    pub(crate) journal: JournalId,
    pub(crate) number: u64,
    pub(crate) first_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
    pub(crate) is_compressed: bool,
}

/// All sealed segments in order, by their activation pages. Segments that cannot be read are left out.
pub(crate) fn sealed(dir: &Path) -> Result<Vec<Sealed>, FileError> {
    let mut found = Vec::new();
    let mut before: Option<Sealed> = None;
    for number in directory::list_segments(dir)? {
        let mut here = None;
        if let Opened::Segment(segment) = SegmentFile::open(dir, number)?
            && let Activity::Active(activation) = segment.activity()?
        {
            let first_sequence = activation.first_sequence;
            here = Some(Sealed {
                journal: segment.header.journal,
                number,
                first_sequence,
                last_sequence: first_sequence,
                is_compressed: segment.compressed().is_some(),
            });
        }
        if let (Some(before), Some(here)) = (before, here)
            && before.number + 1 == here.number
            && before.first_sequence <= here.first_sequence
        {
            found.push(Sealed { last_sequence: Sequence(here.first_sequence.0 - 1), ..before });
        }
        before = here;
    }
    Ok(found)
}

/// The last record that is known to be durable: by the `durable` file or by the living writer.
pub(crate) fn known_durable(dir: &Path, journal: JournalId) -> Result<Sequence, FileError> {
    let stored = durable::read(dir)?.mark.filter(|mark| mark.journal == journal);
    let stored = stored.map_or(Sequence::NONE, |mark| mark.durable_through);
    if !directory::writer_lives(dir)? {
        return Ok(stored);
    }
    let live = StoredWatermarks::read(dir)?.filter(|marks| marks.journal == journal);
    Ok(live.map_or(stored, |marks| marks.durable_through.max(stored)))
}
