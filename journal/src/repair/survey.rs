//! What can still be read of a journal that is damaged: every frame that is good by itself, segment by segment.
//!
//! A frame is good by itself when its checksum, which covers the number of its segment, and its inner lengths are right.
//! Nothing is said of its place or its neighbours. Memory: a few words a frame of one segment at a time are kept.

use crate::compressed::Compressed;
use crate::directory::{self, FileError, failed};
use crate::format::{
    self, ACTIVATION_OFFSET, ALIGNMENT, Activation, FRAME_HEADER_SIZE, FRAME_SIZE_MAX, FRAMES_OFFSET,
    FrameHeader, HEADER_COPY_OFFSET, JournalId, PAGE_SIZE, Page, SegmentHeader,
};
use crate::reader::Place;
use crate::segment::{Content, Opened, SegmentFile, fault_of};
use crate::walk::{Step, Walker};
use std::io;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;

const WINDOW_SIZE: usize = 1024 * 1024;

const _: () = assert!(FRAME_SIZE_MAX < WINDOW_SIZE, "a frame fits the window");

/// A frame that is good by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) header: FrameHeader,
    pub(crate) offset: u64,
    pub(crate) length: usize,
}

/// One segment of a damaged journal.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) number: u64,
    /// Where it lies; `None` where it is missing.
    pub(crate) path: Option<PathBuf>,
    pub(crate) is_compressed: bool,
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) activation: Option<Activation>,
    /// In the order of the file, seals among them.
    pub(crate) frames: Vec<Found>,
    /// The first thing that is wrong with it, looked at alone.
    pub(crate) fault: Option<(Place, &'static str)>,
}

impl Survey {
    /// Whether anything was ever written to it, as far as can be told.
    pub(crate) fn is_used(&self) -> bool {
        self.activation.is_some() || !self.frames.is_empty()
    }

    /// The first record that certainly is behind those of the segment before.
    pub(crate) fn first_known(&self) -> Option<Sequence> {
        let activation = self.activation.map(|activation| activation.first_sequence);
        let frame = self.frames.iter().map(|frame| frame.header.first_sequence).min();
        activation.into_iter().chain(frame).min()
    }

    /// The last record that can be read.
    pub(crate) fn last_known(&self) -> Sequence {
        self.frames.iter().map(|frame| frame.header.last_sequence()).max().unwrap_or(Sequence::NONE)
    }
}

/// Looks at segment `number`, whatever is left of it.
pub(crate) fn survey(dir: &Path, journal: JournalId, number: u64) -> Result<Survey, FileError> {
    let path = directory::stored_path(dir, number);
    let mut survey = Survey {
        number,
        path: None,
        is_compressed: false,
        header: None,
        activation: None,
        frames: Vec::new(),
        fault: None,
    };
    let place = |offset: usize| Place { segment: number, offset: offset as u64 };
    let Some(content) = open_any(dir, &path, number)? else {
        let is_there = path.exists();
        survey.path = is_there.then_some(path);
        let reason = if is_there { "the segment cannot be read at all" } else { "the segment is missing" };
        survey.fault = Some((place(0), reason));
        return Ok(survey);
    };
    survey.is_compressed = matches!(content, Content::Compressed(_));
    let page = |offset| read_page(&content, offset).map_err(failed("read", &path));
    for offset in [0, HEADER_COPY_OFFSET] {
        let header = SegmentHeader::from_page(&page(offset)?).ok();
        survey.header =
            survey.header.or(header.filter(|found| found.segment == number && found.journal == journal));
    }
    survey.activation = Activation::from_page(&page(ACTIVATION_OFFSET)?)
        .ok()
        .filter(|found| found.segment == number && found.journal == journal);
    survey.frames = frames(&content, number).map_err(failed("read", &path))?;
    survey.fault = fault_alone(dir, journal, number)?;
    survey.path = Some(path);
    Ok(survey)
}

/// Opens the bytes of a segment even where its header pages are bad.
pub(crate) fn open_any(dir: &Path, path: &Path, number: u64) -> Result<Option<Content>, FileError> {
    let Some(file) = directory::open_for_reading(path)? else {
        return Ok(None);
    };
    if path == directory::segment_path(dir, number) {
        return Ok(Some(Content::Plain(file)));
    }
    match Compressed::open(file, number) {
        Err(error) if fault_of(&error).is_none() => Err(failed("read", path)(error)),
        opened => {
            Ok(opened.ok().and_then(Result::ok).map(|compressed| Content::Compressed(Box::new(compressed))))
        }
    }
}

fn read_page(content: &Content, offset: usize) -> io::Result<Page> {
    let mut page = [0; PAGE_SIZE];
    match content.read_at(&mut page, offset as u64) {
        Err(error) if fault_of(&error).is_none() => Err(error),
        Ok(_) | Err(_) => Ok(page),
    }
}

/// What is wrong with a segment that is looked at without its neighbours.
fn fault_alone(
    dir: &Path,
    journal: JournalId,
    number: u64,
) -> Result<Option<(Place, &'static str)>, FileError> {
    let at_start = |reason| Ok(Some((Place { segment: number, offset: 0 }, reason)));
    let segment = match SegmentFile::open(dir, number)? {
        Opened::Segment(segment) if segment.header.journal == journal => segment,
        Opened::Segment(_) => return at_start("the segment is of another journal"),
        Opened::Missing => return at_start("the segment is missing"),
        Opened::Bad(reason) => return at_start(reason),
    };
    let (walker, mut first) = Walker::start(dir, segment, true)?;
    let mut walker = walker.alone();
    loop {
        let step = match first.take() {
            Some(step) => step,
            None => walker.step()?,
        };
        match step {
            Step::Frame(..) => {}
            Step::End(_) => return Ok(None),
            Step::Bad(place, reason) => return Ok(Some((place, reason))),
        }
    }
}

/// Reads as much as there is, with zeros for the pages that cannot be read: they hold no frame, but what follows may.
fn read_what_is_left(content: &Content, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    match content.read_at(bytes, offset) {
        Err(error) if fault_of(&error).is_some() => {}
        filled => return filled,
    }
    let mut filled = 0;
    for page in bytes.chunks_mut(PAGE_SIZE) {
        let read = match content.read_at(page, offset + filled as u64) {
            Err(error) if fault_of(&error).is_some() => {
                page.fill(0);
                page.len()
            }
            read => read?,
        };
        filled += read;
        if read < page.len() {
            break;
        }
    }
    Ok(filled)
}

/// Every frame that is good by itself, in the order of the file.
fn frames(content: &Content, number: u64) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut window = vec![0; WINDOW_SIZE];
    let mut start = FRAMES_OFFSET as u64;
    loop {
        let filled = read_what_is_left(content, &mut window, start)?;
        let is_last = filled < WINDOW_SIZE;
        let end = if is_last { filled } else { WINDOW_SIZE - FRAME_SIZE_MAX };
        let mut at = 0;
        while at + FRAME_HEADER_SIZE <= filled && at < end {
            let frame = format::plausible_length(&window[at..filled])
                .and_then(|length| window[..filled].get(at..at + length));
            let good = frame.and_then(|frame| {
                let header = format::check_frame(number, frame).ok()?;
                Some(Found { header, offset: start + at as u64, length: frame.len() })
            });
            at += good.map_or(ALIGNMENT, |frame| frame.length);
            found.extend(good);
        }
        if is_last {
            return Ok(found);
        }
        start += at as u64;
    }
}
