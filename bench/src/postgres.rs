//! How fast a journal gets into PostgreSQL, how fast it answers from there, and what a rebuild of read models does meanwhile.
//!
//! Databases of its own are made on the server and dropped at the end. Figures are taken in short rounds, one after the
//! other, and medians count; compare ratios of one run, not figures of two. The rows are those of the committed workload,
//! all families of it, with its time stretched to [`STRETCH`] times its length: 25 commands a second, so that five million
//! events are more than a day.

mod database;
mod loading;
mod plans;
mod queries;
mod rates;
mod rebuilding;
mod source;

pub use loading::Backlog;
pub use queries::QueryFigures;
pub use rates::Rates;
pub use rebuilding::Rebuilding;

use database::Scratch;
use source::Source;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tickwerk_journal::{AppendError, Failure, FileError, RecoverError};
use tickwerk_postgres::{PostgresError, Server, Settings, Wanted};

/// What the workload's time is multiplied by.
pub const STRETCH: u64 = 8_000;

/// What to measure.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// A server, and who may make databases there.
    pub server: Server,
    /// Events that queries and the rebuild work on.
    pub events: u64,
    /// Events of a round of the rates.
    pub rate_events: u64,
    /// Events of the backlog that is caught up.
    pub backlog: u64,
    /// Rounds of the rates; the median counts.
    pub rounds: usize,
    /// How often each query is asked.
    pub runs: usize,
    /// Years that there are partitions for when queries are asked, beside those that hold something.
    pub years: i32,
    /// Most records of a transaction.
    pub batch_events: usize,
    /// Where the journals lie for a while; `None` for among the temporary directories.
    pub dir: Option<PathBuf>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct PostgresFigures {
    /// The server's version, and the settings that most of its figures hang on.
    pub server: String,
    /// Share of each family in the records.
    pub shares: BTreeMap<&'static str, f64>,
    /// Shipping beside a bare copy.
    pub rates: Rates,
    /// Catching up.
    pub backlog: Backlog,
    /// Bytes of the database with all events in it.
    pub database_bytes: u64,
    /// What dashboards ask.
    pub queries: Vec<QueryFigures>,
    /// All read models anew.
    pub rebuilding: Rebuilding,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum PostgresBenchError {
    /// Replication or the server.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A statement of the bench.
    #[error("{what}: {}", source.as_db_error().map_or_else(|| source.to_string(), ToString::to_string))]
    Statement {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: tokio_postgres::Error,
    },
    /// The temporary directory.
    #[error("the directory for the journals cannot be used")]
    Directory(#[from] std::io::Error),
    /// No journal could be made.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// A journal could not be opened.
    #[error(transparent)]
    File(#[from] FileError),
    /// A thread of the journal failed.
    #[error(transparent)]
    Journal(#[from] Failure),
    /// The journal took no more.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What came out is wrong, so that its figure would be, too.
    #[error("{0}")]
    Wrong(String),
}

/// Measures everything, in this order: rates, backlog, queries, rebuild. `progress` hears what begins.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "shares of counts")]
pub fn measure(
    config: &PostgresConfig,
    progress: &mut dyn FnMut(&str),
) -> Result<PostgresFigures, PostgresBenchError> {
    let folder = match &config.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let (small, large) = (folder.path().join("small"), folder.path().join("large"));
    let mut source = Source::begin(&small, STRETCH)?;
    source.write_to(config.rate_events)?;
    source.close()?;
    let rates = rates::measure(config, &small, progress)?;
    progress("writing the journal");
    let mut source = Source::begin(&large, STRETCH)?;
    source.write_to(config.events)?;
    let total = source.records() as f64;
    let shares = source.by_family().iter().map(|(family, count)| (*family, *count as f64 / total)).collect();
    let scratch = Scratch::new(&config.server)?;
    source.wait_until_durable()?;
    let backlog = loading::measure(config, &scratch, &large, &source.marks(), progress)?;
    let (server, database_bytes) = scratch.describe()?;
    let queries = queries::measure(config, &scratch, progress)?;
    let rebuilding = rebuilding::measure(config, &scratch, &large, source, progress)?;
    Ok(PostgresFigures { server, shares, rates, backlog, database_bytes, queries, rebuilding })
}

/// As the daemon ships by default, but for the size of batches.
fn settings(server: &Server, config: &PostgresConfig) -> Settings {
    Settings {
        server: server.clone(),
        selection: Wanted::default(),
        batch_events: config.batch_events,
        batch_wait: Duration::from_millis(20),
        retry_max: Duration::from_secs(1),
        alarm_lag: Duration::ZERO,
    }
}

fn failed(what: &'static str) -> impl FnOnce(tokio_postgres::Error) -> PostgresBenchError {
    move |source| PostgresBenchError::Statement { what, source }
}
