//! The schema, step by step: each step is a file of SQL in `migrations/`, embedded, applied once and in order.
//!
//! A step and the note that it was applied commit together. A step that was applied and differs now, or one that this
//! build does not know, is refused: whoever changed it must say what the database is.
//! Roles: `tickwerk_owner` owns everything, `tickwerk_writer` ships, `tickwerk_reader` reads. None of them can log in;
//! they are granted to whoever does.

use crate::error::PostgresError;
use crate::projection::{self, Failing};
use crate::views;
use tokio_postgres::{Client, Transaction};

/// A step of the schema.
#[derive(Debug)]
struct Step {
    version: i32,
    name: &'static str,
    sql: &'static str,
}

macro_rules! steps {
    ($($version:literal $name:literal,)*) => {
        &[$(Step {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../migrations/V", $version, "__", $name, ".sql")),
        },)*]
    };
}

/// Every step, in order.
const STEPS: &[Step] = steps! {
    1 "events",
    2 "projections",
    3 "selection_and_acts",
    4 "durable_position",
};

/// What `migrate` did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Migrated {
    /// Steps applied now.
    pub steps: Vec<String>,
    /// Projections whose tables were made now.
    pub projections: Vec<String>,
    /// What is to be told of those that have to be rebuilt, as their tables are of another build or were not there.
    pub failed: Vec<String>,
    /// Version of the schema.
    pub version: i32,
}

const ROLES: &str = "
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['tickwerk_owner', 'tickwerk_writer', 'tickwerk_reader'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- Somebody else was quicker.
        END;
        IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'tickwerk') THEN
        CREATE SCHEMA tickwerk AUTHORIZATION tickwerk_owner;
    END IF;
END $$;
SET LOCAL ROLE tickwerk_owner;
CREATE TABLE IF NOT EXISTS tickwerk.schema_step (
    version int PRIMARY KEY,
    name text NOT NULL,
    hash text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);";

/// Brings the schema to what this build needs.
pub async fn migrate(client: &mut Client) -> Result<Migrated, PostgresError> {
    let failed = || {
        PostgresError::statement(
            "migrate the schema; the user needs the right to create a schema, and roles unless tickwerk_owner, tickwerk_writer and tickwerk_reader are granted to it",
        )
    };
    check_encoding(client).await?;
    let transaction = client.transaction().await.map_err(failed())?;
    // Two at once: the second finds everything done.
    lock_schema(&transaction).await?;
    transaction.batch_execute(ROLES).await.map_err(failed())?;
    let applied = applied_steps(&transaction).await?;
    check(&applied)?;
    let mut migrated =
        Migrated { version: STEPS.last().map_or(0, |step| step.version), ..Migrated::default() };
    for step in STEPS.iter().skip(applied.len()) {
        transaction.batch_execute(step.sql).await.map_err(failed())?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&step.version, &step.name, &hash_of(step)];
        let note = "INSERT INTO tickwerk.schema_step (version, name, hash) VALUES ($1, $2, $3)";
        transaction.execute(note, &values).await.map_err(failed())?;
        migrated.steps.push(format!("V{} {}", step.version, step.name));
    }
    let (made, mut failing) = projection::install(&transaction).await?;
    let of_others = projection::of_other_versions(&projection::statuses(&transaction).await?);
    Failing::note_all(&of_others, &transaction).await?;
    failing.extend(of_others);
    migrated.projections = made;
    migrated.failed = failing.iter().map(Failing::to_string).collect();
    views::apply(&transaction).await?;
    transaction.commit().await.map_err(failed())?;
    Ok(migrated)
}

/// A reason that somebody gave may have any letter, and one that the database does not know would stop shipping for good.
async fn check_encoding(client: &Client) -> Result<(), PostgresError> {
    let asked =
        client.query_one("SELECT current_setting('server_encoding'), current_database()::text", &[]).await;
    let row = asked.map_err(PostgresError::statement("ask for the encoding of the database"))?;
    let (encoding, database): (&str, &str) = (row.get(0), row.get(1));
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(PostgresError::Schema(format!(
        "the database {database} is encoded in {encoding}, which does not have every letter; make one with \
         CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )))
}

/// Keeps everybody else from changing the schema until the transaction ends.
pub(crate) async fn lock_schema(transaction: &Transaction<'_>) -> Result<(), PostgresError> {
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('tickwerk.migrate', 0))";
    transaction.batch_execute(sql).await.map_err(PostgresError::statement("wait for who changes the schema"))
}

/// Refuses a database whose schema is not what this build needs.
pub async fn check_schema(client: &Client) -> Result<(), PostgresError> {
    let there = client
        .query_one("SELECT to_regclass('tickwerk.schema_step') IS NOT NULL", &[])
        .await
        .map_err(PostgresError::statement("look for the schema"))?;
    if !there.get::<_, bool>(0) {
        return Err(PostgresError::Schema(
            "the database has no schema tickwerk; make it with `tickwerk db migrate`".to_owned(),
        ));
    }
    let applied = applied_steps(client).await?;
    check(&applied)?;
    if applied.len() < STEPS.len() {
        return Err(PostgresError::Schema(format!(
            "the schema tickwerk is of version {}, this build needs {}; bring it there with `tickwerk db migrate`",
            applied.len(),
            STEPS.len()
        )));
    }
    Ok(())
}

/// Works with the rights of the writer from here on, whoever connected.
pub(crate) async fn become_writer(client: &Client) -> Result<(), PostgresError> {
    client.batch_execute("SET ROLE tickwerk_writer").await.map_err(PostgresError::statement(
        "take the role tickwerk_writer; grant it to the user of postgres.url",
    ))
}

type Applied = (i32, String, String);

async fn applied_steps(client: &impl tokio_postgres::GenericClient) -> Result<Vec<Applied>, PostgresError> {
    let rows = client
        .query("SELECT version, name, hash FROM tickwerk.schema_step ORDER BY version", &[])
        .await
        .map_err(PostgresError::statement("read the steps of the schema"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

fn check(applied: &[Applied]) -> Result<(), PostgresError> {
    for (index, (version, name, hash)) in applied.iter().enumerate() {
        let Some(step) = STEPS.get(index) else {
            return Err(PostgresError::Schema(format!(
                "the schema tickwerk is of version {version} ({name}), which this build does not know; use a newer build"
            )));
        };
        if step.version != *version || hash_of(step) != *hash {
            return Err(PostgresError::Schema(format!(
                "step V{version} {name} of the schema tickwerk is not what this build has under that number; \
                 use the build that made it, or an empty database"
            )));
        }
    }
    Ok(())
}

fn hash_of(step: &Step) -> String {
    blake3::hash(step.sql.as_bytes()).to_hex().to_string()
}

/// Runs `sql` as the owner within a transaction.
pub(crate) async fn as_owner(transaction: &Transaction<'_>, sql: &str) -> Result<(), PostgresError> {
    let owned = transaction.batch_execute("SET LOCAL ROLE tickwerk_owner").await;
    owned.map_err(PostgresError::statement(
        "take the role tickwerk_owner; grant it to the user of postgres.url",
    ))?;
    transaction.batch_execute(sql).await.map_err(PostgresError::statement("change the schema"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_from_one_without_gaps() {
        assert!(STEPS.iter().zip(1..).all(|(step, number)| step.version == number && !step.name.is_empty()));
    }

    #[test]
    fn a_step_that_differs_or_is_unknown_is_refused() {
        let good: Vec<Applied> =
            STEPS.iter().map(|step| (step.version, step.name.to_owned(), hash_of(step))).collect();
        check(&good).unwrap();
        let mut changed = good.clone();
        changed[0].2.replace_range(..1, "x");
        let mut newer = good;
        newer.push((99, "later".to_owned(), String::new()));
        for applied in [changed, newer] {
            assert!(matches!(check(&applied), Err(PostgresError::Schema(_))));
        }
    }
}
