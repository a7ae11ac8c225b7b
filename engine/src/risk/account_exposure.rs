//! Gross and net exposure and leverage of an account, in the reference currency.
//!
//! Exposure of an instrument is its position with open orders at their worst, valued at the mark. Gross exposure adds
//! up the worse side of each instrument; net exposure adds up one side of all with its sign and takes the worse of both.
//! Leverage is gross exposure ÷ equity. What only reduces a position passes ([`super::reducing`]).

use super::reducing::is_reducing;
use super::settings::bit;
use super::{Refusal, View};
use crate::machine::Narrow;
use crate::market::Market;
use crate::positions::Position;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Instrument, LimitKind, Price, Qty, Rate, Reject, Side};

/// The limits that ask for exposure.
pub(crate) const ASKS: u32 =
    bit(LimitKind::GrossExposure) | bit(LimitKind::NetExposure) | bit(LimitKind::Leverage);

/// Exposure of an account in some instruments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exposure {
    /// Sum of the worse sides.
    pub gross: i128,
    /// Signed sum if all open buys were filled.
    pub long: i128,
    /// Signed sum if all open sells were filled.
    pub short: i128,
}

impl Exposure {
    /// Net exposure at its worse, either way.
    pub fn net(&self) -> i128 {
        self.long.abs().max(self.short.abs())
    }

    /// The sum of both; `None` where it does not fit.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            gross: self.gross.checked_add(other.gross)?,
            long: self.long.checked_add(other.long)?,
            short: self.short.checked_add(other.short)?,
        })
    }

    /// Exposure of one position at a mark, in settlement units. `None` where it does not fit.
    pub fn of(instrument: &Instrument, position: &Position, mark: Price) -> Option<Self> {
        let value = |qty: i64| -> Option<i128> {
            let value = instrument.value_posted(mark, Qty(qty.saturating_abs()))?.abs();
            Some(if qty < 0 { -value } else { value })
        };
        let long = value(position.worst_long())?;
        let short = if position.worst_short() == position.worst_long() {
            long
        } else {
            value(position.worst_short())?
        };
        Some(Self { gross: long.abs().max(short.abs()), long, short })
    }
}

/// Exposure after the order against its limits; gives the gross exposure, 0 where no limit asks.
pub(super) fn check(order: &NewOrder, view: &View<'_>, price: Price) -> Result<i128, Refusal> {
    if !view.limits.has_any(ASKS) {
        return Ok(0);
    }
    let (mut buys, mut sells) = (view.position.open_buys, view.position.open_sells);
    match order.side {
        Side::Buy => buys = buys.saturating_add(order.qty.0),
        Side::Sell => sells = sells.saturating_add(order.qty.0),
    }
    let worst = (view.position.qty.saturating_add(buys), view.position.qty.saturating_sub(sells));
    match view.machine.exposure_quickly(order.account, order.instrument, worst) {
        Some((after, equity)) if is_within(view, &after, equity) => Ok(after.gross.into()),
        Some((after, equity)) => against_limits(order, view, &after.wide(), || equity),
        None => check_the_long_way(order, view, price),
    }
}

/// Whether no limit is passed, where the equity is known if it is asked for.
#[inline]
fn is_within(view: &View<'_>, after: &Narrow, equity: Option<i128>) -> bool {
    let limits = view.limits;
    limits.get(LimitKind::GrossExposure).is_none_or(|limit| after.gross <= limit)
        && limits.get(LimitKind::NetExposure).is_none_or(|limit| after.net() <= limit)
        && limits.get(LimitKind::Leverage).is_none_or(|limit| {
            equity.is_some_and(|equity| !is_leverage_above(after.gross.into(), equity, limit))
        })
}

#[cold]
fn check_the_long_way(order: &NewOrder, view: &View<'_>, price: Price) -> Result<i128, Refusal> {
    match after_the_long_way(order, view, price) {
        Ok(after) => against_limits(order, view, &after, || view.machine.equity_known(order.account)),
        // What cannot be counted does not keep a position from being closed.
        Err(_) if is_reducing(order, view) => Ok(0),
        Err(reason) => Err(Refusal::plain(reason)),
    }
}

/// What only reduces passes.
fn against_limits(
    order: &NewOrder,
    view: &View<'_>,
    after: &Exposure,
    equity: impl FnOnce() -> Option<i128>,
) -> Result<i128, Refusal> {
    if is_reducing(order, view) {
        return Ok(after.gross);
    }
    if let Some(limit) = view.limits.get(LimitKind::GrossExposure)
        && after.gross > i128::from(limit)
    {
        return Err(Refusal::new(Reject::GrossExposureAboveLimit, limit, after.gross));
    }
    if let Some(limit) = view.limits.get(LimitKind::NetExposure)
        && after.net() > i128::from(limit)
    {
        return Err(Refusal::new(Reject::NetExposureAboveLimit, limit, after.net()));
    }
    if let Some(limit) = view.limits.get(LimitKind::Leverage) {
        let equity = equity().ok_or(Refusal::plain(Reject::NoConversionRate))?;
        if is_leverage_above(after.gross, equity, limit) {
            let leverage = leverage(after.gross, equity);
            return Err(Refusal::new(Reject::LeverageAboveLimit, limit, leverage));
        }
    }
    Ok(after.gross)
}

fn after_the_long_way(order: &NewOrder, view: &View<'_>, price: Price) -> Result<Exposure, Reject> {
    let side = view.machine.position_side(order);
    let with_order = |of, position: &Position| {
        let mut position = *position;
        if of == side {
            let open = position.open_mut(order.side);
            *open = open.saturating_add(order.qty.0);
        }
        position
    };
    let own = view.machine.own_exposure(order.account, order.instrument, Some(price), with_order)?;
    view.machine.exposure_with(order.account, order.instrument, &own)
}

/// The price that positions are valued at: the mark, rounded towards zero.
pub(crate) fn mark_of(market: &Market) -> Option<Price> {
    let (low, high) = market.mark()?;
    low.0.checked_add(high.0).map(|twice| Price(twice / 2))
}

/// Whether [`leverage`] is above `limit`, which is no less than 0; without a division where all fits 64 bits.
#[inline]
pub(crate) fn is_leverage_above(gross: i128, equity: i128, limit: i64) -> bool {
    match (u64::try_from(gross), u64::try_from(equity)) {
        (Ok(gross), Ok(equity)) if equity > 0 => {
            let scaled = u128::from(gross) * u128::from(Rate::ONE.0.unsigned_abs());
            scaled > u128::from(equity) * u128::from(limit.unsigned_abs())
        }
        (Ok(_) | Err(_), Ok(_) | Err(_)) => leverage(gross, equity) > i128::from(limit),
    }
}

/// Gross exposure ÷ equity in units of 10⁻⁸, rounded up; without equity anything at all is beyond every limit.
pub(crate) fn leverage(gross: i128, equity: i128) -> i128 {
    if gross == 0 {
        return 0;
    }
    let Some(scaled) = gross.checked_mul(i128::from(Rate::ONE.0)).filter(|_| equity > 0) else {
        return i128::MAX;
    };
    // Nearly all figures fit 64 bits with room, where a division costs a fraction.
    match (u64::try_from(scaled), u64::try_from(equity)) {
        (Ok(scaled), Ok(equity)) => i128::from(scaled.div_ceil(equity)),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => scaled / equity + i128::from(scaled % equity != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_leverage_is_above_a_limit_with_and_without_a_division(
            gross in prop_oneof![0..1_000_i128, 0..1_i128 << 70, 0..=i128::MAX],
            equity in prop_oneof![-5..1_000_i128, -5..1_i128 << 70, any::<i128>()],
            near in -2..3_i64,
            limit in 0..=i64::MAX,
        ) {
            let close = i64::try_from(leverage(gross, equity)).unwrap_or(i64::MAX).saturating_add(near).max(0);
            for limit in [limit, close] {
                let is_above = leverage(gross, equity) > i128::from(limit);
                prop_assert_eq!(is_leverage_above(gross, equity, limit), is_above);
            }
        }
    }
}
