//! `import`: history of another system, out of CSV and `SQLite` files.
//!
//! What is expected is worked out by `tickwerk_tests::history` or by hand. A kill at any place must leave what the next call
//! goes on from, to the same hash chain as without it.

use crate::support::{Called, Demo, call_for, text};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_tests::history::{COLUMNS, History, decimal};
use tickwerk_tests::program;

/// A folder with a mapping, its sources, and a place for a journal.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a history as CSV.
    fn of(history: &History) -> Self {
        let folder = Self::new();
        for (name, _) in COLUMNS {
            folder.write(&format!("{name}.csv"), &history.csv(name));
        }
        folder.write(
            "mapping.toml",
            &history.mapping(&|name| format!("kind = \"csv\"\npath = \"{name}.csv\"")),
        );
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Changes a file.
    #[track_caller]
    pub(crate) fn replace(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(old), "{old:?} is not in {name}");
        self.write(name, &text.replacen(old, new, 1));
    }

    /// Imports into the folder `to`; it must end with `code`.
    #[track_caller]
    pub(crate) fn import(&self, code: i32, to: &str, rest: &[&str]) -> Called {
        call_for(
            code,
            &[&self.arguments(to).iter().map(String::as_str).collect::<Vec<_>>()[..], rest].concat(),
        )
    }

    fn arguments(&self, to: &str) -> Vec<String> {
        let (mapping, to) = (self.path("mapping.toml"), self.path(to));
        ["import", "--mapping", text(&mapping), "--to", text(&to)].map(str::to_owned).to_vec()
    }

    /// The chain head of a journal, once it was verified.
    #[track_caller]
    pub(crate) fn head(&self, journal: &str) -> String {
        let report = call_for(0, &["verify", text(&self.path(journal)), "--json"]).json();
        assert_eq!(report["ok"], true, "{report}");
        report["chain_head"].as_str().unwrap_or_else(|| panic!("{report}")).to_owned()
    }

    #[track_caller]
    pub(crate) fn records(&self, journal: &str) -> Vec<Value> {
        let lines = call_for(0, &["replay", text(&self.path(journal)), "--format", "ndjson"]).stdout;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What the report says an account did in a symbol.
#[track_caller]
fn check_sums(report: &Value, history: &History) {
    for ((account, symbol), expected) in &history.expected {
        let of = |list: &str| {
            let rows = report[list].as_array().unwrap().iter();
            rows.filter(|row| row["account"] == **account && row["symbol"] == **symbol)
                .cloned()
                .collect::<Vec<_>>()
        };
        let sums = json!([{
            "account": account, "symbol": symbol, "currency": "USD", "fills": expected.fills,
            "bought_qty": decimal(expected.bought.0, 1), "bought_value": decimal(expected.bought.1, 2),
            "sold_qty": decimal(expected.sold.0, 1), "sold_value": decimal(expected.sold.1, 2),
            "realized": decimal(expected.realized, 2), "fees": { "USD": decimal(expected.fees, 2) },
        }]);
        assert_eq!(Value::Array(of("traded")), sums);
        let position = json!([{
            "account": account, "symbol": symbol, "side": "net", "qty": decimal(expected.open.0, 1),
            "open_cost": decimal(expected.open.1, 2), "realized": decimal(expected.realized, 2),
            "fees": decimal(expected.fees, 2), "funding": "0.00",
        }]);
        assert_eq!(Value::Array(of("positions")), position);
    }
    for (account, paid_in) in &history.paid_in {
        let traded = history.expected.iter().filter(|((of, _), _)| of == account).map(|(_, traded)| traded);
        let cash: i64 =
            paid_in + traded.map(|traded| traded.sold.1 - traded.bought.1 - traded.fees).sum::<i64>();
        let rows = report["balances"].as_array().unwrap();
        let row = rows.iter().find(|row| row["account"] == **account && row["currency"] == "USD").unwrap();
        assert_eq!(row["balance"], decimal(cash, 2), "{row}");
    }
}

#[test]
fn a_history_in_any_order_of_rows_comes_out_by_time_with_the_sums_of_the_other_system() {
    let history = History::new(1, 400);
    let folder = Folder::of(&history);
    let checked = folder.import(0, "journal", &["--dry-run", "--json"]).json();
    assert_eq!((&checked["outcome"], &checked["rows"]), (&"checked".into(), &history.rows().into()));
    assert!(!folder.path("journal").exists(), "a dry run writes nothing");
    check_sums(&checked, &history);

    let report_path = folder.path("report.json");
    let report = folder.import(0, "journal", &["--json", "--report", text(&report_path)]).json();
    assert_eq!(serde_json::from_str::<Value>(&fs::read_to_string(report_path).unwrap()).unwrap(), report);
    check_sums(&report, &history);
    assert_eq!(report["journal"]["chain_head"], folder.head("journal"));
    assert_eq!(report["records"], report["journal"]["last_sequence"]);

    let records = folder.records("journal");
    assert!(records.is_sorted_by_key(|record| record["time_ns"].as_u64()), "stamps are the source's times");
    let told = records.iter().filter(|record| record["kind"] == "command" && record["source"] != "import");
    for record in told.clone() {
        assert_eq!(record["time_ns"], record["source_time"], "{record}");
    }
    // Each row is found again by the source and the number of a record.
    let fills = fs::read_to_string(folder.path("fills.csv")).unwrap();
    let rows: Vec<&str> = fills.lines().collect();
    for fill in told.filter(|record| record["event_type"] == "fill.reported") {
        assert_eq!(fill["source"], "import-2");
        let row = rows[usize::try_from(fill["source_sequence"].as_u64().unwrap()).unwrap()];
        let price = fill["payload"]["price"].as_str().unwrap();
        assert!(row.contains(price), "{row}: {fill}");
    }
    let counted = |word: &str| records.iter().filter(|record| record["event_type"] == word).count();
    let stated = |word: &str| history.orders.iter().filter(|row| row[9] == word).count();
    for (event, state) in [
        ("order.filled", "closed"),
        ("order.canceled", "canceled"),
        ("order.expired", "expired"),
        ("order.rejected", "rejected"),
    ] {
        assert_eq!(counted(event), stated(state), "{event}");
    }
    assert_eq!(report["open_orders"], stated("open"));
    assert_eq!(
        (counted("fill.reported"), counted("market.trade")),
        (history.fills.len(), history.trades.len())
    );
}

#[test]
fn an_imported_journal_is_never_decided_again_or_gone_on_with() {
    let folder = Folder::of(&History::new(2, 30));
    folder.import(0, "journal", &[]);
    let journal = folder.path("journal");
    let head = folder.head("journal");
    let text_of = "holds imported history: nothing in it was decided here";
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/examples/exchange.toml");
    let set = format!("journal.dir={}", text(&journal));
    for (code, arguments) in [
        (1, vec!["verify", text(&journal), "--reexecute"]),
        (1, vec!["follow", text(&journal)]),
        (1, vec!["snapshot", text(&journal)]),
        (78, vec!["run", "--config", text(&example), "--set", &set]),
    ] {
        let refused = call_for(code, &arguments);
        assert!(refused.stderr.contains(text_of), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(folder.head("journal"), head);
    // What only reads or moves bytes works as with every journal.
    let copy = folder.path("copy");
    call_for(0, &["inspect", text(&journal)]);
    call_for(0, &["backup", text(&journal), text(&copy)]);
}

#[test]
fn a_table_of_sqlite_gives_the_records_that_the_same_rows_of_csv_give() {
    let history = History::new(3, 120);
    let folder = Folder::of(&history);
    folder.import(0, "of_csv", &[]);
    let file = rusqlite::Connection::open(folder.path("history.sqlite")).unwrap();
    file.execute_batch(&format!("BEGIN; {} COMMIT;", history.sql())).unwrap();
    drop(file);
    let source = |name: &str| {
        let place = if name == "fills" {
            "query = \"SELECT * FROM fills WHERE 1 = 1;\"".to_owned()
        } else {
            format!("table = \"{name}\"")
        };
        format!("kind = \"sqlite\"\npath = \"history.sqlite\"\n{place}\norder_by = \"n\"")
    };
    folder.write("mapping.toml", &history.mapping(&source));
    let report = folder.import(0, "of_sqlite", &["--json"]).json();
    check_sums(&report, &history);
    // The rows are numbered otherwise, and the first record names hashes.
    let told = |journal: &str| {
        let mut records = folder.records(journal);
        for record in &mut records {
            record["source_sequence"] = Value::Null;
            record["payload"]["content_hash"] = Value::Null;
            record["payload"]["content_length"] = Value::Null;
        }
        records
    };
    assert_eq!(told("of_csv"), told("of_sqlite"));

    folder.replace("mapping.toml", "order_by = \"n\"", "order_by = \"nobody\"");
    let refused = folder.import(74, "other", &[]);
    assert!(refused.stderr.contains("no such column: nobody"), "{}", refused.stderr);
    folder.replace("mapping.toml", "path = \"history.sqlite\"", "path = \"nothing.sqlite\"");
    let refused = folder.import(74, "other", &[]);
    assert!(refused.stderr.contains("nothing.sqlite cannot be opened"), "{}", refused.stderr);
}

/// Imports with a failpoint; whether it was killed there.
pub(crate) fn is_killed_at(folder: &Folder, to: &str, failpoint: &str) -> bool {
    let mut command = program::command(&folder.arguments(to));
    let output = program::finish(command.env("TICKWERK_FAILPOINT", failpoint).spawn().unwrap());
    let is_killed = output.status.signal() == Some(9);
    assert!(is_killed || output.status.success(), "{failpoint}: {}", String::from_utf8_lossy(&output.stderr));
    is_killed
}

#[test]
fn an_import_that_is_killed_anywhere_goes_on_to_the_same_journal() {
    let history = History::new(4, 110);
    let folder = Folder::of(&history);
    let whole = folder.import(0, "whole", &["--json"]).json();
    let head = folder.head("whole");
    let last = whole["journal"]["last_sequence"].as_u64().unwrap();
    // Each of the places that a new journal, a frame, a sync, a new segment and an end come by.
    let places = [
        "prepare.create",
        "prepare.rename",
        "prepare.dir-sync",
        "activate.first",
        "activate.sync",
        "frame.publish",
        "frame.publish:2",
        "frame.publish:301",
        "frame.told:401",
        "rotate.activate",
        "rotate.done",
        "sync.data",
        "close.sync",
        "close.finish",
        "close.done",
    ];
    for failpoint in places {
        let to = failpoint.replace(':', "-");
        assert!(is_killed_at(&folder, &to, failpoint), "{failpoint} was not reached");
        let report = folder.import(0, &to, &["--json"]).json();
        let (found, appended) = (&report["journal"]["records_found"], &report["journal"]["records_appended"]);
        assert_eq!(found.as_u64().unwrap() + appended.as_u64().unwrap(), last, "{failpoint}: {report}");
        assert_eq!(folder.head(&to), head, "{failpoint}");
        fs::remove_dir_all(folder.path(&to)).unwrap();
    }
    // Again and again, a little further each time.
    let mut kills = 0;
    while is_killed_at(&folder, "often", "frame.publish:120") {
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    assert_eq!(folder.head("often"), head);
    let again = folder.import(0, "often", &["--json"]).json();
    assert_eq!(
        (&again["journal"]["records_found"], &again["journal"]["records_appended"]),
        (&last.into(), &0.into())
    );
    // What would be a row twice is another journal.
    let row = fs::read_to_string(folder.path("transfers.csv"))
        .unwrap()
        .lines()
        .nth(1)
        .unwrap()
        .replace("\"T", "\"U");
    folder.replace("transfers.csv", "\n", &format!("\n{row}\n"));
    folder.import(0, "twice", &[]);
    assert_ne!(folder.head("twice"), head);
}

#[test]
fn an_import_goes_on_only_with_the_source_and_the_mapping_that_it_began_with() {
    let history = History::new(5, 60);
    let folder = Folder::of(&history);
    assert!(is_killed_at(&folder, "journal", "frame.publish:100"));
    let untouched = || fs::read(folder.path("journal/000000000001.seg")).unwrap();
    let before = untouched();
    let originals = [
        fs::read_to_string(folder.path("fills.csv")).unwrap(),
        fs::read_to_string(folder.path("mapping.toml")).unwrap(),
    ];
    let restore = || {
        folder.write("fills.csv", &originals[0]);
        folder.write("mapping.toml", &originals[1]);
    };
    folder.replace("fills.csv", "\"M\"", "\"T\"");
    let changed = folder.import(3, "journal", &[]);
    assert!(
        changed.stderr.contains("source \"fills\" has changed since that import began"),
        "{}",
        changed.stderr
    );
    restore();
    folder.replace("mapping.toml", "segment_size_bytes = 131072", "segment_size_bytes = 262144");
    let changed = folder.import(3, "journal", &[]);
    assert!(changed.stderr.contains("the mapping has changed"), "{}", changed.stderr);
    folder.replace("mapping.toml", "other system", "another system");
    let changed = folder.import(3, "journal", &[]);
    assert!(changed.stderr.contains("it holds the import \"other system\""), "{}", changed.stderr);
    restore();
    assert_eq!(untouched(), before, "a refusal writes nothing");
    folder.import(0, "journal", &[]);
}

#[test]
fn nothing_is_written_to_what_is_no_import_of_the_same_rows() {
    let folder = Folder::of(&History::new(6, 20));
    let demo = Demo::of("2000");
    let head = call_for(0, &["verify", text(&demo.dir()), "--json"]).json();
    let refused =
        call_for(3, &["import", "--mapping", text(&folder.path("mapping.toml")), "--to", text(&demo.dir())]);
    assert!(refused.stderr.contains("it holds a journal that was not imported"), "{}", refused.stderr);
    let after = call_for(0, &["verify", text(&demo.dir()), "--json"]).json();
    assert_eq!((&head["chain_head"], &head["checked"]), (&after["chain_head"], &after["checked"]));
    fs::create_dir(folder.path("home")).unwrap();
    folder.write("home/notes.txt", "mine");
    let refused = folder.import(3, "home", &[]);
    assert!(refused.stderr.contains("not empty and holds no journal"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(folder.path("home")).unwrap().count(), 1);
    fs::create_dir(folder.path("empty")).unwrap();
    folder.import(0, "empty", &[]);
}
