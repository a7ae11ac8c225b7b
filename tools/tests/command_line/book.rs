//! `tickwerk book` over recordings beside the project, which are skipped where they are not there, and over small files
//! that are made here.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use crate::tickwerk;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A recording, or `None` with one line where it is missing.
fn shared(path: &str) -> Option<String> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(path);
    if whole.is_file() {
        return Some(whole.to_str().expect("a path of text").to_owned());
    }
    println!("skipped: {path} is not beside the project");
    None
}

/// A file that is made here.
fn made(name: &str, text: &str) -> String {
    made_of(name, text.as_bytes())
}

fn made_of(name: &str, bytes: &[u8]) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("book");
    std::fs::create_dir_all(&folder).expect("a folder for files");
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a file can be written");
    path.to_str().expect("a path of text").to_owned()
}

#[track_caller]
fn book(code: i32, arguments: &[&str]) -> Value {
    let Output { status, stdout, stderr } = tickwerk(&[&["book", "--json"], arguments].concat());
    assert_eq!(status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).expect("one JSON object")
}

/// The counts with these names.
fn counts<const COUNT: usize>(book: &Value, names: [&str; COUNT]) -> [u64; COUNT] {
    names.map(|name| book[name].as_u64().unwrap_or_else(|| panic!("{name} is a number: {book}")))
}

const CHECK: [&str; 4] = ["rows", "determinable", "matched", "differing"];
const QUEUES: [&str; 4] = ["executions", "at_best", "queue_front", "known_orders"];

fn lobster(folder: &str, messages: &str, rows: &str) -> Option<Value> {
    let (messages, rows) =
        (shared(&format!("lobster/{folder}/{messages}"))?, shared(&format!("lobster/{folder}/{rows}"))?);
    Some(book(0, &["--format", "lobster", &messages, "--check", &rows]))
}

#[test]
fn the_apple_hour_is_rebuilt_to_its_best_level() {
    const MESSAGES: &str = "AAPL_2012-06-21_34200000_37800000_message_50.csv";
    let top = "AAPL_2012-06-21_34200000_37800000_orderbook_50_top1.csv";
    let Some(book) = lobster("AAPL_hour_L50", MESSAGES, top) else {
        return;
    };
    // Of 91,997 rows, the first one seeds and nine show a level that rested before the file and was never told of.
    assert_eq!(counts(&book, CHECK), [91_997, 91_987, 91_987, 0]);
    assert_eq!(counts(&book, QUEUES), [4_067, 4_067, 4_046, 4_055]);
    assert_eq!(counts(&book, ["negative_levels", "crossed_rows", "unknown_orders"]), [0, 0, 84]);

    let Some(deep) = lobster("AAPL_hour_L50", MESSAGES, "AAPL_2012-06-21_orderbook_50_first672.csv") else {
        return;
    };
    // Fifty levels a side.
    assert_eq!(counts(&deep, CHECK), [672, 670, 670, 0]);
    assert_eq!(counts(&deep, QUEUES), [4_067, 4_067, 4_046, 4_055]);
}

#[test]
fn every_determinable_transition_of_the_amazon_day_is_right() {
    let messages = "AMZN_2012-06-21_34200000_57600000_message_1.csv";
    let rows = "AMZN_2012-06-21_34200000_57600000_orderbook_1.csv";
    if let Some(book) = lobster("AMZN_L1", messages, rows) {
        assert_eq!(counts(&book, CHECK), [57_515, 41_117, 41_117, 0]);
        assert_eq!(counts(&book, ["executions", "at_best"]), [8_974, 8_974]);
    }
}

#[test]
fn ten_levels_of_apple_are_rebuilt() {
    let messages = "AAPL_2012-06-21_34200000_57600000_message_10.csv";
    let rows = "AAPL_2012-06-21_34200000_57600000_orderbook_10.csv";
    if let Some(book) = lobster("AAPL_L10_first998", messages, rows) {
        assert_eq!(counts(&book, CHECK), [999, 984, 984, 0]);
        assert_eq!(counts(&book, QUEUES), [98, 98, 94, 94]);
    }
}

#[test]
fn the_books_of_es_know_every_order_and_are_never_crossed() {
    for (file, items, orders, executions, bid, ask) in [
        ("esh4-glbx-mdp3-20231224.mbo.dbn.zst", 8_725, 8_725, 0, "4799.00", "4799.50"),
        (
            "orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst",
            13_796,
            13_598,
            5,
            "5214.00",
            "5214.25",
        ),
    ] {
        let Some(path) = shared(&format!("databento_mbo/{file}")) else {
            continue;
        };
        let book = book(0, &["--format", "databento", &path]);
        assert_eq!(
            counts(&book, ["items", "orders", "executions", "at_best", "known_orders"]),
            [items, orders, executions, executions, executions],
            "{file}"
        );
        let faults = ["unknown_orders", "duplicate_orders", "negative_levels", "crossed_rows"];
        assert_eq!(counts(&book, faults), [0; 4], "{file}");
        assert_eq!((&book["best_bid"]["price"], &book["best_ask"]["price"]), (&bid.into(), &ask.into()));
    }
}

#[test]
fn a_databento_file_of_another_schema_says_which_it_is() {
    let Some(path) = shared("databento_mbo/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst") else {
        return;
    };
    let Output { status, stderr, .. } = tickwerk(&["book", "--format", "databento", &path]);
    assert_eq!(status.code(), Some(1));
    let said = String::from_utf8_lossy(&stderr);
    assert!(said.contains("type 0x01, not mbo (0xa0)"), "{said}");
}

#[test]
fn twenty_levels_of_bitstamp_are_rebuilt() {
    let (Some(log), Some(csv)) =
        (shared("bitstamp_l3/2015-05-01.log.xz"), shared("bitstamp_l3/orders.csv.xz"))
    else {
        return;
    };
    // Two rows show what the events, which came out of their order, never pass through. The csv cut its quantities.
    for file in [&log, &csv] {
        let checked = book(3, &["--format", "bitstamp", file, "--check", &log]);
        assert_eq!(counts(&checked, CHECK), [5_011, 4_985, 4_983, 2], "{file}");
        assert_eq!(counts(&checked, QUEUES), [1_145, 1_118, 1_118, 1_118], "{file}");
        assert_eq!(counts(&checked, ["unknown_orders", "late_items"]), [191, 27], "{file}");
    }

    let [from_log, from_csv] = [&log, &csv].map(|file| book(0, &["--format", "bitstamp", file]));
    assert_eq!(counts(&from_csv, QUEUES), counts(&from_log, QUEUES));
    assert_eq!(
        counts(&from_csv, ["orders", "negative_levels"]),
        counts(&from_log, ["orders", "negative_levels"])
    );
    assert_eq!(from_csv["best_bid"]["price"], from_log["best_bid"]["price"]);
}

/// A record of an order, with what a book needs of it: action, side, order, price, size, sequence.
fn mbo(action: u8, side: u8, order: u64, price: i64, size: u32, sequence: u32) -> Vec<u8> {
    const LAST: u8 = 128;
    let mut record = vec![14, 0xa0, 1, 0, 4, 0, 0, 0];
    record.extend(1_700_000_000_000_000_000_u64.to_le_bytes());
    record.extend(order.to_le_bytes());
    record.extend((price * 1_000_000_000).to_le_bytes());
    record.extend(size.to_le_bytes());
    record.extend([LAST, 0, action, side]);
    record.extend([0; 12]);
    record.extend(sequence.to_le_bytes());
    record
}

/// A record of the best level behind the sequence.
fn mbp(bid: (i64, u32), ask: (i64, u32), sequence: u32) -> Vec<u8> {
    const LAST: u8 = 128;
    let mut record = vec![20, 1, 1, 0, 4, 0, 0, 0];
    record.extend([0; 20]);
    record.extend([b'A', b'B', LAST, 0]);
    record.extend([0; 12]);
    record.extend(sequence.to_le_bytes());
    record.extend([bid.0, ask.0].map(|price| (price * 1_000_000_000).to_le_bytes()).concat());
    record.extend([bid.1, ask.1, 1, 1].map(u32::to_le_bytes).concat());
    record
}

#[test]
fn a_databento_book_is_checked_against_its_best_levels() {
    let file = |name: &str, records: &[Vec<u8>]| {
        made_of(name, &[&b"DBN\x01\x00\x00\x00\x00"[..], &records.concat()].concat())
    };
    let orders = [
        mbo(b'R', b'N', 0, 0, 0, 1),
        mbo(b'A', b'B', 1, 100, 5, 2),
        mbo(b'A', b'A', 2, 102, 7, 3),
        mbo(b'T', b'B', 9, 102, 3, 4),
        mbo(b'F', b'A', 2, 102, 3, 4),
        mbo(b'C', b'A', 2, 102, 3, 4),
        mbo(b'A', b'B', 3, 101, 1, 6),
    ];
    let orders = file("orders.dbn", &orders);
    let rows = |last| [mbp((100, 5), (102, 7), 3), mbp((100, 5), (102, 4), 4), mbp((101, last), (102, 4), 6)];
    let right = file("right.dbn", &rows(1));
    let checked = book(0, &["--format", "databento", &orders, "--check", &right]);
    assert_eq!(counts(&checked, CHECK), [3, 3, 3, 0]);
    assert_eq!(counts(&checked, QUEUES), [1, 1, 1, 1]);
    let wrong = file("wrong.dbn", &rows(2));
    let checked = book(3, &["--format", "databento", &orders, "--check", &wrong]);
    assert_eq!(counts(&checked, CHECK), [3, 3, 2, 1]);
    assert_eq!(checked["first_difference"]["sequence"].as_u64(), Some(6));
    let other = file("other.dbn", &[mbp((100, 5), (102, 7), 90), mbp((100, 5), (102, 4), 91)]);
    let checked = book(1, &["--format", "databento", &orders, "--check", &other]);
    assert_eq!(counts(&checked, CHECK), [0; 4], "a check that compared nothing is none");
}

const MESSAGES: &str = "34200.1,1,1,100,5853300,1\n34200.2,1,2,50,5853300,1\n34200.3,1,3,70,5853400,-1\n34201,4,1,40,5853300,1\n";
const ROWS: &str =
    "9999999999,0,5853300,100\n9999999999,0,5853300,150\n5853400,70,5853300,150\n5853400,70,5853300,110\n";

#[test]
fn a_book_is_shown_at_a_time_by_price_and_by_order() {
    let file = made("shown.csv", MESSAGES);
    let text = |arguments: &[&str]| {
        let Output { status, stdout, stderr } =
            tickwerk(&[&["book", "--format", "lobster", &file], arguments].concat());
        assert_eq!((status.code(), stderr.len()), (Some(0), 0));
        String::from_utf8(stdout).expect("text")
    };
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let by_price = text(&[]);
    let level = by_price.lines().find(|line| line.contains("585.33")).expect("a level");
    assert_eq!(words(level), ["2", "110", "585.33", "585.34", "70", "1"], "{by_price}");
    let by_order = text(&["--orders", "--at", "09:30:00.2"]);
    let orders: Vec<_> = by_order.lines().filter(|line| line.contains("585.33")).map(words).collect();
    assert_eq!(orders, [["1", "100", "585.33"], ["2", "50", "585.33"]], "{by_order}");
    assert!(by_order.contains("2 items, 2 orders in the book at 09:30:00.200000000"), "{by_order}");
    let book = book(0, &["--format", "lobster", &file, "--at", "34200.25", "--levels", "0"]);
    assert_eq!(
        (book["items"].as_u64(), &book["best_ask"], &book["bids"]),
        (Some(2), &Value::Null, &Value::Array(vec![]))
    );
}

#[test]
fn a_reference_that_differs_ends_with_3_and_names_the_place() {
    let (file, rows) = (made("equal.csv", MESSAGES), made("equal_rows.csv", ROWS));
    let equal = book(0, &["--format", "lobster", &file, "--check", &rows]);
    // The first row was guessed right, as nothing rested before.
    assert_eq!(counts(&equal, CHECK), [4, 4, 4, 0]);
    assert_eq!(equal["first_difference"], Value::Null);
    let other = made("other_rows.csv", &ROWS.replace("5853300,110", "5853300,111"));
    let differs = book(3, &["--format", "lobster", &file, "--check", &other]);
    assert_eq!(counts(&differs, CHECK), [4, 4, 3, 1]);
    let first = &differs["first_difference"];
    assert_eq!((first["sequence"].as_u64(), &first["reference"]["qty"]), (Some(4), &"111".into()));
    let Output { status, stdout, .. } = tickwerk(&["book", "--format", "lobster", &file, "--check", &other]);
    let text = String::from_utf8(stdout).expect("text");
    assert_eq!(status.code(), Some(3));
    assert!(
        text.contains("DIFFERENT") && text.contains("rebuilt 110 at 585.33, reference 111 at 585.33"),
        "{text}"
    );
}

#[test]
fn nonsense_ends_with_its_code_its_place_and_nothing_on_stdout() {
    let file = made("nonsense.csv", &format!("{MESSAGES}34202,9,1,1,1,1\n"));
    let rows = made("nonsense_rows.csv", "1,2,3\n");
    let empty = made("empty.csv", "");
    let good = made("good.csv", MESSAGES);
    for (code, said, arguments) in [
        (2, "--format", &["x"][..]),
        (2, "nasdaq", &["x", "--format", "nasdaq"]),
        (2, "--at", &[&good, "--format", "lobster", "--at", "noon"]),
        (2, "nanoseconds since 1970", &[&good, "--format", "bitstamp", "--at", "10:15"]),
        (2, "--window", &[&good, "--format", "lobster", "--window", "0"]),
        (74, "cannot open", &["no/such/file", "--format", "lobster"]),
        (74, "cannot open no/rows", &[&good, "--format", "lobster", "--check", "no/rows"]),
        (74, "the file is empty", &[&empty, "--format", "databento"]),
        (1, "line 5: type \"9\" is not allowed; expected 1 to 7", &[&file, "--format", "lobster"]),
        (1, "line 1: the line has 3 fields", &[&good, "--format", "lobster", "--check", &rows]),
        (1, "line 1: the first line is", &[&good, "--format", "bitstamp"]),
        (1, "expected \"DBN\"", &[&good, "--format", "databento"]),
    ] {
        let Output { status, stdout, stderr } = tickwerk(&[&["book"], arguments].concat());
        let text = String::from_utf8_lossy(&stderr);
        assert_eq!((status.code(), stdout.len()), (Some(code), 0), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}
