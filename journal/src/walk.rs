//! Goes from frame to frame over all segments, and stops at the end or at the first bad place.
//!
//! Invariant: what [`Step::Frame`] tells has passed every check that needs no other frame: checksum, lengths, padding,
//! counts; and is dense, in an epoch that does not fall, in a segment that was activated for it. Seals are frames here.
//! Bytes are read into a 16-aligned buffer and read again before they are called bad: a live writer may have been at it.

use crate::directory::{FileError, failed};
use crate::format::{
    self, ACTIVATION_OFFSET, ALIGNMENT, Activation, FRAME_HEADER_SIZE, FRAME_SIZE_MAX, FRAMES_OFFSET,
    FrameHeader, JournalId,
};
use crate::reader::Place;
use crate::segment::{self, Activity, Content, Opened, SegmentFile};
use std::io;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

const BUFFER_SIZE: usize = 256 * 1024;
const READ_SIZE_MIN: usize = 4096;

const _: () = assert!(FRAME_SIZE_MAX <= BUFFER_SIZE, "a frame fits the buffer");

const AFTER_THE_LAST: &str = "there is something after the last frame of a segment";

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A good frame; [`Walker::frame`] has its bytes.
    Frame(FrameHeader, Place),
    /// No frame, and nothing that says there should be one.
    End(Place),
    /// Something that is no good frame.
    Bad(Place, &'static str),
}

/// Where the walk stands.
#[derive(Debug)]
pub(crate) struct Walker {
    dir: PathBuf,
    segment: SegmentFile,
    activation: Option<Activation>,
    offset: u64,
    next: Sequence,
    epoch: u32,
    buffer: Buffer,
    frame: usize,
    check_crc: bool,
    strict: bool,
    alone: bool,
}

impl Walker {
    /// Starts at the first frame of `segment`. `strict` also wants zeros behind the last frame of a segment.
    pub(crate) fn start(
        dir: &Path,
        segment: SegmentFile,
        strict: bool,
    ) -> Result<(Self, Option<Step>), FileError> {
        let mut walker = Self {
            dir: dir.to_owned(),
            activation: None,
            offset: ACTIVATION_OFFSET as u64,
            next: Sequence::FIRST,
            epoch: 0,
            buffer: Buffer::new(),
            frame: 0,
            check_crc: !broken!(NoChecksum),
            strict,
            alone: false,
            segment,
        };
        let step = match walker.segment.activity()? {
            Activity::Prepared => Some(Step::End(walker.place())),
            Activity::Bad(reason) => Some(Step::Bad(walker.place(), reason)),
            Activity::Active(activation) => {
                walker.enter(activation);
                None
            }
        };
        Ok((walker, step))
    }

    /// Ends with the segment instead of going on to the next.
    pub(crate) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Leaves the checksum out: a walker that cannot do its work, to show that a test would notice.
    #[cfg(test)]
    pub(crate) fn without_checksum(mut self) -> Self {
        self.check_crc = false;
        self
    }

    fn enter(&mut self, activation: Activation) {
        self.next = activation.first_sequence;
        self.epoch = activation.epoch;
        self.activation = Some(activation);
        self.offset = FRAMES_OFFSET as u64;
        self.buffer.forget();
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.next
    }

    pub(crate) fn journal(&self) -> JournalId {
        self.segment.header.journal
    }

    /// The activation page of the segment that the last frame lies in.
    pub(crate) fn activation(&self) -> Option<Activation> {
        self.activation
    }

    pub(crate) fn segment(&self) -> &SegmentFile {
        &self.segment
    }

    pub(crate) fn place(&self) -> Place {
        Place { segment: self.segment.number, offset: self.offset }
    }

    /// The bytes of the frame that the last step gave.
    pub(crate) fn frame(&self) -> &[u8] {
        self.buffer.at(self.offset - self.frame as u64, self.frame)
    }

    /// One step. After an end or a bad place the walk may be tried again from there.
    pub(crate) fn step(&mut self) -> Result<Step, FileError> {
        loop {
            let (place, step) = (self.place(), self.frame_here()?);
            match step {
                Here::Frame(header, length) => {
                    self.offset += length as u64;
                    self.frame = length;
                    self.next = header.next_sequence();
                    self.epoch = header.epoch;
                    return Ok(Step::Frame(header, place));
                }
                Here::Bad(reason) => return Ok(Step::Bad(place, reason)),
                Here::Nothing => {
                    if let Some(step) = self.next_segment()? {
                        return Ok(step);
                    }
                }
            }
        }
    }

    fn frame_here(&mut self) -> Result<Here, FileError> {
        if self.activation.is_none() || self.segment.size() - self.offset < FRAME_HEADER_SIZE as u64 {
            return Ok(Here::Nothing);
        }
        if let here @ Here::Frame(..) = self.look(false)? {
            return Ok(here);
        }
        self.look(true)
    }

    fn look(&mut self, fresh: bool) -> Result<Here, FileError> {
        if fresh {
            self.buffer.forget();
        }
        let left = usize::try_from(self.segment.size() - self.offset).unwrap_or(usize::MAX);
        if !self.fill(FRAME_HEADER_SIZE, left)? {
            return Ok(Here::Bad(segment::UNREADABLE));
        }
        let start = self.buffer.at(self.offset, FRAME_HEADER_SIZE);
        if format::u32_at(start, 0) == 0 {
            return Ok(Here::Nothing);
        }
        let Some(length) = format::plausible_length(start).filter(|length| *length <= left) else {
            return Ok(Here::Bad("the length of a frame is impossible"));
        };
        if !self.fill(length, left)? {
            return Ok(Here::Bad(segment::UNREADABLE));
        }
        let frame = self.buffer.at(self.offset, length);
        Ok(match format::check_frame(self.segment.number, frame, self.check_crc) {
            Err(reason) => Here::Bad(reason),
            Ok(header) if header.first_sequence != self.next => {
                Here::Bad("the sequence of a frame does not follow")
            }
            Ok(header) if header.epoch < self.epoch => Here::Bad("the epoch of a frame falls"),
            Ok(header) if header.synced_through >= header.first_sequence => {
                Here::Bad("a frame calls durable what was not yet written")
            }
            Ok(header) => Here::Frame(header, length),
        })
    }

    /// Whether the bytes are there: those of a compressed segment may be damaged.
    fn fill(&mut self, length: usize, left: usize) -> Result<bool, FileError> {
        match self.buffer.fill(&self.segment.content, self.offset, length, left) {
            Ok(()) => Ok(true),
            Err(error) if segment::is_damage(&error) => Ok(false),
            Err(error) => Err(failed("read", &self.segment.path)(error)),
        }
    }

    /// Goes over to the next segment, or tells why not.
    fn next_segment(&mut self) -> Result<Option<Step>, FileError> {
        let here = self.place();
        let number = self.segment.number + 1;
        let bad =
            |offset: usize, reason| Some(Step::Bad(Place { segment: number, offset: offset as u64 }, reason));
        if self.alone {
            return Ok(Some(match self.segment.last_non_zero(self.offset)? {
                Some(_) if self.strict => Step::Bad(here, AFTER_THE_LAST),
                Some(_) | None => Step::End(here),
            }));
        }
        let opened = SegmentFile::open(&self.dir, number)?;
        let used = match &opened {
            Opened::Missing => false,
            Opened::Bad(_) => true,
            Opened::Segment(segment) => segment.activity()? != Activity::Prepared,
        };
        if !used {
            return Ok(Some(Step::End(here)));
        }
        if self.strict && self.segment.last_non_zero(self.offset)?.is_some() {
            return Ok(Some(Step::Bad(here, AFTER_THE_LAST)));
        }
        let segment = match opened {
            Opened::Missing => return Ok(Some(Step::End(here))),
            Opened::Bad(reason) => return Ok(bad(0, reason)),
            Opened::Segment(segment) => segment,
        };
        if segment.header.journal != self.journal() {
            return Ok(bad(0, "the segment is of another journal"));
        }
        let activation = match segment.activity()? {
            Activity::Prepared => return Ok(Some(Step::End(here))),
            Activity::Bad(reason) => return Ok(bad(ACTIVATION_OFFSET, reason)),
            Activity::Active(activation) => activation,
        };
        if self.activation.is_none() || activation.first_sequence != self.next {
            return Ok(Some(Step::Bad(here, "frames are missing before the next segment")));
        }
        if activation.epoch < self.epoch {
            return Ok(bad(ACTIVATION_OFFSET, "the epoch of a segment falls"));
        }
        self.segment = segment;
        self.enter(activation);
        Ok(None)
    }
}

enum Here {
    Frame(FrameHeader, usize),
    Nothing,
    Bad(&'static str),
}

/// Bytes of one file, 16-aligned in memory as in the file.
#[derive(Debug)]
struct Buffer {
    space: Vec<u8>,
    shift: usize,
    start: u64,
    filled: usize,
    read_size: usize,
}

impl Buffer {
    fn new() -> Self {
        let space = vec![0; BUFFER_SIZE + ALIGNMENT];
        let shift = space.as_ptr().align_offset(ALIGNMENT);
        Self { space, shift, start: 0, filled: 0, read_size: READ_SIZE_MIN }
    }

    fn forget(&mut self) {
        self.filled = 0;
        self.read_size = READ_SIZE_MIN;
    }

    /// The `length` bytes at `offset` of the file, which were filled before.
    fn at(&self, offset: u64, length: usize) -> &[u8] {
        let index = usize::try_from(offset - self.start).expect("the buffer is smaller than memory");
        &self.space[self.shift..][..self.filled][index..index + length]
    }

    /// Makes `length` bytes at `offset` readable; reads ahead further the longer the way has been good.
    fn fill(&mut self, content: &Content, offset: u64, length: usize, left: usize) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JournalConfig;
    use crate::directory;
    use crate::recovery::recover;
    use tickwerk_domain::{Command, Envelope, Payload, Record, TimeNs, command::TimeAdvanced};

    /// The harness of the flip tests must be able to fail: a walker that does not check must not notice.
    #[test]
    fn a_walker_without_the_checksum_misses_a_flip_that_the_real_one_sees() {
        let dir = tempfile::tempdir().unwrap();
        let config = JournalConfig { segment_size: 64 * 1024, ..JournalConfig::new(dir.path()) };
        let mut journal = recover(config).unwrap().open().unwrap();
        let flags = Envelope::LAST_OF_FRAME;
        let envelope = Envelope { sequence: Sequence::FIRST, flags, ..Envelope::default() };
        let payload = Payload::Command(Command::TimeAdvanced(TimeAdvanced { due: TimeNs(7) }));
        journal.writer.push(&Record { envelope, payload }).unwrap();
        journal.writer.close().unwrap();
        let path = directory::segment_path(dir.path(), 1);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[FRAMES_OFFSET + FRAME_HEADER_SIZE + format::RECORD_HEADER_SIZE] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let walker = || {
            let Opened::Segment(segment) = SegmentFile::open(dir.path(), 1).unwrap() else {
                panic!("the segment opens");
            };
            Walker::start(dir.path(), segment, true).unwrap().0
        };
        assert!(matches!(walker().step().unwrap(), Step::Bad(_, "checksum of a frame differs")));
        assert!(matches!(walker().without_checksum().step().unwrap(), Step::Frame(..)));
    }
}
