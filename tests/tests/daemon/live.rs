//! A daemon without a feed, served by its control socket: time, health, and what it owes when it is idle.

use crate::client::{Client, order};
use crate::fixture::{examples, run_arguments};
use crate::process::{Finished, Process, records, reexecute, wait_for};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `tools/examples/live.toml` over a temporary journal.
#[derive(Debug)]
pub(crate) struct LiveDaemon {
    process: Option<Process>,
    pub(crate) dir: PathBuf,
    config: PathBuf,
    folder: TempDir,
}

impl LiveDaemon {
    pub(crate) fn start() -> Self {
        let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
        Self::start_with(&text, &[])
    }

    /// With a configuration of this text, and values over it.
    pub(crate) fn start_with(config: &str, sets: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("journal");
        Self::start_over(folder, dir, config, sets)
    }

    /// With its journal in `dir`, which is somebody else's.
    pub(crate) fn start_in(dir: PathBuf, config: &str, sets: &[(&str, &str)]) -> Self {
        Self::start_over(tempfile::tempdir().expect("a temporary folder"), dir, config, sets)
    }

    fn start_over(folder: TempDir, dir: PathBuf, config: &str, sets: &[(&str, &str)]) -> Self {
        let path = folder.path().join("live.toml");
        std::fs::write(&path, config).expect("a file can be written");
        let mut daemon = Self { process: None, dir, config: path, folder };
        daemon.start_again(sets);
        daemon
    }

    /// Not started yet, with a configuration of this text.
    pub(crate) fn asleep(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("live.toml");
        std::fs::write(&path, config).expect("a file can be written");
        Self { process: None, dir: folder.path().join("journal"), config: path, folder }
    }

    /// What it is started with over the same journal.
    pub(crate) fn arguments(&self, sets: &[(&str, &str)]) -> Vec<OsString> {
        let dir = self.dir.to_str().expect("temporary folders have plain names");
        let mut all = vec![("journal.dir", dir), ("journal.segment_size", "1MiB")];
        all.extend_from_slice(sets);
        run_arguments(&self.config, &all)
    }

    /// Starts it over the same journal.
    #[track_caller]
    pub(crate) fn start_again(&mut self, sets: &[(&str, &str)]) {
        let mut process = Process::start(self.arguments(sets));
        process.wait_until_told("control socket");
        self.process = Some(process);
    }

    /// Waits until it has said `text` on stderr.
    #[track_caller]
    pub(crate) fn wait_until_told(&mut self, text: &str) {
        self.process.as_mut().expect("it runs").wait_until_told(text);
    }

    /// Changes its configuration for the next start.
    pub(crate) fn reconfigure(&self, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(&self.config).expect("its configuration");
        std::fs::write(self.folder.path().join("live.toml"), change(&text)).expect("a file can be written");
    }

    pub(crate) fn config_path(&self) -> &Path {
        &self.config
    }

    /// SIGTERM, without waiting.
    pub(crate) fn terminate(&self) {
        self.process.as_ref().expect("it runs").terminate();
    }

    /// SIGTERM; it must drain and end well.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Finished {
        self.process.take().expect("it runs").stop().expect(0)
    }

    /// Waits for the end of what was told to stop.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> Finished {
        self.process.take().expect("it runs").finish().expect(0)
    }

    /// Waits for the end of what was told to stop, however it ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Finished {
        self.process.take().expect("it runs").finish()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Finished {
        self.process.take().expect("it runs").kill()
    }
}

#[test]
fn an_idle_daemon_delivers_what_the_venue_owes() {
    let mut daemon = LiveDaemon::start();
    let mut client = Client::connect(&daemon.dir);
    let placed = client.ask_ok(&order("rests"));
    assert_eq!(placed["status"], "pending_new");
    // Nobody sends anything that could move the core but the queries, which it never sees.
    let shown = wait_for("the order to be new", || {
        let mut orders = client.ask_ok(&json!({ "op": "query.orders", "account": "alice" }));
        (orders["orders"][0]["status"] == "new").then(|| orders["orders"][0].take())
    });
    let expected = json!({
        "order_id": placed["order_id"], "client_order_id": "rests", "account": "alice", "strategy": null,
        "instrument": "BTCUSDT", "venue": "simulated", "side": "buy", "position_side": "net", "order_type": "limit",
        "time_in_force": "gtc", "status": "new", "price": "100.00", "quantity": "0.00100000", "cum_qty": "0.00000000",
        "leaves_qty": "0.00100000", "cum_value": "0.00000000", "cum_fee": "0.00000000", "currency": "USDT",
        "held_for": null, "trigger_price": null, "trigger_by": null, "is_triggered": false, "trail_offset": null,
        "trail_unit": null, "display_quantity": null, "expires_at": null, "link": null, "contingency": null,
        "post_only": false, "reduce_only": false, "replacement": null,
    });
    assert_eq!(shown, expected);
    daemon.stop();
    reexecute(&daemon.dir);
}

#[test]
fn health_is_observed_each_second_and_stamps_never_run_backwards() {
    let mut daemon = LiveDaemon::start();
    let seen = |dir: &std::path::Path| {
        let of_system = records(dir, "system");
        of_system.into_iter().filter(|record| record["event_type"] == "system.health").collect::<Vec<_>>()
    };
    let health = wait_for("three observations", || {
        let health = seen(&daemon.dir);
        (health.len() >= 3).then_some(health)
    });
    let time = |record: &Value| record["time_ns"].as_u64().expect("a stamp");
    // Never more often than each second, whatever the machine is busy with.
    let apart = (time(&health[2]) - time(&health[0])) / 1_000_000;
    assert!(apart > 1_000, "three observations within {apart} ms");
    for field in ["outcome_depth", "order_depth", "egress_depth", "refusals", "written_lag", "durable_lag"] {
        assert!(health[0]["payload"][field].is_u64(), "{field}: {}", health[0]);
    }
    assert!(health[0]["payload"]["memory_bytes"].as_u64() > Some(1 << 20), "{}", health[0]);
    Client::connect(&daemon.dir).ask_ok(&order("one"));
    daemon.stop();
    daemon.start_again(&[]);
    Client::connect(&daemon.dir).ask_ok(&order("two"));
    daemon.stop();
    let times: Vec<u64> = records(&daemon.dir, "").iter().map(time).collect();
    assert!(times.is_sorted(), "a stamp ran backwards");
    reexecute(&daemon.dir);
}
