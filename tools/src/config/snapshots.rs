//! `[snapshot]`: when the follower takes snapshots, and how many stay.

use super::error::ConfigError;
use super::section::{Section, Source};
use toml::Table;

/// `[snapshot]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SnapshotSettings {
    /// Frames after which one is taken; 0 for not by frames.
    pub(crate) every_frames: u64,
    /// Seconds after which one is taken, if anything happened; 0 for not by time.
    pub(crate) every_s: u64,
    /// How many stay.
    pub(crate) keep: usize,
}

const SECONDS_MAX: i64 = 7 * 24 * 3600;
const KEEP_MAX: i64 = 100;

impl Default for SnapshotSettings {
    /// Some seconds of replay at most, and no snapshot of what stands still.
    fn default() -> Self {
        Self { every_frames: 10_000_000, every_s: 300, keep: 2 }
    }
}

pub(crate) fn read_snapshots(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
) -> Result<SnapshotSettings, ConfigError> {
    let mut section = Section::open(file, "snapshot", "snapshot", source)?;
    let default = SnapshotSettings::default();
    let settings = SnapshotSettings {
        every_frames: section.integer_or("every_frames", 0..=i64::MAX, default.every_frames)?,
        every_s: section.integer_or("every_s", 0..=SECONDS_MAX, default.every_s)?,
        keep: section.integer_or("keep", 1..=KEEP_MAX, default.keep)?,
    };
    dump.insert("snapshot".to_owned(), section.finish().into());
    Ok(settings)
}
