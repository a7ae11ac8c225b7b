//! A rebuild of every read model while the journal grows and is shipped, and somebody reads all the time.
//!
//! The reader asks several read models in turn, each for what can only grow: an answer that fails, is empty or lies behind
//! an earlier one is a gap. The journal grows by [`PACE`] records a second.

use super::database::Scratch;
use super::source::Source;
use super::{PostgresBenchError, PostgresConfig, failed, settings};
use crate::rings::per_second;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_postgres::{Callbacks, Counters, Marks, Rebuild, Replicator, Until, all, connect, runtime};

/// Records that are written in a second meanwhile.
const PACE: u64 = 1_000;
const STEP: Duration = Duration::from_millis(20);
/// Between two questions of the reader.
const POLL: Duration = Duration::from_millis(5);
/// Rebuilds at once.
const PARALLEL: usize = 2;
const CATCH_UP_LIMIT: Duration = Duration::from_mins(2);

/// What is asked meanwhile: a figure that never falls.
const ASKED: &[&str] = &[
    "SELECT order_id FROM tickwerk.orders ORDER BY order_id DESC LIMIT 1",
    "SELECT global_position FROM tickwerk.activity_feed ORDER BY global_position DESC LIMIT 1",
    "SELECT max(global_position) FROM tickwerk.positions",
    "SELECT sum(count)::bigint FROM tickwerk.event_statistics",
    "SELECT max(global_position) FROM tickwerk.balances",
    "SELECT max(order_id) FROM tickwerk.risk_decisions",
];

/// How the rebuild went.
#[derive(Clone, PartialEq, Debug)]
pub struct Rebuilding {
    /// Read models.
    pub models: usize,
    /// Records that each was folded from, when the last was in place.
    pub events: u64,
    /// Until the last was in place.
    pub elapsed: Duration,
    /// Records a second, every read model's counted.
    pub folded_per_s: f64,
    /// Records a second as if all were one.
    pub events_per_s: f64,
    /// Records that were shipped meanwhile.
    pub shipped: u64,
    /// Most records that replication was behind.
    pub lag_max: u64,
    /// What replication told meanwhile; a swap is no reason to tell anything.
    pub told: Vec<String>,
    /// Answers of the reader.
    pub reads: u64,
    /// The longest that it waited for one.
    pub longest_read: Duration,
    /// Answers that failed, were empty, or lay behind an earlier one.
    pub gaps: Vec<String>,
}

/// What the reader saw.
#[derive(Default)]
struct Seen {
    reads: u64,
    longest: Duration,
    gaps: Vec<String>,
}

pub(super) fn measure(
    config: &PostgresConfig,
    scratch: &Scratch,
    journal: &Path,
    source: Source,
    progress: &mut dyn FnMut(&str),
) -> Result<Rebuilding, PostgresBenchError> {
    progress("rebuilding all read models");
    let (stop, is_over) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
    let told = Arc::new(Mutex::new(Vec::new()));
    let counters = Counters::default();
    let replicator = replicator(config, scratch, journal, &source, &stop, &told, &counters);
    let before = source.records();
    let rebuild = Rebuild {
        settings: &settings(&scratch.server, config),
        dir: journal.to_owned(),
        names: all().iter().map(|projection| projection.name().to_owned()).collect(),
        parallel: PARALLEL,
        stop: &AtomicBool::new(false),
        tell: &|_| {},
    };
    std::thread::scope(|scope| {
        let shipping = scope.spawn(move || replicator.run());
        let writing = scope.spawn(|| write_on(source, &is_over, &counters));
        let reading = scope.spawn(|| read_on(scratch, &is_over));
        let started = Instant::now();
        let outcomes = rebuild.run(&|_| {});
        let elapsed = started.elapsed();
        is_over.store(true, Ordering::Release);
        let written = joined(writing);
        let seen = joined(reading);
        if let Ok((records, _)) = &written {
            wait_until_shipped(&counters, *records);
        }
        stop.store(true, Ordering::Release);
        joined(shipping)?;
        let ((records, lag_max), seen, outcomes) = (written?, seen?, outcomes?);
        let (mut folded, mut events) = (0, 0);
        for (name, outcome) in outcomes {
            let rebuilt = outcome.map_err(|error| PostgresBenchError::Wrong(format!("{name}: {error}")))?;
            folded += rebuilt.position.0;
            events = events.max(rebuilt.position.0);
        }
        check(scratch, records)?;
        Ok(Rebuilding {
            models: rebuild.names.len(),
            events,
            elapsed,
            folded_per_s: per_second(folded, elapsed),
            events_per_s: per_second(events, elapsed),
            shipped: records - before,
            lag_max,
            told: told.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            reads: seen.reads,
            longest_read: seen.longest,
            gaps: seen.gaps,
        })
    })
}

fn replicator(
    config: &PostgresConfig,
    scratch: &Scratch,
    journal: &Path,
    source: &Source,
    stop: &Arc<AtomicBool>,
    told: &Arc<Mutex<Vec<String>>>,
    counters: &Counters,
) -> Replicator {
    let told = Arc::clone(told);
    let tell = move |text: &str| told.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned());
    Replicator {
        settings: settings(&scratch.server, config),
        dir: journal.to_owned(),
        marks: Marks::Shared(source.marks()),
        until: Until::Stopped,
        is_patient: false,
        stop: Arc::clone(stop),
        counters: counters.clone(),
        callbacks: Callbacks { on_replicated: Box::new(|_: Sequence| {}), tell: Box::new(tell) },
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Writes on at a pace; the records in the end, and most that replication was behind.
fn write_on(
    mut source: Source,
    is_over: &AtomicBool,
    counters: &Counters,
) -> Result<(u64, u64), PostgresBenchError> {
    let (before, started, mut lag_max) = (source.records(), Instant::now(), 0);
    while !is_over.load(Ordering::Acquire) {
        let due = started.elapsed().as_millis() * u128::from(PACE) / 1_000;
        source.write_to(before + u64::try_from(due).unwrap_or(u64::MAX))?;
        if counters.connections() > 0 {
            lag_max = lag_max.max(source.records().saturating_sub(counters.replicated_through().0));
        }
        std::thread::sleep(STEP);
    }
    let records = source.records();
    source.close()?;
    Ok((records, lag_max))
}

fn read_on(scratch: &Scratch, is_over: &AtomicBool) -> Result<Seen, PostgresBenchError> {
    runtime()?.block_on(async {
        let client = connect(&scratch.server, "tickwerk bench reader").await?;
        let (mut seen, mut last) = (Seen::default(), [0_i64; ASKED.len()]);
        while !is_over.load(Ordering::Acquire) {
            for (sql, last) in ASKED.iter().zip(&mut last) {
                let started = Instant::now();
                let answer = client.query_opt(*sql, &[]).await;
                seen.longest = seen.longest.max(started.elapsed());
                seen.reads += 1;
                match answer {
                    Ok(row) => match row.and_then(|row| row.get::<_, Option<i64>>(0)) {
                        Some(figure) if figure >= *last => *last = figure,
                        Some(figure) => seen.gaps.push(format!("{sql}: {figure} after {last}")),
                        None => seen.gaps.push(format!("{sql}: nothing")),
                    },
                    Err(error) => seen.gaps.push(format!("{sql}: {error}")),
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(seen)
    })
}

fn wait_until_shipped(counters: &Counters, records: u64) {
    let started = Instant::now();
    while counters.replicated_through().0 < records && started.elapsed() < CATCH_UP_LIMIT {
        std::thread::sleep(STEP);
    }
}

/// Everything must be in the database, and every read model in step with it.
fn check(scratch: &Scratch, records: u64) -> Result<(), PostgresBenchError> {
    let sql = "SELECT c.global_position,
            (SELECT count(*) FROM tickwerk.projection p WHERE p.status <> 'active' OR p.global_position <> c.global_position),
            (SELECT sum(count)::bigint FROM tickwerk.event_statistics), c.rows_shipped
        FROM tickwerk.checkpoint c";
    let (at, behind, counted, rows): (i64, i64, i64, i64) = scratch.with(async |client| {
        let row = client.query_one(sql, &[]).await.map_err(failed("look at the read models"))?;
        Ok((row.get(0), row.get(1), row.get(2), row.get(3)))
    })?;
    if at.unsigned_abs() == records && behind == 0 && counted == rows {
        return Ok(());
    }
    Err(PostgresBenchError::Wrong(format!(
        "of {records} records {at} are shipped, {behind} read models are not in step, {counted} rows are counted of {rows}"
    )))
}
