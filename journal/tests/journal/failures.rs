//! Errors of the system and of the configuration, as far as they can be provoked anywhere.

use crate::support::*;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tickwerk_domain::Sequence;
use tickwerk_journal::{
    AppendError, Depth, JournalConfig, OnFailure, ReadError, Reader, RecoverError, recover, verify,
    verify_bytes,
};

#[test]
fn a_directory_that_is_a_file_is_a_clear_error() {
    let dir = scratch();
    let path = dir.path().join("file");
    std::fs::write(&path, b"").unwrap();
    let error = recover(config(&path)).unwrap_err();
    assert!(matches!(error, RecoverError::File(_)), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_field() {
    let dir = scratch();
    let sizes = [0, 4096, 65_537, u64::MAX];
    let configs = sizes.map(|segment_size| JournalConfig { segment_size, ..config(dir.path()) });
    let none = JournalConfig { spare_segments: 0, ..config(dir.path()) };
    for config in configs.into_iter().chain([none]) {
        let error = recover(config).unwrap_err();
        assert!(matches!(error, RecoverError::Config { .. }), "{error}");
    }
}

#[test]
fn a_segment_that_cannot_be_made_stops_the_journal_and_is_told_once() {
    let dir = scratch();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let on_failure = OnFailure(Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    }));
    let recovered = recover(JournalConfig { on_failure: Some(on_failure), ..config(dir.path()) }).unwrap();
    // The name that the preparing thread wants is taken: its exclusive create fails.
    std::fs::create_dir(dir.path().join("000000000002.seg.tmp")).unwrap();
    let mut journal = recovered.open().unwrap();
    let marks = journal.watermarks();
    wait_until("the failure is published", || marks.failure().is_some());
    let record = &frame(1, 0)[0];
    assert!(matches!(journal.writer.push(record), Err(AppendError::Failed(_))));
    assert_eq!(journal.writer.push(record), Err(AppendError::Poisoned));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(marks.failure().unwrap().reason.contains("000000000002.seg.tmp"));
}

#[test]
fn a_directory_without_a_journal_is_named() {
    let dir = scratch();
    let error = Reader::open(dir.path(), Sequence::FIRST).unwrap_err();
    assert!(matches!(error, ReadError::NoJournal { .. }), "{error}");
    assert!(verify(dir.path(), &mut |_| ControlFlow::Continue(())).is_err());
}

#[test]
fn closing_inside_a_frame_is_an_error() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    assert_eq!(journal.writer.push(&frame(1, 1)[0]), Ok(None));
    assert!(matches!(journal.writer.close(), Err(AppendError::Unfinished { .. })));
}

#[test]
fn a_record_of_an_unknown_type_under_a_right_checksum_is_found_where_payloads_are_looked_at() {
    let dir = scratch();
    let mut journal = open(config(dir.path()));
    let frames = [frame(1, 1), frame(3, 2), frame(6, 0)];
    for records in &frames {
        push(&mut journal.writer, records);
    }
    journal.writer.close().unwrap();
    let second = 16 * 1024 + place_of(dir.path(), Sequence(3));
    patch(&segment_path(dir.path(), 1), |content| {
        let length = u32::from_le_bytes(content[second..second + 4].try_into().unwrap()) as usize;
        content[second + 64 + 2..second + 64 + 4].copy_from_slice(&0x0177_u16.to_le_bytes());
        let before = [1_u64.to_le_bytes(), (length as u64).to_le_bytes()].concat();
        let crc = crc32c::crc32c_append(crc32c::crc32c(&before), &content[second + 8..second + length]);
        content[second + 4..second + 8].copy_from_slice(&crc.to_le_bytes());
    });
    let (report, seen) = verified(dir.path());
    let found = report.first_difference.unwrap();
    assert_eq!((found.sequence, found.offset), (Sequence(3), second as u64));
    assert!(found.reason.contains("0x0177"), "{}", found.reason);
    assert_eq!(seen.len(), 1);
    let chain = verify_bytes(dir.path(), Depth::Chain, &mut |_, _| ControlFlow::Continue(())).unwrap();
    let found = chain.first_difference.unwrap();
    assert!(found.reason.starts_with("the chain differs"), "whose head is kept elsewhere: {}", found.reason);
}

/// Bytes from the first frame to the one that starts at `sequence`.
fn place_of(dir: &Path, sequence: Sequence) -> usize {
    let mut bytes = 0;
    let mut reader = Reader::open(dir, Sequence::FIRST).unwrap();
    while let Some(frame) = reader.next().unwrap() {
        if frame.header.first_sequence == sequence {
            return bytes;
        }
        bytes += frame.bytes.len();
    }
    panic!("no frame starts at {sequence}");
}
