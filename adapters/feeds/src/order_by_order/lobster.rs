//! LOBSTER: a file of messages, and beside it a file with the book behind each of them.
//!
//! Source: the readme of the LOBSTER sample files (2013). Units: prices are dollars × 10,000, quantities are shares,
//! times nanoseconds since midnight; some files print them with the noise of binary floating-point behind, which is
//! rounded away. A message file says nothing of orders that rested before its first line, and, with
//! a window of N levels, nothing of what happens behind the N best. An empty level of a book row has the price
//! ±9999999999 and the size 0; such levels are left out here.

use super::error::{OrderByOrderFault, nearest_decimal};
use super::{Action, BookRow, ORDER_ID_MAX, OrderByOrder, OrderByOrderError, Source};
use std::path::Path;
use tickwerk_domain::{Level, Price, Qty, Side, TimeNs};

/// Decimals of prices.
pub const PRICE_SCALE: u8 = 4;
/// Decimals of quantities.
pub const QTY_SCALE: u8 = 0;

/// What stands for the price of a level that is not there, without its sign.
const EMPTY_LEVEL_PRICE: i64 = 9_999_999_999;
const TIME_SCALE: u8 = 9;
const DAY_NS: u64 = 24 * 60 * 60 * 1_000_000_000;
const LEVEL_FIELDS: usize = 4;

/// The messages of a file.
#[derive(Debug)]
pub struct LobsterOrders {
    source: Source,
}

impl LobsterOrders {
    /// Opens a file of messages.
    pub fn open(path: &Path) -> Result<Self, OrderByOrderError> {
        Source::open(path).map(Self::new)
    }

    /// Reads messages from `source`.
    pub fn new(source: Source) -> Self {
        Self { source }
    }
}

impl Iterator for LobsterOrders {
    type Item = Result<OrderByOrder, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.next_parsed(|line, number| parse_message(line, number).map(Some))
    }
}

/// The rows of a book file: row n stands behind message n.
#[derive(Debug)]
pub struct LobsterBook {
    source: Source,
    /// Levels of the first row; 0 before it.
    depth: usize,
}

impl LobsterBook {
    /// Opens a book file.
    pub fn open(path: &Path) -> Result<Self, OrderByOrderError> {
        Source::open(path).map(Self::new)
    }

    /// Reads rows from `source`.
    pub fn new(source: Source) -> Self {
        Self { source, depth: 0 }
    }
}

impl Iterator for LobsterBook {
    type Item = Result<BookRow, OrderByOrderError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.next_parsed(|line, number| {
            let row = parse_row(line, number, self.depth)?;
            self.depth = row.depth;
            Ok(Some(row))
        })
    }
}

/// The levels that a LOBSTER file was asked for, which its name tells: `…_message_50.csv`.
pub fn window_of(path: &Path) -> Option<usize> {
    let (_, behind) = path.file_name()?.to_str()?.rsplit_once("_message_")?;
    let digits = behind.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|window| *window > 0)
}

fn parse_message(line: &str, number: u64) -> Result<OrderByOrder, OrderByOrderFault> {
    let mut fields = line.split(',');
    let mut next = || fields.next();
    let (Some(time), Some(kind), Some(order), Some(size), Some(price), Some(direction), None) =
        (next(), next(), next(), next(), next(), next(), next())
    else {
        return Err(OrderByOrderFault::Fields {
            found: line.split(',').count(),
            expected: "six: time, type, order id, size, price, direction".to_owned(),
        });
    };
    let (order, size, price) =
        (integer("order id", order)?, integer("size", size)?, integer("price", price)?);
    let action = match kind {
        "1" => Action::Add,
        "2" => Action::Reduce,
        "3" => Action::Delete,
        "4" => Action::Execute,
        "5" => Action::ExecuteHidden,
        "6" => Action::Cross,
        "7" => halt(price)?,
        _ => return Err(OrderByOrderFault::value("type", &kind, "1 to 7")),
    };
    let item = OrderByOrder {
        time_ns: parse_time(time)?,
        sequence: number,
        order: u64::try_from(order)
            .ok()
            .filter(|order| *order <= ORDER_ID_MAX)
            .ok_or_else(|| OrderByOrderFault::value("order id", &order, "a number that is not negative"))?,
        action,
        side: side_of(direction)?,
        price: Price(price),
        qty: Qty(size),
        is_last: true,
    };
    match action {
        Action::Halt | Action::ResumeQuoting | Action::ResumeTrading => {
            Ok(OrderByOrder { side: None, price: Price(0), qty: Qty::ZERO, ..item })
        }
        Action::Add
        | Action::Reduce
        | Action::Delete
        | Action::Execute
        | Action::ExecuteHidden
        | Action::Cross
        | Action::Modify
        | Action::Restate
        | Action::Fill
        | Action::Trade
        | Action::Clear
        | Action::Nothing => {
            if size <= 0 {
                return Err(OrderByOrderFault::value("size", &size, "a positive number of shares"));
            }
            if price <= 0 || price >= EMPTY_LEVEL_PRICE {
                return Err(OrderByOrderFault::value("price", &price, "dollars × 10,000, more than 0"));
            }
            Ok(item)
        }
    }
}

/// Seconds since midnight, to the nanosecond.
fn parse_time(text: &str) -> Result<TimeNs, OrderByOrderFault> {
    let time = nearest_decimal("time", text, TIME_SCALE)?;
    let time = u64::try_from(time).ok().filter(|time| *time <= DAY_NS);
    time.map(TimeNs)
        .ok_or_else(|| OrderByOrderFault::value("time", &text, "seconds after midnight, at most 86400"))
}

fn halt(price: i64) -> Result<Action, OrderByOrderFault> {
    match price {
        -1 => Ok(Action::Halt),
        0 => Ok(Action::ResumeQuoting),
        1 => Ok(Action::ResumeTrading),
        _ => Err(OrderByOrderFault::value(
            "price",
            &price,
            "-1 (halt), 0 (quoting) or 1 (trading) for a message of type 7",
        )),
    }
}

fn side_of(direction: &str) -> Result<Option<Side>, OrderByOrderFault> {
    match direction {
        "1" => Ok(Some(Side::Buy)),
        "-1" => Ok(Some(Side::Sell)),
        _ => Err(OrderByOrderFault::value("direction", &direction, "1 (buy) or -1 (sell)")),
    }
}

fn parse_row(line: &str, number: u64, depth: usize) -> Result<BookRow, OrderByOrderFault> {
    let found = line.split(',').count();
    let expected = if depth == 0 { found.next_multiple_of(LEVEL_FIELDS) } else { depth * LEVEL_FIELDS };
    if found != expected {
        let expected = match depth {
            0 => "four for each level: ask price, ask size, bid price, bid size".to_owned(),
            _ => format!("{expected} as in the rows before"),
        };
        return Err(OrderByOrderFault::Fields { found, expected });
    }
    let mut row = BookRow {
        time_ns: TimeNs::UNKNOWN,
        sequence: number,
        depth: found / LEVEL_FIELDS,
        bids: Vec::with_capacity(found / LEVEL_FIELDS),
        asks: Vec::with_capacity(found / LEVEL_FIELDS),
    };
    let mut fields = line.split(',');
    while let (Some(ask_price), Some(ask_size), Some(bid_price), Some(bid_size)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    {
        row.asks.extend(parse_level("ask price", ask_price, "ask size", ask_size)?);
        row.bids.extend(parse_level("bid price", bid_price, "bid size", bid_size)?);
    }
    Ok(row)
}

/// A level, or `None` where the source says that there is none.
fn parse_level(
    price_field: &'static str,
    price: &str,
    size_field: &'static str,
    size: &str,
) -> Result<Option<Level>, OrderByOrderFault> {
    let (price, size) = (integer(price_field, price)?, integer(size_field, size)?);
    match (price.unsigned_abs() == EMPTY_LEVEL_PRICE.unsigned_abs(), size) {
        (true, 0) => Ok(None),
        (false, 1..) => Ok(Some(Level { price: Price(price), qty: Qty(size) })),
        (true | false, _) => Err(OrderByOrderFault::value(
            size_field,
            &size,
            "a positive number of shares, and 0 only at the price ±9999999999 of an empty level",
        )),
    }
}

fn integer(field: &'static str, text: &str) -> Result<i64, OrderByOrderFault> {
    text.parse().map_err(|_| OrderByOrderFault::value(field, text, "a whole number"))
}
