//! What the journal asks of the system: files, names, a lock. Small, so that it can be had without a disk.
//!
//! [`Storage`] is everything under a journal: segments, `durable`, `HEADS`, snapshots, renames and syncs of the
//! directory, at work and at recovery. One implementation is the system's files (`disk.rs`); tests mount another at a
//! path, in memory, that fails, loses and tears as they choose. It is looked up by path, so that nothing above carries it
//! about. The hot path never comes here: a segment is mapped, or its frames are gathered, by [`crate::mmap`].
//! Every error is passed on as it is; nothing here tries again but after an interruption.

use crate::disk::Disk;
use crate::mmap::Memory;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// For reading.
    Read,
    /// For writing in place.
    Write,
    /// For writing in place; created empty if it is not there.
    Create,
    /// For writing; it must not be there yet.
    New,
}

/// Files by name.
pub(crate) trait Storage: Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: Mode) -> io::Result<File>;
    /// Gives a file another name; what had that name is gone.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Whether something has this name.
    fn exists(&self, path: &Path) -> bool;
    /// Creates a directory and those above it, if it is not there; whether it was created.
    fn create_dir(&self, dir: &Path) -> io::Result<bool>;
    /// The names in a directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock on an open file, alone or with others; `None` if somebody else's forbids it.
    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Option<Lock>>;
}

/// How a lock is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LockKind {
    /// By the one writer. The file is created if it is not there.
    Writer,
    /// By those who look whether there is a writer.
    Shared,
}

/// A lock; given up when it is dropped.
pub(crate) type Lock = Box<dyn Debug + Send + Sync>;

/// A file that is open.
pub(crate) trait StoredFile: Debug + Send + Sync {
    /// Reads some bytes; 0 at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some bytes; perhaps fewer than were given.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Bytes in it.
    fn len(&self) -> io::Result<u64>;
    /// Cuts it, or lengthens it by zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Takes all the space that so many bytes will need.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Makes its bytes durable, those of a mapping too.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes its bytes and all that is told of it durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Maps all of it, shared.
    fn map(&self) -> io::Result<Memory>;
}

/// A handle of a [`StoredFile`].
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<dyn StoredFile>);

impl File {
    pub(crate) fn new(file: impl StoredFile + 'static) -> Self {
        Self(Arc::new(file))
    }

    /// Reads as much as there is, up to all of `bytes`.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.0.read_at(&mut bytes[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Writes all of `bytes`.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.0.write_at(&bytes[done..], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    pub(crate) fn allocate(&self, length: u64) -> io::Result<()> {
        self.0.allocate(length)
    }

    pub(crate) fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    pub(crate) fn map(&self) -> io::Result<Memory> {
        self.0.map()
    }
}

/// The storage that `path` lies in.
pub(crate) fn of(path: &Path) -> Arc<dyn Storage> {
    #[cfg(test)]
    if let Some(mounted) = mounts::find(path) {
        return mounted;
    }
    let _ = path;
    Arc::new(Disk)
}

#[cfg(test)]
pub(crate) mod mounts {
    //! Other storages than the disk; each thread has its own, as tests run beside each other.

    use super::{Arc, Path, Storage};
    use std::cell::RefCell;
    use std::path::PathBuf;

    thread_local! {
        static MOUNTED: RefCell<Vec<(PathBuf, Arc<dyn Storage>)>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn find(path: &Path) -> Option<Arc<dyn Storage>> {
        MOUNTED.with_borrow(|mounted| {
            mounted.iter().find(|(root, _)| path.starts_with(root)).map(|(_, storage)| Arc::clone(storage))
        })
    }

    /// Puts `storage` at `root`, in place of what was there.
    pub(crate) fn mount(root: &Path, storage: Arc<dyn Storage>) {
        MOUNTED.with_borrow_mut(|mounted| {
            mounted.retain(|(other, _)| other != root);
            mounted.push((root.to_owned(), storage));
        });
    }
}
