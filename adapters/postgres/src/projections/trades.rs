//! Trades, as traders count them: a position from nothing to nothing, or through zero to the other side; and statistics
//! of those that ended, by account, instrument and strategy.
//!
//! Amounts are in the instrument's settlement currency. A trade belongs to the strategy that opened it. A fill that
//! takes a position through zero ends one trade, with its whole fee, and begins another. A fill that is taken back is
//! booked as its opposite, and so may open a trade again. Holding times are whole microseconds, as the server keeps time.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::event::{FundingPosted, PositionChanged};
use tickwerk_domain::{
    AccountId, Event, InstrumentId, Money, Payload, PositionSide, Qty, StrategyId, TimeNs,
};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "trades",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("position_side", Type::Text),
            Column::key("opened_position", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy_id", Type::Int8),
            Column::set("strategy", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("direction", Type::Text),
            Column::set("qty", Type::Numeric),
            Column::set("qty_max", Type::Numeric),
            Column::set("changes", Type::Int8),
            Column::set("realized", Type::Numeric),
            Column::set("fees", Type::Numeric),
            Column::set("funding", Type::Numeric),
            Column::set("net", Type::Numeric),
            // Totals of the position, from which the next change's part is told.
            Column::set("fees_total", Type::Numeric),
            Column::set("funding_total", Type::Numeric),
            Column::first("opened_at", Type::Timestamp),
            Column::set("closed_at", Type::Timestamp),
            Column::set("holding_s", Type::Numeric),
        ],
        indexes: &["(account, closed_at)", "(symbol, closed_at)", "(strategy, closed_at)"],
    },
    Table {
        name: "trade_statistics",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("currency", Type::Text),
            Column::add("trades", Type::Int8),
            Column::add("wins", Type::Int8),
            Column::add("losses", Type::Int8),
            Column::add("gross_profit", Type::Numeric),
            Column::add("gross_loss", Type::Numeric),
            Column::max("largest_win", Type::Numeric),
            Column::min("largest_loss", Type::Numeric),
            Column::add("realized", Type::Numeric),
            Column::add("fees", Type::Numeric),
            Column::add("funding", Type::Numeric),
            Column::add("holding_s", Type::Numeric),
            Column::max("longest_s", Type::Numeric),
            Column::first("first_at", Type::Timestamp),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
];

/// Decimals of a holding time: microseconds.
const HOLDING_SCALE: u8 = 6;

type Key = (AccountId, InstrumentId, PositionSide);

/// The newest trade of a position, open or closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Trade {
    opened_position: u64,
    opened_us: u64,
    strategy: StrategyId,
    qty: i64,
    qty_max: i64,
    changes: i64,
    realized: i128,
    fees: i128,
    funding: i128,
    fees_total: i128,
    funding_total: i128,
}

/// Remembers the newest trade of each position.
#[derive(Debug, Default)]
pub(crate) struct Trades {
    newest: BTreeMap<Key, Trade>,
}

impl Projection for Trades {
    fn name(&self) -> &'static str {
        "trades"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["position.changed", "position.funding_posted"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT DISTINCT ON (account_id, instrument_id, position_side) account_id, instrument_id, position_side,
            opened_position, (extract(epoch FROM opened_at) * 1000000)::bigint, coalesce(strategy_id, 0), qty, qty_max,
            changes, realized, fees, funding, fees_total, funding_total
            FROM {trades} ORDER BY account_id, instrument_id, position_side, opened_position DESC"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let text = |place: usize| row.get(place).unwrap_or("0");
        let number = |place: usize| text(place).parse().map_err(|_| format!("{} is no number", text(place)));
        let id = |place: usize| text(place).parse().map_err(|_| format!("{} is no id", text(place)));
        let mantissa = |place: usize| Value::mantissa(text(place));
        let qty = |place: usize| i64::try_from(mantissa(place)?).map_err(|error| error.to_string());
        let side = PositionSide::from_word(text(2)).ok_or("a side is none of positions")?;
        let trade = Trade {
            opened_position: number(3)?,
            opened_us: number(4)?,
            strategy: StrategyId(id(5)?),
            qty: qty(6)?,
            qty_max: qty(7)?,
            changes: text(8).parse().map_err(|_| "a count is no number")?,
            realized: mantissa(9)?,
            fees: mantissa(10)?,
            funding: mantissa(11)?,
            fees_total: mantissa(12)?,
            funding_total: mantissa(13)?,
        };
        self.newest.insert((AccountId(id(0)?), InstrumentId(id(1)?), side), trade);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        match fact.payload() {
            Payload::Event(Event::PositionChanged(of)) => self.changed(fact, changes, of),
            Payload::Event(Event::FundingPosted(of)) => self.funded(fact, changes, of),
            Payload::Event(_) | Payload::Command(_) => Ok(()),
        }
    }
}

impl Trades {
    fn changed(
        &mut self,
        fact: &Fact<'_>,
        changes: &mut Changes,
        of: &PositionChanged,
    ) -> Result<(), Poison> {
        let key = (of.account, of.instrument, of.side);
        fact.dictionary.instrument(of.instrument).ok_or("its instrument is not defined")?;
        let before = self.newest.get(&key).copied().unwrap_or_default();
        let now = of.qty.0;
        let fee = of.fees_total.get() - before.fees_total;
        let is_through = before.qty.signum() * now.signum() < 0;
        let new = Trade {
            opened_position: fact.sequence().0,
            opened_us: microseconds(fact.time()),
            strategy: fact.filled_strategy(),
            qty: now,
            qty_max: now.abs(),
            changes: 1,
            fees_total: of.fees_total.get(),
            funding_total: before.funding_total,
            ..Trade::default()
        };
        if before.qty == 0 && now == 0 {
            // Nothing was open and nothing is: an adjustment of money alone.
            return Ok(());
        }
        if before.qty == 0 {
            let opened = Trade { realized: of.realized.get(), fees: fee, ..new };
            self.put(fact, changes, key, opened, opened.qty);
            return Ok(());
        }
        let mut trade = before;
        trade.changes += 1;
        trade.realized = trade.realized.checked_add(of.realized.get()).ok_or("the profit is too large")?;
        trade.fees = trade.fees.checked_add(fee).ok_or("the fees are too large")?;
        trade.fees_total = of.fees_total.get();
        let direction = before.qty;
        if is_through {
            trade.qty = 0;
            self.put(fact, changes, key, trade, direction);
            self.put(fact, changes, key, new, now);
        } else {
            trade.qty = now;
            trade.qty_max = trade.qty_max.max(now.abs());
            self.put(fact, changes, key, trade, direction);
        }
        Ok(())
    }

    fn funded(&mut self, fact: &Fact<'_>, changes: &mut Changes, of: &FundingPosted) -> Result<(), Poison> {
        let key = (of.account, of.instrument, of.side);
        let Some(trade) = self.newest.get(&key).copied().filter(|trade| trade.qty != 0) else {
            return Ok(());
        };
        let funding = trade.funding.checked_add(of.amount.get()).ok_or("the funding is too large")?;
        let trade = Trade { funding, funding_total: of.funding_total.get(), ..trade };
        self.put(fact, changes, key, trade, trade.qty);
        Ok(())
    }

    /// Writes and remembers how a trade stands; one that ended, in the statistics, too.
    fn put(&mut self, fact: &Fact<'_>, changes: &mut Changes, key: Key, trade: Trade, direction: i64) {
        let (account, instrument, side) = key;
        self.newest.insert(key, trade);
        let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
        let ids = [u64::from(account.0), u64::from(instrument.0)].map(Value::unsigned);
        let key = ids.into_iter().chain([Value::text(side.word()), Value::unsigned(trade.opened_position)]);
        let strategy = Value::named(fact.dictionary.strategy(trade.strategy), trade.strategy.0);
        let mut row = changes
            .row(&TABLES[0], key)
            .set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("strategy_id", Value::unsigned_or_null(u64::from(trade.strategy.0)))
            .set("strategy", strategy)
            .set("currency", fact.settlement(instrument))
            .set("direction", Value::text(if direction > 0 { "long" } else { "short" }))
            .set("qty", fact.qty(instrument, Qty(trade.qty)))
            .set("qty_max", fact.qty(instrument, Qty(trade.qty_max)))
            .set("changes", Value::Int(trade.changes))
            .set("realized", amount(trade.realized))
            .set("fees", amount(trade.fees))
            .set("funding", amount(trade.funding))
            .set("net", amount(trade.net()))
            .set("fees_total", amount(trade.fees_total))
            .set("funding_total", amount(trade.funding_total))
            .set("opened_at", Value::Time(TimeNs(trade.opened_us * 1000)));
        if trade.qty == 0 {
            row = row
                .set("closed_at", Value::Time(fact.time()))
                .set("holding_s", Value::Numeric(trade.held(fact.time()), HOLDING_SCALE));
        }
        row.done();
        if trade.qty == 0 {
            count(fact, changes, (account, instrument), &trade);
        }
    }
}

impl Trade {
    fn net(&self) -> i128 {
        self.realized.saturating_sub(self.fees).saturating_add(self.funding)
    }

    fn held(&self, until: TimeNs) -> i128 {
        i128::from(microseconds(until).saturating_sub(self.opened_us))
    }
}

/// Counts a trade that ended.
fn count(
    fact: &Fact<'_>,
    changes: &mut Changes,
    (account, instrument): (AccountId, InstrumentId),
    trade: &Trade,
) {
    let net = trade.net();
    let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
    let held = Value::Numeric(trade.held(fact.time()), HOLDING_SCALE);
    let ids = [account.0, instrument.0, trade.strategy.0].map(|id| Value::unsigned(u64::from(id)));
    let row = changes
        .row(&TABLES[1], ids)
        .set("account", fact.account(account))
        .set("symbol", fact.symbol(instrument))
        .set("strategy", Value::named(fact.dictionary.strategy(trade.strategy), trade.strategy.0))
        .set("currency", fact.settlement(instrument))
        .set("trades", Value::Int(1))
        .set("wins", Value::Int(i64::from(net > 0)))
        .set("losses", Value::Int(i64::from(net < 0)))
        .set("gross_profit", amount(net.max(0)))
        .set("gross_loss", amount(net.min(0)))
        .set("largest_win", if net > 0 { amount(net) } else { Value::Null })
        .set("largest_loss", if net < 0 { amount(net) } else { Value::Null })
        .set("realized", amount(trade.realized))
        .set("fees", amount(trade.fees))
        .set("funding", amount(trade.funding))
        .set("holding_s", held.clone())
        .set("longest_s", held);
    row.set("first_at", Value::Time(fact.time())).set("last_at", Value::Time(fact.time())).done();
}

fn microseconds(time: TimeNs) -> u64 {
    time.0 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{Desk, Trade as Fill, ids};

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
        let counted =
            desk.cells("trade_statistics", &ids([1, 1, 0]), ["trades", "wins", "gross_profit", "fees"]);
        assert_eq!(counted, ["1", "1", "19.90", "0.10"]);
        let now = desk.cells("trades", &trade(flipped), ["direction", "qty", "fees", "closed_at"]);
        assert_eq!(now, ["short", "-2.000", "0.00", "null"]);
        desk.trade(&Fill { price: 11_000, qty: 2000, after: 0, realized: 2000, ..Fill::default() });
        let of = ["trades", "wins", "largest_win", "holding_s", "longest_s"];
        let counted = desk.cells("trade_statistics", &ids([1, 1, 0]), of);
        assert_eq!(counted, ["2", "2", "20.00", "2.000000", "1.000000"]);
    }
}
