//! The ledger that postings move money in: double entry, each leg balanced in itself.

use crate::words::words;
use crate::{CurrencyId, Money};
use rkyv::{Archive, Deserialize, Serialize};

/// Legs that one [`Posted`](super::Posted) holds.
pub const LEGS_PER_POSTING_MAX: usize = 4;

words! {
    /// A book of the ledger within one currency.
    #[derive(Default)]
    LedgerBook {
        /// What the account owns.
        #[default]
        Client = "client",
        /// The other side of trades.
        Venue = "venue",
        /// Fees taken.
        Fee = "fee",
        /// Differences of rounding.
        Rounding = "rounding",
        /// Where deposits come from and withdrawals go to.
        External = "external",
        /// What funding pays and gets.
        Funding = "funding",
        /// The other side of adjustments to what a venue says.
        Adjustment = "adjustment",
    }
}

/// One transfer of a posting: `amount` leaves `from` and enters `to`, so that every leg balances by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Leg {
    /// How much; never negative.
    pub amount: Money,
    /// Of what.
    pub currency: CurrencyId,
    /// Out of which book.
    pub from: LedgerBook,
    /// Into which book.
    pub to: LedgerBook,
}
