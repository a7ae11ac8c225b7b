//! The journal behind the pipeline, with counts of what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tickwerk_domain::{Event, Payload, Qty, Record, Sequence};
use tickwerk_engine::pipeline::FrameSink;
use tickwerk_journal::{AppendError, Closed, Fault, Writer, has_fault};

/// What passed since the start of this process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    commands: AtomicU64,
    events: AtomicU64,
    orders: AtomicU64,
    fills: AtomicU64,
    rejects: AtomicU64,
}

/// One look at [`Counts`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Commands, those that the core gave itself included.
    pub(crate) commands: u64,
    /// Events.
    pub(crate) events: u64,
    /// Orders that went to the venue.
    pub(crate) orders: u64,
    /// Fills that were booked.
    pub(crate) fills: u64,
    /// Orders that were refused, by a risk rule or by the venue.
    pub(crate) rejects: u64,
}

impl Counts {
    pub(crate) fn look(&self) -> Counted {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            commands: of(&self.commands),
            events: of(&self.events),
            orders: of(&self.orders),
            fills: of(&self.fills),
            rejects: of(&self.rejects),
        }
    }
}

/// Writes frames to the journal.
#[derive(Debug)]
pub(crate) struct JournalSink {
    writer: Writer,
    counts: Arc<Counts>,
}

impl JournalSink {
    pub(crate) fn new(writer: Writer, counts: Arc<Counts>) -> Self {
        Self { writer, counts }
    }

    fn count(&self, payload: &Payload) {
        let counts = &self.counts;
        let Payload::Event(event) = payload else {
            bump(&counts.commands);
            return;
        };
        bump(&counts.events);
        if let Event::OrderSubmitted(_) = event {
            bump(&counts.orders);
        } else if let Event::OrderPartiallyFilled(_) = event {
            bump(&counts.fills);
        } else if let Event::OrderFilled(filled) = event {
            // One may only say that nothing is awaited any more.
            if filled.last_qty > Qty::ZERO {
                bump(&counts.fills);
            }
        } else if let Event::OrderRejected(_) = event {
            bump(&counts.rejects);
        }
    }
}

/// The record, with another digest if it tells one.
fn with_wrong_digest(mut record: Record) -> Record {
    if let Payload::Event(Event::StateDigest(told)) = &mut record.payload {
        told.digest ^= 1;
    }
    record
}

/// Only the journal thread writes, so that a plain load and store is enough.
fn bump(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl FrameSink for JournalSink {
    type Error = AppendError;
    type Closed = Closed;

    fn push(&mut self, record: &Record) -> Result<Option<Sequence>, AppendError> {
        let written = if has_fault(Fault::WrongDigest) {
            self.writer.push(&with_wrong_digest(*record))?
        } else {
            self.writer.push(record)?
        };
        self.count(&record.payload);
        Ok(written)
    }

    fn idle(&mut self) -> Result<(), AppendError> {
        self.writer.idle()
    }

    fn close(self) -> Result<Closed, AppendError> {
        self.writer.close()
    }
}
