//! The rings alone: one ring between two threads, and the pipeline with nobody in it who works.
//!
//! Both move the records of the workload, in its batches, through rings of the sizes and with the waits that the whole
//! pipeline has. What is left of the difference between them is one more ring and one more thread.

use crate::throughput::{Flow, ThroughputError};
use crate::workload::{BATCH, MIXED_V1, Workload};
use disruptor::{BusySpin, Polling, Producer, build_single_producer};
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tickwerk_domain::{Command, Payload, Record, Sequence};
use tickwerk_engine::pipeline::frame::{copy_record, is_last_of_frame};
use tickwerk_engine::pipeline::{FrameSink, Lane, PassThrough, PipelineConfig, PipelineStats};

/// Commands a second through one ring: the producer copies them in, the consumer reads each cache line of a slot.
pub fn bare_ring(config: &PipelineConfig, limit: Duration) -> f64 {
    let mut workload = Workload::new(MIXED_V1);
    let blank = workload.next_batch()[0];
    let capacity = config.lane_capacities[Lane::Market as usize];
    let (mut poller, builder) = build_single_producer(capacity, || blank, BusySpin).new_event_poller();
    let mut ring = builder.build();
    let (batch_max, consumer_wait) = (config.batch_max as u64, config.core.wait);
    let consumer = std::thread::spawn(move || {
        let mut waiter = consumer_wait.waiter();
        let mut sum = 0_u64;
        loop {
            match poller.take(batch_max) {
                Ok(mut batch) => {
                    waiter.reset();
                    for record in &mut batch {
                        sum = sum.wrapping_add(touch(record));
                    }
                }
                Err(Polling::NoEvents) => waiter.idle(),
                Err(Polling::Shutdown) => return black_box(sum),
            }
        }
    });
    let mut producer_waiter = config.source_wait.waiter();
    let started = Instant::now();
    let mut count = 0_u64;
    while started.elapsed() < limit {
        for _ in 0..BATCHES_PER_LOOK {
            let batch = workload.next_batch();
            while ring
                .try_batch_publish(batch.len(), |slots| {
                    slots.zip(batch).for_each(|(slot, record)| copy_record(slot, record));
                })
                .is_err()
            {
                producer_waiter.idle();
            }
            producer_waiter.reset();
            count += BATCH as u64;
        }
    }
    drop(ring);
    // The consumer has taken everything when it ends.
    drop(consumer.join());
    per_second(count, started.elapsed())
}

/// Batches from one look at the clock to the next.
pub(crate) const BATCHES_PER_LOOK: u32 = 16;

/// Something of each cache line of a slot, so that all of it has to travel.
#[inline]
fn touch(record: &Record) -> u64 {
    let head = record.envelope.source_sequence;
    let body = if let Payload::Command(Command::BookDelta(delta)) = &record.payload {
        delta.levels[0].price.0 ^ delta.levels[4].qty.0
    } else if let Payload::Command(Command::QuoteObserved(quote)) = &record.payload {
        quote.bid_qty.0 ^ quote.ask_qty.0
    } else {
        i64::from(record.payload.type_id().0)
    };
    head ^ body.cast_unsigned()
}

/// Commands a second through the pipeline with a decider that lets all pass and a sink that keeps nothing.
pub fn empty_pipeline(config: &PipelineConfig, limit: Duration) -> Result<f64, ThroughputError> {
    let flow = Flow::start(config, PassThrough::default(), NullSink::default())?;
    let mut workload = Workload::new(MIXED_V1);
    let (flow, timed) = flow.run(&mut workload, limit, u64::MAX)?;
    flow.end()?;
    Ok(per_second(timed.commands, timed.elapsed))
}

/// Takes everything and keeps nothing.
#[derive(Debug, Default)]
pub struct NullSink {
    frames: u64,
}

impl FrameSink for NullSink {
    type Error = Infallible;
    type Closed = u64;

    #[inline]
    fn push(&mut self, record: &Record) -> Result<Option<Sequence>, Infallible> {
        if !is_last_of_frame(record) {
            return Ok(None);
        }
        self.frames += 1;
        Ok(Some(record.envelope.sequence))
    }

    fn idle(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn close(self) -> Result<u64, Infallible> {
        Ok(self.frames)
    }
}

/// Waits until everything that was published is decided and taken by the sink.
pub(crate) fn wait_until_drained(stats: &PipelineStats, is_dead: &dyn Fn() -> bool) {
    let (lane, outcome) = (stats.lane(Lane::Market), stats.outcome());
    // The core hands on what it decided before it counts a command as consumed.
    while (lane.consumed() < lane.published() || outcome.consumed() < outcome.published()) && !is_dead() {
        std::thread::yield_now();
    }
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a measured figure")]
pub(crate) fn per_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}
