//! Trades, as traders count them: a position from nothing to nothing, or through zero to the other side; and statistics
//! of those that ended, by account, instrument and strategy.
//!
//! Amounts are in the instrument's settlement currency. A trade belongs to the strategy that opened it. A fill that
//! takes a position through zero ends one trade, with its whole fee, and begins another. A fill that is taken back or
//! corrected makes its trade what it would be without it, as far as [`lifecycle`] remembers, and the statistics with it.
//! Holding times are whole microseconds, as the server keeps time.

mod lifecycle;
mod statistics;
#[cfg(test)]
mod tests;

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use lifecycle::{Change, Trade};
use statistics::{Statistics, Sums};
use std::collections::BTreeMap;
use tickwerk_domain::event::{FundingPosted, PositionChanged};
use tickwerk_domain::{
    AccountId, Command, Event, InstrumentId, Money, OrderId, Payload, PositionSide, Qty, StrategyId, TimeNs,
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
            Column::first("opened_at", Type::Timestamp),
            Column::replace("closed_at", Type::Timestamp),
            Column::replace("holding_s", Type::Numeric),
            Column::set("is_void", Type::Bool),
            // What a later change of the position is told from: 1 is its newest trade, 2 the one before, 0 any other.
            Column::set("place", Type::Int8),
            Column::set("fees_total", Type::Numeric),
            Column::set("filled_at", Type::Timestamp),
            Column::set("opened_order", Type::Int8),
            Column::set("opened_execution", Type::Numeric),
            Column::set("is_flip", Type::Bool),
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
            Column::replace("largest_win", Type::Numeric),
            Column::replace("largest_loss", Type::Numeric),
            Column::add("realized", Type::Numeric),
            Column::add("fees", Type::Numeric),
            Column::add("funding", Type::Numeric),
            Column::add("holding_s", Type::Numeric),
            Column::replace("longest_s", Type::Numeric),
            Column::replace("first_at", Type::Timestamp),
            Column::replace("last_at", Type::Timestamp),
            // The same of trades that nothing changes any more.
            Column::set("final_win", Type::Numeric),
            Column::set("final_loss", Type::Numeric),
            Column::set("final_longest_s", Type::Numeric),
            Column::set("final_first_at", Type::Timestamp),
            Column::set("final_last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
];

/// Decimals of a holding time: microseconds.
const HOLDING_SCALE: u8 = 6;

type Key = (AccountId, InstrumentId, PositionSide);
/// Account, instrument and strategy of statistics.
type Of = (AccountId, InstrumentId, StrategyId);

/// A position's newest trades, and its fees so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Position {
    trades: lifecycle::Trades,
    fees_total: i128,
}

/// Remembers the newest trades of each position, and of all others what statistics cannot be told without.
#[derive(Debug, Default)]
pub(crate) struct Trades {
    positions: BTreeMap<Key, Position>,
    finals: BTreeMap<Of, Statistics>,
}

impl Projection for Trades {
    fn name(&self) -> &'static str {
        "trades"
    }

    fn version(&self) -> i32 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["position.changed", "position.funding_posted"]
    }

    fn state(&self) -> &'static [&'static str] {
        &[
            "SELECT account_id, instrument_id, position_side, place, opened_position, (extract(epoch FROM opened_at) * 1000000)::bigint,
                coalesce((extract(epoch FROM closed_at) * 1000000)::bigint, 0), (extract(epoch FROM filled_at) * 1000000)::bigint,
                coalesce(strategy_id, 0), direction = 'long', qty, qty_max, changes, realized, fees, funding,
                opened_order, opened_execution, is_flip, is_void, fees_total
            FROM {trades} WHERE place > 0",
            "SELECT account_id, instrument_id, strategy_id, coalesce(final_win, 0), coalesce(final_loss, 0),
                coalesce((final_longest_s * 1000000)::bigint, 0), coalesce((extract(epoch FROM final_first_at) * 1000000)::bigint, 0),
                coalesce((extract(epoch FROM final_last_at) * 1000000)::bigint, 0)
            FROM {trade_statistics} WHERE final_last_at IS NOT NULL",
        ]
    }

    fn restore(&mut self, query: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let text = |place: usize| row.get(place).unwrap_or("0");
        let number = |place: usize| text(place).parse().map_err(|_| format!("{} is no number", text(place)));
        let id = |place: usize| text(place).parse().map_err(|_| format!("{} is no id", text(place)));
        let mantissa = |place: usize| Value::mantissa(text(place));
        let (account, instrument) = (AccountId(id(0)?), InstrumentId(id(1)?));
        if query == 1 {
            let (largest_win, largest_loss) = (mantissa(3)?, mantissa(4)?);
            let (longest_us, first_us, last_us) = (number(5)?, number(6)?, number(7)?);
            let statistics = Statistics { largest_win, largest_loss, longest_us, first_us, last_us };
            self.finals.insert((account, instrument, StrategyId(id(2)?)), statistics);
            return Ok(());
        }
        let qty = |place: usize| i64::try_from(mantissa(place)?).map_err(|error| error.to_string());
        let side = PositionSide::from_word(text(2)).ok_or("a side is none of positions")?;
        let trade = Trade {
            opened_position: number(4)?,
            opened_us: number(5)?,
            closed_us: number(6)?,
            filled_us: number(7)?,
            strategy: StrategyId(id(8)?),
            is_long: text(9) == "t",
            qty: qty(10)?,
            qty_max: qty(11)?,
            changes: text(12).parse().map_err(|_| "a count is no number")?,
            realized: mantissa(13)?,
            fees: mantissa(14)?,
            funding: mantissa(15)?,
            opened_by: (OrderId(number(16)?), number(17)?),
            is_flip: text(18) == "t",
            is_void: text(19) == "t",
        };
        let position = self.positions.entry((account, instrument, side)).or_default();
        if text(3) == "1" {
            (position.trades.newest, position.fees_total) = (Some(trade), mantissa(20)?);
        } else {
            position.trades.previous = Some(trade);
        }
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
        // A correction changes a position twice, and is told whole by the second time.
        let (mut earlier, mut is_last) = (None, true);
        let is_restated = is_restated(fact);
        for record in fact.frame.iter().filter(|_| is_restated) {
            if let Payload::Event(Event::PositionChanged(other)) = &record.payload
                && (other.account, other.instrument, other.side) == key
            {
                if record.envelope.sequence < fact.sequence() {
                    earlier = Some(other);
                }
                is_last &= record.envelope.sequence <= fact.sequence();
            }
        }
        if !is_last {
            return Ok(());
        }
        let before = self.positions.get(&key).copied().unwrap_or_default();
        let change = |of: &PositionChanged, fees_before: i128| Change {
            position: fact.sequence().0,
            time_us: microseconds(fact.time()),
            strategy: fact.filled_strategy(),
            fill: fill(fact),
            qty: of.qty.0,
            realized: of.realized.get(),
            fee: of.fees_total.get() - fees_before,
        };
        let mut now = before;
        if is_restated {
            let back = change(earlier.unwrap_or(of), before.fees_total);
            let again = earlier.map(|earlier| change(of, earlier.fees_total.get()));
            now.trades.restate(&back, again.as_ref())?;
        } else {
            let change = change(of, before.fees_total);
            let is_open = before.trades.newest.is_some_and(|trade| trade.qty != 0);
            if !is_open && change.qty == 0 {
                // Nothing was open and nothing is: an adjustment of money alone.
                return Ok(());
            }
            now.trades.book(&change)?;
        }
        now.fees_total = of.fees_total.get();
        self.put(fact, changes, key, &before, &now);
        Ok(())
    }

    fn funded(&mut self, fact: &Fact<'_>, changes: &mut Changes, of: &FundingPosted) -> Result<(), Poison> {
        let key = (of.account, of.instrument, of.side);
        let before = self.positions.get(&key).copied().unwrap_or_default();
        let mut now = before;
        if now.trades.fund(of.amount.get())? {
            self.put(fact, changes, key, &before, &now);
        }
        Ok(())
    }

    /// Remembers and writes how the trades of a position stand, and what that changes in the statistics.
    fn put(&mut self, fact: &Fact<'_>, changes: &mut Changes, key: Key, before: &Position, now: &Position) {
        let (account, instrument, _) = key;
        let left = now.trades.left.into_iter().flatten();
        let kept = Position { trades: lifecycle::Trades { left: [None; 2], ..now.trades }, ..*now };
        self.positions.insert(key, kept);
        let was = placed(before).collect::<Vec<_>>();
        let is = || placed(&kept).chain(left.clone().map(|trade| (0, trade)));
        // The newest one has the fees so far.
        for (place, trade) in is().filter(|of| of.0 == 1 || !was.contains(of)) {
            write(fact, changes, key, &trade, place, now.fees_total);
        }
        let mut sums: BTreeMap<StrategyId, Sums> = BTreeMap::new();
        for trade in was.iter().map(|(_, trade)| trade).filter(|trade| trade.has_ended()) {
            sums.entry(trade.strategy).or_default().add(trade, -1);
        }
        for (place, trade) in is().filter(|(_, trade)| trade.has_ended()) {
            sums.entry(trade.strategy).or_default().add(&trade, 1);
            if place == 0 {
                self.finals.entry((account, instrument, trade.strategy)).or_default().take(&trade);
            }
        }
        let leaves = |strategy: StrategyId| left.clone().any(|trade| trade.strategy == strategy);
        for (strategy, sums) in sums {
            if sums != Sums::default() || leaves(strategy) {
                self.count(fact, changes, (account, instrument, strategy), &sums);
            }
        }
    }

    /// Writes what changed in the statistics of ended trades.
    fn count(&self, fact: &Fact<'_>, changes: &mut Changes, of: Of, sums: &Sums) {
        let (account, instrument, strategy) = of;
        let finals = self.finals.get(&of).copied().unwrap_or_default();
        let mut all = finals;
        for side in [PositionSide::Net, PositionSide::Long, PositionSide::Short] {
            let newest = self.positions.get(&(account, instrument, side)).into_iter().flat_map(placed);
            for (_, trade) in newest.filter(|(_, trade)| trade.strategy == strategy && trade.has_ended()) {
                all.take(&trade);
            }
        }
        let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
        let amount_or_null = |of: i128| if of == 0 { Value::Null } else { amount(of) };
        let time = |us: u64| Value::time_or_null(TimeNs(us * 1000));
        let held = |of: &Statistics| match of.last_us {
            0 => Value::Null,
            _ => Value::Numeric(of.longest_us.into(), HOLDING_SCALE),
        };
        let ids = [account.0, instrument.0, strategy.0].map(|id| Value::unsigned(u64::from(id)));
        changes
            .row(&TABLES[1], ids)
            .set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("strategy", Value::named(fact.dictionary.strategy(strategy), strategy.0))
            .set("currency", fact.settlement(instrument))
            .set("trades", Value::Int(sums.trades))
            .set("wins", Value::Int(sums.wins))
            .set("losses", Value::Int(sums.losses))
            .set("gross_profit", amount(sums.gross_profit))
            .set("gross_loss", amount(sums.gross_loss))
            .set("largest_win", amount_or_null(all.largest_win))
            .set("largest_loss", amount_or_null(all.largest_loss))
            .set("realized", amount(sums.realized))
            .set("fees", amount(sums.fees))
            .set("funding", amount(sums.funding))
            .set("holding_s", Value::Numeric(sums.held_us, HOLDING_SCALE))
            .set("longest_s", held(&all))
            .set("first_at", time(all.first_us))
            .set("last_at", time(all.last_us))
            .set("final_win", amount_or_null(finals.largest_win))
            .set("final_loss", amount_or_null(finals.largest_loss))
            .set("final_longest_s", held(&finals))
            .set("final_first_at", time(finals.first_us))
            .set("final_last_at", time(finals.last_us))
            .done();
    }
}

/// The trades that are remembered, and their places.
fn placed(of: &Position) -> impl Iterator<Item = (i64, Trade)> + use<> {
    let newest = of.trades.newest.map(|trade| (1, trade));
    newest.into_iter().chain(of.trades.previous.map(|trade| (2, trade)))
}

/// Writes how a trade stands.
fn write(fact: &Fact<'_>, changes: &mut Changes, key: Key, trade: &Trade, place: i64, fees_total: i128) {
    let (account, instrument, side) = key;
    let amount = |amount: i128| fact.settled(instrument, Money::new(amount));
    let time = |us: u64| Value::time_or_null(TimeNs(us * 1000));
    let ids = [u64::from(account.0), u64::from(instrument.0)].map(Value::unsigned);
    let key = ids.into_iter().chain([Value::text(side.word()), Value::unsigned(trade.opened_position)]);
    let strategy = Value::named(fact.dictionary.strategy(trade.strategy), trade.strategy.0);
    let held = Value::Numeric(trade.held_us().into(), HOLDING_SCALE);
    changes
        .row(&TABLES[0], key)
        .set("account", fact.account(account))
        .set("symbol", fact.symbol(instrument))
        .set("strategy_id", Value::unsigned_or_null(u64::from(trade.strategy.0)))
        .set("strategy", strategy)
        .set("currency", fact.settlement(instrument))
        .set("direction", Value::text(if trade.is_long { "long" } else { "short" }))
        .set("qty", fact.qty(instrument, Qty(trade.qty)))
        .set("qty_max", fact.qty(instrument, Qty(trade.qty_max)))
        .set("changes", Value::Int(trade.changes))
        .set("realized", amount(trade.realized))
        .set("fees", amount(trade.fees))
        .set("funding", amount(trade.funding))
        .set("net", amount(trade.net()))
        .set("opened_at", time(trade.opened_us))
        .set("closed_at", time(trade.closed_us))
        .set("holding_s", if trade.closed_us == 0 { Value::Null } else { held })
        .set("is_void", Value::Bool(trade.is_void))
        .set("place", Value::Int(place))
        .set("fees_total", amount(fees_total))
        .set("filled_at", time(trade.filled_us))
        .set("opened_order", Value::unsigned(trade.opened_by.0.0))
        .set("opened_execution", Value::Numeric(trade.opened_by.1.into(), 0))
        .set("is_flip", Value::Bool(trade.is_flip))
        .done();
}

/// Whether the venue took a fill back or corrected it.
fn is_restated(fact: &Fact<'_>) -> bool {
    let command = fact.command().map(|command| &command.payload);
    matches!(command, Some(Payload::Command(Command::TradeBusted(_) | Command::TradeCorrected(_))))
}

/// The fill that the command of a frame reports, takes back or corrects.
fn fill(fact: &Fact<'_>) -> (OrderId, u64) {
    let Some(Payload::Command(command)) = fact.command().map(|command| &command.payload) else {
        return (OrderId::NONE, 0);
    };
    if let Command::FillReported(of) = command {
        (of.order, of.execution_id)
    } else if let Command::TradeBusted(of) = command {
        (of.order, of.execution_id)
    } else if let Command::TradeCorrected(of) = command {
        (of.order, of.execution_id)
    } else {
        (OrderId::NONE, 0)
    }
}

fn microseconds(time: TimeNs) -> u64 {
    time.0 / 1000
}
