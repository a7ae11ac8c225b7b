//! Self-trade prevention at the venue: what happens where an order that comes would meet one of the same account.

use crate::SimulatedVenue;
use tickwerk_domain::{Price, Qty, Reject, ReportKind, SelfTradePrevention, Side, TimeNs};

impl SimulatedVenue {
    /// Looks for orders of the same account that the order in `slot` would meet at `bound` or better, and does what is
    /// set about them. Whether the order that came is done with that.
    pub(crate) fn prevent_self_trade(&mut self, slot: u32, bound: Price, at: TimeNs) -> bool {
        let order = *self.orders.get(slot);
        let mode = self.market(order.instrument).setting.self_trade;
        if mode == SelfTradePrevention::Off || order.account.is_none() {
            return false;
        }
        let mut is_restated = false;
        let mut place = self.market(order.instrument).side(order.side.opposite()).resting.len();
        // From the best on; an order that leaves moves only those that were looked at before.
        while place > 0 {
            place -= 1;
            let resting = &self.market(order.instrument).side(order.side.opposite()).resting;
            let Some((_, maker)) = resting.at(place).filter(|(price, _)| reaches(order.side, bound, *price))
            else {
                break;
            };
            if self.orders.get(maker).account != order.account {
                continue;
            }
            match mode {
                SelfTradePrevention::Off => {}
                SelfTradePrevention::CancelMaker => self.end_self_trade(maker, at),
                SelfTradePrevention::CancelTaker => {
                    self.end_self_trade(slot, at);
                    return true;
                }
                SelfTradePrevention::CancelBoth => {
                    self.end_self_trade(maker, at);
                    self.end_self_trade(slot, at);
                    return true;
                }
                SelfTradePrevention::Decrement => {
                    let both = self.orders.get(maker).leaves.min(self.orders.get(slot).leaves);
                    if !self.decrement(maker, both, at) {
                        self.tell_terms(maker, Price(0), at);
                    }
                    if self.decrement(slot, both, at) {
                        return true;
                    }
                    is_restated = true;
                }
            }
        }
        if is_restated {
            self.tell_terms(slot, Price(0), at);
        }
        false
    }

    fn end_self_trade(&mut self, slot: u32, at: TimeNs) {
        self.end(slot, ReportKind::Canceled, Reject::SelfTrade, at);
    }

    /// Takes `qty` from an order without a trade; whether nothing is left of it.
    pub(crate) fn decrement(&mut self, slot: u32, qty: Qty, at: TimeNs) -> bool {
        let row = self.orders.get(slot);
        if row.leaves == qty {
            self.end_self_trade(slot, at);
            return true;
        }
        self.orders.change(slot, &mut self.digest, |row| {
            row.qty.0 -= qty.0;
            row.leaves.0 -= qty.0;
            row.shown = row.shown.min(row.leaves);
        });
        false
    }
}

fn reaches(taker: Side, bound: Price, price: Price) -> bool {
    match taker {
        Side::Buy => price <= bound,
        Side::Sell => price >= bound,
    }
}
