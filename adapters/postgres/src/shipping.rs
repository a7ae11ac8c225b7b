//! One batch, one transaction: checkpoint locked and compared, rows, meanings, heads, projections, checkpoint moved.

use crate::batch::{Batch, Folded};
use crate::checkpoint::Checkpoint;
use crate::error::{PostgresError, is_of_data, is_of_table, reason_of};
use crate::event_row;
use crate::meaning::position;
use crate::projection::Failing;
use futures_util::SinkExt;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use tickwerk_domain::Family;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement, Transaction};

/// The code of a violated constraint, for rows that were dropped without a word: people mend that.
const ROWS_DROPPED: &str = "23000";

/// What helps where a partition is gone that no command dropped.
const WITHOUT_PARTITION: &str = "; a partition that tickwerk.event_partition names is not attached; attach it again, or ship \
     the journal into an empty database";

/// A connection that ships.
pub(crate) struct Shipper {
    client: Client,
    checkpoint: Checkpoint,
    /// Families and days that have a partition.
    days: BTreeSet<(Family, u64)>,
    statements: BTreeMap<&'static str, Statement>,
    copy: Option<Statement>,
    /// Read models that failed and that nobody was told of.
    failed: Vec<Failing>,
}

impl Shipper {
    pub(crate) fn new(client: Client, checkpoint: Checkpoint) -> Self {
        let (days, statements) = (BTreeSet::new(), BTreeMap::new());
        Self { client, checkpoint, days, statements, copy: None, failed: Vec::new() }
    }

    /// Where it stands.
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Read models that failed since the last time.
    pub(crate) fn take_failed(&mut self) -> Vec<Failing> {
        std::mem::take(&mut self.failed)
    }

    /// Ships a batch. After an error nothing is known of the last commit: the connection is given up, and the checkpoint
    /// read again tells.
    pub(crate) async fn ship(&mut self, batch: Batch) -> Result<(), PostgresError> {
        assert_eq!(batch.after, self.checkpoint.position, "batches follow each other");
        self.ensure_partitions(&batch.days).await?;
        self.prepare(&batch).await?;
        let Self { client, checkpoint, statements, copy, failed, .. } = self;
        let begun = client.transaction().await;
        let transaction = begun.map_err(PostgresError::statement("begin a transaction"))?;
        checkpoint.lock(&transaction).await?;
        let mut batch = batch;
        if let Some(copy) = copy.as_ref().filter(|_| batch.rows > 0) {
            copy_rows(&transaction, copy, &mut batch).await?;
        }
        batch.meaning.save(&transaction).await?;
        save_blocks(&transaction, &batch).await?;
        let mut kept_up = Vec::new();
        for folded in std::mem::take(&mut batch.projections) {
            let name = folded.name;
            match ship_projection(&transaction, statements, folded).await? {
                None => kept_up.push(name),
                Some(failing) => failed.push(failing),
            }
        }
        move_projections(&transaction, &kept_up, position(batch.through)).await?;
        // Moved before the commit and, in memory, whatever comes of it: after an error all of this is read again.
        checkpoint.advance(&transaction, &batch).await?;
        transaction.commit().await.map_err(PostgresError::statement("commit a batch"))
    }

    /// Partitions are made in transactions of their own, as they lock more than rows do.
    async fn ensure_partitions(&mut self, days: &BTreeSet<(Family, u64)>) -> Result<(), PostgresError> {
        for (family, day) in days {
            if self.days.contains(&(*family, *day)) {
                continue;
            }
            event_row::ensure_partition(&self.client, *family, *day).await?;
            self.days.insert((*family, *day));
        }
        Ok(())
    }

    async fn prepare(&mut self, batch: &Batch) -> Result<(), PostgresError> {
        let failed = || PostgresError::statement("prepare a statement");
        if self.copy.is_none() {
            self.copy = Some(self.client.prepare(&event_row::copy_sql()).await.map_err(failed())?);
        }
        for folded in &batch.projections {
            for table in folded.changes.tables() {
                if !self.statements.contains_key(table.name) {
                    let statement = self.client.prepare(&table.write_sql("")).await.map_err(failed())?;
                    self.statements.insert(table.name, statement);
                }
            }
        }
        Ok(())
    }
}

async fn copy_rows(
    transaction: &Transaction<'_>,
    copy: &Statement,
    batch: &mut Batch,
) -> Result<(), PostgresError> {
    let failed = || PostgresError::statement("copy events");
    let sink = transaction.copy_in(copy).await.map_err(failed())?;
    let mut sink = pin!(sink);
    let expected = batch.rows;
    for chunk in batch.take_rows() {
        sink.feed(chunk).await.map_err(failed())?;
    }
    let copied = sink.finish().await.map_err(|error| {
        let is_without_partition = error.code() == Some(&SqlState::CHECK_VIOLATION)
            && error.as_db_error().is_some_and(|said| said.message().starts_with("no partition of relation"));
        let remedy = if is_without_partition { WITHOUT_PARTITION } else { "" };
        let (reason, code) = (reason_of(&error), error.code().map(|code| code.code().to_owned()));
        PostgresError::Statement { what: "copy events", reason: reason + remedy, code }
    })?;
    if copied == expected {
        return Ok(());
    }
    let reason = format!("the server took {copied} of {expected} rows; something on the table drops them");
    Err(PostgresError::Statement { what: "copy events", reason, code: Some(ROWS_DROPPED.to_owned()) })
}

async fn save_blocks(transaction: &Transaction<'_>, batch: &Batch) -> Result<(), PostgresError> {
    if batch.blocks.is_empty() {
        return Ok(());
    }
    let positions: Vec<i64> = batch.blocks.iter().map(|block| position(block.through)).collect();
    let heads: Vec<&[u8]> = batch.blocks.iter().map(|block| &block.head.0[..]).collect();
    let sql = "INSERT INTO tickwerk.chain_block (block_position, head) SELECT * FROM unnest($1::bigint[], $2::bytea[])";
    let values: [&(dyn ToSql + Sync); 2] = [&positions, &heads];
    transaction.execute(sql, &values).await.map_err(PostgresError::statement("save the heads of blocks"))?;
    Ok(())
}

/// Writes what a batch changes in a projection; why it could not, where it could not. One that cannot be written fails alone: its changes are
/// taken back, it stays where it was, and a new generation tells whoever folds it to leave it out.
async fn ship_projection(
    transaction: &Transaction<'_>,
    statements: &BTreeMap<&'static str, Statement>,
    folded: Folded,
) -> Result<Option<Failing>, PostgresError> {
    let Folded { name, writes, parked, .. } = folded;
    let failed = || PostgresError::statement("keep up a projection");
    if writes.is_empty() && parked.is_empty() {
        return Ok(None);
    }
    transaction.batch_execute("SAVEPOINT projection").await.map_err(failed())?;
    for write in writes {
        let table = write.table;
        let Err(refused) = write.send(transaction, &statements[table.name]).await else {
            continue;
        };
        // What is not about the rows (a full disk, a lock, the administrator) is nobody's failure and tried again.
        if !is_of_data(&refused) && !is_of_table(&refused) {
            return Err(failed()(refused));
        }
        let error = format!("{}: {}", table.name, reason_of(&refused));
        transaction.batch_execute("ROLLBACK TO SAVEPOINT projection").await.map_err(failed())?;
        let failing = Failing { name: name.to_owned(), error };
        Failing::note_all(std::slice::from_ref(&failing), transaction).await?;
        return Ok(Some(failing));
    }
    for parked in &parked {
        let sql = "INSERT INTO tickwerk.parked (projection, global_position, event_type, error) VALUES ($1, $2, $3, $4)
            ON CONFLICT (projection, global_position) DO UPDATE SET error = EXCLUDED.error";
        let values: [&(dyn ToSql + Sync); 4] =
            [&name, &position(parked.sequence), &parked.event_type, &parked.error];
        transaction.execute(sql, &values).await.map_err(failed())?;
    }
    transaction.batch_execute("RELEASE SAVEPOINT projection").await.map_err(failed())?;
    Ok(None)
}

async fn move_projections(
    transaction: &Transaction<'_>,
    names: &[&str],
    through: i64,
) -> Result<(), PostgresError> {
    let sql = "UPDATE tickwerk.projection SET global_position = $2, updated_at = now()
        WHERE name = ANY($1) AND status = 'active'";
    let moved = transaction.execute(sql, &[&names, &through]).await;
    moved.map(drop).map_err(PostgresError::statement("keep up a projection"))
}
