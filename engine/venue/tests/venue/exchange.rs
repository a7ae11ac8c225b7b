//! An exchange of our own: the orders of all accounts meet.

use super::desk::*;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    AccountId, Aggressor, DurationNs, InstrumentId, OrderId, OrderType, Price, Qty, QueueModel,
    SelfTradePrevention, SessionState, Side, TimeInForce, TimeNs,
};
use tickwerk_venue::{EFFECTS_PER_STEP, EXCHANGES_MAX, SimulatedVenue};

const NOTHING: [&str; 0] = [];

fn exchange_with(self_trade: SelfTradePrevention) -> SimulatedVenue {
    let at_once = SimulatedVenueSet { latency: DurationNs(0), ..plain() };
    venue_with(SimulatedVenueSet { queue_model: QueueModel::Exchange, self_trade, ..at_once })
}

fn exchange() -> SimulatedVenue {
    exchange_with(SelfTradePrevention::Off)
}

fn of(account: u32, order: OrderSubmitted) -> OrderSubmitted {
    OrderSubmitted { account: AccountId(account), ..order }
}

/// Sends an order and tells what came of it.
fn send(venue: &mut SimulatedVenue, order: &OrderSubmitted) -> Vec<String> {
    venue.submit(TimeNs(1_000), order);
    told(venue, 1_000)
}

fn session(venue: &mut SimulatedVenue, state: SessionState) -> Vec<String> {
    venue.session(TimeNs(1_000), INSTRUMENT, state);
    told(venue, 1_000)
}

#[test]
fn orders_of_two_accounts_trade_by_price_and_then_by_time() {
    let mut venue = exchange();
    for (id, price) in [(1, 10_000), (2, 9_995), (3, 9_995)] {
        assert_eq!(send(&mut venue, &of(1, limit(id, Side::Sell, price, 10))), [format!("{id} accepted")]);
    }
    assert_eq!(
        send(&mut venue, &of(2, limit(4, Side::Buy, 10_000, 25))),
        [
            "4 accepted",
            "2 maker 10@9995",
            "4 taker 10@9995",
            "3 maker 10@9995",
            "4 taker 10@9995",
            "1 maker 5@10000",
            "4 taker 5@10000",
        ]
    );
    assert_eq!(
        send(&mut venue, &of(2, market(5, Side::Buy, 20))),
        ["5 accepted", "1 maker 5@10000", "5 taker 5@10000", "5 canceled no_liquidity"]
    );
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn market_data_play_no_part() {
    let mut venue = exchange();
    send(&mut venue, &limit(1, Side::Buy, 10_000, 10));
    venue.observe(TimeNs(1_000), INSTRUMENT, touch(9_000, 50, 9_005, 50));
    venue.trade(TimeNs(1_000), INSTRUMENT, Price(9_000), Qty(50), Aggressor::Seller);
    assert_eq!(told(&mut venue, 5_000), NOTHING);
    assert_eq!(send(&mut venue, &limit(2, Side::Buy, 9_990, 10)), ["2 accepted"]);
    assert_eq!(
        send(&mut venue, &limit(3, Side::Sell, 10_000, 10)),
        ["3 accepted", "1 maker 10@10000", "3 taker 10@10000"]
    );
}

#[test]
fn terms_are_kept() {
    let mut venue = exchange();
    let post_only = |id, price| OrderSubmitted { post_only: true, ..limit(id, Side::Buy, price, 5) };
    send(&mut venue, &limit(1, Side::Sell, 10_000, 10));
    assert_eq!(send(&mut venue, &post_only(2, 10_000)), ["2 rejected would_take"]);
    assert_eq!(send(&mut venue, &post_only(3, 9_995)), ["3 accepted"]);
    let fok = |id, qty| order(id, Side::Buy, OrderType::Limit, TimeInForce::Fok, 10_000, qty);
    assert_eq!(send(&mut venue, &fok(4, 11)), ["4 accepted", "4 canceled not_filled_whole"]);
    assert_eq!(send(&mut venue, &fok(5, 4)), ["5 accepted", "1 maker 4@10000", "5 taker 4@10000"]);
    let ioc = order(6, Side::Buy, OrderType::Limit, TimeInForce::Ioc, 10_000, 8);
    assert_eq!(
        send(&mut venue, &ioc),
        ["6 accepted", "1 maker 6@10000", "6 taker 6@10000", "6 canceled no_liquidity"]
    );
    let iceberg = OrderSubmitted { display_qty: Qty(3), ..limit(7, Side::Sell, 10_000, 9) };
    send(&mut venue, &iceberg);
    send(&mut venue, &limit(8, Side::Sell, 10_000, 4));
    assert_eq!(
        send(&mut venue, &limit(9, Side::Buy, 10_000, 12)),
        [
            "9 accepted",
            "7 maker 3@10000",
            "9 taker 3@10000",
            "8 maker 4@10000",
            "9 taker 4@10000",
            "7 maker 3@10000",
            "9 taker 3@10000",
            "7 maker 2@10000",
            "9 taker 2@10000",
        ]
    );
}

#[test]
fn a_smaller_quantity_keeps_its_place_and_all_else_loses_it() {
    let mut venue = exchange();
    for id in 1..=3 {
        send(&mut venue, &limit(id, Side::Sell, 10_000, 10));
    }
    venue.replace(TimeNs(1_000), &replace(1, 10_000, 4));
    venue.replace(TimeNs(1_000), &replace(2, 10_000, 12));
    assert_eq!(told(&mut venue, 1_000), ["1 replaced 4@10000", "2 replaced 12@10000"]);
    assert_eq!(
        send(&mut venue, &limit(4, Side::Buy, 10_000, 16)),
        [
            "4 accepted",
            "1 maker 4@10000",
            "4 taker 4@10000",
            "3 maker 10@10000",
            "4 taker 10@10000",
            "2 maker 2@10000",
            "4 taker 2@10000",
        ]
    );
    send(&mut venue, &limit(5, Side::Buy, 9_990, 3));
    venue.replace(TimeNs(1_000), &replace(5, 10_000, 3));
    assert_eq!(told(&mut venue, 1_000), ["5 replaced 3@10000", "2 maker 3@10000", "5 taker 3@10000"]);
    venue.cancel(TimeNs(1_000), &cancel(2));
    assert_eq!(told(&mut venue, 1_000), ["2 canceled"]);
    assert_eq!(send(&mut venue, &market(6, Side::Buy, 1)), ["6 accepted", "6 canceled no_liquidity"]);
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn self_trade_prevention_does_what_is_set() {
    let meet = |mode| {
        let mut venue = exchange_with(mode);
        send(&mut venue, &of(1, limit(1, Side::Sell, 10_000, 4)));
        send(&mut venue, &of(2, limit(2, Side::Sell, 10_000, 4)));
        send(&mut venue, &of(1, limit(3, Side::Buy, 10_000, 10)))
    };
    let others = ["2 maker 4@10000", "3 taker 4@10000"];
    assert_eq!(
        meet(SelfTradePrevention::Off),
        ["3 accepted", "1 maker 4@10000", "3 taker 4@10000", others[0], others[1]]
    );
    assert_eq!(meet(SelfTradePrevention::CancelTaker), ["3 accepted", "3 canceled self_trade"]);
    assert_eq!(
        meet(SelfTradePrevention::CancelMaker),
        ["3 accepted", "1 canceled self_trade", others[0], others[1]]
    );
    assert_eq!(
        meet(SelfTradePrevention::CancelBoth),
        ["3 accepted", "1 canceled self_trade", "3 canceled self_trade"]
    );
    assert_eq!(
        meet(SelfTradePrevention::Decrement),
        ["3 accepted", "1 canceled self_trade", others[0], others[1], "3 replaced 6@10000"]
    );
}

#[test]
fn a_decremented_order_that_comes_ends_where_nothing_is_left() {
    let mut venue = exchange_with(SelfTradePrevention::Decrement);
    send(&mut venue, &limit(1, Side::Sell, 10_000, 10));
    assert_eq!(
        send(&mut venue, &limit(2, Side::Buy, 10_000, 4)),
        ["2 accepted", "1 replaced 6@10000", "2 canceled self_trade"]
    );
    assert_eq!(venue.open_orders(), 1);
    // The same where others fill what its own account left of it: 6 of 8 are lost, 2 are filled.
    send(&mut venue, &of(2, limit(3, Side::Sell, 10_005, 5)));
    assert_eq!(
        send(&mut venue, &limit(4, Side::Buy, 10_005, 8)),
        [
            "4 accepted",
            "1 canceled self_trade",
            "3 maker 2@10005",
            "4 taker 2@10005",
            "4 canceled self_trade"
        ]
    );
    assert_eq!(venue.open_orders(), 1);
}

#[test]
fn an_auction_trades_at_one_price() {
    let mut venue = exchange();
    assert_eq!(session(&mut venue, SessionState::OpeningAuction), NOTHING);
    for order in [
        limit(1, Side::Buy, 10_010, 10),
        limit(2, Side::Buy, 10_000, 10),
        limit(3, Side::Sell, 9_990, 12),
        limit(4, Side::Sell, 10_005, 5),
        order(5, Side::Buy, OrderType::Market, TimeInForce::AtTheOpen, 0, 3),
        order(6, Side::Buy, OrderType::Limit, TimeInForce::AtTheOpen, 9_000, 3),
    ] {
        assert_eq!(send(&mut venue, &order), [format!("{} accepted", order.order)], "nothing trades yet");
    }
    let ioc = order(7, Side::Buy, OrderType::Limit, TimeInForce::Ioc, 10_010, 3);
    assert_eq!(send(&mut venue, &ioc), ["7 accepted", "7 canceled no_liquidity"]);
    // 13 would buy at 10,005 and better, 17 would sell: more than at any other price but 10,000, where 12 of 23 trade.
    assert_eq!(
        session(&mut venue, SessionState::Continuous),
        [
            "5 maker 3@10005",
            "3 maker 3@10005",
            "1 maker 9@10005",
            "3 maker 9@10005",
            "1 maker 1@10005",
            "4 maker 1@10005",
            "6 expired expired",
        ]
    );
    assert_eq!(
        send(&mut venue, &limit(8, Side::Buy, 10_005, 1)),
        ["8 accepted", "4 maker 1@10005", "8 taker 1@10005"]
    );
}

#[test]
fn a_halt_lets_nothing_but_cancels_pass_and_keeps_the_book() {
    let mut venue = exchange();
    send(&mut venue, &limit(1, Side::Sell, 10_000, 4));
    send(&mut venue, &limit(2, Side::Sell, 10_000, 4));
    session(&mut venue, SessionState::Halted);
    assert_eq!(send(&mut venue, &limit(3, Side::Buy, 10_000, 4)), ["3 rejected market_closed"]);
    venue.cancel(TimeNs(1_000), &cancel(1));
    assert_eq!(told(&mut venue, 1_000), ["1 canceled"]);
    session(&mut venue, SessionState::Continuous);
    assert_eq!(
        send(&mut venue, &limit(4, Side::Buy, 10_000, 4)),
        ["4 accepted", "2 maker 4@10000", "4 taker 4@10000"]
    );
}

#[test]
fn a_halt_in_an_auction_goes_on_to_its_uncross() {
    let mut venue = exchange();
    session(&mut venue, SessionState::PreOpen);
    send(&mut venue, &limit(1, Side::Sell, 9_990, 4));
    send(&mut venue, &limit(2, Side::Buy, 9_990, 4));
    assert_eq!(session(&mut venue, SessionState::Halted), NOTHING);
    assert_eq!(session(&mut venue, SessionState::Continuous), ["2 maker 4@9990", "1 maker 4@9990"]);
}

#[test]
fn orders_for_the_close_meet_there() {
    for with_auction in [true, false] {
        let mut venue = exchange();
        let at_close = |id, side| order(id, side, OrderType::Limit, TimeInForce::AtTheClose, 10_000, 4);
        send(&mut venue, &limit(1, Side::Sell, 10_000, 3));
        assert_eq!(send(&mut venue, &at_close(2, Side::Buy)), ["2 accepted"], "it waits");
        if with_auction {
            assert_eq!(session(&mut venue, SessionState::ClosingAuction), NOTHING);
        }
        assert_eq!(
            session(&mut venue, SessionState::Closed),
            ["2 maker 3@10000", "1 maker 3@10000", "2 expired expired"]
        );
        assert_eq!(send(&mut venue, &limit(3, Side::Sell, 10_000, 3)), ["3 rejected market_closed"]);
    }
}

#[test]
fn an_order_that_meets_very_many_is_done_before_anything_else() {
    let mut venue = exchange();
    let count = 3 * EFFECTS_PER_STEP as u64;
    for id in 1..=count {
        send(&mut venue, &of(1, limit(id, Side::Sell, 10_000, 1)));
    }
    let taker = count + 1;
    venue.submit(TimeNs(1_000), &of(2, limit(taker, Side::Buy, 10_000, 2 * count.cast_signed())));
    venue.cancel(TimeNs(1_000), &cancel(taker));
    let lines = told(&mut venue, 1_000);
    let trades = lines.iter().filter(|line| line.starts_with(&format!("{taker} taker"))).count();
    assert_eq!(trades as u64, count);
    assert_eq!(lines.iter().filter(|line| *line == "silent").count(), 3, "three steps");
    assert_eq!(lines.last(), Some(&format!("{taker} canceled")));
    assert_eq!(venue.open_orders(), 0);
}

#[test]
fn orders_end_at_their_time_and_exchanges_are_few() {
    let mut venue = exchange();
    let timed = OrderSubmitted { expires_at: TimeNs(2_000), ..limit(1, Side::Sell, 10_000, 4) };
    assert_eq!(send(&mut venue, &timed), ["1 accepted"]);
    assert_eq!(told(&mut venue, 2_000), ["1 expired expired"]);
    assert_eq!(send(&mut venue, &market(2, Side::Buy, 4)), ["2 accepted", "2 canceled no_liquidity"]);

    let mut venue = SimulatedVenue::new(EXCHANGES_MAX + 2);
    for number in 1..=u32::try_from(EXCHANGES_MAX + 1).unwrap() {
        let instrument = InstrumentId(number);
        let setting = SimulatedVenueSet::touch(instrument, DurationNs(0));
        venue.configure(&SimulatedVenueSet { queue_model: QueueModel::Exchange, ..setting });
        let plain = limit(u64::from(number), Side::Buy, 100, 1);
        let lines =
            send(&mut venue, &OrderSubmitted { instrument, order: OrderId(u64::from(number)), ..plain });
        let has_book = number as usize <= EXCHANGES_MAX;
        let expected = if has_book { "accepted" } else { "rejected venue_lacks" };
        assert_eq!(lines, [format!("{number} {expected}")]);
    }
}
