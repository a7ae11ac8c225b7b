//! A connection that may ship: the schema is right, nobody else ships, and the rights are those of the writer.
//!
//! The lock is held by the session, so it goes with the process or the connection. A connection of our own that the server
//! still holds on to is ended; one of another replicator is left alone, and we are refused.

use crate::checkpoint::Checkpoint;
use crate::connection::{connect, within};
use crate::error::PostgresError;
use crate::meaning;
use crate::migrate::{become_writer, check_schema};
use crate::projection::{self, Projection};
use crate::reading::{Marks, Reading};
use crate::selection::Selector;
use crate::settings::Settings;
use crate::shipping::Shipper;
use crate::table::Table;
use std::path::Path;
use std::time::Duration;
use tickwerk_domain::Sequence;
use tokio_postgres::Client;

/// The longest that setting up may take.
const SETUP_LIMIT: Duration = Duration::from_mins(1);
/// How long a lock is waited for: the connection of a process that has just died holds it a little longer.
const LOCK_ATTEMPTS: u32 = 25;
const LOCK_PAUSE: Duration = Duration::from_millis(200);

/// What ends on the server when we do not answer any more, and what we do not wait for.
const LIMITS: &str = "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '30s'; \
     SET statement_timeout = '300s'; SET client_connection_check_interval = '5s'; SET tcp_keepalives_idle = 10; \
     SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; SET timezone = 'UTC'; SET search_path = pg_catalog";

/// Connects and takes over; gives who reads, who ships, and what to tell where from here on other events are selected.
pub(crate) async fn begin(
    settings: &Settings,
    name: &str,
    dir: &Path,
    marks: &Marks,
) -> Result<(Reading, Shipper, Option<String>), PostgresError> {
    let begun = async {
        let mut client = connect(&settings.server, name).await?;
        let limits = client.batch_execute(LIMITS).await;
        limits.map_err(PostgresError::statement("set limits for the connection"))?;
        check_schema(&client).await?;
        lock(&client, name).await?;
        become_writer(&client).await?;
        check_writable(&client).await?;
        let checkpoint = Checkpoint::load(&client).await?;
        let dictionary = meaning::load(&client, checkpoint.position).await?;
        let (projections, left_out) = active_projections(&client, &checkpoint).await?;
        let mut selector = Selector::load(&client).await?;
        let is_changed = selector.want(&settings.selection, checkpoint.position);
        selector.stand(&client, checkpoint.position).await?;
        let reading = Reading::begin(dir, marks, &checkpoint, dictionary, selector.clone(), projections)?;
        // Not before the journal was seen to be the right one.
        let failed = || PostgresError::statement("take the checkpoint");
        let transaction = client.transaction().await.map_err(failed())?;
        let taken = Checkpoint::take(&transaction, reading.journal()).await?;
        if taken.position != checkpoint.position {
            return Err(PostgresError::Taken { holder: "which moved the checkpoint".to_owned() });
        }
        if is_changed {
            selector.save(&transaction).await?;
        }
        transaction.commit().await.map_err(failed())?;
        let from = checkpoint.position.next();
        let changed = (is_changed && from > Sequence::FIRST)
            .then(|| format!("PostgreSQL: from {from} on other events are selected: {}", selector.newest()));
        Ok((reading, Shipper::new(client, taken, left_out), changed))
    };
    within("set up replication", SETUP_LIMIT, Box::pin(begun)).await
}

async fn lock(client: &Client, name: &str) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("take the lock of the replicator");
    let mut holder = String::new();
    for _ in 0..LOCK_ATTEMPTS {
        let sql = "SELECT pg_try_advisory_lock(hashtextextended('tickwerk.replicator', 0))";
        if client.query_one(sql, &[]).await.map_err(failed())?.get(0) {
            return Ok(());
        }
        let sql = "SELECT a.pid, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('tickwerk.replicator', 0)";
        if let Some(row) = client.query_opt(sql, &[]).await.map_err(failed())? {
            let (pid, theirs): (i32, String) = (row.get(0), row.get(1));
            if theirs == name {
                // A connection that we gave up; what it was doing is committed or taken back before it goes.
                client.query_one("SELECT pg_terminate_backend($1)", &[&pid]).await.map_err(failed())?;
            }
            holder = format!("{theirs}, server process {pid}");
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(PostgresError::Taken { holder })
}

async fn check_writable(client: &Client) -> Result<(), PostgresError> {
    let sql = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool";
    let row = client.query_one(sql, &[]).await;
    let row = row.map_err(PostgresError::statement("ask whether the server can be written"))?;
    let reason = if row.get(0) {
        "the server is a standby; write the primary's address into postgres.url"
    } else if row.get(1) {
        "the server is read-only (default_transaction_read_only); nothing can be shipped until it is not"
    } else {
        return Ok(());
    };
    Err(PostgresError::Statement { what: "write", reason: reason.to_owned(), code: Some("25006".to_owned()) })
}

/// Projections that are kept up: active, and at the checkpoint. And what is to be told of those that fail now, as their tables
/// are of another build, not there, or cannot be read back.
async fn active_projections(
    client: &Client,
    checkpoint: &Checkpoint,
) -> Result<(Vec<Box<dyn Projection>>, Vec<String>), PostgresError> {
    let (mut active, mut left_out) = (Vec::new(), projection::fail_other_versions(client).await?);
    let statuses = projection::statuses(client).await?;
    let tables = projection::tables(client).await?;
    for mut projection in projection::all() {
        let is_kept_up = statuses.iter().any(|known| {
            known.name == projection.name()
                && known.status == "active"
                && meaning::sequence(known.position) == checkpoint.position
        });
        if !is_kept_up {
            continue;
        }
        let is_there = |table: &Table| tables.iter().any(|there| there.name == table.name);
        let missing = projection.tables().iter().find(|table| !is_there(table));
        let error = if let Some(table) = missing {
            format!("its table {} is missing; rebuild it", table.sql_name(""))
        } else {
            match projection::restore(projection.as_mut(), "", client).await? {
                Ok(()) => {
                    active.push(projection);
                    continue;
                }
                Err(poison) => format!("its state cannot be read back: {}", poison.0),
            }
        };
        projection::fail(client, projection.name(), &error).await?;
        left_out.push(format!("{} failed: {error}", projection.name()));
    }
    Ok((active, left_out))
}
