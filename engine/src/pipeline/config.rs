//! What can be chosen about a pipeline. None of it changes what is decided; so none of it is journaled, but the mode.

use super::affinity::{cores_available, default_pins};
use super::egress::SourceSet;
use super::fail_stop::{FailStop, abort_process};
use super::hot_thread::STAGED_RECORDS_MAX;
use super::lane::Lane;
use super::wait::Wait;
use tickwerk_domain::{Mode, SourceId};

/// How one thread runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StageConfig {
    /// The core it is pinned to.
    pub pin: Option<usize>,
    /// How it waits.
    pub wait: Wait,
}

/// The store of replies that wait for release.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EgressConfig {
    /// Requests that may wait.
    pub capacity: usize,
    /// How many of these places only cancels may take.
    pub reserve: usize,
    /// Whose commands are answered. Each of them must have passed the gate.
    pub sources: Vec<SourceId>,
}

/// What can be chosen about a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineConfig {
    /// Where time comes from.
    pub mode: Mode,
    /// Slots of the lanes in the order of [`Lane::ALL`]; powers of two.
    pub lane_capacities: [usize; Lane::COUNT],
    /// Slots of the outcome ring; a power of two.
    pub outcome_capacity: usize,
    /// Commands that a lane may bring in one turn, and records that the journal thread takes at once.
    pub batch_max: usize,
    /// The pinned thread.
    pub core: StageConfig,
    /// The journal thread.
    pub journal: StageConfig,
    /// How a source waits that finds its lane full.
    pub source_wait: Wait,
    /// Replies.
    pub egress: EgressConfig,
    /// How the process stops after a failure.
    pub fail_stop: FailStop,
}

/// A configuration that no pipeline can have, or a system that gives it no thread.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Ring indices are masked.
    #[error("the {ring} ring has {value} slots, which is not a power of two; take {suggestion}")]
    NotPowerOfTwo {
        /// Which ring.
        ring: &'static str,
        /// Its slots.
        value: usize,
        /// The next power of two.
        suggestion: usize,
    },
    /// A ring must take what one turn hands on.
    #[error("the {ring} ring has {value} slots; take {min} or more")]
    RingTooSmall {
        /// Which ring.
        ring: &'static str,
        /// Its slots.
        value: usize,
        /// The least that works.
        min: usize,
    },
    /// No turn, no progress.
    #[error("a batch of 0 commands brings nothing; take 1 or more, 64 is usual")]
    EmptyBatch,
    /// Nobody could order anything.
    #[error("the egress store has {capacity} places and reserves {reserve}; reserve fewer than there are")]
    ReserveTooLarge {
        /// Places.
        capacity: usize,
        /// Reserved ones.
        reserve: usize,
    },
    /// The number of a source that wants replies is too large.
    #[error("source {source_id} cannot have replies; use a number below {limit}")]
    ReplySource {
        /// Which source.
        source_id: SourceId,
        /// The first number that is too large.
        limit: u16,
    },
    /// The system gave no thread.
    #[error("the {stage} thread cannot be started; check the limit on threads")]
    Spawn {
        /// Which thread.
        stage: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The least lane: a turn and what arrives meanwhile.
const LANE_CAPACITY_MIN: usize = 4;

impl PipelineConfig {
    /// What suits this machine: pins and spinning only where there are cores for it.
    pub fn for_this_machine(mode: Mode) -> Self {
        let cores = cores_available();
        let (core_pin, journal_pin) = default_pins(cores);
        // Two threads run all the time, pinned or not.
        let wait = Wait::default_for(cores, 2);
        Self {
            mode,
            lane_capacities: [1024, 1024, 1024, 4096],
            outcome_capacity: 4096,
            batch_max: 64,
            core: StageConfig { pin: core_pin, wait },
            journal: StageConfig { pin: journal_pin, wait },
            source_wait: Wait::SpinThenSleep,
            egress: EgressConfig { capacity: 1024, reserve: 128, sources: vec![SourceId::CONTROL] },
            fail_stop: abort_process,
        }
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<SourceSet, StartError> {
        for (lane, capacity) in Lane::ALL.into_iter().zip(self.lane_capacities) {
            check_ring(lane.word(), capacity, LANE_CAPACITY_MIN)?;
        }
        check_ring("outcome", self.outcome_capacity, STAGED_RECORDS_MAX)?;
        if self.batch_max == 0 {
            return Err(StartError::EmptyBatch);
        }
        let EgressConfig { capacity, reserve, ref sources } = self.egress;
        if reserve >= capacity {
            return Err(StartError::ReserveTooLarge { capacity, reserve });
        }
        SourceSet::new(sources)
            .map_err(|source_id| StartError::ReplySource { source_id, limit: SourceSet::LIMIT })
    }
}

fn check_ring(ring: &'static str, value: usize, min: usize) -> Result<(), StartError> {
    if value < min {
        return Err(StartError::RingTooSmall { ring, value, min: min.next_power_of_two() });
    }
    if !value.is_power_of_two() {
        let suggestion = value.checked_next_power_of_two().unwrap_or(1 << 20);
        return Err(StartError::NotPowerOfTwo { ring, value, suggestion });
    }
    Ok(())
}
