//! Zstandard data of any number of frames, as one stream of bytes.
//!
//! The decoder in use knows single frames; vendors write several one behind the other, some to be skipped. The checksum
//! of a frame that carries one is compared. What fails: damaged or cut off data, as an I/O error.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{BufRead, Error, ErrorKind, Read};

pub(super) struct ZstdFrames {
    packed: Box<dyn BufRead + Send>,
    frame: FrameDecoder,
    in_frame: bool,
}

impl ZstdFrames {
    pub(super) fn new(packed: Box<dyn BufRead + Send>) -> Self {
        Self { packed, frame: FrameDecoder::new(), in_frame: false }
    }

    /// Goes into the next frame that holds data. `false` at the end of the file.
    fn enter(&mut self) -> Result<bool, Error> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.packed) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = std::io::copy(&mut (&mut self.packed).take(length), &mut std::io::sink())?;
                    if skipped < length {
                        return Err(Error::new(ErrorKind::UnexpectedEof, "a skipped frame is cut off"));
                    }
                }
                Err(error) => return Err(Error::new(ErrorKind::InvalidData, error)),
            }
        }
        Ok(false)
    }

    fn leave(&mut self) -> Result<(), Error> {
        self.in_frame = false;
        let (told, found) = (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
        match (told, found) {
            (Some(told), Some(found)) if told != found => {
                Err(Error::new(ErrorKind::InvalidData, "the checksum of a frame is wrong"))
            }
            (None | Some(_), None | Some(_)) => Ok(()),
        }
    }
}

impl Read for ZstdFrames {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        loop {
            if !self.in_frame && !self.enter()? {
                return Ok(0);
            }
            while self.frame.can_collect() == 0 && !self.frame.is_finished() {
                let decoded =
                    self.frame.decode_blocks(&mut self.packed, BlockDecodingStrategy::UptoBlocks(1));
                decoded.map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
            }
            let read = self.frame.read(bytes)?;
            if read > 0 || bytes.is_empty() {
                return Ok(read);
            }
            self.leave()?;
        }
    }
}
