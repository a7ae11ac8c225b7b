//! `tickwerk db projections`: read models paused, resumed and rebuilt while replication goes on, and the events that they
//! could not take.

use super::Place;
use crate::command::{print, tell};
use crate::exit;
use crate::stop::Stop;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickwerk_postgres::{
    Outcome, ParkedEvent, Progress, ProjectionStatus, Rebuild, RebuildStatus, check_schema, parked, pause,
    rebuilds, resume, skip, status,
};

/// Between two words on progress.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Shows how each stands, its last rebuild, and what is parked.
    List {
        #[command(flatten)]
        place: Place,
        /// Show parked events that were looked after, too.
        #[arg(long)]
        all: bool,
        /// Print one JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Stops keeping them up; their rows stay as they are.
    Pause {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        place: Place,
    },
    /// Brings paused or failed ones to where replication is, and keeps them up again.
    Resume {
        /// Directory of the journal; a daemon may be writing to it.
        dir: PathBuf,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        place: Place,
    },
    /// Makes them anew from the whole journal, while the old rows serve, and swaps.
    Rebuild(Making),
    /// Offers parked events again: rebuilds those that have any, so that each event comes in its place.
    Retry(Making),
    /// Leaves parked events alone from here on; a rebuild offers them again.
    Skip {
        /// Of which projection.
        name: String,
        /// Sequences of the events; without any, all of them.
        positions: Vec<i64>,
        #[command(flatten)]
        place: Place,
    },
}

/// Which are made anew, and of what.
#[derive(Debug, clap::Args)]
pub(super) struct Making {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Most of them at once.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    parallel: u8,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Which {
    /// Their names, as `tickwerk db projections list` shows them.
    names: Vec<String>,
    /// All that there are.
    #[arg(long, conflicts_with = "names")]
    all: bool,
}

impl Which {
    fn names(&self) -> Vec<String> {
        let all = || tickwerk_postgres::all().iter().map(|of| of.name().to_owned()).collect();
        if self.all { all() } else { self.names.clone() }
    }
}

pub(super) fn run(options: &Options) -> Result<u8> {
    match &options.action {
        Action::List { place, all, json } => list(place, *all, *json),
        Action::Pause { which, place } => {
            let names = which.names();
            let paused = place.with("projections", async |mut client| {
                check_schema(&client).await?;
                pause(&mut client, &names).await
            })?;
            for name in &names {
                let was = if paused.contains(name) { "paused" } else { "was not active" };
                print(&format!("{name} {was}"))?;
            }
            Ok(exit::OK)
        }
        Action::Resume { dir, which, place } => {
            let settings = place.settings()?;
            for name in which.names() {
                let at = resume(&settings, dir, &name, &tell).with_context(|| format!("resuming {name}"))?;
                print(&format!("{name} is kept up from {} on", at.next()))?;
            }
            Ok(exit::OK)
        }
        Action::Rebuild(making) => rebuild(making),
        Action::Retry(making) => {
            let waiting = making.place.with("projections", async |client| {
                check_schema(&client).await?;
                parked(&client, false).await
            })?;
            let mut names = making.which.names();
            names.retain(|name| waiting.iter().any(|event| event.projection == *name));
            if names.is_empty() {
                print("nothing is parked")?;
                return Ok(exit::OK);
            }
            rebuild_these(making, names)
        }
        Action::Skip { name, positions, place } => {
            let skipped = place.with("projections", async |client| {
                check_schema(&client).await?;
                skip(&client, name, positions).await
            })?;
            print(&format!("{skipped} events of {name} are skipped"))?;
            Ok(exit::OK)
        }
    }
}

pub(super) fn rebuild(making: &Making) -> Result<u8> {
    rebuild_these(making, making.which.names())
}

fn rebuild_these(making: &Making, names: Vec<String>) -> Result<u8> {
    let settings = making.place.settings()?;
    let stop = Stop::on_signals()?;
    let flag = stop.flag();
    let started = Instant::now();
    let rebuild = Rebuild {
        settings: &settings,
        dir: making.dir.clone(),
        names,
        parallel: usize::from(making.parallel),
        stop: &flag,
        tell: &tell,
    };
    let told = Mutex::new(started);
    let on_progress = |progress: &Progress| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            let (at, target) = (progress.position.0.to_string(), progress.target.0.to_string());
            tell(&format!("{} is at {} of {}", progress.name, grouped(&at), grouped(&target)));
        }
    };
    let outcomes = rebuild.run(&on_progress)?;
    let elapsed = started.elapsed().as_secs_f64();
    if making.json {
        let shown: Vec<Value> = outcomes.iter().map(outcome_json).collect();
        print(&json!({ "projections": shown, "elapsed_s": elapsed }).to_string())?;
    } else {
        for (name, outcome) in &outcomes {
            if let Ok(done) = outcome {
                let rows = grouped(&done.rows.to_string());
                let rate = grouped(&done.records_per_second().to_string());
                let parked =
                    if done.parked > 0 { format!(", {} events parked", done.parked) } else { String::new() };
                print(&format!(
                    "{name} was rebuilt through {}, {rows} rows written, {rate} records a second{parked}",
                    done.position
                ))?;
            }
        }
    }
    let mut failed = None;
    for (name, outcome) in outcomes {
        if let Err(error) = outcome {
            let error = anyhow::Error::new(error).context(format!("rebuilding {name}"));
            // The first is the cause of the process's end.
            if failed.is_some() {
                tell(&format!("error: {error:#}"));
            } else {
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(exit::OK), Err)
}

fn outcome_json((name, outcome): &Outcome) -> Value {
    match outcome {
        Ok(done) => {
            json!({ "name": name, "ok": true, "position": done.position.0, "rows": done.rows,
            "parked": done.parked, "elapsed_s": done.elapsed.as_secs_f64(), "records_per_second": done.records_per_second() })
        }
        Err(error) => json!({ "name": name, "ok": false, "error": error.to_string() }),
    }
}

fn list(place: &Place, all: bool, as_json: bool) -> Result<u8> {
    let (projections, rebuilds, parked) = place.with("projections", async |client| {
        check_schema(&client).await?;
        let projections = status(&client).await?.projections;
        Ok((projections, rebuilds(&client).await?, parked(&client, all).await?))
    })?;
    if as_json {
        let shown = json!({
            "projections": projections.iter().map(projection_json).collect::<Vec<_>>(),
            "rebuilds": rebuilds.iter().map(rebuild_json).collect::<Vec<_>>(),
            "parked": parked.iter().map(parked_json).collect::<Vec<_>>(),
        });
        print(&shown.to_string())?;
        return Ok(exit::OK);
    }
    for of in &projections {
        let error = of.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        print(&format!("{} {} at {}, {} parked{error}", of.name, of.status, of.position, of.parked))?;
    }
    for of in rebuilds.iter().filter(|of| of.status != "done") {
        let error = of.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        print(&format!("rebuild of {} {} at {} of {}{error}", of.name, of.status, of.position, of.target))?;
    }
    for of in &parked {
        let resolved = of.resolved.as_ref().map_or_else(String::new, |how| format!(" ({how})"));
        print(&format!(
            "parked by {}: {} {}{resolved}: {}",
            of.projection, of.position, of.event_type, of.error
        ))?;
    }
    Ok(exit::OK)
}

fn projection_json(of: &ProjectionStatus) -> Value {
    json!({
        "name": of.name, "version": of.version, "status": of.status, "position": of.position,
        "error": of.error, "parked": of.parked,
    })
}

fn rebuild_json(of: &RebuildStatus) -> Value {
    json!({
        "name": of.name, "status": of.status, "position": of.position, "target": of.target, "rows": of.rows,
        "error": of.error,
    })
}

fn parked_json(of: &ParkedEvent) -> Value {
    json!({
        "projection": of.projection, "position": of.position, "event_type": of.event_type, "error": of.error,
        "resolved": of.resolved,
    })
}
