//! Orders, replaces and cancels.

use super::Fault;
use super::fields::Fields;
use serde_json::Value;
use tickwerk_domain::command::{CancelOrder, MassCancel, NewOrder, ReplaceOrder};
use tickwerk_domain::{
    Contingency, Instrument, OrderType, PositionEffect, Price, Qty, Side, SideFilter, TextId, TimeInForce,
    TrailUnit, TriggerBy,
};

pub(super) const NEW: &[&str] = &[
    "account",
    "instrument",
    "client_order_id",
    "side",
    "order_type",
    "time_in_force",
    "price",
    "quantity",
    "quantity_in_quote",
    "trigger_price",
    "trigger_by",
    "trail_offset",
    "trail_unit",
    "display_quantity",
    "expires_at",
    "post_only",
    "reduce_only",
    "position_effect",
    "link",
    "contingency",
    "venue",
];
pub(super) const REPLACE: &[&str] = &[
    "account",
    "client_order_id",
    "order_id",
    "instrument",
    "price",
    "quantity",
    "trigger_price",
    "display_quantity",
];
pub(super) const CANCEL: &[&str] = &["account", "client_order_id", "order_id"];
pub(super) const MASS_CANCEL: &[&str] = &["account", "instrument", "strategy", "side", "reason"];

impl Fields<'_> {
    pub(super) fn new_order(&self) -> Result<NewOrder, Fault> {
        let account = self.account()?;
        let instrument = self.instrument()?;
        let order_type = self.word("order_type", OrderType::from_word, OrderType::ALL)?;
        let default_time = if order_type == OrderType::Market { TimeInForce::Ioc } else { TimeInForce::Gtc };
        let time_in_force = match self.given("time_in_force") {
            None => default_time,
            Some(_) => self.word("time_in_force", TimeInForce::from_word, TimeInForce::ALL)?,
        };
        let price = self.limit_price(order_type, instrument)?;
        let quantity_in_quote = self.optional_flag("quantity_in_quote")?;
        let quantity_scale =
            if quantity_in_quote { instrument.settlement_scale } else { instrument.quantity_scale };
        let side = self.word("side", Side::from_word, Side::ALL)?;
        let trail_unit = self.word_or_first("trail_unit", TrailUnit::from_word, TrailUnit::ALL)?;
        let trail_scale = match trail_unit {
            TrailUnit::Price => instrument.price_scale,
            TrailUnit::BasisPoints | TrailUnit::Ticks => 0,
        };
        Ok(NewOrder {
            price,
            qty: Qty(self.positive("quantity", quantity_scale)?),
            trigger_price: Price(self.optional_positive("trigger_price", instrument.price_scale)?),
            trail_offset: self.optional_positive("trail_offset", trail_scale)?,
            display_qty: Qty(self.optional_positive("display_quantity", instrument.quantity_scale)?),
            expires_at: self.optional_time("expires_at")?,
            link: self.optional_number("link")?.unwrap_or(0),
            account,
            instrument: instrument.instrument,
            client_order_id: self.client_order_id()?,
            venue: self.optional_venue("venue")?,
            side,
            order_type,
            time_in_force,
            contingency: self.word_or_first("contingency", Contingency::from_word, Contingency::ALL)?,
            trail_unit,
            trigger_by: self.word_or_first("trigger_by", TriggerBy::from_word, TriggerBy::ALL)?,
            position_effect: self.word_or_first(
                "position_effect",
                PositionEffect::from_word,
                PositionEffect::ALL,
            )?,
            post_only: self.optional_flag("post_only")?,
            reduce_only: self.optional_flag("reduce_only")?,
            quantity_in_quote,
        })
    }

    /// The limit price; 0 for a type that has none.
    fn limit_price(&self, order_type: OrderType, instrument: &Instrument) -> Result<Price, Fault> {
        match (order_type.has_limit(), self.given("price")) {
            (true, None) => {
                let message = format!("a {order_type} order needs a price");
                Err(Fault::new("missing_field", "price", Value::Null, message))
            }
            (false, Some(price)) => {
                let message = format!("a {order_type} order has no price; leave it out");
                Err(Fault::invalid("price", price.clone(), message))
            }
            (true, Some(_)) => self.positive("price", instrument.price_scale).map(Price),
            (false, None) => Ok(Price(0)),
        }
    }

    /// A replace names the instrument too, as its scales say what the decimals mean.
    pub(super) fn replace_order(&self) -> Result<ReplaceOrder, Fault> {
        let account = self.account()?;
        let (order, client_order_id) = self.order_or_name()?;
        let instrument = self.instrument()?;
        let price = |field| self.optional_positive(field, instrument.price_scale).map(Price);
        let qty = |field| self.optional_positive(field, instrument.quantity_scale).map(Qty);
        Ok(ReplaceOrder {
            order,
            price: price("price")?,
            qty: qty("quantity")?,
            trigger_price: price("trigger_price")?,
            display_qty: qty("display_quantity")?,
            account,
            client_order_id,
        })
    }

    pub(super) fn cancel_order(&self) -> Result<CancelOrder, Fault> {
        let account = self.account()?;
        let (order, client_order_id) = self.order_or_name()?;
        Ok(CancelOrder { order, account, client_order_id })
    }

    pub(super) fn mass_cancel(&self) -> Result<MassCancel, Fault> {
        Ok(MassCancel {
            account: self.optional_account()?,
            instrument: self.optional_instrument_id()?,
            strategy: self.optional_strategy()?,
            reason: TextId::NONE,
            side: self.word_or_first("side", SideFilter::from_word, SideFilter::ALL)?,
        })
    }
}
