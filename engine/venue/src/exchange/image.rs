//! Exchanges in a state image: their books, and what is in the middle of matching. Orders are named by id, as slots are
//! addresses.

use super::{EXCHANGE_ORDERS_MAX, EXCHANGES_MAX, Exchanges, Sweep};
use crate::book::MatchingBook;
use crate::orders::{Stage, VenueOrders};
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, ensure};
use tickwerk_domain::{InstrumentId, OrderId, TimeNs};

impl Exchanges {
    pub(crate) fn save(&self, orders: &VenueOrders, to: &mut ImageWriter) {
        let Self { books, used, effects: _, ids: _, sweep } = self;
        used.save(to);
        books.iter().take(usize::from(*used)).for_each(|book| book.save(to));
        sweep.is_some().save(to);
        if let Some(Sweep { instrument, taker, at }) = sweep {
            let taker = taker.map(|slot| orders.get(slot).order);
            (*instrument, *at).save(to);
            taker.save(to);
        }
    }

    /// Reads them; each order of a book is one that says of itself that it stands in one.
    pub(crate) fn load(orders: &VenueOrders, from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let mut exchanges = Self::new();
        let used: u8 = from.value()?;
        let max = EXCHANGES_MAX as u64;
        ensure(usize::from(used) <= EXCHANGES_MAX, Fault::TooMany { found: used.into(), max })?;
        exchanges.used = used;
        let find =
            |order: OrderId| orders.find(order).ok_or(Fault::Missing { what: "order", found: order.0 });
        for book in exchanges.books.iter_mut().take(usize::from(used)) {
            *book = MatchingBook::load(EXCHANGE_ORDERS_MAX, from)?;
            for id in book.ids() {
                let order = orders.get(find(OrderId(id))?);
                let stands = order.stage == Stage::Exchanged;
                ensure(stands, Fault::Missing { what: "order of a book", found: id })?;
            }
        }
        if bool::load(from)? {
            let (instrument, at): (InstrumentId, TimeNs) = from.value()?;
            let taker: Option<OrderId> = from.value()?;
            exchanges.sweep = Some(Sweep { instrument, taker: taker.map(find).transpose()?, at });
        }
        Ok(exchanges)
    }

    /// Whether a book is in use.
    pub(crate) fn has(&self, book: u8) -> bool {
        book < self.used
    }

    /// Orders of all books.
    pub(crate) fn orders(&self) -> usize {
        self.books.iter().map(|book| book.book().len()).sum()
    }

    /// The book at a place.
    pub(crate) fn book(&self, place: u8) -> &MatchingBook {
        &self.books[usize::from(place)]
    }
}
