//! What risk costs a new order: the same orders through a machine without limits, and through one with every rule on.
//!
//! Three accounts, each with a position and open orders in four markets; every order passes every rule. An order's
//! cancel and its end are not timed: between two timed batches they bring the machine back to where it was. `still` is
//! a market that stands still; with `moving` every order comes after a quote that moves a mark, in both machines. The
//! medians over batches that take turns are printed first, with their difference and ratio.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use tickwerk_bench::recording;
use tickwerk_bench::workload::setup;
use tickwerk_domain::command::{
    CashTransferred, ConversionSet, FillReported, LimitSet, NewOrder, OrderReported, QuoteObserved,
    ReferenceCurrencySet,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, InstrumentId, LimitKind, LimitUnit, Liquidity, Money, OrderId,
    Payload, Price, Qty, Rate, ReportKind, SelfTradePrevention, Side, StrategyId, TextId, TimeNs,
};
use tickwerk_engine::EventBuffer;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::risk::scopes::{Scopes, scopes_of, values_of};

const ACCOUNTS: [AccountId; 3] = [AccountId(1), AccountId(2), AccountId(3)];
const INSTRUMENTS: [InstrumentId; 4] = [InstrumentId(1), InstrumentId(2), InstrumentId(3), InstrumentId(4)];
/// What an account has of each currency.
const DEPOSITS: [(CurrencyId, i128); 3] =
    [(CurrencyId(1), 5_000_000 * UNIT), (CurrencyId(2), 100 * UNIT), (CurrencyId(3), 1_000 * UNIT)];
const UNIT: i128 = 100_000_000;
/// Orders in a timed batch.
const ORDERS: usize = 240;
/// Batches of each machine.
const ROUNDS: usize = 600;
/// A millisecond from one order to the next, so that no rate is passed.
const STEP_NS: u64 = 1_000_000;

struct Desk {
    machine: Machine,
    events: EventBuffer,
    time: TimeNs,
    orders: Vec<NewOrder>,
    quotes: Vec<[QuoteObserved; 2]>,
    entered: Vec<OrderId>,
    batches: usize,
}

impl Desk {
    /// A machine after the workload's definitions, with or without a limit of every kind.
    fn new(has_limits: bool) -> Self {
        let mut desk = Self {
            machine: Machine::new(),
            events: EventBuffer::new(),
            time: TimeNs(1),
            orders: Vec::new(),
            quotes: Vec::new(),
            entered: Vec::with_capacity(ORDERS),
            batches: 0,
        };
        for record in setup() {
            let Payload::Command(command) = record.payload else { continue };
            desk.time = desk.time.max(record.envelope.time_ns);
            let is_own = matches!(
                command,
                Command::LimitSet(_) | Command::StrategyDefined(_) | Command::CashTransferred(_)
            );
            if !is_own {
                desk.apply(command);
            }
        }
        desk.deposit();
        if has_limits {
            for account in ACCOUNTS {
                desk.set_limits(account);
            }
        }
        for instrument in INSTRUMENTS {
            for account in ACCOUNTS {
                desk.open_position(account, instrument);
                for side in [Side::Buy, Side::Sell] {
                    let order = desk.order(account, instrument, side);
                    assert!(desk.enter(&order).is_some(), "a standing order passes");
                }
                desk.orders.push(desk.order(account, instrument, Side::Buy));
            }
            desk.quotes.push([0, 1].map(|ticks| desk.quote(instrument, ticks)));
        }
        desk
    }

    fn deposit(&mut self) {
        self.apply(ReferenceCurrencySet { currency: CurrencyId(1) });
        for (currency, price) in [(CurrencyId(2), 60_000), (CurrencyId(3), 2_500)] {
            let rate = Rate(price * Rate::ONE.0);
            self.apply(ConversionSet { rate, currency, instrument: InstrumentId::NONE });
        }
        for account in ACCOUNTS {
            for (currency, amount) in DEPOSITS {
                let (amount, reason) = (Money::new(amount), TextId::NONE);
                self.apply(CashTransferred { amount, account, currency, reason });
            }
        }
    }

    /// A long position of some lots, bought at the ask.
    fn open_position(&mut self, account: AccountId, instrument: InstrumentId) {
        let touch = self.machine.market(instrument).touch;
        let mut order = self.order(account, instrument, Side::Buy);
        (order.price, order.qty) = (touch.ask.price, Qty(order.qty.0 * 3));
        let id = self.enter(&order).expect("the order passes");
        self.apply(FillReported {
            order: id,
            execution_id: 1,
            price: order.price,
            qty: order.qty,
            fee: Money::ZERO,
            fee_currency: CurrencyId::NONE,
            liquidity: Liquidity::Taker,
        });
        assert_eq!(self.machine.positions().get(account, instrument).qty, order.qty.0, "it is filled");
    }

    fn set_limits(&mut self, account: AccountId) {
        for kind in LimitKind::ALL {
            let value = match kind.unit() {
                LimitUnit::SelfTrade => SelfTradePrevention::CancelTaker as i64,
                LimitUnit::Fraction => *values_of(*kind).end().min(&(90 * Rate::ONE.0 / 100)),
                LimitUnit::Count => *values_of(*kind).end(),
                LimitUnit::Quantity if *kind == LimitKind::OrderQuantityMin => 1,
                LimitUnit::Quantity | LimitUnit::Settlement | LimitUnit::Reference | LimitUnit::Duration => {
                    i64::MAX
                }
            };
            let value = if *kind == LimitKind::Leverage { 1_000 * Rate::ONE.0 } else { value };
            let is_account = scopes_of(*kind).contains(Scopes::ACCOUNT);
            for instrument in if is_account { 0..=0 } else { 1..=4 } {
                let instrument = InstrumentId(instrument);
                let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
                self.apply(LimitSet { value, account, instrument, strategy, reason, kind: *kind });
                assert!(matches!(self.events.events().next(), Some(Event::LimitChanged(_))), "{kind}");
            }
        }
    }

    /// An order two ticks away from the touch.
    fn order(&self, account: AccountId, instrument: InstrumentId, side: Side) -> NewOrder {
        let definition = &self.machine.instrument(instrument).expect("the workload defines it").definition;
        let touch = self.machine.market(instrument).touch;
        let away = 2 * definition.tick_size.0;
        let mut price = match side {
            Side::Buy => touch.bid.price,
            Side::Sell => touch.ask.price,
        };
        price.0 -= side.sign() * away;
        NewOrder::limit(account, instrument, side, price, definition.quantity_min)
    }

    /// The market as it is, or some ticks higher.
    fn quote(&self, instrument: InstrumentId, ticks: i64) -> QuoteObserved {
        let tick = self.machine.instrument(instrument).map_or(1, |known| known.definition.tick_size.0);
        let touch = self.machine.market(instrument).touch;
        let up = |price: Price| Price(price.0 + ticks * tick);
        QuoteObserved {
            update_id: 0,
            bid_price: up(touch.bid.price),
            bid_qty: touch.bid.qty,
            ask_price: up(touch.ask.price),
            ask_qty: touch.ask.qty,
            instrument,
        }
    }

    fn apply(&mut self, command: impl Into<Command>) {
        self.time.0 += STEP_NS;
        recording::apply(&mut self.machine, self.time, &command.into(), &mut self.events);
    }

    /// Enters an order; its id, where it passed.
    #[inline]
    fn enter(&mut self, order: &NewOrder) -> Option<OrderId> {
        let id = OrderId(self.machine.last().sequence.next().0);
        self.apply(*order);
        let is_approved = self.events.events().any(|event| matches!(event, Event::OrderSubmitted(_)));
        is_approved.then_some(id)
    }

    /// Ends the orders of the last batch.
    fn end(&mut self) {
        while let Some(order) = self.entered.pop() {
            let (kind, reason) = (ReportKind::Canceled, ReasonCode(0));
            self.apply(OrderReported { order, venue_order_id: 1, kind, reason });
        }
    }

    /// A batch of orders, each of another account and market than the one before it.
    fn enter_batch(&mut self, moves: bool) {
        self.batches += 1;
        for number in 0..ORDERS {
            if moves {
                // Every quote of a market differs from the one before it.
                let quotes = &self.quotes[number % self.quotes.len()];
                self.apply(quotes[(number / self.quotes.len() + self.batches) % 2]);
            }
            let order = self.orders[number * 5 % self.orders.len()];
            let id = self.enter(&order).expect("the order passes");
            self.entered.push(id);
        }
    }
}

/// Medians of an order without a rule and with every one, in nanoseconds; the batches take turns.
fn medians(desks: &mut [Desk; 2], moves: bool) -> [u128; 2] {
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    for round in 0..ROUNDS {
        for turn in [round % 2, 1 - round % 2] {
            let desk = &mut desks[turn];
            desk.end();
            let start = Instant::now();
            desk.enter_batch(moves);
            times[turn].push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2].as_nanos() / ORDERS as u128
    })
}

#[expect(clippy::print_stdout, reason = "the comparison is what the benchmark is for")]
fn compare(desks: &mut [Desk; 2]) {
    for (market, moves) in [("still", false), ("moving", true)] {
        let _warmed = medians(desks, moves);
        let [without, with] = medians(desks, moves);
        let (more, ratio) = (with.saturating_sub(without), with * 100 / without.max(1));
        println!(
            "{market} market: {without} ns a new order without rules, {with} ns with every rule: {more} ns more, {ratio} %"
        );
    }
}

fn risk_check(criterion: &mut Criterion) {
    let mut desks = [false, true].map(Desk::new);
    compare(&mut desks);
    let mut group = criterion.benchmark_group("risk_check");
    group.throughput(Throughput::Elements(ORDERS as u64));
    for (market, moves) in [("still", false), ("moving", true)] {
        for (rules, desk) in ["no_rule", "every_rule"].into_iter().zip(&mut desks) {
            group.bench_function(format!("{rules}/{market}"), |bencher| {
                let desk = std::cell::RefCell::new(&mut *desk);
                let ended = || desk.borrow_mut().end();
                let enter = |()| desk.borrow_mut().enter_batch(moves);
                bencher.iter_batched(ended, enter, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = risk_check
}
criterion_main!(benches);
