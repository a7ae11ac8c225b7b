//! What the exposure and credit rules count over all instruments and currencies of an account.

use super::Machine;
use crate::risk::account_exposure::{Exposure, mark_of};
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, PositionSide, Reject};

impl Machine {
    /// Exposure of an account in all positions but one, with open orders at their worst.
    pub(crate) fn exposure_except(
        &self,
        account: AccountId,
        except: Option<(InstrumentId, PositionSide)>,
    ) -> Result<Exposure, Reject> {
        let mut sum = Exposure::default();
        for instrument in self.positions.busy(account) {
            for side in self.positions.sides(account) {
                let position = self.positions.of(account, instrument, *side);
                if position.is_idle() || except == Some((instrument, *side)) {
                    continue;
                }
                let slot = self.instrument(instrument).ok_or(Reject::UnknownInstrument)?;
                let mark = mark_of(self.market(instrument)).ok_or(Reject::NoReferencePrice)?;
                let own = Exposure::of(&slot.definition, position, mark);
                let own = own.ok_or(Reject::ValueOverflow)?;
                let own = self.exposure_in_reference(slot.definition.settlement, &own)?;
                sum = sum.plus(&own).ok_or(Reject::ValueOverflow)?;
            }
        }
        Ok(sum)
    }

    /// Exposure in the reference currency.
    pub(crate) fn exposure_in_reference(
        &self,
        currency: CurrencyId,
        exposure: &Exposure,
    ) -> Result<Exposure, Reject> {
        let convert = |amount| self.in_reference(currency, amount).ok_or(Reject::NoConversionRate);
        let (long, short) = (convert(exposure.long)?, convert(exposure.short)?);
        Ok(Exposure { gross: long.abs().max(short.abs()), long, short })
    }

    /// What an account ties up beyond what it has, over all currencies but one, in the reference currency. `None` where
    /// nothing converts it.
    pub(crate) fn credit_used(&self, account: AccountId, except: Option<CurrencyId>) -> Option<i128> {
        let mut used: i128 = 0;
        for currency in self.accounts.held(account).filter(|currency| Some(*currency) != except) {
            let short = self.accounts.balance(account, currency).available().min(0);
            used = used.saturating_sub(self.in_reference(currency, short)?);
        }
        Some(used)
    }
}
