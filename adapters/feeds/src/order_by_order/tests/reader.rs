//! What items of each format are told as.

use crate::order_by_order::reader::{OrderFeedConfig, OrderFeedError, OrderFormat, OrderReader};
use crate::order_by_order::translate::{Promises, Told, Translation};
use crate::order_by_order::{Action, OrderByOrder};
use std::path::{Path, PathBuf};
use tickwerk_domain::{
    BookAction, Command, InstrumentId, Payload, Price, Qty, Record, Side, SourceId, TimeNs,
};

fn config(format: OrderFormat, path: PathBuf) -> OrderFeedConfig {
    let (price_scale, quantity_scale) = format.scales();
    OrderFeedConfig {
        format,
        path,
        book: None,
        venue_instrument: None,
        instrument: InstrumentId(1),
        price_scale,
        quantity_scale,
        source: SourceId::FIRST_FEED,
        resume_after: 0,
    }
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn records(config: OrderFeedConfig) -> Vec<Record> {
    OrderReader::open(config).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A record as a short line.
fn line(record: &Record) -> String {
    let Payload::Command(command) = &record.payload else { panic!("{record:?}") };
    if let Command::BookOrderObserved(order) = command {
        let last = if order.is_last { "." } else { "" };
        let id = if order.venue_order_id > 1 << 63 {
            u64::MAX - order.venue_order_id
        } else {
            order.venue_order_id
        };
        return format!("{} {} {}@{} {id}{last}", order.action, order.side, order.qty.0, order.price.0);
    }
    if let Command::SessionSet(session) = command {
        return session.state.word().to_owned();
    }
    let Command::TradeObserved(trade) = command else { panic!("{command:?}") };
    format!("trade {}@{} {}", trade.qty.0, trade.price.0, trade.aggressor)
}

fn lines(config: OrderFeedConfig) -> Vec<String> {
    records(config).iter().map(line).collect()
}

const MESSAGES: &str = "1.0,1,16,18,1000,1\n\
                        2.0,2,16,8,1000,1\n\
                        3.0,4,16,4,1000,1\n\
                        4.0,3,99,4,900,1\n\
                        5.0,4,98,3,900,1\n\
                        6.0,5,0,7,1005,-1\n\
                        7.0,3,16,6,1000,1\n";

#[test]
fn lobster_items_become_orders_and_trades_in_data_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "X_1970-01-02_1_2_message_10.csv", MESSAGES);
    let config = config(OrderFormat::Lobster, path);
    let told = records(config.clone());
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            "clear buy 0@0 0",
            "add buy 18@1000 16.",
            "reduce buy 10@1000 16.",
            "execute buy 4@1000 16.",
            "trade 3@900 seller",
            "trade 7@1005 buyer",
            "delete buy 0@1000 16.",
        ]
    );
    let day = 86_400_000_000_000;
    let seconds = |record: &Record| (record.envelope.time_ns.0 - day) / 1_000_000_000;
    assert_eq!(told.iter().map(seconds).collect::<Vec<_>>(), [1, 1, 2, 3, 5, 6, 7]);
    let numbers: Vec<_> = told.iter().map(|record| record.envelope.source_sequence).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7], "dense");
    for resume_after in 0..=7 {
        let rest = records(OrderFeedConfig { resume_after, ..config.clone() });
        assert_eq!(rest, told[usize::try_from(resume_after).unwrap()..]);
    }
}

#[test]
fn a_book_file_seeds_what_rested_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "message_10.csv", MESSAGES);
    let book = written(folder.path(), "book.csv", "1100,5,1000,30\n1100,5,1000,22\n");
    let lines = lines(OrderFeedConfig { book: Some(book), ..config(OrderFormat::Lobster, path) });
    // 12 of the 30 are older than the first message.
    assert_eq!(
        lines[..4],
        ["clear buy 0@0 0", "add buy 12@1000 0", "add sell 5@1100 1", "add buy 18@1000 16."]
    );
    let folder = tempfile::tempdir().unwrap();
    let text = "1.0,4,3,2,1000,1\n2.0,4,3,5,1000,1\n3.0,3,9,100,1000,1\n";
    let path = written(folder.path(), "message_10.csv", text);
    let book = written(folder.path(), "book.csv", "1100,5,1000,30\n");
    let told = self::lines(OrderFeedConfig { book: Some(book), ..config(OrderFormat::Lobster, path) });
    assert_eq!(
        told,
        [
            "clear buy 0@0 0",
            "add buy 30@1000 0",
            "add sell 5@1100 1.",
            "trade 2@1000 seller",
            "execute buy 5@1000 0.",
            "delete buy 0@1000 0.",
        ]
    );
}

#[test]
fn with_one_level_those_behind_it_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "A_message_1.csv", "1.0,1,1,5,1000,1\n2.0,1,2,5,1001,1\n");
    let lines = lines(config(OrderFormat::Lobster, path));
    assert_eq!(lines[1..], ["add buy 5@1000 1.", "add buy 5@1001 2", "delete buy 0@1000 1."]);
}

#[test]
fn with_one_level_the_book_file_tells_what_came_to_light_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let text = "1.0,1,1,5,1000,1\n2.0,3,1,5,1000,1\n3.0,2,7,4,990,1\n4.0,5,0,4,1001,1\n5.0,3,7,6,990,1\n";
    let path = written(folder.path(), "A_message_1.csv", text);
    // Behind 1000 there were 10 at 990. The last row is short of a bid.
    let rows = "1100,5,1000,5\n1100,5,990,10\n1100,5,990,6\n1100,5,990,6\n1100,5,-9999999999,0\n";
    let book = written(folder.path(), "A_orderbook_1.csv", rows);
    let config = OrderFeedConfig { book: Some(book.clone()), ..config(OrderFormat::Lobster, path.clone()) };
    let mut reader = OrderReader::open(config.clone()).unwrap();
    let told: Vec<_> = reader.by_ref().map(|record| line(&record.unwrap())).collect();
    assert_eq!(
        told,
        [
            "clear buy 0@0 0",
            "add sell 5@1100 0",
            "add buy 5@1000 1.",
            "delete buy 0@1000 1",
            "add buy 10@990 1.",
            "reduce buy 6@990 1.",
            "trade 4@1001 seller",
            "delete buy 0@990 1.",
        ]
    );
    let report = reader.report();
    assert_eq!((report.items, report.revealed, report.determined), (5, 1, 2), "the first row is the seed");
    for resume_after in 0..=8 {
        let rest = records(OrderFeedConfig { resume_after, ..config.clone() });
        assert_eq!(rest.len(), told.len() - usize::try_from(resume_after).unwrap());
    }
    std::fs::write(&book, "1100,5,1000,5\n1100,5,990,ten\n").unwrap();
    let last = OrderReader::open(config).unwrap().last().unwrap().unwrap_err();
    assert!(last.to_string().contains("line 2"), "{last}");
    // A window of ten keeps its guess, and looks at the first row alone.
    let wide = written(folder.path(), "A_message_10.csv", text);
    let deep = OrderFeedConfig { book: Some(book), ..self::config(OrderFormat::Lobster, wide) };
    assert_eq!(lines(deep).len(), 5);
}

#[test]
fn halts_are_sessions_of_the_market() {
    let folder = tempfile::tempdir().unwrap();
    let text = "1.0,7,0,0,0,-1\n2.0,7,0,0,1,-1\n3.0,1,1,5,1000,1\n4.0,7,0,0,-1,-1\n5.0,7,0,0,-1,-1\n\
                6.0,7,0,0,0,-1\n7.0,7,0,0,1,-1\n8.0,7,0,0,-1,-1\n9.0,7,0,0,1,-1\n";
    let path = written(folder.path(), "message_10.csv", text);
    let mut reader = OrderReader::open(config(OrderFormat::Lobster, path)).unwrap();
    let told: Vec<_> = reader.by_ref().map(|record| line(&record.unwrap())).collect();
    assert_eq!(
        told,
        [
            "clear buy 0@0 0.",
            // The data begin in a halt.
            "halted",
            "pre_open",
            "continuous",
            "add buy 5@1000 1.",
            "halted",
            "pre_open",
            "continuous",
            "halted",
            "continuous",
        ]
    );
    assert_eq!(reader.report().sessions, 8);
}

#[test]
fn bitstamp_fills_are_told_as_executions() {
    let folder = tempfile::tempdir().unwrap();
    let text = "id,timestamp,exchange.timestamp,price,volume,action,direction\n\
                1,10,10,200,100,created,bid\n\
                1,20,20,200,40,changed,bid\n\
                1,30,30,200,0,deleted,bid\n\
                1,40,40,200,10,changed,bid\n\
                2,50,50,300,7,changed,ask\n\
                2,60,60,300,7,deleted,ask\n";
    let path = written(folder.path(), "orders.csv", text);
    let fine = config(OrderFormat::Bitstamp, path);
    let lines = lines(OrderFeedConfig { price_scale: 0, ..fine });
    assert_eq!(
        lines,
        [
            "clear buy 0@0 0",
            "add buy 100@200 1.",
            "execute buy 60@200 1.",
            "execute buy 40@200 1.",
            "add sell 7@300 2.",
            "delete sell 0@300 2.",
        ]
    );
}

#[test]
fn values_are_scaled_exactly_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "message.csv", "1.0,1,16,18,100050,1\n2.0,1,17,18,100051,1\n");
    let config = config(OrderFormat::Lobster, path);
    let read = |price_scale, quantity_scale| {
        let reader =
            OrderReader::open(OrderFeedConfig { price_scale, quantity_scale, ..config.clone() }).unwrap();
        reader.map(|record| record.map(|record| line(&record))).collect::<Vec<_>>()
    };
    assert_eq!(read(5, 3)[1].as_ref().unwrap(), "add buy 18000@1000500 16.");
    let coarse = read(3, 0);
    assert_eq!(coarse[1].as_ref().unwrap(), "add buy 18@10005 16.");
    assert_eq!(coarse.len(), 3);
    let Err(OrderFeedError::TooFine { update: 2, field: "price", value, scale: 3, .. }) = &coarse[2] else {
        panic!("{coarse:?}");
    };
    assert_eq!(value, "10.0051");
    assert!(matches!(read(18, 18)[0], Err(OrderFeedError::TooLarge { .. })));
}

fn item(action: Action, order: u64, qty: i64, is_last: bool) -> OrderByOrder {
    OrderByOrder {
        time_ns: TimeNs(1),
        sequence: 1,
        order,
        action,
        side: Some(Side::Buy),
        price: Price(100),
        qty: Qty(qty),
        is_last,
    }
}

#[test]
fn a_fill_is_an_execution_and_its_reduction_is_told_once() {
    let promises = Promises { format: OrderFormat::Databento, shows_best_only: false };
    let mut translation = Translation::new(promises);
    let mut told = |items: &[OrderByOrder]| -> Vec<(BookAction, u64, i64)> {
        for item in items {
            translation.apply(item);
        }
        let orders = translation.complete().map(|told| match told {
            Told::Order { action, order, qty, .. } => (action, order, qty.0),
            Told::Trade { qty, .. } => (BookAction::Clear, 0, qty.0),
            Told::Session(_) => (BookAction::Clear, 0, 0),
        });
        orders.collect()
    };
    assert_eq!(told(&[item(Action::Add, 1, 10, true)]), [(BookAction::Add, 1, 10)]);
    let fill =
        [item(Action::Trade, 0, 4, false), item(Action::Fill, 1, 4, false), item(Action::Reduce, 1, 4, true)];
    assert_eq!(told(&fill), [(BookAction::Execute, 1, 4)]);
    let fill = [item(Action::Fill, 1, 2, false), item(Action::Modify, 1, 4, true)];
    assert_eq!(told(&fill), [(BookAction::Execute, 1, 2)], "the quantity is what the fill left");
    assert_eq!(told(&[item(Action::Reduce, 1, 1, true)]), [(BookAction::Reduce, 1, 3)]);
    let fill = [item(Action::Fill, 1, 3, false), item(Action::Reduce, 1, 3, true)];
    assert_eq!(told(&fill), [(BookAction::Execute, 1, 3)]);
    assert_eq!(
        told(&[item(Action::Trade, 0, 5, true)]),
        [(BookAction::Clear, 0, 5)],
        "a trade without a fill"
    );
    assert_eq!(told(&[item(Action::Reduce, 7, 5, true)]), [(BookAction::Delete, 7, 5)], "told as it is");
}
