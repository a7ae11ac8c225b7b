//! Trades by hand, and statistics with fills that were taken back against those without them.

use super::*;
use crate::projections::fixture::{DAY, Desk, SECOND, Trade as Fill, ids};
use tickwerk_domain::command::{TradeBusted, TradeCorrected};

fn trade(opened: u64) -> Vec<Value> {
    vec![Value::Int(1), Value::Int(1), Value::text("net"), Value::unsigned(opened)]
}

#[test]
fn a_trade_lasts_from_nothing_to_nothing() {
    let mut desk = Desk::<Trades>::new();
    let opened = desk.sequence() + 3;
    desk.trade(&Fill { price: 10_000, qty: 2000, fee: 10, after: 2000, ..Fill::default() });
    desk.trade(&Fill { price: -11_000, qty: 500, fee: 3, after: 1500, realized: 500 });
    let open = desk.cells("trades", &trade(opened), ["qty", "realized", "fees", "net", "closed_at"]);
    assert_eq!(open, ["1.500", "5.00", "0.13", "4.87", "null"]);
    assert_eq!(desk.rows_of("trade_statistics"), 0);
    desk.trade(&Fill { price: -9000, qty: 1500, fee: 7, after: 0, realized: -1500 });
    let of = ["direction", "qty_max", "changes", "net", "holding_s"];
    assert_eq!(desk.cells("trades", &trade(opened), of), ["long", "2.000", "3", "-10.20", "2.000000"]);
    let of = ["trades", "wins", "losses", "gross_loss", "largest_loss", "largest_win"];
    let counted = desk.cells("trade_statistics", &ids([1, 1, 0]), of);
    assert_eq!(counted, ["1", "0", "1", "-10.20", "-10.20", "null"]);
}

#[test]
fn a_fill_through_zero_ends_one_trade_and_begins_another() {
    let mut desk = Desk::<Trades>::new();
    desk.trade(&Fill { price: 10_000, qty: 1000, after: 1000, ..Fill::default() });
    let flipped = desk.sequence() + 3;
    desk.trade(&Fill { price: -12_000, qty: 3000, fee: 10, after: -2000, realized: 2000 });
    let counted = desk.cells("trade_statistics", &ids([1, 1, 0]), ["trades", "wins", "gross_profit", "fees"]);
    assert_eq!(counted, ["1", "1", "19.90", "0.10"]);
    let now = desk.cells("trades", &trade(flipped), ["direction", "qty", "fees", "closed_at"]);
    assert_eq!(now, ["short", "-2.000", "0.00", "null"]);
    desk.trade(&Fill { price: 11_000, qty: 2000, after: 0, realized: 2000, ..Fill::default() });
    let of = ["trades", "wins", "largest_win", "holding_s", "longest_s"];
    let counted = desk.cells("trade_statistics", &ids([1, 1, 0]), of);
    assert_eq!(counted, ["2", "2", "20.00", "2.000000", "1.000000"]);
}

/// What may happen to a position: a fill (signed quantity, price), one that is taken back, one that is corrected. Fills
/// have numbers from 1 on.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fill(i64, i64),
    Bust(u64),
    Correct(u64, i64, i64),
}
use Step::{Bust, Correct, Fill as Traded};

/// A position with the cost of what is open.
#[derive(Clone, Copy, Default)]
struct Book {
    qty: i64,
    cost: i64,
}

impl Book {
    /// Books a fill; what it realised.
    fn book(&mut self, qty: i64, price: i64) -> i64 {
        let closed = if self.qty.signum() * qty.signum() < 0 { qty.abs().min(self.qty.abs()) } else { 0 };
        let closed = closed * qty.signum();
        let released = if closed == 0 { 0 } else { self.cost * closed / self.qty };
        let realized = released - closed * price;
        self.qty += qty;
        self.cost += released + (qty - closed) * price;
        realized
    }
}

/// The fold of steps, ten seconds from fill to fill. A step that restates comes a second behind the one before.
fn fold(steps: &[Option<Step>]) -> Desk<Trades> {
    let (mut desk, mut book, mut fills) = (Desk::<Trades>::new(), Book::default(), Vec::new());
    let mut restated = 0;
    for step in steps {
        restated = if matches!(step, None | Some(Traded(..))) { 0 } else { restated + 1 };
        let fill = fills.len() as u64 + u64::from(restated == 0);
        desk.time = TimeNs(DAY + 10 * SECOND * fill + SECOND * restated);
        let mut booked = |qty: i64, price: i64, fee: i64| {
            let realized = book.book(qty, price);
            Fill { price, qty, fee, after: book.qty, realized }
        };
        match *step {
            // As if it had not been.
            None => {
                fills.push((0, 0));
                desk.skip();
            }
            Some(Traded(qty, price)) => {
                fills.push((qty, price));
                let fill = booked(qty, price, 3);
                desk.trade(&fill);
            }
            Some(Bust(execution_id)) => {
                let (qty, price) = fills[usize::try_from(execution_id).unwrap() - 1];
                let back = booked(-qty, price, -3);
                desk.restate(TradeBusted { order: OrderId(1), execution_id }, &[back]);
            }
            Some(Correct(execution_id, qty, price)) => {
                let (was, at) = fills[usize::try_from(execution_id).unwrap() - 1];
                let both = [booked(-was, at, -3), booked(qty, price, 3)];
                let order = OrderId(1);
                let now = (Qty(qty.abs()), tickwerk_domain::Price(price), Money::new(3));
                let command = TradeCorrected { order, execution_id, price: now.1, qty: now.0, fee: now.2 };
                desk.restate(command, &both);
            }
        }
    }
    desk
}

/// The same without the fills that are restated: those that were taken back are not there, others are what they are now.
fn undisturbed(steps: &[Step]) -> Vec<Option<Step>> {
    let mut fills: Vec<Option<Step>> = Vec::new();
    for step in steps {
        match *step {
            Traded(..) => fills.push(Some(*step)),
            Bust(number) => fills[usize::try_from(number).unwrap() - 1] = None,
            Correct(number, qty, price) => {
                fills[usize::try_from(number).unwrap() - 1] = Some(Traded(qty, price));
            }
        }
    }
    fills
}

const SUMS: [&str; 9] = [
    "trades",
    "wins",
    "losses",
    "gross_profit",
    "gross_loss",
    "largest_win",
    "largest_loss",
    "realized",
    "fees",
];
const TIMES: [&str; 4] = ["holding_s", "longest_s", "first_at", "last_at"];

fn counted<const N: usize>(desk: &Desk<Trades>, columns: [&str; N]) -> [String; N] {
    // A row that counts nothing any more is as good as none.
    let is_empty = desk.cell("trade_statistics", &ids([1, 1, 0]), "trades") == "0";
    let cells = desk.cells("trade_statistics", &ids([1, 1, 0]), columns);
    if is_empty { cells.map(|_| "null".to_owned()) } else { cells }
}

#[track_caller]
fn same_without(steps: &[Step], is_timed: bool) {
    let (disturbed, other) =
        (fold(&steps.iter().copied().map(Some).collect::<Vec<_>>()), fold(&undisturbed(steps)));
    assert_eq!(counted(&disturbed, SUMS), counted(&other, SUMS), "{steps:?}");
    if is_timed {
        let whole = |cells: [String; 4]| cells.map(|cell| cell.replace(".000000", ""));
        assert_eq!(whole(counted(&disturbed, TIMES)), whole(counted(&other, TIMES)), "{steps:?}");
    }
}

#[test]
fn a_fill_that_is_taken_back_leaves_no_trade_behind() {
    for steps in [
        // It opened a trade, alone, behind another, and before another.
        &[Traded(5, 100), Bust(1)][..],
        &[Traded(5, 100), Traded(-5, 110), Traded(2, 90), Bust(3)],
        &[Traded(5, 100), Bust(1), Traded(3, 90), Traded(-3, 80)],
        // It ended one, which goes on.
        &[Traded(5, 100), Traded(-5, 900), Bust(2)],
        &[Traded(5, 100), Traded(-5, 900), Bust(2), Traded(-5, 90)],
        // It ended one and opened the next.
        &[Traded(5, 100), Traded(-8, 900), Bust(2)],
        &[Traded(5, 100), Traded(-8, 900), Traded(3, 70), Bust(2), Traded(-8, 110)],
        // It added to one, or took from it.
        &[Traded(5, 100), Traded(3, 900), Bust(2), Traded(-5, 90)],
        &[Traded(5, 100), Traded(-3, 900), Bust(2), Traded(-5, 90)],
        // What is left of it is on the other side, or nothing.
        &[Traded(5, 100), Traded(-3, 120), Bust(1), Traded(3, 90)],
        &[Traded(5, 100), Traded(3, 110), Traded(-3, 120), Bust(1)],
        // Corrections.
        &[Traded(5, 100), Correct(1, 4, 90), Traded(-4, 110)],
        &[Traded(5, 100), Traded(-5, 900), Correct(2, -5, 110)],
        &[Traded(5, 100), Traded(-5, 900), Correct(2, -7, 110), Traded(2, 100)],
        &[Traded(5, 100), Traded(-8, 900), Correct(2, -7, 110), Traded(2, 100)],
    ] {
        same_without(steps, false);
    }
}

#[test]
fn a_fold_that_takes_the_opposite_for_another_fill_is_caught() {
    let (taken, trade) = (Some(Traded(5, 100)), [Some(Traded(5, 100)), Some(Traded(-5, 900))]);
    for (naive, without) in [
        (vec![taken, Some(Traded(-5, 100))], vec![]),
        ([&trade[..], &[Some(Traded(5, 900))]].concat(), vec![taken]),
    ] {
        assert_ne!(counted(&fold(&naive), SUMS), counted(&fold(&without), SUMS));
    }
}

#[test]
fn a_fill_that_is_taken_back_at_once_leaves_statistics_and_times_as_they_were() {
    let mut seed = 11_u64;
    let mut draw = |below: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..60 {
        let (mut steps, mut fills) = (Vec::new(), 0);
        for _ in 0..14 {
            let qty = draw(7) - 3;
            steps.push(Traded(if qty == 0 { 4 } else { qty }, 90 + draw(20)));
            fills += 1;
            if steps.len() > 1 && matches!(steps[steps.len() - 2], Traded(..)) && draw(3) == 0 {
                steps.push(Bust(fills));
                same_without(&steps, true);
            }
        }
        same_without(&steps, true);
    }
}

#[test]
fn what_stays_of_a_taken_back_trade_is_told_as_void_unless_it_paid() {
    let desk = fold(&[Some(Traded(5, 100)), Some(Bust(1))]);
    let void = desk.cells("trades", &[], ["qty", "net", "changes", "is_void", "closed_at", "holding_s"]);
    assert_eq!(void, ["0.000", "0.00", "0", "true", "+10s", "0.000000"]);
    let opened = |qty: i64| Fill { price: 100, qty, after: qty, ..Fill::default() };
    let mut desk = Desk::<Trades>::new();
    desk.trade(&opened(5));
    let funded = FundingPosted {
        amount: Money::new(-7),
        funding_total: Money::new(-7),
        qty: Qty(5),
        rate: tickwerk_domain::Rate(0),
        price: tickwerk_domain::Price(0),
        account: AccountId(1),
        instrument: InstrumentId(1),
        side: PositionSide::Net,
    };
    desk.frame(tickwerk_domain::command::TimeAdvanced { due: TimeNs(1) }, [Event::FundingPosted(funded)]);
    desk.restate(TradeBusted { order: OrderId(1), execution_id: 1 }, &[Fill { after: 0, ..opened(5) }]);
    let counted =
        desk.cells("trade_statistics", &ids([1, 1, 0]), ["trades", "losses", "gross_loss", "funding"]);
    assert_eq!(counted, ["1", "1", "-0.07", "-0.07"]);
    let kept = desk.cells("trades", &[], ["net", "is_void"]);
    assert_eq!(kept, ["-0.07", "false"]);
}
