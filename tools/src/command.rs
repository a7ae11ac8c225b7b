//! The subcommands: one file each, with its options and a `run` that gives the exit code.

pub(crate) mod bench;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod inspect;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod verify;

use anyhow::{Context, Result};
use std::io::Write;

/// Writes a line to stderr. Nothing can be done about a stderr that is gone.
pub(crate) fn tell(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Writes a line to stdout.
pub(crate) fn print(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing to stdout")
}

/// The environment as text; a variable that is no text names none of our keys.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
}
