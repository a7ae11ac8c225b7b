//! The deterministic core of Tickwerk and the ring pipeline around it.
//!
//! [`Core`] decides; it owns no file, no socket and no clock. [`pipeline`] moves commands to it and frames
//! away from it.

pub mod accounts;
pub mod core;
pub mod decider;
pub mod event_buffer;
pub mod executions;
pub mod lifecycle;
pub mod limits;
pub mod machine;
pub mod market;
pub mod orders;
pub mod pipeline;
pub mod positions;
pub mod reconciliation;
pub mod replay;
pub mod risk;
pub mod signals;
pub mod timers;

pub use core::{Core, RestoreError, STATE_VERSION};
pub use decider::Decider;
pub use event_buffer::EventBuffer;
