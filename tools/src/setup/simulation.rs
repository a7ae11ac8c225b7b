//! How the simulated venue treats each instrument, as commands.

use super::latency_file::read_latencies;
use super::{Applied, Key, Planner};
use crate::config::SimulationSettings;
use crate::exit::BadConfig;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use tickwerk_domain::command::{LatencyRecorded, PriceBandSet, SimulatedVenueSet, VenueLatencySet};
use tickwerk_domain::digest::row_hash;
use tickwerk_domain::{Command, InstrumentId, LatencyModel, Price, Rate};

impl Planner<'_> {
    pub(super) fn simulation(
        &mut self,
        instrument: InstrumentId,
        settings: &SimulationSettings,
    ) -> Result<()> {
        self.want(SimulatedVenueSet { instrument, ..settings.venue });
        let points = match &settings.latency_file {
            Some(path) => read_latencies(path, instrument).context(BadConfig)?,
            None => Vec::new(),
        };
        let latency = VenueLatencySet { instrument, table: number_of(&points), ..settings.latency };
        self.want_unless_default(latency, settings.latency.model == LatencyModel::Constant);
        for point in points {
            self.want(point);
        }
        let is_no_band = (settings.band.low, settings.band.high) == (Price(0), Price(0))
            && settings.band.dynamic == Rate(0);
        self.want_unless_default(PriceBandSet { instrument, ..settings.band }, is_no_band);
        Ok(())
    }
}

/// A number for a table of latencies, so that another table is another setting; 0 for none.
fn number_of(points: &[LatencyRecorded]) -> u64 {
    points
        .iter()
        .fold(0, |hash, point| row_hash(hash, &[point.sent_at.0, point.arrived_at.0, point.reported_at.0]))
}

/// The recorded latencies that are forgotten with a new setting, so that they must be told again.
pub(super) fn forgotten(wanted: &[(Key, Command)], applied: &Applied) -> BTreeSet<Key> {
    let mut changed = BTreeSet::new();
    let mut forgotten = BTreeSet::new();
    for (key, command) in wanted {
        if let Key::Latency(instrument) = key
            && !applied.holds(*key, command)
        {
            changed.insert(*instrument);
        } else if let Key::LatencyPoint(instrument, _) = key
            && changed.contains(instrument)
        {
            forgotten.insert(*key);
        }
    }
    forgotten
}
