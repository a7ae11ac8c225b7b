//! What was worked out of positions and balances: kept with all that it follows from, and used while that is the same.
//!
//! What a mark makes of an instrument's quantities is worked out once for all accounts, and a row of an account's
//! position is used while those figures and its quantities are the same. The sums of an account ask which of its
//! positions and balances were lent out to be changed since, and which markets; that is all that those tell, so they cost
//! nothing to who sets no such limit. All is a function of the state alone: it decides nothing by itself and is in no
//! digest. Only figures that fit 64 bits are kept (balances: 128), so that sums of them cannot overflow; all others,
//! those of hedged pairs and of a market without a mark are worked out anew each time. What definitions fix need not be
//! compared; where a conversion is set, everything is forgotten. Units: the reference currency's, but for the profit in
//! settlement units. Builds with debug assertions compare every figure that is used with the same one worked out anew.

mod narrow;
mod priced;

pub(crate) use narrow::Narrow;

use super::Machine;
use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX, INSTRUMENTS_MAX};
use crate::positions::{Position, bits};
use crate::risk::account_exposure::mark_of;
use narrow::within_bounds;
use priced::Priced;
use std::cell::Cell;
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, InstrumentKind, PositionMode, Qty};

/// What of an account's position in an instrument is in its sums; nothing but zeros where none is.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// [`Priced::epoch`] of the figures that it was worked out with.
    epoch: u64,
    /// Quantity with all open buys filled, and its value; the same with all open sells.
    longest: i64,
    long: i64,
    shortest: i64,
    short: i64,
    /// Profit of a quantity and its cost; 0 of a spot holding, which counts as a balance.
    qty: i64,
    cost: i64,
    profit: i64,
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

/// Sums over what an account has. Positions and balances that were touched since are counted anew, and those whose
/// market has moved.
#[derive(Debug, Default)]
struct Sums {
    /// Whether they were ever worked out since a conversion was set.
    is_whole: Cell<bool>,
    /// [`Memo::moves`] then.
    moves: Cell<u64>,
    /// Instruments that are counted, a bit each, and those whose marks make rates.
    counted: Cell<u64>,
    ways: Cell<u64>,
    /// `None` where a currency has no rate.
    cash: Cell<Option<i128>>,
    equity: Cell<Option<i128>>,
    profits: Cell<i64>,
    exposure: Cell<Narrow>,
}

/// What was worked out.
#[derive(Debug)]
pub(super) struct Memo {
    rows: Box<[Cell<Row>]>,
    balances: Box<[Cell<Converted>]>,
    sums: Box<[Sums]>,
    priced: Box<[Priced]>,
    /// The last epoch of figures.
    epoch: Cell<u64>,
    /// How often a market has changed, and how often when each instrument's did.
    moves: u64,
    moved: Box<[u64]>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            rows: vec![Cell::default(); ACCOUNTS_MAX * INSTRUMENTS_MAX].into(),
            balances: vec![Cell::default(); ACCOUNTS_MAX * CURRENCIES_MAX].into(),
            sums: (0..ACCOUNTS_MAX).map(|_| Sums::default()).collect(),
            priced: (0..INSTRUMENTS_MAX).map(|_| Priced::default()).collect(),
            epoch: Cell::new(0),
            moves: 0,
            moved: vec![0; INSTRUMENTS_MAX].into(),
        }
    }

    /// The market of an instrument is to be changed.
    #[inline]
    pub(super) fn note_move(&mut self, instrument: InstrumentId) {
        self.moves += 1;
        self.moved[instrument.0 as usize] = self.moves;
    }

    /// A conversion has changed.
    pub(super) fn clear(&self) {
        self.priced.iter().for_each(Priced::forget);
        self.balances.iter().for_each(|row| row.set(Converted::default()));
        self.sums.iter().for_each(|sums| sums.is_whole.set(false));
    }

    #[inline]
    fn row(&self, account: AccountId, instrument: InstrumentId) -> &Cell<Row> {
        &self.rows[account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize]
    }

    /// Which of some instruments have moved since; a bit each.
    #[inline]
    fn moved_since(&self, moves: u64, instruments: u64) -> u64 {
        if moves == self.moves {
            return 0;
        }
        bits(instruments)
            .filter(|number| self.moved[*number as usize] > moves)
            .fold(0, |all, one| all | 1 << one)
    }
}

impl Machine {
    /// What an account is worth, as [`Machine::equity`] says.
    #[inline]
    pub(crate) fn equity_known(&self, account: AccountId) -> Option<i128> {
        let equity = match self.sums_of(account) {
            Some(sums) => sums.equity.get(),
            None => self.equity(account),
        };
        debug_assert_eq!(equity, self.equity_anew(account), "what was kept still holds");
        equity
    }

    /// Exposure and equity of an account as they are. `None` where the exposure is to be worked out the long way.
    #[inline]
    pub(crate) fn exposure_known(&self, account: AccountId) -> Option<(Narrow, Option<i128>)> {
        let sums = self.sums_of(account)?;
        let (exposure, equity) = (sums.exposure.get(), sums.equity.get());
        debug_assert_eq!(Ok(exposure.wide()), self.other_exposure(account, InstrumentId::NONE));
        debug_assert_eq!(equity, self.equity_anew(account), "what was kept still holds");
        Some((exposure, equity))
    }

    /// Exposure of an account that has a netted position in an instrument with two quantities as its worst ones, and its
    /// equity. `None` where they are to be worked out the long way.
    #[inline]
    pub(crate) fn exposure_quickly(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        (longest, shortest): (i64, i64),
    ) -> Option<(Narrow, Option<i128>)> {
        let sums = self.sums_of(account)?;
        let priced = self.priced(instrument)?;
        let row = self.memo.row(account, instrument).get();
        let is_kept = row.epoch == priced.epoch();
        let long = if is_kept && row.longest == longest {
            row.long
        } else {
            self.value(priced, instrument, longest)?
        };
        let short = if is_kept && row.shortest == shortest {
            row.short
        } else {
            self.value(priced, instrument, shortest)?
        };
        let before = row.exposure();
        debug_assert_eq!(
            Ok(sums.exposure.get().with(&before, &Narrow::default()).wide()),
            self.other_exposure(account, instrument),
            "what was kept still holds"
        );
        Some((sums.exposure.get().with(&before, &Narrow::of(long, short)), sums.equity.get()))
    }

    /// The sums of an account as they are now; `None` where they are to be worked out the long way.
    #[inline]
    fn sums_of(&self, account: AccountId) -> Option<&Sums> {
        let sums = &self.memo.sums[account.0 as usize];
        let is_known = sums.is_whole.get()
            && sums.moves.get() == self.memo.moves
            && !self.accounts.worths.is_touched(account)
            && self.positions.touched(account) == 0;
        if is_known || self.bring_up_to_date(sums, account).is_some() { Some(sums) } else { None }
    }

    #[inline(never)]
    fn bring_up_to_date(&self, sums: &Sums, account: AccountId) -> Option<()> {
        if self.positions.mode(account) == PositionMode::Hedging {
            return None;
        }
        let mut stale = self.positions.touched(account);
        let mut is_cash_stale = self.accounts.worths.is_touched(account);
        if sums.is_whole.get() {
            stale |= self.memo.moved_since(sums.moves.get(), sums.counted.get());
            if self.memo.moved_since(sums.moves.get(), sums.ways.get()) != 0 {
                stale |= sums.counted.get();
                is_cash_stale = true;
            }
        } else {
            if self.reference_currency().is_none() || self.accounts.account(account).is_none() {
                return None;
            }
            self.begin_sums(sums, account);
            stale = self.positions.busy_bits(account);
            is_cash_stale = true;
        }
        // Until it is through.
        sums.is_whole.set(false);
        self.count_rows(sums, account, stale)?;
        if is_cash_stale {
            sums.cash.set(self.cash_sum(account));
        }
        sums.equity.set(sums.cash.get().and_then(|cash| cash.checked_add(sums.profits.get().into())));
        self.positions.untouch(account);
        self.accounts.worths.untouch(account);
        sums.moves.set(self.memo.moves);
        sums.is_whole.set(true);
        Some(())
    }

    /// Counts some positions anew. `None` where one is to be worked out the long way.
    #[inline]
    fn count_rows(&self, sums: &Sums, account: AccountId, stale: u64) -> Option<()> {
        let mut exposure = sums.exposure.get();
        let (mut profits, mut counted) = (sums.profits.get(), sums.counted.get());
        let mut rest = bits(stale);
        let failed = rest.find(|number| {
            let cell = self.memo.row(account, InstrumentId(*number));
            let before = cell.get();
            let Some(now) = self.row_anew(&before, account, InstrumentId(*number)) else { return true };
            cell.set(now);
            exposure = exposure.with(&before.exposure(), &now.exposure());
            profits += now.profit - before.profit;
            // A row of figures is one that counts.
            counted = counted & !(1 << number) | u64::from(now.epoch != 0) << number;
            false
        });
        sums.exposure.set(exposure);
        sums.profits.set(profits);
        sums.counted.set(counted);
        failed.is_none().then_some(())
    }

    /// Nothing is counted yet.
    fn begin_sums(&self, sums: &Sums, account: AccountId) {
        for number in bits(sums.counted.get()) {
            self.memo.row(account, InstrumentId(number)).set(Row::default());
        }
        sums.counted.set(0);
        sums.profits.set(0);
        sums.exposure.set(Narrow::default());
        let ways = (0..).take(CURRENCIES_MAX).map(|number| self.way_of(CurrencyId(number)));
        let ways = ways.filter(|way| !way.is_none());
        sums.ways.set(ways.fold(0, |all, way| all | 1 << way.0));
    }

    /// What is to be kept of an account's position.
    #[inline]
    fn row_anew(&self, before: &Row, account: AccountId, instrument: InstrumentId) -> Option<Row> {
        let position = self.positions.get(account, instrument);
        if position.is_idle() {
            return Some(Row::default());
        }
        let priced = self.priced(instrument)?;
        let epoch = priced.epoch();
        let is_kept = before.epoch == epoch;
        let (longest, shortest, qty) = (position.worst_long(), position.worst_short(), position.qty);
        let long = if is_kept && before.longest == longest {
            before.long
        } else {
            self.value(priced, instrument, longest)?
        };
        let short = if is_kept && before.shortest == shortest {
            before.short
        } else if shortest == longest {
            long
        } else {
            self.value(priced, instrument, shortest)?
        };
        let cost = i64::try_from(position.open_cost).ok()?;
        let profit = if is_kept && (before.qty, before.cost) == (qty, cost) {
            before.profit
        } else {
            self.profit_value(priced, instrument, position, cost)?
        };
        Some(Row { epoch, longest, long, shortest, short, qty, cost, profit })
    }

    fn cash_sum(&self, account: AccountId) -> Option<i128> {
        let mut cash = 0_i128;
        for currency in self.accounts.held(account) {
            cash = cash.checked_add(self.cash_in_reference(account, currency)?)?;
        }
        Some(cash)
    }

    /// What today's mark and rate make of an instrument; `None` where there is no mark or no rate.
    #[inline]
    fn priced(&self, instrument: InstrumentId) -> Option<&Priced> {
        let row = &self.memo.priced[instrument.0 as usize];
        let moved = self.memo.moved[instrument.0 as usize].max(self.memo.moved[row.way().0 as usize]);
        if row.is_current(moved) { Some(row) } else { self.price(row, instrument) }
    }

    #[inline(never)]
    fn price<'a>(&self, row: &'a Priced, instrument: InstrumentId) -> Option<&'a Priced> {
        let mark = self.market(instrument).mark()?;
        let definition = &self.instrument(instrument)?.definition;
        let way = self.way_of(definition.settlement);
        let rate_mark = if way.is_none() { 0 } else { self.rate_mark(way)? };
        let next_epoch = self.memo.epoch.get() + 1;
        row.price(definition, mark, (way, rate_mark), || self.rate_of(definition.settlement), next_epoch);
        self.memo.epoch.set(next_epoch);
        row.note_seen(self.memo.moves);
        Some(row)
    }

    #[inline]
    fn is_rate(&self, way: InstrumentId, rate: i64) -> bool {
        way.is_none() || self.rate_mark(way) == Some(rate)
    }

    /// Value of a position of a quantity, with its sign.
    #[inline]
    fn value(&self, priced: &Priced, instrument: InstrumentId, qty: i64) -> Option<i64> {
        let quickly = priced.value(qty);
        debug_assert!(quickly.is_none_or(|value| self.value_wide(instrument, qty) == Some(value)));
        if quickly.is_some() { quickly } else { self.value_wide(instrument, qty) }
    }

    #[inline(never)]
    fn value_wide(&self, instrument: InstrumentId, qty: i64) -> Option<i64> {
        let of = &self.instrument(instrument)?.definition;
        let mark = mark_of(self.market(instrument))?;
        let value = of.value_posted(mark, Qty(qty.saturating_abs()))?.abs();
        within_bounds(self.in_reference(of.settlement, if qty < 0 { -value } else { value })?)
    }

    /// Profit of a position in settlement units; 0 without a mark.
    #[inline]
    pub(super) fn profit(&self, account: AccountId, instrument: InstrumentId) -> i128 {
        let position = self.positions.get(account, instrument);
        let quickly =
            || self.priced(instrument)?.profit(position.qty, i64::try_from(position.open_cost).ok()?);
        let profit = quickly().map_or_else(|| self.unrealized_of(instrument, position), i128::from);
        debug_assert_eq!(profit, self.unrealized_of(instrument, position));
        profit
    }

    /// Profit of a position in the reference currency; 0 of a spot holding.
    #[inline]
    fn profit_value(
        &self,
        priced: &Priced,
        instrument: InstrumentId,
        position: &Position,
        cost: i64,
    ) -> Option<i64> {
        let of = &self.instrument(instrument)?.definition;
        if position.qty == 0 || of.kind == InstrumentKind::Spot {
            return Some(0);
        }
        if let Some(profit) = priced.profit_value(position.qty, cost) {
            debug_assert_eq!(Some(profit), self.profit_wide(instrument, position));
            return Some(profit);
        }
        self.profit_wide(instrument, position)
    }

    #[inline(never)]
    fn profit_wide(&self, instrument: InstrumentId, position: &Position) -> Option<i64> {
        let settlement = self.instrument(instrument)?.definition.settlement;
        let profit = self.unrealized_of(instrument, position);
        within_bounds(self.in_reference(settlement, profit)?)
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

impl Row {
    #[inline]
    fn exposure(&self) -> Narrow {
        Narrow::of(self.long, self.short)
    }
}
