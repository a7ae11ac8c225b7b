//! Where parts meet: fills taken back and groups, refused cancels and expiries, auctions that are going on, position
//! modes and late fills.

use super::desk::{ALICE, BTC, Desk, LINEAR, SPOT, cancel, fill, limit_order, quote, report, types};
use super::money_kit::{HEDGER, accept, account};
use super::orders_support::{
    assert_replays, assert_sums, check_order, enter, lasting, limit, linked, quiet_desk, stop,
};
use tickwerk_domain::command::{
    NewOrder, ReplaceReported, SessionSet, TradeBusted, TradeCorrected, VenueDefined,
};
use tickwerk_domain::{
    Command, Contingency, Event, Money, OrderId, OrderStatus, PositionEffect, PositionMode, PositionSide,
    Price, Qty, ReportKind, SessionState, Side, TextId, TimeInForce, TimeNs, VenueId,
};

fn step(desk: &mut Desk, command: impl Into<Command>) -> Vec<Event> {
    let events = desk.apply(command);
    assert_sums(desk.machine());
    events
}

fn bust(order: OrderId, execution_id: u64) -> TradeBusted {
    TradeBusted { order, execution_id }
}

/// An entry for 100 with two exits, a limit and a stop, in the linear contract, where nothing else keeps a sell back.
fn bracket(desk: &mut Desk) -> (OrderId, OrderId, OrderId) {
    let of = |order: NewOrder| NewOrder { instrument: LINEAR, ..order };
    let (entry, _) = enter(desk, linked(of(limit(Side::Buy, 10_000, 100)), 9, Contingency::Parent));
    let (take, _) = enter(desk, linked(of(limit(Side::Sell, 10_500, 100)), 9, Contingency::BracketExit));
    let (out, _) = enter(desk, linked(of(stop(Side::Sell, 9_500, 100)), 9, Contingency::BracketExit));
    (entry, take, out)
}

/// A fill of the entry that was taken back leaves nothing that its exits could close.
#[test]
fn exits_are_released_for_what_the_entry_filled_in_the_end() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    step(&mut desk, bust(entry, 1));
    step(&mut desk, cancel(entry));
    let events = step(&mut desk, report(entry, ReportKind::Canceled, None));
    assert_eq!(types(&events), ["order.canceled"; 3]);
    for exit in [take, out] {
        check_order(&desk, exit, OrderStatus::Canceled, 0, 0);
    }
    assert_replays(&desk);
}

/// The same with a smaller quantity instead of none.
#[test]
fn a_corrected_entry_releases_its_exits_for_less() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    let (price, qty, fee) = (Price(10_000), Qty(40), Money::new(0));
    step(&mut desk, TradeCorrected { order: entry, execution_id: 1, price, qty, fee });
    step(&mut desk, cancel(entry));
    step(&mut desk, report(entry, ReportKind::Canceled, None));
    check_order(&desk, take, OrderStatus::PendingNew, 0, 40);
    check_order(&desk, out, OrderStatus::Held, 0, 40);
    assert_replays(&desk);
}

/// Exits that stand for a fill that is taken back go with it: the one that is held at once, the other by the venue.
#[test]
fn exits_follow_an_entry_whose_fill_is_taken_back_after_its_end() {
    let mut desk = quiet_desk();
    let (entry, take, out) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 60, 0));
    step(&mut desk, fill(entry, 2, 10_000, 40, 0));
    check_order(&desk, take, OrderStatus::PendingNew, 0, 100);
    step(&mut desk, report(take, ReportKind::Accepted, None));
    let events = step(&mut desk, bust(entry, 2));
    assert!(types(&events).contains(&"order.replace_submitted"), "{events:?}");
    check_order(&desk, out, OrderStatus::Held, 0, 60);
    step(&mut desk, bust(entry, 1));
    check_order(&desk, take, OrderStatus::PendingCancel, 0, 100);
    check_order(&desk, out, OrderStatus::Canceled, 0, 0);
    assert_replays(&desk);
}

/// What an exit had filled and the venue took back is not filled: the other exit may close it.
#[test]
fn a_child_that_comes_late_may_close_what_an_exits_busted_fill_left_open() {
    let mut desk = quiet_desk();
    let (entry, take, _) = bracket(&mut desk);
    step(&mut desk, fill(entry, 1, 10_000, 100, 0));
    step(&mut desk, fill(take, 1, 10_500, 60, 0));
    step(&mut desk, bust(take, 1));
    step(&mut desk, report(take, ReportKind::Canceled, None));
    let late =
        linked(NewOrder { instrument: LINEAR, ..stop(Side::Sell, 9_500, 100) }, 9, Contingency::BracketExit);
    let (late, _) = enter(&mut desk, late);
    check_order(&desk, late, OrderStatus::Held, 0, 100);
    assert_replays(&desk);
}

const PLAIN: VenueId = VenueId(2);

/// A desk with a venue that ends no orders by itself and has no auctions.
fn with_plain_venue() -> Desk {
    let mut desk = quiet_desk();
    accept(&mut desk, VenueDefined { capabilities: 0, venue: PLAIN, name: TextId::NONE });
    desk
}

/// An order whose time is over does not stay for ever because a cancel was refused once.
#[test]
fn an_expired_order_is_cancelled_again_after_the_venue_refused_to() {
    for is_asked_before in [false, true] {
        let mut desk = with_plain_venue();
        let expires_at = TimeNs(desk.time + 10_000);
        let order =
            NewOrder { venue: PLAIN, expires_at, ..lasting(limit(Side::Buy, 9_000, 100), TimeInForce::Gtd) };
        let (id, _) = enter(&mut desk, order);
        step(&mut desk, report(id, ReportKind::Accepted, None));
        if is_asked_before {
            step(&mut desk, cancel(id));
        }
        desk.settle(expires_at.0);
        desk.time = expires_at.0;
        check_order(&desk, id, OrderStatus::PendingCancel, 0, 100);
        step(&mut desk, report(id, ReportKind::CancelRejected, None));
        check_order(&desk, id, OrderStatus::New, 0, 100);
        let events = desk.settle(desk.time + 10_000_000_000);
        assert!(events.iter().any(|(_, events)| types(events) == ["order.cancel_submitted"]), "{events:?}");
        desk.time += 10_000_000_000;
        step(&mut desk, report(id, ReportKind::Canceled, None));
        check_order(&desk, id, OrderStatus::Expired, 0, 0);
        assert!(desk.machine().timers().is_empty());
    }
}

fn session(state: SessionState) -> SessionSet {
    SessionSet { closes_at: TimeNs(0), instrument: SPOT, state }
}

#[test]
fn an_order_for_an_auction_that_is_going_on_leaves_at_once() {
    for (state, time) in [
        (SessionState::OpeningAuction, TimeInForce::AtTheOpen),
        (SessionState::ClosingAuction, TimeInForce::AtTheClose),
    ] {
        let mut desk = with_plain_venue();
        if state == SessionState::OpeningAuction {
            accept(&mut desk, session(SessionState::Closed));
            accept(&mut desk, session(SessionState::PreOpen));
        }
        accept(&mut desk, session(state));
        let order = NewOrder { venue: PLAIN, ..lasting(limit(Side::Buy, 9_000, 100), time) };
        let (id, _) = enter(&mut desk, order);
        check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
    }
}

/// A limit order that a venue gives no price is one that cannot be.
#[test]
fn a_limit_order_keeps_a_price() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, limit(Side::Buy, 9_000, 100));
    let told = ReplaceReported {
        order: id,
        venue_order_id: 7,
        price: Price(0),
        qty: Qty(100),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
    };
    assert_eq!(types(&step(&mut desk, told)), ["system.command_refused"]);
    check_order(&desk, id, OrderStatus::PendingNew, 0, 100);
}

/// A fill that comes after its account has changed how it counts positions is booked where the account sees it.
#[test]
fn a_late_fill_is_booked_as_the_account_counts_now() {
    for (before, after) in
        [(PositionMode::Hedging, PositionMode::Netting), (PositionMode::Netting, PositionMode::Hedging)]
    {
        let mut desk = super::money_kit::desk();
        accept(&mut desk, account(HEDGER, before));
        let id = desk.next_id();
        let order = NewOrder { account: HEDGER, ..limit_order(LINEAR, Side::Sell, 10_500, 100) };
        accept(&mut desk, NewOrder { position_effect: PositionEffect::Auto, ..order });
        accept(&mut desk, report(id, ReportKind::Canceled, None));
        accept(&mut desk, account(HEDGER, after));
        accept(&mut desk, fill(id, 1, 10_500, 60, 0));
        let side = if after == PositionMode::Netting { PositionSide::Net } else { PositionSide::Short };
        assert_eq!(desk.machine().positions().of(HEDGER, LINEAR, side).qty, -60, "{after}");
        assert_eq!(desk.machine().positions().open(HEDGER).collect::<Vec<_>>(), [LINEAR]);
        accept(&mut desk, bust(id, 1));
        assert_eq!(desk.machine().positions().of(HEDGER, LINEAR, side).qty, 0, "{after}");
        assert_eq!(desk.reserved(HEDGER, super::desk::USD), 0);
    }
}

/// A repeated name is compared with what was asked first, whatever became of the order.
#[test]
fn a_name_that_comes_again_after_a_replace_means_what_it_meant_first() {
    let mut desk = quiet_desk();
    let order = super::desk::named(limit(Side::Buy, 9_000, 100), "first");
    let (id, _) = enter(&mut desk, order);
    let told = ReplaceReported {
        order: id,
        venue_order_id: 7,
        price: Price(9_010),
        qty: Qty(120),
        trigger_price: Price(0),
        display_qty: Qty::ZERO,
    };
    step(&mut desk, told);
    assert_eq!(types(&step(&mut desk, order)), ["order.repeated"]);
    let now = NewOrder { price: Price(9_010), qty: Qty(120), ..order };
    assert_eq!(types(&step(&mut desk, now)), ["risk.order_refused", "order.rejected"]);
}

/// Once no order is open nothing is tied up, whatever happened on the way.
#[test]
fn a_sell_that_pays_its_fee_in_what_it_sells_leaves_nothing_tied_up() {
    let mut desk = quiet_desk();
    let (id, _) = enter(&mut desk, limit(Side::Sell, 10_500, 100));
    let fee = tickwerk_domain::command::FillReported { fee_currency: BTC, ..fill(id, 1, 10_500, 60, 900) };
    step(&mut desk, fee);
    step(&mut desk, bust(id, 1));
    step(&mut desk, report(id, ReportKind::Canceled, None));
    assert_eq!((desk.reserved(ALICE, BTC), desk.reserved(ALICE, super::desk::USD)), (0, 0));
    assert_eq!(desk.cash(ALICE, BTC), super::desk::BTC_START);
    step(&mut desk, quote(SPOT, 10_000, 10_020));
}

/// What may only reduce loses what another order has closed before it, and never opens a position the other way.
#[test]
fn reduce_only_orders_shrink_with_their_position() {
    let of = |side, price, qty| NewOrder { instrument: LINEAR, ..limit(side, price, qty) };
    let mut desk = quiet_desk();
    let (long, _) = enter(&mut desk, of(Side::Buy, 10_000, 100));
    step(&mut desk, fill(long, 1, 10_000, 100, 0));
    let reducing = NewOrder { reduce_only: true, ..of(Side::Sell, 10_500, 60) };
    let (first, _) = enter(&mut desk, reducing);
    let (second, _) = enter(&mut desk, NewOrder { qty: Qty(40), ..reducing });
    let held = NewOrder { reduce_only: true, instrument: LINEAR, ..stop(Side::Sell, 9_500, 40) };
    let (other, _) = enter(&mut desk, of(Side::Sell, 10_000, 70));
    let (full, _) = enter(&mut desk, held);
    check_order(&desk, full, OrderStatus::Rejected, 0, 0);
    let events = step(&mut desk, fill(other, 1, 10_000, 30, 0));
    assert_eq!(types(&events).last(), Some(&"order.replace_submitted"), "{events:?}");
    check_order(&desk, second, OrderStatus::PendingReplace, 0, 40);
    let events = step(&mut desk, fill(other, 2, 10_000, 40, 0));
    assert_eq!(types(&events)[2..], ["order.replace_submitted", "order.cancel_submitted"]);
    check_order(&desk, first, OrderStatus::PendingReplace, 0, 60);
    check_order(&desk, second, OrderStatus::PendingCancel, 0, 40);
    step(&mut desk, bust(long, 1));
    check_order(&desk, first, OrderStatus::PendingCancel, 0, 60);
    for id in [first, second] {
        step(&mut desk, report(id, ReportKind::Canceled, None));
        assert_eq!(desk.machine().orders().by_id(id).expect("it is known").reason.0, 11);
    }
    assert_replays(&desk);
}
