//! One segment as a reader sees it: its header pages, its activation page, and what is zero.
//!
//! Everything is read by `pread`; a reader can take an error, never a SIGBUS. One bad copy of the header page is a
//! note, two are a fault of the segment. A compressed segment reads like a plain one.

use crate::compressed::{Compressed, Info};
use crate::directory::{self, FileError, failed};
use crate::format::{
    self, ACTIVATION_OFFSET, Activation, FRAMES_OFFSET, HEADER_COPY_OFFSET, PAGE_SIZE, Page, SegmentHeader,
    UNKNOWN_FORMAT,
};
use crate::storage::File;
use std::io;
use std::path::{Path, PathBuf};

/// Little enough for a cache.
const ZERO_CHECK_SIZE: usize = 128 * 1024;

/// The bytes of a segment, as they were written.
#[derive(Debug)]
pub(crate) enum Content {
    Plain(File),
    Compressed(Box<Compressed>),
}

impl Content {
    /// Reads as much as there is, up to all of `bytes`. Compressed bytes that are damaged are `InvalidData`.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => directory::read_at(file, bytes, offset),
            Self::Compressed(compressed) => compressed.read_at(bytes, offset),
        }
    }

    fn page(&self, offset: usize) -> io::Result<Page> {
        let mut page = [0; PAGE_SIZE];
        self.read_at(&mut page, offset as u64)?;
        Ok(page)
    }

    fn length(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.len(),
            Self::Compressed(compressed) => Ok(compressed.info.size),
        }
    }
}

/// What a damaged block of a compressed segment is called.
const UNREADABLE: &str = "a block of the compressed segment cannot be read";
/// What a place is called that the disk does not give back.
pub(crate) const BAD_SECTOR: &str = "the disk cannot read this place";

/// What is wrong where an error says that bytes are lost, and not that reading failed in another way.
pub(crate) fn fault_of(error: &io::Error) -> Option<&'static str> {
    if is_damage(error) {
        return Some(UNREADABLE);
    }
    (error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())).then_some(BAD_SECTOR)
}

/// Whether a reason says that nobody can tell here what is there, so that it is never taken for a torn tail.
pub(crate) fn is_untold(reason: &str) -> bool {
    [BAD_SECTOR, UNKNOWN_FORMAT].contains(&reason)
}

/// Whether an error says that compressed bytes are damaged.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// A segment that is open for reading.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
    pub(crate) header: SegmentHeader,
    /// What is wrong with one of the pages that are written when a segment is prepared, and where.
    pub(crate) fault: Option<(u64, &'static str)>,
}

/// What opening gave.
#[derive(Debug)]
pub(crate) enum Opened {
    Segment(SegmentFile),
    Missing,
    Bad(&'static str),
}

/// Whether a segment is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Activity {
    Prepared,
    Active(Activation),
    Bad(&'static str),
}

impl SegmentFile {
    pub(crate) fn open(dir: &Path, number: u64) -> Result<Opened, FileError> {
        let mut path = directory::segment_path(dir, number);
        let content = if let Some(file) = directory::open_for_reading(&path)? {
            Content::Plain(file)
        } else {
            path = directory::compressed_path(dir, number);
            let Some(file) = directory::open_for_reading(&path)? else {
                return Ok(Opened::Missing);
            };
            match Compressed::open(file, number) {
                Ok(Ok(compressed)) => Content::Compressed(Box::new(compressed)),
                Ok(Err(reason)) => return Ok(Opened::Bad(reason)),
                Err(error) => {
                    let fault = fault_of(&error).map(Opened::Bad);
                    return fault.ok_or_else(|| failed("read", &path)(error));
                }
            }
        };
        Self::open_content(number, path, content)
    }

    fn open_content(number: u64, path: PathBuf, content: Content) -> Result<Opened, FileError> {
        let page = |offset| match content.page(offset) {
            Ok(page) => Ok(Ok(page)),
            Err(error) => fault_of(&error).map(Err).ok_or_else(|| failed("read", &path)(error)),
        };
        let header_of = |offset| {
            let header = page(offset)?.and_then(|page| SegmentHeader::from_page(&page));
            Ok(header.and_then(|header| {
                if header.segment == number {
                    Ok(header)
                } else {
                    Err("the header page is of another segment")
                }
            }))
        };
        let (header, mut fault) = match (header_of(0)?, header_of(HEADER_COPY_OFFSET)?) {
            (Ok(first), Ok(second)) if first == second => (first, None),
            (Ok(_), Ok(_)) => return Ok(Opened::Bad("the two header pages differ")),
            (Ok(header), Err(reason)) => (header, Some((HEADER_COPY_OFFSET as u64, reason))),
            (Err(reason), Ok(header)) => (header, Some((0, reason))),
            (Err(reason), Err(_)) => return Ok(Opened::Bad(reason)),
        };
        let reserved = ACTIVATION_OFFSET + PAGE_SIZE;
        match page(reserved)? {
            Err(reason) => return Ok(Opened::Bad(reason)),
            Ok(page) if !format::is_zero(&page) => {
                fault = Some((reserved as u64, "the reserved page is not zero"));
            }
            Ok(_) => {}
        }
        let length = content.length().map_err(failed("look at", &path))?;
        let is_too_small = header.size < (FRAMES_OFFSET + PAGE_SIZE) as u64 || length < FRAMES_OFFSET as u64;
        if length > header.size || is_too_small {
            return Ok(Opened::Bad("the file has not the size that its header tells"));
        }
        if length < header.size {
            // What is cut off reads as zeros, and is judged like any other tail.
            fault = Some((length, "the file ends before the size that its header tells"));
        }
        Ok(Opened::Segment(Self { number, path, content, header, fault }))
    }

    pub(crate) fn size(&self) -> u64 {
        self.header.size
    }

    /// What is told of a compressed segment beside its content.
    pub(crate) fn compressed(&self) -> Option<Info> {
        match &self.content {
            Content::Plain(_) => None,
            Content::Compressed(compressed) => Some(compressed.info),
        }
    }

    pub(crate) fn activity(&self) -> Result<Activity, FileError> {
        let page = match self.content.page(ACTIVATION_OFFSET) {
            Ok(page) => page,
            Err(error) => {
                let fault = fault_of(&error).map(Activity::Bad);
                return fault.ok_or_else(|| failed("read", &self.path)(error));
            }
        };
        if format::is_zero(&page) {
            return Ok(Activity::Prepared);
        }
        Ok(match Activation::from_page(&page) {
            Ok(activation)
                if activation.segment != self.number || activation.journal != self.header.journal =>
            {
                Activity::Bad("the activation page is of another segment or journal")
            }
            Ok(activation) => Activity::Active(activation),
            Err(reason) => Activity::Bad(reason),
        })
    }

    /// Where the last byte that is not zero lies, from `offset` on.
    pub(crate) fn last_non_zero(&self, offset: u64) -> Result<Option<u64>, FileError> {
        let mut found = None;
        let left = self.size().saturating_sub(offset);
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(usize::MAX).min(ZERO_CHECK_SIZE)];
        let mut at = offset;
        while at < self.size() {
            let count = match self.content.read_at(&mut buffer, at) {
                // Nobody knows what is there; it is not known to be zero.
                Err(error) if is_damage(&error) => return Ok(Some(at)),
                count => count.map_err(failed("read", &self.path))?,
            };
            if count == 0 {
                break;
            }
            if !format::is_zero(&buffer[..count]) {
                found = buffer[..count].iter().rposition(|byte| *byte != 0).map(|index| at + index as u64);
            }
            at += count as u64;
        }
        Ok(found)
    }
}

/// The zeros that a segment has from its activation page on, before it is used: the last byte that breaks them.
pub(crate) fn last_non_zero_unused(segment: &SegmentFile) -> Result<Option<u64>, FileError> {
    segment.last_non_zero(ACTIVATION_OFFSET as u64)
}
