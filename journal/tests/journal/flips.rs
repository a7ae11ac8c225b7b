//! One flipped bit anywhere in a small closed journal is reported or harmless.
//!
//! Tried are all bits of every byte in a line of 16 that holds anything but zeros, and one bit in each line of zeros.
//! `TICKWERK_LONG=1` takes a journal of 32 KiB of frames, tries every bit of its pages and frames and of the files beside
//! it, and lets recovery look at each, not at every seventh: minutes in release.

use crate::support::*;
use std::path::{Path, PathBuf};
use tickwerk_journal::{Closed, RecoverError, recover};

const LINE: usize = 16;
/// Bytes of frames that a long run fills and tries whole.
const LONG_FRAMES_SIZE: usize = 32 * 1024;
const FRAMES_OFFSET: usize = 16 * 1024;

fn is_long() -> bool {
    std::env::var_os("TICKWERK_LONG").is_some_and(|value| value != "0")
}

fn small(dir: &Path) -> (Vec<Vec<tickwerk_domain::Record>>, Closed) {
    let mut journal = open(config(dir));
    let first = frame(1, 1);
    journal.writer.push_with_opaque(&first[0], b"opaque bytes").unwrap();
    push(&mut journal.writer, &first[1..]);
    let mut frames = vec![first];
    frames.extend(push_frames(&mut journal.writer, 4));
    while is_long() && journal.watermarks().written_bytes() < LONG_FRAMES_SIZE as u64 {
        frames.extend(push_frames(&mut journal.writer, 4));
    }
    journal.wait_until_prepared().unwrap();
    (frames, journal.writer.close().unwrap())
}

/// Every flip to try: file, byte, bit.
fn flips(dir: &Path) -> Vec<(PathBuf, usize, u8)> {
    let mut flips = Vec::new();
    for (path, content) in files(dir) {
        for (index, line) in content.chunks(LINE).enumerate() {
            let start = index * LINE;
            let is_whole = is_long() && !is_spare(&path) && start < FRAMES_OFFSET + LONG_FRAMES_SIZE;
            if !is_whole && line.iter().all(|byte| *byte == 0) {
                flips.push((path.clone(), start + index % line.len(), u8::try_from(index % 8).unwrap()));
            } else {
                flips.extend(
                    (0..line.len() * 8)
                        .map(|bit| (path.clone(), start + bit / 8, u8::try_from(bit % 8).unwrap())),
                );
            }
        }
    }
    flips
}

/// Whether it is a segment that holds nothing yet.
fn is_spare(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "seg") && !path.ends_with("000000000001.seg")
}

#[test]
fn verify_reports_every_flip_or_gives_the_same_records_and_head() {
    let dir = scratch();
    let (frames, closed) = small(dir.path());
    let mut reported = 0;
    let all = flips(dir.path());
    for (path, byte, bit) in &all {
        let flip = || patch_byte(path, *byte, 1 << bit);
        flip();
        let (report, seen) = verified(dir.path());
        if report.first_difference.is_some() {
            reported += 1;
        } else {
            assert_eq!(seen, frames, "{path:?} byte {byte} bit {bit}");
            assert_eq!(Some(report.chain_head), closed.chain_head, "{path:?} byte {byte} bit {bit}");
            let watermarks = path.ends_with("WATERMARKS");
            let told = report.tail.is_some() || !report.notes.is_empty();
            assert!(told || watermarks, "{path:?} byte {byte} bit {bit} is not told");
        }
        flip();
    }
    println!("{reported} of {} flips reported, the others harmless", all.len());
    assert!(reported > 1_000 && all.len() > 10_000, "{reported} of {}", all.len());
}

#[test]
fn recovery_refuses_or_keeps_everything_at_every_flip() {
    let dir = scratch();
    let (frames, closed) = small(dir.path());
    let (mut refused, mut kept) = (0, 0);
    for (path, byte, bit) in flips(dir.path()).into_iter().step_by(if is_long() { 1 } else { 7 }) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        patch_byte(&copy.path().join(path.file_name().unwrap()), byte, 1 << bit);
        match recover(config(copy.path())) {
            Ok(recovered) => {
                assert_eq!(records_of(&read_all(&recovered)), frames, "{path:?} byte {byte} bit {bit}");
                assert_eq!(recovered.chain_head(), closed.chain_head);
                kept += 1;
            }
            Err(error) => {
                assert!(matches!(error, RecoverError::Damaged { .. }), "{error}");
                refused += 1;
            }
        }
    }
    println!("{refused} flips refused, {kept} harmless");
}

fn patch_byte(path: &Path, byte: usize, mask: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut value = [0];
    file.read_exact_at(&mut value, byte as u64).unwrap();
    file.write_all_at(&[value[0] ^ mask], byte as u64).unwrap();
}
