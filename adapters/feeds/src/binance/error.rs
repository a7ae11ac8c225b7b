//! What can go wrong with a capture, and with one of its lines.

use std::path::PathBuf;
use tickwerk_domain::DecimalError;

/// Why a capture cannot be read (on).
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open the capture {}; check that the file exists and may be read", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file holds nothing.
    #[error("the capture {} is empty; give a file with one `<receive ns> <json>` a line", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The compressed file ends before its end mark.
    #[error(
        "the gzip data of {} end early, after line {line}; copy the file again, or unpack what there is \
         (gzip -dc) and read the text",
        path.display()
    )]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Last whole line, 0 for none.
        line: u64,
    },
    /// Reading or unpacking failed.
    #[error("cannot read {} after line {line}; check the disk and the file", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Last whole line, 0 for none.
        line: u64,
        /// What the system or the decoder says.
        source: std::io::Error,
    },
    /// A line cannot be understood, and the configuration says to refuse it.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: LineFault,
    },
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LineFault {
    /// Longer than any message.
    #[error("the line is longer than {limit} bytes; one message stands on one line")]
    TooLong {
        /// Most bytes.
        limit: usize,
    },
    /// It does not start with a time.
    #[error("{value:?} is no receive time; a line is `<receive ns> <json>`")]
    ReceiveTime {
        /// What stands there.
        value: String,
    },
    /// Not JSON, or a field of another type.
    #[error("the message cannot be read as JSON: {message}")]
    Json {
        /// What the parser says, with the column.
        message: String,
    },
    /// JSON, but no message that is known.
    #[error("the message has neither an event type (e) nor the fields of a quote or a snapshot")]
    Unknown,
    /// A field is missing.
    #[error("{event} has no field {field}; check that `market` names the market of the capture")]
    Missing {
        /// Which message.
        event: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A field that the market does not have.
    #[error(
        "{event} has the field {field}, which spot messages do not have; set `market` to the futures market"
    )]
    NotSpot {
        /// Which message.
        event: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A decimal cannot be held exactly.
    #[error("{field} {value:?} {error}; check the scale of the instrument")]
    Decimal {
        /// Which field.
        field: &'static str,
        /// Its text.
        value: String,
        /// Why not.
        error: DecimalError,
    },
    /// A number outside its range.
    #[error("{field} {value} is out of range; {remedy}")]
    OutOfRange {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// Another instrument.
    #[error("symbol {value:?} is not {expected:?}; one capture holds one instrument, check `symbol`")]
    Symbol {
        /// What the line says.
        value: String,
        /// What the configuration says.
        expected: String,
    },
}
