//! The benchmark suite: the committed workload, and what the machine does with it.
//!
//! [`workload`] gives the commands, [`throughput`] measures the whole pipeline beside its physical limits,
//! [`syncing`] the journal under syncs. [`recording`] keeps what a core made of the workload, for those who measure one part alone.

pub mod append;
pub mod matching;
pub mod postgres;
pub mod recording;
pub mod rings;
pub mod syncing;
pub mod throughput;
pub mod verifying;
pub mod workload;
