//! The catalogue as JSON Schemas, of draft 2020-12: a row of `tickwerk.events` as `to_jsonb` gives it, and under `$defs`
//! each type's `event_data`. One definition a line, so that a change is a line.

use super::observed::{Looks, Plain, Table, Type};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Writes them.
pub(super) fn write(types: &[Type]) -> String {
    let mut text = String::from("{\n");
    let mut line = |name: &str, value: &Value| {
        writeln!(text, "  {}: {value},", json!(name)).expect("a string takes all");
    };
    line("$schema", &json!("https://json-schema.org/draft/2020-12/schema"));
    line("title", &json!("A row of tickwerk.events"));
    line(
        "description",
        &json!(
            "Exact decimals are strings, never JSON numbers. Written by `tickwerk db catalogue --schema`; the same for \
             people is EVENTS.md."
        ),
    );
    line("type", &json!("object"));
    line(
        "required",
        &json!(["global_position", "kind", "event_type", "schema_version", "family", "event_data"]),
    );
    text.push_str("  \"oneOf\": [\n");
    let rows: Vec<String> = types.iter().map(|of| format!("    {}", row(of))).collect();
    text.push_str(&rows.join(",\n"));
    text.push_str("\n  ],\n  \"$defs\": {\n");
    let shared = [
        (
            "decimal",
            json!({
                "description": "an exact decimal at the scale of its instrument or currency",
                "type": "string",
                "pattern": "^-?[0-9]+(\\.[0-9]+)?$",
            }),
        ),
        (
            "mantissa",
            json!({
                "description": "an exact value whose scale was never defined",
                "type": "object",
                "properties": { "mantissa": { "type": "string", "pattern": "^-?[0-9]+$" } },
                "required": ["mantissa"],
                "additionalProperties": false,
            }),
        ),
    ];
    let of_types = types.iter().map(|of| {
        let mut schema = object(&of.payload);
        schema["description"] = json!(of.about);
        (of.name, schema)
    });
    let all: Vec<String> = shared
        .into_iter()
        .chain(of_types)
        .map(|(name, schema)| format!("    {}: {schema}", json!(name)))
        .collect();
    text.push_str(&all.join(",\n"));
    text.push_str("\n  }\n}\n");
    text
}

fn row(of: &Type) -> Value {
    json!({
        "properties": {
            "kind": { "const": of.kind },
            "event_type": { "const": of.name },
            "schema_version": { "const": of.version },
            "family": { "const": of.family },
            "event_data": { "$ref": format!("#/$defs/{}", of.name) },
        },
    })
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    for field in &table.fields {
        let mut schema = value(&field.looks);
        let unit = if field.meaning.is_empty() { String::new() } else { format!(" ({})", field.meaning) };
        schema["description"] = json!(format!("{}{unit}", field.about));
        properties.insert(field.name.clone(), schema);
    }
    let required: Vec<_> =
        table.fields.iter().filter(|field| table.is_always_there(field)).map(|field| &field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// What a value may be. Where there is more than one way that is not a plain type, any of them.
fn value(of: &Looks) -> Value {
    let mut types: Vec<&str> = Vec::new();
    let mut ways: Vec<Value> = Vec::new();
    for (plain, word) in [
        (Plain::Null, "null"),
        (Plain::Flag, "boolean"),
        (Plain::Real, "number"),
        (Plain::Whole, "integer"),
        (Plain::Text, "string"),
    ] {
        // What has a fraction may also be whole.
        let is_said = plain == Plain::Whole && of.has(Plain::Real);
        if of.has(plain) && !is_said {
            types.push(word);
        }
    }
    if of.has(Plain::Decimal) {
        ways.push(json!({ "$ref": "#/$defs/decimal" }));
    }
    if of.has(Plain::Mantissa) {
        ways.push(json!({ "$ref": "#/$defs/mantissa" }));
    }
    if !of.words.is_empty() {
        ways.push(json!({ "enum": of.words }));
    }
    if let Some(items) = &of.items {
        ways.push(json!({ "type": "array", "items": value(items) }));
    }
    if let Some(table) = &of.table {
        ways.push(object(table));
    }
    match types.as_slice() {
        [] => {}
        [one] => ways.push(json!({ "type": one })),
        several => ways.push(json!({ "type": several })),
    }
    if ways.len() == 1 { ways.remove(0) } else { json!({ "anyOf": ways }) }
}
