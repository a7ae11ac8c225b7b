//! The committed JSON Schemas against real rows: of a journal with every type of record there is, made of numbers that use
//! all their bytes and of small ones that have names, and of one that an engine wrote.

use crate::server::{Database, database};
use crate::support::{db, migrate, ship, text, traded};
use crate::written;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tickwerk_domain::command::TimeAdvanced;
use tickwerk_domain::{Command, Event, Payload, TimeNs};

fn schemas() -> Value {
    let path: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "../adapters/postgres/events.schema.json"].iter().collect();
    serde_json::from_str(&std::fs::read_to_string(path).expect("a committed file")).expect("JSON")
}

/// Why `value` is not what `schema` says, by the keywords that the schemas use; any other one is an error.
fn why_not(schema: &Value, value: &Value, root: &Value) -> Result<(), String> {
    for (keyword, of) in schema.as_object().expect("a schema is an object") {
        let is_met = match keyword.as_str() {
            "description" => true,
            "const" => value == of,
            "enum" => of.as_array().expect("a list").contains(value),
            "type" => {
                let is_of = |word: &Value| match word.as_str().expect("a word") {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    // What is too large for a machine is read as a figure.
                    "integer" => value.is_i64() || value.is_u64() || value.to_string().contains("e+"),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    other => panic!("{other} is no type"),
                };
                of.as_array().map_or_else(|| is_of(of), |words| words.iter().any(is_of))
            }
            "pattern" => value.as_str().is_none_or(|text| is_of_pattern(of.as_str().expect("a text"), text)),
            "$ref" => {
                let place = of.as_str().and_then(|place| place.strip_prefix("#/$defs/")).expect("a place");
                why_not(&root["$defs"][place], value, root)?;
                true
            }
            "anyOf" => of.as_array().expect("a list").iter().any(|one| why_not(one, value, root).is_ok()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    why_not(of, item, root)?;
                }
                true
            }
            "properties" => {
                for (name, schema) in of.as_object().expect("an object") {
                    if let Some(found) = value.get(name) {
                        why_not(schema, found, root).map_err(|error| format!("{name}: {error}"))?;
                    }
                }
                true
            }
            "required" => {
                let has = |name: &Value| value.get(name.as_str().expect("a name")).is_some();
                !value.is_object() || of.as_array().expect("a list").iter().all(has)
            }
            "additionalProperties" => {
                assert_eq!(of, false);
                let known = schema["properties"].as_object().expect("an object");
                value.as_object().is_none_or(|object| object.keys().all(|name| known.contains_key(name)))
            }
            other => panic!("{other} is no keyword that this reads"),
        };
        if !is_met {
            return Err(format!("{value} is not {keyword} {of}"));
        }
    }
    Ok(())
}

/// The two patterns that there are: digits, and a point and more digits.
fn is_of_pattern(pattern: &str, text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    match (pattern, digits.split_once('.')) {
        ("^-?[0-9]+(\\.[0-9]+)?$", Some((whole, fraction))) => is_whole(whole) && is_whole(fraction),
        ("^-?[0-9]+(\\.[0-9]+)?$" | "^-?[0-9]+$", None) => is_whole(digits),
        ("^-?[0-9]+$", Some(_)) => false,
        (other, _) => panic!("{other} is no pattern that this reads"),
    }
}

/// Checks every row of `events` and gives the types that there were.
fn check_rows(address: &str, schemas: &Value) -> std::collections::BTreeSet<String> {
    let rows = Database::open(address)
        .rows("SELECT event_type, to_jsonb(e) FROM tickwerk.events e ORDER BY global_position");
    let ways = schemas["oneOf"].as_array().expect("a list");
    let mut types = std::collections::BTreeSet::new();
    for row in rows {
        let (name, row) = (row[0].clone().expect("never null"), row[1].clone().expect("never null"));
        let row: Value = serde_json::from_str(&row).expect("JSON");
        let way = ways.iter().find(|way| way["properties"]["event_type"]["const"] == *name);
        let way = way.unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        why_not(way, &row, schemas).unwrap_or_else(|error| panic!("{row}: {error}"));
        types.insert(name);
    }
    types
}

/// Every type of record, made of these numbers.
fn every_type(frames: &mut Vec<(u64, Vec<Payload>)>, draw: &mut dyn FnMut() -> u64) {
    for place in 0..Command::TYPES.len() {
        frames.push((0, vec![Payload::Command(Command::sample(place, draw))]));
    }
    for place in 0..Event::TYPES.len() {
        let cause = Payload::Command(TimeAdvanced { due: TimeNs(1) }.into());
        frames.push((0, vec![cause, Payload::Event(Event::sample(place, draw))]));
    }
}

#[test]
fn every_row_of_every_type_is_what_its_schema_says() {
    let Some(place) = database() else { return };
    let schemas = schemas();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal: &Path = &folder.path().join("journal");
    let mut frames = Vec::new();
    let mut last = 0_u64;
    every_type(&mut frames, &mut || {
        last = last.wrapping_add(0x9E37_79B9_7F4A_7C15);
        // Numbers of orders are sequences, which have 63 bits at most.
        last >> 1
    });
    for number in 0..8 {
        every_type(&mut frames, &mut || number);
    }
    written::write(journal, frames);
    migrate(&place.address);
    ship(&place.address, journal);
    let types = check_rows(&place.address, &schemas);
    assert_eq!(types.len(), Command::TYPES.len() + Event::TYPES.len());
    db(&place.address, &["verify", text(journal)]).expect(0);
    // What the schemas do not say is found.
    Database::open(&place.address).execute(
        "UPDATE tickwerk.events SET event_data = event_data || '{\"price\": 1.5}' WHERE event_type = 'market.mark'",
    );
    let found = std::panic::catch_unwind(|| check_rows(&place.address, &schemas));
    assert!(found.is_err(), "a price that is a number is against the schema");
}

#[test]
fn rows_of_a_trading_day_are_what_their_schemas_say() {
    let Some(place) = database() else { return };
    let (_bench, journal) = traded(500);
    migrate(&place.address);
    ship(&place.address, &journal);
    assert!(check_rows(&place.address, &schemas()).len() > 15);
}
