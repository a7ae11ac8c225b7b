//! What the pipeline is doing, readable by anybody at any time without disturbing it.
//!
//! Units: records in rings, requests in the egress store. All numbers are momentary; a depth is never more than the
//! capacity and never negative, though the two counters behind it are read one after the other.

use super::lane::Lane;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};
use tickwerk_domain::Sequence;

/// Turns of a consumer from one look at the depth to the next.
const TURNS_PER_SAMPLE: u64 = 16;

/// Fill level and refusals of one ring. The ring itself tells neither, so both of its ends count.
#[derive(Debug)]
pub struct RingGauge {
    capacity: u64,
    published: CachePadded<AtomicU64>,
    consumed: CachePadded<AtomicU64>,
    refused: AtomicU64,
    waits: AtomicU64,
    highest: AtomicU64,
}

impl RingGauge {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity as u64,
            published: CachePadded::default(),
            consumed: CachePadded::default(),
            refused: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            highest: AtomicU64::new(0),
        }
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Records that wait in the ring.
    pub fn depth(&self) -> u64 {
        let consumed = self.consumed();
        self.published().saturating_sub(consumed).min(self.capacity)
    }

    /// The highest depth seen: sampled by the consumer, and exact once the ring was full.
    pub fn depth_max(&self) -> u64 {
        self.highest.load(Ordering::Relaxed)
    }

    /// Records published since the start.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// Records consumed since the start.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Acquire)
    }

    /// Records refused because the ring was full.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Times that the producer found the ring full and waited for room.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    pub(super) fn set_published(&self, count: u64) {
        self.published.store(count, Ordering::Release);
    }

    /// Called by the consumer, before it counts what it took in its turn number `turn`.
    ///
    /// Reading the producer's counter takes that line away from it, so only some turns look; a producer that finds the
    /// ring full says so itself.
    #[inline]
    pub(super) fn sample_depth(&self, turn: u64) {
        if turn.is_multiple_of(TURNS_PER_SAMPLE) {
            self.highest.fetch_max(self.depth(), Ordering::Relaxed);
        }
    }

    /// Called by the producer that finds no room.
    #[cold]
    pub(super) fn note_full(&self) {
        self.highest.fetch_max(self.capacity, Ordering::Relaxed);
    }

    pub(super) fn set_consumed(&self, count: u64) {
        self.consumed.store(count, Ordering::Release);
    }

    /// Called by the producer once it begins to wait.
    #[cold]
    pub(super) fn count_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self, count: usize) {
        self.refused.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Counters of the whole pipeline.
#[derive(Debug)]
pub struct PipelineStats {
    lanes: [RingGauge; Lane::COUNT],
    outcome: RingGauge,
    decided_through: CachePadded<AtomicU64>,
    written_through: CachePadded<AtomicU64>,
    repeats: AtomicU64,
    egress_capacity: u64,
    pub(super) egress_in_flight: CachePadded<AtomicU64>,
    pub(super) egress_refused: AtomicU64,
}

impl PipelineStats {
    pub(super) fn new(lanes: [usize; Lane::COUNT], outcome: usize, egress: usize, last: Sequence) -> Self {
        Self {
            lanes: lanes.map(RingGauge::new),
            outcome: RingGauge::new(outcome),
            decided_through: CachePadded::new(AtomicU64::new(last.0)),
            written_through: CachePadded::new(AtomicU64::new(last.0)),
            repeats: AtomicU64::new(0),
            egress_capacity: egress as u64,
            egress_in_flight: CachePadded::default(),
            egress_refused: AtomicU64::new(0),
        }
    }

    /// The ring of a lane.
    pub fn lane(&self, lane: Lane) -> &RingGauge {
        &self.lanes[lane as usize]
    }

    /// The ring between the core thread and the journal thread.
    pub fn outcome(&self) -> &RingGauge {
        &self.outcome
    }

    /// The last record that was decided and handed on.
    pub fn decided_through(&self) -> Sequence {
        Sequence(self.decided_through.load(Ordering::Acquire))
    }

    /// The last record that the sink has taken.
    pub fn written_through(&self) -> Sequence {
        Sequence(self.written_through.load(Ordering::Acquire))
    }

    /// Commands taken from the lanes since the start.
    pub fn commands(&self) -> u64 {
        self.lanes.iter().map(RingGauge::consumed).sum()
    }

    /// Commands dropped because their source had sent them before.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Requests that the egress store has room for.
    pub fn egress_capacity(&self) -> u64 {
        self.egress_capacity
    }

    /// Requests that were admitted and whose reply was not yet taken.
    pub fn egress_in_flight(&self) -> u64 {
        self.egress_in_flight.load(Ordering::Acquire)
    }

    /// Requests refused because the egress store was full.
    pub fn egress_refused(&self) -> u64 {
        self.egress_refused.load(Ordering::Relaxed)
    }

    /// Everything that was refused because something was full.
    pub fn refusals(&self) -> u64 {
        self.lanes.iter().map(RingGauge::refused).sum::<u64>() + self.egress_refused()
    }

    pub(super) fn set_decided_through(&self, sequence: Sequence) {
        self.decided_through.store(sequence.0, Ordering::Release);
    }

    pub(super) fn set_written_through(&self, sequence: Sequence) {
        self.written_through.store(sequence.0, Ordering::Release);
    }

    /// Gives back the place of one request.
    pub(super) fn release_egress(&self) {
        let one_less = |in_flight: u64| in_flight.checked_sub(1);
        let released = self.egress_in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        assert!(
            released.is_ok(),
            "a place is given back that was never taken: a command did not pass the gate"
        );
    }

    pub(super) fn count_repeat(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }
}
