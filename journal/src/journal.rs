//! A journal that is open for writing: the writer and the threads that work for it.
//!
//! A writer that is dropped instead of closed leaves everything as a killed process would.

use crate::chain::Chain;
use crate::config::{Io, JournalConfig};
use crate::crew::{Crew, Works};
use crate::directory::FileError;
use crate::durable::DurableFile;
use crate::failure::Failure;
use crate::format::JournalId;
use crate::heads::HeadsFile;
use crate::storage::Lock;
use crate::watermarks::Watermarks;
use crate::writer::{Start, Writer};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PREPARED_PAUSE: Duration = Duration::from_millis(1);

/// A journal that is open for writing.
#[derive(Debug)]
pub struct Journal {
    /// For the journal thread.
    pub writer: Writer,
    watermarks: Watermarks,
    dir: PathBuf,
    id: JournalId,
    ready: Arc<AtomicUsize>,
    spares: usize,
}

impl Journal {
    /// How far it is; for everybody.
    pub fn watermarks(&self) -> Watermarks {
        self.watermarks.clone()
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which journal it is.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Waits until all spare segments are prepared, so that a measurement does not pay for it.
    pub fn wait_until_prepared(&self) -> Result<(), Failure> {
        while self.ready.load(Ordering::Acquire) < self.spares {
            if let Some(failure) = self.watermarks.failure() {
                return Err(failure);
            }
            std::thread::park_timeout(PREPARED_PAUSE);
        }
        Ok(())
    }
}

/// What recovery hands over.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) config: JournalConfig,
    pub(crate) lock: Lock,
    pub(crate) start: Start,
    /// Segments that are ready, in order, and the number after them.
    pub(crate) found: VecDeque<u64>,
    pub(crate) next_number: u64,
    pub(crate) chain: Chain,
    pub(crate) durable: DurableFile,
    pub(crate) heads: Option<HeadsFile>,
    pub(crate) marks: Watermarks,
}

/// Starts the threads.
pub(crate) fn open(opening: Opening) -> Result<Journal, FileError> {
    let prefault_bytes = match opening.config.io {
        Io::Mapped => opening.config.prefault_bytes,
        // There are no pages of the writer's to make ready.
        Io::Pwrite => 0,
    };
    let (mut journal, works) = assemble(opening);
    journal.writer.start(works, prefault_bytes)?;
    Ok(journal)
}

/// Puts together what the threads do, and starts none.
pub(crate) fn assemble(opening: Opening) -> (Journal, Works) {
    let dir = opening.config.dir.clone();
    let (id, spares) = (opening.start.journal, opening.config.spare_segments);
    let watermarks = opening.marks.clone();
    let (start, crew, works) = Crew::assemble(opening);
    let ready = crew.ready();
    let writer = Writer::new(start, watermarks.clone(), crew);
    (Journal { writer, watermarks, dir, id, ready, spares }, works)
}
