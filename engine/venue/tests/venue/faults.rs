//! What goes wrong on request, and how long things take.

use super::desk::*;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{Command, DurationNs, Rate, Side, TimeNs, VenueState};
use tickwerk_venue::SimulatedVenue;

fn quoted(setting: SimulatedVenueSet) -> SimulatedVenue {
    let mut venue = venue_with(setting);
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 50, 10_000, 3_000));
    venue
}

/// Sends `count` orders that take, and tells all reports.
fn run(setting: SimulatedVenueSet, count: u64) -> Vec<String> {
    let mut venue = quoted(setting);
    for id in 1..=count {
        venue.submit(TimeNs(10), &market(id, Side::Buy, 1));
    }
    told(&mut venue, u64::MAX)
}

fn count(told: &[String], word: &str) -> usize {
    told.iter().filter(|line| line.contains(word)).count()
}

#[test]
fn the_asked_fraction_of_orders_is_rejected() {
    let told = run(SimulatedVenueSet { reject_rate: Rate(25_000_000), seed: 9, ..plain() }, 2_000);
    let rejected = count(&told, "rejected simulated_fault");
    assert!((440..560).contains(&rejected), "{rejected}");
    assert_eq!((count(&told, "accepted"), count(&told, "taker")), (2_000 - rejected, 2_000 - rejected));
}

#[test]
fn the_asked_fraction_of_reports_is_lost_or_comes_twice() {
    let lossy = SimulatedVenueSet { loss_rate: Rate(10_000_000), seed: 9, ..plain() };
    let told = run(lossy, 1_000);
    assert!((1_740..1_860).contains(&(told.len() - count(&told, "silent"))), "{}", told.len());
    let twice = run(SimulatedVenueSet { duplicate_rate: Rate(10_000_000), seed: 9, ..plain() }, 1_000);
    assert!((2_140..2_260).contains(&twice.len()), "{}", twice.len());
    let all = run(SimulatedVenueSet { duplicate_rate: Rate::ONE, ..plain() }, 1);
    assert_eq!(all, ["1 accepted", "1 accepted", "1 taker 1@10000", "1 taker 1@10000"]);
}

#[test]
fn a_second_copy_names_the_same_execution() {
    let mut venue = quoted(SimulatedVenueSet { duplicate_rate: Rate::ONE, ..plain() });
    venue.submit(TimeNs(10), &market(1, Side::Buy, 1));
    let executions: Vec<u64> =
        std::iter::from_fn(|| venue.next_report(TimeNs::MAX))
            .filter_map(|(_, _, command)| {
                if let Command::FillReported(fill) = command { Some(fill.execution_id) } else { None }
            })
            .collect();
    assert_eq!(executions, [1, 1]);
}

#[test]
fn the_same_seed_brings_the_same_faults_and_another_seed_others() {
    let setting = |seed| SimulatedVenueSet {
        reject_rate: Rate(20_000_000),
        loss_rate: Rate(20_000_000),
        duplicate_rate: Rate(20_000_000),
        jitter: DurationNs(50),
        seed,
        ..plain()
    };
    assert_eq!(run(setting(3), 200), run(setting(3), 200));
    assert_ne!(run(setting(3), 200), run(setting(4), 200));
}

#[test]
fn what_nobody_was_told_of_yet_moves_time_only() {
    let mut venue = quoted(SimulatedVenueSet { report_latency: DurationNs(30), ..plain() });
    venue.submit(TimeNs(10), &market(1, Side::Buy, 1));
    assert_eq!(venue.next_due(), Some(TimeNs(110)));
    assert_eq!(reports(&mut venue, 120), ["110 silent"], "it arrives, and its reports are on their way");
    assert_eq!(reports(&mut venue, 200), ["140 1 accepted", "140 1 taker 1@10000"]);
    assert_eq!(venue.next_due(), None);
    let mut venue = quoted(SimulatedVenueSet { loss_rate: Rate::ONE, ..plain() });
    venue.submit(TimeNs(10), &market(1, Side::Buy, 1));
    assert_eq!(reports(&mut venue, 200), ["110 silent"]);
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn jitter_stays_in_its_bounds_and_never_turns_reports_of_an_order_around() {
    let setting =
        SimulatedVenueSet { report_latency: DurationNs(30), jitter: DurationNs(20), seed: 5, ..plain() };
    let mut venue = quoted(setting);
    for id in 1..=200 {
        venue.submit(TimeNs(10), &market(id, Side::Buy, 1));
        venue.cancel(TimeNs(10), &cancel(id));
    }
    let mut seen = vec![Vec::new(); 201];
    let mut times = Vec::new();
    while let Some((due, id, command)) = venue.next_report(TimeNs::MAX) {
        if !matches!(command, Command::TimeAdvanced(_)) {
            times.push(due.0);
            seen[usize::try_from(id.0).unwrap()].push(command.event_type());
        }
    }
    assert!(times.iter().all(|due| (140..=180).contains(due)) && times.contains(&140) | times.contains(&141));
    assert!(times.iter().any(|due| *due > 160), "both ways vary");
    assert!(times.is_sorted());
    for kinds in &seen[1..] {
        let place = |wanted| kinds.iter().position(|kind| *kind == wanted);
        assert!(place("order.reported") < place("fill.reported"), "{kinds:?}");
    }
}

#[test]
fn orders_and_reports_wait_while_the_way_is_lost_and_the_market_goes_on() {
    let mut venue = quoted(plain());
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_990, 10));
    reports(&mut venue, 150);
    venue.submit(TimeNs(160), &limit(2, Side::Buy, 9_980, 10));
    let ending = OrderSubmitted { expires_at: TimeNs(400), ..limit(3, Side::Buy, 9_970, 10) };
    venue.submit(TimeNs(20), &ending);
    reports(&mut venue, 170);
    venue.connection(TimeNs(200), VenueState::Disconnected);
    assert_eq!(venue.next_due(), Some(TimeNs(400)), "an order at the venue ends without us");
    venue.observe(TimeNs(210), INSTRUMENT, touch(9_950, 50, 9_985, 100));
    venue.cancel(TimeNs(220), &cancel(1));
    assert_eq!(reports(&mut venue, 500), ["400 silent"]);
    assert_eq!((reports(&mut venue, 900), venue.next_due()), (vec![], None));
    venue.connection(TimeNs(1_000), VenueState::Connected);
    assert_eq!(venue.next_due(), Some(TimeNs(1_000)));
    assert_eq!(
        reports(&mut venue, 1_000),
        [
            "1000 1 maker 10@9990",
            "1000 3 expired expired",
            "1000 2 accepted",
            "1000 1 cancel_rejected venue_unknown_order"
        ]
    );
}
