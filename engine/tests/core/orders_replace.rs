//! Replaces: what may be asked for, what is tied up meanwhile, and how the venue's answer ends it.

use super::desk::{
    ALICE, BOB, Desk, LINEAR, SPOT, USD, cancel, fill, limit_order, market_order, named, quote, report, types,
};
use super::orders_support::{
    assert_replays, assert_sums, check_order, enter, lasting, limit, quiet_desk, reason_of, stop,
};
use tickwerk_domain::command::{ReplaceOrder, ReplaceReported, VenueDefined};
use tickwerk_domain::event::{OrderApproved, OrderReplaced, ReplaceRejected, ReplaceSubmitted};
use tickwerk_domain::{
    ClientOrderId, Event, LimitKind, Money, OrderId, OrderStatus, Price, Qty, Reject, ReportKind, Side,
    TextId, TimeInForce, VenueId,
};

fn replace(order: OrderId) -> ReplaceOrder {
    ReplaceOrder {
        order,
        price: Price(0),
        qty: Qty(0),
        trigger_price: Price(0),
        display_qty: Qty(0),
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
    }
}

fn replaced(order: OrderId, price: i64, qty: i64) -> ReplaceReported {
    let (price, qty) = (Price(price), Qty(qty));
    ReplaceReported { order, venue_order_id: 77, price, qty, trigger_price: Price(0), display_qty: Qty(0) }
}

/// A desk with an accepted order to buy 100,000 at 9,000, and its id.
fn with_order() -> (Desk, OrderId) {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, named(limit(Side::Buy, 9_000, 100_000), "a"));
    desk.apply(report(id, ReportKind::Accepted, None));
    (desk, id)
}

fn step(desk: &mut Desk, command: impl Into<tickwerk_domain::Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

#[test]
fn a_replace_goes_to_the_venue_and_the_worse_of_both_is_tied_up() {
    let (mut desk, id) = with_order();
    assert_eq!(desk.reserved(ALICE, USD), 900_450);
    let events = step(&mut desk, ReplaceOrder { price: Price(9_500), qty: Qty(200_000), ..replace(id) });
    let approved = OrderApproved {
        reserved: Money::new(1_900_950),
        gross_exposure: Money::ZERO,
        order: id,
        limits_version: 0,
        worst_long: Qty(200_000),
        worst_short: Qty(0),
        account: ALICE,
        instrument: SPOT,
        reserved_currency: USD,
        open_orders: 1,
    };
    let submitted = ReplaceSubmitted {
        order: id,
        price: Price(9_500),
        qty: Qty(200_000),
        trigger_price: Price(0),
        display_qty: Qty(0),
        reserved: Money::new(1_900_950),
        limits_version: 0,
        instrument: SPOT,
        venue: VenueId::SIMULATED,
    };
    assert_eq!(events, [approved.into(), submitted.into()]);
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 100_000);
    assert_eq!(desk.reserved(ALICE, USD), 1_900_950);
    let events = step(&mut desk, replaced(id, 9_500, 200_000));
    let told = OrderReplaced {
        order: id,
        price: Price(9_500),
        qty: Qty(200_000),
        trigger_price: Price(0),
        display_qty: Qty(0),
        cum_qty: Qty(0),
        leaves_qty: Qty(200_000),
        instrument: SPOT,
    };
    assert_eq!(events, [told.into()]);
    check_order(&desk, id, OrderStatus::New, 0, 200_000);
    assert_eq!(desk.reserved(ALICE, USD), 1_900_950);
    step(&mut desk, report(id, ReportKind::Canceled, None));
    assert_eq!(desk.reserved(ALICE, USD), 0);
    assert_replays(&desk);
}

#[test]
fn a_smaller_order_frees_only_when_the_venue_has_said_so() {
    let (mut desk, id) = with_order();
    step(&mut desk, ReplaceOrder { qty: Qty(50_000), ..replace(id) });
    assert_eq!(desk.reserved(ALICE, USD), 900_450);
    step(&mut desk, replaced(id, 9_000, 50_000));
    assert_eq!(desk.reserved(ALICE, USD), 450_225);
    check_order(&desk, id, OrderStatus::New, 0, 50_000);
}

#[test]
fn a_refused_replace_leaves_the_order_as_it_was() {
    for (fills, back) in [(0, OrderStatus::New), (30_000, OrderStatus::PartiallyFilled)] {
        let (mut desk, id) = with_order();
        if fills > 0 {
            step(&mut desk, fill(id, 1, 9_000, fills, 0));
        }
        let before = desk.reserved(ALICE, USD);
        step(&mut desk, ReplaceOrder { qty: Qty(200_000), ..replace(id) });
        let events = step(&mut desk, report(id, ReportKind::ReplaceRejected, Some(Reject::VenueRejected)));
        assert_eq!(types(&events), ["order.replace_rejected"]);
        check_order(&desk, id, back, fills, 100_000 - fills);
        assert_eq!(desk.reserved(ALICE, USD), before);
        let again = step(&mut desk, report(id, ReportKind::ReplaceRejected, None));
        assert_eq!(types(&again), ["system.command_refused"]);
    }
}

#[test]
fn fills_go_on_while_a_replace_is_on_its_way() {
    let (mut desk, id) = with_order();
    step(&mut desk, ReplaceOrder { qty: Qty(150_000), ..replace(id) });
    step(&mut desk, fill(id, 1, 9_000, 60_000, 0));
    check_order(&desk, id, OrderStatus::PendingReplace, 60_000, 40_000);
    step(&mut desk, replaced(id, 9_000, 150_000));
    check_order(&desk, id, OrderStatus::PartiallyFilled, 60_000, 90_000);
    let (mut desk, id) = with_order();
    step(&mut desk, ReplaceOrder { qty: Qty(50_000), ..replace(id) });
    step(&mut desk, fill(id, 1, 9_000, 100_000, 0));
    check_order(&desk, id, OrderStatus::Filled, 100_000, 0);
    assert_eq!(types(&step(&mut desk, replaced(id, 9_000, 50_000))), ["system.command_refused"]);
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn a_cancel_may_follow_a_replace_and_its_refusal_goes_back_to_it() {
    let (mut desk, id) = with_order();
    step(&mut desk, ReplaceOrder { qty: Qty(150_000), ..replace(id) });
    step(&mut desk, cancel(id));
    check_order(&desk, id, OrderStatus::PendingCancel, 0, 100_000);
    step(&mut desk, report(id, ReportKind::CancelRejected, None));
    check_order(&desk, id, OrderStatus::PendingReplace, 0, 100_000);
    step(&mut desk, cancel(id));
    step(&mut desk, replaced(id, 9_000, 150_000));
    check_order(&desk, id, OrderStatus::PendingCancel, 0, 150_000);
    step(&mut desk, report(id, ReportKind::Canceled, None));
    assert_eq!(desk.reserved(ALICE, USD), 0);
}

#[test]
fn what_cannot_be_replaced_is_refused_with_its_reason_and_changes_nothing() {
    let (mut desk, id) = with_order();
    step(&mut desk, fill(id, 1, 9_000, 30_000, 0));
    let mut check = |asked: ReplaceOrder, reason: Reject| {
        let (reserved, margin) = (desk.reserved(ALICE, USD), desk.machine().orders().open_count());
        let events = step(&mut desk, asked);
        assert_eq!(types(&events), ["order.replace_rejected"], "{asked:?}");
        assert_eq!(reason_of(&events), reason as u16, "{asked:?}");
        assert_eq!((desk.reserved(ALICE, USD), desk.machine().orders().open_count()), (reserved, margin));
    };
    check(replace(OrderId(4_000)), Reject::UnknownOrder);
    check(ReplaceOrder { account: BOB, qty: Qty(50_000), ..replace(id) }, Reject::UnknownOrder);
    check(replace(id), Reject::NothingToReplace);
    check(ReplaceOrder { price: Price(9_000), qty: Qty(100_000), ..replace(id) }, Reject::NothingToReplace);
    check(ReplaceOrder { qty: Qty(30_000), ..replace(id) }, Reject::QuantityBelowFilled);
    check(ReplaceOrder { qty: Qty(-5), ..replace(id) }, Reject::QuantityNotPositive);
    check(ReplaceOrder { qty: Qty(30_003), ..replace(id) }, Reject::QuantityOffLot);
    check(ReplaceOrder { qty: Qty(i64::MAX), ..replace(id) }, Reject::QuantityOffLot);
    check(ReplaceOrder { qty: Qty(2_000_000_000), ..replace(id) }, Reject::QuantityAboveLimit);
    check(ReplaceOrder { price: Price(-10), ..replace(id) }, Reject::PriceNotPositive);
    check(ReplaceOrder { price: Price(9_003), ..replace(id) }, Reject::PriceOffTick);
    check(ReplaceOrder { trigger_price: Price(9_000), ..replace(id) }, Reject::TriggerInvalid);
    check(ReplaceOrder { display_qty: Qty(10), ..replace(id) }, Reject::DisplayQuantityInvalid);
    let dear = ReplaceOrder { price: Price(11_000), qty: Qty(999_999_995), ..replace(id) };
    check(dear, Reject::InsufficientBuyingPower);
    step(&mut desk, ReplaceOrder { qty: Qty(50_000), ..replace(id) });
    let pending = step(&mut desk, ReplaceOrder { qty: Qty(60_000), ..replace(id) });
    assert_eq!(reason_of(&pending), Reject::ReplacePending as u16);
    step(&mut desk, cancel(id));
    let pending = step(&mut desk, ReplaceOrder { qty: Qty(60_000), ..replace(id) });
    assert_eq!(reason_of(&pending), Reject::CancelPending as u16);
    step(&mut desk, report(id, ReportKind::Canceled, None));
    let done = step(&mut desk, ReplaceOrder { qty: Qty(60_000), ..replace(id) });
    let rejected = ReplaceRejected {
        limit: Money::ZERO,
        observed: Money::ZERO,
        order: id,
        limits_version: 0,
        account: ALICE,
        client_order_id: ClientOrderId::NONE,
        reason: Reject::OrderDone.code(),
    };
    assert_eq!(done, [rejected.into()]);
    assert_replays(&desk);
}

#[test]
fn it_passes_the_risk_check_with_its_own_exposure_taken_out() {
    let (mut desk, id) = with_order();
    let set = |kind, value| super::desk::limit(kind, ALICE, SPOT, value);
    step(&mut desk, set(LimitKind::PositionQuantity, 120_000));
    let events = step(&mut desk, ReplaceOrder { qty: Qty(120_005), ..replace(id) });
    assert_eq!(reason_of(&events), Reject::PositionAboveLimit as u16);
    let events = step(&mut desk, ReplaceOrder { qty: Qty(120_000), ..replace(id) });
    assert_eq!(types(&events), ["risk.order_approved", "order.replace_submitted"]);
    step(&mut desk, replaced(id, 9_000, 120_000));
    step(&mut desk, set(LimitKind::PositionQuantity, 10));
    let events = step(&mut desk, ReplaceOrder { qty: Qty(50_000), ..replace(id) });
    assert_eq!(types(&events), ["order.replace_submitted"], "less is always allowed");
}

#[test]
fn a_refused_replace_of_a_contract_leaves_the_margin_as_it_was() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, limit_order(LINEAR, Side::Buy, 9_000, 100));
    step(&mut desk, quote(LINEAR, 11_990, 12_010));
    step(&mut desk, super::desk::limit(LimitKind::PositionQuantity, ALICE, LINEAR, 100));
    let margin = |desk: &Desk| desk.machine().positions().get(ALICE, LINEAR).margin;
    let before = (margin(&desk), desk.reserved(ALICE, USD));
    step(&mut desk, ReplaceOrder { qty: Qty(200), ..replace(id) });
    assert_eq!((margin(&desk), desk.reserved(ALICE, USD)), before);
}

#[test]
fn it_finds_the_order_by_the_clients_name_and_the_first_content_still_repeats() {
    let (mut desk, id) = with_order();
    let by_name = ReplaceOrder {
        client_order_id: ClientOrderId::new("a").unwrap(),
        price: Price(9_100),
        ..replace(OrderId(0))
    };
    assert_eq!(types(&step(&mut desk, by_name)), ["risk.order_approved", "order.replace_submitted"]);
    step(&mut desk, replaced(id, 9_100, 100_000));
    let again = enter(&mut desk, named(limit(Side::Buy, 9_000, 100_000), "a")).1;
    assert_eq!(types(&again), ["order.repeated"]);
    let other = enter(&mut desk, named(limit(Side::Buy, 9_100, 100_000), "a")).1;
    assert_eq!(reason_of(&other), Reject::DuplicateClientOrderId as u16);
}

#[test]
fn a_held_order_is_replaced_at_once() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, stop(Side::Buy, 10_100, 100_000));
    let events = step(&mut desk, ReplaceOrder { trigger_price: Price(10_200), ..replace(id) });
    assert_eq!(types(&events), ["risk.order_approved", "order.replaced"]);
    assert_eq!(desk.reserved(ALICE, USD), 1_020_510);
    assert_eq!(step(&mut desk, quote(SPOT, 10_130, 10_150)), []);
    let events = step(&mut desk, ReplaceOrder { qty: Qty(50_000), ..replace(id) });
    assert_eq!(types(&events), ["order.replaced"]);
    assert_eq!(desk.reserved(ALICE, USD), 510_255);
    let events = step(&mut desk, ReplaceOrder { trigger_price: Price(10_140), ..replace(id) });
    let all = [
        "risk.order_approved",
        "order.replaced",
        "order.triggered",
        "risk.order_approved",
        "order.submitted",
    ];
    assert_eq!(types(&events), all);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 50_000);
    assert_replays(&desk);
}

#[test]
fn a_market_order_has_no_price_and_a_venue_may_lack_replaces() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, market_order(SPOT, Side::Buy, 100));
    let events = step(&mut desk, ReplaceOrder { price: Price(9_000), ..replace(id) });
    assert_eq!(reason_of(&events), Reject::PriceNotAllowed as u16);
    let capabilities = VenueDefined::ALL & !VenueDefined::REPLACE;
    step(&mut desk, VenueDefined { capabilities, venue: VenueId(2), name: TextId::NONE });
    let order = super::orders_support::limit(Side::Buy, 9_000, 100);
    let (id, _) = enter(
        &mut desk,
        lasting(tickwerk_domain::command::NewOrder { venue: VenueId(2), ..order }, TimeInForce::Gtc),
    );
    let events = step(&mut desk, ReplaceOrder { qty: Qty(200), ..replace(id) });
    assert_eq!(reason_of(&events), Reject::VenueLacks as u16);
}

#[test]
fn terms_that_cannot_be_are_not_taken_from_a_venue() {
    let (mut desk, id) = with_order();
    step(&mut desk, fill(id, 1, 9_000, 30_000, 0));
    for (price, qty) in
        [(9_000, 29_995), (9_000, 0), (9_000, -1), (-1, 50_000), (i64::MAX, i64::MAX), (9_000, i64::MIN)]
    {
        let events = step(&mut desk, replaced(id, price, qty));
        assert_eq!(types(&events), ["system.command_refused"], "{price} {qty}");
        check_order(&desk, id, OrderStatus::PartiallyFilled, 30_000, 70_000);
    }
    let events = step(&mut desk, replaced(id, 9_000, 30_000));
    assert_eq!(
        types(&events),
        ["order.replaced", "order.filled"],
        "what was filled is all that is left of it"
    );
    check_order(&desk, id, OrderStatus::Filled, 30_000, 0);
}
