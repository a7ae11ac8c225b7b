//! Snapshots: the state after some frame, in a file beside the segments, so that a restart need not begin at 1.
//!
//! A file is a header page and a body of named sections, of which this crate knows only names and lengths. The header
//! has its own checksum and the hash of the body, so a file is whole or it is bad; a bad one is never used. A good header
//! of this journal is also a witness: a snapshot is written only when its last record is durable.

mod position;
mod store;

pub use position::{BlockStart, ChainPosition, chain_at};
pub(crate) use store::read_headers;
pub use store::{SnapshotFile, list_snapshots, remove_old_snapshots, write_snapshot};

use crate::beginning::StartPoint;
use crate::chain::{ChainHead, Head};
use crate::directory::{self, FileError, failed};
use crate::format::{self, JournalId, PAGE_SIZE, Page, SNAPSHOT_MAGIC};
use crate::segment::fault_of;
use crate::storage::File;
use std::io;
use std::path::Path;
use tickwerk_domain::{Sequence, TimeNs};

/// Bytes of a section's header.
const SECTION_HEADER_SIZE: usize = 32;
/// Longest name of a section.
const SECTION_NAME_MAX: usize = 16;
/// Most sections in a body.
const SECTIONS_MAX: usize = 64;

/// What a snapshot is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SnapshotHeader {
    /// Which journal.
    pub journal: JournalId,
    /// The last record whose effect is in it; a frame ends there.
    pub sequence: Sequence,
    /// The stamp of that frame.
    pub time_ns: TimeNs,
    /// When the file was written, in nanoseconds since 1970.
    pub created: TimeNs,
    /// Frames up to there.
    pub frames: u64,
    /// Digest of the state.
    pub digest: u64,
    /// Epoch of that frame.
    pub epoch: u32,
    /// The rules that were in force.
    pub rules_version: u32,
    /// How the sections are written.
    pub state_version: u32,
    /// The last complete block of the hash chain that ends there or before.
    pub block: ChainHead,
    /// The head through the last record.
    pub head: Head,
}

/// A named part of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name: at most 16 bytes of ASCII.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A snapshot that was read and found whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// What it is of.
    pub header: SnapshotHeader,
    /// Its parts, in order.
    pub sections: Vec<Section>,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not what was written.
    #[error("{0}")]
    Bad(&'static str),
}

/// What the header page holds beside [`SnapshotHeader`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Body {
    length: u64,
    hash: [u8; 32],
}

impl SnapshotHeader {
    /// Where a restart that has the snapshot begins to read.
    pub fn start_point(&self) -> StartPoint {
        StartPoint { journal: self.journal, sequence: self.sequence, block: self.block }
    }

    fn to_page(self, body: Body) -> Page {
        let mut page = format::new_page(SNAPSHOT_MAGIC, self.journal);
        let words = [self.sequence.0, self.time_ns.0, self.created.0, self.frames, self.digest];
        for (index, word) in words.iter().enumerate() {
            format::put(&mut page, 32 + index * 8, &word.to_le_bytes());
        }
        format::put(&mut page, 72, &self.epoch.to_le_bytes());
        format::put(&mut page, 76, &self.rules_version.to_le_bytes());
        format::put(&mut page, 80, &self.state_version.to_le_bytes());
        format::put(&mut page, 88, &self.block.through.0.to_le_bytes());
        format::put(&mut page, 96, &self.block.head.0);
        format::put(&mut page, 128, &self.head.0);
        format::put(&mut page, 160, &body.length.to_le_bytes());
        format::put(&mut page, 168, &body.hash);
        format::seal_page(page)
    }

    fn from_page(page: &Page) -> Result<(Self, Body), &'static str> {
        let journal = format::check_page(page, SNAPSHOT_MAGIC)?;
        let word = |index: usize| format::u64_at(page, 32 + index * 8);
        let header = Self {
            journal,
            sequence: Sequence(word(0)),
            time_ns: TimeNs(word(1)),
            created: TimeNs(word(2)),
            frames: word(3),
            digest: word(4),
            epoch: format::u32_at(page, 72),
            rules_version: format::u32_at(page, 76),
            state_version: format::u32_at(page, 80),
            block: ChainHead {
                through: Sequence(format::u64_at(page, 88)),
                head: Head(format::bytes_at(page, 96)),
            },
            head: Head(format::bytes_at(page, 128)),
        };
        format::check_sequences([header.sequence])?;
        let is_block = header.block.through.0.is_multiple_of(format::RECORDS_PER_BLOCK);
        if !is_block || header.block.through > header.sequence || header.sequence == Sequence::NONE {
            return Err("the snapshot has an impossible sequence or block");
        }
        Ok((header, Body { length: format::u64_at(page, 160), hash: format::bytes_at(page, 168) }))
    }
}

/// Reads the header page of the snapshot in `path`.
pub fn read_snapshot_header(path: &Path) -> Result<SnapshotHeader, SnapshotError> {
    Ok(open(path)?.1)
}

/// Reads the snapshot in `path` and checks all of it.
pub fn read_snapshot(path: &Path) -> Result<Snapshot, SnapshotError> {
    let (file, header, body) = open(path)?;
    // The length was found to be that of the file, so no more is asked for than there is.
    let length = usize::try_from(body.length).map_err(|_| SnapshotError::Bad("the body is too long"))?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, PAGE_SIZE as u64).map_err(|error| unreadable(error, path))?;
    if read < length || *blake3::hash(&bytes).as_bytes() != body.hash {
        return Err(SnapshotError::Bad("the hash of the body differs"));
    }
    let sections = split_sections(&bytes).map_err(SnapshotError::Bad)?;
    Ok(Snapshot { header, sections })
}

/// A snapshot on a bad sector is a bad one, and another is used.
fn unreadable(error: io::Error, path: &Path) -> SnapshotError {
    match fault_of(&error) {
        Some(reason) => SnapshotError::Bad(reason),
        None => failed("read", path)(error).into(),
    }
}

fn open(path: &Path) -> Result<(File, SnapshotHeader, Body), SnapshotError> {
    let file = directory::open_for_reading(path)?.ok_or(SnapshotError::Bad("the file is gone"))?;
    let page = directory::read_page(&file, 0).map_err(|error| unreadable(error, path))?;
    let (header, body) = SnapshotHeader::from_page(&page).map_err(SnapshotError::Bad)?;
    if store::sequence_of(path) != Some(header.sequence) {
        return Err(SnapshotError::Bad("the name of the file is of another sequence than its header"));
    }
    let length = file.len().map_err(failed("look at", path))?;
    if length.checked_sub(PAGE_SIZE as u64) != Some(body.length) {
        return Err(SnapshotError::Bad("the file has not the size that its header tells"));
    }
    Ok((file, header, body))
}

/// The body that `sections` make. Names are ours, so they fit.
fn join_sections(sections: &[Section]) -> Vec<u8> {
    let size =
        sections.iter().map(|section| SECTION_HEADER_SIZE + format::aligned(section.bytes.len())).sum();
    let mut body = Vec::with_capacity(size);
    for Section { name, bytes } in sections {
        assert!(
            name.is_ascii() && (1..=SECTION_NAME_MAX).contains(&name.len()),
            "a section has a short name"
        );
        let mut header = [0; SECTION_HEADER_SIZE];
        format::put(&mut header, 0, name.as_bytes());
        format::put(&mut header, 16, &(bytes.len() as u64).to_le_bytes());
        body.extend_from_slice(&header);
        body.extend_from_slice(bytes);
        body.resize(format::aligned(body.len()), 0);
    }
    body
}

fn split_sections(body: &[u8]) -> Result<Vec<Section>, &'static str> {
    let mut sections = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        if sections.len() == SECTIONS_MAX {
            return Err("the body has too many sections");
        }
        let (header, after) =
            rest.split_at_checked(SECTION_HEADER_SIZE).ok_or("a section's header is cut short")?;
        let name_size = header[..16].iter().position(|byte| *byte == 0).unwrap_or(SECTION_NAME_MAX);
        let is_padded = format::is_zero(&header[name_size..16]) && format::is_zero(&header[24..32]);
        let name = std::str::from_utf8(&header[..name_size]).ok().filter(|name| name.is_ascii());
        let name = name.filter(|name| !name.is_empty() && is_padded).ok_or("a section's name is no name")?;
        let length = usize::try_from(format::u64_at(header, 16)).ok();
        let length = length.filter(|length| *length <= after.len()).ok_or("a section is cut short")?;
        let (bytes, padded) = after.split_at(length);
        let padding = format::aligned(length) - length;
        let (padding, after) = padded.split_at_checked(padding).ok_or("a section is cut short")?;
        if !format::is_zero(padding) {
            return Err("padding of a section is not zero");
        }
        sections.push(Section { name: name.to_owned(), bytes: bytes.to_vec() });
        rest = after;
    }
    Ok(sections)
}

impl Snapshot {
    /// The content of the section `name`.
    pub fn section(&self, name: &str) -> Option<&[u8]> {
        self.sections.iter().find(|section| section.name == name).map(|section| &*section.bytes)
    }
}
