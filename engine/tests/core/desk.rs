//! A core with definitions, stamped and fed as the pinned thread does it, that keeps every frame.
//!
//! After each command the books of every currency must sum up to zero, and an account without open orders ties up
//! nothing but the margin of its positions.

use std::collections::BTreeMap;
use tickwerk_domain::command::{
    AccountDefined, CancelOrder, CashTransferred, CurrencyDefined, FillReported, LimitSet, NewOrder,
    OrderReported, QuoteObserved, RulesActivated,
};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{
    AccountId, BreakerKind, ClientOrderId, Command, CurrencyId, Envelope, Event, Instrument, InstrumentId,
    InstrumentKind, LimitKind, Liquidity, Money, OrderId, Payload, PositionMode, PositionSide, Price, Qty,
    Rate, Record, Reject, ReportKind, Side, SourceId, StrategyId, TextId, TimeNs, TimerKind,
};
use tickwerk_engine::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX, STRATEGIES_MAX};
use tickwerk_engine::machine::Machine;
use tickwerk_engine::replay::Replay;
use tickwerk_engine::{Core, Decider, EventBuffer};

pub(crate) const USD: CurrencyId = CurrencyId(1);
pub(crate) const BTC: CurrencyId = CurrencyId(2);
/// Prices at 2 decimals, quantities at 5; USD has 4, so that values are rounded when they are posted.
pub(crate) const SPOT: InstrumentId = InstrumentId(1);
/// Prices at 2 decimals, quantities at 3, settles in USD.
pub(crate) const LINEAR: InstrumentId = InstrumentId(2);
/// Prices at 1 decimal, contracts of 100 USD, settles in BTC.
pub(crate) const INVERSE: InstrumentId = InstrumentId(3);
pub(crate) const ALICE: AccountId = AccountId(1);
pub(crate) const BOB: AccountId = AccountId(2);
/// A million dollars.
pub(crate) const USD_START: i128 = 10_000_000_000;
/// Ten bitcoins.
pub(crate) const BTC_START: i128 = 1_000_000_000;
/// 0.01 %.
pub(crate) const MAKER_FEE: Rate = Rate(10_000);
/// 0.05 %.
pub(crate) const TAKER_FEE: Rate = Rate(50_000);

pub(crate) struct Desk {
    pub(crate) core: Core,
    pub(crate) frames: Vec<Vec<Record>>,
    pub(crate) time: u64,
    events: EventBuffer,
    number: u64,
    /// Whether the core was always asked first what it owes, as it is wherever a journal is written.
    is_journal: bool,
}

impl Desk {
    /// Knows nothing.
    pub(crate) fn empty() -> Self {
        Self {
            core: Core::new(),
            frames: Vec::new(),
            time: 1_000,
            events: EventBuffer::new(),
            number: 0,
            is_journal: true,
        }
    }

    /// Knows the instruments and both accounts, which have money.
    pub(crate) fn new() -> Self {
        let mut desk = Self::empty();
        for command in definitions() {
            desk.apply(command);
        }
        desk
    }

    /// [`Desk::new`] with the mid price of every instrument at 10,000.
    pub(crate) fn with_quotes() -> Self {
        let mut desk = Self::new();
        for instrument in [SPOT, LINEAR, INVERSE] {
            assert_eq!(desk.apply(quote(instrument, 9_990, 10_010)), []);
        }
        desk
    }

    pub(crate) fn machine(&self) -> &Machine {
        self.core.machine()
    }

    /// The same after a restart: a new core that was given all frames, and agrees with each.
    pub(crate) fn restarted(mut self) -> Self {
        let mut replay = Replay::new();
        for frame in &self.frames {
            assert_eq!(replay.apply(frame), Ok(()));
        }
        assert_eq!(replay.core().digest(), self.core.digest());
        self.core = replay.into_core();
        self
    }

    /// Decides on an external command, without what the simulated venue owes.
    pub(crate) fn apply(&mut self, command: impl Into<Command>) -> Vec<Event> {
        self.apply_sent(command, TimeNs::UNKNOWN)
    }

    /// The same for a command that its source sent at `source_time`.
    pub(crate) fn apply_sent(&mut self, command: impl Into<Command>, source_time: TimeNs) -> Vec<Event> {
        self.time += 1_000;
        self.number += 1;
        self.is_journal &= self.core.next_due().is_none_or(|due| due > TimeNs(self.time));
        let source = SourceId::FIRST_FEED;
        assert!(self.core.accepts(source, self.number));
        let envelope = Envelope {
            time_ns: TimeNs(self.time),
            source_time,
            source,
            source_sequence: self.number,
            ..Envelope::default()
        };
        self.decide(Record { envelope, payload: Payload::Command(command.into()) })
    }

    /// Decides on an external command after all that the core owes itself by then.
    pub(crate) fn feed(&mut self, command: impl Into<Command>) -> Vec<Event> {
        self.settle(self.time + 1_000);
        self.apply(command)
    }

    /// Decides on all that the core owes itself at `now` or before.
    pub(crate) fn settle(&mut self, now: u64) -> Vec<(Command, Vec<Event>)> {
        let mut settled = Vec::new();
        while let Some(one) = self.settle_one(now) {
            settled.push(one);
        }
        settled
    }

    /// Decides on the first thing that the core owes itself at `now` or before.
    pub(crate) fn settle_one(&mut self, now: u64) -> Option<(Command, Vec<Event>)> {
        let record = self.core.next_internal(TimeNs(now))?;
        let Payload::Command(command) = record.payload else { panic!("an event is no command") };
        Some((command, self.decide(record)))
    }

    fn decide(&mut self, mut record: Record) -> Vec<Event> {
        let last = self.core.last();
        record.envelope.sequence = last.sequence.next();
        record.envelope.time_ns = record.envelope.time_ns.max(last.time_ns);
        self.events.clear();
        self.core.apply(&mut record, &mut self.events);
        let mut frame = vec![record];
        for (place, (stream_version, event)) in (1..).zip(self.events.as_slice()) {
            let sequence = record.envelope.sequence.plus(place);
            let envelope = Envelope { sequence, stream_version: *stream_version, ..record.envelope };
            frame.push(Record { envelope, payload: Payload::Event(*event) });
        }
        self.frames.push(frame);
        assert_books_balance(self.machine());
        assert_nothing_is_left(self.machine());
        self.events.events().copied().collect()
    }

    pub(crate) fn cash(&self, account: AccountId, currency: CurrencyId) -> i128 {
        self.machine().accounts().balance(account, currency).cash
    }

    pub(crate) fn reserved(&self, account: AccountId, currency: CurrencyId) -> i128 {
        self.machine().accounts().balance(account, currency).reserved
    }

    /// The id that an order gets whose command comes next.
    pub(crate) fn next_id(&self) -> OrderId {
        OrderId(self.core.last().sequence.next().0)
    }
}

/// Every scenario that could be a journal is decided again at its end, as after a kill at any of its frames; on the way
/// the core is saved and restored once, at a frame that the scenario's length chooses. In the others somebody else speaks
/// for orders of which the simulated venue still owes a word; they are saved and restored where they end.
impl Drop for Desk {
    fn drop(&mut self) {
        let is_whole = self.frames.len() as u64 == self.core.frames();
        if std::thread::panicking() {
            return;
        }
        if !self.is_journal || !is_whole {
            restored(&self.core);
            return;
        }
        let cut = cut(self.frames.len());
        let mut replay = Replay::new();
        for (place, frame) in self.frames.iter().enumerate() {
            if place == cut {
                replay = Replay::resume(restored(replay.core()));
            }
            assert_eq!(replay.apply(frame), Ok(()), "restored before frame {cut}");
        }
        assert_eq!(replay.core().digest(), self.core.digest(), "the state after a restart");
        assert!(replay.core().save() == self.core.save(), "the image after a restart at frame {cut}");
    }
}

/// A frame of a scenario of so many, near its middle or its end.
fn cut(frames: usize) -> usize {
    frames / 2 + frames * 7_919 % (frames / 2 + 1)
}

/// The core that the image of another one makes; it makes the same image.
pub(crate) fn restored(core: &Core) -> Core {
    let image = core.save();
    let restored = Core::restore(&image).expect("what was saved is restored");
    assert_eq!(restored.digest(), core.digest());
    assert!(restored.save() == image, "the image of what was restored");
    restored
}

/// The sum over all books of a currency is zero.
pub(crate) fn assert_books_balance(machine: &Machine) {
    for (currency, _) in machine.accounts().currencies() {
        let sum: i128 = LedgerBook::ALL.iter().map(|book| machine.accounts().book(currency, *book)).sum();
        assert_eq!(sum, 0, "books of currency {currency}");
    }
}

/// Once an account has no open order, nothing that orders tie up, add or wait for is left.
fn assert_nothing_is_left(machine: &Machine) {
    let (accounts, positions) = (machine.accounts(), machine.positions());
    let mut open_orders = 0;
    for (account, row) in accounts.accounts() {
        open_orders += row.open_orders as usize;
        let mut margins = BTreeMap::new();
        for slot in machine.instruments() {
            let (instrument, settlement) = (slot.definition.instrument, slot.definition.settlement);
            // Both rows, whatever the account's mode is.
            for side in [PositionSide::Long, PositionSide::Short] {
                let position = positions.of(account, instrument, side);
                assert!(position.open_buys >= 0 && position.open_sells >= 0, "{account} in {instrument}");
                let is_open = position.qty | position.open_buys | position.open_sells != 0;
                assert!(is_open || position.margin == 0, "margin of {account} in {instrument}");
                *margins.entry(settlement).or_insert(0) += position.margin;
                if row.open_orders == 0 {
                    assert_eq!(
                        (position.open_buys, position.open_sells),
                        (0, 0),
                        "{account} in {instrument}"
                    );
                }
            }
        }
        for (currency, _) in accounts.currencies().filter(|_| row.open_orders == 0) {
            let margin = margins.get(&currency).copied().unwrap_or(0);
            assert_eq!(accounts.balance(account, currency).reserved, margin, "{account} in {currency}");
        }
    }
    assert_eq!(machine.orders().open_count(), open_orders);
    let timers = machine.timers();
    if open_orders == 0 && !timers.is_empty() {
        let is_set = |kind, subject| usize::from(timers.due(kind, subject).is_some());
        let of_marks: usize = (0..INSTRUMENTS_MAX as u64).map(|of| is_set(TimerKind::Mark, of)).sum();
        let subjects = (0..(ACCOUNTS_MAX + STRATEGIES_MAX) as u64)
            .flat_map(|of| BreakerKind::ALL.iter().map(move |kind| (*kind as u64) << 32 | of));
        let of_breakers: usize = subjects.map(|of| is_set(TimerKind::BreakerCooled, of)).sum();
        assert_eq!(timers.len(), of_marks + of_breakers, "no order is open that could expire");
    }
}

pub(crate) fn instrument(instrument: InstrumentId) -> Instrument {
    let (kind, settlement, settlement_scale, price_scale, quantity_scale, multiplier) = match instrument {
        INVERSE => (InstrumentKind::Inverse, BTC, 8, 1, 0, 100),
        LINEAR => (InstrumentKind::Linear, USD, 4, 2, 3, 1),
        _ => (InstrumentKind::Spot, USD, 4, 2, 5, 1),
    };
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(10),
        lot_size: Qty(5),
        quantity_min: Qty(10),
        quantity_max: Qty(1_000_000_000),
        multiplier,
        maker_fee: MAKER_FEE,
        taker_fee: TAKER_FEE,
        margin_rate: Rate(10_000_000),
        instrument,
        symbol: TextId::NONE,
        base: BTC,
        quote: USD,
        settlement,
        kind,
        price_scale,
        quantity_scale,
        settlement_scale,
    }
}

pub(crate) fn definitions() -> Vec<Command> {
    let currency = |currency, scale| CurrencyDefined { currency, code: TextId::NONE, scale };
    let mut commands: Vec<Command> =
        vec![RulesActivated { version: 1 }.into(), currency(USD, 4).into(), currency(BTC, 8).into()];
    commands.extend([SPOT, LINEAR, INVERSE].map(|id| Command::from(instrument(id))));
    for account in [ALICE, BOB] {
        commands.push(AccountDefined { account, name: TextId::NONE, mode: PositionMode::Netting }.into());
        commands.push(transfer(account, USD, USD_START));
        commands.push(transfer(account, BTC, BTC_START));
    }
    commands
}

pub(crate) fn transfer(account: AccountId, currency: CurrencyId, amount: i128) -> Command {
    CashTransferred { amount: Money::new(amount), account, currency, reason: TextId::NONE }.into()
}

/// A quote with 1,000,000 on both sides and no update id.
pub(crate) fn quote(instrument: InstrumentId, bid: i64, ask: i64) -> QuoteObserved {
    QuoteObserved {
        update_id: 0,
        bid_price: Price(bid),
        bid_qty: Qty(1_000_000),
        ask_price: Price(ask),
        ask_qty: Qty(1_000_000),
        instrument,
    }
}

pub(crate) fn limit_order(instrument: InstrumentId, side: Side, price: i64, qty: i64) -> NewOrder {
    NewOrder::limit(ALICE, instrument, side, Price(price), Qty(qty))
}

pub(crate) fn market_order(instrument: InstrumentId, side: Side, qty: i64) -> NewOrder {
    NewOrder::market(ALICE, instrument, side, Qty(qty))
}

pub(crate) fn named(order: NewOrder, name: &str) -> NewOrder {
    NewOrder { client_order_id: ClientOrderId::new(name).unwrap(), ..order }
}

pub(crate) fn cancel(order: OrderId) -> CancelOrder {
    CancelOrder { order, account: ALICE, client_order_id: ClientOrderId::NONE }
}

pub(crate) fn report(order: OrderId, kind: ReportKind, reason: Option<Reject>) -> OrderReported {
    OrderReported { order, venue_order_id: 77, kind, reason: reason.map(Reject::code).unwrap_or_default() }
}

pub(crate) fn fill(order: OrderId, execution_id: u64, price: i64, qty: i64, fee: i128) -> FillReported {
    let (price, qty, fee) = (Price(price), Qty(qty), Money::new(fee));
    FillReported {
        order,
        execution_id,
        price,
        qty,
        fee,
        fee_currency: CurrencyId::NONE,
        liquidity: Liquidity::Taker,
    }
}

pub(crate) fn limit(kind: LimitKind, account: AccountId, instrument: InstrumentId, value: i64) -> LimitSet {
    LimitSet { value, account, instrument, strategy: StrategyId::NONE, reason: TextId::NONE, kind }
}

/// The types of events, for where their content is another test's matter.
pub(crate) fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::event_type).collect()
}
