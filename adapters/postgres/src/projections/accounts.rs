//! Accounts: who they are, what they may do and what they are worth; each mark of their worth, and each transfer.
//!
//! Worth is in the reference currency.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeSet;
use tickwerk_domain::event::AccountMarked;
use tickwerk_domain::{AccountId, AccountState, Command, Event, Payload};
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "accounts",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("position_mode", Type::Text),
            Column::set("state", Type::Text),
            Column::set("state_reason", Type::Text),
            Column::set("state_actor", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("equity", Type::Numeric),
            Column::set("gross_exposure", Type::Numeric),
            Column::set("net_exposure", Type::Numeric),
            Column::set("peak_equity", Type::Numeric),
            Column::set("day_equity", Type::Numeric),
            Column::set("marked_at", Type::Timestamp),
            Column::set("reconciled_at", Type::Timestamp),
            Column::set("differences", Type::Int8),
            Column::first("defined_at", Type::Timestamp),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &["(account)"],
    },
    Table {
        name: "account_worth",
        rows: Rows::Appended,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::set("equity", Type::Numeric),
            Column::set("gross_exposure", Type::Numeric),
            Column::set("net_exposure", Type::Numeric),
            Column::set("peak_equity", Type::Numeric),
            Column::set("day_equity", Type::Numeric),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(account_id, recorded_at)"],
    },
    Table {
        name: "cash_transfers",
        rows: Rows::Appended,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("amount", Type::Numeric),
            Column::set("reason", Type::Text),
            Column::set("actor", Type::Text),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(recorded_at)"],
    },
];

/// Remembers who there is: a definition that comes again leaves the state as it is.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    known: BTreeSet<AccountId>,
}

impl Projection for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "account.defined",
            "account.state_set",
            "account.cash_transferred",
            "account.marked",
            "system.reconcile_completed",
        ]
    }

    fn state(&self) -> &'static [&'static str] {
        &["SELECT account_id FROM {accounts} WHERE state IS NOT NULL"]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let id = row.get(0).and_then(|id| id.parse().ok()).ok_or("an account has no number")?;
        self.known.insert(AccountId(id));
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        match fact.payload() {
            Payload::Command(_) if fact.refusal().is_some() => {}
            Payload::Command(command) => self.command(fact, changes, command),
            Payload::Event(Event::AccountMarked(of)) => return marked(fact, changes, of),
            Payload::Event(Event::ReconcileCompleted(of)) => {
                let row = changes.row(&TABLES[0], key(of.account)).set("account", fact.account(of.account));
                row.set("reconciled_at", Value::Time(fact.time()))
                    .set("differences", Value::Int(i64::from(of.differences)))
                    .set("updated_at", Value::Time(fact.time()))
                    .done();
            }
            Payload::Event(_) => {}
        }
        Ok(())
    }
}

impl Accounts {
    fn command(&mut self, fact: &Fact<'_>, changes: &mut Changes, command: &Command) {
        let now = || Value::Time(fact.time());
        if let Command::AccountDefined(of) = command {
            let mut row = changes
                .row(&TABLES[0], key(of.account))
                .set("account", fact.account(of.account))
                .set("position_mode", Value::text(of.mode.word()))
                .set("defined_at", now())
                .set("updated_at", now());
            if self.known.insert(of.account) {
                row = row.set("state", Value::text(AccountState::Active.word()));
            }
            row.done();
        } else if let Command::AccountStateSet(of) = command {
            changes
                .row(&TABLES[0], key(of.account))
                .set("state", Value::text(of.state.word()))
                .set("state_reason", fact.reason())
                .set("state_actor", fact.actor())
                .set("updated_at", now())
                .done();
        } else if let Command::CashTransferred(of) = command {
            changes
                .row(&TABLES[2], key(of.account))
                .set("account", fact.account(of.account))
                .set("currency", fact.currency(of.currency))
                .set("amount", fact.money(of.currency, of.amount))
                .set("reason", fact.reason())
                .set("actor", fact.actor())
                .set("recorded_at", now())
                .done();
        }
    }
}

fn marked(fact: &Fact<'_>, changes: &mut Changes, of: &AccountMarked) -> Result<(), Poison> {
    fact.dictionary.reference_scale().ok_or("the reference currency is not defined")?;
    let worth = [
        ("equity", of.equity),
        ("gross_exposure", of.gross_exposure),
        ("net_exposure", of.net_exposure),
        ("peak_equity", of.peak_equity),
        ("day_equity", of.day_equity),
    ];
    let mut row = changes
        .row(&TABLES[0], key(of.account))
        .set("account", fact.account(of.account))
        .set("currency", fact.currency(fact.dictionary.reference()))
        .set("marked_at", Value::Time(fact.time()))
        .set("updated_at", Value::Time(fact.time()));
    for (column, amount) in worth {
        row = row.set(column, fact.in_reference(amount));
    }
    row.done();
    let mut row = changes.row(&TABLES[1], key(of.account)).set("recorded_at", Value::Time(fact.time()));
    for (column, amount) in worth {
        row = row.set(column, fact.in_reference(amount));
    }
    row.done();
    Ok(())
}

fn key(account: AccountId) -> [Value; 1] {
    [Value::unsigned(u64::from(account.0))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BECAUSE, Desk, EUR, ids};
    use tickwerk_domain::command::{AccountDefined, AccountStateSet, CashTransferred, TimeAdvanced};
    use tickwerk_domain::{Money, PositionMode, TextId, TimeNs};

    #[test]
    fn a_second_definition_leaves_the_state_as_it_is() {
        let mut desk = Desk::<Accounts>::new();
        let of = ["account", "position_mode", "state", "state_reason"];
        assert_eq!(desk.cells("accounts", &ids([1]), of), ["alice", "netting", "active", "null"]);
        desk.command(AccountStateSet { account: ALICE, reason: BECAUSE, state: AccountState::Suspended });
        desk.command(AccountDefined { account: ALICE, name: TextId(1), mode: PositionMode::Hedging });
        assert_eq!(desk.cells("accounts", &ids([1]), of), ["alice", "hedging", "suspended", "because"]);
    }

    #[test]
    fn worth_and_transfers_are_kept() {
        let mut desk = Desk::<Accounts>::new();
        let amount = Money::new(-1250);
        desk.command(CashTransferred { amount, account: ALICE, currency: EUR, reason: BECAUSE });
        let transfer = desk.cells("cash_transfers", &ids([1]), ["amount", "currency", "reason", "actor"]);
        assert_eq!(transfer, ["-12.50", "EUR", "because", "alice"]);
        for equity in [100_000, 90_000] {
            let marked = AccountMarked {
                equity: Money::new(equity),
                gross_exposure: Money::ZERO,
                net_exposure: Money::ZERO,
                peak_equity: Money::new(100_000),
                day_equity: Money::new(100_000),
                account: ALICE,
            };
            desk.frame(TimeAdvanced { due: TimeNs(1) }, [Event::AccountMarked(marked)]);
        }
        assert_eq!(desk.cells("accounts", &ids([1]), ["equity", "currency"]), ["900.00", "EUR"]);
        assert_eq!(desk.rows_of("account_worth"), 2);
    }
}
