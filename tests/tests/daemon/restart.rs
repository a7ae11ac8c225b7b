//! A run that was killed or stopped, and started again, ends as one that was not.

use crate::fixture::{Bench, Pipe, capture, capture_config};
use crate::is_long;
use crate::live::LiveDaemon;
use crate::process::{Process, records, reexecute, run, written_through};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use tickwerk_domain::Sequence;
use tickwerk_engine::replay::Replay;
use tickwerk_journal::Reader;

/// Records that a daemon may have read and not yet published when its pipe runs dry.
const READ_AHEAD: u64 = 256;
const STEPS: u64 = 600;
/// Longer than a crossing apart: there is nearly always an order on its way.
const LATENCY_NS: u64 = 4_000_000_000;

/// What must be the same in the end.
fn outcome(summary: &Value) -> (Value, Value, Value) {
    let journal = &summary["journal"];
    (summary["digest"].clone(), journal["chain_head"].clone(), journal["last_sequence"].clone())
}

/// Orders at the venue after what the journal in `dir` holds.
fn orders_at_the_venue(dir: &Path) -> usize {
    let mut reader = Reader::open(dir, Sequence::NONE).expect("a journal");
    let mut replay = Replay::new();
    while let Some(frame) = reader.next().expect("a whole journal") {
        replay.apply(frame.records).expect("the same decisions");
    }
    replay.core().machine().orders().open().count()
}

/// The first lines of the fixture, by parts of a thousand.
fn beginning(text: &str, per_mille: usize) -> String {
    let lines = text.lines().count() * per_mille / 1_000;
    text.split_inclusive('\n').take(lines).collect()
}

#[test]
fn a_run_killed_at_many_moments_ends_as_one_that_was_not() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    assert!(whole["fills"].as_u64() > Some(3), "{whole}");

    let text = capture(STEPS);
    let journal = bench.journal();
    let parts: &[usize] = if is_long() {
        &[60, 120, 190, 260, 330, 400, 480, 560, 640, 720, 800, 880, 960]
    } else {
        &[150, 400, 650, 900]
    };
    let mut was_open = 0;
    for (number, per_mille) in parts.iter().enumerate() {
        let pipe = Pipe::new(bench.path(&format!("pipe-{number}")));
        let fed = pipe.feed(beginning(&text, *per_mille));
        let mut process = Process::start(bench.arguments(&journal, &[("feed.path", pipe.name())]));
        let reached = last * *per_mille as u64 / 1_000 * 9 / 10 - READ_AHEAD.min(last / 20);
        process.wait_until_written(&journal, reached);
        assert!(process.is_running(), "{}", process.told());
        process.kill();
        drop(fed);
        was_open += orders_at_the_venue(&journal);
    }
    assert!(was_open > 0, "no kill met an order at the venue");
    let resumed = run(bench.arguments(&journal, &[])).expect(0).json();
    assert_eq!(outcome(&resumed), outcome(&whole));
    assert!(resumed["commands"].as_u64() < whole["commands"].as_u64(), "it began from the start");
    reexecute(&journal);
}

#[test]
fn a_run_killed_in_full_flight_ends_as_one_that_was_not() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    let kills = if is_long() { 24 } else { 4 };
    for kill in 0..kills {
        let journal = bench.path(&format!("journal-{kill}"));
        let mut process = Process::start(bench.arguments(&journal, &[]));
        process.wait_until_written(&journal, 1 + last * kill / kills);
        process.kill();
        let resumed = run(bench.arguments(&journal, &[])).expect(0).json();
        assert_eq!(outcome(&resumed), outcome(&whole), "killed near {}", last * kill / kills);
    }
}

/// The fixture's configuration with many instruments and accounts, so that it takes a while to apply.
fn long_config() -> String {
    let mut config = capture_config(LATENCY_NS);
    for number in 0..60 {
        write!(
            config,
            r#"
[[instrument]]
symbol = "OTHER{number}"
kind = "linear"
base = "TEST"
quote = "USDT"
price_scale = 2
quantity_scale = 3
tick_size = "0.10"
lot_size = "0.001"
quantity_max = "100"
margin_rate = "0.1"
[[account]]
name = "account{number}"
deposits = {{ USDT = "1000", TEST = "5" }}
"#
        )
        .expect("writing to a string cannot fail");
    }
    config
}

#[test]
fn a_run_killed_while_it_is_configured_ends_as_one_that_was_not() {
    let bench = Bench::new(&long_config());
    std::fs::write(bench.path("capture.txt"), capture(60)).expect("a file can be written");
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let moments: &[u64] =
        if is_long() { &[1, 2, 5, 10, 20, 40, 80, 120, 180, 240, 300, 360] } else { &[1, 60, 250] };
    for moment in moments {
        let journal = bench.path(&format!("journal-{moment}"));
        // One command a turn, and a thread that sleeps, so that there is time to kill it.
        let slow = [("engine.batch", "1"), ("engine.ring.control", "64"), ("engine.wait.core", "sleep")];
        let mut process = Process::start(bench.arguments(&journal, &slow));
        process.wait_until_written(&journal, *moment);
        process.kill();
        let resumed = run(bench.arguments(&journal, &[])).expect(0).json();
        assert_eq!(outcome(&resumed), outcome(&whole), "killed near {moment}");
    }
}

#[test]
fn a_stopped_run_leaves_its_pending_reports_to_the_next_one() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let last = whole["journal"]["last_sequence"].as_u64().expect("a number");
    let text = capture(STEPS);
    let journal = bench.journal();
    let mut stopped_at = 0;
    let mut was_open = 0;
    for (number, per_mille) in [200, 450, 700].into_iter().enumerate() {
        let pipe = Pipe::new(bench.path(&format!("pipe-{number}")));
        let first = beginning(&text, per_mille);
        let rest = text[first.len()..].to_owned();
        let fed = pipe.feed(first);
        let mut process = Process::start(bench.arguments(&journal, &[("feed.path", pipe.name())]));
        process.wait_until_written(&journal, last * per_mille as u64 / 1_000 * 9 / 10 - READ_AHEAD);
        process.terminate();
        // It looks at the signal when its batch is full.
        fed.more(rest);
        let stopped = process.finish().expect(0).json();
        drop(fed);
        let sequence = stopped["journal"]["last_sequence"].as_u64().expect("a number");
        assert!(stopped_at < sequence && sequence < last, "stopped at {sequence} of {last}");
        assert_eq!(sequence, written_through(&journal), "a clean stop writes all");
        stopped_at = sequence;
        was_open += orders_at_the_venue(&journal);
    }
    assert!(was_open > 0, "no stop met an order at the venue");
    let resumed = run(bench.arguments(&journal, &[])).expect(0).json();
    assert_eq!(outcome(&resumed), outcome(&whole));
    assert_eq!(orders_at_the_venue(&journal), 0, "at the end of the input everything is delivered");

    let again = run(bench.arguments(&journal, &[])).expect(0).json();
    assert_eq!(outcome(&again), outcome(&whole), "a run over a journal that has it all adds nothing");
    assert_eq!((&again["commands"], &again["events"]), (&0.into(), &0.into()));
    reexecute(&journal);
}

#[test]
fn a_daemon_without_a_feed_serves_until_it_is_told_and_goes_on_where_it_stopped() {
    let mut daemon = LiveDaemon::start();
    let socket = daemon.dir.join("control.sock");
    assert!(socket.exists());
    let first = daemon.stop().json();
    assert!(!socket.exists(), "the socket is taken away");
    let last = first["journal"]["last_sequence"].as_u64().expect("a number");
    daemon.start_again(&[]);
    let second = daemon.stop().json();
    let told = records(&daemon.dir, "");
    let after = &told[usize::try_from(last).expect("a small number")..];
    assert_eq!(told.len() as u64, second["journal"]["last_sequence"].as_u64().expect("a number"));
    // The same configuration is not told again; only health is, each second.
    assert!(after.iter().all(|record| record["event_type"] == "system.health"), "{after:?}");
    reexecute(&daemon.dir);
}
