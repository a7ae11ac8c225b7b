//! Rows that are of neither orders nor the market: cash, funding, positions and balances.

use super::{BalanceRow, FundingRow, PositionRow, StatedUse, TransferRow};
use crate::refusal::Fault;
use crate::text;
use crate::values::Cells;
use tickwerk_domain::{CurrencyId, InstrumentId, InstrumentKind, PositionMode, PositionSide, Price};

pub(super) fn transfer(cells: &Cells<'_>) -> Result<TransferRow, Fault> {
    cells.told("id", |field| cells.id(field))?;
    let time = cells.time("time")?;
    let (account, currency) = (cells.account()?, cells.currency("currency")?);
    let amount = signed_amount(cells, currency)?;
    let reason = cells.text("reason").map(str::to_owned);
    if let Some(fault) = reason.as_deref().and_then(text::fault_of) {
        return Err(cells.fault("reason", fault, "leave `reason` out, or shorten what stands there"));
    }
    Ok(TransferRow { time, account, currency, amount, reason })
}

/// An amount that comes or leaves, by its sign or by `direction`.
fn signed_amount(cells: &Cells<'_>, currency: CurrencyId) -> Result<i128, Fault> {
    let amount = cells.money("amount", currency)?;
    let amount = match cells.told("direction", |field| cells.word(field))? {
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
    Ok(amount)
}

/// Funding. Which position it is of may be known only where the row has its place.
pub(super) fn funding(cells: &Cells<'_>) -> Result<FundingRow, Fault> {
    cells.told("id", |field| cells.id(field))?;
    let time = cells.time("time")?;
    let (account, instrument) = (cells.account()?, cells.symbol()?);
    let terms = cells.names.instrument(instrument);
    if terms.kind == InstrumentKind::Spot {
        return Err(cells.fault(
            "symbol",
            "is a spot instrument, which has no funding",
            "import the row as a transfer",
        ));
    }
    if cells.text("currency").is_some() && cells.currency("currency")? != terms.settlement {
        let settlement = cells.names.text(cells.names.currency(terms.settlement).code);
        let reason = format!("is not {settlement}, which the contract settles in");
        return Err(cells.fault("currency", reason, "mend the row, or import it as a transfer"));
    }
    let amount = signed_amount(cells, terms.settlement)?;
    let told = cells.told("side", |field| cells.word(field))?;
    let told = told.map(|word| PositionSide::from_word(word).expect("words of ours"));
    let side = match (cells.names.account(account).mode, told) {
        (PositionMode::Netting, None | Some(PositionSide::Net)) => Some(PositionSide::Net),
        (PositionMode::Hedging, None | Some(PositionSide::Long | PositionSide::Short)) => told,
        (mode @ PositionMode::Netting, Some(PositionSide::Long | PositionSide::Short))
        | (mode @ PositionMode::Hedging, Some(PositionSide::Net)) => {
            let reason = format!("is no side of a position of an account that counts by {mode}");
            return Err(cells.fault("side", reason, "leave `side` out, or mend it"));
        }
    };
    let (rate, price) = (cells.rate_or_zero("rate")?, cells.price_or_none("price", instrument)?);
    Ok(FundingRow { time, account, instrument, side, amount, rate, price: price.unwrap_or(Price(0)) })
}

pub(super) fn position(cells: &Cells<'_>) -> Result<PositionRow, Fault> {
    let time = cells.time("time")?;
    let (account, instrument) = (cells.account()?, cells.symbol()?);
    let qty = cells.signed_qty("qty", instrument)?;
    let purpose = purpose(cells);
    let price = position_price(cells, instrument, purpose == StatedUse::Open && qty.0 != 0)?;
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
    Ok(PositionRow { time, account, instrument, side, qty, price, purpose })
}

/// The average price. Where nothing opens, sources write nothing or 0 for none.
fn position_price(cells: &Cells<'_>, instrument: InstrumentId, opens: bool) -> Result<Price, Fault> {
    match cells.text("price") {
        None if opens => {
            Err(cells.fault("price", "is empty", "a position that opens needs its average price"))
        }
        None => Ok(Price(0)),
        Some(_) if !opens && cells.is_nothing("price", instrument)? => Ok(Price(0)),
        Some(_) => cells.price("price", instrument),
    }
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
