//! What becomes of each kind of line, and what is said of one that cannot be understood.

use crate::*;
use tickwerk_domain::command::{QuoteObserved, TradeObserved};
use tickwerk_domain::{Aggressor, DecimalError, Price, Qty};

#[test]
fn quotes_and_trades_become_records_with_both_times() {
    let messages = [
        r#"{"stream":"abcusd@bookTicker","data":{"u":5,"s":"ABCUSD","b":"10.00000000","B":"1.25000000","a":"10.01","A":"2"}}"#,
        r#"{"u":6,"e":"bookTicker","s":"ABCUSD","ps":"ABC","b":"10.0","B":"0","a":"10.01","A":"2","T":3,"E":4}"#,
        r#"{"stream":"abcusd@trade","data":{"e":"trade","E":6,"s":"ABCUSD","t":70,"p":"10.01","q":"0.5","T":5,"m":false,"M":true}}"#,
        r#"{"e":"trade","E":6,"T":5,"s":"ABCUSD","t":71,"p":"10.00","q":"0.5","b":88,"a":89,"X":"MARKET","m":true}"#,
        r#"{"e":"trade","E":6,"T":5,"s":"ABCUSD","t":72,"p":"0","q":"0","X":"NA","m":true}"#,
        r#"{"e":"trade","E":6,"T":5,"s":"ABCUSD","t":75,"p":"10.00","q":"1","X":"MARKET","m":true}"#,
    ];
    let (records, report) = read_well(&messages, config(Market::UsdM));
    let quote = QuoteObserved {
        update_id: 5,
        bid_price: Price(1000),
        bid_qty: Qty(1250),
        ask_price: Price(1001),
        ask_qty: Qty(2000),
        instrument: INSTRUMENT,
    };
    let trade = TradeObserved {
        trade_id: 70,
        price: Price(1001),
        qty: Qty(500),
        instrument: INSTRUMENT,
        aggressor: Aggressor::Buyer,
    };
    let sold = TradeObserved { trade_id: 71, price: Price(1000), aggressor: Aggressor::Seller, ..trade };
    let expected: [Command; 5] = [
        quote.into(),
        QuoteObserved { update_id: 6, bid_qty: Qty(0), ..quote }.into(),
        trade.into(),
        sold.into(),
        TradeObserved { trade_id: 75, qty: Qty(1000), ..sold }.into(),
    ];
    assert_eq!(records.iter().map(command).collect::<Vec<_>>(), expected);
    let envelopes: Vec<_> = records
        .iter()
        .map(|record| record.envelope)
        .map(|envelope| {
            (envelope.time_ns.0, envelope.source_time.0, envelope.source_sequence, envelope.source.0)
        })
        .collect();
    let line = PARTS_PER_LINE;
    assert_eq!(
        envelopes,
        [
            (1000, 0, line, 16),
            (1001, 3_000_000, 2 * line, 16),
            (1002, 5_000_000, 3 * line, 16),
            (1003, 5_000_000, 4 * line, 16),
            (1005, 5_000_000, 6 * line, 16)
        ]
    );
    assert_eq!(
        (report.quotes, report.trades, report.off_book_trades, report.trade_ids_missing),
        (2, 3, 1, 2)
    );
}

#[test]
fn a_receive_time_that_steps_back_does_not_disturb_the_order() {
    let trade = r#"{"e":"trade","E":6,"T":5,"s":"ABCUSD","t":71,"p":"10.00","q":"0.5","m":true}"#;
    let (_dir, path) = write("c", format!("50 {trade}\n40 {trade}\r\n\n60 {trade}").as_bytes());
    let reader = CaptureReader::open(path, config(Market::Spot)).unwrap();
    let times: Vec<u64> = reader.map(|record| record.unwrap().envelope.time_ns.0).collect();
    assert_eq!(times, [50, 50, 60]);
}

#[test]
fn a_malformed_line_is_refused_with_its_number_or_skipped_with_a_count() {
    let good = r#"{"u":5,"s":"ABCUSD","b":"10.00","B":"1.25","a":"10.01","A":"2"}"#;
    let lines = [good, "{\"u\":5,", good];
    let (records, report, error) = read(&lines, config(Market::Spot));
    assert_eq!((records.len(), report.malformed), (1, 1));
    let text = error.unwrap().to_string();
    assert!(text.contains("capture.txt, line 2: the message cannot be read as JSON"), "{text}");

    let (records, report) = read_well(&lines, skipping(Market::Spot));
    assert_eq!((records.len(), report.malformed, report.lines), (2, 1, 3));
    assert!(report.malformed_first[0].starts_with("line 2: "), "{:?}", report.malformed_first);

    let broken = ["broken"; 9];
    let (_, report) = read_well(&broken, skipping(Market::Spot));
    assert_eq!((report.malformed, report.malformed_first.len()), (9, 5));
}

#[test]
fn what_is_wrong_with_a_line_is_named() {
    let quote = r#"{"u":5,"s":"ABCUSD","b":"10.00","B":"1.25","a":"10.01","A":"2"}"#;
    let trade = r#"{"e":"trade","E":6,"T":5,"s":"ABCUSD","t":71,"p":"10.00","q":"0.5","m":true}"#;
    let of = |message: String| {
        let (line, fault) = fault(&[quote, &message], config(Market::Spot));
        assert_eq!(line, 2);
        fault
    };
    let fine = of(quote.replace("10.01", "10.015"));
    let error = DecimalError::TooFine { decimals: 3, scale: 2 };
    assert_eq!(fine, LineFault::Decimal { field: "a", value: "10.015".to_owned(), error });
    assert_eq!(
        fine.to_string(),
        r#"a "10.015" has 3 decimals; the limit is 2; check the scale of the instrument"#
    );
    let large = of(trade.replace("0.5", "99999999999999999999"));
    assert!(matches!(large, LineFault::Decimal { field: "q", error: DecimalError::TooLarge { .. }, .. }));
    let level = of(spot(1, 2).replace("10.00", "10.001"));
    assert!(matches!(level, LineFault::Decimal { field: "b price", .. }), "{level}");
    let level = of(snapshot(1).replace("2.000", "2.0001"));
    assert!(matches!(level, LineFault::Decimal { field: "asks quantity", .. }), "{level}");
    let negative = of(quote.replace("1.25", "-1.25"));
    assert!(matches!(negative, LineFault::OutOfRange { field: "B", .. }), "{negative}");
    let nothing = of(trade.replace("0.5", "0"));
    assert!(matches!(nothing, LineFault::OutOfRange { field: "q", .. }), "{nothing}");
    let backwards = of(spot(3, 2));
    assert!(matches!(backwards, LineFault::OutOfRange { field: "U", .. }), "{backwards}");
    let time = of(trade.replace("\"T\":5", "\"T\":18446744073709551615"));
    assert!(matches!(time, LineFault::OutOfRange { field: "T", .. }), "{time}");
    assert_eq!(of(trade.replace(",\"m\":true", "")), LineFault::Missing { event: "trade", field: "m" });
    assert_eq!(of(futures(1, 2, 3)), LineFault::NotSpot { event: "depthUpdate", field: "pu" });
    let other = of(trade.replace("ABCUSD", "XYZUSD"));
    let expected = LineFault::Symbol { value: "XYZUSD".to_owned(), expected: "ABCUSD".to_owned() };
    assert_eq!(other, expected);
    assert!(other.to_string().contains(r#"symbol "XYZUSD" is not "ABCUSD""#), "{other}");
    assert_eq!(of("{\"x\":1}".to_owned()), LineFault::Unknown);
    assert!(matches!(of("x".repeat(2 << 20)), LineFault::TooLong { .. }));
    let (line, fault) = fault(&[&spot(1, 2)], config(Market::UsdM));
    assert_eq!((line, fault), (1, LineFault::Missing { event: "depthUpdate", field: "pu" }));
}

#[test]
fn a_line_without_a_receive_time_is_named() {
    for (text, shown) in
        [("{\"u\":5}\n", "{\"u\":5}"), ("12x {}", "12x"), ("77", "77"), ("-5 {}", "-5"), ("0 {}", "0")]
    {
        let (_dir, path) = write("c", text.as_bytes());
        let error = CaptureReader::open(path, config(Market::Spot)).unwrap().next().unwrap().unwrap_err();
        let CaptureError::Line { line: 1, fault, .. } = error else { panic!("{error:?}") };
        assert_eq!(fault, LineFault::ReceiveTime { value: shown.to_owned() });
    }
}

#[test]
fn other_events_are_left_out() {
    let lines = [
        r#"{"stream":"abcusd@aggTrade","data":{"e":"aggTrade","E":1,"s":"ABCUSD","a":5933014,"p":"0.001","q":"100","f":1,"l":2,"T":3,"m":true}}"#,
        r#"{"e":"kline","E":1,"s":"ABCUSD","k":{"t":1,"T":2,"s":"ABCUSD","o":"1"}}"#,
        r#"{"result":null,"id":312}"#,
        r#"{"stream":"abcusd@depth20","data":{"lastUpdateId":160,"bids":[["1.00","1"]],"asks":[]}}"#,
        r#"{"stream":"abcusd@depth20@100ms","data":{"e":"depthUpdate","E":1,"T":1,"s":"ABCUSD","U":1,"u":2,"pu":0,"b":[],"a":[]}}"#,
    ];
    let (records, report) = read_well(&lines, config(Market::UsdM));
    assert_eq!((records.len(), report.ignored), (0, 5));
}
