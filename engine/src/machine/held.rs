//! Held orders: they stay in the core until their trigger is reached, their parent is done, their auction begins or, for
//! exits, their market takes orders again (see `waiting.rs`).
//!
//! A held order has passed the risk check and counts in what its account ties up, so that it can leave later. Three kinds
//! do not count before they leave, and are checked in full then: a child that waits for its parent, as what it would
//! sell is not there yet, the leg of a group that waits for its trigger, as one of the group leaves at most, and an exit
//! that waits for its market.
//! Whoever leaves is checked again as the order that it is then.
//!
//! What the core owes held orders is paid at the end of each command, as much as fits; the rest goes on by `Continue`.

use super::order_flow::approved;
use super::{Continuation, Machine};
use crate::event_buffer::EventBuffer;
use crate::limits::LINK_ORDERS_MAX;
use crate::orders::Terms;
use crate::orders::terms::{Owed, trail};
use crate::orders::triggers::{Thresholds, Trailing, queue_of, seen, thresholds};
use crate::risk::Refusal;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::event::{OrderHeld, OrderReplaced, OrderTriggered};
use tickwerk_domain::{
    ContinueKind, HoldReason, InstrumentId, OrderId, OrderStatus, OrderType, Price, Qty, Reject, SideFilter,
    Stamp, StrategyId,
};

/// Events that one payment may cause, with one to spare for the digest: siblings that are cancelled, and a trigger, an
/// approval or refusal with its alerts, and an order.
const EVENTS_PER_PAYMENT_MAX: usize = LINK_ORDERS_MAX + 16;

impl Machine {
    /// Whether any held order is owed something.
    #[inline]
    pub(super) fn owes_held(&self) -> bool {
        self.orders.is_any_owed() || self.firing != 0 || self.sweep.instruments != 0
    }

    /// Pays what is owed to held orders, as much as fits.
    pub(super) fn pay_held(&mut self, stamp: Stamp, out: &mut EventBuffer) {
        let mut steps = 0;
        let known = self.continuations[ContinueKind::Held as usize];
        let mut after = known.map_or(0, |pending| pending.after);
        while self.owes_held() {
            if out.room() < EVENTS_PER_PAYMENT_MAX || steps >= self.rules.steps_per_command {
                let started_by = known.map_or(stamp.sequence, |pending| pending.started_by);
                let scope = super::mass_cancel::Scope {
                    account: tickwerk_domain::AccountId::NONE,
                    instrument: InstrumentId::NONE,
                    strategy: StrategyId::NONE,
                    side: SideFilter::Any,
                };
                let kind = ContinueKind::Held;
                self.go_on_later(Continuation { kind, after, next: OrderId::NONE, started_by, scope });
                return;
            }
            steps += 1;
            if let Some((slot, owed)) = self.orders.take_owed() {
                after = self.orders.get(slot).id.0;
                self.pay(slot, owed, out);
            } else if self.firing != 0 {
                let instrument = InstrumentId(self.firing.trailing_zeros());
                let thresholds = thresholds(self.market(instrument));
                match self.triggers.pop_reached(instrument, &thresholds) {
                    None => self.firing &= self.firing - 1,
                    Some((slot, queue)) => {
                        after = self.orders.get(slot).id.0;
                        self.fire(slot, seen(queue, &thresholds).unwrap_or(Price(0)), out);
                    }
                }
            } else {
                steps += self.sweep_session();
            }
        }
        self.continuations[ContinueKind::Held as usize] = None;
    }

    fn pay(&mut self, slot: u32, owed: Owed, out: &mut EventBuffer) {
        match owed {
            Owed::Nothing => {}
            Owed::Expire => self.expire(slot, out),
            Owed::Cancel(reason) => self.request_cancel(slot, reason, out),
            Owed::Resize => {
                self.resize(slot, out);
            }
            Owed::Leave => {
                if self.resize(slot, out) {
                    self.leave_or_wait(slot, out);
                }
            }
            Owed::Release => self.release(slot, out),
        }
        self.orders.commit(slot, &mut self.digest);
    }

    /// Looks whether an observation reaches the triggers of held orders; what it reaches is owed.
    #[inline]
    pub(super) fn look_at_triggers(&mut self, instrument: InstrumentId) {
        if !self.triggers.is_idle(instrument) {
            self.look_closer(instrument);
        }
    }

    #[inline(never)]
    fn look_closer(&mut self, instrument: InstrumentId) {
        self.look_at_waiting(instrument);
        if self.market(instrument).triggers() {
            let thresholds = thresholds(self.market(instrument));
            self.follow(instrument, &thresholds);
            if self.triggers.is_any_reached(instrument, &thresholds) {
                self.firing |= 1 << instrument.0;
            }
        }
    }

    /// Moves trailing stops with the market, in favour of the order only.
    fn follow(&mut self, instrument: InstrumentId, thresholds: &Thresholds) {
        let tick = self.instrument(instrument).map_or(1, |known| known.definition.tick_size.0);
        let (triggers, orders, digest) = (&mut self.triggers, &mut self.orders, &mut self.digest);
        for row in triggers.trailing_mut(instrument) {
            let Some(seen) = seen(row.queue, thresholds) else {
                continue;
            };
            let terms = orders.terms_mut(row.slot);
            let Some(to) = trail(&terms.asked, seen, tick) else {
                continue;
            };
            let falls_to_it = row.queue % 2 == 0;
            let is_better = if falls_to_it { to.0 > row.trigger } else { to.0 < row.trigger };
            if row.trigger == 0 || is_better {
                row.trigger = to.0;
                terms.trigger_price = to;
                orders.commit(row.slot, digest);
            }
        }
    }

    /// The queue of a triggered order.
    fn queue(terms: &Terms) -> usize {
        let asked = &terms.asked;
        queue_of(asked.order_type, asked.trigger_by, asked.side)
    }

    /// Whether the index of triggers has a place for what is asked.
    pub(super) fn has_trigger_room(&self, asked: &NewOrder) -> bool {
        let queue = queue_of(asked.order_type, asked.trigger_by, asked.side);
        let is_trailing = asked.order_type == OrderType::TrailingStop;
        self.triggers.has_room(asked.instrument, queue, is_trailing)
    }

    /// Keeps an order in the core. Where it waits for a price that is there already, it is triggered with this command.
    pub(super) fn hold(&mut self, slot: u32, reason: HoldReason, out: &mut EventBuffer) {
        if self.orders.get(slot).status != OrderStatus::Held {
            self.orders.set_status(slot, OrderStatus::Held);
        }
        let terms = self.orders.terms_mut(slot);
        terms.hold = Some(reason);
        let trigger_price = if reason == HoldReason::Trigger { terms.trigger_price } else { Price(0) };
        let order = self.orders.get(slot);
        let (qty, account, instrument, side) = (order.leaves(), order.account, order.instrument, order.side);
        let held = OrderHeld { order: order.id, trigger_price, qty, account, instrument, side, reason };
        self.push_order(slot, held, out);
        if reason == HoldReason::Trigger {
            self.index(slot);
            self.look_at_triggers(instrument);
        } else if reason == HoldReason::Auction && self.is_in_its_auction(slot) {
            self.orders.owe(slot, Owed::Release, &mut self.digest);
        }
        self.set_expiry(slot);
    }

    /// Lets the index know an order that waits for its trigger.
    pub(super) fn index(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (id, instrument) = (order.id, order.instrument);
        let terms = self.orders.terms_mut(slot);
        let (queue, trigger) = (Self::queue(terms), terms.trigger_price);
        terms.is_indexed = true;
        if terms.asked.order_type == OrderType::TrailingStop {
            let row = Trailing { slot, order: id, queue, trigger: trigger.0 };
            self.triggers.add_trailing(instrument, row);
        } else {
            self.triggers.add(instrument, queue, trigger, id, slot);
        }
    }

    /// Takes an order out of the index of triggers, where it is in.
    pub(super) fn unindex(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let (id, instrument) = (order.id, order.instrument);
        let terms = self.orders.terms_mut(slot);
        if !std::mem::take(&mut terms.is_indexed) {
            return;
        }
        let (queue, trigger) = (Self::queue(terms), terms.trigger_price);
        if terms.asked.order_type == OrderType::TrailingStop {
            self.triggers.remove_trailing(instrument, id);
        } else {
            self.triggers.remove(instrument, queue, trigger, id, slot);
        }
    }

    /// The market has reached the trigger of an order, which is no longer in the index.
    fn fire(&mut self, slot: u32, seen: Price, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        let terms = self.orders.terms_mut(slot);
        (terms.is_indexed, terms.is_fired) = (false, true);
        let triggered = OrderTriggered {
            order: order.id,
            trigger_price: terms.trigger_price,
            seen,
            qty: Qty((order.leaves().0 - terms.lost.0).max(0)),
            instrument: order.instrument,
            reason: HoldReason::Trigger,
        };
        self.push_order(slot, triggered, out);
        if self.resize(slot, out) {
            self.leave_or_wait(slot, out);
        }
        self.orders.commit(slot, &mut self.digest);
    }

    /// A parent is done, an auction begins, or the market takes orders again: the order goes on to its trigger, or leaves.
    fn release(&mut self, slot: u32, out: &mut EventBuffer) {
        let Some(terms) = self.orders.terms(slot).copied() else {
            return;
        };
        let Some(reason) = terms.hold else {
            return;
        };
        let order = *self.orders.get(slot);
        if reason == HoldReason::Market && !self.may_go_on(slot) {
            return;
        }
        if reason == HoldReason::Parent {
            let most = self.released_qty(slot, &terms);
            self.orders.terms_mut(slot).lost = Qty::ZERO;
            if most <= Qty::ZERO {
                self.request_cancel(slot, Reject::LinkedOrderDone, out);
                return;
            }
            if most < order.qty {
                self.orders.get_mut(slot).restate(order.price, most);
            }
        } else if !self.resize(slot, out) {
            return;
        }
        let (trigger_price, seen, qty) = (Price(0), Price(0), self.orders.get(slot).leaves());
        let instrument = order.instrument;
        let triggered = OrderTriggered { order: order.id, trigger_price, seen, qty, instrument, reason };
        self.push_order(slot, triggered, out);
        self.stop_waiting(slot);
        if reason == HoldReason::Market && terms.is_fired {
            // It may wait for another leg from here on.
            self.orders.terms_mut(slot).hold = Some(HoldReason::Trigger);
            self.leave_or_wait(slot, out);
        } else {
            self.go_on_from_parent(slot, reason, out);
        }
    }

    fn go_on_from_parent(&mut self, slot: u32, reason: HoldReason, out: &mut EventBuffer) {
        let Some(terms) = self.orders.terms(slot).copied() else {
            return;
        };
        let asked = terms.asked;
        let next = match self.fit_of(&terms) {
            Ok(fit) if reason != HoldReason::Auction => fit.hold,
            Ok(_) => None,
            Err(reason) => {
                self.refuse_held(slot, Refusal::plain(reason), out);
                return;
            }
        };
        match next {
            None => self.leave(slot, out),
            Some(HoldReason::Trigger) if !self.has_trigger_room(&asked) => {
                self.refuse_held(slot, Refusal::plain(Reject::StoreFull), out);
            }
            Some(next) => {
                if !terms.is_exclusive() {
                    // From here on it counts, like any other held order.
                    self.uncount(slot);
                    let (sent, strategy) = (self.as_held(slot), self.orders.get(slot).strategy);
                    match sent.and_then(|sent| self.risk_check(&sent, strategy, None, true)) {
                        Err(refusal) => {
                            self.refuse_or_wait(slot, refusal, out);
                            return;
                        }
                        Ok(approval) => {
                            self.count(slot, Some(approval.reservation));
                            let event = approved(self, slot, Some(&approval));
                            self.push_order(slot, event, out);
                        }
                    }
                }
                self.hold(slot, next, out);
            }
        }
    }

    /// Lets an order leave, unless it has to wait until those of its group that are at the venue are done.
    fn leave_or_wait(&mut self, slot: u32, out: &mut EventBuffer) {
        if !self.waits_for_siblings(slot, out) {
            self.leave(slot, out);
        }
    }

    /// Lets an order leave the core as what it is once it was triggered, if it still passes the risk check.
    fn leave(&mut self, slot: u32, out: &mut EventBuffer) {
        self.uncount(slot);
        self.trim_to_room(slot, out);
        let (sent, strategy) = (self.as_sent(slot), self.orders.get(slot).strategy);
        self.watch_before(sent.account, strategy, sent.instrument, out);
        let chosen = self.venues.choose(sent.venue, sent.instrument).map(|(id, _)| id);
        let checked = chosen.map_err(Refusal::plain).and_then(|venue| {
            let takes_orders = self.market(sent.instrument).session.takes_orders();
            if !takes_orders {
                return Err(Refusal::plain(Reject::MarketClosed));
            }
            self.risk_check(&sent, strategy, None, false).map(|approval| (venue, approval))
        });
        match checked {
            Err(refusal) => {
                self.refuse_or_wait(slot, refusal, out);
                if refusal.reason == Reject::SelfTrade {
                    self.give_way(&sent, strategy, true, out);
                }
            }
            Ok((venue, approval)) => {
                self.count(slot, Some(approval.reservation));
                self.orders.get_mut(slot).venue = venue;
                self.orders.terms_mut(slot).hold = None;
                self.orders.set_status(slot, OrderStatus::PendingNew);
                self.set_expiry(slot);
                let event = approved(self, slot, Some(&approval));
                self.push_order(slot, event, out);
                self.give_way_to(slot, out);
                self.submit(slot, out);
            }
        }
    }

    /// The order that leaves as the risk check is to see it: what is left, as what it is once it was triggered.
    pub(super) fn as_sent(&self, slot: u32) -> NewOrder {
        let order = self.orders.get(slot);
        let asked = self.orders.terms(slot).map_or_else(|| order.plain(), |terms| terms.asked);
        let order_type = asked.order_type.once_triggered();
        let (price, qty) = (order.price, order.leaves());
        NewOrder { order_type, price, qty, quantity_in_quote: false, ..asked }
    }

    /// A held order as the risk check is to see it before it leaves: a limit order at the worst price that it may meet.
    pub(super) fn as_held(&self, slot: u32) -> Result<NewOrder, Refusal> {
        let order = self.orders.get(slot);
        let sent = self.as_sent(slot);
        let trigger = self.orders.terms(slot).map_or(Price(0), |terms| terms.trigger_price);
        self.worst_held(&sent, order.order_type, trigger)
    }

    fn refuse_held(&mut self, slot: u32, refusal: Refusal, out: &mut EventBuffer) {
        self.uncount(slot);
        self.refuse_uncounted(slot, refusal, out);
    }

    /// Ends a held order that does not pass any more and that is out of all sums.
    pub(super) fn refuse_uncounted(&mut self, slot: u32, refusal: Refusal, out: &mut EventBuffer) {
        self.book_refusal(slot, refusal, out);
        self.rare_end(slot, OrderStatus::Rejected);
        self.orders.commit(slot, &mut self.digest);
        self.count_end(slot, false, out);
    }

    /// Tells the terms of an order from here on.
    pub(super) fn push_replaced(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        let terms = self.orders.terms(slot);
        let replaced = OrderReplaced {
            order: order.id,
            price: order.price,
            qty: order.qty,
            trigger_price: terms.map_or(Price(0), |terms| terms.trigger_price),
            display_qty: terms.map_or(Qty::ZERO, |terms| terms.display_qty),
            cum_qty: order.cum_qty,
            leaves_qty: order.leaves(),
            instrument: order.instrument,
        };
        self.push_order(slot, replaced, out);
    }
}
