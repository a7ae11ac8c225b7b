//! The book of a real exchange, rebuilt from order-by-order data and held beside the exchange's own.
//!
//! It lies with the tools, as only they may know both the decoders of the feeds and the venue's book. Units: mantissas
//! at the scales of the decoder. An item changes the book at once; it is looked at only where an update ends. What fails:
//! only a book that outgrows its maximum. Items that contradict the book are counted and change it as far as they can.
//!
//! What data cannot tell is kept apart from what they tell wrongly. Data that start in the middle, or see only a window
//! of N levels, leave the book unknown behind some price: the [`Horizon`] of a side. Levels behind it are kept as they
//! were last seen, as a guess; a reference row shows what they are. With a window of one level that guess would be the
//! whole book, so levels are dropped when they leave it.

mod compare;
mod horizon;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use compare::Difference;
pub(crate) use reference::{Reference, Rows};

use horizon::Horizon;
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::{Price, Qty, Side, TimeNs};
use tickwerk_feeds::order_by_order::{Action, ORDER_ID_MAX, OrderByOrder};
use tickwerk_venue::book::{BookError, BookOrder, OrderBook};

/// Orders that a new book has room for; it grows as needed.
const ORDERS_START: usize = 1 << 14;
/// Orders that no book of one instrument has.
const ORDERS_MAX: usize = 1 << 24;

/// What an item does to its order's side.
type ApplyToOrder = fn(&mut Rebuild, &OrderByOrder, Side) -> Result<(), BookError>;

/// Why a book cannot be rebuilt further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RebuildError {
    #[error("update {sequence}, order {order}: the book does not take it")]
    Book {
        sequence: u64,
        order: u64,
        #[source]
        source: BookError,
    },
}

/// Who stands before whom in a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueueRule {
    /// The lower id, as the venue numbers orders when they come: the data may show an old order late.
    ById,
    /// Who came first in the data.
    ByArrival,
}

/// What a format promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    pub(crate) queue: QueueRule,
    /// Whether an id that left the book may come again; if not, what comes of it later is late and changes nothing.
    pub(crate) ids_return: bool,
    /// Levels of a side that the data show, at least one; all without a window.
    pub(crate) window: Option<usize>,
    /// How much too small the quantity of an item may be; 0 for exact data.
    pub(crate) qty_cut: i64,
}

/// What rests at a price and was never shown order by order, as one order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Nameless {
    id: u64,
    /// Items whose quantities it is the difference of: each may have left it too large by what the item was cut by.
    items: i64,
}

/// What happened on the way. The order is that of the JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    /// Items applied.
    pub(crate) items: u64,
    /// Items that end an update.
    pub(crate) updates: u64,
    /// Reference rows compared.
    pub(crate) rows: u64,
    /// Rows that the data determine, or about which the guess was right.
    pub(crate) determinable: u64,
    /// Rows equal to the book, in price and quantity, level by level.
    pub(crate) matched: u64,
    /// Determinable rows that are not equal.
    pub(crate) differing: u64,
    /// Levels that had to be taken from a reference row, as the data cannot show them.
    pub(crate) revealed: u64,
    /// Executions of orders that are shown, or were when they rested.
    pub(crate) executions: u64,
    /// Executions at the best price of their side.
    pub(crate) at_best: u64,
    /// Executions of the order that stood first at its price.
    pub(crate) queue_front: u64,
    /// Executions of orders that the data showed before.
    pub(crate) known_orders: u64,
    /// Items that name an order which the book does not hold.
    pub(crate) unknown_orders: u64,
    /// Orders that came with the id of one that still stood.
    pub(crate) duplicate_orders: u64,
    /// Items about an order that had left already.
    pub(crate) late_items: u64,
    /// Items that would take more than there is.
    pub(crate) negative_levels: u64,
    /// Updates behind which the best bid was not below the best ask.
    pub(crate) crossed_rows: u64,
}

/// A book in the making.
#[derive(Debug)]
pub(crate) struct Rebuild {
    book: OrderBook,
    orders_room: usize,
    rules: Rules,
    /// Orders that left, where none comes again.
    gone: BTreeSet<u64>,
    bids: Horizon,
    asks: Horizon,
    nameless: BTreeMap<(Side, Price), Nameless>,
    nameless_next: u64,
    arrivals: u64,
    /// Whether the last update could have changed the book.
    touched: bool,
    last_time: TimeNs,
    crossed_last: Option<TimeNs>,
    counts: Counts,
}

impl Rebuild {
    /// An empty book of which nothing is known: orders may rest that the data never show. A [`Action::Clear`], with which
    /// a snapshot begins, makes it whole.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            book: OrderBook::new(ORDERS_START),
            orders_room: ORDERS_START,
            rules,
            gone: BTreeSet::new(),
            bids: Horizon::nothing(),
            asks: Horizon::nothing(),
            nameless: BTreeMap::new(),
            nameless_next: u64::MAX,
            arrivals: 0,
            touched: false,
            last_time: TimeNs::UNKNOWN,
            crossed_last: None,
            counts: Counts::default(),
        }
    }

    pub(crate) fn book(&self) -> &OrderBook {
        &self.book
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Time of the last item, if there was one.
    pub(crate) fn last_time(&self) -> Option<TimeNs> {
        (self.counts.items > 0).then_some(self.last_time)
    }

    /// Time of the last update behind which the book was crossed.
    pub(crate) fn crossed_last(&self) -> Option<TimeNs> {
        self.crossed_last
    }

    /// Whether the order stands for what was never shown order by order.
    pub(crate) fn is_nameless(&self, order: &BookOrder) -> bool {
        self.nameless.get(&(order.side, order.price)).is_some_and(|nameless| nameless.id == order.id)
    }

    /// Applies one item.
    pub(crate) fn apply(&mut self, item: &OrderByOrder) -> Result<(), RebuildError> {
        self.counts.items += 1;
        self.last_time = item.time_ns;
        self.arrivals += 1;
        self.touched = item.action.changes_shown_book();
        if self.touched && self.gone.contains(&item.order) {
            self.counts.late_items += 1;
            if item.is_last {
                self.end_update();
            }
            return Ok(());
        }
        let of_order: Option<ApplyToOrder> = match item.action {
            Action::Add => Some(Self::add),
            Action::Modify => Some(Self::modify),
            Action::Restate => Some(Self::restate),
            Action::Reduce | Action::Delete => Some(Self::take),
            Action::Execute => Some(Self::execute),
            Action::Fill => Some(Self::fill),
            Action::Clear => {
                self.clear();
                None
            }
            Action::ExecuteHidden
            | Action::Trade
            | Action::Cross
            | Action::Halt
            | Action::ResumeQuoting
            | Action::ResumeTrading
            | Action::Nothing => None,
        };
        if let (Some(apply), Some(side)) = (of_order, item.side) {
            let (sequence, order) = (item.sequence, item.order);
            apply(self, item, side).map_err(|source| RebuildError::Book { sequence, order, source })?;
        }
        if !self.rules.ids_return && item.ends_its_order() {
            self.gone.insert(item.order);
        }
        if item.is_last {
            self.end_update();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.book.clear();
        self.nameless.clear();
        (self.bids, self.asks) = (Horizon::whole(), Horizon::whole());
    }

    fn add(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        if self.book.remove(item.order).is_ok() {
            self.counts.duplicate_orders += 1;
        }
        let priority = self.priority(item.order);
        self.insert(BookOrder::new(item.order, side, item.price, item.qty, priority))
    }

    fn modify(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        let priority = self.priority(item.order);
        match self.book.get(item.order) {
            Some(order) if order.side == side => self.book.modify(item.order, item.price, item.qty, priority),
            Some(_) => self.add(item, side),
            None => {
                // From now on the order is known.
                self.counts.unknown_orders += 1;
                self.add(item, side)
            }
        }
    }

    /// A smaller quantity at the same price is a fill here: an owner cannot do that without a new order.
    fn restate(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        let Some(order) = self.book.get(item.order).copied() else {
            return self.restate_unknown(item, side);
        };
        if item.qty < order.qty && (item.price == order.price || item.qty == Qty::ZERO) {
            self.note_execution(item, side);
            return self.book.reduce(item.order, Qty(order.qty.0 - item.qty.0)).map(|_| ());
        }
        self.modify(item, side)
    }

    /// How much was filled of an order that was never shown cannot be told: its level is unknown until a row shows it.
    fn restate_unknown(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        self.counts.unknown_orders += 1;
        self.note_execution(item, side);
        self.horizon_mut(side).doubt(item.price);
        if item.qty == Qty::ZERO {
            return Ok(());
        }
        self.take_nameless(side, item.price, item.qty);
        self.add(item, side)
    }

    fn execute(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        self.note_execution(item, side);
        self.take(item, side)
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands in a table with others that may fail")]
    fn fill(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        self.note_execution(item, side);
        Ok(())
    }

    /// Takes the item's quantity from its order, or all of it for a deletion.
    fn take(&mut self, item: &OrderByOrder, side: Side) -> Result<(), BookError> {
        let Some(order) = self.book.get(item.order) else {
            self.counts.unknown_orders += 1;
            let is_known = self.horizon(side).knows(side, item.price);
            let taken = self.take_nameless(side, item.price, item.qty);
            self.counts.negative_levels += u64::from(is_known && taken < item.qty);
            return Ok(());
        };
        let left = order.qty;
        self.counts.negative_levels += u64::from(item.qty > left);
        let by = if item.action == Action::Delete { left } else { item.qty.min(left) };
        self.book.reduce(item.order, by).map(|_| ())
    }

    /// Takes up to `qty` from what rests at a price without a name. Tells how much there was.
    fn take_nameless(&mut self, side: Side, price: Price, qty: Qty) -> Qty {
        let Some(nameless) = self.nameless.get_mut(&(side, price)) else {
            return Qty::ZERO;
        };
        nameless.items += 1;
        let Nameless { id, items } = *nameless;
        let there = self.book.get(id).map_or(Qty::ZERO, |order| order.qty);
        // What is left may be no more than what the quantities were cut by.
        let is_rest = there.0 - qty.0 <= items * self.rules.qty_cut;
        let taken = if is_rest { there } else { qty };
        if self.book.reduce(id, taken) == Ok(Qty::ZERO) {
            self.nameless.remove(&(side, price));
        }
        taken
    }

    fn note_execution(&mut self, item: &OrderByOrder, side: Side) {
        let known = self.book.get(item.order);
        let price = known.map_or(item.price, |order| order.price);
        let is_best = self.book.best(side).is_some_and(|best| best.price == price);
        self.counts.executions += 1;
        self.counts.known_orders += u64::from(known.is_some());
        self.counts.at_best += u64::from(is_best);
        self.counts.queue_front += u64::from(self.book.is_front(item.order));
    }

    fn end_update(&mut self) {
        self.counts.updates += 1;
        if self.book.is_crossed() {
            self.counts.crossed_rows += 1;
            self.crossed_last = Some(self.last_time);
        }
        let Some(window) = self.rules.window else {
            return;
        };
        for side in [Side::Buy, Side::Sell] {
            // What is known is part of what there is: the venue's own Nth level cannot lie behind ours.
            let (edge, outside) = {
                let mut levels = self.book.levels(side).map(|level| level.price).skip(window - 1);
                (levels.next(), levels.next())
            };
            let (Some(edge), Some(_)) = (edge, outside) else {
                continue;
            };
            self.horizon_mut(side).tighten(side, edge);
            if window == 1 {
                let outside: Vec<Price> =
                    self.book.levels(side).map(|level| level.price).skip(window).collect();
                for price in outside {
                    self.drop_level(side, price);
                }
            }
        }
    }

    /// Removes every order of a level.
    fn drop_level(&mut self, side: Side, price: Price) {
        let ids: Vec<u64> = self.book.orders_at(side, price).map(|order| order.id).collect();
        for id in ids {
            self.book.remove(id).expect("the order was just seen");
        }
        self.nameless.remove(&(side, price));
    }

    /// Adds `qty` at a price without a name, before all orders with one.
    fn add_nameless(&mut self, side: Side, price: Price, qty: Qty) -> Result<(), BookError> {
        let named = i64::try_from(self.book.orders_at(side, price).count()).unwrap_or(i64::MAX);
        if let Some(nameless) = self.nameless.get_mut(&(side, price)) {
            nameless.items = nameless.items.saturating_add(named);
            let id = nameless.id;
            let there = self.book.get(id).map_or(Qty::ZERO, |order| order.qty);
            return self.book.modify(id, price, Qty(there.0.saturating_add(qty.0)), 0);
        }
        let id = self.nameless_next;
        assert!(id > ORDER_ID_MAX, "the ids for orders without a name are used up");
        self.nameless_next -= 1;
        self.insert(BookOrder::new(id, side, price, qty, 0))?;
        self.nameless.insert((side, price), Nameless { id, items: named });
        Ok(())
    }

    /// Adds an order, to a larger book when this one is full.
    fn insert(&mut self, order: BookOrder) -> Result<(), BookError> {
        match self.book.add(order) {
            Err(BookError::Full { .. }) if self.orders_room < ORDERS_MAX => {
                self.orders_room *= 2;
                let mut larger = OrderBook::new(self.orders_room);
                for side in [Side::Buy, Side::Sell] {
                    for order in self.book.orders(side) {
                        larger.add(*order)?;
                    }
                }
                self.book = larger;
                self.book.add(order)
            }
            done => done,
        }
    }

    fn priority(&self, order: u64) -> u64 {
        match self.rules.queue {
            QueueRule::ById => order,
            QueueRule::ByArrival => self.arrivals,
        }
    }

    fn horizon(&self, side: Side) -> &Horizon {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn horizon_mut(&mut self, side: Side) -> &mut Horizon {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}
