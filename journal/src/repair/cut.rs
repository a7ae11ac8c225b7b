//! Cuts a journal before its first damage. Everything behind is lost to the journal, and its bytes are kept.

use crate::compress;
use crate::directory::{self, FileError, failed};
use crate::files;
use crate::format::FRAMES_OFFSET;
use crate::keeper::KeepError;
use crate::repair::Examined;
use crate::repair::apply::{Change, write_beside};
use crate::retention::register;
use crate::scan::Usage;
use crate::segment::{Opened, SegmentFile};
use std::os::unix::fs::FileExt;
use std::path::Path;
use tickwerk_domain::Sequence;

/// Makes what stays in `work`; gives what must be replaced or set aside.
pub(crate) fn prepare(dir: &Path, work: &Path, examined: &Examined) -> Result<Vec<Change>, KeepError> {
    let through = examined.diagnosis.good_through;
    let Some(last) = last_kept(examined, through) else {
        return Err(KeepError::refused(
            "nothing before the damage can be kept; move the directory aside and restore a copy",
        ));
    };
    let mut changes = Vec::new();
    // Those behind first, last one first: what is left is always a journal that is refused, never one that seems whole.
    for number in examined.scan.numbers.iter().rev().filter(|number| **number > last.number) {
        changes.push(Change { target: directory::stored_path(dir, *number), replacement: None });
    }
    for number in examined.scan.numbers.iter().filter(|number| **number < last.number) {
        let path = directory::stored_path(dir, *number);
        std::fs::hard_link(&path, work.join(files::name_of(&path))).map_err(failed("link", &path))?;
    }
    cut_segment(dir, work, last, through)?;
    let target = directory::segment_path(dir, last.number);
    changes.push(Change { target, replacement: Some(directory::segment_path(work, last.number)) });
    if last.is_compressed {
        let target = directory::compressed_path(dir, last.number);
        changes.push(Change { target, replacement: None });
    }
    for path in files::list(dir)? {
        let name = files::name_of(&path);
        // What a snapshot or a reader knows beyond the cut would be held against the journal for ever.
        let sequence = match directory::snapshot_sequence(name) {
            None if directory::is_dependant(name) => register::reader_through(&path)?,
            sequence => sequence,
        };
        if sequence.is_some_and(|sequence| sequence > through) {
            changes.push(Change { target: path, replacement: None });
        } else if sequence.is_some() || name == directory::FIRST {
            std::fs::hard_link(&path, work.join(name)).map_err(failed("link", &path))?;
        }
    }
    let generation = examined.scan.stored_mark.mark.map_or(0, |mark| mark.generation);
    write_beside(dir, work, &examined.scan, through, generation)?;
    for name in [directory::HEADS, directory::DURABLE] {
        let replacement = Some(work.join(name)).filter(|path| path.exists());
        changes.push(Change { target: dir.join(name), replacement });
    }
    Ok(changes)
}

/// The segment that holds the last record that stays.
fn last_kept(examined: &Examined, through: Sequence) -> Option<&Usage> {
    let mut usage = examined.scan.usage.iter().rev();
    usage.find(|usage| usage.first_sequence <= through && usage.frames > 0)
}

/// Writes the segment plain, with zeros behind the frame that ends with `through`.
fn cut_segment(dir: &Path, work: &Path, last: &Usage, through: Sequence) -> Result<(), KeepError> {
    let Opened::Segment(segment) = SegmentFile::open(dir, last.number)? else {
        return Err(KeepError::refused(format!("segment {} cannot be read", last.number)));
    };
    let path = directory::segment_path(work, last.number);
    let from = end_of(dir, last.number, through)?;
    compress::write_plain(&segment, from, &path)?;
    zero_behind(&path, from, segment.size())?;
    Ok(())
}

/// Where the frame that ends with `through` ends.
fn end_of(dir: &Path, number: u64, through: Sequence) -> Result<u64, KeepError> {
    let Opened::Segment(segment) = SegmentFile::open(dir, number)? else {
        return Err(KeepError::refused(format!("segment {number} cannot be read")));
    };
    let (walker, _) = crate::walk::Walker::start(dir, segment, false)?;
    let mut walker = walker.alone();
    let mut end = FRAMES_OFFSET as u64;
    while walker.next_sequence() <= through {
        if !matches!(walker.step()?, crate::walk::Step::Frame(..)) {
            break;
        }
        end = walker.place().offset;
    }
    Ok(end)
}

fn zero_behind(path: &Path, from: u64, size: u64) -> Result<(), FileError> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).open(path).map_err(failed("open for writing", path))?;
    let zeros = vec![0; 1 << 20];
    let mut at = from;
    while at < size {
        let count = usize::try_from(size - at).unwrap_or(zeros.len()).min(zeros.len());
        file.write_all_at(&zeros[..count], at).map_err(failed("zero", path))?;
        at += count as u64;
    }
    file.sync_all().map_err(failed("sync", path))
}
