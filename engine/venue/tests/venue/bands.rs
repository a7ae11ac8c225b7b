//! Price bands of an exchange of our own.

use super::desk::*;
use tickwerk_domain::command::{PriceBandSet, SimulatedVenueSet};
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    AccountId, DurationNs, Price, QueueModel, Rate, SessionState, Side, TimeInForce, TimeNs,
};
use tickwerk_venue::SimulatedVenue;

const NOTHING: [&str; 0] = [];

fn band(low: i64, high: i64, percent: i64) -> PriceBandSet {
    let dynamic = Rate(percent * Rate::ONE.0 / 100);
    PriceBandSet { low: Price(low), high: Price(high), dynamic, instrument: INSTRUMENT }
}

fn exchange(band: &PriceBandSet) -> SimulatedVenue {
    let at_once = SimulatedVenueSet { latency: DurationNs(0), ..plain() };
    let mut venue = venue_with(SimulatedVenueSet { queue_model: QueueModel::Exchange, ..at_once });
    venue.configure_band(TimeNs(0), band);
    venue
}

/// Sends an order of an account of its own and tells what came of it.
fn send(venue: &mut SimulatedVenue, order: OrderSubmitted) -> Vec<String> {
    let account = AccountId(u32::try_from(order.order.0).expect("small"));
    venue.submit(TimeNs(1_000), &OrderSubmitted { account, ..order });
    told(venue, 1_000)
}

fn session(venue: &mut SimulatedVenue, state: SessionState) -> Vec<String> {
    venue.session(TimeNs(1_000), INSTRUMENT, state);
    told(venue, 1_000)
}

#[test]
fn a_limit_outside_the_static_band_is_refused_and_one_at_its_edge_is_not() {
    let mut venue = exchange(&band(9_000, 11_000, 0));
    for (id, side, price) in
        [(1, Side::Buy, 8_995), (2, Side::Buy, 11_005), (3, Side::Sell, 8_995), (4, Side::Sell, 11_005)]
    {
        let refused = [format!("{id} rejected outside_price_band")];
        assert_eq!(send(&mut venue, limit(id, side, price, 5)), refused);
    }
    assert_eq!(send(&mut venue, limit(5, Side::Buy, 9_000, 5)), ["5 accepted"]);
    assert_eq!(send(&mut venue, limit(6, Side::Sell, 11_000, 5)), ["6 accepted"]);
    venue.replace(TimeNs(1_000), &replace(5, 8_995, 5));
    assert_eq!(told(&mut venue, 1_000), ["5 replace_rejected outside_price_band"]);
    assert_eq!(session(&mut venue, SessionState::PreOpen), NOTHING);
    assert_eq!(
        send(&mut venue, limit(7, Side::Buy, 11_005, 5)),
        ["7 rejected outside_price_band"],
        "in auctions too"
    );
}

#[test]
fn the_dynamic_band_lies_around_the_last_trade_and_refuses_what_would_pay_beyond() {
    let mut venue = exchange(&band(0, 0, 2));
    assert_eq!(send(&mut venue, limit(1, Side::Buy, 1_000, 5)), ["1 accepted"], "nothing has traded yet");
    send(&mut venue, limit(2, Side::Sell, 10_000, 5));
    send(&mut venue, market(3, Side::Buy, 5));
    assert_eq!(send(&mut venue, limit(4, Side::Buy, 10_205, 5)), ["4 rejected outside_price_band"]);
    assert_eq!(send(&mut venue, limit(5, Side::Sell, 9_795, 5)), ["5 rejected outside_price_band"]);
    assert_eq!(send(&mut venue, limit(6, Side::Sell, 20_000, 5)), ["6 accepted"], "it stands far away");
    assert_eq!(send(&mut venue, limit(7, Side::Sell, 10_200, 5)), ["7 accepted"]);
    assert_eq!(
        send(&mut venue, limit(8, Side::Buy, 10_200, 5)),
        ["8 accepted", "7 maker 5@10200", "8 taker 5@10200"]
    );
    assert_eq!(
        send(&mut venue, limit(9, Side::Buy, 10_400, 5)),
        ["9 accepted"],
        "it has moved with the trade"
    );
    venue.configure_band(TimeNs(1_000), &band(0, 0, 0));
    assert_eq!(
        send(&mut venue, limit(10, Side::Buy, 20_000, 5)),
        ["10 accepted", "6 maker 5@20000", "10 taker 5@20000"],
        "no band holds any more"
    );
}

#[test]
fn a_market_order_trades_up_to_the_edge() {
    let mut venue = exchange(&band(9_000, 10_100, 0));
    for (id, price) in [(1, 10_000), (2, 10_100)] {
        send(&mut venue, limit(id, Side::Sell, price, 5));
    }
    venue.configure_band(TimeNs(1_000), &band(9_000, 10_050, 0));
    assert_eq!(
        send(&mut venue, market(3, Side::Buy, 8)),
        ["3 accepted", "1 maker 5@10000", "3 taker 5@10000", "3 canceled outside_price_band"]
    );
    assert_eq!(venue.open_orders(), 1, "what rests outside stays");
    venue.replace(TimeNs(1_000), &replace(2, 10_100, 3));
    assert_eq!(told(&mut venue, 1_000), ["2 replaced 3@10100"], "less of it is always taken");
}

#[test]
fn an_auction_that_crosses_outside_the_band_gathers_until_the_band_moves() {
    let mut venue = exchange(&band(9_000, 11_000, 1));
    session(&mut venue, SessionState::PreOpen);
    for (id, side, time_in_force) in
        [(1, Side::Buy, TimeInForce::AtTheOpen), (2, Side::Sell, TimeInForce::Gtc)]
    {
        let order = OrderSubmitted { time_in_force, ..limit(id, side, 10_800, 5) };
        assert_eq!(send(&mut venue, order), [format!("{id} accepted")]);
    }
    venue.configure_band(TimeNs(1_000), &band(9_000, 10_500, 1));
    assert_eq!(session(&mut venue, SessionState::Continuous), NOTHING);
    assert_eq!(
        send(
            &mut venue,
            OrderSubmitted { time_in_force: TimeInForce::Ioc, ..limit(3, Side::Buy, 10_000, 5) }
        ),
        ["3 accepted", "3 canceled no_liquidity"],
        "it is gathering still"
    );
    venue.configure_band(TimeNs(1_000), &band(9_000, 12_000, 1));
    assert_eq!(told(&mut venue, 1_000), ["1 maker 5@10800", "2 maker 5@10800"]);
    send(&mut venue, limit(4, Side::Sell, 10_800, 5));
    assert_eq!(
        send(&mut venue, limit(5, Side::Buy, 10_800, 5)),
        ["5 accepted", "4 maker 5@10800", "5 taker 5@10800"],
        "and open from then on"
    );
}

#[test]
fn a_band_is_in_the_digest_and_other_models_have_none() {
    let mut venue = exchange(&band(0, 0, 0));
    let before = venue.digest();
    venue.configure_band(TimeNs(0), &band(9_000, 11_000, 0));
    assert_ne!(venue.digest(), before);
    venue.configure_band(TimeNs(0), &band(0, 0, 0));
    assert_eq!(venue.digest(), before);
    let mut touched = venue_with(SimulatedVenueSet { latency: DurationNs(0), ..plain() });
    touched.configure_band(TimeNs(0), &band(9_000, 11_000, 0));
    assert_eq!(send(&mut touched, limit(1, Side::Buy, 5_000, 5)), ["1 accepted"]);
}
