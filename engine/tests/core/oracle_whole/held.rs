//! Held orders of the model: what is due to them, what triggers them, and how they leave.

use super::super::desk::instrument;
use super::model::{Due, Model, Order};
use super::risk::{Candidate, No, plain};
use tickwerk_domain::command::{NewOrder, VenueDefined};
use tickwerk_domain::event::{OrderExpired, OrderReplaced, OrderTriggered};
use tickwerk_domain::{
    Contingency, HoldReason, InstrumentId, OrderId, OrderStatus, OrderType, Price, Qty, Reject,
    SelfTradePrevention, SessionState, Side, TimeInForce, TrailUnit,
};

/// Whether the trigger of an order is above the market.
fn rises(asked: &NewOrder) -> bool {
    let is_if_touched = matches!(asked.order_type, OrderType::MarketIfTouched | OrderType::LimitIfTouched);
    (asked.side == Side::Buy) != is_if_touched
}

/// A leg that shares its exposure with others of its group.
pub(super) fn shares(order: &Order) -> bool {
    matches!(order.asked.contingency, Contingency::Oco | Contingency::BracketExit)
}

impl Model {
    /// Something is due to an order at the end of the command; to end it goes before all else.
    pub(super) fn owe(&mut self, id: OrderId, due: Due) {
        let order = self.order(id);
        match order.due {
            None => {
                order.due = Some(due);
                self.due.push_back(id);
            }
            Some(Due::Cancel(_) | Due::Expire) => {}
            Some(_) if due == Due::Reduce => {}
            Some(_) => order.due = Some(due),
        }
    }

    /// Gives all orders their due, and what that leads to.
    pub(super) fn pay(&mut self) {
        loop {
            if let Some(id) = self.due.pop_front() {
                let due = self.order(id).due.take();
                if let Some(due) = due.filter(|_| self.open.contains(&id)) {
                    self.pay_one(id, due);
                }
            } else if let Some(id) = self.firing.first().copied() {
                match self.next_reached(id) {
                    None => _ = self.firing.remove(&id),
                    Some((order, seen)) => self.fire(order, seen),
                }
            } else if let Some(id) = self.swept.pop_first() {
                self.sweep(id);
            } else {
                return;
            }
        }
    }

    fn pay_one(&mut self, id: OrderId, due: Due) {
        match due {
            Due::Expire => self.expire(id),
            Due::Cancel(reason) => self.request_cancel(id, reason),
            Due::Reduce => _ = self.lose(id),
            Due::Leave => {
                if self.lose(id) {
                    self.leave_or_wait(id);
                }
            }
            Due::Release => self.release(id),
        }
    }

    pub(super) fn expire(&mut self, id: OrderId) {
        let order = self.order(id);
        if order.status != OrderStatus::Held {
            self.request_cancel(id, Reject::Expired);
            return;
        }
        order.reason = Reject::Expired.code();
        let (cum_qty, reason) = (Qty(order.filled), order.reason);
        self.tell(OrderExpired { order: id, cum_qty, reason });
        self.finish(id, OrderStatus::Expired);
    }

    /// Moves trailing stops with the market, and notes whether it has reached any trigger.
    pub(super) fn look_at_triggers(&mut self, id: InstrumentId) {
        if !self.market(id).triggers() {
            return;
        }
        let waiting: Vec<_> = self
            .open_orders()
            .filter(|order| order.asked.instrument == id && order.waits_for_price())
            .map(|order| order.id)
            .collect();
        for order in waiting {
            let asked = self.orders[&order].asked;
            let seen = self.market(id).trigger_price(asked.trigger_by, asked.side, rises(&asked));
            let to = seen.and_then(|seen| trail(&asked, seen));
            if asked.order_type == OrderType::TrailingStop
                && let Some(to) = to
            {
                let trigger = &mut self.order(order).trigger;
                let is_better = if asked.side == Side::Sell { to > *trigger } else { to < *trigger };
                if *trigger == 0 || is_better {
                    *trigger = to;
                }
            }
        }
        if self.next_reached(id).is_some() {
            self.firing.insert(id);
        }
    }

    /// The next order that the market has reached, and the price that did: by kind of price, side and way, then by the
    /// distance, then by id; trailing stops at the end.
    fn next_reached(&self, id: InstrumentId) -> Option<(OrderId, i64)> {
        let waiting = self.open_orders();
        let waiting = waiting.filter(|order| order.asked.instrument == id && order.waits_for_price());
        let reached = waiting.filter_map(|order| {
            let asked = &order.asked;
            let rises = rises(asked);
            let seen = self.market(id).trigger_price(asked.trigger_by, asked.side, rises)?;
            let is_reached = if rises { seen >= order.trigger } else { seen <= order.trigger };
            if !is_reached || order.trigger == 0 {
                return None;
            }
            let key = if rises { order.trigger } else { -order.trigger };
            let trails = asked.order_type == OrderType::TrailingStop;
            let queue = (asked.trigger_by as u8, asked.side as u8, rises, key);
            let place = (trails, if trails { (0, 0, false, 0) } else { queue }, order.id);
            Some((place, (order.id, seen)))
        });
        reached.min().map(|(_, found)| found)
    }

    fn fire(&mut self, id: OrderId, seen: i64) {
        let order = self.order(id);
        order.is_fired = true;
        let (trigger, qty) = (order.trigger, (order.left() - order.lost).max(0));
        self.tell_triggered(id, trigger, seen, qty, HoldReason::Trigger);
        if self.lose(id) {
            self.leave_or_wait(id);
        }
    }

    fn tell_triggered(&mut self, order: OrderId, trigger: i64, seen: i64, qty: i64, reason: HoldReason) {
        let instrument = self.orders[&order].asked.instrument;
        let (trigger_price, seen, qty) = (Price(trigger), Price(seen), Qty(qty));
        self.tell(OrderTriggered { order, trigger_price, seen, qty, instrument, reason });
    }

    /// A parent is done, or an auction begins: the order goes on to its trigger, or leaves.
    fn release(&mut self, id: OrderId) {
        let Some(reason) = self.orders[&id].hold else { return };
        if reason == HoldReason::Parent {
            let most = self.released_qty(id);
            let order = self.order(id);
            order.lost = 0;
            if most <= 0 {
                self.request_cancel(id, Reject::LinkedOrderDone);
                return;
            }
            order.qty = order.qty.min(most);
        } else if !self.lose(id) {
            return;
        }
        let qty = self.orders[&id].left();
        self.tell_triggered(id, 0, 0, qty, reason);
        let order = self.orders[&id].clone();
        let chosen = self.choose(order.asked.venue, order.asked.instrument);
        match chosen.and_then(|venue| self.fit(&order.asked, venue, shares(&order))) {
            Err(reason) => {
                self.take_out(id);
                self.refuse_to_leave(id, plain(reason));
            }
            Ok((Some(next), _)) if reason == HoldReason::Parent => self.wait_on(id, next),
            Ok(_) => self.leave(id),
        }
    }

    /// A child that was released waits for its trigger or its auction; one that shares nothing counts from here on.
    fn wait_on(&mut self, id: OrderId, next: HoldReason) {
        let order = self.orders[&id].clone();
        if !shares(&order) {
            self.take_out(id);
            let seen = self.at_worst(&order.as_sent(), order.asked.order_type, order.trigger);
            match self.check(&Candidate { order: &seen, message: None, is_held: true }) {
                Err(no) => {
                    self.refuse_to_leave(id, no);
                    return;
                }
                Ok(pass) => {
                    self.put_back(id, Some(pass.price));
                    self.tell_approved(id, Some(&pass));
                }
            }
        }
        self.hold(id, next);
    }

    /// Takes an order out of all sums.
    pub(super) fn take_out(&mut self, id: OrderId) {
        let order = self.order(id);
        (order.is_out, order.is_counted) = (true, false);
        self.tie_up_for(id);
    }

    /// Takes an order into all sums again, at a price.
    pub(super) fn put_back(&mut self, id: OrderId, price: Option<i64>) {
        let order = self.order(id);
        (order.is_out, order.is_counted) = (false, true);
        order.reserve_price = price.unwrap_or(order.reserve_price);
        self.tie_up_for(id);
    }

    fn leave_or_wait(&mut self, id: OrderId) {
        if !self.waits_for_siblings(id) {
            self.leave(id);
        }
    }

    /// Lets an order leave the core, if it still passes.
    fn leave(&mut self, id: OrderId) {
        self.take_out(id);
        let sent = self.orders[&id].as_sent();
        self.watch_before(sent.account, sent.instrument);
        let chosen = self.choose(sent.venue, sent.instrument).map_err(plain);
        let checked = chosen.and_then(|venue| {
            if !self.market(sent.instrument).session.takes_orders() {
                return Err(plain(Reject::MarketClosed));
            }
            let pass = self.check(&Candidate { order: &sent, message: None, is_held: false })?;
            Ok((venue, pass))
        });
        match checked {
            Err(no) => {
                self.refuse_to_leave(id, no);
                if no.reason == Reject::SelfTrade {
                    self.give_way(&sent, SelfTradePrevention::CancelBoth);
                }
            }
            Ok((venue, pass)) => {
                self.put_back(id, Some(pass.price));
                let order = self.order(id);
                (order.venue, order.hold, order.status) = (venue, None, OrderStatus::PendingNew);
                self.set_expiry(id);
                self.tell_approved(id, Some(&pass));
                self.give_way(&sent, SelfTradePrevention::CancelMaker);
                self.submit(id);
            }
        }
    }

    /// Ends a held order that does not pass any more and that is out of all sums.
    fn refuse_to_leave(&mut self, id: OrderId, no: No) {
        self.reject(id, no);
        self.unlink(id, OrderStatus::Rejected);
    }

    /// Takes from an order what others took; `false` where nothing is left.
    fn lose(&mut self, id: OrderId) -> bool {
        let order = self.order(id);
        let lost = std::mem::take(&mut order.lost);
        if lost <= 0 {
            return true;
        }
        let reason = if order.asked.link == 0 { Reject::ReduceOnly } else { Reject::LinkedOrderDone };
        if lost >= order.left() {
            self.request_cancel(id, reason);
            return false;
        }
        let qty = order.qty - lost;
        if order.status == OrderStatus::Held {
            order.qty = qty;
            self.tie_up_for(id);
            self.tell_replaced(id);
        } else {
            self.reduce_at_venue(id, qty, reason);
        }
        true
    }

    pub(super) fn tell_replaced(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        let replaced = OrderReplaced {
            order: id,
            price: Price(order.price),
            qty: Qty(order.qty),
            trigger_price: Price(order.trigger),
            display_qty: Qty(order.display),
            cum_qty: Qty(order.filled),
            leaves_qty: Qty(order.left()),
            instrument: order.asked.instrument,
        };
        self.tell(replaced);
    }

    /// What a session that has changed means for the orders of its market.
    fn sweep(&mut self, id: InstrumentId) {
        let state = self.market(id).session;
        let mine: Vec<_> = self.open_orders().filter(|order| order.asked.instrument == id).cloned().collect();
        for order in mine {
            let waits = order.hold == Some(HoldReason::Auction);
            let ends_itself = order.hold.is_none() && self.can(order.venue, VenueDefined::EXPIRY);
            let due = match (state, order.asked.time_in_force) {
                (SessionState::OpeningAuction | SessionState::Continuous, TimeInForce::AtTheOpen)
                | (SessionState::ClosingAuction, TimeInForce::AtTheClose)
                    if waits =>
                {
                    Due::Release
                }
                (SessionState::Closed, TimeInForce::Day | TimeInForce::AtTheClose) if !ends_itself => {
                    Due::Expire
                }
                _ => continue,
            };
            self.owe(order.id, due);
        }
    }
}

/// Where a trailing stop would stand: on a tick that is never nearer than the distance.
fn trail(asked: &NewOrder, seen: i64) -> Option<i64> {
    let (tick, offset) = (instrument(asked.instrument).tick_size.0, asked.trail_offset);
    // In ten thousandths, so that only the step to a tick rounds.
    let distance = match asked.trail_unit {
        TrailUnit::Price => offset * 10_000,
        TrailUnit::BasisPoints => seen * offset,
        TrailUnit::Ticks => offset * tick * 10_000,
    };
    let step = tick * 10_000;
    let ticks = match asked.side {
        Side::Sell => (seen * 10_000 - distance).div_euclid(step),
        Side::Buy => (seen * 10_000 + distance + step - 1).div_euclid(step),
    };
    Some(ticks * tick).filter(|price| *price > 0)
}
