//! Rows that are refused and borne: they leave nothing behind, are counted once, and what else stands is read as without them.

use crate::import::Folder;
use crate::import_kinds::desk;
use crate::import_rows::{FILLS, ORDERS, folder, has, payloads};
use crate::support::text;
use serde_json::Value;
use std::fs;
use tickwerk_domain::{Sequence, SourceId};
use tickwerk_journal::Reader;

const CASH: &str = "time,account,currency,amount";
const POSITIONS: &str = "time,account,symbol,qty,price";

/// Lets an import go on behind so many refused rows.
fn bear(folder: &Folder, rows: u32) {
    folder.replace(
        "mapping.toml",
        "name = \"by hand\"",
        &format!("name = \"by hand\"\nmax_refused = {rows}"),
    );
}

#[test]
fn a_repeated_definition_leaves_the_first_as_it_was() {
    let cash = "2024-01-01T00:00:00Z,a,EUR,5.00\n2024-01-01T00:00:01Z,b,EUR,7.00";
    let of = |accounts: &str, currencies: &str, refused: u32| {
        let folder = folder(&[
            ("accounts", "accounts", "account", accounts, ""),
            ("currencies", "currencies", "currency,scale", currencies, ""),
            ("cash", "transfers", CASH, cash, ""),
        ]);
        bear(&folder, refused);
        folder
    };
    for (accounts, currencies) in [("a\na\nb", "EUR,2\nXBT,8"), ("a\nb", "EUR,2\nEUR,2\nXBT,8")] {
        let folder = of(accounts, currencies, 1);
        let report = folder.import(0, "journal", &["--json"]).json();
        assert_eq!((&report["refused"], &report["refusals"][0]["row"]), (&1.into(), &2.into()));
        let moved = payloads(&folder.records("journal"), "account.cash_transferred");
        has(&moved[0], &[("account", "a"), ("currency", "EUR"), ("amount", "5.00")]);
        has(&moved[1], &[("account", "b"), ("currency", "EUR"), ("amount", "7.00")]);
    }
}

#[test]
fn a_repeat_of_what_the_mapping_defines_is_listed_and_its_rows_are_looked_at() {
    let folder = folder(&[
        ("accounts", "accounts", "account", "hedge\nmain", ""),
        ("open", "positions", POSITIONS, "2024-01-01T00:00:00Z,hedge,BTC-PERP,1.000,100.0", "use = \"open\""),
        ("cash", "transfers", CASH, "2024-01-01T00:00:00Z,main,USD,5.00", ""),
    ]);
    let report = folder.import(1, "journal", &["--dry-run", "--json"]).json();
    assert_eq!((&report["outcome"], &report["refused"]), (&"checked".into(), &2.into()));
    for refusal in report["refusals"].as_array().unwrap() {
        has(
            refusal,
            &[("source", "accounts"), ("reason", "is defined already"), ("remedy", "define it once")],
        );
    }
    has(&report["positions"][0], &[("account", "hedge"), ("side", "long"), ("qty", "1.000")]);
}

#[test]
fn a_report_may_lie_in_the_folder_of_the_journal() {
    let of = || folder(&[("cash", "transfers", CASH, "2024-01-01T00:00:00Z,main,USD,5.00", "")]);
    let (good, other) = (of(), of());
    let report = |of: &Folder, name: &str| text(&of.path(name)).to_owned();
    // A folder that is there and empty, and one that is not there yet, by another name of it.
    fs::create_dir(good.path("empty")).unwrap();
    good.import(0, "empty", &["--report", &report(&good, "empty/report.json")]);
    good.import(0, "missing", &["--report", &report(&good, "missing/./report.json")]);
    for journal in ["empty", "missing"] {
        let told = fs::read_to_string(good.path(journal).join("report.json")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["journal"]["chain_head"], good.head(journal));
        // The same import again finds it complete.
        good.import(0, journal, &["--report", &report(&good, &format!("{journal}/report.json"))]);
    }
    // The folder itself is no file.
    for name in ["000000000001.seg", "HEADS"] {
        let report = report(&good, &format!("empty/{name}"));
        let before = fs::read(&report).unwrap_or_default();
        let refused = good.import(74, "empty", &["--report", &report]).stderr;
        assert!(refused.contains("it is to be named *.json") && !refused.contains("reading"), "{refused}");
        good.import(74, "empty", &["--dry-run", "--report", &report]);
        assert_eq!(fs::read(&report).unwrap_or_default(), before);
    }
    let refused = good.import(74, "other", &["--report", &report(&good, "./other")]).stderr;
    assert!(refused.contains("writing the report to") && !refused.contains("reading"), "{refused}");
    assert!(!good.path("other").exists());
    // What a refused import told does not stand in the way of the next one.
    for journal in ["empty", "missing"] {
        other.write("cash.csv", &format!("{CASH}\nnever,main,USD,5.00\n"));
        if journal == "empty" {
            fs::create_dir(other.path(journal)).unwrap();
        }
        let path = report(&other, &format!("{journal}/report.json"));
        other.import(1, journal, &["--report", &path]);
        assert!(fs::read_to_string(&path).unwrap().contains("\"outcome\": \"refused\""));
        other.write("cash.csv", &format!("{CASH}\n2024-01-01T00:00:00Z,main,USD,5.00\n"));
        other.import(0, journal, &["--report", &path]);
        assert_eq!(other.head(journal), good.head(journal));
    }
}

#[test]
fn a_report_of_an_import_that_fails_is_no_empty_file() {
    let folder = folder(&[("cash", "transfers", CASH, "", "")]);
    fs::remove_file(folder.path("cash.csv")).unwrap();
    let path = folder.path("report.json");
    folder.import(74, "journal", &["--report", text(&path)]);
    assert!(!path.exists());
    fs::write(&path, "the one before").unwrap();
    folder.import(74, "journal", &["--report", text(&path)]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "the one before");
}

#[test]
fn a_flat_or_compared_position_needs_no_price_and_one_that_opens_does() {
    let of = |rows: &str, purpose: &str| {
        folder(&[("positions", "positions", POSITIONS, rows, &format!("use = \"{purpose}\""))])
    };
    let flat = "2024-01-01T00:00:00Z,main,BTC-INV,0,0\n2024-01-01T00:00:00Z,main,BTC-USD,0,\n\
                2024-01-01T00:00:00Z,main,BTC-PERP,0,0.0";
    for purpose in ["open", "check"] {
        let folder = of(flat, purpose);
        folder.import(0, "journal", &[]);
        let stated = payloads(&folder.records("journal"), "position.stated");
        has(&stated[0], &[("instrument", "BTC-INV"), ("qty", "0"), ("price", "0.0")]);
        assert_eq!(stated.len(), 3);
    }
    for (row, told) in [
        ("2024-01-01T00:00:00Z,main,BTC-INV,5,0", "price \"0\": is not more than 0"),
        ("2024-01-01T00:00:00Z,main,BTC-INV,5,", "price \"\": is empty"),
        ("2024-01-01T00:00:00Z,main,BTC-INV,0,-1", "price \"-1\": is not more than 0"),
        ("2024-01-01T00:00:00Z,main,BTC-INV,0,x", "price \"x\": "),
    ] {
        let refused = of(row, "open").import(1, "journal", &[]).stdout;
        assert!(refused.contains(told), "{told} is not in: {refused}");
    }
}

#[test]
fn a_rejected_order_has_neither_fills_nor_amendments() {
    for done_at in ["2024-01-01T00:00:00Z", "2024-01-01T00:00:05Z"] {
        let order = format!("1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,2,100.00,rejected,{done_at}");
        let fill = "7,2024-01-01T00:00:00Z,1,100.00,1,,maker";
        let amendment = "1,2024-01-01T00:00:00Z,3,";
        let folder = folder(&[
            ("orders", "orders", ORDERS, &order, ""),
            ("fills", "fills", FILLS, fill, ""),
            ("changes", "amendments", "order,time,qty,price", amendment, ""),
        ]);
        bear(&folder, 2);
        let report = folder.import(0, "journal", &["--json"]).json();
        let told: Vec<_> = report["refusals"].as_array().unwrap().iter().collect();
        for (refusal, source) in told.iter().zip(["changes", "fills"]) {
            has(
                refusal,
                &[("source", source), ("column", "order"), ("value", "1"), ("reason", "was rejected")],
            );
        }
        assert_eq!(told.len(), 2);
        let records = folder.records("journal");
        let events = records.iter().map(|record| record["event_type"].as_str().unwrap());
        let of_order: Vec<_> = events.filter(|word| word.starts_with("order.")).collect();
        assert_eq!(of_order, ["order.new", "order.submitted", "order.reported", "order.rejected"]);
    }
}

/// Rows that the last record of a journal says were imported and refused.
fn end_mark(folder: &Folder) -> (u64, u64) {
    let mut reader = Reader::open(&folder.path("journal"), Sequence::NONE).unwrap();
    let mut last = Value::Null;
    while let Some(frame) = reader.next().unwrap() {
        last = frame.opaque(0).map_or(Value::Null, |text| serde_json::from_slice(text).unwrap_or_default());
    }
    (last["rows"].as_u64().unwrap(), last["refused"].as_u64().unwrap())
}

#[test]
fn an_order_with_two_faults_is_told_twice_and_counted_once() {
    let fields = format!("{ORDERS},filled_qty");
    let of = |order: &str| {
        let fills = "7,2024-01-01T00:00:01Z,1,100.00,1,,maker\n8,2024-01-01T00:00:02Z,1,100.00,1,,maker";
        let folder =
            folder(&[("orders", "orders", &fields, order, ""), ("fills", "fills", FILLS, fills, "")]);
        bear(&folder, 1);
        let report = folder.import(0, "journal", &["--json"]).json();
        assert_eq!((&report["refused"], &report["sources"][0]["refused"]), (&1.into(), &1.into()));
        assert_eq!(
            (&report["sources"][0]["imported"], &report["sources"][1]["imported"]),
            (&0.into(), &2.into())
        );
        assert_eq!(end_mark(&folder), (2, 1), "three rows");
        let refusals = report["refusals"].as_array().unwrap().iter();
        refusals.map(|refusal| refusal["column"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let entered = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit";
    let at = "2024-01-01T00:00:09Z";
    // Full, while it says canceled, and that less was filled.
    assert_eq!(of(&format!("{entered},2,100.00,canceled,{at},1")), ["filled_qty", "status"]);
    // With one fault at its end, at its last fill, and behind the last row.
    assert_eq!(of(&format!("{entered},3,100.00,canceled,{at},1")), ["filled_qty"]);
    assert_eq!(of(&format!("{entered},2,100.00,filled,,1")), ["filled_qty"]);
    assert_eq!(of(&format!("{entered},3,100.00,filled,,2")), ["status"]);
}

#[test]
fn a_price_of_nothing_is_no_side_where_quantities_are_constants() {
    let fields = "time,symbol,bid_price,ask_price";
    let rows = "2024-01-01T00:00:00Z,BTC-PERP,0,40001.0\n2024-01-01T00:00:01Z,BTC-INV,39999.0,0.0\n\
                2024-01-01T00:00:02Z,BTC-PERP,-5.0,-4.0\n2024-01-01T00:00:03Z,BTC-PERP,0,";
    let constants = "constants = { bid_qty = \"1\", ask_qty = \"1\" }";
    let folder = folder(&[("quotes", "quotes", fields, rows, constants)]);
    folder.import(0, "journal", &[]);
    let quotes = payloads(&folder.records("journal"), "market.quote");
    has(
        &quotes[0],
        &[("bid_price", "0.0"), ("bid_qty", "0.000"), ("ask_price", "40001.0"), ("ask_qty", "1.000")],
    );
    has(&quotes[1], &[("bid_price", "39999.0"), ("bid_qty", "1"), ("ask_qty", "0")]);
    // Of such contracts less than nothing is a price.
    has(
        &quotes[2],
        &[("bid_price", "-5.0"), ("bid_qty", "1.000"), ("ask_price", "-4.0"), ("ask_qty", "1.000")],
    );
    has(&quotes[3], &[("bid_qty", "0.000"), ("ask_qty", "0.000")]);
}

#[test]
fn positions_are_not_marked_by_half_a_quote_without_quantities() {
    let fields = "time,symbol,bid_price,ask_price";
    let constants = "constants = { bid_qty = \"1\", ask_qty = \"1\" }";
    let folder = folder(&[
        ("quotes", "quotes", fields, "2024-01-01T00:00:00Z,BTC-PERP,0,40001.0", constants),
        (
            "open",
            "positions",
            POSITIONS,
            "2024-01-02T00:00:00Z,main,BTC-PERP,1.000,40000.0",
            "use = \"open\"",
        ),
    ]);
    folder.import(0, "journal", &[]);
    has(&payloads(&folder.records("journal"), "position.changed")[0], &[("unrealized", "0.00")]);
}

#[test]
fn ids_of_executions_are_their_numbers_as_far_as_records_have_them() {
    let ids =
        ["9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "007"];
    let fills: Vec<String> =
        ids.iter().map(|id| format!("{id},2024-01-01T00:00:01Z,1,100.00,0.1,,maker")).collect();
    let order = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,";
    let folder =
        folder(&[("orders", "orders", ORDERS, order, ""), ("fills", "fills", FILLS, &fills.join("\n"), "")]);
    folder.import(0, "journal", &[]);
    let told = payloads(&folder.records("journal"), "fill.reported");
    let numbers: Vec<u64> = told.iter().map(|fill| fill["execution_id"].as_u64().unwrap()).collect();
    assert_eq!(numbers[..3], [(1 << 63) - 1, 1 << 63, u64::MAX]);
    assert!(numbers[3..].iter().all(|number| (1 << 32..1 << 63).contains(number)), "{numbers:?}");
    let mut reader = Reader::open(&folder.path("journal"), Sequence::NONE).unwrap();
    let mut beside = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        let is_of_fills = frame.header.source.0 == SourceId::IMPORT.0 + 2;
        beside.extend(frame.opaque(0).filter(|_| is_of_fills).map(<[u8]>::to_vec));
    }
    assert_eq!(beside, [ids[3].as_bytes(), ids[4].as_bytes()]);
}

#[test]
fn the_time_of_a_refused_row_stamps_nothing() {
    let order = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,";
    // There is no order 2; one of its fills would be the first row of all, the other the last.
    let fills = "6,1970-01-02T00:00:00Z,2,100.00,0.1,,maker\n7,2024-01-01T02:00:00Z,1,100.00,0.1,,maker\n\
                 8,2200-01-01T00:00:00Z,2,100.00,0.1,,maker";
    let folder = folder(&[("orders", "orders", ORDERS, order, ""), ("fills", "fills", FILLS, fills, "")]);
    bear(&folder, 2);
    let report = folder.import(0, "journal", &["--json"]).json();
    let records = folder.records("journal");
    let own = records.iter().filter(|record| record["source"] == "import");
    let stamps: Vec<u64> = own.map(|record| record["time_ns"].as_u64().unwrap()).collect();
    let (entered, filled) = (1_704_067_200_000_000_000, 1_704_074_400_000_000_000);
    assert_eq!((stamps.first(), stamps.last()), (Some(&entered), Some(&filled)));
    assert_eq!((&report["first_time_ns"], &report["last_time_ns"]), (&entered.into(), &filled.into()));
}

/// What a journal says but for the numbers of rows, and what its first and last record say of the sources.
fn told(folder: &Folder, journal: &str) -> Vec<Value> {
    let mut records = folder.records(journal);
    for record in &mut records {
        record["source_sequence"] = Value::Null;
        if record["event_type"] == "stream.appended" {
            record["payload"] = Value::Null;
        }
    }
    records
}

#[test]
fn a_history_of_all_kinds_is_the_same_with_rows_that_are_refused_and_without() {
    let folder = desk();
    folder.import(0, "clean", &[]);
    // Rows that come first in their files: by themselves, by the one that follows, and by what there is at their time.
    let refused = [
        ("strategies", "carry,nobody,\n"),
        ("orders", "A,never,main,BTC-PERP,sell,limit,2.000,40000.0,filled,,C1\n"),
        ("changes", "A,2024-01-01T01:12:00Z,3.000,1.23,,99\nA,2024-01-01T01:40:00Z,9.000,,,99\n"),
        (
            "fills",
            "9,2024-01-01T01:14:00Z,A,,,,40000.0,3.500,1.00,maker,\n1,2024-01-01T01:14:00Z,C,,,,1.0,1.000,,maker,\n",
        ),
        (
            "funding",
            "f4,2024-01-01T00:00:01Z,main,BTC-PERP,-12.00,USD,,,\nf5,2024-01-01T08:00:00Z,hedge,BTC-PERP,5,,short,,\n",
        ),
        ("quotes", "9,2024-01-01T02:00:00Z,BTC-PERP,39999.0,,1.0,2\n"),
    ];
    for (name, rows) in refused {
        folder.replace(&format!("{name}.csv"), "\n", &format!("\n{rows}"));
    }
    folder.replace("strategies.csv", "carry,main,BTC-PERP", "trend,,\ncarry,main,BTC-PERP\ncarry,,");
    bear(&folder, 11);
    let report = folder.import(0, "borne", &["--json"]).json();
    assert_eq!(report["refused"], 11, "{}", report["refusals"]);
    assert_eq!(told(&folder, "borne"), told(&folder, "clean"));
    // One that is taken shows.
    folder.replace("quotes.csv", "39999.0,,1.0,2", "39999.0,1,40000.0,2");
    folder.import(0, "taken", &[]);
    assert_ne!(told(&folder, "taken"), told(&folder, "clean"));
}
