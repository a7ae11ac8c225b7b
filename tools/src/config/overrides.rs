//! Single values from the environment and the command line, which stand above the file.
//!
//! `TICKWERK__JOURNAL__DIR=/data` and `--set journal.dir=/data` say the same; the flag wins. Only the sections with one
//! value a key can be reached. Lists of tables (`[[instrument]]` and its like) come from the file alone: an override of
//! one entry of a list would depend on its place there, and would change what the engine decides without being seen.

use super::error::{ConfigError, nearest};
use std::collections::BTreeMap;

/// Every section that is not a list, with its keys.
pub(crate) const SECTIONS: &[(&str, &[&str])] = &[
    (
        "journal",
        &[
            "dir",
            "segment_size",
            "acknowledge",
            "replicator",
            "sync_interval_ms",
            "io",
            "scrub_mib_per_s",
            "compress",
        ],
    ),
    ("engine", &["mode", "batch", "egress_max", "egress_reserve", "wait", "pin", "ring"]),
    ("engine.wait", &["core", "journal", "source"]),
    ("engine.pin", &["core", "journal"]),
    ("engine.ring", &["control", "reports", "orders", "market", "outcome"]),
    (
        "feed",
        &[
            "kind",
            "path",
            "market",
            "symbol",
            "instrument",
            "on_malformed",
            "format",
            "book_path",
            "check_path",
            "venue_instrument",
            "seed",
            "commands",
        ],
    ),
    ("control", &["enabled"]),
    ("snapshot", &["every_frames", "every_s", "keep"]),
    ("reference", &["currency"]),
    (
        "postgres",
        &[
            "url",
            "password_file",
            "tls",
            "root_cert_file",
            "families",
            "market",
            "batch_events",
            "batch_wait_ms",
            "retry_max_ms",
            "alarm_lag_s",
        ],
    ),
];

/// The lists of tables.
pub(crate) const LISTS: &[&str] =
    &["currency", "venue", "instrument", "account", "conversion", "limit", "strategy"];

const PREFIX: &str = "TICKWERK__";

/// One value that stands above the file, as text; its key says how to read it.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    pub(crate) text: String,
    pub(crate) origin: String,
    /// Others cannot see it, as they see a command line.
    pub(crate) is_of_environment: bool,
}

/// All of them, by full key.
#[derive(Debug, Default)]
pub(crate) struct Overrides(BTreeMap<String, Override>);

impl Overrides {
    /// Takes those of `env` that start with `TICKWERK__`, and then all of `sets`.
    pub(crate) fn collect(
        env: impl Iterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let mut all = Self::default();
        for (name, text) in env {
            if let Some(rest) = name.strip_prefix(PREFIX) {
                let key = rest.to_lowercase().replace("__", ".");
                let origin = format!("environment variable {name}");
                all.insert(key, Override { text, origin, is_of_environment: true })?;
            }
        }
        for set in sets {
            let (key, text) =
                set.split_once('=').ok_or_else(|| ConfigError::SetWithoutValue { text: set.clone() })?;
            let key = key.trim().to_owned();
            // A connection string may hold a password.
            let is_secret = key.starts_with("postgres");
            let origin = if is_secret { format!("--set {key}=…") } else { format!("--set {set}") };
            all.insert(key, Override { text: text.to_owned(), origin, is_of_environment: false })?;
        }
        Ok(all)
    }

    fn insert(&mut self, key: String, value: Override) -> Result<(), ConfigError> {
        let first = key.split('.').next().unwrap_or("");
        if LISTS.contains(&first) {
            return Err(ConfigError::ListOverride { origin: value.origin, list: format!("[[{first}]]") });
        }
        if !value_keys().any(|known| known == key) {
            return Err(ConfigError::UnknownKey { remedy: remedy_for(&key), origin: value.origin, key });
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// The one for `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Override> {
        self.0.get(key)
    }
}

/// Full paths of all keys that hold a value, and not a section.
fn value_keys() -> impl Iterator<Item = String> {
    SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")))
        .filter(|path| !SECTIONS.iter().any(|(section, _)| section == path))
}

/// What to write instead of the unknown `path`: the nearest known path, or the same key in another section.
pub(crate) fn remedy_for(path: &str) -> String {
    let all: Vec<String> = value_keys().collect();
    let names: Vec<&str> = all.iter().map(String::as_str).collect();
    let last = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = names.iter().copied().find(|name| name.ends_with(&format!(".{last}")));
    let is_section = SECTIONS.iter().any(|(section, _)| *section == path);
    if let Some(name) = nearest(path, &names).or(elsewhere)
        && !is_section
    {
        return format!("did you mean {name}?");
    }
    let section = path.split('.').next().unwrap_or("");
    let there: Vec<&str> =
        names.iter().copied().filter(|name| name.split('.').next() == Some(section)).collect();
    format!("known: {}", if there.is_empty() { names.join(", ") } else { there.join(", ") })
}
