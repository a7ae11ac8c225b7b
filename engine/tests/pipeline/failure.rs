//! A failed thread stops the process; until it does, nobody waits for ever and nothing counts as written.

use crate::rig::{FEED, PANIC, Recorder, Scripted, config, eventually, start, trade, trades, within};
use std::env;
use std::process::{Child, Command as Process, Stdio};
use tickwerk_domain::TimeNs;
use tickwerk_engine::pipeline::fail_stop::abort_process;
use tickwerk_engine::pipeline::{Lane, Pipeline, PipelineConfig};

const IN_CHILD: &str = "TICKWERK_PIPELINE_TEST_CHILD";

#[test]
fn a_failed_write_stops_everything_and_does_not_count_as_consumed() {
    let rig = Pipeline::start(&config(), Scripted::new(), Recorder::failing_at(100)).unwrap();
    let mut market = rig.lanes.market;
    let refusal = within(move || market.publish_all(&trades(FEED, 10_000))).unwrap_err();
    assert!(refusal.published < 10_000 && refusal.lane == Lane::Market);
    assert!(refusal.reason.contains("no space left at record 100"), "{refusal}");

    let failed = within(move || rig.threads.join().map(|_| ())).unwrap_err();
    assert_eq!(failed.reason, refusal.reason);
    assert!(rig.stats.outcome().consumed() <= 100, "the batch of the failed record is not consumed");
    assert!(rig.stats.written_through().0 <= 100);
}

#[test]
fn a_panicking_decider_is_a_failure_of_the_pipeline() {
    let mut rig = start(&config(), Scripted::new());
    rig.lanes.market.publish_all(&[trade(FEED, PANIC, TimeNs(1))]).unwrap();
    eventually("the failure is told", || rig.threads.failure().is_some());
    let failed = within(move || rig.threads.join().map(|_| ())).unwrap_err();
    assert_eq!(failed.reason, "the core thread panicked");
    assert!(rig.lanes.orders.publish_all(&[trade(FEED, 1, TimeNs(1))]).is_err());
}

/// The child's part of the test below; in the parent it has nothing to do.
#[test]
fn child_whose_decider_panics() {
    if env::var_os(IN_CHILD).is_none() {
        return;
    }
    let config = PipelineConfig { fail_stop: abort_process, ..config() };
    let mut rig = start(&config, Scripted::new());
    rig.lanes.market.publish_all(&[trade(FEED, PANIC, TimeNs(1))]).unwrap();
    drop(rig.lanes);
    let outcome = within(move || rig.threads.join().map(|_| ()));
    panic!("the process outlived its core thread: {outcome:?}");
}

#[cfg(unix)]
#[test]
fn a_panic_on_the_core_thread_aborts_the_process_and_says_why() {
    use std::os::unix::process::ExitStatusExt as _;

    const SIGABRT: i32 = 6;
    let child = Process::new(env::current_exe().unwrap())
        .args(["--exact", "failure::child_whose_decider_panics", "--nocapture"])
        .env(IN_CHILD, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = within(move || Child::wait_with_output(child)).unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{told}");
    assert!(told.contains("tickwerk stops at once: the core thread panicked"), "{told}");
}
