//! What the tests of risk rules share: an order's outcome, and each case once more across a restart.

use super::desk::{ALICE, BTC, BTC_START, Desk, INVERSE, LINEAR, SPOT, USD, quote, transfer};
use tickwerk_domain::command::{
    LimitSet, NewOrder, QuoteObserved, ReferenceCurrencySet, SimulatedVenueSet, StrategyDefined,
};
use tickwerk_domain::event::BreakerChanged;
use tickwerk_domain::{
    AccountId, BreakerKind, BreakerState, DurationNs, Event, InstrumentId, LimitKind, Reject, StrategyId,
    TextId,
};

/// Rule, limit and value seen of a refusal; `None` for an approval.
pub(crate) type Outcome = Option<(Reject, i128, i128)>;

/// What an order comes to; a refusal must name the order and the version of the limits.
pub(crate) fn outcome(desk: &mut Desk, order: NewOrder) -> Outcome {
    let id = desk.next_id();
    let version = desk.machine().settings().version();
    let events = desk.apply(order);
    let refused = events
        .iter()
        .find_map(|event| if let Event::OrderRefused(refused) = event { Some(*refused) } else { None });
    let Some(refused) = refused else {
        assert!(events.iter().any(|event| matches!(event, Event::OrderSubmitted(_))), "{events:?}");
        return None;
    };
    assert!(!events.iter().any(|event| matches!(event, Event::OrderSubmitted(_))));
    assert_eq!((refused.order, refused.limits_version), (id, version));
    assert_eq!(
        (refused.account, refused.instrument, refused.side),
        (order.account, order.instrument, order.side)
    );
    let reason = Reject::from_code(refused.reason).expect("a known reason");
    Some((reason, refused.limit.get(), refused.observed.get()))
}

/// A desk with quotes and a reference currency, where Alice has dollars only and the venue is years away: what it would
/// say is told by the tests.
pub(crate) fn desk() -> Desk {
    let mut desk = Desk::with_quotes();
    for instrument in [SPOT, LINEAR, INVERSE] {
        desk.apply(SimulatedVenueSet::touch(instrument, DurationNs(100_000_000_000_000_000)));
    }
    desk.apply(ReferenceCurrencySet { currency: USD });
    desk.apply(transfer(ALICE, BTC, -BTC_START));
    desk
}

/// Each order meets a fresh desk that was made ready, and once more one that was restarted just before.
pub(crate) fn check(ready: impl Fn(&mut Desk), cases: &[(NewOrder, Outcome)]) {
    for (order, expected) in cases {
        for is_restarted in [false, true] {
            let mut desk = desk();
            ready(&mut desk);
            if is_restarted {
                desk = desk.restarted();
            }
            assert_eq!(outcome(&mut desk, *order), *expected, "{order:?}, restarted: {is_restarted}");
        }
    }
}

/// A limit of Alice.
pub(crate) fn alices(kind: LimitKind, value: i64) -> LimitSet {
    let (account, instrument) = (ALICE, InstrumentId::NONE);
    LimitSet { value, account, instrument, strategy: StrategyId::NONE, reason: TextId::NONE, kind }
}

pub(crate) const STRATEGY: StrategyId = StrategyId(7);

/// A limit of the strategy.
pub(crate) fn strategys(kind: LimitKind, value: i64) -> LimitSet {
    LimitSet { account: AccountId::NONE, strategy: STRATEGY, ..alices(kind, value) }
}

/// A strategy of Alice that buys `size` when the market rises, and sells it when it falls.
pub(crate) fn ema(size: i64) -> StrategyDefined {
    StrategyDefined {
        parameters: [2, 5, size, 0, 0, 0, 0, 0],
        strategy: STRATEGY,
        name: TextId::NONE,
        account: ALICE,
        instrument: SPOT,
        kind: 1,
        enabled: true,
    }
}

/// Shows a rising market until the strategy speaks.
pub(crate) fn rise(desk: &mut Desk) -> Vec<Event> {
    speaks(desk, |step| quote(SPOT, 9_990 + 10 * step, 10_010 + 10 * step))
}

/// Shows a falling market until the strategy speaks.
pub(crate) fn fall(desk: &mut Desk) -> Vec<Event> {
    speaks(desk, |step| quote(SPOT, 9_900 - 50 * step, 9_920 - 50 * step))
}

fn speaks(desk: &mut Desk, quote: impl Fn(i64) -> QuoteObserved) -> Vec<Event> {
    let spoken = (0..20).map(|step| desk.feed(quote(step))).find(|events| !events.is_empty());
    spoken.expect("a trend gives a signal")
}

/// Moves of breakers: kind, from, to, limit and value seen.
pub(crate) type Move = (BreakerKind, BreakerState, BreakerState, i128, i128);

pub(crate) fn moves(events: &[Event]) -> Vec<Move> {
    changes(events).iter().map(|of| (of.kind, of.from, of.state, of.limit.get(), of.observed.get())).collect()
}

pub(crate) fn changes(events: &[Event]) -> Vec<BreakerChanged> {
    let changed = |event: &Event| if let Event::BreakerChanged(of) = event { Some(*of) } else { None };
    events.iter().filter_map(changed).collect()
}
