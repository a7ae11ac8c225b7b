//! A market from a seed: quotes, trades and depth of several instruments, without end.
//!
//! Each instrument has an efficient price that nobody sees (a walk with changing variance and trends that come and
//! go), arrivals in bursts and quiet spells, and a book of 20 levels a side that is drawn to that price by quotes and
//! trades. What it hands out is consistent: a trade happens at the touch and is taken out of the book by the delta
//! that follows, a quote follows each delta that changed the top and equals it, and the book is never crossed.
//!
//! The same configuration gives the same records on every machine: integers only, one own random generator. Records
//! carry the market's own time, which never falls; source sequences are dense from 1. Each instrument starts with a
//! snapshot of its book and a quote, at the start time.
//!
//! A generator cannot be put in the middle; to resume, the records before are generated again and left out
//! ([`Generator::skip_through`]), which costs well below a microsecond each.

mod arrival;
mod book;
mod market;
mod price;
mod random;

use market::{Market, Outlet};
use std::collections::VecDeque;
use tickwerk_domain::{InstrumentId, Price, Qty, Record, SourceId, TimeNs};

/// Ticks that a reference price has at least, and at most.
const REFERENCE_TICKS: std::ops::RangeInclusive<i64> = 4_096..=1 << 40;
/// Lots that a typical size has at most.
const TYPICAL_LOTS_MAX: i64 = 1 << 24;
/// Largest mantissas; what grows from them (four times a price, some 1,000 times a size) still fits.
const PRICE_MAX: i64 = i64::MAX / 8;
const SIZE_MAX: i64 = i64::MAX / 8_192;
const SPREAD_TICKS_MAX: u8 = 32;
const VOLATILITY_MAX: u32 = 2_000;
const ARRIVALS_PER_SECOND_MAX: u32 = 1_000_000;

/// What a generator makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeneratorConfig {
    /// Another seed is another market.
    pub seed: u64,
    /// Time of the first record.
    pub start_time: TimeNs,
    /// Which source the records come from.
    pub source: SourceId,
    /// The markets, each independent of the others.
    pub instruments: Vec<GeneratorInstrument>,
}

/// The character of one market.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GeneratorInstrument {
    /// Whose market.
    pub instrument: InstrumentId,
    /// Where the price starts; it stays within a quarter and four times of it. From 4,096 to 2⁴⁰ ticks.
    pub reference_price: Price,
    /// Prices are multiples of this.
    pub tick_size: Price,
    /// Quantities are multiples of this.
    pub lot_size: Qty,
    /// Median quantity at a price level, roughly; sizes have a Pareto tail.
    pub typical_size: Qty,
    /// The spread that the book returns to, in ticks; 1 to 32.
    pub spread_ticks: u8,
    /// Standard deviation of the efficient price over one arrival, in thousandths of a tick; 1 to 2,000. 100 to 300 is
    /// like a market whose spread is one coarse tick; one with fine ticks has 1,000 and more.
    pub volatility: u32,
    /// Mean arrivals a second, roughly; each gives one to three records, more after a jump. 1 to 1,000,000.
    pub arrivals_per_second: u32,
}

/// Why a configuration makes no market.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GeneratorError {
    /// No instruments.
    #[error("the generator has no instruments; name at least one")]
    NoInstruments,
    /// No start time.
    #[error("the generator has no start time; give one above 0, as 0 means that the time is not known")]
    NoStartTime,
    /// The same instrument twice.
    #[error("instrument {instrument} is named twice; name each instrument once")]
    Duplicate {
        /// Which one.
        instrument: InstrumentId,
    },
    /// A value outside its range.
    #[error("instrument {instrument}: {field} {value} is out of range; {remedy}")]
    OutOfRange {
        /// Whose value.
        instrument: InstrumentId,
        /// Which value.
        field: &'static str,
        /// What it is.
        value: i64,
        /// What would be right.
        remedy: &'static str,
    },
}

/// An endless iterator over market data.
#[derive(Clone, Debug)]
pub struct Generator {
    markets: Vec<Market>,
    outlet: Outlet,
}

impl Generator {
    /// A generator before its first record.
    pub fn new(config: &GeneratorConfig) -> Result<Self, GeneratorError> {
        if config.instruments.is_empty() {
            return Err(GeneratorError::NoInstruments);
        }
        if config.start_time == TimeNs::UNKNOWN {
            return Err(GeneratorError::NoStartTime);
        }
        let mut outlet = Outlet::new(config.source);
        let mut markets = Vec::with_capacity(config.instruments.len());
        for (index, character) in config.instruments.iter().enumerate() {
            check(character)?;
            let instrument = character.instrument;
            if config.instruments[..index].iter().any(|other| other.instrument == instrument) {
                return Err(GeneratorError::Duplicate { instrument });
            }
            markets.push(Market::open(character, config.seed, config.start_time, &mut outlet));
        }
        Ok(Self { markets, outlet })
    }

    /// Appends the next `count` records to `batch`.
    pub fn fill(&mut self, batch: &mut Vec<Record>, count: usize) {
        batch.reserve(count);
        let mut missing = count;
        while missing > 0 {
            let pending = self.pending();
            let taken = pending.len().min(missing);
            batch.extend(pending.drain(..taken));
            missing -= taken;
        }
    }

    /// Leaves out everything through the record with this source sequence.
    pub fn skip_through(&mut self, source_sequence: u64) {
        while self.pending().front().is_some_and(|next| next.envelope.source_sequence <= source_sequence) {
            self.outlet.pending.pop_front();
        }
    }

    /// The records that are ready: at least one.
    fn pending(&mut self) -> &mut VecDeque<Record> {
        while self.outlet.pending.is_empty() {
            let next = self.markets.iter_mut().min_by_key(|market| market.next_time());
            next.expect("a generator has at least one instrument").step(&mut self.outlet);
        }
        &mut self.outlet.pending
    }
}

impl Iterator for Generator {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.pending().pop_front()
    }
}

fn check(character: &GeneratorInstrument) -> Result<(), GeneratorError> {
    let GeneratorInstrument { instrument, reference_price, tick_size, lot_size, typical_size, .. } =
        *character;
    let held = |holds: bool, field, value, remedy| {
        if holds { Ok(()) } else { Err(GeneratorError::OutOfRange { instrument, field, value, remedy }) }
    };
    held(tick_size.0 > 0, "tick_size", tick_size.0, "it is at least 1")?;
    held(lot_size.0 > 0, "lot_size", lot_size.0, "it is at least 1")?;
    let ticks = reference_price.0 / tick_size.0;
    held(
        REFERENCE_TICKS.contains(&ticks) && reference_price.0 <= PRICE_MAX,
        "reference_price",
        reference_price.0,
        "it is 4,096 to 2^40 ticks and at most 2^60",
    )?;
    held(
        reference_price.0 % tick_size.0 == 0,
        "reference_price",
        reference_price.0,
        "it is a multiple of tick_size",
    )?;
    let lots = typical_size.0 / lot_size.0;
    held(
        (1..=TYPICAL_LOTS_MAX).contains(&lots) && typical_size.0 <= SIZE_MAX,
        "typical_size",
        typical_size.0,
        "it is 1 to 2^24 lots and at most 2^50",
    )?;
    let spread = character.spread_ticks;
    held((1..=SPREAD_TICKS_MAX).contains(&spread), "spread_ticks", spread.into(), "it is 1 to 32")?;
    let volatility = character.volatility;
    held((1..=VOLATILITY_MAX).contains(&volatility), "volatility", volatility.into(), "it is 1 to 2,000")?;
    let arrivals = character.arrivals_per_second;
    let in_range = (1..=ARRIVALS_PER_SECOND_MAX).contains(&arrivals);
    held(in_range, "arrivals_per_second", arrivals.into(), "it is 1 to 1,000,000")
}
