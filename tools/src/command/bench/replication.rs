//! `tickwerk bench replication`: how fast a journal gets into PostgreSQL, how fast it answers, what a rebuild does meanwhile.

use super::{mark, print, tell};
use crate::exit::{self, BadConfig};
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tickwerk_bench::postgres::{PostgresConfig, PostgresFigures, QueryFigures, STRETCH, measure};
use tickwerk_bench::workload::MIXED_V1;
use tickwerk_postgres::Server;

/// Rows a second ÷ those of a bare copy.
const PLAIN_MIN: f64 = 0.8;
const PROJECTED_MIN: f64 = 0.5;
/// The slowest tenth of a backlog ÷ the mean.
const SLOWEST_MIN: f64 = 0.8;
const P95_MAX: Duration = Duration::from_millis(5);
/// Where a server is named without `--url`, as the tests have it.
const VARIABLE: &str = "TICKWERK_TEST_POSTGRES";

/// Options of `bench replication`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A server, as `postgres.url` has it, and a user that may make databases; left out, that of `TICKWERK_TEST_POSTGRES`
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Events that queries and the rebuild work on: about 1.5 KB each on the server's disk
    #[arg(long, value_name = "N", default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    events: u64,
    /// Events of a round of the rates
    #[arg(long, value_name = "N", default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(10_000..=10_000_000))]
    rate_events: u64,
    /// Events of the backlog, the beginning of all events
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
    backlog: u64,
    /// Rounds of the rates; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// How often each query is asked
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    runs: u16,
    /// Years that there are partitions for when queries are asked, beside those that hold something
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(0..=100))]
    years: i32,
    /// Most events of a transaction, as `postgres.batch_events`
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_events: u32,
    /// Where the journals lie for a while; left out, among the system's temporary directories
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints how the server answers every query, not only those that scan a large table
    #[arg(long)]
    plans: bool,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

/// Measures and prints; a query that scans a large table, or a gap in a rebuild, is a failure.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let figures = measure(&config(options)?, &mut |what| tell(what))?;
    if options.json {
        print(&to_json(&figures, options).to_string())?;
    } else {
        print(&to_text(&figures, options).join("\n"))?;
    }
    let is_sound = figures.queries.iter().all(|query| query.scans.is_empty())
        && figures.rebuilding.gaps.is_empty()
        && figures.rebuilding.told.is_empty();
    Ok(if is_sound { exit::OK } else { exit::FAILED })
}

fn config(options: &Options) -> Result<PostgresConfig> {
    let url = match &options.url {
        Some(url) => url.clone(),
        None => std::env::var(VARIABLE).map(|url| format!("{url} dbname=postgres")).context(
            "no server is named: give --url, such as --url 'host=/run/postgresql user=postgres dbname=postgres'; \
             databases of its own are made there and dropped at the end",
        ).context(BadConfig)?,
    };
    Ok(PostgresConfig {
        server: Server::parse(&url).context(BadConfig)?,
        events: options.events.max(options.backlog),
        rate_events: options.rate_events,
        backlog: options.backlog,
        rounds: usize::from(options.rounds),
        runs: usize::from(options.runs),
        years: options.years,
        batch_events: options.batch_events as usize,
        dir: options.dir.clone(),
    })
}

fn to_json(figures: &PostgresFigures, options: &Options) -> Value {
    let (rates, backlog, rebuilding) = (&figures.rates, &figures.backlog, &figures.rebuilding);
    let rounded = |rates: &[f64]| rates.iter().map(|rate| rate.round()).collect::<Vec<_>>();
    let query = |query: &QueryFigures| {
        json!({
            "name": query.name,
            "runs": query.runs,
            "rows": query.rows,
            "p50_ms": milliseconds(query.p50),
            "p95_ms": milliseconds(query.p95),
            "max_ms": milliseconds(query.max),
            "scans": query.scans,
            "plan": query.plan,
        })
    };
    json!({
        "workload": MIXED_V1.name,
        "process": std::process::id(),
        "stretch": STRETCH,
        "server": figures.server,
        "shares": figures.shares,
        "batch_events": options.batch_events,
        "rates": {
            "rows": rates.rows,
            "bytes": rates.bytes,
            "rounds": options.rounds,
            "bare_per_s": rates.bare_per_s.round(),
            "plain_per_s": rates.plain_per_s.round(),
            "projected_per_s": rates.projected_per_s.round(),
            "plain_to_bare": rates.plain_to_bare,
            "projected_to_bare": rates.projected_to_bare,
        },
        "backlog": {
            "events": backlog.events,
            "tenths_per_s": rounded(&backlog.tenths),
            "slowest_to_mean": backlog.slowest_to_mean,
            "all_events": backlog.all_events,
            "all_tenths_per_s": rounded(&backlog.all_tenths),
            "all_slowest_to_mean": backlog.all_slowest_to_mean,
        },
        "database_bytes": figures.database_bytes,
        "queries": figures.queries.iter().map(query).collect::<Vec<_>>(),
        "rebuild": {
            "models": rebuilding.models,
            "events": rebuilding.events,
            "elapsed_s": rebuilding.elapsed.as_secs_f64(),
            "events_per_s": rebuilding.events_per_s.round(),
            "folded_per_s": rebuilding.folded_per_s.round(),
            "shipped": rebuilding.shipped,
            "lag_max": rebuilding.lag_max,
            "told": rebuilding.told,
            "reads": rebuilding.reads,
            "longest_read_ms": milliseconds(rebuilding.longest_read),
            "gaps": rebuilding.gaps,
        },
    })
}

fn to_text(figures: &PostgresFigures, options: &Options) -> Vec<String> {
    let number = |figure: f64| grouped(&format!("{figure:.0}"));
    let count = |count: u64| grouped(&count.to_string());
    let (rates, backlog) = (&figures.rates, &figures.backlog);
    let shares: Vec<String> =
        figures.shares.iter().map(|(family, share)| format!("{family} {:.1} %", percent(*share))).collect();
    let mut lines = vec![
        format!(
            "{}, its time stretched {STRETCH} times; PostgreSQL {}, batches of {}",
            MIXED_V1.name,
            figures.server,
            count(u64::from(options.batch_events))
        ),
        format!("records: {}", shares.join(", ")),
        String::new(),
        format!("{} rows, medians of {} rounds", count(rates.rows), options.rounds),
        format!("{:<32}{:>12} rows/s", "bare COPY BINARY", number(rates.bare_per_s)),
        format!("{:<32}{:>12} rows/s", "replication, no read models", number(rates.plain_per_s)),
        format!("{:<32}{:>12} rows/s", "replication, all read models", number(rates.projected_per_s)),
    ];
    let ratios = [
        ("no read models ÷ bare", rates.plain_to_bare, PLAIN_MIN),
        ("all read models ÷ bare", rates.projected_to_bare, PROJECTED_MIN),
    ];
    lines.extend(ratios.map(|(what, ratio, target)| {
        format!("{what:<32}{ratio:>12.3}   target {target} {}", mark(ratio >= target))
    }));
    let ways = [
        (backlog.events, &backlog.tenths, backlog.slowest_to_mean),
        (backlog.all_events, &backlog.all_tenths, backlog.all_slowest_to_mean),
    ];
    for (events, tenths, slowest) in ways {
        let tenths: Vec<String> = tenths.iter().map(|rate| number(*rate)).collect();
        lines.push(String::new());
        lines.push(format!("a backlog of {}, tenth by tenth: {}", count(events), tenths.join(" ")));
        let reached = mark(slowest >= SLOWEST_MIN);
        lines.push(format!("{:<32}{slowest:>12.3}   target {SLOWEST_MIN} {reached}", "slowest tenth ÷ mean"));
    }
    lines.extend(queries(figures, options));
    lines.extend(rebuilding(figures));
    lines
}

fn queries(figures: &PostgresFigures, options: &Options) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!(
            "at {} events, {} MiB",
            grouped(&figures.backlog.all_events.to_string()),
            figures.database_bytes >> 20
        ),
        format!("{:<32}{:>10}{:>10}{:>10}  ms, of {} runs", "", "p50", "p95", "max", options.runs),
    ];
    for query in &figures.queries {
        let [p50, p95, max] = [query.p50, query.p95, query.max].map(milliseconds);
        let reached = mark(query.p95 <= P95_MAX);
        lines.push(format!("{:<32}{p50:>10.3}{p95:>10.3}{max:>10.3}  target p95 5 {reached}", query.name));
    }
    for query in figures.queries.iter().filter(|query| options.plans || !query.scans.is_empty()) {
        let scans = if query.scans.is_empty() { "nothing large".to_owned() } else { query.scans.join(", ") };
        lines.push(format!("\n{} scans {scans}:\n{}", query.name, query.plan));
    }
    lines
}

fn rebuilding(figures: &PostgresFigures) -> Vec<String> {
    let rebuilding = &figures.rebuilding;
    let number = |figure: f64| grouped(&format!("{figure:.0}"));
    let mut lines = vec![
        String::new(),
        format!(
            "{} read models rebuilt over {} events in {:.1} s: {} events/s, {} counted for each",
            rebuilding.models,
            grouped(&rebuilding.events.to_string()),
            rebuilding.elapsed.as_secs_f64(),
            number(rebuilding.events_per_s),
            number(rebuilding.folded_per_s)
        ),
        format!(
            "meanwhile {} events were shipped, at most {} behind; {} reads, the longest {:.1} ms, {} gaps",
            grouped(&rebuilding.shipped.to_string()),
            grouped(&rebuilding.lag_max.to_string()),
            grouped(&rebuilding.reads.to_string()),
            milliseconds(rebuilding.longest_read),
            rebuilding.gaps.len()
        ),
    ];
    lines.extend(rebuilding.gaps.iter().map(|gap| format!("gap: {gap}")));
    lines.extend(rebuilding.told.iter().map(|told| format!("told: {told}")));
    lines
}

#[expect(clippy::float_arithmetic, reason = "a measured figure")]
fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::float_arithmetic, reason = "a measured figure")]
fn percent(share: f64) -> f64 {
    share * 100.0
}
