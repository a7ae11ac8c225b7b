//! Fills of the model, and fills that are taken back or corrected: orders, positions and postings.

use super::super::desk::{BTC, USD, instrument};
use super::super::oracle_position::half_even;
use super::model::{Fill, Model, Place};
use super::money::{BASE_FACTOR, Booked, posted};
use super::reports::id_of;
use tickwerk_domain::command::FillReported;
use tickwerk_domain::event::{
    FillRestated, FillUnmatched, LedgerBook, Leg, OrderFilled, OrderPartiallyFilled, PositionChanged, Posted,
};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Event, FillState, Instrument, InstrumentKind, Money, OrderId,
    OrderStatus, PositionChange, PositionSide, Price, Qty, Reject, Side,
};
use tickwerk_engine::limits::{EXECUTIONS_MAX, UNMATCHED_FILLS_MAX};

impl Model {
    pub(super) fn filled(&mut self, told: &FillReported) {
        let key = (told.order, told.execution_id);
        let known = self.fills.get(&key).copied();
        if known.is_some_and(|known| known.told == *told) {
            self.refuse(&(*told).into(), Reject::DuplicateReport, id_of(told.order));
            return;
        }
        let problem = self.fits(told, known.is_some());
        match problem {
            Some(problem) => self.raise(told, problem),
            None => self.book(told),
        }
    }

    /// Why a fill cannot be booked.
    fn fits(&self, told: &FillReported, is_known: bool) -> Option<Reject> {
        let Some(order) = self.orders.get(&told.order) else { return Some(Reject::UnknownOrder) };
        let was_there = !matches!(order.status, OrderStatus::Rejected | OrderStatus::Held);
        let fillable = if was_there { order.qty - order.filled } else { 0 };
        let (held, qty) = (self.position(order.place()).qty, told.qty.0);
        let is_beyond = match (order.position_side, order.asked.side) {
            (PositionSide::Long, Side::Sell) => qty > held,
            (PositionSide::Short, Side::Buy) => qty > -held,
            _ => false,
        };
        if is_known {
            Some(Reject::DuplicateReport)
        } else if self.instrument(order.asked.instrument).is_none() {
            Some(Reject::UnknownInstrument)
        } else if order.id <= self.forgotten && told.execution_id <= order.execution_id {
            // It may have been booked and forgotten.
            Some(Reject::DuplicateReport)
        } else if told.execution_id == 0 {
            Some(Reject::UnknownExecution)
        } else if qty <= 0 || qty > fillable {
            Some(Reject::FillUnmatched)
        } else if ![CurrencyId::NONE, USD, BTC].contains(&told.fee_currency) {
            Some(Reject::UnknownCurrency)
        } else if is_beyond {
            Some(Reject::FillUnmatched)
        } else {
            None
        }
    }

    /// Keeps a fill that fits nowhere and tells of it, once.
    fn raise(&mut self, told: &FillReported, problem: Reject) {
        let unmatched = (*told, problem.code());
        if self.unmatched.contains(&unmatched) {
            self.refuse(&(*told).into(), Reject::DuplicateReport, id_of(told.order));
            return;
        }
        self.unmatched.push_back(unmatched);
        self.unmatched_count += 1;
        if self.unmatched.len() > UNMATCHED_FILLS_MAX {
            self.unmatched.pop_front();
        }
        let &FillReported { order, execution_id, price, qty, .. } = told;
        self.tell(FillUnmatched { order, execution_id, price, qty, reason: problem.code() });
    }

    /// The fee in the settlement currency, and whether a rate was known.
    fn counted_fee(&self, of: &Instrument, told: &FillReported) -> (i128, bool) {
        let (fee, currency) = (told.fee.get(), told.fee_currency);
        if currency.is_none() || currency == of.settlement {
            return (fee, true);
        }
        let counted = if of.kind == InstrumentKind::Spot && currency == of.base {
            // One of the quantity is worth the price, and has BASE_FACTOR units of the base.
            let value = posted_exact(of, told.price.0, fee);
            Some(value)
        } else {
            let reference = self.in_reference(currency, fee);
            reference.and_then(|reference| self.out_of_reference(of.settlement, reference))
        };
        (counted.unwrap_or(0), counted.is_some())
    }

    fn book(&mut self, told: &FillReported) {
        let id = told.order;
        let order = self.orders[&id].clone();
        let of = instrument(order.asked.instrument);
        let (place, side, was) = (order.place(), order.asked.side, order.status);
        let (fee_counted, is_fee_counted) = self.counted_fee(&of, told);
        let fill = Fill { told: *told, fee_counted, is_fee_counted, state: FillState::Booked };
        self.fills.insert((id, told.execution_id), fill);
        self.booked.push_back((id, told.execution_id));
        if self.booked.len() > EXECUTIONS_MAX {
            let oldest = self.booked.pop_front().expect("there are some");
            self.fills.remove(&oldest);
            self.forgotten = self.forgotten.max(oldest.0);
        }
        let position = self.positions.entry(place).or_default();
        let booked = position.trade(&of, side, told.price.0, told.qty.0);
        position.fees += fee_counted;
        let order = self.order(id);
        order.filled += told.qty.0;
        order.value += posted(&of, told.price.0, told.qty.0);
        order.fees += fee_counted;
        order.execution_id = order.execution_id.max(told.execution_id);
        if order.reserve_price == 0 {
            order.reserve_price = told.price.0;
        }
        let is_filled = order.filled == order.qty && !was.is_done();
        self.tell_filled(told, is_filled);
        self.filled_linked(id, told.qty.0);
        if is_filled {
            self.finish(id, OrderStatus::Filled);
        } else {
            let is_pending = matches!(was, OrderStatus::PendingCancel | OrderStatus::PendingReplace);
            if !was.is_done() && !is_pending {
                self.order(id).status = OrderStatus::PartiallyFilled;
            }
            self.tie_up_for(id);
        }
        self.tell_position(place, booked.change, booked.realized);
        let currency = told.fee_currency;
        let legs = (booked, told.qty.0, currency, -told.fee.get());
        self.post_trade(place.0, &of, side, legs);
        if !is_fee_counted {
            *self.fees_uncounted.entry(place.0).or_default() += 1;
        }
        let is_close = matches!(
            booked.change,
            PositionChange::Reduced | PositionChange::Closed | PositionChange::Flipped
        );
        self.count_fill(place.0, place.1, is_close.then_some(booked.realized));
    }

    fn tell_filled(&mut self, told: &FillReported, is_filled: bool) {
        let order = &self.orders[&told.order];
        let filled = OrderFilled {
            cum_value: Money::new(order.value),
            cum_fee: Money::new(order.fees),
            order: told.order,
            last_price: told.price,
            last_qty: told.qty,
            cum_qty: Qty(order.filled),
            leaves_qty: Qty(order.left()),
            account: order.asked.account,
            instrument: order.asked.instrument,
            side: order.asked.side,
            liquidity: told.liquidity,
        };
        let event: Event = if is_filled { filled.into() } else { partially(filled).into() };
        self.tell(event);
    }

    fn tell_position(&mut self, place: Place, change: PositionChange, realized: i128) {
        let (of, mark) = (instrument(place.1), self.market(place.1).mark());
        let position = self.position(place);
        self.tell(PositionChanged {
            open_cost: Money::new(position.cost_posted(&of)),
            realized: Money::new(realized),
            realized_total: Money::new(position.realized),
            unrealized: Money::new(position.unrealized(&of, mark)),
            fees_total: Money::new(position.fees),
            qty: Qty(position.qty),
            account: place.0,
            instrument: place.1,
            change,
            side: place.2,
        });
        self.keep_reducing(place);
    }

    /// Posts a trade: what the venue pays, the asset for spot, the fee, and differences of rounding.
    fn post_trade(
        &mut self,
        account: AccountId,
        of: &Instrument,
        side: Side,
        (booked, qty, currency, fee): (Booked, i64, CurrencyId, i128),
    ) {
        let is_spot = of.kind == InstrumentKind::Spot;
        let asset = if is_spot { i128::from(side.sign() * qty) * BASE_FACTOR } else { 0 };
        let fee_currency = if currency.is_none() { of.settlement } else { currency };
        self.post(
            account,
            &[
                (of.settlement, LedgerBook::Venue, booked.cash),
                (of.base, LedgerBook::Venue, asset),
                (fee_currency, LedgerBook::Fee, fee),
                (of.settlement, LedgerBook::Rounding, -booked.rounding),
            ],
        );
    }

    /// Moves money between the client and other books; what is positive comes to the client.
    pub(super) fn post(&mut self, account: AccountId, legs: &[(CurrencyId, LedgerBook, i128)]) {
        let mut posted = Posted { account, count: 0, legs: [Leg::default(); 4] };
        for &(currency, book, amount) in legs.iter().filter(|(.., amount)| *amount != 0) {
            let client = LedgerBook::Client;
            let (from, to) = if amount < 0 { (client, book) } else { (book, client) };
            posted.legs[usize::from(posted.count)] =
                Leg { amount: Money::new(amount.abs()), currency, from, to };
            posted.count += 1;
            *self.cash.entry((account, currency)).or_default() += amount;
            *self.books.entry((currency, client)).or_default() += amount;
            *self.books.entry((currency, book)).or_default() -= amount;
        }
        if posted.count > 0 {
            self.tell(posted);
        }
    }

    /// The venue takes a fill back, or says what it is now.
    pub(super) fn restated(
        &mut self,
        command: &Command,
        id: OrderId,
        execution_id: u64,
        now: Option<(Price, Qty, Money)>,
    ) {
        if !self.orders.contains_key(&id) {
            self.refuse(command, Reject::UnknownOrder, id_of(id));
            return;
        }
        let problem = self.restatable(id, execution_id, now);
        if let Some(problem) = problem {
            self.refuse(command, problem, execution_id.cast_signed());
            return;
        }
        let before = self.fills[&(id, execution_id)];
        let told =
            now.map_or(before.told, |(price, qty, fee)| FillReported { price, qty, fee, ..before.told });
        self.restate(before, told, now.is_some());
    }

    fn restatable(&self, id: OrderId, execution_id: u64, now: Option<(Price, Qty, Money)>) -> Option<Reject> {
        let Some(known) = self.fills.get(&(id, execution_id)) else {
            return Some(Reject::UnknownExecution);
        };
        let is_busted = known.state == FillState::Busted;
        if let Some((price, qty, fee)) = now {
            if qty.0 <= 0 {
                return Some(Reject::QuantityNotPositive);
            }
            if !is_busted && (price, qty, fee) == (known.told.price, known.told.qty, known.told.fee) {
                return Some(Reject::NothingToReplace);
            }
        }
        if is_busted {
            return Some(if now.is_some() { Reject::IllegalMove } else { Reject::DuplicateReport });
        }
        let order = &self.orders[&id];
        let change = now.map_or(0, |(_, qty, _)| qty.0) - known.told.qty.0;
        (order.filled + change > order.qty).then_some(Reject::FillUnmatched)
    }

    fn restate(&mut self, before: Fill, told: FillReported, is_corrected: bool) {
        let id = told.order;
        let order = self.orders[&id].clone();
        let (place, side, of) = (order.place(), order.asked.side, instrument(order.asked.instrument));
        let was_open = !order.status.is_done();
        let (fee_counted, is_fee_counted) =
            if is_corrected { self.counted_fee(&of, &told) } else { (0, true) };
        let state = if is_corrected { FillState::Corrected } else { FillState::Busted };
        let fee = if is_corrected { told.fee } else { Money::ZERO };
        let told = FillReported { fee, ..told };
        let qty = if is_corrected { told.qty.0 } else { 0 };
        let value = |told: &FillReported, qty| if qty == 0 { 0 } else { posted(&of, told.price.0, qty) };
        let change = qty - before.told.qty.0;
        self.fills.insert((id, told.execution_id), Fill { told, fee_counted, is_fee_counted, state });
        let row = self.order(id);
        row.filled += change;
        row.value += value(&told, qty) - value(&before.told, before.told.qty.0);
        row.fees += fee_counted - before.fee_counted;
        self.restated_linked(id, change);
        let row = self.order(id);
        if was_open && row.filled == row.qty {
            self.finish(id, OrderStatus::Filled);
        } else if was_open && row.filled == 0 && row.status == OrderStatus::PartiallyFilled {
            row.status = OrderStatus::New;
        }
        self.tell_restated(&told, state, qty);
        self.unbook(place, &of, side, &before);
        if is_corrected {
            let position = self.positions.entry(place).or_default();
            let booked = position.trade(&of, side, told.price.0, qty);
            position.fees += fee_counted;
            self.tell_position(place, booked.change, booked.realized);
            let legs = (booked, qty, told.fee_currency, -told.fee.get());
            self.post_trade(place.0, &of, side, legs);
            if !is_fee_counted {
                *self.fees_uncounted.entry(place.0).or_default() += 1;
            }
        }
        self.tie_up_for(id);
        self.count_end(place.0, place.1, false);
    }

    fn tell_restated(&mut self, told: &FillReported, state: FillState, qty: i64) {
        let order = &self.orders[&told.order];
        let restated = FillRestated {
            cum_value: Money::new(order.value),
            cum_fee: Money::new(order.fees),
            fee: told.fee,
            order: told.order,
            execution_id: told.execution_id,
            price: told.price,
            qty: Qty(qty),
            cum_qty: Qty(order.filled),
            leaves_qty: Qty(order.left()),
            account: order.asked.account,
            instrument: order.asked.instrument,
            state,
        };
        self.tell(restated);
    }

    /// Books the opposite of a fill, with its fee back.
    fn unbook(&mut self, place: Place, of: &Instrument, side: Side, before: &Fill) {
        let (told, way) = (before.told, side.opposite());
        let position = self.positions.entry(place).or_default();
        let booked = position.trade(of, way, told.price.0, told.qty.0);
        position.fees -= before.fee_counted;
        self.tell_position(place, booked.change, booked.realized);
        let legs = (booked, told.qty.0, told.fee_currency, told.fee.get());
        self.post_trade(place.0, of, way, legs);
        if !before.is_fee_counted {
            *self.fees_uncounted.entry(place.0).or_default() -= 1;
        }
    }
}

/// What an amount of a spot instrument's base is worth.
fn posted_exact(of: &Instrument, price: i64, amount: i128) -> i128 {
    let unit = 10_i128.pow(u32::from(of.price_scale + of.quantity_scale - of.settlement_scale));
    half_even(amount * i128::from(price), unit * BASE_FACTOR)
}

fn partially(filled: OrderFilled) -> OrderPartiallyFilled {
    let OrderFilled { cum_value, cum_fee, order, last_price, last_qty, cum_qty, .. } = filled;
    let OrderFilled { leaves_qty, account, instrument, side, liquidity, .. } = filled;
    OrderPartiallyFilled {
        cum_value,
        cum_fee,
        order,
        last_price,
        last_qty,
        cum_qty,
        leaves_qty,
        account,
        instrument,
        side,
        liquidity,
    }
}
