//! The words of the domain in an image.

use super::{Fault, ImageReader, ImageWriter, Persist};
use crate::command::{
    FillReported, FundingApplied, LatencyRecorded, NewOrder, OrderReported, PriceBandSet, ReplaceReported,
    SimulatedVenueSet,
};
use crate::event::ReplaceSubmitted;
use crate::reject::ReasonCode;
use crate::{
    AccountId, AccountState, BookAction, BreakerKind, BreakerState, Contingency, ContinueKind, CorrelationId,
    CurrencyId, Digest, DurationNs, FillState, HoldReason, Instrument, InstrumentId, InstrumentKind,
    LatencyModel, Level, LimitKind, Liquidity, MarkSource, Money, OrderId, OrderStatus, OrderType,
    PositionEffect, PositionMode, PositionSide, Price, Qty, QueueModel, Rate, Reject, ReportKind,
    SelfTradePrevention, Sequence, SessionState, Side, SideFilter, SignalDirection, SourceId, StaleReason,
    Stamp, StrategyId, TextId, TimeInForce, TimeNs, TimerKind, Touch, TradingState, TrailUnit, TriggerBy,
    VenueId, VenueState,
};

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Persist for $number {
            fn save(&self, to: &mut ImageWriter) {
                to.bytes(&self.to_le_bytes());
            }

            fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
                Ok(Self::from_le_bytes(from.bytes()?))
            }
        }
    )*};
}
numbers!(u8, u16, u32, u64, i64, i128);

macro_rules! wrapped {
    ($($name:ty),*) => {$(
        impl Persist for $name {
            fn save(&self, to: &mut ImageWriter) {
                let Self(number) = self;
                number.save(to);
            }

            fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
                Ok(Self(from.value()?))
            }
        }
    )*};
}
wrapped!(AccountId, InstrumentId, CurrencyId, StrategyId, TextId, SourceId, VenueId, OrderId, CorrelationId);
wrapped!(Sequence, TimeNs, DurationNs, Price, Qty, Rate, ReasonCode, Digest);

macro_rules! words {
    ($($name:ident),*) => {$(
        impl Persist for $name {
            fn save(&self, to: &mut ImageWriter) {
                (*self as u8).save(to);
            }

            fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
                let place: u8 = from.value()?;
                let fault = Fault::Value { what: stringify!($name), found: place.into() };
                Self::ALL.get(usize::from(place)).copied().ok_or(fault)
            }
        }
    )*};
}
words!(AccountState, BookAction, BreakerKind, BreakerState, Contingency, ContinueKind, FillState, HoldReason);
words!(
    LatencyModel,
    LimitKind,
    Liquidity,
    MarkSource,
    OrderStatus,
    OrderType,
    PositionEffect,
    PositionMode,
    PositionSide
);
words!(QueueModel, ReportKind, SelfTradePrevention, SessionState, Side, SideFilter, SignalDirection);
words!(StaleReason, TimeInForce, TimerKind, TradingState, TrailUnit, TriggerBy, VenueState);

crate::persist_variants! { InstrumentKind { Spot, Linear, Inverse } }

crate::persist! {
    Level { price, qty }
    Touch { bid, ask }
    Stamp { sequence, time_ns }
    FillReported { order, execution_id, price, qty, fee, fee_currency, liquidity }
    FundingApplied { rate, price, instrument }
    NewOrder { price, qty, trigger_price, trail_offset, display_qty, expires_at, link, account, instrument, client_order_id, venue, side, order_type, time_in_force, contingency, trail_unit, trigger_by, position_effect, post_only, reduce_only, quantity_in_quote }
    OrderReported { order, venue_order_id, kind, reason }
    ReplaceReported { order, venue_order_id, price, qty, trigger_price, display_qty }
    SimulatedVenueSet { latency, report_latency, jitter, seed, queue_parameter, reject_rate, loss_rate, duplicate_rate, slippage_ticks, instrument, queue_model, self_trade }
    LatencyRecorded { sent_at, arrived_at, reported_at, instrument }
    PriceBandSet { low, high, dynamic, instrument }
    ReplaceSubmitted { order, price, qty, trigger_price, display_qty, reserved, limits_version, instrument, venue }
    Instrument { notional_max, tick_size, lot_size, quantity_min, quantity_max, multiplier, maker_fee, taker_fee, margin_rate, instrument, symbol, base, quote, settlement, kind, price_scale, quantity_scale, settlement_scale }
}

impl Persist for bool {
    fn save(&self, to: &mut ImageWriter) {
        u8::from(*self).save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        match u8::load(from)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(Fault::Value { what: "yes or no", found: found.into() }),
        }
    }
}

/// As bits, so that every figure comes back as it was.
impl Persist for f64 {
    fn save(&self, to: &mut ImageWriter) {
        self.to_bits().save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self::from_bits(from.value()?))
    }
}

/// A place in a list.
impl Persist for usize {
    fn save(&self, to: &mut ImageWriter) {
        (*self as u64).save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let found: u64 = from.value()?;
        Self::try_from(found).map_err(|_| Fault::Value { what: "place", found })
    }
}

impl Persist for Money {
    fn save(&self, to: &mut ImageWriter) {
        self.get().save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self::new(from.value()?))
    }
}

impl Persist for Reject {
    fn save(&self, to: &mut ImageWriter) {
        self.code().save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let code: ReasonCode = from.value()?;
        Self::from_code(code).ok_or(Fault::Value { what: "reason", found: code.0.into() })
    }
}

/// Writes text without the zeros behind it.
pub(crate) fn save_padded(bytes: &[u8], to: &mut ImageWriter) {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    u8::try_from(length).expect("texts are shorter than 256 bytes").save(to);
    to.bytes(&bytes[..length]);
}

/// Reads what [`save_padded`] wrote.
pub(crate) fn load_padded<const N: usize>(from: &mut ImageReader<'_>) -> Result<[u8; N], Fault> {
    let length: u8 = from.value()?;
    let mut text = [0; N];
    let fault = Fault::Value { what: "length of a text", found: length.into() };
    let place = text.get_mut(..usize::from(length)).ok_or(fault)?;
    let (bytes, rest) = from.rest.split_at_checked(length.into()).ok_or(Fault::CutShort)?;
    place.copy_from_slice(bytes);
    from.rest = rest;
    Ok(text)
}

impl<T: Persist> Persist for Option<T> {
    fn save(&self, to: &mut ImageWriter) {
        self.is_some().save(to);
        if let Some(value) = self {
            value.save(to);
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(if bool::load(from)? { Some(from.value()?) } else { None })
    }
}

impl<T: Persist + Copy, const N: usize> Persist for [T; N] {
    fn save(&self, to: &mut ImageWriter) {
        for value in self {
            value.save(to);
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut values = [from.value()?; N];
        for value in &mut values[1..] {
            *value = from.value()?;
        }
        Ok(values)
    }
}

impl<A: Persist, B: Persist> Persist for (A, B) {
    fn save(&self, to: &mut ImageWriter) {
        self.0.save(to);
        self.1.save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok((from.value()?, from.value()?))
    }
}
