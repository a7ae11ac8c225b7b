//! `tickwerk db replicate`: ships a journal without a daemon, or beside one that does not do it itself.

use super::Place;
use crate::command::{print, tell};
use crate::exit;
use crate::replication::watch_lag;
use crate::stop::Stop;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::{ReplicatedMark, StoredWatermarks};
use tickwerk_postgres::{Callbacks, Counters, DEPENDANT, Marks, Replicator, Until};

/// Between two looks for a daemon that awaits what is committed.
const ATTACH_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    #[command(flatten)]
    place: Place,
    /// End when everything that is durable is shipped.
    #[arg(long)]
    until_caught_up: bool,
    /// Print the outcome as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let settings = options.place.settings()?;
    let stop = Stop::on_signals()?;
    let counters = Counters::default();
    let started = Instant::now();
    let alarm_lag = settings.alarm_lag;
    let until = if options.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let replicator = Replicator {
        settings,
        dir: options.dir.clone(),
        marks: Marks::Stored,
        until,
        is_patient: false,
        stop: stop.flag(),
        counters: counters.clone(),
        callbacks: Callbacks { on_replicated: Box::new(publisher(&options.dir)), tell: Box::new(tell) },
    };
    // Who waits for the end of a backlog knows that it is behind.
    let limit = if options.until_caught_up { Duration::ZERO } else { alarm_lag };
    let shipped = with_alarm(&options.dir, &counters, limit, || replicator.run());
    let through = shipped.with_context(|| format!("shipping the journal in {}", options.dir.display()))?;
    let (elapsed, rows) = (started.elapsed(), counters.rows());
    if options.json {
        let outcome = json!({
            "replicated_through": through.0,
            "rows": rows,
            "commits": counters.commits(),
            "connections": counters.connections(),
            "elapsed_s": elapsed.as_secs_f64(),
        });
        print(&outcome.to_string())?;
    } else {
        let seconds = elapsed.as_secs_f64();
        print(&format!(
            "everything through {through} is in PostgreSQL; {rows} rows shipped now, in {seconds:.1} s"
        ))?;
    }
    Ok(exit::OK)
}

/// Does `work` while the lag is watched, where there is a limit to it.
fn with_alarm<T>(dir: &Path, counters: &Counters, limit: Duration, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if !limit.is_zero() {
            // What cannot be read now may be later; replication itself tells what is wrong.
            let durable = || StoredWatermarks::read(dir).ok().flatten().map(|marks| marks.durable_through);
            let stop = &is_over;
            scope.spawn(move || watch_lag(counters, durable, stop, limit));
        }
        let done = work();
        is_over.store(true, Ordering::Release);
        done
    })
}

/// Publishes what is committed to a daemon that awaits it.
fn publisher(dir: &Path) -> impl FnMut(Sequence) + Send + use<> {
    let dir = dir.to_owned();
    let mut mark: Option<ReplicatedMark> = None;
    let mut tried: Option<Instant> = None;
    move |through| {
        // Twice: the writer that is known may have ended, and another one have come.
        for _ in 0..2 {
            if mark.is_none() && tried.is_none_or(|tried| tried.elapsed() >= ATTACH_EVERY) {
                tried = Some(Instant::now());
                // Nobody writes, or whoever does awaits somebody else: then nothing waits for this.
                mark = ReplicatedMark::attach(&dir, DEPENDANT).ok();
            }
            let Some(known) = &mark else { return };
            if known.publish(through).is_ok() {
                return;
            }
            (mark, tried) = (None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_bench::recording::frames;
    use tickwerk_bench::workload::MIXED_V1;
    use tickwerk_journal::{Journal, JournalConfig, recover};

    fn open(dir: &Path) -> Journal {
        let replicator = Some(DEPENDANT.to_owned());
        let config = JournalConfig { replicator, ..JournalConfig::new(dir) };
        recover(config).unwrap().open().unwrap()
    }

    #[test]
    fn a_writer_that_has_come_since_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut publish = publisher(folder.path());
        let mut journal = open(folder.path());
        for record in &frames(MIXED_V1, 100) {
            journal.writer.push(record).unwrap();
        }
        journal.writer.close().unwrap();
        let first = open(folder.path());
        let marks = first.watermarks();
        let last = marks.durable_through();
        publish(Sequence(1));
        assert_eq!(marks.replicated_through(), Sequence(1));
        first.writer.close().unwrap();
        let second = open(folder.path());
        // What is committed last may be all that ever is.
        publish(last);
        assert_eq!(second.watermarks().replicated_through(), last);
        second.writer.close().unwrap();
    }
}
