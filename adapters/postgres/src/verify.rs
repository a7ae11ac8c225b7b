//! Proves that the database holds what the journal holds: every selected record once, with equal content, and read models
//! that are what a fresh fold gives ([`projections`]).
//!
//! The expected rows are made from the journal as shipping makes them, copied into a temporary table, and compared inside
//! the server, so that both sides are read by the same rules: block by block as one hash, and where that differs row by
//! row and column by column. Everything is read as of one moment, so replication may go on meanwhile.
//! What the journal no longer keeps, and what lay in partitions that were dropped by command, cannot be compared: of a
//! journal that has lost its beginning the events that it keeps are proven (but average prices of orders that began
//! before), and no read model.

mod projections;

pub use projections::ModelVerified;

use crate::batch::Batch;
use crate::checkpoint::Checkpoint;
use crate::connection::{Tell, attended, connect, runtime};
use crate::error::PostgresError;
use crate::event_row;
use crate::meaning::{self, position, sequence};
use crate::migrate::check_schema;
use crate::projection;
use crate::reading::{Marks, Reading};
use crate::selection::Selector;
use crate::settings::Settings;
use futures_util::SinkExt;
use std::path::Path;
use std::pin::pin;
use tickwerk_domain::Sequence;
use tickwerk_journal::format::RECORDS_PER_BLOCK;
use tickwerk_journal::{ChainHead, Head, ReadError, Tail};
use tokio_postgres::{Client, Transaction};

/// Records that are compared at once.
const BLOCK: u64 = 16 * 1024;

/// What verification found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verified {
    /// Rows that were compared.
    pub checked: u64,
    /// Rows that were not, as their partitions were dropped by command.
    pub dropped: u64,
    /// The first record that was compared; records before it are no longer kept by the journal.
    pub first: Sequence,
    /// Up to where the database has everything.
    pub checkpoint: Sequence,
    /// The chain there, as the journal has it.
    pub chain_head: Head,
    /// Read models that were looked at; none where an event differs or they were not asked for.
    pub models: Vec<ModelVerified>,
    /// The first thing that differs.
    pub first_difference: Option<Difference>,
}

/// How far verification is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is counted.
    pub what: &'static str,
    pub count: u64,
    pub through: Sequence,
}

/// Something that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The record that is concerned.
    pub sequence: Sequence,
    pub reason: String,
    /// Where, if it is a row of a read model.
    pub model: Option<ModelDifference>,
}

/// A row of a read model that differs from a fresh fold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelDifference {
    pub projection: String,
    pub table: String,
    /// Its key, as a JSON object.
    pub key: String,
    /// The first column that differs; none where the whole row is missing or should not be there.
    pub column: Option<String>,
    /// What a fresh fold gives; nothing for NULL.
    pub expected: Option<String>,
    /// What the database has; nothing for NULL.
    pub found: Option<String>,
}

impl Difference {
    fn at(sequence: Sequence, reason: String) -> Self {
        Self { sequence, reason, model: None }
    }
}

fn failed() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::statement("compare the database with the journal")
}

/// Compares the database with the journal in `dir`, its read models only if they are asked for.
pub fn verify(
    settings: &Settings,
    dir: &Path,
    with_models: bool,
    on_progress: &mut dyn FnMut(&Progress),
    tell: Tell<'_>,
) -> Result<Verified, PostgresError> {
    let name = "tickwerk db verify";
    runtime()?.block_on(attended(&settings.server, name, tell, async {
        let mut client = connect(&settings.server, name).await?;
        check_schema(&client).await?;
        prepare(&client).await?;
        // Before the transaction, as it locks them first of all.
        let tables = if with_models { projection::tables(&client).await? } else { Vec::new() };
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
            .start()
            .await
            .map_err(failed())?;
        projections::hold(&transaction, &tables).await?;
        let mut verified = compare(&transaction, dir, on_progress).await?;
        if with_models && verified.first_difference.is_none() {
            let compared = projections::compare(&transaction, dir, verified.first, &tables, on_progress);
            (verified.models, verified.first_difference) = compared.await?;
        }
        Ok(verified)
    }))
}

async fn prepare(client: &Client) -> Result<(), PostgresError> {
    let sql = "SET timezone = 'UTC'; SET work_mem = '256MB'; SET temp_buffers = '256MB';
        CREATE TEMPORARY TABLE expected (LIKE tickwerk.events)";
    let prepared = client.batch_execute(sql).await;
    prepared.map_err(PostgresError::statement("make a temporary table, which verification needs"))
}

async fn compare(
    transaction: &Transaction<'_>,
    dir: &Path,
    on_progress: &mut dyn FnMut(&Progress),
) -> Result<Verified, PostgresError> {
    let checkpoint = Checkpoint::load(transaction).await?;
    let mut verified = Verified { checkpoint: checkpoint.position, ..Verified::default() };
    let Some(journal) = checkpoint.journal else {
        return Err(PostgresError::Refused("nothing was shipped into this database".to_owned()));
    };
    let mut reading = begin(transaction, dir, &checkpoint).await?;
    if reading.journal() != journal {
        let reason = format!("the database holds journal {journal}, this is journal {}", reading.journal());
        verified.first_difference = Some(Difference::at(Sequence::FIRST, reason));
        return Ok(verified);
    }
    let dropped = any_dropped(transaction).await?;
    let lost = reading.at();
    loop {
        let mut batch = reading.new_batch();
        reading.fill(&mut batch, BLOCK)?;
        if batch.is_empty() {
            break;
        }
        reading.finish(&mut batch);
        if verified.first == Sequence::NONE {
            verified.first = batch.after.next();
        }
        verified.chain_head = batch.head.head;
        let (after, through) = (batch.after, batch.through);
        expect(transaction, &mut batch).await?;
        let left_out = if dropped { leave_out_dropped(transaction).await? } else { 0 };
        verified.checked += batch.rows - left_out;
        verified.dropped += left_out;
        verified.first_difference = match block_difference(transaction, &batch, lost).await? {
            None => chain_difference(transaction, &batch.blocks).await?,
            found => found,
        };
        on_progress(&Progress { what: "rows compared", count: verified.checked, through });
        if verified.first_difference.is_some() || through <= after {
            return Ok(verified);
        }
    }
    verified.first_difference =
        end_difference(transaction, &checkpoint, &reading, verified.chain_head).await?;
    Ok(verified)
}

/// Reads from the first block on that the journal keeps, up to the checkpoint.
async fn begin(
    transaction: &Transaction<'_>,
    dir: &Path,
    checkpoint: &Checkpoint,
) -> Result<Reading, PostgresError> {
    let first = match Tail::open(dir, Sequence::FIRST) {
        Ok(_) => Sequence::FIRST,
        Err(ReadError::Gone { first, .. }) => first,
        Err(error) => return Err(error.into()),
    };
    let through = Sequence((first.0 - 1).next_multiple_of(RECORDS_PER_BLOCK));
    let block = if through == Sequence::NONE {
        ChainHead::default()
    } else {
        let sql = "SELECT head FROM tickwerk.chain_block WHERE block_position = $1";
        let row = transaction.query_opt(sql, &[&position(through)]).await.map_err(failed())?;
        let head = row.and_then(|row| <[u8; 32]>::try_from(row.get::<_, &[u8]>(0)).ok());
        let head = head.ok_or_else(|| {
            PostgresError::Refused(format!("the database has no head of the block that ends at {through}"))
        })?;
        ChainHead { through, head: Head(head) }
    };
    let dictionary = meaning::load(transaction, through).await?;
    let mut selector = Selector::load(transaction).await?;
    selector.stand(transaction, through).await?;
    Reading::from_block(
        dir,
        &Marks::Stored,
        block,
        dictionary,
        selector,
        Vec::new(),
        Some(checkpoint.position),
    )
}

async fn any_dropped(transaction: &Transaction<'_>) -> Result<bool, PostgresError> {
    let sql = "SELECT EXISTS (SELECT FROM tickwerk.event_partition WHERE dropped_at IS NOT NULL)";
    Ok(transaction.query_one(sql, &[]).await.map_err(failed())?.get(0))
}

/// Puts the rows of a block into the temporary table.
async fn expect(transaction: &Transaction<'_>, batch: &mut Batch) -> Result<(), PostgresError> {
    transaction.batch_execute("TRUNCATE expected").await.map_err(failed())?;
    let sql = format!("COPY expected ({}) FROM STDIN (FORMAT binary)", event_row::COLUMNS);
    let sink = transaction.copy_in(&sql).await.map_err(failed())?;
    let mut sink = pin!(sink);
    for chunk in batch.take_rows() {
        sink.feed(chunk).await.map_err(failed())?;
    }
    sink.finish().await.map(drop).map_err(failed())
}

/// Takes out of it what lay in partitions that were dropped by command; how many rows.
async fn leave_out_dropped(transaction: &Transaction<'_>) -> Result<u64, PostgresError> {
    let sql = "DELETE FROM expected x USING tickwerk.event_partition p
        WHERE p.dropped_at IS NOT NULL AND x.family = p.family AND x.recorded_at >= p.from_time AND x.recorded_at < p.to_time";
    transaction.execute(sql, &[]).await.map_err(failed())
}

/// Compares the rows of a block by one hash, and where that differs names the first row. What is not in the journal any
/// more ends at `lost`.
async fn block_difference(
    transaction: &Transaction<'_>,
    batch: &Batch,
    lost: Sequence,
) -> Result<Option<Difference>, PostgresError> {
    if lost > Sequence::NONE {
        // An average price is made of all fills of an order, of which some may be lost.
        let sql = "UPDATE expected x SET event_data = jsonb_set(x.event_data, '{avg_price}', e.event_data -> 'avg_price')
            FROM tickwerk.events e, tickwerk.order_term o
            WHERE e.global_position = x.global_position AND x.event_data ? 'avg_price' AND e.event_data ? 'avg_price'
                AND o.order_id = (x.event_data ->> 'order')::bigint AND o.order_id <= $1 AND o.global_position > $1";
        transaction.execute(sql, &[&position(lost)]).await.map_err(failed())?;
    }
    let range = [position(batch.after), position(batch.through)];
    let sql = "SELECT (SELECT md5(string_agg(md5(x::text), '' ORDER BY global_position)) FROM expected x)
        IS NOT DISTINCT FROM (SELECT md5(string_agg(md5(e::text), '' ORDER BY global_position))
            FROM tickwerk.events e WHERE global_position > $1 AND global_position <= $2)";
    let row = transaction.query_one(sql, &[&range[0], &range[1]]).await.map_err(failed())?;
    if row.get(0) {
        return Ok(None);
    }
    let sql = "SELECT COALESCE(x.global_position, e.global_position), x.global_position IS NULL, e.global_position IS NULL,
            (SELECT string_agg(key, ', ' ORDER BY key) FROM jsonb_each(to_jsonb(x)) AS of (key, value)
             WHERE value IS DISTINCT FROM to_jsonb(e) -> key),
            (SELECT count(*) FROM tickwerk.events t WHERE t.global_position = x.global_position)
        FROM expected x FULL JOIN
            (SELECT * FROM tickwerk.events WHERE global_position > $1 AND global_position <= $2) e
            ON x.global_position = e.global_position
        WHERE x::text IS DISTINCT FROM e::text
            OR (SELECT count(*) FROM tickwerk.events t WHERE t.global_position = x.global_position) > 1
        ORDER BY 1 LIMIT 1";
    let row = transaction.query_one(sql, &[&range[0], &range[1]]).await.map_err(failed())?;
    let (extra, missing, columns, times): (bool, bool, Option<String>, i64) =
        (row.get(1), row.get(2), row.get(3), row.get(4));
    let reason = if extra {
        "the database has a row for it, which should not be there".to_owned()
    } else if missing {
        "its row is missing in the database".to_owned()
    } else if times > 1 {
        format!("the database has {times} rows for it")
    } else {
        format!("its row differs in {}", columns.unwrap_or_default())
    };
    Ok(Some(Difference::at(sequence(row.get(0)), reason)))
}

/// Compares the heads of whole blocks.
async fn chain_difference(
    transaction: &Transaction<'_>,
    blocks: &[ChainHead],
) -> Result<Option<Difference>, PostgresError> {
    for block in blocks {
        let sql = "SELECT head FROM tickwerk.chain_block WHERE block_position = $1";
        let row = transaction.query_opt(sql, &[&position(block.through)]).await.map_err(failed())?;
        let is_equal = row.as_ref().is_some_and(|row| row.get::<_, &[u8]>(0) == block.head.0);
        if !is_equal {
            let reason =
                "the head of the chain's block that ends there differs from the journal's".to_owned();
            return Ok(Some(Difference::at(block.through, reason)));
        }
    }
    Ok(None)
}

/// What can differ once all rows are equal: the end of the journal, the chain there, rows behind the checkpoint, and read
/// models that are kept up but elsewhere.
async fn end_difference(
    transaction: &Transaction<'_>,
    checkpoint: &Checkpoint,
    reading: &Reading,
    head: Head,
) -> Result<Option<Difference>, PostgresError> {
    let at = |sequence, reason: String| Ok(Some(Difference::at(sequence, reason)));
    if reading.at() < checkpoint.position {
        return at(
            reading.at().next(),
            format!("the database has everything through {}, the journal ends before", checkpoint.position),
        );
    }
    if checkpoint.position > Sequence::NONE && head != checkpoint.head {
        return at(
            checkpoint.position,
            format!("the chain is {head} in the journal and {} in the database", checkpoint.head),
        );
    }
    let sql = "SELECT min(global_position) FROM tickwerk.events WHERE global_position > $1";
    let row = transaction.query_one(sql, &[&position(checkpoint.position)]).await.map_err(failed())?;
    if let Some(behind) = row.get::<_, Option<i64>>(0) {
        return at(
            sequence(behind),
            "the database has a row for it, which lies behind the checkpoint".to_owned(),
        );
    }
    let statuses = projection::statuses(transaction).await?;
    let late =
        statuses.iter().find(|of| of.status == "active" && sequence(of.position) != checkpoint.position);
    match late {
        Some(of) => {
            at(sequence(of.position), format!("the projection {} is active but stands there", of.name))
        }
        None => Ok(None),
    }
}
