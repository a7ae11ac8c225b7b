//! Markets of the model: levels in maps, the touch, the last trade, marks, and what each price triggers.

use std::collections::BTreeMap;
use tickwerk_domain::command::{MarketGapObserved, QuoteObserved};
use tickwerk_domain::event::{BookRestored, BookStale};
use tickwerk_domain::{
    BookDelta, Event, InstrumentId, MarkSource, SessionState, Side, StaleReason, TriggerBy,
};

/// Price and quantity.
type Level = (i64, i64);

/// How far a book can be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Trust {
    #[default]
    Absent,
    Live,
    Stale,
}

/// What is known of an instrument's market.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) bids: BTreeMap<i64, i64>,
    pub(super) asks: BTreeMap<i64, i64>,
    trust: Trust,
    in_snapshot: bool,
    update_id: u64,
    quote_update_id: u64,
    bid: Level,
    ask: Level,
    pub(super) last: Level,
    pub(super) venue_mark: Option<i64>,
    pub(super) source: MarkSource,
    pub(super) session: SessionState,
    pub(super) closes_at: u64,
    pub(super) observed_at: u64,
}

impl Default for Market {
    fn default() -> Self {
        Self {
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            trust: Trust::Absent,
            in_snapshot: false,
            update_id: 0,
            quote_update_id: 0,
            bid: (0, 0),
            ask: (0, 0),
            last: (0, 0),
            venue_mark: None,
            source: MarkSource::Mid,
            session: SessionState::Continuous,
            closes_at: 0,
            observed_at: 0,
        }
    }
}

impl Market {
    pub(super) fn quote(&mut self, quote: &QuoteObserved) {
        if quote.update_id == 0 || quote.update_id >= self.update_id {
            self.quote_update_id = quote.update_id;
            self.bid = (quote.bid_price.0, quote.bid_qty.0);
            self.ask = (quote.ask_price.0, quote.ask_qty.0);
        }
    }

    pub(super) fn delta(&mut self, delta: &BookDelta) -> Option<Event> {
        if delta.clears() {
            self.bids.clear();
            self.asks.clear();
            self.in_snapshot = true;
        }
        if !self.in_snapshot && self.trust != Trust::Live {
            return None;
        }
        for (side, level) in delta.sided_levels() {
            let levels = if side == Side::Buy { &mut self.bids } else { &mut self.asks };
            if level.qty.0 > 0 {
                levels.insert(level.price.0, level.qty.0);
            } else {
                levels.remove(&level.price.0);
            }
        }
        if !delta.is_last() {
            return None;
        }
        self.update_id = delta.update_id;
        if self.quote_update_id <= self.update_id {
            let level = |found: Option<(&i64, &i64)>| found.map_or((0, 0), |(price, qty)| (*price, *qty));
            self.bid = level(self.bids.last_key_value());
            self.ask = level(self.asks.first_key_value());
        }
        let is_new = std::mem::take(&mut self.in_snapshot) && self.trust != Trust::Live;
        self.trust = Trust::Live;
        is_new.then(|| BookRestored { update_id: self.update_id, instrument: delta.instrument }.into())
    }

    pub(super) fn gap(&mut self, gap: &MarketGapObserved) -> Option<Event> {
        self.in_snapshot = false;
        let was_stale = std::mem::replace(&mut self.trust, Trust::Stale) == Trust::Stale;
        (!was_stale).then(|| stale(self.update_id, gap.instrument, gap.reason))
    }

    pub(super) fn is_stale(&self) -> bool {
        self.trust == Trust::Stale
    }

    pub(super) fn is_two_sided(&self) -> bool {
        self.bid.1 > 0 && self.ask.1 > 0
    }

    pub(super) fn touch(&self) -> (i64, i64) {
        (self.bid.0, self.ask.0)
    }

    /// Twice the mid; twice the last trade where the touch has one side only.
    pub(super) fn reference_twice(&self) -> Option<i64> {
        if self.is_two_sided() {
            Some(self.bid.0 + self.ask.0)
        } else {
            (self.last.1 > 0).then_some(2 * self.last.0)
        }
    }

    /// The two prices whose mean marks a position.
    pub(super) fn mark(&self) -> Option<(i64, i64)> {
        let last = (self.last.1 > 0).then_some(self.last.0);
        let told = match self.source {
            MarkSource::Mid => None,
            MarkSource::Last => last,
            MarkSource::Venue => self.venue_mark,
        };
        match told {
            Some(price) => Some((price, price)),
            None if self.is_two_sided() => Some((self.bid.0, self.ask.0)),
            None => last.map(|price| (price, price)),
        }
    }

    /// The mark as one price, rounded towards zero.
    pub(super) fn mark_price(&self) -> Option<i64> {
        self.mark().map(|(low, high)| i64::midpoint(low, high))
    }

    /// What a market order of a side meets.
    pub(super) fn met_by(&self, side: Side) -> i64 {
        let level = if side == Side::Buy { self.ask } else { self.bid };
        if level.1 > 0 { level.0 } else { self.last.0 }
    }

    /// Whether held orders may be triggered.
    pub(super) fn triggers(&self) -> bool {
        !self.is_stale() && self.session.takes_orders()
    }

    /// The price that a trigger is compared with.
    pub(super) fn trigger_price(&self, by: TriggerBy, side: Side, rises: bool) -> Option<i64> {
        let real = |level: Level| (level.1 > 0 && level.0 > 0).then_some(level.0);
        let (bid, ask) = (real(self.bid), real(self.ask));
        let touch = if side == Side::Buy { ask } else { bid };
        match by {
            TriggerBy::Last => real(self.last).or(touch),
            TriggerBy::Touch => touch,
            TriggerBy::Mid => {
                // A mid between two prices has risen to the lower one and fallen to the higher one.
                let twice = bid? + ask?;
                Some(if rises { twice / 2 } else { twice - twice / 2 })
            }
            TriggerBy::Mark => self.venue_mark.filter(|price| *price > 0),
        }
    }
}

fn stale(update_id: u64, instrument: InstrumentId, reason: StaleReason) -> Event {
    BookStale { update_id, instrument, reason }.into()
}
