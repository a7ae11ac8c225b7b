//! `tickwerk bench`: measures this machine with the committed workload.

mod beside;
mod follower;
mod journal;
mod postgres;
mod replication;

use super::{print, tell};
use crate::exit;
use crate::summary::grouped;
use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use tickwerk_bench::throughput::{Throughput, ThroughputConfig, measure};
use tickwerk_bench::verifying::{self, VerifyingConfig};
use tickwerk_bench::workload::{BATCH, MIXED_V1};
use tickwerk_domain::Record;
use tickwerk_engine::pipeline::affinity::cores_available;

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How much goes through: rings, whole pipeline, core, journal, each beside its limit.
    Throughput(ThroughputOptions),
    /// The journal under syncs: mapped, with pwrite, and a loop that only writes.
    Journal(journal::Options),
    /// How long it takes to prove a journal, beside reading its bytes through BLAKE3 and CRC alone.
    Verify(VerifyOptions),
    /// What the core pays for its follower, with a processor to spare and without.
    Follower(follower::Options),
    /// PostgreSQL: shipping beside a bare copy, a backlog, what dashboards ask, and a rebuild meanwhile.
    Replication(replication::Options),
    /// What the core pays for a PostgreSQL that is stopped or hangs, against none at all.
    Postgres(postgres::Options),
}

#[derive(Debug, clap::Args)]
struct VerifyOptions {
    /// Size of the journal that is written for it, in MiB
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    mib: u64,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Where the journal lies for a while; left out, among the system's temporary directories
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ThroughputOptions {
    /// Seconds for each of the ring and pipeline figures, over all rounds
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rounds: u16,
    /// Most commands of the whole pipeline in a round: they need about 1 KB each on the disk for a while
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(10_000..=100_000_000))]
    commands: u64,
    /// Where the journals lie for a while; left out, among the system's temporary directories
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

/// Measures what was asked for.
pub(crate) fn run(options: &Options) -> Result<u8> {
    match &options.what {
        What::Throughput(options) => throughput(options),
        What::Journal(options) => journal::run(options),
        What::Verify(options) => verify(options),
        What::Follower(options) => follower::run(options),
        What::Replication(options) => replication::run(options),
        What::Postgres(options) => postgres::run(options),
    }
}

fn verify(options: &VerifyOptions) -> Result<u8> {
    let config = VerifyingConfig {
        bytes: options.mib << 20,
        rounds: usize::from(options.rounds),
        dir: options.dir.clone(),
    };
    let mut progress = |round| tell(&format!("round {} of {}", round + 1, config.rounds));
    let found = verifying::measure(&config, &mut progress)?;
    let [chain_to_raw, verify_to_raw, recover_to_raw] = found.to_raw;
    let (plain, compressed) = found.compressed_bytes;
    if options.json {
        let report = json!({
            "bytes": found.bytes,
            "frames": found.frames,
            "records": found.records,
            "raw_s": found.raw.as_secs_f64(),
            "chain_s": found.chained.as_secs_f64(),
            "chain_to_raw": chain_to_raw,
            "verify_s": found.verified.as_secs_f64(),
            "verify_to_raw": verify_to_raw,
            "recover_s": found.recovered.as_secs_f64(),
            "recover_to_raw": recover_to_raw,
            "compress_s": found.compressed.as_secs_f64(),
            "plain_bytes": plain,
            "compressed_bytes": compressed,
            "verify_compressed_s": found.verified_compressed.as_secs_f64(),
            "rounds": config.rounds,
        });
        print(&report.to_string())?;
        return Ok(exit::OK);
    }
    let line = |what: &str, time: Duration, ratio: f64| {
        format!("{what:<36}{:>8.3} s  {ratio:>6.2} × raw", time.as_secs_f64())
    };
    let unmatched = |what: &str, time: Duration| format!("{what:<36}{:>8.3} s", time.as_secs_f64());
    let lines = [
        format!("{} MiB, {} frames, medians of {} rounds", found.bytes >> 20, found.frames, config.rounds),
        unmatched("raw: BLAKE3 and CRC alone", found.raw),
        line("checksums and chain", found.chained, chain_to_raw),
        line("verify: that, and every payload", found.verified, verify_to_raw),
        line("recovery", found.recovered, recover_to_raw),
        unmatched("verify, compressed", found.verified_compressed),
        format!("compressed {plain} bytes to {compressed} in {:.3} s", found.compressed.as_secs_f64()),
        format!("checksums and chain ÷ raw  target 1.5 {}", mark(chain_to_raw <= 1.5)),
    ];
    print(&lines.join("\n"))?;
    Ok(exit::OK)
}

fn throughput(options: &ThroughputOptions) -> Result<u8> {
    let config = ThroughputConfig {
        time: Duration::from_secs(options.seconds),
        rounds: usize::from(options.rounds),
        commands_max: options.commands,
        dir: options.dir.clone(),
        ..ThroughputConfig::default()
    };
    let mut progress = |round| tell(&format!("round {} of {}", round + 1, config.rounds));
    let measured = measure(&config, &mut progress)?;
    if options.json {
        print(&to_json(&measured).to_string())?;
    } else {
        print(to_text(&measured).trim_end())?;
    }
    Ok(exit::OK)
}

fn to_json(measured: &Throughput) -> Value {
    let config = &measured.config;
    json!({
        "workload": MIXED_V1.name,
        "pipeline_per_s": measured.pipeline_per_s.round(),
        "frames_per_s": measured.frames_per_s.round(),
        "records_per_s": measured.records_per_s.round(),
        "empty_pipeline_per_s": measured.empty_pipeline_per_s.round(),
        "bare_ring_per_s": measured.bare_ring_per_s.round(),
        "apply_per_s": measured.apply_per_s.round(),
        "append_per_s": measured.append_per_s.round(),
        "raw_copy_per_s": measured.raw_copy_per_s.round(),
        "pipeline_to_empty": measured.pipeline_to_empty,
        "empty_to_bare": measured.empty_to_bare,
        "append_to_copy": measured.append_to_copy,
        "cores": cores_available(),
        "waits": {
            "source": config.source_wait.word(),
            "core": config.core.wait.word(),
            "journal": config.journal.wait.word(),
        },
        "batch": BATCH,
        "slot_bytes": size_of::<Record>(),
        "rounds": measured.rounds,
    })
}

fn to_text(measured: &Throughput) -> String {
    let mut out = String::new();
    write_text(measured, &mut out).expect("writing to a string cannot fail");
    out
}

fn write_text(measured: &Throughput, out: &mut String) -> std::fmt::Result {
    let lines = [
        ("whole pipeline", "commands", measured.pipeline_per_s),
        ("  its frames", "frames", measured.frames_per_s),
        ("  its records", "records", measured.records_per_s),
        ("empty pipeline", "commands", measured.empty_pipeline_per_s),
        ("bare ring", "commands", measured.bare_ring_per_s),
        ("core (Machine::apply)", "commands", measured.apply_per_s),
        ("journal, chained", "records", measured.append_per_s),
        ("raw copy", "records", measured.raw_copy_per_s),
    ];
    let (cores, config) = (cores_available(), &measured.config);
    writeln!(
        out,
        "{}, batches of {BATCH}, slots of {} bytes, {cores} cores, medians of {} rounds",
        MIXED_V1.name,
        size_of::<Record>(),
        measured.rounds
    )?;
    writeln!(
        out,
        "waits: source {}, core {}, journal {}\n",
        config.source_wait, config.core.wait, config.journal.wait
    )?;
    for (what, unit, figure) in lines {
        let figure = grouped(&format!("{figure:.0}"));
        writeln!(out, "{what:<24}{figure:>14} {unit}/s")?;
    }
    let ratios = [
        ("whole ÷ empty pipeline", measured.pipeline_to_empty, 0.07),
        ("empty pipeline ÷ bare ring", measured.empty_to_bare, 0.4),
        ("journal ÷ raw copy", measured.append_to_copy, 0.5),
    ];
    writeln!(out)?;
    for (what, ratio, target) in ratios {
        writeln!(out, "{what:<28}{ratio:>7.3}   target {target} {}", mark(ratio >= target))?;
    }
    let apply = measured.apply_per_s;
    writeln!(out, "{:<28}{:>7}   target 5,000,000 commands/s {}", "core", "", mark(apply >= 5_000_000.0))
}

fn mark(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "not reached" }
}
