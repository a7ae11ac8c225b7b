//! What is refused, in words that say what to do: other journals, second replicators, servers that cannot be used.

use crate::process::{self, wait_for};
use crate::server::{Database, Server, database};
use crate::support::{
    checkpoint, db, last_sequence, migrate, ship, start_shipping, tables, text, traded, wait_until_shipped,
    with_url,
};
use std::os::unix::fs::PermissionsExt;

#[test]
fn of_two_replicators_at_once_one_is_refused_and_the_other_goes_on() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    migrate(&place.address);
    // Who comes first is up to the machine; the other one asks for a while and is refused.
    let start = || start_shipping(&place.address, &journal, 100);
    let mut both = vec![start(), start()];
    let refused = wait_for("one of two to be refused", || both.iter_mut().position(|one| !one.is_running()));
    both.swap_remove(refused).finish().expect_told(
        1,
        &["replication is refused: another replicator (tickwerk replicator", "stop it first"],
    );
    wait_until_shipped(&place.address, last_sequence(&journal));
    both.remove(0).stop().expect(0);
    ship(&place.address, &journal);
}

#[test]
fn another_journal_a_rewritten_one_and_a_shorter_one_are_refused() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    let (_other_bench, other) = traded(300);
    migrate(&place.address);
    ship(&place.address, &journal);
    let before = tables(&place.address);
    let refused = |journal| db(&place.address, &["replicate", text(journal), "--until-caught-up"]);
    refused(&other)
        .expect_told(3, &["replication is refused: the database holds journal", "database of its own"]);
    let database = Database::open(&place.address);
    // As if the journal had been shorter, or other records had been in it.
    for (change, back, words) in [
        (
            "global_position = global_position + 1000",
            "global_position = global_position - 1000",
            "ahead of the journal",
        ),
        ("chain_head = sha256('x')", "", "not the one that was shipped"),
    ] {
        let head = database.value("SELECT chain_head FROM tickwerk.checkpoint");
        database.execute(&format!("UPDATE tickwerk.checkpoint SET {change}"));
        refused(&journal).expect_told(3, &["replication is refused", words]);
        if !back.is_empty() {
            database.execute(&format!("UPDATE tickwerk.checkpoint SET {back}"));
        }
        database.execute(&format!("UPDATE tickwerk.checkpoint SET chain_head = '{head}'"));
    }
    assert_eq!(tables(&place.address), before, "nothing was changed by what was refused");
}

#[test]
fn servers_that_cannot_be_used_are_named_with_a_remedy_and_without_a_password() {
    let Some(server) = Server::start() else { return };
    let (_bench, journal) = traded(200);
    let address = server.address("postgres");
    let replicate = ["db", "replicate", text(&journal), "--until-caught-up"];
    let database = Database::open(&address);
    let check = |url: &str, code: i32, words: &[&str]| {
        let output = with_url(url, &replicate);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(
            words.iter().all(|word| told.contains(word)) && !told.contains("panicked"),
            "{words:?}: {told}"
        );
        assert!(!told.contains("s3cr3t"), "{told}");
    };
    check(&address, 1, &["has no schema tickwerk", "tickwerk db migrate"]);
    database.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    db(&server.address("latin"), &["migrate"])
        .expect_told(1, &["latin is encoded in LATIN1", "ENCODING 'UTF8'"]);
    check(
        "host=/nowhere user=nobody password=s3cr3t",
        74,
        &["cannot connect to PostgreSQL at /nowhere:5432"],
    );
    check(
        "postgres://u:s3cr3t@host:port/",
        78,
        &["postgres.url is no connection string", "postgres://user@host"],
    );
    migrate(&address);

    database.execute("CREATE ROLE with_password LOGIN SUPERUSER PASSWORD 'right'");
    let url = server.address_as("with_password", "postgres");
    check(&format!("{url} password=s3cr3t"), 74, &["password authentication failed"]);
    check(&format!("{url} password=right"), 0, &[]);

    database.execute("CREATE ROLE stranger LOGIN");
    check(
        &server.address_as("stranger", "postgres"),
        1,
        &["permission denied", "needs tickwerk_reader to look, tickwerk_writer to ship"],
    );
    database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    check(&address, 1, &["the server is read-only"]);
    database.execute("SET default_transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only");
    database.execute("UPDATE tickwerk.schema_step SET hash = 'x'");
    check(&address, 1, &["step V1 events of the schema tickwerk is not what this build has"]);
}

#[test]
fn a_password_is_taken_from_a_file_and_refused_where_others_see_it() {
    let Some(server) = Server::start() else { return };
    let (bench, journal) = traded(200);
    Database::open(&server.address("postgres"))
        .execute("CREATE ROLE with_password LOGIN SUPERUSER PASSWORD 'r1ght'");
    let url = server.address_as("with_password", "postgres");
    let told = db(&format!("{url} password=r1ght"), &["migrate"]);
    let told = told.expect_told(78, &["postgres.url", "postgres.password_file"]);
    assert!(!told.stderr.contains("r1ght"), "{}", told.stderr);
    let file = bench.path("password");
    std::fs::write(&file, "r1ght\n").expect("a file can be written");
    let set = format!("postgres.password_file={}", text(&file));
    // Everybody on this host can read it.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a file of our own");
    let exposed =
        db(&url, &["migrate", "--set", &set]).expect_told(0, &["is open to every user", "chmod 600"]);
    assert!(!exposed.stderr.contains("r1ght"), "{}", exposed.stderr);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a file of our own");
    assert_eq!(db(&url, &["migrate", "--set", &set]).expect(0).stderr, "");
    db(&url, &["replicate", text(&journal), "--until-caught-up", "--set", &set]).expect(0);
}

#[test]
fn the_writer_can_neither_change_nor_delete_events() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(200);
    migrate(&place.address);
    ship(&place.address, &journal);
    let database = Database::open(&place.address);
    database.execute("SET ROLE tickwerk_writer");
    for sql in [
        "UPDATE tickwerk.events SET actor = 'x'",
        "DELETE FROM tickwerk.events",
        "TRUNCATE tickwerk.events",
        "DROP TABLE tickwerk.events",
        "DELETE FROM tickwerk.checkpoint",
        "DELETE FROM tickwerk.chain_block",
        "SELECT tickwerk.drop_partition('events_order_202311', 'mine', 'mallory')",
        "DELETE FROM tickwerk.act",
        "DELETE FROM tickwerk.selection",
    ] {
        let error = database.try_rows(sql).expect_err(sql);
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{sql}: {error}");
    }
    database.execute("RESET ROLE; SET ROLE tickwerk_reader");
    database.rows("SELECT count(*) FROM tickwerk.events");
    database.try_rows("INSERT INTO tickwerk.chain_block VALUES (1, '')").expect_err("a reader only reads");
}

#[test]
fn a_row_that_the_server_drops_stops_shipping_and_nothing_is_lost() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(200);
    migrate(&place.address);
    let database = Database::open(&place.address);
    database.execute(
        "CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.global_position = 30 THEN RETURN NULL; END IF; RETURN NEW; END';
         CREATE TRIGGER swallow BEFORE INSERT ON tickwerk.events FOR EACH ROW EXECUTE FUNCTION public.swallow()",
    );
    let mut replicator = start_shipping(&place.address, &journal, 100);
    replicator.wait_until_told("something on the table drops them");
    assert_eq!(checkpoint(&place.address), 0);
    database.execute("DROP TRIGGER swallow ON tickwerk.events");
    wait_until_shipped(&place.address, last_sequence(&journal));
    replicator.stop().expect(0);
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.events"), last_sequence(&journal));
}

#[test]
fn a_projection_that_cannot_be_written_fails_alone() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    migrate(&place.address);
    let database = Database::open(&place.address);
    database.execute("ALTER TABLE tickwerk.positions ADD CONSTRAINT never CHECK (qty = 0)");
    let replicator = start_shipping(&place.address, &journal, 100);
    wait_until_shipped(&place.address, last_sequence(&journal));
    replicator.stop().expect(0);
    let status = wait_for("the failed projection", || {
        let rows = database.rows("SELECT name, status, error FROM tickwerk.projection ORDER BY name");
        rows.iter().any(|row| row[1].as_deref() == Some("failed")).then_some(rows)
    });
    let failed: Vec<_> = status.iter().filter(|row| row[1].as_deref() != Some("active")).collect();
    assert_eq!(
        (failed.len(), failed[0][0].as_deref(), failed[0][1].as_deref()),
        (1, Some("positions"), Some("failed"))
    );
    assert!(failed[0][2].as_ref().is_some_and(|error| error.contains("never")), "{failed:?}");
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.events"), last_sequence(&journal));
    let shown = db(&place.address, &["status", text(&journal), "--json"]).expect(0).json();
    assert_eq!(
        (&shown["lag_events"], &shown["checkpoint"]),
        (&0.into(), &last_sequence(&journal).into()),
        "{shown}"
    );
}

#[test]
fn a_read_model_whose_table_is_gone_fails_alone_and_comes_back_by_a_rebuild() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    migrate(&place.address);
    let database = Database::open(&place.address);
    // Before the first batch, and between two.
    database.execute("DROP TABLE tickwerk.candles CASCADE");
    let mut replicator = start_shipping(&place.address, &journal, 20);
    wait_until_shipped(&place.address, 1);
    database.execute("DROP TABLE tickwerk.orders CASCADE");
    wait_until_shipped(&place.address, last_sequence(&journal));
    replicator
        .wait_until_told("read model candles failed: its table tickwerk.candles is missing; rebuild it");
    replicator.stop().expect(0);
    // Orders may have been all there already; whoever ships next finds out.
    ship(&place.address, &journal);
    let failed =
        "SELECT string_agg(name, ' ' ORDER BY name) FROM tickwerk.projection WHERE status = 'failed'";
    assert_eq!(database.value(failed), "candles orders");
    db(&place.address, &["projections", "rebuild", text(&journal), "candles", "orders"]).expect(0);
    db(&place.address, &["verify", text(&journal)]).expect(0);
}

#[test]
fn how_far_behind_the_database_is_is_told_of_copies_and_of_what_was_never_shipped() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(200);
    migrate(&place.address);
    let last = last_sequence(&journal);
    let status = || db(&place.address, &["status", text(&journal), "--json"]).expect(0).json();
    let expect = |lag: u64| {
        let shown = status();
        assert_eq!((&shown["durable_through"], &shown["lag_events"]), (&last.into(), &lag.into()), "{shown}");
        // Its stamps are of 2023, its records of now.
        let waited = shown["lag_s"].as_u64().expect("seconds");
        assert!(if lag > 0 { waited < 3_600 } else { waited == 0 }, "{shown}");
    };
    expect(last);
    // A copy has no watermarks.
    std::fs::remove_file(journal.join("WATERMARKS")).expect("a file of our own");
    expect(last);
    db(&place.address, &["replicate", text(&journal), "--until-caught-up"]).expect(0);
    expect(0);
    // While it catches up, the age of what is missing counts, not how long ago something was shipped.
    let back = "UPDATE tickwerk.checkpoint SET global_position = global_position - 40, updated_at = now()";
    Database::open(&place.address).execute(back);
    expect(40);
    Database::open(&place.address)
        .execute("UPDATE tickwerk.checkpoint SET global_position = global_position + 45");
    let told = db(&place.address, &["status", text(&journal)]).expect(0);
    assert!(told.stdout.contains(&format!("ahead of the journal, which ends at {last}")), "{}", told.stdout);
}

#[test]
fn partitions_go_by_command_only_and_do_not_come_back() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(200);
    migrate(&place.address);
    ship(&place.address, &journal);
    let shown = db(&place.address, &["status", "--json"]).expect(0).json();
    let old: Vec<&str> = shown["partitions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|of| of["past_retention"] == true)
        .map(|of| of["name"].as_str().expect("a name"))
        .collect();
    assert!(old.iter().any(|name| name.starts_with("events_market_")), "{shown}");
    assert!(!old.iter().any(|name| name.starts_with("events_order_")), "{shown}");
    let told = db(&place.address, &["drop-partition", "--plan"]).expect(0);
    for words in [
        "would drop events_market_",
        "market 30 days,",
        "signal 90 days,",
        "risk 1 year,",
        "position 1 year,",
        "order 7 years,",
        "fill 7 years,",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    let kept = |shown: &serde_json::Value| {
        let all = shown["retention"].as_array().expect("a list").iter();
        all.map(|of| (of["family"].clone(), of["keep"].clone())).collect::<Vec<_>>()
    };
    assert!(kept(&shown).contains(&("market".into(), "30 days".into())), "{shown}");
    db(&place.address, &["drop-partition", "--expired"]).expect_told(2, &["--reason", "--actor"]);
    let why = ["--reason", "kept long enough", "--actor", "ops"];
    let empty = ["--reason", " ", "--actor", "ops"];
    db(&place.address, &[&["drop-partition", "--expired"][..], &empty].concat())
        .expect_told(1, &["say --reason in words"]);
    let database = Database::open(&place.address);
    assert!(database.number("SELECT count(*) FROM tickwerk.events WHERE family = 'market'") > 0);
    db(&place.address, &[&["drop-partition", "--expired"][..], &why].concat()).expect(0);
    let act =
        "SELECT string_agg(DISTINCT concat_ws(' ', action, actor, reason, before = details ->> 'rows'), ';')
        FROM tickwerk.audit_log WHERE category = 'retention'";
    assert_eq!(database.value(act), "drop_partition ops kept long enough t");
    assert_eq!(database.number("SELECT count(*) FROM tickwerk.events WHERE family = 'market'"), 0);
    // What went by command is no difference.
    db(&place.address, &["verify", text(&journal)]).expect(0);
    assert!(database.number("SELECT count(*) FROM tickwerk.events WHERE family = 'order'") > 0);
    db(&place.address, &[&["drop-partition", "events_none"][..], &why].concat())
        .expect_told(1, &["there is no partition events_none"]);
    process::run(["db", "status"]).expect_told(78, &["no server is named"]);
}

#[test]
fn how_long_events_are_kept_is_changed_by_command_and_audited_however_it_was_changed() {
    let Some(place) = database() else { return };
    migrate(&place.address);
    let keep = |rest: &[&str]| db(&place.address, &[&["keep"][..], rest].concat());
    let why = ["--reason", "the regulator's \"ten\"", "--actor", "o'brien"];
    let shown = keep(&["--json"]).expect(0).json();
    assert!(
        shown["before"].is_null() && shown["retention"].as_array().is_some_and(|of| of.len() == 9),
        "{shown}"
    );
    keep(&["order", "10 years"]).expect_told(2, &["--reason", "--actor"]);
    for (family, age, words) in [
        ("order", "-1 days", "events cannot be kept for"),
        ("order", "soon", "invalid input syntax for type interval"),
        ("nothing", "1 day", "there is no family of events nothing"),
    ] {
        keep(&[&[family, &format!(" {age}")][..], &why].concat()).expect_told(1, &[words]);
    }
    let changed = keep(&[&["order", "10 years", "--json"][..], &why].concat()).expect(0).json();
    assert_eq!((&changed["family"], &changed["before"]), (&"order".into(), &"7 years".into()), "{changed}");
    let database = Database::open(&place.address);
    database.execute("UPDATE tickwerk.event_family SET keep = '2 days' WHERE family = 'market'");
    let acts = "SELECT string_agg(concat_ws('|', action, subject, before, after, reason, actor), ';' ORDER BY recorded_at)
        FROM tickwerk.audit_log WHERE category = 'retention'";
    assert_eq!(
        database.value(acts),
        "keep|order|7 years|10 years|the regulator's \"ten\"|o'brien;keep|market|30 days|2 days|none was given|postgres"
    );
    database.execute("SET ROLE tickwerk_writer");
    let sql = "SELECT tickwerk.keep_events('order', '1 day', 'mine', 'mallory')";
    assert!(database.try_rows(sql).expect_err(sql).contains("permission denied"));
}

#[test]
fn a_row_that_was_changed_lost_or_added_is_the_first_difference() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(400);
    migrate(&place.address);
    ship(&place.address, &journal);
    let verify = |code| db(&place.address, &["verify", text(&journal), "--json"]).expect(code).json();
    let whole = verify(0);
    assert_eq!((&whole["ok"], &whole["checked"]), (&true.into(), &last_sequence(&journal).into()), "{whole}");
    assert_eq!(whole["checkpoint"], last_sequence(&journal));
    let proof = process::run(["verify", text(&journal), "--json"]).expect(0).json();
    assert_eq!(whole["chain_head"], proof["chain_head"], "{proof}");
    let database = Database::open(&place.address);
    let columns = database.value(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns
         WHERE table_schema = 'tickwerk' AND table_name = 'events' AND column_name <> 'global_position'",
    );
    let moved = format!(
        "INSERT INTO tickwerk.events (global_position, {columns}) SELECT 1000000, {columns} FROM tickwerk.events WHERE global_position = 40"
    );
    for (change, sequence, words) in [
        (
            "UPDATE tickwerk.events SET event_data = event_data || '{\"reason\": \"x\"}' WHERE global_position = 77",
            77,
            "differs in event_data",
        ),
        ("UPDATE tickwerk.events SET actor = 'mallory' WHERE global_position = 60", 60, "differs in actor"),
        ("DELETE FROM tickwerk.events WHERE global_position = 50", 50, "is missing"),
        ("UPDATE tickwerk.chain_block SET head = sha256('x')", 50, "is missing"),
    ] {
        database.execute(change);
        let found = verify(3)["first_difference"].clone();
        assert_eq!(found["sequence"], sequence, "{change}: {found}");
        assert!(found["reason"].as_str().expect("a text").contains(words), "{change}: {found}");
    }
    let Some(other) = crate::server::database() else { return };
    migrate(&other.address);
    ship(&other.address, &journal);
    Database::open(&other.address).execute(&moved);
    let found = db(&other.address, &["verify", text(&journal), "--json"]).expect(3).json();
    assert_eq!(found["first_difference"]["sequence"], 1_000_000, "{found}");
}
