//! Makes segments ready before they are needed, on threads of their own.
//!
//! A segment is made under a temporary name, allocated, filled with real zeros, synced, given its header pages, synced
//! and renamed; what has its final name is whole. A sparse mapping on a full disk would be a SIGBUS; this is a clean
//! error. Any error here stops the journal and nothing is tried twice, but for a disk that is full (`space.rs`): what was
//! being made is removed, the watermarks tell, and it is tried again until there is room.

use crate::bell::Bell;
use crate::config::Io;
use crate::directory::{self, FileError, failed};
use crate::failpoint::{Failpoint, reach};
use crate::failure::Failure;
use crate::format::{FRAMES_OFFSET, HEADER_COPY_OFFSET, JournalId, PAGE_SIZE, SegmentHeader};
use crate::mmap::{self, SegmentView, SegmentWriter};
use crate::space::{self, Room, SPARES_MIN};
use crate::storage::File;
use crate::syncing::Progress;
use crate::watermarks::Watermarks;
use crossbeam::channel::{Receiver, Sender};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tickwerk_domain::TimeNs;

/// The pause before a full disk is tried again, the first time and later. Each try takes what is left for a moment, from
/// others, too.
const FULL_PAUSE: Duration = Duration::from_millis(50);
const FULL_PAUSE_MAX: Duration = Duration::from_secs(1);
/// The longest sleep of a thread that has prepared enough; the writer wakes it.
const PREPARED_PAUSE: Duration = Duration::from_secs(1);
const ZEROS_SIZE: usize = 1024 * 1024;
/// How much at once: each step is a moment in which the writer may overtake.
const POPULATE_STEP: usize = 128 * 1024;
const POPULATE_PAUSE: Duration = Duration::from_millis(1);
/// The pause where nothing is left to do in the segment; the first frame of the next one ends it.
const POPULATED_PAUSE: Duration = Duration::from_millis(20);

/// A segment that is ready.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) number: u64,
    pub(crate) writer: SegmentWriter,
    pub(crate) view: SegmentView,
}

impl Spare {
    /// Opens segment `number`, whose frames end at `edge`.
    pub(crate) fn open(dir: &Path, number: u64, edge: usize, io: Io) -> Result<Self, FileError> {
        let path = directory::segment_path(dir, number);
        let file = directory::open_for_writing(&path)?;
        let (writer, view) = mmap::open_segment(file, edge, io).map_err(failed("map", &path))?;
        Ok(Self { number, writer, view })
    }
}

/// Makes segment `number` of `size` bytes under its final name.
pub(crate) fn prepare_segment(
    dir: &Path,
    journal: JournalId,
    number: u64,
    size: u64,
) -> Result<(), FileError> {
    let temporary = directory::temporary_path(&directory::segment_path(dir, number));
    let file = allocate_segment(&temporary, size)?;
    finish_segment(dir, journal, number, size, &file)
}

/// Takes the room for a segment; an error that says that the disk is full leaves nothing that is lost by trying again.
fn allocate_segment(temporary: &Path, size: u64) -> Result<File, FileError> {
    reach(Failpoint::PrepareCreate);
    let file = directory::create_new(temporary)?;
    reach(Failpoint::PrepareAllocate);
    file.allocate(size).map_err(failed("allocate", temporary))?;
    reach(Failpoint::PrepareZero);
    write_zeros(&file, 0, size).map_err(failed("fill with zeros", temporary))?;
    Ok(file)
}

/// Makes a segment of what was allocated.
fn finish_segment(
    dir: &Path,
    journal: JournalId,
    number: u64,
    size: u64,
    file: &File,
) -> Result<(), FileError> {
    let path = directory::segment_path(dir, number);
    let temporary = directory::temporary_path(&path);
    reach(Failpoint::PrepareSync);
    file.sync_all().map_err(failed("sync the zeros of", &temporary))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let created = TimeNs(u64::try_from(now).unwrap_or(u64::MAX));
    let page = SegmentHeader { journal, segment: number, created, size }.to_page();
    reach(Failpoint::PrepareHeader);
    file.write_all_at(&page, 0)
        .and_then(|()| file.write_all_at(&page, HEADER_COPY_OFFSET as u64))
        .map_err(failed("write the header of", &temporary))?;
    reach(Failpoint::PrepareHeaderSync);
    file.sync_all().map_err(failed("sync the header of", &temporary))?;
    reach(Failpoint::PrepareRename);
    directory::rename(&temporary, &path)?;
    reach(Failpoint::PrepareDirSync);
    directory::sync_dir(dir)?;
    reach(Failpoint::PrepareDone);
    Ok(())
}

/// Writes real zeros from `from` up to `end`.
pub(crate) fn write_zeros(file: &File, from: u64, end: u64) -> std::io::Result<()> {
    let zeros = vec![0; ZEROS_SIZE];
    let mut done = from;
    while done < end {
        let count = usize::try_from(end - done).unwrap_or(ZEROS_SIZE).min(ZEROS_SIZE);
        file.write_all_at(&zeros[..count], done)?;
        done += count as u64;
    }
    Ok(())
}

/// Keeps as many spares ready as are wanted.
#[derive(Debug)]
pub(crate) struct Preparer {
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) size: u64,
    pub(crate) io: Io,
    /// Segments that were found ready, in order.
    pub(crate) found: VecDeque<u64>,
    /// The number after the last that exists.
    pub(crate) next: u64,
    pub(crate) spares: Sender<Spare>,
    /// Spares that are ready, and how many are wanted.
    pub(crate) ready: Arc<AtomicUsize>,
    pub(crate) wanted: usize,
    /// Rung when a spare is taken.
    pub(crate) bell: Arc<Bell>,
    pub(crate) room: Arc<Room>,
    /// The last try found the disk full.
    pub(crate) is_full: bool,
    pub(crate) prefault_bytes: usize,
    pub(crate) marks: Watermarks,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Preparer {
    /// Runs until the writer is gone.
    pub(crate) fn run(mut self) {
        let mut full_pause = FULL_PAUSE;
        while !self.stop.load(Ordering::Acquire) {
            match self.step() {
                Ok(Progress::Working) => full_pause = FULL_PAUSE,
                Ok(Progress::Resting) if self.is_full => {
                    std::thread::park_timeout(full_pause);
                    full_pause = (full_pause * 2).min(FULL_PAUSE_MAX);
                }
                Ok(Progress::Resting) => {
                    let (ready, wanted) = (&self.ready, self.wanted);
                    self.bell.wait(PREPARED_PAUSE, || ready.load(Ordering::Acquire) < wanted);
                }
                Ok(Progress::Ended) | Err(_) => break,
            }
        }
    }

    /// Makes one spare, if one is wanted; a failure is published and nothing may come after it.
    pub(crate) fn step(&mut self) -> Result<Progress, Failure> {
        self.prepare().map_err(|error| {
            let failure = Failure::new("preparing thread", &error);
            self.marks.fail(&failure);
            failure
        })
    }

    fn prepare(&mut self) -> Result<Progress, FileError> {
        if self.ready.load(Ordering::Acquire) >= self.wanted {
            return Ok(Progress::Resting);
        }
        let number = match self.found.pop_front() {
            Some(number) => number,
            None => {
                let temporary = directory::temporary_path(&directory::segment_path(&self.dir, self.next));
                let file = match allocate_segment(&temporary, self.size) {
                    Err(error) if space::is_full(&error.source) => return self.tell_full(&temporary),
                    allocated => allocated?,
                };
                finish_segment(&self.dir, self.journal, self.next, self.size, &file)?;
                self.next += 1;
                self.next - 1
            }
        };
        let spare = Spare::open(&self.dir, number, FRAMES_OFFSET, self.io)?;
        populate_first(&spare.view, self.prefault_bytes);
        self.is_full = false;
        let ready = self.ready.fetch_add(1, Ordering::Release) + 1;
        if ready >= SPARES_MIN.min(self.wanted) {
            self.marks.set_reserve_end(0);
        }
        Ok(if self.spares.send(spare).is_ok() { Progress::Working } else { Progress::Ended })
    }

    /// Leaves nothing of the segment that had no room, and tells how far the rest goes.
    fn tell_full(&mut self, temporary: &Path) -> Result<Progress, FileError> {
        directory::remove_if_there(temporary)?;
        let ready = self.ready.load(Ordering::Acquire);
        if ready < SPARES_MIN {
            let size = self.size - FRAMES_OFFSET as u64;
            self.marks.set_reserve_end(self.room.reserve_end(ready, size));
        }
        self.is_full = true;
        Ok(Progress::Resting)
    }
}

/// Makes the pages writable that a writer of the segment comes to first, `ahead` bytes of them.
pub(crate) fn populate_first(view: &SegmentView, ahead: usize) {
    let from = view.edge() / PAGE_SIZE * PAGE_SIZE;
    let length = ahead.min(view.size() - from);
    if length > 0 {
        // Only a help: a kernel that cannot do it leaves the faults to the writer.
        drop(view.populate(from, length));
    }
}

/// Makes pages writable up to `ahead` bytes before the writer, until the last segment's channel is closed.
pub(crate) fn run_populate(views: &Receiver<SegmentView>, ahead: usize, bell: &Bell, stop: &AtomicBool) {
    let mut current: Option<(SegmentView, usize)> = None;
    while !stop.load(Ordering::Acquire) {
        if let Ok(view) = views.try_recv() {
            // The first pages were made when the segment was prepared.
            let done = (view.edge() / PAGE_SIZE * PAGE_SIZE).saturating_add(ahead / PAGE_SIZE * PAGE_SIZE);
            let done = done.min(view.size());
            current = Some((view, done));
        }
        let Some((view, done)) = &mut current else {
            bell.wait(POPULATE_PAUSE, || false);
            continue;
        };
        *done = (*done).max(view.edge() / PAGE_SIZE * PAGE_SIZE);
        let target = view.edge().saturating_add(ahead).min(view.size());
        if *done >= target || target - *done < POPULATE_STEP && target < view.size() {
            let at_the_end = *done >= view.size();
            bell.wait(if at_the_end { POPULATED_PAUSE } else { POPULATE_PAUSE }, || false);
            continue;
        }
        let length = POPULATE_STEP.min(view.size() - *done);
        if view.populate(*done, length).is_err() {
            return;
        }
        *done += length;
    }
}
