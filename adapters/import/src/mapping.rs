//! The mapping: which sources there are, what their rows are, and what their columns mean.
//!
//! Invariant: a [`Mapping`] was checked: fields exist, what must be mapped is, times and marks can be used. Whether columns
//! are there is known once a source is open. A fault names the source, the key and what to write.

mod checks;

use crate::fields::{Field, What};
use crate::time::{TimeFormat, TimeZoneText};
use crate::values::Marks;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickwerk_domain::DurationNs;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("the mapping {} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no mapping.
    #[error("the mapping {} is not valid: {reason}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// Something in it cannot be.
    #[error("the mapping, {place}: {reason}")]
    Bad {
        /// The source or section.
        place: String,
        /// What is wrong, and what to write.
        reason: String,
    },
}

/// A mapping.
#[derive(Debug)]
pub struct Mapping {
    /// What the import is called.
    pub name: String,
    /// How many rows may be refused.
    pub max_refused: u64,
    /// Size of the journal's segments in bytes.
    pub segment_size: u64,
    /// BLAKE3 of its text in hex.
    pub hash: String,
    /// Names that sources have for ours.
    pub aliases: Aliases,
    /// Definitions in the mapping itself.
    pub(crate) definitions: Definitions,
    /// Where rows come from, in order.
    pub sources: Vec<Source>,
}

/// Names of sources, and ours.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Aliases {
    pub(crate) symbol: BTreeMap<String, String>,
    pub(crate) account: BTreeMap<String, String>,
    pub(crate) currency: BTreeMap<String, String>,
    pub(crate) strategy: BTreeMap<String, String>,
}

impl Aliases {
    /// Names of sources for what a kind of rows defines.
    pub(crate) fn of(&self, what: What) -> Option<&BTreeMap<String, String>> {
        what.defines().map(|name| match name {
            "symbol" => &self.symbol,
            "account" => &self.account,
            "strategy" => &self.strategy,
            _ => &self.currency,
        })
    }
}

/// Definitions that stand in the mapping, as rows of sources would have them.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) currencies: Vec<CurrencyTerms>,
    pub(crate) instruments: Vec<InstrumentTerms>,
    pub(crate) accounts: Vec<AccountTerms>,
    pub(crate) strategies: Vec<StrategyTerms>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CurrencyTerms {
    pub(crate) currency: String,
    pub(crate) scale: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstrumentTerms {
    pub(crate) symbol: String,
    pub(crate) kind: String,
    pub(crate) base: String,
    pub(crate) quote: String,
    pub(crate) price_scale: u8,
    pub(crate) quantity_scale: u8,
    #[serde(default = "one")]
    pub(crate) multiplier: u64,
}

fn one() -> u64 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountTerms {
    pub(crate) account: String,
    #[serde(default = "netting")]
    pub(crate) mode: String,
}

fn netting() -> String {
    "netting".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StrategyTerms {
    pub(crate) strategy: String,
    pub(crate) account: Option<String>,
    pub(crate) symbol: Option<String>,
}

/// A source.
#[derive(Debug)]
pub struct Source {
    /// Its name in reports.
    pub name: String,
    /// What its rows are.
    pub what: What,
    /// Where they come from.
    pub origin: Origin,
    /// For each field, in order, where its value stands.
    pub(crate) values: Vec<From>,
    /// Words of the source, by field and word, for ours.
    pub(crate) words: BTreeMap<String, BTreeMap<String, String>>,
    /// Rows are taken only where these columns hold one of these values.
    pub(crate) only: Vec<(String, Vec<String>)>,
    pub(crate) time: TimeFormat,
    pub(crate) zone: TimeZoneText,
    pub(crate) marks: Marks,
    /// Fields whose numbers are whole and have so many decimals.
    pub(crate) scales: BTreeMap<String, u8>,
    /// Positions: whether they open or are compared.
    pub(crate) is_check: bool,
    /// Candles: how long a bar is.
    pub(crate) period: DurationNs,
}

/// Where the value of a field stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum From {
    Column(String),
    Constant(String),
    Nowhere,
}

/// Where rows come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A file with values apart by a mark.
    Csv {
        /// The file.
        path: PathBuf,
        /// What stands between values.
        delimiter: u8,
        /// The names of columns, where its first line does not have them.
        header: Option<Vec<String>>,
    },
    /// A table of an SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What to read of it.
        table: Table,
    },
    /// A table of a PostgreSQL database.
    Postgres {
        /// How to reach it; read from the variable, where one is named.
        url: Option<String>,
        /// An environment variable that holds it, password and all.
        url_env: Option<String>,
        /// A file with the password.
        password_file: Option<PathBuf>,
        /// How the connection is protected.
        tls: Tls,
        /// Certificates to trust.
        root_cert: Option<PathBuf>,
        /// What to read of it.
        table: Table,
    },
}

/// How a connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Off on this host, verified off it.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Encrypted, with the server's certificate and name verified.
    VerifyFull,
}

/// What to read of a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table {
    /// A `SELECT`, or all of a table.
    pub query: String,
    /// What rows are numbered by: SQL that orders them in one way only.
    pub order_by: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    import: Import,
    #[serde(default)]
    currency: Vec<CurrencyTerms>,
    #[serde(default)]
    instrument: Vec<InstrumentTerms>,
    #[serde(default)]
    account: Vec<AccountTerms>,
    #[serde(default)]
    strategy: Vec<StrategyTerms>,
    #[serde(default)]
    names: Aliases,
    #[serde(default)]
    source: Vec<SourceTerms>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    name: String,
    #[serde(default)]
    max_refused: u64,
    #[serde(default = "segment_size")]
    segment_size_bytes: u64,
}

fn segment_size() -> u64 {
    64 * 1024 * 1024
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OriginKind {
    Csv,
    Sqlite,
    Postgres,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTerms {
    name: String,
    rows: What,
    kind: OriginKind,
    path: Option<PathBuf>,
    delimiter: Option<String>,
    header: Option<Vec<String>>,
    table: Option<String>,
    query: Option<String>,
    order_by: Option<String>,
    url: Option<String>,
    url_env: Option<String>,
    password_file: Option<PathBuf>,
    tls: Option<Tls>,
    root_cert_file: Option<PathBuf>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    words: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    only: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    time: Time,
    decimal_mark: Option<String>,
    group_mark: Option<String>,
    #[serde(default)]
    scales: BTreeMap<String, u8>,
    #[serde(rename = "use")]
    purpose: Option<Purpose>,
    period: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Purpose {
    Open,
    Check,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Time {
    format: Option<String>,
    zone: Option<String>,
}

impl Mapping {
    /// Reads a mapping; paths in it count from its own folder.
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| MappingError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let file: File = toml::from_str(&text)
            .map_err(|error| MappingError::Parse { path: path.to_owned(), reason: error.to_string() })?;
        checks::checked(file, folder, blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

impl Source {
    /// Columns that the mapping reads, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        let mapped = self.values.iter().filter_map(|from| match from {
            From::Column(column) => Some(column.as_str()),
            From::Constant(_) | From::Nowhere => None,
        });
        for column in mapped.chain(self.only.iter().map(|(column, _)| column.as_str())) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        columns
    }

    /// Where the value of a field stands.
    pub(crate) fn from(&self, field: &Field) -> &From {
        self.what.place(field.name).map_or(&From::Nowhere, |place| &self.values[place])
    }

    /// Whether a field has a value in the mapping.
    pub fn has(&self, field: &str) -> bool {
        self.what.field(field).is_some_and(|field| *self.from(field) != From::Nowhere)
    }
}
