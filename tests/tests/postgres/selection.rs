//! What is selected: the same rows however a journal was cut, what held when, and read models that know everything.

use crate::is_long;
use crate::process::Process;
use crate::server::{Database, database};
use crate::support::{db, db_arguments, last_sequence, migrate, tables, text, traded, wait_until_shipped};
use serde_json::Value;
use std::path::Path;

/// Tables that tell of rows of `events` and of shipping.
const OF_EVENTS: [&str; 3] = ["checkpoint", "events", "selection"];

fn market(rule: &str) -> String {
    format!("postgres.market={rule}")
}

/// Ships all of a journal with a rule for market data.
#[track_caller]
fn ship(address: &str, journal: &Path, rule: &str) {
    let arguments = ["replicate", text(journal), "--until-caught-up", "--set", &market(rule)];
    db(address, &arguments).expect(0);
}

/// Ships in small batches up to `through` or behind it.
#[track_caller]
fn ship_part(address: &str, journal: &Path, rules: &[&str], through: u64) {
    let mut arguments = db_arguments(address, &["replicate", text(journal)]);
    for rule in rules {
        arguments.extend(["--set".into(), market(rule).into()]);
    }
    arguments.extend(["--set".into(), "postgres.batch_events=40".into()]);
    let replicator = Process::start(arguments);
    wait_until_shipped(address, through);
    replicator.stop().expect(0);
}

fn verify(address: &str, journal: &Path, code: i32) -> Value {
    db(address, &["verify", text(journal), "--json"]).expect(code).json()
}

fn count(database: &Database, which: &str) -> u64 {
    database.number(&format!("SELECT count(*) FROM tickwerk.events WHERE {which}"))
}

#[test]
fn a_rule_gives_the_same_rows_however_the_journal_is_cut_and_read_models_know_everything() {
    let (_bench, journal) = traded(if is_long() { 1_200 } else { 300 });
    let last = last_sequence(&journal);
    let Some(whole) = database() else { return };
    migrate(&whole.address);
    ship(&whole.address, &journal, "all");
    let models = |address: &str| {
        let mut all = tables(address);
        all.retain(|(name, _, _)| !OF_EVENTS.contains(&name.as_str()));
        all
    };
    let everything = Database::open(&whole.address);
    let of_feed = "event_type IN ('market.quote', 'market.trade', 'market.book_delta')";
    let fed = count(&everything, of_feed);
    let rules: &[&str] = if is_long() {
        &["none", "sample 7", "conflate 1s", "conflate 5m"]
    } else {
        &["sample 7", "conflate 1s"]
    };
    for rule in rules {
        let (Some(once), Some(often)) = (database(), database()) else { return };
        for place in [&once, &often] {
            migrate(&place.address);
        }
        ship(&once.address, &journal, rule);
        for part in 1..3 {
            ship_part(&often.address, &journal, &[rule], last * part / 3);
        }
        ship(&often.address, &journal, rule);
        let (left, right) = (tables(&once.address), tables(&often.address));
        assert_eq!(left, right, "{rule}");
        assert_eq!(models(&once.address), models(&whole.address), "{rule}");
        let database = Database::open(&often.address);
        let kept = count(&database, of_feed);
        match *rule {
            "none" => assert_eq!(kept, 0),
            "sample 7" => assert!((fed / 10..fed / 5).contains(&kept), "{kept} of {fed}"),
            // Every type of the one instrument, once in each second that has any.
            "conflate 1s" => assert_eq!(
                kept,
                everything.number(&format!(
                    "SELECT count(DISTINCT (event_type, recorded_at_ns / 1000000000)) FROM tickwerk.events WHERE {of_feed}"
                ))
            ),
            _ => assert!((3..=9).contains(&kept), "{kept}"),
        }
        assert_eq!(count(&database, &format!("NOT ({of_feed})")), last - fed, "{rule}");
        let shown = verify(&often.address, &journal, 0);
        assert_eq!(shown["checked"], last - fed + kept, "{rule}: {shown}");
    }
}

#[test]
fn a_change_holds_from_the_next_record_on_and_is_kept_for_the_proof() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(600);
    let last = last_sequence(&journal);
    migrate(&place.address);
    ship_part(&place.address, &journal, &[], last / 4);
    ship_part(&place.address, &journal, &["none"], last / 2);
    // Silence changes nothing.
    ship_part(&place.address, &journal, &[], last * 3 / 4);
    let told = db(
        &place.address,
        &["replicate", text(&journal), "--until-caught-up", "--set", &market("conflate 1s")],
    );
    assert!(told.stderr.contains("on other events are selected: families"), "{}", told.stderr);
    told.expect(0);
    let shown = db(&place.address, &["status", "--json"]).expect(0).json();
    let rules: Vec<_> =
        shown["selections"].as_array().expect("a list").iter().map(|of| of["market"].clone()).collect();
    assert_eq!(rules, ["all", "none", "conflate 1s"], "{shown}");
    let from: Vec<u64> =
        shown["selections"].as_array().expect("a list").iter().filter_map(|of| of["from"].as_u64()).collect();
    assert!(from[0] == 1 && from[1] > last / 4 && from[2] > last * 3 / 4, "{shown}");
    let database = Database::open(&place.address);
    let quotes = |from: u64, to: u64| {
        count(
            &database,
            &format!("event_type = 'market.quote' AND global_position BETWEEN {from} AND {}", to - 1),
        )
    };
    assert!(quotes(1, from[1]) > 0 && quotes(from[1], from[2]) == 0 && quotes(from[2], last + 1) > 0);
    verify(&place.address, &journal, 0);
    let logged = "SELECT string_agg(after, '|' ORDER BY global_position) FROM tickwerk.audit_log WHERE action = 'selection'";
    assert!(database.value(logged).ends_with("market data: conflate 1s"), "{}", database.value(logged));
    // A row that no rule took, and one that is missing although its rule took it.
    let quote =
        database.value("SELECT min(global_position) FROM tickwerk.events WHERE event_type = 'market.quote'");
    database.execute(&format!(
        "UPDATE tickwerk.events SET global_position = {} WHERE global_position = {quote}",
        from[1] + 1
    ));
    let found = verify(&place.address, &journal, 3)["first_difference"].clone();
    assert_eq!(found["sequence"].to_string(), quote, "{found}");
    database.execute("UPDATE tickwerk.selection SET market = 'none' WHERE from_position = 1");
    let found = verify(&place.address, &journal, 3)["first_difference"].clone();
    assert!(found["reason"].as_str().expect("a text").contains("should not be there"), "{found}");
}

#[test]
fn rules_that_cannot_be_are_refused_with_a_remedy() {
    let Some(place) = database() else { return };
    migrate(&place.address);
    for rule in ["some", "sample 0", "conflate 7s"] {
        let told = db(&place.address, &["status", "--set", &market(rule)]);
        told.expect_told(78, &["postgres.market", "conflate 1s"]);
    }
    // A rule of another build is not read as something else.
    Database::open(&place.address).execute(
        "INSERT INTO tickwerk.selection (from_position, families, market) VALUES (1, '{market}', 'newest')",
    );
    let (_bench, journal) = traded(200);
    db(&place.address, &["replicate", text(&journal), "--until-caught-up"])
        .expect_told(1, &["the rule \"newest\" in tickwerk.selection"]);
}
