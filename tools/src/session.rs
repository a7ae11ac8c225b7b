//! One life of an engine over a journal: recover, replay, apply the configuration, run, close.

use crate::config::{Acknowledge, Config, Pin};
use crate::exit::BadConfig;
use crate::import::mark::refuse_imported;
use crate::setup::{Names, Plan, plan};
use crate::sink::{Counts, JournalSink};
use crate::snapshot::{self, State};
use crate::stop::fail_stop;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickwerk_domain::{Sequence, SourceId};
use tickwerk_engine::pipeline::{Finished, Lane, Pipeline, PipelineConfig, Running, StartError};
use tickwerk_engine::replay::Replay;
use tickwerk_engine::{Core, Decider};
use tickwerk_journal::{
    Closed, Journal, JournalConfig, JournalId, OnFailure, Recovered, SyncPolicy, TornTail, Watermarks,
    recover, recover_from,
};

/// A journal that was recovered, and the core that its frames lead to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) core: Core,
    pub(crate) names: Names,
    pub(crate) plan: Plan,
    /// The same state once more, for a follower to go on from.
    pub(crate) twin: State,
    /// What a person should know: a torn tail that was cut, files that were rebuilt, snapshots of no use.
    pub(crate) warnings: Vec<String>,
    /// The snapshot that the replay began behind; 0 for none.
    pub(crate) snapshot: Sequence,
    /// Frames that were replayed.
    pub(crate) replayed: u64,
    journal: Journal,
}

/// A journal whose beginning was let go, with no snapshot that stands for it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal is kept from sequence {first} on, and no snapshot that can be used stands for what came before; put \
     back a snapshot or the segments from a backup"
)]
pub(crate) struct NoBeginning {
    pub(crate) first: Sequence,
}

/// An engine that runs.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) running: Running<Core, JournalSink>,
    pub(crate) watermarks: Watermarks,
    pub(crate) counts: Arc<Counts>,
    pub(crate) dir: PathBuf,
    pub(crate) journal: JournalId,
    pub(crate) started: Instant,
}

/// What an engine left behind.
pub(crate) type Ended = Finished<Core, Closed>;

/// Recovers the journal of `config` and replays it, from the newest snapshot on if there is one; every decision must come
/// out as it was journaled.
pub(crate) fn open(config: &Config) -> Result<Opened> {
    refuse_imported(&config.journal.dir).context(BadConfig)?;
    let mut warnings = Vec::new();
    let restored = snapshot::newest(&config.journal.dir, &mut warnings)?;
    let recovered = match &restored {
        Some(restored) => recover_from(journal_config(config), restored.header.start_point())?,
        None => recover(journal_config(config))?,
    };
    // What is wrong with a snapshot was told above, with the reason why it is not used.
    let notes = recovered.notes().iter().filter(|note| !is_snapshot(&note.path));
    warnings.extend(notes.map(ToString::to_string));
    warnings.extend(recovered.torn().map(torn_text));
    let mut state = State::default();
    let mut snapshot = Sequence::NONE;
    if let Some(restored) = restored {
        (state, snapshot) = (restored.state, restored.header.sequence);
    } else if recovered.first_sequence() > Sequence::FIRST {
        return Err(NoBeginning { first: recovered.first_sequence() }.into());
    }
    let frames = state.core.frames();
    replay(&recovered, &mut state)?;
    let State { core, applied } = state;
    let plan = plan(config, &applied).context(BadConfig)?;
    if !plan.commands.is_empty() {
        // On a core of its own, as what was tried cannot be taken back.
        plan.try_out(twin(&core)?).context(BadConfig)?;
    }
    let (names, replayed) = (plan.names.clone(), core.frames() - frames);
    let twin = State { core: twin(&core)?, applied };
    let journal = recovered.open()?;
    Ok(Opened { core, names, plan, twin, warnings, snapshot, replayed, journal })
}

/// Follows the frames behind the state.
fn replay(recovered: &Recovered, state: &mut State) -> Result<()> {
    let mut reader = recovered.frames_after(state.core.last().sequence)?;
    let mut replay = Replay::resume(std::mem::take(&mut state.core));
    while let Some(frame) = reader.next()? {
        replay.apply(frame.records).context("the journal does not re-execute")?;
        frame.records.iter().for_each(|record| state.applied.observe(record));
    }
    state.core = replay.into_core();
    Ok(())
}

/// The same core once more.
fn twin(core: &Core) -> Result<Core> {
    let twin = Core::restore(&core.save()).context("copying the state")?;
    anyhow::ensure!(twin.digest() == core.digest(), "a copy of the state has another digest");
    Ok(twin)
}

/// Whether a file is a snapshot's.
pub(crate) fn is_snapshot(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "snap")
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
    pub(crate) fn start(self, config: &Config) -> Result<(Session, State)> {
        let Self { core, plan, twin, journal, .. } = self;
        let counts = Arc::new(Counts::default());
        let (watermarks, dir, id) = (journal.watermarks(), journal.dir().to_owned(), journal.id());
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
        Ok((Session { running, watermarks, counts, dir, journal: id, started }, twin))
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
        Acknowledge::Replicated => watermarks.replicated_through(),
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
            Acknowledge::Durable | Acknowledge::Replicated => 0,
        },
        replicator: settings.replicator.clone(),
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
