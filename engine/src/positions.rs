//! Positions with their exact open cost.
//!
//! Units: quantities at the instrument's scale; cost in *cost units*, which are 10⁻ᵏ of a settlement-currency unit,
//! where k is what price and quantity scale have together beyond the settlement scale (0 for inverse contracts, whose
//! value is rounded when it is posted). Cost is signed like the quantity.
//!
//! A partial close releases cost × closed ÷ open, rounded half-even to the settlement scale; the last close releases
//! the remainder, and what postings and realised profit differ by then goes to the rounding book.

use crate::limits::{ACCOUNTS_MAX, INSTRUMENTS_MAX};
use tickwerk_domain::digest::{row_hash, words_of};
use tickwerk_domain::numbers::{divide_half_even, power_of_ten};
use tickwerk_domain::{
    AccountId, Digest, Instrument, InstrumentId, InstrumentKind, PositionChange, Price, Qty, Side,
};

/// What an account holds of an instrument.
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    /// What is open; negative for a short position.
    pub qty: i64,
    /// Cost of what is open, in cost units, signed like `qty`.
    pub open_cost: i128,
    /// Profit realised so far, before fees, in settlement units.
    pub realized: i128,
    /// Fees so far, in settlement units.
    pub fees: i128,
    /// Cash posted by trades less profit realised, since the position was last flat; spot only.
    unsettled: i128,
    /// What open buy orders would add.
    pub open_buys: i64,
    /// What open sell orders would take.
    pub open_sells: i64,
    /// Margin that is tied up for it; contracts only.
    pub margin: i128,
    /// Records of its stream.
    pub version: u64,
    row: u64,
}

/// What a fill did to a position, in settlement units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Booked {
    /// What happened.
    pub change: PositionChange,
    /// Profit realised by it, before fees.
    pub realized: i128,
    /// Cash that the client gets (negative: pays) from the venue.
    pub cash: i128,
    /// Cash that goes from the client to the rounding book (negative: comes from it).
    pub rounding: i128,
}

impl Position {
    /// The position if all open buys were filled.
    pub fn worst_long(&self) -> i64 {
        self.qty.saturating_add(self.open_buys)
    }

    /// The position if all open sells were filled.
    pub fn worst_short(&self) -> i64 {
        self.qty.saturating_sub(self.open_sells)
    }

    /// What open orders of a side sum up to.
    pub(crate) fn open_mut(&mut self, side: Side) -> &mut i64 {
        match side {
            Side::Buy => &mut self.open_buys,
            Side::Sell => &mut self.open_sells,
        }
    }

    /// Books a fill. `None` where a value does not fit; nothing has changed then.
    pub fn book(&mut self, instrument: &Instrument, side: Side, price: Price, qty: Qty) -> Option<Booked> {
        let sign = side.sign();
        let unit = cost_unit(instrument)?;
        let before = self.qty;
        let closing = if before.signum() == -sign { before.abs().min(qty.0) } else { 0 };
        let opening = qty.0 - closing;
        let after = before.checked_add(sign.checked_mul(qty.0)?)?;
        let closed_value = cost(instrument, price, Qty(closing))?;
        let opened_value = cost(instrument, price, Qty(opening))?;

        let released = if closing == before.abs() {
            self.open_cost
        } else {
            share(self.open_cost, closing, before.abs(), unit)?.checked_mul(unit)?
        };
        let gained = match instrument.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => -signed(closed_value, sign) - released,
            InstrumentKind::Inverse => signed(closed_value, sign) + released,
        };
        let realized = if closing == 0 { 0 } else { divide_half_even(gained, unit) };
        let total_value = closed_value + opened_value;
        let open_cost = within_bounds(self.open_cost - released + signed(opened_value, sign))?;
        let realized_total = within_bounds(self.realized.checked_add(realized)?)?;

        let mut rounding = 0;
        let cash = match instrument.kind {
            InstrumentKind::Linear | InstrumentKind::Inverse => realized,
            InstrumentKind::Spot => {
                let cash = -signed(divide_half_even(total_value, unit), sign);
                let cash_of_opening = -signed(divide_half_even(opened_value, unit), sign);
                if closing > 0 && closing == before.abs() {
                    rounding = self.unsettled + (cash - cash_of_opening) - realized;
                    self.unsettled = cash_of_opening;
                } else {
                    self.unsettled += cash - realized;
                }
                cash
            }
        };
        self.open_cost = open_cost;
        self.qty = after;
        self.realized = realized_total;
        let change = match (before, closing, opening) {
            (0, _, _) => PositionChange::Opened,
            (_, 0, _) => PositionChange::Increased,
            (_, _, 0) if after == 0 => PositionChange::Closed,
            (_, _, 0) => PositionChange::Reduced,
            _ => PositionChange::Flipped,
        };
        Some(Booked { change, realized, cash, rounding })
    }

    /// Sets what is open and what it cost, in cost units. Profit and fees stay what they were; no money moves.
    pub(crate) fn adjust(&mut self, instrument: &Instrument, qty: i64, open_cost: i128) {
        (self.qty, self.open_cost) = (qty, open_cost);
        if instrument.kind == InstrumentKind::Spot {
            // As if the cost had been paid by trades, so that the last close leaves no more than rounding.
            self.unsettled = -self.open_cost_posted(instrument);
        }
    }

    /// Cost of what is open in settlement units, rounded half-even where it is finer.
    pub fn open_cost_posted(&self, instrument: &Instrument) -> i128 {
        cost_unit(instrument).map_or(0, |unit| divide_half_even(self.open_cost, unit))
    }

    /// Profit of what is open at the mean of two prices, in settlement units, rounded half-even.
    pub fn unrealized(&self, instrument: &Instrument, (low, high): (Price, Price)) -> Option<i128> {
        if self.qty == 0 {
            return Some(0);
        }
        let open = Qty(self.qty.abs());
        let twice = cost(instrument, low, open)?.checked_add(cost(instrument, high, open)?)?;
        let twice_signed = signed(twice, self.qty);
        let twice_gain = match instrument.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => twice_signed - (self.open_cost + self.open_cost),
            InstrumentKind::Inverse => (self.open_cost + self.open_cost) - twice_signed,
        };
        Some(divide_half_even(twice_gain, cost_unit(instrument)? << 1))
    }
}

/// cost × closing ÷ (open × unit), rounded half-even; 0 ≤ closing < open. The product of cost and closing may be wider
/// than an `i128`, so the whole part is taken out first.
fn share(cost: i128, closing: i64, open: i64, unit: i128) -> Option<i128> {
    if closing == 0 {
        return Some(0);
    }
    let (closing, open) = (i128::from(closing), i128::from(open));
    let exact = cost.div_euclid(open) * closing;
    let rest = cost.rem_euclid(open) * closing;
    let (whole, part) = (exact.div_euclid(unit), exact.rem_euclid(unit));
    // The whole part's parity goes along, as it decides which neighbour of a tie is even.
    let parity = whole & 1;
    let numerator = parity.checked_mul(unit)?.checked_add(part)?.checked_mul(open)?.checked_add(rest)?;
    Some(whole - parity + divide_half_even(numerator, open.checked_mul(unit)?))
}

/// `amount` with the sign of `sign`; a product would be checked for an overflow that cannot be.
#[inline]
fn signed(amount: i128, sign: i64) -> i128 {
    if sign < 0 { -amount } else { amount }
}

/// Costs stay so far below an `i128` that sums and products of a few of them cannot overflow.
const COST_MAX: i128 = 1 << 118;

fn within_bounds(cost: i128) -> Option<i128> {
    (-COST_MAX..=COST_MAX).contains(&cost).then_some(cost)
}

/// Cost units in one settlement unit.
fn cost_unit(instrument: &Instrument) -> Option<i128> {
    match instrument.kind {
        InstrumentKind::Spot | InstrumentKind::Linear => {
            let scales = u32::from(instrument.price_scale) + u32::from(instrument.quantity_scale);
            power_of_ten(scales.saturating_sub(u32::from(instrument.settlement_scale)))
        }
        InstrumentKind::Inverse => Some(1),
    }
}

/// Value of a fill in cost units: exact, but for inverse contracts.
fn cost(instrument: &Instrument, price: Price, qty: Qty) -> Option<i128> {
    exact_cost(instrument, price, qty).and_then(within_bounds)
}

fn exact_cost(instrument: &Instrument, price: Price, qty: Qty) -> Option<i128> {
    if qty.0 == 0 {
        return Some(0);
    }
    match instrument.kind {
        InstrumentKind::Spot | InstrumentKind::Linear => instrument.value(price, qty).map(|(units, _)| units),
        InstrumentKind::Inverse => instrument.value_posted(price, qty),
    }
}

/// All positions, by account and instrument.
#[derive(Debug)]
pub struct Positions {
    rows: Box<[Position]>,
    /// Per account, a bit for each instrument with an open position.
    open: Box<[u64]>,
}

impl Default for Positions {
    fn default() -> Self {
        Self::new()
    }
}

impl Positions {
    /// No positions.
    pub fn new() -> Self {
        Self {
            rows: vec![Position::default(); ACCOUNTS_MAX * INSTRUMENTS_MAX].into(),
            open: vec![0; ACCOUNTS_MAX].into(),
        }
    }

    /// The position; both numbers in range.
    #[inline]
    pub fn get(&self, account: AccountId, instrument: InstrumentId) -> &Position {
        &self.rows[account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, account: AccountId, instrument: InstrumentId) -> &mut Position {
        &mut self.rows[account.0 as usize * INSTRUMENTS_MAX + instrument.0 as usize]
    }

    /// Instruments in which the account has a position, in order of number.
    pub fn open(&self, account: AccountId) -> impl Iterator<Item = InstrumentId> + use<> {
        let mut rest = self.open[account.0 as usize];
        std::iter::from_fn(move || {
            let next = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest - 1;
            Some(InstrumentId(next))
        })
    }

    /// All positions that ever were, in order of account and instrument.
    pub fn all(&self) -> impl Iterator<Item = (AccountId, InstrumentId, &Position)> {
        self.rows.iter().enumerate().filter(|(_, position)| position.version > 0).map(|(index, position)| {
            let number = |value: usize| u32::try_from(value).expect("tables are small");
            let (account, instrument) = (number(index / INSTRUMENTS_MAX), number(index % INSTRUMENTS_MAX));
            (AccountId(account), InstrumentId(instrument), position)
        })
    }

    /// Brings the digest and the set of open positions up to date with a row.
    pub(crate) fn rehash(&mut self, account: AccountId, instrument: InstrumentId, digest: &mut Digest) {
        let position = self.get_mut(account, instrument);
        let [cost_high, cost] = words_of(position.open_cost);
        let [realized_high, realized] = words_of(position.realized);
        let [fees_high, fees] = words_of(position.fees);
        let [unsettled_high, unsettled] = words_of(position.unsettled);
        let [margin_high, margin] = words_of(position.margin);
        // High words are nearly always the same few; turned apart, they share a word.
        let highs = [realized_high, fees_high, unsettled_high, margin_high];
        let highs = highs.iter().fold(cost_high, |turned, high| turned.rotate_left(13) ^ high);
        let words = [
            u64::from(account.0) << 32 | u64::from(instrument.0),
            position.qty.cast_unsigned(),
            highs,
            cost,
            realized,
            fees,
            unsettled,
            margin,
            position.open_buys.cast_unsigned(),
            position.open_sells.cast_unsigned(),
            position.version,
        ];
        digest.update(&mut position.row, row_hash(TAG, &words));
        let is_open = u64::from(position.qty != 0);
        let bits = &mut self.open[account.0 as usize];
        *bits = *bits & !(1 << instrument.0) | is_open << instrument.0;
    }
}

const TAG: u64 = 0x0601;

#[cfg(test)]
mod tests;
