//! Fills: each execution of a venue, how it was booked, and what became of it when the venue took it back or corrected it.
//!
//! Value and realised profit are in the instrument's settlement currency, the fee is in its own.

use crate::changes::{Changes, RowChange};
use crate::fact::Fact;
use crate::projection::{Poison, Projection};
use crate::table::{Column, Rows, Table};
use crate::value::{Type, Value};
use tickwerk_domain::command::FillReported;
use tickwerk_domain::event::{FillRestated, FillUnmatched};
use tickwerk_domain::{
    AccountId, Command, Event, FillState, InstrumentId, Money, OrderId, Payload, Price, Qty, Side, StrategyId,
};

static TABLES: &[Table] = &[Table {
    name: "fills",
    rows: Rows::Current,
    columns: &[
        Column::key("order_id", Type::Int8),
        Column::key("execution_id", Type::Numeric),
        Column::set("account_id", Type::Int8),
        Column::set("account", Type::Text),
        Column::set("instrument_id", Type::Int8),
        Column::set("symbol", Type::Text),
        Column::set("strategy_id", Type::Int8),
        Column::set("strategy", Type::Text),
        Column::set("side", Type::Text),
        Column::set("price", Type::Numeric),
        Column::set("qty", Type::Numeric),
        Column::set("value", Type::Numeric),
        Column::set("currency", Type::Text),
        Column::set("fee", Type::Numeric),
        Column::set("fee_currency", Type::Text),
        Column::set("liquidity", Type::Text),
        Column::set("state", Type::Text),
        Column::set("reason", Type::Text),
        // What all that was booked for it realised.
        Column::add("realized", Type::Numeric),
        Column::first("first_price", Type::Numeric),
        Column::first("first_qty", Type::Numeric),
        Column::first("occurred_at", Type::Timestamp),
        Column::first("recorded_at", Type::Timestamp),
        Column::first("recorded_position", Type::Int8),
        Column::set("updated_at", Type::Timestamp),
    ],
    indexes: &[
        "(recorded_at)",
        "(account, recorded_at)",
        "(symbol, recorded_at)",
        "(strategy, recorded_at) WHERE strategy IS NOT NULL",
    ],
}];

/// Needs no memory: the command of a fill's frame says what the event leaves out.
#[derive(Debug, Default)]
pub(crate) struct Fills;

impl Projection for Fills {
    fn name(&self) -> &'static str {
        "fills"
    }

    fn version(&self) -> i32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn events(&self) -> &'static [&'static str] {
        &["order.partially_filled", "order.filled", "fill.restated", "fill.unmatched"]
    }

    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison> {
        let Payload::Event(event) = fact.payload() else {
            return Ok(());
        };
        if let Event::OrderPartiallyFilled(of) = event {
            let terms = (of.last_price, of.last_qty);
            booked(fact, changes, (of.order, of.account, of.instrument, of.side), terms)
        } else if let Event::OrderFilled(of) = event {
            if of.last_qty == Qty::ZERO {
                // It was full already.
                return Ok(());
            }
            let terms = (of.last_price, of.last_qty);
            booked(fact, changes, (of.order, of.account, of.instrument, of.side), terms)
        } else if let Event::FillRestated(of) = event {
            restated(fact, changes, of)
        } else if let Event::FillUnmatched(of) = event {
            unmatched(fact, changes, of);
            Ok(())
        } else {
            Ok(())
        }
    }
}

fn booked(
    fact: &Fact<'_>,
    changes: &mut Changes,
    (order, account, instrument, side): (OrderId, AccountId, InstrumentId, Side),
    (price, qty): (Price, Qty),
) -> Result<(), Poison> {
    let report = report(fact).ok_or("no fill was reported in its frame")?;
    fact.dictionary.instrument(instrument).ok_or("its instrument is not defined")?;
    let row = row(fact, changes, order, report.execution_id)
        .set("account_id", Value::unsigned(u64::from(account.0)))
        .set("account", fact.account(account))
        .set("instrument_id", Value::unsigned(u64::from(instrument.0)))
        .set("symbol", fact.symbol(instrument))
        .set("side", Value::text(side.word()))
        .set("price", fact.price(instrument, price))
        .set("qty", fact.qty(instrument, qty))
        .set("value", fact.value(instrument, price, qty))
        .set("currency", fact.settlement(instrument))
        .set("liquidity", Value::text(report.liquidity.word()))
        .set("state", Value::text(FillState::Booked.word()))
        .set("realized", realized(fact, instrument))
        .set("first_price", fact.price(instrument, price))
        .set("first_qty", fact.qty(instrument, qty));
    let row = if report.fee_currency.is_none() {
        row.set("fee", fact.settled(instrument, report.fee)).set("fee_currency", fact.settlement(instrument))
    } else {
        row.set("fee", fact.money(report.fee_currency, report.fee))
            .set("fee_currency", fact.currency(report.fee_currency))
    };
    of_strategy(row, fact, order).done();
    Ok(())
}

fn restated(fact: &Fact<'_>, changes: &mut Changes, of: &FillRestated) -> Result<(), Poison> {
    fact.dictionary.instrument(of.instrument).ok_or("its instrument is not defined")?;
    let mut row = row(fact, changes, of.order, of.execution_id)
        .set("price", fact.price(of.instrument, of.price))
        .set("qty", fact.qty(of.instrument, of.qty))
        .set("value", fact.value(of.instrument, of.price, of.qty))
        .set("state", Value::text(of.state.word()))
        .set("realized", realized(fact, of.instrument));
    row = row.set("fee", fee_of_restated(fact, of));
    row.done();
    Ok(())
}

/// The fee stays in the currency of the first report. A posting of the frame tells which that is; where no fee moves,
/// the settlement currency's decimals do as well.
fn fee_of_restated(fact: &Fact<'_>, of: &FillRestated) -> Value {
    use tickwerk_domain::event::LedgerBook::Fee;
    let legs = fact.frame.iter().filter_map(|record| match &record.payload {
        Payload::Event(Event::Posted(posted)) => Some(posted),
        Payload::Event(_) | Payload::Command(_) => None,
    });
    let mut legs = legs.flat_map(|posted| &posted.legs[..usize::from(posted.count).min(posted.legs.len())]);
    let fee = legs.find(|leg| (leg.from == Fee || leg.to == Fee) && leg.amount != Money::ZERO);
    fee.map_or_else(|| fact.settled(of.instrument, of.fee), |leg| fact.money(leg.currency, of.fee))
}

fn unmatched(fact: &Fact<'_>, changes: &mut Changes, of: &FillUnmatched) {
    let entry = fact.order(of.order);
    let instrument = entry.map(|entry| entry.instrument).unwrap_or_default();
    let mut row = row(fact, changes, of.order, of.execution_id)
        .set("price", fact.price(instrument, of.price))
        .set("qty", fact.qty(instrument, of.qty))
        .set("first_price", fact.price(instrument, of.price))
        .set("first_qty", fact.qty(instrument, of.qty))
        .set("state", Value::text(FillState::Unmatched.word()))
        .set("reason", fact.shown("reason"));
    if let Some(entry) = entry {
        row = row
            .set("account_id", Value::unsigned(u64::from(entry.account.0)))
            .set("account", fact.account(entry.account))
            .set("instrument_id", Value::unsigned(u64::from(instrument.0)))
            .set("symbol", fact.symbol(instrument))
            .set("side", entry.side.map_or(Value::Null, |side| Value::text(side.word())));
        row = of_strategy(row, fact, of.order);
    }
    row.done();
}

fn row<'c>(fact: &Fact<'_>, changes: &'c mut Changes, order: OrderId, execution: u64) -> RowChange<'c> {
    let key = [Value::unsigned(order.0), Value::Numeric(i128::from(execution), 0)];
    let position = Value::unsigned(fact.sequence().0);
    let occurred =
        fact.command().map_or(Value::Null, |command| Value::time_or_null(command.envelope.source_time));
    let row = changes.row(&TABLES[0], key).set("occurred_at", occurred).set("recorded_position", position);
    row.set("recorded_at", Value::Time(fact.time())).set("updated_at", Value::Time(fact.time()))
}

fn of_strategy<'c>(row: RowChange<'c>, fact: &Fact<'_>, order: OrderId) -> RowChange<'c> {
    let strategy = fact.order(order).map_or(StrategyId::NONE, |entry| entry.strategy);
    let id = Value::unsigned_or_null(u64::from(strategy.0));
    row.set("strategy_id", id).set("strategy", Value::named(fact.dictionary.strategy(strategy), strategy.0))
}

fn report<'a>(fact: &Fact<'a>) -> Option<&'a FillReported> {
    match &fact.command()?.payload {
        Payload::Command(Command::FillReported(report)) => Some(report),
        Payload::Command(_) | Payload::Event(_) => None,
    }
}

/// What the changes of positions in this frame realised.
fn realized(fact: &Fact<'_>, instrument: InstrumentId) -> Value {
    let sum = fact.frame.iter().fold(0_i128, |sum, record| match &record.payload {
        Payload::Event(Event::PositionChanged(of)) => sum.saturating_add(of.realized.get()),
        Payload::Event(_) | Payload::Command(_) => sum,
    });
    fact.settled(instrument, Money::new(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projections::fixture::{ALICE, BTCEUR, Desk, Trade};
    use tickwerk_domain::command::{TradeBusted, TradeCorrected};
    use tickwerk_domain::{Liquidity, Reject};

    fn key(execution: i128) -> [Value; 2] {
        [Value::Int(1), Value::Numeric(execution, 0)]
    }

    fn restated(price: i64, qty: i64, fee: i128, state: FillState) -> FillRestated {
        FillRestated {
            cum_value: Money::ZERO,
            cum_fee: Money::ZERO,
            fee: Money::new(fee),
            order: OrderId(1),
            execution_id: 1,
            price: Price(price),
            qty: Qty(qty),
            cum_qty: Qty(qty),
            leaves_qty: Qty(1),
            account: ALICE,
            instrument: BTCEUR,
            state,
        }
    }

    #[test]
    fn a_fill_is_booked_corrected_and_taken_back() {
        let mut desk = Desk::<Fills>::new();
        desk.trade(&Trade { price: -10_000, qty: 2500, fee: 10, after: -2500, realized: 700 });
        let of = ["side", "price", "qty", "value", "fee", "fee_currency", "liquidity", "state", "realized"];
        let booked = desk.cells("fills", &key(1), of);
        assert_eq!(booked, ["sell", "100.00", "2.500", "250.00", "0.10", "EUR", "maker", "booked", "7.00"]);

        let changed = |desk: &Desk<Fills>, realized| {
            let of = Trade { after: -2000, realized, ..Trade::default() };
            Event::PositionChanged(desk.changed(&of))
        };
        let (back, again) = (changed(&desk, -700), changed(&desk, 500));
        let (order, execution_id, fee) = (OrderId(1), 1, Money::new(8));
        let (price, qty) = (Price(9900), Qty(2000));
        let corrected = Event::FillRestated(restated(9900, 2000, 8, FillState::Corrected));
        desk.frame(TradeCorrected { order, execution_id, price, qty, fee }, [corrected, back, again]);
        let of = ["price", "qty", "value", "fee", "state", "realized", "first_price", "first_qty"];
        let now = desk.cells("fills", &key(1), of);
        assert_eq!(now, ["99.00", "2.000", "198.00", "0.08", "corrected", "5.00", "100.00", "2.500"]);

        let busted = Event::FillRestated(restated(9900, 0, 0, FillState::Busted));
        let back = changed(&desk, -500);
        desk.frame(TradeBusted { order, execution_id }, [busted, back]);
        let now = desk.cells("fills", &key(1), ["qty", "value", "state", "realized"]);
        assert_eq!(now, ["0.000", "0.00", "busted", "0.00"]);
    }

    #[test]
    fn one_that_fits_no_order_is_kept_and_one_without_a_report_is_poison() {
        let mut desk = Desk::<Fills>::new();
        let (order, execution_id, price, qty) = (OrderId(1), 9, Price(10_000), Qty(1));
        let reason = Reject::FillUnmatched.code();
        let fee_currency = tickwerk_domain::CurrencyId::NONE;
        let (fee, liquidity) = (Money::ZERO, Liquidity::Taker);
        let report = FillReported { order, execution_id, price, qty, fee, fee_currency, liquidity };
        let unmatched = FillUnmatched { order, execution_id, price, qty, reason };
        desk.frame(report, [Event::FillUnmatched(unmatched)]);
        assert_eq!(desk.cells("fills", &key(9), ["state", "reason"]), ["unmatched", "fill_unmatched"]);

        let filled = tickwerk_domain::event::OrderFilled {
            cum_value: Money::ZERO,
            cum_fee: Money::ZERO,
            order,
            last_price: price,
            last_qty: qty,
            cum_qty: qty,
            leaves_qty: Qty::ZERO,
            account: ALICE,
            instrument: BTCEUR,
            side: Side::Buy,
            liquidity,
        };
        desk.frame(TradeBusted { order, execution_id }, [Event::OrderFilled(filled)]);
        assert_eq!(desk.parked(), ["no fill was reported in its frame"]);
        assert_eq!(desk.rows_of("fills"), 1);
    }
}
