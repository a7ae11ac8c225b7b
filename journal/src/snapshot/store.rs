//! The files of snapshots: names, writing, and which of them stay.
//!
//! Invariant: what has the final name is whole and synced, and so is its name. Nothing is written here before the caller
//! has seen that the snapshot's sequence is durable.

use super::{Body, Section, SnapshotError, SnapshotHeader, join_sections, read_snapshot_header};
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::format::{JournalId, PAGE_SIZE};
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".snap";
const DIGITS: usize = 20;

/// A snapshot's file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SnapshotFile {
    /// What its name says.
    pub sequence: Sequence,
    /// Where it lies.
    pub path: PathBuf,
}

/// The sequence that a file's name tells, if it is the name of a snapshot.
pub(super) fn sequence_of(path: &Path) -> Option<Sequence> {
    let digits = path.file_name()?.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(Sequence)).flatten()
}

/// The snapshots in `dir`, newest first; whether they are good is not looked at.
pub fn list_snapshots(dir: &Path) -> Result<Vec<SnapshotFile>, FileError> {
    let mut found = Vec::new();
    for name in directory::list(dir)? {
        let path = dir.join(name);
        found.extend(sequence_of(&path).map(|sequence| SnapshotFile { sequence, path }));
    }
    found.sort_unstable_by_key(|file| std::cmp::Reverse(file.sequence));
    Ok(found)
}

/// Good headers, newest first, and what is wrong with the other files.
pub(crate) type Headers = (Vec<SnapshotHeader>, Vec<(PathBuf, &'static str)>);

/// The good headers in `dir`, newest first, and what is wrong with the others. A foreign journal's is bad.
pub(crate) fn read_headers(dir: &Path, journal: Option<JournalId>) -> Result<Headers, FileError> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for file in list_snapshots(dir)? {
        match read_snapshot_header(&file.path) {
            Ok(header) if journal.is_none_or(|journal| journal == header.journal) => good.push(header),
            Ok(_) => bad.push((file.path, "the snapshot is of another journal")),
            // A daemon lets old ones go at any time.
            Err(SnapshotError::Bad(_)) if !directory::exists(&file.path) => {}
            Err(SnapshotError::Bad(reason)) => bad.push((file.path, reason)),
            Err(SnapshotError::File(error)) => return Err(error),
        }
    }
    Ok((good, bad))
}

/// Writes a snapshot whose sequence is known to be durable; gives the path of its file.
///
/// After an error nothing was written that counts; what was begun is removed as far as that can be.
pub fn write_snapshot(
    dir: &Path,
    header: SnapshotHeader,
    sections: &[Section],
) -> Result<PathBuf, FileError> {
    let path = dir.join(format!("{PREFIX}{:0DIGITS$}{SUFFIX}", header.sequence.0));
    let temporary = directory::temporary_path(&path);
    directory::remove_if_there(&temporary)?;
    let written = write_temporary(&temporary, header, sections);
    if written.is_err() {
        drop(directory::remove_if_there(&temporary));
    }
    written?;
    reach(Failpoint::SnapshotRename);
    directory::rename(&temporary, &path)?;
    reach(Failpoint::SnapshotDirSync);
    directory::sync_dir(dir)?;
    reach(Failpoint::SnapshotDone);
    Ok(path)
}

fn write_temporary(path: &Path, header: SnapshotHeader, sections: &[Section]) -> Result<(), FileError> {
    let body = join_sections(sections);
    let hash = *blake3::hash(&body).as_bytes();
    let page = header.to_page(Body { length: body.len() as u64, hash });
    reach(Failpoint::SnapshotCreate);
    let file = directory::create_new(path)?;
    reach(Failpoint::SnapshotWrite);
    file.write_all_at(&page, 0)
        .and_then(|()| file.write_all_at(&body, PAGE_SIZE as u64))
        .map_err(failed("write", path))?;
    reach(Failpoint::SnapshotSync);
    file.sync_all().map_err(failed("sync", path))
}

/// Removes all snapshots but the newest `keep`; gives how many went.
pub fn remove_old_snapshots(dir: &Path, keep: usize) -> Result<usize, FileError> {
    let files = list_snapshots(dir)?;
    let old = files.get(keep..).unwrap_or_default();
    for file in old {
        reach(Failpoint::SnapshotRemove);
        directory::remove_if_there(&file.path)?;
    }
    if !old.is_empty() {
        reach(Failpoint::SnapshotRemoved);
        directory::sync_dir(dir)?;
    }
    Ok(old.len())
}
