//! Recorded Binance WebSocket streams: spot, USD-M and coin-M futures.
//!
//! A capture is a text file, plain or gzip, with one `<receive ns> <json>` a line and one instrument. The messages
//! depthUpdate, trade, bookTicker and the depth snapshot of the REST interface become records; other events are
//! counted and left out.
//!
//! | field of the envelope | value |
//! |---|---|
//! | `time_ns` | the receive time, held at the highest so far: the recorder's clock may step back |
//! | `source_time` | the venue's own time in ns: `T`, else `E`, else unknown; it may be later than the receive time |
//! | `source_sequence` | line (from 1) × [`PARTS_PER_LINE`] + part of the line (from 0) |
//!
//! So the source sequence rises strictly, has gaps, and depends on the file alone: a reader that is opened with
//! `resume_after` gives exactly the records after that one. It reads the file from its start, as the state of the
//! depth synchronisation is in the lines before.
//!
//! What can fail: opening, reading, a file that ends early, and a line that cannot be understood, which the
//! configuration either refuses or skips with a count. A skipped line never leaves a wrong book unnoticed: a lost depth
//! update makes the book stale until the next snapshot.

mod config;
mod depth;
mod error;
mod lines;
mod message;
mod reader;

pub use config::{CaptureConfig, Market, OnMalformed};
pub use error::{CaptureError, LineFault};
pub use reader::{CaptureReader, CaptureReport, PARTS_PER_LINE};
