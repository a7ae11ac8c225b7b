//! What the venue does with orders, told as reports.

use super::*;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{AccountId, CurrencyId, InstrumentKind, Level, Rate, StrategyId, TextId, VenueId};

const INSTRUMENT: InstrumentId = InstrumentId(1);
const LATENCY: u64 = 100;

fn venue() -> SimulatedVenue {
    let mut venue = SimulatedVenue::new(4);
    venue.define(&Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1_000_000),
        multiplier: 1,
        maker_fee: Rate(10_000),
        taker_fee: Rate(100_000),
        margin_rate: Rate::ONE,
        instrument: INSTRUMENT,
        symbol: TextId(1),
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Spot,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 8,
    });
    venue.configure(&SimulatedVenueSet::touch(INSTRUMENT, DurationNs(LATENCY)));
    venue
}

fn touch(bid: i64, bid_qty: i64, ask: i64, ask_qty: i64) -> Touch {
    let level = |price, qty| Level { price: Price(price), qty: Qty(qty) };
    Touch { bid: level(bid, bid_qty), ask: level(ask, ask_qty) }
}

fn order(
    id: u64,
    side: Side,
    order_type: OrderType,
    time_in_force: TimeInForce,
    price: i64,
    qty: i64,
) -> OrderSubmitted {
    let plain = NewOrder::limit(AccountId(1), INSTRUMENT, side, Price(price), Qty(qty));
    let asked = NewOrder { order_type, time_in_force, ..plain };
    OrderSubmitted::new(OrderId(id), StrategyId::NONE, VenueId::SIMULATED, &asked)
}

/// Reports up to `now`, as short lines.
fn reports(venue: &mut SimulatedVenue, now: u64) -> Vec<String> {
    std::iter::from_fn(|| venue.next_report(TimeNs(now)))
        .map(|(due, _, command)| {
            if let Command::OrderReported(report) = command {
                return format!("{} {} {}", due.0, report.order, report.kind);
            }
            let Command::FillReported(fill) = command else { panic!("not a report: {command:?}") };
            let fee = fill.fee.get();
            format!("{} {} {} {}@{} fee {fee}", due.0, fill.order, fill.liquidity, fill.qty.0, fill.price.0)
        })
        .collect()
}

#[test]
fn a_market_order_takes_what_the_touch_has_after_the_latency_and_the_rest_is_cancelled() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &order(7, Side::Buy, OrderType::Market, TimeInForce::Ioc, 0, 1_000));
    assert_eq!(reports(&mut venue, 109), Vec::<String>::new());
    // 0.3 × 100.00 × 0.1 % = 0.03
    assert_eq!(
        reports(&mut venue, 110),
        ["110 7 accepted", "110 7 taker 300@10000 fee 3000000", "110 7 canceled"]
    );
    assert_eq!(venue.open_orders(), 0);
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
            "110 7 taker 200@10000 fee 2000000",
            "110 8 accepted",
            "110 8 taker 100@10000 fee 1000000",
            "110 8 canceled"
        ]
    );
}

#[test]
fn a_resting_order_is_filled_as_maker_at_its_own_price_by_price_and_arrival() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    for (id, price) in [(1, 9_985), (2, 9_990), (3, 9_990)] {
        venue.submit(TimeNs(10), &order(id, Side::Buy, OrderType::Limit, TimeInForce::Gtc, price, 100));
    }
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted", "110 2 accepted", "110 3 accepted"]);
    venue.observe(TimeNs(300), INSTRUMENT, touch(9_980, 5, 9_988, 150));
    assert_eq!(reports(&mut venue, 400), ["400 2 maker 100@9990 fee 99900", "400 3 maker 50@9990 fee 49950"]);
    assert_eq!(venue.open_orders(), 2);
}

#[test]
fn a_cancel_takes_a_resting_order_out_and_is_refused_when_it_comes_too_late() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &order(1, Side::Sell, OrderType::Limit, TimeInForce::Gtc, 10_010, 100));
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted"]);
    let cancel = CancelSubmitted { order: OrderId(1), instrument: INSTRUMENT };
    venue.cancel(TimeNs(200), &cancel);
    venue.cancel(TimeNs(201), &cancel);
    assert_eq!(reports(&mut venue, 400), ["300 1 canceled", "301 1 cancel_rejected"]);
    venue.observe(TimeNs(500), INSTRUMENT, touch(10_010, 500, 10_020, 300));
    assert_eq!(reports(&mut venue, 900), Vec::<String>::new());
}

#[test]
fn a_cancel_does_not_overtake_its_order_when_the_latency_falls() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    venue.submit(TimeNs(10), &order(1, Side::Sell, OrderType::Limit, TimeInForce::Gtc, 10_010, 100));
    venue.configure(&SimulatedVenueSet::touch(INSTRUMENT, DurationNs(1)));
    venue.cancel(TimeNs(20), &CancelSubmitted { order: OrderId(1), instrument: INSTRUMENT });
    assert_eq!(reports(&mut venue, 50), Vec::<String>::new());
    assert_eq!(reports(&mut venue, 200), ["110 1 accepted", "110 1 canceled"]);
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn a_full_venue_loses_orders_and_goes_on() {
    let mut venue = venue();
    for id in 0..2 * VENUE_ORDERS_MAX as u64 {
        venue.submit(TimeNs(10), &order(id + 1, Side::Buy, OrderType::Limit, TimeInForce::Gtc, 9_000, 1));
    }
    assert_eq!(venue.open_orders(), VENUE_ORDERS_MAX);
    for id in 0..10 * VENUE_ORDERS_MAX as u64 {
        venue.cancel(TimeNs(10), &CancelSubmitted { order: OrderId(id + 1), instrument: INSTRUMENT });
    }
    while venue.next_report(TimeNs::MAX).is_some() {}
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn extreme_prices_rest_and_are_reached_in_their_order() {
    let mut venue = venue();
    for (id, price) in [(1, i64::MIN), (2, 5), (3, i64::MAX)] {
        venue.submit(TimeNs(10), &order(id, Side::Sell, OrderType::Limit, TimeInForce::Gtc, price, 1));
    }
    assert_eq!(reports(&mut venue, 110).len(), 3);
    venue.observe(TimeNs(200), INSTRUMENT, touch(i64::MIN, 5, 10, 5));
    let told = reports(&mut venue, 400);
    assert!(told.len() == 1 && told[0].starts_with(&format!("300 1 maker 1@{}", i64::MIN)), "{told:?}");
}

#[test]
fn an_empty_venue_has_the_digest_that_it_started_with() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 5, 10_000, 300));
    let before = venue.digest();
    venue.submit(TimeNs(10), &order(1, Side::Sell, OrderType::Limit, TimeInForce::Gtc, 10_010, 100));
    assert_ne!(venue.digest(), before);
    venue.cancel(TimeNs(20), &CancelSubmitted { order: OrderId(1), instrument: INSTRUMENT });
    assert_eq!(reports(&mut venue, 900).len(), 2);
    assert_eq!(venue.digest(), before);
}
