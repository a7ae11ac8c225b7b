//! Egress: replies wait in a bounded store until a watermark releases them, and a gate in front keeps it from overflowing.
//!
//! The gate counts requests from admission until their reply is taken. New orders are refused while the reserve is
//! untouched; cancels and kill switches use the reserve. Invariant: every command of a reply source has passed the
//! gate and gets exactly one reply, so the store holds no more than was admitted; a breach stops the process.

use super::frame::{Frame, is_last_of_frame};
use super::stats::PipelineStats;
use crossbeam::queue::ArrayQueue;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickwerk_domain::{Command, Record, Sequence, SourceId};

/// What became of an admitted command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// It was decided: its frame.
    Frame(Frame),
    /// Its source had sent it before; nothing was journaled.
    Repeat {
        /// Whose command.
        source: SourceId,
        /// Its number there.
        source_sequence: u64,
    },
}

/// Which part of the store a request may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdmitKind {
    /// A new order: not the reserve.
    NewOrder,
    /// A cancel, kill switch or trading halt, and the text of its reason: the reserve too, as it takes risk away.
    Cancel,
    /// Anything else: not the reserve.
    Other,
}

impl AdmitKind {
    /// The part that suits a command.
    pub fn of(command: &Command) -> Self {
        match command {
            Command::NewOrder(_) | Command::ReplaceOrder(_) => Self::NewOrder,
            Command::CancelOrder(_)
            | Command::MassCancel(_)
            | Command::KillSwitchSet(_)
            | Command::TradingStateSet(_)
            | Command::AccountStateSet(_) => Self::Cancel,
            Command::QuoteObserved(_)
            | Command::TradeObserved(_)
            | Command::BookDelta(_)
            | Command::MarketGapObserved(_)
            | Command::InstrumentDefined(_)
            | Command::SimulatedVenueSet(_)
            | Command::StrategyDefined(_)
            | Command::LimitSet(_)
            | Command::OrderReported(_)
            | Command::FillReported(_)
            | Command::AccountDefined(_)
            | Command::CurrencyDefined(_)
            | Command::CashTransferred(_)
            | Command::RulesActivated(_)
            | Command::TextDefined(_)
            | Command::TimeAdvanced(_)
            | Command::Continue(_)
            | Command::HealthObserved(_)
            | Command::BookOrderObserved(_)
            | Command::MarkObserved(_)
            | Command::MarkSourceSet(_)
            | Command::SessionSet(_)
            | Command::VenueDefined(_)
            | Command::RouteSet(_)
            | Command::VenueStateObserved(_)
            | Command::VenueLatencySet(_)
            | Command::LatencyRecorded(_)
            | Command::PriceBandSet(_)
            | Command::BreakerReset(_)
            | Command::ReplaceReported(_)
            | Command::VenueOrderStated(_)
            | Command::TradeBusted(_)
            | Command::TradeCorrected(_)
            | Command::FundingApplied(_)
            | Command::VenuePositionStated(_)
            | Command::ConversionSet(_)
            | Command::ReferenceCurrencySet(_)
            | Command::VenueBalanceStated(_)
            | Command::TimerFired(_)
            | Command::ReconcileStarted(_)
            | Command::ReconcileEnded(_)
            | Command::RequestRefused(_)
            | Command::StreamAppended(_) => Self::Other,
        }
    }
}

/// Too many requests wait for their reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the engine is busy: {in_flight} requests wait for their reply, {limit} may; send again later")]
pub struct EngineBusy {
    /// Requests that wait.
    pub in_flight: u64,
    /// How many of this kind may.
    pub limit: u64,
}

/// The gate; cloned for every door.
#[derive(Clone, Debug)]
pub struct Admission {
    stats: Arc<PipelineStats>,
    reserve: u64,
}

impl Admission {
    pub(super) fn new(stats: &Arc<PipelineStats>, reserve: usize) -> Self {
        Self { stats: Arc::clone(stats), reserve: reserve as u64 }
    }

    /// Takes a place for a request. It is given back when the reply is taken, or by [`Admission::withdraw`].
    pub fn try_admit(&self, kind: AdmitKind) -> Result<(), EngineBusy> {
        let limit = match kind {
            AdmitKind::NewOrder | AdmitKind::Other => self.stats.egress_capacity() - self.reserve,
            AdmitKind::Cancel => self.stats.egress_capacity(),
        };
        let one_more = |in_flight| (in_flight < limit).then_some(in_flight + 1);
        match self.stats.egress_in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(()),
            Err(in_flight) => {
                self.stats.egress_refused.fetch_add(1, Ordering::Relaxed);
                Err(EngineBusy { in_flight, limit })
            }
        }
    }

    /// Gives the place back of an admitted request that no lane took.
    pub fn withdraw(&self) {
        self.stats.release_egress();
    }
}

/// A set of sources, as one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SourceSet(u64);

impl SourceSet {
    /// Sources from this number on cannot be in a set.
    pub(super) const LIMIT: u16 = 64;

    /// The set of `sources`, or the first one that cannot be in a set.
    pub(super) fn new(sources: &[SourceId]) -> Result<Self, SourceId> {
        sources.iter().try_fold(Self::default(), |set, &source| {
            if source.0 < Self::LIMIT { Ok(Self(set.0 | 1 << source.0)) } else { Err(source) }
        })
    }

    #[inline]
    pub(super) fn contains(self, source: SourceId) -> bool {
        source.0 < Self::LIMIT && self.0 >> source.0 & 1 == 1
    }
}

/// The write end of the store.
#[derive(Clone, Debug)]
pub(super) struct EgressStore {
    sources: SourceSet,
    replies: Arc<ArrayQueue<Reply>>,
}

impl EgressStore {
    pub(super) fn new(sources: SourceSet, capacity: usize) -> Self {
        Self { sources, replies: Arc::new(ArrayQueue::new(capacity)) }
    }

    /// Answers a dropped command; called by the pinned thread, and does not allocate.
    #[inline]
    pub(super) fn repeat(&self, source: SourceId, source_sequence: u64) {
        if self.sources.contains(source) {
            self.push(Reply::Repeat { source, source_sequence });
        }
    }

    fn push(&self, reply: Reply) {
        let refused = self.replies.push(reply).is_err();
        assert!(!refused, "a reply finds its store full: its command did not pass the gate");
    }
}

/// Gathers the frames that somebody waits for; part of the journal thread.
#[derive(Debug)]
pub(super) struct FrameCollector {
    store: EgressStore,
    /// Whether the next record is a command: told by the one before, so that payloads need not be looked at.
    at_start: bool,
    wanted: bool,
    frame: Vec<Record>,
}

impl FrameCollector {
    pub(super) fn new(store: EgressStore) -> Self {
        Self { store, at_start: true, wanted: false, frame: Vec::new() }
    }

    /// Takes a record that the sink has taken.
    #[inline]
    pub(super) fn push(&mut self, record: &Record) {
        if self.at_start {
            self.wanted = self.store.sources.contains(record.envelope.source);
        }
        self.at_start = is_last_of_frame(record);
        if self.wanted {
            self.keep(record);
        }
    }

    #[cold]
    fn keep(&mut self, record: &Record) {
        self.frame.push(*record);
        if is_last_of_frame(record) {
            self.store.push(Reply::Frame(Frame::new(mem::take(&mut self.frame))));
        }
    }
}

/// The read end of the store: replies in the order of the journal, each when its watermark is reached.
#[derive(Debug)]
pub struct EgressReader {
    replies: Arc<ArrayQueue<Reply>>,
    stats: Arc<PipelineStats>,
    next: Option<Reply>,
}

impl EgressReader {
    pub(super) fn new(store: &EgressStore, stats: &Arc<PipelineStats>) -> Self {
        Self { replies: Arc::clone(&store.replies), stats: Arc::clone(stats), next: None }
    }

    /// The next reply that `released_through` releases. Taking it makes room for another request.
    pub fn next(&mut self, released_through: Sequence) -> Option<Reply> {
        if self.next.is_none() {
            self.next = self.replies.pop();
        }
        let released = match self.next.as_ref()? {
            Reply::Frame(frame) => frame.last_sequence() <= released_through,
            Reply::Repeat { .. } => true,
        };
        if !released {
            return None;
        }
        self.stats.release_egress();
        self.next.take()
    }
}
