//! Bitstamp level 3: order events as csv, or the raw log of the WebSocket with books and trades between them.
//!
//! The csv has the columns `id,timestamp,exchange.timestamp,price,volume,action,direction`, with times in milliseconds
//! and volumes in units of 10⁻⁸. A line of the log is `<receive ms> <event> <json>`; the events are `order_created`,
//! `order_changed`, `order_deleted`, `trade` and `order_book`. Which of both a file is, its first line tells. Times are
//! those of the receiver, who is the only one to order all events; they are the sequence too, in milliseconds.
//! A change does not say whether it was a fill, and a deletion with nothing left was one: both are
//! [`Action::Restate`]. Trades name no order.
//!
//! Not all numbers of the recorders are exact. The csv's volumes went through binary floating-point and were cut: some
//! are 10⁻⁸ too small, and a book of them is equal to another only up to that. The log has exact texts for
//! orders and books, but sums of binary floating-point for trades; these are rounded to the nearest 10⁻⁸.

use super::error::{OrderByOrderFault, nearest_decimal, shortened};
use super::{Action, BookRow, ORDER_ID_MAX, OrderByOrder, OrderByOrderError, Source};
use serde::Deserialize;
use std::borrow::Cow;
use std::path::Path;
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs, parse_decimal};

/// Decimals of prices.
pub const PRICE_SCALE: u8 = 8;
/// Decimals of quantities.
pub const QTY_SCALE: u8 = 8;

const HEADER: &str = "id,timestamp,exchange.timestamp,price,volume,action,direction";
const NS_PER_MS: u64 = 1_000_000;

/// The order events of a file.
#[derive(Debug)]
pub struct BitstampOrders {
    source: Source,
    layout: Option<Layout>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Csv,
    Log,
}

impl BitstampOrders {
    /// Opens a file of either layout.
    pub fn open(path: &Path) -> Result<Self, OrderByOrderError> {
        Source::open(path).map(Self::new)
    }

    /// Reads events of either layout from `source`.
    pub fn new(source: Source) -> Self {
        Self { source, layout: None }
    }

    /// Whether quantities may be one unit too small, as they are in the csv. To be asked before the first event is read.
    pub fn quantities_are_cut(&mut self) -> Result<bool, OrderByOrderError> {
        // What is buffered may be short. The csv's header starts with a letter, the log with a time.
        Ok(self.source.peek()?.first() == HEADER.as_bytes().first())
    }
}

impl Iterator for BitstampOrders {
    type Item = Result<OrderByOrder, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.next_parsed(|line, _| match self.layout {
            Some(Layout::Csv) => parse_row(line).map(Some),
            Some(Layout::Log) => parse_event(line),
            None => {
                let layout = layout_of(line)?;
                self.layout = Some(layout);
                match layout {
                    Layout::Csv => Ok(None),
                    Layout::Log => parse_event(line),
                }
            }
        })
    }
}

/// The books that the venue sent between the events of a log.
#[derive(Debug)]
pub struct BitstampBook {
    source: Source,
    /// A first line was read and is one of a log.
    is_log: bool,
}

impl BitstampBook {
    /// Opens a log.
    pub fn open(path: &Path) -> Result<Self, OrderByOrderError> {
        Source::open(path).map(Self::new)
    }

    /// Reads the books of a log from `source`.
    pub fn new(source: Source) -> Self {
        Self { source, is_log: false }
    }
}

impl Iterator for BitstampBook {
    type Item = Result<BookRow, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.next_parsed(|line, _| {
            if !self.is_log {
                check_log(line)?;
                self.is_log = true;
            }
            parse_book(line)
        })
    }
}

fn layout_of(line: &str) -> Result<Layout, OrderByOrderFault> {
    match (line == HEADER, line.split_once(' ')) {
        (true, _) => Ok(Layout::Csv),
        (false, Some((time, _))) if time.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Layout::Log),
        (false, None | Some(_)) => Err(OrderByOrderFault::Header {
            found: shortened(line),
            expected: "`id,timestamp,exchange.timestamp,price,volume,action,direction`, or `<receive ms> <event> <json>`",
        }),
    }
}

fn check_log(line: &str) -> Result<(), OrderByOrderFault> {
    match layout_of(line)? {
        Layout::Log => Ok(()),
        Layout::Csv => Err(OrderByOrderFault::Header {
            found: shortened(line),
            expected: "a line of the log, `<receive ms> <event> <json>`: the csv holds no books",
        }),
    }
}

fn parse_row(line: &str) -> Result<OrderByOrder, OrderByOrderFault> {
    let mut fields = line.split(',');
    let mut next = || fields.next();
    let (Some(id), Some(time), Some(_), Some(price), Some(volume), Some(action), Some(direction), None) =
        (next(), next(), next(), next(), next(), next(), next(), next())
    else {
        return Err(OrderByOrderFault::Fields {
            found: line.split(',').count(),
            expected: format!("seven: {HEADER}"),
        });
    };
    let order = id.parse::<u64>().map_err(|_| bad_id(id))?;
    let side = match direction {
        "bid" => Side::Buy,
        "ask" => Side::Sell,
        _ => return Err(OrderByOrderFault::value("direction", &direction, "bid or ask")),
    };
    let event = match action {
        "created" => Event::Created,
        "changed" => Event::Changed,
        "deleted" => Event::Deleted,
        _ => return Err(OrderByOrderFault::value("action", &action, "created, changed or deleted")),
    };
    let qty = decimal("volume", volume, 0)?;
    order_item(event, milliseconds(time)?, order, side, decimal("price", price, PRICE_SCALE)?, qty)
}

#[derive(Clone, Copy)]
enum Event {
    Created,
    Changed,
    Deleted,
}

/// An order's event as the log has it.
#[derive(Deserialize)]
struct OrderJson<'a> {
    id: u64,
    order_type: u8,
    #[serde(borrow)]
    price: Cow<'a, str>,
    #[serde(borrow)]
    amount: Cow<'a, str>,
}

/// A float's display is the shortest decimal of the same number, and never has an exponent.
#[derive(Deserialize)]
struct TradeJson {
    price: f64,
    amount: f64,
}

#[derive(Deserialize)]
struct BookJson<'a> {
    #[serde(borrow)]
    bids: Vec<[Cow<'a, str>; 2]>,
    #[serde(borrow)]
    asks: Vec<[Cow<'a, str>; 2]>,
}

/// The item of a line of the log; `None` for a book.
fn parse_event(line: &str) -> Result<Option<OrderByOrder>, OrderByOrderFault> {
    let (time, event, json) = split_event(line)?;
    let event = match event {
        "order_created" => Event::Created,
        "order_changed" => Event::Changed,
        "order_deleted" => Event::Deleted,
        "order_book" => return Ok(None),
        "trade" => return parse_trade(time, json).map(Some),
        _ => {
            let expected = "order_created, order_changed, order_deleted, trade or order_book";
            return Err(OrderByOrderFault::value("event", &event, expected));
        }
    };
    let order: OrderJson<'_> = parse_json(json)?;
    let side = match order.order_type {
        0 => Side::Buy,
        1 => Side::Sell,
        other => return Err(OrderByOrderFault::value("order_type", &other, "0 (buy) or 1 (sell)")),
    };
    let price = decimal("price", &order.price, PRICE_SCALE)?;
    let qty = decimal("amount", &order.amount, QTY_SCALE)?;
    order_item(event, time, order.id, side, price, qty).map(Some)
}

fn parse_trade(time: u64, json: &str) -> Result<OrderByOrder, OrderByOrderFault> {
    let trade: TradeJson = parse_json(json)?;
    Ok(OrderByOrder {
        time_ns: time_ns(time)?,
        sequence: time,
        order: 0,
        action: Action::Trade,
        side: None,
        price: Price(nearest_decimal("price", &trade.price.to_string(), PRICE_SCALE)?),
        qty: Qty(nearest_decimal("amount", &trade.amount.to_string(), QTY_SCALE)?),
        is_last: true,
    })
}

/// The book of a line of the log; `None` for every other event.
fn parse_book(line: &str) -> Result<Option<BookRow>, OrderByOrderFault> {
    let (time, event, json) = split_event(line)?;
    if event != "order_book" {
        return Ok(None);
    }
    let book: BookJson<'_> = parse_json(json)?;
    let levels = |side: &[[Cow<'_, str>; 2]]| {
        let level = |[price, amount]: &[Cow<'_, str>; 2]| {
            Ok(Level {
                price: Price(decimal("price", price, PRICE_SCALE)?),
                qty: Qty(decimal("amount", amount, QTY_SCALE)?),
            })
        };
        side.iter().map(level).collect::<Result<Vec<Level>, OrderByOrderFault>>()
    };
    let (bids, asks) = (levels(&book.bids)?, levels(&book.asks)?);
    let depth = bids.len().max(asks.len());
    Ok(Some(BookRow { time_ns: time_ns(time)?, sequence: time, depth, bids, asks }))
}

fn split_event(line: &str) -> Result<(u64, &str, &str), OrderByOrderFault> {
    let mut parts = line.splitn(3, ' ');
    let (Some(time), Some(event), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        let found = line.splitn(3, ' ').count();
        let expected = "three, apart by spaces: receive time in ms, event, JSON".to_owned();
        return Err(OrderByOrderFault::Fields { found, expected });
    };
    Ok((milliseconds(time)?, event, json))
}

fn order_item(
    event: Event,
    time: u64,
    order: u64,
    side: Side,
    price: i64,
    qty: i64,
) -> Result<OrderByOrder, OrderByOrderFault> {
    if order > ORDER_ID_MAX {
        return Err(bad_id(&order.to_string()));
    }
    if qty < 0 {
        return Err(OrderByOrderFault::value("amount", &qty, "a number that is not negative"));
    }
    let action = match event {
        Event::Created if qty == 0 => {
            return Err(OrderByOrderFault::value("amount", &qty, "more than 0 for a new order"));
        }
        Event::Created => Action::Add,
        Event::Changed => Action::Restate,
        Event::Deleted if qty == 0 => Action::Restate,
        Event::Deleted => Action::Delete,
    };
    let (price, qty) = (Price(price), Qty(qty));
    let time_ns = time_ns(time)?;
    Ok(OrderByOrder { time_ns, sequence: time, order, action, side: Some(side), price, qty, is_last: true })
}

fn bad_id(text: &str) -> OrderByOrderFault {
    OrderByOrderFault::value("id", &text, "a whole number of at most 2^63 - 1")
}

fn milliseconds(text: &str) -> Result<u64, OrderByOrderFault> {
    let expected = "milliseconds since 1970";
    text.parse().map_err(|_| OrderByOrderFault::value("timestamp", &text, expected))
}

fn time_ns(milliseconds: u64) -> Result<TimeNs, OrderByOrderFault> {
    let expected = "milliseconds since 1970, before the year 2554";
    let time = milliseconds.checked_mul(NS_PER_MS).map(TimeNs);
    time.ok_or_else(|| OrderByOrderFault::value("timestamp", &milliseconds, expected))
}

fn decimal(field: &'static str, text: &str, scale: u8) -> Result<i64, OrderByOrderFault> {
    parse_decimal(text, scale).map_err(|error| OrderByOrderFault::Decimal {
        field,
        value: shortened(text),
        error,
    })
}

fn parse_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, OrderByOrderFault> {
    serde_json::from_str(json).map_err(|error| OrderByOrderFault::Json { message: error.to_string() })
}
