//! What clients and venues say at random of a few orders, so that much happens to each.

use super::desk::{ALICE, BOB, INVERSE, LINEAR, SPOT, USD, cancel, fill, limit_order, quote, report};
use super::seed::Random;
use tickwerk_domain::command::{
    FillReported, KillSwitchSet, MassCancel, NewOrder, ReconcileEnded, ReconcileStarted, ReplaceOrder,
    ReplaceReported, TradeBusted, TradeCorrected, VenueBalanceStated, VenueOrderStated, VenuePositionStated,
    VenueStateObserved,
};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Contingency, Event, InstrumentId, Money, OrderId, OrderType,
    PositionSide, Price, Qty, Reject, ReportKind, Side, SideFilter, StrategyId, TextId, TimeInForce, VenueId,
    VenueState,
};
use tickwerk_engine::machine::Machine;

/// Orders that the run talks about at one time: few, so that much happens to each.
const TALKED_OF: u32 = 8;

/// A venue that is not simulated; the simulated one answers nothing here.
pub(crate) const REAL: VenueId = VenueId(2);

/// Draws what a client and a venue say.
pub(crate) struct Talk {
    random: Random,
    orders: Vec<OrderId>,
    fills: Vec<FillReported>,
    execution_id: u64,
    run: u64,
    releases: Vec<Command>,
}

impl Talk {
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random::new(seed);
        Self { random, orders: Vec::new(), fills: Vec::new(), execution_id: 0, run: 0, releases: Vec::new() }
    }

    fn some_order(&mut self) -> OrderId {
        if self.orders.is_empty() || self.random.one_in(40) {
            OrderId(u64::from(self.random.below(5_000)))
        } else {
            let orders = self.orders.clone();
            self.random.pick(&orders)
        }
    }

    fn new_order(&mut self) -> NewOrder {
        let market = self.random.pick(&[SPOT, LINEAR, INVERSE]);
        let side = self.random.pick(Side::ALL);
        let (price, qty) = (10 * self.random.between(990, 1_010), 5 * self.random.between(2, 40));
        let account = self.random.pick(&[ALICE, ALICE, BOB]);
        let plain = NewOrder { account, ..limit_order(market, side, price, qty) };
        if self.random.one_in(3) {
            return self.rare_order(plain);
        }
        let time_in_force = self.random.pick(&[TimeInForce::Gtc, TimeInForce::Gtc, TimeInForce::Ioc]);
        NewOrder { time_in_force, ..plain }
    }

    /// One that is held, or linked with others, or both.
    fn rare_order(&mut self, plain: NewOrder) -> NewOrder {
        let order_type = self.random.pick(&[
            OrderType::Limit,
            OrderType::Stop,
            OrderType::StopLimit,
            OrderType::MarketIfTouched,
            OrderType::LimitIfTouched,
        ]);
        let contingency = self.random.pick(Contingency::ALL);
        let trigger = 10 * self.random.between(980, 1_020);
        NewOrder {
            order_type,
            contingency,
            price: if order_type.has_limit() { plain.price } else { Price(0) },
            trigger_price: Price(if order_type.is_triggered() { trigger } else { 0 }),
            link: if contingency == Contingency::None { 0 } else { u64::from(self.random.below(9)) + 1 },
            reduce_only: self.random.one_in(4),
            ..plain
        }
    }

    fn fill(&mut self, machine: &Machine) -> FillReported {
        if !self.fills.is_empty() && self.random.one_in(4) {
            // One that came before: as it was, or with other content.
            let known = self.fills.clone();
            let known = self.random.pick(&known);
            let qty = if self.random.one_in(3) { Qty(known.qty.0 + 1) } else { known.qty };
            return FillReported { qty, ..known };
        }
        let order = self.some_order();
        // What a replace on its way asks for may have been filled already.
        let asked = machine.orders().terms_by_id(order).and_then(|terms| terms.replacement);
        let asked = asked.filter(|_| self.random.one_in(2)).map_or(0, |new| new.qty.0);
        let left = machine.orders().by_id(order).map_or(10, |order| order.qty.0.max(asked) - order.cum_qty.0);
        let left = left.max(1);
        let qty = match self.random.below(8) {
            0 => left + self.random.between(1, 5),
            1 => self.random.between(-2, 0),
            2 | 3 => left,
            _ => self.random.between(1, left),
        };
        self.execution_id += 1;
        // Ids that jump up and down.
        let id = self.execution_id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let price = 10 * self.random.between(980, 1_020);
        fill(order, id, price, qty, i128::from(self.random.between(-3, 30)))
    }

    fn restatement(&mut self) -> Command {
        let known = self.fills.clone();
        let (order, execution_id) = if known.is_empty() || self.random.one_in(20) {
            (self.some_order(), u64::from(self.random.below(9)))
        } else {
            let known = self.random.pick(&known);
            (known.order, known.execution_id)
        };
        if self.random.one_in(2) {
            return TradeBusted { order, execution_id }.into();
        }
        let (price, qty) = (Price(10 * self.random.between(980, 1_020)), Qty(self.random.between(0, 120)));
        let fee = Money::new(i128::from(self.random.between(-3, 30)));
        TradeCorrected { order, execution_id, price, qty, fee }.into()
    }

    fn replace(&mut self, machine: &Machine) -> Command {
        let order = self.some_order();
        let (price, qty) = (Price(10 * self.random.between(980, 1_020)), Qty(5 * self.random.between(2, 60)));
        let (trigger_price, display_qty, client_order_id) = (Price(0), Qty(0), ClientOrderId::NONE);
        if self.random.one_in(2) {
            let account = machine.orders().by_id(order).map_or(ALICE, |order| order.account);
            return ReplaceOrder { order, price, qty, trigger_price, display_qty, account, client_order_id }
                .into();
        }
        // Mostly the answer to what was asked.
        let asked = machine.orders().terms_by_id(order).and_then(|terms| terms.replacement);
        let (price, qty) = match asked.filter(|_| !self.random.one_in(4)) {
            Some(new) => (new.price, new.qty),
            None => (price, qty),
        };
        ReplaceReported { order, venue_order_id: order.0, price, qty, trigger_price, display_qty }.into()
    }

    fn scope(&mut self) -> Command {
        let account = self.random.pick(&[AccountId(0), ALICE, BOB]);
        let market = self.random.pick(&[InstrumentId(0), SPOT, LINEAR, INVERSE]);
        let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
        match self.random.below(3) {
            0 => {
                let engaged = true;
                let switch = KillSwitchSet { account, instrument: market, strategy, reason, engaged };
                self.releases.push(KillSwitchSet { engaged: false, ..switch }.into());
                switch.into()
            }
            1 => {
                let side = self.random.pick(SideFilter::ALL);
                MassCancel { account, instrument: market, strategy, reason, side }.into()
            }
            _ => {
                let venue = self.random.pick(&[VenueId::SIMULATED, REAL, REAL]);
                self.releases.push(VenueStateObserved { venue, state: VenueState::Connected }.into());
                VenueStateObserved { venue, state: VenueState::Disconnected }.into()
            }
        }
    }

    /// A whole reconciliation, its view mostly right.
    fn reconciliation(&mut self, machine: &Machine) -> Vec<Command> {
        self.run += 1;
        let (run, account) = (self.run, self.random.pick(&[ALICE, BOB]));
        let mut view: Vec<Command> = vec![
            ReconcileStarted { run, account, venue: self.random.pick(&[VenueId::SIMULATED, REAL]) }.into(),
        ];
        for order in machine.orders().open().filter(|order| order.account == account) {
            if self.random.one_in(5) {
                continue;
            }
            let mut off = |one_in: u32| if self.random.one_in(one_in) { 5 } else { 0 };
            let (price, qty) = (Price(order.price.0 + 2 * off(8)), Qty(order.qty.0 + off(8)));
            let asked = machine.orders().terms_by_id(order.id).and_then(|terms| terms.replacement);
            let (price, qty) = match asked.filter(|_| off(2) > 0) {
                Some(new) => (new.price, new.qty),
                None => (price, qty),
            };
            let cum_qty = Qty(order.cum_qty.0 + off(12));
            let named = if off(15) > 0 { OrderId::NONE } else { order.id };
            let venue_order_id = order.id.0;
            let (instrument, side) = (order.instrument, order.side);
            let stated = VenueOrderStated {
                run,
                order: named,
                venue_order_id,
                price,
                qty,
                cum_qty,
                account,
                instrument,
                side,
            };
            view.push(stated.into());
        }
        for market in [SPOT, LINEAR, INVERSE] {
            if self.random.one_in(6) {
                let held = machine.positions().get(account, market).qty;
                let (qty, price) = (Qty(held + self.random.between(-20, 20)), Price(10_000));
                let side = PositionSide::Net;
                view.push(VenuePositionStated { run, qty, price, account, instrument: market, side }.into());
            }
        }
        if self.random.one_in(3) {
            let held = machine.accounts().balance(account, USD).cash;
            let cash = Money::new(held + i128::from(self.random.between(-9, 9)));
            view.push(VenueBalanceStated { run, cash, account, currency: USD }.into());
        }
        if !self.random.one_in(6) {
            view.push(ReconcileEnded { run }.into());
        }
        view
    }

    pub(crate) fn next(&mut self, machine: &Machine) -> Vec<Command> {
        let command = match self.random.below(100) {
            0..14 => self.new_order().into(),
            14..38 => self.fill(machine).into(),
            38..62 => {
                let reason = self.random.pick(&[None, Some(Reject::VenueRejected)]);
                report(self.some_order(), self.random.pick(ReportKind::ALL), reason).into()
            }
            62..72 => {
                let order = self.some_order();
                let account = machine.orders().by_id(order).map_or(ALICE, |order| order.account);
                tickwerk_domain::command::CancelOrder { account, ..cancel(order) }.into()
            }
            72..80 => self.replace(machine),
            80..90 => self.restatement(),
            90..94 => {
                let mid = 10 * self.random.between(990, 1_010);
                quote(self.random.pick(&[SPOT, LINEAR, INVERSE]), mid - 10, mid + 10).into()
            }
            94 => self.scope(),
            95..97 => return self.reconciliation(machine),
            _ => match self.releases.pop() {
                Some(release) => release,
                None => self.new_order().into(),
            },
        };
        vec![command]
    }

    pub(crate) fn note(&mut self, command: &Command, events: &[Event]) {
        for event in events {
            if let Event::OrderSubmitted(order) = event {
                if self.orders.len() == TALKED_OF as usize {
                    let place = self.random.below(TALKED_OF) as usize;
                    self.orders[place] = order.order;
                } else {
                    self.orders.push(order.order);
                }
            }
        }
        if let Command::FillReported(fill) = command {
            if self.fills.len() == 24 {
                self.fills.remove(0);
            }
            self.fills.push(*fill);
        }
    }
}
