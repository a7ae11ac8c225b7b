//! Replication to PostgreSQL inside the daemon: a thread of low priority that reads the journal's files.
//!
//! Nothing waits for it. What goes wrong is told once and tried again; what no retry can mend is told and ends replication,
//! not trading. At the end of the daemon it may ship what is left, for a bounded time.

use crate::command::tell;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::{Watermarks, lower_priority};
use tickwerk_postgres::{Callbacks, Counters, DEPENDANT, Marks, Replicator, Settings, Until};

/// Behind everything that decides.
const PRIORITY: i32 = 10;
/// How long the end of the daemon waits for what is left to ship.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long replication may take to end: more than it gives a server that hangs.
const STOP_LIMIT: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks at the lag.
const ALARM_LOOK: Duration = Duration::from_secs(1);

/// Replication that runs.
#[derive(Debug)]
pub(crate) struct Replication {
    counters: Counters,
    stop: Arc<AtomicBool>,
    watermarks: Watermarks,
    thread: JoinHandle<()>,
    alarm: Option<JoinHandle<()>>,
}

/// What a monitor sees of it while it runs.
#[derive(Clone, Debug)]
pub(crate) struct ReplicationFigures {
    counters: Counters,
    watermarks: Watermarks,
}

impl ReplicationFigures {
    pub(crate) fn to_json(&self) -> Value {
        // Replication itself notes it only while it has a server.
        self.counters.note_durable(self.watermarks.durable_through());
        let (lag, counters) = (self.counters.lag(), &self.counters);
        json!({
            "replicated_through": counters.replicated_through().0,
            "lag_events": lag.events,
            "lag_s": lag.age.as_secs_f64(),
            "commits_total": counters.commits(),
            "rows_total": counters.rows(),
            "connections_total": counters.connections(),
            "failures_total": counters.failures(),
            "trouble": counters.trouble(),
        })
    }
}

/// What it came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Replicated {
    pub(crate) through: u64,
    pub(crate) lag_events: u64,
    commits: u64,
    rows: u64,
    connections: u64,
    failures: u64,
    trouble: Option<String>,
}

impl Replicated {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "replicated_through": self.through,
            "lag_events": self.lag_events,
            "commits": self.commits,
            "rows": self.rows,
            "connections": self.connections,
            "failures": self.failures,
            "trouble": self.trouble,
        })
    }
}

impl Replication {
    /// Begins to ship the journal in `dir`; `awaited` is the replicator whose commits release acknowledgements.
    pub(crate) fn start(
        settings: &Settings,
        dir: &Path,
        watermarks: &Watermarks,
        awaited: Option<&str>,
    ) -> Result<Self> {
        let (counters, stop) = (Counters::default(), Arc::new(AtomicBool::new(false)));
        let replicator = Replicator {
            settings: settings.clone(),
            dir: dir.to_owned(),
            marks: Marks::Shared(watermarks.clone()),
            until: Until::Stopped,
            is_patient: true,
            stop: Arc::clone(&stop),
            counters: counters.clone(),
            callbacks: Callbacks {
                on_replicated: Box::new(publisher(watermarks, awaited == Some(DEPENDANT))),
                tell: Box::new(told),
            },
        };
        let run = move || {
            lower_priority(PRIORITY);
            if let Err(error) = replicator.run() {
                tell(&format!(
                    "ALARM: nothing more goes to PostgreSQL: {:#}; trading goes on",
                    anyhow::Error::new(error)
                ));
            }
        };
        let thread = std::thread::Builder::new().name("tw-postgres".to_owned()).spawn(run)?;
        let alarm = (!settings.alarm_lag.is_zero()).then(|| {
            let (counters, stop, limit) = (counters.clone(), Arc::clone(&stop), settings.alarm_lag);
            let watermarks = watermarks.clone();
            let durable = move || Some(watermarks.durable_through());
            let watch = move || watch_lag(&counters, durable, &stop, limit);
            std::thread::Builder::new().name("tw-pg-lag".to_owned()).spawn(watch)
        });
        tell(&format!("tickwerk: PostgreSQL {}", settings.server.name()));
        if let Some(exposed) = settings.server.exposed_password() {
            tell(&format!("warning: PostgreSQL: {exposed}"));
        }
        Ok(Self { counters, stop, watermarks: watermarks.clone(), thread, alarm: alarm.transpose()? })
    }

    /// What a monitor sees of it.
    pub(crate) fn figures(&self) -> ReplicationFigures {
        ReplicationFigures { counters: self.counters.clone(), watermarks: self.watermarks.clone() }
    }

    /// Ships what is left, for a bounded time, and ends.
    pub(crate) fn finish(self) -> Replicated {
        let deadline = Instant::now() + DRAIN_LIMIT;
        let is_done = || self.counters.replicated_through() >= self.watermarks.durable_through();
        // A server that is not there is not waited for.
        let may_go_on = || !self.thread.is_finished() && self.counters.trouble().is_none();
        while !is_done() && may_go_on() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.stop()
    }

    /// Ends. A server that hangs is not waited for: what it has of the last batch is read from the checkpoint later.
    pub(crate) fn stop(self) -> Replicated {
        self.stop.store(true, Ordering::Release);
        let deadline = Instant::now() + STOP_LIMIT;
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        if let Some(alarm) = self.alarm {
            alarm.join().ok();
        }
        let through = self.counters.replicated_through().0;
        Replicated {
            through,
            lag_events: self.watermarks.durable_through().0.saturating_sub(through),
            commits: self.counters.commits(),
            rows: self.counters.rows(),
            connections: self.counters.connections(),
            failures: self.counters.failures(),
            trouble: self.counters.trouble(),
        }
    }
}

/// Publishes what is committed, where it is awaited.
fn publisher(watermarks: &Watermarks, is_awaited: bool) -> impl FnMut(Sequence) + Send + use<> {
    let watermarks = watermarks.clone();
    move |through| {
        if is_awaited && let Err(error) = watermarks.publish_replicated(through) {
            tell(&format!("warning: PostgreSQL: {error}"));
        }
    }
}

fn told(text: &str) {
    tell(if text.starts_with("warning") { text.to_owned() } else { format!("tickwerk: {text}") }.as_str());
}

/// Tells when the database falls behind further than it may, and when it has caught up again. `durable` says how far the
/// journal is, where that is known.
pub(crate) fn watch_lag(
    counters: &Counters,
    mut durable: impl FnMut() -> Option<Sequence>,
    stop: &AtomicBool,
    limit: Duration,
) {
    let mut is_told = false;
    let mut next = Instant::now();
    while !stop.load(Ordering::Acquire) {
        std::thread::sleep(LOOK);
        if Instant::now() < next {
            continue;
        }
        next += ALARM_LOOK;
        if let Some(through) = durable() {
            counters.note_durable(through);
        }
        let lag = counters.lag();
        if !is_told && lag.age >= limit {
            let seconds = lag.age.as_secs();
            tell(&format!("ALARM: PostgreSQL is {} records and {seconds} s behind the journal", lag.events));
            is_told = true;
        } else if is_told && lag.age < limit / 2 {
            tell("tickwerk: PostgreSQL has caught up with the journal");
            is_told = false;
        }
    }
}
