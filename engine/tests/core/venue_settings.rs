//! Latencies and price bands of the simulated venue: what is refused, and what the settings do inside the core.

use super::desk::{ALICE, BOB, Desk, SPOT, definitions, limit_order, quote, types};
use tickwerk_domain::command::{
    LatencyRecorded, NewOrder, PriceBandSet, ReplaceOrder, SimulatedVenueSet, VenueLatencySet,
};
use tickwerk_domain::event::CommandRefused;
use tickwerk_domain::{
    ClientOrderId, Command, DurationNs, Envelope, Event, InstrumentId, LatencyModel, OrderId, OrderStatus,
    Payload, Price, Qty, QueueModel, Rate, Record, Reject, Side, SourceId, TimeNs,
};
use tickwerk_engine::event_buffer::EventBuffer;
use tickwerk_engine::{Core, Decider};
use tickwerk_venue::LATENCIES_MAX;

fn model(model: LatencyModel, factor: Rate) -> VenueLatencySet {
    VenueLatencySet { order_factor: factor, report_factor: factor, table: 0, instrument: SPOT, model }
}

fn recorded(sent_at: u64, arrived_at: u64, reported_at: u64) -> LatencyRecorded {
    let [sent_at, arrived_at, reported_at] = [sent_at, arrived_at, reported_at].map(TimeNs);
    LatencyRecorded { sent_at, arrived_at, reported_at, instrument: SPOT }
}

fn band(low: i64, high: i64, dynamic: Rate) -> PriceBandSet {
    PriceBandSet { low: Price(low), high: Price(high), dynamic, instrument: SPOT }
}

#[track_caller]
fn refused(desk: &mut Desk, command: impl Into<Command>, reason: Reject, value: i64) {
    let venue = desk.core.venue().digest();
    let events = desk.feed(command);
    let [Event::CommandRefused(CommandRefused { reason: found, value: told, .. })] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((found, told), (reason.code(), value));
    assert_eq!(desk.core.venue().digest(), venue, "the venue heard nothing of it");
}

#[test]
fn a_setting_that_cannot_be_is_refused_and_changes_nothing() {
    let mut desk = Desk::new();
    let nowhere = InstrumentId(9);
    let unknown = Reject::UnknownInstrument;
    let constant = model(LatencyModel::Constant, Rate(0));
    refused(&mut desk, VenueLatencySet { instrument: nowhere, ..constant }, unknown, 9);
    refused(&mut desk, LatencyRecorded { instrument: nowhere, ..recorded(1, 2, 3) }, unknown, 9);
    refused(&mut desk, PriceBandSet { instrument: nowhere, ..band(1, 2, Rate(0)) }, unknown, 9);
    let out = Reject::ValueOutOfRange;
    refused(&mut desk, model(LatencyModel::Feed, Rate(-1)), out, -1);
    let too_much = Rate(1_000 * Rate::ONE.0 + 1);
    refused(&mut desk, model(LatencyModel::Feed, too_much), out, too_much.0);
    refused(&mut desk, band(3, 2, Rate(0)), out, 3);
    refused(&mut desk, band(1, 2, Rate(-1)), out, -1);
    refused(&mut desk, band(1, 2, Rate(Rate::ONE.0 + 1)), out, Rate::ONE.0 + 1);
    for good in
        [model(LatencyModel::Feed, Rate(1_000 * Rate::ONE.0)), model(LatencyModel::Recorded, Rate(-1))]
    {
        assert_eq!(desk.feed(good), []);
    }
    assert_eq!(desk.feed(band(-5, -5, Rate::ONE)), []);
}

#[test]
fn recorded_latencies_come_in_order_or_are_refused() {
    let mut desk = Desk::new();
    let out = Reject::ValueOutOfRange;
    refused(&mut desk, recorded(100, 99, 120), out, 99);
    refused(&mut desk, recorded(100, 110, 109), out, 109);
    assert_eq!(desk.feed(recorded(100, 110, 120)), []);
    refused(&mut desk, recorded(100, 110, 120), out, 100);
    refused(&mut desk, recorded(105, 109, 120), out, 109);
    assert_eq!(desk.feed(recorded(105, 110, 110)), []);
    assert_eq!(desk.feed(model(LatencyModel::Recorded, Rate(0))), []);
    assert_eq!(desk.feed(recorded(0, 0, 0)), [], "a new setting forgets what was recorded");
    desk.restarted();
}

#[test]
fn a_full_table_of_latencies_says_so() {
    let mut core = Core::new();
    let mut events = EventBuffer::new();
    // A desk would keep all frames, which is too much here.
    let mut give = |command: Command| {
        events.clear();
        let sequence = core.last().sequence.next();
        let envelope = Envelope {
            sequence,
            source: SourceId::CONFIG,
            source_sequence: sequence.0,
            ..Envelope::default()
        };
        core.apply(&mut Record { envelope, payload: Payload::Command(command) }, &mut events);
        events.events().copied().collect::<Vec<_>>()
    };
    for command in definitions() {
        give(command);
    }
    let full = LATENCIES_MAX as u64;
    for point in 0..full {
        let refusal = give(recorded(point, point, point).into());
        assert!(types(&refusal).iter().all(|kind| *kind == "system.state_digest"), "{refusal:?}");
    }
    let events = give(recorded(full, full, full).into());
    assert!(
        matches!(events[..], [Event::CommandRefused(CommandRefused { reason, value, .. }), ..]
            if reason == Reject::StoreFull.code() && value == full.cast_signed()),
        "{events:?}"
    );
}

/// When the order that is fed now is accepted, counted from when it was sent.
fn accepted_after(desk: &mut Desk) -> u64 {
    desk.feed(NewOrder { account: ALICE, ..limit_order(SPOT, Side::Buy, 9_000, 10) });
    let sent = desk.time;
    desk.settle(u64::MAX / 2);
    let at = desk.core.machine().last().time_ns.0;
    desk.time = desk.time.max(at);
    at - sent
}

#[test]
fn an_order_takes_what_the_feed_took_from_the_venues_time_to_the_stamp() {
    let mut desk = Desk::with_quotes();
    desk.feed(SimulatedVenueSet::touch(SPOT, DurationNs(50)));
    assert_eq!(accepted_after(&mut desk), 50);
    desk.feed(model(LatencyModel::Feed, Rate(2 * Rate::ONE.0)));
    assert_eq!(accepted_after(&mut desk), 50, "nothing was heard yet");
    desk.settle(desk.time + 1_000);
    let sent = TimeNs(desk.time + 1_000 - 300);
    desk.apply_sent(quote(SPOT, 9_990, 10_010), sent);
    assert_eq!(accepted_after(&mut desk), 50 + 600 + 600);
    desk.feed(quote(SPOT, 9_990, 10_010));
    assert_eq!(accepted_after(&mut desk), 50 + 600 + 600, "a quote without a time tells nothing");
    let mut desk = desk.restarted();
    assert_eq!(accepted_after(&mut desk), 50 + 600 + 600);
}

#[test]
fn an_order_takes_what_orders_took_when_they_were_measured() {
    let mut desk = Desk::with_quotes();
    desk.feed(SimulatedVenueSet::touch(SPOT, DurationNs(0)));
    desk.feed(model(LatencyModel::Recorded, Rate(0)));
    let (start, step) = (1_000_000, 1_000_000);
    desk.feed(recorded(start, start + 100, start + 110));
    desk.feed(recorded(start + step, start + step + 300, start + step + 310));
    assert_eq!(accepted_after(&mut desk), 110);
    desk.time = start + step / 2 - 1_000;
    // The report's leg is the same at both ends.
    assert_eq!(accepted_after(&mut desk), 200 + 10);
    let mut desk = desk.restarted();
    desk.time = start + 2 * step;
    assert_eq!(accepted_after(&mut desk), 310);
}

#[test]
fn an_exchange_refuses_orders_and_replaces_outside_its_band_with_the_reason() {
    let mut desk = Desk::with_quotes();
    desk.feed(SimulatedVenueSet {
        queue_model: QueueModel::Exchange,
        ..SimulatedVenueSet::touch(SPOT, DurationNs(0))
    });
    desk.feed(band(9_900, 10_100, Rate(Rate::ONE.0 / 200)));
    let mut give = |account, side, price| -> (OrderId, Option<(OrderStatus, Reject)>) {
        let id = desk.next_id();
        desk.feed(NewOrder { account, ..limit_order(SPOT, side, price, 10) });
        let settled = desk.settle(desk.time);
        let refusal = settled.iter().find_map(|(command, _)| {
            let Command::OrderReported(report) = command else { return None };
            let status = desk.machine().orders().by_id(report.order)?.status;
            Reject::from_code(report.reason).map(|reason| (status, reason))
        });
        (id, refusal)
    };
    let outside = Some((OrderStatus::Rejected, Reject::OutsidePriceBand));
    assert_eq!(give(ALICE, Side::Buy, 9_890).1, outside);
    assert_eq!(give(ALICE, Side::Sell, 10_110).1, outside);
    let (resting, none) = give(ALICE, Side::Sell, 10_000);
    assert_eq!(none, None);
    assert_eq!(give(BOB, Side::Buy, 10_000).1, None, "a trade at 10,000");
    assert_eq!(give(BOB, Side::Buy, 10_060).1, outside, "half a percent above it");
    let (kept, none) = give(BOB, Side::Buy, 9_950);
    assert_eq!(none, None);
    assert_ne!(resting, kept);
    desk.feed(ReplaceOrder {
        order: kept,
        price: Price(10_060),
        qty: Qty(10),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
        account: BOB,
        client_order_id: ClientOrderId::NONE,
    });
    let settled = desk.settle(desk.time);
    let (report, events) =
        settled.iter().find(|(command, _)| matches!(command, Command::OrderReported(_))).expect("a report");
    let Command::OrderReported(report) = report else { unreachable!("it was asked for") };
    assert_eq!(report.reason, Reject::OutsidePriceBand.code());
    assert_eq!(types(events), ["order.replace_rejected"]);
    desk.restarted();
}
