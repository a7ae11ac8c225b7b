//! Rows of orders: entries, amendments and executions.

use super::{AmendmentRow, FillOrder, FillRow, FinalStatus, OrderRow, OrderSymbol, REMEDY_NOT_OPEN};
use crate::refusal::Fault;
use crate::values::Cells;
use tickwerk_domain::{
    ClientOrderId, CurrencyId, Liquidity, OrderType, PositionEffect, Price, Side, TimeInForce, TimeNs,
};

fn side(cells: &Cells<'_>) -> Result<Side, Fault> {
    Ok(Side::from_word(cells.word("side")?).expect("sides are words of ours"))
}

fn effect(cells: &Cells<'_>) -> Result<PositionEffect, Fault> {
    let word = cells.word_or("position_effect", "auto")?;
    Ok(PositionEffect::from_word(word).expect("effects are words of ours"))
}

pub(super) fn order(cells: &Cells<'_>) -> Result<OrderRow, Fault> {
    let id = cells.id("id")?.to_owned();
    let time = cells.time("time")?;
    let (account, instrument) = (cells.account()?, cells.symbol()?);
    let order_type = OrderType::from_word(cells.word("type")?).expect("types are words of ours");
    let default = if order_type == OrderType::Market { "ioc" } else { "gtc" };
    let time_in_force =
        TimeInForce::from_word(cells.word_or("time_in_force", default)?).expect("words of ours");
    if order_type.has_limit() && cells.text("price").is_none() {
        let remedy = format!("a {order_type} order has a limit price; map it");
        return Err(cells.fault("price", "is empty", remedy));
    }
    // Sources write anything where a type has no such price.
    let price = if order_type.has_limit() { cells.positive_price("price", instrument)? } else { Price(0) };
    let trigger_price =
        if order_type.is_triggered() { cells.price_or_none("trigger_price", instrument)? } else { None };
    let status = match cells.word("status")? {
        "open" => FinalStatus::Open,
        "filled" => FinalStatus::Filled,
        "canceled" => FinalStatus::Canceled,
        "rejected" => FinalStatus::Rejected,
        _ => FinalStatus::Expired,
    };
    let done_at = cells.time_or_none("done_at")?;
    let ends_by_itself = match status {
        FinalStatus::Open | FinalStatus::Filled => false,
        FinalStatus::Canceled | FinalStatus::Rejected | FinalStatus::Expired => true,
    };
    if ends_by_itself && done_at.is_none() {
        let remedy = "map `done_at`; where the source has no such time, map the column of `time`";
        return Err(cells.fault("done_at", "is empty, and the order has ended", remedy));
    }
    if done_at.is_some_and(|done| done < time) {
        return Err(cells.fault("done_at", "lies before the order was entered", "mend the row"));
    }
    let client_order_id = client_order_id(cells, &id)?;
    let filled_qty = cells.told("filled_qty", |field| cells.signed_qty(field, instrument))?;
    Ok(OrderRow {
        time,
        account,
        instrument,
        side: side(cells)?,
        order_type,
        time_in_force,
        position_effect: effect(cells)?,
        strategy: cells.strategy()?,
        qty: cells.qty("qty", instrument)?,
        price,
        trigger_price: trigger_price.unwrap_or(Price(0)),
        expires_at: cells.time_or_none("expires_at")?.unwrap_or(TimeNs::UNKNOWN),
        client_order_id,
        venue_order_id: cells.number_or("venue_order_id", 0)?,
        status,
        done_at: done_at.filter(|_| ends_by_itself),
        filled_qty,
        id,
    })
}

/// The client's name for an order; the id itself where no other is mapped and it fits.
fn client_order_id(cells: &Cells<'_>, id: &str) -> Result<ClientOrderId, Fault> {
    match cells.text("client_order_id") {
        None => Ok(ClientOrderId::new(id).unwrap_or(ClientOrderId::NONE)),
        Some(text) => ClientOrderId::new(text).map_err(|error| {
            cells.fault(
                "client_order_id",
                error.to_string(),
                "leave the field out, or shorten what stands there",
            )
        }),
    }
}

pub(super) fn amendment(cells: &Cells<'_>, of_order: OrderSymbol<'_>) -> Result<AmendmentRow, Fault> {
    let order = cells.id("order")?.to_owned();
    let instrument = of_order(&order)
        .ok_or_else(|| cells.fault("order", "is no order that was open then", REMEDY_NOT_OPEN))?;
    let row = AmendmentRow {
        time: cells.time("time")?,
        qty: cells.told("qty", |field| cells.qty(field, instrument))?,
        price: cells.price_or_none("price", instrument)?,
        trigger_price: cells.price_or_none("trigger_price", instrument)?,
        venue_order_id: cells.number_or("venue_order_id", 0)?,
        order,
    };
    if (row.qty, row.price, row.trigger_price) == (None, None, None) {
        return Err(cells.fault(
            "qty",
            "and both prices are empty",
            "leave rows that change nothing out by `only`",
        ));
    }
    Ok(row)
}

pub(super) fn fill(cells: &Cells<'_>, of_order: OrderSymbol<'_>) -> Result<FillRow, Fault> {
    let id = cells.id("id")?.to_owned();
    let time = cells.time("time")?;
    let order = match cells.told("order", |field| cells.id(field))? {
        Some(order) => FillOrder::Named {
            id: order.to_owned(),
            account: cells.told("account", |_| cells.account())?,
            instrument: cells.told("symbol", |_| cells.symbol())?,
            side: cells.told("side", |_| side(cells))?,
        },
        None => FillOrder::Own {
            account: cells.account()?,
            instrument: cells.symbol()?,
            side: side(cells)?,
            position_effect: effect(cells)?,
            strategy: cells.strategy()?,
        },
    };
    let instrument = match &order {
        FillOrder::Own { instrument, .. } | FillOrder::Named { instrument: Some(instrument), .. } => {
            *instrument
        }
        FillOrder::Named { id, instrument: None, .. } => of_order(id)
            .ok_or_else(|| cells.fault("order", "is no order that was open then", REMEDY_NOT_OPEN))?,
    };
    let fee_currency = cells.told("fee_currency", |field| cells.currency(field))?.unwrap_or_default();
    let settlement = cells.names.instrument(instrument).settlement;
    let of_fee = if fee_currency.is_none() { settlement } else { fee_currency };
    let fee = cells.told("fee", |field| cells.money(field, of_fee))?.unwrap_or(0);
    Ok(FillRow {
        time,
        instrument,
        price: cells.price("price", instrument)?,
        qty: cells.qty("qty", instrument)?,
        fee,
        fee_currency: if fee_currency == settlement { CurrencyId::NONE } else { fee_currency },
        liquidity: Liquidity::from_word(cells.word("liquidity")?).expect("words of ours"),
        order,
        id,
    })
}
