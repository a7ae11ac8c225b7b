//! The field's standard terms, as FIX has them, and the few words of our own.

use crate::fields::{AsField, FieldValue, as_field};
use rkyv::{Archive, Deserialize, Serialize};

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Archive, Serialize, Deserialize)]
            #[repr(u8)]
            pub enum $name {
                $($(#[$variant_meta])* $variant,)*
            }

            impl $name {
                /// Every variant, in order.
                pub const ALL: &[Self] = &[$(Self::$variant),*];

                /// The word for this variant in text and JSON.
                pub fn word(self) -> &'static str {
                    match self {
                        $(Self::$variant => $word,)*
                    }
                }

                /// The variant with this word.
                pub fn from_word(word: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|variant| variant.word() == word)
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    out.write_str(self.word())
                }
            }

            as_field! { $name => |value| FieldValue::Word(value.word()); }

            impl crate::sample::Sample for $name {
                fn sample(draw: &mut dyn FnMut() -> u64) -> Self {
                    crate::sample::pick(Self::ALL, draw())
                }
            }
        )*
    };
}

words! {
    /// Which way an order goes (FIX Side, tag 54).
    Side {
        /// Buy.
        Buy = "buy",
        /// Sell.
        Sell = "sell",
    }
    /// How an order is priced (FIX `OrdType`, tag 40).
    OrderType {
        /// At the best price there is.
        Market = "market",
        /// At the limit price or better.
        Limit = "limit",
        /// A market order once the trigger price is reached against the order's side.
        Stop = "stop",
        /// A limit order once the trigger price is reached against the order's side.
        StopLimit = "stop_limit",
        /// A stop whose trigger price follows the market at a distance.
        TrailingStop = "trailing_stop",
        /// A market order once the trigger price is reached in favour of the order's side.
        MarketIfTouched = "market_if_touched",
        /// A limit order once the trigger price is reached in favour of the order's side.
        LimitIfTouched = "limit_if_touched",
    }
    /// How long an order stands (FIX `TimeInForce`, tag 59).
    TimeInForce {
        /// Good till cancelled.
        Gtc = "gtc",
        /// Immediate or cancel.
        Ioc = "ioc",
        /// Fill or kill: whole at once, or not at all.
        Fok = "fok",
        /// Until the session ends; where an instrument has no sessions, until midnight UTC.
        Day = "day",
        /// Good till a date and time.
        Gtd = "gtd",
        /// In the opening auction only.
        AtTheOpen = "at_the_open",
        /// In the closing auction only.
        AtTheClose = "at_the_close",
    }
    /// What the distance of a trailing stop is counted in.
    TrailUnit {
        /// In the instrument's price.
        Price = "price",
        /// In hundredths of a percent of the market's price.
        BasisPoints = "basis_points",
        /// In ticks of the instrument.
        Ticks = "ticks",
    }
    /// Which price triggers a held order (FIX `TriggerPriceType`, tag 1107).
    TriggerBy {
        /// The last trade; the touch where there was none.
        Last = "last",
        /// The touch that the order would meet: the ask for a buy, the bid for a sell.
        Touch = "touch",
        /// The mid price.
        Mid = "mid",
        /// The venue's mark price.
        Mark = "mark",
    }
    /// How an order depends on others with the same link (FIX `ContingencyType`, tag 1385).
    Contingency {
        /// It does not.
        None = "none",
        /// One cancels the other: the first fill of one cancels the rest.
        Oco = "oco",
        /// Its children wait for it (the entry of an OTO or a bracket).
        Parent = "parent",
        /// Waits until its parent is done, for at most what the parent filled.
        Child = "child",
        /// A child that is an exit of a bracket: what one exit fills, the other loses (FIX OUO).
        BracketExit = "bracket_exit",
    }
    /// Whether an order opens or closes (FIX `PositionEffect`, tag 77).
    PositionEffect {
        /// Whatever it does to a netted position; opens in hedging mode.
        Auto = "auto",
        /// Opens or increases.
        Open = "open",
        /// Reduces only: never opens, never flips.
        Close = "close",
    }
    /// How an account counts positions.
    PositionMode {
        /// One position an instrument.
        Netting = "netting",
        /// A long and a short position an instrument, side by side.
        Hedging = "hedging",
    }
    /// Which position of an instrument.
    PositionSide {
        /// The only one, in netting mode.
        Net = "net",
        /// The long one, in hedging mode.
        Long = "long",
        /// The short one, in hedging mode.
        Short = "short",
    }
    /// Orders of which side are meant.
    SideFilter {
        /// Both.
        Any = "any",
        /// Buys.
        Buy = "buy",
        /// Sells.
        Sell = "sell",
    }
    /// Why an order stays in the core for now.
    HoldReason {
        /// Its trigger price was not reached.
        Trigger = "trigger",
        /// Its parent is not done.
        Parent = "parent",
        /// The auction that it is for has not begun.
        Auction = "auction",
    }
    /// What happens where two orders of one owner would trade with each other.
    SelfTradePrevention {
        /// They trade.
        Off = "off",
        /// The newer order is refused or cancelled.
        CancelTaker = "cancel_taker",
        /// The resting order is cancelled.
        CancelMaker = "cancel_maker",
        /// Both are cancelled.
        CancelBoth = "cancel_both",
        /// Both lose the smaller quantity without a trade.
        Decrement = "decrement",
    }
    /// State of an instrument's market (FIX `SecurityTradingStatus`, tag 326, and `TradSesStatus`, tag 340).
    SessionState {
        /// Orders trade as they come; also where a market knows no sessions.
        Continuous = "continuous",
        /// Orders may be entered; nothing trades.
        PreOpen = "pre_open",
        /// Orders gather for the opening auction.
        OpeningAuction = "opening_auction",
        /// Orders gather for the closing auction.
        ClosingAuction = "closing_auction",
        /// Nothing trades; only cancels are taken.
        Halted = "halted",
        /// No session; only cancels are taken.
        Closed = "closed",
    }
    /// Which price marks a position.
    MarkSource {
        /// The mid price; the last trade where the touch has one side only.
        Mid = "mid",
        /// The last trade.
        Last = "last",
        /// What the venue says.
        Venue = "venue",
    }
    /// State of the way to a venue.
    VenueState {
        /// Orders can go there.
        Connected = "connected",
        /// The connection is lost.
        Disconnected = "disconnected",
    }
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
    /// State of an account.
    AccountState {
        /// Trades.
        Active = "active",
        /// Only cancels and orders that reduce a position.
        Suspended = "suspended",
        /// Nothing any more.
        Closed = "closed",
    }
    /// State of a fill.
    FillState {
        /// Booked.
        Booked = "booked",
        /// Kept, as it fits no order.
        Unmatched = "unmatched",
        /// Taken back by the venue.
        Busted = "busted",
        /// Changed by the venue.
        Corrected = "corrected",
    }
    /// How a resting order's place in the queue is known at the simulated venue.
    QueueModel {
        /// No queue: filled when the opposite touch reaches the price.
        Touch = "touch",
        /// Filled only when the market trades through the price.
        TradeThrough = "trade_through",
        /// All that rested there is ahead; only trades shorten the queue.
        RiskAverse = "risk_averse",
        /// Cancels ahead by the power of the places in the queue.
        Power = "power",
        /// Cancels ahead by the logarithm of the places in the queue.
        Logarithmic = "logarithmic",
        /// Orders of all accounts meet in one order-by-order book; market data play no part.
        Exchange = "exchange",
    }
    /// What a reconciliation found to differ.
    DifferenceKind {
        /// Open here, unknown at the venue.
        OrderMissing = "order_missing",
        /// Open at the venue, unknown here.
        OrderUnknown = "order_unknown",
        /// The venue filled more or less than is known here.
        OrderFilled = "order_filled",
        /// Price or quantity differ.
        OrderTerms = "order_terms",
        /// A balance differs.
        Balance = "balance",
        /// A position differs.
        Position = "position",
    }
    /// What was done about a difference.
    ReconcileAction {
        /// Raised for a person; nothing was changed.
        Raised = "raised",
        /// The order was ended here.
        Ended = "ended",
        /// The order was given the venue's terms.
        Restated = "restated",
        /// The figure was set to the venue's, against the adjustment book.
        Adjusted = "adjusted",
    }
    /// What a timer is for.
    TimerKind {
        /// An order's time is over.
        OrderExpiry = "order_expiry",
        /// A breaker has cooled down.
        BreakerCooled = "breaker_cooled",
        /// Positions are marked to market.
        Mark = "mark",
        /// A new trading day begins.
        Day = "day",
    }
    /// State of an order (FIX `OrdStatus`, tag 39).
    OrderStatus {
        /// Sent to the venue, not yet answered.
        PendingNew = "pending_new",
        /// Stands at the venue.
        New = "new",
        /// Filled in part, still stands.
        PartiallyFilled = "partially_filled",
        /// Filled whole; done.
        Filled = "filled",
        /// A cancel is on its way to the venue.
        PendingCancel = "pending_cancel",
        /// Cancelled; done.
        Canceled = "canceled",
        /// Refused by a risk rule or by the venue; done.
        Rejected = "rejected",
        /// A replace is on its way to the venue.
        PendingReplace = "pending_replace",
        /// Its time was over; done.
        Expired = "expired",
        /// Stays in the core until it is triggered or released (FIX: `Suspended`).
        Held = "held",
    }
    /// What a venue says of an order, other than a fill (FIX `ExecType`, tag 150).
    ReportKind {
        /// The order stands at the venue.
        Accepted = "accepted",
        /// The venue refused the order.
        Rejected = "rejected",
        /// The order was cancelled, by request or because nothing is left to match an IOC.
        Canceled = "canceled",
        /// The venue refused the cancel.
        CancelRejected = "cancel_rejected",
        /// The order's time was over at the venue.
        Expired = "expired",
        /// The venue refused the replace.
        ReplaceRejected = "replace_rejected",
    }
    /// Whether a fill took or gave liquidity (FIX `LastLiquidityInd`, tag 851).
    Liquidity {
        /// The order rested in the book.
        Maker = "maker",
        /// The order took from the book.
        Taker = "taker",
    }
    /// Which side started a trade, where the feed tells.
    Aggressor {
        /// Not told.
        Unknown = "unknown",
        /// The buyer.
        Buyer = "buyer",
        /// The seller.
        Seller = "seller",
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
    /// What a position did.
    PositionChange {
        /// From nothing.
        Opened = "opened",
        /// Further the same way.
        Increased = "increased",
        /// Towards nothing.
        Reduced = "reduced",
        /// Through zero to the other side.
        Flipped = "flipped",
        /// To nothing.
        Closed = "closed",
        /// Set to what the venue says.
        Adjusted = "adjusted",
    }
    /// Where a strategy wants to be.
    SignalDirection {
        /// Nowhere.
        Flat = "flat",
        /// Long.
        Long = "long",
        /// Short.
        Short = "short",
    }
    /// What happened to an order of a market that is told order by order.
    BookAction {
        /// It came; also at a new price or with a larger quantity.
        Add = "add",
        /// Its quantity fell to what is told.
        Reduce = "reduce",
        /// It left.
        Delete = "delete",
        /// As much of it was executed as is told.
        Execute = "execute",
        /// The book is emptied first.
        Clear = "clear",
    }
    /// Why a book cannot be trusted.
    StaleReason {
        /// No snapshot has come yet.
        NoSnapshot = "no_snapshot",
        /// Updates are missing between two that came.
        Gap = "gap",
        /// The feed dropped updates because a ring was full.
        Overrun = "overrun",
        /// The connection was lost.
        Disconnected = "disconnected",
        /// A message of the feed could not be read.
        Malformed = "malformed",
        /// More levels or orders than the fixed store holds.
        StoreFull = "store_full",
        /// Something happened to an order that the book does not hold.
        UnknownOrder = "unknown_order",
        /// More was taken from an order than it had.
        QuantityExceeded = "quantity_exceeded",
    }
    /// Which long effect goes on.
    ContinueKind {
        /// Cancelling open orders after a kill switch.
        KillSwitch = "kill_switch",
        /// Cancelling open orders on request.
        MassCancel = "mass_cancel",
        /// Releasing, triggering or cancelling held orders.
        Held = "held",
        /// Ending orders that a reconciliation did not find at the venue.
        Reconcile = "reconcile",
        /// Paying funding to and from positions.
        Funding = "funding",
        /// Marking positions to market.
        Mark = "mark",
    }
    /// Where time comes from.
    Mode {
        /// The ingress clock.
        Live = "live",
        /// The data's own time.
        DataTime = "data_time",
    }
}

impl Side {
    /// The other side.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for a buy, −1 for a sell.
    pub fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

impl OrderStatus {
    /// Whether nothing more can happen to the order.
    pub fn is_done(self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Rejected | Self::Expired => true,
            Self::PendingNew
            | Self::New
            | Self::PartiallyFilled
            | Self::PendingCancel
            | Self::PendingReplace
            | Self::Held => false,
        }
    }
}

impl OrderType {
    /// Whether the order waits for a trigger price.
    pub fn is_triggered(self) -> bool {
        match self {
            Self::Market | Self::Limit => false,
            Self::Stop
            | Self::StopLimit
            | Self::TrailingStop
            | Self::MarketIfTouched
            | Self::LimitIfTouched => true,
        }
    }

    /// Whether the order has a limit price.
    pub fn has_limit(self) -> bool {
        match self {
            Self::Limit | Self::StopLimit | Self::LimitIfTouched => true,
            Self::Market | Self::Stop | Self::TrailingStop | Self::MarketIfTouched => false,
        }
    }

    /// What the order is at the venue once it was triggered.
    #[must_use]
    pub fn once_triggered(self) -> Self {
        if self.has_limit() { Self::Limit } else { Self::Market }
    }
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

impl SideFilter {
    /// Whether orders of `side` are meant.
    pub fn includes(self, side: Side) -> bool {
        match self {
            Self::Any => true,
            Self::Buy => side == Side::Buy,
            Self::Sell => side == Side::Sell,
        }
    }
}

impl SessionState {
    /// Whether new orders may be entered.
    pub fn takes_orders(self) -> bool {
        match self {
            Self::Continuous | Self::PreOpen | Self::OpeningAuction | Self::ClosingAuction => true,
            Self::Halted | Self::Closed => false,
        }
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
    /// A number of [`SelfTradePrevention`].
    SelfTrade,
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
