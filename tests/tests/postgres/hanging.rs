//! Servers that stop or hang: whoever trades never waits for them, answers that were promised to be replicated do, and who is
//! told to stop does not.

use crate::client::{Client, order};
use crate::live::{LiveDaemon, Load, Over, expect_no_waits};
use crate::process::wait_for;
use crate::server::{Database, Server};
use crate::support::{db, last_sequence, migrate, ship, start_shipping, text, traded, wait_until_shipped};

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
        server.run();
        daemon.wait_until_told("PostgreSQL has caught up with the journal");
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
