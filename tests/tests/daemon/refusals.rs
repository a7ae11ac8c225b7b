//! What cannot work is refused with an error that names it, the right exit code, and nothing half done.

use crate::client::{Client, order};
use crate::fixture::{Bench, capture, capture_config, examples, run_arguments};
use crate::live::LiveDaemon;
use crate::process::{Finished, records, reexecute, run};
use serde_json::json;
use std::path::Path;

const STEPS: u64 = 120;
const LATENCY_NS: u64 = 1_000_000;

#[test]
fn a_second_daemon_on_a_directory_is_refused_and_the_first_goes_on() {
    let mut daemon = LiveDaemon::start();
    let dir = daemon.dir.to_str().expect("plain names").to_owned();
    let second = run_arguments(&examples().join("live.toml"), &[("journal.dir", &dir)]);
    run(second).expect_told(1, &["open in another process", &dir]);
    Client::connect(&daemon.dir).ask_ok(&order("goes-on"));
    daemon.stop();
    reexecute(&daemon.dir);
}

fn run_config(text: &str) -> Finished {
    let bench = Bench::new(text);
    std::fs::write(bench.path("capture.txt"), capture(10)).expect("a file can be written");
    run(bench.arguments(&bench.journal(), &[]))
}

#[test]
fn a_configuration_that_cannot_be_used_is_named_with_its_place() {
    let good = capture_config(LATENCY_NS);
    let wrong = good.replace("segment_size", "segment_sise");
    run_config(&wrong).expect_told(78, &["journal.segment_sise", "segment_size"]);
    run_config(&good.replace("tick_size", "tick_sise")).expect_told(78, &["tick_sise", "tick_size"]);
    run_config(&good.replace("[journal]", "[journal")).expect_told(78, &["line 2"]);
    run_config(&good.replace("\"0.001\"", "\"-0.001\"")).expect_told(78, &["lot_size", "-0.001"]);
    run_config(&good.replace("symbol = \"TESTUSDT\"\nkind", "symbol = \"OTHER\"\nkind"))
        .expect_told(78, &["TESTUSDT"]);
    run_config(&good.replace("fast = 5", "fast = 50")).expect_told(78, &["trend", "slow"]);

    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let over = |sets: &[(&str, &str)]| run(bench.arguments(&bench.journal(), sets));
    over(&[("journal.dri", "x")]).expect_told(78, &["journal.dri", "journal.dir"]);
    over(&[("account.name", "x")]).expect_told(78, &["account"]);
    over(&[("feed.kind", "telepathy")]).expect_told(78, &["feed.kind", "telepathy"]);
    over(&[("engine.batch", "0")]).expect_told(78, &["engine.batch"]);
    over(&[("engine.ring.outcome", "128")]).expect_told(78, &["outcome", "128", "256"]);
    std::fs::remove_dir_all(bench.journal()).expect("what recovery made");
    over(&[("engine.ring.market", "100")]).expect_told(78, &["engine.ring.market", "128"]);
    assert!(!bench.journal().exists(), "nothing was begun");

    let missing = bench.path("missing.toml");
    run(run_arguments(&missing, &[])).expect_told(78, &["missing.toml"]);
    run(run_arguments(bench.path("capture.txt").parent().expect("a folder"), &[]))
        .expect_told(78, &["cannot read"]);
}

#[test]
fn routes_rates_and_limits_that_cannot_be_are_named_with_their_place() {
    let good = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
    let drawdown = "kind = \"drawdown\"\naccount = \"hedge\"\nvalue = \"0.1\"";
    for (from, to, texts) in [
        ("venue = \"broker\"", "venue = \"nowhere\"", &["SOLUSDT", "venue", "broker, simulated"][..]),
        ("fallback_venue = \"simulated\"", "fallback_venue = \"broker\"", &["SOLUSDT", "fallback_venue"]),
        ("\"replace\"]", "\"fly\"]", &["broker", "capabilities", "fly", "post_only"]),
        ("[reference]\ncurrency = \"USDT\"", "", &["reference.currency is missing"]),
        ("currency = \"USD\"\n", "currency = \"USDT\"\n", &["conversion[USDT]", "always worth 1"]),
        ("mark = \"venue\"", "mark = \"guess\"", &["BTCUSDT-PERP", "mark", "mid, last, venue"]),
        ("reject_rate = \"0\"", "reject_rate = \"2\"", &["ETHUSDT", "simulation.reject_rate"]),
        ("mode = \"hedging\"", "mode = \"both\"", &["account[hedge].mode", "netting, hedging"]),
        (drawdown, "kind = \"drawdown\"\ninstrument = \"BTCUSDT\"\nvalue = \"0.1\"", &["global, account"]),
        (drawdown, "kind = \"drawdown\"\naccount = \"hedge\"\nvalue = \"0\"", &["drawdown", "0.00000001"]),
        ("\"cancel_taker\"\n", "\"decrement\"\n", &["self_trade", "cancel_both"]),
    ] {
        assert!(good.contains(from), "{from}");
        let bench = Bench::new(&good.replacen(from, to, 1));
        run(bench.arguments(&bench.journal(), &[])).expect_told(78, texts);
        assert!(!bench.journal().exists(), "nothing was begun");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let missing = bench.path("missing.gz");
    let missing = missing.to_str().expect("plain names");
    run(bench.arguments(&bench.journal(), &[("feed.path", missing)])).expect_told(74, &[missing]);
    let empty = bench.path("empty");
    std::fs::write(&empty, "").expect("a file can be written");
    let name = empty.to_str().expect("plain names");
    run(bench.arguments(&bench.journal(), &[("feed.path", name)])).expect_told(74, &[name, "empty"]);
    // A file in the place of the journal's directory.
    run(bench.arguments(&empty, &[])).expect_told(74, &[name]);
    run(bench.arguments(&empty.join("below"), &[])).expect_told(74, &[name]);
    run(bench.arguments(Path::new("/proc/no-such-place"), &[])).expect_told(74, &["/proc/no-such-place"]);
}

#[test]
fn a_socket_path_that_is_too_long_is_refused_before_anything_is_journaled() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let journal = bench.path(&"long".repeat(30));
    run(bench.arguments(&journal, &[])).expect_told(78, &["control.sock", "control.enabled"]);
    assert!(!journal.exists(), "nothing was begun");
    run(bench.arguments(&journal, &[("control.enabled", "false")])).expect(0);
    reexecute(&journal);
}

#[test]
fn a_malformed_line_is_named_and_what_came_before_is_journaled() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let text = capture(STEPS);
    let bad_line = 151;
    let before: String = text.split_inclusive('\n').take(bad_line - 1).collect();
    let lines = text.split_inclusive('\n').enumerate();
    let spoilt: String = lines
        .map(|(index, line)| if index + 1 == bad_line { &line[..line.len() / 2] } else { line })
        .collect();
    let market = |dir: &Path| records(dir, "market").len();

    std::fs::write(bench.path("capture.txt"), before).expect("a file can be written");
    run(bench.arguments(&bench.path("before"), &[])).expect(0);
    // Half a line runs into the next one: one bad line, not two.
    std::fs::write(bench.path("capture.txt"), &spoilt).expect("a file can be written");
    let journal = bench.journal();
    let told = run(bench.arguments(&journal, &[]));
    told.expect_told(1, &[&format!("line {bad_line}"), "capture.txt"]);
    assert_eq!(market(&journal), market(&bench.path("before")));
    // Again, with nothing left before the bad line.
    run(bench.arguments(&journal, &[])).expect_told(1, &[&format!("line {bad_line}")]);
    let skipped = bench.path("skipped");
    let told = run(bench.arguments(&skipped, &[("feed.on_malformed", "skip")]));
    told.expect_told(0, &["1 malformed", &format!("line {bad_line}")]);
    reexecute(&skipped);

    std::fs::write(bench.path("capture.txt"), text).expect("a file can be written");
    let repaired = run(bench.arguments(&journal, &[])).expect(0).json();
    assert_eq!(repaired["digest"], whole["digest"]);
    assert_eq!(repaired["journal"]["chain_head"], whole["journal"]["chain_head"]);
    reexecute(&journal);
}

#[test]
fn what_is_fixed_for_life_cannot_be_changed_by_a_restart() {
    let changes: [(&str, &str, &str); 3] = [
        ("price_scale = 1", "price_scale = 3", "BTCUSD-PERP"),
        ("multiplier = 100", "multiplier = 10", "BTCUSD-PERP"),
        ("code = \"USD\"\nscale = 8", "code = \"USD\"\nscale = 4", "USD"),
    ];
    let mut daemon = LiveDaemon::start();
    Client::connect(&daemon.dir).ask_ok(&order("before"));
    daemon.stop();
    let last = records(&daemon.dir, "").len();
    for (good, bad, named) in changes {
        let text = std::fs::read_to_string(examples().join("live.toml")).expect("an example");
        assert!(text.contains(good), "{good}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("changed.toml");
        std::fs::write(&path, text.replace(good, bad)).expect("a file can be written");
        let dir = daemon.dir.to_str().expect("plain names");
        run(run_arguments(&path, &[("journal.dir", dir), ("journal.segment_size", "1MiB")]))
            .expect_told(78, &[named]);
        assert_eq!(records(&daemon.dir, "").len(), last, "{bad}: nothing is journaled");
    }
    daemon.start_again(&[]);
    let mut client = Client::connect(&daemon.dir);
    assert_eq!(client.ask_ok(&json!({ "op": "query.orders" }))["orders"][0]["price"], "100.00");
    daemon.stop();
}
