//! What holds whatever is done: quantities are conserved, the market gives no more than it showed, and every order ends
//! exactly once.

use super::desk::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tickwerk_domain::command::{FillReported, OrderReported, SimulatedVenueSet};
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    AccountId, Aggressor, BookAction, Command, DurationNs, Liquidity, OrderType, Price, Qty, QueueModel,
    Rate, ReportKind, SelfTradePrevention, SessionState, Side, TimeInForce, TimeNs, VenueState,
};
use tickwerk_venue::SimulatedVenue;
use tickwerk_venue::book::ToldBook;
use tickwerk_venue::random::Random;

const STEPS: u64 = 400;

#[derive(Clone, Copy, Debug)]
struct Known {
    side: Side,
    price: i64,
    qty: i64,
    cum: i64,
    executions: u64,
    is_accepted: bool,
    ends: u32,
}

/// A venue under random commands, and all that must hold of its reports.
struct Run {
    venue: SimulatedVenue,
    book: ToldBook,
    random: Random,
    now: u64,
    known: BTreeMap<u64, Known>,
    /// What the touch showed and nobody took, by the side of the orders that take it.
    shown: [i64; 2],
    /// What the last trade or execution gives, by side.
    traded: [i64; 2],
    by_orders: bool,
    /// Orders of all accounts meet: what one side gets the other gives.
    is_exchange: bool,
    /// Bought and sold.
    got: [i64; 2],
}

impl Run {
    fn new(seed: u64, setting: SimulatedVenueSet, by_orders: bool) -> Self {
        let (venue, random) = (venue_with(setting), Random::new(seed));
        let book = ToldBook::new(64);
        Self {
            venue,
            book,
            random,
            now: 1_000,
            known: BTreeMap::new(),
            shown: [0; 2],
            traded: [0; 2],
            by_orders,
            is_exchange: setting.queue_model == QueueModel::Exchange,
            got: [0; 2],
        }
    }

    fn below(&mut self, count: u64) -> u64 {
        self.random.up_to(count - 1)
    }

    fn number(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from + 1).cast_unsigned()).cast_signed()
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("an index of a slice")]
    }

    fn step(&mut self) {
        self.now += self.below(5);
        self.traded = [0; 2];
        let id = 1 + self.below(self.known.len() as u64 + 1);
        match self.below(16) {
            0..=5 => self.submit(),
            6 | 7 => self.venue.cancel(TimeNs(self.now), &cancel(id)),
            8 => {
                let asked = replace(id, self.number(95, 105), self.number(0, 60));
                self.venue.replace(TimeNs(self.now), &asked);
            }
            9 | 10 => self.trade(),
            11 if !self.by_orders => {
                let (side, told) = (self.pick(Side::ALL), level(self.number(95, 105), self.number(0, 90)));
                self.venue.level(INSTRUMENT, side, told);
            }
            12 if self.below(4) == 0 => {
                let state = self.pick(SessionState::ALL);
                self.venue.session(TimeNs(self.now), INSTRUMENT, state);
            }
            _ => self.show(),
        }
        self.drain(self.now);
    }

    fn submit(&mut self) {
        let id = self.known.len() as u64 + 1;
        let (side, price, qty) = (self.pick(Side::ALL), self.number(95, 105), self.number(1, 60));
        let order_type = if self.below(5) == 0 { OrderType::Market } else { OrderType::Limit };
        let expires_at = if self.below(4) == 0 { TimeNs(self.now + self.below(40)) } else { TimeNs(0) };
        let plain = order(id, side, order_type, self.pick(TimeInForce::ALL), price, qty);
        let sent = OrderSubmitted {
            expires_at,
            display_qty: Qty(if self.below(4) == 0 { self.number(1, qty) } else { 0 }),
            post_only: self.below(6) == 0,
            account: self.pick(&[AccountId(1), AccountId(2)]),
            ..plain
        };
        self.venue.submit(TimeNs(self.now), &sent);
        let price = match (order_type, side) {
            (OrderType::Market, Side::Buy) => i64::MAX,
            (OrderType::Market, _) => i64::MIN,
            _ => price,
        };
        self.known.insert(id, Known { side, price, qty, cum: 0, executions: 0, is_accepted: false, ends: 0 });
    }

    fn trade(&mut self) {
        let (price, qty) = (self.number(95, 105), self.number(1, 60));
        self.traded = [qty; 2];
        if self.by_orders {
            let (id, side) = (1 + self.below(40), self.pick(Side::ALL));
            let told = others(id, BookAction::Execute, side, price, qty);
            self.note_touch(|run| {
                tell(&mut run.venue, &mut run.book, run.now, &told);
            });
        } else {
            let aggressor = self.pick(Aggressor::ALL);
            self.venue.trade(TimeNs(self.now), INSTRUMENT, Price(price), Qty(qty), aggressor);
        }
    }

    /// The market shows a new touch, or an order of someone's.
    fn show(&mut self) {
        if self.by_orders {
            let action =
                self.pick(&[BookAction::Add, BookAction::Add, BookAction::Reduce, BookAction::Delete]);
            let side = self.pick(Side::ALL);
            let price = if side == Side::Buy { self.number(95, 99) } else { self.number(100, 105) };
            let told = others(1 + self.below(40), action, side, price, self.number(1, 50));
            self.note_touch(|run| {
                tell(&mut run.venue, &mut run.book, run.now, &told);
            });
        } else {
            let bid = self.number(95, 104);
            let shown = touch(bid, self.number(0, 80), bid + self.number(1, 3), self.number(0, 80));
            self.venue.observe(TimeNs(self.now), INSTRUMENT, shown);
            self.shown = [shown.ask.qty.0, shown.bid.qty.0];
        }
    }

    /// A book of orders shows no more than 40 orders of 50 on a side.
    fn note_touch(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.shown = [2_000; 2];
    }

    fn drain(&mut self, now: u64) {
        while let Some((due, _, command)) = self.venue.next_report(TimeNs(now)) {
            assert!(due.0 <= now, "nothing comes before its time");
            if let Command::OrderReported(report) = command {
                self.check_report(&report);
            } else if let Command::ReplaceReported(report) = command {
                let known = self.known.get_mut(&report.order.0).expect("it was sent");
                assert!(known.ends == 0 && known.is_accepted && report.qty.0 > known.cum, "{known:?}");
                known.qty = report.qty.0;
                if known.price != i64::MAX && known.price != i64::MIN {
                    known.price = report.price.0;
                }
            } else if let Command::FillReported(fill) = command {
                self.check_fill(&fill);
            } else {
                assert!(matches!(command, Command::TimeAdvanced(_)), "{command:?}");
            }
        }
    }

    fn check_report(&mut self, report: &OrderReported) {
        let Some(known) = self.known.get_mut(&report.order.0) else { return };
        match report.kind {
            ReportKind::CancelRejected | ReportKind::ReplaceRejected => return,
            ReportKind::Accepted => {
                assert!(!std::mem::replace(&mut known.is_accepted, true), "accepted twice");
            }
            ReportKind::Rejected => assert!(!known.is_accepted && known.cum == 0, "{known:?}"),
            ReportKind::Canceled | ReportKind::Expired => assert!(known.is_accepted, "{known:?}"),
        }
        assert!(known.ends == 0, "{} comes after the end: {known:?}", report.kind);
        known.ends += u32::from(report.kind != ReportKind::Accepted);
    }

    fn check_fill(&mut self, fill: &FillReported) {
        let known = self.known.get_mut(&fill.order.0).expect("it was sent");
        known.cum += fill.qty.0;
        known.executions += 1;
        assert!(known.is_accepted && known.ends == 0 && fill.qty > Qty::ZERO, "{known:?}");
        assert_eq!(fill.execution_id, known.executions, "executions are dense");
        assert!(known.cum <= known.qty, "filled over its quantity: {known:?}");
        known.ends += u32::from(known.cum == known.qty);
        let within = match known.side {
            Side::Buy => fill.price.0 <= known.price,
            Side::Sell => fill.price.0 >= known.price,
        };
        assert!(within, "filled beyond its limit: {known:?} {fill:?}");
        let index = known.side as usize;
        self.got[index] += fill.qty.0;
        if self.is_exchange {
            return;
        }
        // A trade gives its quantity first, then the touch what it showed.
        let of_trade =
            if fill.liquidity == Liquidity::Maker { self.traded[index].min(fill.qty.0) } else { 0 };
        self.traded[index] -= of_trade;
        self.shown[index] -= fill.qty.0 - of_trade;
        assert!(self.shown[index] >= 0, "the market did not show that much: {fill:?}");
    }

    fn finish(&mut self) {
        self.venue.session(TimeNs(self.now), INSTRUMENT, SessionState::Halted);
        for id in 1..=self.known.len() as u64 {
            self.venue.cancel(TimeNs(self.now), &cancel(id));
        }
        self.drain(u64::MAX);
        assert_eq!(self.venue.open_orders(), 0);
        assert!(!self.is_exchange || self.got[0] == self.got[1], "bought and sold: {:?}", self.got);
        for (id, known) in &self.known {
            assert_eq!(known.ends, 1, "order {id} ends once: {known:?}");
        }
    }
}

fn setting(model: QueueModel, self_trade: SelfTradePrevention, slippage_ticks: u32) -> SimulatedVenueSet {
    SimulatedVenueSet {
        latency: DurationNs(0),
        queue_model: model,
        queue_parameter: Rate(150_000_000),
        self_trade,
        slippage_ticks,
        ..plain()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn quantities_are_conserved_and_every_order_ends_once(
        seed in any::<u64>(), model in prop::sample::select(QueueModel::ALL),
        self_trade in prop::sample::select(SelfTradePrevention::ALL), slippage in 0_u32..3, by_orders in any::<bool>(),
    ) {
        let mut run = Run::new(seed, setting(model, self_trade, slippage), by_orders);
        for _ in 0..STEPS {
            run.step();
        }
        run.finish();
    }

    #[test]
    fn a_second_run_has_the_same_digest_and_one_more_fault_another(
        seed in any::<u64>(), model in prop::sample::select(QueueModel::ALL), by_orders in any::<bool>(),
    ) {
        let faulty = SimulatedVenueSet {
            latency: DurationNs(3),
            report_latency: DurationNs(2),
            jitter: DurationNs(4),
            loss_rate: Rate(5_000_000),
            duplicate_rate: Rate(5_000_000),
            reject_rate: Rate(5_000_000),
            seed,
            ..setting(model, SelfTradePrevention::Decrement, 1)
        };
        let digests = |setting| {
            let mut run = Run::new(seed, setting, by_orders);
            let mut reports = Vec::new();
            for step in 0..STEPS {
                if step % 97 == 0 {
                    let state = if step % 2 == 0 { VenueState::Connected } else { VenueState::Disconnected };
                    run.venue.connection(TimeNs(run.now), state);
                }
                run.now += run.below(5);
                let id = 1 + run.below(run.known.len() as u64 + 1);
                match run.below(6) {
                    0 | 1 => run.submit(),
                    2 => run.venue.cancel(TimeNs(run.now), &cancel(id)),
                    3 => run.venue.replace(TimeNs(run.now), &replace(id, 99, 30)),
                    4 => run.trade(),
                    _ => run.show(),
                }
                reports.extend(reports_of(&mut run));
                reports.push(format!("{:x}", run.venue.digest()));
            }
            reports
        };
        prop_assert_eq!(digests(faulty), digests(faulty));
        let other = SimulatedVenueSet { seed: seed ^ 1, ..faulty };
        prop_assert_ne!(digests(faulty), digests(other));
    }
}

fn reports_of(run: &mut Run) -> Vec<String> {
    reports(&mut run.venue, run.now)
}
