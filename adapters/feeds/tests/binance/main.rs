//! Captures in the dialects of the venue, with numbers of our own: what becomes of each line.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "test code")]

mod depth;
mod files;
mod lines;

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;
use tickwerk_domain::{Command, InstrumentId, Payload, Record, SourceId};
use tickwerk_feeds::{
    CaptureConfig, CaptureError, CaptureReader, CaptureReport, LineFault, Market, OnMalformed, PARTS_PER_LINE,
};

pub(crate) const INSTRUMENT: InstrumentId = InstrumentId(4);

pub(crate) fn config(market: Market) -> CaptureConfig {
    CaptureConfig {
        market,
        symbol: "ABCUSD".to_owned(),
        instrument: INSTRUMENT,
        price_scale: 2,
        quantity_scale: 3,
        source: SourceId(16),
        on_malformed: OnMalformed::Refuse,
        resume_after: 0,
    }
}

pub(crate) fn skipping(market: Market) -> CaptureConfig {
    CaptureConfig { on_malformed: OnMalformed::Skip, ..config(market) }
}

pub(crate) fn write(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Lines with receive times 1000, 1001, …
pub(crate) fn capture(messages: &[&str]) -> String {
    let mut text = String::new();
    for (index, message) in messages.iter().enumerate() {
        writeln!(text, "{} {message}", 1000 + index).unwrap();
    }
    text
}

pub(crate) fn read(
    messages: &[&str],
    config: CaptureConfig,
) -> (Vec<Record>, CaptureReport, Option<CaptureError>) {
    let (_dir, path) = write("capture.txt", capture(messages).as_bytes());
    let mut reader = CaptureReader::open(path, config).unwrap();
    let mut records = Vec::new();
    let mut error = None;
    for item in reader.by_ref() {
        match item {
            Ok(record) => records.push(record),
            Err(found) => error = Some(found),
        }
    }
    assert!(reader.next().is_none(), "nothing comes after the end");
    (records, reader.report().clone(), error)
}

pub(crate) fn read_well(messages: &[&str], config: CaptureConfig) -> (Vec<Record>, CaptureReport) {
    let (records, report, error) = read(messages, config);
    assert!(error.is_none(), "{error:?}");
    (records, report)
}

pub(crate) fn command(record: &Record) -> Command {
    match record.payload {
        Payload::Command(command) => command,
        Payload::Event(_) => panic!("a feed has commands only"),
    }
}

/// Short words for what the records say of the book: `C` clears, `L` last, and the update id; gaps with both ids.
pub(crate) fn book_words(records: &[Record]) -> Vec<String> {
    let word = |record| match command(record) {
        Command::BookDelta(delta) => {
            let flag = |set, word| if set { word } else { "" };
            format!("{}{}{}", flag(delta.clears(), "C"), flag(delta.is_last(), "L"), delta.update_id)
        }
        Command::MarketGapObserved(gap) => format!("{} {}→{}", gap.reason, gap.expected, gap.received),
        other => other.event_type().to_owned(),
    };
    records.iter().map(word).collect()
}

pub(crate) fn fault(messages: &[&str], config: CaptureConfig) -> (u64, LineFault) {
    match read(messages, config).2 {
        Some(CaptureError::Line { line, fault, .. }) => (line, fault),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn spot(first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"abcusd@depth@100ms","data":{{"e":"depthUpdate","E":7,"s":"ABCUSD","U":{first},"u":{last},"b":[["10.00","1.5"]],"a":[]}}}}"#
    )
}

pub(crate) fn futures(previous: u64, first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"abcusd@depth@0ms","data":{{"e":"depthUpdate","E":9,"T":8,"s":"ABCUSD","U":{first},"u":{last},"pu":{previous},"b":[],"a":[["10.02","2"],["10.03","0.000"]]}}}}"#
    )
}

pub(crate) fn snapshot(update_id: u64) -> String {
    format!(r#"{{"lastUpdateId":{update_id},"bids":[["10.00","1.000"]],"asks":[["10.01","2.000"]]}}"#)
}

pub(crate) fn strs(messages: &[String]) -> Vec<&str> {
    messages.iter().map(String::as_str).collect()
}

/// A capture with something of everything.
pub(crate) fn mixed() -> Vec<String> {
    let quote = r#"{"u":5,"s":"ABCUSD","b":"10.00","B":"1.25","a":"10.01","A":"2"}"#;
    let levels: Vec<String> = (1..30).map(|n| format!(r#"["{n}.00","1"]"#)).collect();
    let large = format!(r#"{{"lastUpdateId":7,"bids":[{}],"asks":[]}}"#, levels.join(","));
    vec![
        quote.to_owned(),
        spot(6, 8),
        large,
        spot(9, 9),
        quote.to_owned(),
        "broken".to_owned(),
        spot(11, 11),
        spot(12, 12),
        snapshot(11),
        quote.to_owned(),
        spot(13, 13),
    ]
}
