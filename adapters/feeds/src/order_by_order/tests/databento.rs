//! DBN records, written here byte by byte.

use super::{Action, OrderByOrder, Price, Qty, Side, TimeNs, all, level, source, until_fault};
use crate::order_by_order::{DatabentoBook, DatabentoOrders, OrderByOrderFault};
use proptest::prelude::*;

const LAST: u8 = 128;
const SNAPSHOT: u8 = 32;
const UNDEFINED: i64 = i64::MAX;

/// A file of version 1 with metadata that nobody reads.
fn file(records: &[Vec<u8>]) -> Vec<u8> {
    let metadata = [0x5a; 100];
    let length = u32::try_from(metadata.len()).expect("short");
    let mut bytes = [&b"DBN\x01"[..], &length.to_le_bytes(), &metadata].concat();
    bytes.extend(records.concat());
    bytes
}

fn header(size: usize, rtype: u8, instrument: u32) -> Vec<u8> {
    let words = u8::try_from(size / 4).expect("a short record");
    let mut bytes = vec![words, rtype, 1, 0];
    bytes.extend(instrument.to_le_bytes());
    bytes.extend(1_700_000_000_000_000_000_u64.to_le_bytes());
    bytes
}

struct Mbo {
    order: u64,
    price: i64,
    size: u32,
    flags: u8,
    action: u8,
    side: u8,
    sequence: u32,
}

const ADD: Mbo =
    Mbo { order: 7, price: 5_000_250_000_000, size: 3, flags: LAST, action: b'A', side: b'B', sequence: 9 };

impl Mbo {
    fn of(&self, instrument: u32) -> Vec<u8> {
        let mut bytes = header(56, 0xa0, instrument);
        bytes.extend(self.order.to_le_bytes());
        bytes.extend(self.price.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend([self.flags, 0, self.action, self.side]);
        bytes.extend([0; 12]);
        bytes.extend(self.sequence.to_le_bytes());
        bytes
    }
}

fn mbp(rtype: u8, action: u8, flags: u8, levels: &[(i64, i64, u32, u32)]) -> Vec<u8> {
    let mut bytes = header(48 + 32 * levels.len(), rtype, 4);
    bytes.extend([0; 12]);
    bytes.extend([action, b'B', flags, 0]);
    bytes.extend([0; 12]);
    bytes.extend(77_u32.to_le_bytes());
    for (bid, ask, bid_size, ask_size) in levels {
        bytes.extend(bid.to_le_bytes());
        bytes.extend(ask.to_le_bytes());
        bytes.extend(bid_size.to_le_bytes());
        bytes.extend(ask_size.to_le_bytes());
        bytes.extend([1, 0, 0, 0, 1, 0, 0, 0]);
    }
    bytes
}

fn orders(bytes: Vec<u8>) -> DatabentoOrders {
    DatabentoOrders::new(source(bytes), None).expect("a header")
}

#[test]
fn each_action_is_an_item_and_only_flagged_ones_end_an_update() {
    let records = [
        Mbo { action: b'R', side: b'N', price: UNDEFINED, size: 0, order: 0, flags: SNAPSHOT, ..ADD },
        Mbo { flags: SNAPSHOT | LAST, sequence: 600, ..ADD },
        Mbo { action: b'M', size: 2, flags: 0, ..ADD },
        Mbo { action: b'T', side: b'N', flags: 0, ..ADD },
        Mbo { action: b'F', side: b'A', flags: 0, ..ADD },
        Mbo { action: b'C', size: 1, ..ADD },
        Mbo { action: b'N', ..ADD },
    ];
    let items = all(orders(file(&records.map(|record| record.of(4)))));
    assert_eq!(
        items[1],
        OrderByOrder {
            time_ns: TimeNs(1_700_000_000_000_000_000),
            sequence: 0,
            order: 7,
            action: Action::Add,
            side: Some(Side::Buy),
            price: Price(5_000_250_000_000),
            qty: Qty(3),
            is_last: true,
        }
    );
    let short: Vec<_> =
        items.iter().map(|item| (item.action, item.side, item.qty.0, item.sequence, item.is_last)).collect();
    let buy = Some(Side::Buy);
    assert_eq!(
        short,
        [
            (Action::Clear, None, 0, 0, false),
            (Action::Add, buy, 3, 0, true),
            (Action::Modify, buy, 2, 9, false),
            (Action::Trade, None, 3, 9, false),
            (Action::Fill, Some(Side::Sell), 3, 9, false),
            (Action::Reduce, buy, 1, 9, true),
            (Action::Nothing, buy, 3, 9, true),
        ]
    );
    assert_eq!(items[0].price, Price(0), "a price that is not there");
}

#[test]
fn records_of_other_types_are_passed_over_and_longer_ones_read() {
    let status = [header(40, 0x12, 4), vec![0; 24]].concat();
    let mut with_send_time = [ADD.of(4), vec![1; 8]].concat();
    with_send_time[0] = 16;
    let items = all(orders(file(&[status.clone(), with_send_time, ADD.of(4)])));
    assert_eq!(items.len(), 2);
    assert_eq!(items[0], items[1]);
    let (_, record, fault) = until_fault(orders(file(&[status])));
    assert_eq!(record, 1);
    assert!(fault.to_string().contains("type 0x12, not mbo (0xa0)"), "{fault}");
}

#[test]
fn one_instrument_of_several_must_be_chosen() {
    let both = file(&[ADD.of(4), ADD.of(5), ADD.of(4)]);
    let (before, record, fault) = until_fault(orders(both.clone()));
    assert_eq!((before, record), (1, 2));
    assert_eq!(fault, OrderByOrderFault::Instruments { first: 4, second: 5 });
    let chosen = |id| DatabentoOrders::new(source(both.clone()), Some(id)).expect("a header");
    assert_eq!((all(chosen(4)).len(), all(chosen(5)).len()), (2, 1));
    let (_, _, fault) = until_fault(chosen(6));
    assert_eq!(fault, OrderByOrderFault::NoInstrument { wanted: 6, found: Some(4) });
}

#[test]
fn a_bad_record_is_named_with_its_field_and_remedy() {
    for (record, said) in [
        (Mbo { action: b'X', ..ADD }, "action \"X\""),
        (Mbo { side: b'Q', ..ADD }, "side \"Q\""),
        (Mbo { side: b'N', ..ADD }, "B or A for an order"),
        (Mbo { price: UNDEFINED, ..ADD }, "price \"undefined\""),
        (Mbo { size: 0, ..ADD }, "size \"0\""),
    ] {
        let (before, place, fault) = until_fault(orders(file(&[ADD.of(4), record.of(4)])));
        assert_eq!((before, place), (1, 2));
        assert!(fault.to_string().contains(said), "{said}: {fault}");
    }
    let mut short = ADD.of(4);
    short[0] = 13;
    let (_, _, fault) = until_fault(orders(file(&[short[..52].to_vec()])));
    assert_eq!(fault, OrderByOrderFault::RecordSize { found: 52, rtype: 0xa0, expected: 56 });
}

#[test]
fn a_file_that_is_none_and_a_version_that_is_to_come_are_refused() {
    let open = |bytes: Vec<u8>| DatabentoOrders::new(source(bytes), None).expect_err("no DBN").to_string();
    assert!(open(b"time,price\n".to_vec()).contains("\"DBN\""));
    let mut newer = file(&[ADD.of(4)]);
    newer[3] = 4;
    assert!(open(newer).contains("version 4"));
    let mut endless = file(&[]);
    endless[7] = 0xff;
    assert!(open(endless).contains("at most 256 MiB"));
    let mut longer = file(&[]);
    longer[4] = 120;
    assert!(open(longer).contains("check the disk"), "the metadata are longer than the file");
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_records_and_then_an_error() {
    let whole = file(&[ADD.of(4), ADD.of(4), ADD.of(4)]);
    let start = whole.len() - 3 * 56;
    for length in start..whole.len() {
        let read: Vec<_> = orders(whole[..length].to_vec()).collect();
        let good = read.iter().filter(|item| item.is_ok()).count();
        assert_eq!(good, (length - start) / 56);
        let is_between = (length - start).is_multiple_of(56);
        assert_eq!(matches!(read.last(), Some(Err(_))), !is_between, "{length}");
    }
}

#[test]
fn books_by_level_are_read_behind_updates_only() {
    let levels = [(100, 101, 5, 6)];
    let empty = [(UNDEFINED, 101, 0, 6)];
    let records = [
        mbp(1, b'A', LAST, &levels),
        mbp(1, b'T', LAST, &levels),
        mbp(1, b'A', 0, &levels),
        mbp(1, b'C', LAST, &empty),
    ];
    let rows = all(DatabentoBook::new(source(file(&records)), None).expect("a header"));
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].sequence, rows[0].depth), (77, 1));
    assert_eq!(
        (rows[0].bids.as_slice(), rows[0].asks.as_slice()),
        (&[level(100, 5)][..], &[level(101, 6)][..])
    );
    assert_eq!((rows[1].bids.len(), rows[1].asks.len()), (0, 1));
    let ten: Vec<_> = (0..10).map(|n| (100 - n, 101 + n, 5, 6)).collect();
    let rows = all(DatabentoBook::new(source(file(&[mbp(10, b'A', LAST, &ten)])), None).expect("a header"));
    assert_eq!((rows[0].depth, rows[0].bids[9], rows[0].asks[9]), (10, level(91, 5), level(110, 6)));
    let nameless = [mbp(1, b'A', LAST, &[(UNDEFINED, 101, 5, 6)])];
    let (_, _, fault) = until_fault(DatabentoBook::new(source(file(&nameless)), None).expect("a header"));
    assert!(fault.to_string().contains("bid price"), "{fault}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoders_panic(
        bytes in proptest::collection::vec(any::<u8>(), 1..200),
        place in 0_usize..160,
        value: u8,
    ) {
        let mut flipped = file(&[ADD.of(4), ADD.of(4)]);
        flipped[place] = value;
        for bytes in [bytes.clone(), file(&[bytes]), flipped] {
            for read in [
                DatabentoOrders::new(source(bytes.clone()), None).map(Iterator::count),
                DatabentoBook::new(source(bytes), Some(4)).map(Iterator::count),
            ] {
                prop_assert!(read.is_err() || read.is_ok_and(|items| items < 100));
            }
        }
    }
}
