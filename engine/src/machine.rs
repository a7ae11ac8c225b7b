//! The deterministic machine: one command in, its events out.
//!
//! The same commands with the same stamps give the same events, on every machine and in every build. There is no
//! clock, no I/O, no allocation after start-up and no iteration over a hash table in here.

mod account_state;
mod adjustments;
mod alerts;
mod breakers;
mod cancels;
mod contingent;
mod continuations;
mod conversion;
mod definitions;
mod expiry;
mod exposures;
mod fills;
mod funding;
mod held;
mod image;
mod market_flow;
mod marks;
mod mass_cancel;
mod order_flow;
mod reconcile;
mod reconnect;
mod reducers;
mod replace;
mod reports;
mod resize;
mod restated;
mod risk_checks;
mod sessions;
mod settings;
mod sums;
mod valuation;
mod venue_settings;
mod venues;
mod waiting;
mod worth;

pub use crate::rules::RULES_VERSION;
pub use mass_cancel::Scope;
pub(crate) use valuation::Narrow;
pub use venues::{SIMULATED_CAPABILITIES, Venue, Venues};
pub use worth::Exposure;

use crate::accounts::Accounts;
use crate::event_buffer::EventBuffer;
use crate::executions::{Executions, UnmatchedFills};
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX, TEXTS_MAX};
use crate::market::Market;
use crate::market::order_books::OrderBooks;
use crate::orders::Orders;
use crate::orders::triggers::Triggers;
use crate::positions::Positions;
use crate::reconciliation::Reconciliations;
use crate::risk::self_trade::Resting;
use crate::risk::settings::Settings;
use crate::risk::subjects::Subjects;
use crate::rules::{RULES, Rules};
use crate::signals::{AnyStrategy, Parameters};
use crate::timers::Timers;
use tickwerk_domain::command::FundingApplied;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::CommandRefused;
use tickwerk_domain::{
    AccountId, Command, ContinueKind, Digest, Event, Instrument, InstrumentId, OrderId, Reject, Sequence,
    SideFilter, SignalDirection, Stamp, StrategyId, TextBytes, TextId, TimeNs,
};
use tickwerk_venue::book::ToldBook;

/// An instrument as the machine uses it.
#[derive(Clone, Copy, Debug)]
pub struct InstrumentSlot {
    /// Its definition.
    pub definition: Instrument,
    /// Base-currency units in one quantity unit; spot only.
    pub base_factor: i128,
    row: u64,
}

/// A strategy as the machine runs it.
#[derive(Clone, Copy, Debug)]
pub struct StrategySlot {
    strategy: AnyStrategy,
    parameters: Parameters,
    kind: u16,
    /// Its name.
    pub name: TextId,
    /// Whose money.
    pub account: AccountId,
    /// Which market.
    pub instrument: InstrumentId,
    is_enabled: bool,
    direction: SignalDirection,
    /// What its orders filled to, signed.
    held: i64,
    /// What its open orders would add, signed.
    pending: i64,
    /// Whether it is to ask again for what the venue could not give.
    retries: bool,
    version: u64,
    /// Hash of its definition.
    fixed_hash: u64,
    row: u64,
}

/// A long effect that goes on with the next command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Continuation {
    /// What goes on.
    pub kind: ContinueKind,
    /// The last order, or the last account, that was dealt with.
    pub after: u64,
    /// The sequence of the command that started it.
    pub started_by: Sequence,
    /// The order to go on with; 0 to begin, or where it goes on with something else.
    next: OrderId,
    scope: Scope,
}

impl Continuation {
    /// A long effect over all accounts of an instrument, from the first.
    fn of_instrument(kind: ContinueKind, started_by: Sequence, instrument: InstrumentId) -> Self {
        let scope =
            Scope { account: AccountId::NONE, instrument, strategy: StrategyId::NONE, side: SideFilter::Any };
        Self { kind, after: 0, started_by, next: OrderId::NONE, scope }
    }

    /// The last account that was dealt with.
    fn after_account(&self) -> AccountId {
        AccountId(u32::try_from(self.after).expect("it counts in accounts"))
    }
}

/// All state that decides.
#[derive(Debug)]
pub struct Machine {
    texts: Box<[TextBytes]>,
    instruments: Box<[Option<InstrumentSlot>]>,
    markets: Box<[Market]>,
    order_books: OrderBooks,
    strategies: Box<[Option<StrategySlot>]>,
    /// Per instrument, a bit for each strategy that watches it.
    watchers: Box<[u64]>,
    accounts: Accounts,
    positions: Positions,
    orders: Orders,
    executions: Executions,
    unmatched_fills: UnmatchedFills,
    reconciliations: Reconciliations,
    settings: Settings,
    subjects: Subjects,
    resting: Resting,
    memo: valuation::Memo,
    /// Per account and instrument, open orders that may only reduce.
    reducers: Box<[u32]>,
    venues: Venues,
    latencies: venue_settings::RecordedLatencies,
    triggers: Triggers,
    /// A bit for each instrument whose market has reached a trigger that was not paid yet.
    firing: u64,
    sweep: sessions::Sweep,
    continuations: continuations::Continuations,
    /// Whether any of them is pending.
    is_continuing: bool,
    timers: Timers,
    conversions: conversion::Conversions,
    /// Funding that is being paid, while it takes more than one command.
    funding: Option<FundingApplied>,
    /// The versions that it can decide by, and the one that it does.
    rules_table: &'static [Rules],
    rules: Rules,
    system_version: u64,
    last: Stamp,
    /// Time of the command that is being applied.
    now: TimeNs,
    /// When the UTC day of `now` ends.
    day_ends: TimeNs,
    digest: Digest,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// A machine that knows nothing; all that it ever allocates.
    pub fn new() -> Self {
        let empty = TextBytes::new("").expect("an empty text is a text");
        let number = |index: usize| InstrumentId(u32::try_from(index).expect("tables are small"));
        Self {
            texts: vec![empty; TEXTS_MAX].into(),
            instruments: vec![None; INSTRUMENTS_MAX].into(),
            markets: (0..INSTRUMENTS_MAX).map(|index| Market::new(number(index))).collect(),
            order_books: OrderBooks::new(),
            strategies: vec![None; STRATEGIES_MAX].into(),
            watchers: vec![0; INSTRUMENTS_MAX].into(),
            accounts: Accounts::new(),
            positions: Positions::new(),
            orders: Orders::new(),
            executions: Executions::new(),
            unmatched_fills: UnmatchedFills::new(),
            reconciliations: Reconciliations::new(),
            settings: Settings::new(),
            subjects: Subjects::new(),
            resting: Resting::new(),
            memo: valuation::Memo::new(),
            reducers: vec![0; ACCOUNTS_MAX * INSTRUMENTS_MAX].into(),
            venues: Venues::new(),
            latencies: venue_settings::RecordedLatencies::new(),
            triggers: Triggers::new(),
            firing: 0,
            sweep: sessions::Sweep::default(),
            continuations: [None; ContinueKind::ALL.len()],
            is_continuing: false,
            timers: Timers::new(),
            conversions: conversion::Conversions::new(),
            funding: None,
            rules_table: RULES,
            rules: Rules::before(RULES),
            system_version: 0,
            last: Stamp::default(),
            now: TimeNs::UNKNOWN,
            day_ends: TimeNs::UNKNOWN,
            digest: Digest::default(),
        }
    }

    /// A machine that decides by these versions of the rules.
    pub(crate) fn with_rules(table: &'static [Rules]) -> Self {
        Self { rules_table: table, rules: Rules::before(table), ..Self::new() }
    }

    /// Applies one command, and gives the version it has in its stream.
    ///
    /// Pre: `out` is empty, the stamp follows [`Machine::last`]. Post: [`Machine::last`] is the stamp of the last record,
    /// command or event.
    pub fn apply(&mut self, stamp: Stamp, command: &Command, out: &mut EventBuffer) -> u64 {
        assert_eq!(self.last.sequence.next(), stamp.sequence, "gap in the command order");
        assert!(self.last.time_ns <= stamp.time_ns, "time ran backwards");
        assert!(out.is_empty(), "events of another command");
        self.now = stamp.time_ns;
        if stamp.time_ns >= self.day_ends {
            self.day_begins(stamp);
        }

        let version = match command {
            Command::QuoteObserved(quote) => self.on_quote(stamp, quote, out),
            Command::TradeObserved(trade) => self.on_trade(stamp, trade, out),
            Command::BookDelta(delta) => self.on_delta(stamp, delta, out),
            Command::MarketGapObserved(gap) => self.on_gap(gap, out),
            Command::NewOrder(order) => self.new_order(stamp, order, out),
            Command::CancelOrder(cancel) => self.cancel_order(cancel, out),
            Command::OrderReported(report) => self.on_report(report, out),
            Command::FillReported(fill) => self.on_fill(fill, out),
            Command::TradeBusted(bust) => self.on_bust(bust, out),
            Command::TradeCorrected(correction) => self.on_correction(correction, out),
            Command::ReconcileStarted(start) => self.start_reconciliation(stamp, start, out),
            Command::VenueOrderStated(stated) => self.on_order_stated(stated, out),
            Command::VenueBalanceStated(stated) => self.on_balance_stated(stated, out),
            Command::VenuePositionStated(stated) => self.on_position_stated(stated, out),
            Command::ReconcileEnded(end) => self.end_reconciliation(stamp, end, out),
            Command::InstrumentDefined(instrument) => self.define_instrument(instrument, out),
            Command::AccountDefined(account) => self.define_account(account, out),
            Command::CurrencyDefined(currency) => self.define_currency(currency, out),
            Command::StrategyDefined(strategy) => self.define_strategy(strategy, out),
            Command::TextDefined(text) => self.define_text(text, out),
            Command::SimulatedVenueSet(setting) => self.set_venue(setting, out),
            Command::VenueLatencySet(setting) => self.set_venue_latency(setting, out),
            Command::LatencyRecorded(recorded) => self.record_latency(recorded, out),
            Command::PriceBandSet(band) => self.set_price_band(band, out),
            Command::CashTransferred(transfer) => self.transfer(transfer, out),
            Command::LimitSet(limit) => self.set_limit(limit, out),
            Command::KillSwitchSet(switch) => self.set_kill_switch(stamp, switch, out),
            Command::TradingStateSet(state) => self.set_trading_state(state, out),
            Command::BreakerReset(reset) => self.reset_breaker(reset, out),
            Command::RulesActivated(rules) => self.activate_rules(rules, out),
            Command::Continue(going_on) => self.go_on(going_on, out),
            Command::SessionSet(session) => self.set_session(session, out),
            Command::VenueDefined(venue) => self.define_venue(venue, out),
            Command::RouteSet(route) => self.set_route(route, out),
            Command::VenueStateObserved(seen) => self.on_venue_state(stamp, seen, out),
            Command::ReplaceOrder(replace) => self.replace_order(replace, out),
            Command::MassCancel(cancel) => self.mass_cancel(stamp, cancel, out),
            Command::ReplaceReported(report) => self.on_replaced(report, out),
            Command::TimerFired(fired) => self.on_timer(stamp, fired, out),
            Command::MarkObserved(mark) => self.on_mark(mark, out),
            Command::MarkSourceSet(setting) => self.set_mark_source(setting, out),
            Command::FundingApplied(funding) => self.on_funding(stamp, funding, out),
            Command::AccountStateSet(setting) => self.set_account_state(setting, out),
            Command::ConversionSet(setting) => self.set_conversion(setting, out),
            Command::ReferenceCurrencySet(setting) => self.set_reference_currency(setting, out),
            Command::BookOrderObserved(order) => self.on_book_order(stamp, order, out),
            Command::TimeAdvanced(_) | Command::HealthObserved(_) | Command::RequestRefused(_) => {
                self.next_system_version()
            }
            // Free-form streams are journaled for others; the core keeps no state of them.
            Command::StreamAppended(_) => 0,
        };
        if self.owes_held() {
            self.pay_held(stamp, out);
        }
        if self.is_continuing {
            self.is_continuing = self.continuations.iter().any(Option::is_some);
        }
        self.last = stamp.after(out.len());
        version
    }

    /// What it decides by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The versions that it can decide by.
    pub(crate) fn rules_table(&self) -> &'static [Rules] {
        self.rules_table
    }

    /// Takes other versions to decide by; gives those that it had.
    pub(crate) fn replace_rules(&mut self, table: &'static [Rules]) -> &'static [Rules] {
        std::mem::replace(&mut self.rules_table, table)
    }

    /// Stamp of the last record.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// Notes an event that was added after [`Machine::apply`]: the digest of the whole core.
    pub(crate) fn note_trailing_event(&mut self) -> u64 {
        self.last = self.last.after(1);
        self.next_system_version()
    }

    /// What the core owes itself at a time.
    pub fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Digest of the whole state.
    pub fn digest(&self) -> u64 {
        let words = [
            self.digest.0,
            self.settings.version(),
            u64::from(self.rules.version),
            self.system_version,
            self.continuations_hash(),
            self.firing,
            self.sweep.instruments,
            self.sweep.next.0,
            self.orders.digest(),
            self.executions.digest(),
            self.timers.created(),
            self.resting.digest(),
        ];
        row_hash(0, &words)
    }

    /// Orders.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Fills that were booked.
    pub fn executions(&self) -> &Executions {
        &self.executions
    }

    /// Fills that fit no order.
    pub fn unmatched_fills(&self) -> &UnmatchedFills {
        &self.unmatched_fills
    }

    /// Reconciliations that are going on.
    pub fn reconciliations(&self) -> &Reconciliations {
        &self.reconciliations
    }

    /// Positions.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Accounts, balances and books.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Limits and switches.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// An instrument, where it is defined.
    #[inline]
    pub fn instrument(&self, id: InstrumentId) -> Option<&InstrumentSlot> {
        self.instruments.get(id.0 as usize)?.as_ref()
    }

    /// All instruments in order of number.
    pub fn instruments(&self) -> impl Iterator<Item = &InstrumentSlot> {
        self.instruments.iter().flatten()
    }

    /// The market of an instrument whose number is in range.
    #[inline]
    pub fn market(&self, id: InstrumentId) -> &Market {
        &self.markets[id.0 as usize]
    }

    /// The book of orders of an instrument whose number is in range, where they are told one by one.
    #[inline]
    pub fn order_book(&self, id: InstrumentId) -> Option<&ToldBook> {
        self.market(id).order_book.map(|place| self.order_books.get(place))
    }

    /// All strategies in order of number.
    pub fn strategies(&self) -> impl Iterator<Item = (StrategyId, &StrategySlot)> {
        (0..).map(StrategyId).zip(self.strategies.iter()).filter_map(|(id, slot)| Some((id, slot.as_ref()?)))
    }

    /// A dictionary text; empty where there is none.
    pub fn text(&self, id: TextId) -> &str {
        self.texts.get(id.0 as usize).map_or("", TextBytes::as_str)
    }

    /// All dictionary texts in order of number.
    pub fn texts(&self) -> impl Iterator<Item = (TextId, &str)> {
        (0..)
            .map(TextId)
            .zip(self.texts.iter())
            .map(|(id, text)| (id, text.as_str()))
            .filter(|(_, text)| !text.is_empty())
    }

    fn refuse(&mut self, command: &Command, reason: Reject, value: i64, out: &mut EventBuffer) {
        let version = self.next_system_version();
        let refused = CommandRefused {
            value,
            reason: reason.code(),
            command_type: command.type_id().0,
            text: TextId::NONE,
        };
        out.push(version, refused);
    }

    /// Sequence of the command that is being applied.
    fn this_command(&self) -> Sequence {
        self.last.sequence.next()
    }

    fn next_system_version(&mut self) -> u64 {
        self.system_version += 1;
        self.system_version
    }

    /// Adds an event of an order's stream.
    #[inline]
    fn push_order(&mut self, slot: u32, event: impl Into<Event>, out: &mut EventBuffer) {
        let order = self.orders.get_mut(slot);
        order.version += 1;
        out.push(order.version, event);
    }

    /// Adds an event of an account's stream.
    #[inline]
    fn push_account(&mut self, account: AccountId, event: impl Into<Event>, out: &mut EventBuffer) {
        let row = self.accounts.account_mut(account);
        row.version += 1;
        out.push(row.version, event);
        self.accounts.rehash_account(account, &mut self.digest);
    }
}

/// Whether a number may index a table of `count` places; 0 means "none" and is no place.
fn is_in_range(number: u32, count: usize) -> bool {
    number != 0 && (number as usize) < count
}
