//! A second copy of a journal, to take frames from: another journal directory, a backup, or a folder of backups.
//!
//! A donor is trusted only as far as it is whole itself and as its hash chain is that of the damaged journal.

use crate::backup::set;
use crate::chain::{Chain, ChainHead};
use crate::directory;
use crate::format::{Activation, JournalId, RECORDS_PER_BLOCK};
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

    /// The head through `sequence`, where a frame ends; `None` where it does not reach back or so far.
    pub(crate) fn head_at(&self, sequence: Sequence) -> Result<Option<ChainHead>, KeepError> {
        let anchor = self.scan.anchor;
        if sequence < anchor.through || sequence > self.through() {
            return Ok(None);
        }
        let mut chain = Chain::resume(anchor);
        let numbers = self.scan.numbers.clone();
        let options = ScanOptions { chain: false, bound: Some(sequence), from: None, payloads: false };
        scan::scan(&self.dir, numbers, options, &mut |_, _, frame| {
            chain.push(frame, |_| {});
            ControlFlow::Continue(())
        })?;
        Ok(Some(chain.head()).filter(|head| head.through == sequence))
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

/// Whether two passes know the same head of every block that both know.
pub(crate) fn heads_agree(left: &Scan, right: &Scan, through: Sequence) -> bool {
    heads(left, through).all(|(end, head)| {
        let index = (end.0.saturating_sub(right.anchor.through.0) / RECORDS_PER_BLOCK).checked_sub(1);
        let other = index.and_then(|index| right.heads.get(usize::try_from(index).ok()?));
        other.is_none_or(|other| *other == head)
    })
}

fn heads(scan: &Scan, through: Sequence) -> impl Iterator<Item = (Sequence, [u8; 32])> {
    let anchor = scan.anchor.through.0;
    let ends = (1_u64..).map(move |count| Sequence(anchor + count * RECORDS_PER_BLOCK));
    ends.zip(scan.heads.iter().copied()).take_while(move |(end, _)| *end <= through)
}
