//! Versions of types that are read and no longer written, each with the shapes that it is upcast through.
//!
//! A line is `type_id version name => shape, the one after it, …, the current one;` each has a `From` of the one before.
//! Lines stand in the order of declaration of the types, commands first, a type's versions from 1 on.

use super::{Archived, Failure, SchemaError, api, decode_struct, v1};
use tickwerk_domain::{Command, Kind, Payload, command};

macro_rules! older {
    ($($kind:ident $type_id:literal $version:literal $name:literal => $shape:ty $(, $next:ty)+;)*) => {
        /// Type id and version of each.
        #[cfg(test)]
        pub(super) const VERSIONS: &[(u16, u16)] = &[$(($type_id, $version)),*];

        /// Reads a payload that is in an older version; `None` where there is none such.
        #[cold]
        pub(super) fn decode(
            kind: Kind,
            type_id: u16,
            version: u16,
            bytes: &[u8],
        ) -> Option<Result<Payload, SchemaError>> {
            match (kind, type_id, version) {
                $((Kind::$kind, $type_id, $version) => {
                    let length = bytes.len();
                    let payload = decode_struct!($shape, bytes)$(.map(<$next>::from))+;
                    let payload = payload.map(|payload| Payload::$kind($kind::from(payload)));
                    Some(payload.ok_or(SchemaError::Invalid { name: $name, type_id, length }))
                })*
                _ => None,
            }
        }
    };
}

older! {
    Command 0x0805 1 "system.health" => v1::HealthObserved, command::HealthObserved;
}
