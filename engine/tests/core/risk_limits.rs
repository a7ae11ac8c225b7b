//! Each rule with a limit of its own: at the limit, one below, one above, and the same across a restart.

use super::desk::{
    ALICE, BOB, Desk, INVERSE, LINEAR, SPOT, USD, USD_START, cancel, fill, limit, limit_order, market_order,
    named, quote, transfer, types,
};
use super::risk_support::{Outcome, alices, check, desk, outcome};
use tickwerk_domain::command::{AccountStateSet, CancelOrder, LimitSet, NewOrder, ReplaceOrder, SessionSet};
use tickwerk_domain::{
    AccountId, AccountState, ClientOrderId, Event, InstrumentId, LimitKind, OrderId, PositionEffect, Price,
    Qty, Reject, SelfTradePrevention, SessionState, Side, TextId, TimeNs,
};

fn buy(instrument: InstrumentId, qty: i64) -> NewOrder {
    limit_order(instrument, Side::Buy, 10_000, qty)
}

fn sell(instrument: InstrumentId, qty: i64) -> NewOrder {
    limit_order(instrument, Side::Sell, 10_000, qty)
}

/// An order that is filled whole at its price, without a fee.
fn trade(desk: &mut Desk, order: NewOrder) {
    let id = desk.next_id();
    assert_eq!(outcome(desk, order), None);
    desk.apply(fill(id, 1, order.price.0, order.qty.0, 0));
}

fn all(desk: &mut Desk, limits: impl IntoIterator<Item = LimitSet>) {
    for limit in limits {
        assert_eq!(types(&desk.apply(limit)), ["risk.limit_changed"], "{limit:?}");
    }
}

#[test]
fn the_smallest_quantity() {
    let cases = [
        (buy(SPOT, 15), Some((Reject::QuantityBelowMinimum, 20, 15))),
        (buy(SPOT, 20), None),
        (buy(SPOT, 25), None),
    ];
    check(|desk| all(desk, [limit(LimitKind::OrderQuantityMin, ALICE, SPOT, 20)]), &cases);
    let own = [(buy(SPOT, 10), None), (buy(SPOT, 5), Some((Reject::QuantityBelowMinimum, 10, 5)))];
    check(|desk| all(desk, [limit(LimitKind::OrderQuantityMin, ALICE, SPOT, 3)]), &own);
}

#[test]
fn the_age_of_market_data() {
    // An order comes a thousand nanoseconds after the command before it.
    for (age, expected) in [(1_001, None), (1_000, None), (999, Some((Reject::StaleMarket, 999, 1_000)))] {
        let ready = |desk: &mut Desk| {
            all(desk, [limit(LimitKind::MarketAge, ALICE, SPOT, age)]);
            desk.apply(quote(SPOT, 9_990, 10_010));
        };
        check(ready, &[(buy(SPOT, 10), expected)]);
    }
    let mut desk = desk();
    all(&mut desk, [limit(LimitKind::MarketAge, AccountId(0), InstrumentId(0), 2_000)]);
    desk.apply(quote(SPOT, 9_990, 10_010));
    assert_eq!(outcome(&mut desk, buy(SPOT, 10)), None);
    let old = outcome(&mut desk, NewOrder { account: BOB, ..buy(LINEAR, 10) });
    assert_eq!(old.map(|(reason, limit, _)| (reason, limit)), Some((Reject::StaleMarket, 2_000)));
}

#[test]
fn a_market_is_crossed_where_the_bid_reaches_the_ask() {
    let crossed = |ask, bid| Some((Reject::CrossedMarket, ask, bid));
    for (bid, expected) in
        [(9_990, None), (10_000, crossed(10_000, 10_000)), (10_010, crossed(10_000, 10_010))]
    {
        check(|desk| drop(desk.apply(quote(SPOT, bid, 10_000))), &[(buy(SPOT, 10), expected)]);
    }
}

#[test]
fn gross_exposure_adds_up_all_instruments_at_their_worst() {
    // 100.00 × 1.000 of the contract are 100.0000 dollars.
    let ready = |desk: &mut Desk| all(desk, [alices(LimitKind::GrossExposure, 1_000_000)]);
    let above = |seen| Some((Reject::GrossExposureAboveLimit, 1_000_000, seen));
    check(
        ready,
        &[
            (buy(LINEAR, 995), None),
            (sell(LINEAR, 1_000), None),
            (buy(LINEAR, 1_005), above(1_005_000)),
            (sell(LINEAR, 1_005), above(1_005_000)),
        ],
    );
    let with_spot = |desk: &mut Desk| {
        ready(desk);
        trade(desk, buy(SPOT, 30_000));
        assert_eq!(outcome(desk, buy(LINEAR, 300)), None);
    };
    let cases = [
        (buy(LINEAR, 395), None),
        (buy(LINEAR, 400), None),
        (buy(LINEAR, 405), above(1_005_000)),
        (sell(LINEAR, 700), None),
        (sell(LINEAR, 705), above(1_005_000)),
        (sell(SPOT, 30_000), None),
        (NewOrder { account: BOB, ..buy(LINEAR, 5_000) }, None),
    ];
    check(with_spot, &cases);
}

#[test]
fn net_exposure_takes_long_and_short_against_each_other() {
    let ready = |desk: &mut Desk| {
        all(desk, [alices(LimitKind::NetExposure, 1_000_000)]);
        trade(desk, buy(SPOT, 100_000));
    };
    let above = |seen| Some((Reject::NetExposureAboveLimit, 1_000_000, seen));
    check(
        ready,
        &[
            (buy(LINEAR, 10), above(1_010_000)),
            (sell(LINEAR, 1_995), None),
            (sell(LINEAR, 2_000), None),
            (sell(LINEAR, 2_005), above(1_005_000)),
        ],
    );
}

#[test]
fn leverage_is_gross_exposure_over_equity() {
    // A million dollars of equity at 0.0001 are a hundred dollars of exposure.
    let ready = |desk: &mut Desk| all(desk, [alices(LimitKind::Leverage, 10_000)]);
    let cases = [
        (buy(LINEAR, 995), None),
        (buy(LINEAR, 1_000), None),
        (buy(LINEAR, 1_005), Some((Reject::LeverageAboveLimit, 10_000, 10_050))),
    ];
    check(ready, &cases);
    let ruined = |desk: &mut Desk| {
        desk.apply(transfer(ALICE, USD, -USD_START));
        ready(desk);
    };
    check(ruined, &[(buy(LINEAR, 10), Some((Reject::LeverageAboveLimit, 10_000, i128::MAX)))]);
}

#[test]
fn exposure_that_no_rate_converts_is_refused_and_one_that_has_no_price_too() {
    let ready = |desk: &mut Desk| all(desk, [alices(LimitKind::GrossExposure, 1_000_000)]);
    check(
        |desk| {
            desk.apply(transfer(ALICE, super::desk::BTC, 1_000_000));
            ready(desk);
        },
        &[(buy(INVERSE, 10), Some((Reject::NoConversionRate, 0, 0)))],
    );
}

#[test]
fn what_only_reduces_passes_the_limits_of_exposure() {
    let ready = |desk: &mut Desk| {
        trade(desk, buy(LINEAR, 1_000));
        all(
            desk,
            [LimitKind::GrossExposure, LimitKind::NetExposure, LimitKind::Leverage]
                .map(|kind| alices(kind, 0)),
        );
        all(desk, [limit(LimitKind::PositionQuantity, ALICE, LINEAR, 0)]);
    };
    let opens = NewOrder { position_effect: PositionEffect::Open, ..sell(LINEAR, 500) };
    check(
        ready,
        &[
            (sell(LINEAR, 1_000), None),
            (sell(LINEAR, 1_005), Some((Reject::PositionAboveLimit, 0, 5))),
            (buy(LINEAR, 10), Some((Reject::PositionAboveLimit, 0, 1_010))),
            (opens, Some((Reject::GrossExposureAboveLimit, 0, 1_000_000))),
        ],
    );
}

#[test]
fn an_order_that_says_that_it_reduces_must() {
    let ready = |desk: &mut Desk| {
        trade(desk, buy(LINEAR, 100));
        assert_eq!(outcome(desk, limit_order(LINEAR, Side::Sell, 11_000, 60)), None);
    };
    let reduce_only = |order| NewOrder { reduce_only: true, ..order };
    let close = |order| NewOrder { position_effect: PositionEffect::Close, ..order };
    let mut cases: Vec<(NewOrder, Outcome)> = Vec::new();
    for marked in [reduce_only(sell(LINEAR, 40)), close(sell(LINEAR, 40))] {
        cases.push((marked, None));
        cases.push((NewOrder { qty: Qty(35), ..marked }, None));
        cases.push((NewOrder { qty: Qty(45), ..marked }, Some((Reject::ReduceOnly, 40, 45))));
        cases.push((NewOrder { side: Side::Buy, qty: Qty(10), ..marked }, Some((Reject::ReduceOnly, 0, 10))));
    }
    check(ready, &cases);
}

#[test]
fn credit_pays_for_what_cash_does_not() {
    // 100.00 × 1.00000 and 0.05 % of it are 1,000,500; a million is there.
    for (credit, expected) in
        [(501, None), (500, None), (499, Some((Reject::InsufficientBuyingPower, 499, 500)))]
    {
        let ready = |desk: &mut Desk| {
            desk.apply(transfer(ALICE, USD, 1_000_000 - USD_START));
            all(desk, [alices(LimitKind::Credit, credit)]);
        };
        check(ready, &[(buy(SPOT, 100_000), expected)]);
    }
    let mut desk = desk();
    desk.apply(transfer(ALICE, USD, 1_000_000 - USD_START));
    all(&mut desk, [alices(LimitKind::Credit, 1_000)]);
    assert_eq!(outcome(&mut desk, buy(SPOT, 100_000)), None);
    assert_eq!(outcome(&mut desk, buy(SPOT, 50)), None, "500 more, with no fee that is worth posting");
    assert_eq!(outcome(&mut desk, buy(SPOT, 10)), Some((Reject::InsufficientBuyingPower, 1_000, 1_100)));
    let sold = outcome(&mut desk, sell(SPOT, 10));
    assert_eq!(sold, Some((Reject::InsufficientBuyingPower, 0, 10_000)), "an asset is not sold on credit");
}

#[test]
fn the_order_rate_is_a_bucket_of_one_seconds_worth() {
    let ready = |desk: &mut Desk| {
        all(desk, [alices(LimitKind::OrderRate, 2)]);
        assert_eq!(outcome(desk, buy(SPOT, 10)), None);
    };
    check(ready, &[(buy(SPOT, 10), None), (NewOrder { account: BOB, ..buy(SPOT, 10) }, None)]);
    let full = |desk: &mut Desk| {
        ready(desk);
        assert_eq!(outcome(desk, buy(SPOT, 10)), None);
        assert_eq!(outcome(desk, buy(SPOT, 11)), Some((Reject::QuantityOffLot, 5, 11)), "takes no token");
    };
    check(full, &[(buy(SPOT, 10), Some((Reject::OrderRateAboveLimit, 2, 3)))]);
    // Two tokens a second: one is back half a second after the first order, a thousand before the second.
    for (wait, expected) in [(499_996_999, Some((Reject::OrderRateAboveLimit, 2, 3))), (499_997_000, None)] {
        let later = |desk: &mut Desk| {
            full(desk);
            desk.time += wait;
        };
        check(later, &[(buy(SPOT, 10), expected)]);
    }
    check(
        |desk| all(desk, [alices(LimitKind::OrderRate, 0)]),
        &[(buy(SPOT, 10), Some((Reject::OrderRateAboveLimit, 0, 1)))],
    );
}

#[test]
fn a_cancel_rate_raises_an_alert_and_blocks_nothing() {
    let mut desk = desk();
    all(&mut desk, [alices(LimitKind::CancelRate, 2)]);
    let ids: Vec<OrderId> = (0..4)
        .map(|_| {
            let id = desk.next_id();
            assert_eq!(outcome(&mut desk, buy(SPOT, 10)), None);
            id
        })
        .collect();
    assert_eq!(types(&desk.apply(cancel(ids[0]))), ["order.cancel_submitted"]);
    assert_eq!(types(&desk.apply(cancel(ids[1]))), ["order.cancel_submitted", "risk.alert"]);
    desk = desk.restarted();
    assert_eq!(types(&desk.apply(cancel(ids[2]))), ["order.cancel_submitted"]);
    desk.time += 2_000_000_000;
    let events = desk.apply(CancelOrder { account: ALICE, ..cancel(ids[3]) });
    assert_eq!(types(&events), ["order.cancel_submitted", "risk.alert"]);
    let Event::RiskAlert(cleared) = events[1] else { panic!("{events:?}") };
    assert_eq!((cleared.raised, cleared.kind), (false, LimitKind::CancelRate));
}

fn self_trade(mode: SelfTradePrevention) -> LimitSet {
    alices(LimitKind::SelfTrade, mode as i64)
}

#[test]
fn the_taker_of_a_self_trade_is_refused_where_prices_meet() {
    let at = |side, price| limit_order(SPOT, side, price, 10);
    let refused = |own, price| Some((Reject::SelfTrade, own, price));
    let ready = |desk: &mut Desk| {
        trade(desk, buy(SPOT, 1_000));
        all(desk, [self_trade(SelfTradePrevention::CancelTaker)]);
        assert_eq!(outcome(desk, at(Side::Sell, 10_100)), None);
        assert_eq!(outcome(desk, at(Side::Buy, 9_900)), None);
    };
    check(
        ready,
        &[
            (at(Side::Buy, 10_090), None),
            (at(Side::Buy, 10_100), refused(10_100, 10_100)),
            (at(Side::Buy, 10_110), refused(10_100, 10_110)),
            (at(Side::Sell, 9_910), None),
            (at(Side::Sell, 9_900), refused(9_900, 9_900)),
            (at(Side::Sell, 9_890), refused(9_900, 9_890)),
            (market_order(SPOT, Side::Sell, 10), refused(9_900, 0)),
            (NewOrder { account: BOB, ..at(Side::Buy, 10_110) }, None),
            (limit_order(LINEAR, Side::Buy, 10_110, 10), None),
        ],
    );
}

#[test]
fn a_price_that_is_gone_is_met_no_more() {
    let mut desk = desk();
    all(&mut desk, [self_trade(SelfTradePrevention::CancelTaker)]);
    let (best, next) = (desk.next_id(), limit_order(LINEAR, Side::Sell, 10_050, 10));
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Sell, 10_000, 10)), None);
    assert_eq!(outcome(&mut desk, next), None);
    desk.apply(fill(best, 1, 10_000, 10, 0));
    assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Buy, 10_040, 10)), None);
    let met = outcome(&mut desk, limit_order(LINEAR, Side::Buy, 10_050, 10));
    assert_eq!(met, Some((Reject::SelfTrade, 10_050, 10_050)));
}

#[test]
fn the_makers_of_a_self_trade_give_way_before_the_order_leaves() {
    let mut desk = desk();
    all(&mut desk, [self_trade(SelfTradePrevention::CancelMaker)]);
    let resting: Vec<OrderId> = [10_000, 10_050, 10_100]
        .map(|price| {
            let id = desk.next_id();
            assert_eq!(outcome(&mut desk, limit_order(LINEAR, Side::Sell, price, 10)), None);
            id
        })
        .to_vec();
    desk = desk.restarted();
    let events = desk.apply(limit_order(LINEAR, Side::Buy, 10_050, 10));
    let expected =
        ["risk.order_approved", "order.cancel_submitted", "order.cancel_submitted", "order.submitted"];
    assert_eq!(types(&events), expected);
    let canceled: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::CancelSubmitted(of) = event { Some(of.order) } else { None })
        .collect();
    assert_eq!(canceled, resting[..2]);
}

#[test]
fn both_orders_of_a_self_trade_end() {
    let mut desk = desk();
    all(&mut desk, [self_trade(SelfTradePrevention::CancelBoth)]);
    assert_eq!(outcome(&mut desk, sell(LINEAR, 10)), None);
    let events = desk.apply(buy(LINEAR, 10));
    assert_eq!(types(&events), ["risk.order_refused", "order.rejected", "order.cancel_submitted"]);
    assert_eq!(types(&desk.apply(named(buy(LINEAR, 10), "again"))), ["risk.order_refused", "order.rejected"]);
}

#[test]
fn more_makers_than_one_order_may_cancel_refuse_it() {
    let mut desk = desk();
    all(&mut desk, [self_trade(SelfTradePrevention::CancelMaker)]);
    for _ in 0..9 {
        assert_eq!(outcome(&mut desk, sell(LINEAR, 10)), None);
    }
    assert_eq!(outcome(&mut desk, buy(LINEAR, 10)), Some((Reject::SelfTrade, 10_000, 10_000)));
}

#[test]
fn an_approval_tells_the_gross_exposure_after_it_where_a_limit_asks() {
    for (limits, expected) in [(vec![], 0), (vec![alices(LimitKind::GrossExposure, 5_000_000)], 1_200_000)] {
        let mut desk = desk();
        all(&mut desk, limits);
        trade(&mut desk, buy(LINEAR, 1_000));
        let events = desk.apply(buy(LINEAR, 200));
        let Event::OrderApproved(approved) = events[0] else { panic!("{events:?}") };
        assert_eq!(approved.gross_exposure.get(), expected);
    }
}

fn replaced(desk: &mut Desk, order: OrderId, price: i64, qty: i64) -> Outcome {
    let (price, qty) = (Price(price), Qty(qty));
    let (trigger_price, display_qty) = (Price(0), Qty::ZERO);
    let (account, client_order_id) = (ALICE, ClientOrderId::NONE);
    let version = desk.machine().settings().version();
    let events =
        desk.apply(ReplaceOrder { order, price, qty, trigger_price, display_qty, account, client_order_id });
    let refusal = events
        .iter()
        .find_map(|event| if let Event::ReplaceRejected(of) = event { Some(*of) } else { None })?;
    assert_eq!((refusal.order, refusal.limits_version), (order, version));
    let reason = Reject::from_code(refusal.reason).expect("a known reason");
    Some((reason, refusal.limit.get(), refusal.observed.get()))
}

/// A replace of an order of 500 at 10,000, fresh and once more after a restart.
fn check_replace(ready: impl Fn(&mut Desk), cases: &[(i64, i64, Outcome)]) {
    for (price, qty, expected) in cases {
        for is_restarted in [false, true] {
            let mut desk = desk();
            let id = desk.next_id();
            assert_eq!(outcome(&mut desk, buy(LINEAR, 500)), None);
            ready(&mut desk);
            if is_restarted {
                desk = desk.restarted();
            }
            let before = desk.machine().positions().get(ALICE, LINEAR).open_buys;
            assert_eq!(replaced(&mut desk, id, *price, *qty), *expected, "{price} {qty}");
            if expected.is_some() {
                assert_eq!(desk.machine().positions().get(ALICE, LINEAR).open_buys, before);
            }
        }
    }
}

#[test]
fn a_replace_passes_the_same_rules_with_the_order_counted_as_gone() {
    let one = |kind, value| move |desk: &mut Desk| all(desk, [alices(kind, value)]);
    let pair = |kind, value| move |desk: &mut Desk| all(desk, [limit(kind, ALICE, LINEAR, value)]);
    let cases = |above: Outcome| [(10_000, 995, None), (10_000, 1_000, None), (10_000, 1_005, above)];
    check_replace(
        pair(LimitKind::PositionQuantity, 1_000),
        &cases(Some((Reject::PositionAboveLimit, 1_000, 1_005))),
    );
    check_replace(
        pair(LimitKind::OrderQuantity, 1_000),
        &cases(Some((Reject::QuantityAboveLimit, 1_000, 1_005))),
    );
    check_replace(
        pair(LimitKind::OrderNotional, 1_000_000),
        &cases(Some((Reject::NotionalAboveLimit, 1_000_000, 1_005_000))),
    );
    check_replace(
        one(LimitKind::GrossExposure, 1_000_000),
        &cases(Some((Reject::GrossExposureAboveLimit, 1_000_000, 1_005_000))),
    );
    check_replace(
        one(LimitKind::Leverage, 10_000),
        &cases(Some((Reject::LeverageAboveLimit, 10_000, 10_050))),
    );
    check_replace(one(LimitKind::OpenOrders, 1), &[(10_000, 505, None)]);
    check_replace(
        one(LimitKind::PriceCollar, 1_000_000),
        &[(10_100, 500, None), (10_110, 500, Some((Reject::PriceOutsideCollar, 10_100, 10_110)))],
    );
}

#[test]
fn the_replace_rate_is_a_bucket_of_its_own() {
    let mut desk = desk();
    all(&mut desk, [alices(LimitKind::ReplaceRate, 1), alices(LimitKind::OrderRate, 2)]);
    let ids = [desk.next_id(), OrderId(desk.next_id().0 + 3)];
    for id in ids {
        assert_eq!(desk.next_id(), id);
        assert_eq!(outcome(&mut desk, buy(LINEAR, 500)), None);
    }
    assert_eq!(replaced(&mut desk, ids[0], 9_990, 500), None);
    let mut desk = desk.restarted();
    assert_eq!(replaced(&mut desk, ids[1], 9_990, 500), Some((Reject::ReplaceRateAboveLimit, 1, 2)));
    desk.time += 1_000_000_000 - 2_000;
    assert_eq!(replaced(&mut desk, ids[1], 9_990, 500), None, "a second after the first");
}

#[test]
fn a_suspended_account_may_only_reduce_and_a_crossed_book_is_legal_in_an_auction() {
    let ready = |desk: &mut Desk| {
        trade(desk, buy(LINEAR, 100));
        desk.apply(AccountStateSet { account: ALICE, reason: TextId::NONE, state: AccountState::Suspended });
    };
    let refused = Some((Reject::AccountNotActive, 0, 0));
    check(ready, &[(sell(LINEAR, 100), None), (sell(LINEAR, 105), refused), (buy(LINEAR, 10), refused)]);
    let auction = |desk: &mut Desk| {
        for state in [SessionState::Closed, SessionState::PreOpen, SessionState::OpeningAuction] {
            let set = SessionSet { closes_at: TimeNs::UNKNOWN, instrument: LINEAR, state };
            assert_eq!(desk.apply(set), []);
        }
        desk.apply(quote(LINEAR, 10_010, 10_000));
    };
    check(auction, &[(limit_order(LINEAR, Side::Buy, 9_990, 10), None)]);
}
