//! Mapped files: a segment that is written and read back, and a page of shared counters.
//!
//! A writer puts frames into *space*: the mapped file itself, or memory of its own that [`SegmentWriter::flush`] writes
//! to the file ([`Io`] tells when which is better). Invariant: a segment's file is preallocated, locked by the journal's `LOCK` and never shortened while it
//! is open. Its frames split at the *edge*: bytes before it are published and never change again, bytes from it on
//! belong to the one [`SegmentWriter`]. The edge moves forwards only, with release order. Bytes that other processes read
//! by `pread` are outside of this model; they look at nothing past the watermarks.
//! A disk that fails under a mapping kills the process with SIGBUS, on purpose.

#![expect(unsafe_code, reason = "shared mappings cannot be had without it")]

use crate::config::Io;
use crate::edge::Edge;
use crate::format::{
    ACTIVATION_OFFSET, ALIGNMENT, FRAME_HEADER_SIZE, FRAME_SIZE_MAX, FRAMES_OFFSET, PAGE_SIZE, Page,
};
use crate::storage::File;
use memmap2::{Advice, MmapMut, MmapRaw, UncheckedAdvice};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How far ahead of the edge memory is asked for: longer than it takes to come, and not past the caches.
const FETCH_DISTANCE: usize = 2048;
#[cfg(target_arch = "x86_64")]
pub(crate) const CACHE_LINE_SIZE: usize = 64;
/// Frames are gathered up to this, then written: a call goes through all blocks of a folio of the page cache, up to 512,
/// however few it writes, and with 64 KiB the writer takes a tenth longer; little enough for a cache.
pub(crate) const GATHER_SIZE: usize = 256 * 1024;
/// Room for frames that are gathered: one may start just below the limit, and a seal may follow.
const GATHER_SPACE: usize =
    (GATHER_SIZE + FRAME_SIZE_MAX + FRAME_HEADER_SIZE).next_multiple_of(PAGE_SIZE) + PAGE_SIZE;

/// Mapped bytes. A handle; clones are the same bytes.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    map: Arc<MmapRaw>,
    /// Of a file; what is taken out of the page table comes back from there.
    of_file: bool,
}

impl Memory {
    /// Maps all of `file`, shared.
    pub(crate) fn of(file: &std::fs::File) -> io::Result<Self> {
        Ok(Self { map: Arc::new(MmapRaw::map_raw(file)?), of_file: true })
    }

    /// Zeros that belong to no file.
    pub(crate) fn anonymous(length: usize) -> io::Result<Self> {
        Ok(Self { map: Arc::new(MmapMut::map_anon(length)?.into()), of_file: false })
    }

    fn len(&self) -> usize {
        self.map.len()
    }

    /// Copies bytes out; nobody may write them meanwhile.
    #[cfg(test)]
    pub(crate) fn read(&self, bytes: &mut [u8], offset: usize) {
        assert!(offset + bytes.len() <= self.len(), "inside the memory");
        // SAFETY: `offset` is inside the memory.
        let start = unsafe { self.map.as_ptr().add(offset) };
        // SAFETY: inside the memory, which is of no file; only one thread uses the storage in memory.
        unsafe { std::ptr::copy(start, bytes.as_mut_ptr(), bytes.len()) };
    }

    /// Copies bytes in; nobody may use them meanwhile.
    #[cfg(test)]
    pub(crate) fn write(&self, bytes: &[u8], offset: usize) {
        assert!(offset + bytes.len() <= self.len(), "inside the memory");
        // SAFETY: `offset` is inside the memory.
        let start = unsafe { self.map.as_mut_ptr().add(offset) };
        // SAFETY: inside the memory, which is of no file; only one thread uses the storage in memory.
        unsafe { std::ptr::copy(bytes.as_ptr(), start, bytes.len()) };
    }
}

#[derive(Debug)]
struct Segment {
    file: File,
    /// The whole file, where frames go there by mapping.
    map: Option<Memory>,
    size: usize,
    edge: Edge,
}

/// The one writer of a segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Arc<Segment>,
    /// Where frames are put: the mapped file, zero from the edge on, or memory of the writer's own.
    space: Memory,
    /// The offset in the file at which the space starts.
    start: usize,
    edge: usize,
    /// The space is the file.
    is_mapped: bool,
}

/// Reads back what was published in a segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentView(Arc<Segment>);

/// The two ends of the segment in `file`, whose frames up to `edge` are published.
pub(crate) fn open_segment(file: File, edge: usize, io: Io) -> io::Result<(SegmentWriter, SegmentView)> {
    let size = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    assert!(edge.is_multiple_of(ALIGNMENT) && (FRAMES_OFFSET..=size).contains(&edge), "edge in the frames");
    let (space, map, start) = match io {
        Io::Mapped => {
            let map = file.map()?;
            (map.clone(), Some(map), 0)
        }
        Io::Pwrite => (Memory::anonymous(GATHER_SPACE)?, None, edge),
    };
    let is_mapped = map.is_some();
    let segment = Arc::new(Segment { file, map, size, edge: Edge::new(edge) });
    let view = SegmentView(Arc::clone(&segment));
    Ok((SegmentWriter { segment, space, start, edge, is_mapped }, view))
}

impl SegmentWriter {
    /// Where the next frame goes.
    #[inline]
    pub(crate) fn edge(&self) -> usize {
        self.edge
    }

    /// Bytes that are left.
    pub(crate) fn remaining(&self) -> usize {
        self.segment.size - self.edge
    }

    /// All bytes of the space from the edge on; what they are counts for nothing but in a mapping, where they are zero.
    #[inline]
    pub(crate) fn unpublished(&mut self) -> &mut [u8] {
        let used = self.edge - self.start;
        let length = self.space.len() - used;
        // SAFETY: the edge never passes the end of the space.
        let start = unsafe { self.space.map.as_mut_ptr().add(used) };
        // SAFETY: the bytes from the edge on are mapped, and only this writer, borrowed mutably here, touches them.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Writes the length word of the frame at the edge, last of all its bytes, and moves the edge past the frame.
    ///
    /// Whether it is published with that; else it is gathered, and [`SegmentWriter::flush`] publishes it.
    #[inline]
    pub(crate) fn publish(&mut self, length: usize) -> bool {
        let used = self.edge - self.start;
        assert!(
            length.is_multiple_of(ALIGNMENT) && length <= self.space.len() - used,
            "the frame fits its segment"
        );
        let word = u32::try_from(length).expect("a frame is shorter than 4 GiB");
        // SAFETY: the edge is inside the space, as the frame is.
        let start = unsafe { self.space.map.as_mut_ptr().add(used) };
        // SAFETY: mapped, 16-aligned, and touched by this writer alone until the edge moves.
        let place = unsafe { AtomicU32::from_ptr(start.cast()) };
        place.store(word.to_le(), Ordering::Release);
        self.edge += length;
        if self.is_mapped {
            fetch_ahead(start, length);
            self.segment.edge.publish(self.edge);
        }
        self.is_mapped
    }

    /// Bytes that are gathered and not yet written.
    pub(crate) fn gathered(&self) -> usize {
        if self.is_mapped { 0 } else { self.edge - self.start }
    }

    /// Writes what is gathered to the file and publishes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let length = self.gathered();
        if length == 0 {
            return Ok(());
        }
        // SAFETY: the space of a writer that gathers is its own, borrowed mutably here, and as long as what it gathered.
        let gathered = unsafe { std::slice::from_raw_parts(self.space.map.as_ptr(), length) };
        self.segment.file.write_all_at(gathered, self.start as u64)?;
        self.start = self.edge;
        self.segment.edge.publish(self.edge);
        Ok(())
    }

    /// Writes the activation page.
    pub(crate) fn activate(&mut self, page: &Page) -> io::Result<()> {
        if !self.is_mapped {
            return self.segment.file.write_all_at(page, ACTIVATION_OFFSET as u64);
        }
        // SAFETY: the page lies before the frames, inside the mapping.
        let start = unsafe { self.space.map.as_mut_ptr().add(ACTIVATION_OFFSET) };
        // SAFETY: views never look before the frames, so this writer, borrowed mutably, is alone with these bytes.
        let place = unsafe { std::slice::from_raw_parts_mut(start, PAGE_SIZE) };
        place.copy_from_slice(page);
        Ok(())
    }

    /// Tells the views that the edge will not move again.
    pub(crate) fn finish(&mut self) {
        self.segment.edge.finish();
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
    /// What is published in a mapping, from `offset` on.
    pub(crate) fn mapped(&self, offset: usize) -> Option<&[u8]> {
        let map = self.0.map.as_ref()?;
        let edge = self.0.edge.get();
        assert!((FRAMES_OFFSET..=edge).contains(&offset), "a view reads published frames only");
        // SAFETY: `offset` is inside the mapping.
        let start = unsafe { map.map.as_ptr().add(offset) };
        // SAFETY: bytes before the edge were written before the release store seen above and never change again.
        Some(unsafe { std::slice::from_raw_parts(start, edge - offset) })
    }

    /// Reads what is published at `offset` from the file.
    pub(crate) fn read(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let frames = FRAMES_OFFSET..=self.0.edge.get();
        assert!(
            offset >= *frames.start() && offset + bytes.len() <= *frames.end(),
            "a view reads published frames only"
        );
        let read = self.0.file.read_at(bytes, offset as u64)?;
        if read < bytes.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Where the published frames end.
    pub(crate) fn edge(&self) -> usize {
        self.0.edge.get()
    }

    /// Whether the edge has moved for the last time; ask before looking at the edge.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.edge.is_finished()
    }

    /// Size of the segment.
    pub(crate) fn size(&self) -> usize {
        self.0.size
    }

    /// Makes what is published durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.file.sync_data()
    }

    /// Makes pages of a mapping writable ahead of the writer, so that it does not fault on each. Changes no byte.
    pub(crate) fn populate(&self, offset: usize, length: usize) -> io::Result<()> {
        let Some(map) = &self.0.map else { return Ok(()) };
        map.map.advise_range(Advice::PopulateWrite, offset, length)
    }

    /// Takes whole published pages from `offset` on out of the page table; gives the offset behind them.
    ///
    /// They stay in the page cache, dirty as they are. A sync of pages that are still mapped protects them one by one,
    /// and each time interrupts every processor that runs a thread of ours.
    pub(crate) fn unmap_published(&self, offset: usize) -> io::Result<usize> {
        let end = self.edge() / PAGE_SIZE * PAGE_SIZE;
        let Some(map) = self.0.map.as_ref().filter(|map| map.of_file && end > offset) else {
            return Ok(offset);
        };
        assert!(offset.is_multiple_of(PAGE_SIZE), "pages start at multiples of their size");
        // SAFETY: the mapping is shared and of a file, so an access brings back the same bytes; nothing is lost.
        unsafe { map.map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, end - offset)? };
        Ok(end)
    }
}

/// A page of counters that is also a file.
#[derive(Debug)]
pub(crate) struct CounterPage(Memory);

impl CounterPage {
    /// The counters in `map`, which has at least one page.
    pub(crate) fn new(map: Memory) -> Self {
        assert!(map.len() >= PAGE_SIZE, "the file of counters has a page");
        Self(map)
    }

    /// The counter at `offset`.
    #[inline]
    pub(crate) fn counter(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= PAGE_SIZE, "a counter lies on a word of the page");
        // SAFETY: inside the mapping, which is at least a page.
        let place = unsafe { self.0.map.as_mut_ptr().add(offset) };
        // SAFETY: mapped and 8-aligned for as long as `self` lives, and only ever used as an atomic.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }
}
