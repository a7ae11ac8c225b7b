//! Risk decisions: each order and replace that the rules let through or refused, with what they saw.
//!
//! `limit_value` and `observed` are in the unit of the rule, amounts tied up in their own currency, exposure in the
//! reference currency.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::event::{OrderApproved, OrderRefused, ReplaceRejected, ReplaceSubmitted};
use tickwerk_domain::{AccountId, Event, InstrumentId, Money, OrderId, Payload, StrategyId};

static TABLES: &[Table] = &[Table {
    name: "risk_decisions",
    rows: Rows::Appended,
    columns: &[
        Column::key("order_id", Type::Int8),
        Column::set("decision", Type::Text),
        Column::set("subject", Type::Text),
        Column::set("account", Type::Text),
        Column::set("symbol", Type::Text),
        Column::set("strategy", Type::Text),
        Column::set("side", Type::Text),
        Column::set("reason", Type::Text),
        Column::set("limit_value", Type::Numeric),
        Column::set("observed", Type::Numeric),
        Column::set("limits_version", Type::Int8),
        Column::set("reserved", Type::Numeric),
        Column::set("reserved_currency", Type::Text),
        Column::set("gross_exposure", Type::Numeric),
        Column::set("worst_long", Type::Numeric),
        Column::set("worst_short", Type::Numeric),
        Column::set("open_orders", Type::Int8),
        Column::set("actor", Type::Text),
        Column::set("recorded_at", Type::Timestamp),
    ],
    indexes: &[
        "(account, recorded_at)",
        "(recorded_at) WHERE decision = 'refused'",
        "(reason, recorded_at) WHERE decision = 'refused'",
    ],
}];

/// Needs no memory.
#[derive(Debug, Default)]
pub(crate) struct Decisions;

impl Projection for Decisions {
    fn name(&self) -> &'static str {
        "risk_decisions"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["risk.order_approved", "risk.order_refused", "order.replace_submitted", "order.replace_rejected"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        if let Payload::Event(Event::OrderApproved(of)) = fact.payload() {
            approved(fact, changes, of);
        } else if let Payload::Event(Event::OrderRefused(of)) = fact.payload() {
            refused(fact, changes, of);
        } else if let Payload::Event(Event::ReplaceSubmitted(of)) = fact.payload() {
            replace_approved(fact, changes, of);
        } else if let Payload::Event(Event::ReplaceRejected(of)) = fact.payload() {
            replace_refused(fact, changes, of);
        }
        Ok(())
    }
}

fn approved(fact: &Fact<'_>, changes: &mut Changes, of: &OrderApproved) {
    let row = row(fact, changes, of.order, ("approved", "order"), (of.account, of.instrument))
        .set("limits_version", Value::unsigned(of.limits_version))
        .set("reserved", fact.money(of.reserved_currency, of.reserved))
        .set("reserved_currency", fact.currency(of.reserved_currency))
        .set("worst_long", fact.qty(of.instrument, of.worst_long))
        .set("worst_short", fact.qty(of.instrument, of.worst_short))
        .set("open_orders", Value::Int(i64::from(of.open_orders)));
    // Zero where no limit asks for it.
    let is_asked = of.gross_exposure != Money::ZERO;
    row.set("gross_exposure", if is_asked { fact.in_reference(of.gross_exposure) } else { Value::Null })
        .done();
}

fn refused(fact: &Fact<'_>, changes: &mut Changes, of: &OrderRefused) {
    row(fact, changes, of.order, ("refused", "order"), (of.account, of.instrument))
        .set("strategy", Value::named(fact.dictionary.strategy(of.strategy), of.strategy.0))
        .set("side", Value::text(of.side.word()))
        .set("reason", fact.shown("reason"))
        .set("limit_value", fact.number("limit"))
        .set("observed", fact.number("observed"))
        .set("limits_version", Value::unsigned(of.limits_version))
        .done();
}

fn replace_approved(fact: &Fact<'_>, changes: &mut Changes, of: &ReplaceSubmitted) {
    let account = fact.order(of.order).map_or(AccountId::NONE, |entry| entry.account);
    let row = row(fact, changes, of.order, ("approved", "replace"), (account, of.instrument));
    row.set("limits_version", Value::unsigned(of.limits_version)).done();
}

fn replace_refused(fact: &Fact<'_>, changes: &mut Changes, of: &ReplaceRejected) {
    let instrument = fact.order(of.order).map_or(InstrumentId::NONE, |entry| entry.instrument);
    // The venue refuses without a version of our limits.
    let subject = ("refused", "replace");
    row(fact, changes, of.order, subject, (of.account, instrument))
        .set("reason", fact.shown("reason"))
        .set("limit_value", fact.number("limit"))
        .set("observed", fact.number("observed"))
        .set("limits_version", Value::unsigned_or_null(of.limits_version))
        .done();
}

fn row<'c>(
    fact: &Fact<'_>,
    changes: &'c mut Changes,
    order: OrderId,
    (decision, subject): (&'static str, &'static str),
    (account, instrument): (AccountId, InstrumentId),
) -> RowChange<'c> {
    let entry = fact.order(order);
    let strategy = entry.map_or(StrategyId::NONE, |entry| entry.strategy);
    let side = entry.and_then(|entry| entry.side);
    changes
        .row(&TABLES[0], [Value::unsigned(order.0)])
        .set("decision", Value::text(decision))
        .set("subject", Value::text(subject))
        .set("account", Value::named(fact.dictionary.account(account), account.0))
        .set("symbol", Value::named(fact.dictionary.symbol(instrument), instrument.0))
        .set("strategy", Value::named(fact.dictionary.strategy(strategy), strategy.0))
        .set("side", side.map_or(Value::Null, |side| Value::text(side.word())))
        .set("actor", fact.actor())
        .set("recorded_at", Value::Time(fact.time()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BTCEUR, Desk, EUR, ids};
    use tickwerk_domain::command::NewOrder;
    use tickwerk_domain::{Price, Qty, Reject, Side};

    #[test]
    fn a_decision_says_what_the_rules_saw_in_their_units() {
        let mut desk = Desk::<Decisions>::new();
        let asked = NewOrder::limit(ALICE, BTCEUR, Side::Sell, Price(10_000), Qty(5000));
        let order = OrderId(desk.sequence() + 1);
        let passed = OrderApproved {
            reserved: Money::new(50_000),
            gross_exposure: Money::ZERO,
            order,
            limits_version: 3,
            worst_long: Qty(0),
            worst_short: Qty(-5000),
            account: ALICE,
            instrument: BTCEUR,
            reserved_currency: EUR,
            open_orders: 1,
        };
        desk.frame(asked, [Event::OrderApproved(passed)]);
        let of = ["decision", "symbol", "side", "reserved", "worst_short", "gross_exposure", "actor"];
        let decision = desk.cells("risk_decisions", &ids([order.0.cast_signed()]), of);
        assert_eq!(decision, ["approved", "BTCEUR", "sell", "500.00", "-5.000", "null", "alice"]);

        let order = OrderId(desk.sequence() + 1);
        let refused = OrderRefused {
            limit: Money::new(4000),
            observed: Money::new(5000),
            order,
            limits_version: 3,
            account: ALICE,
            instrument: BTCEUR,
            strategy: StrategyId::NONE,
            reason: Reject::QuantityAboveLimit.code(),
            side: Side::Sell,
        };
        desk.frame(asked, [Event::OrderRefused(refused)]);
        let of = ["decision", "reason", "limit_value", "observed", "limits_version"];
        let decision = desk.cells("risk_decisions", &ids([order.0.cast_signed()]), of);
        assert_eq!(decision, ["refused", "quantity_above_limit", "4.000", "5.000", "3"]);
    }
}
