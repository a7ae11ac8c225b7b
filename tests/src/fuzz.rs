//! What a fuzzer feeds: the readers of everything that comes from outside or from a disk, each as a function of bytes.
//!
//! A target answers any bytes with a value or an error; what it must not do is panic, hang, or take memory for what the
//! bytes only claim. Checksums and hashes are mended first where the bytes ask for it, as a fuzzer never guesses them and
//! would stop at them. `tests/fuzz` runs the targets under libFuzzer; the tests here run them over the corpus and some
//! thousand changed inputs, and show that a target with a planted fault is caught.

mod capture;
mod frames;
pub mod mutate;

pub mod seeds;
mod snapshot;
#[cfg(test)]
mod tests;

pub use capture::CaptureDecoder;
pub use frames::FrameReader;
pub use snapshot::SnapshotLoader;

use std::path::Path;
use tempfile::TempDir;

/// Something that is fed.
pub trait Target {
    /// The name of its corpus.
    const NAME: &'static str;

    /// Whatever it needs again and again.
    fn new() -> Self;

    /// Takes one input.
    fn feed(&mut self, bytes: &[u8]);
}

/// A target that is broken at one input, to show that whoever feeds it would notice.
#[derive(Debug)]
pub struct Planted;

impl Target for Planted {
    const NAME: &'static str = "planted";

    fn new() -> Self {
        Self
    }

    fn feed(&mut self, bytes: &[u8]) {
        let is_hit = bytes.len() > 3 && bytes[0] == b'f' && bytes[1] == b'u' && bytes[2] > 0x80;
        assert!(!is_hit, "the planted fault");
    }
}

/// A directory for a target; in memory where that can be had.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a directory for scratch files")
}

/// The choice that the first byte makes, and the rest.
fn choice(bytes: &[u8]) -> (u8, &[u8]) {
    bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest))
}
