//! Every order through random interleavings of reports, cancels, replaces, duplicates, late fills, busts, corrections,
//! lost connections and reconciliations; after each command all that follows from the orders is worked out anew.
//!
//! Checked: no state is left by a move that the table lacks and a done one never; `LeavesQty` is `OrderQty − CumQty`
//! while an order is active and 0 when it is done; `CumQty`, value and fees are the sum over the executions told and
//! not taken back; a position is the sum over the executions of its account; exposure, open orders and what is tied up
//! are the sum over open orders. At the end a re-execution comes to the same state.

use super::desk::{
    ALICE, BOB, BTC, Desk, INVERSE, LINEAR, SPOT, USD, cancel, fill, instrument, limit_order, quote, report,
};
use super::seed::{Random, each_seed, is_long};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::{
    FillReported, KillSwitchSet, MassCancel, NewOrder, ReconcileEnded, ReconcileStarted, ReplaceOrder,
    ReplaceReported, RouteSet, SimulatedVenueSet, TradeBusted, TradeCorrected, VenueBalanceStated,
    VenueDefined, VenueOrderStated, VenuePositionStated, VenueStateObserved,
};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Contingency, CurrencyId, DifferenceKind, DurationNs, Event,
    InstrumentId, InstrumentKind, Money, OrderId, OrderStatus, OrderType, PositionChange, PositionSide,
    Price, Qty, Rate, Reject, ReportKind, Side, SideFilter, StrategyId, TextId, TimeInForce, VenueId,
    VenueState,
};
use tickwerk_engine::lifecycle;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::orders::Order;
use tickwerk_engine::replay::Replay;

/// Orders that the run talks about at one time: few, so that much happens to each.
const TALKED_OF: u32 = 8;

/// A venue that is not simulated; the simulated one answers nothing here.
const REAL: VenueId = VenueId(2);

/// Draws what a client and a venue say.
struct Talk {
    random: Random,
    orders: Vec<OrderId>,
    fills: Vec<FillReported>,
    execution_id: u64,
    run: u64,
    releases: Vec<Command>,
}

impl Talk {
    fn new(seed: u64) -> Self {
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

    fn next(&mut self, machine: &Machine) -> Vec<Command> {
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

    fn note(&mut self, command: &Command, events: &[Event]) {
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

/// A fill as it stands by all that was told.
struct Told {
    price: Price,
    qty: Qty,
    fee: i128,
}

#[derive(Default)]
pub(crate) struct Model {
    statuses: BTreeMap<OrderId, OrderStatus>,
    executions: BTreeMap<OrderId, BTreeMap<u64, Told>>,
    /// What positions were set to beyond what was traded.
    adjusted: BTreeMap<(AccountId, InstrumentId), i64>,
    traded: BTreeMap<(AccountId, InstrumentId), i64>,
    /// Price, quantity and what the quantity is more by, of replaces that the venue has not answered.
    replaces: BTreeMap<OrderId, (Price, Qty, i64)>,
    /// Cancels that no venue has answered, with how often its connection had been found again by then.
    cancels: BTreeMap<OrderId, u64>,
    /// Venues whose connection is lost, and how often each one's was found again.
    lost: BTreeSet<VenueId>,
    found: BTreeMap<VenueId, u64>,
    unmatched: u64,
    late: u64,
    /// Orders that were full and waited for more.
    full: u64,
    /// Fills that told of a replace.
    implied: u64,
    sent_again: u64,
    requests_lost: u64,
    restated: u64,
    seen: BTreeSet<(OrderStatus, OrderStatus)>,
}

impl Model {
    fn note(&mut self, command: &Command, events: &[Event], machine: &Machine) {
        self.note_connection(command);
        for event in events {
            self.note_cancel(command, event, machine);
            if let (Event::OrderFilled(_) | Event::OrderPartiallyFilled(_), Command::FillReported(fill)) =
                (event, command)
            {
                let was = self.statuses.get(&fill.order);
                self.late += u64::from(was.is_some_and(|status| status.is_done()));
                let told = Told { price: fill.price, qty: fill.qty, fee: fill.fee.get() };
                self.trade(machine, fill.order, fill.qty.0);
                let first = self.executions.entry(fill.order).or_default().insert(fill.execution_id, told);
                assert!(first.is_none(), "execution {} is booked once", fill.execution_id);
            } else if let Event::FillRestated(restated) = event {
                let (order, qty) = (restated.order, restated.qty);
                self.restated += 1;
                let told = Told { price: restated.price, qty, fee: restated.fee.get() };
                let of_order = self.executions.get_mut(&order).expect("only what was booked is restated");
                let before = of_order.insert(restated.execution_id, told).expect("likewise").qty;
                self.trade(machine, order, qty.0 - before.0);
            } else if let Event::PositionChanged(changed) = event
                && changed.change == PositionChange::Adjusted
            {
                let place = (changed.account, changed.instrument);
                let traded = self.traded.get(&place).copied().unwrap_or(0);
                self.adjusted.insert(place, changed.qty.0 - traded);
            } else if let Event::FillUnmatched(_) = event {
                self.unmatched += 1;
            } else if let Event::ReplaceSubmitted(new) = event {
                let qty = machine.orders().by_id(new.order).expect("it is remembered").qty;
                let more = (new.qty.0 - qty.0).max(0);
                self.replaces.insert(new.order, (new.price, new.qty, more));
            } else if let Event::OrderReplaced(replaced) = event {
                self.replaces.remove(&replaced.order);
                self.implied += u64::from(matches!(command, Command::FillReported(_)));
            } else if let Event::ReconcileDiffered(differed) = event {
                self.requests_lost += u64::from(differed.kind == DifferenceKind::RequestLost);
            } else if let Event::ReplaceRejected(refused) = event
                && !matches!(command, Command::ReplaceOrder(_))
            {
                self.replaces.remove(&refused.order);
            }
        }
    }

    fn note_connection(&mut self, command: &Command) {
        if let Command::VenueStateObserved(seen) = command {
            if seen.state == VenueState::Disconnected {
                self.lost.insert(seen.venue);
            } else if self.lost.remove(&seen.venue) {
                *self.found.entry(seen.venue).or_default() += 1;
            }
        }
    }

    /// A cancel goes out once, and once more each time that the connection was found again.
    fn note_cancel(&mut self, command: &Command, event: &Event, machine: &Machine) {
        if let Event::CancelSubmitted(sent) = event {
            let venue = machine.orders().by_id(sent.order).expect("it is remembered").venue;
            let found = self.found.get(&venue).copied().unwrap_or(0);
            let before = self.cancels.insert(sent.order, found);
            self.sent_again += u64::from(before.is_some());
            assert!(before.is_none_or(|before| before < found), "order {} is cancelled twice", sent.order);
        } else if let Event::CancelRejected(refused) = event
            && !matches!(command, Command::CancelOrder(_))
        {
            self.cancels.remove(&refused.order);
        }
    }

    fn trade(&mut self, machine: &Machine, order: OrderId, qty: i64) {
        let order = machine.orders().by_id(order).expect("it is remembered");
        *self.traded.entry((order.account, order.instrument)).or_default() += order.side.sign() * qty;
    }

    fn check(&mut self, machine: &Machine) {
        for order in machine.orders().remembered() {
            self.check_state(order);
            self.check_fills(order);
        }
        for order in machine.orders().open() {
            self.check_requests(order);
        }
        for account in [ALICE, BOB] {
            let open = || machine.orders().open().filter(move |order| order.account == account);
            // Of orders that wait and share their exposure, one counts.
            let is_counted =
                |order: &&Order| machine.orders().terms_by_id(order.id).is_none_or(|terms| terms.is_counted);
            let row = machine.accounts().account(account).expect("it is defined");
            assert_eq!(row.open_orders as usize, open().count(), "open orders of {account}");
            for market in [SPOT, LINEAR, INVERSE] {
                let of = |side| {
                    let mine = open().filter(is_counted);
                    let mine = mine.filter(move |order| (order.instrument, order.side) == (market, side));
                    let more = |order: &Order| self.replaces.get(&order.id).map_or(0, |(.., more)| *more);
                    mine.map(|order| order.qty.0 - order.cum_qty.0 + more(order)).sum::<i64>()
                };
                let position = machine.positions().get(account, market);
                let exposure = (position.open_buys, position.open_sells);
                assert_eq!(exposure, (of(Side::Buy), of(Side::Sell)), "{account} in {market}");
                let place = (account, market);
                let expected = self.traded.get(&place).copied().unwrap_or(0)
                    + self.adjusted.get(&place).copied().unwrap_or(0);
                assert_eq!(position.qty, expected, "position of {account} in {market}");
            }
            for currency in [USD, BTC] {
                let worst = |order: &Order| {
                    let today = tied_up(order, order.reserve_price, order.qty, currency);
                    let asked = self.replaces.get(&order.id);
                    today.max(asked.map_or(0, |(price, qty, _)| tied_up(order, *price, *qty, currency)))
                };
                let tied_up: i128 = open().filter(is_counted).map(worst).sum();
                let margin = |market| {
                    let settles = instrument(market).settlement == currency;
                    if settles { machine.positions().get(account, market).margin } else { 0 }
                };
                let expected = tied_up + margin(LINEAR) + margin(INVERSE);
                assert_eq!(machine.accounts().balance(account, currency).reserved, expected, "{account}");
            }
        }
        assert_eq!(machine.unmatched_fills().count(), self.unmatched);
    }

    fn check_state(&mut self, order: &Order) {
        let (id, now) = (order.id, order.status);
        assert!(0 <= order.cum_qty.0 && order.cum_qty <= order.qty, "order {id}");
        let leaves = if now.is_done() { 0 } else { order.qty.0 - order.cum_qty.0 };
        assert_eq!(order.leaves().0, leaves, "order {id}");
        let Some(before) = self.statuses.insert(id, now).filter(|before| *before != now) else {
            return;
        };
        // A command may make an order move twice.
        let is_allowed = lifecycle::order::is_allowed;
        let reaches = |by: &OrderStatus| is_allowed(before, *by) && is_allowed(*by, now);
        let is_move = is_allowed(before, now) || OrderStatus::ALL.iter().any(reaches);
        assert!(!before.is_done() && is_move, "order {id}: {before} to {now}");
        self.seen.insert((before, now));
    }

    /// What is pending waits for an answer, and only an order that may become larger is open with nothing left.
    fn check_requests(&mut self, order: &Order) {
        let (id, asked) = (order.id, self.replaces.get(&order.id));
        let cancel = order.status == OrderStatus::PendingCancel;
        assert_eq!(cancel, order.is_cancel_pending, "order {id}");
        assert!(!cancel || self.cancels.contains_key(&id), "order {id}");
        assert_eq!(order.status == OrderStatus::PendingReplace, !cancel && asked.is_some(), "order {id}");
        if order.cum_qty == order.qty {
            assert!(
                asked.is_some_and(|(_, qty, _)| *qty > order.qty),
                "order {id} is full and waits for nothing"
            );
            self.full += 1;
        }
    }

    fn check_fills(&self, order: &Order) {
        let Some(told) = self.executions.get(&order.id) else {
            assert_eq!((order.cum_qty.0, order.cum_value, order.cum_fee), (0, 0, 0), "order {}", order.id);
            return;
        };
        let of = instrument(order.instrument);
        let value = |told: &Told| {
            if told.qty.0 == 0 { 0 } else { of.value_posted(told.price, told.qty).expect("it was booked") }
        };
        let sums = (
            told.values().map(|told| told.qty.0).sum::<i64>(),
            told.values().map(value).sum::<i128>(),
            told.values().map(|told| told.fee).sum::<i128>(),
        );
        assert_eq!((order.cum_qty.0, order.cum_value, order.cum_fee), sums, "order {}", order.id);
    }
}

/// What a spot order ties up of a currency: a sell its quantity, a buy its value with the fee of a taker.
fn tied_up(order: &Order, price: Price, qty: Qty, currency: CurrencyId) -> i128 {
    let of = instrument(order.instrument);
    let left = Qty((qty.0 - order.cum_qty.0).max(0));
    match order.side {
        _ if of.kind != InstrumentKind::Spot => 0,
        // The base has three decimals more than the quantity.
        Side::Sell if of.base == currency => i128::from(left.0) * 1_000,
        Side::Buy if of.quote == currency => {
            let value = of.value_posted(price, left).expect("it passed the check");
            let rate = Rate(of.taker_fee.0.max(of.maker_fee.0));
            value + of.fee(price, left, rate).expect("likewise")
        }
        Side::Sell | Side::Buy => 0,
    }
}

/// What the core is told instead of a command; the model hears the command.
pub(crate) type Distort = fn(&Command, &Machine) -> Command;

pub(crate) fn run(seed: u64, steps: usize, distort: Distort) -> Model {
    let mut desk = Desk::with_quotes();
    for market in [SPOT, LINEAR, INVERSE] {
        // Nothing arrives at the simulated venue: this test speaks for it.
        desk.apply(SimulatedVenueSet::touch(market, DurationNs(u64::MAX)));
    }
    desk.apply(VenueDefined { capabilities: VenueDefined::ALL, venue: REAL, name: TextId::NONE });
    for market in [SPOT, LINEAR] {
        desk.apply(RouteSet { instrument: market, venue: REAL, fallback: VenueId::NONE });
    }
    let (mut talk, mut model) = (Talk::new(seed), Model::default());
    for _ in 0..steps {
        for command in talk.next(desk.machine()) {
            let heard = distort(&command, desk.machine());
            let mut told = vec![(command, desk.apply(heard))];
            // Only what must go on at once; the simulated venue stays out of this talk.
            while desk.machine().continuation().is_some() {
                told.extend(desk.settle_one(0));
            }
            for (command, events) in &told {
                model.note(command, events, desk.machine());
                talk.note(command, events);
            }
            model.check(desk.machine());
        }
    }
    let mut replay = Replay::new();
    for frame in &desk.frames {
        assert_eq!(replay.apply(frame), Ok(()));
    }
    assert_eq!(replay.core().digest(), desk.core.digest());
    model
}

#[test]
fn no_interleaving_leads_to_an_illegal_state() {
    let (seeds, steps) = if is_long() { (40, 5_000) } else { (20, 1_000) };
    let told = std::cell::RefCell::new((0, 0, 0, BTreeSet::new()));
    let crossed = std::cell::Cell::new([0; 4]);
    each_seed(seeds, |seed| {
        let model = run(seed, steps, |command, _| *command);
        let counts = [model.full, model.implied, model.sent_again, model.requests_lost];
        crossed.set(std::array::from_fn(|place| crossed.get()[place] + counts[place]));
        let mut told = told.borrow_mut();
        told.0 += model.late;
        told.1 += model.restated;
        told.2 += model.unmatched;
        told.3.extend(model.seen);
    });
    if std::env::var_os("SEED").is_none() {
        let (late, restated, unmatched, seen) = told.into_inner();
        assert!(late > 100 && restated > 200 && unmatched > 200, "{late} {restated} {unmatched}");
        assert!(seen.len() > 15, "{seen:?}");
        assert!(crossed.get().iter().all(|count| *count > 10), "{crossed:?}");
        assert!(seen.iter().any(|(from, _)| *from == OrderStatus::Held), "{seen:?}");
    }
}
