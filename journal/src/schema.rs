//! Payloads to and from bytes: one archived struct a type, chosen by type id and schema version.
//!
//! Records are written in the current version of their type, which is in `tickwerk_domain`, and read in any version: a
//! shape that is no longer written stays as it was in `schema/v1.rs` and so on, and is *upcast* to the one after it until it
//! is the current one. To give a type another version: copy its struct into the file of the version that it has, change
//! it in `tickwerk_domain` and raise its number there, and name both in `schema/older.rs` with an upcast. Golden files hold every
//! version to its bytes, and a test that none is left out.
//! Invariant: rkyv checks that bytes are valid, not what they are; type id and version come from the record header.
//! Encoding cannot fail but for a space that is too small; decoding fails on anything that is not exactly the type.

mod older;
mod v1;

use crate::format::aligned;
use rkyv::api::low::LowValidator;
use rkyv::bytecheck::CheckBytes;
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
    /// The type is known, but not in this version.
    #[error(
        "{name} (type {type_id:#06x}) has schema version {found}, this build knows 1 to {known}; read the journal with a newer one"
    )]
    UnknownVersion {
        /// The type in words.
        name: &'static str,
        /// Its type id.
        type_id: u16,
        /// Version in the journal.
        found: u16,
        /// The newest that this build knows.
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

/// What a record header says of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// Command or event.
    pub kind: Kind,
    /// Its type.
    pub type_id: TypeId,
    /// The version that it is in.
    pub schema_version: u16,
    /// Bytes of the payload.
    pub length: usize,
}

/// The struct that lies in `bytes`, which are exactly its own.
macro_rules! decode_struct {
    ($payload:ty, $bytes:expr) => {
        if $bytes.len() == size_of::<Archived<$payload>>() {
            api::low::access::<Archived<$payload>, Failure>($bytes)
                .and_then(api::low::deserialize::<$payload, Failure>)
                .ok()
        } else {
            None
        }
    };
}
use decode_struct;

macro_rules! codec {
    ($(#[$meta:meta])* $enum:ident {
        $($(#[$variant_meta:meta])* $variant:ident($payload:ty) = $type_id:literal $version:literal $name:literal,)*
    }) => {
        impl Coded for $enum {
            const CURRENT: &[(TypeId, u16, &'static str)] = Self::TYPES;

            #[inline]
            fn encode(&self, space: &mut [u8]) -> Result<Encoded, NoSpace> {
                match self {
                    $(Self::$variant(payload) => Ok(Encoded {
                        kind: Kind::$enum,
                        type_id: TypeId($type_id),
                        schema_version: $version,
                        length: encode_struct(payload, space)?,
                    }),)*
                }
            }

            fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Self, SchemaError> {
                match (type_id, version) {
                    $(($type_id, $version) => {
                        let length = bytes.len();
                        let payload = decode_struct!($payload, bytes);
                        payload.map(Self::$variant).ok_or(SchemaError::Invalid { name: $name, type_id, length })
                    })*
                    (_, found) => Err(not_current::<Self>(kind, type_id, found)),
                }
            }
        }

        /// Adds the types of the module.
        pub(super) const fn add_checks(mut checks: Checks) -> Checks {
            $(checks[$type_id] = Some(TypeCheck {
                kind: Kind::$enum as u8,
                version: $version,
                size: size_of::<Archived<$payload>>(),
                is_valid: is_valid_struct::<$payload>,
            });)*
            checks
        }

        $(const _: () = assert!(size_of::<Archived<$payload>>() <= crate::format::PAYLOAD_SIZE_MAX, $name);)*
    };
}

/// What [`Command`] and [`Event`] share; the macro writes it for both.
trait Coded: Sized {
    /// Type id, current version and name of each type.
    const CURRENT: &[(TypeId, u16, &'static str)];

    fn encode(&self, space: &mut [u8]) -> Result<Encoded, NoSpace>;
    /// Reads a payload in the current version of its type.
    fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Self, SchemaError>;
}

/// What bytes must be to be a value of a type.
#[derive(Clone, Copy)]
struct TypeCheck {
    kind: u8,
    version: u16,
    size: usize,
    is_valid: fn(&[u8]) -> bool,
}

/// By type id.
type Checks = [Option<TypeCheck>; TYPE_IDS];

/// Type ids lie below.
const TYPE_IDS: usize = 0x0a00;

/// A match over so many types is a long way for those who only want to know whether bytes are valid.
static CHECKS: Checks = commands::add_checks(events::add_checks([None; TYPE_IDS]));

fn is_valid_struct<T>(bytes: &[u8]) -> bool
where
    T: rkyv::Archive,
    Archived<T>: rkyv::Portable + for<'a> CheckBytes<LowValidator<'a, Failure>>,
{
    api::low::access::<Archived<T>, Failure>(bytes).is_ok()
}

/// Why a payload is not in the current version of any type.
#[cold]
fn not_current<T: Coded>(kind: Kind, type_id: u16, found: u16) -> SchemaError {
    match T::CURRENT.iter().find(|(known, ..)| *known == TypeId(type_id)) {
        None => SchemaError::UnknownType { kind, type_id },
        Some(&(_, known, name)) => SchemaError::UnknownVersion { name, type_id, found, known },
    }
}

mod commands {
    use super::{
        Archived, Checks, Coded, Encoded, Failure, Kind, NoSpace, SchemaError, TypeCheck, TypeId, api,
        encode_struct, is_valid_struct, not_current,
    };
    #[cfg_attr(
        not(test),
        expect(clippy::wildcard_imports, reason = "the macro names every payload of the module")
    )]
    use tickwerk_domain::command::*;
    use tickwerk_domain::{BookDelta, Instrument};
    tickwerk_domain::for_each_command!(codec);
}

mod events {
    use super::{
        Archived, Checks, Coded, Encoded, Failure, Kind, NoSpace, SchemaError, TypeCheck, TypeId, api,
        encode_struct, is_valid_struct, not_current,
    };
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
    let length = size_of::<Archived<T>>();
    let space = space.get_mut(..aligned(length)).ok_or(NoSpace)?;
    space[length..].fill(0);
    let mut buffer = Buffer::from(&mut space[..length]);
    api::serialize_using::<_, Failure>(payload, &mut buffer).map_err(|Failure| NoSpace)?;
    Ok(length)
}

/// Writes `payload` at the start of `space`, and zeros behind it up to a multiple of
/// [`ALIGNMENT`](crate::format::ALIGNMENT); any payload fits [`PAYLOAD_SIZE_MAX`](crate::format::PAYLOAD_SIZE_MAX) bytes.
#[inline]
pub fn encode(payload: &Payload, space: &mut [u8]) -> Result<Encoded, NoSpace> {
    match payload {
        Payload::Command(command) => command.encode(space),
        Payload::Event(event) => event.encode(space),
    }
}

/// Reads a payload, whichever version of its type it is in; `bytes` is 16-aligned and has exactly its length.
pub fn decode(kind: Kind, type_id: u16, version: u16, bytes: &[u8]) -> Result<Payload, SchemaError> {
    let current = match kind {
        Kind::Command => Command::decode(kind, type_id, version, bytes).map(Payload::Command),
        Kind::Event => Event::decode(kind, type_id, version, bytes).map(Payload::Event),
    };
    current.or_else(|error| older::decode(kind, type_id, version, bytes).unwrap_or(Err(error)))
}

/// Whether [`decode`] would read a payload of a record of this kind.
#[inline]
pub fn is_valid(kind: u8, type_id: u16, version: u16, bytes: &[u8]) -> bool {
    match CHECKS.get(usize::from(type_id)) {
        Some(Some(check)) if check.kind == kind && check.version == version => {
            check.size == bytes.len() && (check.is_valid)(bytes)
        }
        Some(_) | None => is_valid_in_older(kind, type_id, version, bytes),
    }
}

#[cold]
fn is_valid_in_older(kind: u8, type_id: u16, version: u16, bytes: &[u8]) -> bool {
    let kind = [Kind::Command, Kind::Event].into_iter().find(|known| *known as u8 == kind);
    kind.and_then(|kind| older::decode(kind, type_id, version, bytes)).is_some_and(|decoded| decoded.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_that_was_ever_written_is_read_and_no_other() {
        let types = Command::TYPES.iter().chain(Event::TYPES);
        let versions = types.flat_map(|(type_id, current, _)| (1..*current).map(|old| (type_id.0, old)));
        assert_eq!(older::VERSIONS, versions.collect::<Vec<_>>(), "what schema/older.rs keeps");
    }

    #[test]
    fn an_older_version_is_looked_for_among_types_of_its_kind_only() {
        assert!(older::decode(Kind::Command, 0x0805, 1, &[]).is_some());
        assert!(older::decode(Kind::Event, 0x0805, 1, &[]).is_none());
        assert!(older::decode(Kind::Command, 0x0805, 2, &[]).is_none());
        assert_eq!(
            decode(Kind::Event, 0x0805, 1, &[]),
            Err(SchemaError::UnknownType { kind: Kind::Event, type_id: 0x0805 })
        );
    }
}
