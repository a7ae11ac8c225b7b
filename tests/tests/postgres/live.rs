//! A live daemon that ships what it writes, and a client that keeps it busy whatever happens to either.

use crate::client::{Client, order_with};
use crate::fixture::{examples, run_arguments};
use crate::process::{Finished, Process, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Between two bursts of requests: a load that leaves room for everybody else.
const PAUSE: Duration = Duration::from_millis(10);
/// Bursts from the lowest to the highest price.
const WAVE: u64 = 150;

/// `tools/examples/live.toml` over a temporary journal, with `[postgres]`.
#[derive(Debug)]
pub(crate) struct LiveDaemon {
    folder: tempfile::TempDir,
    sets: Vec<(String, String)>,
    process: Option<Process>,
}

impl LiveDaemon {
    /// Starts it, with values over the configuration.
    pub(crate) fn start(sets: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("journal");
        let dir = dir.to_str().expect("temporary folders have plain names");
        let mut all = vec![("journal.dir".to_owned(), dir.to_owned())];
        all.push(("journal.segment_size".to_owned(), "1MiB".to_owned()));
        all.extend(sets.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let mut daemon = Self { folder, sets: all, process: None };
        daemon.start_again();
        daemon
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Starts it over the same journal.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        let sets: Vec<(&str, &str)> = self.sets.iter().map(|(key, value)| (&**key, &**value)).collect();
        let mut process = Process::start(run_arguments(&examples().join("live.toml"), &sets));
        process.wait_until_told("control socket");
        self.process = Some(process);
    }

    /// Waits until it has said `text` on stderr.
    #[track_caller]
    pub(crate) fn wait_until_told(&mut self, text: &str) {
        self.process.as_mut().expect("it runs").wait_until_told(text);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Finished {
        self.process.take().expect("it runs").kill()
    }

    /// SIGTERM; it must drain and end well.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Finished {
        self.process.take().expect("it runs").stop().expect(0)
    }

    /// What it says of replication.
    #[track_caller]
    pub(crate) fn replication(&self) -> Value {
        Client::connect(&self.dir()).ask_ok(&json!({ "op": "query.metrics" }))["postgres"].clone()
    }

    /// What it says of its watermarks and rings.
    #[track_caller]
    pub(crate) fn watermarks(&self) -> Value {
        Client::connect(&self.dir()).ask_ok(&json!({ "op": "query.watermarks" }))
    }
}

/// Requires that no ring was ever full: nobody refused anything, and no stage ever waited for the next.
#[track_caller]
pub(crate) fn expect_no_waits(watermarks: &Value) {
    let rings = watermarks["rings"].as_object().expect("rings by name");
    assert!(rings.contains_key("outcome") && rings.len() > 1, "{watermarks}");
    for (name, ring) in rings {
        assert_eq!((&ring["waits"], &ring["refused"]), (&json!(0), &json!(0)), "{name}: {watermarks}");
    }
    assert_eq!(watermarks["refusals"], 0, "{watermarks}");
}

/// Quotes, orders that trade, orders that rest, and cancels, one burst after the other.
#[derive(Debug, Default)]
pub(crate) struct Load {
    answers: AtomicU64,
    bursts: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    /// Answers that came.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Acquire)
    }

    /// Waits for so many more answers.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, count: u64) {
        let wanted = self.answers() + count;
        wait_for("answers to the load", || (self.answers() >= wanted).then_some(()));
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Sends to whichever daemon serves `dir` until it is over.
    pub(crate) fn send(&self, dir: &Path) {
        while !self.is_over.load(Ordering::Acquire) {
            if let Some(mut client) = Client::try_connect(dir) {
                while !self.is_over.load(Ordering::Acquire) && self.burst(&mut client) {
                    std::thread::sleep(PAUSE);
                }
            } else {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// A burst and its answers; `false` where the daemon has died.
    fn burst(&self, client: &mut Client) -> bool {
        let requests = requests(self.bursts.fetch_add(1, Ordering::Relaxed));
        if !client.try_send(&requests) {
            return false;
        }
        for _ in &requests {
            if client.try_reply().is_none() {
                return false;
            }
            self.answers.fetch_add(1, Ordering::Release);
        }
        true
    }
}

/// Ends the load when it goes, also where a test fails.
#[derive(Debug)]
pub(crate) struct Over<'a>(pub(crate) &'a Load);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn requests(burst: u64) -> Vec<Value> {
    let phase = burst % (2 * WAVE);
    let bid = 60_000 + if phase < WAVE { phase } else { 2 * WAVE - phase };
    let quote = |instrument: &str| {
        json!({
            "op": "market.quote", "instrument": instrument, "bid_price": format!("{bid}.0"), "bid_quantity": "5",
            "ask_price": format!("{bid}.1"), "ask_quantity": "5",
        })
    };
    let (side, price) = if burst.is_multiple_of(2) { ("buy", bid + 1) } else { ("sell", bid) };
    let trades = json!({ "side": side, "price": format!("{price}.00") });
    let rests = format!("rests-{burst}");
    vec![
        quote("BTCUSDT"),
        quote("BTCUSDT-PERP"),
        order_with(&format!("trades-{burst}"), &trades),
        order_with(&rests, &json!({})),
        json!({ "op": "order.cancel", "account": "alice", "client_order_id": rests }),
        json!({ "op": "market.trade", "instrument": "BTCUSDT", "price": format!("{bid}.0"), "quantity": "0.01" }),
    ]
}
