//! What the way to the venue and back takes: a constant, on top of it what the instrument's model says, and a random part.
//!
//! Models, with hftbacktest's documentation ("Order Latency") as their source:
//! - `constant`: nothing on top.
//! - `feed`: a multiple of what the last market update took from the venue's clock to its stamp here (`FeedLatency`).
//!   Nothing before the first update with both times, or where the clocks disagree.
//! - `recorded`: what orders were measured to take; between two measurements it lies on the straight line, outside it is
//!   the nearer one's (`IntpOrderLatency`). Orders are looked up by when they are sent, reports by when the order was at
//!   the venue.
//!
//! Invariant: the measurements of an instrument stand side by side, in the order of sending and of arrival.

use crate::SimulatedVenue;
use crate::latency::{Measured, between, of_feed, of_order, with_jitter};
use tickwerk_domain::command::{LatencyRecorded, VenueLatencySet};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, ensure};
use tickwerk_domain::{Digest, DurationNs, InstrumentId, LatencyModel, Rate, TimeNs};

/// Measured latencies, of all instruments together: more than one a second for a day.
pub const LATENCIES_MAX: usize = tickwerk_domain::image::capacity(131_072, 64);

/// An instrument's model.
#[derive(Debug)]
pub(crate) struct Ways {
    model: LatencyModel,
    order_factor: Rate,
    report_factor: Rate,
    /// What the last market update took.
    of_feed: DurationNs,
    row: u64,
}

impl Ways {
    pub(crate) fn new() -> Self {
        let none = Rate(0);
        let model = LatencyModel::Constant;
        Self { model, order_factor: none, report_factor: none, of_feed: DurationNs(0), row: 0 }
    }

    fn rehash(&mut self, instrument: InstrumentId, digest: &mut Digest) {
        let row = self.hash(instrument);
        digest.update(&mut self.row, row);
    }

    fn hash(&self, instrument: InstrumentId) -> u64 {
        let factors = [self.order_factor, self.report_factor].map(|factor| factor.0.cast_unsigned());
        match self.model {
            LatencyModel::Constant => 0,
            LatencyModel::Feed | LatencyModel::Recorded => row_hash(
                TAG_MODEL,
                &[u64::from(instrument.0), self.model as u64, factors[0], factors[1], self.of_feed.0],
            ),
        }
    }

    /// What it counts in the digest, where it is what its hash says.
    pub(crate) fn checked_row(&self, instrument: InstrumentId) -> Option<u64> {
        (self.row == self.hash(instrument)).then_some(self.row)
    }
}

tickwerk_domain::persist! { Ways { model, order_factor, report_factor, of_feed, row } }

/// Which part of the way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leg {
    /// From the core to the venue.
    Order,
    /// From the venue to the core.
    Report,
}

/// All measurements.
#[derive(Debug)]
pub(crate) struct Recorded(Vec<LatencyRecorded>);

impl Recorded {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(LATENCIES_MAX))
    }

    pub(crate) fn save(&self, to: &mut ImageWriter) {
        to.list(self.0.iter());
    }

    /// Reads them, where they stand in their order.
    pub(crate) fn load(from: &mut ImageReader<'_>) -> Result<Self, Fault> {
        let points: Vec<LatencyRecorded> = from.list(LATENCIES_MAX)?;
        for pair in points.windows(2) {
            let [known, next] = pair else { unreachable!("windows of two") };
            let is_in_order = known.instrument < next.instrument
                || (known.instrument == next.instrument
                    && known.sent_at < next.sent_at
                    && known.arrived_at <= next.arrived_at);
            ensure(is_in_order, Fault::Twice { what: "latency of", found: next.sent_at.0 })?;
        }
        let goes_on = |point: &LatencyRecorded| {
            point.sent_at <= point.arrived_at && point.arrived_at <= point.reported_at
        };
        ensure(points.iter().all(goes_on), Fault::Broken("a way ended before it began"))?;
        Ok(Self(points))
    }

    /// Adds what they count in the digest.
    pub(crate) fn sum(&self, digest: &mut Digest) {
        self.0.iter().for_each(|point| digest.replace(0, hash(point)));
    }

    /// Where an instrument's stand.
    fn range(&self, instrument: InstrumentId) -> std::ops::Range<usize> {
        let start = self.0.partition_point(|known| known.instrument < instrument);
        start..self.0.partition_point(|known| known.instrument <= instrument)
    }

    /// What the leg took that began at `at`; nothing where nothing was measured.
    fn lookup(&self, instrument: InstrumentId, leg: Leg, at: TimeNs) -> DurationNs {
        let known = &self.0[self.range(instrument)];
        let measured = |point: &LatencyRecorded| {
            let (from, to) = match leg {
                Leg::Order => (point.sent_at, point.arrived_at),
                Leg::Report => (point.arrived_at, point.reported_at),
            };
            Measured { at: from, latency: to.since(from) }
        };
        let later = known.partition_point(|point| measured(point).at <= at);
        let earlier = later.checked_sub(1).and_then(|place| known.get(place)).map(measured);
        match (earlier, known.get(later).map(measured)) {
            (Some(earlier), Some(later)) => between(earlier, later, at),
            (Some(only), None) | (None, Some(only)) => only.latency,
            (None, None) => DurationNs(0),
        }
    }
}

impl SimulatedVenue {
    /// Sets what the way takes beside its constants, and forgets what was recorded for the instrument.
    pub fn configure_latency(&mut self, setting: &VenueLatencySet) {
        let instrument = setting.instrument;
        for point in self.recorded.0.drain(self.recorded.range(instrument)) {
            self.digest.replace(hash(&point), 0);
        }
        let ways = &mut self.markets[instrument.0 as usize].ways;
        (ways.model, ways.order_factor, ways.report_factor) =
            (setting.model, setting.order_factor, setting.report_factor);
        ways.of_feed = DurationNs(0);
        ways.rehash(instrument, &mut self.digest);
    }

    /// Takes a measured latency. The caller has seen to it that it stands behind all others of its instrument, and that
    /// there are no more than [`LATENCIES_MAX`].
    pub fn record_latency(&mut self, recorded: &LatencyRecorded) {
        assert!(self.recorded.0.len() < LATENCIES_MAX, "the caller counts what was recorded");
        self.digest.replace(0, hash(recorded));
        let end = self.recorded.range(recorded.instrument).end;
        self.recorded.0.insert(end, *recorded);
    }

    /// A market update that was sent at `sent` is here.
    #[inline]
    pub fn hear(&mut self, at: TimeNs, sent: TimeNs, instrument: InstrumentId) {
        let ways = &mut self.markets[instrument.0 as usize].ways;
        if ways.model == LatencyModel::Feed
            && let Some(taken) = of_feed(sent, at)
            && taken != ways.of_feed
        {
            ways.of_feed = taken;
            ways.rehash(instrument, &mut self.digest);
        }
    }

    /// When a leg that begins at `at` is over.
    pub(crate) fn end_of(&mut self, leg: Leg, at: TimeNs, instrument: InstrumentId) -> TimeNs {
        let market = &self.markets[instrument.0 as usize];
        let (constant, factor) = match leg {
            Leg::Order => (market.setting.latency, market.ways.order_factor),
            Leg::Report => (market.setting.report_latency, market.ways.report_factor),
        };
        let latency = match market.ways.model {
            LatencyModel::Constant => constant,
            LatencyModel::Feed => of_order(market.ways.of_feed, factor, constant),
            LatencyModel::Recorded => {
                DurationNs(self.recorded.lookup(instrument, leg, at).0.saturating_add(constant.0))
            }
        };
        let market = self.market_mut(instrument);
        let jitter = market.setting.jitter;
        let due = at.saturating_add(with_jitter(latency, jitter, &mut market.random));
        if jitter.0 > 0 {
            self.rehash(instrument);
        }
        due
    }
}

fn hash(point: &LatencyRecorded) -> u64 {
    let words = [u64::from(point.instrument.0), point.sent_at.0, point.arrived_at.0, point.reported_at.0];
    row_hash(TAG_POINT, &words)
}

const TAG_MODEL: u64 = 0x0159;
const TAG_POINT: u64 = 0x015A;
