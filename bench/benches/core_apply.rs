//! One core: the machine on order flow, and the whole core with its simulated venue on `mixed-v1`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tickwerk_bench::recording::{self, Desk};
use tickwerk_bench::workload::{BATCH, MIXED_V1, ORDER_FLOW, Workload, setup};
use tickwerk_engine::EventBuffer;
use tickwerk_engine::machine::Machine;

const COMMANDS: usize = 200_000;
/// Commands that come before time is taken.
const BEFORE: usize = 100_000;

fn machine_apply(criterion: &mut Criterion) {
    let commands = recording::order_flow(ORDER_FLOW, COMMANDS);
    let (before, timed) = commands.split_at(BEFORE);
    let mut group = criterion.benchmark_group("core_apply");
    group.sample_size(20).throughput(Throughput::Elements(timed.len() as u64));
    group.bench_function("machine_order_flow", |bencher| {
        let warm_machine = || {
            let (mut machine, mut events) = (Machine::new(), EventBuffer::new());
            for (time, command) in before {
                recording::apply(&mut machine, *time, command, &mut events);
            }
            (machine, events)
        };
        let apply = |(mut machine, mut events): (Machine, EventBuffer)| {
            for (time, command) in timed {
                recording::apply(&mut machine, *time, command, &mut events);
            }
            machine
        };
        bencher.iter_batched(warm_machine, apply, BatchSize::PerIteration);
    });
    group.finish();
}

fn core_mixed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("core_apply");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("core_mixed_v1", |bencher| {
        let mut desk = Desk::new();
        for record in &setup() {
            desk.feed(record, &mut |_| {});
        }
        let mut workload = Workload::new(MIXED_V1);
        bencher.iter(|| {
            for record in workload.next_batch() {
                desk.feed(record, &mut |frame| {
                    black_box(frame);
                });
            }
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = machine_apply, core_mixed
}
criterion_main!(benches);
