//! The same commands give the same events, a re-execution of every frame agrees, and what was changed is named.

use super::desk::{Desk, definitions};
use super::seed::each_seed;
use super::workload::Workload;
use std::collections::BTreeMap;
use tickwerk_domain::{Command, Event, Money, Payload, Record, Sequence, Stream, TimeNs};
use tickwerk_engine::replay::{Difference, Replay, ReplayError};
use tickwerk_engine::{Decider, limits::DIGEST_INTERVAL_FRAMES};

/// A desk that was fed `count` commands of the workload.
fn run(seed: u64, count: usize) -> Desk {
    let mut desk = Desk::empty();
    for command in definitions() {
        desk.feed(command);
    }
    let mut workload = Workload::new(seed);
    for _ in 0..count {
        let events = desk.feed(workload.next());
        workload.note(events);
    }
    desk
}

/// Where a re-execution first disagrees.
fn check(frames: &[Vec<Record>]) -> Option<Difference> {
    let mut replay = Replay::new();
    frames.iter().find_map(|frame| match replay.apply(frame) {
        Ok(()) => None,
        Err(ReplayError::Differs(difference)) => Some(difference),
        Err(unknown @ ReplayError::UnknownRules { .. }) => panic!("{unknown}"),
    })
}

#[test]
fn a_random_run_gives_the_same_events_and_digest_again() {
    each_seed(4, |seed| {
        let (first, second) = (run(seed, 3_000), run(seed, 3_000));
        assert!(first.frames == second.frames);
        assert_eq!(first.core.digest(), second.core.digest());
        assert_ne!(first.core.digest(), run(seed + 100, 3_000).core.digest());
    });
}

#[test]
fn a_re_execution_of_all_frames_agrees_and_ends_in_the_same_state() {
    each_seed(2, |seed| {
        let desk = run(seed, 12_000);
        let mut replay = Replay::new();
        for frame in &desk.frames {
            assert_eq!(replay.apply(frame), Ok(()));
        }
        assert_eq!(replay.core().digest(), desk.core.digest());
        let is_digest = |record: &Record| matches!(record.payload, Payload::Event(Event::StateDigest(_)));
        let digests = desk.frames.iter().flatten().filter(|record| is_digest(record)).count() as u64;
        assert_eq!(digests, desk.frames.len() as u64 / DIGEST_INTERVAL_FRAMES);
        assert!(digests > 0);
    });
}

#[test]
fn sequences_are_dense_and_every_stream_counts_its_records() {
    let desk = run(5, 12_000);
    let mut versions: BTreeMap<Stream, u64> = BTreeMap::new();
    let mut last = Sequence::NONE;
    for record in desk.frames.iter().flatten() {
        let Record { envelope, payload } = record;
        assert_eq!(envelope.sequence, last.next());
        last = envelope.sequence;
        let stream = payload.stream(envelope.sequence);
        let version = versions.entry(stream).or_default();
        // The stream of an entity that is not known has no versions.
        if envelope.stream_version == 0 {
            assert_eq!(*version, 0, "{stream} at {last}: {payload:?}");
        } else {
            *version += 1;
            assert_eq!(envelope.stream_version, *version, "{stream} at {last}: {payload:?}");
        }
    }
    assert_eq!(last, desk.core.last().sequence);
}

#[test]
fn a_changed_event_is_named_with_its_sequence() {
    let desk = run(1, 400);
    let mut changed = 0;
    for (at, frame) in desk.frames.iter().enumerate() {
        for place in 1..frame.len() {
            let mut frames = desk.frames[..=at].to_vec();
            let record = &mut frames[at][place];
            let Payload::Event(event) = &mut record.payload else { panic!("events follow their command") };
            if !change(event) {
                record.envelope.stream_version += 1;
            }
            changed += 1;
            if changed % 20 == 0 {
                let difference = check(&frames).expect("a changed event is found");
                assert_eq!(difference.sequence, desk.frames[at][place].envelope.sequence, "{difference}");
            }
        }
    }
    assert!(changed > 400, "{changed} events were changed");
}

/// Changes a field of the commoner events.
fn change(event: &mut Event) -> bool {
    if let Event::OrderSubmitted(order) = event {
        order.qty.0 += 1;
    } else if let Event::Posted(posted) = event {
        posted.legs[0].amount = Money::new(posted.legs[0].amount.get() + 1);
    } else if let Event::PositionChanged(position) = event {
        position.realized_total = Money::new(position.realized_total.get() - 1);
    } else if let Event::OrderApproved(approved) = event {
        approved.limits_version += 1;
    } else {
        return false;
    }
    true
}

#[test]
fn a_difference_names_the_field_and_both_values() {
    let mut frames = run(1, 400).frames.clone();
    let submitted = frames.iter_mut().flatten().find_map(|record| {
        if let Payload::Event(Event::OrderSubmitted(order)) = &mut record.payload {
            Some((record.envelope.sequence, order))
        } else {
            None
        }
    });
    let (sequence, order) = submitted.expect("an order went to the venue");
    let qty = order.qty.0;
    order.qty.0 += 5;
    let reason =
        format!("order.submitted: qty Qty(Qty({qty})) is decided, Qty(Qty({})) is journaled", qty + 5);
    assert_eq!(check(&frames), Some(Difference { sequence, reason }));
}

#[test]
fn a_changed_report_of_the_venue_is_named() {
    let mut frames = run(1, 400).frames.clone();
    let is_venue =
        |record: &&mut Record| record.envelope.source == tickwerk_domain::SourceId::SIMULATED_VENUE;
    let record = frames.iter_mut().map(|frame| &mut frame[0]).find(is_venue).expect("the venue reported");
    let sequence = record.envelope.sequence;
    if let Payload::Command(Command::OrderReported(report)) = &mut record.payload {
        report.venue_order_id += 1;
    }
    assert_eq!(check(&frames).map(|difference| difference.sequence), Some(sequence));
}

#[test]
fn a_changed_command_is_named_where_it_first_decides_otherwise() {
    let desk = run(2, 400);
    let mut found = 0;
    for (at, frame) in desk.frames.iter().enumerate() {
        let mut changed = frame.clone();
        let Payload::Command(Command::NewOrder(order)) = &mut changed[0].payload else { continue };
        order.qty.0 += 5;
        let mut frames = desk.frames.clone();
        frames[at] = changed;
        if let Some(difference) = check(&frames) {
            assert!(difference.sequence > frame[0].envelope.sequence, "the command itself is what it is");
            found += 1;
        }
        if found == 10 {
            return;
        }
    }
    panic!("only {found} changed orders were found");
}

#[test]
fn frames_out_of_place_are_named() {
    let desk = run(3, 200);
    let frames = &desk.frames;
    let sequence_of = |at: usize| frames[at][0].envelope.sequence;
    let mut missing = frames.clone();
    missing.remove(50);
    assert_eq!(check(&missing).map(|difference| difference.sequence), Some(sequence_of(51)));
    let mut doubled = frames.clone();
    doubled.insert(50, frames[50].clone());
    assert_eq!(check(&doubled).map(|difference| difference.sequence), Some(sequence_of(50)));
    let mut late = frames.clone();
    late[60][0].envelope.time_ns = TimeNs(1);
    assert_eq!(check(&late).map(|difference| difference.sequence), Some(sequence_of(60)));
    let with_events = (60..frames.len()).find(|at| frames[*at].len() > 1).expect("a frame with events");
    let mut cut = frames.clone();
    cut[with_events].pop();
    let last = frames[with_events].last().unwrap().envelope.sequence;
    assert_eq!(check(&cut).map(|difference| difference.sequence), Some(last));
    assert_eq!(check(&[Vec::new()]).map(|difference| difference.sequence), Some(Sequence::FIRST));
}

#[test]
fn time_may_be_moved_before_what_is_due_by_it() {
    let mut desk = Desk::with_quotes();
    desk.feed(super::desk::market_order(super::desk::SPOT, tickwerk_domain::Side::Buy, 100));
    desk.apply(tickwerk_domain::command::TimeAdvanced { due: TimeNs(desk.time) });
    assert_eq!(desk.settle(desk.time).len(), 2);
    assert_eq!(check(&desk.frames), None);
}
