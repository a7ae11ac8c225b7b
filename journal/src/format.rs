//! The bytes on the disk: where every field lies, and what the checksums cover.
//!
//! All numbers are little-endian, all offsets and sizes are bytes. `FORMAT.md` tells the same for a stranger.
//!
//! ```text
//! segment NNNNNNNNNNNN.seg          frame (16-aligned, never over a segment's end)
//! 0      header page  ┐ the same    0   length u32   header, records and padding; written last; 0 = no frame
//! 4096   header page  ┘ page twice  4   crc32c u32   of segment number u64 ‖ length ‖ 0 u32 ‖ bytes from 8 on
//! 8192   activation page            8   first sequence u64        16  time_ns u64
//! 12288  zeros                      24  source sequence u64       32  correlation u64
//! 16384  frames, then zeros         40  synced through u64        48  actor u32        52  epoch u32
//!                                   56  record count u16          58  source u16       60  flags u32 (1 = seal)
//!                                   64  records
//!
//! record (16-aligned)               pages (4096 each): magic [8] ‖ version u32 ‖ crc32c u32 of all but itself ‖
//! 0   kind u8 (1 command, 2 event)  journal id [16] ‖ fields ‖ zeros
//! 1   flags u8 (1 = opaque follows)   header      32 codec [16]  48 segment u64  56 created ns u64  64 size u64
//! 2   type id u16                     activation  32 segment u64  40 first sequence u64  48 epoch u32
//! 4   schema version u16                          56 chain through u64  64 head [32]
//! 6   payload length u16              durable     32 generation u64  40 durable through u64  48 clean u32
//! 8   source time u64                             56 chain through u64  64 head [32]
//! 16  stream u64
//! 24  stream version u64            HEADS entry (48): block u64 ‖ crc32c u32 ‖ 0 u32 ‖ head [32]
//! 32  payload, zeros to 16
//!     opaque: length u32, 12 zeros, bytes, zeros to 16
//! ```
//!
//! Nothing here fails but by returning what is wrong with some bytes.

mod pages;

pub(crate) use pages::{
    Activation, Page, SegmentHeader, UNKNOWN_FORMAT, check_page, check_sequences, new_page, seal_page,
};

use tickwerk_domain::{CorrelationId, Sequence, SourceId, TextId, TimeNs};

/// Version of everything drawn above.
pub const FORMAT_VERSION: u32 = 2;
/// How payloads are encoded.
pub const CODEC: [u8; 16] = *b"rkyv-0.8\0\0\0\0\0\0\0\0";
/// Size of the pages that are not frames.
pub const PAGE_SIZE: usize = 4096;
/// Where the second copy of the header page lies.
pub const HEADER_COPY_OFFSET: usize = PAGE_SIZE;
/// Where the activation page lies.
pub const ACTIVATION_OFFSET: usize = 2 * PAGE_SIZE;
/// Where frames begin.
pub const FRAMES_OFFSET: usize = 4 * PAGE_SIZE;
/// Everything in a frame starts on a multiple of this.
pub const ALIGNMENT: usize = 16;
/// Bytes of a frame header.
pub const FRAME_HEADER_SIZE: usize = 64;
/// Bytes of a record header.
pub const RECORD_HEADER_SIZE: usize = 32;
/// Bytes before an opaque part.
pub const OPAQUE_HEADER_SIZE: usize = 16;
/// Longest opaque part.
pub const OPAQUE_SIZE_MAX: usize = 64 * 1024;
/// Longest payload of a record.
pub const PAYLOAD_SIZE_MAX: usize = 128;
/// Most records in a frame: a command and 64 events.
pub const RECORDS_PER_FRAME_MAX: usize = 65;
/// Longest frame without an opaque part.
pub const PLAIN_FRAME_SIZE_MAX: usize =
    FRAME_HEADER_SIZE + RECORDS_PER_FRAME_MAX * (RECORD_HEADER_SIZE + PAYLOAD_SIZE_MAX);
/// Longest frame; only its first record may have an opaque part.
pub const FRAME_SIZE_MAX: usize = PLAIN_FRAME_SIZE_MAX + OPAQUE_HEADER_SIZE + OPAQUE_SIZE_MAX;
/// Flag of a frame that has no records and only tells what is durable.
pub const FRAME_FLAG_SEAL: u32 = 1;
/// Flag of a record that is followed by an opaque part.
pub const RECORD_FLAG_OPAQUE: u8 = 1;
/// Records in a block of the hash chain: so many that the hash of its odd end does not count.
pub const RECORDS_PER_BLOCK: u64 = 4096;
/// Bytes of an entry of the `HEADS` file.
pub const HEADS_ENTRY_SIZE: usize = 48;

pub(crate) const HEADER_MAGIC: [u8; 8] = *b"TICKWERK";
pub(crate) const ACTIVATION_MAGIC: [u8; 8] = *b"TWACTIVE";
pub(crate) const DURABLE_MAGIC: [u8; 8] = *b"TWDURABL";
pub(crate) const COMPRESSED_MAGIC: [u8; 8] = *b"TWCOMPRS";
pub(crate) const FIRST_MAGIC: [u8; 8] = *b"TWFIRSTK";
pub(crate) const SNAPSHOT_MAGIC: [u8; 8] = *b"TWSNAPSH";
pub(crate) const WATERMARKS_MAGIC: [u8; 8] = *b"TWWATERM";

const _: () = assert!(FRAME_SIZE_MAX.is_multiple_of(ALIGNMENT), "frames are 16-aligned");
const _: () =
    assert!(tickwerk_domain::record::PAYLOAD_SIZE_MAX <= PAYLOAD_SIZE_MAX, "a payload fits its bound");

/// Tells journals apart; drawn at random when a journal is created. It is in no hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JournalId(pub [u8; 16]);

impl std::fmt::Display for JournalId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Rounds up to [`ALIGNMENT`].
pub const fn aligned(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

pub(crate) fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().expect("the slice has N bytes")
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, offset))
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, offset))
}

pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, offset))
}

pub(crate) fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// The header of a frame but for length and checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// Sequence of the first record; of a seal, the sequence that comes next.
    pub first_sequence: Sequence,
    /// Stamp of all records.
    pub time_ns: TimeNs,
    /// Number of the command in its source's own input.
    pub source_sequence: u64,
    /// Ties frames together.
    pub correlation: CorrelationId,
    /// The highest sequence that was known to be durable when the frame was written.
    pub synced_through: Sequence,
    /// On whose behalf.
    pub actor: TextId,
    /// Reign of the writer; never falls.
    pub epoch: u32,
    /// Records in the frame; 0 in a seal.
    pub record_count: u16,
    /// Where the command came from.
    pub source: SourceId,
    /// [`FRAME_FLAG_SEAL`].
    pub flags: u32,
}

impl FrameHeader {
    /// The header of a seal before `next`.
    pub(crate) fn seal(next: Sequence, time_ns: TimeNs, synced_through: Sequence, epoch: u32) -> Self {
        Self {
            first_sequence: next,
            time_ns,
            source_sequence: 0,
            correlation: CorrelationId::NONE,
            synced_through,
            actor: TextId::NONE,
            epoch,
            record_count: 0,
            source: SourceId::NONE,
            flags: FRAME_FLAG_SEAL,
        }
    }

    /// Whether it is a seal.
    pub fn is_seal(&self) -> bool {
        self.flags & FRAME_FLAG_SEAL != 0
    }

    /// The sequence that follows the frame.
    pub fn next_sequence(&self) -> Sequence {
        self.first_sequence.plus(u64::from(self.record_count))
    }

    /// The sequence of the last record; of a seal, the one before it.
    pub fn last_sequence(&self) -> Sequence {
        Sequence(self.next_sequence().0.saturating_sub(1))
    }

    /// Writes bytes 8 to 64 of the frame.
    #[inline]
    pub(crate) fn write(&self, frame: &mut [u8]) {
        let frame = &mut frame[..FRAME_HEADER_SIZE];
        put(frame, 8, &self.first_sequence.0.to_le_bytes());
        put(frame, 16, &self.time_ns.0.to_le_bytes());
        put(frame, 24, &self.source_sequence.to_le_bytes());
        put(frame, 32, &self.correlation.0.to_le_bytes());
        put(frame, 40, &self.synced_through.0.to_le_bytes());
        // Whole words: a checksum that reads words would wait for parts of one to reach the cache.
        let by = u64::from(self.actor.0) | u64::from(self.epoch) << 32;
        let what =
            u64::from(self.record_count) | u64::from(self.source.0) << 16 | u64::from(self.flags) << 32;
        put(frame, 48, &by.to_le_bytes());
        put(frame, 56, &what.to_le_bytes());
    }

    /// Reads the header of `frame`, which has at least [`FRAME_HEADER_SIZE`] bytes.
    #[inline]
    pub fn read(frame: &[u8]) -> Self {
        let frame = &frame[..FRAME_HEADER_SIZE];
        Self {
            first_sequence: Sequence(u64_at(frame, 8)),
            time_ns: TimeNs(u64_at(frame, 16)),
            source_sequence: u64_at(frame, 24),
            correlation: CorrelationId(u64_at(frame, 32)),
            synced_through: Sequence(u64_at(frame, 40)),
            actor: TextId(u32_at(frame, 48)),
            epoch: u32_at(frame, 52),
            record_count: u16_at(frame, 56),
            source: SourceId(u16_at(frame, 58)),
            flags: u32_at(frame, 60),
        }
    }
}

/// The 16 bytes that stand before a frame in its checksum; aligned, as the checksum goes word by word.
#[repr(align(16))]
struct CrcPrefix([u8; 16]);

/// The checksum of a frame of `segment`; `frame` is the whole frame, of which bytes 0 to 8 are not looked at. It goes
/// through the library alone: what is faster is held against it.
#[inline]
pub(crate) fn frame_crc(segment: u64, length: u32, frame: &[u8]) -> u32 {
    crc32c::crc32c_append(prefix_crc(segment, length), &frame[8..])
}

/// The checksum of what stands before a frame of a length.
pub(crate) fn prefix_crc(segment: u64, length: u32) -> u32 {
    let mut prefix = CrcPrefix([0; 16]);
    put(&mut prefix.0, 0, &segment.to_le_bytes());
    put(&mut prefix.0, 8, &length.to_le_bytes());
    crc32c::crc32c(&prefix.0)
}

/// The fields before a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordHeader {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) type_id: u16,
    pub(crate) schema_version: u16,
    pub(crate) payload_length: u16,
    pub(crate) source_time: u64,
    pub(crate) stream: u64,
    pub(crate) stream_version: u64,
}

impl RecordHeader {
    #[inline]
    pub(crate) fn write(&self, record: &mut [u8]) {
        let record = &mut record[..RECORD_HEADER_SIZE];
        let what = u64::from(self.kind)
            | u64::from(self.flags) << 8
            | u64::from(self.type_id) << 16
            | u64::from(self.schema_version) << 32
            | u64::from(self.payload_length) << 48;
        put(record, 0, &what.to_le_bytes());
        put(record, 8, &self.source_time.to_le_bytes());
        put(record, 16, &self.stream.to_le_bytes());
        put(record, 24, &self.stream_version.to_le_bytes());
    }

    pub(crate) fn read(record: &[u8]) -> Self {
        let record = &record[..RECORD_HEADER_SIZE];
        Self {
            kind: record[0],
            flags: record[1],
            type_id: u16_at(record, 2),
            schema_version: u16_at(record, 4),
            payload_length: u16_at(record, 6),
            source_time: u64_at(record, 8),
            stream: u64_at(record, 16),
            stream_version: u64_at(record, 24),
        }
    }
}

/// One record inside a frame, still as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRecord<'a> {
    pub(crate) header: RecordHeader,
    /// Header and payload as they lie in the frame, without padding.
    pub(crate) bytes: &'a [u8],
    pub(crate) opaque: Option<&'a [u8]>,
}

impl<'a> RawRecord<'a> {
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.bytes[RECORD_HEADER_SIZE..]
    }
}

/// Splits the first record off `rest`, which begins with a record header.
///
/// Lengths are bounded before they are used and padding must be zero; the error says what is wrong.
pub(crate) fn split_record(rest: &[u8]) -> Result<(RawRecord<'_>, &[u8]), &'static str> {
    let (payload, _, end) = check_record(rest, 0)?;
    let header = RecordHeader::read(rest);
    let (bytes, mut rest) = (&rest[..RECORD_HEADER_SIZE + payload.bytes.len()], &rest[end..]);
    let mut opaque = None;
    if header.flags & RECORD_FLAG_OPAQUE != 0 {
        let (content, after) = split_opaque(rest)?;
        opaque = Some(content);
        rest = after;
    }
    Ok((RawRecord { header, bytes, opaque }, rest))
}

/// The payload of the record at `at` of a frame, its flags, and where its padding ends.
#[inline]
fn check_record(frame: &[u8], at: usize) -> Result<(PayloadRef<'_>, u8, usize), &'static str> {
    let Some(header) = frame.get(at..at + RECORD_HEADER_SIZE) else {
        return Err("a record header does not fit its frame");
    };
    let word: [u8; 8] = bytes_at(header, 0);
    let [kind, flags, ..] = word;
    let length = usize::from(u16_at(&word, 6));
    let start = at + RECORD_HEADER_SIZE;
    let end = start + aligned(length);
    if length > PAYLOAD_SIZE_MAX || end > frame.len() {
        return Err("a payload is longer than its frame or than any payload");
    }
    if !matches!(kind, 1 | 2) || flags & !RECORD_FLAG_OPAQUE != 0 {
        return Err("a record has an unknown kind or flag");
    }
    if u128::from_le_bytes(bytes_at(frame, end - ALIGNMENT)) & PADDING[length % ALIGNMENT] != 0 {
        return Err("padding after a payload is not zero");
    }
    let (type_id, schema_version) = (u16_at(&word, 2), u16_at(&word, 4));
    Ok((PayloadRef { kind, type_id, schema_version, bytes: &frame[start..start + length] }, flags, end))
}

/// What of the last word of a payload is padding, by the bytes that are none; 0 for a whole word.
const PADDING: [u128; ALIGNMENT] = {
    let mut masks = [0; ALIGNMENT];
    let mut used = 1;
    while used < ALIGNMENT {
        masks[used] = u128::MAX << (8 * used);
        used += 1;
    }
    masks
};

/// What tells how a payload is to be read, and the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PayloadRef<'a> {
    pub(crate) kind: u8,
    pub(crate) type_id: u16,
    pub(crate) schema_version: u16,
    pub(crate) bytes: &'a [u8],
}

/// Writes an opaque part with its header and padding; gives its bytes. It is at most [`OPAQUE_SIZE_MAX`] long.
#[cold]
pub(crate) fn put_opaque(space: &mut [u8], opaque: &[u8]) -> usize {
    let size = OPAQUE_HEADER_SIZE + aligned(opaque.len());
    let length = u32::try_from(opaque.len()).expect("an opaque part is bounded");
    let (header, content) = space[..size].split_at_mut(OPAQUE_HEADER_SIZE);
    header.fill(0);
    put(header, 0, &length.to_le_bytes());
    let (content, padding) = content.split_at_mut(opaque.len());
    content.copy_from_slice(opaque);
    padding.fill(0);
    size
}

fn split_opaque(rest: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    if rest.len() < OPAQUE_HEADER_SIZE {
        return Err("an opaque part does not fit its frame");
    }
    let length = usize::try_from(u32_at(rest, 0)).unwrap_or(usize::MAX);
    if length > OPAQUE_SIZE_MAX || rest.len() < OPAQUE_HEADER_SIZE + aligned(length) {
        return Err("an opaque part is longer than its frame or than any opaque part");
    }
    let (end, after) = (OPAQUE_HEADER_SIZE + length, OPAQUE_HEADER_SIZE + aligned(length));
    if !is_zero(&rest[4..OPAQUE_HEADER_SIZE]) || !is_zero(&rest[end..after]) {
        return Err("padding of an opaque part is not zero");
    }
    Ok((&rest[OPAQUE_HEADER_SIZE..end], &rest[after..]))
}

/// The length word of a frame that starts `bytes`, if a frame of that length may stand there at all.
pub(crate) fn plausible_length(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(u32_at(bytes, 0)).ok()?;
    let fits = (FRAME_HEADER_SIZE..=FRAME_SIZE_MAX).contains(&length) && length.is_multiple_of(ALIGNMENT);
    fits.then_some(length)
}

/// The length of the frame that starts `bytes`, if one may and all of it is there.
#[inline]
pub(crate) fn whole_frame(bytes: &[u8]) -> Option<usize> {
    let length = plausible_length(bytes.get(..FRAME_HEADER_SIZE)?)?;
    (length <= bytes.len()).then_some(length)
}

/// Checks a frame of `segment` by itself: checksum, counts, lengths, padding. `frame` has exactly its length.
pub(crate) fn check_frame(segment: u64, frame: &[u8]) -> Result<FrameHeader, &'static str> {
    let length = u32::try_from(frame.len()).map_err(|_| "the frame is too long")?;
    if frame_crc(segment, length, frame) != u32_at(frame, 4) {
        return Err("checksum of a frame differs");
    }
    check_content(frame, |_| true).map(|_| FrameHeader::read(frame))
}

/// Checks a frame by itself but for its checksum, and whether all payloads are readable.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a fiftieth of the time of a walk goes to the call otherwise")]
pub(crate) fn check_content(
    frame: &[u8],
    is_readable: impl Fn(PayloadRef<'_>) -> bool,
) -> Result<bool, &'static str> {
    let header = FrameHeader::read(frame);
    if header.flags & !FRAME_FLAG_SEAL != 0 {
        return Err("a frame has an unknown flag");
    }
    if header.first_sequence == Sequence::NONE || header.first_sequence.0 > SEQUENCE_MAX {
        return Err("a frame has an impossible sequence");
    }
    if header.is_seal() != (header.record_count == 0)
        || usize::from(header.record_count) > RECORDS_PER_FRAME_MAX
    {
        return Err("a frame has an impossible number of records");
    }
    let mut at = FRAME_HEADER_SIZE;
    let mut all_readable = true;
    for index in 0..header.record_count {
        let (record, flags, end) = check_record(frame, at)?;
        if (record.kind == 1) != (index == 0) {
            return Err("a frame is not a command and its events");
        }
        all_readable &= is_readable(record);
        at = end;
        if flags & RECORD_FLAG_OPAQUE != 0 {
            at = frame.len() - split_opaque(&frame[at..])?.1.len();
        }
    }
    if at == frame.len() { Ok(all_readable) } else { Err("a frame is longer than its records") }
}

/// The highest sequence that is believed: what is damaged may claim any, and counting on from it must not overflow.
const SEQUENCE_MAX: u64 = 1 << 62;

/// Whether every byte is zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    // Some words without a branch between them go through wide registers.
    words.chunks(16).all(|some| some.iter().fold(0, |all, word| all | u128::from_ne_bytes(*word)) == 0)
        && rest.iter().all(|byte| *byte == 0)
}
