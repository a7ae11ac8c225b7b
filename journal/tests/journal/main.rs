//! Behaviour of the journal as its users see it, one topic a module.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beginning;
mod chain;
mod failures;
mod flips;
mod gathered;
mod golden;
mod live;
mod random;
mod recovery;
mod rotation;
mod round_trip;
mod samples;
mod snapshots;
mod support;
