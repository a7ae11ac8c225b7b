//! Every order through random interleavings of reports, cancels, replaces, duplicates, late fills, busts, corrections,
//! lost connections and reconciliations; after each command all that follows from the orders is worked out anew.
//!
//! Checked: no state is left by a move that the table lacks and a done one never; `LeavesQty` is `OrderQty − CumQty`
//! while an order is active and 0 when it is done; `CumQty`, value and fees are the sum over the executions told and
//! not taken back; a position is the sum over the executions of its account; exposure, open orders and what is tied up
//! are the sum over open orders. At the end a re-execution comes to the same state.

use super::desk::{ALICE, BOB, BTC, Desk, INVERSE, LINEAR, SPOT, USD, instrument};
use super::reports_talk::{REAL, Talk};
use super::seed::{each_seed, is_long};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::{RouteSet, SimulatedVenueSet, VenueDefined};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, DifferenceKind, DurationNs, Event, InstrumentId, InstrumentKind, OrderId,
    OrderStatus, PositionChange, Price, Qty, Rate, Side, TextId, VenueId, VenueState,
};
use tickwerk_engine::lifecycle;
use tickwerk_engine::machine::Machine;
use tickwerk_engine::orders::Order;
use tickwerk_engine::replay::Replay;

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
