//! The tickwerk binary: trading daemon, journal replay and benchmarks.

fn main() {}
