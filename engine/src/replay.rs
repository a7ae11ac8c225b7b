//! Re-execution: a fresh core decides every journaled command again, and each frame must come out the same.

use crate::core::Core;
use crate::decider::Decider;
use crate::event_buffer::EventBuffer;
use crate::rules::Rules;
use tickwerk_domain::fields::Fields;
use tickwerk_domain::{Command, Envelope, Event, Payload, Record, Reject, Sequence, SourceId};

/// Where a re-execution first disagrees with the journal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sequence {sequence}: {reason}")]
pub struct Difference {
    /// The first sequence that differs.
    pub sequence: Sequence,
    /// What differs, and how.
    pub reason: String,
}

/// Why a frame cannot be decided again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReplayError {
    /// It came out differently.
    #[error(transparent)]
    Differs(#[from] Difference),
    /// The journal goes on by rules that this build does not have.
    #[error(
        "sequence {sequence}: the journal activates rules version {version}, which this build does not have \
         (its newest is {newest}); use a build that has it"
    )]
    UnknownRules {
        /// Where they are activated.
        sequence: Sequence,
        /// Their version.
        version: u32,
        /// The newest version of this build.
        newest: u32,
    },
}

/// A core that follows journaled frames.
#[derive(Debug, Default)]
pub struct Replay {
    core: Core,
    events: EventBuffer,
}

impl Replay {
    /// From the first sequence on.
    pub fn new() -> Self {
        Self::default()
    }

    /// From where a core stands, as that of a snapshot does.
    pub fn resume(core: Core) -> Self {
        Self { core, events: EventBuffer::new() }
    }

    /// The core as it is after the frames so far.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Gives the core away: recovery goes on with it.
    pub fn into_core(self) -> Core {
        self.core
    }

    /// Decides the command of `frame` again and compares what it causes. `frame` is a command and its events.
    ///
    /// A version of the rules that was unknown to the build that wrote the journal stays so.
    pub fn apply(&mut self, frame: &[Record]) -> Result<(), ReplayError> {
        let table = self.core.machine().rules_table();
        if let Some(unknown) = unknown_rules(frame, table) {
            return Err(unknown);
        }
        if Activation::of(frame).is_some_and(|activation| !activation.was_known) {
            self.core.replace_rules(&[]);
        }
        let decided = self.decide(frame);
        self.core.replace_rules(table);
        Ok(decided?)
    }

    fn decide(&mut self, frame: &[Record]) -> Result<(), Difference> {
        let Some((journaled, caused)) = frame.split_first() else {
            return Err(Difference {
                sequence: self.core.last().sequence.next(),
                reason: "an empty frame".into(),
            });
        };
        let sequence = journaled.envelope.sequence;
        let differs = |sequence, reason| Err(Difference { sequence, reason });
        let last = self.core.last();
        if sequence != last.sequence.next() || journaled.envelope.time_ns < last.time_ns {
            return differs(
                sequence,
                format!("does not follow sequence {} at {}", last.sequence, last.time_ns.0),
            );
        }
        if let Some(reason) = self.wrong_command(journaled) {
            return differs(sequence, reason);
        }
        let mut command = *journaled;
        self.events.clear();
        self.core.apply(&mut command, &mut self.events);
        if command.envelope.stream_version != journaled.envelope.stream_version {
            let (mine, theirs) = (command.envelope.stream_version, journaled.envelope.stream_version);
            return differs(sequence, format!("stream version {mine} is decided, {theirs} is journaled"));
        }
        for (place, record) in (1..).zip(caused) {
            let at = sequence.plus(place);
            match self.events.as_slice().get(place_of(place)) {
                None => {
                    return differs(
                        at,
                        format!("{} is journaled, nothing is decided", record.payload.event_type()),
                    );
                }
                Some((version, event)) => {
                    let decided = Payload::Event(*event);
                    let stands = (record.envelope.sequence, record.envelope.time_ns);
                    if stands != (at, journaled.envelope.time_ns) {
                        let (found, time) = (stands.0, stands.1.0);
                        return differs(at, format!("sequence {found} at {time} is journaled in its place"));
                    }
                    if decided != record.payload || *version != record.envelope.stream_version {
                        return differs(at, difference_of(&decided, *version, record));
                    }
                }
            }
        }
        match self.events.as_slice().get(caused.len()) {
            Some((_, event)) => {
                let at = sequence.plus(caused.len() as u64 + 1);
                differs(at, format!("{} is decided, nothing is journaled", event.event_type()))
            }
            None => Ok(()),
        }
    }

    /// Why the command cannot stand here: the core owes another one first, or has seen it, or does not owe it.
    fn wrong_command(&mut self, journaled: &Record) -> Option<String> {
        let Envelope { source, source_sequence, correlation, time_ns, .. } = journaled.envelope;
        let is_internal = source == SourceId::CORE || source == SourceId::SIMULATED_VENUE;
        // The idle loop moves time first, and then takes what has become due by that. The simulated venue also tells
        // that time has moved, where something happened there of which no report has come yet; that is owed.
        let moves_time =
            !is_internal && matches!(journaled.payload, Payload::Command(Command::TimeAdvanced(_)));
        let owed = if moves_time && self.core.machine().continuation().is_none() {
            None
        } else {
            self.core.next_internal(time_ns)
        };
        match owed {
            Some(owed) => {
                let due = owed.envelope.time_ns.max(self.core.last().time_ns);
                let Envelope { source: mine_source, source_sequence: number, correlation: tie, .. } =
                    owed.envelope;
                let mine = (owed.payload, mine_source, number, tie, due);
                let is_same = mine == (journaled.payload, source, source_sequence, correlation, time_ns);
                let (owed, found) = (owed.payload.event_type(), journaled.payload.event_type());
                (!is_same).then(|| {
                    format!("the core owes {owed} of its own here, {found} is journaled or has other content")
                })
            }
            None if is_internal => Some(format!(
                "{} is journaled, but the core owes nothing here",
                journaled.payload.event_type()
            )),
            None if !self.core.accepts(source, source_sequence) => {
                let highest = self.core.source_position(source);
                Some(format!("source {source} repeats number {source_sequence}; its highest was {highest}"))
            }
            None => None,
        }
    }
}

/// What is wrong where a frame activates a version of the rules that `table` does not have.
pub fn unknown_rules(frame: &[Record], table: &[Rules]) -> Option<ReplayError> {
    let Activation { sequence, version, was_known } = Activation::of(frame)?;
    let newest = table.last().map_or(0, |rules| rules.version);
    let is_unknown = was_known && Rules::find(table, version).is_none();
    is_unknown.then_some(ReplayError::UnknownRules { sequence, version, newest })
}

/// The activation of a version of the rules, as it was journaled.
struct Activation {
    sequence: Sequence,
    version: u32,
    was_known: bool,
}

impl Activation {
    fn of(frame: &[Record]) -> Option<Self> {
        let (command, caused) = frame.split_first()?;
        let Payload::Command(Command::RulesActivated(rules)) = command.payload else {
            return None;
        };
        let unknown = Reject::UnknownRulesVersion.code();
        let was_known = !caused.iter().any(|event| {
            matches!(event.payload, Payload::Event(Event::CommandRefused(refused)) if refused.reason == unknown)
        });
        Some(Self { sequence: command.envelope.sequence, version: rules.version, was_known })
    }
}

fn place_of(place: u64) -> usize {
    usize::try_from(place - 1).expect("a frame has few records")
}

/// Names the first field that differs.
fn difference_of(decided: &Payload, version: u64, journaled: &Record) -> String {
    let (mine, theirs) = (decided.event_type(), journaled.payload.event_type());
    if mine != theirs {
        return format!("{mine} is decided, {theirs} is journaled");
    }
    let fields = |payload: &Payload| {
        let mut fields = Vec::new();
        payload.visit(&mut |name, value| fields.push((name, format!("{value:?}"))));
        fields
    };
    for ((name, mine), (_, theirs)) in fields(decided).into_iter().zip(fields(&journaled.payload)) {
        if mine != theirs {
            return format!("{}: {name} {mine} is decided, {theirs} is journaled", decided.event_type());
        }
    }
    format!("stream version {version} is decided, {} is journaled", journaled.envelope.stream_version)
}
