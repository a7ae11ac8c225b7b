//! Batches are made on a thread of their own, so that the next one is ready when the server has taken the last.

use crate::batch::Batch;
use crate::batch_size::BatchSize;
use crate::counters::Counters;
use crate::error::PostgresError;
use crate::reading::Reading;
use crate::replicator::Until;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Pause at the end of the journal.
const IDLE: Duration = Duration::from_millis(2);

/// The thread that makes batches, one ahead of the one that is shipped.
pub(crate) struct ReadAhead {
    /// What is to be shipped, in order.
    pub(crate) batches: Receiver<Batch>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), PostgresError>>,
}

impl ReadAhead {
    pub(crate) fn start(
        reading: Reading,
        size: Arc<BatchSize>,
        wait: Duration,
        until: Until,
        counters: Counters,
    ) -> Result<Self, PostgresError> {
        let (sender, batches) = sync_channel(1);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let run = move || read_ahead(reading, &sender, &size, wait, until, &counters, &over);
        let thread = std::thread::Builder::new().name("tw-pg-read".to_owned()).spawn(run);
        let thread = thread.map_err(|error| PostgresError::Reading(error.to_string()))?;
        Ok(Self { batches, is_over, thread })
    }

    /// Ends it; why it failed, where it did.
    pub(crate) fn finish(self) -> Result<(), PostgresError> {
        self.is_over.store(true, Ordering::Release);
        drop(self.batches);
        self.thread.join().map_err(|_| PostgresError::Reading("it panicked".to_owned()))?
    }
}

fn read_ahead(
    mut reading: Reading,
    sender: &SyncSender<Batch>,
    size: &BatchSize,
    wait: Duration,
    until: Until,
    counters: &Counters,
    is_over: &AtomicBool,
) -> Result<(), PostgresError> {
    let mut batch = reading.new_batch();
    let mut begun = Instant::now();
    loop {
        let durable = reading.durable_through()?;
        if let Some(durable) = durable {
            counters.note_durable(durable);
        }
        let was_empty = batch.is_empty();
        let is_full = reading.fill(&mut batch, size.records())?;
        if was_empty {
            begun = Instant::now();
        }
        let is_end = !is_full && until == Until::CaughtUp;
        if !batch.is_empty() && (is_full || is_end || begun.elapsed() >= wait) {
            reading.finish(&mut batch);
            batch.durable = durable;
            let next = reading.new_batch();
            if sender.send(std::mem::replace(&mut batch, next)).is_err() {
                return Ok(());
            }
        } else if is_end {
            return Ok(());
        } else {
            // An idle journal gives nothing to send, which would tell that nobody takes it.
            if is_over.load(Ordering::Acquire) {
                return Ok(());
            }
            std::thread::sleep(IDLE);
        }
    }
}
