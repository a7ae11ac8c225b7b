//! Events of the system family.

use crate::fields::payloads;
use crate::reject::ReasonCode;
use crate::{
    AccountId, CurrencyId, DifferenceKind, InstrumentId, Money, OrderId, ReconcileAction, TextId, VenueId,
};

payloads! {
    /// The venue's view and ours differ.
    ReconcileDiffered {
        /// Ours, in the unit of the kind.
        ours: Money,
        /// The venue's, in the unit of the kind.
        theirs: Money,
        /// Which reconciliation.
        run: u64,
        /// Which order; 0 where it is about something else or not known here.
        order: OrderId,
        /// The venue's own id of the order.
        venue_order_id: u64,
        /// Whose.
        account: AccountId,
        /// Which market; 0 for none.
        instrument: InstrumentId,
        /// Of what; 0 for none.
        currency: CurrencyId,
        /// What differs.
        kind: DifferenceKind,
        /// What was done.
        action: ReconcileAction,
    }
    /// A reconciliation is complete.
    ReconcileCompleted {
        /// Which.
        run: u64,
        /// Orders that the venue stated.
        orders: u32,
        /// Balances and positions that the venue stated.
        figures: u32,
        /// Differences found.
        differences: u32,
        /// Whose.
        account: AccountId,
        /// Whose view.
        venue: VenueId,
    }
    /// The digest of the whole state, each 10,000 frames.
    StateDigest {
        /// Frames so far, this one included.
        frames: u64,
        /// The digest before this event.
        digest: u64,
    }
    /// A command was refused; nothing changed.
    CommandRefused {
        /// The offending value.
        value: i64,
        /// Why.
        reason: ReasonCode,
        /// Type id of the command.
        command_type: u16,
        /// A dictionary text that tells more; 0 for none.
        text: TextId,
    }
}
