//! Compresses sealed segments, one after another, beside a writer or without one.
//!
//! Invariant: at every moment a segment is there, plain, compressed or both, and both are equal: the compressed file is
//! made under a temporary name, synced, read back and compared, renamed, its name synced, and only then does the plain
//! one go. Only a segment whose every frame is good and that is followed by a durable record is compressed.
//! Memory: two blocks.

use crate::compressed::{self, BLOCK_SIZE, BLOCKS_OFFSET, Compressed, INFO_FRAME_MAGIC, Info};
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::files;
use crate::format::{self, PAGE_SIZE};
use crate::keeper::{self, Keep, KeepError, Sealed};
use crate::segment::{Content, Opened, SegmentFile};
use crate::walk::{Step, Walker};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use tickwerk_domain::Sequence;

/// Between two segments, for others who keep the journal.
const TURN_PAUSE: Duration = Duration::from_millis(20);
/// The level that pays best: of market data, 3 leaves no less, and 9 takes seven times as long for a twentieth less.
pub const COMPRESS_LEVEL_DEFAULT: i32 = 1;

/// A segment that was compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CompressedSegment {
    /// Its number.
    pub number: u64,
    /// Its first record.
    pub first_sequence: Sequence,
    /// Its last record.
    pub last_sequence: Sequence,
    /// Bytes of the plain file.
    pub plain_bytes: u64,
    /// Bytes of the compressed file.
    pub compressed_bytes: u64,
}

/// Compresses every sealed, durable segment of the journal in `dir` that is not compressed yet; `on_segment` hears of
/// each.
pub fn compress(
    dir: &Path,
    level: i32,
    on_segment: &mut dyn FnMut(&CompressedSegment),
) -> Result<(), KeepError> {
    if directory::list_segments(dir)?.is_empty() {
        return Err(KeepError::NoJournal { dir: dir.to_owned() });
    }
    while let Some(done) = compress_next(dir, level)? {
        on_segment(&done);
        std::thread::sleep(TURN_PAUSE);
    }
    Ok(())
}

/// Compresses the oldest segment that can be; `None` if there is none.
pub fn compress_next(dir: &Path, level: i32) -> Result<Option<CompressedSegment>, KeepError> {
    let _lock = keeper::lock(dir, Keep::Change)?;
    let Some(segment) = next_to_compress(dir)? else {
        return Ok(None);
    };
    let plain = directory::segment_path(dir, segment.number);
    let target = directory::compressed_path(dir, segment.number);
    let temporary = directory::temporary_path(&target);
    files::remove_if_there(&temporary)?;
    let opened = SegmentFile::open(dir, segment.number)?;
    let Opened::Segment(source) = opened else {
        return Err(damaged(dir, &segment, 0, "the segment cannot be read"));
    };
    check_frames(dir, &segment)?;
    let info = Info {
        journal: segment.journal,
        segment: segment.number,
        size: source.size(),
        first_sequence: segment.first_sequence,
        last_sequence: segment.last_sequence,
        block_size: u32::try_from(BLOCK_SIZE).expect("a block is small"),
        table_crc: 0,
    };
    reach(Failpoint::CompressCreate);
    let file = files::create_new(&temporary)?;
    let compressed_bytes = write(&source, &file, info, level).map_err(failed("write", &temporary))?;
    file.sync_all().map_err(failed("sync", &temporary))?;
    drop(file);
    if !is_equal(&source, &temporary, &info)? {
        let text = format!("{} does not read back equal; nothing was changed", temporary.display());
        return Err(KeepError::Refused(text));
    }
    reach(Failpoint::CompressRename);
    files::rename(&temporary, &target)?;
    directory::sync_dir(dir)?;
    reach(Failpoint::CompressRemove);
    files::remove(&plain)?;
    directory::sync_dir(dir)?;
    reach(Failpoint::CompressDone);
    let Sealed { number, first_sequence, last_sequence, .. } = segment;
    let plain_bytes = source.size();
    Ok(Some(CompressedSegment { number, first_sequence, last_sequence, plain_bytes, compressed_bytes }))
}

/// The oldest sealed segment that is plain and that a durable record follows.
fn next_to_compress(dir: &Path) -> Result<Option<Sealed>, FileError> {
    let sealed = keeper::sealed(dir)?;
    let Some(first) = sealed.first() else {
        return Ok(None);
    };
    let durable = keeper::known_durable(dir, first.journal)?;
    Ok(sealed.into_iter().find(|segment| !segment.is_compressed && segment.last_sequence < durable))
}

fn damaged(dir: &Path, segment: &Sealed, offset: u64, reason: &str) -> KeepError {
    KeepError::Damaged {
        dir: dir.to_owned(),
        segment: segment.number,
        offset,
        sequence: segment.first_sequence,
        reason: reason.to_owned(),
    }
}

/// Makes sure that every frame of the segment is good, up to its last sequence.
fn check_frames(dir: &Path, segment: &Sealed) -> Result<(), KeepError> {
    let Opened::Segment(file) = SegmentFile::open(dir, segment.number)? else {
        return Err(damaged(dir, segment, 0, "the segment cannot be read"));
    };
    let (mut walker, mut first) = Walker::start(dir, file, true)?;
    while walker.next_sequence() <= segment.last_sequence {
        let step = match first.take() {
            Some(step) => step,
            None => walker.step()?,
        };
        match step {
            Step::Frame(_, place) if place.segment == segment.number => {}
            Step::Frame(_, place) | Step::End(place) => {
                return Err(damaged(dir, segment, place.offset, "frames are missing"));
            }
            Step::Bad(place, reason) => return Err(damaged(dir, segment, place.offset, reason)),
        }
    }
    Ok(())
}

/// Writes the whole file; gives its length.
fn write(source: &SegmentFile, file: &File, info: Info, level: i32) -> std::io::Result<u64> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    let mut buffer = vec![0; BLOCK_SIZE];
    let mut lengths = Vec::new();
    let (mut from, mut to) = (0, BLOCKS_OFFSET as u64);
    while from < info.size {
        let count = usize::try_from(info.size - from).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE);
        read_plain(&source.content, &mut buffer[..count], from)?;
        let packed = compressor.compress(&buffer[..count])?;
        file.write_all_at(&packed, to)?;
        lengths.push(u32::try_from(packed.len()).map_err(std::io::Error::other)?);
        to += packed.len() as u64;
        from += count as u64;
    }
    let table = compressed::seek_table(&lengths, info.size);
    file.write_all_at(&table, to)?;
    let info = Info { table_crc: crc32c::crc32c(&table), ..info };
    let mut start = [0; BLOCKS_OFFSET];
    format::put(&mut start, 0, &INFO_FRAME_MAGIC.to_le_bytes());
    format::put(&mut start, 4, &u32::try_from(PAGE_SIZE).map_err(std::io::Error::other)?.to_le_bytes());
    format::put(&mut start, compressed::FRAME_START, &info.to_page());
    file.write_all_at(&start, 0)?;
    Ok(to + table.len() as u64)
}

/// Reads plain bytes; what a file that was cut short lacks is zero.
fn read_plain(content: &Content, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    let read = content.read_at(bytes, offset)?;
    bytes[read..].fill(0);
    Ok(())
}

/// Whether the compressed file gives back every byte.
fn is_equal(source: &SegmentFile, path: &Path, info: &Info) -> Result<bool, FileError> {
    let Some(file) = directory::open_for_reading(path)? else {
        return Ok(false);
    };
    let Ok(compressed) = Compressed::open(file, info.segment).map_err(failed("read back", path))? else {
        return Ok(false);
    };
    let (mut plain, mut again) = (vec![0; BLOCK_SIZE], vec![0; BLOCK_SIZE]);
    let mut at = 0;
    while at < info.size {
        let count = usize::try_from(info.size - at).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE);
        read_plain(&source.content, &mut plain[..count], at).map_err(failed("read", &source.path))?;
        match compressed.read_at(&mut again[..count], at) {
            Err(error) if crate::segment::is_damage(&error) => return Ok(false),
            read => {
                if read.map_err(failed("read back", path))? != count || plain[..count] != again[..count] {
                    return Ok(false);
                }
            }
        }
        at += count as u64;
    }
    Ok(true)
}

/// Writes the first `end` bytes of a segment out plain again, under `path`, which must not be there; synced.
pub(crate) fn write_plain(segment: &SegmentFile, end: u64, path: &Path) -> Result<(), FileError> {
    let file = files::create_new(path)?;
    let mut buffer = vec![0; BLOCK_SIZE];
    let mut at = 0;
    while at < end {
        let count = usize::try_from(end - at).unwrap_or(BLOCK_SIZE).min(BLOCK_SIZE);
        read_plain(&segment.content, &mut buffer[..count], at).map_err(failed("read", &segment.path))?;
        file.write_all_at(&buffer[..count], at).map_err(failed("write", path))?;
        at += count as u64;
    }
    file.sync_all().map_err(failed("sync", path))
}
