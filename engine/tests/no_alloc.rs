//! The core allocates nothing after start-up: a counting allocator watches every call of it.

#![expect(unsafe_code, reason = "an allocator that counts hands on to the system's, which is unsafe to call")]

#[cfg(test)]
#[path = "core/desk.rs"]
#[expect(dead_code, reason = "this binary needs the definitions and few of the tools")]
mod desk;
#[cfg(test)]
#[path = "core/seed.rs"]
#[expect(dead_code, reason = "one run is enough to count")]
mod seed;
#[cfg(test)]
#[path = "core/workload.rs"]
mod workload;

use desk::{ALICE, BOB, LINEAR, SPOT, cancel, definitions, limit_order, quote, report};
use seed::Random;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tickwerk_domain::command::{BookOrderObserved, KillSwitchSet, NewOrder, ReplaceOrder, SimulatedVenueSet};
use tickwerk_domain::{
    AccountId, BookAction, ClientOrderId, Command, Contingency, DurationNs, Envelope, Event, InstrumentId,
    OrderId, OrderType, Payload, Price, Qty, QueueModel, Record, Reject, ReportKind, Side, SourceId,
    StrategyId, TextId, TimeInForce, TimeNs,
};
use tickwerk_engine::limits::{OPEN_ORDERS_MAX, ORDERS_MAX};
use tickwerk_engine::{Core, Decider, EventBuffer};
use workload::Workload;

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn note() {
    if IS_WATCHED.get() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator with the arguments as they came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// A core that is watched whenever it is asked anything.
struct Watched {
    core: Core,
    events: EventBuffer,
    number: u64,
    time: u64,
    commands: u64,
}

impl Watched {
    fn new() -> Self {
        Self { core: Core::new(), events: EventBuffer::new(), number: 0, time: 0, commands: 0 }
    }

    /// Feeds a command as the pinned thread does; gives the id that a new order has.
    fn feed(&mut self, command: Command) -> OrderId {
        self.number += 1;
        self.time += 1_000;
        IS_WATCHED.set(true);
        while let Some(owed) = self.core.next_internal(TimeNs(self.time)) {
            self.decide(owed);
        }
        let (source, source_sequence) = (SourceId::FIRST_FEED, self.number);
        assert!(self.core.accepts(source, source_sequence));
        let id = OrderId(self.core.last().sequence.next().0);
        let envelope =
            Envelope { time_ns: TimeNs(self.time), source, source_sequence, ..Envelope::default() };
        self.decide(Record { envelope, payload: Payload::Command(command) });
        IS_WATCHED.set(false);
        id
    }

    fn decide(&mut self, mut record: Record) {
        let last = self.core.last();
        record.envelope.sequence = last.sequence.next();
        record.envelope.time_ns = record.envelope.time_ns.max(last.time_ns);
        self.events.clear();
        self.core.apply(&mut record, &mut self.events);
        self.commands += 1;
    }

    fn reason(&self) -> Option<Reject> {
        let first = self.events.events().next()?;
        if let Event::OrderRefused(refused) = first { Reject::from_code(refused.reason) } else { None }
    }
}

#[test]
fn the_counter_counts() {
    IS_WATCHED.set(true);
    drop(std::hint::black_box(Box::new(5)));
    IS_WATCHED.set(false);
    assert_eq!(COUNT.get(), 2);
}

#[test]
fn a_hundred_thousand_mixed_commands_allocate_nothing() {
    let mut watched = Watched::new();
    for command in definitions() {
        watched.feed(command);
    }
    let mut workload = Workload::new(11);
    while watched.commands < 100_000 {
        let command = workload.next();
        watched.feed(command);
        workload.note(watched.events.events().copied());
    }
    assert_eq!(COUNT.get(), 0);
}

/// Held, linked, replaced and expiring orders go through their stores many times over.
#[test]
fn rare_orders_allocate_nothing() {
    let mut watched = Watched::new();
    for command in definitions() {
        watched.feed(command);
    }
    let plain = |side, price| limit_order(SPOT, side, price, 100);
    let stop = |side, trigger| NewOrder {
        order_type: OrderType::Stop,
        trigger_price: Price(trigger),
        ..limit_order(SPOT, side, 0, 100)
    };
    for round in 0..6_000_u64 {
        let link = |order, contingency| NewOrder { link: 1 + round, contingency, ..order };
        watched.feed(quote(SPOT, 9_990, 10_010).into());
        watched.feed(link(plain(Side::Buy, 10_010), Contingency::Parent).into());
        let take = watched.feed(link(plain(Side::Sell, 10_500), Contingency::BracketExit).into());
        watched.feed(link(stop(Side::Sell, 9_800), Contingency::BracketExit).into());
        let trailing = NewOrder {
            order_type: OrderType::TrailingStop,
            trigger_price: Price(0),
            trail_offset: 50,
            ..stop(Side::Sell, 0)
        };
        let day = watched.feed(NewOrder { time_in_force: TimeInForce::Day, ..trailing }.into());
        let replace = ReplaceOrder {
            order: take,
            price: Price(10_510),
            qty: Qty(0),
            trigger_price: Price(0),
            display_qty: Qty(0),
            account: desk::ALICE,
            client_order_id: ClientOrderId::NONE,
        };
        watched.feed(replace.into());
        let (bid, ask) = if round % 2 == 0 { (9_700, 9_720) } else { (10_520, 10_540) };
        watched.feed(quote(SPOT, bid, ask).into());
        watched.feed(cancel(day).into());
    }
    assert!(watched.commands > 60_000);
    assert_eq!(COUNT.get(), 0);
}

/// Orders of others and orders of ours, in a market that is told order by order and on an exchange of our own.
#[test]
fn order_books_and_an_exchange_allocate_nothing() {
    let mut watched = Watched::new();
    for command in definitions() {
        watched.feed(command);
    }
    let mut random = Random::new(17);
    for (instrument, queue_model) in [(SPOT, QueueModel::Power), (LINEAR, QueueModel::Exchange)] {
        let latency = DurationNs(1_500);
        watched
            .feed(SimulatedVenueSet { queue_model, ..SimulatedVenueSet::touch(instrument, latency) }.into());
    }
    for number in 0..60_000 {
        let side = random.pick(Side::ALL);
        let price = 10 * random.between(990, 1_010);
        let command = match random.below(8) {
            0..=3 => {
                let action = if watched.core.machine().market(SPOT).is_stale() {
                    BookAction::Clear
                } else {
                    let actions = [BookAction::Add, BookAction::Add, BookAction::Execute, BookAction::Reduce];
                    random.pick(&actions)
                };
                BookOrderObserved {
                    venue_order_id: u64::from(random.below(400)),
                    update_id: number,
                    price: Price(price),
                    qty: Qty(random.between(1, 40)),
                    instrument: SPOT,
                    side,
                    action,
                    is_last: !random.one_in(5),
                }
                .into()
            }
            4 => limit_order(SPOT, side, price, 10).into(),
            5 | 6 => {
                let account = random.pick(&[ALICE, BOB]);
                NewOrder { account, ..limit_order(LINEAR, side, price, 10) }.into()
            }
            _ => cancel(OrderId(watched.core.last().sequence.0.saturating_sub(u64::from(random.below(200)))))
                .into(),
        };
        watched.feed(command);
    }
    assert!(watched.core.machine().order_book(SPOT).is_some_and(|book| book.arrivals() > 1_000));
    assert!(watched.core.machine().executions().remembered().count() > 1_000);
    assert_eq!(COUNT.get(), 0);
}

/// Fills the store of open orders and then the store of all orders, cancels all by the kill switch, and goes on.
#[test]
fn full_stores_refuse_and_reuse_and_allocate_nothing() {
    let mut watched = Watched::new();
    for command in definitions() {
        watched.feed(command);
    }
    let name = |number: usize| ClientOrderId::new(&format!("order-{number}")).unwrap();
    let order = |number| {
        let order = limit_order(SPOT, Side::Buy, 10 + 10 * i64::try_from(number % 50).unwrap(), 10);
        Command::from(NewOrder { client_order_id: name(number), ..order })
    };
    // Nothing arrives at the simulated venue, so nothing is ever answered but by this test.
    watched.feed(SimulatedVenueSet::touch(SPOT, DurationNs(u64::MAX)).into());
    let ids: Vec<_> = (0..OPEN_ORDERS_MAX).map(|number| watched.feed(order(number))).collect();
    assert_eq!(watched.core.machine().orders().open_count(), OPEN_ORDERS_MAX);
    watched.feed(order(9_000_000));
    assert_eq!(watched.reason(), Some(Reject::StoreFull));
    let (account, instrument, reason) = (AccountId(0), InstrumentId(0), TextId::NONE);
    let switch = KillSwitchSet { account, instrument, strategy: StrategyId::NONE, reason, engaged: true };
    watched.feed(switch.into());
    watched.feed(KillSwitchSet { engaged: false, ..switch }.into());
    for id in &ids {
        watched.feed(report(*id, ReportKind::Canceled, None).into());
    }
    assert_eq!(watched.core.machine().orders().open_count(), 0);
    for number in 0..ORDERS_MAX {
        let id = watched.feed(order(10_000_000 + number));
        watched.feed(cancel(id).into());
        watched.feed(report(id, ReportKind::Canceled, None).into());
    }
    let orders = watched.core.machine().orders();
    assert_eq!(orders.remembered().count(), ORDERS_MAX);
    assert!(ids.iter().all(|id| orders.by_id(*id).is_none()), "the oldest done orders are forgotten");
    assert_eq!(COUNT.get(), 0);
}
