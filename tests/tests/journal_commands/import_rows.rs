//! What rows of an import become, kind by kind, worked out by hand; and every row that is refused, with its column, value and
//! remedy.

use crate::import::Folder;
use serde_json::Value;

const HEAD: &str = r#"
[import]
name = "by hand"
segment_size_bytes = 131072
[[currency]]
currency = "USD"
scale = 2
[[currency]]
currency = "BTC"
scale = 8
[[currency]]
currency = "BNB"
scale = 8
[[instrument]]
symbol = "BTC-USD"
kind = "spot"
base = "BTC"
quote = "USD"
price_scale = 2
quantity_scale = 4
[[instrument]]
symbol = "BTC-PERP"
kind = "linear"
base = "BTC"
quote = "USD"
price_scale = 1
quantity_scale = 3
[[instrument]]
symbol = "BTC-INV"
kind = "inverse"
base = "BTC"
quote = "USD"
price_scale = 1
quantity_scale = 0
multiplier = 100
[[account]]
account = "main"
[[account]]
account = "hedge"
mode = "hedging"
"#;

/// A source of CSV whose columns have the names of the fields.
fn source(name: &str, rows: &str, fields: &str, rest: &str) -> String {
    let columns: Vec<String> = fields.split(',').map(|field| format!("{field} = \"{field}\"")).collect();
    let columns = columns.join(", ");
    format!(
        "[[source]]\nname = \"{name}\"\nrows = \"{rows}\"\nkind = \"csv\"\npath = \"{name}.csv\"\ncolumns = {{ {columns} }}\n{rest}\n"
    )
}

/// A folder with sources: name, what their rows are, fields, rows, and what else the mapping says.
pub(crate) fn folder(sources: &[(&str, &str, &str, &str, &str)]) -> Folder {
    let folder = Folder::new();
    let mut mapping = HEAD.to_owned();
    for (name, rows, fields, lines, rest) in sources {
        mapping += &source(name, rows, fields, rest);
        folder.write(&format!("{name}.csv"), &format!("{fields}\n{lines}\n"));
    }
    folder.write("mapping.toml", &mapping);
    folder
}

pub(crate) const ORDERS: &str = "id,time,account,symbol,side,type,qty,price,status,done_at";
pub(crate) const FILLS: &str = "id,time,order,price,qty,fee,liquidity";
const OWN_FILLS: &str = "id,time,account,symbol,side,price,qty,fee,fee_currency,liquidity,position_effect";

pub(crate) fn payloads(records: &[Value], event_type: &str) -> Vec<Value> {
    let of_type = records.iter().filter(|record| record["event_type"] == event_type);
    of_type.map(|record| record["payload"].clone()).collect()
}

#[track_caller]
pub(crate) fn has(value: &Value, fields: &[(&str, &str)]) {
    for (field, expected) in fields {
        assert_eq!(value[*field], **expected, "{field}: {value}");
    }
}

#[test]
fn contracts_hedged_pairs_and_foreign_fees_are_booked_as_by_hand() {
    let lines = "1,2024-01-01T00:00:01Z,main,BTC-PERP,buy,100.0,2.000,0.10,,taker,\n\
                 2,2024-01-01T00:00:02Z,main,BTC-PERP,sell,110.0,3.000,,,taker,\n\
                 3,2024-01-01T00:00:03Z,main,BTC-INV,sell,50000.0,10,0.00001000,BTC,maker,\n\
                 4,2024-01-01T00:00:04Z,main,BTC-INV,buy,40000.0,10,,,maker,\n\
                 5,2024-01-01T00:00:05Z,hedge,BTC-PERP,buy,100.0,1.000,,,maker,open\n\
                 6,2024-01-01T00:00:06Z,hedge,BTC-PERP,sell,120.0,1.000,,,maker,open\n\
                 7,2024-01-01T00:00:07Z,hedge,BTC-PERP,sell,130.0,1.000,,,maker,close\n\
                 8,2024-01-01T00:00:08Z,main,BTC-USD,buy,20000.00,0.5000,0.00050000,BTC,taker,\n\
                 nine,2024-01-01T00:00:09Z,main,BTC-USD,sell,21000.00,0.2500,0.01000000,BNB,taker,";
    let folder = folder(&[("fills", "fills", OWN_FILLS, lines, "")]);
    let report = folder.import(0, "journal", &["--json"]).json();
    assert_eq!((&report["orders"], &report["open_orders"]), (&9.into(), &0.into()));
    let records = folder.records("journal");
    let positions = payloads(&records, "position.changed");
    assert_eq!(positions.len(), 9);
    has(
        &positions[0],
        &[("qty", "2.000"), ("open_cost", "200.00"), ("change", "opened"), ("fees_total", "0.10")],
    );
    // (110 - 100) × 2, and one short at 110.
    has(
        &positions[1],
        &[("qty", "-1.000"), ("realized", "20.00"), ("open_cost", "-110.00"), ("change", "flipped")],
    );
    // 10 × 100 / 50,000 = 0.02 sold, bought back for 10 × 100 / 40,000 = 0.025: contracts on the way down pay the seller.
    has(&positions[2], &[("qty", "-10"), ("open_cost", "-0.02000000"), ("fees_total", "0.00001000")]);
    has(&positions[3], &[("qty", "0"), ("realized", "0.00500000"), ("change", "closed")]);
    has(&positions[4], &[("side", "long"), ("qty", "1.000")]);
    has(&positions[5], &[("side", "short"), ("qty", "-1.000"), ("open_cost", "-120.00")]);
    has(&positions[6], &[("side", "long"), ("qty", "0.000"), ("realized", "30.00")]);
    // A fee of 0.0005 BTC at 20,000 counts as 10; one of 0.01 BNB, for which there is no rate, is posted only.
    has(&positions[7], &[("fees_total", "10.00"), ("open_cost", "10000.00")]);
    has(&positions[8], &[("fees_total", "10.00"), ("realized", "250.00"), ("qty", "0.2500")]);
    let balance = |currency: &str| {
        let rows = report["balances"].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["account"] == "main" && row["currency"] == currency);
        rows.next().unwrap()["balance"].as_str().unwrap().to_owned()
    };
    // 20 - 0.10 of the contract, -10,000 + 5,250 for coins.
    assert_eq!(balance("USD"), "-4730.10");
    // 0.005 - 0.00001 of the inverse contract, 0.5 - 0.0005 - 0.25 of coins.
    assert_eq!(balance("BTC"), "0.25449000");
    assert_eq!(balance("BNB"), "-0.01000000");
    // Numbers stay; other ids are hashed, and lie beside the record.
    let fills = payloads(&records, "fill.reported");
    assert_eq!(fills[7]["execution_id"], 8);
    assert!(fills[8]["execution_id"].as_u64().unwrap() > 1 << 32);
}

#[test]
fn positions_open_without_cash_and_are_compared_at_later_dates() {
    let open = "2024-01-01T00:00:00Z,main,BTC-USD,2.0000,30000.00\n2024-01-01T00:00:00Z,main,BTC-PERP,-1.000,31000.0\n\
                2024-01-01T00:00:00Z,hedge,BTC-PERP,3.000,29000.0";
    let fills = "1,2024-01-02T00:00:00Z,main,BTC-USD,sell,33000.00,2.0000,,,taker,\n\
                 2,2024-01-02T00:00:00Z,main,BTC-PERP,buy,30000.0,1.000,,,taker,";
    let check = "2024-01-03T00:00:00Z,main,BTC-USD,0\n2024-01-03T00:00:00Z,main,BTC-PERP,0\n\
                 2024-01-03T00:00:00Z,hedge,BTC-PERP,3\n2024-01-01T12:00:00Z,main,BTC-USD,2";
    let sources = |check: &'static str| {
        folder(&[
            ("check", "positions", "time,account,symbol,qty", check, "use = \"check\""),
            ("fills", "fills", OWN_FILLS, fills, ""),
            ("open", "positions", "time,account,symbol,qty,price", open, "use = \"open\""),
        ])
    };
    let folder = sources(check);
    let report = folder.import(0, "journal", &["--json"]).json();
    let balances = report["balances"].as_array().unwrap();
    let balance =
        |currency: &str| balances.iter().find(|row| row["currency"] == currency).unwrap()["balance"].clone();
    // What the coins cost was paid before; 66,000 for them and 1,000 of the contract came.
    assert_eq!((balance("USD"), balance("BTC")), ("67000.00".into(), "0.00000000".into()));
    let positions = payloads(&folder.records("journal"), "position.changed");
    has(&positions[0], &[("change", "adjusted"), ("qty", "2.0000"), ("open_cost", "60000.00")]);
    let sold = positions
        .iter()
        .find(|position| position["instrument"] == "BTC-USD" && position["change"] == "closed");
    has(sold.unwrap(), &[("realized", "6000.00")]);

    let wrong = sources("2024-01-03T00:00:00Z,hedge,BTC-PERP,2.5");
    let refused = wrong.import(1, "journal", &[]).stdout;
    for text in [
        "check row 1 (line 2), qty \"2.5\"",
        "is not what the rows before lead to, which is 3.000",
        "compare the sums",
    ] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
    assert!(!wrong.path("journal").exists());
}

#[test]
fn balances_open_and_are_compared_at_later_dates() {
    let open = "2024-01-01T00:00:00Z,main,USD,1000.00\n2024-01-01T00:00:00Z,main,BTC,0";
    let fills = "1,2024-01-02T00:00:00Z,main,BTC-USD,buy,100.00,2.0000,0.50,,taker,";
    let sources = |check: &'static str| {
        folder(&[
            ("open", "balances", "time,account,currency,amount", open, "use = \"open\""),
            ("fills", "fills", OWN_FILLS, fills, ""),
            ("check", "balances", "time,account,currency,amount", check, "use = \"check\""),
        ])
    };
    let good = sources(
        "2024-01-01T00:00:00Z,main,USD,1000\n2024-01-03T00:00:00Z,main,USD,799.50\n2024-01-03T00:00:00Z,main,BTC,2\n\
         2024-01-03T00:00:00Z,hedge,USD,0",
    );
    good.import(0, "journal", &[]);
    let records = good.records("journal");
    assert_eq!(payloads(&records, "account.balance_stated").len(), 6);
    let posted = &payloads(&records, "account.posted")[0]["legs"][0];
    has(posted, &[("amount", "1000.00"), ("currency", "USD"), ("from", "adjustment"), ("to", "client")]);
    let wrong = sources("2024-01-03T00:00:00Z,main,USD,800.00").import(1, "journal", &[]).stdout;
    let text =
        "check row 1 (line 2), amount \"800.00\": is not what the rows before lead to, which is 799.50";
    assert!(wrong.contains(text), "{wrong}");
}

#[test]
fn bars_are_told_by_trades_that_have_their_prices_and_volume() {
    let bars = "2024-01-01T00:00:00Z,BTC-USD,100.00,120.00,90.00,110.00,10.0003\n\
                2024-01-01T00:01:00Z,BTC-USD,110.00,110.00,110.00,110.00,0\n\
                2024-01-01T00:02:00Z,BTC-USD,110.00,115.00,95.00,96.00,0.0002";
    let fields = "time,symbol,open,high,low,close,volume";
    let folder = folder(&[("bars", "candles", fields, bars, "period = \"1m\"")]);
    let report = folder.import(0, "journal", &["--json"]).json();
    assert_eq!(report["market_trades"], 8);
    let records = folder.records("journal");
    let trades = payloads(&records, "market.trade");
    let told: Vec<(&str, &str)> = trades
        .iter()
        .map(|trade| (trade["price"].as_str().unwrap(), trade["qty"].as_str().unwrap()))
        .collect();
    let rose = [("100.00", "2.5000"), ("90.00", "2.5000"), ("120.00", "2.5000"), ("110.00", "2.5003")];
    let fell = [("110.00", "0.0000"), ("115.00", "0.0000"), ("95.00", "0.0000"), ("96.00", "0.0002")];
    assert_eq!(told, [rose, fell].concat());
    let times: Vec<u64> = records
        .iter()
        .filter(|record| record["event_type"] == "market.trade")
        .map(|record| record["time_ns"].as_u64().unwrap() - 1_704_067_200_000_000_000)
        .collect();
    let minute = 60_000_000_000;
    assert_eq!(times[..4], [0, minute / 3, minute / 3 * 2, minute - 1]);
    assert_eq!(times[4..], times[..4].iter().map(|time| time + 2 * minute).collect::<Vec<_>>());
}

#[test]
fn definitions_come_from_sources_too_and_before_whatever_names_them() {
    let sources = [
        (
            "cash",
            "transfers",
            "time,account,currency,amount,direction",
            "2024-01-01T00:00:00Z,New,EUR,5.00,out",
            "",
        ),
        ("accounts", "accounts", "account,mode", "new,Netting", ""),
        (
            "instruments",
            "instruments",
            "symbol,kind,base,quote,price_scale,quantity_scale",
            "X-EUR,SPOT,X,EUR,2,0",
            "",
        ),
        ("currencies", "currencies", "currency,scale", "EUR,2\nX,0", ""),
    ];
    let folder = folder(&sources);
    folder.replace("mapping.toml", "[[source]]", "[names]\naccount = { New = \"new\" }\n[[source]]");
    folder.import(0, "journal", &[]);
    let records = folder.records("journal");
    has(
        &payloads(&records, "account.cash_transferred")[0],
        &[("amount", "-5.00"), ("account", "new"), ("currency", "EUR")],
    );
    let defined = payloads(&records, "market.instrument_defined");
    has(defined.last().unwrap(), &[("symbol", "X-EUR"), ("base", "X"), ("tick_size", "0.01")]);
}

#[test]
fn every_row_that_cannot_be_is_refused_by_row_column_value_and_remedy() {
    let order = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1.0000,100.00,open,";
    let fill = "7,2024-01-01T00:00:01Z,1,100.00,0.5000,,maker";
    // Orders, fills, and what is told: the place, and a part of reason and remedy.
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1.00001,100.00,open,",
            "",
            &[
                "orders row 1 (line 2), qty \"1.00001\"",
                "has 5 decimals; the limit is 4",
                "quantity_scale of BTC-USD",
            ],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,ETH-USD,buy,limit,1,100.00,open,",
            "",
            &["symbol \"ETH-USD\"", "is not defined", "[[instrument]]", "[names.symbol]"],
        ),
        (
            "1,2024-01-01T00:00:00Z,nobody,BTC-USD,buy,limit,1,100.00,open,",
            "",
            &["account \"nobody\"", "[[account]]"],
        ),
        (
            "1,1 January,main,BTC-USD,buy,limit,1,100.00,open,",
            "",
            &["time \"1 January\"", "is no time of ISO 8601", "set time.format"],
        ),
        (
            "1,2024-01-01 00:00:00,main,BTC-USD,buy,limit,1,100.00,open,",
            "",
            &["names no offset", "time.zone"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,long,limit,1,100.00,open,",
            "",
            &["side \"long\"", "is no word", "[source.words.side]: buy, sell"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,,open,",
            "",
            &["price \"\"", "is empty", "limit order has a limit price"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,0,100.00,open,",
            "",
            &["qty \"0\"", "is not more than 0"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,-1,100.00,open,",
            "",
            &["qty \"-1\"", "is not more than 0"],
        ),
        ("1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,99999999999999999,100.00,open,", "", &["too large"]),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,1OO.00,open,",
            "",
            &["price \"1OO.00\"", "has 'O' at position 1"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,canceled,",
            "",
            &["done_at \"\"", "the order has ended"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,canceled,2023-12-31T00:00:00Z",
            "",
            &["lies before the order was entered"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,filled,",
            fill,
            &["orders row 1", "status \"1\"", "add up to 0.5000 of 1.0000"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,0.5,100.00,canceled,2024-01-02T00:00:00Z",
            fill,
            &["status \"canceled\"", "add up to all of it"],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,,more",
            "",
            &["orders row 1", "has 11 values, the first line 10", "mend the file"],
        ),
        (
            order,
            "7,2024-01-01T00:00:01Z,2,100.00,0.5,,maker",
            &[
                "fills row 1 (line 2), order \"2\"",
                "no order that was open then",
                "entered at this time or before",
            ],
        ),
        (
            order,
            "7,2023-12-31T23:59:59Z,1,100.00,0.5,,maker",
            &["order \"1\"", "no order that was open then"],
        ),
        (
            order,
            "7,2024-01-01T00:00:01Z,1,100.00,1.5,,maker",
            &["qty \"1.5\"", "more than its order has left: 0.0000 of 1.0000"],
        ),
        (order, "7,2024-01-01T00:00:01Z,1,100.00,0.5,,", &["liquidity \"\"", "is empty", "give a constant"]),
        (
            order,
            "7,2024-01-01T00:00:01Z,1,100.00,0.5,0.001,maker",
            &["fee \"0.001\"", "has 3 decimals", "USD has 2 decimals"],
        ),
        (
            order,
            "7,2024-01-01T00:00:01Z,1,100.00,0.5,,maker\n8,2024-01-01T00:00:02Z,1,100.00,0.1,,maker\n7,2024-01-01T00:00:03Z,1,100.00,0.1,,maker",
            &[
                "fills row 3 (line 4), id \"7\"",
                "is there already, in row 1 of fills",
                "take the repeated row out",
            ],
        ),
        (
            "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,\n1,2024-01-01T00:00:09Z,main,BTC-USD,buy,limit,1,100.00,open,",
            "",
            &["orders row 2 (line 3), id \"1\"", "is there already, in row 1 of orders"],
        ),
    ];
    for (orders, fills, told) in cases {
        let fills = if fills.is_empty() { "" } else { fills };
        let folder =
            folder(&[("orders", "orders", ORDERS, orders, ""), ("fills", "fills", FILLS, fills, "")]);
        let refused = folder.import(1, "journal", &[]);
        for text in *told {
            assert!(refused.stdout.contains(text), "{text:?} is not in: {}", refused.stdout);
        }
        assert!(refused.stdout.contains("nothing was imported"), "{}", refused.stdout);
        assert!(!folder.path("journal").exists(), "{orders}");
    }
}

#[test]
fn refusals_are_borne_up_to_max_refused_and_a_dry_run_lists_all_of_them() {
    let orders = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,\n2,never,main,BTC-USD,buy,limit,1,100.00,open,\n\
                  3,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1,100.00,open,";
    let fills = "7,2024-01-01T00:00:01Z,2,100.00,0.5,,maker\n8,2024-01-01T00:00:01Z,3,100.00,0.5,,maker";
    let folder = folder(&[("orders", "orders", ORDERS, orders, ""), ("fills", "fills", FILLS, fills, "")]);
    let checked = folder.import(1, "journal", &["--dry-run", "--json"]).json();
    assert_eq!((&checked["ok"], &checked["refused"]), (&false.into(), &2.into()));
    let refusals: Vec<_> = checked["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| {
            (
                refusal["source"].as_str().unwrap(),
                refusal["row"].as_u64().unwrap(),
                refusal["line"].as_u64().unwrap(),
                refusal["column"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(refusals, [("orders", 2, 3, "time"), ("fills", 1, 2, "order")]);
    folder.replace("mapping.toml", "name = \"by hand\"", "name = \"by hand\"\nmax_refused = 1");
    let refused = folder.import(1, "journal", &["--json"]).json();
    assert_eq!((&refused["outcome"], &refused["refused"]), (&"refused".into(), &2.into()));
    assert!(!folder.path("journal").exists());
    folder.replace("mapping.toml", "max_refused = 1", "max_refused = 2");
    let report = folder.import(0, "journal", &["--json"]).json();
    assert_eq!(
        (&report["outcome"], &report["refused"], &report["orders"]),
        (&"imported".into(), &2.into(), &2.into())
    );
    let imported: Vec<_> = report["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["imported"].as_u64().unwrap())
        .collect();
    assert_eq!(imported, [2, 1]);
}

#[test]
fn numbers_and_times_are_read_as_the_source_writes_them() {
    let rows = "1;01.02.2024 10:00:00;main;BTC-USD;K;1.234,5;30.000,00\n2;01.02.2024 10:00:01;main;BTC-USD;V;1,5e-1;30.000,50\n\
                3;01.02.2024 10:00:02;main;BTC-USD;?;1;1";
    let folder = Folder::new();
    let fields = "id,time,account,symbol,side,qty,price";
    let rest = "delimiter = \";\"\ndecimal_mark = \",\"\ngroup_mark = \".\"\n\
                time = { format = \"%d.%m.%Y %H:%M:%S\", zone = \"Europe/Berlin\" }\nconstants = { liquidity = \"taker\" }\n\
                only = { side = [\"K\", \"V\"] }\nwords = { side = { K = \"buy\", V = \"sell\" } }";
    folder.write("mapping.toml", &format!("{HEAD}{}", source("fills", "fills", fields, rest)));
    folder.write("fills.csv", &format!("\u{feff}{}\n{rows}\n", fields.replace(',', ";")));
    let report = folder.import(0, "journal", &["--json"]).json();
    assert_eq!(report["sources"][0]["left_out"], 1);
    let records = folder.records("journal");
    let fills: Vec<_> = records.iter().filter(|record| record["event_type"] == "fill.reported").collect();
    assert_eq!(fills[0]["time_ns"], 1_706_778_000_000_000_000_u64, "nine o'clock in UTC");
    has(&fills[0]["payload"], &[("qty", "1234.5000"), ("price", "30000.00")]);
    has(&fills[1]["payload"], &[("qty", "0.1500"), ("price", "30000.50")]);
}
