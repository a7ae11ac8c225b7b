//! `tickwerk bench replication` in small: every part measures, nothing scans, nothing is left behind. No figure is judged.

use crate::process;
use crate::server::{Database, database};

#[test]
fn the_bench_of_replication_measures_every_part() {
    let Some(place) = database() else { return };
    let small = [
        "--events",
        "12000",
        "--rate-events",
        "10000",
        "--backlog",
        "12000",
        "--rounds",
        "1",
        "--runs",
        "20",
    ];
    let mut arguments = vec![
        "bench",
        "replication",
        "--url",
        &place.address,
        "--batch-events",
        "1000",
        "--years",
        "0",
        "--json",
    ];
    arguments.extend(small);
    let figures = process::run(arguments).expect(0).json();
    let positive = |path: &str| {
        let figure = figures.pointer(path).and_then(serde_json::Value::as_f64);
        assert!(figure.is_some_and(|figure| figure > 0.0), "{path} in {figures}");
    };
    for path in [
        "/rates/bare_per_s",
        "/rates/plain_to_bare",
        "/rates/projected_to_bare",
        "/backlog/slowest_to_mean",
        "/shares/order",
        "/shares/risk",
        "/queries/6/p95_ms",
        "/rebuild/events_per_s",
        "/rebuild/reads",
    ] {
        positive(path);
    }
    assert_eq!(figures["queries"].as_array().map(Vec::len), Some(7), "{figures}");
    assert_eq!(figures["backlog"]["tenths_per_s"].as_array().map(Vec::len), Some(10), "{figures}");
    // Swaps are no faults: who reads sees no gap, and replication has nothing to tell.
    assert_eq!(figures["rebuild"]["gaps"], serde_json::json!([]), "{figures}");
    assert_eq!(figures["rebuild"]["told"], serde_json::json!([]), "{figures}");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'tickwerk_bench_%'";
    // Other runs of this test may share the server.
    let mine = format!("{left} AND datname LIKE 'tickwerk\\_bench\\_{}\\_%'", figures["process"]);
    assert_eq!(Database::open(&place.address).number(&mine), 0);
}

#[test]
fn the_bench_of_replication_says_what_it_needs() {
    let told = process::run(["bench", "replication", "--url", "host=/nowhere dbname=postgres"]).expect(78);
    assert!(told.stderr.contains("names no user"), "{}", told.stderr);
}
