//! Fills that the venue takes back or corrects (FIX `ExecType` Trade Cancel and Trade Correct).
//!
//! Position and ledger are restated by booking the opposite of the fill, and for a correction the fill as it is now:
//! what was posted stays posted, its reversal follows it. The order's `CumQty`, value and fees are as if the fill had
//! always been what it is now. An active order stands with more left after a bust; a done order stays done, with
//! nothing left. What does not fit is refused and changes nothing.

use super::Machine;
use super::fills::{Executed, FEE_LEG, leg, trade_legs};
use super::reports::FEE_MAX;
use crate::event_buffer::EventBuffer;
use crate::executions::Execution;
use crate::lifecycle::fill::is_allowed;
use crate::orders::Order;
use tickwerk_domain::command::{TradeBusted, TradeCorrected};
use tickwerk_domain::event::{FillRestated, LedgerBook};
use tickwerk_domain::{Command, FillState, Instrument, Money, OrderId, OrderStatus, Qty, Reject};

impl Machine {
    pub(super) fn on_bust(&mut self, bust: &TradeBusted, out: &mut EventBuffer) -> u64 {
        let (order, execution_id) = (bust.order, bust.execution_id);
        let (state, fee) = (FillState::Busted, Money::ZERO);
        let busted = |known: &Execution| Ok(Execution { state, fee, fee_counted: fee, ..*known });
        self.on_restated(&(*bust).into(), order, execution_id, busted, out)
    }

    pub(super) fn on_correction(&mut self, correction: &TradeCorrected, out: &mut EventBuffer) -> u64 {
        let &TradeCorrected { order, execution_id, price, qty, fee } = correction;
        let corrected = |known: &Execution| {
            if fee.get().unsigned_abs() > FEE_MAX {
                return Err(Reject::ValueOverflow);
            }
            if qty <= Qty::ZERO {
                return Err(Reject::QuantityNotPositive);
            }
            let state = FillState::Corrected;
            let is_same = (price, qty, fee) == (known.price, known.qty, known.fee);
            if is_same && is_allowed(known.state, state) {
                return Err(Reject::NothingToReplace);
            }
            Ok(Execution { price, qty, fee, fee_counted: fee, state, ..*known })
        };
        self.on_restated(&(*correction).into(), order, execution_id, corrected, out)
    }

    fn on_restated(
        &mut self,
        command: &Command,
        order: OrderId,
        execution_id: u64,
        to: impl FnOnce(&Execution) -> Result<Execution, Reject>,
        out: &mut EventBuffer,
    ) -> u64 {
        let Some(slot) = self.orders.find(order) else {
            self.refuse(command, Reject::UnknownOrder, order.0.cast_signed(), out);
            return 0;
        };
        let row = self.orders.get_mut(slot);
        row.version += 1;
        let version = row.version;
        let was_done = row.status.is_done();
        self.fit_position_side(slot);
        let restated = match self.executions.find(order, execution_id) {
            None => Err(Reject::UnknownExecution),
            Some(place) => {
                let known = *self.executions.get(place);
                to(&known).and_then(|to| self.restate_fill(slot, place, &to, out))
            }
        };
        match restated {
            Err(problem) => self.refuse(command, problem, execution_id.cast_signed(), out),
            // A correction may fill an order whole.
            Ok(()) if !was_done && self.orders.get(slot).status.is_done() => self.after_end(slot, out),
            Ok(()) => {}
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// Makes the execution at `place` what it is in `to`; nothing has changed where it is an error.
    fn restate_fill(
        &mut self,
        slot: u32,
        place: u32,
        to: &Execution,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        let from = *self.executions.get(place);
        if !is_allowed(from.state, to.state) {
            let is_again = from.state == to.state;
            return Err(if is_again { Reject::DuplicateReport } else { Reject::IllegalMove });
        }
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        let (instrument, base_factor) = (known.definition, known.base_factor);
        let from_executed = self.as_executed(&instrument, &from)?;
        let now = if to.state == FillState::Busted {
            None
        } else {
            Some(self.executed(&instrument, base_factor, &to.as_fill())?)
        };
        let restated = self.restated_order(&order, &instrument, &from_executed, now.as_ref())?;

        let row = self.orders.get_mut(slot);
        (row.cum_qty, row.cum_value, row.cum_fee) = (restated.cum_qty, restated.cum_value, restated.cum_fee);
        let (fee_counted, is_fee_counted) =
            now.map_or((0, true), |now| (now.fee_counted, now.is_fee_counted));
        let to = Execution { fee_counted: Money::new(fee_counted), is_fee_counted, ..*to };
        self.executions.restate(place, &to, &mut self.digest);
        self.settle_restated(slot, &order);
        self.push_restated(slot, &to, out);
        self.unbook_fill(slot, &from_executed, out).expect("it was tried on a copy");
        if let Some(now) = now {
            self.book_again(&order, &instrument, base_factor, &now, out);
            self.note_flow(order.strategy, order.instrument, order.side, &now);
        }
        self.tie_up_again(slot);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        // Exposure and worth are others now.
        self.count_end(slot, false, out);
        Ok(())
    }

    /// A remembered execution as it was booked.
    #[expect(clippy::unused_self, reason = "it stands beside `executed`, which looks rates up")]
    fn as_executed(&self, instrument: &Instrument, known: &Execution) -> Result<Executed, Reject> {
        let fee_currency =
            if known.fee_currency.is_none() { instrument.settlement } else { known.fee_currency };
        Ok(Executed {
            price: known.price,
            qty: known.qty,
            value: instrument.value_posted(known.price, known.qty).ok_or(Reject::ValueOverflow)?,
            fee: known.fee.get(),
            fee_currency,
            fee_counted: known.fee_counted.get(),
            is_fee_counted: known.is_fee_counted,
        })
    }

    /// The order with `to` in place of `from`, where order, position and exposure have room for that.
    fn restated_order(
        &self,
        order: &Order,
        instrument: &Instrument,
        from: &Executed,
        to: Option<&Executed>,
    ) -> Result<Order, Reject> {
        let (qty, value, fee) = to.map_or((0, 0, 0), |to| (to.qty.0, to.value, to.fee_counted));
        let change = qty - from.qty.0;
        if order.cum_qty.0.checked_add(change).is_none_or(|cum_qty| cum_qty > order.qty.0) {
            return Err(Reject::FillUnmatched);
        }
        let mut restated = *order;
        restated.cum_qty.0 += change;
        restated.cum_value += value - from.value;
        restated.cum_fee += fee - from.fee_counted;

        // What is booked below is tried on a copy first.
        let mut position = *self.positions.of(order.account, order.instrument, order.position_side);
        let open = position.open_mut(order.side);
        if !order.status.is_done() {
            *open = open.checked_sub(change).ok_or(Reject::ValueOverflow)?;
        }
        let reversed = position.book(instrument, order.side.opposite(), from.price, from.qty);
        reversed.ok_or(Reject::ValueOverflow)?;
        if let Some(to) = to {
            position.book(instrument, order.side, to.price, to.qty).ok_or(Reject::ValueOverflow)?;
        }
        Ok(restated)
    }

    /// State and exposure of an order whose filled quantity is another one now; `before` is the order as it was.
    fn settle_restated(&mut self, slot: u32, before: &Order) {
        let order = *self.orders.get(slot);
        let change = order.cum_qty.0 - before.cum_qty.0;
        if before.has_terms {
            self.rare_restated(slot, change);
        }
        if before.status.is_done() {
            return;
        }
        self.note_pending(before.strategy, -before.side.sign() * change);
        let &Order { account, instrument, position_side, .. } = before;
        *self.positions.of_mut(account, instrument, position_side).open_mut(before.side) -= change;
        if order.cum_qty == order.qty && !self.awaits_more(slot) {
            self.finish(slot, OrderStatus::Filled);
        } else if order.cum_qty == Qty::ZERO && order.status == OrderStatus::PartiallyFilled {
            self.orders.set_status(slot, OrderStatus::New);
        }
    }

    fn push_restated(&mut self, slot: u32, to: &Execution, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        let restated = FillRestated {
            cum_value: Money::new(order.cum_value),
            cum_fee: Money::new(order.cum_fee),
            fee: to.fee,
            order: order.id,
            execution_id: to.execution_id,
            price: to.price,
            qty: if to.state == FillState::Busted { Qty::ZERO } else { to.qty },
            cum_qty: order.cum_qty,
            leaves_qty: order.leaves(),
            account: order.account,
            instrument: order.instrument,
            state: to.state,
        };
        self.push_order(slot, restated, out);
    }

    /// Books a corrected fill to position and ledger alone. The caller has tried that it fits.
    fn book_again(
        &mut self,
        order: &Order,
        instrument: &Instrument,
        base_factor: i128,
        now: &Executed,
        out: &mut EventBuffer,
    ) {
        let &Order { account, position_side, side, strategy, .. } = order;
        let position = self.positions.of_mut(account, order.instrument, position_side);
        let booked = position.book(instrument, side, now.price, now.qty).expect("it was tried on a copy");
        position.fees += now.fee_counted;
        self.take_from_held(strategy, side, Qty(-now.qty.0));
        self.push_position((account, position_side), instrument, booked.change, booked.realized, out);
        let mut legs = trade_legs(instrument, side, base_factor, now.qty, &booked);
        legs[FEE_LEG] = leg(now.fee_currency, LedgerBook::Fee, -now.fee);
        self.post(account, &legs, out);
        if !now.is_fee_counted {
            self.accounts.worths.change(account, &mut self.digest, |worth| worth.fees_uncounted += 1);
        }
        self.note_worth(account);
        self.arm_mark(order.instrument);
    }
}
