//! How the simulated venue treats an instrument: what is set is the venue's business, what cannot be set is told here.
//!
//! Invariant: what was recorded for an instrument stands in the order of sending and of arrival, and is as much as the
//! venue took; all together is at most [`LATENCIES_MAX`].

use super::Machine;
use crate::event_buffer::EventBuffer;
use crate::limits::INSTRUMENTS_MAX;
use tickwerk_domain::command::{LatencyRecorded, PriceBandSet, SimulatedVenueSet, VenueLatencySet};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::image::{Fault, ImageReader, ImageWriter, RowSum, ensure};
use tickwerk_domain::{Command, Digest, InstrumentId, LatencyModel, Rate, Reject, TimeNs};
use tickwerk_venue::LATENCIES_MAX;

/// The largest multiple of the feed's latency.
const FACTOR_MAX: Rate = Rate(1_000 * Rate::ONE.0);

/// The last measurement of an instrument, and how many there are.
#[derive(Clone, Copy, Default, Debug)]
struct Recorded {
    sent_at: TimeNs,
    arrived_at: TimeNs,
    count: usize,
    row: u64,
}

impl Recorded {
    fn hash(&self, instrument: InstrumentId) -> u64 {
        row_hash(TAG, &[u64::from(instrument.0), self.sent_at.0, self.arrived_at.0, self.count as u64])
    }
}

tickwerk_domain::persist! {
    Recorded { sent_at, arrived_at, count, row }
}

/// What was recorded of latencies, as far as the next measurement must fit to it.
#[derive(Debug)]
pub(super) struct RecordedLatencies {
    instruments: Box<[Recorded]>,
    count: usize,
}

impl RecordedLatencies {
    pub(super) fn new() -> Self {
        Self { instruments: vec![Recorded::default(); INSTRUMENTS_MAX].into(), count: 0 }
    }

    fn forget(&mut self, instrument: InstrumentId, digest: &mut Digest) {
        let known = &mut self.instruments[instrument.0 as usize];
        self.count -= known.count;
        digest.update(&mut known.row, 0);
        *known = Recorded::default();
    }

    /// Why a measurement cannot be taken, with the value that is wrong.
    fn fault(&self, new: &LatencyRecorded) -> Option<(Reject, u64)> {
        let last = &self.instruments[new.instrument.0 as usize];
        let is_first = last.count == 0;
        if !is_first && new.sent_at <= last.sent_at {
            Some((Reject::ValueOutOfRange, new.sent_at.0))
        } else if new.arrived_at < new.sent_at || (!is_first && new.arrived_at < last.arrived_at) {
            Some((Reject::ValueOutOfRange, new.arrived_at.0))
        } else if new.reported_at < new.arrived_at {
            Some((Reject::ValueOutOfRange, new.reported_at.0))
        } else if self.count >= LATENCIES_MAX {
            Some((Reject::StoreFull, self.count as u64))
        } else {
            None
        }
    }

    fn take(&mut self, new: &LatencyRecorded, digest: &mut Digest) {
        let known = &mut self.instruments[new.instrument.0 as usize];
        let count = known.count + 1;
        (known.sent_at, known.arrived_at, known.count) = (new.sent_at, new.arrived_at, count);
        let row = known.hash(new.instrument);
        digest.update(&mut known.row, row);
        self.count += 1;
    }

    pub(super) fn save(&self, to: &mut ImageWriter) {
        let Self { instruments, count: _ } = self;
        to.table(instruments, &Recorded::default());
    }

    pub(super) fn load(from: &mut ImageReader<'_>, sum: &mut RowSum) -> Result<Self, Fault> {
        let mut loaded = Self::new();
        loaded.instruments = from.table(loaded.instruments)?;
        for (number, recorded) in (0..).zip(&loaded.instruments) {
            if recorded.count > 0 {
                let is_right = recorded.row == recorded.hash(InstrumentId(number));
                ensure(is_right, Fault::Hash { what: "latencies of instrument", found: number.into() })?;
                sum.add(recorded.row);
            }
            loaded.count = loaded.count.saturating_add(recorded.count);
        }
        let is_right = loaded.count <= LATENCIES_MAX;
        ensure(is_right, Fault::TooMany { found: loaded.count as u64, max: LATENCIES_MAX as u64 })?;
        Ok(loaded)
    }
}

impl Machine {
    pub(super) fn set_venue(&mut self, setting: &SimulatedVenueSet, out: &mut EventBuffer) -> u64 {
        self.of_known_instrument(setting.instrument, (*setting).into(), out, |_| None)
    }

    pub(super) fn set_venue_latency(&mut self, setting: &VenueLatencySet, out: &mut EventBuffer) -> u64 {
        self.of_known_instrument(setting.instrument, (*setting).into(), out, |machine| {
            let wrong = match setting.model {
                LatencyModel::Feed => [setting.order_factor, setting.report_factor]
                    .into_iter()
                    .find(|factor| !(Rate(0)..=FACTOR_MAX).contains(factor)),
                LatencyModel::Constant | LatencyModel::Recorded => None,
            };
            if wrong.is_none() {
                machine.latencies.forget(setting.instrument, &mut machine.digest);
            }
            wrong.map(|factor| (Reject::ValueOutOfRange, factor.0))
        })
    }

    pub(super) fn record_latency(&mut self, recorded: &LatencyRecorded, out: &mut EventBuffer) -> u64 {
        self.of_known_instrument(recorded.instrument, (*recorded).into(), out, |machine| {
            let fault = machine.latencies.fault(recorded);
            if fault.is_none() {
                machine.latencies.take(recorded, &mut machine.digest);
            }
            fault.map(|(reason, value)| (reason, value.cast_signed()))
        })
    }

    pub(super) fn set_price_band(&mut self, band: &PriceBandSet, out: &mut EventBuffer) -> u64 {
        self.of_known_instrument(band.instrument, (*band).into(), out, |_| {
            if band.low > band.high {
                Some((Reject::ValueOutOfRange, band.low.0))
            } else if !(Rate(0)..=Rate::ONE).contains(&band.dynamic) {
                Some((Reject::ValueOutOfRange, band.dynamic.0))
            } else {
                None
            }
        })
    }

    /// Takes a setting of an instrument, or refuses it with what `fault` finds.
    fn of_known_instrument(
        &mut self,
        instrument: InstrumentId,
        command: Command,
        out: &mut EventBuffer,
        fault: impl FnOnce(&mut Self) -> Option<(Reject, i64)>,
    ) -> u64 {
        if self.instrument(instrument).is_none() {
            self.refuse(&command, Reject::UnknownInstrument, i64::from(instrument.0), out);
            return 0;
        }
        if let Some((reason, value)) = fault(self) {
            self.refuse(&command, reason, value, out);
        }
        self.next_instrument_version(instrument)
    }
}

const TAG: u64 = 0x080A;
