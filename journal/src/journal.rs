//! A journal that is open for writing: the writer and the threads that work for it.
//!
//! The threads: `journal-prepare` makes segments, `journal-sync` syncs, `journal-chain` hashes, `journal-populate` makes
//! pages writable. A writer that is dropped instead of closed leaves everything as a killed process would.

use crate::bell::Bell;
use crate::chain::{Chain, ChainHead};
use crate::config::{JournalConfig, SyncPolicy};
use crate::directory::{FileError, failed};
use crate::durable::DurableFile;
use crate::format::JournalId;
use crate::hashing::Hashing;
use crate::heads::HeadsFile;
use crate::mmap::SegmentView;
use crate::prepare::{self, Preparer, Spare};
use crate::storage::{File, Lock};
use crate::syncing::{SyncRequests, Syncing, Unsynced};
use crate::watermarks::{Failure, Watermarks};
use crate::writer::{AppendError, Start, Writer};
use crossbeam::channel::{self, Receiver, Sender};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes after which threads that sleep are woken to follow the writer.
const NUDGE_INTERVAL: usize = 128 * 1024;
const PREPARED_PAUSE: Duration = Duration::from_millis(1);

/// A journal that is open for writing.
#[derive(Debug)]
pub struct Journal {
    /// For the journal thread.
    pub writer: Writer,
    watermarks: Watermarks,
    dir: PathBuf,
    id: JournalId,
    ready: Arc<AtomicUsize>,
    spares: usize,
}

impl Journal {
    /// How far it is; for everybody.
    pub fn watermarks(&self) -> Watermarks {
        self.watermarks.clone()
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Which journal it is.
    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Waits until all spare segments are prepared, so that a measurement does not pay for it.
    pub fn wait_until_prepared(&self) -> Result<(), Failure> {
        while self.ready.load(Ordering::Acquire) < self.spares {
            if let Some(failure) = self.watermarks.failure() {
                return Err(failure);
            }
            std::thread::park_timeout(PREPARED_PAUSE);
        }
        Ok(())
    }
}

/// What recovery hands over.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) config: JournalConfig,
    pub(crate) lock: Lock,
    pub(crate) start: Start,
    /// Segments that are ready, in order, and the number after them.
    pub(crate) found: Vec<u64>,
    pub(crate) next_number: u64,
    pub(crate) chain: Chain,
    pub(crate) durable: DurableFile,
    pub(crate) heads: Option<HeadsFile>,
    pub(crate) marks: Watermarks,
}

/// Starts the threads.
pub(crate) fn open(opening: Opening) -> Result<Journal, FileError> {
    let Opening { config, lock, start, found, next_number, chain, durable, heads, marks } = opening;
    let stop = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(SyncRequests::default());
    let (spare_sender, spares) = channel::bounded(config.spare_segments - 1);
    let (use_sender, taken_into_use) = channel::unbounded();
    let (block_sender, blocks) = channel::unbounded();
    let last_block = Arc::new(Mutex::new(chain.last_block()));
    let mut crew = Crew {
        lock: Some(lock),
        segment_size: usize::try_from(config.segment_size).unwrap_or(usize::MAX),
        nudges_sync: config.sync == SyncPolicy::Continuous,
        marks: marks.clone(),
        stop: Arc::clone(&stop),
        ready: Arc::clone(&ready),
        spares: Some(spares),
        requests: Arc::clone(&requests),
        uses: use_sender,
        last_block: Arc::clone(&last_block),
        chain: None,
        chain_bell: Arc::default(),
        populate: None,
        next_nudge: 0,
        threads: Vec::new(),
        sync: None,
    };
    let spawner = Spawner { dir: &config.dir };
    let stored_block = chain.last_block();
    let syncing = Syncing {
        dir: config.dir.clone(),
        policy: config.sync,
        segments: VecDeque::from([Unsynced::new(start.active.file.clone(), start.active.view.clone())]),
        taken_into_use,
        blocks,
        marks: marks.clone(),
        requests,
        durable,
        heads,
        stored_block,
        pending: VecDeque::new(),
        marked: marks.durable_through(),
        synced_bytes: 0,
    };
    crew.sync = Some(spawner.spawn("journal-sync", move || syncing.run())?);
    let preparer = Preparer {
        dir: config.dir.clone(),
        journal: start.journal,
        size: config.segment_size,
        found,
        next: next_number,
        spares: spare_sender,
        ready: Arc::clone(&ready),
        prefault_bytes: config.prefault_bytes,
        stop: Arc::clone(&stop),
    };
    let preparer_marks = marks.clone();
    crew.threads.push(spawner.spawn("journal-prepare", move || preparer.run(&preparer_marks))?);
    if config.chain {
        let (views, receiver) = channel::unbounded();
        let hashing = Hashing {
            chain,
            view: start.active.view.clone(),
            offset: start.active.writer.edge(),
            views: receiver,
            blocks: block_sender,
            last_block,
            bell: Arc::clone(&crew.chain_bell),
            marks: marks.clone(),
            stop: Arc::clone(&stop),
        };
        crew.chain = Some((views, spawner.spawn("journal-chain", move || hashing.run())?));
    }
    if config.prefault_bytes > 0 {
        let active = &start.active.view;
        let ahead = config.prefault_bytes;
        prepare::populate_first(active, ahead);
        crew.populate = Some(populate(&spawner, active, ahead, stop, &mut crew.threads)?);
    }
    let (id, watermarks, spares) = (start.journal, marks.clone(), config.spare_segments);
    Ok(Journal { writer: Writer::new(start, marks, crew), watermarks, dir: config.dir, id, ready, spares })
}

struct Spawner<'a> {
    dir: &'a Path,
}

impl Spawner<'_> {
    fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, FileError> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(failed("start a thread for", self.dir))
    }
}

fn populate(
    spawner: &Spawner<'_>,
    active: &SegmentView,
    ahead: usize,
    stop: Arc<AtomicBool>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Populate, FileError> {
    let bell = Arc::new(Bell::default());
    let (views, receiver): (Sender<SegmentView>, Receiver<SegmentView>) = channel::unbounded();
    drop(views.send(active.clone()));
    let thread_bell = Arc::clone(&bell);
    threads.push(spawner.spawn("journal-populate", move || {
        prepare::run_populate(&receiver, ahead, &thread_bell, &stop);
    })?);
    Ok(Populate { views, bell, ahead, size: active.size() })
}

#[derive(Debug)]
struct Populate {
    views: Sender<SegmentView>,
    bell: Arc<Bell>,
    ahead: usize,
    /// Of the segment in use.
    size: usize,
}

/// The threads that work for the writer, and the lock that they work under.
#[derive(Debug)]
pub(crate) struct Crew {
    lock: Option<Lock>,
    pub(crate) segment_size: usize,
    nudges_sync: bool,
    marks: Watermarks,
    stop: Arc<AtomicBool>,
    ready: Arc<AtomicUsize>,
    spares: Option<Receiver<Spare>>,
    requests: Arc<SyncRequests>,
    uses: Sender<Unsynced>,
    last_block: Arc<Mutex<ChainHead>>,
    chain: Option<(Sender<SegmentView>, JoinHandle<Chain>)>,
    chain_bell: Arc<Bell>,
    populate: Option<Populate>,
    /// The edge at which those who follow the writer are looked after.
    next_nudge: usize,
    threads: Vec<JoinHandle<()>>,
    sync: Option<JoinHandle<Result<(), Failure>>>,
}

impl Crew {
    /// The next prepared segment; waits for it. `None` when the preparing thread has failed.
    pub(crate) fn next_spare(&mut self) -> Option<Spare> {
        let spare = self.spares.as_ref()?.recv().ok()?;
        self.ready.fetch_sub(1, Ordering::Release);
        Some(spare)
    }

    /// The last complete block of the chain.
    pub(crate) fn last_block(&self) -> ChainHead {
        *self.last_block.lock()
    }

    /// Tells the threads of a segment before anything is published in it.
    pub(crate) fn taken_into_use(&mut self, file: File, view: SegmentView) {
        // A thread that is gone has failed, and said so.
        drop(self.uses.send(Unsynced::new(file, view.clone())));
        if let Some(populate) = &mut self.populate {
            drop(populate.views.send(view.clone()));
            populate.size = view.size();
        }
        self.next_nudge = 0;
        if let Some((views, _)) = &self.chain {
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
        let head = match self.chain.take() {
            None => None,
            Some((views, thread)) => {
                drop(views);
                thread.thread().unpark();
                let chain = thread.join().map_err(|_| AppendError::Poisoned)?;
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
        // The preparing thread ends when nobody takes its spares; the populating one at its next look.
        self.spares = None;
        if let Some((views, thread)) = self.chain.take() {
            drop(views);
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
