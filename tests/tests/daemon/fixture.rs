//! What the tests feed: configurations, a small capture made here, and a pipe that gives a capture bit by bit.
//!
//! The capture is in Binance's spot dialect. Its prices rise and fall in waves with a little noise from a fixed linear
//! congruence, so a crossover trades on it, and every depth update is followed by the best prices that it led to.

use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
pub(crate) use tickwerk_tests::{tell, tell_skipped};

/// The folder of the shipped configurations.
pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the root folder")
        .join("tools/examples")
}

/// Arguments of `run` with a configuration and values over it.
pub(crate) fn run_arguments(config: &Path, sets: &[(&str, &str)]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["run".into(), "--config".into(), config.into(), "--json".into()];
    for (key, value) in sets {
        arguments.extend(["--set".into(), format!("{key}={value}").into()]);
    }
    arguments
}

/// A test's folder with a configuration that reads `capture.txt` into the journal `journal`.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// With a configuration of this text.
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("config.toml"), config).expect("a file can be written");
        Self { folder }
    }

    /// With a capture of so many steps, and this latency to the venue.
    pub(crate) fn with_capture(steps: u64, latency_ns: u64) -> Self {
        let bench = Self::new(&capture_config(latency_ns));
        bench.capture(steps);
        bench
    }

    /// Makes its capture so long; a longer one begins as a shorter one does.
    pub(crate) fn capture(&self, steps: u64) {
        std::fs::write(self.path("capture.txt"), capture(steps)).expect("a file can be written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path("journal")
    }

    /// Arguments of `run` over `journal`, with values over the configuration.
    pub(crate) fn arguments(&self, journal: &Path, sets: &[(&str, &str)]) -> Vec<OsString> {
        let dir = journal.to_str().expect("temporary folders have plain names");
        let mut all = vec![("journal.dir", dir)];
        let feed = self.path("capture.txt");
        let is_capture = feed.exists();
        if is_capture {
            all.push(("feed.path", feed.to_str().expect("temporary folders have plain names")));
        }
        all.extend_from_slice(sets);
        run_arguments(&self.path("config.toml"), &all)
    }
}

/// One linear contract, one account, one crossover that may go short.
pub(crate) fn capture_config(latency_ns: u64) -> String {
    format!(
        r#"
[journal]
acknowledge = "written"
segment_size = "1MiB"
[feed]
kind = "binance_capture"
market = "spot"
symbol = "TESTUSDT"
[[currency]]
code = "TEST"
scale = 8
[[currency]]
code = "USDT"
scale = 8
[[instrument]]
symbol = "TESTUSDT"
kind = "linear"
base = "TEST"
quote = "USDT"
price_scale = 2
quantity_scale = 3
tick_size = "0.10"
lot_size = "0.001"
quantity_max = "100"
maker_fee = "0.0002"
taker_fee = "0.0005"
margin_rate = "0.1"
venue_latency_ns = {latency_ns}
[[account]]
name = "paper"
deposits = {{ USDT = "100000" }}
[[limit]]
kind = "position_quantity"
account = "paper"
instrument = "TESTUSDT"
value = "2"
[[strategy]]
name = "trend"
kind = "ema_cross"
account = "paper"
instrument = "TESTUSDT"
parameters = {{ fast = 5, slow = 20, size = "0.02", source = "mid", allow_short = true }}
"#
    )
}

const START_NS: u64 = 1_700_000_000_000_000_000;
const STEP_NS: u64 = 100_000_000;
const TICK: i64 = 10;
const LEVELS: i64 = 10;
/// Steps of one rise or fall.
const WAVE: i64 = 60;
/// The step whose book the snapshot shows.
const SNAPSHOT_STEP: u64 = 3;

/// A capture of so many depth updates.
pub(crate) fn capture(steps: u64) -> String {
    let mut text = String::new();
    let mut noise = 42_u64;
    let mut before = None;
    for step in 0..steps {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let jitter = i64::try_from(noise >> 33).expect("31 bits fit") % 5;
        let phase = i64::try_from(step).expect("a small number") % (2 * WAVE);
        let wave = if phase < WAVE { phase } else { 2 * WAVE - phase };
        let bid = 6_000_000 + (wave * 8 + jitter) * TICK;
        write_step(&mut text, step, before, bid);
        before = Some(bid);
    }
    text
}

fn write_step(text: &mut String, step: u64, before: Option<i64>, bid: i64) {
    let ask = bid + TICK;
    let time = START_NS + step * STEP_NS;
    let event_ms = time / 1_000_000;
    let (first, last) = (1 + step * 10, 10 + step * 10);
    let bids = levels(before, bid, -TICK);
    let asks = levels(before.map(|bid| bid + TICK), ask, TICK);
    writeln!(
        text,
        r#"{time} {{"stream":"testusdt@depth@100ms","data":{{"e":"depthUpdate","E":{event_ms},"s":"TESTUSDT","U":{first},"u":{last},"b":[{bids}],"a":[{asks}]}}}}"#
    )
    .expect("writing to a string cannot fail");
    if step == SNAPSHOT_STEP {
        let (bids, asks) = (levels(None, bid, -TICK), levels(None, ask, TICK));
        writeln!(text, r#"{} {{"lastUpdateId":{last},"bids":[{bids}],"asks":[{asks}]}}"#, time + 1_000)
            .expect("writing to a string cannot fail");
    }
    let (bid_text, ask_text) = (price(bid), price(ask));
    let (bid_qty, ask_qty) = (quantity(bid), quantity(ask));
    writeln!(
        text,
        r#"{} {{"stream":"testusdt@bookTicker","data":{{"u":{last},"s":"TESTUSDT","b":"{bid_text}","B":"{bid_qty}","a":"{ask_text}","A":"{ask_qty}"}}}}"#,
        time + 2_000
    )
    .expect("writing to a string cannot fail");
    if step.is_multiple_of(3) {
        let trade = step / 3 + 1;
        writeln!(
            text,
            r#"{} {{"stream":"testusdt@trade","data":{{"e":"trade","E":{event_ms},"s":"TESTUSDT","t":{trade},"p":"{bid_text}","q":"0.005","T":{event_ms},"m":true,"M":true}}}}"#,
            time + 3_000
        )
        .expect("writing to a string cannot fail");
    }
}

/// Levels from the touch away, after those that are gone.
fn levels(before: Option<i64>, touch: i64, away: i64) -> String {
    let ladder = |touch: i64| (0..LEVELS).map(move |level| touch + level * away);
    let gone = before.into_iter().flat_map(ladder).filter(|old| ladder(touch).all(|new| new != *old));
    let gone = gone.map(|old| format!(r#"["{}","0.000"]"#, price(old)));
    let there = ladder(touch).map(|level| format!(r#"["{}","{}"]"#, price(level), quantity(level)));
    gone.chain(there).collect::<Vec<_>>().join(",")
}

fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A quantity that follows from the price, small enough that orders are at times filled in parts.
fn quantity(cents: i64) -> String {
    format!("0.{:03}", 5 + (cents / TICK * 7) % 60)
}

/// A capture that is given through a named pipe, so that a test decides how far a daemon can read.
#[derive(Debug)]
pub(crate) struct Pipe {
    path: PathBuf,
}

impl Pipe {
    pub(crate) fn new(path: PathBuf) -> Self {
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
        Self { path }
    }

    pub(crate) fn name(&self) -> &str {
        self.path.to_str().expect("temporary folders have plain names")
    }

    /// Writes from a thread of its own, and keeps the pipe open until what it returns is dropped.
    pub(crate) fn feed(&self, text: String) -> Fed {
        // Open for both, so that it opens at once and the pipe has a writer as long as this lives.
        let file =
            OpenOptions::new().read(true).write(true).open(&self.path).expect("the pipe can be opened");
        let mut writer = file.try_clone().expect("a file can be shared");
        let (sender, texts) = channel::<String>();
        std::thread::spawn(move || texts.iter().try_for_each(|text| writer.write_all(text.as_bytes())).ok());
        let fed = Fed { _file: file, sender };
        fed.more(text);
        fed
    }
}

/// Keeps a pipe open.
#[derive(Debug)]
pub(crate) struct Fed {
    _file: File,
    sender: Sender<String>,
}

impl Fed {
    /// Writes more, after what is being written.
    pub(crate) fn more(&self, text: String) {
        self.sender.send(text).expect("a pipe that is open takes more");
    }
}
