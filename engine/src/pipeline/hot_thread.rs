//! The pinned thread: takes commands from the lanes, lets the decider decide, hands whole frames on.
//!
//! Here a ring's place and our `Sequence` meet. The order in which this thread takes commands is the order of the
//! journal: continuations, then due items, then the lanes in their fixed order. Nothing here allocates after the start.
//!
//! Time: in data-time mode the data's own, in live mode the ingress clock, read here and handed to the decider as a
//! stamp; never before the last stamp. `TimeAdvanced` is the one command that comes before the items that are due at its
//! time: it is what brings them about.

use super::affinity::{PinOutcome, pin_current_thread};
use super::clock;
use super::config::StageConfig;
use super::egress::EgressStore;
use super::fail_stop::{FailStop, RunState, StopOnPanic};
use super::frame::{complete_frame, copy_record};
use super::lane::{Lane, RingPoller, blank_record};
use super::latency::Latency;
use super::outcome::{JournalGone, OutcomeProducer};
use super::stats::PipelineStats;
use crate::decider::Decider;
use crate::event_buffer::EventBuffer;
use crate::limits::RECORDS_PER_FRAME_MAX;
use disruptor::Polling;
use std::mem;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Envelope, Mode, Payload, Record, SourceId, Stamp, TimeNs};

/// Records after which staged frames are handed on.
const STAGED_RECORDS: usize = 128;
/// Records that may be staged: the last frame may be a large one.
pub(super) const STAGED_RECORDS_MAX: usize = STAGED_RECORDS + RECORDS_PER_FRAME_MAX;

/// What the pinned thread has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CoreCounts {
    /// Commands that sources sent and that were decided.
    pub external: u64,
    /// Commands that the core owed itself: continuations, timers, simulated reports, time.
    pub internal: u64,
    /// Events.
    pub events: u64,
    /// Commands dropped because their source had sent them before.
    pub repeats: u64,
}

/// What the pinned thread leaves behind.
pub(super) struct HotReport<D> {
    pub(super) decider: D,
    pub(super) counts: CoreCounts,
    pub(super) decided: Latency,
}

/// The read end of a lane.
pub(super) struct LaneTurn {
    lane: Lane,
    poller: RingPoller,
    consumed: u64,
    turns: u64,
    open: bool,
}

impl LaneTurn {
    pub(super) fn new(lane: Lane, poller: RingPoller) -> Self {
        Self { lane, poller, consumed: 0, turns: 0, open: true }
    }

    /// Decides on what waits in this lane, up to the bound; whether there was anything.
    #[inline]
    fn take<D: Decider>(&mut self, batch_max: u64, desk: &mut Desk<D>) -> Result<bool, JournalGone> {
        let mut batch = match self.poller.take(batch_max) {
            Ok(batch) => batch,
            Err(Polling::NoEvents) => return Ok(false),
            Err(Polling::Shutdown) => {
                self.open = false;
                return Ok(false);
            }
        };
        desk.stats.lane(self.lane).sample_depth(self.turns);
        self.turns += 1;
        match desk.decide_all(&mut batch) {
            Ok(count) => self.consumed += count,
            Err(gone) => {
                // A dropped guard would count commands as consumed that were never handed on.
                mem::forget(batch);
                return Err(gone);
            }
        }
        drop(batch);
        desk.stats.lane(self.lane).set_consumed(self.consumed);
        Ok(true)
    }
}

/// The pinned thread.
pub(super) struct HotThread<D> {
    pub(super) lanes: [LaneTurn; Lane::COUNT],
    pub(super) desk: Desk<D>,
    pub(super) batch_max: u64,
    pub(super) stage: StageConfig,
    pub(super) state: Arc<RunState>,
    pub(super) fail_stop: FailStop,
}

impl<D: Decider> HotThread<D> {
    /// Runs until every lane has lost its producer, or the journal thread has failed.
    pub(super) fn run(mut self, pinned: &SyncSender<PinOutcome>) -> HotReport<D> {
        let state = Arc::clone(&self.state);
        let _stop_on_panic = StopOnPanic { stage: "core", state: &state, fail_stop: self.fail_stop };
        // A starter that is gone needs no answer.
        pinned.send(pin_current_thread(self.stage.pin)).ok();

        match self.decide_to_the_end() {
            // The journal thread has told of its failure and stops the process; nothing is left to do here.
            Ok(()) | Err(JournalGone) => self.desk.into_report(),
        }
    }

    fn decide_to_the_end(&mut self) -> Result<(), JournalGone> {
        let mut waiter = self.stage.wait.waiter();
        while self.lanes.iter().any(|lane| lane.open) {
            let mut busy = false;
            for lane in &mut self.lanes {
                busy |= lane.take(self.batch_max, &mut self.desk)?;
            }
            if busy || self.desk.go_on()? {
                waiter.reset();
            } else {
                waiter.idle();
            }
        }
        if self.desk.mode == Mode::DataTime && self.state.is_end_of_input() {
            self.desk.decide_internal(TimeNs::MAX)?;
            self.desk.hand_on()?;
        }
        Ok(())
    }
}

/// Where commands become frames.
pub(super) struct Desk<D> {
    decider: D,
    mode: Mode,
    outcome: OutcomeProducer,
    egress: EgressStore,
    stats: Arc<PipelineStats>,
    events: EventBuffer,
    /// Room for frames; the first `staged_count` records are whole frames that were not yet handed on.
    staged: Box<[Record]>,
    staged_count: usize,
    decided: Latency,
    counts: CoreCounts,
    /// Last number that was given to a command of the clock.
    clock_number: u64,
}

impl<D: Decider> Desk<D> {
    pub(super) fn new(
        decider: D,
        mode: Mode,
        outcome: OutcomeProducer,
        egress: EgressStore,
        stats: &Arc<PipelineStats>,
    ) -> Self {
        Self {
            decider,
            mode,
            outcome,
            egress,
            stats: Arc::clone(stats),
            events: EventBuffer::new(),
            staged: vec![blank_record(); STAGED_RECORDS_MAX].into_boxed_slice(),
            staged_count: 0,
            decided: Latency::new(STAGED_RECORDS_MAX),
            counts: CoreCounts::default(),
            clock_number: 0,
        }
    }

    fn into_report(self) -> HotReport<D> {
        HotReport { decider: self.decider, counts: self.counts, decided: self.decided }
    }

    /// Decides on a batch of external commands and hands all of it on; returns how many there were.
    #[inline]
    fn decide_all<'a>(&mut self, batch: impl Iterator<Item = &'a Record>) -> Result<u64, JournalGone> {
        let mut ingress_time = TimeNs::UNKNOWN;
        let mut count = 0;
        for command in batch {
            let time = self.time_of(command, &mut ingress_time);
            self.decide_internal(time)?;
            let Envelope { source, mut source_sequence, .. } = command.envelope;
            if source == SourceId::CLOCK && source_sequence == 0 {
                source_sequence = self.next_clock_number();
            }
            if self.decider.accepts(source, source_sequence) {
                self.counts.external += 1;
                self.decide(command, source_sequence, time)?;
            } else {
                self.counts.repeats += 1;
                self.stats.count_repeat();
                self.egress.repeat(source, source_sequence);
            }
            count += 1;
        }
        self.hand_on()?;
        Ok(count)
    }

    /// The time of an external command, never before the last stamp. One clock read serves the batch.
    #[inline]
    fn time_of(&self, command: &Record, ingress_time: &mut TimeNs) -> TimeNs {
        let mut time = command.envelope.time_ns;
        if time == TimeNs::UNKNOWN && self.mode == Mode::Live {
            if *ingress_time == TimeNs::UNKNOWN {
                *ingress_time = clock::unix_now();
            }
            time = *ingress_time;
        }
        time.max(self.decider.last().time_ns)
    }

    /// Decides on all that the core owes itself by `now`, each item at the later of its due time and the last stamp.
    #[inline]
    fn decide_internal(&mut self, now: TimeNs) -> Result<bool, JournalGone> {
        let mut any = false;
        while let Some(command) = self.decider.next_internal(now) {
            let time = command.envelope.time_ns.max(self.decider.last().time_ns);
            self.counts.internal += 1;
            self.decide(&command, command.envelope.source_sequence, time)?;
            any = true;
        }
        Ok(any)
    }

    /// The lanes are empty: goes on with what is due; whether there was anything.
    ///
    /// In data-time mode only continuations go on, as nobody knows yet which data come before the next due item.
    fn go_on(&mut self) -> Result<bool, JournalGone> {
        let Some(due) = self.decider.next_due() else { return Ok(false) };
        let last = self.decider.last().time_ns;
        let any = match (due, self.mode) {
            (TimeNs::UNKNOWN, _) => self.decide_internal(last)?,
            (_, Mode::DataTime) => false,
            (due, Mode::Live) => {
                let now = clock::unix_now().max(last);
                now >= due && {
                    self.advance_time(due, now)?;
                    self.decide_internal(now)?
                }
            }
        };
        self.hand_on()?;
        Ok(any)
    }

    /// Journals that time has come to `now`, for the sake of an item that was due.
    fn advance_time(&mut self, due: TimeNs, now: TimeNs) -> Result<(), JournalGone> {
        let number = self.next_clock_number();
        // After a clock was set back the number may be an old one; the items then stand at the last stamp.
        if !self.decider.accepts(SourceId::CLOCK, number) {
            return Ok(());
        }
        let envelope = Envelope { source: SourceId::CLOCK, ..Envelope::default() };
        let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due }));
        self.counts.internal += 1;
        self.decide(&Record { envelope, payload }, number, now)
    }

    /// The clock numbers its commands by its time: rising over restarts, with gaps.
    fn next_clock_number(&mut self) -> u64 {
        self.clock_number = clock::unix_now().0.max(self.clock_number + 1);
        self.clock_number
    }

    /// Stamps a command, lets the decider decide, and stages the frame.
    #[inline]
    fn decide(&mut self, command: &Record, source_sequence: u64, time: TimeNs) -> Result<(), JournalGone> {
        let stamp = Stamp { sequence: self.decider.last().sequence.next(), time_ns: time };
        let frame = &mut self.staged[self.staged_count..];
        copy_record(&mut frame[0], command);
        frame[0].envelope.sequence = stamp.sequence;
        frame[0].envelope.time_ns = stamp.time_ns;
        frame[0].envelope.source_sequence = source_sequence;
        self.events.clear();
        self.decider.apply(&mut frame[0], &mut self.events);

        assert_eq!(self.decider.last(), stamp.after(self.events.len()), "the decider lost its place");
        self.counts.events += self.events.len() as u64;
        self.staged_count += complete_frame(frame, &self.events);
        if command.envelope.origin_ns != 0 {
            self.decided.begin(command.envelope.origin_ns);
        }
        if self.staged_count < STAGED_RECORDS { Ok(()) } else { self.hand_on() }
    }

    /// Hands the staged frames to the journal thread.
    #[inline]
    fn hand_on(&mut self) -> Result<(), JournalGone> {
        self.outcome.publish(&self.staged[..self.staged_count])?;
        self.staged_count = 0;
        self.decided.end_all();
        Ok(())
    }
}
