//! What the database says of replication.

use crate::checkpoint::Checkpoint;
use crate::error::PostgresError;
use crate::projection::{self, ProjectionStatus};
use tokio_postgres::{Client, Row};

/// How replication and its read models stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub checkpoint: Checkpoint,
    pub rows_shipped: i64,
    pub commits: i64,
    /// Seconds since the checkpoint was moved.
    pub idle_s: i64,
    /// What is selected, and from which record on; oldest first.
    pub selections: Vec<Selected>,
    pub projections: Vec<ProjectionStatus>,
    pub partitions: Vec<Partition>,
    pub retentions: Vec<Retention>,
}

/// What was selected from a record on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selected {
    pub from: i64,
    pub families: Vec<String>,
    pub market: String,
}

/// How long the events of a family are kept; applied by command only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Retention {
    pub family: String,
    /// What a partition holds: `day` or `month`.
    pub period: String,
    /// In PostgreSQL's words, such as `30 days`.
    pub keep: String,
    /// Partitions that are there, and how many of them are older than that.
    pub partitions: i64,
    pub past: i64,
}

/// A partition of `events` that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partition {
    pub name: String,
    pub family: String,
    /// RFC 3339.
    pub from: String,
    pub to: String,
    pub bytes: i64,
    /// Everything in it is older than its family is kept.
    pub is_past_retention: bool,
}

/// Asks for everything.
pub async fn status(client: &Client) -> Result<Status, PostgresError> {
    let failed = || PostgresError::statement("read how replication stands");
    let checkpoint = Checkpoint::load(client).await?;
    let sql = "SELECT rows_shipped, commits, extract(epoch FROM now() - updated_at)::bigint FROM tickwerk.checkpoint";
    let row = client.query_opt(sql, &[]).await.map_err(failed())?;
    let (rows_shipped, commits, idle_s) = row.map_or((0, 0, 0), |row| (row.get(0), row.get(1), row.get(2)));
    let sql = "SELECT from_position, families, market FROM tickwerk.selection ORDER BY from_position";
    let selected = |row: &Row| Selected { from: row.get(0), families: row.get(1), market: row.get(2) };
    let selections = client.query(sql, &[]).await.map_err(failed())?.iter().map(selected).collect();
    let projections = projection::statuses(client).await?;
    let (partitions, retentions) = (partitions(client).await?, retentions(client).await?);
    Ok(Status { checkpoint, rows_shipped, commits, idle_s, selections, projections, partitions, retentions })
}

/// How long each family is kept.
pub async fn retentions(client: &Client) -> Result<Vec<Retention>, PostgresError> {
    let sql = "SELECT f.family, period, keep::text, count(name), count(name) FILTER (WHERE to_time < now() - keep)
        FROM tickwerk.event_family f LEFT JOIN tickwerk.event_partition p ON p.family = f.family AND dropped_at IS NULL
        GROUP BY f.family, period, keep ORDER BY keep, f.family";
    let rows = client.query(sql, &[]).await.map_err(PostgresError::statement("read what is kept"))?;
    let retention = |row: &Row| Retention {
        family: row.get(0),
        period: row.get(1),
        keep: row.get(2),
        partitions: row.get(3),
        past: row.get(4),
    };
    Ok(rows.iter().map(retention).collect())
}

/// The partitions that are there, oldest first in each family.
pub async fn partitions(client: &Client) -> Result<Vec<Partition>, PostgresError> {
    let sql = "SELECT name, p.family,
            to_char(from_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
            to_char(to_time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
            COALESCE(pg_total_relation_size(to_regclass('tickwerk.' || name)), 0),
            to_time < now() - keep
        FROM tickwerk.event_partition p JOIN tickwerk.event_family f ON f.family = p.family
        WHERE dropped_at IS NULL ORDER BY p.family, from_time";
    let rows = client.query(sql, &[]).await.map_err(PostgresError::statement("list partitions"))?;
    let partition = |row: &Row| Partition {
        name: row.get(0),
        family: row.get(1),
        from: row.get(2),
        to: row.get(3),
        bytes: row.get(4),
        is_past_retention: row.get(5),
    };
    Ok(rows.iter().map(partition).collect())
}

/// How long a partition that is to go waits for those who read it: whoever comes behind it waits as long.
const LOCK_LIMIT: &str = "SET LOCAL lock_timeout = '5s'";

/// Drops a partition and notes who asked and why; gives the rows that went.
pub async fn drop_partition(
    client: &mut Client,
    name: &str,
    reason: &str,
    actor: &str,
) -> Result<i64, PostgresError> {
    let failed = || PostgresError::statement("drop a partition");
    let transaction = client.transaction().await.map_err(failed())?;
    transaction.batch_execute("SET LOCAL ROLE tickwerk_owner").await.map_err(PostgresError::statement(
        "take the role tickwerk_owner; grant it to the user of postgres.url",
    ))?;
    transaction.batch_execute(LOCK_LIMIT).await.map_err(failed())?;
    let sql = "SELECT tickwerk.drop_partition($1, $2, $3)";
    let row = transaction.query_one(sql, &[&name, &reason, &actor]).await.map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok(row.get(0))
}

/// Changes how long a family of events is kept, and notes who asked and why; how long it was before.
pub async fn keep_events(
    client: &mut Client,
    family: &str,
    age: &str,
    reason: &str,
    actor: &str,
) -> Result<String, PostgresError> {
    let failed = || PostgresError::statement("change how long events are kept");
    let transaction = client.transaction().await.map_err(failed())?;
    transaction.batch_execute("SET LOCAL ROLE tickwerk_owner").await.map_err(failed())?;
    let sql = "SELECT tickwerk.keep_events($1, $2::text::interval, $3, $4)::text";
    let row = transaction.query_one(sql, &[&family, &age, &reason, &actor]).await.map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok(row.get(0))
}
