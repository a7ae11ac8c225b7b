//! Terms of new orders in the model: what fits what, and what an order may cost at worst.

use super::super::desk::instrument;
use super::model::Model;
use super::money::posted;
use super::risk::{No, no, plain};
use tickwerk_domain::command::NewOrder;
use tickwerk_domain::{
    Contingency, InstrumentId, LimitKind, OrderType, Price, Rate, Reject, Side, TimeInForce, TrailUnit,
};

impl Model {
    /// Whether terms fit each other, the type and the time in force.
    pub(super) fn check_terms(&self, asked: &NewOrder) -> Result<(), No> {
        let of = instrument(asked.instrument);
        let (kind, time) = (asked.order_type, asked.time_in_force);
        let is_immediate = matches!(time, TimeInForce::Ioc | TimeInForce::Fok);
        let is_for_auction = matches!(time, TimeInForce::AtTheOpen | TimeInForce::AtTheClose);
        if !kind.has_limit() && asked.price.0 != 0 {
            return Err(no(Reject::PriceNotAllowed, 0, asked.price.0));
        }
        let is_wrong = kind == OrderType::Market && !is_immediate && !is_for_auction
            || asked.post_only && (!kind.has_limit() || is_immediate)
            || kind.is_triggered() && is_for_auction
            || asked.quantity_in_quote
                && (kind != OrderType::Market || is_for_auction || asked.contingency != Contingency::None);
        if is_wrong {
            return Err(plain(Reject::TermsInvalid));
        }
        let (trigger, offset, tick) = (asked.trigger_price.0, asked.trail_offset, of.tick_size.0);
        let trails = kind == OrderType::TrailingStop;
        if !trails && offset != 0 || !kind.is_triggered() && trigger != 0 {
            return Err(plain(Reject::TermsInvalid));
        }
        if trails {
            let fits = match asked.trail_unit {
                TrailUnit::Price => offset > 0 && offset % tick == 0,
                TrailUnit::BasisPoints => (1..10_000).contains(&offset),
                TrailUnit::Ticks => offset > 0,
            };
            if !fits {
                return Err(no(Reject::TriggerInvalid, 0, offset));
            }
        }
        let is_open = trails && trigger == 0;
        if kind.is_triggered() && !is_open && (trigger <= 0 || trigger % tick != 0) {
            return Err(no(Reject::TriggerInvalid, tick, trigger));
        }
        let (display, qty) = (asked.display_qty.0, asked.qty.0);
        if display != 0 && (!kind.has_limit() || is_immediate) {
            return Err(no(Reject::DisplayQuantityInvalid, 0, display));
        }
        if display != 0 && (display < 0 || display > qty || display % of.lot_size.0 != 0) {
            return Err(no(Reject::DisplayQuantityInvalid, qty, display));
        }
        let (is_dated, ends) = (time == TimeInForce::Gtd, asked.expires_at.0);
        if is_dated && ends <= self.now || !is_dated && ends != 0 {
            return Err(no(Reject::ExpiryInvalid, self.now, ends));
        }
        if (asked.link == 0) != (asked.contingency == Contingency::None) {
            return Err(no(Reject::LinkInvalid, 0, asked.link));
        }
        Ok(())
    }

    /// An order that waits for its trigger as the check is to see it: a stop at its trigger, a buy moved by the collar.
    pub(super) fn at_worst(&self, sent: &NewOrder, order_type: OrderType, trigger: i64) -> NewOrder {
        if order_type.has_limit() || !order_type.is_triggered() || trigger <= 0 {
            return *sent;
        }
        let collar = self.limit((sent.account, sent.instrument), LimitKind::PriceCollar).unwrap_or(0);
        let tick = i128::from(instrument(sent.instrument).tick_size.0);
        let trigger = i128::from(trigger);
        let worst = match sent.side {
            Side::Sell => trigger,
            Side::Buy => {
                let moved = trigger + trigger * i128::from(collar) / i128::from(Rate::ONE.0);
                (moved + tick - 1) / tick * tick
            }
        };
        let price = Price(i64::try_from(worst).expect("collars are narrow"));
        NewOrder { order_type: OrderType::Limit, price, ..*sent }
    }
}

/// The most lots whose value is no more than an amount.
pub(super) fn quantity_for(amount: i64, worst: i64, id: InstrumentId) -> Result<i64, No> {
    let of = instrument(id);
    if amount <= 0 {
        return Err(no(Reject::QuantityNotPositive, 1, amount));
    }
    let fits = |lots: i64| posted(&of, worst, lots * of.lot_size.0).abs() <= i128::from(amount);
    // Doubled until it is too much, then one by one in ever smaller steps.
    let (mut lots, mut step) = (0, 1);
    while fits(lots + step) && lots + step <= of.quantity_max.0 / of.lot_size.0 {
        lots += step;
        step *= 2;
    }
    while step > 0 {
        if fits(lots + step) && lots + step <= of.quantity_max.0 / of.lot_size.0 {
            lots += step;
        }
        step /= 2;
    }
    let (qty, least) = (lots * of.lot_size.0, of.quantity_min.0);
    if qty < least { Err(no(Reject::QuantityBelowMinimum, least, qty)) } else { Ok(qty) }
}
