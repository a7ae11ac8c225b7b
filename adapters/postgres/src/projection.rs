//! What a projection is: a fold of events into rows of its own tables, kept up in the transaction that ships the events.
//!
//! A projection is one file in `projections/` and one line in [`all`]. It says which events it wants and what each of
//! them changes; how changes reach the tables, exactly once, is the engine's part. What it needs to know of earlier
//! events it keeps in memory and reads back from its own tables when replication starts ([`Projection::state`]), or
//! leaves to the merging of columns ([`Merge`](crate::table::Merge)), which needs no memory at all.
//! Invariant: the same events from the same state give the same changes, however they are cut into batches.

use crate::changes::Changes;
use crate::error::{PostgresError, is_of_table, reason_of};
use crate::fact::Fact;
use crate::migrate::{as_owner, lock_schema};
use crate::projections;
use crate::table::Table;
use std::collections::BTreeSet;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, SimpleQueryMessage, SimpleQueryRow, Transaction};

/// An event that cannot be taken. It is parked with this reason, and the projection goes on without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Poison(pub String);

impl<Text: Into<String>> From<Text> for Poison {
    fn from(text: Text) -> Self {
        Self(text.into())
    }
}

/// A read model.
pub trait Projection: Send {
    /// Its name, by which commands speak of it.
    fn name(&self) -> &'static str;

    /// Rises when the same events would give other rows; tables of an older version must be rebuilt.
    fn version(&self) -> i32;

    /// Its tables.
    fn tables(&self) -> &'static [Table];

    /// The types of records that it wants, as words.
    fn events(&self) -> &'static [&'static str];

    /// Queries whose rows bring back what it keeps in memory. `{name}` stands for the table of that name.
    fn state(&self) -> &'static [&'static str] {
        &[]
    }

    /// Takes a row of query number `query`; every value comes as text.
    fn restore(&mut self, query: usize, row: &SimpleQueryRow) -> Result<(), Poison> {
        Err(format!("it has no query {query} and takes no row of {} columns", row.len()).into())
    }

    /// Says what the record changes.
    fn apply(&mut self, fact: &Fact<'_>, changes: &mut Changes) -> Result<(), Poison>;

    /// Writes what it has gathered since the last time, where its rows are sums over many records. Called behind the last
    /// record of a batch.
    fn settle(&mut self, changes: &mut Changes) {
        let _ = changes;
    }
}

/// Every projection, without any memory.
pub fn all() -> Vec<Box<dyn Projection>> {
    projections::all()
}

/// How a projection stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectionStatus {
    pub name: String,
    pub version: i32,
    /// `active`, `paused` or `failed`.
    pub status: String,
    /// Everything up to it is in the tables.
    pub position: i64,
    pub error: Option<String>,
    /// Events that it could not take and nobody has looked after.
    pub parked: i64,
}

impl ProjectionStatus {
    /// Why this build cannot use the tables, where another made them in another way.
    pub(crate) fn other_version(&self, projection: &dyn Projection) -> Option<String> {
        let (theirs, ours) = (self.version, projection.version());
        (theirs != ours).then(|| {
            format!("its tables are of version {theirs}, this build's of version {ours}; rebuild it")
        })
    }
}

/// Makes the tables of projections that have none yet. One that comes to a database with events is paused at 0, and is
/// rebuilt by command.
pub(crate) async fn install(transaction: &Transaction<'_>) -> Result<Vec<String>, PostgresError> {
    let failed = || PostgresError::statement("make the tables of projections");
    let mut made = Vec::new();
    mend(transaction).await?;
    for projection in all() {
        let known = transaction
            .query_opt("SELECT FROM tickwerk.projection WHERE name = $1", &[&projection.name()])
            .await
            .map_err(failed())?;
        if known.is_some() {
            continue;
        }
        let is_new = make_tables(transaction, projection.as_ref()).await? == projection.tables().len();
        // Rows that nobody answers for are not kept up.
        let error =
            (!is_new).then_some("its tables were there, and nothing said how far they are; rebuild it");
        let sql = "INSERT INTO tickwerk.projection (name, version, status, global_position, error)
             SELECT $1, $2, CASE WHEN $3::text IS NOT NULL THEN 'failed'
                 WHEN EXISTS (SELECT FROM tickwerk.checkpoint) THEN 'paused' ELSE 'active' END, 0, $3";
        let values: [&(dyn ToSql + Sync); 3] = [&projection.name(), &projection.version(), &error];
        transaction.execute(sql, &values).await.map_err(failed())?;
        made.push(projection.name().to_owned());
    }
    Ok(made)
}

/// Makes those of its tables that are not there, without rows; how many.
async fn make_tables(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
) -> Result<usize, PostgresError> {
    let mut made = 0;
    for table in projection.tables() {
        let sql = "SELECT to_regclass($1) IS NULL";
        let asked = transaction.query_one(sql, &[&table.sql_name("")]).await;
        if asked.map_err(PostgresError::statement("look for tables"))?.get(0) {
            as_owner(transaction, &table.create_sql("")).await?;
            made += 1;
        }
    }
    Ok(made)
}

/// Makes tables that somebody dropped, as views need all of them; their read models failed and are rebuilt by command.
pub(crate) async fn mend(transaction: &Transaction<'_>) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("make the tables of projections");
    // Alone, as several may look at once.
    lock_schema(transaction).await?;
    for known in statuses(transaction).await? {
        let mut ours = all().into_iter();
        let ours = ours.find(|of| of.name() == known.name && of.version() == known.version);
        let Some(projection) = ours else { continue };
        if make_tables(transaction, projection.as_ref()).await? == 0 {
            continue;
        }
        fail(transaction, &known.name, "tables of it were missing and are empty now; rebuild it").await?;
        let sql = "UPDATE tickwerk.checkpoint SET generation = generation + 1";
        transaction.execute(sql, &[]).await.map_err(failed())?;
    }
    Ok(())
}

/// Fails read models whose tables another build made in another way: nobody keeps them up until they are rebuilt. Gives what
/// is to be told of them.
pub(crate) async fn fail_other_versions(client: &impl GenericClient) -> Result<Vec<String>, PostgresError> {
    let mut told = Vec::new();
    for known in statuses(client).await?.iter().filter(|known| known.status != "failed") {
        let ours = all().into_iter().find(|of| of.name() == known.name);
        if let Some(error) = ours.and_then(|of| known.other_version(of.as_ref())) {
            fail(client, &known.name, &error).await?;
            told.push(format!("{} failed: {error}", known.name));
        }
    }
    Ok(told)
}

/// Reads back what a projection keeps in memory, from its tables with `suffix`. Rows that it cannot take are a reason for it
/// to fail, and for nobody else.
pub(crate) async fn restore(
    projection: &mut dyn Projection,
    suffix: &str,
    client: &Client,
) -> Result<Result<(), Poison>, PostgresError> {
    for (number, query) in projection.state().iter().enumerate() {
        let sql = projection.tables().iter().fold((*query).to_owned(), |sql, table| {
            sql.replace(&format!("{{{}}}", table.name), &table.sql_name(suffix))
        });
        let answer = match client.simple_query(&sql).await {
            Err(error) if is_of_table(&error) => return Ok(Err(reason_of(&error).into())),
            answer => answer.map_err(PostgresError::statement("read back the state of a projection"))?,
        };
        for message in answer {
            if let SimpleQueryMessage::Row(row) = message
                && let Err(poison) = projection.restore(number, &row)
            {
                return Ok(Err(poison));
            }
        }
    }
    Ok(Ok(()))
}

/// Their tables that are there.
pub(crate) async fn tables(client: &Client) -> Result<Vec<&'static Table>, PostgresError> {
    let all: Vec<&'static Table> = all().iter().flat_map(|of| of.tables()).collect();
    let names: Vec<String> = all.iter().map(|table| table.sql_name("")).collect();
    let sql = "SELECT name FROM unnest($1::text[]) AS of (name) WHERE to_regclass(name) IS NOT NULL";
    let rows = client.query(sql, &[&names]).await.map_err(PostgresError::statement("look for tables"))?;
    let there: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    Ok(all.into_iter().filter(|table| there.contains(&table.sql_name(""))).collect())
}

/// How all of them stand, by name.
pub(crate) async fn statuses(client: &impl GenericClient) -> Result<Vec<ProjectionStatus>, PostgresError> {
    let sql = "SELECT name, version, status, global_position, error,
            (SELECT count(*) FROM tickwerk.parked WHERE projection = name AND resolved IS NULL)
        FROM tickwerk.projection ORDER BY name";
    let rows = client.query(sql, &[]).await;
    let rows = rows.map_err(PostgresError::statement("read how projections stand"))?;
    let status = |row: &tokio_postgres::Row| ProjectionStatus {
        name: row.get(0),
        version: row.get(1),
        status: row.get(2),
        position: row.get(3),
        error: row.get(4),
        parked: row.get(5),
    };
    Ok(rows.iter().map(status).collect())
}

/// Notes that a projection failed, and why.
pub(crate) async fn fail(client: &impl GenericClient, name: &str, error: &str) -> Result<(), PostgresError> {
    let sql =
        "UPDATE tickwerk.projection SET status = 'failed', error = $2, updated_at = now() WHERE name = $1";
    let noted = client.execute(sql, &[&name, &error]).await;
    noted.map(drop).map_err(PostgresError::statement("note that a projection failed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::type_of;
    use crate::table::Merge;

    #[test]
    fn projections_want_types_that_there_are_and_have_tables_of_their_own() {
        let (mut names, mut tables) = (BTreeSet::new(), BTreeSet::new());
        for projection in all() {
            let name = projection.name();
            assert!(names.insert(name), "{name} is there twice");
            for word in projection.events() {
                assert!(type_of(word).is_some(), "{name} wants {word}, which is no type");
            }
            for table in projection.tables() {
                assert!(tables.insert(table.name), "{} is there twice", table.name);
                let keys = table.key_length();
                assert!(keys > 0, "{} has a key", table.name);
                let rest = &table.columns[keys..];
                assert!(
                    rest.iter().all(|column| column.merge != Merge::Key),
                    "keys come first in {}",
                    table.name
                );
            }
        }
    }
}
