//! Records made of numbers, so that tests and catalogues fill every field of every type without code per type.
//!
//! A value takes as many numbers as it has fields, two for money. Any number gives a value of the type: an integer
//! keeps the low bits, a word of an enumeration is chosen by the remainder.

use crate::book::{LEVELS_PER_DELTA_MAX, Level};
use crate::event::{LEGS_PER_POSTING_MAX, LedgerBook, Leg};
use crate::reject::ReasonCode;
use crate::{
    AccountId, ClientOrderId, CurrencyId, DurationNs, InstrumentId, InstrumentKind, Money, OrderId, Price,
    Qty, Rate, Real, Sequence, StrategyId, TextBytes, TextId, TimeNs, VenueId,
};

/// A type that numbers make a value of.
pub trait Sample {
    /// Makes a value; `draw` gives the next number.
    fn sample(draw: &mut dyn FnMut() -> u64) -> Self;
}

macro_rules! samples {
    ($($type:ty => |$draw:ident| $made:expr;)*) => {
        $(impl Sample for $type {
            fn sample($draw: &mut dyn FnMut() -> u64) -> Self {
                $made
            }
        })*
    };
}

/// The low bytes of a number.
fn low<const BYTES: usize>(number: u64) -> [u8; BYTES] {
    std::array::from_fn(|place| number.to_le_bytes()[place])
}

/// The word of a number's remainder.
pub(crate) fn pick<T: Copy>(words: &[T], number: u64) -> T {
    let places = u64::try_from(words.len()).expect("enumerations are small");
    words[usize::try_from(number % places).expect("a remainder of a small number is small")]
}

samples! {
    u8 => |draw| u8::from_le_bytes(low(draw()));
    u16 => |draw| u16::from_le_bytes(low(draw()));
    u32 => |draw| u32::from_le_bytes(low(draw()));
    u64 => |draw| draw();
    i64 => |draw| draw().cast_signed();
    bool => |draw| draw() & 1 == 1;
    Price => |draw| Price(i64::sample(draw));
    Qty => |draw| Qty(i64::sample(draw));
    Rate => |draw| Rate(i64::sample(draw));
    Money => |draw| Money::new(i128::from(i64::sample(draw)) << 64 | i128::from(draw()));
    Real => |draw| Real::new(f64::from(u32::sample(draw)));
    TimeNs => |draw| TimeNs(draw());
    DurationNs => |draw| DurationNs(draw());
    Sequence => |draw| Sequence(draw());
    AccountId => |draw| AccountId(u32::sample(draw));
    InstrumentId => |draw| InstrumentId(u32::sample(draw));
    CurrencyId => |draw| CurrencyId(u32::sample(draw));
    StrategyId => |draw| StrategyId(u32::sample(draw));
    TextId => |draw| TextId(u32::sample(draw));
    VenueId => |draw| VenueId(u16::sample(draw));
    OrderId => |draw| OrderId(draw());
    ReasonCode => |draw| ReasonCode(u16::sample(draw));
    ClientOrderId => |draw| ClientOrderId::new(&format!("order-{}", draw())).expect("26 characters at most");
    TextBytes => |draw| TextBytes::new(&format!("text-{}", draw())).expect("25 characters at most");
    InstrumentKind => |draw| pick(&[InstrumentKind::Spot, InstrumentKind::Linear, InstrumentKind::Inverse], draw());
    Level => |draw| Level { price: Price::sample(draw), qty: Qty::sample(draw) };
    Leg => |draw| Leg {
        amount: Money::sample(draw),
        currency: CurrencyId::sample(draw),
        from: LedgerBook::sample(draw),
        to: LedgerBook::sample(draw),
    };
    [Level; LEVELS_PER_DELTA_MAX] => |draw| std::array::from_fn(|_| Level::sample(draw));
    [Leg; LEGS_PER_POSTING_MAX] => |draw| std::array::from_fn(|_| Leg::sample(draw));
    [i64; 8] => |draw| std::array::from_fn(|_| i64::sample(draw));
    [u8; 32] => |draw| std::array::from_fn(|_| u8::sample(draw));
}

#[cfg(test)]
mod tests {
    use crate::{Command, Event};

    #[test]
    fn every_type_can_be_made_and_is_the_type_that_was_asked_for() {
        let mut last = 0;
        let mut draw = || {
            last += 1;
            last
        };
        for (place, (type_id, _, _)) in Command::TYPES.iter().enumerate() {
            assert_eq!(Command::sample(place, &mut draw).type_id(), *type_id);
        }
        for (place, (type_id, _, _)) in Event::TYPES.iter().enumerate() {
            assert_eq!(Event::sample(place, &mut draw).type_id(), *type_id);
        }
    }
}
