//! The thread that writes snapshots: waits until they may be written, writes them, and lets old ones go.
//!
//! It has the lowest priority there is and takes what it writes from the follower, so the core never waits for it. A
//! full disk costs a snapshot and nothing else; any other failed write, sync or rename is for the caller to stop at.

use super::Image;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_engine::STATE_VERSION;
use tickwerk_journal::{
    BlockStart, ChainPosition, JournalId, SnapshotHeader, chain_at, lower_priority, remove_old_snapshots,
    write_snapshot,
};

/// The lowest priority of a thread.
const LOWEST: i32 = 19;
const PAUSE: Duration = Duration::from_millis(5);
/// A head is stored within a second or two of its block.
const HEAD_PAUSE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(30);

/// A snapshot that was written.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) header: SnapshotHeader,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

impl Taken {
    /// What is told of it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "sequence": self.header.sequence.0,
            "digest": format!("{:016x}", self.header.digest),
            "chain_head": self.header.head.to_string(),
            "path": self.path.display().to_string(),
            "bytes": self.bytes,
        })
    }
}

/// What became of a snapshot.
pub(crate) type Written<'a> = Result<&'a Taken, &'a anyhow::Error>;

/// Who hears what became of the snapshot that was asked for.
pub(crate) type OnTaken = Box<dyn FnOnce(Result<&Taken, String>) + Send>;

struct Job {
    image: Image,
    done: Option<OnTaken>,
}

/// What the thread works with.
pub(crate) struct Setting {
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) keep: usize,
    /// The last durable record, as far as is known.
    pub(crate) durable: Box<dyn Fn() -> Sequence + Send>,
    /// Told what was written and what went wrong; an error that is not for lack of space ends the process.
    pub(crate) told: Box<dyn Fn(Written<'_>) + Send>,
}

/// The thread, as seen by the follower.
#[derive(Debug)]
pub(crate) struct Snapshots {
    jobs: Sender<Job>,
    is_busy: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Snapshots {
    pub(crate) fn start(setting: Setting) -> std::io::Result<Self> {
        let (jobs, receiver) = channel();
        let is_busy = Arc::new(AtomicBool::new(false));
        let busy = Arc::clone(&is_busy);
        let thread = std::thread::Builder::new().name("tw-snapshot".to_owned()).spawn(move || {
            lower_priority(LOWEST);
            run(&setting, &receiver, &busy);
        })?;
        Ok(Self { jobs, is_busy, thread })
    }

    /// Whether one is being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Acquire)
    }

    /// Hands over what is to be written.
    pub(crate) fn take(&self, image: Image, done: Option<OnTaken>) {
        self.is_busy.store(true, Ordering::Release);
        // A thread that is gone has told why.
        drop(self.jobs.send(Job { image, done }));
    }

    /// Waits for what was handed over.
    pub(crate) fn finish(self) {
        drop(self.jobs);
        drop(self.thread.join());
    }
}

fn run(setting: &Setting, jobs: &Receiver<Job>, busy: &AtomicBool) {
    while let Ok(Job { image, done }) = jobs.recv() {
        let written = write(setting, &image);
        busy.store(false, Ordering::Release);
        (setting.told)(written.as_ref());
        if let Some(done) = done {
            done(written.as_ref().map_err(|error| format!("{error:#}")));
        }
    }
}

/// Writes a snapshot, waiting until it may be, and lets old ones go.
pub(crate) fn write(setting: &Setting, image: &Image) -> anyhow::Result<Taken> {
    let Setting { dir, journal, keep, durable, .. } = setting;
    let sequence = image.last.sequence;
    let begun = Instant::now();
    while durable() < sequence {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "record {sequence} is not yet durable");
        std::thread::sleep(PAUSE);
    }
    let ChainPosition { block, head, epoch } = position(dir, sequence, image.block)?;
    let header = SnapshotHeader {
        journal: *journal,
        sequence,
        time_ns: image.last.time_ns,
        created: now(),
        frames: image.frames,
        digest: image.digest,
        epoch,
        rules_version: image.rules_version,
        state_version: u32::from(STATE_VERSION),
        block,
        head,
    };
    let path = write_snapshot(dir, header, &image.sections)?;
    let bytes = std::fs::metadata(&path)?.len();
    remove_old_snapshots(dir, *keep)?;
    Ok(Taken { header, path, bytes })
}

/// Where the chain stands; the head of the block before may still have to be stored.
fn position(dir: &Path, sequence: Sequence, block: Option<BlockStart>) -> anyhow::Result<ChainPosition> {
    let begun = Instant::now();
    loop {
        if let Some(position) = chain_at(dir, sequence, block)? {
            return Ok(position);
        }
        anyhow::ensure!(
            begun.elapsed() < PATIENCE,
            "the HEADS file does not know the block of the hash chain before record {sequence}"
        );
        std::thread::sleep(HEAD_PAUSE);
    }
}

fn now() -> TimeNs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    TimeNs(u64::try_from(since).unwrap_or(u64::MAX))
}
