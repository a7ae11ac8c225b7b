//! What the threads of a journal hand to each other, in every order and with every value that the memory model allows.
//!
//! The files named below are the code that runs, compiled a second time: their atomics, locks and channels are those of a
//! model checker (`loom`), which tries all interleavings up to a number of preemptions and gives to each load every value
//! that it may see. Around them stand a memory of frames that knows what a reader sees and what a sync has taken in, a
//! crew without threads and a reader over that memory. Faults are put into the code itself, to show that they are found.
//!
//! Pre: loads through files (other processes, recovery) are outside; the simulated disk is for these.

mod crew;
mod mmap;
mod prepare;
mod reader;
mod runs;
mod sync;

#[path = "bell.rs"]
mod bell;
#[path = "edge.rs"]
mod edge;
#[path = "syncing.rs"]
mod syncing;
#[path = "tail.rs"]
mod tail;
#[path = "watermarks.rs"]
mod watermarks;
#[path = "writer.rs"]
mod writer;

use crate::{
    append_error, chain, config, crcs, directory, durable, failpoint, failure, format, heads, schema, space,
};
