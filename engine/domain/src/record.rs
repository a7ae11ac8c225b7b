//! One slot of a ring: an envelope and a payload.

use crate::command::Command;
use crate::event::Event;
use crate::fields::{FieldValue, Fields};
use crate::{CorrelationId, Sequence, SourceId, Stream, TextId, TimeNs};

/// Most bytes of a payload struct; with the tags of [`Command`] and [`Payload`] it stays within 128.
pub const PAYLOAD_SIZE_MAX: usize = 112;

/// Identifies a record type for ever: the family in the high byte; events have bit 7 of the low byte set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct TypeId(pub u16);

impl TypeId {
    /// The family that the id is reserved for.
    pub fn family(self) -> Option<Family> {
        Family::ALL.iter().copied().find(|family| *family as u16 == self.0 >> 8)
    }
}

/// The families of records, each with a range of type ids of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u16)]
pub enum Family {
    /// 0x01xx: quotes, trades, books, instruments.
    Market = 1,
    /// 0x02xx: strategies and their signals.
    Signal = 2,
    /// 0x03xx: limits, switches, decisions.
    Risk = 3,
    /// 0x04xx: orders.
    Order = 4,
    /// 0x05xx: fills.
    Fill = 5,
    /// 0x06xx: positions.
    Position = 6,
    /// 0x07xx: accounts, currencies, postings.
    Account = 7,
    /// 0x08xx: the engine itself.
    System = 8,
    /// 0x09xx: free-form streams.
    Stream = 9,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[
        Self::Market,
        Self::Signal,
        Self::Risk,
        Self::Order,
        Self::Fill,
        Self::Position,
        Self::Account,
        Self::System,
        Self::Stream,
    ];

    /// The word for this family: the first part of an event type.
    pub fn word(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Signal => "signal",
            Self::Risk => "risk",
            Self::Order => "order",
            Self::Fill => "fill",
            Self::Position => "position",
            Self::Account => "account",
            Self::System => "system",
            Self::Stream => "stream",
        }
    }
}

/// Whether a record asks or tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A request or an observation.
    Command = 1,
    /// A past fact, caused by the command of its frame.
    Event = 2,
}

/// What every record carries besides its payload.
///
/// A source fills `time_ns` (data-time mode), `source_time`, `source`, `source_sequence`, `actor`, `correlation` and
/// `origin_ns`; the core gives `sequence`, `time_ns` and `stream_version`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Envelope {
    /// Place in the one order; [`Sequence::NONE`] until the core gives it.
    pub sequence: Sequence,
    /// Stamp. On a lane: the data's own time, [`TimeNs::UNKNOWN`] where the ingress clock is to be read.
    pub time_ns: TimeNs,
    /// The time that the source's own clock gave, where it has one.
    pub source_time: TimeNs,
    /// Number of the command in its source's own input; dense there, from 1.
    pub source_sequence: u64,
    /// Ties records together across frames.
    pub correlation: CorrelationId,
    /// How many records of the stream there are with this one; given by the core.
    pub stream_version: u64,
    /// When the command was meant to be sent, on the clock that latency is measured with; 0 where it is not measured.
    /// Neither journaled nor digested.
    pub origin_ns: u64,
    /// The person or service on whose behalf.
    pub actor: TextId,
    /// Where the command came from.
    pub source: SourceId,
    /// [`Envelope::LAST_OF_FRAME`].
    pub flags: u16,
}

impl Envelope {
    /// The frame is complete with this record.
    pub const LAST_OF_FRAME: u16 = 1;
}

/// A command or an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// First in its frame.
    Command(Command),
    /// Caused by the command of its frame.
    Event(Event),
}

impl Payload {
    /// Its type.
    pub fn type_id(&self) -> TypeId {
        match self {
            Self::Command(command) => command.type_id(),
            Self::Event(event) => event.type_id(),
        }
    }

    /// Its type in words, such as `order.accepted`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Command(command) => command.event_type(),
            Self::Event(event) => event.event_type(),
        }
    }

    /// Whether it asks or tells.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Command(_) => Kind::Command,
            Self::Event(_) => Kind::Event,
        }
    }

    /// The stream it belongs to; `sequence` is its own.
    pub fn stream(&self, sequence: Sequence) -> Stream {
        match self {
            Self::Command(command) => command.stream(sequence),
            Self::Event(event) => event.stream(),
        }
    }
}

impl Fields for Payload {
    fn visit(&self, visit: &mut dyn FnMut(&'static str, FieldValue<'_>)) {
        match self {
            Self::Command(command) => command.visit(visit),
            Self::Event(event) => event.visit(visit),
        }
    }
}

/// One slot of a ring: a command or an event with its envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub struct Record {
    /// What every record carries.
    pub envelope: Envelope,
    /// What this one says.
    pub payload: Payload,
}

const _: () = assert!(size_of::<Envelope>() <= 64, "an envelope takes at most 64 bytes of a slot");
const _: () = assert!(size_of::<Payload>() <= 128, "a payload takes at most 128 bytes of a slot");
const _: () = assert!(size_of::<Record>() == 192, "a slot is three cache lines");
const _: () = assert!(align_of::<Record>() == 64, "a slot starts on a cache line");

/// Declares the enum over payload structs, with type ids, names and streams.
macro_rules! record_types {
    ($(#[$meta:meta])* $enum:ident {
        $($(#[$variant_meta:meta])* $variant:ident($payload:ty) = $type_id:literal $version:literal $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum $enum {
            $($(#[$variant_meta])* $variant($payload),)*
        }

        impl $enum {
            /// Type id, current schema version and name of each type.
            pub const TYPES: &[(TypeId, u16, &'static str)] = &[$((TypeId($type_id), $version, $name)),*];

            /// What is said of the fields of each type of [`Self::TYPES`].
            pub const FIELDS: &[&[$crate::fields::FieldAbout]] = &[$(<$payload>::FIELDS),*];

            /// Its type.
            pub fn type_id(&self) -> TypeId {
                match self {
                    $(Self::$variant(_) => TypeId($type_id),)*
                }
            }

            /// A value of the type at `place` in [`Self::TYPES`], made of numbers. See [`crate::sample`].
            ///
            /// Panics where `place` is past the end.
            pub fn sample(place: usize, draw: &mut dyn FnMut() -> u64) -> Self {
                let makers: &[fn(&mut dyn FnMut() -> u64) -> Self] =
                    &[$(|draw| Self::$variant(<$payload as $crate::sample::Sample>::sample(draw))),*];
                makers[place](draw)
            }

            /// The schema version that this build writes.
            pub fn schema_version(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $version,)*
                }
            }

            /// Its type in words.
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }
        }

        impl $crate::fields::Fields for $enum {
            fn visit(&self, visit: &mut dyn FnMut(&'static str, $crate::fields::FieldValue<'_>)) {
                match self {
                    $(Self::$variant(payload) => payload.visit(visit),)*
                }
            }
        }

        $(impl From<$payload> for $enum {
            fn from(payload: $payload) -> Self {
                Self::$variant(payload)
            }
        })*
    };
}
pub(crate) use record_types;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_ids_are_unique_and_stand_in_the_family_that_their_name_says() {
        let all: Vec<_> = Command::TYPES.iter().chain(Event::TYPES).collect();
        for (index, (id, _, name)) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|(other, _, _)| other != id), "{name}: {id:?} is taken");
            assert!(all[..index].iter().all(|(_, _, other)| other != name), "{name} is taken");
            let family = id.family().unwrap_or_else(|| panic!("{name}: {id:?} has no family"));
            assert_eq!(name.split('.').next(), Some(family.word()), "{name}");
        }
        assert!(Command::TYPES.iter().all(|(id, _, _)| id.0 & 0x80 == 0));
        assert!(Event::TYPES.iter().all(|(id, _, _)| id.0 & 0x80 != 0));
    }
}
