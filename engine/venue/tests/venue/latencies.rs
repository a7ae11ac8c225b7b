//! How long the way takes: constants, the feed's latency, recorded ones.

use super::desk::*;
use tickwerk_domain::command::{LatencyRecorded, SimulatedVenueSet, VenueLatencySet};
use tickwerk_domain::{DurationNs, LatencyModel, Rate, Side, TimeNs};
use tickwerk_venue::{LATENCIES_MAX, SimulatedVenue};

fn model(model: LatencyModel) -> VenueLatencySet {
    let (order_factor, report_factor) = (Rate(2 * Rate::ONE.0), Rate(Rate::ONE.0 / 2));
    VenueLatencySet { order_factor, report_factor, table: 0, instrument: INSTRUMENT, model }
}

fn recorded(sent_at: u64, arrived_at: u64, reported_at: u64) -> LatencyRecorded {
    let [sent_at, arrived_at, reported_at] = [sent_at, arrived_at, reported_at].map(TimeNs);
    LatencyRecorded { sent_at, arrived_at, reported_at, instrument: INSTRUMENT }
}

/// A venue without constants.
fn venue_of(latency_model: LatencyModel) -> SimulatedVenue {
    let mut venue = venue_with(SimulatedVenueSet { latency: DurationNs(0), ..plain() });
    venue.configure_latency(&model(latency_model));
    venue
}

/// When an order that is sent at `at` arrives, and when that is told.
fn way(venue: &mut SimulatedVenue, id: u64, at: u64) -> [u64; 2] {
    *venue = restored(venue);
    venue.submit(TimeNs(at), &limit(id, Side::Buy, 9_000, 10));
    let arrives = venue.next_due().expect("an order is on its way").0;
    let (told, _, _) = std::iter::from_fn(|| venue.next_report(TimeNs::MAX)).last().expect("it is told");
    [arrives - at, told.0 - arrives]
}

#[test]
fn a_multiple_of_the_feeds_latency_is_added_to_the_constants() {
    let mut venue = venue_of(LatencyModel::Feed);
    assert_eq!(way(&mut venue, 1, 1_000), [0, 0], "nothing was heard yet");
    venue.hear(TimeNs(2_000), TimeNs(1_960), INSTRUMENT);
    assert_eq!(way(&mut venue, 2, 2_000), [80, 20]);
    venue.hear(TimeNs(2_100), TimeNs::UNKNOWN, INSTRUMENT);
    venue.hear(TimeNs(2_100), TimeNs(2_101), INSTRUMENT);
    assert_eq!(way(&mut venue, 3, 3_000), [80, 20], "an update of unknown latency changes nothing");
    let setting = SimulatedVenueSet { latency: DurationNs(7), report_latency: DurationNs(3), ..plain() };
    venue.configure(&setting);
    venue.hear(TimeNs(4_000), TimeNs(3_990), INSTRUMENT);
    assert_eq!(way(&mut venue, 4, 4_000), [27, 8]);
    venue.configure_latency(&model(LatencyModel::Constant));
    assert_eq!(way(&mut venue, 5, 5_000), [7, 3]);
}

#[test]
fn between_two_recorded_latencies_the_way_lies_on_the_line() {
    let mut venue = venue_of(LatencyModel::Recorded);
    assert_eq!(way(&mut venue, 1, 1_000), [0, 0], "nothing is recorded");
    for point in [recorded(10_000, 10_100, 10_120), recorded(20_000, 20_300, 20_320)] {
        venue.record_latency(&point);
    }
    assert_eq!(way(&mut venue, 2, 2_000), [100, 20], "before the first");
    assert_eq!(way(&mut venue, 3, 10_000), [100, 20]);
    assert_eq!(way(&mut venue, 4, 15_000), [200, 20]);
    assert_eq!(way(&mut venue, 5, 90_000), [300, 20], "behind the last");
    venue.configure_latency(&model(LatencyModel::Recorded));
    assert_eq!(way(&mut venue, 6, 91_000), [0, 0], "a new setting forgets them");
}

#[test]
fn reports_are_looked_up_by_when_the_order_was_at_the_venue() {
    let mut venue = venue_of(LatencyModel::Recorded);
    for point in [recorded(1_000, 2_000, 2_100), recorded(2_000, 3_000, 3_300)] {
        venue.record_latency(&point);
    }
    // It arrives at 2,500, in the middle between both arrivals.
    assert_eq!(way(&mut venue, 1, 1_500), [1_000, 200]);
}

#[test]
fn what_is_known_of_latencies_is_in_the_digest() {
    let digest = |venue: &SimulatedVenue| venue.digest();
    let plain = venue_with(SimulatedVenueSet { latency: DurationNs(0), ..plain() });
    assert_eq!(digest(&plain), digest(&venue_of(LatencyModel::Constant)), "the model of who says nothing");
    let mut feed = venue_of(LatencyModel::Feed);
    let before = digest(&feed);
    assert_ne!(before, digest(&plain));
    feed.hear(TimeNs(20), TimeNs(10), INSTRUMENT);
    assert_ne!(digest(&feed), before);
    let mut table = venue_of(LatencyModel::Recorded);
    let before = digest(&table);
    table.record_latency(&recorded(1, 2, 3));
    assert_ne!(digest(&table), before);
    table.configure_latency(&model(LatencyModel::Recorded));
    assert_eq!(digest(&table), before);
}

#[test]
fn a_whole_table_is_looked_through() {
    let mut venue = venue_of(LatencyModel::Recorded);
    for point in 1..=LATENCIES_MAX as u64 {
        venue.record_latency(&recorded(1_000 * point, 1_000 * point + point, 1_000 * point + 2 * point));
    }
    assert_eq!(way(&mut venue, 1, 70_000_500), [70_000, 70_000]);
}
