//! Mends a damaged journal, from a second copy or by a cut that was asked for by its number.
//!
//! Invariant: nothing is changed before the result is proven: it is made beside the journal, in `repair.work`, and read
//! there by the same scan that recovery uses, against the same witnesses. What is replaced keeps its bytes under
//! `….damaged-<n>`. Each file is replaced by one rename; a repair that was cut short may be done again.

use crate::descent::{self, heads_agree};
use crate::directory::{self, FileError, failed};
use crate::durable::DurableFile;
use crate::files;
use crate::first::FirstKept;
use crate::format::{HEADS_ENTRY_SIZE, RECORDS_PER_BLOCK};
use crate::keeper::{self, Keep, KeepError};
use crate::repair::cut as cutting;
use crate::repair::donor::Donor;
use crate::repair::rebuild::{self, Rebuilt};
use crate::repair::{Diagnosis, Examined, examine};
use crate::scan::{self, Scan, ScanOptions, Verdict};
use crate::storage::Lock;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

const WORK: &str = "repair.work";

/// What a repair did, or would do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepairReport {
    /// What was found before.
    pub diagnosis: Diagnosis,
    /// The copy that was taken from; `None` in a cut.
    pub copy: Option<PathBuf>,
    /// It was done, and not only tried.
    pub is_applied: bool,
    /// Segments that were made again.
    pub segments: Vec<u64>,
    /// Records that came from the copy.
    pub restored: u64,
    /// The last record of the journal afterwards.
    pub through: Sequence,
    /// Records that are lost, first and last; `None` where nothing is. Where a copy alone says from where on the journal is
    /// kept, those before: nobody else knows whether they were let go.
    pub lost: Option<(Sequence, Sequence)>,
    /// Where the bytes that were replaced lie now.
    pub set_aside: Vec<PathBuf>,
}

/// A file to be replaced; without a replacement it is only set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) target: PathBuf,
    pub(crate) replacement: Option<PathBuf>,
}

/// Restores what is damaged in the journal `dir` from the second copy `from`; with `apply`, and otherwise only tries it.
pub fn repair_from(dir: &Path, from: &Path, apply: bool) -> Result<RepairReport, KeepError> {
    let _keeper = keeper::lock(dir, Keep::Change)?;
    let mut examined = examine(dir, None)?;
    let mut report = report_of(&examined);
    if examined.diagnosis.is_healthy() {
        return Ok(report);
    }
    let mut donor = Donor::open(from)?;
    refuse_itself(dir, &donor)?;
    if examined.scan.usage.is_empty() {
        // Not even the beginning is known; the copy may tell.
        examined = examine(dir, Some(&donor))?;
        report = report_of(&examined);
    }
    report.copy = Some(donor.dir.clone());
    check_descent(&examined, &donor)?;
    let work = Work::create(dir)?;
    let rebuilt = rebuild::rebuild(dir, &work.path, &examined, &mut donor)?;
    if let Some(sequence) = rebuilt.lacking {
        return Err(KeepError::Refused(format!(
            "record {sequence} is damaged and the copy {} {}; give a copy that has it, or cut; nothing was changed",
            donor.dir.display(),
            donor.extent()
        )));
    }
    link_beside(dir, &work.path, &examined, &donor)?;
    let (scan, distrusted) = prove(&work.path, &examined, &donor)?;
    report.segments.clone_from(&rebuilt.segments);
    report.restored = rebuilt.restored;
    report.through = Sequence(scan.next_sequence.0.saturating_sub(1));
    report.lost = examined.not_in_copy();
    if apply {
        let changes = changes(dir, &work.path, &examined, &rebuilt, &distrusted)?;
        let _writer = exclude_writer(dir, &examined, &rebuilt)?;
        report.set_aside = carry_out(dir, &changes)?;
        report.is_applied = true;
    }
    work.remove()?;
    Ok(report)
}

/// Cuts a damaged journal behind the record `lose_after`, which must be the last before the first damage.
pub fn repair_cut(dir: &Path, lose_after: Sequence, apply: bool) -> Result<RepairReport, KeepError> {
    let _keeper = keeper::lock(dir, Keep::Change)?;
    let examined = examine(dir, None)?;
    let mut report = report_of(&examined);
    if examined.diagnosis.is_healthy() {
        return Ok(report);
    }
    let Diagnosis { good_through, known_through, .. } = examined.diagnosis;
    if lose_after != good_through {
        return Err(KeepError::Refused(format!(
            "a cut behind {lose_after} is not what the damage asks for: the last record before it is {good_through}"
        )));
    }
    let _writer = directory::lock(dir)?.ok_or_else(|| KeepError::Live { dir: dir.to_owned() })?;
    let work = Work::create(dir)?;
    let changes = cutting::prepare(dir, &work.path, &examined)?;
    let scan = look(&work.path)?;
    let through = Sequence(scan.next_sequence.0.saturating_sub(1));
    if !matches!(scan.verdict, Verdict::Whole) || through != lose_after {
        let reason = verdict_text(&scan);
        return Err(KeepError::Refused(format!(
            "a cut journal would not be whole: {reason}; nothing was changed"
        )));
    }
    report.through = lose_after;
    report.lost = (known_through > lose_after).then_some((lose_after.next(), known_through));
    if apply {
        report.set_aside = carry_out(dir, &changes)?;
        report.is_applied = true;
    }
    work.remove()?;
    Ok(report)
}

fn report_of(examined: &Examined) -> RepairReport {
    RepairReport {
        diagnosis: examined.diagnosis.clone(),
        copy: None,
        is_applied: false,
        segments: Vec::new(),
        restored: 0,
        through: examined.diagnosis.good_through,
        lost: None,
        set_aside: Vec::new(),
    }
}

/// A repair beside a daemon may touch only segments that the daemon is done with.
fn exclude_writer(dir: &Path, examined: &Examined, rebuilt: &Rebuilt) -> Result<Option<Lock>, KeepError> {
    if let Some(lock) = directory::lock(dir)? {
        return Ok(Some(lock));
    }
    let used = examined.surveys.iter().filter(|survey| survey.is_used());
    let active = used.map(|survey| survey.number).max().unwrap_or(0);
    let is_sealed = rebuilt.segments.iter().chain(&rebuilt.dropped).all(|number| *number < active);
    if is_sealed { Ok(None) } else { Err(KeepError::Live { dir: dir.to_owned() }) }
}

/// The directory in which a repair is made; removed when it is done or given up.
struct Work {
    path: PathBuf,
}

impl Work {
    fn create(dir: &Path) -> Result<Self, FileError> {
        let path = dir.join(WORK);
        files::remove_tree(&path)?;
        std::fs::create_dir(&path).map_err(failed("create the directory", &path))?;
        Ok(Self { path })
    }

    fn remove(self) -> Result<(), FileError> {
        files::remove_tree(&self.path)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        drop(files::remove_tree(&self.path));
    }
}

/// Nothing can be proven by itself.
fn refuse_itself(dir: &Path, donor: &Donor) -> Result<(), KeepError> {
    let real = |path: &Path| path.canonicalize().map_err(failed("look at", path));
    if real(dir)? == real(&donor.dir)? {
        return Err(KeepError::Refused(format!(
            "the copy {} is the journal itself; give a second copy, or cut; nothing was changed",
            donor.dir.display()
        )));
    }
    Ok(())
}

/// Whether the copy is of this journal: all that both know before the damage is the same.
fn check_descent(examined: &Examined, donor: &Donor) -> Result<(), KeepError> {
    let (scan, good) = (&examined.scan, examined.diagnosis.good_through);
    let refused = |why: &str| {
        let dir = donor.dir.display();
        Err(KeepError::Refused(format!("the copy {dir} {why}; nothing was changed")))
    };
    if !heads_agree(scan, &donor.scan, good) {
        return refused("has another history: its hash chain differs before the damage");
    }
    let own = scan.chain.head();
    let mut is_proven = !scan.heads.is_empty() && donor.scan.anchor.through < own.through;
    if own.through == good && good > Sequence::NONE {
        match donor.head_at(good)? {
            Some(head) if head == own => is_proven = true,
            Some(_) => return refused("has another history: its hash chain differs before the damage"),
            None => {}
        }
    }
    if !donor.is_of(examined.diagnosis.journal) && !is_proven {
        return refused(
            "is of another journal, and no head of the hash chain says that it has the same history",
        );
    }
    Ok(())
}

/// Links everything beside the segments that may be a witness. `FIRST` is made again where it cannot be believed, and `HEADS`
/// taken from the copy where it is missing and everything else comes from there, too.
fn link_beside(dir: &Path, work: &Path, examined: &Examined, donor: &Donor) -> Result<(), FileError> {
    for path in files::list(dir)? {
        let name = files::name_of(&path);
        let is_witness = [directory::DURABLE, directory::HEADS].contains(&name)
            || directory::snapshot_sequence(name).is_some()
            || directory::is_dependant(name);
        if is_witness {
            std::fs::hard_link(&path, work.join(name)).map_err(failed("link", &path))?;
        }
    }
    let (heads, theirs) = (work.join(directory::HEADS), donor.dir.join(directory::HEADS));
    let is_all_theirs = donor.is_of(examined.diagnosis.journal) && !examined.has_frames();
    if is_all_theirs && !heads.exists() && theirs.exists() {
        let length = files::length(&theirs)?;
        files::copy_start(&theirs, &heads, length, length)?;
    }
    examined.kept.map_or(Ok(()), |kept| kept.write(work))
}

fn look(dir: &Path) -> Result<Scan, FileError> {
    let options = ScanOptions { chain: true, bound: None, from: None, payloads: false };
    scan::scan(dir, directory::list_segments(dir)?, options, &mut |_, _| ControlFlow::Continue(()))
}

fn verdict_text(scan: &Scan) -> String {
    match &scan.verdict {
        Verdict::Whole => format!("it ends at {}", scan.next_sequence.0.saturating_sub(1)),
        Verdict::Torn { reason, .. } => format!("{}: {reason}", scan.end),
        Verdict::Damaged(damage) => {
            let witness = damage.witness.map_or_else(String::new, |witness| format!(" ({witness})"));
            format!("{}: {}{witness}", damage.place, damage.reason)
        }
    }
}

/// Reads what was made; gives the pass and the files beside the segments that it speaks against.
///
/// Where all frames are those of the copy and only `HEADS` or `durable` tells another chain, that file is at fault: frames of
/// the journal's own have the chain of the copy. Without any, it is the copy that is of another history.
fn prove(work: &Path, examined: &Examined, donor: &Donor) -> Result<(Scan, Vec<&'static str>), KeepError> {
    let mut distrusted = Vec::new();
    let mut scan = look(work)?;
    for name in [directory::HEADS, directory::DURABLE] {
        let is_chain = matches!(&scan.verdict, Verdict::Damaged(damage) if damage.witness.is_none());
        if is_chain && examined.has_frames() && work.join(name).exists() {
            files::remove(&work.join(name))?;
            distrusted.push(name);
            scan = look(work)?;
        }
    }
    let known = examined.diagnosis.known_through;
    let through = Sequence(scan.next_sequence.0.saturating_sub(1));
    let is_whole = !matches!(scan.verdict, Verdict::Damaged(_)) && through >= known;
    let is_covered = distrusted.is_empty() || donor.through() >= examined.diagnosis.findings[0].last_sequence;
    if is_whole && is_covered && is_equal(work, &scan, donor)? {
        return Ok((scan, distrusted));
    }
    let why =
        if is_whole { "its hash chain differs from the copy's".to_owned() } else { verdict_text(&scan) };
    Err(KeepError::Refused(format!(
        "with what the copy {} has the journal would still not be whole: {why}; nothing was changed",
        donor.dir.display()
    )))
}

/// Whether what was made is, as far as it and the copy reach, what the copy holds.
fn is_equal(made: &Path, scan: &Scan, donor: &Donor) -> Result<bool, KeepError> {
    let through = Sequence(scan.next_sequence.0.saturating_sub(1)).min(donor.through());
    let (ours, theirs) = (descent::head_at(made, scan, through)?, donor.head_at(through)?);
    let ends_equal = ours.zip(theirs).is_none_or(|(ours, theirs)| ours == theirs);
    Ok(ends_equal && heads_agree(scan, &donor.scan, through))
}

fn changes(
    dir: &Path,
    work: &Path,
    examined: &Examined,
    rebuilt: &Rebuilt,
    distrusted: &[&str],
) -> Result<Vec<Change>, FileError> {
    let mut changes = Vec::new();
    let first = dir.join(directory::FIRST);
    if FirstKept::of(dir, examined.diagnosis.journal)?.is_none()
        && (first.exists() || examined.kept.is_some())
    {
        let replacement = examined.kept.map(|_| work.join(directory::FIRST));
        changes.push(Change { target: first, replacement });
    }
    // The last one first: until the first damaged one is in its place the journal is refused, and never one that seems whole.
    for number in rebuilt.segments.iter().rev() {
        let target = directory::segment_path(dir, *number);
        changes.push(Change { target, replacement: Some(directory::segment_path(work, *number)) });
        changes.push(Change { target: directory::compressed_path(dir, *number), replacement: None });
    }
    let (heads, made) = (dir.join(directory::HEADS), work.join(directory::HEADS));
    if made.exists() && !heads.exists() {
        changes.insert(0, Change { target: heads, replacement: Some(made) });
    }
    for number in &rebuilt.dropped {
        changes.push(Change { target: directory::stored_path(dir, *number), replacement: None });
    }
    changes.extend(distrusted.iter().map(|name| Change { target: dir.join(name), replacement: None }));
    Ok(changes)
}

/// Sets aside and replaces; gives where the old bytes lie.
fn carry_out(dir: &Path, changes: &[Change]) -> Result<Vec<PathBuf>, FileError> {
    let mut set_aside = Vec::new();
    for Change { target, replacement } in changes {
        let aside = files::aside(target);
        let is_there = target.exists();
        if is_there {
            set_aside.push(aside.clone());
        }
        match replacement {
            Some(replacement) => {
                if is_there {
                    std::fs::hard_link(target, &aside).map_err(failed("keep", target))?;
                    directory::sync_dir(dir)?;
                }
                files::rename(replacement, target)?;
            }
            None if is_there => files::rename(target, &aside)?,
            None => {}
        }
        directory::sync_dir(dir)?;
    }
    Ok(set_aside)
}

/// New files beside the segments of a journal that ends at `scan`: what is durable, and the heads so far.
pub(crate) fn write_beside(
    dir: &Path,
    work: &Path,
    scan: &Scan,
    through: Sequence,
    generation: u64,
) -> Result<(), FileError> {
    let heads = dir.join(directory::HEADS);
    if heads.exists() {
        let length = files::length(&heads)?.min(through.0 / RECORDS_PER_BLOCK * HEADS_ENTRY_SIZE as u64);
        files::copy_start(&heads, &work.join(directory::HEADS), length, length)?;
    }
    let block = scan.chain.last_block();
    DurableFile::open(work, scan.journal, generation)?.write(through, block, false)
}
