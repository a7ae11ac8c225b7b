//! Limits and their versions, breakers, switches and alerts: what may be done, who said so, and why.
//!
//! A value is in the unit of its kind (`unit`), and as text where it is a word. What is for all has the number 0 and no
//! name. Each version of the limits is one change; decisions name the version that they followed.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::event::{
    BreakerChanged, KillSwitchChanged, LimitChanged, RiskAlert, TradingStateChanged,
};
use tickwerk_domain::{AccountId, BreakerState, Event, InstrumentId, LimitUnit, Payload, StrategyId};
use tickwerk_render::source_word;

static TABLES: &[Table] = &[
    Table {
        name: "limits",
        rows: Rows::Current,
        columns: &[
            Column::key("kind", Type::Text),
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("is_set", Type::Bool),
            // As it was when it was taken away.
            Column::set("value", Type::Numeric),
            Column::set("value_text", Type::Text),
            Column::set("unit", Type::Text),
            Column::set("limits_version", Type::Int8),
            Column::set("actor", Type::Text),
            Column::set("reason", Type::Text),
            Column::set("changed_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "limit_versions",
        rows: Rows::Appended,
        columns: &[
            Column::key("limits_version", Type::Int8),
            Column::set("change", Type::Text),
            Column::set("kind", Type::Text),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("previous", Type::Text),
            Column::set("value", Type::Text),
            Column::set("actor", Type::Text),
            Column::set("source", Type::Text),
            Column::set("reason", Type::Text),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(recorded_at)"],
    },
    Table {
        name: "breakers",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::key("kind", Type::Text),
            Column::set("account", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("state", Type::Text),
            Column::set("limit_value", Type::Numeric),
            Column::set("observed", Type::Numeric),
            // Of the last cool-down.
            Column::set("until", Type::Timestamp),
            Column::set("limits_version", Type::Int8),
            Column::add("trips", Type::Int8),
            Column::set("last_trip_at", Type::Timestamp),
            Column::set("changed_at", Type::Timestamp),
        ],
        indexes: &["(account) WHERE state <> 'armed'"],
    },
    Table {
        name: "trading_states",
        rows: Rows::Current,
        columns: &[
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("state", Type::Text),
            Column::set("is_killed", Type::Bool),
            Column::set("limits_version", Type::Int8),
            Column::set("actor", Type::Text),
            Column::set("reason", Type::Text),
            Column::set("changed_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "risk_alerts",
        rows: Rows::Current,
        columns: &[
            Column::key("kind", Type::Text),
            Column::key("account_id", Type::Int8),
            Column::key("instrument_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::set("is_raised", Type::Bool),
            Column::set("severity", Type::Text),
            Column::set("limit_value", Type::Numeric),
            Column::set("observed", Type::Numeric),
            Column::set("limits_version", Type::Int8),
            Column::add("times", Type::Int8),
            Column::set("changed_at", Type::Timestamp),
        ],
        indexes: &["(changed_at) WHERE is_raised"],
    },
];

type Scope = (AccountId, InstrumentId, StrategyId);

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Limits;

impl Projection for Limits {
    fn name(&self) -> &'static str {
        "limits"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "risk.limit_changed",
            "risk.kill_switch_changed",
            "risk.trading_state_changed",
            "risk.breaker_changed",
            "risk.alert",
        ]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Event(Event::LimitChanged(of)) = fact.payload() {
            limit(fact, changes, of);
        } else if let Payload::Event(Event::KillSwitchChanged(of)) = fact.payload() {
            kill_switch(fact, changes, of);
        } else if let Payload::Event(Event::TradingStateChanged(of)) = fact.payload() {
            trading_state(fact, changes, of);
        } else if let Payload::Event(Event::BreakerChanged(of)) = fact.payload() {
            breaker(fact, changes, of);
        } else if let Payload::Event(Event::RiskAlert(of)) = fact.payload() {
            alert(fact, changes, of);
        }
        Ok(())
    }
}

fn limit(fact: &Fact<'_>, changes: &mut Changes, of: &LimitChanged) {
    let scope = (of.account, of.instrument, of.strategy);
    let kind = || Value::text(of.kind.word());
    let key = [kind()].into_iter().chain(ids(scope));
    named(changes.row(&TABLES[0], key), fact, scope)
        .set("is_set", Value::Bool(of.value >= 0))
        .set("value", fact.number("value"))
        .set("value_text", fact.shown("value"))
        .set("unit", Value::text(unit(of.kind.unit())))
        .set("limits_version", Value::unsigned(of.limits_version))
        .set("actor", fact.actor())
        .set("reason", fact.reason())
        .set("changed_at", Value::Time(fact.time()))
        .done();
    version(fact, changes, (of.limits_version, "limit"), scope)
        .set("kind", kind())
        .set("previous", fact.shown("previous"))
        .set("value", fact.shown("value"))
        .done();
}

fn kill_switch(fact: &Fact<'_>, changes: &mut Changes, of: &KillSwitchChanged) {
    let scope = (of.account, of.instrument, of.strategy);
    state(fact, changes, of.limits_version, scope).set("is_killed", Value::Bool(of.engaged)).done();
    let value = if of.engaged { "engaged" } else { "released" };
    version(fact, changes, (of.limits_version, "kill_switch"), scope).set("value", Value::text(value)).done();
}

fn trading_state(fact: &Fact<'_>, changes: &mut Changes, of: &TradingStateChanged) {
    let scope = (of.account, of.instrument, of.strategy);
    let value = || Value::text(of.state.word());
    state(fact, changes, of.limits_version, scope).set("state", value()).done();
    version(fact, changes, (of.limits_version, "trading_state"), scope).set("value", value()).done();
}

fn breaker(fact: &Fact<'_>, changes: &mut Changes, of: &BreakerChanged) {
    let key = [of.account.0, of.strategy.0].map(|id| Value::unsigned(u64::from(id)));
    let mut row = changes
        .row(&TABLES[2], key.into_iter().chain([Value::text(of.kind.word())]))
        .set("account", Value::named(fact.dictionary.account(of.account), of.account.0))
        .set("strategy", Value::named(fact.dictionary.strategy(of.strategy), of.strategy.0))
        .set("state", Value::text(of.state.word()))
        .set("limit_value", fact.number("limit"))
        .set("observed", fact.number("observed"))
        .set("until", Value::time_or_null(of.until))
        .set("limits_version", Value::unsigned(of.limits_version))
        .set("changed_at", Value::Time(fact.time()));
    if of.from == BreakerState::Armed {
        row = row.set("trips", Value::Int(1)).set("last_trip_at", Value::Time(fact.time()));
    }
    row.done();
}

fn alert(fact: &Fact<'_>, changes: &mut Changes, of: &RiskAlert) {
    let scope = (of.account, of.instrument, of.strategy);
    let key = [Value::text(of.kind.word())].into_iter().chain(ids(scope));
    named(changes.row(&TABLES[4], key), fact, scope)
        .set("is_raised", Value::Bool(of.raised))
        .set("severity", Value::text(of.severity.word()))
        .set("limit_value", fact.number("limit"))
        .set("observed", fact.number("observed"))
        .set("limits_version", Value::unsigned(of.limits_version))
        .set("times", Value::Int(i64::from(of.raised)))
        .set("changed_at", Value::Time(fact.time()))
        .done();
}

fn ids((account, instrument, strategy): Scope) -> [Value; 3] {
    [account.0, instrument.0, strategy.0].map(|id| Value::unsigned(u64::from(id)))
}

fn named<'c>(row: RowChange<'c>, fact: &Fact<'_>, (account, instrument, strategy): Scope) -> RowChange<'c> {
    row.set("account", Value::named(fact.dictionary.account(account), account.0))
        .set("symbol", Value::named(fact.dictionary.symbol(instrument), instrument.0))
        .set("strategy", Value::named(fact.dictionary.strategy(strategy), strategy.0))
}

fn state<'c>(fact: &Fact<'_>, changes: &'c mut Changes, version: u64, scope: Scope) -> RowChange<'c> {
    named(changes.row(&TABLES[3], ids(scope)), fact, scope)
        .set("limits_version", Value::unsigned(version))
        .set("actor", fact.actor())
        .set("reason", fact.reason())
        .set("changed_at", Value::Time(fact.time()))
}

fn version<'c>(
    fact: &Fact<'_>,
    changes: &'c mut Changes,
    (version, change): (u64, &'static str),
    scope: Scope,
) -> RowChange<'c> {
    let source = fact.command().map_or(Value::Null, |of| Value::text(source_word(of.envelope.source)));
    named(changes.row(&TABLES[1], [Value::unsigned(version)]), fact, scope)
        .set("change", Value::text(change))
        .set("actor", fact.actor())
        .set("source", source)
        .set("reason", fact.reason())
        .set("recorded_at", Value::Time(fact.time()))
}

fn unit(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Quantity => "quantity",
        LimitUnit::Settlement => "settlement_currency",
        LimitUnit::Reference => "reference_currency",
        LimitUnit::Fraction => "fraction",
        LimitUnit::Count => "count",
        LimitUnit::Duration => "seconds",
        LimitUnit::SelfTrade => "mode",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BECAUSE, BTCEUR, DAY, Desk, SECOND};
    use tickwerk_domain::command::{BreakerReset, KillSwitchSet, LimitSet};
    use tickwerk_domain::{BreakerKind, LimitKind, Money, TimeNs};

    fn limit_set(desk: &mut Desk<Limits>, previous: i64, value: i64, limits_version: u64) {
        let (account, instrument, strategy, kind) =
            (ALICE, BTCEUR, StrategyId::NONE, LimitKind::OrderQuantity);
        let asked = LimitSet { value, account, instrument, strategy, reason: BECAUSE, kind };
        let changed = LimitChanged { previous, value, limits_version, account, instrument, strategy, kind };
        desk.frame(asked, [Event::LimitChanged(changed)]);
    }

    #[test]
    fn a_limit_has_versions_with_who_and_why() {
        let mut desk = Desk::<Limits>::new();
        limit_set(&mut desk, -1, 5000, 1);
        limit_set(&mut desk, 5000, 2500, 2);
        let key = [Value::text("order_quantity"), Value::Int(1), Value::Int(1), Value::Int(0)];
        let of = ["is_set", "value", "unit", "limits_version", "actor", "reason", "symbol"];
        let limit = desk.cells("limits", &key, of);
        assert_eq!(limit, ["true", "2.500", "quantity", "2", "alice", "because", "BTCEUR"]);
        let of = ["change", "previous", "value", "source", "actor"];
        let versions = [1, 2].map(|version| desk.cells("limit_versions", &[Value::Int(version)], of));
        assert_eq!(versions[0], ["limit", "null", "5.000", "control", "alice"]);
        assert_eq!(versions[1], ["limit", "5.000", "2.500", "control", "alice"]);
        limit_set(&mut desk, 2500, -1, 3);
        assert_eq!(desk.cells("limits", &key, ["is_set", "value"]), ["false", "2.500"]);
    }

    #[test]
    fn breakers_trip_and_switches_are_engaged() {
        let mut desk = Desk::<Limits>::new();
        for (from, state) in [
            (BreakerState::Armed, BreakerState::Tripped),
            (BreakerState::Tripped, BreakerState::Armed),
            (BreakerState::Armed, BreakerState::Cooling),
        ] {
            let changed = BreakerChanged {
                limit: Money::new(10_000),
                observed: Money::new(12_000),
                until: TimeNs(DAY + 7 * SECOND),
                limits_version: 1,
                account: ALICE,
                strategy: StrategyId::NONE,
                kind: BreakerKind::DailyLoss,
                from,
                state,
            };
            let (account, strategy, kind) = (ALICE, StrategyId::NONE, BreakerKind::DailyLoss);
            let reset = BreakerReset { account, strategy, reason: BECAUSE, kind };
            desk.frame(reset, [Event::BreakerChanged(changed)]);
        }
        let key = [Value::Int(1), Value::Int(0), Value::text("daily_loss")];
        let of = ["state", "trips", "limit_value", "observed", "until"];
        let expected = ["cooling", "2", "100.00", "120.00", "+7s"];
        assert_eq!(desk.cells("breakers", &key, of), expected);

        let (account, instrument, strategy) = (AccountId::NONE, InstrumentId::NONE, StrategyId::NONE);
        let asked = KillSwitchSet { account, instrument, strategy, reason: BECAUSE, engaged: true };
        let changed = KillSwitchChanged { limits_version: 4, account, instrument, strategy, engaged: true };
        desk.frame(asked, [Event::KillSwitchChanged(changed)]);
        let key = [Value::Int(0), Value::Int(0), Value::Int(0)];
        let of = ["is_killed", "state", "reason", "account"];
        assert_eq!(desk.cells("trading_states", &key, of), ["true", "null", "because", "null"]);
        assert_eq!(desk.cell("limit_versions", &[Value::Int(4)], "value"), "engaged");
    }
}
