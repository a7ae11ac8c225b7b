//! Terms of accounts and positions.

use crate::words::words;

words! {
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
    /// State of an account.
    AccountState {
        /// Trades.
        Active = "active",
        /// Only cancels and orders that reduce a position.
        Suspended = "suspended",
        /// Nothing any more.
        Closed = "closed",
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
}
