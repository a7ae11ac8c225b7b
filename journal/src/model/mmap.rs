//! Segments and counters as the model sees them: a frame is there for who may see it, and durable if a sync took it in.
//!
//! The length of a frame stands for all its bytes: it is stored and loaded without any order of its own, so that a reader
//! who may see an older value of the bytes sees a frame that is not there.

#![expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "it has the shape of what it stands for"
)]

use super::edge::Edge;
use super::sync::{AtomicU64, Ordering};
use crate::format::{FRAMES_OFFSET, PAGE_SIZE, Page};
use crate::mmap::Memory;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, atomic};

pub(crate) const GATHER_SIZE: usize = 64 * 1024;
/// Room for one frame of the runs.
const SPACE_SIZE: usize = 4096;

thread_local! {
    /// The segments of the run that is on.
    static SEGMENTS: RefCell<Vec<Arc<Segment>>> = const { RefCell::new(Vec::new()) };
}

/// Lays out the segments of a run: `count` of so many frames each.
pub(crate) fn lay_out(count: u64, frames: usize) -> Vec<Arc<Segment>> {
    let segments: Vec<_> = (1..=count).map(|number| Arc::new(Segment::new(number, frames))).collect();
    SEGMENTS.set(segments.clone());
    segments
}

/// Segment number `index`, from 0.
pub(crate) fn segment_at(index: usize) -> Option<Arc<Segment>> {
    SEGMENTS.with_borrow(|segments| segments.get(index).cloned())
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    edge: Edge,
    frames: Vec<Slot>,
    /// Frames that a sync would take in now, and those that one took in.
    stored: atomic::AtomicUsize,
    synced: atomic::AtomicUsize,
}

#[derive(Debug)]
struct Slot {
    length: AtomicU64,
    bytes: Mutex<Vec<u8>>,
}

impl Segment {
    fn new(number: u64, frames: usize) -> Self {
        let slot = || Slot { length: AtomicU64::new(0), bytes: Mutex::default() };
        Self {
            number,
            edge: Edge::new(FRAMES_OFFSET),
            frames: std::iter::repeat_with(slot).take(frames).collect(),
            stored: atomic::AtomicUsize::new(0),
            synced: atomic::AtomicUsize::new(0),
        }
    }

    /// The bytes of a frame as they may be seen here; `None` behind the last place for one.
    pub(crate) fn frame(&self, index: usize) -> Option<Vec<u8>> {
        let slot = self.frames.get(index)?;
        let length = slot.length.load(Ordering::Relaxed);
        assert!(length > 0, "a frame is not there where it was said to be");
        Some(slot.bytes.lock().expect("a run ends with the first panic").clone())
    }

    /// Whether a sync took the frame in.
    pub(crate) fn is_synced(&self, index: usize) -> bool {
        index < self.synced.load(atomic::Ordering::SeqCst)
    }
}

/// The writer of a segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Arc<Segment>,
    space: Vec<u8>,
    edge: usize,
    count: usize,
}

/// The view of a segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentView(Arc<Segment>);

/// Both ends of a segment.
pub(crate) fn open(segment: &Arc<Segment>) -> (SegmentWriter, SegmentView) {
    let (space, edge) = (vec![0; SPACE_SIZE], FRAMES_OFFSET);
    let writer = SegmentWriter { segment: Arc::clone(segment), space, edge, count: 0 };
    (writer, SegmentView(Arc::clone(segment)))
}

impl SegmentWriter {
    pub(crate) fn edge(&self) -> usize {
        self.edge
    }

    pub(crate) fn remaining(&self) -> usize {
        if self.count < self.segment.frames.len() { usize::MAX } else { 0 }
    }

    pub(crate) fn unpublished(&mut self) -> &mut [u8] {
        &mut self.space
    }

    pub(crate) fn publish(&mut self, length: usize) -> bool {
        let word = u32::try_from(length).expect("a frame is short");
        let mut bytes = self.space[..length].to_vec();
        bytes[..4].copy_from_slice(&word.to_le_bytes());
        let slot = &self.segment.frames[self.count];
        *slot.bytes.lock().expect("a run ends with the first panic") = bytes;
        slot.length.store(length as u64, Ordering::Relaxed);
        self.count += 1;
        self.segment.stored.store(self.count, atomic::Ordering::SeqCst);
        self.edge += length;
        self.segment.edge.publish(self.edge);
        true
    }

    pub(crate) fn gathered(&self) -> usize {
        0
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn activate(&mut self, _: &Page) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn finish(&mut self) {
        self.segment.edge.finish();
    }
}

impl SegmentView {
    pub(crate) fn edge(&self) -> usize {
        self.0.edge.get()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.edge.is_finished()
    }

    /// The frames before the edge, all of which may be seen here.
    pub(crate) fn published(&self) -> usize {
        let edge = self.edge();
        let (mut offset, mut index) = (FRAMES_OFFSET, 0);
        while offset < edge {
            offset += self.0.frame(index).expect("frames lie one behind the other up to the edge").len();
            index += 1;
        }
        index
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let stored = self.0.stored.load(atomic::Ordering::SeqCst);
        // As a sync takes its time, the watermark may move meanwhile.
        loom::thread::yield_now();
        self.0.synced.store(stored, atomic::Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn unmap_published(&self, offset: usize) -> io::Result<usize> {
        Ok(offset)
    }
}

/// The counters of `WATERMARKS`, one atomic each.
#[derive(Debug)]
pub(crate) struct CounterPage(BTreeMap<usize, AtomicU64>);

impl CounterPage {
    /// All counters there are, with what the file has.
    pub(crate) fn new(map: Memory) -> Self {
        let mut page = vec![0; PAGE_SIZE];
        map.read(&mut page, 0);
        let singles = [128, 136, 256, 384, 512, 520, 640, 896, 960];
        let heads = (704..744).step_by(8).chain((768..808).step_by(8));
        let counter = |offset| (offset, AtomicU64::new(crate::format::u64_at(&page, offset)));
        Self(singles.into_iter().chain(heads).map(counter).collect())
    }

    pub(crate) fn counter(&self, offset: usize) -> &AtomicU64 {
        &self.0[&offset]
    }
}
