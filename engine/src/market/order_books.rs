//! Books of markets that are told order by order: a few of fixed size, given to instruments as they begin.
//!
//! The core owns each book once. The machine takes its touch and its trades from it, and lends it to the simulated venue,
//! which keeps only the places of our own orders. Invariant: an instrument keeps its book for good.

use crate::limits::{ORDER_BOOKS_MAX, ORDERS_PER_BOOK_MAX};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_venue::book::ToldBook;

/// Which book; given by [`OrderBooks::begin`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookPlace(u8);

/// All books of orders.
#[derive(Debug)]
pub struct OrderBooks {
    books: Box<[ToldBook]>,
    used: u8,
}

impl Default for OrderBooks {
    fn default() -> Self {
        Self::new()
    }
}

impl OrderBooks {
    /// Empty books; all that they ever allocate.
    pub fn new() -> Self {
        Self { books: (0..ORDER_BOOKS_MAX).map(|_| ToldBook::new(ORDERS_PER_BOOK_MAX)).collect(), used: 0 }
    }

    /// A book for one more instrument, while there is one.
    pub fn begin(&mut self) -> Option<BookPlace> {
        let place = self.used;
        (usize::from(place) < self.books.len()).then(|| {
            self.used += 1;
            BookPlace(place)
        })
    }

    /// The book at a place.
    #[inline]
    pub fn get(&self, place: BookPlace) -> &ToldBook {
        &self.books[usize::from(place.0)]
    }

    /// The book at a place, to be changed.
    #[inline]
    pub fn get_mut(&mut self, place: BookPlace) -> &mut ToldBook {
        &mut self.books[usize::from(place.0)]
    }
}

impl Persist for BookPlace {
    fn save(&self, to: &mut ImageWriter) {
        let Self(place) = self;
        place.save(to);
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(Self(from.value()?))
    }
}

impl OrderBooks {
    /// Whether a book was given.
    pub(crate) fn has(&self, place: BookPlace) -> bool {
        place.0 < self.used
    }

    pub(crate) fn save(&self, to: &mut ImageWriter) {
        let Self { books, used } = self;
        to.value(used);
        books.iter().take(usize::from(*used)).for_each(|book| book.save(to));
    }

    pub(crate) fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let Self { mut books, used: _ } = Self::new();
        let used: u8 = from.value()?;
        let is_there = usize::from(used) <= books.len();
        ensure(is_there, Fault::TooMany { found: used.into(), max: books.len() as u64 })?;
        for book in books.iter_mut().take(usize::from(used)) {
            *book = ToldBook::load(ORDERS_PER_BOOK_MAX, from)?;
        }
        Ok(Self { books, used })
    }
}
