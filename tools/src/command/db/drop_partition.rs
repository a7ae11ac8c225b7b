//! `tickwerk db drop-partition`: lets old events go. Nothing is ever dropped without this command, and who asked and why
//! stays in the database.

use super::Place;
use super::status::{retention, retention_line};
use crate::command::print;
use crate::exit;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tickwerk_postgres::{
    Partition, PostgresError, Retention, check_schema, drop_partition, partitions, retentions,
};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Partitions to drop, by name; `tickwerk db status` lists them.
    names: Vec<String>,
    /// Drop every partition that is older than its family is kept.
    #[arg(long, conflicts_with = "names")]
    expired: bool,
    /// Only say how long each family is kept and what would go: what is named, or else all that is older.
    #[arg(long, visible_alias = "dry-run")]
    plan: bool,
    /// Why; kept in `audit_log`.
    #[arg(long, value_name = "TEXT", required_unless_present = "plan")]
    reason: Option<String>,
    /// Who asks; kept in `audit_log` beside the user of the database.
    #[arg(long, value_name = "NAME", required_unless_present = "plan")]
    actor: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What was found, and what went of it with how many events.
struct Outcome {
    kept: Vec<Retention>,
    meant: Vec<(Partition, Option<i64>)>,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    ensure!(
        options.plan || options.expired || !options.names.is_empty(),
        "name the partitions to drop, or say --expired for all that are older than their family is kept"
    );
    let words = |given: &Option<String>, name: &str| -> Result<String> {
        let text = given.as_deref().unwrap_or_default().trim().to_owned();
        ensure!(options.plan || !text.is_empty(), "say {name} in words that somebody can read later");
        Ok(text)
    };
    let (reason, actor) = (words(&options.reason, "--reason")?, words(&options.actor, "--actor")?);
    let is_meant = |of: &Partition| {
        if options.names.is_empty() { of.is_past_retention } else { options.names.contains(&of.name) }
    };
    let (outcome, failed) = options.place.with("drop-partition", async |mut client| {
        check_schema(&client).await?;
        let all = partitions(&client).await?;
        // Nothing goes where some of what was named is not there.
        if let Some(missing) = options.names.iter().find(|name| !all.iter().any(|of| of.name == **name)) {
            let reason = format!("there is no partition {missing}; `tickwerk db status` lists them");
            return Err(PostgresError::Statement { what: "drop partitions", reason, code: None });
        }
        let mut outcome = Outcome { kept: retentions(&client).await?, meant: Vec::new() };
        for partition in all.into_iter().filter(is_meant) {
            let rows = if options.plan {
                None
            } else {
                match drop_partition(&mut client, &partition.name, &reason, &actor).await {
                    Ok(rows) => Some(rows),
                    // What went before is told all the same.
                    Err(error) => return Ok((outcome, Some((partition.name, error)))),
                }
            };
            outcome.meant.push((partition, rows));
        }
        Ok((outcome, None))
    })?;
    print(&if options.json {
        to_json(&outcome, options.plan).to_string()
    } else {
        to_text(&outcome, options.plan)
    })?;
    failed.map_or(Ok(exit::OK), |(name, error)| {
        Err(anyhow::Error::new(error).context(format!("dropping {name}")))
    })
}

fn to_json(outcome: &Outcome, is_plan: bool) -> Value {
    let partition = |(of, rows): &(Partition, Option<i64>)| json!({ "name": of.name, "family": of.family, "from": of.from, "to": of.to, "bytes": of.bytes, "rows": rows });
    json!({
        "dropped": !is_plan,
        "partitions": outcome.meant.iter().map(partition).collect::<Vec<_>>(),
        "retention": outcome.kept.iter().map(retention).collect::<Vec<_>>(),
    })
}

fn to_text(outcome: &Outcome, is_plan: bool) -> String {
    let mut lines = Vec::new();
    if is_plan {
        lines.extend(outcome.kept.iter().map(retention_line));
    }
    lines.extend(outcome.meant.iter().map(|(of, rows)| match rows {
        Some(rows) => format!("dropped {} with {rows} events", of.name),
        None => format!("would drop {}, from {} to {}", of.name, of.from, of.to),
    }));
    if outcome.meant.is_empty() {
        lines.push("no partition is older than its family is kept".to_owned());
    }
    lines.join("\n")
}
