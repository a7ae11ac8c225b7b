//! Reconciliation: what differs is told and done, and the same view again finds nothing but what can only be raised.

use super::desk::{
    ALICE, BOB, BTC, Desk, LINEAR, SPOT, USD, USD_START, cancel, fill, limit_order, report, types,
};
use tickwerk_domain::DifferenceKind::{
    Balance, OrderFilled, OrderMissing, OrderPrice, OrderQuantity, OrderUnknown, Position,
};
use tickwerk_domain::command::{
    NewOrder, ReconcileEnded, ReconcileStarted, TradeObserved, VenueBalanceStated, VenueOrderStated,
    VenuePositionStated,
};
use tickwerk_domain::event::{CommandRefused, LedgerBook, ReconcileCompleted, ReconcileDiffered};
use tickwerk_domain::{
    AccountId, Aggressor, Command, CurrencyId, DifferenceKind, Event, InstrumentId, Money, OrderId,
    OrderStatus, OrderType, PositionSide, Price, Qty, ReconcileAction, Reject, ReportKind, Side, VenueId,
};

pub(super) fn start(run: u64, account: AccountId) -> ReconcileStarted {
    ReconcileStarted { run, account, venue: VenueId::SIMULATED }
}

pub(super) fn stated(run: u64, order: OrderId, price: i64, qty: i64, cum_qty: i64) -> VenueOrderStated {
    VenueOrderStated {
        run,
        order,
        venue_order_id: 77,
        price: Price(price),
        qty: Qty(qty),
        cum_qty: Qty(cum_qty),
        account: ALICE,
        instrument: SPOT,
        side: Side::Buy,
    }
}

pub(super) fn balance(run: u64, currency: CurrencyId, cash: i128) -> VenueBalanceStated {
    VenueBalanceStated { run, cash: Money::new(cash), account: ALICE, currency }
}

pub(super) fn position(run: u64, instrument: InstrumentId, qty: i64, price: i64) -> VenuePositionStated {
    let (qty, price, side) = (Qty(qty), Price(price), PositionSide::Net);
    VenuePositionStated { run, qty, price, account: ALICE, instrument, side }
}

fn order(desk: &mut Desk, price: i64) -> OrderId {
    let id = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, price, 100));
    id
}

fn status(desk: &Desk, id: OrderId) -> OrderStatus {
    desk.machine().orders().by_id(id).expect("the order is known").status
}

pub(super) fn refusal(events: &[Event]) -> Option<Reject> {
    if let [Event::CommandRefused(CommandRefused { reason, .. })] = events {
        Reject::from_code(*reason)
    } else {
        None
    }
}

pub(super) fn differed(events: &[Event]) -> Vec<(DifferenceKind, ReconcileAction, i128, i128)> {
    let told = |event: &Event| {
        if let Event::ReconcileDiffered(ReconcileDiffered { kind, action, ours, theirs, .. }) = event {
            Some((*kind, *action, ours.get(), theirs.get()))
        } else {
            None
        }
    };
    events.iter().filter_map(told).collect()
}

pub(super) fn completed(events: &[Event]) -> Option<&ReconcileCompleted> {
    events.iter().find_map(|event| {
        if let Event::ReconcileCompleted(completed) = event { Some(completed) } else { None }
    })
}

/// Feeds a whole run; gives what differed and the completion's counts: orders, figures, differences.
fn run_of(desk: &mut Desk, run: u64, view: &[Command]) -> (Vec<DifferenceKind>, (u32, u32, u32)) {
    assert_eq!(desk.apply(start(run, ALICE)), []);
    let mut all: Vec<Event> = view.iter().flat_map(|command| desk.apply(*command)).collect();
    all.extend(desk.apply(ReconcileEnded { run }));
    all.extend(desk.settle(0).into_iter().flat_map(|(_, events)| events));
    let done = completed(&all).expect("the run ends");
    assert_eq!((done.run, done.account, done.venue), (run, ALICE, VenueId::SIMULATED));
    assert!(desk.machine().reconciliations().of(ALICE).is_none());
    let kinds = differed(&all).iter().map(|(kind, ..)| *kind).collect();
    (kinds, (done.orders, done.figures, done.differences))
}

#[test]
fn a_view_that_agrees_finds_nothing() {
    let mut desk = Desk::with_quotes();
    let id = order(&mut desk, 9_000);
    desk.apply(fill(id, 1, 9_000, 30, 5));
    let (usd, btc) = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC));
    let view = [
        stated(1, id, 9_000, 100, 30).into(),
        balance(1, USD, usd).into(),
        balance(1, BTC, btc).into(),
        position(1, SPOT, 30, 9_000).into(),
    ];
    assert_eq!(run_of(&mut desk, 1, &view), (vec![], (1, 3, 0)));
    // The statement was the first word of the venue that the order stands there.
    assert!(desk.machine().orders().by_id(id).unwrap().is_accepted);
    assert_eq!(status(&desk, id), OrderStatus::PartiallyFilled);
}

#[test]
fn what_differs_is_told_and_done_and_the_second_run_finds_nothing() {
    let mut desk = Desk::with_quotes();
    let [same, other_terms, missing, canceling] = [9_000, 9_010, 9_020, 9_030].map(|at| order(&mut desk, at));
    desk.apply(cancel(canceling));
    let view = |run| -> Vec<Command> {
        vec![
            stated(run, same, 9_000, 100, 0).into(),
            stated(run, other_terms, 9_050, 80, 0).into(),
            position(run, LINEAR, -40, 10_000).into(),
            balance(run, USD, USD_START - 123).into(),
            balance(run, BTC, 5).into(),
        ]
    };
    let (kinds, counts) = run_of(&mut desk, 1, &view(1));
    assert_eq!(kinds, [OrderPrice, OrderQuantity, Position, Balance, Balance, OrderMissing, OrderMissing]);
    assert_eq!(counts, (2, 3, 7));
    assert_eq!(status(&desk, missing), OrderStatus::Canceled);
    assert_eq!(status(&desk, canceling), OrderStatus::Canceled);
    assert_eq!(desk.machine().orders().by_id(missing).unwrap().reason, Reject::MissingAtVenue.code());
    let restated = desk.machine().orders().by_id(other_terms).unwrap();
    assert_eq!((restated.price, restated.qty, restated.status), (Price(9_050), Qty(80), OrderStatus::New));
    assert_eq!((desk.cash(ALICE, USD), desk.cash(ALICE, BTC)), (USD_START - 123, 5));
    assert_eq!(desk.machine().accounts().book(USD, LedgerBook::Adjustment), 123);
    let short = desk.machine().positions().get(ALICE, LINEAR);
    assert_eq!((short.qty, short.realized, short.fees), (-40, 0, 0));
    assert!(short.margin > 0);
    let spot = desk.machine().positions().get(ALICE, SPOT);
    assert_eq!((spot.open_buys, desk.machine().accounts().account(ALICE).unwrap().open_orders), (180, 2));

    let state =
        (desk.cash(ALICE, USD), desk.reserved(ALICE, USD), desk.machine().positions().get(ALICE, LINEAR).qty);
    assert_eq!(run_of(&mut desk, 2, &view(2)), (vec![], (2, 3, 0)));
    let again =
        (desk.cash(ALICE, USD), desk.reserved(ALICE, USD), desk.machine().positions().get(ALICE, LINEAR).qty);
    assert_eq!(state, again);
}

#[test]
fn unknown_orders_and_missing_fills_are_raised_every_time_and_never_invented() {
    let mut desk = Desk::with_quotes();
    let id = order(&mut desk, 9_000);
    let done = order(&mut desk, 9_000);
    desk.apply(report(done, ReportKind::Canceled, None));
    for run in 1..3 {
        let view = [
            stated(run, id, 9_000, 100, 40).into(),
            stated(run, done, 9_000, 100, 0).into(),
            stated(run, OrderId(987_654), 9_000, 100, 0).into(),
        ];
        let (kinds, counts) = run_of(&mut desk, run, &view);
        assert_eq!((kinds, counts), (vec![OrderFilled, OrderUnknown, OrderUnknown], (3, 0, 3)));
        assert_eq!(desk.machine().orders().by_id(id).unwrap().cum_qty, Qty(0));
        assert_eq!(desk.machine().positions().get(ALICE, SPOT).qty, 0);
        assert_eq!(status(&desk, done), OrderStatus::Canceled);
    }
    // The missing fill comes as a fill, and the view agrees.
    desk.apply(fill(id, 1, 9_000, 40, 0));
    assert_eq!(run_of(&mut desk, 3, &[stated(3, id, 9_000, 100, 40).into()]).1, (1, 0, 0));
}

#[test]
fn only_orders_of_the_account_that_went_out_before_the_start_are_ended() {
    let mut desk = Desk::with_quotes();
    let before = order(&mut desk, 9_000);
    let of_bob = desk.next_id();
    desk.apply(NewOrder { account: BOB, ..limit_order(SPOT, Side::Buy, 9_000, 100) });
    desk.apply(start(5, ALICE));
    let after = order(&mut desk, 9_000);
    let events = desk.apply(ReconcileEnded { run: 5 });
    assert_eq!(types(&events), ["system.reconcile_differed", "order.canceled", "system.reconcile_completed"]);
    assert_eq!(differed(&events), [(OrderMissing, ReconcileAction::Ended, 100, 0)]);
    assert_eq!(status(&desk, before), OrderStatus::Canceled);
    assert_eq!(status(&desk, after), OrderStatus::PendingNew);
    assert_eq!(status(&desk, of_bob), OrderStatus::PendingNew);
    // The venue knew it after all: a fill that it really made is booked.
    assert_eq!(types(&desk.apply(fill(before, 1, 9_000, 10, 0)))[0], "order.partially_filled");
}

#[test]
fn an_order_that_may_be_meant_by_a_statement_without_a_name_is_not_ended() {
    let mut desk = Desk::with_quotes();
    let id = order(&mut desk, 9_000);
    let (kinds, _) = run_of(&mut desk, 1, &[stated(1, OrderId::NONE, 9_000, 100, 0).into()]);
    assert_eq!(kinds, [OrderUnknown, OrderMissing]);
    assert_eq!(status(&desk, id), OrderStatus::PendingNew);
    let sell = VenueOrderStated { side: Side::Sell, ..stated(2, OrderId::NONE, 9_000, 100, 0) };
    run_of(&mut desk, 2, &[sell.into()]);
    assert_eq!(status(&desk, id), OrderStatus::Canceled);
}

#[test]
fn terms_that_cannot_be_are_raised() {
    let mut desk = Desk::with_quotes();
    let id = order(&mut desk, 9_000);
    desk.apply(fill(id, 1, 9_000, 30, 0));
    desk.apply(start(1, ALICE));
    for (price, qty) in
        [(0, 100), (-5, 100), (9_000, 30), (9_000, 0), (i64::MAX, i64::MAX), (9_000, i64::MIN)]
    {
        let events = desk.apply(stated(1, id, price, qty, 30));
        assert!(!differed(&events).is_empty());
        assert!(
            differed(&events).iter().all(|(_, action, ..)| *action == ReconcileAction::Raised),
            "{price} {qty}"
        );
    }
    let order = desk.machine().orders().by_id(id).unwrap();
    assert_eq!((order.price, order.qty, order.leaves()), (Price(9_000), Qty(100), Qty(70)));
}

#[test]
fn a_position_without_a_price_takes_the_mark_or_is_raised() {
    let mut desk = Desk::with_quotes();
    desk.apply(start(1, ALICE));
    desk.apply(position(1, LINEAR, 50, 0));
    let long = desk.machine().positions().get(ALICE, LINEAR);
    assert_eq!((long.qty, long.open_cost), (50, 10_000 * 50));
    let events = desk.apply(position(1, LINEAR, i64::MIN, 0));
    assert_eq!(differed(&events)[0].1, ReconcileAction::Raised);
    let mut blind = Desk::new();
    blind.apply(start(1, ALICE));
    let events = blind.apply(position(1, LINEAR, 50, 0));
    assert_eq!(differed(&events)[0].1, ReconcileAction::Raised);
    assert_eq!(blind.machine().positions().get(ALICE, LINEAR).qty, 0);
}

#[test]
fn an_adjusted_spot_position_closes_without_a_rest() {
    let mut desk = Desk::with_quotes();
    desk.apply(start(1, ALICE));
    desk.apply(position(1, SPOT, 100_000, 9_000));
    desk.apply(ReconcileEnded { run: 1 });
    let (id, usd) = (desk.next_id(), desk.cash(ALICE, USD));
    desk.apply(limit_order(SPOT, Side::Sell, 10_000, 100_000));
    desk.apply(fill(id, 1, 10_000, 100_000, 0));
    // Bought at 90.00 as the venue says, sold at 100.00.
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).realized, 100_000);
    assert_eq!(desk.cash(ALICE, USD) - usd, 1_000_000);
    assert_eq!(desk.machine().accounts().book(USD, LedgerBook::Rounding), 0);
}

#[test]
fn statements_need_a_run_and_a_new_run_gives_an_unfinished_one_up() {
    let mut desk = Desk::with_quotes();
    let id = order(&mut desk, 9_000);
    let unknown = Some(Reject::UnknownReconciliation);
    assert_eq!(refusal(&desk.apply(stated(1, id, 9_000, 100, 0))), unknown);
    assert_eq!(refusal(&desk.apply(balance(1, USD, 5))), unknown);
    assert_eq!(refusal(&desk.apply(position(1, SPOT, 5, 5))), unknown);
    assert_eq!(refusal(&desk.apply(ReconcileEnded { run: 1 })), unknown);
    assert_eq!(refusal(&desk.apply(ReconcileEnded { run: 0 })), unknown);
    assert_eq!(refusal(&desk.apply(start(0, ALICE))), Some(Reject::ValueOutOfRange));
    assert_eq!(refusal(&desk.apply(start(1, AccountId(60)))), Some(Reject::UnknownAccount));
    let nowhere = ReconcileStarted { venue: VenueId(0), ..start(1, ALICE) };
    assert_eq!(refusal(&desk.apply(nowhere)), Some(Reject::UnknownVenue));
    desk.apply(start(1, ALICE));
    assert_eq!(refusal(&desk.apply(start(1, ALICE))), Some(Reject::DuplicateReport));
    assert_eq!(refusal(&desk.apply(start(1, BOB))), Some(Reject::DuplicateReport));
    desk.apply(start(2, ALICE));
    assert_eq!(refusal(&desk.apply(stated(1, id, 9_000, 100, 0))), unknown);
    assert_eq!(refusal(&desk.apply(balance(2, CurrencyId(60), 5))), Some(Reject::UnknownCurrency));
    assert_eq!(refusal(&desk.apply(balance(2, USD, 1 << 100))), Some(Reject::ValueOutOfRange));
    assert_eq!(refusal(&desk.apply(position(2, InstrumentId(60), 5, 5))), Some(Reject::UnknownInstrument));
    let hedged = VenuePositionStated { side: PositionSide::Long, ..position(2, SPOT, 5, 5) };
    assert_eq!(refusal(&desk.apply(hedged)), Some(Reject::PositionModeInvalid));
    assert_eq!(desk.apply(stated(2, id, 9_000, 100, 0)).len(), 1, "only the acceptance is news");
    assert_eq!(completed(&desk.apply(ReconcileEnded { run: 2 })).map(|done| done.differences), Some(0));
}

#[test]
fn many_missing_orders_go_on_with_the_next_commands() {
    let mut desk = Desk::with_quotes();
    let ids: Vec<_> = (0..150).map(|_| order(&mut desk, 9_000)).collect();
    desk.apply(start(1, ALICE));
    desk.apply(stated(1, ids[20], 9_000, 100, 0));
    desk.apply(ReconcileEnded { run: 1 });
    assert!(desk.machine().continuation().is_some());
    let settled = desk.settle(0);
    assert!(settled.len() > 3);
    assert_eq!(completed(&settled.last().unwrap().1).map(|done| done.differences), Some(149));
    assert_eq!(desk.machine().orders().open_count(), 1);
    assert_eq!(desk.machine().orders().open().next().map(|order| order.id), Some(ids[20]));
    assert_eq!(desk.machine().positions().get(ALICE, SPOT).open_buys, 100);
}

#[test]
fn an_order_that_was_held_at_the_start_is_spared_whether_it_left_since_or_not() {
    let mut desk = Desk::with_quotes();
    let [waits, leaves] = [10_300, 10_100].map(|trigger| {
        let id = desk.next_id();
        desk.apply(NewOrder {
            order_type: OrderType::StopLimit,
            trigger_price: Price(trigger),
            ..limit_order(SPOT, Side::Buy, 10_300, 100)
        });
        assert_eq!(status(&desk, id), OrderStatus::Held);
        id
    });
    desk.apply(start(1, ALICE));
    let (price, qty, aggressor) = (Price(10_100), Qty(5), Aggressor::Unknown);
    desk.apply(TradeObserved { trade_id: 1, price, qty, instrument: SPOT, aggressor });
    assert_eq!(status(&desk, leaves), OrderStatus::PendingNew);
    let events = desk.apply(ReconcileEnded { run: 1 });
    assert_eq!(completed(&events).map(|done| done.differences), Some(0));
    assert_eq!((status(&desk, waits), status(&desk, leaves)), (OrderStatus::Held, OrderStatus::PendingNew));
    // The next view would know the one that left.
    assert_eq!(run_of(&mut desk, 2, &[]).0, [OrderMissing]);
    assert_eq!((status(&desk, waits), status(&desk, leaves)), (OrderStatus::Held, OrderStatus::Canceled));
}
