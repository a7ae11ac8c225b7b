//! What risk costs a new order: the same orders through a machine without limits, and through one with every rule on.
//!
//! The account holds a position and open orders in each market. An order's cancel and its end are not timed: between two
//! timed batches they bring the machine back to where it was.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tickwerk_bench::recording;
use tickwerk_bench::workload::setup;
use tickwerk_domain::command::{LimitSet, NewOrder, OrderReported, ReferenceCurrencySet, StrategyDefined};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, InstrumentId, LimitKind, LimitUnit, OrderId, Payload, Rate,
    ReportKind, SelfTradePrevention, Side, StrategyId, TextId, TimeNs,
};
use tickwerk_engine::EventBuffer;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::risk::scopes::{Scopes, scopes_of, values_of};

const ACCOUNT: AccountId = AccountId(1);
/// Orders in a timed batch.
const ORDERS: u64 = 256;
/// A millisecond from one order to the next, so that no rate is passed.
const STEP_NS: u64 = 1_000_000;

struct Desk {
    machine: Machine,
    events: EventBuffer,
    time: TimeNs,
}

impl Desk {
    /// A machine after the workload's definitions, with or without a limit of every kind.
    fn new(has_limits: bool) -> Self {
        let mut desk = Self { machine: Machine::new(), events: EventBuffer::new(), time: TimeNs(1) };
        for record in setup() {
            let Payload::Command(command) = record.payload else { continue };
            desk.time = desk.time.max(record.envelope.time_ns);
            let is_limit = matches!(command, Command::LimitSet(_));
            let is_enabled = matches!(command, Command::StrategyDefined(StrategyDefined { .. }));
            if !is_limit && !is_enabled {
                desk.apply(command);
            }
        }
        desk.apply(ReferenceCurrencySet { currency: CurrencyId(1) });
        desk.apply(tickwerk_domain::command::ConversionSet {
            rate: Rate(60_000 * Rate::ONE.0),
            currency: CurrencyId(2),
            instrument: InstrumentId::NONE,
        });
        desk.apply(tickwerk_domain::command::ConversionSet {
            rate: Rate(2_500 * Rate::ONE.0),
            currency: CurrencyId(3),
            instrument: InstrumentId::NONE,
        });
        if has_limits {
            desk.set_limits();
        }
        for instrument in [1, 2, 3, 4] {
            for side in [Side::Buy, Side::Sell] {
                let order = desk.order(InstrumentId(instrument), side);
                assert!(desk.enter(order).is_some(), "a standing order passes");
            }
        }
        desk
    }

    fn set_limits(&mut self) {
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
                let (account, strategy, reason) = (ACCOUNT, StrategyId::NONE, TextId::NONE);
                self.apply(LimitSet { value, account, instrument, strategy, reason, kind: *kind });
                assert!(matches!(self.events.events().next(), Some(Event::LimitChanged(_))), "{kind}");
            }
        }
    }

    /// An order two ticks away from the touch.
    fn order(&self, instrument: InstrumentId, side: Side) -> NewOrder {
        let definition = &self.machine.instrument(instrument).expect("the workload defines it").definition;
        let touch = self.machine.market(instrument).touch;
        let away = 2 * definition.tick_size.0;
        let mut price = match side {
            Side::Buy => touch.bid.price,
            Side::Sell => touch.ask.price,
        };
        price.0 -= side.sign() * away;
        NewOrder::limit(ACCOUNT, instrument, side, price, definition.quantity_min)
    }

    fn apply(&mut self, command: impl Into<Command>) {
        self.time.0 += STEP_NS;
        recording::apply(&mut self.machine, self.time, &command.into(), &mut self.events);
    }

    /// Enters an order; its id, where it passed.
    fn enter(&mut self, order: NewOrder) -> Option<OrderId> {
        let id = OrderId(self.machine.last().sequence.next().0);
        self.apply(order);
        let is_approved = matches!(self.events.events().next(), Some(Event::OrderApproved(_)));
        is_approved.then_some(id)
    }
}

fn risk_check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("risk_check");
    group.throughput(Throughput::Elements(ORDERS));
    for (name, has_limits) in [("no_rule", false), ("every_rule", true)] {
        let mut desk = Desk::new(has_limits);
        let orders = [1, 2, 3, 4].map(|id| desk.order(InstrumentId(id), Side::Buy));
        group.bench_function(name, |bencher| {
            let desk = std::cell::RefCell::new(&mut desk);
            let ended = || {
                let desk = &mut **desk.borrow_mut();
                let after = desk.machine.orders().open().nth(8).map_or(u64::MAX, |order| order.id.0);
                let ids: Vec<OrderId> =
                    desk.machine.orders().open().map(|order| order.id).filter(|id| id.0 >= after).collect();
                for order in ids {
                    let (kind, reason) = (ReportKind::Canceled, ReasonCode(0));
                    desk.apply(OrderReported { order, venue_order_id: 1, kind, reason });
                }
            };
            let enter = |()| {
                let desk = &mut **desk.borrow_mut();
                for order in orders.iter().cycle().take(usize::try_from(ORDERS).unwrap_or(0)) {
                    assert!(desk.enter(*order).is_some(), "the order passes");
                }
            };
            bencher.iter_batched(ended, enter, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = risk_check
}
criterion_main!(benches);
