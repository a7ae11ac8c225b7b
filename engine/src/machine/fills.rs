//! What a fill does: to its order, its position, the ledger and the strategy that asked.
//!
//! Fees are posted in the currency that the venue takes them in. Orders and positions count them in the settlement
//! currency: a fee in the base currency of a spot instrument at the price of the fill, any other by the conversion
//! table, each rounded half-even. Where there is no rate, the fee is posted, and counted in
//! [`Worth::fees_uncounted`](crate::accounts::worth::Worth) instead. A spot position keeps the quantity that was
//! traded: a fee in the base currency makes the balance smaller than the position.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::orders::Order;
use crate::positions::Booked;
use crate::risk::exposure::{margin, margin_mark};
use tickwerk_domain::command::FillReported;
use tickwerk_domain::event::{LedgerBook, Leg, OrderFilled, OrderPartiallyFilled, PositionChanged};
use tickwerk_domain::numbers::{checked_product, divide_half_even};
use tickwerk_domain::{
    AccountId, CurrencyId, Instrument, InstrumentId, InstrumentKind, Money, PositionChange, PositionSide,
    Price, Qty, Reject, Side, StrategyId, VenueId,
};

/// A fill as it was booked: what is needed to take it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Executed {
    /// Price of the fill.
    pub(super) price: Price,
    /// Quantity of the fill.
    pub(super) qty: Qty,
    /// Its value as the order counts it, in the settlement currency.
    pub(super) value: i128,
    /// Fee; negative for a rebate.
    pub(super) fee: i128,
    /// Currency of the fee, never 0.
    pub(super) fee_currency: CurrencyId,
    /// The fee as order and position count it, in the settlement currency.
    pub(super) fee_counted: i128,
    /// Whether a rate was known to count the fee at.
    pub(super) is_fee_counted: bool,
}

impl Machine {
    /// Books a fill; nothing has changed where it is an error.
    pub(super) fn book_fill(
        &mut self,
        slot: u32,
        instrument: &Instrument,
        base_factor: i128,
        fill: &FillReported,
        out: &mut EventBuffer,
    ) -> Result<Executed, Reject> {
        let &Order { account, position_side: side, side: way, status: was, venue, .. } =
            self.orders.get(slot);
        let executed = self.executed(instrument, base_factor, fill)?;
        let position = self.positions.of_mut(account, instrument.instrument, side);
        if is_beyond(side, way, position.qty, fill.qty) {
            return Err(Reject::FillUnmatched);
        }
        let was_flat = position.qty == 0;
        let booked = position.book(instrument, way, fill.price, fill.qty).ok_or(Reject::ValueOverflow)?;
        position.fees += executed.fee_counted;
        self.note_filled((account, instrument.instrument, side), was_flat, venue);

        let row = self.orders.get_mut(slot);
        row.cum_qty.0 += fill.qty.0;
        row.cum_value += executed.value;
        row.cum_fee += executed.fee_counted;
        row.execution_id = row.execution_id.max(fill.execution_id);
        if row.reserve_price.0 == 0 {
            // It ended before it counted, and the venue has filled it all the same: there is a price now.
            row.reserve_price = fill.price;
        }
        // A fill that crossed the order's end leaves it as it ended.
        let is_filled = row.cum_qty == row.qty && !was.is_done() && !self.awaits_more(slot);
        self.push_fill(slot, fill, is_filled, out);
        self.settle_fill(slot, was, fill.qty);
        self.push_position((account, side), instrument, booked.change, booked.realized, out);
        let mut legs = trade_legs(instrument, way, base_factor, fill.qty, &booked);
        legs[FEE_LEG] = leg(executed.fee_currency, LedgerBook::Fee, -executed.fee);
        self.post(account, &legs, out);
        if !executed.is_fee_counted {
            self.accounts.worths.change(account, &mut self.digest, |worth| worth.fees_uncounted += 1);
        }
        self.note_worth(account);
        self.arm_mark(instrument.instrument);
        self.count_fill(slot, &executed, &booked, out);
        Ok(executed)
    }

    /// Whether money and position can take a fill, tried on a copy.
    pub(super) fn try_fill(&self, slot: u32, fill: &FillReported) -> Result<(), Reject> {
        let order = self.orders.get(slot);
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        self.executed(&known.definition, known.base_factor, fill)?;
        let mut position = *self.positions.of(order.account, order.instrument, order.position_side);
        if is_beyond(order.position_side, order.side, position.qty, fill.qty) {
            return Err(Reject::FillUnmatched);
        }
        let booked = position.book(&known.definition, order.side, fill.price, fill.qty);
        booked.map(|_| ()).ok_or(Reject::ValueOverflow)
    }

    /// Takes a booked fill back: an opposite trade of the same quantity at the same price with the negative fee. What
    /// the order itself counts, and what it has left, is the caller's.
    ///
    /// In money this is exact. The value of the opposite trade is rounded like the value of the first, so cash, asset
    /// and fee come back to the unit; realised and unrealised profit together are what all sells brought less what all
    /// buys cost and the mark of what is left, and a pair of trades at one price adds nothing to that. Only how it is
    /// split may differ from a history without the fill: another average price, and so more realised and less
    /// unrealised, or less and more. The side of a hedged pair may be left the wrong way round where its closes were
    /// booked already; it shows so until the venue says otherwise.
    pub(super) fn unbook_fill(
        &mut self,
        slot: u32,
        executed: &Executed,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        let (account, side, way) = (order.account, order.position_side, order.side.opposite());
        let known = self.instrument(order.instrument).ok_or(Reject::UnknownInstrument)?;
        let (instrument, base_factor) = (known.definition, known.base_factor);
        let position = self.positions.of_mut(account, order.instrument, side);
        let was_flat = position.qty == 0;
        let booked =
            position.book(&instrument, way, executed.price, executed.qty).ok_or(Reject::ValueOverflow)?;
        position.fees -= executed.fee_counted;
        self.note_filled((account, order.instrument, side), was_flat, order.venue);
        self.take_from_held(order.strategy, order.side, executed.qty);
        self.tie_up_position(account, &instrument, side, executed.price);
        self.push_position((account, side), &instrument, booked.change, booked.realized, out);
        let mut legs = trade_legs(&instrument, way, base_factor, executed.qty, &booked);
        legs[FEE_LEG] = leg(executed.fee_currency, LedgerBook::Fee, executed.fee);
        self.post(account, &legs, out);
        if !executed.is_fee_counted {
            self.accounts.worths.change(account, &mut self.digest, |worth| worth.fees_uncounted -= 1);
        }
        self.note_worth(account);
        self.arm_mark(order.instrument);
        self.note_flow(
            order.strategy,
            order.instrument,
            way,
            &Executed { fee_counted: -executed.fee_counted, ..*executed },
        );
        Ok(())
    }

    /// A fill, or one that is taken back, has changed a position: where it stands, and that a view which was begun before
    /// need not know it.
    #[inline]
    fn note_filled(
        &mut self,
        place: (AccountId, InstrumentId, PositionSide),
        was_flat: bool,
        venue: VenueId,
    ) {
        self.positions.note_venue(place, was_flat, venue, &mut self.digest);
        self.reconciliations.spare_position(place, &mut self.digest);
    }

    /// What a fill comes to.
    pub(super) fn executed(
        &self,
        instrument: &Instrument,
        base_factor: i128,
        fill: &FillReported,
    ) -> Result<Executed, Reject> {
        let value = instrument.value_posted(fill.price, fill.qty).ok_or(Reject::ValueOverflow)?;
        let (price, qty, fee) = (fill.price, fill.qty, fill.fee.get());
        let settlement = instrument.settlement;
        if fill.fee_currency.is_none() || fill.fee_currency == settlement {
            let (fee_currency, fee_counted, is_fee_counted) = (settlement, fee, true);
            return Ok(Executed { price, qty, value, fee, fee_currency, fee_counted, is_fee_counted });
        }
        let fee_currency = fill.fee_currency;
        self.accounts.currency(fee_currency).ok_or(Reject::UnknownCurrency)?;
        let counted = if instrument.kind == InstrumentKind::Spot && fee_currency == instrument.base {
            base_value(instrument, base_factor, price, fee)
        } else {
            self.convert(fee_currency, settlement, fee)
        };
        let counted = counted.filter(|fee| fee.unsigned_abs() <= FEE_COUNTED_MAX);
        let (fee_counted, is_fee_counted) = (counted.unwrap_or(0), counted.is_some());
        Ok(Executed { price, qty, value, fee, fee_currency, fee_counted, is_fee_counted })
    }

    fn push_fill(&mut self, slot: u32, fill: &FillReported, is_filled: bool, out: &mut EventBuffer) {
        let order = self.orders.get(slot);
        let filled = OrderFilled {
            cum_value: Money::new(order.cum_value),
            cum_fee: Money::new(order.cum_fee),
            order: order.id,
            last_price: fill.price,
            last_qty: fill.qty,
            cum_qty: order.cum_qty,
            leaves_qty: order.leaves(),
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            liquidity: fill.liquidity,
        };
        if is_filled {
            self.push_order(slot, filled, out);
        } else {
            self.push_order(slot, OrderPartiallyFilled::from(filled), out);
        }
    }

    pub(super) fn push_position(
        &mut self,
        (account, side): (AccountId, PositionSide),
        instrument: &Instrument,
        change: PositionChange,
        realized: i128,
        out: &mut EventBuffer,
    ) {
        let id = instrument.instrument;
        let version = self.positions.next_version(account, id, side);
        let position = self.positions.of(account, id, side);
        let changed = PositionChanged {
            open_cost: Money::new(position.open_cost_posted(instrument)),
            realized: Money::new(realized),
            realized_total: Money::new(position.realized),
            unrealized: Money::new(self.unrealized_of(id, position)),
            fees_total: Money::new(position.fees),
            qty: Qty(position.qty),
            account,
            instrument: id,
            change,
            side,
        };
        out.push(version, changed);
        self.positions.rehash(account, id, &mut self.digest);
        self.keep_reducing(account, id, side);
    }

    /// Ties up what a position needs that changed without an order's doing; contracts only. The caller rehashes it.
    pub(super) fn tie_up_position(
        &mut self,
        account: AccountId,
        instrument: &Instrument,
        side: PositionSide,
        fallback: Price,
    ) {
        match instrument.kind {
            InstrumentKind::Spot => {}
            InstrumentKind::Linear | InstrumentKind::Inverse => {
                let id = instrument.instrument;
                let mark = margin_mark(self.market(id).reference_twice(), fallback);
                let position = self.positions.of_mut(account, id, side);
                let needed = margin(instrument, position, mark).unwrap_or(position.margin);
                let change = needed - std::mem::replace(&mut position.margin, needed);
                self.accounts.reserve(account, instrument.settlement, change, &mut self.digest);
            }
        }
    }

    /// A strategy's fill moves from pending to held.
    pub(super) fn note_held(&mut self, strategy: StrategyId, side: Side, qty: Qty) {
        let change = side.sign() * qty.0;
        if let Some(slot) = self.strategies.get_mut(strategy.0 as usize).and_then(Option::as_mut) {
            slot.held += change;
        }
        self.note_pending(strategy, -change);
    }

    /// A strategy's fill was taken back.
    pub(super) fn take_from_held(&mut self, strategy: StrategyId, side: Side, qty: Qty) {
        let index = strategy.0 as usize;
        if let Some(slot) = self.strategies.get_mut(index).and_then(Option::as_mut) {
            slot.held -= side.sign() * qty.0;
            self.rehash_strategy(index);
        }
    }
}

/// Largest fee as it is counted, far from where sums of an `i128` could overflow.
const FEE_COUNTED_MAX: u128 = 1 << 100;

/// Whether a fill would carry one side of a hedged pair through zero.
fn is_beyond(side: PositionSide, way: Side, held: i64, qty: Qty) -> bool {
    match (side, way) {
        (PositionSide::Net, _) | (PositionSide::Long, Side::Buy) | (PositionSide::Short, Side::Sell) => false,
        (PositionSide::Long, Side::Sell) => qty.0 > held,
        (PositionSide::Short, Side::Buy) => qty.0 > held.saturating_neg(),
    }
}

/// What an amount of a spot instrument's base currency is worth at a price, rounded half-even.
fn base_value(instrument: &Instrument, base_factor: i128, price: Price, amount: i128) -> Option<i128> {
    let (numerator, denominator) = instrument.value(price, Qty(1))?;
    let whole = checked_product(denominator, base_factor)?;
    Some(divide_half_even(checked_product(numerator, amount)?, whole))
}

/// The place of the fee among the legs of a fill.
pub(super) const FEE_LEG: usize = 2;

/// The transfers of a trade: what the venue pays or gets, the asset for spot, a place for the fee, and differences of
/// rounding.
pub(super) fn trade_legs(
    instrument: &Instrument,
    side: Side,
    base_factor: i128,
    qty: Qty,
    booked: &Booked,
) -> [Leg; 4] {
    let settlement = instrument.settlement;
    let asset = match instrument.kind {
        InstrumentKind::Spot => i128::from(side.sign()) * i128::from(qty.0) * base_factor,
        InstrumentKind::Linear | InstrumentKind::Inverse => 0,
    };
    [
        leg(settlement, LedgerBook::Venue, booked.cash),
        leg(instrument.base, LedgerBook::Venue, asset),
        Leg::default(),
        leg(settlement, LedgerBook::Rounding, -booked.rounding),
    ]
}

/// `amount` comes to the client from `book`; a negative amount goes the other way.
pub(super) fn leg(currency: CurrencyId, book: LedgerBook, amount: i128) -> Leg {
    let (from, to) = if amount < 0 { (LedgerBook::Client, book) } else { (book, LedgerBook::Client) };
    Leg { amount: Money::new(amount.abs()), currency, from, to }
}
