//! Rebuilds read models: folds the journal from its first record on into new tables while the old ones serve and
//! replication goes on, and swaps them in one transaction that holds the checkpoint.
//!
//! The swap waits for nobody longer than [`LOCK_LIMIT`]: where somebody reads the old tables for long, what was folded
//! stays, the checkpoint is let go, and it is tried again. Until it commits, the old tables are as they were.
//! What is parked is offered again by every rebuild, so that a retry is a rebuild: in its place among all other events.

use crate::checkpoint::Checkpoint;
use crate::connection::{self, Tell, attended, connect, runtime, unless_told};
use crate::error::PostgresError;
use crate::meaning::position;
use crate::migrate::check_schema;
use crate::projection::{self, Projection};
use crate::refold::{Refold, Target, move_to, named};
use crate::settings::Settings;
use crate::views;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tickwerk_domain::Sequence;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

/// Behind the checkpoint by this many records, the rest is folded while the checkpoint is held.
const REST_MAX: u64 = 2_000;
/// How long the swap waits for readers of the old tables; less than the server waits before it looks for deadlocks.
const LOCK_LIMIT: &str = "500ms";
const LOCK_PAUSE: Duration = Duration::from_millis(500);
/// Times that the swap is tried.
const SWAPS_MAX: u32 = 120;
/// The server's code for a lock that did not come in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";
const SHADOW: &str = "_rebuild";
const OLD: &str = "_old";

/// Which read models are rebuilt, and how.
pub struct Rebuild<'a> {
    pub settings: &'a Settings,
    /// The journal's folder.
    pub dir: PathBuf,
    pub names: Vec<String>,
    /// Most of them at once.
    pub parallel: usize,
    pub stop: &'a AtomicBool,
    /// Takes what is waited for, from several threads.
    pub tell: Tell<'a>,
}

impl std::fmt::Debug for Rebuild<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Rebuild")
            .field("dir", &self.dir)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// How far a rebuild is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    pub name: String,
    pub position: Sequence,
    /// Where replication is.
    pub target: Sequence,
}

/// A read model that was rebuilt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rebuilt {
    /// Everything through it is in the tables.
    pub position: Sequence,
    pub rows: u64,
    /// Events that could not be taken and that nobody has skipped.
    pub parked: i64,
    pub elapsed: Duration,
}

impl Rebuilt {
    /// Records of the journal that were gone through in a second.
    pub fn records_per_second(&self) -> u64 {
        let milliseconds = self.elapsed.as_millis().max(1);
        u64::try_from(u128::from(self.position.0) * 1_000 / milliseconds).unwrap_or(u64::MAX)
    }
}

/// What became of one.
pub type Outcome = (String, Result<Rebuilt, PostgresError>);

impl Rebuild<'_> {
    /// Rebuilds them; one that fails does not stop the others. `on_progress` is called from several threads.
    pub fn run(&self, on_progress: &(dyn Fn(&Progress) + Sync)) -> Result<Vec<Outcome>, PostgresError> {
        for name in &self.names {
            named(name)?;
        }
        // Named twice, it would be in its own way.
        let mut known = BTreeSet::new();
        let waiting =
            Mutex::new(self.names.iter().filter(|name| known.insert(*name)).collect::<Vec<_>>().into_iter());
        let outcomes = Mutex::new(Vec::new());
        let is_gone = AtomicBool::new(false);
        let work = || {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(name) = next else { return };
                // Nobody waits for a server that does not answer as often as there are read models.
                let outcome = if self.stop.load(Ordering::Acquire) {
                    Err(told_to_stop())
                } else if is_gone.load(Ordering::Acquire) {
                    let reason = "not begun, as PostgreSQL does not answer".to_owned();
                    Err(PostgresError::Statement { what: "rebuild", reason, code: None })
                } else {
                    self.one(name, on_progress)
                };
                if outcome.as_ref().is_err_and(PostgresError::is_silence) {
                    is_gone.store(true, Ordering::Release);
                }
                outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), outcome));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.parallel.clamp(1, self.names.len().max(1)) {
                scope.spawn(work);
            }
        });
        let mut outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        outcomes.sort_by_key(|(name, _)| self.names.iter().position(|other| other == name));
        Ok(outcomes)
    }

    fn one(&self, name: &str, on_progress: &(dyn Fn(&Progress) + Sync)) -> Result<Rebuilt, PostgresError> {
        let (server, session) = (&self.settings.server, session_name(name));
        let done = attended(server, &session, self.tell, async {
            let mut client = begin(self.settings, name).await?;
            let rebuilt = self.rebuild(&mut client, name, on_progress).await;
            if let Err(error) = &rebuilt {
                let sql = "UPDATE tickwerk.projection_rebuild SET status = 'failed', error = $2, updated_at = now() WHERE name = $1";
                // Where the server is gone, the error itself is what is told.
                client.execute(sql, &[&name, &error.to_string()]).await.ok();
            }
            rebuilt
        });
        runtime()?.block_on(unless_told(self.stop, done))?.ok_or_else(told_to_stop)
    }

    async fn rebuild(
        &self,
        client: &mut Client,
        name: &str,
        on_progress: &(dyn Fn(&Progress) + Sync),
    ) -> Result<Rebuilt, PostgresError> {
        let (projection, started) = (named(name)?, Instant::now());
        prepare(client, projection.as_ref()).await?;
        let mut refold = Refold::begin(client, &self.dir, name, Target::Shadow, Sequence::NONE).await?;
        for _ in 0..SWAPS_MAX {
            self.catch_up(client, &mut refold, name, on_progress).await?;
            if let Some(position) = swap(client, &mut refold, projection.as_ref()).await? {
                let parked = count_parked(client, name).await?;
                let elapsed = started.elapsed();
                return Ok(Rebuilt { position, rows: refold.rows, parked, elapsed });
            }
            refold.reopen(client).await?;
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Err(PostgresError::Statement {
            what: "put rebuilt tables in place",
            reason: "somebody kept reading the old ones; end those queries and rebuild again".to_owned(),
            code: None,
        })
    }

    /// Folds until next to nothing is left to the checkpoint.
    async fn catch_up(
        &self,
        client: &mut Client,
        refold: &mut Refold,
        name: &str,
        on_progress: &(dyn Fn(&Progress) + Sync),
    ) -> Result<(), PostgresError> {
        loop {
            let target = Checkpoint::load(client).await?.position;
            let sql = "UPDATE tickwerk.projection_rebuild SET target = $2 WHERE name = $1";
            let noted = client.execute(sql, &[&name, &position(target)]).await;
            noted.map_err(PostgresError::statement("note the progress of a rebuild"))?;
            while refold.at() < target {
                if self.stop.load(Ordering::Acquire) {
                    return Err(told_to_stop());
                }
                if !refold.step(client, target).await? {
                    return Err(ends_before(refold.at(), target));
                }
                on_progress(&Progress { name: name.to_owned(), position: refold.at(), target });
            }
            if Checkpoint::load(client).await?.position.0 - refold.at().0 <= REST_MAX {
                return Ok(());
            }
        }
    }
}

pub(crate) fn ends_before(at: Sequence, checkpoint: Sequence) -> PostgresError {
    PostgresError::Refused(format!(
        "the database holds everything through {checkpoint}, the journal ends at {at}; give the journal that was shipped"
    ))
}

fn told_to_stop() -> PostgresError {
    PostgresError::Statement { what: "rebuild", reason: "it was told to stop".to_owned(), code: None }
}

/// What the connection of whoever rebuilds or resumes a read model is called.
pub(crate) fn session_name(name: &str) -> String {
    format!("tickwerk projection {name}")
}

/// Connects as the owner, alone with this read model.
pub(crate) async fn begin(settings: &Settings, name: &str) -> Result<Client, PostgresError> {
    let client = connect(&settings.server, &session_name(name)).await?;
    check_schema(&client).await?;
    // Tables in the making need not survive the server; the swap itself waits for the disk.
    let sql = "SET timezone = 'UTC'; SET search_path = pg_catalog; SET synchronous_commit = off; SET ROLE tickwerk_owner";
    let set = client.batch_execute(sql).await;
    set.map_err(PostgresError::statement(
        "take the role tickwerk_owner; grant it to the user of postgres.url",
    ))?;
    // A session that has just ended may not have let go yet.
    let failed = || PostgresError::statement("lock a projection");
    client.batch_execute("SET lock_timeout = '2s'").await.map_err(failed())?;
    let sql = "SELECT pg_advisory_lock(hashtextextended('tickwerk.projection.' || $1, 0))";
    match client.query_one(sql, &[&name]).await {
        Ok(_) => {
            client.batch_execute(connection::LOCK_LIMIT).await.map_err(failed())?;
            return Ok(client);
        }
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
        Err(error) => return Err(failed()(error)),
    }
    let reason = format!("{name} is being rebuilt or resumed by somebody else");
    Err(PostgresError::Statement { what: "lock a projection", reason, code: None })
}

/// Makes empty tables, and notes that it began.
async fn prepare(client: &mut Client, projection: &dyn Projection) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("make the tables of a rebuild");
    let name = projection.name();
    let transaction = client.transaction().await.map_err(failed())?;
    projection::mend(&transaction).await?;
    for table in projection.tables() {
        let sql = format!("DROP TABLE IF EXISTS {}; {}", table.sql_name(SHADOW), table.create_sql(SHADOW));
        transaction.batch_execute(&sql).await.map_err(failed())?;
    }
    let sql = "DELETE FROM tickwerk.rebuild_parked WHERE projection = $1";
    transaction.execute(sql, &[&name]).await.map_err(failed())?;
    let sql = "INSERT INTO tickwerk.projection_rebuild (name, version, status, global_position, target)
        VALUES ($1, $2, 'running', 0, 0)
        ON CONFLICT (name) DO UPDATE SET version = EXCLUDED.version, status = 'running', global_position = 0, target = 0,
            rows_written = 0, error = NULL, started_at = now(), updated_at = now()";
    transaction.execute(sql, &[&name, &projection.version()]).await.map_err(failed())?;
    transaction.commit().await.map_err(failed())
}

/// Folds the rest and puts the new tables in place while nothing is shipped. `None` where it has to be tried again; what
/// was folded of the rest is kept then.
async fn swap(
    client: &mut Client,
    refold: &mut Refold,
    projection: &dyn Projection,
) -> Result<Option<Sequence>, PostgresError> {
    let failed = || PostgresError::statement("put rebuilt tables in place");
    let name = projection.name();
    let transaction = client.transaction().await.map_err(failed())?;
    let checkpoint = hold(&transaction).await?;
    if !refold.finish_in(&transaction, checkpoint.position).await? {
        return Ok(None);
    }
    compare(refold, &checkpoint)?;
    move_to(&transaction, name, Target::Shadow, refold.at(), 0).await?;
    transaction.batch_execute("SAVEPOINT swap").await.map_err(failed())?;
    if let Err(error) = exchange(&transaction, projection).await {
        let is_for_a_lock =
            matches!(&error, PostgresError::Statement { code: Some(code), .. } if code == LOCK_NOT_AVAILABLE);
        if !is_for_a_lock {
            return Err(error);
        }
        transaction.batch_execute("ROLLBACK TO SAVEPOINT swap").await.map_err(failed())?;
        transaction.commit().await.map_err(failed())?;
        return Ok(None);
    }
    settle_parked(&transaction, name).await?;
    activate(&transaction, projection, checkpoint.position).await?;
    let sql = "UPDATE tickwerk.projection_rebuild SET status = 'done', target = global_position, updated_at = now() WHERE name = $1";
    transaction.execute(sql, &[&name]).await.map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok(Some(checkpoint.position))
}

/// Locks the checkpoint, so that nothing is shipped until the transaction ends.
pub(crate) async fn hold(transaction: &Transaction<'_>) -> Result<Checkpoint, PostgresError> {
    let failed = || PostgresError::statement("hold the checkpoint");
    let sql = "SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '60s'";
    transaction.batch_execute(sql).await.map_err(failed())?;
    transaction.query_opt("SELECT FROM tickwerk.checkpoint FOR UPDATE", &[]).await.map_err(failed())?;
    Checkpoint::load(transaction).await
}

/// The journal that was folded must be the one that was shipped.
pub(crate) fn compare(refold: &Refold, checkpoint: &Checkpoint) -> Result<(), PostgresError> {
    if refold.at() < checkpoint.position {
        return Err(ends_before(refold.at(), checkpoint.position));
    }
    let head = refold.head();
    if checkpoint.position == Sequence::NONE
        || (head.through, head.head) == (checkpoint.position, checkpoint.head)
    {
        return Ok(());
    }
    Err(PostgresError::Refused(format!(
        "the journal is not the one that was shipped: through sequence {} its chain is {}, the database has {}",
        checkpoint.position, head.head, checkpoint.head
    )))
}

/// The new tables get the names of the old ones, views are bound to them, and the old ones go.
async fn exchange(transaction: &Transaction<'_>, projection: &dyn Projection) -> Result<(), PostgresError> {
    let failed = || {
        PostgresError::statement(
            "put rebuilt tables in place; views of your own that hold on to the old ones are to be dropped first",
        )
    };
    let limit = format!("SET LOCAL lock_timeout = '{LOCK_LIMIT}'");
    transaction.batch_execute(&limit).await.map_err(failed())?;
    for table in projection.tables() {
        let (old, name, shadow) = (table.sql_name(OLD), table.name, table.sql_name(SHADOW));
        let sql = format!(
            "DROP TABLE IF EXISTS {old}; ALTER TABLE IF EXISTS {} RENAME TO {name}{OLD}; ALTER TABLE {shadow} RENAME TO {name}",
            table.sql_name("")
        );
        transaction.batch_execute(&sql).await.map_err(failed())?;
    }
    views::apply(transaction).await?;
    for table in projection.tables() {
        let sql = format!("DROP TABLE IF EXISTS {}", table.sql_name(OLD));
        transaction.batch_execute(&sql).await.map_err(failed())?;
        // Indexes carry the name of the table that they were made for.
        let sql =
            "SELECT format('ALTER INDEX tickwerk.%I RENAME TO %I', c.relname, replace(c.relname, $2, ''))
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1)
                AND c.relname LIKE '%' || $2 || '%'
                AND to_regclass('tickwerk.' || quote_ident(replace(c.relname, $2, ''))) IS NULL";
        let renames = transaction.query(sql, &[&table.sql_name(""), &SHADOW]).await.map_err(failed())?;
        for rename in renames {
            transaction.batch_execute(rename.get(0)).await.map_err(failed())?;
        }
    }
    Ok(())
}

/// Events that were taken now are no longer parked; those that were not are, and stay skipped where they were.
async fn settle_parked(transaction: &Transaction<'_>, name: &str) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("settle parked events");
    let sql = "UPDATE tickwerk.parked SET resolved = 'retried', resolved_at = now()
        WHERE projection = $1 AND resolved IS DISTINCT FROM 'retried' AND NOT EXISTS (SELECT FROM tickwerk.rebuild_parked r
            WHERE r.projection = parked.projection AND r.global_position = parked.global_position)";
    transaction.execute(sql, &[&name]).await.map_err(failed())?;
    let sql = "INSERT INTO tickwerk.parked AS old (projection, global_position, event_type, error)
        SELECT projection, global_position, event_type, error FROM tickwerk.rebuild_parked WHERE projection = $1
        ON CONFLICT (projection, global_position) DO UPDATE SET error = EXCLUDED.error, parked_at = now(),
            resolved = CASE WHEN old.resolved = 'skipped' THEN 'skipped' END,
            resolved_at = CASE WHEN old.resolved = 'skipped' THEN old.resolved_at END";
    transaction.execute(sql, &[&name]).await.map_err(failed())?;
    let sql = "DELETE FROM tickwerk.rebuild_parked WHERE projection = $1";
    transaction.execute(sql, &[&name]).await.map_err(failed())?;
    Ok(())
}

/// It is kept up from here on: a new generation tells replication.
pub(crate) async fn activate(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    at: Sequence,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("activate a projection");
    let sql = "UPDATE tickwerk.projection SET version = $2, status = 'active', global_position = $3, error = NULL, updated_at = now()
        WHERE name = $1";
    let values: [&(dyn ToSql + Sync); 3] = [&projection.name(), &projection.version(), &position(at)];
    transaction.execute(sql, &values).await.map_err(failed())?;
    projection::next_generation(transaction).await
}

async fn count_parked(client: &Client, name: &str) -> Result<i64, PostgresError> {
    let sql = "SELECT count(*) FROM tickwerk.parked WHERE projection = $1 AND resolved IS NULL";
    let row = client.query_one(sql, &[&name]).await;
    Ok(row.map_err(PostgresError::statement("count parked events"))?.get(0))
}

/// The last rebuild of a read model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RebuildStatus {
    pub name: String,
    /// `running`, `done`, `failed`, or `broken_off` where whoever did it is gone.
    pub status: String,
    pub position: i64,
    pub target: i64,
    pub rows: i64,
    pub error: Option<String>,
}

/// The last rebuilds, by name.
pub async fn rebuilds(client: &Client) -> Result<Vec<RebuildStatus>, PostgresError> {
    let sql = "SELECT name, CASE WHEN status = 'running' AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory'
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('tickwerk.projection.' || name, 0))
            THEN 'broken_off' ELSE status END, global_position, target, rows_written, error
        FROM tickwerk.projection_rebuild ORDER BY name";
    let rows = client.query(sql, &[]).await.map_err(PostgresError::statement("read how rebuilds stand"))?;
    let status = |row: &tokio_postgres::Row| RebuildStatus {
        name: row.get(0),
        status: row.get(1),
        position: row.get(2),
        target: row.get(3),
        rows: row.get(4),
        error: row.get(5),
    };
    Ok(rows.iter().map(status).collect())
}
