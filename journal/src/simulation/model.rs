//! What the journal must hold: frames that were written, and what of them was acknowledged.

use super::random::Random;
use crate::chain::{Chain, ChainHead};
use crate::format::{self, FRAME_HEADER_SIZE, FrameHeader, OPAQUE_HEADER_SIZE, RecordHeader};
use crate::reader::Frame;
use crate::schema;
use tickwerk_domain::{
    Command, CorrelationId, Envelope, Event, Payload, Record, Sequence, SourceId, TextId, TimeNs,
};

/// A frame as it was given to the writer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Given {
    pub(crate) records: Vec<Record>,
    pub(crate) opaque: Option<Vec<u8>>,
}

impl Given {
    pub(crate) fn last(&self) -> Sequence {
        self.records.last().map_or(Sequence::NONE, |record| record.envelope.sequence)
    }
}

/// Frames in order, and the last record that somebody was told is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) frames: Vec<Given>,
    pub(crate) acknowledged: Sequence,
    /// All frames are 128 bytes long, so that one that was cut fits where another was written since.
    pub(crate) uniform: bool,
}

impl Model {
    pub(crate) fn next(&self) -> Sequence {
        self.frames.last().map_or(Sequence::FIRST, |frame| frame.last().next())
    }

    /// Makes the next frame of up to `events` events.
    pub(crate) fn draw(&mut self, random: &mut Random, events: u64) -> Given {
        let first = self.next();
        let count = if self.uniform { 0 } else { random.below(events + 1) };
        let mut draw = random.clone();
        let mut number = || draw.next();
        let places = 0..Command::TYPES.len();
        let command = if self.uniform {
            places
                .map(|place| Command::sample(place, &mut number))
                .find(is_short)
                .expect("a command is short")
        } else {
            Command::sample(random.index(places.len()), &mut number)
        };
        let mut payloads = vec![Payload::Command(command)];
        for _ in 0..count {
            payloads.push(Payload::Event(Event::sample(random.index(Event::TYPES.len()), &mut number)));
        }
        let records = (first.0..).zip(payloads).map(|(sequence, payload)| Record {
            envelope: Envelope {
                sequence: Sequence(sequence),
                time_ns: TimeNs(1_000 + first.0),
                source_time: TimeNs(if sequence == first.0 { first.0 } else { 0 }),
                source_sequence: first.0 * 3,
                correlation: CorrelationId(first.0 * 5),
                stream_version: sequence * 7,
                origin_ns: 0,
                actor: TextId(9),
                source: SourceId(17),
                flags: if sequence == first.0 + count { Envelope::LAST_OF_FRAME } else { 0 },
            },
            payload,
        });
        let opaque = (!self.uniform && random.chance(1, 16)).then(|| {
            let length = random.index(3_000);
            (0..length).map(|_| random.byte()).collect()
        });
        let frame = Given { records: records.collect(), opaque };
        self.frames.push(frame.clone());
        frame
    }

    /// Why `found`, which a recovery gave, is not what it may give.
    pub(crate) fn check(
        &self,
        found: &[Frame],
        next: Sequence,
        head: Option<ChainHead>,
    ) -> Result<(), String> {
        if next <= self.acknowledged {
            return Err(format!("{} was acknowledged, and {next} comes next", self.acknowledged));
        }
        for (index, frame) in found.iter().enumerate() {
            let Some(given) = self.frames.get(index) else {
                return Err(format!("the frame at {} was never written", frame.place));
            };
            if given.records != frame.records || frame.opaque.first() != Some(&given.opaque) {
                return Err(format!("the frame at {} is not what was written", frame.place));
            }
        }
        let last = found.len().checked_sub(1).map_or(Sequence::NONE, |last| self.frames[last].last());
        if last.next() != next {
            return Err(format!("{next} comes next, and the last frame ends with {last}"));
        }
        let expected = head_of(&self.frames[..found.len()]);
        if head.is_some_and(|head| head != expected) {
            return Err(format!("the head through {last} is {head:?} and should be {expected:?}"));
        }
        Ok(())
    }

    /// Takes what recovery kept for everything there is; it counts as acknowledged.
    pub(crate) fn keep(&mut self, frames: usize) {
        self.frames.truncate(frames);
        self.acknowledged = Sequence(self.next().0 - 1);
    }
}

/// Whether the frame of the command alone is 128 bytes long.
fn is_short(command: &Command) -> bool {
    let encoded = schema::encode(&Payload::Command(*command), &mut [0; 256]);
    encoded.is_ok_and(|encoded| format::aligned(encoded.length) == 32)
}

/// The head over `frames`, from their content alone.
fn head_of(frames: &[Given]) -> ChainHead {
    let mut chain = Chain::new();
    for frame in frames {
        chain.push(&bytes_of(frame), |_| {});
    }
    chain.head()
}

/// A frame as it lies in a segment, but for what the chain does not see.
fn bytes_of(given: &Given) -> Vec<u8> {
    let command = &given.records[0].envelope;
    let header = FrameHeader {
        first_sequence: command.sequence,
        time_ns: command.time_ns,
        source_sequence: command.source_sequence,
        correlation: command.correlation,
        synced_through: Sequence::NONE,
        actor: command.actor,
        epoch: 0,
        record_count: u16::try_from(given.records.len()).expect("at most 65"),
        source: command.source,
        flags: 0,
    };
    let mut bytes = vec![0; FRAME_HEADER_SIZE];
    header.write(&mut bytes);
    for (index, record) in given.records.iter().enumerate() {
        let mut space = vec![0; format::aligned(format::RECORD_HEADER_SIZE + format::PAYLOAD_SIZE_MAX)];
        let encoded =
            schema::encode(&record.payload, &mut space[format::RECORD_HEADER_SIZE..]).expect("it fits");
        let opaque = given.opaque.as_ref().filter(|_| index == 0);
        RecordHeader {
            kind: encoded.kind as u8,
            flags: u8::from(opaque.is_some()),
            type_id: encoded.type_id.0,
            schema_version: encoded.schema_version,
            payload_length: u16::try_from(encoded.length).expect("it is short"),
            source_time: record.envelope.source_time.0,
            stream: record.payload.stream(record.envelope.sequence).0,
            stream_version: record.envelope.stream_version,
        }
        .write(&mut space);
        bytes.extend_from_slice(&space[..format::RECORD_HEADER_SIZE + format::aligned(encoded.length)]);
        if let Some(opaque) = opaque {
            let mut part = vec![0; OPAQUE_HEADER_SIZE + format::aligned(opaque.len())];
            format::put(&mut part, 0, &u32::try_from(opaque.len()).expect("it is short").to_le_bytes());
            format::put(&mut part, OPAQUE_HEADER_SIZE, opaque);
            bytes.extend_from_slice(&part);
        }
    }
    let length = u32::try_from(bytes.len()).expect("it is short");
    format::put(&mut bytes, 0, &length.to_le_bytes());
    bytes
}
