//! Adjustments: a balance or a position is set to what a venue says, against the adjustment book.
//!
//! A position is adjusted by a trade of the difference at a price, so that its cost, its realised profit and, for spot,
//! the asset and the cash stay of one piece; what that moves on the account is corrected by the balances that the venue
//! states, which therefore come after the positions. An adjustment counts as profit or loss of the account: nobody paid
//! it in.

use super::Machine;
use super::fills::{leg, trade_legs};
use crate::event_buffer::EventBuffer;
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{
    AccountId, CurrencyId, Instrument, InstrumentId, PositionChange, PositionSide, Price, Qty, Reject, Side,
};

/// Largest balance that is taken over, far from where sums of an `i128` could overflow.
const BALANCE_MAX: u128 = 1 << 90;
/// Largest spot position that is taken over in units of the base currency; the risk check keeps to the same.
const ASSET_MAX: u128 = 1 << 100;
/// Largest position that is taken over; the risk check keeps to the same.
const POSITION_MAX: u64 = 1 << 61;

impl Machine {
    /// Sets a balance to `to`; nothing has changed where it is an error.
    pub(super) fn adjust_balance(
        &mut self,
        account: AccountId,
        currency: CurrencyId,
        to: i128,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        self.accounts.account(account).ok_or(Reject::UnknownAccount)?;
        self.accounts.currency(currency).ok_or(Reject::UnknownCurrency)?;
        if to.unsigned_abs() > BALANCE_MAX {
            return Err(Reject::ValueOutOfRange);
        }
        let change = to - self.accounts.balance(account, currency).cash;
        self.post(account, &[leg(currency, LedgerBook::Adjustment, change)], out);
        self.note_worth(account);
        Ok(())
    }

    /// Sets a position to `to`, by a trade of the difference at `price`, or at the mark where that is 0; nothing has
    /// changed where it is an error.
    pub(super) fn adjust_position(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: PositionSide,
        to: Qty,
        price: Price,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        self.accounts.account(account).ok_or(Reject::UnknownAccount)?;
        let known = self.instrument(instrument).ok_or(Reject::UnknownInstrument)?;
        let (of, base_factor) = (known.definition, known.base_factor);
        if !self.positions.sides(account).contains(&side) {
            return Err(Reject::PositionModeInvalid);
        }
        let is_other_way = match side {
            PositionSide::Net => false,
            PositionSide::Long => to.0 < 0,
            PositionSide::Short => to.0 > 0,
        };
        if is_other_way || to.0.unsigned_abs() > POSITION_MAX {
            return Err(Reject::ValueOutOfRange);
        }
        let before = self.positions.of(account, instrument, side).qty;
        let change = to.0.checked_sub(before).ok_or(Reject::ValueOutOfRange)?;
        if change == 0 {
            return Ok(());
        }
        let price = self.price_or_mark(&of, price)?;
        let way = if change > 0 { Side::Buy } else { Side::Sell };
        let qty = Qty(change.checked_abs().ok_or(Reject::ValueOutOfRange)?);
        let asset = i128::from(qty.0).checked_mul(base_factor);
        asset.filter(|asset| asset.unsigned_abs() <= ASSET_MAX).ok_or(Reject::ValueOutOfRange)?;
        let position = self.positions.of_mut(account, instrument, side);
        let booked = position.book(&of, way, price, qty).ok_or(Reject::ValueOverflow)?;
        self.tie_up_position(account, &of, side, price);
        self.push_position((account, side), &of, PositionChange::Adjusted, booked.realized, out);
        let mut legs = trade_legs(&of, way, base_factor, qty, &booked);
        for leg in &mut legs {
            // What a trade has from or gives to the venue, an adjustment has from or gives to its own book.
            for book in [&mut leg.from, &mut leg.to] {
                if *book == LedgerBook::Venue {
                    *book = LedgerBook::Adjustment;
                }
            }
        }
        self.post(account, &legs, out);
        self.note_worth(account);
        self.arm_mark(instrument);
        Ok(())
    }

    fn price_or_mark(&self, of: &Instrument, price: Price) -> Result<Price, Reject> {
        if price.0 != 0 {
            return Ok(price);
        }
        let (low, high) = self.market(of.instrument).mark().ok_or(Reject::NoReferencePrice)?;
        Ok(Price(i64::midpoint(low.0, high.0)))
    }
}

#[cfg(test)]
mod tests;
