//! Segments, frames, checksums, hash chain and recovery of the memory-mapped journal.
