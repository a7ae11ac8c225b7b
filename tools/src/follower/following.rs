//! A core that follows a journal, wherever the follower runs.

use super::{Check, Schedule};
use crate::snapshot::{Image, State};
use anyhow::{Context, Result};
use std::time::Instant;
use tickwerk_domain::{Event, Payload, Sequence};
use tickwerk_engine::replay::Replay;
use tickwerk_engine::{Core, Decider};
use tickwerk_feeds::BookCheckResult;
use tickwerk_journal::{JournalId, Tail};

/// Frames between two looks at whoever waits.
const FRAMES_PER_TURN: usize = 1024;

/// A second core, and where it reads.
#[derive(Debug)]
pub(crate) struct Following {
    tail: Tail,
    replay: Replay,
    applied: crate::setup::Applied,
    schedule: Schedule,
    check: Option<Check>,
    /// The last `StateDigest` that came out the same.
    proven: Option<(Sequence, u64)>,
}

impl Following {
    pub(crate) fn new(tail: Tail, state: State, schedule: Schedule, check: Option<Check>) -> Self {
        let State { core, applied } = state;
        Self { tail, replay: Replay::resume(core), applied, schedule, check, proven: None }
    }

    /// Follows up to `bound`, or to the end where no writer lives, or as far as one turn goes; whether there was anything.
    pub(crate) fn follow_some(&mut self, bound: Option<Sequence>) -> Result<bool> {
        for turn in 0..FRAMES_PER_TURN {
            let next = match bound {
                Some(bound) => self.tail.next_up_to(bound),
                None => self.tail.next_without_writer(),
            };
            let Some(frame) = next.context("following the journal")? else {
                return Ok(turn > 0);
            };
            self.replay.apply(frame.records).context("the journal does not re-execute")?;
            frame.records.iter().for_each(|record| self.applied.observe(record));
            self.schedule.saw_frame();
            if let Some(last) = frame.records.last()
                && let Payload::Event(Event::StateDigest(told)) = &last.payload
            {
                self.proven = Some((last.envelope.sequence, told.digest));
            }
            if let (Some(check), Some(command)) = (&mut self.check, frame.records.first()) {
                check.observe(command, self.replay.core())?;
            }
        }
        Ok(true)
    }

    pub(crate) fn journal_id(&self) -> JournalId {
        self.tail.journal_id()
    }

    pub(crate) fn core(&self) -> &Core {
        self.replay.core()
    }

    /// The last sequence that was followed.
    pub(crate) fn at(&self) -> Sequence {
        self.core().last().sequence
    }

    /// The last `StateDigest` event that the core agreed with, and its sequence.
    pub(crate) fn proven(&self) -> Option<(Sequence, u64)> {
        self.proven
    }

    /// Whether the schedule wants a snapshot now.
    pub(crate) fn is_snapshot_due(&self) -> bool {
        self.schedule.is_due(Instant::now())
    }

    /// The state as it is, for a snapshot; the schedule counts from here.
    pub(crate) fn image(&mut self) -> Image {
        self.schedule.taken(Instant::now());
        Image::of(self.replay.core(), &self.applied)
    }

    pub(crate) fn finish(self) -> Result<(Core, Option<BookCheckResult>)> {
        let book_check = self.check.map(Check::finish).transpose()?;
        Ok((self.replay.into_core(), book_check))
    }
}
