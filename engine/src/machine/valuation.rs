//! What was worked out of positions and balances: kept with all that it follows from, and used while that is the same.
//!
//! A market, a fill or an order need not tell that it changed anything: who asks compares. The values are functions of
//! the state alone, so they decide nothing by themselves and are in no digest. Only figures that fit 64 bits are kept
//! (balances: 128), so that sums of them cannot overflow; all others, those of hedged pairs and of a market without a
//! mark are worked out anew each time. What definitions fix need not be compared; where a conversion is set, everything
//! is forgotten. Units: the reference currency's, but for the profit in settlement units. Builds with debug assertions
//! compare every figure that is used with the same one worked out anew.

use super::Machine;
use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX, INSTRUMENTS_MAX};
use crate::positions::Position;
use crate::risk::account_exposure::{Exposure, mark_of};
use std::cell::Cell;
use tickwerk_domain::{
    AccountId, CurrencyId, InstrumentId, InstrumentKind, PositionMode, Price, Qty, Sequence,
};

/// A quantity with its value.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    qty: i64,
    value: i64,
    is_known: bool,
}

/// Profit of a position of a quantity and a cost.
#[derive(Clone, Copy, Debug, Default)]
struct Profit {
    qty: i64,
    cost: i64,
    /// In settlement units.
    profit: i64,
    value: i64,
    is_known: bool,
    /// Whether `value` is.
    is_converted: bool,
}

/// Values of an account's position in an instrument, at a mark and a rate.
#[derive(Debug, Default)]
struct Row {
    is_known: Cell<bool>,
    mark: Cell<(Price, Price)>,
    /// The instrument whose mark makes the rate; none where the rate is fixed.
    way: Cell<InstrumentId>,
    rate: Cell<i64>,
    /// With all open buys filled, and with all open sells.
    long: Cell<Value>,
    short: Cell<Value>,
    profit: Cell<Profit>,
}

/// An amount of a currency in the reference currency, at a rate.
#[derive(Clone, Copy, Debug, Default)]
struct Converted {
    is_known: bool,
    way: InstrumentId,
    rate: i64,
    amount: i128,
    value: i128,
}

/// What holds for an account since the last record before this command.
#[derive(Debug, Default)]
struct Account {
    of: Cell<Sequence>,
    account: Cell<AccountId>,
    equity: Cell<Option<i128>>,
    /// Exposure in all instruments but one.
    except: Cell<InstrumentId>,
    others: Cell<Option<Exposure>>,
}

/// What was worked out.
#[derive(Debug)]
pub(super) struct Memo {
    rows: Box<[Row]>,
    balances: Box<[Cell<Converted>]>,
    account: Account,
    /// The instrument that the command is about.
    about: Cell<InstrumentId>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            rows: (0..ACCOUNTS_MAX * INSTRUMENTS_MAX).map(|_| Row::default()).collect(),
            balances: vec![Cell::default(); ACCOUNTS_MAX * CURRENCIES_MAX].into(),
            account: Account::default(),
            about: Cell::default(),
        }
    }

    /// A conversion has changed.
    pub(super) fn clear(&self) {
        self.rows.iter().for_each(|row| row.is_known.set(false));
        self.balances.iter().for_each(|row| row.set(Converted::default()));
        self.account.of.set(Sequence::default());
    }

    #[inline]
    fn row(&self, account: AccountId, instrument: InstrumentId) -> &Row {
        &self.rows[account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize]
    }
}

impl Machine {
    /// What is asked for next is about this instrument.
    #[inline]
    pub(super) fn is_about(&self, instrument: InstrumentId) {
        self.memo.about.set(instrument);
    }

    /// Forgets what holds for this command: markets, positions, money or rates have changed within it.
    #[inline]
    pub(super) fn forget_worth(&self) {
        self.memo.account.of.set(Sequence::default());
    }

    /// Forgets what was worked out of other instruments: an order in this one came or went.
    #[inline]
    pub(super) fn forget_exposure(&self, instrument: InstrumentId) {
        if self.memo.account.except.get() != instrument {
            self.memo.account.others.set(None);
        }
    }

    /// What an account is worth; worked out once a command.
    #[inline]
    pub(crate) fn equity_known(&self, account: AccountId) -> Option<i128> {
        let known = self.of_account(account);
        let equity = known.equity.get().or_else(|| {
            known.equity.set(self.equity(account));
            known.equity.get()
        });
        debug_assert_eq!(equity, self.equity_anew(account), "what was kept still holds");
        equity
    }

    /// Exposure of an account that has a netted position in an instrument with two quantities as its worst ones. `None`
    /// where it is to be worked out the long way.
    #[inline]
    pub(crate) fn exposure_quickly(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        (longest, shortest): (i64, i64),
    ) -> Option<Exposure> {
        if self.positions.mode(account) == PositionMode::Hedging {
            return None;
        }
        let mut known = self.of_account(account);
        if known.except.get() != instrument || known.others.get().is_none() {
            self.is_about(instrument);
            known = self.work_out(account);
        }
        let others = known.others.get()?;
        debug_assert_eq!(Ok(others), self.other_exposure(account, instrument), "what was kept still holds");
        let row = self.at_mark(account, instrument)?;
        let (long, short) = self.values(row, instrument, (longest, shortest))?;
        Some(Exposure {
            gross: others.gross + i128::from(long.unsigned_abs().max(short.unsigned_abs())),
            long: others.long + i128::from(long),
            short: others.short + i128::from(short),
        })
    }

    #[inline]
    fn of_account(&self, account: AccountId) -> &Account {
        let known = &self.memo.account;
        if (known.of.get(), known.account.get()) == (self.last.sequence, account) && !account.is_none() {
            known
        } else {
            self.work_out(account)
        }
    }

    fn work_out(&self, account: AccountId) -> &Account {
        let known = &self.memo.account;
        let except = self.memo.about.get();
        known.of.set(self.last.sequence);
        known.account.set(account);
        known.except.set(except);
        let sums = self.work_out_positions(account, except);
        known.equity.set(sums.and_then(|(profits, _)| self.work_out_cash(account)?.checked_add(profits)));
        known.others.set(sums.map(|(_, others)| others));
        known
    }

    #[inline]
    fn work_out_cash(&self, account: AccountId) -> Option<i128> {
        let mut cash = 0_i128;
        for currency in self.accounts.held(account) {
            cash = cash.checked_add(self.cash_in_reference(account, currency)?)?;
        }
        Some(cash)
    }

    /// Profits, and exposure in all instruments but one. `None` where they are to be worked out the long way.
    #[inline]
    fn work_out_positions(&self, account: AccountId, except: InstrumentId) -> Option<(i128, Exposure)> {
        let is_counted = !self.reference_currency().is_none() && self.accounts.account(account).is_some();
        if !is_counted || self.positions.mode(account) == PositionMode::Hedging {
            return None;
        }
        let (mut others, mut profits) = (Exposure::default(), 0);
        for instrument in self.positions.busy(account) {
            let position = self.positions.get(account, instrument);
            let row = self.at_mark(account, instrument)?;
            if instrument != except {
                let worst = (position.worst_long(), position.worst_short());
                let (long, short) = self.values(row, instrument, worst)?;
                others.gross += i128::from(long.unsigned_abs().max(short.unsigned_abs()));
                others.long += i128::from(long);
                others.short += i128::from(short);
            }
            if position.qty != 0 {
                profits += i128::from(self.profit_value(row, instrument, position)?);
            }
        }
        Some((profits, others))
    }

    /// What is kept of a position at today's mark and rate; `None` where there is no mark or no rate.
    #[inline]
    fn at_mark(&self, account: AccountId, instrument: InstrumentId) -> Option<&Row> {
        let mark = self.market(instrument).mark()?;
        let row = self.memo.row(account, instrument);
        if row.is_known.get() && row.mark.get() == mark && self.is_rate(row.way.get(), row.rate.get()) {
            Some(row)
        } else {
            self.restart(row, instrument, mark)
        }
    }

    #[inline]
    fn is_rate(&self, way: InstrumentId, rate: i64) -> bool {
        way.is_none() || self.rate_mark(way) == Some(rate)
    }

    #[inline(never)]
    fn restart<'a>(&self, row: &'a Row, instrument: InstrumentId, mark: (Price, Price)) -> Option<&'a Row> {
        let way = self.way_of(self.instrument(instrument)?.definition.settlement);
        let rate = if way.is_none() { 0 } else { self.rate_mark(way)? };
        row.is_known.set(true);
        row.mark.set(mark);
        row.way.set(way);
        row.rate.set(rate);
        row.long.set(Value::default());
        row.short.set(Value::default());
        row.profit.set(Profit::default());
        Some(row)
    }

    /// Values of a position of two quantities, with their signs.
    #[inline]
    fn values(
        &self,
        row: &Row,
        instrument: InstrumentId,
        (longest, shortest): (i64, i64),
    ) -> Option<(i64, i64)> {
        let (mut long, mut short) = (row.long.get(), row.short.get());
        if !(long.is_known && long.qty == longest) {
            long = self.value(row, instrument, longest)?;
            row.long.set(long);
        }
        if !(short.is_known && short.qty == shortest) {
            short = if shortest == longest { long } else { self.value(row, instrument, shortest)? };
            row.short.set(short);
        }
        Some((long.value, short.value))
    }

    #[inline(never)]
    fn value(&self, row: &Row, instrument: InstrumentId, qty: i64) -> Option<Value> {
        debug_assert_eq!(Some(row.mark.get()), self.market(instrument).mark());
        let of = &self.instrument(instrument)?.definition;
        let mark = mark_of(self.market(instrument))?;
        let value = of.value_posted(mark, Qty(qty.saturating_abs()))?.abs();
        let value = self.in_reference(of.settlement, if qty < 0 { -value } else { value })?;
        Some(Value { qty, value: i64::try_from(value).ok()?, is_known: true })
    }

    /// Profit of a position in settlement units; 0 without a mark.
    #[inline]
    pub(super) fn profit(&self, account: AccountId, instrument: InstrumentId) -> i128 {
        let position = self.positions.get(account, instrument);
        let quickly = || {
            let row = self.at_mark(account, instrument)?;
            Some(self.profit_of(row, instrument, position)?.profit)
        };
        let profit = quickly().map_or_else(|| self.unrealized_of(instrument, position), i128::from);
        debug_assert_eq!(profit, self.unrealized_of(instrument, position));
        profit
    }

    #[inline]
    fn profit_of(&self, row: &Row, instrument: InstrumentId, position: &Position) -> Option<Profit> {
        let known = row.profit.get();
        if known.is_known && (known.qty, i128::from(known.cost)) == (position.qty, position.open_cost) {
            Some(known)
        } else {
            self.profit_anew(row, instrument, position)
        }
    }

    #[inline(never)]
    fn profit_anew(&self, row: &Row, instrument: InstrumentId, position: &Position) -> Option<Profit> {
        let of = &self.instrument(instrument)?.definition;
        let cost = i64::try_from(position.open_cost).ok()?;
        let profit = i64::try_from(self.unrealized_of(instrument, position)).ok()?;
        let value = match of.kind {
            // What is held counts as a balance.
            InstrumentKind::Spot => Some(0),
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                self.in_reference(of.settlement, profit.into()).and_then(|value| i64::try_from(value).ok())
            }
        };
        let (is_converted, value) = (value.is_some(), value.unwrap_or(0));
        let profit = Profit { qty: position.qty, cost, profit, value, is_known: true, is_converted };
        row.profit.set(profit);
        Some(profit)
    }

    /// Profit of a position in the reference currency; 0 of a spot holding.
    #[inline]
    fn profit_value(&self, row: &Row, instrument: InstrumentId, position: &Position) -> Option<i64> {
        let profit = self.profit_of(row, instrument, position)?;
        profit.is_converted.then_some(profit.value)
    }

    /// What an account has of a currency in the reference currency.
    #[inline]
    pub(super) fn cash_in_reference(&self, account: AccountId, currency: CurrencyId) -> Option<i128> {
        let amount = self.accounts.balance(account, currency).cash;
        if currency == self.reference_currency() || amount == 0 {
            return Some(amount);
        }
        let cell = &self.memo.balances[account.0 as usize * CURRENCIES_MAX + currency.0 as usize];
        let row = cell.get();
        let value = if row.is_known && row.amount == amount && self.is_rate(row.way, row.rate) {
            row.value
        } else {
            self.converted(cell, currency, amount)?
        };
        debug_assert_eq!(Some(value), self.in_reference(currency, amount));
        Some(value)
    }

    #[inline(never)]
    fn converted(&self, cell: &Cell<Converted>, currency: CurrencyId, amount: i128) -> Option<i128> {
        let value = self.in_reference(currency, amount)?;
        let way = self.way_of(currency);
        if let Some(rate) = if way.is_none() { Some(0) } else { self.rate_mark(way) } {
            cell.set(Converted { is_known: true, way, rate, amount, value });
        }
        Some(value)
    }
}
