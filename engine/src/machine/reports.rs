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
use crate::lifecycle;
use crate::orders::Order;
use crate::positions::side_of;
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::event::{
    CancelRejected, FillUnmatched, OrderAccepted, OrderCanceled, OrderExpired, OrderRejected,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{OrderStatus, PositionEffect, Price, Qty, Reject, ReportKind};

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
                let is_taken = self.replace_refused(slot, reason, out);
                if is_taken { Ok(()) } else { Err(Reject::DuplicateReport) }
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
        if was_there || !lifecycle::order::is_allowed(order.status, OrderStatus::Rejected) {
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
        let (status, reason) = super::cancels::end_of(row, status, reason);
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
    pub(super) fn cancel_refused(
        &mut self,
        slot: u32,
        reason: ReasonCode,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = self.orders.get_mut(slot);
        if !order.is_cancel_pending {
            return Err(Reject::DuplicateReport);
        }
        (order.is_cancel_pending, order.reason) = (false, ReasonCode::default());
        let order = *order;
        if !order.status.is_done() {
            let standing = self.standing_status(slot);
            self.orders.set_status(slot, standing);
            if reason == Reject::RequestLost.code() {
                self.ask_again_for(slot);
            } else {
                self.stop_waiting_for(slot);
            }
            self.expire_later(slot);
            self.resize_if_due(slot);
        }
        let (id, account, client_order_id) = (order.id, order.account, order.client_order_id);
        self.push_account(account, CancelRejected { order: id, account, client_order_id, reason }, out);
        Ok(())
    }

    /// The venue has replaced an order, asked or not.
    pub(super) fn on_replaced(&mut self, report: &ReplaceReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let (version, was_done) = (order.version, order.status.is_done());
        let replaced = if self.repeats_terms(slot, report) {
            Err(Reject::DuplicateReport)
        } else {
            self.replace_confirmed(slot, report, out)
        };
        if let Err(reason) = replaced {
            self.refuse(&(*report).into(), reason, report.order.0.cast_signed(), out);
        } else if !was_done && self.orders.get(slot).status.is_done() {
            self.after_end(slot, out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// Whether an order has these terms, and no replace on its way that they could answer.
    fn repeats_terms(&self, slot: u32, report: &ReplaceReported) -> bool {
        let (order, terms) = (self.orders.get(slot), self.orders.terms(slot));
        let is_pending = terms.is_some_and(|terms| terms.replacement.is_some());
        let (trigger, display) =
            terms.map_or((Price(0), Qty::ZERO), |terms| (terms.trigger_price, terms.display_qty));
        let told = (report.price, report.qty, report.trigger_price, report.display_qty);
        !is_pending && (order.price, order.qty, trigger, display) == told
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
        self.fit_position_side(slot);
        let taken = match self.executions.by_id(fill.order, fill.execution_id) {
            None => self.take_fill(slot, fill, out),
            Some(known) if known.is_told_by(fill) => {
                self.refuse(&(*fill).into(), Reject::DuplicateReport, fill.order.0.cast_signed(), out);
                self.orders.commit(slot, &mut self.digest);
                return version;
            }
            Some(_) => Err(Reject::DuplicateReport),
        };
        if let Err(problem) = taken {
            self.raise_fill(Some(slot), fill, problem, out);
        } else if !was_done && self.orders.get(slot).status.is_done() {
            self.after_end(slot, out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// A done order may be older than the way in which its account counts positions: what is booked of it from here on
    /// goes where the account counts it now.
    pub(super) fn fit_position_side(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        // A rejected one has no fills, and may name an account that is none.
        let is_ended = order.status.is_done() && order.status != OrderStatus::Rejected;
        if !is_ended || self.positions.sides(order.account).contains(&order.position_side) {
            return;
        }
        let side = side_of(self.positions.mode(order.account), order.side, PositionEffect::Auto);
        self.orders.get_mut(slot).position_side = side;
    }

    /// Books a fill that fits its order and is not known; nothing has changed where it is an error.
    fn take_fill(&mut self, slot: u32, fill: &FillReported, out: &mut EventBuffer) -> Result<(), Reject> {
        let order = self.orders.get(slot);
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        let (instrument, base_factor) = (known.definition, known.base_factor);
        // It may be known no more.
        if self.executions.may_have_forgotten(order.id) && fill.execution_id <= order.execution_id {
            return Err(Reject::DuplicateReport);
        }
        // Without an id a repeat could not be told.
        if fill.execution_id == 0 {
            return Err(Reject::UnknownExecution);
        }
        if fill.fee.get().unsigned_abs() > FEE_MAX {
            return Err(Reject::ValueOverflow);
        }
        if fill.qty <= Qty::ZERO {
            return Err(Reject::FillUnmatched);
        }
        if fill.qty > fillable(order) {
            self.take_replacement(slot, fill.qty, out)?;
        }
        let booked = self.book_fill(slot, &instrument, base_factor, fill, out)?;
        let execution = Execution::booked(fill, booked.fee_counted, booked.is_fee_counted);
        self.executions.book(&execution, &mut self.digest);
        Ok(())
    }

    /// What a booked fill does to its order's state and exposure, and to linked orders; `was` is the order's status
    /// before it. A fill that crossed the order's end finds no exposure and leaves it done; its group hears of it all the
    /// same. The caller rehashes the position.
    pub(super) fn settle_fill(&mut self, slot: u32, was: OrderStatus, qty: Qty) {
        let &Order { account, instrument, strategy, side, position_side, has_terms, .. } =
            self.orders.get(slot);
        self.note_held(strategy, side, qty);
        if has_terms {
            self.rare_fill(slot, qty);
        }
        if was.is_done() {
            self.note_pending(strategy, side.sign() * qty.0);
            self.tie_up_again(slot);
            return;
        }
        *self.positions.of_mut(account, instrument, position_side).open_mut(side) -= qty.0;
        let order = self.orders.get(slot);
        if order.cum_qty == order.qty && !self.awaits_more(slot) {
            self.finish(slot, OrderStatus::Filled);
            return;
        }
        match was {
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

    /// What an order's end means for the strategy that asked and for what watches: once for each order that a venue
    /// ended. The fill that ends one is counted as a fill.
    pub(super) fn after_end(&mut self, slot: u32, out: &mut EventBuffer) {
        match self.orders.get(slot).status {
            OrderStatus::Canceled | OrderStatus::Expired => {
                self.let_strategy_retry(slot);
                self.count_end(slot, false, out);
            }
            OrderStatus::Rejected => self.count_end(slot, true, out),
            OrderStatus::PendingNew
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Filled
            | OrderStatus::PendingCancel
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
