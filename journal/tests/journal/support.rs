//! Journals in scratch directories, frames made of samples, and waits that end.

use crate::samples;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tickwerk_domain::{CorrelationId, Envelope, Payload, Record, Sequence, SourceId, TextId, TimeNs};
use tickwerk_journal::{
    Closed, Depth, Frame, Journal, JournalConfig, Recovered, SyncPolicy, VerifyReport, Writer, diagnose,
    recover, repair_from, verify, verify_bytes,
};

/// Smallest segments, so that a few frames fill several.
pub(crate) const SEGMENT_SIZE: u64 = 64 * 1024;

/// A directory that goes when the test ends; in memory where that can be had, as most tests sync often.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() }
}

pub(crate) fn config(dir: &Path) -> JournalConfig {
    JournalConfig { segment_size: SEGMENT_SIZE, spare_segments: 1, ..JournalConfig::new(dir) }
}

/// As [`config`], but nothing is synced unless asked.
pub(crate) fn lazy(dir: &Path) -> JournalConfig {
    JournalConfig { sync: SyncPolicy::Every(Duration::from_hours(1)), ..config(dir) }
}

pub(crate) fn open(config: JournalConfig) -> Journal {
    recover(config).unwrap().open().unwrap()
}

/// The frame that starts at `first`: a command and `events` events, taken from the samples in turn.
pub(crate) fn frame(first: u64, events: usize) -> Vec<Record> {
    let (command_samples, event_samples) = (samples::commands(), samples::events());
    let number = usize::try_from(first).unwrap();
    let command = Payload::Command(command_samples[number % command_samples.len()]);
    let events = (0..events).map(|n| Payload::Event(event_samples[(number + n) % event_samples.len()]));
    records(first, std::iter::once(command).chain(events))
}

pub(crate) fn records(first: u64, payloads: impl IntoIterator<Item = Payload>) -> Vec<Record> {
    let mut records: Vec<Record> = (first..)
        .zip(payloads)
        .map(|(sequence, payload)| Record {
            envelope: Envelope {
                sequence: Sequence(sequence),
                time_ns: TimeNs(1_700_000_000_000_000_000 + first),
                source_time: TimeNs(if sequence == first { 1_600_000_000_000_000_000 + first } else { 0 }),
                source_sequence: first * 3,
                correlation: CorrelationId(first * 5),
                stream_version: sequence * 7,
                origin_ns: 0,
                actor: TextId(9),
                source: SourceId(17),
                flags: 0,
            },
            payload,
        })
        .collect();
    records.last_mut().unwrap().envelope.flags = Envelope::LAST_OF_FRAME;
    records
}

pub(crate) fn push(writer: &mut Writer, frame: &[Record]) -> Sequence {
    let mut last = None;
    for record in frame {
        assert_eq!(last, None, "the frame ends with its last record");
        last = writer.push(record).unwrap();
    }
    last.unwrap()
}

/// Pushes frames of 1, 2, 3, 4, 1, … records until `count` frames are there; gives them back.
pub(crate) fn push_frames(writer: &mut Writer, count: usize) -> Vec<Vec<Record>> {
    (0..count)
        .map(|n| {
            let frame = frame(writer.next_sequence().0, n % 4);
            push(writer, &frame);
            frame
        })
        .collect()
}

/// A journal of `count` frames, closed.
pub(crate) fn closed(config: JournalConfig, count: usize) -> (Vec<Vec<Record>>, Closed) {
    let mut journal = open(config);
    let frames = push_frames(&mut journal.writer, count);
    (frames, journal.writer.close().unwrap())
}

pub(crate) fn read_all(recovered: &Recovered) -> Vec<Frame> {
    let mut reader = recovered.frames().unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        frames.push(frame.to_frame());
    }
    frames
}

pub(crate) fn records_of(frames: &[Frame]) -> Vec<Vec<Record>> {
    frames.iter().map(|frame| frame.records.clone()).collect()
}

/// Verifies and collects what it saw.
pub(crate) fn verified(dir: &Path) -> (VerifyReport, Vec<Vec<Record>>) {
    let mut seen = Vec::new();
    let report = verify(dir, &mut |frame| {
        seen.push(frame.records.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    let bytes = verify_bytes(dir, Depth::Payloads, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(bytes, report, "without reading records the same is found");
    (report, seen)
}

/// Looks again until `condition` holds.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:012}.seg"))
}

/// Files of a directory with their content, sorted by name.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    for (path, content) in files(from) {
        std::fs::write(to.join(path.file_name().unwrap()), content).unwrap();
    }
}

/// Changes bytes of a file in place.
pub(crate) fn patch(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut content = std::fs::read(path).unwrap();
    change(&mut content);
    std::fs::write(path, content).unwrap();
}

/// A copy mends the damage, and the journal holds `records` then and opens.
#[track_caller]
pub(crate) fn assert_mended(dir: &Path, copy: &Path, what: &str, through: Sequence, records: &[Vec<Record>]) {
    assert!(!diagnose(dir).unwrap().is_healthy(), "{what} is not found");
    let report = repair_from(dir, copy, true).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(report.is_applied && report.through == through, "{what}: {report:?}");
    let (verified, seen) = verified(dir);
    assert_eq!(verified.first_difference, None, "{what}");
    assert!(seen == records, "{what}: other records");
    open(config(dir)).writer.close().unwrap();
}
