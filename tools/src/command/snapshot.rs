//! `tickwerk snapshot`: takes one snapshot, by the daemon if one runs, else here.
//!
//! Without a daemon the journal is followed to its end, which must be known to be durable: a snapshot is a witness of
//! what cannot be lost.

use super::client::ask;
use super::follow::{Beside, begin};
use super::{inspect::grouped, print};
use crate::exit;
use crate::follower::Schedule;
use crate::import::mark::refuse_imported;
use crate::snapshot::{self, Setting, Written};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Options of `snapshot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tickwerk snapshot tickwerk-journal
  tickwerk snapshot tickwerk-journal --keep 3 --json")]
pub(crate) struct Options {
    /// Directory of the journal
    dir: PathBuf,
    /// Snapshots that stay, where no daemon runs; a daemon has its own number
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=100))]
    keep: u8,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    refuse_imported(&options.dir)?;
    let told = if tickwerk_journal::is_live(&options.dir)? {
        of_daemon(&options.dir)?
    } else {
        take_here(&options.dir, usize::from(options.keep))?
    };
    if options.json {
        print(&told.to_string())?;
    } else {
        let number = |field: &str| grouped(told[field].as_u64().unwrap_or(0));
        let path = told["path"].as_str().unwrap_or_default();
        print(&format!("snapshot at {} written: {} bytes, {path}", number("sequence"), number("bytes")))?;
    }
    Ok(exit::OK)
}

fn of_daemon(dir: &Path) -> Result<Value> {
    let reply = ask(dir, &json!({ "op": "snapshot" }))?;
    if reply["ok"] != Value::Bool(true) {
        bail!(
            "the daemon took no snapshot: {}",
            reply["error"]["message"].as_str().unwrap_or("no reason told")
        );
    }
    Ok(reply["result"].clone())
}

fn take_here(dir: &Path, keep: usize) -> Result<Value> {
    let mut beside = Beside { following: begin(dir, Schedule::never())?, dir, lives: false };
    beside.catch_up()?;
    let at = beside.following.at();
    let known = tickwerk_journal::inspect(dir).context("inspecting the journal")?.durable_through;
    ensure!(at.0 > 0, "the journal is empty; there is nothing to take a snapshot of");
    ensure!(
        at <= known,
        "the journal was not closed: {known} is durable of {at}; start the daemon, which recovers it, and ask again"
    );
    let journal = beside.following.journal_id();
    let (durable, told) = (Box::new(move || known), Box::new(|_: Written<'_>| {}));
    let setting = Setting { dir: dir.to_owned(), journal, keep, durable, told };
    let taken = snapshot::write(&setting, &beside.following.image()).context("no snapshot was written")?;
    Ok(taken.to_json())
}
