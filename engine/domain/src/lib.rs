//! The shared words of Tickwerk: exact numbers, identities, FIX terms, commands and events.
//!
//! | word | unit |
//! |---|---|
//! | [`Sequence`] | place in the one total order; dense from 1, 0 means none |
//! | [`TimeNs`], [`DurationNs`] | nanoseconds, since the Unix epoch or as a span |
//! | [`Price`], [`Qty`] | mantissas; the instrument fixes how many decimals they have |
//! | [`Money`] | mantissa; the currency fixes how many decimals it has |
//! | [`Rate`] | a fraction in units of 10⁻⁸ |
//!
//! A [`Command`] is all that may be asked or observed, an [`Event`] all that may have happened, and a [`Record`] is
//! one of either with its [`Envelope`], as it lies on a ring. This crate knows no clock, no file and no thread.

#![expect(
    missing_debug_implementations,
    reason = "the archived and resolver types that rkyv derives have none"
)]

pub mod ascii;
pub mod book;
pub mod command;
pub mod decimal;
pub mod digest;
pub mod event;
pub mod fields;
pub mod ids;
pub mod image;
pub mod instrument;
pub mod numbers;
pub mod record;
pub mod reject;
pub mod sample;
pub mod sequence;
pub mod slot_index;
pub mod stream;
pub mod terms;
pub mod time;
mod words;

pub use ascii::{ClientOrderId, TextBytes};
pub use book::{BookDelta, LEVELS_PER_DELTA_MAX, Level, Touch};
pub use command::Command;
pub use decimal::{DecimalError, format_decimal, parse_decimal, parse_decimal_i128};
pub use digest::Digest;
pub use event::Event;
pub use fields::{FieldValue, Fields};
pub use ids::{
    AccountId, CorrelationId, CurrencyId, InstrumentId, OrderId, SourceId, StrategyId, TextId, VenueId,
};
pub use instrument::{Instrument, InstrumentKind};
pub use numbers::{Money, Notional, Price, Qty, RATE_SCALE, Rate, Real, SCALE_MAX};
pub use record::{Envelope, Family, Kind, Payload, Record, TypeId};
pub use reject::Reject;
pub use sequence::{Sequence, Stamp};
pub use slot_index::SlotIndex;
pub use stream::{Stream, StreamType};
pub use terms::{
    AccountState, Aggressor, BookAction, BreakerKind, BreakerState, Contingency, ContinueKind,
    DifferenceKind, FillState, HoldReason, LatencyModel, LimitKind, LimitUnit, Liquidity, MarkSource, Mode,
    OrderStatus, OrderType, PositionChange, PositionEffect, PositionMode, PositionSide, QueueModel,
    ReconcileAction, ReportKind, SelfTradePrevention, SessionState, Severity, Side, SideFilter,
    SignalDirection, StaleReason, TimeInForce, TimerKind, TradingState, TrailUnit, TriggerBy, VenueState,
};
pub use time::{DurationNs, TimeNs};
