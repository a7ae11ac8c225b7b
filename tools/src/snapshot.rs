//! What a snapshot of the daemon holds, and how it is read back: the core, and what the configuration has applied.
//!
//! A snapshot counts only if what is restored from it has the digest that its header tells. One that does not, or is bad
//! in any other way, is told and left alone; the older one is tried, and then the journal is replayed from its beginning.

mod taker;

pub(crate) use taker::{OnTaken, Setting, Snapshots, Taken, Written, write};

use crate::setup::Applied;
use anyhow::Result;
use std::path::Path;
use tickwerk_engine::machine::RULES_VERSION;
use tickwerk_engine::{Core, Decider, STATE_VERSION};
use tickwerk_journal::{
    BlockStart, Section, Snapshot, SnapshotError, SnapshotHeader, list_snapshots, read_snapshot,
};

const ENGINE: &str = "engine";
const APPLIED: &str = "applied";

/// The state after some frame.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) applied: Applied,
}

impl Default for State {
    /// Before the first frame.
    fn default() -> Self {
        Self { core: Core::new(), applied: Applied::default() }
    }
}

/// A state that was read from a snapshot.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) header: SnapshotHeader,
    pub(crate) state: State,
}

/// The state of a core as it goes into a snapshot.
#[derive(Debug)]
pub(crate) struct Image {
    sections: Vec<Section>,
    frames: u64,
    digest: u64,
    last: tickwerk_domain::Stamp,
    rules_version: u32,
    /// Where the block of the hash chain that it lies in begins.
    block: Option<BlockStart>,
}

impl Image {
    pub(crate) fn of(core: &Core, applied: &Applied, block: Option<BlockStart>) -> Self {
        let section = |name: &str, bytes| Section { name: name.to_owned(), bytes };
        Self {
            sections: vec![section(ENGINE, core.save()), section(APPLIED, applied.to_bytes())],
            frames: core.frames(),
            digest: core.digest(),
            last: core.last(),
            rules_version: applied.rules_version(),
            block,
        }
    }
}

/// Restores a snapshot that was read; the error says why it is of no use.
pub(crate) fn restore(snapshot: &Snapshot) -> Result<State, String> {
    let header = &snapshot.header;
    if header.state_version != u32::from(STATE_VERSION) {
        let (found, known) = (header.state_version, STATE_VERSION);
        return Err(format!("its state is of version {found}, and this build knows version {known}"));
    }
    if header.rules_version > RULES_VERSION {
        let (found, known) = (header.rules_version, RULES_VERSION);
        return Err(format!("it was made under rules {found}, and this build has rules up to {known}"));
    }
    let section = |name: &str| snapshot.section(name).ok_or_else(|| format!("it has no section {name}"));
    let core = Core::restore(section(ENGINE)?).map_err(|error| error.to_string())?;
    let found = (core.digest(), core.last().sequence, core.last().time_ns, core.frames());
    if found != (header.digest, header.sequence, header.time_ns, header.frames) {
        let (digest, told) = (core.digest(), header.digest);
        return Err(format!("the state in it has the digest {digest:016x}, and not {told:016x} as it tells"));
    }
    let applied = Applied::from_bytes(section(APPLIED)?, &core)?;
    Ok(State { core, applied })
}

/// The newest snapshot in `dir` that can be used; `warnings` hears why others cannot.
pub(crate) fn newest(dir: &Path, warnings: &mut Vec<String>) -> Result<Option<Restored>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let mut journal = None;
    for file in list_snapshots(dir)? {
        let reason = match read_snapshot(&file.path) {
            Err(SnapshotError::File(error)) => return Err(error.into()),
            Err(SnapshotError::Bad(reason)) => reason.to_owned(),
            Ok(snapshot) => {
                let own = *journal.get_or_insert_with(|| tickwerk_journal::journal_id(dir));
                let header = snapshot.header;
                if own.is_some_and(|own| own != header.journal) {
                    "it is of another journal".to_owned()
                } else {
                    match restore(&snapshot) {
                        Ok(state) => return Ok(Some(Restored { header, state })),
                        Err(reason) => reason,
                    }
                }
            }
        };
        warnings.push(format!("the snapshot {} is not used: {reason}", file.path.display()));
    }
    Ok(None)
}
