//! The state image: all of [`Core`] as bytes, and back.
//!
//! ```text
//! mark "TWSTATE\0" | layout u16 | capacities u64 | digest u64 | sections
//! ```
//!
//! Numbers are little-endian; a section is a name of 16 bytes, a length of 8, and the rows of one store. The image holds
//! what decides, and only what is there: what follows from something else (indexes, lists, sums, what was worked out) is
//! made anew, so equal states have equal images, however they came about. It carries no checksum; the file around it does.
//!
//! [`Core::restore`] believes nothing: values must be of their types, places in their tables, rows what their hashes say
//! and all of them together what the digest says. What it refuses it names by the store. It never panics, and asks for no
//! more memory than a core has in any case.

use super::Core;
use crate::limits::{
    ACCOUNTS_MAX, BOOK_LEVELS_MAX, CURRENCIES_MAX, DIGEST_INTERVAL_FRAMES, EVENTS_PER_COMMAND_MAX,
    EXECUTIONS_MAX, INSTRUMENTS_MAX, LINK_ORDERS_MAX, LINKS_MAX, OPEN_ORDERS_MAX, ORDER_BOOKS_MAX,
    ORDERS_MAX, ORDERS_PER_BOOK_MAX, SOURCES_MAX, STRATEGIES_MAX, TEXTS_MAX, TIMERS_MAX,
    TRAILING_PER_INSTRUMENT_MAX, TRIGGERS_PER_PRICE_MAX, UNMATCHED_FILLS_MAX, VENUES_MAX,
};
use crate::machine::Machine;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, StoreFault};
use tickwerk_domain::{BreakerKind, ContinueKind, Digest, LimitKind};
use tickwerk_venue::{EXCHANGE_ORDERS_MAX, EXCHANGES_MAX, RESTING_PER_SIDE_MAX, SimulatedVenue};

/// Version of the image's layout; another one is refused. It rises with every field that comes, goes or changes, and with
/// every change of a row's hash.
pub const STATE_VERSION: u16 = 1;

const MARK: [u8; 8] = *b"TWSTATE\0";

/// Why an image cannot be restored. The journal from its start, or an older snapshot, can be used instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not begin as an image does.
    #[error("not a state image: it does not begin with the mark of one")]
    NoImage,
    /// It has another layout.
    #[error("the state image has layout {found}, this build reads layout {STATE_VERSION} only")]
    OtherLayout {
        /// The layout that it has.
        found: u16,
    },
    /// Its stores have other sizes, by which it would go on differently.
    #[error("the state image is of a build whose stores hold more or less than those of this one")]
    OtherCapacities,
    /// A store is not what it should be.
    #[error("the state image is damaged in {0}")]
    Damaged(#[from] StoreFault),
    /// Together the stores are not the state that the image says.
    #[error("the state image has the digest {found:016x}, but says {expected:016x}")]
    Digest {
        /// What the image says.
        expected: u64,
        /// What the restored state has.
        found: u64,
    },
}

impl Core {
    /// All of the core as bytes; equal states give equal bytes.
    pub fn save(&self) -> Vec<u8> {
        let Self { machine, venue, sources, source_rows: _, sources_digest: _, frames, digest_interval: _ } =
            self;
        let mut to = ImageWriter::default();
        to.bytes(&MARK);
        to.value(&STATE_VERSION);
        to.value(&capacities());
        to.value(&self.digest());
        machine.save(&mut to);
        venue.save(&mut to);
        to.section("core", |to| {
            to.table(sources, &0);
            to.value(frames);
        });
        to.into_bytes()
    }

    /// The core that was saved. It goes on as that one would have, and never allocates after this.
    pub fn restore(image: &[u8]) -> Result<Self, RestoreError> {
        let mut from = ImageReader::new(image);
        let expected = head(&mut from)?;
        let machine = Machine::load(&mut from)?;
        let venue = SimulatedVenue::load(INSTRUMENTS_MAX, &mut from)?;
        let core = from.section("core", |from| {
            let sources: Box<[u64]> = from.table(vec![0; SOURCES_MAX].into())?;
            let rows = (0..).zip(&sources).map(|(source, sequence)| source_row(source, *sequence));
            let source_rows: Box<[u64]> = rows.collect();
            let sum = source_rows.iter().fold(0, |sum, row| row.wrapping_add(sum));
            let (frames, digest_interval) = (from.value()?, DIGEST_INTERVAL_FRAMES);
            let sources_digest = Digest(sum);
            Ok(Self { machine, venue, sources, source_rows, sources_digest, frames, digest_interval })
        })?;
        if !from.is_at_end() {
            return Err(StoreFault { store: "the end", fault: Fault::Misplaced }.into());
        }
        let found = core.digest();
        if found == expected { Ok(core) } else { Err(RestoreError::Digest { expected, found }) }
    }
}

/// Reads what stands before the sections, and gives the digest that the state should have.
fn head(from: &mut ImageReader<'_>) -> Result<u64, RestoreError> {
    if from.bytes() != Ok(MARK) {
        return Err(RestoreError::NoImage);
    }
    let in_head = |fault| StoreFault { store: "the head", fault };
    let found: u16 = from.value().map_err(in_head)?;
    if found != STATE_VERSION {
        return Err(RestoreError::OtherLayout { found });
    }
    let sizes: u64 = from.value().map_err(in_head)?;
    if sizes != capacities() {
        return Err(RestoreError::OtherCapacities);
    }
    Ok(from.value().map_err(in_head)?)
}

/// A hash of what a store holds at most, wherever that decides about what happens next or about places in tables.
fn capacities() -> u64 {
    let sizes = [
        EVENTS_PER_COMMAND_MAX,
        INSTRUMENTS_MAX,
        ACCOUNTS_MAX,
        CURRENCIES_MAX,
        STRATEGIES_MAX,
        TEXTS_MAX,
        SOURCES_MAX,
        BOOK_LEVELS_MAX,
        ORDER_BOOKS_MAX,
        ORDERS_PER_BOOK_MAX,
        ORDERS_MAX,
        OPEN_ORDERS_MAX,
        TIMERS_MAX,
        EXECUTIONS_MAX,
        UNMATCHED_FILLS_MAX,
        VENUES_MAX,
        TRIGGERS_PER_PRICE_MAX,
        TRAILING_PER_INSTRUMENT_MAX,
        LINKS_MAX,
        LINK_ORDERS_MAX,
        EXCHANGES_MAX,
        EXCHANGE_ORDERS_MAX,
        RESTING_PER_SIDE_MAX,
        LedgerBook::ALL.len(),
        LimitKind::ALL.len(),
        BreakerKind::ALL.len(),
        ContinueKind::ALL.len(),
    ];
    row_hash(DIGEST_INTERVAL_FRAMES, &sizes.map(|size| size as u64))
}

/// The row of a source in the digest; none for one that was never heard of.
fn source_row(source: u64, sequence: u64) -> u64 {
    if sequence == 0 { 0 } else { row_hash(super::TAG_SOURCE, &[source, sequence]) }
}
