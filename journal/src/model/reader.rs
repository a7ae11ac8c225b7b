//! A reader over the memory of the run: frames in their order, as far as it is told that they are there.

#![expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it has the shape of what it stands for")]

use super::mmap::segment_at;
use crate::format::{self, JournalId};
use crate::reader::{Decoded, Place};
pub(crate) use crate::reader::{FrameRef, ReadError};
use std::cell::Cell;
use std::path::Path;
use tickwerk_domain::Sequence;

thread_local! {
    static WANTS_DURABLE: Cell<bool> = const { Cell::new(false) };
}

/// Whether each frame that is read must have been synced before.
pub(crate) fn wants_durable(wanted: bool) {
    WANTS_DURABLE.set(wanted);
}

#[derive(Debug)]
pub(crate) struct Reader {
    segment: usize,
    frame: usize,
    next: Sequence,
    bound: Option<Sequence>,
    decoded: Decoded,
    bytes: Vec<u8>,
}

impl Reader {
    pub(crate) fn bounded(_: &Path, from: Sequence, through: Sequence) -> Result<Self, ReadError> {
        assert_eq!(from, Sequence::FIRST, "the runs read from the start");
        let (decoded, bytes) = (Decoded::default(), Vec::new());
        Ok(Self { segment: 0, frame: 0, next: from, bound: Some(through), decoded, bytes })
    }

    pub(crate) fn set_bound(&mut self, through: Sequence) {
        self.bound = Some(through);
    }

    pub(crate) fn set_unbounded(&mut self) {
        self.bound = None;
    }

    pub(crate) fn journal_id(&self) -> JournalId {
        JournalId([7; 16])
    }

    pub(crate) fn next_sequence(&self) -> Sequence {
        self.next
    }

    pub(crate) fn next(&mut self) -> Result<Option<FrameRef<'_>>, ReadError> {
        if self.bound.is_some_and(|bound| bound < self.next) {
            return Ok(None);
        }
        let segment = loop {
            let segment = segment_at(self.segment).expect("the bound lies in a segment");
            if let Some(bytes) = segment.frame(self.frame) {
                self.bytes = bytes;
                break segment;
            }
            (self.segment, self.frame) = (self.segment + 1, 0);
        };
        let header = format::check_frame(segment.number, &self.bytes);
        let header = header.expect("what is published is a frame");
        assert_eq!(header.first_sequence, self.next, "frames are dense");
        assert!(
            !WANTS_DURABLE.get() || segment.is_synced(self.frame),
            "what is told to be durable was synced"
        );
        self.frame += 1;
        self.next = header.next_sequence();
        let place = Place { segment: segment.number, offset: 0 };
        self.decoded.decode(&header, place, &self.bytes)?;
        Ok(Some(self.decoded.frame(header, place, &self.bytes)))
    }
}
