//! Pages: magic, version, checksum, journal id, fields, zeros; and the two that every segment has.

use super::{
    ACTIVATION_MAGIC, CODEC, FORMAT_VERSION, HEADER_MAGIC, JournalId, PAGE_SIZE, SEQUENCE_MAX, bytes_at, put,
    u32_at, u64_at,
};
use tickwerk_domain::{Sequence, TimeNs};

/// What is wrong with a page that is good and of another format.
pub(crate) const UNKNOWN_FORMAT: &str = "the page is of a format version that this build does not know";
const CRC_OFFSET: usize = 12;

/// One page of a file.
pub(crate) type Page = [u8; PAGE_SIZE];

/// A page with magic, version and journal id; [`seal_page`] comes after its fields.
pub(crate) fn new_page(magic: [u8; 8], journal: JournalId) -> Page {
    let mut page = [0; PAGE_SIZE];
    put(&mut page, 0, &magic);
    put(&mut page, 8, &FORMAT_VERSION.to_le_bytes());
    put(&mut page, 16, &journal.0);
    page
}

/// Gives the page its checksum.
pub(crate) fn seal_page(mut page: Page) -> Page {
    let crc = page_crc(&page);
    put(&mut page, CRC_OFFSET, &crc.to_le_bytes());
    page
}

fn page_crc(page: &Page) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&page[..CRC_OFFSET]), &page[CRC_OFFSET + 4..])
}

/// What a page that should carry `magic` is.
pub(crate) fn check_page(page: &Page, magic: [u8; 8]) -> Result<JournalId, &'static str> {
    if page[..8] != magic {
        return Err("the page has another magic");
    }
    if page_crc(page) != u32_at(page, CRC_OFFSET) {
        return Err("checksum of the page differs");
    }
    if u32_at(page, 8) != FORMAT_VERSION {
        return Err(UNKNOWN_FORMAT);
    }
    Ok(JournalId(bytes_at(page, 16)))
}

/// The static header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub(crate) journal: JournalId,
    pub(crate) segment: u64,
    pub(crate) created: TimeNs,
    pub(crate) size: u64,
}

impl SegmentHeader {
    pub(crate) fn to_page(self) -> Page {
        let mut page = new_page(HEADER_MAGIC, self.journal);
        put(&mut page, 32, &CODEC);
        put(&mut page, 48, &self.segment.to_le_bytes());
        put(&mut page, 56, &self.created.0.to_le_bytes());
        put(&mut page, 64, &self.size.to_le_bytes());
        seal_page(page)
    }

    pub(crate) fn from_page(page: &Page) -> Result<Self, &'static str> {
        let journal = check_page(page, HEADER_MAGIC)?;
        if bytes_at::<16>(page, 32) != CODEC {
            return Err("the segment has another codec");
        }
        let (segment, created) = (u64_at(page, 48), TimeNs(u64_at(page, 56)));
        Ok(Self { journal, segment, created, size: u64_at(page, 64) })
    }
}

/// Checks sequences that a file claims; none may be impossible.
pub(crate) fn check_sequences<const N: usize>(claimed: [Sequence; N]) -> Result<(), &'static str> {
    let is_impossible = claimed.iter().any(|sequence| sequence.0 > SEQUENCE_MAX);
    if is_impossible { Err("the page has an impossible sequence") } else { Ok(()) }
}

/// What is written when a segment is taken into use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Activation {
    pub(crate) journal: JournalId,
    pub(crate) segment: u64,
    pub(crate) first_sequence: Sequence,
    pub(crate) epoch: u32,
    pub(crate) chain_through: Sequence,
    pub(crate) head: [u8; 32],
}

impl Activation {
    pub(crate) fn to_page(self) -> Page {
        let mut page = new_page(ACTIVATION_MAGIC, self.journal);
        put(&mut page, 32, &self.segment.to_le_bytes());
        put(&mut page, 40, &self.first_sequence.0.to_le_bytes());
        put(&mut page, 48, &self.epoch.to_le_bytes());
        put(&mut page, 56, &self.chain_through.0.to_le_bytes());
        put(&mut page, 64, &self.head);
        seal_page(page)
    }

    pub(crate) fn from_page(page: &Page) -> Result<Self, &'static str> {
        let journal = check_page(page, ACTIVATION_MAGIC)?;
        let activation = Self {
            journal,
            segment: u64_at(page, 32),
            first_sequence: Sequence(u64_at(page, 40)),
            epoch: u32_at(page, 48),
            chain_through: Sequence(u64_at(page, 56)),
            head: bytes_at(page, 64),
        };
        check_sequences([activation.first_sequence, activation.chain_through])?;
        if activation.first_sequence == Sequence::NONE {
            return Err("the page has an impossible sequence");
        }
        Ok(activation)
    }
}
