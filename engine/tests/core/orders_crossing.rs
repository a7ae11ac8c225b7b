//! Fills that cross a replace: before its confirmation, beyond the old quantity, above the new one; with cancels, lost
//! connections, mass cancels and the kill switch in between.

use super::desk::{ALICE, BTC, Desk, LINEAR, SPOT, USD, cancel, fill, limit_order, report, types};
use super::orders_support::{assert_sums, check_order, enter, limit, quiet_desk, reason_of};
use tickwerk_domain::command::{
    KillSwitchSet, MassCancel, ReplaceOrder, ReplaceReported, VenueStateObserved,
};
use tickwerk_domain::event::OrderFilled;
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Event, InstrumentId, Liquidity, Money, OrderId, OrderStatus, Price,
    Qty, Reject, ReportKind, Side, SideFilter, StrategyId, TextId, VenueId, VenueState,
};

fn replace(order: OrderId, qty: i64) -> ReplaceOrder {
    ReplaceOrder {
        order,
        price: Price(0),
        qty: Qty(qty),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    }
}

fn replaced(order: OrderId, qty: i64) -> ReplaceReported {
    ReplaceReported {
        order,
        venue_order_id: 77,
        price: Price(9_000),
        qty: Qty(qty),
        trigger_price: Price(0),
        display_qty: Qty(0),
    }
}

/// A desk with an accepted order to buy 100 at 90.00 that was asked to become one of `qty`.
fn with_replace(market: InstrumentId, qty: i64) -> (Desk, OrderId) {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, limit_order(market, Side::Buy, 9_000, 100));
    desk.apply(report(id, ReportKind::Accepted, None));
    let events = step(&mut desk, replace(id, qty));
    assert_eq!(types(&events).last(), Some(&"order.replace_submitted"));
    (desk, id)
}

fn step(desk: &mut Desk, command: impl Into<Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

/// The end of an order that is filled whole without a fill of its own.
fn filled(id: OrderId, cum_qty: i64) -> Event {
    OrderFilled {
        cum_value: Money::new(i128::from(cum_qty) * 9),
        cum_fee: Money::ZERO,
        order: id,
        last_price: Price(0),
        last_qty: Qty(0),
        cum_qty: Qty(cum_qty),
        leaves_qty: Qty(0),
        account: ALICE,
        instrument: SPOT,
        side: Side::Buy,
        liquidity: Liquidity::Maker,
    }
    .into()
}

#[test]
fn a_fill_that_overtakes_the_confirmation_of_a_larger_quantity_does_not_end_the_order() {
    for market in [SPOT, LINEAR] {
        let (mut desk, id) = with_replace(market, 200);
        let tied_up = desk.reserved(ALICE, USD);
        let events = step(&mut desk, fill(id, 1, 9_000, 100, 0));
        assert_eq!(types(&events)[0], "order.partially_filled");
        check_order(&desk, id, OrderStatus::PendingReplace, 100, 0);
        let open = desk.machine().positions().get(ALICE, market).open_buys;
        assert_eq!(open, 100, "what may still be filled counts");
        if market == SPOT {
            // 100 of 200 at 90.00 with a fee of 0.05 %.
            assert_eq!((tied_up, desk.reserved(ALICE, USD)), (1_801, 900));
        }
        step(&mut desk, replaced(id, 200));
        check_order(&desk, id, OrderStatus::PartiallyFilled, 100, 100);
        step(&mut desk, fill(id, 2, 9_000, 50, 0));
        check_order(&desk, id, OrderStatus::PartiallyFilled, 150, 50);
        assert_eq!(types(&step(&mut desk, fill(id, 3, 9_000, 50, 0)))[0], "order.filled");
        check_order(&desk, id, OrderStatus::Filled, 200, 0);
        assert_eq!(desk.machine().positions().get(ALICE, market).qty, 200);
    }
}

#[test]
fn the_refusal_of_the_larger_quantity_ends_the_order_as_filled() {
    let (mut desk, id) = with_replace(SPOT, 200);
    step(&mut desk, fill(id, 1, 9_000, 100, 0));
    let events = step(&mut desk, report(id, ReportKind::ReplaceRejected, Some(Reject::VenueRejected)));
    assert_eq!(types(&events), ["order.replace_rejected", "order.filled"]);
    assert_eq!(events[1], filled(id, 100));
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
    assert_eq!(desk.reserved(ALICE, USD), 0);
    let late = step(&mut desk, replaced(id, 200));
    assert_eq!(reason_of(&late), Reject::DuplicateReport as u16, "a contradiction changes nothing");
    check_order(&desk, id, OrderStatus::Filled, 100, 0);
}

#[test]
fn a_cancel_in_between_leaves_all_answers_open() {
    let between: [fn(OrderId) -> Vec<Command>; 4] = [
        |id| vec![cancel(id).into()],
        |_| {
            let (instrument, strategy, reason) = (InstrumentId::NONE, StrategyId::NONE, TextId::NONE);
            vec![MassCancel { account: ALICE, instrument, strategy, reason, side: SideFilter::Any }.into()]
        },
        |_| {
            let (account, instrument) = (AccountId::NONE, InstrumentId::NONE);
            let (strategy, reason) = (StrategyId::NONE, TextId::NONE);
            vec![KillSwitchSet { account, instrument, strategy, reason, engaged: true }.into()]
        },
        |id| {
            let venue = VenueId::SIMULATED;
            let state = |state| VenueStateObserved { venue, state }.into();
            vec![state(VenueState::Disconnected), cancel(id).into(), state(VenueState::Connected)]
        },
    ];
    for commands in between {
        for cancel_first in [true, false] {
            let asked = || {
                let (mut desk, id) = with_replace(SPOT, 200);
                let crossing = fill(id, 1, 9_000, 100, 0).into();
                let mut all = commands(id);
                all.insert(if cancel_first { all.len() } else { 0 }, crossing);
                for command in all {
                    step(&mut desk, command);
                }
                check_order(&desk, id, OrderStatus::PendingCancel, 100, 0);
                (desk, id)
            };
            // The replace took effect, then the cancel.
            let (mut desk, id) = asked();
            step(&mut desk, replaced(id, 200));
            check_order(&desk, id, OrderStatus::PendingCancel, 100, 100);
            step(&mut desk, fill(id, 2, 9_000, 50, 0));
            check_order(&desk, id, OrderStatus::PendingCancel, 150, 50);
            step(&mut desk, report(id, ReportKind::Canceled, None));
            check_order(&desk, id, OrderStatus::Canceled, 150, 0);
            // Both came too late.
            let (mut desk, id) = asked();
            step(&mut desk, report(id, ReportKind::ReplaceRejected, None));
            check_order(&desk, id, OrderStatus::Filled, 100, 0);
            let told = step(&mut desk, report(id, ReportKind::CancelRejected, None));
            assert_eq!(types(&told), ["order.cancel_rejected"]);
            // The cancel came too late, the replace did not.
            let (mut desk, id) = asked();
            step(&mut desk, report(id, ReportKind::CancelRejected, None));
            check_order(&desk, id, OrderStatus::PendingReplace, 100, 0);
            step(&mut desk, replaced(id, 200));
            check_order(&desk, id, OrderStatus::PartiallyFilled, 100, 100);
            // The end overtakes the confirmation and a fill of the larger quantity.
            let (mut desk, id) = asked();
            step(&mut desk, report(id, ReportKind::Canceled, None));
            check_order(&desk, id, OrderStatus::Canceled, 100, 0);
            assert_eq!(desk.reserved(ALICE, USD), 0);
            let events = step(&mut desk, fill(id, 2, 9_000, 50, 0));
            assert_eq!(types(&events)[..2], ["order.replaced", "order.partially_filled"]);
            check_order(&desk, id, OrderStatus::Canceled, 150, 0);
            assert_eq!(types(&step(&mut desk, fill(id, 3, 9_000, 51, 0))), ["fill.unmatched"]);
        }
    }
}

#[test]
fn a_fill_beyond_the_old_quantity_tells_of_the_replace() {
    for at_once in [150, 200] {
        let (mut desk, id) = with_replace(SPOT, 200);
        let events = step(&mut desk, fill(id, 1, 9_000, at_once, 0));
        assert_eq!(types(&events)[0], "order.replaced");
        let status = if at_once == 200 { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        check_order(&desk, id, status, at_once, 200 - at_once);
        assert_eq!(desk.cash(ALICE, BTC), super::desk::BTC_START + i128::from(at_once) * 1_000);
        let told = step(&mut desk, replaced(id, 200));
        assert_eq!(reason_of(&told), Reject::DuplicateReport as u16);
        check_order(&desk, id, status, at_once, 200 - at_once);
    }
    let (mut desk, id) = with_replace(SPOT, 200);
    assert_eq!(types(&step(&mut desk, fill(id, 1, 9_000, 201, 0))), ["fill.unmatched"]);
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 100);
    // A smaller quantity on its way lets no more be filled than there was.
    let (mut desk, id) = with_replace(SPOT, 50);
    assert_eq!(types(&step(&mut desk, fill(id, 1, 9_000, 101, 0))), ["fill.unmatched"]);
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 100);
}

#[test]
fn a_confirmed_quantity_at_or_below_what_is_filled_is_amended_to_it_and_the_order_is_filled() {
    for by_then in [50, 60] {
        let (mut desk, id) = with_replace(SPOT, 50);
        step(&mut desk, fill(id, 1, 9_000, by_then, 0));
        check_order(&desk, id, OrderStatus::PendingReplace, by_then, 100 - by_then);
        let events = step(&mut desk, replaced(id, 50));
        assert_eq!(types(&events), ["order.replaced", "order.filled"]);
        assert_eq!(events[1], filled(id, by_then));
        check_order(&desk, id, OrderStatus::Filled, by_then, 0);
        assert_eq!((desk.reserved(ALICE, USD), desk.machine().orders().open_count()), (0, 0));
    }
    // With a cancel on its way, too; its answer is told.
    let (mut desk, id) = with_replace(SPOT, 50);
    step(&mut desk, cancel(id));
    step(&mut desk, fill(id, 1, 9_000, 60, 0));
    step(&mut desk, replaced(id, 50));
    check_order(&desk, id, OrderStatus::Filled, 60, 0);
    assert_eq!(
        types(&step(&mut desk, report(id, ReportKind::CancelRejected, None))),
        ["order.cancel_rejected"]
    );
}

#[test]
fn a_busted_fill_reopens_what_is_left_of_an_order_that_waits_for_its_replace() {
    let (mut desk, id) = with_replace(SPOT, 200);
    step(&mut desk, fill(id, 1, 9_000, 100, 0));
    step(&mut desk, tickwerk_domain::command::TradeBusted { order: id, execution_id: 1 });
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 100);
    step(&mut desk, report(id, ReportKind::ReplaceRejected, None));
    check_order(&desk, id, OrderStatus::New, 0, 100);
}

#[test]
fn an_order_that_only_reduces_is_cut_where_its_larger_quantity_came_too_late() {
    let mut desk = quiet_desk();
    let (open, _) = enter(&mut desk, limit_order(LINEAR, Side::Buy, 9_000, 100));
    step(&mut desk, fill(open, 1, 9_000, 100, 0));
    let mut reducing = limit(Side::Sell, 9_500, 50);
    (reducing.instrument, reducing.reduce_only) = (LINEAR, true);
    let (id, _) = enter(&mut desk, reducing);
    step(&mut desk, report(id, ReportKind::Accepted, None));
    let events = step(&mut desk, replace(id, 100));
    assert_eq!(types(&events).last(), Some(&"order.replace_submitted"));
    let (other, _) = enter(&mut desk, limit_order(LINEAR, Side::Sell, 9_500, 40));
    step(&mut desk, fill(other, 1, 9_500, 40, 0));
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 50);
    let events = step(&mut desk, replaced(id, 100));
    assert_eq!(types(&events), ["order.replaced", "order.replace_submitted"]);
    let Event::ReplaceSubmitted(cut) = events[1] else { panic!("{events:?}") };
    assert_eq!(cut.qty, Qty(60));
}
