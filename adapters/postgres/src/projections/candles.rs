//! Candles: open, high, low, close and volume of each instrument by the second, minute, hour and day.
//!
//! They are made of trades; of an instrument that has shown none yet, of the mid of its quotes, and `source` says which.
//! Time is the stamp, which never goes back, so that a candle that is over stays as it is. `value` is price times
//! quantity, for the average price; it is not money where a contract has another size than one.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use tickwerk_domain::command::{QuoteObserved, TradeObserved};
use tickwerk_domain::{Command, InstrumentId, Payload, Qty, Sequence, TimeNs};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "candles",
        rows: Rows::Current,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::key("period", Type::Text),
            Column::key("started_at", Type::Timestamp),
            Column::key("source", Type::Text),
            Column::first("symbol", Type::Text),
            Column::first("open", Type::Numeric),
            Column::max("high", Type::Numeric),
            Column::min("low", Type::Numeric),
            Column::set("close", Type::Numeric),
            Column::add("volume", Type::Numeric),
            Column::add("value", Type::Numeric),
            Column::add("count", Type::Int8),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &["(symbol, period, started_at)"],
    },
    Table {
        name: "candle_source",
        rows: Rows::Current,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::set("source", Type::Text),
            Column::first("since", Type::Timestamp),
        ],
        indexes: &[],
    },
];

const TRADES: &str = "trades";
const QUOTES: &str = "quotes";
const PERIODS: [(&str, u64); 4] =
    [("1s", 1_000_000_000), ("1m", 60_000_000_000), ("1h", 3_600_000_000_000), ("1d", 86_400_000_000_000)];

/// Whose, place in [`PERIODS`], its beginning, whether of trades.
type Key = (InstrumentId, usize, u64, bool);

/// A candle as mantissas; prices of quotes are twice the mid.
#[derive(Debug)]
struct Candle {
    symbol: Value,
    price_scale: u8,
    quantity_scale: u8,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: i128,
    value: i128,
    count: i64,
    time: TimeNs,
    at: Sequence,
}

/// Remembers which instruments trade, and gathers candles between two batches.
#[derive(Debug, Default)]
pub(crate) struct Candles {
    trading: BTreeSet<InstrumentId>,
    gathered: BTreeMap<Key, Candle>,
}

impl Projection for Candles {
    fn name(&self) -> &'static str {
        "candles"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["market.trade", "market.quote"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT instrument_id FROM {candle_source} WHERE source = 'trades'"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let id = row.get(0).and_then(|id| id.parse().ok()).ok_or("an instrument without a number")?;
        self.trading.insert(InstrumentId(id));
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Command(Command::TradeObserved(trade)) = fact.payload() {
            if fact.dictionary.instrument(trade.instrument).is_none() {
                return Err("its instrument is not defined".into());
            }
            if self.trading.insert(trade.instrument) {
                changes
                    .row(&TABLES[1], [Value::unsigned(u64::from(trade.instrument.0))])
                    .set("source", Value::text(TRADES))
                    .set("since", Value::Time(fact.time()))
                    .done();
            }
            self.trade(fact, trade)
        } else if let Payload::Command(Command::QuoteObserved(quote)) = fact.payload() {
            if self.trading.contains(&quote.instrument) { Ok(()) } else { self.quote(fact, quote) }
        } else {
            Ok(())
        }
    }

    fn settle(&mut self, changes: &mut Changes) {
        for ((instrument, period, start, is_of_trades), candle) in std::mem::take(&mut self.gathered) {
            changes.at(candle.at);
            // Twice a price is made a price with one more decimal: exactly.
            let (factor, scale) =
                if is_of_trades { (1, candle.price_scale) } else { (5, candle.price_scale + 1) };
            let price = |price: i64| Value::Numeric(i128::from(price) * factor, scale);
            let key = [
                Value::unsigned(u64::from(instrument.0)),
                Value::text(PERIODS[period].0),
                Value::Time(TimeNs(start)),
                Value::text(if is_of_trades { TRADES } else { QUOTES }),
            ];
            let mut row = changes
                .row(&TABLES[0], key)
                .set("symbol", candle.symbol)
                .set("open", price(candle.open))
                .set("high", price(candle.high))
                .set("low", price(candle.low))
                .set("close", price(candle.close))
                .set("count", Value::Int(candle.count))
                .set("updated_at", Value::Time(candle.time));
            if is_of_trades {
                row = row
                    .set("volume", Value::Numeric(candle.volume, candle.quantity_scale))
                    .set("value", Value::Numeric(candle.value, candle.price_scale + candle.quantity_scale));
            }
            row.done();
        }
    }
}

impl Candles {
    fn trade(&mut self, fact: &Fact<'_>, trade: &TradeObserved) -> Result<(), Poison> {
        let value = trade.price.notional(trade.qty).0;
        self.gather(fact, trade.instrument, true, trade.price.0, (trade.qty, value))
    }

    fn quote(&mut self, fact: &Fact<'_>, quote: &QuoteObserved) -> Result<(), Poison> {
        if quote.bid_qty <= Qty::ZERO || quote.ask_qty <= Qty::ZERO {
            return Ok(());
        }
        let twice = quote.bid_price.0.checked_add(quote.ask_price.0).ok_or("its prices are too large")?;
        self.gather(fact, quote.instrument, false, twice, (Qty::ZERO, 0))
    }

    fn gather(
        &mut self,
        fact: &Fact<'_>,
        instrument: InstrumentId,
        is_of_trades: bool,
        price: i64,
        (qty, value): (Qty, i128),
    ) -> Result<(), Poison> {
        let entry = fact.dictionary.instrument(instrument).ok_or("its instrument is not defined")?;
        for (period, (_, length)) in PERIODS.iter().enumerate() {
            let start = fact.time().0 / length * length;
            let candle =
                self.gathered.entry((instrument, period, start, is_of_trades)).or_insert_with(|| Candle {
                    symbol: fact.symbol(instrument),
                    price_scale: entry.price_scale,
                    quantity_scale: entry.quantity_scale,
                    open: price,
                    high: price,
                    low: price,
                    close: price,
                    volume: 0,
                    value: 0,
                    count: 0,
                    time: fact.time(),
                    at: fact.sequence(),
                });
            candle.high = candle.high.max(price);
            candle.low = candle.low.min(price);
            candle.close = price;
            // A batch has far too few trades for these to end.
            candle.volume = candle.volume.saturating_add(i128::from(qty.0));
            candle.value = candle.value.saturating_add(value);
            candle.count += 1;
            candle.time = fact.time();
            candle.at = fact.sequence();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, DAY, Journal, SECOND, folded};
    use tickwerk_domain::{Aggressor, Price};

    fn trade(price: i64, qty: i64) -> TradeObserved {
        TradeObserved {
            trade_id: 0,
            price: Price(price),
            qty: Qty(qty),
            instrument: BTCEUR,
            aggressor: Aggressor::Buyer,
        }
    }

    fn quote(bid: i64, ask: i64) -> QuoteObserved {
        let (bid_price, ask_price) = (Price(bid), Price(ask));
        QuoteObserved {
            update_id: 0,
            bid_price,
            bid_qty: Qty(1),
            ask_price,
            ask_qty: Qty(1),
            instrument: BTCEUR,
        }
    }

    #[test]
    fn trades_make_candles_and_quotes_only_where_there_are_none_yet() {
        let mut journal = Journal::defined();
        journal.command(DAY + SECOND, quote(100, 103));
        journal.command(DAY + SECOND, QuoteObserved { ask_qty: Qty::ZERO, ..quote(100, 103) });
        for (seconds, price, qty) in [(2, 200, 1000), (2, 210, 500), (2, 190, 2000), (61, 205, 1)] {
            journal.command(DAY + seconds * SECOND, trade(price, qty));
        }
        journal.command(DAY + 62 * SECOND, quote(100, 103));
        let columns =
            ["period", "started_at", "source", "open", "high", "low", "close", "volume", "value", "count"];
        let rows = folded::<Candles>(&journal).rows(&TABLES[0], &columns);
        assert_eq!(
            rows,
            [
                "1d +0s quotes 1.015 1.015 1.015 1.015 null null 1",
                "1d +0s trades 2.00 2.10 1.90 2.05 3.501 6.85205 4",
                "1h +0s quotes 1.015 1.015 1.015 1.015 null null 1",
                "1h +0s trades 2.00 2.10 1.90 2.05 3.501 6.85205 4",
                "1m +0s quotes 1.015 1.015 1.015 1.015 null null 1",
                "1m +0s trades 2.00 2.10 1.90 1.90 3.500 6.85000 3",
                "1m +60s trades 2.05 2.05 2.05 2.05 0.001 0.00205 1",
                "1s +1s quotes 1.015 1.015 1.015 1.015 null null 1",
                "1s +2s trades 2.00 2.10 1.90 1.90 3.500 6.85000 3",
                "1s +61s trades 2.05 2.05 2.05 2.05 0.001 0.00205 1",
            ]
        );
    }
}
