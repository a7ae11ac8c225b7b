//! What clients ask of open orders in the model: cancels, mass cancels and replaces.

use super::super::desk::instrument;
use super::model::{Asked, Model, Order, spot_cost};
use super::money::BASE_FACTOR;
use super::risk::{Candidate, Message, No, no, plain};
use tickwerk_domain::command::{CancelOrder, MassCancel, NewOrder, ReplaceOrder, VenueDefined};
use tickwerk_domain::event::{CancelRejected, MassCancelStarted, ReplaceRejected, ReplaceSubmitted};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, ClientOrderId, HoldReason, InstrumentKind, Money, OrderId, OrderStatus, Price, Qty, Reject,
    SelfTradePrevention, Side, SideFilter,
};

impl Model {
    /// An account's order by its id or, where that is 0, by the client's name.
    fn find(&self, account: AccountId, id: OrderId, name: ClientOrderId) -> Option<OrderId> {
        let found =
            if id.is_none() { self.names.get(&(account, name.as_str().to_owned())).copied()? } else { id };
        self.orders.get(&found).filter(|order| order.asked.account == account).map(|order| order.id)
    }

    pub(super) fn cancel(&mut self, cancel: &CancelOrder) {
        let (account, client_order_id) = (cancel.account, cancel.client_order_id);
        let found = self.find(account, cancel.order, client_order_id);
        let refused = match found.map(|id| self.orders[&id].status) {
            None => Some(Reject::UnknownOrder),
            Some(OrderStatus::PendingCancel) => Some(Reject::CancelPending),
            Some(status) if status.is_done() => Some(Reject::OrderDone),
            Some(_) => None,
        };
        if let Some(reason) = refused {
            let (order, reason) = (found.unwrap_or(OrderId::NONE), reason.code());
            self.tell(CancelRejected { order, account, client_order_id, reason });
        } else if let Some(id) = found {
            let instrument = self.orders[&id].asked.instrument;
            self.request_cancel(id, Reject::CancelRequested);
            self.count_message(account, instrument, Message::Cancel, None);
        }
    }

    pub(super) fn mass_cancel(&mut self, asked: &MassCancel) {
        let &MassCancel { account, instrument, strategy, side, .. } = asked;
        if !account.is_none() && !self.accounts.contains_key(&account) {
            self.refuse(&(*asked).into(), Reject::UnknownAccount, account.0.into());
        } else if !instrument.is_none() && self.instrument(instrument).is_none() {
            self.refuse(&(*asked).into(), Reject::UnknownInstrument, instrument.0.into());
        } else {
            self.tell(MassCancelStarted { account, instrument, strategy, side });
            self.cancel_all((account, instrument), side, Reject::MassCanceled);
        }
    }

    /// Cancels all open orders of a scope, the oldest first.
    pub(super) fn cancel_all(&mut self, (account, id): super::model::Scope, side: SideFilter, why: Reject) {
        let is_meant = |order: &&Order| {
            (account.is_none() || account == order.asked.account)
                && (id.is_none() || id == order.asked.instrument)
                && side.includes(order.asked.side)
        };
        let meant: Vec<_> = self.open_orders().filter(is_meant).map(|order| order.id).collect();
        for order in meant {
            self.request_cancel(order, why);
        }
    }

    pub(super) fn replace(&mut self, asked: &ReplaceOrder) {
        let (account, client_order_id) = (asked.account, asked.client_order_id);
        let found = self.find(account, asked.order, client_order_id);
        let replaced = match found {
            None => Err(plain(Reject::UnknownOrder)),
            Some(id) => {
                self.watch_before(account, self.orders[&id].asked.instrument);
                self.replace_known(id, asked)
            }
        };
        if let Err(no) = replaced {
            *self.counts.entry(no.reason.word()).or_default() += 1;
            let order = found.unwrap_or(OrderId::NONE);
            self.tell_replace_refused(order, account, client_order_id, no, no.reason.code());
        }
        if let Some(id) = found {
            let instrument = self.orders[&id].asked.instrument;
            self.count_message(account, instrument, Message::Replace, replaced.err().map(|no| no.reason));
        }
    }

    fn tell_replace_refused(
        &mut self,
        order: OrderId,
        account: AccountId,
        client_order_id: ClientOrderId,
        no: No,
        reason: ReasonCode,
    ) {
        let (limit, observed) = (Money::new(no.limit), Money::new(no.seen));
        let limits_version = self.version;
        self.tell(ReplaceRejected {
            limit,
            observed,
            order,
            limits_version,
            account,
            client_order_id,
            reason,
        });
    }

    fn replace_known(&mut self, id: OrderId, asked: &ReplaceOrder) -> Result<(), No> {
        let order = self.orders[&id].clone();
        if order.status.is_done() {
            return Err(plain(Reject::OrderDone));
        }
        if order.status == OrderStatus::PendingCancel {
            return Err(plain(Reject::CancelPending));
        }
        if order.status == OrderStatus::PendingReplace {
            return Err(plain(Reject::ReplacePending));
        }
        let mut new = Self::new_terms(&order, asked)?;
        if !self.market(order.asked.instrument).session.takes_orders() {
            return Err(plain(Reject::MarketClosed));
        }
        if order.status == OrderStatus::Held {
            return self.replace_held(&order, new);
        }
        if !self.can(order.venue, VenueDefined::REPLACE) {
            return Err(plain(Reject::VenueLacks));
        }
        if !self.venues[&order.venue].1 {
            return Err(plain(Reject::VenueDisconnected));
        }
        let (price, amount) = self.check_replace(&order, &new, false)?;
        new.reserve_price = price;
        self.begin_replace(id, new, amount);
        Ok(())
    }

    /// The terms that are asked for, where they fit the order.
    fn new_terms(order: &Order, asked: &ReplaceOrder) -> Result<Asked, No> {
        let of = instrument(order.asked.instrument);
        let (tick, lot) = (of.tick_size.0, of.lot_size.0);
        let kind = order.asked.order_type;
        let kind = if order.is_fired { kind.once_triggered() } else { kind };
        let or = |new: i64, old: i64| if new == 0 { old } else { new };
        let new = Asked {
            price: or(asked.price.0, order.price),
            qty: or(asked.qty.0, order.qty),
            trigger: or(asked.trigger_price.0, order.trigger),
            display: or(asked.display_qty.0, order.display),
            reserve_price: order.reserve_price,
        };
        if asked.price.0 != 0 && !kind.has_limit() {
            return Err(no(Reject::PriceNotAllowed, 0, asked.price.0));
        }
        if kind.has_limit() && new.price <= 0 {
            return Err(no(Reject::PriceNotPositive, 1, new.price));
        }
        if new.price % tick != 0 {
            return Err(no(Reject::PriceOffTick, tick, new.price));
        }
        if new.qty <= 0 {
            return Err(no(Reject::QuantityNotPositive, 1, new.qty));
        }
        if new.qty <= order.filled {
            return Err(no(Reject::QuantityBelowFilled, order.filled, new.qty));
        }
        if new.qty % lot != 0 {
            return Err(no(Reject::QuantityOffLot, lot, new.qty));
        }
        if new.qty < of.quantity_min.0 {
            return Err(no(Reject::QuantityBelowMinimum, of.quantity_min.0, new.qty));
        }
        if new.qty > of.quantity_max.0 {
            return Err(no(Reject::QuantityAboveLimit, of.quantity_max.0, new.qty));
        }
        let trigger = asked.trigger_price.0;
        if trigger != 0 && !kind.is_triggered() {
            return Err(no(Reject::TriggerInvalid, 0, trigger));
        }
        if trigger != 0 && (trigger < 0 || trigger % tick != 0) {
            return Err(no(Reject::TriggerInvalid, tick, trigger));
        }
        let display = asked.display_qty.0;
        if display != 0 && (!kind.has_limit() || order.display == 0) {
            return Err(no(Reject::DisplayQuantityInvalid, 0, display));
        }
        if display != 0 && (display < 0 || display > new.qty || display % lot != 0) {
            return Err(no(Reject::DisplayQuantityInvalid, new.qty, display));
        }
        let before = (order.price, order.qty, order.trigger, order.display);
        let is_same = (new.price, new.qty, new.trigger, new.display) == before;
        if is_same { Err(plain(Reject::NothingToReplace)) } else { Ok(new) }
    }

    /// What an order would tie up with another quantity; the margin of its position for contracts.
    fn tied_up_with(&self, order: &Order, qty: i64) -> i128 {
        let of = instrument(order.asked.instrument);
        let left = qty - order.filled;
        match (of.kind, order.asked.side) {
            (InstrumentKind::Linear | InstrumentKind::Inverse, _) => self.position(order.place()).margin,
            (InstrumentKind::Spot, Side::Sell) => i128::from(left) * BASE_FACTOR,
            (InstrumentKind::Spot, Side::Buy) => spot_cost(&of, order.reserve_price, left),
        }
    }

    /// Checks an order with new terms as if it were new; one that only lowers its quantity passes. Gives the price and
    /// the amount that it ties up.
    fn check_replace(&mut self, order: &Order, new: &Asked, is_held: bool) -> Result<(i64, i128), No> {
        if (new.price, new.trigger) == (order.price, order.trigger) && new.qty <= order.qty {
            return Ok((order.reserve_price, self.tied_up_with(order, new.qty)));
        }
        let least = instrument(order.asked.instrument).quantity_min.0;
        let qty = Qty((new.qty - order.filled).max(least));
        let sent = NewOrder { price: Price(new.price), qty, ..order.as_sent() };
        let watches = is_held || order.is_native && !order.is_fired;
        let seen = if watches { self.at_worst(&sent, order.asked.order_type, new.trigger) } else { sent };
        self.order(order.id).is_out = true;
        let message = Some(Message::Replace);
        let checked = self.check(&Candidate { order: &seen, message, is_held: watches });
        self.order(order.id).is_out = false;
        checked.map(|pass| (pass.price, pass.amount))
    }

    fn replace_held(&mut self, order: &Order, new: Asked) -> Result<(), No> {
        if order.is_fired {
            return Err(plain(Reject::IllegalMove));
        }
        let id = order.id;
        if order.is_counted {
            let (price, _) = self.check_replace(order, &new, true)?;
            self.order(id).reserve_price = price;
        }
        let row = self.order(id);
        (row.price, row.qty, row.trigger, row.display) = (new.price, new.qty, new.trigger, new.display);
        self.tie_up_for(id);
        self.tell_replaced(id);
        if order.hold == Some(HoldReason::Trigger) {
            self.look_at_triggers(order.asked.instrument);
        }
        Ok(())
    }

    /// Asks the venue for new terms; until it answers, the worse of both counts.
    fn begin_replace(&mut self, id: OrderId, new: Asked, amount: i128) {
        self.order(id).replacement = Some(new);
        let sent = NewOrder { price: Price(new.price), ..self.orders[&id].as_sent() };
        self.give_way(&sent, SelfTradePrevention::CancelMaker);
        self.tie_up_for(id);
        let order = self.order(id);
        order.status = OrderStatus::PendingReplace;
        let (instrument, venue) = (order.asked.instrument, order.venue);
        self.tell(ReplaceSubmitted {
            order: id,
            price: Price(new.price),
            qty: Qty(new.qty),
            trigger_price: Price(new.trigger),
            display_qty: Qty(new.display),
            reserved: Money::new(amount),
            limits_version: self.version,
            instrument,
            venue,
        });
    }

    /// Lowers the quantity of an order at the venue; where it cannot be lowered now, the order is cancelled.
    pub(super) fn reduce_at_venue(&mut self, id: OrderId, qty: i64, reason: Reject) {
        let order = self.orders[&id].clone();
        let stands =
            matches!(order.status, OrderStatus::PendingNew | OrderStatus::New | OrderStatus::PartiallyFilled);
        if !stands || !self.can(order.venue, VenueDefined::REPLACE) {
            self.request_cancel(id, reason);
            return;
        }
        let Order { price, trigger, display, reserve_price, .. } = order;
        let amount = self.tied_up_with(&order, qty);
        self.begin_replace(id, Asked { price, qty, trigger, display, reserve_price }, amount);
    }

    /// The venue has refused a replace: the order is as it was.
    pub(super) fn replace_refused(&mut self, id: OrderId, reason: ReasonCode) -> Option<Reject> {
        if self.order(id).replacement.take().is_none() {
            return Some(Reject::DuplicateReport);
        }
        self.tie_up_for(id);
        self.stand_again(id);
        let asked = self.orders[&id].asked;
        let nothing = plain(Reject::VenueRejected);
        self.tell_replace_refused(id, asked.account, asked.client_order_id, nothing, reason);
        None
    }
}
