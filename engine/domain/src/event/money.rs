//! Events of the position and account families, and the ledger that they post to.

use super::ledger::{LEGS_PER_POSTING_MAX, Leg};
use crate::fields::payloads;
use crate::{AccountId, InstrumentId, Money, PositionChange, PositionSide, Price, Qty, Rate};

payloads! {
    /// A position changed.
    PositionChanged {
        /// Cost of what is open, in the settlement currency; negative for a short position.
        open_cost: Money,
        /// Profit that this change realised, before fees.
        realized: Money,
        /// Profit realised so far, before fees.
        realized_total: Money,
        /// Profit of what is open, at its mark.
        unrealized: Money,
        /// Fees so far.
        fees_total: Money,
        /// What is open; negative for a short position.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// What happened.
        change: PositionChange,
        /// Which position.
        side: PositionSide,
    }
    /// Profit of an open position, marked to market; at most one an interval.
    PositionMarked {
        /// Profit realised so far, before fees and funding.
        realized_total: Money,
        /// Profit of what is open.
        unrealized: Money,
        /// Fees so far.
        fees_total: Money,
        /// Funding so far: negative for paid.
        funding_total: Money,
        /// Twice the price that it was marked at, so that a mid is exact.
        mark_twice: i64,
        /// What is open.
        qty: Qty,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// Funding was paid or got.
    FundingPosted {
        /// What the account gets; negative for paid.
        amount: Money,
        /// Funding so far.
        funding_total: Money,
        /// What is open.
        qty: Qty,
        /// Fraction of the value.
        rate: Rate,
        /// Price that the value was counted at.
        price: Price,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// What an account is worth, in the reference currency; at most one an interval.
    AccountMarked {
        /// All balances and unrealised profit.
        equity: Money,
        /// Sum of the values of all positions.
        gross_exposure: Money,
        /// Long less short positions.
        net_exposure: Money,
        /// Highest equity so far.
        peak_equity: Money,
        /// Equity when the day began.
        day_equity: Money,
        /// Whose.
        account: AccountId,
    }
    /// Money moved between books of the ledger.
    Posted {
        /// Whose.
        account: AccountId,
        /// How many of `legs` count.
        count: u8,
        /// The transfers.
        legs: [Leg; LEGS_PER_POSTING_MAX],
    }
}
