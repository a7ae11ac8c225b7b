//! The directory of a journal: names, the lock, and the few file operations that everything else is made of.
//!
//! Invariant: a name that a reader may see is complete; what is being made has another name and is renamed.
//! Every failure names the file and the operation.

use crate::format::{JournalId, PAGE_SIZE, Page};
use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tickwerk_domain::Sequence;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct FileError {
    /// What was tried.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Adds place and operation to an I/O error.
pub(crate) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { operation, path, source }
}

pub(crate) const LOCK: &str = "LOCK";
pub(crate) const DURABLE: &str = "durable";
pub(crate) const FIRST: &str = "FIRST";
pub(crate) const HEADS: &str = "HEADS";
/// Says that a directory is a copy.
pub(crate) const BACKUP: &str = "BACKUP";
pub(crate) const KEEPER: &str = "KEEPER";
pub(crate) const WATERMARKS: &str = "WATERMARKS";
const SEGMENT_SUFFIX: &str = ".seg";
const COMPRESSED_SUFFIX: &str = ".seg.zst";
const TEMPORARY_SUFFIX: &str = ".tmp";
const SNAPSHOT_PREFIX: &str = "snapshot-";
const SNAPSHOT_SUFFIX: &str = ".snap";
const SNAPSHOT_DIGITS: usize = 20;
const DEPENDANT_PREFIX: &str = "dependant-";
const SEGMENT_DIGITS: usize = 12;
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Where segment `number` lies.
pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0SEGMENT_DIGITS$}{SEGMENT_SUFFIX}"))
}

/// Where segment `number` lies when it is compressed.
pub(crate) fn compressed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0SEGMENT_DIGITS$}{COMPRESSED_SUFFIX}"))
}

/// Where segment `number` does lie: compressed if only that is there. Of two, which are equal, the plain one counts.
pub(crate) fn stored_path(dir: &Path, number: u64) -> PathBuf {
    let (plain, compressed) = (segment_path(dir, number), compressed_path(dir, number));
    if !plain.exists() && compressed.exists() { compressed } else { plain }
}

/// The sequence in the name of a snapshot; `None` where it is none.
pub(crate) fn snapshot_sequence(name: &str) -> Option<Sequence> {
    let digits = name.strip_prefix(SNAPSHOT_PREFIX)?.strip_suffix(SNAPSHOT_SUFFIX)?;
    let is_number = digits.len() == SNAPSHOT_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(Sequence)
}

/// Where the register keeps what dependant `name` needs.
pub(crate) fn dependant_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{DEPENDANT_PREFIX}{name}"))
}

/// Whether `name` is that of a file of the register.
pub(crate) fn is_dependant(name: &str) -> bool {
    name.starts_with(DEPENDANT_PREFIX) && !name.ends_with(TEMPORARY_SUFFIX)
}

/// The name under which a file is made.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

/// Creates the directory if it is not there.
pub(crate) fn create_dir(dir: &Path) -> Result<(), FileError> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(dir)
        .map_err(failed("create the directory", dir))?;
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

/// Numbers of all segments, compressed or not, in order.
pub(crate) fn list_segments(dir: &Path) -> Result<Vec<u64>, FileError> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed("list", dir))? {
        let name = entry.map_err(failed("list", dir))?.file_name();
        let digits = name.to_str().and_then(|name| {
            name.strip_suffix(COMPRESSED_SUFFIX).or_else(|| name.strip_suffix(SEGMENT_SUFFIX))
        });
        numbers.extend(
            digits
                .filter(|digits| digits.len() == SEGMENT_DIGITS && digits.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|digits| digits.parse::<u64>().ok()),
        );
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Removes a file that may be missing.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes what was being made when the last writer died.
pub(crate) fn remove_temporaries(dir: &Path) -> Result<(), FileError> {
    for entry in std::fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = entry.map_err(failed("list", dir))?.path();
        if path.to_str().is_some_and(|path| path.ends_with(TEMPORARY_SUFFIX)) {
            std::fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// Makes names durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync the directory", dir))
}

/// Creates a file that must not be there yet.
pub(crate) fn create_new(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed("create", path))
}

/// Opens a file for writing in place.
pub(crate) fn open_for_writing(path: &Path) -> Result<File, FileError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(failed("open for writing", path))
}

/// Opens a file for writing in place; creates it empty if it is not there.
pub(crate) fn open_or_create(path: &Path) -> Result<File, FileError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)
        .map_err(failed("open for writing", path))
}

/// Opens a file for reading; `None` if it is not there.
pub(crate) fn open_for_reading(path: &Path) -> Result<Option<File>, FileError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Reads as much as there is, up to all of `bytes`.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads one page; what lies past the end of the file is zero.
pub(crate) fn read_page(file: &File, offset: usize) -> io::Result<Page> {
    let mut page = [0; PAGE_SIZE];
    read_at(file, &mut page, offset as u64)?;
    Ok(page)
}

/// Takes the lock of the one writer; `None` if another has it.
///
/// Tries for a moment, as [`writer_lives`] holds it for the length of two calls.
pub(crate) fn lock(dir: &Path) -> Result<Option<File>, FileError> {
    let path = dir.join(LOCK);
    let file = open_or_create(&path)?;
    for attempt in 0..LOCK_ATTEMPTS {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) if attempt + 1 < LOCK_ATTEMPTS => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(failed("lock", &path)(error.into())),
        }
    }
    Ok(None)
}

/// Whether a writer holds the lock.
pub(crate) fn writer_lives(dir: &Path) -> Result<bool, FileError> {
    let path = dir.join(LOCK);
    let Some(file) = open_for_reading(&path)? else {
        return Ok(false);
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(failed("test the lock", &path)(error.into())),
    }
}

/// A new id, from the system's source of randomness.
pub(crate) fn random_id() -> Result<JournalId, FileError> {
    let path = Path::new("/dev/urandom");
    let mut id = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut id)).map_err(failed("read", path))?;
    Ok(JournalId(id))
}
