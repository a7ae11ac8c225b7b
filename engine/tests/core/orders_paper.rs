//! Orders of every kind on paper: the simulated venue takes what it can, the core does the rest.

use super::desk::{ALICE, Desk, SPOT, quote};
use super::orders_support::{
    assert_replays, assert_sums, check_order, lasting, limit, linked, stop, triggered,
};
use tickwerk_domain::command::{NewOrder, ReplaceOrder};
use tickwerk_domain::{
    ClientOrderId, Command, Contingency, OrderId, OrderStatus, OrderType, Price, Qty, Side, TimeInForce,
    TimeNs,
};

/// Feeds commands and lets the venue answer each of them.
fn play(desk: &mut Desk, commands: impl IntoIterator<Item = Command>) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for command in commands {
        desk.settle(desk.time + 1_000);
        ids.push(desk.next_id());
        desk.apply(command);
        assert_sums(desk.machine());
    }
    desk.settle(desk.time);
    assert_sums(desk.machine());
    ids
}

fn position(desk: &Desk) -> i64 {
    desk.machine().positions().get(ALICE, SPOT).qty
}

#[test]
fn a_bracket_ends_flat_by_its_stop() {
    let mut desk = Desk::with_quotes();
    let ids = play(
        &mut desk,
        [
            linked(limit(Side::Buy, 10_010, 100), 3, Contingency::Parent).into(),
            linked(limit(Side::Sell, 10_500, 100), 3, Contingency::BracketExit).into(),
            linked(stop(Side::Sell, 9_800, 100), 3, Contingency::BracketExit).into(),
            quote(SPOT, 9_900, 9_920).into(),
            quote(SPOT, 9_790, 9_810).into(),
            quote(SPOT, 9_780, 9_800).into(),
        ],
    );
    check_order(&desk, ids[0], OrderStatus::Filled, 100, 0);
    check_flat(&desk, ids[2], ids[1]);
}

/// One exit was filled, the other cancelled, and nothing is left.
fn check_flat(desk: &Desk, filled: OrderId, canceled: OrderId) {
    check_order(desk, filled, OrderStatus::Filled, 100, 0);
    check_order(desk, canceled, OrderStatus::Canceled, 0, 0);
    assert_eq!((position(desk), desk.machine().orders().open_count()), (0, 0));
    assert_replays(desk);
}

#[test]
fn a_bracket_ends_flat_by_its_limit() {
    let mut desk = Desk::with_quotes();
    let ids = play(
        &mut desk,
        [
            linked(limit(Side::Buy, 10_010, 100), 3, Contingency::Parent).into(),
            linked(limit(Side::Sell, 10_500, 100), 3, Contingency::BracketExit).into(),
            linked(stop(Side::Sell, 9_800, 100), 3, Contingency::BracketExit).into(),
            quote(SPOT, 10_510, 10_530).into(),
            quote(SPOT, 9_700, 9_710).into(),
        ],
    );
    check_flat(&desk, ids[1], ids[2]);
}

#[test]
fn a_trailing_stop_sells_on_the_way_down() {
    let mut desk = Desk::with_quotes();
    let trailing =
        NewOrder { trail_offset: 200, ..triggered(OrderType::TrailingStop, Side::Sell, 0, 0, 100) };
    let prices = [10_100, 10_300, 10_200, 10_090, 10_000, 9_990];
    let commands = prices.map(|price| quote(SPOT, price, price + 20).into());
    let ids = play(&mut desk, [Command::from(trailing)].into_iter().chain(commands));
    check_order(&desk, ids[0], OrderStatus::Filled, 100, 0);
    let order = desk.machine().orders().by_id(ids[0]).unwrap();
    // 100 units of a hundred thousandth at the bid of 100.90, in ten thousandths of a dollar.
    assert_eq!(order.cum_value, 1_009);
    assert_replays(&desk);
}

#[test]
fn the_venue_ends_what_it_was_told_to_end() {
    let mut desk = Desk::with_quotes();
    let expires_at = TimeNs(desk.time + 20_000);
    let order = NewOrder { expires_at, ..lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Gtd) };
    let held = NewOrder { expires_at, ..lasting(stop(Side::Buy, 10_500, 100), TimeInForce::Gtd) };
    let ids = play(&mut desk, [order.into(), held.into()]);
    check_order(&desk, ids[0], OrderStatus::New, 0, 100);
    check_order(&desk, ids[1], OrderStatus::Held, 0, 100);
    desk.settle(expires_at.0 + 1);
    check_order(&desk, ids[0], OrderStatus::Expired, 0, 0);
    check_order(&desk, ids[1], OrderStatus::Expired, 0, 0);
    assert_replays(&desk);
}

#[test]
fn the_venue_replaces_and_fills_the_new_terms() {
    let mut desk = Desk::with_quotes();
    let ids = play(&mut desk, [limit(Side::Buy, 9_000, 100).into()]);
    let replace = ReplaceOrder {
        order: ids[0],
        price: Price(10_010),
        qty: Qty(200),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    };
    play(&mut desk, [replace.into(), quote(SPOT, 9_990, 10_010).into()]);
    check_order(&desk, ids[0], OrderStatus::Filled, 200, 0);
    assert_eq!(position(&desk), 200);
    assert_replays(&desk);
}

#[test]
fn one_of_two_cancels_the_other() {
    let mut desk = Desk::with_quotes();
    let ids = play(
        &mut desk,
        [
            linked(limit(Side::Sell, 10_100, 100), 4, Contingency::Oco).into(),
            linked(limit(Side::Buy, 9_900, 100), 4, Contingency::Oco).into(),
            quote(SPOT, 10_100, 10_120).into(),
            quote(SPOT, 10_110, 10_120).into(),
        ],
    );
    check_order(&desk, ids[0], OrderStatus::Filled, 100, 0);
    check_order(&desk, ids[1], OrderStatus::Canceled, 0, 0);
    assert_replays(&desk);
}
