//! The catalogue as a page for people.

use super::observed::{Field, Looks, Plain, Table, Type};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tickwerk_domain::Family;

/// Words of an enumeration that are listed beside a field; more are listed under its name.
const WORDS_MAX: usize = 8;

const HEAD: &str = "# Commands and events in `tickwerk.events`

This page is the output of `tickwerk db catalogue`; `UPDATE_GOLDEN=1 cargo test -p tickwerk catalogue` writes it anew. The
same as JSON Schemas: `tickwerk db catalogue --schema`, committed as [`events.schema.json`](events.schema.json).

A row's `event_data` has the fields of its `event_type`. In all of them:

- *decimal* is an exact decimal in a string, such as `\"61837.63\"`, with the decimals of its instrument or currency; never a
  JSON number. Where the scale was never defined it is `{\"mantissa\": \"…\"}`.
- *name* is the name that was given to an account, symbol, currency, strategy, venue or text; its number where it has none.
- *or null*: there is none. *sometimes*: the field may be left out.
- Numbers are whole but *figures* of strategies. Times are nanoseconds since 1970, UTC.
- *price* and *quantity* have the decimals of the instrument (`price_scale`, `quantity_scale` of its definition), a price in
  its quote currency. *amount* has the decimals of its currency: the one that is named beside it, else the instrument's
  settlement currency, else the reference currency. *fraction* has eight decimals, 1 is a hundred per cent.

What each field is, is told under [Fields](#fields); the words of long enumerations under [Words](#words).
";

/// Writes it.
pub(super) fn write(types: &[Type]) -> String {
    let mut page = HEAD.to_owned();
    for family in Family::ALL {
        let word = family.word();
        write!(
            page,
            "\n## {word}\n\n| type | kind | version | what | fields |\n| --- | --- | --- | --- | --- |\n"
        )
        .expect("a string takes all");
        for of in types.iter().filter(|of| of.family == word) {
            let fields = fields(&of.payload);
            writeln!(page, "| `{}` | {} | {} | {} | {fields} |", of.name, of.kind, of.version, of.about)
                .expect("a string takes all");
        }
    }
    abouts(types, &mut page);
    enumerations(types, &mut page);
    page
}

/// All fields of a type, those of lists behind the list.
fn walk<'t>(table: &'t Table, path: &str, see: &mut dyn FnMut(&str, &'t Field)) {
    for field in &table.fields {
        let full = format!("{path}{}", field.name);
        see(&full, field);
        let inner = field.looks.items.as_ref().map_or(&field.looks.table, |items| &items.table);
        if let Some(inner) = inner {
            walk(inner, &format!("{full}."), see);
        }
    }
}

/// What fields are: by name, and by type where one name stands for more than one thing.
fn abouts(types: &[Type], page: &mut String) {
    let mut all: BTreeMap<String, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
    for of in types {
        walk(&of.payload, "", &mut |path, field| {
            all.entry(path.to_owned()).or_default().entry(&field.about).or_default().push(of.name);
        });
    }
    page.push_str("\n## Fields\n\nWhere a field is another thing in some types, those are named before it; all others have the first.\n\n");
    page.push_str("| field | what it is |\n| --- | --- |\n");
    for (name, by_about) in &all {
        let mut ways: Vec<(&str, &Vec<&str>)> = by_about.iter().map(|(about, of)| (*about, of)).collect();
        ways.sort_by_key(|(_, of)| std::cmp::Reverse(of.len()));
        let told: Vec<String> = ways
            .iter()
            .enumerate()
            .map(|(place, (about, of))| {
                let names: Vec<String> = of.iter().map(|name| format!("`{name}`")).collect();
                if place == 0 { (*about).to_owned() } else { format!("{}: {about}", names.join(", ")) }
            })
            .collect();
        writeln!(page, "| `{name}` | {} |", told.join("<br>")).expect("a string takes all");
    }
}

/// The words of enumerations that are too long to stand beside a field.
fn enumerations(types: &[Type], page: &mut String) {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for of in types {
        walk(&of.payload, "", &mut |path, field| {
            if field.looks.words.len() > WORDS_MAX {
                let words: Vec<String> = field.looks.words.iter().map(|word| format!("`{word}`")).collect();
                let known = all.entry(field.of).or_insert_with(|| words.clone());
                assert_eq!(*known, words, "{path} of {} is a {} with other words", of.name, field.of);
            }
        });
    }
    page.push_str("\n## Words\n\n| enumeration | words |\n| --- | --- |\n");
    for (name, words) in all {
        writeln!(page, "| {name} | {} |", words.join(", ")).expect("a string takes all");
    }
}

fn fields(table: &Table) -> String {
    let shown = table.fields.iter().map(|field| {
        let sometimes = if table.is_always_there(field) { "" } else { ", sometimes" };
        format!("`{}` {}{sometimes}", field.name, what(field))
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn what(field: &Field) -> String {
    let looks = looks(&field.looks, field.of);
    match field.meaning {
        "" => looks,
        meaning => format!("{meaning}: {looks}"),
    }
}

fn looks(of: &Looks, declared: &str) -> String {
    let mut all = Vec::new();
    match (of.has(Plain::Text), of.has(Plain::Whole)) {
        (true, true) => all.push("name".to_owned()),
        (true, false) => all.push("text".to_owned()),
        (false, true) => all.push("number".to_owned()),
        (false, false) => {}
    }
    if of.has(Plain::Flag) {
        all.push("true or false".to_owned());
    }
    if of.has(Plain::Real) {
        all.push("number with a fraction".to_owned());
    }
    if of.has(Plain::Decimal) || of.has(Plain::Mantissa) {
        all.push("decimal".to_owned());
    }
    if of.words.len() > WORDS_MAX {
        all.push(format!("one of {} words of {declared}", of.words.len()));
    } else if !of.words.is_empty() {
        all.extend(of.words.iter().map(|word| format!("`{word}`")));
    }
    if let Some(items) = &of.items {
        all.push(format!("list of {}", looks(items, "")));
    }
    if let Some(table) = &of.table {
        all.push(format!("({})", fields(table)));
    }
    if of.has(Plain::Null) {
        all.push("null".to_owned());
    }
    all.join(" or ")
}
