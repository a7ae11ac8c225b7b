//! A file of data as bytes and lines, whatever it is packed with.
//!
//! Packing is told by the first bytes, not by the name: gzip, xz, zstd, else plain. Several members, streams or frames
//! are read as one. Invariant: a line is never longer than [`LINE_SIZE_MAX`] in memory.

use super::error::{OrderByOrderError, OrderByOrderFault};
use super::zstd::ZstdFrames;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a line: a book row of 5,000 levels fits.
const LINE_SIZE_MAX: usize = 1 << 20;
const BUFFER_SIZE: usize = 128 * 1024;
/// Most memory for unpacking xz: the largest preset, `xz -9`, needs 65 MiB.
const XZ_MEMORY_MAX_KIB: u32 = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An open file of data.
pub struct Source {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// Whole lines or records so far.
    place: u64,
    buffer: Vec<u8>,
    /// The last line was handed out, or there was an error.
    ended: bool,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Source")
            .field("path", &self.path)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a file. An empty one is an error.
    pub fn open(path: &Path) -> Result<Self, OrderByOrderError> {
        let file = File::open(path);
        let file = file.map_err(|source| OrderByOrderError::Open { path: path.to_owned(), source })?;
        Self::new(path, Box::new(BufReader::with_capacity(BUFFER_SIZE, file)))
    }

    /// Takes bytes that are in memory already; `name` stands for the path in errors.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Self, OrderByOrderError> {
        Self::new(Path::new(name), Box::new(Cursor::new(bytes)))
    }

    fn new(path: &Path, packed: Box<dyn BufRead + Send>) -> Result<Self, OrderByOrderError> {
        let mut source =
            Self { input: packed, path: path.to_owned(), place: 0, buffer: Vec::new(), ended: false };
        let head = source.peek()?;
        let unpack: fn(Box<dyn BufRead + Send>) -> Box<dyn BufRead + Send> = if head.starts_with(&GZIP_MAGIC)
        {
            |packed| Box::new(BufReader::with_capacity(BUFFER_SIZE, MultiGzDecoder::new(packed)))
        } else if head.starts_with(&XZ_MAGIC) {
            |packed| {
                let unpacked = XzReader::new_mem_limit(packed, true, XZ_MEMORY_MAX_KIB);
                Box::new(BufReader::with_capacity(BUFFER_SIZE, unpacked))
            }
        } else if head.starts_with(&ZSTD_MAGIC) {
            |packed| Box::new(BufReader::with_capacity(BUFFER_SIZE, ZstdFrames::new(packed)))
        } else {
            |plain| plain
        };
        source.input = unpack(source.input);
        if source.peek()?.is_empty() {
            let nothing = std::io::Error::new(ErrorKind::UnexpectedEof, "the file is empty");
            return Err(source.read_error(nothing));
        }
        Ok(source)
    }

    /// The bytes that come next, empty at the end of the file.
    pub(super) fn peek(&mut self) -> Result<&[u8], OrderByOrderError> {
        // The borrow of a successful read would last over the error's construction.
        if let Err(source) = self.input.fill_buf() {
            return Err(self.read_error(source));
        }
        match self.input.fill_buf() {
            Ok(bytes) => Ok(bytes),
            Err(source) => {
                Err(OrderByOrderError::Read { path: self.path.clone(), place: self.place, source })
            }
        }
    }

    /// The next line with its number, without its end mark, or `None` at the end of the file.
    fn next_line(&mut self) -> Result<Option<(u64, &str)>, OrderByOrderError> {
        self.buffer.clear();
        let limit = LINE_SIZE_MAX as u64 + 1;
        match (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => self.place += 1,
            Err(source) => return Err(self.read_error(source)),
        }
        if self.buffer.len() > LINE_SIZE_MAX && !self.buffer.ends_with(b"\n") {
            return Err(self.line_error(OrderByOrderFault::TooLong { limit: LINE_SIZE_MAX }));
        }
        match std::str::from_utf8(self.buffer.trim_ascii_end()) {
            Ok(line) => Ok(Some((self.place, line))),
            Err(_) => Err(OrderByOrderError::Line {
                path: self.path.clone(),
                line: self.place,
                fault: Box::new(OrderByOrderFault::NotText),
            }),
        }
    }

    /// What `parse` makes of the next line, by its text and number, that it makes something of. Nothing more comes after
    /// the last line or the first error.
    pub(super) fn next_parsed<T>(
        &mut self,
        mut parse: impl FnMut(&str, u64) -> Result<Option<T>, OrderByOrderFault>,
    ) -> Option<Result<T, OrderByOrderError>> {
        while !self.ended {
            let parsed = match self.next_line() {
                Ok(Some((number, line))) => parse(line, number),
                Ok(None) => {
                    self.ended = true;
                    return None;
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            match parsed {
                Ok(None) => {}
                Ok(Some(item)) => return Some(Ok(item)),
                Err(fault) => {
                    self.ended = true;
                    return Some(Err(self.line_error(fault)));
                }
            }
        }
        None
    }

    /// Fills `bytes`. `false` at the end of the file, which may not lie inside of them.
    pub(super) fn read_exact(&mut self, bytes: &mut [u8]) -> Result<bool, OrderByOrderError> {
        if bytes.is_empty() {
            return Ok(true);
        }
        if self.peek()?.is_empty() {
            return Ok(false);
        }
        self.input.read_exact(bytes).map_err(|source| self.read_error(source))?;
        Ok(true)
    }

    /// Counts a whole record.
    pub(super) fn count_record(&mut self) {
        self.place += 1;
    }

    fn line_error(&self, fault: OrderByOrderFault) -> OrderByOrderError {
        let fault = Box::new(fault);
        OrderByOrderError::Line { path: self.path.clone(), line: self.place, fault }
    }

    /// An error of the record that was counted last.
    pub(super) fn record_error(&self, fault: OrderByOrderFault) -> OrderByOrderError {
        let fault = Box::new(fault);
        OrderByOrderError::Record { path: self.path.clone(), record: self.place, fault }
    }

    fn read_error(&self, source: std::io::Error) -> OrderByOrderError {
        OrderByOrderError::Read { path: self.path.clone(), place: self.place, source }
    }
}
