//! One market of the workload: a mid price that walks by ticks and comes home, seen by quotes or by book updates.
//!
//! Units: ticks and lots inside; mantissas outside. Invariant: after all updates of a block the mid price is where it
//! began, so that a repeated block has no jump.

use super::definitions::{MarketSettings, Seen};
use super::random::Random;
use tickwerk_domain::command::{QuoteObserved, TradeObserved};
use tickwerk_domain::{Aggressor, BookDelta, Command, Level, Price, Qty, Side};

/// Levels on each side of a book.
pub(super) const DEPTH: i64 = 10;
/// Ticks from the start that the mid price may go.
const REACH: i64 = 60;
/// In a hundred updates, those that move the mid price.
const MOVES: u32 = 40;
/// In a hundred commands of a market, trades.
const TRADES: u32 = 15;
/// Lots at a level, at most; the least is [`LEVEL_LOTS_MIN`].
const LEVEL_LOTS_SPAN: u32 = 60;
const LEVEL_LOTS_MIN: i64 = 3;

#[derive(Debug)]
pub(super) struct MarketModel {
    settings: &'static MarketSettings,
    /// Ticks between the mid price and where it began.
    away: i64,
    /// Updates that are left of the block, trades included.
    left: i64,
}

impl MarketModel {
    pub(super) fn new(settings: &'static MarketSettings, updates: usize) -> Self {
        Self { settings, away: 0, left: i64::try_from(updates).expect("a block is small") }
    }

    /// Own and opposite best price for an order of `side`.
    pub(super) fn touch(&self, side: Side) -> (i64, i64) {
        let (bid, ask) = (self.price(-1), self.price(1));
        match side {
            Side::Buy => (bid, ask),
            Side::Sell => (ask, bid),
        }
    }

    pub(super) fn next(&mut self, random: &mut Random) -> Command {
        // Home in time: from here on every update has to bring it a tick nearer.
        let is_going_home = self.away.abs() + 1 >= self.left;
        self.left -= 1;
        if !is_going_home && random.below(100) < TRADES {
            return self.trade(random).into();
        }
        let step = if is_going_home {
            -self.away.signum()
        } else if random.below(100) >= MOVES {
            0
        } else if self.away.abs() >= REACH {
            -self.away.signum()
        } else {
            random.pick(&[-1, 1])
        };
        self.away += step;
        match self.settings.seen {
            Seen::Quotes => self.quote(random).into(),
            Seen::Book => self.delta(step, random).into(),
        }
    }

    fn price(&self, ticks: i64) -> i64 {
        self.settings.price + (self.away + ticks) * self.settings.tick
    }

    fn level(&self, ticks: i64, random: &mut Random) -> Level {
        let lots = LEVEL_LOTS_MIN + i64::from(random.below(LEVEL_LOTS_SPAN));
        Level { price: Price(self.price(ticks)), qty: Qty(lots * self.settings.lot) }
    }

    fn quote(&self, random: &mut Random) -> QuoteObserved {
        let (bid, ask) = (self.level(-1, random), self.level(1, random));
        QuoteObserved {
            update_id: 0,
            bid_price: bid.price,
            bid_qty: bid.qty,
            ask_price: ask.price,
            ask_qty: ask.qty,
            instrument: self.settings.instrument,
        }
    }

    fn trade(&self, random: &mut Random) -> TradeObserved {
        let (ticks, aggressor) = random.pick(&[(-1, Aggressor::Seller), (1, Aggressor::Buyer)]);
        let lots = 1 + i64::from(random.below(10));
        TradeObserved {
            trade_id: 0,
            price: Price(self.price(ticks)),
            qty: Qty(lots * self.settings.lot),
            instrument: self.settings.instrument,
            aggressor,
        }
    }

    /// After a step up the old best ask is gone, a bid stands one tick higher, and both ends of the book move along.
    fn delta(&self, step: i64, random: &mut Random) -> BookDelta {
        let mut delta = BookDelta::new(self.settings.instrument, 0, BookDelta::LAST);
        if step != 0 {
            let (near, far) = if step > 0 { (Side::Buy, Side::Sell) } else { (Side::Sell, Side::Buy) };
            let gone = |ticks| Level { price: Price(self.price(ticks)), qty: Qty::ZERO };
            delta.push(near, self.level(-step, random));
            delta.push(far, gone(0));
            delta.push(near, gone(-step * (DEPTH + 1)));
            delta.push(far, self.level(step * DEPTH, random));
        }
        for side in [Side::Buy, Side::Sell] {
            let ticks = 1 + i64::from(random.below(4));
            delta.push(side, self.level(-side.sign() * ticks, random));
        }
        delta
    }

    /// The whole market as it stands: a quote, or a snapshot of the book in parts.
    pub(super) fn snapshot(&self, random: &mut Random) -> Vec<Command> {
        match self.settings.seen {
            Seen::Quotes => vec![self.quote(random).into()],
            Seen::Book => {
                let levels: Vec<(Side, Level)> = (1..=DEPTH)
                    .flat_map(|ticks| [(Side::Buy, -ticks), (Side::Sell, ticks)])
                    .map(|(side, ticks)| (side, self.level(ticks, random)))
                    .collect();
                let mut parts = Vec::new();
                BookDelta::split(self.settings.instrument, 0, true, levels, |part| parts.push(part.into()));
                parts
            }
        }
    }
}
