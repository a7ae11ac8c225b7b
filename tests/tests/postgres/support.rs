//! A journal to ship, the program that ships it, and what is compared.

use crate::fixture::Bench;
use crate::process::{self, Finished, Process};
use crate::server::Database;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tickwerk_tests::program;

/// Tables whose rows are the same however a journal was shipped, and the columns that tell of the shipping.
const HOW_IT_CAME: &[&str] = &[
    "updated_at",
    "created_at",
    "fence",
    "commits",
    "parked_at",
    "generation",
    "applied_at",
    "chosen_at",
    "durable_position",
];

const PAUSE: Duration = Duration::from_millis(5);

/// A journal of a strategy that trades, and its folder.
pub(crate) fn traded(steps: u64) -> (Bench, PathBuf) {
    let bench = Bench::with_capture(steps, 5_000_000);
    let journal = bench.journal();
    process::run(bench.arguments(&journal, &[])).expect(0);
    (bench, journal)
}

/// The last record of a journal.
pub(crate) fn last_sequence(journal: &Path) -> u64 {
    process::written_through(journal)
}

/// `tickwerk db …` against a database.
pub(crate) fn db_arguments(address: &str, rest: &[&str]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["db".into()];
    arguments.extend(rest.iter().map(OsString::from));
    // A URL without a password may stand on the command line.
    arguments.extend(["--set".into(), format!("postgres.url={address}").into()]);
    arguments.extend(["--set".into(), "postgres.retry_max_ms=200".into()]);
    arguments
}

pub(crate) fn db(address: &str, rest: &[&str]) -> Finished {
    process::run(db_arguments(address, rest))
}

#[track_caller]
pub(crate) fn migrate(address: &str) {
    db(address, &["migrate"]).expect(0);
}

/// Ships all of a journal.
#[track_caller]
pub(crate) fn ship(address: &str, journal: &Path) {
    let done = db(address, &["replicate", text(journal), "--until-caught-up", "--json"]).expect(0).json();
    assert_eq!(done["replicated_through"], last_sequence(journal), "{done}");
}

/// Begins to ship in small batches, without an end.
pub(crate) fn start_shipping(address: &str, journal: &Path, batch_events: u64) -> Process {
    let mut arguments = db_arguments(address, &["replicate", text(journal)]);
    arguments.extend(["--set".into(), format!("postgres.batch_events={batch_events}").into()]);
    Process::start(arguments)
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Where the checkpoint is; 0 where there is none or the server is gone.
pub(crate) fn checkpoint(address: &str) -> u64 {
    Database::try_open(address).as_ref().map_or(0, checkpoint_in)
}

fn checkpoint_in(database: &Database) -> u64 {
    let rows = database.try_rows("SELECT global_position FROM tickwerk.checkpoint").ok();
    rows.and_then(|rows| rows.first()?.first()?.clone()?.parse().ok()).unwrap_or(0)
}

/// Waits until the checkpoint is at `position` or behind it.
#[track_caller]
pub(crate) fn wait_until_shipped(address: &str, position: u64) {
    let deadline = Instant::now() + process::TIMEOUT;
    let mut database = None;
    loop {
        // A connection is kept as long as it lives: each costs the server a process.
        let open = database.take().or_else(|| Database::try_open(address));
        let at = open.as_ref().map_or(0, checkpoint_in);
        if at >= position {
            return;
        }
        assert!(Instant::now() < deadline, "waited in vain for the checkpoint at {position}; it is at {at}");
        database = open.filter(|open| open.try_rows("SELECT 1").is_ok());
        std::thread::sleep(PAUSE);
    }
}

/// A digest of the rows of every table that must not depend on how the journal was shipped.
pub(crate) fn tables(address: &str) -> Vec<(String, u64, String)> {
    let database = Database::open(address);
    let names = database.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'tickwerk' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
    );
    let mut tables = Vec::new();
    for name in names.into_iter().filter_map(|row| row.into_iter().next()?) {
        let sql = format!(
            "SELECT count(*), md5(COALESCE(string_agg(row, E'\\n' ORDER BY row), '')) FROM ({}) AS rows",
            rows_sql(&name)
        );
        let row = database.rows(&sql).remove(0);
        let count = row[0].as_ref().and_then(|count| count.parse().ok()).expect("a count");
        tables.push((name, count, row[1].clone().expect("a digest")));
    }
    assert!(tables.iter().any(|(name, count, _)| name == "events" && *count > 0), "{tables:?}");
    tables
}

/// Requires the same rows in every table; names the first that differ.
#[track_caller]
pub(crate) fn expect_same_tables(left: &str, right: &str) {
    let (these, those) = (tables(left), tables(right));
    let names = |all: &[(String, u64, String)]| all.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&these), names(&those));
    if let Some(((name, ..), _)) = these.iter().zip(&those).find(|(this, that)| this != that) {
        panic!("{}", first_difference(left, right, name));
    }
}

/// Rows of a table that are in one database alone.
fn first_difference(left: &str, right: &str, name: &str) -> String {
    let rows = |address: &str| {
        let rows = Database::open(address).rows(&format!("{} ORDER BY 1", rows_sql(name)));
        rows.into_iter().filter_map(|row| row.into_iter().next()?).collect::<Vec<_>>()
    };
    let (these, those) = (rows(left), rows(right));
    let place = these.iter().zip(&those).take_while(|(this, that)| this == that).count();
    format!(
        "{name} has {} rows and {}; the first that differ: {:?} and {:?}",
        these.len(),
        those.len(),
        these.get(place),
        those.get(place)
    )
}

/// Rows of a table as text, without what tells of the shipping.
fn rows_sql(name: &str) -> String {
    let left_out = format!(" - '{}'", HOW_IT_CAME.join("' - '"));
    format!("SELECT (to_jsonb(t){left_out})::text COLLATE \"C\" AS row FROM tickwerk.{name} t")
}

/// Runs the program with a URL in its environment.
pub(crate) fn with_url(url: &str, arguments: &[&str]) -> std::process::Output {
    let mut command = program::command(arguments);
    command.env("TICKWERK__POSTGRES__URL", url);
    program::finish(command.spawn().expect("the binary starts"))
}
