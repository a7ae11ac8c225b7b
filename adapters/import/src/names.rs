//! Currencies, instruments, accounts and strategies by name, with the numbers that they get in the journal.
//!
//! Invariant: numbers are dense from 1 in the order of definition, the mapping's own first; texts likewise. A definition
//! that is refused changes nothing.

use crate::fields::What;
use crate::mapping::{AccountTerms, Aliases, CurrencyTerms, InstrumentTerms, Mapping, StrategyTerms};
use crate::refusal::Fault;
use crate::text;
use std::collections::BTreeMap;
use tickwerk_domain::numbers::power_of_ten;
use tickwerk_domain::{
    AccountId, CurrencyId, Instrument, InstrumentId, InstrumentKind, Money, PositionMode, Price, Qty, Rate,
    SCALE_MAX, TextId,
};

/// A currency.
#[derive(Clone, Copy, Debug)]
pub struct Currency {
    /// Its code.
    pub code: TextId,
    /// Decimals of its amounts.
    pub scale: u8,
}

/// An account.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Its name.
    pub name: TextId,
    /// How it counts positions.
    pub mode: PositionMode,
}

/// What orders are for.
#[derive(Clone, Copy, Debug)]
pub struct Strategy {
    /// Its name.
    pub name: TextId,
    /// Whose money; none where it is not told, or for several.
    pub account: AccountId,
    /// Which market, likewise.
    pub instrument: InstrumentId,
}

/// All that rows may name.
#[derive(Debug, Default)]
pub struct Names {
    texts: Vec<String>,
    text_numbers: BTreeMap<String, TextId>,
    currencies: Vec<Currency>,
    instruments: Vec<Instrument>,
    accounts: Vec<Account>,
    strategies: Vec<Strategy>,
    by_name: BTreeMap<What, BTreeMap<String, u32>>,
}

const REMEDY_TWICE: &str = "define it once";

impl Names {
    /// What a mapping itself defines.
    pub(crate) fn of(mapping: &Mapping) -> Result<Self, Fault> {
        let mut names = Self::default();
        for terms in &mapping.definitions.currencies {
            names.define_currency(terms)?;
        }
        for terms in &mapping.definitions.instruments {
            names.define_instrument(terms, &Aliases::default())?;
        }
        for terms in &mapping.definitions.accounts {
            names.define_account(terms)?;
        }
        for terms in &mapping.definitions.strategies {
            names.define_strategy(terms)?;
        }
        Ok(names)
    }

    /// The number of a text; it gets one where it has none.
    pub fn intern(&mut self, text: &str) -> TextId {
        if let Some(id) = self.text_numbers.get(text) {
            return *id;
        }
        self.texts.push(text.to_owned());
        let id = TextId(number(self.texts.len()));
        self.text_numbers.insert(text.to_owned(), id);
        id
    }

    /// Texts, by their numbers from 1 on.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The text of a number.
    pub fn text(&self, id: TextId) -> &str {
        self.texts.get((id.0 as usize).wrapping_sub(1)).map_or("", String::as_str)
    }

    /// Currencies, by their numbers from 1 on.
    pub fn currencies(&self) -> &[Currency] {
        &self.currencies
    }

    /// Instruments, by their numbers from 1 on.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Accounts, by their numbers from 1 on.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Strategies, by their numbers from 1 on.
    pub fn strategies(&self) -> &[Strategy] {
        &self.strategies
    }

    /// A currency by number; it exists, as numbers come from here.
    pub fn currency(&self, id: CurrencyId) -> &Currency {
        &self.currencies[id.0 as usize - 1]
    }

    /// An instrument by number.
    pub fn instrument(&self, id: InstrumentId) -> &Instrument {
        &self.instruments[id.0 as usize - 1]
    }

    /// An account by number.
    pub fn account(&self, id: AccountId) -> &Account {
        &self.accounts[id.0 as usize - 1]
    }

    /// The number of what has this name.
    pub(crate) fn find(&self, what: What, name: &str) -> Option<u32> {
        self.by_name.get(&what)?.get(name).copied()
    }

    fn name(&mut self, what: What, column: &str, name: &str, count: usize) -> Result<TextId, Fault> {
        if let Some(reason) = text::fault_of(name) {
            return Err(Fault::new(column, name, reason, "give it a name of 1 to 96 bytes"));
        }
        // A repeat that is refused must leave the first as it is.
        if self.find(what, name).is_some() {
            return Err(Fault::new(column, name, "is defined already", REMEDY_TWICE));
        }
        self.by_name.entry(what).or_default().insert(name.to_owned(), number(count + 1));
        Ok(self.intern(name))
    }

    pub(crate) fn define_currency(&mut self, terms: &CurrencyTerms) -> Result<(), Fault> {
        check_scale("scale", terms.scale)?;
        let code = self.name(What::Currencies, "currency", &terms.currency, self.currencies.len())?;
        self.currencies.push(Currency { code, scale: terms.scale });
        Ok(())
    }

    pub(crate) fn define_account(&mut self, terms: &AccountTerms) -> Result<(), Fault> {
        let remedy = "write netting or hedging";
        let mode = PositionMode::from_word(&terms.mode)
            .ok_or_else(|| Fault::new("mode", &terms.mode, "is no mode", remedy))?;
        let name = self.name(What::Accounts, "account", &terms.account, self.accounts.len())?;
        self.accounts.push(Account { name, mode });
        Ok(())
    }

    pub(crate) fn define_strategy(&mut self, terms: &StrategyTerms) -> Result<(), Fault> {
        let find = |what: What, name: &Option<String>| {
            let Some(name) = name else { return Ok(0) };
            let column = what.defines().unwrap_or_default();
            let reason = "is not defined";
            self.find(what, name).ok_or_else(|| Fault::new(column, name, reason, "define it before"))
        };
        let account = find(What::Accounts, &terms.account).map(AccountId)?;
        let instrument = find(What::Instruments, &terms.symbol).map(InstrumentId)?;
        let name = self.name(What::Strategies, "strategy", &terms.strategy, self.strategies.len())?;
        self.strategies.push(Strategy { name, account, instrument });
        Ok(())
    }

    pub(crate) fn define_instrument(
        &mut self,
        terms: &InstrumentTerms,
        aliases: &Aliases,
    ) -> Result<(), Fault> {
        let kind = match terms.kind.as_str() {
            "spot" => InstrumentKind::Spot,
            "linear" => InstrumentKind::Linear,
            "inverse" => InstrumentKind::Inverse,
            other => return Err(Fault::new("kind", other, "is no kind", "write spot, linear or inverse")),
        };
        check_scale("price_scale", terms.price_scale)?;
        check_scale("quantity_scale", terms.quantity_scale)?;
        let currency = |column: &str, name: &str| {
            let ours = aliases.currency.get(name).map_or(name, String::as_str);
            let remedy = "define it before, as [[currency]] or by a source of currencies";
            self.find(What::Currencies, ours)
                .map(CurrencyId)
                .ok_or_else(|| Fault::new(column, name, "is no currency that is defined", remedy))
        };
        let (base, quote) = (currency("base", &terms.base)?, currency("quote", &terms.quote)?);
        let settlement = match kind {
            InstrumentKind::Spot | InstrumentKind::Linear => quote,
            InstrumentKind::Inverse => base,
        };
        let multiplier = i64::try_from(terms.multiplier).ok().filter(|multiplier| *multiplier > 0);
        let is_unit = kind != InstrumentKind::Spot || terms.multiplier == 1;
        let multiplier = multiplier.filter(|_| is_unit).ok_or_else(|| {
            let value = terms.multiplier.to_string();
            Fault::new(
                "multiplier",
                value,
                "cannot be",
                "write 1 for spot, a whole number of 1 or more for contracts",
            )
        })?;
        if kind == InstrumentKind::Spot && self.currency(base).scale < terms.quantity_scale {
            let value = terms.quantity_scale.to_string();
            let reason =
                format!("is finer than the {} decimals of its base currency", self.currency(base).scale);
            return Err(Fault::new("quantity_scale", value, reason, "raise the scale of the currency"));
        }
        let symbol = self.name(What::Instruments, "symbol", &terms.symbol, self.instruments.len())?;
        self.instruments.push(Instrument {
            notional_max: Money::ZERO,
            tick_size: Price(1),
            lot_size: Qty(1),
            quantity_min: Qty(1),
            quantity_max: Qty(i64::MAX),
            multiplier,
            maker_fee: Rate(0),
            taker_fee: Rate(0),
            margin_rate: Rate::ONE,
            instrument: InstrumentId(number(self.instruments.len() + 1)),
            symbol,
            base,
            quote,
            settlement,
            kind,
            price_scale: terms.price_scale,
            quantity_scale: terms.quantity_scale,
            settlement_scale: self.currency(settlement).scale,
        });
        Ok(())
    }

    /// Units of the base currency in one unit of quantity; 1 for contracts.
    pub fn base_factor(&self, instrument: &Instrument) -> i128 {
        match instrument.kind {
            InstrumentKind::Linear | InstrumentKind::Inverse => 1,
            InstrumentKind::Spot => {
                let finer = self.currency(instrument.base).scale.saturating_sub(instrument.quantity_scale);
                power_of_ten(u32::from(finer)).expect("scales are at most 18")
            }
        }
    }
}

fn check_scale(column: &str, scale: u8) -> Result<(), Fault> {
    if scale <= SCALE_MAX {
        return Ok(());
    }
    Err(Fault::new(column, scale.to_string(), "is too many decimals", format!("write 0 to {SCALE_MAX}")))
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("names fit memory, and so 32 bits")
}
