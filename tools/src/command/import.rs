//! `tickwerk import`: history of another system becomes a journal of its own.
//!
//! All rows are read and looked at before anything is written: an import that would be refused leaves nothing behind. One
//! that was killed goes on when it is called again in the same way.

mod report_file;

use super::{print, tell};
use crate::exit;
use crate::import::history::{Folded, History};
use crate::import::report::{Outcome, Report};
use crate::import::target::{self, Target};
use crate::import::{mark, postgres};
use crate::stop::Stop;
use anyhow::Result;
use report_file::ReportFile;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tickwerk_domain::TimeNs;
use tickwerk_import::{Mapping, Plan, Refusals, Rows, RowsError, Source, open_file};

/// Between two words on progress.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// TOML file that says which sources there are and what their columns mean.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Directory of the journal to write: new, empty, or of the same import that was broken off.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    to: Option<PathBuf>,
    /// Read and look at everything, list all that would be refused, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write the report to this file too, as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// An import that was told to stop.
#[derive(Debug, thiserror::Error)]
#[error("the import was told to stop; what is written stays, and the same command goes on behind it")]
struct Stopped;

pub(crate) fn run(options: &Options) -> Result<u8> {
    let mapping = Mapping::load(&options.mapping)?;
    let to = options.to.as_deref();
    let report = options.report.as_deref().map(|path| ReportFile::probed(path, to)).transpose()?;
    let to = to.filter(|_| !options.dry_run);
    let report = report.as_ref();
    let stop = Stop::on_signals()?;
    let borne = if options.dry_run { u64::MAX } else { mapping.max_refused };
    tell("reading the sources");
    let plan = Plan::make(&mapping, Refusals::new(borne), &mut |source| open(source, &stop));
    if stop.is_told() {
        return Err(Stopped.into());
    }
    let plan = plan?;
    if !plan.refusals.is_borne() {
        return finish(options, report, &mapping, &plan, None, Outcome::Refused);
    }
    let beginning = mark::beginning(&mapping, &plan.counts);
    let text = beginning.to_string();
    if let Some(dir) = to {
        target::check(dir, &beginning, report.and_then(ReportFile::name_in_target))?;
    }
    tell("looking at the rows in the order of time");
    let history = || History::new(&plan, mapping.sources.iter().map(|source| source.name.as_str()).collect());
    let mut progress = Progress::new(&stop);
    let checked =
        history().fold(&text, TimeNs::UNKNOWN, options.dry_run, &mut |_| progress.go_on("rows looked at"))?;
    let Some(dir) = to else {
        return finish(options, report, &mapping, &plan, Some(&checked), Outcome::Checked);
    };
    if !checked.refusals.is_borne() {
        return finish(options, report, &mapping, &plan, Some(&checked), Outcome::Refused);
    }
    let mut target = Target::open(dir, mapping.segment_size)?;
    if target.found() > 0 {
        tell(&format!("going on behind {} records that are there already", target.found()));
    }
    let mut progress = Progress::new(&stop);
    let folded = history().fold(&text, checked.first, false, &mut |frame| {
        progress.go_on("frames written")?;
        target.take(frame)
    })?;
    let written = target.close()?;
    finish(options, report, &mapping, &plan, Some(&folded), Outcome::Imported(written))
}

fn open(source: &Source, stop: &Stop) -> Result<Box<dyn Rows>, RowsError> {
    tell(&format!("reading {}", source.name));
    let rows = match open_file(source)? {
        Some(rows) => rows,
        None => Box::new(postgres::open(source)?),
    };
    Ok(Box::new(Stoppable { rows, stop: stop.clone(), source_name: source.name.clone(), row: 0 }))
}

/// Rows that end when the process is told to.
struct Stoppable {
    rows: Box<dyn Rows>,
    stop: Stop,
    source_name: String,
    row: u64,
}

impl Rows for Stoppable {
    fn next(&mut self, row: &mut tickwerk_import::Row) -> Result<bool, RowsError> {
        self.row += 1;
        if self.stop.is_told() {
            let (source_name, reason) = (self.source_name.clone(), Stopped.to_string());
            return Err(RowsError::Read { source_name, row: self.row - 1, reason });
        }
        self.rows.next(row)
    }
}

/// A word from time to time.
struct Progress<'a> {
    stop: &'a Stop,
    done: u64,
    told: Instant,
}

impl<'a> Progress<'a> {
    /// Steps between two looks at the clock.
    const STEPS: u64 = 4_096;

    fn new(stop: &'a Stop) -> Self {
        Self { stop, done: 0, told: Instant::now() }
    }

    fn go_on(&mut self, what: &str) -> Result<()> {
        self.done += 1;
        if self.done.is_multiple_of(Self::STEPS) {
            if self.stop.is_told() {
                return Err(Stopped.into());
            }
            if self.told.elapsed() >= TELL_EVERY {
                self.told = Instant::now();
                tell(&format!("{} {what}", self.done));
            }
        }
        Ok(())
    }
}

fn finish(
    options: &Options,
    report_file: Option<&ReportFile<'_>>,
    mapping: &Mapping,
    plan: &Plan<'_>,
    folded: Option<&Folded>,
    outcome: Outcome,
) -> Result<u8> {
    let refusals = folded.map_or(&plan.refusals, |folded| &folded.refusals);
    let report = Report { mapping, plan, folded, refusals, outcome, dir: options.to.as_deref() };
    let json = report.to_json();
    if let Some(file) = report_file {
        file.write(&format!("{json:#}\n"))?;
    }
    print(&if options.json { json.to_string() } else { report.to_text() })?;
    Ok(if report.is_good() { exit::OK } else { exit::FAILED })
}
