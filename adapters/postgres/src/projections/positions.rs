//! Positions: how each stands, and each change, mark and funding of it.
//!
//! Amounts are in the instrument's settlement currency. A flat position keeps its row, as its totals go on.
//! An event says only some of it; the rest is remembered, so that each row of the history says all of how the position
//! stood.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::{AccountId, Event, InstrumentId, Payload, PositionSide};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[POSITIONS, HISTORY];

const POSITIONS: Table = Table {
    name: "positions",
    rows: Rows::Current,
    columns: &[
        Column::key("account_id", Type::Int8),
        Column::key("instrument_id", Type::Int8),
        Column::key("side", Type::Text),
        Column::set("account", Type::Text),
        Column::set("symbol", Type::Text),
        Column::set("qty", Type::Numeric),
        Column::set("open_cost", Type::Numeric),
        Column::set("realized_total", Type::Numeric),
        Column::set("unrealized", Type::Numeric),
        Column::set("fees_total", Type::Numeric),
        Column::set("funding_total", Type::Numeric),
        Column::set("mark", Type::Numeric),
        Column::first("first_at", Type::Timestamp),
        Column::set("updated_at", Type::Timestamp),
    ],
    indexes: &["(symbol)", "(account)"],
};

const HISTORY: Table = Table {
    name: "position_history",
    rows: Rows::Appended,
    columns: &[
        Column::key("account_id", Type::Int8),
        Column::key("instrument_id", Type::Int8),
        Column::key("side", Type::Text),
        Column::set("change", Type::Text),
        Column::set("qty", Type::Numeric),
        Column::set("open_cost", Type::Numeric),
        Column::set("realized", Type::Numeric),
        Column::set("realized_total", Type::Numeric),
        Column::set("unrealized", Type::Numeric),
        Column::set("fees_total", Type::Numeric),
        Column::set("funding", Type::Numeric),
        Column::set("funding_total", Type::Numeric),
        Column::set("mark", Type::Numeric),
        Column::set("recorded_at", Type::Timestamp),
    ],
    indexes: &["(recorded_at, global_position)"],
};

/// What is remembered of a position, as columns of both tables.
const REMEMBERED: [&str; 7] =
    ["qty", "open_cost", "realized_total", "unrealized", "fees_total", "funding_total", "mark"];

type Key = (AccountId, InstrumentId, PositionSide);

/// Remembers how each position stands.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    known: BTreeMap<Key, [Value; REMEMBERED.len()]>,
}

impl Projection for Positions {
    fn name(&self) -> &'static str {
        "positions"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["position.changed", "position.marked", "position.funding_posted"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT account_id, instrument_id, side, qty, open_cost, realized_total, unrealized, fees_total,
            funding_total, mark FROM {positions}"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let id = |place: usize| row.get(place).and_then(|id| id.parse().ok()).ok_or("an id is no number");
        let side = row.get(2).and_then(PositionSide::from_word).ok_or("a side is none of positions")?;
        let known = std::array::from_fn(|place| row.get(3 + place).map_or(Value::Null, Value::decimal));
        self.known.insert((AccountId(id(0)?), InstrumentId(id(1)?), side), known);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Event(Event::PositionChanged(of)) = fact.payload() {
            let values = [
                ("qty", fact.qty(of.instrument, of.qty)),
                ("open_cost", fact.settled(of.instrument, of.open_cost)),
                ("realized_total", fact.settled(of.instrument, of.realized_total)),
                ("unrealized", fact.settled(of.instrument, of.unrealized)),
                ("fees_total", fact.settled(of.instrument, of.fees_total)),
            ];
            let history = self.both(fact, changes, (of.account, of.instrument, of.side), &values)?;
            history
                .set("change", Value::text(of.change.word()))
                .set("realized", fact.settled(of.instrument, of.realized))
                .done();
        } else if let Payload::Event(Event::PositionMarked(of)) = fact.payload() {
            let entry = fact.dictionary.instrument(of.instrument).ok_or("its instrument is not defined")?;
            // Half of twice the price, exactly.
            let mark = Value::Numeric(i128::from(of.mark_twice) * 5, entry.price_scale + 1);
            let values = [
                ("qty", fact.qty(of.instrument, of.qty)),
                ("realized_total", fact.settled(of.instrument, of.realized_total)),
                ("unrealized", fact.settled(of.instrument, of.unrealized)),
                ("fees_total", fact.settled(of.instrument, of.fees_total)),
                ("funding_total", fact.settled(of.instrument, of.funding_total)),
                ("mark", mark),
            ];
            let history = self.both(fact, changes, (of.account, of.instrument, of.side), &values)?;
            history.set("change", Value::text("marked")).done();
        } else if let Payload::Event(Event::FundingPosted(of)) = fact.payload() {
            let values = [
                ("qty", fact.qty(of.instrument, of.qty)),
                ("funding_total", fact.settled(of.instrument, of.funding_total)),
            ];
            let history = self.both(fact, changes, (of.account, of.instrument, of.side), &values)?;
            history
                .set("change", Value::text("funding"))
                .set("funding", fact.settled(of.instrument, of.amount))
                .done();
        }
        Ok(())
    }
}

impl Positions {
    /// Sets how the position stands in both tables and gives the row of the history.
    fn both<'c>(
        &mut self,
        fact: &Fact<'_>,
        changes: &'c mut Changes,
        (account, instrument, side): Key,
        values: &[(&'static str, Value)],
    ) -> Result<RowChange<'c>, Poison> {
        if fact.dictionary.instrument(instrument).is_none() {
            return Err("its instrument is not defined".into());
        }
        let known = self.known.entry((account, instrument, side)).or_insert([const { Value::Null }; 7]);
        for (column, value) in values {
            let place = REMEMBERED.iter().position(|known| known == column).expect("it is remembered");
            known[place] = value.clone();
        }
        let key = || {
            let ids = [u64::from(account.0), u64::from(instrument.0)].map(Value::unsigned);
            ids.into_iter().chain([Value::text(side.word())])
        };
        let mut row = changes
            .row(&TABLES[0], key())
            .set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("first_at", Value::Time(fact.time()))
            .set("updated_at", Value::Time(fact.time()));
        for (column, value) in REMEMBERED.iter().zip(known.iter()) {
            row = row.set(column, value.clone());
        }
        row.done();
        let mut row = changes.row(&TABLES[1], key()).set("recorded_at", Value::Time(fact.time()));
        for (column, value) in REMEMBERED.iter().zip(known.iter()) {
            row = row.set(column, value.clone());
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BTCEUR, Desk, Trade};
    use tickwerk_domain::command::TimeAdvanced;
    use tickwerk_domain::event::{FundingPosted, PositionMarked};
    use tickwerk_domain::{Money, Price, Qty, Rate, TimeNs};

    #[test]
    fn each_row_of_the_history_says_all_of_how_the_position_stood() {
        let mut desk = Desk::<Positions>::new();
        desk.trade(&Trade { price: 10_000, qty: 2000, fee: 10, after: 2000, realized: 0 });
        let (account, instrument, side) = (ALICE, BTCEUR, PositionSide::Net);
        let marked = PositionMarked {
            realized_total: Money::ZERO,
            unrealized: Money::new(-300),
            fees_total: Money::new(10),
            funding_total: Money::ZERO,
            mark_twice: 19_701,
            qty: Qty(2000),
            account,
            instrument,
            side,
        };
        let time = TimeAdvanced { due: TimeNs(1) };
        desk.frame(time, [Event::PositionMarked(marked)]);
        let funding = FundingPosted {
            amount: Money::new(-7),
            funding_total: Money::new(-7),
            qty: Qty(2000),
            rate: Rate(0),
            price: Price(10_000),
            account,
            instrument,
            side,
        };
        desk.frame(time, [Event::FundingPosted(funding)]);
        let key = [Value::Int(1), Value::Int(1), Value::text("net")];
        let of = ["qty", "unrealized", "fees_total", "funding_total", "mark"];
        for table in ["positions", "position_history"] {
            let stood = desk.cells(table, &key, of);
            assert_eq!(stood, ["2.000", "-3.00", "0.10", "-0.07", "98.505"], "{table}");
        }
        let told = desk.cells("position_history", &key, ["change", "funding", "realized"]);
        assert_eq!(told, ["funding", "-0.07", "null"]);
        assert_eq!(desk.rows_of("position_history"), 3);
    }
}
