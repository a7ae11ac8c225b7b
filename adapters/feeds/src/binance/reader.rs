//! Hands out the records of a capture, line by line.
//!
//! Invariants: source sequences rise strictly, stamps never fall, and both depend on the file alone. After an error
//! there is nothing more.

use super::config::{CaptureConfig, OnMalformed};
use super::depth::{DepthSync, DiffStep, Gap, Resync, SnapshotStep, WAITING_LEVELS_MAX};
use super::error::{CaptureError, LineFault};
use super::lines::{LINE_SIZE_MAX, Lines};
use super::message::{Message, decode};
use std::collections::VecDeque;
use std::path::Path;
use tickwerk_domain::command::{MarketGapObserved, TradeObserved};
use tickwerk_domain::{
    BookDelta, Command, Envelope, LEVELS_PER_DELTA_MAX, Level, Payload, Record, Side, StaleReason, TimeNs,
};

/// Source sequences that belong to one line.
pub const PARTS_PER_LINE: u64 = 1 << 16;
/// Malformed lines that the report keeps in words.
const MALFORMED_KEPT: usize = 5;
/// Bytes of a message that are shown where a line cannot be read.
const SHOWN_SIZE: usize = 40;

/// The shortest level is `["1","0"],`; a line and all diffs that wait fit the parts of one line, with a gap after them.
const LEVELS_PER_LINE_MAX: usize = LINE_SIZE_MAX / 10 + WAITING_LEVELS_MAX;
const _: () = assert!(((LEVELS_PER_LINE_MAX / LEVELS_PER_DELTA_MAX + 2) as u64) < PARTS_PER_LINE);

/// What a reader has met so far, with the lines before `resume_after`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaptureReport {
    /// Lines read.
    pub lines: u64,
    /// Quotes.
    pub quotes: u64,
    /// Trades.
    pub trades: u64,
    /// Trades left out because no order book saw them (insurance fund, auto-deleveraging).
    pub off_book_trades: u64,
    /// Trade ids that were jumped over between two trades, off-book ones counted as seen.
    pub trade_ids_missing: u64,
    /// Diffs applied to a whole book or to the snapshot that they waited for.
    pub depth_updates: u64,
    /// Diffs that the snapshot already held.
    pub depth_old: u64,
    /// Snapshots used.
    pub snapshots: u64,
    /// Snapshots not used: the book was whole and newer, or they were too old for the diffs that waited.
    pub snapshots_unused: u64,
    /// Times that the book was lost.
    pub gaps: u64,
    /// Events of other kinds and blank lines.
    pub ignored: u64,
    /// Lines that could not be understood.
    pub malformed: u64,
    /// The first of them, with line number and fault.
    pub malformed_first: Vec<String>,
}

/// An iterator over the records of one capture.
pub struct CaptureReader {
    lines: Lines,
    config: CaptureConfig,
    sync: DepthSync,
    pending: VecDeque<Record>,
    /// Stamp and source sequence of the next part.
    stamp: TimeNs,
    next_part: u64,
    trade_id: Option<u64>,
    report: CaptureReport,
    ended: bool,
}

impl std::fmt::Debug for CaptureReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CaptureReader")
            .field("path", &self.lines.path())
            .field("config", &self.config)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Iterator for CaptureReader {
    type Item = Result<Record, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.pending.pop_front() {
                return Some(Ok(record));
            }
            if self.ended {
                return None;
            }
            match self.read_line() {
                Ok(more) => self.ended = !more,
                Err(error) => {
                    self.ended = true;
                    self.pending.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl CaptureReader {
    /// Opens the capture at `path`.
    pub fn open(path: impl AsRef<Path>, config: CaptureConfig) -> Result<Self, CaptureError> {
        Ok(Self {
            lines: Lines::open(path.as_ref())?,
            sync: DepthSync::new(config.market),
            config,
            pending: VecDeque::new(),
            stamp: TimeNs::UNKNOWN,
            next_part: 0,
            trade_id: None,
            report: CaptureReport::default(),
            ended: false,
        })
    }

    /// What was met so far.
    pub fn report(&self) -> &CaptureReport {
        &self.report
    }

    /// Reads one line and queues its records; `false` at the end of the file.
    fn read_line(&mut self) -> Result<bool, CaptureError> {
        let Some(line) = self.lines.next_line()? else {
            return Ok(false);
        };
        let number = line.number;
        self.report.lines = number;
        self.next_part = number * PARTS_PER_LINE;
        if line.bytes.is_empty() {
            self.report.ignored += 1;
            return Ok(true);
        }
        let decoded = if line.too_long {
            Err(LineFault::TooLong { limit: LINE_SIZE_MAX })
        } else {
            split_time(line.bytes)
                .and_then(|(time, json)| decode(json, &self.config).map(|message| (time, message)))
        };
        match decoded {
            Ok((time, message)) => {
                self.stamp = self.stamp.max(time);
                self.accept(message);
                Ok(true)
            }
            Err(fault) => {
                let may_be_depth = is_own_depth(line.bytes, &fault);
                self.refuse_or_skip(number, fault, may_be_depth).map(|()| true)
            }
        }
    }

    fn refuse_or_skip(
        &mut self,
        line: u64,
        fault: LineFault,
        may_be_depth: bool,
    ) -> Result<(), CaptureError> {
        self.report.malformed += 1;
        if self.report.malformed_first.len() < MALFORMED_KEPT {
            self.report.malformed_first.push(format!("line {line}: {fault}"));
        }
        match self.config.on_malformed {
            OnMalformed::Refuse => {
                Err(CaptureError::Line { path: self.lines.path().to_owned(), line, fault })
            }
            OnMalformed::Skip => {
                // The next diff would not link either; telling it now keeps the time of a wrong book at zero.
                if let Some(gap) = may_be_depth.then(|| self.sync.lose()).flatten() {
                    self.emit_gap(gap, StaleReason::Malformed);
                }
                Ok(())
            }
        }
    }

    fn accept(&mut self, message: Message) {
        match message {
            Message::Quote(quote, time) => {
                self.report.quotes += 1;
                self.emit(quote.into(), time);
            }
            Message::Trade(trade, time) => self.accept_trade(trade, time),
            Message::OffBookTrade(trade_id) => {
                self.report.off_book_trades += 1;
                self.note_trade_id(trade_id);
            }
            Message::Diff(diff) => match self.sync.diff(diff) {
                DiffStep::Apply(diff) => {
                    self.report.depth_updates += 1;
                    self.emit_levels(diff.last, false, diff.levels, diff.time);
                }
                DiffStep::Gap(gap) => self.emit_gap(gap, StaleReason::Gap),
                DiffStep::Old => self.report.depth_old += 1,
                DiffStep::Waits => {}
            },
            Message::Snapshot(snapshot) => match self.sync.snapshot(snapshot) {
                SnapshotStep::Resync(resync) => self.accept_resync(resync),
                SnapshotStep::NotNeeded | SnapshotStep::TooOld(None) => self.report.snapshots_unused += 1,
                SnapshotStep::TooOld(Some(gap)) => {
                    self.report.snapshots_unused += 1;
                    self.emit_gap(gap, StaleReason::Gap);
                }
            },
            Message::Ignored => self.report.ignored += 1,
        }
    }

    fn accept_trade(&mut self, trade: TradeObserved, time: TimeNs) {
        self.report.trades += 1;
        self.note_trade_id(trade.trade_id);
        self.emit(trade.into(), time);
    }

    fn note_trade_id(&mut self, trade_id: u64) {
        if let Some(before) = self.trade_id {
            self.report.trade_ids_missing += trade_id.saturating_sub(before).saturating_sub(1);
        }
        self.trade_id = Some(trade_id);
    }

    fn accept_resync(&mut self, resync: Resync) {
        self.report.snapshots += 1;
        self.report.depth_updates += resync.diffs;
        self.emit_levels(resync.update_id, true, resync.levels, resync.time);
        if let Some(gap) = resync.gap {
            self.emit_gap(gap, StaleReason::Gap);
        }
    }

    fn emit_levels(&mut self, update_id: u64, snapshot: bool, levels: Vec<(Side, Level)>, time: TimeNs) {
        BookDelta::split(self.config.instrument, update_id, snapshot, levels, |part| {
            self.emit(part.into(), time);
        });
    }

    fn emit_gap(&mut self, gap: Gap, reason: StaleReason) {
        self.report.gaps += 1;
        let Gap { expected, received } = gap;
        let instrument = self.config.instrument;
        self.emit(MarketGapObserved { expected, received, instrument, reason }.into(), TimeNs::UNKNOWN);
    }

    /// Queues the next part of the line, unless it is known already.
    fn emit(&mut self, command: Command, source_time: TimeNs) {
        let source_sequence = self.next_part;
        self.next_part += 1;
        if source_sequence <= self.config.resume_after {
            return;
        }
        let envelope = Envelope {
            time_ns: self.stamp,
            source_time,
            source_sequence,
            source: self.config.source,
            ..Envelope::default()
        };
        self.pending.push_back(Record { envelope, payload: Payload::Command(command) });
    }
}

/// The receive time and the message of a line.
fn split_time(line: &[u8]) -> Result<(TimeNs, &[u8]), LineFault> {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (digits, json) = line.split_at(end);
    let time = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).map(TimeNs);
    match time {
        Some(time) if time != TimeNs::UNKNOWN && !json.is_empty() => Ok((time, json)),
        Some(_) | None => {
            let shown = &line[..end.min(SHOWN_SIZE)];
            Err(LineFault::ReceiveTime { value: String::from_utf8_lossy(shown).into_owned() })
        }
    }
}

/// Whether a line that cannot be understood looks like a depth update of this instrument.
fn is_own_depth(line: &[u8], fault: &LineFault) -> bool {
    const WORD: &[u8] = b"depthUpdate";
    !matches!(fault, LineFault::Symbol { .. }) && line.windows(WORD.len()).any(|window| window == WORD)
}
