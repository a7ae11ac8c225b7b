//! The deterministic whole: the machine, what it owes itself, and the simulated venue, in one order.
//!
//! What comes next: a continuation, then items that are due by (time, creation), then the lanes. A continuation and a
//! report of the simulated venue are commands like all others; replay asks for them in the same way and compares.

mod image;

pub use image::{RestoreError, STATE_VERSION};

use crate::decider::Decider;
use crate::event_buffer::EventBuffer;
use crate::limits::{DIGEST_INTERVAL_FRAMES, INSTRUMENTS_MAX, OPEN_ORDERS_MAX, SOURCES_MAX};
use crate::machine::{Continuation, Machine};
use crate::rules::Rules;
use crate::timers::Timer;
use tickwerk_domain::command::{Continue, TimerFired};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::StateDigest;
use tickwerk_domain::{
    Command, CorrelationId, Digest, Envelope, Event, InstrumentId, Payload, Record, Side, SourceId, Stamp,
    TimeNs, VenueId,
};
use tickwerk_venue::{SimulatedVenue, VENUE_ORDERS_MAX};

const _: () = assert!(VENUE_ORDERS_MAX >= OPEN_ORDERS_MAX, "the venue has a place for every open order");

/// Machine, sources and simulated venue.
#[derive(Debug)]
pub struct Core {
    machine: Machine,
    venue: SimulatedVenue,
    /// Highest number seen of each source.
    sources: Box<[u64]>,
    source_rows: Box<[u64]>,
    sources_digest: Digest,
    frames: u64,
    digest_interval: u64,
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

impl Core {
    /// A core that knows nothing; all that it ever allocates.
    pub fn new() -> Self {
        Self {
            machine: Machine::new(),
            venue: SimulatedVenue::new(INSTRUMENTS_MAX),
            sources: vec![0; SOURCES_MAX].into(),
            source_rows: vec![0; SOURCES_MAX].into(),
            sources_digest: Digest::default(),
            frames: 0,
            digest_interval: DIGEST_INTERVAL_FRAMES,
        }
    }

    /// A core that decides by other versions of the rules than those of this build, as an older or a newer one would.
    pub fn with_rules(table: &'static [Rules]) -> Self {
        let mut core = Self::new();
        core.machine = Machine::with_rules(table);
        core
    }

    /// Takes other versions to decide by; gives those that it had.
    pub(crate) fn replace_rules(&mut self, table: &'static [Rules]) -> &'static [Rules] {
        self.machine.replace_rules(table)
    }

    /// What decides.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The simulated venue.
    pub fn venue(&self) -> &SimulatedVenue {
        &self.venue
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Highest number seen of a source: where it resumes.
    pub fn source_position(&self, source: SourceId) -> u64 {
        self.sources.get(source.0 as usize).copied().unwrap_or(0)
    }

    /// Digest of the whole state, the place in the order included.
    pub fn digest(&self) -> u64 {
        let last = self.machine.last();
        let words = [
            self.machine.digest(),
            self.venue.digest(),
            self.sources_digest.0,
            self.frames,
            last.sequence.0,
            last.time_ns.0,
        ];
        row_hash(0, &words)
    }

    /// A record that the core gives itself; it correlates with the order, or with what started a long effect.
    fn internal(&self, source: SourceId, time_ns: TimeNs, correlation: u64, command: Command) -> Record {
        let source_sequence = self.source_position(source) + 1;
        let correlation = CorrelationId(correlation);
        let envelope = Envelope { time_ns, source, source_sequence, correlation, ..Envelope::default() };
        Record { envelope, payload: Payload::Command(command) }
    }

    /// The timer that fires now: due at `now` or before, and not after what the venue owes.
    fn due_timer(&self, now: TimeNs) -> Option<&Timer> {
        let timer = self.machine.timers().next().filter(|timer| timer.due <= now)?;
        self.venue.next_due().is_none_or(|of_venue| timer.due <= of_venue).then_some(timer)
    }

    fn note_source(&mut self, source: SourceId, source_sequence: u64) {
        let index = source.0 as usize;
        self.sources[index] = source_sequence;
        let row = row_hash(TAG_SOURCE, &[u64::from(source.0), source_sequence]);
        self.sources_digest.update(&mut self.source_rows[index], row);
    }

    /// Shows the venue what the command did that was sent at `sent`.
    fn show_venue(&mut self, at: TimeNs, sent: TimeNs, command: &Command, events: &EventBuffer) {
        let was_refused = matches!(events.events().next(), Some(Event::CommandRefused(_)));
        match command {
            Command::QuoteObserved(quote) if !was_refused => {
                self.venue.hear(at, sent, quote.instrument);
                self.show_touch(at, quote.instrument);
            }
            Command::BookDelta(delta) if !was_refused => {
                self.venue.hear(at, sent, delta.instrument);
                self.venue.delta(delta);
                // A delta on a stale book is not taken, so it renews nothing at the venue either.
                if delta.is_last() && !self.machine.market(delta.instrument).is_stale() {
                    self.show_touch(at, delta.instrument);
                }
            }
            Command::TradeObserved(trade) if !was_refused => {
                self.venue.hear(at, sent, trade.instrument);
                self.venue.trade(at, trade.instrument, trade.price, trade.qty, trade.aggressor);
            }
            Command::BookOrderObserved(order) if !was_refused => {
                self.venue.hear(at, sent, order.instrument);
                // What a stale book did not take moves nothing at the venue either.
                if self.machine.market(order.instrument).takes_book_orders()
                    && let Some(book) = self.machine.order_book(order.instrument)
                {
                    self.venue.book_order(at, order, book);
                }
            }
            Command::SessionSet(session) if !was_refused => {
                self.venue.session(at, session.instrument, session.state);
            }
            Command::VenueStateObserved(seen) if !was_refused && seen.venue == VenueId::SIMULATED => {
                self.venue.connection(at, seen.state);
            }
            Command::InstrumentDefined(instrument) if !was_refused => self.venue.define(instrument),
            Command::SimulatedVenueSet(setting) if !was_refused => {
                self.venue.configure(setting);
                self.show_levels(setting.instrument);
            }
            Command::VenueLatencySet(setting) if !was_refused => self.venue.configure_latency(setting),
            Command::LatencyRecorded(recorded) if !was_refused => self.venue.record_latency(recorded),
            Command::PriceBandSet(band) if !was_refused => self.venue.configure_band(at, band),
            Command::QuoteObserved(_)
            | Command::BookDelta(_)
            | Command::InstrumentDefined(_)
            | Command::SimulatedVenueSet(_)
            | Command::VenueLatencySet(_)
            | Command::LatencyRecorded(_)
            | Command::PriceBandSet(_)
            | Command::TradeObserved(_)
            | Command::MarketGapObserved(_)
            | Command::StrategyDefined(_)
            | Command::LimitSet(_)
            | Command::KillSwitchSet(_)
            | Command::TradingStateSet(_)
            | Command::NewOrder(_)
            | Command::CancelOrder(_)
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
            | Command::BreakerReset(_)
            | Command::ReplaceOrder(_)
            | Command::MassCancel(_)
            | Command::ReplaceReported(_)
            | Command::VenueOrderStated(_)
            | Command::TradeBusted(_)
            | Command::TradeCorrected(_)
            | Command::FundingApplied(_)
            | Command::VenuePositionStated(_)
            | Command::AccountStateSet(_)
            | Command::ConversionSet(_)
            | Command::ReferenceCurrencySet(_)
            | Command::VenueBalanceStated(_)
            | Command::TimerFired(_)
            | Command::ReconcileStarted(_)
            | Command::ReconcileEnded(_)
            | Command::RequestRefused(_)
            | Command::StreamAppended(_) => {}
        }
        for event in events.events() {
            if let Event::OrderSubmitted(order) = event
                && order.venue == VenueId::SIMULATED
            {
                self.venue.submit(at, order);
            } else if let Event::ReplaceSubmitted(replace) = event
                && replace.venue == VenueId::SIMULATED
            {
                self.venue.replace(at, replace);
            } else if let Event::CancelSubmitted(cancel) = event
                && self
                    .machine
                    .orders()
                    .by_id(cancel.order)
                    .is_some_and(|order| order.venue == VenueId::SIMULATED)
            {
                self.venue.cancel(at, cancel);
            }
        }
    }

    /// Shows all levels of a book to a venue that begins to ask for them.
    fn show_levels(&mut self, instrument: InstrumentId) {
        if self.venue.watches_levels(instrument) {
            for side in [Side::Buy, Side::Sell] {
                for level in self.machine.market(instrument).book.levels(side) {
                    self.venue.level(instrument, side, level);
                }
            }
        }
    }

    fn show_touch(&mut self, at: TimeNs, instrument: InstrumentId) {
        let touch = self.machine.market(instrument).touch;
        self.venue.observe(at, instrument, touch);
    }
}

impl Decider for Core {
    /// A source outside the table is never new, and nobody outside speaks for the core or its venue; any other source
    /// must have passed its highest number.
    fn accepts(&self, source: SourceId, source_sequence: u64) -> bool {
        let is_internal = source == SourceId::CORE || source == SourceId::SIMULATED_VENUE;
        !is_internal && self.sources.get(source.0 as usize).is_some_and(|highest| source_sequence > *highest)
    }

    fn next_internal(&mut self, now: TimeNs) -> Option<Record> {
        if let Some(continuation) = self.machine.continuation() {
            let &Continuation { after, started_by, kind, .. } = continuation;
            let command = Continue { after, started_by, kind };
            return Some(self.internal(SourceId::CORE, TimeNs::UNKNOWN, started_by.0, command.into()));
        }
        if let Some(timer) = self.due_timer(now) {
            let (due, kind, subject) = (timer.due, timer.kind, timer.subject);
            let command = TimerFired { due, kind, subject };
            return Some(self.internal(SourceId::CORE, due, subject, command.into()));
        }
        let (due, order, command) = self.venue.next_report(now)?;
        Some(self.internal(SourceId::SIMULATED_VENUE, due, order.0, command))
    }

    fn next_due(&self) -> Option<TimeNs> {
        match self.machine.continuation() {
            Some(_) => Some(TimeNs::UNKNOWN),
            None => {
                let timer = self.machine.timers().next().map(|timer| timer.due);
                timer.into_iter().chain(self.venue.next_due()).min()
            }
        }
    }

    fn apply(&mut self, record: &mut Record, events: &mut EventBuffer) {
        let envelope = &mut record.envelope;
        let Payload::Command(command) = &record.payload else {
            panic!("an event is no input: {:?}", record.payload);
        };
        self.note_source(envelope.source, envelope.source_sequence);
        let stamp = Stamp { sequence: envelope.sequence, time_ns: envelope.time_ns };
        envelope.stream_version = self.machine.apply(stamp, command, events);
        self.frames += 1;
        self.show_venue(stamp.time_ns, envelope.source_time, command, events);
        if self.frames.is_multiple_of(self.digest_interval) {
            let digest = self.digest();
            let version = self.machine.note_trailing_event();
            events.push(version, StateDigest { frames: self.frames, digest });
        }
    }

    fn last(&self) -> Stamp {
        self.machine.last()
    }
}

const TAG_SOURCE: u64 = 0x0806;
