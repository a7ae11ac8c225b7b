//! What the model's core changes by itself: exits that wait for a chance, quantities that others took, and those that a
//! parent was filled late.

use super::super::desk::instrument;
use super::held::shares;
use super::model::{Asked, Due, Model, Order};
use super::risk::{Candidate, No, Pass, plain};
use tickwerk_domain::command::VenueDefined;
use tickwerk_domain::{Contingency, HoldReason, InstrumentId, OrderId, OrderStatus, Reject};

/// From a refused replace to the next one.
const ASK_AGAIN: u64 = 1_000_000_000;

/// Whether a reason is the market's or the venue's state, which passes by.
fn passes_by(reason: Reject) -> bool {
    [
        Reject::MarketClosed,
        Reject::StaleMarket,
        Reject::CrossedMarket,
        Reject::NoReferencePrice,
        Reject::VenueDisconnected,
    ]
    .contains(&reason)
}

impl Model {
    /// Ends a held order that does not pass, unless it is an exit and what refuses it passes by.
    pub(super) fn refuse_or_wait(&mut self, id: OrderId, no: No) {
        if self.orders[&id].is_exit() && passes_by(no.reason) {
            let order = self.order(id);
            (order.is_waiting, order.is_out) = (true, false);
            self.hold(id, HoldReason::Market);
        } else {
            self.refuse_to_leave(id, no);
        }
    }

    /// A chance for orders of a market that wait: of a group, the leg that was triggered goes first.
    pub(super) fn look_at_waiting(&mut self, market: InstrumentId) {
        let waiting: Vec<_> = self
            .open_orders()
            .filter(|order| order.is_waiting && order.asked.instrument == market)
            .map(|order| (order.id, order.is_fired))
            .collect();
        for fired in [true, false] {
            for (id, _) in waiting.iter().filter(|(_, is_fired)| *is_fired == fired) {
                if let Some(due) = self.chance_of(*id) {
                    self.owe(*id, due);
                }
            }
        }
    }

    fn chance_of(&self, id: OrderId) -> Option<Due> {
        let order = &self.orders[&id];
        if order.status == OrderStatus::Held {
            return self.may_go_on(id).then_some(Due::Release);
        }
        if matches!(order.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
            return None;
        }
        (self.is_connected(order) && order.retry_at <= self.now).then_some(Due::Resize)
    }

    /// Whether an exit that waits would be taken now, or refused for good.
    pub(super) fn may_go_on(&self, id: OrderId) -> bool {
        let order = &self.orders[&id];
        let waits_for_price = !order.is_fired && self.fit_of(id) == Ok(Some(HoldReason::Trigger));
        if waits_for_price && shares(order) {
            return true;
        }
        if !order.is_fired && shares(order) && self.has_fired_sibling(id) {
            return false;
        }
        let (sent, asked) = (order.as_sent(), &order.asked);
        let checked = if waits_for_price {
            let seen = self.at_worst(&sent, asked.order_type, order.trigger);
            self.check(&Candidate { order: &seen, message: None, is_held: true }).map(|_| ())
        } else {
            let is_open = self.market(asked.instrument).session.takes_orders();
            let chosen = self.choose(asked.venue, asked.instrument).map_err(plain);
            chosen.and(if is_open { Ok(()) } else { Err(plain(Reject::MarketClosed)) }).and_then(|()| {
                self.check(&Candidate { order: &sent, message: None, is_held: false }).map(|_| ())
            })
        };
        !checked.is_err_and(|no| passes_by(no.reason))
    }

    /// An exit that may only reduce leaves with what there is to reduce.
    pub(super) fn trim_to_room(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        let lot = instrument(order.asked.instrument).lot_size.0;
        let most = self.room(&order.as_sent()) / lot * lot;
        if order.must_reduce() && most > 0 && most < order.left() {
            let qty = order.filled + most;
            self.order(id).qty = qty;
            self.tell_replaced(id);
        }
    }

    /// Takes from an order what it lost and gives it what it may get; `false` where nothing is left.
    pub(super) fn resize(&mut self, id: OrderId) -> bool {
        if !self.lose(id) {
            return false;
        }
        self.grow(id);
        let order = self.order(id);
        if order.status != OrderStatus::Held && order.lost <= 0 && !order.may_grow {
            order.is_waiting = false;
        }
        true
    }

    /// What was asked of the venue is answered: what waited for that is due.
    pub(super) fn resize_if_due(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        if !order.status.is_done() && (order.lost > 0 || order.may_grow) {
            self.owe(id, Due::Resize);
        }
    }

    /// The venue has refused a replace of the core's own.
    pub(super) fn try_again_later(&mut self, id: OrderId, asked: i64) {
        let retry_at = self.now + ASK_AGAIN;
        let order = self.order(id);
        if !order.status.is_done() {
            order.retry_at = retry_at;
            order.lost += (order.qty - asked).max(0);
            order.may_grow |= asked > order.qty;
            order.is_waiting = true;
        }
    }

    fn lose(&mut self, id: OrderId) -> bool {
        let order = self.order(id);
        let lost = std::mem::take(&mut order.lost);
        if lost <= 0 {
            return true;
        }
        let reason = if order.asked.link == 0 { Reject::ReduceOnly } else { Reject::LinkedOrderDone };
        let asked = order.replacement.map_or(order.qty, |new| new.qty.min(order.qty));
        if lost >= asked - order.filled {
            self.request_cancel(id, reason);
            return false;
        }
        let qty = order.qty - lost;
        if order.status == OrderStatus::Held {
            self.resize_held(id, qty, None);
        } else if !self.reduce_at_venue(id, qty, reason) {
            self.order(id).lost = lost;
        }
        true
    }

    fn resize_held(&mut self, id: OrderId, qty: i64, pass: Option<Pass>) {
        self.order(id).qty = qty;
        self.tie_up_for(id);
        if pass.is_some() {
            self.tell_approved(id, pass.as_ref());
        }
        self.tell_replaced(id);
    }

    fn is_connected(&self, order: &Order) -> bool {
        self.venues.get(&order.venue).is_some_and(|(_, is_connected)| *is_connected)
    }

    fn resized(order: &Order, qty: i64) -> Asked {
        let &Order { price, trigger, display, reserve_price, .. } = order;
        Asked { price, qty, trigger, display, reserve_price, is_own: true }
    }

    /// Lowers the quantity of an order at the venue; `false` where that is to be tried again.
    fn reduce_at_venue(&mut self, id: OrderId, qty: i64, reason: Reject) -> bool {
        let order = self.orders[&id].clone();
        let is_own = order.replacement.is_some_and(|new| new.is_own);
        if order.status == OrderStatus::PendingCancel || is_own {
            return false;
        }
        if !self.can(order.venue, VenueDefined::REPLACE) || order.replacement.is_some() {
            self.request_cancel(id, reason);
            return true;
        }
        if !self.is_connected(&order) {
            self.order(id).is_waiting = true;
            return false;
        }
        let amount = self.tied_up_with(&order, qty);
        self.begin_replace(id, Self::resized(&order, qty), amount, None);
        true
    }

    /// Gives an exit or child what its parent was filled late, where it passes.
    fn grow(&mut self, id: OrderId) {
        let order = self.orders[&id].clone();
        if !order.may_grow {
            return;
        }
        let Some(qty) = self.rightful_qty(&order).filter(|qty| *qty > order.qty) else {
            self.order(id).may_grow = false;
            return;
        };
        let is_held = order.status == OrderStatus::Held;
        if matches!(order.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
            return;
        }
        let can_replace = self.can(order.venue, VenueDefined::REPLACE);
        if !(is_held || can_replace && self.is_connected(&order)) {
            let row = self.order(id);
            row.may_grow = can_replace;
            row.is_waiting |= can_replace;
            return;
        }
        let new = Self::resized(&order, qty);
        let checked = if is_held && !order.is_counted {
            Ok((0, 0, None))
        } else {
            self.check_replace(&order, &new, is_held)
        };
        let row = self.order(id);
        row.may_grow = false;
        match checked {
            Err(no) if passes_by(no.reason) => (row.may_grow, row.is_waiting) = (true, true),
            Err(_) => {}
            Ok((.., pass)) if is_held => self.resize_held(id, qty, pass),
            Ok((reserve_price, amount, pass)) => {
                self.begin_replace(id, Asked { reserve_price, ..new }, amount, pass);
            }
        }
    }

    /// What a released child or exit may be for by now; none where it is none.
    fn rightful_qty(&self, order: &Order) -> Option<i64> {
        let group = self.groups.get(&(order.asked.account, order.asked.link))?;
        if order.hold == Some(HoldReason::Parent) {
            return None;
        }
        let most = order.wanted.min(group.parent_filled);
        let qty = match order.asked.contingency {
            Contingency::BracketExit => order.filled + most - group.exits_filled,
            Contingency::Child => most,
            Contingency::None | Contingency::Oco | Contingency::Parent => return None,
        };
        let lot = instrument(order.asked.instrument).lot_size.0;
        Some(qty / lot * lot)
    }
}
