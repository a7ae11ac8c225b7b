//! The snapshot loader: the file and its sections, and the state image in one of them.
//!
//! An image that is restored must be saved as it was, whatever it holds. Under `cfg(fuzzing)` stores are small and the
//! hashes of rows are not compared, so that what the rows say together is reached, too, and a million images take minutes.

use super::{Target, choice, scratch};
use crate::scenario;
use std::path::PathBuf;
use tempfile::TempDir;
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_engine::{Core, RestoreError};
use tickwerk_journal::format::PAGE_SIZE;
use tickwerk_journal::{
    ChainHead, Head, JournalId, Section, SnapshotHeader, read_snapshot, read_snapshot_header, write_snapshot,
};

/// Mark, layout, rules and capacities; the digest follows, then the sections.
const HEAD_SIZE: usize = 22;
const DIGEST_SIZE: usize = 8;
const NAME: &str = "snapshot-00000000000000000007.snap";
const SEQUENCE: Sequence = Sequence(7);
const PAGE_CRC: usize = 12;
const BODY_LENGTH: usize = 160;
const BODY_HASH: usize = 168;

/// A directory with one snapshot, and the head of an image of this build.
#[derive(Debug)]
pub struct SnapshotLoader {
    dir: TempDir,
    head: Vec<u8>,
}

/// What an input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Part {
    /// The sections of a state image; the head is that of this build and the digest is mended.
    Image = 0,
    /// A state image as it is.
    RawImage = 1,
    /// The file of a snapshot, its checksum, length and hash mended.
    File = 2,
    /// The file as it is.
    RawFile = 3,
}

impl Part {
    const ALL: [Self; 4] = [Self::Image, Self::RawImage, Self::File, Self::RawFile];
}

impl Target for SnapshotLoader {
    const NAME: &'static str = "snapshot_loader";

    fn new() -> Self {
        let mut head = Core::new().save();
        head.truncate(HEAD_SIZE);
        Self { dir: scratch(), head }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let (first, bytes) = choice(bytes);
        match Part::ALL[usize::from(first) % Part::ALL.len()] {
            Part::Image => self.image(bytes),
            Part::RawImage => restore(bytes),
            Part::File => self.file(&mended(bytes)),
            Part::RawFile => self.file(bytes),
        }
    }
}

impl SnapshotLoader {
    fn image(&self, sections: &[u8]) {
        let mut image = self.head.clone();
        image.extend_from_slice(&[0; DIGEST_SIZE]);
        image.extend_from_slice(sections);
        if let Err(RestoreError::Digest { found, .. }) = Core::restore(&image) {
            image[HEAD_SIZE..HEAD_SIZE + DIGEST_SIZE].copy_from_slice(&found.to_le_bytes());
            restore(&image);
        }
    }

    fn file(&self, bytes: &[u8]) {
        let path = self.path();
        std::fs::write(&path, bytes).expect("scratch files can be written");
        let header = read_snapshot_header(&path);
        if let Ok(snapshot) = read_snapshot(&path) {
            assert_eq!(header.ok(), Some(snapshot.header), "the header is that of the snapshot");
            for section in &snapshot.sections {
                restore(&section.bytes);
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join(NAME)
    }
}

/// Restores an image, if it is one; then it must make the same image again, or one that does.
fn restore(image: &[u8]) {
    if let Ok(core) = Core::restore(image) {
        let saved = core.save();
        let again = Core::restore(&saved).expect("what was saved is restored");
        assert_eq!(again.digest(), core.digest(), "the same state");
        assert!(again.save() == saved, "the same image");
    }
}

/// A file whose header page fits its body.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some((page, body)) = bytes.split_at_mut_checked(PAGE_SIZE) {
        page[BODY_LENGTH..BODY_LENGTH + 8].copy_from_slice(&(body.len() as u64).to_le_bytes());
        page[BODY_HASH..BODY_HASH + 32].copy_from_slice(blake3::hash(body).as_bytes());
        page[32..40].copy_from_slice(&SEQUENCE.0.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&page[..PAGE_CRC]), &page[PAGE_CRC + 4..]);
        page[PAGE_CRC..PAGE_CRC + 4].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

/// Inputs that are good: images of states, and a snapshot of the last of them.
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let input = |part: Part, bytes: &[u8]| [&[part as u8], bytes].concat();
    let mut seeds = Vec::new();
    let images = scenario::images();
    for image in &images {
        seeds.push(("image", input(Part::Image, &image[HEAD_SIZE + DIGEST_SIZE..])));
    }
    let small = images.first().expect("a state that knows nothing");
    seeds.push(("raw_image", input(Part::RawImage, small)));
    let dir = scratch();
    let header = SnapshotHeader {
        journal: JournalId([7; 16]),
        sequence: SEQUENCE,
        time_ns: TimeNs(1),
        created: TimeNs(2),
        frames: 3,
        digest: 4,
        epoch: 1,
        rules_version: 1,
        state_version: 1,
        block: ChainHead::default(),
        head: Head([0; 32]),
    };
    let section = |name: &str, bytes: &[u8]| Section { name: name.to_owned(), bytes: bytes.to_vec() };
    let sections = [section("engine", small), section("applied", b"applied")];
    let path = write_snapshot(dir.path(), header, &sections).expect("a snapshot can be written");
    let file = std::fs::read(path).expect("it was written");
    seeds.push(("file", input(Part::File, &file)));
    seeds.push(("raw_file", input(Part::RawFile, &file)));
    seeds
}
