//! A view of a record as named fields, so that printing, comparing and cataloguing need no code per type.

use crate::book::{LEVELS_PER_DELTA_MAX, Level};
use crate::event::{LEGS_PER_POSTING_MAX, Leg};
use crate::{
    AccountId, ClientOrderId, CurrencyId, DurationNs, InstrumentId, Money, OrderId, Price, Qty, Rate, Real,
    Sequence, StrategyId, TextBytes, TextId, TimeNs, VenueId,
};

/// The value of one field, with the unit that tells how to show it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum FieldValue<'a> {
    /// A plain number.
    Unsigned(u64),
    /// A plain signed number.
    Signed(i64),
    /// Yes or no.
    Flag(bool),
    /// One of the words of an enumeration.
    Word(&'static str),
    /// A price at the scale of the record's instrument.
    Price(Price),
    /// A quantity at the scale of the record's instrument.
    Qty(Qty),
    /// An amount at the scale of the record's currency.
    Money(Money),
    /// A fraction.
    Rate(Rate),
    /// A floating-point figure.
    Real(f64),
    /// A time.
    Time(TimeNs),
    /// An account.
    Account(AccountId),
    /// An instrument.
    Instrument(InstrumentId),
    /// A currency.
    Currency(CurrencyId),
    /// A strategy.
    Strategy(StrategyId),
    /// A venue.
    Venue(VenueId),
    /// An order.
    Order(OrderId),
    /// A dictionary text.
    Text(TextId),
    /// Text that lies in the record.
    Inline(&'a str),
    /// Bytes, shown in lower-case hex.
    Bytes(&'a [u8]),
    /// A list of numbers.
    Numbers(&'a [i64]),
    /// Book levels.
    Levels(&'a [Level]),
    /// Ledger legs.
    Legs(&'a [Leg]),
}

/// A record type that can show its fields in order.
pub trait Fields {
    /// Calls `visit` with each field's name and value.
    fn visit(&self, visit: &mut dyn FnMut(&'static str, FieldValue<'_>));
}

/// A type that can stand in a field.
pub(crate) trait AsField {
    fn as_field(&self) -> FieldValue<'_>;
}

macro_rules! as_field {
    ($($type:ty => |$value:ident| $field:expr;)*) => {
        $(impl $crate::fields::AsField for $type {
            fn as_field(&self) -> $crate::fields::FieldValue<'_> {
                let $value = self;
                $field
            }
        })*
    };
}
pub(crate) use as_field;

as_field! {
    u8 => |value| FieldValue::Unsigned(u64::from(*value));
    u16 => |value| FieldValue::Unsigned(u64::from(*value));
    u32 => |value| FieldValue::Unsigned(u64::from(*value));
    u64 => |value| FieldValue::Unsigned(*value);
    i64 => |value| FieldValue::Signed(*value);
    bool => |value| FieldValue::Flag(*value);
    Price => |value| FieldValue::Price(*value);
    Qty => |value| FieldValue::Qty(*value);
    Money => |value| FieldValue::Money(*value);
    Rate => |value| FieldValue::Rate(*value);
    Real => |value| FieldValue::Real(value.get());
    TimeNs => |value| FieldValue::Time(*value);
    AccountId => |value| FieldValue::Account(*value);
    InstrumentId => |value| FieldValue::Instrument(*value);
    CurrencyId => |value| FieldValue::Currency(*value);
    StrategyId => |value| FieldValue::Strategy(*value);
    VenueId => |value| FieldValue::Venue(*value);
    OrderId => |value| FieldValue::Order(*value);
    TextId => |value| FieldValue::Text(*value);
    DurationNs => |value| FieldValue::Unsigned(value.0);
    Sequence => |value| FieldValue::Unsigned(value.0);
    TextBytes => |value| FieldValue::Inline(value.as_str());
    ClientOrderId => |value| FieldValue::Inline(value.as_str());
    [u8; 32] => |value| FieldValue::Bytes(value);
    [i64; 8] => |value| FieldValue::Numbers(value);
    [Level; LEVELS_PER_DELTA_MAX] => |value| FieldValue::Levels(value);
    [Leg; LEGS_PER_POSTING_MAX] => |value| FieldValue::Legs(value);
}

/// What the declaration of a field says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldAbout {
    /// Its name.
    pub name: &'static str,
    /// The type that it is declared with, which tells the unit.
    pub of: &'static str,
    /// What it is, in a sentence or two.
    pub about: &'static str,
}

/// Declares payload structs: plain, `Copy`, archivable, with named fields. Each field has a comment, which goes on into
/// the catalogue of events.
macro_rules! payloads {
    ($($(#[$meta:meta])* $name:ident { $($(#[doc = $about:literal])+ $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
            pub struct $name {
                $($(#[doc = $about])+ pub $field: $type,)*
            }

            impl $name {
                /// What is said of each field.
                pub const FIELDS: &'static [$crate::fields::FieldAbout] = &[$($crate::fields::FieldAbout {
                    name: stringify!($field),
                    of: stringify!($type),
                    about: concat!($($about),+),
                }),*];
            }

            impl $crate::fields::Fields for $name {
                fn visit(&self, visit: &mut dyn FnMut(&'static str, $crate::fields::FieldValue<'_>)) {
                    $(visit(stringify!($field), $crate::fields::AsField::as_field(&self.$field));)*
                }
            }

            impl $crate::sample::Sample for $name {
                fn sample(draw: &mut dyn FnMut() -> u64) -> Self {
                    Self { $($field: $crate::sample::Sample::sample(draw),)* }
                }
            }

            const _: () = assert!(size_of::<$name>() <= $crate::record::PAYLOAD_SIZE_MAX, "payload too large for a slot");
        )*
    };
}
pub(crate) use payloads;
