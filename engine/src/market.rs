//! What is known of each market: an L2 book, the best quote and the last trade.
//!
//! Invariant: [`Market::touch`] is never taken from a half-applied update: a book counts when its last part has come.
//! What marks a position is the mid price, the last trade or the venue's own mark, as is set for the instrument.
//! Where a feed gives both a book and quotes, the one with the higher update id wins; without ids, the later one. Where
//! orders are told one by one, from the first of them on the touch is that of their book alone, and their executions are
//! trades; a book that cannot be followed is stale until [`BookAction::Clear`] begins a new one.

pub mod book;
mod image;
pub mod order_books;

pub(crate) use image::{load, save};

use book::Book;
use order_books::{BookPlace, OrderBooks};
use tickwerk_domain::command::{BookOrderObserved, MarketGapObserved, QuoteObserved, TradeObserved};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::event::{BookRestored, BookStale};
use tickwerk_domain::{
    BookAction, BookDelta, Digest, DurationNs, Event, InstrumentId, Level, MarkSource, Price, Qty,
    SessionState, StaleReason, TimeNs, Touch,
};

/// How far a book can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BookState {
    /// The feed has given no book.
    Absent,
    /// A snapshot or an update is coming in parts.
    Building,
    /// Whole.
    Live,
    /// Not to be trusted until the next snapshot.
    Stale(StaleReason),
}

/// The market of one instrument.
#[derive(Debug)]
pub struct Market {
    instrument: InstrumentId,
    /// The L2 book.
    pub book: Book,
    /// The book of orders, where they are told one by one.
    pub(crate) order_book: Option<BookPlace>,
    /// Digest of that book; 0 without one.
    order_book_digest: u64,
    /// Whether it can be trusted.
    pub state: BookState,
    /// Whether a snapshot is what is being built.
    in_snapshot: bool,
    /// Update id of the last whole book.
    pub update_id: u64,
    quote_update_id: u64,
    /// Best bid and ask.
    pub touch: Touch,
    /// Price and quantity of the last trade; zero before the first.
    pub last_trade: Level,
    /// The venue's own mark price; none before the first.
    pub(crate) venue_mark: Option<Price>,
    /// Which price marks positions.
    pub mark_source: MarkSource,
    /// Positions are told marked to market at most once in this time; 0 for never.
    pub mark_interval: DurationNs,
    /// State of the market's session.
    pub session: SessionState,
    /// When the session ends; 0 for midnight UTC.
    pub closes_at: TimeNs,
    /// When it was last heard of.
    pub observed_at: TimeNs,
    /// Records of the instrument's stream.
    pub version: u64,
    row: u64,
    mark_row: u64,
}

impl Market {
    /// An unknown market.
    pub fn new(instrument: InstrumentId) -> Self {
        Self {
            instrument,
            book: Book::new(),
            order_book: None,
            order_book_digest: 0,
            state: BookState::Absent,
            in_snapshot: false,
            update_id: 0,
            quote_update_id: 0,
            touch: Touch::default(),
            last_trade: Level::default(),
            venue_mark: None,
            mark_source: MarkSource::Mid,
            mark_interval: DurationNs(0),
            session: SessionState::Continuous,
            closes_at: TimeNs::UNKNOWN,
            observed_at: TimeNs::UNKNOWN,
            version: 0,
            row: 0,
            mark_row: 0,
        }
    }

    /// Takes a quote.
    pub fn on_quote(&mut self, quote: &QuoteObserved) {
        let is_older_than_the_book = quote.update_id != 0 && quote.update_id < self.update_id;
        if !is_older_than_the_book && self.order_book.is_none() {
            self.quote_update_id = quote.update_id;
            self.touch = Touch {
                bid: Level { price: quote.bid_price, qty: quote.bid_qty },
                ask: Level { price: quote.ask_price, qty: quote.ask_qty },
            };
        }
    }

    /// Takes a trade.
    pub fn on_trade(&mut self, trade: &TradeObserved) {
        self.last_trade = Level { price: trade.price, qty: trade.qty };
    }

    /// Takes a part of a book update; tells when a snapshot made the book whole or a full store spoiled it.
    pub fn on_delta(&mut self, delta: &BookDelta) -> Option<Event> {
        if self.order_book.is_some() {
            return None;
        }
        if delta.clears() {
            self.book.clear();
            self.in_snapshot = true;
        }
        let is_usable = self.in_snapshot || matches!(self.state, BookState::Live | BookState::Building);
        if !is_usable {
            return None;
        }
        for (side, level) in delta.sided_levels() {
            self.book.set(side, level);
        }
        if !delta.is_last() {
            if !self.in_snapshot {
                self.state = BookState::Building;
            }
            return None;
        }
        self.update_id = delta.update_id;
        if self.book.is_exhausted() {
            return self.spoil(StaleReason::StoreFull);
        }
        if self.quote_update_id <= self.update_id {
            self.touch = self.book.top();
        }
        self.restore()
    }

    /// Takes what is told of someone's order; tells when a new book became whole, or when the book cannot be followed.
    ///
    /// The first item of all begins a book as a `Clear` does. While the book is stale nothing is taken.
    pub fn on_book_order(&mut self, told: &BookOrderObserved, books: &mut OrderBooks) -> Option<Event> {
        if self.order_book.is_none() {
            self.order_book = books.begin();
            self.in_snapshot = true;
        }
        let Some(place) = self.order_book else {
            return self.spoil(StaleReason::StoreFull);
        };
        self.in_snapshot |= told.action == BookAction::Clear;
        if !self.takes_book_orders() {
            return None;
        }
        let book = books.get_mut(place);
        let taken = book.apply(told);
        self.order_book_digest = book.digest();
        if let Err(reason) = taken {
            return self.spoil(reason);
        }
        if let (BookAction::Execute, Some(order)) = (told.action, book.before()) {
            self.last_trade = Level { price: order.price, qty: told.qty };
        }
        if !told.is_last {
            if !self.in_snapshot {
                self.state = BookState::Building;
            }
            return None;
        }
        self.update_id = told.update_id;
        self.touch = book.touch();
        self.restore()
    }

    /// Whether the book of orders can follow what is told: it is whole, or a new one is coming.
    #[inline]
    pub fn takes_book_orders(&self) -> bool {
        self.order_book.is_some() && (self.in_snapshot || !self.is_stale())
    }

    /// The book is whole; tells if it was not to be trusted before.
    fn restore(&mut self) -> Option<Event> {
        let was_snapshot = std::mem::take(&mut self.in_snapshot);
        let was_live = matches!(self.state, BookState::Live | BookState::Building);
        self.state = BookState::Live;
        let restored = BookRestored { update_id: self.update_id, instrument: self.instrument };
        (was_snapshot && !was_live).then(|| restored.into())
    }

    /// The feed lost its place.
    pub fn on_gap(&mut self, gap: &MarketGapObserved) -> Option<Event> {
        self.spoil(gap.reason)
    }

    fn spoil(&mut self, reason: StaleReason) -> Option<Event> {
        self.in_snapshot = false;
        let was_stale = matches!(self.state, BookState::Stale(_));
        self.state = BookState::Stale(reason);
        let stale = BookStale { update_id: self.update_id, instrument: self.instrument, reason };
        (!was_stale).then(|| stale.into())
    }

    /// Whether orders must be refused.
    pub fn is_stale(&self) -> bool {
        matches!(self.state, BookState::Stale(_))
    }

    /// Twice the mid price, which is exact; the last trade where the touch has one side only.
    #[inline]
    pub fn reference_twice(&self) -> Option<i64> {
        if self.touch.is_two_sided() {
            self.touch.bid.price.0.checked_add(self.touch.ask.price.0)
        } else if self.last_trade.qty > Qty::ZERO {
            self.last_trade.price.0.checked_mul(2)
        } else {
            None
        }
    }

    /// The venue's own mark price, where it tells one.
    pub fn venue_mark(&self) -> Option<i64> {
        self.venue_mark.map(|price| price.0)
    }

    /// Whether held orders may be triggered by it: it can be trusted, and its session takes the orders that leave.
    pub fn triggers(&self) -> bool {
        !self.is_stale() && self.session.takes_orders()
    }

    /// When a DAY order that enters at `now` ends: with the session, or at midnight UTC.
    pub fn day_ends(&self, now: TimeNs) -> TimeNs {
        if self.closes_at > now {
            return self.closes_at;
        }
        TimeNs((now.0 / DAY_NS).saturating_add(1).saturating_mul(DAY_NS))
    }

    /// The two prices whose mean marks a position: what the instrument's source says, or the mid where that has said
    /// nothing yet, or the last trade where the touch has one side only.
    pub fn mark(&self) -> Option<(Price, Price)> {
        let last = (self.last_trade.qty > Qty::ZERO).then_some(self.last_trade.price);
        let told = match self.mark_source {
            MarkSource::Mid => None,
            MarkSource::Last => last,
            MarkSource::Venue => self.venue_mark,
        };
        if let Some(price) = told {
            Some((price, price))
        } else if self.touch.is_two_sided() {
            Some((self.touch.bid.price, self.touch.ask.price))
        } else {
            last.map(|price| (price, price))
        }
    }

    /// Brings the digest up to date with the venue's mark and the settings of marks, which change seldom.
    pub(crate) fn rehash_mark(&mut self, digest: &mut Digest) {
        let (is_told, price) = self.venue_mark.map_or((0, 0), |price| (1, price.0.cast_unsigned()));
        let words = [
            u64::from(self.instrument.0) << 32 | is_told << 8 | self.mark_source as u64,
            price,
            self.mark_interval.0,
        ];
        digest.update(&mut self.mark_row, row_hash(TAG_MARK, &words));
    }

    /// Brings the digest up to date with this market.
    pub fn rehash(&mut self, digest: &mut Digest) {
        let state = match self.state {
            BookState::Absent => 1,
            BookState::Building => 2,
            BookState::Live => 3,
            BookState::Stale(reason) => 16 + reason as u64,
        };
        let levels = [self.touch.bid, self.touch.ask, self.last_trade];
        let [[bid, bid_qty], [ask, ask_qty], [last, last_qty]] =
            levels.map(|level| [level.price.0, level.qty.0].map(i64::cast_unsigned));
        let marks = (self.session as u64) << 32 | u64::from(self.order_book.is_some()) << 16;
        let words = [
            u64::from(self.instrument.0),
            self.book.digest().wrapping_add(self.order_book_digest),
            marks | state << 1 | u64::from(self.in_snapshot),
            self.update_id,
            self.quote_update_id,
            bid,
            bid_qty,
            ask,
            ask_qty,
            last,
            last_qty,
            self.version,
            self.closes_at.0,
            self.observed_at.0,
        ];
        digest.update(&mut self.row, row_hash(TAG, &words));
    }
}

const TAG: u64 = 0x0101;
const TAG_MARK: u64 = 0x0108;
const DAY_NS: u64 = 86_400_000_000_000;
