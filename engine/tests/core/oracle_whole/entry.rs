//! New orders of the model: names, terms, the check, and what goes to the venue or stays.

use super::model::{Due, Model, Order};

use super::risk::{Candidate, Message, No, Pass, plain};
use super::terms::quantity_for;
use tickwerk_domain::command::{NewOrder, VenueDefined};
use tickwerk_domain::event::{
    CancelSubmitted, OrderApproved, OrderCanceled, OrderHeld, OrderRefused, OrderRejected, OrderRepeated,
    OrderSubmitted,
};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    AccountId, Contingency, CurrencyId, HoldReason, InstrumentId, LimitKind, Money, OrderId, OrderStatus,
    OrderType, PositionEffect, PositionMode, PositionSide, Price, Qty, Reject, SelfTradePrevention,
    SessionState, Side, StrategyId, TimeInForce, TimeNs, TimerKind, TrailUnit, TriggerBy, VenueId,
};
use tickwerk_engine::limits::ORDERS_MAX;

/// Legs of one link that may be open.
const LINKED_MAX: usize = 8;
const DAY_NS: u64 = 86_400_000_000_000;

/// What was decided on an order that may enter.
struct Entry {
    venue: VenueId,
    qty: i64,
    hold: Option<HoldReason>,
    is_native: bool,
    expires_at: u64,
    pass: Option<Pass>,
}

impl Model {
    pub(super) fn position_side(
        &self,
        account: AccountId,
        side: Side,
        effect: PositionEffect,
    ) -> PositionSide {
        let closes = effect == PositionEffect::Close;
        match (self.mode(account), side == Side::Buy) {
            (PositionMode::Netting, _) => PositionSide::Net,
            (PositionMode::Hedging, is_buy) if is_buy != closes => PositionSide::Long,
            (PositionMode::Hedging, _) => PositionSide::Short,
        }
    }

    pub(super) fn new_order(&mut self, id: OrderId, asked: &NewOrder) {
        self.watch_before(asked.account, asked.instrument);
        let name = (asked.account, asked.client_order_id.as_str().to_owned());
        let known = if asked.client_order_id.is_none() { None } else { self.names.get(&name).copied() };
        match known.map(|known| self.orders[&known].clone()) {
            None => self.enter(id, asked),
            Some(first) if first.asked == *asked => {
                let (order, status, reason) = (first.id, first.status, first.reason);
                self.tell(OrderRepeated { order, status, reason });
            }
            Some(_) => {
                let (account, instrument) = (asked.account, asked.instrument);
                let reason = Reject::DuplicateClientOrderId.code();
                self.tell(OrderRejected { order: id, account, instrument, reason });
            }
        }
    }

    fn enter(&mut self, id: OrderId, asked: &NewOrder) {
        let decision = self.decide(asked);
        let order = Order {
            id,
            asked: *asked,
            position_side: self.position_side(asked.account, asked.side, asked.position_effect),
            venue: VenueId::NONE,
            status: OrderStatus::PendingNew,
            reason: ReasonCode::default(),
            price: asked.price.0,
            qty: asked.qty.0,
            filled: 0,
            value: 0,
            fees: 0,
            trigger: asked.trigger_price.0,
            display: asked.display_qty.0,
            expires_at: 0,
            is_accepted: false,
            is_cancel_pending: false,
            hold: None,
            replacement: None,
            is_counted: false,
            is_out: false,
            is_fired: false,
            is_native: false,
            refused_cancel: false,
            due: None,
            lost: 0,
            reserve_price: 0,
            execution_id: 0,
        };
        if self.orders.len() == ORDERS_MAX {
            self.forget_longest_done();
        }
        self.orders.insert(id, order);
        if !asked.client_order_id.is_none() {
            self.names.insert((asked.account, asked.client_order_id.as_str().to_owned()), id);
        }
        let refused = decision.as_ref().err().map(|no| no.reason);
        match decision {
            Err(no) => self.reject(id, no),
            Ok(entry) => self.take_in(id, &entry),
        }
        if refused == Some(Reject::SelfTrade) {
            self.give_way(asked, SelfTradePrevention::CancelBoth);
        }
        self.count_message(asked.account, asked.instrument, Message::Order, refused);
    }

    /// Where the store is full, the order that has been done for longest is forgotten with its name.
    fn forget_longest_done(&mut self) {
        let id = self.done.pop_front().expect("not all of them are open");
        let asked = self.orders.remove(&id).expect("it is remembered").asked;
        if !asked.client_order_id.is_none() {
            self.names.remove(&(asked.account, asked.client_order_id.as_str().to_owned()));
        }
    }

    fn decide(&self, asked: &NewOrder) -> Result<Entry, No> {
        if !self.accounts.contains_key(&asked.account) {
            return Err(plain(Reject::UnknownAccount));
        }
        let Some(of) = self.instrument(asked.instrument) else {
            return Err(plain(Reject::UnknownInstrument));
        };
        if !self.market(asked.instrument).session.takes_orders() {
            return Err(plain(Reject::MarketClosed));
        }
        self.check_terms(asked)?;
        let venue = self.choose(asked.venue, asked.instrument).map_err(plain)?;
        let waits = self.check_link(asked).map_err(plain)?;
        let shares = matches!(asked.contingency, Contingency::Oco | Contingency::BracketExit);
        let (hold, is_native) = self.fit(asked, venue, shares).map_err(plain)?;
        let hold = if waits { Some(HoldReason::Parent) } else { hold };
        let mut qty = asked.qty.0;
        if asked.quantity_in_quote {
            let scope = (asked.account, asked.instrument);
            let collar = self.limit(scope, LimitKind::PriceCollar).unwrap_or(0);
            let worst = self.market_price(asked.side, asked.instrument, collar)?;
            qty = quantity_for(qty, worst, of.instrument)?;
        }
        let expires_at = match asked.time_in_force {
            TimeInForce::Gtd => asked.expires_at.0,
            TimeInForce::Day => self.day_end(asked.instrument),
            TimeInForce::Gtc
            | TimeInForce::Ioc
            | TimeInForce::Fok
            | TimeInForce::AtTheOpen
            | TimeInForce::AtTheClose => 0,
        };
        let sent = NewOrder {
            order_type: asked.order_type.once_triggered(),
            qty: Qty(qty),
            quantity_in_quote: false,
            ..*asked
        };
        let is_held = hold.is_some() || is_native;
        let seen = if is_held { self.at_worst(&sent, asked.order_type, asked.trigger_price.0) } else { sent };
        let counts_later = hold == Some(HoldReason::Parent) || hold == Some(HoldReason::Trigger) && shares;
        let pass = if counts_later {
            self.check_waiting(&seen)?;
            None
        } else {
            Some(self.check(&Candidate { order: &seen, message: Some(Message::Order), is_held })?)
        };
        Ok(Entry { venue, qty, hold, is_native, expires_at, pass })
    }

    /// Whether an order may join its group, and has to wait for its parent.
    fn check_link(&self, asked: &NewOrder) -> Result<bool, Reject> {
        let group = self.groups.get(&(asked.account, asked.link));
        if group.is_some_and(|group| group.members.len() >= LINKED_MAX) {
            return Err(Reject::LinkInvalid);
        }
        let is_exit = asked.contingency == Contingency::BracketExit;
        match asked.contingency {
            Contingency::None => Ok(false),
            Contingency::Parent if group.is_none() => Ok(false),
            Contingency::Oco if group.is_none_or(|group| group.parent.is_none() && !group.is_spent) => {
                Ok(false)
            }
            Contingency::Parent | Contingency::Oco => Err(Reject::LinkInvalid),
            Contingency::Child | Contingency::BracketExit => {
                let group = group.ok_or(Reject::LinkInvalid)?;
                let (market, side) = group.parent.ok_or(Reject::LinkInvalid)?;
                let fits = !is_exit || (asked.instrument, asked.side) == (market, side.opposite());
                let left = group.parent_filled - if is_exit { group.exits_filled } else { 0 };
                if !fits || group.is_parent_done && left <= 0 { Err(Reject::LinkInvalid) } else { Ok(true) }
            }
        }
    }

    pub(super) fn can(&self, venue: VenueId, capability: u64) -> bool {
        self.venues.get(&venue).is_some_and(|(can, _)| can & capability == capability)
    }

    pub(super) fn choose(&self, asked: VenueId, id: InstrumentId) -> Result<VenueId, Reject> {
        let route = self.routes.get(&id).copied().unwrap_or((VenueId::SIMULATED, VenueId::NONE));
        let (first, second) = if asked.is_none() { route } else { (asked, VenueId::NONE) };
        let (_, is_connected) = self.venues.get(&first).ok_or(Reject::UnknownVenue)?;
        if *is_connected {
            return Ok(first);
        }
        let is_there = self.venues.get(&second).is_some_and(|(_, is_connected)| *is_connected);
        if is_there { Ok(second) } else { Err(Reject::VenueDisconnected) }
    }

    /// What the core has to wait for at a venue, and whether the venue watches the trigger.
    pub(super) fn fit(
        &self,
        asked: &NewOrder,
        venue: VenueId,
        shares: bool,
    ) -> Result<(Option<HoldReason>, bool), Reject> {
        let lacks = asked.time_in_force == TimeInForce::Fok && !self.can(venue, VenueDefined::FILL_OR_KILL)
            || asked.post_only && !self.can(venue, VenueDefined::POST_ONLY)
            || asked.display_qty.0 != 0 && !self.can(venue, VenueDefined::ICEBERG);
        if lacks {
            return Err(Reject::VenueLacks);
        }
        let trails = asked.order_type == OrderType::TrailingStop;
        let needed = VenueDefined::TRIGGERS | if trails { VenueDefined::TRAILING } else { 0 };
        let is_native = asked.order_type.is_triggered() && self.can(venue, needed) && !shares;
        let is_for_auction = matches!(asked.time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose);
        let hold = if asked.order_type.is_triggered() && !is_native {
            Some(HoldReason::Trigger)
        } else if is_for_auction && !self.can(venue, VenueDefined::AUCTIONS) {
            Some(HoldReason::Auction)
        } else {
            None
        };
        Ok((hold, is_native))
    }

    fn day_end(&self, id: InstrumentId) -> u64 {
        let closes_at = self.market(id).closes_at;
        if closes_at > self.now { closes_at } else { (self.now / DAY_NS + 1) * DAY_NS }
    }

    /// Ends an order that the check refused.
    pub(super) fn reject(&mut self, id: OrderId, no: No) {
        let limits_version = self.version;
        let order = self.order(id);
        (order.reason, order.status) = (no.reason.code(), OrderStatus::Rejected);
        let (account, instrument, side) = (order.asked.account, order.asked.instrument, order.asked.side);
        let reason = no.reason.code();
        *self.counts.entry(no.reason.word()).or_default() += 1;
        self.tell(OrderRefused {
            limit: Money::new(no.limit),
            observed: Money::new(no.seen),
            order: id,
            limits_version,
            account,
            instrument,
            strategy: StrategyId::NONE,
            reason,
            side,
        });
        self.tell(OrderRejected { order: id, account, instrument, reason });
        self.open.remove(&id);
        self.done.push_back(id);
    }

    fn take_in(&mut self, id: OrderId, entry: &Entry) {
        self.open.insert(id);
        let order = self.order(id);
        (order.venue, order.qty) = (entry.venue, entry.qty);
        (order.is_native, order.expires_at) = (entry.is_native, entry.expires_at);
        if let Some(pass) = &entry.pass {
            (order.is_counted, order.reserve_price) = (true, pass.price);
            self.tie_up_for(id);
        }
        self.tell_approved(id, entry.pass.as_ref());
        match entry.hold {
            Some(reason) => self.hold(id, reason),
            None => {
                let sent = self.orders[&id].as_sent();
                self.give_way(&sent, SelfTradePrevention::CancelMaker);
                self.submit(id);
            }
        }
        self.set_expiry(id);
        self.join(id);
    }

    pub(super) fn tell_approved(&mut self, id: OrderId, pass: Option<&Pass>) {
        let place = self.orders[&id].place();
        let (long, short) = self.worst_of(place);
        self.tell(OrderApproved {
            reserved: Money::new(pass.map_or(0, |pass| pass.amount)),
            gross_exposure: Money::new(pass.map_or(0, |pass| pass.gross)),
            order: id,
            limits_version: self.version,
            worst_long: Qty(long),
            worst_short: Qty(short),
            account: place.0,
            instrument: place.1,
            reserved_currency: pass.map_or(CurrencyId::NONE, |pass| pass.currency),
            open_orders: self.count_open(place.0),
        });
    }

    pub(super) fn hold(&mut self, id: OrderId, reason: HoldReason) {
        let order = self.order(id);
        (order.status, order.hold) = (OrderStatus::Held, Some(reason));
        let trigger = if reason == HoldReason::Trigger { order.trigger } else { 0 };
        let (qty, asked) = (Qty(order.left()), order.asked);
        let (account, instrument, side) = (asked.account, asked.instrument, asked.side);
        self.tell(OrderHeld {
            order: id,
            trigger_price: Price(trigger),
            qty,
            account,
            instrument,
            side,
            reason,
        });
        let session = self.market(instrument).session;
        let is_auction = (session, asked.time_in_force)
            == (SessionState::OpeningAuction, TimeInForce::AtTheOpen)
            || (session, asked.time_in_force) == (SessionState::ClosingAuction, TimeInForce::AtTheClose);
        if reason == HoldReason::Trigger {
            self.look_at_triggers(instrument);
        } else if reason == HoldReason::Auction && is_auction {
            self.owe(id, Due::Release);
        }
        self.set_expiry(id);
    }

    /// Sends an order to its venue.
    pub(super) fn submit(&mut self, id: OrderId) {
        let order = self.orders[&id].clone();
        let asked = &order.asked;
        let can = |capability| self.can(order.venue, capability);
        let order_type = if order.is_native { asked.order_type } else { asked.order_type.once_triggered() };
        let (is_day, is_auction) = (
            matches!(asked.time_in_force, TimeInForce::Day | TimeInForce::Gtd),
            matches!(asked.time_in_force, TimeInForce::AtTheOpen | TimeInForce::AtTheClose),
        );
        let time_in_force = if asked.time_in_force == TimeInForce::Fok {
            TimeInForce::Fok
        } else if order_type == OrderType::Market && order.is_fired
            || is_auction && !can(VenueDefined::AUCTIONS)
        {
            TimeInForce::Ioc
        } else if is_day && !can(VenueDefined::EXPIRY) {
            TimeInForce::Gtc
        } else {
            asked.time_in_force
        };
        let is_dated = matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtd);
        let native = |value: i64| if order.is_native { value } else { 0 };
        self.tell(OrderSubmitted {
            order: id,
            price: Price(order.price),
            qty: Qty(order.left()),
            trigger_price: Price(native(order.trigger)),
            display_qty: Qty(order.display.min(order.left())),
            expires_at: TimeNs(if is_dated { order.expires_at } else { 0 }),
            trail_offset: native(asked.trail_offset),
            account: asked.account,
            instrument: asked.instrument,
            strategy: StrategyId::NONE,
            venue: order.venue,
            side: asked.side,
            order_type,
            time_in_force,
            trail_unit: if order.is_native { asked.trail_unit } else { TrailUnit::Price },
            trigger_by: if order.is_native { asked.trigger_by } else { TriggerBy::Last },
            post_only: asked.post_only,
        });
    }

    /// The core ends orders whose time is over where it holds them, or where the venue does not.
    pub(super) fn set_expiry(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        let (expires_at, key) = (order.expires_at, (TimerKind::OrderExpiry as u8, id.0));
        if expires_at == 0 {
            return;
        }
        if order.status == OrderStatus::Held || !self.can(order.venue, VenueDefined::EXPIRY) {
            self.timers.insert(key, expires_at);
        } else {
            self.timers.remove(&key);
        }
    }

    /// Own orders that an order would meet are cancelled, where that is what is set.
    pub(super) fn give_way(&mut self, sent: &NewOrder, wanted: SelfTradePrevention) {
        if self.self_trade((sent.account, sent.instrument)) == wanted {
            for (id, _) in self.makers(sent).into_iter().take(LINKED_MAX) {
                self.request_cancel(id, Reject::SelfTrade);
            }
        }
    }

    /// Cancels an order: at once where it is held, else by the venue.
    pub(super) fn request_cancel(&mut self, id: OrderId, why: Reject) {
        let order = self.order(id);
        let (instrument, cum_qty) = (order.asked.instrument, Qty(order.filled));
        if order.status == OrderStatus::Held {
            order.reason = why.code();
            self.tell(OrderCanceled { order: id, cum_qty, reason: why.code() });
            self.finish(id, OrderStatus::Canceled);
        } else if order.status != OrderStatus::PendingCancel {
            (order.status, order.is_cancel_pending) = (OrderStatus::PendingCancel, true);
            if why != Reject::CancelRequested {
                order.reason = why.code();
            }
            self.tell(CancelSubmitted { order: id, instrument });
        }
    }
}
