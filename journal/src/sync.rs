//! Atomics, locks, channels and sleeping threads of what one thread hands to another.
//!
//! `bell.rs`, `edge.rs`, `watermarks.rs`, `writer.rs`, `syncing.rs` and `tail.rs` take them from here, and name their
//! neighbours by `super`: so the same files can be compiled a second time in `model.rs`, between the atomics of a model
//! checker and a memory that sees races.

pub(crate) use crossbeam::channel::Receiver;
pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(crate) use std::thread::{Thread, current, park_timeout};
