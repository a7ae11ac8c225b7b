//! The directions of dependencies, against `cargo metadata`. Dependencies for tests are held to the same table.

use crate::{assert_none, root_folder};
use serde_json::Value;
use std::process::Command;

/// Our crates, and those of ours that each may use. A crate that stands here with nothing knows none of the others.
const MAY_USE: &[(&str, &[&str])] = &[
    ("tickwerk-domain", &[]),
    ("tickwerk-venue", &["tickwerk-domain"]),
    ("tickwerk-engine", &["tickwerk-domain", "tickwerk-venue"]),
    ("tickwerk-journal", &["tickwerk-domain"]),
    ("tickwerk-feeds", &["tickwerk-domain", "tickwerk-engine"]),
    ("tickwerk-import", &["tickwerk-domain"]),
    ("tickwerk-gateway", &["tickwerk-domain", "tickwerk-engine"]),
    ("tickwerk-render", &["tickwerk-domain"]),
    ("tickwerk-postgres", &["tickwerk-domain", "tickwerk-journal", "tickwerk-render"]),
    ("tickwerk-bridges", &["tickwerk-domain", "tickwerk-journal", "tickwerk-render"]),
    ("tickwerk-bench", &["*"]),
    ("tickwerk", &["*"]),
    ("tickwerk-tests", &["*"]),
    ("xtask", &[]),
];

/// Crates that nobody may import, whatever the table above says; `tickwerk bench` runs the benchmarks' workload.
const NOBODY_IMPORTS: &[(&str, &[&str])] =
    &[("tickwerk-bench", &["tickwerk"]), ("tickwerk-tests", &[]), ("tickwerk", &[])];

/// Crates of others that stand for a kind of work, and those of ours that may do it.
const WORK: &[(&str, &[&str], &[&str])] = &[
    ("rings and pins", &["disruptor", "core_affinity"], &["tickwerk-engine", "tickwerk-bench"]),
    ("mapped files", &["memmap2"], &["tickwerk-journal", "tickwerk-bench", "tickwerk-tests"]),
    (
        "archived bytes",
        &["rkyv"],
        &["tickwerk-domain", "tickwerk-journal", "tickwerk-bench", "tickwerk-tests"],
    ),
    (
        "asynchronous runtimes and databases",
        &[
            "tokio",
            "async-std",
            "smol",
            "tokio-postgres",
            "postgres",
            "deadpool-postgres",
            "sqlx",
            "refinery",
            "rusqlite",
        ],
        &[
            "tickwerk-feeds",
            "tickwerk-import",
            "tickwerk-gateway",
            "tickwerk-postgres",
            "tickwerk-bridges",
            "tickwerk-bench",
            "tickwerk",
            "tickwerk-tests",
        ],
    ),
    (
        "text formats",
        &["serde", "serde_json", "toml", "csv", "quick-xml", "simd-json"],
        &[
            "tickwerk-import",
            "tickwerk-feeds",
            "tickwerk-gateway",
            "tickwerk-postgres",
            "tickwerk-bridges",
            "tickwerk-render",
            "tickwerk-bench",
            "tickwerk",
            "tickwerk-tests",
            "xtask",
        ],
    ),
    (
        "clocks, calendars and randomness",
        &["jiff", "chrono", "time", "quanta", "rand", "fastrand", "getrandom", "uuid"],
        &[
            "tickwerk-import",
            "tickwerk-feeds",
            "tickwerk-gateway",
            "tickwerk-postgres",
            "tickwerk-bridges",
            "tickwerk-render",
            "tickwerk-bench",
            "tickwerk",
            "tickwerk-tests",
            "xtask",
        ],
    ),
    (
        "errors without a type",
        &["anyhow", "eyre", "color-eyre"],
        &["tickwerk", "tickwerk-bench", "tickwerk-tests", "xtask"],
    ),
];

/// A crate of the workspace with all that its manifest names, whether for builds or for tests.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    dependencies: Vec<String>,
}

fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root_folder())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let name_of = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .map(|package| Package {
            name: name_of(package),
            dependencies: package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .map(name_of)
                .collect(),
        })
        .collect()
}

fn violations(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(allowed) = look_up(MAY_USE, name) else {
            found.push(format!("{name} is not in the table of tests/tidy/crates.rs: say what it may use"));
            continue;
        };
        for dependency in package.dependencies.iter().map(String::as_str) {
            let is_ours = look_up(MAY_USE, dependency).is_some()
                || packages.iter().any(|other| other.name == dependency);
            if is_ours && !allowed.contains(&"*") && !allowed.contains(&dependency) {
                found.push(format!("{name} must not know {dependency}"));
            }
            if look_up(NOBODY_IMPORTS, dependency).is_some_and(|importers| !importers.contains(&name)) {
                found.push(format!("{name} must not import {dependency}"));
            }
            for (work, crates, workers) in WORK {
                if crates.contains(&dependency) && !workers.contains(&name) {
                    found.push(format!("{name} must not use {dependency}: {work} are not its work"));
                }
            }
        }
    }
    found
}

fn look_up<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(entry, _)| *entry == name).map(|(_, value)| *value)
}

#[test]
fn dependencies_point_the_way_that_the_table_says() {
    assert_none(&violations(&packages()));
}

#[test]
fn a_dependency_against_the_table_is_found() {
    let good = packages();
    let with = |name: &str, dependency: &str| {
        let mut packages = good.clone();
        let package = packages.iter_mut().find(|package| package.name == name).expect("a crate of ours");
        package.dependencies.push(dependency.to_owned());
        violations(&packages)
    };
    for (name, dependency) in [
        ("tickwerk-domain", "tickwerk-venue"),
        ("tickwerk-domain", "serde_json"),
        ("tickwerk-domain", "jiff"),
        ("tickwerk-venue", "tickwerk-engine"),
        ("tickwerk-venue", "disruptor"),
        ("tickwerk-engine", "tickwerk-journal"),
        ("tickwerk-engine", "tokio"),
        ("tickwerk-journal", "tickwerk-engine"),
        ("tickwerk-journal", "disruptor"),
        ("tickwerk-journal", "serde_json"),
        ("tickwerk-feeds", "tickwerk-journal"),
        ("tickwerk-feeds", "tickwerk"),
        ("tickwerk-import", "tickwerk-engine"),
        ("tickwerk-import", "tickwerk-journal"),
        ("tickwerk-engine", "tickwerk-bench"),
        ("tickwerk", "tickwerk-tests"),
        ("tickwerk", "disruptor"),
        ("xtask", "tickwerk-domain"),
    ] {
        let found = with(name, dependency);
        assert!(
            found.iter().any(|line| line.starts_with(name) && line.contains(dependency)),
            "{name} → {dependency}: {found:?}"
        );
    }
    let stranger = Package { name: "tickwerk-stranger".to_owned(), dependencies: Vec::new() };
    assert_eq!(violations(&[stranger]).len(), 1, "a crate without a line in the table is found");
}
