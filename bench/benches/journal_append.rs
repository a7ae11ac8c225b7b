//! The journal: appends until the chain head is there, and a loop that only copies the same bytes with the checksum.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tickwerk_bench::append::{self, Source};
use tickwerk_bench::throughput::ThroughputConfig;

/// Records of one measurement; each makes a journal of its own.
const RECORDS: u64 = 200_000;

fn journal_append(criterion: &mut Criterion) {
    let config = ThroughputConfig { records: RECORDS, ..ThroughputConfig::default() };
    let mut source = Source::new(&config).expect("a temporary directory takes a journal");
    let mut group = criterion.benchmark_group("journal");
    group.sample_size(10).throughput(Throughput::Elements(source.count()));
    group.bench_function("append_until_chained", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations)
                .map(|_| {
                    append::append(&config, &mut source)
                        .expect("a temporary directory takes a journal")
                        .chained
                })
                .sum()
        });
    });
    group.bench_function("raw_copy", |bencher| {
        bencher.iter_custom(|iterations| {
            (0..iterations)
                .map(|_| append::raw_copy(&config, &source).expect("a temporary directory takes a segment"))
                .sum()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = journal_append
}
criterion_main!(benches);
