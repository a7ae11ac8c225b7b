//! What was worked out of positions and balances: kept with all that it follows from, and used while that is the same.
//!
//! A market, a fill or an order need not tell that it changed anything: who asks compares. The values are functions of
//! the state alone, so they decide nothing by themselves and are in no digest. Only figures that fit 64 bits are kept
//! (balances: 128), so that sums of them cannot overflow; all others, and those of hedged pairs, are worked out anew
//! each time. What definitions fix need not be compared; where a conversion is set, everything is forgotten. Units: the
//! reference currency's, but for the profit in settlement units.

use super::Machine;
use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX, INSTRUMENTS_MAX};
use crate::risk::account_exposure::{Exposure, mark_of};
use std::cell::Cell;
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, Price, Qty, Sequence};

/// Values of a position with its open orders, at a mark and a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Valued {
    mark: Price,
    rate: i64,
    /// Quantity if all open buys were filled, and its value; and if all open sells were.
    long: Kept,
    short: Kept,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    qty: i64,
    value: i64,
    is_known: bool,
}

/// Profit of a position at a mark.
#[derive(Clone, Copy, Debug, Default)]
struct Profit {
    is_known: bool,
    mark: (Price, Price),
    qty: i64,
    cost: i64,
    /// In settlement units.
    profit: i64,
}

/// An amount of a currency in the reference currency, at a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Converted {
    is_known: bool,
    rate: i64,
    amount: i128,
    value: i128,
}

/// Equity of an account since the last record before this command.
#[derive(Clone, Copy, Debug, Default)]
struct Equity {
    of: Sequence,
    account: AccountId,
    equity: Option<i128>,
}

/// Exposure of an account in all instruments but one, since the last record before this command.
#[derive(Clone, Copy, Debug, Default)]
struct Others {
    of: Sequence,
    account: AccountId,
    except: InstrumentId,
    exposure: Exposure,
}

/// What was worked out.
#[derive(Debug)]
pub(super) struct Memo {
    values: Box<[Cell<Valued>]>,
    profits: Box<[Cell<Profit>]>,
    /// Profits in the reference currency.
    profit_values: Box<[Cell<Converted>]>,
    balances: Box<[Cell<Converted>]>,
    equity: Cell<Equity>,
    others: Cell<Others>,
}

impl Memo {
    pub(super) fn new() -> Self {
        let (pairs, balances) = (ACCOUNTS_MAX * INSTRUMENTS_MAX, ACCOUNTS_MAX * CURRENCIES_MAX);
        Self {
            values: vec![Cell::default(); pairs].into(),
            profits: vec![Cell::default(); pairs].into(),
            profit_values: vec![Cell::default(); pairs].into(),
            balances: vec![Cell::default(); balances].into(),
            equity: Cell::default(),
            others: Cell::default(),
        }
    }

    /// A conversion has changed.
    pub(super) fn clear(&self) {
        self.values.iter().for_each(|row| row.set(Valued::default()));
        self.profit_values.iter().chain(&self.balances).for_each(|row| row.set(Converted::default()));
        self.equity.set(Equity::default());
        self.others.set(Others::default());
    }

    #[inline]
    pub(super) fn others_of(
        &self,
        of: Sequence,
        account: AccountId,
        except: InstrumentId,
    ) -> Option<Exposure> {
        let others = self.others.get();
        let is_same = (others.of, others.account, others.except) == (of, account, except);
        is_same.then_some(others.exposure)
    }

    #[inline]
    pub(super) fn keep_others(
        &self,
        of: Sequence,
        account: AccountId,
        except: InstrumentId,
        exposure: Exposure,
    ) {
        self.others.set(Others { of, account, except, exposure });
    }
}

#[inline]
fn pair(account: AccountId, instrument: InstrumentId) -> usize {
    account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize
}

impl Machine {
    /// Forgets what holds for this command: markets, positions, money or rates have changed within it.
    #[inline]
    pub(super) fn forget_worth(&self) {
        self.memo.equity.set(Equity::default());
        self.memo.others.set(Others::default());
    }

    /// Forgets what was worked out of other instruments: an order in this one came or went.
    #[inline]
    pub(super) fn forget_exposure(&self, instrument: InstrumentId) {
        if self.memo.others.get().except != instrument {
            self.memo.others.set(Others::default());
        }
    }

    /// What an account is worth; worked out once a command.
    #[inline]
    pub(crate) fn equity_known(&self, account: AccountId) -> Option<i128> {
        let known = self.memo.equity.get();
        let of = self.last.sequence;
        let equity = if (known.of, known.account) == (of, account) && known.equity.is_some() {
            known.equity
        } else {
            let equity = self.equity(account);
            self.memo.equity.set(Equity { of, account, equity });
            equity
        };
        debug_assert_eq!(equity, self.equity_anew(account), "what was kept still holds");
        equity
    }

    /// Values in the reference currency of a position of two quantities, its worst ones; with their signs. `None` where
    /// they are to be worked out the long way.
    #[inline]
    pub(super) fn valued(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        (longest, shortest): (i64, i64),
    ) -> Option<(i64, i64)> {
        let mark = mark_of(self.market(instrument))?;
        let settlement = self.instrument(instrument)?.definition.settlement;
        let rate = self.rate_mark(settlement)?;
        let cell = &self.memo.values[pair(account, instrument)];
        let row = cell.get();
        if (row.mark, row.rate) == (mark, rate) && row.long.holds(longest) && row.short.holds(shortest) {
            return Some((row.long.value, row.short.value));
        }
        let row = if (row.mark, row.rate) == (mark, rate) { row } else { Valued::default() };
        let long = self.value_kept(row.long, instrument, mark, longest)?;
        let short =
            if shortest == longest { long } else { self.value_kept(row.short, instrument, mark, shortest)? };
        cell.set(Valued { mark, rate, long, short });
        Some((long.value, short.value))
    }

    fn value_kept(&self, known: Kept, instrument: InstrumentId, mark: Price, qty: i64) -> Option<Kept> {
        if known.holds(qty) {
            return Some(known);
        }
        let of = &self.instrument(instrument)?.definition;
        let value = of.value_posted(mark, Qty(qty.saturating_abs()))?.abs();
        let value = self.in_reference(of.settlement, if qty < 0 { -value } else { value })?;
        Some(Kept { qty, value: i64::try_from(value).ok()?, is_known: true })
    }

    /// Profit of a netted or long position at its mark, in settlement units; 0 without a mark.
    #[inline]
    pub(super) fn profit(&self, account: AccountId, instrument: InstrumentId) -> i128 {
        let position = self.positions.get(account, instrument);
        let Some(mark) = self.market(instrument).mark() else { return 0 };
        let cell = &self.memo.profits[pair(account, instrument)];
        let row = cell.get();
        let is_same = row.is_known
            && (row.qty, i128::from(row.cost), row.mark) == (position.qty, position.open_cost, mark);
        let profit = if is_same {
            i128::from(row.profit)
        } else {
            let profit = self.unrealized_of(instrument, position);
            if let (Ok(cost), Ok(narrow)) = (i64::try_from(position.open_cost), i64::try_from(profit)) {
                cell.set(Profit { is_known: true, mark, qty: position.qty, cost, profit: narrow });
            }
            profit
        };
        debug_assert_eq!(profit, self.unrealized_of(instrument, position));
        profit
    }

    /// The profit of an account in an instrument in the reference currency.
    #[inline]
    pub(super) fn profit_in_reference(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        settlement: CurrencyId,
    ) -> Option<i128> {
        let profit = self.unrealized(account, instrument);
        self.converted(&self.memo.profit_values[pair(account, instrument)], settlement, profit)
    }

    /// What an account has of a currency in the reference currency.
    #[inline]
    pub(super) fn cash_in_reference(&self, account: AccountId, currency: CurrencyId) -> Option<i128> {
        let cash = self.accounts.balance(account, currency).cash;
        let place = account.0 as usize * CURRENCIES_MAX + currency.0 as usize;
        self.converted(&self.memo.balances[place], currency, cash)
    }

    #[inline]
    fn converted(&self, cell: &Cell<Converted>, currency: CurrencyId, amount: i128) -> Option<i128> {
        if currency == self.reference_currency() || amount == 0 {
            return Some(amount);
        }
        let Some(rate) = self.rate_mark(currency) else { return self.in_reference(currency, amount) };
        let row = cell.get();
        let value = if row.is_known && (row.rate, row.amount) == (rate, amount) {
            row.value
        } else {
            let value = self.in_reference(currency, amount)?;
            cell.set(Converted { is_known: true, rate, amount, value });
            value
        };
        debug_assert_eq!(Some(value), self.in_reference(currency, amount));
        Some(value)
    }
}

impl Kept {
    #[inline]
    fn holds(&self, qty: i64) -> bool {
        self.is_known && self.qty == qty
    }
}
