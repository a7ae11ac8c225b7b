//! Tests of the whole system: what they share.

pub mod program;
