//! Reads one table key by key, and keeps what it read so that it can be dumped.
//!
//! Invariant: a key that the section does not know is refused before any value is read, so that a misspelled key is
//! never told as a missing one. Each value is that of the override if there is one, else of the file, else the default.

use super::error::{ConfigError, nearest};
use super::overrides::{Overrides, SECTIONS, remedy_for};
use std::fmt::Display;
use std::ops::RangeInclusive;
use tickwerk_domain::{DecimalError, parse_decimal, parse_decimal_i128};
use toml::{Table, Value};

/// Where a table comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The file, or "the defaults".
    pub(crate) origin: &'a str,
    pub(crate) overrides: &'a Overrides,
}

/// A table that is being read.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    path: String,
    source: Source<'a>,
    table: Table,
    /// What was read, defaults included.
    read: Table,
}

/// A value as it was found. From the environment and the command line everything comes as text.
enum Found {
    Toml(Value),
    Text(String),
}

impl<'a> Section<'a> {
    /// Opens the part `name` of `parent`; an absent one is empty.
    pub(crate) fn open(
        parent: &mut Table,
        name: &str,
        path: &str,
        source: Source<'a>,
    ) -> Result<Self, ConfigError> {
        let keys = SECTIONS.iter().find(|(section, _)| *section == path).map_or(&[][..], |(_, keys)| keys);
        let value = parent.remove(name).unwrap_or_else(|| Value::Table(Table::new()));
        let Value::Table(table) = value else {
            return Err(ConfigError::WrongType {
                key: path.to_owned(),
                value: value.to_string(),
                origin: source.origin.to_owned(),
                expected: format!("a section [{path}]"),
            });
        };
        Self::of(table, path.to_owned(), keys, source)
    }

    /// Takes `table`, which may have `keys` only.
    pub(crate) fn of(
        table: Table,
        path: String,
        keys: &[&str],
        source: Source<'a>,
    ) -> Result<Self, ConfigError> {
        if let Some(unknown) = table.keys().find(|key| !keys.contains(&key.as_str())) {
            let key = join(&path, unknown);
            let in_list = !SECTIONS.iter().any(|(section, _)| *section == path);
            let remedy = match nearest(unknown, keys) {
                Some(near) => format!("did you mean {}?", join(&path, near)),
                None if in_list => format!("known: {}", keys.join(", ")),
                None => remedy_for(&key),
            };
            return Err(ConfigError::UnknownKey { key, origin: source.origin.to_owned(), remedy });
        }
        Ok(Self { path, source, table, read: Table::new() })
    }

    /// Opens the table `name` inside this one.
    pub(crate) fn inner(&mut self, name: &str) -> Result<Self, ConfigError> {
        let path = self.key(name);
        Self::open(&mut self.table, name, &path, self.source)
    }

    /// Opens the table `name` with `keys` inside this one; `None` where there is none.
    pub(crate) fn inner_with(&mut self, name: &str, keys: &[&str]) -> Result<Option<Self>, ConfigError> {
        match self.table.remove(name) {
            None => Ok(None),
            Some(Value::Table(table)) => Self::of(table, self.key(name), keys, self.source).map(Some),
            Some(other) => Err(self.wrong_type(name, &other, "a table in braces")),
        }
    }

    /// A table `name` inside this one that has nothing.
    pub(crate) fn empty(&self, name: &str) -> Self {
        Self { path: self.key(name), source: self.source, table: Table::new(), read: Table::new() }
    }

    /// Takes a whole table of free keys; an absent one is empty.
    pub(crate) fn free_table(&mut self, name: &str, example: &str) -> Result<Table, ConfigError> {
        match self.table.remove(name) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table),
            Some(other) => Err(self.wrong_type(name, &other, example)),
        }
    }

    /// Keeps a part that was read elsewhere.
    pub(crate) fn keep(&mut self, name: &str, value: impl Into<Value>) {
        self.read.insert(name.to_owned(), value.into());
    }

    /// All that was read, to be dumped.
    pub(crate) fn finish(self) -> Table {
        self.read
    }

    /// The full path of `name`.
    pub(crate) fn key(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// Whether a value for `name` was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name) || self.source.overrides.get(&self.key(name)).is_some()
    }

    /// Whether the value for `name` is a whole number, in or above the file.
    pub(crate) fn is_number(&self, name: &str) -> bool {
        match self.source.overrides.get(&self.key(name)) {
            Some(above) => above.text.trim().parse::<i64>().is_ok(),
            None => self.table.get(name).is_some_and(Value::is_integer),
        }
    }

    /// Any text; `None` where there is none.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ConfigError> {
        let text = match self.find(name) {
            None => return Ok(None),
            Some(Found::Text(text) | Found::Toml(Value::String(text))) => text,
            Some(Found::Toml(other)) => return Err(self.wrong_type(name, &other, "text in quotes")),
        };
        if text.is_empty() {
            return Err(self.out_of_range(name, "\"\"", "write a text that is not empty"));
        }
        self.keep(name, text.clone());
        Ok(Some(text))
    }

    /// A text that is neither kept to be dumped nor repeated in an error, and whether the environment gave it.
    pub(crate) fn secret(&mut self, name: &str) -> Result<Option<(String, bool)>, ConfigError> {
        let above = self.source.overrides.get(&self.key(name));
        let is_of_environment = above.is_some_and(|above| above.is_of_environment);
        match self.find(name) {
            None => Ok(None),
            Some(Found::Text(text) | Found::Toml(Value::String(text))) if !text.is_empty() => {
                Ok(Some((text, is_of_environment)))
            }
            Some(Found::Text(_) | Found::Toml(_)) => Err(self.missing(name, "write it as a text in quotes")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, name: &str, remedy: &str) -> Result<String, ConfigError> {
        self.text(name)?.ok_or_else(|| self.missing(name, remedy))
    }

    /// A whole number within `range`.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, ConfigError> {
        let expected = "a whole number without quotes";
        let number = match self.find(name) {
            None => return Ok(None),
            Some(Found::Toml(Value::Integer(number))) => number,
            Some(Found::Text(text)) => {
                text.trim().parse().map_err(|_| self.wrong_type(name, &text, "a whole number"))?
            }
            Some(Found::Toml(other)) => return Err(self.wrong_type(name, &other, expected)),
        };
        if !range.contains(&number) {
            let remedy = format!("write a whole number from {} to {}", range.start(), range.end());
            return Err(self.out_of_range(name, number, &remedy));
        }
        self.keep(name, number);
        Ok(Some(number))
    }

    /// A whole number within `range`, or else `default`. Every number of `range` must fit `T`.
    pub(crate) fn integer_or<T>(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
        default: T,
    ) -> Result<T, ConfigError>
    where
        T: TryFrom<i64> + Copy,
        i64: TryFrom<T>,
    {
        let Some(number) = self.integer(name, range)? else {
            if let Ok(number) = i64::try_from(default) {
                self.keep(name, number);
            }
            return Ok(default);
        };
        T::try_from(number).map_err(|_| self.out_of_range(name, number, "write a smaller number"))
    }

    /// `true` or `false`, or else `default`.
    pub(crate) fn flag_or(&mut self, name: &str, default: bool) -> Result<bool, ConfigError> {
        let flag = self.flag(name)?.unwrap_or(default);
        self.keep(name, flag);
        Ok(flag)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Result<Option<bool>, ConfigError> {
        let flag = match self.find(name) {
            None => return Ok(None),
            Some(Found::Toml(Value::Boolean(flag))) => flag,
            Some(Found::Text(text)) => {
                text.trim().parse().map_err(|_| self.wrong_type(name, &text, "true or false"))?
            }
            Some(Found::Toml(other)) => {
                return Err(self.wrong_type(name, &other, "true or false without quotes"));
            }
        };
        self.keep(name, flag);
        Ok(Some(flag))
    }

    /// One of the `words`.
    pub(crate) fn word<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = match self.find(name) {
            None => return Ok(None),
            Some(Found::Text(text) | Found::Toml(Value::String(text))) => text,
            Some(Found::Toml(other)) => {
                return Err(self.wrong_type(name, &other, &format!("one of \"{}\"", names.join("\", \""))));
            }
        };
        let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) else {
            return Err(ConfigError::UnknownWord {
                key: self.key(name),
                origin: self.origin(name),
                remedy: format!("write one of {}", names.join(", ")),
                value: text,
            });
        };
        self.keep(name, text);
        Ok(Some(*meaning))
    }

    /// One of the `words`, or else the one called `default`.
    pub(crate) fn word_or<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&'static str, T)],
        default: &'static str,
    ) -> Result<T, ConfigError> {
        if let Some(meaning) = self.word(name, words)? {
            return Ok(meaning);
        }
        self.keep(name, default);
        let found = words.iter().find(|(word, _)| *word == default);
        Ok(found.expect("the default is one of the words").1)
    }

    /// A list of `words`.
    pub(crate) fn words<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&'static str, T)],
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let names = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let expected = format!("a list of words in quotes, of: {names}");
        let items = match self.find(name) {
            None => return Ok(None),
            Some(Found::Toml(Value::Array(items))) => items,
            Some(Found::Toml(other)) => return Err(self.wrong_type(name, &other, &expected)),
            Some(Found::Text(text)) => return Err(self.wrong_type(name, &text, &expected)),
        };
        let mut meanings = Vec::with_capacity(items.len());
        for item in &items {
            let Value::String(text) = item else {
                return Err(self.wrong_type(name, item, &expected));
            };
            let Some((_, meaning)) = words.iter().find(|(word, _)| word == text) else {
                return Err(ConfigError::UnknownWord {
                    key: self.key(name),
                    origin: self.origin(name),
                    remedy: format!("write some of {names}"),
                    value: text.clone(),
                });
            };
            meanings.push(*meaning);
        }
        self.keep(name, items);
        Ok(Some(meanings))
    }

    /// A decimal in quotes with at most `scale` decimals, as a mantissa.
    pub(crate) fn decimal(&mut self, name: &str, scale: u8) -> Result<Option<i64>, ConfigError> {
        self.parsed_decimal(name, |text| parse_decimal(text, scale))
    }

    /// A decimal as a wide mantissa, or else the one that `default` says.
    pub(crate) fn wide_decimal_or(
        &mut self,
        name: &str,
        scale: u8,
        default: &str,
    ) -> Result<i128, ConfigError> {
        if let Some(mantissa) = self.parsed_decimal(name, |text| parse_decimal_i128(text, scale))? {
            return Ok(mantissa);
        }
        self.keep(name, default);
        Ok(parse_decimal_i128(default, scale).expect("a default fits every scale that it is read with"))
    }

    /// A decimal, or else the one that `default` says.
    pub(crate) fn decimal_or(&mut self, name: &str, scale: u8, default: &str) -> Result<i64, ConfigError> {
        if let Some(mantissa) = self.decimal(name, scale)? {
            return Ok(mantissa);
        }
        self.keep(name, default);
        Ok(parse_decimal(default, scale).expect("a default fits every scale that it is read with"))
    }

    fn parsed_decimal<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, DecimalError>,
    ) -> Result<Option<T>, ConfigError> {
        let text = match self.find(name) {
            None => return Ok(None),
            Some(Found::Text(text) | Found::Toml(Value::String(text))) => text,
            Some(Found::Toml(other)) => {
                return Err(self.wrong_type(name, &other, "a decimal in quotes, such as \"0.001\""));
            }
        };
        let mantissa = parse(&text).map_err(|source| self.bad_decimal(name, &text, source))?;
        self.keep(name, text);
        Ok(Some(mantissa))
    }

    /// The value of `name`, taken out of the table. The origin stays known by [`Self::origin`].
    fn find(&mut self, name: &str) -> Option<Found> {
        let of_file = self.table.remove(name);
        match self.source.overrides.get(&self.key(name)) {
            Some(above) => Some(Found::Text(above.text.clone())),
            None => of_file.map(Found::Toml),
        }
    }

    fn origin(&self, name: &str) -> String {
        let above = self.source.overrides.get(&self.key(name));
        above.map_or_else(|| self.source.origin.to_owned(), |above| above.origin.clone())
    }

    pub(crate) fn missing(&self, name: &str, remedy: &str) -> ConfigError {
        ConfigError::Missing { key: self.key(name), remedy: remedy.to_owned() }
    }

    pub(crate) fn out_of_range(&self, name: &str, value: impl Display, remedy: &str) -> ConfigError {
        ConfigError::OutOfRange {
            key: self.key(name),
            value: value.to_string(),
            origin: self.origin(name),
            remedy: remedy.to_owned(),
        }
    }

    /// As [`Self::out_of_range`], for a value that was read already.
    pub(crate) fn refused(&self, name: &str, remedy: &str) -> ConfigError {
        let value = self.read.get(name).map_or_else(|| "nothing".to_owned(), Value::to_string);
        self.out_of_range(name, value, remedy)
    }

    pub(crate) fn bad_decimal(&self, name: &str, text: &str, source: DecimalError) -> ConfigError {
        ConfigError::Decimal {
            key: self.key(name),
            value: text.to_owned(),
            origin: self.origin(name),
            source,
        }
    }

    pub(crate) fn wrong_type(&self, name: &str, value: &impl Display, expected: &str) -> ConfigError {
        ConfigError::WrongType {
            key: self.key(name),
            value: value.to_string(),
            origin: self.origin(name),
            expected: expected.to_owned(),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
