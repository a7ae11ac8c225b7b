//! What a fill does: to its order, its position, the ledger and the strategy that asked.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::orders::Order;
use crate::positions::Booked;
use tickwerk_domain::command::FillReported;
use tickwerk_domain::event::{LedgerBook, Leg, OrderFilled, OrderPartiallyFilled, PositionChanged};
use tickwerk_domain::{CurrencyId, Instrument, InstrumentKind, Money, PositionSide, Qty, Reject, Side};

impl Machine {
    /// Books a fill; nothing has changed where it is an error.
    pub(super) fn book_fill(
        &mut self,
        slot: u32,
        instrument: &Instrument,
        base_factor: i128,
        fill: &FillReported,
        out: &mut EventBuffer,
    ) -> Result<(), Reject> {
        let order = *self.orders.get(slot);
        let value = instrument.value_posted(fill.price, fill.qty).ok_or(Reject::ValueOverflow)?;
        let position = self.positions.get_mut(order.account, order.instrument);
        let booked =
            position.book(instrument, order.side, fill.price, fill.qty).ok_or(Reject::ValueOverflow)?;
        position.fees += fill.fee.get();

        let row = self.orders.get_mut(slot);
        row.cum_qty.0 += fill.qty.0;
        row.cum_value += value;
        row.cum_fee += fill.fee.get();
        row.execution_id = row.execution_id.max(fill.execution_id);
        // A fill that crossed the order's end leaves it as it ended.
        let is_filled = row.cum_qty == row.qty && !order.status.is_done();
        self.push_fill(slot, fill, is_filled, out);
        self.settle_fill(slot, &order, fill.qty);
        self.push_position(&order, instrument, &booked, out);
        let legs = legs(instrument, order.side, base_factor, fill, &booked);
        self.post(order.account, &legs, out);
        Ok(())
    }

    fn push_fill(&mut self, slot: u32, fill: &FillReported, is_filled: bool, out: &mut EventBuffer) {
        let order = *self.orders.get(slot);
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
            let OrderFilled { cum_value, cum_fee, order, last_price, last_qty, cum_qty, leaves_qty, .. } =
                filled;
            let OrderFilled { account, instrument, side, liquidity, .. } = filled;
            let partially = OrderPartiallyFilled {
                cum_value,
                cum_fee,
                order,
                last_price,
                last_qty,
                cum_qty,
                leaves_qty,
                account,
                instrument,
                side,
                liquidity,
            };
            self.push_order(slot, partially, out);
        }
    }

    pub(super) fn push_position(
        &mut self,
        order: &Order,
        instrument: &Instrument,
        booked: &Booked,
        out: &mut EventBuffer,
    ) {
        let unrealized = Money::new(self.unrealized(order.account, order.instrument));
        let position = self.positions.get_mut(order.account, order.instrument);
        position.version += 1;
        let changed = PositionChanged {
            open_cost: Money::new(position.open_cost_posted(instrument)),
            realized: Money::new(booked.realized),
            realized_total: Money::new(position.realized),
            unrealized,
            fees_total: Money::new(position.fees),
            qty: Qty(position.qty),
            account: order.account,
            instrument: order.instrument,
            change: booked.change,
            side: PositionSide::Net,
        };
        out.push(position.version, changed);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
    }

    /// A strategy's fill moves from pending to held.
    pub(super) fn note_held(&mut self, order: &Order, qty: Qty) {
        let change = order.side.sign() * qty.0;
        if let Some(strategy) = self.strategies.get_mut(order.strategy.0 as usize).and_then(Option::as_mut) {
            strategy.held += change;
        }
        self.note_pending(order.strategy, -change);
    }
}

/// The transfers of a fill: what the venue pays or gets, the asset for spot, the fee, and differences of rounding.
pub(super) fn legs(
    instrument: &Instrument,
    side: Side,
    base_factor: i128,
    fill: &FillReported,
    booked: &Booked,
) -> [Leg; 4] {
    let settlement = instrument.settlement;
    let asset = match instrument.kind {
        InstrumentKind::Spot => i128::from(side.sign()) * i128::from(fill.qty.0) * base_factor,
        InstrumentKind::Linear | InstrumentKind::Inverse => 0,
    };
    [
        leg(settlement, LedgerBook::Venue, booked.cash),
        leg(instrument.base, LedgerBook::Venue, asset),
        leg(settlement, LedgerBook::Fee, -fill.fee.get()),
        leg(settlement, LedgerBook::Rounding, -booked.rounding),
    ]
}

/// `amount` comes to the client from `book`; a negative amount goes the other way.
fn leg(currency: CurrencyId, book: LedgerBook, amount: i128) -> Leg {
    let (from, to) = if amount < 0 { (LedgerBook::Client, book) } else { (book, LedgerBook::Client) };
    Leg { amount: Money::new(amount.abs()), currency, from, to }
}
