//! How much goes through, part by part, in one run.
//!
//! Six figures a second: one ring; the pipeline with nobody in it who works; the whole pipeline with the journal
//! written; the core alone on order flow; the journal alone, until the chain head is there; and a loop that only copies
//! what the journal wrote. The machine may be shared and drift, so the figures are taken in short rounds, one after
//! the other, and the median of each counts. Compare ratios of one run, not figures of two.
//!
//! Journals lie in a temporary directory, which is removed afterwards. Their segments are made before time is taken.

use crate::append;
use crate::recording::{self, TimedCommand};
use crate::rings::{self, BATCHES_PER_LOOK, per_second, wait_until_drained};
use crate::workload::{BATCH, BLOCK, MIXED_V1, ORDER_FLOW, Workload, setup};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tickwerk_domain::{Mode, Record, Sequence};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::pipeline::{
    Finished, FrameSink, Pipeline, PipelineConfig, PipelineFailed, PublishError, Running, StartError,
};
use tickwerk_engine::{Core, Decider, EventBuffer};
use tickwerk_journal::{
    AppendError, Closed, Failure, FileError, Io, Journal, JournalConfig, ReadError, RecoverError, SyncPolicy,
    Writer, recover,
};

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct ThroughputConfig {
    /// Time for each figure in all rounds together.
    pub time: Duration,
    /// Rounds.
    pub rounds: usize,
    /// Most commands of the whole pipeline in a round: they have to find room on the disk.
    pub commands_max: u64,
    /// Commands that the core alone is given; the first four ninths only fill its stores.
    pub applied: usize,
    /// Records that are appended, and copied, in a round.
    pub records: u64,
    /// Where the journals lie for a while; the system's temporary directory where there is none.
    pub dir: Option<PathBuf>,
}

impl Default for ThroughputConfig {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            rounds: 7,
            commands_max: 500_000,
            records: 1_000_000,
            applied: 900_000,
            dir: None,
        }
    }
}

/// Medians over all rounds.
#[derive(Clone, Debug)]
pub struct Throughput {
    /// Lane commands through the whole pipeline: risk, strategies, simulated venue, journal written.
    pub pipeline_per_s: f64,
    /// Frames of that: lane commands and what the core owed itself.
    pub frames_per_s: f64,
    /// Records of that: commands and events.
    pub records_per_s: f64,
    /// Commands through the same rings and threads, with no work.
    pub empty_pipeline_per_s: f64,
    /// Commands through one ring.
    pub bare_ring_per_s: f64,
    /// Commands through `Machine::apply` on order flow.
    pub apply_per_s: f64,
    /// Records appended to a journal, with checksum, until the chain head is there.
    pub append_per_s: f64,
    /// Records whose bytes a loop copied, with checksum.
    pub raw_copy_per_s: f64,
    /// `pipeline_per_s ÷ empty_pipeline_per_s`, the median of the rounds' ratios, as the others.
    pub pipeline_to_empty: f64,
    /// `empty_pipeline_per_s ÷ bare_ring_per_s`.
    pub empty_to_bare: f64,
    /// `append_per_s ÷ raw_copy_per_s`.
    pub append_to_copy: f64,
    /// Rounds.
    pub rounds: usize,
    /// How rings, threads and waits were chosen.
    pub config: PipelineConfig,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ThroughputError {
    /// Nothing to take a median of.
    #[error("rounds is 0; take 1 or more")]
    NoRounds,
    /// The pipeline did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A lane was closed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// A thread failed.
    #[error(transparent)]
    Failed(#[from] PipelineFailed),
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
    /// A journal could not be read back.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The temporary directory.
    #[error("the directory for the journals cannot be used: {}", dir.display())]
    Directory {
        /// Which one.
        dir: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The disk is too small.
    #[error(
        "{} has {free} bytes free and {needed} are needed; take fewer commands or another directory",
        dir.display()
    )]
    NoSpace {
        /// Which directory.
        dir: PathBuf,
        /// What there is.
        free: u64,
        /// What is needed.
        needed: u64,
    },
}

/// Bytes on the disk that a lane command of the workload comes to, events and reports included; it has some 270.
const BYTES_PER_COMMAND: u64 = 320;
const PAGE_SIZE: u64 = 4096;
/// Header pages, and room for a frame that does not come.
const SEGMENT_SLACK: u64 = 1024 * 1024;
/// As the demo: pages are made writable this far ahead. More would be written to the disk again and again.
const PREFAULT_BYTES: usize = 512 << 10;
/// As the demo: acknowledged when written, synced in the background.
const SYNC: SyncPolicy = SyncPolicy::Every(Duration::from_millis(50));
/// Commands that the core and its stores see before time is taken.
const WARM_UP: usize = 16 * BLOCK;
/// Measures everything.
pub fn measure(
    config: &ThroughputConfig,
    progress: &mut dyn FnMut(usize),
) -> Result<Throughput, ThroughputError> {
    let pipeline = PipelineConfig::for_this_machine(Mode::DataTime);
    let slice = config.time
        / u32::try_from(config.rounds).ok().filter(|rounds| *rounds > 0).ok_or(ThroughputError::NoRounds)?;
    let order_flow = recording::order_flow(ORDER_FLOW, config.applied);
    let mut source = append::Source::new(config)?;
    let mut rounds = Vec::with_capacity(config.rounds);
    for round in 0..config.rounds {
        progress(round);
        let bare_ring = rings::bare_ring(&pipeline, slice);
        let empty_pipeline = rings::empty_pipeline(&pipeline, slice)?;
        let whole = whole_pipeline(config, &pipeline, slice)?;
        let apply = apply(&order_flow);
        let appended = per_second(source.count(), append::append(config, &mut source)?.chained);
        let raw_copy = per_second(source.count(), append::raw_copy(config, &source)?);
        rounds.push(Round { bare_ring, empty_pipeline, whole, apply, appended, raw_copy });
    }
    Ok(summary(&rounds, pipeline))
}

#[derive(Debug)]
struct Round {
    bare_ring: f64,
    empty_pipeline: f64,
    whole: Whole,
    apply: f64,
    appended: f64,
    raw_copy: f64,
}

#[expect(clippy::float_arithmetic, reason = "ratios of measured figures")]
fn summary(rounds: &[Round], config: PipelineConfig) -> Throughput {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    Throughput {
        pipeline_per_s: of(&|round| round.whole.commands),
        frames_per_s: of(&|round| round.whole.frames),
        records_per_s: of(&|round| round.whole.records),
        empty_pipeline_per_s: of(&|round| round.empty_pipeline),
        bare_ring_per_s: of(&|round| round.bare_ring),
        apply_per_s: of(&|round| round.apply),
        append_per_s: of(&|round| round.appended),
        raw_copy_per_s: of(&|round| round.raw_copy),
        pipeline_to_empty: of(&|round| round.whole.commands / round.empty_pipeline),
        empty_to_bare: of(&|round| round.empty_pipeline / round.bare_ring),
        append_to_copy: of(&|round| round.appended / round.raw_copy),
        rounds: rounds.len(),
        config,
    }
}

/// The middle one; of an even number the lower.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get((figures.len().max(1) - 1) / 2).copied().unwrap_or(0.0)
}

/// A pipeline that is fed by the calling thread through the market lane.
#[derive(Debug)]
pub(crate) struct Flow<D: Decider, S: FrameSink> {
    running: Running<D, S>,
}

/// What went through a [`Flow`] in a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) commands: u64,
    pub(crate) records: u64,
    pub(crate) elapsed: Duration,
}

impl<D: Decider, S: FrameSink> Flow<D, S> {
    pub(crate) fn start(config: &PipelineConfig, decider: D, sink: S) -> Result<Self, ThroughputError> {
        Ok(Self { running: Pipeline::start(config, decider, sink)? })
    }

    /// Publishes the setup and a warm-up, then for `limit` or until `commands_max`; time ends when all of it is written.
    pub(crate) fn run(
        mut self,
        workload: &mut Workload,
        limit: Duration,
        commands_max: u64,
    ) -> Result<(Self, Timed), ThroughputError> {
        let lane = &mut self.running.lanes.market;
        lane.publish_all(&setup())?;
        for _ in 0..WARM_UP / BATCH {
            lane.publish_all(workload.next_batch())?;
        }
        self.drain();
        let before = self.written_through();
        let lane = &mut self.running.lanes.market;
        let started = Instant::now();
        let mut commands = 0;
        while commands < commands_max && started.elapsed() < limit {
            for _ in 0..BATCHES_PER_LOOK {
                lane.publish_all(workload.next_batch())?;
                commands += BATCH as u64;
            }
        }
        self.drain();
        let elapsed = started.elapsed();
        let records = self.written_through().0 - before.0;
        Ok((self, Timed { commands, records, elapsed }))
    }

    fn drain(&self) {
        wait_until_drained(&self.running.stats, &|| self.running.threads.failure().is_some());
    }

    fn written_through(&self) -> Sequence {
        self.running.stats.written_through()
    }

    pub(crate) fn end(self) -> Result<Finished<D, S::Closed>, ThroughputError> {
        let Running { lanes, threads, .. } = self.running;
        drop(lanes);
        Ok(threads.join()?)
    }
}

#[derive(Clone, Copy, Debug)]
struct Whole {
    commands: f64,
    frames: f64,
    records: f64,
}

fn whole_pipeline(
    config: &ThroughputConfig,
    pipeline: &PipelineConfig,
    limit: Duration,
) -> Result<Whole, ThroughputError> {
    let commands = config.commands_max + WARM_UP as u64;
    let scratch = Scratch::new(config, commands * BYTES_PER_COMMAND)?;
    let journal = scratch.journal(SYNC, PREFAULT_BYTES, Io::Mapped)?;
    let flow = Flow::start(pipeline, Core::new(), JournalSink(journal.writer))?;
    let mut workload = Workload::new(MIXED_V1);
    let (flow, timed) = flow.run(&mut workload, limit, config.commands_max)?;
    let ended = flow.end()?;
    let (external, frames) = (ended.counts.external, ended.counts.external + ended.counts.internal);
    // Warm-up and measured part have the same mix, so the share of frames is that of the whole run.
    let frames = u64::try_from(u128::from(timed.commands) * u128::from(frames) / u128::from(external.max(1)));
    Ok(Whole {
        commands: per_second(timed.commands, timed.elapsed),
        frames: per_second(frames.unwrap_or(u64::MAX), timed.elapsed),
        records: per_second(timed.records, timed.elapsed),
    })
}

/// The journal behind the pipeline.
#[derive(Debug)]
struct JournalSink(Writer);

impl FrameSink for JournalSink {
    type Error = AppendError;
    type Closed = Closed;

    #[inline]
    fn push(&mut self, record: &Record) -> Result<Option<Sequence>, AppendError> {
        self.0.push(record)
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        self.0.idle()
    }

    fn close(self) -> Result<Closed, AppendError> {
        self.0.close()
    }
}

/// Commands a second through `Machine::apply`: orders, cancels, venue reports and the market data between them.
pub fn apply(order_flow: &[TimedCommand]) -> f64 {
    let (before, timed) = order_flow.split_at(order_flow.len() * 4 / 9);
    let mut machine = Machine::new();
    let mut events = EventBuffer::new();
    for (time, command) in before {
        recording::apply(&mut machine, *time, command, &mut events);
    }
    let started = Instant::now();
    for (time, command) in timed {
        recording::apply(&mut machine, *time, command, &mut events);
    }
    per_second(timed.len() as u64, started.elapsed())
}

/// A directory for one journal, removed in the end.
///
/// The first segment has room for everything, so that no other is taken into use and made behind it meanwhile.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
    segment_size: u64,
}

impl Scratch {
    /// Room for `bytes` of journal.
    pub(crate) fn new(config: &ThroughputConfig, bytes: u64) -> Result<Self, ThroughputError> {
        let parent = config.dir.clone().unwrap_or_else(std::env::temp_dir);
        let unusable = |source| ThroughputError::Directory { dir: parent.clone(), source };
        let dir = tempfile::Builder::new().prefix("tickwerk-bench-").tempdir_in(&parent).map_err(unusable)?;
        let segment_size = bytes.next_multiple_of(PAGE_SIZE) + SEGMENT_SLACK;
        let space = rustix::fs::statvfs(dir.path()).map_err(|error| unusable(error.into()))?;
        // The segment, its spare, and air.
        let (free, needed) = (space.f_bavail.saturating_mul(space.f_frsize), 3 * segment_size);
        if free < needed {
            return Err(ThroughputError::NoSpace { dir: parent, free, needed });
        }
        Ok(Self { dir, segment_size })
    }

    /// Where the journal lies.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// A journal whose segments are ready, with pages made writable ahead of the writer.
    pub(crate) fn journal(
        &self,
        sync: SyncPolicy,
        prefault_bytes: usize,
        io: Io,
    ) -> Result<Journal, ThroughputError> {
        let config = JournalConfig {
            segment_size: self.segment_size,
            sync,
            io,
            prefault_bytes,
            spare_segments: 1,
            ..JournalConfig::new(self.journal_dir())
        };
        let journal = recover(config)?.open()?;
        journal.wait_until_prepared()?;
        Ok(journal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_measured_and_nothing_is_left_behind() {
        let parent = tempfile::tempdir().unwrap();
        let config = ThroughputConfig {
            time: Duration::from_millis(20),
            rounds: 2,
            commands_max: 20_000,
            applied: 20_000,
            records: 20_000,
            dir: Some(parent.path().to_owned()),
        };
        let mut rounds = Vec::new();
        let measured = measure(&config, &mut |round| rounds.push(round)).unwrap();
        assert_eq!(rounds, [0, 1]);
        let figures = [
            measured.pipeline_per_s,
            measured.empty_pipeline_per_s,
            measured.bare_ring_per_s,
            measured.apply_per_s,
            measured.append_per_s,
            measured.raw_copy_per_s,
            measured.pipeline_to_empty,
            measured.empty_to_bare,
            measured.append_to_copy,
        ];
        assert!(figures.iter().all(|figure| figure.is_finite() && *figure > 0.0), "{measured:?}");
        assert!(measured.pipeline_per_s < measured.frames_per_s);
        assert!(measured.frames_per_s < measured.records_per_s);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0, "the journals are removed");
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
        let config = ThroughputConfig::default();
        let error = Scratch::new(&config, u64::MAX / 8).unwrap_err();
        assert!(matches!(error, ThroughputError::NoSpace { .. }), "{error}");
    }
}
