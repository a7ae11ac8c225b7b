//! `tickwerk db status`: how far replication and its read models are, and what lies where.

use super::Place;
use crate::command::inspect::size_in_words;
use crate::command::print;
use crate::exit;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tickwerk_journal::{StoredWatermarks, journal_id};
use tickwerk_postgres::{Retention, Status, check_schema};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Directory of the journal, to tell how far the database is behind it.
    dir: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let status = options.place.with("status", async |client| {
        check_schema(&client).await?;
        tickwerk_postgres::status(&client).await
    })?;
    let durable = options.dir.as_deref().map(|dir| durable_through(dir, &status)).transpose()?;
    let lag = durable.map(|durable| durable.saturating_sub(status.checkpoint.position.0));
    // Idle is not behind: what is all there is not late.
    let lag_s = lag.map(|lag| if lag == 0 { 0 } else { status.idle_s });
    if options.json {
        print(&to_json(&status, lag, lag_s).to_string())?;
    } else {
        print(&to_text(&status, lag, lag_s))?;
    }
    Ok(exit::OK)
}

/// The durable watermark of the journal that the database holds.
fn durable_through(dir: &Path, status: &Status) -> Result<u64> {
    let journal = journal_id(dir).with_context(|| format!("{} holds no journal", dir.display()))?;
    if let Some(theirs) = status.checkpoint.journal.filter(|theirs| *theirs != journal) {
        anyhow::bail!("the database holds journal {theirs}, the one in {} is {journal}", dir.display());
    }
    let marks = StoredWatermarks::read(dir)?.filter(|marks| marks.journal == journal);
    Ok(marks.map_or(0, |marks| marks.durable_through.0))
}

fn to_json(status: &Status, lag: Option<u64>, lag_s: Option<i64>) -> Value {
    let projections: Vec<Value> = status
        .projections
        .iter()
        .map(|of| {
            json!({
                "name": of.name, "version": of.version, "status": of.status, "position": of.position,
                "error": of.error, "parked": of.parked,
            })
        })
        .collect();
    let partitions: Vec<Value> = status
        .partitions
        .iter()
        .map(|of| {
            json!({
                "name": of.name, "family": of.family, "from": of.from, "to": of.to, "bytes": of.bytes,
                "past_retention": of.is_past_retention,
            })
        })
        .collect();
    let selections: Vec<Value> = status
        .selections
        .iter()
        .map(|of| json!({ "from": of.from, "families": of.families, "market": of.market }))
        .collect();
    json!({
        "checkpoint": status.checkpoint.position.0,
        "journal_id": status.checkpoint.journal.map(|id| id.to_string()),
        "chain_head": status.checkpoint.head.to_string(),
        "lag_events": lag,
        "lag_s": lag_s,
        "selections": selections,
        "rows_shipped": status.rows_shipped,
        "commits": status.commits,
        "idle_s": status.idle_s,
        "projections": projections,
        "parked": status.projections.iter().map(|of| of.parked).sum::<i64>(),
        "partitions": partitions,
        "retention": status.retentions.iter().map(retention).collect::<Vec<_>>(),
    })
}

/// How long a family is kept, as JSON.
pub(super) fn retention(of: &Retention) -> Value {
    json!({
        "family": of.family, "period": of.period, "keep": of.keep, "partitions": of.partitions,
        "past_retention": of.past,
    })
}

/// The same in words.
pub(super) fn retention_line(of: &Retention) -> String {
    format!(
        "Retention   {} {}, by command; {} partitions by {}, {} of them older",
        of.family, of.keep, of.partitions, of.period, of.past
    )
}

fn to_text(status: &Status, lag: Option<u64>, lag_s: Option<i64>) -> String {
    let mut lines = Vec::new();
    let Some(journal) = status.checkpoint.journal else {
        return "nothing was shipped into this database".to_owned();
    };
    lines.push(format!("Journal     {journal}"));
    let behind = match lag.zip(lag_s) {
        None => String::new(),
        Some((0, _)) => ", nothing is missing".to_owned(),
        Some((lag, seconds)) => format!(", {} records and {seconds} s behind", grouped(&lag.to_string())),
    };
    lines.push(format!("Checkpoint  {}{behind}", grouped(&status.checkpoint.position.to_string())));
    lines.push(format!("Chain head  {}", status.checkpoint.head));
    let (rows, commits) = (grouped(&status.rows_shipped.to_string()), grouped(&status.commits.to_string()));
    lines.push(format!("Shipped     {rows} rows in {commits} commits"));
    for of in &status.selections {
        let (from, families) = (grouped(&of.from.to_string()), of.families.join(", "));
        lines.push(format!("Selected    from {from} on families {families}; market data: {}", of.market));
    }
    for of in &status.projections {
        let parked = if of.parked > 0 { format!(", {} events parked", of.parked) } else { String::new() };
        let error = of.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
        lines.push(format!("Projection  {} {} at {}{parked}{error}", of.name, of.status, of.position));
    }
    for of in &status.partitions {
        let size = size_in_words(u64::try_from(of.bytes).unwrap_or(0));
        let age = if of.is_past_retention { ", older than its family is kept" } else { "" };
        lines.push(format!("Partition   {} from {} to {}, {size}{age}", of.name, of.from, of.to));
    }
    lines.extend(status.retentions.iter().map(retention_line));
    lines.join("\n")
}
