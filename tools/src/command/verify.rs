//! `tickwerk verify`: proves that a journal is what was written and, if asked, what a core decides today.
//!
//! Checksums, density and the hash chain are checked by the journal; with `--reexecute` a fresh core also decides every
//! command again, and each frame must come out the same. The first difference ends it: what it names is the lowest
//! sequence that is wrong. Snapshots are checked by themselves and, where their sequence is decided again, against the
//! state that the records lead to. Where the journal goes on by rules that this build does not have, the rest is verified
//! without being decided again, and the version is named. A torn tail was never acknowledged; it is told and is no
//! difference. Nothing is changed.

mod progress;
mod report;
mod snapshots;

use super::print;
use crate::exit;
use crate::import::mark::refuse_imported;
use crate::session::NoBeginning;
use crate::snapshot::State;
use anyhow::{Context, Result};
use progress::Progress;
use report::{Report, Work};
use snapshots::Snapshots;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;
use tickwerk_domain::Sequence;
use tickwerk_engine::Decider;
use tickwerk_engine::replay::{Replay, ReplayError};
use tickwerk_journal::{Depth, Difference, FrameHeader, FrameRef};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; beside a running daemon, what is written so far is verified.
    dir: PathBuf,
    /// Decide every command again with a fresh core and compare each frame.
    #[arg(long)]
    reexecute: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let started = Instant::now();
    let dir = &options.dir;
    if options.reexecute {
        refuse_imported(dir)?;
    }
    let reading = || format!("verifying the journal in {}", dir.display());
    let (snapshots, oldest) = if dir.is_dir() {
        Snapshots::read(dir, tickwerk_journal::journal_id(dir)).with_context(reading)?
    } else {
        (Snapshots::default(), None)
    };
    let mut again = Reexecution::new(options.reexecute, snapshots, oldest);
    let mut progress = Progress::start(dir);
    let mut bytes = 0;
    let found = if options.reexecute {
        tickwerk_journal::verify(dir, &mut |frame| {
            bytes += frame.bytes.len() as u64;
            progress.reached(frame.header.last_sequence());
            again.decide(frame)
        })
    } else {
        tickwerk_journal::verify_bytes(dir, Depth::Payloads, &mut |_, frame| {
            bytes += frame.len() as u64;
            progress.reached(FrameHeader::read(frame).last_sequence());
            ControlFlow::Continue(())
        })
    };
    progress.finish();
    let found = found.with_context(reading)?;
    if again.has_no_beginning {
        return Err(NoBeginning { first: found.first_sequence }.into());
    }

    let Reexecution { snapshots, frames, known_frames, difference, unknown_rules, .. } = again;
    let work = Work {
        is_reexecution: options.reexecute,
        reexecuted_frames: frames,
        known_frames,
        bytes,
        elapsed: started.elapsed(),
    };
    let report = Report::new(found, difference, work).with_snapshots(snapshots.into_checked());
    if options.json {
        print(&serde_json::to_string(&report).context("writing the report as JSON")?)?;
    } else {
        print(&report.text(dir))?;
    }
    match unknown_rules {
        Some(unknown) if report.ok => Err(unknown).context("not all of the journal was decided again"),
        Some(_) | None => Ok(if report.ok { exit::OK } else { exit::DIFFERENT }),
    }
}

/// A core that follows the journal.
struct Reexecution {
    /// `None` where nothing is decided again, or not from here on.
    replay: Option<Box<Replay>>,
    snapshots: Snapshots,
    /// What stands for a beginning that is not kept.
    oldest: Option<State>,
    has_no_beginning: bool,
    /// Frames that came out the same.
    frames: u64,
    /// Frames before the oldest snapshot, where the beginning is not kept.
    known_frames: u64,
    difference: Option<Difference>,
    /// The rules that this build does not have: from there on only the bytes are verified.
    unknown_rules: Option<ReplayError>,
}

impl Reexecution {
    fn new(is_asked_for: bool, snapshots: Snapshots, oldest: Option<State>) -> Self {
        Self {
            replay: is_asked_for.then(Box::default),
            snapshots,
            oldest,
            has_no_beginning: false,
            frames: 0,
            known_frames: 0,
            difference: None,
            unknown_rules: None,
        }
    }

    fn decide(&mut self, frame: &FrameRef<'_>) -> ControlFlow<()> {
        let Some(replay) = &mut self.replay else {
            return ControlFlow::Continue(());
        };
        let (first, last) = (frame.header.first_sequence, frame.header.last_sequence());
        if replay.core().frames() == 0 && first > Sequence::FIRST {
            let Some(state) = self.oldest.take() else {
                self.has_no_beginning = true;
                return ControlFlow::Break(());
            };
            **replay = Replay::resume(state.core);
        }
        if last <= replay.core().last().sequence {
            self.known_frames += 1;
            return ControlFlow::Continue(());
        }
        match replay.apply(frame.records) {
            Ok(()) => {
                self.frames += 1;
                self.snapshots.reached(last, replay.core());
                ControlFlow::Continue(())
            }
            Err(unknown @ ReplayError::UnknownRules { .. }) => {
                (self.replay, self.unknown_rules) = (None, Some(unknown));
                ControlFlow::Continue(())
            }
            Err(ReplayError::Differs(found)) => {
                let tickwerk_engine::replay::Difference { sequence, reason } = found;
                let (segment, offset) = (frame.place.segment, frame.place.offset);
                self.difference = Some(Difference { sequence, segment, offset, reason });
                ControlFlow::Break(())
            }
        }
    }
}
