//! Follows a journal that is being written, frame by frame, in the same process or in another.
//!
//! A tail reads no further than a watermark that it has seen, so it never meets the writing edge; `None` means "not
//! yet". Damage before the watermark is an error.

use super::directory::{self, FileError, failed};
use super::format::JournalId;
use super::reader::{FrameRef, ReadError, Reader};
use super::watermarks::{StoredWatermarks, Watermarks};
use std::io;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

/// Which watermark a tail follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// What a crash of the process cannot take away.
    Written,
    /// What a loss of power cannot take away.
    Durable,
}

#[derive(Debug)]
enum Marks {
    Shared(Watermarks),
    Stored(PathBuf),
}

/// Follows a journal.
#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    marks: Marks,
}

impl Tail {
    /// Follows from `from` on, in the process of the writer.
    pub fn new(dir: &Path, from: Sequence, marks: Watermarks) -> Result<Self, ReadError> {
        let reader = Reader::bounded(dir, from, Sequence::NONE)?;
        Ok(Self { reader, marks: Marks::Shared(marks) })
    }

    /// Follows from `from` on, by the `WATERMARKS` file.
    pub fn open(dir: &Path, from: Sequence) -> Result<Self, ReadError> {
        let reader = Reader::bounded(dir, from, Sequence::NONE)?;
        Ok(Self { reader, marks: Marks::Stored(dir.to_owned()) })
    }

    /// The next frame up to a watermark, or `None` while there is none.
    pub fn next(&mut self, follow: Follow) -> Result<Option<FrameRef<'_>>, ReadError> {
        let bound = self.bound(follow)?;
        self.next_up_to(bound)
    }

    /// The next frame up to `bound`, which the caller has seen as a watermark of this journal.
    pub fn next_up_to(&mut self, bound: Sequence) -> Result<Option<FrameRef<'_>>, ReadError> {
        self.reader.set_bound(bound);
        self.reader.next()
    }

    /// The next frame that is there, where no writer lives; `None` at the end and before a torn tail.
    pub fn next_without_writer(&mut self) -> Result<Option<FrameRef<'_>>, ReadError> {
        self.reader.set_unbounded();
        self.reader.next()
    }

    /// Which journal it is.
    pub fn journal_id(&self) -> JournalId {
        self.reader.journal_id()
    }

    /// The sequence that comes next.
    pub fn next_sequence(&self) -> Sequence {
        self.reader.next_sequence()
    }

    /// Where the watermark is.
    pub fn bound(&self, follow: Follow) -> Result<Sequence, ReadError> {
        let (written, durable) = match &self.marks {
            Marks::Shared(marks) => (marks.written_through(), marks.durable_through()),
            Marks::Stored(dir) => {
                let stored =
                    StoredWatermarks::read(dir)?.filter(|stored| stored.journal == self.reader.journal_id());
                stored.map_or((Sequence::NONE, Sequence::NONE), |stored| {
                    (stored.written_through, stored.durable_through)
                })
            }
        };
        Ok(match follow {
            Follow::Written => written,
            Follow::Durable => durable,
        })
    }
}

/// Whether a writer holds the lock of the journal in `dir`.
pub fn is_live(dir: &Path) -> Result<bool, FileError> {
    directory::writer_lives(dir)
}

/// The written watermark of the writer that is alive, if one is.
pub(crate) fn live_bound(dir: &Path) -> Result<Option<Sequence>, FileError> {
    Ok(live_marks(dir)?.map(|marks| marks.written_through))
}

/// The watermarks of the writer that is alive, if one is. While it recovers there are none yet, and nothing to be said of
/// the journal.
pub(crate) fn live_marks(dir: &Path) -> Result<Option<StoredWatermarks>, FileError> {
    if !directory::writer_lives(dir)? {
        return Ok(None);
    }
    let text = "a daemon that starts is still recovering the journal; try again when it is up, or has ended";
    let none = || failed("read the watermarks of", dir)(io::Error::new(io::ErrorKind::WouldBlock, text));
    StoredWatermarks::read(dir)?.map(Some).ok_or_else(none)
}
