//! Amendments: what may be new of an order, and what it is from there on.

use super::History;
use crate::import::orders::Open;
use tickwerk_domain::command::ReplaceReported;
use tickwerk_domain::event::{OrderFilled, OrderReplaced};
use tickwerk_domain::{Event, Liquidity, Money, Price, Qty};
use tickwerk_import::{AmendmentRow, Fault, Planned};

const REMEDY: &str = "mend the row, or leave the value out";

impl History<'_> {
    pub(super) fn amend(&mut self, planned: &Planned, row: &AmendmentRow) -> Result<(), Fault> {
        let open = self.open_order(planned, &row.order)?;
        self.check_amendment(planned, &open, row)?;
        let (open, is_full) = self.orders.amend(row).expect("the order is open");
        let Open { order, price, qty, trigger_price, cum_qty, instrument, venue_order_id, .. } = open;
        let (leaves_qty, display_qty) = (Qty(qty.0 - cum_qty.0), Qty::ZERO);
        let report = ReplaceReported { order, venue_order_id, price, qty, trigger_price, display_qty };
        let replaced =
            OrderReplaced { order, price, qty, trigger_price, display_qty, cum_qty, leaves_qty, instrument };
        let mut events = vec![Event::OrderReplaced(replaced)];
        if is_full {
            events.push(filled_by_amendment(&open));
        }
        self.push(planned.place, report, events, None);
        if is_full {
            self.look_at_full(&open);
        }
        Ok(())
    }

    fn check_amendment(&self, planned: &Planned, open: &Open, row: &AmendmentRow) -> Result<(), Fault> {
        let fault = |field, reason: String| Err(self.plan.fault(planned, field, reason, REMEDY));
        if row.qty.is_some_and(|qty| qty < open.cum_qty) {
            let filled = self.qty(open, open.cum_qty);
            return fault("qty", format!("is less than the {filled} that are filled"));
        }
        if row.price.is_some() && !open.order_type.has_limit() {
            return fault("price", format!("is no term of a {} order", open.order_type));
        }
        if row.trigger_price.is_some() && !open.order_type.is_triggered() {
            return fault("trigger_price", format!("is no term of a {} order", open.order_type));
        }
        Ok(())
    }
}

/// The end of an order that has nothing left, without a fill of its own.
fn filled_by_amendment(open: &Open) -> Event {
    Event::OrderFilled(OrderFilled {
        cum_value: Money::new(open.cum_value),
        cum_fee: Money::new(open.cum_fee),
        order: open.order,
        last_price: Price(0),
        last_qty: Qty::ZERO,
        cum_qty: open.cum_qty,
        leaves_qty: Qty::ZERO,
        account: open.account,
        instrument: open.instrument,
        side: open.side,
        liquidity: Liquidity::Maker,
    })
}
