//! Mapped files: the only unsafe code. A segment that is written and read back, and a page of shared counters.
//!
//! Invariant: a segment's file is preallocated, locked by the journal's `LOCK` and never shortened while it is mapped.
//! Its frames split at the *edge*: bytes before it are published and never change again, bytes from it on belong to
//! the one [`SegmentWriter`]. The edge moves forwards only, with release order. Bytes that other processes read by
//! `pread` are outside of this model; they look at nothing past the watermarks.
//! A disk that fails under a mapping kills the process with SIGBUS, on purpose.

#![expect(unsafe_code, reason = "shared mappings cannot be had without it")]

use crate::format::{ACTIVATION_OFFSET, ALIGNMENT, FRAMES_OFFSET, PAGE_SIZE, Page};
use memmap2::{Advice, MmapRaw, UncheckedAdvice};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// How far ahead of the edge memory is asked for: longer than it takes to come, and not past the caches.
const FETCH_DISTANCE: usize = 2048;
#[cfg(target_arch = "x86_64")]
const CACHE_LINE_SIZE: usize = 64;

/// Mapped bytes. A handle; clones are the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<MmapRaw>);

impl Memory {
    /// Maps all of `file`, shared.
    pub(crate) fn of(file: &std::fs::File) -> io::Result<Self> {
        Ok(Self(Arc::new(MmapRaw::map_raw(file)?)))
    }
}

#[derive(Debug)]
struct Segment {
    map: Memory,
    edge: AtomicUsize,
    finished: AtomicBool,
}

/// The one writer of a segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Arc<Segment>,
    edge: usize,
}

/// Reads back what was published in a segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentView(Arc<Segment>);

/// The two ends of a segment that lies in `map`, whose frames up to `edge` are published.
pub(crate) fn map_segment(map: Memory, edge: usize) -> (SegmentWriter, SegmentView) {
    assert!(
        edge.is_multiple_of(ALIGNMENT) && (FRAMES_OFFSET..=map.0.len()).contains(&edge),
        "edge in the frames"
    );
    let segment = Arc::new(Segment { map, edge: AtomicUsize::new(edge), finished: AtomicBool::new(false) });
    (SegmentWriter { segment: Arc::clone(&segment), edge }, SegmentView(segment))
}

impl SegmentWriter {
    /// Where the next frame goes.
    pub(crate) fn edge(&self) -> usize {
        self.edge
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.segment.map.0.len() - self.edge
    }

    /// All bytes from the edge on.
    #[inline]
    pub(crate) fn unpublished(&mut self) -> &mut [u8] {
        let length = self.segment.map.0.len() - self.edge;
        // SAFETY: the edge never passes the end of the mapping.
        let start = unsafe { self.segment.map.0.as_mut_ptr().add(self.edge) };
        // SAFETY: the bytes from the edge on are mapped, and only this writer, borrowed mutably here, touches them.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Writes the length word of the frame at the edge, last of all its bytes, and moves the edge past the frame.
    #[inline]
    pub(crate) fn publish(&mut self, length: usize) {
        assert!(length.is_multiple_of(ALIGNMENT) && length <= self.remaining(), "the frame fits its segment");
        let word = u32::try_from(length).expect("a frame is shorter than 4 GiB");
        // SAFETY: the edge is inside the mapping, as the frame is.
        let start = unsafe { self.segment.map.0.as_mut_ptr().add(self.edge) };
        // SAFETY: mapped, 16-aligned, and touched by this writer alone until the edge moves.
        let place = unsafe { AtomicU32::from_ptr(start.cast()) };
        place.store(word.to_le(), Ordering::Release);
        fetch_ahead(start, length);
        self.edge += length;
        self.segment.edge.store(self.edge, Ordering::Release);
    }

    /// Writes the activation page.
    pub(crate) fn activate(&mut self, page: &Page) {
        // SAFETY: the page lies before the frames, inside the mapping.
        let start = unsafe { self.segment.map.0.as_mut_ptr().add(ACTIVATION_OFFSET) };
        // SAFETY: views never look before the frames, so this writer, borrowed mutably, is alone with these bytes.
        let place = unsafe { std::slice::from_raw_parts_mut(start, PAGE_SIZE) };
        place.copy_from_slice(page);
    }

    /// Tells the views that the edge will not move again.
    pub(crate) fn finish(&mut self) {
        self.segment.finished.store(true, Ordering::Release);
    }
}

/// Asks for as many cache lines as a frame of `length` bytes at `start` has, some way ahead of it.
///
/// A frame is written in words, and what waits to be written covers only a few lines: without this, each new line would
/// be waited for.
#[inline]
fn fetch_ahead(start: *const u8, length: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..length.min(FETCH_DISTANCE)).step_by(CACHE_LINE_SIZE) {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        let line = start.wrapping_add(FETCH_DISTANCE + offset);
        // SAFETY: a hint: it reads nothing, and is ignored past the end of the mapping.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, length);
}

impl SegmentView {
    /// The frames that are published from `offset` on.
    pub(crate) fn published(&self, offset: usize) -> &[u8] {
        let edge = self.0.edge.load(Ordering::Acquire);
        assert!((FRAMES_OFFSET..=edge).contains(&offset), "a view reads published frames only");
        // SAFETY: `offset` is inside the mapping.
        let start = unsafe { self.0.map.0.as_ptr().add(offset) };
        // SAFETY: bytes before the edge were written before the release store seen above and never change again.
        unsafe { std::slice::from_raw_parts(start, edge - offset) }
    }

    /// Where the published frames end.
    pub(crate) fn edge(&self) -> usize {
        self.0.edge.load(Ordering::Acquire)
    }

    /// Whether the edge has moved for the last time; ask before looking at the edge.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.finished.load(Ordering::Acquire)
    }

    /// Size of the segment.
    pub(crate) fn size(&self) -> usize {
        self.0.map.0.len()
    }

    /// Makes pages writable ahead of the writer, so that it does not fault on each. Changes no byte.
    pub(crate) fn populate(&self, offset: usize, length: usize) -> io::Result<()> {
        self.0.map.0.advise_range(Advice::PopulateWrite, offset, length)
    }

    /// Takes whole published pages from `offset` on out of the page table; gives the offset behind them.
    ///
    /// They stay in the page cache, dirty as they are. A sync of pages that are still mapped protects them one by one,
    /// and each time interrupts every processor that runs a thread of ours.
    pub(crate) fn unmap_published(&self, offset: usize) -> io::Result<usize> {
        let end = self.edge() / PAGE_SIZE * PAGE_SIZE;
        if end <= offset {
            return Ok(offset);
        }
        assert!(offset.is_multiple_of(PAGE_SIZE), "pages start at multiples of their size");
        // SAFETY: the mapping is shared and of a file, so an access brings back the same bytes; nothing is lost.
        unsafe { self.0.map.0.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, end - offset)? };
        Ok(end)
    }
}

/// A page of counters that is also a file.
#[derive(Debug)]
pub(crate) struct CounterPage(Memory);

impl CounterPage {
    /// The counters in `map`, which has at least one page.
    pub(crate) fn new(map: Memory) -> Self {
        assert!(map.0.len() >= PAGE_SIZE, "the file of counters has a page");
        Self(map)
    }

    /// The counter at `offset`.
    #[inline]
    pub(crate) fn counter(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= PAGE_SIZE, "a counter lies on a word of the page");
        // SAFETY: inside the mapping, which is at least a page.
        let place = unsafe { self.0.0.as_mut_ptr().add(offset) };
        // SAFETY: mapped and 8-aligned for as long as `self` lives, and only ever used as an atomic.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }
}
