//! From a line of JSON to what it asks for. Every fault names the field, the value and the remedy.

mod fields;
mod market;
mod orders;
mod reports;
mod settings;

use super::known_orders::About;
use crate::config::Acknowledge;
use crate::setup::Names;
use fields::{Fields, missing};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use tickwerk_domain::command::RequestRefused;
use tickwerk_domain::reject::Reject;
use tickwerk_domain::{AccountId, Command, InstrumentId, StrategyId, TextBytes, TextId};

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
    /// Limits, switches and breakers that hold for a scope.
    Limits(LimitScope),
    /// The best levels of an instrument's book.
    Book(BookScope),
    /// How far the journal is, and how full the rings are.
    Watermarks,
    /// How much was answered at each level and how long it took, and how far each level is behind.
    Metrics,
    /// Accounts: their states and what they are worth, of one or all.
    Accounts(AccountId),
    /// Best prices and state of the book of one instrument or all.
    Books(InstrumentId),
    /// A snapshot, which is taken where queries are answered.
    Snapshot,
    /// The order that a command is about, before the command is sent; no request asks for that alone.
    Order(About),
}

/// For whom limits are asked; numbers of 0 stand for "all".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LimitScope {
    pub(crate) account: AccountId,
    pub(crate) instrument: InstrumentId,
    pub(crate) strategy: StrategyId,
}

/// Which book is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BookScope {
    pub(crate) instrument: InstrumentId,
    /// Most levels of a side.
    pub(crate) levels: usize,
    /// Each order, and not only how many there are.
    pub(crate) by_order: bool,
}

/// A request that was understood.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Request {
    /// The client's own name for it; null where it has none.
    pub(crate) id: Value,
    /// The watermark that it waits for.
    pub(crate) acknowledge: Acknowledge,
    pub(crate) asked: Asked,
    /// The order that it is about, where what it says of it is to be held against the order itself.
    pub(crate) about: Option<About>,
    /// Why, in the words of whoever asks; [`give_reason`] puts its number into the command.
    pub(crate) reason: Option<String>,
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
    /// What a rule allows, and what it saw.
    pub(crate) compared: Option<Box<Compared>>,
}

/// The limit of a rule and the value that it saw, as decimals in the unit of the rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Compared {
    pub(crate) limit: String,
    pub(crate) observed: String,
}

impl Fault {
    pub(crate) fn new(code: &'static str, field: &str, value: Value, message: impl Into<String>) -> Self {
        Self::of_field(code, json!(field), value, message.into())
    }

    /// About all of a request.
    pub(crate) fn whole(code: &'static str, message: impl Into<String>) -> Self {
        Self::of_field(code, Value::Null, Value::Null, message.into())
    }

    fn of_field(code: &'static str, field: Value, value: Value, message: String) -> Self {
        Self { code, field, value, message, compared: None }
    }

    fn invalid(field: &str, value: Value, message: impl Into<String>) -> Self {
        Self::new("invalid_value", field, value, message)
    }
}

/// A request that was not understood.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Refused {
    /// The client's own name for it, as far as it could be read.
    pub(crate) id: Value,
    pub(crate) fault: Fault,
    /// What is journaled of it, where it asks for something that would have been.
    pub(crate) record: Option<RequestRefused>,
}

/// How a request is read: its name, its own fields, and what it asks for.
struct Op {
    name: &'static str,
    /// Whether it is decided and journaled.
    is_command: bool,
    fields: &'static [&'static str],
    read: fn(&Fields<'_>) -> Result<Asked, Fault>,
}

/// An operation that is decided and journaled.
macro_rules! command {
    ($name:literal, $fields:expr, $read:ident) => {
        Op {
            name: $name,
            is_command: true,
            fields: $fields,
            read: |fields| Ok(Asked::Command(fields.$read()?.into())),
        }
    };
}

/// An operation that is read from the follower.
macro_rules! query {
    ($name:literal, $fields:expr, |$of:ident| $query:expr) => {
        Op { name: $name, is_command: false, fields: $fields, read: |$of| Ok(Asked::Query($query)) }
    };
}

const OPS: &[Op] = &[
    command!("order.new", orders::NEW, new_order),
    command!("order.replace", orders::REPLACE, replace_order),
    command!("order.cancel", orders::CANCEL, cancel_order),
    command!("order.mass_cancel", orders::MASS_CANCEL, mass_cancel),
    command!("limit.set", settings::LIMIT, limit),
    command!("kill_switch.set", settings::KILL_SWITCH, kill_switch),
    command!("trading_state.set", settings::TRADING_STATE, trading_state),
    command!("account_state.set", settings::ACCOUNT_STATE, account_state),
    command!("breaker.reset", settings::BREAKER, breaker),
    command!("cash.transfer", market::TRANSFER, transfer),
    command!("market.session", market::SESSION, session),
    command!("market.quote", market::QUOTE, quote),
    command!("market.trade", market::TRADE, trade),
    command!("market.mark", market::MARK, mark),
    command!("market.funding", market::FUNDING, funding),
    command!("venue.state", market::VENUE_STATE, venue_state),
    command!("conversion.set", market::CONVERSION, conversion),
    command!("report.order", reports::ORDER, order_report),
    command!("report.replaced", reports::REPLACED, replace_report),
    command!("report.fill", reports::FILL, fill_report),
    command!("report.trade_busted", reports::BUST, bust),
    command!("report.trade_corrected", reports::CORRECT, correct),
    command!("reconcile.start", reports::START, reconcile_start),
    command!("reconcile.order", reports::STATED_ORDER, stated_order),
    command!("reconcile.balance", reports::STATED_BALANCE, stated_balance),
    command!("reconcile.position", reports::STATED_POSITION, stated_position),
    command!("reconcile.end", reports::END, reconcile_end),
    query!("query.orders", &["account"], |of| Query::Orders(of.optional_account()?)),
    query!("query.positions", &["account"], |of| Query::Positions(of.optional_account()?)),
    query!("query.balances", &["account"], |of| Query::Balances(of.optional_account()?)),
    query!("query.limits", &["account", "instrument", "strategy"], |of| Query::Limits(LimitScope {
        account: of.optional_account()?,
        instrument: of.optional_instrument_id()?,
        strategy: of.optional_strategy()?,
    })),
    query!("query.book", &["instrument", "levels", "by_order"], |of| Query::Book(of.book_scope()?)),
    query!("query.watermarks", &[], |_of| Query::Watermarks),
    query!("query.metrics", &[], |_of| Query::Metrics),
    query!("query.accounts", &["account"], |of| Query::Accounts(of.optional_account()?)),
    query!("query.books", &["instrument"], |of| Query::Books(of.optional_instrument_id()?)),
    query!("snapshot", &[], |_of| Query::Snapshot),
];
const COMMON: &[&str] = &["request_id", "op", "ack"];

/// Reads a line.
pub(crate) fn parse(line: &str, names: &Names, daemon: Acknowledge) -> Result<Request, Box<Refused>> {
    let UniqueFields(object) = serde_json::from_str(line).map_err(|error| {
        let message = format!("{error}; write one JSON object a line");
        let fault = Fault { value: json!(shortened(line)), ..Fault::whole("bad_json", message) };
        Box::new(Refused { id: Value::Null, fault, record: None })
    })?;
    let fields = Fields { object, names };
    fields.read(daemon).map_err(|fault| {
        let id = fields.object.get("request_id").cloned().unwrap_or_default();
        let record = fields.refused(&fault);
        Box::new(Refused { id, fault, record })
    })
}

/// What is journaled of a request that is refused: nothing of a query, or of an op that nobody knows.
pub(crate) fn refused(request: &Value, names: &Names, fault: &Fault) -> Option<RequestRefused> {
    let object = request.as_object()?.clone();
    Fields { object, names }.refused(fault)
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

impl Fields<'_> {
    fn refused(&self, fault: &Fault) -> Option<RequestRefused> {
        let name = self.text("op").ok()?;
        let op = OPS.iter().find(|known| known.name == name && known.is_command)?;
        let field = fault.field.as_str().unwrap_or_default();
        let value = fault.value.as_str().map_or_else(|| fault.value.to_string(), str::to_owned);
        Some(RequestRefused {
            request: TextBytes::shortened(&format!("{} {field}={value}", op.name)),
            account: self.optional_account().unwrap_or_default(),
            instrument: self.optional_instrument_id().unwrap_or_default(),
            reason: Reject::from_word(fault.code).unwrap_or(Reject::InvalidValue).code(),
        })
    }

    fn read(&self, daemon: Acknowledge) -> Result<Request, Fault> {
        let name = self.text("op")?;
        let Some(op) = OPS.iter().find(|known| known.name == name) else {
            let known: Vec<&str> = OPS.iter().map(|known| known.name).collect();
            let message = format!("is unknown; known: {}", known.join(", "));
            return Err(Fault::new("unknown_op", "op", json!(name), message));
        };
        let is_known = |key: &str| COMMON.contains(&key) || op.fields.contains(&key);
        if let Some(unknown) = self.object.keys().find(|key| !is_known(key)) {
            let known: Vec<&str> = COMMON.iter().chain(op.fields).copied().collect();
            let message = format!("{name} has no such field; it has: {}", known.join(", "));
            return Err(Fault::new("unknown_field", unknown, self.object[unknown].clone(), message));
        }
        let id = self.object.get("request_id").cloned().unwrap_or_default();
        if !(id.is_null() || id.is_string() || id.is_number()) {
            return Err(Fault::invalid("request_id", id, "write text or a number"));
        }
        let mut asked = (op.read)(self)?;
        let takes_reason = match &mut asked {
            Asked::Command(command) => reason_of(command).is_some(),
            Asked::Query(_) => false,
        };
        let reason = if takes_reason { self.reason()? } else { None };
        if reason.is_none() && matches!(asked, Asked::Command(Command::LimitSet(_))) {
            let message = "say in a few words why the limit changes";
            return Err(Fault::new("missing_field", "reason", Value::Null, message));
        }
        let wanted = match self.optional_text("ack")? {
            None => daemon,
            Some(word) => word_of(Acknowledge::WORDS, "ack", word)?,
        };
        // People hear of changed limits, switches and balances only when nothing can take them back.
        let floor = if takes_reason { Acknowledge::Durable } else { daemon };
        let about = match &asked {
            Asked::Command(command) => {
                About::of(command, self.optional_instrument()?.map(|known| known.instrument))
            }
            Asked::Query(_) => None,
        };
        let object = Value::Object(self.object.clone());
        Ok(Request { id, acknowledge: wanted.max(floor).max(daemon), asked, about, reason, object })
    }

    fn reason(&self) -> Result<Option<String>, Fault> {
        let Some(text) = self.optional_text("reason")? else {
            return Ok(None);
        };
        if let Err(error) = TextBytes::new(text) {
            return Err(Fault::invalid("reason", json!(text), error.to_string()));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

/// The place of the reason in a command that has one.
fn reason_of(command: &mut Command) -> Option<&mut TextId> {
    // Only what a person decides about others has a reason.
    if let Command::LimitSet(set) = command {
        Some(&mut set.reason)
    } else if let Command::KillSwitchSet(set) = command {
        Some(&mut set.reason)
    } else if let Command::TradingStateSet(set) = command {
        Some(&mut set.reason)
    } else if let Command::AccountStateSet(set) = command {
        Some(&mut set.reason)
    } else if let Command::BreakerReset(reset) = command {
        Some(&mut reset.reason)
    } else if let Command::MassCancel(cancel) = command {
        Some(&mut cancel.reason)
    } else if let Command::CashTransferred(transfer) = command {
        Some(&mut transfer.reason)
    } else {
        None
    }
}

/// Puts the number of the reason into a command that has one.
pub(crate) fn give_reason(command: &mut Command, reason: TextId) {
    if let Some(place) = reason_of(command) {
        *place = reason;
    }
}

fn word_of<T: Copy>(words: &[(&'static str, T)], field: &'static str, word: &str) -> Result<T, Fault> {
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        Fault::invalid(field, json!(word), format!("is unknown; known: {}", known.join(", ")))
    })
}
