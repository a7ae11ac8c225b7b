//! Strategies: what each trades and for whom, as it was defined last.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::{Command, Payload};

static TABLES: &[Table] = &[Table {
    name: "strategies",
    rows: Rows::Current,
    columns: &[
        Column::key("strategy_id", Type::Int8),
        Column::set("strategy", Type::Text),
        Column::set("account_id", Type::Int8),
        Column::set("account", Type::Text),
        Column::set("instrument_id", Type::Int8),
        Column::set("symbol", Type::Text),
        Column::set("kind", Type::Int8),
        Column::set("is_enabled", Type::Bool),
        Column::set("parameters", Type::Jsonb),
        Column::set("actor", Type::Text),
        Column::first("defined_at", Type::Timestamp),
        Column::set("updated_at", Type::Timestamp),
    ],
    indexes: &["(strategy)"],
}];

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Strategies;

impl Projection for Strategies {
    fn name(&self) -> &'static str {
        "strategies"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["signal.strategy_defined"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Command(Command::StrategyDefined(of)) = fact.payload() else {
            return Ok(());
        };
        if fact.refusal().is_some() {
            return Ok(());
        }
        let numbers: Vec<String> = of.parameters.iter().map(ToString::to_string).collect();
        changes
            .row(&TABLES[0], [Value::unsigned(u64::from(of.strategy.0))])
            .set("strategy", fact.strategy(of.strategy))
            .set("account_id", Value::unsigned(u64::from(of.account.0)))
            .set("account", fact.account(of.account))
            .set("instrument_id", Value::unsigned(u64::from(of.instrument.0)))
            .set("symbol", fact.symbol(of.instrument))
            .set("kind", Value::Int(i64::from(of.kind)))
            .set("is_enabled", Value::Bool(of.enabled))
            .set("parameters", Value::Json(format!("[{}]", numbers.join(","))))
            .set("actor", fact.actor())
            .set("defined_at", Value::Time(fact.time()))
            .set("updated_at", Value::Time(fact.time()))
            .done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{DAY, Journal, SECOND, folded};
    use tickwerk_domain::Reject;
    use tickwerk_domain::TextId;
    use tickwerk_domain::event::CommandRefused;

    #[test]
    fn a_definition_that_was_refused_defines_nothing() {
        let mut journal = Journal::defined();
        let again = journal.records.last().unwrap().payload;
        let Payload::Command(Command::StrategyDefined(mut of)) = again else { unreachable!() };
        of.enabled = false;
        journal.command(DAY + SECOND, of);
        of.kind = 9;
        journal.command(DAY + 2 * SECOND, of);
        let reason = Reject::UnknownStrategyKind.code();
        journal.event(
            DAY + 2 * SECOND,
            CommandRefused { value: 9, reason, command_type: 0x0201, text: TextId::NONE },
        );
        let columns = ["strategy", "account", "symbol", "kind", "is_enabled", "defined_at", "updated_at"];
        let rows = folded::<Strategies>(&journal).rows(&TABLES[0], &columns);
        assert_eq!(rows, ["cross alice BTCEUR 1 false +0s +1s"]);
    }
}
