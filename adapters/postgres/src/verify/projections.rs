//! Proves that read models are what a fresh fold of the journal gives: folds it into temporary tables and compares them
//! with those that serve, row by row and column by column.
//!
//! Each read model is compared as far as it says that it is, so that one that is paused or failed is proven, too. Events
//! that were parked are left out as they were then: what the server refused is not folded, and what the fold itself
//! refuses must be parked, and nothing else. All of it needs the journal from its first record on.

use super::{Difference, ModelDifference, Progress, failed};
use crate::error::PostgresError;
use crate::meaning::sequence;
use crate::projection::{self, Projection, ProjectionStatus};
use crate::reading::{Marks, Reading};
use crate::selection::Selector;
use crate::table::{Rows, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tickwerk_domain::Sequence;
use tickwerk_journal::ChainHead;
use tickwerk_render::Dictionary;
use tokio_postgres::{Statement, Transaction};

/// Records that are folded at once.
const BATCH_RECORDS: u64 = 20_000;

/// How a read model was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelVerified {
    pub name: String,
    /// Everything through it is in the tables.
    pub through: Sequence,
    /// Rows that were compared.
    pub rows: u64,
    /// Why nothing was compared.
    pub unchecked: Option<String>,
}

/// What is parked and nobody has offered again.
#[derive(Debug, Default)]
struct Parked {
    /// Refused by the server: their folding was taken back.
    by_server: BTreeSet<Sequence>,
    /// Refused by the fold itself.
    by_fold: BTreeSet<Sequence>,
}

/// A read model that is folded.
struct Model {
    status: ProjectionStatus,
    projection: Box<dyn Projection>,
    parked: Parked,
}

/// Keeps rebuilds from swapping tables until the transaction ends, and its snapshot from missing what was swapped before.
/// Must be its first statement.
pub(super) async fn hold(
    transaction: &Transaction<'_>,
    tables: &[&'static Table],
) -> Result<(), PostgresError> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables.iter().map(|table| table.sql_name("")).collect();
    let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
    transaction.batch_execute(&sql).await.map_err(PostgresError::statement(
        "hold the tables of read models; grant tickwerk_reader to the user",
    ))
}

/// Folds the journal in `dir` and compares; `first` is the first record that it has.
pub(super) async fn compare(
    transaction: &Transaction<'_>,
    dir: &Path,
    first: Sequence,
    tables: &[&'static Table],
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<(Vec<ModelVerified>, Option<Difference>), PostgresError> {
    let statuses = projection::statuses(transaction).await?;
    let (mut verified, mut groups) = (Vec::new(), BTreeMap::<i64, Vec<Model>>::new());
    for projection in projection::all() {
        let status = statuses.iter().find(|status| status.name == projection.name());
        match why_not(projection.as_ref(), status, first, tables) {
            Err(WhyNot::Different(found)) => return Ok((verified, Some(*found))),
            Err(WhyNot::Unchecked(reason)) => verified.push(ModelVerified {
                name: projection.name().to_owned(),
                through: status.map_or(Sequence::NONE, |status| sequence(status.position)),
                rows: 0,
                unchecked: Some(reason),
            }),
            Ok(status) => {
                let parked = load_parked(transaction, projection.as_ref(), status.position).await?;
                let model = Model { status: status.clone(), projection, parked };
                groups.entry(status.position).or_default().push(model);
            }
        }
    }
    for (through, models) in groups {
        let through = sequence(through);
        if let Some(found) = fold(transaction, dir, through, models, &mut verified, on_progress).await? {
            return Ok((verified, Some(found)));
        }
    }
    Ok((verified, None))
}

/// Why a read model is not compared.
enum WhyNot {
    /// Nobody can say whether it is right.
    Unchecked(String),
    /// It is not what the database says that it is.
    Different(Box<Difference>),
}

/// How a read model stands, or why it cannot be compared.
fn why_not<'s>(
    projection: &dyn Projection,
    status: Option<&'s ProjectionStatus>,
    first: Sequence,
    tables: &[&'static Table],
) -> Result<&'s ProjectionStatus, WhyNot> {
    let is_there = |table: &&Table| tables.iter().any(|there| there.name == table.name);
    let different = |at: Sequence, table: &Table, reason: &str| {
        let name = projection.name();
        let model = ModelDifference {
            projection: name.to_owned(),
            table: table.name.to_owned(),
            key: "{}".to_owned(),
            column: None,
            expected: None,
            found: None,
        };
        let reason = format!("projection {name}, table {}: {reason}", table.name);
        Err(WhyNot::Different(Box::new(Difference { sequence: at, reason, model: Some(model) })))
    };
    let unchecked = |reason| Err(WhyNot::Unchecked(reason));
    let Some(status) = status else {
        return match projection.tables().iter().find(is_there) {
            Some(table) => {
                different(Sequence::NONE, table, "it is there, and tickwerk.projection does not know of it")
            }
            None => unchecked("it has no tables yet; make them with `tickwerk db migrate`".to_owned()),
        };
    };
    if let Some(reason) = status.other_version(projection) {
        return unchecked(reason);
    }
    if let Some(table) = projection.tables().iter().find(|table| !is_there(table)) {
        return different(sequence(status.position), table, "it is missing in the database; rebuild it");
    }
    if first > Sequence::FIRST {
        return unchecked(format!(
            "a fresh fold needs the journal from its first record, which is kept from {first} on"
        ));
    }
    Ok(status)
}

async fn load_parked(
    transaction: &Transaction<'_>,
    projection: &dyn Projection,
    through: i64,
) -> Result<Parked, PostgresError> {
    let sql = "SELECT global_position, error FROM tickwerk.parked
        WHERE projection = $1 AND resolved IS DISTINCT FROM 'retried' AND global_position <= $2";
    let rows = transaction.query(sql, &[&projection.name(), &through]).await.map_err(failed())?;
    let mut parked = Parked::default();
    for row in rows {
        let (at, error): (i64, &str) = (row.get(0), row.get(1));
        // What the server refused is told with the table that it did not go into.
        let names_table =
            |table: &Table| error.strip_prefix(table.name).is_some_and(|rest| rest.starts_with(": "));
        let set = if projection.tables().iter().any(names_table) {
            &mut parked.by_server
        } else {
            &mut parked.by_fold
        };
        set.insert(sequence(at));
    }
    Ok(parked)
}

/// Folds the journal through `through` for read models that stand there, and compares each.
async fn fold(
    transaction: &Transaction<'_>,
    dir: &Path,
    through: Sequence,
    models: Vec<Model>,
    verified: &mut Vec<ModelVerified>,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Option<Difference>, PostgresError> {
    let mut upserts = BTreeMap::new();
    for table in models.iter().flat_map(|model| model.projection.tables()) {
        transaction.batch_execute(&create_sql(table)).await.map_err(failed())?;
        let sql = table.write_into(&fresh_name(table));
        upserts.insert(table.name, transaction.prepare(&sql).await.map_err(failed())?);
    }
    let (mut others, mut projections) = (Vec::new(), Vec::new());
    for Model { status, projection, parked } in models {
        others.push((status, projection.tables(), parked));
        projections.push(projection);
    }
    let left_out = others.iter().map(|(_, _, parked)| parked.by_server.clone()).collect();
    let mut reading = Reading::from_block(
        dir,
        &Marks::Stored,
        ChainHead::default(),
        Dictionary::default(),
        Selector::default(),
        projections,
        Some(through),
    )?;
    reading.fold_only(Sequence::NONE, through);
    reading.leave_out(left_out);
    let refused = write(transaction, &mut reading, &upserts, on_progress).await?;
    if reading.at() < through {
        let reason = format!("read models reflect everything through {through}, the journal ends before");
        return Ok(Some(Difference::at(reading.at().next(), reason)));
    }
    for (status, tables, parked) in others {
        let of_fold = refused.get(status.name.as_str()).cloned().unwrap_or_default();
        if let Some(found) = parked_difference(&status.name, &parked.by_fold, &of_fold) {
            return Ok(Some(found));
        }
        let mut rows = 0;
        for table in tables {
            if let Some(found) = table_difference(transaction, &status.name, table).await? {
                return Ok(Some(found));
            }
            let sql = format!("SELECT count(*) FROM {}", fresh_name(table));
            let count: i64 = transaction.query_one(&sql, &[]).await.map_err(failed())?.get(0);
            rows += count.unsigned_abs();
        }
        verified.push(ModelVerified { name: status.name, through, rows, unchecked: None });
    }
    Ok(None)
}

/// Writes what the fold gives, batch by batch; what it refused, with the reasons.
async fn write(
    transaction: &Transaction<'_>,
    reading: &mut Reading,
    upserts: &BTreeMap<&'static str, Statement>,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<BTreeMap<&'static str, BTreeMap<Sequence, String>>, PostgresError> {
    let mut refused: BTreeMap<&'static str, BTreeMap<Sequence, String>> = BTreeMap::new();
    loop {
        let mut batch = reading.new_batch();
        reading.fill(&mut batch, BATCH_RECORDS)?;
        if batch.is_empty() {
            return Ok(refused);
        }
        reading.finish(&mut batch);
        for folded in batch.projections {
            let of = refused.entry(folded.name).or_default();
            of.extend(folded.parked.into_iter().map(|parked| (parked.sequence, parked.error)));
            for write in folded.writes {
                let statement = &upserts[write.table.name];
                let written = write.send(transaction, statement).await;
                written.map_err(PostgresError::statement("write a fresh fold into temporary tables"))?;
            }
        }
        on_progress(&Progress { what: "records folded", count: batch.through.0, through: batch.through });
    }
}

/// An event that only one side could not take.
fn parked_difference(
    projection: &str,
    in_database: &BTreeSet<Sequence>,
    by_fold: &BTreeMap<Sequence, String>,
) -> Option<Difference> {
    let unknown = by_fold.iter().find(|(at, _)| !in_database.contains(at));
    let taken = in_database.iter().find(|at| !by_fold.contains_key(at));
    let (at, reason) = match (unknown, taken) {
        (Some((at, error)), _) => {
            (*at, format!("projection {projection} cannot take it ({error}), and it is not parked"))
        }
        (None, Some(at)) => (*at, format!("it is parked for projection {projection}, which can take it")),
        (None, None) => return None,
    };
    Some(Difference::at(at, reason))
}

/// The first row that differs: that of the lowest sequence.
async fn table_difference(
    transaction: &Transaction<'_>,
    projection: &str,
    table: &Table,
) -> Result<Option<Difference>, PostgresError> {
    transaction.batch_execute(&format!("ANALYZE {}", fresh_name(table))).await.map_err(failed())?;
    let found = transaction.query_opt(&difference_sql(table), &[]).await.map_err(failed())?;
    let Some(row) = found else { return Ok(None) };
    let (at, is_extra, is_missing): (i64, bool, bool) = (row.get(0), row.get(1), row.get(2));
    let key: String = row.get(3);
    let cells: Option<Vec<Option<String>>> = row.get(4);
    let mut cells = cells.unwrap_or_default().into_iter();
    let (column, expected, found) = (cells.next().flatten(), cells.next().flatten(), cells.next().flatten());
    let place = format!("projection {projection}, table {}, key {key}", table.name);
    let reason = if is_extra {
        format!("{place}: the database has a row that a fresh fold does not give")
    } else if is_missing {
        format!("{place}: the row is missing in the database")
    } else {
        let shown = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        let (name, should, is) = (column.clone().unwrap_or_default(), shown(&expected), shown(&found));
        format!("{place}: {name} is {is} and should be {should}")
    };
    let is_cell = !is_extra && !is_missing;
    let model = ModelDifference {
        projection: projection.to_owned(),
        table: table.name.to_owned(),
        key,
        column: column.filter(|_| is_cell),
        expected: expected.filter(|_| is_cell),
        found: found.filter(|_| is_cell),
    };
    Ok(Some(Difference { sequence: sequence(at), reason, model: Some(model) }))
}

fn fresh_name(table: &Table) -> String {
    format!("pg_temp.{}", table.name)
}

fn create_sql(table: &Table) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| format!("{} {}", column.name, column.of.sql())).collect();
    format!(
        "CREATE TEMPORARY TABLE {} ({}, global_position bigint NOT NULL, PRIMARY KEY ({})) ON COMMIT DROP",
        table.name,
        columns.join(", "),
        keys(table).join(", ")
    )
}

fn keys(table: &Table) -> Vec<&'static str> {
    let of_event = (table.rows == Rows::Appended).then_some("global_position");
    table.columns[..table.key_length()].iter().map(|column| column.name).chain(of_event).collect()
}

/// The first row of `x`, the fresh fold, and `e`, the database, that differ, with their first column that does.
fn difference_sql(table: &Table) -> String {
    let names: Vec<&str> =
        table.columns.iter().map(|column| column.name).chain(["global_position"]).collect();
    let all = |of: &str| names.iter().map(|name| format!("{of}.{name}")).collect::<Vec<_>>().join(", ");
    let each = |text: &dyn Fn(&str) -> String, between: &str| {
        keys(table).into_iter().map(text).collect::<Vec<_>>().join(between)
    };
    let cells: Vec<String> =
        names.iter().map(|name| format!("('{name}', x.{name}::text, e.{name}::text)")).collect();
    format!(
        "SELECT COALESCE(x.global_position, e.global_position), x.global_position IS NULL, e.global_position IS NULL,
            jsonb_build_object({key})::text,
            (SELECT ARRAY[name, expected, found] FROM (VALUES {cells}) AS of (name, expected, found)
             WHERE expected IS DISTINCT FROM found LIMIT 1)
        FROM {fresh} x FULL JOIN {there} e ON {joined}
        WHERE ROW({x})::text IS DISTINCT FROM ROW({e})::text
        ORDER BY 1, {order} LIMIT 1",
        key = each(&|name| format!("'{name}', COALESCE(x.{name}, e.{name})"), ", "),
        cells = cells.join(", "),
        fresh = fresh_name(table),
        there = table.sql_name(""),
        joined = each(&|name| format!("x.{name} = e.{name}"), " AND "),
        x = all("x"),
        e = all("e"),
        order = each(&|name| format!("COALESCE(x.{name}, e.{name})"), ", "),
    )
}
