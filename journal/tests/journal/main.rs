//! Behaviour of the journal as its users see it, one topic a module.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod beginning;
mod chain;
mod compression;
mod failures;
mod flips;
mod golden;
mod live;
mod random;
mod recovery;
mod repair;
mod retention;
mod rotation;
mod round_trip;
mod samples;
mod scrub;
mod snapshots;
mod support;
