//! Marks: which price, how often they are told, and that silence and flatness cost nothing.

use super::desk::{ALICE, BOB, Desk, INVERSE, LINEAR, SPOT, quote};
use super::money_kit::{
    HEDGER, accept, accounts_marked, desk, equity, marked, marks, move_to, owed, refused, trade,
};
use tickwerk_domain::PositionEffect::{Auto, Open};
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::command::{MarkObserved, TimerFired, TradeObserved};
use tickwerk_domain::{
    AccountId, Aggressor, Command, Event, InstrumentId, MarkSource, PositionSide, Price, Qty, Reject, TimeNs,
    TimerKind,
};

/// A thousand times the desk's step from command to command.
const INTERVAL: u64 = 1_000_000;

fn venue_mark(price: i64) -> MarkObserved {
    MarkObserved { price: Price(price), instrument: LINEAR }
}

fn last_trade(price: i64) -> TradeObserved {
    let (price, qty) = (Price(price), Qty(10));
    TradeObserved { trade_id: 1, price, qty, instrument: LINEAR, aggressor: Aggressor::Unknown }
}

fn timers(desk: &Desk) -> usize {
    desk.machine().timers().len()
}

#[test]
fn the_source_says_which_price_marks_a_position() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    let profit = |desk: &Desk| desk.machine().unrealized(ALICE, LINEAR);
    move_to(&mut desk, LINEAR, 10_100);
    assert_eq!(profit(&desk), 100_000, "the mid");
    accept(&mut desk, marks(LINEAR, MarkSource::Venue, 0));
    assert_eq!(profit(&desk), 100_000, "the mid, until the venue has said one");
    accept(&mut desk, venue_mark(10_300));
    assert_eq!(profit(&desk), 300_000);
    accept(&mut desk, marks(LINEAR, MarkSource::Last, 0));
    assert_eq!(profit(&desk), 100_000, "the mid, until there was a trade");
    accept(&mut desk, last_trade(9_900));
    assert_eq!(profit(&desk), -100_000);
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, 0));
    assert_eq!(profit(&desk), 100_000);
}

#[test]
fn marks_are_told_once_an_interval_and_only_what_changed() {
    let mut desk = desk();
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, INTERVAL));
    assert_eq!(timers(&desk), 0, "nothing is open");
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    assert_eq!(timers(&desk), 1);
    for step in 1..=5 {
        move_to(&mut desk, LINEAR, 10_000 + 10 * step);
    }
    assert_eq!(timers(&desk), 1, "conflated");
    let due = desk.machine().timers().next().expect("one is set").due.0;
    assert_eq!(due % INTERVAL, 0);
    let told = owed(&mut desk, due);
    let [(Command::TimerFired(_), events)] = &told[..] else { panic!("{told:?}") };
    let [mark] = marked(events)[..] else { panic!("{events:?}") };
    assert_eq!((mark.account, mark.side, mark.qty), (ALICE, PositionSide::Net, Qty(10_000)));
    assert_eq!((mark.unrealized.get(), mark.mark_twice), (50_000, 20_100));
    let [worth] = accounts_marked(events)[..] else { panic!("{events:?}") };
    assert_eq!(worth.equity.get(), equity(&desk, ALICE));
    // Ten contracts of 100.50 dollars.
    assert_eq!((worth.gross_exposure.get(), worth.net_exposure.get()), (10_050_000, 10_050_000));
    assert_eq!(timers(&desk), 0, "nothing has changed since");
    assert_eq!(owed(&mut desk, u64::MAX), []);
    desk.time = due + 10;
    move_to(&mut desk, LINEAR, 10_000);
    assert_eq!(desk.machine().timers().next().map(|timer| timer.due.0), Some(due + INTERVAL));
}

#[test]
fn nothing_is_told_where_nobody_holds_anything_or_no_interval_is_set() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Buy, Auto), 10_000, 10_000);
    move_to(&mut desk, LINEAR, 10_100);
    assert_eq!(timers(&desk), 0);
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, INTERVAL));
    assert_eq!(timers(&desk), 1, "a position was open already");
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, 0));
    assert_eq!(timers(&desk), 0);
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, INTERVAL));
    trade(&mut desk, (ALICE, LINEAR), (Sell, Auto), 10_000, 10_000);
    let told = owed(&mut desk, u64::MAX);
    let events: Vec<Event> = told.into_iter().flat_map(|(_, events)| events).collect();
    assert_eq!(events, [], "the position was closed before the interval was over");
    move_to(&mut desk, LINEAR, 10_000);
    assert_eq!(timers(&desk), 0);
}

#[test]
fn both_sides_of_a_pair_are_told_and_the_account_once() {
    let mut desk = desk();
    for instrument in [LINEAR, INVERSE] {
        accept(&mut desk, marks(instrument, MarkSource::Mid, INTERVAL));
        trade(&mut desk, (HEDGER, instrument), (Buy, Open), 10_000, 100);
    }
    trade(&mut desk, (HEDGER, LINEAR), (Sell, Open), 10_000, 50);
    let events: Vec<Event> = owed(&mut desk, INTERVAL).into_iter().flat_map(|(_, events)| events).collect();
    let told: Vec<_> = marked(&events).iter().map(|mark| (mark.instrument, mark.side, mark.qty.0)).collect();
    let (long, short) = (PositionSide::Long, PositionSide::Short);
    assert_eq!(told, [(LINEAR, long, 100), (LINEAR, short, -50), (INVERSE, long, 100)]);
    assert_eq!(accounts_marked(&events).len(), 1, "at most one an interval");
}

#[test]
fn more_marks_than_fit_one_command_go_on() {
    let mut desk = desk();
    let accounts: Vec<AccountId> = (10..60).map(AccountId).collect();
    for account in &accounts {
        super::money_kit::rich(&mut desk, *account);
        trade(&mut desk, (*account, LINEAR), (Buy, Auto), 10_000, 100);
    }
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, INTERVAL));
    let told = owed(&mut desk, u64::MAX);
    assert!(told.len() > 1, "it went on");
    assert!(told[1..].iter().all(|(command, _)| matches!(command, Command::Continue(_))));
    let events: Vec<Event> = told.into_iter().flat_map(|(_, events)| events).collect();
    assert_eq!(marked(&events).iter().map(|mark| mark.account).collect::<Vec<_>>(), accounts);
    assert_eq!(accounts_marked(&events).len(), accounts.len());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut desk = desk();
    let none = InstrumentId(60);
    assert_eq!(refused(&mut desk, marks(none, MarkSource::Mid, 0)), Reject::UnknownInstrument);
    assert_eq!(refused(&mut desk, marks(LINEAR, MarkSource::Mid, u64::MAX)), Reject::ValueOutOfRange);
    let mark = MarkObserved { price: Price(1), instrument: none };
    assert_eq!(refused(&mut desk, mark), Reject::UnknownInstrument);
    for kind in TimerKind::ALL {
        let fired = TimerFired { due: TimeNs(1), subject: u64::from(LINEAR.0), kind: *kind };
        assert_eq!(refused(&mut desk, fired), Reject::IllegalMove, "nobody else speaks for a timer");
    }
}

#[test]
fn the_peak_and_the_day_follow_equity_but_not_money_that_comes_and_goes() {
    let mut desk = desk();
    let start = equity(&desk, BOB);
    let worth = |desk: &Desk| {
        let worth = desk.machine().accounts().worth(BOB);
        assert!(worth.is_known);
        (worth.peak - start, worth.day_equity - start)
    };
    assert_eq!(worth(&desk), (0, 0));
    trade(&mut desk, (BOB, LINEAR), (Buy, Auto), 10_000, 10_000);
    accept(&mut desk, marks(LINEAR, MarkSource::Mid, 1_000));
    move_to(&mut desk, LINEAR, 10_100);
    desk.settle(desk.time + 2_000);
    assert_eq!(worth(&desk), (100_000, 0));
    accept(&mut desk, super::desk::transfer(BOB, super::desk::USD, -5_000_000));
    assert_eq!(equity(&desk, BOB) - start, 100_000 - 5_000_000);
    assert_eq!(worth(&desk), (100_000 - 5_000_000, -5_000_000), "a withdrawal is no loss");
    accept(&mut desk, super::desk::transfer(BOB, super::desk::USD, 5_000_000));
    move_to(&mut desk, LINEAR, 9_950);
    desk.settle(desk.time + 2_000);
    assert_eq!(worth(&desk), (100_000, 0));
    // The next day counts from what was known at midnight, before its first command.
    desk.time = 86_400_000_000_000;
    move_to(&mut desk, LINEAR, 9_000);
    assert_eq!(worth(&desk), (100_000, -50_000));
    assert_eq!(equity(&desk, BOB) - start, -1_000_000);
    let spot = desk.apply(quote(SPOT, 9_990, 10_010));
    assert_eq!(spot, []);
}
