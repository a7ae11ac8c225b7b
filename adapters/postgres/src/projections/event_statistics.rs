//! How many records there were, by day, type and source, how long they took to come, and what was refused.
//!
//! The time a record took is its stamp less its source's own time, for commands whose source told one; a source whose
//! clock is ahead makes it negative. A refusal is an event that turns something down, or a request that never became a
//! command.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tickwerk_domain::{
    Command, Event, FieldValue, Fields, Kind, Payload, Sequence, SourceId, TextId, TimeNs, TypeId,
};
use tickwerk_render::source_word;

static TABLES: &[Table] = &[
    Table {
        name: "event_statistics",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("event_type", Type::Text),
            Column::key("source", Type::Text),
            Column::first("family", Type::Text),
            Column::first("kind", Type::Text),
            Column::add("count", Type::Int8),
            Column::add("refusals", Type::Int8),
            Column::add("measured", Type::Int8),
            Column::add("processing_ns", Type::Numeric),
            Column::min("processing_min_ns", Type::Numeric),
            Column::max("processing_max_ns", Type::Numeric),
            Column::first("first_at", Type::Timestamp),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "refusal_statistics",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("event_type", Type::Text),
            Column::key("reason", Type::Text),
            Column::add("count", Type::Int8),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
    Table {
        name: "actor_statistics",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("actor", Type::Text),
            Column::add("commands", Type::Int8),
            Column::add("orders", Type::Int8),
            Column::add("cancels", Type::Int8),
            Column::add("refusals", Type::Int8),
            Column::first("first_at", Type::Timestamp),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &[],
    },
];

const DAY_NS: u64 = 86_400_000_000_000;
const REFUSALS: [&str; 7] = [
    "system.command_refused",
    "system.request_refused",
    "risk.order_refused",
    "order.rejected",
    "order.cancel_rejected",
    "order.replace_rejected",
    "fill.unmatched",
];

static TYPES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| Command::TYPES.iter().chain(Event::TYPES).map(|(_, _, name)| *name).collect());

/// Sums between two batches.
#[derive(Debug)]
struct Sum {
    event_type: &'static str,
    kind: Kind,
    count: i64,
    refusals: i64,
    measured: i64,
    /// Sum, least and largest.
    processing: (i128, i128, i128),
    first: TimeNs,
    last: TimeNs,
    at: Sequence,
}

#[derive(Debug, Default)]
struct Actor {
    name: String,
    commands: i64,
    orders: i64,
    cancels: i64,
    refusals: i64,
    first: TimeNs,
    last: TimeNs,
    at: Sequence,
}

/// Gathers sums between two batches.
#[derive(Debug, Default)]
pub(crate) struct EventStatistics {
    sums: BTreeMap<(u64, TypeId, SourceId), Sum>,
    actors: BTreeMap<(u64, TextId), Actor>,
}

impl Projection for EventStatistics {
    fn name(&self) -> &'static str {
        "event_statistics"
    }

    fn version(&self) -> i32 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &TYPES
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let (envelope, time) = (&fact.record.envelope, fact.time());
        let day = time.0 / DAY_NS * DAY_NS;
        let event_type = fact.payload().event_type();
        let is_refusal = REFUSALS.contains(&event_type);
        let key = (day, fact.payload().type_id(), envelope.source);
        let sum = self.sums.entry(key).or_insert_with(|| Sum {
            event_type,
            kind: fact.payload().kind(),
            count: 0,
            refusals: 0,
            measured: 0,
            processing: (0, i128::MAX, i128::MIN),
            first: time,
            last: time,
            at: fact.sequence(),
        });
        sum.count += 1;
        sum.refusals += i64::from(is_refusal);
        (sum.last, sum.at) = (time, fact.sequence());
        if envelope.source_time != TimeNs::UNKNOWN && fact.payload().kind() == Kind::Command {
            let took = i128::from(time.0) - i128::from(envelope.source_time.0);
            let (total, least, largest) = sum.processing;
            sum.processing = (total + took, least.min(took), largest.max(took));
            sum.measured += 1;
        }
        if is_refusal {
            changes
                .row(
                    &TABLES[1],
                    [Value::Time(TimeNs(day)), Value::text(event_type), Value::text(reason(fact))],
                )
                .set("count", Value::Int(1))
                .set("last_at", Value::Time(time))
                .done();
        }
        self.count_actor(fact, day, is_refusal);
        Ok(())
    }

    fn settle(&mut self, changes: &mut Changes) {
        for ((day, type_id, source), sum) in std::mem::take(&mut self.sums) {
            changes.at(sum.at);
            let key =
                [Value::Time(TimeNs(day)), Value::text(sum.event_type), Value::text(source_word(source))];
            let kind = if sum.kind == Kind::Command { "command" } else { "event" };
            let mut row = changes
                .row(&TABLES[0], key)
                .set("family", type_id.family().map_or(Value::Null, |family| Value::text(family.word())))
                .set("kind", Value::text(kind))
                .set("count", Value::Int(sum.count))
                .set("refusals", Value::Int(sum.refusals))
                .set("measured", Value::Int(sum.measured))
                .set("first_at", Value::Time(sum.first))
                .set("last_at", Value::Time(sum.last));
            if sum.measured > 0 {
                let (total, least, largest) = sum.processing;
                row = row
                    .set("processing_ns", Value::Numeric(total, 0))
                    .set("processing_min_ns", Value::Numeric(least, 0))
                    .set("processing_max_ns", Value::Numeric(largest, 0));
            }
            row.done();
        }
        for ((day, _), actor) in std::mem::take(&mut self.actors) {
            changes.at(actor.at);
            changes
                .row(&TABLES[2], [Value::Time(TimeNs(day)), Value::text(actor.name)])
                .set("commands", Value::Int(actor.commands))
                .set("orders", Value::Int(actor.orders))
                .set("cancels", Value::Int(actor.cancels))
                .set("refusals", Value::Int(actor.refusals))
                .set("first_at", Value::Time(actor.first))
                .set("last_at", Value::Time(actor.last))
                .done();
        }
    }
}

impl EventStatistics {
    /// Counts what an actor asked, and what was refused of it.
    fn count_actor(&mut self, fact: &Fact<'_>, day: u64, is_refusal: bool) {
        let is_command = fact.payload().kind() == Kind::Command;
        let Some(asked) = fact.command().filter(|_| is_command || is_refusal) else {
            return;
        };
        let id = asked.envelope.actor;
        if id.is_none() {
            return;
        }
        let actor = self.actors.entry((day, id)).or_insert_with(|| Actor {
            name: fact.dictionary.text(id).map_or_else(|| id.0.to_string(), str::to_owned),
            first: fact.time(),
            ..Actor::default()
        });
        if is_command {
            actor.commands += 1;
            if let Payload::Command(command) = fact.payload() {
                actor.orders += i64::from(matches!(command, Command::NewOrder(_)));
                actor.cancels +=
                    i64::from(matches!(command, Command::CancelOrder(_) | Command::MassCancel(_)));
            }
        }
        actor.refusals += i64::from(is_refusal);
        (actor.last, actor.at) = (fact.time(), fact.sequence());
    }
}

fn reason(fact: &Fact<'_>) -> &'static str {
    let mut reason = "none";
    fact.payload().visit(&mut |name, value| {
        if let (FieldValue::Word(word), "reason") = (value, name) {
            reason = word;
        }
    });
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{DAY, Journal, SECOND, folded};
    use tickwerk_domain::command::{RequestRefused, RulesActivated};
    use tickwerk_domain::event::CommandRefused;
    use tickwerk_domain::{AccountId, InstrumentId, Reject, TextBytes};

    #[test]
    fn counts_times_refusals_and_actors_by_day() {
        let mut journal = Journal::defined();
        for (time, took) in [(DAY + SECOND, 5), (DAY + 2 * SECOND, 9), (DAY + 86_400 * SECOND, 0)] {
            journal.command(time, RulesActivated { version: 1 });
            let last = journal.records.last_mut().unwrap();
            last.envelope.source_time = if took > 0 { TimeNs(time - took) } else { TimeNs::UNKNOWN };
        }
        let refused = CommandRefused {
            value: 0,
            reason: Reject::UnknownRulesVersion.code(),
            command_type: 0x0801,
            text: TextId::NONE,
        };
        journal.event(DAY + 86_400 * SECOND, refused);
        let tables = folded::<EventStatistics>(&journal);
        let columns = [
            "day",
            "event_type",
            "source",
            "count",
            "refusals",
            "measured",
            "processing_ns",
            "processing_min_ns",
            "processing_max_ns",
        ];
        let rows = tables.rows(&TABLES[0], &columns);
        assert!(rows.contains(&"+0s system.rules_activated control 2 0 2 14 5 9".to_owned()), "{rows:?}");
        assert!(
            rows.contains(&"+86400s system.rules_activated control 1 0 0 null null null".to_owned()),
            "{rows:?}"
        );
        assert!(
            rows.contains(&"+86400s system.command_refused control 1 1 0 null null null".to_owned()),
            "{rows:?}"
        );
        let refusals = tables.rows(&TABLES[1], &["event_type", "reason", "count"]);
        assert_eq!(refusals, ["system.command_refused unknown_rules_version 1"]);
        let actors = tables.rows(&TABLES[2], &["day", "actor", "commands", "refusals"]);
        assert_eq!(actors, ["+0s alice 14 0", "+86400s alice 1 1"]);
    }

    #[test]
    fn a_request_that_was_refused_at_the_door_counts_as_a_refusal_of_who_asked() {
        let mut journal = Journal::defined();
        let request = TextBytes::new("order.new quantity=-1").unwrap();
        let (account, instrument) = (AccountId::NONE, InstrumentId::NONE);
        let reason = Reject::InvalidValue.code();
        journal.command(DAY + 86_400 * SECOND, RequestRefused { request, account, instrument, reason });
        let tables = folded::<EventStatistics>(&journal);
        let rows = tables.rows(&TABLES[0], &["event_type", "kind", "count", "refusals"]);
        assert!(rows.contains(&"system.request_refused command 1 1".to_owned()), "{rows:?}");
        let refusals = tables.rows(&TABLES[1], &["event_type", "reason", "count"]);
        assert_eq!(refusals, ["system.request_refused invalid_value 1"]);
        let actors = tables.rows(&TABLES[2], &["day", "actor", "commands", "orders", "refusals"]);
        assert_eq!(actors[1..], ["+86400s alice 1 0 1"]);
    }
}
