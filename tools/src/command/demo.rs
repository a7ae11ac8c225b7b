//! `tickwerk demo`: the main job, end to end, with no database, no network and no configuration.

use super::{print, tell};
use crate::config::Config;
use crate::exit;
use crate::feed::{Feed, FeedEnd, Pace};
use crate::session::{self, Session};
use crate::sink::Counts;
use crate::stop::Stop;
use crate::summary::{Levels, Summary};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tickwerk_domain::SourceId;
use tickwerk_engine::pipeline::{Lane, PipelineStats};

/// Options of `demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Market commands to generate
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    commands: u64,
    /// Seed of the market: the same seed gives the same journal
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=9_223_372_036_854_775_807))]
    seed: u64,
    /// Where the journal goes; left out, a new directory among the system's temporary ones. A demo that is started
    /// again over the same directory goes on where the journal ends
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Prints the summary as one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

/// The paced part: latency is measured there, against the intended time of each command.
const PACED_PER_SECOND: u64 = 20_000;
const PACED_MAX: u64 = 40_000;
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);

/// Runs the demo.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let dir = options.dir.clone().unwrap_or_else(new_directory);
    let config = demo_config(options, &dir)?;
    let stop = Stop::on_signals()?;
    let mut opened = session::open(&config)?;
    opened.warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
    let position = opened.source_position(SourceId::FIRST_FEED);
    let mut feed = Feed::open(&config, &opened.names, position)?.context("the demo has a generator")?;
    opened.plan.stamp(feed.first_time());
    opened.wait_until_prepared()?;
    let (session, _) = opened.start(&config)?;
    tell(&format!("tickwerk: {}", session::choices(&config, &session)));
    let Session { running, watermarks, counts, dir, started, .. } = session;

    let left = options.commands.saturating_sub(position);
    let paced = (left / 10).min(PACED_MAX);
    let lanes = running.lanes;
    drop((lanes.control, lanes.reports, lanes.orders, running.egress));
    let mut lane = lanes.market;
    let told = stop.clone();
    let (stats, written) = (Arc::clone(&running.stats), Arc::clone(&counts));
    let reading = std::thread::Builder::new().name("tw-feed".to_owned()).spawn(move || {
        let pace = Pace::LastAt { count: paced, per_second: PACED_PER_SECOND };
        let mut flat_out = None;
        let end = feed.publish(&mut lane, pace, &|| told.is_told(), &mut || {
            // The flat-out part ends when all of it is written, not when it is handed over.
            wait_until_written(&stats);
            flat_out = Some((written.look().commands, Instant::now()));
        });
        match end {
            Ok(FeedEnd::Complete) => lane.finish(),
            Ok(FeedEnd::Stopped) | Err(_) => drop(lane),
        }
        (flat_out, end.map(drop))
    })?;
    watch(&counts, left, &|| reading.is_finished());
    let (flat_out_end, end) = reading.join().map_err(|_| anyhow::anyhow!("the feed thread panicked"))?;
    end.context("generating the market")?;
    let ended = running.threads.join()?;
    let elapsed = started.elapsed();
    let counted = counts.look();
    let flat_out = flat_out_end.map(|(commands, end): (u64, Instant)| (commands, end - started));
    let summary = Summary {
        counted,
        elapsed,
        flat_out,
        ended: &ended,
        dir: &dir,
        book_check: None,
        levels: Levels::of(&config.journal, &watermarks),
        acknowledged: None,
        upkeep: None,
        replicated: None,
    };
    if options.json {
        print(&summary.to_json().to_string())?;
        return Ok(exit::OK);
    }
    print(summary.to_text().trim_end())?;
    let (program, shown) = (std::env::args().next().unwrap_or_else(|| "tickwerk".to_owned()), dir.display());
    print(&format!(
        "\nNext:\n  {program} verify {shown} --reexecute     every decision again, frame by frame\n  \
         {program} replay {shown} --only order,fill --to 20000\n  {program} inspect {shown}"
    ))?;
    Ok(exit::OK)
}

fn demo_config(options: &Options, dir: &std::path::Path) -> Result<Config> {
    let sets = [
        format!("feed.commands={}", options.commands),
        format!("feed.seed={}", options.seed),
        format!("journal.dir={}", dir.display()),
    ];
    Ok(Config::parse(include_str!("demo.toml"), "the demo's own configuration", std::iter::empty(), &sets)?)
}

/// A new directory's name; the time tells one demo from the next.
fn new_directory() -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    std::env::temp_dir().join(format!("tickwerk-demo-{seconds}-{}", std::process::id()))
}

/// Waits until the rings are empty. A pipeline that fails ends the process.
fn wait_until_written(stats: &PipelineStats) {
    for ring in [stats.lane(Lane::Market), stats.outcome()] {
        while ring.consumed() < ring.published() {
            std::thread::yield_now();
        }
    }
}

/// Shows on stderr how far it is.
fn watch(counts: &Arc<Counts>, total: u64, is_finished: &dyn Fn() -> bool) {
    let bar = ProgressBar::new(total);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:32} {human_pos}/{human_len} commands {per_sec} {msg}")
    {
        bar.set_style(style);
    }
    while !is_finished() {
        let counted = counts.look();
        bar.set_position(counted.commands.min(total));
        bar.set_message(format!("{} orders, {} fills", counted.orders, counted.fills));
        std::thread::sleep(PROGRESS_PAUSE);
    }
    bar.finish_and_clear();
}
