//! What a mapping must be, looked at before any source is opened.

use super::{
    Definitions, File, From, Mapping, MappingError, Origin, OriginKind, Purpose, Source, SourceTerms, Table,
};
use crate::fields::{FieldKind, Need, What};
use crate::time::{TimeFormat, TimeZoneText};
use crate::values::Marks;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tickwerk_domain::DurationNs;

/// Sources that a mapping may have; their numbers are in the journal.
const SOURCES_MAX: usize = 64;
const NAME_LENGTH_MAX: usize = 64;
const SCALE_MAX: u8 = 18;
const MARKS: &[char] = &['.', ',', '\'', ' ', '_'];

pub(super) fn checked(file: File, folder: &Path, hash: String) -> Result<Mapping, MappingError> {
    let general = "section [import]".to_owned();
    check_name(&file.import.name).map_err(|reason| bad(&general, format!("`name` {reason}")))?;
    if file.source.is_empty() {
        return Err(bad("no [[source]]", "name at least one source of rows"));
    }
    if file.source.len() > SOURCES_MAX {
        return Err(bad("sources", format!("there are {}; the limit is {SOURCES_MAX}", file.source.len())));
    }
    let mut names = BTreeSet::new();
    let mut sources = Vec::with_capacity(file.source.len());
    for terms in file.source {
        let place = format!("source {:?}", terms.name);
        check_name(&terms.name).map_err(|reason| bad(&place, format!("`name` {reason}")))?;
        if !names.insert(terms.name.clone()) {
            return Err(bad(&place, "is there twice; give each source a name of its own"));
        }
        sources.push(checked_source(terms, folder, &place)?);
    }
    check_together(&sources)?;
    Ok(Mapping {
        name: file.import.name,
        max_refused: file.import.max_refused,
        segment_size: file.import.segment_size_bytes,
        hash,
        aliases: file.names,
        definitions: Definitions {
            currencies: file.currency,
            instruments: file.instrument,
            accounts: file.account,
            strategies: file.strategy,
        },
        sources,
    })
}

fn bad(place: impl Into<String>, reason: impl Into<String>) -> MappingError {
    MappingError::Bad { place: place.into(), reason: reason.into() }
}

fn check_name(name: &str) -> Result<(), String> {
    let is_good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | ' ');
    if name.is_empty() || name.len() > NAME_LENGTH_MAX || !name.chars().all(is_good) {
        return Err(format!(
            "is {name:?}; write 1 to {NAME_LENGTH_MAX} letters, digits, '-', '_', '.' or spaces"
        ));
    }
    Ok(())
}

/// What sources say of each other.
fn check_together(sources: &[Source]) -> Result<(), MappingError> {
    let has_orders = sources.iter().any(|source| source.what == What::Orders);
    if let Some(source) = sources.iter().find(|source| source.what == What::Amendments && !has_orders) {
        let reason = "amendments are of orders, and no source has rows = \"orders\"; add one";
        return Err(bad(format!("source {:?}", source.name), reason));
    }
    for source in sources.iter().filter(|source| source.what == What::Fills) {
        let place = format!("source {:?}", source.name);
        if source.has("order") && !has_orders {
            let reason = "`order` names orders, and no source has rows = \"orders\"; add one, or leave `order` out: \
                          each fill then gets an order of its own";
            return Err(bad(place, reason));
        }
        let missing = ["account", "symbol", "side"].iter().find(|field| !source.has(field));
        if let Some(missing) = missing.filter(|_| !source.has("order")) {
            let reason =
                format!("`{missing}` is not mapped, and no `order` tells it; map it, or give a constant");
            return Err(bad(place, reason));
        }
    }
    Ok(())
}

fn checked_source(terms: SourceTerms, folder: &Path, place: &str) -> Result<Source, MappingError> {
    let what = terms.rows;
    let origin = origin(&terms, folder).map_err(|reason| bad(place, reason))?;
    let values = values(what, &terms.columns, &terms.constants).map_err(|reason| bad(place, reason))?;
    check_words(what, &terms.words).map_err(|reason| bad(place, reason))?;
    for (field, scale) in &terms.scales {
        let is_decimal = known(what, field).map_err(|reason| bad(place, reason))?.kind.is_decimal();
        if !is_decimal || *scale > SCALE_MAX {
            let reason = "name a price, quantity or amount, with 0 to 18 decimals";
            return Err(bad(place, format!("scales.{field} = {scale} cannot be; {reason}")));
        }
    }
    let marks = marks(&terms).map_err(|reason| bad(place, reason))?;
    let (format, zone) = (terms.time.format.as_deref(), terms.time.zone.as_deref());
    let time = TimeFormat::parse(format.unwrap_or("iso")).map_err(|reason| bad(place, reason))?;
    let zone = TimeZoneText::parse(zone).map_err(|reason| bad(place, reason))?;
    let is_check = match (what, terms.purpose) {
        (What::Positions | What::Balances, Some(purpose)) => purpose == Purpose::Check,
        (What::Positions | What::Balances, None) => {
            let reason = "positions and balances need `use`: \"open\" makes them the beginning of what follows, \"check\" compares \
                          them with what the rows before lead to";
            return Err(bad(place, reason));
        }
        (_, None) => false,
        (_, Some(_)) => return Err(bad(place, "`use` is for positions and balances only; leave it out")),
    };
    let period = match (what, terms.period.as_deref()) {
        (What::Candles, Some(text)) => period(text).map_err(|reason| bad(place, reason))?,
        (What::Candles, None) => {
            return Err(bad(place, "candles need `period`, such as \"1m\", \"4h\" or \"1d\""));
        }
        (_, None) => DurationNs(0),
        (_, Some(_)) => return Err(bad(place, "`period` is for candles only; leave it out")),
    };
    let has = |field: &str| what.place(field).is_some_and(|place| values[place] != From::Nowhere);
    if what == What::Positions && !is_check && !has("price") {
        return Err(bad(place, "`price` is not mapped; a position that opens needs its average price"));
    }
    if what == What::Amendments && !["qty", "price", "trigger_price"].into_iter().any(has) {
        return Err(bad(
            place,
            "maps nothing that an amendment changes; map `qty`, `price` or `trigger_price`",
        ));
    }
    let is_halved = |price, qty| has(price) != has(qty);
    if what == What::Quotes && (is_halved("bid_price", "bid_qty") || is_halved("ask_price", "ask_qty")) {
        let reason = "a side of a quote is a price and a quantity; map both, and where the source has no quantities, give a \
                      constant such as bid_qty = \"1\"";
        return Err(bad(place, reason));
    }
    if what == What::Quotes && !has("bid_price") && !has("ask_price") {
        return Err(bad(
            place,
            "maps neither bid nor ask; map `bid_price` and `bid_qty`, `ask_price` and `ask_qty`",
        ));
    }
    if terms.only.values().any(Vec::is_empty) {
        return Err(bad(place, "a list in `only` is empty, so that no row would be taken; name values"));
    }
    let only = terms.only.into_iter().collect();
    let (name, words, scales) = (terms.name, terms.words, terms.scales);
    Ok(Source { name, what, origin, values, words, only, time, zone, marks, scales, is_check, period })
}

/// The field with this name, or what there is instead.
fn known(what: What, name: &str) -> Result<&'static crate::fields::Field, String> {
    what.field(name).ok_or_else(|| {
        let names: Vec<&str> = what.fields().iter().map(|field| field.name).collect();
        format!("{} have no field `{name}`; they have {}", what.word(), names.join(", "))
    })
}

fn values(
    what: What,
    columns: &BTreeMap<String, String>,
    constants: &BTreeMap<String, String>,
) -> Result<Vec<From>, String> {
    for name in columns.keys().chain(constants.keys()) {
        known(what, name)?;
    }
    let mut values = Vec::new();
    for field in what.fields() {
        let from = match (columns.get(field.name), constants.get(field.name)) {
            (Some(_), Some(_)) => {
                return Err(format!("`{}` has a column and a constant; leave one of them out", field.name));
            }
            (Some(column), None) => From::Column(column.clone()),
            (None, Some(value)) => From::Constant(value.clone()),
            (None, None) => From::Nowhere,
        };
        if field.need == Need::Always && from == From::Nowhere {
            return Err(format!(
                "`{}` ({}) is missing; map a column to it under columns, or give it under constants",
                field.name, field.about
            ));
        }
        values.push(from);
    }
    Ok(values)
}

fn check_words(what: What, words: &BTreeMap<String, BTreeMap<String, String>>) -> Result<(), String> {
    for (field, table) in words {
        let FieldKind::Word(ours) = known(what, field)?.kind else {
            return Err(format!("words.{field}: the field has no words; names of ours stand under [names]"));
        };
        if let Some((theirs, word)) = table.iter().find(|(_, word)| !ours.contains(&word.as_str())) {
            return Err(format!("words.{field}.{theirs:?} = {word:?} is none of {}", ours.join(", ")));
        }
    }
    Ok(())
}

fn marks(terms: &SourceTerms) -> Result<Marks, String> {
    let mark = |name: &str, text: &Option<String>| match text.as_deref() {
        None => Ok(None),
        Some(text) => {
            let mut letters = text.chars();
            let mark = letters.next().filter(|mark| letters.next().is_none() && MARKS.contains(mark));
            mark.map(Some).ok_or_else(|| format!("`{name}` is {text:?}; write one of . , ' _ or a space"))
        }
    };
    let decimal = mark("decimal_mark", &terms.decimal_mark)?.unwrap_or('.');
    let group = mark("group_mark", &terms.group_mark)?;
    if !matches!(decimal, '.' | ',') || group == Some(decimal) {
        return Err("`decimal_mark` is \".\" or \",\", and `group_mark` another mark".to_owned());
    }
    Ok(Marks { decimal, group })
}

fn origin(terms: &SourceTerms, folder: &Path) -> Result<Origin, String> {
    let is_csv = matches!(terms.kind, OriginKind::Csv);
    let is_postgres = matches!(terms.kind, OriginKind::Postgres);
    let of_server = [
        ("url", terms.url.is_some()),
        ("url_env", terms.url_env.is_some()),
        ("password_file", terms.password_file.is_some()),
        ("tls", terms.tls.is_some()),
        ("root_cert_file", terms.root_cert_file.is_some()),
    ];
    let of_tables = [
        ("table", terms.table.is_some()),
        ("query", terms.query.is_some()),
        ("order_by", terms.order_by.is_some()),
    ];
    let stray = of_server.iter().filter(|_| !is_postgres).chain(of_tables.iter().filter(|_| is_csv));
    let of_files = [
        ("path", terms.path.is_some() && is_postgres),
        ("delimiter", terms.delimiter.is_some() && !is_csv),
        ("header", terms.header.is_some() && !is_csv),
    ];
    if let Some((name, _)) = stray.chain(&of_files).find(|(_, is_there)| *is_there) {
        return Err(format!("`{name}` is not for this kind of source; leave it out"));
    }
    let path = || {
        let path = terms.path.as_ref().ok_or("`path` is missing; name the file")?;
        Ok::<_, String>(folder.join(path))
    };
    Ok(match terms.kind {
        OriginKind::Csv => {
            let (delimiter, header) = (delimiter(terms.delimiter.as_deref())?, terms.header.clone());
            Origin::Csv { path: path()?, delimiter, header }
        }
        OriginKind::Sqlite => Origin::Sqlite { path: path()?, table: table(terms)? },
        OriginKind::Postgres => {
            if terms.url.is_some() == terms.url_env.is_some() {
                return Err(
                    "give `url`, or `url_env` with the name of an environment variable, and not both"
                        .to_owned(),
                );
            }
            Origin::Postgres {
                url: terms.url.clone(),
                url_env: terms.url_env.clone(),
                password_file: terms.password_file.as_ref().map(|path| folder.join(path)),
                tls: terms.tls.unwrap_or_default(),
                root_cert: terms.root_cert_file.as_ref().map(|path| folder.join(path)),
                table: table(terms)?,
            }
        }
    })
}

fn delimiter(text: Option<&str>) -> Result<u8, String> {
    match text.unwrap_or(",").as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!(
            "`delimiter` is {:?}; write one character such as \",\", \";\" or \"\\t\"",
            text.unwrap_or_default()
        )),
    }
}

fn table(terms: &SourceTerms) -> Result<Table, String> {
    let query = match (&terms.table, &terms.query) {
        (Some(table), None) => format!("SELECT * FROM {}", quoted(table)),
        (None, Some(query)) => query.trim().trim_end_matches(';').to_owned(),
        _ => return Err("give `table`, or `query` with a SELECT, and not both".to_owned()),
    };
    let order_by = terms.order_by.clone().ok_or(
        "`order_by` is missing; name the columns that put rows into one order only, such as \"id\": rows are numbered by it",
    )?;
    Ok(Table { query, order_by })
}

/// A name of SQL, each of its parts in quotes.
fn quoted(name: &str) -> String {
    let parts: Vec<String> =
        name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    parts.join(".")
}

fn period(text: &str) -> Result<DurationNs, String> {
    let fault = || format!("`period` is {text:?}; write a number and s, m, h or d, such as \"1m\"");
    let unit = text.chars().last().ok_or_else(fault)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fault()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| fault())?;
    if count == 0 {
        return Err(fault());
    }
    Ok(DurationNs(u64::from(count) * seconds * 1_000_000_000))
}
