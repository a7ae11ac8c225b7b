//! Frames that are exactly full: long effects fill them to the last place but one, and the digest of the whole state,
//! which comes with every so many frames, still finds its place.

use super::desk::{ALICE, BOB, Desk, LINEAR, SPOT, USD, fill, limit, limit_order, quote};
use super::money_kit::{accept, account, funding, marks, rich};
use super::orders_support::{lasting, stop};
use tickwerk_domain::command::{
    BreakerReset, ConversionSet, KillSwitchSet, MassCancel, NewOrder, ReconcileEnded, ReconcileStarted,
    ReferenceCurrencySet, SessionSet, SimulatedVenueSet, TimeAdvanced,
};
use tickwerk_domain::{
    AccountId, BreakerKind, Command, DurationNs, Event, InstrumentId, LimitKind, MarkSource, OrderType,
    PositionEffect, PositionMode, Price, Rate, SelfTradePrevention, SessionState, Side, SideFilter,
    StrategyId, TextId, TimeInForce, TimeNs, VenueId,
};
use tickwerk_engine::limits::{DIGEST_INTERVAL_FRAMES, EVENTS_PER_COMMAND_MAX};

/// A desk whose next frame but `before` ends with a digest.
fn near_a_digest(prepare: impl Fn(&mut Desk), before: u64) -> Desk {
    let ready = |padding: u64| {
        let mut desk = Desk::with_quotes();
        for _ in 0..padding {
            desk.apply(TimeAdvanced { due: TimeNs(1) });
        }
        // What came before is another test's matter, and long.
        desk.frames.clear();
        for instrument in [SPOT, LINEAR] {
            desk.apply(SimulatedVenueSet::touch(instrument, DurationNs(u64::MAX)));
        }
        prepare(&mut desk);
        desk
    };
    let frames = ready(0).core.frames();
    ready(DIGEST_INTERVAL_FRAMES - 1 - before - frames)
}

/// Gives the sizes of all frames that a command leads to; the first, the second and the third come with a digest in turn.
fn check(prepare: impl Fn(&mut Desk), command: impl Into<Command>) -> Vec<usize> {
    let command = command.into();
    let mut all = Vec::new();
    for before in 0..3 {
        let mut desk = near_a_digest(&prepare, before);
        let mut frames = vec![desk.apply(command)];
        frames.extend(desk.settle(0).into_iter().map(|(_, events)| events));
        let digests = frames.iter().position(|events| matches!(events.last(), Some(Event::StateDigest(_))));
        assert_eq!(
            digests,
            (frames.len() as u64 > before).then_some(usize::try_from(before).expect("it is small"))
        );
        let of = |events: &Vec<Event>| {
            events.iter().filter(|event| !matches!(event, Event::StateDigest(_))).count()
        };
        all.push(frames.iter().map(of).collect::<Vec<_>>());
        assert!(desk.machine().continuation().is_none());
    }
    assert!(all.iter().all(|sizes| *sizes == all[0]), "a digest changes nothing else");
    assert!(all[0].iter().all(|size| *size < EVENTS_PER_COMMAND_MAX));
    all.remove(0)
}

/// A hundred orders, every third of them held.
fn orders(desk: &mut Desk) {
    for number in 0..100 {
        let order = if number % 3 == 0 {
            stop(Side::Buy, 12_000, 10)
        } else {
            limit_order(SPOT, Side::Buy, 9_000, 10)
        };
        desk.apply(NewOrder { account: if number % 2 == 0 { ALICE } else { BOB }, ..order });
    }
    assert_eq!(desk.machine().orders().open_count(), 100);
}

const ALL: (AccountId, InstrumentId, StrategyId) = (AccountId::NONE, InstrumentId::NONE, StrategyId::NONE);

#[test]
fn cancels_fill_frames() {
    let ((account, instrument, strategy), reason) = (ALL, TextId::NONE);
    let sizes = check(orders, KillSwitchSet { account, instrument, strategy, reason, engaged: true });
    assert_eq!(sizes, [63, 38]);
    let side = SideFilter::Any;
    assert_eq!(check(orders, MassCancel { account, instrument, strategy, reason, side }), [63, 38]);
}

#[test]
fn a_reset_of_all_breakers_fills_a_frame() {
    let tripped = |desk: &mut Desk| {
        desk.apply(limit(LimitKind::RejectStorm, AccountId::NONE, InstrumentId::NONE, 1));
        for account_number in 1..64 {
            let id = AccountId(account_number);
            accept(desk, account(id, PositionMode::Netting));
            desk.apply(NewOrder { account: id, ..limit_order(LINEAR, Side::Buy, 10_001, 10) });
        }
    };
    let (account, strategy, reason) = (AccountId::NONE, StrategyId::NONE, TextId::NONE);
    let reset = BreakerReset { account, strategy, reason, kind: BreakerKind::RejectStorm };
    assert_eq!(check(tripped, reset), [63]);
}

/// Sixty accounts that hold both sides of a pair.
fn pairs(desk: &mut Desk) {
    accept(desk, ReferenceCurrencySet { currency: USD });
    let (currency, instrument) = (super::desk::BTC, InstrumentId::NONE);
    accept(desk, ConversionSet { rate: Rate::ONE, currency, instrument });
    for number in 4..64 {
        let of = AccountId(number);
        rich(desk, of);
        accept(desk, account(of, PositionMode::Hedging));
        for side in [Side::Buy, Side::Sell] {
            let id = desk.next_id();
            let position_effect = PositionEffect::Open;
            desk.apply(NewOrder { account: of, position_effect, ..limit_order(LINEAR, side, 10_000, 10) });
            accept(desk, fill(id, 1, 10_000, 10, 0));
        }
    }
}

#[test]
fn funding_and_marks_fill_frames() {
    let sizes = check(pairs, funding(LINEAR, 10_000, 10_000));
    assert_eq!((sizes.iter().sum::<usize>(), sizes[0]), (240, 60));
    for before in 0..3 {
        let mut desk = near_a_digest(
            |desk| {
                pairs(desk);
                accept(desk, marks(LINEAR, MarkSource::Mid, 60_000_000_000));
            },
            before,
        );
        let frames = desk.settle(120_000_000_000);
        let sizes: Vec<_> = frames.iter().map(|(_, events)| events.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 180 + 1, "{sizes:?}");
    }
}

#[test]
fn triggers_and_sessions_fill_frames() {
    let stops = |desk: &mut Desk| {
        for _ in 0..100 {
            desk.apply(stop(Side::Buy, 10_100, 10));
        }
    };
    let sizes = check(stops, quote(SPOT, 10_100, 10_120));
    assert_eq!(sizes.iter().sum::<usize>(), 300, "{sizes:?}");
    let day = |desk: &mut Desk| {
        for _ in 0..100 {
            desk.apply(lasting(stop(Side::Buy, 12_000, 10), TimeInForce::Day));
        }
    };
    let closed = SessionSet { closes_at: TimeNs(0), instrument: SPOT, state: SessionState::Closed };
    let sizes = check(day, closed);
    assert_eq!(sizes.iter().sum::<usize>(), 100, "{sizes:?}");
}

/// Stops that are triggered and, as they leave, make eight resting orders each give way.
#[test]
fn orders_that_give_way_to_triggered_ones_fill_frames() {
    let makers = |desk: &mut Desk| {
        let mode = SelfTradePrevention::CancelMaker as i64;
        accept(desk, limit(LimitKind::SelfTrade, ALICE, InstrumentId::NONE, mode));
        for kind in [LimitKind::AlertFraction, LimitKind::OpenOrders, LimitKind::OrderRate] {
            accept(
                desk,
                limit(kind, ALICE, InstrumentId::NONE, if kind == LimitKind::AlertFraction { 1 } else { 40 }),
            );
        }
        for number in 0..8 {
            desk.apply(NewOrder {
                instrument: LINEAR,
                ..limit_order(SPOT, Side::Sell, 10_200 + 10 * number, 10)
            });
        }
        for _ in 0..20 {
            let order = NewOrder {
                order_type: OrderType::StopLimit,
                price: Price(11_000),
                ..stop(Side::Buy, 10_100, 10)
            };
            desk.apply(NewOrder { instrument: LINEAR, ..order });
        }
        assert_eq!(desk.machine().orders().open_count(), 28);
    };
    let sizes = check(makers, quote(LINEAR, 10_100, 10_120));
    assert!(sizes.iter().sum::<usize>() >= 8 + 3 * 20, "{sizes:?}");
}

#[test]
fn the_end_of_a_reconciliation_fills_frames() {
    let started = |desk: &mut Desk| {
        for _ in 0..100 {
            desk.apply(limit_order(SPOT, Side::Buy, 9_000, 10));
        }
        let (run, account, venue) = (1, ALICE, VenueId::SIMULATED);
        accept(desk, ReconcileStarted { run, account, venue });
    };
    let sizes = check(started, ReconcileEnded { run: 1 });
    assert_eq!(sizes.iter().sum::<usize>(), 201, "{sizes:?}");
}
