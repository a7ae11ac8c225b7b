//! Who trades, within which limits, and by which strategies.

use super::error::ConfigError;
use super::instruments::{CurrencySettings, InstrumentSettings};
use super::lists::{find, keep_list, open_list, read_name};
use super::section::{Section, Source};
use crate::limit_value::{LimitScales, UnknownScale, modes, remedy_for, scale_of};
use std::collections::BTreeMap;
use tickwerk_domain::{LimitKind, Money, PositionMode, parse_decimal_i128};
use tickwerk_engine::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX};
use tickwerk_engine::risk::scopes::{Scopes, scopes_of};
use tickwerk_engine::signals::{ParameterUnit, Parameters, STRATEGIES, StrategyKind};
use toml::{Table, Value};

/// `[[account]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AccountSettings {
    pub(crate) name: String,
    pub(crate) mode: PositionMode,
    /// What it starts with, by currency code; positive.
    pub(crate) deposits: BTreeMap<String, Money>,
}

/// `[[limit]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LimitSettings {
    /// `None` for all.
    pub(crate) account: Option<String>,
    /// `None` for all.
    pub(crate) instrument: Option<String>,
    /// A strategy's limit names the strategy alone.
    pub(crate) strategy: Option<String>,
    pub(crate) kind: LimitKind,
    /// Mantissa in the unit of the kind, as `LimitSet` has it; never negative.
    pub(crate) value: i64,
}

/// `[[strategy]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StrategySettings {
    pub(crate) name: String,
    /// The number of its kind.
    pub(crate) kind: u16,
    pub(crate) account: String,
    pub(crate) instrument: String,
    pub(crate) enabled: bool,
    /// In the order of its kind; the rest is zero.
    pub(crate) parameters: Parameters,
}

pub(crate) fn read_accounts(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    currencies: &[CurrencySettings],
) -> Result<Vec<AccountSettings>, ConfigError> {
    let mut sections =
        open_list(file, "account", "name", &["name", "mode", "deposits"], ACCOUNTS_MAX, source)?;
    let mut accounts: Vec<AccountSettings> = Vec::new();
    for section in &mut sections {
        let name = read_name(section, "name", accounts.iter().map(|account| account.name.as_str()))?;
        let modes: Vec<_> = PositionMode::ALL.iter().map(|mode| (mode.word(), *mode)).collect();
        let mode = section.word_or("mode", &modes, PositionMode::Netting.word())?;
        let example = "a table of decimals in quotes, such as { USDT = \"1000\" }";
        let table = section.free_table("deposits", example)?;
        section.keep("deposits", table.clone());
        let mut deposits = BTreeMap::new();
        for (code, value) in table {
            let key = format!("deposits.{code}");
            let currency = find(section, &key, "currency", &code, currencies, |currency| &currency.code)?;
            let Value::String(text) = value else {
                return Err(section.wrong_type(&key, &value, "a decimal in quotes, such as \"1000\""));
            };
            let amount = parse_decimal_i128(&text, currency.scale)
                .map_err(|source| section.bad_decimal(&key, &text, source))?;
            if amount <= 0 {
                return Err(section.out_of_range(&key, format!("\"{text}\""), "write an amount above zero"));
            }
            deposits.insert(code, Money::new(amount));
        }
        accounts.push(AccountSettings { name, mode, deposits });
    }
    keep_list(dump, "account", sections);
    Ok(accounts)
}

pub(crate) fn read_limits(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    instruments: &[InstrumentSettings],
    accounts: &[AccountSettings],
    strategies: &[StrategySettings],
    reference: Option<&CurrencySettings>,
) -> Result<Vec<LimitSettings>, ConfigError> {
    let keys = ["account", "instrument", "strategy", "kind", "value"];
    // Limits have no store of their own: each scope has a place for each kind.
    let most = ((ACCOUNTS_MAX + 1) * (INSTRUMENTS_MAX + 1) + STRATEGIES_MAX) * LimitKind::ALL.len();
    let mut sections = open_list(file, "limit", "kind", &keys, most, source)?;
    let mut limits: Vec<LimitSettings> = Vec::new();
    for section in &mut sections {
        let limit = read_limit(section, instruments, accounts, strategies, reference)?;
        let same = |other: &LimitSettings| {
            let scope = |of: &LimitSettings| {
                (of.account.clone(), of.instrument.clone(), of.strategy.clone(), of.kind)
            };
            scope(other) == scope(&limit)
        };
        if limits.iter().any(same) {
            let everywhere = "all".to_owned();
            let account = limit.account.as_ref().unwrap_or(&everywhere);
            let instrument = limit.instrument.as_ref().unwrap_or(&everywhere);
            let value = format!("{} for account {account}, instrument {instrument}", limit.kind);
            return Err(ConfigError::Duplicate { key: "limit".to_owned(), value });
        }
        limits.push(limit);
    }
    keep_list(dump, "limit", sections);
    Ok(limits)
}

fn read_limit(
    section: &mut Section<'_>,
    instruments: &[InstrumentSettings],
    accounts: &[AccountSettings],
    strategies: &[StrategySettings],
    reference: Option<&CurrencySettings>,
) -> Result<LimitSettings, ConfigError> {
    let kinds: Vec<_> = LimitKind::ALL.iter().map(|kind| (kind.word(), *kind)).collect();
    let kind = section.word("kind", &kinds)?;
    let kind = kind.ok_or_else(|| section.missing("kind", "write a kind such as \"order_quantity\""))?;
    let account = section.text("account")?;
    if let Some(name) = &account {
        find(section, "account", "account", name, accounts, |account| &account.name)?;
    }
    let symbol = section.text("instrument")?;
    let instrument = match &symbol {
        None => None,
        Some(symbol) => Some(find(section, "instrument", "instrument", symbol, instruments, |instrument| {
            &instrument.symbol
        })?),
    };
    let strategy = section.text("strategy")?;
    if let Some(name) = &strategy {
        find(section, "strategy", "strategy", name, strategies, |strategy| &strategy.name)?;
        if account.is_some() || symbol.is_some() {
            let reason = "a strategy has its account and instrument; name the strategy alone".to_owned();
            return Err(ConfigError::Conflict { key: section.key("strategy"), reason });
        }
    }
    check_scope(section, kind, [account.as_ref(), symbol.as_ref(), strategy.as_ref()])?;
    let of_strategy = strategies.iter().find(|known| Some(&known.name) == strategy.as_ref());
    let instrument = instrument.or_else(|| {
        instruments.iter().find(|known| of_strategy.is_some_and(|of| of.instrument == known.symbol))
    });
    let scales = LimitScales {
        quantity: instrument.map(|known| known.quantity_scale),
        settlement: instrument.map(|known| known.settlement_scale),
        reference: reference.map(|currency| currency.scale),
    };
    let value = read_limit_value(section, kind, scales)?;
    if value < 0 {
        return Err(section.refused("value", "write zero or more; leave the limit out for none"));
    }
    if let Some(remedy) = remedy_for(kind, value, scales) {
        return Err(section.refused("value", &remedy));
    }
    Ok(LimitSettings { account, instrument: symbol, strategy, kind, value })
}

/// Whether the kind may be set for the account, instrument or strategy that is named.
fn check_scope(
    section: &Section<'_>,
    kind: LimitKind,
    named: [Option<&String>; 3],
) -> Result<(), ConfigError> {
    let (scope, key) = match named.map(|name| name.is_some()) {
        // A limit in the units of an instrument says by its value that it needs one.
        [false, false, false] => return Ok(()),
        [true, false, _] => (Scopes::ACCOUNT, "account"),
        [false, true, _] => (Scopes::INSTRUMENT, "instrument"),
        [true, true, _] => (Scopes::PAIR, "instrument"),
        [false, false, true] => (Scopes::STRATEGY, "strategy"),
    };
    let scopes = scopes_of(kind);
    if scopes.contains(scope) {
        return Ok(());
    }
    let reason = format!("{kind} can be set for: {}", scopes.names().collect::<Vec<_>>().join(", "));
    Err(ConfigError::Conflict { key: section.key(key), reason })
}

fn read_limit_value(
    section: &mut Section<'_>,
    kind: LimitKind,
    scales: LimitScales,
) -> Result<i64, ConfigError> {
    match scale_of(kind, scales) {
        Err(error @ UnknownScale::NeedsInstrument(_)) => {
            Err(section.missing("instrument", &error.to_string()))
        }
        Err(error) => Err(section.missing("value", &error.to_string())),
        Ok(_) if kind == LimitKind::SelfTrade => {
            let modes: Vec<_> = modes().map(|mode| (mode.word(), mode as i64)).collect();
            let mode = section.word("value", &modes)?;
            mode.ok_or_else(|| section.missing("value", "write a mode such as \"cancel_taker\""))
        }
        Ok(scale) => {
            let value = section.decimal("value", scale)?;
            value.ok_or_else(|| section.missing("value", "write a decimal in quotes, such as \"0.05\""))
        }
    }
}

pub(crate) fn read_strategies(
    file: &mut Table,
    dump: &mut Table,
    source: Source<'_>,
    instruments: &[InstrumentSettings],
    accounts: &[AccountSettings],
) -> Result<Vec<StrategySettings>, ConfigError> {
    let keys = ["name", "kind", "account", "instrument", "enabled", "parameters"];
    let mut sections = open_list(file, "strategy", "name", &keys, STRATEGIES_MAX, source)?;
    let mut strategies: Vec<StrategySettings> = Vec::new();
    for section in &mut sections {
        let name = read_name(section, "name", strategies.iter().map(|strategy| strategy.name.as_str()))?;
        let kinds: Vec<_> = STRATEGIES.iter().map(|kind| (kind.name, kind)).collect();
        let kind = section.word("kind", &kinds)?;
        let kind = kind.ok_or_else(|| section.missing("kind", "write a kind such as \"ema_cross\""))?;
        let account = section.required_text("account", "name the account that it trades for")?;
        find(section, "account", "account", &account, accounts, |account| &account.name)?;
        let symbol = section.required_text("instrument", "name the instrument that it trades")?;
        let instrument =
            find(section, "instrument", "instrument", &symbol, instruments, |instrument| &instrument.symbol)?;
        let enabled = section.flag_or("enabled", true)?;
        let parameters = read_parameters(section, kind, instrument.quantity_scale)?;
        let (kind, instrument) = (kind.kind, symbol);
        strategies.push(StrategySettings { name, kind, account, instrument, enabled, parameters });
    }
    keep_list(dump, "strategy", sections);
    Ok(strategies)
}

/// Parameters in the order of `kind`. Whether they make sense together the strategy says.
fn read_parameters(
    section: &mut Section<'_>,
    kind: &StrategyKind,
    quantity_scale: u8,
) -> Result<Parameters, ConfigError> {
    let names: Vec<&str> = kind.parameters.iter().map(|parameter| parameter.name).collect();
    let given = section.inner_with("parameters", &names)?;
    let mut inner = given.unwrap_or_else(|| section.empty("parameters"));
    let mut parameters = Parameters::default();
    for (place, parameter) in parameters.iter_mut().zip(kind.parameters) {
        let name = parameter.name;
        let value = match parameter.unit {
            ParameterUnit::Count => inner.integer(name, 0..=i64::MAX)?,
            ParameterUnit::Quantity => inner.decimal(name, quantity_scale)?,
            ParameterUnit::Flag => inner.flag(name)?.map(i64::from),
            ParameterUnit::Choice(words) => {
                let places: Vec<(&'static str, i64)> = words.iter().copied().zip(0..).collect();
                inner.word(name, &places)?
            }
        };
        let value = value.or(parameter.default);
        *place = value.ok_or_else(|| inner.missing(name, "write it among the parameters"))?;
    }
    (kind.check)(&parameters).map_err(|name| {
        let remedy = format!("{} cannot be made of it beside the other parameters and defaults", kind.name);
        inner.refused(name, &remedy)
    })?;
    section.keep("parameters", inner.finish());
    Ok(parameters)
}
