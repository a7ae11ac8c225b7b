//! The same input gives the same digest and chain head, whatever the threads, waits, rings, batches and build.

use crate::fixture::{Bench, capture_config};
use crate::process::{reexecute, run};
use serde_json::Value;
use std::ffi::OsString;

const STEPS: u64 = 400;
const LATENCY_NS: u64 = 1_000_000;
/// What the capture of 400 steps leads to, in every profile and on every machine. It changes only with the rules
/// version, the schemas or the fixture.
const CAPTURE_DIGEST: &str = "377783e6c57ea6a0";
const CAPTURE_CHAIN_HEAD: &str = "d1f4caa093e4199561911d832c5bf40a85f495c0dc1b8d6cf7fd83b928ccab09";

/// Digest and chain head, the whole claim of sameness.
#[track_caller]
fn outcome(arguments: Vec<OsString>) -> (String, String) {
    let summary = run(arguments).expect(0).json();
    assert!(summary["fills"].as_u64() > Some(0), "nothing was traded: {summary}");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&summary["digest"]), text(&summary["journal"]["chain_head"]))
}

/// Settings that must not decide anything.
const VARIANTS: &[&[(&str, &str)]] = &[
    &[],
    &[],
    &[("engine.wait.core", "spin"), ("engine.wait.journal", "sleep"), ("engine.wait.source", "sleep")],
    &[("engine.wait.core", "spin_hint"), ("engine.pin.core", "0"), ("engine.pin.journal", "none")],
    &[("engine.wait.core", "yield"), ("engine.wait.journal", "yield"), ("engine.wait.source", "yield")],
    &[("engine.wait.core", "spin_then_sleep"), ("engine.pin.core", "0"), ("engine.pin.journal", "0")],
    &[("engine.wait.core", "sleep"), ("engine.ring.market", "64"), ("engine.ring.outcome", "256")],
    &[("engine.batch", "1"), ("engine.ring.control", "64"), ("engine.ring.market", "65536")],
    &[("engine.batch", "4096"), ("journal.acknowledge", "durable"), ("journal.sync_interval_ms", "0")],
    &[("journal.segment_size", "2MiB"), ("control.enabled", "false")],
];

fn check(bench: &Bench, expected: Option<(&str, &str)>) {
    let mut first = expected.map(|(digest, head)| (digest.to_owned(), head.to_owned()));
    for (number, variant) in VARIANTS.iter().enumerate() {
        let journal = bench.path(&format!("journal-{number}"));
        let found = outcome(bench.arguments(&journal, variant));
        let first = first.get_or_insert_with(|| found.clone());
        assert_eq!(*first, found, "{variant:?}");
    }
    reexecute(&bench.path("journal-0"));
}

#[test]
fn a_capture_gives_one_result_whatever_the_threads_do() {
    let bench = Bench::with_capture(STEPS, LATENCY_NS);
    check(&bench, Some((CAPTURE_DIGEST, CAPTURE_CHAIN_HEAD)));
}

#[test]
fn a_generated_market_gives_one_result_whatever_the_threads_do() {
    let config = capture_config(LATENCY_NS)
        .replace(
            "kind = \"binance_capture\"\nmarket = \"spot\"\nsymbol = \"TESTUSDT\"\n",
            "kind = \"generator\"\nseed = 5\ncommands = 3000\n",
        )
        .replace("venue_latency_ns", "generator = { price = \"2500\", size = \"0.5\" }\nvenue_latency_ns");
    check(&Bench::new(&config), None);
}

#[test]
fn a_demo_repeats_its_seed_and_differs_with_another() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A demo prepares far larger files than it fills; one at a time is enough for a busy disk.
    let demo = |seed: &str| {
        let dir = folder.path().join("journal");
        let arguments = ["demo", "--commands", "60000", "--json", "--seed", seed, "--dir"];
        let mut arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        arguments.push(dir.clone().into());
        let found = outcome(arguments);
        reexecute(&dir);
        std::fs::remove_dir_all(dir).expect("a journal can be deleted");
        found
    };
    let first = demo("11");
    assert_eq!(demo("11"), first);
    let other = demo("12");
    assert!(other.0 != first.0 && other.1 != first.1, "{other:?}");
}
