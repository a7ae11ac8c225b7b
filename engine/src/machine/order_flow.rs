//! New orders and cancels: duplicate check, risk check, and the order that goes to the venue.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::ACCOUNTS_MAX;
use crate::orders::{Order, key};
use crate::risk::exposure::{Reservation, margin, margin_mark};
use crate::risk::rate::Message;
use crate::risk::self_trade::Makers;
use crate::risk::{Approval, Refusal};
use tickwerk_domain::command::{CancelOrder, NewOrder};
use tickwerk_domain::event::{
    CancelRejected, CancelSubmitted, OrderApproved, OrderRefused, OrderRejected, OrderRepeated,
    OrderSubmitted,
};
use tickwerk_domain::{
    AccountId, InstrumentKind, Money, OrderId, OrderStatus, Price, Qty, Reject, Stamp, StrategyId, TimeNs,
    TrailUnit, TriggerBy, VenueId,
};

impl Machine {
    /// A client's order; its command is the first record of the order's stream.
    pub(super) fn new_order(&mut self, stamp: Stamp, asked: &NewOrder, out: &mut EventBuffer) -> u64 {
        let id = OrderId(stamp.sequence.0);
        let name = &asked.client_order_id;
        let name_key = key(asked.account, name);
        self.watch_before(asked.account, StrategyId::NONE, asked.instrument, out);
        let known =
            if name.is_none() { None } else { self.orders.find_client(asked.account, name, name_key) };
        match known {
            None => {
                let mut order = Order::new(id, StrategyId::NONE, asked, name_key);
                order.version = 1;
                self.enter(&order, name_key, asked, out);
            }
            Some(slot) if self.orders.get(slot).has_content_of(asked) => {
                let (order, status, reason) = {
                    let first = self.orders.get(slot);
                    (first.id, first.status, first.reason)
                };
                self.push_order(slot, OrderRepeated { order, status, reason }, out);
                self.orders.commit(slot, &mut self.digest);
            }
            // The name stays with the first order; this one is refused without a place in the store.
            Some(_) => {
                let (account, instrument) = (asked.account, asked.instrument);
                let reason = Reject::DuplicateClientOrderId.code();
                out.push(2, OrderRejected { order: id, account, instrument, reason });
            }
        }
        1
    }

    /// A strategy's order; the first event of its decision opens the order's stream and gives it its id.
    pub(super) fn strategy_order(
        &mut self,
        stamp: Stamp,
        strategy: StrategyId,
        asked: &NewOrder,
        out: &mut EventBuffer,
    ) {
        self.watch_before(asked.account, strategy, asked.instrument, out);
        let id = OrderId(stamp.sequence.plus(out.len() as u64 + 1).0);
        let name_key = key(asked.account, &asked.client_order_id);
        self.enter(&Order::new(id, strategy, asked, name_key), name_key, asked, out);
    }

    /// Decides on an order and books the result.
    fn enter(&mut self, order: &Order, name_key: u64, asked: &NewOrder, out: &mut EventBuffer) {
        let decision = self.decide(asked, order.strategy);
        let makers = match decision {
            Ok(_) => self.makers_of(asked, order.strategy, false),
            Err(Refusal { reason: Reject::SelfTrade, .. }) => self.makers_of(asked, order.strategy, true),
            Err(_) => None,
        };
        if decision.is_err_and(|refusal| refusal.reason == Reject::StoreFull) {
            let (id, account, instrument) = (order.id, asked.account, asked.instrument);
            let reason = Reject::StoreFull.code();
            out.push(order.version + 1, OrderRejected { order: id, account, instrument, reason });
            return;
        }
        let slot = self.orders.add(order, name_key, &mut self.digest);
        match decision {
            Err(refusal) => self.book_refusal(slot, refusal, out),
            Ok(approval) => self.book_approval(slot, &approval, makers.as_ref(), out),
        }
        self.orders.commit(slot, &mut self.digest);
        if let (Err(_), Some(makers)) = (decision, &makers) {
            self.cancel_makers(makers, out);
        }
        let refused = decision.err().map(|refusal| refusal.reason);
        self.count_message((asked.account, asked.instrument, order.strategy), Message::Order, refused, out);
    }

    fn decide(&self, asked: &NewOrder, strategy: StrategyId) -> Result<Approval, Refusal> {
        if !self.orders.has_room() {
            return Err(Refusal::plain(Reject::StoreFull));
        }
        if asked.order_type.is_triggered() {
            return Err(Refusal::plain(Reject::TermsInvalid));
        }
        self.check_order(asked, strategy, None)
    }

    fn book_refusal(&mut self, slot: u32, refusal: Refusal, out: &mut EventBuffer) {
        let reason = refusal.reason.code();
        let order = self.orders.get_mut(slot);
        order.reason = reason;
        let (id, account, instrument) = (order.id, order.account, order.instrument);
        let (strategy, side) = (order.strategy, order.side);
        let (limit, observed) = (Money::new(refusal.limit), Money::new(refusal.observed));
        let limits_version = self.settings.version();
        let refused = OrderRefused {
            limit,
            observed,
            order: id,
            limits_version,
            account,
            instrument,
            strategy,
            reason,
            side,
        };
        self.push_order(slot, refused, out);
        self.push_order(slot, OrderRejected { order: id, account, instrument, reason }, out);
        self.orders.set_status(slot, OrderStatus::Rejected);
    }

    /// Orders that would meet another one of their account give way to it.
    fn cancel_makers(&mut self, makers: &Makers, out: &mut EventBuffer) {
        for slot in makers.slots() {
            self.request_cancel(*slot, out);
        }
    }

    fn book_approval(
        &mut self,
        slot: u32,
        approval: &Approval,
        makers: Option<&Makers>,
        out: &mut EventBuffer,
    ) {
        let reservation = approval.reservation;
        let order = self.orders.get_mut(slot);
        order.reserve_price = reservation.price;
        let submitted = OrderSubmitted {
            order: order.id,
            price: order.price,
            qty: order.qty,
            trigger_price: Price(0),
            display_qty: Qty::ZERO,
            expires_at: TimeNs::UNKNOWN,
            trail_offset: 0,
            account: order.account,
            instrument: order.instrument,
            strategy: order.strategy,
            venue: VenueId::SIMULATED,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            trail_unit: TrailUnit::Price,
            trigger_by: TriggerBy::Last,
            post_only: false,
        };
        let OrderSubmitted { order: id, account, instrument, strategy, side, qty, .. } = submitted;
        let open = self.positions.get_mut(account, instrument).open_mut(side);
        if submitted.order_type.has_limit() {
            self.resting.note(account, instrument, side, submitted.price, *open == 0);
        } else {
            self.resting.note_market(account, instrument, side, *open == 0);
        }
        *open += qty.0;
        self.accounts.account_mut(account).open_orders += 1;
        self.accounts.rehash_account(account, &mut self.digest);
        self.tie_up(slot, reservation);
        self.positions.rehash(account, instrument, &mut self.digest);
        self.note_pending(strategy, side.sign() * qty.0);

        let position = self.positions.get(account, instrument);
        let approved = OrderApproved {
            reserved: Money::new(reservation.amount),
            gross_exposure: Money::new(approval.gross_exposure),
            order: id,
            limits_version: self.settings.version(),
            worst_long: Qty(position.worst_long()),
            worst_short: Qty(position.worst_short()),
            account,
            instrument,
            reserved_currency: reservation.currency,
            open_orders: self.accounts.account(account).map_or(0, |row| row.open_orders),
        };
        self.push_order(slot, approved, out);
        if let Some(makers) = makers {
            self.cancel_makers(makers, out);
        }
        self.push_order(slot, submitted, out);
    }

    /// Books what an order ties up: its own amount for spot, the margin of its position for contracts. The caller
    /// rehashes the position when it is through with it.
    fn tie_up(&mut self, slot: u32, reservation: Reservation) {
        let order = self.orders.get(slot);
        let (account, instrument, reserved) = (order.account, order.instrument, order.reserved);
        let kind = self.instrument(instrument).map(|known| known.definition.kind);
        match kind {
            Some(InstrumentKind::Spot) => {
                let change = reservation.amount - reserved;
                self.accounts.reserve(account, reservation.currency, change, &mut self.digest);
                let row = self.orders.get_mut(slot);
                (row.reserved, row.reserved_currency) = (reservation.amount, reservation.currency);
            }
            Some(InstrumentKind::Linear | InstrumentKind::Inverse) => {
                let position = self.positions.get_mut(account, instrument);
                let change = reservation.amount - position.margin;
                position.margin = reservation.amount;
                self.accounts.reserve(account, reservation.currency, change, &mut self.digest);
            }
            None => {}
        }
    }

    /// Ties up what an order and its position need now, after a fill or an end.
    pub(super) fn tie_up_again(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let Some(known) = self.instrument(order.instrument) else {
            return;
        };
        let definition = &known.definition;
        let reservation = match definition.kind {
            InstrumentKind::Spot if order.leaves() == Qty::ZERO => {
                Reservation { amount: 0, currency: order.reserved_currency, price: order.reserve_price }
            }
            InstrumentKind::Spot => {
                let (leaves, price) = (order.leaves(), order.reserve_price);
                let needed = crate::risk::exposure::spot_reservation(
                    definition,
                    known.base_factor,
                    order.side,
                    price,
                    leaves,
                );
                // Less is left than what passed the check, so its value fits.
                needed.unwrap_or(Reservation { amount: 0, currency: order.reserved_currency, price })
            }
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                let mark = margin_mark(self.market(order.instrument).reference_twice(), order.reserve_price);
                let position = self.positions.get(order.account, order.instrument);
                let amount = margin(definition, position, mark).unwrap_or(position.margin);
                Reservation { amount, currency: definition.settlement, price: mark }
            }
        };
        self.tie_up(slot, reservation);
    }

    /// A cancel; no risk rule stands in its way.
    pub(super) fn cancel_order(&mut self, cancel: &CancelOrder, out: &mut EventBuffer) -> u64 {
        let slot = if cancel.order.is_none() {
            let name_key = key(cancel.account, &cancel.client_order_id);
            self.orders.find_client(cancel.account, &cancel.client_order_id, name_key)
        } else {
            self.orders.find(cancel.order)
        };
        let owned = slot.filter(|slot| self.orders.get(*slot).account == cancel.account);
        let refusal = match owned.map(|slot| self.orders.get(slot).status) {
            None => Some(Reject::UnknownOrder),
            Some(OrderStatus::PendingCancel) => Some(Reject::CancelPending),
            Some(
                OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Expired,
            ) => Some(Reject::OrderDone),
            Some(
                OrderStatus::PendingNew
                | OrderStatus::New
                | OrderStatus::PartiallyFilled
                | OrderStatus::PendingReplace
                | OrderStatus::Held,
            ) => None,
        };
        let is_known =
            is_in_range(cancel.account.0, ACCOUNTS_MAX) && self.accounts.account(cancel.account).is_some();
        // The stream of an account that is not known has no versions.
        let version = if is_known { self.next_account_version(cancel.account) } else { 0 };
        match (refusal, owned) {
            (None, Some(slot)) => {
                self.request_cancel(slot, out);
                let order = self.orders.get(slot);
                let asked = (order.account, order.instrument, order.strategy);
                self.count_message(asked, Message::Cancel, None, out);
            }
            (reason, _) => {
                let order = owned.map_or(OrderId::NONE, |slot| self.orders.get(slot).id);
                let (account, client_order_id) = (cancel.account, cancel.client_order_id);
                let reason = reason.unwrap_or(Reject::UnknownOrder).code();
                let event_version = if is_known { self.next_account_version(account) } else { 0 };
                out.push(event_version, CancelRejected { order, account, client_order_id, reason });
            }
        }
        if is_known {
            self.accounts.rehash_account(cancel.account, &mut self.digest);
        }
        version
    }

    fn next_account_version(&mut self, account: AccountId) -> u64 {
        let row = self.accounts.account_mut(account);
        row.version += 1;
        row.version
    }

    /// Sends a cancel for an order, unless one is on its way.
    pub(super) fn request_cancel(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        if order.status == OrderStatus::PendingCancel {
            return;
        }
        let (id, instrument) = (order.id, order.instrument);
        self.orders.set_status(slot, OrderStatus::PendingCancel);
        self.orders.get_mut(slot).is_cancel_pending = true;
        self.push_order(slot, CancelSubmitted { order: id, instrument }, out);
        self.orders.commit(slot, &mut self.digest);
    }

    /// Ends an order: what it tied up is free again. The caller rehashes the position when it is through with it.
    pub(super) fn finish(&mut self, slot: u32, status: OrderStatus) {
        let order = self.orders.get(slot);
        let (account, instrument, strategy, side) =
            (order.account, order.instrument, order.strategy, order.side);
        let leaves = order.leaves().0;
        *self.positions.get_mut(account, instrument).open_mut(side) -= leaves;
        self.orders.set_status(slot, status);
        self.accounts.account_mut(account).open_orders -= 1;
        self.accounts.rehash_account(account, &mut self.digest);
        self.note_pending(strategy, -side.sign() * leaves);
        self.tie_up_again(slot);
    }

    /// What a strategy's open orders would add changes.
    pub(super) fn note_pending(&mut self, strategy: StrategyId, change: i64) {
        if let Some(slot) = self.strategies.get_mut(strategy.0 as usize).and_then(Option::as_mut) {
            slot.pending += change;
            self.rehash_strategy(strategy.0 as usize);
        }
    }
}
