//! What `tickwerk db doctor` finds, and that it changes nothing.

use crate::process::wait_for;
use crate::server::{Database, Server};
use crate::support::{db, migrate, ship, tables, traded};
use serde_json::Value;

fn look(address: &str, code: i32) -> Value {
    db(address, &["doctor", "--json"]).expect(code).json()
}

fn find<'v>(shown: &'v Value, area: &str, name: &str) -> Option<&'v Value> {
    let all = shown["findings"].as_array().expect("a list");
    all.iter().find(|of| of["area"] == area && of["name"] == name)
}

/// What the doctor says of one thing: its severity and what was found.
#[track_caller]
fn said(shown: &Value, area: &str, name: &str) -> (String, String) {
    let found = find(shown, area, name).unwrap_or_else(|| panic!("{area} {name}: {shown}"));
    let text = |field: &str| found[field].as_str().expect("a text").to_owned();
    (text("severity"), text("found"))
}

#[test]
fn a_server_is_looked_over_and_left_as_it_was() {
    let Some(server) = Server::start() else { return };
    let address = server.address("postgres");
    let database = Database::open(&address);
    let (_bench, journal) = traded(300);
    db(&address, &["doctor"]).expect_told(1, &["has no schema tickwerk"]);
    migrate(&address);
    ship(&address, &journal);
    let settings = "SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings WHERE context <> 'internal'";
    let before = (tables(&address), database.value(settings));
    // The servers of these tests do not sync.
    let shown = look(&address, 3);
    assert_eq!(said(&shown, "configuration", "fsync"), ("critical".to_owned(), "off".to_owned()));
    assert_eq!(said(&shown, "configuration", "max_wal_size"), ("warning".to_owned(), "2GB".to_owned()));
    assert_eq!(said(&shown, "configuration", "shared_buffers"), ("warning".to_owned(), "64MB".to_owned()));
    assert_eq!(said(&shown, "configuration", "synchronous_commit"), ("ok".to_owned(), "on".to_owned()));
    let fsync = find(&shown, "configuration", "fsync").expect("it is there");
    assert_eq!(fsync["source"], "https://www.postgresql.org/docs/current/runtime-config-wal.html");
    let (_, statements) = said(&shown, "statement", "pg_stat_statements");
    assert!(statements.contains("not installed"), "{statements}");
    let (_, market) = said(&shown, "partition", "market");
    assert!(market.contains("kept 30 days") && market.contains("older than that"), "{market}");
    assert!(
        find(&shown, "cache", "read models").is_some() && find(&shown, "table", "orders").is_some(),
        "{shown}"
    );
    for area in ["vacuum", "replication"] {
        let all = shown["findings"].as_array().expect("a list");
        assert!(all.iter().all(|of| of["area"] != area), "nothing is wrong there yet: {shown}");
    }
    assert_eq!((tables(&address), database.value(settings)), before);
    // Who only reads may look, too; what may not be seen is said.
    database.execute("CREATE ROLE looker LOGIN IN ROLE tickwerk_reader");
    let looker = server.address_as("looker", "postgres");
    assert_eq!(said(&look(&looker, 3), "configuration", "fsync"), said(&shown, "configuration", "fsync"));
    let has =
        database.number("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'");
    if has > 0 {
        database.execute("CREATE EXTENSION pg_stat_statements");
        let (_, statements) = said(&look(&looker, 3), "statement", "pg_stat_statements");
        assert!(statements.contains("may not read"), "{statements}");
        database.execute("DROP EXTENSION pg_stat_statements");
    }
    let told = db(&address, &["doctor"]).expect(3).stdout;
    assert!(
        told.contains("critical  configuration fsync: off") && told.contains("nothing was changed"),
        "{told}"
    );
}

#[test]
fn what_is_wrong_with_tables_is_found() {
    let Some(server) = Server::start() else { return };
    let address = server.address("postgres");
    let (_bench, journal) = traded(300);
    migrate(&address);
    ship(&address, &journal);
    let database = Database::open(&address);
    let partitions =
        database.rows("SELECT name FROM tickwerk.event_partition WHERE family = 'order' ORDER BY from_time");
    let names: Vec<String> = partitions.into_iter().filter_map(|row| row[0].clone()).collect();
    assert_eq!(names.len(), 2);
    let detached = database
        .value("SELECT name FROM tickwerk.event_partition WHERE family = 'risk' ORDER BY from_time LIMIT 1");
    database.execute("ALTER SYSTEM SET autovacuum = off");
    database.execute("SELECT pg_reload_conf()");
    database.execute(&format!(
        "DROP TABLE tickwerk.{last};
         ALTER TABLE tickwerk.events_risk DETACH PARTITION tickwerk.{detached};
         DELETE FROM tickwerk.event_partition WHERE family = 'fill' AND from_time = (SELECT max(from_time)
            FROM tickwerk.event_partition WHERE family = 'fill');
         ALTER TABLE tickwerk.{first} RESET (autovacuum_vacuum_insert_scale_factor);
         UPDATE tickwerk.projection SET status = 'failed' WHERE name = 'orders';
         INSERT INTO tickwerk.balances (account_id, currency_id, book, global_position) SELECT n, 1, 'cash', 1 FROM generate_series(1000, 4000) n;
         DELETE FROM tickwerk.balances WHERE account_id >= 1000;
         SELECT pg_create_physical_replication_slot('nobody', true)",
        first = names[0],
        last = names[1],
        detached = detached,
    ));
    // A session tells what it left dead when it ends.
    drop(database);
    let shown = wait_for("dead rows", || {
        let shown = look(&address, 3);
        find(&shown, "vacuum", "balances").is_some().then_some(shown)
    });
    assert_eq!(said(&shown, "vacuum", "balances").0, "warning");
    assert_eq!(said(&shown, "configuration", "autovacuum"), ("critical".to_owned(), "off".to_owned()));
    assert_eq!(said(&shown, "partition", &names[1]), ("critical".to_owned(), "missing".to_owned()));
    assert_eq!(said(&shown, "partition", &detached), ("critical".to_owned(), "not attached".to_owned()));
    assert_eq!(said(&shown, "vacuum", &names[0]).0, "note");
    assert_eq!(said(&shown, "replication", "orders").0, "warning");
    assert_eq!(said(&shown, "replication", "slot nobody").0, "warning");
    let all = shown["findings"].as_array().expect("a list");
    let ahead = |of: &&Value| {
        of["name"] == "fill" && of["found"].as_str().is_some_and(|text| text.starts_with("none from"))
    };
    assert!(all.iter().any(|of| ahead(&of)), "{shown}");
    let unknown = all.iter().filter(|of| of["area"] == "partition" && of["found"] == "not known").count();
    assert_eq!(unknown, 1, "{shown}");
    let order: Vec<_> = all.iter().map(|of| of["severity"].as_str().expect("a word").to_owned()).collect();
    let mut sorted = order.clone();
    sorted.sort_by_key(|word| ["critical", "warning", "note", "ok"].iter().position(|of| of == word));
    assert_eq!(order, sorted, "the worst comes first");
}
