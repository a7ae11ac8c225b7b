//! Reports of a venue in the model: acceptances, ends, fills, and fills that are taken back or corrected.

use super::model::Model;
use tickwerk_domain::command::{OrderReported, ReplaceReported, VenueDefined};
use tickwerk_domain::event::{CancelRejected, OrderAccepted, OrderCanceled, OrderExpired, OrderRejected};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{OrderId, OrderStatus, Qty, Reject, ReportKind, TimerKind};

/// From a refused cancel of an order whose time is over to the next.
const EXPIRE_AGAIN: u64 = 1_000_000_000;

pub(super) fn id_of(order: OrderId) -> i64 {
    order.0.cast_signed()
}

impl Model {
    pub(super) fn reported(&mut self, report: &OrderReported) {
        let Some(order) = self.orders.get(&report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, id_of(report.order));
            return;
        };
        let problem = match report.kind {
            _ if order.status == OrderStatus::Held => Some(Reject::IllegalMove),
            ReportKind::Accepted => self.accepted(report),
            ReportKind::Rejected => self.rejected(report),
            ReportKind::Canceled | ReportKind::Expired => self.ended(report),
            ReportKind::CancelRejected => self.cancel_refused(report),
            ReportKind::ReplaceRejected => self.replace_refused(report.order, report.reason),
        };
        if let Some(problem) = problem {
            self.refuse(&(*report).into(), problem, id_of(report.order));
        }
    }

    fn accepted(&mut self, report: &OrderReported) -> Option<Reject> {
        let order = self.order(report.order);
        if order.status.is_done() || order.is_accepted {
            return Some(Reject::DuplicateReport);
        }
        order.is_accepted = true;
        if order.status == OrderStatus::PendingNew {
            order.status = OrderStatus::New;
        }
        self.tell(OrderAccepted { order: report.order, venue_order_id: report.venue_order_id });
        None
    }

    fn rejected(&mut self, report: &OrderReported) -> Option<Reject> {
        let order = self.order(report.order);
        let is_unanswered = matches!(
            order.status,
            OrderStatus::PendingNew | OrderStatus::PendingCancel | OrderStatus::PendingReplace
        );
        if !is_unanswered || order.is_accepted || order.filled > 0 {
            return Some(Reject::DuplicateReport);
        }
        order.reason = report.reason;
        let (account, instrument, reason) = (order.asked.account, order.asked.instrument, report.reason);
        self.tell(OrderRejected { order: report.order, account, instrument, reason });
        self.finish(report.order, OrderStatus::Rejected);
        self.count_end(account, instrument, true);
        None
    }

    fn ended(&mut self, report: &OrderReported) -> Option<Reject> {
        let order = self.order(report.order);
        if order.status.is_done() {
            return Some(Reject::DuplicateReport);
        }
        let mut status =
            if report.kind == ReportKind::Expired { OrderStatus::Expired } else { OrderStatus::Canceled };
        let mut reason = report.reason;
        // A cancel that the core asked for ends the order for the reason that the core had.
        let is_by_request = reason == ReasonCode::default() || reason == Reject::CancelRequested.code();
        let is_ours = order.is_cancel_pending && order.reason != ReasonCode::default();
        if status == OrderStatus::Canceled && is_by_request && is_ours {
            reason = order.reason;
            if reason == Reject::Expired.code() {
                status = OrderStatus::Expired;
            }
        }
        (order.reason, order.is_cancel_pending) = (reason, false);
        let (order, cum_qty, asked) = (report.order, Qty(order.filled), order.asked);
        if status == OrderStatus::Expired {
            self.tell(OrderExpired { order, cum_qty, reason });
        } else {
            self.tell(OrderCanceled { order, cum_qty, reason });
        }
        self.finish(order, status);
        self.count_end(asked.account, asked.instrument, false);
        None
    }

    fn cancel_refused(&mut self, report: &OrderReported) -> Option<Reject> {
        let order = self.order(report.order);
        if !order.is_cancel_pending {
            return Some(Reject::DuplicateReport);
        }
        (order.is_cancel_pending, order.reason) = (false, ReasonCode::default());
        let (order, account, client_order_id) =
            (report.order, order.asked.account, order.asked.client_order_id);
        if self.open.contains(&order) {
            self.stand(order);
            self.stop_waiting_for(order);
            self.expire_later(order);
        }
        self.tell(CancelRejected { order, account, client_order_id, reason: report.reason });
        None
    }

    fn expire_later(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        let is_over = order.expires_at != 0 && order.expires_at <= self.now;
        if is_over && !self.can(order.venue, VenueDefined::EXPIRY) {
            self.timers.insert((TimerKind::OrderExpiry as u8, id.0), self.now + EXPIRE_AGAIN);
        }
    }

    /// How an order stands at the venue that no cancel is on its way for.
    fn stand(&mut self, id: OrderId) {
        let order = self.order(id);
        order.status = if order.replacement.is_some() {
            OrderStatus::PendingReplace
        } else if order.filled > 0 {
            OrderStatus::PartiallyFilled
        } else if order.is_accepted {
            OrderStatus::New
        } else {
            OrderStatus::PendingNew
        };
    }

    /// The same, unless a cancel is on its way.
    pub(super) fn stand_again(&mut self, id: OrderId) {
        if self.orders[&id].status != OrderStatus::PendingCancel {
            self.stand(id);
        }
    }

    pub(super) fn replaced(&mut self, report: &ReplaceReported) {
        let Some(order) = self.orders.get(&report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, id_of(report.order));
            return;
        };
        let told = (report.price.0, report.qty.0, report.trigger_price.0, report.display_qty.0);
        let is_known = (order.price, order.qty, order.trigger, order.display) == told;
        let has_limit = order.asked.order_type.has_limit();
        let problem = if is_known && order.replacement.is_none()
            || order.status.is_done()
            || order.status == OrderStatus::Held
        {
            Some(Reject::DuplicateReport)
        } else if report.qty.0 < order.filled || report.qty.0 <= 0 {
            Some(Reject::QuantityBelowFilled)
        } else if has_limit && report.price.0 <= 0 {
            Some(Reject::PriceNotPositive)
        } else if report.price.0 < 0 {
            Some(Reject::ValueOverflow)
        } else {
            None
        };
        match problem {
            Some(problem) => self.refuse(&(*report).into(), problem, id_of(report.order)),
            None => self.take_terms(report, has_limit),
        }
    }

    fn take_terms(&mut self, report: &ReplaceReported, has_limit: bool) {
        let id = report.order;
        let order = self.order(id);
        let as_asked = order.replacement.filter(|new| (new.price, new.qty) == (report.price.0, report.qty.0));
        if let Some(new) = as_asked {
            order.reserve_price = new.reserve_price;
        } else if has_limit {
            order.reserve_price = report.price.0;
        }
        (order.price, order.qty) = (report.price.0, report.qty.0);
        (order.trigger, order.display) = (report.trigger_price.0, report.display_qty.0);
        (order.is_accepted, order.replacement) = (true, None);
        let (asked, filled) = (order.asked, order.filled);
        self.tie_up_for(id);
        self.stand_again(id);
        self.tell_replaced(id);
        if report.qty.0 == filled {
            // Nothing is left: the venue has ended it with what it filled.
            let reason = Reject::CancelRequested.code();
            self.order(id).reason = reason;
            self.tell(OrderCanceled { order: id, cum_qty: Qty(filled), reason });
            self.finish(id, OrderStatus::Canceled);
            self.count_end(asked.account, asked.instrument, false);
        }
    }

    /// Ends an order: what it tied up is free again.
    pub(super) fn finish(&mut self, id: OrderId, status: OrderStatus) {
        let order = self.order(id);
        order.status = status;
        if status == OrderStatus::Filled {
            order.reason = ReasonCode::default();
        }
        self.open.remove(&id);
        self.done.push_back(id);
        self.tie_up_for(id);
        self.unlink(id, status);
    }
}
