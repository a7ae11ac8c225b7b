//! Replaces: new terms for an open order, at once in the core and by request at the venue.
//!
//! A held order is replaced with the command. At the venue the old terms stand until it answers, and what the order ties
//! up is the worse of both. A replace is checked like a new order, with what the order itself ties up taken out; one that
//! only lowers the quantity takes less risk and is not checked.
//!
//! Fills and answers cross each other (FIX 4.4 volume 4, appendix D; a pending replace goes before filled in its order of
//! precedence). An order that is filled while it may become larger stays `pending_replace` with nothing left: the
//! confirmation gives it the rest, a refusal ends it as filled. A confirmed quantity at or below `CumQty` is amended to
//! it, and the order is filled. More than today's quantity can only be filled where the replace took effect, so that
//! such a fill confirms it.

use super::order_flow::approved;
use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::ACCOUNTS_MAX;
use crate::orders::Terms;
use crate::orders::terms::{Replacement, check_display_qty, check_trigger_price, refusal};
use crate::risk::exposure::{Reservation, spot_reservation};
use crate::risk::rate::Message;
use crate::risk::{Approval, Refusal};
use tickwerk_domain::command::{NewOrder, ReplaceOrder, ReplaceReported, VenueDefined};
use tickwerk_domain::event::{OrderFilled, ReplaceRejected, ReplaceSubmitted};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    HoldReason, Instrument, InstrumentKind, Liquidity, Money, OrderId, OrderStatus, OrderType, Price, Qty,
    Reject, VenueState,
};

/// Largest open quantity of a position, far from where sums of an `i64` could overflow.
const OPEN_MAX: i64 = 1 << 61;

impl Machine {
    pub(super) fn replace_order(&mut self, asked: &ReplaceOrder, out: &mut EventBuffer) -> u64 {
        let account = asked.account;
        let is_known = is_in_range(account.0, ACCOUNTS_MAX) && self.accounts.account(account).is_some();
        // The stream of an account that is not known has no versions.
        let version = if is_known { self.next_account_version(account) } else { 0 };
        let owned = self.find_owned(account, asked.order, &asked.client_order_id);
        let mut counted = None;
        let replaced = match owned {
            None => Err(Refusal::plain(Reject::UnknownOrder)),
            Some(slot) => {
                let order = self.orders.get(slot);
                let of = (order.account, order.instrument, order.strategy);
                self.watch_before(of.0, of.2, of.1, out);
                let replaced = self.replace(slot, asked, out);
                counted = Some(of);
                replaced
            }
        };
        if let Err(refusal) = replaced {
            let rejected = ReplaceRejected {
                limit: Money::new(refusal.limit),
                observed: Money::new(refusal.observed),
                order: owned.map_or(OrderId::NONE, |slot| self.orders.get(slot).id),
                limits_version: self.settings.version(),
                account,
                client_order_id: asked.client_order_id,
                reason: refusal.reason.code(),
            };
            let event_version = if is_known { self.next_account_version(account) } else { 0 };
            out.push(event_version, rejected);
        }
        if let Some(of) = counted {
            let refused = replaced.err().map(|refusal| refusal.reason);
            self.count_message(of, Message::Replace, refused, out);
        }
        if is_known {
            self.accounts.rehash_account(account, &mut self.digest);
        }
        version
    }

    fn replace(&mut self, slot: u32, asked: &ReplaceOrder, out: &mut EventBuffer) -> Result<(), Refusal> {
        let status = self.orders.get(slot).status;
        let instrument = self.orders.get(slot).instrument;
        match status {
            OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Rejected | OrderStatus::Expired => {
                return Err(Refusal::plain(Reject::OrderDone));
            }
            OrderStatus::PendingCancel => return Err(Refusal::plain(Reject::CancelPending)),
            OrderStatus::PendingReplace => return Err(Refusal::plain(Reject::ReplacePending)),
            OrderStatus::PendingNew | OrderStatus::New | OrderStatus::PartiallyFilled | OrderStatus::Held => {
            }
        }
        let known = self.instrument(instrument).ok_or(Refusal::plain(Reject::UnknownInstrument))?;
        let definition = known.definition;
        let mut new = self.new_terms(slot, asked, &definition)?;
        if !self.market(instrument).session.takes_orders() {
            return Err(Refusal::plain(Reject::MarketClosed));
        }
        if status == OrderStatus::Held {
            return self.replace_held(slot, &new, out);
        }
        let venue = self.orders.get(slot).venue;
        match self.venues.get(venue) {
            Some(row) if !row.can(VenueDefined::REPLACE) => return Err(Refusal::plain(Reject::VenueLacks)),
            Some(row) if row.state != VenueState::Connected => {
                return Err(Refusal::plain(Reject::VenueDisconnected));
            }
            Some(_) => {}
            None => return Err(Refusal::plain(Reject::UnknownVenue)),
        }
        if !self.orders.get(slot).has_terms {
            let plain = self.orders.get(slot).plain();
            self.orders.add_terms(slot, &Terms::new(&plain));
            self.orders.commit(slot, &mut self.digest);
        }
        let (reservation, approval) = self.check_replacement(slot, &new, false)?;
        new.reserve_price = reservation.price;
        self.orders.terms_mut(slot).wanted = new.qty;
        self.begin_replace(slot, new, (reservation.amount, approval.as_ref()), out);
        Ok(())
    }

    /// The terms that are asked for, where they fit the order.
    fn new_terms(
        &self,
        slot: u32,
        asked: &ReplaceOrder,
        definition: &Instrument,
    ) -> Result<Replacement, Refusal> {
        let order = self.orders.get(slot);
        let terms = self.orders.terms(slot);
        let (trigger, display) =
            terms.map_or((Price(0), Qty::ZERO), |terms| (terms.trigger_price, terms.display_qty));
        let is_fired = terms.is_some_and(|terms| terms.is_fired);
        let order_type = if is_fired { order.order_type.once_triggered() } else { order.order_type };
        let new = Replacement {
            price: if asked.price.0 == 0 { order.price } else { asked.price },
            qty: if asked.qty == Qty::ZERO { order.qty } else { asked.qty },
            trigger_price: if asked.trigger_price.0 == 0 { trigger } else { asked.trigger_price },
            display_qty: if asked.display_qty == Qty::ZERO { display } else { asked.display_qty },
            extra_open: 0,
            reserve_price: order.reserve_price,
            is_own: false,
        };
        if asked.price.0 != 0 && !order_type.has_limit() {
            return Err(refusal(Reject::PriceNotAllowed, 0, i128::from(asked.price.0)));
        }
        if order_type.has_limit() && new.price.0 <= 0 {
            return Err(refusal(Reject::PriceNotPositive, 1, i128::from(new.price.0)));
        }
        if new.price.0 % definition.tick_size.0 != 0 {
            return Err(refusal(
                Reject::PriceOffTick,
                i128::from(definition.tick_size.0),
                i128::from(new.price.0),
            ));
        }
        check_quantity(new.qty, order.cum_qty, definition)?;
        if asked.trigger_price.0 != 0 {
            if !order_type.is_triggered() {
                return Err(refusal(Reject::TriggerInvalid, 0, i128::from(asked.trigger_price.0)));
            }
            let is_trailing = order_type == OrderType::TrailingStop;
            check_trigger_price(new.trigger_price.0, is_trailing, definition)?;
        }
        if asked.display_qty != Qty::ZERO {
            if !order_type.has_limit() || display == Qty::ZERO {
                return Err(refusal(Reject::DisplayQuantityInvalid, 0, i128::from(asked.display_qty.0)));
            }
            check_display_qty(new.display_qty, new.qty, definition)?;
        }
        let is_same = (new.price, new.qty, new.trigger_price, new.display_qty)
            == (order.price, order.qty, trigger, display);
        if is_same { Err(Refusal::plain(Reject::NothingToReplace)) } else { Ok(new) }
    }

    /// Checks an order with new terms as if it were new, with what it ties up today taken out and put back. One that
    /// only lowers its quantity passes without an approval.
    pub(super) fn check_replacement(
        &mut self,
        slot: u32,
        new: &Replacement,
        is_held: bool,
    ) -> Result<(Reservation, Option<Approval>), Refusal> {
        let order = *self.orders.get(slot);
        let terms = self.orders.terms(slot);
        let trigger = terms.map_or(Price(0), |terms| terms.trigger_price);
        if new.price == order.price && new.trigger_price == trigger && new.qty <= order.qty {
            let reservation = self.reservation_of(slot, order.reserve_price, new.qty);
            return Ok((reservation.ok_or(Refusal::plain(Reject::ValueOverflow))?, None));
        }
        // Less than the minimum may be left of an order that is large enough.
        let least = self.instrument(order.instrument).map_or(0, |known| known.definition.quantity_min.0);
        let qty = Qty((new.qty.0 - order.cum_qty.0).max(least));
        let sent = NewOrder { price: new.price, qty, ..self.as_sent(slot) };
        let watches_trigger = is_held || terms.is_some_and(|terms| terms.is_native && !terms.is_fired);
        let seen =
            if watches_trigger { self.worst_held(&sent, order.order_type, new.trigger_price)? } else { sent };
        let margin = self.positions.of(order.account, order.instrument, order.position_side).margin;
        self.uncount(slot);
        // What the core asks by itself takes no place among the client's.
        let message = (!new.is_own).then_some(Message::Replace);
        let checked = self.risk_check(&seen, order.strategy, message, watches_trigger);
        self.count(slot, None);
        // Margin is put back as it was, not marked anew: a refused replace changes nothing.
        let price = order.reserve_price;
        let before = match self.instrument(order.instrument).map(|known| known.definition) {
            Some(of) if of.kind != InstrumentKind::Spot => {
                Reservation { amount: margin, currency: of.settlement, price }
            }
            Some(_) | None => {
                Reservation { amount: order.reserved, currency: order.reserved_currency, price }
            }
        };
        self.tie_up(slot, before);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        checked.map(|approval| (approval.reservation, Some(approval)))
    }

    /// What the order would tie up with another quantity at a price; the margin of its position for contracts.
    pub(super) fn reservation_of(&self, slot: u32, price: Price, qty: Qty) -> Option<Reservation> {
        let order = self.orders.get(slot);
        let known = self.instrument(order.instrument)?;
        match known.definition.kind {
            InstrumentKind::Spot => {
                let leaves = Qty(qty.0 - order.cum_qty.0);
                spot_reservation(&known.definition, known.base_factor, order.side, price, leaves)
            }
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                let amount = self.positions.of(order.account, order.instrument, order.position_side).margin;
                Some(Reservation { amount, currency: known.definition.settlement, price })
            }
        }
    }

    fn replace_held(&mut self, slot: u32, new: &Replacement, out: &mut EventBuffer) -> Result<(), Refusal> {
        let terms = self.orders.terms(slot).copied().ok_or(Refusal::plain(Reject::IllegalMove))?;
        if terms.is_fired {
            // It waits for another one to leave the venue; its trigger is behind it.
            return Err(Refusal::plain(Reject::IllegalMove));
        }
        let checked = if terms.is_counted { Some(self.check_replacement(slot, new, true)?) } else { None };
        self.unindex(slot);
        self.uncount(slot);
        self.orders.get_mut(slot).restate(new.price, new.qty);
        let row = self.orders.terms_mut(slot);
        (row.trigger_price, row.display_qty) = (new.trigger_price, new.display_qty);
        row.wanted = new.qty;
        match checked {
            None => self.count_open(slot),
            Some((reservation, approval)) => {
                self.orders.get_mut(slot).reserve_price = reservation.price;
                self.count(slot, None);
                self.tell_approval(slot, approval.as_ref(), out);
            }
        }
        self.push_replaced(slot, out);
        if terms.hold == Some(HoldReason::Trigger) {
            self.index(slot);
            let instrument = self.orders.get(slot).instrument;
            self.look_at_triggers(instrument);
        }
        self.orders.commit(slot, &mut self.digest);
        Ok(())
    }

    /// Tells what the terms that passed tie up and lead to, now that they are counted.
    pub(super) fn tell_approval(&mut self, slot: u32, approval: Option<&Approval>, out: &mut EventBuffer) {
        if let Some(approval) = approval {
            let event = approved(self, slot, Some(approval));
            self.push_order(slot, event, out);
        }
    }

    /// Asks the venue for new terms that have passed; until it answers, the worse of both counts.
    pub(super) fn begin_replace(
        &mut self,
        slot: u32,
        new: Replacement,
        (reserved, approval): (i128, Option<&Approval>),
        out: &mut EventBuffer,
    ) {
        let order = *self.orders.get(slot);
        let extra_open = (new.qty.0 - order.qty.0).max(0);
        self.orders.terms_mut(slot).replacement = Some(Replacement { extra_open, ..new });
        // From here on either price may be met at the venue.
        self.resting.note(order.account, order.instrument, order.side, new.price, false);
        *self.positions.of_mut(order.account, order.instrument, order.position_side).open_mut(order.side) +=
            extra_open;
        self.tie_up_again(slot);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        self.tell_approval(slot, approval, out);
        self.give_way(&NewOrder { price: new.price, ..self.as_sent(slot) }, order.strategy, false, out);
        self.orders.set_status(slot, OrderStatus::PendingReplace);
        self.orders.get_mut(slot).requested_at = self.this_command();
        let submitted = ReplaceSubmitted {
            order: order.id,
            price: new.price,
            qty: new.qty,
            trigger_price: new.trigger_price,
            display_qty: new.display_qty,
            reserved: Money::new(reserved),
            limits_version: self.settings.version(),
            instrument: order.instrument,
            venue: order.venue,
        };
        self.push_order(slot, submitted, out);
        self.orders.commit(slot, &mut self.digest);
    }

    /// The venue has replaced an open order, asked or not. An error changes nothing: terms that cannot be.
    pub(super) fn replace_confirmed(
        &mut self,
        slot: u32,
        report: &ReplaceReported,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        if order.status.is_done() || order.status == OrderStatus::Held {
            return Err(Reject::DuplicateReport);
        }
        let replacement = self.orders.terms(slot).and_then(|terms| terms.replacement);
        let is_answer = replacement.is_some();
        if report.qty <= Qty::ZERO || report.qty < order.cum_qty && !is_answer {
            return Err(Reject::QuantityBelowFilled);
        }
        let qty = report.qty.max(order.cum_qty);
        if order.order_type.has_limit() && report.price.0 <= 0 {
            return Err(Reject::PriceNotPositive);
        }
        let is_as_asked = replacement.is_some_and(|new| (new.price, new.qty) == (report.price, report.qty));
        let reserve_price = match replacement {
            Some(new) if is_as_asked => new.reserve_price,
            Some(_) | None if order.order_type.has_limit() => report.price,
            Some(_) | None => order.reserve_price,
        };
        let open =
            *self.positions.of_mut(order.account, order.instrument, order.position_side).open_mut(order.side);
        let fits = open.checked_add(qty.0).is_some_and(|open| open <= OPEN_MAX);
        if !fits || report.price.0 < 0 || self.reservation_of(slot, reserve_price, qty).is_none() {
            return Err(Reject::ValueOverflow);
        }
        if !order.has_terms {
            self.orders.add_terms(slot, &Terms::new(&order.plain()));
        }
        self.uncount(slot);
        let row = self.orders.get_mut(slot);
        row.restate(report.price, qty);
        (row.reserve_price, row.is_accepted) = (reserve_price, true);
        let terms = self.orders.terms_mut(slot);
        terms.replacement = None;
        (terms.trigger_price, terms.display_qty) = (report.trigger_price, report.display_qty);
        self.count(slot, None);
        self.stand(slot);
        self.push_replaced(slot, out);
        self.close_where_full(slot, out);
        self.resize_if_due(slot);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        self.keep_reducing(order.account, order.instrument, order.position_side);
        self.orders.commit(slot, &mut self.digest);
        Ok(())
    }

    /// A fill tells of a replace that the venue has not confirmed: it is more than today's quantity has left, and no
    /// more than the quantity that was asked for has. An error changes nothing: it fits neither.
    pub(super) fn take_replacement(
        &mut self,
        slot: u32,
        filled: Qty,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        let larger = self.orders.terms(slot).and_then(|terms| terms.replacement);
        let larger = larger.filter(|new| filled.0 <= new.qty.0 - order.cum_qty.0);
        let new = larger.ok_or(Reject::FillUnmatched)?;
        if order.status.is_done() {
            self.orders.get_mut(slot).restate(new.price, new.qty);
            self.orders.terms_mut(slot).replacement = None;
            self.push_replaced(slot, out);
            return Ok(());
        }
        let told = ReplaceReported {
            order: order.id,
            venue_order_id: 0,
            price: new.price,
            qty: new.qty,
            trigger_price: new.trigger_price,
            display_qty: new.display_qty,
        };
        self.replace_confirmed(slot, &told, out)
    }

    /// Whether a replace on its way asks for more than an order has today: it is not done when that is filled.
    #[inline]
    pub(super) fn awaits_more(&self, slot: u32) -> bool {
        let order = self.orders.get(slot);
        order.has_terms
            && self
                .orders
                .terms(slot)
                .and_then(|terms| terms.replacement)
                .is_some_and(|new| new.qty > order.qty)
    }

    /// Ends an order that is filled whole, now that no replace is on its way any more. No fill comes with it.
    fn close_where_full(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
        if order.cum_qty < order.qty {
            return;
        }
        let filled = OrderFilled {
            cum_value: Money::new(order.cum_value),
            cum_fee: Money::new(order.cum_fee),
            order: order.id,
            last_price: Price(0),
            last_qty: Qty::ZERO,
            cum_qty: order.cum_qty,
            leaves_qty: Qty::ZERO,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            liquidity: Liquidity::Maker,
        };
        self.push_order(slot, filled, out);
        self.finish(slot, OrderStatus::Filled);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        self.count_end(slot, false, out);
    }

    /// The venue has refused a replace: the order is as it was, and done where that is filled. `false` where none is on its way.
    pub(super) fn replace_refused(&mut self, slot: u32, reason: ReasonCode, out: &mut EventBuffer) -> bool {
        let order = *self.orders.get(slot);
        let replacement = self.orders.terms(slot).and_then(|terms| terms.replacement);
        let Some(new) = replacement.filter(|_| !order.status.is_done()) else {
            return false;
        };
        self.orders.terms_mut(slot).replacement = None;
        *self.positions.of_mut(order.account, order.instrument, order.position_side).open_mut(order.side) -=
            new.extra_open;
        self.tie_up_again(slot);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
        self.stand(slot);
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
        self.close_where_full(slot, out);
        if new.is_own {
            self.try_again_later(slot, new.qty);
        } else {
            self.resize_if_due(slot);
        }
        self.orders.commit(slot, &mut self.digest);
        true
    }

    /// How an order at the venue stands that no cancel is on its way for: also what a refused cancel goes back to.
    pub(super) fn standing_status(&self, slot: u32) -> OrderStatus {
        let order = self.orders.get(slot);
        let is_replace_pending = self.orders.terms(slot).is_some_and(|terms| terms.replacement.is_some());
        match (is_replace_pending, order.cum_qty > Qty::ZERO, order.is_accepted) {
            (true, _, _) => OrderStatus::PendingReplace,
            (false, true, _) => OrderStatus::PartiallyFilled,
            (false, false, true) => OrderStatus::New,
            (false, false, false) => OrderStatus::PendingNew,
        }
    }

    /// A replace is answered: the order stands as it is, unless a cancel is on its way or it is filled whole.
    fn stand(&mut self, slot: u32) {
        let (order, to) = (self.orders.get(slot), self.standing_status(slot));
        let is_kept = order.status == OrderStatus::PendingCancel || order.cum_qty == order.qty;
        if !is_kept && order.status != to {
            self.orders.set_status(slot, to);
        }
    }
}

fn check_quantity(qty: Qty, cum_qty: Qty, definition: &Instrument) -> Result<(), Refusal> {
    let (value, lot) = (i128::from(qty.0), i128::from(definition.lot_size.0));
    if qty <= Qty::ZERO {
        return Err(refusal(Reject::QuantityNotPositive, 1, value));
    }
    if qty <= cum_qty {
        return Err(refusal(Reject::QuantityBelowFilled, i128::from(cum_qty.0), value));
    }
    if value % lot != 0 {
        return Err(refusal(Reject::QuantityOffLot, lot, value));
    }
    if qty < definition.quantity_min {
        return Err(refusal(Reject::QuantityBelowMinimum, i128::from(definition.quantity_min.0), value));
    }
    if qty > definition.quantity_max {
        return Err(refusal(Reject::QuantityAboveLimit, i128::from(definition.quantity_max.0), value));
    }
    Ok(())
}
