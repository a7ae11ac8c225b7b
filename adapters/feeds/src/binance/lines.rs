//! The lines of a capture, plain or gzip, each with its number.
//!
//! Gzip is told by its first two bytes, not by the name. A file of several gzip members is read as one. Invariant: a
//! line is never longer than [`LINE_SIZE_MAX`] in memory.

use super::error::CaptureError;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a line: thrice the largest snapshot that the venue gives (5,000 levels a side).
pub(super) const LINE_SIZE_MAX: usize = 1 << 20;
const BUFFER_SIZE: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    path: PathBuf,
    line: u64,
    buffer: Vec<u8>,
}

/// One line without its end mark.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) bytes: &'a [u8],
    /// More than [`LINE_SIZE_MAX`] bytes stood there; `bytes` holds the first of them.
    pub(super) too_long: bool,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let open_error = |source| CaptureError::Open { path: path.to_owned(), source };
        let mut file = BufReader::with_capacity(BUFFER_SIZE, File::open(path).map_err(open_error)?);
        let head = file.fill_buf().map_err(open_error)?;
        if head.is_empty() {
            return Err(CaptureError::Empty { path: path.to_owned() });
        }
        let input: Box<dyn BufRead + Send> = if head.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::with_capacity(BUFFER_SIZE, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        let mut lines = Self { input, path: path.to_owned(), line: 0, buffer: Vec::new() };
        match lines.input.fill_buf() {
            Ok([]) => Err(CaptureError::Empty { path: lines.path }),
            Ok(_) => Ok(lines),
            Err(source) => Err(lines.read_error(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line, or `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, CaptureError> {
        self.buffer.clear();
        let limit = LINE_SIZE_MAX as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.buffer);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => self.line += 1,
            Err(source) => return Err(self.read_error(source)),
        }
        let too_long = self.buffer.len() > LINE_SIZE_MAX && !self.buffer.ends_with(b"\n");
        if too_long {
            self.skip_rest()?;
        }
        Ok(Some(Line { number: self.line, bytes: self.buffer.trim_ascii(), too_long }))
    }

    fn skip_rest(&mut self) -> Result<(), CaptureError> {
        self.input.skip_until(b'\n').map(drop).map_err(|source| self.read_error(source))
    }

    fn read_error(&self, source: std::io::Error) -> CaptureError {
        let (path, line) = (self.path.clone(), self.line);
        if source.kind() == ErrorKind::UnexpectedEof {
            CaptureError::Truncated { path, line }
        } else {
            CaptureError::Read { path, line, source }
        }
    }
}
