//! Segments, frames, checksums, hash chain and recovery of the memory-mapped journal.
//!
//! The way of a record: [`recover`] takes the lock, judges what is there and gives [`Recovered`]; its frames are
//! replayed; [`Recovered::open`] gives a [`Journal`] whose [`Writer`] goes to the journal thread. Everybody else
//! reads: [`Reader`] what is there, [`Tail`] what comes, [`verify`] whether it is whole, [`inspect`] how it lies.
//! Snapshots shorten the way ([`recover_from`]); [`backup()`], [`restore`], [`diagnose`], [`plan_retention`] and
//! [`compress()`] keep a journal over the years. Beneath the writer is one trait, `Storage`, with the disk and its
//! simulation.
//!
//! Units: a [`Place`] counts bytes from the start of a segment's file; watermarks are inclusive sequences.
//! The format is drawn in [`format`](mod@format) and told in `FORMAT.md`. This crate knows no ring and no engine.
//! How far it is written, durable and replicated tell [`Watermarks`]; a replicator publishes by [`ReplicatedMark`].

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

mod append_error;
mod backup;
mod beginning;
mod bell;
mod blank;
mod buffer;
mod chain;
mod compress;
mod compressed;
mod config;
mod crc;
mod crcs;
mod crew;
mod descent;
mod directory;
mod disk;
mod durable;
mod edge;
mod failpoint;
mod failure;
mod files;
mod first;
pub mod format;
mod hashing;
mod heads;
mod inspect;
mod journal;
mod keeper;
mod mmap;
#[cfg(test)]
#[expect(dead_code, unreachable_pub, reason = "the runs need less of these files than the journal does")]
#[expect(clippy::duplicate_mod, reason = "the same code, between other atomics")]
mod model;
mod prepare;
mod priority;
mod reader;
mod recovery;
mod repair;
mod replicated;
mod retention;
mod scan;
pub mod schema;
mod scrub;
mod segment;
#[cfg(test)]
mod simulation;
mod snapshot;
mod space;
mod storage;
mod sync;
mod syncing;
mod tail;
mod torn;
mod verify;
mod walk;
mod watermarks;
mod writer;

pub use append_error::AppendError;
pub use backup::restore::{RestoreReport, restore};
pub use backup::set::Rotation;
pub use backup::{BackupReport, backup};
pub use beginning::{StartPoint, journal_id};
pub use blank::BlankSegment;
pub use chain::{Chain, ChainHead, Head};
pub use compress::{COMPRESS_LEVEL_DEFAULT, CompressedSegment, compress, compress_next};
pub use config::{Io, JournalConfig, OnFailure, SyncPolicy};
pub use directory::FileError;
pub use durable::DurableMark;
pub use failpoint::{Failpoint, FailpointError, Fault, HAS_FAILPOINTS, check_failpoints, has_fault, reach};
pub use failure::Failure;
pub use first::FirstKept;
pub use format::{FrameHeader, JournalId};
pub use inspect::{
    FrameBytes, InspectError, Inspection, SegmentReport, SegmentState, inspect, segment_created,
};
pub use journal::Journal;
pub use keeper::KeepError;
pub use priority::lower_priority;
pub use reader::{Frame, FrameRef, Place, ReadError, Reader};
pub use recovery::{RecoverError, Recovered, Witness, recover, recover_from};
pub use repair::apply::{RepairReport, repair_cut, repair_from};
pub use repair::{Diagnosis, Finding, diagnose};
pub use replicated::{ReplicatedError, ReplicatedMark};
pub use retention::register::{
    BadDependant, Dependant, DependantKind, RegisterError, list_dependants, remove_dependant, write_dependant,
};
pub use retention::{
    Decision, RetentionPlan, RetentionRule, SNAPSHOTS_NEEDED, apply_retention, hold, plan_retention,
};
pub use scan::{Note, OnFrame};
pub use scrub::{ScrubCounts, ScrubFinding, ScrubStep, Scrubber};
pub use snapshot::{
    BlockStart, ChainPosition, Section, Snapshot, SnapshotError, SnapshotFile, SnapshotHeader, chain_at,
    list_snapshots, read_snapshot, read_snapshot_header, remove_old_snapshots, write_snapshot,
};
pub use space::Space;
pub use tail::{Follow, Tail, is_live};
pub use torn::TornTail;
pub use verify::{Depth, Difference, VerifyError, VerifyReport, verify, verify_bytes};
pub use watermarks::{StoredWatermarks, WatermarkState, Watermarks};
pub use writer::{Closed, Writer};
