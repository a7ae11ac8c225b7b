//! What a stop of any kind leaves: torn tails are cut, damage is refused, the lock holds.

use crate::support::*;
use std::ops::ControlFlow;
use tickwerk_domain::Sequence;
use tickwerk_journal::{
    FirstKept, Frame, Reader, RecoverError, VerifyError, Witness, diagnose, inspect, recover, verify,
};

/// A journal that was killed: ten frames, of which none is known to be durable. The frames as they lie.
fn killed(dir: &std::path::Path) -> Vec<Frame> {
    let mut journal = open(lazy(dir));
    push_frames(&mut journal.writer, 10);
    drop(journal);
    let mut reader = tickwerk_journal::Reader::open(dir, Sequence::FIRST).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        frames.push(frame.to_frame());
    }
    assert_eq!(frames.len(), 10);
    frames
}

fn offset(frame: &Frame) -> usize {
    usize::try_from(frame.place.offset).unwrap()
}

#[test]
fn frames_of_a_killed_process_are_kept_and_count_as_durable() {
    let dir = scratch();
    let frames = killed(dir.path());
    let recovered = recover(lazy(dir.path())).unwrap();
    assert_eq!(recovered.torn(), None);
    assert_eq!(read_all(&recovered), frames);
    drop(recovered);
    assert_eq!(inspect(dir.path()).unwrap().durable_through, frames[9].header.last_sequence());
}

#[test]
fn a_truncated_last_frame_is_cut_and_a_copy_is_kept() {
    let dir = scratch();
    let frames = killed(dir.path());
    let start = offset(&frames[9]);
    let path = segment_path(dir.path(), 1);
    patch(&path, |content| content[start + 80..].fill(0));
    let torn = std::fs::read(&path).unwrap()[start..start + 80].to_vec();
    let report = verified(dir.path()).0;
    assert_eq!((report.frames, report.first_difference), (9, None));
    assert_eq!(
        report.tail.as_ref().map(|tail| (tail.segment, tail.offset)),
        Some((1, frames[9].place.offset))
    );

    let recovered = recover(lazy(dir.path())).unwrap();
    assert_eq!(read_all(&recovered), frames[..9]);
    let tail = recovered.torn().unwrap().clone();
    let copy = std::fs::read(&tail.copies[0]).unwrap();
    assert!(torn.starts_with(&copy) && torn[copy.len()..].iter().all(|byte| *byte == 0));
    assert!(tail.copies[0].extension().is_some_and(|extension| extension == "torn"));
    let mut journal = recovered.open().unwrap();
    push_frames(&mut journal.writer, 2);
    journal.writer.close().unwrap();
    let report = verified(dir.path()).0;
    assert_eq!((report.frames, report.tail, report.first_difference), (11, None, None));
}

#[test]
fn a_flip_in_what_was_never_synced_is_a_torn_tail() {
    let dir = scratch();
    let frames = killed(dir.path());
    patch(&segment_path(dir.path(), 1), |content| content[offset(&frames[4]) + 70] ^= 4);
    let recovered = recover(lazy(dir.path())).unwrap();
    assert_eq!(read_all(&recovered), frames[..4]);
    assert_eq!(recovered.torn().map(|torn| torn.offset), Some(frames[4].place.offset));
}

#[test]
fn a_torn_window_may_span_segments() {
    let dir = scratch();
    let mut journal = open(lazy(dir.path()));
    let frames = push_frames(&mut journal.writer, 1_000);
    drop(journal);
    patch(&segment_path(dir.path(), 2), |content| content[16_384 + 70] ^= 1);
    let recovered = recover(lazy(dir.path())).unwrap();
    let kept = read_all(&recovered).len();
    assert!((100..900).contains(&kept), "{kept}");
    assert!(recovered.torn().unwrap().copies.len() > 1);
    assert_eq!(recovered.torn().unwrap().segment, 2);
    let mut journal = recovered.open().unwrap();
    assert_eq!(journal.writer.next_sequence(), frames[kept][0].envelope.sequence);
    push_frames(&mut journal.writer, 1_000);
    journal.writer.close().unwrap();
    let report = verified(dir.path()).0;
    assert_eq!((report.frames, report.first_difference), (kept as u64 + 1_000, None));
}

fn refused(dir: &std::path::Path) -> (u64, u64, Sequence, Option<Witness>) {
    let before = files(dir);
    let error = recover(config(dir)).unwrap_err();
    let RecoverError::Damaged { segment, offset, sequence, witness, .. } = error else {
        panic!("{error}");
    };
    let segments = |files: Vec<(std::path::PathBuf, Vec<u8>)>| {
        files.into_iter().filter(|(path, _)| !path.ends_with("WATERMARKS")).collect::<Vec<_>>()
    };
    assert_eq!(segments(files(dir)), segments(before), "a refusal changes nothing");
    let report = verified(dir).0.first_difference.unwrap();
    assert_eq!((report.segment, report.offset, report.sequence), (segment, offset, sequence));
    (segment, offset, sequence, witness)
}

#[test]
fn damage_to_what_the_durable_file_knows_is_refused() {
    let dir = scratch();
    closed(config(dir.path()), 1_000);
    let path = segment_path(dir.path(), 1);
    patch(&path, |content| content[16_384 + 70] ^= 1);
    let (segment, offset, sequence, witness) = refused(dir.path());
    assert_eq!((segment, offset, sequence), (1, 16_384, Sequence(1)));
    assert!(matches!(witness, Some(Witness::DurableFile { .. })), "{witness:?}");
}

#[test]
fn damage_to_what_a_later_frame_knows_is_refused() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let marks = journal.watermarks();
    push_frames(&mut journal.writer, 5);
    journal.writer.idle().unwrap();
    wait_until("it is durable", || marks.durable_through() == marks.written_through());
    push_frames(&mut journal.writer, 1);
    drop(journal);
    std::fs::remove_file(dir.path().join("durable")).unwrap();
    patch(&segment_path(dir.path(), 1), |content| content[16_384 + 70] ^= 1);
    let (_, _, sequence, witness) = refused(dir.path());
    assert_eq!(sequence, Sequence(1));
    assert!(matches!(witness, Some(Witness::LaterFrame { .. })), "{witness:?}");
}

#[test]
fn lost_durable_frames_and_segments_are_refused() {
    let dir = scratch();
    closed(config(dir.path()), 1_000);
    let lose = |change: &dyn Fn(&std::path::Path)| {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        change(copy.path());
        refused(copy.path()).2
    };
    assert_eq!(lose(&|dir| std::fs::remove_file(segment_path(dir, 1)).unwrap()), Sequence(1));
    assert!(lose(&|dir| std::fs::remove_file(segment_path(dir, 2)).unwrap()) > Sequence(1));
    assert!(lose(&|dir| patch(&segment_path(dir, 3), |content| content[8192..].fill(0))) > Sequence(1));
    assert!(lose(&|dir| patch(&segment_path(dir, 3), |content| content.truncate(8192))) > Sequence(1));
}

#[test]
fn the_last_synced_batch_is_known_by_the_seal_behind_it() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let frames = push_frames(&mut journal.writer, 3);
    let marks = journal.watermarks();
    let before = marks.written_bytes();
    wait_until("a seal is written", || {
        journal.writer.idle().unwrap();
        marks.written_bytes() == before + 64
    });
    drop(journal);
    std::fs::remove_file(dir.path().join("durable")).unwrap();
    let last = frames.last().unwrap()[0].envelope.sequence;
    let mut reader = tickwerk_journal::Reader::open(dir.path(), last).unwrap();
    let place = usize::try_from(reader.next().unwrap().unwrap().place.offset).unwrap();
    patch(&segment_path(dir.path(), 1), |content| content[place + 70] ^= 1);
    assert_eq!(refused(dir.path()).2, last);
}

#[test]
fn a_head_that_differs_is_refused_and_a_bad_entry_is_rebuilt() {
    let dir = scratch();
    closed(config(dir.path()), 3_400);
    let path = dir.path().join("HEADS");
    let good = std::fs::read(&path).unwrap();
    assert!(good.len() >= 96, "two blocks");
    let journal = inspect(dir.path()).unwrap().journal;
    patch(&path, |content| {
        content[48 + 16] ^= 1;
        content[56..60].fill(0);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&journal.0), &content[48..96]);
        content[56..60].copy_from_slice(&crc.to_le_bytes());
    });
    let (_, _, sequence, witness) = refused(dir.path());
    assert_eq!((sequence, witness), (Sequence(4097), None));

    patch(&path, |content| content[48 + 20] ^= 1);
    let recovered = recover(config(dir.path())).unwrap();
    assert_eq!(recovered.notes().len(), 1);
    assert_eq!(std::fs::read(&path).unwrap(), good);
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = scratch();
    let journal = open(config(dir.path()));
    let error = recover(config(dir.path())).unwrap_err();
    assert!(matches!(error, RecoverError::Locked { .. }), "{error}");
    journal.writer.close().unwrap();
    assert!(recover(config(dir.path())).is_ok());
}

#[test]
fn what_was_being_made_when_the_process_died_is_removed() {
    let dir = scratch();
    closed(config(dir.path()), 10);
    let temporary = dir.path().join("000000000009.seg.tmp");
    std::fs::write(&temporary, b"half").unwrap();
    assert!(recover(config(dir.path())).is_ok());
    assert!(!temporary.exists());
}

#[test]
fn a_file_that_was_cut_short_loses_what_was_cut_off_and_nothing_else() {
    let original = scratch();
    let frames = killed(original.path());
    let all = records_of(&frames);
    for length in (offset(&frames[7])..offset(&frames[9]) + 400).step_by(13) {
        let dir = scratch();
        copy_dir(original.path(), dir.path());
        patch(&segment_path(dir.path(), 1), |bytes| bytes.truncate(length));
        let recovered = recover(lazy(dir.path())).unwrap();
        let kept = records_of(&read_all(&recovered));
        let whole = frames[1..].iter().filter(|next| offset(next) <= length).count();
        assert!(kept.len() >= whole && all.starts_with(&kept), "{length}: {} frames are kept", kept.len());
        // It has its size again, and goes on.
        let mut journal = recovered.open().unwrap();
        let next = journal.writer.next_sequence();
        push(&mut journal.writer, &frame(next.0, 1));
        journal.writer.close().unwrap();
        let (report, _) = verified(dir.path());
        assert!(report.first_difference.is_none() && report.notes.is_empty(), "{length}: {report:?}");
    }
}

#[test]
fn a_journal_whose_segments_are_gone_is_not_begun_anew_while_anything_remembers_it() {
    let dir = scratch();
    let (frames, closed) = closed(config(dir.path()), 3_000);
    let last = frames.last().and_then(|frame| frame.last()).unwrap().envelope.sequence;
    let head = std::fs::metadata(dir.path().join("HEADS")).unwrap().len() / 48 * 4096;
    let first = FirstKept { journal: recovered_id(dir.path()), segment: 1, sequence: Sequence::FIRST };
    for (path, _) in files(dir.path()).iter().filter(|(path, _)| path.extension().is_some()) {
        std::fs::remove_file(path).unwrap();
    }
    assert!(head > 0 && closed.last_sequence == last);
    let witness = || match recover(config(dir.path())) {
        Err(RecoverError::Damaged { reason: "all segments are missing", witness, .. }) => witness,
        other => panic!("{other:?}"),
    };
    assert_eq!(witness(), Some(Witness::DurableFile { durable_through: last }));
    assert!(inspect(dir.path()).unwrap().damage.is_some());
    std::fs::remove_file(dir.path().join("durable")).unwrap();
    assert_eq!(witness(), Some(Witness::Heads { through: Sequence(head) }));
    assert!(!diagnose(dir.path()).unwrap().is_healthy());
    std::fs::remove_file(dir.path().join("HEADS")).unwrap();
    first.write(dir.path()).unwrap();
    assert_eq!(witness(), None, "it was let go up to somewhere");
    let difference = verified(dir.path()).0.first_difference.unwrap();
    assert_eq!(difference.reason, "all segments are missing");
    std::fs::remove_file(dir.path().join("FIRST")).unwrap();
    let nothing = verify(dir.path(), &mut |_| ControlFlow::Continue(()));
    assert!(matches!(nothing, Err(VerifyError::NoJournal { .. })), "nothing remembers it");
    assert_eq!(recover(config(dir.path())).unwrap().next_sequence(), Sequence::FIRST);
}

fn recovered_id(dir: &std::path::Path) -> tickwerk_journal::JournalId {
    inspect(dir).unwrap().journal
}

#[test]
fn a_first_segment_that_cannot_be_read_is_named_by_every_reader() {
    let dir = scratch();
    closed(config(dir.path()), 1_000);
    let flip = |content: &mut Vec<u8>| [100, 4_196].into_iter().for_each(|at| content[at] ^= 1);
    patch(&segment_path(dir.path(), 1), flip);
    let error = Reader::open(dir.path(), Sequence::NONE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "damage at segment 1 offset 0, where sequence 1 should be: checksum of the page differs"
    );
    // What is behind it can be read.
    assert!(Reader::open(dir.path(), Sequence(2_000)).unwrap().next().unwrap().is_some());
}

/// Gives a segment the header pages of a newer format.
fn make_newer(path: &std::path::Path) {
    patch(path, |content| {
        for page in [0, 4_096] {
            let page = &mut content[page..page + 4_096];
            page[8..12].copy_from_slice(&3_u32.to_le_bytes());
            let crc = crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..]);
            page[12..16].copy_from_slice(&crc.to_le_bytes());
        }
    });
}

#[test]
fn a_last_segment_of_a_newer_format_is_no_torn_tail() {
    let dir = scratch();
    closed(config(dir.path()), 1_000);
    let segments = inspect(dir.path()).unwrap().segments;
    let last = segments.iter().rfind(|segment| segment.frames > 0).unwrap().number;
    assert!(last > 1);
    make_newer(&dir.path().join(format!("{last:012}.seg")));
    // Nobody else knows what is in it.
    for witness in ["durable", "HEADS"] {
        std::fs::remove_file(dir.path().join(witness)).unwrap();
    }
    let before = files(dir.path());
    let told = recover(config(dir.path())).unwrap_err().to_string();
    assert!(told.contains("does not know") && told.ends_with("use a build that knows it"), "{told}");
    let segments = |files: &[(std::path::PathBuf, Vec<u8>)]| {
        let is_segment = |(path, _): &&(std::path::PathBuf, _)| path.extension().is_some();
        files.iter().filter(is_segment).cloned().collect::<Vec<_>>()
    };
    assert!(segments(&before) == segments(&files(dir.path())), "nothing was changed");
}

#[test]
fn a_journal_of_a_newer_format_is_refused_and_nobody_is_told_to_repair_it() {
    let dir = scratch();
    closed(config(dir.path()), 100);
    for (path, _) in files(dir.path()).iter().filter(|(path, _)| path.extension().is_some()) {
        make_newer(path);
    }
    let told = recover(config(dir.path())).unwrap_err().to_string();
    assert!(told.contains("does not know") && told.ends_with("use a build that knows it"), "{told}");
    let told = tickwerk_journal::diagnose(dir.path()).unwrap_err().to_string();
    assert!(told.contains("that is no damage"), "{told}");
}
