//! The risk check: what an order must pass before it leaves. Reads only; the caller books the result.
//!
//! Units: prices and quantities at the instrument's scales, money at the settlement currency's. A refusal carries the
//! limit and the value seen, in the unit of its rule. A cancel passes no rule at all.

pub mod exposure;
pub mod settings;

use crate::accounts::{Account, Balance};
use crate::market::Market;
use crate::positions::Position;
use exposure::Reservation;
use settings::Effective;
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{Instrument, OrderType, Price, Qty, Rate, Reject, Side, TradingState};

/// What the check reads.
#[derive(Debug)]
pub struct View<'a> {
    /// The instrument.
    pub instrument: &'a Instrument,
    /// Its market.
    pub market: &'a Market,
    /// The account.
    pub account: &'a Account,
    /// The account's position in the instrument.
    pub position: &'a Position,
    /// What the account has of the settlement currency.
    pub settlement: &'a Balance,
    /// What the account has of the base currency.
    pub base: &'a Balance,
    /// Base-currency units in one quantity unit; spot only.
    pub base_factor: i128,
    /// Profit of all open positions of the account that settle in the same currency; contracts only.
    pub unrealized: i128,
    /// The limits that apply.
    pub limits: Effective,
    /// Whether the order stays in the core for now; its price is looked at when it leaves.
    pub is_held: bool,
}

/// Why an order may not enter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The rule.
    pub reason: Reject,
    /// The limit.
    pub limit: i128,
    /// The value seen.
    pub observed: i128,
}

impl Refusal {
    /// A refusal of a rule that compares nothing.
    pub fn plain(reason: Reject) -> Self {
        Self { reason, limit: 0, observed: 0 }
    }

    fn new(reason: Reject, limit: impl Into<i128>, observed: impl Into<i128>) -> Self {
        Self { reason, limit: limit.into(), observed: observed.into() }
    }
}

/// Largest position of all, far from where sums of an `i64` could overflow.
const POSITION_MAX: i64 = 1 << 61;
/// Largest spot position in units of the base currency, far from where sums of an `i128` could overflow.
const BASE_UNITS_MAX: i128 = 1 << 100;

/// Answers whether `order` may enter, and what it ties up.
pub fn check(order: &NewOrder, view: &View<'_>) -> Result<Reservation, Refusal> {
    check_switches(order, view)?;
    check_terms(order, view.instrument, &view.limits)?;
    let worst_price = check_price(order, view)?;
    check_notional(order, view, worst_price)?;
    check_position(order, view)?;
    check_open_orders(view)?;
    exposure::check_buying_power(order, view, worst_price)
}

/// Kill switch and trading state.
fn check_switches(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    if view.limits.is_killed {
        return Err(Refusal::plain(Reject::KillSwitch));
    }
    match view.limits.state {
        TradingState::Active => Ok(()),
        TradingState::Halted => Err(Refusal::plain(Reject::TradingHalted)),
        TradingState::ReduceOnly => {
            let (open, already) = match order.side {
                Side::Buy => (view.position.qty.saturating_neg(), view.position.open_buys),
                Side::Sell => (view.position.qty, view.position.open_sells),
            };
            let room = open.saturating_sub(already).max(0);
            if order.qty.0 <= room {
                Ok(())
            } else {
                Err(Refusal::new(Reject::ReduceOnly, room, order.qty.0))
            }
        }
    }
}

/// Tick, lot, minimum and maximum quantity.
fn check_terms(order: &NewOrder, instrument: &Instrument, limits: &Effective) -> Result<(), Refusal> {
    let (price, qty) = (order.price.0, order.qty.0);
    match order.order_type {
        OrderType::Market if price != 0 => return Err(Refusal::new(Reject::PriceNotAllowed, 0, price)),
        OrderType::Limit if price <= 0 => return Err(Refusal::new(Reject::PriceNotPositive, 1, price)),
        OrderType::Limit if price % instrument.tick_size.0 != 0 => {
            return Err(Refusal::new(Reject::PriceOffTick, instrument.tick_size.0, price));
        }
        OrderType::Market | OrderType::Limit => {}
        OrderType::Stop
        | OrderType::StopLimit
        | OrderType::TrailingStop
        | OrderType::MarketIfTouched
        | OrderType::LimitIfTouched => return Err(Refusal::plain(Reject::TermsInvalid)),
    }
    if qty <= 0 {
        return Err(Refusal::new(Reject::QuantityNotPositive, 1, qty));
    }
    if qty % instrument.lot_size.0 != 0 {
        return Err(Refusal::new(Reject::QuantityOffLot, instrument.lot_size.0, qty));
    }
    if qty < instrument.quantity_min.0 {
        return Err(Refusal::new(Reject::QuantityBelowMinimum, instrument.quantity_min.0, qty));
    }
    let qty_max =
        limits.order_quantity.map_or(instrument.quantity_max.0, |limit| limit.min(instrument.quantity_max.0));
    if qty > qty_max {
        return Err(Refusal::new(Reject::QuantityAboveLimit, qty_max, qty));
    }
    Ok(())
}

/// Stale market and price collar. Gives the price that the order may cost at worst.
fn check_price(order: &NewOrder, view: &View<'_>) -> Result<Price, Refusal> {
    if view.market.is_stale() {
        return Err(Refusal::plain(Reject::StaleMarket));
    }
    let reference_twice = view.market.reference_twice();
    let collar = view.limits.price_collar.filter(|_| !view.is_held);
    match (order.order_type.has_limit(), reference_twice, collar) {
        (true, _, None) => Ok(order.price),
        (true, Some(reference_twice), Some(collar)) => {
            let price_twice = i128::from(order.price.0) * 2;
            let reference = i128::from(reference_twice);
            let distance = (price_twice - reference).abs() * i128::from(Rate::ONE.0);
            if distance > reference.abs().saturating_mul(i128::from(collar)) {
                return Err(Refusal::new(Reject::PriceOutsideCollar, reference / 2, order.price.0));
            }
            Ok(order.price)
        }
        (_, None, _) => Err(Refusal::plain(Reject::NoReferencePrice)),
        (false, Some(_), collar) => market_price(order.side, view.market, collar.unwrap_or(0)),
    }
}

/// Answers whether an order may be held that ties up nothing before it leaves: switches, price and quantity alone.
pub fn check_held(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    check_switches(order, view)?;
    check_terms(order, view.instrument, &view.limits)
}

/// The touch that a market order meets, moved against it by the collar.
pub(crate) fn market_price(side: Side, market: &Market, collar: i64) -> Result<Price, Refusal> {
    let touch = market.touch.opposite(side);
    let price = if touch.qty > Qty::ZERO { touch.price } else { market.last_trade.price };
    let slack = match side {
        Side::Buy => i128::from(price.0) * i128::from(collar) / i128::from(Rate::ONE.0),
        Side::Sell => 0,
    };
    let worst =
        i64::try_from(i128::from(price.0) + slack).map_err(|_| Refusal::plain(Reject::ValueOverflow))?;
    if worst <= 0 { Err(Refusal::plain(Reject::NoReferencePrice)) } else { Ok(Price(worst)) }
}

fn check_notional(order: &NewOrder, view: &View<'_>, price: Price) -> Result<(), Refusal> {
    let notional = view
        .instrument
        .value_posted(price, order.qty)
        .ok_or_else(|| Refusal::plain(Reject::ValueOverflow))?;
    let own = Some(view.instrument.notional_max.get()).filter(|limit| *limit > 0);
    let set = view.limits.order_notional.map(i128::from);
    let limit = own.into_iter().chain(set).min();
    match limit {
        Some(limit) if notional.abs() > limit => {
            Err(Refusal::new(Reject::NotionalAboveLimit, limit, notional.abs()))
        }
        Some(_) | None => Ok(()),
    }
}

/// The account's open orders with this one.
fn check_open_orders(view: &View<'_>) -> Result<(), Refusal> {
    let open_orders = i64::from(view.account.open_orders) + 1;
    match view.limits.open_orders {
        Some(limit) if open_orders > limit => {
            Err(Refusal::new(Reject::OpenOrdersAboveLimit, limit, open_orders))
        }
        Some(_) | None => Ok(()),
    }
}

/// The position with open orders at their worst. An order that only brings a position back towards zero passes.
fn check_position(order: &NewOrder, view: &View<'_>) -> Result<(), Refusal> {
    let units_max = i64::try_from(BASE_UNITS_MAX / view.base_factor.max(1)).unwrap_or(i64::MAX);
    let limit = view.limits.position_quantity.unwrap_or(i64::MAX).min(POSITION_MAX).min(units_max);
    let worst = match order.side {
        Side::Buy => view.position.worst_long().saturating_add(order.qty.0),
        Side::Sell => view.position.worst_short().saturating_sub(order.qty.0).saturating_neg(),
    };
    if worst > limit { Err(Refusal::new(Reject::PositionAboveLimit, limit, worst)) } else { Ok(()) }
}
