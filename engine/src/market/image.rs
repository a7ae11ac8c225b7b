//! Markets in a state image.

use super::order_books::OrderBooks;
use super::{BookState, Market};
use tickwerk_domain::InstrumentId;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, Persist, RowSum, ensure};

tickwerk_domain::persist! {
    Market {
        instrument, book, order_book, order_book_digest, state, in_snapshot, update_id, quote_update_id, touch,
        last_trade, venue_mark, mark_source, mark_interval, session, closes_at, observed_at, version, row, mark_row,
    }
}

impl Persist for BookState {
    fn save(&self, to: &mut ImageWriter) {
        match self {
            Self::Absent => 0_u8.save(to),
            Self::Building => 1_u8.save(to),
            Self::Live => 2_u8.save(to),
            Self::Stale(reason) => (3_u8, *reason).save(to),
        }
    }

    fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        Ok(match u8::load(from)? {
            0 => Self::Absent,
            1 => Self::Building,
            2 => Self::Live,
            3 => Self::Stale(from.value()?),
            found => return Err(Fault::Value { what: "state of a book", found: found.into() }),
        })
    }
}

/// Adds the markets of all instruments to an image.
pub(crate) fn save(markets: &[Market], to: &mut ImageWriter) {
    to.table_of(markets, |place| Market::new(number(place)));
}

/// Reads the markets of `count` instruments.
pub(crate) fn load(
    count: usize,
    books: &OrderBooks,
    from: &mut ImageReader<'_>,
    sum: &mut RowSum,
) -> Result<Box<[Market]>, Fault> {
    let mut markets = from.table((0..count).map(|place| Market::new(number(place))).collect())?;
    for (place, market) in markets.iter_mut().enumerate() {
        let found = place as u64;
        ensure(market.instrument == number(place), Fault::Missing { what: "market", found })?;
        let digest = match market.order_book {
            None => 0,
            Some(place) if books.has(place) => books.get(place).digest(),
            Some(_) => return Err(Fault::Missing { what: "book of market", found }),
        };
        let is_right = market.order_book_digest == digest;
        ensure(is_right, Fault::Broken("a book of orders is not the one that its market saw"))?;
        let (row, mark_row) = (market.row, market.mark_row);
        sum.row(("market", found), row, |change| market.rehash(change))?;
        sum.row(("mark of market", found), mark_row, |change| market.rehash_mark(change))?;
    }
    Ok(markets)
}

fn number(place: usize) -> InstrumentId {
    InstrumentId(u32::try_from(place).expect("tables are small"))
}
