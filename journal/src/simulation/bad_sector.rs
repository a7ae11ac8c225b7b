//! A disk of which one page cannot be read: what is told of it, and how it is mended.

use crate::config::JournalConfig;
use crate::directory;
use crate::disk::Disk;
use crate::format::PAGE_SIZE;
use crate::inspect::inspect;
use crate::mmap::Memory;
use crate::recovery::{RecoverError, recover};
use crate::repair::{apply::repair_cut, apply::repair_from, diagnose};
use crate::scrub::{ScrubStep, Scrubber};
use crate::segment::BAD_SECTOR;
use crate::simulation::disk::EIO;
use crate::snapshot::{Section, SnapshotError, SnapshotHeader, chain_at, read_snapshot, write_snapshot};
use crate::storage::{File, Lock, LockKind, Mode, Storage, StoredFile, mounts};
use crate::verify::verify;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Envelope, Payload, Record, Sequence, TimeNs};

const RECORDS: u64 = 2_000;
/// Segment and page of it.
const SEGMENT: u64 = 2;
const PAGE: u64 = 7;

/// The system's files, but for the page.
#[derive(Debug)]
struct Rotten {
    path: PathBuf,
    page: u64,
}

#[derive(Debug)]
struct RottenFile {
    file: File,
    bad: std::ops::Range<u64>,
}

impl Storage for Rotten {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<File> {
        let file = Disk.open(path, mode)?;
        if path != self.path {
            return Ok(file);
        }
        let start = self.page * PAGE_SIZE as u64;
        Ok(File::new(RottenFile { file, bad: start..start + PAGE_SIZE as u64 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn exists(&self, path: &Path) -> bool {
        Disk.exists(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<bool> {
        Disk.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Disk.sync_dir(dir)
    }

    fn lock(&self, path: &Path, kind: LockKind) -> io::Result<Option<Lock>> {
        Disk.lock(path, kind)
    }
}

impl StoredFile for RottenFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset < self.bad.end && self.bad.start < offset + bytes.len() as u64 {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_all_at(bytes, offset).map(|()| bytes.len())
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn map(&self) -> io::Result<Memory> {
        self.file.map()
    }
}

/// A closed journal of several segments, and a copy of it.
pub(crate) fn journal_and_copy() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let (dir, copy) = (scratch.path().join("journal"), scratch.path().join("copy"));
    let config = JournalConfig { segment_size: 64 * 1024, spare_segments: 1, ..JournalConfig::new(&dir) };
    let mut writer = recover(config).unwrap().open().unwrap().writer;
    for sequence in 1..=RECORDS {
        let sequence = Sequence(sequence);
        let envelope =
            Envelope { sequence, time_ns: TimeNs(9), flags: Envelope::LAST_OF_FRAME, ..Envelope::default() };
        let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due: TimeNs(sequence.0) }));
        writer.push(&Record { envelope, payload }).unwrap();
    }
    writer.close().unwrap();
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    (scratch, dir, copy)
}

fn spoil(dir: &Path, page: u64) {
    mounts::mount(dir, Arc::new(Rotten { path: directory::segment_path(dir, SEGMENT), page }));
}

fn mend(dir: &Path) {
    mounts::mount(dir, Arc::new(Disk));
}

#[test]
fn a_page_that_cannot_be_read_is_damage_with_a_place() {
    let (_scratch, dir, _) = journal_and_copy();
    let whole = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((whole.records, &whole.first_difference), (RECORDS, &None));
    spoil(&dir, PAGE);
    let report = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
    let found = report.first_difference.unwrap();
    assert_eq!((found.segment, found.sequence), (SEGMENT, report.last_sequence.next()));
    assert!(found.reason.contains(BAD_SECTOR), "{}", found.reason);
    // The frame at the place is the first that has bytes of the page.
    let page = PAGE * PAGE_SIZE as u64;
    assert!((page - 200..page + PAGE_SIZE as u64).contains(&found.offset), "{}", found.offset);
    let error = recover(JournalConfig::new(&dir)).unwrap_err();
    assert!(matches!(error, RecoverError::Damaged { segment: SEGMENT, reason: BAD_SECTOR, .. }), "{error}");
    assert!(error.to_string().contains("tickwerk repair"), "{error}");
}

#[test]
fn a_page_behind_the_last_frame_that_cannot_be_read_is_not_cut_as_a_torn_tail() {
    let (_scratch, dir, _) = journal_and_copy();
    let last = *directory::list_segments(&dir).unwrap().last().unwrap();
    assert!(last > SEGMENT, "the writer prepared more");
    for number in SEGMENT + 1..=last {
        std::fs::remove_file(directory::segment_path(&dir, number)).unwrap();
    }
    for name in [directory::DURABLE, directory::HEADS, directory::WATERMARKS] {
        directory::remove_if_there(&dir.join(name)).unwrap();
    }
    spoil(&dir, 15);
    let error = recover(JournalConfig::new(&dir)).unwrap_err();
    assert!(matches!(error, RecoverError::Damaged { segment: SEGMENT, reason: BAD_SECTOR, .. }), "{error}");
}

#[test]
fn one_header_page_that_cannot_be_read_takes_nothing_away() {
    let (_scratch, dir, _) = journal_and_copy();
    spoil(&dir, 0);
    let report = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.records, &report.first_difference), (RECORDS, &None));
    assert!(report.notes.iter().any(|note| note.text == BAD_SECTOR), "{:?}", report.notes);
}

#[test]
fn a_scrub_tells_the_place_and_goes_on_behind_it() {
    let (_scratch, dir, _) = journal_and_copy();
    spoil(&dir, PAGE);
    let mut scrubber = Scrubber::new(&dir);
    let mut found = Vec::new();
    for _ in 0..2 {
        loop {
            match scrubber.step(u64::MAX / 2).unwrap() {
                ScrubStep::Read(_) => {}
                ScrubStep::PassDone => break,
                ScrubStep::Found(finding) => found.push((finding.segment, finding.reason)),
            }
        }
    }
    assert_eq!(found, [(SEGMENT, BAD_SECTOR)]);
    let counts = scrubber.counts();
    assert_eq!(counts.passes, 2);
    assert!(counts.segments >= 4, "the others are read each time: {counts:?}");
}

#[test]
fn repair_takes_what_cannot_be_read_from_a_copy() {
    let (_scratch, dir, copy) = journal_and_copy();
    spoil(&dir, PAGE);
    let diagnosis = diagnose(&dir).unwrap();
    assert_eq!(diagnosis.findings.len(), 1);
    let (first, last) = (diagnosis.findings[0].first_sequence, diagnosis.findings[0].last_sequence);
    let report = repair_from(&dir, &copy, true).unwrap();
    assert!(report.is_applied && report.lost.is_none());
    assert_eq!(report.restored, last.0 - first.0 + 1, "only what is lost comes from the copy");
    mend(&dir);
    let mended = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((mended.records, mended.first_difference), (RECORDS, None));
}

#[test]
fn a_cut_keeps_everything_before_the_page() {
    let (_scratch, dir, _) = journal_and_copy();
    spoil(&dir, PAGE);
    let good_through = diagnose(&dir).unwrap().good_through;
    let report = repair_cut(&dir, good_through, true).unwrap();
    assert!(report.is_applied && report.through == good_through);
    mend(&dir);
    let kept = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((kept.last_sequence, kept.first_difference), (good_through, None));
}

#[test]
fn a_snapshot_with_a_page_that_cannot_be_read_is_a_bad_one() {
    for page in [0, 1] {
        let (_scratch, dir, _) = journal_and_copy();
        let sequence = Sequence(RECORDS / 2);
        let position = chain_at(&dir, sequence, None).unwrap().unwrap();
        let header = SnapshotHeader {
            journal: inspect(&dir).unwrap().journal,
            sequence,
            time_ns: TimeNs(9),
            created: TimeNs(9),
            frames: sequence.0,
            digest: 1,
            epoch: position.epoch,
            rules_version: 1,
            state_version: 1,
            block: position.block,
            head: position.head,
        };
        let sections = [Section { name: "engine".to_owned(), bytes: vec![1; PAGE_SIZE] }];
        let path = write_snapshot(&dir, header, &sections).unwrap();
        mounts::mount(&dir, Arc::new(Rotten { path: path.clone(), page }));
        assert!(matches!(read_snapshot(&path), Err(SnapshotError::Bad(BAD_SECTOR))), "page {page}");
        let report = verify(&dir, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((report.records, report.first_difference), (RECORDS, None));
        let recovered = recover(JournalConfig::new(&dir)).unwrap();
        let is_told = recovered.notes().iter().any(|note| note.path == path && note.text == BAD_SECTOR);
        assert_eq!(is_told, page == 0, "only the header is read at a start: {:?}", recovered.notes());
    }
}
