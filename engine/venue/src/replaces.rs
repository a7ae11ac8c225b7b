//! What happens when a replace arrives.

use crate::SimulatedVenue;
use crate::orders::{Stage, VenueOrder};
use tickwerk_domain::event::ReplaceSubmitted;
use tickwerk_domain::{OrderType, Price, Qty, Reject, ReportKind, TimeNs};

impl SimulatedVenue {
    /// A smaller quantity keeps the order's place; another price, more quantity or more on display loses it, and may
    /// take at once.
    pub(crate) fn replace_arrives(&mut self, asked: &ReplaceSubmitted, at: TimeNs) {
        let Some(slot) = self.find_arrived(asked.order) else {
            self.tell_unknown(asked.order, asked.instrument, ReportKind::ReplaceRejected, at);
            return;
        };
        let order = *self.orders.get(slot);
        let price = if order.order_type == OrderType::Market { order.price } else { asked.price };
        if let Some(reason) = self.refuses(&order, asked, price) {
            self.tell(slot, ReportKind::ReplaceRejected, Some(reason), at);
            return;
        }
        let display = asked.display_qty.max(Qty::ZERO);
        let shows_no_more = display == order.display || (display > Qty::ZERO && display < order.open());
        let shows_the_same = display == order.display || order.stage != Stage::Exchanged;
        let keeps_its_place =
            price == order.price && asked.qty <= order.qty && shows_no_more && shows_the_same;
        if !keeps_its_place {
            self.leave_the_book(slot);
        }
        let priority = if keeps_its_place { order.priority } else { self.orders.next_number() };
        self.orders.change(slot, &mut self.digest, |row| {
            (row.price, row.display, row.priority) = (price, display, priority);
            row.leaves = Qty(asked.qty.0 - row.cum().0);
            row.qty = asked.qty;
            row.shown = if row.shown > Qty::ZERO { row.shown.min(row.peak()) } else { row.peak() };
            row.stage = if keeps_its_place { row.stage } else { Stage::Traveling };
        });
        self.tell_terms(slot, asked.trigger_price, at);
        if !keeps_its_place {
            self.enter(slot, at);
        } else if order.stage == Stage::Exchanged {
            self.lessen_on_exchange(slot);
        }
        self.rehash(order.instrument);
    }

    fn refuses(&self, order: &VenueOrder, asked: &ReplaceSubmitted, price: Price) -> Option<Reject> {
        let market = self.market(order.instrument);
        if !market.session.takes_orders() {
            Some(Reject::MarketClosed)
        } else if asked.qty <= order.cum() {
            Some(Reject::QuantityBelowFilled)
        } else if (price != order.price || asked.qty > order.qty)
            && order.order_type == OrderType::Limit
            && self.is_outside_band(order.instrument, order.side, price)
        {
            Some(Reject::OutsidePriceBand)
        } else if order.post_only && self.would_take(order.instrument, order.side, price) {
            Some(Reject::WouldTake)
        } else {
            None
        }
    }
}
