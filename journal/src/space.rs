//! How much room the journal has when its disk is full.
//!
//! A disk is full when no further segment can be allocated and fewer than [`SPARES_MIN`] are ready. What is then left,
//! the rest of the segment in use and the spares, is a reserve for what takes risk away; who lets commands in looks at
//! [`Space`] and refuses the rest. Nothing of a segment that could not be allocated stays, so trying again is safe: the
//! preparing thread tries until there is room, and everything is as before.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Spare segments below which a full disk is told.
pub(crate) const SPARES_MIN: usize = 2;
/// Part of a segment that is left when the reserve counts as exhausted, for what is on its way by then.
const MARGIN_DIVISOR: u64 = 8;

/// How much room there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Space {
    /// As much as is wanted.
    #[default]
    Ample,
    /// The disk is full; what is left is for cancels and what venues report.
    Reserve,
    /// The disk is full and the reserve nearly used up: the writer waits at the end of it.
    Exhausted,
}

impl Space {
    /// The word for it in text and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ample => "ample",
            Self::Reserve => "reserve",
            Self::Exhausted => "exhausted",
        }
    }
}

/// Whether an error says that the disk, or what one may use of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Where the room ends, in bytes written since the journal was opened.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Of the segment in use.
    segment_end: AtomicU64,
}

impl Room {
    /// The segment in use has `left` bytes after `written`.
    pub(crate) fn begin_segment(&self, written: u64, left: usize) {
        self.segment_end.store(written + left as u64, Ordering::Release);
    }

    /// Where the reserve ends, with `spares` more segments of `size` bytes.
    pub(crate) fn reserve_end(&self, spares: usize, size: u64) -> u64 {
        let whole = self.segment_end.load(Ordering::Acquire) + spares as u64 * size;
        // Zero would say that there is no end.
        whole.saturating_sub(size / MARGIN_DIVISOR).max(1)
    }
}

/// What [`Room::reserve_end`] means at `written`; 0 for a disk that is not full.
pub(crate) fn space_at(reserve_end: u64, written: u64) -> Space {
    match reserve_end {
        0 => Space::Ample,
        end if written < end => Space::Reserve,
        _ => Space::Exhausted,
    }
}
