//! Trading activity by day, account, instrument and strategy: orders and what became of them, fills, volume and fees.
//!
//! Values and fees are in the instrument's settlement currency and are differences of what orders report as their sums,
//! so that a fill that is taken back or corrected is taken out of the day on which that happens. Those sums are
//! remembered for as many orders as the engine remembers.

use crate::changes::Changes;
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use std::collections::BTreeMap;
use tickwerk_domain::{Event, Money, OrderId, Payload, Qty, Side, StrategyId, TimeNs};
use tickwerk_render::ORDERS_KEPT;
use tokio_postgres::SimpleQueryRow;

static TABLES: &[Table] = &[
    Table {
        name: "trading_activity",
        rows: Rows::Current,
        columns: &[
            Column::key("day", Type::Timestamp),
            Column::key("instrument_id", Type::Int8),
            Column::key("account_id", Type::Int8),
            Column::key("strategy_id", Type::Int8),
            Column::first("symbol", Type::Text),
            Column::first("account", Type::Text),
            Column::first("strategy", Type::Text),
            Column::add("submitted", Type::Int8),
            Column::add("refused", Type::Int8),
            Column::add("rejected", Type::Int8),
            Column::add("replaced", Type::Int8),
            Column::add("cancels", Type::Int8),
            Column::add("canceled", Type::Int8),
            Column::add("expired", Type::Int8),
            Column::add("filled", Type::Int8),
            Column::add("fills", Type::Int8),
            Column::add("restated", Type::Int8),
            Column::add("buy_qty", Type::Numeric),
            Column::add("sell_qty", Type::Numeric),
            Column::add("buy_value", Type::Numeric),
            Column::add("sell_value", Type::Numeric),
            Column::add("fees", Type::Numeric),
            Column::first("first_at", Type::Timestamp),
            Column::set("last_at", Type::Timestamp),
        ],
        indexes: &["(symbol, day)", "(account, day)"],
    },
    Table {
        name: "trading_activity_order",
        rows: Rows::Current,
        columns: &[
            Column::key("order_id", Type::Int8),
            Column::set("cum_qty", Type::Numeric),
            Column::set("cum_value", Type::Numeric),
            Column::set("cum_fee", Type::Numeric),
        ],
        indexes: &[],
    },
];

const DAY_NS: u64 = 86_400_000_000_000;

/// What an order has come to, as mantissas.
#[derive(Clone, Copy, Default, Debug)]
struct Sums {
    qty: i128,
    value: i128,
    fee: i128,
}

/// Remembers what orders have come to.
#[derive(Debug, Default)]
pub(crate) struct TradingActivity {
    orders: BTreeMap<OrderId, Sums>,
}

/// What an event counts.
struct Counted {
    order: OrderId,
    column: Option<&'static str>,
    /// The sums of its order from here on.
    sums: Option<(Qty, Money, Money)>,
    is_fill: bool,
}

impl Projection for TradingActivity {
    fn name(&self) -> &'static str {
        "trading_activity"
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
            "order.rejected",
            "order.replaced",
            "order.cancel_submitted",
            "order.canceled",
            "order.expired",
            "order.partially_filled",
            "order.filled",
            "fill.restated",
        ]
    }

    fn state(&self) -> &'static [&'static str] {
        &[
            "SELECT order_id, cum_qty, cum_value, cum_fee FROM {trading_activity_order} ORDER BY order_id DESC LIMIT 65536",
        ]
    }

    fn restore(&mut self, _: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        let number = |place: usize| -> Result<i128, Poison> {
            row.get(place)
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| "an order without its sums".into())
        };
        let id = u64::try_from(number(0)?).map_err(|_| "an order with a negative number")?;
        self.orders.insert(OrderId(id), Sums { qty: number(1)?, value: number(2)?, fee: number(3)? });
        Ok(())
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(event) = fact.payload() else {
            return Ok(());
        };
        let Some(counted) = counted(event) else {
            return Ok(());
        };
        let entry = fact.order(counted.order).ok_or("its order is not known")?;
        let instrument =
            fact.dictionary.instrument(entry.instrument).ok_or("the instrument of its order is not known")?;
        let strategy =
            if entry.strategy == StrategyId::NONE { Value::Null } else { fact.strategy(entry.strategy) };
        let moved = counted.sums.map(|sums| self.move_to(counted.order, sums));
        let day = fact.time().0 / DAY_NS * DAY_NS;
        let ids =
            [entry.instrument.0, entry.account.0, entry.strategy.0].map(|id| Value::unsigned(u64::from(id)));
        let mut row = changes
            .row(&TABLES[0], [Value::Time(TimeNs(day))].into_iter().chain(ids))
            .set("symbol", fact.symbol(entry.instrument))
            .set("account", fact.account(entry.account))
            .set("strategy", strategy)
            .set("first_at", Value::Time(fact.time()))
            .set("last_at", Value::Time(fact.time()));
        if let Some(column) = counted.column {
            row = row.set(column, Value::Int(1));
        }
        if counted.is_fill {
            row = row.set("fills", Value::Int(1));
        }
        if let Some((by, _)) = moved {
            let (qty, value) = match entry.side {
                Some(Side::Sell) => ("sell_qty", "sell_value"),
                Some(Side::Buy) | None => ("buy_qty", "buy_value"),
            };
            row = row
                .set(qty, Value::Numeric(by.qty, instrument.quantity_scale))
                .set(value, Value::Numeric(by.value, instrument.settlement_scale))
                .set("fees", Value::Numeric(by.fee, instrument.settlement_scale));
        }
        row.done();
        if let Some((_, sums)) = moved {
            changes
                .row(&TABLES[1], [Value::unsigned(counted.order.0)])
                .set("cum_qty", Value::Numeric(sums.qty, 0))
                .set("cum_value", Value::Numeric(sums.value, 0))
                .set("cum_fee", Value::Numeric(sums.fee, 0))
                .done();
        }
        Ok(())
    }
}

impl TradingActivity {
    /// Notes the sums of an order; by how much they moved, and where they are.
    fn move_to(&mut self, order: OrderId, (qty, value, fee): (Qty, Money, Money)) -> (Sums, Sums) {
        let sums = Sums { qty: i128::from(qty.0), value: value.get(), fee: fee.get() };
        let before = self.orders.insert(order, sums).unwrap_or_default();
        if self.orders.len() > ORDERS_KEPT {
            self.orders.pop_first();
        }
        let by = |after: i128, before: i128| after.saturating_sub(before);
        let moved = Sums {
            qty: by(sums.qty, before.qty),
            value: by(sums.value, before.value),
            fee: by(sums.fee, before.fee),
        };
        (moved, sums)
    }
}

fn counted(event: &Event) -> Option<Counted> {
    let only = |order, column| Counted { order, column: Some(column), sums: None, is_fill: false };
    Some(if let Event::OrderSubmitted(of) = event {
        only(of.order, "submitted")
    } else if let Event::OrderRefused(of) = event {
        only(of.order, "refused")
    } else if let Event::OrderRejected(of) = event {
        only(of.order, "rejected")
    } else if let Event::OrderReplaced(of) = event {
        only(of.order, "replaced")
    } else if let Event::CancelSubmitted(of) = event {
        only(of.order, "cancels")
    } else if let Event::OrderCanceled(of) = event {
        only(of.order, "canceled")
    } else if let Event::OrderExpired(of) = event {
        only(of.order, "expired")
    } else if let Event::OrderPartiallyFilled(of) = event {
        let sums = Some((of.cum_qty, of.cum_value, of.cum_fee));
        Counted { order: of.order, column: None, sums, is_fill: true }
    } else if let Event::OrderFilled(of) = event {
        let sums = Some((of.cum_qty, of.cum_value, of.cum_fee));
        Counted { order: of.order, column: Some("filled"), sums, is_fill: of.last_qty > Qty::ZERO }
    } else if let Event::FillRestated(of) = event {
        let sums = Some((of.cum_qty, of.cum_value, of.cum_fee));
        Counted { order: of.order, column: Some("restated"), sums, is_fill: false }
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BTCEUR, DAY, Journal, SECOND, folded};
    use tickwerk_domain::command::NewOrder;
    use tickwerk_domain::event::{FillRestated, OrderFilled, OrderPartiallyFilled, OrderSubmitted};
    use tickwerk_domain::{FillState, Liquidity, Price, VenueId};

    #[test]
    fn fills_count_on_their_day_and_a_busted_one_is_taken_out() {
        let mut journal = Journal::defined();
        let asked = NewOrder::limit(ALICE, BTCEUR, Side::Sell, Price(10_000), Qty(3));
        let order = OrderId(journal.command(DAY, asked));
        journal.event(DAY, OrderSubmitted::new(order, StrategyId::NONE, VenueId::SIMULATED, &asked));
        let partial = OrderPartiallyFilled {
            cum_value: Money::new(100),
            cum_fee: Money::new(1),
            order,
            last_price: Price(10_000),
            last_qty: Qty(1),
            cum_qty: Qty(1),
            leaves_qty: Qty(2),
            account: ALICE,
            instrument: BTCEUR,
            side: Side::Sell,
            liquidity: Liquidity::Maker,
        };
        journal.event(DAY + SECOND, partial);
        let filled = OrderFilled {
            cum_value: Money::new(300),
            cum_fee: Money::new(4),
            order,
            last_price: Price(10_000),
            last_qty: Qty(2),
            cum_qty: Qty(3),
            leaves_qty: Qty::ZERO,
            account: ALICE,
            instrument: BTCEUR,
            side: Side::Sell,
            liquidity: Liquidity::Taker,
        };
        journal.event(DAY + 2 * SECOND, filled);
        let busted = FillRestated {
            cum_value: Money::new(200),
            cum_fee: Money::new(3),
            fee: Money::ZERO,
            order,
            execution_id: 1,
            price: Price(10_000),
            qty: Qty::ZERO,
            cum_qty: Qty(2),
            leaves_qty: Qty::ZERO,
            account: ALICE,
            instrument: BTCEUR,
            state: FillState::Busted,
        };
        journal.event(DAY + 86_400 * SECOND, busted);
        let columns = [
            "day",
            "symbol",
            "account",
            "submitted",
            "filled",
            "fills",
            "restated",
            "sell_qty",
            "sell_value",
            "fees",
        ];
        assert_eq!(
            folded::<TradingActivity>(&journal).rows(&TABLES[0], &columns),
            [
                "+0s BTCEUR alice 1 1 2 null 0.003 3.00 0.04",
                "+86400s BTCEUR alice null null null 1 -0.001 -1.00 -0.01",
            ]
        );
    }

    #[test]
    fn as_many_orders_are_read_back_as_are_remembered() {
        assert!(TradingActivity::default().state()[0].ends_with(&format!("LIMIT {ORDERS_KEPT}")));
    }
}
