//! One pass over a journal, or over what follows a known place: everything that recovery, verification and inspection want to know of it.
//!
//! Read-only. The pass walks all frames, hashes them, holds the heads against every place that stores one, and judges
//! what lies after the last good frame. Beside a living writer it stops at what was written when it began.

use crate::beginning::{self, StartPoint};
use crate::chain::{Chain, ChainHead};
use crate::directory::{self, FileError};
use crate::durable::{self, StoredMark};
use crate::format::{ACTIVATION_OFFSET, FrameHeader, JournalId, RECORDS_PER_BLOCK, UNKNOWN_FORMAT};
use crate::heads::{self, StoredHeads};
use crate::reader::{Decoded, Place, ReadError};
use crate::segment::{Activity, BAD_SECTOR, Opened, SegmentFile, fault_of, is_untold};
use crate::snapshot::{self, SnapshotHeader};
use crate::torn::{self, Known, Remains, Witness};
use crate::walk::{Run, RunLimits, Step, Walker};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Sequence, TimeNs};

/// Something that is not as it was written but takes nothing away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Which file.
    pub path: PathBuf,
    /// Bytes from its start.
    pub offset: u64,
    /// What is wrong.
    pub text: &'static str,
}

impl std::fmt::Display for Note {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} offset {}: {}", self.path.display(), self.offset, self.text)
    }
}

/// Acknowledged data that is not there as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    pub(crate) place: Place,
    pub(crate) sequence: Sequence,
    pub(crate) reason: &'static str,
    pub(crate) witness: Option<Witness>,
}

/// What the journal is.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Whole,
    Torn { reason: &'static str, remains: Vec<Remains> },
    Damaged(Damage),
}

/// How far one segment is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    pub(crate) number: u64,
    pub(crate) first_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
    pub(crate) frames: u64,
    pub(crate) end: u64,
    pub(crate) size: u64,
    pub(crate) is_compressed: bool,
}

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanOptions {
    /// Recompute the chain and compare.
    pub(crate) chain: bool,
    /// What the living writer has written.
    pub(crate) bound: Option<Sequence>,
    /// Look whether every payload can be read.
    pub(crate) payloads: bool,
    /// Start there instead of at the first segment.
    pub(crate) from: Option<StartPoint>,
}

/// What the pass found.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) journal: JournalId,
    pub(crate) numbers: Vec<u64>,
    pub(crate) first_sequence: Sequence,
    pub(crate) next_sequence: Sequence,
    pub(crate) epoch: u32,
    pub(crate) last_time: TimeNs,
    pub(crate) frames: u64,
    pub(crate) end: Place,
    pub(crate) sealed: bool,
    pub(crate) chain: Chain,
    /// What the chain went on from.
    pub(crate) anchor: ChainHead,
    /// Heads of the blocks behind the anchor.
    pub(crate) heads: Vec<[u8; 32]>,
    pub(crate) stored_heads: StoredHeads,
    pub(crate) stored_mark: StoredMark,
    /// Good ones of this journal, newest first.
    pub(crate) snapshots: Vec<SnapshotHeader>,
    pub(crate) usage: Vec<Usage>,
    pub(crate) notes: Vec<Note>,
    pub(crate) verdict: Verdict,
    /// The first record that cannot be read, and where its frame lies; nothing behind it was looked at.
    pub(crate) unreadable: Option<(ReadError, Sequence, Place)>,
}

/// Hears of the place and the bytes of each frame, of which [`FrameHeader::read`] tells more; may break off.
pub type OnFrame<'a> = dyn FnMut(Place, &[u8]) -> ControlFlow<()> + 'a;

/// Scans the journal in `dir`, whose segments are `numbers`; without any, all of them are missing. `on_frame` hears of
/// seals, too.
pub(crate) fn scan(
    dir: &Path,
    numbers: Vec<u64>,
    options: ScanOptions,
    on_frame: &mut OnFrame<'_>,
) -> Result<Scan, FileError> {
    let stored_mark = durable::read(dir)?;
    let mut scan = Scan {
        journal: JournalId([0; 16]),
        first_sequence: Sequence::FIRST,
        next_sequence: Sequence::FIRST,
        epoch: 0,
        last_time: TimeNs::UNKNOWN,
        frames: 0,
        end: Place { segment: numbers.first().copied().unwrap_or(1), offset: 0 },
        numbers,
        sealed: false,
        chain: Chain::new(),
        anchor: ChainHead::default(),
        heads: Vec::new(),
        stored_heads: StoredHeads::default(),
        stored_mark,
        snapshots: Vec::new(),
        usage: Vec::new(),
        notes: Vec::new(),
        verdict: Verdict::Whole,
        unreadable: None,
    };
    if scan.numbers.is_empty()
        && let Some(damage) = beginning::all_missing(dir)?
    {
        scan.verdict = Verdict::Damaged(damage);
        return Ok(scan);
    }
    let segment = match beginning::find(dir, &scan.numbers, options.from)? {
        Ok(segment) => segment,
        Err((place, reason)) => return Ok(scan.damaged(place, reason, None)),
    };
    scan.journal = segment.header.journal;
    scan.stored_heads = heads::read(dir, scan.journal)?;
    scan.note_stored(dir)?;
    let place = Place { segment: segment.number, offset: ACTIVATION_OFFSET as u64 };
    match segment.activity()? {
        Activity::Active(activation) if options.chain => {
            match beginning::anchor(&activation, &scan.stored_heads, &scan.snapshots, options.from) {
                Ok(anchor) => (scan.anchor, scan.chain) = (anchor, Chain::resume(anchor)),
                Err(reason) => return Ok(scan.damaged(place, reason, None)),
            }
        }
        Activity::Bad(BAD_SECTOR) => return Ok(scan.damaged(place, BAD_SECTOR, None)),
        Activity::Active(_) | Activity::Prepared | Activity::Bad(_) => {}
    }
    scan.walk(dir, segment, options, on_frame)?;
    Ok(scan)
}

impl Scan {
    /// The last record that the `durable` file knows.
    pub(crate) fn known_durable(&self) -> Sequence {
        self.stored_mark.mark.map_or(Sequence::NONE, |mark| mark.durable_through)
    }

    /// The heads that the file is to hold, from a block on: the one that the chain went on from, and those behind it.
    pub(crate) fn known_heads(&self) -> (u64, Vec<[u8; 32]>) {
        let before = self.anchor.through.0 / RECORDS_PER_BLOCK;
        let anchor = (before > 0).then_some(self.anchor.head.0);
        (before.saturating_sub(1), anchor.into_iter().chain(self.heads.iter().copied()).collect())
    }

    /// What others than the segments know.
    fn known(&self) -> Known {
        Known {
            durable_through: self.known_durable(),
            heads_through: self.stored_heads.known_through(),
            snapshot_through: self.snapshots.first().map_or(Sequence::NONE, |newest| newest.sequence),
        }
    }

    fn damaged(mut self, place: Place, reason: &'static str, witness: Option<Witness>) -> Self {
        self.verdict = Verdict::Damaged(Damage { place, sequence: self.next_sequence, reason, witness });
        self
    }

    fn note_stored(&mut self, dir: &Path) -> Result<(), FileError> {
        let durable = dir.join(directory::DURABLE);
        if self.stored_mark.mark.is_some_and(|mark| mark.journal != self.journal) {
            self.stored_mark = StoredMark { mark: None, fault: Some("the mark is of another journal") };
        }
        if let Some(text) = self.stored_mark.fault {
            self.notes.push(Note { path: durable, offset: 0, text });
        }
        let path = dir.join(directory::HEADS);
        for block in &self.stored_heads.bad {
            let offset = (block * crate::format::HEADS_ENTRY_SIZE) as u64;
            self.notes.push(Note { path: path.clone(), offset, text: "checksum of an entry differs" });
        }
        if self.stored_heads.ragged {
            let offset = (self.stored_heads.heads.len() * crate::format::HEADS_ENTRY_SIZE) as u64;
            self.notes.push(Note { path, offset, text: "the last entry is not whole" });
        }
        let (good, bad) = snapshot::read_headers(dir, Some(self.journal))?;
        self.snapshots = good;
        self.notes.extend(bad.into_iter().map(|(path, text)| Note { path, offset: 0, text }));
        Ok(())
    }

    fn walk(
        &mut self,
        dir: &Path,
        segment: SegmentFile,
        options: ScanOptions,
        on_frame: &mut OnFrame<'_>,
    ) -> Result<(), FileError> {
        let strict = options.bound.is_none();
        let (mut walker, mut first) = Walker::start(dir, segment, strict)?;
        let mut block_start = walker.place();
        let mut decoded = Decoded::default();
        self.enter(&walker);
        if self.is_activation_false(&walker, walker.next_sequence(), options) {
            return Ok(());
        }
        let (place, reason) = loop {
            if options.bound.is_some_and(|bound| bound < walker.next_sequence()) {
                return Ok(());
            }
            let step = match first.take() {
                Some(step) => step,
                None => walker.step()?,
            };
            match step {
                Step::Frame(header, place) => {
                    if self.usage.last().is_none_or(|usage| usage.number != place.segment) {
                        self.enter(&walker);
                        if self.is_activation_false(&walker, header.first_sequence, options) {
                            return Ok(());
                        }
                    }
                    if options.payloads
                        && let Err(error) = decoded.decode(&header, place, walker.frame())
                    {
                        self.unreadable = Some((error, header.first_sequence, place));
                        return Ok(());
                    }
                    if on_frame(place, walker.frame()).is_break() {
                        return Ok(());
                    }
                    if header.is_seal() {
                        self.count(&Run::of_one(&header, place), &walker);
                        continue;
                    }
                    let run = walker.run_on(header, self.limits(&header, options), &mut *on_frame);
                    self.count(&run, &walker);
                    if self.is_in_snapshots_way(&run) {
                        return Ok(());
                    }
                    if options.chain && self.chain_fault(&run, &mut walker, &mut block_start) {
                        return Ok(());
                    }
                    if run.is_broken_off {
                        return Ok(());
                    }
                }
                Step::End(place) => break (place, "zeros where a frame should be"),
                Step::Bad(place, reason) => break (place, reason),
            }
        };
        if walker.activation().is_some()
            && self.usage.last().is_none_or(|usage| usage.number != place.segment)
            && walker.place().segment == place.segment
        {
            // The writer had gone over to it, and brought no frame there: it goes on there and not in the one before.
            self.enter(&walker);
            if self.is_activation_false(&walker, self.next_sequence, options) {
                return Ok(());
            }
        }
        self.judge(dir, place, reason, options)
    }

    /// Takes note of the segment that the walk has come to.
    fn enter(&mut self, walker: &Walker) {
        let segment = walker.segment();
        if let Some((offset, text)) = segment.fault {
            self.notes.push(Note { path: segment.path.clone(), offset, text });
        }
        let Some(activation) = walker.activation() else {
            return;
        };
        if self.usage.is_empty() {
            self.first_sequence = activation.first_sequence;
            self.next_sequence = activation.first_sequence;
        }
        self.epoch = activation.epoch;
        self.usage.push(Usage {
            number: segment.number,
            first_sequence: activation.first_sequence,
            last_sequence: Sequence(activation.first_sequence.0.saturating_sub(1)),
            frames: 0,
            end: crate::format::FRAMES_OFFSET as u64,
            size: segment.size(),
            is_compressed: segment.compressed().is_some(),
        });
    }

    fn count(&mut self, run: &Run, walker: &Walker) {
        self.next_sequence = run.last_sequence.next();
        self.epoch = run.epoch;
        self.end = walker.place();
        self.sealed = run.frames == 0;
        self.last_time = self.last_time.max(run.last_time);
        let usage = self.usage.last_mut().expect("a frame lies in a segment that was entered");
        usage.end = self.end.offset;
        usage.last_sequence = run.last_sequence;
        usage.frames += run.frames;
        self.frames += run.frames;
    }

    /// How far frames may be taken in behind `first` before something is compared: to the end of its block, to the head
    /// in the durable file, or to a snapshot.
    fn limits(&self, first: &FrameHeader, options: ScanOptions) -> RunLimits {
        let from = first.first_sequence;
        let block = Sequence(from.0.next_multiple_of(RECORDS_PER_BLOCK));
        let mark = self.stored_mark.mark.map(|mark| mark.chain.through);
        let snapshots = self.snapshots.iter().map(|snapshot| snapshot.sequence);
        let stop = snapshots.chain(mark).filter(|through| *through >= from).fold(block, Sequence::min);
        let bound = options.bound.unwrap_or(Sequence(u64::MAX));
        RunLimits { stop, bound, clear_timing: options.chain, payloads: options.payloads }
    }

    /// Whether the head in the activation page is another than ours; before `sequence`, which is then the damage.
    fn is_activation_false(&mut self, walker: &Walker, sequence: Sequence, options: ScanOptions) -> bool {
        let Some(activation) = walker.activation().filter(|_| options.chain) else {
            return false;
        };
        let first = self.anchor.through.0 / RECORDS_PER_BLOCK;
        let is_false = match (activation.chain_through.0 / RECORDS_PER_BLOCK).checked_sub(first) {
            Some(0) => activation.head != self.anchor.head.0,
            Some(count) => {
                let index = usize::try_from(count - 1).unwrap_or(usize::MAX);
                self.heads.get(index) != Some(&activation.head)
            }
            // A head from before the pass, which only the file may know.
            None => match activation.chain_through {
                Sequence::NONE => activation.head != [0; 32],
                through => {
                    self.stored_heads.head_through(through).is_some_and(|head| head != activation.head)
                }
            },
        };
        if is_false {
            let place = Place { segment: walker.place().segment, offset: ACTIVATION_OFFSET as u64 };
            let reason = "the chain differs from the head in the activation page";
            self.verdict = Verdict::Damaged(Damage { place, sequence, reason, witness: None });
        }
        is_false
    }

    /// Hashes frames, of which only the last may reach what is compared; whether a stored head says something else.
    fn chain_fault(&mut self, run: &Run, walker: &mut Walker, block_start: &mut Place) -> bool {
        let (heads, stored, snapshots) = (&mut self.heads, &self.stored_heads, &self.snapshots);
        let mut fault = None;
        let (frames, last) = walker.run_bytes(run);
        self.chain.push_cleared(frames, last, |block| {
            let first = Sequence(block.through.0 + 1 - RECORDS_PER_BLOCK);
            let is_differing = |of: &SnapshotHeader| of.block.through == block.through && of.block != block;
            if stored.head_through(block.through).is_some_and(|head| head != block.head.0) {
                fault = fault.or(Some((first, "the chain differs from HEADS")));
            } else if snapshots.iter().any(is_differing) {
                fault = fault.or(Some((first, "the chain differs from the head of a block in a snapshot")));
            }
            heads.push(block.head.0);
        });
        if let Some(mark) = self.stored_mark.mark.filter(|_| fault.is_none())
            && self.head_at(mark.chain.through).is_some_and(|head| head != mark.chain)
        {
            fault = Some((run.last_first, "the chain differs from the head in the durable file"));
        }
        let ends_here = self.snapshots.iter().find(|snapshot| snapshot.sequence == run.last_sequence);
        if let Some(snapshot) = ends_here
            && fault.is_none()
            && self.chain.through() == snapshot.sequence
            && self.chain.head().head != snapshot.head
        {
            fault = Some((run.last_first, "the chain differs from the head in a snapshot"));
        }
        if let Some((sequence, reason)) = fault {
            self.verdict = Verdict::Damaged(Damage { place: *block_start, sequence, reason, witness: None });
            return true;
        }
        if self.chain.last_block().through >= run.last_first {
            *block_start = run.last_place;
        }
        false
    }

    /// Whether a snapshot ends inside the last frame that was taken in.
    fn is_in_snapshots_way(&mut self, run: &Run) -> bool {
        let inside = run.last_first..run.last_sequence;
        let found = self.snapshots.iter().find(|snapshot| inside.contains(&snapshot.sequence));
        if let Some(snapshot) = found {
            let (place, sequence) = (run.last_place, snapshot.sequence);
            let reason = "a snapshot ends inside a frame";
            self.verdict = Verdict::Damaged(Damage { place, sequence, reason, witness: None });
            return true;
        }
        false
    }

    /// The head through `through`, if the chain has just got there.
    fn head_at(&self, through: Sequence) -> Option<ChainHead> {
        let block = self.chain.last_block();
        if through == Sequence::NONE {
            None
        } else if through == block.through {
            Some(block)
        } else {
            (through == self.chain.through()).then(|| self.chain.head())
        }
    }

    fn note_unused(&mut self, dir: &Path) -> Result<(), FileError> {
        let used = self.usage.last().map_or(0, |usage| usage.number);
        for number in self.numbers.iter().copied().filter(|number| *number > used) {
            if let Opened::Segment(SegmentFile { path, fault: Some((offset, text)), .. }) =
                SegmentFile::open(dir, number)?
            {
                self.notes.push(Note { path, offset, text });
            }
        }
        Ok(())
    }

    /// Says what the end of the walk is.
    fn judge(
        &mut self,
        dir: &Path,
        place: Place,
        reason: &'static str,
        options: ScanOptions,
    ) -> Result<(), FileError> {
        self.end = place;
        let sequence = self.next_sequence;
        let damage = |witness| Verdict::Damaged(Damage { place, sequence, reason, witness: Some(witness) });
        if let Some(written_through) = options.bound {
            self.verdict = damage(Witness::Writer { written_through });
            return Ok(());
        }
        self.note_unused(dir)?;
        let unknown = |reason| Verdict::Damaged(Damage { place, sequence, reason, witness: None });
        if is_untold(reason) {
            self.verdict = unknown(reason);
            return Ok(());
        }
        let looked = torn::remains(dir, self.journal, place, &self.numbers)
            .and_then(|remains| Ok((torn::witness(dir, &self.known(), &remains, sequence)?, remains)));
        let (witness, remains) = match looked {
            Err(error) if fault_of(&error.source) == Some(BAD_SECTOR) => {
                self.verdict = unknown(BAD_SECTOR);
                return Ok(());
            }
            looked => looked?,
        };
        self.verdict = if let Some(witness) = witness {
            damage(witness)
        } else if remains.is_empty() {
            Verdict::Whole
        } else if self.stored_mark.fault == Some(UNKNOWN_FORMAT) {
            // A newer build may have been told of it.
            unknown(UNKNOWN_FORMAT)
        } else {
            Verdict::Torn { reason, remains }
        };
        Ok(())
    }
}
