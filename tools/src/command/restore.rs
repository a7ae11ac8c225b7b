//! `tickwerk restore`: makes a journal of a copy, in a directory that is not there yet.

use super::inspect::grouped;
use super::print;
use crate::exit;
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use tickwerk_journal::restore;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A copy, or the folder of copies: then its newest.
    copy: PathBuf,
    /// Where the journal shall lie; must not be there, or be empty.
    dir: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    let done = restore(&options.copy, &options.dir)
        .with_context(|| format!("restoring {}", options.copy.display()))?;
    let (copy, dir) = (done.copy.display().to_string(), options.dir.display().to_string());
    if options.json {
        let report = json!({
            "copy": copy,
            "dir": dir,
            "journal_id": done.journal.to_string(),
            "through": done.through.0,
            "chain_head": done.chain_head.head.to_string(),
        });
        print(&report.to_string())?;
    } else {
        let through = grouped(done.through.0);
        print(&format!(
            "restored {copy} to {dir}\nthrough {through}, head {}; what was journaled after that copy is not there",
            done.chain_head.head
        ))?;
    }
    Ok(exit::OK)
}
