//! `tickwerk bench follower`: what the core pays for its follower, with a processor to spare and without.
//!
//! Apart: one thread decides and writes, alone on the last processor; the follower and the journal's own threads share
//! the first. Run it by `chrt -R -f 5` to keep others off the core thread only. Shared: source, core, journal and follower share all processors as the daemon lets them. Each round runs
//! both layouts with and without the follower, in turn, with the same commands. Latency apart is that of a batch from
//! its first command until all of it is written; shared, of a command from its publication until it is written, with
//! the lanes full.

use super::{mark, print, tell};
use crate::config::{Acknowledge, SnapshotSettings};
use crate::exit;
use crate::follower::{Beginning, Follower};
use crate::sink::{Counts, JournalSink};
use crate::snapshot::State;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickwerk_bench::recording::Desk;
use tickwerk_bench::throughput::median;
use tickwerk_bench::workload::{BATCH, MIXED_V1, Workload, setup};
use tickwerk_domain::{Mode, Record};
use tickwerk_engine::Core;
use tickwerk_engine::pipeline::affinity::{cores_available, pin_current_thread};
use tickwerk_engine::pipeline::{Lane, Pipeline, PipelineConfig, Running, clock};
use tickwerk_journal::{Journal, JournalConfig, JournalId, SyncPolicy, Watermarks, Writer, recover};

/// What the follower may cost where a processor is free.
const COST_MAX: f64 = 0.05;
/// Commands before time is taken.
const WARM_UP: u64 = 65_536;
/// Bytes of journal that a command comes to, generously.
const BYTES_PER_COMMAND: u64 = 320;
/// As the daemon where `written` acknowledges.
const SYNC: SyncPolicy = SyncPolicy::Every(Duration::from_millis(50));
const PREFAULT_BYTES: usize = 512 << 10;

/// Options of `bench follower`.
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

/// Who runs where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Apart {
        /// Where it is decided.
        core: usize,
    },
    Shared,
}

impl Layout {
    fn word(self) -> &'static str {
        match self {
            Self::Apart { .. } => "apart",
            Self::Shared => "shared",
        }
    }

    fn measure(self, options: &Options, is_followed: bool) -> Result<Measured> {
        match self {
            Self::Apart { core } => apart(options, core, is_followed),
            Self::Shared => shared(options, is_followed),
        }
    }
}

/// Commands a second, and nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Measured {
    per_s: f64,
    p50_ns: f64,
    p99_ns: f64,
}

/// Medians of one layout.
#[derive(Clone, Copy, Debug)]
struct Compared {
    layout: Layout,
    off: Measured,
    on: Measured,
    /// On ÷ off, medians of the rounds' ratios.
    ratio: Measured,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Result<u8> {
    // Once pinned, this thread stays so, and sees one processor: what is shared comes first.
    let cores = cores_available();
    let shared = std::iter::once(Layout::Shared);
    let layouts = shared.chain((cores > 1).then_some(Layout::Apart { core: cores - 1 }));
    let mut all = Vec::new();
    for layout in layouts {
        let mut rounds = Vec::with_capacity(usize::from(options.rounds));
        for round in 0..options.rounds {
            tell(&format!("{}, round {} of {}", layout.word(), round + 1, options.rounds));
            // Whoever comes second finds another disk.
            let first = round % 2 == 1;
            let one = layout.measure(options, first)?;
            let other = layout.measure(options, !first)?;
            rounds.push(if first { [other, one] } else { [one, other] });
        }
        all.push(compare(layout, &rounds));
    }
    if options.json {
        let layouts: Vec<Value> = all.iter().map(to_json).collect();
        print(&json!({"workload": MIXED_V1.name, "commands": options.commands, "rounds": options.rounds, "cores": cores, "layouts": layouts}).to_string())?;
    } else {
        print(&to_text(&all, cores, options))?;
    }
    Ok(exit::OK)
}

#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
fn compare(layout: Layout, rounds: &[[Measured; 2]]) -> Compared {
    let of = |figure: &dyn Fn(&[Measured; 2]) -> f64| median(rounds.iter().map(figure).collect());
    let side = |at: usize| Measured {
        per_s: of(&|round| round[at].per_s),
        p50_ns: of(&|round| round[at].p50_ns),
        p99_ns: of(&|round| round[at].p99_ns),
    };
    let ratio = Measured {
        per_s: of(&|[off, on]| on.per_s / off.per_s),
        p50_ns: of(&|[off, on]| on.p50_ns / off.p50_ns),
        p99_ns: of(&|[off, on]| on.p99_ns / off.p99_ns),
    };
    Compared { layout, off: side(0), on: side(1), ratio }
}

fn to_json(compared: &Compared) -> Value {
    let side = |side: &Measured| json!({"commands_per_s": side.per_s.round(), "p50_ns": side.p50_ns.round(), "p99_ns": side.p99_ns.round()});
    let Measured { per_s, p50_ns, p99_ns } = compared.ratio;
    json!({
        "layout": compared.layout.word(),
        "off": side(&compared.off),
        "on": side(&compared.on),
        "on_to_off": {"commands_per_s": per_s, "p50_ns": p50_ns, "p99_ns": p99_ns},
    })
}

#[expect(clippy::float_arithmetic, reason = "a bound of measured figures")]
fn to_text(all: &[Compared], cores: usize, options: &Options) -> String {
    let mut lines = vec![
        format!(
            "{}, {} commands, {cores} cores, medians of {} rounds",
            MIXED_V1.name,
            grouped(&options.commands.to_string()),
            options.rounds
        ),
        String::new(),
        format!("{:<8}{:<10}{:>14}{:>12}{:>12}", "", "follower", "commands/s", "p50 ns", "p99 ns"),
    ];
    let number = |figure: f64| grouped(&format!("{figure:.0}"));
    for Compared { layout, off, on, ratio } in all {
        for (word, side) in [("off", off), ("on", on)] {
            let Measured { per_s, p50_ns, p99_ns } = *side;
            let (per_s, p50, p99) = (number(per_s), number(p50_ns), number(p99_ns));
            lines.push(format!("{:<8}{word:<10}{per_s:>14}{p50:>12}{p99:>12}", layout.word()));
        }
        let Measured { per_s, p50_ns, p99_ns } = *ratio;
        lines.push(format!("{:<8}{:<10}{per_s:>14.3}{p50_ns:>12.3}{p99_ns:>12.3}", "", "on ÷ off"));
        if *layout != Layout::Shared {
            let is_reached = per_s >= 1.0 - COST_MAX && p99_ns <= 1.0 + COST_MAX;
            lines.push(format!("{:<8}within 5 % of off: {}", "", mark(is_reached)));
        }
    }
    lines.join("\n")
}

/// A journal in a directory that goes with it.
struct Scratch {
    dir: tempfile::TempDir,
    journal: JournalId,
    watermarks: Watermarks,
}

impl Scratch {
    /// The first segment has room for everything, so that no other is made meanwhile.
    fn new(options: &Options) -> Result<(Self, Writer)> {
        let mut builder = tempfile::Builder::new();
        let named = builder.prefix("tickwerk-bench-");
        let dir = match &options.dir {
            Some(parent) => named.tempdir_in(parent),
            None => named.tempdir(),
        };
        let dir = dir.context("making a directory for the journals")?;
        let bytes = (options.commands + WARM_UP) * BYTES_PER_COMMAND;
        let recovered = recover(JournalConfig {
            segment_size: bytes.next_multiple_of(1 << 20),
            sync: SYNC,
            prefault_bytes: PREFAULT_BYTES,
            spare_segments: 1,
            ..JournalConfig::new(dir.path())
        })?;
        let journal = recovered.journal_id();
        let opened: Journal = recovered.open()?;
        opened.wait_until_prepared()?;
        let watermarks = opened.watermarks();
        Ok((Self { dir, journal, watermarks }, opened.writer))
    }

    fn follower(&self) -> Result<Follower> {
        Follower::start(Beginning {
            dir: self.dir.path(),
            journal: self.journal,
            watermarks: self.watermarks.clone(),
            acknowledge: Acknowledge::Written,
            snapshots: SnapshotSettings { every_frames: 0, every_s: 0, keep: 2 },
            behind: 0,
            state: State::default(),
            check: None,
        })
    }
}

/// Decides and writes on this thread, with everything else on another processor.
fn apart(options: &Options, core: usize, is_followed: bool) -> Result<Measured> {
    let others = std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            // Threads stay where the one that started them is pinned.
            pin_current_thread(Some(0));
            let (scratch, writer) = Scratch::new(options)?;
            let follower = is_followed.then(|| scratch.follower()).transpose()?;
            anyhow::Ok((scratch, writer, follower))
        });
        started.join().map_err(|_| anyhow::anyhow!("a thread of the benchmark panicked"))
    });
    let (_scratch, writer, follower) = others??;
    pin_current_thread(Some(core));
    let measured = decide_and_write(writer, options.commands)?;
    follower.map(Follower::finish).transpose()?;
    Ok(measured)
}

fn decide_and_write(mut writer: Writer, commands: u64) -> Result<Measured> {
    let mut desk = Desk::new();
    let mut failed = None;
    let mut write = |desk: &mut Desk, records: &[Record]| {
        for record in records {
            desk.feed(record, &mut |frame| {
                for record in frame {
                    if let Err(error) = writer.push(record) {
                        failed = Some(error);
                    }
                }
            });
        }
    };
    write(&mut desk, &setup());
    let mut workload = Workload::new(MIXED_V1);
    let batches = |commands: u64| commands.div_ceil(BATCH as u64);
    for _ in 0..batches(WARM_UP) {
        write(&mut desk, workload.next_batch());
    }
    let mut latencies = Vec::with_capacity(usize::try_from(batches(commands))?);
    let started = Instant::now();
    for _ in 0..batches(commands) {
        let batch = workload.next_batch();
        let begun = Instant::now();
        write(&mut desk, batch);
        latencies.push(begun.elapsed());
    }
    let elapsed = started.elapsed();
    if let Some(error) = failed {
        return Err(error.into());
    }
    writer.close()?;
    latencies.sort_unstable();
    let at = |percent: usize| nanos(latencies[(latencies.len() - 1) * percent / 100]);
    Ok(Measured {
        per_s: per_second(batches(commands) * BATCH as u64, elapsed),
        p50_ns: at(50),
        p99_ns: at(99),
    })
}

/// The whole pipeline, fed by this thread.
fn shared(options: &Options, is_followed: bool) -> Result<Measured> {
    let (scratch, writer) = Scratch::new(options)?;
    let follower = is_followed.then(|| scratch.follower()).transpose()?;
    let config = PipelineConfig::for_this_machine(Mode::DataTime);
    let sink = JournalSink::new(writer, Arc::new(Counts::default()));
    let Running { mut lanes, stats, threads, .. } = Pipeline::start(&config, Core::new(), sink)?;
    let drained = || {
        let (lane, outcome) = (stats.lane(Lane::Market), stats.outcome());
        lane.consumed() >= lane.published() && outcome.consumed() >= outcome.published()
    };
    let wait = || {
        while !drained() && threads.failure().is_none() {
            std::thread::yield_now();
        }
    };
    lanes.market.publish_all(&setup())?;
    let mut workload = Workload::new(MIXED_V1);
    for _ in 0..WARM_UP.div_ceil(BATCH as u64) {
        lanes.market.publish_all(workload.next_batch())?;
    }
    wait();
    let mut batch = [setup()[0]; BATCH];
    let batches = options.commands.div_ceil(BATCH as u64);
    let started = Instant::now();
    for _ in 0..batches {
        batch.copy_from_slice(workload.next_batch());
        let now = clock::monotonic_ns();
        for record in &mut batch {
            record.envelope.origin_ns = now;
        }
        lanes.market.publish_all(&batch)?;
    }
    wait();
    let elapsed = started.elapsed();
    drop(lanes);
    let finished = threads.join()?;
    follower.map(Follower::finish).transpose()?;
    let at = |quantile: f64| nanos(Duration::from_nanos(finished.journaled.value_at_quantile(quantile)));
    Ok(Measured { per_s: per_second(batches * BATCH as u64, elapsed), p50_ns: at(0.5), p99_ns: at(0.99) })
}

#[expect(clippy::float_arithmetic, reason = "a measured figure")]
fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a measured figure")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}
