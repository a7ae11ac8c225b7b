//! Copies the journal into PostgreSQL, read at least once and stored exactly once, until it is told to stop.
//!
//! It reads files behind the durable watermark and never a ring, so it cannot hold anybody. Whatever goes wrong with the
//! server ends the session; the next one reads the checkpoint and goes on from there, so that a commit whose outcome is
//! unknown is neither repeated nor lost. Pauses between attempts double up to a bound, and a batch that takes too long is
//! halved. What no retry can mend (another journal, a rewritten one, one that lost its end, damage) ends replication with
//! its reason.

use crate::batch::Batch;
use crate::batch_size::BatchSize;
use crate::connection::{runtime, unless_told, within};
use crate::counters::Counters;
use crate::error::PostgresError;
use crate::projection::Failing;
use crate::read_ahead::ReadAhead;
use crate::reading::Marks;
use crate::session::{self, Begun};
use crate::settings::Settings;
use crate::shipping::Shipper;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_journal::{Dependant, DependantKind, write_dependant};

/// The name that retention knows this dependant by.
pub const DEPENDANT: &str = "postgres";

/// The longest that one batch may take; far more than any does on a server that lives and a connection that is not slow.
const SHIP_LIMIT: Duration = Duration::from_mins(2);
const RETRY_MIN: Duration = Duration::from_millis(50);
/// How long anything is waited for before the stop is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A connection that has had nothing to ship for so long is one that works.
const PROVEN: Duration = Duration::from_secs(2);
/// Retention hears of progress this often.
const REGISTER_EVERY: Duration = Duration::from_secs(5);

/// What is heard from replication while it runs.
pub struct Callbacks {
    /// After each commit, and when a session begins: everything through this record is in the database.
    pub on_replicated: Box<dyn FnMut(Sequence) + Send>,
    /// Something that a person should know.
    pub tell: Box<dyn FnMut(&str) + Send>,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Callbacks")
    }
}

/// How long replication goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// Until it is told to stop.
    Stopped,
    /// Until everything that is durable is shipped; the first failure before anything was reached ends it, too.
    CaughtUp,
}

/// What is copied, and where to.
pub struct Replicator {
    pub settings: Settings,
    pub dir: PathBuf,
    pub marks: Marks,
    pub until: Until,
    /// Whether a server that cannot be reached at the start is waited for.
    pub is_patient: bool,
    pub stop: Arc<AtomicBool>,
    pub counters: Counters,
    pub callbacks: Callbacks,
}

impl std::fmt::Debug for Replicator {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Replicator")
            .field("dir", &self.dir)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Why a session ended without an error.
enum End {
    Stopped,
    CaughtUp,
}

impl Replicator {
    /// Replicates; gives the last record that is in the database.
    pub fn run(mut self) -> Result<Sequence, PostgresError> {
        let runtime = runtime()?;
        let size = Arc::new(BatchSize::new(self.settings.batch_events, SHIP_LIMIT));
        let name = instance_name();
        let mut pause = RETRY_MIN;
        let mut registered = None;
        loop {
            let before = self.counters.replicated_through();
            let connections = self.counters.connections();
            let ended = self.session(&runtime, &name, &size, &mut registered);
            let error = match ended {
                Ok(End::Stopped | End::CaughtUp) => return Ok(self.counters.replicated_through()),
                Err(PostgresError::ModelsChanged) => continue,
                Err(error) => error,
            };
            let was_connected = self.counters.connections() > 0;
            // Who waits for the end wants to hear of what only people can mend.
            let is_hopeless = self.until == Until::CaughtUp && !error.is_passing();
            // A daemon that opens its journal is waited for whoever asked.
            let is_opening = matches!(error, PostgresError::Opening { .. });
            let is_waited_for = was_connected || self.is_patient || is_opening;
            let gives_up = !error.is_temporary() || !is_waited_for || is_hopeless;
            let text = words(&error);
            let is_new = self.counters.note_trouble(&text);
            if gives_up {
                return Err(error);
            }
            if is_new {
                let whose = if is_opening { "" } else { "PostgreSQL: " };
                (self.callbacks.tell)(&format!("warning: {whose}{text}; retrying"));
            }
            let went_on =
                self.counters.connections() > connections && self.counters.replicated_through() > before;
            pause = if went_on { RETRY_MIN } else { (pause * 2).min(self.settings.retry_max) };
            if !self.sleep(pause) {
                return Ok(self.counters.replicated_through());
            }
        }
    }

    fn is_told(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Sleeps; whether nobody said to stop.
    fn sleep(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.is_told() {
            std::thread::sleep(LOOK.min(pause));
        }
        !self.is_told()
    }

    fn session(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        name: &str,
        size: &Arc<BatchSize>,
        registered: &mut Option<Instant>,
    ) -> Result<End, PostgresError> {
        let begin = session::begin(&self.settings, name, &self.dir, &self.marks);
        let Some(begun) = runtime.block_on(unless_told(&self.stop, begin))? else {
            return Ok(End::Stopped);
        };
        let Begun { reading, mut shipper, selected, failing } = begun;
        if let Some(selected) = selected {
            (self.callbacks.tell)(&selected);
        }
        self.tell_of_failed(&failing);
        let reached = shipper.checkpoint().position;
        self.counters.note_connection(reached);
        (self.callbacks.on_replicated)(reached);
        let (wait, counters) = (self.settings.batch_wait, self.counters.clone());
        let ahead = ReadAhead::start(reading, Arc::clone(size), wait, self.until, counters)?;
        let shipped = self.ship_all(runtime, &mut shipper, &ahead.batches, size, registered);
        // The connection first: the runtime drops what is left of it.
        drop(shipper);
        let read = ahead.finish();
        // A reader that failed is the cause of whatever the shipper saw.
        read?;
        shipped
    }

    fn ship_all(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        shipper: &mut Shipper,
        batches: &Receiver<Batch>,
        size: &BatchSize,
        registered: &mut Option<Instant>,
    ) -> Result<End, PostgresError> {
        let begun = Instant::now();
        loop {
            if self.is_told() {
                return Ok(End::Stopped);
            }
            let batch = match batches.recv_timeout(LOOK) {
                Ok(batch) => batch,
                Err(RecvTimeoutError::Timeout) => {
                    if begun.elapsed() >= PROVEN {
                        self.tell_of_recovery(shipper.checkpoint().position);
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.tell_of_recovery(shipper.checkpoint().position);
                    self.register(shipper, registered, true)?;
                    return Ok(End::CaughtUp);
                }
            };
            let (through, rows, begun) = (batch.through, batch.rows, Instant::now());
            let shipping = within("take a batch", SHIP_LIMIT, shipper.ship(batch));
            match runtime.block_on(unless_told(&self.stop, shipping)) {
                Ok(Some(())) => size.note(begun.elapsed()),
                // Whether it was committed the checkpoint tells.
                Ok(None) => return Ok(End::Stopped),
                Err(error) => {
                    if matches!(error, PostgresError::Late { .. }) {
                        size.shrink();
                    }
                    return Err(error);
                }
            }
            self.tell_of_recovery(through);
            self.counters.note_commit(through, rows);
            self.tell_of_failed(&shipper.take_failed());
            (self.callbacks.on_replicated)(through);
            self.register(shipper, registered, false)?;
        }
    }

    fn tell_of_failed(&mut self, failing: &[Failing]) {
        for failing in failing {
            (self.callbacks.tell)(&format!("warning: PostgreSQL: read model {failing}; it is left out"));
        }
    }

    /// A server that answers may have no room all the same, so that what is committed ends the trouble, or that nothing is to
    /// be shipped.
    fn tell_of_recovery(&mut self, reached: Sequence) {
        if self.counters.end_trouble() {
            (self.callbacks.tell)(&format!(
                "PostgreSQL is there again; everything through {reached} is in it"
            ));
        }
    }

    /// Tells retention what is needed still: from the block on that the checkpoint lies in.
    fn register(
        &self,
        shipper: &Shipper,
        registered: &mut Option<Instant>,
        is_last: bool,
    ) -> Result<(), PostgresError> {
        if !is_last && registered.is_some_and(|last| last.elapsed() < REGISTER_EVERY) {
            return Ok(());
        }
        let through = shipper.checkpoint().block.through;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let time = TimeNs(u64::try_from(since).unwrap_or(u64::MAX));
        let (name, kind) = (DEPENDANT.to_owned(), DependantKind::Reader);
        write_dependant(&self.dir, &Dependant { name, kind, through, time })?;
        *registered = Some(Instant::now());
        Ok(())
    }
}

/// A name for this replicator that no other process has.
fn instance_name() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("tickwerk replicator {}-{:x}", std::process::id(), since)
}

/// The error with its causes.
fn words(error: &PostgresError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
