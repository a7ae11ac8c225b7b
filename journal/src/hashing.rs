//! The chain thread: hashes what was written, off the journal thread.
//!
//! It reads back published frames only, publishes how far it is, and hands each complete block to the sync thread,
//! which stores it once it is durable. It only lags; it fails where frames cannot be read back.

use crate::bell::Bell;
use crate::chain::{Chain, ChainHead};
use crate::directory::failed;
use crate::failure::Failure;
use crate::format;
use crate::mmap::SegmentView;
use crate::priority::lower_priority;
use crate::syncing::Progress;
use crate::watermarks::Watermarks;
use crossbeam::channel::{Receiver, Sender, TryRecvError};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_micros(100);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Longer pauses the writer may end.
const WAKES_BY_ITSELF: Duration = Duration::from_micros(500);
/// Less than this is worth a pause: following the writer frame by frame takes its cache lines from it.
const WORTHWHILE: usize = 64 * 1024;

/// Behind those who wait for the disk: it only lags.
const PRIORITY: i32 = 10;
/// As much is read back at once where frames are not mapped.
const READ_SIZE: usize = 128 * 1024;

const _: () = assert!(format::FRAME_SIZE_MAX <= READ_SIZE, "a frame fits");

/// Everything the chain thread works with.
#[derive(Debug)]
pub(crate) struct Hashing {
    pub(crate) dir: PathBuf,
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
    pub(crate) fn run(mut self) -> Result<Chain, Failure> {
        lower_priority(PRIORITY);
        let mut pause = PAUSE_MIN;
        while !self.stop.load(Ordering::Acquire) {
            if !self.view.is_finished() && self.view.edge() - self.offset < WORTHWHILE {
                self.wait(pause);
            }
            match self.step()? {
                Progress::Working => {
                    pause = PAUSE_MIN;
                    continue;
                }
                Progress::Resting => {}
                Progress::Ended => break,
            }
            if self.view.is_finished() {
                self.wait(pause);
            }
            if pause > PAUSE_MIN {
                self.settle();
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(self.chain)
    }

    /// Sleeps; a writer that has written a lot meanwhile ends a long sleep, but is not bothered with short ones.
    fn wait(&self, pause: Duration) {
        if pause > WAKES_BY_ITSELF {
            self.bell.wait(pause, || self.view.edge() - self.offset >= WORTHWHILE);
        } else {
            std::thread::park_timeout(pause);
        }
    }

    /// Hashes some of what is published, or goes over to the next segment; a failure is published.
    pub(crate) fn step(&mut self) -> Result<Progress, Failure> {
        let finished = self.view.is_finished();
        let hashed = self.hash_published().map_err(|error| {
            let failure = Failure::new("chain thread", &failed("read back frames in", &self.dir)(error));
            self.marks.fail(&failure);
            failure
        })?;
        if hashed {
            return Ok(Progress::Working);
        }
        if !finished {
            return Ok(Progress::Resting);
        }
        match self.views.try_recv() {
            Ok(view) => {
                self.view = view;
                self.offset = format::FRAMES_OFFSET;
                Ok(Progress::Working)
            }
            Err(TryRecvError::Disconnected) => Ok(Progress::Ended),
            Err(TryRecvError::Empty) => Ok(Progress::Resting),
        }
    }

    /// The head of everything that is hashed.
    #[cfg(test)]
    pub(crate) fn head(&self) -> ChainHead {
        self.chain.head()
    }

    /// Publishes the head of the block that is not complete.
    pub(crate) fn settle(&mut self) {
        if self.marks.head().through != self.chain.through() {
            self.marks.set_head(self.chain.head());
        }
    }

    /// Hashes some of what is published; whether there was anything.
    fn hash_published(&mut self) -> io::Result<bool> {
        let Self { chain, view, offset, blocks, last_block, marks, .. } = self;
        let length = view.edge() - *offset;
        if length == 0 {
            return Ok(false);
        }
        let on_block = |block: ChainHead| {
            marks.set_head(block);
            marks.set_chained(block.through);
            *last_block.lock() = block;
            if blocks.send(block).is_err() {
                // The sync thread is gone only after a failure, which is published.
            }
        };
        *offset += if let Some(frames) = view.mapped(*offset) {
            chain.push(frames, on_block);
            frames.len()
        } else {
            chain.pull(length.min(READ_SIZE), |bytes| view.read(*offset, bytes), on_block)?
        };
        marks.set_chained(chain.through());
        Ok(true)
    }
}
