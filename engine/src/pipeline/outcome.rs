//! The outcome ring and the journal thread behind it.
//!
//! The pinned thread is the ring's only producer and may wait for nothing but room in it. The journal thread gives each
//! record to a [`FrameSink`]. When the sink fails, the process stops before the batch counts as consumed.

use super::affinity::{PinOutcome, pin_current_thread};
use super::config::StageConfig;
use super::egress::FrameCollector;
use super::fail_stop::{FailStop, RunState, StopOnPanic};
use super::frame::is_last_of_frame;
use super::lane::{RingPoller, RingProducer, try_copy_in};
use super::latency::Latency;
use super::stats::PipelineStats;
use super::wait::Wait;
use disruptor::{EventGuard, Polling, SingleProducerBarrier};
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tickwerk_domain::{Record, Sequence};

/// Where frames go: the journal, or nowhere when the pipeline itself is measured.
pub trait FrameSink: Send + 'static {
    /// Why a frame could not be taken.
    type Error: std::error::Error;
    /// What is left when all was written.
    type Closed: Send + 'static;

    /// Takes a record; the sequence of the frame's last record when the frame is complete and written.
    fn push(&mut self, record: &Record) -> Result<Option<Sequence>, Self::Error>;

    /// Nothing waits: time to do what was put off.
    fn idle(&mut self) -> Result<(), Self::Error>;

    /// No record will follow.
    fn close(self) -> Result<Self::Closed, Self::Error>;
}

/// The journal thread has failed; nothing may be decided any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct JournalGone;

/// The write end of the outcome ring.
pub(super) struct OutcomeProducer {
    ring: RingProducer,
    published: u64,
    wait: Wait,
    stats: Arc<PipelineStats>,
    state: Arc<RunState>,
}

impl OutcomeProducer {
    pub(super) fn new(
        ring: RingProducer,
        wait: Wait,
        stats: &Arc<PipelineStats>,
        shared: &Arc<RunState>,
    ) -> Self {
        Self { ring, published: 0, wait, stats: Arc::clone(stats), state: Arc::clone(shared) }
    }

    /// Publishes whole frames, waiting for room.
    pub(super) fn publish(&mut self, frames: &[Record]) -> Result<(), JournalGone> {
        let Some(last) = frames.last() else { return Ok(()) };
        let mut waiter = self.wait.waiter();
        let mut is_waiting = false;
        while !try_copy_in(&mut self.ring, frames) {
            let gauge = self.stats.outcome();
            gauge.note_full();
            if !mem::replace(&mut is_waiting, true) {
                gauge.count_wait();
            }
            if self.state.failure().is_some() {
                return Err(JournalGone);
            }
            waiter.idle();
        }
        self.published += frames.len() as u64;
        self.stats.outcome().set_published(self.published);
        self.stats.set_decided_through(last.envelope.sequence);
        Ok(())
    }
}

/// What the journal thread leaves behind.
pub(super) struct JournalReport<C> {
    pub(super) closed: C,
    pub(super) journaled: Latency,
}

/// The journal thread.
pub(super) struct JournalThread<S> {
    pub(super) sink: S,
    pub(super) poller: RingPoller,
    pub(super) collector: FrameCollector,
    pub(super) batch_max: u64,
    pub(super) stage: StageConfig,
    pub(super) stats: Arc<PipelineStats>,
    pub(super) state: Arc<RunState>,
    pub(super) fail_stop: FailStop,
    pub(super) journaled: Latency,
}

/// What one batch has achieved.
#[derive(Default)]
struct Written {
    records: u64,
    through: Option<Sequence>,
}

impl<S: FrameSink> JournalThread<S> {
    /// Runs until the pinned thread has dropped its producer and all was written.
    pub(super) fn run(mut self, pinned: &SyncSender<PinOutcome>) -> JournalReport<S::Closed> {
        let state = Arc::clone(&self.state);
        let fail_stop = self.fail_stop;
        let _stop_on_panic = StopOnPanic { stage: "journal", state: &state, fail_stop };
        // A starter that is gone needs no answer.
        pinned.send(pin_current_thread(self.stage.pin)).ok();

        let fail =
            |error: S::Error| -> ! { state.fail(format!("the journal cannot go on: {error}"), fail_stop) };
        let mut waiter = self.stage.wait.waiter();
        let mut consumed = 0;
        let mut turns = 0;
        loop {
            match self.poller.take(self.batch_max) {
                Ok(mut batch) => {
                    waiter.reset();
                    self.stats.outcome().sample_depth(turns);
                    turns += 1;
                    match write(&mut batch, &mut self.sink, &mut self.collector, &mut self.journaled) {
                        Ok(written) => {
                            drop(batch);
                            consumed += written.records;
                            self.stats.outcome().set_consumed(consumed);
                            if let Some(through) = written.through {
                                self.stats.set_written_through(through);
                            }
                        }
                        Err(error) => {
                            // A dropped guard would count the batch as consumed.
                            mem::forget(batch);
                            fail(error);
                        }
                    }
                }
                Err(Polling::NoEvents) => {
                    self.sink.idle().unwrap_or_else(|error| fail(error));
                    waiter.idle();
                }
                Err(Polling::Shutdown) => break,
            }
        }
        let closed = self.sink.close().unwrap_or_else(|error| fail(error));
        JournalReport { closed, journaled: self.journaled }
    }
}

fn write<S: FrameSink>(
    batch: &mut EventGuard<'_, Record, SingleProducerBarrier>,
    sink: &mut S,
    collector: &mut FrameCollector,
    journaled: &mut Latency,
) -> Result<Written, S::Error> {
    let mut written = Written::default();
    let mut whole = true;
    for record in batch {
        if let Some(through) = sink.push(record)? {
            written.through = Some(through);
        }
        collector.push(record);
        if record.envelope.origin_ns != 0 {
            journaled.begin(record.envelope.origin_ns);
        }
        written.records += 1;
        whole = is_last_of_frame(record);
    }
    // A frame whose end is still in the ring is measured with the next batch.
    if whole {
        journaled.end_all();
    }
    Ok(written)
}
