//! What the exposure and credit rules count over all instruments and currencies of an account.

use super::Machine;
use crate::positions::Position;
use crate::risk::account_exposure::{Exposure, mark_of};
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, PositionSide, Price, Reject};

impl Machine {
    /// Exposure of an account with open orders at their worst, those of one instrument as `own` says.
    pub(crate) fn exposure_with(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        own: &Exposure,
    ) -> Result<Exposure, Reject> {
        own.plus(&self.other_exposure(account, instrument)?).ok_or(Reject::ValueOverflow)
    }

    /// Exposure of an account in one instrument.
    pub(crate) fn own_exposure(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        fallback: Option<Price>,
        with: impl Fn(PositionSide, &Position) -> Position,
    ) -> Result<Exposure, Reject> {
        let slot = self.instrument(instrument).ok_or(Reject::UnknownInstrument)?;
        let mut sum = Exposure::default();
        for side in self.positions.sides(account) {
            let position = with(*side, self.positions.of(account, instrument, *side));
            if position.is_idle() {
                continue;
            }
            let mark = mark_of(self.market(instrument)).or(fallback).ok_or(Reject::NoReferencePrice)?;
            let own = Exposure::of(&slot.definition, &position, mark).ok_or(Reject::ValueOverflow)?;
            let own = self.exposure_in_reference(slot.definition.settlement, &own)?;
            sum = sum.plus(&own).ok_or(Reject::ValueOverflow)?;
        }
        Ok(sum)
    }

    pub(super) fn other_exposure(
        &self,
        account: AccountId,
        except: InstrumentId,
    ) -> Result<Exposure, Reject> {
        let mut sum = Exposure::default();
        for instrument in self.positions.busy(account).filter(|instrument| *instrument != except) {
            let own = self.own_exposure(account, instrument, None, |_, position| *position)?;
            sum = sum.plus(&own).ok_or(Reject::ValueOverflow)?;
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
        let long = convert(exposure.long)?;
        let short = if exposure.short == exposure.long { long } else { convert(exposure.short)? };
        Ok(Exposure { gross: long.abs().max(short.abs()), long, short })
    }

    /// What an account ties up beyond what it has, over all currencies but one, in the reference currency. `None` where
    /// nothing converts it.
    pub(crate) fn credit_used(&self, account: AccountId, except: Option<CurrencyId>) -> Option<i128> {
        let mut used: i128 = 0;
        for currency in self.accounts.short(account).filter(|currency| Some(*currency) != except) {
            let available = self.accounts.balance(account, currency).available();
            used = used.saturating_sub(self.in_reference(currency, available)?);
        }
        Some(used)
    }
}
