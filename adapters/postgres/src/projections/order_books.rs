//! Samples of order books: at most one a second for each instrument, the first state of that second that is whole.
//!
//! Books are kept in memory as the feed tells them, by levels, by orders, or by the touch alone, and lie in
//! `orderbook_state` behind each batch so that a new replicator goes on with the same book. A book that cannot be
//! trusted is not sampled.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use tickwerk_domain::command::{BookOrderObserved, QuoteObserved};
use tickwerk_domain::{
    BookAction, BookDelta, Command, Event, InstrumentId, Payload, Sequence, Side, format_decimal,
};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "orderbook_snapshot",
        rows: Rows::Appended,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::set("symbol", Type::Text),
            Column::set("source", Type::Text),
            Column::set("update_id", Type::Numeric),
            Column::set("best_bid", Type::Numeric),
            Column::set("best_ask", Type::Numeric),
            Column::set("mid", Type::Numeric),
            Column::set("spread", Type::Numeric),
            Column::set("bid_qty", Type::Numeric),
            Column::set("ask_qty", Type::Numeric),
            Column::set("bid_levels", Type::Int8),
            Column::set("ask_levels", Type::Int8),
            Column::set("bids", Type::Jsonb),
            Column::set("asks", Type::Jsonb),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(symbol, recorded_at)", "USING brin (recorded_at)"],
    },
    Table {
        name: "orderbook_state",
        rows: Rows::Current,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::set("source", Type::Text),
            Column::set("sampled_second", Type::Int8),
            Column::set("is_stale", Type::Bool),
            Column::set("book", Type::Text),
        ],
        indexes: &[],
    },
];

/// Levels of each side in a sample.
const DEPTH: usize = 10;
/// Levels or orders of one book; one that grows past it is not followed until it begins anew.
const ENTRIES_MAX: usize = 65_536;
const SECOND_NS: u64 = 1_000_000_000;
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

/// A book by mantissas.
#[derive(Debug, Default)]
struct Book {
    source: &'static str,
    sampled: u64,
    is_stale: bool,
    /// Bids and asks.
    levels: [BTreeMap<i64, i64>; 2],
    orders: BTreeMap<u64, (Side, i64, i64)>,
    at: Sequence,
}

/// Remembers books.
#[derive(Debug, Default)]
pub(crate) struct OrderBooks {
    books: BTreeMap<InstrumentId, Book>,
    changed: BTreeSet<InstrumentId>,
}

impl Projection for OrderBooks {
    fn name(&self) -> &'static str {
        "order_books"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "market.quote",
            "market.book_delta",
            "market.book_order",
            "market.book_stale",
            "market.book_restored",
        ]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT instrument_id, source, sampled_second, is_stale, book FROM {orderbook_state}"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let text = |place: usize| row.get(place).unwrap_or("");
        let id = text(0).parse().map_err(|_| "a book without an instrument")?;
        let source = [QUOTE, BOOK, ORDERS].into_iter().find(|source| *source == text(1)).unwrap_or("");
        let sampled = text(2).parse().map_err(|_| "a book without the second of its last sample")?;
        let mut book = Book { source, sampled, is_stale: text(3) == "t", ..Book::default() };
        book.read(text(4)).ok_or_else(|| format!("the book of instrument {id} cannot be read"))?;
        self.books.insert(InstrumentId(id), book);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Command(Command::QuoteObserved(quote)) = fact.payload() {
            self.quote(fact, quote, changes)
        } else if let Payload::Command(Command::BookDelta(delta)) = fact.payload() {
            let book = self.book(fact, delta.instrument)?;
            book.source = BOOK;
            book.take_delta(delta);
            if delta.is_last() {
                self.sample(fact, delta.instrument, delta.update_id, changes)
            } else {
                Ok(())
            }
        } else if let Payload::Command(Command::BookOrderObserved(told)) = fact.payload() {
            let book = self.book(fact, told.instrument)?;
            book.source = ORDERS;
            book.take_order(told);
            if told.is_last { self.sample(fact, told.instrument, told.update_id, changes) } else { Ok(()) }
        } else {
            let (instrument, is_stale) = match fact.payload() {
                Payload::Event(Event::BookStale(of)) => (of.instrument, true),
                Payload::Event(Event::BookRestored(of)) => (of.instrument, false),
                Payload::Event(_) | Payload::Command(_) => return Ok(()),
            };
            self.book(fact, instrument)?.is_stale = is_stale;
            Ok(())
        }
    }

    fn settle(&mut self, changes: &mut Changes) {
        for instrument in std::mem::take(&mut self.changed) {
            let book = &self.books[&instrument];
            changes.at(book.at);
            changes
                .row(&TABLES[1], [Value::unsigned(u64::from(instrument.0))])
                .set("source", Value::text(book.source))
                .set("sampled_second", Value::unsigned(book.sampled))
                .set("is_stale", Value::Bool(book.is_stale))
                .set("book", Value::text(book.write()))
                .done();
        }
    }
}

const QUOTE: &str = "quote";
const BOOK: &str = "book";
const ORDERS: &str = "orders";

impl OrderBooks {
    fn book(&mut self, fact: &Fact<'_>, instrument: InstrumentId) -> Result<&mut Book, Poison> {
        if fact.dictionary.instrument(instrument).is_none() {
            return Err("its instrument is not defined".into());
        }
        self.changed.insert(instrument);
        let book = self.books.entry(instrument).or_default();
        book.at = fact.sequence();
        Ok(book)
    }

    fn quote(&mut self, fact: &Fact<'_>, quote: &QuoteObserved, changes: &mut Changes) -> Result<(), Poison> {
        let known = self.books.get(&quote.instrument);
        // Where there is a book, its own touch says more.
        if known.is_some_and(|book| book.source == BOOK || book.source == ORDERS) {
            return Ok(());
        }
        let book = self.book(fact, quote.instrument)?;
        book.source = QUOTE;
        let sides = [(quote.bid_price, quote.bid_qty), (quote.ask_price, quote.ask_qty)];
        for (levels, (price, qty)) in book.levels.iter_mut().zip(sides) {
            levels.clear();
            set(levels, price.0, qty.0);
        }
        self.sample(fact, quote.instrument, quote.update_id, changes)
    }

    /// Writes a sample if this second has none.
    fn sample(
        &mut self,
        fact: &Fact<'_>,
        instrument: InstrumentId,
        update_id: u64,
        changes: &mut Changes,
    ) -> Result<(), Poison> {
        let entry = fact.dictionary.instrument(instrument).ok_or("its instrument is not defined")?;
        let book = self.book(fact, instrument)?;
        let second = fact.time().0 / SECOND_NS;
        if book.is_stale || second <= book.sampled {
            return Ok(());
        }
        book.sampled = second;
        let (bids, asks) = (book.best(Side::Buy), book.best(Side::Sell));
        let price = |price: i64| Value::Numeric(i128::from(price), entry.price_scale);
        let best = |levels: &[(i64, i64)]| levels.first().map_or(Value::Null, |(best, _)| price(*best));
        let depth = |levels: &[(i64, i64)]| {
            Value::Numeric(levels.iter().map(|(_, qty)| i128::from(*qty)).sum(), entry.quantity_scale)
        };
        let count = |side: usize| Value::unsigned(book.levels[side].len() as u64);
        let json =
            |levels: &[(i64, i64)]| Value::Json(to_json(levels, entry.price_scale, entry.quantity_scale));
        let mut row = changes
            .row(&TABLES[0], [Value::unsigned(u64::from(instrument.0))])
            .set("symbol", fact.symbol(instrument))
            .set("source", Value::text(book.source))
            .set("update_id", Value::Numeric(i128::from(update_id), 0))
            .set("best_bid", best(&bids))
            .set("best_ask", best(&asks))
            .set("bid_qty", depth(&bids))
            .set("ask_qty", depth(&asks))
            .set("bid_levels", count(0))
            .set("ask_levels", count(1))
            .set("bids", json(&bids))
            .set("asks", json(&asks))
            .set("recorded_at", Value::Time(fact.time()));
        if let (Some((bid, _)), Some((ask, _))) = (bids.first(), asks.first()) {
            let (bid, ask) = (i128::from(*bid), i128::from(*ask));
            row = row
                .set("mid", Value::Numeric((bid + ask) * 5, entry.price_scale + 1))
                .set("spread", Value::Numeric(ask - bid, entry.price_scale));
        }
        row.done();
        Ok(())
    }
}

/// Where the levels of a side are.
fn place(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// A quantity of zero takes the level away.
fn set(levels: &mut BTreeMap<i64, i64>, price: i64, qty: i64) {
    if qty > 0 {
        levels.insert(price, qty);
    } else {
        levels.remove(&price);
    }
}

fn to_json(levels: &[(i64, i64)], price_scale: u8, quantity_scale: u8) -> String {
    let level = |(price, qty): &(i64, i64)| {
        let price = format_decimal(i128::from(*price), price_scale);
        format!("[\"{price}\",\"{}\"]", format_decimal(i128::from(*qty), quantity_scale))
    };
    format!("[{}]", levels.iter().map(level).collect::<Vec<_>>().join(","))
}

impl Book {
    fn clear(&mut self) {
        self.levels.iter_mut().for_each(BTreeMap::clear);
        self.orders.clear();
    }

    fn take_delta(&mut self, delta: &BookDelta) {
        if delta.clears() {
            self.clear();
        }
        for (side, level) in delta.sided_levels() {
            set(&mut self.levels[place(side)], level.price.0, level.qty.0);
        }
        if self.levels.iter().map(BTreeMap::len).sum::<usize>() > ENTRIES_MAX {
            self.clear();
        }
    }

    fn take_order(&mut self, told: &BookOrderObserved) {
        if told.action == BookAction::Clear || self.orders.len() >= ENTRIES_MAX {
            self.clear();
        }
        let id = told.venue_order_id;
        let left = |before: i64| match told.action {
            BookAction::Add | BookAction::Reduce => told.qty.0,
            BookAction::Execute => before.saturating_sub(told.qty.0),
            BookAction::Delete | BookAction::Clear => 0,
        };
        let before = self.orders.remove(&id);
        if let Some((side, price, qty)) = before {
            self.rest(side, price, qty.saturating_neg());
        }
        let after = match (told.action, before) {
            (BookAction::Add, _) => Some((told.side, told.price.0, told.qty.0)),
            (_, Some((side, price, qty))) => Some((side, price, left(qty))),
            (_, None) => None,
        };
        if let Some((side, price, qty)) = after.filter(|(_, _, qty)| *qty > 0) {
            self.orders.insert(id, (side, price, qty));
            self.rest(side, price, qty);
        }
    }

    /// Changes what rests at a price.
    fn rest(&mut self, side: Side, price: i64, by: i64) {
        let levels = &mut self.levels[place(side)];
        let qty = levels.get(&price).copied().unwrap_or(0).saturating_add(by);
        set(levels, price, qty);
    }

    /// The best levels, the best one first.
    fn best(&self, side: Side) -> Vec<(i64, i64)> {
        let [bids, asks] = &self.levels;
        let level = |(price, qty): (&i64, &i64)| (*price, *qty);
        match side {
            Side::Buy => bids.iter().rev().take(DEPTH).map(level).collect(),
            Side::Sell => asks.iter().take(DEPTH).map(level).collect(),
        }
    }

    /// The book as text: orders where it is told by orders, else levels; side, price, quantity and id of each.
    fn write(&self) -> String {
        let mut text = String::new();
        let mut entry = |side: Side, price: i64, qty: i64, id: u64| {
            write!(text, "{},{price},{qty},{id};", side.sign()).expect("a string takes all");
        };
        if self.orders.is_empty() {
            for (side, levels) in SIDES.into_iter().zip(&self.levels) {
                for (price, qty) in levels {
                    entry(side, *price, *qty, 0);
                }
            }
        } else {
            for (id, (side, price, qty)) in &self.orders {
                entry(*side, *price, *qty, *id);
            }
        }
        text
    }

    /// Reads what [`Self::write`] wrote.
    fn read(&mut self, text: &str) -> Option<()> {
        for entry in text.split_terminator(';') {
            let [side, price, qty, id] = <[&str; 4]>::try_from(entry.split(',').collect::<Vec<_>>()).ok()?;
            let side = if side == "1" { Side::Buy } else { Side::Sell };
            let (price, qty, id) = (price.parse().ok()?, qty.parse().ok()?, id.parse().ok()?);
            if id != 0 {
                self.orders.insert(id, (side, price, qty));
            }
            self.rest(side, price, qty);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, DAY, Journal, SECOND, folded};
    use tickwerk_domain::event::BookStale;
    use tickwerk_domain::{Level, Price, Qty, StaleReason};

    const COLUMNS: [&str; 8] =
        ["source", "best_bid", "best_ask", "mid", "spread", "bids", "asks", "recorded_at"];

    fn delta(levels: &[(Side, i64, i64)], is_snapshot: bool) -> BookDelta {
        let mut made = None;
        let levels =
            levels.iter().map(|(side, price, qty)| (*side, Level { price: Price(*price), qty: Qty(*qty) }));
        BookDelta::split(BTCEUR, 7, is_snapshot, levels, |part| made = Some(part));
        made.unwrap()
    }

    #[test]
    fn a_book_is_sampled_once_a_second_and_not_while_it_is_stale() {
        use Side::{Buy, Sell};
        let mut journal = Journal::defined();
        journal.command(DAY, delta(&[(Buy, 100, 1000), (Buy, 99, 5), (Sell, 103, 2000)], true));
        journal.command(DAY + 1, delta(&[(Buy, 100, 0)], false));
        journal.command(DAY + SECOND, delta(&[(Buy, 98, 7)], false));
        let reason = StaleReason::Gap;
        journal.event(DAY + SECOND, BookStale { update_id: 7, instrument: BTCEUR, reason });
        journal.command(DAY + 2 * SECOND, delta(&[(Buy, 98, 8)], false));
        assert_eq!(
            folded::<OrderBooks>(&journal).rows(&TABLES[0], &COLUMNS),
            [
                r#"book 1.00 1.03 1.015 0.03 [["1.00","1.000"],["0.99","0.005"]] [["1.03","2.000"]] +0s"#,
                r#"book 0.99 1.03 1.010 0.04 [["0.99","0.005"],["0.98","0.007"]] [["1.03","2.000"]] +1s"#,
            ]
        );
    }

    #[test]
    fn orders_make_levels_and_come_back_from_their_text() {
        let told = |action, id, side, price, qty| BookOrderObserved {
            venue_order_id: id,
            update_id: 0,
            price: Price(price),
            qty: Qty(qty),
            instrument: BTCEUR,
            side,
            action,
            is_last: true,
        };
        let mut book = Book::default();
        for order in [
            told(BookAction::Add, 1, Side::Buy, 100, 10),
            told(BookAction::Add, 2, Side::Buy, 100, 5),
            told(BookAction::Add, 3, Side::Sell, 104, 9),
            told(BookAction::Reduce, 1, Side::Buy, 100, 8),
            told(BookAction::Execute, 2, Side::Buy, 100, 1),
            told(BookAction::Add, 3, Side::Sell, 103, 9),
            told(BookAction::Add, 4, Side::Sell, 105, 9),
            told(BookAction::Delete, 4, Side::Sell, 105, 0),
        ] {
            book.take_order(&order);
        }
        let both = |book: &Book| SIDES.map(|side| book.best(side));
        assert_eq!(both(&book), [vec![(100, 12)], vec![(103, 9)]]);
        let mut back = Book::default();
        back.read(&book.write()).unwrap();
        assert_eq!(Book::default().read("1,5;"), None);
        assert_eq!((both(&back), &back.orders), (both(&book), &book.orders));
    }
}
