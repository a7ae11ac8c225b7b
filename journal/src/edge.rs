//! How far a segment is published, from its writer to whoever reads it back in the same process.
//!
//! Invariant: bytes before the edge were written before it moved past them, and never change again.

use super::sync::{AtomicBool, AtomicUsize, Ordering};

/// The edge of a segment, and whether it has moved for the last time.
#[derive(Debug)]
pub(crate) struct Edge {
    offset: AtomicUsize,
    finished: AtomicBool,
}

impl Edge {
    /// A segment whose bytes up to `offset` are published.
    pub(crate) fn new(offset: usize) -> Self {
        Self { offset: AtomicUsize::new(offset), finished: AtomicBool::new(false) }
    }

    /// Publishes what was written before `offset`.
    #[inline]
    pub(crate) fn publish(&self, offset: usize) {
        let order = if broken!(RelaxedEdge) { Ordering::Relaxed } else { Ordering::Release };
        self.offset.store(offset, order);
    }

    /// Where the published bytes end.
    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.offset.load(Ordering::Acquire)
    }

    /// Tells that the edge will not move again.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Whether the edge has moved for the last time; ask before looking at it.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }
}
