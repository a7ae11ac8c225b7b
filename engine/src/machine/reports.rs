//! Reports of a venue: what they do to orders, positions and money.
//!
//! Reports may come twice, late and out of order. Each takes effect once: an execution is booked once by its id, a
//! report that repeats or contradicts what is known is refused and changes nothing. A fill may come before the
//! acceptance, and it may cross a cancel or an expiry (FIX 4.4 appendix D): an order that has ended still takes fills
//! up to what was left of it, as the venue really made them; it stays done, only `CumQty`, money and position change.
//! A fill that fits nowhere is kept and raised.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::executions::{Execution, UnmatchedFill};
use crate::orders::{Order, lifecycle};
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::event::{
    CancelRejected, FillUnmatched, OrderAccepted, OrderCanceled, OrderExpired, OrderRejected, OrderReplaced,
    ReplaceRejected,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{InstrumentKind, Money, OrderStatus, Price, Qty, Reject, ReportKind};

impl Machine {
    pub(super) fn on_report(&mut self, report: &OrderReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        let reason = report.reason;
        let taken = match report.kind {
            // A held order never was at the venue.
            _ if self.orders.get(slot).status == OrderStatus::Held => Err(Reject::IllegalMove),
            ReportKind::Accepted => self.accept(slot, report.venue_order_id, out),
            ReportKind::Rejected => self.reject(slot, reason, out),
            ReportKind::Canceled => self.end(slot, OrderStatus::Canceled, reason, out),
            ReportKind::Expired => self.end(slot, OrderStatus::Expired, reason, out),
            ReportKind::CancelRejected => self.cancel_refused(slot, reason, out),
            ReportKind::ReplaceRejected => {
                if self.orders.get(slot).status == OrderStatus::PendingReplace {
                    self.replace_refused(slot, reason, out);
                    Ok(())
                } else {
                    Err(Reject::DuplicateReport)
                }
            }
        };
        if let Err(problem) = taken {
            self.refuse(&(*report).into(), problem, report.order.0.cast_signed(), out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// The order stands at the venue. Where fills came first, only the confirmation is news.
    pub(super) fn accept(
        &mut self,
        slot: u32,
        venue_order_id: u64,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = self.orders.get_mut(slot);
        if order.status.is_done() || order.is_accepted {
            return Err(Reject::DuplicateReport);
        }
        order.is_accepted = true;
        let (id, status) = (order.id, order.status);
        if status == OrderStatus::PendingNew {
            self.orders.set_status(slot, OrderStatus::New);
        }
        self.push_order(slot, OrderAccepted { order: id, venue_order_id }, out);
        Ok(())
    }

    /// The venue never took the order; it cannot say so of one that it has confirmed or filled.
    fn reject(&mut self, slot: u32, reason: ReasonCode, out: &mut EventBuffer) -> Result<(), Reject> {
        let order = self.orders.get_mut(slot);
        let was_there = order.is_accepted || order.cum_qty > Qty::ZERO;
        if was_there || !lifecycle::is_allowed(order.status, OrderStatus::Rejected) {
            return Err(Reject::DuplicateReport);
        }
        order.reason = reason;
        let (id, account, instrument) = (order.id, order.account, order.instrument);
        self.push_order(slot, OrderRejected { order: id, account, instrument, reason }, out);
        self.finish(slot, OrderStatus::Rejected);
        self.positions.rehash(account, instrument, &mut self.digest);
        self.after_end(slot, out);
        Ok(())
    }

    /// The order ended at the venue with what was filled until then.
    pub(super) fn end(
        &mut self,
        slot: u32,
        status: OrderStatus,
        reason: ReasonCode,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let row = self.orders.get_mut(slot);
        if row.status.is_done() {
            return Err(Reject::DuplicateReport);
        }
        (row.reason, row.is_cancel_pending) = (reason, false);
        let Order { id: order, cum_qty, account, instrument, .. } = *row;
        if status == OrderStatus::Expired {
            self.push_order(slot, OrderExpired { order, cum_qty, reason }, out);
        } else {
            self.push_order(slot, OrderCanceled { order, cum_qty, reason }, out);
        }
        self.finish(slot, status);
        self.positions.rehash(account, instrument, &mut self.digest);
        self.after_end(slot, out);
        Ok(())
    }

    /// The venue refused the cancel. Where the cancel crossed a fill that ended the order, only the answer is told.
    fn cancel_refused(&mut self, slot: u32, reason: ReasonCode, out: &mut EventBuffer) -> Result<(), Reject> {
        let order = self.orders.get_mut(slot);
        if !order.is_cancel_pending {
            return Err(Reject::DuplicateReport);
        }
        order.is_cancel_pending = false;
        let order = *order;
        if !order.status.is_done() {
            self.orders.set_status(slot, standing(&order));
        }
        let (id, account, client_order_id) = (order.id, order.account, order.client_order_id);
        self.push_account(account, CancelRejected { order: id, account, client_order_id, reason }, out);
        Ok(())
    }

    /// The venue refused the replace: the order is as it was.
    fn replace_refused(&mut self, slot: u32, reason: ReasonCode, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        self.orders.set_status(slot, standing(&order));
        let rejected = ReplaceRejected {
            limit: Money::ZERO,
            observed: Money::ZERO,
            order: order.id,
            limits_version: self.settings.version(),
            account: order.account,
            client_order_id: order.client_order_id,
            reason,
        };
        self.push_account(order.account, rejected, out);
    }

    pub(super) fn on_replaced(&mut self, report: &ReplaceReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        let (is_done, is_held) = (order.status.is_done(), order.status == OrderStatus::Held);
        let repeats = order.status != OrderStatus::PendingReplace
            && (order.price, order.qty) == (report.price, report.qty);
        let problem = if is_done || repeats {
            Some(Reject::DuplicateReport)
        } else if is_held {
            Some(Reject::IllegalMove)
        } else {
            self.replace_confirmed(slot, report, out).err()
        };
        if let Some(problem) = problem {
            self.refuse(&(*report).into(), problem, report.order.0.cast_signed(), out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    fn replace_confirmed(
        &mut self,
        slot: u32,
        report: &ReplaceReported,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        self.restate_terms(slot, report.price, report.qty)?;
        let order = *self.orders.get(slot);
        if order.status == OrderStatus::PendingReplace {
            self.orders.set_status(slot, standing(&order));
        }
        self.push_replaced(slot, report.trigger_price, report.display_qty, out);
        Ok(())
    }

    /// Gives an open order the venue's price and quantity, with what follows for exposure and what it ties up.
    pub(super) fn restate_terms(&mut self, slot: u32, price: Price, qty: Qty) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        let (definition, base_factor) = (known.definition, known.base_factor);
        if qty <= order.cum_qty {
            return Err(Reject::QuantityBelowFilled);
        }
        if order.order_type.has_limit() && price.0 <= 0 {
            return Err(Reject::PriceNotPositive);
        }
        let (price, reserve_price) =
            if order.order_type.has_limit() { (price, price) } else { (order.price, order.reserve_price) };
        let leaves = Qty(qty.0 - order.cum_qty.0);
        let added = leaves.0 - order.leaves().0;
        let mut position = *self.positions.get(order.account, order.instrument);
        let open = position.open_mut(order.side);
        *open = open.checked_add(added).ok_or(Reject::ValueOverflow)?;
        let fits = match definition.kind {
            InstrumentKind::Spot => crate::risk::exposure::spot_reservation(
                &definition,
                base_factor,
                order.side,
                reserve_price,
                leaves,
            )
            .is_some(),
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                let mark = self.market(order.instrument).reference_twice();
                let mark = crate::risk::exposure::margin_mark(mark, reserve_price);
                crate::risk::exposure::margin(&definition, &position, mark).is_some()
            }
        };
        if !fits || definition.value_posted(reserve_price, qty).is_none() {
            return Err(Reject::ValueOverflow);
        }
        *self.positions.get_mut(order.account, order.instrument).open_mut(order.side) += added;
        let row = self.orders.get_mut(slot);
        row.restate(price, qty);
        row.reserve_price = reserve_price;
        self.note_pending(order.strategy, order.side.sign() * added);
        self.tie_up_again(slot);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        Ok(())
    }

    pub(super) fn push_replaced(
        &mut self,
        slot: u32,
        trigger_price: Price,
        display_qty: Qty,
        out: &mut EventBuffer,
    ) {
        let order = *self.orders.get(slot);
        let replaced = OrderReplaced {
            order: order.id,
            price: order.price,
            qty: order.qty,
            trigger_price,
            display_qty,
            cum_qty: order.cum_qty,
            leaves_qty: order.leaves(),
            instrument: order.instrument,
        };
        self.push_order(slot, replaced, out);
    }

    pub(super) fn on_fill(&mut self, fill: &FillReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(fill.order) else {
            self.raise_fill(None, fill, Reject::UnknownOrder, out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        let was_done = order.status.is_done();
        let known = self.executions.by_id(fill.order, fill.execution_id);
        if known.is_some_and(|known| known.is_told_by(fill)) {
            self.refuse(&(*fill).into(), Reject::DuplicateReport, fill.order.0.cast_signed(), out);
        } else if let Err(problem) = self.take_fill(slot, fill, out) {
            self.raise_fill(Some(slot), fill, problem, out);
        } else {
            self.after_fill(slot, fill.qty, out);
            if !was_done && self.orders.get(slot).status.is_done() {
                self.after_end(slot, out);
            }
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// Books a fill that fits its order; nothing has changed where it is an error.
    fn take_fill(&mut self, slot: u32, fill: &FillReported, out: &mut EventBuffer) -> Result<(), Reject> {
        let order = self.orders.get(slot);
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        let (instrument, base_factor) = (known.definition, known.base_factor);
        if self.is_booked(order, fill.execution_id) {
            return Err(Reject::DuplicateReport);
        }
        // Without an id a repeat could not be told.
        if fill.execution_id == 0 {
            return Err(Reject::UnknownExecution);
        }
        if fill.fee.get().unsigned_abs() > FEE_MAX {
            return Err(Reject::ValueOverflow);
        }
        if fill.qty <= Qty::ZERO || fill.qty > fillable(order) {
            return Err(Reject::FillUnmatched);
        }
        self.book_fill(slot, &instrument, base_factor, fill, out)?;
        let execution = Execution::booked(fill, fill.fee.get(), true);
        self.executions.book(&execution, &mut self.digest);
        Ok(())
    }

    /// Whether an execution of this id was booked, or may have been.
    fn is_booked(&self, order: &Order, execution_id: u64) -> bool {
        let is_old = self.executions.may_have_forgotten(order.id);
        (is_old && execution_id <= order.execution_id)
            || self.executions.by_id(order.id, execution_id).is_some()
    }

    /// What a booked fill does to its order's state and exposure; `before` is the order as it was. A fill that crossed
    /// the order's end finds no exposure and leaves it done. The caller rehashes the position.
    pub(super) fn settle_fill(&mut self, slot: u32, before: &Order, qty: Qty) {
        self.note_held(before, qty);
        if before.status.is_done() {
            self.note_pending(before.strategy, before.side.sign() * qty.0);
            self.tie_up_again(slot);
            return;
        }
        *self.positions.get_mut(before.account, before.instrument).open_mut(before.side) -= qty.0;
        let order = self.orders.get(slot);
        if order.cum_qty == order.qty {
            self.finish(slot, OrderStatus::Filled);
            return;
        }
        match before.status {
            // What is on its way to the venue stays to be answered.
            OrderStatus::PendingCancel | OrderStatus::PendingReplace => {}
            OrderStatus::PendingNew
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Held
            | OrderStatus::Filled
            | OrderStatus::Canceled
            | OrderStatus::Rejected
            | OrderStatus::Expired => self.orders.set_status(slot, OrderStatus::PartiallyFilled),
        }
        self.tie_up_again(slot);
    }

    /// Keeps a fill that was not booked and tells of it, once.
    fn raise_fill(&mut self, slot: Option<u32>, fill: &FillReported, reason: Reject, out: &mut EventBuffer) {
        let unmatched = UnmatchedFill { fill: *fill, reason: reason.code() };
        if self.unmatched_fills.has(&unmatched) {
            self.refuse(&(*fill).into(), Reject::DuplicateReport, fill.order.0.cast_signed(), out);
            return;
        }
        self.unmatched_fills.keep(unmatched, &mut self.digest);
        let &FillReported { order, execution_id, price, qty, .. } = fill;
        let event = FillUnmatched { order, execution_id, price, qty, reason: reason.code() };
        match slot {
            Some(slot) => self.push_order(slot, event, out),
            // The stream of an order that is not known has no versions.
            None => out.push(0, event),
        }
    }

    /// Where the effects of a booked fill on other orders go. Order, position and ledger are settled by now.
    #[expect(clippy::unused_self, reason = "the one place for what a fill does to linked orders")]
    fn after_fill(&mut self, _slot: u32, _qty: Qty, _out: &mut EventBuffer) {}

    /// Where the effects of an order's end on others go: once for each order that a report or a fill ended.
    pub(super) fn after_end(&mut self, slot: u32, _out: &mut EventBuffer) {
        match self.orders.get(slot).status {
            OrderStatus::Canceled | OrderStatus::Expired => self.let_strategy_retry(slot),
            OrderStatus::PendingNew
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Filled
            | OrderStatus::PendingCancel
            | OrderStatus::Rejected
            | OrderStatus::PendingReplace
            | OrderStatus::Held => {}
        }
    }

    /// What the venue could not give is asked for again with the next observation, while the signal stands.
    fn let_strategy_retry(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let index = order.strategy.0 as usize;
        if order.cum_qty < order.qty
            && let Some(strategy) = self.strategies.get_mut(index).and_then(Option::as_mut)
        {
            strategy.retries = true;
            self.rehash_strategy(index);
        }
    }
}

/// Largest fee, far from where sums of an `i128` could overflow.
pub(super) const FEE_MAX: u128 = 1 << 90;

/// What may still be booked of an order. One that the venue never took, or that never went there, has nothing.
pub(super) fn fillable(order: &Order) -> Qty {
    match order.status {
        OrderStatus::Rejected | OrderStatus::Held => Qty::ZERO,
        OrderStatus::PendingNew
        | OrderStatus::New
        | OrderStatus::PartiallyFilled
        | OrderStatus::PendingCancel
        | OrderStatus::PendingReplace
        | OrderStatus::Filled
        | OrderStatus::Canceled
        | OrderStatus::Expired => Qty(order.qty.0 - order.cum_qty.0),
    }
}

/// The state of an order at the venue with nothing on its way.
pub(super) fn standing(order: &Order) -> OrderStatus {
    match (order.is_accepted, order.cum_qty > Qty::ZERO) {
        (_, true) => OrderStatus::PartiallyFilled,
        (true, false) => OrderStatus::New,
        (false, false) => OrderStatus::PendingNew,
    }
}
