//! `tickwerk inspect`: how a journal lies on the disk, also while a daemon writes.
//!
//! Units: bytes; sequences are inclusive, 0 for none. Frames are scanned and their checksums checked; the hash chain and
//! the records are left to `verify`. Nothing is changed. Known damage is told with everything else.

use super::print;
use crate::exit;
use crate::session::is_snapshot;
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, TableComponent, presets};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tickwerk_journal::{
    FrameBytes, Inspection, JournalId, SegmentState, SnapshotError, SnapshotFile, TornTail, list_snapshots,
    read_snapshot_header,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let found = tickwerk_journal::inspect(&options.dir)
        .with_context(|| format!("inspecting the journal in {}", options.dir.display()))?;
    let layout = Layout::new(&found).with_snapshots(snapshots(&options.dir, found.journal)?);
    if options.json {
        print(&serde_json::to_string(&layout).context("writing the layout as JSON")?)?;
    } else {
        print(&layout.text(&options.dir))?;
    }
    Ok(if layout.damage.is_some() { exit::DIFFERENT } else { exit::OK })
}

/// How the journal lies; the names of its fields are those of the JSON.
#[derive(Serialize, Debug)]
struct Layout {
    journal_id: String,
    live: bool,
    clean: bool,
    first_sequence: u64,
    last_sequence: u64,
    frames: u64,
    bytes: u64,
    size_bytes: u64,
    stored_bytes: u64,
    commands: Size,
    ticks: Size,
    written_through: u64,
    durable_through: u64,
    segments: Vec<Segment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<SnapshotLine>,
    torn: Option<Torn>,
    damage: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize, Debug)]
struct Segment {
    number: u64,
    first_sequence: u64,
    last_sequence: u64,
    /// When it was prepared.
    created_ns: u64,
    frames: u64,
    /// Up to the end of the last frame.
    bytes: u64,
    /// Of the plain file.
    size_bytes: u64,
    /// On the disk.
    stored_bytes: u64,
    compressed: bool,
    state: &'static str,
}

/// A snapshot, as far as its header tells.
#[derive(Serialize, Debug)]
struct SnapshotLine {
    sequence: u64,
    frames: u64,
    digest: String,
    /// When it was written.
    created_ns: u64,
    bytes: u64,
    bad: Option<&'static str>,
}

/// The snapshots in `dir`, newest first.
fn snapshots(dir: &Path, journal: JournalId) -> Result<Vec<SnapshotLine>> {
    let line = |file: SnapshotFile| {
        let bytes = std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
        let (header, bad) = match read_snapshot_header(&file.path) {
            Ok(header) if header.journal == journal => (Some(header), None),
            Ok(_) => (None, Some("the snapshot is of another journal")),
            Err(SnapshotError::Bad(reason)) => (None, Some(reason)),
            Err(SnapshotError::File(error)) => return Err(error.into()),
        };
        Ok(SnapshotLine {
            sequence: file.sequence.0,
            frames: header.map_or(0, |header| header.frames),
            digest: header.map_or_else(String::new, |header| format!("{:016x}", header.digest)),
            created_ns: header.map_or(0, |header| header.created.0),
            bytes,
            bad,
        })
    };
    list_snapshots(dir)?.into_iter().map(line).collect()
}

/// What frames of a kind take on the disk.
#[derive(Serialize, Debug)]
struct Size {
    count: u64,
    /// Of each, as it was written.
    bytes_each: Option<u64>,
    /// Of each in a compressed segment; `None` where none is in one.
    compressed_bytes_each: Option<u64>,
}

impl Size {
    /// `stored` of every `plain` bytes of frames are left in compressed segments.
    fn new(found: FrameBytes, (stored, plain): (u64, u64)) -> Self {
        let bytes_each = (found.bytes + found.frames / 2).checked_div(found.frames);
        let is_any = found.compressed_bytes > 0;
        let compressed =
            bytes_each.filter(|_| is_any).and_then(|each| (each * stored + plain / 2).checked_div(plain));
        Self { count: found.frames, bytes_each, compressed_bytes_each: compressed }
    }

    fn text(&self) -> String {
        let Some(each) = self.bytes_each else {
            return "none".to_owned();
        };
        let compressed =
            self.compressed_bytes_each.map_or_else(String::new, |bytes| format!(", {bytes} B compressed"));
        format!("{each} B each{compressed}, {} of them", grouped(self.count))
    }
}

#[derive(Serialize, Debug)]
struct Torn {
    segment: u64,
    offset: u64,
    bytes: u64,
    reason: &'static str,
}

impl Layout {
    fn new(found: &Inspection) -> Self {
        let segments: Vec<Segment> = found
            .segments
            .iter()
            .map(|segment| Segment {
                number: segment.number,
                first_sequence: segment.first_sequence.0,
                last_sequence: segment.last_sequence.0,
                created_ns: segment.created.0,
                frames: segment.frames,
                bytes: segment.used_bytes,
                size_bytes: segment.size_bytes,
                stored_bytes: segment.stored_bytes,
                compressed: segment.is_compressed,
                state: state_word(segment.state),
            })
            .collect();
        let packed = || segments.iter().filter(|segment| segment.compressed);
        let ratio = (
            packed().map(|segment| segment.stored_bytes).sum(),
            packed().map(|segment| segment.bytes).sum::<u64>(),
        );
        let used = || segments.iter().filter(|segment| segment.frames > 0);
        Self {
            journal_id: found.journal.to_string(),
            live: found.live,
            clean: found.clean,
            first_sequence: used().next().map_or(0, |segment| segment.first_sequence),
            last_sequence: used().next_back().map_or(0, |segment| segment.last_sequence),
            frames: segments.iter().map(|segment| segment.frames).sum(),
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            size_bytes: segments.iter().map(|segment| segment.size_bytes).sum(),
            stored_bytes: segments.iter().map(|segment| segment.stored_bytes).sum(),
            commands: Size::new(found.commands, ratio),
            ticks: Size::new(found.ticks, ratio),
            written_through: found.written_through.0,
            durable_through: found.durable_through.0,
            torn: found.tail.as_ref().map(|tail| {
                let TornTail { segment, offset, bytes, reason, copies: _ } = *tail;
                Torn { segment, offset, bytes, reason }
            }),
            damage: found.damage.clone(),
            snapshots: Vec::new(),
            notes: found
                .notes
                .iter()
                .filter(|note| !is_snapshot(&note.path))
                .map(ToString::to_string)
                .collect(),
            segments,
        }
    }

    fn with_snapshots(self, snapshots: Vec<SnapshotLine>) -> Self {
        Self { snapshots, ..self }
    }

    /// The layout for people, without the end of the last line.
    fn text(&self, dir: &Path) -> String {
        let state = if self.damage.is_some() {
            "DAMAGED"
        } else if self.live {
            "live: a daemon holds it"
        } else if self.torn.is_some() {
            "torn: its last writer was cut off"
        } else if self.clean {
            "clean: its last writer closed it"
        } else {
            "whole, though its last writer did not close it"
        };
        let mut text =
            format!("journal {} in {}\n{state}\n\n{}\n", self.journal_id, dir.display(), self.table());
        let mut line = |name: &str, value: &str| {
            write!(text, "\n{name:<16} {value}").expect("writing to a string cannot fail");
        };
        line("written through", &grouped(self.written_through));
        line("durable through", &grouped(self.durable_through));
        let (bytes, size) = (size_in_words(self.bytes), size_in_words(self.stored_bytes));
        line("used", &format!("{bytes} of frames, {size} on the disk"));
        for snapshot in &self.snapshots {
            let bytes = size_in_words(snapshot.bytes);
            let state = snapshot.bad.map_or_else(
                || format!("digest {}, {} frames", snapshot.digest, grouped(snapshot.frames)),
                |reason| format!("BAD: {reason}"),
            );
            line("snapshot", &format!("at {}, {bytes}: {state}", grouped(snapshot.sequence)));
        }
        line("a command", &self.commands.text());
        line("a tick", &self.ticks.text());
        if let Some(Torn { segment, offset, bytes, reason }) = &self.torn {
            let bytes = size_in_words(*bytes);
            line("torn tail", &format!("{bytes} at segment {segment} offset {offset}: {reason}"));
        }
        if let Some(damage) = &self.damage {
            line("damage", damage);
        }
        for note in &self.notes {
            line("note", note);
        }
        text
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_style(TableComponent::MiddleHeaderIntersections, '─');
        table.set_header(["segment", "state", "first", "last", "frames", "used", "stored"]);
        for segment in &self.segments {
            let sequence = |sequence| if sequence == 0 { "–".to_owned() } else { grouped(sequence) };
            table.add_row([
                segment.number.to_string(),
                if segment.compressed { "compressed" } else { segment.state }.to_owned(),
                sequence(segment.first_sequence),
                sequence(segment.last_sequence),
                grouped(segment.frames),
                size_in_words(segment.bytes),
                size_in_words(segment.stored_bytes),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            let is_text = index == STATE_COLUMN;
            column.set_cell_alignment(if is_text { CellAlignment::Left } else { CellAlignment::Right });
        }
        table.trim_fmt()
    }
}

const STATE_COLUMN: usize = 1;

fn state_word(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Full => "full",
        SegmentState::Active => "active",
        SegmentState::Prepared => "prepared",
        SegmentState::Bad => "bad",
    }
}

/// A number with its thousands apart: 61,234.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size to three or four digits: 12.3 MB.
pub(crate) fn size_in_words(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let Some((unit, size)) = UNITS.iter().find(|(_, size)| *size <= bytes) else {
        return format!("{bytes} B");
    };
    let tenths = bytes / (size / 10);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::{Sequence, TimeNs};
    use tickwerk_journal::SegmentReport;

    fn found() -> Inspection {
        let segment = |number, first, last, frames, state| SegmentReport {
            number,
            first_sequence: Sequence(first),
            last_sequence: Sequence(last),
            created: TimeNs(1),
            frames,
            used_bytes: frames * 1_000,
            size_bytes: 1 << 20,
            stored_bytes: 1 << 20,
            is_compressed: false,
            state,
        };
        Inspection {
            journal: JournalId([0x1f; 16]),
            segments: vec![
                segment(1, 1, 900, 400, SegmentState::Full),
                segment(2, 901, 1_200, 100, SegmentState::Active),
                segment(3, 0, 0, 0, SegmentState::Prepared),
            ],
            commands: FrameBytes { frames: 500, bytes: 500_000, compressed_bytes: 0 },
            ticks: FrameBytes::default(),
            live: false,
            written_through: Sequence(1_200),
            durable_through: Sequence(1_200),
            watermarks: None,
            durable_mark: None,
            clean: true,
            tail: None,
            damage: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_whole_is_the_sum_of_its_segments() {
        let layout = Layout::new(&found());
        assert_eq!((layout.first_sequence, layout.last_sequence, layout.frames), (1, 1_200, 500));
        assert_eq!((layout.bytes, layout.size_bytes), (500_000, 3 << 20));
        let states: Vec<_> = layout.segments.iter().map(|segment| segment.state).collect();
        assert_eq!(states, ["full", "active", "prepared"]);
    }

    #[test]
    fn a_command_and_a_tick_are_measured_plain_and_compressed() {
        let mut found = found();
        found.segments[0].is_compressed = true;
        found.segments[0].stored_bytes = 40_000;
        found.commands.compressed_bytes = 400_000;
        found.ticks = FrameBytes { frames: 10, bytes: 2_000, compressed_bytes: 0 };
        let layout = Layout::new(&found);
        let size = |size: &Size| (size.count, size.bytes_each, size.compressed_bytes_each);
        assert_eq!(size(&layout.commands), (500, Some(1_000), Some(100)));
        assert_eq!(size(&layout.ticks), (10, Some(200), None));
        assert_eq!(layout.stored_bytes, 40_000 + (2 << 20));
        let text = layout.text(Path::new("d"));
        assert!(text.contains("1000 B each, 100 B compressed, 500 of them"), "{text}");
    }

    #[test]
    fn people_see_aligned_numbers_and_the_state() {
        let text = Layout::new(&found()).text(Path::new("d"));
        assert!(text.contains("\nclean: its last writer closed it\n"), "{text}");
        let rows: Vec<&str> =
            text.lines().filter(|line| line.contains("MB") && !line.contains("disk")).collect();
        assert_eq!(rows.len(), 3, "{text}");
        let width = |row: &&str| row.trim_end().chars().count();
        assert!(rows.iter().all(|row| width(row) == width(&rows[0])), "{text}");
    }

    #[test]
    fn numbers_are_shown_for_eyes() {
        let numbers = [0, 7, 999, 1_000, 61_234, 1_234_567, u64::MAX].map(grouped);
        let expected = ["0", "7", "999", "1,000", "61,234", "1,234,567", "18,446,744,073,709,551,615"];
        assert_eq!(numbers, expected);
        let sizes = [0, 999, 1_000, 12_345, 67_108_864, 4_294_967_296].map(size_in_words);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 kB", "67.1 MB", "4.2 GB"]);
    }
}
