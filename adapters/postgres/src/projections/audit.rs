//! The audit log: who changed which limit, switch, breaker, account, instrument, venue or rule, and why; what was asked in
//! vain, too, also where an administrative request was refused at the door. Breakers that the engine moves by itself, and
//! figures that a reconciliation set, are in it as well.
//!
//! The view `audit_log` adds what was done to the database itself.

use crate::changes::{Changes, RowChange};
use crate::event_row::subjects;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::projections::door;
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::event::BreakerChanged;
use tickwerk_domain::{
    BreakerState, Command, Event, FieldValue, Fields as _, Payload, ReconcileAction, Record, Reject,
    StrategyId,
};
use tickwerk_render::{field_text, limit_and_observed, source_word, write_payload_json};

static TABLES: &[Table] = &[Table {
    name: "audit_entries",
    rows: Rows::Appended,
    columns: &[
        Column::key("category", Type::Text),
        Column::set("action", Type::Text),
        Column::set("subject", Type::Text),
        Column::set("account", Type::Text),
        Column::set("symbol", Type::Text),
        Column::set("strategy", Type::Text),
        Column::set("before", Type::Text),
        Column::set("after", Type::Text),
        Column::set("reason", Type::Text),
        Column::set("outcome", Type::Text),
        Column::set("refusal", Type::Text),
        Column::set("actor", Type::Text),
        Column::set("source", Type::Text),
        Column::set("details", Type::Jsonb),
        Column::set("recorded_at", Type::Timestamp),
    ],
    indexes: &["(recorded_at)", "(category, recorded_at)", "(actor, recorded_at)", "(account, recorded_at)"],
}];

/// Needs no memory: a command's frame says what came of it.
#[derive(Debug, Default)]
pub(crate) struct Audit;

impl Projection for Audit {
    fn name(&self) -> &'static str {
        "audit"
    }

    fn version(&self) -> i32 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "risk.limit_set",
            "risk.kill_switch_set",
            "risk.trading_state_set",
            "risk.breaker_reset",
            "risk.breaker_changed",
            "account.defined",
            "account.state_set",
            "account.cash_transferred",
            "account.currency_defined",
            "account.conversion_set",
            "account.reference_currency_set",
            "market.instrument_defined",
            "market.simulated_venue_set",
            "market.mark_source_set",
            "market.session_set",
            "market.venue_defined",
            "market.route_set",
            "market.venue_latency_set",
            "market.price_band_set",
            "signal.strategy_defined",
            "order.mass_cancel",
            "system.rules_activated",
            "system.reconcile_differed",
            "system.request_refused",
        ]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Some(asked) = door::asked(fact) {
            if let Some(category) = asked.administration() {
                entry(fact, changes, category, Value::text(asked.op.to_owned()))
                    .set("after", Value::text(asked.wanted()))
                    .set("outcome", Value::text("refused"))
                    .set("refusal", Value::text(asked.reason))
                    .done();
            }
            return Ok(());
        }
        match fact.payload() {
            Payload::Command(command) => {
                let entry = entry(fact, changes, category(command), subject(fact));
                let entry = outcome(entry, fact).set("reason", fact.reason());
                let changed = fact.frame.iter().find(|record| is_change(record));
                before_and_after(entry, fact, changed.unwrap_or(fact.record)).done();
            }
            Payload::Event(Event::BreakerChanged(of)) if !is_reset(fact) => {
                let entry = entry(fact, changes, "breaker", Value::text(of.kind.word()));
                let entry = entry.set("outcome", Value::text("done")).set("reason", why(fact, of));
                before_and_after(entry, fact, fact.record).done();
            }
            Payload::Event(Event::ReconcileDiffered(of)) if of.action != ReconcileAction::Raised => {
                entry(fact, changes, "reconciliation", Value::text(of.kind.word()))
                    .set("outcome", Value::text("done"))
                    .set("before", fact.shown("ours"))
                    .set("after", fact.shown("theirs"))
                    .set("reason", Value::text(of.action.word()))
                    .done();
            }
            Payload::Event(_) => {}
        }
        Ok(())
    }
}

fn entry<'c>(
    fact: &Fact<'_>,
    changes: &'c mut Changes,
    category: &'static str,
    subject: Value,
) -> RowChange<'c> {
    let (instrument, account) = subjects(fact.payload(), fact.dictionary);
    let mut strategy = StrategyId::NONE;
    fact.payload().visit(&mut |_, value| {
        if let FieldValue::Strategy(id) = value {
            strategy = id;
        }
    });
    let mut details = String::new();
    write_payload_json(fact.record, fact.dictionary, &mut details);
    let source = fact.command().map_or(Value::Null, |of| Value::text(source_word(of.envelope.source)));
    changes
        .row(&TABLES[0], [Value::text(category)])
        .set("action", Value::text(fact.payload().event_type()))
        .set("subject", subject)
        .set("account", Value::named(fact.dictionary.account(account), account.0))
        .set("symbol", Value::named(fact.dictionary.symbol(instrument), instrument.0))
        .set("strategy", Value::named(fact.dictionary.strategy(strategy), strategy.0))
        .set("actor", fact.actor())
        .set("source", source)
        .set("details", Value::Json(details))
        .set("recorded_at", Value::Time(fact.time()))
}

fn category(command: &Command) -> &'static str {
    if matches!(command, Command::LimitSet(_)) {
        "limit"
    } else if matches!(command, Command::KillSwitchSet(_)) {
        "kill_switch"
    } else if matches!(command, Command::TradingStateSet(_)) {
        "trading_state"
    } else if matches!(command, Command::BreakerReset(_)) {
        "breaker"
    } else if matches!(command, Command::AccountStateSet(_)) {
        "account_state"
    } else if matches!(command, Command::CashTransferred(_)) {
        "cash"
    } else if matches!(command, Command::MassCancel(_)) {
        "mass_cancel"
    } else {
        "configuration"
    }
}

/// What is changed: what is defined, else the kind of a limit or breaker, else what a setting is for.
fn subject(fact: &Fact<'_>) -> Value {
    let fields = ["symbol", "name", "code", "kind", "version", "currency", "instrument", "venue", "account"];
    let shown = fields.iter().find_map(|field| field_text(fact.payload(), fact.dictionary, field));
    shown.map_or(Value::Null, Value::text)
}

fn outcome<'c>(entry: RowChange<'c>, fact: &Fact<'_>) -> RowChange<'c> {
    match fact.refusal() {
        None => entry.set("outcome", Value::text("done")),
        Some(refused) => {
            let reason = Reject::from_code(refused.reason).map_or("none", Reject::word);
            entry.set("outcome", Value::text("refused")).set("refusal", Value::text(reason))
        }
    }
}

/// Whether a record tells the change that its command asked for.
fn is_change(record: &Record) -> bool {
    let Payload::Event(event) = &record.payload else {
        return false;
    };
    matches!(
        event,
        Event::LimitChanged(_)
            | Event::KillSwitchChanged(_)
            | Event::TradingStateChanged(_)
            | Event::BreakerChanged(_)
    )
}

/// The values before and after, where the record has them.
fn before_and_after<'c>(entry: RowChange<'c>, fact: &Fact<'_>, of: &Record) -> RowChange<'c> {
    let first = |fields: &[&str]| {
        let text = fields.iter().find_map(|field| field_text(&of.payload, fact.dictionary, field));
        text.map_or(Value::Null, Value::text)
    };
    let (before, after) =
        (first(&["previous", "from"]), first(&["value", "state", "amount", "rate", "enabled"]));
    let switched = if let Payload::Event(Event::KillSwitchChanged(of)) = &of.payload {
        Value::text(if of.engaged { "engaged" } else { "released" })
    } else {
        after
    };
    entry.set("before", before).set("after", switched)
}

fn is_reset(fact: &Fact<'_>) -> bool {
    let command = fact.command().map(|command| &command.payload);
    matches!(command, Some(Payload::Command(Command::BreakerReset(_))))
}

/// Why the engine moved a breaker.
fn why(fact: &Fact<'_>, of: &BreakerChanged) -> Value {
    if of.state == BreakerState::Armed {
        return Value::text("cooled down");
    }
    let seen = limit_and_observed(fact.payload(), fact.dictionary);
    seen.map_or(Value::Null, |(limit, observed)| {
        Value::text(format!("{observed} seen, the limit is {limit}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BECAUSE, BTCEUR, Desk};
    use tickwerk_domain::command::{LimitSet, RequestRefused, TimeAdvanced};
    use tickwerk_domain::event::{CommandRefused, LimitChanged};
    use tickwerk_domain::{BreakerKind, LimitKind, Money, TextBytes, TextId, TimeNs};

    const ENTRY: [&str; 8] =
        ["category", "subject", "before", "after", "reason", "outcome", "refusal", "actor"];

    #[test]
    fn a_change_says_who_what_and_why_and_so_does_one_in_vain() {
        let mut desk = Desk::<Audit>::new();
        let (account, instrument, strategy, kind) =
            (ALICE, BTCEUR, StrategyId::NONE, LimitKind::OrderQuantity);
        let (previous, value) = (1000, 2000);
        let asked = LimitSet { value, account, instrument, strategy, reason: BECAUSE, kind };
        let changed =
            LimitChanged { previous, value, limits_version: 1, account, instrument, strategy, kind };
        desk.frame(asked, [Event::LimitChanged(changed)]);
        let entry = desk.cells("audit_entries", &[], ENTRY);
        assert_eq!(entry, ["limit", "order_quantity", "1.000", "2.000", "because", "done", "null", "alice"]);
        let place = desk.cells("audit_entries", &[], ["account", "symbol", "source"]);
        assert_eq!(place, ["alice", "BTCEUR", "control"]);

        let reason = Reject::ScopeInvalid.code();
        let refused = CommandRefused { value: 0, reason, command_type: 0, text: TextId::NONE };
        desk.frame(asked, [Event::CommandRefused(refused)]);
        let entry = desk.cells("audit_entries", &[], ENTRY);
        assert_eq!(entry[5..7], ["refused", "scope_invalid"]);
    }

    #[test]
    fn what_the_engine_does_by_itself_is_told_with_what_it_saw() {
        let mut desk = Desk::<Audit>::new();
        let changed = BreakerChanged {
            limit: Money::new(10_000),
            observed: Money::new(12_000),
            until: TimeNs::UNKNOWN,
            limits_version: 1,
            account: ALICE,
            strategy: StrategyId::NONE,
            kind: BreakerKind::DailyLoss,
            from: BreakerState::Armed,
            state: BreakerState::Tripped,
        };
        desk.frame(TimeAdvanced { due: TimeNs(1) }, [Event::BreakerChanged(changed)]);
        let entry = desk.cells("audit_entries", &[], ENTRY);
        let why = "120.00 seen, the limit is 100.00";
        assert_eq!(entry[..6], ["breaker", "daily_loss", "armed", "tripped", why, "done"]);
    }

    #[test]
    fn an_administrative_request_that_was_refused_at_the_door_is_there_and_no_other() {
        let mut desk = Desk::<Audit>::new();
        let before = desk.rows_of("audit_entries");
        let reason = Reject::InvalidValue.code();
        for (request, instrument) in [("limit.set value=-5", BTCEUR), ("order.new quantity=-1", BTCEUR)] {
            let request = TextBytes::new(request).unwrap();
            desk.command(RequestRefused { request, account: ALICE, instrument, reason });
        }
        assert_eq!(desk.rows_of("audit_entries"), before + 1);
        let entry = desk.cells("audit_entries", &[Value::text("limit")], ENTRY);
        let expected =
            ["limit", "limit.set", "null", "value=-5", "null", "refused", "invalid_value", "alice"];
        assert_eq!(entry, expected);
        let place = desk.cells("audit_entries", &[Value::text("limit")], ["action", "account", "symbol"]);
        assert_eq!(place, ["system.request_refused", "alice", "BTCEUR"]);
    }
}
