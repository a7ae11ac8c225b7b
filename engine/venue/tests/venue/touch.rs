//! The plain settings: fills at the touch after one latency.

use super::desk::*;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::{Aggressor, Command, DurationNs, OrderType, Price, Qty, Side, TimeInForce, TimeNs};
use tickwerk_venue::VENUE_ORDERS_MAX;

#[test]
fn a_market_order_takes_what_the_touch_has_after_the_latency_and_the_rest_is_cancelled() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &market(7, Side::Buy, 1_000));
    assert_eq!(reports(&mut venue, 109), Vec::<String>::new());
    assert_eq!(
        reports(&mut venue, 110),
        ["110 7 accepted", "110 7 taker 300@10000", "110 7 canceled no_liquidity"]
    );
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn fees_are_charged_by_liquidity() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &market(7, Side::Buy, 300));
    venue.submit(TimeNs(10), &limit(8, Side::Buy, 9_990, 100));
    venue.next_report(TimeNs(110)).expect("it is accepted");
    let fee = |command| {
        let Command::FillReported(fill) = command else { panic!("not a fill: {command:?}") };
        fill.fee.get()
    };
    // 0.3 × 100.00 × 0.1 % = 0.03
    assert_eq!(venue.next_report(TimeNs(110)).map(|(_, _, fill)| fee(fill)), Some(3_000_000));
    venue.next_report(TimeNs(110)).expect("the other is accepted");
    venue.observe(TimeNs(300), INSTRUMENT, touch(9_980, 5, 9_990, 100));
    // 0.1 × 99.90 × 0.01 % = 0.000999
    assert_eq!(venue.next_report(TimeNs(400)).map(|(_, _, fill)| fee(fill)), Some(99_900));
}

#[test]
fn what_one_order_took_is_gone_until_the_touch_is_renewed() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    for id in [7, 8] {
        venue.submit(TimeNs(10), &order(id, Side::Buy, OrderType::Limit, TimeInForce::Ioc, 10_000, 200));
    }
    assert_eq!(
        reports(&mut venue, 200),
        [
            "110 7 accepted",
            "110 7 taker 200@10000",
            "110 8 accepted",
            "110 8 taker 100@10000",
            "110 8 canceled no_liquidity"
        ]
    );
}

#[test]
fn a_resting_order_is_filled_as_maker_at_its_own_price_by_price_and_arrival() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    for (id, price) in [(1, 9_985), (2, 9_990), (3, 9_990)] {
        venue.submit(TimeNs(10), &limit(id, Side::Buy, price, 100));
    }
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted", "110 2 accepted", "110 3 accepted"]);
    venue.observe(TimeNs(300), INSTRUMENT, touch(9_980, 5, 9_988, 150));
    assert_eq!(reports(&mut venue, 400), ["400 2 maker 100@9990", "400 3 maker 50@9990"]);
    assert_eq!(venue.open_orders(), 2);
}

#[test]
fn trades_and_levels_change_nothing() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_990, 100));
    reports(&mut venue, 200);
    let before = venue.digest();
    venue.trade(TimeNs(300), INSTRUMENT, Price(9_000), Qty(1_000), Aggressor::Seller);
    venue.level(INSTRUMENT, Side::Buy, level(9_990, 50));
    assert_eq!(reports(&mut venue, 900), Vec::<String>::new());
    assert_eq!(venue.digest(), before);
}

#[test]
fn a_cancel_takes_a_resting_order_out_and_is_refused_when_it_comes_too_late() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Sell, 10_010, 100));
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted"]);
    venue.cancel(TimeNs(200), &cancel(1));
    venue.cancel(TimeNs(201), &cancel(1));
    assert_eq!(reports(&mut venue, 400), ["300 1 canceled", "301 1 cancel_rejected venue_unknown_order"]);
    venue.observe(TimeNs(500), INSTRUMENT, touch(10_010, 500, 10_020, 300));
    assert_eq!(reports(&mut venue, 900), Vec::<String>::new());
}

#[test]
fn a_cancel_does_not_overtake_its_order_when_the_latency_falls() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Sell, 10_010, 100));
    venue.configure(&SimulatedVenueSet::touch(INSTRUMENT, DurationNs(1)));
    venue.cancel(TimeNs(20), &cancel(1));
    assert_eq!(reports(&mut venue, 50), Vec::<String>::new());
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted", "110 1 canceled"]);
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn the_end_of_an_order_is_not_told_before_its_fills() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Sell, 10_010, 100));
    venue.cancel(TimeNs(220), &cancel(1));
    assert_eq!(reports(&mut venue, 250), ["110 1 accepted"]);
    // The fill comes at 350; the cancel arrives at 320.
    venue.observe(TimeNs(250), INSTRUMENT, touch(10_010, 40, 10_020, 300));
    assert_eq!(reports(&mut venue, 900), ["320 silent", "350 1 maker 40@10010", "350 1 canceled"]);
}

#[test]
fn a_full_venue_loses_orders_and_goes_on() {
    let mut venue = venue();
    for id in 0..2 * VENUE_ORDERS_MAX as u64 {
        venue.submit(TimeNs(10), &limit(id + 1, Side::Buy, 9_000, 1));
    }
    assert_eq!(venue.open_orders(), VENUE_ORDERS_MAX);
    for id in 0..10 * VENUE_ORDERS_MAX as u64 {
        venue.cancel(TimeNs(10), &cancel(id + 1));
        venue.replace(TimeNs(10), &replace(id + 1, 9_000, 2));
    }
    while venue.next_report(TimeNs::MAX).is_some() {}
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn extreme_prices_rest_and_are_reached_in_their_order() {
    let mut venue = venue();
    for (id, price) in [(1, i64::MIN), (2, 5), (3, i64::MAX)] {
        venue.submit(TimeNs(10), &limit(id, Side::Sell, price, 1));
    }
    assert_eq!(reports(&mut venue, 110).len(), 3);
    venue.observe(TimeNs(200), INSTRUMENT, touch(i64::MIN, 5, 10, 5));
    assert_eq!(reports(&mut venue, 400), [format!("300 1 maker 1@{}", i64::MIN)]);
}

#[test]
fn the_digest_tells_orders_settings_and_what_was_before() {
    let mut one = venue();
    let mut seen = vec![one.digest()];
    one.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    seen.push(one.digest());
    one.submit(TimeNs(10), &limit(1, Side::Sell, 10_010, 100));
    seen.push(one.digest());
    reports(&mut one, 900);
    seen.push(one.digest());
    one.cancel(TimeNs(20), &cancel(1));
    assert_eq!(reports(&mut one, 900).len(), 1);
    // The order is gone, but the next one gets another number.
    seen.push(one.digest());
    one.configure(&SimulatedVenueSet { seed: 1, ..plain() });
    seen.push(one.digest());
    for (index, digest) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(digest), "{index}");
    }
}
