//! Servers that stop, hang and kill, and daemons that die, while a journal is shipped: every event once, every table as if
//! nothing had happened.

use crate::fixture::Bench;
use crate::is_long;
use crate::process::{self, Process};
use crate::server::{Database, Server};
use crate::support::{
    checkpoint, db, last_sequence, migrate, ship, start_shipping, tables, text, traded, wait_until_shipped,
};
use std::time::Duration;

const BATCH: u64 = 50;

/// A server with the databases `once`, shipped undisturbed, and `often`, empty.
fn prepared(journal: &std::path::Path) -> Option<(Server, String, String)> {
    let server = Server::start()?;
    let admin = Database::open(&server.address("postgres"));
    let [once, often] = ["once", "often"].map(|name| {
        admin.execute(&format!("CREATE DATABASE {name}"));
        let address = server.address(name);
        migrate(&address);
        address
    });
    ship(&once, journal);
    Some((server, once, often))
}

#[test]
fn stops_kills_and_a_hanging_server_leave_every_event_once() {
    let (_bench, journal) = traded(if is_long() { 4_000 } else { 1_000 });
    let Some((mut server, once, often)) = prepared(&journal) else { return };
    let last = last_sequence(&journal);
    let faults: u64 = if is_long() { 40 } else { 8 };
    let replicator = start_shipping(&often, &journal, BATCH);
    for fault in 0..faults {
        // Somewhere in the middle of a batch, each time at another place of the journal.
        wait_until_shipped(&often, (last * fault / (faults + 2)).max(1));
        if fault % 2 == 0 {
            server.stop_immediately();
            server.run();
        } else {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tickwerk replicator%'";
            Database::open(&server.address("postgres")).execute(sql);
        }
    }
    server.freeze(true);
    std::thread::sleep(Duration::from_secs(if is_long() { 5 } else { 1 }));
    server.freeze(false);
    wait_until_shipped(&often, last);
    let told = replicator.stop().expect(0);
    assert!(told.stderr.contains("retrying"), "{}", told.stderr);
    assert_eq!(tables(&often), tables(&once));
    assert_eq!(checkpoint(&often), last);
}

#[test]
fn killed_replicators_leave_every_event_once() {
    let (_bench, journal) = traded(1_200);
    let Some((_server, once, often)) = prepared(&journal) else { return };
    let last = last_sequence(&journal);
    let kills = if is_long() { 20 } else { 4 };
    for kill in 0..kills {
        let replicator = start_shipping(&often, &journal, BATCH);
        wait_until_shipped(&often, (checkpoint(&often) + 1).max(last * kill / (kills + 1)));
        replicator.kill();
    }
    ship(&often, &journal);
    assert_eq!(tables(&often), tables(&once));
}

#[test]
fn a_daemon_ships_while_it_trades_dies_and_comes_back() {
    let Some(server) = Server::start() else { return };
    let address = server.address("postgres");
    migrate(&address);
    let bench = Bench::with_capture(1_500, 5_000_000);
    let journal = bench.journal();
    let sets = [
        ("postgres.url", address.as_str()),
        ("postgres.batch_events", "100"),
        ("postgres.retry_max_ms", "100"),
    ];
    for at in [300, 2_000] {
        let mut daemon = Process::start(bench.arguments(&journal, &sets));
        daemon.wait_until_written(&journal, at);
        daemon.kill();
    }
    let summary = process::run(bench.arguments(&journal, &sets)).expect(0).json();
    let postgres = &summary["postgres"];
    assert_eq!(postgres["replicated_through"], last_sequence(&journal), "{summary}");
    assert_eq!(postgres["lag_events"], 0, "{summary}");
    let admin = Database::open(&address);
    admin.execute("CREATE DATABASE once");
    let once = server.address("once");
    migrate(&once);
    ship(&once, &journal);
    assert_eq!(tables(&address), tables(&once));
    // Retention knows who reads.
    let plan = process::run(["retain", text(&journal), "--json"]).expect(0).json();
    let names: Vec<_> =
        plan["dependants"].as_array().expect("a list").iter().map(|of| of["name"].clone()).collect();
    assert!(names.contains(&"postgres".into()), "{plan}");
}

#[test]
fn a_daemon_trades_on_without_its_server() {
    let bench = Bench::with_capture(400, 5_000_000);
    let journal = bench.journal();
    let sets = [("postgres.url", "host=/nowhere user=nobody"), ("postgres.retry_max_ms", "50")];
    let done = process::run(bench.arguments(&journal, &sets)).expect(0);
    let summary = done.json();
    assert_eq!(summary["postgres"]["replicated_through"], 0, "{summary}");
    assert_eq!(summary["postgres"]["lag_events"], last_sequence(&journal), "{summary}");
    let told = done.stderr.matches("cannot connect to PostgreSQL at /nowhere:5432").count();
    assert_eq!(told, 1, "what goes on is told once: {}", done.stderr);
}

/// Where a checkpoint is, as the part of an `UPDATE`.
fn place_of(address: &str) -> String {
    let sql = "SELECT format('global_position = %s, chain_head = %L, block_position = %s, block_head = %L',
        global_position, chain_head, block_position, block_head) FROM tickwerk.checkpoint";
    Database::open(address).value(sql)
}

/// What a replicator would leave behind that commits its checkpoint and its rows apart: here the harness is tried.
#[test]
fn a_checkpoint_apart_from_its_rows_is_caught() {
    let (_bench, journal) = traded(600);
    let Some((_server, once, often)) = prepared(&journal) else { return };
    let replicator = start_shipping(&often, &journal, BATCH);
    wait_until_shipped(&often, last_sequence(&journal) / 3);
    replicator.stop().expect(0);
    let (early, late, reached) = (place_of(&often), place_of(&once), checkpoint(&often));
    assert!(reached < last_sequence(&journal), "it was stopped in the middle");
    // Ahead of its rows: nothing is shipped any more, and both the tables and the proof tell.
    Database::open(&often).execute(&format!("UPDATE tickwerk.checkpoint SET {late}"));
    ship(&often, &journal);
    assert_ne!(tables(&often), tables(&once));
    let found = db(&often, &["verify", text(&journal), "--json"]).expect(3).json();
    assert_eq!(found["first_difference"]["sequence"], reached + 1, "{found}");
    // Behind them: the same rows once more are refused.
    Database::open(&once).execute(&format!("UPDATE tickwerk.checkpoint SET {early}"));
    let told = db(&once, &["replicate", text(&journal), "--until-caught-up"]);
    told.expect_told(1, &["cannot copy events", "duplicate key"]);
}
