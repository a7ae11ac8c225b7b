//! `tickwerk follow`: a core in a process of its own that decides every journaled command again.
//!
//! It reads the journal only, up to what the writer says it has written, and takes nothing from the daemon but a share of
//! the processor. It starts from the newest snapshot that can be used. A difference ends it with exit code 3.

mod position;

use super::{print, tell};
use crate::config::SnapshotSettings;
use crate::control::{self, QUERIES};
use crate::exit;
use crate::follower::{Following, Schedule, snapshot_told};
use crate::import::mark::refuse_imported;
use crate::session::NoBeginning;
use crate::snapshot::{self, Setting, Snapshots, State, Written};
use crate::stop::Stop;
use anyhow::{Context, Result};
use position::Position;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tickwerk_engine::Decider;
use tickwerk_journal::{JournalId, ReadError, StoredWatermarks, Tail, WatermarkState, lower_priority};

/// Options of `follow`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tickwerk follow tickwerk-journal
  tickwerk follow tickwerk-journal --snapshots --every-frames 1000000 --json
  tickwerk follow tickwerk-journal --query positions")]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it
    dir: PathBuf,
    /// Takes snapshots, too
    #[arg(long)]
    snapshots: bool,
    /// Frames after which a snapshot is taken; 0 for not by frames
    #[arg(long, value_name = "N", requires = "snapshots", default_value_t = SnapshotSettings::default().every_frames)]
    every_frames: u64,
    /// Seconds after which a snapshot is taken, if anything happened; 0 for not by time
    #[arg(long, value_name = "SECONDS", requires = "snapshots", default_value_t = SnapshotSettings::default().every_s)]
    every_s: u64,
    /// Snapshots that stay
    #[arg(long, value_name = "N", requires = "snapshots", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=100))]
    keep: u8,
    /// Ends when the daemon has closed the journal and all of it was followed
    #[arg(long)]
    until_closed: bool,
    /// Follows to what is written now, prints one answer as JSON, and ends
    #[arg(long, value_name = "WHAT", value_parser = QUERIES, conflicts_with = "until_closed")]
    query: Option<String>,
    /// Prints each position as one JSON object a line
    #[arg(long)]
    json: bool,
}

const IDLE: Duration = Duration::from_millis(5);
/// Between two positions that are printed, and two looks at whether a writer lives.
const TICK: Duration = Duration::from_secs(1);
const PRIORITY: i32 = 10;

pub(crate) fn run(options: &Options) -> Result<u8> {
    let stop = Stop::on_signals()?;
    lower_priority(PRIORITY);
    let schedule = if options.snapshots {
        let Options { every_frames, every_s, keep, .. } = *options;
        Schedule::new(&SnapshotSettings { every_frames, every_s, keep: usize::from(keep) }, 0)
    } else {
        Schedule::never()
    };
    refuse_imported(&options.dir)?;
    let following = begin(&options.dir, schedule)?;
    let snapshots =
        options.snapshots.then(|| start_snapshots(&options.dir, following.journal_id(), options.keep));
    let mut apart = Beside { following, dir: &options.dir, lives: tickwerk_journal::is_live(&options.dir)? };
    if let Some(query) = &options.query {
        apart.catch_up()?;
        let core = apart.following.core();
        let answer = control::answer_of(query, core).context("the query is unknown")?;
        print(&json!({ "sequence": apart.following.at().0, "result": answer }).to_string())?;
        return Ok(exit::OK);
    }
    let snapshots = snapshots.transpose()?;
    let mut last_tick = None;
    loop {
        let marks = apart.marks()?;
        let moved = apart.follow_some(marks)?;
        if let Some(snapshots) = &snapshots
            && apart.following.is_snapshot_due()
            && !snapshots.is_busy()
        {
            snapshots.take(apart.following.image(), None);
        }
        let is_end = stop.is_told() || (options.until_closed && !moved && apart.is_closed(marks));
        if is_end || last_tick.is_none_or(|last: Instant| last.elapsed() >= TICK) {
            last_tick = Some(Instant::now());
            apart.lives = tickwerk_journal::is_live(&options.dir)?;
            let position = Position::of(&apart.following, marks);
            print(&if options.json { position.to_json().to_string() } else { position.to_text() })?;
        }
        if is_end {
            break;
        }
        if !moved {
            std::thread::sleep(IDLE);
        }
    }
    if let Some(snapshots) = snapshots {
        snapshots.finish();
    }
    Ok(exit::OK)
}

/// A core that goes on from the newest snapshot of the journal in `dir`, or from its beginning.
pub(super) fn begin(dir: &Path, schedule: Schedule) -> Result<Following> {
    let mut warnings = Vec::new();
    let restored = snapshot::newest(dir, &mut warnings)?;
    for warning in warnings {
        tell(&format!("warning: {warning}"));
    }
    let state = restored.map_or_else(State::default, |restored| restored.state);
    let tail = Tail::open(dir, state.core.last().sequence.next()).map_err(|error| {
        let first = if let ReadError::Gone { first, .. } = error { Some(first) } else { None };
        first.map_or_else(|| error.into(), |first| anyhow::Error::new(NoBeginning { first }))
    });
    let tail = tail.with_context(|| format!("opening the journal in {}", dir.display()))?;
    Ok(Following::new(tail, state, schedule, None))
}

fn start_snapshots(dir: &Path, journal: JournalId, keep: u8) -> Result<Snapshots> {
    let durable_of = dir.to_owned();
    let durable = move || {
        // What cannot be read now is read again; the snapshot waits meanwhile.
        let marks = StoredWatermarks::read(&durable_of).ok().flatten();
        marks.filter(|marks| marks.journal == journal).map_or(Sequence::NONE, |marks| marks.durable_through)
    };
    let told = |written: Written<'_>| {
        if let Ok(taken) = written {
            tell(&format!("snapshot at {} written: {} bytes", taken.header.sequence, taken.bytes));
        }
        snapshot_told(written);
    };
    let (durable, told) = (Box::new(durable), Box::new(told));
    let setting = Setting { dir: dir.to_owned(), journal, keep: usize::from(keep), durable, told };
    Snapshots::start(setting).context("starting a thread")
}

/// A follower beside the process that writes.
pub(super) struct Beside<'a> {
    pub(super) following: Following,
    pub(super) dir: &'a Path,
    /// Whether a writer lives, when that was last looked at.
    pub(super) lives: bool,
}

impl Beside<'_> {
    /// The watermarks of this journal's last writer.
    fn marks(&self) -> Result<Option<StoredWatermarks>> {
        let marks = StoredWatermarks::read(self.dir)?;
        Ok(marks.filter(|marks| marks.journal == self.following.journal_id()))
    }

    fn follow_some(&mut self, marks: Option<StoredWatermarks>) -> Result<bool> {
        // The marks of a writer that is gone may tell of more or less than is there.
        let bound = match marks {
            Some(marks) if self.lives => Some(marks.written_through),
            None if self.lives => Some(Sequence::NONE),
            Some(_) | None => None,
        };
        match self.following.follow_some(bound) {
            // A writer that has come meanwhile may have been writing just there.
            Err(_) if bound.is_none() && tickwerk_journal::is_live(self.dir)? => {
                self.lives = true;
                Ok(false)
            }
            done => done,
        }
    }

    /// Follows up to what is written now.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        let marks = self.marks()?;
        while self.follow_some(marks)? {}
        Ok(())
    }

    fn is_closed(&self, marks: Option<StoredWatermarks>) -> bool {
        marks.is_some_and(|marks| {
            marks.state == WatermarkState::Closed && self.following.at() >= marks.written_through
        })
    }
}
