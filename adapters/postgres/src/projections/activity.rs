//! The activity feed: what people want to know of, one row each, with whom and what it is about.
//!
//! The timeline of an order, account, instrument or strategy is the same rows by another index (view
//! `entity_timeline`). Market data and marks are not activity. `visibility` says who may be shown a row: `public`
//! everybody, `account` whoever may see the account, `internal` operators. The whole payload lies in `events`, where the
//! view `activity` finds it as `details` for as long as the event is kept.

use crate::changes::Changes;
use crate::event_row::subjects;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::projections::door;
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::sync::LazyLock;
use tickwerk_domain::{FieldValue, Fields, OrderId, StrategyId};
use tickwerk_render::write_payload_text;

static TABLES: &[Table] = &[Table {
    name: "activity_feed",
    rows: Rows::Appended,
    columns: &[
        Column::key("category", Type::Text),
        Column::set("recorded_at", Type::Timestamp),
        Column::set("event_type", Type::Text),
        Column::set("title", Type::Text),
        Column::set("description", Type::Text),
        Column::set("actor", Type::Text),
        Column::set("visibility", Type::Text),
        Column::set("order_id", Type::Int8),
        Column::set("account", Type::Text),
        Column::set("symbol", Type::Text),
        Column::set("strategy", Type::Text),
    ],
    indexes: &[
        "(order_id, global_position) WHERE order_id IS NOT NULL",
        "(account, global_position) WHERE account IS NOT NULL",
        "(symbol, global_position) WHERE symbol IS NOT NULL",
        "(strategy, global_position) WHERE strategy IS NOT NULL",
        "(global_position)",
        "USING brin (recorded_at)",
    ],
}];

const PUBLIC: &str = "public";
const ACCOUNT: &str = "account";
const INTERNAL: &str = "internal";

/// Event type, category, title, visibility.
type Kind = (&'static str, &'static str, &'static str, &'static str);

static KINDS: &[Kind] = &[
    ("order.submitted", "trading", "Order sent to the venue", ACCOUNT),
    ("order.held", "trading", "Order held", ACCOUNT),
    ("order.triggered", "trading", "Order triggered", ACCOUNT),
    ("order.accepted", "trading", "Order accepted", ACCOUNT),
    ("order.rejected", "trading", "Order rejected", ACCOUNT),
    ("order.partially_filled", "trading", "Order filled in part", ACCOUNT),
    ("order.filled", "trading", "Order filled", ACCOUNT),
    ("order.cancel_submitted", "trading", "Cancel sent to the venue", ACCOUNT),
    ("order.canceled", "trading", "Order cancelled", ACCOUNT),
    ("order.cancel_rejected", "trading", "Cancel refused", ACCOUNT),
    ("order.replace_submitted", "trading", "Replace sent to the venue", ACCOUNT),
    ("order.replaced", "trading", "Order replaced", ACCOUNT),
    ("order.replace_rejected", "trading", "Replace refused", ACCOUNT),
    ("order.expired", "trading", "Order expired", ACCOUNT),
    ("order.mass_cancel_started", "trading", "Mass cancel", ACCOUNT),
    ("fill.restated", "trading", "Fill restated", ACCOUNT),
    ("fill.unmatched", "trading", "Fill without an order", INTERNAL),
    ("position.changed", "position", "Position changed", ACCOUNT),
    ("position.funding_posted", "position", "Funding", ACCOUNT),
    ("risk.order_refused", "risk", "Order refused", ACCOUNT),
    ("risk.limit_changed", "risk", "Limit changed", INTERNAL),
    ("risk.kill_switch_changed", "risk", "Kill switch", INTERNAL),
    ("risk.trading_state_changed", "risk", "Trading state changed", INTERNAL),
    ("risk.alert", "risk", "Risk alert", INTERNAL),
    ("risk.breaker_changed", "risk", "Breaker changed", INTERNAL),
    ("signal.strategy_defined", "signal", "Strategy defined", INTERNAL),
    ("signal.changed", "signal", "Signal changed", INTERNAL),
    ("account.defined", "account", "Account defined", ACCOUNT),
    ("account.cash_transferred", "account", "Cash transferred", ACCOUNT),
    ("account.state_set", "account", "Account state set", ACCOUNT),
    ("account.currency_defined", "account", "Currency defined", PUBLIC),
    ("account.conversion_set", "account", "Conversion set", INTERNAL),
    ("account.reference_currency_set", "account", "Reference currency set", INTERNAL),
    ("market.instrument_defined", "market", "Instrument defined", PUBLIC),
    ("market.session_set", "market", "Session changed", PUBLIC),
    ("market.venue_state", "market", "Way to a venue", INTERNAL),
    ("market.gap", "market", "Gap in a feed", INTERNAL),
    ("market.book_stale", "market", "Book stale", PUBLIC),
    ("market.book_restored", "market", "Book whole again", PUBLIC),
    ("system.rules_activated", "system", "Rules activated", INTERNAL),
    ("system.command_refused", "system", "Command refused", INTERNAL),
    ("system.request_refused", "system", "Request refused", INTERNAL),
    ("system.reconcile_differed", "system", "Venue differs", INTERNAL),
    ("system.reconcile_completed", "system", "Reconciliation complete", INTERNAL),
    ("stream.appended", "stream", "Entry in a stream", INTERNAL),
];

/// The types of [`KINDS`].
static TYPES: LazyLock<Vec<&'static str>> = LazyLock::new(|| KINDS.iter().map(|kind| kind.0).collect());

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Activity;

impl Projection for Activity {
    fn name(&self) -> &'static str {
        "activity"
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
        let event_type = fact.payload().event_type();
        let Some((_, category, title, visibility)) = KINDS.iter().find(|kind| kind.0 == event_type) else {
            return Ok(());
        };
        let (mut order, mut strategy) = (OrderId::NONE, StrategyId::NONE);
        fact.payload().visit(&mut |_, value| {
            if let FieldValue::Order(id) = value {
                order = id;
            } else if let FieldValue::Strategy(id) = value {
                strategy = id;
            }
        });
        if strategy.is_none() {
            strategy = fact.order(order).map(|entry| entry.strategy).unwrap_or_default();
        }
        let (instrument, account) = subjects(fact.payload(), fact.dictionary);
        let description = door::asked(fact).map_or_else(
            || {
                let mut text = String::new();
                write_payload_text(fact.record, fact.dictionary, &mut text);
                text
            },
            |asked| asked.text(),
        );
        changes
            .row(&TABLES[0], [Value::text(*category)])
            .set("recorded_at", Value::Time(fact.time()))
            .set("event_type", Value::text(event_type))
            .set("title", Value::text(*title))
            .set("description", Value::text(description))
            .set("actor", fact.actor())
            .set("visibility", Value::text(*visibility))
            .set("order_id", Value::unsigned_or_null(order.0))
            .set("account", fact.account(account))
            .set("symbol", fact.symbol(instrument))
            .set("strategy", fact.strategy(strategy))
            .done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{BTCEUR, DAY, Journal, folded};
    use crate::reading::type_of;
    use tickwerk_domain::command::{NewOrder, RequestRefused};
    use tickwerk_domain::event::{OrderAccepted, OrderCanceled};
    use tickwerk_domain::{AccountId, InstrumentId, Price, Qty, Reject, Side, TextBytes};

    #[test]
    fn every_kind_is_a_type_and_stands_once() {
        for (place, kind) in KINDS.iter().enumerate() {
            assert!(type_of(kind.0).is_some(), "{}", kind.0);
            assert!(KINDS[..place].iter().all(|other| other.0 != kind.0), "{}", kind.0);
        }
    }

    #[test]
    fn an_order_is_told_with_account_and_symbol() {
        let mut journal = Journal::defined();
        let before = journal.records.len();
        let asked = NewOrder::limit(AccountId(1), BTCEUR, Side::Buy, Price(10_000), Qty(1_500));
        let order = OrderId(journal.command(DAY, asked));
        journal.event(DAY, OrderAccepted { order, venue_order_id: 9 });
        let reason = Reject::CancelRequested.code();
        journal.event(DAY, OrderCanceled { order, cum_qty: Qty::ZERO, reason });
        let columns =
            ["category", "title", "actor", "visibility", "order_id", "account", "symbol", "description"];
        let rows = folded::<Activity>(&journal).rows(&TABLES[0], &columns);
        let told: Vec<&String> = rows.iter().filter(|row| row.starts_with("trading")).collect();
        let number = before + 1;
        assert_eq!(
            told,
            [
                &format!(
                    "trading Order accepted alice account {number} alice BTCEUR order={number} venue_order_id=9"
                ),
                &format!(
                    "trading Order cancelled alice account {number} alice BTCEUR order={number} cum_qty=0.000 reason=cancel_requested"
                ),
            ]
        );
    }

    #[test]
    fn a_request_that_was_refused_at_the_door_is_told_with_field_value_and_reason() {
        let mut journal = Journal::defined();
        let request = TextBytes::new("order.new quantity=-1").unwrap();
        let reason = Reject::InvalidValue.code();
        for (account, instrument) in [(AccountId(1), BTCEUR), (AccountId::NONE, InstrumentId::NONE)] {
            journal.command(DAY, RequestRefused { request, account, instrument, reason });
        }
        let columns = ["title", "actor", "visibility", "account", "symbol", "description"];
        let rows = folded::<Activity>(&journal).rows(&TABLES[0], &columns);
        let told: Vec<&String> = rows.iter().filter(|row| row.starts_with("Request")).collect();
        let text = "op=order.new field=quantity value=-1 reason=invalid_value";
        assert_eq!(
            told,
            [
                &format!("Request refused alice internal alice BTCEUR {text}"),
                &format!("Request refused alice internal null null {text}"),
            ]
        );
    }
}
