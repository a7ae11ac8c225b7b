//! `tickwerk db verify`: proves that the database holds what the journal holds, or names the first difference.

use super::Place;
use crate::command::{print, tell};
use crate::exit;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two words on progress.
const TELL_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
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
    let verified = tickwerk_postgres::verify(&settings, &options.dir, &mut |checked, through| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(&format!("{} rows compared, through {through}", grouped(&checked.to_string())));
        }
    })
    .with_context(|| format!("comparing the database with the journal in {}", options.dir.display()))?;
    let difference = verified.first_difference.as_ref();
    if options.json {
        let outcome = json!({
            "ok": difference.is_none(),
            "checked": verified.checked,
            "first_sequence": verified.first.0,
            "checkpoint": verified.checkpoint.0,
            "chain_head": verified.chain_head.to_string(),
            "first_difference": difference.map(|of| json!({ "sequence": of.sequence.0, "reason": of.reason })),
            "elapsed_s": started.elapsed().as_secs_f64(),
        });
        print(&outcome.to_string())?;
    } else {
        print(&match difference {
            Some(of) => format!("DIFFERENT at sequence {}: {}", of.sequence, of.reason),
            None => format!(
                "ok: {} rows are equal to the journal through {}, chain head {}",
                grouped(&verified.checked.to_string()),
                verified.checkpoint,
                verified.chain_head
            ),
        })?;
    }
    Ok(if difference.is_some() { exit::DIFFERENT } else { exit::OK })
}
