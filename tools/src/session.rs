//! One life of an engine over a journal: recover, replay, apply the configuration, run, close.

use crate::config::{Acknowledge, Config, Pin};
use crate::exit::BadConfig;
use crate::setup::{Applied, Names, Plan, plan};
use crate::sink::{Counts, JournalSink};
use crate::stop::fail_stop;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickwerk_domain::{Record, Sequence, SourceId};
use tickwerk_engine::pipeline::{Finished, Lane, Pipeline, PipelineConfig, Running, StartError};
use tickwerk_engine::replay::Replay;
use tickwerk_engine::{Core, Decider};
use tickwerk_journal::{
    Closed, Journal, JournalConfig, OnFailure, Recovered, SyncPolicy, TornTail, Watermarks, recover,
};

/// A journal that was recovered, and the core that its frames lead to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) core: Core,
    pub(crate) names: Names,
    pub(crate) plan: Plan,
    /// What a person should know: a torn tail that was cut, files that were rebuilt.
    pub(crate) warnings: Vec<String>,
    /// Frames that were replayed.
    pub(crate) replayed: u64,
    journal: Journal,
}

/// An engine that runs.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) running: Running<Core, JournalSink>,
    pub(crate) watermarks: Watermarks,
    pub(crate) counts: Arc<Counts>,
    pub(crate) dir: PathBuf,
    pub(crate) started: Instant,
}

/// What an engine left behind.
pub(crate) type Ended = Finished<Core, Closed>;

/// Recovers the journal of `config` and replays it; every decision must come out as it was journaled.
pub(crate) fn open(config: &Config) -> Result<Opened> {
    let recovered = recover(journal_config(config))?;
    let mut warnings: Vec<String> = recovered.notes().iter().map(ToString::to_string).collect();
    warnings.extend(recovered.torn().map(torn_text));
    let mut applied = Applied::default();
    let core = replay(&recovered, &mut |record| applied.observe(record))?;
    let plan = plan(config, &applied).context(BadConfig)?;
    if !plan.commands.is_empty() {
        // On a core of its own, as what was tried cannot be taken back.
        plan.try_out(replay(&recovered, &mut |_| {})?).context(BadConfig)?;
    }
    let (names, replayed) = (plan.names.clone(), core.frames());
    Ok(Opened { core, names, plan, warnings, replayed, journal: recovered.open()? })
}

/// The core that the frames of a journal lead to; `observe` sees each record.
fn replay(recovered: &Recovered, observe: &mut dyn FnMut(&Record)) -> Result<Core> {
    let mut replay = Replay::new();
    let mut reader = recovered.frames()?;
    while let Some(frame) = reader.next()? {
        replay.apply(frame.records).context("the journal does not re-execute")?;
        frame.records.iter().for_each(&mut *observe);
    }
    Ok(replay.into_core())
}

fn torn_text(torn: &TornTail) -> String {
    let copies: Vec<String> = torn.copies.iter().map(|copy| copy.display().to_string()).collect();
    format!(
        "the tail of the journal was torn and cut: {} bytes at segment {} offset {} ({}); copied to {}",
        torn.bytes,
        torn.segment,
        torn.offset,
        torn.reason,
        copies.join(", ")
    )
}

impl Opened {
    /// Where a source resumes.
    pub(crate) fn source_position(&self, source: SourceId) -> u64 {
        self.core.source_position(source)
    }

    /// Waits until the spare segments are there, so that a measured run does not pay for them.
    pub(crate) fn wait_until_prepared(&self) -> Result<()> {
        Ok(self.journal.wait_until_prepared()?)
    }

    /// Starts the threads and applies the configuration; returns when the core has taken all of it.
    pub(crate) fn start(self, config: &Config) -> Result<Session> {
        let Self { core, plan, journal, .. } = self;
        let counts = Arc::new(Counts::default());
        let (watermarks, dir) = (journal.watermarks(), journal.dir().to_owned());
        let sink = JournalSink::new(journal.writer, Arc::clone(&counts));
        let started = Instant::now();
        let mut running = Pipeline::start(&pipeline_config(config), core, sink).map_err(not_started)?;
        running.lanes.control.publish_all(&plan.commands)?;
        let gauge = running.stats.lane(Lane::Control);
        while gauge.consumed() < gauge.published() {
            if let Some(reason) = running.threads.failure() {
                anyhow::bail!("the pipeline has failed: {reason}");
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(Session { running, watermarks, counts, dir, started })
    }
}

/// Whether the system or the configuration is at fault.
fn not_started(error: StartError) -> anyhow::Error {
    let is_system = matches!(error, StartError::Spawn { .. });
    let error = anyhow::Error::new(error).context("starting the pipeline");
    if is_system { error } else { error.context(BadConfig) }
}

/// The watermark that releases egress.
pub(crate) fn released_through(watermarks: &Watermarks, acknowledge: Acknowledge) -> Sequence {
    match acknowledge {
        Acknowledge::Written => watermarks.written_through(),
        Acknowledge::Durable => watermarks.durable_through(),
    }
}

/// Pages that are made writable ahead: some ten milliseconds of a busy journal.
const PREFAULT_BYTES: usize = 512 << 10;

fn journal_config(config: &Config) -> JournalConfig {
    let settings = &config.journal;
    let sync = match settings.sync_interval_ms {
        0 => SyncPolicy::Continuous,
        interval => SyncPolicy::Every(Duration::from_millis(interval)),
    };
    JournalConfig {
        segment_size: settings.segment_size_bytes,
        sync,
        io: settings.io,
        // Where syncs are rare it pays to make pages writable ahead.
        prefault_bytes: match settings.acknowledge {
            Acknowledge::Written => PREFAULT_BYTES,
            Acknowledge::Durable => 0,
        },
        on_failure: Some(OnFailure(Arc::new(|failure| fail_stop(&failure.to_string())))),
        ..JournalConfig::new(&settings.dir)
    }
}

fn pipeline_config(config: &Config) -> PipelineConfig {
    let settings = &config.engine;
    let default = PipelineConfig::for_this_machine(settings.mode);
    let pin = |asked: Pin, auto: Option<usize>| match asked {
        Pin::Auto => auto,
        Pin::None => None,
        Pin::Core(index) => Some(index),
    };
    let mut pipeline = PipelineConfig {
        lane_capacities: [
            settings.ring.control,
            settings.ring.reports,
            settings.ring.orders,
            settings.ring.market,
        ],
        outcome_capacity: settings.ring.outcome,
        batch_max: settings.batch,
        source_wait: settings.wait.source.unwrap_or(default.source_wait),
        fail_stop,
        ..default
    };
    pipeline.core.pin = pin(settings.pin.core, default.core.pin);
    pipeline.core.wait = settings.wait.core.unwrap_or(default.core.wait);
    pipeline.journal.pin = pin(settings.pin.journal, default.journal.pin);
    pipeline.journal.wait = settings.wait.journal.unwrap_or(default.journal.wait);
    (pipeline.egress.capacity, pipeline.egress.reserve) = (settings.egress_max, settings.egress_reserve);
    pipeline
}

/// What `run` chose, in a line.
pub(crate) fn choices(config: &Config, session: &Session) -> String {
    let pipeline = pipeline_config(config);
    format!(
        "{} cores; core thread: {}, {}; journal thread: {}, {}; {} mode; acknowledged when {}",
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        pipeline.core.wait,
        session.running.core_pin,
        pipeline.journal.wait,
        session.running.journal_pin,
        config.engine.mode,
        config.journal.acknowledge.word(),
    )
}

/// The last sequence that a core has decided.
pub(crate) fn last_sequence(core: &Core) -> Sequence {
    core.last().sequence
}
