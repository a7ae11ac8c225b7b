//! Hedging: a long and a short position side by side, which only their own orders open and close.

use super::desk::{ALICE, Desk, INVERSE, LINEAR, SPOT, USD, fill};
use super::money_kit::{
    HEDGER, accept, account, changed, desk, order, order_reason, refused, side_of, trade,
};
use tickwerk_domain::PositionEffect::{Auto, Close, Open};
use tickwerk_domain::Side::{Buy, Sell};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Event, PositionChange, PositionMode, PositionSide, Price, Qty, Reject};

const PLACE: (tickwerk_domain::AccountId, tickwerk_domain::InstrumentId) = (HEDGER, LINEAR);

fn quantities(desk: &Desk) -> (i64, i64) {
    let [long, short] = [PositionSide::Long, PositionSide::Short].map(|side| side_of(desk, LINEAR, side).qty);
    (long, short)
}

#[test]
fn the_effect_and_the_side_of_an_order_say_which_position_it_is_about() {
    let mut desk = desk();
    let steps = [
        (Buy, Auto, (100, 0), PositionSide::Long, PositionChange::Opened),
        (Sell, Auto, (100, -100), PositionSide::Short, PositionChange::Opened),
        (Buy, Open, (200, -100), PositionSide::Long, PositionChange::Increased),
        (Sell, Open, (200, -200), PositionSide::Short, PositionChange::Increased),
        (Sell, Close, (100, -200), PositionSide::Long, PositionChange::Reduced),
        (Buy, Close, (100, -100), PositionSide::Short, PositionChange::Reduced),
        (Sell, Close, (0, -100), PositionSide::Long, PositionChange::Closed),
    ];
    for (side, effect, after, of, change) in steps {
        let events = trade(&mut desk, PLACE, (side, effect), 10_000, 100);
        assert_eq!(quantities(&desk), after);
        let told = changed(&events);
        assert_eq!(told.iter().map(|told| (told.side, told.change)).collect::<Vec<_>>(), [(of, change)]);
    }
    let all: Vec<_> = desk.machine().positions().all_sides().map(|(_, _, side, of)| (side, of.qty)).collect();
    assert_eq!(all, [(PositionSide::Long, 0), (PositionSide::Short, -100)]);
    assert_eq!(desk.machine().positions().open(HEDGER).collect::<Vec<_>>(), [LINEAR]);
}

#[test]
fn each_side_keeps_its_own_cost_and_profit() {
    let mut desk = desk();
    let start = desk.cash(HEDGER, USD);
    trade(&mut desk, PLACE, (Buy, Open), 10_000, 10_000);
    trade(&mut desk, PLACE, (Sell, Open), 10_100, 10_000);
    assert_eq!(desk.cash(HEDGER, USD), start, "nothing is realised by opening both");
    let events = trade(&mut desk, PLACE, (Sell, Close), 10_200, 10_000);
    assert_eq!(changed(&events)[0].realized.get(), 200_000, "two dollars on ten contracts");
    let events = trade(&mut desk, PLACE, (Buy, Close), 10_200, 10_000);
    assert_eq!(changed(&events)[0].realized.get(), -100_000);
    assert_eq!(desk.cash(HEDGER, USD), start + 100_000);
    assert_eq!(side_of(&desk, LINEAR, PositionSide::Long).realized, 200_000);
    assert_eq!(side_of(&desk, LINEAR, PositionSide::Short).realized, -100_000);
}

#[test]
fn a_close_of_more_than_what_is_open_and_not_yet_closing_is_refused() {
    let mut desk = desk();
    trade(&mut desk, PLACE, (Buy, Open), 10_000, 100);
    trade(&mut desk, PLACE, (Sell, Open), 10_000, 50);
    let close = |side, qty| NewOrder {
        position_effect: Close,
        ..NewOrder::limit(HEDGER, LINEAR, side, Price(10_000), Qty(qty))
    };
    assert_eq!(order_reason(&desk.apply(close(Sell, 105))), Some(Reject::ReduceOnly.code()));
    assert_eq!(order_reason(&desk.apply(close(Buy, 55))), Some(Reject::ReduceOnly.code()));
    order(&mut desk, PLACE, (Sell, Close), 10_000, 60);
    assert_eq!(order_reason(&desk.apply(close(Sell, 45))), Some(Reject::ReduceOnly.code()));
    order(&mut desk, PLACE, (Sell, Close), 10_000, 40);
    order(&mut desk, PLACE, (Buy, Close), 10_000, 50);
    assert_eq!(quantities(&desk), (100, -50));
}

#[test]
fn a_close_in_netting_mode_reduces_only() {
    let mut desk = desk();
    trade(&mut desk, (ALICE, LINEAR), (Sell, Auto), 10_000, 100);
    let close = |side, qty| NewOrder {
        position_effect: Close,
        ..NewOrder::limit(ALICE, LINEAR, side, Price(10_000), Qty(qty))
    };
    assert_eq!(order_reason(&desk.apply(close(Sell, 10))), Some(Reject::ReduceOnly.code()));
    assert_eq!(order_reason(&desk.apply(close(Buy, 105))), Some(Reject::ReduceOnly.code()));
    let events = trade(&mut desk, (ALICE, LINEAR), (Buy, Close), 10_000, 100);
    assert_eq!(
        (changed(&events)[0].side, changed(&events)[0].change),
        (PositionSide::Net, PositionChange::Closed)
    );
}

#[test]
fn the_margin_of_a_pair_is_the_sum_of_both_sides_and_comes_back() {
    for (instrument, currency) in [(LINEAR, USD), (INVERSE, super::desk::BTC)] {
        let mut desk = desk();
        let place = (HEDGER, instrument);
        trade(&mut desk, place, (Buy, Open), 10_000, 100);
        let of_long = desk.reserved(HEDGER, currency);
        trade(&mut desk, place, (Sell, Open), 10_000, 50);
        assert!(of_long > 0);
        assert_eq!(desk.reserved(HEDGER, currency), of_long + of_long / 2);
        let sides = [PositionSide::Long, PositionSide::Short];
        let margins = sides.map(|side| side_of(&desk, instrument, side).margin);
        assert_eq!(margins, [of_long, of_long / 2]);
        order(&mut desk, place, (Sell, Close), 10_000, 100);
        assert_eq!(desk.reserved(HEDGER, currency), of_long + of_long / 2, "a close needs no margin");
        trade(&mut desk, place, (Buy, Close), 10_000, 50);
        assert_eq!(desk.reserved(HEDGER, currency), of_long);
        let closing = desk.machine().orders().open().next().map(|order| order.id).expect("the close stands");
        desk.apply(fill(closing, 1, 10_000, 100, 0));
        assert_eq!(desk.reserved(HEDGER, currency), 0);
    }
}

#[test]
fn open_orders_count_at_the_side_that_they_are_about() {
    let mut desk = desk();
    trade(&mut desk, PLACE, (Buy, Open), 10_000, 100);
    order(&mut desk, PLACE, (Buy, Open), 9_000, 30);
    order(&mut desk, PLACE, (Sell, Close), 11_000, 40);
    order(&mut desk, PLACE, (Sell, Open), 11_000, 50);
    let long = side_of(&desk, LINEAR, PositionSide::Long);
    let short = side_of(&desk, LINEAR, PositionSide::Short);
    assert_eq!((long.open_buys, long.open_sells, short.open_buys, short.open_sells), (30, 40, 0, 50));
    assert_eq!((long.worst_long(), long.worst_short(), short.worst_short()), (130, 60, -50));
}

#[test]
fn spot_can_be_hedged_with_what_is_owned() {
    let mut desk = desk();
    let place = (HEDGER, SPOT);
    trade(&mut desk, place, (Sell, Open), 10_000, 1_000);
    trade(&mut desk, place, (Buy, Open), 10_000, 3_000);
    let events = trade(&mut desk, place, (Buy, Close), 9_000, 1_000);
    // A hundredth of a bitcoin, sold at 100 and bought at 90.
    assert_eq!(changed(&events)[0].realized.get(), 1_000);
    assert_eq!(desk.cash(HEDGER, super::desk::BTC), super::desk::BTC_START + 3_000_000);
}

#[test]
fn the_mode_changes_only_while_nothing_is_held_or_asked_for() {
    let mut desk = desk();
    let (net, hedge) = (account(HEDGER, PositionMode::Netting), account(HEDGER, PositionMode::Hedging));
    let id = order(&mut desk, PLACE, (Buy, Open), 10_000, 100);
    assert_eq!(refused(&mut desk, net), Reject::PositionModeInvalid);
    accept(&mut desk, hedge);
    desk.apply(fill(id, 1, 10_000, 100, 0));
    assert_eq!(refused(&mut desk, net), Reject::PositionModeInvalid);
    trade(&mut desk, PLACE, (Sell, Close), 10_100, 100);
    accept(&mut desk, net);
    assert_eq!(desk.machine().positions().mode(HEDGER), PositionMode::Netting);
    let events = trade(&mut desk, PLACE, (Sell, Auto), 10_000, 100);
    assert_eq!(changed(&events)[0].side, PositionSide::Net);
    let events = trade(&mut desk, PLACE, (Buy, Auto), 10_000, 250);
    assert_eq!((changed(&events)[0].change, changed(&events)[0].qty), (PositionChange::Flipped, Qty(150)));
    assert_eq!(refused(&mut desk, hedge), Reject::PositionModeInvalid);
}

/// The fill of a close that is larger than what is open by then is kept and raised, never booked through zero.
#[test]
fn a_close_never_carries_a_side_through_zero() {
    let mut desk = desk();
    trade(&mut desk, PLACE, (Buy, Open), 10_000, 100);
    let close = order(&mut desk, PLACE, (Sell, Close), 10_000, 100);
    desk.apply(fill(close, 1, 10_000, 60, 0));
    let events = desk.apply(fill(close, 2, 10_000, 60, 0));
    assert!(matches!(events[..], [Event::FillUnmatched(_)]), "{events:?}");
    assert_eq!(quantities(&desk), (40, 0));
}
