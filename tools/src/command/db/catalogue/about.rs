//! What each field is: what its declaration says, or, where a row shows it in another form than it is declared in, what is
//! said here. The unit follows from the type that it is declared with.

use super::observed::{Field, Table, Type};
use tickwerk_domain::fields::FieldAbout;

/// Type, field, and what it is. A field of a list is named behind the list. An empty type stands for every one that has the
/// field only as it is shown.
const SHOWN: &[(&str, &str, &str)] = &[
    (
        "",
        "avg_price",
        "Average price of the fills so far (FIX `AvgPx`); not there where the beginning of the order is not known.",
    ),
    ("", "legs.amount", "What moves, in the currency of the leg; never negative."),
    ("", "legs.currency", "Which currency."),
    ("", "legs.from", "The book of the ledger that it leaves."),
    ("", "legs.to", "The book of the ledger that it goes to."),
    ("", "levels.price", "Price of the level."),
    ("", "levels.qty", "What stands there now; zero where the level is gone."),
    ("", "levels.side", "Bids or asks."),
    ("market.book_delta", "levels", "The levels that are others now, up to six."),
    ("market.book_delta", "clears", "The book is emptied before: a snapshot begins."),
    ("market.book_delta", "is_last", "The update is complete; until then the book is not whole."),
    (
        "market.venue_defined",
        "capabilities",
        "What it can do, as a sum: 1 triggers orders, 2 trailing stops, 4 icebergs, 8 ends DAY and GTD, 16 fill-or-kill, \
         32 post-only, 64 auctions, 128 replaces in place. Everything else is done in the core.",
    ),
];

/// Gives every field of a type what is said of it.
pub(super) fn describe(of: &mut Type, declared: &'static [FieldAbout]) {
    let name = of.name;
    fill(&mut of.payload, name, "", declared);
}

fn fill(table: &mut Table, of: &str, path: &str, declared: &'static [FieldAbout]) {
    for field in &mut table.fields {
        let full = format!("{path}{}", field.name);
        let known = declared.iter().find(|known| path.is_empty() && known.name == field.name);
        let shown = shown(of, &full, known.is_some());
        field.about = shown.or(known.map(|known| known.about)).map(plain).unwrap_or_default();
        if let Some(known) = known {
            field.of = known.of;
            unit(field);
        }
        let looks = &mut field.looks;
        let inner = match &mut looks.items {
            Some(items) => items.table.as_mut(),
            None => looks.table.as_mut(),
        };
        if let Some(inner) = inner {
            fill(inner, of, &format!("{full}."), &[]);
        }
    }
}

fn shown(of: &str, full: &str, is_declared: bool) -> Option<&'static str> {
    let entry = SHOWN
        .iter()
        .find(|(its, field, _)| *field == full && (*its == of || (its.is_empty() && !is_declared)));
    entry.map(|(_, _, about)| *about)
}

/// The unit, where only the declared type tells it.
fn unit(field: &mut Field) {
    let unit = match field.of {
        "DurationNs" => "nanoseconds",
        "Sequence" => "sequence",
        _ => return,
    };
    field.meaning = unit;
}

/// Without the links of a comment, and without what would end the cell of a table.
fn plain(about: &str) -> String {
    about.trim().replace("[`", "`").replace("`]", "`").replace('|', "or")
}

#[cfg(test)]
mod tests {
    use super::super::observed;
    use super::*;
    use std::collections::BTreeSet;

    fn paths(of: &str, table: &Table, path: &str, all: &mut BTreeSet<(String, String)>) {
        for field in &table.fields {
            assert!(
                field.about.ends_with('.'),
                "{of} {path}{} says `{}`, no sentence",
                field.name,
                field.about
            );
            assert!(!field.about.contains(['[', '\n']), "{of} {path}{}: {}", field.name, field.about);
            let full = format!("{path}{}", field.name);
            let inner = field.looks.items.as_ref().map_or(&field.looks.table, |items| &items.table);
            if let Some(inner) = inner {
                paths(of, inner, &format!("{full}."), all);
            }
            all.insert((of.to_owned(), full));
        }
    }

    #[test]
    fn every_field_of_every_type_is_described_and_nothing_else_is() {
        let mut all = BTreeSet::new();
        for of in observed::types() {
            paths(of.name, &of.payload, "", &mut all);
        }
        for (of, field, _) in SHOWN {
            let is_used = all.iter().any(|(its, path)| path == field && (of.is_empty() || its == of));
            assert!(is_used, "no row shows {field} of {of}");
        }
        for (of, field, _) in SHOWN {
            let same = SHOWN.iter().filter(|(its, path, _)| (its, path) == (of, field)).count();
            assert_eq!(same, 1, "{field} of {of} is described {same} times");
        }
    }

    #[test]
    fn units_and_words_follow_from_the_declared_types() {
        let types = observed::types();
        let field = |of: &str, name: &str| {
            let of = types.iter().find(|known| known.name == of).expect("a type");
            of.payload.fields.iter().find(|field| field.name == name).expect("a field").clone()
        };
        let latency = field("market.simulated_venue_set", "latency");
        assert_eq!((latency.meaning, latency.of), ("nanoseconds", "DurationNs"));
        assert_eq!(field("market.quote", "bid_price").meaning, "price");
        assert_eq!(field("order.rejected", "reason").of, "ReasonCode");
    }
}
