//! Which segments of a journal may go, and why each of the others stays.
//!
//! A segment goes only when every dependant is past it: both kept snapshots, with the block of the hash chain that each
//! goes on from; everybody in the register, holds among them; and its age. Oldest first: once one stays, all stay.
//! Without two good snapshots nothing goes, as one that turns out bad must have another behind it.
//! Units: sequences are inclusive; times are stamps of frames, in nanoseconds since 1970.

pub(crate) mod register;

use self::register::{BadDependant, Dependant, DependantKind, RegisterError, list_dependants};
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::files;
use crate::first::FirstKept;
use crate::format::{self, FRAME_HEADER_SIZE, FRAMES_OFFSET, FrameHeader, JournalId};
use crate::keeper::{self, Keep, KeepError, Sealed};
use crate::segment::{Opened, SegmentFile, is_damage};
use crate::snapshot::{self, SnapshotError, SnapshotHeader};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tickwerk_domain::{Sequence, TimeNs};

/// Snapshots that must be good before anything goes.
pub const SNAPSHOTS_NEEDED: usize = 2;

/// What may go at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionRule {
    /// Segments with a record that is younger than this stay.
    pub keep: Option<Duration>,
    /// The time it is.
    pub now: TimeNs,
}

/// What happens to one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The segment.
    pub number: u64,
    /// Its first record; 0 where it has none.
    pub first_sequence: Sequence,
    /// Its last record; 0 where it is not sealed.
    pub last_sequence: Sequence,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Whether it goes.
    pub goes: bool,
    /// Why it stays, or why it may go. Never empty.
    pub reasons: Vec<String>,
}

/// What would go, and what stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetentionPlan {
    /// Which journal.
    pub journal: JournalId,
    /// All segments in order.
    pub segments: Vec<Decision>,
    /// The register.
    pub dependants: Vec<Dependant>,
    /// The snapshots that are good, newest first: the last record in each, and the first record that it needs.
    pub snapshots: Vec<(Sequence, Sequence)>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl RetentionPlan {
    /// Bytes that the disk gets back.
    pub fn freed_bytes(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.goes).map(|segment| segment.bytes).sum()
    }
}

/// Says what may go of the journal in `dir`. Changes nothing; works beside a daemon.
pub fn plan_retention(dir: &Path, rule: RetentionRule) -> Result<RetentionPlan, KeepError> {
    let numbers = directory::list_segments(dir)?;
    let Some(journal) = crate::beginning::journal_id(dir).filter(|_| !numbers.is_empty()) else {
        return Err(KeepError::NoJournal { dir: dir.to_owned() });
    };
    let sealed = keeper::sealed(dir)?;
    let (snapshots, mut notes) = snapshots(dir, journal)?;
    let (dependants, bad) = list_dependants(dir)?;
    notes.extend(bad.iter().map(|(path, reason)| format!("{}: {reason}; everything stays", path.display())));
    let needs = needs(&snapshots, &dependants, &bad);
    let durable = keeper::known_durable(dir, journal)?;
    let mut segments = Vec::new();
    let mut stays_before = None;
    for number in numbers {
        let path = directory::stored_path(dir, number);
        let mut decision = Decision {
            number,
            first_sequence: Sequence::NONE,
            last_sequence: Sequence::NONE,
            bytes: files::length(&path)?,
            goes: false,
            reasons: Vec::new(),
        };
        match sealed.iter().find(|segment| segment.number == number) {
            Some(segment) => {
                decision.first_sequence = segment.first_sequence;
                decision.last_sequence = segment.last_sequence;
                decision.reasons = keeping(dir, segment, &needs, durable, rule)?;
            }
            None => decision.reasons.push(unsealed(dir, number)?.to_owned()),
        }
        if let Some(before) = stays_before {
            decision.reasons.push(format!("segment {before} before it stays"));
        }
        if decision.reasons.is_empty() {
            decision.goes = true;
            decision.reasons.push(going(&decision, &needs));
        } else if stays_before.is_none() {
            stays_before = Some(number);
        }
        segments.push(decision);
    }
    let snapshots = snapshots.iter().map(|header| (header.sequence, header.block.through.next())).collect();
    Ok(RetentionPlan { journal, segments, dependants, snapshots, notes })
}

/// Removes what [`plan_retention`] says may go, oldest first; gives the plan that was carried out.
///
/// The plan is made anew under the lock of upkeep, so that nothing that was said meanwhile is passed over.
pub fn apply_retention(dir: &Path, rule: RetentionRule) -> Result<RetentionPlan, KeepError> {
    let _keeper = keeper::lock(dir, Keep::Change)?;
    let plan = plan_retention(dir, rule)?;
    let first = plan.segments.iter().find(|segment| !segment.goes);
    let Some(first) = first.filter(|_| plan.segments.first().is_some_and(|segment| segment.goes)) else {
        return Ok(plan);
    };
    let kept = FirstKept { journal: plan.journal, segment: first.number, sequence: first.first_sequence };
    kept.write(dir)?;
    for segment in plan.segments.iter().filter(|segment| segment.goes) {
        let forms =
            [directory::segment_path(dir, segment.number), directory::compressed_path(dir, segment.number)];
        reach(Failpoint::RetainRemove);
        for path in forms {
            files::remove_if_there(&path)?;
        }
        reach(Failpoint::RetainDirSync);
        // One after another also on the disk, so that a crash leaves no hole.
        directory::sync_dir(dir)?;
    }
    Ok(plan)
}

/// Somebody who needs records from one on, and how that is told.
struct Need {
    from: Sequence,
    text: String,
}

fn needs(snapshots: &[SnapshotHeader], dependants: &[Dependant], bad: &[BadDependant]) -> Vec<Need> {
    let mut needs = Vec::new();
    if snapshots.len() < SNAPSHOTS_NEEDED {
        let found = snapshots.len();
        let text = format!(
            "{found} good snapshots are there and {SNAPSHOTS_NEEDED} are needed: take one with `tickwerk snapshot`"
        );
        needs.push(Need { from: Sequence::FIRST, text });
    }
    for header in snapshots {
        let from = header.block.through.next();
        let text = format!(
            "the snapshot at {} goes on from record {from}, where its block of the hash chain starts",
            header.sequence
        );
        needs.push(Need { from, text });
    }
    for Dependant { name, kind, through, .. } in dependants {
        let text = match kind {
            DependantKind::Reader => format!("{name} has read through {through} only"),
            DependantKind::Hold => format!("held by {name} from record {} on", through.next()),
        };
        needs.push(Need { from: through.next(), text });
    }
    for (path, reason) in bad {
        let text = format!("{} cannot be read: {reason}", files::name_of(path));
        needs.push(Need { from: Sequence::FIRST, text });
    }
    needs
}

/// Everything that keeps a sealed segment.
fn keeping(
    dir: &Path,
    segment: &Sealed,
    needs: &[Need],
    durable: Sequence,
    rule: RetentionRule,
) -> Result<Vec<String>, FileError> {
    let needed = needs.iter().filter(|need| need.from <= segment.last_sequence);
    let mut reasons: Vec<String> = needed.map(|need| need.text.clone()).collect();
    if durable <= segment.last_sequence {
        reasons.push("what follows it is not known to be durable".to_owned());
    }
    if let Some(keep) = rule.keep {
        let youngest = first_time(dir, segment.number + 1)?;
        let keep_ns = u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX);
        match youngest {
            Some(time) if rule.now.0.saturating_sub(time.0) >= keep_ns => {}
            Some(_) => reasons.push(format!("it has records that are younger than {}", days(keep))),
            None => reasons.push("its age cannot be told".to_owned()),
        }
    }
    Ok(reasons)
}

fn days(keep: Duration) -> String {
    let seconds = keep.as_secs();
    match (seconds % 86_400, seconds % 3_600) {
        (0, _) => format!("{} d", seconds / 86_400),
        (_, 0) => format!("{} h", seconds / 3_600),
        _ => format!("{seconds} s"),
    }
}

fn going(decision: &Decision, needs: &[Need]) -> String {
    let first_needed = needs.iter().map(|need| need.from).min().unwrap_or(Sequence::NONE);
    format!("nobody needs a record before {first_needed}, and its last is {}", decision.last_sequence)
}

/// Why a segment that is not sealed stays.
fn unsealed(dir: &Path, number: u64) -> Result<&'static str, FileError> {
    Ok(match SegmentFile::open(dir, number)? {
        Opened::Segment(segment) => match segment.activity()? {
            crate::segment::Activity::Prepared => "it is prepared for the writer",
            crate::segment::Activity::Active(_) => "the writer is at it, or was last",
            crate::segment::Activity::Bad(_) => "its activation page cannot be read",
        },
        Opened::Missing => "it is missing",
        Opened::Bad(_) => "it cannot be read",
    })
}

/// Holds everything from now on, as `dependant` says: a retention under way has ended when this is told.
pub fn hold(dir: &Path, dependant: &Dependant) -> Result<(), KeepError> {
    let _keeper = keeper::lock(dir, Keep::Change)?;
    register::write_dependant(dir, dependant).map_err(|error| match error {
        RegisterError::File(error) => error.into(),
        RegisterError::Name(_) => KeepError::Refused(error.to_string()),
    })
}

/// The stamp of the first frame of a segment: the youngest that the segment before can have.
fn first_time(dir: &Path, number: u64) -> Result<Option<TimeNs>, FileError> {
    let Opened::Segment(segment) = SegmentFile::open(dir, number)? else {
        return Ok(None);
    };
    let mut bytes = [0; FRAME_HEADER_SIZE];
    match segment.content.read_at(&mut bytes, FRAMES_OFFSET as u64) {
        Err(error) if is_damage(&error) => return Ok(None),
        read => read.map_err(failed("read", &segment.path))?,
    };
    Ok(format::plausible_length(&bytes).map(|_| FrameHeader::read(&bytes).time_ns))
}

/// The snapshots that are good, newest first, and what is wrong with the others.
fn snapshots(dir: &Path, journal: JournalId) -> Result<(Vec<SnapshotHeader>, Vec<String>), FileError> {
    let (mut good, mut notes) = (Vec::new(), Vec::new());
    let note = |path: PathBuf, reason: &str| format!("{}: {reason}; it counts as not there", path.display());
    for file in snapshot::list_snapshots(dir)? {
        match snapshot::read_snapshot(&file.path) {
            Ok(found) if found.header.journal == journal => good.push(found.header),
            Ok(_) => notes.push(note(file.path, "it is of another journal")),
            Err(SnapshotError::Bad(reason)) => notes.push(note(file.path, reason)),
            Err(SnapshotError::File(error)) => return Err(error),
        }
    }
    Ok((good, notes))
}
