//! Reports of a venue: what they do to orders, positions and money. A report that fits no order changes nothing.

use super::Machine;
use crate::event_buffer::EventBuffer;
use tickwerk_domain::command::{FillReported, OrderReported, ReplaceReported};
use tickwerk_domain::event::{CancelRejected, FillUnmatched, OrderAccepted, OrderCanceled, OrderRejected};
use tickwerk_domain::{OrderStatus, Qty, Reject, ReportKind};

impl Machine {
    pub(super) fn on_report(&mut self, report: &OrderReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let (version, status, is_accepted) = (order.version, order.status, order.is_accepted);
        let is_cancel_pending = order.is_cancel_pending;
        let (id, account, instrument, cum_qty) = (order.id, order.account, order.instrument, order.cum_qty);
        // A held order is not at the venue, which can have nothing to say of it.
        let (is_open, reason) = (!status.is_done() && status != OrderStatus::Held, report.reason);
        match report.kind {
            ReportKind::Accepted if is_open && !is_accepted => {
                self.orders.get_mut(slot).is_accepted = true;
                if status == OrderStatus::PendingNew {
                    self.orders.set_status(slot, OrderStatus::New);
                }
                self.push_order(
                    slot,
                    OrderAccepted { order: id, venue_order_id: report.venue_order_id },
                    out,
                );
            }
            ReportKind::Rejected if is_open && !is_accepted && cum_qty == Qty::ZERO => {
                self.orders.get_mut(slot).reason = reason;
                self.push_order(slot, OrderRejected { order: id, account, instrument, reason }, out);
                self.finish(slot, OrderStatus::Rejected);
                self.positions.rehash(account, instrument, &mut self.digest);
            }
            ReportKind::Canceled if is_open => {
                let order = self.orders.get_mut(slot);
                (order.reason, order.is_cancel_pending) = (reason, false);
                self.push_order(slot, OrderCanceled { order: id, cum_qty, reason }, out);
                self.finish(slot, OrderStatus::Canceled);
                self.positions.rehash(account, instrument, &mut self.digest);
                self.let_strategy_retry(slot);
            }
            ReportKind::CancelRejected if is_cancel_pending => {
                let order = self.orders.get_mut(slot);
                order.is_cancel_pending = false;
                let client_order_id = order.client_order_id;
                let back = self.standing_status(slot);
                // Where the cancel crossed a fill that ended the order, only the answer is left to tell.
                if is_open {
                    self.orders.set_status(slot, back);
                }
                self.push_account(
                    account,
                    CancelRejected { order: id, account, client_order_id, reason },
                    out,
                );
            }
            ReportKind::ReplaceRejected if is_open && self.replace_refused(slot, reason, out) => {}
            ReportKind::Accepted
            | ReportKind::Expired
            | ReportKind::ReplaceRejected
            | ReportKind::Rejected
            | ReportKind::Canceled
            | ReportKind::CancelRejected => {
                self.refuse(&(*report).into(), Reject::DuplicateReport, id.0.cast_signed(), out);
            }
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    pub(super) fn on_replaced(&mut self, report: &ReplaceReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        if let Err(reason) = self.replace_confirmed(slot, report, out) {
            self.refuse(&(*report).into(), reason, report.order.0.cast_signed(), out);
            self.orders.commit(slot, &mut self.digest);
        }
        version
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

    pub(super) fn on_fill(&mut self, fill: &FillReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(fill.order) else {
            // The stream of an order that is not known has no versions.
            out.push(0, unmatched(fill, Reject::UnknownOrder));
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        let order = *order;
        let known = self.instrument(order.instrument).map(|known| (known.definition, known.base_factor));
        let problem = if fill.execution_id <= order.execution_id {
            Some(Reject::DuplicateReport)
        } else if fill.fee.get().unsigned_abs() > FEE_MAX {
            Some(Reject::ValueOverflow)
        } else if fill.qty <= Qty::ZERO || fill.qty > order.leaves() || order.status == OrderStatus::Held {
            Some(Reject::FillUnmatched)
        } else {
            None
        };
        let booked = match (problem, known) {
            (None, Some((instrument, base_factor))) => {
                self.book_fill(slot, &instrument, base_factor, fill, out)
            }
            (None, None) => Err(Reject::UnknownInstrument),
            (Some(problem), _) => Err(problem),
        };
        if let Err(problem) = booked {
            self.push_order(slot, unmatched(fill, problem), out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }
}

/// Largest fee, far from where sums of an `i128` could overflow.
const FEE_MAX: u128 = 1 << 90;

fn unmatched(fill: &FillReported, reason: Reject) -> FillUnmatched {
    FillUnmatched {
        order: fill.order,
        execution_id: fill.execution_id,
        price: fill.price,
        qty: fill.qty,
        reason: reason.code(),
    }
}
