//! Behaviour of the ring pipeline: order, completeness, back-pressure, replies, failure, time.

mod backpressure;
mod egress;
mod failure;
mod order;
mod rig;
mod shutdown;
mod time;
