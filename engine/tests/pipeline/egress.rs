//! Replies: whole frames, in order, when their watermark is reached; and the gate that bounds them.

use crate::rig::{FEED, Scripted, config, eventually, join, start, trade};
use tickwerk_domain::{Sequence, SourceId, TimeNs};
use tickwerk_engine::pipeline::{AdmitKind, EngineBusy, Reply};

const CONTROL: SourceId = SourceId::CONTROL;

#[test]
fn whole_frames_come_out_in_order_and_only_at_their_watermark() {
    let mut rig = start(&config(), Scripted::new());
    // One, two and three events; the feed's frame in between concerns nobody.
    for (source, number) in [(CONTROL, 1), (FEED, 2), (CONTROL, 2), (CONTROL, 3)] {
        if source == CONTROL {
            rig.admission.try_admit(AdmitKind::Other).unwrap();
        }
        rig.lanes.control.publish_all(&[trade(source, number, TimeNs(1))]).unwrap();
    }
    eventually("all is written", || rig.stats.written_through() == Sequence(12));

    let mut taken = Vec::new();
    for released_through in 0..=12 {
        while let Some(reply) = rig.egress.next(Sequence(released_through)) {
            let Reply::Frame(frame) = reply else { panic!("nothing was repeated: {reply:?}") };
            assert_eq!(frame.last_sequence(), Sequence(released_through), "not before its watermark");
            taken.push((frame.command().envelope.source_sequence, frame.events().len()));
        }
    }
    assert_eq!(taken, [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(rig.stats.egress_in_flight(), 0);
    drop(rig.lanes);
    join(rig.threads);
}

#[test]
fn replies_can_be_taken_after_the_end() {
    let mut rig = start(&config(), Scripted::new());
    rig.admission.try_admit(AdmitKind::NewOrder).unwrap();
    rig.lanes.orders.publish_all(&[trade(CONTROL, 1, TimeNs(1))]).unwrap();
    drop(rig.lanes);
    join(rig.threads);
    let written = rig.stats.written_through();
    assert!(matches!(rig.egress.next(written), Some(Reply::Frame(_))));
    assert_eq!(rig.egress.next(written), None);
}

#[test]
fn a_full_store_refuses_new_orders_while_cancels_still_pass() {
    let mut rig = start(&config(), Scripted::new());
    let mut number = 0;
    let mut send = |lanes: &mut tickwerk_engine::pipeline::Lanes| {
        number += 1;
        lanes.orders.publish_all(&[trade(CONTROL, number, TimeNs(1))]).unwrap();
    };
    for _ in 0..6 {
        rig.admission.try_admit(AdmitKind::NewOrder).unwrap();
        send(&mut rig.lanes);
    }
    let busy = Err(EngineBusy { in_flight: 6, limit: 6 });
    assert_eq!(rig.admission.try_admit(AdmitKind::NewOrder), busy);
    assert_eq!(rig.admission.try_admit(AdmitKind::Other), busy);
    for _ in 0..2 {
        rig.admission.try_admit(AdmitKind::Cancel).unwrap();
        send(&mut rig.lanes);
    }
    assert_eq!(rig.admission.try_admit(AdmitKind::Cancel), Err(EngineBusy { in_flight: 8, limit: 8 }));
    assert_eq!((rig.stats.egress_in_flight(), rig.stats.egress_refused(), rig.stats.refusals()), (8, 3, 3));

    // Market data flow all the same, and taken replies make room.
    rig.lanes.market.publish_all(&[trade(FEED, 1, TimeNs(1))]).unwrap();
    for _ in 0..3 {
        let mut reply = None;
        eventually("a reply comes", || {
            reply = reply.take().or_else(|| rig.egress.next(rig.stats.written_through()));
            reply.is_some()
        });
    }
    rig.admission.try_admit(AdmitKind::NewOrder).unwrap();
    rig.admission.withdraw();
    drop(rig.lanes);
    join(rig.threads);
    assert_eq!(std::iter::from_fn(|| rig.egress.next(Sequence(u64::MAX))).count(), 5);
    assert_eq!(rig.stats.egress_in_flight(), 0);
}

#[test]
fn a_repeated_request_is_told_so_and_gives_its_place_back() {
    let mut rig = start(&config(), Scripted::new());
    for number in [4, 4] {
        rig.admission.try_admit(AdmitKind::Other).unwrap();
        rig.lanes.control.publish_all(&[trade(CONTROL, number, TimeNs(1))]).unwrap();
    }
    drop(rig.lanes);
    join(rig.threads);
    let replies: Vec<_> = std::iter::from_fn(|| rig.egress.next(Sequence(1))).collect();
    assert!(replies.contains(&Reply::Repeat { source: CONTROL, source_sequence: 4 }), "{replies:?}");
    assert_eq!((replies.len(), rig.stats.egress_in_flight()), (2, 0));
}
