//! What accounts are worth and exposed to, in the reference currency, and which position a strategy trades: what the risk
//! functions of the schema work on.
//!
//! `transfers` counts deposits and withdrawals so far, so that a change of equity that they made is not taken for profit.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::event::AccountMarked;
use tickwerk_domain::{AccountId, Command, Event, Payload};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "account_exposure",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("equity", Type::Numeric),
            Column::set("gross_exposure", Type::Numeric),
            Column::set("net_exposure", Type::Numeric),
            Column::set("peak_equity", Type::Numeric),
            Column::set("day_equity", Type::Numeric),
            Column::set("transfers", Type::Int8),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "account_exposure_history",
        rows: Rows::Appended,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("equity", Type::Numeric),
            Column::set("gross_exposure", Type::Numeric),
            Column::set("net_exposure", Type::Numeric),
            Column::set("transfers", Type::Int8),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(account, recorded_at)"],
    },
    Table {
        name: "strategy_position",
        rows: Rows::Current,
        columns: &[
            Column::key("strategy_id", Type::Int8),
            Column::set("strategy", Type::Text),
            Column::set("account_id", Type::Int8),
            Column::set("instrument_id", Type::Int8),
        ],
        indexes: &[],
    },
];

/// Counts transfers.
#[derive(Debug, Default)]
pub(crate) struct Exposures {
    transfers: BTreeMap<AccountId, i64>,
}

impl Projection for Exposures {
    fn name(&self) -> &'static str {
        "exposures"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["account.marked", "account.cash_transferred", "signal.strategy_defined"]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT account_id, transfers FROM {account_exposure} WHERE transfers IS NOT NULL"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) {
        let number = |place: usize| row.get(place).and_then(|text| text.parse::<i64>().ok()).expect("a number");
        let id = u32::try_from(number(0)).expect("an account's number");
        self.transfers.insert(AccountId(id), number(1));
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Event(Event::AccountMarked(marked)) = fact.payload() {
            self.mark(fact, marked, changes)
        } else if let Payload::Command(Command::CashTransferred(of)) = fact.payload() {
            // One that is refused moves nothing.
            if !fact.frame.iter().any(|record| matches!(record.payload, Payload::Event(Event::Posted(_)))) {
                return Ok(());
            }
            let transfers = self.transfers.entry(of.account).or_insert(0);
            *transfers += 1;
            changes
                .row(&TABLES[0], [Value::unsigned(u64::from(of.account.0))])
                .set("account", fact.account(of.account))
                .set("transfers", Value::Int(*transfers))
                .done();
            Ok(())
        } else if let Payload::Command(Command::StrategyDefined(of)) = fact.payload() {
            changes
                .row(&TABLES[2], [Value::unsigned(u64::from(of.strategy.0))])
                .set("strategy", fact.strategy(of.strategy))
                .set("account_id", Value::unsigned(u64::from(of.account.0)))
                .set("instrument_id", Value::unsigned(u64::from(of.instrument.0)))
                .done();
            Ok(())
        } else {
            Ok(())
        }
    }
}

impl Exposures {
    fn mark(&self, fact: &Fact<'_>, marked: &AccountMarked, changes: &mut Changes) -> Result<(), Poison> {
        fact.dictionary.reference_scale().ok_or("there is no reference currency")?;
        let transfers = Value::Int(self.transfers.get(&marked.account).copied().unwrap_or(0));
        let values = [
            ("account", fact.account(marked.account)),
            ("equity", fact.in_reference(marked.equity)),
            ("gross_exposure", fact.in_reference(marked.gross_exposure)),
            ("net_exposure", fact.in_reference(marked.net_exposure)),
            ("transfers", transfers),
            ("recorded_at", Value::Time(fact.time())),
        ];
        let id = Value::unsigned(u64::from(marked.account.0));
        let mut row = changes
            .row(&TABLES[0], [id.clone()])
            .set("peak_equity", fact.in_reference(marked.peak_equity))
            .set("day_equity", fact.in_reference(marked.day_equity));
        for (column, value) in &values {
            row = row.set(column, value.clone());
        }
        row.done();
        let mut row = changes.row(&TABLES[1], [id]);
        for (column, value) in values {
            row = row.set(column, value);
        }
        row.done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ACCOUNT, DAY, Journal, SECOND, folded};
    use tickwerk_domain::command::CashTransferred;
    use tickwerk_domain::event::{LEGS_PER_POSTING_MAX, Leg, Posted};
    use tickwerk_domain::{CurrencyId, Money, TextId};

    #[test]
    fn marks_know_how_many_transfers_were_before_them() {
        let mut journal = Journal::defined();
        let mark = |equity| AccountMarked {
            equity: Money::new(equity),
            gross_exposure: Money::new(2),
            net_exposure: Money::new(-1),
            peak_equity: Money::new(9),
            day_equity: Money::new(8),
            account: ACCOUNT,
        };
        let cash = CashTransferred {
            amount: Money::new(5),
            account: ACCOUNT,
            currency: CurrencyId(2),
            reason: TextId::NONE,
        };
        let posted = Posted { account: ACCOUNT, count: 1, legs: [Leg::default(); LEGS_PER_POSTING_MAX] };
        journal.event(DAY, mark(1_000_000));
        journal.command(DAY, cash);
        journal.event(DAY, posted);
        journal.command(DAY, cash);
        journal.event(DAY + SECOND, mark(1_000_005));
        let tables = folded::<Exposures>(&journal);
        let columns = ["account", "equity", "transfers", "recorded_at"];
        assert_eq!(tables.rows(&TABLES[1], &columns), ["desk 1.000000 0 +0s", "desk 1.000005 1 +1s"]);
        assert_eq!(tables.rows(&TABLES[0], &columns), ["desk 1.000005 1 +1s"]);
        assert_eq!(tables.rows(&TABLES[2], &["strategy", "account_id", "instrument_id"]), ["cross 1 1"]);
    }
}
