//! The subcommands: one file each, with its options and a `run` that gives the exit code.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod book;
mod client;
pub(crate) mod compress;
pub(crate) mod config;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod follow;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod limits;
mod patience;
pub(crate) mod repair;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod retain;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod snapshot;
pub(crate) mod verify;

use anyhow::{Context, Result};
use std::io::{ErrorKind, Write};

/// Writes a line to stderr. Nothing can be done about a stderr that is gone.
pub(crate) fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Writes a line to stdout. A reader that has seen enough is no fault.
pub(crate) fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("writing to stdout"),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The environment as text. A variable of ours that is no text is an error that names it.
pub(crate) fn environment() -> Result<impl Iterator<Item = (String, String)>> {
    Ok(config::environment(std::env::vars_os())?.into_iter())
}
