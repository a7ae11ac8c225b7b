//! What `tickwerk db verify` proves of read models: that they are what a fresh fold of the journal gives, or which cell is
//! the first that is not.

use crate::fixture::Bench;
use crate::process::{self, records_of};
use crate::server::{Database, Server, database};
use crate::support::{db, last_sequence, migrate, ship, start_shipping, text, traded, wait_until_shipped};
use serde_json::Value;
use std::path::Path;

fn verify(address: &str, journal: &Path, code: i32) -> Value {
    db(address, &["verify", text(journal), "--json"]).expect(code).json()
}

fn of<'v>(shown: &'v Value, name: &str) -> &'v Value {
    let all = shown["projections"].as_array().expect("a list");
    all.iter().find(|of| of["name"] == name).unwrap_or_else(|| panic!("{name}: {shown}"))
}

/// Changes a table, verifies, and puts it back as it was.
fn tampered(address: &str, journal: &Path, table: &str, change: &str) -> Value {
    let database = Database::open(address);
    database.execute(&format!("CREATE TABLE public.kept AS TABLE tickwerk.{table}"));
    database.execute(change);
    let found = verify(address, journal, 3)["first_difference"].clone();
    database.execute(&format!(
        "DELETE FROM tickwerk.{table}; INSERT INTO tickwerk.{table} TABLE public.kept; DROP TABLE public.kept"
    ));
    found
}

#[test]
fn a_cell_a_lost_row_and_an_added_one_of_a_read_model_are_named() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(800);
    migrate(&place.address);
    ship(&place.address, &journal);
    let whole = verify(&place.address, &journal, 0);
    for of in whole["projections"].as_array().expect("a list") {
        assert_eq!(
            (&of["checked"], &of["through"]),
            (&true.into(), &last_sequence(&journal).into()),
            "{whole}"
        );
    }
    for name in ["orders", "positions", "candles", "profits", "event_statistics", "order_books"] {
        assert!(of(&whole, name)["rows"].as_u64() > Some(0), "{name}: {whole}");
    }
    let database = Database::open(&place.address);
    let order = database.number("SELECT min(order_id) FROM tickwerk.orders");
    let fill = database.value("SELECT min(global_position) FROM tickwerk.fills");
    let status = database.value(&format!("SELECT status FROM tickwerk.orders WHERE order_id = {order}"));
    for (projection, table, change, column, expected, found) in [
        (
            "orders",
            "orders",
            format!("UPDATE tickwerk.orders SET status = 'mine' WHERE order_id = {order}"),
            Some("status"),
            Some(status.as_str()),
            Some("mine"),
        ),
        (
            "fills",
            "fills",
            format!("DELETE FROM tickwerk.fills WHERE global_position = {fill}"),
            None,
            None,
            None,
        ),
        (
            "balances",
            "balances",
            "INSERT INTO tickwerk.balances (account_id, currency_id, book, balance, global_position) VALUES (77, 1, 'cash', 1, 5)".to_owned(),
            None,
            None,
            None,
        ),
        (
            "positions",
            "position_history",
            "UPDATE tickwerk.position_history SET qty = NULL WHERE global_position = (SELECT min(global_position)
             FROM tickwerk.position_history WHERE qty = 0.02)".to_owned(),
            Some("qty"),
            Some("0.020"),
            None,
        ),
        (
            "profits",
            "profit_series",
            "UPDATE tickwerk.profit_series SET global_position = 2 WHERE ctid = (SELECT min(ctid) FROM tickwerk.profit_series)"
                .to_owned(),
            Some("global_position"),
            None,
            Some("2"),
        ),
        (
            "candles",
            "candles",
            "UPDATE tickwerk.candles SET high = high + 0.01 WHERE period = '1d' AND source = 'trades'".to_owned(),
            Some("high"),
            None,
            None,
        ),
    ] {
        let difference = tampered(&place.address, &journal, table, &change);
        let named = ["projection", "table"].map(|field| difference[field].as_str().unwrap_or_default());
        assert_eq!(named, [projection, table], "{change}: {difference}");
        assert_eq!(difference["column"].as_str(), column, "{change}: {difference}");
        assert!(difference["key"].is_object() && difference["sequence"].as_u64() > Some(0), "{difference}");
        for (field, word) in [("expected", expected), ("found", found)] {
            if word.is_some() {
                assert_eq!(difference[field].as_str(), word, "{change}: {difference}");
            }
        }
    }
    verify(&place.address, &journal, 0);
    // In words, the same.
    database.execute(&format!("UPDATE tickwerk.orders SET status = 'mine' WHERE order_id = {order}"));
    let told = db(&place.address, &["verify", text(&journal)]).expect(3).stdout;
    let words = format!("table orders, key {{\"order_id\": {order}}}: status is mine and should be {status}");
    assert!(told.contains("projection orders") && told.contains(&words), "{told}");
    let events = db(&place.address, &["verify", text(&journal), "--events-only", "--json"]).expect(0).json();
    assert_eq!(events["projections"], Value::Array(Vec::new()), "{events}");
}

#[test]
fn a_paused_read_model_is_proven_as_far_as_it_is() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(600);
    migrate(&place.address);
    let replicator = start_shipping(&place.address, &journal, 50);
    wait_until_shipped(&place.address, last_sequence(&journal) / 3);
    db(&place.address, &["projections", "pause", "balances"]).expect(0);
    wait_until_shipped(&place.address, last_sequence(&journal));
    replicator.stop().expect(0);
    let shown = verify(&place.address, &journal, 0);
    let through = of(&shown, "balances")["through"].as_u64();
    assert!(through > Some(0) && through < Some(last_sequence(&journal)), "{shown}");
    let change = "UPDATE tickwerk.balances SET balance = balance + 1";
    let found = tampered(&place.address, &journal, "balances", change);
    assert_eq!((&found["projection"], &found["column"]), (&"balances".into(), &"balance".into()), "{found}");
    Database::open(&place.address)
        .execute("UPDATE tickwerk.projection SET version = version + 1 WHERE name = 'balances'");
    let shown = verify(&place.address, &journal, 0);
    let reason = of(&shown, "balances")["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("rebuild it") && of(&shown, "balances")["checked"] == false, "{shown}");
}

#[test]
fn a_read_model_of_another_build_is_not_shown_as_kept_up() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(600);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    let age = |name: &str| {
        database
            .execute(&format!("UPDATE tickwerk.projection SET version = version + 1 WHERE name = '{name}'"));
    };
    let failed = |name: &str| {
        let status = db(&place.address, &["status", "--json"]).expect(0).json();
        let shown = of(&status, name).clone();
        assert_eq!(shown["status"], "failed", "{shown}");
        let error = shown["error"].as_str().expect("a reason");
        assert!(
            error.starts_with("its tables are of version ") && error.ends_with("; rebuild it"),
            "{error}"
        );
    };
    age("balances");
    let told = db(&place.address, &["migrate", "--json"]).expect(0).json()["failed"].clone();
    assert!(told[0].as_str().is_some_and(|told| told.starts_with("balances failed: ")), "{told}");
    failed("balances");
    age("fills");
    ship(&place.address, &journal);
    failed("fills");
    db(&place.address, &["projections", "resume", text(&journal), "fills"])
        .expect_told(3, &["fills cannot be resumed", "rebuild it"]);
    db(&place.address, &["projections", "rebuild", text(&journal), "balances", "fills"]).expect(0);
    let shown = verify(&place.address, &journal, 0);
    assert!(["balances", "fills"].iter().all(|name| of(&shown, name)["checked"] == true), "{shown}");
}

#[test]
fn what_is_parked_is_left_out_of_the_proof_and_nothing_else() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(600);
    let address = server.address("postgres");
    migrate(&address);
    let database = Database::open(&address);
    let changes = records_of(&journal, "position.changed");
    let poison = changes[changes.len() / 2]["sequence"].as_u64().expect("a sequence");
    database.execute(&format!(
        "ALTER TABLE tickwerk.position_history ADD CONSTRAINT poison CHECK (global_position <> {poison})"
    ));
    ship(&address, &journal);
    db(&address, &["projections", "resume", text(&journal), "positions"]).expect(0);
    verify(&address, &journal, 0);
    database.execute("CREATE TABLE public.parked AS TABLE tickwerk.parked; DELETE FROM tickwerk.parked");
    let found = verify(&address, &journal, 3)["first_difference"].clone();
    assert_eq!((&found["projection"], &found["sequence"]), (&"positions".into(), &poison.into()), "{found}");
    // One that the fold takes is not parked by right.
    database.execute(
        "INSERT INTO tickwerk.parked TABLE public.parked;
         INSERT INTO tickwerk.parked (projection, global_position, event_type, error) VALUES ('fills', 40, 'x', 'because')",
    );
    let found = verify(&address, &journal, 3)["first_difference"].clone();
    assert!(found["reason"].as_str().expect("a text").contains("parked for projection fills"), "{found}");
    db(&address, &["projections", "skip", "positions"]).expect(0);
    database.execute("DELETE FROM tickwerk.parked WHERE projection = 'fills'");
    verify(&address, &journal, 0);
}

#[test]
fn of_a_journal_that_lost_its_beginning_events_are_proven_and_read_models_are_not() {
    let Some(place) = database() else { return };
    let bench = Bench::with_capture(1_600, 5_000_000);
    let journal = bench.journal();
    // Two snapshots behind the first segment, so that it may go.
    for steps in [1_600, 3_200] {
        bench.capture(steps);
        process::run(bench.arguments(&journal, &[])).expect(0);
        process::run(["snapshot", text(&journal)]).expect(0);
    }
    migrate(&place.address);
    ship(&place.address, &journal);
    let gone = process::run(["retain", text(&journal), "--apply"]).expect(0).stdout;
    assert!(gone.contains("went  segment 1,"), "{gone}");
    let shown = verify(&place.address, &journal, 0);
    let (first, checked) = (shown["first_sequence"].as_u64().unwrap(), shown["checked"].as_u64().unwrap());
    assert!(first > 1 && checked == last_sequence(&journal) + 1 - first, "{shown}");
    for of in shown["projections"].as_array().expect("a list") {
        let reason = of["reason"].as_str().unwrap_or_default();
        assert!(of["checked"] == false && reason.contains("from its first record"), "{shown}");
    }
    let told = db(&place.address, &["verify", text(&journal)]).expect(0).stdout;
    assert!(told.contains("is no longer in the journal and was not compared"), "{told}");
    let database = Database::open(&place.address);
    database.execute(&format!(
        "UPDATE tickwerk.events SET actor = 'mallory' WHERE global_position = {}",
        first + 10
    ));
    assert_eq!(verify(&place.address, &journal, 3)["first_difference"]["sequence"], first + 10);
}

#[test]
fn a_read_model_whose_tables_or_entry_are_gone_is_a_difference_and_rebuilt() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    for (change, words) in [
        ("DROP TABLE tickwerk.signals CASCADE", "it is missing in the database; rebuild it"),
        ("DELETE FROM tickwerk.projection WHERE name = 'signals'", "tickwerk.projection does not know of it"),
    ] {
        database.execute(change);
        let found = verify(&place.address, &journal, 3)["first_difference"].clone();
        let first = if change.starts_with("DROP") { "signals" } else { "latest_signals" };
        assert_eq!((&found["projection"], &found["table"]), (&"signals".into(), &first.into()), "{found}");
        assert!(found["reason"].as_str().expect("a text").contains(words), "{change}: {found}");
        let told = db(&place.address, &["migrate", "--json"]).expect(0).json()["failed"].clone();
        assert!(told[0].as_str().is_some_and(|told| told.starts_with("signals failed: ")), "{told}");
        // Nothing is taken up where nobody knows what is there, however the tables came to be empty.
        let unknown = "nobody knows what its tables hold; rebuild it";
        db(&place.address, &["projections", "resume", text(&journal), "signals"]).expect_told(3, &[unknown]);
        let shown = db(&place.address, &["projections", "list", "--all", "--json"]).expect(0).json();
        let signals = of(&shown, "signals");
        assert_eq!((&signals["status"], &signals["position"]), (&"failed".into(), &0.into()), "{shown}");
        db(&place.address, &["rebuild", text(&journal), "signals"]).expect(0);
        verify(&place.address, &journal, 0);
    }
}

#[test]
fn what_went_with_a_partition_is_said_and_not_counted_as_compared() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(300);
    migrate(&place.address);
    ship(&place.address, &journal);
    let why = ["--reason", "old", "--actor", "ops"];
    let database = Database::open(&place.address);
    let name = database.value(
        "SELECT name FROM tickwerk.event_partition WHERE family = 'market' ORDER BY from_time LIMIT 1",
    );
    // Nothing goes where some of what is named is not there, or is being read.
    db(&place.address, &[&["drop-partition", &name, "events_none"][..], &why].concat())
        .expect_told(1, &["there is no partition events_none"]);
    database.execute(&format!("BEGIN; LOCK TABLE tickwerk.{name} IN ACCESS SHARE MODE"));
    db(&place.address, &[&["drop-partition", &name][..], &why].concat())
        .expect_told(1, &["somebody else has held a lock on it for too long"]);
    database.execute("COMMIT");
    let rows = database.number(&format!("SELECT count(*) FROM tickwerk.{name}"));
    assert!(rows > 0);
    db(&place.address, &[&["drop-partition", &name][..], &why].concat()).expect(0);
    let shown = verify(&place.address, &journal, 0);
    assert_eq!(
        (&shown["dropped"], &shown["checked"]),
        (&rows.into(), &(last_sequence(&journal) - rows).into()),
        "{shown}"
    );
}
