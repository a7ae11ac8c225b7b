//! `tickwerk db verify`: proves that the database holds what the journal holds, and that read models are what a fresh fold
//! gives, or names the first difference.

use super::Place;
use crate::command::{print, tell};
use crate::exit;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tickwerk_postgres::{Difference, ModelVerified, Verified, VerifyProgress};

/// Between two words on progress.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// Compare events alone, and no read models.
    #[arg(long)]
    events_only: bool,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let settings = options.place.settings()?;
    let started = Instant::now();
    let mut told = started;
    let mut on_progress = |progress: &VerifyProgress| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let count = grouped(&progress.count.to_string());
            tell(&format!("{count} {}, through {}", progress.what, progress.through));
        }
    };
    let with_models = !options.events_only;
    let verified = tickwerk_postgres::verify(&settings, &options.dir, with_models, &mut on_progress, &tell);
    let verified = verified
        .with_context(|| format!("comparing the database with the journal in {}", options.dir.display()))?;
    if options.json {
        let mut outcome = to_json(&verified);
        outcome["elapsed_s"] = started.elapsed().as_secs_f64().into();
        print(&outcome.to_string())?;
    } else {
        print(&to_text(&verified))?;
    }
    Ok(if verified.first_difference.is_some() { exit::DIFFERENT } else { exit::OK })
}

fn to_json(verified: &Verified) -> Value {
    let projection = |of: &ModelVerified| {
        json!({
            "name": of.name, "checked": of.unchecked.is_none(), "through": of.through.0, "rows": of.rows,
            "reason": of.unchecked,
        })
    };
    json!({
        "ok": verified.first_difference.is_none(),
        "checked": verified.checked,
        "dropped": verified.dropped,
        "first_sequence": verified.first.0,
        "checkpoint": verified.checkpoint.0,
        "chain_head": verified.chain_head.to_string(),
        "projections": verified.models.iter().map(projection).collect::<Vec<_>>(),
        "first_difference": verified.first_difference.as_ref().map(difference),
    })
}

fn difference(of: &Difference) -> Value {
    let mut shown = json!({ "sequence": of.sequence.0, "reason": of.reason });
    if let Some(model) = &of.model {
        shown["projection"] = json!(model.projection);
        shown["table"] = json!(model.table);
        shown["key"] = serde_json::from_str(&model.key).unwrap_or_else(|_| json!(model.key));
        shown["column"] = json!(model.column);
        shown["expected"] = json!(model.expected);
        shown["found"] = json!(model.found);
    }
    shown
}

fn to_text(verified: &Verified) -> String {
    if let Some(of) = &verified.first_difference {
        return format!("DIFFERENT at sequence {}: {}", of.sequence, of.reason);
    }
    let mut lines = vec![format!(
        "ok: {} rows are equal to the journal through {}, chain head {}",
        grouped(&verified.checked.to_string()),
        verified.checkpoint,
        verified.chain_head
    )];
    if verified.first.0 > 1 {
        lines.push(format!(
            "what lies before {} is no longer in the journal and was not compared",
            verified.first
        ));
    }
    if verified.dropped > 0 {
        let rows = grouped(&verified.dropped.to_string());
        lines.push(format!(
            "{rows} rows lay in partitions that were dropped by command and were not compared"
        ));
    }
    let (checked, unchecked): (Vec<_>, Vec<_>) =
        verified.models.iter().partition(|of| of.unchecked.is_none());
    if !checked.is_empty() {
        let rows: u64 = checked.iter().map(|of| of.rows).sum();
        let (count, rows) = (checked.len(), grouped(&rows.to_string()));
        lines.push(format!("ok: {count} projections with {rows} rows are equal to a fresh fold"));
    }
    for of in unchecked {
        lines.push(format!(
            "projection {} was not compared: {}",
            of.name,
            of.unchecked.clone().unwrap_or_default()
        ));
    }
    lines.join("\n")
}
