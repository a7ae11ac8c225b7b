//! Where replication stands: one row, locked by whoever ships.
//!
//! Invariant: the row and all that it speaks of were committed together. Whoever holds the fence that is in the row may
//! ship; a replicator that was overtaken finds another fence and stops.

use crate::batch::Batch;
use crate::error::PostgresError;
use crate::meaning::{position, sequence};
use tickwerk_domain::Sequence;
use tickwerk_journal::{ChainHead, Head, JournalId};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Transaction};

/// The row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkpoint {
    /// The journal that was shipped; none where nothing was.
    pub journal: Option<JournalId>,
    /// The last record that was shipped.
    pub position: Sequence,
    /// Head of the chain through it.
    pub head: Head,
    /// The last whole block there or before.
    pub block: ChainHead,
    pub fence: i64,
    pub generation: i64,
}

const COLUMNS: &str = "SELECT replace(journal_id::text, '-', ''), global_position, chain_head, block_position, block_head, \
     fence, generation FROM tickwerk.checkpoint";

fn read_failed() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::statement("read the checkpoint")
}

impl Checkpoint {
    /// Reads it; the beginning where there is none.
    pub async fn load(client: &impl GenericClient) -> Result<Self, PostgresError> {
        let row = client.query_opt(COLUMNS, &[]).await.map_err(read_failed())?;
        row.as_ref().map_or_else(|| Ok(Self::default()), Self::from_row)
    }

    /// Locks it and requires that it is as it was left.
    pub(crate) async fn lock(&self, transaction: &Transaction<'_>) -> Result<(), PostgresError> {
        let sql = format!("{COLUMNS} FOR UPDATE");
        let row = transaction.query_opt(&sql, &[]).await.map_err(read_failed())?;
        let there = row.as_ref().map_or_else(|| Ok(Self::default()), Self::from_row)?;
        if there.fence != self.fence {
            return Err(PostgresError::Taken { holder: format!("with fence {}", there.fence) });
        }
        if there == *self {
            return Ok(());
        }
        if there.generation != self.generation
            && there == (Self { generation: there.generation, ..self.clone() })
        {
            return Err(PostgresError::ModelsChanged);
        }
        Err(PostgresError::Statement {
            what: "ship a batch",
            reason: format!(
                "the checkpoint is at {} of generation {}, not at {} of {}",
                there.position, there.generation, self.position, self.generation
            ),
            code: None,
        })
    }

    /// Takes the right to ship from whoever had it; makes the row where there is none.
    pub(crate) async fn take(
        transaction: &Transaction<'_>,
        journal: JournalId,
    ) -> Result<Self, PostgresError> {
        let sql = "INSERT INTO tickwerk.checkpoint AS old (journal_id, global_position, chain_head, block_position, block_head,
                recorded_at_ns, fence, generation, rows_shipped, commits)
            VALUES ($1::text::uuid, 0, $2, 0, $2, 0, 1, 1, 0, 0)
            ON CONFLICT (only_one) DO UPDATE SET fence = old.fence + 1";
        let values: [&(dyn ToSql + Sync); 2] = [&journal.to_string(), &&[0_u8; 32][..]];
        transaction.execute(sql, &values).await.map_err(PostgresError::statement("take the checkpoint"))?;
        Self::load(transaction).await
    }

    /// Moves it behind a batch.
    pub(crate) async fn advance(
        &mut self,
        transaction: &Transaction<'_>,
        batch: &Batch,
    ) -> Result<(), PostgresError> {
        let sql = "UPDATE tickwerk.checkpoint SET global_position = $1, chain_head = $2, block_position = $3, block_head = $4,
            recorded_at_ns = $5, rows_shipped = rows_shipped + $6, durable_position = $7, commits = commits + 1, updated_at = now()";
        let rows = i64::try_from(batch.rows).unwrap_or(i64::MAX);
        let time = i64::try_from(batch.time.0).unwrap_or(i64::MAX);
        // The watermark was read before the batch, and may have been passed by it.
        let durable = position(batch.durable.unwrap_or(batch.through).max(batch.through));
        let values: [&(dyn ToSql + Sync); 7] = [
            &position(batch.through),
            &&batch.head.head.0[..],
            &position(batch.block.through),
            &&batch.block.head.0[..],
            &time,
            &rows,
            &durable,
        ];
        transaction.execute(sql, &values).await.map_err(PostgresError::statement("move the checkpoint"))?;
        self.position = batch.through;
        self.head = batch.head.head;
        self.block = batch.block;
        Ok(())
    }

    fn from_row(row: &Row) -> Result<Self, PostgresError> {
        let bad =
            |what: &str| PostgresError::Schema(format!("the {what} in tickwerk.checkpoint cannot be read"));
        let id: &str = row.get(0);
        let mut journal = [0; 16];
        for (byte, digits) in journal.iter_mut().zip(id.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| bad("journal id"))?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad("journal id"))?;
        }
        let head = |place: usize| {
            let bytes: &[u8] = row.get(place);
            bytes.try_into().map(Head).map_err(|_| bad("chain head"))
        };
        Ok(Self {
            journal: Some(JournalId(journal)),
            position: sequence(row.get(1)),
            head: head(2)?,
            block: ChainHead { through: sequence(row.get(3)), head: head(4)? },
            fence: row.get(5),
            generation: row.get(6),
        })
    }
}
