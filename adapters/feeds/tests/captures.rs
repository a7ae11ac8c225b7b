//! The recorded captures beside the project: a book rebuilt from the records equals the exchange's own quotes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test code; a skipped test says so")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use tickwerk_domain::{BookDelta, Command, InstrumentId, Level, Payload, Price, Qty, Side, SourceId};
use tickwerk_feeds::{BookCheck, BookTop, CaptureConfig, CaptureReader, Market, OnMalformed};

/// The simplest book there is.
#[derive(Default)]
struct Oracle {
    bids: BTreeMap<Price, Qty>,
    asks: BTreeMap<Price, Qty>,
    bid_levels_max: usize,
    ask_levels_max: usize,
}

impl Oracle {
    fn apply(&mut self, delta: &BookDelta) {
        if delta.clears() {
            self.bids.clear();
            self.asks.clear();
        }
        for (side, Level { price, qty }) in delta.sided_levels() {
            let levels = match side {
                Side::Buy => &mut self.bids,
                Side::Sell => &mut self.asks,
            };
            if qty == Qty::ZERO {
                levels.remove(&price);
            } else {
                levels.insert(price, qty);
            }
        }
        self.bid_levels_max = self.bid_levels_max.max(self.bids.len());
        self.ask_levels_max = self.ask_levels_max.max(self.asks.len());
    }

    fn top(&self) -> BookTop {
        let level = |(price, qty): (&Price, &Qty)| Level { price: *price, qty: *qty };
        BookTop { bid: self.bids.last_key_value().map(level), ask: self.asks.first_key_value().map(level) }
    }
}

struct Expected {
    file: &'static str,
    market: Market,
    symbol: &'static str,
    scales: (u8, u8),
    lines: u64,
    updates: u64,
}

fn check(expected: &Expected) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/binance_ws").join(expected.file);
    if !path.exists() {
        println!("skipped: {} is not beside the project", expected.file);
        return;
    }
    let config = CaptureConfig {
        market: expected.market,
        symbol: expected.symbol.to_owned(),
        instrument: InstrumentId(1),
        price_scale: expected.scales.0,
        quantity_scale: expected.scales.1,
        source: SourceId::FIRST_FEED,
        on_malformed: OnMalformed::Refuse,
        resume_after: 0,
    };
    let mut reader = CaptureReader::open(&path, config).unwrap();
    let mut book = Oracle::default();
    let mut check = BookCheck::new();
    let mut last = (0, 0);
    for record in reader.by_ref() {
        let record = record.unwrap();
        let place = (record.envelope.source_sequence, record.envelope.time_ns.0);
        assert!(place.0 > last.0 && place.1 >= last.1, "{place:?} after {last:?}");
        last = place;
        let Payload::Command(command) = record.payload else { panic!("a feed has commands only") };
        if let Command::QuoteObserved(quote) = &command {
            check.quote(quote);
        }
        if let Command::BookDelta(delta) = &command {
            book.apply(delta);
            check.book(delta, book.top());
        }
    }
    let result = check.finish();
    println!(
        "{}: {result:?}, most levels {} bids, {} asks, {:?}",
        expected.file,
        book.bid_levels_max,
        book.ask_levels_max,
        reader.report()
    );
    assert_eq!((result.matched, result.total), (expected.updates, expected.updates));
    assert_eq!(result.first_mismatch, None);
    let report = reader.report();
    assert_eq!(report.lines, expected.lines);
    assert_eq!((report.trade_ids_missing, report.gaps, report.malformed), (0, 0, 0));
}

#[test]
fn the_spot_btcusdt_book_equals_the_quotes_of_the_exchange() {
    check(&Expected {
        file: "spot_btcusdt_20240808.gz",
        market: Market::Spot,
        symbol: "BTCUSDT",
        scales: (2, 8),
        lines: 41_249,
        updates: 3_448,
    });
}

#[test]
fn the_spot_ethusdt_book_equals_the_quotes_of_the_exchange() {
    check(&Expected {
        file: "spot_ethusdt_20240808.gz",
        market: Market::Spot,
        symbol: "ETHUSDT",
        scales: (2, 8),
        lines: 33_618,
        updates: 3_432,
    });
}

#[test]
fn the_usdm_btcusdt_book_equals_the_quotes_of_the_exchange() {
    check(&Expected {
        file: "usdm_btcusdt_20240808.gz",
        market: Market::UsdM,
        symbol: "BTCUSDT",
        scales: (2, 3),
        lines: 93_954,
        updates: 6_545,
    });
}

#[test]
fn the_coinm_btcusd_book_equals_the_quotes_of_the_exchange() {
    check(&Expected {
        file: "cm_btcusd_perp_20240808.gz",
        market: Market::CoinM,
        symbol: "BTCUSD_PERP",
        scales: (1, 0),
        lines: 48_270,
        updates: 26_822,
    });
}
