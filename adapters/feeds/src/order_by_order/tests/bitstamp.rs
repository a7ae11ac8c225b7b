//! Bitstamp events, as csv and as log, and the books of the log.

use super::{Action, OrderByOrder, Price, Qty, Side, TimeNs, all, level, source, until_fault};
use crate::order_by_order::{BitstampBook, BitstampOrders};
use proptest::prelude::*;

const HEADER: &str = "id,timestamp,exchange.timestamp,price,volume,action,direction";
const LOG: &str = r#"1500000000001 order_created {"price": "236.47", "amount": "2.00000000", "datetime": "1500000000", "id": 7, "order_type": 0}
1500000000002 order_changed {"price": "236.47", "amount": "1.78855669", "datetime": "1500000000", "id": 7, "order_type": 0}
1500000000002 order_book {"bids": [["236.47", "1.78855669"]], "asks": [["236.64", "3.7952"], ["236.65", "23.84239943"]]}
1500000000003 order_deleted {"price": "236.48", "amount": "0.00000000", "datetime": "1500000000", "id": 5, "order_type": 1}
1500000000004 trade {"price": 236.47, "amount": 0.21144331000000001, "id": 8111041}
1500000000005 order_deleted {"price": "236.47", "amount": "1.78855669", "datetime": "1500000000", "id": 7, "order_type": 0}
"#;

#[test]
fn csv_and_log_give_the_same_items() {
    let csv = format!(
        "{HEADER}\n7,1500000000001,1500000000000,236.47,200000000,created,bid\n\
         7,1500000000002,1500000000000,236.47,178855669,changed,bid\n\
         5,1500000000003,1500000000000,236.48,0,deleted,ask\n\
         7,1500000000005,1500000000000,236.47,178855669,deleted,bid\n"
    );
    let (csv, log) = (all(BitstampOrders::new(source(csv))), all(BitstampOrders::new(source(LOG))));
    let item = |ms: u64, order, action, side, price, qty| OrderByOrder {
        time_ns: TimeNs(ms * 1_000_000),
        sequence: ms,
        order,
        action,
        side,
        price: Price(price),
        qty: Qty(qty),
        is_last: true,
    };
    let (buy, sell) = (Some(Side::Buy), Some(Side::Sell));
    let trade = item(1_500_000_000_004, 0, Action::Trade, None, 23_647_000_000, 21_144_331);
    let orders = [
        item(1_500_000_000_001, 7, Action::Add, buy, 23_647_000_000, 200_000_000),
        item(1_500_000_000_002, 7, Action::Restate, buy, 23_647_000_000, 178_855_669),
        item(1_500_000_000_003, 5, Action::Restate, sell, 23_648_000_000, 0),
        item(1_500_000_000_005, 7, Action::Delete, buy, 23_647_000_000, 178_855_669),
    ];
    assert_eq!(csv, orders);
    assert_eq!(log, [&orders[..3], &[trade], &orders[3..]].concat());
}

#[test]
fn only_the_csv_says_that_its_quantities_are_cut() {
    for (text, cut) in [(HEADER, true), (LOG, false)] {
        let mut events = BitstampOrders::new(source(text));
        assert!(events.quantities_are_cut().is_ok_and(|is| is == cut), "{text}");
        assert!(events.all(|item| item.is_ok()), "asking takes nothing away");
    }
}

#[test]
fn the_books_of_a_log_are_its_rows() {
    let rows = all(BitstampBook::new(source(LOG)));
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].sequence, rows[0].depth), (1_500_000_000_002, 2));
    assert_eq!(rows[0].bids, [level(23_647_000_000, 178_855_669)]);
    assert_eq!(rows[0].asks, [level(23_664_000_000, 379_520_000), level(23_665_000_000, 2_384_239_943)]);
}

#[test]
fn sums_of_floats_in_trades_are_rounded_to_the_nearest_unit() {
    let amounts = ["0.0000010000000000000002", "8.8351857299999992", "5", "1e-7"];
    let log: String = amounts
        .map(|amount| format!("1500000000004 trade {{\"price\": 236.47, \"amount\": {amount}, \"id\": 1}}\n"))
        .concat();
    let read: Vec<i64> = all(BitstampOrders::new(source(log))).iter().map(|item| item.qty.0).collect();
    assert_eq!(read, [100, 883_518_573, 500_000_000, 10]);
}

#[test]
fn a_bad_line_is_named_with_its_field_and_remedy() {
    for (line, said) in [
        ("7,1500000000001,1,236.47,200000000,created", "6 fields; expected seven"),
        ("x,1500000000001,1,236.47,200000000,created,bid", "id \"x\""),
        ("9223372036854775808,1500000000001,1,236.47,200000000,created,bid", "at most 2^63 - 1"),
        ("7,soon,1,236.47,200000000,created,bid", "timestamp \"soon\""),
        ("7,99999999999999999,1,236.47,200000000,created,bid", "before the year 2554"),
        ("7,1500000000001,1,236.4.7,200000000,created,bid", "price \"236.4.7\" has '.'"),
        ("7,1500000000001,1,236.47,2.5,created,bid", "volume \"2.5\" has 1 decimals"),
        ("7,1500000000001,1,236.47,-2,created,bid", "not negative"),
        ("7,1500000000001,1,236.47,0,created,bid", "more than 0 for a new order"),
        ("7,1500000000001,1,236.47,1,made,bid", "created, changed or deleted"),
        ("7,1500000000001,1,236.47,1,created,up", "bid or ask"),
    ] {
        let (before, place, fault) = until_fault(BitstampOrders::new(source(format!("{HEADER}\n{line}\n"))));
        assert_eq!((before, place), (0, 2), "{line}");
        assert!(fault.to_string().contains(said), "{line}: {fault}");
    }
    for (line, said) in [
        ("1500000000001", "1 fields; expected three"),
        ("now trade {}", "timestamp \"now\""),
        ("1500000000001 order_moved {}", "event \"order_moved\""),
        ("1500000000001 order_created {", "cannot be read as JSON"),
        ("1500000000001 order_created {\"id\": 7}", "missing field"),
        (
            r#"1500000000001 order_created {"id": 7, "price": "1", "amount": "1", "order_type": 2}"#,
            "0 (buy) or 1 (sell)",
        ),
        (
            r#"1500000000001 order_created {"id": 7, "price": "1", "amount": "0.000000001", "order_type": 1}"#,
            "has 9 decimals",
        ),
    ] {
        let (before, place, fault) = until_fault(BitstampOrders::new(source(format!("{LOG}{line}\n"))));
        assert_eq!((before, place), (5, 7), "{line}");
        assert!(fault.to_string().contains(said), "{line}: {fault}");
    }
}

#[test]
fn a_file_of_another_format_is_refused_at_its_first_line() {
    for text in ["time,type\n", "hello\n", "34200.5,1,7,18,5853300,1\n"] {
        assert_eq!(until_fault(BitstampOrders::new(source(text))).1, 1, "{text}");
        assert_eq!(until_fault(BitstampBook::new(source(text))).1, 1, "{text}");
    }
    let (_, _, fault) = until_fault(BitstampBook::new(source(format!("{HEADER}\n"))));
    assert!(fault.to_string().contains("the csv holds no books"), "{fault}");
}

proptest! {
    #[test]
    fn no_text_makes_the_decoders_panic(text in ".{1,80}", amount in "[0-9.e\\-]{1,12}") {
        let event = format!("15 trade {{\"price\": 1, \"amount\": {amount}}}\n15 order_book {text}\n{text}");
        for text in [text.clone(), format!("{HEADER}\n{text}"), event] {
            let lines = text.lines().count().max(1);
            prop_assert!(BitstampOrders::new(source(text.clone())).count() <= lines);
            prop_assert!(BitstampBook::new(source(text)).count() <= lines);
        }
    }
}
