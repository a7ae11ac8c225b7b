//! Rows of the market: trades, bars and quotes.

use super::{QuoteRow, TradeRow};
use crate::refusal::Fault;
use crate::values::Cells;
use tickwerk_domain::{Aggressor, DurationNs, Price, Qty};

pub(super) fn trade(cells: &Cells<'_>) -> Result<TradeRow, Fault> {
    let instrument = cells.symbol()?;
    Ok(TradeRow {
        time: cells.time("time")?,
        id: cells.number_or("id", 0)?,
        instrument,
        price: cells.positive_price("price", instrument)?,
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
        cells.positive_price("open", instrument)?,
        cells.positive_price("high", instrument)?,
        cells.positive_price("low", instrument)?,
        cells.positive_price("close", instrument)?,
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

/// The best bid and ask; a side without price and quantity is none. Where the quantity is a constant, nobody knows it, and
/// the price alone says whether there is a side.
pub(super) fn quote(cells: &Cells<'_>) -> Result<QuoteRow, Fault> {
    let instrument = cells.symbol()?;
    let side = |price_field: &str, qty_field: &str| {
        let qty = cells.told(qty_field, |field| cells.signed_qty(field, instrument))?;
        let told = cells.text(price_field).is_some();
        match qty {
            Some(qty) if qty.0 < 0 => Err(cells.fault(qty_field, "is negative", "mend the row")),
            Some(qty) if qty.0 > 0 && cells.is_constant(qty_field) => {
                let price = cells.price_or_none(price_field, instrument)?;
                Ok(price.map_or((Price(0), Qty::ZERO), |price| (price, qty)))
            }
            Some(qty) if qty.0 > 0 && told => Ok((cells.positive_price(price_field, instrument)?, qty)),
            Some(qty) if qty.0 > 0 => {
                let remedy = "fill it in, or make the quantity 0 where there was none";
                Err(cells.fault(price_field, "is empty, while something rests there", remedy))
            }
            None if told => {
                let remedy = "where the source has no quantities, give a constant such as \"1\"; 0 says that there was none";
                Err(cells.fault(qty_field, "is empty, while there is a price", remedy))
            }
            Some(_) | None => Ok((Price(0), Qty::ZERO)),
        }
    };
    let (bid, ask) = (side("bid_price", "bid_qty")?, side("ask_price", "ask_qty")?);
    Ok(QuoteRow { time: cells.time("time")?, id: cells.number_or("id", 0)?, instrument, bid, ask })
}
