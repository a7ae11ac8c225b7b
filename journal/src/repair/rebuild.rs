//! Makes damaged segments again: each frame that is still good from the journal itself, the others from a donor.
//!
//! Frames of a donor get the number of the segment and its checksum anew; everything else of them is content or does no
//! harm. Seals are left out. Nothing of the journal is touched: segments are made in a directory of work.

use crate::directory::{self, FileError, failed};
use crate::files;
use crate::format::{
    self, ACTIVATION_OFFSET, Activation, FRAMES_OFFSET, HEADER_COPY_OFFSET, JournalId, SegmentHeader,
};
use crate::keeper::KeepError;
use crate::repair::Examined;
use crate::repair::donor::Donor;
use crate::repair::survey::{Survey, open_any};
use crate::segment::Content;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};

/// Where the epoch lies in a frame.
const EPOCH_OFFSET: usize = 52;

/// What was made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Rebuilt {
    /// Segments that were made again, in order.
    pub(crate) segments: Vec<u64>,
    /// Segments that hold nothing and must go.
    pub(crate) dropped: Vec<u64>,
    /// Records that came from the donor.
    pub(crate) restored: u64,
    /// The first record that neither has, though somebody knows of it.
    pub(crate) lacking: Option<Sequence>,
}

/// Makes every damaged segment of the journal in `dir` again, in `work`, and links what is good to it.
pub(crate) fn rebuild(
    dir: &Path,
    work: &Path,
    examined: &Examined,
    donor: &mut Donor,
) -> Result<Rebuilt, KeepError> {
    let mut making = Making {
        dir,
        work,
        journal: examined.diagnosis.journal,
        known_through: known_through(examined, donor),
        size: size_of_segments(examined, donor),
        distrusted: distrusted(examined),
        expected: start_of(examined),
        epoch: 0,
        rebuilt: Rebuilt::default(),
        donor,
    };
    let first = examined.surveys.first().map_or(u64::MAX, |survey| survey.number);
    for number in examined.scan.numbers.iter().filter(|number| **number < first) {
        making.link(*number)?;
    }
    for (index, survey) in examined.surveys.iter().enumerate() {
        let later = examined.surveys[index + 1..].iter().filter_map(Survey::first_known).min();
        making.segment(survey, later)?;
        if making.rebuilt.lacking.is_some() {
            return Ok(making.rebuilt);
        }
    }
    let mut number = examined.surveys.last().map_or(1, |survey| survey.number + 1);
    let last_of_donor = making.donor.scan.usage.last().map_or(0, |usage| usage.number);
    while making.expected <= making.known_through && making.rebuilt.lacking.is_none() {
        let before = making.expected;
        making.build(number, None, &Own::new(), None)?;
        if making.expected == before && number >= last_of_donor {
            making.rebuilt.lacking = Some(before);
        }
        number += 1;
    }
    Ok(making.rebuilt)
}

/// How far the journal must go. Where its own end is lost, everything that the donor has is taken.
fn known_through(examined: &Examined, donor: &Donor) -> Sequence {
    let known = examined.diagnosis.known_through;
    let readable = examined.surveys.iter().map(Survey::last_known).max().unwrap_or(Sequence::NONE);
    let is_cut = readable.max(examined.diagnosis.good_through) < known || !examined.has_frames();
    if is_cut { known.max(donor.through()) } else { known }
}

/// The sequence at the start of the first damaged segment.
fn start_of(examined: &Examined) -> Sequence {
    let scan = &examined.scan;
    let number = examined.surveys.first().map_or(0, |survey| survey.number);
    if let Some(usage) = scan.usage.iter().find(|usage| usage.number == number) {
        return usage.first_sequence;
    }
    if scan.usage.is_empty() {
        return examined.kept.map_or(Sequence::FIRST, |kept| kept.sequence);
    }
    scan.next_sequence
}

fn size_of_segments(examined: &Examined, donor: &Donor) -> u64 {
    let own = examined.surveys.iter().filter_map(|survey| survey.header).map(|header| header.size);
    let used = examined.scan.usage.iter().chain(&donor.scan.usage).map(|usage| usage.size);
    own.chain(used).max().unwrap_or(0)
}

/// Frames that the chain speaks against, though each is good by itself: none, or those from a record on.
fn distrusted(examined: &Examined) -> Option<(Sequence, Sequence)> {
    let is_dense = examined.surveys.iter().all(|survey| survey.fault.is_none());
    let finding =
        examined.diagnosis.findings.first().filter(|finding| is_dense && finding.witness.is_none())?;
    Some((finding.first_sequence, finding.last_sequence))
}

struct Making<'a> {
    dir: &'a Path,
    work: &'a Path,
    journal: JournalId,
    known_through: Sequence,
    size: u64,
    distrusted: Option<(Sequence, Sequence)>,
    expected: Sequence,
    epoch: u32,
    rebuilt: Rebuilt,
    donor: &'a mut Donor,
}

type Own = HashMap<Sequence, (u64, usize, u32, Sequence)>;

impl Making<'_> {
    fn link(&self, number: u64) -> Result<(), FileError> {
        let path = directory::stored_path(self.dir, number);
        let target = self.work.join(files::name_of(&path));
        std::fs::hard_link(&path, &target).map_err(failed("link", &path))
    }

    /// Links a segment that is good where it stands, or makes it again.
    fn segment(&mut self, survey: &Survey, later: Option<Sequence>) -> Result<(), KeepError> {
        let starts = survey.activation.map(|activation| activation.first_sequence);
        let next = survey.last_known().next().max(starts.unwrap_or(Sequence::NONE));
        let is_touched = self
            .distrusted
            .is_some_and(|(first, last)| starts.is_some_and(|starts| starts <= last) && first < next);
        if !survey.is_used() && later.is_none() && self.expected > self.known_through {
            // Prepared, or meant to be.
            if survey.fault.is_none() {
                self.link(survey.number)?;
            } else if survey.path.is_some() {
                self.rebuilt.dropped.push(survey.number);
            }
            return Ok(());
        }
        let is_complete = later.map_or(self.known_through < next, |later| later == next);
        if survey.fault.is_none() && starts == Some(self.expected) && is_complete && !is_touched {
            self.link(survey.number)?;
            self.expected = next;
            self.epoch = survey.frames.last().map_or(self.epoch, |frame| frame.header.epoch);
            return Ok(());
        }
        let is_trusted = |first: Sequence, last: Sequence| {
            self.distrusted.is_none_or(|(from, to)| last < from || to < first)
        };
        let mut own = Own::new();
        for frame in survey.frames.iter().filter(|frame| !frame.header.is_seal()) {
            let (first, last) = (frame.header.first_sequence, frame.header.last_sequence());
            if is_trusted(first, last) {
                own.insert(first, (frame.offset, frame.length, frame.header.epoch, last.next()));
            }
        }
        self.build(survey.number, Some(survey), &own, later)
    }

    /// Makes segment `number` from the frames that come next, up to the record `later`.
    fn build(
        &mut self,
        number: u64,
        survey: Option<&Survey>,
        own: &Own,
        later: Option<Sequence>,
    ) -> Result<(), KeepError> {
        let content = match survey.and_then(|survey| survey.path.as_deref()) {
            Some(path) => open_any(self.dir, path, number)?,
            None => None,
        };
        let header = survey.and_then(|survey| survey.header).unwrap_or_else(|| SegmentHeader {
            journal: self.journal,
            segment: number,
            created: now(),
            size: self.size,
        });
        let page = survey.and_then(|survey| survey.activation);
        self.epoch = self.epoch.max(page.map_or(1, |page| page.epoch));
        let copied = self.donor.activation(number)?.filter(|page| page.first_sequence == self.expected);
        let made = Activation {
            journal: self.journal,
            segment: number,
            first_sequence: self.expected,
            epoch: self.epoch,
            chain_through: copied.map_or(Sequence::NONE, |page| page.chain_through),
            head: copied.map_or([0; 32], |page| page.head),
        };
        let activation = page.filter(|page| page.first_sequence == self.expected).unwrap_or(made);
        let mut builder = Builder::create(self.work, number, header.size)?;
        while later.is_none_or(|later| self.expected < later) {
            let next = match self.own_frame(own, content.as_ref(), number)? {
                Some(own) => Some(own),
                None => self.donor_frame(number, later)?,
            };
            let Some(next) = next else {
                break;
            };
            if !builder.push(&next.bytes)? {
                break;
            }
            self.rebuilt.restored += next.restored;
            (self.expected, self.epoch) = (next.next, next.epoch);
        }
        builder.finish(header, activation)?;
        self.rebuilt.segments.push(number);
        Ok(())
    }

    /// The next frame as it lies in segment `number` of the journal itself.
    fn own_frame(
        &self,
        own: &Own,
        content: Option<&Content>,
        number: u64,
    ) -> Result<Option<Next>, FileError> {
        let (Some((offset, length, epoch, next)), Some(content)) = (own.get(&self.expected), content) else {
            return Ok(None);
        };
        let mut bytes = vec![0; *length];
        let path = directory::stored_path(self.dir, number);
        content.read_at(&mut bytes, *offset).map_err(failed("read", &path))?;
        Ok(Some(Next { bytes, next: *next, epoch: self.epoch.max(*epoch), restored: 0 }))
    }

    /// The next frame from the donor, as it is in segment `number`; `None` where it belongs behind that segment, or
    /// where it is missing, which is noted.
    fn donor_frame(&mut self, number: u64, later: Option<Sequence>) -> Result<Option<Next>, KeepError> {
        let is_owed = self.expected <= self.known_through || later.is_some();
        if !is_owed {
            return Ok(None);
        }
        let (is_same, epoch) = (self.donor.is_of(self.journal), self.epoch);
        let held = self.donor.frame_at(self.expected)?;
        let Some(held) = held.filter(|held| later.is_none_or(|later| held.next <= later)) else {
            self.rebuilt.lacking = Some(self.expected);
            return Ok(None);
        };
        if is_same && held.place.segment > number {
            return Ok(None);
        }
        // Another journal counts its reigns for itself.
        let epoch = if is_same { epoch.max(format::u32_at(&held.bytes, EPOCH_OFFSET)) } else { epoch };
        let bytes = for_segment(&held.bytes, number, epoch);
        Ok(Some(Next { bytes, next: held.next, epoch, restored: held.next.0 - held.first.0 }))
    }
}

/// A frame that is to be written.
struct Next {
    bytes: Vec<u8>,
    /// The record that follows it.
    next: Sequence,
    epoch: u32,
    /// Records that the journal itself did not have.
    restored: u64,
}

fn now() -> TimeNs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    TimeNs(u64::try_from(now).unwrap_or(u64::MAX))
}

/// A frame of another place as it is in segment `number` and in this epoch.
fn for_segment(frame: &[u8], number: u64, epoch: u32) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    format::put(&mut bytes, EPOCH_OFFSET, &epoch.to_le_bytes());
    let length = format::u32_at(frame, 0);
    let crc = format::frame_crc(number, length, &bytes);
    format::put(&mut bytes, 4, &crc.to_le_bytes());
    bytes
}

/// A segment that is being made.
struct Builder {
    path: PathBuf,
    file: File,
    at: u64,
    size: u64,
}

impl Builder {
    fn create(work: &Path, number: u64, size: u64) -> Result<Self, FileError> {
        let path = directory::segment_path(work, number);
        let file = files::create_new(&path)?;
        files::write_zeros(&file, size).map_err(failed("fill with zeros", &path))?;
        Ok(Self { path, file, at: FRAMES_OFFSET as u64, size })
    }

    /// Whether the frame did fit.
    fn push(&mut self, frame: &[u8]) -> Result<bool, FileError> {
        let end = self.at + frame.len() as u64;
        if end > self.size {
            return Ok(false);
        }
        self.file.write_all_at(frame, self.at).map_err(failed("write", &self.path))?;
        self.at = end;
        Ok(true)
    }

    fn finish(self, header: SegmentHeader, activation: Activation) -> Result<(), FileError> {
        let page = header.to_page();
        let pages = [(page, 0), (page, HEADER_COPY_OFFSET), (activation.to_page(), ACTIVATION_OFFSET)];
        for (page, offset) in pages {
            self.file.write_all_at(&page, offset as u64).map_err(failed("write", &self.path))?;
        }
        self.file.sync_all().map_err(failed("sync", &self.path))
    }
}
