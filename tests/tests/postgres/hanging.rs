//! Servers that stop or hang: whoever trades never waits for them, answers that were promised to be replicated do, and who is
//! told to stop does not; a command says what it waits for, and ends where nobody answers any more.

use crate::client::{Client, order};
use crate::fixture::Bench;
use crate::live::{LiveDaemon, Load, Over, expect_no_waits};
use crate::process::Process;
use crate::process::wait_for;
use crate::server::{Database, Server, database};
use crate::support::{
    db, db_arguments, last_sequence, migrate, ship, start_shipping, text, traded, wait_until_shipped,
};
use std::path::PathBuf;

/// A server with the schema in its database `postgres`.
fn migrated() -> Option<(Server, String)> {
    let server = Server::start()?;
    let address = server.address("postgres");
    migrate(&address);
    Some((server, address))
}

#[test]
fn no_ring_waits_for_a_server_that_stops_or_hangs_and_the_lag_is_told() {
    let Some((mut server, address)) = migrated() else { return };
    let sets = [("postgres.url", &*address), ("postgres.retry_max_ms", "100"), ("postgres.alarm_lag_s", "1")];
    // Nothing is read of the journal while the server is away, and the lag is known all the same.
    server.stop_immediately();
    let (mut daemon, load) = (LiveDaemon::start(&sets), Load::default());
    let journal = daemon.dir();
    std::thread::scope(|scope| {
        let over = Over(&load);
        scope.spawn(|| load.send(&journal));
        load.wait_for_more(300);
        daemon.wait_until_told("ALARM: PostgreSQL is");
        let away = daemon.replication();
        assert!(away["lag_events"].as_u64() > Some(0) && away["lag_s"].as_f64() >= Some(1.0), "{away}");
        assert!(away["trouble"].is_string() && away["failures_total"].as_u64() > Some(0), "{away}");
        server.run();
        daemon.wait_until_told("PostgreSQL has caught up with the journal");
        let back = daemon.replication();
        assert!(back["trouble"].is_null() && back["commits_total"].as_u64() > Some(0), "{back}");
        assert!(back["lag_s"].as_f64() < away["lag_s"].as_f64(), "{back}");
        server.freeze(true);
        load.wait_for_more(600);
        expect_no_waits(&daemon.watermarks());
        server.freeze(false);
        drop(over);
    });
    wait_until_shipped(&address, last_sequence(&journal));
    expect_no_waits(&daemon.watermarks());
    daemon.stop();
    db(&address, &["verify", text(&journal)]).expect(0);
}

#[test]
fn an_answer_waits_for_the_commit_and_comes_once_the_server_is_there_again() {
    let Some((mut server, address)) = migrated() else { return };
    let mut daemon = LiveDaemon::start(&[
        ("postgres.url", &*address),
        ("postgres.retry_max_ms", "100"),
        ("journal.acknowledge", "replicated"),
        ("journal.replicator", "postgres"),
    ]);
    let journal = daemon.dir();
    let mut client = Client::connect(&journal);
    let mut named = |daemon: &LiveDaemon,
                     name: &str,
                     server: &mut Server,
                     away: &dyn Fn(&mut Server),
                     back: &dyn Fn(&mut Server)| {
        away(server);
        let before = daemon.watermarks()["decided_through"].as_u64();
        client.send(&order(name));
        let waiting = wait_for("the order to be durable and not told", || {
            let shown = daemon.watermarks();
            let (decided, durable) = (shown["decided_through"].as_u64(), shown["durable_through"].as_u64());
            (decided > before && durable >= decided && shown["in_flight"] == 1).then_some(shown)
        });
        assert!(waiting["replicated_through"].as_u64() < waiting["durable_through"].as_u64(), "{waiting}");
        back(server);
        let reply = client.reply();
        assert_eq!((&reply["ok"], &reply["watermark"]), (&true.into(), &"replicated".into()), "{reply}");
        // What was told is there.
        let sql = format!(
            "SELECT count(*) FROM tickwerk.events WHERE event_type = 'order.new' AND event_data->>'client_order_id' = '{name}'"
        );
        assert_eq!(Database::open(&address).number(&sql), 1, "{name}");
    };
    named(&daemon, "stopped", &mut server, &Server::stop_immediately, &Server::run);
    named(&daemon, "frozen", &mut server, &|server| server.freeze(true), &|server| server.freeze(false));
    daemon.stop();
    db(&address, &["verify", text(&journal)]).expect(0);
}

#[test]
fn who_is_told_to_stop_or_only_asks_does_not_wait_for_a_server_that_hangs() {
    let Some((server, address)) = migrated() else { return };
    let (_bench, journal) = traded(1_000);
    let replicator = start_shipping(&address, &journal, 20);
    wait_until_shipped(&address, 1);
    server.freeze(true);
    let told = replicator.stop().expect(0);
    assert!(!told.stderr.contains("did not"), "it was held until a limit: {}", told.stderr);
    let asked = db(&format!("{address} connect_timeout=1"), &["status"]);
    asked.expect_told(74, &["cannot connect to PostgreSQL at", "it did not answer within 1 s"]);
    server.freeze(false);
    // Whatever came of the batch that was under way, nothing is lost of it, and nothing there twice.
    ship(&address, &journal);
    db(&address, &["verify", text(&journal)]).expect(0);
}

/// Keeps everybody from reading the checkpoint.
const HELD: &str = "BEGIN; LOCK TABLE tickwerk.checkpoint IN ACCESS EXCLUSIVE MODE";

/// A server that holds a journal, and how to reach it in haste.
fn shipped() -> Option<(Server, String, Bench, PathBuf)> {
    let (server, address) = migrated()?;
    let (bench, journal) = traded(300);
    ship(&address, &journal);
    Some((server, format!("{address} connect_timeout=1"), bench, journal))
}

#[test]
fn a_command_says_what_it_waits_for_and_ends_when_the_server_answers_no_more() {
    let Some((server, address, _bench, journal)) = shipped() else { return };
    let journal = text(&journal);
    let holder = Database::open(&address);
    holder.execute(HELD);
    let mut waiting: Vec<Process> = [
        &["status"][..],
        &["as-of", "orders", "--time", "2026-01-01T00:00:00Z"],
        &["doctor"],
        &["verify", journal],
        &["projections", "rebuild", journal, "orders", "fills", "orders", "--parallel", "1"],
    ]
    .map(|arguments| Process::start(db_arguments(&address, arguments)))
    .into();
    let holds =
        format!("it waits for a lock that server process {} holds", holder.value("SELECT pg_backend_pid()"));
    for process in &mut waiting {
        process.wait_until_told(&holds);
    }
    server.freeze(true);
    for process in waiting {
        process.finish().expect_told(74, &["PostgreSQL did not answer within"]);
    }
    server.freeze(false);
    holder.execute("ROLLBACK");
    // What was broken off is done by whoever comes next.
    db(&address, &["projections", "rebuild", journal, "--all"]).expect(0);
    db(&address, &["verify", journal]).expect(0);
}

#[test]
fn a_rebuild_that_is_told_to_stop_does_not_wait_for_a_server_that_hangs() {
    let Some((server, address, _bench, journal)) = shipped() else { return };
    let holder = Database::open(&address);
    holder.execute(HELD);
    let watcher = Database::open(&address);
    // A server that is not asked for a sign of life so soon.
    let address = address.replace("connect_timeout=1", "connect_timeout=100");
    let rebuild =
        Process::start(db_arguments(&address, &["projections", "rebuild", text(&journal), "--all"]));
    crate::process::wait_for("the rebuild to wait", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickwerk projection%' AND wait_event_type = 'Lock'";
        (watcher.number(sql) > 0).then_some(())
    });
    server.freeze(true);
    rebuild.stop().expect_told(1, &["it was told to stop"]);
    server.freeze(false);
    holder.execute("ROLLBACK");
    let sql = "SELECT count(*) FROM tickwerk.projection WHERE status <> 'active'";
    assert_eq!(watcher.number(sql), 0, "the old rows serve on");
}

#[test]
fn a_replicator_without_a_daemon_tells_of_the_lag_too() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(300);
    migrate(&place.address);
    let holder = Database::open(&place.address);
    holder.execute(HELD);
    let mut arguments = db_arguments(&place.address, &["replicate", text(&journal)]);
    arguments.extend(["--set".into(), "postgres.alarm_lag_s=1".into()]);
    let mut replicator = Process::start(arguments);
    replicator.wait_until_told(&format!("ALARM: PostgreSQL is {} records", last_sequence(&journal)));
    holder.execute("ROLLBACK");
    replicator.wait_until_told("PostgreSQL has caught up with the journal");
    replicator.stop().expect(0);
}
