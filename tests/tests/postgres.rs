//! Replication into a real PostgreSQL, which each test starts for itself or shares, and breaks where that is the point.
//!
//! `cargo xtask test` starts a server and names it in `TICKWERK_TEST_POSTGRES`; without that a test starts one of its own
//! where the system has the programs, and else says that it was skipped. Tests that stop or kill a server always have their
//! own. Moments are chosen by the checkpoint, never by the clock. `TICKWERK_LONG=1` takes more faults.

#[expect(dead_code, unused_imports, reason = "shared with the tests of the daemon")]
#[path = "daemon/fixture.rs"]
mod fixture;
#[expect(dead_code, reason = "shared with the tests of the daemon")]
#[path = "daemon/process.rs"]
mod process;

#[path = "postgres/as_of.rs"]
mod as_of;
#[path = "postgres/faults.rs"]
mod faults;
#[path = "postgres/figures.rs"]
mod figures;
#[path = "postgres/projections.rs"]
mod projections;
#[path = "postgres/rates.rs"]
mod rates;
#[path = "postgres/refusals.rs"]
mod refusals;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/support.rs"]
mod support;

/// Whether the long form was asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value == "1")
}
