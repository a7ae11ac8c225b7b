//! Nonsense in any field is refused or taken, and never a panic; money still balances (the desk asserts it).

use super::desk::{
    ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, cancel, fill, instrument, limit, limit_order, market_order,
    quote, report, transfer, types,
};
use super::seed::{Random, each_seed, is_long};
use std::cell::Cell;
use tickwerk_domain::command::*;
use tickwerk_domain::{
    AccountId, Aggressor, BookAction, BookDelta, BreakerKind, ClientOrderId, Command, ContinueKind,
    CurrencyId, DurationNs, Instrument, InstrumentId, InstrumentKind, LatencyModel, Level, LimitKind,
    Liquidity, Money, OrderId, OrderType, PositionMode, PositionSide, Price, Qty, Rate, ReportKind, Sequence,
    Side, StaleReason, StrategyId, TextBytes, TextId, TimeInForce, TimeNs, TradingState, VenueId,
    reject::ReasonCode,
};

/// Draws values that are extreme, just outside a table, or quite usual.
struct Extreme(Random);

impl Extreme {
    fn signed(&mut self) -> i64 {
        let usual = self.0.between(-20, 20_000);
        self.0.pick(&[
            i64::MIN,
            i64::MIN + 1,
            -1,
            0,
            1,
            5,
            10,
            10_000,
            usual,
            usual,
            1 << 32,
            1 << 60,
            1 << 62,
            i64::MAX - 1,
            i64::MAX,
        ])
    }

    fn id(&mut self) -> u32 {
        self.0.pick(&[0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 7, 63, 64, 65, 4_095, 4_096, 1 << 24, u32::MAX])
    }

    fn unsigned(&mut self) -> u64 {
        let usual = u64::from(self.0.below(200));
        self.0.pick(&[0, 1, 2, usual, usual, usual, 1 << 56, u64::MAX - 1, u64::MAX])
    }

    fn wide(&mut self) -> i128 {
        let usual = i128::from(self.signed());
        self.0.pick(&[i128::MIN, i128::MAX, 1 << 90, -(1 << 90), 1 << 101, usual, usual, usual])
    }

    fn small(&mut self) -> u8 {
        self.0.pick(&[0, 1, 2, 4, 5, 8, 18, 19, 255])
    }

    fn rate(&mut self) -> i64 {
        let extreme = self.signed();
        self.0.pick(&[0, 1, 10_000, -10_000, 100_000_000, -100_000_000, extreme])
    }

    fn name(&mut self) -> ClientOrderId {
        let name = self.0.pick(&["", "a", "b", "a-name-of-thirty-six-characters-long"]);
        ClientOrderId::new(name).unwrap()
    }

    fn account(&mut self) -> AccountId {
        AccountId(self.id())
    }

    /// Mostly none.
    fn strategy(&mut self) -> StrategyId {
        let id = self.id();
        if self.0.one_in(4) { StrategyId(id) } else { StrategyId::NONE }
    }

    fn instrument(&mut self) -> InstrumentId {
        InstrumentId(self.id())
    }

    fn definition(&mut self) -> Command {
        let of = self.0.pick(&[SPOT, LINEAR, INVERSE]);
        let good = instrument(of);
        // Mostly one field is odd, so that odd definitions get in.
        let odd = self.0.below(12);
        let number = InstrumentId(10 + self.0.below(8));
        let settlement_scale = good.settlement_scale;
        Instrument {
            notional_max: if odd == 0 { Money::new(self.wide()) } else { good.notional_max },
            tick_size: Price(if odd == 1 { self.signed() } else { 1 }),
            lot_size: Qty(if odd == 2 { self.signed() } else { 1 }),
            quantity_min: Qty(if odd == 3 { self.signed() } else { 1 }),
            quantity_max: Qty(if odd == 4 { self.signed() } else { i64::MAX }),
            multiplier: if odd == 5 { self.signed() } else { good.multiplier },
            maker_fee: Rate(if odd == 6 { self.rate() } else { 10_000 }),
            taker_fee: Rate(if odd == 7 { self.rate() } else { -10_000 }),
            margin_rate: Rate(if odd == 8 { self.rate() } else { 1 }),
            instrument: if odd == 9 { self.instrument() } else { number },
            price_scale: if odd == 10 { self.small() } else { good.price_scale },
            quantity_scale: if odd == 11 { self.small() } else { good.quantity_scale },
            settlement_scale,
            kind: self.0.pick(&[good.kind, good.kind, good.kind, InstrumentKind::Inverse]),
            ..good
        }
        .into()
    }

    fn order(&mut self) -> Command {
        // Mostly one field is odd, so that orders get in.
        let odd = self.0.below(8);
        let order_type = self.0.pick(OrderType::ALL);
        let price = if order_type.has_limit() { 10 * self.0.between(900, 1_100) } else { 0 };
        let usual = 10 * self.0.between(1, 500);
        let qty = self.0.pick(&[usual, usual, 1 << 40, 1 << 58]);
        let markets = [SPOT, LINEAR, INVERSE, InstrumentId(10), InstrumentId(11), InstrumentId(12)];
        let price = Price(if odd == 0 { self.signed() } else { price });
        let qty = Qty(if odd == 1 { self.signed() } else { qty });
        let account = if odd == 2 { self.account() } else { ALICE };
        let instrument = if odd == 3 { self.instrument() } else { self.0.pick(&markets) };
        let trigger = if order_type.is_triggered() { 10 * self.0.between(900, 1_100) } else { 0 };
        let is_market = order_type == OrderType::Market;
        let time_in_force = if is_market { TimeInForce::Ioc } else { self.0.pick(TimeInForce::ALL) };
        NewOrder {
            trigger_price: Price(if odd == 4 { self.signed() } else { trigger }),
            trail_offset: if order_type == OrderType::TrailingStop { 50 } else { 0 },
            expires_at: TimeNs(if time_in_force == TimeInForce::Gtd { self.unsigned() } else { 0 }),
            client_order_id: if self.0.one_in(6) { self.name() } else { ClientOrderId::NONE },
            order_type,
            time_in_force,
            ..NewOrder::limit(account, instrument, self.0.pick(Side::ALL), price, qty)
        }
        .into()
    }

    fn market_data(&mut self) -> Command {
        let instrument =
            if self.0.one_in(4) { self.instrument() } else { InstrumentId(1 + self.0.below(12)) };
        match self.0.below(5) {
            0 => QuoteObserved {
                update_id: self.unsigned(),
                bid_price: Price(self.signed()),
                bid_qty: Qty(self.signed()),
                ask_price: Price(self.signed()),
                ask_qty: Qty(self.signed()),
                instrument,
            }
            .into(),
            1 => TradeObserved {
                trade_id: self.unsigned(),
                price: Price(self.signed()),
                qty: Qty(self.signed()),
                instrument,
                aggressor: Aggressor::Unknown,
            }
            .into(),
            2 => {
                let mut delta = BookDelta::new(instrument, self.unsigned(), self.small());
                for _ in 0..6 {
                    let level = Level { price: Price(self.signed()), qty: Qty(self.signed()) };
                    delta.push(self.0.pick(Side::ALL), level);
                }
                delta.count = self.0.pick(&[delta.count, 0, 7, 255]);
                delta.into()
            }
            3 => BookOrderObserved {
                venue_order_id: self.unsigned(),
                update_id: self.unsigned(),
                price: Price(self.signed()),
                qty: Qty(self.signed()),
                instrument,
                side: self.0.pick(Side::ALL),
                action: self.0.pick(BookAction::ALL),
                is_last: self.0.one_in(2),
            }
            .into(),
            _ => MarketGapObserved {
                expected: self.unsigned(),
                received: self.unsigned(),
                instrument,
                reason: self.0.pick(StaleReason::ALL),
            }
            .into(),
        }
    }

    fn word_of_the_venue(&mut self, orders: &[OrderId]) -> Command {
        let order = if orders.is_empty() || self.0.one_in(6) {
            OrderId(self.unsigned())
        } else {
            self.0.pick(orders)
        };
        if self.0.one_in(2) {
            let kind = self.0.pick(ReportKind::ALL);
            let reason = ReasonCode(self.0.pick(&[0, 1, 80, u16::MAX]));
            return OrderReported { order, venue_order_id: self.unsigned(), kind, reason }.into();
        }
        if self.0.one_in(3) {
            return self.restatement(order);
        }
        let odd = self.0.below(6);
        let usual = self.0.between(1, 20);
        let qty = self.0.pick(&[usual, usual, 1 << 40, 1 << 57, 1 << 58]);
        FillReported {
            order,
            execution_id: if odd == 0 { self.unsigned() } else { self.execution() },
            price: Price(if odd == 1 { self.signed() } else { 10_000 }),
            qty: Qty(if odd == 2 { self.signed() } else { qty }),
            fee: Money::new(if odd == 3 { self.wide() } else { 7 }),
            fee_currency: CurrencyId::NONE,
            liquidity: self.0.pick(Liquidity::ALL),
        }
        .into()
    }

    /// Few enough that fills are named again.
    fn execution(&mut self) -> u64 {
        u64::from(self.0.below(40))
    }

    fn restatement(&mut self, order: OrderId) -> Command {
        let odd = self.0.below(5);
        let execution_id = if odd == 0 { self.unsigned() } else { self.execution() };
        let price = Price(if odd == 1 { self.signed() } else { 10_000 });
        let small = self.0.between(1, 20);
        let usual = self.0.pick(&[small, 1 << 40, 1 << 58]);
        let qty = Qty(if odd == 2 { self.signed() } else { usual });
        let fee = Money::new(if odd == 3 { self.wide() } else { 7 });
        match self.0.below(4) {
            0 => TradeBusted { order, execution_id }.into(),
            1 | 2 => TradeCorrected { order, execution_id, price, qty, fee }.into(),
            _ => ReplaceReported {
                order,
                venue_order_id: self.unsigned(),
                price,
                qty,
                trigger_price: Price(self.signed()),
                display_qty: Qty(self.signed()),
            }
            .into(),
        }
    }

    fn statement(&mut self, orders: &[OrderId]) -> Command {
        let run = self.0.pick(&[0, 1, 1, 1, 2, u64::MAX]);
        let account = if self.0.one_in(4) { self.account() } else { ALICE };
        let instrument =
            if self.0.one_in(3) { self.instrument() } else { InstrumentId(1 + self.0.below(12)) };
        match self.0.below(6) {
            0 => {
                let venue = VenueId(self.0.pick(&[0, 1, 1, 1, 15, 16, u16::MAX]));
                ReconcileStarted { run, account, venue }.into()
            }
            1 | 2 => VenueOrderStated {
                run,
                order: if orders.is_empty() { OrderId(self.unsigned()) } else { self.0.pick(orders) },
                venue_order_id: self.unsigned(),
                price: Price(self.signed()),
                qty: Qty(self.signed()),
                cum_qty: Qty(self.signed()),
                account,
                instrument,
                side: self.0.pick(Side::ALL),
            }
            .into(),
            3 => {
                let (cash, currency) = (Money::new(self.wide()), CurrencyId(self.id()));
                VenueBalanceStated { run, cash, account, currency }.into()
            }
            4 => {
                let (qty, price) = (Qty(self.signed()), Price(self.signed()));
                let side = self.0.pick(PositionSide::ALL);
                VenuePositionStated { run, qty, price, account, instrument, side }.into()
            }
            _ => ReconcileEnded { run }.into(),
        }
    }

    fn venue_setting(&mut self, instrument: InstrumentId) -> Command {
        match self.0.below(4) {
            0 => SimulatedVenueSet::touch(instrument, DurationNs(self.unsigned())).into(),
            1 => VenueLatencySet {
                order_factor: Rate(self.signed()),
                report_factor: Rate(self.signed()),
                table: self.unsigned(),
                instrument,
                model: self.0.pick(LatencyModel::ALL),
            }
            .into(),
            2 => {
                let [sent_at, arrived_at, reported_at] = [(); 3].map(|()| TimeNs(self.unsigned()));
                LatencyRecorded { sent_at, arrived_at, reported_at, instrument }.into()
            }
            _ => {
                let (low, high) = (Price(self.signed()), Price(self.signed()));
                PriceBandSet { low, high, dynamic: Rate(self.signed()), instrument }.into()
            }
        }
    }

    fn setting(&mut self) -> Command {
        let (account, instrument, reason) = (self.account(), self.instrument(), TextId(self.id()));
        match self.0.below(6) {
            5 => BreakerReset {
                account,
                strategy: self.strategy(),
                reason,
                kind: self.0.pick(BreakerKind::ALL),
            }
            .into(),
            0 => {
                let value = self.signed();
                let strategy = self.strategy();
                LimitSet {
                    // Limits of nothing would soon stop everything.
                    value: if self.0.one_in(2) { -1 } else { value },
                    account: if strategy.is_none() { account } else { AccountId::NONE },
                    instrument: if strategy.is_none() { instrument } else { InstrumentId::NONE },
                    strategy,
                    reason,
                    kind: self.0.pick(LimitKind::ALL),
                }
                .into()
            }
            1 => KillSwitchSet {
                account,
                instrument,
                strategy: self.strategy(),
                reason,
                engaged: self.0.one_in(4),
            }
            .into(),
            2 => {
                let state =
                    if self.0.one_in(4) { self.0.pick(TradingState::ALL) } else { TradingState::Active };
                TradingStateSet { account, instrument, strategy: StrategyId::NONE, reason, state }.into()
            }
            3 => self.venue_setting(instrument),
            _ => {
                let size = self.signed();
                let (fast, slow) = self.0.pick(&[(1, 2), (1, 2), (2, 3), (0, 0), (i64::MAX, i64::MIN)]);
                StrategyDefined {
                    parameters: [
                        fast,
                        slow,
                        size,
                        i64::from(self.0.below(3)),
                        i64::from(self.0.below(2)),
                        0,
                        0,
                        0,
                    ],
                    strategy: StrategyId(self.id()),
                    name: reason,
                    account,
                    instrument,
                    kind: self.0.pick(&[1, 1, 1, 0, u16::MAX]),
                    enabled: true,
                }
                .into()
            }
        }
    }

    fn rest(&mut self, orders: &[OrderId]) -> Command {
        match self.0.below(9) {
            0 => AccountDefined {
                account: self.account(),
                name: TextId(self.id()),
                mode: PositionMode::Netting,
            }
            .into(),
            1 => {
                let (currency, code) = (CurrencyId(self.id()), TextId(self.id()));
                CurrencyDefined { currency, code, scale: self.small() }.into()
            }
            2 => transfer(self.account(), CurrencyId(self.id()), self.wide()),
            3 => RulesActivated { version: self.id() }.into(),
            4 => {
                let text = self.0.pick(&["", "text", "ä"]);
                TextDefined { text_id: TextId(self.id()), text: TextBytes::new(text).unwrap() }.into()
            }
            5 => TimeAdvanced { due: TimeNs(self.unsigned()) }.into(),
            6 => {
                let (after, started_by) = (self.unsigned(), Sequence(self.unsigned()));
                Continue { after, started_by, kind: ContinueKind::KillSwitch }.into()
            }
            7 => StreamAppended {
                content_hash: [7; 32],
                content_length: self.id(),
                stream: self.id(),
                content_type: TextId(self.id()),
            }
            .into(),
            _ => {
                let order = if orders.is_empty() { OrderId(self.unsigned()) } else { self.0.pick(orders) };
                CancelOrder { order, account: self.account(), client_order_id: self.name() }.into()
            }
        }
    }

    fn command(&mut self, orders: &[OrderId]) -> Command {
        match self.0.below(20) {
            0..6 => self.order(),
            6..8 => self.market_data(),
            8..14 => self.word_of_the_venue(orders),
            14..16 => self.setting(),
            16 => self.definition(),
            17 => self.statement(orders),
            _ => self.rest(orders),
        }
    }
}

/// Approvals and booked fills of a run.
type Told = (usize, usize);

/// Feeds random extremes; whatever the venue owes by then comes in between.
fn check(mut desk: Desk, seed: u64, count: usize) -> Told {
    let mut extreme = Extreme(Random::new(seed));
    let mut orders = Vec::new();
    let mut filled = 0;
    for step in 0..count {
        let id = desk.next_id();
        let command = extreme.command(&orders);
        let events = if step % 3 == 0 { desk.feed(command) } else { desk.apply(command) };
        let types = types(&events);
        if matches!(command, Command::NewOrder(_)) && types.contains(&"order.submitted") {
            orders.push(id);
        }
        filled += usize::from(types.contains(&"position.changed"));
        if desk.machine().continuation().is_some() {
            desk.settle(0);
        }
    }
    (orders.len(), filled)
}

/// Short runs, as switches and stale books soon stop everything; each starts with wealth without end.
#[test]
fn extremes_in_every_field_never_panic() {
    let told = Cell::new((0, 0));
    each_seed(if is_long() { 5_000 } else { 220 }, |seed| {
        let mut desk = Desk::with_quotes();
        for currency in [USD, BTC] {
            desk.apply(transfer(ALICE, currency, 1 << 90));
        }
        for (number, like) in (10..).zip([SPOT, LINEAR, INVERSE]) {
            let (quantity_max, lot_size, id) = (Qty(i64::MAX), Qty(1), InstrumentId(number));
            let margin_rate = Rate(1);
            desk.apply(Instrument {
                quantity_max,
                lot_size,
                instrument: id,
                margin_rate,
                ..instrument(like)
            });
            desk.apply(quote(id, 9_990, 10_010));
        }
        let (submitted, filled) = check(desk, seed, 300);
        told.set((told.get().0 + submitted, told.get().1 + filled));
    });
    let (submitted, filled) = told.get();
    if std::env::var_os("SEED").is_none() {
        assert!(submitted > 1_000 && filled > 200, "{submitted} orders and {filled} fills got in");
    }
}

#[test]
fn extremes_before_anything_is_defined_never_panic() {
    each_seed(6, |seed| {
        check(Desk::empty(), seed + 1_000, 2_000);
    });
}

/// Each signed field of an otherwise good command takes each extreme.
#[test]
fn one_extreme_field_in_a_good_command_never_panics() {
    let extremes = [i64::MIN, i64::MIN + 1, -1, 0, 1, 1 << 31, 1 << 62, i64::MAX];
    for x in extremes {
        let mut desk = Desk::with_quotes();
        let order = desk.next_id();
        desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 100));
        let commands: Vec<Command> = vec![
            limit_order(SPOT, Side::Buy, x, 10).into(),
            limit_order(SPOT, Side::Sell, 10_000, x).into(),
            market_order(INVERSE, Side::Sell, x).into(),
            fill(order, 1, x, 10, 0).into(),
            fill(order, 2, 10_000, x, 0).into(),
            fill(order, 3, 10_000, 10, i128::from(x)).into(),
            fill(order, x.cast_unsigned(), 10_000, 10, 0).into(),
            report(OrderId(x.cast_unsigned()), ReportKind::Canceled, None).into(),
            cancel(OrderId(x.cast_unsigned())).into(),
            limit(LimitKind::PriceCollar, ALICE, SPOT, x).into(),
            limit(LimitKind::PositionQuantity, ALICE, LINEAR, x).into(),
            quote(SPOT, x, 10_010).into(),
            market_order(SPOT, Side::Buy, 10).into(),
            quote(SPOT, 9_990, x).into(),
            market_order(SPOT, Side::Sell, 10).into(),
            quote(LINEAR, x, x).into(),
            limit_order(LINEAR, Side::Buy, 10_000, 10).into(),
            quote(INVERSE, x, x).into(),
            market_order(INVERSE, Side::Buy, 10).into(),
            Instrument { tick_size: Price(x), ..instrument(SPOT) }.into(),
            Instrument { lot_size: Qty(x), ..instrument(SPOT) }.into(),
            Instrument { margin_rate: Rate(x), ..instrument(LINEAR) }.into(),
            limit_order(LINEAR, Side::Buy, 10_000, 10).into(),
            Instrument { notional_max: Money::new(i128::from(x)), ..instrument(LINEAR) }.into(),
            limit_order(LINEAR, Side::Sell, 10_000, 10).into(),
        ];
        for command in commands {
            desk.feed(command);
        }
        desk.settle(u64::MAX);
    }
}
