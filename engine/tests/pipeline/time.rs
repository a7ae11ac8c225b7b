//! Where time comes from, and what is due when.

use crate::rig::{FEED, REPORT_AFTER_NS, Scripted, config, eventually, frames, join, start, trade};
use tickwerk_domain::command::HealthObserved;
use tickwerk_domain::{Command, Envelope, Mode, Payload, Record, SourceId, TimeNs};
use tickwerk_engine::pipeline::{PipelineConfig, clock};

fn live() -> PipelineConfig {
    PipelineConfig { mode: Mode::Live, ..config() }
}

#[test]
fn in_data_time_due_reports_come_before_the_next_datum_at_their_own_time() {
    let mut rig = start(&config(), Scripted::new());
    // The fifth trade causes a report at 13; the third datum has no time and takes the last stamp.
    for (number, time) in [(5, 10), (6, 20), (8, 0), (9, 15)] {
        rig.lanes.market.publish_all(&[trade(FEED, number, TimeNs(time))]).unwrap();
    }
    drop(rig.lanes);
    let finished = join(rig.threads);
    let told: Vec<_> = frames(&finished.sink)
        .iter()
        .map(|frame| (frame[0].envelope.source, frame[0].envelope.time_ns.0))
        .collect();
    let report_time = 10 + REPORT_AFTER_NS;
    let expected = [(FEED, 10), (SourceId::SIMULATED_VENUE, report_time), (FEED, 20), (FEED, 20), (FEED, 20)];
    assert_eq!(told, expected);
}

#[test]
fn pending_reports_are_delivered_at_the_end_of_the_input_but_not_on_a_mere_stop() {
    for at_the_end in [true, false] {
        let mut rig = start(&config(), Scripted::new());
        rig.lanes.market.publish_all(&[trade(FEED, 5, TimeNs(10)), trade(FEED, 10, TimeNs(11))]).unwrap();
        if at_the_end {
            rig.lanes.market.finish();
        } else {
            drop(rig.lanes.market);
        }
        drop((rig.lanes.control, rig.lanes.reports, rig.lanes.orders));
        let finished = join(rig.threads);
        assert_eq!(finished.decider.pending(), if at_the_end { 0 } else { 2 });
        assert_eq!(frames(&finished.sink).len(), if at_the_end { 4 } else { 2 });
    }
}

#[test]
fn continuations_go_on_at_once_when_the_lanes_are_empty() {
    let mut rig = start(&config(), Scripted::new());
    rig.lanes.market.publish_all(&[trade(FEED, 7, TimeNs(10))]).unwrap();
    // Three events, and two continuations.
    eventually("the continuations are written", || rig.stats.written_through().0 == 6);
    drop(rig.lanes);
    assert_eq!(frames(&join(rig.threads).sink).len(), 3);
}

#[test]
fn in_live_mode_the_clock_stamps_and_brings_about_what_is_due() {
    let before = clock::unix_now();
    let mut rig = start(&live(), Scripted::new());
    rig.lanes.market.publish_all(&[trade(FEED, 5, TimeNs::UNKNOWN)]).unwrap();
    // One event; then the clock; then the report.
    eventually("the report is written", || rig.stats.written_through().0 == 4);
    drop(rig.lanes);
    let finished = join(rig.threads);
    let frames = frames(&finished.sink);
    let sources: Vec<_> = frames.iter().map(|frame| frame[0].envelope.source).collect();
    assert_eq!(sources, [FEED, SourceId::CLOCK, SourceId::SIMULATED_VENUE]);
    let stamps: Vec<_> = frames.iter().map(|frame| frame[0].envelope.time_ns).collect();
    assert!(before <= stamps[0] && stamps[0].0 + REPORT_AFTER_NS <= stamps[1].0);
    assert_eq!(stamps[1], stamps[2], "a late report stands at the time that brought it about");
}

#[test]
fn the_core_thread_numbers_what_comes_from_the_clock() {
    let mut rig = start(&live(), Scripted::new());
    let health = HealthObserved {
        outcome_depth: 0,
        control_depth: 0,
        report_depth: 0,
        order_depth: 0,
        market_depth: 0,
        egress_depth: 0,
        refusals: 0,
        written_lag: 0,
        durable_lag: 0,
        memory_bytes: 0,
        chained_lag: 0,
    };
    let record = Record {
        envelope: Envelope { source: SourceId::CLOCK, ..Envelope::default() },
        payload: Payload::Command(Command::HealthObserved(health)),
    };
    rig.lanes.control.publish_all(&[record; 10]).unwrap();
    drop(rig.lanes);
    let finished = join(rig.threads);
    let numbers: Vec<_> = finished.sink.iter().map(|record| record.envelope.source_sequence).collect();
    assert_eq!(numbers.len(), 10);
    assert!(numbers.is_sorted_by(|earlier, later| earlier < later), "{numbers:?}");
}
