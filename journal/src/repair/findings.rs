//! From what can still be read of a journal to the list of its holes.

use crate::format::{FRAMES_OFFSET, RECORDS_PER_BLOCK};
use crate::repair::survey::Survey;
use crate::repair::{Diagnosis, Finding};
use crate::scan::Damage;
use tickwerk_domain::Sequence;

const MISSING: &str = "frames are missing";

/// Every hole, from the first damage on, of a journal whose first record is `start`.
pub(crate) fn findings(
    diagnosis: &Diagnosis,
    damage: &Damage,
    surveys: &[Survey],
    start: Sequence,
) -> Vec<Finding> {
    let mut holes = Holes {
        found: Vec::new(),
        expected: diagnosis.good_through.next().max(start),
        segment: damage.place.segment,
        at: damage.place.offset,
        reason: damage.reason,
    };
    for survey in surveys {
        holes.look_at(survey);
    }
    if diagnosis.known_through >= holes.expected {
        holes.push(None, diagnosis.known_through.next());
    }
    if holes.found.is_empty() {
        // A head says that some frame behind the last one that agrees is another, and not which.
        let first_sequence = diagnosis.good_through.next().max(start);
        let block_end = Sequence(first_sequence.0.next_multiple_of(RECORDS_PER_BLOCK));
        holes.found.push(Finding {
            segment: damage.place.segment,
            offset: damage.place.offset,
            end: None,
            first_sequence,
            last_sequence: block_end.min(diagnosis.known_through),
            reason: damage.reason,
            witness: None,
        });
    }
    holes.found[0].witness = damage.witness;
    holes.found
}

struct Holes {
    found: Vec<Finding>,
    expected: Sequence,
    segment: u64,
    at: u64,
    reason: &'static str,
}

impl Holes {
    /// A hole from here up to the record `next`.
    fn push(&mut self, end: Option<u64>, next: Sequence) {
        self.found.push(Finding {
            segment: self.segment,
            offset: self.at,
            end,
            first_sequence: self.expected,
            last_sequence: Sequence(next.0.saturating_sub(1)),
            reason: self.reason,
            witness: None,
        });
        self.expected = next;
        self.reason = MISSING;
    }

    fn look_at(&mut self, survey: &Survey) {
        if survey.number != self.segment {
            if let Some(page) = survey.activation.filter(|page| page.first_sequence > self.expected) {
                self.push(None, page.first_sequence);
            }
            (self.segment, self.at, self.reason) = (survey.number, FRAMES_OFFSET as u64, MISSING);
        }
        let before = self.found.len();
        if let Some((place, reason)) = survey.fault {
            self.reason = reason;
            if place.offset < FRAMES_OFFSET as u64 && survey.path.is_some() {
                self.at = place.offset;
                self.push(Some(FRAMES_OFFSET as u64), self.expected);
                self.reason = reason;
            }
        }
        self.at = self.at.max(FRAMES_OFFSET as u64);
        for frame in &survey.frames {
            if frame.header.first_sequence < self.expected {
                continue;
            }
            if frame.header.first_sequence > self.expected || frame.offset > self.at {
                self.push(Some(frame.offset), frame.header.first_sequence);
            }
            self.expected = frame.header.next_sequence();
            self.at = frame.offset + frame.length as u64;
        }
        if let Some((place, reason)) = survey.fault.filter(|_| self.found.len() == before)
            && survey.path.is_some()
            && survey.is_used()
        {
            (self.at, self.reason) = (place.offset, reason);
            // Whether records are missing here, the next segment tells.
            self.push(None, self.expected);
        }
    }
}
