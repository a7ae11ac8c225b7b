//! Terms of orders: time in force, post-only, replace, slippage, self-trade prevention.

use super::desk::*;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    AccountId, Aggressor, OrderType, Price, Qty, QueueModel, SelfTradePrevention, SessionState, Side,
    TimeInForce, TimeNs,
};
use tickwerk_venue::SimulatedVenue;

fn quoted(setting: SimulatedVenueSet) -> SimulatedVenue {
    let mut venue = venue_with(setting);
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 50, 10_000, 300));
    venue
}

#[test]
fn fill_or_kill_takes_all_or_nothing() {
    let mut venue = quoted(plain());
    for (id, qty) in [(1, 301), (2, 300)] {
        venue.submit(TimeNs(10), &order(id, Side::Buy, OrderType::Limit, TimeInForce::Fok, 10_000, qty));
    }
    assert_eq!(
        told(&mut venue, 900),
        ["1 accepted", "1 canceled not_filled_whole", "2 accepted", "2 taker 300@10000"]
    );
}

#[test]
fn a_post_only_order_rests_or_is_rejected() {
    let mut venue = quoted(plain());
    for (id, price) in [(1, 10_000), (2, 9_999)] {
        let post_only = OrderSubmitted { post_only: true, ..limit(id, Side::Buy, price, 10) };
        venue.submit(TimeNs(10), &post_only);
    }
    assert_eq!(told(&mut venue, 900), ["1 rejected would_take", "2 accepted"]);
    venue.replace(TimeNs(900), &replace(2, 10_000, 10));
    assert_eq!(told(&mut venue, 1_000), ["2 replace_rejected would_take"]);
}

#[test]
fn an_order_ends_at_its_time_even_before_it_arrives() {
    let mut venue = quoted(plain());
    let until = |id, expires_at| OrderSubmitted {
        expires_at: TimeNs(expires_at),
        time_in_force: TimeInForce::Gtd,
        ..limit(id, Side::Buy, 10_000, 200)
    };
    venue.submit(TimeNs(10), &until(1, 500));
    venue.submit(TimeNs(10), &until(2, 110));
    venue.submit(TimeNs(10), &until(3, 400));
    venue.cancel(TimeNs(10), &cancel(3));
    assert_eq!(
        reports(&mut venue, 499),
        ["110 1 accepted", "110 1 taker 200@10000", "110 2 accepted", "110 2 expired expired"]
            .into_iter()
            .chain(["110 3 accepted", "110 3 taker 100@10000", "110 3 canceled"])
            .collect::<Vec<_>>()
    );
    venue.submit(TimeNs(600), &until(4, 800));
    assert_eq!(venue.next_due(), Some(TimeNs(700)));
    assert_eq!(reports(&mut venue, 750), ["700 4 accepted"]);
    assert_eq!(venue.next_due(), Some(TimeNs(800)));
    venue.cancel(TimeNs(760), &cancel(4));
    assert_eq!(
        reports(&mut venue, 900),
        ["800 4 expired expired", "860 4 cancel_rejected venue_unknown_order"]
    );
}

#[test]
fn a_smaller_quantity_keeps_the_place_and_all_else_loses_it() {
    for (asked, first) in
        [(replace(1, 9_990, 60), 1), (replace(1, 9_990, 120), 2), (replace(1, 9_985, 90), 2)]
    {
        let mut venue = quoted(plain());
        for id in [1, 2] {
            venue.submit(TimeNs(10), &limit(id, Side::Buy, 9_990, 100));
        }
        reports(&mut venue, 200);
        venue.replace(TimeNs(200), &asked);
        assert_eq!(told(&mut venue, 300), [format!("1 replaced {}@{}", asked.qty.0, asked.price.0)]);
        venue.observe(TimeNs(400), INSTRUMENT, touch(9_980, 5, 9_985, 10));
        assert_eq!(told(&mut venue, 900)[0], format!("{first} maker 10@9990"));
    }
}

#[test]
fn a_replace_may_take_and_comes_too_late_for_what_is_filled() {
    let mut venue = quoted(plain());
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_990, 100));
    venue.replace(TimeNs(20), &replace(1, 10_000, 400));
    venue.replace(TimeNs(30), &replace(1, 10_000, 300));
    venue.replace(TimeNs(40), &replace(9, 10_000, 300));
    assert_eq!(
        reports(&mut venue, 900),
        [
            "110 1 accepted",
            "120 1 replaced 400@10000",
            "120 1 taker 300@10000",
            "130 1 replace_rejected quantity_below_filled",
            "140 9 replace_rejected venue_unknown_order"
        ]
    );
}

#[test]
fn an_order_that_takes_slips_but_not_beyond_its_limit() {
    let mut venue = quoted(SimulatedVenueSet { slippage_ticks: 3, ..plain() });
    venue.submit(TimeNs(10), &market(1, Side::Buy, 10));
    venue.submit(TimeNs(10), &limit(2, Side::Buy, 10_010, 10));
    venue.submit(TimeNs(10), &market(3, Side::Sell, 10));
    let fills: Vec<String> =
        told(&mut venue, 900).into_iter().filter(|line| line.contains("taker")).collect();
    assert_eq!(fills, ["1 taker 10@10015", "2 taker 10@10010", "3 taker 10@9975"]);
}

#[test]
fn a_triggered_type_that_was_not_triggered_is_rejected() {
    let mut venue = quoted(plain());
    venue.submit(TimeNs(10), &order(1, Side::Buy, OrderType::Stop, TimeInForce::Gtc, 0, 10));
    assert_eq!(told(&mut venue, 900), ["1 rejected venue_lacks"]);
}

#[test]
fn a_halted_market_takes_cancels_only_and_matches_nothing() {
    let mut venue = quoted(plain());
    for id in [1, 2] {
        venue.submit(TimeNs(10), &limit(id, Side::Buy, 9_990, 10));
    }
    reports(&mut venue, 200);
    for state in [SessionState::Halted, SessionState::Closed] {
        venue.session(TimeNs(200), INSTRUMENT, state);
        venue.submit(TimeNs(200), &limit(3, Side::Buy, 9_990, 10));
        venue.replace(TimeNs(200), &replace(1, 9_990, 5));
        venue.observe(TimeNs(250), INSTRUMENT, touch(9_970, 5, 9_980, 100));
        assert_eq!(told(&mut venue, 900), ["3 rejected market_closed", "1 replace_rejected market_closed"]);
    }
    venue.cancel(TimeNs(900), &cancel(1));
    assert_eq!(told(&mut venue, 1_000), ["1 canceled"]);
    venue.session(TimeNs(1_000), INSTRUMENT, SessionState::Continuous);
    venue.observe(TimeNs(1_100), INSTRUMENT, touch(9_970, 5, 9_980, 100));
    assert_eq!(told(&mut venue, 1_200), ["2 maker 10@9990"]);
}

fn own_meeting(self_trade: SelfTradePrevention, taker: i64) -> Vec<String> {
    let mut venue = quoted(SimulatedVenueSet { self_trade, ..plain() });
    let other = OrderSubmitted { account: AccountId(2), ..limit(1, Side::Buy, 9_999, 10) };
    venue.submit(TimeNs(10), &other);
    venue.submit(TimeNs(10), &limit(2, Side::Buy, 9_995, 30));
    venue.submit(TimeNs(10), &limit(3, Side::Buy, 9_985, 10));
    reports(&mut venue, 200);
    venue.submit(TimeNs(200), &limit(4, Side::Sell, 9_990, taker));
    told(&mut venue, 900)
}

#[test]
fn orders_of_one_account_meet_only_where_nothing_prevents_it() {
    assert_eq!(own_meeting(SelfTradePrevention::Off, 60), ["4 accepted", "4 taker 50@9990"]);
    assert_eq!(own_meeting(SelfTradePrevention::CancelTaker, 60), ["4 accepted", "4 canceled self_trade"]);
    assert_eq!(
        own_meeting(SelfTradePrevention::CancelMaker, 60),
        ["4 accepted", "2 canceled self_trade", "4 taker 50@9990"]
    );
    assert_eq!(
        own_meeting(SelfTradePrevention::CancelBoth, 60),
        ["4 accepted", "2 canceled self_trade", "4 canceled self_trade"]
    );
    assert_eq!(
        own_meeting(SelfTradePrevention::Decrement, 60),
        ["4 accepted", "2 canceled self_trade", "4 replaced 30@9990", "4 taker 30@9990"]
    );
    assert_eq!(
        own_meeting(SelfTradePrevention::Decrement, 20),
        ["4 accepted", "2 replaced 10@9995", "4 canceled self_trade"]
    );
}

#[test]
fn what_would_rest_across_an_own_order_is_prevented_too() {
    let mut venue = quoted(SimulatedVenueSet { self_trade: SelfTradePrevention::CancelTaker, ..plain() });
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_985, 10));
    venue.submit(TimeNs(10), &limit(2, Side::Sell, 9_985, 60));
    assert_eq!(
        told(&mut venue, 900),
        ["1 accepted", "2 accepted", "2 taker 50@9990", "2 canceled self_trade"]
    );
}

#[test]
fn an_iceberg_shows_its_peaks_one_by_one_to_a_queue() {
    let mut venue = venue_with(SimulatedVenueSet { queue_model: QueueModel::RiskAverse, ..plain() });
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 20, 10_000, 300));
    let iceberg = OrderSubmitted { display_qty: Qty(10), ..limit(1, Side::Buy, 9_990, 25) };
    venue.submit(TimeNs(10), &iceberg);
    venue.submit(TimeNs(10), &limit(2, Side::Buy, 9_990, 10));
    reports(&mut venue, 200);
    let mut trade = |at, qty| {
        venue.trade(TimeNs(at), INSTRUMENT, Price(9_990), Qty(qty), Aggressor::Seller);
        told(&mut venue, at + LATENCY)
    };
    assert_eq!(trade(300, 20), Vec::<String>::new(), "the queue ahead is gone");
    assert_eq!(trade(400, 15), ["1 maker 10@9990", "2 maker 5@9990"], "one peak, then the next order");
    assert_eq!(trade(500, 10), ["2 maker 5@9990", "1 maker 5@9990"], "the next peak stands behind it");
    assert_eq!(trade(600, 30), ["1 maker 5@9990"], "one peak a trade");
}
