//! LOBSTER messages and rows.

use super::{
    Action, OrderByOrder, OrderByOrderFault, Price, Qty, Side, TimeNs, all, level, source, until_fault,
};
use crate::order_by_order::{LobsterBook, LobsterOrders};
use proptest::prelude::*;

#[test]
fn each_type_of_message_is_an_item() {
    let messages = "34200.004241176,1,16,18,5853300,1\n\
                    34200.1,2,16,8,5853300,1\n\
                    34200.2,3,16,10,5853300,1\n\
                    34201,4,17,5,5859400,-1\n\
                    34201,5,0,7,5855000,1\n\
                    34202,6,0,9,5855000,-1\n\
                    34203,7,0,0,-1,-1\n\
                    34204,7,0,0,0,-1\n\
                    34205,7,0,0,1,-1\n";
    let items = all(LobsterOrders::new(source(messages)));
    assert_eq!(
        items[0],
        OrderByOrder {
            time_ns: TimeNs(34_200_004_241_176),
            sequence: 1,
            order: 16,
            action: Action::Add,
            side: Some(Side::Buy),
            price: Price(5_853_300),
            qty: Qty(18),
            is_last: true,
        }
    );
    let short: Vec<_> = items.iter().map(|item| (item.action, item.order, item.side, item.qty.0)).collect();
    assert_eq!(
        short,
        [
            (Action::Add, 16, Some(Side::Buy), 18),
            (Action::Reduce, 16, Some(Side::Buy), 8),
            (Action::Delete, 16, Some(Side::Buy), 10),
            (Action::Execute, 17, Some(Side::Sell), 5),
            (Action::ExecuteHidden, 0, Some(Side::Buy), 7),
            (Action::Cross, 0, Some(Side::Sell), 9),
            (Action::Halt, 0, None, 0),
            (Action::ResumeQuoting, 0, None, 0),
            (Action::ResumeTrading, 0, None, 0),
        ]
    );
    assert_eq!(items.iter().map(|item| item.sequence).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
}

#[test]
fn the_noise_behind_a_nanosecond_is_rounded_away() {
    let times = ["35821.088778456004", "35821.0887784559996", "0.0000000005", "0.00000000150000001"];
    let messages: String = times.map(|time| format!("{time},1,1,1,100,1\n")).concat();
    let read: Vec<u64> =
        all(LobsterOrders::new(source(messages))).iter().map(|item| item.time_ns.0).collect();
    assert_eq!(read, [35_821_088_778_456, 35_821_088_778_456, 0, 2]);
}

#[test]
fn a_bad_message_is_named_with_its_line_field_and_remedy() {
    let good = "34200.5,1,7,18,5853300,1\n";
    for (line, field, said) in [
        ("x,1,7,18,5853300,1", "time", "position 0"),
        ("86400.1,1,7,18,5853300,1", "time", "at most 86400"),
        ("-1,1,7,18,5853300,1", "time", "seconds after midnight"),
        ("34200,8,7,18,5853300,1", "type", "1 to 7"),
        ("34200,1,-7,18,5853300,1", "order id", "not negative"),
        ("34200,1,9223372036854775808,18,5853300,1", "order id", "a whole number"),
        ("34200,1,7,0,5853300,1", "size", "positive"),
        ("34200,1,7,-18,5853300,1", "size", "positive"),
        ("34200,1,7,1.5,5853300,1", "size", "a whole number"),
        ("34200,1,7,18,0,1", "price", "more than 0"),
        ("34200,1,7,18,9999999999,1", "price", "more than 0"),
        ("34200,1,7,18,585.33,1", "price", "a whole number"),
        ("34200,7,0,0,2,-1", "price", "for a message of type 7"),
        ("34200,1,7,18,5853300,0", "direction", "1 (buy) or -1 (sell)"),
        ("34200,1,7,18,5853300", "5 fields", "six"),
        ("34200,1,7,18,5853300,1,9", "7 fields", "six"),
        ("", "1 fields", "six"),
    ] {
        let (before, place, fault) = until_fault(LobsterOrders::new(source(format!("{good}{line}\n{good}"))));
        let text = fault.to_string();
        assert_eq!((before, place), (1, 2), "{line}: {text}");
        assert!(text.contains(field) && text.contains(said), "{line}: {text}");
    }
}

#[test]
fn a_row_has_its_levels_best_first_without_those_that_are_not_there() {
    let rows = "5859400,200,5853300,18,5859800,100,5853000,150\n\
                5859400,200,5853300,18,9999999999,0,-9999999999,0\n\
                9999999999,0,5853300,18,9999999999,0,-9999999999,0\n";
    let rows = all(LobsterBook::new(source(rows)));
    assert_eq!(
        rows.iter().map(|row| (row.sequence, row.depth)).collect::<Vec<_>>(),
        [(1, 2), (2, 2), (3, 2)]
    );
    assert_eq!(rows[0].asks, [level(5_859_400, 200), level(5_859_800, 100)]);
    assert_eq!(rows[0].levels(Side::Buy), [level(5_853_300, 18), level(5_853_000, 150)]);
    assert_eq!((rows[1].asks.len(), rows[1].bids.len()), (1, 1));
    assert_eq!((rows[2].asks.len(), rows[2].bids.len()), (0, 1));
}

#[test]
fn a_bad_row_is_named() {
    let good = "5859400,200,5853300,18\n";
    for (line, said) in [
        ("5859400,200,5853300", "3 fields; expected 4 as in the rows before"),
        ("5859400,200,5853300,18,5859800,200,5853000,150", "8 fields"),
        ("5859400,200,5853300,0", "bid size \"0\""),
        ("5859400,-200,5853300,18", "ask size \"-200\""),
        ("9999999999,5,5853300,18", "ask size \"5\""),
        ("585.94,200,5853300,18", "ask price \"585.94\""),
    ] {
        let (before, place, fault) = until_fault(LobsterBook::new(source(format!("{good}{line}\n"))));
        assert_eq!((before, place), (1, 2), "{line}");
        assert!(fault.to_string().contains(said), "{line}: {fault}");
    }
    let (_, _, fault) = until_fault(LobsterBook::new(source("1,2,3\n")));
    assert!(matches!(fault, OrderByOrderFault::Fields { found: 3, .. }), "{fault}");
}

proptest! {
    #[test]
    fn no_text_makes_the_decoders_panic(text in "[0-9.,+\\-\\n]{1,80}|.{1,80}") {
        prop_assert!(LobsterOrders::new(source(text.clone())).count() <= text.lines().count().max(1));
        prop_assert!(LobsterBook::new(source(text.clone())).count() <= text.lines().count().max(1));
    }
}
