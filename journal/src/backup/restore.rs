//! Makes a journal of a copy again, in a directory that is not there yet.
//!
//! The copy is proven first and the journal afterwards; it is made under a temporary name, synced and renamed, with every
//! byte allocated. Nothing is ever overwritten.

use crate::backup::set::{self, Manifest};
use crate::chain::ChainHead;
use crate::directory::{self, FileError, failed};
use crate::files;
use crate::format::JournalId;
use crate::keeper::KeepError;
use crate::verify::{Depth, VerifyError, VerifyReport, verify_bytes};
use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestoreReport {
    /// The copy that was taken.
    pub copy: PathBuf,
    /// Which journal.
    pub journal: JournalId,
    /// The last record; what came after the copy is not there.
    pub through: Sequence,
    /// The head through it.
    pub chain_head: ChainHead,
}

/// Restores `copy`, or the newest copy in the folder `copy`, as the journal `dir`.
pub fn restore(copy: &Path, dir: &Path) -> Result<RestoreReport, KeepError> {
    let (copy, manifest) = find(copy)?;
    let dir = &free_place(dir)?;
    prove(&copy, manifest.chain_head)?;
    let mut temporary = dir.as_os_str().to_owned();
    temporary.push(".restoring.tmp");
    let temporary = PathBuf::from(temporary);
    files::remove_tree(&temporary)?;
    let report = put_in_place(&copy, &temporary, dir, manifest.chain_head)
        // What is not finished would keep the room that another try needs.
        .inspect_err(|_| drop(files::remove_tree(&temporary)))?;
    directory::sync_dir(directory::parent_of(dir))?;
    let (journal, chain_head) = (manifest.journal, manifest.chain_head);
    Ok(RestoreReport { copy, journal, through: report.last_sequence, chain_head })
}

/// The directory by a name that another can be renamed to: not there yet, or empty and where it stands.
fn free_place(dir: &Path) -> Result<PathBuf, KeepError> {
    let refused = |why: &str| {
        let dir = dir.display();
        Err(KeepError::Refused(format!("the directory to restore into, {dir}, {why}")))
    };
    // Without a slash or a dot at its end.
    let place: PathBuf = dir.components().collect();
    if place.file_name().is_none() {
        return refused("has no name of its own; give the path of a new directory");
    }
    match std::fs::symlink_metadata(&place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(place),
        Err(error) => return Err(failed("look at", &place)(error).into()),
        Ok(found) if found.is_symlink() => {
            return refused("is a symbolic link; give the path of a new directory where it leads to");
        }
        Ok(_) => {}
    }
    if is_mount_point(&place)? {
        return refused("is a mount point, which nothing can be renamed to; give a new directory in it");
    }
    if !files::list(&place)?.is_empty() {
        return refused("is not empty; restore into a new directory");
    }
    Ok(place)
}

fn is_mount_point(dir: &Path) -> Result<bool, FileError> {
    rustix::fs::statx(rustix::fs::CWD, dir, AtFlags::empty(), StatxFlags::empty())
        .map(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        .map_err(|error| failed("look at", dir)(error.into()))
}

/// Copies into `temporary`, proves what is there, and gives it its name.
fn put_in_place(
    copy: &Path,
    temporary: &Path,
    dir: &Path,
    head: ChainHead,
) -> Result<VerifyReport, KeepError> {
    directory::create_dir(temporary)?;
    for path in files::list(copy)? {
        let name = files::name_of(&path);
        let is_left =
            [directory::BACKUP, directory::LOCK, directory::KEEPER, directory::WATERMARKS].contains(&name);
        if !is_left && path.is_file() {
            files::copy_allocated(&path, &temporary.join(name))?;
        }
    }
    directory::sync_dir(temporary)?;
    let report = prove(temporary, head)?;
    // An empty directory gives way.
    files::rename(temporary, dir)?;
    Ok(report)
}

/// The copy that is meant: the directory itself, or the newest in it.
fn find(copy: &Path) -> Result<(PathBuf, Manifest), KeepError> {
    if let Some(manifest) = Manifest::read(copy)? {
        return Ok((copy.to_owned(), manifest));
    }
    if directory::list_segments(copy)?.is_empty()
        && let Some(found) = set::newest(copy)?
    {
        return Ok(found);
    }
    Err(KeepError::Refused(format!("{} is no copy and holds none", copy.display())))
}

/// Verifies a journal up to the head that it must have.
fn prove(dir: &Path, head: ChainHead) -> Result<VerifyReport, KeepError> {
    let report = verify_bytes(dir, Depth::Payloads, &mut |_, _| ControlFlow::Continue(())).map_err(
        |error| match error {
            VerifyError::File(error) => KeepError::File(error),
            VerifyError::NoJournal { dir } => KeepError::NoJournal { dir },
        },
    )?;
    let damage = |segment, offset, sequence, reason| KeepError::Damaged {
        dir: dir.to_owned(),
        segment,
        offset,
        sequence,
        reason,
    };
    if let Some(found) = report.first_difference {
        return Err(damage(found.segment, found.offset, found.sequence, found.reason));
    }
    if report.chain_head != head {
        let reason = format!("its last record is {}, not {}", report.last_sequence, head.through);
        return Err(damage(0, 0, report.last_sequence, format!("{reason}, or its hash chain is another")));
    }
    Ok(report)
}
