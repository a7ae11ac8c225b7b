//! Events of the market family.

use crate::fields::payloads;
use crate::{InstrumentId, StaleReason};

payloads! {
    /// A book can no longer be trusted; orders on it are refused until it is restored.
    BookStale {
        /// The last update id that was good.
        update_id: u64,
        /// Whose book.
        instrument: InstrumentId,
        /// Why.
        reason: StaleReason,
    }
    /// A snapshot made a book whole.
    BookRestored {
        /// Update id of the snapshot.
        update_id: u64,
        /// Whose book.
        instrument: InstrumentId,
    }
}
