//! What an item of a format means as told orders and trades.
//!
//! Kept is what was told so far: who rests where, with how much. So an item that names a difference becomes one that names
//! what is left, and what the data cannot tell is left out:
//! - Data that begin in the middle (LOBSTER, Bitstamp) name orders that were never shown. Those of a seeded level are
//!   taken from the nameless order that stands for it; of others only executions are told, as trades.
//! - Data of the N best levels are silent about those behind. What is known there is kept, as the best guess when they
//!   come back; with a window of one level that guess would be the whole book, so levels that leave it are taken away,
//!   and a side that is empty then is what the book beside the data says, where there is one.
//! - Data that are whole (Databento) do not: what contradicts the book is told as it is, and the book goes stale by it.
//!
//! A halt of LOBSTER is a session of the market: halted, before the open while quotes are taken, and open again.
//!
//! Units are those of the format. Order: that of the items; the parts of an update end with the item that ends it.

use super::{Action, BookRow, OrderByOrder, OrderFormat};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::{Aggressor, BookAction, Level, Price, Qty, SessionState, Side};

/// What the data promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Promises {
    pub(super) format: OrderFormat,
    /// The data show the best level of a side alone, and no word of one that is the best no more.
    pub(super) shows_best_only: bool,
}

impl Promises {
    /// Every order that is named was shown before.
    pub(super) fn is_whole(self) -> bool {
        match self.format {
            OrderFormat::Databento => true,
            OrderFormat::Lobster | OrderFormat::Bitstamp => false,
        }
    }

    /// An id that left the book may come again.
    fn ids_return(self) -> bool {
        match self.format {
            OrderFormat::Lobster | OrderFormat::Databento => true,
            OrderFormat::Bitstamp => false,
        }
    }

    /// Every trade that is told beside the orders is an execution of one of them too.
    fn trades_are_executions(self) -> bool {
        match self.format {
            OrderFormat::Bitstamp => true,
            OrderFormat::Lobster | OrderFormat::Databento => false,
        }
    }
}

/// One thing to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// Something of someone's order.
    Order { action: BookAction, order: u64, side: Side, price: Price, qty: Qty },
    /// A trade without a shown order.
    Trade { price: Price, qty: Qty, aggressor: Aggressor },
    /// The state of the market from here on.
    Session(SessionState),
}

#[derive(Clone, Copy, Debug)]
struct Rests {
    side: Side,
    price: Price,
    qty: Qty,
}

/// What was told so far, and what of the present update is to be told.
#[derive(Debug)]
pub(super) struct Translation {
    promises: Promises,
    orders: BTreeMap<u64, Rests>,
    /// Ids at each price, of bids and of asks.
    levels: [BTreeMap<Price, BTreeSet<u64>>; 2],
    /// Orders that stand for all that rested at a price before the data began.
    nameless: BTreeMap<(Side, Price), u64>,
    /// Ids given to such orders.
    nameless_ids: u64,
    gone: BTreeSet<u64>,
    /// What fills told of orders whose reduction is still to come.
    filled: BTreeMap<u64, i64>,
    /// A trade whose fills are still to come.
    trade: Option<Told>,
    session: SessionState,
    update: Vec<Told>,
    /// Items about orders that were never shown.
    pub(super) unknown: u64,
}

impl Translation {
    pub(super) fn new(promises: Promises) -> Self {
        Self {
            promises,
            orders: BTreeMap::new(),
            levels: [BTreeMap::new(), BTreeMap::new()],
            nameless: BTreeMap::new(),
            nameless_ids: 0,
            gone: BTreeSet::new(),
            filled: BTreeMap::new(),
            trade: None,
            session: SessionState::Continuous,
            update: Vec::new(),
            unknown: 0,
        }
    }

    /// A new book begins.
    pub(super) fn begin(&mut self) {
        self.orders.clear();
        self.levels.iter_mut().for_each(BTreeMap::clear);
        self.nameless.clear();
        self.filled.clear();
        self.tell(BookAction::Clear, 0, Side::Buy, Level::default());
    }

    /// Begins a book that is `row` behind `first`, the first item. What rests there and is not the item's own order has
    /// no name: one order a level stands for it.
    pub(super) fn seed(&mut self, row: &BookRow, first: &OrderByOrder) {
        self.begin();
        let own = first.side.filter(|_| first.action == Action::Add);
        for side in [Side::Buy, Side::Sell] {
            for level in row.levels(side) {
                let is_own = own == Some(side) && level.price == first.price;
                let qty = Qty(level.qty.0 - if is_own { first.qty.0 } else { 0 });
                if qty > Qty::ZERO {
                    self.add_nameless(side, Level { qty, ..*level });
                }
            }
        }
        // The row is what the item led to: only a new order has a name, and an execution was a trade.
        if let Some(side) = own {
            self.add(first.order, side, first.price, first.qty);
        } else if first.action == Action::Execute {
            self.update.push(trade_of(first));
        }
    }

    /// Takes over the best level of `row`, which stands behind the last item, where nothing is known of a side. Tells on
    /// how many sides that was so.
    pub(super) fn reveal(&mut self, row: &BookRow) -> u64 {
        let mut revealed = 0;
        for side in [Side::Buy, Side::Sell] {
            if let Some(level) = row.levels(side).first()
                && self.levels[index(side)].is_empty()
            {
                self.add_nameless(side, *level);
                revealed += 1;
            }
        }
        revealed
    }

    /// Takes an item; `true` where an update is complete with it.
    pub(super) fn apply(&mut self, item: &OrderByOrder) -> bool {
        if !self.promises.ids_return() && self.gone.contains(&item.order) && item.order != 0 {
            self.unknown += 1;
            return item.is_last;
        }
        match (item.action, item.side) {
            (Action::Clear, _) => self.begin(),
            (Action::Add, Some(side)) => self.add(item.order, side, item.price, item.qty),
            (Action::Modify, Some(side)) => self.modify(item, side),
            (Action::Restate, Some(side)) => self.restate(item, side),
            (Action::Reduce | Action::Delete, Some(side)) => self.take(item, side),
            (Action::Execute, Some(side)) => self.execute(item, side),
            (Action::Fill, Some(side)) => {
                self.trade = None;
                *self.filled.entry(item.order).or_default() += item.qty.0;
                self.execute(item, side);
            }
            (Action::ExecuteHidden | Action::Cross, _) => self.update.push(trade_of(item)),
            (Action::Trade, _) if self.promises.trades_are_executions() => {}
            (Action::Trade, _) => {
                let earlier = self.trade.replace(trade_of(item));
                self.update.extend(earlier);
            }
            (
                Action::Add
                | Action::Modify
                | Action::Restate
                | Action::Reduce
                | Action::Delete
                | Action::Execute
                | Action::Fill,
                None,
            )
            | (Action::Nothing, _) => {}
            (Action::Halt, _) => self.session(SessionState::Halted),
            (Action::ResumeQuoting, _) => {
                // Where quotes are taken again they were not before, also if the data began in the halt.
                self.session(SessionState::Halted);
                self.session(SessionState::PreOpen);
            }
            (Action::ResumeTrading, _) => self.session(SessionState::Continuous),
        }
        if item.ends_its_order() && !self.promises.ids_return() {
            self.gone.insert(item.order);
        }
        item.is_last
    }

    /// What the update that is complete now tells.
    pub(super) fn complete(&mut self) -> impl Iterator<Item = Told> + '_ {
        self.update.extend(self.trade.take());
        if self.promises.shows_best_only {
            for side in [Side::Buy, Side::Sell] {
                self.drop_behind_best(side);
            }
        }
        self.update.drain(..)
    }

    fn add(&mut self, order: u64, side: Side, price: Price, qty: Qty) {
        self.forget(order);
        self.filled.remove(&order);
        if qty > Qty::ZERO {
            self.orders.insert(order, Rests { side, price, qty });
            self.levels[index(side)].entry(price).or_default().insert(order);
        }
        self.tell(BookAction::Add, order, side, Level { price, qty });
    }

    /// Adds what rests at a price and was never shown order by order, as one order.
    fn add_nameless(&mut self, side: Side, level: Level) {
        // Far above all ids of the formats.
        let id = u64::MAX - self.nameless_ids;
        self.nameless_ids += 1;
        self.nameless.insert((side, level.price), id);
        self.add(id, side, level.price, level.qty);
    }

    fn modify(&mut self, item: &OrderByOrder, side: Side) {
        self.filled.remove(&item.order);
        match self.orders.get(&item.order).copied() {
            Some(rests) if rests.side == side && rests.price == item.price && item.qty < rests.qty => {
                self.shrink_to(item.order, rests, item.qty, BookAction::Reduce);
            }
            Some(rests) if rests.side == side && rests.price == item.price && item.qty == rests.qty => {}
            Some(_) => self.add(item.order, side, item.price, item.qty),
            None if self.promises.is_whole() => {
                self.unknown += 1;
                self.tell(BookAction::Reduce, item.order, side, Level { price: item.price, qty: item.qty });
            }
            None => {
                self.unknown += 1;
                self.add(item.order, side, item.price, item.qty);
            }
        }
    }

    /// A smaller quantity at the same price is an execution here: an owner cannot do that without a new order.
    fn restate(&mut self, item: &OrderByOrder, side: Side) {
        match self.orders.get(&item.order).copied() {
            Some(rests) if item.qty < rests.qty && (item.price == rests.price || item.qty == Qty::ZERO) => {
                self.shrink_to(item.order, rests, item.qty, BookAction::Execute);
            }
            Some(rests) if item.qty == rests.qty && item.price == rests.price => {}
            Some(_) => self.add(item.order, side, item.price, item.qty),
            None => {
                self.unknown += 1;
                if item.qty > Qty::ZERO {
                    self.add(item.order, side, item.price, item.qty);
                }
            }
        }
    }

    /// The owner takes the item's quantity away, or all of it.
    fn take(&mut self, item: &OrderByOrder, side: Side) {
        let filled = self.filled.remove(&item.order).unwrap_or(0).min(item.qty.0);
        let by = item.qty.0 - filled;
        if filled > 0 && by == 0 && item.action == Action::Reduce {
            // The fill has told it already.
            return;
        }
        let Some((order, rests)) = self.named_or_nameless(item, side) else {
            self.unknown += 1;
            if self.promises.is_whole() {
                self.tell(BookAction::Delete, item.order, side, Level { price: item.price, qty: item.qty });
            }
            return;
        };
        let all = item.action == Action::Delete && order == item.order;
        let left = if all { 0 } else { rests.qty.0 - by };
        let left = if self.promises.is_whole() { left } else { left.max(0) };
        self.shrink_to(order, rests, Qty(left), BookAction::Reduce);
    }

    fn execute(&mut self, item: &OrderByOrder, side: Side) {
        let Some((order, rests)) = self.named_or_nameless(item, side) else {
            self.unknown += 1;
            if self.promises.is_whole() {
                self.tell(BookAction::Execute, item.order, side, Level { price: item.price, qty: item.qty });
            } else {
                self.update.push(trade_of(item));
            }
            return;
        };
        let left = rests.qty.0 - item.qty.0;
        let left = if self.promises.is_whole() { left } else { left.max(0) };
        self.shrink_to(order, rests, Qty(left), BookAction::Execute);
    }

    /// The order that an item is about, or the one that stands for all without a name at its price.
    fn named_or_nameless(&mut self, item: &OrderByOrder, side: Side) -> Option<(u64, Rests)> {
        if let Some(rests) = self.orders.get(&item.order) {
            return Some((item.order, *rests));
        }
        let order = *self.nameless.get(&(side, item.price))?;
        self.unknown += 1;
        self.orders.get(&order).map(|rests| (order, *rests))
    }

    /// Leaves `left` of an order, by its owner or by an execution.
    fn shrink_to(&mut self, order: u64, rests: Rests, left: Qty, action: BookAction) {
        let Rests { side, price, qty } = rests;
        if left <= Qty::ZERO {
            self.forget(order);
        } else if let Some(rests) = self.orders.get_mut(&order) {
            rests.qty = left;
        }
        let (action, told) = match action {
            BookAction::Execute => (action, Qty(qty.0 - left.0)),
            BookAction::Reduce if left == Qty::ZERO => (BookAction::Delete, Qty::ZERO),
            BookAction::Add | BookAction::Reduce | BookAction::Delete | BookAction::Clear => (action, left),
        };
        self.tell(action, order, side, Level { price, qty: told });
    }

    fn forget(&mut self, order: u64) {
        let Some(Rests { side, price, .. }) = self.orders.remove(&order) else {
            return;
        };
        let levels = &mut self.levels[index(side)];
        if let Some(ids) = levels.get_mut(&price) {
            ids.remove(&order);
            if ids.is_empty() {
                levels.remove(&price);
            }
        }
        if self.nameless.get(&(side, price)) == Some(&order) {
            self.nameless.remove(&(side, price));
        }
    }

    /// Takes away the levels behind the best one.
    fn drop_behind_best(&mut self, side: Side) {
        while self.levels[index(side)].len() > 1 {
            let levels = &self.levels[index(side)];
            let worst = match side {
                Side::Buy => levels.first_key_value(),
                Side::Sell => levels.last_key_value(),
            };
            let ids: Vec<u64> = worst.map(|(_, ids)| ids.iter().copied().collect()).unwrap_or_default();
            for id in ids {
                if let Some(rests) = self.orders.get(&id).copied() {
                    self.shrink_to(id, rests, Qty::ZERO, BookAction::Reduce);
                }
            }
        }
    }

    fn session(&mut self, state: SessionState) {
        if self.session != state {
            self.session = state;
            self.update.push(Told::Session(state));
        }
    }

    fn tell(&mut self, action: BookAction, order: u64, side: Side, Level { price, qty }: Level) {
        self.update.push(Told::Order { action, order, side, price, qty });
    }
}

/// The trade that an item tells.
fn trade_of(item: &OrderByOrder) -> Told {
    // A trade names the side of who started it, an execution that of the order that rested.
    let side = item.side.filter(|_| item.action != Action::Cross);
    let aggressor = match (side, item.action == Action::Trade) {
        (None, _) => Aggressor::Unknown,
        (Some(Side::Buy), true) | (Some(Side::Sell), false) => Aggressor::Buyer,
        (Some(Side::Sell), true) | (Some(Side::Buy), false) => Aggressor::Seller,
    };
    Told::Trade { price: item.price, qty: item.qty, aggressor }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Sell)
}
