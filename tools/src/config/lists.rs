//! What the lists of tables have in common: names that are given once, and names that are used.

use super::error::{ConfigError, suggest};
use super::section::{Section, Source};
use tickwerk_domain::TextBytes;
use toml::{Table, Value};

/// The tables `[[list]]`, each opened under a path with its name where it has one.
pub(crate) fn open_list<'a>(
    file: &mut Table,
    list: &'static str,
    name_key: &str,
    keys: &[&str],
    limit: usize,
    source: Source<'a>,
) -> Result<Vec<Section<'a>>, ConfigError> {
    let wrong = |value: &Value| ConfigError::WrongType {
        key: list.to_owned(),
        value: value.to_string(),
        origin: source.origin.to_owned(),
        expected: format!("a list of tables, each under [[{list}]]"),
    };
    let tables = match file.remove(list) {
        None => Vec::new(),
        Some(Value::Array(tables)) => tables,
        Some(other) => return Err(wrong(&other)),
    };
    // Number 0 stands for "none", so a store of n holds n − 1.
    if tables.len() >= limit {
        return Err(ConfigError::TooMany { list, count: tables.len(), limit: limit - 1 });
    }
    let mut sections = Vec::with_capacity(tables.len());
    for (index, table) in tables.into_iter().enumerate() {
        let Value::Table(table) = table else { return Err(wrong(&table)) };
        let name = table.get(name_key).and_then(Value::as_str).filter(|name| !name.is_empty());
        let path = name.map_or_else(|| format!("{list}[{index}]"), |name| format!("{list}[{name}]"));
        sections.push(Section::of(table, path, keys, source)?);
    }
    Ok(sections)
}

pub(crate) fn keep_list(dump: &mut Table, list: &str, sections: Vec<Section<'_>>) {
    if !sections.is_empty() {
        let tables = sections.into_iter().map(|section| Value::Table(section.finish())).collect();
        dump.insert(list.to_owned(), Value::Array(tables));
    }
}

/// A name that the dictionary can hold and that none of `others` has.
pub(crate) fn read_name<'s>(
    section: &mut Section<'_>,
    key: &str,
    mut others: impl Iterator<Item = &'s str>,
) -> Result<String, ConfigError> {
    let name = section.required_text(key, "write a name in quotes")?;
    if let Err(error) = TextBytes::new(&name) {
        return Err(section.out_of_range(key, format!("\"{name}\""), &format!("it {error}")));
    }
    if others.any(|other| other == name) {
        return Err(ConfigError::Duplicate { key: section.key(key), value: name });
    }
    Ok(name)
}

/// The entry that `name` names.
pub(crate) fn find<'s, T>(
    section: &Section<'_>,
    key: &str,
    what: &'static str,
    name: &str,
    entries: &'s [T],
    name_of: impl Fn(&T) -> &str,
) -> Result<&'s T, ConfigError> {
    entries.iter().find(|entry| name_of(entry) == name).ok_or_else(|| {
        let known: Vec<&str> = entries.iter().map(&name_of).collect();
        ConfigError::UnknownName {
            key: section.key(key),
            value: name.to_owned(),
            what,
            remedy: suggest(name, &known),
        }
    })
}
