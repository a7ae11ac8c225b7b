//! From configuration to commands: what the configuration says and the journal does not yet hold.
//!
//! Everything that decides enters the core as commands of the source `config`. What an earlier start applied is read
//! from the journal itself, so that a restart with the same configuration journals nothing, a start that was cut short
//! goes on where it stopped, and a limit that was changed by hand since then stays as it is.

mod applied;
mod dictionary;
mod latency_file;
mod simulation;
mod try_out;

pub(crate) use applied::Applied;
pub(crate) use dictionary::dictionary;

use crate::config::{Config, MarkSettings, RouteSettings, SIMULATED};
use anyhow::{Context, Result};
use applied::{Key, key_of};
use std::collections::BTreeMap;
use tickwerk_domain::command::{
    AccountDefined, CashTransferred, ConversionSet, CurrencyDefined, LimitSet, MarkSourceSet,
    ReferenceCurrencySet, RouteSet, RulesActivated, StrategyDefined, TextDefined, VenueDefined,
};
use tickwerk_domain::{
    AccountId, Command, CorrelationId, CurrencyId, Envelope, Instrument, InstrumentId, Payload, Record,
    SourceId, StrategyId, TextBytes, TextId, TimeNs, VenueId,
};
use tickwerk_engine::machine::RULES_VERSION;

/// A currency as requests speak of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Currency {
    pub(crate) id: CurrencyId,
    /// Decimals of its amounts.
    pub(crate) scale: u8,
}

/// The numbers that names were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) accounts: BTreeMap<String, AccountId>,
    pub(crate) instruments: BTreeMap<String, Instrument>,
    pub(crate) currencies: BTreeMap<String, Currency>,
    pub(crate) strategies: BTreeMap<String, StrategyId>,
    /// The instrument of each strategy, which says how its limits are counted.
    pub(crate) strategy_instruments: BTreeMap<StrategyId, Instrument>,
    pub(crate) venues: BTreeMap<String, VenueId>,
    /// The currency that exposures and losses are counted in, where one is configured.
    pub(crate) reference: Option<Currency>,
    /// Every text that has a number.
    pub(crate) texts: BTreeMap<String, TextId>,
    /// The person or service that a feed's and the control socket's commands are sent on behalf of.
    pub(crate) feed_actor: TextId,
    pub(crate) control_actor: TextId,
}

/// What is to be journaled before anything else, and the names to speak with.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) commands: Vec<Record>,
    pub(crate) names: Names,
}

/// Compares `config` with what was applied.
pub(crate) fn plan(config: &Config, applied: &Applied) -> Result<Plan> {
    let mut planner =
        Planner { applied, wanted: Vec::new(), texts: applied.texts.clone(), names: Names::default() };
    planner.plan(config)?;
    let Planner { wanted, names, .. } = planner;
    let actor = applied.texts.get(ACTOR).copied().unwrap_or(FIRST_TEXT);
    let first = applied.highest + 1;
    let forgotten = simulation::forgotten(&wanted, applied);
    let news =
        wanted.into_iter().filter(|(key, command)| forgotten.contains(key) || !applied.holds(*key, command));
    let commands = (first..).zip(news).map(|(source_sequence, (_, command))| Record {
        envelope: Envelope {
            source: SourceId::CONFIG,
            source_sequence,
            actor,
            correlation: CorrelationId(source_sequence),
            ..Envelope::default()
        },
        payload: Payload::Command(command),
    });
    Ok(Plan { commands: commands.collect(), names })
}

impl Plan {
    /// Gives the commands a time: that of a feed's first datum.
    pub(crate) fn stamp(&mut self, time: TimeNs) {
        for command in &mut self.commands {
            command.envelope.time_ns = time;
        }
    }
}

const ACTOR: &str = "config";
const FIRST_TEXT: TextId = TextId(1);

struct Planner<'a> {
    applied: &'a Applied,
    wanted: Vec<(Key, Command)>,
    texts: BTreeMap<String, TextId>,
    names: Names,
}

impl Planner<'_> {
    fn plan(&mut self, config: &Config) -> Result<()> {
        self.text(ACTOR)?;
        self.names.feed_actor = self.text("feed")?;
        self.names.control_actor = self.text("control")?;
        self.want(RulesActivated { version: RULES_VERSION });
        let currencies = self.currencies(config)?;
        let currency = |code: &str| currencies.get(code).copied().unwrap_or_default();
        self.venues(config)?;
        self.instruments(config, &currency)?;
        self.conversions(config, &currency);
        self.accounts(config, &currency)?;
        self.strategies(config)?;
        self.limits(config)?;
        self.names.texts.clone_from(&self.texts);
        Ok(())
    }

    fn want(&mut self, command: impl Into<Command>) {
        let command = command.into();
        if let Some(key) = key_of(&command) {
            self.wanted.push((key, command));
        }
    }

    /// What an earlier configuration has set, or this one sets to something else than nobody says.
    fn want_unless_default(&mut self, command: impl Into<Command>, is_default: bool) {
        let command = command.into();
        let was_set = key_of(&command).is_some_and(|key| self.applied.commands.contains_key(&key));
        if was_set || !is_default {
            self.want(command);
        }
    }

    /// The number of a text, which is given one where it has none.
    fn text(&mut self, text: &str) -> Result<TextId> {
        if let Some(id) = self.texts.get(text) {
            return Ok(*id);
        }
        let highest = self.texts.values().map(|id| id.0).max().unwrap_or(0);
        let text_id = TextId(highest + 1);
        let bytes = TextBytes::new(text).with_context(|| format!("the name {text:?}"))?;
        self.texts.insert(text.to_owned(), text_id);
        self.want(TextDefined { text_id, text: bytes });
        Ok(text_id)
    }

    fn currencies(&mut self, config: &Config) -> Result<BTreeMap<String, CurrencyId>> {
        let known = self.numbers(|command| {
            let Command::CurrencyDefined(known) = command else { return None };
            Some((known.code, known.currency.0))
        });
        let mut numbering = Numbering::new(known);
        let mut ids = BTreeMap::new();
        for settings in &config.currencies {
            let code = self.text(&settings.code)?;
            let currency = CurrencyId(numbering.number(code));
            self.want(CurrencyDefined { currency, code, scale: settings.scale });
            ids.insert(settings.code.clone(), currency);
            let known = Currency { id: currency, scale: settings.scale };
            self.names.currencies.insert(settings.code.clone(), known);
        }
        Ok(ids)
    }

    fn instruments(&mut self, config: &Config, currency: &impl Fn(&str) -> CurrencyId) -> Result<()> {
        let known = self.numbers(|command| {
            let Command::InstrumentDefined(known) = command else { return None };
            Some((known.symbol, known.instrument.0))
        });
        let mut numbering = Numbering::new(known);
        for settings in &config.instruments {
            let symbol = self.text(&settings.symbol)?;
            let instrument = InstrumentId(numbering.number(symbol));
            let definition = settings.to_domain(instrument, symbol, currency);
            self.want(definition);
            self.simulation(instrument, &settings.simulation)?;
            self.route(instrument, settings.route.as_ref());
            let mark =
                MarkSourceSet { interval: settings.mark.interval, instrument, source: settings.mark.source };
            self.want_unless_default(mark, settings.mark == MarkSettings::default());
            self.names.instruments.insert(settings.symbol.clone(), definition);
        }
        Ok(())
    }

    /// Number 1 is the simulated venue's, which needs no definition.
    fn venues(&mut self, config: &Config) -> Result<()> {
        let known = self.numbers(|command| {
            let Command::VenueDefined(known) = command else { return None };
            Some((known.name, u32::from(known.venue.0)))
        });
        let mut numbering = Numbering::new(known);
        numbering.next = numbering.next.max(u32::from(VenueId::SIMULATED.0) + 1);
        self.names.venues.insert(SIMULATED.to_owned(), VenueId::SIMULATED);
        for settings in &config.venues {
            let name = self.text(&settings.name)?;
            let number = u16::try_from(numbering.number(name)).context("more venues than numbers")?;
            let (venue, capabilities) = (VenueId(number), settings.capabilities);
            self.want(VenueDefined { capabilities, venue, name });
            self.names.venues.insert(settings.name.clone(), venue);
        }
        Ok(())
    }

    /// The route of an instrument; back to the simulated venue where an earlier configuration had another.
    fn route(&mut self, instrument: InstrumentId, settings: Option<&RouteSettings>) {
        if let Some(route) = settings {
            let venue = self.names.venues[&route.venue];
            let fallback = route.fallback.as_ref().map(|name| self.names.venues[name]).unwrap_or_default();
            self.want(RouteSet { instrument, venue, fallback });
        } else if self.applied.commands.contains_key(&Key::Route(instrument)) {
            self.want(RouteSet { instrument, venue: VenueId::SIMULATED, fallback: VenueId::NONE });
        }
    }

    fn conversions(&mut self, config: &Config, currency: &impl Fn(&str) -> CurrencyId) {
        if let Some(reference) = &config.reference {
            let id = currency(&reference.code);
            self.names.reference = Some(Currency { id, scale: reference.scale });
            self.want(ReferenceCurrencySet { currency: id });
        }
        for settings in &config.conversions {
            let instrument =
                settings.instrument.as_ref().map(|symbol| self.names.instruments[symbol].instrument);
            let (rate, currency) = (settings.rate, currency(&settings.currency));
            self.want(ConversionSet { rate, currency, instrument: instrument.unwrap_or_default() });
        }
    }

    fn accounts(&mut self, config: &Config, currency: &impl Fn(&str) -> CurrencyId) -> Result<()> {
        let known = self.numbers(|command| {
            let Command::AccountDefined(known) = command else { return None };
            Some((known.name, known.account.0))
        });
        let mut numbering = Numbering::new(known);
        let reason = self.text("initial deposit")?;
        for settings in &config.accounts {
            let name = self.text(&settings.name)?;
            let account = AccountId(numbering.number(name));
            self.want(AccountDefined { account, name, mode: settings.mode });
            for (code, amount) in &settings.deposits {
                self.want(CashTransferred { amount: *amount, account, currency: currency(code), reason });
            }
            self.names.accounts.insert(settings.name.clone(), account);
        }
        Ok(())
    }

    /// Limits, and the removal of those that an earlier configuration set and this one no longer has.
    fn limits(&mut self, config: &Config) -> Result<()> {
        let reason = self.text("configuration")?;
        for settings in &config.limits {
            let account = settings.account.as_ref().map(|name| self.names.accounts[name]).unwrap_or_default();
            let instrument =
                settings.instrument.as_ref().map(|symbol| self.names.instruments[symbol].instrument);
            let strategy =
                settings.strategy.as_ref().map(|name| self.names.strategies[name]).unwrap_or_default();
            let (instrument, kind, value) = (instrument.unwrap_or_default(), settings.kind, settings.value);
            self.want(LimitSet { value, account, instrument, strategy, reason, kind });
        }
        for (key, command) in &self.applied.commands {
            if let Command::LimitSet(limit) = command
                && self.wanted.iter().all(|(wanted, _)| wanted != key)
            {
                self.wanted.push((*key, LimitSet { value: -1, ..*limit }.into()));
            }
        }
        Ok(())
    }

    fn strategies(&mut self, config: &Config) -> Result<()> {
        let known = self.numbers(|command| {
            let Command::StrategyDefined(known) = command else { return None };
            Some((known.name, known.strategy.0))
        });
        let mut numbering = Numbering::new(known);
        for settings in &config.strategies {
            let name = self.text(&settings.name)?;
            let strategy = StrategyId(numbering.number(name));
            self.names.strategies.insert(settings.name.clone(), strategy);
            let instrument = self.names.instruments[&settings.instrument];
            self.names.strategy_instruments.insert(strategy, instrument);
            self.want(StrategyDefined {
                parameters: settings.parameters,
                strategy,
                name,
                account: self.names.accounts[&settings.account],
                instrument: instrument.instrument,
                kind: settings.kind,
                enabled: settings.enabled,
            });
        }
        for (key, command) in &self.applied.commands {
            if let Command::StrategyDefined(strategy) = command
                && self.wanted.iter().all(|(wanted, _)| wanted != key)
            {
                self.wanted.push((*key, StrategyDefined { enabled: false, ..*strategy }.into()));
            }
        }
        Ok(())
    }

    fn numbers(&self, of: impl Fn(&Command) -> Option<(TextId, u32)>) -> BTreeMap<TextId, u32> {
        self.applied.commands.values().filter_map(of).collect()
    }
}

/// Gives names numbers: the one they have, or the next free one.
struct Numbering {
    known: BTreeMap<TextId, u32>,
    next: u32,
}

impl Numbering {
    fn new(known: BTreeMap<TextId, u32>) -> Self {
        let next = known.values().max().map_or(1, |highest| highest + 1);
        Self { known, next }
    }

    fn number(&mut self, name: TextId) -> u32 {
        let next = &mut self.next;
        *self.known.entry(name).or_insert_with(|| {
            *next += 1;
            *next - 1
        })
    }
}
