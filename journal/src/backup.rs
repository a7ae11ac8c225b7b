//! Copies a journal, living or not, into a folder of copies; each copy is a journal of its own that `verify` proves.
//!
//! A copy holds everything up to a durable watermark that was read when it began, so it is consistent whatever the
//! writer does meanwhile. Sealed segments that the newest copy has already are linked to and not copied again. A copy
//! is made under a temporary name, synced, proven against the source by the hash chain, and renamed; only then may
//! older ones go. A source that is damaged is told, and changes nothing.
//! Units: sequences are inclusive. A copy carries the file `BACKUP`, and no daemon opens it: it is restored.

pub(crate) mod restore;
pub(crate) mod set;

use self::set::{CopySet, Manifest, Rotation};
use crate::chain::ChainHead;
use crate::descent;
use crate::directory::{self, FileError};
use crate::durable::DurableFile;
use crate::files;
use crate::format::{HEADS_ENTRY_SIZE, JournalId, RECORDS_PER_BLOCK};
use crate::heads::{self, HeadsFile};
use crate::keeper::{self, Keep, KeepError};
use crate::retention::register;
use crate::scan::{self, Scan, ScanOptions, Usage, Verdict};
use crate::tail;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// By how much the name of a copy may be ahead of the clock before it is told: copies are made in a row, too.
const AHEAD_MAX_SECONDS: u64 = 60;

/// What a backup did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupReport {
    /// Where the copy lies.
    pub copy: PathBuf,
    /// The newest copy held everything already; it was proven again, and nothing was copied.
    pub is_unchanged: bool,
    /// Which journal.
    pub journal: JournalId,
    /// The last record in the copy.
    pub through: Sequence,
    /// The head through it.
    pub chain_head: ChainHead,
    /// Segments that were copied.
    pub copied_segments: u64,
    /// Their bytes, as they lie in the source.
    pub copied_bytes: u64,
    /// Segments that were linked to an older copy.
    pub linked_segments: u64,
    /// Their bytes.
    pub linked_bytes: u64,
    /// Older copies that the rotation removed.
    pub removed: Vec<PathBuf>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Copies the journal in `dir` into the folder of copies `to`, then removes what `rotation` does not keep.
pub fn backup(dir: &Path, to: &Path, rotation: Rotation) -> Result<BackupReport, KeepError> {
    if directory::list_segments(dir)?.is_empty() {
        return Err(KeepError::NoJournal { dir: dir.to_owned() });
    }
    if dir.join(directory::BACKUP).exists() {
        return Err(KeepError::refused(format!("{} is a copy itself; give the journal", dir.display())));
    }
    if lies_in(to, dir) {
        let (to, dir) = (to.display(), dir.display());
        let text = format!("{to} lies in {dir} and would be lost with it; give a folder elsewhere");
        return Err(KeepError::Refused(text));
    }
    let _still = keeper::lock(dir, Keep::Still)?;
    let set = CopySet::open(to)?;
    let source = look(dir)?;
    let through = Sequence(source.next_sequence.0 - 1);
    if source.frames == 0 {
        return Err(KeepError::refused(format!("{} holds no record yet", dir.display())));
    }
    let mut report = BackupReport {
        copy: PathBuf::new(),
        is_unchanged: false,
        journal: source.journal,
        through,
        chain_head: source.chain.head(),
        copied_segments: 0,
        copied_bytes: 0,
        linked_segments: 0,
        linked_bytes: 0,
        removed: Vec::new(),
        notes: source.notes.iter().map(ToString::to_string).collect(),
    };
    if let Verdict::Torn { reason, .. } = &source.verdict {
        report.notes.push(format!("the torn tail at {} ({reason}) is not in the copy", source.end));
    }
    let newest = set.newest(source.journal)?;
    if let Some((path, manifest)) = &newest {
        refuse_fork(dir, &source, path, manifest)?;
    }
    copy_or_keep(dir, &set, &source, newest, &mut report)?;
    report.removed = set.rotate(rotation, &report.copy)?;
    Ok(report)
}

/// A journal that was restored or cut is another one from there on, under the same id: among the older copies, the rotation
/// would take away what only they hold.
fn refuse_fork(dir: &Path, source: &Scan, newest: &Path, manifest: &Manifest) -> Result<(), KeepError> {
    let copied = manifest.chain_head.through;
    let is_same = copied < source.next_sequence
        && match descent::head_at(dir, source, copied)? {
            Some(head) => head == manifest.chain_head,
            // Retention has let go what the head is of; those of whole blocks stay.
            None => {
                let block = Sequence(copied.0 - copied.0 % RECORDS_PER_BLOCK);
                let (ours, theirs) = (&source.stored_heads, heads::read(newest, source.journal)?);
                ours.head_through(block)
                    .zip(theirs.head_through(block))
                    .is_none_or(|(ours, theirs)| ours == theirs)
            }
        };
    if is_same {
        return Ok(());
    }
    Err(KeepError::Refused(format!(
        "the copy {} holds records through {copied} that are not in {}, which was restored or cut since: give another folder",
        newest.display(),
        dir.display()
    )))
}

/// Whether a path, of which the end may not be there yet, lies below a directory.
fn lies_in(path: &Path, dir: &Path) -> bool {
    let there = std::path::absolute(path).ok();
    let there =
        there.as_deref().and_then(|path| path.ancestors().skip(1).find_map(|path| path.canonicalize().ok()));
    there.zip(dir.canonicalize().ok()).is_some_and(|(there, dir)| there.starts_with(dir))
}

fn copy_or_keep(
    dir: &Path,
    set: &CopySet,
    source: &Scan,
    newest: Option<(PathBuf, Manifest)>,
    report: &mut BackupReport,
) -> Result<(), KeepError> {
    if let Some((path, manifest)) = &newest
        && manifest.chain_head == report.chain_head
        && prove(path, source)?.is_ok()
    {
        report.copy.clone_from(path);
        report.is_unchanged = true;
        return Ok(());
    }
    let mut older = newest.map(|(path, _)| path);
    loop {
        let temporary = set.temporary()?;
        let copied = copy_all(dir, &temporary, older.as_deref(), source, report);
        // What is not finished would keep the room that the journal may need.
        let proven = copied
            .and_then(|()| prove(&temporary, source))
            .inspect_err(|_| drop(files::remove_tree(&temporary)))?;
        match proven {
            Ok(()) => {
                let (path, ahead) = set.publish(&temporary)?;
                if ahead > AHEAD_MAX_SECONDS {
                    report.notes.push(format!(
                        "{} is named {ahead} s ahead of the clock, to be the newest; if the clock is right, rename the copies that are ahead",
                        path.display()
                    ));
                }
                report.copy = path;
                return Ok(());
            }
            Err(reason) => {
                files::remove_tree(&temporary)?;
                let Some(older) = older.take() else {
                    return Err(KeepError::Refused(format!(
                        "the copy of {} does not read back as it was written: {reason}; nothing was changed",
                        dir.display()
                    )));
                };
                report.notes.push(format!(
                    "the copy {} has a segment that is not what was written ({reason}); all was copied anew",
                    older.display()
                ));
                let fresh = (0, 0, 0, 0);
                (report.copied_segments, report.copied_bytes, report.linked_segments, report.linked_bytes) =
                    fresh;
            }
        }
    }
}

/// Reads the whole source, up to what is durable.
fn look(dir: &Path) -> Result<Scan, KeepError> {
    let bound = tail::live_marks(dir)?.map(|marks| marks.durable_through);
    let options = ScanOptions { chain: true, bound, from: None, payloads: false };
    let numbers = directory::list_segments(dir)?;
    let scan = scan::scan(dir, numbers, options, &mut |_, _| ControlFlow::Continue(()))?;
    match damage_of(&scan) {
        None => Ok(scan),
        Some((place, sequence, reason)) => Err(KeepError::Damaged {
            dir: dir.to_owned(),
            segment: place.segment,
            offset: place.offset,
            sequence,
            reason: format!("{reason}; no copy was made and none was removed"),
        }),
    }
}

fn damage_of(scan: &Scan) -> Option<(crate::reader::Place, Sequence, String)> {
    let Verdict::Damaged(damage) = &scan.verdict else {
        return None;
    };
    let witness = damage.witness.map_or_else(String::new, |witness| format!(" ({witness})"));
    Some((damage.place, damage.sequence, format!("{}{witness}", damage.reason)))
}

/// Whether the copy in `copy` holds exactly what was read of the source; the inner error says why not.
fn prove(copy: &Path, source: &Scan) -> Result<Result<(), String>, KeepError> {
    let numbers = directory::list_segments(copy)?;
    if numbers.is_empty() {
        return Ok(Err("it holds no segment".to_owned()));
    }
    let options = ScanOptions { chain: true, bound: None, from: None, payloads: false };
    let scan = scan::scan(copy, numbers, options, &mut |_, _| ControlFlow::Continue(()))?;
    if let Some((place, _, reason)) = damage_of(&scan) {
        return Ok(Err(format!("{place}: {reason}")));
    }
    if let Verdict::Torn { reason, .. } = scan.verdict {
        return Ok(Err(format!("{}: {reason}", scan.end)));
    }
    if let Some(note) = scan.notes.first().filter(|_| source.notes.is_empty()) {
        return Ok(Err(note.to_string()));
    }
    let is_equal = scan.journal == source.journal
        && scan.first_sequence == source.first_sequence
        && scan.next_sequence == source.next_sequence
        && scan.chain.head() == source.chain.head();
    Ok(if is_equal { Ok(()) } else { Err("its records are others".to_owned()) })
}

/// Copies everything into `copy`, which is a new and empty directory; synced.
fn copy_all(
    dir: &Path,
    copy: &Path,
    older: Option<&Path>,
    source: &Scan,
    report: &mut BackupReport,
) -> Result<(), KeepError> {
    let (last, sealed) = source.usage.split_last().expect("frames lie in a segment");
    // The last segment of a copy may have gone on since.
    let shared = match older {
        Some(older) => directory::list_segments(older)?.pop().unwrap_or(0),
        None => 0,
    };
    for usage in sealed {
        copy_sealed(dir, copy, older.filter(|_| usage.number < shared), usage, report)?;
    }
    let path = directory::stored_path(dir, last.number);
    if last.is_compressed {
        copy_sealed(dir, copy, None, last, report)?;
    } else {
        let target = copy.join(files::name_of(&path));
        files::copy_start(&path, &target, last.end, last.size)?;
        report.copied_segments += 1;
        report.copied_bytes += last.end;
    }
    for name in set::beside(dir, report.through)? {
        copy_beside(&dir.join(&name), &copy.join(&name), report.through)?;
    }
    copy_heads(dir, copy, source, report.through)?;
    // Nothing comes after the last record, as if the journal had been closed there.
    DurableFile::open(copy, source.journal, 0)?.write(report.through, report.chain_head, true)?;
    Manifest::new(source.journal, report.chain_head).write(copy)?;
    Ok(directory::sync_dir(copy)?)
}

/// A sealed segment never changes: the newest copy's is linked to if it has the same name and length. Whether it is the
/// same is proven with everything else.
fn copy_sealed(
    dir: &Path,
    copy: &Path,
    older: Option<&Path>,
    usage: &Usage,
    report: &mut BackupReport,
) -> Result<(), KeepError> {
    let path = directory::stored_path(dir, usage.number);
    let length = files::length(&path)?;
    let target = copy.join(files::name_of(&path));
    if let Some(older) = older.map(|older| older.join(files::name_of(&path)))
        && std::fs::metadata(&older).is_ok_and(|older| older.len() == length)
        && std::fs::hard_link(&older, &target).is_ok()
    {
        report.linked_segments += 1;
        report.linked_bytes += length;
        return Ok(());
    }
    files::copy(&path, &target)?;
    report.copied_segments += 1;
    report.copied_bytes += length;
    Ok(())
}

/// Copies a file that lies beside the segments. Snapshots and readers may come and go while the journal is copied.
fn copy_beside(path: &Path, target: &Path, through: Sequence) -> Result<(), FileError> {
    let copied = if directory::is_dependant(files::name_of(path)) {
        register::copy_up_to(path, target, through)
    } else {
        files::copy(path, target)
    };
    if copied.is_err() && !path.exists() { files::remove_if_there(target) } else { copied }
}

/// The heads of the blocks in the copy.
fn copy_heads(dir: &Path, copy: &Path, source: &Scan, through: Sequence) -> Result<(), FileError> {
    let path = dir.join(directory::HEADS);
    let length = through.0 / RECORDS_PER_BLOCK * HEADS_ENTRY_SIZE as u64;
    if path.exists() {
        let length = length.min(files::length(&path)?);
        files::copy_start(&path, &copy.join(directory::HEADS), length, length)?;
    }
    let stored = heads::read(copy, source.journal)?;
    let (first, known) = source.known_heads();
    HeadsFile::open(copy, source.journal, &stored, first, &known).map(drop)
}
