//! What a verification found, as one JSON object and as a few lines for people.
//!
//! Units: sequences as numbers (0 for none), offsets in bytes from the start of the segment's file, heads in lower-case
//! hex. Invariant: `ok` is whether there is no first difference, whatever the tail and the notes say.

use super::snapshots::Checked;
use crate::command::inspect::{grouped, size_in_words};
use crate::session::is_snapshot;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tickwerk_journal::{Difference, TornTail, VerifyReport};

/// What was done besides reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) is_reexecution: bool,
    pub(super) reexecuted_frames: u64,
    /// Frames before the snapshot that deciding again began behind, as the journal's beginning is not kept.
    pub(super) known_frames: u64,
    /// Of the frames that were read.
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
}

/// A verification's result; the names of its fields are those of the JSON.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    pub(super) ok: bool,
    frames: u64,
    records: u64,
    first_sequence: u64,
    last_sequence: u64,
    chain_head: String,
    /// Every frame was decided again and came out the same.
    reexecuted: bool,
    reexecuted_frames: u64,
    first_difference: Option<FirstDifference>,
    tail: Option<Tail>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<Checked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip)]
    work: Work,
}

#[derive(Serialize, Debug)]
struct FirstDifference {
    sequence: u64,
    segment: u64,
    offset: u64,
    reason: String,
}

#[derive(Serialize, Debug)]
struct Tail {
    segment: u64,
    offset: u64,
    bytes: u64,
    reason: &'static str,
}

impl Report {
    /// Joins what the journal's own verification found with what deciding again found.
    pub(super) fn new(found: VerifyReport, reexecution: Option<Difference>, work: Work) -> Self {
        // Deciding again stops the verification, so that at most one of them is there.
        let difference = reexecution.or(found.first_difference);
        let ok = difference.is_none();
        Self {
            ok,
            frames: found.frames,
            records: found.records,
            first_sequence: found.first_sequence.0,
            last_sequence: found.last_sequence.0,
            chain_head: found.chain_head.head.to_string(),
            reexecuted: ok
                && work.is_reexecution
                && work.reexecuted_frames + work.known_frames == found.frames,
            reexecuted_frames: work.reexecuted_frames,
            first_difference: difference.map(|Difference { sequence, segment, offset, reason }| {
                FirstDifference { sequence: sequence.0, segment, offset, reason }
            }),
            tail: found.tail.map(|TornTail { segment, offset, bytes, reason, copies: _ }| Tail {
                segment,
                offset,
                bytes,
                reason,
            }),
            snapshots: Vec::new(),
            // What is wrong with a snapshot is told with it.
            notes: found
                .notes
                .iter()
                .filter(|note| !is_snapshot(&note.path))
                .map(ToString::to_string)
                .collect(),
            work,
        }
    }

    /// With what was found about the snapshots; a bad one is not ok.
    pub(super) fn with_snapshots(mut self, snapshots: Vec<Checked>) -> Self {
        self.ok &= snapshots.iter().all(|snapshot| snapshot.bad.is_none());
        self.snapshots = snapshots;
        self
    }

    /// The report for people, without the end of the last line.
    pub(super) fn text(&self, dir: &Path) -> String {
        let verdict = if self.ok { "ok" } else { "FAILED" };
        let mut text = format!("{verdict}: the journal in {}", dir.display());
        let mut line = |name: &str, value: &str| {
            write!(text, "\n  {name:<13} {value}").expect("writing to a string cannot fail");
        };
        if let Some(FirstDifference { sequence, segment, offset, reason }) = &self.first_difference {
            line(
                "difference",
                &format!("at sequence {}, segment {segment} offset {offset}", grouped(*sequence)),
            );
            line("", reason);
        }
        let (first, last) = (grouped(self.first_sequence), grouped(self.last_sequence));
        let range = if self.records == 0 { String::new() } else { format!(", sequence {first} to {last}") };
        line("records", &format!("{}{range}", grouped(self.records)));
        if self.first_sequence > 1 {
            line("kept from", &format!("sequence {first}; what was before it was let go"));
        }
        line("frames", &grouped(self.frames));
        line("chain head", &self.chain_head);
        if self.work.is_reexecution {
            let frames = grouped(self.reexecuted_frames);
            let known = match self.work.known_frames {
                0 => String::new(),
                known => format!(
                    ", behind the oldest snapshot; {} before it stand by their hashes",
                    grouped(known)
                ),
            };
            line("decided again", &format!("{frames} frames came out the same{known}"));
        }
        for snapshot in &self.snapshots {
            line("snapshot", &snapshot.text());
        }
        if let Some(Tail { segment, offset, bytes, reason }) = &self.tail {
            let size = size_in_words(*bytes);
            line("torn tail", &format!("{size} at segment {segment} offset {offset}: {reason}"));
            line("", "never acknowledged; the next start sets it aside and goes on");
        }
        for note in &self.notes {
            line("note", note);
        }
        line("read", &self.work.text());
        text
    }
}

impl Work {
    fn text(self) -> String {
        let size = size_in_words(self.bytes);
        // Bytes a microsecond are megabytes a second.
        let microseconds = self.elapsed.as_micros().max(1);
        let tenths = u128::from(self.bytes) * 10 / microseconds;
        let (whole, tenth) = (tenths / 10, tenths % 10);
        format!("{size} in {:.3} s, {whole}.{tenth} MB/s", self.elapsed.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tickwerk_domain::Sequence;
    use tickwerk_journal::{ChainHead, Head};

    fn found() -> VerifyReport {
        VerifyReport {
            frames: 2,
            records: 5,
            first_sequence: Sequence(1),
            last_sequence: Sequence(5),
            chain_head: ChainHead { through: Sequence(5), head: Head([0xab; 32]) },
            tail: None,
            first_difference: None,
            notes: Vec::new(),
            stopped: false,
        }
    }

    fn work(reexecuted_frames: u64) -> Work {
        let elapsed = Duration::from_millis(2);
        let is_reexecution = reexecuted_frames > 0;
        Work { is_reexecution, reexecuted_frames, known_frames: 0, bytes: 5_000, elapsed }
    }

    fn difference(sequence: u64) -> Difference {
        Difference {
            sequence: Sequence(sequence),
            segment: 1,
            offset: 8_192,
            reason: "it differs".to_owned(),
        }
    }

    #[test]
    fn the_json_has_the_keys_that_programs_read() {
        let report = serde_json::to_value(Report::new(found(), None, work(2))).expect("it is plain");
        let expected = json!({
            "ok": true, "frames": 2, "records": 5, "first_sequence": 1, "last_sequence": 5,
            "chain_head": "ab".repeat(32), "reexecuted": true, "reexecuted_frames": 2,
            "first_difference": null, "tail": null,
        });
        assert_eq!(report, expected);
    }

    #[test]
    fn a_difference_of_either_kind_is_not_ok() {
        let damaged = VerifyReport { first_difference: Some(difference(4)), ..found() };
        for report in
            [Report::new(damaged, None, work(2)), Report::new(found(), Some(difference(4)), work(1))]
        {
            let report = serde_json::to_value(report).expect("it is plain");
            let place = json!({"sequence": 4, "segment": 1, "offset": 8_192, "reason": "it differs"});
            assert_eq!((&report["ok"], &report["reexecuted"]), (&json!(false), &json!(false)));
            assert_eq!(report["first_difference"], place);
        }
    }

    #[test]
    fn a_torn_tail_is_told_and_is_ok() {
        let tail = TornTail { segment: 1, offset: 9_000, bytes: 77, reason: "cut", copies: Vec::new() };
        let report = Report::new(VerifyReport { tail: Some(tail), ..found() }, None, work(0));
        assert!(report.text(Path::new("d")).contains("torn tail     77 B at segment 1 offset 9000: cut\n"));
        let report = serde_json::to_value(report).expect("it is plain");
        assert_eq!((&report["ok"], &report["reexecuted"]), (&json!(true), &json!(false)));
        assert_eq!(report["tail"], json!({"segment": 1, "offset": 9_000, "bytes": 77, "reason": "cut"}));
    }

    #[test]
    fn people_read_verdict_range_and_speed() {
        let text = Report::new(found(), Some(difference(4)), work(1)).text(Path::new("d"));
        let expected = [
            "FAILED: the journal in d",
            "  difference    at sequence 4, segment 1 offset 8192",
            "                it differs",
            "  records       5, sequence 1 to 5",
            "  frames        2",
            &format!("  chain head    {}", "ab".repeat(32)),
            "  decided again 1 frames came out the same",
            "  read          5.0 kB in 0.002 s, 2.5 MB/s",
        ];
        assert_eq!(text, expected.join("\n"));
    }
}
