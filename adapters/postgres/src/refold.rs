//! Folds the journal into the tables of one read model beside replication: into new ones from the first record on, or
//! into its own from where it stopped.
//!
//! Batches commit with the position that they reach. A batch that the server refuses for what is in it is taken again
//! frame by frame, and the frame that is refused record by record, until the poison is found; it is parked, and the rest
//! goes on. Whatever was folded in vain is forgotten: memory is read back from the tables.

use crate::batch::{Batch, Folded};
use crate::checkpoint::Checkpoint;
use crate::error::{PostgresError, is_of_data, reason_of};
use crate::meaning::{self, position, sequence};
use crate::projection::{self, Projection};
use crate::reading::{Marks, Reading};
use crate::selection::Selector;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickwerk_domain::Sequence;
use tickwerk_journal::{ChainHead, Head};
use tickwerk_render::Dictionary;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement, Transaction};

/// Records of one batch.
const BATCH_RECORDS: u64 = 20_000;
/// Events that are parked because the server refuses them, before something else must be wrong.
const REFUSED_MAX: u64 = 100;

/// Which tables are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// New ones beside those that serve.
    Shadow,
    /// Those that serve, of a read model that is not kept up.
    Own,
}

impl Target {
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Shadow => "_rebuild",
            Self::Own => "",
        }
    }
}

/// The way of one read model through the journal.
pub(crate) struct Refold {
    dir: PathBuf,
    name: String,
    target: Target,
    /// Everything through it is in the tables.
    at: Sequence,
    reading: Reading,
    statements: BTreeMap<&'static str, Statement>,
    /// Rows written so far.
    pub(crate) rows: u64,
    refused: u64,
}

/// Why a batch was not written.
enum Unwritten {
    /// For what is in it, with the server's words.
    Refused(String),
    Error(PostgresError),
}

impl From<PostgresError> for Unwritten {
    fn from(error: PostgresError) -> Self {
        Self::Error(error)
    }
}

fn failed() -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
    PostgresError::statement("write a read model")
}

/// The read model with a name.
pub(crate) fn named(name: &str) -> Result<Box<dyn Projection>, PostgresError> {
    let mut all = projection::all();
    let place = all.iter().position(|projection| projection.name() == name);
    place.map(|place| all.swap_remove(place)).ok_or_else(|| {
        let known: Vec<&str> = projection::all().iter().map(|projection| projection.name()).collect();
        let reason = format!("there is no projection {name}; there are {}", known.join(", "));
        PostgresError::Statement { what: "find the projection", reason, code: None }
    })
}

impl Refold {
    /// Stands behind `at`.
    pub(crate) async fn begin(
        client: &Client,
        dir: &Path,
        name: &str,
        target: Target,
        at: Sequence,
    ) -> Result<Self, PostgresError> {
        let reading = open(client, dir, name, target, at).await?;
        let mut statements = BTreeMap::new();
        for table in named(name)?.tables() {
            let statement = client.prepare(&table.write_sql(target.suffix())).await.map_err(failed())?;
            statements.insert(table.name, statement);
        }
        let (dir, name) = (dir.to_owned(), name.to_owned());
        Ok(Self { dir, name, target, at, reading, statements, rows: 0, refused: 0 })
    }

    pub(crate) fn at(&self) -> Sequence {
        self.at
    }

    /// The chain where the reading stands.
    pub(crate) fn head(&self) -> ChainHead {
        self.reading.head()
    }

    /// Goes back to what is in the tables.
    pub(crate) async fn reopen(&mut self, client: &Client) -> Result<(), PostgresError> {
        self.reading = open(client, &self.dir, &self.name, self.target, self.at).await?;
        Ok(())
    }

    /// Folds one batch that ends at `limit` or before; whether there was one.
    pub(crate) async fn step(&mut self, client: &mut Client, limit: Sequence) -> Result<bool, PostgresError> {
        let Some(batch) = self.next_batch(limit, BATCH_RECORDS)? else {
            return Ok(false);
        };
        let through = batch.through;
        match self.write(client, batch).await {
            Ok(()) => {}
            Err(Unwritten::Error(error)) => return Err(error),
            Err(Unwritten::Refused(_)) => self.isolate(client, through).await?,
        }
        Ok(true)
    }

    /// Folds all that is left up to `limit` within a transaction; `false` where the server refuses some of it, so that the
    /// transaction is lost and [`Self::reopen`] and [`Self::step`] are due.
    pub(crate) async fn finish_in(
        &mut self,
        transaction: &Transaction<'_>,
        limit: Sequence,
    ) -> Result<bool, PostgresError> {
        let before = (self.at, self.rows);
        while let Some(batch) = self.next_batch(limit, BATCH_RECORDS)? {
            let through = batch.through;
            match write_in(transaction, &self.statements, &self.name, self.target, batch).await {
                Ok(rows) => self.rows += rows,
                Err(Unwritten::Error(error)) => return Err(error),
                Err(Unwritten::Refused(_)) => {
                    (self.at, self.rows) = before;
                    return Ok(false);
                }
            }
            self.at = through;
        }
        Ok(true)
    }

    /// The next batch that reaches behind what is in the tables.
    fn next_batch(&mut self, limit: Sequence, records_max: u64) -> Result<Option<Batch>, PostgresError> {
        self.reading.set_limit(limit);
        loop {
            let mut batch = self.reading.new_batch();
            self.reading.fill(&mut batch, records_max)?;
            if batch.is_empty() {
                return Ok(None);
            }
            if batch.through > self.at {
                self.reading.finish(&mut batch);
                return Ok(Some(batch));
            }
        }
    }

    /// Writes a batch in a transaction of its own.
    async fn write(&mut self, client: &mut Client, batch: Batch) -> Result<(), Unwritten> {
        let through = batch.through;
        let transaction = client.transaction().await.map_err(failed())?;
        let rows = write_in(&transaction, &self.statements, &self.name, self.target, batch).await?;
        move_to(&transaction, &self.name, self.target, through, rows).await?;
        transaction.commit().await.map_err(failed())?;
        self.rows += rows;
        self.at = through;
        Ok(())
    }

    /// Takes everything through `through` frame by frame.
    async fn isolate(&mut self, client: &mut Client, through: Sequence) -> Result<(), PostgresError> {
        self.reopen(client).await?;
        while self.at < through {
            let Some(batch) = self.next_batch(through, 1)? else {
                let reason = format!("the journal ends before {through}");
                return Err(PostgresError::Refused(reason));
            };
            let end = batch.through;
            match self.write(client, batch).await {
                Ok(()) => {}
                Err(Unwritten::Error(error)) => return Err(error),
                Err(Unwritten::Refused(_)) => self.isolate_records(client, end).await?,
            }
        }
        Ok(())
    }

    /// Takes the records of one frame, which ends at `end`, one by one.
    async fn isolate_records(&mut self, client: &mut Client, end: Sequence) -> Result<(), PostgresError> {
        while self.at < end {
            self.reopen(client).await?;
            let record = self.at.next();
            self.reading.fold_only(self.at, record);
            let Some(mut batch) = self.next_batch(end, 1)? else {
                return Err(PostgresError::Refused(format!("the journal ends before {end}")));
            };
            batch.through = record;
            match self.write(client, batch).await {
                Ok(()) => {}
                Err(Unwritten::Error(error)) => return Err(error),
                Err(Unwritten::Refused(error)) => self.park(client, record, error).await?,
            }
        }
        self.reopen(client).await
    }

    /// Parks the record that the server refuses.
    async fn park(
        &mut self,
        client: &mut Client,
        record: Sequence,
        error: String,
    ) -> Result<(), PostgresError> {
        self.refused += 1;
        if self.refused > REFUSED_MAX {
            let reason = format!("the server refused more than {REFUSED_MAX} events, the last for: {error}");
            return Err(PostgresError::Statement { what: "write a read model", reason, code: None });
        }
        let event_type = self.reading.folded_type();
        let transaction = client.transaction().await.map_err(failed())?;
        save_parked(&transaction, &self.name, self.target, record, event_type, &error).await?;
        move_to(&transaction, &self.name, self.target, record, 0).await?;
        transaction.commit().await.map_err(failed())?;
        self.at = record;
        Ok(())
    }
}

/// A reading that folds what lies behind `at`, with the memory that the tables give.
async fn open(
    client: &Client,
    dir: &Path,
    name: &str,
    target: Target,
    at: Sequence,
) -> Result<Reading, PostgresError> {
    let mut projection = named(name)?;
    let restored = projection::restore(projection.as_mut(), target.suffix(), client).await?;
    restored.map_err(|poison| {
        let reason = format!("its tables cannot be read back ({}); rebuild it", poison.0);
        PostgresError::Statement { what: "go on with a projection", reason, code: None }
    })?;
    let sql = "SELECT block_position, head FROM tickwerk.chain_block WHERE block_position <= $1
        ORDER BY block_position DESC LIMIT 1";
    let row = client.query_opt(sql, &[&position(at)]).await.map_err(failed())?;
    let (block, dictionary) = match row {
        None => (ChainHead::default(), Dictionary::default()),
        Some(row) => {
            let head = <[u8; 32]>::try_from(row.get::<_, &[u8]>(1)).map(Head);
            let head = head.map_err(|_| {
                PostgresError::Schema("a head in tickwerk.chain_block cannot be read".to_owned())
            })?;
            let through = sequence(row.get(0));
            (ChainHead { through, head }, meaning::load(client, through).await?)
        }
    };
    let mut reading = Reading::from_block(
        dir,
        &Marks::Stored,
        block,
        dictionary,
        Selector::default(),
        vec![projection],
        Some(at),
    )?;
    let theirs = Checkpoint::load(client).await?.journal;
    if let Some(theirs) = theirs.filter(|theirs| *theirs != reading.journal()) {
        let reason = format!("the database holds journal {theirs}, this is journal {}", reading.journal());
        return Err(PostgresError::Refused(reason));
    }
    reading.fold_only(at, Sequence(u64::MAX));
    Ok(reading)
}

/// Writes rows and parked events; how many rows.
async fn write_in(
    transaction: &Transaction<'_>,
    statements: &BTreeMap<&'static str, Statement>,
    name: &str,
    target: Target,
    batch: Batch,
) -> Result<u64, Unwritten> {
    let mut rows = 0;
    for Folded { writes, parked, .. } in batch.projections {
        for write in writes {
            let table = write.table;
            rows += write.rows;
            write.send(transaction, &statements[table.name]).await.map_err(|error| {
                if is_of_data(&error) {
                    Unwritten::Refused(format!("{}: {}", table.name, reason_of(&error)))
                } else {
                    Unwritten::Error(failed()(error))
                }
            })?;
        }
        for of in parked {
            save_parked(transaction, name, target, of.sequence, of.event_type, &of.error).await?;
        }
    }
    Ok(rows)
}

async fn save_parked(
    transaction: &Transaction<'_>,
    name: &str,
    target: Target,
    at: Sequence,
    event_type: &str,
    error: &str,
) -> Result<(), PostgresError> {
    let table = match target {
        Target::Shadow => "rebuild_parked",
        Target::Own => "parked",
    };
    let sql = format!(
        "INSERT INTO tickwerk.{table} (projection, global_position, event_type, error) VALUES ($1, $2, $3, $4)
        ON CONFLICT (projection, global_position) DO UPDATE SET error = EXCLUDED.error"
    );
    let values: [&(dyn ToSql + Sync); 4] = [&name, &position(at), &event_type, &error];
    transaction.execute(&sql, &values).await.map_err(PostgresError::statement("park an event"))?;
    Ok(())
}

/// Notes how far the tables are.
pub(crate) async fn move_to(
    transaction: &Transaction<'_>,
    name: &str,
    target: Target,
    through: Sequence,
    rows: u64,
) -> Result<(), PostgresError> {
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let values: [&(dyn ToSql + Sync); 3] = [&name, &position(through), &rows];
    let sql = match target {
        Target::Shadow => {
            "UPDATE tickwerk.projection_rebuild SET global_position = $2, rows_written = rows_written + $3, updated_at = now()
            WHERE name = $1"
        }
        Target::Own => {
            "UPDATE tickwerk.projection SET global_position = $2, updated_at = now() WHERE name = $1 AND $3::bigint >= 0"
        }
    };
    transaction.execute(sql, &values).await.map_err(PostgresError::statement("move a read model"))?;
    Ok(())
}
