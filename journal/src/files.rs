//! File operations of upkeep, which works on real directories beside the journal: new names, copies, locks.
//!
//! Nothing is ever written over; what is made is synced before it gets its name.

use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use rustix::fs::{FallocateFlags, FlockOperation};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FILE_MODE: u32 = 0o600;
const COPY_SIZE: usize = 1024 * 1024;

/// Creates a file that must not be there yet.
pub(crate) fn create_new(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(FILE_MODE);
    options.open(path).map_err(failed("create", path))
}

/// Takes the lock of a file, which is created if it is not there; `None` if another has it.
pub(crate) fn lock(path: &Path, operation: FlockOperation) -> Result<Option<File>, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let file = options.open(path).map_err(failed("open for writing", path))?;
    match rustix::fs::flock(&file, operation) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed("lock", path)(error.into())),
    }
}

/// Bytes of a file.
pub(crate) fn length(path: &Path) -> Result<u64, FileError> {
    Ok(std::fs::metadata(path).map_err(failed("look at", path))?.len())
}

/// Gives a file another name, which may be taken.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to).map_err(failed("rename", from))
}

/// Takes a name away.
pub(crate) fn remove(path: &Path) -> Result<(), FileError> {
    std::fs::remove_file(path).map_err(failed("remove", path))
}

/// Takes a name away, if it is there.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes a directory of ours away with all that is in it, if it is there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Paths of all that is in a directory, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = std::fs::read_dir(dir).map_err(failed("list", dir))?;
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(failed("list", dir))?;
    paths.sort_unstable();
    Ok(paths)
}

/// The name of a file as text; empty where it is none.
pub(crate) fn name_of(path: &Path) -> &str {
    path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default()
}

/// Writes a small file so that it is whole or the one before is: temporary name, sync, rename, sync of the directory.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = directory::temporary_path(path);
    remove_if_there(&temporary)?;
    write_new(&temporary, content)?;
    reach(Failpoint::ReplaceRename);
    rename(&temporary, path)?;
    path.parent().map_or(Ok(()), directory::sync_dir)
}

/// Copies all of a file to a name that is not there yet.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    let source = open(from)?;
    // Of the open file: its name may go meanwhile.
    let length = source.metadata().map_err(failed("look at", from))?.len();
    let target = create_new(to)?;
    copy_bytes((&source, from), (&target, to), length)?;
    target.sync_all().map_err(failed("sync", to))
}

/// Writes a file to a name that is not there yet; synced.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let file = create_new(path)?;
    file.write_all_at(content, 0).and_then(|()| file.sync_all()).map_err(failed("write", path))
}

/// Copies the first `length` bytes to a name that is not there yet; the rest up to `size` is a hole.
pub(crate) fn copy_start(from: &Path, to: &Path, length: u64, size: u64) -> Result<(), FileError> {
    let source = open(from)?;
    let target = create_new(to)?;
    copy_bytes((&source, from), (&target, to), length)?;
    target.set_len(size).and_then(|()| target.sync_all()).map_err(failed("write", to))
}

/// Copies all of a file and allocates every byte of it, so that it can be mapped.
pub(crate) fn copy_allocated(from: &Path, to: &Path) -> Result<(), FileError> {
    let source = open(from)?;
    let size = length(from)?;
    let target = create_new(to)?;
    if size > 0 {
        rustix::fs::fallocate(&target, FallocateFlags::empty(), 0, size)
            .map_err(|error| failed("allocate", to)(error.into()))?;
    }
    copy_bytes((&source, from), (&target, to), size)?;
    target.sync_all().map_err(failed("sync", to))
}

/// Gives a file that is empty `size` bytes, every one of them allocated and written.
pub(crate) fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)?;
    let zeros = vec![0; COPY_SIZE];
    let mut done = 0;
    while done < size {
        let count = usize::try_from(size - done).unwrap_or(COPY_SIZE).min(COPY_SIZE);
        file.write_all_at(&zeros[..count], done)?;
        done += count as u64;
    }
    Ok(())
}

/// A free name for a file that is set aside: nothing that was there is ever written over.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let names = (1_u64..).map(|count| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("{}{count}", directory::ASIDE_MARK));
        PathBuf::from(name)
    });
    names.into_iter().find(|name| !name.exists()).expect("some number is free")
}

fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(failed("open", path))
}

fn copy_bytes(
    (source, from): (&File, &Path),
    (target, to): (&File, &Path),
    length: u64,
) -> Result<(), FileError> {
    let mut buffer = vec![0; COPY_SIZE];
    let mut done = 0;
    while done < length {
        let count = usize::try_from(length - done).unwrap_or(COPY_SIZE).min(COPY_SIZE);
        let read = read_at(source, &mut buffer[..count], done).map_err(failed("read", from))?;
        // What is missing of a file that was cut short reads as zeros.
        buffer[read..count].fill(0);
        target.write_all_at(&buffer[..count], done).map_err(failed("write", to))?;
        done += count as u64;
    }
    Ok(())
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
