//! Catching up with a journal that is there already, with all read models: how the rate goes as tables grow.

use super::database::Scratch;
use super::{PostgresBenchError, PostgresConfig, settings};
use crate::rings::per_second;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_journal::Watermarks;
use tickwerk_postgres::{Callbacks, Counters, Marks, Replicator, Until};

/// Parts that a way is divided into.
const PARTS: u64 = 10;

/// How a backlog was caught up.
#[derive(Clone, PartialEq, Debug)]
pub struct Backlog {
    /// Events of the backlog.
    pub events: u64,
    /// Events a second of each tenth of it.
    pub tenths: Vec<f64>,
    /// The slowest of them ÷ their mean.
    pub slowest_to_mean: f64,
    /// Of all events, of which the backlog is the beginning.
    pub all_events: u64,
    /// Events a second of each tenth of those.
    pub all_tenths: Vec<f64>,
    /// The slowest of them ÷ their mean.
    pub all_slowest_to_mean: f64,
}

/// When everything through a sequence was committed.
type Reached = (u64, Duration);

pub(super) fn measure(
    config: &PostgresConfig,
    scratch: &Scratch,
    journal: &Path,
    marks: &Watermarks,
    progress: &mut dyn FnMut(&str),
) -> Result<Backlog, PostgresBenchError> {
    progress("catching up");
    let reached = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&reached);
    scratch.settle()?;
    let started = Instant::now();
    let note = move |through: Sequence| {
        noted.lock().unwrap_or_else(PoisonError::into_inner).push((through.0, started.elapsed()));
    };
    let replicator = Replicator {
        settings: settings(&scratch.server, config),
        dir: journal.to_owned(),
        marks: Marks::Shared(marks.clone()),
        until: Until::CaughtUp,
        is_patient: false,
        stop: Arc::default(),
        counters: Counters::default(),
        callbacks: Callbacks { on_replicated: Box::new(note), tell: Box::new(|_| {}) },
    };
    let through = replicator.run()?.0;
    let reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
    let events = config.backlog.min(through);
    let (tenths, slowest_to_mean) = parts(&reached, events);
    let (all_tenths, all_slowest_to_mean) = parts(&reached, through);
    Ok(Backlog { events, tenths, slowest_to_mean, all_events: through, all_tenths, all_slowest_to_mean })
}

/// The rate of each part of the way through `events`, cut where batches were committed, and the slowest ÷ the mean.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "means of measured figures")]
fn parts(reached: &[Reached], events: u64) -> (Vec<f64>, f64) {
    let mut rates = Vec::new();
    let mut before = (0, Duration::ZERO);
    for part in 1..=PARTS {
        let Some(at) = reached.iter().find(|(through, _)| *through >= events * part / PARTS) else { break };
        if at.0 > before.0 {
            rates.push(per_second(at.0 - before.0, at.1.saturating_sub(before.1)));
            before = *at;
        }
    }
    let mean = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    (rates, slowest / mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_where_batches_end() {
        let second = |number: u64| Duration::from_secs(number);
        let reached: Vec<Reached> =
            (1..=20).map(|number| (number * 50, second(number + u64::from(number > 18)))).collect();
        let (rates, slowest_to_mean) = parts(&reached, 1_000);
        assert_eq!(rates.len(), 10);
        assert!((rates[0] - 50.0).abs() < 1e-9 && (rates[9] - 100.0 / 3.0).abs() < 1e-9, "{rates:?}");
        assert!(slowest_to_mean < 0.7, "{slowest_to_mean}");
    }
}
