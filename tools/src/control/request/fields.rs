//! The fields of a request, read one by one. Every fault names the field, the value and the remedy.

use super::Fault;
use crate::setup::{Currency, Names};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tickwerk_domain::{
    AccountId, ClientOrderId, Instrument, InstrumentId, Money, OrderId, Qty, RATE_SCALE, Rate, StrategyId,
    TimeNs, VenueId, parse_decimal, parse_decimal_i128,
};

/// A request that is being read.
pub(super) struct Fields<'n> {
    pub(super) object: Map<String, Value>,
    pub(super) names: &'n Names,
}

impl Fields<'_> {
    /// The value of a field; `None` where it is left out or null.
    pub(super) fn given(&self, field: &str) -> Option<&Value> {
        self.object.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn optional_account(&self) -> Result<AccountId, Fault> {
        self.optional_name("account", "unknown_account", &self.names.accounts)
    }

    pub(super) fn account(&self) -> Result<AccountId, Fault> {
        self.named("account", "unknown_account", &self.names.accounts)
    }

    pub(super) fn optional_instrument(&self) -> Result<Option<&Instrument>, Fault> {
        let Some(symbol) = self.optional_text("instrument")? else {
            return Ok(None);
        };
        let known = &self.names.instruments;
        let found = known.get(symbol).map(Some);
        found.ok_or_else(|| unknown_name("unknown_instrument", "instrument", symbol, known.keys()))
    }

    pub(super) fn instrument(&self) -> Result<&Instrument, Fault> {
        self.optional_instrument()?.ok_or_else(|| missing("instrument"))
    }

    pub(super) fn optional_instrument_id(&self) -> Result<InstrumentId, Fault> {
        Ok(self.optional_instrument()?.map_or(InstrumentId::NONE, |known| known.instrument))
    }

    pub(super) fn optional_strategy(&self) -> Result<StrategyId, Fault> {
        self.optional_name("strategy", "unknown_strategy", &self.names.strategies)
    }

    pub(super) fn optional_venue(&self, field: &'static str) -> Result<VenueId, Fault> {
        self.optional_name(field, "unknown_venue", &self.names.venues)
    }

    pub(super) fn venue(&self, field: &'static str) -> Result<VenueId, Fault> {
        self.named(field, "unknown_venue", &self.names.venues)
    }

    pub(super) fn currency(&self, field: &'static str) -> Result<Currency, Fault> {
        self.named(field, "unknown_currency", &self.names.currencies)
    }

    pub(super) fn optional_currency(&self, field: &'static str) -> Result<Option<Currency>, Fault> {
        if self.given(field).is_some() { self.currency(field).map(Some) } else { Ok(None) }
    }

    fn named<T: Copy>(
        &self,
        field: &'static str,
        code: &'static str,
        known: &BTreeMap<String, T>,
    ) -> Result<T, Fault> {
        let name = self.text(field)?;
        known.get(name).copied().ok_or_else(|| unknown_name(code, field, name, known.keys()))
    }

    fn optional_name<T: Copy + Default>(
        &self,
        field: &'static str,
        code: &'static str,
        known: &BTreeMap<String, T>,
    ) -> Result<T, Fault> {
        if self.given(field).is_some() { self.named(field, code, known) } else { Ok(T::default()) }
    }

    /// An order by its number; none where it is left out.
    pub(super) fn optional_order(&self) -> Result<OrderId, Fault> {
        match self.optional_number("order_id")? {
            None => Ok(OrderId::NONE),
            Some(0) => Err(Fault::invalid("order_id", json!(0), "write the order's number")),
            Some(number) => Ok(OrderId(number)),
        }
    }

    pub(super) fn order(&self) -> Result<OrderId, Fault> {
        let order = self.optional_order()?;
        if order.is_none() { Err(missing("order_id")) } else { Ok(order) }
    }

    /// An order by its number or by the client's name for it.
    pub(super) fn order_or_name(&self) -> Result<(OrderId, ClientOrderId), Fault> {
        let order = self.optional_order()?;
        let client_order_id = match self.optional_text("client_order_id")? {
            Some(name) => client_order_id(name)?,
            None if order.is_none() => {
                let message = "name the order by client_order_id or order_id";
                return Err(Fault::new("missing_field", "client_order_id", Value::Null, message));
            }
            None => ClientOrderId::NONE,
        };
        Ok((order, client_order_id))
    }

    pub(super) fn client_order_id(&self) -> Result<ClientOrderId, Fault> {
        client_order_id(self.text("client_order_id")?)
    }

    /// A whole number without quotes, or in them.
    pub(super) fn optional_number(&self, field: &'static str) -> Result<Option<u64>, Fault> {
        let number = match self.given(field) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64(),
        };
        let fault = || Fault::invalid(field, self.object[field].clone(), "write a whole number from 0");
        number.map(Some).ok_or_else(fault)
    }

    pub(super) fn number(&self, field: &'static str) -> Result<u64, Fault> {
        self.optional_number(field)?.ok_or_else(|| missing(field))
    }

    /// A time: nanoseconds since the Unix epoch, or RFC 3339 text; unknown where it is left out.
    pub(super) fn optional_time(&self, field: &'static str) -> Result<TimeNs, Fault> {
        let remedy = "write nanoseconds since 1970, or a time such as \"2026-11-20T17:30:00Z\"";
        let fault = || Fault::invalid(field, self.object[field].clone(), remedy);
        match self.given(field) {
            None => Ok(TimeNs::UNKNOWN),
            Some(Value::String(text)) if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let time: jiff::Timestamp = text.parse().map_err(|_| fault())?;
                u64::try_from(time.as_nanosecond()).map(TimeNs).map_err(|_| fault())
            }
            Some(_) => Ok(TimeNs(self.optional_number(field).map_err(|_| fault())?.unwrap_or(0))),
        }
    }

    /// A decimal; 0 where it is left out.
    pub(super) fn optional_decimal(&self, field: &'static str, scale: u8) -> Result<i64, Fault> {
        if self.given(field).is_some() { self.decimal(field, scale) } else { Ok(0) }
    }

    /// A decimal above zero; 0 where it is left out.
    pub(super) fn optional_positive(&self, field: &'static str, scale: u8) -> Result<i64, Fault> {
        if self.given(field).is_some() { self.positive(field, scale) } else { Ok(0) }
    }

    pub(super) fn positive(&self, field: &'static str, scale: u8) -> Result<i64, Fault> {
        let value = self.decimal(field, scale)?;
        if value > 0 {
            return Ok(value);
        }
        Err(Fault::invalid(field, self.object[field].clone(), "must be above zero"))
    }

    pub(super) fn decimal(&self, field: &'static str, scale: u8) -> Result<i64, Fault> {
        let text = self.decimal_text(field)?;
        parse_decimal(text, scale).map_err(|error| Fault::invalid(field, json!(text), error.to_string()))
    }

    pub(super) fn money(&self, field: &'static str, scale: u8) -> Result<Money, Fault> {
        let text = self.decimal_text(field)?;
        let amount = parse_decimal_i128(text, scale);
        amount.map(Money::new).map_err(|error| Fault::invalid(field, json!(text), error.to_string()))
    }

    pub(super) fn quantity(&self, instrument: &Instrument) -> Result<Qty, Fault> {
        self.positive("quantity", instrument.quantity_scale).map(Qty)
    }

    pub(super) fn rate(&self, field: &'static str) -> Result<Rate, Fault> {
        self.decimal(field, RATE_SCALE).map(Rate)
    }

    fn decimal_text(&self, field: &'static str) -> Result<&str, Fault> {
        match self.given(field) {
            Some(Value::String(text)) => Ok(text),
            None => Err(missing(field)),
            Some(other) => {
                let message = "write the decimal in quotes, such as \"1.25\", so that it is read exactly";
                Err(Fault::invalid(field, other.clone(), message))
            }
        }
    }

    /// `true` or `false`; `false` where it is left out.
    pub(super) fn optional_flag(&self, field: &'static str) -> Result<bool, Fault> {
        if self.given(field).is_some() { self.flag(field) } else { Ok(false) }
    }

    pub(super) fn flag(&self, field: &'static str) -> Result<bool, Fault> {
        match self.given(field) {
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Fault::invalid(field, other.clone(), "write true or false")),
            None => Err(Fault::new("missing_field", field, Value::Null, "write true or false")),
        }
    }

    /// A word in lower or upper case.
    pub(super) fn word<T: Copy + std::fmt::Display>(
        &self,
        field: &'static str,
        from_word: impl Fn(&str) -> Option<T>,
        all: &[T],
    ) -> Result<T, Fault> {
        let text = self.text(field)?;
        from_word(&text.to_ascii_lowercase()).ok_or_else(|| {
            let known: Vec<String> = all.iter().map(ToString::to_string).collect();
            Fault::invalid(field, json!(text), format!("is unknown; known: {}", known.join(", ")))
        })
    }

    /// A word, or the first of `all` where it is left out.
    pub(super) fn word_or_first<T: Copy + std::fmt::Display>(
        &self,
        field: &'static str,
        from_word: impl Fn(&str) -> Option<T>,
        all: &[T],
    ) -> Result<T, Fault> {
        if self.given(field).is_some() { self.word(field, from_word, all) } else { Ok(all[0]) }
    }

    pub(super) fn text(&self, field: &'static str) -> Result<&str, Fault> {
        self.optional_text(field)?.ok_or_else(|| missing(field))
    }

    pub(super) fn optional_text(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        match self.given(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Fault::invalid(field, other.clone(), "write text in quotes")),
        }
    }
}

/// A field that must be there.
pub(super) fn missing(field: &str) -> Fault {
    Fault::new("missing_field", field, Value::Null, "is missing")
}

fn client_order_id(name: &str) -> Result<ClientOrderId, Fault> {
    match ClientOrderId::new(name) {
        Ok(id) if !id.is_none() => Ok(id),
        Ok(_) => {
            Err(Fault::invalid("client_order_id", json!(name), "is empty; write 1 to 36 ASCII characters"))
        }
        Err(error) => Err(Fault::invalid("client_order_id", json!(name), error.to_string())),
    }
}

fn unknown_name<'a>(
    code: &'static str,
    field: &str,
    name: &str,
    known: impl Iterator<Item = &'a String>,
) -> Fault {
    let known: Vec<&str> = known.map(String::as_str).collect();
    Fault::new(code, field, json!(name), format!("is unknown; known: {}", known.join(", ")))
}
