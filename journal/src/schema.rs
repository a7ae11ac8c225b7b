//! Payloads to and from bytes: one archived struct a type, chosen by type id and schema version.
//!
//! Only the current schema, 1, exists. A later one leaves the shapes of the old beside this file, as `schema/v1.rs`,
//! with an upcast; the match below then has an arm a version.
//! Invariant: rkyv checks that bytes are valid, not what they are; type id and version come from the record header.
//! Encoding cannot fail but for a buffer that is too small; decoding fails on anything that is not exactly the type.

use rkyv::rancor::{Failure, Strategy};
use rkyv::ser::writer::Buffer;
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
pub struct NoSpace;

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
                    (_, found) => Err(unknown(Self::TYPES, kind, type_id, found)),
                }
            }

            fn check(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<(), SchemaError> {
                match (type_id, version) {
                    $(($type_id, $version) => {
                        let is_valid = bytes.len() == size_of::<Archived<$payload>>()
                            && api::low::access::<Archived<$payload>, Failure>(bytes).is_ok();
                        let invalid = SchemaError::Invalid { name: $name, type_id, length: bytes.len() };
                        if is_valid { Ok(()) } else { Err(invalid) }
                    })*
                    (_, found) => Err(unknown(Self::TYPES, kind, type_id, found)),
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
    fn check(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<(), SchemaError>;
}

/// Why nothing of a kind has this type id and version.
#[cold]
fn unknown(types: &[(TypeId, u16, &'static str)], kind: Kind, type_id: u16, found: u16) -> SchemaError {
    types.iter().find(|(known, _, _)| *known == TypeId(type_id)).map_or(
        SchemaError::UnknownType { kind, type_id },
        |&(_, known, name)| SchemaError::UnknownVersion { name, type_id, found, known },
    )
}

mod commands {
    use super::{Archived, Coded, Failure, Kind, NoSpace, SchemaError, api, encode_struct, unknown};
    #[cfg_attr(
        not(test),
        expect(clippy::wildcard_imports, reason = "the macro names every payload of the module")
    )]
    use tickwerk_domain::command::*;
    use tickwerk_domain::{BookDelta, Instrument};
    tickwerk_domain::for_each_command!(codec);
}

mod events {
    use super::{Archived, Coded, Failure, Kind, NoSpace, SchemaError, api, encode_struct, unknown};
    #[cfg_attr(
        not(test),
        expect(clippy::wildcard_imports, reason = "the macro names every payload of the module")
    )]
    use tickwerk_domain::event::*;
    tickwerk_domain::for_each_event!(codec);
}

#[inline]
fn encode_struct<T>(payload: &T, space: &mut [u8]) -> Result<usize, NoSpace>
where
    T: for<'a> rkyv::Serialize<Strategy<Buffer<'a>, Failure>>,
{
    let mut buffer = Buffer::from(space);
    api::serialize_using::<_, Failure>(payload, &mut buffer).map_err(|Failure| NoSpace)?;
    Ok(buffer.len())
}

/// Writes `payload` at the start of `space` and tells its length; any payload fits
/// [`PAYLOAD_SIZE_MAX`](crate::format::PAYLOAD_SIZE_MAX) bytes.
#[inline]
pub fn encode(payload: &Payload, space: &mut [u8]) -> Result<usize, NoSpace> {
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

/// Whether [`decode`] would read a payload, without reading it.
pub fn check(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<(), SchemaError> {
    match kind {
        Kind::Command => Command::check(kind, type_id, version, bytes),
        Kind::Event => Event::check(kind, type_id, version, bytes),
    }
}
