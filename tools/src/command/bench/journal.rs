//! `tickwerk bench journal`: both ways of the journal into its file under several rhythms of syncs.

use super::{mark, print, tell};
use crate::exit;
use crate::summary::grouped;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use tickwerk_bench::syncing::{Figures, Rhythm, measure};
use tickwerk_bench::throughput::ThroughputConfig;
use tickwerk_bench::workload::MIXED_V1;

/// What either way should reach of the loop while syncing continuously.
const TARGET: f64 = 0.5;
/// What the better of them should reach, which is the default where `durable` acknowledges.
const TARGET_OF_DEFAULT: f64 = 0.8;

/// Options of `bench journal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Records in a measurement
    #[arg(long, value_name = "N", default_value_t = 4_000_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    records: u64,
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
    let config = ThroughputConfig {
        rounds: usize::from(options.rounds),
        records: options.records,
        dir: options.dir.clone(),
        ..ThroughputConfig::default()
    };
    let mut progress = |round| tell(&format!("round {} of {}", round + 1, config.rounds));
    let figures = measure(&config, &mut progress)?;
    if options.json {
        let rhythms: Vec<Value> = figures.iter().map(to_json).collect();
        let all = json!({"workload": MIXED_V1.name, "records": options.records, "rounds": options.rounds, "syncs": rhythms});
        print(&all.to_string())?;
    } else {
        let mut out = String::new();
        write_text(&figures, options, &mut out).expect("writing to a string cannot fail");
        print(out.trim_end())?;
    }
    Ok(exit::OK)
}

fn word(rhythm: Rhythm) -> String {
    match rhythm {
        Rhythm::Never => "none".to_owned(),
        Rhythm::Continuous => "continuous".to_owned(),
        Rhythm::EachMillisecond => "each ms".to_owned(),
        Rhythm::EachRecords(count) => format!("each {}", grouped(&count.to_string())),
    }
}

fn to_json(figures: &Figures) -> Value {
    json!({
        "sync": word(figures.rhythm),
        "mapped_per_s": figures.mapped_per_s.round(),
        "pwrite_per_s": figures.pwrite_per_s.round(),
        "raw_per_s": figures.raw_per_s.round(),
        "mapped_to_raw": figures.mapped_to_raw,
        "pwrite_to_raw": figures.pwrite_to_raw,
    })
}

fn write_text(all: &[Figures], options: &Options, out: &mut String) -> std::fmt::Result {
    let (name, records, rounds) = (MIXED_V1.name, grouped(&options.records.to_string()), options.rounds);
    writeln!(out, "{name}, {records} records, medians of {rounds} rounds; records/s until durable\n")?;
    writeln!(
        out,
        "{:<14}{:>14}{:>14}{:>14}{:>10}{:>10}",
        "sync", "mapped", "pwrite", "64 KiB loop", "ratio", "ratio"
    )?;
    for figures in all {
        let number = |figure: f64| grouped(&format!("{figure:.0}"));
        writeln!(
            out,
            "{:<14}{:>14}{:>14}{:>14}{:>10.2}{:>10.2}",
            word(figures.rhythm),
            number(figures.mapped_per_s),
            number(figures.pwrite_per_s),
            number(figures.raw_per_s),
            figures.mapped_to_raw,
            figures.pwrite_to_raw
        )?;
    }
    if let Some(figures) = all.iter().find(|figures| figures.rhythm == Rhythm::Continuous) {
        let (least, most) = (
            figures.mapped_to_raw.min(figures.pwrite_to_raw),
            figures.mapped_to_raw.max(figures.pwrite_to_raw),
        );
        writeln!(out, "\ncontinuous, either   {least:.2}   target {TARGET} {}", mark(least >= TARGET))?;
        writeln!(
            out,
            "continuous, default  {most:.2}   target {TARGET_OF_DEFAULT} {}",
            mark(most >= TARGET_OF_DEFAULT)
        )?;
    }
    Ok(())
}
