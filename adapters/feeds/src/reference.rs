//! Compares a rebuilt book with the best prices that the exchange itself published.
//!
//! After the depth update u the exchange's own best is that of its last quote with an update id ≤ u. Quotes and
//! depth come on two streams, so that quote may be read before or after the depth line; an update is judged as soon
//! as a quote with a higher id is there, the rest at the end. Prices and quantities of both sides are compared.
//!
//! Invariant: memory is bounded by [`WAITING_MAX`] quotes and as many updates; what no quote can decide is counted as
//! `undetermined`, never as matched.

use std::collections::VecDeque;
use tickwerk_domain::command::QuoteObserved;
use tickwerk_domain::{BookDelta, Level, Price, Qty};

/// Most quotes, and most updates, that wait for the other stream.
pub const WAITING_MAX: usize = 65_536;

/// The best level of either side of a book; `None` where the side is empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BookTop {
    /// Highest bid.
    pub bid: Option<Level>,
    /// Lowest ask.
    pub ask: Option<Level>,
}

impl From<&QuoteObserved> for BookTop {
    fn from(quote: &QuoteObserved) -> Self {
        let level = |price: Price, qty: Qty| (qty != Qty::ZERO).then_some(Level { price, qty });
        Self { bid: level(quote.bid_price, quote.bid_qty), ask: level(quote.ask_price, quote.ask_qty) }
    }
}

/// One update after which book and exchange disagreed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookMismatch {
    /// The depth update.
    pub update_id: u64,
    /// Best of the rebuilt book after it.
    pub book: BookTop,
    /// The quote that it was compared with.
    pub quote_id: u64,
    /// Best that the exchange published.
    pub quote: BookTop,
}

/// The outcome of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BookCheckResult {
    /// Updates after which both were equal.
    pub matched: u64,
    /// Updates that were compared.
    pub total: u64,
    /// Updates for which no quote was known.
    pub undetermined: u64,
    /// Where they first differed.
    pub first_mismatch: Option<BookMismatch>,
}

/// Observes one instrument: its quotes, and its book after each depth update.
#[derive(Debug, Default)]
pub struct BookCheck {
    quotes: VecDeque<(u64, BookTop)>,
    updates: VecDeque<(u64, BookTop)>,
    /// The last quote that all waiting updates are beyond.
    current: Option<(u64, BookTop)>,
    newest_quote: u64,
    in_resync: bool,
    result: BookCheckResult,
}

impl BookCheck {
    /// A check that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The exchange published `quote`. Quotes without a rising update id say nothing and are left out.
    pub fn quote(&mut self, quote: &QuoteObserved) {
        if quote.update_id <= self.newest_quote {
            return;
        }
        self.newest_quote = quote.update_id;
        if self.quotes.len() == WAITING_MAX {
            self.current = self.quotes.pop_front();
        }
        self.quotes.push_back((quote.update_id, BookTop::from(quote)));
        while let Some(&(update_id, top)) = self.updates.front().filter(|(id, _)| *id < quote.update_id) {
            self.updates.pop_front();
            self.judge(update_id, top);
        }
    }

    /// The book shows `top` after `delta`. Only a part that ends an update is looked at, and an update that began
    /// with a snapshot is not compared: the exchange publishes no quote for what it was asked for.
    pub fn book(&mut self, delta: &BookDelta, top: BookTop) {
        self.in_resync |= delta.clears();
        if !delta.is_last() {
            return;
        }
        if std::mem::take(&mut self.in_resync) {
            return;
        }
        if delta.update_id < self.newest_quote {
            self.judge(delta.update_id, top);
            return;
        }
        if self.updates.len() == WAITING_MAX {
            self.updates.pop_front();
            self.result.undetermined += 1;
        }
        self.updates.push_back((delta.update_id, top));
    }

    /// What is known so far, without the updates that still wait.
    pub fn so_far(&self) -> &BookCheckResult {
        &self.result
    }

    /// Judges what still waits by the last quote there was.
    pub fn finish(mut self) -> BookCheckResult {
        while let Some((update_id, top)) = self.updates.pop_front() {
            self.judge(update_id, top);
        }
        self.result
    }

    /// Updates come in the order of their ids, so that quotes passed here are never needed again, but for the last.
    fn judge(&mut self, update_id: u64, book: BookTop) {
        while self.quotes.front().is_some_and(|(id, _)| *id <= update_id) {
            self.current = self.quotes.pop_front();
        }
        let Some((quote_id, quote)) = self.current.filter(|(id, _)| *id <= update_id) else {
            self.result.undetermined += 1;
            return;
        };
        self.result.total += 1;
        if book == quote {
            self.result.matched += 1;
        } else if self.result.first_mismatch.is_none() {
            self.result.first_mismatch = Some(BookMismatch { update_id, book, quote_id, quote });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwerk_domain::InstrumentId;

    fn quote(update_id: u64, bid: i64) -> QuoteObserved {
        QuoteObserved {
            update_id,
            bid_price: Price(bid),
            bid_qty: Qty(1),
            ask_price: Price(bid + 1),
            ask_qty: Qty(1),
            instrument: InstrumentId(1),
        }
    }

    fn top(bid: i64) -> BookTop {
        BookTop::from(&quote(1, bid))
    }

    fn last(update_id: u64) -> BookDelta {
        BookDelta::new(InstrumentId(1), update_id, BookDelta::LAST)
    }

    #[test]
    fn the_last_quote_up_to_an_update_decides_whichever_comes_first() {
        let mut check = BookCheck::new();
        check.book(&last(3), top(7)); // No quote up to 3 will ever come.
        check.quote(&quote(5, 10));
        check.book(&last(8), top(20)); // Its quote, 7, comes later.
        check.quote(&quote(7, 20));
        assert_eq!(check.so_far(), &BookCheckResult { undetermined: 1, ..BookCheckResult::default() });
        check.quote(&quote(9, 30));
        check.book(&last(8), top(20));
        check.book(&last(9), top(99)); // Waits until the end.
        let result = check.finish();
        assert_eq!((result.matched, result.total, result.undetermined), (2, 3, 1));
        let mismatch = result.first_mismatch.unwrap();
        assert_eq!((mismatch.update_id, mismatch.quote_id, mismatch.quote), (9, 9, top(30)));
    }

    #[test]
    fn parts_and_resynchronisations_are_not_compared() {
        let mut check = BookCheck::new();
        check.quote(&quote(1, 10));
        check.book(&BookDelta::new(InstrumentId(1), 2, BookDelta::CLEAR), top(1));
        check.book(&last(2), top(2));
        check.book(&BookDelta::new(InstrumentId(1), 3, 0), top(3));
        check.book(&last(3), top(10));
        assert_eq!(check.finish(), BookCheckResult { matched: 1, total: 1, ..BookCheckResult::default() });
    }

    #[test]
    fn one_silent_stream_does_not_grow_the_other_without_bound() {
        let mut check = BookCheck::new();
        for id in 1..=2 * WAITING_MAX as u64 {
            check.quote(&quote(id, 10));
        }
        assert_eq!(check.quotes.len(), WAITING_MAX);
        let mut check = BookCheck::new();
        for id in 1..=WAITING_MAX as u64 + 5 {
            check.book(&last(id), top(10));
        }
        assert_eq!((check.updates.len(), check.so_far().undetermined), (WAITING_MAX, 5));
    }
}
