//! A connection that may ship: the schema is right, nobody else ships, and the rights are those of the writer.
//!
//! The lock is held by the session, so it goes with the process or the connection. A connection of our own that the server
//! still holds on to is ended; one of another replicator is left alone, and we are refused.

use crate::checkpoint::Checkpoint;
use crate::connection::{connect, within};
use crate::error::PostgresError;
use crate::meaning;
use crate::migrate::{become_writer, check_schema};
use crate::projection::{self, Failing, Projection};
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
const LIMITS: &str = "SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '300s'; \
     SET client_connection_check_interval = '5s'; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; \
     SET tcp_keepalives_count = 3; SET timezone = 'UTC'; SET search_path = pg_catalog";

/// A session that may ship.
pub(crate) struct Begun {
    pub(crate) reading: Reading,
    pub(crate) shipper: Shipper,
    /// What to tell where from here on other events are selected.
    pub(crate) selected: Option<String>,
    /// Read models that are not kept up any more.
    pub(crate) failing: Vec<Failing>,
}

/// Connects and takes over.
pub(crate) async fn begin(
    settings: &Settings,
    name: &str,
    dir: &Path,
    marks: &Marks,
) -> Result<Begun, PostgresError> {
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
        let (projections, failing) = active_projections(&client, &checkpoint).await?;
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
        if checkpoint.journal.is_some() && taken.generation != checkpoint.generation {
            return Err(PostgresError::ModelsChanged);
        }
        for failing in &failing {
            failing.note(&transaction).await?;
        }
        if is_changed {
            selector.save(&transaction).await?;
        }
        transaction.commit().await.map_err(failed())?;
        let from = checkpoint.position.next();
        let selected = (is_changed && from > Sequence::FIRST)
            .then(|| format!("PostgreSQL: from {from} on other events are selected: {}", selector.newest()));
        Ok(Begun { reading, shipper: Shipper::new(client, taken), selected, failing })
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

/// Projections that are kept up; and those that fail now, as they are not at the checkpoint, or their tables are of another
/// build, not there, or cannot be read back.
async fn active_projections(
    client: &Client,
    checkpoint: &Checkpoint,
) -> Result<(Vec<Box<dyn Projection>>, Vec<Failing>), PostgresError> {
    let statuses = projection::statuses(client).await?;
    let tables = projection::tables(client).await?;
    let (mut active, mut failing) = (Vec::new(), projection::of_other_versions(&statuses));
    for mut projection in projection::all() {
        let name = projection.name();
        let Some(known) = statuses.iter().find(|known| known.name == name && known.status == "active") else {
            continue;
        };
        if failing.iter().any(|failing| failing.name == name) {
            continue;
        }
        let is_there = |table: &Table| tables.iter().any(|there| there.name == table.name);
        let missing = projection.tables().iter().find(|table| !is_there(table));
        let error = if let Some(table) = missing {
            format!("its table {} is missing; rebuild it", table.sql_name(""))
        } else if meaning::sequence(known.position) != checkpoint.position {
            format!("it is at {}, the checkpoint at {}; resume it", known.position, checkpoint.position)
        } else {
            match projection::restore(projection.as_mut(), "", client).await? {
                Ok(()) => {
                    active.push(projection);
                    continue;
                }
                Err(poison) => format!("its state cannot be read back: {}", poison.0),
            }
        };
        failing.push(Failing { name: name.to_owned(), error });
    }
    Ok((active, failing))
}
