//! What is done to read models by command: paused, resumed, and their parked events looked after.
//!
//! A paused read model keeps its rows and stops where it is; resuming folds what it has missed out of the journal, while
//! replication goes on, and hands it over while nothing is shipped. One that failed is resumed the same way: what the
//! server refused is found and parked.

use crate::checkpoint::Checkpoint;
use crate::connection::{Tell, attended, runtime};
use crate::error::PostgresError;
use crate::meaning::sequence;
use crate::projection::{next_generation, statuses};
use crate::rebuild::{activate, begin, compare, ends_before, hold, session_name};
use crate::refold::{Refold, Target, named};
use crate::settings::Settings;
use std::path::Path;
use tickwerk_domain::Sequence;
use tokio_postgres::Client;

/// An event that a read model could not take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParkedEvent {
    pub projection: String,
    pub position: i64,
    pub event_type: String,
    pub error: String,
    /// `retried` or `skipped`; nothing where nobody has looked after it.
    pub resolved: Option<String>,
}

/// Pauses read models; those that were active.
pub async fn pause(client: &mut Client, names: &[String]) -> Result<Vec<String>, PostgresError> {
    let failed = || PostgresError::statement("pause projections");
    for name in names {
        named(name)?;
    }
    let transaction = client.transaction().await.map_err(failed())?;
    transaction.batch_execute("SET LOCAL ROLE tickwerk_owner").await.map_err(failed())?;
    hold(&transaction).await?;
    let sql = "UPDATE tickwerk.projection SET status = 'paused', updated_at = now()
        WHERE name = ANY($1) AND status = 'active' RETURNING name";
    let rows = transaction.query(sql, &[&names]).await.map_err(failed())?;
    next_generation(&transaction).await?;
    transaction.commit().await.map_err(failed())?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Brings a read model that is paused or failed to the checkpoint and keeps it up from there on; where that is.
pub fn resume(
    settings: &Settings,
    dir: &Path,
    name: &str,
    tell: Tell<'_>,
) -> Result<Sequence, PostgresError> {
    let projection = named(name)?;
    let done = async {
        let mut client = begin(settings, name).await?;
        let status = statuses(&client).await?.into_iter().find(|status| status.name == name);
        let status = status.ok_or_else(|| {
            PostgresError::Schema(format!("{name} has no tables; make them with `tickwerk db migrate`"))
        })?;
        if let Some(reason) = status.other_version(projection.as_ref()) {
            return Err(PostgresError::Refused(format!("{name} cannot be resumed: {reason}")));
        }
        // Shipping moves both at once; one that stays behind is not kept up, whatever it says of itself.
        if status.status == "active" && is_at_checkpoint(&client, name).await? {
            return Ok(sequence(status.position));
        }
        let mut refold = Refold::begin(&client, dir, name, Target::Own, sequence(status.position)).await?;
        loop {
            let target = Checkpoint::load(&client).await?.position;
            while refold.at() < target {
                if !refold.step(&mut client, target).await? {
                    return Err(ends_before(refold.at(), target));
                }
            }
            let failed = || PostgresError::statement("resume a projection");
            let transaction = client.transaction().await.map_err(failed())?;
            let checkpoint = hold(&transaction).await?;
            if refold.finish_in(&transaction, checkpoint.position).await? {
                compare(&refold, &checkpoint)?;
                activate(&transaction, projection.as_ref(), checkpoint.position).await?;
                transaction.commit().await.map_err(failed())?;
                return Ok(checkpoint.position);
            }
            drop(transaction);
            refold.reopen(&client).await?;
        }
    };
    runtime()?.block_on(attended(&settings.server, &session_name(name), tell, done))
}

async fn is_at_checkpoint(client: &Client, name: &str) -> Result<bool, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM tickwerk.projection p WHERE p.name = $1
        AND p.global_position >= (SELECT COALESCE(max(global_position), 0) FROM tickwerk.checkpoint))";
    let row = client.query_one(sql, &[&name]).await;
    Ok(row.map_err(PostgresError::statement("read how projections stand"))?.get(0))
}

/// Marks parked events of a read model as not to be cared for any more: those at `positions`, or all of them. A rebuild
/// offers them again, and those that it cannot take stay skipped.
pub async fn skip(client: &Client, name: &str, positions: &[i64]) -> Result<u64, PostgresError> {
    named(name)?;
    let sql = "UPDATE tickwerk.parked SET resolved = 'skipped', resolved_at = now()
        WHERE projection = $1 AND resolved IS NULL AND (cardinality($2::bigint[]) = 0 OR global_position = ANY($2))";
    let skipped = client.execute(sql, &[&name, &positions]).await;
    skipped.map_err(PostgresError::statement("skip parked events"))
}

/// Parked events, oldest first; also those that were looked after, where `all` are asked for.
pub async fn parked(client: &Client, all: bool) -> Result<Vec<ParkedEvent>, PostgresError> {
    let sql = "SELECT projection, global_position, event_type, error, resolved FROM tickwerk.parked
        WHERE resolved IS NULL OR $1 ORDER BY global_position, projection";
    let rows = client.query(sql, &[&all]).await.map_err(PostgresError::statement("list parked events"))?;
    let event = |row: &tokio_postgres::Row| ParkedEvent {
        projection: row.get(0),
        position: row.get(1),
        event_type: row.get(2),
        error: row.get(3),
        resolved: row.get(4),
    };
    Ok(rows.iter().map(event).collect())
}
