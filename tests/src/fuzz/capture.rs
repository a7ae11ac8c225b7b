//! The decoders of recorded market data: the captures of one venue, and three formats of order-by-order data.
//!
//! Source sequences must rise, stamps must not fall, and nothing may come behind an error.

use super::{Target, choice, scratch};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_domain::{InstrumentId, Record, SourceId, TimeNs};
use tickwerk_feeds::binance::{CaptureConfig, CaptureReader, Market, OnMalformed};
use tickwerk_feeds::order_by_order::{
    BitstampBook, BookRow, DatabentoBook, OrderByOrderError, OrderFeedConfig, OrderFormat, OrderReader,
};

/// Records after which an input is left alone: packed data may unpack to very much.
const RECORDS_MAX: usize = 100_000;
const SYMBOL: &str = "ABCUSD";
const DATA: &str = "2012-06-21_message_5.csv";

/// A directory with one file of data.
#[derive(Debug)]
pub struct CaptureDecoder {
    dir: TempDir,
}

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Form {
    Spot = 0,
    UsdM = 1,
    CoinMSkipping = 2,
    Lobster = 3,
    Bitstamp = 4,
    Databento = 5,
    LobsterBook = 6,
    SpotSkipping = 7,
    BitstampBook = 8,
    DatabentoBook = 9,
}

impl Form {
    const ALL: [Self; 10] = [
        Self::Spot,
        Self::UsdM,
        Self::CoinMSkipping,
        Self::Lobster,
        Self::Bitstamp,
        Self::Databento,
        Self::LobsterBook,
        Self::SpotSkipping,
        Self::BitstampBook,
        Self::DatabentoBook,
    ];
}

impl Target for CaptureDecoder {
    const NAME: &'static str = "capture_decoder";

    fn new() -> Self {
        Self { dir: scratch() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let (first, bytes) = choice(bytes);
        let path = self.dir.path().join(DATA);
        std::fs::write(&path, bytes).expect("scratch files can be written");
        match Form::ALL[usize::from(first) % Form::ALL.len()] {
            Form::Spot => binance(&path, Market::Spot, OnMalformed::Refuse),
            Form::UsdM => binance(&path, Market::UsdM, OnMalformed::Refuse),
            Form::CoinMSkipping => binance(&path, Market::CoinM, OnMalformed::Skip),
            Form::SpotSkipping => binance(&path, Market::Spot, OnMalformed::Skip),
            Form::Lobster => orders(&path, OrderFormat::Lobster, None),
            Form::Bitstamp => orders(&path, OrderFormat::Bitstamp, None),
            Form::Databento => orders(&path, OrderFormat::Databento, None),
            Form::LobsterBook => self.with_book(bytes),
            Form::BitstampBook => rows(BitstampBook::open(&path)),
            Form::DatabentoBook => rows(DatabentoBook::open(&path, None)),
        }
    }
}

impl CaptureDecoder {
    /// Two files in one input: the messages, a zero, and the rows of the book.
    fn with_book(&self, bytes: &[u8]) {
        let middle = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        let (messages, rows) = (&bytes[..middle], bytes.get(middle + 1..).unwrap_or_default());
        let (path, book) = (self.dir.path().join(DATA), self.dir.path().join("book.csv"));
        std::fs::write(&path, messages).expect("scratch files can be written");
        std::fs::write(&book, rows).expect("scratch files can be written");
        orders(&path, OrderFormat::Lobster, Some(book));
    }
}

fn binance(path: &Path, market: Market, on_malformed: OnMalformed) {
    let config = CaptureConfig {
        market,
        symbol: SYMBOL.to_owned(),
        instrument: InstrumentId(1),
        price_scale: 2,
        quantity_scale: 3,
        source: SourceId::FIRST_FEED,
        on_malformed,
        resume_after: 0,
    };
    if let Ok(reader) = CaptureReader::open(path, config) {
        check(reader);
    }
}

fn orders(path: &Path, format: OrderFormat, book: Option<PathBuf>) {
    let (price_scale, quantity_scale) = format.scales();
    let config = OrderFeedConfig {
        format,
        path: path.to_owned(),
        book,
        venue_instrument: None,
        instrument: InstrumentId(1),
        price_scale,
        quantity_scale,
        source: SourceId::FIRST_FEED,
        resume_after: 0,
    };
    if let Ok(reader) = OrderReader::open(config) {
        check(reader);
    }
}

fn rows<I>(rows: Result<I, OrderByOrderError>)
where
    I: Iterator<Item = Result<BookRow, OrderByOrderError>>,
{
    let Ok(mut rows) = rows else { return };
    for row in rows.by_ref().take(RECORDS_MAX) {
        let Ok(row) = row else {
            assert!(rows.next().is_none(), "nothing comes behind an error");
            return;
        };
        assert!(row.bids.len().max(row.asks.len()) <= row.depth, "no more levels than the source states");
    }
}

fn check<E>(mut records: impl Iterator<Item = Result<Record, E>>) {
    let (mut sequence, mut time) = (0, TimeNs::UNKNOWN);
    for record in records.by_ref().take(RECORDS_MAX) {
        let Ok(Record { envelope, .. }) = record else {
            assert!(records.next().is_none(), "nothing comes behind an error");
            return;
        };
        assert!(envelope.source_sequence > sequence, "source sequences rise");
        assert!(envelope.time_ns >= time, "stamps do not fall");
        (sequence, time) = (envelope.source_sequence, envelope.time_ns);
    }
}

const SPOT: &str = r#"1000 {"stream":"abcusd@bookTicker","data":{"u":5,"s":"ABCUSD","b":"10.00000000","B":"1.25000000","a":"10.01","A":"2"}}
1001 {"stream":"abcusd@depth@100ms","data":{"e":"depthUpdate","E":7,"s":"ABCUSD","U":6,"u":8,"b":[["10.00","1.5"]],"a":[]}}
1002 {"lastUpdateId":7,"bids":[["10.00","1.000"],["9.99","3"]],"asks":[["10.01","2.000"]]}
1003 {"stream":"abcusd@trade","data":{"e":"trade","E":6,"s":"ABCUSD","t":70,"p":"10.01","q":"0.5","T":5,"m":false,"M":true}}
1004 {"e":"depthUpdate","E":7,"s":"ABCUSD","U":12,"u":13,"b":[],"a":[["10.02","0.000"]]}
"#;
const USD_M: &str = r#"50 {"lastUpdateId":7,"bids":[["10.00","1.000"]],"asks":[["10.01","2.000"]],"E":3,"T":2}
51 {"stream":"abcusd@depth@0ms","data":{"e":"depthUpdate","E":9,"T":8,"s":"ABCUSD","U":5,"u":9,"pu":4,"b":[],"a":[["10.02","2"],["10.03","0.000"]]}}
40 {"e":"trade","E":6,"T":5,"s":"ABCUSD","t":72,"p":"0","q":"0","X":"NA","m":true}
"#;
const LOBSTER: &str = "34200.004241176,1,16113575,18,5853300,1
34200.025551909,1,16120480,18,5859100,-1
34200.189607670,2,16113575,8,5853300,1
34200.201743350,4,16120480,10,5859100,-1
34200.3,5,0,3,5856000,1
34200.4,3,16113575,10,5853300,1
34200.5,6,-1,40,5855000,-1
34201,7,0,0,-1,-1
34202,7,0,0,0,-1
34203,7,0,0,1,-1
";
const ROWS: &str = "5859400,200,5853300,18,5859800,200,5853000,150
5859100,18,5853300,18,5859400,200,5853000,150
5859100,18,5853300,10,5859400,200,5853000,150
";
const BITSTAMP_CSV: &str = "id,timestamp,exchange.timestamp,price,volume,action,direction
7,1500000000001,1500000000000,236.47,200000000,created,bid
7,1500000000002,1500000000000,236.47,178855669,changed,bid
5,1500000000003,1500000000000,236.48,0,deleted,ask
7,1500000000005,1500000000000,236.47,178855669,deleted,bid
";
const BITSTAMP_LOG: &str = r#"1500000000001 order_created {"price": "236.47", "amount": "2.00000000", "datetime": "1500000000", "id": 7, "order_type": 0}
1500000000002 order_changed {"price": "236.47", "amount": "1.78855669", "datetime": "1500000000", "id": 7, "order_type": 0}
1500000000002 order_book {"bids": [["236.47", "1.78855669"]], "asks": [["236.64", "3.7952"], ["236.65", "23.84239943"]]}
1500000000004 trade {"price": 236.47, "amount": 0.21144331000000001, "id": 8111041}
1500000000005 order_deleted {"price": "236.47", "amount": "1.78855669", "datetime": "1500000000", "id": 7, "order_type": 0}
"#;
/// The first line of [`LOBSTER`], as `xz` packs it.
const XZ_LINE: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a301002733343230302e3030343234313137362c312c313631\
    31333537352c31382c353835333330302c310a004440d5bccf7dcc2000014028d4524ae51fb6f37d010000000004595a";

/// Inputs that are good data of each form, plain and packed.
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let input = |form: Form, bytes: &[u8]| [&[form as u8], bytes].concat();
    let with_rows = [LOBSTER.as_bytes(), b"\0", ROWS.as_bytes()].concat();
    let databento = databento();
    let mut seeds = vec![
        ("spot", input(Form::Spot, SPOT.as_bytes())),
        ("spot_skipping", input(Form::SpotSkipping, SPOT.as_bytes())),
        ("usd_m", input(Form::UsdM, USD_M.as_bytes())),
        ("coin_m", input(Form::CoinMSkipping, USD_M.as_bytes())),
        ("lobster", input(Form::Lobster, LOBSTER.as_bytes())),
        ("lobster_book", input(Form::LobsterBook, &with_rows)),
        ("bitstamp_csv", input(Form::Bitstamp, BITSTAMP_CSV.as_bytes())),
        ("bitstamp_log", input(Form::Bitstamp, BITSTAMP_LOG.as_bytes())),
        ("bitstamp_book", input(Form::BitstampBook, BITSTAMP_LOG.as_bytes())),
        ("databento", input(Form::Databento, &databento)),
        ("databento_book", input(Form::DatabentoBook, &databento_book())),
    ];
    for (form, bytes) in [(Form::Spot, SPOT.as_bytes()), (Form::Lobster, LOBSTER.as_bytes())] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).expect("memory can be written");
        seeds.push(("gzip", input(form, &packed.finish().expect("memory can be written"))));
    }
    let packed = zstd::bulk::compress(&databento, 1).expect("memory can be written");
    seeds.push(("zstd", input(Form::Databento, &packed)));
    let unhex = |place| u8::from_str_radix(&XZ_LINE[place..place + 2], 16).expect("hexadecimal digits");
    let packed: Vec<u8> = (0..XZ_LINE.len()).step_by(2).map(unhex).collect();
    seeds.push(("xz", input(Form::Lobster, &packed)));
    seeds
}

/// A file of orders, version 1, with metadata that nobody reads.
fn databento() -> Vec<u8> {
    let mut bytes = [&b"DBN\x01\x08\0\0\0"[..], &[0x5a; 8]].concat();
    for (number, action) in (1_u64..).zip(*b"ACMTFRN") {
        bytes.extend([14, 0xa0, 1, 0, 4, 0, 0, 0]);
        bytes.extend(1_700_000_000_000_000_000_u64.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(5_000_250_000_000_i64.to_le_bytes());
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend([128, 0, action, b'B']);
        bytes.extend([0; 12]);
        bytes.extend(9_u32.to_le_bytes());
    }
    bytes
}

/// A file of best levels.
fn databento_book() -> Vec<u8> {
    let mut bytes = [&b"DBN\x01\x08\0\0\0"[..], &[0x5a; 8]].concat();
    bytes.extend([20, 1, 1, 0, 4, 0, 0, 0]);
    bytes.extend(1_700_000_000_000_000_000_u64.to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend([b'A', b'B', 128, 0]);
    bytes.extend([0; 12]);
    bytes.extend(77_u32.to_le_bytes());
    bytes.extend(5_000_250_000_000_i64.to_le_bytes());
    bytes.extend(5_000_500_000_000_i64.to_le_bytes());
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    bytes
}
