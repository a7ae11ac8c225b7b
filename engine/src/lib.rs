//! The deterministic core of Tickwerk and the ring pipeline around it.
//!
//! [`Core`](core::Core) decides; it owns no file, no socket and no clock. [`pipeline`] moves commands to it and frames
//! away from it.

pub mod decider;
pub mod event_buffer;
pub mod limits;
pub mod pipeline;

pub use decider::Decider;
pub use event_buffer::EventBuffer;
