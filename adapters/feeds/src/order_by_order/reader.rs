//! Hands out the records of order-by-order data.
//!
//! Invariants: source sequences are dense from 1, stamps never fall, and both depend on the files alone, so a reader that
//! is opened with `resume_after` goes on behind the last record that was taken. After an error there is nothing more.
//! What fails: reading, and a price or quantity that the instrument cannot hold exactly; it is named with its update.

use super::translate::{Promises, Told, Translation};
use super::{
    BitstampOrders, BookRow, DatabentoOrders, LobsterBook, LobsterOrders, OrderByOrder, OrderByOrderError,
    bitstamp, databento, lobster,
};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tickwerk_domain::command::{BookOrderObserved, SessionSet, TradeObserved};
use tickwerk_domain::numbers::power_of_ten;
use tickwerk_domain::{
    Command, Envelope, InstrumentId, Payload, Price, Qty, Record, SourceId, TimeNs, format_decimal,
};

/// Whose data they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OrderFormat {
    /// Message csv; the day of its times is that of the file's name, and its midnight is taken as that of UTC.
    Lobster,
    /// Order events as csv, or the raw log.
    Bitstamp,
    /// Databento Binary Encoding, schema mbo.
    Databento,
}

impl OrderFormat {
    /// The words for them.
    pub const WORDS: &[(&str, Self)] =
        &[("lobster", Self::Lobster), ("bitstamp", Self::Bitstamp), ("databento", Self::Databento)];

    /// The word for this one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lobster => "lobster",
            Self::Bitstamp => "bitstamp",
            Self::Databento => "databento",
        }
    }

    /// Decimals of prices and of quantities.
    pub fn scales(self) -> (u8, u8) {
        match self {
            Self::Lobster => (lobster::PRICE_SCALE, lobster::QTY_SCALE),
            Self::Bitstamp => (bitstamp::PRICE_SCALE, bitstamp::QTY_SCALE),
            Self::Databento => (databento::PRICE_SCALE, databento::QTY_SCALE),
        }
    }
}

/// What is read, and as what it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderFeedConfig {
    /// Whose data.
    pub format: OrderFormat,
    /// The data.
    pub path: PathBuf,
    /// LOBSTER: a file of books, of which row n is what message n led to. The first one seeds the book; the others are used
    /// where the messages show the best level alone, and say nothing of the one behind it.
    pub book: Option<PathBuf>,
    /// Databento: which instrument of several.
    pub venue_instrument: Option<u32>,
    /// Whose market it is here.
    pub instrument: InstrumentId,
    /// Decimals of its prices.
    pub price_scale: u8,
    /// Decimals of its quantities.
    pub quantity_scale: u8,
    /// As which source.
    pub source: SourceId,
    /// The last source sequence that was taken; 0 for none.
    pub resume_after: u64,
}

/// What a reader has met so far, with what came before `resume_after`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OrderFeedReport {
    /// Items read.
    pub items: u64,
    /// Updates, each of one item or more.
    pub updates: u64,
    /// Changes of orders that were told.
    pub orders: u64,
    /// Trades that were told beside them.
    pub trades: u64,
    /// Halts and their ends that were told.
    pub sessions: u64,
    /// Items about orders that were never shown.
    pub unknown: u64,
    /// Best levels that the items do not show, and that were taken from the file of books.
    pub revealed: u64,
    /// Items that change the shown book, behind which nothing had to be taken from there.
    pub determined: u64,
}

/// Why there are no more records.
#[derive(Debug, thiserror::Error)]
pub enum OrderFeedError {
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] OrderByOrderError),
    /// A value has more decimals than the instrument.
    #[error(
        "{}, update {update}: {field} {value} is finer than the {scale} decimals of the instrument, and is not rounded; \
         define the instrument with more decimals",
        path.display()
    )]
    TooFine {
        /// Which file.
        path: PathBuf,
        /// Which update.
        update: u64,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// Decimals of the instrument.
        scale: u8,
    },
    /// A value does not fit its number at the instrument's decimals.
    #[error(
        "{}, update {update}: {field} {value} is too large with {scale} decimals; define the instrument with fewer",
        path.display()
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Which update.
        update: u64,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
        /// Decimals of the instrument.
        scale: u8,
    },
    /// There is nothing to seed the book from.
    #[error("{} holds no row to seed the book from; name a book file of the same messages", path.display())]
    NoRow {
        /// Which file.
        path: PathBuf,
    },
}

type Items = Box<dyn Iterator<Item = Result<OrderByOrder, OrderByOrderError>> + Send>;

/// An iterator over the records of order-by-order data.
pub struct OrderReader {
    items: Items,
    config: OrderFeedConfig,
    translation: Translation,
    seed: Option<BookRow>,
    /// The books behind the items, where the items alone do not tell the best levels.
    rows: Option<LobsterBook>,
    /// What the data's clock counts from.
    midnight: u64,
    pending: VecDeque<Record>,
    stamp: TimeNs,
    /// Records so far, those before `resume_after` included.
    told: u64,
    report: OrderFeedReport,
    is_ended: bool,
}

impl std::fmt::Debug for OrderReader {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("OrderReader")
            .field("config", &self.config)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Iterator for OrderReader {
    type Item = Result<Record, OrderFeedError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.pending.pop_front() {
                return Some(Ok(record));
            }
            if self.is_ended {
                return None;
            }
            match self.read_item() {
                Ok(more) => self.is_ended = !more,
                Err(error) => {
                    self.is_ended = true;
                    self.pending.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl OrderReader {
    /// Opens the data, and the book that seeds them where there is one.
    pub fn open(config: OrderFeedConfig) -> Result<Self, OrderFeedError> {
        let path = config.path.as_path();
        let shows_best_only = config.format == OrderFormat::Lobster && lobster::window_of(path) == Some(1);
        let promises = Promises { format: config.format, shows_best_only };
        let (items, midnight): (Items, _) = match config.format {
            OrderFormat::Lobster => (Box::new(LobsterOrders::open(path)?), midnight_of(path).unwrap_or(0)),
            OrderFormat::Bitstamp => (Box::new(BitstampOrders::open(path)?), 0),
            OrderFormat::Databento => (Box::new(DatabentoOrders::open(path, config.venue_instrument)?), 0),
        };
        let mut rows = config.book.as_deref().map(LobsterBook::open).transpose()?;
        let seed = match rows.as_mut().zip(config.book.clone()) {
            None => None,
            Some((rows, path)) => Some(rows.next().transpose()?.ok_or(OrderFeedError::NoRow { path })?),
        };
        let mut translation = Translation::new(promises);
        if !promises.is_whole() && seed.is_none() {
            translation.begin();
        }
        Ok(Self {
            items,
            translation,
            seed,
            rows: rows.filter(|_| shows_best_only),
            midnight,
            pending: VecDeque::new(),
            stamp: TimeNs::UNKNOWN,
            told: 0,
            report: OrderFeedReport::default(),
            is_ended: false,
            config,
        })
    }

    /// What was met so far.
    pub fn report(&self) -> &OrderFeedReport {
        &self.report
    }

    /// Reads one item, and queues the records of an update that it ends; `false` at the end of the data.
    fn read_item(&mut self) -> Result<bool, OrderFeedError> {
        let Some(item) = self.items.next().transpose()? else {
            return Ok(false);
        };
        self.report.items += 1;
        let is_complete = match self.seed.take() {
            Some(row) => {
                self.translation.seed(&row, &item);
                item.is_last
            }
            None => {
                let is_complete = self.translation.apply(&item);
                self.reveal(&item)?;
                is_complete
            }
        };
        self.report.unknown = self.translation.unknown;
        if is_complete {
            self.emit_update(&item)?;
        }
        Ok(true)
    }

    /// Looks at the book behind an item, where there is one.
    fn reveal(&mut self, item: &OrderByOrder) -> Result<(), OrderFeedError> {
        let row = self.rows.as_mut().and_then(Iterator::next).transpose()?;
        let revealed = row.map_or(0, |row| self.translation.reveal(&row));
        self.report.revealed += revealed;
        self.report.determined += u64::from(revealed == 0 && item.action.changes_shown_book());
        Ok(())
    }

    /// Queues what an update tells, as far as it is not known already; its last change of an order ends it.
    fn emit_update(&mut self, item: &OrderByOrder) -> Result<(), OrderFeedError> {
        self.report.updates += 1;
        let time = TimeNs(item.time_ns.0.saturating_add(self.midnight));
        self.stamp = self.stamp.max(time);
        let update: Vec<Told> = self.translation.complete().collect();
        let last = update.iter().rposition(|told| matches!(told, Told::Order { .. }));
        for (place, told) in update.into_iter().enumerate() {
            let command = self.command(&told, item.sequence, Some(place) == last)?;
            self.told += 1;
            match told {
                Told::Order { .. } => self.report.orders += 1,
                Told::Trade { .. } => self.report.trades += 1,
                Told::Session(_) => self.report.sessions += 1,
            }
            if self.told <= self.config.resume_after {
                continue;
            }
            let envelope = Envelope {
                time_ns: self.stamp,
                source_time: time,
                source_sequence: self.told,
                source: self.config.source,
                ..Envelope::default()
            };
            self.pending.push_back(Record { envelope, payload: Payload::Command(command) });
        }
        Ok(())
    }

    fn command(&self, told: &Told, update: u64, is_last: bool) -> Result<Command, OrderFeedError> {
        let instrument = self.config.instrument;
        let (price_scale, qty_scale) = self.config.format.scales();
        let price = |price: Price| {
            self.scaled("price", price.0, (price_scale, self.config.price_scale), update).map(Price)
        };
        let qty = |qty: Qty| {
            self.scaled("quantity", qty.0, (qty_scale, self.config.quantity_scale), update).map(Qty)
        };
        Ok(match *told {
            Told::Order { action, order, side, price: at, qty: much } => BookOrderObserved {
                venue_order_id: order,
                update_id: update,
                price: price(at)?,
                qty: qty(much)?,
                instrument,
                side,
                action,
                is_last,
            }
            .into(),
            // When the session ends, no halt tells.
            Told::Session(state) => SessionSet { closes_at: TimeNs::UNKNOWN, instrument, state }.into(),
            Told::Trade { price: at, qty: much, aggressor } => {
                TradeObserved { trade_id: update, price: price(at)?, qty: qty(much)?, instrument, aggressor }
                    .into()
            }
        })
    }

    fn scaled(
        &self,
        field: &'static str,
        mantissa: i64,
        (from, scale): (u8, u8),
        update: u64,
    ) -> Result<i64, OrderFeedError> {
        let wrong = || (self.config.path.clone(), format_decimal(i128::from(mantissa), from));
        match rescale(mantissa, from, scale) {
            Ok(scaled) => Ok(scaled),
            Err(Rescale::TooFine) => {
                let (path, value) = wrong();
                Err(OrderFeedError::TooFine { path, update, field, value, scale })
            }
            Err(Rescale::TooLarge) => {
                let (path, value) = wrong();
                Err(OrderFeedError::TooLarge { path, update, field, value, scale })
            }
        }
    }
}

/// Why a mantissa has no exact counterpart at another scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rescale {
    TooFine,
    TooLarge,
}

/// The same number at another scale.
pub(super) fn rescale(mantissa: i64, from: u8, to: u8) -> Result<i64, Rescale> {
    let factor = power_of_ten(u32::from(from.abs_diff(to))).ok_or(Rescale::TooLarge)?;
    let wide = i128::from(mantissa);
    if to >= from {
        let scaled = wide.checked_mul(factor).and_then(|scaled| i64::try_from(scaled).ok());
        return scaled.ok_or(Rescale::TooLarge);
    }
    if wide % factor != 0 {
        return Err(Rescale::TooFine);
    }
    i64::try_from(wide / factor).map_err(|_| Rescale::TooLarge)
}

const DAY_NS: u64 = 86_400 * 1_000_000_000;

/// Midnight of the day that the name of a LOBSTER file tells, `AAPL_2012-06-21_…`, in nanoseconds since 1970.
fn midnight_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let days = name.split('_').find_map(days_since_1970)?;
    days.checked_mul(DAY_NS)
}

/// Days from 1970-01-01 to a date of the form `YYYY-MM-DD`, by the Gregorian calendar.
fn days_since_1970(date: &str) -> Option<u64> {
    const DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    // What 64 bits of nanoseconds reach.
    const YEARS: std::ops::Range<u64> = 1970..2554;
    let mut parts = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !YEARS.contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let in_month = |month: u64| {
        let index = usize::try_from(month - 1).expect("one of twelve");
        DAYS[index] + u64::from(month == 2 && is_leap(year))
    };
    if !(1..=in_month(month)).contains(&day) {
        return None;
    }
    let years: u64 = (YEARS.start..year).map(|year| 365 + u64::from(is_leap(year))).sum();
    let months: u64 = (1..month).map(in_month).sum();
    Some(years + months + day - 1)
}
