//! New orders: duplicate check, terms, risk check, and the order that goes to the venue or stays in the core.

use super::{Machine, is_in_range};
use crate::event_buffer::EventBuffer;
use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use crate::orders::terms::{self, is_rare, refusal};
use crate::orders::{Order, Terms, key};
use crate::positions::side_of;
use crate::risk::collar::market_price;
use crate::risk::rate::Message;
use crate::risk::{Approval, Refusal};
use tickwerk_domain::command::{NewOrder, VenueDefined};
use tickwerk_domain::event::{OrderApproved, OrderRefused, OrderRejected, OrderRepeated, OrderSubmitted};
use tickwerk_domain::{
    AccountId, Contingency, CurrencyId, HoldReason, Instrument, InstrumentId, LimitKind, Money, OrderId,
    OrderStatus, OrderType, PositionSide, Price, Qty, Rate, Reject, Side, Stamp, StrategyId, TimeInForce,
    TimeNs, TrailUnit, TriggerBy, VenueId,
};

/// Who an order is before it is decided on.
#[derive(Clone, Copy, Debug)]
struct Entrant {
    id: OrderId,
    strategy: StrategyId,
    /// Records of its stream so far.
    version: u64,
    /// The store's hash of its account and name.
    name_key: u64,
}

/// What was decided on an order that may enter.
#[derive(Clone, Copy, Debug)]
struct Entry {
    venue: VenueId,
    /// Its quantity, where it asked for an amount of money.
    qty: Qty,
    /// What it waits for in the core; none where it leaves.
    hold: Option<HoldReason>,
    /// Whether the venue watches its trigger.
    is_native: bool,
    /// When it ends; 0 where nothing ends it.
    expires_at: TimeNs,
    /// What it ties up and leads to; none where it ties up nothing before it leaves.
    approval: Option<Approval>,
}

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
                let entrant = Entrant { id, strategy: StrategyId::NONE, version: 1, name_key };
                self.enter(stamp, &entrant, asked, out);
            }
            Some(slot) if self.orders.has_content_of(slot, asked) => {
                let (order, status, reason) = {
                    let first = self.orders.get(slot);
                    (first.id, first.status, first.reason)
                };
                self.push_order(slot, OrderRepeated { order, status, reason }, out);
                self.orders.commit(slot, &mut self.digest);
            }
            // The name stays with the first order; this one is refused without a place in the store.
            Some(slot) => {
                let first = i128::from(self.orders.get(slot).id.0);
                let refusal = refusal(Reject::DuplicateClientOrderId, 0, first);
                let entrant = Entrant { id, strategy: StrategyId::NONE, version: 1, name_key };
                self.refuse_without_place(&entrant, asked, refusal, out);
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
        self.enter(stamp, &Entrant { id, strategy, version: 0, name_key }, asked, out);
    }

    /// Decides on an order and books the result.
    fn enter(&mut self, stamp: Stamp, entrant: &Entrant, asked: &NewOrder, out: &mut EventBuffer) {
        let &Entrant { id, strategy, version, name_key } = entrant;
        let is_rare = is_rare(asked);
        let decision = self.decide(stamp.time_ns, asked, strategy, is_rare);
        if let Err(refusal) = decision
            && refusal.reason == Reject::StoreFull
        {
            self.refuse_without_place(entrant, asked, refusal, out);
            return;
        }
        let mut order = Order::new(id, strategy, asked, name_key);
        (order.version, order.position_side) = (version, self.position_side(asked));
        let slot = self.orders.add(order, name_key, &mut self.digest);
        if is_rare {
            self.orders.add_terms(slot, &Terms::new(asked));
            // Nothing counts before it is approved.
            self.orders.terms_mut(slot).is_counted = false;
        }
        match decision {
            Err(refusal) => self.book_refusal(slot, refusal, out),
            Ok(entry) => self.book_approval(slot, &entry, is_rare, out),
        }
        self.orders.commit(slot, &mut self.digest);
        let refused = decision.err().map(|refusal| refusal.reason);
        if refused == Some(Reject::SelfTrade) {
            self.give_way(asked, strategy, true, out);
        }
        self.count_message((asked.account, asked.instrument, strategy), Message::Order, refused, out);
    }

    fn decide(
        &self,
        now: TimeNs,
        asked: &NewOrder,
        strategy: StrategyId,
        is_rare: bool,
    ) -> Result<Entry, Refusal> {
        if !self.orders.has_room() {
            return Err(Refusal::plain(Reject::StoreFull));
        }
        let unknown_account = Refusal::plain(Reject::UnknownAccount);
        if !is_in_range(asked.account.0, ACCOUNTS_MAX) {
            return Err(unknown_account);
        }
        self.accounts.account(asked.account).ok_or(unknown_account)?;
        let unknown_instrument = Refusal::plain(Reject::UnknownInstrument);
        if !is_in_range(asked.instrument.0, INSTRUMENTS_MAX) {
            return Err(unknown_instrument);
        }
        let definition = &self.instrument(asked.instrument).ok_or(unknown_instrument)?.definition;
        if !self.market(asked.instrument).session.takes_orders() {
            return Err(Refusal::plain(Reject::MarketClosed));
        }
        if is_rare {
            return self.decide_rare(now, asked, strategy, definition);
        }
        if asked.order_type == OrderType::Market
            && asked.time_in_force == TimeInForce::Gtc
            && asked.price.0 == 0
        {
            return Err(Refusal::plain(Reject::TermsInvalid));
        }
        let (venue, row) = self.venues.choose(VenueId::NONE, asked.instrument).map_err(Refusal::plain)?;
        if asked.time_in_force == TimeInForce::Fok && !row.can(VenueDefined::FILL_OR_KILL) {
            return Err(Refusal::plain(Reject::VenueLacks));
        }
        let approval = Some(self.risk_check(asked, strategy, Some(Message::Order), false)?);
        let (qty, expires_at) = (asked.qty, TimeNs::UNKNOWN);
        Ok(Entry { venue, qty, hold: None, is_native: false, expires_at, approval })
    }

    fn decide_rare(
        &self,
        now: TimeNs,
        asked: &NewOrder,
        strategy: StrategyId,
        definition: &Instrument,
    ) -> Result<Entry, Refusal> {
        terms::check(asked, definition, now)?;
        let market = self.market(asked.instrument);
        let (venue, row) = self.venues.choose(asked.venue, asked.instrument).map_err(Refusal::plain)?;
        let waits = self.check_link(asked).map_err(Refusal::plain)?;
        let is_exclusive = matches!(asked.contingency, Contingency::Oco | Contingency::BracketExit);
        let fit = super::venues::fit(asked, row, is_exclusive).map_err(Refusal::plain)?;
        let hold = if waits { Some(HoldReason::Parent) } else { fit.hold };
        if hold == Some(HoldReason::Trigger) && !self.has_trigger_room(asked) {
            return Err(Refusal::plain(Reject::StoreFull));
        }
        let qty = if asked.quantity_in_quote {
            let collar = self.settings.effective(asked.account, asked.instrument).get(LimitKind::PriceCollar);
            let worst = market_price(asked.side, market, collar.unwrap_or(0))?;
            terms::quantity_for(asked.qty.0, worst, definition)?
        } else {
            asked.qty
        };
        let expires_at = match asked.time_in_force {
            TimeInForce::Gtd => asked.expires_at,
            TimeInForce::Day => market.day_ends(now),
            TimeInForce::Gtc
            | TimeInForce::Ioc
            | TimeInForce::Fok
            | TimeInForce::AtTheOpen
            | TimeInForce::AtTheClose => TimeNs::UNKNOWN,
        };
        let order_type = asked.order_type.once_triggered();
        let sent = NewOrder { order_type, qty, quantity_in_quote: false, ..*asked };
        let is_held = hold.is_some() || fit.is_native;
        let checked =
            if is_held { self.worst_held(&sent, asked.order_type, asked.trigger_price)? } else { sent };
        let ties_up_later =
            hold == Some(HoldReason::Parent) || hold == Some(HoldReason::Trigger) && is_exclusive;
        let approval = if ties_up_later {
            self.check_held_order(&checked, strategy)?;
            None
        } else {
            Some(self.risk_check(&checked, strategy, Some(Message::Order), is_held)?)
        };
        Ok(Entry { venue, qty, hold, is_native: fit.is_native, expires_at, approval })
    }

    /// An order that waits for its trigger as the risk check is to see it: a limit order at the worst price that it may
    /// meet, which for a stop is its trigger moved against it by the collar.
    pub(super) fn worst_held(
        &self,
        sent: &NewOrder,
        order_type: OrderType,
        trigger: Price,
    ) -> Result<NewOrder, Refusal> {
        if order_type.has_limit() || !order_type.is_triggered() || trigger.0 <= 0 {
            return Ok(*sent);
        }
        let limits = self.settings.effective(sent.account, sent.instrument);
        let collar = limits.get(LimitKind::PriceCollar).unwrap_or(0);
        let tick = self.instrument(sent.instrument).map_or(1, |known| known.definition.tick_size.0);
        let (trigger, tick) = (i128::from(trigger.0), i128::from(tick));
        let worst = match sent.side {
            Side::Buy => {
                let moved = trigger + trigger * i128::from(collar) / i128::from(Rate::ONE.0);
                -(-moved).div_euclid(tick) * tick
            }
            Side::Sell => trigger,
        };
        let overflow = refusal(Reject::ValueOverflow, 0, worst);
        let price = i64::try_from(worst).map(Price).map_err(|_| overflow)?;
        Ok(NewOrder { order_type: OrderType::Limit, price, ..*sent })
    }

    /// The position that an order is about.
    pub(crate) fn position_side(&self, asked: &NewOrder) -> PositionSide {
        if is_in_range(asked.account.0, ACCOUNTS_MAX) {
            side_of(self.positions.mode(asked.account), asked.side, asked.position_effect)
        } else {
            PositionSide::Net
        }
    }

    pub(super) fn book_refusal(&mut self, slot: u32, refusal: Refusal, out: &mut EventBuffer) {
        let reason = refusal.reason.code();
        let order = self.orders.get_mut(slot);
        order.reason = reason;
        let (id, account, instrument) = (order.id, order.account, order.instrument);
        let (strategy, side) = (order.strategy, order.side);
        let refused = self.refused(id, (account, instrument, strategy, side), refusal);
        self.push_order(slot, refused, out);
        self.push_order(slot, OrderRejected { order: id, account, instrument, reason }, out);
        self.orders.set_status(slot, OrderStatus::Rejected);
    }

    /// Refuses an order that the store does not keep: both events of its stream are all that is known of it.
    #[cold]
    fn refuse_without_place(
        &self,
        &Entrant { id, strategy, version, .. }: &Entrant,
        asked: &NewOrder,
        refusal: Refusal,
        out: &mut EventBuffer,
    ) {
        let (account, instrument, reason) = (asked.account, asked.instrument, refusal.reason.code());
        out.push(version + 1, self.refused(id, (account, instrument, strategy, asked.side), refusal));
        out.push(version + 2, OrderRejected { order: id, account, instrument, reason });
    }

    fn refused(
        &self,
        order: OrderId,
        (account, instrument, strategy, side): (AccountId, InstrumentId, StrategyId, Side),
        refusal: Refusal,
    ) -> OrderRefused {
        OrderRefused {
            limit: Money::new(refusal.limit),
            observed: Money::new(refusal.observed),
            order,
            limits_version: self.settings.version(),
            account,
            instrument,
            strategy,
            reason: refusal.reason.code(),
            side,
        }
    }

    fn book_approval(&mut self, slot: u32, entry: &Entry, is_rare: bool, out: &mut EventBuffer) {
        let order = self.orders.get_mut(slot);
        order.venue = entry.venue;
        if order.qty != entry.qty {
            order.restate(order.price, entry.qty);
        }
        if is_rare {
            let terms = self.orders.terms_mut(slot);
            (terms.is_native, terms.expires_at) = (entry.is_native, entry.expires_at);
        }
        match entry.approval {
            Some(approval) => self.count(slot, Some(approval.reservation)),
            None => self.count_open(slot),
        }
        let event = approved(self, slot, entry.approval.as_ref());
        self.push_order(slot, event, out);
        match entry.hold {
            Some(reason) => self.hold(slot, reason, out),
            None => {
                self.give_way_to(slot, out);
                self.submit(slot, out);
            }
        }
        if is_rare {
            self.set_expiry(slot);
            self.join_link(slot);
        }
    }

    /// Sends an order to its venue, with the terms that the venue takes care of.
    pub(super) fn submit(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        if order.has_terms {
            self.submit_rare(slot, out);
        } else {
            self.push_order(slot, submitted(order), out);
        }
    }

    #[inline(never)]
    fn submit_rare(&mut self, slot: u32, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        let mut submitted = submitted(order);
        // One that was held may be older than a reconciliation whose view cannot know it.
        self.reconciliations.spare(order.account, slot, order.id, &mut self.digest);
        if let Some(terms) = self.orders.terms(slot) {
            let asked = &terms.asked;
            submitted.post_only = asked.post_only;
            submitted.display_qty = terms.display_qty.min(submitted.qty);
            if terms.is_native {
                submitted.trigger_price = terms.trigger_price;
                (submitted.trail_offset, submitted.trail_unit) = (asked.trail_offset, asked.trail_unit);
                submitted.trigger_by = asked.trigger_by;
            } else {
                submitted.order_type = asked.order_type.once_triggered();
            }
            let venue = self.venues.get(submitted.venue);
            let can = |capability| venue.is_some_and(|venue| venue.can(capability));
            submitted.time_in_force = match asked.time_in_force {
                TimeInForce::Fok => TimeInForce::Fok,
                _ if submitted.order_type == OrderType::Market && terms.is_fired => TimeInForce::Ioc,
                TimeInForce::Day | TimeInForce::Gtd if !can(VenueDefined::EXPIRY) => TimeInForce::Gtc,
                TimeInForce::AtTheOpen | TimeInForce::AtTheClose if !can(VenueDefined::AUCTIONS) => {
                    TimeInForce::Ioc
                }
                TimeInForce::Gtc
                | TimeInForce::Ioc
                | TimeInForce::Day
                | TimeInForce::Gtd
                | TimeInForce::AtTheOpen
                | TimeInForce::AtTheClose => asked.time_in_force,
            };
            if matches!(submitted.time_in_force, TimeInForce::Day | TimeInForce::Gtd) {
                submitted.expires_at = terms.expires_at;
            }
        }
        self.push_order(slot, submitted, out);
    }
}

/// What a venue is told of an order without rare terms.
#[inline(always)]
#[expect(clippy::inline_always, reason = "made in its place among the events, it is not copied there")]
fn submitted(order: &Order) -> OrderSubmitted {
    OrderSubmitted {
        order: order.id,
        price: order.price,
        qty: order.leaves(),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
        expires_at: TimeNs::UNKNOWN,
        trail_offset: 0,
        account: order.account,
        instrument: order.instrument,
        strategy: order.strategy,
        venue: order.venue,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        trail_unit: TrailUnit::Price,
        trigger_by: TriggerBy::Last,
        post_only: false,
    }
}

/// The approval of an order that was counted, with the exposure after it; without one it ties up nothing yet.
#[inline(always)]
#[expect(clippy::inline_always, reason = "made in its place among the events, it is not copied there")]
pub(super) fn approved(machine: &Machine, slot: u32, approval: Option<&Approval>) -> OrderApproved {
    let order = machine.orders.get(slot);
    let position = machine.positions.of(order.account, order.instrument, order.position_side);
    OrderApproved {
        reserved: Money::new(approval.map_or(0, |approval| approval.reservation.amount)),
        gross_exposure: Money::new(approval.map_or(0, |approval| approval.gross_exposure)),
        order: order.id,
        limits_version: machine.settings.version(),
        worst_long: Qty(position.worst_long()),
        worst_short: Qty(position.worst_short()),
        account: order.account,
        instrument: order.instrument,
        reserved_currency: approval.map_or(CurrencyId::NONE, |approval| approval.reservation.currency),
        open_orders: machine.accounts.account(order.account).map_or(0, |row| row.open_orders),
    }
}
