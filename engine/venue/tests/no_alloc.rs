//! The venue allocates nothing after it was made: a counting allocator watches it under every model.

#![expect(unsafe_code, reason = "an allocator that counts hands on to the system's, which is unsafe to call")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tickwerk_domain::command::{
    BookOrderObserved, LatencyRecorded, NewOrder, PriceBandSet, SimulatedVenueSet, VenueLatencySet,
};
use tickwerk_domain::event::{CancelSubmitted, OrderSubmitted, ReplaceSubmitted};
use tickwerk_domain::{
    AccountId, Aggressor, BookAction, DurationNs, InstrumentId, LatencyModel, Level, Money, OrderId,
    OrderType, Price, Qty, QueueModel, Rate, SelfTradePrevention, SessionState, Side, StrategyId,
    TimeInForce, TimeNs, Touch, VenueId, VenueState,
};
use tickwerk_venue::SimulatedVenue;
use tickwerk_venue::book::{
    Effect, MatchingBook, NewOrder as BookNewOrder, Phase, Replace, Standing, ToldBook, UncrossStanding,
    Validity,
};
use tickwerk_venue::random::Random;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator with the arguments as they came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the pointer came from `alloc` above, and so from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const INSTRUMENTS: u64 = 3;

/// One random thing after the other, sensible and extreme.
struct Everything {
    venue: SimulatedVenue,
    book: ToldBook,
    random: Random,
    now: u64,
    orders: u64,
}

impl Everything {
    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.random.up_to(all.len() as u64 - 1)).expect("an index of a slice")]
    }

    fn instrument(&mut self) -> InstrumentId {
        self.pick(&[InstrumentId(1), InstrumentId(2), InstrumentId(3)])
    }

    fn number(&mut self) -> i64 {
        if self.random.up_to(50) == 0 {
            return self.pick(&[i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX]);
        }
        90 + self.random.up_to(20).cast_signed()
    }

    /// A positive quantity: the core sends no others.
    fn qty(&mut self) -> Qty {
        Qty(self.number().saturating_abs().max(1))
    }

    fn level(&mut self) -> Level {
        Level { price: Price(self.number()), qty: Qty(self.number()) }
    }

    fn step(&mut self) {
        self.now += self.random.up_to(9);
        let (at, instrument) = (TimeNs(self.now), self.instrument());
        let order = OrderId(self.random.up_to(self.orders));
        match self.random.up_to(20) {
            0..=6 => self.submit(at, instrument),
            7 | 8 => self.venue.cancel(at, &CancelSubmitted { order, instrument }),
            9 => self.replace(at, order, instrument),
            10..=12 => {
                let touch = Touch { bid: self.level(), ask: self.level() };
                self.venue.hear(at, TimeNs(self.now.saturating_sub(self.random.up_to(9))), instrument);
                self.venue.observe(at, instrument, touch);
            }
            13 | 14 => {
                let (price, qty) = (Price(self.number()), Qty(self.number()));
                let aggressor = self.pick(Aggressor::ALL);
                self.venue.trade(at, instrument, price, qty, aggressor);
            }
            15 => {
                let (side, level) = (self.pick(Side::ALL), self.level());
                self.venue.level(instrument, side, level);
            }
            16 | 17 => self.book_order(at),
            18 if self.random.up_to(20) == 0 => {
                let state = self.pick(SessionState::ALL);
                self.venue.session(at, instrument, state);
            }
            19 if self.random.up_to(20) == 0 => {
                let state = self.pick(VenueState::ALL);
                self.venue.connection(at, state);
            }
            20 if self.random.up_to(20) == 0 => self.configure(instrument),
            _ => self.venue.session(at, instrument, SessionState::Continuous),
        }
        while self.venue.next_report(at).is_some() {}
    }

    fn submit(&mut self, at: TimeNs, instrument: InstrumentId) {
        self.orders += 1;
        let (side, price, qty) = (self.pick(Side::ALL), Price(self.number()), self.qty());
        let asked = NewOrder {
            order_type: self.pick(&[OrderType::Market, OrderType::Limit, OrderType::Limit, OrderType::Stop]),
            time_in_force: self.pick(TimeInForce::ALL),
            display_qty: self.pick(&[Qty::ZERO, Qty::ZERO, Qty(3), Qty(i64::MAX), Qty(i64::MIN)]),
            expires_at: self.pick(&[TimeNs(0), TimeNs(1), TimeNs::MAX, at.saturating_add(DurationNs(500))]),
            post_only: self.random.up_to(5) == 0,
            ..NewOrder::limit(AccountId(1), instrument, side, price, qty)
        };
        let order = OrderSubmitted::new(OrderId(self.orders), StrategyId::NONE, VenueId::SIMULATED, &asked);
        self.venue.submit(at, &order);
    }

    fn replace(&mut self, at: TimeNs, order: OrderId, instrument: InstrumentId) {
        let replace = ReplaceSubmitted {
            order,
            price: Price(self.number()),
            qty: Qty(self.number()),
            trigger_price: Price(self.number()),
            display_qty: Qty(self.number()),
            reserved: Money::ZERO,
            limits_version: 1,
            instrument,
            venue: VenueId::SIMULATED,
        };
        self.venue.replace(at, &replace);
    }

    fn book_order(&mut self, at: TimeNs) {
        let told = BookOrderObserved {
            venue_order_id: self.random.up_to(300),
            update_id: 0,
            price: Price(self.number()),
            qty: Qty(self.number()),
            instrument: InstrumentId(3),
            side: self.pick(Side::ALL),
            action: self.pick(BookAction::ALL),
            is_last: self.random.up_to(3) > 0,
        };
        self.book.apply(&told).ok();
        self.venue.book_order(at, &told, &self.book);
    }

    /// As the core sees to it, measured latencies come in order and the band has its edges the right way round.
    fn configure_latency_and_band(&mut self, instrument: InstrumentId) {
        let [order_factor, report_factor] =
            [(); 2].map(|()| Rate(self.random.up_to(300_000_000).cast_signed()));
        let model = self.pick(LatencyModel::ALL);
        let setting = VenueLatencySet { order_factor, report_factor, table: 0, instrument, model };
        self.venue.configure_latency(&setting);
        let mut sent = self.now.saturating_sub(20);
        for _ in 0..self.random.up_to(4) {
            sent += 1 + self.random.up_to(9);
            let [sent_at, arrived_at, reported_at] = [sent, sent + 3, sent + 5].map(TimeNs);
            self.venue.record_latency(&LatencyRecorded { sent_at, arrived_at, reported_at, instrument });
        }
        let (one, other) = (self.number(), self.number());
        let dynamic = Rate(self.random.up_to(20_000_000).cast_signed());
        let (low, high) = if self.random.up_to(2) == 0 { (0, 0) } else { (one.min(other), one.max(other)) };
        let band = PriceBandSet { low: Price(low), high: Price(high), dynamic, instrument };
        self.venue.configure_band(TimeNs(self.now), &band);
    }

    fn configure(&mut self, instrument: InstrumentId) {
        let rates = [Rate(0), Rate(3_000_000), Rate(i64::MIN), Rate(i64::MAX)];
        let setting = SimulatedVenueSet {
            report_latency: DurationNs(self.random.up_to(100)),
            jitter: DurationNs(self.random.up_to(100)),
            seed: self.random.draw(),
            queue_parameter: self.pick(&rates),
            reject_rate: self.pick(&rates[..3]),
            loss_rate: self.pick(&rates[..3]),
            duplicate_rate: self.pick(&rates),
            slippage_ticks: self.pick(&[0, 2, u32::MAX]),
            queue_model: self.pick(QueueModel::ALL),
            self_trade: self.pick(SelfTradePrevention::ALL),
            ..SimulatedVenueSet::touch(instrument, DurationNs(self.random.up_to(100)))
        };
        self.venue.configure(&setting);
        self.configure_latency_and_band(instrument);
    }
}

#[test]
fn whatever_it_is_told_the_venue_neither_allocates_nor_panics() {
    for seed in 0..8 {
        let venue = SimulatedVenue::new(usize::try_from(INSTRUMENTS).expect("a small number") + 1);
        let mut everything =
            Everything { venue, book: ToldBook::new(256), random: Random::new(seed), now: 1_000, orders: 0 };
        for instrument in [InstrumentId(1), InstrumentId(2), InstrumentId(3)] {
            everything.configure(instrument);
        }
        let before = COUNT.get();
        for _ in 0..20_000 {
            everything.step();
        }
        assert_eq!(COUNT.get(), before, "seed {seed}");
    }
}

/// A matching book under everything that may come, with bounds so small that orders and auctions go on in steps.
fn match_everything(book: &mut MatchingBook, random: &mut Random, effects: &mut Vec<Effect>, id: u64) {
    const BOUND: usize = 3;
    let mut emit = |effect| {
        if effects.len() == effects.capacity() {
            effects.clear();
        }
        effects.push(effect);
    };
    let side = Side::ALL[usize::try_from(random.up_to(1)).expect("one of two")];
    let price = Price(90 + random.up_to(20).cast_signed());
    let qty = Qty(random.up_to(30).cast_signed());
    let self_trade = SelfTradePrevention::ALL
        [usize::try_from(random.up_to(SelfTradePrevention::ALL.len() as u64 - 1)).expect("an index")];
    let outcome = match random.up_to(12) {
        0..=5 => {
            let plain = BookNewOrder::limit(id, side, price, qty);
            let order = BookNewOrder {
                price: (random.up_to(5) > 0).then_some(price),
                display: (random.up_to(5) == 0).then_some(Qty(2)),
                validity: [Validity::Rest, Validity::Rest, Validity::ImmediateOrCancel, Validity::FillOrKill]
                    [usize::try_from(random.up_to(3)).expect("an index")],
                post_only: random.up_to(6) == 0,
                owner: u32::try_from(random.up_to(2)).expect("small"),
                self_trade,
                ..plain
            };
            book.submit(&order, BOUND, &mut emit)
        }
        6..=8 => {
            book.cancel(random.up_to(id)).ok();
            return;
        }
        9 | 10 => {
            let replace = Replace { id: random.up_to(id), price, qty, post_only: false, self_trade };
            book.replace(&replace, BOUND, &mut emit)
        }
        11 => {
            let phase = [Phase::Auction, Phase::Halted, Phase::Continuous]
                [usize::try_from(random.up_to(2)).expect("an index")];
            book.set_phase(phase).ok();
            return;
        }
        _ => {
            while let Ok(uncrossed) = book.uncross(Some(price), BOUND, &mut emit)
                && uncrossed.standing == UncrossStanding::Unfinished
            {}
            return;
        }
    };
    if outcome.is_ok_and(|outcome| outcome.standing == Standing::Unfinished) {
        while random.up_to(20) > 0
            && book.resume(BOUND, &mut emit).is_some_and(|outcome| outcome.standing == Standing::Unfinished)
        {
        }
        book.abandon();
    }
}

#[test]
fn a_matching_book_allocates_nothing() {
    for seed in 0..4 {
        let (mut book, mut random) = (MatchingBook::new(256), Random::new(seed));
        let mut effects = Vec::with_capacity(1024);
        let before = COUNT.get();
        for id in 1..=50_000 {
            match_everything(&mut book, &mut random, &mut effects, id);
        }
        assert_eq!(COUNT.get(), before, "seed {seed}");
    }
}

#[test]
fn the_counter_counts() {
    let before = COUNT.get();
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert!(COUNT.get() > before);
}
