//! Compressed segments: everybody reads the same as before, and damage to them is found.

use crate::support::*;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;
use tickwerk_journal::{
    CompressedSegment, Follow, Reader, RecoverError, Tail, compress, compress_next, inspect, recover,
};

fn compressed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.seg.zst"))
}

fn compress_all(dir: &Path) -> Vec<CompressedSegment> {
    let mut done = Vec::new();
    compress(dir, 3, &mut |segment| done.push(*segment)).unwrap();
    done
}

#[test]
fn readers_verification_and_recovery_do_not_notice() {
    let dir = scratch();
    closed(config(dir.path()), 1_500);
    let before = verified(dir.path());
    let used = inspect(dir.path()).unwrap().segments.iter().filter(|segment| segment.frames > 0).count();
    let done = compress_all(dir.path());
    assert_eq!(done.len(), used - 1, "all but the last");
    assert!(done.iter().all(|segment| segment.compressed_bytes < segment.plain_bytes / 3), "{done:?}");
    assert!(!segment_path(dir.path(), 1).exists() && compressed_path(dir.path(), 1).exists());
    assert_eq!(verified(dir.path()), before);
    assert_eq!(compress_all(dir.path()), [], "nothing is left to do");

    let middle = Sequence(before.0.last_sequence.0 / 2);
    let mut reader = Reader::open(dir.path(), middle).unwrap();
    let first = reader.next().unwrap().unwrap().header;
    assert!(first.first_sequence <= middle && middle <= first.last_sequence());

    let mut journal = open(config(dir.path()));
    let frames = push_frames(&mut journal.writer, 100);
    journal.writer.close().unwrap();
    let (report, records) = verified(dir.path());
    assert_eq!(report.first_difference, None);
    assert_eq!(records, [before.1, frames].concat());
}

#[test]
fn segments_are_compressed_beside_a_writer_and_a_tail() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let mut tail = Tail::new(dir.path(), Sequence::FIRST, journal.watermarks()).unwrap();
    let marks = journal.watermarks();
    let (mut written, mut done) = (Vec::new(), 0);
    for _ in 0..8 {
        written.extend(push_frames(&mut journal.writer, 250));
        wait_until("all is durable", || marks.durable_through() == marks.written_through());
        done += usize::from(compress_next(dir.path(), 3).unwrap().is_some());
    }
    assert!(done > 2, "{done}");
    let mut read = Vec::new();
    while let Some(frame) = tail.next(Follow::Durable).unwrap() {
        read.push(frame.records.to_vec());
    }
    assert_eq!(read, written);
    journal.writer.close().unwrap();
}

#[test]
fn a_compression_that_was_cut_short_is_done_again() {
    let dir = scratch();
    closed(config(dir.path()), 700);
    let before = verified(dir.path());
    let plain = std::fs::read(segment_path(dir.path(), 1)).unwrap();
    std::fs::write(compressed_path(dir.path(), 1).with_extension("zst.tmp"), b"half").unwrap();
    compress_all(dir.path());
    // Died between the rename and the removal: both are there, and the plain one counts.
    std::fs::write(segment_path(dir.path(), 1), &plain).unwrap();
    assert_eq!(verified(dir.path()), before);
    assert_eq!(compress_all(dir.path()).len(), 1);
    assert_eq!(verified(dir.path()), before);
}

#[test]
fn a_damaged_segment_is_not_compressed() {
    let dir = scratch();
    closed(config(dir.path()), 700);
    patch(&segment_path(dir.path(), 1), |bytes| bytes[20_000] ^= 1);
    let error = compress_next(dir.path(), 3).unwrap_err();
    assert!(error.to_string().contains("damage at segment 1"), "{error}");
    assert!(segment_path(dir.path(), 1).exists() && !compressed_path(dir.path(), 1).exists());
}

#[test]
fn every_flip_in_a_compressed_segment_is_found_or_harmless() {
    let dir = scratch();
    closed(config(dir.path()), 700);
    compress_all(dir.path());
    let (report, records) = verified(dir.path());
    let path = compressed_path(dir.path(), 1);
    let length = std::fs::read(&path).unwrap().len();
    let step = if std::env::var_os("TICKWERK_LONG").is_some() { 1 } else { 61 };
    let mut found = 0;
    for bit in (0..length * 8).step_by(step) {
        let flip = |bytes: &mut Vec<u8>| bytes[bit / 8] ^= 1 << (bit % 8);
        patch(&path, flip);
        let (again, seen) = verified(dir.path());
        if again.first_difference.is_some() {
            found += 1;
        } else {
            assert_eq!((again.chain_head, &seen), (report.chain_head, &records), "bit {bit} is not told");
        }
        patch(&path, flip);
    }
    assert!(found * 10 > length * 8 / step * 9, "{found}");
}

#[test]
fn a_compressed_segment_knows_that_something_followed() {
    let dir = scratch();
    closed(config(dir.path()), 700);
    compress_all(dir.path());
    let last =
        inspect(dir.path()).unwrap().segments.iter().filter(|segment| segment.frames > 0).count() as u64;
    for path in files(dir.path()).into_iter().map(|(path, _)| path) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_behind = name.ends_with(".seg") && name[..12].parse::<u64>().unwrap() >= last;
        if is_behind || ["durable", "HEADS", "WATERMARKS"].contains(&name) {
            std::fs::remove_file(&path).unwrap();
        }
    }
    let error = recover(config(dir.path())).unwrap_err();
    assert!(matches!(error, RecoverError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("was compressed when"), "{error}");
}
