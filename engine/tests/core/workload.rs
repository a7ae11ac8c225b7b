//! A random mixed workload around a moving touch: market data, orders, cancels, reports, settings, and nonsense.
//!
//! The same seed and the same answers of the core give the same commands.

use super::desk::{
    ALICE, BOB, BTC, INVERSE, LINEAR, SPOT, USD, cancel, fill, limit, limit_order, quote, report, transfer,
};
use super::seed::Random;
use tickwerk_domain::command::{
    BreakerReset, CancelOrder, FillReported, HealthObserved, KillSwitchSet, MarketGapObserved, MassCancel,
    NewOrder, QuoteObserved, ReplaceOrder, ReplaceReported, SimulatedVenueSet, StrategyDefined, TimeAdvanced,
    TradeBusted, TradeCorrected, TradeObserved, TradingStateSet,
};
use tickwerk_domain::{
    AccountId, Aggressor, BookDelta, BreakerKind, ClientOrderId, Command, DurationNs, Event, InstrumentId,
    Level, LimitKind, OrderId, OrderType, Price, Qty, Reject, ReportKind, Side, SideFilter, StaleReason,
    StrategyId, TextId, TimeInForce, TimeNs, TradingState,
};

/// Orders that the workload remembers to cancel and report on.
const KNOWN_MAX: usize = 512;

#[derive(Clone, Copy)]
struct Known {
    order: OrderId,
    account: AccountId,
    price: i64,
    qty: i64,
}

pub(crate) struct Workload {
    random: Random,
    /// Commands so far.
    commands: u64,
    mids: [i64; 4],
    update_id: u64,
    execution_id: u64,
    name: u64,
    last: Option<NewOrder>,
    known: Vec<Known>,
    /// Fills that were reported, to be taken back or corrected.
    fills: Vec<FillReported>,
    release: Option<KillSwitchSet>,
}

impl Workload {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            commands: 0,
            mids: [10_000; 4],
            update_id: 0,
            execution_id: 0,
            name: 0,
            last: None,
            known: Vec::with_capacity(KNOWN_MAX),
            fills: Vec::with_capacity(KNOWN_MAX),
            release: None,
        }
    }

    /// Remembers the orders that went to the venue, and forgets most of those that are done.
    pub(crate) fn note(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let done = if let Event::OrderFilled(of) = event {
                Some(of.order)
            } else if let Event::OrderCanceled(of) = event {
                Some(of.order)
            } else if let Event::OrderExpired(of) = event {
                Some(of.order)
            } else {
                None
            };
            if let Some(done) = done.filter(|_| !self.random.one_in(4)) {
                self.known.retain(|known| known.order != done);
            }
            if let Event::OrderSubmitted(order) = event {
                let known = Known {
                    order: order.order,
                    account: order.account,
                    price: order.price.0,
                    qty: order.qty.0,
                };
                if self.known.len() < KNOWN_MAX {
                    self.known.push(known);
                } else {
                    let place = self.random.below(512) as usize;
                    self.known[place] = known;
                }
            }
        }
    }

    /// The next command.
    pub(crate) fn next(&mut self) -> Command {
        self.commands += 1;
        if let Some(release) = self.release.take() {
            return release.into();
        }
        let instrument = self.random.pick(&[SPOT, LINEAR, INVERSE]);
        match self.random.below(100) {
            0..30 => self.quote(instrument).into(),
            30..45 => self.delta(instrument).into(),
            45..48 => self.trade(instrument).into(),
            48..70 => self.order(instrument).into(),
            70..76 => self.cancel().into(),
            76..80 => self.replace().into(),
            80..89 => self.fill(),
            89..92 => self.report(),
            92..95 => self.restatement(),
            95..99 => self.setting(instrument),
            _ => self.rare(instrument),
        }
    }

    fn mid(&mut self, instrument: InstrumentId) -> i64 {
        let mid = &mut self.mids[instrument.0 as usize];
        *mid = (*mid + 10 * self.random.between(-3, 3)).clamp(5_000, 20_000);
        *mid
    }

    fn quote(&mut self, instrument: InstrumentId) -> QuoteObserved {
        let mid = self.mid(instrument);
        self.update_id += 1;
        let update_id = if self.random.one_in(3) { 0 } else { self.update_id };
        let ask_qty = Qty(self.random.between(0, 3_000));
        QuoteObserved { update_id, ask_qty, ..quote(instrument, mid - 10, mid + 10) }
    }

    fn delta(&mut self, instrument: InstrumentId) -> BookDelta {
        let mid = self.mid(instrument);
        self.update_id += 1;
        let snapshot = if self.random.one_in(20) { BookDelta::CLEAR } else { 0 };
        let last = if self.random.one_in(5) { 0 } else { BookDelta::LAST };
        let mut delta = BookDelta::new(instrument, self.update_id, snapshot | last);
        for _ in 0..self.random.below(7) {
            let away = 10 * self.random.between(1, 20);
            let (side, price) =
                if self.random.one_in(2) { (Side::Buy, mid - away) } else { (Side::Sell, mid + away) };
            let qty = self.random.between(-1, 4).max(0) * 500;
            delta.push(side, Level { price: Price(price), qty: Qty(qty) });
        }
        delta
    }

    fn trade(&mut self, instrument: InstrumentId) -> TradeObserved {
        let (price, qty) = (Price(self.mids[instrument.0 as usize]), Qty(self.random.between(0, 50)));
        TradeObserved { trade_id: self.update_id, price, qty, instrument, aggressor: Aggressor::Unknown }
    }

    fn order(&mut self, instrument: InstrumentId) -> NewOrder {
        if let Some(last) = self.last
            && self.random.one_in(15)
        {
            let qty = if self.random.one_in(2) { last.qty } else { Qty(last.qty.0 + 5) };
            return NewOrder { qty, ..last };
        }
        let side = self.random.pick(&[Side::Buy, Side::Sell]);
        let price = self.mids[instrument.0 as usize] + 10 * self.random.between(-20, 20);
        let odd = if self.random.one_in(20) { 3 } else { 0 };
        let qty = 5 * self.random.between(1, 200) + odd;
        let mut order = limit_order(instrument, side, price + odd, qty);
        order.account = self.random.pick(&[ALICE, ALICE, BOB, BOB, AccountId(3)]);
        if self.random.one_in(4) {
            (order.order_type, order.price) = (OrderType::Market, Price(0));
            order.time_in_force = TimeInForce::Ioc;
        }
        if self.random.one_in(3) {
            order.time_in_force = TimeInForce::Ioc;
        }
        if self.random.one_in(12) {
            order.time_in_force = TimeInForce::Fok;
        } else if order.order_type == OrderType::Limit && self.random.one_in(6) {
            self.date(&mut order);
        }
        order.reduce_only = self.random.one_in(5);
        if !self.random.one_in(4) {
            order.client_order_id = self.next_name();
        }
        self.last = Some(order);
        order
    }

    /// An end that may be past: commands come about a microsecond after each other.
    fn date(&mut self, order: &mut NewOrder) {
        if self.random.one_in(3) {
            order.time_in_force = TimeInForce::Day;
        } else {
            order.time_in_force = TimeInForce::Gtd;
            let ahead = self.commands + u64::from(self.random.below(2_000));
            order.expires_at = TimeNs(1_000 * ahead.saturating_sub(20));
        }
    }

    fn next_name(&mut self) -> ClientOrderId {
        self.name += 1;
        let mut digits = [b'0'; 12];
        let mut rest = self.name;
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap();
            rest /= 10;
        }
        ClientOrderId::new(std::str::from_utf8(&digits).unwrap()).unwrap()
    }

    fn some_known(&mut self) -> Known {
        if self.known.is_empty() || self.random.one_in(50) {
            let order = OrderId(u64::from(self.random.below(1_000_000)));
            return Known { order, account: ALICE, price: 10_000, qty: 10 };
        }
        let place = self.random.below(u32::try_from(self.known.len()).unwrap()) as usize;
        if self.random.one_in(9) { self.known.swap_remove(place) } else { self.known[place] }
    }

    fn cancel(&mut self) -> CancelOrder {
        let known = self.some_known();
        CancelOrder { account: known.account, ..cancel(known.order) }
    }

    fn replace(&mut self) -> ReplaceOrder {
        let known = self.some_known();
        let price = if self.random.one_in(3) { 0 } else { known.price + 10 * self.random.between(-5, 5) };
        let qty = if self.random.one_in(3) { 0 } else { 5 * self.random.between(0, known.qty / 3 + 1) };
        ReplaceOrder {
            order: known.order,
            price: Price(price + if self.random.one_in(30) { 3 } else { 0 }),
            qty: Qty(qty),
            trigger_price: Price(0),
            display_qty: Qty::ZERO,
            account: known.account,
            client_order_id: ClientOrderId::NONE,
        }
    }

    fn fill(&mut self) -> Command {
        let known = self.some_known();
        self.execution_id += 1;
        let execution_id = if self.random.one_in(10) { 1 } else { 1_000 + self.execution_id };
        let price = if known.price == 0 { self.random.between(9_000, 11_000) } else { known.price };
        let qty = if self.random.one_in(2) { known.qty } else { self.random.between(0, known.qty) };
        let fee = i128::from(self.random.between(-20, 200));
        let reported = fill(known.order, execution_id, price, qty, fee);
        if self.fills.len() < KNOWN_MAX {
            self.fills.push(reported);
        } else {
            let place = self.random.below(512) as usize;
            self.fills[place] = reported;
        }
        reported.into()
    }

    /// The venue takes a fill back, corrects one, tells one again or gives an order other terms.
    fn restatement(&mut self) -> Command {
        if self.fills.is_empty() || self.random.one_in(4) {
            let known = self.some_known();
            let (price, qty) = (Price(known.price + 10), Qty(self.random.between(0, 2 * known.qty)));
            let (order, trigger_price, display_qty) = (known.order, Price(0), Qty::ZERO);
            return ReplaceReported { order, venue_order_id: 7, price, qty, trigger_price, display_qty }
                .into();
        }
        let place = self.random.below(u32::try_from(self.fills.len()).unwrap()) as usize;
        let known = self.fills[place];
        let (order, execution_id) = (known.order, known.execution_id);
        match self.random.below(3) {
            0 => TradeBusted { order, execution_id }.into(),
            1 => {
                let qty = Qty(self.random.between(0, 2 * known.qty.0));
                let fee = tickwerk_domain::Money::new(i128::from(self.random.between(-20, 200)));
                let price = Price(known.price.0 + 10 * self.random.between(-2, 2));
                TradeCorrected { order, execution_id, price, qty, fee }.into()
            }
            _ => known.into(),
        }
    }

    fn report(&mut self) -> Command {
        let known = self.some_known();
        report(known.order, self.random.pick(ReportKind::ALL), Some(Reject::VenueRejected)).into()
    }

    fn scope(&mut self, instrument: InstrumentId) -> (AccountId, InstrumentId) {
        (self.random.pick(&[AccountId(0), ALICE, BOB]), self.random.pick(&[InstrumentId(0), instrument]))
    }

    fn setting(&mut self, instrument: InstrumentId) -> Command {
        let (account, instrument) = self.scope(instrument);
        let reason = TextId::NONE;
        match self.random.below(8) {
            5 => self.watch(account),
            6 | 7 => {
                let kind = self.random.pick(&[BreakerKind::LossStreak, BreakerKind::DailyLoss]);
                BreakerReset { account: AccountId(0), strategy: StrategyId::NONE, reason, kind }.into()
            }
            0 => {
                let (kind, from, to) = self.random.pick(&[
                    (LimitKind::OrderQuantity, 500, 2_000),
                    (LimitKind::OrderNotional, 10_000, 100_000_000),
                    (LimitKind::PositionQuantity, 2_000, 100_000),
                    (LimitKind::PriceCollar, 500_000, 5_000_000),
                    (LimitKind::OpenOrders, 50, 5_000),
                ]);
                let value = self.random.between(from, to);
                limit(kind, account, instrument, if self.random.one_in(3) { -1 } else { value }).into()
            }
            1 => {
                let state = if self.random.one_in(4) {
                    self.random.pick(TradingState::ALL)
                } else {
                    TradingState::Active
                };
                TradingStateSet { account, instrument, strategy: StrategyId::NONE, reason, state }.into()
            }
            2 => TradingStateSet {
                account,
                instrument,
                strategy: StrategyId::NONE,
                reason,
                state: TradingState::Active,
            }
            .into(),
            3 => TimeAdvanced { due: TimeNs(1) }.into(),
            _ => {
                let latency = DurationNs(u64::from(self.random.below(20_000)));
                SimulatedVenueSet::touch(instrument, latency).into()
            }
        }
    }

    /// Limits of what an account does over time.
    fn watch(&mut self, account: AccountId) -> Command {
        let (kind, from, to) = self.random.pick(&[
            (LimitKind::LossStreak, 2, 12),
            (LimitKind::LossStreak, 2, 12),
            (LimitKind::DailyLoss, 1_000_000, 200_000_000),
            (LimitKind::OrderRate, 1, 40),
        ]);
        let value = self.random.between(from, to);
        if self.random.one_in(2) {
            limit(LimitKind::OrderRate, account, InstrumentId::NONE, -1).into()
        } else {
            let value = if self.random.one_in(2) { -1 } else { value };
            limit(kind, account, InstrumentId::NONE, value).into()
        }
    }

    fn rare(&mut self, instrument: InstrumentId) -> Command {
        match self.random.below(7) {
            6 => {
                let (account, instrument) = self.scope(instrument);
                let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
                let side = self.random.pick(SideFilter::ALL);
                MassCancel { account, instrument, strategy, reason, side }.into()
            }
            0 => {
                let (account, instrument) = self.scope(instrument);
                let switch = KillSwitchSet {
                    account,
                    instrument,
                    strategy: StrategyId::NONE,
                    reason: TextId::NONE,
                    engaged: true,
                };
                self.release = Some(KillSwitchSet { engaged: false, ..switch });
                switch.into()
            }
            1 => {
                let reason = self.random.pick(StaleReason::ALL);
                MarketGapObserved { expected: 1, received: 2, instrument, reason }.into()
            }
            2 => {
                let enabled = !self.random.one_in(4);
                let strategy = StrategyId(instrument.0);
                let parameters = [3, 8, 5 * self.random.between(2, 20), 0, 1, 0, 0, 0];
                let (name, account) = (TextId::NONE, ALICE);
                StrategyDefined { parameters, strategy, name, account, instrument, kind: 1, enabled }.into()
            }
            3 => {
                let amount = i128::from(self.random.between(-1_000_000, 2_000_000));
                transfer(self.random.pick(&[ALICE, BOB]), self.random.pick(&[USD, BTC]), amount)
            }
            4 => transfer(self.random.pick(&[ALICE, BOB]), USD, 10_000_000),
            _ => HealthObserved {
                outcome_depth: 1,
                control_depth: 2,
                report_depth: 3,
                order_depth: 4,
                market_depth: 5,
                egress_depth: 6,
                refusals: 7,
                written_lag: 8,
                durable_lag: 9,
                memory_bytes: 10,
                chained_lag: 11,
            }
            .into(),
        }
    }
}
