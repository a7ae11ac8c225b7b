//! Lanes: the single-producer rings by which commands reach the pinned thread, in a fixed order of turns.
//!
//! A full lane is an answer for [`LaneProducer::try_publish`] and a wait for [`LaneProducer::publish_all`]; nothing is
//! dropped silently. Dropping the last producer of all lanes ends the pipeline.

use super::fail_stop::RunState;
use super::frame::copy_record;
use super::stats::PipelineStats;
use super::wait::Wait;
use disruptor::{
    BusySpin, EventPoller, Producer as _, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier,
    build_single_producer,
};
use std::sync::Arc;
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Envelope, Payload, Record, TimeNs};

/// The lanes, in the order in which the pinned thread gives them their turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// Limits, switches, health: first, so that a kill switch overtakes what it is to stop.
    Control = 0,
    /// Venue reports: what has happened comes before what is wished.
    Reports = 1,
    /// Orders and cancels.
    Orders = 2,
    /// Market data.
    Market = 3,
}

impl Lane {
    /// How many there are.
    pub const COUNT: usize = 4;
    /// Every lane, in the order of turns.
    pub const ALL: [Self; Self::COUNT] = [Self::Control, Self::Reports, Self::Orders, Self::Market];

    /// The word for this lane in configuration and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Reports => "reports",
            Self::Orders => "orders",
            Self::Market => "market",
        }
    }
}

/// The lane had no room for all of it, and took nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {} lane is full: {capacity} commands wait; send again later, or make the lane larger", lane.word())]
pub struct LaneFull {
    /// Which lane.
    pub lane: Lane,
    /// How many it holds.
    pub capacity: u64,
}

/// The pipeline behind the lane has failed; what was not yet published never will be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {} lane is closed after {published} of {count} commands: {reason}", lane.word())]
pub struct PublishError {
    /// Which lane.
    pub lane: Lane,
    /// How many of the commands went in.
    pub published: usize,
    /// How many there were.
    pub count: usize,
    /// Why the pipeline failed.
    pub reason: String,
}

/// Write end of a ring.
pub(super) type RingProducer = SingleProducer<Record, SingleConsumerBarrier>;
/// Read end of a ring.
pub(super) type RingPoller = EventPoller<Record, SingleProducerBarrier>;

/// What lies in a slot that was never written.
pub(super) fn blank_record() -> Record {
    let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due: TimeNs::UNKNOWN }));
    Record { envelope: Envelope::default(), payload }
}

/// A ring of `capacity` records with one producer and one poller, all pages touched.
pub(super) fn ring(capacity: usize) -> (RingProducer, RingPoller) {
    let (poller, builder) = build_single_producer(capacity, blank_record, BusySpin).new_event_poller();
    (builder.build(), poller)
}

/// Copies `records` into the ring if all of them fit.
#[inline]
pub(super) fn try_copy_in(ring: &mut RingProducer, records: &[Record]) -> bool {
    ring.try_batch_publish(records.len(), |slots| {
        for (slot, record) in slots.zip(records) {
            copy_record(slot, record);
        }
    })
    .is_ok()
}

/// The write end of a lane; one thread owns it.
pub struct LaneProducer {
    lane: Lane,
    ring: RingProducer,
    published: u64,
    batch_max: usize,
    wait: Wait,
    stats: Arc<PipelineStats>,
    state: Arc<RunState>,
}

impl LaneProducer {
    pub(super) fn new(
        lane: Lane,
        ring: RingProducer,
        wait: Wait,
        stats: &Arc<PipelineStats>,
        shared: &Arc<RunState>,
    ) -> Self {
        let capacity = usize::try_from(stats.lane(lane).capacity()).unwrap_or(usize::MAX);
        // Half a ring at once would make the two ends take turns instead of working side by side.
        let batch_max = (capacity / 4).max(1);
        Self {
            lane,
            ring,
            published: 0,
            batch_max,
            wait,
            stats: Arc::clone(stats),
            state: Arc::clone(shared),
        }
    }

    /// Which lane this is.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// Publishes one command, or refuses it and counts that.
    pub fn try_publish(&mut self, command: &Record) -> Result<(), LaneFull> {
        self.try_publish_batch(std::slice::from_ref(command))
    }

    /// Publishes all of the commands or none of them, which is counted: parts of one update must not be torn.
    pub fn try_publish_batch(&mut self, commands: &[Record]) -> Result<(), LaneFull> {
        if self.copy_in(commands) {
            return Ok(());
        }
        let gauge = self.stats.lane(self.lane);
        gauge.count_refused(commands.len());
        Err(LaneFull { lane: self.lane, capacity: gauge.capacity() })
    }

    /// Publishes all of the commands, waiting for room. For sources that may wait: files, generators, venue reports.
    pub fn publish_all(&mut self, commands: &[Record]) -> Result<(), PublishError> {
        for (index, batch) in commands.chunks(self.batch_max).enumerate() {
            let mut waiter = self.wait.waiter();
            let mut is_waiting = false;
            loop {
                // Asked first: a dead pipeline may well have room.
                if let Some(reason) = self.state.failure() {
                    return Err(PublishError {
                        lane: self.lane,
                        published: index * self.batch_max,
                        count: commands.len(),
                        reason: reason.to_owned(),
                    });
                }
                if self.copy_in(batch) {
                    break;
                }
                if !std::mem::replace(&mut is_waiting, true) {
                    self.stats.lane(self.lane).count_wait();
                }
                waiter.idle();
            }
        }
        Ok(())
    }

    /// The input was read to its end: in data-time mode pending simulated reports are delivered once all lanes are
    /// dropped. A producer that is merely dropped leaves them pending.
    pub fn finish(self) {
        self.state.flag_end_of_input();
    }

    #[inline]
    fn copy_in(&mut self, commands: &[Record]) -> bool {
        let fits = try_copy_in(&mut self.ring, commands);
        let gauge = self.stats.lane(self.lane);
        if fits {
            self.published += commands.len() as u64;
            gauge.set_published(self.published);
        } else {
            gauge.note_full();
        }
        fits
    }
}

impl std::fmt::Debug for LaneProducer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("LaneProducer")
            .field("lane", &self.lane)
            .field("published", &self.published)
            .finish_non_exhaustive()
    }
}
