//! A compressed segment as a reader sees it: Zstandard frames of one block each, and a table to find them.
//!
//! The file is an ordinary Zstandard file with the seek table of the seekable format: `zstd -d` gives the plain segment.
//! Reading holds one block in memory. A block whose bytes are not what was written is an error of the kind
//! `InvalidData`, so that readers can call it damage; everything else that fails is the system's.
//!
//! ```text
//! 0     skippable frame: magic 0x184D2A57 u32 ‖ 4096 u32 ‖ info page
//! 4104  one Zstandard frame with content checksum for each block of the plain segment
//! …     skippable frame: magic 0x184D2A5E u32 ‖ length u32 ‖ for the info frame, then for each block:
//!       compressed length u32 ‖ plain length u32 (0 for the info frame) ‖ footer: count u32 ‖ 0 u8 ‖ 0x8F92EAB1 u32
//! ```

use crate::directory::{self, FileError, failed};
use crate::format::{self, COMPRESSED_MAGIC, JournalId, PAGE_SIZE, Page};
use crate::storage::File;
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use tickwerk_domain::Sequence;

/// Bytes of the plain segment in a block.
pub(crate) const BLOCK_SIZE: usize = 1024 * 1024;
pub(crate) const INFO_FRAME_MAGIC: u32 = 0x184D_2A57;
pub(crate) const TABLE_FRAME_MAGIC: u32 = 0x184D_2A5E;
pub(crate) const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
pub(crate) const FRAME_START: usize = 8;
/// Where the first block lies.
pub(crate) const BLOCKS_OFFSET: usize = FRAME_START + PAGE_SIZE;
const ENTRY_SIZE: usize = 8;
const FOOTER_SIZE: usize = 9;
const BLOCK_SIZE_MAX: usize = 16 * 1024 * 1024;
const BLOCKS_MAX: u64 = 1 << 20;

/// What the info page tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Info {
    pub(crate) journal: JournalId,
    pub(crate) segment: u64,
    /// Of the plain segment.
    pub(crate) size: u64,
    pub(crate) first_sequence: Sequence,
    pub(crate) last_sequence: Sequence,
    pub(crate) block_size: u32,
    /// Of the seek table, from its magic to its end.
    pub(crate) table_crc: u32,
}

impl Info {
    pub(crate) fn to_page(self) -> Page {
        let mut page = format::new_page(COMPRESSED_MAGIC, self.journal);
        format::put(&mut page, 32, &self.segment.to_le_bytes());
        format::put(&mut page, 40, &self.size.to_le_bytes());
        format::put(&mut page, 48, &self.first_sequence.0.to_le_bytes());
        format::put(&mut page, 56, &self.last_sequence.0.to_le_bytes());
        format::put(&mut page, 64, &self.block_size.to_le_bytes());
        format::put(&mut page, 68, &self.table_crc.to_le_bytes());
        format::seal_page(page)
    }

    fn from_page(page: &Page) -> Result<Self, &'static str> {
        let journal = format::check_page(page, COMPRESSED_MAGIC)?;
        let info = Self {
            journal,
            segment: format::u64_at(page, 32),
            size: format::u64_at(page, 40),
            first_sequence: Sequence(format::u64_at(page, 48)),
            last_sequence: Sequence(format::u64_at(page, 56)),
            block_size: format::u32_at(page, 64),
            table_crc: format::u32_at(page, 68),
        };
        format::check_sequences([info.first_sequence, info.last_sequence])?;
        Ok(info)
    }

    fn blocks(&self) -> Result<usize, &'static str> {
        let block_size = u64::from(self.block_size);
        let is_bounded = (PAGE_SIZE as u64..=BLOCK_SIZE_MAX as u64).contains(&block_size);
        let blocks = if is_bounded { self.size.div_ceil(block_size) } else { BLOCKS_MAX + 1 };
        if blocks > BLOCKS_MAX {
            return Err("the compressed segment has impossible blocks");
        }
        usize::try_from(blocks).map_err(|_| "the compressed segment has impossible blocks")
    }
}

/// The bytes of a seek table over blocks of these compressed lengths; `size` is that of the plain segment.
pub(crate) fn seek_table(lengths: &[u32], size: u64) -> Vec<u8> {
    let count = lengths.len() + 1;
    let content = count * ENTRY_SIZE + FOOTER_SIZE;
    let mut table = Vec::with_capacity(FRAME_START + content);
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    table.extend_from_slice(&TABLE_FRAME_MAGIC.to_le_bytes());
    table.extend_from_slice(&word(content));
    table.extend_from_slice(&word(BLOCKS_OFFSET));
    table.extend_from_slice(&word(0));
    let mut left = size;
    for length in lengths {
        let plain = left.min(BLOCK_SIZE as u64);
        left -= plain;
        table.extend_from_slice(&length.to_le_bytes());
        table.extend_from_slice(&u32::try_from(plain).unwrap_or(u32::MAX).to_le_bytes());
    }
    table.extend_from_slice(&word(count));
    table.push(0);
    table.extend_from_slice(&SEEKABLE_MAGIC.to_le_bytes());
    table
}

/// A compressed segment that is open for reading.
#[derive(Debug)]
pub(crate) struct Compressed {
    pub(crate) info: Info,
    file: File,
    /// Where each block lies, and the end of the last.
    offsets: Vec<u64>,
    /// The block that was read last.
    last: Mutex<Block>,
}

#[derive(Debug, Default)]
struct Block {
    number: Option<usize>,
    bytes: Vec<u8>,
    packed: Vec<u8>,
}

impl Compressed {
    /// Opens segment `number`; the inner error says what is wrong with the file.
    pub(crate) fn open(file: File, number: u64) -> io::Result<Result<Self, &'static str>> {
        let info = match read_info(&file)? {
            Ok(info) if info.segment == number => info,
            Ok(_) => return Ok(Err("the compressed segment is another")),
            Err(reason) => return Ok(Err(reason)),
        };
        let offsets = match read_table(&file, &info)? {
            Ok(offsets) => offsets,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(Self { info, file, offsets, last: Mutex::default() }))
    }

    /// Reads as much as there is, up to all of `bytes`, as if the segment lay there plain.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut last = self.last.lock();
        let mut filled = 0;
        while filled < bytes.len() && offset + (filled as u64) < self.info.size {
            let at = offset + filled as u64;
            let block_size = u64::from(self.info.block_size);
            let number = usize::try_from(at / block_size).map_err(io::Error::other)?;
            self.load(&mut last, number)?;
            let start = usize::try_from(at % block_size).map_err(io::Error::other)?;
            let there = last.bytes.get(start..).unwrap_or_default();
            if there.is_empty() {
                return Err(damage());
            }
            let count = there.len().min(bytes.len() - filled);
            bytes[filled..filled + count].copy_from_slice(&there[..count]);
            filled += count;
        }
        Ok(filled)
    }

    fn load(&self, last: &mut Block, number: usize) -> io::Result<()> {
        if last.number == Some(number) {
            return Ok(());
        }
        last.number = None;
        let (start, end) = (self.offsets[number], self.offsets[number + 1]);
        let plain = (self.info.size - number as u64 * u64::from(self.info.block_size))
            .min(u64::from(self.info.block_size));
        let (packed, plain) = (to_usize(end - start)?, to_usize(plain)?);
        last.packed.resize(packed, 0);
        if directory::read_at(&self.file, &mut last.packed, start)? < packed {
            return Err(damage());
        }
        last.bytes.resize(plain, 0);
        // Any failure of the decoder is one of its input.
        let decoded = zstd::bulk::decompress_to_buffer(&last.packed, &mut last.bytes[..]);
        if !decoded.is_ok_and(|length| length == plain) {
            return Err(damage());
        }
        last.number = Some(number);
        Ok(())
    }
}

fn to_usize(length: u64) -> io::Result<usize> {
    usize::try_from(length).map_err(io::Error::other)
}

fn damage() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn read_info(file: &File) -> io::Result<Result<Info, &'static str>> {
    let mut start = [0; BLOCKS_OFFSET];
    directory::read_at(file, &mut start, 0)?;
    let page: Page = format::bytes_at(&start, FRAME_START);
    if format::u32_at(&start, 0) != INFO_FRAME_MAGIC || format::u32_at(&start, 4) as usize != PAGE_SIZE {
        return Ok(Err("the compressed segment has no info frame"));
    }
    Ok(Info::from_page(&page))
}

fn read_table(file: &File, info: &Info) -> io::Result<Result<Vec<u64>, &'static str>> {
    let blocks = match info.blocks() {
        Ok(blocks) => blocks,
        Err(reason) => return Ok(Err(reason)),
    };
    let length = FRAME_START + (blocks + 1) * ENTRY_SIZE + FOOTER_SIZE;
    let Some(start) = file.len()?.checked_sub(length as u64) else {
        return Ok(Err("the compressed segment is cut short"));
    };
    let mut table = vec![0; length];
    directory::read_at(file, &mut table, start)?;
    if crc32c::crc32c(&table) != info.table_crc {
        return Ok(Err("checksum of the table of a compressed segment differs"));
    }
    let mut offsets = vec![BLOCKS_OFFSET as u64];
    let mut end = BLOCKS_OFFSET as u64;
    for block in 1..=blocks {
        end += u64::from(format::u32_at(&table, FRAME_START + block * ENTRY_SIZE));
        offsets.push(end);
    }
    Ok(if end == start {
        Ok(offsets)
    } else {
        Err("the table of a compressed segment does not fit its file")
    })
}

/// What the info page of segment `number` tells; `None` where the segment is not compressed.
///
/// Where the plain segment is there too, the compressed one does not count.
pub(crate) fn info(dir: &Path, number: u64) -> Result<Option<Result<Info, &'static str>>, FileError> {
    if directory::exists(&directory::segment_path(dir, number)) {
        return Ok(None);
    }
    let path = directory::compressed_path(dir, number);
    let Some(file) = directory::open_for_reading(&path)? else {
        return Ok(None);
    };
    let info = read_info(&file).map_err(failed("read", &path))?;
    Ok(Some(info.and_then(|info| {
        if info.segment == number { Ok(info) } else { Err("the compressed segment is another") }
    })))
}
