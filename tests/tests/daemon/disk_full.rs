//! A disk that is full: a clear error, no signal, and the journal is whole when there is room again.

use crate::fixture::{Bench, tell_skipped};
use crate::process::{reexecute, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system of our own, unmounted when the test ends.
#[derive(Debug)]
struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// `None`, and a line that says so, where mounting is not allowed.
    fn mount(place: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&place).expect("a folder");
        let options = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&place).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { place });
        }
        tell_skipped("a small tmpfs cannot be mounted here");
        None
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let done =
            Command::new("mount").args(["-o", &options]).arg(&self.place).status().expect("mount starts");
        assert!(done.success(), "the disk cannot be made larger");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, as a process may still hold a file; there is nothing to do where it fails.
        Command::new("umount").arg("--lazy").arg(&self.place).status().ok();
    }
}

#[test]
fn a_full_disk_ends_the_run_cleanly_and_room_brings_it_back() {
    let bench = Bench::with_capture(2_500, 1_000_000);
    let Some(disk) = SmallDisk::mount(bench.path("disk"), "4500k") else { return };
    let whole = run(bench.arguments(&bench.path("whole"), &[])).expect(0).json();
    let journal: &Path = &disk.place.join("journal");
    let told = run(bench.arguments(journal, &[]));
    told.expect_told(74, &["No space left on device"]);
    run(bench.arguments(journal, &[])).expect_told(74, &["No space left on device"]);
    disk.resize("32m");
    let resumed = run(bench.arguments(journal, &[])).expect(0).json();
    assert_eq!(resumed["digest"], whole["digest"]);
    assert_eq!(resumed["journal"]["chain_head"], whole["journal"]["chain_head"]);
    reexecute(journal);
}
