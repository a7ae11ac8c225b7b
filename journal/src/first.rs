//! The `FIRST` file: from which segment on a journal is kept. Whoever takes old segments away writes it before.
//!
//! Invariant: segments below the one it names may be missing, none from there on. Without the file a journal starts at
//! segment 1, so that a segment that was lost is never taken for one that was let go.

use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::format::{self, FIRST_MAGIC, JournalId, Page};
use std::path::Path;
use tickwerk_domain::Sequence;

/// Where a journal starts that was not kept from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FirstKept {
    /// Which journal.
    pub journal: JournalId,
    /// The first segment that must be there.
    pub segment: u64,
    /// Its first record.
    pub sequence: Sequence,
}

impl FirstKept {
    fn to_page(self) -> Page {
        let mut page = format::new_page(FIRST_MAGIC, self.journal);
        format::put(&mut page, 32, &self.segment.to_le_bytes());
        format::put(&mut page, 40, &self.sequence.0.to_le_bytes());
        format::seal_page(page)
    }

    fn from_page(page: &Page) -> Result<Self, &'static str> {
        let journal = format::check_page(page, FIRST_MAGIC)?;
        let (segment, sequence) = (format::u64_at(page, 32), Sequence(format::u64_at(page, 40)));
        format::check_sequences([sequence])?;
        Ok(Self { journal, segment, sequence })
    }

    /// Reads the file; the inner error says what is wrong with it.
    pub fn read(dir: &Path) -> Result<Option<Result<Self, &'static str>>, FileError> {
        let path = dir.join(directory::FIRST);
        let Some(file) = directory::open_for_reading(&path)? else {
            return Ok(None);
        };
        let page = directory::read_page(&file, 0).map_err(failed("read", &path))?;
        Ok(Some(Self::from_page(&page)))
    }

    /// What the file says of this journal; nothing where it is bad or of another one.
    pub(crate) fn of(dir: &Path, journal: JournalId) -> Result<Option<Self>, FileError> {
        Ok(Self::read(dir)?.and_then(Result::ok).filter(|kept| kept.journal == journal))
    }

    /// Writes the file so that it is whole or not there, and durable before anything may go.
    pub fn write(self, dir: &Path) -> Result<(), FileError> {
        let path = dir.join(directory::FIRST);
        let temporary = directory::temporary_path(&path);
        directory::remove_if_there(&temporary)?;
        reach(Failpoint::FirstCreate);
        let file = directory::create_new(&temporary)?;
        file.write_all_at(&self.to_page(), 0)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &temporary))?;
        reach(Failpoint::FirstRename);
        directory::rename(&temporary, &path)?;
        reach(Failpoint::FirstDirSync);
        directory::sync_dir(dir)
    }
}
