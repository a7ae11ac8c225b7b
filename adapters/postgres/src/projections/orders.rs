//! Orders: how each stands, in FIX's words, and its life cycle.
//!
//! What a refused cancel or replace leaves behind depends on how the order stood, so open orders are remembered.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::reject::ReasonCode;
use tickwerk_domain::{
    Command, Event, InstrumentId, Money, OrderId, OrderStatus, Payload, Price, Qty, Reject, StrategyId,
};
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

/// What must be known of an open order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Open {
    status: OrderStatus,
    is_accepted: bool,
    has_fill: bool,
    is_replace_pending: bool,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            status: OrderStatus::PendingNew,
            is_accepted: false,
            has_fill: false,
            is_replace_pending: false,
        }
    }
}

impl Open {
    /// How it stands when no cancel is on its way.
    fn standing(self) -> OrderStatus {
        match (self.is_replace_pending, self.has_fill, self.is_accepted) {
            (true, _, _) => OrderStatus::PendingReplace,
            (false, true, _) => OrderStatus::PartiallyFilled,
            (false, false, true) => OrderStatus::New,
            (false, false, false) => OrderStatus::PendingNew,
        }
    }
}

/// What an event says of an order, besides its state.
#[derive(Clone, Default)]
struct Said {
    instrument: InstrumentId,
    price: Option<Price>,
    qty: Option<Qty>,
    trigger_price: Option<Price>,
    display_qty: Option<Qty>,
    last: Option<(Price, Qty)>,
    cum_qty: Option<Qty>,
    leaves_qty: Option<Qty>,
    value_and_fee: Option<(Money, Money)>,
    reason: ReasonCode,
}

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
        let Some((order, said)) = said(event) else {
            return Ok(());
        };
        // A request that names an order that there is not changes none.
        if order.is_none() {
            return Ok(());
        }
        let before = self.open.get(&order).copied();
        let after = self.moved(fact, event, order, before);
        let entry = fact.order(order);
        let instrument = if said.instrument.is_none() {
            entry.map(|entry| entry.instrument).unwrap_or_default()
        } else {
            said.instrument
        };
        if fact.dictionary.instrument(instrument).is_none() && (said.qty.is_some() || said.cum_qty.is_some())
        {
            return Err("the instrument of its order is not known".into());
        }
        let price =
            |price: Option<Price>| price.map_or(Value::Null, |price| fact.price_or_null(instrument, price));
        let qty = |qty: Option<Qty>| qty.map_or(Value::Null, |qty| fact.qty(instrument, qty));
        let reason = Reject::from_code(said.reason).map_or(Value::Null, |reason| Value::text(reason.word()));
        let status = after.map_or(Value::Null, |after| Value::text(after.status.word()));
        // Both tables say the same of its terms; what is said later counts.
        let asked = asked(fact, order).filter(|_| before.is_none());
        let mut terms = vec![
            ("price", price(said.price)),
            ("qty", qty(said.qty)),
            ("trigger_price", price(said.trigger_price)),
            ("display_qty", qty(said.display_qty.filter(|qty| *qty != Qty::ZERO))),
            ("cum_qty", qty(said.cum_qty)),
            ("leaves_qty", qty(said.leaves_qty)),
            ("status", status),
        ];
        if let Some((value, fee)) = said.value_and_fee {
            terms.extend([
                ("cum_value", fact.settled(instrument, value)),
                ("cum_fee", fact.settled(instrument, fee)),
            ]);
        }
        if let Event::OrderAccepted(accepted) = event {
            let id = i128::from(accepted.venue_order_id);
            terms.push(("venue_order_id", if id == 0 { Value::Null } else { Value::Numeric(id, 0) }));
        }
        if let Some(asked) = asked {
            terms.extend([
                ("price", fact.price_or_null(instrument, asked.price)),
                ("trigger_price", fact.price_or_null(instrument, asked.trigger_price)),
            ]);
            if said.qty.is_none() && !asked.quantity_in_quote {
                terms.push(("qty", fact.qty(instrument, asked.qty)));
            }
        }
        let mut history = changes
            .row(&TABLES[1], [Value::unsigned(order.0)])
            .set("event_type", Value::text(event.event_type()))
            .set("last_price", price(said.last.map(|(price, _)| price)))
            .set("last_qty", qty(said.last.map(|(_, qty)| qty)))
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
            if let Some(entry) = entry {
                row = row
                    .set("account_id", Value::unsigned(u64::from(entry.account.0)))
                    .set("account", fact.account(entry.account))
                    .set("instrument_id", Value::unsigned(u64::from(entry.instrument.0)))
                    .set("symbol", fact.symbol(entry.instrument))
                    .set("side", entry.side.map_or(Value::Null, |side| Value::text(side.word())))
                    .set("strategy", fact.strategy(entry.strategy));
            }
            row = row.set("actor", fact.actor());
            if let Some(asked) = asked {
                row = row
                    .set("order_type", Value::text(asked.order_type.word()))
                    .set("time_in_force", Value::text(asked.time_in_force.word()))
                    .set("expires_at", Value::time_or_null(asked.expires_at));
                if !asked.client_order_id.is_none() {
                    row = row.set("client_order_id", Value::text(asked.client_order_id.as_str().to_owned()));
                }
            }
        }
        if let Event::OrderSubmitted(of) = event {
            row = row
                .set("order_type", Value::text(of.order_type.word()))
                .set("time_in_force", Value::text(of.time_in_force.word()))
                .set("venue", Value::text_or_null(fact.dictionary.venue(of.venue)))
                .set(
                    "strategy",
                    if of.strategy == StrategyId::NONE { Value::Null } else { fact.strategy(of.strategy) },
                );
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
        let mut open = before.unwrap_or_default();
        let is_on_request = |is: fn(&Command) -> bool| {
            fact.command()
                .is_some_and(|record| matches!(&record.payload, Payload::Command(command) if is(command)))
        };
        if let Event::OrderSubmitted(_) = event {
            open.status = OrderStatus::PendingNew;
        } else if let Event::OrderHeld(_) = event {
            open.status = OrderStatus::Held;
        } else if let Event::OrderTriggered(_) = event {
            open.status = OrderStatus::PendingNew;
        } else if let Event::OrderAccepted(_) = event {
            open.is_accepted = true;
            if open.status == OrderStatus::PendingNew {
                open.status = OrderStatus::New;
            }
        } else if let Event::OrderPartiallyFilled(_) = event {
            open.has_fill = true;
            if !matches!(open.status, OrderStatus::PendingCancel | OrderStatus::PendingReplace) {
                open.status = OrderStatus::PartiallyFilled;
            }
        } else if let Event::OrderFilled(_) = event {
            open.status = OrderStatus::Filled;
        } else if matches!(event, Event::OrderRejected(_) | Event::OrderRefused(_)) {
            open.status = OrderStatus::Rejected;
        } else if let Event::OrderCanceled(_) = event {
            open.status = OrderStatus::Canceled;
        } else if let Event::OrderExpired(_) = event {
            open.status = OrderStatus::Expired;
        } else if let Event::CancelSubmitted(_) = event {
            open.status = OrderStatus::PendingCancel;
        } else if let Event::ReplaceSubmitted(_) = event {
            open.is_replace_pending = true;
            open.status = OrderStatus::PendingReplace;
        } else if let Event::CancelRejected(_) = event {
            // A request that was refused at once leaves the order as it is.
            before?;
            if open.status == OrderStatus::PendingCancel
                && !is_on_request(|of| matches!(of, Command::CancelOrder(_)))
            {
                open.status = open.standing();
            }
        } else if let Event::ReplaceRejected(_) = event {
            before?;
            if open.is_replace_pending && !is_on_request(|of| matches!(of, Command::ReplaceOrder(_))) {
                open.is_replace_pending = false;
                open.stand();
            }
        } else if let Event::OrderReplaced(_) = event {
            open.is_replace_pending = false;
            open.stand();
        } else if let Event::FillRestated(of) = event {
            // A done order stays done.
            before?;
            open.has_fill = of.cum_qty > Qty::ZERO;
            if !open.has_fill && open.status == OrderStatus::PartiallyFilled {
                open.status = OrderStatus::New;
            }
        } else {
            return None;
        }
        if open.status.is_done() {
            self.open.remove(&order);
        } else {
            self.open.insert(order, open);
        }
        Some(open)
    }
}

impl Open {
    /// A replace is answered.
    fn stand(&mut self) {
        if !matches!(self.status, OrderStatus::PendingCancel | OrderStatus::Held) {
            self.status = self.standing();
        }
    }
}

/// What the client asked for, where this frame is its request.
fn asked<'a>(fact: &Fact<'a>, order: OrderId) -> Option<&'a NewOrder> {
    let record = fact.command().filter(|record| record.envelope.sequence.0 == order.0)?;
    if let Payload::Command(Command::NewOrder(asked)) = &record.payload { Some(asked) } else { None }
}

/// The order of an event, and what it says of it.
fn said(event: &Event) -> Option<(OrderId, Said)> {
    let none = Said::default();
    Some(if let Event::OrderRefused(of) = event {
        (of.order, Said { instrument: of.instrument, reason: of.reason, ..none })
    } else if let Event::OrderSubmitted(of) = event {
        let said = Said { instrument: of.instrument, price: Some(of.price), qty: Some(of.qty), ..none };
        (of.order, Said { trigger_price: Some(of.trigger_price), display_qty: Some(of.display_qty), ..said })
    } else if let Event::OrderAccepted(of) = event {
        (of.order, none)
    } else if let Event::OrderRejected(of) = event {
        (of.order, Said { instrument: of.instrument, reason: of.reason, leaves_qty: Some(Qty::ZERO), ..none })
    } else if let Event::OrderPartiallyFilled(of) = event {
        let said = Said {
            instrument: of.instrument,
            cum_qty: Some(of.cum_qty),
            leaves_qty: Some(of.leaves_qty),
            ..none
        };
        let last = Some((of.last_price, of.last_qty));
        (of.order, Said { last, value_and_fee: Some((of.cum_value, of.cum_fee)), ..said })
    } else if let Event::OrderFilled(of) = event {
        let said = Said {
            instrument: of.instrument,
            cum_qty: Some(of.cum_qty),
            leaves_qty: Some(of.leaves_qty),
            ..none
        };
        let last = (of.last_qty > Qty::ZERO).then_some((of.last_price, of.last_qty));
        (of.order, Said { last, value_and_fee: Some((of.cum_value, of.cum_fee)), ..said })
    } else if let Event::CancelSubmitted(of) = event {
        (of.order, Said { instrument: of.instrument, ..none })
    } else if let Event::OrderCanceled(of) = event {
        (of.order, Said { cum_qty: Some(of.cum_qty), leaves_qty: Some(Qty::ZERO), reason: of.reason, ..none })
    } else if let Event::CancelRejected(of) = event {
        (of.order, Said { reason: of.reason, ..none })
    } else if let Event::OrderHeld(of) = event {
        let said = Said { instrument: of.instrument, qty: Some(of.qty), ..none };
        (of.order, Said { trigger_price: Some(of.trigger_price), ..said })
    } else if let Event::OrderTriggered(of) = event {
        (of.order, Said { instrument: of.instrument, qty: Some(of.qty), ..none })
    } else if let Event::ReplaceSubmitted(of) = event {
        (of.order, Said { instrument: of.instrument, ..none })
    } else if let Event::OrderReplaced(of) = event {
        let said = Said { instrument: of.instrument, price: Some(of.price), qty: Some(of.qty), ..none };
        let said = Said { trigger_price: Some(of.trigger_price), display_qty: Some(of.display_qty), ..said };
        (of.order, Said { cum_qty: Some(of.cum_qty), leaves_qty: Some(of.leaves_qty), ..said })
    } else if let Event::ReplaceRejected(of) = event {
        (of.order, Said { reason: of.reason, ..none })
    } else if let Event::OrderExpired(of) = event {
        (of.order, Said { cum_qty: Some(of.cum_qty), leaves_qty: Some(Qty::ZERO), reason: of.reason, ..none })
    } else if let Event::FillRestated(of) = event {
        let said = Said {
            instrument: of.instrument,
            cum_qty: Some(of.cum_qty),
            leaves_qty: Some(of.leaves_qty),
            ..none
        };
        (
            of.order,
            Said { last: Some((of.price, of.qty)), value_and_fee: Some((of.cum_value, of.cum_fee)), ..said },
        )
    } else {
        return None;
    })
}
