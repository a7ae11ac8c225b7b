//! The rows of a journal in one bare `COPY … BINARY`: what replication is measured against.
//!
//! Nothing is locked, compared or folded, no batch ends, and every row is encoded before time is taken. Whatever
//! replication adds to that is its cost.

use crate::binary::COPY_HEADER;
use crate::error::PostgresError;
use crate::event_row;
use crate::reading::{Marks, Reading};
use crate::selection::{Selector, Wanted};
use bytes::Bytes;
use futures_util::SinkExt;
use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use tickwerk_domain::{Family, Sequence};
use tickwerk_journal::ChainHead;
use tickwerk_render::Dictionary;
use tokio_postgres::Client;

/// Records that are encoded at once.
const BATCH_RECORDS: u64 = 20_000;

/// Rows, ready to be sent as often as asked.
#[derive(Debug)]
pub struct BareCopy {
    chunks: Vec<Bytes>,
    days: BTreeSet<(Family, u64)>,
    rows: u64,
}

impl BareCopy {
    /// Encodes every record of a closed journal.
    pub fn read(dir: &Path) -> Result<Self, PostgresError> {
        let (block, dictionary) = (ChainHead::default(), Dictionary::default());
        let mut selector = Selector::default();
        selector.want(&Wanted::default(), Sequence::NONE);
        let mut reading =
            Reading::from_block(dir, &Marks::Stored, block, dictionary, selector, Vec::new(), None)?;
        let mut copy = Self { chunks: vec![Bytes::from_static(COPY_HEADER)], days: BTreeSet::new(), rows: 0 };
        loop {
            let mut batch = reading.new_batch();
            reading.fill(&mut batch, BATCH_RECORDS)?;
            if batch.is_empty() {
                copy.chunks.push(Bytes::from_static(&crate::binary::COPY_TRAILER));
                return Ok(copy);
            }
            copy.rows += batch.rows;
            copy.days.append(&mut batch.days);
            copy.chunks.append(&mut batch.take_bare_rows());
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes that are sent.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Makes the partitions that the rows fall into.
    pub async fn prepare(&self, client: &Client) -> Result<(), PostgresError> {
        for (family, day) in &self.days {
            event_row::ensure_partition(client, *family, *day).await?;
        }
        Ok(())
    }

    /// Sends them in one statement, which is a transaction of its own.
    pub async fn run(&self, client: &Client) -> Result<u64, PostgresError> {
        let failed = || PostgresError::statement("copy events");
        let sink = client.copy_in(&event_row::copy_sql()).await.map_err(failed())?;
        let mut sink = pin!(sink);
        for chunk in &self.chunks {
            sink.feed(chunk.clone()).await.map_err(failed())?;
        }
        sink.finish().await.map_err(failed())
    }
}
