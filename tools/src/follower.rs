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
use tickwerk_domain::{Command, InstrumentId, Level, Payload, Qty, Record, Sequence, Touch};
use tickwerk_engine::Core;
use tickwerk_engine::replay::Replay;
use tickwerk_feeds::order_by_order::{OrderByOrderError, RowCheck};
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

/// Best prices of an exchange's own, to compare the book with.
#[derive(Debug)]
pub(crate) enum Check {
    /// Quotes among the feed's records, beside its levels.
    Quotes(InstrumentId, Box<BookCheck>),
    /// Rows of a file beside orders that are told one by one.
    Rows(InstrumentId, Box<RowCheck>),
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
    /// Follows the journal in `dir` from its first frame on, and compares the book with `check`.
    pub(crate) fn start(
        dir: &Path,
        watermarks: Watermarks,
        acknowledge: Acknowledge,
        check: Option<Check>,
    ) -> Result<Self> {
        let tail = Tail::new(dir, Sequence::FIRST, watermarks).context("following the journal")?;
        let follow = match acknowledge {
            Acknowledge::Written => Follow::Written,
            Acknowledge::Durable => Follow::Durable,
        };
        let (queries, receiver) = channel();
        let follows = Following { tail, follow, replay: Replay::new(), check, waiting: Vec::new() };
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
    check: Option<Check>,
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
        let book_check = self.check.map(Check::finish).transpose()?;
        Ok(Followed { core: self.replay.into_core(), book_check })
    }

    /// Follows up to a bound; whether there was anything.
    fn follow_some(&mut self) -> Result<bool> {
        for turn in 0..FRAMES_PER_TURN {
            let Some(frame) = self.tail.next(self.follow).context("following the journal")? else {
                return Ok(turn > 0);
            };
            if let Err(found) = self.replay.apply(frame.records) {
                crate::command::tell(&format!("error: the journal does not re-execute: {found}"));
                std::process::exit(i32::from(exit::code_of(&found.into())));
            }
            if let (Some(check), Some(command)) = (&mut self.check, frame.records.first()) {
                check.observe(command, self.replay.core())?;
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

impl Check {
    /// Shows a market command to the check, after the core has applied it.
    fn observe(&mut self, command: &Record, core: &Core) -> Result<()> {
        let Payload::Command(command) = &command.payload else {
            return Ok(());
        };
        match self {
            Self::Quotes(instrument, check) => observe_quotes(check, *instrument, command, core),
            Self::Rows(instrument, check) => {
                observe_rows(check, *instrument, command, core).context("comparing the book")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<BookCheckResult> {
        match self {
            Self::Quotes(_, check) => Ok(check.finish()),
            Self::Rows(_, check) => check.finish().context("comparing the book"),
        }
    }
}

fn observe_quotes(check: &mut BookCheck, instrument: InstrumentId, command: &Command, core: &Core) {
    if let Command::QuoteObserved(quote) = command
        && quote.instrument == instrument
    {
        check.quote(quote);
    } else if let Command::BookDelta(delta) = command
        && delta.instrument == instrument
    {
        check.book(delta, top_of(core.machine().market(delta.instrument).book.top()));
    }
}

fn observe_rows(
    check: &mut RowCheck,
    instrument: InstrumentId,
    command: &Command,
    core: &Core,
) -> Result<(), OrderByOrderError> {
    if let Command::BookOrderObserved(order) = command
        && order.instrument == instrument
    {
        check.told(order.update_id)?;
        if order.is_last {
            check.book(top_of(core.machine().market(instrument).touch));
        }
    } else if let Command::TradeObserved(trade) = command
        && trade.instrument == instrument
    {
        // Trades beside the orders carry the number of their message.
        check.told(trade.trade_id)?;
    }
    Ok(())
}

fn top_of(touch: Touch) -> BookTop {
    let level = |level: Level| (level.qty > Qty::ZERO).then_some(level);
    BookTop { bid: level(touch.bid), ask: level(touch.ask) }
}
