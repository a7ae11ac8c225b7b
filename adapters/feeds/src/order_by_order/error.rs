//! What can go wrong with order-by-order data: with the file, and with one of its lines, records or numbers.

use std::path::PathBuf;
use tickwerk_domain::numbers::{divide_half_even, power_of_ten};
use tickwerk_domain::{DecimalError, parse_decimal_i128};

/// Why a file cannot be read (on).
#[derive(Debug, thiserror::Error)]
pub enum OrderByOrderError {
    /// The file cannot be opened.
    #[error("cannot open {}; check that the file exists and may be read", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Reading or unpacking failed.
    #[error("cannot read {} after line or record {place}; check the disk, or copy the file again", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Last whole line or record, 0 for none.
        place: u64,
        /// What the system or the decoder says.
        source: std::io::Error,
    },
    /// A line cannot be understood.
    #[error("{}, line {line}: {fault}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: Box<OrderByOrderFault>,
    },
    /// A binary record, or the header before all records, cannot be understood.
    #[error("{}, record {record}: {fault}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// Which record, from 1; 0 is the header.
        record: u64,
        /// What is wrong with it.
        fault: Box<OrderByOrderFault>,
    },
}

/// What is wrong with a line or a record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OrderByOrderFault {
    /// Longer than any line of the format.
    #[error("the line is longer than {limit} bytes; check that the file is of the format that was named")]
    TooLong {
        /// Most bytes.
        limit: usize,
    },
    /// Not UTF-8.
    #[error("the line is no text; check that the file is of the format that was named")]
    NotText,
    /// The file has a header, and this is not it.
    #[error("the first line is {found:?}; expected {expected}")]
    Header {
        /// The line, or its beginning.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Too many or too few fields.
    #[error("the line has {found} fields; expected {expected}")]
    Fields {
        /// How many there are.
        found: usize,
        /// What would be right.
        expected: String,
    },
    /// A field is missing.
    #[error("the field {field} is missing; expected {expected}")]
    Missing {
        /// Which field.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// A field has a value that it must not have.
    #[error("{field} {value:?} is not allowed; expected {expected}")]
    Value {
        /// Which field.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A decimal cannot be held exactly.
    #[error("{field} {value:?} {error}")]
    Decimal {
        /// Which field.
        field: &'static str,
        /// Its text.
        value: String,
        /// Why not.
        error: DecimalError,
    },
    /// Not JSON, or a field of another type.
    #[error("the event cannot be read as JSON: {message}")]
    Json {
        /// What the parser says, with the column.
        message: String,
    },
    /// Not the version of the encoding that is read here.
    #[error("version {found} of the encoding is not known; versions 1 to {newest} are: convert the file")]
    Version {
        /// Version of the file.
        found: u8,
        /// Newest version that is read.
        newest: u8,
    },
    /// The file holds another schema.
    #[error("the records are of type {found:#04x}, not {expected}; ask the vendor for that schema")]
    Schema {
        /// Type of the first record.
        found: u8,
        /// What would be right.
        expected: &'static str,
    },
    /// A record says that it is shorter than its fields.
    #[error("the record says it has {found} bytes; a record of type {rtype:#04x} has {expected}")]
    RecordSize {
        /// What it says.
        found: usize,
        /// Its type.
        rtype: u8,
        /// What would be right.
        expected: usize,
    },
    /// Several instruments share the file and none was chosen.
    #[error(
        "the file holds instrument {first} and also {second}; a book is one instrument's: choose one by its id"
    )]
    Instruments {
        /// The first one.
        first: u32,
        /// Another one.
        second: u32,
    },
    /// The chosen instrument is not in the file.
    #[error("instrument {wanted} is not in the file; {} is", found.map_or("none".to_owned(), |id| id.to_string()))]
    NoInstrument {
        /// The chosen one.
        wanted: u32,
        /// The first one that is there.
        found: Option<u32>,
    },
}

impl OrderByOrderFault {
    pub(super) fn value(
        field: &'static str,
        value: &(impl ToString + ?Sized),
        expected: &'static str,
    ) -> Self {
        Self::Value { field, value: shortened(&value.to_string()), expected }
    }
}

/// Text for a message: never more than a line of it.
pub(super) fn shortened(text: &str) -> String {
    const LENGTH_MAX: usize = 60;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Parses a decimal that the recorder let go through binary floating-point, to the nearest of the scale.
pub(super) fn nearest_decimal(field: &'static str, text: &str, scale: u8) -> Result<i64, OrderByOrderFault> {
    /// Finer than the noise of any number of ten digits.
    const NOISE_SCALE: u8 = 26;
    let fault = |error| OrderByOrderFault::Decimal { field, value: shortened(text), error };
    let fine = parse_decimal_i128(text, NOISE_SCALE).map_err(fault)?;
    let unit =
        power_of_ten(u32::from(NOISE_SCALE - scale)).expect("a scale is smaller than that of the noise");
    let limit = i128::from(i64::MAX);
    i64::try_from(divide_half_even(fine, unit)).map_err(|_| fault(DecimalError::TooLarge { limit, scale }))
}
