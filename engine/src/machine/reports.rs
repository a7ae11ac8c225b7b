//! Reports of a venue: what they do to orders, positions and money. A report that fits no order changes nothing.

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::orders::Order;
use crate::positions::Booked;
use tickwerk_domain::command::{FillReported, OrderReported};
use tickwerk_domain::event::{
    CancelRejected, FillUnmatched, LedgerBook, Leg, OrderAccepted, OrderCanceled, OrderFilled,
    OrderPartiallyFilled, OrderRejected, PositionChanged,
};
use tickwerk_domain::{
    CurrencyId, Instrument, InstrumentKind, Money, OrderStatus, Qty, Reject, ReportKind, Side,
};

impl Machine {
    pub(super) fn on_report(&mut self, report: &OrderReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(report.order) else {
            self.refuse(&(*report).into(), Reject::UnknownOrder, report.order.0.cast_signed(), out);
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let (version, status, is_accepted) = (order.version, order.status, order.is_accepted);
        let is_cancel_pending = order.is_cancel_pending;
        let (id, account, instrument, cum_qty) = (order.id, order.account, order.instrument, order.cum_qty);
        let (is_open, reason) = (!status.is_done(), report.reason);
        match report.kind {
            ReportKind::Accepted if is_open && !is_accepted => {
                self.orders.get_mut(slot).is_accepted = true;
                if status == OrderStatus::PendingNew {
                    self.orders.set_status(slot, OrderStatus::New);
                }
                self.push_order(
                    slot,
                    OrderAccepted { order: id, venue_order_id: report.venue_order_id },
                    out,
                );
            }
            ReportKind::Rejected if is_open && !is_accepted && cum_qty == Qty::ZERO => {
                self.orders.get_mut(slot).reason = reason;
                self.push_order(slot, OrderRejected { order: id, account, instrument, reason }, out);
                self.finish(slot, OrderStatus::Rejected);
                self.positions.rehash(account, instrument, &mut self.digest);
            }
            ReportKind::Canceled if is_open => {
                let order = self.orders.get_mut(slot);
                (order.reason, order.is_cancel_pending) = (reason, false);
                self.push_order(slot, OrderCanceled { order: id, cum_qty, reason }, out);
                self.finish(slot, OrderStatus::Canceled);
                self.positions.rehash(account, instrument, &mut self.digest);
                self.let_strategy_retry(slot);
            }
            ReportKind::CancelRejected if is_cancel_pending => {
                let order = self.orders.get_mut(slot);
                order.is_cancel_pending = false;
                let client_order_id = order.client_order_id;
                let back = match (order.is_accepted, cum_qty > Qty::ZERO) {
                    (_, true) => OrderStatus::PartiallyFilled,
                    (true, false) => OrderStatus::New,
                    (false, false) => OrderStatus::PendingNew,
                };
                // Where the cancel crossed a fill that ended the order, only the answer is left to tell.
                if is_open {
                    self.orders.set_status(slot, back);
                }
                self.push_account(
                    account,
                    CancelRejected { order: id, account, client_order_id, reason },
                    out,
                );
            }
            ReportKind::Accepted
            | ReportKind::Rejected
            | ReportKind::Canceled
            | ReportKind::CancelRejected => {
                self.refuse(&(*report).into(), Reject::DuplicateReport, id.0.cast_signed(), out);
            }
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    /// What the venue could not give is asked for again with the next observation, while the signal stands.
    fn let_strategy_retry(&mut self, slot: u32) {
        let order = self.orders.get(slot);
        let index = order.strategy.0 as usize;
        if order.cum_qty < order.qty
            && let Some(strategy) = self.strategies.get_mut(index).and_then(Option::as_mut)
        {
            strategy.retries = true;
            self.rehash_strategy(index);
        }
    }

    pub(super) fn on_fill(&mut self, fill: &FillReported, out: &mut EventBuffer) -> u64 {
        let Some(slot) = self.orders.find(fill.order) else {
            // The stream of an order that is not known has no versions.
            out.push(0, unmatched(fill, Reject::UnknownOrder));
            return 0;
        };
        let order = self.orders.get_mut(slot);
        order.version += 1;
        let version = order.version;
        let order = *order;
        let known = self.instrument(order.instrument).map(|known| (known.definition, known.base_factor));
        let problem = if fill.execution_id <= order.execution_id {
            Some(Reject::DuplicateReport)
        } else if fill.fee.get().unsigned_abs() > FEE_MAX {
            Some(Reject::ValueOverflow)
        } else if fill.qty <= Qty::ZERO || fill.qty > order.leaves() {
            Some(Reject::FillUnmatched)
        } else {
            None
        };
        let booked = match (problem, known) {
            (None, Some((instrument, base_factor))) => {
                self.book_fill(slot, &instrument, base_factor, fill, out)
            }
            (None, None) => Err(Reject::UnknownInstrument),
            (Some(problem), _) => Err(problem),
        };
        if let Err(problem) = booked {
            self.push_order(slot, unmatched(fill, problem), out);
        }
        self.orders.commit(slot, &mut self.digest);
        version
    }

    fn book_fill(
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
        row.execution_id = fill.execution_id;
        let is_filled = row.cum_qty == row.qty;
        self.push_fill(slot, fill, is_filled, out);

        *self.positions.get_mut(order.account, order.instrument).open_mut(order.side) -= fill.qty.0;
        self.note_held(&order, fill.qty);
        if is_filled {
            self.finish(slot, OrderStatus::Filled);
        } else {
            if order.status != OrderStatus::PendingCancel {
                self.orders.set_status(slot, OrderStatus::PartiallyFilled);
            }
            self.tie_up_again(slot);
        }
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
            leaves_qty: Qty(order.qty.0 - order.cum_qty.0),
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

    fn push_position(
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
        };
        out.push(position.version, changed);
        self.positions.rehash(order.account, order.instrument, &mut self.digest);
    }

    /// A strategy's fill moves from pending to held.
    fn note_held(&mut self, order: &Order, qty: Qty) {
        let change = order.side.sign() * qty.0;
        if let Some(strategy) = self.strategies.get_mut(order.strategy.0 as usize).and_then(Option::as_mut) {
            strategy.held += change;
        }
        self.note_pending(order.strategy, -change);
    }
}

/// Largest fee, far from where sums of an `i128` could overflow.
const FEE_MAX: u128 = 1 << 90;

fn unmatched(fill: &FillReported, reason: Reject) -> FillUnmatched {
    FillUnmatched {
        order: fill.order,
        execution_id: fill.execution_id,
        price: fill.price,
        qty: fill.qty,
        reason: reason.code(),
    }
}

/// The transfers of a fill: what the venue pays or gets, the asset for spot, the fee, and differences of rounding.
fn legs(
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
