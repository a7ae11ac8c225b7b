//! The sync thread: one `fdatasync` after the other while the writer goes on.
//!
//! Invariant: `durable_through` moves only after every segment that holds it was synced, in order of segments. The
//! thread also keeps the `durable` and `HEADS` files, which tell of synced records only. Any error is published, nothing
//! is tried again and nothing is acknowledged after it: the kernel reports such an error once.

use crate::bell::Bell;
use crate::chain::ChainHead;
use crate::config::SyncPolicy;
use crate::directory::{FileError, failed};
use crate::durable::DurableFile;
use crate::format::PAGE_SIZE;
use crate::heads::HeadsFile;
use crate::mmap::SegmentView;
use crate::storage::File;
use crate::watermarks::{Failure, Watermarks};
use crossbeam::channel::Receiver;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;

const MARK_INTERVAL: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// What the writer may ask of the sync thread.
#[derive(Debug, Default)]
pub(crate) struct SyncRequests {
    pub(crate) bell: Bell,
    /// Sync at once, whatever the policy says.
    now: AtomicBool,
    /// Leave everything as it is and end.
    abandoned: AtomicBool,
    /// Sync, write the last mark with this head, and end.
    finished: Mutex<Option<ChainHead>>,
}

impl SyncRequests {
    pub(crate) fn sync_now(&self) {
        self.now.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub(crate) fn finish(&self, head: ChainHead) {
        *self.finished.lock() = Some(head);
        self.sync_now();
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.sync_now();
    }
}

/// A segment that has frames to be synced.
#[derive(Debug)]
pub(crate) struct Unsynced {
    file: File,
    view: SegmentView,
    /// What was taken out of the page table; whole pages.
    unmapped: usize,
}

impl Unsynced {
    pub(crate) fn new(file: File, view: SegmentView) -> Self {
        let unmapped = view.edge() / PAGE_SIZE * PAGE_SIZE;
        Self { file, view, unmapped }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unmapped = self.view.unmap_published(self.unmapped)?;
        self.file.sync_data()
    }
}

/// Everything the sync thread works with.
#[derive(Debug)]
pub(crate) struct Syncing {
    pub(crate) dir: PathBuf,
    pub(crate) policy: SyncPolicy,
    /// Segments with frames that are not synced, in order.
    pub(crate) segments: VecDeque<Unsynced>,
    pub(crate) taken_into_use: Receiver<Unsynced>,
    pub(crate) blocks: Receiver<ChainHead>,
    pub(crate) marks: Watermarks,
    pub(crate) requests: Arc<SyncRequests>,
    pub(crate) durable: DurableFile,
    pub(crate) heads: Option<HeadsFile>,
    /// The last block in `HEADS`.
    pub(crate) stored_block: ChainHead,
    pub(crate) pending: VecDeque<ChainHead>,
    pub(crate) marked: Sequence,
    pub(crate) synced_bytes: u64,
}

impl Syncing {
    /// Runs until it is told to finish or to abandon, or fails.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        self.sync_until_told().map_err(|error| {
            let failure = Failure::new("sync thread", &error);
            self.marks.fail(&failure);
            failure
        })
    }

    fn sync_until_told(&mut self) -> Result<(), FileError> {
        let mut last_sync = Instant::now();
        let mut last_mark = Instant::now();
        while !self.requests.abandoned.load(Ordering::Acquire) {
            let finished = self.requests.finished.lock().take();
            let rotated = self.sync()?;
            if let Some(head) = finished {
                return self.mark(Some(head));
            }
            if rotated || last_mark.elapsed() >= MARK_INTERVAL {
                self.mark(None)?;
                last_mark = Instant::now();
            }
            self.wait(last_sync);
            last_sync = Instant::now();
        }
        Ok(())
    }

    /// Sleeps until there is something to sync and the policy allows it.
    fn wait(&self, last_sync: Instant) {
        let SyncRequests { bell, now, .. } = &*self.requests;
        match self.policy {
            SyncPolicy::Continuous => {
                if self.marks.written_bytes() == self.synced_bytes {
                    bell.wait(PAUSE, || {
                        now.load(Ordering::Acquire) || self.marks.written_bytes() != self.synced_bytes
                    });
                }
            }
            SyncPolicy::Every(interval) => {
                let due = last_sync + interval;
                while !now.load(Ordering::Acquire) {
                    let left = due.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    bell.wait(left, || now.load(Ordering::Acquire));
                }
            }
        }
        now.store(false, Ordering::Release);
    }

    /// Syncs what is written; whether a segment was left behind for good.
    fn sync(&mut self) -> Result<bool, FileError> {
        let through = self.marks.written_through();
        let bytes = self.marks.written_bytes();
        if bytes == self.synced_bytes {
            return Ok(false);
        }
        // A segment is handed over before anything in it is published, so all of `through` is in these.
        self.segments.extend(self.taken_into_use.try_iter());
        for segment in &mut self.segments {
            segment.sync().map_err(failed("sync a segment in", &self.dir))?;
        }
        let left = self.segments.len().saturating_sub(1);
        self.segments.drain(..left);
        self.synced_bytes = bytes;
        self.marks.set_durable(through);
        Ok(left > 0)
    }

    /// Stores heads of durable blocks, then what is durable; `last` is the head of a clean stop.
    fn mark(&mut self, last: Option<ChainHead>) -> Result<(), FileError> {
        let durable = self.marks.durable_through();
        self.pending.extend(self.blocks.try_iter());
        let count = self.pending.iter().take_while(|block| block.through <= durable).count();
        let ready: Vec<ChainHead> = self.pending.drain(..count).collect();
        if let Some(heads) = &mut self.heads {
            let entries: Vec<[u8; 32]> = ready.iter().map(|block| block.head.0).collect();
            heads.append(&entries)?;
        }
        self.stored_block = ready.last().copied().unwrap_or(self.stored_block);
        if self.marked == durable && last.is_none() {
            return Ok(());
        }
        self.marked = durable;
        self.durable.write(durable, last.unwrap_or(self.stored_block), last.is_some())
    }
}
