//! Orders: how each stands, in FIX's words, and its life cycle.
//!
//! What a refused cancel or replace leaves behind depends on how the order stood ([`state`]), so open orders are
//! remembered. What an event says of an order besides ([`said`]) goes into both tables.

mod said;
mod state;
#[cfg(test)]
mod tests;

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use said::Said;
use state::Open;
use std::collections::BTreeMap;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::event::OrderSubmitted;
use tickwerk_domain::{
    Command, Event, InstrumentId, OrderId, OrderStatus, Payload, Price, Qty, Reject, StrategyId,
};
use tickwerk_render::OrderEntry;
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "orders",
        rows: Rows::Current,
        columns: &[
            Column::key("order_id", Type::Int8),
            Column::set("account_id", Type::Int8),
            Column::set("account", Type::Text),
            Column::set("instrument_id", Type::Int8),
            Column::set("symbol", Type::Text),
            Column::set("strategy", Type::Text),
            Column::first("client_order_id", Type::Text),
            Column::first("actor", Type::Text),
            Column::set("side", Type::Text),
            Column::first("order_type", Type::Text),
            Column::first("time_in_force", Type::Text),
            Column::set("price", Type::Numeric),
            Column::set("qty", Type::Numeric),
            Column::set("trigger_price", Type::Numeric),
            Column::set("display_qty", Type::Numeric),
            Column::set("expires_at", Type::Timestamp),
            Column::set("venue", Type::Text),
            Column::set("venue_order_id", Type::Numeric),
            Column::set("status", Type::Text),
            Column::set("is_done", Type::Bool),
            Column::set("is_accepted", Type::Bool),
            Column::set("is_replace_pending", Type::Bool),
            Column::set("cum_qty", Type::Numeric),
            Column::set("leaves_qty", Type::Numeric),
            Column::set("cum_value", Type::Numeric),
            Column::set("cum_fee", Type::Numeric),
            Column::set("reason", Type::Text),
            Column::first("created_at", Type::Timestamp),
            Column::set("updated_at", Type::Timestamp),
        ],
        indexes: &[
            "(account, order_id)",
            "(symbol, order_id)",
            "(strategy, order_id) WHERE strategy IS NOT NULL",
            "(account, client_order_id)",
            "(order_id) WHERE NOT is_done",
        ],
    },
    Table {
        name: "order_history",
        rows: Rows::Appended,
        columns: &[
            Column::key("order_id", Type::Int8),
            Column::set("event_type", Type::Text),
            Column::set("status", Type::Text),
            Column::set("price", Type::Numeric),
            Column::set("qty", Type::Numeric),
            Column::set("trigger_price", Type::Numeric),
            Column::set("display_qty", Type::Numeric),
            Column::set("venue_order_id", Type::Numeric),
            Column::set("last_price", Type::Numeric),
            Column::set("last_qty", Type::Numeric),
            Column::set("cum_qty", Type::Numeric),
            Column::set("leaves_qty", Type::Numeric),
            Column::set("cum_value", Type::Numeric),
            Column::set("cum_fee", Type::Numeric),
            Column::set("reason", Type::Text),
            Column::set("recorded_at", Type::Timestamp),
        ],
        indexes: &["(recorded_at, global_position)"],
    },
];

/// Remembers open orders.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    open: BTreeMap<OrderId, Open>,
}

impl Projection for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &[
            "risk.order_refused",
            "order.submitted",
            "order.accepted",
            "order.rejected",
            "order.partially_filled",
            "order.filled",
            "order.cancel_submitted",
            "order.canceled",
            "order.cancel_rejected",
            "order.held",
            "order.triggered",
            "order.replace_submitted",
            "order.replaced",
            "order.replace_rejected",
            "order.expired",
            "fill.restated",
        ]
    }

    fn state(&self) -> &'static [&'static str] {
        &[
            "SELECT order_id, status, is_accepted, cum_qty > 0, is_replace_pending FROM {orders} WHERE NOT is_done",
        ]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let id = row.get(0).and_then(|id| id.parse().ok()).ok_or("an order has no number")?;
        let is = |place: usize| row.get(place) == Some("t");
        let status = row.get(1).and_then(OrderStatus::from_word).ok_or("a state is none of orders")?;
        let open = Open { status, is_accepted: is(2), has_fill: is(3), is_replace_pending: is(4) };
        self.open.insert(OrderId(id), open);
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(event) = fact.payload() else {
            return Ok(());
        };
        let Some((order, said)) = said::of(event) else {
            return Ok(());
        };
        // A request that names an order that there is not changes none.
        if order.is_none() {
            return Ok(());
        }
        let of = Subject::find(fact, order, &said)?;
        let before = self.open.get(&order).copied();
        let after = self.moved(fact, event, order, before);
        let asked = asked(fact, order).filter(|_| before.is_none());
        let reason = Reject::from_code(said.reason).map_or(Value::Null, |reason| Value::text(reason.word()));
        let terms = of.terms(event, &said, asked, after);

        let mut history = changes
            .row(&TABLES[1], [Value::unsigned(order.0)])
            .set("event_type", Value::text(event.event_type()))
            .set("last_price", of.price(said.last.map(|(price, _)| price)))
            .set("last_qty", of.qty(said.last.map(|(_, qty)| qty)))
            .set("reason", reason.clone())
            .set("recorded_at", Value::Time(fact.time()));
        for (column, value) in &terms {
            history = history.set(column, value.clone());
        }
        history.done();

        let mut row = changes
            .row(&TABLES[0], [Value::unsigned(order.0)])
            .set("created_at", Value::Time(fact.time()))
            .set("updated_at", Value::Time(fact.time()));
        for (column, value) in terms {
            row = row.set(column, value);
        }
        if let Some(after) = after {
            row = row
                .set("is_done", Value::Bool(after.status.is_done()))
                .set("is_accepted", Value::Bool(after.is_accepted))
                .set("is_replace_pending", Value::Bool(after.is_replace_pending))
                .set("reason", reason);
        }
        if before.is_none() {
            row = of.identify(row, asked);
        }
        if let Event::OrderSubmitted(submitted) = event {
            row = route(fact, row, submitted);
        }
        row.done();
        Ok(())
    }
}

impl Orders {
    /// Moves the order; how it stands from here on, where the event says that at all.
    fn moved(
        &mut self,
        fact: &Fact<'_>,
        event: &Event,
        order: OrderId,
        before: Option<Open>,
    ) -> Option<Open> {
        let after = state::moved(fact, event, before)?;
        if after.status.is_done() {
            self.open.remove(&order);
        } else {
            self.open.insert(order, after);
        }
        Some(after)
    }
}

/// The order that an event is about, and the instrument that its values are counted in.
struct Subject<'a> {
    fact: &'a Fact<'a>,
    instrument: InstrumentId,
    entry: Option<&'a OrderEntry>,
}

impl<'a> Subject<'a> {
    fn find(fact: &'a Fact<'a>, order: OrderId, said: &Said) -> Result<Self, Poison> {
        let entry = fact.order(order);
        let of_order = entry.map(|entry| entry.instrument).unwrap_or_default();
        let instrument = if said.instrument.is_none() { of_order } else { said.instrument };
        let is_known = fact.dictionary.instrument(instrument).is_some();
        if !is_known && (said.qty.is_some() || said.cum_qty.is_some()) {
            return Err("the instrument of its order is not known".into());
        }
        Ok(Self { fact, instrument, entry })
    }

    fn price(&self, price: Option<Price>) -> Value {
        price.map_or(Value::Null, |price| self.fact.price_or_null(self.instrument, price))
    }

    fn qty(&self, qty: Option<Qty>) -> Value {
        qty.map_or(Value::Null, |qty| self.fact.qty(self.instrument, qty))
    }

    /// What both tables say of its terms; what is said later counts.
    fn terms(
        &self,
        event: &Event,
        said: &Said,
        asked: Option<&NewOrder>,
        after: Option<Open>,
    ) -> Vec<(&'static str, Value)> {
        let mut terms = vec![
            ("price", self.price(said.price)),
            ("qty", self.qty(said.qty)),
            ("trigger_price", self.price(said.trigger_price)),
            ("display_qty", self.qty(said.display_qty.filter(|qty| *qty != Qty::ZERO))),
            ("cum_qty", self.qty(said.cum_qty)),
            ("leaves_qty", self.qty(said.leaves_qty)),
            ("status", after.map_or(Value::Null, |after| Value::text(after.status.word()))),
        ];
        if let Some((value, fee)) = said.value_and_fee {
            terms.extend([
                ("cum_value", self.fact.settled(self.instrument, value)),
                ("cum_fee", self.fact.settled(self.instrument, fee)),
            ]);
        }
        if let Event::OrderAccepted(accepted) = event {
            let id = i128::from(accepted.venue_order_id);
            terms.push(("venue_order_id", if id == 0 { Value::Null } else { Value::Numeric(id, 0) }));
        }
        if let Some(asked) = asked {
            terms.extend([
                ("price", self.price(Some(asked.price))),
                ("trigger_price", self.price(Some(asked.trigger_price))),
            ]);
            if said.qty.is_none() && !asked.quantity_in_quote {
                terms.push(("qty", self.qty(Some(asked.qty))));
            }
        }
        terms
    }

    /// Whose order it is, and what was asked for: said once, with its first event.
    fn identify<'r>(&self, row: RowChange<'r>, asked: Option<&NewOrder>) -> RowChange<'r> {
        let Self { fact, entry, .. } = self;
        let mut row = row.set("actor", fact.actor());
        if let Some(entry) = entry {
            row = row
                .set("account_id", Value::unsigned(u64::from(entry.account.0)))
                .set("account", fact.account(entry.account))
                .set("instrument_id", Value::unsigned(u64::from(entry.instrument.0)))
                .set("symbol", fact.symbol(entry.instrument))
                .set("side", entry.side.map_or(Value::Null, |side| Value::text(side.word())))
                .set("strategy", fact.strategy(entry.strategy));
        }
        let Some(asked) = asked else { return row };
        row = row
            .set("order_type", Value::text(asked.order_type.word()))
            .set("time_in_force", Value::text(asked.time_in_force.word()))
            .set("expires_at", Value::time_or_null(asked.expires_at));
        if asked.client_order_id.is_none() {
            return row;
        }
        row.set("client_order_id", Value::text(asked.client_order_id.as_str().to_owned()))
    }
}

/// Where it was sent, and for whom.
fn route<'r>(fact: &Fact<'_>, row: RowChange<'r>, of: &OrderSubmitted) -> RowChange<'r> {
    let strategy = if of.strategy == StrategyId::NONE { Value::Null } else { fact.strategy(of.strategy) };
    row.set("order_type", Value::text(of.order_type.word()))
        .set("time_in_force", Value::text(of.time_in_force.word()))
        .set("venue", Value::text_or_null(fact.dictionary.venue(of.venue)))
        .set("strategy", strategy)
}

/// What the client asked for, where this frame is its request.
fn asked<'a>(fact: &Fact<'a>, order: OrderId) -> Option<&'a NewOrder> {
    let record = fact.command().filter(|record| record.envelope.sequence.0 == order.0)?;
    if let Payload::Command(Command::NewOrder(asked)) = &record.payload { Some(asked) } else { None }
}
