//! The read side of a running daemon: a second core that follows the journal, answers queries and takes snapshots.
//!
//! It decides every released command again, so it proves the journal while it runs; a difference, which a `StateDigest`
//! event shows at the latest, ends the process with exit code 3 before anything more is acknowledged. It reads files,
//! never a ring, and on a thread of low priority, so it cannot slow the core by more than the processor it takes.

mod check;
mod following;
mod schedule;

pub(crate) use check::Check;
pub(crate) use following::Following;
pub(crate) use schedule::Schedule;

use crate::config::{Acknowledge, SnapshotSettings};
use crate::exit;
use crate::session::released_through;
use crate::snapshot::{OnTaken, Setting, Snapshots, State, Written};
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tickwerk_domain::Sequence;
use tickwerk_engine::{Core, Decider};
use tickwerk_feeds::BookCheckResult;
use tickwerk_journal::{FileError, JournalId, ReadError, Tail, Watermarks, lower_priority};

const IDLE: Duration = Duration::from_millis(1);
/// Behind everything that decides: what is not busy all the time keeps its processor to itself when it wakes.
const PRIORITY: i32 = 19;

/// Called with the core and the sequence that it is at.
pub(crate) type Answer = Box<dyn FnOnce(&Core, Sequence) + Send>;

/// Something to ask of the core as it is at `at_least` or later.
pub(crate) struct Query {
    /// The frames that must have been seen.
    pub(crate) at_least: Sequence,
    pub(crate) wanted: Wanted,
}

/// What is wanted of a follower.
pub(crate) enum Wanted {
    /// An answer that is read from the core.
    Answer(Answer),
    /// A snapshot; who asked hears when it is written.
    Snapshot(OnTaken),
}

/// What a follower leaves behind.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) core: Core,
    pub(crate) book_check: Option<BookCheckResult>,
}

/// A follower that runs; it ends when it is dropped or finished.
#[derive(Debug)]
pub(crate) struct Follower {
    queries: Sender<Query>,
    thread: JoinHandle<Result<Followed>>,
}

/// What a follower is given.
pub(crate) struct Beginning<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) journal: JournalId,
    pub(crate) watermarks: Watermarks,
    pub(crate) acknowledge: Acknowledge,
    pub(crate) snapshots: SnapshotSettings,
    /// Frames that no snapshot knows yet.
    pub(crate) behind: u64,
    /// The state that it goes on from.
    pub(crate) state: State,
    /// What the book is compared with.
    pub(crate) check: Option<Check>,
}

impl Follower {
    /// Follows the journal from the frame behind the state on.
    pub(crate) fn start(beginning: Beginning<'_>) -> Result<Self> {
        let Beginning { dir, journal, watermarks, acknowledge, snapshots, behind, mut state, check } =
            beginning;
        let tail_from = |from| Tail::new(dir, from, watermarks.clone());
        // A book is compared from its beginning on, where that is kept.
        let whole = check.is_some().then(|| tail_from(Sequence::FIRST).ok()).flatten();
        let tail = match whole {
            Some(tail) => {
                state = State::default();
                tail
            }
            None => tail_from(state.core.last().sequence.next()).context("following the journal")?,
        };
        let durable = watermarks.clone();
        let taker = Snapshots::start(Setting {
            dir: dir.to_owned(),
            journal,
            keep: snapshots.keep,
            durable: Box::new(move || durable.durable_through()),
            told: Box::new(snapshot_told),
        })?;
        let (queries, receiver) = channel();
        let follows = Attached {
            following: Following::new(tail, state, Schedule::new(&snapshots, behind), check),
            snapshots: taker,
            watermarks,
            acknowledge,
            waiting: Vec::new(),
        };
        // Without its follower a daemon answers no query and proves nothing.
        let run = move || {
            lower_priority(PRIORITY);
            follows.run(&receiver).inspect_err(stop)
        };
        let thread = std::thread::Builder::new().name("tw-follower".to_owned()).spawn(run)?;
        Ok(Self { queries, thread })
    }

    /// Where to send queries.
    pub(crate) fn queries(&self) -> Sender<Query> {
        self.queries.clone()
    }

    /// Follows to the last released frame and ends. All other senders of queries must be gone.
    pub(crate) fn finish(self) -> Result<Followed> {
        drop(self.queries);
        self.thread.join().map_err(|_| anyhow::anyhow!("the follower panicked"))?
    }
}

/// The state that came of the journal is another than that of the core.
#[derive(Debug, thiserror::Error)]
#[error("ALARM: the follower's state has the digest {follower:016x}, the core's {core:016x}")]
pub(crate) struct OtherState {
    follower: u64,
    core: u64,
}

/// Compares what a follower came to with the core, once both are at the end.
pub(crate) fn compare(follower: &Core, core: &Core) -> Result<(), OtherState> {
    let (follower, core) = (follower.digest(), core.digest());
    if follower == core { Ok(()) } else { Err(OtherState { follower, core }) }
}

/// Ends the process: what the follower could not follow must not be acknowledged further.
fn stop(error: &anyhow::Error) {
    let code = exit::code_of(error);
    let alarm = if code == exit::DIFFERENT { "ALARM: the follower found a difference: " } else { "error: " };
    crate::command::tell(&format!("{alarm}{error:#}; acknowledgements end here, the process stops at once"));
    std::process::exit(i32::from(code));
}

/// Tells of a snapshot that could not be taken. A failed sync or rename stops the process: the kernel tells of such an
/// error once, and the next one to hear of it might be the journal.
pub(crate) fn snapshot_told(written: Written<'_>) {
    let Err(error) = written else {
        return;
    };
    crate::command::tell(&format!("warning: no snapshot was written: {error:#}"));
    if is_fatal(error) {
        crate::stop::fail_stop("writing a snapshot failed");
    }
}

/// Whether an error is more than a full disk or a record that is not durable yet.
fn is_fatal(error: &anyhow::Error) -> bool {
    let of_file = error.chain().find_map(|cause| cause.downcast_ref::<FileError>());
    let is_read = error.chain().any(<dyn std::error::Error>::is::<ReadError>);
    let is_harmless = |kind| {
        use std::io::ErrorKind::{NotFound, QuotaExceeded, StorageFull};
        // A daemon that starts removes what a process beside it was writing.
        matches!(kind, StorageFull | QuotaExceeded | NotFound)
    };
    is_read || of_file.is_some_and(|error| !is_harmless(error.source.kind()))
}

/// A follower in the process of the daemon.
struct Attached {
    following: Following,
    snapshots: Snapshots,
    watermarks: Watermarks,
    acknowledge: Acknowledge,
    waiting: Vec<Query>,
}

impl Attached {
    fn run(mut self, queries: &Receiver<Query>) -> Result<Followed> {
        let mut is_open = true;
        while is_open {
            let was_busy = self.follow_some()?;
            let wait = if was_busy { Duration::ZERO } else { IDLE };
            match queries.recv_timeout(wait) {
                Ok(query) => {
                    self.waiting.push(query);
                    self.waiting.extend(queries.try_iter());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => is_open = false,
            }
            self.answer();
        }
        // Nobody asks any more, so nothing is told too early: everything that is durable is proved.
        while self.follow_to(self.watermarks.durable_through())? {}
        self.answer();
        self.snapshots.finish();
        let (core, book_check) = self.following.finish()?;
        Ok(Followed { core, book_check })
    }

    fn follow_some(&mut self) -> Result<bool> {
        self.follow_to(released_through(&self.watermarks, self.acknowledge))
    }

    fn follow_to(&mut self, bound: Sequence) -> Result<bool> {
        let moved = self.following.follow_some(Some(bound))?;
        if self.following.is_snapshot_due() && !self.snapshots.is_busy() {
            self.snapshots.take(self.following.image(), None);
        }
        Ok(moved)
    }

    fn answer(&mut self) {
        let core = self.following.core();
        let at = core.last().sequence;
        let due: Vec<Query> = self.waiting.extract_if(.., |query| query.at_least <= at).collect();
        for query in due {
            match query.wanted {
                Wanted::Answer(answer) => answer(self.following.core(), at),
                Wanted::Snapshot(done) if at == Sequence::NONE => {
                    done(Err("the journal is empty; there is nothing to take a snapshot of".to_owned()));
                }
                Wanted::Snapshot(done) => self.snapshots.take(self.following.image(), Some(done)),
            }
        }
    }
}
