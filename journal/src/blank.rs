//! A segment as the writer gets it, without a journal around it: what a plain copy is measured in.

use crate::config::Io;
use crate::directory::{self, FileError};
use crate::format::{FRAMES_OFFSET, JournalId};
use crate::prepare::{self, Spare};
use std::path::Path;

/// A prepared, synced and mapped segment, all of its pages writable. No journal can be opened over it.
#[derive(Debug)]
pub struct BlankSegment(Spare);

impl BlankSegment {
    /// Makes one with room for `bytes` bytes in `dir`, which must not hold a journal.
    pub fn create(dir: &Path, bytes: usize) -> Result<Self, FileError> {
        const NUMBER: u64 = 1;
        directory::create_dir(dir)?;
        let size = (FRAMES_OFFSET + bytes).next_multiple_of(FRAMES_OFFSET);
        prepare::prepare_segment(dir, JournalId([0; 16]), NUMBER, size as u64)?;
        let spare = Spare::open(dir, NUMBER, FRAMES_OFFSET, Io::Mapped)?;
        prepare::populate_first(&spare.view, usize::MAX);
        Ok(Self(spare))
    }

    /// Where frames would go: the very bytes of the mapped file.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.0.writer.unpublished()
    }
}
