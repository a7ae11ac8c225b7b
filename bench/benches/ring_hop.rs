//! From one thread to another through one ring, in batches of the workload.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use disruptor::{BusySpin, Polling, Producer, build_single_producer};
use std::hint::black_box;
use std::time::Duration;
use tickwerk_bench::workload::{BATCH, MIXED_V1, Workload};
use tickwerk_domain::Mode;
use tickwerk_engine::pipeline::frame::copy_record;
use tickwerk_engine::pipeline::{Lane, PipelineConfig};

/// Publishes a batch and waits for room as a source does; the consumer reads the number of each record.
fn ring_hop(criterion: &mut Criterion) {
    let config = PipelineConfig::for_this_machine(Mode::DataTime);
    let mut workload = Workload::new(MIXED_V1);
    let blank = workload.next_batch()[0];
    let capacity = config.lane_capacities[Lane::Market as usize];
    let (mut poller, builder) = build_single_producer(capacity, || blank, BusySpin).new_event_poller();
    let mut ring = builder.build();
    let (batch_max, wait) = (config.batch_max as u64, config.core.wait);
    let consumer = std::thread::spawn(move || {
        let (mut waiter, mut sum) = (wait.waiter(), 0_u64);
        loop {
            match poller.take(batch_max) {
                Ok(mut batch) => {
                    waiter.reset();
                    for record in &mut batch {
                        sum = sum.wrapping_add(record.envelope.source_sequence);
                    }
                }
                Err(Polling::NoEvents) => waiter.idle(),
                Err(Polling::Shutdown) => return black_box(sum),
            }
        }
    });
    let mut group = criterion.benchmark_group("ring_hop");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("batch_of_32", |bencher| {
        let mut waiter = config.source_wait.waiter();
        bencher.iter(|| {
            let batch = workload.next_batch();
            while ring
                .try_batch_publish(batch.len(), |slots| {
                    slots.zip(batch).for_each(|(slot, record)| copy_record(slot, record));
                })
                .is_err()
            {
                waiter.idle();
            }
            waiter.reset();
        });
    });
    group.finish();
    drop(ring);
    consumer.join().expect("the consumer ends with the ring");
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = ring_hop
}
criterion_main!(benches);
