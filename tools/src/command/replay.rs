//! `tickwerk replay`: a journal as text or NDJSON, record by record, in its one order.
//!
//! Only what is asked for is shown, but every record from the first one on is read, as names and scales are defined by
//! records. Rules that this build does not have are named and hide nothing, as nothing is decided here. Beside a living writer it goes up to what was written when it started. A torn tail, which nobody was ever
//! told of, ends the listing; damage is an error that names its place, after everything before it was shown.

mod pace;
mod position;

use super::tell;
use crate::exit;

use anyhow::{Context, Result};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pace::{Pace, Speed};
use position::{Position, Range};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use tickwerk_domain::{Family, Record, Sequence};
use tickwerk_engine::replay::unknown_rules;
use tickwerk_engine::rules::RULES;
use tickwerk_journal::{FrameRef, Reader};
use tickwerk_render::{self as render, Dictionary};

/// Usage, as `clap` has it.
const USAGE: u8 = 2;
const BUFFER_SIZE: usize = 1 << 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// First record to show: a sequence (61), or the time of its stamp, in RFC 3339 (2024-08-08T00:00:00.5Z) or in
    /// nanoseconds since 1970 (1723075200500000000ns).
    #[arg(long, value_name = "SEQUENCE|TIME")]
    from: Option<Position>,
    /// Last record to show, written as for --from; it is shown too.
    #[arg(long, value_name = "SEQUENCE|TIME")]
    to: Option<Position>,
    /// Show commands and events of these families only.
    #[arg(long, value_name = "FAMILY,…", value_delimiter = ',', value_parser = family_parser())]
    only: Vec<Family>,
    /// Keep the gaps between records, divided by N (1 is real time, 0.5 half as fast); `max` shows them at once.
    #[arg(long, value_name = "max|N", default_value = "max")]
    speed: Speed,
    /// How a record is shown.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Aligned lines for people, events indented under their command.
    Text,
    /// One JSON object a line.
    Ndjson,
}

/// Takes the word of a family; clap lists them all for a word that is none.
fn family_parser() -> impl TypedValueParser<Value = Family> {
    PossibleValuesParser::new(Family::ALL.iter().map(|family| family.word())).try_map(|word| {
        let known = Family::ALL.iter().copied().find(|family| family.word() == word);
        known.ok_or("not a family of records")
    })
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let range = Range { from: options.from, to: options.to };
    if range.is_reversed() {
        tell("error: --to lies before --from; nothing can lie between them");
        return Ok(USAGE);
    }
    let reader = Reader::open(&options.dir, Sequence::NONE)
        .with_context(|| format!("opening the journal in {}", options.dir.display()))?;
    let mut listing = Listing {
        range,
        only: &options.only,
        format: options.format,
        pace: Pace::new(options.speed),
        dictionary: Dictionary::default(),
        line: String::new(),
        out: BufWriter::with_capacity(BUFFER_SIZE, io::stdout().lock()),
    };
    let listed = listing.list(reader);
    match listing.out.flush().context("writing to stdout").and(listed) {
        // Whoever read it, `head` perhaps, has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(exit::OK),
        done => done.map(|()| exit::OK),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Shows the records of a journal that were asked for.
struct Listing<'a, Out: Write> {
    range: Range,
    /// Empty for all.
    only: &'a [Family],
    format: Format,
    pace: Pace,
    dictionary: Dictionary,
    line: String,
    out: BufWriter<Out>,
}

impl<Out: Write> Listing<'_, Out> {
    fn list(&mut self, mut reader: Reader) -> Result<()> {
        while let Some(frame) = reader.next().context("reading the journal")? {
            if frame.records.first().is_some_and(|command| self.range.is_behind(&command.envelope)) {
                break;
            }
            if let Some(unknown) = unknown_rules(frame.records, RULES) {
                tell(&format!("note: {unknown}; it is shown all the same"));
            }
            self.show_frame(&frame)?;
        }
        Ok(())
    }

    fn show_frame(&mut self, frame: &FrameRef<'_>) -> Result<()> {
        for record in frame.records {
            self.dictionary.watch(record, frame.records);
            if self.is_asked_for(record) {
                self.show(record, frame.header.first_sequence)?;
            }
        }
        Ok(())
    }

    fn is_asked_for(&self, record: &Record) -> bool {
        let family = record.payload.type_id().family();
        !self.range.is_ahead_of(&record.envelope)
            && !self.range.is_behind(&record.envelope)
            && (self.only.is_empty() || family.is_some_and(|family| self.only.contains(&family)))
    }

    fn show(&mut self, record: &Record, command: Sequence) -> Result<()> {
        let wait = self.pace.wait(record.envelope.time_ns);
        if !wait.is_zero() {
            self.out.flush().context("writing to stdout")?;
            std::thread::sleep(wait);
        }
        self.line.clear();
        match self.format {
            Format::Text => render::write_text(record, &self.dictionary, &mut self.line),
            Format::Ndjson => render::write_json(record, command, &self.dictionary, &mut self.line),
        }
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes()).context("writing to stdout")
    }
}
