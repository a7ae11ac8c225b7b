//! Many segments, many runs, one journal.

use crate::support::*;
use tickwerk_domain::Sequence;
use tickwerk_journal::{Journal, JournalConfig, SegmentState, inspect, recover};

#[test]
fn frames_go_over_many_segments_and_are_dense() {
    let dir = scratch();
    let (frames, closed) = closed(config(dir.path()), 3_000);
    let inspection = inspect(dir.path()).unwrap();
    let used: Vec<_> = inspection.segments.iter().filter(|s| s.state != SegmentState::Prepared).collect();
    assert!(used.len() > 10, "{} segments", used.len());
    assert!(used.windows(2).all(|pair| pair[0].last_sequence.next() == pair[1].first_sequence));
    assert_eq!(used.iter().map(|segment| segment.frames).sum::<u64>(), 3_000);
    assert_eq!(used.iter().map(|segment| segment.used_bytes - 16_384).sum::<u64>(), closed.bytes);
    assert_eq!(
        (inspection.clean, inspection.live, inspection.written_through, inspection.durable_through),
        (true, false, closed.last_sequence, closed.last_sequence)
    );
    assert_eq!(inspection.damage, None);
    let (report, seen) = verified(dir.path());
    assert_eq!(seen, frames);
    assert_eq!((report.frames, report.records), (3_000, closed.last_sequence.0));
    assert_eq!((report.first_sequence, report.last_sequence), (Sequence(1), closed.last_sequence));
    assert_eq!(Some(report.chain_head), closed.chain_head);
    assert_eq!((report.tail, report.first_difference, report.notes), (None, None, vec![]));
}

#[test]
fn a_journal_goes_on_where_it_was_closed_or_dropped() {
    let dir = scratch();
    let mut frames = Vec::new();
    for run in 0..12 {
        let recovered = recover(config(dir.path())).unwrap();
        assert_eq!(records_of(&read_all(&recovered)), frames);
        let mut journal = recovered.open().unwrap();
        frames.extend(push_frames(&mut journal.writer, run * 17));
        if run % 2 == 0 {
            journal.writer.close().unwrap();
        }
    }
    assert_eq!(verified(dir.path()).1, frames);
}

#[test]
fn an_empty_journal_is_closed_and_opened() {
    let dir = scratch();
    for _ in 0..2 {
        let recovered = recover(config(dir.path())).unwrap();
        assert_eq!(recovered.next_sequence(), Sequence::FIRST);
        let closed = recovered.open().unwrap().writer.close().unwrap();
        assert_eq!((closed.last_sequence, closed.bytes), (Sequence::NONE, 0));
    }
    let report = verified(dir.path()).0;
    assert_eq!((report.frames, report.last_sequence, report.first_difference), (0, Sequence::NONE, None));
}

#[test]
fn segments_of_another_size_follow_those_that_are_there() {
    let dir = scratch();
    closed(config(dir.path()), 800);
    let large =
        JournalConfig { segment_size: 4 * SEGMENT_SIZE, prefault_bytes: 256 * 1024, ..config(dir.path()) };
    let mut journal = open(large);
    push_frames(&mut journal.writer, 3_000);
    journal.writer.close().unwrap();
    assert_eq!(verified(dir.path()).0.frames, 3_800);
}

#[test]
fn spares_are_ready_before_they_are_needed() {
    let dir = scratch();
    let journal: Journal = open(JournalConfig { spare_segments: 3, ..config(dir.path()) });
    journal.wait_until_prepared().unwrap();
    let prepared = inspect(dir.path()).unwrap().segments;
    assert_eq!(prepared.iter().filter(|segment| segment.state == SegmentState::Prepared).count(), 3);
}
