//! Sessions: orders gather for an auction, and its price is that of the first trade or touch after it.

use super::desk::*;
use tickwerk_domain::{Aggressor, OrderType, Price, Qty, SessionState, Side, TimeInForce, TimeNs};
use tickwerk_venue::SimulatedVenue;

const AT_OPEN: TimeInForce = TimeInForce::AtTheOpen;
const AT_CLOSE: TimeInForce = TimeInForce::AtTheClose;

/// Before the open, with orders that gather.
fn before_the_open() -> SimulatedVenue {
    let mut venue = venue();
    venue.session(TimeNs(5), INSTRUMENT, SessionState::PreOpen);
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 50, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 10_010, 100));
    venue.submit(TimeNs(10), &order(2, Side::Buy, OrderType::Market, AT_OPEN, 0, 100));
    venue.submit(TimeNs(10), &order(3, Side::Buy, OrderType::Limit, AT_OPEN, 9_980, 100));
    venue.submit(TimeNs(10), &limit(4, Side::Sell, 9_970, 100));
    venue.submit(TimeNs(10), &market(5, Side::Buy, 10));
    venue.submit(TimeNs(10), &order(6, Side::Buy, OrderType::Limit, TimeInForce::Fok, 10_010, 10));
    assert_eq!(
        told(&mut venue, 300),
        ["1 accepted", "2 accepted", "3 accepted", "4 accepted", "5 accepted", "5 canceled no_liquidity"]
            .into_iter()
            .chain(["6 accepted", "6 canceled not_filled_whole"])
            .collect::<Vec<_>>()
    );
    venue.session(TimeNs(300), INSTRUMENT, SessionState::OpeningAuction);
    venue.observe(TimeNs(310), INSTRUMENT, touch(9_995, 50, 9_990, 300));
    assert_eq!(told(&mut venue, 500), Vec::<String>::new(), "nothing matches before the open");
    venue.session(TimeNs(500), INSTRUMENT, SessionState::Continuous);
    assert_eq!(told(&mut venue, 700), Vec::<String>::new(), "nobody knows the price yet");
    venue
}

#[test]
fn the_first_trade_after_the_open_tells_its_price() {
    let mut venue = before_the_open();
    venue.trade(TimeNs(700), INSTRUMENT, Price(9_992), Qty(150), Aggressor::Unknown);
    assert_eq!(
        reports(&mut venue, 900),
        ["800 2 maker 100@9992", "800 1 maker 50@9992", "800 4 maker 100@9992", "800 3 expired expired"]
    );
    venue.observe(TimeNs(900), INSTRUMENT, touch(9_990, 50, 10_005, 300));
    assert_eq!(reports(&mut venue, 1_100), ["1000 1 maker 50@10010"], "the rest is an order like any other");
}

#[test]
fn or_the_first_touch_does() {
    let mut venue = before_the_open();
    venue.observe(TimeNs(700), INSTRUMENT, touch(9_985, 60, 9_995, 120));
    assert_eq!(
        told(&mut venue, 900),
        ["2 maker 100@9995", "1 maker 20@9995", "4 maker 60@9985", "3 expired expired"]
    );
    venue.submit(TimeNs(900), &market(7, Side::Buy, 10));
    assert_eq!(told(&mut venue, 1_100), ["7 accepted", "7 canceled no_liquidity"], "the touch is used up");
}

#[test]
fn without_a_price_orders_for_the_auction_only_end() {
    let mut venue = before_the_open();
    venue.session(TimeNs(700), INSTRUMENT, SessionState::Halted);
    assert_eq!(told(&mut venue, 700), ["2 expired expired", "3 expired expired"]);
}

#[test]
fn an_order_for_the_open_is_refused_after_it() {
    let mut venue = venue();
    venue.submit(TimeNs(10), &order(1, Side::Buy, OrderType::Limit, AT_OPEN, 10, 10));
    assert_eq!(told(&mut venue, 200), ["1 rejected market_closed"]);
}

#[test]
fn orders_for_the_close_wait_for_its_auction() {
    for has_auction in [true, false] {
        let mut venue = venue();
        venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 50, 10_000, 300));
        venue.submit(TimeNs(10), &order(1, Side::Buy, OrderType::Market, AT_CLOSE, 0, 10));
        venue.submit(TimeNs(10), &order(2, Side::Buy, OrderType::Limit, AT_CLOSE, 9_980, 10));
        venue.submit(TimeNs(10), &order(3, Side::Buy, OrderType::Limit, AT_CLOSE, 10_020, 10));
        venue.submit(TimeNs(10), &order(4, Side::Buy, OrderType::Limit, AT_CLOSE, 10_020, 10));
        venue.cancel(TimeNs(20), &cancel(4));
        venue.observe(TimeNs(300), INSTRUMENT, touch(9_950, 50, 9_960, 300));
        assert_eq!(
            told(&mut venue, 400),
            ["1 accepted", "2 accepted", "3 accepted", "4 accepted", "4 canceled"]
        );
        if has_auction {
            venue.session(TimeNs(500), INSTRUMENT, SessionState::ClosingAuction);
            venue.observe(TimeNs(510), INSTRUMENT, touch(9_950, 50, 9_960, 300));
        }
        venue.session(TimeNs(600), INSTRUMENT, SessionState::Closed);
        assert_eq!(told(&mut venue, 700), Vec::<String>::new());
        venue.trade(TimeNs(700), INSTRUMENT, Price(10_000), Qty(1_000), Aggressor::Unknown);
        assert_eq!(told(&mut venue, 900), ["1 maker 10@10000", "3 maker 10@10000", "2 expired expired"]);
        assert_eq!(venue.open_orders(), 0);
    }
}

#[test]
fn day_orders_end_with_the_session() {
    for has_auction in [true, false] {
        let mut venue = venue();
        venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 50, 10_000, 300));
        venue.submit(TimeNs(10), &order(1, Side::Buy, OrderType::Limit, TimeInForce::Day, 9_980, 10));
        venue.submit(TimeNs(10), &order(2, Side::Sell, OrderType::Limit, TimeInForce::Day, 10_020, 10));
        venue.submit(TimeNs(10), &limit(3, Side::Buy, 9_970, 10));
        assert_eq!(told(&mut venue, 200), ["1 accepted", "2 accepted", "3 accepted"]);
        venue.session(TimeNs(200), INSTRUMENT, SessionState::Halted);
        assert_eq!(told(&mut venue, 300), Vec::<String>::new(), "a halt is no end");
        if has_auction {
            venue.session(TimeNs(300), INSTRUMENT, SessionState::ClosingAuction);
            venue.session(TimeNs(300), INSTRUMENT, SessionState::Closed);
            assert_eq!(told(&mut venue, 400), Vec::<String>::new(), "they take part in the auction");
            venue.trade(TimeNs(400), INSTRUMENT, Price(9_985), Qty(4), Aggressor::Unknown);
        } else {
            venue.session(TimeNs(300), INSTRUMENT, SessionState::Closed);
        }
        assert_eq!(told(&mut venue, 600), ["1 expired expired", "2 expired expired"], "{has_auction}");
        venue.session(TimeNs(600), INSTRUMENT, SessionState::PreOpen);
        venue.session(TimeNs(600), INSTRUMENT, SessionState::Continuous);
        venue.observe(TimeNs(600), INSTRUMENT, touch(9_950, 50, 9_960, 300));
        assert_eq!(told(&mut venue, 900), ["3 maker 10@9960"], "the other one stays");
    }
}
