//! The sync thread: one `fdatasync` after the other while the writer goes on.
//!
//! Its work is a row of steps, each of which does at most one sync, so that a test can put the writer's between them.
//! Invariant: `durable_through` moves only after every segment that holds it was synced, in order of segments. The
//! thread also keeps the `durable` and `HEADS` files, which tell of synced records only. Any error is published, nothing
//! is tried again and nothing is acknowledged after it: the kernel reports such an error once.

use super::bell::Bell;
use super::chain::ChainHead;
use super::config::SyncPolicy;
use super::directory::{FileError, failed};
use super::durable::DurableFile;
use super::failpoint::{Failpoint, reach};
use super::failure::Failure;
use super::format::PAGE_SIZE;
use super::heads::HeadsFile;
use super::mmap::SegmentView;
use super::sync::{AtomicBool, Mutex, Ordering, Receiver};
use super::watermarks::Watermarks;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
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

/// How often what is published is taken out of the page table before a sync: each time less has come meanwhile, and for each
/// page that is still mapped the sync interrupts the writer.
const UNMAP_ROUNDS: usize = 3;

/// A segment that has frames to be synced.
#[derive(Debug)]
pub(crate) struct Unsynced {
    view: SegmentView,
    /// What was taken out of the page table; whole pages.
    unmapped: usize,
}

impl Unsynced {
    pub(crate) fn new(view: SegmentView) -> Self {
        let unmapped = view.edge() / PAGE_SIZE * PAGE_SIZE;
        Self { view, unmapped }
    }

    fn sync(&mut self) -> io::Result<()> {
        for _ in 0..UNMAP_ROUNDS {
            self.unmapped = self.view.unmap_published(self.unmapped)?;
        }
        self.view.sync()
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
    pub(crate) stage: Stage,
    /// It is time for a mark even if no segment was left behind.
    pub(crate) mark_due: bool,
}

/// What the next step does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// Looks how far the writer is.
    Look,
    /// Syncs the segment at `index`; then everything up to `through` is durable.
    Sync { index: usize, through: Sequence, bytes: u64, last: Option<ChainHead> },
    /// Tells that everything up to `through` is durable.
    Tell { through: Sequence, bytes: u64, last: Option<ChainHead> },
    /// Stores the heads of durable blocks; `last` is the head of a clean stop.
    Heads { last: Option<ChainHead> },
    /// Stores what is durable.
    Mark { last: Option<ChainHead> },
}

/// How a step went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The next step may follow at once.
    Working,
    /// Nothing more is to be done now.
    Resting,
    /// Nothing more is to be done at all.
    Ended,
}

impl Syncing {
    /// Runs until it is told to finish or to abandon, or fails.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let mut last_sync = Instant::now();
        let mut last_mark = Instant::now();
        self.wait(last_sync);
        while !self.requests.abandoned.load(Ordering::Acquire) {
            if last_mark.elapsed() >= MARK_INTERVAL {
                self.mark_due = true;
                last_mark = Instant::now();
            }
            match self.step()? {
                Progress::Working => {}
                Progress::Resting => {
                    self.wait(last_sync);
                    last_sync = Instant::now();
                }
                Progress::Ended => break,
            }
        }
        Ok(())
    }

    /// One step; its failure is published and nothing may come after it.
    pub(crate) fn step(&mut self) -> Result<Progress, Failure> {
        if let Some(failure) = self.marks.failure() {
            // Whichever part it was that failed, nothing is acknowledged after it.
            return Err(failure);
        }
        self.step_by_stage().map_err(|error| {
            let failure = Failure::new("sync thread", &error);
            self.marks.fail(&failure);
            failure
        })
    }

    fn step_by_stage(&mut self) -> Result<Progress, FileError> {
        match self.stage {
            Stage::Look => Ok(self.look()),
            Stage::Sync { index, through, bytes, last } => {
                self.sync_segment(index).map_err(failed("sync a segment in", &self.dir))?;
                let index = index + 1;
                self.stage = if index < self.segments.len() {
                    Stage::Sync { index, through, bytes, last }
                } else {
                    Stage::Tell { through, bytes, last }
                };
                Ok(Progress::Working)
            }
            Stage::Tell { through, bytes, last } => Ok(self.tell(through, bytes, last)),
            Stage::Heads { last } => {
                self.store_heads()?;
                self.stage = Stage::Mark { last };
                Ok(Progress::Working)
            }
            Stage::Mark { last } => {
                self.mark(last)?;
                self.stage = Stage::Look;
                Ok(if last.is_some() { Progress::Ended } else { Progress::Resting })
            }
        }
    }

    fn sync_segment(&mut self, index: usize) -> io::Result<()> {
        let is_newest = index + 1 == self.segments.len();
        let Some(segment) = self.segments.get_mut(index).filter(|_| is_newest || !broken!(NewestSegmentOnly))
        else {
            return Ok(());
        };
        reach(Failpoint::SyncData);
        let synced = segment.sync();
        if synced.is_err() && broken!(SyncAgain) { segment.sync() } else { synced }
    }

    fn look(&mut self) -> Progress {
        let last = self.requests.finished.lock().take();
        let through = self.marks.written_through();
        let bytes = self.marks.written_bytes();
        if !self.is_behind(through, bytes) {
            return self.after_sync(last, false);
        }
        // A segment is handed over before anything in it is published, so all of `through` is in these.
        self.segments.extend(self.taken_into_use.try_iter());
        self.stage = Stage::Sync { index: 0, through, bytes, last };
        Progress::Working
    }

    /// Whether something is written that is not told to be durable.
    ///
    /// Seals are bytes without a record, and the bytes of a frame are seen before its sequence is: neither tells alone.
    fn is_behind(&self, through: Sequence, bytes: u64) -> bool {
        bytes != self.synced_bytes || (through != self.marks.durable_through() && !broken!(BytesAlone))
    }

    fn tell(&mut self, through: Sequence, bytes: u64, last: Option<ChainHead>) -> Progress {
        let left = self.segments.len().saturating_sub(1);
        self.segments.drain(..left);
        self.synced_bytes = bytes;
        let through = if broken!(LateWatermark) { self.marks.written_through() } else { through };
        reach(Failpoint::SyncTell);
        self.marks.set_durable(through);
        reach(Failpoint::SyncDone);
        self.after_sync(last, left > 0)
    }

    /// Marks at a clean stop, when a segment was left behind for good, and when it is time.
    fn after_sync(&mut self, last: Option<ChainHead>, rotated: bool) -> Progress {
        if last.is_some() || rotated || self.mark_due {
            self.mark_due = false;
            self.stage = Stage::Heads { last };
            return Progress::Working;
        }
        self.stage = Stage::Look;
        Progress::Resting
    }

    /// Sleeps until there is something to sync and the policy allows it.
    fn wait(&self, last_sync: Instant) {
        let SyncRequests { bell, now, .. } = &*self.requests;
        match self.policy {
            SyncPolicy::Continuous => {
                let is_behind = || self.is_behind(self.marks.written_through(), self.marks.written_bytes());
                if !is_behind() {
                    bell.wait(PAUSE, || now.load(Ordering::Acquire) || is_behind());
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

    /// Stores the heads of durable blocks; on a full disk they wait, as entries may be missing at the end.
    fn store_heads(&mut self) -> Result<(), FileError> {
        let durable = self.marks.durable_through();
        self.pending.extend(self.blocks.try_iter());
        let count = self.pending.iter().take_while(|block| block.through <= durable).count();
        if let Some(heads) = &mut self.heads {
            let entries: Vec<[u8; 32]> = self.pending.range(..count).map(|block| block.head.0).collect();
            if !heads.append_if_room(&entries)? {
                return Ok(());
            }
        }
        self.stored_block = self.pending.drain(..count).next_back().unwrap_or(self.stored_block);
        Ok(())
    }

    /// Stores what is durable; `last` is the head of a clean stop.
    fn mark(&mut self, last: Option<ChainHead>) -> Result<(), FileError> {
        let durable = self.marks.durable_through();
        if self.marked == durable && last.is_none() {
            return Ok(());
        }
        self.marked = durable;
        let durable = if broken!(MarkBeforeSync) { self.marks.written_through() } else { durable };
        self.durable.write(durable, last.unwrap_or(self.stored_block), last.is_some())
    }
}
