//! The risk check of the model: every rule in order, on sums that are added up anew.

use super::super::desk::instrument;
use super::model::{Model, Scope};
use super::money::posted;
use std::collections::BTreeMap;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{
    AccountId, AccountState, BreakerKind, BreakerState, CurrencyId, InstrumentId, LimitKind, OrderId,
    OrderStatus, PositionEffect, PositionSide, Rate, Reject, SelfTradePrevention, SessionState, Severity,
    Side, TradingState,
};

/// Billionths of a token.
const TOKEN: i128 = 1_000_000_000;
/// Own orders that one order may meet and cancel.
const MAKERS_MAX: usize = 8;
const POSITION_MAX: i64 = 1 << 61;

/// Why not: the reason, the limit and what was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct No {
    pub(super) reason: Reject,
    pub(super) limit: i128,
    pub(super) seen: i128,
}

pub(super) fn no(reason: Reject, limit: impl Into<i128>, seen: impl Into<i128>) -> No {
    No { reason, limit: limit.into(), seen: seen.into() }
}

pub(super) fn plain(reason: Reject) -> No {
    no(reason, 0, 0)
}

/// What an order that passed ties up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub(super) amount: i128,
    pub(super) currency: CurrencyId,
    pub(super) price: i64,
    pub(super) gross: i128,
}

/// What is counted by messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Message {
    Order,
    Replace,
    Cancel,
}

impl Message {
    pub(super) fn rate(self) -> LimitKind {
        match self {
            Self::Order => LimitKind::OrderRate,
            Self::Replace => LimitKind::ReplaceRate,
            Self::Cancel => LimitKind::CancelRate,
        }
    }
}

/// Tokens that are missing, in billionths, and since when.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Bucket {
    missing: i128,
    at: u64,
}

impl Bucket {
    fn missing_at(&self, rate: i64, now: u64) -> i128 {
        (self.missing - i128::from(now - self.at) * i128::from(rate)).max(0)
    }

    fn has_token(&self, rate: i64, now: u64) -> bool {
        self.missing_at(rate, now) + TOKEN <= i128::from(rate) * TOKEN
    }

    /// Tokens taken, a part of one counted as one.
    pub(super) fn taken(&self, rate: i64, now: u64) -> i128 {
        let missing = self.missing_at(rate, now);
        missing / TOKEN + i128::from(missing % TOKEN > 0)
    }

    pub(super) fn take(&mut self, rate: i64, now: u64) {
        let full = (i128::from(rate) * TOKEN).max(TOKEN);
        (self.missing, self.at) = ((self.missing_at(rate, now) + TOKEN).min(full), now);
    }
}

/// A breaker that is not armed, or was not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tripped {
    pub(super) state: BreakerState,
    pub(super) limit: i128,
    pub(super) seen: i128,
    pub(super) until: u64,
}

/// What is seen of an account over time.
#[derive(Clone, Default, Debug)]
pub(super) struct Watched {
    pub(super) buckets: [Bucket; 3],
    pub(super) messages: u64,
    pub(super) fills: u64,
    pub(super) refusals: u64,
    pub(super) refusals_since: u64,
    pub(super) losses: u64,
    /// Worth that losses of the day are counted from, and the highest.
    pub(super) worth: Option<(i128, i128)>,
    pub(super) breakers: BTreeMap<BreakerKind, Tripped>,
    /// Alerts that stand, by their limits, and how grave; for positions with the instrument.
    pub(super) alerts: BTreeMap<(u8, InstrumentId), Severity>,
}

impl Watched {
    pub(super) fn tripped(&self) -> Option<&Tripped> {
        self.breakers.values().find(|breaker| breaker.state != BreakerState::Armed)
    }

    pub(super) fn refusals_within(&self, now: u64) -> u64 {
        let is_within = self.refusals != 0 && now - self.refusals_since < 1_000_000_000;
        if is_within { self.refusals } else { 0 }
    }
}

/// An order before the check, and what asks for it; none where it was let in before.
pub(super) struct Candidate<'a> {
    pub(super) order: &'a NewOrder,
    pub(super) message: Option<Message>,
    pub(super) is_held: bool,
}

impl Model {
    /// The limit that applies: the strictest of four scopes.
    pub(super) fn limit(&self, (account, id): Scope, kind: LimitKind) -> Option<i64> {
        let (all, everything) = (AccountId::NONE, InstrumentId::NONE);
        let scopes = [(all, everything), (account, everything), (all, id), (account, id)];
        let set = scopes.into_iter().filter_map(|scope| self.limits.get(&(scope, kind as u8)).copied());
        let greater_is_stricter =
            matches!(kind, LimitKind::OrderQuantityMin | LimitKind::SelfTrade | LimitKind::CoolDown);
        if greater_is_stricter { set.max() } else { set.min() }
    }

    /// The limit of an account by itself.
    pub(super) fn own_limit(&self, account: AccountId, kind: LimitKind) -> Option<i64> {
        self.limit((account, InstrumentId::NONE), kind)
    }

    pub(super) fn scopes((account, id): Scope) -> [Scope; 4] {
        let (all, everything) = (AccountId::NONE, InstrumentId::NONE);
        [(all, everything), (account, everything), (all, id), (account, id)]
    }

    pub(super) fn is_killed(&self, scope: Scope) -> bool {
        Self::scopes(scope).iter().any(|scope| self.kills.contains(scope))
    }

    pub(super) fn state(&self, scope: Scope) -> TradingState {
        let set = Self::scopes(scope).into_iter().filter_map(|scope| self.states.get(&scope).copied());
        set.max_by_key(|state| *state as u8).unwrap_or(TradingState::Active)
    }

    pub(super) fn side_of(&self, order: &NewOrder) -> PositionSide {
        self.position_side(order.account, order.side, order.position_effect)
    }

    /// What may still be closed by orders of the order's side.
    pub(super) fn room(&self, order: &NewOrder) -> i64 {
        let place = (order.account, order.instrument, self.side_of(order));
        let (held, (buys, sells)) = (self.position(place).qty, self.open_of(place));
        let room = if order.side == Side::Buy { -held - buys } else { held - sells };
        room.max(0)
    }

    pub(super) fn is_reducing(&self, order: &NewOrder) -> bool {
        let qty = order.qty.0;
        order.position_effect != PositionEffect::Open && qty > 0 && qty <= self.room(order)
    }

    /// Whether an order may wait that ties up nothing before it leaves.
    pub(super) fn check_waiting(&self, order: &NewOrder) -> Result<(), No> {
        let scope = (order.account, order.instrument);
        self.check_switches(order, scope)?;
        self.check_steps(order, scope)?;
        self.check_open_orders(scope, Some(Message::Order))?;
        self.check_rate(scope, Some(Message::Order))
    }

    /// Whether an order may enter that counts in no sum.
    pub(super) fn check(&self, candidate: &Candidate<'_>) -> Result<Pass, No> {
        let order = candidate.order;
        let scope = (order.account, order.instrument);
        let of = instrument(order.instrument);
        self.check_switches(order, scope)?;
        let session = self.market(order.instrument).session;
        if !session.takes_orders() {
            return Err(no(Reject::MarketClosed, 0, session as u8));
        }
        self.check_steps(order, scope)?;
        if (order.reduce_only || order.position_effect == PositionEffect::Close)
            && order.qty.0 > self.room(order)
        {
            return Err(no(Reject::ReduceOnly, self.room(order), order.qty.0));
        }
        self.check_market(scope)?;
        let price = self.check_collar(candidate, scope)?;
        let notional = posted(&of, price, order.qty.0).abs();
        if let Some(limit) = self.limit(scope, LimitKind::OrderNotional).map(i128::from)
            && notional > limit
        {
            return Err(no(Reject::NotionalAboveLimit, limit, notional));
        }
        self.check_position(order, scope)?;
        let gross = self.check_exposure(order, scope, price)?;
        self.check_open_orders(scope, candidate.message)?;
        self.check_rate(scope, candidate.message)?;
        if !candidate.is_held {
            self.check_self_trade(order, scope)?;
        }
        self.check_money(order, scope, price, gross)
    }

    fn check_switches(&self, order: &NewOrder, scope: Scope) -> Result<(), No> {
        if self.is_killed(scope) {
            return Err(plain(Reject::KillSwitch));
        }
        let is_reducing = self.is_reducing(order);
        match self.accounts[&scope.0].state {
            AccountState::Active => {}
            AccountState::Suspended if is_reducing => {}
            AccountState::Suspended | AccountState::Closed => return Err(plain(Reject::AccountNotActive)),
        }
        match self.state(scope) {
            TradingState::Active => {}
            TradingState::Halted => return Err(plain(Reject::TradingHalted)),
            TradingState::ReduceOnly if is_reducing => {}
            TradingState::ReduceOnly => {
                return Err(no(Reject::ReduceOnly, self.room(order), order.qty.0));
            }
        }
        match self.watched.get(&scope.0).and_then(|watched| watched.tripped()) {
            Some(breaker) if !is_reducing => Err(no(Reject::BreakerTripped, breaker.limit, breaker.seen)),
            Some(_) | None => Ok(()),
        }
    }

    fn check_steps(&self, order: &NewOrder, scope: Scope) -> Result<(), No> {
        let (of, price, qty) = (instrument(scope.1), order.price.0, order.qty.0);
        if !order.order_type.has_limit() && price != 0 {
            return Err(no(Reject::PriceNotAllowed, 0, price));
        }
        if order.order_type.has_limit() && price <= 0 {
            return Err(no(Reject::PriceNotPositive, 1, price));
        }
        if order.order_type.has_limit() && price % of.tick_size.0 != 0 {
            return Err(no(Reject::PriceOffTick, of.tick_size.0, price));
        }
        if qty <= 0 {
            return Err(no(Reject::QuantityNotPositive, 1, qty));
        }
        if qty % of.lot_size.0 != 0 {
            return Err(no(Reject::QuantityOffLot, of.lot_size.0, qty));
        }
        let least = self.limit(scope, LimitKind::OrderQuantityMin).unwrap_or(0).max(of.quantity_min.0);
        let most = self.limit(scope, LimitKind::OrderQuantity).unwrap_or(i64::MAX).min(of.quantity_max.0);
        if qty < least {
            return Err(no(Reject::QuantityBelowMinimum, least, qty));
        }
        if qty > most {
            return Err(no(Reject::QuantityAboveLimit, most, qty));
        }
        Ok(())
    }

    fn check_market(&self, scope: Scope) -> Result<(), No> {
        let market = self.market(scope.1);
        if market.is_stale() {
            return Err(plain(Reject::StaleMarket));
        }
        let age = i128::from(self.now - market.observed_at);
        if let Some(limit) = self.limit(scope, LimitKind::MarketAge)
            && age > i128::from(limit)
        {
            return Err(no(Reject::StaleMarket, limit, age));
        }
        let (bid, ask) = market.touch();
        if market.is_two_sided() && bid >= ask && market.session == SessionState::Continuous {
            return Err(no(Reject::CrossedMarket, ask, bid));
        }
        Ok(())
    }

    /// The price that an order may cost at worst.
    fn check_collar(&self, candidate: &Candidate<'_>, scope: Scope) -> Result<i64, No> {
        let order = candidate.order;
        let collar = self.limit(scope, LimitKind::PriceCollar);
        if !order.order_type.has_limit() {
            return self.market_price(order.side, scope.1, collar.unwrap_or(0));
        }
        let price = order.price.0;
        if let Some(collar) = collar.filter(|_| !candidate.is_held) {
            let twice = self.market(scope.1).reference_twice();
            let twice = i128::from(twice.ok_or(plain(Reject::NoReferencePrice))?);
            let distance = (2 * i128::from(price) - twice).abs() * i128::from(Rate::ONE.0);
            if distance > twice.abs() * i128::from(collar) {
                // The farthest price that passes, on the order's side of the reference price.
                let (one, reach) = (i128::from(Rate::ONE.0), twice.abs() * i128::from(collar));
                let bound = if 2 * i128::from(price) > twice {
                    (twice * one + reach).div_euclid(2 * one)
                } else {
                    -(reach - twice * one).div_euclid(2 * one)
                };
                return Err(no(Reject::PriceOutsideCollar, bound, price));
            }
        }
        Ok(price)
    }

    /// What a market order may cost at worst: the touch that it meets, moved against it by the collar.
    pub(super) fn market_price(&self, side: Side, id: InstrumentId, collar: i64) -> Result<i64, No> {
        let market = self.market(id);
        market.reference_twice().ok_or(plain(Reject::NoReferencePrice))?;
        let price = i128::from(market.met_by(side));
        let slack = match side {
            Side::Buy => price * i128::from(collar) / i128::from(Rate::ONE.0),
            Side::Sell => 0,
        };
        let worst = price + slack;
        if worst <= 0 {
            return Err(plain(Reject::NoReferencePrice));
        }
        i64::try_from(worst).map_err(|_| plain(Reject::ValueOverflow))
    }

    fn check_position(&self, order: &NewOrder, scope: Scope) -> Result<(), No> {
        let limit = self.limit(scope, LimitKind::PositionQuantity).unwrap_or(POSITION_MAX);
        let (long, short) = self.worst_of((order.account, order.instrument, self.side_of(order)));
        let worst = if order.side == Side::Buy { long + order.qty.0 } else { order.qty.0 - short };
        if worst > limit && !self.is_reducing(order) {
            return Err(no(Reject::PositionAboveLimit, limit, worst));
        }
        Ok(())
    }

    fn check_open_orders(&self, scope: Scope, message: Option<Message>) -> Result<(), No> {
        let open = i64::from(self.count_open(scope.0)) + 1;
        match self.limit(scope, LimitKind::OpenOrders) {
            Some(limit) if message == Some(Message::Order) && open > limit => {
                Err(no(Reject::OpenOrdersAboveLimit, limit, open))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_rate(&self, scope: Scope, message: Option<Message>) -> Result<(), No> {
        let Some(message) = message else { return Ok(()) };
        let reason = match message {
            Message::Order => Reject::OrderRateAboveLimit,
            Message::Replace => Reject::ReplaceRateAboveLimit,
            Message::Cancel => return Ok(()),
        };
        let Some(rate) = self.limit(scope, message.rate()) else { return Ok(()) };
        let bucket = self.watched.get(&scope.0).map_or(Bucket::default(), |of| of.buckets[message as usize]);
        if bucket.has_token(rate, self.now) {
            return Ok(());
        }
        Err(no(reason, rate, bucket.taken(rate, self.now) + 1))
    }

    pub(super) fn self_trade(&self, scope: Scope) -> SelfTradePrevention {
        let number = self.limit(scope, LimitKind::SelfTrade).map_or(0, |number| number);
        SelfTradePrevention::ALL[usize::try_from(number).expect("a mode")]
    }

    /// Own orders that an order would meet, the oldest first.
    pub(super) fn makers(&self, order: &NewOrder) -> Vec<(OrderId, i64)> {
        let meets = |resting: i64| {
            let price = order.price.0;
            price == 0 || if order.side == Side::Buy { price >= resting } else { price <= resting }
        };
        let own = self.open_orders().filter(|own| {
            let is_other = own.asked.side != order.side && own.price != 0 && own.status != OrderStatus::Held;
            (own.asked.account, own.asked.instrument) == (order.account, order.instrument)
                && is_other
                && (meets(own.price) || own.replacement.is_some_and(|new| meets(new.price)))
        });
        own.map(|own| (own.id, own.price)).collect()
    }

    fn check_self_trade(&self, order: &NewOrder, scope: Scope) -> Result<(), No> {
        let makers = self.makers(order);
        let is_refused = match self.self_trade(scope) {
            SelfTradePrevention::Off => false,
            SelfTradePrevention::CancelMaker => makers.len() > MAKERS_MAX,
            SelfTradePrevention::CancelTaker
            | SelfTradePrevention::CancelBoth
            | SelfTradePrevention::Decrement => !makers.is_empty(),
        };
        if is_refused { Err(no(Reject::SelfTrade, makers[0].1, order.price.0)) } else { Ok(()) }
    }
}
