//! `tickwerk db status`: how far replication and its read models are, and what lies where.

use super::Place;
use crate::command::inspect::size_in_words;
use crate::command::print;
use crate::exit;
use crate::summary::grouped;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tickwerk_domain::{Sequence, TimeNs};
use tickwerk_journal::{FrameRef, ReadError, StoredWatermarks, Tail, is_live, journal_id, segment_created};
use tickwerk_postgres::{PostgresError, Retention, Status, check_schema};

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

/// How far the database is behind a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Behind {
    durable_through: Sequence,
    /// Durable records that are not in the database.
    events: u64,
    /// How long the oldest of them has waited, at most: it is not older than its stamp, nor than its segment.
    seconds: i64,
}

pub(super) fn run(options: &Options) -> Result<u8> {
    let status = options.place.with("status", async |client| {
        check_schema(&client).await?;
        tickwerk_postgres::status(&client).await
    })?;
    let behind = options.dir.as_deref().map(|dir| behind(dir, &status)).transpose()?;
    if options.json {
        print(&to_json(&status, behind).to_string())?;
    } else {
        print(&to_text(&status, behind))?;
    }
    Ok(exit::OK)
}

/// How far the database is behind the journal that it holds.
fn behind(dir: &Path, status: &Status) -> Result<Behind> {
    let journal = journal_id(dir).with_context(|| format!("{} holds no journal", dir.display()))?;
    if let Some(theirs) = status.checkpoint.journal.filter(|theirs| *theirs != journal) {
        anyhow::bail!("the database holds journal {theirs}, the one in {} is {journal}", dir.display());
    }
    let checkpoint = status.checkpoint.position;
    let stored = StoredWatermarks::read(dir)?.filter(|marks| marks.journal == journal);
    if stored.is_none() && is_live(dir)? {
        return Err(PostgresError::Opening { dir: dir.to_owned() }.into());
    }
    let (durable_through, oldest) = match stored {
        Some(marks) if marks.durable_through <= checkpoint => (marks.durable_through, None),
        Some(marks) => {
            let oldest = match Tail::open(dir, checkpoint.next()) {
                Ok(mut tail) => {
                    let frame = tail.next_up_to(marks.durable_through)?;
                    frame.map(|frame| written_after(dir, &frame)).transpose()?
                }
                // What is missing in the database is no longer in the journal either.
                Err(ReadError::Gone { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            (marks.durable_through, oldest)
        }
        None => end_of(dir, checkpoint)?,
    };
    let events = durable_through.0.saturating_sub(checkpoint.0);
    // Where the oldest record that is missing is gone from the journal, too, nobody knows more than when one was shipped.
    let idle = status.checkpoint.journal.map(|_| status.idle_s);
    let age = oldest.map(|time| seconds_since(time).max(0));
    let seconds = age.or(idle).filter(|_| events > 0).unwrap_or(0);
    Ok(Behind { durable_through, events, seconds })
}

/// The last record of a journal that nobody writes and that has no watermarks, such as a copy, and the time of the first
/// one behind `checkpoint`.
fn end_of(dir: &Path, checkpoint: Sequence) -> Result<(Sequence, Option<TimeNs>)> {
    // One that ends before the checkpoint has nothing there, and is read from its beginning on.
    for from in [checkpoint.max(Sequence::FIRST), Sequence::FIRST] {
        let mut tail = match Tail::open(dir, from) {
            Err(ReadError::Gone { first, .. }) => Tail::open(dir, first)?,
            tail => tail?,
        };
        let (mut last, mut oldest) = (Sequence::NONE, None);
        while let Some(frame) = tail.next_without_writer()? {
            last = frame.header.last_sequence();
            if last > checkpoint && oldest.is_none() {
                oldest = Some(written_after(dir, &frame)?);
            }
        }
        if last > Sequence::NONE {
            return Ok((last, oldest));
        }
    }
    Ok((Sequence::NONE, None))
}

/// A time before which a frame was not written. Stamps of imported and replayed history may be years older.
fn written_after(dir: &Path, frame: &FrameRef<'_>) -> Result<TimeNs> {
    let created = segment_created(dir, frame.place.segment)?.unwrap_or(TimeNs::UNKNOWN);
    Ok(frame.header.time_ns.max(created))
}

fn seconds_since(time: TimeNs) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX) - i64::try_from(time.0 / 1_000_000_000).unwrap_or(0)
}

fn to_json(status: &Status, behind: Option<Behind>) -> Value {
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
        "durable_through": behind.map(|behind| behind.durable_through.0),
        "lag_events": behind.map(|behind| behind.events),
        "lag_s": behind.map(|behind| behind.seconds),
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

fn to_text(status: &Status, behind: Option<Behind>) -> String {
    let mut lines = Vec::new();
    let position = status.checkpoint.position;
    let behind = match behind {
        None => String::new(),
        Some(Behind { durable_through, .. }) if durable_through < position => {
            format!(", ahead of the journal, which ends at {durable_through}")
        }
        Some(Behind { events: 0, .. }) => ", nothing is missing".to_owned(),
        Some(Behind { events, seconds, .. }) => {
            format!(", {} records and {seconds} s behind", grouped(&events.to_string()))
        }
    };
    let Some(journal) = status.checkpoint.journal else {
        return format!("nothing was shipped into this database{behind}");
    };
    lines.push(format!("Journal     {journal}"));
    lines.push(format!("Checkpoint  {}{behind}", grouped(&position.to_string())));
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
