//! When the next snapshot is due: after so many frames, or after so much time in which anything happened.

use crate::config::SnapshotSettings;
use std::time::{Duration, Instant};

/// Counts frames and time since the last snapshot.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// `None` for not by frames.
    every_frames: Option<u64>,
    /// `None` for not by time.
    every: Option<Duration>,
    frames: u64,
    since: Instant,
}

impl Schedule {
    /// Counts from now, with so many frames since the last snapshot.
    pub(crate) fn new(settings: &SnapshotSettings, frames: u64) -> Self {
        let SnapshotSettings { every_frames, every_s, .. } = *settings;
        Self {
            every_frames: (every_frames > 0).then_some(every_frames),
            every: (every_s > 0).then_some(Duration::from_secs(every_s)),
            frames,
            since: Instant::now(),
        }
    }

    /// Never by itself.
    pub(crate) fn never() -> Self {
        Self { every_frames: None, every: None, frames: 0, since: Instant::now() }
    }

    pub(crate) fn saw_frame(&mut self) {
        self.frames += 1;
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_by_frames = self.every_frames.is_some_and(|every| self.frames >= every);
        let is_by_time = || self.every.is_some_and(|every| now.duration_since(self.since) >= every);
        self.frames > 0 && (is_by_frames || is_by_time())
    }

    pub(crate) fn taken(&mut self, now: Instant) {
        (self.frames, self.since) = (0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(every_frames: u64, every_s: u64) -> Schedule {
        Schedule::new(&SnapshotSettings { every_frames, every_s, keep: 2 }, 0)
    }

    #[test]
    fn frames_and_time_count_from_the_last_one() {
        let mut schedule = schedule(3, 60);
        let start = schedule.since;
        let later = |seconds| start + Duration::from_secs(seconds);
        assert!(!schedule.is_due(later(100)), "nothing has happened");
        (0..2).for_each(|_| schedule.saw_frame());
        assert!(!schedule.is_due(later(59)) && schedule.is_due(later(60)));
        schedule.saw_frame();
        assert!(schedule.is_due(start));
        schedule.taken(later(61));
        schedule.saw_frame();
        assert!(!schedule.is_due(later(120)) && schedule.is_due(later(121)));
    }

    #[test]
    fn zero_is_never() {
        let mut schedule = schedule(0, 0);
        schedule.saw_frame();
        assert!(!schedule.is_due(schedule.since + Duration::from_hours(24)));
    }
}
