//! What was worked out of positions and balances: kept with all that it follows from, and used while that is the same.
//!
//! A row is used where what it was worked out from is the same, by comparison. The sums of an account ask which of its
//! positions and balances were lent out to be changed since, and which markets; that is all that those tell, so they cost
//! nothing to who sets no such limit. All is a function of the state alone: it decides nothing by itself and is in no
//! digest. Only figures that fit 64 bits are kept (balances: 128), so that sums of them cannot overflow; all others,
//! those of hedged pairs and of a market without a mark are worked out anew each time. What definitions fix need not be
//! compared; where a conversion is set, everything is forgotten. Units: the reference currency's, but for the profit in
//! settlement units. Builds with debug assertions compare every figure that is used with the same one worked out anew.

mod narrow;

pub(crate) use narrow::Narrow;

use super::Machine;
use crate::limits::{ACCOUNTS_MAX, CURRENCIES_MAX, INSTRUMENTS_MAX};
use crate::positions::{Position, bits};
use crate::risk::account_exposure::mark_of;
use narrow::{Units, within_bounds};
use std::cell::Cell;
use tickwerk_domain::{AccountId, CurrencyId, InstrumentId, InstrumentKind, PositionMode, Price, Qty};

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
    /// Whether it settles in the reference currency.
    is_reference: Cell<bool>,
    /// The instrument whose mark makes the rate; none where the rate is fixed.
    way: Cell<InstrumentId>,
    mark: Cell<(Price, Price)>,
    rate: Cell<i64>,
    /// With all open buys filled, and with all open sells.
    long: Cell<Value>,
    short: Cell<Value>,
    profit: Cell<Profit>,
    /// What of it is in the sums of the account.
    counted: Cell<Counted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    long: i64,
    short: i64,
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
    profits: Cell<i64>,
    exposure: Cell<Narrow>,
}

/// What was worked out.
#[derive(Debug)]
pub(super) struct Memo {
    rows: Box<[Row]>,
    balances: Box<[Cell<Converted>]>,
    sums: Box<[Sums]>,
    units: Units,
    /// How often a market has changed, and how often when each instrument's did.
    moves: u64,
    moved: Box<[u64]>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self {
            rows: (0..ACCOUNTS_MAX * INSTRUMENTS_MAX).map(|_| Row::default()).collect(),
            balances: vec![Cell::default(); ACCOUNTS_MAX * CURRENCIES_MAX].into(),
            sums: (0..ACCOUNTS_MAX).map(|_| Sums::default()).collect(),
            units: Units::new(),
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
        self.rows.iter().for_each(|row| row.is_known.set(false));
        self.balances.iter().for_each(|row| row.set(Converted::default()));
        self.sums.iter().for_each(|sums| sums.is_whole.set(false));
    }

    #[inline]
    fn row(&self, account: AccountId, instrument: InstrumentId) -> &Row {
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
            Some(sums) => sums.cash.get().and_then(|cash| cash.checked_add(sums.profits.get().into())),
            None => self.equity(account),
        };
        debug_assert_eq!(equity, self.equity_anew(account), "what was kept still holds");
        equity
    }

    /// Exposure of an account as it is. `None` where it is to be worked out the long way.
    #[inline]
    pub(crate) fn exposure_known(&self, account: AccountId) -> Option<Narrow> {
        let exposure = self.sums_of(account)?.exposure.get();
        debug_assert_eq!(Ok(exposure.wide()), self.other_exposure(account, InstrumentId::NONE));
        Some(exposure)
    }

    /// Exposure of an account that has a netted position in an instrument with two quantities as its worst ones. `None`
    /// where it is to be worked out the long way.
    #[inline]
    pub(crate) fn exposure_quickly(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        worst: (i64, i64),
    ) -> Option<Narrow> {
        let sums = self.sums_of(account)?;
        let is_counted = sums.counted.get() >> instrument.0 & 1 != 0;
        let row =
            if is_counted { self.memo.row(account, instrument) } else { self.at_mark(account, instrument)? };
        let counted = row.counted.get();
        let (long, short) = self.values(row, instrument, worst)?;
        let before = Narrow::of(counted.long, counted.short);
        debug_assert_eq!(
            Ok(sums.exposure.get().with(&before, &Narrow::default()).wide()),
            self.other_exposure(account, instrument),
            "what was kept still holds"
        );
        Some(sums.exposure.get().with(&before, &Narrow::of(long, short)))
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
        let is_asked = !self.reference_currency().is_none() && self.accounts.account(account).is_some();
        if !is_asked || self.positions.mode(account) == PositionMode::Hedging {
            return None;
        }
        let mut stale = self.positions.touched(account);
        let mut is_cash_stale = self.accounts.worths.is_touched(account);
        let mut moved = 0;
        if sums.is_whole.get() {
            let counted = sums.counted.get();
            moved = self.memo.moved_since(sums.moves.get(), counted);
            if self.memo.moved_since(sums.moves.get(), sums.ways.get()) != 0 {
                moved = counted;
                is_cash_stale = true;
            }
            stale |= moved;
        } else {
            self.begin_sums(sums, account);
            stale = self.positions.busy_bits(account);
            is_cash_stale = true;
        }
        // Until it is through.
        sums.is_whole.set(false);
        for number in bits(stale) {
            self.count_row(sums, account, InstrumentId(number), moved >> number & 1 != 0)?;
        }
        if is_cash_stale {
            sums.cash.set(self.cash_sum(account));
        }
        self.positions.untouch(account);
        self.accounts.worths.untouch(account);
        sums.moves.set(self.memo.moves);
        sums.is_whole.set(true);
        Some(())
    }

    /// Nothing is counted yet.
    fn begin_sums(&self, sums: &Sums, account: AccountId) {
        for number in bits(sums.counted.get()) {
            self.memo.row(account, InstrumentId(number)).counted.set(Counted::default());
        }
        sums.counted.set(0);
        sums.profits.set(0);
        sums.exposure.set(Narrow::default());
        let ways = (0..).take(CURRENCIES_MAX).map(|number| self.way_of(CurrencyId(number)));
        let ways = ways.filter(|way| !way.is_none());
        sums.ways.set(ways.fold(0, |all, way| all | 1 << way.0));
    }

    #[inline]
    fn count_row(
        &self,
        sums: &Sums,
        account: AccountId,
        instrument: InstrumentId,
        has_moved: bool,
    ) -> Option<()> {
        let position = self.positions.get(account, instrument);
        let (row, bit) = (self.memo.row(account, instrument), 1 << instrument.0);
        let mut counted = Counted::default();
        if position.is_idle() {
            sums.counted.set(sums.counted.get() & !bit);
        } else {
            if has_moved || sums.counted.get() & bit == 0 {
                self.at_mark(account, instrument)?;
            }
            let worst = (position.worst_long(), position.worst_short());
            (counted.long, counted.short) = self.values(row, instrument, worst)?;
            if position.qty != 0 {
                counted.profit = self.profit_value(row, instrument, position)?;
            }
            sums.counted.set(sums.counted.get() | bit);
        }
        let before = row.counted.replace(counted);
        sums.profits.set(sums.profits.get() - before.profit + counted.profit);
        let (out, now) = (Narrow::of(before.long, before.short), Narrow::of(counted.long, counted.short));
        sums.exposure.set(sums.exposure.get().with(&out, &now));
        Some(())
    }

    fn cash_sum(&self, account: AccountId) -> Option<i128> {
        let mut cash = 0_i128;
        for currency in self.accounts.held(account) {
            cash = cash.checked_add(self.cash_in_reference(account, currency)?)?;
        }
        Some(cash)
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
        let settlement = self.instrument(instrument)?.definition.settlement;
        let way = self.way_of(settlement);
        let rate = if way.is_none() { 0 } else { self.rate_mark(way)? };
        row.is_known.set(true);
        row.is_reference.set(settlement == self.reference_currency());
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
        if row.is_reference.get()
            && let Some(value) = self.memo.units.value(of, mark.0, qty.saturating_abs())
        {
            debug_assert_eq!(of.value_posted(mark, Qty(qty.saturating_abs())), Some(value.into()));
            let value = if qty < 0 { -value.abs() } else { value.abs() };
            return Some(Value { qty, value: within_bounds(value)?, is_known: true });
        }
        let value = of.value_posted(mark, Qty(qty.saturating_abs()))?.abs();
        let value = self.in_reference(of.settlement, if qty < 0 { -value } else { value })?;
        Some(Value { qty, value: within_bounds(value)?, is_known: true })
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
        let profit = match self.memo.units.profit(of, row.mark.get(), position.qty, cost) {
            Some(profit) => profit,
            None => i64::try_from(self.unrealized_of(instrument, position)).ok()?,
        };
        debug_assert_eq!(i128::from(profit), self.unrealized_of(instrument, position));
        let value = match of.kind {
            // What is held counts as a balance.
            InstrumentKind::Spot => Some(0),
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                self.in_reference(of.settlement, profit.into()).and_then(within_bounds)
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
