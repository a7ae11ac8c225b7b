//! Terms of orders and their fills.

use crate::words::words;

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
        /// Its market takes no orders or its venue is not connected.
        Market = "market",
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
