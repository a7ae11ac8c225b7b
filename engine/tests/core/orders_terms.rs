//! Which terms an order may have, each refusal with its reason.

use super::desk::{ALICE, Desk, SPOT, limit_order, market_order, types};
use super::orders_support::{enter, lasting, limit, reason_of, stop, triggered};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{
    Event, LimitKind, OrderType, Price, Qty, Reject, Side, TimeInForce, TimeNs, TrailUnit,
};

fn check(order: NewOrder, reason: Reject) {
    let mut desk = Desk::with_quotes();
    let (id, events) = enter(&mut desk, order);
    assert_eq!(types(&events), ["risk.order_refused", "order.rejected"], "{order:?}");
    assert_eq!(reason_of(&events), reason as u16, "{order:?}");
    assert_eq!(desk.machine().orders().open_count(), 0);
    assert!(desk.machine().orders().by_id(id).is_some());
}

fn trailing(unit: TrailUnit, offset: i64) -> NewOrder {
    NewOrder {
        trail_offset: offset,
        trail_unit: unit,
        ..triggered(OrderType::TrailingStop, Side::Sell, 0, 0, 100)
    }
}

#[test]
fn terms_that_do_not_fit_the_type_are_refused() {
    let buy = limit(Side::Buy, 9_000, 100);
    let market = market_order(SPOT, Side::Buy, 100);
    check(lasting(market, TimeInForce::Gtc), Reject::TermsInvalid);
    check(lasting(market, TimeInForce::Day), Reject::TermsInvalid);
    check(NewOrder { post_only: true, ..market }, Reject::TermsInvalid);
    check(NewOrder { post_only: true, ..lasting(buy, TimeInForce::Ioc) }, Reject::TermsInvalid);
    check(NewOrder { trail_offset: 5, ..buy }, Reject::TermsInvalid);
    check(NewOrder { trigger_price: Price(9_000), ..buy }, Reject::TermsInvalid);
    check(NewOrder { trail_offset: 5, ..stop(Side::Buy, 10_100, 100) }, Reject::TermsInvalid);
    check(NewOrder { quantity_in_quote: true, ..buy }, Reject::TermsInvalid);
    check(lasting(stop(Side::Buy, 10_100, 100), TimeInForce::AtTheOpen), Reject::TermsInvalid);
    check(NewOrder { price: Price(10), ..stop(Side::Buy, 10_100, 100) }, Reject::PriceNotAllowed);
    check(triggered(OrderType::StopLimit, Side::Buy, 10_100, 0, 100), Reject::PriceNotPositive);
    check(stop(Side::Buy, 10_100, 0), Reject::QuantityNotPositive);
}

#[test]
fn triggers_are_positive_and_on_a_tick() {
    for trigger in [0, -10, 10_103, i64::MIN, i64::MAX] {
        check(stop(Side::Buy, trigger, 100), Reject::TriggerInvalid);
    }
    for (unit, offset) in [
        (TrailUnit::Price, 0),
        (TrailUnit::Price, -10),
        (TrailUnit::Price, 13),
        (TrailUnit::BasisPoints, 0),
        (TrailUnit::BasisPoints, 10_000),
        (TrailUnit::Ticks, 0),
        (TrailUnit::Ticks, i64::MAX),
    ] {
        check(trailing(unit, offset), Reject::TriggerInvalid);
    }
}

#[test]
fn what_is_shown_is_a_part_of_a_resting_order() {
    let buy = limit(Side::Buy, 9_000, 100);
    for qty in [-5, 3, 105, i64::MIN, i64::MAX] {
        check(NewOrder { display_qty: Qty(qty), ..buy }, Reject::DisplayQuantityInvalid);
    }
    let immediate = lasting(buy, TimeInForce::Ioc);
    check(NewOrder { display_qty: Qty(10), ..immediate }, Reject::DisplayQuantityInvalid);
    let mut desk = Desk::with_quotes();
    let (_, events) = enter(&mut desk, NewOrder { display_qty: Qty(10), post_only: true, ..buy });
    let Event::OrderSubmitted(order) = events[1] else { panic!("{events:?}") };
    assert_eq!((order.display_qty, order.post_only), (Qty(10), true));
}

#[test]
fn an_end_is_given_for_gtd_alone_and_lies_ahead() {
    let buy = limit(Side::Buy, 9_000, 100);
    check(lasting(buy, TimeInForce::Gtd), Reject::ExpiryInvalid);
    check(NewOrder { expires_at: TimeNs(5), ..lasting(buy, TimeInForce::Gtd) }, Reject::ExpiryInvalid);
    check(NewOrder { expires_at: TimeNs(u64::MAX), ..buy }, Reject::ExpiryInvalid);
    check(NewOrder { expires_at: TimeNs(u64::MAX), ..lasting(buy, TimeInForce::Day) }, Reject::ExpiryInvalid);
}

/// The quantity that a market order for an amount of money enters with.
fn quantity(side: Side, amount: i64, collar: i64) -> Result<i64, u16> {
    let mut desk = Desk::with_quotes();
    desk.apply(super::desk::limit(LimitKind::PriceCollar, ALICE, SPOT, collar));
    let order = NewOrder { quantity_in_quote: true, ..market_order(SPOT, side, amount) };
    let (_, events) = enter(&mut desk, order);
    events
        .iter()
        .find_map(|event| if let Event::OrderSubmitted(order) = event { Some(order.qty.0) } else { None })
        .ok_or_else(|| reason_of(&events))
}

#[test]
fn an_amount_of_money_buys_no_more_than_it_pays_for() {
    // One bitcoin is 100,000 units and costs 100.10, which is 1,001,000 in ten thousandths of a dollar.
    assert_eq!(quantity(Side::Buy, 1_001_000, -1), Ok(100_000));
    assert_eq!(quantity(Side::Buy, 1_000_999, -1), Ok(99_995));
    assert_eq!(quantity(Side::Buy, 1_001_000, 100_000_000), Ok(50_000), "the collar doubles the price");
    assert_eq!(quantity(Side::Sell, 999_000, -1), Ok(100_000));
    assert_eq!(quantity(Side::Buy, 90, -1), Err(Reject::QuantityBelowMinimum as u16));
    assert_eq!(quantity(Side::Buy, 0, -1), Err(Reject::QuantityNotPositive as u16));
    assert_eq!(quantity(Side::Buy, i64::MIN, -1), Err(Reject::QuantityNotPositive as u16));
    assert_eq!(quantity(Side::Buy, i64::MAX, -1), Err(Reject::InsufficientBuyingPower as u16));
}

#[test]
fn a_full_index_of_triggers_refuses_and_remembers_nothing() {
    let mut desk = Desk::with_quotes();
    for _ in 0..tickwerk_engine::limits::TRIGGERS_PER_PRICE_MAX {
        desk.apply(stop(Side::Buy, 10_100, 10));
    }
    let (id, events) = enter(&mut desk, stop(Side::Buy, 10_100, 10));
    assert_eq!(
        (types(&events), reason_of(&events)),
        (vec!["risk.order_refused", "order.rejected"], Reject::StoreFull as u16)
    );
    assert!(desk.machine().orders().by_id(id).is_none());
    assert_eq!(reason_of(&enter(&mut desk, stop(Side::Sell, 9_900, 10)).1), 0);
    for _ in 0..tickwerk_engine::limits::TRAILING_PER_INSTRUMENT_MAX {
        assert_eq!(reason_of(&desk.apply(trailing(TrailUnit::Ticks, 5))), 0);
    }
    assert_eq!(reason_of(&desk.apply(trailing(TrailUnit::Ticks, 5))), Reject::StoreFull as u16);
    assert_eq!(reason_of(&desk.apply(limit_order(SPOT, Side::Buy, 9_000, 10))), 0);
}
