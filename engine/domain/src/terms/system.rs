//! Terms of timers, long effects and reconciliations.

use crate::words::words;

words! {
    /// What a reconciliation found to differ.
    DifferenceKind {
        /// Open here, unknown at the venue.
        OrderMissing = "order_missing",
        /// Open at the venue, unknown here.
        OrderUnknown = "order_unknown",
        /// The venue filled more or less than is known here.
        OrderFilled = "order_filled",
        /// It is another market or side, or an order that is held here.
        OrderTerms = "order_terms",
        /// A balance differs.
        Balance = "balance",
        /// A position differs.
        Position = "position",
        /// The limit price differs.
        OrderPrice = "order_price",
        /// The quantity differs.
        OrderQuantity = "order_quantity",
        /// A cancel or replace that was sent before the start has done nothing at the venue.
        RequestLost = "request_lost",
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
    /// Which long effect goes on.
    ContinueKind {
        /// Cancelling open orders after a kill switch.
        KillSwitch = "kill_switch",
        /// Cancelling open orders on request.
        MassCancel = "mass_cancel",
        /// Releasing, triggering or cancelling held orders.
        Held = "held",
        /// Ending orders, and closing positions, that a reconciliation did not find at the venue.
        Reconcile = "reconcile",
        /// Paying funding to and from positions.
        Funding = "funding",
        /// Marking positions to market.
        Mark = "mark",
        /// Sending cancels again that the loss of a connection may have swallowed.
        Reconnect = "reconnect",
    }
    /// Where time comes from.
    Mode {
        /// The ingress clock.
        Live = "live",
        /// The data's own time.
        DataTime = "data_time",
    }
}
