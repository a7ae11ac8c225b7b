//! Real recordings, whole: the book agrees with the exchange's own, the strategy trades, every decision is proved.

use crate::fixture::{examples, run_arguments, tell_skipped};
use crate::process::{reexecute, run};
use serde_json::json;
use std::path::{Path, PathBuf};

/// The folder of recordings beside the project, or nothing and a line that says so.
fn recording(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root folder");
    let path = root.join("../shared/data/binance_ws").join(name);
    if path.exists() {
        return Some(path);
    }
    tell_skipped(&format!("there is no {}", path.display()));
    None
}

fn check(recorded: &str, config: &Path, updates: u64) {
    let Some(path) = recording(recorded) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("journal");
    let name = |path: &Path| path.to_str().expect("plain names").to_owned();
    let sets =
        [("feed.path", &*name(&path)), ("journal.dir", &*name(&dir)), ("journal.segment_size", "4MiB")];
    let summary = run(run_arguments(config, &sets)).expect(0).json();
    assert_eq!(summary["book_check"], json!({ "matched": updates, "total": updates }));
    assert!(summary["fills"].as_u64() > Some(0), "{summary}");
    assert!(!summary["profit"].as_object().expect("profit by account").is_empty(), "{summary}");
    let report = reexecute(&dir);
    assert_eq!(report["chain_head"], summary["journal"]["chain_head"]);
    assert_eq!(report["last_sequence"], summary["journal"]["last_sequence"]);
}

#[test]
fn spot_bitcoin_agrees_with_the_exchange_and_trades() {
    check("spot_btcusdt_20240808.gz", &examples().join("binance-capture.toml"), 3_448);
}

#[test]
fn spot_ether_agrees_with_the_exchange_and_trades() {
    check("spot_ethusdt_20240808.gz", &examples().join("binance-ethusdt-capture.toml"), 3_432);
}

#[test]
fn linear_contracts_agree_with_the_exchange_and_trade() {
    check("usdm_btcusdt_20240808.gz", &examples().join("binance-usdm-capture.toml"), 6_545);
}

#[test]
fn inverse_contracts_agree_with_the_exchange_and_trade() {
    check("cm_btcusd_perp_20240808.gz", &examples().join("binance-coinm-capture.toml"), 26_822);
}
