//! From a line of JSON to what it asks for. Every fault names the field, the value and the remedy.

use crate::config::Acknowledge;
use crate::setup::Names;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tickwerk_domain::command::{CancelOrder, KillSwitchSet, LimitSet, NewOrder};
use tickwerk_domain::{
    AccountId, ClientOrderId, Command, Instrument, InstrumentId, LimitKind, LimitUnit, OrderId, OrderType,
    Price, Qty, RATE_SCALE, Side, StrategyId, TextId, TimeInForce, parse_decimal,
};

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// To be decided and journaled.
    Command(Command),
    /// To be read.
    Query(Query),
}

/// What can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Query {
    /// Orders that are not done, of one account or all.
    Orders(AccountId),
    /// Positions, of one account or all.
    Positions(AccountId),
    /// Balances, of one account or all.
    Balances(AccountId),
    /// How far the journal is, and how full the rings are.
    Watermarks,
}

/// A request that was understood.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Request {
    /// The client's own name for it; null where it has none.
    pub(crate) id: Value,
    /// The watermark that it waits for.
    pub(crate) acknowledge: Acknowledge,
    pub(crate) asked: Asked,
    /// The request as it came, for the values of a refusal.
    pub(crate) object: Value,
}

/// What is wrong with a request.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) field: Value,
    pub(crate) value: Value,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, field: &str, value: Value, message: impl Into<String>) -> Self {
        Self { code, field: json!(field), value, message: message.into() }
    }

    fn invalid(field: &str, value: Value, message: impl Into<String>) -> Self {
        Self::new("invalid_value", field, value, message)
    }
}

const OPS: &[(&str, &[&str])] = &[
    (
        "order.new",
        &[
            "account",
            "instrument",
            "client_order_id",
            "side",
            "order_type",
            "time_in_force",
            "price",
            "quantity",
        ],
    ),
    ("order.cancel", &["account", "client_order_id", "order_id"]),
    ("limit.set", &["account", "instrument", "limit", "value"]),
    ("kill_switch.set", &["account", "instrument", "engaged"]),
    ("query.orders", &["account"]),
    ("query.positions", &["account"]),
    ("query.balances", &["account"]),
    ("query.watermarks", &[]),
];
const COMMON: &[&str] = &["request_id", "op", "ack"];

/// Reads a line. A fault comes with the request's id, as far as that could be read.
pub(crate) fn parse(line: &str, names: &Names, daemon: Acknowledge) -> Result<Request, Box<(Value, Fault)>> {
    let UniqueFields(object) = serde_json::from_str(line).map_err(|error| {
        let message = format!("{error}; write one JSON object a line");
        let fault = Fault { code: "bad_json", field: Value::Null, value: json!(shortened(line)), message };
        Box::new((Value::Null, fault))
    })?;
    let id = object.get("request_id").cloned().unwrap_or_default();
    Fields { object, names }.read(daemon).map_err(|fault| Box::new((id, fault)))
}

/// A JSON object in which no field stands twice: of two quantities nobody could say which one is meant.
struct UniqueFields(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueFieldsVisitor)
    }
}

struct UniqueFieldsVisitor;

impl<'de> Visitor<'de> for UniqueFieldsVisitor {
    type Value = UniqueFields;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueFields, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the field {name} stands there twice")));
            }
            object.insert(name, value);
        }
        Ok(UniqueFields(object))
    }
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 80;
    text.chars().take(SHOWN_CHARACTERS).collect()
}

struct Fields<'n> {
    object: Map<String, Value>,
    names: &'n Names,
}

impl Fields<'_> {
    fn read(&self, daemon: Acknowledge) -> Result<Request, Fault> {
        let op = self.text("op")?;
        let Some((_, fields)) = OPS.iter().find(|(known, _)| *known == op) else {
            let known: Vec<&str> = OPS.iter().map(|(known, _)| *known).collect();
            return Err(Fault::new(
                "unknown_op",
                "op",
                json!(op),
                format!("is unknown; known: {}", known.join(", ")),
            ));
        };
        if let Some(unknown) =
            self.object.keys().find(|key| !COMMON.contains(&key.as_str()) && !fields.contains(&key.as_str()))
        {
            let known: Vec<&str> = COMMON.iter().chain(*fields).copied().collect();
            let message = format!("{op} has no such field; it has: {}", known.join(", "));
            return Err(Fault::new("unknown_field", unknown, self.object[unknown].clone(), message));
        }
        let id = self.object.get("request_id").cloned().unwrap_or_default();
        if !(id.is_null() || id.is_string() || id.is_number()) {
            return Err(Fault::invalid("request_id", id, "write text or a number"));
        }
        let asked = self.asked(op)?;
        let wanted = match self.optional_text("ack")? {
            None => daemon,
            Some(word) => word_of(Acknowledge::WORDS, "ack", word)?,
        };
        // People hear of changed limits and switches only when nothing can take them back.
        let floor = match asked {
            Asked::Command(Command::LimitSet(_) | Command::KillSwitchSet(_)) => Acknowledge::Durable,
            Asked::Command(_) | Asked::Query(_) => daemon,
        };
        let object = Value::Object(self.object.clone());
        Ok(Request { id, acknowledge: wanted.max(floor).max(daemon), asked, object })
    }

    fn asked(&self, op: &str) -> Result<Asked, Fault> {
        Ok(match op {
            "order.new" => Asked::Command(self.new_order()?.into()),
            "order.cancel" => Asked::Command(self.cancel_order()?.into()),
            "limit.set" => Asked::Command(self.limit()?.into()),
            "kill_switch.set" => Asked::Command(self.kill_switch()?.into()),
            "query.orders" => Asked::Query(Query::Orders(self.optional_account()?)),
            "query.positions" => Asked::Query(Query::Positions(self.optional_account()?)),
            "query.balances" => Asked::Query(Query::Balances(self.optional_account()?)),
            _ => Asked::Query(Query::Watermarks),
        })
    }

    fn new_order(&self) -> Result<NewOrder, Fault> {
        let account = required(self.optional_account()?, "account")?;
        let instrument = self.required_instrument()?;
        let order_type = self.word("order_type", OrderType::from_word, OrderType::ALL)?;
        let default_time = match order_type {
            OrderType::Market => TimeInForce::Ioc,
            OrderType::Limit
            | OrderType::Stop
            | OrderType::StopLimit
            | OrderType::TrailingStop
            | OrderType::MarketIfTouched
            | OrderType::LimitIfTouched => TimeInForce::Gtc,
        };
        let time_in_force = match self.optional_text("time_in_force")? {
            None => default_time,
            Some(_) => self.word("time_in_force", TimeInForce::from_word, TimeInForce::ALL)?,
        };
        let has_limit = order_type.has_limit();
        let price = match (has_limit, self.object.get("price")) {
            (true, None | Some(Value::Null)) => {
                return Err(Fault::new("missing_field", "price", Value::Null, "a limit order needs a price"));
            }
            (false, Some(price)) if !price.is_null() => {
                return Err(Fault::invalid(
                    "price",
                    price.clone(),
                    "a market order has no price; leave it out",
                ));
            }
            (true, Some(_)) => self.decimal("price", instrument.price_scale)?,
            (false, _) => 0,
        };
        let quantity = self.decimal("quantity", instrument.quantity_scale)?;
        if quantity <= 0 {
            return Err(Fault::invalid("quantity", self.object["quantity"].clone(), "must be above zero"));
        }
        if has_limit && price <= 0 {
            return Err(Fault::invalid("price", self.object["price"].clone(), "must be above zero"));
        }
        let side = self.word("side", Side::from_word, Side::ALL)?;
        Ok(NewOrder {
            client_order_id: client_order_id(self.text("client_order_id")?)?,
            order_type,
            time_in_force,
            ..NewOrder::limit(account, instrument.instrument, side, Price(price), Qty(quantity))
        })
    }

    fn cancel_order(&self) -> Result<CancelOrder, Fault> {
        let account = required(self.optional_account()?, "account")?;
        let order = match self.object.get("order_id") {
            None | Some(Value::Null) => OrderId::NONE,
            Some(given) => match given.as_u64().filter(|number| *number > 0) {
                Some(number) => OrderId(number),
                None => return Err(Fault::invalid("order_id", given.clone(), "write the order's number")),
            },
        };
        let client_order_id = match self.optional_text("client_order_id")? {
            Some(name) => client_order_id(name)?,
            None if order.is_none() => {
                let message = "name the order by client_order_id or order_id";
                return Err(Fault::new("missing_field", "client_order_id", Value::Null, message));
            }
            None => ClientOrderId::NONE,
        };
        Ok(CancelOrder { order, account, client_order_id })
    }

    fn limit(&self) -> Result<LimitSet, Fault> {
        let kind = self.word("limit", LimitKind::from_word, LimitKind::ALL)?;
        let instrument = self.optional_instrument()?;
        if let (LimitKind::OpenOrders, Some(instrument)) = (kind, instrument) {
            let message = "open_orders holds for all instruments; leave it out";
            return Err(Fault::invalid("instrument", json!(instrument.instrument.0), message));
        }
        let needs_instrument = || {
            let message = format!("{kind} is in the instrument's own unit; name the instrument");
            Fault::new("missing_field", "instrument", Value::Null, message)
        };
        let scale = match kind.unit() {
            LimitUnit::Quantity => instrument.ok_or_else(needs_instrument)?.quantity_scale,
            LimitUnit::Settlement => instrument.ok_or_else(needs_instrument)?.settlement_scale,
            LimitUnit::Fraction => RATE_SCALE,
            LimitUnit::Reference | LimitUnit::Count | LimitUnit::Duration | LimitUnit::SelfTrade => 0,
        };
        let value = match self.object.get("value") {
            Some(Value::Null) => -1,
            Some(_) => self.decimal("value", scale)?,
            None => {
                let message = "write a decimal in quotes, or null to take the limit away";
                return Err(Fault::new("missing_field", "value", Value::Null, message));
            }
        };
        if value < 0 && !self.object["value"].is_null() {
            return Err(Fault::invalid(
                "value",
                self.object["value"].clone(),
                "must not be negative; null takes the limit away",
            ));
        }
        let instrument = instrument.map_or(InstrumentId::NONE, |known| known.instrument);
        Ok(LimitSet {
            value,
            account: self.optional_account()?,
            instrument,
            strategy: StrategyId::NONE,
            reason: TextId::NONE,
            kind,
        })
    }

    fn kill_switch(&self) -> Result<KillSwitchSet, Fault> {
        let engaged = match self.object.get("engaged") {
            Some(Value::Bool(engaged)) => *engaged,
            Some(other) => return Err(Fault::invalid("engaged", other.clone(), "write true or false")),
            None => return Err(Fault::new("missing_field", "engaged", Value::Null, "write true or false")),
        };
        let instrument = self.optional_instrument()?.map_or(InstrumentId::NONE, |known| known.instrument);
        Ok(KillSwitchSet {
            account: self.optional_account()?,
            instrument,
            strategy: StrategyId::NONE,
            reason: TextId::NONE,
            engaged,
        })
    }

    fn optional_account(&self) -> Result<AccountId, Fault> {
        let Some(name) = self.optional_text("account")? else {
            return Ok(AccountId::NONE);
        };
        let known = &self.names.accounts;
        known.get(name).copied().ok_or_else(|| unknown_name("account", name, known.keys()))
    }

    fn optional_instrument(&self) -> Result<Option<&Instrument>, Fault> {
        let Some(symbol) = self.optional_text("instrument")? else {
            return Ok(None);
        };
        let known = &self.names.instruments;
        known.get(symbol).map(Some).ok_or_else(|| unknown_name("instrument", symbol, known.keys()))
    }

    fn required_instrument(&self) -> Result<&Instrument, Fault> {
        self.optional_instrument()?
            .ok_or_else(|| Fault::new("missing_field", "instrument", Value::Null, "is missing"))
    }

    fn decimal(&self, field: &'static str, scale: u8) -> Result<i64, Fault> {
        match self.object.get(field) {
            Some(Value::String(text)) => parse_decimal(text, scale)
                .map_err(|error| Fault::invalid(field, json!(text), error.to_string())),
            Some(Value::Null) | None => Err(Fault::new("missing_field", field, Value::Null, "is missing")),
            Some(other) => {
                let message = "write the decimal in quotes, such as \"1.25\", so that it is read exactly";
                Err(Fault::invalid(field, other.clone(), message))
            }
        }
    }

    /// A word in lower or upper case.
    fn word<T: Copy + std::fmt::Display>(
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

    fn text(&self, field: &'static str) -> Result<&str, Fault> {
        self.optional_text(field)?
            .ok_or_else(|| Fault::new("missing_field", field, Value::Null, "is missing"))
    }

    fn optional_text(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        match self.object.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Fault::invalid(field, other.clone(), "write text in quotes")),
        }
    }
}

fn required(account: AccountId, field: &'static str) -> Result<AccountId, Fault> {
    if account.is_none() {
        Err(Fault::new("missing_field", field, Value::Null, "is missing"))
    } else {
        Ok(account)
    }
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

fn word_of<T: Copy>(words: &[(&'static str, T)], field: &'static str, word: &str) -> Result<T, Fault> {
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        Fault::invalid(field, json!(word), format!("is unknown; known: {}", known.join(", ")))
    })
}

fn unknown_name<'a>(field: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Fault {
    let known: Vec<&str> = known.map(String::as_str).collect();
    Fault::new(
        UNKNOWN[usize::from(field == "instrument")],
        field,
        json!(name),
        format!("is unknown; known: {}", known.join(", ")),
    )
}

const UNKNOWN: [&str; 2] = ["unknown_account", "unknown_instrument"];
