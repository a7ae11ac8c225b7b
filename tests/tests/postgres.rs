//! Replication into a real PostgreSQL, which each test starts for itself or shares, and breaks where that is the point.
//!
//! `cargo xtask test` starts a server and names it in `TICKWERK_TEST_POSTGRES`; without that a test starts one of its own
//! where the system has the programs, and else says that it was skipped. Tests that stop or kill a server always have their
//! own. Moments are chosen by the checkpoint, never by the clock. `TICKWERK_LONG=1` takes more faults; those that are drawn
//! are drawn from a seed that is printed, and `TICKWERK_SEED` repeats them.

#[expect(dead_code, reason = "shared with the tests of the daemon")]
#[path = "daemon/client.rs"]
mod client;
#[expect(dead_code, reason = "shared with the tests of the daemon")]
#[path = "daemon/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "shared with the tests of the daemon")]
#[path = "daemon/process.rs"]
mod process;

#[path = "postgres/as_of.rs"]
mod as_of;
#[path = "postgres/at_the_door.rs"]
mod at_the_door;
#[path = "postgres/catalogue.rs"]
mod catalogue;
#[path = "postgres/chaos.rs"]
mod chaos;
#[path = "postgres/doctor.rs"]
mod doctor;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/figures.rs"]
mod figures;
#[path = "postgres/hanging.rs"]
mod hanging;
#[path = "postgres/import.rs"]
mod import;
#[path = "postgres/live.rs"]
mod live;
#[path = "postgres/projections.rs"]
mod projections;
#[path = "postgres/proof.rs"]
mod proof;
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/rates.rs"]
mod rates;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/restated.rs"]
mod restated;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/selection.rs"]
mod selection;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/servers.rs"]
mod servers;
#[path = "postgres/support.rs"]
mod support;
#[path = "postgres/written.rs"]
mod written;

/// Whether the long form was asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value == "1")
}

/// What faults and moments are drawn from; told, so that `TICKWERK_SEED` can repeat a run.
pub(crate) fn seed() -> u64 {
    let asked =
        std::env::var("TICKWERK_SEED").ok().map(|text| text.parse().expect("TICKWERK_SEED is a number"));
    let seed = asked.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs())
    });
    let test = std::thread::current().name().unwrap_or("chaos").to_owned();
    fixture::tell(&format!(
        "TICKWERK_SEED={seed}{} cargo test --package tickwerk-tests --test postgres {test}",
        if is_long() { " TICKWERK_LONG=1" } else { "" }
    ));
    seed
}
