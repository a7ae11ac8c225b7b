//! Terms of venues, the simulated one included.

use crate::words::words;

words! {
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
    /// State of the way to a venue.
    VenueState {
        /// Orders can go there.
        Connected = "connected",
        /// The connection is lost.
        Disconnected = "disconnected",
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
    /// What the way to the simulated venue and back takes beside its constants.
    LatencyModel {
        /// Nothing.
        Constant = "constant",
        /// A multiple of what the last market update took.
        Feed = "feed",
        /// What was measured, on a straight line between two measurements.
        Recorded = "recorded",
    }
}
