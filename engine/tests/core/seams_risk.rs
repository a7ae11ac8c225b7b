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

/// What is kept of an account's worth holds on while the account changes how it counts positions and back.
#[test]
fn exposure_is_right_after_a_change_of_the_position_mode() {
    use super::desk::{ALICE, INVERSE, fill, quote};
    use super::money_kit::account;
    use tickwerk_domain::PositionMode::{Hedging, Netting};
    use tickwerk_domain::command::NewOrder;
    let mut desk = desk();
    accept(
        &mut desk,
        ConversionSet { rate: Rate(20_000 * Rate::ONE.0), currency: BTC, instrument: InstrumentId::NONE },
    );
    for kind in [LimitKind::DailyLoss, LimitKind::GrossExposure, LimitKind::NetExposure] {
        accept(&mut desk, alices(kind, 1 << 60));
    }
    accept(&mut desk, super::desk::transfer(ALICE, BTC, super::desk::BTC_START));
    let mut mid = 10_000;
    for mode in [Netting, Hedging, Netting, Hedging, Hedging, Netting] {
        accept(&mut desk, account(ALICE, mode));
        for (side, price) in
            [(Side::Buy, 10_000), (Side::Sell, 10_010), (Side::Sell, 10_020), (Side::Buy, 9_990)]
        {
            mid += 10;
            for market in [LINEAR, INVERSE] {
                accept(&mut desk, quote(market, mid - 10, mid + 10));
                let (id, order) = (desk.next_id(), limit_order(market, side, price, 100));
                let is_closing = price != 10_000 && price != 10_020 && mode == Hedging;
                let effect =
                    if is_closing { tickwerk_domain::PositionEffect::Close } else { order.position_effect };
                assert_eq!(
                    outcome(&mut desk, NewOrder { position_effect: effect, ..order }),
                    None,
                    "{mode} {side}"
                );
                accept(&mut desk, fill(id, 1, price, 100, 3));
                let equity = desk.machine().equity(ALICE);
                assert!(equity.is_some());
            }
        }
        assert_eq!(desk.machine().positions().open(ALICE).count(), 0);
    }
}
