//! Positions, balances and sums of an import, by the engine's own arithmetic ([`Position::book`]).
//!
//! What differs from trading: nothing is checked against limits or balances, as it has happened; a position that history
//! begins with brings its asset but costs no cash; positions are marked in the middle of the market's last imported quote,
//! where that has both sides, or else at its last imported trade, or else at the fill. A fee that is neither in the settlement nor, for spot, in the base currency is posted, and not counted in the
//! position's fees, as where the engine has no rate.

use std::collections::BTreeMap;
use tickwerk_domain::event::{FundingPosted, LEGS_PER_POSTING_MAX, LedgerBook, Leg, PositionChanged, Posted};
use tickwerk_domain::numbers::{checked_product, divide_half_even};
use tickwerk_domain::{
    AccountId, CurrencyId, Event, Instrument, InstrumentId, InstrumentKind, Money, PositionChange,
    PositionSide, Price, Qty, Side,
};
use tickwerk_engine::positions::{Booked, Position};
use tickwerk_import::{FillRow, FundingRow, Names, QuoteRow};

/// Where a position is kept.
pub(crate) type Key = (AccountId, InstrumentId, PositionSide);

/// What an account traded of an instrument; values in the settlement currency, as they were posted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traded {
    pub(crate) fills: u64,
    pub(crate) bought: i128,
    pub(crate) bought_value: i128,
    pub(crate) sold: i128,
    pub(crate) sold_value: i128,
    pub(crate) realized: i128,
}

/// What came to an account of a currency and what left it, beside trading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moved {
    pub(crate) came: i128,
    pub(crate) left: i128,
    /// What is there behind the last row.
    pub(crate) balance: i128,
    /// The lowest that it ever was.
    pub(crate) lowest: i128,
}

/// What the market shows.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Best bid and ask, where there are both.
    touch: Option<(Price, Price)>,
    last: Option<Price>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) positions: BTreeMap<Key, Position>,
    pub(crate) traded: BTreeMap<(AccountId, InstrumentId), Traded>,
    pub(crate) fees: BTreeMap<(AccountId, InstrumentId, CurrencyId), i128>,
    pub(crate) moved: BTreeMap<(AccountId, CurrencyId), Moved>,
    /// What was got of funding.
    pub(crate) funding: BTreeMap<Key, i128>,
    shown: BTreeMap<InstrumentId, Shown>,
}

/// A value does not fit where amounts are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLarge;

/// What a fill came to.
pub(crate) struct FillBooked {
    /// Its value in the settlement currency.
    pub(crate) value: i128,
    /// Its fee as order and position count it.
    pub(crate) fee_counted: i128,
    /// What happened to position and balances.
    pub(crate) events: Vec<Event>,
}

impl Book {
    /// Notes a trade of the market.
    pub(crate) fn trade(&mut self, instrument: InstrumentId, price: Price) {
        self.shown.entry(instrument).or_default().last = Some(price);
    }

    /// Notes a quote of the market.
    pub(crate) fn quote(&mut self, quote: &QuoteRow) {
        self.shown.entry(quote.instrument).or_default().touch = quote.touch();
    }

    pub(crate) fn position(&self, key: Key) -> Position {
        self.positions.get(&key).copied().unwrap_or_default()
    }

    /// Books a fill of a side; nothing has changed where it is too large.
    pub(crate) fn fill(
        &mut self,
        names: &Names,
        key: Key,
        way: Side,
        fill: &FillRow,
    ) -> Result<FillBooked, TooLarge> {
        let (account, id, _) = key;
        let instrument = names.instrument(id);
        let value = instrument.value_posted(fill.price, fill.qty).ok_or(TooLarge)?;
        let fee_currency =
            if fill.fee_currency.is_none() { instrument.settlement } else { fill.fee_currency };
        let fee_counted = fee_counted(names, instrument, fee_currency, fill)?;
        let mut position = self.position(key);
        let booked = position.book(instrument, way, fill.price, fill.qty).ok_or(TooLarge)?;
        position.fees = position.fees.checked_add(fee_counted).ok_or(TooLarge)?;
        let changed =
            self.changed(key, instrument, &position, (booked.change, booked.realized), fill.price)?;
        let asset = asset(names, instrument, way, fill.qty)?;
        let legs = [
            leg(instrument.settlement, LedgerBook::Venue, booked.cash),
            leg(instrument.base, LedgerBook::Venue, asset),
            leg(fee_currency, LedgerBook::Fee, -fill.fee),
            leg(instrument.settlement, LedgerBook::Rounding, -booked.rounding),
        ];
        let mut events = vec![Event::PositionChanged(changed)];
        events.extend(self.post(account, &legs).map(Event::Posted));
        self.positions.insert(key, position);
        self.count(account, way, fill, value, &booked);
        *self.fees.entry((account, id, fee_currency)).or_default() += fill.fee;
        Ok(FillBooked { value, fee_counted, events })
    }

    fn count(&mut self, account: AccountId, way: Side, fill: &FillRow, value: i128, booked: &Booked) {
        let traded = self.traded.entry((account, fill.instrument)).or_default();
        traded.fills += 1;
        traded.realized += booked.realized;
        let (qty, sum) = match way {
            Side::Buy => (&mut traded.bought, &mut traded.bought_value),
            Side::Sell => (&mut traded.sold, &mut traded.sold_value),
        };
        *qty += i128::from(fill.qty.0);
        *sum += value;
    }

    /// Begins a position that is flat with what was open at a price.
    pub(crate) fn open(
        &mut self,
        names: &Names,
        key: Key,
        qty: Qty,
        price: Price,
    ) -> Result<Vec<Event>, TooLarge> {
        let (account, id, _) = key;
        let instrument = names.instrument(id);
        let way = if qty.0 < 0 { Side::Sell } else { Side::Buy };
        let size = Qty(qty.0.checked_abs().ok_or(TooLarge)?);
        let mut position = self.position(key);
        position.book(instrument, way, price, size).ok_or(TooLarge)?;
        let changed = self.changed(key, instrument, &position, (PositionChange::Adjusted, 0), price)?;
        let asset = asset(names, instrument, way, size)?;
        let mut events = vec![Event::PositionChanged(changed)];
        events.extend(
            self.post(account, &[leg(instrument.base, LedgerBook::Adjustment, asset)]).map(Event::Posted),
        );
        self.positions.insert(key, position);
        Ok(events)
    }

    /// What is there of a currency; nothing where it never moved.
    pub(crate) fn balance(&self, account: AccountId, currency: CurrencyId) -> Option<i128> {
        self.moved.get(&(account, currency)).map(|moved| moved.balance)
    }

    /// Begins a balance with what was there.
    pub(crate) fn open_balance(
        &mut self,
        account: AccountId,
        currency: CurrencyId,
        amount: i128,
    ) -> Vec<Event> {
        self.moved.entry((account, currency)).or_default();
        self.post(account, &[leg(currency, LedgerBook::Adjustment, amount)])
            .map(Event::Posted)
            .into_iter()
            .collect()
    }

    /// Money that comes from outside or leaves.
    pub(crate) fn transfer(&mut self, account: AccountId, currency: CurrencyId, amount: i128) -> Vec<Event> {
        let moved = self.moved.entry((account, currency)).or_default();
        if amount > 0 {
            moved.came += amount;
        } else {
            moved.left -= amount;
        }
        self.post(account, &[leg(currency, LedgerBook::External, amount)])
            .map(Event::Posted)
            .into_iter()
            .collect()
    }

    /// Funding of a position.
    pub(crate) fn fund(&mut self, names: &Names, key: Key, row: &FundingRow) -> Vec<Event> {
        let (account, instrument, side) = key;
        let total = self.funding.entry(key).or_default();
        *total += row.amount;
        let posted = FundingPosted {
            amount: Money::new(row.amount),
            funding_total: Money::new(*total),
            qty: Qty(self.position(key).qty),
            rate: row.rate,
            price: row.price,
            account,
            instrument,
            side,
        };
        let settlement = names.instrument(instrument).settlement;
        let legs = [leg(settlement, LedgerBook::Funding, row.amount)];
        let mut events = vec![Event::FundingPosted(posted)];
        events.extend(self.post(account, &legs).map(Event::Posted));
        events
    }

    fn changed(
        &self,
        (account, id, side): Key,
        instrument: &Instrument,
        position: &Position,
        (change, realized): (PositionChange, i128),
        fallback: Price,
    ) -> Result<PositionChanged, TooLarge> {
        let shown = self.shown.get(&id).copied().unwrap_or_default();
        let mark = shown.last.unwrap_or(fallback);
        let mark = shown.touch.unwrap_or((mark, mark));
        let unrealized = position.unrealized(instrument, mark).ok_or(TooLarge)?;
        Ok(PositionChanged {
            open_cost: Money::new(position.open_cost_posted(instrument)),
            realized: Money::new(realized),
            realized_total: Money::new(position.realized),
            unrealized: Money::new(unrealized),
            fees_total: Money::new(position.fees),
            qty: Qty(position.qty),
            account,
            instrument: id,
            change,
            side,
        })
    }

    /// Posts up to four legs; those of nothing are left out.
    fn post(&mut self, account: AccountId, legs: &[Leg]) -> Option<Posted> {
        let mut posted = Posted { account, count: 0, legs: [Leg::default(); LEGS_PER_POSTING_MAX] };
        for leg in legs.iter().filter(|leg| leg.amount != Money::ZERO) {
            posted.legs[usize::from(posted.count)] = *leg;
            posted.count += 1;
            let moved = self.moved.entry((account, leg.currency)).or_default();
            let amount = leg.amount.get();
            moved.balance += if leg.to == LedgerBook::Client { amount } else { -amount };
            moved.lowest = moved.lowest.min(moved.balance);
        }
        (posted.count > 0).then_some(posted)
    }
}

/// A fee in the settlement currency; nothing where no rate is known.
fn fee_counted(
    names: &Names,
    instrument: &Instrument,
    currency: CurrencyId,
    fill: &FillRow,
) -> Result<i128, TooLarge> {
    if currency == instrument.settlement {
        return Ok(fill.fee);
    }
    if instrument.kind != InstrumentKind::Spot || currency != instrument.base {
        return Ok(0);
    }
    let (numerator, denominator) = instrument.value(fill.price, Qty(1)).ok_or(TooLarge)?;
    let whole = checked_product(denominator, names.base_factor(instrument)).ok_or(TooLarge)?;
    Ok(divide_half_even(checked_product(numerator, fill.fee).ok_or(TooLarge)?, whole))
}

/// What changes hands of the base currency, signed as the client sees it; nothing for contracts.
fn asset(names: &Names, instrument: &Instrument, way: Side, qty: Qty) -> Result<i128, TooLarge> {
    match instrument.kind {
        InstrumentKind::Linear | InstrumentKind::Inverse => Ok(0),
        InstrumentKind::Spot => {
            let units = i128::from(way.sign()) * i128::from(qty.0);
            checked_product(units, names.base_factor(instrument)).ok_or(TooLarge)
        }
    }
}

/// `amount` comes to the client from `book`; a negative amount goes the other way.
fn leg(currency: CurrencyId, book: LedgerBook, amount: i128) -> Leg {
    let (from, to) = if amount < 0 { (LedgerBook::Client, book) } else { (book, LedgerBook::Client) };
    Leg { amount: Money::new(amount.abs()), currency, from, to }
}
