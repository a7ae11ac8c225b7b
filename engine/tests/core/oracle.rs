//! A slow, obvious model of books, orders, fills, positions, balances and risk settings, compared with the engine.
//!
//! What cancels, replaces and breakers do to it is in `oracle_flow.rs`. The model takes decisions of risk as they were told, checks them against the limits and switches that it keeps, and
//! works out all that follows from them by itself: maps instead of stores, exact fractions instead of cost units, sums
//! instead of running totals. `TICKWERK_LONG=1` feeds a million commands for each of twenty seeds; better in a release
//! build.

use super::desk::{Desk, definitions, instrument};
use super::oracle_flow::{self, Counts, in_reference};
use super::oracle_position::{ModelPosition, half_even, unit, value};
use super::oracle_risk::ModelRisk;
use super::seed::{each_seed, is_long};
use super::workload::Workload;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::event::{LedgerBook, OrderApproved};
use tickwerk_domain::{
    AccountId, BookDelta, Command, CurrencyId, Event, Instrument, InstrumentId, InstrumentKind, OrderId,
    Rate, ReportKind, Side,
};
use tickwerk_engine::limits::{OPEN_ORDERS_MAX, ORDERS_MAX};
use tickwerk_engine::machine::Machine;

#[expect(clippy::struct_excessive_bools, reason = "marks that come and go by themselves")]
pub(crate) struct ModelOrder {
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) qty: i64,
    pub(crate) filled: i64,
    /// Whether it has a limit price.
    pub(crate) has_limit: bool,
    /// Whether it may only reduce.
    pub(crate) reduces: bool,
    /// Whether the venue made it larger than the engine wants it.
    pub(crate) is_forced: bool,
    pub(crate) is_cancel_pending: bool,
    /// Price and quantity of a replace on its way.
    pub(crate) asked: Option<(i64, i64)>,
    /// The price that it is counted at; the engine's decision where the order has none.
    pub(crate) asked_reserve_price: i64,
    is_accepted: bool,
    /// Ended before it was filled; what was left may still be filled.
    is_ended: bool,
    /// The venue never took it.
    is_rejected: bool,
    pub(crate) price: i64,
    reserve_price: i64,
    /// How many orders had entered when it was done.
    done_at: u64,
}

impl ModelOrder {
    fn is_open(&self) -> bool {
        let most = self.asked.map_or(self.qty, |(_, asked)| asked.max(self.qty));
        !self.is_ended && !self.is_rejected && self.filled < most
    }

    fn left(&self) -> i64 {
        if self.is_open() { self.qty - self.filled } else { 0 }
    }

    /// What is left at worst: a larger quantity that was asked for counts.
    pub(crate) fn left_at_worst(&self) -> i64 {
        self.left() + self.asked.map_or(0, |(_, qty)| (qty - self.qty).max(0))
    }
}

#[derive(Clone, Copy)]
struct Execution {
    price: i64,
    qty: i64,
    fee: i128,
    is_busted: bool,
}

#[derive(Default)]
pub(crate) struct Model {
    books: BTreeMap<(InstrumentId, bool), BTreeMap<i64, i64>>,
    in_snapshot: BTreeSet<InstrumentId>,
    live: BTreeSet<InstrumentId>,
    /// Open ones.
    pub(crate) orders: BTreeMap<OrderId, ModelOrder>,
    /// Cancels that a mass cancel or a kill switch still owes, in order.
    pub(crate) owed_cancels: VecDeque<OrderId>,
    pub(crate) counts: Counts,
    done: BTreeMap<OrderId, ModelOrder>,
    /// Orders that took a place in the engine's store so far.
    entered: u64,
    pub(crate) risk: ModelRisk,
    pub(crate) positions: BTreeMap<(AccountId, InstrumentId), ModelPosition>,
    pub(crate) cash: BTreeMap<(AccountId, CurrencyId), i128>,
    executions: BTreeMap<(OrderId, u64), Execution>,
    fills_booked: u64,
    /// The order of the fill that the last command booked.
    last_booked: Option<OrderId>,
    fills_restated: u64,
    fills_after_the_end: u64,
}

/// The price that a spot order is counted at is the engine's decision; the model checks what follows from it.
fn price_of(machine: &Machine, order: OrderId) -> i64 {
    machine.orders().by_id(order).map_or(0, |order| order.reserve_price.0)
}

impl Model {
    fn apply(&mut self, command: &Command, events: &[Event], machine: &Machine) {
        let approved = events
            .iter()
            .find_map(|event| if let Event::OrderApproved(approved) = event { Some(approved) } else { None });
        self.watch_before(command, events, machine);
        for event in events {
            let is_decided = matches!(event, Event::OrderApproved(_) | Event::OrderRefused(_));
            self.entered += u64::from(is_decided && !matches!(command, Command::ReplaceOrder(_)));
            if let (Event::OrderRefused(refused), Command::NewOrder(asked)) = (event, command) {
                let open = self.orders.values().filter(|order| order.account == asked.account).count();
                self.risk.check_refusal(refused, asked, open, machine.last().time_ns.0);
            }
            if let (Event::OrderSubmitted(order), Some(approved)) = (event, approved) {
                let place = (order.account, order.instrument);
                let held = self.positions.get(&place).map_or(0, |position| position.qty);
                if let Command::NewOrder(asked) = command {
                    let (buys, sells) = self.open_of(order.account, order.instrument);
                    let room = if asked.side == Side::Buy { -held - buys } else { held - sells };
                    self.risk.check_approval(approved, asked, held, room);
                }
                let model = ModelOrder {
                    account: order.account,
                    instrument: order.instrument,
                    side: order.side,
                    qty: order.qty.0,
                    filled: 0,
                    has_limit: order.order_type.has_limit(),
                    reduces: matches!(command, Command::NewOrder(asked) if asked.reduce_only),
                    is_forced: false,
                    is_cancel_pending: false,
                    asked: None,
                    asked_reserve_price: 0,
                    is_accepted: false,
                    is_ended: false,
                    is_rejected: false,
                    price: order.price.0,
                    reserve_price: price_of(machine, order.order),
                    done_at: 0,
                };
                self.orders.insert(order.order, model);
                self.check_approval(approved);
            }
        }
        self.risk.note(command, events, machine.last().time_ns.0);
        if let Command::BookDelta(delta) = command {
            self.delta(delta);
        } else if let Command::MarketGapObserved(gap) = command {
            self.in_snapshot.remove(&gap.instrument);
            self.live.remove(&gap.instrument);
        } else if let Command::OrderReported(report) = command {
            self.report(report);
            self.retire(report.order);
        } else if let Command::FillReported(fill) = command {
            self.forget(fill.order, machine);
            self.fill(fill, machine);
            self.watch_fill(fill, machine);
            self.retire(fill.order);
        } else if let Command::ReplaceReported(report) = command {
            self.replaced(report, machine);
            self.retire(report.order);
        } else if let Command::TradeBusted(bust) = command {
            self.forget(bust.order, machine);
            self.restate(bust.order, bust.execution_id, None);
        } else if let Command::TradeCorrected(to) = command {
            let now = Execution { price: to.price.0, qty: to.qty.0, fee: to.fee.get(), is_busted: false };
            self.forget(to.order, machine);
            self.restate(to.order, to.execution_id, Some(now));
            self.retire(to.order);
        } else if let (Command::CashTransferred(transfer), [Event::Posted(_), ..]) = (command, events) {
            // A digest of the whole state may follow.
            *self.cash.entry((transfer.account, transfer.currency)).or_default() += transfer.amount.get();
            let amount = in_reference(transfer.currency, transfer.amount.get());
            self.risk.watched.entry(transfer.account).or_default().moved(amount);
        }
        self.note_flow(command, events, machine);
        self.check_trips(command, events, machine);
    }

    /// An approval tells the position at its worst, which the model gets by adding up.
    fn check_approval(&self, approved: &OrderApproved) {
        let (account, instrument) = (approved.account, approved.instrument);
        let held = self.positions.get(&(account, instrument)).map_or(0, |position| position.qty);
        let (buys, sells) = self.open_of(account, instrument);
        assert_eq!((approved.worst_long.0, approved.worst_short.0), (held + buys, held - sells));
        let open = self.orders.values().filter(|order| order.account == account).count();
        assert_eq!(approved.open_orders as usize, open);
    }

    pub(crate) fn open_of(&self, account: AccountId, instrument: InstrumentId) -> (i64, i64) {
        let open =
            self.orders.values().filter(|order| (order.account, order.instrument) == (account, instrument));
        open.fold((0, 0), |(buys, sells), order| {
            let left = order.left_at_worst();
            match order.side {
                Side::Buy => (buys + left, sells),
                Side::Sell => (buys, sells + left),
            }
        })
    }

    fn delta(&mut self, delta: &BookDelta) {
        let instrument = delta.instrument;
        if delta.clears() {
            self.books.insert((instrument, true), BTreeMap::new());
            self.books.insert((instrument, false), BTreeMap::new());
            self.in_snapshot.insert(instrument);
        }
        if !self.in_snapshot.contains(&instrument) && !self.live.contains(&instrument) {
            return;
        }
        for (side, level) in delta.sided_levels() {
            let levels = self.books.entry((instrument, side == Side::Buy)).or_default();
            if level.qty.0 > 0 {
                levels.insert(level.price.0, level.qty.0);
            } else {
                levels.remove(&level.price.0);
            }
        }
        if delta.is_last() {
            self.in_snapshot.remove(&instrument);
            self.live.insert(instrument);
        }
    }

    fn report(&mut self, report: &OrderReported) {
        let Some(order) = self.orders.get_mut(&report.order) else { return };
        match report.kind {
            ReportKind::Accepted => order.is_accepted = true,
            ReportKind::Rejected => order.is_rejected = !order.is_accepted && order.filled == 0,
            ReportKind::Canceled | ReportKind::Expired => order.is_ended = true,
            ReportKind::CancelRejected => {
                order.is_forced |= std::mem::take(&mut order.is_cancel_pending);
            }
            ReportKind::ReplaceRejected => order.is_forced |= order.asked.take().is_some(),
        }
    }

    /// Moves an order that is done away.
    fn retire(&mut self, id: OrderId) {
        if self.orders.get(&id).is_some_and(|order| !order.is_open()) {
            let order = self.orders.remove(&id).expect("it is there");
            self.done.insert(id, ModelOrder { done_at: self.entered, ..order });
        }
    }

    /// Forgets a done order that the engine has forgotten, as it may when enough others have come since.
    fn forget(&mut self, id: OrderId, machine: &Machine) {
        if machine.orders().by_id(id).is_none()
            && let Some(order) = self.done.remove(&id)
        {
            let others = self.entered - order.done_at;
            assert!(others >= (ORDERS_MAX - OPEN_ORDERS_MAX) as u64, "forgotten after {others} others");
        }
    }

    fn replaced(&mut self, report: &ReplaceReported, machine: &Machine) {
        let Some(order) = self.orders.get_mut(&report.order) else { return };
        let is_answer = order.asked.is_some();
        let repeats = !is_answer && (order.price, order.qty) == (report.price.0, report.qty.0);
        let is_below = report.qty.0 <= 0 || report.qty.0 < order.filled && !is_answer;
        if repeats || order.has_limit && report.price.0 <= 0 || is_below {
            return;
        }
        let asked = order.asked.take().map(|(_, qty)| qty);
        order.is_forced |= asked != Some(report.qty.0);
        // What was filled by then is amended to.
        let qty = report.qty.0.max(order.filled);
        (order.price, order.qty, order.is_accepted) = (report.price.0, qty, true);
        order.reserve_price = price_of(machine, report.order);
        order.is_ended = order.qty == order.filled;
    }

    fn fill(&mut self, fill: &FillReported, machine: &Machine) {
        let known = self.orders.get_mut(&fill.order).or(self.done.get_mut(&fill.order));
        let Some(order) = known else { return };
        let (price, qty, fee) = (fill.price.0, fill.qty.0, fill.fee.get());
        let is_known = self.executions.contains_key(&(fill.order, fill.execution_id));
        let most = order.asked.map_or(order.qty, |(_, asked)| asked.max(order.qty));
        if is_known || order.is_rejected || qty <= 0 || qty > most - order.filled {
            return;
        }
        if qty > order.qty - order.filled {
            // Only a replace that took effect can have let that much be filled.
            (order.price, order.qty) = order.asked.take().expect("it asks for more");
            (order.is_accepted, order.reserve_price) = (true, price_of(machine, fill.order));
            self.counts.implied += 1;
        }
        let execution = Execution { price, qty, fee, is_busted: false };
        self.executions.insert((fill.order, fill.execution_id), execution);
        self.fills_booked += 1;
        self.last_booked = Some(fill.order);
        self.fills_after_the_end += u64::from(order.is_ended);
        order.filled += qty;
        let (account, side, of) = (order.account, order.side, instrument(order.instrument));
        self.trade(account, &of, side, &execution);
    }

    /// Whether a fill of an order was just booked, and what it realised, where it closed anything.
    pub(crate) fn booked_close(&mut self, order: OrderId) -> (bool, Option<i128>) {
        if self.last_booked.take() != Some(order) {
            return (false, None);
        }
        let order = self.orders.get(&order).or(self.done.get(&order)).expect("it was booked");
        (true, self.positions[&(order.account, order.instrument)].last_close)
    }

    /// The venue takes a fill back, or says what it was instead.
    fn restate(&mut self, id: OrderId, execution_id: u64, now: Option<Execution>) {
        let known = self.orders.get_mut(&id).or(self.done.get_mut(&id));
        let Some(order) = known else { return };
        let Some(execution) = self.executions.get_mut(&(id, execution_id)) else { return };
        let before = *execution;
        let new_qty = now.map_or(0, |now| now.qty);
        let is_same =
            now.is_some_and(|now| (now.price, now.qty, now.fee) == (before.price, before.qty, before.fee));
        let fits = now.is_none() || new_qty > 0;
        if before.is_busted || is_same || !fits || order.filled + new_qty - before.qty > order.qty {
            return;
        }
        *execution = now.unwrap_or(Execution { is_busted: true, ..before });
        self.fills_restated += 1;
        let was_open = order.is_open();
        order.filled += new_qty - before.qty;
        // A filled order stays done, whatever is taken back of it.
        order.is_ended = order.is_ended || !was_open;
        let (account, side, of) = (order.account, order.side, instrument(order.instrument));
        self.trade(account, &of, side.opposite(), &Execution { fee: -before.fee, ..before });
        if let Some(now) = now {
            self.trade(account, &of, side, &now);
        }
    }

    fn trade(&mut self, account: AccountId, of: &Instrument, side: Side, execution: &Execution) {
        let &Execution { price, qty, fee, .. } = execution;
        let position = self.positions.entry((account, of.instrument)).or_default();
        position.fees += fee;
        let cash = position.trade(of, side, price, qty) - fee;
        *self.cash.entry((account, of.settlement)).or_default() += cash;
        if of.kind == InstrumentKind::Spot {
            // The base has three decimals more than the quantity.
            *self.cash.entry((account, of.base)).or_default() += i128::from(side.sign() * qty) * 1_000;
        }
    }
}

fn check(model: &Model, machine: &Machine, with_books: bool) {
    let open: Vec<_> =
        machine.orders().open().map(|order| (order.id, order.qty.0, order.cum_qty.0)).collect();
    let expected: Vec<_> = model.orders.iter().map(|(id, order)| (*id, order.qty, order.filled)).collect();
    assert_eq!(open, expected, "open orders");
    for ((account, id), expected) in &model.positions {
        let position = machine.positions().get(*account, *id);
        let found = (position.qty, position.open_cost, position.realized, position.fees);
        assert_eq!(found, (expected.qty, expected.cost, expected.realized, expected.fees), "{account} {id}");
        assert_eq!((position.open_buys, position.open_sells), model.open_of(*account, *id), "exposure");
    }
    for ((account, currency), expected) in &model.cash {
        assert_eq!(machine.accounts().balance(*account, *currency).cash, *expected, "{account} {currency}");
    }
    check_reserved(model, machine);
    model.check_reducing();
    model.risk.check(machine);
    if with_books {
        for ((id, is_bid), levels) in &model.books {
            let side = if *is_bid { Side::Buy } else { Side::Sell };
            let mut found: Vec<_> =
                machine.market(*id).book.levels(side).map(|level| (level.price.0, level.qty.0)).collect();
            found.sort_unstable();
            assert_eq!(found, levels.iter().map(|(price, qty)| (*price, *qty)).collect::<Vec<_>>(), "{id}");
        }
    }
}

/// What is tied up of a currency is the sum over spot orders, and the margins of contracts.
fn check_reserved(model: &Model, machine: &Machine) {
    for (account, currency) in model.cash.keys() {
        let mut sum = 0;
        for order in model.orders.values().filter(|order| order.account == *account) {
            let of = instrument(order.instrument);
            if of.kind != InstrumentKind::Spot {
                continue;
            }
            let left = order.left();
            let tied_up = |price, left: i64| match order.side {
                Side::Sell if of.base == *currency => i128::from(left) * 1_000,
                Side::Buy if of.quote == *currency => {
                    let exact = value(&of, price, left);
                    let fee =
                        half_even(exact * i128::from(of.taker_fee.0), unit(&of) * i128::from(Rate::ONE.0));
                    half_even(exact, unit(&of)) + fee
                }
                Side::Sell | Side::Buy => 0,
            };
            let later = order.asked.map_or(0, |(price, qty)| {
                let price = if order.has_limit { price } else { order.asked_reserve_price };
                tied_up(price, (qty - order.filled).max(0))
            });
            sum += tied_up(order.reserve_price, left).max(later);
        }
        for id in [super::desk::LINEAR, super::desk::INVERSE] {
            let position = machine.positions().get(*account, id);
            if instrument(id).settlement == *currency {
                sum += position.margin;
            }
            let worst = position.qty.abs() + position.open_buys + position.open_sells;
            assert_eq!(position.margin == 0, worst == 0, "margin is tied up while something is open");
        }
        assert_eq!(machine.accounts().balance(*account, *currency).reserved, sum, "{account} {currency}");
    }
}

#[test]
fn the_engine_agrees_with_the_model_over_random_commands() {
    let (seeds, steps) = if is_long() { (20, 1_000_000) } else { (6, 20_000) };
    // What a seed may miss, as an account may be halted for long.
    let (shrunk, implied) = (Cell::new(0), Cell::new(0));
    each_seed(seeds, |seed| {
        let mut desk = Desk::empty();
        let mut model = Model::default();
        let mut workload = Workload::new(seed);
        let mut commands = definitions();
        commands.extend(oracle_flow::currencies());
        commands.reverse();
        for step in 0..steps {
            while let Some((command, events)) = desk.settle_one(desk.time + 1_000) {
                model.apply(&command, &events, desk.machine());
                workload.note(events);
            }
            let command = commands.pop().unwrap_or_else(|| workload.next());
            let events = desk.apply(command);
            model.apply(&command, &events, desk.machine());
            workload.note(events);
            desk.frames.clear();
            if step % 64 == 0 {
                check(&model, desk.machine(), step % 1_024 == 0);
            }
        }
        check(&model, desk.machine(), true);
        assert!(model.fills_booked > 400, "{} fills", model.fills_booked);
        assert!(model.fills_after_the_end > 10, "{} fills crossed an end", model.fills_after_the_end);
        assert!(model.fills_restated > 10, "{} fills were restated", model.fills_restated);
        model.counts.check();
        shrunk.set(shrunk.get() + model.counts.shrunk);
        implied.set(implied.get() + model.counts.implied);
        assert!(model.risk.approved > 400 && model.risk.refused.len() > 8, "{:?}", model.risk.refused);
        let rounding = desk.machine().accounts().book(super::desk::USD, LedgerBook::Rounding);
        let rounded: i128 = model.positions.values().map(|position| position.rounded).sum();
        assert_eq!(rounding, rounded);
    });
    if std::env::var_os("SEED").is_none() {
        assert!(shrunk.get() > 20 && implied.get() > 2, "{} shrunk, {} implied", shrunk.get(), implied.get());
    }
}
