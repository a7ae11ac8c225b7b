//! What the exposure and credit rules count over all instruments and currencies of an account.

use super::Machine;
use crate::positions::Position;
use crate::risk::account_exposure::{Exposure, mark_of};
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, PositionSide, Price, Reject, Sequence};

/// What was worked out for one account since something changed that it follows from: several rules and alerts of one
/// command ask for the same. It decides nothing by itself, so it is in no digest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memo {
    /// The last record before the command that it was worked out in.
    of: Sequence,
    account: AccountId,
    is_equity_known: bool,
    equity: Option<i128>,
    /// Exposure in all instruments but this one.
    except: InstrumentId,
    others: Option<Result<Exposure, Reject>>,
}

impl Machine {
    /// Forgets what was worked out: markets, positions, money or rates have changed.
    #[inline]
    pub(super) fn forget_worth(&self) {
        self.memo.set(Memo::default());
    }

    /// Forgets what was worked out of other instruments: an order in this one came or went.
    #[inline]
    pub(super) fn forget_exposure(&self, instrument: InstrumentId) {
        let memo = self.memo.get();
        if memo.others.is_some() && memo.except != instrument {
            self.memo.set(Memo { others: None, ..memo });
        }
    }

    fn memo_of_this_command(&self) -> Memo {
        let memo = self.memo.get();
        let of = self.last.sequence;
        if memo.of == of { memo } else { Memo { of, ..Memo::default() } }
    }

    /// What an account is worth; worked out once a command.
    pub(crate) fn equity_known(&self, account: AccountId) -> Option<i128> {
        let memo = self.memo_of_this_command();
        if memo.is_equity_known && memo.account == account {
            return memo.equity;
        }
        let equity = self.equity(account);
        let others = memo.others.filter(|_| memo.account == account);
        self.memo.set(Memo { account, is_equity_known: true, equity, others, ..memo });
        equity
    }

    /// Exposure of an account with open orders at their worst, those of one instrument as `own` says.
    pub(crate) fn exposure_with(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        own: &Exposure,
    ) -> Result<Exposure, Reject> {
        let memo = self.memo_of_this_command();
        let is_known = memo.account == account && memo.except == instrument;
        let others = memo.others.filter(|_| is_known).unwrap_or_else(|| {
            let others = self.other_exposure(account, instrument);
            let is_equity_known = memo.is_equity_known && memo.account == account;
            self.memo.set(Memo {
                account,
                is_equity_known,
                except: instrument,
                others: Some(others),
                ..memo
            });
            others
        });
        own.plus(&others?).ok_or(Reject::ValueOverflow)
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

    fn other_exposure(&self, account: AccountId, except: InstrumentId) -> Result<Exposure, Reject> {
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
        for currency in self.accounts.held(account).filter(|currency| Some(*currency) != except) {
            let short = self.accounts.balance(account, currency).available().min(0);
            used = used.saturating_sub(self.in_reference(currency, short)?);
        }
        Some(used)
    }
}
