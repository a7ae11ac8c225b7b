//! The read side of a running daemon: a second core that follows the journal and answers queries.
//!
//! It decides every released command again, so it proves the journal while it runs; a difference ends the process
//! with exit code 3. It reads files, never a ring, so it cannot slow the core by more than the processor it takes.

use crate::config::Acknowledge;
use crate::exit;
use anyhow::{Context, Result};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tickwerk_domain::{Command, Instrument, Payload, Record, Sequence};
use tickwerk_engine::Core;
use tickwerk_engine::replay::Replay;
use tickwerk_feeds::{BookCheck, BookCheckResult, BookTop};
use tickwerk_journal::{Follow, Tail, Watermarks};

/// Frames between two looks at the queries.
const FRAMES_PER_TURN: usize = 1024;
const IDLE: Duration = Duration::from_millis(1);

/// Called with the core and the sequence that it is at.
pub(crate) type Answer = Box<dyn FnOnce(&Core, Sequence) + Send>;

/// Something to ask of the core as it is at `at_least` or later.
pub(crate) struct Query {
    /// The frames that must have been seen.
    pub(crate) at_least: Sequence,
    /// Who gets the answer.
    pub(crate) answer: Answer,
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

impl Follower {
    /// Follows the journal in `dir` from its first frame on. Where a feed carries its own best prices for
    /// `reference`, the book is compared with them.
    pub(crate) fn start(
        dir: &Path,
        watermarks: Watermarks,
        acknowledge: Acknowledge,
        reference: Option<Instrument>,
    ) -> Result<Self> {
        let tail = Tail::new(dir, Sequence::FIRST, watermarks).context("following the journal")?;
        let follow = match acknowledge {
            Acknowledge::Written => Follow::Written,
            Acknowledge::Durable => Follow::Durable,
        };
        let (queries, receiver) = channel();
        let follows = Following {
            tail,
            follow,
            replay: Replay::new(),
            check: reference.map(|instrument| (instrument, BookCheck::new())),
            waiting: Vec::new(),
        };
        // Without its follower a daemon answers no query and proves nothing.
        let run = move || {
            follows.run(&receiver).inspect_err(|error| {
                crate::command::tell(&format!("error: {error:#}; the process stops at once"));
                std::process::exit(i32::from(exit::code_of(error)));
            })
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

struct Following {
    tail: Tail,
    follow: Follow,
    replay: Replay,
    check: Option<(Instrument, BookCheck)>,
    waiting: Vec<Query>,
}

impl Following {
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
        while self.follow_some()? {}
        self.answer();
        let book_check = self.check.map(|(_, check)| check.finish());
        Ok(Followed { core: self.replay.into_core(), book_check })
    }

    /// Follows up to a bound; whether there was anything.
    fn follow_some(&mut self) -> Result<bool> {
        for turn in 0..FRAMES_PER_TURN {
            let Some(frame) = self.tail.next(self.follow).context("following the journal")? else {
                return Ok(turn > 0);
            };
            if let Err(difference) = self.replay.apply(frame.records) {
                crate::command::tell(&format!("error: the journal does not re-execute: {difference}"));
                std::process::exit(i32::from(exit::DIFFERENT));
            }
            if let (Some((instrument, check)), Some(command)) = (&mut self.check, frame.records.first()) {
                observe(check, instrument, command, self.replay.core());
            }
        }
        Ok(true)
    }

    fn answer(&mut self) {
        let core = self.replay.core();
        let at = crate::session::last_sequence(core);
        for query in self.waiting.extract_if(.., |query| query.at_least <= at) {
            (query.answer)(core, at);
        }
    }
}

/// Shows a market command of `instrument` to the check, after the core has applied it.
pub(crate) fn observe(check: &mut BookCheck, instrument: &Instrument, command: &Record, core: &Core) {
    let Payload::Command(command) = &command.payload else {
        return;
    };
    if let Command::QuoteObserved(quote) = command
        && quote.instrument == instrument.instrument
    {
        check.quote(quote);
    } else if let Command::BookDelta(delta) = command
        && delta.instrument == instrument.instrument
    {
        let top = core.machine().market(delta.instrument).book.top();
        let level = |level: tickwerk_domain::Level| (level.qty.0 > 0).then_some(level);
        check.book(delta, BookTop { bid: level(top.bid), ask: level(top.ask) });
    }
}
