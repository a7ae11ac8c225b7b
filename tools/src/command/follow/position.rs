//! Where a follower stands, as one JSON object or a line for people.

use crate::command::inspect::grouped;
use crate::follower::Following;
use serde_json::{Value, json};
use tickwerk_journal::StoredWatermarks;

pub(super) struct Position {
    sequence: u64,
    frames: u64,
    time_ns: u64,
    digest: u64,
    /// The last `StateDigest` event that came out the same.
    proven_through: Option<u64>,
    written_through: u64,
    durable_through: u64,
}

impl Position {
    pub(super) fn of(following: &Following, marks: Option<StoredWatermarks>) -> Self {
        let core = following.core();
        Self {
            sequence: following.at().0,
            frames: core.frames(),
            time_ns: core.machine().last().time_ns.0,
            digest: core.digest(),
            proven_through: following.proven().map(|(sequence, _)| sequence.0),
            written_through: marks.map_or(0, |marks| marks.written_through.0),
            durable_through: marks.map_or(0, |marks| marks.durable_through.0),
        }
    }

    /// Records that are written and not yet followed.
    fn lag(&self) -> u64 {
        self.written_through.saturating_sub(self.sequence)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "sequence": self.sequence,
            "frames": self.frames,
            "time_ns": self.time_ns,
            "digest": format!("{:016x}", self.digest),
            "proven_through": self.proven_through,
            "written_through": self.written_through,
            "durable_through": self.durable_through,
            "lag": self.lag(),
        })
    }

    pub(super) fn to_text(&self) -> String {
        let proven = self.proven_through.map_or_else(String::new, |through| {
            format!(", last digest in the journal confirmed at {}", grouped(through))
        });
        format!(
            "at {}, {} behind, durable through {}, digest {:016x}{proven}",
            grouped(self.sequence),
            grouped(self.lag()),
            grouped(self.durable_through),
            self.digest,
        )
    }
}
