//! Reads sealed segments again and again, a little at a time, so that rot is found while there is a copy to mend it.
//!
//! Checked are checksums, density and the hash chain against `HEADS`. A scrubber only reads, and drops what the system
//! has cached of a segment first: a copy in memory says nothing of the disk. What it finds takes no running daemon
//! down, as nothing that trades reads a cold segment; it is told at once.

use crate::beginning;
use crate::chain::Chain;
use crate::directory::{self, FileError};
use crate::format::{FrameHeader, RECORDS_PER_BLOCK};
use crate::heads::{self, StoredHeads};
use crate::keeper::{self, Sealed};
use crate::segment::{Activity, Opened, SegmentFile};
use crate::snapshot;
use crate::walk::{Run, RunLimits, Step, Walker};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// A place in a cold segment that is not what was written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScrubFinding {
    /// Segment.
    pub segment: u64,
    /// Bytes from the start of its plain file.
    pub offset: u64,
    /// The record that should be there.
    pub sequence: Sequence,
    /// What is wrong.
    pub reason: &'static str,
}

/// What has been read since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScrubCounts {
    /// Times that everything was read.
    pub passes: u64,
    /// Segments that were read to their end.
    pub segments: u64,
    /// Bytes of frames.
    pub bytes: u64,
    /// Places that were found, each counted once.
    pub findings: u64,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScrubStep {
    /// So many bytes were read and are good.
    Read(u64),
    /// A pass has ended, or there is nothing to read yet.
    PassDone,
    /// Something is wrong that was not found before.
    Found(ScrubFinding),
}

/// Reads the sealed segments of a journal, over and over.
#[derive(Debug)]
pub struct Scrubber {
    dir: PathBuf,
    counts: ScrubCounts,
    known: BTreeSet<ScrubFinding>,
    pass: Option<Pass>,
}

#[derive(Debug)]
struct Pass {
    left: VecDeque<Sealed>,
    heads: StoredHeads,
    /// `None` behind damage, and where no head is known to go on from.
    chain: Option<Chain>,
    walker: Option<(Walker, Sealed)>,
    /// There was a segment to read.
    is_any: bool,
}

impl Scrubber {
    /// For the journal in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), counts: ScrubCounts::default(), known: BTreeSet::new(), pass: None }
    }

    /// What has been read.
    pub fn counts(&self) -> ScrubCounts {
        self.counts
    }

    /// Reads about `budget` bytes more.
    pub fn step(&mut self, budget: u64) -> Result<ScrubStep, FileError> {
        let mut pass = match self.pass.take() {
            Some(pass) => pass,
            None => Pass::begin(&self.dir)?,
        };
        let mut read = 0;
        while read < budget {
            let looked = match pass.walker.take() {
                Some((walker, sealed)) => self.read_frames(&mut pass, walker, sealed, budget - read)?,
                None => match pass.left.pop_front() {
                    Some(sealed) => pass.enter(&self.dir, sealed)?,
                    None => {
                        self.counts.passes += u64::from(pass.is_any);
                        return Ok(ScrubStep::PassDone);
                    }
                },
            };
            match looked {
                Ok(bytes) => read += bytes,
                Err(finding) => {
                    // What follows cannot be hashed on.
                    pass.chain = None;
                    if self.known.insert(finding) {
                        self.counts.findings += 1;
                        self.pass = Some(pass);
                        return Ok(ScrubStep::Found(finding));
                    }
                }
            }
        }
        self.pass = Some(pass);
        Ok(ScrubStep::Read(read))
    }

    /// Reads a frame, or more up to `budget`, and puts the walker back where more may come; gives bytes that are good.
    fn read_frames(
        &mut self,
        pass: &mut Pass,
        mut walker: Walker,
        sealed: Sealed,
        budget: u64,
    ) -> Result<Result<u64, ScrubFinding>, FileError> {
        let is_end_known = sealed.last_sequence > Sequence::NONE;
        let mut sequence = walker.next_sequence();
        if is_end_known && sequence > sealed.last_sequence {
            self.counts.segments += 1;
            return Ok(Ok(0));
        }
        let (place, reason) = match walker.step()? {
            Step::Frame(header, place) => {
                let mut run = Run::of_one(&header, place);
                if !header.is_seal() {
                    let last = if is_end_known { sealed.last_sequence } else { Sequence(u64::MAX) };
                    let end = place.offset + budget;
                    run = walker.run_on(header, pass.limits(&header, last), |place, _| {
                        if place.offset < end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                    });
                }
                let bytes = walker.place().offset - place.offset;
                self.counts.bytes += bytes;
                if header.is_seal() || pass.hash(&run, &mut walker) {
                    pass.walker = Some((walker, sealed));
                    return Ok(Ok(bytes));
                }
                sequence = run.last_first;
                (run.last_place, "the chain differs from HEADS")
            }
            // The next segment is the one that cannot be read.
            Step::End(_) if !is_end_known => {
                self.counts.segments += 1;
                pass.chain = None;
                return Ok(Ok(0));
            }
            Step::End(place) => (place, "frames are missing"),
            Step::Bad(place, reason) => (place, reason),
        };
        Ok(Err(ScrubFinding { segment: place.segment, offset: place.offset, sequence, reason }))
    }
}

impl Pass {
    fn begin(dir: &Path) -> Result<Self, FileError> {
        let left = without_holes(&directory::list_segments(dir)?, &keeper::sealed(dir)?);
        let is_any = !left.is_empty();
        let mut pass = Self { left, heads: StoredHeads::default(), chain: None, walker: None, is_any };
        if let Some(first) = pass.left.front()
            && let Opened::Segment(segment) = SegmentFile::open(dir, first.number)?
            && let Activity::Active(activation) = segment.activity()?
        {
            pass.heads = heads::read(dir, first.journal)?;
            let (snapshots, _) = snapshot::read_headers(dir, Some(first.journal))?;
            let anchor = beginning::anchor(&activation, &pass.heads, &snapshots, None);
            pass.chain = anchor.ok().map(Chain::resume);
        }
        Ok(pass)
    }

    /// Goes on to a segment, if it is there still.
    fn enter(&mut self, dir: &Path, sealed: Sealed) -> Result<Result<u64, ScrubFinding>, FileError> {
        Ok(open(dir, &sealed)?.map(|walker| {
            if walker.is_none() {
                // The chain does not go on over what was let go; the next pass begins behind it.
                self.chain = None;
            }
            self.walker = walker.map(|walker| (walker, sealed));
            0
        }))
    }

    /// To the end of the block that `first` lies in, and no further than `last`.
    fn limits(&self, first: &FrameHeader, last: Sequence) -> RunLimits {
        let block = Sequence(first.first_sequence.0.next_multiple_of(RECORDS_PER_BLOCK));
        RunLimits { stop: block, bound: last, clear_timing: self.chain.is_some(), payloads: false }
    }

    /// Whether the block that ends in `run`, if one does, has the head that is stored for it.
    fn hash(&mut self, run: &Run, walker: &mut Walker) -> bool {
        let (heads, mut is_equal) = (&self.heads, true);
        if let Some(chain) = &mut self.chain {
            let (frames, last) = walker.run_bytes(run);
            chain.push_cleared(frames, last, |block| {
                is_equal &= heads.head_through(block.through).is_none_or(|head| head == block.head.0);
            });
        }
        is_equal
    }
}

/// The sealed segments with one in place of each that is missing, or whose end cannot be told; those end at 0.
fn without_holes(numbers: &[u64], sealed: &[Sealed]) -> VecDeque<Sealed> {
    let (Some(first), Some(last)) = (numbers.first(), sealed.last()) else {
        return VecDeque::new();
    };
    let mut next = Sequence::NONE;
    let mut all = VecDeque::new();
    for number in *first..=last.number {
        let known = sealed.iter().find(|segment| segment.number == number).copied();
        let unknown = Sealed { number, first_sequence: next, last_sequence: Sequence::NONE, ..*last };
        let segment = known.unwrap_or(unknown);
        next = segment.last_sequence.next();
        all.push_back(segment);
    }
    all
}

/// Opens a sealed segment as it is on the disk; `None` where it was let go meanwhile.
fn open(dir: &Path, sealed: &Sealed) -> Result<Result<Option<Walker>, ScrubFinding>, FileError> {
    let number = sealed.number;
    drop_cached(&directory::stored_path(dir, number));
    let finding =
        |reason| ScrubFinding { segment: number, offset: 0, sequence: sealed.first_sequence, reason };
    let segment = match SegmentFile::open(dir, number)? {
        Opened::Segment(segment) => segment,
        Opened::Bad(reason) => return Ok(Err(finding(reason))),
        Opened::Missing => {
            let kept = directory::list_segments(dir)?;
            let was_let_go = kept.first().is_none_or(|first| number < *first);
            return Ok(if was_let_go { Ok(None) } else { Err(finding("the segment is missing")) });
        }
    };
    let (walker, first) = Walker::start(dir, segment, true)?;
    Ok(match first {
        None => Ok(Some(walker.alone())),
        Some(Step::Bad(_, reason)) => Err(finding(reason)),
        Some(Step::End(_) | Step::Frame(..)) => Err(finding("the segment is not in use")),
    })
}

/// Asks the system to forget what it has cached of a file; it may decline.
fn drop_cached(path: &Path) {
    if let Ok(file) = File::open(path) {
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).ok();
    }
}
