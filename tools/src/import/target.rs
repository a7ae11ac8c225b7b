//! The directory that an import writes to: what is there already is compared, frame by frame; the rest is appended.
//!
//! Invariant: nothing is ever appended but to a new journal or behind frames that are exactly those that the same rows give
//! again. So an import that was killed goes on behind what was kept of it, nothing is there twice, and no journal that
//! trades is touched.

use super::frames::ImportFrame;
use super::mark::{self, Found};
use crate::stop::fail_stop;
use anyhow::{Context, Result};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tickwerk_domain::{Envelope, Sequence};
use tickwerk_journal::{
    Closed, FrameRef, Journal, JournalConfig, OnFailure, Reader, Recovered, SyncPolicy, journal_id, recover,
};

/// A directory that an import must not write to.
#[derive(Debug, thiserror::Error)]
#[error("nothing was written to {}: {reason}", dir.display())]
pub(crate) struct NotOurs {
    dir: PathBuf,
    reason: String,
}

const SYNC_EVERY: Duration = Duration::from_millis(50);
const REMEDY: &str = "give --to a directory that is new or empty";

/// Where frames go.
pub(crate) struct Target {
    dir: PathBuf,
    state: State,
    /// Records that were there already.
    found: u64,
    appended: u64,
}

enum State {
    /// What is there is read and compared.
    Comparing(Box<(Reader, Recovered)>),
    Writing(Box<Journal>),
    /// For the moment between both.
    Nothing,
}

/// What an import left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Records that were there already.
    pub(crate) found: u64,
    pub(crate) appended: u64,
    pub(crate) closed: Closed,
}

/// Whether `dir` may be written to by the import that says `beginning` of itself. Changes nothing. `report` is a file there
/// that the import itself writes.
pub(crate) fn check(dir: &Path, beginning: &Value, report: Option<&OsStr>) -> Result<()> {
    let refused = |reason: String| NotOurs { dir: dir.to_owned(), reason };
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(refused(format!("it is no directory; {REMEDY}")).into());
        }
        entries => entries.with_context(|| format!("looking into {}", dir.display()))?,
    };
    // A kill may have left a journal's files before its first segment was whole.
    let is_ours = |path: &Path| path.ends_with("LOCK") || report.is_some_and(|name| path.ends_with(name));
    let is_foreign =
        |path: &Path| !is_ours(path) && path.extension().is_none_or(|extension| extension != "tmp");
    let mut is_used = false;
    for entry in entries {
        let entry = entry.with_context(|| format!("looking into {}", dir.display()))?;
        is_used |= is_foreign(&entry.path());
    }
    if !is_used {
        return Ok(());
    }
    if journal_id(dir).is_none() {
        return Err(refused(format!("it is not empty and holds no journal; {REMEDY}")).into());
    }
    match mark::read_beginning(dir).with_context(|| format!("reading the journal in {}", dir.display()))? {
        Found::Empty => Ok(()),
        Found::Other => Err(refused(format!("it holds a journal that was not imported; {REMEDY}")).into()),
        Found::Import(theirs) => match mark::difference(beginning, &theirs) {
            None => Ok(()),
            Some(reason) => {
                Err(refused(format!("{reason}; {REMEDY}, or bring the source or the mapping back")).into())
            }
        },
    }
}

impl Target {
    /// Opens a directory that [`check`] let pass.
    pub(crate) fn open(dir: &Path, segment_size: u64) -> Result<Self> {
        let config = JournalConfig {
            segment_size,
            sync: SyncPolicy::Every(SYNC_EVERY),
            spare_segments: 1,
            on_failure: Some(OnFailure(Arc::new(|failure| fail_stop(&failure.to_string())))),
            ..JournalConfig::new(dir)
        };
        let recovered = recover(config)?;
        let found = recovered.next_sequence().0 - 1;
        let reader = recovered.frames()?;
        let state = State::Comparing(Box::new((reader, recovered)));
        Ok(Self { dir: dir.to_owned(), state, found, appended: 0 })
    }

    /// Records that were there already.
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    /// Takes the next frame.
    pub(crate) fn take(&mut self, frame: &ImportFrame) -> Result<()> {
        if let State::Comparing(reading) = &mut self.state {
            if let Some(found) = reading.0.next()? {
                return if is_same(&found, frame) {
                    Ok(())
                } else {
                    Err(different(&self.dir, &found).into())
                };
            }
            let State::Comparing(reading) = std::mem::replace(&mut self.state, State::Nothing) else {
                unreachable!("it was comparing");
            };
            self.state = State::Writing(Box::new(reading.1.open()?));
        }
        let State::Writing(journal) = &mut self.state else {
            unreachable!("a target compares, then writes");
        };
        for (index, record) in frame.records.iter().enumerate() {
            match frame.opaque.as_deref().filter(|_| index == 0) {
                Some(opaque) => journal.writer.push_with_opaque(record, opaque)?,
                None => journal.writer.push(record)?,
            };
        }
        self.appended += frame.records.len() as u64;
        Ok(())
    }

    /// Makes everything durable and closes the journal.
    pub(crate) fn close(self) -> Result<Written> {
        let journal = match self.state {
            State::Writing(journal) => journal,
            State::Comparing(mut reading) => {
                if let Some(found) = reading.0.next()? {
                    return Err(different(&self.dir, &found).into());
                }
                // All of it was there. It may not have been closed, though.
                Box::new(reading.1.open()?)
            }
            State::Nothing => unreachable!("a target compares, then writes"),
        };
        let closed = journal.writer.close()?;
        Ok(Written { found: self.found, appended: self.appended, closed })
    }
}

fn different(dir: &Path, found: &FrameRef<'_>) -> NotOurs {
    let Sequence(sequence) = found.header.first_sequence;
    let reason = format!(
        "the frame at sequence {sequence} is not what row {} of its source gives now; the source has changed, or another \
         build began this import; {REMEDY}",
        found.header.source_sequence
    );
    NotOurs { dir: dir.to_owned(), reason }
}

/// Whether a frame of the journal is the one that was made again.
fn is_same(found: &FrameRef<'_>, made: &ImportFrame) -> bool {
    let told = |envelope: &Envelope| {
        let Envelope { sequence, time_ns, source_time, source_sequence, .. } = *envelope;
        let Envelope { correlation, stream_version, actor, source, .. } = *envelope;
        (sequence, time_ns, source_time, source_sequence, correlation, stream_version, actor, source)
    };
    found.records.len() == made.records.len()
        && found.opaque(0) == made.opaque.as_deref()
        && found.records.iter().zip(&made.records).all(|(found, made)| {
            found.payload == made.payload && told(&found.envelope) == told(&made.envelope)
        })
}
