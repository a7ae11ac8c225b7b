//! `tickwerk bench postgres`: what the core pays for a PostgreSQL that is stopped or hangs, against none at all.
//!
//! How it is measured is told in [`beside`](super::beside). No server is needed: stopped, nobody listens on its port;
//! hanging, the system takes connections on it and nobody ever answers, as with a server that is stopped in its tracks.

use super::beside::{Beside, Compared, Extent, Layout, measure_all};
use super::{mark, print};
use crate::exit;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;
use tickwerk_bench::workload::MIXED_V1;
use tickwerk_engine::pipeline::affinity::cores_available;
use tickwerk_postgres::{Server, Settings, Wanted};

/// What may be added to the 99th percentile, as a fraction of it.
const COST_MAX: f64 = 0.1;
const WORDS: [&str; 3] = ["absent", "stopped", "hanging"];

/// Options of `bench postgres`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Commands in a measurement
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    commands: u64,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Where the journals lie for a while; left out, among the system's temporary directories
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let extent = Extent { commands: options.commands, rounds: options.rounds, dir: options.dir.clone() };
    let cores = cores_available();
    let all = measure(&extent, cores)?;
    if options.json {
        let layouts: Vec<Value> = all.iter().map(to_json).collect();
        print(&json!({"workload": MIXED_V1.name, "commands": options.commands, "rounds": options.rounds, "cores": cores, "layouts": layouts}).to_string())?;
    } else {
        print(&to_text(&all, cores, &extent))?;
    }
    Ok(exit::OK)
}

fn measure(extent: &Extent, cores: usize) -> Result<Vec<Compared>> {
    let listen = || TcpListener::bind("127.0.0.1:0").context("opening a port on loopback");
    // Of a port that was free a moment ago.
    let stopped = settings_of(&listen()?)?;
    let hanging = listen()?;
    let all = [Beside::Nobody, Beside::Replicator(stopped), Beside::Replicator(settings_of(&hanging)?)];
    measure_all(extent, &all, cores)
}

/// As the daemon has them by default, of a server on the port of a listener.
fn settings_of(listener: &TcpListener) -> Result<Box<Settings>> {
    let port = listener.local_addr()?.port();
    Ok(Box::new(Settings {
        server: Server::parse(&format!("host=127.0.0.1 port={port} user=tickwerk dbname=tickwerk"))?,
        selection: Wanted::default(),
        batch_events: 10_000,
        batch_wait: Duration::from_millis(20),
        retry_max: Duration::from_secs(10),
        alarm_lag: Duration::from_mins(1),
    }))
}

fn to_json(compared: &Compared) -> Value {
    let mut layout = json!({ "layout": compared.layout.word() });
    for (word, side) in WORDS.iter().zip(&compared.sides) {
        layout[word] = json!({"commands_per_s": side.per_s.round(), "p50_ns": side.p50_ns.round(), "p99_ns": side.p99_ns.round()});
    }
    for (word, ratio) in WORDS[1..].iter().zip(&compared.ratios) {
        layout[format!("{word}_to_absent")] =
            json!({"commands_per_s": ratio.per_s, "p50_ns": ratio.p50_ns, "p99_ns": ratio.p99_ns});
    }
    layout
}

#[expect(clippy::float_arithmetic, reason = "a bound of measured figures")]
fn to_text(all: &[Compared], cores: usize, extent: &Extent) -> String {
    let commands = grouped(&extent.commands.to_string());
    let mut lines = vec![
        format!("{}, {commands} commands, {cores} cores, medians of {} rounds", MIXED_V1.name, extent.rounds),
        String::new(),
        format!("{:<8}{:<20}{:>14}{:>12}{:>12}", "", "PostgreSQL", "commands/s", "p50 ns", "p99 ns"),
    ];
    let number = |figure: f64| grouped(&format!("{figure:.0}"));
    for Compared { layout, sides, ratios } in all {
        for (word, side) in WORDS.iter().zip(sides) {
            let (per_s, p50, p99) = (number(side.per_s), number(side.p50_ns), number(side.p99_ns));
            lines.push(format!("{:<8}{word:<20}{per_s:>14}{p50:>12}{p99:>12}", layout.word()));
        }
        for (word, ratio) in WORDS[1..].iter().zip(ratios) {
            let what = format!("{word} ÷ absent");
            let (per_s, p50, p99) = (ratio.per_s, ratio.p50_ns, ratio.p99_ns);
            lines.push(format!("{:<8}{what:<20}{per_s:>14.3}{p50:>12.3}{p99:>12.3}", ""));
            if *layout != Layout::Shared {
                let is_reached = p99 <= 1.0 + COST_MAX;
                lines.push(format!("{:<8}p99 {word} within 10 % of absent: {}", "", mark(is_reached)));
            }
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_measured_against_none() {
        let parent = tempfile::tempdir().unwrap();
        let extent = Extent { commands: 10_000, rounds: 1, dir: Some(parent.path().to_owned()) };
        // The measuring thread stays pinned.
        let all = std::thread::scope(|scope| scope.spawn(|| measure(&extent, 2)).join().unwrap()).unwrap();
        assert_eq!(all.len(), 2);
        for compared in &all {
            assert_eq!((compared.sides.len(), compared.ratios.len()), (3, 2));
            let shown = to_json(compared);
            for word in ["stopped_to_absent", "hanging_to_absent"] {
                assert!(shown[word]["p99_ns"].as_f64().is_some_and(|ratio| ratio > 0.0), "{shown}");
            }
        }
        assert!(to_text(&all, 2, &extent).contains("hanging ÷ absent"));
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "the journals are removed");
    }
}
