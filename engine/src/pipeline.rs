//! The topology: lanes, core thread, outcome ring, journal thread, egress.
//!
//! [`Pipeline::start`] tells it from top to bottom. The threads end in a cascade: the last lane producer is dropped, the
//! core thread decides what is left and drops the outcome ring's producer, the journal thread writes what is left and
//! closes its sink, and the replies can be taken to the last one. Nothing is lost on the way.
//!
//! A panic or a failed write stops the process; see [`fail_stop`].

pub mod affinity;
pub mod clock;
pub mod config;
pub mod egress;
pub mod fail_stop;
pub mod frame;
pub mod hot_thread;
pub mod lane;
mod latency;
pub mod outcome;
pub mod pass_through;
pub mod stats;
pub mod wait;

pub use affinity::PinOutcome;
pub use config::{EgressConfig, PipelineConfig, StageConfig, StartError};
pub use egress::{Admission, AdmitKind, EgressReader, EngineBusy, Reply};
pub use frame::Frame;
pub use hot_thread::CoreCounts;
pub use lane::{Lane, LaneFull, LaneProducer, PublishError};
pub use outcome::FrameSink;
pub use pass_through::PassThrough;
pub use stats::PipelineStats;
pub use wait::Wait;

use crate::decider::Decider;
use crate::limits::RECORDS_PER_FRAME_MAX;
use egress::{EgressStore, FrameCollector};
use fail_stop::RunState;
use hdrhistogram::Histogram;
use hot_thread::{Desk, HotReport, HotThread, LaneTurn};
use latency::Latency;
use outcome::{JournalReport, JournalThread, OutcomeProducer};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

/// The write ends of all lanes. Each goes to the thread of its source; dropping all of them ends the pipeline.
#[derive(Debug)]
pub struct Lanes {
    /// Limits, switches, health.
    pub control: LaneProducer,
    /// Venue reports.
    pub reports: LaneProducer,
    /// Orders and cancels.
    pub orders: LaneProducer,
    /// Market data.
    pub market: LaneProducer,
}

/// A pipeline that runs, taken apart for those who use its parts.
#[derive(Debug)]
pub struct Running<D: Decider, S: FrameSink> {
    /// Where commands go in.
    pub lanes: Lanes,
    /// Where replies come out.
    pub egress: EgressReader,
    /// The gate in front of the sources that want replies.
    pub admission: Admission,
    /// What it is doing.
    pub stats: Arc<PipelineStats>,
    /// Whether the core thread could be pinned.
    pub core_pin: PinOutcome,
    /// Whether the journal thread could be pinned.
    pub journal_pin: PinOutcome,
    /// The threads; drop the lanes before joining them.
    pub threads: PipelineThreads<D, S>,
}

/// What a pipeline leaves behind.
#[derive(Debug)]
pub struct Finished<D, C> {
    /// The decider, in its last state.
    pub decider: D,
    /// What the sink left behind.
    pub sink: C,
    /// What the core thread has done.
    pub counts: CoreCounts,
    /// From the intended time of sending until the decision was handed on, in nanoseconds.
    pub decided: Histogram<u64>,
    /// From the intended time of sending until the sink had taken the frame, in nanoseconds.
    pub journaled: Histogram<u64>,
}

/// A thread of the pipeline has failed, and the process was told to stop.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the pipeline has failed: {reason}")]
pub struct PipelineFailed {
    /// Why.
    pub reason: String,
}

/// Starts pipelines.
#[derive(Debug)]
pub struct Pipeline;

impl Pipeline {
    /// Starts the threads between new lanes and `sink`.
    pub fn start<D: Decider, S: FrameSink>(
        config: &PipelineConfig,
        decider: D,
        sink: S,
    ) -> Result<Running<D, S>, StartError> {
        let reply_sources = config.check()?;
        let PipelineConfig { mode, lane_capacities, outcome_capacity, core, journal, fail_stop, .. } =
            *config;
        let batch_max = config.batch_max as u64;
        let last = decider.last().sequence;
        let stats =
            Arc::new(PipelineStats::new(lane_capacities, outcome_capacity, config.egress.capacity, last));
        let run_state = Arc::new(RunState::default());

        // Lanes: one ring each, polled in this order.
        let lane = |lane: Lane| {
            let (ring, poller) = lane::ring(lane_capacities[lane as usize]);
            (
                LaneProducer::new(lane, ring, config.source_wait, &stats, &run_state),
                LaneTurn::new(lane, poller),
            )
        };
        let (control, control_turn) = lane(Lane::Control);
        let (reports, reports_turn) = lane(Lane::Reports);
        let (orders, orders_turn) = lane(Lane::Orders);
        let (market, market_turn) = lane(Lane::Market);

        // Core thread: decides, and is the only producer of the outcome ring.
        let (outcome_ring, outcome_poller) = lane::ring(outcome_capacity);
        let outcome = OutcomeProducer::new(outcome_ring, core.wait, &stats, &run_state);
        let egress = EgressStore::new(reply_sources, config.egress.capacity);
        let hot_thread = HotThread {
            lanes: [control_turn, reports_turn, orders_turn, market_turn],
            desk: Desk::new(decider, mode, outcome, egress.clone(), &stats),
            batch_max,
            stage: core,
            state: Arc::clone(&run_state),
            fail_stop,
        };

        // Journal thread: writes frames, and keeps those that somebody waits for until they are released.
        let journal_thread = JournalThread {
            sink,
            poller: outcome_poller,
            collector: FrameCollector::new(egress.clone()),
            batch_max,
            stage: journal,
            stats: Arc::clone(&stats),
            state: Arc::clone(&run_state),
            fail_stop,
            journaled: Latency::new(config.batch_max + RECORDS_PER_FRAME_MAX),
        };

        // If the second thread cannot be had, its producer is dropped, and the first one ends.
        let (journal_handle, journal_pin) = spawn("journal", move |pinned| journal_thread.run(&pinned))?;
        let (core_handle, core_pin) = spawn("core", move |pinned| hot_thread.run(&pinned))?;
        Ok(Running {
            lanes: Lanes { control, reports, orders, market },
            egress: EgressReader::new(&egress, &stats),
            admission: Admission::new(&stats, config.egress.reserve),
            stats,
            core_pin,
            journal_pin,
            threads: PipelineThreads { core: core_handle, journal: journal_handle, state: run_state },
        })
    }
}

type PinSender = std::sync::mpsc::SyncSender<PinOutcome>;

/// Starts a named thread and waits until it has told what became of its pin.
fn spawn<T: Send + 'static>(
    stage: &'static str,
    run: impl FnOnce(PinSender) -> T + Send + 'static,
) -> Result<(JoinHandle<T>, PinOutcome), StartError> {
    let (sender, receiver) = sync_channel(1);
    let handle = thread::Builder::new()
        .name(format!("tw-{stage}"))
        .spawn(move || run(sender))
        .map_err(|source| StartError::Spawn { stage, source })?;
    Ok((handle, receiver.recv().unwrap_or(PinOutcome::NotAsked)))
}

/// The threads of a pipeline.
pub struct PipelineThreads<D: Decider, S: FrameSink> {
    core: JoinHandle<HotReport<D>>,
    journal: JoinHandle<JournalReport<S::Closed>>,
    state: Arc<RunState>,
}

impl<D: Decider, S: FrameSink> PipelineThreads<D, S> {
    /// Waits until everything that the lanes took was decided and written. Returns only after all lanes were dropped,
    /// or after a failure where the process was not stopped.
    pub fn join(self) -> Result<Finished<D, S::Closed>, PipelineFailed> {
        let HotReport { decider, counts, decided } = join_one(self.core, &self.state)?;
        let JournalReport { closed, journaled } = join_one(self.journal, &self.state)?;
        Ok(Finished {
            decider,
            sink: closed,
            counts,
            decided: decided.into_histogram(),
            journaled: journaled.into_histogram(),
        })
    }

    /// Whether everything was written, so that joining does not wait.
    pub fn is_finished(&self) -> bool {
        self.core.is_finished() && self.journal.is_finished()
    }

    /// Whether the pipeline has failed, and why.
    pub fn failure(&self) -> Option<&str> {
        self.state.failure()
    }
}

/// A failed thread may hang in its fail-stop for ever, so it is watched, not merely joined.
fn join_one<T>(handle: JoinHandle<T>, state: &RunState) -> Result<T, PipelineFailed> {
    let mut waiter = Wait::SpinThenSleep.waiter();
    while state.failure().is_none() {
        if handle.is_finished() {
            return handle.join().map_err(|_| PipelineFailed { reason: "a thread panicked".to_owned() });
        }
        waiter.idle();
    }
    Err(PipelineFailed { reason: state.failure().unwrap_or_default().to_owned() })
}

impl<D: Decider, S: FrameSink> std::fmt::Debug for PipelineThreads<D, S> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PipelineThreads").finish_non_exhaustive()
    }
}
