//! What amounts and accounts are worth in the reference currency.

use super::Machine;
use tickwerk_domain::{AccountId, CurrencyId};

impl Machine {
    /// An amount in the reference currency; `None` where nothing converts it.
    #[inline]
    pub(crate) fn in_reference(&self, currency: CurrencyId, amount: i128) -> Option<i128> {
        (currency == self.reference_currency() || amount == 0).then_some(amount)
    }

    /// The currency that exposures, equity and losses are counted in.
    #[expect(clippy::unused_self, reason = "it will be set by command")]
    pub(crate) fn reference_currency(&self) -> CurrencyId {
        CurrencyId(1)
    }

    /// What an account is worth: what it has of the reference currency, and the profit of its contracts.
    pub(crate) fn equity(&self, account: AccountId) -> Option<i128> {
        let mut equity = self.accounts.balance(account, self.reference_currency()).cash;
        for instrument in self.positions.open(account) {
            let settlement = self.instrument(instrument)?.definition.settlement;
            let profit = self.in_reference(settlement, self.unrealized(account, instrument))?;
            equity = equity.checked_add(profit)?;
        }
        Some(equity)
    }
}
