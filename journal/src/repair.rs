//! Names what is damaged in a journal and what each way out of it would lose.
//!
//! A way out is a second copy ([`repair_from`](crate::repair_from)) or a cut before the damage
//! ([`repair_cut`](crate::repair::cut)). Looking changes nothing. A torn tail is no damage: recovery cuts it by itself.
//! Units: sequences are inclusive; offsets count from the start of a segment's plain file.

pub(crate) mod apply;
mod cut;
mod donor;
mod findings;
mod rebuild;
mod survey;

use self::donor::Donor;
use self::findings::findings;
use self::survey::Survey;
use crate::beginning;
use crate::directory;
use crate::first::FirstKept;
use crate::format::{JournalId, UNKNOWN_FORMAT};
use crate::heads;
use crate::keeper::KeepError;
use crate::reader::Place;
use crate::scan::{self, Damage, Scan, ScanOptions, Verdict};
use crate::segment::{Opened, SegmentFile};
use crate::snapshot;
use crate::tail;
use crate::torn::Witness;
use std::ops::ControlFlow;
use std::path::Path;
use tickwerk_domain::Sequence;

/// A run of bytes that is not what was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Segment.
    pub segment: u64,
    /// Where it starts.
    pub offset: u64,
    /// The next place that can be read; `None` where nothing after it can, in this segment.
    pub end: Option<u64>,
    /// The first record that is missing.
    pub first_sequence: Sequence,
    /// The last record that is missing; before the first where only a seal or a page is damaged.
    pub last_sequence: Sequence,
    /// What is wrong.
    pub reason: &'static str,
    /// Who knows that something should be there; `None` where the damage speaks for itself.
    pub witness: Option<Witness>,
}

/// What a damaged journal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    /// Which journal.
    pub journal: JournalId,
    /// A daemon writes to it; what it has written by now was looked at.
    pub is_live: bool,
    /// Nothing if it is whole.
    pub findings: Vec<Finding>,
    /// The last record before the first damage.
    pub good_through: Sequence,
    /// The last record that anybody knows of: the frames, the `durable` file, `HEADS`, snapshots, the writer.
    pub known_through: Sequence,
    /// Records behind the first damage that can still be read, and would be lost by a cut.
    pub readable_behind: u64,
    /// What is not as it was written but takes nothing away; the next start mends it.
    pub notes: Vec<String>,
}

impl Diagnosis {
    /// Whether nothing that was acknowledged is damaged.
    pub fn is_healthy(&self) -> bool {
        self.findings.is_empty()
    }
}

/// All that is known of a journal, for those who mend it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) diagnosis: Diagnosis,
    pub(crate) scan: Scan,
    /// Where the journal is kept from, where it is not from its beginning.
    pub(crate) kept: Option<FirstKept>,
    /// That is what a copy says.
    pub(crate) is_kept_by_copy: bool,
    /// Segments from the first damaged one on; empty where there is no damage.
    pub(crate) surveys: Vec<Survey>,
}

impl Examined {
    /// Whether the journal has frames of its own that can be read.
    pub(crate) fn has_frames(&self) -> bool {
        !self.scan.usage.is_empty() || self.surveys.iter().any(|survey| !survey.frames.is_empty())
    }

    /// Records before the first that a copy has, where it alone says that the others were let go.
    pub(crate) fn not_in_copy(&self) -> Option<(Sequence, Sequence)> {
        let kept = self.kept.filter(|kept| self.is_kept_by_copy && kept.sequence > Sequence::FIRST)?;
        Some((Sequence::FIRST, Sequence(kept.sequence.0 - 1)))
    }
}

/// Looks at the journal in `dir`.
pub fn diagnose(dir: &Path) -> Result<Diagnosis, KeepError> {
    Ok(examine(dir, None)?.diagnosis)
}

/// Looks; what the journal itself does not tell any more (its id, where it is kept from) is told by `copy`.
pub(crate) fn examine(dir: &Path, copy: Option<&Donor>) -> Result<Examined, KeepError> {
    let bound = tail::live_bound(dir)?;
    let numbers = directory::list_segments(dir)?;
    if numbers.is_empty() && beginning::all_missing(dir)?.is_none() {
        return Err(KeepError::NoJournal { dir: dir.to_owned() });
    }
    let options = ScanOptions { chain: true, bound, from: None, payloads: false };
    let scan = scan::scan(dir, numbers, options, &mut |_, _| ControlFlow::Continue(()))?;
    let journal = journal_of(dir, &scan, copy)?;
    let own = FirstKept::of(dir, journal)?;
    let kept = own.or(kept_by_copy(journal, &scan.numbers, copy)?);
    let is_kept_by_copy = own.is_none() && kept.is_some();
    let mut diagnosis = Diagnosis {
        journal,
        is_live: bound.is_some(),
        findings: Vec::new(),
        good_through: Sequence(scan.next_sequence.0.saturating_sub(1)),
        known_through: Sequence::NONE,
        readable_behind: 0,
        notes: scan.notes.iter().map(ToString::to_string).collect(),
    };
    let Verdict::Damaged(damage) = scan.verdict else {
        diagnosis.known_through = diagnosis.good_through;
        return Ok(Examined { diagnosis, scan, kept, is_kept_by_copy, surveys: Vec::new() });
    };
    if damage.reason == UNKNOWN_FORMAT {
        let (dir, place) = (dir.display(), damage.place);
        let text = format!("{dir}: {place}: {UNKNOWN_FORMAT}; that is no damage: use a build that knows it");
        return Err(KeepError::Refused(text));
    }
    let surveys = survey_all(dir, journal, kept, damage.place, &scan.numbers)?;
    diagnosis.known_through = known_through(dir, &diagnosis, &scan, &surveys, bound)?;
    diagnosis.known_through =
        diagnosis.known_through.max(damage.witness.map_or(Sequence::NONE, Witness::through));
    diagnosis.good_through = good_through(&damage, &scan, &surveys);
    let start = kept.map_or(Sequence::FIRST, |kept| kept.sequence);
    diagnosis.findings = findings(&diagnosis, &damage, &surveys, start);
    let frames = surveys.iter().flat_map(|survey| &survey.frames);
    let behind = frames.filter(|frame| frame.header.first_sequence > diagnosis.good_through);
    diagnosis.readable_behind = behind.map(|frame| u64::from(frame.header.record_count)).sum();
    Ok(Examined { diagnosis, scan, kept, is_kept_by_copy, surveys })
}

/// The last record before the damage, at the end of a frame.
fn good_through(damage: &Damage, scan: &Scan, surveys: &[Survey]) -> Sequence {
    let before_walk = Sequence(scan.next_sequence.0.saturating_sub(1));
    if damage.sequence > before_walk {
        return before_walk;
    }
    // The frames are dense; the chain or a head says that some before the end of the walk are not what was written.
    let here = surveys.iter().find(|survey| survey.number == damage.place.segment);
    let frame =
        here.and_then(|survey| survey.frames.iter().find(|frame| frame.offset == damage.place.offset));
    let first = frame.map_or(damage.sequence, |frame| frame.header.first_sequence.min(damage.sequence));
    Sequence(first.0.saturating_sub(1))
}

/// The id of the journal, from whichever file still tells it.
fn journal_of(dir: &Path, scan: &Scan, copy: Option<&Donor>) -> Result<JournalId, KeepError> {
    if scan.journal.0 != [0; 16] {
        return Ok(scan.journal);
    }
    if let Some(mark) = scan.stored_mark.mark {
        return Ok(mark.journal);
    }
    for number in &scan.numbers {
        if let Opened::Segment(segment) = SegmentFile::open(dir, *number)? {
            return Ok(segment.header.journal);
        }
    }
    if let Some(newest) = snapshot::read_headers(dir, None)?.0.first() {
        return Ok(newest.journal);
    }
    if let Some(Ok(kept)) = FirstKept::read(dir)? {
        return Ok(kept.journal);
    }
    // Heads do not name their journal, but only with its id are their checksums right.
    if let Some(copy) = copy
        && heads::read(dir, copy.scan.journal)?.known_through() > Sequence::NONE
    {
        return Ok(copy.scan.journal);
    }
    Ok(scan.journal)
}

/// Where a copy of the journal says that it is kept from, if that may hold for one with the segments `numbers`.
fn kept_by_copy(
    journal: JournalId,
    numbers: &[u64],
    copy: Option<&Donor>,
) -> Result<Option<FirstKept>, KeepError> {
    let Some(copy) = copy else { return Ok(None) };
    let kept = FirstKept::of(&copy.dir, journal)?;
    Ok(kept.filter(|kept| numbers.first().is_none_or(|first| kept.segment <= *first)))
}

/// Looks at each segment from the damaged one on, those that are missing in between included.
fn survey_all(
    dir: &Path,
    journal: JournalId,
    kept: Option<FirstKept>,
    place: Place,
    numbers: &[u64],
) -> Result<Vec<Survey>, KeepError> {
    let kept = kept.map_or(1, |kept| kept.segment);
    let first = match numbers.first() {
        None => kept,
        Some(first) if place.segment <= *first => kept.min(place.segment.max(1)),
        Some(_) => place.segment,
    };
    let last = numbers.last().copied().unwrap_or(first).max(first);
    let surveys = (first..=last).map(|number| survey::survey(dir, journal, number));
    Ok(surveys.collect::<Result<Vec<Survey>, _>>()?)
}

fn known_through(
    dir: &Path,
    diagnosis: &Diagnosis,
    scan: &Scan,
    surveys: &[Survey],
    bound: Option<Sequence>,
) -> Result<Sequence, KeepError> {
    let journal = diagnosis.journal;
    let mark = scan.stored_mark.mark.filter(|mark| mark.journal == journal);
    let snapshots = snapshot::read_headers(dir, Some(journal))?.0;
    let known = [
        diagnosis.good_through,
        mark.map_or(Sequence::NONE, |mark| mark.durable_through),
        heads::read(dir, journal)?.known_through(),
        snapshots.first().map_or(Sequence::NONE, |newest| newest.sequence),
        surveys.iter().map(Survey::last_known).max().unwrap_or(Sequence::NONE),
        bound.unwrap_or(Sequence::NONE),
    ];
    Ok(known.into_iter().max().unwrap_or(Sequence::NONE))
}
