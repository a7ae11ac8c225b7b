//! Part of a file in memory: what a walk reads at once.

use crate::format::{ALIGNMENT, FRAME_SIZE_MAX};
use crate::segment::Content;
use std::io;

/// Little enough for a cache, as what is read is looked at twice: once for checksums, once for the chain.
const BUFFER_SIZE: usize = 512 * 1024;
const READ_SIZE_MIN: usize = 4096;

const _: () = assert!(FRAME_SIZE_MAX <= BUFFER_SIZE, "a frame fits the buffer");

/// Bytes of one file, 16-aligned in memory as in the file.
#[derive(Debug)]
pub(crate) struct Buffer {
    space: Vec<u8>,
    shift: usize,
    start: u64,
    filled: usize,
    read_size: usize,
}

impl Buffer {
    pub(crate) fn new() -> Self {
        let space = vec![0; BUFFER_SIZE + ALIGNMENT];
        let shift = space.as_ptr().align_offset(ALIGNMENT);
        Self { space, shift, start: 0, filled: 0, read_size: READ_SIZE_MIN }
    }

    pub(crate) fn forget(&mut self) {
        self.filled = 0;
        self.read_size = READ_SIZE_MIN;
    }

    /// The `length` bytes at `offset` of the file, which were filled before.
    pub(crate) fn at(&self, offset: u64, length: usize) -> &[u8] {
        let index = usize::try_from(offset - self.start).expect("the buffer is smaller than memory");
        &self.space[self.shift..][..self.filled][index..index + length]
    }

    /// What is filled from `offset` on, as far as it goes.
    #[inline]
    pub(crate) fn from(&mut self, offset: u64) -> &mut [u8] {
        let filled = &mut self.space[self.shift..][..self.filled];
        let index = offset.checked_sub(self.start).and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| filled.get_mut(index..)).unwrap_or_default()
    }

    /// Makes `length` bytes at `offset` readable; reads ahead further the longer the way has been good.
    pub(crate) fn fill(
        &mut self,
        content: &Content,
        offset: u64,
        length: usize,
        left: usize,
    ) -> io::Result<()> {
        let end = self.start + self.filled as u64;
        if self.start <= offset && offset + length as u64 <= end {
            return Ok(());
        }
        let wanted = self.read_size.max(length).min(left);
        self.read_size = (self.read_size * 2).min(BUFFER_SIZE);
        self.start = offset;
        self.filled = 0;
        let space = &mut self.space[self.shift..][..wanted];
        let read = content.read_at(space, offset)?;
        // A file that was cut short ends in zeros, as far as its header goes.
        space[read..].fill(0);
        self.filled = wanted;
        Ok(())
    }
}
