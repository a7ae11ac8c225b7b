//! Commands of the position and account families: money, funding and what a venue states of them.

use crate::fields::payloads;
use crate::{
    AccountId, AccountState, CurrencyId, InstrumentId, Money, PositionMode, PositionSide, Price, Qty, Rate,
    TextId,
};

payloads! {
    /// Funding of a perpetual contract: longs pay shorts `rate` of their value, or get it where it is negative.
    FundingApplied {
        /// Fraction of the position's value.
        rate: Rate,
        /// Price that values are counted at.
        price: Price,
        /// Which contract.
        instrument: InstrumentId,
    }
    /// A reconciliation: the venue states a position.
    VenuePositionStated {
        /// Which reconciliation.
        run: u64,
        /// What is open; negative for a short position.
        qty: Qty,
        /// Its average price, where the venue says one; 0 to take the mark.
        price: Price,
        /// Whose.
        account: AccountId,
        /// Which market.
        instrument: InstrumentId,
        /// Which position.
        side: PositionSide,
    }
    /// A trading account.
    AccountDefined {
        /// Its number.
        account: AccountId,
        /// Its name.
        name: TextId,
        /// How it counts positions; may change while it has none.
        mode: PositionMode,
    }
    /// What an account may do.
    AccountStateSet {
        /// Which account.
        account: AccountId,
        /// Why.
        reason: TextId,
        /// From here on.
        state: AccountState,
    }
    /// What a unit of a currency is worth in the reference currency: a fixed rate, or the mark of a spot instrument.
    ConversionSet {
        /// Units of the reference currency for one of `currency`; 0 to take the instrument.
        rate: Rate,
        /// Which currency.
        currency: CurrencyId,
        /// A spot instrument between both, either way round; 0 for a fixed rate.
        instrument: InstrumentId,
    }
    /// The currency that exposures, equity and losses are counted in.
    ReferenceCurrencySet {
        /// Which currency.
        currency: CurrencyId,
    }
    /// A reconciliation: the venue states a balance.
    VenueBalanceStated {
        /// Which reconciliation.
        run: u64,
        /// All of it.
        cash: Money,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
    }
    /// A currency or asset.
    CurrencyDefined {
        /// Its number.
        currency: CurrencyId,
        /// Its code.
        code: TextId,
        /// Decimals of its amounts.
        scale: u8,
    }
    /// Money or assets come from outside (positive) or leave (negative).
    CashTransferred {
        /// How much.
        amount: Money,
        /// Whose.
        account: AccountId,
        /// Of what.
        currency: CurrencyId,
        /// Why.
        reason: TextId,
    }
}
