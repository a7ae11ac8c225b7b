//! Every mapping of an import that is refused, with what to write instead.

use crate::import::Folder;
use crate::import_rows::{FILLS, ORDERS, folder};

#[test]
fn every_mapping_that_cannot_be_is_refused_with_what_to_write() {
    // What is replaced by what, and what is told.
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "id = \"id\"",
            "identity = \"id\"",
            &["source \"orders\"", "orders have no field `identity`", "they have id, time"],
        ),
        ("id = \"id\"", "id = \"number\"", &["source \"orders\" has no column \"number\"; it has id, time"]),
        ("side = \"side\", ", "", &["`side` (which way) is missing; map a column"]),
        ("rows = \"orders\"", "rows = \"order\"", &["is not valid", "unknown variant `order`", "line "]),
        ("kind = \"csv\"", "kind = \"csv\"\ncolour = 1", &["unknown field `colour`"]),
        ("kind = \"csv\"", "kind = \"csv\"\ndelimiter = \"ab\"", &["`delimiter` is \"ab\""]),
        (
            "kind = \"csv\"",
            "kind = \"csv\"\norder_by = \"id\"",
            &["`order_by` is not for this kind of source"],
        ),
        (
            "kind = \"csv\"",
            "kind = \"postgres\"\nurl = \"postgres://u@localhost/d\"",
            &["`path` is not for this kind of source"],
        ),
        ("kind = \"csv\"", "kind = \"sqlite\"\ntable = \"orders\"", &["`order_by` is missing"]),
        (
            "kind = \"csv\"",
            "kind = \"csv\"\ntime = { zone = \"Mars/Olympus\" }",
            &["time.zone is \"Mars/Olympus\"", "write \"UTC\""],
        ),
        ("kind = \"csv\"", "kind = \"csv\"\ntime = { format = \"date\" }", &["time.format is \"date\""]),
        ("kind = \"csv\"", "kind = \"csv\"\nscales = { side = 2 }", &["scales.side = 2 cannot be"]),
        (
            "kind = \"csv\"",
            "kind = \"csv\"\nwords = { side = { B = \"bid\" } }",
            &["words.side.\"B\" = \"bid\" is none of buy, sell"],
        ),
        (
            "kind = \"csv\"",
            "kind = \"csv\"\nconstants = { side = \"buy\" }",
            &["`side` has a column and a constant"],
        ),
        ("kind = \"csv\"", "kind = \"csv\"\nuse = \"open\"", &["`use` is for positions and balances only"]),
        ("kind = \"csv\"", "kind = \"csv\"\nperiod = \"1m\"", &["`period` is for candles only"]),
        ("kind = \"csv\"", "kind = \"csv\"\ndecimal_mark = \"x\"", &["`decimal_mark` is \"x\""]),
        ("kind = \"csv\"", "kind = \"csv\"\nonly = { side = [] }", &["a list in `only` is empty"]),
        (
            "scale = 8",
            "scale = 19",
            &["the mapping defines scale: scale \"19\" is too many decimals; write 0 to 18"],
        ),
        ("quantity_scale = 4", "quantity_scale = 9", &["is finer than the 8 decimals of its base currency"]),
        ("base = \"BTC\"", "base = \"XMR\"", &["is no currency that is defined"]),
        ("currency = \"BNB\"", "currency = \"USD\"", &["is defined already; define it once"]),
        ("name = \"by hand\"", "name = \"\"", &["section [import]", "`name` is \"\""]),
    ];
    let row = "1,2024-01-01T00:00:00Z,main,BTC-USD,buy,limit,1.0000,100.00,open,";
    for (old, new, told) in cases {
        let folder = folder(&[("orders", "orders", ORDERS, row, "")]);
        folder.replace("mapping.toml", old, new);
        let refused = folder.import(78, "journal", &["--dry-run"]);
        for text in *told {
            assert!(refused.stderr.contains(text), "{text:?} is not in: {}", refused.stderr);
        }
    }
    let fills = folder(&[("fills", "fills", FILLS, "", "")]);
    let refused = fills.import(78, "journal", &[]).stderr;
    assert!(refused.contains("no source has rows = \"orders\""), "{refused}");
    let missing = Folder::new().import(74, "journal", &[]).stderr;
    assert!(missing.contains("mapping.toml cannot be read"), "{missing}");
}
