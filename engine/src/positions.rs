//! Positions with their exact open cost.
//!
//! An account counts in one of two modes. *Netting*: one position an instrument, which a trade may carry through zero.
//! *Hedging*: a long and a short position side by side, each of which only its own orders open and close.
//!
//! Units: quantities at the instrument's scale; cost in *cost units*, which are 10⁻ᵏ of a settlement-currency unit,
//! where k is what price and quantity scale have together beyond the settlement scale (0 for inverse contracts, whose
//! value is rounded when it is posted). Cost is signed like the quantity.
//!
//! A partial close releases cost × closed ÷ open, rounded half-even to the settlement scale; the last close releases
//! the remainder, and what postings and realised profit differ by then goes to the rounding book.

mod table;
mod venues;

pub use table::Positions;
pub(crate) use table::bits;

use crate::lifecycle::{PositionState, position};
use tickwerk_domain::numbers::{divide_half_even, power_of_ten};
use tickwerk_domain::{
    Instrument, InstrumentKind, PositionChange, PositionEffect, PositionMode, PositionSide, Price, Qty, Side,
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
    /// Records of it; both sides of a hedged pair share one stream, whose version the long row counts.
    pub version: u64,
    row: u64,
}

tickwerk_domain::persist! {
    Position {
        qty, open_cost, realized, fees, unsettled, open_buys, open_sells, margin, version, row,
    }
}

/// The position that an order is about. In hedging mode `Auto` opens.
pub fn side_of(mode: PositionMode, side: Side, effect: PositionEffect) -> PositionSide {
    match (mode, effect, side) {
        (PositionMode::Netting, PositionEffect::Auto | PositionEffect::Open | PositionEffect::Close, _) => {
            PositionSide::Net
        }
        (PositionMode::Hedging, PositionEffect::Auto | PositionEffect::Open, Side::Buy)
        | (PositionMode::Hedging, PositionEffect::Close, Side::Sell) => PositionSide::Long,
        (PositionMode::Hedging, PositionEffect::Auto | PositionEffect::Open, Side::Sell)
        | (PositionMode::Hedging, PositionEffect::Close, Side::Buy) => PositionSide::Short,
    }
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

    /// The larger of both, either way.
    pub fn worst(&self) -> i64 {
        self.worst_long().saturating_abs().max(self.worst_short().saturating_abs())
    }

    /// The position if all open sells were filled.
    pub fn worst_short(&self) -> i64 {
        self.qty.saturating_sub(self.open_sells)
    }

    /// Whether nothing is open and no order would change that.
    pub fn is_idle(&self) -> bool {
        self.qty | self.open_buys | self.open_sells == 0
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
        let change = named(before, after);
        Some(Booked { change, realized, cash, rounding })
    }

    /// Cost of what is open in settlement units, rounded half-even where it is finer.
    pub fn open_cost_posted(&self, instrument: &Instrument) -> i128 {
        cost_unit(instrument).map_or(0, |unit| divide_half_even(self.open_cost, unit))
    }

    /// Average price of what is open, with `decimals` more than the instrument's prices have, rounded half-even. `None`
    /// where nothing is open or a value does not fit.
    pub fn average_price(&self, instrument: &Instrument, decimals: u8) -> Option<i128> {
        let contracts = i128::from(self.qty).abs().checked_mul(instrument.multiplier.into())?;
        let cost = signed(self.open_cost, self.qty);
        let [price, quantity, settlement] =
            [instrument.price_scale, instrument.quantity_scale, instrument.settlement_scale].map(u32::from);
        let (above, below, up, down) = match instrument.kind {
            InstrumentKind::Spot | InstrumentKind::Linear => {
                (cost, contracts, 0, settlement.saturating_sub(price + quantity))
            }
            InstrumentKind::Inverse => (contracts, cost, settlement + price, quantity),
        };
        let above = above.checked_mul(power_of_ten(up + u32::from(decimals))?)?;
        let below = below.checked_mul(power_of_ten(down)?)?;
        (below > 0).then(|| divide_half_even(above, below))
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

/// What a trade that takes a position from `before` to `after` is called.
fn named(before: i64, after: i64) -> PositionChange {
    let (from, to) = (PositionState::of(before), PositionState::of(after));
    assert!(position::is_allowed(from, to), "a trade changes the quantity");
    match (from, to) {
        (PositionState::Flat, _) => PositionChange::Opened,
        (_, PositionState::Flat) => PositionChange::Closed,
        (PositionState::Long, PositionState::Short) | (PositionState::Short, PositionState::Long) => {
            PositionChange::Flipped
        }
        (PositionState::Long, PositionState::Long) | (PositionState::Short, PositionState::Short) => {
            let is_more = after.unsigned_abs() > before.unsigned_abs();
            if is_more { PositionChange::Increased } else { PositionChange::Reduced }
        }
    }
}

/// Value of `open` of an instrument at the mean of two prices, never negative, in settlement units, rounded half-even.
pub fn value_at(instrument: &Instrument, open: i64, (low, high): (Price, Price)) -> Option<i128> {
    let open = Qty(open.saturating_abs());
    let twice = cost(instrument, low, open)?.checked_add(cost(instrument, high, open)?)?;
    Some(divide_half_even(twice.abs(), cost_unit(instrument)? << 1))
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

#[cfg(test)]
mod tests;
