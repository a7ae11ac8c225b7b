//! A writer that gathers frames and writes them in one call.

use crate::support::*;
use std::path::Path;
use tickwerk_domain::Sequence;
use tickwerk_journal::{Follow, Io, JournalConfig, Tail, recover};

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
