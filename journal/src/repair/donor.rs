//! A second copy of a journal, to take frames from: another journal directory, a backup, or a folder of backups.
//!
//! A donor is trusted only as far as it is whole itself and as its hash chain is that of the damaged journal.

use crate::backup::set;
use crate::chain::ChainHead;
use crate::descent;
use crate::directory;
use crate::format::{Activation, JournalId};
use crate::keeper::KeepError;
use crate::reader::{Place, ReadError, Reader};
use crate::scan::{self, Scan, ScanOptions};
use crate::segment::{Activity, Opened, SegmentFile};
use crate::tail;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// A copy that was read and found whole up to [`Donor::through`].
#[derive(Debug)]
pub(crate) struct Donor {
    pub(crate) dir: PathBuf,
    pub(crate) scan: Scan,
    reader: Option<Reader>,
    held: Option<Held>,
}

/// A frame of the donor.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) first: Sequence,
    pub(crate) next: Sequence,
    pub(crate) place: Place,
    pub(crate) bytes: Vec<u8>,
}

impl Donor {
    /// Opens the copy at `path`, or the newest one in the folder `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, KeepError> {
        let mut dir = path.to_owned();
        if directory::list_segments(&dir)?.is_empty()
            && let Some((newest, _)) = set::newest(path)?
        {
            dir = newest;
        }
        let numbers = directory::list_segments(&dir)?;
        if numbers.is_empty() {
            return Err(KeepError::NoJournal { dir });
        }
        let options =
            ScanOptions { chain: true, bound: tail::live_bound(&dir)?, from: None, payloads: false };
        let scan = scan::scan(&dir, numbers, options, &mut |_, _, _| ControlFlow::Continue(()))?;
        Ok(Self { dir, scan, reader: None, held: None })
    }

    pub(crate) fn is_of(&self, journal: JournalId) -> bool {
        self.scan.journal == journal
    }

    /// The activation page of its segment `number`, which a whole copy's chain agrees with.
    pub(crate) fn activation(&self, number: u64) -> Result<Option<Activation>, KeepError> {
        let Opened::Segment(segment) = SegmentFile::open(&self.dir, number)? else {
            return Ok(None);
        };
        Ok(match segment.activity()? {
            Activity::Active(activation) => Some(activation),
            Activity::Prepared | Activity::Bad(_) => None,
        })
    }

    /// The last record that it can give.
    pub(crate) fn through(&self) -> Sequence {
        Sequence(self.scan.next_sequence.0.saturating_sub(1))
    }

    /// The head through `sequence`; `None` where it does not reach back or so far.
    pub(crate) fn head_at(&self, sequence: Sequence) -> Result<Option<ChainHead>, KeepError> {
        if sequence > self.through() {
            return Ok(None);
        }
        Ok(descent::head_at(&self.dir, &self.scan, sequence)?)
    }

    /// The frame that starts with `sequence`, if there is one.
    pub(crate) fn frame_at(&mut self, sequence: Sequence) -> Result<Option<&Held>, KeepError> {
        if sequence > self.through() || sequence < self.scan.first_sequence {
            return Ok(None);
        }
        if self.held.as_ref().is_none_or(|held| held.first != sequence) {
            let is_next = self.held.as_ref().is_some_and(|held| held.next == sequence);
            self.held = None;
            if !is_next || self.reader.is_none() {
                self.reader =
                    Some(Reader::open(&self.dir, sequence).map_err(|error| self.unreadable(error))?);
            }
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            let held = match reader.next() {
                Ok(frame) => frame.map(|frame| Held {
                    first: frame.header.first_sequence,
                    next: frame.header.next_sequence(),
                    place: frame.place,
                    bytes: frame.bytes.to_vec(),
                }),
                Err(error) => return Err(self.unreadable(error)),
            };
            self.held = held;
        }
        Ok(self.held.as_ref().filter(|held| held.first == sequence))
    }

    fn unreadable(&self, error: ReadError) -> KeepError {
        match error {
            ReadError::File(error) => KeepError::File(error),
            other @ (ReadError::NoJournal { .. }
            | ReadError::Gone { .. }
            | ReadError::Damaged { .. }
            | ReadError::Schema { .. }) => {
                KeepError::Refused(format!("the copy {} cannot be read: {other}", self.dir.display()))
            }
        }
    }
}
