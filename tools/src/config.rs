//! The configuration of `run`: defaults < file < `TICKWERK__SECTION__KEY` < `--set section.key=value`.
//!
//! What comes out is checked whole: known keys, types, ranges, and every name that one part uses of another. Decimals
//! are text in the file and exact mantissas here. Relative paths are relative to the current directory.
//! Errors: [`ConfigError`] names the key, the value, where it came from and what to write instead. Whether a file that
//! is named here exists is not checked; the part that opens it says so.

mod error;
mod instruments;
mod lists;
mod overrides;
mod postgres;
mod section;
mod settings;
mod simulation;
mod snapshots;
#[cfg(test)]
mod tests;
mod trading;
mod venues;

pub(crate) use error::ConfigError;
pub(crate) use instruments::{CurrencySettings, InstrumentSettings};
pub(crate) use settings::{Acknowledge, ControlSettings, EngineSettings, FeedSettings, JournalSettings, Pin};
pub(crate) use simulation::SimulationSettings;
pub(crate) use snapshots::SnapshotSettings;
pub(crate) use trading::{AccountSettings, LimitSettings, StrategySettings};
pub(crate) use venues::{MarkSettings, RouteSettings, SIMULATED};

use overrides::{LISTS, Overrides, SECTIONS};
use section::{Section, Source};
use std::path::Path;
use toml::Table;

/// A configuration that was found good.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Config {
    pub(crate) journal: JournalSettings,
    pub(crate) engine: EngineSettings,
    pub(crate) feed: FeedSettings,
    pub(crate) control: ControlSettings,
    pub(crate) snapshot: SnapshotSettings,
    pub(crate) postgres: Option<tickwerk_postgres::Settings>,
    pub(crate) currencies: Vec<CurrencySettings>,
    pub(crate) venues: Vec<venues::VenueSettings>,
    pub(crate) instruments: Vec<InstrumentSettings>,
    /// What exposures, equity and losses are counted in.
    pub(crate) reference: Option<CurrencySettings>,
    pub(crate) conversions: Vec<venues::ConversionSettings>,
    pub(crate) accounts: Vec<AccountSettings>,
    pub(crate) limits: Vec<LimitSettings>,
    pub(crate) strategies: Vec<StrategySettings>,
    /// Every value in force, as TOML.
    in_force: Table,
}

impl Config {
    /// Reads `path`, or the defaults alone where there is none, and sets `env` and `sets` above it.
    pub(crate) fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            return Self::parse("", "defaults", env, sets);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text, &path.display().to_string(), env, sets)
    }

    /// Reads `text`, which `origin` names in errors.
    pub(crate) fn parse(
        text: &str,
        origin: &str,
        env: impl Iterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let overrides = Overrides::collect(env, sets)?;
        let mut file = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
            origin: origin.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().trim_end().replace('\n', ", "),
        })?;
        let source = Source { origin, overrides: &overrides };
        check_top(&file, source)?;

        let (file, mut dump) = (&mut file, Table::new());
        let feed = settings::read_feed(file, &mut dump, source)?;
        let currencies = instruments::read_currencies(file, &mut dump, source)?;
        let venues = venues::read_venues(file, &mut dump, source)?;
        let instruments = instruments::read_instruments(file, &mut dump, source, &currencies, &venues)?;
        let reference = venues::read_reference(file, &mut dump, source, &currencies)?;
        let conversions =
            venues::read_conversions(file, &mut dump, source, &currencies, &instruments, reference.as_ref())?;
        let accounts = trading::read_accounts(file, &mut dump, source, &currencies)?;
        let strategies = trading::read_strategies(file, &mut dump, source, &instruments, &accounts)?;
        let config = Self {
            journal: settings::read_journal(file, &mut dump, source)?,
            engine: settings::read_engine(file, &mut dump, source, &feed)?,
            control: settings::read_control(file, &mut dump, source)?,
            snapshot: snapshots::read_snapshots(file, &mut dump, source)?,
            postgres: postgres::read_postgres(file, &mut dump, source)?,
            limits: trading::read_limits(
                file,
                &mut dump,
                source,
                &instruments,
                &accounts,
                &strategies,
                reference.as_ref(),
            )?,
            strategies,
            venues,
            reference,
            conversions,
            feed,
            currencies,
            instruments,
            accounts,
            in_force: dump,
        };
        config.check_feed()?;
        Ok(config)
    }

    /// Every value in force, as a TOML file that gives this configuration again.
    pub(crate) fn dump(&self) -> String {
        toml::to_string(&self.in_force).expect("a table of plain values can be written as TOML")
    }

    fn check_feed(&self) -> Result<(), ConfigError> {
        let instrument = match &self.feed {
            FeedSettings::None => return Ok(()),
            FeedSettings::BinanceCapture { instrument, .. }
            | FeedSettings::OrderByOrder { instrument, .. } => instrument,
            FeedSettings::Generator { .. } => {
                let has_market = self.instruments.iter().any(|instrument| instrument.generator.is_some());
                let remedy =
                    "give one [[instrument]] at least generator = { price = \"…\", size = \"…\" }".to_owned();
                let missing = ConfigError::Missing { key: "instrument.generator".to_owned(), remedy };
                return if has_market { Ok(()) } else { Err(missing) };
            }
        };
        let symbols: Vec<&str> = self.instruments.iter().map(|known| known.symbol.as_str()).collect();
        if symbols.contains(&instrument.as_str()) {
            return Ok(());
        }
        Err(ConfigError::UnknownName {
            key: "feed.instrument".to_owned(),
            value: instrument.clone(),
            what: "instrument",
            remedy: error::suggest(instrument, &symbols),
        })
    }
}

/// Refuses a section that there is not.
fn check_top(file: &Table, source: Source<'_>) -> Result<(), ConfigError> {
    let sections = SECTIONS.iter().map(|(section, _)| *section).filter(|section| !section.contains('.'));
    let known: Vec<&str> = sections.chain(LISTS.iter().copied()).collect();
    Section::of(file.clone(), String::new(), &known, source).map(drop)
}

/// The line, from 1, that the byte `offset` stands in.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
