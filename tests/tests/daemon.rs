//! The daemon as a hard-nosed user meets it: started, killed, stopped, spoken to, starved of disk, and proved.
//!
//! Every wait has a timeout, every child is killed when its test ends, and every directory is a temporary one. Moments
//! are chosen by what the journal holds, never by the clock. `TICKWERK_LONG=1` takes more kills and whole captures.

#[path = "daemon/captures.rs"]
mod captures;
#[path = "daemon/client.rs"]
mod client;
#[path = "daemon/clients.rs"]
mod clients;
#[path = "daemon/damage.rs"]
mod damage;
#[path = "daemon/determinism.rs"]
mod determinism;
#[path = "daemon/disk_full.rs"]
mod disk_full;
#[path = "daemon/exchange.rs"]
mod exchange;
#[path = "daemon/failpoints.rs"]
mod failpoints;
#[path = "daemon/fixture.rs"]
mod fixture;
#[path = "daemon/kernel_faults.rs"]
mod kernel_faults;
#[path = "daemon/kills.rs"]
mod kills;
#[path = "daemon/live.rs"]
mod live;
#[path = "daemon/market.rs"]
mod market;
#[path = "daemon/nonsense.rs"]
mod nonsense;
#[path = "daemon/order_books.rs"]
mod order_books;
#[path = "daemon/order_types.rs"]
mod order_types;
#[path = "daemon/orders.rs"]
mod orders;
#[path = "daemon/process.rs"]
mod process;
#[path = "daemon/reconcile.rs"]
mod reconcile;
#[path = "daemon/refusals.rs"]
mod refusals;
#[path = "daemon/replicated.rs"]
mod replicated;
#[path = "daemon/restart.rs"]
mod restart;
#[path = "daemon/risk.rs"]
mod risk;
#[path = "daemon/snapshots.rs"]
mod snapshots;
#[path = "daemon/told.rs"]
mod told;
#[path = "daemon/upkeep.rs"]
mod upkeep;

/// Whether the long forms were asked for.
fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value == "1")
}

/// What random moments are drawn from; told, so that `TICKWERK_SEED` can repeat a run.
#[expect(clippy::print_stdout, reason = "a failure is repeated by its seed")]
fn seed() -> u64 {
    let asked =
        std::env::var("TICKWERK_SEED").ok().map(|text| text.parse().expect("TICKWERK_SEED is a number"));
    let seed = asked.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs())
    });
    println!("TICKWERK_SEED={seed}");
    seed
}
