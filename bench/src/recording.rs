//! What the core made of a workload, kept for those who measure one part alone.
//!
//! [`order_flow`] keeps commands for [`Machine::apply`]: those of the workload and the reports of a simulated venue
//! between them. [`frames`] keeps whole frames for the journal. Both begin with [`setup`].

use crate::workload::{Mix, Workload, setup};
use tickwerk_domain::{Command, Event, InstrumentId, Payload, Record, Sequence, Stamp, TimeNs};
use tickwerk_engine::limits::{INSTRUMENTS_MAX, RECORDS_PER_FRAME_MAX};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::pipeline::frame::complete_frame;
use tickwerk_engine::{Core, Decider, EventBuffer};
use tickwerk_venue::SimulatedVenue;

/// A command with its time.
pub type TimedCommand = (TimeNs, Command);

/// At least `count` commands as the machine gets them: external ones and venue reports.
pub fn order_flow(mix: Mix, count: usize) -> Vec<TimedCommand> {
    let mut recorder = Recorder {
        machine: Machine::new(),
        venue: SimulatedVenue::new(INSTRUMENTS_MAX),
        events: EventBuffer::new(),
        commands: Vec::with_capacity(count + count / 8),
    };
    for record in &setup() {
        recorder.feed(record);
    }
    let mut workload = Workload::new(mix);
    while recorder.commands.len() < count {
        for record in workload.next_batch() {
            recorder.feed(record);
        }
    }
    recorder.commands
}

/// Applies one command to a machine, stamped as the pinned thread does it.
#[inline]
pub fn apply(machine: &mut Machine, time_ns: TimeNs, command: &Command, events: &mut EventBuffer) {
    events.clear();
    machine.apply(Stamp { sequence: machine.last().sequence.next(), time_ns }, command, events);
}

/// A machine and a venue, joined as in the core, but without the digests that the core adds between frames: so the
/// order ids in the reports hold for a machine alone, too.
struct Recorder {
    machine: Machine,
    venue: SimulatedVenue,
    events: EventBuffer,
    commands: Vec<TimedCommand>,
}

impl Recorder {
    fn feed(&mut self, record: &Record) {
        let time = record.envelope.time_ns;
        while let Some((due, _, report)) = self.venue.next_report(time) {
            self.apply(due.max(self.machine.last().time_ns), report);
        }
        if let Payload::Command(command) = record.payload {
            self.apply(time.max(self.machine.last().time_ns), command);
        }
    }

    fn apply(&mut self, time: TimeNs, command: Command) {
        apply(&mut self.machine, time, &command, &mut self.events);
        self.commands.push((time, command));
        if let Command::QuoteObserved(quote) = &command {
            self.show_touch(time, quote.instrument);
        } else if let Command::BookDelta(delta) = &command {
            self.show_touch(time, delta.instrument);
        } else if let Command::InstrumentDefined(instrument) = &command {
            self.venue.define(instrument);
        } else if let Command::SimulatedVenueSet(setting) = &command {
            self.venue.configure(setting);
        }
        for event in self.events.events() {
            if let Event::OrderSubmitted(order) = event {
                self.venue.submit(time, order);
            } else if let Event::CancelSubmitted(cancel) = event {
                self.venue.cancel(time, cancel);
            }
        }
    }

    fn show_touch(&mut self, time: TimeNs, instrument: InstrumentId) {
        self.venue.observe(time, instrument, self.machine.market(instrument).touch);
    }
}

/// At least `count` records in whole frames, sequences from 1, as they leave the pinned thread.
pub fn frames(mix: Mix, count: usize) -> Vec<Record> {
    let mut desk = Desk::new();
    let mut records = Vec::with_capacity(count + count / 8);
    let mut keep = |frame: &[Record]| records.extend_from_slice(frame);
    for record in &setup() {
        desk.feed(record, &mut keep);
    }
    let mut workload = Workload::new(mix);
    while records.len() < count {
        let mut keep = |frame: &[Record]| records.extend_from_slice(frame);
        for record in workload.next_batch() {
            desk.feed(record, &mut keep);
        }
    }
    records
}

/// A core that is fed without rings, in the order of the pinned thread in data-time mode.
#[derive(Debug)]
pub struct Desk {
    core: Core,
    events: EventBuffer,
    frame: Vec<Record>,
}

impl Desk {
    /// A core that knows nothing.
    pub fn new() -> Self {
        let blank = setup()[0];
        Self { core: Core::new(), events: EventBuffer::new(), frame: vec![blank; RECORDS_PER_FRAME_MAX] }
    }

    /// The core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Decides on what is due before `record`, then on `record`; `on_frame` sees each frame.
    pub fn feed(&mut self, record: &Record, on_frame: &mut impl FnMut(&[Record])) {
        while let Some(internal) = self.core.next_internal(record.envelope.time_ns) {
            self.decide(&internal, on_frame);
        }
        let envelope = &record.envelope;
        assert!(
            self.core.accepts(envelope.source, envelope.source_sequence),
            "the workload repeats no number"
        );
        self.decide(record, on_frame);
    }

    fn decide(&mut self, record: &Record, on_frame: &mut impl FnMut(&[Record])) {
        let last = self.core.last();
        let command = &mut self.frame[0];
        *command = *record;
        command.envelope.sequence = Sequence(last.sequence.0 + 1);
        command.envelope.time_ns = command.envelope.time_ns.max(last.time_ns);
        self.events.clear();
        self.core.apply(command, &mut self.events);
        let count = complete_frame(&mut self.frame, &self.events);
        on_frame(&self.frame[..count]);
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}
