//! A pipeline with a scripted decider and a recording sink. Every wait has a deadline.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;
use tickwerk_domain::command::{Continue, TimeAdvanced, TradeObserved};
use tickwerk_domain::event::StateDigest;
use tickwerk_domain::{
    Aggressor, Command, ContinueKind, Envelope, InstrumentId, Mode, Payload, Price, Qty, Record, Sequence,
    SourceId, Stamp, TimeNs,
};
use tickwerk_engine::pipeline::frame::is_last_of_frame;
use tickwerk_engine::pipeline::{
    EgressConfig, Finished, FrameSink, Pipeline, PipelineConfig, Running, StageConfig, Wait, clock,
};
use tickwerk_engine::{Decider, EventBuffer};

/// Longest wait of any test.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const FEED: SourceId = SourceId::FIRST_FEED;
/// Number of the trade at which the decider waits until the test opens the gate.
pub(crate) const GATE: u64 = 1_000_000;
/// Number of the trade at which the decider panics.
pub(crate) const PANIC: u64 = 1_000_001;
/// From a trade to the simulated report it causes.
pub(crate) const REPORT_AFTER_NS: u64 = 3;

/// A trade of `source` at `time`; its number says what the decider makes of it.
pub(crate) fn trade(source: SourceId, number: u64, time: TimeNs) -> Record {
    let trade = TradeObserved {
        trade_id: number,
        price: Price(1),
        qty: Qty(1),
        instrument: InstrumentId(1),
        aggressor: Aggressor::Unknown,
    };
    Record {
        envelope: Envelope { source, source_sequence: number, time_ns: time, ..Envelope::default() },
        payload: Payload::Command(Command::TradeObserved(trade)),
    }
}

/// Trades `1..=count` of `source`, one each nanosecond.
pub(crate) fn trades(source: SourceId, count: u64) -> Vec<Record> {
    (1..=count).map(|number| trade(source, number, TimeNs(number))).collect()
}

/// A decider whose every decision follows from the number of the trade: a trade causes `number % 4` events; each fifth
/// one a simulated report [`REPORT_AFTER_NS`] later; each seventh one two continuations.
pub(crate) struct Scripted {
    last: Stamp,
    highest: BTreeMap<SourceId, u64>,
    continuations: u64,
    due: VecDeque<TimeNs>,
    internal: u64,
    gate: Option<(Sender<()>, Receiver<()>)>,
}

/// Holds the core thread at the trade [`GATE`].
pub(crate) struct Gate {
    reached: Receiver<()>,
    open: Sender<()>,
}

impl Gate {
    /// Waits until the core thread has come to the gate.
    pub(crate) fn wait_until_reached(&self) {
        self.reached.recv_timeout(PATIENCE).expect("the core thread comes to the gate");
    }

    /// Lets the core thread go on.
    pub(crate) fn open(&self) {
        self.open.send(()).expect("the core thread waits at the gate");
    }
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self {
            last: Stamp::default(),
            highest: BTreeMap::new(),
            continuations: 0,
            due: VecDeque::new(),
            internal: 0,
            gate: None,
        }
    }

    pub(crate) fn with_gate() -> (Self, Gate) {
        let (reached_sender, reached) = channel();
        let (open, open_receiver) = channel();
        (Self { gate: Some((reached_sender, open_receiver)), ..Self::new() }, Gate { reached, open })
    }

    /// Simulated reports that are still to come.
    pub(crate) fn pending(&self) -> usize {
        self.due.len()
    }

    fn internal(&mut self, source: SourceId, time_ns: TimeNs, command: Command) -> Record {
        self.internal += 1;
        let envelope = Envelope { source, source_sequence: self.internal, time_ns, ..Envelope::default() };
        Record { envelope, payload: Payload::Command(command) }
    }

    fn on_trade(&mut self, number: u64, time: TimeNs, events: &mut EventBuffer) {
        assert_ne!(number, PANIC, "this trade was made for it");
        if number == GATE
            && let Some((reached, open)) = &self.gate
        {
            reached.send(()).expect("the test waits for the gate");
            open.recv_timeout(PATIENCE).expect("the test opens the gate");
            return;
        }
        for digest in 0..number % 4 {
            events.push(digest + 1, StateDigest { frames: number, digest });
        }
        if number.is_multiple_of(5) {
            self.due.push_back(TimeNs(time.0 + REPORT_AFTER_NS));
        }
        if number.is_multiple_of(7) {
            self.continuations += 2;
        }
    }
}

impl Decider for Scripted {
    fn accepts(&self, source: SourceId, source_sequence: u64) -> bool {
        self.highest.get(&source).is_none_or(|highest| *highest < source_sequence)
    }

    fn next_internal(&mut self, now: TimeNs) -> Option<Record> {
        if self.continuations > 0 {
            self.continuations -= 1;
            let (after, started_by) = (0, Sequence::NONE);
            let kind = ContinueKind::ALL[0];
            let go_on = Command::Continue(Continue { after, started_by, kind });
            return Some(self.internal(SourceId::CORE, TimeNs::UNKNOWN, go_on));
        }
        let due = *self.due.front().filter(|due| **due <= now)?;
        self.due.pop_front();
        let report = Command::TimeAdvanced(TimeAdvanced { due });
        Some(self.internal(SourceId::SIMULATED_VENUE, due, report))
    }

    fn next_due(&self) -> Option<TimeNs> {
        if self.continuations > 0 { Some(TimeNs::UNKNOWN) } else { self.due.front().copied() }
    }

    fn apply(&mut self, command: &mut Record, events: &mut EventBuffer) {
        let Envelope { source, source_sequence, sequence, time_ns, .. } = command.envelope;
        self.highest.insert(source, source_sequence);
        command.envelope.stream_version = source_sequence;
        if let Payload::Command(Command::TradeObserved(trade)) = &command.payload {
            self.on_trade(trade.trade_id, time_ns, events);
        }
        self.last = Stamp { sequence, time_ns }.after(events.len());
    }

    fn last(&self) -> Stamp {
        self.last
    }
}

/// A sink that keeps everything, and can be told to fail.
#[derive(Default)]
pub(crate) struct Recorder {
    records: Vec<Record>,
    fail_at: Option<usize>,
}

impl Recorder {
    /// Fails at the record with this index.
    pub(crate) fn failing_at(index: usize) -> Self {
        Self { records: Vec::new(), fail_at: Some(index) }
    }
}

/// What a [`Recorder`] fails with.
#[derive(Debug, thiserror::Error)]
#[error("no space left at record {0}")]
pub(crate) struct DiskFull(usize);

impl FrameSink for Recorder {
    type Error = DiskFull;
    type Closed = Vec<Record>;

    fn push(&mut self, record: &Record) -> Result<Option<Sequence>, DiskFull> {
        if self.fail_at == Some(self.records.len()) {
            return Err(DiskFull(self.records.len()));
        }
        self.records.push(*record);
        Ok(is_last_of_frame(record).then_some(record.envelope.sequence))
    }

    fn idle(&mut self) -> Result<(), DiskFull> {
        Ok(())
    }

    fn close(self) -> Result<Vec<Record>, DiskFull> {
        Ok(self.records)
    }
}

/// A fail-stop that a test survives: the failed thread stays where it is for ever.
pub(crate) fn park_for_ever(_reason: &str) -> ! {
    loop {
        thread::park();
    }
}

/// A small pipeline in data-time mode.
pub(crate) fn config() -> PipelineConfig {
    let stage = StageConfig { pin: None, wait: Wait::SpinThenSleep };
    PipelineConfig {
        mode: Mode::DataTime,
        lane_capacities: [16; 4],
        outcome_capacity: 256,
        batch_max: 8,
        core: stage,
        journal: stage,
        source_wait: Wait::Yield,
        egress: EgressConfig { capacity: 8, reserve: 2, sources: vec![SourceId::CONTROL] },
        fail_stop: park_for_ever,
    }
}

pub(crate) type Rig = Running<Scripted, Recorder>;

/// Starts a pipeline that records.
pub(crate) fn start(config: &PipelineConfig, decider: Scripted) -> Rig {
    Pipeline::start(config, decider, Recorder::default()).expect("the pipeline starts")
}

/// Joins a pipeline whose lanes were dropped.
pub(crate) fn join(
    threads: tickwerk_engine::pipeline::PipelineThreads<Scripted, Recorder>,
) -> Finished<Scripted, Vec<Record>> {
    within(move || threads.join()).expect("the pipeline ends well")
}

/// Runs `work` on a thread of its own and fails the test when it does not end.
pub(crate) fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(PATIENCE).expect("the work ends in time")
}

/// Waits until `condition` holds.
pub(crate) fn eventually(claim: &str, mut condition: impl FnMut() -> bool) {
    let patience_ns = u64::try_from(PATIENCE.as_nanos()).expect("a minute fits");
    let deadline = clock::monotonic_ns() + patience_ns;
    while !condition() {
        assert!(clock::monotonic_ns() < deadline, "never came true: {claim}");
        thread::yield_now();
    }
}

/// The frames among `records`, checked: dense sequences, whole frames, one stamp a frame, time in order.
pub(crate) fn frames(records: &[Record]) -> Vec<&[Record]> {
    let mut time = TimeNs::UNKNOWN;
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record.envelope.sequence, Sequence(index as u64 + 1), "sequences are dense");
        assert!(time <= record.envelope.time_ns, "time ran backwards at {}", record.envelope.sequence);
        time = record.envelope.time_ns;
    }
    let frames: Vec<_> = records.split_inclusive(is_last_of_frame).collect();
    for frame in &frames {
        let command = &frame[0];
        assert!(matches!(command.payload, Payload::Command(_)), "a frame starts with its command");
        assert!(frame.last().is_some_and(is_last_of_frame), "a frame is whole");
        for event in &frame[1..] {
            assert!(matches!(event.payload, Payload::Event(_)), "only events follow");
            assert_eq!(event.envelope.time_ns, command.envelope.time_ns, "one stamp a frame");
            assert_eq!(event.envelope.source, command.envelope.source);
        }
    }
    frames
}

/// Source and number of each frame's command.
pub(crate) fn commands(records: &[Record]) -> Vec<(SourceId, u64)> {
    frames(records)
        .iter()
        .map(|frame| (frame[0].envelope.source, frame[0].envelope.source_sequence))
        .collect()
}
