//! The `durable` file: what is known to be synced, in two slots that are written in turn.
//!
//! Invariant: a slot is whole or fails its checksum; the good slot with the higher generation counts. It is written
//! after the sync it tells of, so it never claims too much. An error while writing it poisons the journal.

use crate::chain::{ChainHead, Head};
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::format::{self, DURABLE_MAGIC, JournalId, PAGE_SIZE, Page};
use crate::storage::File;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// What a slot says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DurableMark {
    /// Which journal.
    pub journal: JournalId,
    /// Counts the marks of a journal.
    pub generation: u64,
    /// The last record synced.
    pub durable_through: Sequence,
    /// A head of the chain over durable records.
    pub chain: ChainHead,
    /// The journal was closed with this mark.
    pub clean: bool,
}

impl DurableMark {
    fn to_page(self) -> Page {
        let mut page = format::new_page(DURABLE_MAGIC, self.journal);
        format::put(&mut page, 32, &self.generation.to_le_bytes());
        format::put(&mut page, 40, &self.durable_through.0.to_le_bytes());
        format::put(&mut page, 48, &u32::from(self.clean).to_le_bytes());
        format::put(&mut page, 56, &self.chain.through.0.to_le_bytes());
        format::put(&mut page, 64, &self.chain.head.0);
        format::seal_page(page)
    }

    fn from_page(page: &Page) -> Result<Self, &'static str> {
        let journal = format::check_page(page, DURABLE_MAGIC)?;
        let chain =
            ChainHead { through: Sequence(format::u64_at(page, 56)), head: Head(format::bytes_at(page, 64)) };
        let mark = Self {
            journal,
            generation: format::u64_at(page, 32),
            durable_through: Sequence(format::u64_at(page, 40)),
            chain,
            clean: format::u32_at(page, 48) != 0,
        };
        format::check_sequences([mark.durable_through, mark.chain.through, Sequence(mark.generation)])?;
        Ok(mark)
    }
}

/// The file as it is found: the newest good mark, and what is wrong with a slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoredMark {
    pub(crate) mark: Option<DurableMark>,
    pub(crate) fault: Option<&'static str>,
}

/// Reads the file. A slot that was never written is no fault.
pub(crate) fn read(dir: &Path) -> Result<StoredMark, FileError> {
    let path = dir.join(directory::DURABLE);
    let Some(file) = directory::open_for_reading(&path)? else {
        return Ok(StoredMark::default());
    };
    let mut stored = StoredMark::default();
    for slot in 0..2 {
        let page = directory::read_page(&file, slot * PAGE_SIZE).map_err(failed("read", &path))?;
        if format::is_zero(&page) {
            continue;
        }
        match DurableMark::from_page(&page) {
            Ok(mark) if stored.mark.is_none_or(|other| other.generation < mark.generation) => {
                stored.mark = Some(mark);
            }
            Ok(_) => {}
            Err(reason) => stored.fault = Some(reason),
        }
    }
    Ok(stored)
}

/// Writes marks, each over the older of the two.
#[derive(Debug)]
pub(crate) struct DurableFile {
    path: PathBuf,
    file: File,
    journal: JournalId,
    generation: u64,
}

impl DurableFile {
    /// Opens or creates the file; the next mark comes after `generation`.
    pub(crate) fn open(dir: &Path, journal: JournalId, generation: u64) -> Result<Self, FileError> {
        let path = dir.join(directory::DURABLE);
        let file = directory::open_or_create(&path)?;
        if file.len().map_err(failed("look at", &path))? < 2 * PAGE_SIZE as u64 {
            file.write_all_at(&[0; 2 * PAGE_SIZE], 0).map_err(failed("write", &path))?;
            file.sync_all().map_err(failed("sync", &path))?;
        }
        Ok(Self { path, file, journal, generation })
    }

    /// Writes and syncs a mark.
    pub(crate) fn write(
        &mut self,
        durable: Sequence,
        chain: ChainHead,
        clean: bool,
    ) -> Result<(), FileError> {
        self.generation += 1;
        let mark = DurableMark {
            journal: self.journal,
            generation: self.generation,
            durable_through: durable,
            chain,
            clean,
        };
        let offset = (self.generation % 2) * PAGE_SIZE as u64;
        reach(Failpoint::MarkWrite);
        self.file.write_all_at(&mark.to_page(), offset).map_err(failed("write", &self.path))?;
        reach(Failpoint::MarkSync);
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        reach(Failpoint::MarkDone);
        Ok(())
    }
}
