//! Portfolios by day and owner: worth at the end of the day with its highest and lowest, and the money that came and went.
//!
//! Days are those of UTC. Worth is in the reference currency, money in its own. The owner is the account.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::event::{LedgerBook, Leg};
use tickwerk_domain::{AccountId, Event, Money, Payload, TimeNs};

static TABLES: &[Table] = &[
    Table {
        name: "portfolio_snapshots",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("account_id", Type::Int8),
            Column::set("owner", Type::Text),
            Column::set("currency", Type::Text),
            Column::set("equity", Type::Numeric),
            Column::set("day_equity", Type::Numeric),
            Column::set("peak_equity", Type::Numeric),
            Column::max("equity_high", Type::Numeric),
            Column::min("equity_low", Type::Numeric),
            Column::set("gross_exposure", Type::Numeric),
            Column::set("net_exposure", Type::Numeric),
            Column::max("gross_exposure_high", Type::Numeric),
            Column::add("marks", Type::Int8),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &["(owner, day)"],
    },
    Table {
        name: "portfolio_flows",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("account_id", Type::Int8),
            Column::key("currency_id", Type::Int8),
            Column::set("owner", Type::Text),
            Column::set("currency", Type::Text),
            Column::add("deposits", Type::Numeric),
            Column::add("withdrawals", Type::Numeric),
            // What trades brought, less what they cost.
            Column::add("traded", Type::Numeric),
            Column::add("fees", Type::Numeric),
            Column::add("funding", Type::Numeric),
            Column::add("adjusted", Type::Numeric),
            Column::add("rounding", Type::Numeric),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &["(owner, day)"],
    },
];

const DAY_NS: u64 = 86_400_000_000_000;

/// Needs no memory: sums and extremes merge.
#[derive(Debug, Default)]
pub(crate) struct Portfolio;

impl Projection for Portfolio {
    fn name(&self) -> &'static str {
        "portfolio"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["account.marked", "account.posted"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let day = Value::Time(TimeNs(fact.time().0 / DAY_NS * DAY_NS));
        let now = Value::Time(fact.time());
        if let Payload::Event(Event::AccountMarked(of)) = fact.payload() {
            fact.dictionary.reference_scale().ok_or("the reference currency is not defined")?;
            changes
                .row(&TABLES[0], [day, Value::unsigned(u64::from(of.account.0))])
                .set("owner", fact.account(of.account))
                .set("currency", fact.currency(fact.dictionary.reference()))
                .set("equity", fact.in_reference(of.equity))
                .set("day_equity", fact.in_reference(of.day_equity))
                .set("peak_equity", fact.in_reference(of.peak_equity))
                .set("equity_high", fact.in_reference(of.equity))
                .set("equity_low", fact.in_reference(of.equity))
                .set("gross_exposure", fact.in_reference(of.gross_exposure))
                .set("net_exposure", fact.in_reference(of.net_exposure))
                .set("gross_exposure_high", fact.in_reference(of.gross_exposure))
                .set("marks", Value::Int(1))
                .set("updated_at", now)
                .done();
        } else if let Payload::Event(Event::Posted(of)) = fact.payload() {
            let legs = &of.legs[..usize::from(of.count).min(of.legs.len())];
            for leg in legs {
                fact.dictionary.currency_scale(leg.currency).ok_or("its currency is not defined")?;
            }
            for leg in legs {
                flow(fact, changes, &day, of.account, leg);
            }
        }
        Ok(())
    }
}

/// What a transfer means to the account.
fn flow(fact: &Fact<'_>, changes: &mut Changes, day: &Value, account: AccountId, leg: &Leg) {
    let (other, amount) = match (leg.from, leg.to) {
        (LedgerBook::Client, other) => (other, -leg.amount.get()),
        (other, LedgerBook::Client) => (other, leg.amount.get()),
        // Between books of the house.
        _ => return,
    };
    let (column, amount) = match other {
        LedgerBook::Client => return,
        LedgerBook::External if amount < 0 => ("withdrawals", -amount),
        LedgerBook::External => ("deposits", amount),
        LedgerBook::Venue => ("traded", amount),
        // Paid is more.
        LedgerBook::Fee => ("fees", -amount),
        LedgerBook::Funding => ("funding", amount),
        LedgerBook::Adjustment => ("adjusted", amount),
        LedgerBook::Rounding => ("rounding", amount),
    };
    let ids = [account.0, leg.currency.0].map(|id| Value::unsigned(u64::from(id)));
    changes
        .row(&TABLES[1], [day.clone()].into_iter().chain(ids))
        .set("owner", fact.account(account))
        .set("currency", fact.currency(leg.currency))
        .set(column, fact.money(leg.currency, Money::new(amount)))
        .set("updated_at", Value::Time(fact.time()))
        .done();
}

#[cfg(test)]
mod tests {
    use super::LedgerBook::{Client, External, Fee, Venue};
    use super::*;
    use crate::projections::fixture::{ALICE, DAY, Desk, EUR};
    use tickwerk_domain::command::TimeAdvanced;
    use tickwerk_domain::event::{AccountMarked, Posted};

    #[test]
    fn a_day_has_its_worth_and_its_money() {
        let mut desk = Desk::<Portfolio>::new();
        let day = Value::Time(TimeNs(DAY));
        for equity in [100_000, 120_000, 90_000] {
            let marked = AccountMarked {
                equity: Money::new(equity),
                gross_exposure: Money::new(equity),
                net_exposure: Money::ZERO,
                peak_equity: Money::new(120_000),
                day_equity: Money::new(100_000),
                account: ALICE,
            };
            desk.frame(TimeAdvanced { due: TimeNs(1) }, [Event::AccountMarked(marked)]);
        }
        let of = ["owner", "equity", "equity_high", "equity_low", "marks"];
        let snapshot = desk.cells("portfolio_snapshots", &[day.clone(), Value::Int(1)], of);
        assert_eq!(snapshot, ["alice", "900.00", "1200.00", "900.00", "3"]);

        let leg = |amount, from, to| Leg { amount: Money::new(amount), currency: EUR, from, to };
        let legs = [
            leg(500, External, Client),
            leg(200, Client, Venue),
            leg(3, Client, Fee),
            leg(100, Client, External),
        ];
        desk.frame(
            TimeAdvanced { due: TimeNs(1) },
            [Event::Posted(Posted { account: ALICE, count: 4, legs })],
        );
        let key = [day, Value::Int(1), Value::Int(1)];
        let of = ["deposits", "withdrawals", "traded", "fees", "funding"];
        assert_eq!(desk.cells("portfolio_flows", &key, of), ["5.00", "1.00", "-2.00", "0.03", "null"]);
    }
}
