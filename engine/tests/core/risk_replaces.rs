//! Every limit that refuses holds at each of its scopes, for a replace as for a new order; the same across a restart.

use super::desk::{ALICE, Desk, LINEAR, USD, USD_START, fill, limit_order, quote, transfer};
use super::risk_support::{desk, outcome};
use tickwerk_domain::command::{LimitSet, ReplaceOrder};
use tickwerk_domain::{
    AccountId, ClientOrderId, Event, InstrumentId, LimitKind, OrderId, Price, Qty, Reject,
    SelfTradePrevention, Side, StrategyId, TextId,
};
use tickwerk_engine::risk::scopes::{Scopes, scopes_of};

/// The scopes of an account in a market, with the numbers that name them.
const PLACES: [(Scopes, AccountId, InstrumentId); 4] = [
    (Scopes::GLOBAL, AccountId(0), InstrumentId(0)),
    (Scopes::ACCOUNT, ALICE, InstrumentId(0)),
    (Scopes::INSTRUMENT, AccountId(0), LINEAR),
    (Scopes::PAIR, ALICE, LINEAR),
];

/// How a limit stops an order of 1,000 at 10,010, and the replace that makes one of it.
struct Stop {
    value: i64,
    /// What is done once it is set.
    after: fn(&mut Desk),
    order: Option<Reject>,
    replace: Option<Reject>,
}

fn both(value: i64, reason: Reject) -> Stop {
    Stop { value, after: |_| (), order: Some(reason), replace: Some(reason) }
}

fn breaker(value: i64, after: fn(&mut Desk)) -> Stop {
    let reason = Some(Reject::BreakerTripped);
    Stop { value, after, order: reason, replace: reason }
}

fn trade(desk: &mut Desk, side: Side, price: i64) {
    let id = desk.next_id();
    assert_eq!(outcome(desk, limit_order(LINEAR, side, 10_000, 10)), None);
    desk.apply(fill(id, 1, price, 10, 0));
}

/// `None` for what refuses nothing.
fn stop(kind: LimitKind) -> Option<Stop> {
    let only = |order, replace| Stop { value: 0, after: |_| (), order, replace };
    Some(match kind {
        LimitKind::OrderQuantity => both(995, Reject::QuantityAboveLimit),
        LimitKind::OrderQuantityMin => both(1_005, Reject::QuantityBelowMinimum),
        LimitKind::OrderNotional => both(1_000_000, Reject::NotionalAboveLimit),
        LimitKind::PositionQuantity => both(995, Reject::PositionAboveLimit),
        LimitKind::PriceCollar => both(50_000, Reject::PriceOutsideCollar),
        LimitKind::GrossExposure => both(999_999, Reject::GrossExposureAboveLimit),
        LimitKind::NetExposure => both(999_999, Reject::NetExposureAboveLimit),
        LimitKind::Leverage => both(9_999, Reject::LeverageAboveLimit),
        LimitKind::MarketAge => both(1, Reject::StaleMarket),
        LimitKind::Credit => {
            let poor = |desk: &mut Desk| drop(desk.apply(transfer(ALICE, USD, 60_000 - USD_START)));
            Stop { after: poor, ..both(0, Reject::InsufficientBuyingPower) }
        }
        LimitKind::SelfTrade => {
            let rests = |desk: &mut Desk| {
                assert_eq!(outcome(desk, limit_order(LINEAR, Side::Sell, 10_010, 10)), None);
            };
            let mode = SelfTradePrevention::CancelTaker as i64;
            Stop { after: rests, ..both(mode, Reject::SelfTrade) }
        }
        // A replace opens no order, and each has a rate of its own.
        LimitKind::OpenOrders => only(Some(Reject::OpenOrdersAboveLimit), None),
        LimitKind::OrderRate => only(Some(Reject::OrderRateAboveLimit), None),
        LimitKind::ReplaceRate => only(None, Some(Reject::ReplaceRateAboveLimit)),
        LimitKind::StaleFeed => breaker(1, |_| ()),
        LimitKind::DailyLoss | LimitKind::Drawdown => breaker(1, |desk| {
            trade(desk, Side::Buy, 10_000);
            desk.apply(quote(LINEAR, 8_990, 9_010));
        }),
        LimitKind::LossStreak => breaker(1, |desk| {
            trade(desk, Side::Buy, 10_000);
            trade(desk, Side::Sell, 9_000);
        }),
        LimitKind::OrderToTrade => breaker(1, |desk| {
            desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 10));
        }),
        LimitKind::RejectStorm => breaker(1, |desk| {
            desk.apply(limit_order(LINEAR, Side::Buy, 10_001, 10));
        }),
        LimitKind::CancelRate | LimitKind::CoolDown | LimitKind::AlertFraction => return None,
    })
}

/// An open order of 500 under a limit that is set for a scope, and whatever leads to its being passed.
fn ready(
    kind: LimitKind,
    stop: &Stop,
    place: (Scopes, AccountId, InstrumentId),
    restarts: bool,
) -> (Desk, OrderId) {
    let mut desk = desk();
    let id = desk.next_id();
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Buy, 10_000, 500)), None);
    let (_, account, instrument) = place;
    let (value, strategy, reason) = (stop.value, StrategyId::NONE, TextId::NONE);
    let events = desk.apply(LimitSet { value, account, instrument, strategy, reason, kind });
    assert!(matches!(events[..], [Event::LimitChanged(_)]), "{kind}: {events:?}");
    (stop.after)(&mut desk);
    (if restarts { desk.restarted() } else { desk }, id)
}

/// Why a replace of an order is refused.
fn replaced(desk: &mut Desk, order: OrderId) -> Option<Reject> {
    let (price, qty, trigger_price, display_qty) = (Price(10_010), Qty(1_000), Price(0), Qty::ZERO);
    let (account, client_order_id) = (ALICE, ClientOrderId::NONE);
    let version = desk.machine().settings().version();
    let before = *desk.machine().positions().get(ALICE, LINEAR);
    let events =
        desk.apply(ReplaceOrder { order, price, qty, trigger_price, display_qty, account, client_order_id });
    let refused =
        events.iter().find_map(|event| if let Event::ReplaceRejected(of) = event { Some(*of) } else { None });
    let after = *desk.machine().positions().get(ALICE, LINEAR);
    let Some(refused) = refused else {
        let approved = events.iter().find_map(|event| {
            if let Event::OrderApproved(of) = event {
                Some((of.limits_version, of.worst_long.0))
            } else {
                None
            }
        });
        assert_eq!(approved, Some((version, after.worst_long())), "told with the exposure after it");
        assert!(events.iter().any(|event| matches!(event, Event::ReplaceSubmitted(_))), "{events:?}");
        return None;
    };
    assert_eq!((refused.order, refused.limits_version), (order, version));
    let figures = |position: tickwerk_engine::positions::Position| {
        (position.qty, position.open_buys, position.open_sells, position.margin)
    };
    assert_eq!(figures(before), figures(after), "a refused replace changes nothing");
    Reject::from_code(refused.reason)
}

/// Whether a limit holds at all its scopes for whatever `ask` does.
fn check(expected: impl Fn(&Stop) -> Option<Reject>, ask: impl Fn(&mut Desk, OrderId) -> Option<Reject>) {
    let mut refused = 0;
    for kind in LimitKind::ALL {
        let Some(stop) = stop(*kind) else { continue };
        for place in PLACES.into_iter().filter(|(scope, ..)| scopes_of(*kind).contains(*scope)) {
            for restarts in [false, true] {
                let (mut desk, id) = ready(*kind, &stop, place, restarts);
                let scope = place.0.names().next();
                assert_eq!(
                    ask(&mut desk, id),
                    expected(&stop),
                    "{kind} for {scope:?}, restarted: {restarts}"
                );
                refused += usize::from(expected(&stop).is_some());
            }
        }
    }
    assert!(refused > 60, "{refused} cases refuse");
}

#[test]
fn a_limit_refuses_a_new_order_at_each_of_its_scopes() {
    check(
        |stop| stop.order,
        |desk, _| outcome(desk, limit_order(LINEAR, Side::Buy, 10_010, 1_000)).map(|(reason, ..)| reason),
    );
}

#[test]
fn a_limit_refuses_a_replace_at_each_of_its_scopes() {
    check(|stop| stop.replace, replaced);
}
