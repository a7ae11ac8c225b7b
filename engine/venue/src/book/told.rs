//! A book of others' orders that is told order by order.
//!
//! Who stands where is known from what was told: an order that comes, or gets another price or more quantity, goes to the
//! back of its queue. What the book cannot follow is an error with the reason why it cannot be trusted from there on.
//! Everything is allocated at construction.

use super::{BookError, BookOrder, OrderBook};
use tickwerk_domain::command::BookOrderObserved;
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist};
use tickwerk_domain::{BookAction, Qty, Side, StaleReason, Touch};

/// A book in which nothing happens but what is told.
#[derive(Debug)]
pub struct ToldBook {
    book: OrderBook,
    /// The arrival counter: priority of the last order that queued up.
    arrivals: u64,
    /// The order that was told of last, as it stood before. It decides nothing by itself, so it is in no digest.
    before: Option<BookOrder>,
}

impl ToldBook {
    /// An empty book for at most `orders_max` orders, a power of two; all that it ever allocates.
    pub fn new(orders_max: usize) -> Self {
        Self { book: OrderBook::new(orders_max), arrivals: 0, before: None }
    }

    /// What rests.
    pub fn book(&self) -> &OrderBook {
        &self.book
    }

    /// Priority of the last order that queued up; one that queues up behind all others now stands behind this one.
    #[inline]
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// The order that was told of last, as it stood before; `None` where the book did not hold it.
    #[inline]
    pub fn before(&self) -> Option<&BookOrder> {
        self.before.as_ref()
    }

    /// The best level of each side.
    #[inline]
    pub fn touch(&self) -> Touch {
        let [bid, ask] = [Side::Buy, Side::Sell].map(|side| self.book.best(side).unwrap_or_default());
        Touch { bid, ask }
    }

    /// Takes what is told, or says why the book cannot be trusted any more.
    pub fn apply(&mut self, told: &BookOrderObserved) -> Result<(), StaleReason> {
        let id = told.venue_order_id;
        self.before = None;
        if told.action == BookAction::Clear {
            self.book.clear();
            return Ok(());
        }
        self.before = self.book.get(id).copied();
        let done = match (told.action, &self.before) {
            (BookAction::Add, before) => {
                let other_side = before.is_some_and(|order| order.side != told.side);
                self.set(told, before.is_some(), other_side)
            }
            (BookAction::Delete, _) => self.book.remove(id).map(|_| ()),
            (BookAction::Execute, _) if told.qty == Qty::ZERO => {
                Err(BookError::QtyNotPositive { id, qty: told.qty })
            }
            (BookAction::Execute, _) => self.book.reduce(id, told.qty).map(|_| ()),
            (BookAction::Reduce, Some(order)) if told.qty <= order.qty && told.qty >= Qty::ZERO => {
                let by = Qty(order.qty.0 - told.qty.0);
                self.book.reduce(id, by).map(|_| ())
            }
            (BookAction::Reduce, Some(order)) => {
                Err(BookError::TooMuch { id, by: told.qty, left: order.qty })
            }
            (BookAction::Reduce | BookAction::Clear, _) => Err(BookError::UnknownOrder { id }),
        };
        done.map_err(|error| stale_reason(&error))
    }

    /// A number that is equal for books that will behave the same.
    #[inline]
    pub fn digest(&self) -> u64 {
        row_hash(TAG, &[self.book.digest(), self.arrivals])
    }

    fn set(&mut self, told: &BookOrderObserved, is_known: bool, other_side: bool) -> Result<(), BookError> {
        let (id, place) = (told.venue_order_id, self.arrivals + 1);
        if is_known && !other_side {
            self.book.modify(id, told.price, told.qty, place)?;
        } else {
            if told.qty <= Qty::ZERO {
                return Err(BookError::QtyNotPositive { id, qty: told.qty });
            }
            if other_side {
                self.book.remove(id)?;
            }
            self.book.add(BookOrder::new(id, told.side, told.price, told.qty, place))?;
        }
        self.arrivals = place;
        Ok(())
    }
}

impl ToldBook {
    /// Adds the book to an image.
    pub fn save(&self, to: &mut ImageWriter) {
        let Self { book, arrivals, before } = self;
        book.save(to);
        arrivals.save(to);
        before.save(to);
    }

    /// Reads a book for at most `orders_max` orders.
    pub fn load(orders_max: usize, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let book = OrderBook::load(orders_max, from)?;
        Ok(Self { book, arrivals: from.value()?, before: from.value()? })
    }
}

fn stale_reason(error: &BookError) -> StaleReason {
    match error {
        BookError::UnknownOrder { .. } => StaleReason::UnknownOrder,
        BookError::TooMuch { .. } => StaleReason::QuantityExceeded,
        BookError::LevelOverflow { .. } | BookError::Full { .. } => StaleReason::StoreFull,
        BookError::QtyNotPositive { .. } | BookError::DuplicateOrder { .. } => StaleReason::Malformed,
    }
}

const TAG: u64 = 0x0157;

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::{InstrumentId, Price};

    fn told(action: BookAction, id: u64, price: i64, qty: i64) -> BookOrderObserved {
        BookOrderObserved {
            venue_order_id: id,
            update_id: 0,
            price: Price(price),
            qty: Qty(qty),
            instrument: InstrumentId(1),
            side: Side::Buy,
            action,
            is_last: true,
        }
    }

    #[test]
    fn places_follow_from_what_is_told() {
        let mut book = ToldBook::new(8);
        for id in 1..=3 {
            assert_eq!(book.apply(&told(BookAction::Add, id, 100, 10)), Ok(()));
        }
        assert_eq!(book.apply(&told(BookAction::Reduce, 1, 100, 4)), Ok(()));
        assert!(book.book().is_front(1), "less quantity keeps the place");
        assert_eq!(book.apply(&told(BookAction::Add, 1, 100, 5)), Ok(()));
        assert!(book.book().is_front(2), "more quantity loses it");
        assert_eq!(book.apply(&told(BookAction::Execute, 2, 100, 10)), Ok(()));
        assert_eq!(book.before().map(|order| (order.id, order.qty, order.priority)), Some((2, Qty(10), 2)));
        assert_eq!(book.apply(&told(BookAction::Delete, 3, 100, 0)), Ok(()));
        assert_eq!((book.book().len(), book.arrivals(), book.touch().bid.qty), (1, 4, Qty(5)));
        let other = BookOrderObserved { side: Side::Sell, ..told(BookAction::Add, 1, 101, 3) };
        assert_eq!(book.apply(&other), Ok(()));
        assert_eq!((book.touch().bid.qty, book.touch().ask.qty), (Qty::ZERO, Qty(3)));
        assert_eq!(book.apply(&told(BookAction::Clear, 0, 0, 0)), Ok(()));
        assert!(book.book().is_empty());
    }

    #[test]
    fn what_a_book_cannot_follow_has_its_reason_and_changes_nothing() {
        let mut book = ToldBook::new(2);
        assert_eq!(book.apply(&told(BookAction::Add, 1, 100, 10)), Ok(()));
        let digest = book.digest();
        for (action, id, qty, reason) in [
            (BookAction::Reduce, 2, 1, StaleReason::UnknownOrder),
            (BookAction::Delete, 2, 1, StaleReason::UnknownOrder),
            (BookAction::Execute, 2, 1, StaleReason::UnknownOrder),
            (BookAction::Reduce, 1, 11, StaleReason::QuantityExceeded),
            (BookAction::Reduce, 1, -1, StaleReason::QuantityExceeded),
            (BookAction::Reduce, 1, i64::MIN, StaleReason::QuantityExceeded),
            (BookAction::Execute, 1, 11, StaleReason::QuantityExceeded),
            (BookAction::Execute, 1, 0, StaleReason::Malformed),
            (BookAction::Execute, 1, i64::MIN, StaleReason::Malformed),
            (BookAction::Add, 1, 0, StaleReason::Malformed),
            (BookAction::Add, 2, -5, StaleReason::Malformed),
            (BookAction::Add, 2, i64::MAX, StaleReason::StoreFull),
        ] {
            assert_eq!(book.apply(&told(action, id, 100, qty)), Err(reason), "{action} {id} {qty}");
            assert_eq!(book.digest(), digest, "{action} {id} {qty}");
        }
        assert_eq!(book.apply(&told(BookAction::Add, 2, 99, 10)), Ok(()));
        assert_eq!(book.apply(&told(BookAction::Add, 3, 99, 10)), Err(StaleReason::StoreFull));
    }
}
