//! The threads that work for the writer, and what each of them is told.
//!
//! `journal-prepare` makes segments, `journal-sync` syncs, `journal-chain` hashes, `journal-populate` makes pages
//! writable. What they do is put together first and started then, so that a test can do their steps in any order.

use crate::append_error::AppendError;
use crate::bell::Bell;
use crate::chain::{Chain, ChainHead};
use crate::config::SyncPolicy;
use crate::directory::{FileError, failed};
use crate::failure::Failure;
use crate::format::FRAMES_OFFSET;
use crate::hashing::Hashing;
use crate::journal::Opening;
use crate::mmap::SegmentView;
use crate::prepare::{self, Preparer, Spare};
use crate::space::Room;
use crate::storage::Lock;
use crate::syncing::{Stage, SyncRequests, Syncing, Unsynced};
use crate::watermarks::Watermarks;
use crate::writer::Start;
use crossbeam::channel::{self, Receiver, Sender};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Bytes after which threads that sleep are woken to follow the writer.
const NUDGE_INTERVAL: usize = 128 * 1024;

/// What the threads do.
#[derive(Debug)]
pub(crate) struct Works {
    pub(crate) syncing: Syncing,
    pub(crate) preparer: Preparer,
    /// `None` without a chain.
    pub(crate) hashing: Option<Hashing>,
    active: SegmentView,
}

#[derive(Debug)]
struct Populate {
    views: Sender<SegmentView>,
    bell: Arc<Bell>,
    ahead: usize,
    /// Of the segment in use.
    size: usize,
}

/// What the writer holds of the threads, and the lock that they work under.
#[derive(Debug)]
pub(crate) struct Crew {
    lock: Option<Lock>,
    pub(crate) dir: PathBuf,
    pub(crate) segment_size: usize,
    nudges_sync: bool,
    marks: Watermarks,
    stop: Arc<AtomicBool>,
    ready: Arc<AtomicUsize>,
    spares: Option<Receiver<Spare>>,
    spares_bell: Arc<Bell>,
    room: Arc<Room>,
    requests: Arc<SyncRequests>,
    uses: Sender<Unsynced>,
    last_block: Arc<Mutex<ChainHead>>,
    /// Where the chain hears of new segments.
    views: Option<Sender<SegmentView>>,
    chain: Option<JoinHandle<Result<Chain, Failure>>>,
    chain_bell: Arc<Bell>,
    populate: Option<Populate>,
    /// The edge at which those who follow the writer are looked after.
    next_nudge: usize,
    threads: Vec<JoinHandle<()>>,
    sync: Option<JoinHandle<Result<(), Failure>>>,
}

impl Crew {
    /// The crew of a journal that is being opened, none of it at work, and where its writer begins.
    pub(crate) fn assemble(opening: Opening) -> (Start, Self, Works) {
        let Opening { config, lock, start, found, next_number, chain, durable, heads, marks } = opening;
        let stop = Arc::new(AtomicBool::new(false));
        let (spare_sender, spares) = channel::unbounded();
        let (use_sender, taken_into_use) = channel::unbounded();
        let (block_sender, blocks) = channel::unbounded();
        let (view_sender, views) = channel::unbounded();
        let stored_block = chain.last_block();
        let active = start.active.view.clone();
        let crew = Self {
            lock: Some(lock),
            dir: config.dir.clone(),
            segment_size: usize::try_from(config.segment_size).unwrap_or(usize::MAX),
            nudges_sync: config.sync == SyncPolicy::Continuous,
            marks: marks.clone(),
            stop: Arc::clone(&stop),
            ready: Arc::default(),
            spares: Some(spares),
            spares_bell: Arc::default(),
            room: Arc::default(),
            requests: Arc::default(),
            uses: use_sender,
            last_block: Arc::new(Mutex::new(stored_block)),
            views: config.chain.then_some(view_sender),
            chain: None,
            chain_bell: Arc::default(),
            populate: None,
            next_nudge: 0,
            threads: Vec::new(),
            sync: None,
        };
        crew.room.begin_segment(0, active.size() - start.active.writer.edge());
        let syncing = Syncing {
            dir: config.dir.clone(),
            policy: config.sync,
            segments: VecDeque::from([Unsynced::new(active.clone())]),
            taken_into_use,
            blocks,
            marks: marks.clone(),
            requests: Arc::clone(&crew.requests),
            durable,
            heads,
            stored_block,
            pending: VecDeque::new(),
            marked: marks.durable_through(),
            synced_bytes: 0,
            stage: Stage::Look,
            mark_due: false,
        };
        let preparer = Preparer {
            dir: config.dir.clone(),
            journal: start.journal,
            size: config.segment_size,
            io: config.io,
            found,
            next: next_number,
            spares: spare_sender,
            ready: Arc::clone(&crew.ready),
            wanted: config.spare_segments,
            bell: Arc::clone(&crew.spares_bell),
            room: Arc::clone(&crew.room),
            is_full: false,
            prefault_bytes: config.prefault_bytes,
            marks: marks.clone(),
            stop: Arc::clone(&stop),
        };
        let hashing = config.chain.then(|| Hashing {
            dir: config.dir.clone(),
            chain,
            view: active.clone(),
            offset: start.active.writer.edge(),
            views,
            blocks: block_sender,
            last_block: Arc::clone(&crew.last_block),
            bell: Arc::clone(&crew.chain_bell),
            marks,
            stop,
        });
        (start, crew, Works { syncing, preparer, hashing, active })
    }

    /// Starts the threads.
    pub(crate) fn start(&mut self, works: Works, prefault_bytes: usize) -> Result<(), FileError> {
        let Works { syncing, preparer, hashing, active } = works;
        self.sync = Some(self.spawn("journal-sync", move || syncing.run())?);
        let thread = self.spawn("journal-prepare", move || preparer.run())?;
        self.threads.push(thread);
        if let Some(hashing) = hashing {
            self.chain = Some(self.spawn("journal-chain", move || hashing.run())?);
        }
        if prefault_bytes > 0 {
            prepare::populate_first(&active, prefault_bytes);
            self.populate(&active, prefault_bytes)?;
        }
        Ok(())
    }

    fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, FileError> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(failed("start a thread for", &self.dir))
    }

    fn populate(&mut self, active: &SegmentView, ahead: usize) -> Result<(), FileError> {
        let bell = Arc::new(Bell::default());
        let (views, receiver): (Sender<SegmentView>, Receiver<SegmentView>) = channel::unbounded();
        drop(views.send(active.clone()));
        let (thread_bell, stop) = (Arc::clone(&bell), Arc::clone(&self.stop));
        let thread = self.spawn("journal-populate", move || {
            prepare::run_populate(&receiver, ahead, &thread_bell, &stop);
        })?;
        self.threads.push(thread);
        self.populate = Some(Populate { views, bell, ahead, size: active.size() });
        Ok(())
    }

    /// How many spares are ready.
    pub(crate) fn ready(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.ready)
    }

    /// The next prepared segment; waits for it. `None` when the preparing thread has failed.
    pub(crate) fn next_spare(&mut self) -> Option<Spare> {
        let spare = self.spares.as_ref()?.recv().ok()?;
        self.ready.fetch_sub(1, Ordering::Release);
        self.spares_bell.ring();
        Some(spare)
    }

    /// The last complete block of the chain.
    pub(crate) fn last_block(&self) -> ChainHead {
        *self.last_block.lock()
    }

    /// Tells the threads of a segment before anything is published in it.
    pub(crate) fn taken_into_use(&mut self, view: SegmentView) {
        // A thread that is gone has failed, and said so.
        drop(self.uses.send(Unsynced::new(view.clone())));
        if let Some(populate) = &mut self.populate {
            drop(populate.views.send(view.clone()));
            populate.size = view.size();
        }
        self.next_nudge = 0;
        self.room.begin_segment(self.marks.written_bytes(), view.size() - FRAMES_OFFSET);
        if let Some(views) = &self.views {
            drop(views.send(view));
        }
    }

    /// Hears of each frame, cheaply.
    #[inline]
    pub(crate) fn written(&mut self, edge: usize) {
        if self.nudges_sync {
            self.requests.bell.nudge();
        }
        if edge >= self.next_nudge {
            self.nudge_followers(edge);
        }
    }

    /// Wakes the threads that follow the writer, if they sleep.
    #[cold]
    fn nudge_followers(&mut self, edge: usize) {
        let is_new = self.next_nudge == 0;
        self.next_nudge = edge + NUDGE_INTERVAL;
        self.chain_bell.nudge();
        if let Some(populate) = &self.populate {
            // At the end of the segment it would wake in vain, and take a processor for it.
            let is_done = edge.saturating_add(populate.ahead) >= populate.size + 2 * NUDGE_INTERVAL;
            if is_new || !is_done {
                populate.bell.nudge();
            }
        }
    }

    pub(crate) fn wake_sync(&self) {
        if self.nudges_sync {
            self.requests.bell.ring();
        }
    }

    pub(crate) fn sync_now(&self) {
        self.requests.sync_now();
    }

    /// Ends all threads cleanly, the sync thread last, and gives up the lock.
    pub(crate) fn finish(&mut self) -> Result<Option<ChainHead>, AppendError> {
        self.views = None;
        let head = match self.chain.take() {
            None => None,
            Some(thread) => {
                thread.thread().unpark();
                let chain = thread.join().map_err(|_| AppendError::Poisoned)?.map_err(AppendError::Failed)?;
                self.marks.set_chained(chain.through());
                self.marks.set_head(chain.head());
                Some(chain.head())
            }
        };
        self.requests.finish(head.unwrap_or_default());
        if let Some(sync) = self.sync.take() {
            sync.join().map_err(|_| AppendError::Poisoned)?.map_err(AppendError::Failed)?;
        }
        self.end_threads();
        Ok(head)
    }

    fn end_threads(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Each of them ends at its next look, and is woken to look.
        self.spares = None;
        self.views = None;
        if let Some(thread) = self.chain.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            drop(thread.join());
        }
        self.lock = None;
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        if let Some(sync) = self.sync.take() {
            self.requests.abandon();
            drop(sync.join());
        }
        self.end_threads();
    }
}
