//! Opens a directory: takes the lock, judges what is there, cuts a torn tail, refuses damage.
//!
//! A torn tail is what nobody was ever told of; it is copied aside and cut. Damage to what a witness knows is never
//! repaired silently. What is kept is synced before anybody sees it and counts as acknowledged from then on. A kernel
//! tells of an unsuccessful sync once and calls the pages clean, so what the last writer did not know to be durable is
//! written again before it is synced, and what was cut before is zeroed again.

use crate::beginning::{self, StartPoint};
use crate::chain::ChainHead;
use crate::config::JournalConfig;
use crate::directory::{self, FileError, failed};
use crate::durable::DurableFile;
use crate::failpoint::{Failpoint, reach};
use crate::format::{ACTIVATION_OFFSET, Activation, FRAMES_OFFSET, JournalId, PAGE_SIZE, UNKNOWN_FORMAT};
use crate::heads::HeadsFile;
use crate::journal::{self, Journal, Opening};
use crate::prepare::{self, Spare};
use crate::reader::{ReadError, Reader};
use crate::replicated;
use crate::retention::register::RegisterError;
use crate::scan::{self, Damage, Note, Scan, ScanOptions, Verdict};
use crate::segment::{Opened, SegmentFile};
use crate::storage::{File, Lock};
use crate::torn::{self, TornTail};
use crate::watermarks::Watermarks;
use crate::writer::Start;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tickwerk_domain::{Sequence, TimeNs};

pub use crate::torn::Witness;

const FIRST_SEGMENT: u64 = 1;
const REWRITE_SIZE: usize = 1024 * 1024;
const FIRST_EPOCH: u32 = 1;

/// Why a journal cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A value of the configuration is out of its range.
    #[error("{field} {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Another writer lives.
    #[error("{} is open in another process; stop that one first", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// Acknowledged data is damaged.
    #[error(
        "{}: damage at segment {segment} offset {offset}, where sequence {sequence} should be: {reason}{}; nothing \
         was changed: {}",
        dir.display(), witness.map_or_else(String::new, |witness| format!(" ({witness})")), remedy(dir, reason)
    )]
    Damaged {
        /// The directory.
        dir: PathBuf,
        /// Segment.
        segment: u64,
        /// Bytes from the start of its file.
        offset: u64,
        /// The sequence expected there.
        sequence: Sequence,
        /// What is wrong.
        reason: &'static str,
        /// Who knows that something should be there; `None` where the damage speaks for itself.
        witness: Option<Witness>,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
}

fn remedy(dir: &Path, reason: &str) -> String {
    if reason == UNKNOWN_FORMAT {
        return "use a build that knows it".to_owned();
    }
    format!(
        "`tickwerk repair {}` tells what is lost and mends it from a second copy or by a cut, and `tickwerk restore` \
         makes a journal of a copy",
        dir.display()
    )
}

impl From<RegisterError> for RecoverError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::File(error) => Self::File(error),
            RegisterError::Name(_) => Self::Config { field: "replicator", problem: error.to_string() },
        }
    }
}

/// A journal that is whole, locked and synced, before it is opened for writing.
#[derive(Debug)]
pub struct Recovered {
    config: JournalConfig,
    lock: Lock,
    scan: Scan,
    torn: Option<TornTail>,
    durable: DurableFile,
    heads: Option<HeadsFile>,
    marks: Watermarks,
}

/// Recovers the journal that `config` names; creates it if the directory is empty.
pub fn recover(config: JournalConfig) -> Result<Recovered, RecoverError> {
    recover_after(config, None)
}

/// Recovers a journal of which everything before `start` is known; only what follows is read.
pub fn recover_from(config: JournalConfig, start: StartPoint) -> Result<Recovered, RecoverError> {
    recover_after(config, Some(start))
}

fn recover_after(config: JournalConfig, from: Option<StartPoint>) -> Result<Recovered, RecoverError> {
    if let Some((field, problem)) = config.fault() {
        return Err(RecoverError::Config { field, problem });
    }
    let dir = config.dir.clone();
    if directory::exists(&dir.join(directory::BACKUP)) {
        let problem = format!("{} is a copy; `tickwerk restore` makes a journal of it", dir.display());
        return Err(RecoverError::Config { field: "dir", problem });
    }
    directory::create_dir(&dir)?;
    let lock = directory::lock(&dir)?.ok_or_else(|| RecoverError::Locked { dir: dir.clone() })?;
    reach(Failpoint::RecoverForget);
    forget_watermarks(&dir)?;
    reach(Failpoint::RecoverTemporaries);
    directory::remove_temporaries(&dir)?;
    let numbers = directory::list_segments(&dir)?;
    if numbers.is_empty() {
        create(&dir, config.segment_size)?;
    }
    let (scan, torn) =
        scan_and_cut(&dir, ScanOptions { chain: config.chain, bound: None, from, payloads: false })?;
    lengthen_short(&dir, &scan)?;
    sync_kept(&dir, &scan)?;
    reach(Failpoint::KeptDone);
    let last = Sequence(scan.next_sequence.0 - 1);
    let generation = scan.stored_mark.mark.map_or(0, |mark| mark.generation);
    let mut durable = DurableFile::open(&dir, scan.journal, generation)?;
    let mut heads = None;
    let mut block = ChainHead::default();
    if config.chain {
        let (first, known) = scan.known_heads();
        heads = Some(HeadsFile::open(&dir, scan.journal, &scan.stored_heads, first, &known)?);
        block = scan.chain.last_block();
    }
    durable.write(last, block, false)?;
    reach(Failpoint::RecoverDirSync);
    directory::sync_dir(&dir)?;
    reach(Failpoint::RecoverMarks);
    let head = config.chain.then(|| scan.chain.head());
    let replicator = match &config.replicator {
        Some(name) => Some((name.as_str(), replicated::registered(&dir, name)?)),
        None => None,
    };
    let marks = Watermarks::create(&dir, scan.journal, last, head, replicator, config.on_failure.clone())?;
    Ok(Recovered { config, lock, scan, torn, durable, heads, marks })
}

/// Readers of other processes must not take the marks of a writer that died for those of this one, nor a replicator's
/// page of that one be ours. The room is taken again at once: on a full disk somebody else would have it.
fn forget_watermarks(dir: &Path) -> Result<(), FileError> {
    let path = dir.join(directory::WATERMARKS);
    if !directory::exists(&path) {
        return Ok(());
    }
    directory::remove(&path)?;
    directory::create_new(&path)?.write_all_at(&[0; PAGE_SIZE], 0).map_err(failed("write", &path))
}

/// Makes the first segment, unless something remembers a journal here.
fn create(dir: &Path, segment_size: u64) -> Result<(), RecoverError> {
    if let Some(damage) = beginning::all_missing(dir)? {
        return Err(damaged(dir, &damage));
    }
    prepare::prepare_segment(dir, directory::random_id()?, FIRST_SEGMENT, segment_size)?;
    Ok(())
}

fn scan_and_cut(dir: &Path, options: ScanOptions) -> Result<(Scan, Option<TornTail>), RecoverError> {
    let look = || {
        let numbers = directory::list_segments(dir)?;
        scan::scan(dir, numbers, options, &mut |_, _| ControlFlow::Continue(()))
    };
    let mut scan = look()?;
    let torn = match &scan.verdict {
        Verdict::Whole => None,
        Verdict::Damaged(damage) => return Err(damaged(dir, damage)),
        Verdict::Torn { reason, remains } => {
            let torn = torn::cut(dir, scan.end, reason, remains, &scan.numbers)?;
            scan.numbers = directory::list_segments(dir)?;
            Some(torn)
        }
    };
    if !broken!(CutOnce) {
        torn::cut_again(dir, scan.end)?;
    }
    Ok((scan, torn))
}

fn damaged(dir: &Path, damage: &Damage) -> RecoverError {
    RecoverError::Damaged {
        dir: dir.to_owned(),
        segment: damage.place.segment,
        offset: damage.place.offset,
        sequence: damage.sequence,
        reason: damage.reason,
        witness: damage.witness,
    }
}

/// Gives segments that were cut short their size again, in real zeros: what is mapped must be there.
fn lengthen_short(dir: &Path, scan: &Scan) -> Result<(), FileError> {
    for usage in scan.usage.iter().filter(|usage| !usage.is_compressed) {
        let path = directory::segment_path(dir, usage.number);
        // One that is gone was compressed meanwhile, and was whole.
        let Some(file) = directory::open_for_reading(&path)? else { continue };
        let length = file.len().map_err(failed("look at", &path))?;
        if length < usage.size {
            let file = directory::open_for_writing(&path)?;
            prepare::write_zeros(&file, length, usage.size)
                .and_then(|()| file.sync_all())
                .map_err(failed("fill with zeros", &path))?;
        }
    }
    Ok(())
}

/// Bytes of frames and seals; older segments than those that were looked at count whole.
fn bytes_in_use(dir: &Path, scan: &Scan) -> Result<u64, FileError> {
    let mut bytes = scan.usage.iter().map(|usage| usage.end - FRAMES_OFFSET as u64).sum();
    let first = scan.usage.first().map_or(0, |usage| usage.number);
    for number in scan.numbers.iter().copied().filter(|number| *number < first) {
        if let Opened::Segment(segment) = SegmentFile::open(dir, number)? {
            bytes += segment.size() - FRAMES_OFFSET as u64;
        }
    }
    Ok(bytes)
}

/// Syncs every segment whose frames are not all known to be durable, and always the last.
///
/// What the last writer was told was not synced may lie in memory and pass for clean: a sync alone would say that it is
/// durable. So it is written again first, unless that writer knew that everything was.
fn sync_kept(dir: &Path, scan: &Scan) -> Result<(), FileError> {
    let known = scan.known_durable();
    let kept_through = Sequence(scan.next_sequence.0 - 1);
    let is_clean =
        scan.stored_mark.mark.is_some_and(|mark| mark.clean && mark.durable_through == kept_through);
    let last = scan.usage.last().map(|usage| usage.number);
    let is_unsure = |usage: &&scan::Usage| {
        !usage.is_compressed && (usage.last_sequence > known || Some(usage.number) == last)
    };
    for usage in scan.usage.iter().filter(is_unsure) {
        let path = directory::segment_path(dir, usage.number);
        let file = directory::open_for_writing(&path)?;
        if !is_clean && !broken!(KeptInMemory) {
            reach(Failpoint::KeptWrite);
            write_again(&file, ACTIVATION_OFFSET as u64, usage.end).map_err(failed("write again", &path))?;
        }
        if !broken!(KeptUnsynced) {
            reach(Failpoint::KeptSync);
            file.sync_data().map_err(failed("sync", &path))?;
        }
    }
    Ok(())
}

/// Writes the bytes of a range where they are.
fn write_again(file: &File, from: u64, end: u64) -> std::io::Result<()> {
    let mut buffer = vec![0; REWRITE_SIZE];
    let mut done = from;
    while done < end {
        let count = usize::try_from(end - done).unwrap_or(REWRITE_SIZE).min(REWRITE_SIZE);
        let read = file.read_at(&mut buffer[..count], done)?;
        if read == 0 {
            break;
        }
        file.write_all_at(&buffer[..read], done)?;
        done += read as u64;
    }
    Ok(())
}

impl Recovered {
    /// Which journal it is.
    pub fn journal_id(&self) -> JournalId {
        self.scan.journal
    }

    /// The sequence that the next record gets.
    pub fn next_sequence(&self) -> Sequence {
        self.scan.next_sequence
    }

    /// The latest stamp; unknown in an empty journal.
    pub fn last_time(&self) -> TimeNs {
        self.scan.last_time
    }

    /// The head through the last record; `None` when the chain is off.
    pub fn chain_head(&self) -> Option<ChainHead> {
        self.config.chain.then(|| self.scan.chain.head())
    }

    /// What was cut, and where its copy lies.
    pub fn torn(&self) -> Option<&TornTail> {
        self.torn.as_ref()
    }

    /// What was not as it was written but took nothing away. Worth a warning each.
    pub fn notes(&self) -> &[Note] {
        &self.scan.notes
    }

    /// The first sequence that was looked at: of the first segment that is kept, or of the one where recovery started.
    pub fn first_sequence(&self) -> Sequence {
        self.scan.first_sequence
    }

    /// Everything that was looked at, from the first sequence on.
    pub fn frames(&self) -> Result<Reader, ReadError> {
        self.frames_after(Sequence(self.scan.first_sequence.0 - 1))
    }

    /// What follows `sequence`.
    pub fn frames_after(&self, sequence: Sequence) -> Result<Reader, ReadError> {
        Reader::bounded(&self.config.dir, sequence.next(), Sequence(self.scan.next_sequence.0 - 1))
    }

    /// Opens it for writing.
    pub fn open(self) -> Result<Journal, RecoverError> {
        Ok(journal::open(self.activate()?)?)
    }

    /// Takes the first segment into use, if none is.
    pub(crate) fn activate(self) -> Result<Opening, RecoverError> {
        let Self { config, lock, scan, durable, heads, marks, .. } = self;
        let active = scan.usage.last().map(|usage| (usage.number, usage.end));
        let (number, end) = active.unwrap_or((FIRST_SEGMENT, FRAMES_OFFSET as u64));
        let path = directory::segment_path(&config.dir, number);
        let mut spare =
            Spare::open(&config.dir, number, usize::try_from(end).unwrap_or(ACTIVATION_OFFSET), config.io)?;
        if active.is_none() {
            let activation = Activation {
                journal: scan.journal,
                segment: number,
                first_sequence: Sequence::FIRST,
                epoch: FIRST_EPOCH,
                chain_through: Sequence::NONE,
                head: [0; 32],
            };
            reach(Failpoint::ActivateFirst);
            spare.writer.activate(&activation.to_page()).map_err(failed("activate", &path))?;
            reach(Failpoint::ActivateSync);
            spare.view.sync().map_err(failed("activate", &path))?;
        }
        let start = Start {
            active: spare,
            journal: scan.journal,
            epoch: scan.epoch.max(FIRST_EPOCH),
            next: scan.next_sequence,
            last_time: scan.last_time,
            bytes_before: bytes_in_use(&config.dir, &scan)?,
            sealed: scan.sealed,
        };
        let found: VecDeque<u64> = scan.numbers.iter().copied().filter(|found| *found > number).collect();
        let next_number = found.back().map_or(number, |last| *last) + 1;
        let chain = scan.chain;
        Ok(Opening { config, lock, start, found, next_number, chain, durable, heads, marks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::{COMPRESS_LEVEL_DEFAULT, compress};
    use crate::simulation::bad_sector::journal_and_copy;

    #[test]
    fn segments_that_are_compressed_while_a_start_looks_stay_compressed() {
        let (_scratch, dir, _) = journal_and_copy();
        let options = ScanOptions { chain: true, bound: None, from: None, payloads: false };
        let (scan, torn) = scan_and_cut(&dir, options).unwrap();
        let mut compressed = Vec::new();
        compress(&dir, COMPRESS_LEVEL_DEFAULT, &mut |segment| compressed.push(segment.number)).unwrap();
        assert!(torn.is_none() && compressed.len() > 2);
        lengthen_short(&dir, &scan).unwrap();
        sync_kept(&dir, &scan).unwrap();
        assert!(compressed.iter().all(|number| !directory::exists(&directory::segment_path(&dir, *number))));
        let again = scan_and_cut(&dir, options).unwrap().0;
        assert_eq!((again.next_sequence, again.chain.head()), (scan.next_sequence, scan.chain.head()));
    }
}
