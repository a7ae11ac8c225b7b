//! The order of the journal is the order in which the core thread took its turns.

use crate::rig::{FEED, GATE, Scripted, commands, config, frames, join, start, trade, trades};
use tickwerk_domain::{Record, SourceId, TimeNs};
use tickwerk_engine::pipeline::Wait;

const CONTROL: SourceId = SourceId(20);
const REPORTS: SourceId = SourceId(21);
const ORDERS: SourceId = SourceId(22);
const MARKET: SourceId = SourceId(23);

#[test]
fn lanes_take_turns_in_their_fixed_order_and_each_turn_is_bounded() {
    let (decider, gate) = Scripted::with_gate();
    let mut rig = start(&config(), decider);
    // The gate stands in the last lane, so that the next turn is the first lane's.
    rig.lanes.market.try_publish(&trade(FEED, GATE, TimeNs(1))).unwrap();
    gate.wait_until_reached();
    // Small numbers cause no reports and no continuations.
    let nine = |source| [1, 2, 3, 4, 6, 8, 9, 11, 12].map(|number| trade(source, number, TimeNs(1)));
    rig.lanes.market.try_publish_batch(&nine(MARKET)).unwrap();
    rig.lanes.orders.try_publish_batch(&nine(ORDERS)).unwrap();
    rig.lanes.reports.try_publish_batch(&nine(REPORTS)).unwrap();
    rig.lanes.control.try_publish_batch(&nine(CONTROL)).unwrap();
    gate.open();
    drop(rig.lanes);

    let mut expected = vec![(FEED, GATE)];
    for turn in [&[1, 2, 3, 4, 6, 8, 9, 11][..], &[12]] {
        for source in [CONTROL, REPORTS, ORDERS, MARKET] {
            expected.extend(turn.iter().map(|number| (source, *number)));
        }
    }
    assert_eq!(commands(&join(rig.threads).sink), expected);
}

#[test]
fn a_repeated_source_sequence_is_dropped_and_counted() {
    let mut rig = start(&config(), Scripted::new());
    let stats = rig.stats;
    for number in [1, 2, 2, 1, 3, 3] {
        rig.lanes.orders.publish_all(&[trade(FEED, number, TimeNs(1))]).unwrap();
    }
    drop(rig.lanes);
    let finished = join(rig.threads);
    assert_eq!(commands(&finished.sink), [(FEED, 1), (FEED, 2), (FEED, 3)]);
    assert_eq!((finished.counts.external, finished.counts.repeats), (3, 3));
    assert_eq!(stats.repeats(), 3);
}

/// Publishes `input` in batches whose sizes follow from `seed`.
fn run(input: &[Record], wait: Wait, seed: u64) -> Vec<Record> {
    let mut config = config();
    config.core.wait = wait;
    config.journal.wait = wait;
    config.source_wait = wait;
    config.batch_max = usize::try_from(seed % 13 + 1).expect("a small number");
    let mut rig = start(&config, Scripted::new());
    let mut rest = input;
    let mut random = seed;
    while !rest.is_empty() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = usize::try_from(random >> 33).expect("31 bits") % 40 + 1;
        let (batch, later) = rest.split_at(size.min(rest.len()));
        rig.lanes.market.publish_all(batch).expect("the pipeline runs");
        rest = later;
    }
    rig.lanes.market.finish();
    drop((rig.lanes.control, rig.lanes.reports, rig.lanes.orders));
    join(rig.threads).sink
}

#[test]
fn the_same_data_give_the_same_frames_with_every_wait_and_any_batches() {
    let input = trades(FEED, 1_000);
    let expected = run(&input, Wait::Yield, 0);
    assert!(frames(&expected).len() > 1_400, "reports and continuations are among them");
    for wait in Wait::ALL {
        for seed in 1..4 {
            assert!(run(&input, wait, seed) == expected, "{wait}, seed {seed}");
        }
    }
}
