//! What the numbers of a journal mean: names and scales, learnt by watching its records from the first one on.
//!
//! Invariant: a definition is known from the record that makes it. What was never defined has no name and no scale.
//! Orders are remembered for as long as the engine remembers them, so that memory stays bounded.

use super::average::Traded;
use crate::setup::Names;
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Command, CurrencyId, Event, Instrument, InstrumentId,
    InstrumentKind, OrderId, Payload, Price, Qty, Record, Side, StrategyId, TextId, VenueId,
};
use tickwerk_engine::Core;
use tickwerk_engine::limits::ORDERS_MAX;
use tickwerk_engine::risk::subjects::SubjectId;

/// Names and scales so far.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    texts: BTreeMap<TextId, String>,
    accounts: BTreeMap<AccountId, TextId>,
    strategies: BTreeMap<StrategyId, StrategyEntry>,
    currencies: BTreeMap<CurrencyId, CurrencyEntry>,
    venues: BTreeMap<VenueId, TextId>,
    reference: CurrencyId,
    instruments: BTreeMap<InstrumentId, InstrumentEntry>,
    orders: BTreeMap<OrderId, OrderEntry>,
    /// Breakers that are not armed, of accounts (with no strategy) and strategies, by number of kind.
    tripped: BTreeSet<(AccountId, StrategyId, u8)>,
}

#[derive(Clone, Copy, Debug)]
struct CurrencyEntry {
    code: TextId,
    scale: u8,
}

/// How an instrument counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstrumentEntry {
    symbol: TextId,
    pub(crate) kind: InstrumentKind,
    pub(crate) price_scale: u8,
    pub(crate) quantity_scale: u8,
    pub(crate) settlement_scale: u8,
    pub(crate) multiplier: i64,
    pub(crate) base: CurrencyId,
}

#[derive(Clone, Copy, Debug)]
struct StrategyEntry {
    name: TextId,
    instrument: InstrumentId,
}

#[derive(Clone, Copy, Debug)]
struct OrderEntry {
    instrument: InstrumentId,
    /// Unknown where only the answer of the venue was seen.
    side: Option<Side>,
    traded: Traded,
}

impl Dictionary {
    /// The scales of what was configured, the symbols of its instruments and the orders that `core` remembers, without a journal to read.
    pub(crate) fn of(names: &Names, core: &Core) -> Self {
        let mut dictionary = Self::default();
        for order in core.machine().orders().remembered() {
            dictionary.remember(order.id, order.instrument, Some(order.side));
        }
        for (account, _) in core.machine().accounts().accounts() {
            dictionary.note_breakers((account, StrategyId::NONE), SubjectId::Account(account), core);
        }
        for (strategy, slot) in core.machine().strategies() {
            dictionary.note_breakers((slot.account, strategy), SubjectId::Strategy(strategy), core);
        }
        for (symbol, instrument) in &names.instruments {
            dictionary.texts.insert(instrument.symbol, symbol.clone());
            dictionary.define_instrument(instrument);
        }
        for currency in names.currencies.values() {
            dictionary.define_currency(currency.id, TextId::NONE, currency.scale);
        }
        if let Some(reference) = names.reference {
            dictionary.set_reference(reference.id);
        }
        dictionary
    }

    /// Learns what `record` defines.
    pub(crate) fn watch(&mut self, record: &Record) {
        match &record.payload {
            Payload::Command(command) => self.watch_command(command, OrderId(record.envelope.sequence.0)),
            Payload::Event(event) => self.watch_event(event),
        }
    }

    fn watch_command(&mut self, command: &Command, order: OrderId) {
        // Only definitions and orders teach anything.
        if let Command::TextDefined(defined) = command {
            self.texts.insert(defined.text_id, defined.text.as_str().to_owned());
        } else if let Command::AccountDefined(defined) = command {
            self.accounts.insert(defined.account, defined.name);
        } else if let Command::StrategyDefined(defined) = command {
            let entry = StrategyEntry { name: defined.name, instrument: defined.instrument };
            self.strategies.insert(defined.strategy, entry);
        } else if let Command::CurrencyDefined(defined) = command {
            self.define_currency(defined.currency, defined.code, defined.scale);
        } else if let Command::InstrumentDefined(defined) = command {
            self.define_instrument(defined);
        } else if let Command::VenueDefined(defined) = command {
            self.venues.insert(defined.venue, defined.name);
        } else if let Command::ReferenceCurrencySet(set) = command {
            self.set_reference(set.currency);
        } else if let Command::NewOrder(asked) = command {
            self.remember(order, asked.instrument, Some(asked.side));
        }
    }

    fn define_currency(&mut self, currency: CurrencyId, code: TextId, scale: u8) {
        self.currencies.insert(currency, CurrencyEntry { code, scale });
    }

    fn define_instrument(&mut self, defined: &Instrument) {
        let entry = InstrumentEntry {
            symbol: defined.symbol,
            kind: defined.kind,
            price_scale: defined.price_scale,
            quantity_scale: defined.quantity_scale,
            settlement_scale: defined.settlement_scale,
            multiplier: defined.multiplier,
            base: defined.base,
        };
        self.instruments.insert(defined.instrument, entry);
    }

    fn set_reference(&mut self, currency: CurrencyId) {
        self.reference = currency;
    }

    fn watch_event(&mut self, event: &Event) {
        if let Event::OrderSubmitted(submitted) = event {
            self.remember(submitted.order, submitted.instrument, Some(submitted.side));
        } else if let Event::OrderApproved(approved) = event {
            self.remember(approved.order, approved.instrument, None);
        } else if let Event::OrderRefused(refused) = event {
            self.remember(refused.order, refused.instrument, Some(refused.side));
        } else if let Event::OrderRejected(rejected) = event {
            self.remember(rejected.order, rejected.instrument, None);
        } else if let Event::OrderPartiallyFilled(fill) = event {
            self.note_fill(fill.order, fill.last_price, fill.last_qty, fill.cum_qty);
        } else if let Event::OrderFilled(fill) = event {
            self.note_fill(fill.order, fill.last_price, fill.last_qty, fill.cum_qty);
        } else if let Event::FillRestated(restated) = event {
            if let Some(entry) = self.orders.get_mut(&restated.order) {
                entry.traded.forget();
            }
        } else if let Event::BreakerChanged(changed) = event {
            self.note_breaker((changed.account, changed.strategy), changed.kind, changed.state);
        }
    }

    fn note_fill(&mut self, order: OrderId, price: Price, qty: Qty, cum_qty: Qty) {
        if let Some(entry) = self.orders.get_mut(&order)
            && let Some(of) = self.instruments.get(&entry.instrument)
        {
            entry.traded.add(of.kind, price, qty, cum_qty);
        }
    }

    fn note_breaker(
        &mut self,
        (account, strategy): (AccountId, StrategyId),
        kind: BreakerKind,
        to: BreakerState,
    ) {
        let breaker = (account, strategy, kind as u8);
        if to == BreakerState::Armed {
            self.tripped.remove(&breaker);
        } else {
            self.tripped.insert(breaker);
        }
    }

    fn note_breakers(&mut self, owner: (AccountId, StrategyId), id: SubjectId, core: &Core) {
        for kind in BreakerKind::ALL {
            self.note_breaker(owner, *kind, core.machine().subjects().get(id).breaker(*kind).state);
        }
    }

    /// The breaker that refuses: the first of the account, else of the strategy.
    pub(crate) fn tripped(&self, account: AccountId, strategy: StrategyId) -> Option<BreakerKind> {
        let first = |strategy| {
            let all = (account, strategy, 0)..=(account, strategy, u8::MAX);
            self.tripped.range(all).next().map(|(_, _, kind)| usize::from(*kind))
        };
        BreakerKind::ALL.get(first(StrategyId::NONE).or_else(|| first(strategy))?).copied()
    }

    fn remember(&mut self, order: OrderId, instrument: InstrumentId, side: Option<Side>) {
        let entry =
            self.orders.entry(order).or_insert(OrderEntry { instrument, side, traded: Traded::default() });
        entry.side = side.or(entry.side);
        if self.orders.len() > ORDERS_MAX {
            self.orders.pop_first();
        }
    }

    pub(crate) fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    pub(crate) fn account(&self, id: AccountId) -> Option<&str> {
        self.accounts.get(&id).and_then(|name| self.text(*name))
    }

    pub(crate) fn strategy(&self, id: StrategyId) -> Option<&str> {
        self.strategies.get(&id).and_then(|entry| self.text(entry.name))
    }

    /// The instrument that a strategy trades, whose units its limits are in.
    pub(crate) fn strategy_instrument(&self, id: StrategyId) -> Option<InstrumentId> {
        self.strategies.get(&id).map(|entry| entry.instrument)
    }

    pub(crate) fn currency(&self, id: CurrencyId) -> Option<&str> {
        self.currencies.get(&id).and_then(|entry| self.text(entry.code))
    }

    pub(crate) fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.instruments.get(&id).and_then(|entry| self.text(entry.symbol))
    }

    pub(crate) fn venue(&self, id: VenueId) -> Option<&str> {
        if id == VenueId::SIMULATED {
            return Some(crate::config::SIMULATED);
        }
        self.venues.get(&id).and_then(|name| self.text(*name))
    }

    /// Decimals of the currency that exposures and losses are counted in.
    pub(crate) fn reference_scale(&self) -> Option<u8> {
        self.currency_scale(self.reference)
    }

    /// Decimals of a currency's amounts.
    pub(crate) fn currency_scale(&self, id: CurrencyId) -> Option<u8> {
        self.currencies.get(&id).map(|entry| entry.scale)
    }

    /// How an instrument counts.
    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&InstrumentEntry> {
        self.instruments.get(&id)
    }

    /// The instrument of an order.
    pub(crate) fn order_instrument(&self, id: OrderId) -> Option<InstrumentId> {
        self.orders.get(&id).map(|entry| entry.instrument)
    }

    /// The fills of an order that were watched.
    pub(super) fn order_traded(&self, id: OrderId) -> Option<&Traded> {
        self.orders.get(&id).map(|entry| &entry.traded)
    }

    /// Which way an order goes.
    pub(crate) fn order_side(&self, id: OrderId) -> Option<Side> {
        self.orders.get(&id).and_then(|entry| entry.side)
    }
}
