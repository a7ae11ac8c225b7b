//! Market data: a deterministic generator and recorded Binance WebSocket captures.
//!
//! Both hand out [`Record`](tickwerk_domain::Record)s with the data's own time, their source and a source sequence
//! that is a function of the input alone; putting them into a lane is the caller's part. [`BookCheck`] holds an
//! exchange's own best prices beside those of a rebuilt book. Nothing here reads a clock.

pub mod binance;
pub mod generator;
pub mod order_by_order;
pub mod reference;

pub use binance::{
    CaptureConfig, CaptureError, CaptureReader, CaptureReport, LineFault, Market, OnMalformed, PARTS_PER_LINE,
};
pub use generator::{Generator, GeneratorConfig, GeneratorError, GeneratorInstrument};
pub use reference::{BookCheck, BookCheckResult, BookMismatch, BookTop};
