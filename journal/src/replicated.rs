//! How a replicator tells what it has committed, so that the daemon can acknowledge what is replicated.
//!
//! The daemon's configuration names the one replicator that it awaits, and the name lies in the `WATERMARKS` page. A
//! replicator in the daemon itself has [`Watermarks::publish_replicated`]; one in another process attaches to the page of
//! the living writer, commits what it reads up to the durable watermark, and publishes. When another writer has come, or
//! this one has failed, every call says so: attach again, and publish the own checkpoint first.
//! Invariant: the watermark only rises, and nobody is shown more than what is durable.

use crate::directory::{self, FileError, failed};
use crate::format::{self, FORMAT_VERSION, JournalId, PAGE_SIZE, Page, WATERMARKS_MAGIC};
use crate::mmap::{CounterPage, Memory};
use crate::retention::register::{self, Dependant, DependantKind, RegisterError};
use crate::watermarks::{DURABLE, REPLICATED, REPLICATOR, STATE, STATE_FAILED, Watermarks};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};

/// Why a position was not published.
#[derive(Debug, thiserror::Error)]
pub enum ReplicatedError {
    /// No daemon writes the journal, or the one that did has ended.
    #[error("no daemon writes {}; attach again when one does", dir.display())]
    NoWriter {
        /// The directory.
        dir: PathBuf,
    },
    /// The daemon awaits another replicator, or none.
    #[error("the daemon of {} awaits {awaited}, not {name}; set journal.replicator to {name}", dir.display())]
    NotAwaited {
        /// The directory.
        dir: PathBuf,
        /// Who wanted to publish.
        name: String,
        /// Who is awaited.
        awaited: String,
    },
    /// What is not durable cannot be replicated.
    #[error("{through} is not durable, which {durable_through} is; replicate durable records only")]
    NotDurable {
        /// What was published.
        through: Sequence,
        /// What is durable.
        durable_through: Sequence,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Watermarks {
    /// Everything up to `through` is committed at the replicator; for a replicator in the process of the daemon.
    pub fn publish_replicated(&self, through: Sequence) -> Result<(), ReplicatedError> {
        publish(self.counter(REPLICATED), self.durable_through(), through)
    }
}

fn publish(counter: &AtomicU64, durable_through: Sequence, through: Sequence) -> Result<(), ReplicatedError> {
    if through > durable_through {
        return Err(ReplicatedError::NotDurable { through, durable_through });
    }
    counter.fetch_max(through.0, Ordering::AcqRel);
    Ok(())
}

/// The page of a living writer, as its replicator in another process has it.
#[derive(Debug)]
pub struct ReplicatedMark {
    dir: PathBuf,
    file: File,
    page: CounterPage,
    journal: JournalId,
}

impl ReplicatedMark {
    /// Attaches the replicator `name` to the daemon that writes the journal in `dir`.
    pub fn attach(dir: &Path, name: &str) -> Result<Self, ReplicatedError> {
        let no_writer = || ReplicatedError::NoWriter { dir: dir.to_owned() };
        let path = dir.join(directory::WATERMARKS);
        if !directory::writer_lives(dir)? {
            return Err(no_writer());
        }
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            // It is made anew at each start.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_writer()),
            file => file.map_err(failed("open for writing", &path))?,
        };
        let mut page: Page = [0; PAGE_SIZE];
        if file.read_exact_at(&mut page, 0).is_err()
            || page[..8] != WATERMARKS_MAGIC
            || format::u32_at(&page, 8) != FORMAT_VERSION
        {
            return Err(no_writer());
        }
        let awaited = awaited_in(&page);
        if awaited != name || name.is_empty() {
            let awaited = if awaited.is_empty() { "no replicator".to_owned() } else { awaited };
            return Err(ReplicatedError::NotAwaited { dir: dir.to_owned(), name: name.to_owned(), awaited });
        }
        let journal = JournalId(format::bytes_at(&page, 16));
        let page = CounterPage::new(Memory::of(&file).map_err(failed("map", &path))?);
        Ok(Self { dir: dir.to_owned(), file, page, journal })
    }

    /// Which journal it is.
    pub fn journal_id(&self) -> JournalId {
        self.journal
    }

    /// The last durable record: how far a replicator may read.
    pub fn durable_through(&self) -> Result<Sequence, ReplicatedError> {
        let path = self.dir.join(directory::WATERMARKS);
        let links = self.file.metadata().map_err(failed("look at", &path))?.nlink();
        // The next writer takes the name away first. One that has closed the journal may still await what it answers.
        if links == 0 || self.page.counter(STATE).load(Ordering::Acquire) == STATE_FAILED {
            return Err(ReplicatedError::NoWriter { dir: self.dir.clone() });
        }
        Ok(Sequence(self.page.counter(DURABLE).load(Ordering::Acquire)))
    }

    /// Everything up to `through` is committed at the replicator.
    pub fn publish(&self, through: Sequence) -> Result<(), ReplicatedError> {
        publish(self.page.counter(REPLICATED), self.durable_through()?, through)
    }
}

fn awaited_in(page: &Page) -> String {
    let name = &page[REPLICATOR..REPLICATOR + register::NAME_LENGTH_MAX];
    String::from_utf8_lossy(name).trim_end_matches('\0').to_owned()
}

/// How far the replicator says that it is; one that never registered needs everything from now on.
pub(crate) fn registered(dir: &Path, name: &str) -> Result<Sequence, RegisterError> {
    let (known, bad) = register::list_dependants(dir)?;
    if let Some(found) = known.iter().find(|dependant| dependant.name == name) {
        return Ok(found.through);
    }
    // One that cannot be read keeps everything, and is for its owner to write again.
    if bad.iter().all(|(path, _)| *path != directory::dependant_path(dir, name)) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let time = TimeNs(u64::try_from(since).unwrap_or(u64::MAX));
        let (name, kind, through) = (name.to_owned(), DependantKind::Reader, Sequence::NONE);
        register::write_dependant(dir, &Dependant { name, kind, through, time })?;
    }
    Ok(Sequence::NONE)
}
