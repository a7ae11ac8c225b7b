//! Read models paused, resumed and rebuilt while a journal is shipped, and events that they cannot take.

use crate::process::{records_of, wait_for};
use crate::proxy::{Fault, Proxy};
use crate::server::{Database, Server, database};
use crate::support::{
    checkpoint, db, last_sequence, migrate, ship, start_shipping, tables, text, traded, wait_until_shipped,
};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Swaps while a journal is shipped; each makes replication begin a new session.
const SWAPS: u64 = 12;
/// What tells how a rebuild went, not what it made.
const NOTES: [&str; 3] = ["projection_rebuild", "rebuild_parked", "parked"];

/// Every table that must be the same however read models came to be.
fn models(address: &str) -> Vec<(String, u64, String)> {
    let mut all = tables(address);
    all.retain(|(name, _, _)| !NOTES.contains(&name.as_str()));
    all
}

fn rebuild(address: &str, journal: &Path, rest: &[&str]) -> Value {
    let arguments = [&["projections", "rebuild", text(journal), "--json"], rest].concat();
    db(address, &arguments).expect(0).json()
}

fn list(address: &str) -> Value {
    db(address, &["projections", "list", "--all", "--json"]).expect(0).json()
}

fn status_of<'v>(list: &'v Value, name: &str) -> &'v Value {
    let all = list["projections"].as_array().expect("a list");
    all.iter().find(|of| of["name"] == name).unwrap_or_else(|| panic!("{name}: {list}"))
}

/// The indexes that there are, by table.
fn indexes(database: &Database) -> Vec<Vec<Option<String>>> {
    database.rows("SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'tickwerk' AND tablename NOT LIKE 'events%' ORDER BY 1, 2")
}

/// A database with a journal in it, and another one in which it was never disturbed.
fn pair(server: &Server, journal: &Path) -> (String, String) {
    let admin = Database::open(&server.address("postgres"));
    let [once, often] = ["once", "often"].map(|name| {
        admin.execute(&format!("CREATE DATABASE {name}"));
        let address = server.address(name);
        migrate(&address);
        address
    });
    ship(&once, journal);
    (once, often)
}

#[test]
fn rebuilt_rows_are_the_old_ones_and_views_follow() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(1_000);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    let views = || {
        let names = database.rows("SELECT viewname FROM pg_views WHERE schemaname = 'tickwerk' AND viewname <> 'system_health_unified' ORDER BY 1");
        let digest = |row: &Vec<Option<String>>| {
            let name = row[0].as_deref().expect("a name");
            database.value(&format!(
                "SELECT md5(COALESCE(string_agg(v::text, '' ORDER BY v::text), '')) FROM tickwerk.{name} v"
            ))
        };
        names.iter().map(digest).collect::<Vec<_>>()
    };
    let before = (models(&place.address), indexes(&database), views());
    assert!(before.0.iter().any(|(name, count, _)| name == "orders" && *count > 0), "{:?}", before.0);
    for _ in 0..2 {
        let done = rebuild(&place.address, &journal, &["--all", "--parallel", "3"]);
        for of in done["projections"].as_array().expect("a list") {
            assert_eq!(
                (&of["ok"], &of["position"]),
                (&true.into(), &last_sequence(&journal).into()),
                "{done}"
            );
        }
        assert_eq!((models(&place.address), indexes(&database), views()), before);
    }
    db(&place.address, &["verify", text(&journal)]).expect(0);
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_rebuild%' AND relname !~ '^projection_rebuild' OR relname LIKE '%\\_old'";
    assert_eq!(database.number(left), 0);
    ship(&place.address, &journal);
}

/// Tells when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn nothing_is_missing_at_the_swap_while_a_journal_is_shipped() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(1_200);
    let (once, often) = pair(&server, &journal);
    let last = last_sequence(&journal);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Old rows, then new ones: never fewer, never none, never an error.
        let reader = scope.spawn(|| {
            let database = Database::open(&often);
            let (mut most, mut looks) = (0, 0_u64);
            while !is_over.load(Ordering::Acquire) {
                let rows = database.number("SELECT count(*) FROM tickwerk.order_history");
                assert!(rows >= most, "{rows} rows after {most}");
                (most, looks) = (rows, looks + 1);
            }
            looks
        });
        // Also where something fails here, as else the reader would be waited for.
        let over = Over(&is_over);
        let replicator = start_shipping(&often, &journal, 60);
        wait_until_shipped(&often, 1);
        let mut swaps_on_the_way = 0;
        while swaps_on_the_way < SWAPS && checkpoint(&often) < last {
            let done = rebuild(&often, &journal, &["orders", "event_statistics"]);
            let all = done["projections"].as_array().expect("a list");
            assert!(all.iter().all(|of| of["ok"] == true), "{done}");
            swaps_on_the_way += u64::from(checkpoint(&often) < last);
        }
        wait_until_shipped(&often, last);
        let told = replicator.stop().expect(0).stderr;
        assert!(!told.contains("warning"), "a swap is no fault: {told}");
        drop(over);
        assert!(reader.join().expect("the reader saw no gap") > 0);
        assert!(swaps_on_the_way > 0, "the journal was too short to be shipped during a rebuild");
    });
    ship(&often, &journal);
    assert_eq!(models(&often), models(&once));
    db(&often, &["verify", text(&journal)]).expect(0);
}

#[test]
fn poison_is_found_parked_retried_and_stops_nobody_else() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(800);
    let (once, often) = pair(&server, &journal);
    let database = Database::open(&often);
    let changes = records_of(&journal, "position.changed");
    let poison = changes[changes.len() / 2]["sequence"].as_u64().expect("a sequence");
    let constraint = format!(
        "ALTER TABLE tickwerk.position_history ADD CONSTRAINT poison CHECK (global_position <> {poison})"
    );
    database.execute(&constraint);
    let told = db(&often, &["replicate", text(&journal), "--until-caught-up"]).expect(0).stderr;
    assert!(told.contains("read model positions failed: position_history: "), "{told}");
    let shown = list(&often);
    let positions = status_of(&shown, "positions");
    assert_eq!(positions["status"], "failed", "{shown}");
    assert!(positions["error"].as_str().expect("a text").contains("poison"), "{shown}");
    assert!(positions["position"].as_u64() < Some(poison), "{shown}");
    let others =
        shown["projections"].as_array().expect("a list").iter().filter(|of| of["name"] != "positions");
    for of in others {
        let at = (&of["status"], &of["position"]);
        assert_eq!(at, (&"active".into(), &last_sequence(&journal).into()), "{of}");
    }
    db(&often, &["projections", "resume", text(&journal), "positions"]).expect(0);
    let shown = list(&often);
    assert_eq!(status_of(&shown, "positions")["status"], "active", "{shown}");
    assert_eq!(status_of(&shown, "positions")["parked"], 1, "{shown}");
    let parked = &shown["parked"][0];
    assert_eq!(
        (&parked["position"], &parked["event_type"]),
        (&poison.into(), &"position.changed".into()),
        "{shown}"
    );
    assert_eq!(db(&often, &["status", "--json"]).expect(0).json()["parked"], 1);
    let rows =
        |address: &str| Database::open(address).number("SELECT count(*) FROM tickwerk.position_history");
    assert_eq!(rows(&often), rows(&once) - 1, "only the poison is missing");
    // The new tables have no such constraint.
    db(&often, &["projections", "retry", text(&journal), "--all"]).expect(0);
    let shown = list(&often);
    assert_eq!(
        (&shown["parked"][0]["resolved"], &status_of(&shown, "positions")["parked"]),
        (&"retried".into(), &0.into()),
        "{shown}"
    );
    assert_eq!(models(&often), models(&once));
    assert!(
        db(&often, &["projections", "retry", text(&journal), "--all"])
            .expect(0)
            .stdout
            .contains("nothing is parked")
    );
}

#[test]
fn what_stays_poison_is_skipped_by_command() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(400);
    let (once, often) = pair(&server, &journal);
    let database = Database::open(&often);
    let poison = records_of(&journal, "order.submitted")[3]["sequence"].as_u64().expect("a sequence");
    // Whatever table of that name is made refuses it.
    database.execute(&format!(
        "CREATE FUNCTION public.poison() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF to_regclass('tickwerk.order_history_rebuild') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint
                WHERE conname = 'poison' AND conrelid = to_regclass('tickwerk.order_history_rebuild')) THEN
                ALTER TABLE tickwerk.order_history_rebuild ADD CONSTRAINT poison CHECK (global_position <> {poison});
            END IF; END $$;
         CREATE EVENT TRIGGER poison ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.poison()"
    ));
    ship(&often, &journal);
    assert_eq!(models(&often), models(&once));
    let parked = |expected: &[(u64, Option<&str>)]| {
        let shown = list(&often);
        let found: Vec<_> = shown["parked"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|of| (of["position"].as_u64().unwrap(), of["resolved"].as_str()))
            .collect();
        assert_eq!(found, expected, "{shown}");
    };
    let done = rebuild(&often, &journal, &["orders"]);
    assert_eq!(done["projections"][0]["parked"], 1, "{done}");
    parked(&[(poison, None)]);
    db(&often, &["projections", "skip", "orders", &poison.to_string()]).expect(0);
    parked(&[(poison, Some("skipped"))]);
    rebuild(&often, &journal, &["orders"]);
    parked(&[(poison, Some("skipped"))]);
    database.execute("DROP EVENT TRIGGER poison");
    rebuild(&often, &journal, &["orders"]);
    parked(&[(poison, Some("retried"))]);
    assert_eq!(models(&often), models(&once));
}

#[test]
fn a_paused_one_keeps_its_rows_and_catches_up_when_it_is_resumed() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(800);
    let (once, often) = pair(&server, &journal);
    let replicator = start_shipping(&often, &journal, 50);
    wait_until_shipped(&often, last_sequence(&journal) / 3);
    db(&often, &["projections", "pause", "balances", "candles"]).expect(0);
    let shown = list(&often);
    let at = status_of(&shown, "balances")["position"].as_u64().expect("a position");
    wait_until_shipped(&often, last_sequence(&journal));
    let shown = list(&often);
    assert_eq!(
        (&status_of(&shown, "balances")["status"], &status_of(&shown, "balances")["position"]),
        (&"paused".into(), &at.into()),
        "{shown}"
    );
    assert!(db(&often, &["projections", "pause", "balances"]).expect(0).stdout.contains("was not active"));
    db(&often, &["projections", "resume", text(&journal), "balances", "candles"]).expect(0);
    replicator.stop().expect(0);
    assert_eq!(models(&often), models(&once));
}

#[test]
fn a_swap_waits_for_readers_and_other_journals_are_refused() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(400);
    let (_other_bench, other) = traded(300);
    let (once, often) = pair(&server, &journal);
    ship(&often, &journal);
    db(&often, &["projections", "rebuild", text(&other), "orders"])
        .expect_told(3, &["rebuilding orders", "the database holds journal"]);
    let unknown = db(&often, &["projections", "rebuild", text(&journal), "nonsense"]);
    unknown.expect_told(1, &["there is no projection nonsense", "orders"]);
    let reader = Database::open(&often);
    reader.execute("BEGIN; SELECT count(*) FROM tickwerk.orders");
    std::thread::scope(|scope| {
        let rebuilding = scope.spawn(|| rebuild(&often, &journal, &["orders"]));
        let watcher = Database::open(&often);
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tickwerk projection orders' AND wait_event_type = 'Lock'";
        wait_for("the swap that waits", || (watcher.number(waits) > 0).then_some(()));
        // Shipping is not held meanwhile.
        ship(&often, &journal);
        reader.execute("COMMIT");
        let done = rebuilding.join().expect("it ends");
        assert_eq!(done["projections"][0]["ok"], true, "{done}");
    });
    assert_eq!(models(&often), models(&once));
}

/// Here the harness is tried: the rebuild is the real one, and what holds the checkpoint is taken from it on the way.
#[test]
fn a_swap_that_does_not_hold_the_checkpoint_is_caught() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(600);
    let (once, often) = pair(&server, &journal);
    let (proxy, last) = (Proxy::to(&server.socket()), last_sequence(&journal));
    let replicator = start_shipping(&often, &journal, 50);
    wait_until_shipped(&often, last / 3);
    replicator.stop().expect(0);
    let through_proxy = proxy.address("often");
    for is_unlocked in [false, true] {
        let reached = checkpoint(&often);
        assert!(reached < last, "it was stopped in the middle");
        std::thread::scope(|scope| {
            let mut rebuilding = None;
            proxy.strike_while(Fault::HoldSwap { is_unlocked }, || {
                rebuilding = Some(scope.spawn(|| rebuild(&through_proxy, &journal, &["orders"])));
            });
            let replicator = start_shipping(&often, &journal, 50);
            let through = if is_unlocked {
                wait_until_shipped(&often, last);
                last
            } else {
                // Whoever holds the checkpoint lets nothing be shipped.
                let watcher = Database::open(&often);
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tickwerk replicator%' AND wait_event_type = 'Lock'";
                wait_for("replication that waits", || (watcher.number(waits) > 0).then_some(()));
                assert_eq!(checkpoint(&often), reached);
                reached + 50
            };
            proxy.set(Fault::None);
            let done = rebuilding.expect("it was begun").join().expect("it ends");
            assert_eq!(done["projections"][0]["ok"], true, "{done}");
            wait_until_shipped(&often, through);
            replicator.stop().expect(0);
            if !is_unlocked {
                assert_eq!(status_of(&list(&often), "orders")["position"], checkpoint(&often));
            }
        });
    }
    let shown = list(&often);
    assert!(status_of(&shown, "orders")["position"].as_u64() < Some(last), "{shown}");
    assert_ne!(models(&often), models(&once));
}

#[test]
fn one_that_says_that_it_is_kept_up_and_is_not_is_told_and_taken_up_again() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(600);
    let (once, often) = pair(&server, &journal);
    let last = last_sequence(&journal);
    db(&often, &["projections", "pause", "signals", "balances", "candles"]).expect(0);
    ship(&often, &journal);
    let database = Database::open(&often);
    let lies = "UPDATE tickwerk.projection SET status = 'active' WHERE status = 'paused'";
    let generation = "SELECT generation FROM tickwerk.checkpoint";
    database.execute(lies);
    // By command it goes on where it is.
    db(&often, &["projections", "resume", text(&journal), "signals"]).expect(0);
    assert_eq!(status_of(&list(&often), "signals")["position"], last);
    // Who ships leaves the others out and says so, though nothing is left to be shipped.
    let told = db(&often, &["replicate", text(&journal), "--until-caught-up"]).expect(0).stderr;
    for name in ["balances", "candles"] {
        let warning = format!("read model {name} failed: it is at 0, the checkpoint at {last}; resume it");
        assert!(told.contains(&warning), "{told}");
        assert_eq!(status_of(&list(&often), name)["status"], "failed");
    }
    assert!(!told.contains("read model signals"), "{told}");
    db(&often, &["projections", "resume", text(&journal), "balances", "candles"]).expect(0);
    assert_eq!(models(&often), models(&once));
    // A replicator that is under way hears of those that fail while somebody migrates.
    let before = database.number(generation);
    database.execute("UPDATE tickwerk.projection SET version = version + 1 WHERE name = 'signals'");
    migrate(&often);
    assert_eq!(database.number(generation), before + 1);
}
