//! Tests of the whole system: what they share.

pub mod fuzz;
pub mod program;
pub mod scenario;
