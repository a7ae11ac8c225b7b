//! `tickwerk db keep`: says how long each family of events is kept, or changes it. Nothing goes by that alone, and who asked
//! and why stays in the database.

use super::Place;
use super::status::{retention, retention_line};
use crate::command::print;
use crate::exit;
use anyhow::{Result, ensure};
use serde_json::json;
use tickwerk_postgres::{check_schema, keep_events, retentions};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Family of events, such as order; without one, nothing is changed.
    #[arg(requires_all = ["age", "reason", "actor"])]
    family: Option<String>,
    /// How long its events are kept from now on, in PostgreSQL's words, such as "7 years" or "30 days".
    age: Option<String>,
    /// Why; kept in `audit_log`.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who asks; kept in `audit_log` beside the user of the database.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let words = |given: &Option<String>| given.as_deref().unwrap_or_default().trim().to_owned();
    let (age, reason, actor) = (words(&options.age), words(&options.reason), words(&options.actor));
    let is_said = options.family.is_none() || !(age.is_empty() || reason.is_empty() || actor.is_empty());
    ensure!(is_said, "say the age, --reason and --actor in words that somebody can read later");
    let (before, kept) = options.place.with("keep", async |mut client| {
        check_schema(&client).await?;
        let before = match &options.family {
            None => None,
            Some(family) => Some(keep_events(&mut client, family, &age, &reason, &actor).await?),
        };
        Ok((before, retentions(&client).await?))
    })?;
    if options.json {
        let all: Vec<_> = kept.iter().map(retention).collect();
        print(&json!({ "family": options.family, "before": before, "retention": all }).to_string())?;
        return Ok(exit::OK);
    }
    if let (Some(family), Some(before)) = (&options.family, before) {
        print(&format!("{family} was kept {before}"))?;
    }
    for of in &kept {
        print(&retention_line(of))?;
    }
    Ok(exit::OK)
}
