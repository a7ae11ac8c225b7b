//! Segments, frames, checksums, hash chain and recovery of the memory-mapped journal.
//!
//! The way of a record: [`recover`] takes the lock, judges what is there and gives [`Recovered`]; its frames are
//! replayed; [`Recovered::open`] gives a [`Journal`] whose [`Writer`] goes to the journal thread. Everybody else
//! reads: [`Reader`] what is there, [`Tail`] what comes, [`verify`] whether it is whole, [`inspect`] how it lies.
//!
//! Units: a [`Place`] counts bytes from the start of a segment's file; watermarks are inclusive sequences.
//! The format is drawn in [`format`](mod@format) and told in `FORMAT.md`. This crate knows no ring and no engine.
//! Snapshots, retention, the spare-segment policy and a replicated watermark have their place beside
//! [`recover`], [`inspect`], [`JournalConfig::spare_segments`] and [`Watermarks`].

#![deny(missing_docs)]

/// Whether a test has put this fault into the code; never outside of tests.
macro_rules! broken {
    ($fault:ident) => {{
        #[cfg(test)]
        let is_broken = crate::simulation::broken::is(crate::simulation::broken::Broken::$fault);
        #[cfg(not(test))]
        let is_broken = false;
        is_broken
    }};
}

mod beginning;
mod bell;
mod blank;
mod chain;
mod config;
mod crew;
mod directory;
mod disk;
mod durable;
mod first;
pub mod format;
mod hashing;
mod heads;
mod inspect;
mod journal;
mod mmap;
mod prepare;
mod reader;
mod recovery;
mod scan;
pub mod schema;
mod segment;
#[cfg(test)]
mod simulation;
mod snapshot;
mod storage;
mod syncing;
mod tail;
mod torn;
mod verify;
mod walk;
mod watermarks;
mod writer;

pub use beginning::StartPoint;
pub use blank::BlankSegment;
pub use chain::{ChainHead, Head};
pub use config::{Io, JournalConfig, OnFailure, SyncPolicy};
pub use directory::FileError;
pub use durable::DurableMark;
pub use first::FirstKept;
pub use format::{FrameHeader, JournalId};
pub use inspect::{InspectError, Inspection, SegmentReport, SegmentState, inspect};
pub use journal::Journal;
pub use reader::{Frame, FrameRef, Place, ReadError, Reader};
pub use recovery::{RecoverError, Recovered, Witness, recover, recover_from};
pub use scan::Note;
pub use snapshot::{
    ChainPosition, Section, Snapshot, SnapshotError, SnapshotFile, SnapshotHeader, chain_at, list_snapshots,
    read_snapshot, read_snapshot_header, remove_old_snapshots, write_snapshot,
};
pub use tail::{Follow, Tail};
pub use torn::TornTail;
pub use verify::{Difference, VerifyError, VerifyReport, verify};
pub use watermarks::{Failure, StoredWatermarks, WatermarkState, Watermarks};
pub use writer::{AppendError, Closed, Writer};
