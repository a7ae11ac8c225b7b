//! Rows a second: a bare `COPY BINARY`, replication without read models, and with all of them, in turn.
//!
//! All three put the same rows into the same indexed and partitioned table of an empty database, over one connection. The
//! bare copy is one statement and one commit, of rows that are encoded before; replication reads, proves, encodes, folds
//! and commits batch by batch.

use super::database::Scratch;
use super::{PostgresBenchError, PostgresConfig, failed, settings};
use crate::rings::per_second;
use crate::throughput::median;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_postgres::{BareCopy, Callbacks, Counters, Marks, Replicator, Until, all, pause};

/// Medians over the rounds.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Rows of a round.
    pub rows: u64,
    /// Bytes of them, as they are sent.
    pub bytes: u64,
    /// Rows a second of the bare copy.
    pub bare_per_s: f64,
    /// Of replication without read models.
    pub plain_per_s: f64,
    /// Of replication with all read models.
    pub projected_per_s: f64,
    /// `plain_per_s ÷ bare_per_s`, the median of the rounds' ratios.
    pub plain_to_bare: f64,
    /// `projected_per_s ÷ bare_per_s`, alike.
    pub projected_to_bare: f64,
}

pub(super) fn measure(
    config: &PostgresConfig,
    journal: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Rates, PostgresBenchError> {
    let copy = BareCopy::read(journal)?;
    let mut rounds = Vec::new();
    for round in 0..config.rounds {
        progress(&format!("rates, round {} of {}", round + 1, config.rounds));
        let bare = bare(config, &copy)?;
        let plain = replicated(config, journal, &copy, false)?;
        let projected = replicated(config, journal, &copy, true)?;
        rounds.push([bare, plain, projected]);
    }
    Ok(summary(&copy, &rounds))
}

#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
fn summary(copy: &BareCopy, rounds: &[[f64; 3]]) -> Rates {
    let of = |place: usize| median(rounds.iter().map(|round| round[place]).collect());
    let to_bare = |place: usize| median(rounds.iter().map(|round| round[place] / round[0]).collect());
    Rates {
        rows: copy.rows(),
        bytes: copy.bytes() as u64,
        bare_per_s: of(0),
        plain_per_s: of(1),
        projected_per_s: of(2),
        plain_to_bare: to_bare(1),
        projected_to_bare: to_bare(2),
    }
}

fn bare(config: &PostgresConfig, copy: &BareCopy) -> Result<f64, PostgresBenchError> {
    let scratch = Scratch::new(&config.server)?;
    scratch.with(async |client| Ok(copy.prepare(&client).await?))?;
    scratch.settle()?;
    scratch.with(async |client| {
        let started = Instant::now();
        let rows = copy.run(&client).await?;
        Ok(per_second(rows, started.elapsed()))
    })
}

fn replicated(
    config: &PostgresConfig,
    journal: &Path,
    copy: &BareCopy,
    with_models: bool,
) -> Result<f64, PostgresBenchError> {
    let scratch = Scratch::new(&config.server)?;
    if !with_models {
        let names: Vec<String> = all().iter().map(|projection| projection.name().to_owned()).collect();
        scratch.with(async |mut client| Ok(pause(&mut client, &names).await.map(drop)?))?;
    }
    scratch.with(async |client| Ok(copy.prepare(&client).await?))?;
    scratch.settle()?;
    let counters = Counters::default();
    let replicator = Replicator {
        settings: settings(&scratch.server, config),
        dir: journal.to_owned(),
        marks: Marks::Stored,
        until: Until::CaughtUp,
        is_patient: false,
        stop: Arc::default(),
        counters: counters.clone(),
        callbacks: Callbacks { on_replicated: Box::new(|_: Sequence| {}), tell: Box::new(|_| {}) },
    };
    let started = Instant::now();
    replicator.run()?;
    let elapsed: Duration = started.elapsed();
    if counters.rows() != copy.rows() {
        let (shipped, wanted) = (counters.rows(), copy.rows());
        return Err(PostgresBenchError::Wrong(format!("{shipped} rows were shipped of {wanted}")));
    }
    if with_models {
        check_models(&scratch)?;
    }
    Ok(per_second(copy.rows(), elapsed))
}

/// A read model that failed on the way would make the rate a false one.
fn check_models(scratch: &Scratch) -> Result<(), PostgresBenchError> {
    let sql = "SELECT count(*) FROM tickwerk.projection
        WHERE status <> 'active' OR global_position <> (SELECT global_position FROM tickwerk.checkpoint)";
    let behind: i64 = scratch.with(async |client| {
        let row = client.query_one(sql, &[]).await;
        Ok(row.map_err(failed("look at the read models"))?.get(0))
    })?;
    if behind == 0 {
        return Ok(());
    }
    Err(PostgresBenchError::Wrong(format!("{behind} read models are not at the checkpoint")))
}
