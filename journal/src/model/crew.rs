//! A crew without threads: what the writer tells it goes where the real one would send it.

#![expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "it has the shape of what it stands for")]

use super::append_error::AppendError;
use super::mmap::SegmentView;
use super::prepare::Spare;
use super::sync::Sender;
use super::syncing::{SyncRequests, Unsynced};
use crate::chain::ChainHead;
use crate::directory::FileError;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Threads are those of the run.
#[derive(Debug)]
pub(crate) struct Works;

#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) dir: PathBuf,
    pub(crate) segment_size: usize,
    pub(crate) requests: Arc<SyncRequests>,
    pub(crate) uses: Sender<Unsynced>,
    pub(crate) spares: VecDeque<Spare>,
}

impl Crew {
    pub(crate) fn start(&mut self, _: Works, _: usize) -> Result<(), FileError> {
        Ok(())
    }

    pub(crate) fn next_spare(&mut self) -> Option<Spare> {
        self.spares.pop_front()
    }

    pub(crate) fn last_block(&self) -> ChainHead {
        ChainHead::default()
    }

    pub(crate) fn taken_into_use(&mut self, view: SegmentView) {
        self.uses.send(Unsynced::new(view));
    }

    pub(crate) fn written(&mut self, _: usize) {
        self.requests.bell.nudge();
    }

    pub(crate) fn wake_sync(&self) {
        self.requests.bell.ring();
    }

    pub(crate) fn sync_now(&self) {
        self.requests.sync_now();
    }

    pub(crate) fn finish(&mut self) -> Result<Option<ChainHead>, AppendError> {
        Ok(None)
    }
}
