//! What a full lane means, and what can be seen of it.

use crate::rig::{FEED, GATE, Scripted, config, eventually, join, start, trade, trades, within};
use std::thread;
use tickwerk_domain::{SourceId, TimeNs};
use tickwerk_engine::pipeline::{Lane, LaneFull, Pipeline, PipelineConfig, StartError};

#[test]
fn a_full_order_lane_refuses_and_counts() {
    let (decider, gate) = Scripted::with_gate();
    let mut rig = start(&config(), decider);
    rig.lanes.market.try_publish(&trade(FEED, GATE, TimeNs(1))).unwrap();
    gate.wait_until_reached();

    let orders = trades(SourceId(20), 20);
    for order in &orders[..16] {
        rig.lanes.orders.try_publish(order).unwrap();
    }
    let full = LaneFull { lane: Lane::Orders, capacity: 16 };
    assert_eq!(rig.lanes.orders.try_publish(&orders[16]), Err(full));
    assert_eq!(rig.lanes.orders.try_publish_batch(&orders[16..]), Err(full));
    let gauge = rig.stats.lane(Lane::Orders);
    assert_eq!((gauge.depth(), gauge.capacity(), gauge.refused(), rig.stats.refusals()), (16, 16, 5, 5));
    assert_eq!(rig.stats.lane(Lane::Reports).refused(), 0);

    gate.open();
    eventually("the lane has room again", || rig.lanes.orders.try_publish_batch(&orders[16..]).is_ok());
    drop(rig.lanes);
    assert_eq!(join(rig.threads).counts.external, 1 + 20);
    assert_eq!(rig.stats.lane(Lane::Orders).depth_max(), 16);
}

#[test]
fn a_full_market_lane_lets_its_source_wait() {
    let (decider, gate) = Scripted::with_gate();
    let mut rig = start(&config(), decider);
    rig.lanes.control.try_publish(&trade(FEED, GATE, TimeNs(1))).unwrap();
    gate.wait_until_reached();

    let mut market = rig.lanes.market;
    let source = thread::spawn(move || market.publish_all(&trades(SourceId(20), 50)));
    eventually("the lane is full", || rig.stats.lane(Lane::Market).depth() == 16);
    assert!(!source.is_finished(), "the source waits");
    assert_eq!(rig.stats.commands(), 0, "nothing was consumed while the core was held");

    gate.open();
    drop((rig.lanes.control, rig.lanes.reports, rig.lanes.orders));
    assert_eq!(within(|| source.join()).unwrap(), Ok(()));
    assert_eq!(join(rig.threads).counts.external, 1 + 50);
    assert_eq!(rig.stats.commands(), 1 + 50);
    assert_eq!(rig.stats.refusals(), 0, "waiting is not refusing");
    assert!(rig.stats.lane(Lane::Market).waits() > 0, "and is counted");
    assert_eq!(rig.stats.lane(Lane::Control).waits(), 0);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_a_remedy() {
    let refusal = |change: fn(&mut PipelineConfig)| {
        let mut config = config();
        change(&mut config);
        let started = Pipeline::start(&config, Scripted::new(), crate::rig::Recorder::default());
        started.map(|_| ()).unwrap_err()
    };
    let odd = refusal(|config| config.lane_capacities[3] = 1_000);
    assert!(
        matches!(odd, StartError::NotPowerOfTwo { ring: "market", value: 1_000, suggestion: 1_024 }),
        "{odd}"
    );
    let small = refusal(|config| config.outcome_capacity = 128);
    assert!(matches!(small, StartError::RingTooSmall { ring: "outcome", value: 128, min: 256 }), "{small}");
    let empty = refusal(|config| config.batch_max = 0);
    assert!(matches!(empty, StartError::EmptyBatch), "{empty}");
    let reserve = refusal(|config| config.egress.reserve = config.egress.capacity);
    assert!(matches!(reserve, StartError::ReserveTooLarge { capacity: 8, reserve: 8 }), "{reserve}");
    let source = refusal(|config| config.egress.sources.push(SourceId(64)));
    assert!(source.to_string().contains("source 64"), "{source}");
}
