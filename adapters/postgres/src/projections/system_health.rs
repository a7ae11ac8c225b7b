//! How the system was, minute by minute, and how each of its parts stands.
//!
//! Depths and lags of a minute are the largest that were seen; `refusals` is a count since the process began. A part is
//! a venue, a book, a session, a breaker, a switch, an account or a reconciliation; `status` is `ok`, `warning` or
//! `critical`.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::command::HealthObserved;
use tickwerk_domain::{
    AccountId, AccountState, BreakerState, Command, Event, InstrumentId, Payload, SessionState, StrategyId,
    TimeNs, TradingState, VenueState,
};

static TABLES: &[Table] = &[
    Table {
        name: "system_health",
        rows: Rows::Current,
        columns: &[
            Column::key("minute", Type::Timestamp),
            Column::add("samples", Type::Int8),
            Column::max("outcome_depth", Type::Int8),
            Column::max("control_depth", Type::Int8),
            Column::max("report_depth", Type::Int8),
            Column::max("order_depth", Type::Int8),
            Column::max("market_depth", Type::Int8),
            Column::max("egress_depth", Type::Int8),
            Column::max("written_lag", Type::Int8),
            Column::max("durable_lag", Type::Int8),
            Column::max("chained_lag", Type::Int8),
            Column::max("memory_bytes", Type::Int8),
            Column::set("refusals", Type::Int8),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "system_component",
        rows: Rows::Current,
        columns: &[
            Column::key("component_type", Type::Text),
            Column::key("component", Type::Text),
            Column::set("status", Type::Text),
            Column::set("state", Type::Text),
            Column::set("detail", Type::Text),
            Column::set("since", Type::Timestamp),
        ],
        indexes: &[],
    },
];

const MINUTE_NS: u64 = 60_000_000_000;
const OK: &str = "ok";
const WARNING: &str = "warning";
const CRITICAL: &str = "critical";

/// Needs no memory: every event says how a part stands.
#[derive(Debug, Default)]
pub(crate) struct SystemHealth;

/// A part and how it stands.
struct Part {
    component_type: &'static str,
    component: String,
    status: &'static str,
    state: &'static str,
    detail: Value,
}

impl Projection for SystemHealth {
    fn name(&self) -> &'static str {
        "system_health"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "system.health",
            "market.venue_state",
            "market.session_set",
            "market.book_stale",
            "market.book_restored",
            "risk.breaker_changed",
            "risk.kill_switch_changed",
            "risk.trading_state_changed",
            "account.state_set",
            "system.reconcile_completed",
        ]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let part = match fact.payload() {
            Payload::Command(Command::HealthObserved(seen)) => {
                health(fact, seen, changes);
                None
            }
            Payload::Command(command) => part_of_command(fact, command),
            Payload::Event(event) => part_of_event(fact, event),
        };
        let Some(Part { component_type, component, status, state, detail }) = part else {
            return Ok(());
        };
        changes
            .row(&TABLES[1], [Value::text(component_type), Value::text(component)])
            .set("status", Value::text(status))
            .set("state", Value::text(state))
            // A column keeps its value where there is none, so that nothing to say is said as nothing.
            .set("detail", if detail.is_null() { Value::text("") } else { detail })
            .set("since", Value::Time(fact.time()))
            .done();
        Ok(())
    }
}

fn health(fact: &Fact<'_>, seen: &HealthObserved, changes: &mut Changes) {
    let minute = fact.time().0 / MINUTE_NS * MINUTE_NS;
    let small = |number: u32| Value::Int(i64::from(number));
    changes
        .row(&TABLES[0], [Value::Time(TimeNs(minute))])
        .set("samples", Value::Int(1))
        .set("outcome_depth", small(seen.outcome_depth))
        .set("control_depth", small(seen.control_depth))
        .set("report_depth", small(seen.report_depth))
        .set("order_depth", small(seen.order_depth))
        .set("market_depth", small(seen.market_depth))
        .set("egress_depth", small(seen.egress_depth))
        .set("written_lag", Value::unsigned(seen.written_lag))
        .set("durable_lag", Value::unsigned(seen.durable_lag))
        .set("chained_lag", Value::unsigned(seen.chained_lag))
        .set("memory_bytes", Value::unsigned(seen.memory_bytes))
        .set("refusals", Value::unsigned(seen.refusals))
        .set("last_at", Value::Time(fact.time()))
        .done();
}

fn part_of_command(fact: &Fact<'_>, command: &Command) -> Option<Part> {
    if let Command::VenueStateObserved(of) = command {
        let status = match of.state {
            VenueState::Connected => OK,
            VenueState::Disconnected => CRITICAL,
        };
        let component = fact.dictionary.venue(of.venue).map_or_else(|| of.venue.0.to_string(), str::to_owned);
        Some(Part { component_type: "venue", component, status, state: of.state.word(), detail: Value::Null })
    } else if let Command::SessionSet(of) = command {
        let status = if of.state == SessionState::Halted { WARNING } else { OK };
        let component = symbol(fact, of.instrument);
        Some(Part {
            component_type: "session",
            component,
            status,
            state: of.state.word(),
            detail: Value::Null,
        })
    } else if let Command::AccountStateSet(of) = command {
        let status = if of.state == AccountState::Suspended { WARNING } else { OK };
        let (component, detail) = (account(fact, of.account), fact.text(of.reason));
        Some(Part { component_type: "account", component, status, state: of.state.word(), detail })
    } else {
        None
    }
}

fn part_of_event(fact: &Fact<'_>, event: &Event) -> Option<Part> {
    if let Event::BookStale(of) = event {
        let (component, detail) = (symbol(fact, of.instrument), Value::text(of.reason.word()));
        Some(Part { component_type: "book", component, status: WARNING, state: "stale", detail })
    } else if let Event::BookRestored(of) = event {
        let component = symbol(fact, of.instrument);
        Some(Part { component_type: "book", component, status: OK, state: "whole", detail: Value::Null })
    } else if let Event::BreakerChanged(of) = event {
        let status = match of.state {
            BreakerState::Armed => OK,
            BreakerState::Cooling => WARNING,
            BreakerState::Tripped => CRITICAL,
        };
        let component =
            format!("{} {}", of.kind.word(), scope(fact, of.account, InstrumentId::NONE, of.strategy));
        Some(Part {
            component_type: "breaker",
            component,
            status,
            state: of.state.word(),
            detail: Value::Null,
        })
    } else if let Event::KillSwitchChanged(of) = event {
        let (status, state) = if of.engaged { (CRITICAL, "engaged") } else { (OK, "released") };
        let component = scope(fact, of.account, of.instrument, of.strategy);
        Some(Part { component_type: "kill_switch", component, status, state, detail: Value::Null })
    } else if let Event::TradingStateChanged(of) = event {
        let status = match of.state {
            TradingState::Active => OK,
            TradingState::ReduceOnly => WARNING,
            TradingState::Halted => CRITICAL,
        };
        let component = scope(fact, of.account, of.instrument, of.strategy);
        Some(Part {
            component_type: "trading",
            component,
            status,
            state: of.state.word(),
            detail: Value::Null,
        })
    } else if let Event::ReconcileCompleted(of) = event {
        let (status, state) = if of.differences == 0 { (OK, "equal") } else { (WARNING, "different") };
        let detail = Value::text(format!("{} differences in run {}", of.differences, of.run));
        let component = account(fact, of.account);
        Some(Part { component_type: "reconciliation", component, status, state, detail })
    } else {
        None
    }
}

fn symbol(fact: &Fact<'_>, id: InstrumentId) -> String {
    fact.dictionary.symbol(id).map_or_else(|| id.0.to_string(), str::to_owned)
}

fn account(fact: &Fact<'_>, id: AccountId) -> String {
    fact.dictionary.account(id).map_or_else(|| id.0.to_string(), str::to_owned)
}

/// A scope in words: what is named of account, instrument and strategy, or `all`.
fn scope(fact: &Fact<'_>, of: AccountId, instrument: InstrumentId, strategy: StrategyId) -> String {
    let mut words = Vec::new();
    if !of.is_none() {
        words.push(account(fact, of));
    }
    if !instrument.is_none() {
        words.push(symbol(fact, instrument));
    }
    if !strategy.is_none() {
        words.push(fact.dictionary.strategy(strategy).map_or_else(|| strategy.0.to_string(), str::to_owned));
    }
    if words.is_empty() { "all".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, DAY, Journal, SECOND, folded};
    use tickwerk_domain::VenueId;
    use tickwerk_domain::command::VenueStateObserved;
    use tickwerk_domain::event::KillSwitchChanged;

    #[test]
    fn a_minute_keeps_the_worst_and_a_part_its_last_state() {
        let mut journal = Journal::defined();
        for (second, depth, memory) in [(1, 5, 900), (2, 9, 800), (61, 1, 700)] {
            journal.command(
                DAY + second * SECOND,
                HealthObserved {
                    outcome_depth: depth,
                    control_depth: 0,
                    report_depth: 0,
                    order_depth: 0,
                    market_depth: 0,
                    egress_depth: 0,
                    refusals: 0,
                    written_lag: 0,
                    durable_lag: 0,
                    chained_lag: 0,
                    memory_bytes: memory,
                },
            );
        }
        for state in [VenueState::Connected, VenueState::Disconnected] {
            journal.command(DAY, VenueStateObserved { venue: VenueId::SIMULATED, state });
        }
        for (account, engaged) in [(AccountId::NONE, true), (ALICE, true), (ALICE, false)] {
            let (instrument, strategy) = (InstrumentId::NONE, StrategyId::NONE);
            journal
                .event(DAY, KillSwitchChanged { limits_version: 1, account, instrument, strategy, engaged });
        }
        let tables = folded::<SystemHealth>(&journal);
        let health = tables.rows(&TABLES[0], &["minute", "samples", "outcome_depth", "memory_bytes"]);
        assert_eq!(health, ["+0s 2 9 900", "+60s 1 1 700"]);
        let parts = tables.rows(&TABLES[1], &["component_type", "component", "status", "state"]);
        assert_eq!(
            parts,
            [
                "kill_switch alice ok released",
                "kill_switch all critical engaged",
                "venue simulated critical disconnected"
            ]
        );
    }
}
