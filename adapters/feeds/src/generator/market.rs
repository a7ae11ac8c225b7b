//! One market, arrival by arrival: what traders do, and the records that tell of it.
//!
//! At each arrival the efficient price moves; then somebody trades at the touch, the makers requote, narrow the spread
//! or change a level. A price outside the spread calls informed traders and requotes; inside it, trades lean to the
//! nearer side and to the side of the last trade.

use super::GeneratorInstrument;
use super::arrival::Arrivals;
use super::book::{Change, LEVELS, Ladder, MOVE_MAX};
use super::price::EfficientPrice;
use super::random::{FRACTION_BITS, ONE, Random};
use std::collections::VecDeque;
use tickwerk_domain::command::{QuoteObserved, TradeObserved};
use tickwerk_domain::{
    Aggressor, BookDelta, Command, Envelope, InstrumentId, Level, Payload, Price, Qty, Record, Side,
    SourceId, TimeNs,
};

/// Tail index of sizes is 1.6: [`ONE`] ÷ 1.6.
const SIZE_TAIL: u64 = 40_960;
/// The largest size, in typical sizes.
const SIZE_RANGE_MAX: u64 = 256;
/// Where those who join a level stop, in typical sizes.
const LEVEL_SIZE_MAX: i64 = 512;
/// The spread is narrowed at once when it is this many ticks above the usual one.
const SPREAD_EXCESS_MAX: i64 = 6;
/// The price must be a quarter tick outside the spread before anybody follows it.
const SLACK: i64 = ONE / 4;

/// Where records leave: numbered, stamped, in order.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    pub(super) pending: VecDeque<Record>,
    source: SourceId,
    source_sequence: u64,
}

impl Outlet {
    pub(super) fn new(source: SourceId) -> Self {
        Self { pending: VecDeque::with_capacity(256), source, source_sequence: 0 }
    }

    fn emit(&mut self, time: TimeNs, command: Command) {
        self.source_sequence += 1;
        let envelope = Envelope {
            time_ns: time,
            source_time: time,
            source: self.source,
            source_sequence: self.source_sequence,
            ..Envelope::default()
        };
        self.pending.push_back(Record { envelope, payload: Payload::Command(command) });
    }
}

#[derive(Clone, Debug)]
pub(super) struct Market {
    instrument: InstrumentId,
    tick_size: i64,
    lot_size: i64,
    sizes: Sizes,
    spread: i64,
    price: EfficientPrice,
    arrivals: Arrivals,
    book: Ladder,
    next_time: TimeNs,
    update_id: u64,
    trade_id: u64,
    last_aggressor: Side,
    quoted: (i64, i64, i64, i64),
    random: Random,
}

/// Sizes in lots, with a heavy tail.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    typical: i64,
}

impl Sizes {
    /// A size of a level that lies `distance` ticks behind the best; deeper ones are larger.
    fn level(self, random: &mut Random, distance: i64) -> i64 {
        self.draw(random) * (4 + distance) / 4
    }

    fn draw(self, random: &mut Random) -> i64 {
        let times = random.pareto(SIZE_TAIL).min(SIZE_RANGE_MAX << FRACTION_BITS).cast_signed();
        // The median of this Pareto is 1.54 times its smallest value.
        ((self.typical * times) >> FRACTION_BITS).saturating_mul(2).div_euclid(3).max(1)
    }
}

impl Market {
    /// Opens the market: a snapshot of its book and a quote leave by `outlet`.
    pub(super) fn open(
        character: &GeneratorInstrument,
        seed: u64,
        start: TimeNs,
        outlet: &mut Outlet,
    ) -> Self {
        let instrument = character.instrument;
        let mut random = Random::new(seed, u64::from(instrument.0));
        let reference = character.reference_price.0 / character.tick_size.0;
        let spread = i64::from(character.spread_ticks);
        let sizes = Sizes { typical: character.typical_size.0 / character.lot_size.0 };
        let best_bid = reference - spread / 2;
        let book = Ladder::new(best_bid, best_bid + spread, |distance| sizes.level(&mut random, distance));
        let mut market = Self {
            instrument,
            tick_size: character.tick_size.0,
            lot_size: character.lot_size.0,
            sizes,
            spread,
            price: EfficientPrice::new(reference, character.volatility),
            arrivals: Arrivals::new(start, character.arrivals_per_second),
            book,
            next_time: start,
            update_id: 0,
            trade_id: 0,
            last_aggressor: Side::Buy,
            quoted: (0, 0, 0, 0),
            random,
        };
        market.tell(true, outlet);
        market.next_time = market.arrivals.advance(&mut market.random);
        market
    }

    pub(super) fn next_time(&self) -> TimeNs {
        self.next_time
    }

    /// One arrival.
    pub(super) fn step(&mut self, outlet: &mut Outlet) {
        let fair = self.price.advance(&mut self.random);
        let below = (self.book.best(Side::Buy) << FRACTION_BITS) - fair;
        let above = fair - (self.book.best(Side::Sell) << FRACTION_BITS);
        let excess = self.book.spread() - self.spread;
        if below > SLACK || above > SLACK {
            let side = if above > SLACK { Side::Buy } else { Side::Sell };
            if excess < SPREAD_EXCESS_MAX && self.random.chance(1, 2) {
                let sweep = self.random.chance(1, 2);
                self.trade(side, sweep, outlet);
            } else {
                self.requote(fair);
            }
        } else if excess > 0 && (excess >= SPREAD_EXCESS_MAX || self.random.chance(1, 3)) {
            self.narrow(fair);
        } else if self.random.chance(1, 6) {
            let side = self.choose_aggressor(fair);
            self.trade(side, false, outlet);
        } else {
            self.change_level();
        }
        self.tell(false, outlet);
        self.next_time = self.arrivals.advance(&mut self.random);
    }

    /// Half of the trades go on as the last one did; the others lean to the side that the price is nearer to.
    fn choose_aggressor(&mut self, fair: i64) -> Side {
        if self.random.chance(1, 2) {
            return self.last_aggressor;
        }
        let from_bid = fair - (self.book.best(Side::Buy) << FRACTION_BITS);
        let percent = (from_bid * 100 / (self.book.spread() << FRACTION_BITS)).clamp(20, 80);
        let buys = u32::try_from(percent).expect("between 20 and 80");
        if self.random.chance(buys, 100) { Side::Buy } else { Side::Sell }
    }

    /// `aggressor` takes from the best level of the other side; all of it in a sweep.
    fn trade(&mut self, aggressor: Side, sweep: bool, outlet: &mut Outlet) {
        let side = aggressor.opposite();
        let resting = self.book.lots(side, 0);
        let lots = if sweep { resting } else { self.sizes.draw(&mut self.random).min(resting) };
        self.trade_id += 1;
        self.last_aggressor = aggressor;
        let trade = TradeObserved {
            trade_id: self.trade_id,
            price: Price(self.book.best(side) * self.tick_size),
            qty: Qty(lots * self.lot_size),
            instrument: self.instrument,
            aggressor: match aggressor {
                Side::Buy => Aggressor::Buyer,
                Side::Sell => Aggressor::Seller,
            },
        };
        outlet.emit(self.next_time, trade.into());
        if lots < resting {
            self.book.resize(side, 0, resting - lots);
        } else {
            self.shift(side, -1);
        }
    }

    /// Both sides go to where the price wants them.
    fn requote(&mut self, fair: i64) {
        let (bid, ask) = self.targets(fair);
        let up = (bid - self.book.best(Side::Buy)).clamp(-MOVE_MAX, MOVE_MAX);
        let down = (self.book.best(Side::Sell) - ask).clamp(-MOVE_MAX, MOVE_MAX);
        // The side that goes back makes room for the other.
        if up > 0 {
            self.shift(Side::Sell, down);
            self.shift(Side::Buy, up);
        } else {
            self.shift(Side::Buy, up);
            self.shift(Side::Sell, down);
        }
    }

    /// The side that is further from where it should be improves by a tick.
    fn narrow(&mut self, fair: i64) {
        let (bid, ask) = self.targets(fair);
        let bid_lag = bid - self.book.best(Side::Buy);
        let ask_lag = self.book.best(Side::Sell) - ask;
        if self.book.spread() > 1 {
            self.shift(if bid_lag >= ask_lag { Side::Buy } else { Side::Sell }, 1);
        }
    }

    /// Somebody joins or leaves a level, most often a near one.
    fn change_level(&mut self) {
        let side = if self.random.chance(1, 2) { Side::Buy } else { Side::Sell };
        let distance = (self.random.exponential() >> (FRACTION_BITS - 2)).cast_signed().min(LEVELS - 1);
        let before = self.book.lots(side, distance);
        let after = match self.random.below(4) {
            0 => (before / 2).max(1),
            1 => (before + self.sizes.draw(&mut self.random)).min(self.sizes.typical * LEVEL_SIZE_MAX),
            _ => self.sizes.level(&mut self.random, distance),
        };
        self.book.resize(side, distance, if after == before { after + 1 } else { after });
    }

    /// Best bid and ask that suit the price, in ticks.
    fn targets(&self, fair: i64) -> (i64, i64) {
        let half = ((self.spread - 1) << FRACTION_BITS) / 2;
        let bid = (fair - half) >> FRACTION_BITS;
        let ask = (fair + half + ONE - 1) >> FRACTION_BITS;
        (bid, ask.max(bid + 1))
    }

    fn shift(&mut self, side: Side, ticks: i64) {
        let (sizes, random) = (self.sizes, &mut self.random);
        self.book.shift(side, ticks, |distance| sizes.level(random, distance));
    }

    /// Tells the changes of the book as one update, and the top if it is another one.
    fn tell(&mut self, snapshot: bool, outlet: &mut Outlet) {
        if self.book.changes.is_empty() {
            return;
        }
        self.update_id += 1;
        let (tick_size, lot_size, time) = (self.tick_size, self.lot_size, self.next_time);
        let level = |(side, tick, lots): Change| {
            (side, Level { price: Price(tick * tick_size), qty: Qty(lots * lot_size) })
        };
        let levels = self.book.changes.drain(..).map(level);
        BookDelta::split(self.instrument, self.update_id, snapshot, levels, |part| {
            outlet.emit(time, part.into());
        });
        let top = self.book.top();
        if top == self.quoted {
            return;
        }
        self.quoted = top;
        let (bid, bid_lots, ask, ask_lots) = top;
        let quote = QuoteObserved {
            update_id: self.update_id,
            bid_price: Price(bid * tick_size),
            bid_qty: Qty(bid_lots * lot_size),
            ask_price: Price(ask * tick_size),
            ask_qty: Qty(ask_lots * lot_size),
            instrument: self.instrument,
        };
        outlet.emit(time, quote.into());
    }
}
