//! What a journal is told when it is opened.

use crate::failure::Failure;
use crate::format::{FRAMES_OFFSET, PAGE_SIZE};
use crate::retention::register;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Smallest segment.
const SEGMENT_SIZE_MIN: u64 = 64 * 1024;
/// Largest segment.
const SEGMENT_SIZE_MAX: u64 = 1 << 36;
const SEGMENT_SIZE_DEFAULT: u64 = 64 * 1024 * 1024;

const _: () = assert!(FRAMES_OFFSET as u64 * 2 < SEGMENT_SIZE_MIN, "a segment holds more frames than pages");

/// When the sync thread syncs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncPolicy {
    /// As soon as there is something and the sync before has ended.
    Continuous,
    /// At most once in this time; sooner when the writer falls idle.
    Every(Duration),
}

/// How frames get into their file.
///
/// Mapped wins where syncs are rare: a store costs less than a call. A sync protects the pages of a mapping again, so that
/// each of them faults at the next store, while a call brings 256 KiB at once; where one sync follows the other, or is
/// waited for, `pwrite` wins: by more than half while syncing continuously, 2.6 times with a sync after each 1,000 records
/// (`tickwerk bench journal`). The files are the same; a journal may be opened either way each time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Io {
    /// Straight into the mapped file, frame by frame.
    #[default]
    Mapped,
    /// Gathered up to 256 KiB, or until the writer is idle, and written in one call.
    Pwrite,
}

/// Called once, on the thread that failed, so that the process can be stopped before anybody acknowledges more.
#[derive(Clone)]
pub struct OnFailure(pub Arc<dyn Fn(&Failure) + Send + Sync>);

impl std::fmt::Debug for OnFailure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("OnFailure(..)")
    }
}

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Directory; created with mode 0700 if it is not there.
    pub dir: PathBuf,
    /// Size of new segments in bytes: whole pages, at least 64 KiB.
    pub segment_size: u64,
    /// When to sync.
    pub sync: SyncPolicy,
    /// How frames get into their file.
    pub io: Io,
    /// How far ahead of the writer a thread makes pages of the mapping writable; 0 for not at all. It pays where syncs are
    /// rare; each sync writes the pages ahead, too.
    pub prefault_bytes: usize,
    /// Segments that are prepared ahead; at least 1.
    pub spare_segments: usize,
    /// Whether the hash chain is kept up while writing. Without it no head is published or stored, and recovery does
    /// not check old ones.
    pub chain: bool,
    /// The name under which the replicator registers whose position [`crate::Watermarks::replicated_through`] tells.
    pub replicator: Option<String>,
    /// What to do at the first failure of any thread of the journal.
    pub on_failure: Option<OnFailure>,
}

impl JournalConfig {
    /// A journal in `dir`: segments of 64 MiB, continuous sync, two spares, chain on.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_size: SEGMENT_SIZE_DEFAULT,
            sync: SyncPolicy::Continuous,
            io: Io::Mapped,
            prefault_bytes: 0,
            spare_segments: 2,
            chain: true,
            replicator: None,
            on_failure: None,
        }
    }

    /// The field that cannot be, and why.
    pub(crate) fn fault(&self) -> Option<(&'static str, String)> {
        let size = self.segment_size;
        if !(SEGMENT_SIZE_MIN..=SEGMENT_SIZE_MAX).contains(&size) || !size.is_multiple_of(PAGE_SIZE as u64) {
            let rule = "must be a multiple of 4096 from 65536 to 68719476736";
            return Some(("segment_size", format!("is {size}; it {rule}")));
        }
        if let Some(Err(error)) = self.replicator.as_deref().map(register::check_name) {
            return Some(("replicator", format!("cannot be awaited: {error}")));
        }
        (self.spare_segments == 0).then(|| ("spare_segments", "is 0; at least 1 is needed".to_owned()))
    }
}
