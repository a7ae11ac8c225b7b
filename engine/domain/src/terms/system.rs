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
