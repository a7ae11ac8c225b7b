//! Re-execution: a fresh core decides every journaled command again, and each frame must come out the same.

use crate::core::Core;
use crate::decider::Decider;
use crate::event_buffer::EventBuffer;
use tickwerk_domain::fields::Fields;
use tickwerk_domain::{Command, Envelope, Payload, Record, Sequence, SourceId};

/// Where a re-execution first disagrees with the journal.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("sequence {sequence}: {reason}")]
pub struct Difference {
    /// The first sequence that differs.
    pub sequence: Sequence,
    /// What differs, and how.
    pub reason: String,
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
    pub fn apply(&mut self, frame: &[Record]) -> Result<(), Difference> {
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
