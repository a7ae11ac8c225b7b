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
    }
    /// How long an order stands (FIX `TimeInForce`, tag 59).
    TimeInForce {
        /// Good till cancelled.
        Gtc = "gtc",
        /// Immediate or cancel.
        Ioc = "ioc",
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
        /// More levels than the fixed store holds.
        StoreFull = "store_full",
    }
    /// Which long effect goes on.
    ContinueKind {
        /// Cancelling open orders after a kill switch.
        KillSwitch = "kill_switch",
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
            Self::Filled | Self::Canceled | Self::Rejected => true,
            Self::PendingNew | Self::New | Self::PartiallyFilled | Self::PendingCancel => false,
        }
    }
}
