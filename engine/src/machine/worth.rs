//! What an account is worth: equity, exposure, buying power, and the figures that losses are counted from.
//!
//! Equity is all balances, at what their currencies are worth, and the unrealised profit of contracts; spot holdings
//! count as balances. Units: the reference currency's. A position without a mark counts at its cost. `None` where there
//! is no reference currency, or no rate to it for something that the account has.

use super::Machine;
use crate::positions::{Position, value_at};
use tickwerk_domain::{
    AccountId, CurrencyId, Instrument, InstrumentId, InstrumentKind, PositionMode, PositionSide, Stamp,
    TimeNs,
};

/// Values of an account's positions, in the reference currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    /// Sum of the values of all positions.
    pub gross: i128,
    /// Long less short positions.
    pub net: i128,
    /// Sum of the values of all positions with their open orders at their worst.
    pub gross_worst: i128,
    /// Long less short positions if all open buys were filled.
    pub net_longest: i128,
    /// Long less short positions if all open sells were filled.
    pub net_shortest: i128,
}

impl Machine {
    /// All balances and the unrealised profit of contracts.
    pub fn equity(&self, account: AccountId) -> Option<i128> {
        if self.reference_currency().is_none() || self.accounts.account(account).is_none() {
            return None;
        }
        let mut equity = 0_i128;
        for currency in self.accounts.held(account) {
            equity = equity.checked_add(self.cash_in_reference(account, currency)?)?;
        }
        for instrument in self.positions.open(account) {
            let settlement = self.instrument(instrument).map(|known| &known.definition);
            if let Some(of) = settlement.filter(|of| of.kind != InstrumentKind::Spot) {
                let profit = self.unrealized(account, instrument);
                equity = equity.checked_add(self.in_reference(of.settlement, profit)?)?;
            }
        }
        debug_assert_eq!(Some(equity), self.equity_anew(account));
        Some(equity)
    }

    /// Equity by its definition, for what was kept to be compared with.
    pub(super) fn equity_anew(&self, account: AccountId) -> Option<i128> {
        if self.reference_currency().is_none() || self.accounts.account(account).is_none() {
            return None;
        }
        let mut equity = 0_i128;
        for currency in self.accounts.held(account) {
            let cash = self.accounts.balance(account, currency).cash;
            equity = equity.checked_add(self.in_reference(currency, cash)?)?;
        }
        for instrument in self.positions.open(account) {
            let settlement = self.instrument(instrument).map(|known| &known.definition);
            if let Some(of) = settlement.filter(|of| of.kind != InstrumentKind::Spot) {
                let sides = self.positions.sides(account).iter();
                let of_side = |side: &PositionSide| {
                    self.unrealized_of(instrument, self.positions.of(account, instrument, *side))
                };
                let profit = sides.map(of_side).fold(0_i128, i128::saturating_add);
                equity = equity.checked_add(self.in_reference(of.settlement, profit)?)?;
            }
        }
        Some(equity)
    }

    /// Values of all positions, as they are and with open orders at their worst.
    pub fn exposure(&self, account: AccountId) -> Option<Exposure> {
        if self.reference_currency().is_none() || self.accounts.account(account).is_none() {
            return None;
        }
        let mut sum = Exposure::default();
        for instrument in self.positions.busy(account) {
            let of = &self.instrument(instrument)?.definition;
            for side in self.positions.sides(account) {
                let row = self.positions.of(account, instrument, *side);
                let value = |qty: i64| {
                    let value = self.value_of(of, row, qty)?;
                    self.in_reference(of.settlement, if qty < 0 { -value } else { value })
                };
                let (now, longest, shortest) =
                    (value(row.qty)?, value(row.worst_long())?, value(row.worst_short())?);
                sum.gross = sum.gross.checked_add(now.checked_abs()?)?;
                sum.net = sum.net.checked_add(now)?;
                let worst = longest.checked_abs()?.max(shortest.checked_abs()?);
                sum.gross_worst = sum.gross_worst.checked_add(worst)?;
                sum.net_longest = sum.net_longest.checked_add(longest)?;
                sum.net_shortest = sum.net_shortest.checked_add(shortest)?;
            }
        }
        Some(sum)
    }

    /// Sum of the values of all positions.
    pub fn gross_exposure(&self, account: AccountId) -> Option<i128> {
        self.exposure(account).map(|exposure| exposure.gross)
    }

    /// Long less short positions.
    pub fn net_exposure(&self, account: AccountId) -> Option<i128> {
        self.exposure(account).map(|exposure| exposure.net)
    }

    /// What an account may tie up of a currency: what is free, and the unrealised profit of contracts that settle in it.
    pub fn buying_power(&self, account: AccountId, currency: CurrencyId) -> Option<i128> {
        self.accounts.account(account)?;
        self.accounts.currency(currency)?;
        let profit = self.unrealized_in(account, InstrumentKind::Linear, currency);
        Some(self.accounts.balance(account, currency).available() + profit)
    }

    /// Value of `qty` of a position's instrument at the mark; at the position's cost where there is none.
    fn value_of(&self, of: &Instrument, row: &Position, qty: i64) -> Option<i128> {
        match self.market(of.instrument).mark() {
            _ if qty == 0 => Some(0),
            Some(mark) => value_at(of, qty, mark),
            None => Some(row.open_cost_posted(of).abs()),
        }
    }

    /// Profit of what an account has open of an instrument on either side, at its mark, in settlement units; 0 without
    /// a mark.
    pub fn unrealized(&self, account: AccountId, instrument: InstrumentId) -> i128 {
        let first = self.profit(account, instrument);
        match self.positions.mode(account) {
            PositionMode::Netting => first,
            PositionMode::Hedging => {
                let short = self.positions.of(account, instrument, PositionSide::Short);
                first.saturating_add(self.unrealized_of(instrument, short))
            }
        }
    }

    /// Profit of a position in an instrument at its mark, in settlement units; 0 without a mark.
    #[inline]
    pub(super) fn unrealized_of(&self, instrument: InstrumentId, position: &Position) -> i128 {
        let definition = self.instrument(instrument).map(|slot| &slot.definition);
        let mark = self.market(instrument).mark();
        definition.zip(mark).and_then(|(definition, mark)| position.unrealized(definition, mark)).unwrap_or(0)
    }

    /// Keeps the highest equity, where equity is counted at all.
    #[inline]
    pub(super) fn note_worth(&mut self, account: AccountId) {
        if !self.reference_currency().is_none() {
            self.keep_worth(account, false);
        }
    }

    fn keep_worth(&mut self, account: AccountId, day_begins: bool) {
        let Some(equity) = self.equity(account) else {
            return;
        };
        let worth = self.accounts.worth(account);
        if worth.is_known && !day_begins && equity <= worth.peak {
            return;
        }
        self.accounts.worths.change(account, &mut self.digest, |worth| {
            if day_begins || !worth.is_known {
                worth.day_equity = equity;
            }
            worth.peak = if worth.is_known { worth.peak.max(equity) } else { equity };
            worth.is_known = true;
        });
    }

    /// Keeps the highest equity of every account.
    pub(super) fn note_all_worths(&mut self) {
        self.keep_all_worths(false);
    }

    fn keep_all_worths(&mut self, day_begins: bool) {
        if self.reference_currency().is_none() {
            return;
        }
        for number in (0..).take(crate::limits::ACCOUNTS_MAX) {
            self.keep_worth(AccountId(number), day_begins);
        }
    }

    /// What was counted in another reference currency means nothing any more.
    pub(super) fn forget_all_worths(&mut self) {
        for number in (0..).take(crate::limits::ACCOUNTS_MAX) {
            if self.accounts.worth(AccountId(number)).is_known {
                let forget = |worth: &mut crate::accounts::worth::Worth| {
                    (worth.is_known, worth.peak, worth.day_equity) = (false, 0, 0);
                };
                self.accounts.worths.change(AccountId(number), &mut self.digest, forget);
            }
        }
        self.forget_watched_worths();
    }

    /// Money came from outside or left: no profit and no loss, so the figures move along.
    pub(super) fn shift_worth(&mut self, account: AccountId, currency: CurrencyId, amount: i128) {
        if let Some(shift) = self.in_reference(currency, amount)
            && self.accounts.worth(account).is_known
        {
            self.accounts.worths.change(account, &mut self.digest, |worth| {
                worth.peak = worth.peak.saturating_add(shift);
                worth.day_equity = worth.day_equity.saturating_add(shift);
            });
        }
        self.note_worth(account);
    }

    /// A new UTC day: losses of the day are counted from here. Runs before the first command of the day, on what was
    /// known at midnight; at most once a day, over all accounts and what they hold.
    pub(super) fn day_begins(&mut self, stamp: Stamp) {
        let day = stamp.time_ns.0 / DAY_NS;
        self.day_ends = TimeNs((day + 1).saturating_mul(DAY_NS));
        self.keep_all_worths(true);
        self.restart_risk_day();
    }
}

/// A UTC day; the Unix epoch knows no leap seconds.
pub(super) const DAY_NS: u64 = 86_400_000_000_000;
