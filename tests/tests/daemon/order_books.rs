//! Markets that are told order by order: real recordings whole, and a run that is killed and goes on.

use crate::fixture::{examples, run_arguments, tell_skipped};
use crate::process::{Process, records_of, reexecute, run};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tickwerk_domain::{InstrumentId, Sequence};
use tickwerk_engine::market::BookState;
use tickwerk_engine::replay::Replay;
use tickwerk_journal::Reader;

const LOBSTER: &str = "lobster/AAPL_hour_L50/AAPL_2012-06-21_34200000_37800000_message_50.csv";
const SEED: &str = "lobster/AAPL_hour_L50/AAPL_2012-06-21_orderbook_50_first672.csv";
const BEST: &str = "lobster/AAPL_hour_L50/AAPL_2012-06-21_34200000_37800000_orderbook_50_top1.csv";
const ES: [&str; 2] = [
    "databento_mbo/esh4-glbx-mdp3-20231224.mbo.dbn.zst",
    "databento_mbo/orderbooks_mbo_2024-05-08T00-00-00_2024-05-08T00-00-02.dbn.zst",
];

/// A recording beside the project, or nothing and a line that says so.
fn recording(name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root folder");
    let path = root.join("../shared/data").join(name);
    if path.exists() {
        return Some(path.to_str().expect("plain names").to_owned());
    }
    tell_skipped(&format!("there is no {}", path.display()));
    None
}

/// What must be the same in the end.
fn outcome(summary: &Value) -> [Value; 3] {
    let journal = &summary["journal"];
    [&summary["digest"], &journal["chain_head"], &journal["last_sequence"]].map(Clone::clone)
}

#[test]
fn an_hour_of_orders_agrees_with_the_exchange_and_trades() {
    let (Some(path), Some(seed), Some(best)) = (recording(LOBSTER), recording(SEED), recording(BEST)) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = |dir: &Path| {
        let dir = dir.to_str().expect("plain names");
        let sets = [
            ("feed.path", &*path),
            ("feed.book_path", &*seed),
            ("feed.check_path", &*best),
            ("journal.dir", dir),
            ("journal.segment_size", "4MiB"),
        ];
        run_arguments(&examples().join("order-by-order.toml"), &sets)
    };
    let dir = folder.path().join("whole");
    let summary = run(arguments(&dir)).expect(0).json();
    // The 90 others come from one order that the data never take away.
    assert_eq!(summary["book_check"], json!({ "matched": 91_907, "total": 91_997 }));
    assert!(summary["fills"].as_u64() > Some(0), "{summary}");
    assert_eq!(reexecute(&dir)["chain_head"], summary["journal"]["chain_head"]);

    let again = folder.path().join("killed");
    let last = summary["journal"]["last_sequence"].as_u64().expect("a number");
    for part in 1..=3 {
        let mut process = Process::start(arguments(&again));
        process.wait_until_written(&again, last * part / 5);
        process.kill();
    }
    let resumed = run(arguments(&again)).expect(0).json();
    assert_eq!(outcome(&resumed), outcome(&summary));
    assert_eq!(resumed["book_check"], summary["book_check"]);
}

const ES_CONFIG: &str = r#"
[journal]
acknowledge = "written"
segment_size = "1MiB"
[feed]
kind = "order_by_order"
format = "databento"
instrument = "ES"
[[currency]]
code = "ES"
scale = 0
[[currency]]
code = "USD"
scale = 2
[[instrument]]
symbol = "ES"
kind = "linear"
base = "ES"
quote = "USD"
price_scale = 2
quantity_scale = 0
tick_size = "0.25"
lot_size = "1"
quantity_max = "1000"
multiplier = 50
[[account]]
name = "paper"
deposits = { USD = "1000000" }
"#;

/// The market of the first instrument, as the journal in `dir` leads to it.
fn market_of(dir: &Path) -> (BookState, [(i64, i64); 2], usize) {
    let mut reader = Reader::open(dir, Sequence::NONE).expect("a journal");
    let mut replay = Replay::new();
    while let Some(frame) = reader.next().expect("a whole journal") {
        replay.apply(frame.records).expect("the same decisions");
    }
    let machine = replay.core().machine();
    let market = machine.market(InstrumentId(1));
    let touch = [market.touch.bid, market.touch.ask].map(|level| (level.price.0, level.qty.0));
    let orders = machine.order_book(InstrumentId(1)).map_or(0, |book| book.book().len());
    (market.state, touch, orders)
}

#[test]
fn contracts_told_order_by_order_end_with_the_book_that_is_rebuilt_from_them() {
    for name in ES {
        let Some(path) = recording(name) else { return };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (dir, config) = (folder.path().join("journal"), folder.path().join("config.toml"));
        std::fs::write(&config, ES_CONFIG).expect("a file can be written");
        let sets = [("feed.path", &*path), ("journal.dir", dir.to_str().expect("plain names"))];
        run(run_arguments(&config, &sets)).expect(0);
        reexecute(&dir);
        let book = run(["book", "--format", "databento", &path, "--json"]).expect(0).json();
        let (state, touch, orders) = market_of(&dir);
        assert_eq!(state, BookState::Live, "{name}");
        assert_eq!(book["orders"].as_u64(), Some(orders as u64), "{book}");
        let shown = |side: &str| {
            let level = &book[side][0];
            let cents = level["price"].as_str().expect("a price").parse::<f64>().expect("a number") * 100.0;
            (cents, level["qty"].as_str().and_then(|qty| qty.parse::<i64>().ok()))
        };
        for (side, (price, qty)) in ["bids", "asks"].into_iter().zip(touch) {
            let (cents, there) = shown(side);
            #[expect(clippy::float_cmp, clippy::cast_precision_loss, reason = "quarters are exact")]
            let is_equal = cents == price as f64;
            assert!(is_equal && there == Some(qty), "{name}: {side} {price} {qty}, {book}");
        }
    }
}

#[test]
fn a_day_of_the_best_level_agrees_with_the_exchange() {
    let base = "lobster/AMZN_L1/AMZN_2012-06-21_34200000_57600000";
    let files = ["message", "orderbook"].map(|kind| recording(&format!("{base}_{kind}_1.csv")));
    let [Some(path), Some(book)] = files else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("config.toml");
    let text = std::fs::read_to_string(examples().join("order-by-order.toml")).expect("an example");
    std::fs::write(&config, text.replace("AAPL", "AMZN")).expect("a file can be written");
    let dir = folder.path().join("journal");
    let sets = [
        ("feed.path", &*path),
        ("feed.book_path", &*book),
        ("journal.dir", dir.to_str().expect("plain names")),
        ("journal.segment_size", "4MiB"),
    ];
    let finished = run(run_arguments(&config, &sets)).expect_told(0, &["41117 items tell the best levels"]);
    assert_eq!(finished.json()["book_check"], json!({ "matched": 57_515, "total": 57_515 }));
    reexecute(&dir);
}

/// LOBSTER messages: orders come and go around a price that rises and falls, some executed, some hidden.
fn messages(count: u64) -> String {
    // A message of each parity is on the same side; prices are dollars × 10,000 in cents.
    let middle = |number: u64| {
        let wave = number / 8 % 100;
        1_000_000 + 100 * if wave < 50 { wave } else { 100 - wave }
    };
    let order = |number: u64| {
        if number.is_multiple_of(2) { (1, middle(number) - 200) } else { (-1, middle(number) + 200) }
    };
    let mut text = String::new();
    let mut tell = |line: String| writeln!(text, "{line}").expect("writing to a string cannot fail");
    for number in 0..count {
        let (side, price) = order(number);
        let time = format!("{}.{:03}", 34_200 + number / 1_000, number % 1_000);
        tell(format!("{time},1,{},100,{price},{side}", number + 1));
        let Some(old) = number.checked_sub(8) else { continue };
        // The order of eight messages before is executed, deleted or lessened, and at times a hidden one trades.
        let (kind, qty) =
            [(4, 100), (3, 100), (4, 100), (3, 100)][usize::try_from(old / 2 % 4).expect("small")];
        let (side, price) = order(old);
        tell(format!("{time},{kind},{},{qty},{price},{side}", old + 1));
        if old % 4 == 3 {
            tell(format!("{time},5,0,10,{},{side}", middle(number)));
        }
    }
    text
}

fn made(folder: &Path) -> (PathBuf, PathBuf) {
    let text = std::fs::read_to_string(examples().join("order-by-order.toml")).expect("an example");
    let text = text.replace("fast = 500, slow = 2000", "fast = 5, slow = 20").replace("64MiB", "1MiB");
    let (config, data) = (folder.join("config.toml"), folder.join("MADE_2024-02-29_message_10.csv"));
    std::fs::write(&config, text).expect("a file can be written");
    std::fs::write(&data, messages(4_000)).expect("a file can be written");
    (config, data)
}

#[test]
fn a_run_over_orders_that_was_killed_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = made(folder.path());
    let arguments = |dir: &Path| {
        let sets = [
            ("feed.path", data.to_str().expect("plain names")),
            ("journal.dir", dir.to_str().expect("plain names")),
        ];
        run_arguments(&config, &sets)
    };
    let whole = run(arguments(&folder.path().join("whole"))).expect(0).json();
    assert!(whole["fills"].as_u64() > Some(3), "{whole}");
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    let journal = folder.path().join("journal");
    for part in 1..=4 {
        let mut process = Process::start(arguments(&journal));
        process.wait_until_written(&journal, last * part / 6);
        process.kill();
    }
    let resumed = run(arguments(&journal)).expect(0).json();
    assert_eq!(outcome(&resumed), outcome(&whole));
    reexecute(&journal);
}

#[test]
fn halts_of_the_data_halt_the_market() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = made(folder.path());
    let all = messages(4_000);
    let lines: Vec<&str> = all.lines().collect();
    let (before, after) = lines.split_at(lines.len() / 2);
    let time = before.last().and_then(|line| line.split(',').next()).expect("a time");
    let halt = [-1, 0, 1].map(|state| format!("{time},7,0,0,{state},-1"));
    let text = [before.join("\n"), halt.join("\n"), after.join("\n")].join("\n");
    std::fs::write(&data, text).expect("a file can be written");
    let dir = folder.path().join("journal");
    let sets = [
        ("feed.path", data.to_str().expect("plain names")),
        ("journal.dir", dir.to_str().expect("plain names")),
    ];
    run(run_arguments(&config, &sets)).expect_told(0, &["3 halts of trading and ends of them"]);
    let sessions = records_of(&dir, "market.session_set");
    let states: Vec<_> = sessions.iter().map(|record| record["payload"]["state"].clone()).collect();
    assert_eq!(states, ["halted", "pre_open", "continuous"]);
    reexecute(&dir);
    let (state, ..) = market_of(&dir);
    assert_eq!(state, BookState::Live);
}

#[test]
fn recorded_latencies_are_told_once_and_anew_where_the_file_is_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = made(folder.path());
    let latencies = folder.path().join("latencies.csv");
    let words = format!(
        "latency_model = \"recorded\", latency_file = \"{}\", queue_model",
        latencies.to_str().expect("plain names")
    );
    let text = std::fs::read_to_string(&config).expect("a file");
    std::fs::write(&config, text.replace("queue_model", &words)).expect("a file can be written");
    let start = 1_709_164_800_000_000_000_u64 + 34_200_000_000_000;
    let table = |latency: u64| {
        let row = |row: u64| (start + row * 1_000_000_000, latency);
        let rows = (0..5)
            .map(row)
            .map(|(sent, latency)| format!("{sent},{},{}", sent + latency, sent + 2 * latency));
        format!("sent_ns,arrived_ns,reported_ns\n{}\n", rows.collect::<Vec<_>>().join("\n"))
    };
    let dir = folder.path().join("journal");
    let told = |expected| {
        let sets = [
            ("feed.path", data.to_str().expect("plain names")),
            ("journal.dir", dir.to_str().expect("plain names")),
        ];
        let summary = run(run_arguments(&config, &sets)).expect(0).json();
        let count = |kind| records_of(&dir, kind).len();
        assert_eq!((count("market.venue_latency_set"), count("market.latency_recorded")), expected);
        summary
    };
    std::fs::write(&latencies, table(700_000)).expect("a file can be written");
    let whole = told((1, 5));
    assert!(whole["fills"].as_u64() > Some(3), "{whole}");
    assert_eq!(outcome(&told((1, 5)))[1..], outcome(&whole)[1..], "the same file tells nothing new");
    // One row is as it was: the venue has forgotten it all the same.
    let other = table(900_000).replacen(
        &format!("{start},{},{}", start + 900_000, start + 1_800_000),
        &format!("{start},{},{}", start + 700_000, start + 1_400_000),
        1,
    );
    std::fs::write(&latencies, other).expect("a file can be written");
    told((2, 10));
    reexecute(&dir);
    std::fs::write(&latencies, "sent_ns,arrived_ns\n").expect("a file can be written");
    let sets = [("journal.dir", dir.to_str().expect("plain names"))];
    run(run_arguments(&config, &sets)).expect_told(78, &["line 1", "sent_ns,arrived_ns,reported_ns"]);
}

#[test]
fn a_value_too_fine_for_the_instrument_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, data) = made(folder.path());
    std::fs::write(&data, "34200.0,1,7,100,1000001,1\n").expect("a file can be written");
    let text = std::fs::read_to_string(&config).expect("a file");
    std::fs::write(&config, text.replace("price_scale = 4", "price_scale = 2"))
        .expect("a file can be written");
    let dir = folder.path().join("journal");
    let sets = [
        ("feed.path", data.to_str().expect("plain names")),
        ("journal.dir", dir.to_str().expect("plain names")),
    ];
    run(run_arguments(&config, &sets)).expect_told(1, &["update 1", "price 100.0001", "2 decimals"]);
}
