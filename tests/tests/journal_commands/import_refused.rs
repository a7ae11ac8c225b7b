//! Rows that are refused and borne: they leave nothing behind, are counted once, and what else stands is read as without them.

use crate::import::Folder;
use crate::import_rows::{folder, has, payloads};

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
