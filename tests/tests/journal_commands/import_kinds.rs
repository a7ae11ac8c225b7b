//! `import` of strategies, amendments, funding and quotes, worked out by hand; which of them are refused; and files that
//! are no good CSV.

use crate::import::{Folder, is_killed_at};
use crate::import_rows::{FILLS, ORDERS, folder, has, payloads};
use std::fs;

const TAGGED_ORDERS: &str = "id,time,account,symbol,side,type,qty,price,status,done_at,strategy";
const TAGGED_FILLS: &str = "id,time,order,account,symbol,side,price,qty,fee,liquidity,strategy";
const AMENDMENTS: &str = "order,time,qty,price,trigger_price,venue_order_id";
const FUNDING: &str = "id,time,account,symbol,amount,currency,side,rate,price";
const QUOTES: &str = "id,time,symbol,bid_price,bid_qty,ask_price,ask_qty";

/// All four, and what they are of; amounts are worked out beside the assertions.
pub(crate) fn desk() -> Folder {
    let orders = "A,2024-01-01T01:00:00Z,main,BTC-PERP,buy,limit,2.000,40000.0,filled,,C1\n\
                  B,2024-01-01T02:00:00Z,main,BTC-PERP,sell,limit,1.000,41000.0,canceled,2024-01-01T09:00:00Z,trend\n\
                  C,2024-01-01T03:00:00Z,hedge,BTC-PERP,buy,limit,5.000,39000.0,filled,,";
    let changes = "A,2024-01-01T01:10:00Z,3.000,,,77\n\
                   A,2024-01-01T01:20:00Z,,40100.0,,\n\
                   B,2024-01-01T02:10:00Z,0.500,41500.5,,88\n\
                   C,2024-01-01T04:00:00Z,2.000,0,,";
    let fills = "1,2024-01-01T01:15:00Z,A,,,,40000.0,1.000,1.00,maker,\n\
                 2,2024-01-01T01:30:00Z,A,,,,40100.0,2.000,2.00,maker,\n\
                 3,2024-01-01T03:10:00Z,C,,,,39000.0,2.000,2.00,taker,\n\
                 5,2024-01-01T10:00:00Z,,main,BTC-PERP,sell,42000.0,3.000,3.00,taker,trend";
    let funding = "f1,2024-01-01T08:00:00Z,main,BTC-PERP,-12.00,USD,,0.0001,40000.0\n\
                   f2,2024-01-01T08:00:00Z,hedge,BTC-PERP,8.50,,,-0.00010625,40000.0\n\
                   f3,2024-01-01T10:00:00Z,main,BTC-PERP,-1.00,,,,";
    let quotes = "7,2024-01-01T00:30:00Z,BTC-PERP,39999.0,1.5,40001.0,2\n\
                  8,2024-01-01T09:59:00Z,BTC-PERP,40600.0,1,,0\n\
                  ,2024-01-01T09:58:00Z,BTC-PERP,40600.0,1,40599.0,1";
    let folder = folder(&[
        ("quotes", "quotes", QUOTES, quotes, ""),
        ("funding", "funding", FUNDING, funding, ""),
        ("fills", "fills", TAGGED_FILLS, fills, ""),
        ("changes", "amendments", AMENDMENTS, changes, ""),
        ("orders", "orders", TAGGED_ORDERS, orders, ""),
        ("strategies", "strategies", "strategy,account,symbol", "trend,,\ncarry,main,BTC-PERP", ""),
    ]);
    folder.replace("mapping.toml", "[[source]]", "[names]\nstrategy = { C1 = \"carry\" }\n[[source]]");
    folder
}

#[test]
fn strategies_amendments_funding_and_quotes_are_told_as_by_hand() {
    let folder = desk();
    let report = folder.import(0, "journal", &["--json"]).json();
    assert_eq!(
        (&report["quotes"], &report["quotes_crossed"], &report["open_orders"]),
        (&3.into(), &1.into(), &0.into())
    );
    let records = folder.records("journal");
    let defined = payloads(&records, "signal.strategy_defined");
    has(&defined[1], &[("name", "carry"), ("account", "main"), ("instrument", "BTC-PERP")]);
    assert_eq!((&defined[0]["kind"], &defined[0]["enabled"]), (&0.into(), &false.into()));
    let submitted = payloads(&records, "order.submitted");
    let strategies: Vec<_> = submitted.iter().map(|order| order["strategy"].as_str()).collect();
    assert_eq!(strategies, [Some("carry"), Some("trend"), None, Some("trend")]);

    let replaced = payloads(&records, "order.replaced");
    let leaves: Vec<_> = ["qty", "price", "cum_qty", "leaves_qty"]
        .map(|field| replaced.iter().map(|of| of[field].as_str().unwrap()).collect::<Vec<_>>())
        .into();
    assert_eq!(
        leaves,
        [
            ["3.000", "3.000", "0.500", "2.000"],
            ["40000.0", "40100.0", "41500.5", "39000.0"],
            ["0.000", "1.000", "0.000", "2.000"],
            ["3.000", "2.000", "0.500", "0.000"],
        ]
    );
    let reported = payloads(&records, "order.replace_reported");
    let ids: Vec<_> = reported.iter().map(|report| report["venue_order_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [77, 77, 88, 0], "an id stays until another is told");
    // An order that has nothing left by its new quantity ends without a fill of its own.
    let filled = payloads(&records, "order.filled");
    has(&filled[1], &[("last_qty", "0.000"), ("cum_qty", "2.000"), ("cum_value", "78000.00")]);

    let posted = payloads(&records, "position.funding_posted");
    has(&posted[0], &[("amount", "-12.00"), ("qty", "3.000"), ("rate", "0.00010000"), ("side", "net")]);
    has(&posted[1], &[("amount", "8.50"), ("rate", "-0.00010625"), ("side", "long"), ("account", "hedge")]);
    // At one time funding is of the position as it was before the fills.
    has(&posted[2], &[("funding_total", "-13.00"), ("qty", "3.000"), ("price", "0.0")]);
    let cash = |account: &str| {
        let rows = report["balances"].as_array().unwrap();
        rows.iter().find(|row| row["account"] == account).unwrap()["balance"].clone()
    };
    // 3 × 42,000 − 40,000 − 2 × 40,100, less fees and funding.
    assert_eq!((cash("main"), cash("hedge")), ("5781.00".into(), "6.50".into()));
    let funding: Vec<_> =
        report["positions"].as_array().unwrap().iter().map(|row| row["funding"].clone()).collect();
    assert_eq!(funding, ["-13.00", "8.50"]);

    let quotes = payloads(&records, "market.quote");
    has(&quotes[0], &[("bid_price", "39999.0"), ("bid_qty", "1.500"), ("ask_price", "40001.0")]);
    has(&quotes[2], &[("bid_price", "40600.0"), ("ask_price", "0.0"), ("ask_qty", "0.000")]);
    // Marked in the middle of the last quote with both sides: (40,000 − 39,000) × 2.
    let positions = payloads(&records, "position.changed");
    has(&positions[2], &[("account", "hedge"), ("unrealized", "2000.00")]);
}

#[test]
fn an_import_of_all_kinds_goes_on_to_the_same_journal_wherever_it_is_killed() {
    let folder = desk();
    folder.import(0, "whole", &[]);
    let head = folder.head("whole");
    for frame in [1, 12, 25, 40] {
        assert!(is_killed_at(&folder, "often", &format!("frame.publish:{frame}")), "{frame}");
        folder.import(0, "often", &[]);
        assert_eq!(folder.head("often"), head, "{frame}");
        fs::remove_dir_all(folder.path("often")).unwrap();
    }
    assert!(is_killed_at(&folder, "often", "frame.publish:20"));
    folder.replace("changes.csv", "41500.5", "41500.0");
    let changed = folder.import(3, "often", &[]).stderr;
    assert!(changed.contains("source \"changes\" has changed since that import began"), "{changed}");
}

#[test]
fn every_row_of_the_new_kinds_that_cannot_be_is_refused() {
    let order = "1,2024-01-01T00:00:00Z,main,BTC-PERP,buy,limit,2.000,100.0,open,,";
    let fill = "7,2024-01-01T00:00:01Z,1,,,,100.0,1.000,,maker,";
    let later = "2024-01-01T00:00:09Z";
    // Of which kind, the row, and what is told.
    let cases: &[(&str, &str, &str, &[&str])] = &[
        (
            "orders",
            TAGGED_ORDERS,
            "2,T,main,BTC-PERP,buy,limit,1,1,open,,x",
            &[
                "strategy \"x\": is not defined",
                "[[strategy]] or by a source of strategies",
                "[names.strategy]",
            ],
        ),
        (
            "orders",
            TAGGED_ORDERS,
            "2,T,main,BTC-USD,buy,limit,1,-1,open,,",
            &["price \"-1\": is not more than 0", "no spot instrument"],
        ),
        ("strategies", "strategy,account,symbol", "s,nobody,", &["account \"nobody\": is not defined"]),
        ("strategies", "strategy,account,symbol", "s,,\ns,,", &["strategy \"s\": is defined already"]),
        ("amendments", AMENDMENTS, "2,T,1,,,", &["order \"2\": is no order that was open then"]),
        ("amendments", AMENDMENTS, "1,2023-01-01T00:00:00Z,1,,,", &["is no order that was open then"]),
        (
            "amendments",
            AMENDMENTS,
            "1,T,0.999,,,",
            &["qty \"0.999\": is less than the 1.000 that are filled"],
        ),
        ("amendments", AMENDMENTS, "1,T,,,5,", &["trigger_price \"5\": is no term of a limit order"]),
        ("amendments", AMENDMENTS, "1,T,,,,9", &["and both prices are empty", "by `only`"]),
        ("amendments", AMENDMENTS, "1,T,,1.23,,", &["price \"1.23\": has 2 decimals; the limit is 1"]),
        ("amendments", AMENDMENTS, "1,T,0,,,", &["qty \"0\": is not more than 0"]),
        ("amendments", AMENDMENTS, "1,never,1,,,", &["time \"never\": is no time of ISO 8601"]),
        ("funding", FUNDING, ",T,main,BTC-USD,1,,,,", &["is a spot instrument, which has no funding"]),
        (
            "funding",
            FUNDING,
            ",T,main,BTC-INV,1,,,,",
            &["symbol \"BTC-INV\": is of a position that is not open then"],
        ),
        ("funding", FUNDING, ",T,main,BTC-PERP,0,,,,", &["amount \"0\": moves nothing"]),
        (
            "funding",
            FUNDING,
            ",T,main,BTC-PERP,1,BTC,,,",
            &["currency \"BTC\": is not USD, which the contract"],
        ),
        ("funding", FUNDING, ",T,main,BTC-PERP,1,,long,,", &["side \"long\": is no side of a position"]),
        ("funding", FUNDING, ",T,main,BTC-PERP,1,,,1.5,", &["rate \"1.5\": is more than the whole"]),
        ("funding", FUNDING, ",T,main,BTC-PERP,1,,,0.000000001,", &["rate \"0.000000001\": has 9 decimals"]),
        (
            "funding",
            FUNDING,
            "a,T,main,BTC-PERP,1,,,,\na,T,main,BTC-PERP,1,,,,",
            &["row 2 (line 3), id \"a\": is there already, in row 1"],
        ),
        ("quotes", QUOTES, ",T,BTC-PERP,1,,2,1", &["bid_qty \"\": is empty, while there is a price"]),
        ("quotes", QUOTES, ",T,BTC-PERP,,1,2,1", &["bid_price \"\": is empty, while something rests there"]),
        ("quotes", QUOTES, ",T,BTC-PERP,1,1,2,-1", &["ask_qty \"-1\": is negative"]),
        ("quotes", QUOTES, ",T,BTC-USD,0,1,2,1", &["bid_price \"0\": is not more than 0"]),
        ("quotes", QUOTES, "x,T,BTC-PERP,1,1,2,1", &["id \"x\": is no whole number"]),
    ];
    for (kind, fields, rows, told) in cases {
        let rows = rows.replace(",T,", &format!(",{later},"));
        let folder = folder(&[
            ("orders", "orders", TAGGED_ORDERS, order, ""),
            ("fills", "fills", TAGGED_FILLS, fill, ""),
            ("others", kind, fields, &rows, ""),
        ]);
        let refused = folder.import(1, "journal", &[]).stdout;
        assert!(refused.contains("refused: others row "), "{refused}");
        for text in *told {
            assert!(refused.contains(text), "{text:?} is not in: {refused}");
        }
        assert!(!folder.path("journal").exists(), "{rows}");
    }
}

#[test]
fn funding_of_hedged_pairs_names_its_side_where_both_are_open() {
    let fields = "id,time,account,symbol,side,price,qty,liquidity,position_effect";
    let fills = "1,2024-01-01T00:00:01Z,hedge,BTC-PERP,buy,100.0,1.000,maker,open\n\
                 2,2024-01-01T00:00:02Z,hedge,BTC-PERP,sell,100.0,2.000,maker,open";
    let of = |row: &str| {
        folder(&[("fills", "fills", fields, fills, ""), ("funding", "funding", FUNDING, row, "")])
    };
    let refused = of(",2024-01-01T00:00:09Z,hedge,BTC-PERP,1.00,,,,").import(1, "journal", &[]).stdout;
    assert!(
        refused.contains("side \"\": does not say which of both positions it is of; map `side`"),
        "{refused}"
    );
    let good = of(",2024-01-01T00:00:09Z,hedge,BTC-PERP,1.00,,short,,");
    good.import(0, "journal", &[]);
    has(
        &payloads(&good.records("journal"), "position.funding_posted")[0],
        &[("side", "short"), ("qty", "-2.000")],
    );
}

#[test]
fn mappings_of_the_new_kinds_that_cannot_be_are_refused() {
    let order = "1,2024-01-01T00:00:00Z,main,BTC-PERP,buy,limit,2.000,100.0,open,";
    for (kind, fields, told) in [
        ("amendments", "order,time,venue_order_id", "maps nothing that an amendment changes"),
        ("quotes", "time,symbol,bid_price,bid_qty,ask_price", "a side of a quote is a price and a quantity"),
        ("quotes", "time,symbol", "maps neither bid nor ask"),
        ("funding", "time,account,symbol", "`amount` (positive for what was got"),
    ] {
        let folder = folder(&[("orders", "orders", ORDERS, order, ""), ("others", kind, fields, "", "")]);
        let refused = folder.import(78, "journal", &[]).stderr;
        assert!(refused.contains(told), "{told}: {refused}");
    }
    let alone = folder(&[("others", "amendments", AMENDMENTS, "", "")]);
    let refused = alone.import(78, "journal", &[]).stderr;
    assert!(refused.contains("no source has rows = \"orders\""), "{refused}");
    let strategy =
        folder(&[("orders", "orders", ORDERS, order, "[[strategy]]\nstrategy = \"s\"\nsymbol = \"X\"")]);
    let refused = strategy.import(78, "journal", &[]).stderr;
    assert!(refused.contains("the mapping defines symbol: symbol \"X\" is not defined"), "{refused}");
}

#[test]
fn files_that_would_lose_rows_or_mix_columns_up_are_refused() {
    let transfers = "time,account,currency,amount,note";
    let row = |note: &str| format!("2024-01-01T00:00:00Z,main,USD,5.00,{note}");
    let of = |rows: &str| {
        let folder = folder(&[("cash", "transfers", transfers, rows, "")]);
        // A column that nobody reads.
        folder.replace("mapping.toml", ", note = \"note\"", "");
        folder
    };
    let never_closed = of(&[row("\"abc"), row("x")].join("\n"));
    let refused = never_closed.import(74, "journal", &[]).stderr;
    assert!(refused.contains("a quote opens a value in line 2 and nothing closes it"), "{refused}");
    let closed_by_another = of(&[row("\"abc"), row("x"), row("\"def")].join("\n"));
    let refused = closed_by_another.import(74, "journal", &[]).stderr;
    assert!(
        refused.contains("opens in line 2 goes on behind the quote that closes it in line 4"),
        "{refused}"
    );
    let good = of(&[row("\"two\nlines, and \"\"quotes\"\"\""), row("5\" disk")].join("\n"));
    assert_eq!(good.import(0, "journal", &["--json"]).json()["rows"], 2);
    good.replace("cash.csv", ",note", ",amount");
    let refused = good.import(78, "other", &[]).stderr;
    assert!(refused.contains("has the column \"amount\" more than once"), "{refused}");
    good.write("cash.csv", "");
    let refused = good.import(78, "other", &[]).stderr;
    assert!(refused.contains("has no column \"time\"; it has none"), "{refused}");
    fs::write(good.path("cash.csv"), b"\xff\xfet\0i\0m\0e\0").unwrap();
    let refused = good.import(74, "other", &[]).stderr;
    assert!(refused.contains("its first line is not UTF-8; save the file as UTF-8"), "{refused}");
}

#[test]
fn a_file_without_names_of_columns_is_read_by_those_of_the_mapping() {
    let fields = "time,symbol,price,qty";
    let rows = "2024-01-01T00:00:00Z,BTC-PERP,100.0,1\n2024-01-01T00:00:01Z,BTC-PERP,101.0,1,9";
    let header = "header = [\"time\", \"symbol\", \"price\", \"qty\"]";
    let folder = folder(&[("trades", "trades", fields, rows, header)]);
    folder.write("trades.csv", rows);
    let refused = folder.import(1, "journal", &[]).stdout;
    assert!(
        refused.contains("row 2 (line 2), row \"\": has 5 values, the header of the mapping 4"),
        "{refused}"
    );
    folder.write("trades.csv", rows.trim_end_matches(",9"));
    assert_eq!(folder.import(0, "journal", &["--json"]).json()["market_trades"], 2);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_is_read() {
    let folder = folder(&[("fills", "fills", FILLS, "", ""), ("orders", "orders", ORDERS, "", "")]);
    let refused = folder.import(74, "journal", &["--report", "/nowhere/report.json"]).stderr;
    assert!(refused.contains("writing the report to /nowhere/report.json"), "{refused}");
    assert!(!refused.contains("reading"), "{refused}");
    assert!(!folder.path("journal").exists());
    folder.write("file", "");
    let refused = folder.import(3, "file", &[]).stderr;
    assert!(refused.contains("it is no directory; give --to a directory that is new or empty"), "{refused}");
}
