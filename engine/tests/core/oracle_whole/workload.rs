//! What clients, venues, feeds and operators say at random, with an eye on what the model knows, so that most of it
//! means something.
//!
//! The same seed gives the same commands. What stops trade (a halt, a kill switch, a limit) is taken back soon.

use super::super::desk::{ALICE, BOB, BTC, INVERSE, LINEAR, SPOT, USD, cancel, fill, quote, report};
use super::super::seed::Random;
use super::model::{Model, Order};
use tickwerk_domain::command::{
    AccountDefined, CancelOrder, ConversionSet, FillReported, MarkObserved, MarkSourceSet, NewOrder,
    ReferenceCurrencySet, ReplaceOrder, ReplaceReported, RouteSet, SimulatedVenueSet, TradeBusted,
    TradeCorrected, TradeObserved, VenueDefined,
};
use tickwerk_domain::{
    AccountId, Aggressor, BookDelta, ClientOrderId, Command, Contingency, CurrencyId, DurationNs,
    InstrumentId, Level, MarkSource, Money, OrderId, OrderType, PositionEffect, PositionMode, Price, Qty,
    Rate, Reject, ReportKind, Side, TextId, TimeInForce, TimeNs, TrailUnit, TriggerBy, VenueId,
};

/// Holds long and short positions side by side.
pub(super) const CAROL: AccountId = AccountId(3);
/// Watches triggers, and neither ends orders nor has auctions.
pub(super) const ABLE: VenueId = VenueId(2);
/// Can do nothing but take and cancel orders.
pub(super) const PLAIN: VenueId = VenueId(3);
const MARKETS: [InstrumentId; 3] = [SPOT, LINEAR, INVERSE];
/// Open orders beyond which more end than enter.
const MANY: usize = 90;
/// Fills that are remembered, to be told again, taken back or corrected.
const FILLS: usize = 64;

/// What is there before anything is asked.
pub(super) fn definitions() -> Vec<Command> {
    let mut all = super::super::desk::definitions();
    let (name, mode) = (TextId::NONE, PositionMode::Hedging);
    all.push(AccountDefined { account: CAROL, name, mode }.into());
    for (currency, amount) in [(USD, 40_000_000), (BTC, 2_000_000_000)] {
        all.push(super::super::desk::transfer(CAROL, currency, amount));
    }
    let able = VenueDefined::TRIGGERS | VenueDefined::TRAILING | VenueDefined::ICEBERG;
    let able = able | VenueDefined::REPLACE | VenueDefined::FILL_OR_KILL;
    for (venue, capabilities) in [(ABLE, able), (PLAIN, 0)] {
        all.push(VenueDefined { capabilities, venue, name }.into());
    }
    all.push(RouteSet { instrument: LINEAR, venue: ABLE, fallback: VenueId::SIMULATED }.into());
    all.push(ReferenceCurrencySet { currency: USD }.into());
    let rate = Rate(90 * Rate::ONE.0);
    all.push(ConversionSet { rate, currency: BTC, instrument: InstrumentId::NONE }.into());
    for id in MARKETS {
        all.push(quote(id, 9_990, 10_010).into());
        all.push(trade(id, 10_000, 5));
        all.push(SimulatedVenueSet::touch(id, DurationNs(3_000)).into());
    }
    all
}

fn trade(instrument: InstrumentId, price: i64, qty: i64) -> Command {
    let (price, qty, aggressor) = (Price(price), Qty(qty), Aggressor::Unknown);
    TradeObserved { trade_id: 1, price, qty, instrument, aggressor }.into()
}

pub(super) struct Workload {
    pub(super) random: Random,
    pub(super) mids: [i64; 4],
    pub(super) update_id: u64,
    execution_id: u64,
    names: u64,
    links: u64,
    last: Option<NewOrder>,
    fills: Vec<FillReported>,
    /// What takes back what stops trade.
    pub(super) repairs: Vec<Command>,
}

impl Workload {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            mids: [10_000; 4],
            update_id: 0,
            execution_id: 0,
            names: 0,
            links: 1,
            last: None,
            fills: Vec::new(),
            repairs: Vec::new(),
        }
    }

    /// How long it is until the next command.
    pub(super) fn pause(&mut self) -> u64 {
        match self.random.below(20_000) {
            0 => 30_000_000_000_000,
            1..100 => u64::from(self.random.below(2_000_000_000)),
            100..1_000 => u64::from(self.random.below(2_000_000)),
            _ => 1_000,
        }
    }

    pub(super) fn next(&mut self, model: &Model) -> Command {
        if !self.repairs.is_empty() && self.random.one_in(12) {
            return self.repairs.remove(0);
        }
        let market = self.random.pick(&MARKETS);
        match self.random.below(100) {
            0..14 => self.quote(market),
            14..19 => self.delta(market),
            19..22 => {
                let price = self.mids[market.0 as usize] + 10 * self.random.between(-2, 2);
                trade(market, price, self.random.between(0, 50))
            }
            22..24 => self.mark(market),
            24..48 if model.open.len() < MANY => self.order(model, market),
            24..48 => report(self.some_order(model), ReportKind::Canceled, None).into(),
            48..54 => self.cancel(model),
            54..61 => self.replace(model),
            61..74 => self.fill(model),
            74..84 => self.report(model),
            84..87 => self.terms(model),
            87..91 => self.restatement(model),
            91..97 => self.setting(model, market),
            _ => self.rare(model, market),
        }
    }

    fn mid(&mut self, market: InstrumentId) -> i64 {
        let mid = &mut self.mids[market.0 as usize];
        *mid = (*mid + 10 * self.random.between(-4, 4)).clamp(5_000, 20_000);
        *mid
    }

    fn quote(&mut self, market: InstrumentId) -> Command {
        let mid = self.mid(market);
        self.update_id += 1;
        let update_id = if self.random.one_in(3) { 0 } else { self.update_id };
        let ask_qty = Qty(if self.random.one_in(20) { 0 } else { 1_000 });
        let crossed = if self.random.one_in(60) { 30 } else { 0 };
        tickwerk_domain::command::QuoteObserved {
            update_id,
            ask_qty,
            ..quote(market, mid - 10 + crossed, mid + 10)
        }
        .into()
    }

    fn delta(&mut self, market: InstrumentId) -> Command {
        let mid = self.mid(market);
        self.update_id += 1;
        let clear = if self.random.one_in(12) { BookDelta::CLEAR } else { 0 };
        let last = if self.random.one_in(5) { 0 } else { BookDelta::LAST };
        let mut delta = BookDelta::new(market, self.update_id, clear | last);
        for _ in 0..self.random.below(7) {
            let away = 10 * self.random.between(1, 12);
            let (side, price) =
                if self.random.one_in(2) { (Side::Buy, mid - away) } else { (Side::Sell, mid + away) };
            let qty = self.random.between(-1, 4).max(0) * 500;
            delta.push(side, Level { price: Price(price), qty: Qty(qty) });
        }
        delta.into()
    }

    fn mark(&mut self, market: InstrumentId) -> Command {
        if self.random.one_in(6) {
            let (interval, source) = (DurationNs(0), self.random.pick(MarkSource::ALL));
            return MarkSourceSet { interval, instrument: market, source }.into();
        }
        let price = Price(self.mids[market.0 as usize] + self.random.between(-25, 25));
        MarkObserved { price, instrument: market }.into()
    }

    pub(super) fn some_order(&mut self, model: &Model) -> OrderId {
        if self.random.one_in(60) || model.orders.is_empty() {
            return OrderId(u64::MAX - u64::from(self.random.below(5)));
        }
        if model.open.is_empty() || self.random.one_in(8) {
            // One of the latest, mostly done.
            let place = self.random.below(60) as usize;
            return model.orders.keys().rev().nth(place).copied().unwrap_or(OrderId(7));
        }
        let place = self.random.below(u32::try_from(model.open.len()).expect("few")) as usize;
        *model.open.iter().nth(place).expect("it is there")
    }

    /// One that is at a venue, mostly.
    fn some_order_there(&mut self, model: &Model) -> OrderId {
        let mut found = self.some_order(model);
        for _ in 0..4 {
            let is_held = |order: &Order| order.hold.is_some();
            if !model.orders.get(&found).is_some_and(is_held) || self.random.one_in(12) {
                break;
            }
            found = self.some_order(model);
        }
        found
    }

    fn order(&mut self, model: &Model, market: InstrumentId) -> Command {
        if let Some(last) = self.last
            && self.random.one_in(30)
        {
            let qty = if self.random.one_in(2) { last.qty } else { Qty(last.qty.0 + 5) };
            return NewOrder { qty, ..last }.into();
        }
        let (side, mid) = (self.random.pick(Side::ALL), self.mids[market.0 as usize]);
        let account = self.random.pick(&[ALICE, ALICE, BOB, CAROL, CAROL]);
        let odd = if self.random.one_in(40) { 3 } else { 0 };
        let price = Price(mid + 10 * self.random.between(-20, 20) + odd);
        let qty = Qty(5 * self.random.between(1, 80) + odd);
        let mut order = NewOrder::limit(account, market, side, price, qty);
        if self.random.one_in(100) {
            order.account = AccountId(7);
        }
        if self.random.one_in(150) {
            order.instrument = InstrumentId(9);
        }
        self.kind(&mut order, mid);
        self.time(&mut order, model.now);
        if self.random.one_in(3) {
            self.link(&mut order, model);
        }
        let effects = if account == CAROL { 2 } else { 12 };
        if self.random.one_in(effects) {
            order.position_effect = self.random.pick(PositionEffect::ALL);
        }
        order.reduce_only = self.random.one_in(10);
        let rests = order.order_type.has_limit()
            && !matches!(order.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if rests || self.random.one_in(50) {
            order.post_only = self.random.one_in(12);
            let most = (order.qty.0 / 5).clamp(1, 8);
            order.display_qty = Qty(if self.random.one_in(8) { 5 * self.random.between(1, most) } else { 0 });
        }
        if self.random.one_in(3) {
            order.venue = self.random.pick(&[VenueId::SIMULATED, ABLE, PLAIN]);
        }
        if self.random.one_in(100) {
            order.venue = VenueId(9);
        }
        if self.random.one_in(3) {
            self.names += 1;
            order.client_order_id = ClientOrderId::new(&format!("n{}", self.names)).expect("a name");
        }
        self.last = Some(order);
        order.into()
    }

    fn kind(&mut self, order: &mut NewOrder, mid: i64) {
        match self.random.below(20) {
            0..9 => return,
            9..12 => {
                (order.order_type, order.price) = (OrderType::Market, Price(0));
                order.time_in_force = TimeInForce::Ioc;
                if self.random.one_in(6) {
                    order.quantity_in_quote = true;
                    order.qty = Qty(self.random.between(500, 3_000_000));
                }
                return;
            }
            12..14 => order.order_type = OrderType::Stop,
            14 => order.order_type = OrderType::StopLimit,
            15 => order.order_type = OrderType::MarketIfTouched,
            16 => order.order_type = OrderType::LimitIfTouched,
            _ => {
                order.order_type = OrderType::TrailingStop;
                order.trail_unit = self.random.pick(TrailUnit::ALL);
                order.trail_offset = match order.trail_unit {
                    TrailUnit::Price => 10 * self.random.between(1, 12),
                    TrailUnit::BasisPoints => self.random.between(0, 120),
                    TrailUnit::Ticks => self.random.between(0, 12),
                };
            }
        }
        if !order.order_type.has_limit() {
            order.price = Price(0);
        }
        let odd = if self.random.one_in(40) { 3 } else { 0 };
        let is_open = order.order_type == OrderType::TrailingStop && self.random.one_in(2);
        let trigger = mid + 10 * self.random.between(-9, 9) + odd;
        order.trigger_price = Price(if is_open { 0 } else { trigger });
        order.trigger_by = self.random.pick(TriggerBy::ALL);
    }

    fn time(&mut self, order: &mut NewOrder, now: u64) {
        match self.random.below(12) {
            0 => order.time_in_force = TimeInForce::Ioc,
            1 => order.time_in_force = TimeInForce::Fok,
            2 => order.time_in_force = TimeInForce::Day,
            3 => {
                order.time_in_force = TimeInForce::Gtd;
                let ahead = u64::from(self.random.below(2_000_000));
                order.expires_at = TimeNs((now + ahead).saturating_sub(20_000));
            }
            4 | 5 if !order.order_type.is_triggered() || self.random.one_in(20) => {
                let auctions = [TimeInForce::AtTheOpen, TimeInForce::AtTheClose];
                order.time_in_force = self.random.pick(&auctions);
            }
            _ => {}
        }
    }

    /// Most links are of the last few, some begin anew.
    fn link(&mut self, order: &mut NewOrder, model: &Model) {
        if self.random.one_in(3) {
            self.links += 1;
            order.contingency = self.random.pick(&[Contingency::Oco, Contingency::Parent]);
        } else {
            order.contingency = self.random.pick(Contingency::ALL);
        }
        order.link = self.links - u64::from(self.random.below(4)).min(self.links - 1);
        if self.random.one_in(40) {
            order.link = 0;
        }
        if let Some(group) = model.groups.get(&(order.account, order.link)) {
            match group.parent {
                Some((market, side)) if !self.random.one_in(12) => {
                    let pick = self.random.pick(&[
                        Contingency::BracketExit,
                        Contingency::BracketExit,
                        Contingency::Child,
                    ]);
                    (order.contingency, order.instrument, order.side) = (pick, market, side.opposite());
                }
                Some(_) => {}
                None => order.contingency = Contingency::Oco,
            }
        }
    }

    fn cancel(&mut self, model: &Model) -> Command {
        let order = self.some_order(model);
        let known = model.orders.get(&order).map(|known| known.asked);
        let account = known.map_or(ALICE, |asked| asked.account);
        match known {
            Some(asked) if !asked.client_order_id.is_none() && self.random.one_in(3) => {
                let client_order_id = asked.client_order_id;
                CancelOrder { account, order: OrderId::NONE, client_order_id }.into()
            }
            _ => CancelOrder { account, ..cancel(order) }.into(),
        }
    }

    fn replace(&mut self, model: &Model) -> Command {
        let order = self.some_order(model);
        let known = model.orders.get(&order);
        let (price, qty) = known.map_or((10_000, 10), |known| (known.price, known.qty));
        let account = known.map_or(ALICE, |known| known.asked.account);
        let trigger = known.map_or(0, |known| known.trigger);
        let mut maybe = |value: i64, one_in: u32| if self.random.one_in(one_in) { value } else { 0 };
        let (price, qty, trigger) = (maybe(price, 2), maybe(qty, 2), maybe(trigger, 3));
        let new_price = if price == 0 { 0 } else { price + 10 * self.random.between(-6, 6) };
        let new_qty = if qty == 0 { 0 } else { (qty + 5 * self.random.between(-12, 12)).max(-5) };
        let odd = if self.random.one_in(40) { 3 } else { 0 };
        ReplaceOrder {
            order,
            price: Price(new_price + odd),
            qty: Qty(new_qty),
            trigger_price: Price(if trigger == 0 { 0 } else { trigger + 10 * self.random.between(-6, 6) }),
            display_qty: Qty(if self.random.one_in(10) { 5 * self.random.between(1, 8) } else { 0 }),
            account,
            client_order_id: ClientOrderId::NONE,
        }
        .into()
    }

    fn fill(&mut self, model: &Model) -> Command {
        if !self.fills.is_empty() && self.random.one_in(10) {
            let known = self.random.pick(&self.fills.clone());
            let qty = if self.random.one_in(4) { Qty(known.qty.0 + 1) } else { known.qty };
            return FillReported { qty, ..known }.into();
        }
        let order = self.some_order_there(model);
        let known = model.orders.get(&order);
        let left = known.map_or(10, |known| known.qty - known.filled).max(1);
        let mid = known.map_or(10_000, |known| self.mids[(known.asked.instrument.0 % 4) as usize]);
        let qty = match self.random.below(12) {
            0 => left + 5,
            1 => 0,
            2..6 => left,
            _ => self.random.between(1, left),
        };
        self.execution_id += 1;
        // Beside the ids of the simulated venue, and in no order.
        let id = self.execution_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 << 63;
        let id = if self.random.one_in(80) { 0 } else { id };
        let fee = i128::from(self.random.between(-20, 200));
        let fee_currency = match self.random.below(10) {
            0 => USD,
            1 | 2 => BTC,
            3 if self.random.one_in(8) => CurrencyId(9),
            _ => CurrencyId::NONE,
        };
        let told = fill(order, id, mid + self.random.between(-60, 60), qty, fee);
        let told = FillReported { fee_currency, ..told };
        if self.fills.len() == FILLS {
            let place = self.random.below(64) as usize;
            self.fills[place] = told;
        } else {
            self.fills.push(told);
        }
        told.into()
    }

    fn report(&mut self, model: &Model) -> Command {
        let order = self.some_order_there(model);
        // What is awaited, mostly.
        let awaited = model.orders.get(&order).map(|known| {
            if known.is_cancel_pending {
                [ReportKind::Canceled, ReportKind::Canceled, ReportKind::CancelRejected]
            } else if known.replacement.is_some() {
                [ReportKind::ReplaceRejected, ReportKind::ReplaceRejected, ReportKind::Canceled]
            } else if known.is_accepted {
                [ReportKind::Canceled, ReportKind::Expired, ReportKind::Accepted]
            } else {
                [ReportKind::Accepted, ReportKind::Accepted, ReportKind::Rejected]
            }
        });
        let kind = match awaited {
            Some(kinds) if !self.random.one_in(8) => self.random.pick(&kinds),
            _ => self.random.pick(ReportKind::ALL),
        };
        let reason = self.random.pick(&[None, Some(Reject::VenueRejected), Some(Reject::CancelRequested)]);
        report(order, kind, reason).into()
    }

    /// The venue gives an order other terms, mostly those that were asked for.
    fn terms(&mut self, model: &Model) -> Command {
        let pending = model.open_orders().find(|order| order.replacement.is_some()).map(|order| order.id);
        let order = match pending {
            Some(pending) if !self.random.one_in(4) => pending,
            _ => self.some_order_there(model),
        };
        let known = model.orders.get(&order);
        let asked = known.and_then(|known| known.replacement);
        let of = known.map_or((10_000, 10, 0, 0), |known| {
            asked.map_or((known.price, known.qty, known.trigger, known.display), |new| {
                (new.price, new.qty, new.trigger, new.display)
            })
        });
        let (mut price, mut qty) = (of.0, of.1);
        if self.random.one_in(4) {
            price += 10 * self.random.between(-4, 4);
        }
        if self.random.one_in(4) {
            let filled = known.map_or(0, |known| known.filled);
            qty = if self.random.one_in(3) { filled } else { qty + 5 * self.random.between(-6, 6) };
        }
        let (price, qty, trigger_price, display_qty) = (Price(price), Qty(qty), Price(of.2), Qty(of.3));
        ReplaceReported { order, venue_order_id: 7, price, qty, trigger_price, display_qty }.into()
    }

    fn restatement(&mut self, model: &Model) -> Command {
        if self.fills.is_empty() || self.random.one_in(20) {
            return TradeBusted { order: self.some_order(model), execution_id: 12 }.into();
        }
        let known = self.random.pick(&self.fills.clone());
        let (order, execution_id) = (known.order, known.execution_id);
        if self.random.one_in(2) {
            return TradeBusted { order, execution_id }.into();
        }
        let qty = Qty(known.qty.0 + self.random.between(-known.qty.0, 12).max(-known.qty.0));
        let price = Price(known.price.0 + 10 * self.random.between(-2, 2));
        let fee = Money::new(i128::from(self.random.between(-20, 200)));
        TradeCorrected { order, execution_id, price, qty, fee }.into()
    }

    pub(super) fn account(&mut self) -> AccountId {
        self.random.pick(&[AccountId::NONE, ALICE, BOB, CAROL])
    }
}
