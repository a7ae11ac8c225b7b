//! Order-by-order market data of others: LOBSTER, Bitstamp and Databento, as one kind of item.
//!
//! Each decoder is an iterator of `Result<OrderByOrder, OrderByOrderError>` that ends after its first error, and each
//! format has its reference books as an iterator of [`BookRow`]s. Units: prices and quantities are mantissas at the
//! decoder's `PRICE_SCALE` and `QTY_SCALE`, exact; times are the data's own. A decoder keeps no orders: what an item
//! does to a book that holds others is for whoever rebuilds one. Files may be plain, gzip, xz or zstd.
//! [`OrderReader`] tells the items of a file as records, in data time, and [`RowCheck`] holds the reference books beside
//! the best prices that come of it.
//! What fails: reading, and every line or record that breaks its format; it is named with its place and its value.

pub mod bitstamp;
mod check;
pub mod databento;
mod error;
pub mod lobster;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod translate;
mod zstd;

pub use bitstamp::{BitstampBook, BitstampOrders};
pub use check::RowCheck;
pub use databento::{DatabentoBook, DatabentoOrders};
pub use error::{OrderByOrderError, OrderByOrderFault};
pub use lobster::{LobsterBook, LobsterOrders};
pub use reader::{OrderFeedConfig, OrderFeedError, OrderFeedReport, OrderFormat, OrderReader};
pub use source::Source;

use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};

/// Largest order id that a text format may carry; ids above are free for those who must invent some.
pub const ORDER_ID_MAX: u64 = (1 << 63) - 1;

/// What happened to one order, or to the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderByOrder {
    /// When, by the data's own clock. LOBSTER counts from midnight of a day that only the file's name tells.
    pub time_ns: TimeNs,
    /// The source's own order of updates: a [`BookRow`] with this number stands behind all items that carry it.
    pub sequence: u64,
    /// The venue's id of the order; 0 where the item is about none.
    pub order: u64,
    /// What happened.
    pub action: Action,
    /// The side of the order; `None` where the source tells none.
    pub side: Option<Side>,
    /// The price of the order or of the trade; 0 where there is none.
    pub price: Price,
    /// How much; what it counts depends on the action.
    pub qty: Qty,
    /// The book is whole again behind this item: only then may it be looked at.
    pub is_last: bool,
}

impl OrderByOrder {
    /// Whether it is the last one about its order, where ids do not come again.
    pub fn ends_its_order(&self) -> bool {
        self.action == Action::Delete || (self.action == Action::Restate && self.qty == Qty::ZERO)
    }
}

/// What an item does. Quantities are those of [`OrderByOrder::qty`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// An order enters the book with the quantity.
    Add,
    /// The quantity is taken from an order by its owner; it keeps its place.
    Reduce,
    /// An order leaves the book; the quantity is what the source says was left.
    Delete,
    /// An order has this price and quantity now, by its owner's will.
    Modify,
    /// An order has this price and quantity now, by a fill or by its owner: the source does not say which. A quantity of
    /// zero is a whole fill.
    Restate,
    /// The quantity of a shown order was executed and leaves the book.
    Execute,
    /// A hidden order was executed: the book never held it.
    ExecuteHidden,
    /// The quantity of a resting order was filled; what that does to the book comes as an item of its own.
    Fill,
    /// A trade was reported; the book does not change.
    Trade,
    /// A trade of an auction or a cross was reported; the book does not change.
    Cross,
    /// Trading halts; orders stay.
    Halt,
    /// Quotes are taken again, trades not yet.
    ResumeQuoting,
    /// Trading goes on.
    ResumeTrading,
    /// The book is empty from here on.
    Clear,
    /// Nothing for the book; an update may still end with it.
    Nothing,
}

impl Action {
    /// Whether an item is about the shown book at all.
    pub fn changes_shown_book(self) -> bool {
        match self {
            Self::Add
            | Self::Reduce
            | Self::Delete
            | Self::Modify
            | Self::Restate
            | Self::Execute
            | Self::Clear => true,
            Self::ExecuteHidden
            | Self::Fill
            | Self::Trade
            | Self::Cross
            | Self::Halt
            | Self::ResumeQuoting
            | Self::ResumeTrading
            | Self::Nothing => false,
        }
    }
}

/// A book as a source itself states it, best level first, to a depth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookRow {
    /// When; unknown where the source does not say.
    pub time_ns: TimeNs,
    /// It stands behind all items of this sequence.
    pub sequence: u64,
    /// Most levels of a side that the source states. Fewer are stated where there are no more.
    pub depth: usize,
    /// Bids, best first.
    pub bids: Vec<Level>,
    /// Asks, best first.
    pub asks: Vec<Level>,
}

impl BookRow {
    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> &[Level] {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }
}
