//! Reads whole frames from a sequence on, as records.
//!
//! Reading is by `pread` only, into aligned buffers of bounded length. A reader has a bound, which is what the writer
//! had written when it asked (or everything, where there is no writer), so it never looks at the writing edge.
//! Seals are passed over. Damage inside the bound is an error that names its place.

use crate::directory::{self, FileError};
use crate::durable;
use crate::format::{self, FRAME_HEADER_SIZE, FrameHeader, JournalId};
use crate::heads;
use crate::schema::{self, SchemaError};
use crate::segment::{Activity, BAD_SECTOR, Opened, SegmentFile, is_untold};
use crate::snapshot;
use crate::torn::{self, Known};
use crate::walk::{Step, Walker};
use std::path::{Path, PathBuf};
use tickwerk_domain::{Envelope, Kind, Record, Sequence, TimeNs};

/// Where a frame lies: the offset counts from the start of the segment's file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from its start.
    pub offset: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "segment {} offset {}", self.segment, self.offset)
    }
}

/// Why a journal cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no journal.
    #[error("{} holds no journal", dir.display())]
    NoJournal {
        /// The directory.
        dir: PathBuf,
    },
    /// The sequence lies before the first that is kept.
    #[error("sequence {wanted} is no longer kept; the journal starts at {first}")]
    Gone {
        /// What was asked for.
        wanted: Sequence,
        /// The first there is.
        first: Sequence,
    },
    /// What should be a frame is none.
    #[error("damage at {place}, where sequence {sequence} should be: {reason}")]
    Damaged {
        /// Where.
        place: Place,
        /// The sequence expected there.
        sequence: Sequence,
        /// What is wrong.
        reason: &'static str,
    },
    /// A good frame holds a record that this build cannot read.
    #[error("record {sequence} at {place}")]
    Schema {
        /// Where its frame lies.
        place: Place,
        /// Its sequence.
        sequence: Sequence,
        /// What is wrong.
        #[source]
        source: SchemaError,
    },
}

/// A frame that is decoded; it lies in its reader.
#[derive(Clone, Copy, Debug)]
pub struct FrameRef<'a> {
    /// Its header.
    pub header: FrameHeader,
    /// Where it lies.
    pub place: Place,
    /// Its bytes as they lie on the disk.
    pub bytes: &'a [u8],
    /// The command and its events.
    pub records: &'a [Record],
    opaque: &'a [(usize, usize)],
}

impl<'a> FrameRef<'a> {
    /// The opaque part of record `index` of the frame.
    pub fn opaque(&self, index: usize) -> Option<&'a [u8]> {
        let &(start, length) = self.opaque.get(index)?;
        (start > 0).then(|| &self.bytes[start..start + length])
    }

    /// A copy that stays.
    pub fn to_frame(&self) -> Frame {
        let opaque = (0..self.records.len()).map(|index| self.opaque(index).map(<[u8]>::to_vec)).collect();
        Frame { header: self.header, place: self.place, records: self.records.to_vec(), opaque }
    }
}

/// A frame with its records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its header.
    pub header: FrameHeader,
    /// Where it lay.
    pub place: Place,
    /// The command and its events.
    pub records: Vec<Record>,
    /// The opaque part of each record.
    pub opaque: Vec<Option<Vec<u8>>>,
}

/// Records of a frame, and where their opaque parts start and how long they are; kept to be filled again.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    records: Vec<Record>,
    opaque: Vec<(usize, usize)>,
}

impl Decoded {
    /// Decodes a frame that was checked.
    pub(crate) fn decode(
        &mut self,
        header: &FrameHeader,
        place: Place,
        frame: &[u8],
    ) -> Result<(), ReadError> {
        self.records.clear();
        self.opaque.clear();
        let damaged = |reason| ReadError::Damaged { place, sequence: header.first_sequence, reason };
        let mut rest = &frame[FRAME_HEADER_SIZE..];
        for index in 0..header.record_count {
            let sequence = header.first_sequence.plus(u64::from(index));
            let (raw, after) = format::split_record(rest).map_err(damaged)?;
            let last = index + 1 == header.record_count;
            let kind = if raw.header.kind == Kind::Command as u8 { Kind::Command } else { Kind::Event };
            let payload = schema::decode(kind, raw.header.type_id, raw.header.schema_version, raw.payload())
                .map_err(|source| ReadError::Schema { place, sequence, source })?;
            let envelope = Envelope {
                sequence,
                time_ns: header.time_ns,
                source_time: TimeNs(raw.header.source_time),
                source_sequence: header.source_sequence,
                correlation: header.correlation,
                stream_version: raw.header.stream_version,
                origin_ns: 0,
                actor: header.actor,
                source: header.source,
                flags: if last { Envelope::LAST_OF_FRAME } else { 0 },
            };
            self.records.push(Record { envelope, payload });
            self.opaque.push(raw.opaque.map_or((0, 0), |opaque| {
                (frame.len() - after.len() - format::aligned(opaque.len()), opaque.len())
            }));
            rest = after;
        }
        Ok(())
    }

    pub(crate) fn frame<'a>(&'a self, header: FrameHeader, place: Place, bytes: &'a [u8]) -> FrameRef<'a> {
        FrameRef { header, place, bytes, records: &self.records, opaque: &self.opaque }
    }
}

/// Iterates over frames.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    walker: Walker,
    from: Sequence,
    bound: Option<Sequence>,
    decoded: Decoded,
}

impl Reader {
    /// Reads from the frame that holds `from` on, up to what is written now.
    ///
    /// Beside a live writer that is its written watermark; else it is everything up to the first place that is no frame.
    pub fn open(dir: &Path, from: Sequence) -> Result<Self, ReadError> {
        let bound = crate::tail::live_bound(dir)?;
        let mut reader = Self::start(dir, from)?;
        reader.bound = bound;
        Ok(reader)
    }

    /// Reads up to `through`, which is known to be written.
    pub(crate) fn bounded(dir: &Path, from: Sequence, through: Sequence) -> Result<Self, ReadError> {
        let mut reader = Self::start(dir, from)?;
        reader.bound = Some(through);
        Ok(reader)
    }

    fn start(dir: &Path, from: Sequence) -> Result<Self, ReadError> {
        let segment = segment_of(dir, from)?;
        let (walker, begun) = Walker::start(dir, segment, false)?;
        if let Some(Step::Bad(place, reason @ BAD_SECTOR)) = begun {
            return Err(ReadError::Damaged { place, sequence: from, reason });
        }
        let first = walker.activation().map_or(Sequence::FIRST, |activation| activation.first_sequence);
        if from < first && from != Sequence::NONE {
            return Err(ReadError::Gone { wanted: from, first });
        }
        Ok(Self { dir: dir.to_owned(), walker, from, bound: None, decoded: Decoded::default() })
    }

    /// Which journal it is.
    pub fn journal_id(&self) -> JournalId {
        self.walker.journal()
    }

    /// The sequence that comes next.
    pub fn next_sequence(&self) -> Sequence {
        self.walker.next_sequence().max(self.from)
    }

    /// Moves the bound.
    pub(crate) fn set_bound(&mut self, through: Sequence) {
        self.bound = Some(through);
    }

    /// Takes the bound away.
    pub(crate) fn set_unbounded(&mut self) {
        self.bound = None;
    }

    /// The next frame, or `None` at the bound.
    #[expect(
        clippy::should_implement_trait,
        reason = "the frame lies in the reader; no iterator can lend it"
    )]
    pub fn next(&mut self) -> Result<Option<FrameRef<'_>>, ReadError> {
        let (header, place) = loop {
            match self.raw_next()? {
                None => return Ok(None),
                Some((header, _)) if header.is_seal() || header.last_sequence() < self.from => {}
                Some(found) => break found,
            }
        };
        self.decoded.decode(&header, place, self.walker.frame())?;
        Ok(Some(self.decoded.frame(header, place, self.walker.frame())))
    }

    fn raw_next(&mut self) -> Result<Option<(FrameHeader, Place)>, ReadError> {
        let sequence = self.walker.next_sequence();
        if self.bound.is_some_and(|bound| bound < sequence) {
            return Ok(None);
        }
        let (place, reason) = match self.walker.step()? {
            Step::Frame(header, place) => return Ok(Some((header, place))),
            Step::End(place) => (place, "zeros where a frame should be"),
            Step::Bad(place, reason) => (place, reason),
        };
        // Before the bound there is a frame. Without a writer and so without a bound, this is the end or a torn tail,
        // unless somebody knows more.
        if self.bound.is_some() || is_untold(reason) || self.is_known(place, sequence)? {
            return Err(ReadError::Damaged { place, sequence, reason });
        }
        Ok(None)
    }

    fn is_known(&self, end: Place, sequence: Sequence) -> Result<bool, FileError> {
        let journal = self.walker.journal();
        let mark = durable::read(&self.dir)?.mark.filter(|mark| mark.journal == journal);
        let durable_through = mark.map_or(Sequence::NONE, |mark| mark.durable_through);
        let heads_through = heads::read(&self.dir, journal)?.known_through();
        let snapshots = snapshot::read_headers(&self.dir, Some(journal))?.0;
        let snapshot_through = snapshots.first().map_or(Sequence::NONE, |newest| newest.sequence);
        let known = Known { durable_through, heads_through, snapshot_through };
        let remains = torn::remains(&self.dir, journal, end, &directory::list_segments(&self.dir)?)?;
        Ok(torn::witness(&self.dir, &known, &remains, sequence)?.is_some())
    }
}

/// The last segment that starts at or before `from`; the first one where none does. That one must be readable.
pub(crate) fn segment_of(dir: &Path, from: Sequence) -> Result<SegmentFile, ReadError> {
    let numbers = directory::list_segments(dir)?;
    let mut found = None;
    for number in numbers.iter().copied().rev() {
        let segment = match SegmentFile::open(dir, number)? {
            Opened::Segment(segment) => segment,
            Opened::Bad(reason) if numbers.first() == Some(&number) => {
                let (place, sequence) = (Place { segment: number, offset: 0 }, from.max(Sequence::FIRST));
                return Err(ReadError::Damaged { place, sequence, reason });
            }
            Opened::Bad(_) | Opened::Missing => continue,
        };
        let first = match segment.activity()? {
            Activity::Active(activation) => Some(activation.first_sequence),
            Activity::Prepared | Activity::Bad(_) => None,
        };
        found = Some(segment);
        if first.is_some_and(|first| first <= from) {
            break;
        }
    }
    found.ok_or_else(|| ReadError::NoJournal { dir: dir.to_owned() })
}
