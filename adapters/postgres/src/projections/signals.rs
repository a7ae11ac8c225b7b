//! Signals: each change of a strategy's mind, and where it stands in each instrument.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::event::SignalChanged;
use tickwerk_domain::{Event, Payload};

static TABLES: &[Table] = &[
    Table {
        name: "latest_signals",
        rows: Rows::Current,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("direction", Type::Text),
            Column::set("strength", Type::Numeric),
            Column::set("fast", Type::Numeric),
            Column::set("slow", Type::Numeric),
            Column::add("changes", Type::Int8),
            Column::first("first_at", Type::Timestamp),
            Column::set("changed_at", Type::Timestamp),
        ],
        indexes: &["(symbol)"],
    },
    Table {
        name: "signals",
        rows: Rows::Appended,
        columns: &[
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("direction", Type::Text),
            Column::set("strength", Type::Numeric),
            Column::set("fast", Type::Numeric),
            Column::set("slow", Type::Numeric),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(recorded_at)"],
    },
];

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Signals;

impl Projection for Signals {
    fn name(&self) -> &'static str {
        "signals"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["signal.changed"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(Event::SignalChanged(of)) = fact.payload() else {
            return Ok(());
        };
        let now = || Value::Time(fact.time());
        let key = || [of.instrument.0, of.strategy.0].map(|id| Value::unsigned(u64::from(id)));
        let latest = told(changes.row(&TABLES[0], key()), fact, of);
        latest.set("changes", Value::Int(1)).set("first_at", now()).set("changed_at", now()).done();
        told(changes.row(&TABLES[1], key()), fact, of).set("recorded_at", now()).done();
        Ok(())
    }
}

/// What a signal says. A figure that is no number is zero: nothing would leave the one before it.
fn told<'c>(row: RowChange<'c>, fact: &Fact<'_>, of: &SignalChanged) -> RowChange<'c> {
    row.set("symbol", fact.symbol(of.instrument))
        .set("strategy", Value::named(fact.dictionary.strategy(of.strategy), of.strategy.0))
        .set("direction", Value::text(of.direction.word()))
        .set("strength", or_zero(Value::real(of.strength)))
        .set("fast", or_zero(Value::real(of.fast)))
        .set("slow", or_zero(Value::real(of.slow)))
}

fn or_zero(figure: Value) -> Value {
    if figure.is_null() { Value::Numeric(0, 0) } else { figure }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, Desk, ids};
    use tickwerk_domain::command::TimeAdvanced;
    use tickwerk_domain::{Real, SignalDirection, StrategyId, TimeNs};

    #[test]
    fn the_latest_signal_stands_and_every_one_is_kept() {
        let mut desk = Desk::<Signals>::new();
        for (direction, strength) in [(SignalDirection::Long, 0.25), (SignalDirection::Short, f64::NAN)] {
            let changed = SignalChanged {
                fast: Real::new(101.5),
                slow: Real::new(100.0),
                strength: Real::new(strength),
                strategy: StrategyId(4),
                instrument: BTCEUR,
                direction,
            };
            desk.frame(TimeAdvanced { due: TimeNs(1) }, [Event::SignalChanged(changed)]);
        }
        let of = ["symbol", "strategy", "direction", "strength", "fast", "changes"];
        let latest = desk.cells("latest_signals", &ids([1, 4]), of);
        assert_eq!(latest, ["BTCEUR", "4", "short", "0", "101.5", "2"]);
        assert_eq!(desk.rows_of("signals"), 2);
    }
}
