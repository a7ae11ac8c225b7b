//! A writer that gathers frames and writes them in one call.

use crate::samples;
use crate::support::*;
use std::path::Path;
use tickwerk_domain::{Payload, Sequence};
use tickwerk_journal::{Follow, Io, JournalConfig, Tail, inspect, recover};

fn gathering(dir: &Path) -> JournalConfig {
    JournalConfig { io: Io::Pwrite, segment_size: 1024 * 1024, ..config(dir) }
}

#[test]
fn frames_are_written_when_enough_are_gathered_or_nothing_comes() {
    let dir = scratch();
    let mut journal = open(gathering(dir.path()));
    let marks = journal.watermarks();
    let first = push_frames(&mut journal.writer, 1);
    assert_eq!(marks.written_through(), Sequence::NONE, "one frame waits for more");
    journal.writer.idle().unwrap();
    assert_eq!(marks.written_through(), Sequence(1));
    let mut tail = Tail::new(dir.path(), Sequence::FIRST, marks.clone()).unwrap();
    assert_eq!(tail.next(Follow::Written).unwrap().unwrap().records, first[0]);
    assert!(tail.next(Follow::Written).unwrap().is_none());
    while marks.written_through() == Sequence(1) {
        push_frames(&mut journal.writer, 1);
    }
    assert!(marks.written_bytes() >= 256 * 1024, "{} bytes", marks.written_bytes());
    let last = Sequence(journal.writer.next_sequence().0 - 1);
    journal.writer.request_sync().unwrap();
    assert_eq!(marks.written_through(), last);
    wait_until("what was asked for is synced", || marks.durable_through() == last);
}

#[test]
fn both_ways_into_the_file_give_the_same_journal() {
    let dirs = [scratch(), scratch()];
    let [mapped, gathered] =
        [config(dirs[0].path()), gathering(dirs[1].path())].map(|config| closed(config, 2_000));
    assert_eq!(
        (mapped.1.last_sequence, mapped.1.chain_head),
        (gathered.1.last_sequence, gathered.1.chain_head)
    );
    let frames = dirs.map(|dir| {
        let recovered = recover(config(dir.path())).unwrap();
        assert_eq!((recovered.torn(), recovered.notes()), (None, &[][..]));
        records_of(&read_all(&recovered))
    });
    assert!(frames[0] == mapped.0 && frames[0] == frames[1]);
}

#[test]
fn a_segment_that_was_taken_into_use_and_got_no_frame_is_gone_on_with() {
    let dir = scratch();
    let config = || JournalConfig { segment_size: 256 * 1024, ..gathering(dir.path()) };
    let mut journal = open(config());
    while journal.writer.next_sequence() <= Sequence(1_500) {
        push_frames(&mut journal.writer, 1);
    }
    journal.writer.request_sync().unwrap();
    let last = Sequence(journal.writer.next_sequence().0 - 1);
    // There is no room for it, so the next segment is activated; it is gathered and lost with the process.
    let room = 240 * 1024 - journal.watermarks().written_bytes();
    assert!((12_000..70_000).contains(&room), "{room} bytes are left");
    let record = frame(last.next().0, 0).remove(0);
    journal.writer.push_with_opaque(&record, &vec![7; 64 * 1024]).unwrap();
    drop(journal);
    let recovered = recover(config()).unwrap();
    assert_eq!((recovered.next_sequence(), recovered.torn()), (last.next(), None));
    let mut journal = recovered.open().unwrap();
    push_frames(&mut journal.writer, 5);
    journal.writer.close().unwrap();
    let segments = inspect(dir.path()).unwrap().segments;
    assert_eq!((segments[0].last_sequence, segments[1].first_sequence), (last, last.next()));
    assert_eq!(segments[1].frames, 5);
    assert_eq!(verified(dir.path()).0.first_difference, None);
}

#[test]
fn what_was_gathered_before_is_in_no_padding() {
    let dir = scratch();
    let mut journal = open(gathering(dir.path()));
    let mut expected = Vec::new();
    for command in samples::commands() {
        let before = frame(journal.writer.next_sequence().0, 0);
        journal.writer.push_with_opaque(&before[0], &vec![0xff; 64 * 1024]).unwrap();
        journal.writer.idle().unwrap();
        expected.push(before);
        let events = samples::events().into_iter().map(Payload::Event);
        let frame =
            records(journal.writer.next_sequence().0, [Payload::Command(command)].into_iter().chain(events));
        journal.writer.push_with_opaque(&frame[0], &[7]).unwrap();
        push(&mut journal.writer, &frame[1..]);
        journal.writer.idle().unwrap();
        expected.push(frame);
    }
    let closed = journal.writer.close().unwrap();
    let (report, found) = verified(dir.path());
    assert_eq!((report.first_difference, Some(report.chain_head)), (None, closed.chain_head));
    assert!(found == expected);
}
