//! Each breaker: below its limit, at it, what it refuses and lets pass, how it cools down and is reset, and all of it
//! across restarts.

use super::desk::{
    ALICE, BOB, Desk, LINEAR, SPOT, USD, cancel, fill, limit_order, quote, report, transfer, types,
};
use super::risk_support::{Move, STRATEGY, alices, changes, desk, ema, moves, outcome, rise, strategys};
use tickwerk_domain::command::{BreakerReset, NewOrder, TimerFired};
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, Command, Event, LimitKind, Reject, ReportKind, Side, StrategyId,
    TextId, TimeNs, TimerKind,
};
use tickwerk_engine::risk::subjects::SubjectId;

const SECOND: u64 = 1_000_000_000;

fn trips(kind: BreakerKind, limit: i128, observed: i128) -> Vec<Move> {
    vec![(kind, BreakerState::Armed, BreakerState::Tripped, limit, observed)]
}

fn order(side: Side, qty: i64) -> NewOrder {
    limit_order(LINEAR, side, 10_000, qty)
}

fn reset(account: AccountId, kind: BreakerKind) -> BreakerReset {
    BreakerReset { account, strategy: StrategyId::NONE, reason: TextId::NONE, kind }
}

/// Buys or sells at a price without a fee; gives the events of the fill.
fn trade(desk: &mut Desk, side: Side, price: i64, qty: i64) -> Vec<Event> {
    let id = desk.next_id();
    assert_eq!(outcome(desk, limit_order(LINEAR, side, 10_000, qty)), None);
    desk.apply(fill(id, 1, price, qty, 0))
}

/// A desk with a limit of Alice and a long position of 1,000 at 10,000.
fn long(kind: LimitKind, value: i64) -> Desk {
    let mut desk = desk();
    assert_eq!(types(&desk.apply(alices(kind, value))), ["risk.limit_changed"]);
    trade(&mut desk, Side::Buy, 10_000, 1_000);
    desk
}

fn mid(desk: &mut Desk, mid: i64) {
    desk.apply(quote(LINEAR, mid - 10, mid + 10));
}

/// The breaker has tripped: it refuses, lets pass what reduces, survives a restart, and only a command arms it.
fn check_tripped(mut desk: Desk, kind: BreakerKind, limit: i128, observed: i128) -> Desk {
    desk = desk.restarted();
    desk.time += 1_000 * SECOND;
    mid(&mut desk, 10_000);
    let refused = Some((Reject::BreakerTripped, limit, observed));
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), refused);
    assert_eq!(outcome(&mut desk, NewOrder { account: BOB, ..order(Side::Buy, 10) }), None);
    let held = desk.machine().positions().get(ALICE, LINEAR).qty;
    if held > 0 {
        let id = desk.next_id();
        assert_eq!(outcome(&mut desk, order(Side::Sell, held + 5)), refused, "through zero");
        let reducing = desk.next_id();
        assert_eq!(outcome(&mut desk, order(Side::Sell, held)), None, "back to zero");
        assert_eq!(types(&desk.apply(cancel(reducing)))[0], "order.cancel_submitted");
        desk.apply(report(reducing, ReportKind::Canceled, None));
        assert_ne!(id, reducing);
    }
    desk = desk.restarted();
    let events = desk.apply(reset(ALICE, kind));
    let armed = (kind, BreakerState::Tripped, BreakerState::Armed, limit, observed);
    assert_eq!(moves(&events), [armed]);
    let again = desk.apply(reset(ALICE, kind));
    let Event::CommandRefused(refused) = again[0] else { panic!("{again:?}") };
    assert_eq!(refused.reason, Reject::IllegalMove.code());
    desk
}

#[test]
fn a_daily_loss_trips_at_its_limit() {
    // One tick of 0.10 on 1.000 is 0.1000 dollars.
    let mut desk = long(LimitKind::DailyLoss, 1_000);
    mid(&mut desk, 9_991);
    assert_eq!(moves(&desk.apply(order(Side::Buy, 10))), [], "one below");
    mid(&mut desk, 9_990);
    let events = desk.apply(order(Side::Buy, 10));
    assert_eq!(moves(&events), trips(BreakerKind::DailyLoss, 1_000, 1_000));
    assert_eq!(types(&events)[1..], ["risk.order_refused", "order.rejected"]);
    let mut desk = check_tripped(desk, BreakerKind::DailyLoss, 1_000, 1_000);
    // Armed with the mid back at 10,000, it counts from there.
    mid(&mut desk, 9_991);
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    mid(&mut desk, 9_980);
    let seen = moves(&desk.apply(order(Side::Buy, 10)));
    assert_eq!(seen, trips(BreakerKind::DailyLoss, 1_000, 2_000));
}

#[test]
fn a_loss_beyond_the_limit_trips_with_what_is_seen_and_a_fill_sees_it_too() {
    let mut desk = long(LimitKind::DailyLoss, 1_000);
    let events = trade(&mut desk, Side::Sell, 9_980, 1_000);
    assert_eq!(moves(&events), trips(BreakerKind::DailyLoss, 1_000, 2_000));
}

#[test]
fn the_loss_of_a_day_ends_with_it_and_money_that_leaves_is_none() {
    let mut desk = long(LimitKind::DailyLoss, 1_000);
    desk.apply(transfer(ALICE, USD, -5_000_000));
    mid(&mut desk, 9_991);
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    desk = desk.restarted();
    // The first command of the next day finds a loss of 900 that is yesterday's.
    desk.time = 86_400 * SECOND - 1_000;
    mid(&mut desk, 9_982);
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    mid(&mut desk, 9_981);
    let events = desk.apply(order(Side::Buy, 10));
    assert_eq!(moves(&events), trips(BreakerKind::DailyLoss, 1_000, 1_000));
}

#[test]
fn a_drawdown_trips_at_its_fraction_of_the_highest_equity() {
    // Equity is a million dollars: 0.0000001 of it are 0.1000.
    let mut desk = long(LimitKind::Drawdown, 10);
    mid(&mut desk, 9_991);
    assert_eq!(moves(&desk.apply(order(Side::Buy, 10))), []);
    mid(&mut desk, 9_990);
    let events = desk.apply(order(Side::Buy, 10));
    assert_eq!(moves(&events), trips(BreakerKind::Drawdown, 10, 10));
    check_tripped(desk, BreakerKind::Drawdown, 10, 10);
    // From a new highest the fall begins there.
    let mut desk = long(LimitKind::Drawdown, 10);
    mid(&mut desk, 10_100);
    assert_eq!(moves(&desk.apply(order(Side::Buy, 10))), []);
    mid(&mut desk, 10_080);
    assert_eq!(moves(&desk.apply(order(Side::Buy, 10))).len(), 1);
}

#[test]
fn losing_closes_in_a_row_trip() {
    let mut desk = long(LimitKind::LossStreak, 3);
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 9_990, 100)), []);
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 9_990, 100)), []);
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 10_000, 100)), [], "neither won nor lost");
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 10_010, 100)), [], "a win starts over");
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 9_990, 100)), []);
    desk = desk.restarted();
    assert_eq!(moves(&trade(&mut desk, Side::Buy, 9_000, 100)), [], "an increase is no close");
    assert_eq!(moves(&trade(&mut desk, Side::Sell, 9_000, 100)), []);
    let seen = moves(&trade(&mut desk, Side::Sell, 9_000, 100));
    assert_eq!(seen, trips(BreakerKind::LossStreak, 3, 3));
    check_tripped(desk, BreakerKind::LossStreak, 3, 3);
}

#[test]
fn messages_without_fills_trip() {
    let mut desk = desk();
    desk.apply(alices(LimitKind::OrderToTrade, 3));
    let first = desk.next_id();
    assert_eq!(moves(&desk.apply(order(Side::Buy, 20))), []);
    assert_eq!(moves(&desk.apply(order(Side::Buy, 20))), []);
    desk.apply(fill(first, 1, 10_000, 10, 0));
    desk.apply(fill(first, 2, 10_000, 5, 0));
    desk = desk.restarted();
    for _ in 0..3 {
        assert_eq!(moves(&desk.apply(order(Side::Buy, 20))), [], "five for two fills");
    }
    let events = desk.apply(cancel(first));
    assert_eq!(moves(&events), trips(BreakerKind::OrderToTrade, 3, 3), "the cancel is the sixth");
    assert_eq!(types(&events)[0], "order.cancel_submitted");
    // What is counted is the day's, what has tripped stays so.
    let desk = check_tripped(desk, BreakerKind::OrderToTrade, 3, 3);
    assert_eq!(desk.machine().positions().get(ALICE, LINEAR).qty, 15);
}

#[test]
fn a_silent_feed_trips_at_its_limit() {
    for (limit, expected) in [(1_001, vec![]), (1_000, trips(BreakerKind::StaleFeed, 1_000, 1_000))] {
        let mut desk = desk();
        desk.apply(alices(LimitKind::StaleFeed, limit));
        desk.apply(quote(LINEAR, 9_990, 10_010));
        let events = desk.apply(order(Side::Buy, 10));
        assert_eq!(moves(&events), expected);
        assert_eq!(types(&events).contains(&"order.submitted"), expected.is_empty());
        if limit == 1_000 {
            desk = desk.restarted();
            // The market speaks again, yet what has tripped stays so.
            desk.apply(alices(LimitKind::StaleFeed, 1_001));
            check_tripped(desk, BreakerKind::StaleFeed, 1_000, 1_000);
        }
    }
}

#[test]
fn refusals_within_a_second_trip() {
    let off_tick = limit_order(LINEAR, Side::Buy, 10_001, 10);
    let mut desk = desk();
    desk.apply(alices(LimitKind::RejectStorm, 3));
    assert_eq!(moves(&desk.apply(off_tick)), []);
    desk.time += SECOND - 1_000;
    assert_eq!(moves(&desk.apply(off_tick)), [], "a second after the first a new one begins");
    assert_eq!(moves(&desk.apply(off_tick)), []);
    let id = desk.next_id();
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    desk = desk.restarted();
    let events = desk.apply(report(id, ReportKind::Rejected, Some(Reject::VenueRejected)));
    assert_eq!(moves(&events), trips(BreakerKind::RejectStorm, 3, 3), "the venue's refusal counts");
    check_tripped(desk, BreakerKind::RejectStorm, 3, 3);
}

#[test]
fn a_breaker_with_a_cool_down_is_armed_again_by_its_timer_also_after_a_restart() {
    let mut desk = long(LimitKind::LossStreak, 1);
    desk.apply(alices(LimitKind::CoolDown, 5_000));
    let events = trade(&mut desk, Side::Sell, 9_990, 100);
    let change = changes(&events)[0];
    assert_eq!((change.from, change.state), (BreakerState::Armed, BreakerState::Cooling));
    assert_eq!(change.until, TimeNs(desk.time + 5_000));
    assert_eq!((change.account, change.strategy), (ALICE, StrategyId::NONE));
    assert_eq!(change.limits_version, desk.machine().settings().version());
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), Some((Reject::BreakerTripped, 1, 1)));
    desk = desk.restarted();
    let settled = desk.settle(change.until.0 - 1);
    assert!(settled.iter().all(|(command, _)| !matches!(command, Command::TimerFired(_))));
    let settled = desk.settle(change.until.0);
    let (_, events) =
        settled.iter().find(|(command, _)| matches!(command, Command::TimerFired(_))).expect("it is due");
    let cooled = (BreakerKind::LossStreak, BreakerState::Cooling, BreakerState::Armed, 1, 1);
    assert_eq!(moves(events), [cooled]);
    desk.time = change.until.0;
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    desk.restarted();
}

#[test]
fn a_cooling_breaker_may_be_reset_earlier_and_its_timer_is_gone() {
    let mut desk = long(LimitKind::LossStreak, 1);
    desk.apply(alices(LimitKind::CoolDown, 5_000));
    trade(&mut desk, Side::Sell, 9_990, 100);
    assert_eq!(desk.machine().timers().len(), 1);
    let all = desk.apply(reset(AccountId(0), BreakerKind::LossStreak));
    assert_eq!(moves(&all).len(), 1);
    assert!(desk.machine().timers().is_empty());
    assert_eq!(outcome(&mut desk, order(Side::Buy, 10)), None);
    let foreign = TimerFired { due: TimeNs(1), subject: 1, kind: TimerKind::BreakerCooled };
    let events = desk.apply(foreign);
    let Event::CommandRefused(refused) = events[0] else { panic!("{events:?}") };
    assert_eq!(refused.reason, Reject::IllegalMove.code());
}

#[test]
fn a_reset_of_nobody_or_of_a_strategy_of_another_is_refused() {
    let mut desk = desk();
    desk.apply(ema(100));
    let reason = |events: &[Event]| {
        let Event::CommandRefused(refused) = events[0] else { panic!("{events:?}") };
        Reject::from_code(refused.reason)
    };
    let of = |account, strategy| BreakerReset { strategy, ..reset(account, BreakerKind::LossStreak) };
    for account in [3, 64, u32::MAX] {
        assert_eq!(reason(&desk.apply(of(AccountId(account), StrategyId(0)))), Some(Reject::UnknownAccount));
    }
    for strategy in [8, 64, u32::MAX] {
        assert_eq!(reason(&desk.apply(of(ALICE, StrategyId(strategy)))), Some(Reject::ScopeInvalid));
    }
    assert_eq!(reason(&desk.apply(of(BOB, STRATEGY))), Some(Reject::ScopeInvalid));
    assert_eq!(reason(&desk.apply(of(ALICE, STRATEGY))), Some(Reject::IllegalMove));
    assert_eq!(reason(&desk.apply(of(AccountId(0), StrategyId(0)))), Some(Reject::IllegalMove));
}

#[test]
fn a_strategys_breaker_stops_the_strategy_alone() {
    let mut desk = desk();
    desk.apply(ema(100));
    desk.apply(strategys(LimitKind::OrderToTrade, 1));
    let events = rise(&mut desk);
    let change = changes(&events)[0];
    assert_eq!((change.account, change.strategy, change.kind), (ALICE, STRATEGY, BreakerKind::OrderToTrade));
    assert_eq!(outcome(&mut desk, limit_order(SPOT, Side::Buy, 9_000, 10)), None, "a client's");
    desk = desk.restarted();
    desk.settle(u64::MAX);
    // What it holds it may sell.
    let events = super::risk_support::fall(&mut desk);
    assert!(types(&events).contains(&"order.submitted"), "{events:?}");
    let events =
        desk.apply(BreakerReset { strategy: STRATEGY, ..reset(AccountId(0), BreakerKind::OrderToTrade) });
    assert_eq!(moves(&events).len(), 1);
}

#[test]
fn a_strategys_loss_is_what_its_own_fills_lost() {
    let mut desk = desk();
    desk.apply(ema(1_000));
    desk.apply(strategys(LimitKind::DailyLoss, 100));
    rise(&mut desk);
    desk.settle(u64::MAX);
    let subjects = desk.machine().subjects();
    let row = subjects.get(SubjectId::Strategy(STRATEGY));
    assert!(row.flow < 0, "{}", row.flow);
    let events = super::risk_support::fall(&mut desk);
    let change = changes(&events)[0];
    assert_eq!((change.kind, change.strategy, change.account), (BreakerKind::DailyLoss, STRATEGY, ALICE));
    assert!(types(&events).contains(&"order.submitted"), "it may sell what it holds");
    let account = subjects_breaker(&desk);
    assert_eq!(account, BreakerState::Armed);
}

fn subjects_breaker(desk: &Desk) -> BreakerState {
    desk.machine().subjects().get(SubjectId::Account(ALICE)).breaker(BreakerKind::DailyLoss).state
}
