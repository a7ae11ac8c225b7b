//! Books of markets that are told order by order: what the machine takes the touch from.
//!
//! Few instruments have such a book, as many as the simulated venue has; one that is not left is a reason code. What a
//! book does not know is passed over, as a feed may begin in the middle of a day; what it cannot hold makes it stale.

use crate::limits::INSTRUMENTS_MAX;
use tickwerk_domain::command::BookOrderObserved;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{BookAction, Digest, InstrumentId, Level, Qty, Side, Touch};
use tickwerk_venue::book::{BookError, BookOrder, OrderBook};
use tickwerk_venue::{ORDER_BOOKS_MAX, ORDERS_PER_BOOK_MAX};

/// A book and what it counts in the digest.
#[derive(Debug)]
struct Told {
    book: OrderBook,
    /// Places given so far: a later order stands behind an earlier one.
    places: u64,
    row: u64,
}

/// What an observation did to a book.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Best bid and ask of all orders.
    pub(crate) touch: Touch,
    /// What was executed; nothing for other actions.
    pub(crate) executed: Option<Level>,
    /// Whether the book could not hold it.
    pub(crate) is_full: bool,
}

/// All books that are told order by order.
#[derive(Debug)]
pub(crate) struct OrderBooks {
    books: Box<[Told]>,
    used: usize,
    /// The book of each instrument, where it has one.
    of: Box<[Option<u8>]>,
}

impl OrderBooks {
    /// Empty books; all that they ever allocate.
    pub(crate) fn new() -> Self {
        let told = |_| Told { book: OrderBook::new(ORDERS_PER_BOOK_MAX), places: 0, row: 0 };
        let books = (0..ORDER_BOOKS_MAX).map(told).collect();
        Self { books, used: 0, of: vec![None; INSTRUMENTS_MAX].into() }
    }

    /// Takes an observation of a known instrument; `None` where there is no book left for it.
    pub(crate) fn take(&mut self, seen: &BookOrderObserved, digest: &mut Digest) -> Option<Taken> {
        let told = &mut self.books[self.place(seen.instrument)?];
        let id = seen.venue_order_id;
        let known = told.book.get(id).copied();
        let mut executed = None;
        let changed = match seen.action {
            BookAction::Clear => {
                told.book.clear();
                Ok(())
            }
            BookAction::Add => {
                told.places += 1;
                let order = BookOrder::new(id, seen.side, seen.price, seen.qty, told.places);
                match known {
                    Some(known) if known.side == seen.side => {
                        told.book.modify(id, seen.price, seen.qty, told.places)
                    }
                    Some(_) => told.book.remove(id).and_then(|_| told.book.add(order)),
                    None => told.book.add(order),
                }
            }
            BookAction::Reduce => {
                let by = known.map_or(0, |order| order.qty.0.saturating_sub(seen.qty.0));
                told.book.reduce(id, Qty(by)).map(|_| ())
            }
            BookAction::Delete => told.book.remove(id).map(|_| ()),
            BookAction::Execute => {
                let price = known.map_or(seen.price, |order| order.price);
                executed = Some(Level { price, qty: seen.qty }).filter(|level| level.qty > Qty::ZERO);
                let by = known.map_or(seen.qty, |order| order.qty.min(seen.qty));
                told.book.reduce(id, by).map(|_| ())
            }
        };
        let is_full = matches!(changed, Err(BookError::Full { .. } | BookError::LevelOverflow { .. }));
        let [bid, ask] = [Side::Buy, Side::Sell].map(|side| told.book.best(side).unwrap_or_default());
        let words = [u64::from(seen.instrument.0), told.book.digest(), told.places];
        digest.update(&mut told.row, row_hash(TAG, &words));
        Some(Taken { touch: Touch { bid, ask }, executed, is_full })
    }

    fn place(&mut self, instrument: InstrumentId) -> Option<usize> {
        let of = &mut self.of[instrument.0 as usize];
        if of.is_none() && self.used < ORDER_BOOKS_MAX {
            *of = u8::try_from(self.used).ok();
            self.used += 1;
        }
        of.map(usize::from)
    }
}

const TAG: u64 = 0x0107;
