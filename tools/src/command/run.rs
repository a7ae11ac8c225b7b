//! `tickwerk run`: the daemon.

use super::{print, tell};
use crate::config::Config;
use crate::control::{self, Control, Door, SOCKET};
use crate::exit;
use crate::feed::{self, Feed, FeedEnd, Pace};
use crate::follower::{self, Followed, Follower};
use crate::replication::Replication;
use crate::session::{self, Session};
use crate::setup;
use crate::sink::JournalSink;
use crate::stop::{Stop, fail_stop};
use crate::summary::{Levels, Summary};
use crate::upkeep::Upkeep;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickwerk_domain::command::HealthObserved;
use tickwerk_domain::{Envelope, Mode, Payload, Record, Sequence, SourceId};
use tickwerk_engine::Core;
use tickwerk_engine::pipeline::{Lane, LaneProducer, PipelineStats, PipelineThreads, clock};
use tickwerk_journal::{Space, Watermarks};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The configuration, TOML; see tools/examples
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sets a value over file and environment; may be given more than once
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// Prints the summary as one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

const HEALTH_INTERVAL: Duration = Duration::from_secs(1);
/// Time for room to appear on a full disk once the daemon was told to stop.
const FULL_DISK_GRACE: Duration = Duration::from_secs(5);
const WATCH_PAUSE: Duration = Duration::from_millis(20);
const DRAIN_PAUSE: Duration = Duration::from_millis(1);

/// Runs until the feed ends or a signal comes.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let config = Config::load(Some(&options.config), super::environment()?, &options.sets)?;
    if config.control.enabled {
        control::check_path(&config.journal.dir)?;
    }
    if config.instruments.is_empty() || config.accounts.is_empty() {
        tell("warning: the configuration names no instrument or no account, so nothing can be traded");
    }
    let stop = Stop::on_signals()?;
    let mut opened = session::open(&config)?;
    opened.warnings.iter().for_each(|warning| tell(&format!("warning: {warning}")));
    let names = opened.names.clone();
    let dictionary = setup::dictionary(&names, &opened.core);
    let feed = Feed::open(&config, &names, opened.source_position(SourceId::FIRST_FEED))?;
    if let Some(feed) = &feed {
        opened.plan.stamp(feed.first_time());
    }
    let position = opened.source_position(SourceId::CONTROL);
    let (replayed, applied) = (opened.replayed, opened.plan.commands.len());
    let snapshot = opened.snapshot;
    let (session, twin) = opened.start(&config)?;
    tell(&format!("tickwerk: {}", session::choices(&config, &session)));
    tell(&format!(
        "tickwerk: journal {} with {replayed} frames replayed{}, {applied} commands of the configuration applied",
        session.dir.display(),
        if snapshot > Sequence::NONE { format!(" behind the snapshot at {snapshot}") } else { String::new() }
    ));
    let Session { running, watermarks, counts, dir, journal, started } = session;
    let check = feed::reference(&config, &names)?;
    let follower = Follower::start(follower::Beginning {
        dir: &dir,
        journal,
        watermarks: watermarks.clone(),
        acknowledge: config.journal.acknowledge,
        snapshots: config.snapshot,
        behind: replayed,
        state: twin,
        check,
    })?;

    let upkeep = Upkeep::start(&dir, config.journal.upkeep)?;
    let awaited = config.journal.replicator.as_deref();
    let start = |settings| Replication::start(settings, &dir, &watermarks, awaited);
    let replication = config.postgres.as_ref().map(start);
    let replication = replication.transpose()?;
    let lanes = running.lanes;
    let mut health = Health::new(&config, lanes.control, &running.stats, &watermarks);
    drop(lanes.reports);
    let control = if config.control.enabled {
        let door = Door {
            dir: dir.clone(),
            names,
            dictionary,
            acknowledge: config.journal.acknowledge,
            replicator: config.journal.replicator.clone(),
            postgres: replication.as_ref().map(Replication::figures),
            lane: lanes.orders,
            egress: running.egress,
            admission: running.admission,
            stats: Arc::clone(&running.stats),
            watermarks: watermarks.clone(),
            upkeep: upkeep.counts(),
            queries: follower.queries(),
            position,
            stop: stop.clone(),
        };
        let control = Control::start(door)?;
        tell(&format!("tickwerk: control socket {}", dir.join(SOCKET).display()));
        Some(control)
    } else {
        drop(lanes.orders);
        None
    };

    let fed = match feed {
        Some(feed) => read_feed(feed, lanes.market, &stop, &mut health)?,
        None => {
            drop(lanes.market);
            serve(&stop, &mut health);
            Ok(())
        }
    };
    stop.tell();
    drain(&running.threads, &running.stats, health.into_watch(), &stop);
    let ended = running.threads.join()?;
    let elapsed = started.elapsed();
    let acknowledged = control.map(Control::finish);
    let kept = upkeep.counts();
    upkeep.finish();
    let replicated = replication.map(Replication::finish);
    let Followed { core, book_check } = follower.finish()?;
    follower::compare(&core, &ended.decider)?;
    let summary = Summary {
        counted: counts.look(),
        elapsed,
        flat_out: None,
        ended: &ended,
        dir: &dir,
        book_check,
        levels: Levels::of(&config.journal, &watermarks),
        acknowledged: acknowledged.as_ref(),
        upkeep: Some(&kept),
        replicated: replicated.as_ref(),
    };
    if options.json {
        print(&summary.to_json().to_string())?;
    } else {
        print(summary.to_text().trim_end())?;
    }
    fed?;
    Ok(if kept.findings() > 0 { exit::DIFFERENT } else { exit::OK })
}

/// Waits until everything that was taken in is written; the lanes are closed.
///
/// The disk may fill up only now, as a whole feed may wait in the rings. The end of a feed waits for room like the feed
/// itself; who was told to stop does not: what is not written nobody was told of.
fn drain(
    threads: &PipelineThreads<Core, JournalSink>,
    stats: &PipelineStats,
    mut watch: SpaceWatch,
    stop: &Stop,
) {
    let mut stuck_since = None;
    while !threads.is_finished() && threads.failure().is_none() {
        let is_stuck = watch.look() == Space::Exhausted
            && stop.is_signalled()
            && watch.watermarks.written_through() < stats.decided_through();
        if !is_stuck {
            stuck_since = None;
        } else if stuck_since.get_or_insert_with(Instant::now).elapsed() >= FULL_DISK_GRACE {
            fail_stop("the disk of the journal is full, and what was decided last cannot be written");
        }
        std::thread::sleep(DRAIN_PAUSE);
    }
}

/// Reads the feed on a thread of its own. A fault of the input is told after everything before it was journaled.
fn read_feed(mut feed: Feed, mut lane: LaneProducer, stop: &Stop, health: &mut Health) -> Result<Result<()>> {
    let (told, marks) = (stop.clone(), health.watch.watermarks.clone());
    // On a full disk the file waits, so that what is left is for cancels.
    let is_told = move || {
        while marks.space() != Space::Ample && !told.is_told() {
            std::thread::sleep(WATCH_PAUSE);
        }
        told.is_told()
    };
    let reading = std::thread::Builder::new().name("tw-feed".to_owned()).spawn(move || {
        let end = feed.publish(&mut lane, Pace::FlatOut, &is_told, &mut || {});
        match &end {
            Ok(FeedEnd::Complete) => lane.finish(),
            Ok(FeedEnd::Stopped) | Err(_) => drop(lane),
        }
        (feed, end.map(drop))
    })?;
    while !reading.is_finished() {
        health.look();
        std::thread::sleep(WATCH_PAUSE);
    }
    let (feed, end) = reading.join().map_err(|_| anyhow::anyhow!("the feed thread panicked"))?;
    if let Some(report) = feed.report() {
        tell(&format!(
            "tickwerk: {} lines read: {} depth updates, {} quotes, {} trades, {} gaps, {} malformed",
            report.lines, report.depth_updates, report.quotes, report.trades, report.gaps, report.malformed
        ));
        report.malformed_first.iter().for_each(|fault| tell(&format!("warning: left out: {fault}")));
    }
    if let Some(report) = feed.orders_report() {
        tell(&format!(
            "tickwerk: {} items read in {} updates: {} changes of orders, {} trades, {} of orders never shown",
            report.items, report.updates, report.orders, report.trades, report.unknown
        ));
        if report.sessions > 0 {
            tell(&format!("tickwerk: {} halts of trading and ends of them", report.sessions));
        }
        if report.revealed > 0 {
            tell(&format!(
                "tickwerk: {} items tell the best levels themselves; {} levels behind others were taken from the book file",
                report.determined, report.revealed
            ));
        }
    }
    Ok(end.context("reading the feed"))
}

/// Serves the control socket until a signal comes.
fn serve(stop: &Stop, health: &mut Health) {
    while !stop.is_told() {
        health.look();
        std::thread::sleep(WATCH_PAUSE);
    }
}

/// Tells when the disk is full and when there is room again.
struct SpaceWatch {
    watermarks: Watermarks,
    space: Space,
}

impl SpaceWatch {
    fn look(&mut self) -> Space {
        let space = self.watermarks.space();
        if space != self.space {
            self.space = space;
            tell(match space {
                Space::Ample => "tickwerk: there is room on the disk again; everything is taken",
                Space::Reserve => {
                    "warning: the disk of the journal is full; new orders are refused and feeds wait"
                }
                Space::Exhausted => {
                    "warning: the disk of the journal is full and so is its reserve; nothing is taken"
                }
            });
        }
        space
    }
}

/// Observes the process each second in live mode, so that health has a history like everything else, and watches the
/// room on the disk.
struct Health {
    lane: LaneProducer,
    stats: Arc<PipelineStats>,
    watch: SpaceWatch,
    next: Option<Instant>,
}

impl Health {
    fn new(config: &Config, lane: LaneProducer, stats: &Arc<PipelineStats>, watermarks: &Watermarks) -> Self {
        let next = (config.engine.mode == Mode::Live).then(Instant::now);
        let watch = SpaceWatch { watermarks: watermarks.clone(), space: Space::Ample };
        Self { lane, stats: Arc::clone(stats), watch, next }
    }

    fn look(&mut self) {
        if self.watch.look() != Space::Exhausted {
            self.observe_when_due();
        }
    }

    /// Observes no more, and closes its lane.
    fn into_watch(self) -> SpaceWatch {
        self.watch
    }

    fn observe_when_due(&mut self) {
        let Some(due) = self.next.filter(|due| *due <= Instant::now()) else {
            return;
        };
        self.next = Some(due + HEALTH_INTERVAL);
        // The clock rises from one start to the next, too.
        let source_sequence = clock::unix_now().0;
        let envelope = Envelope { source: SourceId::HEALTH, source_sequence, ..Envelope::default() };
        let observed = Payload::Command(self.observation().into());
        // A full lane is counted; the next second has an observation of its own.
        self.lane.try_publish(&Record { envelope, payload: observed }).ok();
    }

    fn observation(&self) -> HealthObserved {
        let stats = &self.stats;
        let depth = |lane| u32::try_from(stats.lane(lane).depth()).unwrap_or(u32::MAX);
        let watermarks = &self.watch.watermarks;
        let (durable, chained) = (watermarks.durable_through().0, watermarks.chained_through().0);
        // Read last, as it is never behind the others.
        let written = watermarks.written_through().0;
        HealthObserved {
            outcome_depth: u32::try_from(stats.outcome().depth()).unwrap_or(u32::MAX),
            control_depth: depth(Lane::Control),
            report_depth: depth(Lane::Reports),
            order_depth: depth(Lane::Orders),
            market_depth: depth(Lane::Market),
            egress_depth: u32::try_from(stats.egress_in_flight()).unwrap_or(u32::MAX),
            refusals: stats.refusals(),
            written_lag: stats.decided_through().0.saturating_sub(written),
            durable_lag: written.saturating_sub(durable),
            memory_bytes: resident_bytes(),
            chained_lag: written.saturating_sub(chained),
        }
    }
}

/// Resident memory of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_BYTES
}
