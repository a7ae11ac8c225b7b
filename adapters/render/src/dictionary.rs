//! What the numbers of a journal mean: names and scales, learnt by watching its records from the first one on.
//!
//! Invariant: a definition is known from the record that makes it, unless its frame says that it was refused. What was never
//! defined has no name and no scale.
//! Orders are remembered for as long as the engine remembers them, so that memory stays bounded.

use crate::average::Traded;
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Command, CurrencyId, Event, Instrument, InstrumentId,
    InstrumentKind, OrderId, Payload, Price, Qty, Record, Side, StrategyId, TextId, VenueId,
};

/// Names and scales so far.
#[derive(Debug, Default)]
pub struct Dictionary {
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
pub struct InstrumentEntry {
    symbol: TextId,
    pub kind: InstrumentKind,
    pub price_scale: u8,
    pub quantity_scale: u8,
    pub settlement_scale: u8,
    pub multiplier: i64,
    pub base: CurrencyId,
    pub quote: CurrencyId,
    pub settlement: CurrencyId,
}

#[derive(Clone, Copy, Debug)]
struct StrategyEntry {
    name: TextId,
    instrument: InstrumentId,
}

/// What is known of an order by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderEntry {
    /// Which market.
    pub instrument: InstrumentId,
    /// Unknown where only the answer of the venue was seen.
    pub side: Option<Side>,
    /// Whose; none where that was not seen.
    pub account: AccountId,
    /// The strategy that asked; none for a client.
    pub strategy: StrategyId,
    /// Its fills that were watched.
    pub traded: Traded,
}

/// What a record has taught.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learnt {
    /// Nothing that was not known.
    Nothing,
    /// A name, a scale or a breaker: rare, and needed to read whatever follows.
    Definition,
    /// An order.
    Order(OrderId),
}

/// Orders that are remembered: as many as the engine remembers.
pub const ORDERS_KEPT: usize = 65_536;

fn is_refused(frame: &[Record]) -> bool {
    frame.iter().any(|record| matches!(record.payload, Payload::Event(Event::CommandRefused(_))))
}

impl Dictionary {
    /// Learns what a text stands for.
    pub fn define_text(&mut self, id: TextId, text: &str) {
        self.texts.insert(id, text.to_owned());
    }

    /// Learns what `record` defines. `frame` is all records of its frame, which tell whether it was refused.
    pub fn watch(&mut self, record: &Record, frame: &[Record]) -> Learnt {
        match &record.payload {
            Payload::Command(Command::NewOrder(asked)) => {
                self.remember_asked(asked, OrderId(record.envelope.sequence.0))
            }
            Payload::Command(_) if is_refused(frame) => Learnt::Nothing,
            Payload::Command(command) => self.watch_definition(command),
            Payload::Event(event) => self.watch_event(event),
        }
    }

    fn watch_definition(&mut self, command: &Command) -> Learnt {
        // Nothing else teaches anything.
        if let Command::TextDefined(defined) = command {
            self.define_text(defined.text_id, defined.text.as_str());
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
        } else {
            return Learnt::Nothing;
        }
        Learnt::Definition
    }

    fn remember_asked(&mut self, asked: &NewOrder, order: OrderId) -> Learnt {
        self.remember(
            order,
            OrderEntry {
                instrument: asked.instrument,
                side: Some(asked.side),
                account: asked.account,
                strategy: StrategyId::NONE,
                traded: Traded::default(),
            },
        )
    }

    /// A currency and its decimals.
    pub fn define_currency(&mut self, currency: CurrencyId, code: TextId, scale: u8) {
        self.currencies.insert(currency, CurrencyEntry { code, scale });
    }

    /// An instrument and its scales.
    pub fn define_instrument(&mut self, defined: &Instrument) {
        let entry = InstrumentEntry {
            symbol: defined.symbol,
            kind: defined.kind,
            price_scale: defined.price_scale,
            quantity_scale: defined.quantity_scale,
            settlement_scale: defined.settlement_scale,
            multiplier: defined.multiplier,
            base: defined.base,
            quote: defined.quote,
            settlement: defined.settlement,
        };
        self.instruments.insert(defined.instrument, entry);
    }

    /// The currency that exposures are counted in.
    pub fn set_reference(&mut self, currency: CurrencyId) {
        self.reference = currency;
    }

    fn watch_event(&mut self, event: &Event) -> Learnt {
        let entry = |instrument, side, account, strategy| {
            let traded = Traded::default();
            OrderEntry { instrument, side, account, strategy, traded }
        };
        if let Event::OrderSubmitted(of) = event {
            self.remember(of.order, entry(of.instrument, Some(of.side), of.account, of.strategy))
        } else if let Event::OrderApproved(of) = event {
            self.remember(of.order, entry(of.instrument, None, of.account, StrategyId::NONE))
        } else if let Event::OrderRefused(of) = event {
            self.remember(of.order, entry(of.instrument, Some(of.side), of.account, of.strategy))
        } else if let Event::OrderRejected(of) = event {
            self.remember(of.order, entry(of.instrument, None, of.account, StrategyId::NONE))
        } else if let Event::OrderPartiallyFilled(fill) = event {
            self.note_fill(fill.order, fill.last_price, fill.last_qty, fill.cum_qty)
        } else if let Event::OrderFilled(fill) = event {
            self.note_fill(fill.order, fill.last_price, fill.last_qty, fill.cum_qty)
        } else if let Event::FillRestated(restated) = event {
            self.orders.get_mut(&restated.order).map_or(Learnt::Nothing, |entry| {
                entry.traded.forget();
                Learnt::Order(restated.order)
            })
        } else if let Event::BreakerChanged(changed) = event {
            self.note_breaker((changed.account, changed.strategy), changed.kind, changed.state);
            Learnt::Definition
        } else {
            Learnt::Nothing
        }
    }

    fn note_fill(&mut self, order: OrderId, price: Price, qty: Qty, cum_qty: Qty) -> Learnt {
        if let Some(entry) = self.orders.get_mut(&order)
            && let Some(of) = self.instruments.get(&entry.instrument)
        {
            entry.traded.add(of.kind, price, qty, cum_qty);
            return Learnt::Order(order);
        }
        Learnt::Nothing
    }

    /// How a breaker of an account, or of one of its strategies, stands.
    pub fn note_breaker(
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

    /// The breaker that refuses: the first of the account, else of the strategy.
    pub fn tripped(&self, account: AccountId, strategy: StrategyId) -> Option<BreakerKind> {
        let first = |strategy| {
            let all = (account, strategy, 0)..=(account, strategy, u8::MAX);
            self.tripped.range(all).next().map(|(_, _, kind)| usize::from(*kind))
        };
        BreakerKind::ALL.get(first(StrategyId::NONE).or_else(|| first(strategy))?).copied()
    }

    /// Remembers an order; what is not known leaves what was known before.
    pub fn remember(&mut self, order: OrderId, seen: OrderEntry) -> Learnt {
        let known = self.orders.get(&order).copied();
        let mut entry = known.unwrap_or(seen);
        entry.side = seen.side.or(entry.side);
        if entry.account.is_none() {
            entry.account = seen.account;
        }
        if entry.strategy.is_none() {
            entry.strategy = seen.strategy;
        }
        if known == Some(entry) {
            return Learnt::Nothing;
        }
        self.orders.insert(order, entry);
        if self.orders.len() > ORDERS_KEPT {
            self.orders.pop_first();
        }
        Learnt::Order(order)
    }

    /// What is known of an order.
    pub fn order(&self, id: OrderId) -> Option<&OrderEntry> {
        self.orders.get(&id)
    }

    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    pub fn account(&self, id: AccountId) -> Option<&str> {
        self.accounts.get(&id).and_then(|name| self.text(*name))
    }

    pub fn strategy(&self, id: StrategyId) -> Option<&str> {
        self.strategies.get(&id).and_then(|entry| self.text(entry.name))
    }

    /// The instrument that a strategy trades, whose units its limits are in.
    pub fn strategy_instrument(&self, id: StrategyId) -> Option<InstrumentId> {
        self.strategies.get(&id).map(|entry| entry.instrument)
    }

    pub fn currency(&self, id: CurrencyId) -> Option<&str> {
        self.currencies.get(&id).and_then(|entry| self.text(entry.code))
    }

    pub fn symbol(&self, id: InstrumentId) -> Option<&str> {
        self.instruments.get(&id).and_then(|entry| self.text(entry.symbol))
    }

    pub fn venue(&self, id: VenueId) -> Option<&str> {
        if id == VenueId::SIMULATED {
            return Some("simulated");
        }
        self.venues.get(&id).and_then(|name| self.text(*name))
    }

    /// The currency that exposures and losses are counted in.
    pub fn reference(&self) -> CurrencyId {
        self.reference
    }

    /// Decimals of the currency that exposures and losses are counted in.
    pub fn reference_scale(&self) -> Option<u8> {
        self.currency_scale(self.reference)
    }

    /// Decimals of a currency's amounts.
    pub fn currency_scale(&self, id: CurrencyId) -> Option<u8> {
        self.currencies.get(&id).map(|entry| entry.scale)
    }

    /// How an instrument counts.
    pub fn instrument(&self, id: InstrumentId) -> Option<&InstrumentEntry> {
        self.instruments.get(&id)
    }

    /// The instrument of an order.
    pub fn order_instrument(&self, id: OrderId) -> Option<InstrumentId> {
        self.orders.get(&id).map(|entry| entry.instrument)
    }

    /// The fills of an order that were watched.
    pub(crate) fn order_traded(&self, id: OrderId) -> Option<&Traded> {
        self.orders.get(&id).map(|entry| &entry.traded)
    }

    /// Which way an order goes.
    pub fn order_side(&self, id: OrderId) -> Option<Side> {
        self.orders.get(&id).and_then(|entry| entry.side)
    }
}
