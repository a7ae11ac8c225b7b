//! Orders of an import that are open, by the source's own ids.

use std::collections::BTreeMap;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{AccountId, InstrumentId, OrderId, OrderType, PositionEffect, Price, Qty, Side};
use tickwerk_import::{AmendmentRow, FillRow, FinalStatus, OrderRow, Place};

/// An order that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) order: OrderId,
    /// How many orders there were with it.
    pub(crate) ordinal: u64,
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentId,
    pub(crate) side: Side,
    pub(crate) position_effect: PositionEffect,
    pub(crate) order_type: OrderType,
    pub(crate) qty: Qty,
    pub(crate) price: Price,
    pub(crate) trigger_price: Price,
    pub(crate) cum_qty: Qty,
    pub(crate) cum_value: i128,
    pub(crate) cum_fee: i128,
    pub(crate) status: FinalStatus,
    pub(crate) filled_qty: Option<Qty>,
    /// The venue's id; 0 where none is told.
    pub(crate) venue_order_id: u64,
    pub(crate) place: Place,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    open: BTreeMap<String, Open>,
    /// Orders so far, those of fills alone included.
    pub(crate) count: u64,
    /// Orders that were full, and how the source says that they ended, until their own end is looked at.
    filled: BTreeMap<String, Place>,
}

impl Orders {
    pub(crate) fn get(&self, id: &str) -> Option<&Open> {
        self.open.get(id)
    }

    pub(crate) fn instrument(&self, id: &str) -> Option<InstrumentId> {
        self.open.get(id).map(|open| open.instrument)
    }

    pub(crate) fn insert(&mut self, id: String, open: Open) {
        self.open.insert(id, open);
    }

    /// Takes an order that ends.
    pub(crate) fn end(&mut self, id: &str) -> Option<Open> {
        self.open.remove(id)
    }

    /// Counts a fill; the order as it is behind it, and whether it is full and gone.
    pub(crate) fn count_fill(
        &mut self,
        id: &str,
        fill: &FillRow,
        value: i128,
        fee: i128,
    ) -> Option<(Open, bool)> {
        let open = self.open.get_mut(id)?;
        open.cum_qty.0 += fill.qty.0;
        open.cum_value += value;
        open.cum_fee += fee;
        Some(self.settle(id))
    }

    /// Gives an order new terms; the order as it is behind that, and whether it is full and gone.
    pub(crate) fn amend(&mut self, row: &AmendmentRow) -> Option<(Open, bool)> {
        let open = self.open.get_mut(&row.order)?;
        open.qty = row.qty.unwrap_or(open.qty);
        open.price = row.price.unwrap_or(open.price);
        open.trigger_price = row.trigger_price.unwrap_or(open.trigger_price);
        if row.venue_order_id != 0 {
            open.venue_order_id = row.venue_order_id;
        }
        Some(self.settle(&row.order))
    }

    /// Takes an order out that has become full.
    fn settle(&mut self, id: &str) -> (Open, bool) {
        let after = self.open[id].clone();
        let is_full = after.cum_qty == after.qty;
        if is_full {
            self.open.remove(id);
            if after.status != FinalStatus::Filled && after.status != FinalStatus::Open {
                self.filled.insert(id.to_owned(), after.place);
            }
        }
        (after, is_full)
    }

    /// Whether an order was full before the end that the source tells.
    pub(crate) fn was_full(&mut self, id: &str) -> bool {
        self.filled.remove(id).is_some()
    }

    /// Those that are left, in the order of their entry.
    pub(crate) fn left(&self) -> Vec<(&str, &Open)> {
        let mut left: Vec<_> = self.open.iter().map(|(id, open)| (id.as_str(), open)).collect();
        left.sort_by_key(|(_, open)| open.order);
        left
    }
}

/// What a row asks for, as a command.
pub(crate) fn asked(row: &OrderRow) -> NewOrder {
    NewOrder {
        trigger_price: row.trigger_price,
        expires_at: row.expires_at,
        client_order_id: row.client_order_id,
        order_type: row.order_type,
        time_in_force: row.time_in_force,
        position_effect: row.position_effect,
        ..NewOrder::limit(row.account, row.instrument, row.side, row.price, row.qty)
    }
}

/// The order that a fill has of its own.
pub(crate) fn asked_for_fill(
    fill: &FillRow,
    (account, side, position_effect): (AccountId, Side, PositionEffect),
) -> NewOrder {
    NewOrder {
        position_effect,
        price: Price(0),
        ..NewOrder::market(account, fill.instrument, side, fill.qty)
    }
}
