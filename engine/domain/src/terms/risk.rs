//! Terms of limits, breakers and switches.

use crate::words::words;

words! {
    /// State of a risk breaker.
    BreakerState {
        /// Watches; orders pass.
        Armed = "armed",
        /// Tripped: only orders that reduce a position pass, until a command resets it.
        Tripped = "tripped",
        /// Tripped, and armed again when its cool-down is over.
        Cooling = "cooling",
    }
    /// How grave an alert is.
    Severity {
        /// Worth knowing.
        Info = "info",
        /// A soft threshold is passed.
        Warning = "warning",
        /// A limit is reached.
        Critical = "critical",
    }
    /// What an account, an instrument or the whole engine may do.
    TradingState {
        /// Everything.
        Active = "active",
        /// Only cancels and orders that reduce a position.
        ReduceOnly = "reduce_only",
        /// Only cancels.
        Halted = "halted",
    }
    /// A limit that can be set.
    LimitKind {
        /// Largest quantity of one order.
        OrderQuantity = "order_quantity",
        /// Largest notional of one order, in the settlement currency.
        OrderNotional = "order_notional",
        /// Largest position either way, with open orders at their worst.
        PositionQuantity = "position_quantity",
        /// Widest distance from the reference price, as a fraction.
        PriceCollar = "price_collar",
        /// Most open orders of an account.
        OpenOrders = "open_orders",
        /// Smallest quantity of one order.
        OrderQuantityMin = "order_quantity_min",
        /// Sum of the values of all positions with open orders at their worst, in the reference currency.
        GrossExposure = "gross_exposure",
        /// Long less short positions with open orders at their worst, either way, in the reference currency.
        NetExposure = "net_exposure",
        /// Gross exposure as a multiple of equity.
        Leverage = "leverage",
        /// Money that orders may tie up beyond what the account has, in the reference currency.
        Credit = "credit",
        /// New orders a second, as a token bucket.
        OrderRate = "order_rate",
        /// Replaces a second, as a token bucket.
        ReplaceRate = "replace_rate",
        /// Cancels a second; passing it raises an alert and blocks nothing.
        CancelRate = "cancel_rate",
        /// What happens where own orders would meet, as a number of `SelfTradePrevention`.
        SelfTrade = "self_trade",
        /// Oldest market data that orders may rely on, in nanoseconds.
        MarketAge = "market_age",
        /// Loss since the day began that trips a breaker, in the reference currency.
        DailyLoss = "daily_loss",
        /// Fall from the highest equity that trips a breaker, as a fraction of it.
        Drawdown = "drawdown",
        /// Losing closes in a row that trip a breaker.
        LossStreak = "loss_streak",
        /// Orders, replaces and cancels for each fill that trip a breaker.
        OrderToTrade = "order_to_trade",
        /// Refusals within a second that trip a breaker.
        RejectStorm = "reject_storm",
        /// How long a tripped breaker cools down, in nanoseconds; without it only a command resets a breaker.
        CoolDown = "cool_down",
        /// Fraction of a limit from which an alert is raised.
        AlertFraction = "alert_fraction",
        /// Silence of an instrument's feed that trips a breaker, in nanoseconds.
        StaleFeed = "stale_feed",
    }
    /// A breaker: a rule that stops an account or strategy until it has cooled down or is reset.
    BreakerKind {
        /// Loss of the day.
        DailyLoss = "daily_loss",
        /// Fall from the highest equity.
        Drawdown = "drawdown",
        /// Losing closes in a row.
        LossStreak = "loss_streak",
        /// Messages for each fill.
        OrderToTrade = "order_to_trade",
        /// The feed is silent.
        StaleFeed = "stale_feed",
        /// Refusals in a short time.
        RejectStorm = "reject_storm",
    }
}

/// What the value of a limit is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitUnit {
    /// The instrument's quantity.
    Quantity,
    /// The instrument's settlement currency.
    Settlement,
    /// The reference currency.
    Reference,
    /// A fraction or a multiple, as a [`crate::Rate`].
    Fraction,
    /// A plain number.
    Count,
    /// Nanoseconds.
    Duration,
    /// A number of [`super::SelfTradePrevention`].
    SelfTrade,
}

impl BreakerKind {
    /// The limit that trips it.
    pub const fn limit(self) -> LimitKind {
        match self {
            Self::DailyLoss => LimitKind::DailyLoss,
            Self::Drawdown => LimitKind::Drawdown,
            Self::LossStreak => LimitKind::LossStreak,
            Self::OrderToTrade => LimitKind::OrderToTrade,
            Self::StaleFeed => LimitKind::StaleFeed,
            Self::RejectStorm => LimitKind::RejectStorm,
        }
    }
}

impl LimitKind {
    /// What its value is counted in.
    pub fn unit(self) -> LimitUnit {
        match self {
            Self::OrderQuantity | Self::OrderQuantityMin | Self::PositionQuantity => LimitUnit::Quantity,
            Self::OrderNotional => LimitUnit::Settlement,
            Self::PriceCollar | Self::Leverage | Self::Drawdown | Self::AlertFraction => LimitUnit::Fraction,
            Self::GrossExposure | Self::NetExposure | Self::Credit | Self::DailyLoss => LimitUnit::Reference,
            Self::OpenOrders
            | Self::OrderRate
            | Self::ReplaceRate
            | Self::CancelRate
            | Self::LossStreak
            | Self::OrderToTrade
            | Self::RejectStorm => LimitUnit::Count,
            Self::MarketAge | Self::CoolDown | Self::StaleFeed => LimitUnit::Duration,
            Self::SelfTrade => LimitUnit::SelfTrade,
        }
    }
}
