//! The feed of a run: a capture, recorded orders or the generator, read on a thread of its own into the market lane.

use crate::config::{Config, FeedSettings};
use crate::exit::BadConfig;
use crate::follower::Check;
use crate::setup::Names;
use anyhow::{Context, Result};
use std::time::Duration;
use tickwerk_domain::{CorrelationId, Record, SourceId, TextId, TimeNs};
use tickwerk_engine::pipeline::{LaneProducer, clock};
use tickwerk_feeds::order_by_order::{OrderFeedConfig, OrderFeedReport, OrderReader, RowCheck};
use tickwerk_feeds::{
    BookCheck, CaptureConfig, CaptureReader, CaptureReport, Generator, GeneratorConfig, GeneratorInstrument,
};

/// Records that are read before they are published.
const BATCH: usize = 256;
/// Time of the generator's first record: 2024-01-01T00:00:00Z.
const GENERATOR_START: TimeNs = TimeNs(1_704_067_200_000_000_000);

/// An open feed. It goes on after the last record that the journal holds.
#[derive(Debug)]
pub(crate) struct Feed {
    input: Input,
    /// Read ahead; a fault waits here until everything before it was taken.
    next: Option<Result<Record>>,
    actor: TextId,
}

#[derive(Debug)]
enum Input {
    Capture(Box<CaptureReader>),
    Orders(Box<OrderReader>),
    Generator { generator: Box<Generator>, left: u64 },
}

/// How fast a feed is published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// As fast as the pipeline takes it.
    FlatOut,
    /// The last `count` commands one after the other at this rate, each measured against its intended time.
    LastAt { count: u64, per_second: u64 },
}

/// Why a feed came to its end.
#[derive(Debug)]
pub(crate) enum FeedEnd {
    /// The input was read to its end.
    Complete,
    /// It was told to stop.
    Stopped,
}

impl Feed {
    /// Opens the feed that `config` names; `None` where it names none.
    pub(crate) fn open(config: &Config, names: &Names, resume_after: u64) -> Result<Option<Self>> {
        let input = match &config.feed {
            FeedSettings::None => return Ok(None),
            FeedSettings::BinanceCapture { path, market, symbol, instrument, on_malformed } => {
                let fed = names.instruments.get(instrument);
                let fed = fed.with_context(|| format!("feed.instrument {instrument}")).context(BadConfig)?;
                let capture = CaptureConfig {
                    market: *market,
                    symbol: symbol.clone(),
                    instrument: fed.instrument,
                    price_scale: fed.price_scale,
                    quantity_scale: fed.quantity_scale,
                    source: SourceId::FIRST_FEED,
                    on_malformed: *on_malformed,
                    resume_after,
                };
                Input::Capture(Box::new(CaptureReader::open(path, capture)?))
            }
            FeedSettings::OrderByOrder { format, path, instrument, book_path, venue_instrument, .. } => {
                let fed = names.instruments.get(instrument);
                let fed = fed.with_context(|| format!("feed.instrument {instrument}")).context(BadConfig)?;
                let orders = OrderFeedConfig {
                    format: *format,
                    path: path.clone(),
                    book: book_path.clone(),
                    venue_instrument: *venue_instrument,
                    instrument: fed.instrument,
                    price_scale: fed.price_scale,
                    quantity_scale: fed.quantity_scale,
                    source: SourceId::FIRST_FEED,
                    resume_after,
                };
                Input::Orders(Box::new(OrderReader::open(orders)?))
            }
            FeedSettings::Generator { seed, commands } => {
                let instruments = config.instruments.iter().filter_map(|settings| {
                    let character = settings.generator.as_ref()?;
                    Some(GeneratorInstrument {
                        instrument: names.instruments.get(&settings.symbol)?.instrument,
                        reference_price: character.price,
                        tick_size: settings.tick_size,
                        lot_size: settings.lot_size,
                        typical_size: character.size,
                        spread_ticks: character.spread_ticks,
                        volatility: character.volatility,
                        arrivals_per_second: character.arrivals_per_second,
                    })
                });
                let instruments = instruments.collect();
                let (seed, source) = (*seed, SourceId::FIRST_FEED);
                let generated = GeneratorConfig { seed, start_time: GENERATOR_START, source, instruments };
                let mut generator = Generator::new(&generated).context(BadConfig)?;
                generator.skip_through(resume_after);
                Input::Generator {
                    generator: Box::new(generator),
                    left: commands.saturating_sub(resume_after),
                }
            }
        };
        let mut feed = Self { input, next: None, actor: names.feed_actor };
        feed.next = feed.read();
        match feed.next.take_if(|next| next.is_err()) {
            Some(Err(fault)) => Err(fault),
            Some(Ok(_)) | None => Ok(Some(feed)),
        }
    }

    /// Time of the first record; unknown for a feed that is at its end.
    pub(crate) fn first_time(&self) -> TimeNs {
        let record = self.next.as_ref().and_then(|next| next.as_ref().ok());
        record.map_or(TimeNs::UNKNOWN, |record| record.envelope.time_ns)
    }

    /// What a capture's reader met.
    pub(crate) fn report(&self) -> Option<&CaptureReport> {
        match &self.input {
            Input::Capture(reader) => Some(reader.report()),
            Input::Orders(_) | Input::Generator { .. } => None,
        }
    }

    /// What the reader of recorded orders met.
    pub(crate) fn orders_report(&self) -> Option<&OrderFeedReport> {
        match &self.input {
            Input::Orders(reader) => Some(reader.report()),
            Input::Capture(_) | Input::Generator { .. } => None,
        }
    }

    /// Publishes everything, until `stop` says so; `at_pace` is called before the paced part.
    pub(crate) fn publish(
        &mut self,
        lane: &mut LaneProducer,
        pace: Pace,
        stop: &dyn Fn() -> bool,
        at_pace: &mut dyn FnMut(),
    ) -> Result<FeedEnd> {
        let paced = match pace {
            Pace::FlatOut => 0,
            Pace::LastAt { count, .. } => count,
        };
        let mut batch = Vec::with_capacity(BATCH);
        while !stop() {
            let room = match &self.input {
                Input::Capture(_) | Input::Orders(_) => BATCH,
                Input::Generator { left, .. } => {
                    // The record that was read ahead counts as left.
                    let left = left + u64::from(self.next.is_some());
                    usize::try_from(left.saturating_sub(paced)).unwrap_or(BATCH).min(BATCH)
                }
            };
            if room == 0 {
                break;
            }
            let mut fault = None;
            while batch.len() < room {
                match self.take() {
                    Ok(Some(record)) => batch.push(record),
                    Ok(None) => break,
                    Err(found) => {
                        fault = Some(found);
                        break;
                    }
                }
            }
            if let (Pace::FlatOut, Some(first)) = (pace, batch.first_mut()) {
                // One of a batch is enough, and tells how long it waited in the lane.
                first.envelope.origin_ns = clock::monotonic_ns();
            }
            // What came before a fault is journaled all the same.
            lane.publish_all(&batch)?;
            if let Some(fault) = fault {
                return Err(fault);
            }
            if batch.is_empty() {
                return Ok(FeedEnd::Complete);
            }
            batch.clear();
        }
        match pace {
            Pace::LastAt { per_second, .. } if !stop() => {
                at_pace();
                self.publish_paced(lane, per_second, stop)
            }
            Pace::LastAt { .. } | Pace::FlatOut if stop() => Ok(FeedEnd::Stopped),
            Pace::LastAt { .. } | Pace::FlatOut => Ok(FeedEnd::Complete),
        }
    }

    /// Publishes each record at its intended time. A late one keeps its intended time, so that waiting counts.
    fn publish_paced(
        &mut self,
        lane: &mut LaneProducer,
        per_second: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<FeedEnd> {
        let interval = 1_000_000_000 / per_second;
        let mut intended = clock::monotonic_ns() + interval;
        while let Some(mut record) = self.take()? {
            if stop() {
                return Ok(FeedEnd::Stopped);
            }
            wait_until(intended);
            record.envelope.origin_ns = intended;
            lane.publish_all(std::slice::from_ref(&record))?;
            intended += interval;
        }
        Ok(FeedEnd::Complete)
    }

    fn take(&mut self) -> Result<Option<Record>> {
        let Some(mut record) = self.next.take().transpose()? else {
            return Ok(None);
        };
        record.envelope.actor = self.actor;
        record.envelope.correlation = CorrelationId(record.envelope.source_sequence);
        self.next = self.read();
        Ok(Some(record))
    }

    fn read(&mut self) -> Option<Result<Record>> {
        match &mut self.input {
            Input::Capture(reader) => reader.next().map(|record| Ok(record?)),
            Input::Orders(reader) => reader.next().map(|record| Ok(record?)),
            Input::Generator { left: 0, .. } => None,
            Input::Generator { generator, left } => {
                *left -= 1;
                generator.next().map(Ok)
            }
        }
    }
}

/// Yields the processor while there is time to, then spins.
fn wait_until(intended: u64) {
    const SPIN_NS: u64 = 100_000;
    loop {
        let now = clock::monotonic_ns();
        if now >= intended {
            return;
        }
        if intended - now > SPIN_NS {
            std::thread::sleep(Duration::from_nanos(intended - now - SPIN_NS));
        } else {
            std::thread::yield_now();
        }
    }
}

/// The best prices that the feed itself carries or has beside it, for whoever compares the book with them.
pub(crate) fn reference(config: &Config, names: &Names) -> Result<Option<Check>> {
    match &config.feed {
        FeedSettings::BinanceCapture { instrument, .. } => Ok(names
            .instruments
            .get(instrument)
            .map(|instrument| Check::Quotes(instrument.instrument, Box::new(BookCheck::new())))),
        FeedSettings::OrderByOrder { instrument, book_path, check_path, .. } => {
            let fed = names.instruments.get(instrument);
            let Some((fed, rows)) = fed.zip(check_path.as_ref().or(book_path.as_ref())) else {
                return Ok(None);
            };
            let check = RowCheck::open(rows, fed.price_scale, fed.quantity_scale)?;
            Ok(Some(Check::Rows(fed.instrument, Box::new(check))))
        }
        FeedSettings::None | FeedSettings::Generator { .. } => Ok(None),
    }
}
