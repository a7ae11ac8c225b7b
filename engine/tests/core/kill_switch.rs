//! The kill switch over many open orders: it goes on by `Continue`, in order of order id, before anything else.

use super::desk::{ALICE, BOB, Desk, LINEAR, SPOT, cancel, limit_order, report};
use tickwerk_domain::command::{Continue, KillSwitchSet, NewOrder};
use tickwerk_domain::event::{CommandRefused, KillSwitchChanged};
use tickwerk_domain::{
    AccountId, Command, ContinueKind, Event, InstrumentId, OrderId, Reject, ReportKind, Sequence, Side,
    StrategyId, TextId, TimeNs,
};
use tickwerk_engine::Decider;

fn kill(account: AccountId, instrument: InstrumentId) -> KillSwitchSet {
    KillSwitchSet { account, instrument, strategy: StrategyId::NONE, reason: TextId::NONE, engaged: true }
}

/// A desk with `count` open orders, every second one of Bob, every third one of the linear contract.
fn with_orders(count: u64) -> (Desk, Vec<(OrderId, AccountId, InstrumentId)>) {
    let mut desk = Desk::with_quotes();
    let mut orders = Vec::new();
    for number in 0..count {
        let account = if number % 2 == 0 { ALICE } else { BOB };
        let instrument = if number % 3 == 0 { LINEAR } else { SPOT };
        orders.push((desk.next_id(), account, instrument));
        desk.apply(NewOrder { account, ..limit_order(instrument, Side::Buy, 9_000, 10) });
    }
    (desk, orders)
}

fn canceled(events: &[Event]) -> Vec<OrderId> {
    let order_of = |event: &Event| {
        if let Event::CancelSubmitted(cancel) = event { Some(cancel.order) } else { None }
    };
    events.iter().filter_map(order_of).collect()
}

/// Engages the switch and gives the cancels of each frame.
fn check(desk: &mut Desk, switch: KillSwitchSet, expected: &[OrderId]) -> Vec<usize> {
    let started_by = Sequence(desk.next_id().0);
    let events = desk.apply(switch);
    let (account, instrument) = (switch.account, switch.instrument);
    let changed = KillSwitchChanged {
        strategy: StrategyId::NONE,
        limits_version: 1,
        account,
        instrument,
        engaged: true,
    };
    assert_eq!(events[0], changed.into());
    let mut all = canceled(&events);
    let mut sizes = vec![all.len()];
    while desk.machine().continuation().is_some() {
        assert_eq!(desk.core.next_due(), Some(TimeNs::UNKNOWN), "it goes on at once");
        let record = desk.core.next_internal(TimeNs::UNKNOWN).expect("a continuation is owed");
        let tickwerk_domain::Payload::Command(Command::Continue(command)) = record.payload else {
            panic!("{record:?} goes before the continuation");
        };
        let after = desk.machine().continuation().map(|pending| pending.after);
        assert_eq!((Some(command.after), command.started_by), (after, started_by));
        let frames = desk.settle(0);
        for (command, events) in frames {
            assert!(matches!(command, Command::Continue(_)));
            sizes.push(events.len());
            all.extend(canceled(&events));
        }
    }
    assert_eq!(all, expected);
    sizes
}

#[test]
fn two_hundred_orders_are_cancelled_in_order_of_id_over_several_frames() {
    let (mut desk, orders) = with_orders(200);
    let ids: Vec<_> = orders.iter().map(|(id, ..)| *id).collect();
    // One event of the first frame tells of the switch, and one of each stays free for the digest.
    assert_eq!(check(&mut desk, kill(AccountId(0), InstrumentId(0)), &ids), [62, 63, 63, 12]);
}

#[test]
fn only_orders_of_the_scope_are_cancelled() {
    let (mut desk, orders) = with_orders(200);
    let of_bob: Vec<_> =
        orders.iter().filter(|(_, account, _)| *account == BOB).map(|(id, ..)| *id).collect();
    check(&mut desk, kill(BOB, InstrumentId(0)), &of_bob);
    let (mut desk, orders) = with_orders(200);
    let is_meant = |order: &&(OrderId, AccountId, InstrumentId)| order.1 == ALICE && order.2 == LINEAR;
    let of_both: Vec<_> = orders.iter().filter(is_meant).map(|(id, ..)| *id).collect();
    check(&mut desk, kill(ALICE, LINEAR), &of_both);
}

#[test]
fn orders_that_are_done_or_on_their_way_out_are_left_alone() {
    let (mut desk, orders) = with_orders(6);
    desk.apply(report(orders[0].0, ReportKind::Canceled, None));
    desk.apply(cancel(orders[2].0));
    let left = [1, 3, 4, 5].map(|index: usize| orders[index].0);
    check(&mut desk, kill(AccountId(0), InstrumentId(0)), &left);
}

#[test]
fn more_steps_than_one_command_may_take_are_split_too() {
    let (mut desk, orders) = with_orders(2_500);
    let last: Vec<_> = orders.iter().rev().take(1).map(|(id, ..)| *id).collect();
    desk.apply(NewOrder { account: BOB, ..limit_order(SPOT, Side::Buy, 9_000, 10) });
    for (id, account, _) in &orders[..2_499] {
        desk.apply(tickwerk_domain::command::CancelOrder { account: *account, ..cancel(*id) });
    }
    let account = orders[2_499].1;
    assert_eq!(account, BOB);
    let newest = desk.machine().orders().open().last().map(|order| order.id).unwrap();
    check(&mut desk, kill(AccountId(0), InstrumentId(0)), &[last[0], newest]);
}

#[test]
fn a_continue_that_nobody_owes_is_refused() {
    let mut desk = Desk::with_quotes();
    let foreign = Continue { after: 3, started_by: Sequence(2), kind: ContinueKind::KillSwitch };
    let refused = CommandRefused {
        value: 0,
        reason: Reject::ScopeInvalid.code(),
        command_type: 0x0804,
        text: TextId::NONE,
    };
    assert_eq!(desk.apply(foreign), [refused.into()]);
}
