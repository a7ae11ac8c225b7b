//! The frame reader: a journal of one segment, of which the input is the frames, or another part.
//!
//! What is read must be dense and whole, the reader and `verify` must agree on it, and a payload that was read must come
//! back from its own bytes.

use super::{Target, choice, scratch};
use std::fs::File;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Envelope, Payload, Record, Sequence, TimeNs};
use tickwerk_journal::format::{
    ACTIVATION_OFFSET, ALIGNMENT, FRAME_HEADER_SIZE, FRAMES_OFFSET, PAGE_SIZE, PAYLOAD_SIZE_MAX,
};
use tickwerk_journal::{
    COMPRESS_LEVEL_DEFAULT, Follow, JournalConfig, Reader, Tail, compress, inspect, recover, schema, verify,
};

/// Size of the segment as it is written: the smallest there is.
const WRITTEN_SIZE: usize = 64 * 1024;
/// Size of the segment as it is read: all that the good frames need, as zeros behind them take most of the time.
const SEGMENT_SIZE: usize = 32 * 1024;
/// Where a header page has the size of its segment.
const HEADER_SIZE: usize = 64;
/// Offset of the checksum in a page.
const PAGE_CRC: usize = 12;
/// Where the info page of a compressed segment lies, and its field for the checksum of the table.
const INFO_PAGE: usize = 8;
const INFO_TABLE_CRC: usize = INFO_PAGE + 68;
const INFO_SIZE: usize = INFO_PAGE + 40;
const INFO_BLOCK_SIZE: usize = INFO_PAGE + 64;

/// A journal in a directory, and what its files are when nothing is wrong with them.
#[derive(Debug)]
pub struct FrameReader {
    dir: TempDir,
    segment: File,
    /// The segment as it was written, up to its last byte that is not zero.
    good: Vec<u8>,
    /// Bytes of the segment that may not be those of `good`.
    changed: usize,
    way: Way,
}

/// Who reads the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Reader,
    /// The reader, and `verify` beside it.
    Verify,
    Tail,
    Inspect,
}

impl Way {
    const ALL: [Self; 4] = [Self::Reader, Self::Verify, Self::Tail, Self::Inspect];
}

/// Which part of the journal an input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Part {
    /// The frames, their checksums mended.
    Frames = 0,
    /// The frames as they are.
    RawFrames = 1,
    /// The whole segment, the checksums of its pages and frames mended.
    Segment = 2,
    /// A compressed segment, its checksums mended.
    Compressed = 3,
    /// The file `durable`, its checksums mended.
    Durable = 4,
    /// The file `HEADS`.
    Heads = 5,
    /// The file `WATERMARKS`.
    Watermarks = 6,
    /// The file `FIRST`, its checksum mended.
    First = 7,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::Frames,
        Self::RawFrames,
        Self::Segment,
        Self::Compressed,
        Self::Durable,
        Self::Heads,
        Self::Watermarks,
        Self::First,
    ];
}

impl Target for FrameReader {
    const NAME: &'static str = "frame_reader";

    fn new() -> Self {
        let dir = scratch();
        let good = journal_in(&dir);
        let segment = File::options().read(true).write(true).open(segment_path(&dir));
        Self { segment: segment.expect("the segment was written"), dir, good, changed: 0, way: Way::Reader }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let (first, bytes) = choice(bytes);
        self.way = Way::ALL[usize::from(first) / Part::ALL.len() % Way::ALL.len()];
        match Part::ALL[usize::from(first) % Part::ALL.len()] {
            Part::Frames => self.with_frames(bytes, true),
            Part::RawFrames => self.with_frames(bytes, false),
            Part::Segment => self.with_segment(bytes),
            Part::Compressed => self.with_compressed(bytes),
            Part::Durable => self.with_file("durable", &mended_pages(bytes)),
            Part::Heads => self.with_file("HEADS", bytes),
            Part::Watermarks => self.with_file("WATERMARKS", bytes),
            Part::First => self.with_file("FIRST", &mended_pages(bytes)),
        }
    }
}

impl FrameReader {
    fn with_frames(&mut self, bytes: &[u8], is_mended: bool) {
        let mut bytes = bytes[..bytes.len().min(SEGMENT_SIZE - FRAMES_OFFSET)].to_vec();
        if is_mended {
            mend_frames(&mut bytes);
        }
        self.restore();
        self.put(FRAMES_OFFSET, &bytes);
        self.read();
    }

    fn with_segment(&mut self, bytes: &[u8]) {
        let mut bytes = bytes[..bytes.len().min(SEGMENT_SIZE)].to_vec();
        for page in [0, PAGE_SIZE, ACTIVATION_OFFSET] {
            mend_page(&mut bytes, page);
        }
        if let Some(frames) = bytes.get_mut(FRAMES_OFFSET..) {
            mend_frames(frames);
        }
        self.restore();
        self.put(0, &bytes);
        self.read();
    }

    fn with_compressed(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        mend_compressed(&mut bytes);
        let (plain, compressed) = (segment_path(&self.dir), compressed_path(&self.dir));
        let aside = self.dir.path().join("aside");
        std::fs::write(&compressed, bytes).expect("scratch files can be written");
        std::fs::rename(&plain, &aside).expect("scratch files can be renamed");
        self.read();
        std::fs::remove_file(&compressed).expect("scratch files can be removed");
        std::fs::rename(&aside, &plain).expect("scratch files can be renamed");
    }

    fn with_file(&mut self, name: &str, bytes: &[u8]) {
        self.restore();
        let path = self.dir.path().join(name);
        let before = std::fs::read(&path).ok();
        std::fs::write(&path, bytes).expect("scratch files can be written");
        self.read();
        match before {
            Some(before) => std::fs::write(&path, before).expect("scratch files can be written"),
            None => std::fs::remove_file(&path).expect("scratch files can be removed"),
        }
    }

    /// Makes the segment what it was.
    fn restore(&mut self) {
        let end = std::mem::take(&mut self.changed);
        if let Some(behind) = end.checked_sub(self.good.len()) {
            self.segment
                .write_all_at(&vec![0; behind], self.good.len() as u64)
                .expect("scratch files can be written");
        }
        let end = end.min(self.good.len());
        self.segment.write_all_at(&self.good[..end], 0).expect("scratch files can be written");
    }

    /// Puts bytes into the segment, and zeros behind them.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let used = self.good.len();
        self.segment.write_all_at(bytes, offset as u64).expect("scratch files can be written");
        if used > end {
            self.segment
                .write_all_at(&vec![0; used - end], end as u64)
                .expect("scratch files can be written");
        }
        self.changed = end.max(used);
    }

    fn read(&self) {
        let dir = self.dir.path();
        match self.way {
            Way::Reader => drop(read_all(dir)),
            Way::Verify => {
                let read = read_all(dir);
                let mut verified = 0;
                let report = verify(dir, &mut |frame| {
                    verified += frame.records.len();
                    ControlFlow::Continue(())
                });
                if report.is_ok_and(|report| report.first_difference.is_none()) {
                    assert_eq!(
                        read,
                        Some(verified),
                        "the reader and verify agree on a journal that is whole"
                    );
                }
            }
            Way::Tail => {
                let Ok(mut tail) = Tail::open(dir, Sequence::FIRST) else { return };
                while let Ok(Some(_)) = tail.next(Follow::Written) {}
                while let Ok(Some(_)) = tail.next_without_writer() {}
            }
            // What it says of a damaged journal is its own; it must say something.
            Way::Inspect => drop(inspect(dir)),
        }
    }
}

/// Reads everything; how many records there were, `None` behind an error.
fn read_all(dir: &Path) -> Option<usize> {
    let mut reader = Reader::open(dir, Sequence::FIRST).ok()?;
    let (mut next, mut count) = (Sequence::NONE, 0);
    while let Some(frame) = reader.next().ok()? {
        for record in frame.records {
            let sequence = record.envelope.sequence;
            assert!(next == Sequence::NONE || sequence == next, "{sequence} comes where {next} should");
            next = sequence.next();
            count += 1;
            assert_comes_back(&record.payload);
        }
    }
    Some(count)
}

/// Writes a payload and reads it again.
fn assert_comes_back(payload: &Payload) {
    let mut space = Space([0; PAYLOAD_SIZE_MAX]);
    let schema::Encoded { kind, type_id, schema_version, length } =
        schema::encode(payload, &mut space.0).expect("any payload fits");
    let again = schema::decode(kind, type_id.0, schema_version, &space.0[..length]);
    assert_eq!(again.as_ref(), Ok(payload));
}

#[repr(align(16))]
struct Space([u8; PAYLOAD_SIZE_MAX]);

fn segment_path(dir: &TempDir) -> PathBuf {
    dir.path().join("000000000001.seg")
}

fn compressed_path(dir: &TempDir) -> PathBuf {
    dir.path().join("000000000001.seg.zst")
}

/// Writes a journal of one record of each command type with one of each event type; gives its segment.
fn journal_in(dir: &TempDir) -> Vec<u8> {
    write_journal(dir, 0);
    // A prepared segment holds nothing; whoever closes at once leaves none.
    match std::fs::remove_file(dir.path().join("000000000002.seg")) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("scratch files can be removed: {error}"),
        Ok(()) | Err(_) => {}
    }
    let mut segment = std::fs::read(segment_path(dir)).expect("the segment was written");
    segment.truncate(SEGMENT_SIZE);
    for page in [0, PAGE_SIZE] {
        segment[page + HEADER_SIZE..][..8].copy_from_slice(&(SEGMENT_SIZE as u64).to_le_bytes());
        mend_page(&mut segment, page);
    }
    std::fs::write(segment_path(dir), &segment).expect("scratch files can be written");
    segment.truncate(segment.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    segment
}

/// Writes the frames once, and again until there are more than so many bytes.
fn write_journal(dir: &TempDir, bytes: u64) {
    let config = JournalConfig {
        segment_size: WRITTEN_SIZE as u64,
        spare_segments: 1,
        ..JournalConfig::new(dir.path())
    };
    let recovered = recover(config).expect("an empty directory is no damaged journal");
    let journal = recovered.open().expect("a journal can be made");
    let (marks, mut writer) = (journal.watermarks(), journal.writer);
    let mut sequence = Sequence::NONE;
    let payloads = super::seeds::frames();
    loop {
        for frame in &payloads {
            for (place, payload) in frame.iter().enumerate() {
                sequence = sequence.next();
                let flags = if place + 1 == frame.len() { Envelope::LAST_OF_FRAME } else { 0 };
                let envelope = Envelope { sequence, time_ns: TimeNs(1_000), flags, ..Envelope::default() };
                writer.push(&Record { envelope, payload: *payload }).expect("the frame is in order");
            }
        }
        if marks.written_bytes() >= bytes {
            break;
        }
    }
    let envelope = Envelope {
        sequence: sequence.next(),
        time_ns: TimeNs(1_000),
        flags: Envelope::LAST_OF_FRAME,
        ..Envelope::default()
    };
    let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due: TimeNs(7) }));
    let last = Record { envelope, payload };
    writer.push_with_opaque(&last, b"an opaque part").expect("the frame is in order");
    writer.close().expect("a journal can be closed");
}

/// Inputs that are parts of a good journal.
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let dir = scratch();
    let good = journal_in(&dir);
    let used = good.len();
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap_or_default();
    let mut seeds = vec![
        ("raw", part(Part::RawFrames, &good[FRAMES_OFFSET..used])),
        ("segment", part(Part::Segment, &good[..FRAMES_OFFSET + 1024])),
        ("durable", part(Part::Durable, &read("durable"))),
        ("heads", part(Part::Heads, &read("HEADS"))),
        ("watermarks", part(Part::Watermarks, &read("WATERMARKS"))),
    ];
    let long = scratch();
    write_journal(&long, WRITTEN_SIZE as u64);
    compress(long.path(), COMPRESS_LEVEL_DEFAULT, &mut |_| {}).expect("the first segment is sealed");
    let compressed = std::fs::read(compressed_path(&long)).expect("it was compressed");
    seeds.push(("compressed", part(Part::Compressed, &compressed)));
    let mut rest = &good[FRAMES_OFFSET..used];
    while let Some(length) = length_of(rest) {
        let (frame, after) = rest.split_at(length);
        seeds.push(("frame", part(Part::Frames, frame)));
        rest = after;
    }
    seeds
}

fn part(part: Part, bytes: &[u8]) -> Vec<u8> {
    let mut input = vec![part as u8];
    input.extend_from_slice(bytes);
    input
}

/// The length word of the frame that `bytes` start with, where a frame of that length fits.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let fits = (FRAME_HEADER_SIZE..=bytes.len()).contains(&length) && length.is_multiple_of(ALIGNMENT);
    fits.then_some(length)
}

fn mend_frames(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some(length) = length_of(rest) {
        let (frame, after) = rest.split_at_mut(length);
        let mut prefix = [0; 16];
        prefix[0] = 1;
        prefix[8..12].copy_from_slice(&frame[..4]);
        let crc = crc32c::crc32c_append(crc32c::crc32c(&prefix), &frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        rest = after;
    }
}

fn mend_page(bytes: &mut [u8], offset: usize) {
    if let Some(page) = bytes.get_mut(offset..offset + PAGE_SIZE) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&page[..PAGE_CRC]), &page[PAGE_CRC + 4..]);
        page[PAGE_CRC..PAGE_CRC + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

fn mended_pages(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for page in 0..bytes.len() / PAGE_SIZE {
        mend_page(&mut bytes, page * PAGE_SIZE);
    }
    bytes
}

/// Mends the checksums of the seek table and of the info page, in that order.
fn mend_compressed(bytes: &mut [u8]) {
    const { assert!(INFO_TABLE_CRC + 4 <= PAGE_SIZE) };
    if bytes.len() < INFO_PAGE + PAGE_SIZE {
        return;
    }
    let size = u64::from_le_bytes(bytes[INFO_SIZE..INFO_SIZE + 8].try_into().expect("eight bytes"));
    let block =
        u32::from_le_bytes(bytes[INFO_BLOCK_SIZE..INFO_BLOCK_SIZE + 4].try_into().expect("four bytes"));
    let blocks = size.checked_div(u64::from(block)).unwrap_or(0).saturating_add(1);
    let length = blocks.saturating_add(1).saturating_mul(8).saturating_add(17);
    let start = usize::try_from(length).ok().and_then(|length| bytes.len().checked_sub(length));
    if let Some(start) = start {
        let crc = crc32c::crc32c(&bytes[start..]);
        bytes[INFO_TABLE_CRC..INFO_TABLE_CRC + 4].copy_from_slice(&crc.to_le_bytes());
    }
    mend_page(bytes, INFO_PAGE);
}
