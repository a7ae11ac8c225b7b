//! Where risk rules meet what others changed: the reference currency, orders that wait uncounted, a new day.

use super::desk::{BTC, Desk, LINEAR, USD, limit_order};
use super::money_kit::accept;
use super::orders_support::{limit, linked, stop};
use super::risk_support::{alices, desk, moves, outcome};
use tickwerk_domain::command::{ConversionSet, ReferenceCurrencySet};
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{Contingency, InstrumentId, LimitKind, Rate, Reject, Side};

/// Figures of one currency are no loss in another.
#[test]
fn another_reference_currency_is_no_loss() {
    let mut desk = desk();
    let rate = |currency, rate| ConversionSet { rate: Rate(rate), currency, instrument: InstrumentId::NONE };
    accept(&mut desk, rate(BTC, 20_000 * Rate::ONE.0));
    accept(&mut desk, rate(USD, Rate::ONE.0 / 20_000));
    accept(&mut desk, alices(LimitKind::DailyLoss, 1_000_000));
    accept(&mut desk, alices(LimitKind::Drawdown, Rate::ONE.0 / 10));
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Buy, 10_000, 10)), None);
    accept(&mut desk, ReferenceCurrencySet { currency: BTC });
    let events = desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 10));
    assert_eq!(moves(&events), []);
}

/// An order that waits for its parent counts among the open ones, so it keeps to their limit, and takes a token.
#[test]
fn children_keep_to_the_limits_of_orders() {
    let parent = |desk: &mut Desk| {
        accept(desk, linked(limit(Side::Buy, 9_000, 100), 5, Contingency::Parent));
        accept(desk, linked(stop(Side::Sell, 8_000, 100), 5, Contingency::BracketExit));
    };
    let child = linked(stop(Side::Sell, 8_500, 100), 5, Contingency::BracketExit);
    let held = |kind, value: i64| {
        let mut desk = desk();
        parent(&mut desk);
        accept(&mut desk, alices(kind, value));
        let id = desk.next_id();
        desk.apply(child);
        desk.machine().orders().by_id(id).map(|order| order.reason)
    };
    assert_eq!(held(LimitKind::OpenOrders, 3), Some(ReasonCode::default()));
    assert_eq!(held(LimitKind::OpenOrders, 2), Some(Reject::OpenOrdersAboveLimit.code()));
    let mut desk = desk();
    accept(&mut desk, alices(LimitKind::OrderRate, 2));
    parent(&mut desk);
    let id = desk.next_id();
    desk.apply(child);
    let reason = desk.machine().orders().by_id(id).map(|order| order.reason);
    assert_eq!(reason, Some(Reject::OrderRateAboveLimit.code()));
}
