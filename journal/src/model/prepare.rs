//! A segment that is ready.

use super::mmap::{self, Segment, SegmentView, SegmentWriter};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) number: u64,
    pub(crate) writer: SegmentWriter,
    pub(crate) view: SegmentView,
}

impl Spare {
    pub(crate) fn of(segment: &Arc<Segment>) -> Self {
        let (writer, view) = mmap::open(segment);
        Self { number: segment.number, writer, view }
    }
}
