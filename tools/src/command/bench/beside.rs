//! What the core pays for whoever works beside it: the same commands, with that and without, on the same machine.
//!
//! Apart: one thread decides and writes, alone on the last processor; everything else shares the first. Shared: source,
//! core, journal and what is beside them share all processors as the daemon lets them. Latency apart is that of a batch
//! from its first command until all of it is written; shared, of a command from its publication until it is written, with
//! the lanes full.

use super::tell;
use crate::config::{Acknowledge, SnapshotSettings};
use crate::follower::{Beginning, Follower, Query, Wanted};
use crate::replication::Replication;
use crate::sink::{Counts, JournalSink};
use crate::snapshot::State;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};
use tickwerk_bench::recording::Desk;
use tickwerk_bench::throughput::median;
use tickwerk_bench::workload::{BATCH, MIXED_V1, Workload, setup};
use tickwerk_domain::{Mode, Record, Sequence};
use tickwerk_engine::Core;
use tickwerk_engine::pipeline::affinity::pin_current_thread;
use tickwerk_engine::pipeline::{Lane, Pipeline, PipelineConfig, Running, clock};
use tickwerk_journal::{Journal, JournalConfig, JournalId, SyncPolicy, Watermarks, Writer, recover};
use tickwerk_postgres::Settings;

/// Commands before time is taken.
const WARM_UP: u64 = 65_536;
/// Bytes of journal that a command comes to, generously.
const BYTES_PER_COMMAND: u64 = 320;
/// As the daemon where `written` acknowledges.
const SYNC: SyncPolicy = SyncPolicy::Every(Duration::from_millis(50));
const PREFAULT_BYTES: usize = 512 << 10;

/// How much is measured, and where.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Commands in a measurement.
    pub(super) commands: u64,
    pub(super) rounds: u16,
    /// Where the journals lie for a while; left out, among the system's temporary directories.
    pub(super) dir: Option<PathBuf>,
}

/// Who works beside the core.
#[derive(Clone, Debug)]
pub(super) enum Beside {
    Nobody,
    Follower,
    Replicator(Box<Settings>),
}

/// Who runs where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    Apart {
        /// Where it is decided.
        core: usize,
    },
    Shared,
}

impl Layout {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Apart { .. } => "apart",
            Self::Shared => "shared",
        }
    }
}

/// Commands a second, and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) per_s: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    /// How much of the journal the follower had followed when the last command was written; 0 without one.
    pub(super) followed: f64,
}

/// With somebody ÷ without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratio {
    pub(super) per_s: f64,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
}

/// Medians of one layout.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) layout: Layout,
    /// Of each that was beside the core, in the order given; the first is what the others are compared with.
    pub(super) sides: Vec<Measured>,
    /// Medians of the rounds' ratios, of all but the first.
    pub(super) ratios: Vec<Ratio>,
}

/// Measures each layout with each of `all` beside the core.
pub(super) fn measure_all(extent: &Extent, all: &[Beside], cores: usize) -> Result<Vec<Compared>> {
    std::thread::scope(|scope| {
        let (ask, asked) = sync_channel::<Beside>(1);
        let (give, take) = sync_channel(1);
        scope.spawn(move || {
            pin_current_thread(Some(0));
            for beside in asked {
                if give.send(Started::new(extent, &beside)).is_err() {
                    break;
                }
            }
        });
        compare_all(&Elsewhere { ask: &ask, take: &take }, extent, all, cores)
    })
}

fn compare_all(
    elsewhere: &Elsewhere<'_>,
    extent: &Extent,
    all: &[Beside],
    cores: usize,
) -> Result<Vec<Compared>> {
    // Once pinned, this thread stays so, and sees one processor: what is shared comes first.
    let apart_too = (cores > 1).then_some(Layout::Apart { core: cores - 1 });
    let layouts = std::iter::once(Layout::Shared).chain(apart_too);
    let mut compared = Vec::new();
    for layout in layouts {
        let mut rounds = Vec::with_capacity(usize::from(extent.rounds));
        for round in 0..usize::from(extent.rounds) {
            tell(&format!("{}, round {} of {}", layout.word(), round + 1, extent.rounds));
            // Whoever comes later finds another disk.
            let mut measured = vec![None; all.len()];
            for turn in 0..all.len() {
                let place = (turn + round) % all.len();
                measured[place] = Some(match layout {
                    Layout::Apart { core } => apart(elsewhere, extent, core, &all[place])?,
                    Layout::Shared => shared(extent, &all[place])?,
                });
            }
            rounds.push(measured.into_iter().flatten().collect());
        }
        compared.push(compare(layout, &rounds, all.len()));
    }
    Ok(compared)
}

#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
fn compare(layout: Layout, rounds: &[Vec<Measured>], count: usize) -> Compared {
    let of = |figure: &dyn Fn(&[Measured]) -> f64| median(rounds.iter().map(|round| figure(round)).collect());
    let side = |at: usize| Measured {
        per_s: of(&|round| round[at].per_s),
        p50_ns: of(&|round| round[at].p50_ns),
        p99_ns: of(&|round| round[at].p99_ns),
        followed: of(&|round| round[at].followed),
    };
    let ratio = |at: usize| Ratio {
        per_s: of(&|round| round[at].per_s / round[0].per_s),
        p50_ns: of(&|round| round[at].p50_ns / round[0].p50_ns),
        p99_ns: of(&|round| round[at].p99_ns / round[0].p99_ns),
    };
    Compared { layout, sides: (0..count).map(side).collect(), ratios: (1..count).map(ratio).collect() }
}

/// A journal in a directory that goes with it.
struct Scratch {
    dir: tempfile::TempDir,
    journal: JournalId,
    watermarks: Watermarks,
}

impl Scratch {
    /// The first segment has room for everything, so that no other is made meanwhile.
    fn new(extent: &Extent) -> Result<(Self, Writer)> {
        let mut builder = tempfile::Builder::new();
        let named = builder.prefix("tickwerk-bench-");
        let dir = match &extent.dir {
            Some(parent) => named.tempdir_in(parent),
            None => named.tempdir(),
        };
        let dir = dir.context("making a directory for the journals")?;
        let bytes = (extent.commands + WARM_UP) * BYTES_PER_COMMAND;
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

    fn replicator(&self, settings: &Settings) -> Result<Replication> {
        Replication::start(settings, self.dir.path(), &self.watermarks, None)
    }
}

/// How much of the journal `follower` has followed.
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a measured figure")]
fn followed(follower: &Follower, watermarks: &Watermarks) -> Result<f64> {
    let written = watermarks.written_through();
    let (sender, receiver) = channel();
    let wanted = Wanted::Answer(Box::new(move |_, at| sender.send(at).unwrap_or_default()));
    let asked = follower.queries().send(Query { at_least: Sequence::FIRST, wanted });
    asked.ok().context("the follower has ended")?;
    let at = receiver.recv().context("the follower has ended")?;
    Ok(at.0 as f64 / written.0 as f64)
}

/// What is started for a measurement.
struct Started {
    scratch: Scratch,
    writer: Writer,
    at_work: AtWork,
}

impl Started {
    fn new(extent: &Extent, beside: &Beside) -> Result<Self> {
        let (scratch, writer) = Scratch::new(extent)?;
        let at_work = match beside {
            Beside::Nobody => AtWork::Nobody,
            Beside::Follower => AtWork::Follower(scratch.follower()?),
            Beside::Replicator(settings) => AtWork::Replicator(scratch.replicator(settings)?),
        };
        Ok(Self { scratch, writer, at_work })
    }
}

/// Who works beside the core, at work.
enum AtWork {
    Nobody,
    Follower(Follower),
    Replicator(Replication),
}

impl AtWork {
    fn finish(self) -> Result<()> {
        match self {
            Self::Nobody => {}
            Self::Follower(follower) => drop(follower.finish()?),
            Self::Replicator(replication) => drop(replication.stop()),
        }
        Ok(())
    }

    /// How much of the journal the follower has followed.
    fn followed(&self, watermarks: &Watermarks) -> Result<f64> {
        match self {
            Self::Follower(follower) => followed(follower, watermarks),
            Self::Nobody | Self::Replicator(_) => Ok(0.0),
        }
    }
}

/// Starts journals and who works beside the core from a thread that is pinned to the first processor: threads stay where the one that
/// started them is pinned, and a thread that is pinned elsewhere cannot be pinned there any more.
struct Elsewhere<'a> {
    ask: &'a SyncSender<Beside>,
    take: &'a Receiver<Result<Started>>,
}

/// Decides and writes on this thread, with everything else on the first processor.
fn apart(elsewhere: &Elsewhere<'_>, extent: &Extent, core: usize, beside: &Beside) -> Result<Measured> {
    elsewhere.ask.send(beside.clone()).ok().context("the thread that starts the others has ended")?;
    let started = elsewhere.take.recv().context("the thread that starts the others has ended")?;
    let Started { scratch, writer, at_work } = started?;
    pin_current_thread(Some(core));
    let measured = decide_and_write(writer, extent.commands, || at_work.followed(&scratch.watermarks))?;
    at_work.finish()?;
    Ok(measured)
}

fn decide_and_write(
    mut writer: Writer,
    commands: u64,
    followed: impl FnOnce() -> Result<f64>,
) -> Result<Measured> {
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
    for _ in 0..batches(commands.min(WARM_UP)) {
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
    let followed = followed()?;
    writer.close()?;
    latencies.sort_unstable();
    let at = |percent: usize| nanos(latencies[(latencies.len() - 1) * percent / 100]);
    Ok(Measured {
        per_s: per_second(batches(commands) * BATCH as u64, elapsed),
        p50_ns: at(50),
        p99_ns: at(99),
        followed,
    })
}

/// The whole pipeline, fed by this thread.
fn shared(extent: &Extent, beside: &Beside) -> Result<Measured> {
    let Started { scratch, writer, at_work } = Started::new(extent, beside)?;
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
    for _ in 0..extent.commands.min(WARM_UP).div_ceil(BATCH as u64) {
        lanes.market.publish_all(workload.next_batch())?;
    }
    wait();
    let mut batch = [setup()[0]; BATCH];
    let batches = extent.commands.div_ceil(BATCH as u64);
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
    let followed = at_work.followed(&scratch.watermarks)?;
    drop(lanes);
    let finished = threads.join()?;
    at_work.finish()?;
    let at = |quantile: f64| nanos(Duration::from_nanos(finished.journaled.value_at_quantile(quantile)));
    Ok(Measured {
        per_s: per_second(batches * BATCH as u64, elapsed),
        p50_ns: at(0.5),
        p99_ns: at(0.99),
        followed,
    })
}

#[expect(clippy::float_arithmetic, reason = "a measured figure")]
fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a measured figure")]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}
