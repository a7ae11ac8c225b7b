//! The cascade: what a lane has taken reaches the sink, whatever the threads do meanwhile.

use crate::rig::{Scripted, config, eventually, frames, join, start, trades, within};
use std::thread;
use tickwerk_domain::{Envelope, SourceId};
use tickwerk_engine::pipeline::clock::monotonic_ns;
use tickwerk_engine::pipeline::{Lane, LaneProducer, Wait};

const COUNT: u64 = 2_000;

fn publish(mut lane: LaneProducer, source: SourceId) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for batch in trades(source, COUNT).chunks(11) {
            lane.publish_all(batch).expect("the pipeline runs");
        }
    })
}

#[test]
fn nothing_is_lost_with_any_wait_strategy() {
    for wait in Wait::ALL {
        let mut config = config();
        config.core.wait = wait;
        config.journal.wait = wait;
        config.source_wait = wait;
        let rig = start(&config, Scripted::new());
        let sources = [
            publish(rig.lanes.control, SourceId(20)),
            publish(rig.lanes.reports, SourceId(21)),
            publish(rig.lanes.orders, SourceId(22)),
            publish(rig.lanes.market, SourceId(23)),
        ];
        within(move || sources.map(|source| source.join().expect("the source ends well")));
        let finished = join(rig.threads);

        let frames = frames(&finished.sink);
        for source in 20..24 {
            let numbers = frames.iter().map(|frame| frame[0].envelope).filter(|it| it.source.0 == source);
            assert!(
                numbers.map(|it| it.source_sequence).eq(1..=COUNT),
                "{wait}: source {source} is complete"
            );
        }
        assert_eq!(finished.counts.external, 4 * COUNT, "{wait}");
        assert_eq!(finished.counts.internal + 4 * COUNT, frames.len() as u64, "{wait}");
        assert_eq!(rig.stats.decided_through(), rig.stats.written_through(), "{wait}");
        assert_eq!(rig.stats.written_through().0, finished.sink.len() as u64, "{wait}");
        assert_eq!(finished.counts.events + frames.len() as u64, finished.sink.len() as u64, "{wait}");
        assert!(Lane::ALL.iter().all(|lane| rig.stats.lane(*lane).depth() == 0), "{wait}");
    }
}

#[test]
fn latency_is_measured_for_the_commands_that_ask_for_it() {
    let mut rig = start(&config(), Scripted::new());
    let mut commands = trades(SourceId(20), 100);
    for command in &mut commands[50..] {
        command.envelope = Envelope { origin_ns: monotonic_ns(), ..command.envelope };
    }
    rig.lanes.market.publish_all(&commands).unwrap();
    drop(rig.lanes);
    let finished = join(rig.threads);
    assert_eq!((finished.decided.len(), finished.journaled.len()), (50, 50));
    assert!(finished.decided.min() > 0 && finished.journaled.max() >= finished.decided.min());
}

#[test]
fn a_pipeline_that_got_nothing_ends_too() {
    let rig = start(&config(), Scripted::new());
    eventually("the threads run", || rig.threads.failure().is_none());
    drop(rig.lanes);
    assert!(join(rig.threads).sink.is_empty());
}
