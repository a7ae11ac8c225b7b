//! The snapshots of a journal beside what its records lead to.
//!
//! A snapshot is *bad* when it is not what was written, or not what the records lead to; that fails the verification. One
//! that only another build can read is *unusable* here and no fault.

use crate::command::inspect::{grouped, size_in_words};
use crate::snapshot::{self, State};
use serde::Serialize;
use std::path::Path;
use tickwerk_domain::Sequence;
use tickwerk_engine::{Core, STATE_VERSION};
use tickwerk_journal::{FileError, JournalId, SnapshotError, SnapshotHeader, list_snapshots, read_snapshot};

/// A snapshot, and what was found about it; the names of its fields are those of the JSON.
#[derive(Serialize, Debug)]
pub(super) struct Checked {
    pub(super) sequence: u64,
    pub(super) bytes: u64,
    digest: Option<String>,
    /// The state that the records lead to has its digest; `None` where nothing was decided again.
    pub(super) confirmed: Option<bool>,
    /// What is wrong with it.
    pub(super) bad: Option<String>,
    /// Why this build cannot use it.
    pub(super) unusable: Option<String>,
    #[serde(skip)]
    header: Option<SnapshotHeader>,
}

impl Checked {
    /// A line for people.
    pub(super) fn text(&self) -> String {
        let state = match (&self.bad, &self.unusable, self.confirmed) {
            (Some(reason), _, _) => format!("BAD: {reason}"),
            (None, Some(reason), _) => format!("not for this build: {reason}"),
            (None, None, Some(_)) => "whole, and the records lead to it".to_owned(),
            (None, None, None) => "whole".to_owned(),
        };
        format!("at {}, {}: {state}", grouped(self.sequence), size_in_words(self.bytes))
    }
}

/// All snapshots of a journal, newest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Vec<Checked>);

impl Snapshots {
    /// Reads and restores each; gives the state of the oldest good one, too.
    pub(super) fn read(dir: &Path, journal: Option<JournalId>) -> Result<(Self, Option<State>), FileError> {
        let (mut all, mut oldest) = (Vec::new(), None);
        for file in list_snapshots(dir)? {
            let found = read_snapshot(&file.path);
            if !file.path.exists() {
                // A daemon lets old ones go at any time.
                continue;
            }
            let bytes = std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
            let mut checked = Checked {
                sequence: file.sequence.0,
                bytes,
                digest: None,
                confirmed: None,
                bad: None,
                unusable: None,
                header: None,
            };
            match found {
                Err(SnapshotError::File(error)) => return Err(error),
                Err(SnapshotError::Bad(reason)) => checked.bad = Some(reason.to_owned()),
                Ok(found) if journal.is_some_and(|journal| journal != found.header.journal) => {
                    checked.bad = Some("the snapshot is of another journal".to_owned());
                }
                Ok(found) => {
                    checked.digest = Some(format!("{:016x}", found.header.digest));
                    checked.header = Some(found.header);
                    match snapshot::restore(&found) {
                        Ok(state) => oldest = Some(state),
                        Err(reason) if found.header.state_version == u32::from(STATE_VERSION) => {
                            checked.bad = Some(reason);
                        }
                        Err(reason) => checked.unusable = Some(reason),
                    }
                }
            }
            all.push(checked);
        }
        Ok((Self(all), oldest))
    }

    /// Compares with the core that the records up to `sequence` lead to.
    pub(super) fn reached(&mut self, sequence: Sequence, core: &Core) {
        for checked in &mut self.0 {
            let Some(header) = checked.header.filter(|header| header.sequence == sequence) else { continue };
            let is_same = (header.digest, header.frames) == (core.digest(), core.frames());
            checked.confirmed = Some(is_same);
            if !is_same {
                let (told, found) = (header.digest, core.digest());
                checked.bad = Some(format!(
                    "the records lead to the digest {found:016x}, the snapshot has {told:016x}"
                ));
            }
        }
    }

    pub(super) fn into_checked(self) -> Vec<Checked> {
        self.0
    }
}
