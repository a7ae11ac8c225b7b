//! For whom limits may be set, and in which values; and strategies, whose settings are their own.

use super::desk::{ALICE, BOB, Desk, LINEAR, SPOT, limit_order, types};
use super::risk_support::{STRATEGY, alices, desk, ema, fall, outcome, rise, strategys};
use tickwerk_domain::command::{KillSwitchSet, LimitSet, NewOrder, TradingStateSet};
use tickwerk_domain::{
    AccountId, Event, InstrumentId, LimitKind, Reject, Side, StrategyId, TextId, TradingState,
};
use tickwerk_engine::risk::scopes::{Scopes, scopes_of, values_of};

fn refusal(events: &[Event]) -> Option<(Reject, i64)> {
    match events {
        [Event::CommandRefused(refused)] => Reject::from_code(refused.reason).map(|of| (of, refused.value)),
        _ => None,
    }
}

#[test]
fn each_kind_takes_its_scopes_and_values_and_no_others() {
    let none = (AccountId(0), InstrumentId(0), StrategyId(0));
    let scopes = [
        (Scopes::GLOBAL, none),
        (Scopes::ACCOUNT, (ALICE, none.1, none.2)),
        (Scopes::INSTRUMENT, (none.0, SPOT, none.2)),
        (Scopes::PAIR, (ALICE, SPOT, none.2)),
        (Scopes::STRATEGY, (none.0, none.1, STRATEGY)),
    ];
    let mut desk = desk();
    desk.apply(ema(100));
    for kind in LimitKind::ALL {
        for (scope, (account, instrument, strategy)) in scopes {
            let (least, most) = (*values_of(*kind).start(), *values_of(*kind).end());
            let set = |value| LimitSet { value, account, instrument, strategy, ..alices(*kind, 0) };
            let before = desk.machine().settings().version();
            if !scopes_of(*kind).contains(scope) {
                let refused = refusal(&desk.apply(set(least)));
                assert_eq!(refused.map(|(reason, _)| reason), Some(Reject::ScopeInvalid), "{kind}");
                assert_eq!(desk.machine().settings().version(), before);
                continue;
            }
            assert_eq!(types(&desk.apply(set(least))), ["risk.limit_changed"], "{kind}");
            assert_eq!(types(&desk.apply(set(most))), ["risk.limit_changed"], "{kind}");
            let outside = [most.checked_add(1), least.checked_sub(1).filter(|value| *value >= 0)];
            for value in outside.into_iter().flatten() {
                assert_eq!(
                    refusal(&desk.apply(set(value))),
                    Some((Reject::ValueOutOfRange, value)),
                    "{kind}"
                );
            }
            let events = desk.apply(set(-7));
            let Event::LimitChanged(changed) = events[0] else { panic!("{events:?}") };
            assert_eq!((changed.previous, changed.value), (most, -1));
            assert_eq!(changed.limits_version, before + 3);
        }
    }
    assert_eq!(desk.machine().settings().all().count(), 0, "all was taken away");
    desk.restarted();
}

#[test]
fn a_strategy_stands_alone_and_must_be_known() {
    let mut desk = desk();
    let limit = strategys(LimitKind::OrderRate, 5);
    assert_eq!(refusal(&desk.apply(limit)), Some((Reject::ScopeInvalid, 7)));
    desk.apply(ema(100));
    assert_eq!(types(&desk.apply(limit)), ["risk.limit_changed"]);
    for (account, instrument) in [(ALICE, InstrumentId(0)), (AccountId(0), SPOT)] {
        assert_eq!(
            refusal(&desk.apply(LimitSet { account, instrument, ..limit })),
            Some((Reject::ScopeInvalid, 7))
        );
    }
    for strategy in [64, u32::MAX] {
        let unknown = LimitSet { strategy: StrategyId(strategy), ..limit };
        assert_eq!(refusal(&desk.apply(unknown)), Some((Reject::ScopeInvalid, strategy.into())));
    }
}

/// Rule, limit and value seen of the strategy's refused order; `None` for one that left.
fn spoken(events: &[Event]) -> Option<(Reject, i128, i128)> {
    let refused = events
        .iter()
        .find_map(|event| if let Event::OrderRefused(refused) = event { Some(refused) } else { None });
    if refused.is_none() {
        assert!(types(events).contains(&"order.submitted"), "{events:?}");
    }
    refused.map(|refused| {
        assert_eq!(refused.strategy, STRATEGY);
        (
            Reject::from_code(refused.reason).expect("a known reason"),
            refused.limit.get(),
            refused.observed.get(),
        )
    })
}

#[test]
fn a_strategys_limits_hold_for_its_orders_alone() {
    let cases = [
        (LimitKind::OrderQuantity, 100, None),
        (LimitKind::OrderQuantity, 95, Some((Reject::QuantityAboveLimit, 95, 100))),
        (LimitKind::OrderQuantityMin, 100, None),
        (LimitKind::OrderQuantityMin, 105, Some((Reject::QuantityBelowMinimum, 105, 100))),
        // Its order of 0.00100 is bought at 100.60.
        (LimitKind::OrderNotional, 1_100, None),
        (LimitKind::OrderNotional, 900, Some((Reject::NotionalAboveLimit, 900, 1_006))),
        (LimitKind::PositionQuantity, 100, None),
        (LimitKind::PositionQuantity, 95, Some((Reject::PositionAboveLimit, 95, 100))),
        (LimitKind::OrderRate, 1, None),
        (LimitKind::OrderRate, 0, Some((Reject::OrderRateAboveLimit, 0, 1))),
    ];
    for (kind, value, expected) in cases {
        for is_restarted in [false, true] {
            let mut desk = desk();
            desk.apply(ema(100));
            desk.apply(strategys(kind, value));
            if is_restarted {
                desk = desk.restarted();
            }
            assert_eq!(outcome(&mut desk, limit_order(SPOT, Side::Buy, 9_000, 200)), None, "a client's");
            assert_eq!(spoken(&rise(&mut desk)), expected, "{kind} {value}");
        }
    }
}

#[test]
fn a_strategy_closes_what_it_holds_at_its_position_limit() {
    let mut desk = desk();
    desk.apply(ema(100));
    desk.apply(strategys(LimitKind::PositionQuantity, 100));
    assert_eq!(spoken(&rise(&mut desk)), None);
    assert_eq!(desk.settle(u64::MAX).len(), 2, "accepted and filled");
    assert_eq!(spoken(&fall(&mut desk)), None);
}

#[test]
fn a_strategys_switches_stop_it_and_cancel_what_it_has_open() {
    let state = |state| TradingStateSet {
        account: AccountId(0),
        instrument: InstrumentId(0),
        strategy: STRATEGY,
        reason: TextId::NONE,
        state,
    };
    let kill = |engaged| KillSwitchSet {
        account: AccountId(0),
        instrument: InstrumentId(0),
        strategy: STRATEGY,
        reason: TextId::NONE,
        engaged,
    };
    let mut desk = desk();
    desk.apply(ema(100));
    desk.apply(state(TradingState::Halted));
    assert_eq!(spoken(&rise(&mut desk)), Some((Reject::TradingHalted, 0, 0)));
    let mut desk = with_killed(kill(true));
    assert_eq!(spoken(&rise(&mut desk)), Some((Reject::KillSwitch, 0, 0)));

    let mut desk = self::desk();
    desk.apply(ema(100));
    let others = [desk.next_id(), desk.next_id()];
    assert_eq!(outcome(&mut desk, limit_order(SPOT, Side::Buy, 9_000, 10)), None);
    let events = rise(&mut desk);
    let submitted = events
        .iter()
        .find_map(|event| if let Event::OrderSubmitted(order) = event { Some(order.order) } else { None });
    let events = desk.apply(kill(true));
    assert_eq!(types(&events), ["risk.kill_switch_changed", "order.cancel_submitted"]);
    let Event::CancelSubmitted(canceled) = events[1] else { panic!("{events:?}") };
    assert_eq!(Some(canceled.order), submitted);
    assert!(!others.contains(&canceled.order));
    assert_eq!(
        outcome(&mut desk, NewOrder { account: BOB, ..limit_order(LINEAR, Side::Buy, 9_000, 10) }),
        None
    );
}

fn with_killed(switch: KillSwitchSet) -> Desk {
    let mut desk = desk();
    desk.apply(ema(100));
    desk.apply(switch);
    desk.restarted()
}
