//! The catalogue as a page for people.

use super::observed::{Field, Looks, Plain, Table, Type};
use std::fmt::Write as _;
use tickwerk_domain::Family;

/// Words of an enumeration that are listed; of more, how many there are is told.
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
    page
}

fn fields(table: &Table) -> String {
    let shown = table.fields.iter().map(|field| {
        let sometimes = if table.is_always_there(field) { "" } else { ", sometimes" };
        format!("`{}` {}{sometimes}", field.name, what(field))
    });
    shown.collect::<Vec<_>>().join("; ")
}

fn what(field: &Field) -> String {
    let looks = looks(&field.looks);
    match field.meaning {
        "" => looks,
        meaning => format!("{meaning}: {looks}"),
    }
}

fn looks(of: &Looks) -> String {
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
        all.push(format!("one of {} words", of.words.len()));
    } else if !of.words.is_empty() {
        all.extend(of.words.iter().map(|word| format!("`{word}`")));
    }
    if let Some(items) = &of.items {
        all.push(format!("list of {}", looks(items)));
    }
    if let Some(table) = &of.table {
        all.push(format!("({})", fields(table)));
    }
    if of.has(Plain::Null) {
        all.push("null".to_owned());
    }
    all.join(" or ")
}
