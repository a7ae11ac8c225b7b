//! The `HEADS` file: the head of each complete and durable block, kept beside the segments.
//!
//! Invariant: entry n is the head of block n. The file is appended to after the blocks were synced, so it never runs
//! ahead of what is durable. A good entry that differs from recomputation is damage; a bad or missing one is rebuilt.

use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::format::{self, HEADS_ENTRY_SIZE, JournalId, RECORDS_PER_BLOCK};
use crate::space;
use crate::storage::File;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

type Entry = [u8; HEADS_ENTRY_SIZE];

fn entry_of(journal: JournalId, block: u64, head: &[u8; 32]) -> Entry {
    let mut entry = [0; HEADS_ENTRY_SIZE];
    format::put(&mut entry, 0, &block.to_le_bytes());
    format::put(&mut entry, 16, head);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&journal.0), &entry);
    format::put(&mut entry, 8, &crc.to_le_bytes());
    entry
}

/// The file as it is found.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredHeads {
    /// The head of each block; `None` where the entry is bad or says that the head is not known.
    pub(crate) heads: Vec<Option<[u8; 32]>>,
    /// Blocks whose entry is bad.
    pub(crate) bad: Vec<usize>,
    /// There are bytes after the last whole entry.
    pub(crate) ragged: bool,
}

impl StoredHeads {
    /// The head of the block that ends at `through`, if it is known.
    pub(crate) fn head_through(&self, through: Sequence) -> Option<[u8; 32]> {
        let block = (through.0 / RECORDS_PER_BLOCK).checked_sub(1)?;
        *self.heads.get(usize::try_from(block).ok()?)?
    }

    /// The last record that a good entry knows.
    pub(crate) fn known_through(&self) -> Sequence {
        let last = self.heads.iter().rposition(Option::is_some);
        Sequence(last.map_or(0, |index| (index as u64 + 1) * RECORDS_PER_BLOCK))
    }
}

/// Reads the file; a missing one is empty.
pub(crate) fn read(dir: &Path, journal: JournalId) -> Result<StoredHeads, FileError> {
    let path = dir.join(directory::HEADS);
    let Some(file) = directory::open_for_reading(&path)? else {
        return Ok(StoredHeads::default());
    };
    let bytes = directory::read_whole(&file).map_err(failed("read", &path))?;
    let (entries, rest) = bytes.as_chunks::<HEADS_ENTRY_SIZE>();
    let good = |(block, entry): (usize, &Entry)| {
        let head = format::bytes_at(entry, 16);
        (entry_of(journal, block as u64, &head) == *entry).then_some(head)
    };
    let heads: Vec<_> = entries.iter().enumerate().map(good).collect();
    // Entries of zeros stand for heads that nobody knew when the file was made again.
    let is_bad = |block: &usize| heads[*block].is_none() && !format::is_zero(&entries[*block]);
    let bad = (0..heads.len()).filter(is_bad).collect();
    Ok(StoredHeads { heads, bad, ragged: !rest.is_empty() })
}

/// The last record that the file would know by its length, whichever journal it is of.
pub(crate) fn claimed_through(dir: &Path) -> Result<Sequence, FileError> {
    let path = dir.join(directory::HEADS);
    let length = if directory::exists(&path) { directory::length(&path)? } else { 0 };
    Ok(Sequence(length / HEADS_ENTRY_SIZE as u64 * RECORDS_PER_BLOCK))
}

/// Appends entries.
#[derive(Debug)]
pub(crate) struct HeadsFile {
    path: PathBuf,
    file: File,
    journal: JournalId,
    blocks: u64,
    /// Heads of the next blocks for which there was no room when it was opened.
    waiting: Vec<[u8; 32]>,
}

impl HeadsFile {
    /// Opens or creates the file and makes it hold exactly `heads` from block `first` on, of which `stored` is there
    /// already. What it holds before stays; what is missing there becomes zeros.
    pub(crate) fn open(
        dir: &Path,
        journal: JournalId,
        stored: &StoredHeads,
        first: u64,
        heads: &[[u8; 32]],
    ) -> Result<Self, FileError> {
        let path = dir.join(directory::HEADS);
        let file = directory::open_or_create(&path)?;
        let later = stored.heads.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
        let good = later.zip(heads).take_while(|(stored, head)| **stored == Some(**head)).count();
        let blocks = first + good as u64;
        let mut heads_file = Self { path, file, journal, blocks, waiting: heads[good..].to_vec() };
        if stored.heads.len() as u64 != blocks || stored.ragged {
            let length = blocks * HEADS_ENTRY_SIZE as u64;
            heads_file.file.set_len(length).map_err(failed("set the length of", &heads_file.path))?;
        }
        heads_file.append_if_room(&[])?;
        Ok(heads_file)
    }

    /// Appends the heads of the next blocks and syncs; `false` where the disk is full, so that the same heads are to come
    /// again.
    pub(crate) fn append_if_room(&mut self, heads: &[[u8; 32]]) -> Result<bool, FileError> {
        let heads = [&self.waiting, heads].concat();
        match self.write(&heads) {
            Err(error) if space::is_full(&error.source) => Ok(false),
            written => {
                written?;
                self.sync(heads.len())?;
                self.waiting.clear();
                Ok(true)
            }
        }
    }

    fn write(&self, heads: &[[u8; 32]]) -> Result<(), FileError> {
        if heads.is_empty() {
            return Ok(());
        }
        let first = self.blocks;
        let entries: Vec<u8> =
            (first..).zip(heads).flat_map(|(block, head)| entry_of(self.journal, block, head)).collect();
        reach(Failpoint::HeadsWrite);
        self.file.write_all_at(&entries, first * HEADS_ENTRY_SIZE as u64).map_err(failed("write", &self.path))
    }

    fn sync(&mut self, count: usize) -> Result<(), FileError> {
        if count > 0 {
            reach(Failpoint::HeadsSync);
            self.file.sync_data().map_err(failed("sync", &self.path))?;
            self.blocks += count as u64;
            reach(Failpoint::HeadsDone);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::disk::{ENOSPC, Plan, SimulatedDisk};
    use crate::storage::mounts;
    use std::sync::Arc;

    const JOURNAL: JournalId = JournalId([7; 16]);

    #[test]
    fn heads_without_room_at_a_start_are_stored_with_those_that_come() {
        let dir = tempfile::tempdir().unwrap();
        let disk = SimulatedDisk::new(1);
        mounts::mount(dir.path(), Arc::new(disk.clone()));
        let heads = [[1; 32], [2; 32], [3; 32]];
        drop(HeadsFile::open(dir.path(), JOURNAL, &StoredHeads::default(), 0, &heads[..1]).unwrap());
        let stored = read(dir.path(), JOURNAL).unwrap();
        // Opening is the first operation, and the entry that is missing the second.
        disk.plan(Plan { fail: Some((2, ENOSPC)), ..Plan::NOTHING });
        let mut file = HeadsFile::open(dir.path(), JOURNAL, &stored, 0, &heads[..2]).unwrap();
        assert!(disk.has_failed());
        assert_eq!(read(dir.path(), JOURNAL).unwrap().heads, [Some(heads[0])]);
        assert!(file.append_if_room(&heads[2..]).unwrap());
        assert_eq!(read(dir.path(), JOURNAL).unwrap().heads, heads.map(Some));
        disk.plan(Plan { fail: Some((1, ENOSPC)), ..Plan::NOTHING });
        assert!(!file.append_if_room(&[[4; 32]]).unwrap());
        assert!(file.append_if_room(&[[4; 32]]).unwrap());
        assert_eq!(read(dir.path(), JOURNAL).unwrap().heads.len(), 4);
    }
}
