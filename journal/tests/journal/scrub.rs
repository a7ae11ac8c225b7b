//! The scrub of cold segments: it finds rot beside a writer, tells it once, and never stops for it.

use crate::support::*;
use std::os::unix::fs::FileExt;
use std::path::Path;
use tickwerk_journal::{FirstKept, ScrubFinding, ScrubStep, Scrubber, compress, inspect};

/// Reads until a pass has ended; gives what it found.
fn pass(scrubber: &mut Scrubber) -> Vec<ScrubFinding> {
    let mut found = Vec::new();
    loop {
        match scrubber.step(10_000).unwrap() {
            ScrubStep::Read(bytes) => assert!(bytes < 10_000 + 80_000, "a step keeps to its portion"),
            ScrubStep::Found(finding) => found.push(finding),
            ScrubStep::PassDone => return found,
        }
    }
}

fn flip(path: &Path, offset: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

#[test]
fn a_flip_in_a_cold_segment_is_found_beside_a_writer_and_told_once() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    push_frames(&mut journal.writer, 3_000);
    let marks = journal.watermarks();
    wait_until("all is durable", || marks.durable_through() == marks.written_through());
    let mut scrubber = Scrubber::new(dir.path());
    assert_eq!(pass(&mut scrubber), []);
    let counts = scrubber.counts();
    assert!(counts.passes == 1 && counts.segments > 10 && counts.bytes > 500_000, "{counts:?}");
    flip(&segment_path(dir.path(), 3), 30_000);
    let found = pass(&mut scrubber);
    assert_eq!(found.iter().map(|finding| finding.segment).collect::<Vec<_>>(), [3]);
    assert_eq!((pass(&mut scrubber), scrubber.counts().findings), (vec![], 1));
    push_frames(&mut journal.writer, 100);
    journal.writer.close().unwrap();
}

#[test]
fn a_missing_segment_and_one_with_a_bad_page_are_found() {
    let dir = scratch();
    closed(config(dir.path()), 3_000);
    let mut scrubber = Scrubber::new(dir.path());
    assert_eq!(pass(&mut scrubber), []);
    std::fs::remove_file(segment_path(dir.path(), 4)).unwrap();
    flip(&segment_path(dir.path(), 7), 8_192 + 40);
    let found = pass(&mut scrubber);
    assert_eq!(found.iter().map(|finding| finding.segment).collect::<Vec<_>>(), [4, 7], "{found:?}");
    assert_eq!(found[0].reason, "the segment is missing");
}

#[test]
fn compressed_segments_are_read_too() {
    let dir = scratch();
    closed(config(dir.path()), 3_000);
    compress(dir.path(), 3, &mut |_| {}).unwrap();
    let mut scrubber = Scrubber::new(dir.path());
    assert_eq!(pass(&mut scrubber), []);
    flip(&dir.path().join("000000000002.seg.zst"), 9_000);
    let found = pass(&mut scrubber);
    assert_eq!(found.iter().map(|finding| finding.segment).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_journal_without_sealed_segments_has_nothing_to_read() {
    let dir = scratch();
    closed(config(dir.path()), 3);
    let mut scrubber = Scrubber::new(dir.path());
    assert_eq!(scrubber.step(1_000).unwrap(), ScrubStep::PassDone);
    assert_eq!(scrubber.counts().passes, 0);
}

#[test]
fn segments_that_are_let_go_in_the_middle_of_a_pass_are_no_damage() {
    let dir = scratch();
    closed(config(dir.path()), 5_000);
    let mut scrubber = Scrubber::new(dir.path());
    assert!(matches!(scrubber.step(1_000), Ok(ScrubStep::Read(_))));
    let found = inspect(dir.path()).unwrap();
    let first = found.segments.iter().find(|segment| segment.number == 6).unwrap();
    FirstKept { journal: found.journal, segment: 6, sequence: first.first_sequence }
        .write(dir.path())
        .unwrap();
    (1..6).for_each(|number| std::fs::remove_file(segment_path(dir.path(), number)).unwrap());
    assert_eq!(pass(&mut scrubber), [], "what was let go is missing in the chain");
    assert_eq!(pass(&mut scrubber), []);
}
