//! One JSON message to words of the engine.
//!
//! All four messages share one shape with optional fields, parsed in one pass with borrowed text: the fields `a` and
//! `b` are a price in a quote, a list of levels in a depth update and an order id in some trades. A message may stand
//! alone or as `data` of a combined stream. Decimals are parsed exactly, at the scales of the instrument.

use super::config::{CaptureConfig, Market};
use super::error::LineFault;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, de};
use tickwerk_domain::command::{QuoteObserved, TradeObserved};
use tickwerk_domain::{Aggressor, Level, Price, Qty, Side, TimeNs, parse_decimal};

const NS_PER_MS: u64 = 1_000_000;

/// A message that is known, or that is known to be of no use.
#[derive(Debug)]
pub(super) enum Message {
    Quote(QuoteObserved, TimeNs),
    Trade(TradeObserved, TimeNs),
    /// A trade that no order book saw (insurance fund, auto-deleveraging).
    OffBookTrade(u64),
    Diff(Diff),
    Snapshot(Snapshot),
    Ignored,
}

/// A change of the depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Diff {
    /// `U`.
    pub(super) first: u64,
    /// `u`.
    pub(super) last: u64,
    /// `pu`; futures only.
    pub(super) previous: Option<u64>,
    pub(super) levels: Vec<(Side, Level)>,
    pub(super) time: TimeNs,
}

/// The whole depth, as far as the REST interface gave it.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// `lastUpdateId`.
    pub(super) update_id: u64,
    pub(super) levels: Vec<(Side, Level)>,
    pub(super) time: TimeNs,
}

#[derive(Deserialize)]
struct Combined<'a> {
    stream: Option<&'a str>,
    #[serde(borrow)]
    data: Option<Fields<'a>>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "e")]
    event: Option<&'a str>,
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    trade_time: Option<u64>,
    #[serde(rename = "s", alias = "symbol")]
    symbol: Option<&'a str>,
    #[serde(rename = "U")]
    first_update: Option<u64>,
    #[serde(rename = "u")]
    last_update: Option<u64>,
    #[serde(rename = "pu")]
    previous_update: Option<u64>,
    #[serde(borrow, rename = "b")]
    bid: Option<Sided<'a>>,
    #[serde(borrow, rename = "a")]
    ask: Option<Sided<'a>>,
    #[serde(rename = "B")]
    bid_qty: Option<&'a str>,
    #[serde(rename = "A")]
    ask_qty: Option<&'a str>,
    #[serde(rename = "t")]
    trade_id: Option<u64>,
    #[serde(rename = "p")]
    price: Option<&'a str>,
    #[serde(rename = "q")]
    qty: Option<&'a str>,
    #[serde(rename = "X")]
    execution: Option<&'a str>,
    #[serde(rename = "m")]
    buyer_is_maker: Option<bool>,
    #[serde(rename = "lastUpdateId")]
    snapshot_update: Option<u64>,
    #[serde(borrow)]
    bids: Option<Sided<'a>>,
    #[serde(borrow)]
    asks: Option<Sided<'a>>,
    /// The request that a reply of the connection answers.
    id: Option<de::IgnoredAny>,
}

/// What a field named after a side may hold.
enum Sided<'a> {
    Text(&'a str),
    Levels(Vec<(&'a str, &'a str)>),
    Number,
}

impl<'de: 'a, 'a> Deserialize<'de> for Sided<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SidedVisitor)
    }
}

struct SidedVisitor;

impl<'de> Visitor<'de> for SidedVisitor {
    type Value = Sided<'de>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a price as text or a list of [price, quantity]")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Sided::Text(text))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Sided::Number)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut levels = Vec::with_capacity(16);
        while let Some(level) = sequence.next_element()? {
            levels.push(level);
        }
        Ok(Sided::Levels(levels))
    }
}

/// Reads one message of the capture that `config` describes.
pub(super) fn decode(json: &[u8], config: &CaptureConfig) -> Result<Message, LineFault> {
    let fault = |error: serde_json::Error| LineFault::Json { message: error.to_string() };
    let combined: Combined<'_> = serde_json::from_slice(json).map_err(fault)?;
    let is_combined = combined.data.is_some();
    let fields = match combined.data {
        Some(fields) => fields,
        None => serde_json::from_slice(json).map_err(fault)?,
    };
    if let Some(value) = fields.symbol.filter(|value| !value.eq_ignore_ascii_case(&config.symbol)) {
        return Err(LineFault::Symbol { value: value.to_owned(), expected: config.symbol.clone() });
    }
    match fields.event {
        Some("depthUpdate") if is_partial_depth(combined.stream) => Ok(Message::Ignored),
        Some("depthUpdate") => fields.diff(config).map(Message::Diff),
        Some("trade") => fields.trade(config),
        Some("bookTicker") => fields.quote(config),
        Some(_) => Ok(Message::Ignored),
        // A snapshot inside a combined stream is a partial one, of the best few levels.
        None if fields.snapshot_update.is_some() && is_combined => Ok(Message::Ignored),
        None if fields.snapshot_update.is_some() => fields.snapshot(config).map(Message::Snapshot),
        None if fields.last_update.is_some() && fields.bid_qty.is_some() => fields.quote(config),
        None if fields.id.is_some() => Ok(Message::Ignored),
        None => Err(LineFault::Unknown),
    }
}

/// Whether the stream repeats the best 5, 10 or 20 levels, which looks like a diff but is none.
fn is_partial_depth(stream: Option<&str>) -> bool {
    let kind = stream.and_then(|name| name.split('@').nth(1));
    matches!(kind, Some("depth5" | "depth10" | "depth20"))
}

impl Fields<'_> {
    fn quote(&self, config: &CaptureConfig) -> Result<Message, LineFault> {
        const EVENT: &str = "bookTicker";
        let quote = QuoteObserved {
            update_id: required(EVENT, "u", self.last_update)?,
            bid_price: price("b", text(EVENT, "b", self.bid.as_ref())?, config)?,
            bid_qty: qty("B", required(EVENT, "B", self.bid_qty)?, config)?,
            ask_price: price("a", text(EVENT, "a", self.ask.as_ref())?, config)?,
            ask_qty: qty("A", required(EVENT, "A", self.ask_qty)?, config)?,
            instrument: config.instrument,
        };
        Ok(Message::Quote(quote, self.time()?))
    }

    fn trade(&self, config: &CaptureConfig) -> Result<Message, LineFault> {
        const EVENT: &str = "trade";
        let trade_id = required(EVENT, "t", self.trade_id)?;
        if self.execution.is_some_and(|kind| kind != "MARKET") {
            return Ok(Message::OffBookTrade(trade_id));
        }
        let trade = TradeObserved {
            trade_id,
            price: price("p", required(EVENT, "p", self.price)?, config)?,
            qty: qty("q", required(EVENT, "q", self.qty)?, config)?,
            instrument: config.instrument,
            aggressor: if required(EVENT, "m", self.buyer_is_maker)? {
                Aggressor::Seller
            } else {
                Aggressor::Buyer
            },
        };
        if trade.price.0 == 0 || trade.qty.0 == 0 {
            let (field, value) = if trade.price.0 == 0 { ("p", self.price) } else { ("q", self.qty) };
            let value = value.unwrap_or_default().to_owned();
            return Err(LineFault::OutOfRange { field, value, remedy: "a trade has a price and a quantity" });
        }
        Ok(Message::Trade(trade, self.time()?))
    }

    fn diff(&self, config: &CaptureConfig) -> Result<Diff, LineFault> {
        const EVENT: &str = "depthUpdate";
        let previous = match config.market {
            Market::Spot if self.previous_update.is_some() => {
                return Err(LineFault::NotSpot { event: EVENT, field: "pu" });
            }
            Market::Spot => None,
            Market::UsdM | Market::CoinM => Some(required(EVENT, "pu", self.previous_update)?),
        };
        let first = required(EVENT, "U", self.first_update)?;
        let last = required(EVENT, "u", self.last_update)?;
        if first > last {
            let remedy = "an update ends (u) where it begins (U) or later";
            return Err(LineFault::OutOfRange { field: "U", value: first.to_string(), remedy });
        }
        let bids = list(EVENT, "b", self.bid.as_ref())?;
        let asks = list(EVENT, "a", self.ask.as_ref())?;
        let levels = levels((["b price", "b quantity"], bids), (["a price", "a quantity"], asks), config)?;
        Ok(Diff { first, last, previous, levels, time: self.time()? })
    }

    fn snapshot(&self, config: &CaptureConfig) -> Result<Snapshot, LineFault> {
        const EVENT: &str = "snapshot";
        let update_id = required(EVENT, "lastUpdateId", self.snapshot_update)?;
        let bids = list(EVENT, "bids", self.bids.as_ref())?;
        let asks = list(EVENT, "asks", self.asks.as_ref())?;
        let levels =
            levels((["bids price", "bids quantity"], bids), (["asks price", "asks quantity"], asks), config)?;
        Ok(Snapshot { update_id, levels, time: self.time()? })
    }

    /// When it happened (`T`), else when it was sent (`E`), else unknown.
    fn time(&self) -> Result<TimeNs, LineFault> {
        let (field, time_ms) = match (self.trade_time, self.event_time) {
            (Some(time_ms), _) => ("T", time_ms),
            (None, Some(time_ms)) => ("E", time_ms),
            (None, None) => return Ok(TimeNs::UNKNOWN),
        };
        time_ms.checked_mul(NS_PER_MS).map(TimeNs).ok_or_else(|| LineFault::OutOfRange {
            field,
            value: time_ms.to_string(),
            remedy: "a venue time is in milliseconds",
        })
    }
}

fn required<T>(event: &'static str, field: &'static str, value: Option<T>) -> Result<T, LineFault> {
    value.ok_or(LineFault::Missing { event, field })
}

fn text<'a>(
    event: &'static str,
    field: &'static str,
    value: Option<&Sided<'a>>,
) -> Result<&'a str, LineFault> {
    match value {
        Some(Sided::Text(text)) => Ok(text),
        Some(Sided::Levels(_) | Sided::Number) | None => Err(LineFault::Missing { event, field }),
    }
}

fn list<'a, 'b>(
    event: &'static str,
    field: &'static str,
    value: Option<&'b Sided<'a>>,
) -> Result<&'b [(&'a str, &'a str)], LineFault> {
    match value {
        Some(Sided::Levels(levels)) => Ok(levels),
        Some(Sided::Text(_) | Sided::Number) | None => Err(LineFault::Missing { event, field }),
    }
}

/// What to call price and quantity of a side's levels, and their texts.
type NamedLevels<'a, 'b> = ([&'static str; 2], &'b [(&'a str, &'a str)]);

fn levels(
    bids: NamedLevels<'_, '_>,
    asks: NamedLevels<'_, '_>,
    config: &CaptureConfig,
) -> Result<Vec<(Side, Level)>, LineFault> {
    let mut all = Vec::with_capacity(bids.1.len() + asks.1.len());
    for (side, ([price_field, qty_field], texts)) in [(Side::Buy, bids), (Side::Sell, asks)] {
        for (price_text, qty_text) in texts {
            let level = Level {
                price: price(price_field, price_text, config)?,
                qty: qty(qty_field, qty_text, config)?,
            };
            if level.price.0 == 0 {
                let remedy = "a level has a price above 0";
                return Err(LineFault::OutOfRange {
                    field: price_field,
                    value: (*price_text).to_owned(),
                    remedy,
                });
            }
            all.push((side, level));
        }
    }
    Ok(all)
}

/// A price that is not negative; an empty side of a quote has the price 0.
fn price(field: &'static str, text: &str, config: &CaptureConfig) -> Result<Price, LineFault> {
    not_negative(field, text, config.price_scale).map(Price)
}

fn qty(field: &'static str, text: &str, config: &CaptureConfig) -> Result<Qty, LineFault> {
    not_negative(field, text, config.quantity_scale).map(Qty)
}

fn not_negative(field: &'static str, text: &str, scale: u8) -> Result<i64, LineFault> {
    let mantissa = parse_decimal(text, scale).map_err(|error| LineFault::Decimal {
        field,
        value: text.to_owned(),
        error,
    })?;
    if mantissa < 0 {
        let remedy = "prices and quantities of this venue are not negative";
        return Err(LineFault::OutOfRange { field, value: text.to_owned(), remedy });
    }
    Ok(mantissa)
}
