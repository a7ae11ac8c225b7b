//! `tickwerk backup`: copies a journal, living or not, and lets old copies go.
//!
//! Nothing happens to older copies unless the new one was proven against the source. A damaged source ends with 3.

use super::inspect::{grouped, size_in_words};
use super::patience::patiently;
use super::print;
use crate::exit;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use tickwerk_journal::{BackupReport, Rotation, backup};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Directory of the journal; a daemon may be writing to it.
    dir: PathBuf,
    /// Folder of the copies; created if it is not there. Each copy is a directory named by its time, in UTC.
    to: PathBuf,
    /// Keep the newest copy of each of so many hours.
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// Keep the newest copy of each of so many days.
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// Keep every copy that is younger than so many days. Without any of these, all copies stay; the newest always does.
    #[arg(long, value_name = "N")]
    keep_days: Option<u32>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let rotation =
        Rotation { hourly: options.keep_hourly, daily: options.keep_daily, days: options.keep_days };
    let made = patiently(|| backup(&options.dir, &options.to, rotation))
        .with_context(|| format!("copying the journal in {}", options.dir.display()))?;
    if options.json {
        print(&to_json(&made).to_string())?;
    } else {
        print(&to_text(&made))?;
    }
    Ok(exit::OK)
}

fn to_json(made: &BackupReport) -> serde_json::Value {
    let removed: Vec<String> = made.removed.iter().map(|path| path.display().to_string()).collect();
    json!({
        "copy": made.copy.display().to_string(),
        "unchanged": made.is_unchanged,
        "journal_id": made.journal.to_string(),
        "through": made.through.0,
        "chain_head": made.chain_head.head.to_string(),
        "copied_segments": made.copied_segments,
        "copied_bytes": made.copied_bytes,
        "linked_segments": made.linked_segments,
        "linked_bytes": made.linked_bytes,
        "removed": removed,
        "notes": made.notes,
    })
}

fn to_text(made: &BackupReport) -> String {
    let mut lines = vec![format!(
        "{} {}",
        if made.is_unchanged { "nothing new; proven again:" } else { "copied to" },
        made.copy.display()
    )];
    lines.push(format!("through {}, head {}", grouped(made.through.0), made.chain_head.head));
    if !made.is_unchanged {
        lines.push(format!(
            "{} segments copied ({}), {} shared with the copy before ({})",
            made.copied_segments,
            size_in_words(made.copied_bytes),
            made.linked_segments,
            size_in_words(made.linked_bytes)
        ));
    }
    lines.extend(made.removed.iter().map(|path| format!("removed {}", path.display())));
    lines.extend(made.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}
