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
    /// Of the build that made its tables; 0 where nobody knows what they hold.
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
    /// Why this build cannot use the tables, where it does not know that it made them in its own way.
    pub(crate) fn other_version(&self, projection: &dyn Projection) -> Option<String> {
        match (self.version, projection.version()) {
            (theirs, ours) if theirs == ours => None,
            (0, _) => Some("nobody knows what its tables hold; rebuild it".to_owned()),
            (theirs, ours) => Some(format!(
                "its tables are of version {theirs}, this build's of version {ours}; rebuild it"
            )),
        }
    }
}

/// A read model that cannot be kept up from here on, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failing {
    pub(crate) name: String,
    pub(crate) error: String,
}

impl std::fmt::Display for Failing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} failed: {}", self.name, self.error)
    }
}

impl Failing {
    /// Notes it. Who does not hold the checkpoint notes it with [`Failing::note_all`].
    pub(crate) async fn note(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        let sql = "UPDATE tickwerk.projection SET status = 'failed', error = $2, updated_at = now() WHERE name = $1";
        let noted = transaction.execute(sql, &[&self.name, &self.error]).await;
        noted.map(drop).map_err(PostgresError::statement("note that a projection failed"))
    }

    /// Notes them, and tells whoever ships to leave them out. The checkpoint comes first, as it does when a batch is shipped.
    pub(crate) async fn note_all(
        failing: &[Self],
        transaction: &Transaction<'_>,
    ) -> Result<(), PostgresError> {
        if failing.is_empty() {
            return Ok(());
        }
        next_generation(transaction).await?;
        for failing in failing {
            failing.note(transaction).await?;
        }
        Ok(())
    }
}

/// Tells whoever ships that other read models are to be kept up from here on. Holds the checkpoint until the end of the
/// transaction, once there is one.
pub(crate) async fn next_generation(transaction: &Transaction<'_>) -> Result<(), PostgresError> {
    let sql = "UPDATE tickwerk.checkpoint SET generation = generation + 1";
    let moved = transaction.execute(sql, &[]).await;
    moved.map(drop).map_err(PostgresError::statement("tell replication of other read models"))
}

/// Makes the tables of projections that have none yet. One that comes to a database with events is paused at 0, and is
/// rebuilt by command.
pub(crate) async fn install(
    transaction: &Transaction<'_>,
) -> Result<(Vec<String>, Vec<Failing>), PostgresError> {
    let failed = || PostgresError::statement("make the tables of projections");
    let mut made = Vec::new();
    let mut failing = mend(transaction).await?;
    let there = tables(transaction).await?;
    for projection in all() {
        let known = transaction
            .query_opt("SELECT FROM tickwerk.projection WHERE name = $1", &[&projection.name()])
            .await
            .map_err(failed())?;
        if known.is_some() {
            continue;
        }
        let is_new =
            make_tables(transaction, projection.as_ref(), &there).await? == projection.tables().len();
        // Rows that nobody answers for are not kept up.
        let error =
            (!is_new).then_some("its tables were there, and nothing said how far they are; rebuild it");
        let version = if is_new { projection.version() } else { 0 };
        let sql = "INSERT INTO tickwerk.projection (name, version, status, global_position, error)
             SELECT $1, $2, CASE WHEN $3::text IS NOT NULL THEN 'failed'
                 WHEN EXISTS (SELECT FROM tickwerk.checkpoint) THEN 'paused' ELSE 'active' END, 0, $3";
        let values: [&(dyn ToSql + Sync); 3] = [&projection.name(), &version, &error];
        transaction.execute(sql, &values).await.map_err(failed())?;
        match error {
            None => made.push(projection.name().to_owned()),
            Some(error) => {
                let name = projection.name().to_owned();
                failing.push(Failing { name, error: error.to_owned() });
            }
        }
    }
    Ok((made, failing))
}

/// Makes those of its tables that are not `there`, without rows; how many.
async fn make_tables(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    there: &[&'static Table],
) -> Result<usize, PostgresError> {
    let mut made = 0;
    for table in projection.tables() {
        if there.iter().all(|there| there.name != table.name) {
            as_owner(transaction, &table.create_sql("")).await?;
            made += 1;
        }
    }
    Ok(made)
}

/// Makes tables that somebody dropped, as views need all of them; their read models fail and are rebuilt by command.
pub(crate) async fn mend(transaction: &Transaction<'_>) -> Result<Vec<Failing>, PostgresError> {
    // Alone, as several may look at once.
    lock_schema(transaction).await?;
    let (known, there, mut failing) = (statuses(transaction).await?, tables(transaction).await?, Vec::new());
    for projection in all() {
        let name = projection.name();
        if known.iter().all(|known| known.name != name)
            || make_tables(transaction, projection.as_ref(), &there).await? == 0
        {
            continue;
        }
        let error = "tables of it were missing and are empty now; rebuild it".to_owned();
        let of = Failing { name: name.to_owned(), error };
        Failing::note_all(std::slice::from_ref(&of), transaction).await?;
        failing.push(of);
        let sql = "UPDATE tickwerk.projection SET version = 0, global_position = 0 WHERE name = $1";
        let forgotten = transaction.execute(sql, &[&name]).await;
        forgotten.map_err(PostgresError::statement("make the tables of projections"))?;
    }
    Ok(failing)
}

/// Those that have not failed yet and whose tables another build made in another way.
pub(crate) fn of_other_versions(statuses: &[ProjectionStatus]) -> Vec<Failing> {
    let failing = |known: &ProjectionStatus| {
        let ours = all().into_iter().find(|of| of.name() == known.name)?;
        let error = known.other_version(ours.as_ref())?;
        Some(Failing { name: known.name.clone(), error })
    };
    statuses.iter().filter(|known| known.status != "failed").filter_map(failing).collect()
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
pub(crate) async fn tables(client: &impl GenericClient) -> Result<Vec<&'static Table>, PostgresError> {
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
