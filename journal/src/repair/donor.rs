//! A second copy of a journal, to take frames from: another journal directory, a backup, or a folder of backups.
//!
//! A donor is trusted only as far as it is whole itself and as its hash chain is that of the damaged journal. Where its own
//! chain is denied, nobody knows which frame is another: nothing counts behind the last head that agrees.

use crate::backup::set;
use crate::chain::{ChainHead, Head};
use crate::descent;
use crate::directory;
use crate::format::{Activation, JournalId};
use crate::keeper::KeepError;
use crate::reader::{Place, ReadError, Reader};
use crate::scan::{self, Damage, Scan, ScanOptions, Verdict};
use crate::segment::{Activity, Opened, SegmentFile, is_untold};
use crate::tail;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// A copy that was read and found whole up to [`Donor::through`].
#[derive(Debug)]
pub(crate) struct Donor {
    pub(crate) dir: PathBuf,
    pub(crate) scan: Scan,
    through: Sequence,
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
        let scan = scan::scan(&dir, numbers, options, &mut |_, _| ControlFlow::Continue(()))?;
        let through = trusted_through(&scan);
        Ok(Self { dir, scan, through, reader: None, held: None })
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
        self.through
    }

    /// What it can give, and why no more where it is damaged itself.
    pub(crate) fn extent(&self) -> String {
        let (first, through) = (self.scan.first_sequence, self.through);
        let held =
            if first <= through { format!("holds {first} to {through}") } else { "holds none".to_owned() };
        match &self.scan.verdict {
            Verdict::Damaged(damage) => {
                format!("{held} and is damaged itself ({}: {})", damage.place, damage.reason)
            }
            Verdict::Whole | Verdict::Torn { .. } => held,
        }
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
        let is_trusted = |held: &&Held| held.first == sequence && held.next <= self.through.next();
        Ok(self.held.as_ref().filter(is_trusted))
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

/// The last record that a copy can be believed: all that was read, unless a head that is stored beside the frames denies them.
fn trusted_through(scan: &Scan) -> Sequence {
    let read = Sequence(scan.next_sequence.0.saturating_sub(1));
    // What is no good frame has a witness, or cannot be told; a head needs none.
    let Verdict::Damaged(Damage { witness: None, reason, .. }) = scan.verdict else {
        return read;
    };
    if is_untold(reason) {
        return read;
    }
    let told = |block: ChainHead| {
        let heads = scan.stored_heads.head_through(block.through).map(Head);
        let snapshots = scan.snapshots.iter().filter(move |of| of.block.through == block.through);
        heads.into_iter().chain(snapshots.map(|of| of.block.head))
    };
    let agreeing = descent::block_heads(scan)
        .take_while(|block| told(*block).all(|head| head == block.head))
        .filter(|block| told(*block).next().is_some());
    agreeing.last().map_or(scan.anchor.through, |block| block.through).min(read)
}
