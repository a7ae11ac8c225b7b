//! What may be limited where: the scopes of each kind of limit, the values it may have, and which value is stricter.
//!
//! A limit of the whole engine or of an account that counts something of an account (open orders, exposure, rates,
//! losses) holds for each account by itself. A limit in an instrument's units needs an instrument, or a strategy, which
//! has one.

use std::ops::RangeInclusive;
use tickwerk_domain::{AccountId, InstrumentId, LimitKind, Rate, SelfTradePrevention, StrategyId};

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scopes(u8);

impl Scopes {
    /// All accounts and instruments.
    pub const GLOBAL: Self = Self(1);
    /// One account in all instruments.
    pub const ACCOUNT: Self = Self(1 << 1);
    /// One instrument for all accounts.
    pub const INSTRUMENT: Self = Self(1 << 2);
    /// One account in one instrument.
    pub const PAIR: Self = Self(1 << 3);
    /// One strategy.
    pub const STRATEGY: Self = Self(1 << 4);
    /// All of them.
    pub const ALL: Self = Self((1 << 5) - 1);

    const NAMED: [(Self, &'static str); 5] = [
        (Self::GLOBAL, "global"),
        (Self::ACCOUNT, "account"),
        (Self::INSTRUMENT, "instrument"),
        (Self::PAIR, "account and instrument"),
        (Self::STRATEGY, "strategy"),
    ];

    /// Both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Their names, from the widest on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(scope, _)| self.contains(*scope)).map(|(_, name)| name)
    }

    /// The scope that a setting names; `None` where it names a strategy and something else.
    pub fn named(account: AccountId, instrument: InstrumentId, strategy: StrategyId) -> Option<Self> {
        match (account.is_none(), instrument.is_none(), strategy.is_none()) {
            (true, true, true) => Some(Self::GLOBAL),
            (false, true, true) => Some(Self::ACCOUNT),
            (true, false, true) => Some(Self::INSTRUMENT),
            (false, false, true) => Some(Self::PAIR),
            (true, true, false) => Some(Self::STRATEGY),
            (false, _, false) | (true, false, false) => None,
        }
    }
}

/// The scopes that a kind of limit may have.
pub const fn scopes_of(kind: LimitKind) -> Scopes {
    const IN_AN_INSTRUMENT: Scopes = Scopes::INSTRUMENT.and(Scopes::PAIR).and(Scopes::STRATEGY);
    const OF_AN_ACCOUNT: Scopes = Scopes::GLOBAL.and(Scopes::ACCOUNT);
    match kind {
        LimitKind::OrderQuantity
        | LimitKind::OrderQuantityMin
        | LimitKind::OrderNotional
        | LimitKind::PositionQuantity => IN_AN_INSTRUMENT,
        LimitKind::PriceCollar | LimitKind::SelfTrade | LimitKind::MarketAge => Scopes::ALL,
        LimitKind::OpenOrders
        | LimitKind::GrossExposure
        | LimitKind::NetExposure
        | LimitKind::Leverage
        | LimitKind::Credit
        | LimitKind::Drawdown => OF_AN_ACCOUNT,
        LimitKind::OrderRate
        | LimitKind::ReplaceRate
        | LimitKind::CancelRate
        | LimitKind::DailyLoss
        | LimitKind::LossStreak
        | LimitKind::OrderToTrade
        | LimitKind::RejectStorm
        | LimitKind::StaleFeed
        | LimitKind::CoolDown
        | LimitKind::AlertFraction => OF_AN_ACCOUNT.and(Scopes::STRATEGY),
    }
}

/// The values that a kind of limit may have; a negative one takes it away.
pub fn values_of(kind: LimitKind) -> RangeInclusive<i64> {
    match kind {
        LimitKind::OrderQuantity
        | LimitKind::OrderQuantityMin
        | LimitKind::OrderNotional
        | LimitKind::PositionQuantity
        | LimitKind::PriceCollar
        | LimitKind::OpenOrders
        | LimitKind::GrossExposure
        | LimitKind::NetExposure
        | LimitKind::Leverage
        | LimitKind::Credit => 0..=i64::MAX,
        LimitKind::OrderRate | LimitKind::ReplaceRate | LimitKind::CancelRate => 0..=RATE_MAX,
        LimitKind::SelfTrade => 0..=SelfTradePrevention::CancelBoth as i64,
        LimitKind::Drawdown | LimitKind::AlertFraction => 1..=Rate::ONE.0,
        LimitKind::LossStreak | LimitKind::OrderToTrade | LimitKind::RejectStorm => 1..=COUNT_MAX,
        LimitKind::DailyLoss | LimitKind::MarketAge | LimitKind::StaleFeed | LimitKind::CoolDown => {
            1..=i64::MAX
        }
    }
}

/// Whether the greater of two values is the stricter one.
pub fn greater_is_stricter(kind: LimitKind) -> bool {
    match kind {
        // The numbers of self-trade prevention rise with what is cancelled.
        LimitKind::OrderQuantityMin | LimitKind::SelfTrade | LimitKind::CoolDown => true,
        LimitKind::OrderQuantity
        | LimitKind::OrderNotional
        | LimitKind::PositionQuantity
        | LimitKind::PriceCollar
        | LimitKind::OpenOrders
        | LimitKind::GrossExposure
        | LimitKind::NetExposure
        | LimitKind::Leverage
        | LimitKind::Credit
        | LimitKind::OrderRate
        | LimitKind::ReplaceRate
        | LimitKind::CancelRate
        | LimitKind::MarketAge
        | LimitKind::DailyLoss
        | LimitKind::Drawdown
        | LimitKind::LossStreak
        | LimitKind::OrderToTrade
        | LimitKind::RejectStorm
        | LimitKind::AlertFraction
        | LimitKind::StaleFeed => false,
    }
}

/// Most messages a second that a rate may allow: a nanosecond holds no fraction of one.
pub const RATE_MAX: i64 = 1_000_000_000;
/// Most of what is counted one by one.
const COUNT_MAX: i64 = 1 << 31;
