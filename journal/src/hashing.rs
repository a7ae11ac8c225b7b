//! The chain thread: hashes what was written, off the journal thread.
//!
//! It reads back published frames only, publishes how far it is, and hands each complete block to the sync thread,
//! which stores it once it is durable. It can only lag, not fail.

use crate::bell::Bell;
use crate::chain::{Chain, ChainHead};
use crate::format;
use crate::mmap::SegmentView;
use crate::watermarks::Watermarks;
use crossbeam::channel::{Receiver, Sender, TryRecvError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_micros(100);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Longer pauses the writer may end.
const WAKES_BY_ITSELF: Duration = Duration::from_micros(500);
/// Less than this is worth a pause: following the writer frame by frame takes its cache lines from it.
const WORTHWHILE: usize = 64 * 1024;

/// Everything the chain thread works with.
#[derive(Debug)]
pub(crate) struct Hashing {
    pub(crate) chain: Chain,
    pub(crate) view: SegmentView,
    pub(crate) offset: usize,
    pub(crate) views: Receiver<SegmentView>,
    /// Rung by the writer now and then.
    pub(crate) bell: Arc<Bell>,
    pub(crate) blocks: Sender<ChainHead>,
    /// The last complete block, for the activation page of the next segment.
    pub(crate) last_block: Arc<Mutex<ChainHead>>,
    pub(crate) marks: Watermarks,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Hashing {
    /// Runs until the writer has closed the channel of segments and everything is hashed, or until `stop`.
    pub(crate) fn run(mut self) -> Chain {
        let mut pause = PAUSE_MIN;
        while !self.stop.load(Ordering::Acquire) {
            let finished = self.view.is_finished();
            if !finished && self.view.edge() - self.offset < WORTHWHILE {
                self.wait(pause);
            }
            if self.hash_published() {
                pause = PAUSE_MIN;
                continue;
            }
            if finished {
                match self.views.try_recv() {
                    Ok(view) => {
                        self.view = view;
                        self.offset = format::FRAMES_OFFSET;
                        continue;
                    }
                    Err(TryRecvError::Disconnected) => break,
                    Err(TryRecvError::Empty) => self.wait(pause),
                }
            }
            if pause > PAUSE_MIN && self.marks.head().through != self.chain.through() {
                self.chain.settle();
                self.marks.set_head(self.chain.head());
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        self.chain
    }

    /// Sleeps; a writer that has written a lot meanwhile ends a long sleep, but is not bothered with short ones.
    fn wait(&self, pause: Duration) {
        if pause > WAKES_BY_ITSELF {
            self.bell.wait(pause, || self.view.edge() - self.offset >= WORTHWHILE);
        } else {
            std::thread::park_timeout(pause);
        }
    }

    /// Hashes some of what is published; whether there was anything.
    fn hash_published(&mut self) -> bool {
        let Self { chain, view, offset, blocks, last_block, marks, .. } = self;
        let frames = view.published(*offset);
        if frames.is_empty() {
            return false;
        }
        chain.push(frames, |block| {
            marks.set_head(block);
            marks.set_chained(block.through);
            *last_block.lock() = block;
            if blocks.send(block).is_err() {
                // The sync thread is gone only after a failure, which is published.
            }
        });
        *offset += frames.len();
        marks.set_chained(chain.through());
        true
    }
}
