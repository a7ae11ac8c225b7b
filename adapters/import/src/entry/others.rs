//! Rows that are not of orders: cash, positions, and the market.

use super::{BalanceRow, PositionRow, StatedUse, TradeRow, TransferRow};
use crate::refusal::Fault;
use crate::text;
use crate::values::Cells;
use tickwerk_domain::{Aggressor, DurationNs, PositionMode, PositionSide, Price, Qty};

pub(super) fn transfer(cells: &Cells<'_>) -> Result<TransferRow, Fault> {
    cells.text("id").map(|_| cells.id("id")).transpose()?;
    let time = cells.time("time")?;
    let (account, currency) = (cells.account()?, cells.currency("currency")?);
    let amount = cells.money("amount", currency)?;
    let amount = match cells.text("direction").map(|_| cells.word("direction")).transpose()? {
        Some(_) if amount < 0 => {
            let remedy = "leave `direction` out where amounts have signs";
            return Err(cells.fault("amount", "is negative, and `direction` says which way", remedy));
        }
        Some("out") => -amount,
        None | Some(_) => amount,
    };
    if amount == 0 {
        return Err(cells.fault("amount", "moves nothing", "leave such rows out by `only`"));
    }
    let reason = cells.text("reason").map(str::to_owned);
    if let Some(fault) = reason.as_deref().and_then(text::fault_of) {
        return Err(cells.fault("reason", fault, "leave `reason` out, or shorten what stands there"));
    }
    Ok(TransferRow { time, account, currency, amount, reason })
}

pub(super) fn position(cells: &Cells<'_>) -> Result<PositionRow, Fault> {
    let time = cells.time("time")?;
    let (account, instrument) = (cells.account()?, cells.symbol()?);
    let qty = cells.signed_qty("qty", instrument)?;
    let purpose = purpose(cells);
    let price = cells.price_or_none("price", instrument)?;
    if purpose == StatedUse::Open && qty.0 != 0 && price.is_none() {
        return Err(cells.fault("price", "is empty", "a position that opens needs its average price"));
    }
    let mode = cells.names.account(account).mode;
    let by_sign = match mode {
        PositionMode::Netting => "net",
        PositionMode::Hedging if qty.0 < 0 => "short",
        PositionMode::Hedging => "long",
    };
    let side = PositionSide::from_word(cells.word_or("side", by_sign)?).expect("words of ours");
    let fits = match (mode, side) {
        (PositionMode::Netting, PositionSide::Net) => true,
        (PositionMode::Hedging, PositionSide::Long) => qty.0 >= 0,
        (PositionMode::Hedging, PositionSide::Short) => qty.0 <= 0,
        (PositionMode::Netting, PositionSide::Long | PositionSide::Short)
        | (PositionMode::Hedging, PositionSide::Net) => false,
    };
    if !fits {
        let reason = format!("is no side of such a position of an account that counts by {mode}");
        return Err(cells.fault("side", reason, "leave `side` out, or mend the sign of `qty`"));
    }
    Ok(PositionRow { time, account, instrument, side, qty, price: price.unwrap_or(Price(0)), purpose })
}

fn purpose(cells: &Cells<'_>) -> StatedUse {
    if cells.source.is_check { StatedUse::Check } else { StatedUse::Open }
}

pub(super) fn balance(cells: &Cells<'_>) -> Result<BalanceRow, Fault> {
    let time = cells.time("time")?;
    let (account, currency) = (cells.account()?, cells.currency("currency")?);
    let amount = cells.money("amount", currency)?;
    Ok(BalanceRow { time, account, currency, amount, purpose: purpose(cells) })
}

pub(super) fn trade(cells: &Cells<'_>) -> Result<TradeRow, Fault> {
    let instrument = cells.symbol()?;
    Ok(TradeRow {
        time: cells.time("time")?,
        id: cells.number_or("id", 0)?,
        instrument,
        price: cells.price("price", instrument)?,
        qty: cells.qty("qty", instrument)?,
        aggressor: Aggressor::from_word(cells.word_or("aggressor", "unknown")?).expect("words of ours"),
    })
}

/// A bar as four trades that have its open, high, low, close and volume: at its beginning, a third and two thirds of it
/// later, and at its last nanosecond. A bar that rose goes by its low first, another by its high. Each of the first three
/// has a quarter of the volume, cut to whole units, the last has the rest.
pub(super) fn candle(cells: &Cells<'_>) -> Result<Vec<TradeRow>, Fault> {
    let instrument = cells.symbol()?;
    let begins = cells.time("time")?;
    let [open, high, low, close] = [
        cells.price("open", instrument)?,
        cells.price("high", instrument)?,
        cells.price("low", instrument)?,
        cells.price("close", instrument)?,
    ];
    if high < open.max(close) {
        return Err(cells.fault(
            "high",
            "is lower than open or close",
            "mend the row, or map another column",
        ));
    }
    if low > open.min(close) {
        return Err(cells.fault(
            "low",
            "is higher than open or close",
            "mend the row, or map another column",
        ));
    }
    let volume = cells.signed_qty("volume", instrument)?;
    if volume.0 < 0 {
        return Err(cells.fault("volume", "is negative", "mend the row"));
    }
    if volume.0 == 0 {
        return Ok(Vec::new());
    }
    let (second, third) = if close >= open { (low, high) } else { (high, low) };
    let span = cells.source.period;
    let quarter = volume.0 / 4;
    let parts = [
        (0, open, quarter),
        (span.0 / 3, second, quarter),
        (span.0 / 3 * 2, third, quarter),
        (span.0 - 1, close, volume.0 - 3 * quarter),
    ];
    let trade = |(later, price, qty): (u64, Price, i64)| TradeRow {
        time: begins.saturating_add(DurationNs(later)),
        id: 0,
        instrument,
        price,
        qty: Qty(qty),
        aggressor: Aggressor::Unknown,
    };
    Ok(parts.map(trade).to_vec())
}
