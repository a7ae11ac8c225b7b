//! Checksums of the frames of a segment: of one, or of many at once.
//!
//! Invariant: bytes that are looked at are as they were when it is done. Nothing fails.

use crate::crc;
use crate::format::{ALIGNMENT, bytes_at, prefix_crc, put, u32_at, whole_frame};
use crate::mmap::CACHE_LINE_SIZE;

/// Checksums of the frames of one segment. What stands before the frames of a length is the same each time, so its
/// checksum is kept.
#[derive(Debug)]
pub(crate) struct FrameCrcs {
    segment: u64,
    /// By length in units of [`ALIGNMENT`].
    prefixes: Box<[u32]>,
    /// Length and checksum of frames that are looked at together.
    starts: Vec<u64>,
}

/// Frames of as many units or more are rare; theirs are worked out each time.
const KEPT_PREFIXES: usize = 128;
/// Bytes of frames that are looked at together: much for a checksum, little enough to stay near meanwhile.
const CRCS_AT_ONCE: usize = 26 * 1024;

impl FrameCrcs {
    pub(crate) fn new(segment: u64) -> Self {
        let lengths = (0..).step_by(ALIGNMENT).take(KEPT_PREFIXES);
        let prefixes = lengths.map(|length| prefix_crc(segment, length)).collect();
        Self { segment, prefixes, starts: Vec::new() }
    }

    /// As [`frame_crc`].
    #[inline]
    pub(crate) fn of(&self, length: u32, frame: &[u8]) -> u32 {
        let kept = self.prefixes.get(length as usize / ALIGNMENT);
        let prefix = kept.copied().unwrap_or_else(|| prefix_crc(self.segment, length));
        crc::append(prefix, &frame[8..])
    }

    /// How many of `bytes` are frames with the right checksum, one behind the other; some [`CRCS_AT_ONCE`] are looked at.
    /// They are changed meanwhile and are as they were in the end.
    ///
    /// One checksum over many frames takes a third of the time. A checksum goes on from any other by an exclusive or of
    /// its next four bytes: where these become length ⊕ that of the segment number ⊕ that of the frame before, it
    /// is from there on that of the frame. One wrong frame is found here whenever it is found by itself: what is wrong
    /// goes on to the end and never becomes right. Where several are, they escape by a chance of 2⁻³², as one does.
    pub(crate) fn good(&mut self, bytes: &mut [u8]) -> usize {
        let segment_crc = crc32c::crc32c(&self.segment.to_le_bytes());
        let (mut end, mut crc) = (0, 0);
        self.starts.clear();
        bring_near(&bytes[..bytes.len().min(CRCS_AT_ONCE)]);
        while end < CRCS_AT_ONCE
            && let Some(length) = whole_frame(&bytes[end..])
        {
            let start = bytes_at(bytes, end);
            self.starts.push(u64::from_le_bytes(start));
            let goes_on = u64::from(u32_at(&start, 0) ^ segment_crc ^ crc);
            put(bytes, end, &goes_on.to_le_bytes());
            crc = u32_at(&start, 4);
            end += length;
        }
        let is_good = crc32c::crc32c(&bytes[..end]) == crc;
        let mut at = 0;
        for start in &self.starts {
            put(bytes, at, &start.to_le_bytes());
            at += u32_at(&start.to_le_bytes(), 0) as usize;
        }
        if is_good { end } else { self.good_alone(&bytes[..end]) }
    }

    /// As [`Self::good`], frame by frame.
    fn good_alone(&self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(length) = whole_frame(&bytes[at..])
            && let Ok(word) = u32::try_from(length)
            && self.of(word, &bytes[at..at + length]) == u32_at(bytes, at + 4)
        {
            at += length;
        }
        at
    }
}

/// Looks at every cache line once. Going from frame to frame waits for each line by itself; here they come side by side.
fn bring_near(bytes: &[u8]) {
    std::hint::black_box(bytes.iter().step_by(CACHE_LINE_SIZE).fold(0, |all, byte| all | byte));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{FRAME_HEADER_SIZE, frame_crc};

    const SEGMENT: u64 = 7;

    /// Frames of several lengths with checksums, and where each starts.
    fn frames(count: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for number in 0..count {
            let length = FRAME_HEADER_SIZE + number % 5 * ALIGNMENT;
            let mut frame: Vec<u8> =
                (0..length).map(|at| ((at * 31 + number * 17) % 251).to_le_bytes()[0]).collect();
            let word = u32::try_from(length).unwrap();
            put(&mut frame, 0, &word.to_le_bytes());
            let crc = frame_crc(SEGMENT, word, &frame);
            put(&mut frame, 4, &crc.to_le_bytes());
            starts.push(bytes.len());
            bytes.extend(frame);
        }
        (bytes, starts)
    }

    #[test]
    fn checksums_of_many_frames_at_once_find_every_flip_where_it_is() {
        let (whole, starts) = frames(12);
        let mut crcs = FrameCrcs::new(SEGMENT);
        assert_eq!(crcs.good(&mut whole.clone()), whole.len());
        assert_eq!(FrameCrcs::new(SEGMENT + 1).good(&mut whole.clone()), 0);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = bytes.clone();
            let hit = starts.iter().rfind(|start| **start <= bit / 8).unwrap();
            assert_eq!(crcs.good(&mut bytes), *hit, "bit {bit}");
            assert_eq!(bytes, changed, "bit {bit}: the bytes are as they were");
        }
    }

    #[test]
    fn two_wrong_frames_are_found_at_the_first() {
        let (whole, starts) = frames(12);
        let mut crcs = FrameCrcs::new(SEGMENT);
        for first in 0..starts.len() {
            for second in first + 1..starts.len() {
                let mut bytes = whole.clone();
                bytes[starts[first] + 20] ^= 4;
                bytes[starts[second] + 20] ^= 4;
                assert_eq!(crcs.good(&mut bytes), starts[first]);
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_left_out() {
        let (whole, starts) = frames(3);
        let mut crcs = FrameCrcs::new(SEGMENT);
        assert_eq!(crcs.good(&mut whole[..whole.len() - 1].to_vec()), starts[2]);
        assert_eq!(crcs.good(&mut []), 0);
        assert_eq!(crcs.good(&mut vec![0; 4096]), 0);
    }
}
