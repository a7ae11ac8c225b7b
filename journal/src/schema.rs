//! Payloads to and from bytes: one archived struct a type, chosen by type id and schema version.
//!
//! Only the current schema, 1, exists. A later one leaves the shapes of the old beside this file, as `schema/v1.rs`,
//! with an upcast; the match below then has an arm a version.
//! Invariant: rkyv checks that bytes are valid, not what they are; type id and version come from the record header.
//! Encoding cannot fail but for a buffer that is too small; decoding fails on anything that is not exactly the type.

use crate::format::PAYLOAD_SIZE_MAX;
use rkyv::rancor::{Failure, Strategy};
use rkyv::ser::{Positional, Writer};
use rkyv::{Archived, api};
use tickwerk_domain::{Command, Event, Kind, Payload, TypeId};

/// Why a payload cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SchemaError {
    /// The type is not known to this build.
    #[error("{kind:?} type {type_id:#06x} is unknown to this build; read the journal with a newer one")]
    UnknownType {
        /// Command or event.
        kind: Kind,
        /// Its type id.
        type_id: u16,
    },
    /// The type is known in older versions only.
    #[error(
        "{name} (type {type_id:#06x}) has schema version {found}, this build knows {known}; read the journal with a newer one"
    )]
    UnknownVersion {
        /// The type in words.
        name: &'static str,
        /// Its type id.
        type_id: u16,
        /// Version in the journal.
        found: u16,
        /// Version of this build.
        known: u16,
    },
    /// The bytes are not a value of the type.
    #[error("{name} (type {type_id:#06x}) has an invalid payload of {length} bytes")]
    Invalid {
        /// The type in words.
        name: &'static str,
        /// Its type id.
        type_id: u16,
        /// Bytes of the payload.
        length: usize,
    },
}

/// The space for a payload is too small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoSpace;

macro_rules! codec {
    ($(#[$meta:meta])* $enum:ident {
        $($(#[$variant_meta:meta])* $variant:ident($payload:ty) = $type_id:literal $version:literal $name:literal,)*
    }) => {
        impl Coded for $enum {
            #[inline]
            fn encode(&self, space: &mut [u8]) -> Result<usize, NoSpace> {
                match self {
                    $(Self::$variant(payload) => encode_struct(payload, space),)*
                }
            }

            fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Self, SchemaError> {
                match (type_id, version) {
                    $(($type_id, $version) => {
                        let invalid = SchemaError::Invalid { name: $name, type_id, length: bytes.len() };
                        if bytes.len() != size_of::<Archived<$payload>>() {
                            return Err(invalid);
                        }
                        api::low::access::<Archived<$payload>, Failure>(bytes)
                            .and_then(api::low::deserialize::<$payload, Failure>)
                            .map(Self::$variant)
                            .map_err(|Failure| invalid)
                    })*
                    (_, found) => Err(Self::TYPES
                        .iter()
                        .find(|(known, _, _)| *known == TypeId(type_id))
                        .map_or(SchemaError::UnknownType { kind, type_id }, |&(_, known, name)| {
                            SchemaError::UnknownVersion { name, type_id, found, known }
                        })),
                }
            }
        }

        $(const _: () = assert!(size_of::<Archived<$payload>>() <= crate::format::PAYLOAD_SIZE_MAX, $name);)*
    };
}

/// What [`Command`] and [`Event`] share; the macro writes it for both.
trait Coded: Sized {
    fn encode(&self, space: &mut [u8]) -> Result<usize, NoSpace>;
    fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Self, SchemaError>;
}

mod commands {
    use super::{Archived, Coded, Failure, Kind, NoSpace, SchemaError, TypeId, api, encode_struct};
    #[expect(clippy::wildcard_imports, reason = "the macro names every payload of the module")]
    use tickwerk_domain::command::*;
    use tickwerk_domain::{BookDelta, Instrument};
    tickwerk_domain::for_each_command!(codec);
}

mod events {
    use super::{Archived, Coded, Failure, Kind, NoSpace, SchemaError, TypeId, api, encode_struct};
    #[expect(clippy::wildcard_imports, reason = "the macro names every payload of the module")]
    use tickwerk_domain::event::*;
    tickwerk_domain::for_each_event!(codec);
}

/// Takes an archive in whole words.
///
/// What rkyv builds field by field then stays in registers, and a checksum that reads words right behind finds whole
/// ones: a processor makes a wide load wait until smaller stores before it have reached the cache.
struct Words<'a> {
    space: &'a mut [u8],
    length: usize,
}

const WORD_SIZE: usize = size_of::<u64>();

impl Positional for Words<'_> {
    #[inline(always)]
    fn pos(&self) -> usize {
        self.length
    }
}

impl Writer<Failure> for Words<'_> {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.len();
        let size = crate::format::aligned(length);
        if self.length != 0 || length > PAYLOAD_SIZE_MAX || self.space.len() < size {
            return Err(Failure);
        }
        let space = &mut self.space[..size];
        macro_rules! word {
            ($($index:literal)*) => {$(
                let at = $index * WORD_SIZE;
                if at + WORD_SIZE <= length {
                    let word = u64::from_ne_bytes(crate::format::bytes_at(bytes, at));
                    space[at..at + WORD_SIZE].copy_from_slice(&word.to_ne_bytes());
                } else if at < size {
                    let mut word = [0; WORD_SIZE];
                    let rest = length.saturating_sub(at);
                    word[..rest].copy_from_slice(&bytes[length - rest..]);
                    space[at..at + WORD_SIZE].copy_from_slice(&word);
                }
            )*};
        }
        word!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        self.length = length;
        Ok(())
    }
}

#[inline]
fn encode_struct<T>(payload: &T, space: &mut [u8]) -> Result<usize, NoSpace>
where
    T: for<'a> rkyv::Serialize<Strategy<Words<'a>, Failure>>,
{
    let mut words = Words { space, length: 0 };
    api::serialize_using::<_, Failure>(payload, &mut words).map_err(|Failure| NoSpace)?;
    Ok(words.length)
}

/// Writes `payload` at the start of `space` and tells its length.
#[inline]
pub(crate) fn encode(payload: &Payload, space: &mut [u8]) -> Result<usize, NoSpace> {
    match payload {
        Payload::Command(command) => command.encode(space),
        Payload::Event(event) => event.encode(space),
    }
}

/// Reads a payload; `bytes` is 16-aligned and has exactly its length.
pub fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Payload, SchemaError> {
    match kind {
        Kind::Command => Command::decode(kind, type_id, version, bytes).map(Payload::Command),
        Kind::Event => Event::decode(kind, type_id, version, bytes).map(Payload::Event),
    }
}
