//! Readers beside a writer.

use crate::support::*;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tickwerk_domain::{Record, Sequence};
use tickwerk_journal::{Follow, Reader, Rotation, Tail, WatermarkState, backup, inspect};

const FRAMES: usize = 4_000;

#[test]
fn tails_follow_a_writer_over_segments_and_never_see_its_edge() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let marks = journal.watermarks();
    let inside = Tail::new(dir.path(), Sequence::FIRST, marks).unwrap();
    let outside = Tail::open(dir.path(), Sequence::FIRST).unwrap();
    let followers = [(inside, Follow::Written), (outside, Follow::Durable)].map(|(mut tail, follow)| {
        std::thread::spawn(move || {
            let start = Instant::now();
            let mut seen: Vec<Vec<Record>> = Vec::new();
            while seen.len() < FRAMES {
                match tail.next(follow).unwrap() {
                    Some(frame) => seen.push(frame.records.to_vec()),
                    None => std::thread::yield_now(),
                }
                assert!(start.elapsed() < Duration::from_mins(1), "waited too long for a frame");
            }
            seen
        })
    });
    let frames = push_frames(&mut journal.writer, FRAMES);
    journal.writer.idle().unwrap();
    for follower in followers {
        assert!(follower.join().unwrap() == frames, "a follower saw other frames than were written");
    }
    journal.writer.close().unwrap();
}

#[test]
fn a_live_journal_can_be_verified_inspected_and_read_while_it_is_written() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let mut written = 0;
    for _ in 0..20 {
        written += push_frames(&mut journal.writer, 100).len();
        let report = verified(dir.path()).0;
        assert_eq!((report.frames, report.tail, report.first_difference), (written as u64, None, None));
        let inspection = inspect(dir.path()).unwrap();
        assert!(inspection.live && !inspection.clean && inspection.damage.is_none());
        assert_eq!(inspection.written_through, journal.watermarks().written_through());
        let mut reader = Reader::open(dir.path(), inspection.written_through).unwrap();
        assert!(reader.next().unwrap().is_some() && reader.next().unwrap().is_none());
    }
    let state = |dir| inspect(dir).unwrap().watermarks.unwrap().state;
    assert_eq!(state(dir.path()), WatermarkState::Open);
    journal.writer.close().unwrap();
    assert_eq!(state(dir.path()), WatermarkState::Closed);
}

#[test]
fn half_a_frame_is_invisible_and_gone_after_a_crash() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    push_frames(&mut journal.writer, 3);
    let next = frame(journal.writer.next_sequence().0, 3);
    assert_eq!(journal.writer.push(&next[0]), Ok(None));
    assert_eq!(verified(dir.path()).0.frames, 3);
    drop(journal);
    let recovered = tickwerk_journal::recover(config(dir.path())).unwrap();
    assert_eq!(recovered.next_sequence(), next[0].envelope.sequence);
    assert!(recovered.torn().is_some());
}

#[test]
fn nothing_is_said_of_a_journal_while_a_start_recovers_it() {
    let dir = scratch();
    closed(config(dir.path()), 100);
    let lock = std::fs::File::open(dir.path().join("LOCK")).unwrap();
    lock.lock().unwrap();
    std::fs::remove_file(dir.path().join("WATERMARKS")).unwrap();
    let error = tickwerk_journal::verify(dir.path(), &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("cannot read the watermarks"), "{error}");
    let why = std::error::Error::source(&error).map(ToString::to_string);
    assert!(format!("{error} {why:?}").contains("still recovering"), "{error}: {why:?}");
    drop(tickwerk_journal::diagnose(dir.path()).unwrap_err());
    let copies = scratch();
    let error = backup(dir.path(), &copies.path().join("copies"), Rotation::default()).unwrap_err();
    assert!(format!("{error:?}").contains("still recovering"), "{error}");
    drop(lock);
    assert_eq!(verified(dir.path()).0.frames, 100);
}
