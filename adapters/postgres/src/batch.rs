//! What one transaction ships: rows, what they taught, what projections change, and where the journal stands behind it.

use crate::binary::{COPY_HEADER, COPY_TRAILER, Fields};
use crate::changes::{Changes, Write};
use crate::meaning::Meaning;
use bytes::Bytes;
use std::collections::BTreeSet;
use tickwerk_domain::{Family, Sequence, TimeNs};
use tickwerk_journal::ChainHead;

/// Bytes of rows that are handed on at once.
const CHUNK_SIZE: usize = 256 * 1024;
pub(crate) const DAY_NS: u64 = 86_400_000_000_000;

/// A batch of whole frames.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The last record before it.
    pub(crate) after: Sequence,
    /// Its last record.
    pub(crate) through: Sequence,
    /// The stamp of that.
    pub(crate) time: TimeNs,
    /// The durable watermark when it was finished, where there was one.
    pub(crate) durable: Option<Sequence>,
    /// The chain through it.
    pub(crate) head: ChainHead,
    /// The last whole block there or before.
    pub(crate) block: ChainHead,
    /// Blocks that it completes.
    pub(crate) blocks: Vec<ChainHead>,
    /// Rows of `events`.
    pub(crate) rows: u64,
    /// Families and days that rows fall into.
    pub(crate) days: BTreeSet<(Family, u64)>,
    pub(crate) meaning: Meaning,
    pub(crate) projections: Vec<Folded>,
    chunks: Vec<Bytes>,
    open: Fields,
}

/// What a batch changes in one projection.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) name: &'static str,
    pub(crate) changes: Changes,
    /// The same, once the batch is finished.
    pub(crate) writes: Vec<Write>,
    pub(crate) parked: Vec<Parked>,
}

/// An event that a projection could not take.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) sequence: Sequence,
    pub(crate) event_type: &'static str,
    pub(crate) error: String,
}

impl Batch {
    /// Nothing yet behind `after`.
    pub(crate) fn new(after: Sequence, projections: Vec<Folded>) -> Self {
        let mut open = Fields(Vec::with_capacity(CHUNK_SIZE + CHUNK_SIZE / 8));
        open.0.extend_from_slice(COPY_HEADER);
        Self {
            after,
            through: after,
            time: TimeNs::UNKNOWN,
            durable: None,
            head: ChainHead::default(),
            block: ChainHead::default(),
            blocks: Vec::new(),
            rows: 0,
            days: BTreeSet::new(),
            meaning: Meaning::default(),
            projections,
            chunks: Vec::new(),
            open,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.through == self.after
    }

    /// Records in it, rows or not.
    pub(crate) fn records(&self) -> u64 {
        self.through.0 - self.after.0
    }

    /// Where the next row is appended.
    pub(crate) fn row(&mut self) -> &mut Fields {
        if self.open.0.len() >= CHUNK_SIZE {
            let full = std::mem::replace(&mut self.open.0, Vec::with_capacity(CHUNK_SIZE + CHUNK_SIZE / 8));
            self.chunks.push(full.into());
        }
        &mut self.open
    }

    /// Gives the rows without what stands before and behind them in a binary copy.
    pub(crate) fn take_bare_rows(&mut self) -> Vec<Bytes> {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.push(std::mem::take(&mut self.open.0).into());
        if let Some(first) = chunks.first_mut() {
            *first = first.slice(COPY_HEADER.len()..);
        }
        chunks
    }

    /// Ends the rows and gives them as a binary copy has them.
    pub(crate) fn take_rows(&mut self) -> Vec<Bytes> {
        self.open.0.extend_from_slice(&COPY_TRAILER);
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.push(std::mem::take(&mut self.open.0).into());
        chunks
    }
}
