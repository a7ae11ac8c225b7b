//! Terms of markets, books and signals.

use crate::words::words;

words! {
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
    /// Which side started a trade, where the feed tells.
    Aggressor {
        /// Not told.
        Unknown = "unknown",
        /// The buyer.
        Buyer = "buyer",
        /// The seller.
        Seller = "seller",
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
