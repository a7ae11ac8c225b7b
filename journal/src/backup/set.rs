//! A folder of copies: their names, what each says of itself, and which of them stay.
//!
//! A copy is a directory that is named by the time it was made, in UTC: `20241121T033000Z`. Anything else in the folder
//! is left alone. The newest copy always stays. A copy gets a name behind all others, whatever the clock says.

use crate::chain::{ChainHead, Head};
use crate::directory::{self, FileError, failed};
use crate::files;
use crate::format::JournalId;
use crate::keeper::KeepError;
use rustix::fs::FlockOperation;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tickwerk_domain::Sequence;

const MANIFEST_TITLE: &str = "tickwerk-backup 1";
const NAME_LENGTH: usize = 16;
const SECONDS_PER_HOUR: u64 = 3_600;
const SECONDS_PER_DAY: u64 = 86_400;
const NAMES_TRIED_MAX: u64 = 60;

/// Which copies stay. A copy that any of the rules keeps stays, and so does the newest; without rules all stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rotation {
    /// The newest copy of each of so many hours that have one.
    pub hourly: Option<u32>,
    /// The newest copy of each of so many days that have one.
    pub daily: Option<u32>,
    /// Every copy that is younger than so many days.
    pub days: Option<u32>,
}

impl Rotation {
    /// Which of the copies made at `times`, in seconds since 1970 and in rising order, stay.
    fn keeps(self, times: &[u64], now: u64) -> Vec<bool> {
        if self == Self::default() {
            return vec![true; times.len()];
        }
        let mut keeps: Vec<bool> = times
            .iter()
            .map(|time| {
                self.days.is_some_and(|days| now.saturating_sub(*time) < u64::from(days) * SECONDS_PER_DAY)
            })
            .collect();
        for (count, unit) in [(self.hourly, SECONDS_PER_HOUR), (self.daily, SECONDS_PER_DAY)] {
            let mut seen = BTreeSet::new();
            for (time, keep) in times.iter().zip(&mut keeps).rev() {
                let is_new = !seen.contains(&(time / unit));
                if is_new && seen.len() < count.unwrap_or(0) as usize {
                    seen.insert(time / unit);
                    *keep = true;
                }
            }
        }
        if let Some(last) = keeps.last_mut() {
            *last = true;
        }
        keeps
    }
}

/// What a copy says of itself, in its file `BACKUP`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Manifest {
    pub(crate) journal: JournalId,
    pub(crate) chain_head: ChainHead,
}

impl Manifest {
    pub(crate) fn new(journal: JournalId, chain_head: ChainHead) -> Self {
        Self { journal, chain_head }
    }

    pub(crate) fn write(&self, copy: &Path) -> Result<(), FileError> {
        let path = copy.join(directory::BACKUP);
        let ChainHead { through, head } = self.chain_head;
        let text = format!("{MANIFEST_TITLE}\njournal {}\nthrough {through}\nhead {head}\n", self.journal);
        let mut file = files::create_new(&path)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &path))
    }

    /// `None` where there is none or it cannot be read as one.
    pub(crate) fn read(copy: &Path) -> Result<Option<Self>, FileError> {
        let path = copy.join(directory::BACKUP);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let is_title = lines.next()? == MANIFEST_TITLE;
        let journal = JournalId(from_hex(lines.next()?.strip_prefix("journal ")?)?);
        let through = Sequence(lines.next()?.strip_prefix("through ")?.parse().ok()?);
        let head = Head(from_hex(lines.next()?.strip_prefix("head ")?)?);
        is_title.then_some(Self { journal, chain_head: ChainHead { through, head } })
    }
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 || !text.is_ascii() {
        return None;
    }
    for (byte, index) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[index..index + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A folder of copies that is locked for a backup.
#[derive(Debug)]
pub(crate) struct CopySet {
    folder: PathBuf,
    _lock: File,
}

impl CopySet {
    /// Opens the folder, creates it if it is not there, and removes what an earlier backup did not finish.
    pub(crate) fn open(folder: &Path) -> Result<Self, KeepError> {
        directory::create_dir(folder)?;
        let is_journal =
            !directory::list_segments(folder)?.is_empty() || folder.join(directory::BACKUP).exists();
        if is_journal {
            let text = format!("{} is a journal or a copy; give a folder of copies", folder.display());
            return Err(KeepError::Refused(text));
        }
        let path = folder.join(directory::LOCK);
        let lock = files::lock(&path, FlockOperation::NonBlockingLockExclusive)?
            .ok_or_else(|| KeepError::Busy { dir: folder.to_owned() })?;
        for path in files::list(folder)? {
            let stem = path.file_stem().and_then(std::ffi::OsStr::to_str).and_then(time_of);
            if path.extension().is_some_and(|extension| extension == "tmp") && stem.is_some() {
                files::remove_tree(&path)?;
            }
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The newest copy that says what it is. A newest copy of another journal is refused.
    pub(crate) fn newest(&self, journal: JournalId) -> Result<Option<(PathBuf, Manifest)>, KeepError> {
        let Some((path, manifest)) = newest(&self.folder)? else {
            return Ok(None);
        };
        if manifest.journal != journal {
            return Err(KeepError::Refused(format!(
                "{} holds copies of journal {}, not of {journal}; give another folder",
                self.folder.display(),
                manifest.journal
            )));
        }
        Ok(Some((path, manifest)))
    }

    /// A new directory to copy into.
    pub(crate) fn temporary(&self) -> Result<PathBuf, FileError> {
        let path = directory::temporary_path(&self.folder.join(name_of(now())));
        files::remove_tree(&path)?;
        directory::create_dir(&path)?;
        Ok(path)
    }

    /// Gives a copy that is whole its name, which is behind those of all others: where the clock was set back, it is still the
    /// newest. Gives by how many seconds the name is ahead of the clock, too.
    pub(crate) fn publish(&self, temporary: &Path) -> Result<(PathBuf, u64), FileError> {
        let now = now();
        let newest = copies(&self.folder)?.last().map_or(0, |(time, _)| *time);
        let first = now.max(newest + 1);
        let free = (first..first + NAMES_TRIED_MAX).find(|time| !self.folder.join(name_of(*time)).exists());
        let time = free.unwrap_or(first);
        let path = self.folder.join(name_of(time));
        files::rename(temporary, &path)?;
        directory::sync_dir(&self.folder)?;
        Ok((path, time - now))
    }

    /// Removes the copies that `rotation` does not keep, oldest first, and never `made`.
    pub(crate) fn rotate(&self, rotation: Rotation, made: &Path) -> Result<Vec<PathBuf>, FileError> {
        let copies = copies(&self.folder)?;
        let times: Vec<u64> = copies.iter().map(|(time, _)| *time).collect();
        let keeps = rotation.keeps(&times, now());
        let mut removed = Vec::new();
        let goes = |((_, path), keep): &((u64, PathBuf), bool)| !keep && path != made;
        for ((_, path), _) in copies.into_iter().zip(keeps).filter(goes) {
            // Under a temporary name first, so that half a copy never looks like one.
            let temporary = directory::temporary_path(&path);
            files::rename(&path, &temporary)?;
            files::remove_tree(&temporary)?;
            removed.push(path);
        }
        if !removed.is_empty() {
            directory::sync_dir(&self.folder)?;
        }
        Ok(removed)
    }
}

/// The newest copy in a folder that says what it is.
pub(crate) fn newest(folder: &Path) -> Result<Option<(PathBuf, Manifest)>, FileError> {
    for (_, path) in copies(folder)?.into_iter().rev() {
        if let Some(manifest) = Manifest::read(&path)? {
            return Ok(Some((path, manifest)));
        }
    }
    Ok(None)
}

/// The copies of a folder and when they were made, oldest first.
fn copies(folder: &Path) -> Result<Vec<(u64, PathBuf)>, FileError> {
    let mut found = Vec::new();
    for path in files::list(folder)? {
        let time = time_of(files::name_of(&path));
        if let Some(time) = time.filter(|_| path.is_dir()) {
            found.push((time, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Names of the files beside segments that belong into a copy through `through`.
pub(crate) fn beside(dir: &Path, through: Sequence) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for path in files::list(dir)? {
        let text = files::name_of(&path);
        let is_snapshot = directory::snapshot_sequence(text).is_some_and(|sequence| sequence <= through);
        if is_snapshot || text == directory::FIRST || directory::is_dependant(text) {
            names.push(text.to_owned());
        }
    }
    Ok(names)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The name of a copy that was made at `time`, in seconds since 1970.
fn name_of(time: u64) -> String {
    let (days, second) = (time / SECONDS_PER_DAY, time % SECONDS_PER_DAY);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// When a copy of this name was made; `None` where it is not the name of a copy.
fn time_of(name: &str) -> Option<u64> {
    if name.len() != NAME_LENGTH || !name.is_ascii() || &name[8..9] != "T" || &name[15..] != "Z" {
        return None;
    }
    let number = |from: usize, to: usize| {
        let digits = &name[from..to];
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
    };
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let second = number(9, 11)? * 3_600 + number(11, 13)? * 60 + number(13, 15)?;
    let time = days_of(year, month, day)? * SECONDS_PER_DAY + second;
    (name_of(time) == name).then_some(time)
}

const DAYS_PER_MONTH: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_in_month(year: u64, month: usize) -> u64 {
    DAYS_PER_MONTH[month] + u64::from(month == 1 && is_leap(year))
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
fn date_of(days: u64) -> (u64, u64, u64) {
    let (mut year, mut left) = (1970, days);
    while left >= days_in_year(year) {
        left -= days_in_year(year);
        year += 1;
    }
    let mut month = 0;
    while left >= days_in_month(year, month) {
        left -= days_in_month(year, month);
        month += 1;
    }
    (year, month as u64 + 1, left + 1)
}

fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let month = usize::try_from(month).ok().filter(|_| is_date)? - 1;
    let years: u64 = (1970..year).map(days_in_year).sum();
    let months: u64 = (0..month).map(|month| days_in_month(year, month)).sum();
    Some(years + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_time_both_ways() {
        let known = [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_825_600, "20000229T120000Z"),
            (1_732_159_800, "20241121T033000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ];
        for (time, name) in known {
            assert_eq!(name_of(time), name);
            assert_eq!(time_of(name), Some(time));
        }
        for name in ["20240230T000000Z", "20241121T250000Z", "20241121T033000", "latest", "2024112ÄT33000Z"]
        {
            assert_eq!(time_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_copy_stays_while_any_rule_keeps_it() {
        const HOUR: u64 = 3_600;
        let now = 100 * 24 * HOUR;
        // Each half hour for three days, oldest first.
        let times: Vec<u64> = (0..144).rev().map(|index| now - index * HOUR / 2).collect();
        let kept = |rotation: Rotation| {
            let keeps = rotation.keeps(&times, now);
            let kept: Vec<u64> = times.iter().zip(keeps).filter(|(_, keep)| *keep).map(|(t, _)| *t).collect();
            kept
        };
        assert_eq!(kept(Rotation::default()).len(), 144, "without rules all stay");
        let hourly = kept(Rotation { hourly: Some(3), ..Rotation::default() });
        assert_eq!(hourly, [now - 3 * HOUR / 2, now - HOUR / 2, now], "the newest of each hour");
        let daily = kept(Rotation { daily: Some(2), ..Rotation::default() });
        assert_eq!(daily, [now - HOUR / 2, now]);
        let days = kept(Rotation { days: Some(1), ..Rotation::default() });
        assert_eq!(days.len(), 48, "younger than a day");
        let nothing = kept(Rotation { hourly: Some(0), ..Rotation::default() });
        assert_eq!(nothing, [now], "the newest always stays");
        let all = Rotation { hourly: Some(2), daily: Some(3), days: Some(1) };
        assert_eq!(kept(all).len(), 49, "the end of the day before yesterday, too");
    }

    #[test]
    fn a_manifest_reads_back_and_nonsense_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let head = ChainHead { through: Sequence(77), head: Head([0xab; 32]) };
        let manifest = Manifest::new(JournalId([7; 16]), head);
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest));
        for text in ["", "tickwerk-backup 2\n", "tickwerk-backup 1\njournal zz\nthrough 1\nhead 00\n"] {
            assert_eq!(Manifest::parse(text), None, "{text}");
        }
    }
}
