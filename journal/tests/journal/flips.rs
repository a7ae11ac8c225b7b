//! One flipped bit anywhere in a small closed journal is reported or harmless.
//!
//! Tried are all bits of every byte in a line of 16 that holds anything but zeros, and one bit in each line of zeros.

use crate::support::*;
use std::path::{Path, PathBuf};
use tickwerk_journal::{Closed, RecoverError, recover};

const LINE: usize = 16;

fn small(dir: &Path) -> (Vec<Vec<tickwerk_domain::Record>>, Closed) {
    let mut journal = open(config(dir));
    let first = frame(1, 1);
    journal.writer.push_with_opaque(&first[0], b"opaque bytes").unwrap();
    push(&mut journal.writer, &first[1..]);
    let mut frames = vec![first];
    frames.extend(push_frames(&mut journal.writer, 4));
    journal.wait_until_prepared().unwrap();
    (frames, journal.writer.close().unwrap())
}

/// Every flip to try: file, byte, bit.
fn flips(dir: &Path) -> Vec<(PathBuf, usize, u8)> {
    let mut flips = Vec::new();
    for (path, content) in files(dir) {
        for (index, line) in content.chunks(LINE).enumerate() {
            let start = index * LINE;
            if line.iter().all(|byte| *byte == 0) {
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
    assert!(reported > 1_000 && all.len() > 10_000, "{reported} of {}", all.len());
}

#[test]
fn recovery_refuses_or_keeps_everything_at_every_flip() {
    let dir = scratch();
    let (frames, closed) = small(dir.path());
    for (path, byte, bit) in flips(dir.path()).into_iter().step_by(7) {
        let copy = scratch();
        copy_dir(dir.path(), copy.path());
        patch_byte(&copy.path().join(path.file_name().unwrap()), byte, 1 << bit);
        match recover(config(copy.path())) {
            Ok(recovered) => {
                assert_eq!(records_of(&read_all(&recovered)), frames, "{path:?} byte {byte} bit {bit}");
                assert_eq!(recovered.chain_head(), closed.chain_head);
            }
            Err(error) => assert!(matches!(error, RecoverError::Damaged { .. }), "{error}"),
        }
    }
}

fn patch_byte(path: &Path, byte: usize, mask: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut value = [0];
    file.read_exact_at(&mut value, byte as u64).unwrap();
    file.write_all_at(&[value[0] ^ mask], byte as u64).unwrap();
}
