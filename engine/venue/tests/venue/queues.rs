//! Models of the queue: what it takes to fill an order that rests.

use super::desk::*;
use tickwerk_domain::command::SimulatedVenueSet;
use tickwerk_domain::{Aggressor, BookAction, BookDelta, Price, Qty, QueueModel, Rate, Side, TimeNs};
use tickwerk_venue::SimulatedVenue;
use tickwerk_venue::book::ToldBook;

const NOTHING: [&str; 0] = [];

/// A venue with one order to buy 100 at 9,990, where 200 rest.
fn waiting(queue_model: QueueModel) -> SimulatedVenue {
    let mut venue = venue_with(SimulatedVenueSet { queue_model, queue_parameter: Rate::ONE, ..plain() });
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 200, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_990, 100));
    assert_eq!(told(&mut venue, 200), ["1 accepted"]);
    venue
}

fn trade(venue: &mut SimulatedVenue, price: i64, qty: i64, aggressor: Aggressor) -> Vec<String> {
    venue.trade(TimeNs(1_000), INSTRUMENT, Price(price), Qty(qty), aggressor);
    told(venue, 2_000)
}

#[test]
fn trade_through_wants_a_trade_or_touch_beyond_the_price() {
    let mut venue = waiting(QueueModel::TradeThrough);
    assert_eq!(trade(&mut venue, 9_990, 900, Aggressor::Seller), NOTHING);
    assert_eq!(trade(&mut venue, 9_985, 900, Aggressor::Buyer), NOTHING);
    venue.observe(TimeNs(2_000), INSTRUMENT, touch(9_980, 5, 9_990, 300));
    assert_eq!(told(&mut venue, 3_000), NOTHING, "the touch reaches the price, but does not pass it");
    assert_eq!(trade(&mut venue, 9_985, 30, Aggressor::Seller), ["1 maker 30@9990"]);
    assert_eq!(trade(&mut venue, 9_980, 20, Aggressor::Unknown), ["1 maker 20@9990"]);
    venue.observe(TimeNs(3_000), INSTRUMENT, touch(9_980, 5, 9_985, 40));
    assert_eq!(told(&mut venue, 4_000), ["1 maker 40@9990"]);
}

#[test]
fn only_trades_shorten_the_queue_of_the_risk_averse() {
    let mut venue = waiting(QueueModel::RiskAverse);
    // Half of the queue is cancelled: behind us, as far as anybody knows.
    venue.observe(TimeNs(300), INSTRUMENT, touch(9_990, 200, 10_000, 300));
    assert_eq!(trade(&mut venue, 9_990, 150, Aggressor::Seller), NOTHING);
    venue.observe(TimeNs(2_000), INSTRUMENT, touch(9_990, 50, 10_000, 300));
    assert_eq!(trade(&mut venue, 9_990, 60, Aggressor::Seller), ["1 maker 10@9990"]);
    assert_eq!(trade(&mut venue, 9_990, 60, Aggressor::Buyer), NOTHING);
    assert_eq!(trade(&mut venue, 9_985, 10, Aggressor::Seller), ["1 maker 10@9990"], "a trade through it");
    venue.observe(TimeNs(3_000), INSTRUMENT, touch(9_980, 5, 9_990, 30));
    assert_eq!(told(&mut venue, 4_000), ["1 maker 30@9990"], "the opposite touch reaches it");
}

#[test]
fn the_models_share_out_cancels_as_they_say() {
    // 200 ahead and 200 that came behind; 100 are cancelled.
    let front_is = |model, front| {
        let mut venue = waiting(model);
        venue.observe(TimeNs(300), INSTRUMENT, touch(9_990, 400, 10_000, 300));
        venue.observe(TimeNs(400), INSTRUMENT, touch(9_990, 300, 10_000, 300));
        assert_eq!(trade(&mut venue, 9_990, front, Aggressor::Seller), NOTHING, "{model}");
        assert_eq!(trade(&mut venue, 9_990, 1, Aggressor::Seller), ["1 maker 1@9990"], "{model}");
    };
    front_is(QueueModel::RiskAverse, 200);
    front_is(QueueModel::Power, 150);
    front_is(QueueModel::Logarithmic, 150);
}

#[test]
fn levels_behind_the_touch_are_known_from_the_book() {
    let mut venue = venue_with(SimulatedVenueSet { queue_model: QueueModel::RiskAverse, ..plain() });
    let mut snapshot = BookDelta::new(INSTRUMENT, 1, BookDelta::CLEAR | BookDelta::LAST);
    for (price, qty) in [(9_990, 200), (9_980, 70), (9_970, 10)] {
        snapshot.push(Side::Buy, level(price, qty));
    }
    venue.delta(&snapshot);
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 200, 10_000, 300));
    for (id, price) in [(1, 9_980), (2, 9_985), (3, 9_960), (4, 9_995)] {
        venue.submit(TimeNs(10), &limit(id, Side::Buy, price, 100));
    }
    told(&mut venue, 200);
    assert_eq!(trade(&mut venue, 9_995, 1, Aggressor::Seller), ["4 maker 1@9995"], "alone at its price");
    assert_eq!(trade(&mut venue, 9_985, 100, Aggressor::Seller), ["4 maker 99@9995", "2 maker 1@9985"]);
    assert_eq!(trade(&mut venue, 9_980, 99, Aggressor::Seller), ["2 maker 99@9985"]);
    assert_eq!(trade(&mut venue, 9_980, 80, Aggressor::Seller), ["1 maker 10@9980"]);
    assert_eq!(trade(&mut venue, 9_980, 90, Aggressor::Seller), ["1 maker 90@9980"]);
    assert_eq!(trade(&mut venue, 9_960, 500, Aggressor::Seller), NOTHING, "nobody knows what is ahead there");
    venue.level(INSTRUMENT, Side::Buy, level(9_960, 40));
    assert_eq!(trade(&mut venue, 9_960, 41, Aggressor::Seller), ["3 maker 1@9960"]);
}

#[test]
fn a_trade_is_given_away_once() {
    let mut venue = waiting(QueueModel::RiskAverse);
    venue.submit(TimeNs(200), &limit(2, Side::Buy, 9_990, 100));
    venue.submit(TimeNs(200), &limit(3, Side::Buy, 9_995, 10));
    told(&mut venue, 400);
    assert_eq!(
        trade(&mut venue, 9_990, 350, Aggressor::Seller),
        ["3 maker 10@9995", "1 maker 100@9990", "2 maker 40@9990"]
    );
}

#[test]
fn an_order_that_rests_when_queues_begin_to_count_stands_behind_all() {
    let mut venue = venue();
    venue.observe(TimeNs(10), INSTRUMENT, touch(9_990, 200, 10_000, 300));
    venue.submit(TimeNs(10), &limit(1, Side::Buy, 9_990, 100));
    told(&mut venue, 200);
    venue.configure(&SimulatedVenueSet { queue_model: QueueModel::Power, ..plain() });
    assert_eq!(trade(&mut venue, 9_990, 900, Aggressor::Seller), NOTHING);
    venue.observe(TimeNs(2_000), INSTRUMENT, touch(9_990, 50, 10_000, 300));
    assert_eq!(trade(&mut venue, 9_990, 51, Aggressor::Seller), ["1 maker 1@9990"]);
}

/// A book of others: 100 and 50 to buy at 9,990, 80 to sell at 10,000; then our order to buy 30 at 9,990.
fn told_by_orders() -> (SimulatedVenue, ToldBook) {
    let mut venue = venue_with(SimulatedVenueSet { queue_model: QueueModel::Power, ..plain() });
    let mut book = ToldBook::new(64);
    for (id, side, price, qty) in
        [(1, Side::Buy, 9_990, 100), (2, Side::Buy, 9_990, 50), (3, Side::Sell, 10_000, 80)]
    {
        tell(&mut venue, &mut book, 10, &others(id, BookAction::Add, side, price, qty));
    }
    venue.submit(TimeNs(10), &limit(7, Side::Buy, 9_990, 30));
    assert_eq!(told(&mut venue, 200), ["7 accepted"]);
    tell(&mut venue, &mut book, 300, &others(4, BookAction::Add, Side::Buy, 9_990, 60));
    (venue, book)
}

#[test]
fn an_execution_behind_our_order_would_have_been_ours() {
    let (mut venue, mut book) = told_by_orders();
    let mut execute = |id, price, qty| {
        tell(&mut venue, &mut book, 400, &others(id, BookAction::Execute, Side::Buy, price, qty));
        told(&mut venue, 2_000)
    };
    assert_eq!(execute(1, 9_990, 100), NOTHING);
    assert_eq!(execute(2, 9_990, 20), NOTHING, "still ahead");
    assert_eq!(execute(4, 9_990, 10), ["7 maker 10@9990"]);
    assert_eq!(execute(9, 9_990, 10), NOTHING, "nobody knows where that one stood");
    assert_eq!(execute(9, 9_985, 10), ["7 maker 10@9990"], "but a worse price stands behind ours");
    assert_eq!(execute(4, 9_990, 50), ["7 maker 10@9990"]);
}

#[test]
fn orders_ahead_that_leave_or_move_shorten_the_queue() {
    let (mut venue, mut book) = told_by_orders();
    // The first goes to the back by asking for more, the second is deleted.
    tell(&mut venue, &mut book, 400, &others(1, BookAction::Add, Side::Buy, 9_990, 120));
    tell(&mut venue, &mut book, 400, &others(2, BookAction::Delete, Side::Buy, 9_990, 0));
    tell(&mut venue, &mut book, 400, &others(4, BookAction::Reduce, Side::Buy, 9_990, 10));
    tell(&mut venue, &mut book, 500, &others(1, BookAction::Execute, Side::Buy, 9_990, 5));
    assert_eq!(told(&mut venue, 900), ["7 maker 5@9990"]);
    // A trade is told by executions only.
    assert_eq!(trade(&mut venue, 9_990, 900, Aggressor::Seller), NOTHING);
}

#[test]
fn the_touch_is_that_of_the_orders() {
    let (mut venue, mut book) = told_by_orders();
    venue.submit(TimeNs(400), &market(8, Side::Buy, 100));
    assert_eq!(told(&mut venue, 600), ["8 accepted", "8 taker 80@10000", "8 canceled no_liquidity"]);
    tell(&mut venue, &mut book, 600, &others(5, BookAction::Add, Side::Sell, 9_985, 20));
    assert_eq!(told(&mut venue, 900), ["7 maker 20@9990"], "an order that would have met ours");
    let mut cleared = others(0, BookAction::Clear, Side::Buy, 0, 0);
    cleared.is_last = false;
    tell(&mut venue, &mut book, 900, &cleared);
    tell(&mut venue, &mut book, 900, &others(11, BookAction::Add, Side::Buy, 9_990, 10));
    tell(&mut venue, &mut book, 950, &others(11, BookAction::Execute, Side::Buy, 9_990, 10));
    assert_eq!(told(&mut venue, 1_900), NOTHING, "in a new book our orders stand behind");
}
