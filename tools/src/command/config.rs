//! `tickwerk config`: whether a configuration is good, and every value in force.
//!
//! Both read what `run` would read: defaults < file < `TICKWERK__SECTION__KEY` < `--set`. `check` also makes the
//! commands that `run` would journal on an empty journal, so that what only they can find is found. Neither looks for
//! the files that a configuration names, nor changes anything.

use super::print;
use crate::config::{Config, FeedSettings};
use crate::exit::BadConfig;
use crate::setup::{self, Applied};
use anyhow::{Context, Error, Result};
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Says whether the daemon could use the configuration, and what it would do with it.
    Check(Input),
    /// Prints every value in force, defaults included, as a TOML file that gives the same configuration again.
    Dump(Input),
}

#[derive(Debug, clap::Args)]
struct Input {
    /// TOML file; without one, the defaults and what is set above them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one value above file and environment, such as journal.dir=/var/lib/tickwerk.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

impl Input {
    fn load(&self) -> Result<Config> {
        Ok(Config::load(self.config.as_deref(), super::environment()?, &self.sets)?)
    }
}

pub(crate) fn run(options: &Options) -> Result<u8> {
    match &options.action {
        Action::Check(input) => {
            let config = input.load()?;
            setup::plan(&config, &Applied::default()).context(BadConfig)?;
            let file = input.config.as_ref().map(|file| file.display().to_string());
            print(&format!("ok: {}\n{}", file.as_deref().unwrap_or("defaults"), summary(&config)))?;
        }
        Action::Dump(input) => print(input.load()?.dump().trim_end())?,
    }
    Ok(crate::exit::OK)
}

/// The variables that are text. One of ours that is not is an error, as it would silently not count.
pub(super) fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for (name, value) in variables {
        let lossy = name.to_string_lossy().into_owned();
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => texts.push((name, value)),
            (Ok(_), Err(_)) | (Err(_), _) if !lossy.starts_with("TICKWERK__") => {}
            (Ok(_), Err(_)) | (Err(_), _) => {
                return Err(Error::new(BadConfig).context(format!(
                    "the environment variable {lossy} is not UTF-8; unset it or use --set"
                )));
            }
        }
    }
    Ok(texts)
}

/// What a configuration does, in a few lines.
fn summary(config: &Config) -> String {
    let acknowledge = config.journal.acknowledge.word();
    let strategies = config.strategies.iter().map(|strategy| {
        let off = if strategy.enabled { "" } else { ", off" };
        format!("{} ({} for {}{off})", strategy.name, strategy.instrument, strategy.account)
    });
    let lines = [
        ("journal", format!("{}, acknowledged when {acknowledge}", config.journal.dir.display())),
        ("feed", feed_in_words(&config.feed)),
        ("control", if config.control.enabled { "control.sock in the journal" } else { "none" }.to_owned()),
        ("instruments", names(config.instruments.iter().map(|instrument| instrument.symbol.clone()))),
        ("accounts", names(config.accounts.iter().map(|account| account.name.clone()))),
        ("limits", config.limits.len().to_string()),
        ("strategies", names(strategies)),
    ];
    lines.map(|(name, value)| format!("  {name:<12} {value}")).join("\n")
}

fn feed_in_words(feed: &FeedSettings) -> String {
    match feed {
        FeedSettings::None => "none; serves until it is stopped".to_owned(),
        FeedSettings::BinanceCapture { path, symbol, instrument, .. } => {
            format!("Binance capture {} of {symbol} for {instrument}", path.display())
        }
        FeedSettings::OrderByOrder { format, path, instrument, .. } => {
            format!("orders of {instrument} one by one, {} data in {}", format.word(), path.display())
        }
        FeedSettings::Generator { seed, commands } => format!("generator, {commands} commands, seed {seed}"),
    }
}

fn names(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn a_variable_that_is_not_text_counts_only_if_it_is_ours() {
        let bad = || OsString::from_vec(vec![b'/', 0xff]);
        let pair = |name: &str, value: OsString| (OsString::from(name), value);
        let good = [pair("TICKWERK__JOURNAL__DIR", "x".into()), pair("OTHER", bad()), (bad(), "x".into())];
        let texts = environment(good.into_iter()).expect("nothing of ours is bad");
        assert_eq!(texts, [("TICKWERK__JOURNAL__DIR".to_owned(), "x".to_owned())]);

        let error = environment([pair("TICKWERK__JOURNAL__DIR", bad())].into_iter()).expect_err("it is ours");
        assert_eq!(crate::exit::code_of(&error), crate::exit::CONFIG);
        assert!(format!("{error:#}").contains("TICKWERK__JOURNAL__DIR"), "{error:#}");
    }

    #[test]
    fn the_defaults_alone_are_a_good_configuration_that_is_told() {
        let config = Config::load(None, std::iter::empty(), &[]).expect("the defaults are good");
        setup::plan(&config, &Applied::default()).expect("the defaults can be planned");
        let summary = summary(&config);
        assert!(
            summary.contains("  journal      tickwerk-journal, acknowledged when durable\n"),
            "{summary}"
        );
        assert!(summary.ends_with("  strategies   none"), "{summary}");
    }
}
