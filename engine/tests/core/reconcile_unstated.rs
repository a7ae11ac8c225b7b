//! Reconciliation: what the venue leaves out.

use super::desk::{
    ALICE, BTC, Desk, INVERSE, LINEAR, SPOT, USD, assert_books_balance, fill, instrument, limit_order, quote,
    restored,
};
use super::reconcile::{balance, completed, differed, position, refusal, start, stated};
use tickwerk_domain::DifferenceKind::{OrderMissing, Position};
use tickwerk_domain::ReconcileAction::{Adjusted, Ended, Raised};
use tickwerk_domain::command::{
    AccountDefined, NewOrder, ReconcileEnded, ReconcileStarted, TradeBusted, VenueDefined,
    VenuePositionStated,
};
use tickwerk_domain::event::LedgerBook;
use tickwerk_domain::{
    Command, DifferenceKind, Event, Instrument, InstrumentId, OrderId, PositionMode, PositionSide, Qty,
    ReconcileAction, Reject, Side, TextId, VenueId,
};

const HERE: VenueId = VenueId::SIMULATED;
const THERE: VenueId = VenueId(2);

type Told = (DifferenceKind, ReconcileAction, i128, i128);

fn closed(ours: i128) -> Told {
    (Position, Adjusted, ours, 0)
}

/// A desk with a second venue.
fn desk() -> Desk {
    let mut desk = Desk::with_quotes();
    desk.apply(VenueDefined { capabilities: VenueDefined::ALL, venue: THERE, name: TextId::NONE });
    desk
}

/// Buys (or, below zero, sells) at 100.00 at a venue.
fn trade(desk: &mut Desk, venue: VenueId, instrument: InstrumentId, qty: i64) -> OrderId {
    let (id, side) = (desk.next_id(), if qty > 0 { Side::Buy } else { Side::Sell });
    desk.apply(NewOrder { venue, ..limit_order(instrument, side, 10_000, qty.abs()) });
    desk.apply(fill(id, 1, 10_000, qty.abs(), 0));
    id
}

fn held(desk: &Desk) -> [i64; 3] {
    [SPOT, LINEAR, INVERSE].map(|of| desk.machine().positions().get(ALICE, of).qty)
}

/// Feeds a whole run; gives what differed.
fn run_at(desk: &mut Desk, venue: VenueId, run: u64, view: &[Command]) -> Vec<Told> {
    assert_eq!(desk.apply(ReconcileStarted { venue, ..start(run, ALICE) }), []);
    let mut all: Vec<Event> = view.iter().flat_map(|command| desk.apply(*command)).collect();
    all.extend(desk.apply(ReconcileEnded { run }));
    all.extend(desk.settle(0).into_iter().flat_map(|(_, events)| events));
    let done = completed(&all).expect("the run ends");
    assert_eq!((done.run, done.differences as usize), (run, differed(&all).len()));
    assert_books_balance(desk.machine());
    differed(&all)
}

#[test]
fn a_position_that_is_left_out_beside_others_is_closed_and_stated_balances_stay() {
    let mut desk = desk();
    for (instrument, qty) in [(SPOT, 100), (LINEAR, 40), (INVERSE, -30)] {
        trade(&mut desk, HERE, instrument, qty);
    }
    desk.apply(quote(LINEAR, 10_490, 10_510));
    let (usd, asset) = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC));
    let view = |run| -> Vec<Command> {
        vec![position(run, INVERSE, -30, 10_000).into(), balance(run, USD, usd).into()]
    };
    assert_eq!(run_at(&mut desk, HERE, 1, &view(1)), [closed(40)]);
    assert_eq!(held(&desk), [100, 0, -30], "a spot holding is a balance");
    let linear = desk.machine().positions().get(ALICE, LINEAR);
    assert_eq!((linear.realized, linear.margin, linear.open_cost), (50 * 40, 0, 0), "closed at the mark");
    assert_eq!((desk.cash(ALICE, USD), desk.cash(ALICE, BTC)), (usd, asset));
    assert_eq!(desk.machine().accounts().book(USD, LedgerBook::Adjustment), 0);
    desk.core = restored(&desk.core);
    let digest_of = |desk: &Desk| {
        let machine = desk.machine();
        (held(desk), desk.cash(ALICE, USD), machine.positions().get(ALICE, LINEAR).version)
    };
    let before = digest_of(&desk);
    assert_eq!(run_at(&mut desk, HERE, 2, &view(2)), []);
    assert_eq!(digest_of(&desk), before, "the second run changes nothing more");
}

#[test]
fn without_a_stated_balance_the_cash_has_what_the_close_realised() {
    let mut desk = desk();
    trade(&mut desk, HERE, LINEAR, 40);
    desk.apply(quote(LINEAR, 10_490, 10_510));
    let usd = desk.cash(ALICE, USD);
    // Where all is flat, any one position says so.
    assert_eq!(run_at(&mut desk, HERE, 1, &[position(1, INVERSE, 0, 0).into()]), [closed(40)]);
    let gained = desk.machine().positions().get(ALICE, LINEAR).realized;
    assert_eq!((desk.cash(ALICE, USD) - usd, gained > 0), (gained, true));
    assert_eq!(desk.machine().accounts().book(USD, LedgerBook::Adjustment), -gained);
}

#[test]
fn a_run_without_positions_says_nothing_of_them_nor_one_without_balances_of_those() {
    let mut desk = desk();
    let id = desk.next_id();
    desk.apply(limit_order(SPOT, Side::Buy, 9_000, 100));
    trade(&mut desk, HERE, LINEAR, 40);
    let (usd, asset) = (desk.cash(ALICE, USD), desk.cash(ALICE, BTC));
    let view = [stated(1, id, 9_000, 100, 0).into(), balance(1, USD, usd).into()];
    assert_eq!(run_at(&mut desk, HERE, 1, &view), []);
    assert_eq!(run_at(&mut desk, HERE, 2, &[]), [(OrderMissing, Ended, 100, 0)]);
    assert_eq!((held(&desk), desk.cash(ALICE, USD), desk.cash(ALICE, BTC)), ([0, 40, 0], usd, asset));
}

#[test]
fn a_view_is_of_what_was_filled_at_its_venue_alone() {
    let mut desk = desk();
    trade(&mut desk, THERE, LINEAR, 40);
    let none = |run| [position(run, INVERSE, 0, 0).into()];
    assert_eq!(run_at(&mut desk, HERE, 1, &none(1)), [], "it stands at the other venue");
    trade(&mut desk, HERE, LINEAR, 20);
    desk.core = restored(&desk.core);
    for (run, venue) in [(2, HERE), (3, THERE)] {
        assert_eq!(run_at(&mut desk, venue, run, &none(run)), [], "it stands at both");
    }
    trade(&mut desk, HERE, LINEAR, -60);
    trade(&mut desk, HERE, LINEAR, 20);
    assert_eq!(run_at(&mut desk, HERE, 4, &none(4)), [], "what was flat here may be open at both");
    trade(&mut desk, THERE, INVERSE, 30);
    assert_eq!(run_at(&mut desk, THERE, 5, &[position(5, LINEAR, 20, 0).into()]), [closed(30)]);
    trade(&mut desk, HERE, INVERSE, 30);
    assert_eq!(run_at(&mut desk, HERE, 6, &[position(6, LINEAR, 20, 0).into()]), [closed(30)], "anew");
    // A fill there that is taken back leaves something there.
    let id = trade(&mut desk, THERE, INVERSE, 30);
    trade(&mut desk, THERE, INVERSE, -30);
    trade(&mut desk, HERE, INVERSE, 10);
    desk.apply(TradeBusted { order: id, execution_id: 1 });
    assert_eq!(held(&desk)[2], -20);
    assert_eq!(run_at(&mut desk, HERE, 7, &[position(7, LINEAR, 20, 0).into()]), []);
}

#[test]
fn what_was_filled_since_the_start_or_was_refused_is_left_alone() {
    let mut desk = desk();
    let id = desk.next_id();
    desk.apply(limit_order(LINEAR, Side::Buy, 10_000, 40));
    desk.apply(start(1, ALICE));
    desk.apply(fill(id, 1, 10_000, 40, 0));
    desk.apply(position(1, INVERSE, 0, 0));
    desk.core = restored(&desk.core);
    assert_eq!(differed(&desk.apply(ReconcileEnded { run: 1 })), []);
    desk.apply(start(2, ALICE));
    let hedged = VenuePositionStated { side: PositionSide::Short, ..position(2, LINEAR, 40, 0) };
    assert_eq!(refusal(&desk.apply(hedged)), Some(Reject::PositionModeInvalid));
    desk.apply(position(2, INVERSE, 0, 0));
    assert_eq!(differed(&desk.apply(ReconcileEnded { run: 2 })), []);
    assert_eq!(held(&desk), [0, 40, 0]);
    assert_eq!(run_at(&mut desk, HERE, 3, &[position(3, INVERSE, 0, 0).into()]), [closed(40)]);
}

#[test]
fn each_side_of_a_hedged_pair_is_stated_by_itself() {
    let mut desk = desk();
    desk.apply(AccountDefined { account: ALICE, name: TextId::NONE, mode: PositionMode::Hedging });
    trade(&mut desk, HERE, LINEAR, 40);
    trade(&mut desk, HERE, LINEAR, -30);
    let long = |run| VenuePositionStated { side: PositionSide::Long, ..position(run, LINEAR, 40, 0) };
    assert_eq!(run_at(&mut desk, HERE, 1, &[long(1).into()]), [closed(-30)]);
    let sides = [PositionSide::Long, PositionSide::Short]
        .map(|side| desk.machine().positions().of(ALICE, LINEAR, side).qty);
    assert_eq!(sides, [40, 0]);
    let other = VenuePositionStated { instrument: INVERSE, qty: Qty(0), ..long(2) };
    assert_eq!(run_at(&mut desk, HERE, 2, &[other.into()]), [closed(40)]);
}

#[test]
fn a_position_without_a_mark_is_raised_each_time() {
    let mut desk = Desk::new();
    assert_eq!(
        run_at(&mut desk, HERE, 1, &[position(1, LINEAR, 40, 9_000).into()]),
        [(Position, Adjusted, 0, 40)]
    );
    for run in 2..4 {
        let told = run_at(&mut desk, HERE, run, &[position(run, INVERSE, 0, 0).into()]);
        assert_eq!(told, [(Position, Raised, 40, 0)]);
        assert_eq!(held(&desk), [0, 40, 0]);
    }
}

#[test]
fn many_positions_go_on_with_the_next_commands_in_order() {
    let mut desk = desk();
    let markets: Vec<_> = (4..50).map(InstrumentId).collect();
    for id in &markets {
        desk.apply(Instrument { instrument: *id, ..instrument(LINEAR) });
        desk.apply(quote(*id, 9_990, 10_010));
    }
    let view: Vec<Command> = markets.iter().map(|id| position(1, *id, 10, 9_000).into()).collect();
    assert_eq!(run_at(&mut desk, THERE, 1, &view).len(), markets.len());
    for _ in 0..40 {
        desk.apply(NewOrder { venue: THERE, ..limit_order(SPOT, Side::Buy, 9_000, 10) });
    }
    desk.apply(ReconcileStarted { venue: THERE, ..start(2, ALICE) });
    desk.apply(position(2, markets[7], 10, 0));
    let usd = desk.cash(ALICE, USD);
    desk.apply(balance(2, USD, usd));
    let mut told = differed(&desk.apply(ReconcileEnded { run: 2 }));
    let mut steps = 0;
    while let Some((_, events)) = desk.settle_one(0) {
        assert!(events.len() <= 64);
        told.extend(differed(&events));
        steps += 1;
        desk = desk.restarted();
        desk.core = restored(&desk.core);
    }
    assert!(steps > 4, "{steps}");
    assert_eq!(told[..40], [(OrderMissing, Ended, 10, 0); 40]);
    assert_eq!(told[40..], vec![closed(10); markets.len() - 1]);
    assert_eq!(desk.machine().positions().open(ALICE).collect::<Vec<_>>(), [markets[7]]);
    assert!(desk.machine().reconciliations().of(ALICE).is_none());
}
