//! The directory of a journal: names, the lock, and the few file operations that everything else is made of.
//!
//! Invariant: a name that a reader may see is complete; what is being made has another name and is renamed.
//! Every failure names the file and the operation.

use crate::format::{JournalId, PAGE_SIZE, Page};
use crate::storage::{self, File, Lock, LockKind, Mode};
use std::io::{self, Read};
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

impl FileError {
    /// Whether a sync or a rename failed, and not for lack of space. The system tells of that once, and the next to be
    /// told might have been the journal: the process must stop.
    pub fn is_lost_write(&self) -> bool {
        let is_full = matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        !is_full && (self.operation.starts_with("sync") || self.operation == "rename")
    }
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
/// In the names of files that a repair has set aside.
pub(crate) const ASIDE_MARK: &str = ".damaged-";
const DEPENDANT_PREFIX: &str = "dependant-";
const SEGMENT_DIGITS: usize = 12;
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
    if !exists(&plain) && exists(&compressed) { compressed } else { plain }
}

/// The sequence in the name of a snapshot; `None` where it is none.
pub(crate) fn snapshot_sequence(name: &str) -> Option<Sequence> {
    let digits = name.strip_prefix(SNAPSHOT_PREFIX)?.strip_suffix(SNAPSHOT_SUFFIX)?;
    let is_number = digits.len() == SNAPSHOT_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number).map(Sequence)
}

/// Where the register keeps what dependant `name` needs.
pub(crate) fn dependant_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(dependant_name(name))
}

/// How that file is called.
pub(crate) fn dependant_name(name: &str) -> String {
    format!("{DEPENDANT_PREFIX}{name}")
}

/// Whether `name` is that of a file of the register.
pub(crate) fn is_dependant(name: &str) -> bool {
    name.starts_with(DEPENDANT_PREFIX) && !name.ends_with(TEMPORARY_SUFFIX) && !name.contains(ASIDE_MARK)
}

/// The name under which a file is made.
pub(crate) fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}

/// Creates the directory and those above it that are not there.
pub(crate) fn create_dir(dir: &Path) -> Result<(), FileError> {
    let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !exists(dir));
    let missing: Vec<&Path> = missing.collect();
    storage::of(dir).create_dir(dir).map_err(failed("create the directory", dir))?;
    missing.into_iter().try_for_each(|created| sync_dir(parent_of(created)))
}

/// The directory that holds the name.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent.unwrap_or(path),
    }
}

/// The names in a directory.
pub(crate) fn list(dir: &Path) -> Result<Vec<String>, FileError> {
    storage::of(dir).list(dir).map_err(failed("list", dir))
}

/// Numbers of all segments, compressed or not, in order.
pub(crate) fn list_segments(dir: &Path) -> Result<Vec<u64>, FileError> {
    let mut numbers: Vec<u64> = list(dir)?
        .iter()
        .filter_map(|name| name.strip_suffix(COMPRESSED_SUFFIX).or_else(|| name.strip_suffix(SEGMENT_SUFFIX)))
        .filter(|digits| digits.len() == SEGMENT_DIGITS && digits.bytes().all(|b| b.is_ascii_digit()))
        .filter_map(|digits| digits.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Removes what was being made when the last writer died.
pub(crate) fn remove_temporaries(dir: &Path) -> Result<(), FileError> {
    list(dir)?
        .iter()
        .filter(|name| name.ends_with(TEMPORARY_SUFFIX))
        .try_for_each(|name| remove_if_there(&dir.join(name)))
}

/// Makes names durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), FileError> {
    storage::of(dir).sync_dir(dir).map_err(failed("sync the directory", dir))
}

/// Gives a file another name.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    storage::of(from).rename(from, to).map_err(failed("rename", from))
}

/// Takes a name away.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    storage::of(path).remove(path).map_err(failed("remove", path))
}

/// Takes a name away, if it is there.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match storage::of(path).remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether something has this name.
pub(crate) fn exists(path: &Path) -> bool {
    storage::of(path).exists(path)
}

fn open(path: &Path, mode: Mode) -> io::Result<File> {
    storage::of(path).open(path, mode)
}

/// Creates a file that must not be there yet.
pub(crate) fn create_new(path: &Path) -> Result<File, FileError> {
    open(path, Mode::New).map_err(failed("create", path))
}

/// Opens a file for writing in place.
pub(crate) fn open_for_writing(path: &Path) -> Result<File, FileError> {
    open(path, Mode::Write).map_err(failed("open for writing", path))
}

/// Opens a file for writing in place; creates it empty if it is not there.
pub(crate) fn open_or_create(path: &Path) -> Result<File, FileError> {
    open(path, Mode::Create).map_err(failed("open for writing", path))
}

/// Opens a file for reading; `None` if it is not there.
pub(crate) fn open_for_reading(path: &Path) -> Result<Option<File>, FileError> {
    match open(path, Mode::Read) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", path)(error)),
    }
}

/// Bytes of a file, by its name.
pub(crate) fn length(path: &Path) -> Result<u64, FileError> {
    open(path, Mode::Read).and_then(|file| file.len()).map_err(failed("look at", path))
}

/// Reads as much as there is, up to all of `bytes`.
pub(crate) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(bytes, offset)
}

/// Reads all of a file that nobody writes.
pub(crate) fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(usize::MAX)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
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
pub(crate) fn lock(dir: &Path) -> Result<Option<Lock>, FileError> {
    let path = dir.join(LOCK);
    for attempt in 0..LOCK_ATTEMPTS {
        if let Some(lock) = storage::of(dir).lock(&path, LockKind::Writer).map_err(failed("lock", &path))? {
            return Ok(Some(lock));
        }
        if attempt + 1 < LOCK_ATTEMPTS {
            std::thread::sleep(LOCK_PAUSE);
        }
    }
    Ok(None)
}

/// Whether a writer holds the lock.
pub(crate) fn writer_lives(dir: &Path) -> Result<bool, FileError> {
    let path = dir.join(LOCK);
    match storage::of(dir).lock(&path, LockKind::Shared) {
        Ok(lock) => Ok(lock.is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("test the lock", &path)(error)),
    }
}

/// A new id, from the system's source of randomness.
pub(crate) fn random_id() -> Result<JournalId, FileError> {
    let path = Path::new("/dev/urandom");
    let mut id = [0; 16];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut id)).map_err(failed("read", path))?;
    Ok(JournalId(id))
}
