//! Databento Binary Encoding (DBN), versions 1 to 3: order-by-order records, and books by level beside them.
//!
//! Source: the record layouts of the `dbn` crate, whose documentation is the specification; all numbers are little
//! endian. Only what a book needs is read:
//!
//! ```text
//! file     "DBN" | version u8 | length u32 | metadata[length] | records
//! header   words u8 (of 4 bytes) | rtype u8 | publisher u16 | instrument u32 | ts_event u64           0..16
//! mbo 0xa0 order_id u64 | price i64 | size u32 | flags u8 | channel u8 | action u8 | side u8          16..40
//!          | ts_recv u64 | ts_in_delta i32 | sequence u32                                             40..56
//! mbp      price i64 | size u32 | action u8 | side u8 | flags u8 | depth u8 | ts_recv u64             16..40
//!          | ts_in_delta i32 | sequence u32                                                           40..48
//!          | levels[n]                                                                                48..
//! level    bid_px i64 | ask_px i64 | bid_sz u32 | ask_sz u32 | bid_ct u32 | ask_ct u32                32 bytes
//! ```
//!
//! Units: prices are 10⁻⁹, times nanoseconds since 1970 as the matching engine received them. Trades (T) and fills (F)
//! never change the book. Flag bit 7 marks the last record of an update; before it the book is in between. The records
//! of a snapshot (bit 5) carry the sequences of long ago; here they have the sequence 0.
//! What fails: another version or schema, a record shorter than its type, two instruments where none was chosen.

use super::error::OrderByOrderFault;
use super::{Action, BookRow, OrderByOrder, OrderByOrderError, Source};
use std::path::Path;
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};

/// Decimals of prices.
pub const PRICE_SCALE: u8 = 9;
/// Decimals of quantities.
pub const QTY_SCALE: u8 = 0;

const MAGIC: [u8; 3] = *b"DBN";
/// Version 4, in development, has other headers.
const VERSION_MAX: u8 = 3;
const PRELUDE_SIZE: usize = 8;
/// Far more than the symbols of every instrument of a venue need.
const METADATA_SIZE_MAX: usize = 256 << 20;
const HEADER_SIZE: usize = 16;
const RECORD_SIZE_MAX: usize = 255 * 4;
const MBO: u8 = 0xa0;
const MBO_SIZE: usize = 56;
const MBP_1: u8 = 0x01;
const MBP_10: u8 = 0x0a;
const MBP_FIXED_SIZE: usize = 48;
const LEVEL_SIZE: usize = 32;
const PRICE_UNDEFINED: i64 = i64::MAX;
const FLAG_LAST: u8 = 1 << 7;
const FLAG_SNAPSHOT: u8 = 1 << 5;

/// The order-by-order records of one instrument.
#[derive(Debug)]
pub struct DatabentoOrders(Records);

impl DatabentoOrders {
    /// Opens a file of the mbo schema. A file with several instruments needs a choice.
    pub fn open(path: &Path, instrument: Option<u32>) -> Result<Self, OrderByOrderError> {
        Source::open(path).and_then(|source| Self::new(source, instrument))
    }

    /// Reads records from `source`.
    pub fn new(source: Source, instrument: Option<u32>) -> Result<Self, OrderByOrderError> {
        Records::new(source, instrument, &[MBO], "mbo (0xa0)").map(Self)
    }
}

impl Iterator for DatabentoOrders {
    type Item = Result<OrderByOrder, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_as(parse_mbo)
    }
}

/// The books of one instrument by level, one or ten deep, that follow from its order-by-order records.
#[derive(Debug)]
pub struct DatabentoBook(Records);

impl DatabentoBook {
    /// Opens a file of the schema mbp-1 or mbp-10.
    pub fn open(path: &Path, instrument: Option<u32>) -> Result<Self, OrderByOrderError> {
        Source::open(path).and_then(|source| Self::new(source, instrument))
    }

    /// Reads records from `source`.
    pub fn new(source: Source, instrument: Option<u32>) -> Result<Self, OrderByOrderError> {
        Records::new(source, instrument, &[MBP_1, MBP_10], "mbp-1 (0x01) or mbp-10 (0x0a)").map(Self)
    }
}

impl Iterator for DatabentoBook {
    type Item = Result<BookRow, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_as(parse_mbp)
    }
}

/// The records of some types and of one instrument.
#[derive(Debug)]
struct Records {
    source: Source,
    rtypes: &'static [u8],
    /// Those types in words.
    expected: &'static str,
    wanted: Option<u32>,
    /// Instrument of the first record that was used; with none wanted, that of all.
    instrument: Option<u32>,
    /// The first instrument of the file.
    first: Option<u32>,
    /// A type that was passed over.
    passed: Option<u8>,
    record: Vec<u8>,
    ended: bool,
}

impl Records {
    fn new(
        mut source: Source,
        wanted: Option<u32>,
        rtypes: &'static [u8],
        expected: &'static str,
    ) -> Result<Self, OrderByOrderError> {
        skip_metadata(&mut source)?;
        Ok(Self {
            source,
            rtypes,
            expected,
            wanted,
            instrument: None,
            first: None,
            passed: None,
            record: Vec::with_capacity(RECORD_SIZE_MAX),
            ended: false,
        })
    }

    fn next_as<T>(
        &mut self,
        parse: fn(&[u8]) -> Result<Option<T>, OrderByOrderFault>,
    ) -> Option<Result<T, OrderByOrderError>> {
        if self.ended {
            return None;
        }
        let item = loop {
            match self.read() {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(Err(error)),
            }
            match parse(&self.record) {
                Ok(None) => {}
                Ok(Some(item)) => break Some(Ok(item)),
                Err(fault) => break Some(Err(self.source.record_error(fault))),
            }
        };
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }

    /// Reads the next record of a wanted type and instrument. `false` at the end of the file.
    fn read(&mut self) -> Result<bool, OrderByOrderError> {
        loop {
            self.record.resize(HEADER_SIZE, 0);
            if !self.source.read_exact(&mut self.record)? {
                return self.end().map(|()| false);
            }
            self.source.count_record();
            let (words, rtype) = (usize::from(self.record[0]), self.record[1]);
            let size = words * 4;
            let is_wanted = self.rtypes.contains(&rtype);
            let expected = if is_wanted { size_of_rtype(rtype) } else { HEADER_SIZE };
            if size < expected {
                let fault = OrderByOrderFault::RecordSize { found: size, rtype, expected };
                return Err(self.source.record_error(fault));
            }
            self.record.resize(size, 0);
            if !self.source.read_exact(&mut self.record[HEADER_SIZE..])? {
                let fault = OrderByOrderFault::RecordSize { found: HEADER_SIZE, rtype, expected: size };
                return Err(self.source.record_error(fault));
            }
            if !is_wanted {
                self.passed.get_or_insert(rtype);
                continue;
            }
            let instrument = u32_at(&self.record, 4);
            let first = *self.first.get_or_insert(instrument);
            match self.wanted {
                Some(wanted) if wanted != instrument => continue,
                None if first != instrument => {
                    let fault = OrderByOrderFault::Instruments { first, second: instrument };
                    return Err(self.source.record_error(fault));
                }
                Some(_) | None => {}
            }
            self.instrument = Some(instrument);
            return Ok(true);
        }
    }

    /// A file without what was looked for is the wrong one.
    fn end(&self) -> Result<(), OrderByOrderError> {
        let fault = match (self.instrument, self.first, self.passed, self.wanted) {
            (Some(_), _, _, _) | (None, None, None, _) => return Ok(()),
            (None, None, Some(found), _) => OrderByOrderFault::Schema { found, expected: self.expected },
            (None, Some(_), _, wanted) => {
                OrderByOrderFault::NoInstrument { wanted: wanted.unwrap_or_default(), found: self.first }
            }
        };
        Err(self.source.record_error(fault))
    }
}

fn skip_metadata(source: &mut Source) -> Result<(), OrderByOrderError> {
    let mut prelude = [0; PRELUDE_SIZE];
    source.read_exact(&mut prelude)?;
    if !prelude.starts_with(&MAGIC) {
        let found = format!("{:02x?}", &prelude[..MAGIC.len()]);
        let expected = "\"DBN\", plain or packed with zstd";
        return Err(source.record_error(OrderByOrderFault::Header { found, expected }));
    }
    let version = prelude[3];
    if !(1..=VERSION_MAX).contains(&version) {
        let fault = OrderByOrderFault::Version { found: version, newest: VERSION_MAX };
        return Err(source.record_error(fault));
    }
    let size = u32_at(&prelude, 4) as usize;
    if size > METADATA_SIZE_MAX {
        let fault = OrderByOrderFault::value("length of the metadata", &size, "at most 256 MiB");
        return Err(source.record_error(fault));
    }
    // Piece by piece: the length may be a lie.
    let mut piece = [0; 4096];
    let mut left = size;
    while left > 0 {
        let take = left.min(piece.len());
        if !source.read_exact(&mut piece[..take])? {
            let fault =
                OrderByOrderFault::value("length of the metadata", &size, "no more than the file has");
            return Err(source.record_error(fault));
        }
        left -= take;
    }
    Ok(())
}

fn size_of_rtype(rtype: u8) -> usize {
    match rtype {
        MBO => MBO_SIZE,
        // Books by level have their depth as type.
        depth => MBP_FIXED_SIZE + usize::from(depth) * LEVEL_SIZE,
    }
}

fn parse_mbo(record: &[u8]) -> Result<Option<OrderByOrder>, OrderByOrderFault> {
    let flags = record[36];
    let action = match record[38] {
        b'A' => Action::Add,
        b'C' => Action::Reduce,
        b'M' => Action::Modify,
        b'R' => Action::Clear,
        b'T' => Action::Trade,
        b'F' => Action::Fill,
        b'N' => Action::Nothing,
        other => {
            let expected = "one of A, C, M, R, T, F, N";
            return Err(OrderByOrderFault::value("action", &char::from(other), expected));
        }
    };
    let side = match record[39] {
        b'B' => Some(Side::Buy),
        b'A' => Some(Side::Sell),
        b'N' => None,
        other => return Err(OrderByOrderFault::value("side", &char::from(other), "B, A or N")),
    };
    let (price, size) = (i64_at(record, 24), u32_at(record, 32));
    let needs_all = matches!(action, Action::Add | Action::Reduce | Action::Modify);
    if needs_all && side.is_none() {
        return Err(OrderByOrderFault::value("side", &'N', "B or A for an order that changes the book"));
    }
    if needs_all && action != Action::Reduce && price == PRICE_UNDEFINED {
        return Err(OrderByOrderFault::value("price", "undefined", "a price for an order that rests"));
    }
    if needs_all && size == 0 {
        return Err(OrderByOrderFault::value("size", &size, "more than 0 for a change of the book"));
    }
    Ok(Some(OrderByOrder {
        time_ns: TimeNs(u64_at(record, 8)),
        sequence: sequence_at(record, 52, flags),
        order: u64_at(record, 16),
        action,
        side,
        price: Price(if price == PRICE_UNDEFINED { 0 } else { price }),
        qty: Qty(i64::from(size)),
        is_last: flags & FLAG_LAST != 0,
    }))
}

/// The book of a record that ends an update; trades come before the book has changed and state it as it was.
fn parse_mbp(record: &[u8]) -> Result<Option<BookRow>, OrderByOrderFault> {
    let (action, flags) = (record[28], record[30]);
    if action == b'T' || flags & FLAG_LAST == 0 {
        return Ok(None);
    }
    let depth = usize::from(record[1]);
    let mut row = BookRow {
        time_ns: TimeNs(u64_at(record, 8)),
        sequence: sequence_at(record, 44, flags),
        depth,
        bids: Vec::with_capacity(depth),
        asks: Vec::with_capacity(depth),
    };
    for at in (0..depth).map(|level| MBP_FIXED_SIZE + level * LEVEL_SIZE) {
        row.bids.extend(level("bid price", i64_at(record, at), u32_at(record, at + 16))?);
        row.asks.extend(level("ask price", i64_at(record, at + 8), u32_at(record, at + 20))?);
    }
    Ok(Some(row))
}

fn level(field: &'static str, price: i64, size: u32) -> Result<Option<Level>, OrderByOrderFault> {
    match (price, size) {
        (_, 0) => Ok(None),
        (PRICE_UNDEFINED, _) => {
            Err(OrderByOrderFault::value(field, "undefined", "a price for a level with a size"))
        }
        (price, size) => Ok(Some(Level { price: Price(price), qty: Qty(i64::from(size)) })),
    }
}

/// The sequence that stands at an offset; it differs between the types.
fn sequence_at(record: &[u8], at: usize, flags: u8) -> u64 {
    if flags & FLAG_SNAPSHOT != 0 { 0 } else { u64::from(u32_at(record, at)) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(array_at(bytes, at))
}

/// The bytes of a field. Every record is as long as its type before a field is asked for.
fn array_at<const SIZE: usize>(bytes: &[u8], at: usize) -> [u8; SIZE] {
    bytes[at..at + SIZE].try_into().expect("a slice has the length it was cut to")
}
