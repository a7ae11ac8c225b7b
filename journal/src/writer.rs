//! Appends frames: encodes straight into the mapping and publishes with one word, or gathers and writes them.
//!
//! Pre: records come in order of sequence, the command of a frame first and the flag on its last. Invariant: bytes of a
//! segment's file after its last frame are zero; memory that only gathers frames may hold anything. Appending never syncs;
//! going over to the next segment allocates a little, and waits where none is ready. After any error nothing more is
//! accepted: every call says `Poisoned`.

use super::append_error::AppendError;
use super::chain::ChainHead;
use super::crcs::FrameCrcs;
use super::crew::{Crew, Works};
use super::directory::{FileError, failed};
use super::failpoint::{Failpoint, reach};
use super::failure::Failure;
use super::format::{
    self, ALIGNMENT, Activation, FRAME_HEADER_SIZE, FRAMES_OFFSET, FrameHeader, JournalId,
    OPAQUE_HEADER_SIZE, OPAQUE_SIZE_MAX, PLAIN_FRAME_SIZE_MAX, RECORD_FLAG_OPAQUE, RECORD_HEADER_SIZE,
    RECORDS_PER_FRAME_MAX, RecordHeader,
};
use super::mmap::{GATHER_SIZE, SegmentWriter};
use super::prepare::Spare;
use super::schema;
use super::sync::park_timeout;
use super::watermarks::Watermarks;
use std::time::{Duration, Instant};
use tickwerk_domain::{CorrelationId, Envelope, Kind, Record, Sequence, SourceId, TextId, TimeNs};

/// Idleness after which a seal is written.
const IDLE_BEFORE_SEAL: Duration = Duration::from_millis(10);
const CLOSE_PAUSE: Duration = Duration::from_micros(100);

/// What a clean stop leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed {
    /// The last record; 0 where there is none.
    pub last_sequence: Sequence,
    /// The head through it; `None` when the chain is off.
    pub chain_head: Option<ChainHead>,
    /// Bytes of all frames and seals of the journal.
    pub bytes: u64,
}

/// The one writer.
#[derive(Debug)]
pub struct Writer {
    segment: SegmentWriter,
    /// The last record in a frame that is complete.
    last: Sequence,
    crcs: FrameCrcs,
    journal: JournalId,
    epoch: u32,
    next: Sequence,
    frame: OpenFrame,
    last_time: TimeNs,
    bytes: u64,
    bytes_before: u64,
    sealed: bool,
    poisoned: bool,
    /// Something was written since the sync thread was last woken.
    dirty: bool,
    idle_since: Option<Instant>,
    marks: Watermarks,
    crew: Crew,
}

/// The frame that is being written.
#[derive(Debug, Default)]
struct OpenFrame {
    size: usize,
    count: u16,
    command: Envelope,
}

/// Where a writer goes on.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) active: Spare,
    pub(crate) journal: JournalId,
    pub(crate) epoch: u32,
    pub(crate) next: Sequence,
    pub(crate) last_time: TimeNs,
    pub(crate) bytes_before: u64,
    pub(crate) sealed: bool,
}

impl Writer {
    pub(crate) fn new(start: Start, marks: Watermarks, crew: Crew) -> Self {
        Self {
            segment: start.active.writer,
            last: Sequence(start.next.0 - 1),
            crcs: FrameCrcs::new(start.active.number),
            journal: start.journal,
            epoch: start.epoch,
            next: start.next,
            frame: OpenFrame::default(),
            last_time: start.last_time,
            bytes: 0,
            bytes_before: start.bytes_before,
            sealed: start.sealed,
            poisoned: false,
            dirty: false,
            idle_since: None,
            marks,
            crew,
        }
    }

    /// Sets the threads to work.
    pub(crate) fn start(&mut self, works: Works, prefault_bytes: usize) -> Result<(), FileError> {
        self.crew.start(works, prefault_bytes)
    }

    /// The sequence that comes next.
    pub fn next_sequence(&self) -> Sequence {
        self.next
    }

    /// Bytes that are left in the segment.
    #[cfg(test)]
    pub(crate) fn remaining(&self) -> usize {
        self.segment.remaining()
    }

    /// Appends a record; the last sequence of the frame when the frame is complete and published.
    #[inline]
    pub fn push(&mut self, record: &Record) -> Result<Option<Sequence>, AppendError> {
        self.append(record, None)
    }

    /// Appends the command of a frame with an opaque part of up to 64 KiB.
    pub fn push_with_opaque(
        &mut self,
        record: &Record,
        opaque: &[u8],
    ) -> Result<Option<Sequence>, AppendError> {
        self.append(record, Some(opaque))
    }

    #[inline]
    fn append(&mut self, record: &Record, opaque: Option<&[u8]>) -> Result<Option<Sequence>, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let result = self.append_sound(record, opaque);
        self.poisoned = result.is_err();
        result
    }

    #[inline]
    fn append_sound(
        &mut self,
        record: &Record,
        opaque: Option<&[u8]>,
    ) -> Result<Option<Sequence>, AppendError> {
        let envelope = &record.envelope;
        self.check(record)?;
        if self.frame.count == 0 {
            self.start_frame(envelope, opaque)?;
        } else if let Some(opaque) = opaque {
            return Err(AppendError::Opaque { sequence: self.next, length: opaque.len(), limit: 0 });
        }
        self.write_record(record, opaque)?;
        self.frame.count += 1;
        self.next = self.next.next();
        if envelope.flags & Envelope::LAST_OF_FRAME == 0 {
            return Ok(None);
        }
        self.finish_frame(envelope)?;
        Ok(Some(envelope.sequence))
    }

    fn check(&self, record: &Record) -> Result<(), AppendError> {
        let envelope = &record.envelope;
        let sequence = envelope.sequence;
        if sequence != self.next {
            return Err(AppendError::Gap { expected: self.next, found: sequence });
        }
        if (self.frame.count == 0) != (record.payload.kind() == Kind::Command) {
            return Err(AppendError::OutOfPlace { sequence });
        }
        if self.frame.count > 0 {
            let command = &self.frame.command;
            let same = command.time_ns == envelope.time_ns
                && command.source == envelope.source
                && command.source_sequence == envelope.source_sequence
                && command.correlation == envelope.correlation
                && command.actor == envelope.actor;
            if !same {
                return Err(AppendError::Differs { sequence });
            }
            if usize::from(self.frame.count) == RECORDS_PER_FRAME_MAX {
                return Err(AppendError::FrameTooLong { sequence });
            }
        }
        Ok(())
    }

    /// Makes room for the largest frame that may come, and for a seal behind it.
    fn start_frame(&mut self, command: &Envelope, opaque: Option<&[u8]>) -> Result<(), AppendError> {
        if self.marks.has_failed() {
            return Err(self.marks.failure().map_or(AppendError::Poisoned, AppendError::Failed));
        }
        let opaque_size = opaque.map_or(0, |opaque| OPAQUE_HEADER_SIZE + format::aligned(opaque.len()));
        let needed = PLAIN_FRAME_SIZE_MAX + opaque_size + FRAME_HEADER_SIZE;
        if let Some(opaque) = opaque {
            let room = self.crew.segment_size - FRAMES_OFFSET - PLAIN_FRAME_SIZE_MAX - FRAME_HEADER_SIZE;
            let limit = OPAQUE_SIZE_MAX.min((room - OPAQUE_HEADER_SIZE) / ALIGNMENT * ALIGNMENT);
            if opaque.len() > limit {
                return Err(AppendError::Opaque { sequence: self.next, length: opaque.len(), limit });
            }
        }
        while self.segment.remaining() < needed {
            self.rotate()?;
        }
        self.frame = OpenFrame { size: FRAME_HEADER_SIZE, count: 0, command: *command };
        Ok(())
    }

    #[inline]
    fn write_record(&mut self, record: &Record, opaque: Option<&[u8]>) -> Result<(), AppendError> {
        let space = &mut self.segment.unpublished()[self.frame.size..];
        let encoded = schema::encode(&record.payload, &mut space[RECORD_HEADER_SIZE..])
            .map_err(|schema::NoSpace| AppendError::FrameTooLong { sequence: record.envelope.sequence })?;
        let header = RecordHeader {
            kind: encoded.kind as u8,
            flags: if opaque.is_some() { RECORD_FLAG_OPAQUE } else { 0 },
            type_id: encoded.type_id.0,
            schema_version: encoded.schema_version,
            payload_length: u16::try_from(encoded.length)
                .expect("a payload is at most PAYLOAD_SIZE_MAX bytes"),
            source_time: record.envelope.source_time.0,
            stream: record.payload.stream(record.envelope.sequence).0,
            stream_version: record.envelope.stream_version,
        };
        header.write(space);
        let mut size = RECORD_HEADER_SIZE + format::aligned(encoded.length);
        if let Some(opaque) = opaque {
            size += format::put_opaque(&mut space[size..], opaque);
        }
        self.frame.size += size;
        Ok(())
    }

    /// Publishes the frame; `last` is of its last record, and the same as its command's in all that a frame tells.
    ///
    /// The command's own, as it was kept, would be read before it has reached the cache.
    #[inline]
    fn finish_frame(&mut self, last: &Envelope) -> Result<(), AppendError> {
        let header = FrameHeader {
            first_sequence: Sequence(self.next.0 - u64::from(self.frame.count)),
            time_ns: last.time_ns,
            source_sequence: last.source_sequence,
            correlation: last.correlation,
            synced_through: self.marks.durable_through(),
            actor: last.actor,
            epoch: self.epoch,
            record_count: self.frame.count,
            source: last.source,
            flags: 0,
        };
        self.last_time = last.time_ns;
        let size = self.frame.size;
        self.frame.count = 0;
        self.sealed = false;
        self.dirty = true;
        self.publish(&header, size)
    }

    #[inline]
    fn publish(&mut self, header: &FrameHeader, size: usize) -> Result<(), AppendError> {
        let frame = &mut self.segment.unpublished()[..size];
        header.write(frame);
        let length = u32::try_from(size).expect("a frame is shorter than 4 GiB");
        let crc = self.crcs.of(length, frame);
        format::put(frame, 4, &crc.to_le_bytes());
        self.bytes += size as u64;
        self.last = header.last_sequence();
        if broken!(WatermarkFirst) {
            self.tell_written();
        }
        reach(Failpoint::FramePublish);
        let is_published = self.segment.publish(size);
        if is_published {
            self.tell_written();
        } else if self.segment.gathered() >= GATHER_SIZE {
            self.flush()?;
        }
        Ok(())
    }

    #[inline]
    fn tell_written(&mut self) {
        reach(Failpoint::FrameWritten);
        self.marks.set_written(self.last, self.bytes);
        reach(Failpoint::FrameTold);
        self.crew.written(self.segment.edge());
    }

    /// Writes the frames that are gathered, if any are. There is no open frame.
    fn flush(&mut self) -> Result<(), AppendError> {
        if self.segment.gathered() == 0 {
            return Ok(());
        }
        reach(Failpoint::FlushWrite);
        let written = self.segment.flush();
        self.or_fail(written)?;
        self.tell_written();
        Ok(())
    }

    /// An error of the disk stops the journal: nothing is tried again.
    fn or_fail<T>(&self, result: std::io::Result<T>) -> Result<T, AppendError> {
        result.map_err(|error| {
            let failure = Failure::new("writer", &failed("write frames in", &self.crew.dir)(error));
            self.marks.fail(&failure);
            AppendError::Failed(failure)
        })
    }

    /// Goes over to the next segment; waits for it if it is not ready.
    #[cold]
    fn rotate(&mut self) -> Result<(), AppendError> {
        self.flush()?;
        let spare = self
            .crew
            .next_spare()
            .ok_or_else(|| self.marks.failure().map_or(AppendError::Poisoned, AppendError::Failed))?;
        let block = self.crew.last_block();
        let activation = Activation {
            journal: self.journal,
            segment: spare.number,
            first_sequence: self.next,
            epoch: self.epoch,
            chain_through: block.through,
            head: block.head.0,
        };
        self.segment.finish();
        self.segment = spare.writer;
        self.crcs = FrameCrcs::new(spare.number);
        reach(Failpoint::RotateActivate);
        let activated = self.segment.activate(&activation.to_page());
        self.or_fail(activated)?;
        reach(Failpoint::RotateDone);
        self.crew.taken_into_use(spare.view);
        Ok(())
    }

    /// Writes what is gathered and has it synced at once, whatever the policy says; does not wait for it.
    pub fn request_sync(&mut self) -> Result<(), AppendError> {
        if self.poisoned || self.frame.count > 0 {
            return if self.poisoned { Err(AppendError::Poisoned) } else { Ok(()) };
        }
        let flushed = self.flush();
        self.poisoned = flushed.is_err();
        self.crew.sync_now();
        flushed
    }

    /// To be called whenever there is nothing to append: wakes the sync thread, and seals after about 10 ms.
    pub fn idle(&mut self) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.marks.has_failed() {
            self.poisoned = true;
            return Err(self.marks.failure().map_or(AppendError::Poisoned, AppendError::Failed));
        }
        if self.sealed || self.frame.count > 0 {
            return Ok(());
        }
        let result = if self.dirty {
            self.idle_since = Some(Instant::now());
            self.rest()
        } else if self.idle_since.is_some_and(|since| since.elapsed() >= IDLE_BEFORE_SEAL) {
            self.idle_since = Some(Instant::now());
            self.seal_if_durable()
        } else {
            Ok(())
        };
        self.poisoned = result.is_err();
        result
    }

    /// Nothing to append just now: writes what is gathered and wakes the sync thread.
    pub(crate) fn rest(&mut self) -> Result<(), AppendError> {
        self.dirty = false;
        self.flush()?;
        self.crew.wake_sync();
        Ok(())
    }

    /// Nothing to append for a while: asks for a sync, and seals once everything is durable.
    pub(crate) fn seal_if_durable(&mut self) -> Result<(), AppendError> {
        if self.marks.durable_through() == self.last {
            self.seal()?;
            self.idle_since = None;
        }
        self.crew.sync_now();
        Ok(())
    }

    /// Writes a seal; it tells that everything before it is durable.
    fn seal(&mut self) -> Result<(), AppendError> {
        if self.sealed || self.next == Sequence::FIRST || self.segment.remaining() < FRAME_HEADER_SIZE {
            return Ok(());
        }
        let header = FrameHeader::seal(self.next, self.last_time, self.marks.durable_through(), self.epoch);
        reach(Failpoint::SealWrite);
        self.publish(&header, FRAME_HEADER_SIZE)?;
        self.sealed = true;
        self.flush()
    }

    /// Syncs everything, seals, stores the heads and the durable mark, stops the threads and gives up the lock.
    pub fn close(mut self) -> Result<Closed, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.frame.count > 0 {
            return Err(AppendError::Unfinished { next: self.next });
        }
        reach(Failpoint::CloseSync);
        self.flush()?;
        while self.marks.durable_through() < self.marks.written_through() {
            if let Some(failure) = self.marks.failure() {
                return Err(AppendError::Failed(failure));
            }
            self.crew.sync_now();
            park_timeout(CLOSE_PAUSE);
        }
        reach(Failpoint::CloseSeal);
        self.end()?;
        reach(Failpoint::CloseFinish);
        let chain_head = self.crew.finish()?;
        reach(Failpoint::CloseDone);
        self.marks.set_closed();
        let last_sequence = Sequence(self.next.0 - 1);
        Ok(Closed { last_sequence, chain_head, bytes: self.bytes_before + self.bytes })
    }

    /// Writes the last seal; nothing comes after it.
    pub(crate) fn end(&mut self) -> Result<(), AppendError> {
        self.seal()?;
        self.segment.finish();
        Ok(())
    }
}

const _: () = assert!(
    matches!((CorrelationId::NONE.0, TextId::NONE.0, SourceId::NONE.0), (0, 0, 0)),
    "a seal has zeros where a frame has its command's fields"
);
