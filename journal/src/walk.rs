//! Goes from frame to frame over all segments, and stops at the end or at the first bad place.
//!
//! Invariant: what [`Step::Frame`] tells has passed every check that needs no other frame: checksum, lengths, padding,
//! counts; and is dense, in an epoch that does not fall, in a segment that was activated for it. Seals are frames here.
//! Bytes are read into a 16-aligned buffer and read again before they are called bad: a live writer may have been at it.

use crate::buffer::Buffer;
use crate::chain;
use crate::crcs::FrameCrcs;
use crate::directory::{self, FileError, failed};
use crate::first::FirstKept;
use crate::format::{
    self, ACTIVATION_OFFSET, Activation, FRAME_HEADER_SIZE, FRAMES_OFFSET, FrameHeader, JournalId, PayloadRef,
};
use crate::reader::Place;
use crate::schema;
use crate::segment::{self, Activity, Opened, SegmentFile};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Sequence, TimeNs};

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
    rules: Rules,
    buffer: Buffer,
    frame: usize,
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
            rules: Rules::new(segment.number),
            buffer: Buffer::new(),
            frame: 0,
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

    /// Goes to a frame of the segment that was seen before: the next step gives it, or tells that it is not there.
    pub(crate) fn skip_to(&mut self, offset: u64, sequence: Sequence) {
        (self.offset, self.rules.next) = (offset, sequence);
        self.buffer.forget();
    }

    /// Ends with the segment instead of going on to the next.
    pub(crate) fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Leaves the checksum out: a walker that cannot do its work, to show that a test would notice.
    #[cfg(test)]
    pub(crate) fn without_checksum(mut self) -> Self {
        self.rules.check_crc = false;
        self
    }

    fn enter(&mut self, activation: Activation) {
        self.rules.enter(self.segment.number, activation);
        self.activation = Some(activation);
        self.offset = FRAMES_OFFSET as u64;
        self.buffer.forget();
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.rules.next
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
                    self.rules.take(&header);
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

    /// Goes on behind the frame that the last step gave, as long as the next lies whole in the buffer; whatever is not
    /// just a good frame with records is left to the next step. `on_frame` sees each but the first, which must be none
    /// but a frame with records, too, and may break off before a frame is taken in.
    #[inline]
    pub(crate) fn run_on(
        &mut self,
        first: FrameHeader,
        limits: RunLimits,
        mut on_frame: impl FnMut(Place, &[u8]) -> ControlFlow<()>,
    ) -> Run {
        let start = self.offset - self.frame as u64;
        let segment = self.rules.segment;
        let mut run = Run::of_one(&first, Place { segment, offset: start });
        let bytes = self.buffer.from(start);
        let (mut last, mut at) = (0, self.frame);
        clear(&mut bytes[..at], limits);
        let mut good = at;
        let bound = limits.stop.min(limits.bound);
        while self.rules.next <= bound {
            if at == good {
                good += self.rules.good(&mut bytes[at..]);
            }
            let Some(length) = format::whole_frame(&bytes[at..good]) else { break };
            let frame = &bytes[at..at + length];
            let header = FrameHeader::read(frame);
            let Ok(is_readable) = self.rules.check_good(&header, frame, limits.payloads) else { break };
            if header.is_seal() || !is_readable {
                break;
            }
            if on_frame(Place { segment, offset: start + at as u64 }, frame).is_break() {
                run.is_broken_off = true;
                break;
            }
            self.rules.take(&header);
            run.last_time = run.last_time.max(header.time_ns);
            run.frames += 1;
            clear(&mut bytes[at..at + length], limits);
            (last, at) = (at, at + length);
        }
        self.offset = start + at as u64;
        self.frame = at - last;
        run.last_first = FrameHeader::read(&bytes[last..]).first_sequence;
        run.last_place = Place { segment, offset: start + last as u64 };
        (run.last_sequence, run.epoch) = (Sequence(self.rules.next.0 - 1), self.rules.epoch);
        run
    }

    /// The bytes of a run that has just ended, and where in them its last frame starts.
    pub(crate) fn run_bytes(&mut self, run: &Run) -> (&[u8], usize) {
        let length = self.offset - run.start;
        let bytes = self.buffer.at(run.start, usize::try_from(length).expect("a run lies in memory"));
        (bytes, usize::try_from(run.last_place.offset - run.start).expect("a run lies in memory"))
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
        if let Some(fault) = self.fill(FRAME_HEADER_SIZE, left)? {
            return Ok(Here::Bad(fault));
        }
        let start = self.buffer.at(self.offset, FRAME_HEADER_SIZE);
        if format::u32_at(start, 0) == 0 {
            return Ok(Here::Nothing);
        }
        let Some(length) = format::plausible_length(start).filter(|length| *length <= left) else {
            return Ok(Here::Bad("the length of a frame is impossible"));
        };
        if let Some(fault) = self.fill(length, left)? {
            return Ok(Here::Bad(fault));
        }
        let frame = self.buffer.at(self.offset, length);
        Ok(match self.rules.check(frame) {
            Err(reason) => Here::Bad(reason),
            Ok(header) => Here::Frame(header, length),
        })
    }

    /// Makes the bytes readable, or tells why they cannot be had: a compressed block is damaged, or a sector is bad.
    fn fill(&mut self, length: usize, left: usize) -> Result<Option<&'static str>, FileError> {
        let content = &self.segment.content;
        let ahead = self.buffer.fill(content, self.offset, length, left);
        // What is bad may be what would only have been read ahead.
        let filled = ahead.or_else(|_| self.buffer.fill(content, self.offset, length, length));
        match filled {
            Ok(()) => Ok(None),
            Err(error) => {
                let fault = segment::fault_of(&error).map(Some);
                fault.ok_or_else(|| failed("read", &self.segment.path)(error))
            }
        }
    }

    /// Whether something is behind the last frame of the segment.
    fn has_more(&self) -> Result<Result<bool, &'static str>, FileError> {
        match self.segment.last_non_zero(self.offset) {
            Err(error) => segment::fault_of(&error.source).map(Err).ok_or(error),
            Ok(found) => Ok(Ok(found.is_some())),
        }
    }

    /// Goes over to the next segment, or tells why not.
    fn next_segment(&mut self) -> Result<Option<Step>, FileError> {
        let here = self.place();
        let number = self.segment.number + 1;
        let bad =
            |offset: usize, reason| Some(Step::Bad(Place { segment: number, offset: offset as u64 }, reason));
        if self.alone {
            return Ok(Some(match self.has_more()? {
                Ok(true) if self.strict => Step::Bad(here, AFTER_THE_LAST),
                Err(fault) if self.strict => Step::Bad(here, fault),
                Ok(_) | Err(_) => Step::End(here),
            }));
        }
        let opened = SegmentFile::open(&self.dir, number)?;
        let used = match &opened {
            Opened::Missing => false,
            Opened::Bad(_) => true,
            Opened::Segment(segment) => segment.activity()? != Activity::Prepared,
        };
        if !used {
            self.refuse_if_let_go(number)?;
            return Ok(Some(Step::End(here)));
        }
        if self.strict {
            match self.has_more()? {
                Ok(false) => {}
                Ok(true) => return Ok(Some(Step::Bad(here, AFTER_THE_LAST))),
                Err(fault) => return Ok(Some(Step::Bad(here, fault))),
            }
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
        if self.activation.is_none() || activation.first_sequence != self.rules.next {
            return Ok(Some(Step::Bad(here, "frames are missing before the next segment")));
        }
        if activation.epoch < self.rules.epoch {
            return Ok(bad(ACTIVATION_OFFSET, "the epoch of a segment falls"));
        }
        self.segment = segment;
        self.enter(activation);
        Ok(None)
    }

    /// Whether the next segment was let go while this one was read is an error of its own, and no damage. The oldest goes
    /// first, so this one, which is still open, has no name any more.
    fn refuse_if_let_go(&self, next: u64) -> Result<(), FileError> {
        if directory::exists(&directory::stored_path(&self.dir, self.segment.number)) {
            return Ok(());
        }
        match FirstKept::read(&self.dir)? {
            Some(Ok(kept)) if kept.segment > next => {
                let text = format!("segments up to {} were let go meanwhile; begin again", kept.segment - 1);
                let error = io::Error::new(io::ErrorKind::NotFound, text);
                Err(failed("read on in", &directory::segment_path(&self.dir, next))(error))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// How far a run goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunLimits {
    /// It ends with the frame that holds this record.
    pub(crate) stop: Sequence,
    /// No frame is looked at that starts behind this one.
    pub(crate) bound: Sequence,
    /// Whether what depends on timing becomes zeros in the buffer, as the chain wants it, behind `on_frame`.
    pub(crate) clear_timing: bool,
    /// It ends before a frame with a payload that cannot be read.
    pub(crate) payloads: bool,
}

/// Frames with records that lie one behind the other in a walker's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    start: u64,
    /// Where the last frame lies.
    pub(crate) last_place: Place,
    /// The first record of it.
    pub(crate) last_first: Sequence,
    /// The last record; of a seal, the one before it.
    pub(crate) last_sequence: Sequence,
    pub(crate) epoch: u32,
    /// How many there are; a seal is none.
    pub(crate) frames: u64,
    pub(crate) last_time: TimeNs,
    pub(crate) is_broken_off: bool,
}

impl Run {
    /// One frame, which may be a seal.
    pub(crate) fn of_one(header: &FrameHeader, place: Place) -> Self {
        Self {
            start: place.offset,
            last_place: place,
            last_first: header.first_sequence,
            last_sequence: header.last_sequence(),
            epoch: header.epoch,
            frames: u64::from(!header.is_seal()),
            last_time: header.time_ns,
            is_broken_off: false,
        }
    }
}

#[inline]
fn clear(frame: &mut [u8], limits: RunLimits) {
    if limits.clear_timing {
        chain::clear_timing(frame);
    }
}

/// What a frame must be at its place.
#[derive(Debug)]
struct Rules {
    segment: u64,
    next: Sequence,
    epoch: u32,
    crcs: FrameCrcs,
    check_crc: bool,
}

impl Rules {
    fn new(segment: u64) -> Self {
        let check_crc = !broken!(NoChecksum);
        Self { segment, next: Sequence::FIRST, epoch: 0, crcs: FrameCrcs::new(segment), check_crc }
    }

    fn enter(&mut self, segment: u64, activation: Activation) {
        if segment != self.segment {
            (self.segment, self.crcs) = (segment, FrameCrcs::new(segment));
        }
        self.next = activation.first_sequence;
        self.epoch = activation.epoch;
    }

    fn take(&mut self, header: &FrameHeader) {
        self.next = header.next_sequence();
        self.epoch = header.epoch;
    }

    /// Checks a frame that has exactly its length.
    #[inline]
    fn check(&self, frame: &[u8]) -> Result<FrameHeader, &'static str> {
        let crc = u32::try_from(frame.len()).map(|length| self.crcs.of(length, frame));
        if self.check_crc && crc != Ok(format::u32_at(frame, 4)) {
            return Err("checksum of a frame differs");
        }
        let header = FrameHeader::read(frame);
        self.check_good(&header, frame, false).map(|_| header)
    }

    /// How many bytes are frames with the right checksum.
    fn good(&mut self, bytes: &mut [u8]) -> usize {
        if self.check_crc { self.crcs.good(bytes) } else { bytes.len() }
    }

    /// Checks a frame with the right checksum, whose header is `header`, and if asked whether its payloads can be read.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "of the header only what is looked at is read in its place")]
    fn check_good(&self, header: &FrameHeader, frame: &[u8], payloads: bool) -> Result<bool, &'static str> {
        let is_readable = if payloads {
            format::check_content(frame, |payload| {
                let PayloadRef { kind, type_id, schema_version, bytes } = payload;
                schema::is_valid(kind, type_id, schema_version, bytes)
            })?
        } else {
            format::check_content(frame, |_| true)?
        };
        if header.first_sequence != self.next {
            return Err("the sequence of a frame does not follow");
        }
        if header.epoch < self.epoch {
            return Err("the epoch of a frame falls");
        }
        if header.synced_through >= header.first_sequence {
            return Err("a frame calls durable what was not yet written");
        }
        Ok(is_readable)
    }
}

enum Here {
    Frame(FrameHeader, usize),
    Nothing,
    Bad(&'static str),
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
