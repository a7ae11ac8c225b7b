//! Random orders with rare terms, replaces, sessions, venues and reports: sums hold, and a rebuilt core agrees.

use super::desk::{ALICE, BOB, Desk, LINEAR, SPOT, cancel, fill, quote, report};
use super::orders_support::{assert_replays, assert_sums};
use super::seed::{Random, each_seed};
use tickwerk_domain::command::*;
use tickwerk_domain::{
    Aggressor, ClientOrderId, Command, Contingency, Event, InstrumentId, OrderId, OrderType, Price, Qty,
    ReportKind, SessionState, Side, SideFilter, StrategyId, TextId, TimeInForce, TimeNs, TimerKind,
    TrailUnit, TriggerBy, VenueId, VenueState,
};

struct Steps {
    random: Random,
    mid: i64,
    execution: u64,
    orders: Vec<(OrderId, i64)>,
}

impl Steps {
    fn extreme(&mut self, usual: i64) -> i64 {
        if self.random.one_in(25) {
            self.random.pick(&[i64::MIN, -1, 0, 3, 1 << 40, 1 << 62, i64::MAX])
        } else {
            usual
        }
    }

    fn order(&mut self, now: u64) -> NewOrder {
        let order_type = self.random.pick(OrderType::ALL);
        let side = self.random.pick(Side::ALL);
        let near = |random: &mut Random, mid: i64| mid + 10 * random.between(-30, 30);
        let price = if order_type.has_limit() { near(&mut self.random, self.mid) } else { 0 };
        let trigger = if order_type.is_triggered() { near(&mut self.random, self.mid) } else { 0 };
        let is_trailing = order_type == OrderType::TrailingStop;
        let (price, trigger) = (self.extreme(price), self.extreme(trigger));
        let qty = 5 * self.random.between(2, 60);
        let qty = self.extreme(qty);
        let offset = if is_trailing { 10 * self.random.between(1, 20) } else { 0 };
        let expires = now + u64::from(self.random.below(200_000));
        let time_in_force = if order_type == OrderType::Market {
            self.random.pick(&[TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::AtTheClose])
        } else {
            self.random.pick(TimeInForce::ALL)
        };
        let contingency = self.random.pick(&[
            Contingency::None,
            Contingency::None,
            Contingency::Oco,
            Contingency::Parent,
            Contingency::Child,
            Contingency::BracketExit,
            Contingency::BracketExit,
        ]);
        let link = if contingency == Contingency::None { 0 } else { u64::from(1 + self.random.below(6)) };
        let instrument = self.random.pick(&[SPOT, SPOT, LINEAR]);
        NewOrder {
            trigger_price: Price(trigger),
            trail_offset: self.extreme(offset),
            display_qty: Qty(if self.random.one_in(10) { self.extreme(5) } else { 0 }),
            expires_at: TimeNs(if time_in_force == TimeInForce::Gtd { expires } else { 0 }),
            link,
            contingency,
            venue: self.random.pick(&[
                VenueId(0),
                VenueId(0),
                VenueId(1),
                VenueId(2),
                VenueId(3),
                VenueId(4),
            ]),
            order_type,
            time_in_force,
            trail_unit: self.random.pick(TrailUnit::ALL),
            trigger_by: self.random.pick(TriggerBy::ALL),
            reduce_only: self.random.one_in(10),
            quantity_in_quote: order_type == OrderType::Market && self.random.one_in(3),
            ..NewOrder::limit(
                self.random.pick(&[ALICE, ALICE, BOB]),
                instrument,
                side,
                Price(price),
                Qty(qty),
            )
        }
    }

    fn known(&mut self) -> (OrderId, i64) {
        if self.orders.is_empty() || self.random.one_in(40) {
            return (OrderId(self.random.pick(&[0, 1, 5_000, u64::MAX])), 10);
        }
        let recent = self.orders.len().saturating_sub(30);
        let count = u32::try_from(self.orders.len() - recent).unwrap();
        self.orders[recent + self.random.below(count) as usize]
    }

    fn replace(&mut self) -> ReplaceOrder {
        let (order, _) = self.known();
        let price = self.mid + 10 * self.random.between(-30, 30);
        let above = self.mid + 100;
        let mut some = |value: i64| if self.random.one_in(2) { self.extreme(value) } else { 0 };
        let (price, qty) = (some(price), some(150));
        let (trigger, display) = (some(above), some(0));
        ReplaceOrder {
            order,
            price: Price(price),
            qty: Qty(qty),
            trigger_price: Price(trigger),
            display_qty: Qty(display),
            account: self.random.pick(&[ALICE, ALICE, BOB]),
            client_order_id: ClientOrderId::NONE,
        }
    }

    fn word_of_the_venue(&mut self) -> Command {
        let (order, qty) = self.known();
        match self.random.below(6) {
            0..3 => {
                self.execution += 1;
                let part = if self.random.one_in(2) { qty } else { 5 };
                let part = self.extreme(part);
                fill(order, self.execution, self.mid, part, 3).into()
            }
            3 => {
                let (price, qty) = (self.extreme(self.mid), self.extreme(100));
                ReplaceReported {
                    order,
                    venue_order_id: 3,
                    price: Price(price),
                    qty: Qty(qty),
                    trigger_price: Price(self.extreme(0)),
                    display_qty: Qty(self.extreme(0)),
                }
                .into()
            }
            _ => report(order, self.random.pick(ReportKind::ALL), None).into(),
        }
    }

    fn next(&mut self, now: u64) -> Command {
        let instrument = self.random.pick(&[SPOT, SPOT, LINEAR]);
        self.mid = (self.mid + 10 * self.random.between(-8, 8)).clamp(8_000, 12_000);
        match self.random.below(100) {
            0..25 => quote(instrument, self.mid - 10, self.mid + 10).into(),
            25..32 => TradeObserved {
                trade_id: 0,
                price: Price(self.mid),
                qty: Qty(5),
                instrument,
                aggressor: Aggressor::Unknown,
            }
            .into(),
            32..62 => self.order(now).into(),
            62..68 => {
                CancelOrder { account: self.random.pick(&[ALICE, BOB]), ..cancel(self.known().0) }.into()
            }
            68..75 => self.replace().into(),
            75..92 => self.word_of_the_venue(),
            92 => SessionSet {
                closes_at: TimeNs(now + u64::from(self.random.below(100_000))),
                instrument,
                state: self.random.pick(SessionState::ALL),
            }
            .into(),
            93..95 => {
                let state = SessionState::Continuous;
                SessionSet { closes_at: TimeNs(0), instrument, state }.into()
            }
            95 => VenueDefined {
                capabilities: self.random.next() >> 56,
                venue: VenueId(1 + u16::try_from(self.random.below(3)).unwrap()),
                name: TextId::NONE,
            }
            .into(),
            96 => VenueStateObserved {
                venue: VenueId(1 + u16::try_from(self.random.below(4)).unwrap()),
                state: self.random.pick(&[
                    VenueState::Connected,
                    VenueState::Connected,
                    VenueState::Disconnected,
                ]),
            }
            .into(),
            97 => RouteSet {
                instrument,
                venue: VenueId(u16::try_from(self.random.below(5)).unwrap()),
                fallback: VenueId(u16::try_from(self.random.below(4)).unwrap()),
            }
            .into(),
            98 => MassCancel {
                account: ALICE,
                instrument: self.random.pick(&[SPOT, InstrumentId(0)]),
                strategy: StrategyId::NONE,
                reason: TextId::NONE,
                side: self.random.pick(SideFilter::ALL),
            }
            .into(),
            _ => TimerFired {
                due: TimeNs(self.random.next()),
                subject: self.known().0.0,
                kind: self.random.pick(TimerKind::ALL),
            }
            .into(),
        }
    }
}

#[test]
fn random_orders_of_every_kind_keep_all_sums_and_replay_to_the_same() {
    let (held, fired, released) = (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
    each_seed(30, |seed| {
        let mut desk = Desk::with_quotes();
        let mut steps = Steps { random: Random::new(seed), mid: 10_000, execution: 0, orders: Vec::new() };
        for _ in 0..1_500 {
            let mut all = Vec::new();
            let command = steps.next(desk.time);
            for (_, events) in desk.settle(desk.time + 1_000) {
                all.extend(events);
            }
            all.extend(desk.apply(command));
            for event in &all {
                if let Event::OrderSubmitted(order) = event {
                    steps.orders.push((order.order, order.qty.0));
                } else if let Event::OrderHeld(order) = event {
                    steps.orders.push((order.order, order.qty.0));
                    held.set(held.get() + 1);
                } else if let Event::OrderTriggered(order) = event {
                    let count = if order.trigger_price.0 == 0 { &released } else { &fired };
                    count.set(count.get() + 1);
                }
            }
            assert_sums(desk.machine());
        }
        desk.settle(0);
        assert_replays(&desk);
    });
    if std::env::var_os("SEED").is_none() {
        let told = (held.get(), fired.get(), released.get());
        assert!(told.0 > 1_000 && told.1 > 300 && told.2 > 50, "{told:?}");
    }
}
