//! What each field looks like, seen by showing values of every type with the code that makes rows.
//!
//! Values are made of numbers: all fields of the same number, for each of many numbers, which gives every word of every
//! enumeration; then each field of each number in turn among others of one number, which gives what depends on two fields.
//! Each is shown where names and scales are known and where they are not. Every name has a space in it, which no word and
//! no decimal has; so they are told apart.

use super::about;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tickwerk_domain::command::{
    AccountDefined, CurrencyDefined, ReferenceCurrencySet, StrategyDefined, TextDefined, VenueDefined,
};
use tickwerk_domain::{
    AccountId, Command, CurrencyId, Envelope, Event, Family, FieldValue, Fields as _, Instrument,
    InstrumentId, InstrumentKind, Money, Payload, PositionMode, Price, Qty, Rate, Record,
    SelfTradePrevention, Sequence, StrategyId, TextBytes, TextId, VenueId,
};
use tickwerk_render::{Dictionary, write_payload_json};

/// Every number below it is a value of every field once: more than any enumeration has numbers.
const NUMBERS: u64 = 256;
/// Every number below it is a value of every field among others that have another one.
const PAIRED: u64 = 32;
/// What those others have; the last is negative where there is a sign.
const OTHERS: [u64; 6] = [0, 1, 2, 3, 4, u64::MAX];
/// Ids up to it have a name.
const NAMED: u16 = 4;

/// A type of command or event.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    pub(super) version: u16,
    /// What it says, in a sentence.
    pub(super) about: &'static str,
    pub(super) payload: Table,
}

/// Fields of an object, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Table {
    pub(super) fields: Vec<Field>,
    /// Objects that were seen.
    seen: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// What it counts or names.
    pub(super) meaning: &'static str,
    /// What it is, in a sentence.
    pub(super) about: String,
    /// The type that it is declared with; empty where a row shows it in another form.
    pub(super) of: &'static str,
    pub(super) looks: Looks,
    seen: u64,
    /// Its text is neither a word nor a decimal, whatever it looks like.
    is_text: bool,
    /// It may be the value of a limit; of one kind of limit that is a word.
    is_limit: bool,
}

/// What a value was seen to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Looks {
    plain: BTreeSet<Plain>,
    pub(super) words: BTreeSet<String>,
    pub(super) items: Option<Box<Looks>>,
    pub(super) table: Option<Table>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Plain {
    Null,
    Flag,
    Whole,
    /// A number with a fraction, perhaps.
    Real,
    /// An exact decimal in a string.
    Decimal,
    /// `{"mantissa": "…"}`: exact, at a scale that is not known.
    Mantissa,
    Text,
}

impl Table {
    /// Whether every object has the field.
    pub(super) fn is_always_there(&self, field: &Field) -> bool {
        field.seen == self.seen
    }

    fn look(&mut self, object: &Map<String, Value>) {
        self.seen += 1;
        for (name, value) in object {
            let place = self.fields.iter().position(|field| field.name == *name);
            let place = place.unwrap_or_else(|| {
                let (name, looks) = (name.clone(), Looks::default());
                self.fields.push(Field {
                    name,
                    meaning: "",
                    about: String::new(),
                    of: "",
                    looks,
                    seen: 0,
                    is_text: false,
                    is_limit: false,
                });
                self.fields.len() - 1
            });
            let field = &mut self.fields[place];
            field.seen += 1;
            field.looks.look(value, field.is_text);
        }
    }
}

impl Looks {
    pub(super) fn has(&self, plain: Plain) -> bool {
        self.plain.contains(&plain)
    }

    fn see(&mut self, plain: Plain) {
        self.plain.insert(plain);
    }

    fn look(&mut self, value: &Value, is_text: bool) {
        match value {
            Value::Null => self.see(Plain::Null),
            Value::Bool(_) => self.see(Plain::Flag),
            Value::Number(_) => self.see(Plain::Whole),
            Value::String(text) if is_text || text.contains(' ') => self.see(Plain::Text),
            Value::String(text) if is_decimal(text) => self.see(Plain::Decimal),
            Value::String(word) => {
                self.words.insert(word.clone());
            }
            Value::Array(items) => {
                let of = self.items.get_or_insert_default();
                for item in items {
                    of.look(item, false);
                }
            }
            Value::Object(object) if object.len() == 1 && object.contains_key("mantissa") => {
                self.see(Plain::Mantissa);
            }
            Value::Object(object) => self.table.get_or_insert_default().look(object),
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|first: char| first.is_ascii_digit())
        && digits.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
}

macro_rules! abouts {
    ($(#[$meta:meta])* $enum:ident {
        $($(#[doc = $about:literal])+ $variant:ident($payload:ty) = $type_id:literal $version:literal $name:literal,)*
    }) => {
        &[$(($name, concat!($($about),+))),*]
    };
}

/// What the declarations say of each type.
const COMMANDS: &[(&str, &str)] = tickwerk_domain::for_each_command!(abouts);
const EVENTS: &[(&str, &str)] = tickwerk_domain::for_each_event!(abouts);

/// Every type, by family, commands first.
pub(super) fn types() -> Vec<Type> {
    let dictionaries = [Dictionary::default(), dictionary()];
    let mut types = Vec::new();
    for family in Family::ALL {
        for (place, (type_id, version, name)) in Command::TYPES.iter().enumerate() {
            if type_id.family() == Some(*family) {
                let payload = look(&|draw| Payload::Command(Command::sample(place, draw)), &dictionaries);
                let (kind, about) = ("command", about(COMMANDS, name));
                let mut of = Type { kind, name, family: family.word(), version: *version, about, payload };
                about::describe(&mut of, Command::FIELDS[place]);
                types.push(of);
            }
        }
        for (place, (type_id, version, name)) in Event::TYPES.iter().enumerate() {
            if type_id.family() == Some(*family) {
                let payload = look(&|draw| Payload::Event(Event::sample(place, draw)), &dictionaries);
                let (kind, about) = ("event", about(EVENTS, name));
                let mut of = Type { kind, name, family: family.word(), version: *version, about, payload };
                about::describe(&mut of, Event::FIELDS[place]);
                types.push(of);
            }
        }
    }
    types
}

fn about(abouts: &[(&'static str, &'static str)], name: &str) -> &'static str {
    let found = abouts.iter().find(|(of, _)| *of == name);
    found.map_or("", |(_, about)| about.trim())
}

type Make<'a> = &'a dyn Fn(&mut dyn FnMut() -> u64) -> Payload;

/// Shows many values of a type.
fn look(make: Make<'_>, dictionaries: &[Dictionary]) -> Table {
    let mut table = fields_of(&make(&mut || 1));
    for number in 0..NUMBERS {
        show(&make(&mut || number), dictionaries, &mut table);
    }
    let mut numbers = 0;
    make(&mut || {
        numbers += 1;
        0
    });
    for other in OTHERS {
        for place in 0..numbers {
            for number in (0..PAIRED).chain([u64::MAX]) {
                let mut at = 0;
                let payload = make(&mut || {
                    at += 1;
                    if at == place + 1 { number } else { other }
                });
                show(&payload, &dictionaries[1..], &mut table);
            }
        }
    }
    table.fields.retain(|field| field.seen > 0);
    for field in table.fields.iter_mut().filter(|field| field.is_limit && !field.looks.words.is_empty()) {
        field.looks.words = SelfTradePrevention::ALL.iter().map(|mode| mode.word().to_owned()).collect();
    }
    table
}

fn show(payload: &Payload, dictionaries: &[Dictionary], table: &mut Table) {
    let envelope = Envelope { sequence: Sequence(2), ..Envelope::default() };
    let record = Record { envelope, payload: *payload };
    for dictionary in dictionaries {
        let mut json = String::new();
        write_payload_json(&record, dictionary, &mut json);
        let shown: Value = serde_json::from_str(&json).expect("a payload shows as JSON");
        table.look(shown.as_object().expect("a payload shows as an object"));
    }
}

/// The fields that a type has, before any was seen.
fn fields_of(payload: &Payload) -> Table {
    let mut fields = Vec::new();
    payload.visit(&mut |name, value| {
        let (meaning, is_text) = meaning(name, value);
        // Any figure may have a fraction, or be none.
        let is_figure = matches!(value, FieldValue::Real(_));
        let plain = if is_figure { [Plain::Real, Plain::Null].into() } else { BTreeSet::new() };
        let looks = Looks { plain, ..Looks::default() };
        let is_limit = matches!(value, FieldValue::Signed(_) | FieldValue::Money(_));
        let (name, about, of) = (name.to_owned(), String::new(), "");
        fields.push(Field { name, meaning, about, of, looks, seen: 0, is_text, is_limit });
    });
    Table { fields, seen: 0 }
}

/// What a value counts or names, and whether it is shown as free text.
fn meaning(name: &str, value: FieldValue<'_>) -> (&'static str, bool) {
    match value {
        FieldValue::Unsigned(_) if name.ends_with("_ns") => ("nanoseconds", true),
        FieldValue::Unsigned(_) | FieldValue::Text(_) | FieldValue::Inline(_) => ("", true),
        FieldValue::Signed(_)
        | FieldValue::Flag(_)
        | FieldValue::Word(_)
        | FieldValue::Numbers(_)
        | FieldValue::Levels(_)
        | FieldValue::Legs(_) => ("", false),
        FieldValue::Price(_) => ("price", false),
        FieldValue::Qty(_) => ("quantity", false),
        FieldValue::Money(_) => ("amount", false),
        FieldValue::Rate(_) => ("fraction", false),
        FieldValue::Real(_) => ("figure", false),
        FieldValue::Time(_) => ("nanoseconds since 1970", true),
        FieldValue::Account(_) => ("account", true),
        FieldValue::Instrument(_) => ("symbol", true),
        FieldValue::Currency(_) => ("currency", true),
        FieldValue::Strategy(_) => ("strategy", true),
        FieldValue::Venue(_) => ("venue", true),
        FieldValue::Order(_) => ("order", true),
        FieldValue::Bytes(_) => ("hexadecimal", true),
    }
}

/// Names and scales of the first ids, and orders of theirs.
fn dictionary() -> Dictionary {
    let mut dictionary = Dictionary::default();
    let mut number = 0;
    let mut define = |command: Command| {
        number += 1;
        // An order's id is the sequence of what asked for it.
        let envelope = Envelope { sequence: Sequence(number), ..Envelope::default() };
        dictionary.watch(&Record { envelope, payload: Payload::Command(command) }, &[]);
    };
    for number in 1..=NAMED {
        define(Command::sample(place("order.new"), &mut || u64::from(number)));
    }
    for number in 1..=NAMED {
        let (id, text_id) = (u32::from(number), TextId(u32::from(number)));
        let text = TextBytes::new(&format!("name {number}")).expect("a short text");
        define(TextDefined { text_id, text }.into());
        define(CurrencyDefined { currency: CurrencyId(id), code: text_id, scale: 2 }.into());
        define(VenueDefined { venue: VenueId(number), name: text_id, ..venue() }.into());
        let (account, mode) = (AccountId(id), PositionMode::Netting);
        define(AccountDefined { account, name: text_id, mode }.into());
        define(instrument(InstrumentId(id), text_id).into());
        let (strategy, instrument) = (StrategyId(id), InstrumentId(id));
        define(
            StrategyDefined {
                parameters: [0; 8],
                strategy,
                name: text_id,
                account,
                instrument,
                kind: 1,
                enabled: true,
            }
            .into(),
        );
    }
    define(ReferenceCurrencySet { currency: CurrencyId(1) }.into());
    dictionary
}

fn venue() -> VenueDefined {
    let sample = Command::sample(place("market.venue_defined"), &mut || 1);
    if let Command::VenueDefined(venue) = sample { venue } else { unreachable!("it was asked for") }
}

fn place(name: &str) -> usize {
    Command::TYPES.iter().position(|(_, _, known)| *known == name).expect("a type that there is")
}

fn instrument(instrument: InstrumentId, symbol: TextId) -> Instrument {
    Instrument {
        notional_max: Money::ZERO,
        tick_size: Price(1),
        lot_size: Qty(1),
        quantity_min: Qty(1),
        quantity_max: Qty(1),
        multiplier: 1,
        maker_fee: Rate(0),
        taker_fee: Rate(0),
        margin_rate: Rate::ONE,
        instrument,
        symbol,
        base: CurrencyId(1),
        quote: CurrencyId(2),
        settlement: CurrencyId(2),
        kind: InstrumentKind::Linear,
        price_scale: 2,
        quantity_scale: 3,
        settlement_scale: 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_type_is_there_with_a_sentence_and_fields_that_were_seen() {
        let types = types();
        assert_eq!(types.len(), Command::TYPES.len() + Event::TYPES.len());
        let by_name: BTreeMap<_, _> = types.iter().map(|of| (of.name, of)).collect();
        assert_eq!(by_name.len(), types.len());
        for of in &types {
            assert!(!of.about.is_empty(), "{}", of.name);
            assert!(of.payload.fields.iter().all(|field| field.looks != Looks::default()), "{of:?}");
        }
        let field = |of: &str, name: &str| {
            by_name[of].payload.fields.iter().find(|field| field.name == name).expect(name).clone()
        };
        let side = field("order.submitted", "side").looks;
        assert_eq!(side.words, ["buy", "sell"].map(str::to_owned).into());
        let price = field("order.submitted", "price").looks;
        assert_eq!(price.plain, [Plain::Null, Plain::Decimal, Plain::Mantissa].into());
        let account = field("order.submitted", "account").looks;
        assert_eq!(account.plain, [Plain::Null, Plain::Whole, Plain::Text].into());
        assert!(price.words.is_empty() && account.words.is_empty());
        let average = field("order.filled", "avg_price");
        assert!(!by_name["order.filled"].payload.is_always_there(&average));
    }

    #[test]
    fn other_values_show_nothing_new() {
        let dictionaries = [Dictionary::default(), dictionary()];
        let mut seed = 7_u64;
        let mut draw = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, way) = (seed >> 40, (seed >> 33) % 16);
            match way {
                0..=6 => 0,
                7..=10 => number % 7,
                11..=14 => number,
                _ => u64::MAX - number,
            }
        };
        for of in types() {
            let commands = Command::TYPES.iter().position(|(_, _, name)| *name == of.name);
            let events = Event::TYPES.iter().position(|(_, _, name)| *name == of.name);
            let mut again = of.payload.clone();
            for _ in 0..400 {
                let payload = match (commands, events) {
                    (Some(place), _) => Payload::Command(Command::sample(place, &mut draw)),
                    (_, place) => Payload::Event(Event::sample(place.expect("a type"), &mut draw)),
                };
                show(&payload, &dictionaries, &mut again);
            }
            assert_eq!(strip(again), strip(of.payload), "{}", of.name);
        }
    }

    /// Without how often something was seen.
    fn strip(mut table: Table) -> Table {
        table.seen = 0;
        for field in &mut table.fields {
            field.seen = 0;
            let mut looks = &mut field.looks;
            if let Some(items) = &mut looks.items {
                looks = items;
            }
            looks.table = looks.table.take().map(strip);
        }
        table
    }
}
